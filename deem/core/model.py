"""The contract a researcher subclasses: Model, LatentModel, BipartiteModel."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from deem.core.dataset import Dataset
from deem.core.module import Module
from deem.core.solvers import ContrastiveDivergence, Solver, as_visible, weighted_mean
from deem.core.training import Callback, ProgressBar, train
from deem.core.votes import Votes
from deem.math.random import as_generator, draw
from deem.utils.exception import ArgumentError, IntractableError

__all__ = ["BipartiteModel", "LatentModel", "Model", "evaluating"]

_BATCH = 4096

AnyModel = TypeVar("AnyModel", bound="Model")


class Model(Module):
    """An energy-based model over visible configurations.

    You write ``free_energy``. You inherit ``fit`` with its ``history``, ``score_samples`` where
    ``log_partition`` is known, ``save`` and ``load``, ``device`` and ``dtype``; every sampler that
    needs only the free energy or its gradient works at once.

    Attributes
    ----------
    supports_missing : bool
        Whether an all-zero row of a one-hot site is marginalised as a missing vote.
    """

    supports_missing: bool = False

    @abstractmethod
    def free_energy(self, v: Tensor) -> Tensor:
        """Free energy of visible configurations.

        Parameters
        ----------
        v : (batch, ...)
            Visible configurations.

        Returns
        -------
        (batch,)
            In nats, at temperature 1; ``p(v) = exp(-free_energy(v) - log_partition())``.
        """

    def log_partition(self) -> Tensor:
        """Logarithm of the sum of ``exp(-free_energy(v))`` over all v, a scalar in nats."""
        raise IntractableError(
            f"{type(self).__name__} has no exact log_partition(); use a sampling solver."
        )

    def prepare(self, data: Dataset) -> None:
        """Set what the prior takes from the data; exact solvers call it before they start.

        Model files do not hold it: call it again before ``log_prior`` of a loaded model.
        """

    def log_prior(self) -> Tensor:
        """Logarithm of the prior density of the parameters up to a constant; 0 without prior.

        A prior that follows the data is that of no data until ``prepare(data)``, also after
        ``load``.
        """
        return torch.zeros((), dtype=self.dtype, device=self.device)

    def score_samples(self, v: Tensor) -> Tensor:
        """Log-probability of visible configurations, (batch,), in nats."""
        return -self.free_energy(as_visible(v, self)) - self.log_partition()

    def free_energy_and_gradient(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Free energy (batch,) and its gradient by `v`, (batch, ...), for samplers."""
        with torch.enable_grad():
            leaf = v.detach().requires_grad_()
            free_energy = self.free_energy(leaf)
            (gradient,) = torch.autograd.grad(free_energy.sum(), leaf)
        return free_energy.detach(), gradient

    def frozen(self, v: Tensor) -> "Model":
        """What a sampler reads ``free_energy`` from while the parameters stay as they are.

        Models with much that does not depend on the chains override it and compute that once.

        Parameters
        ----------
        v : (batch, ...)
            Where the chains start; their missing sites stay missing.
        """
        return self

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Groups of parameters for a torch optimizer, each with its learning rate."""
        return [{"params": list(self.parameters()), "lr": learning_rate}]

    def check_data(self, data: Dataset) -> None:
        """Raise, or warn, if data do not suit the model; training calls it before it starts."""

    def redraw(self, v: Tensor, generator: torch.Generator) -> None:
        """Draw anew what is random in the model itself, held fixed in both phases of an update.

        Parameters
        ----------
        v : (batch, ...)
            The data of the update.
        generator : torch.Generator
            On the model's device.
        """

    @contextmanager
    def remembering(self, v: Tensor) -> Iterator[None]:
        """Hold the parameters for a while, so what depends on data `v` is computed once.

        A solver asks several things of the same tensor between two updates. Models in which that
        costs something override it.
        """
        yield

    def contrast(
        self,
        v: Tensor,
        chains: Tensor,
        weights: Tensor | None = None,
        chain_weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        r"""Add the gradient of an update to those of the parameters.

        .. math:: \nabla_\theta \Big(\sum_i w_i F(v_i) - \sum_c u_c F(v_c)\Big)

        Models that know it in closed form override the automatic differentiation.

        Parameters
        ----------
        v, chains : (batch, ...), (n_chains, ...)
            Visible configurations of data and chains.
        weights, chain_weights : (batch,), (n_chains,), optional
            Summing to one; None weighs all alike.

        Returns
        -------
        (batch,), (n_chains,)
            Free energies in nats, detached.
        """
        with torch.enable_grad():
            free_energy = self.free_energy(torch.cat([v, chains]))
            positive, negative = free_energy.split([len(v), len(chains)])
            (weighted_mean(positive, weights) - weighted_mean(negative, chain_weights)).backward()
        return positive.detach(), negative.detach()

    def monitor(
        self, v: Tensor, chains: Tensor | None, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """What training records of each sample of a batch besides its free energy.

        Parameters
        ----------
        v : (batch, ...)
            Visible configurations of the data.
        chains : (batch, ...), optional
            Where the chains that started there ended; None for persistent ones.
        generator : torch.Generator
            On the model's device.

        Returns
        -------
        dict of (batch,) Tensor
            By the name of the series in the history.
        """
        return {}

    def configurations(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """Visible configurations that stand for data (batch, ...) in one update."""
        return v

    def log_likelihood(self, batch: Dataset) -> Tensor:
        """Log-probability of each sample of a data set, (batch,), in nats.

        Models that learn from targets override it with the joint log-probability.
        """
        return self.score_samples(as_visible(batch.data, self))

    def default_solver(self, learning_rate: float | None = None) -> Solver:
        """Solver that ``fit`` uses when none is given."""
        raise ArgumentError(
            f"{type(self).__name__} has no default solver; pass solver=, for example "
            "ContrastiveDivergence(sampler=...)."
        )

    def fit(
        self: AnyModel,
        data: object,
        *,
        epochs: int | None = None,
        batch_size: int | None = 128,
        learning_rate: float | None = None,
        solver: Solver | None = None,
        random_state: object = None,
        callbacks: Sequence[Callback] = (),
        resume: str | Path | None = None,
        verbose: bool = False,
    ) -> AnyModel:
        """Train the model from its present parameters.

        Parameters
        ----------
        data : Dataset, Votes, Tensor, array or torch TensorDataset
            (n_samples, ...); a Dataset also carries targets and weights.
        epochs : int, optional
            Passes over the data at most; None is the solver's default, 10 for stochastic ones and
            500 for exact ones, which stop by their own rule.
        batch_size : int, optional
            Rows a batch; None, and every full-batch solver, takes all rows at once.
        learning_rate : float, optional
            Of the default solver; a solver handed in has its own.
        solver : Solver, optional
            How the parameters are found. The default is CD-1 for bipartite models and the exact
            solver for consensus models.
        random_state : None, int, numpy or torch generator
            Source of every draw.
        callbacks : sequence of Callback
            Called in order after every epoch.
        resume : str or Path, optional
            File of a `Checkpoint` to go on from.
        verbose : bool
            Show a progress bar.

        Returns
        -------
        self

        Raises
        ------
        NonFiniteError
            If NaN or infinity appears; the last finite parameters stay.
        """
        if solver is not None and not isinstance(solver, Solver):
            raise ArgumentError(
                f"solver={solver!r}; expected a solver object such as ContrastiveDivergence()."
            )
        if solver is not None and learning_rate is not None:
            raise ArgumentError(
                f"learning_rate={learning_rate} and solver= were both given; "
                "set the learning rate on the solver."
            )
        if verbose:
            callbacks = [*callbacks, ProgressBar()]
        train(
            self,
            Dataset.wrap(data),  # type: ignore[arg-type]
            solver or self.default_solver(learning_rate),
            epochs=epochs,
            batch_size=batch_size,
            generator=as_generator(random_state, self.device),
            callbacks=callbacks,
            resume=resume,
        )
        return self


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode for a while, without the noise of training."""
    mode = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(mode)


