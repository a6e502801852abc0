"""The truth about sequences: every state of every frame listed, through the energy of a frame."""

from dataclasses import dataclass

import torch


class ExactSequences:
    """Probabilities of the frames of sequences that are listed by the indices of their states.

    Attributes
    ----------
    log_frames : (n, time, V) log p(every state of frame t | the frames before), as densities
    log_partitions : (n, time)
    """

    def __init__(self, model, states, hidden, index, log_weight=0.0):
        v, h = (x.to(model.initial_state) for x in (states, hidden))
        pairs = v.repeat_interleave(len(h), 0), h.repeat(len(v), 1)
        table = -model.frame.energy(*pairs).reshape(len(v), len(h))
        mean, frames, log_partitions = model.initial_state.expand(len(index), -1), [], []
        for now in index.unbind(1):
            scores = table + (mean @ model.recurrent_weight @ h.T / model.temperature)[:, None]
            log_v = scores.logsumexp(2)
            log_partitions.append((log_v + log_weight).logsumexp(1))
            frames.append(log_v - log_partitions[-1][:, None])
            mean = scores[torch.arange(len(index)), now].softmax(1) @ h
        self.log_frames = torch.stack(frames, 1)
        self.log_partitions = torch.stack(log_partitions, 1)
        self.log_p = self.log_frames.gather(2, index[:, :, None])[:, :, 0].sum(1)


@dataclass
class Tiny:
    """How to build a model of sequences that is small enough to enumerate."""

    cls: type
    arguments: dict
    states: torch.Tensor
    hidden: torch.Tensor
    log_weight: torch.Tensor | float = 0.0
    # Real units leave the nodes of the quadrature with larger weights.
    spread: float = 1.0

    @property
    def name(self):
        sizes = "-".join(str(x) for x in self.arguments.values())
        return f"{self.cls.__name__}-{sizes}"

    def build(self, seed=0, dtype=torch.float64):
        """Model with normal parameters."""
        model = self.cls(**self.arguments).to(dtype)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in model.parameters():
                noise = torch.randn(p.shape, generator=generator, dtype=torch.float64)
                p.copy_(self.spread * noise)
        return model

    def remembering(self):
        """Model whose frames depend on each other by far."""
        model = self.build(0)
        frame = model.frame
        with torch.no_grad():
            model.recurrent_weight.mul_(4)
            frame.weight.mul_(5)
            frame.hidden_bias.copy_(-frame.weight.sum(0) / 2)
            frame.visible_bias.copy_(-frame.weight.sum(1) / 2)
        return model

    def exact(self, model, index):
        return ExactSequences(model, self.states, self.hidden, index, self.log_weight)

    def all_sequences(self, time=2):
        """Indices of all sequences of that many frames."""
        lists = [torch.arange(len(self.states))] * time
        return torch.cartesian_prod(*lists).reshape(-1, time)

    def some(self, n=30, time=3, seed=0):
        """Indices of sequences of frames that are drawn alike from the middle of the list."""
        generator = torch.Generator().manual_seed(seed)
        low, high = len(self.states) // 4, 3 * len(self.states) // 4
        if self.states.unique().numel() == 2:
            low, high = 0, len(self.states)
        return torch.randint(low, high, (n, time), generator=generator)


def turning(n, time, n_places=4, seed=0):
    """One unit is on and moves on by one place a frame; (n, time, n_places)."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randint(n_places, (n, 1), generator=generator)
    return torch.eye(n_places)[(start + torch.arange(time)) % n_places]


def blinking(n, time, seed=0):
    """Two units, each on in every second frame, from the first or the second one on."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randint(2, (n, 1, 2), generator=generator)
    return ((start + torch.arange(time)[:, None]) % 2).float()


def shuffled(v, seed=0):
    """The same frames in any order: no sequence is left in them."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(v.shape[0] * v.shape[1], generator=generator)
    return v.flatten(0, 1)[order].reshape(v.shape)
