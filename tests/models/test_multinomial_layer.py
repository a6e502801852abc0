"""One multinomial layer: starts, shapes, missing votes, draws, gradients."""

import pytest
import torch
from exact import one_hot_states, partial_states

from deem.math.activation import ACTIVATIONS, SIMPLEX
from deem.math.random import as_generator
from deem.models.multinomial_layer import LARGEST_WEIGHT, LAYER_STARTS, MultinomialLayer
from deem.utils.exception import ArgumentError

VOTES = one_hot_states(3, 3)


def layer(*sizes, restart=0, **arguments):
    """Layer in double precision, restarted from a seed; None is the start without noise."""
    made = MultinomialLayer(*sizes, **arguments).double()
    made.restart(None if restart is None else as_generator(restart))
    return made


def random_layer(*sizes, scale=1.0, **arguments):
    made = layer(*sizes, **arguments)
    generator = as_generator(3)
    with torch.no_grad():
        for p in made.parameters():
            p.copy_(scale * torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return made


def state(made):
    return {name: value.clone() for name, value in made.state_dict().items()}


def same(a, b):
    return all(torch.allclose(a[name], b[name], rtol=1e-6, atol=0) for name in a)


# ---- starts


@pytest.mark.parametrize("activation", ["sparsemax", "ultramax", None, "relu"])
@pytest.mark.parametrize("rank", [None, 2])
def test_identity_without_noise_keeps_votes(activation, rank):
    made = layer(3, 3, 3, activation=activation, rank=rank, jitter=0.0)
    torch.testing.assert_close(made(VOTES), VOTES, rtol=0, atol=0)


@pytest.mark.parametrize(("activation", "kept"), [("softmax", 0.5761), ("entmax", 0.7403)])
def test_identity_without_noise_keeps_the_winner(activation, kept):
    out = layer(3, 3, 3, activation=activation, jitter=0.0)(VOTES)
    assert torch.equal(out.argmax(-1), VOTES.argmax(-1))
    torch.testing.assert_close(out.amax(-1), torch.full((27, 3), kept).double(), atol=1e-4, rtol=0)


def test_noise_on_the_identity_has_the_size_it_is_given():
    made, quiet = layer(12, 12, 4, jitter=0.1), layer(12, 12, 4, restart=None)
    noise = (made.weight - quiet.weight).detach().flatten()
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    assert noise.mean() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    ("n_in", "n_out", "sources"),
    [
        (3, 3, [[0], [1], [2]]),
        (3, 6, [[0], [0], [1], [1], [2], [2]]),
        (3, 4, [[0], [0], [1], [2]]),
        (6, 3, [[0, 1], [2, 3], [4, 5]]),
        (5, 2, [[0, 1, 2], [3, 4]]),
        (4, 1, [[0, 1, 2, 3]]),
        (1, 3, [[0], [0], [0]]),
    ],
)
@pytest.mark.parametrize("rank", [None, 1])
def test_rectangular_identity(n_in, n_out, sources, rank):
    made = layer(n_in, n_out, 2, activation=None, jitter=0.0, rank=rank)
    expected = torch.zeros(n_in, n_out).double()
    for j, chosen in enumerate(sources):
        expected[chosen, j] = 1 / len(chosen)
    torch.testing.assert_close(made.carriers, expected)
    torch.testing.assert_close(made.carriers.sum(0), torch.ones(n_out).double())
    assert (made.carriers > 0).any(1).all()
    votes = torch.rand(7, n_in, 2, generator=as_generator(0), dtype=torch.float64)
    averages = torch.stack([votes[:, chosen].mean(1) for chosen in sources], 1)
    torch.testing.assert_close(made(votes), averages)
    torch.testing.assert_close(made.carried(votes), averages)


def test_mv_is_two_on_equal_classes_of_every_pair():
    made = layer(4, 2, 3, start="mv")
    expected = 2 * torch.eye(3).double()[None, :, None, :].expand(4, 3, 2, 3)
    torch.testing.assert_close(made.weight.detach(), expected)
    counts = made.logits(one_hot_states(4, 3))
    torch.testing.assert_close(counts[:, 0], 2 * one_hot_states(4, 3).sum(1))


def test_rand_is_standard_normal():
    weight = layer(12, 12, 4, start="rand").weight.detach().flatten()
    assert weight.mean() == pytest.approx(0, abs=0.06)
    assert weight.std() == pytest.approx(1, rel=0.05)
    assert ((weight.abs() < 1).double().mean()) == pytest.approx(0.6827, abs=0.03)


def test_default_is_that_of_a_linear_layer():
    weight = layer(12, 10, 4, start="default").weight.detach().flatten()
    bound = 48**-0.5
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.99 * bound
    assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.05)


@pytest.mark.parametrize("start", LAYER_STARTS)
def test_a_seed_gives_a_start(start):
    first, again, other = (layer(4, 3, 3, start=start, restart=seed) for seed in (1, 1, 2))
    assert same(state(first), state(again))
    assert same(state(first), state(other)) == (start == "mv")


