"""The recurrent temporal RBM of real-valued frames."""

from __future__ import annotations

from deem.models.real.gaussian_rbm import GaussianRBM
from deem.models.temporal.recurrent import RecurrentHarmonium

__all__ = ["RTGaussianRBM"]


class RTGaussianRBM(RecurrentHarmonium):
    r"""Recurrent temporal RBM of real visible and binary hidden units.

    .. math:: E(v_t, h_t \mid r_{t-1}) = \Big(\tfrac12 |z_t|^2 - a^\top z_t - b^\top h_t
        - z_t W h_t - r_{t-1} U h_t\Big) / T, \qquad
        r_t = \sigma\big((b + z_t W + r_{t-1} U) / T\big)

    with :math:`z_t` in standard units as in `GaussianRBM`: locations and scales are those of all
    frames of the first ``fit``, and all that goes in or comes out is in the units of the data.

    Parameters
    ----------
    n_visible, n_hidden : int
        Numbers of units of a frame, at least 1.
    standardise : bool
        Whether the first ``fit`` sets locations and scales; otherwise they are 0 and 1.
    temperature : float
        T, above 0.
    random_state : int
        Seed of the first weights, N(0, 0.01^2).

    Attributes
    ----------
    frame : GaussianRBM
        With a, b, W, locations and scales.
    recurrent_weight : (n_hidden, n_hidden) Parameter
        U.
    initial_state : (n_hidden,) Parameter
        :math:`r_0`.

    References
    ----------
    .. [1] Sutskever, Hinton, Taylor (2008), The recurrent temporal restricted Boltzmann machine.

    Examples
    --------
    >>> import torch
    >>> v = torch.tensor([[20.0], [10.0]]).repeat(2, 1).repeat(64, 1, 1)
    >>> v = v + torch.linspace(-1, 1, 64)[:, None, None]
    >>> model = RTGaussianRBM(1, 2).fit(v, epochs=60, learning_rate=0.1, random_state=0)
    >>> model.extend(v[:1], 2, deterministic=True).flatten() > 15
    tensor([ True, False])
    """

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        standardise: bool = True,
        temperature: float = 1.0,
        random_state: int = 0,
    ):
        super().__init__(GaussianRBM(n_visible, n_hidden, standardise, temperature), random_state)
        self.standardise = standardise
