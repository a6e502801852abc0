"""The recurrent temporal restricted Boltzmann machine."""

from __future__ import annotations

from deem.models.binary.rbm import RBM
from deem.models.temporal.recurrent import RecurrentHarmonium

__all__ = ["RTRBM"]


class RTRBM(RecurrentHarmonium):
    r"""Recurrent temporal RBM: sequences of binary frames.

    .. math:: E(v_t, h_t \mid r_{t-1}) = -\big(a^\top v_t + b^\top h_t + v_t W h_t
        + r_{t-1} U h_t\big) / T, \qquad
        r_t = \sigma\big((b + v_t W + r_{t-1} U) / T\big)

    Given the past a frame is an `RBM`, so contrastive divergence runs for every frame by itself;
    the gradient goes back through time. Visible values between 0 and 1 are taken as
    probabilities.

    Parameters
    ----------
    n_visible, n_hidden : int
        Numbers of units of a frame, at least 1.
    temperature : float
        T, above 0.
    random_state : int
        Seed of the first weights, N(0, 0.01^2).

    Attributes
    ----------
    frame : RBM
        With a, b and W.
    recurrent_weight : (n_hidden, n_hidden) Parameter
        U.
    initial_state : (n_hidden,) Parameter
        :math:`r_0`.

    References
    ----------
    .. [1] Sutskever, Hinton, Taylor (2008), The recurrent temporal restricted Boltzmann machine.

    Examples
    --------
    A unit that is on in every second frame:

    >>> import torch
    >>> v = torch.tensor([[1.0], [0.0]]).repeat(2, 1).repeat(64, 1, 1)
    >>> model = RTRBM(1, 2).fit(v, epochs=60, learning_rate=0.1, random_state=0)
    >>> model.extend(v[:1], 2, deterministic=True).round().flatten()
    tensor([1., 0.])
    """

    def __init__(
        self, n_visible: int, n_hidden: int, temperature: float = 1.0, random_state: int = 0
    ):
        super().__init__(RBM(n_visible, n_hidden, temperature), random_state)
