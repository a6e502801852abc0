"""The truth about tiny models: everything enumerated, through ``model.energy`` alone.

Shares no code with `deem.math`: states come from itertools, sums from plain log-sum-exp over the
table of all joint energies.
"""

from itertools import product

import numpy as np
import torch


def one_hot_states(n_sites, n_categories):
    """All (n_categories ** n_sites, n_sites, n_categories) one-hot states, last site fastest."""
    codes = np.array(list(product(range(n_categories), repeat=n_sites)))
    return torch.from_numpy(np.eye(n_categories)[codes])


def bit_states(n_units):
    """All (2 ** n_units, n_units) states of binary units."""
    return torch.tensor(list(product([0.0, 1.0], repeat=n_units)), dtype=torch.float64)


def partial_states(n_sites, n_categories):
    """All one-hot states in which any site may also be missing, a row of zeros."""
    rows = np.vstack([np.zeros(n_categories), np.eye(n_categories)])
    codes = np.array(list(product(range(n_categories + 1), repeat=n_sites)))
    return torch.from_numpy(rows[codes])


def real_nodes(n_units, spread=9.0, n_nodes=41):
    """Nodes (n_nodes ** n_units, n_units) of the trapezoid rule, and their log-weights.

    For smooth densities that vanish at the ends the rule is exact up to rounding.
    """
    line = torch.linspace(-spread, spread, n_nodes, dtype=torch.float64)
    nodes = torch.cartesian_prod(*[line] * n_units).reshape(-1, n_units)
    log_weight = n_units * np.log(2 * spread / (n_nodes - 1))
    return nodes, torch.full((len(nodes),), log_weight, dtype=torch.float64)


def interval_nodes(n_units, low, high, n_nodes=60):
    """Nodes and log-weights of the Gauss-Legendre rule on [low, high], for each unit."""
    x, w = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(n_nodes))
    x, log_w = low + (high - low) * (x + 1) / 2, (w * (high - low) / 2).log()
    nodes = torch.cartesian_prod(*[x] * n_units).reshape(-1, n_units)
    weights = torch.cartesian_prod(*[log_w] * n_units).reshape(-1, n_units).sum(1)
    return nodes, weights


def selu_nodes(high, n_nodes=60):
    """Nodes and log-weights for one unit between the lowest value of the SELU and another one."""
    depth = 1.0507009873554805 * 1.6732632423543772
    above, log_above = interval_nodes(1, 0, high, n_nodes)
    # The fifth root of the distance to the end, where the energy has infinite slope.
    root, log_weights = interval_nodes(1, 0, 1, n_nodes)
    log_below = log_weights + (5 * depth * root[:, 0] ** 4).log()
    return torch.cat([depth * (root**5 - 1), above]), torch.cat([log_below, log_above])


class Exact:
    """Probabilities of all visible and hidden states, differentiable by the parameters.

    Of real units the states are the nodes of a quadrature rule, and their log-weights turn
    densities into the masses of the nodes.

    Attributes
    ----------
    log_joint : (V, H) log p(v, h), with the weights of the nodes
    log_z : scalar
    """

    def __init__(self, model, v, h, log_weight_v=0.0, log_weight_h=0.0):
        self.v, self.h = (x.to(next(model.parameters())) for x in (v, h))
        n_v, n_h = len(v), len(h)
        weights = (log_weight_v, n_v), (log_weight_h, n_h)
        self.log_weight_v, self.log_weight_h = (
            torch.as_tensor(w).to(self.v).expand(n) for w, n in weights
        )
        pairs_v = self.v.repeat_interleave(n_h, 0)
        pairs_h = self.h.repeat(n_v, *[1] * (h.dim() - 1))
        scores = -model.energy(pairs_v, pairs_h).reshape(n_v, n_h)
        scores = scores + self.log_weight_v[:, None] + self.log_weight_h
        self.log_z = scores.flatten().logsumexp(0)
        self.log_joint = scores - self.log_z

    @property
    def log_v(self):
        return self.log_joint.logsumexp(1)

    @property
    def log_h(self):
        return self.log_joint.logsumexp(0)

    @property
    def log_h_given_v(self):
        """(V, H), with the weights of the nodes of h"""
        return self.log_joint - self.log_v[:, None]

    @property
    def log_v_given_h(self):
        """(V, H), with the weights of the nodes of v"""
        return self.log_joint - self.log_h

    @property
    def log_density_v(self):
        """(V,): log p(v), without the weights of the nodes."""
        return self.log_v - self.log_weight_v

    def log_joint_of_partial(self, partial):
        """(n, H): log p(observed sites, h) of rows with missing sites, by summing over them."""
        partial = partial.to(self.v)
        observed = partial.sum(-1) > 0
        agrees = (partial[:, None] == self.v[None]).all(-1) | ~observed[:, None]
        hidden = torch.where(agrees.all(-1), 0.0, -torch.inf).to(self.v)
        return (hidden[:, :, None] + self.log_joint[None]).logsumexp(1)

    def index(self, v):
        """Position of complete rows among the visible states."""
        same = (v[:, None] == self.v[None]).flatten(2).all(-1)
        assert (same.sum(1) == 1).all()
        return same.double().argmax(1)

    def histogram(self, v):
        """Frequencies of the visible states in (n, ...) draws."""
        return torch.bincount(self.index(v), minlength=len(self.v)).double() / len(v)

    def gibbs_matrix(self):
        """(V, V): probability of one block Gibbs sweep from row to column, exact."""
        return self.log_h_given_v.exp() @ self.log_v_given_h.exp().T


def nll(exact, v, weights=None):
    """Mean negative log-likelihood of complete rows, in nats."""
    values = -exact.log_v[exact.index(v)]
    return values.mean() if weights is None else (values * weights).sum() / weights.sum()


def gradient(value, model):
    """Gradient of a scalar by all parameters, as one vector."""
    gradients = torch.autograd.grad(value, list(model.parameters()), allow_unused=True)
    return torch.cat(
        [
            torch.zeros_like(p).flatten() if g is None else g.flatten()
            for p, g in zip(model.parameters(), gradients, strict=True)
        ]
    )


def jacobian(values, model):
    """Derivative of each value of a vector by all parameters, (n, P)."""
    rows = []
    for value in values:
        parts = torch.autograd.grad(value, list(model.parameters()), retain_graph=True)
        rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows)


def total_variation(p, q):
    return 0.5 * float((p - q).abs().sum())


def total_variation_bound(p, n_effective):
    """Largest distance of a histogram of that many draws from p, but for one case in a million.

    Expected distance (Cauchy-Schwarz, cell by cell) plus McDiarmid's inequality.
    """
    expected = 0.5 * (p * (1 - p) / n_effective).sqrt().sum()
    return float(expected) + (np.log(1e6) / (2 * n_effective)) ** 0.5


def effective_sample_size(series):
    """Of (steps, chains) values: all of them over the integrated autocorrelation time."""
    centred = series - series.mean()
    variance = centred.square().mean()
    time = 1.0
    for lag in range(1, len(series) // 2):
        correlation = (centred[lag:] * centred[:-lag]).mean() / variance
        if correlation <= 0:
            break
        time += 2 * float(correlation)
    return series.numel() / time
