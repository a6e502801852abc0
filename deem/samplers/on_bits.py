"""Kernels over one-hot sites, run on models of binary units."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from deem.core.model import Model
from deem.core.sampler import Sampler, SamplerState
from deem.utils.exception import ArgumentError

__all__ = ["OnBits"]


class OnBits(Sampler):
    """Run a kernel over one-hot sites on a model of binary visible units.

    A unit becomes a site of two categories, off and on. So `GibbsWithGradients`,
    `DiscreteLangevin` and `ParallelTempering` work on every model whose visible units are bits
    and whose free energy can be differentiated, with nothing known of its hidden units.

    Chains are held as (batch, ..., 2), the last axis being off and on.

    Parameters
    ----------
    kernel : Sampler
        What moves the chains.

    References
    ----------
    .. [1] Grathwohl et al. (2021), Oops I took a gradient: scalable sampling for discrete
       distributions, section 4, which treats bits by themselves.
    """

    def __init__(self, kernel: Sampler):
        if not isinstance(kernel, Sampler):
            raise ArgumentError(
                f"kernel is a {type(kernel).__name__}, expected a sampler over one-hot sites such "
                "as GibbsWithGradients()."
            )
        self.kernel = kernel

    @property
    def exact(self) -> bool:  # type: ignore[override]
        """As the kernel is."""
        return self.kernel.exact

    def start(self, v: Tensor, generator: torch.Generator) -> Tensor:
        sites = torch.stack([1 - v, v], -1).flatten(1, -2)
        return self.kernel.start(sites, generator).unflatten(-2, v.shape[1:])

    def draws(self, chains: Tensor) -> Tensor:
        return self.kernel.draws(chains)[..., 1]

    def run(
        self, model: Model, v: Tensor, steps: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        seen = _Pairs(model, _shape(model))
        sites, metrics = self.kernel.run(cast("Model", seen), seen.sites(v), steps, generator)
        return sites.reshape(v.shape), metrics

    def init(self, model: Model, v: Tensor) -> SamplerState:
        seen = _Pairs(model, _shape(model))
        return self.kernel.init(cast("Model", seen), seen.sites(v))

    def step(self, model: Model, state: SamplerState, generator: torch.Generator) -> SamplerState:
        return self.kernel.step(cast("Model", _Pairs(model, _shape(model))), state, generator)

    def adapt(self, acceptance: Tensor) -> None:
        self.kernel.adapt(acceptance)

    def state(self) -> dict[str, Any]:
        return self.kernel.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.kernel.restore(state)


class _Pairs:
    """What kernels look at, of a model of bits seen as one of sites (batch, n_units, 2)."""

    supports_missing = False

    def __init__(self, model: Any, shape: tuple[int, ...]):
        self.model, self.shape = model, shape
        self.held = getattr(model, "held", None)

    def frozen(self, v: Tensor) -> _Pairs:
        return _Pairs(self.model.frozen(self._bits(v)), self.shape)

    def free_energy(self, v: Tensor) -> Tensor:
        return self.model.free_energy(self._bits(v))

    def free_energy_and_gradient(self, v: Tensor) -> tuple[Tensor, Tensor]:
        free_energy, gradient = self.model.free_energy_and_gradient(self._bits(v))
        gradient = gradient.flatten(1)
        return free_energy, torch.stack([torch.zeros_like(gradient), gradient], -1)

    def sites(self, v: Tensor) -> Tensor:
        """Chains with the axes of the units made one."""
        return v.flatten(-1 - len(self.shape), -2)

    def _bits(self, v: Tensor) -> Tensor:
        return v[..., 1].reshape(len(v), *self.shape)


def _shape(model: Any) -> tuple[int, ...]:
    shape = getattr(model, "visible_shape", None)
    if shape is None:
        raise ArgumentError(
            f"{type(model).__name__} has no visible_shape; OnBits is for models of binary units "
            "such as RBM; run the kernel itself on those of votes."
        )
    units = getattr(model, "visible_units", None)
    if units is not None and not units.is_binary:
        raise ArgumentError(
            f"the visible units of {type(model).__name__} are {type(units).__name__}, no bits; "
            "move them by Gibbs sweeps."
        )
    return shape
