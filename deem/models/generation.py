"""What a trained model of two layers makes: draws, completed samples, cleaned ones."""

from __future__ import annotations

import torch
from torch import Tensor

from deem.core.model import BipartiteModel, evaluating
from deem.math.random import as_generator
from deem.utils.exception import ArgumentError, ShapeError, check_whole

__all__ = ["Generative"]


class Generative(BipartiteModel):
    """A model of two layers that can be drawn from, clamped and asked to fill gaps.

    All methods see the model as in evaluation mode and leave it in the mode it is in.

    Attributes
    ----------
    visible_shape, hidden_shape : tuple of int
        Of one configuration.
    """

    visible_shape: tuple[int, ...]
    hidden_shape: tuple[int, ...]

    @torch.no_grad()
    def sample(
        self,
        n: int,
        steps: int = 1000,
        start: Tensor | None = None,
        random_state: object = None,
    ) -> Tensor:
        """Draw visible configurations by a Gibbs chain each.

        Chains of models with modes far apart need many steps, or a start at data; exact,
        independent draws of small ones are those of ``exact_draws``.

        Parameters
        ----------
        n : int
            Number of chains, at least 1.
        steps : int
            Sweeps of each chain, at least 0.
        start : (n, ...) Tensor, optional
            Where the chains start. By default visible units are drawn by their own biases.
        random_state : None, int, numpy or torch generator
            Source of the draws.

        Returns
        -------
        (n, ...)
        """
        check_whole(1, n=n)
        check_whole(0, steps=steps)
        generator = as_generator(random_state, self.device)
        with evaluating(self):
            if start is None:
                off = torch.zeros(n, *self.hidden_shape, dtype=self.dtype, device=self.device)
                v = self.sample_v(off, generator)
            else:
                v = self._checked(start, "start")
                if len(v) != n:
                    raise ShapeError(f"start has {len(v)} rows, but n={n}; pass one a chain.")
            for _ in range(steps):
                v = self.gibbs_step(v, generator)
        return v

    @torch.no_grad()
    def clamp(
        self, v: Tensor, missing: Tensor, steps: int = 200, random_state: object = None
    ) -> Tensor:
        """Draw the missing units given the known ones, which stay as they are.

        Parameters
        ----------
        v : (batch, ...)
            What stands at the missing units, NaN too, does not matter.
        missing : bool, (batch, ...) or (...)
            True where a unit is unknown; without the first axis, the same for all rows.
        steps : int
            Sweeps, at least 1.
        random_state : None, int, numpy or torch generator
            Source of the draws.

        Returns
        -------
        (batch, ...)
            One draw a row.
        """
        check_whole(1, steps=steps)
        generator = as_generator(random_state, self.device)
        with evaluating(self):
            v, missing = self._started(v, missing, generator)
            for _ in range(steps):
                v = torch.where(missing, self.gibbs_step(v, generator), v)
        return v

    @torch.no_grad()
    def impute(
        self,
        v: Tensor,
        missing: Tensor,
        steps: int = 200,
        burn_in: int = 50,
        random_state: object = None,
    ) -> Tensor:
        """Fill the missing units with their means given the known ones.

        The means over the sweeps of a clamped chain, each with the visible units averaged given
        the hidden ones, which has less noise than a mean of draws.

        Parameters
        ----------
        v, missing, random_state
            As in ``clamp``.
        steps : int
            Sweeps that are averaged, at least 1.
        burn_in : int
            Sweeps before them, at least 0.

        Returns
        -------
        (batch, ...)
            For binary units the probabilities of 1; known units unchanged.
        """
        check_whole(1, steps=steps)
        check_whole(0, burn_in=burn_in)
        generator = as_generator(random_state, self.device)
        with evaluating(self):
            v, missing = self._started(v, missing, generator)
            total = torch.zeros_like(v)
            for step in range(burn_in + steps):
                h = self.sample_h(v, generator)
                if step >= burn_in:
                    total += self.p_v(h).mean
                v = torch.where(missing, self.sample_v(h, generator), v)
        return torch.where(missing, total / steps, v)

    @torch.no_grad()
    def denoise(self, v: Tensor, steps: int = 1) -> Tensor:
        """Means of the visible units (batch, ...) after mean-field sweeps.

        Nothing is drawn. Many steps forget the sample in favour of the nearest mode.
        """
        check_whole(1, steps=steps)
        with evaluating(self):
            v = self._checked(v, "v")
            for _ in range(steps):
                v = self.reconstruct(v)
        return v

    def _started(
        self, v: Tensor, missing: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Known units, the others drawn by their own biases; and which those are."""
        v = self._checked(v, "v")
        missing = torch.as_tensor(missing, device=self.device)
        if missing.dtype != torch.bool or missing.shape not in (v.shape, v.shape[1:]):
            raise ShapeError(
                f"missing is {missing.dtype} of shape {tuple(missing.shape)}; expected bool of "
                f"shape {tuple(v.shape)} or {tuple(v.shape[1:])}."
            )
        missing = missing.expand_as(v)
        if not v[~missing].isfinite().all():
            raise ArgumentError(
                "v holds NaN or infinity at units that are not missing; mark them, for example by "
                "missing=v.isnan()."
            )
        off = torch.zeros(len(v), *self.hidden_shape, dtype=self.dtype, device=self.device)
        return torch.where(missing, self.sample_v(off, generator), v), missing

    def _checked(self, v: Tensor, name: str) -> Tensor:
        v = torch.as_tensor(v).to(self.device, self.dtype)
        self.check_shape(v, name)
        return v

    def check_shape(self, v: Tensor, name: str = "v") -> None:
        """Raise `ShapeError` unless `v` is a batch of visible configurations."""
        if v.shape[1:] != self.visible_shape:
            raise ShapeError(
                f"{name} has shape {tuple(v.shape)}; expected (batch, "
                f"{', '.join(map(str, self.visible_shape))})."
            )