class LatentModel(Model):
    """A model with hidden units.

    You also write ``energy`` and ``p_h``. You inherit ``sample_h`` and ``forward``.
    """

    @abstractmethod
    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """Energy of joint configurations.

        Parameters
        ----------
        v : (batch, ...)
            Visible configurations.
        h : (batch, ...)
            Hidden configurations.

        Returns
        -------
        (batch,)
            In nats.
        """

    @abstractmethod
    def p_h(self, v: Tensor) -> Distribution:
        """Conditional distribution of the hidden units given (batch, ...) visible ones."""

    def forward(self, v: Tensor) -> Tensor:
        """Mean of the hidden units given the visible ones."""
        return self.p_h(as_visible(v, self)).mean

    def activity(self, v: Tensor) -> Tensor:
        """Means of the hidden units over a batch, what `SparsityTarget` pulls at."""
        return self(v).mean(0)

    @torch.no_grad()
    def predict_classes(self, votes: Votes) -> Tensor:
        """Posterior of the class given the votes, read from the first hidden unit.

        Parameters
        ----------
        votes : Votes
            They become one-hot visible units, batch by batch.

        Returns
        -------
        (n_samples, n_classes)
            The mean of the first unit, where the hidden units are one-hot (batch, n_hidden,
            n_classes); for binary units (batch, n_hidden) the probabilities of 0 and 1.
        """
        parts = []
        for start in range(0, votes.n_samples, _BATCH):
            v = votes.one_hot(slice(start, start + _BATCH), self.dtype, self.device)
            first = self.p_h(v).mean[:, 0]
            parts.append(first if first.dim() == 2 else torch.stack([1 - first, first], 1))
        return torch.cat(parts)

    def sample_h(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """Draw hidden units given visible ones."""
        return draw(self.p_h(v), generator)


class BipartiteModel(LatentModel):
    """A model whose visible units are independent given the hidden ones.

    You also write ``p_v``. You inherit block Gibbs sampling, contrastive divergence and
    reconstruction.
    """

    @abstractmethod
    def p_v(self, h: Tensor) -> Distribution:
        """Conditional distribution of the visible units given (batch, ...) hidden ones."""

    def sample_v(self, h: Tensor, generator: torch.Generator) -> Tensor:
        """Draw visible units given hidden ones."""
        return draw(self.p_v(h), generator)

    def gibbs_step(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """One block-wise sweep, hidden units first; leaves p(v) invariant."""
        return self.sample_v(self.sample_h(v, generator), generator)

    @torch.no_grad()
    def reconstruct(self, v: Tensor) -> Tensor:
        """Mean of the visible units after one mean-field sweep, without any draw."""
        return self.p_v(self.p_h(as_visible(v, self)).mean).mean

    def default_solver(self, learning_rate: float | None = None) -> Solver:
        """CD-1 with stochastic gradient descent."""
        if learning_rate is None:
            return ContrastiveDivergence(steps=1)
        return ContrastiveDivergence(steps=1, learning_rate=learning_rate)
