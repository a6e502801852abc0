"""Networks of an ensemble: published sizes, shapes, and stacked copies against single ones."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from deem.ensembles.learners import LEARNERS, cnn, make_learner, mlp, register_learner
from deem.utils.exception import ArgumentError

SMALL = [
    ("mlp", {}),
    ("mlp", {"norm": "batch", "activation": "tanh"}),
    ("mlp", {"norm": "layer", "activation": "gelu"}),
    ("cnn", {}),
    ("cnn_paper", {"dropout": 0.0}),
    ("vgg_small", {}),
    ("resnet_small", {}),
    ("resnet_small", {"norm": "group"}),
]
DROPPED = [
    ("mlp", {"dropout": 0.5}),
    ("cnn", {"dropout": 0.5}),
    ("vgg_small", {"dropout": (0.5, 0.5, 0.5), "norm": "group"}),
]
LINEAR = {"activation": "elu", "hidden": ()}


def built(name, shape=(1, 8, 8), n_outputs=3, seed=0, **params):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make_learner(name, shape, n_outputs, params)


def on_meta(name, shape, n_outputs, **params):
    with torch.device("meta"):
        return make_learner(name, shape, n_outputs, params)


def n_parameters(network):
    return sum(p.numel() for p in network.parameters())


def images(n, shape):
    generator = torch.Generator().manual_seed(1)
    return torch.randn((n, *shape), generator=generator, dtype=torch.float64)


def vgg16_size():
    """Filters, two numbers a normalised channel, two layers with biases."""
    widths = [3, 64, 64, 128, 128, *[256] * 3, *[512] * 6]
    filters = sum(9 * a * b for a, b in zip(widths, widths[1:], strict=False))
    return filters + 2 * sum(widths[1:]) + 513 * 512 + 513 * 10


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("cnn_paper", 31_340),
        ("vgg16", vgg16_size()),
        ("resnet18", 11_173_962),
        ("resnet34", 21_282_122),
    ],
)
def test_published_sizes(name, size):
    assert n_parameters(on_meta(name, (3, 32, 32), 10)) == size


def test_vgg16_has_fifteen_million_parameters():
    assert round(vgg16_size() / 1e6, 1) == 15.0


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        *((name, (3, 32, 32)) for name in LEARNERS),
        *((name, (1, 8, 8)) for name in LEARNERS if name != "cnn_paper"),
        *((name, (2, 5, 1)) for name in ("cnn", "vgg16", "vgg_small", "resnet_small")),
        ("cnn_paper", (1, 14, 14)),
    ],
)
def test_images_of_all_sizes_give_scores(name, shape):
    network = on_meta(name, shape, 4).eval()
    for n in (1, 6):
        assert network(torch.zeros(n, *shape, device="meta")).shape == (n, 4)


def test_an_mlp_is_a_plain_sequence():
    network = built("mlp", (1, 8, 8), hidden=[5], dropout=0.1, norm="batch")
    kinds = [nn.Flatten, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout, nn.Linear]
    assert [type(layer) for layer in network] == kinds
    assert [type(layer) for layer in built("mlp", (7,), **LINEAR)] == [nn.Linear]


@pytest.mark.parametrize("kernel_size", [1, 2, 5])
def test_filters_of_every_size_fit(kernel_size):
    network = built("cnn", (2, 6, 9), kernel_size=kernel_size, channels=(3, 4, 5, 6, 7))
    assert network(torch.zeros(2, 2, 6, 9)).shape == (2, 3)


def test_the_residual_is_added_to_what_it_reads():
    block = built("resnet_small", widths=[4], depths=[1])[3].eval()
    nn.init.zeros_(block.residual[-1].weight)
    x = images(2, (4, 3, 3)).float()
    torch.testing.assert_close(block(x), x.relu(), rtol=0, atol=0)


def pair(name, params):
    """Two networks, their stacked state and the function of one of them."""
    shape = (1, 14, 14) if name == "cnn_paper" else (1, 8, 8)
    networks = [built(name, shape, seed=seed, **params).double() for seed in (0, 1)]
    return networks, *stack_module_state(networks), copy.deepcopy(networks[0]), images(5, shape)


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize(("name", "params"), SMALL)
def test_stacked_copies_are_the_single_ones(name, params, is_training):
    networks, weights, buffers, base, x = pair(name, params)
    for network in (*networks, base):
        network.train(is_training)
    run = vmap(lambda w, b: functional_call(base, (w, b), (x,)))
    scores = run(weights, buffers)
    expected = torch.stack([network(x) for network in networks])
    assert (scores[0] - scores[1]).abs().max() > 1e-3
    torch.testing.assert_close(scores, expected)
    scores.square().sum().backward()
    expected.square().sum().backward()
    for key, stacked in weights.items():
        single = torch.stack([network.get_parameter(key).grad for network in networks])
        torch.testing.assert_close(stacked.grad, single)
    for key, stacked in buffers.items():
        single = torch.stack([network.get_buffer(key) for network in networks])
        torch.testing.assert_close(stacked, single)


@pytest.mark.parametrize(("name", "params"), DROPPED)
def test_dropout_hides_other_units_of_each_copy(name, params):
    networks, weights, buffers, base, x = pair(name, params)
    same = {key: value[:1].expand_as(value) for key, value in weights.items()}
    run = vmap(lambda w, b: functional_call(base, (w, b), (x,)), randomness="different")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, second = run(same, buffers)
    assert (first - second).abs().max() > 1e-3
    base.eval()
    first, second = run(same, buffers)
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(first, networks[0].eval()(x))


def test_first_weights_follow_the_global_generator():
    one, other, third = (built("cnn", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one[0].weight, other[0].weight)
    assert not torch.equal(one[0].weight, third[0].weight)


def test_own_factories():
    def linear(shape, n_outputs, bias=True):
        return nn.Linear(*shape, n_outputs, bias)

    with torch.device("meta"):
        assert make_learner(linear, (4,), 2, {"bias": False}).bias is None
        register_learner("straight", linear)
        try:
            assert make_learner("straight", (4,), 2).out_features == 2
            with pytest.raises(ArgumentError, match="name='straight' is a learner already"):
                register_learner("straight", linear)
        finally:
            del LEARNERS["straight"]


IMAGE = (1, 8, 8)


@pytest.mark.parametrize(
    ("learner", "shape", "params", "message"),
    [
        ("mpl", (4,), {}, "learner='mpl' is unknown; choose one of: mlp, cnn"),
        (3, (4,), {}, "learner=3 is unknown"),
        (lambda: None, (4,), {}, "learner=<lambda>: too many positional .* takes \\(\\)"),
        (lambda shape, n: n, (4,), {}, "learner=<lambda> returned a int; expected a torch.nn.M"),
        (nn.Identity(), (4,), {}, "learner is a Identity that is built already"),
        ("mlp", (4,), {"depth": 2}, "learner='mlp': .*'depth'.*takes .*n_outputs, hidden, act"),
        (mlp, (4,), {"n_outputs": 2}, "learner=mlp: multiple values for argument 'n_outputs'"),
        ("mlp", (4,), [("hidden", 2)], "params=.*; expected a dict"),
        ("mlp", 4, {}, "input_shape=4; expected a tuple of whole numbers"),
        ("mlp", (), {}, "input_shape=\\(\\); expected at least 1 of them"),
        ("mlp", (4, 0), {}, "input_shape\\[1\\]=0; expected a whole number of at least 1"),
        ("mlp", (4,), {"hidden": 64}, "hidden=64; expected a tuple of whole numbers"),
        ("mlp", (4,), {"hidden": (8, 2.5)}, "hidden\\[1\\]=2.5; expected a whole number"),
        ("mlp", (4,), {"activation": "step"}, "activation='step' is unknown"),
        ("mlp", (4,), {"norm": "group"}, "norm='group' is unknown; choose one of: batch, layer"),
        ("mlp", (4,), {"dropout": 1.0}, "dropout=1.0; expected a share in"),
        ("cnn", IMAGE, {"dropout": "a"}, "dropout='a'; expected a finite number"),
        ("cnn", IMAGE, {"kernel_size": 0}, "kernel_size=0; expected a whole number"),
        ("cnn", IMAGE, {"channels": ()}, "channels=\\(\\); expected at least 1"),
        ("cnn_paper", IMAGE, {}, "at least 14 by 14 pixels.*\\(1, 8, 8\\); pass learner='cnn'"),
        ("vgg_small", IMAGE, {"dropout": 0.5}, "dropout=0.5; expected three shares"),
        ("vgg_small", IMAGE, {"depths": (1,)}, "widths=\\(16, 32\\) and depths=\\(1,\\)"),
        ("vgg16", IMAGE, {"dropout": (0, 0, -1)}, "dropout\\[2\\]=-1; expected a share"),
        ("resnet_small", IMAGE, {"norm": "layer"}, "norm='layer' is unknown"),
        ("resnet_small", IMAGE, {"widths": (), "depths": ()}, "widths=\\(\\); expected at least"),
    ],
)
def test_wrong_arguments_are_named(learner, shape, params, message):
    with torch.device("meta"), pytest.raises(ArgumentError, match=message):
        make_learner(learner, shape, 3, params)


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "mlp"])
def test_networks_of_images_ask_for_images(name):
    message = (
        f"learner={name!r} takes images, but samples have shape \\(64,\\); reshape X to "
        "\\(n, channels, height, width\\), or pass learner='mlp'\\."
    )
    with pytest.raises(ArgumentError, match=message):
        make_learner(name, (64,), 3)


def test_wrong_numbers_of_scores_and_names_are_refused():
    with pytest.raises(ArgumentError, match="n_outputs=0; expected a whole number of at least 1"):
        make_learner(cnn, IMAGE, 0)
    with pytest.raises(ArgumentError, match="name=''; expected a text"):
        register_learner("", cnn)
    with pytest.raises(ArgumentError, match="factory=3; expected a callable"):
        register_learner("three", 3)
