"""Stacked inverse RBMs: each layer is a SoftIRBM on the soft votes of the layer below."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from deem.core.dataset import Dataset
from deem.core.solvers import ContrastiveDivergence
from deem.core.votes import Votes
from deem.math.random import draw_one_hot, normal_like
from deem.models.irbm import SoftIRBM
from deem.models.latent_class import LatentClassModel
from deem.models.multinomial import MultinomialIRBM
from deem.models.multinomial_layer import MultinomialLayer
from deem.models.pseudo_counts import PseudoCounts
from deem.utils.constants import EPSILON
from deem.utils.exception import ArgumentError

__all__ = ["HiddenUnits", "StackedIRBM"]

_FEWEST, _MOST = 3, 50
"""Units of the default layer."""

_ROWS, _NUMBERS = 20_000, 20_000_000
"""Samples, and numbers in their dense votes, that the layers learn from at most."""

_NOISE = 0.1
"""Standard deviation of what tells units apart that start at the same classifiers, in nats."""

_BATCH, _LEARNING_RATE, _MOMENTUM = 128, 0.05, 0.9


class StackedIRBM(MultinomialIRBM):
    r"""A stack of inverse RBMs, trained layer by layer and then as one model.

    Layer t is a `SoftIRBM` with D_t hidden units of K states, whose p(h | v) are the soft votes
    that layer t + 1 sees; the last one has a single hidden unit, the class. Upwards this is a
    `MultinomialIRBM` whose layers have biases and the activation softmax, with the same energy

    .. math:: E(v, h) = -b_h - \sum_j f(v)_j^\top W_j[\cdot, h]

    and the same joint training by ``fit``. What differs is the start from the shares of the vote:
    one layer after the other learns by contrastive divergence to explain the votes below it, and
    the weights behind the last one bring the stack as near to the exact inverse RBM of the votes
    as its units allow. Each unit starts at what the exact inverse RBM makes of the classifiers it
    stands for, so that units differ and their states keep the names of the classes.

    Units that are sure tell fewer patterns of votes apart than the votes do, so the likelihood of
    a stack may lie below that of the exact inverse RBM where its classes are better.

    A sample's missing votes are drawn from the exact inverse RBM for the layers to learn from;
    afterwards they are left out, and a unit weighs the other votes as if they had been summed out
    at the mean of the other units. Only samples without any vote have no units.

    Parameters
    ----------
    n_classifiers, n_classes : int
        At least 1.
    widths : sequence of int, optional
        Hidden units of each layer before the last; by default one layer of half as many as there
        are classifiers, but at least 3 and at most 50.
    greedy_epochs : int
        Passes over the votes that each layer learns in, at least 0.

    Attributes
    ----------
    layers : ModuleList of HiddenUnits
        f.
    weight, hidden_bias
        As in `MultinomialIRBM`.

    References
    ----------
    .. [1] Shaham et al. (2016), A deep learning approach to unsupervised ensemble learning.

    Examples
    --------
    >>> StackedIRBM(10, 3).widths
    [5]
    """

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int,
        widths: Sequence[int] | None = None,
        greedy_epochs: int = 10,
    ):
        if widths is None:
            widths = [min(max(-(-n_classifiers // 2), _FEWEST), _MOST)]
        super().__init__(n_classifiers, n_classes, widths, activation="softmax")
        if greedy_epochs < 0:
            raise ArgumentError(f"greedy_epochs={greedy_epochs}; it must be at least 0.")
        self.greedy_epochs = greedy_epochs

    def build_layer(self, before: int, after: int) -> HiddenUnits:
        return HiddenUnits(before, after, self.n_classes)

    def starts_apart(self) -> bool:
        """No: what its layers have learnt is what a stack is for."""
        return False

    def start_layers(
        self, exact: LatentClassModel, votes: Votes, generator: torch.Generator
    ) -> None:
        """Train the layers one after the other, see the class."""
        rows = min(_ROWS, max(1, _NUMBERS // (self.n_classifiers * self.n_classes)))
        if votes.n_samples > rows:
            votes = votes.take(torch.randperm(votes.n_samples, generator=generator)[:rows].numpy())
        v = _completed(votes, exact, generator)
        weights = Dataset(votes).weights
        weights = v.new_ones(len(v)) if weights is None else weights
        classes = exact.predict_classes(votes) * weights[:, None]
        solver = ContrastiveDivergence(learning_rate=_LEARNING_RATE, momentum=_MOMENTUM)
        for layer in self.layers:
            assert isinstance(layer, HiddenUnits)  # noqa: S101
            rbm = _start_rbm(layer, v, classes, generator)
            rbm.fit(
                Dataset(v, weights=weights),
                solver=solver,
                epochs=self.greedy_epochs,
                batch_size=_BATCH,
                random_state=generator,
            )
            u = rbm.p_h(v).mean.detach()
            layer.take_over(rbm, torch.einsum("n,njm->jm", weights / weights.sum(), u))
            v = u


class HiddenUnits(MultinomialLayer):
    """Posterior means of the hidden units of a `SoftIRBM`.

    Every unit depends on all votes, so it is missing only if they all are.

    Parameters
    ----------
    n_in, n_out, n_categories : int
        As in `MultinomialLayer`.
    """

    bias: nn.Parameter

    def __init__(self, n_in: int, n_out: int, n_categories: int):
        super().__init__(n_in, n_out, n_categories, activation="softmax", bias=True)

    def present(self, known: Tensor) -> Tensor:
        return known.any(1, keepdim=True).expand(-1, self.n_out)

    @torch.no_grad()
    def take_over(self, rbm: SoftIRBM, mean: Tensor) -> None:
        r"""Become the p(h | v) of an inverse RBM.

        .. math:: u_{jm} \propto \exp\Big(b_j[m] + \sum_i \big(c_{ij}[m]
            + v_i^\top W_{ij}[\cdot, m] - c_{ij}[m]\big)\Big)

        The c belong to the bias and leave complete votes as they are; they are what a missing
        vote adds if it is summed out while the other units rest at their means.

        Parameters
        ----------
        rbm : SoftIRBM
            With ``n_out`` hidden units.
        mean : (n_out, n_categories)
            Of the units, over the samples.
        """
        visible_bias, weight, bias = rbm.categorical_parameters()
        at_mean = torch.einsum("iljm,jm->ilj", weight, mean)
        others = visible_bias[:, :, None] + at_mean.sum(2, keepdim=True) - at_mean
        summed_out = (others.unsqueeze(3) + weight).logsumexp(1)
        self.weight.copy_(weight - summed_out.unsqueeze(1))
        self.bias.copy_(bias + summed_out.sum(0))


class _CompleteIRBM(SoftIRBM):
    """A `SoftIRBM` of complete votes, given which its units are independent."""

    is_listed = False


def _start_rbm(
    layer: HiddenUnits, v: Tensor, classes: Tensor, generator: torch.Generator
) -> SoftIRBM:
    """Inverse RBM each of whose units is what some of the classifiers say of the class.

    Parameters
    ----------
    layer : HiddenUnits
        Its ``carriers`` tell which ones.
    v : (n_samples, n_in, n_classes)
        Complete votes.
    classes : (n_samples, n_classes)
        Probabilities of the classes, times the weight of the sample.
    """
    counts = torch.einsum("nil,nm->ilm", v, classes)
    votes, samples = PseudoCounts().tables(counts.numpy(), float(classes.sum()))
    counts += torch.from_numpy(votes)
    log_confusion = (counts / counts.sum(1, keepdim=True)).clamp(min=EPSILON).log()
    prior = classes.sum(0) + samples
    own = (layer.carriers > 0).double().cpu()
    weight = torch.einsum("ilm,ij->iljm", log_confusion, own / own.sum(1, keepdim=True))
    noise = normal_like(weight, generator)
    rbm = _CompleteIRBM(layer.n_in, layer.n_categories, layer.n_out).double()
    rbm.set_parameters(
        weight.new_zeros(weight.shape[:2]),
        weight + _NOISE * noise,
        (prior / prior.sum()).log().expand(layer.n_out, -1),
    )
    return rbm


def _completed(votes: Votes, exact: LatentClassModel, generator: torch.Generator) -> Tensor:
    """Votes (n_samples, n_classifiers, n_classes) with one draw for all that are missing."""
    v = votes.one_hot(dtype=torch.float64)
    missing = v.sum(-1, keepdim=True) == 0
    if not missing.any():
        return v
    classes = draw_one_hot(exact.predict_classes(votes), generator)
    confusion = exact.class_tables()[1]
    drawn = draw_one_hot(torch.einsum("nk,ikl->nil", classes, confusion), generator)
    return torch.where(missing, drawn, v)
