"""Bits beside a class, as the visible units of models that learn from labels."""

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, OneHotCategorical

from deem.math.random import draw

__all__ = ["LabelledBits"]


class LabelledBits(Distribution):
    """Independent bits beside one class: rows of bits and a one-hot class, one after the other.

    Parameters
    ----------
    bit_logits : (batch, n_bits)
        Log-odds of the bits.
    class_logits : (batch, n_classes)
        Unnormalised log-probabilities of the class, in nats.
    """

    arg_constraints = {}

    def __init__(self, bit_logits: Tensor, class_logits: Tensor):
        self.bits = Bernoulli(logits=bit_logits, validate_args=False)
        self.label = OneHotCategorical(logits=class_logits, validate_args=False)
        size = torch.Size([bit_logits.shape[-1] + class_logits.shape[-1]])
        super().__init__(bit_logits.shape[:-1], size, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """(batch, n_bits + n_classes): probabilities of the bits, then of the classes."""
        return torch.cat([self.bits.mean, self.label.mean], -1)

    def draw(self, generator: torch.Generator) -> Tensor:
        """(batch, n_bits + n_classes): bits, then a one-hot class."""
        return torch.cat([draw(self.bits, generator), draw(self.label, generator)], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """(batch,): log-probability of rows of bits and a one-hot class, in nats."""
        bits, label = value.tensor_split([self.bits.logits.shape[-1]], -1)
        return self.bits.log_prob(bits).sum(-1) + self.label.log_prob(label)

    def tempered(self, temperature: float) -> "LabelledBits":
        """All logits over the temperature."""
        return LabelledBits(self.bits.logits / temperature, self.label.logits / temperature)
