"""How alike two pictures look."""

from typing import Any

import numpy as np
import torch

from deem.utils.exception import ArgumentError, ShapeError

__all__ = ["structural_similarity"]

_WINDOW = 7
"""Side of the window in pixels, where the picture is as large."""


def structural_similarity(x: Any, y: Any, *, data_range: float = 1.0) -> float:
    r"""Mean structural similarity of two batches of pictures.

    Of each window of 7 x 7 pixels, or of the largest odd side that fits in smaller pictures,

    .. math:: \frac{(2 \mu_x \mu_y + c_1)(2 \sigma_{xy} + c_2)}
        {(\mu_x^2 + \mu_y^2 + c_1)(\sigma_x^2 + \sigma_y^2 + c_2)},
        \qquad c_1 = (0.01 L)^2, \quad c_2 = (0.03 L)^2

    is averaged over windows, channels and pictures. It needs scikit-image, the extra ``images``.

    Parameters
    ----------
    x : (n, h, w) or (n, channels, h, w)
        Pictures of at least 3 x 3 pixels; array or tensor, finite.
    y : of the shape of `x`
        For instance their reconstructions.
    data_range : float
        L, greatest minus least possible value, above 0. One for all pictures, so that a flat
        picture and a rich one are measured alike.

    Returns
    -------
    float
        In [-1, 1]; 1 for equal pictures.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or the pictures are smaller.
    ArgumentError
        If a value is not finite, or `data_range` is not above 0.
    ImportError
        If scikit-image is not installed.

    References
    ----------
    .. [1] Wang, Bovik, Sheikh, Simoncelli (2004), Image quality assessment: from error visibility
       to structural similarity, IEEE Transactions on Image Processing 13 (4), 600-612.

    Examples
    --------
    >>> ramp = np.linspace(0, 1, 64).reshape(1, 8, 8)
    >>> structural_similarity(ramp, ramp)
    1.0
    >>> round(structural_similarity(ramp, 1 - ramp), 2)
    -0.95
    """
    x, y = _pictures("x", x), _pictures("y", y)
    if x.shape != y.shape:
        raise ShapeError(f"y has shape {y.shape}, expected that of x, {x.shape}; reshape it.")
    if not 0 < data_range < np.inf:
        raise ArgumentError(
            f"data_range={data_range}, expected a finite number above 0; pass the greatest minus "
            "the least possible value."
        )
    try:
        from skimage import metrics
    except ImportError as error:
        raise ImportError(
            "structural_similarity needs scikit-image; run pip install 'deem[images]'."
        ) from error
    smallest = min(x.shape[-2:])
    window = min(_WINDOW, smallest - 1 + smallest % 2)
    options = {"win_size": window, "data_range": data_range, "channel_axis": 0}
    pairs = zip(x, y, strict=True)
    return float(np.mean([metrics.structural_similarity(*pair, **options) for pair in pairs]))


def _pictures(name: str, values: Any) -> np.ndarray:
    """(n, channels, h, w) values as float64."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().double().numpy()
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in (3, 4) or not array.size or min(array.shape[-2:]) < 3:
        raise ShapeError(
            f"{name} has shape {array.shape}, expected (n, h, w) or (n, channels, h, w) of at "
            "least 3 x 3 pixels; reshape it."
        )
    if not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise ArgumentError(f"{name} has {count} values that are not finite; replace them.")
    return array[:, np.newaxis] if array.ndim == 3 else array
