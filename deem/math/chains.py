"""What series of Markov chains tell of their mixing."""

import torch
from torch import Tensor

__all__ = ["effective_sample_size"]


def effective_sample_size(series: Tensor) -> Tensor:
    r"""Number of independent draws that would tell as much of the mean as the chains do.

    .. math:: \frac{S C}{1 + 2 \sum_{t \ge 1} \rho_t}

    The autocorrelations are averaged over the chains, and the sum ends at the first pair of lags
    whose sum is negative (Geyer's initial positive sequence).

    Parameters
    ----------
    series : (S, C)
        One number a step and chain, such as the free energy; at least 4 steps.

    Returns
    -------
    scalar Tensor
        In (0, S * C]; series that never change have one draw a chain.

    References
    ----------
    .. [1] Geyer (1992), Practical Markov chain Monte Carlo, section 3.3.
    """
    steps, chains = series.shape
    centred = series.double() - series.double().mean()
    spectrum = torch.fft.rfft(centred, 2 * steps, dim=0)
    autocovariance = torch.fft.irfft(spectrum.abs().square(), dim=0)[:steps].mean(1)
    autocovariance = autocovariance / torch.arange(steps, 0, -1, device=series.device)
    variance = autocovariance[0]
    pairs = autocovariance[: steps // 2 * 2].reshape(-1, 2).sum(1)
    positive = (pairs > 0).to(pairs).cumprod(0)
    time = 2 * (pairs * positive).sum() / variance - 1
    return steps * chains / torch.where(variance > 0, time, float(steps)).clamp(1, steps)
