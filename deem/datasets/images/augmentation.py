"""Random crops and mirror images of whole batches."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from deem.utils.exception import ShapeError, check_whole

__all__ = ["augment"]


def augment(x: Tensor, generator: torch.Generator, padding: int = 4, flip: bool = True) -> Tensor:
    """Shift every image of a batch at random, and mirror half of them.

    Parameters
    ----------
    x : (batch, channels, height, width)
        Images; 0 fills what is shifted in, which is the mean colour of standardised images.
    generator : torch.Generator
        Source of the shifts and flips, on any device.
    padding : int
        Largest shift in pixels; all shifts from -padding to padding are equally likely, in both
        directions.
    flip : bool
        Whether images are mirrored left to right with probability 1/2. Pass False where a mirror
        image is another thing: digits (SVHN too), letters, signs.

    Returns
    -------
    (batch, channels, height, width)
        New images; `x` is left as it is.

    References
    ----------
    .. [1] He et al. (2016), Deep residual learning for image recognition, section 4.2.
    """
    if x.dim() != 4:
        raise ShapeError(
            f"x has shape {tuple(x.shape)}; expected images (batch, channels, height, width)."
        )
    check_whole(0, padding=padding)
    batch, channels, height, width = x.shape
    top, left = _drawn(2 * padding + 1, (2, batch, 1), generator).to(x.device)
    rows = top + torch.arange(height, device=x.device)
    columns = torch.arange(width, device=x.device).expand(batch, width)
    if flip:
        mirrored = _drawn(2, (batch, 1), generator).to(x.device).bool()
        columns = torch.where(mirrored, width - 1 - columns, columns)
    # One gather does both: pixel (i, j) of image b is at (rows[b, i], left[b] + columns[b, j]).
    samples = torch.arange(batch, device=x.device)[:, None, None, None]
    planes = torch.arange(channels, device=x.device)[:, None, None]
    columns = (left + columns)[:, None, None, :]
    return pad(x, (padding,) * 4)[samples, planes, rows[:, None, :, None], columns]


def _drawn(n: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(n, shape, generator=generator, device=generator.device)