FORMS = [*((start, None) for start in LAYER_STARTS), ("identity", 2)]


@pytest.mark.parametrize(("start", "rank"), FORMS)
def test_a_restart_without_generator_is_always_the_same(start, rank):
    made = layer(4, 3, 3, start=start, rank=rank)
    made.restart(None)
    # A new layer is in single precision.
    assert same(state(made), state(MultinomialLayer(4, 3, 3, start=start, rank=rank).double()))
    if start == "identity":
        votes = one_hot_states(4, 3)
        torch.testing.assert_close(made.logits(votes), made.carried(votes), rtol=0, atol=1e-7)


def test_a_bias_starts_at_zero_and_adds():
    made = layer(3, 2, 3, bias=True, activation=None)
    plain = layer(3, 2, 3, activation=None)
    torch.testing.assert_close(made(VOTES), plain(VOTES))
    with torch.no_grad():
        made.bias.copy_(torch.arange(6.0).reshape(2, 3))
    expected = plain(VOTES) + torch.arange(6.0).reshape(2, 3).double()
    torch.testing.assert_close(made(VOTES), expected)
    made.restart(as_generator(0))
    assert made.bias.abs().max() == 0


# ---- forms


@pytest.mark.parametrize(("n_in", "n_out"), [(3, 3), (5, 2), (2, 4)])
def test_the_factorised_form_is_a_full_layer(n_in, n_out):
    low = random_layer(n_in, n_out, 3, rank=2)
    full = layer(n_in, n_out, 3, restart=None, jitter=0.0)
    product = (low.left @ low.right).reshape(full.weight.shape)
    with torch.no_grad():
        full.weight.add_(product)
    votes = torch.rand(9, n_in, 3, generator=as_generator(0), dtype=torch.float64)
    torch.testing.assert_close(low(votes), full(votes))
    by = torch.rand(9, n_out, 3, generator=as_generator(1), dtype=torch.float64)
    torch.testing.assert_close(low.pull_back(by), full.pull_back(by))
    assert torch.linalg.matrix_rank(product.reshape(n_in * 3, -1)) == 2
    assert sum(p.numel() for p in low.parameters()) == 2 * (n_in * 3 + n_out * 3)


def test_the_start_of_the_factorised_form_moves_logits_by_the_jitter():
    made = layer(20, 20, 3, rank=8, jitter=0.1)
    votes = torch.eye(3).double()[torch.randint(3, (200, 20), generator=as_generator(0))]
    noise = (made.logits(votes) - made.carried(votes)).detach()
    assert noise.square().mean().sqrt() == pytest.approx(0.1, rel=0.2)


def test_other_numbers_of_categories():
    made = random_layer(3, 2, 3, n_out_categories=4, start="rand")
    out = made(VOTES)
    assert out.shape == (27, 2, 4)
    expected = torch.einsum("nil,iljm->njm", VOTES, made.weight)
    torch.testing.assert_close(made.logits(VOTES), expected)
    torch.testing.assert_close(out, ACTIVATIONS["sparsemax"](expected))


@pytest.mark.parametrize(
    ("sizes", "arguments", "text"),
    [
        ((0, 1, 2), {}, "n_in=0; it must be at least 1"),
        ((1, 0, 2), {}, "n_out=0; it must be at least 1"),
        ((1, 1, 0), {}, "n_categories=0; it must be at least 1"),
        ((1, 1, 2, 0), {}, "n_out_categories=0; it must be at least 1"),
        ((1, 1, 2), {"rank": 0}, "rank=0; it must be at least 1"),
        ((1, 1, 2), {"jitter": -0.1}, "jitter=-0.1; it must be at least 0"),
        ((1, 1, 2), {"jitter": float("nan")}, "jitter=nan; it must be at least 0"),
        ((1, 1, 2), {"activation": "tanh"}, "activation='tanh' is unknown; choose one of"),
        ((1, 1, 2), {"start": "zeros"}, "start='zeros' is unknown; choose one of: identity, rand"),
        ((3, 3, 3, 2), {}, 'start=.identity. needs as many .* found 2 and 3; pass start="rand"'),
        ((3, 3, 3, 2), {"start": "mv"}, "start='mv' needs as many categories"),
        ((3, 3, 3), {"rank": 1, "start": "mv"}, "start='mv' has no factorised form"),
        ((1000, 1000, 5), {}, "25000000 numbers, more than 20000000; pass rank=8, the factorised"),
    ],
)
def test_wrong_arguments_are_named(sizes, arguments, text):
    with pytest.raises(ArgumentError, match=text):
        MultinomialLayer(*sizes, **arguments)


