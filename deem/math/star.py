"""Hidden units that form a star: one class, and groups that hang on it."""

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution
from torch.nn.functional import one_hot

from deem.math.random import draw

__all__ = ["StarStates", "star_messages"]


class StarStates(Distribution):
    """Distribution of a class and of units that are independent given the class, one-hot.

    Parameters
    ----------
    class_logits : (batch, n_classes)
        Of the class, unnormalised, in nats.
    unit_logits : (batch, n_units, n_classes, n_classes)
        State (third axis) of each unit given the class (fourth), unnormalised, in nats.
    """

    arg_constraints = {}

    def __init__(self, class_logits: Tensor, unit_logits: Tensor):
        self.class_log = class_logits.log_softmax(-1)
        self.unit_log = unit_logits.log_softmax(-2)
        n_units, n_classes = unit_logits.shape[1], unit_logits.shape[2]
        shape = torch.Size((1 + n_units, n_classes))
        super().__init__(class_logits.shape[:1], shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """(batch, 1 + n_units, n_classes): probabilities of the states, the class first."""
        of_class = self.class_log.exp()
        of_units = torch.einsum("ncgk,nk->ncg", self.unit_log.exp(), of_class)
        return torch.cat([of_class[:, None], of_units], 1)

    def draw(self, generator: torch.Generator) -> Tensor:
        """(batch, 1 + n_units, n_classes): one joint state for each row."""
        chosen = draw(Categorical(logits=self.class_log), generator)
        index = chosen[:, None, None, None].expand(*self.unit_log.shape[:3], 1)
        states = draw(Categorical(logits=self.unit_log.gather(3, index).squeeze(3)), generator)
        codes = torch.cat([chosen[:, None], states], 1)
        return one_hot(codes, self.event_shape[1]).to(self.class_log)

    def tempered(self, temperature: float) -> "StarStates":
        """Every joint state by its probability to the power ``1 / temperature``, normalised."""
        unit_logits = self.unit_log / temperature
        class_logits = self.class_log / temperature + unit_logits.logsumexp(2).sum(1)
        return StarStates(class_logits, unit_logits)

    def log_prob(self, value: Tensor) -> Tensor:
        """(batch,): log-probability of joint states, in nats."""
        first = value[:, 0]
        units = torch.einsum("ncg,ncgk,nk->n", value[:, 1:], self.unit_log, first)
        return (first * self.class_log).sum(1) + units


def star_messages(below: Tensor, group: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the votes below all units tell the class.

    Parameters
    ----------
    below : (batch, 1 + n_groups, K)
        Log-probability of the votes below each unit, the class first.
    group : (n_groups, K, K)
        Probability of the state of a group given the class.

    Returns
    -------
    messages : (batch, K)
    scaled : (batch, n_groups, K)
        Probability of the votes below a group given its state, over the largest one.
    mixed : (batch, n_groups, K)
        The same given the class.
    """
    top = below[:, 1:].amax(2, keepdim=True)
    scaled = (below[:, 1:] - top).exp()
    mixed = torch.einsum("ncg,cgh->nch", scaled, group).clamp(min=torch.finfo(group.dtype).tiny)
    return below[:, 0] + (mixed.log() + top).sum(1), scaled, mixed