def test_the_cure_for_wide_layers_works():
    assert LARGEST_WEIGHT < 1000 * 5 * 1000 * 5
    made = MultinomialLayer(1000, 1000, 5, rank=8)
    assert sum(p.numel() for p in made.parameters()) == 8 * 2 * 5000
    votes = torch.eye(5)[torch.arange(2000).reshape(2, 1000) % 5]
    torch.testing.assert_close(made(votes), votes)


# ---- missing votes


def test_missing_inputs_add_nothing():
    made = random_layer(3, 2, 3, start="rand")
    partial = partial_states(3, 3)
    for v, logits in zip(partial, made.logits(partial), strict=True):
        expected = torch.zeros(2, 3).double()
        for i in range(3):
            if v[i].any():
                expected += made.weight[i, v[i].argmax()]
        torch.testing.assert_close(logits, expected)


@pytest.mark.parametrize("start", LAYER_STARTS)
@pytest.mark.parametrize(("n_in", "n_out"), [(3, 3), (4, 2), (2, 5)])
def test_which_outputs_are_there(start, n_in, n_out):
    made = layer(n_in, n_out, 2, start=start)
    known = one_hot_states(n_in, 2)[..., 1].bool()
    sources = [
        [i for i in range(n_in) if made.carriers[i, j] > 0 or start != "identity"]
        for j in range(n_out)
    ]
    expected = torch.stack([known[:, chosen].any(1) for chosen in sources], 1)
    assert torch.equal(made.present(known), expected)
    if start != "identity":
        assert torch.equal(expected, known.any(1, keepdim=True).expand(-1, n_out))


# ---- gradients and draws


@pytest.mark.parametrize("activation", [*ACTIVATIONS, None])
@pytest.mark.parametrize("rank", [None, 2])
def test_pull_back_is_the_gradient_by_votes(activation, rank):
    made = random_layer(3, 4, 3, activation=activation, rank=rank, scale=0.5)
    votes = torch.rand(6, 3, 3, generator=as_generator(1), dtype=torch.float64).requires_grad_()
    by = torch.randn(6, 4, 3, generator=as_generator(2), dtype=torch.float64)
    (expected,) = torch.autograd.grad(made.logits(votes), votes, by)
    torch.testing.assert_close(made.pull_back(by), expected, rtol=0, atol=1e-12)
    (whole,) = torch.autograd.grad(made(votes), votes, by)
    assert whole.abs().max() > 0.01


def test_one_hot_draws_stay_until_they_are_redrawn():
    made = random_layer(3, 40, 3, start="rand", one_hot=True, scale=0.3)
    generator = as_generator(0)
    made.redraw(generator)
    first, again = made(VOTES), made(VOTES)
    assert torch.equal(first, again)
    torch.testing.assert_close(first.amax(-1), torch.ones(27, 40).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(first.sum(-1), torch.ones(27, 40).double(), rtol=0, atol=1e-12)
    made.redraw(generator)
    assert (made(VOTES).argmax(-1) != first.argmax(-1)).double().mean() > 0.2


def test_one_hot_without_training_is_the_largest_logit():
    made = random_layer(3, 40, 3, start="rand", one_hot=True, scale=0.3).eval()
    expected = torch.eye(3).double()[made.logits(VOTES).argmax(-1)]
    for seed in range(2):
        made.redraw(as_generator(seed))
        torch.testing.assert_close(made(VOTES), expected, rtol=0, atol=1e-12)


def test_one_hot_draws_follow_the_softmax():
    made = layer(1, 1, 3, start="rand", one_hot=True)
    with torch.no_grad():
        made.weight.copy_(torch.tensor([0.5, -0.5, 1.0]).log_softmax(0)[None, None, None])
    expected = torch.tensor([0.5, -0.5, 1.0]).double().softmax(0)
    generator, vote, found = as_generator(0), torch.eye(3)[:1, None].double(), torch.zeros(3)
    with torch.no_grad():
        for _ in range(4000):
            made.redraw(generator)
            found += made(vote)[0, 0]
    assert (found / 4000 - expected).abs().max() < 4 * (0.25 / 4000) ** 0.5


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        *(({"activation": name}, name in SIMPLEX) for name in ACTIVATIONS),
        ({"activation": None}, False),
        ({"activation": None, "one_hot": True}, True),
    ],
)
def test_whether_outputs_are_probabilities(arguments, expected):
    made = random_layer(3, 3, 3, **arguments)
    assert made.on_simplex == expected
    out = made(VOTES)
    holds = bool(((out.sum(-1) - 1).abs() < 1e-9).all() and (out > -1e-9).all())
    assert holds == expected


def test_buffers_are_not_saved():
    assert set(layer(3, 3, 3).state_dict()) == {"weight"}
    assert set(layer(3, 3, 3, rank=1).state_dict()) == {"left", "right"}


def test_repr_tells_the_sizes():
    text = repr(MultinomialLayer(4, 2, 3, activation="entmax", rank=1))
    assert text == "MultinomialLayer(4 x 3 -> 2 x 3, activation='entmax', rank=1)"
