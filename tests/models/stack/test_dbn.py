"""Deep belief networks against enumeration, and what they promise besides."""

import pytest
import torch
from exact import bit_states

from deem.core.dataset import Dataset
from deem.core.module import Module
from deem.core.solvers import ContrastiveDivergence
from deem.models import DBN, RBM, STACKS, ConvDBN, ConvRBM, GaussianRBM, ResidualDBN
from deem.models.harmonium import Harmonium
from deem.utils.exception import ArgumentError, IntractableError, ModelFileError, ShapeError


def spread(model, seed=0, scale=1.0):
    """The model in float64 with normal parameters."""
    generator = torch.Generator().manual_seed(seed)
    model = model.double()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(scale * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model


def patterns(n=60):
    return torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]).repeat(n // 2, 1)


@pytest.fixture
def dbn():
    return spread(DBN([RBM(4, 3), RBM(3, 3), RBM(3, 2)]))


def log_joint(dbn):
    """log p(v, h_1, h_2), (V, H_1, H_2), of three layers; the last one is summed out."""
    bottom, middle, top = dbn.layers
    v, h1, h2 = bit_states(4), bit_states(3), bit_states(3)

    def downwards(layer, above, below):
        field = above @ layer.weight.t() + layer.visible_bias
        return -torch.nn.functional.softplus((1 - 2 * below[:, None]) * field).sum(-1)

    scores = h2 @ top.visible_bias
    for h3 in bit_states(2):
        single = h2 @ top.visible_bias + h2 @ top.weight @ h3 + h3 @ top.hidden_bias
        scores = single if h3.sum() == 0 else torch.logaddexp(scores, single)
    log_p = downwards(bottom, h1, v)[:, :, None] + downwards(middle, h2, h1)[None]
    return (log_p + scores - scores.logsumexp(0)).detach()


def bound(dbn, joint):
    """The variational bound of every v, with the conditionals of the layers upwards."""
    v, h1, h2 = bit_states(4), bit_states(3), bit_states(3)

    def upwards(layer, below, above):
        field = below @ layer.weight + layer.hidden_bias
        return -torch.nn.functional.softplus((1 - 2 * above[None]) * field[:, None]).sum(-1)

    q = upwards(dbn.layers[0], v, h1)[:, :, None] + upwards(dbn.layers[1], h1, h2)[None]
    return (q.exp() * (joint - q)).sum((1, 2)).detach()


def test_bound_is_the_enumerated_one_and_lies_below_the_likelihood(dbn):
    joint = log_joint(dbn)
    expected, exact = bound(dbn, joint), joint.logsumexp((1, 2))
    torch.testing.assert_close(exact.exp().sum(), torch.ones((), dtype=torch.float64))
    assert (expected < exact).all()
    v = bit_states(4)
    n = 4000
    draws = dbn.log_likelihood_bound(v.repeat(n, 1), n_draws=2, random_state=0).reshape(n, 16)
    error = draws.std(0) / n**0.5
    assert ((draws.mean(0) - expected).abs() < 4 * error).all()
    # the draws would tell the bound from the likelihood
    assert ((exact - expected) > 4 * error).any()


def test_bound_of_a_layer_turned_upside_down_is_the_likelihood():
    bottom, top = spread(RBM(4, 3)), spread(RBM(3, 4))
    with torch.no_grad():
        top.weight.copy_(bottom.weight.t())
        top.visible_bias.copy_(bottom.hidden_bias)
        top.hidden_bias.copy_(bottom.visible_bias)
    v = bit_states(4)
    for n_draws in (1, 3):
        found = DBN([bottom, top]).log_likelihood_bound(v, n_draws=n_draws, random_state=0)
        torch.testing.assert_close(found, bottom.score_samples(v))


def test_bound_of_one_layer_is_its_likelihood_and_takes_a_given_log_partition():
    rbm = spread(RBM(4, 3))
    v, dbn = bit_states(4), DBN([rbm])
    torch.testing.assert_close(dbn.log_likelihood_bound(v), rbm.score_samples(v))
    torch.testing.assert_close(
        dbn.log_likelihood_bound(v, log_partition=2.0), -rbm.free_energy(v) - 2
    )


def test_bound_needs_a_distribution_and_a_log_partition(dbn):
    with pytest.raises(ArgumentError, match=r"layers\[0\] has Binary hidden units, but .*Gauss"):
        DBN([RBM(4, 3), GaussianRBM(3, 2)]).log_likelihood_bound(patterns())
    with pytest.raises(IntractableError):
        DBN([RBM(4, 30), RBM(30, 25)]).log_likelihood_bound(patterns())
    with pytest.raises(ArgumentError, match="n_draws=0"):
        dbn.log_likelihood_bound(bit_states(4), n_draws=0)


def test_draws_have_the_enumerated_distribution(dbn):
    n = 4000
    v = dbn.sample(n, steps=15, random_state=0)
    counts = torch.bincount((v @ torch.tensor([8.0, 4, 2, 1]).double()).long(), minlength=16)

    def misfit(model):
        expected = n * log_joint(model).logsumexp((1, 2)).exp()
        return ((counts - expected).square() / expected).sum()

    assert misfit(dbn) < 40
    assert misfit(spread(dbn, seed=1)) > 400


def test_draws_may_be_means(dbn):
    means = dbn.sample(5, steps=1, random_state=0, means=True)
    assert ((means > 0) & (means < 1)).all()


def test_up_and_down_are_the_means_of_the_layers(dbn):
    v = bit_states(4)
    a, b, c = dbn.layers
    torch.testing.assert_close(dbn.encode(v, 2), b(a(v)))
    torch.testing.assert_close(dbn(v), c(b(a(v))))
    torch.testing.assert_close(dbn.transform(v.numpy()), dbn(v).detach())
    torch.testing.assert_close(dbn.decode(dbn(v)).detach(), dbn.reconstruct(v))
    assert not dbn.reconstruct(v).requires_grad
    torch.testing.assert_close(dbn.decode(a(v), 1), a.p_v(a(v)).mean)
    torch.testing.assert_close(dbn.encode(v, 0), v)
    with pytest.raises(ArgumentError, match="n_layers=4; expected 0 to 3"):
        dbn.encode(v, 4)


def test_each_layer_learns_the_means_of_the_one_below_once(monkeypatch):
    v = patterns()
    dbn = DBN.of("RBM", 4, [3, 2])
    seen = []
    original = RBM.forward
    monkeypatch.setattr(RBM, "forward", lambda self, v: seen.append(len(v)) or original(self, v))
    options = {"batch_size": 20, "learning_rate": 0.3}
    generator = torch.Generator().manual_seed(3)
    dbn.fit(v, epochs=(4, 3), random_state=3, **options)
    assert seen == [60]
    twins = RBM(4, 3, random_state=0), RBM(3, 2, random_state=1)
    twins[0].fit(v, epochs=4, random_state=generator, **options)
    twins[1].fit(twins[0](v).detach(), epochs=3, random_state=generator, **options)
    for layer, twin in zip(dbn.layers, twins, strict=True):
        assert torch.equal(layer.weight, twin.weight)
        assert layer.history.to_dict() == twin.history.to_dict()
    assert dbn.history["layer"] == [0] * 4 + [1] * 3
    both = twins[0].history["free_energy"] + twins[1].history["free_energy"]
    assert dbn.history["free_energy"] == both
    assert [h.n_epochs for h in dbn.histories] == [4, 3]


def test_training_raises_the_bound():
    v = patterns(100)
    dbn = DBN.of("RBM", 4, [3, 2])
    before = dbn.log_likelihood_bound(v, random_state=0).mean()
    dbn.fit(v, epochs=(40, 10), batch_size=10, learning_rate=0.5, random_state=0)
    after = dbn.log_likelihood_bound(v, n_draws=50, random_state=0).mean()
    assert after > before + 1


def test_solvers_and_weights_reach_the_layers():
    v, weights = patterns(), torch.arange(60.0)
    solvers = [ContrastiveDivergence(2, 0.1), ContrastiveDivergence(1, 0.2, persistent=True)]
    dbn = DBN.of("RBM", 4, [3, 2]).fit(Dataset(v, weights=weights), epochs=2, solver=solvers)
    settings = [h.settings for h in dbn.histories]
    assert [s["learning_rate"] for s in settings] == [0.1, 0.2]
    assert [s["persistent"] for s in settings] == [False, True]
    torch.testing.assert_close(
        dbn.layers[1].history["free_energy"][0], dbn.history["free_energy"][2]
    )


def test_kinds_and_arguments_go_to_the_layers():
    dbn = DBN.of([GaussianRBM, "RBM"], 4, (3, 2), temperature=[2.0, 1.0], random_state=5)
    assert [type(x) for x in dbn.layers] == [GaussianRBM, RBM]
    assert [x.temperature for x in dbn.layers] == [2.0, 1.0]
    assert [x.random_state for x in dbn.layers] == [5, 6]
    v = 3 * torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    dbn.fit(v, epochs=2, random_state=0)
    assert dbn.sample(3, steps=2, random_state=0).shape == dbn.reconstruct(v[:3]).shape


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: DBN([]), ArgumentError, "layers is empty"),
        (lambda: DBN([RBM(4, 3), RBM(4, 2)]), ShapeError, r"gives \(3,\), but .* takes \(4,\)"),
        (lambda: DBN([torch.nn.Identity()]), ArgumentError, "is a Identity; expected a Harmonium"),
        (lambda: DBN([RBM(3, 3)] * 2), ArgumentError, "twice"),
        (lambda: DBN.of("RMB", 4, [3]), ArgumentError, "'RMB' is unknown; choose one of: RBM"),
        (lambda: DBN.of(["RBM"], 4, [3, 2]), ArgumentError, "kinds has 1 values, but .* 2 layers"),
        (lambda: DBN.of("RBM", 4, 3), ArgumentError, "n_hidden=3; expected one number"),
        (lambda: DBN.of("RBM", 4, []), ArgumentError, "layers is empty"),
        (
            lambda: DBN.of("RBM", 4, [3, 2], temperature=[1.0]),
            ArgumentError,
            "temperature has 1 values",
        ),
    ],
)
def test_layers_that_do_not_fit_are_refused(build, error, text):
    with pytest.raises(error, match=text):
        build()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"epochs": (1, 2, 3)}, "epochs has 3 values, but there are 2 layers"),
        ({"epochs": (1, -2)}, r"epochs\[1\]=-2"),
        ({"learning_rate": (0.1, -1)}, r"learning_rate\[1\]=-1; it must be above 0"),
        ({"learning_rate": (0.1, "a")}, r"learning_rate\[1\]='a'; expected a finite number"),
        ({"solver": (ContrastiveDivergence(), "cd")}, r"solver\[1\]='cd'; expected a solver"),
        ({"learning_rate": [0.1]}, "learning_rate has 1 values"),
        ({"learning_rate": (None, 0.1), "solver": ContrastiveDivergence()}, "for layer 1"),
    ],
)
def test_training_that_does_not_fit_is_refused_before_it_starts(options, text):
    dbn = DBN.of("RBM", 4, [3, 2])
    kept = dbn.layers[0].weight.clone()
    with pytest.raises(ArgumentError, match=text):
        dbn.fit(patterns(), **options)
    assert torch.equal(dbn.layers[0].weight, kept)


def test_refused_data_leave_the_history():
    dbn = DBN.of("RBM", 4, [3, 2]).fit(patterns(), epochs=1, random_state=0)
    with pytest.raises(ArgumentError, match="NaN"):
        dbn.fit(torch.full((5, 4), float("nan")))
    assert dbn.history.n_epochs == 2


def test_arrays_of_any_precision_are_read_and_counts_checked():
    dbn, v = DBN.of("RBM", 4, [3, 2]), bit_states(4).numpy().astype("float64")
    for found in (dbn.log_likelihood_bound(v, n_draws=1), dbn.decode(v[:, :2]), dbn(v)):
        assert found.dtype == torch.float32
    for options in ({"n": 0}, {"n": 2, "steps": -1}):
        with pytest.raises(ArgumentError, match="expected a whole number"):
            dbn.sample(**options)


def test_the_shape_of_the_data_is_checked():
    with pytest.raises(ShapeError, match=r"\(5,\)"):
        DBN.of("RBM", 4, [3, 2]).fit(torch.zeros(10, 5))


def test_every_stack_is_known_by_its_name():
    assert all(name == cls.__name__ for name, cls in STACKS.items())


class Doubled(RBM):
    """A layer of one's own."""


def stacks():
    images = ConvRBM((6, 6), (3, 3), 2, pooling=2)
    residual = ResidualDBN([RBM(36, 5), Doubled(5, 3)], zeta_2=0.5)
    return [DBN([images, RBM(8, 3)]), residual, ConvDBN([ConvRBM((6, 6), (3, 3), 2)])]


@pytest.mark.parametrize("dbn", stacks(), ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_saved_network_comes_back_bit_for_bit(dbn, dtype, tmp_path):
    dbn = dbn.to(dtype)
    v = torch.rand(20, *dbn.layers[0].visible_shape, generator=torch.Generator().manual_seed(0))
    dbn.fit(v.round(), epochs=1, random_state=0).save(tmp_path / "dbn")
    for loaded in (type(dbn).load(tmp_path / "dbn"), Module.load(tmp_path / "dbn")):
        assert type(loaded) is type(dbn)
        assert [type(x) for x in loaded.layers] == [type(x) for x in dbn.layers]
        assert loaded.dtype == dtype
        assert loaded.config() == dbn.config()
        assert loaded.history.to_json() == dbn.history.to_json()
        for name, value in dbn.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], value), name
        assert torch.equal(loaded.transform(v), dbn.transform(v))


def test_a_file_with_a_layer_that_is_not_there_is_refused(tmp_path):
    class Passing(RBM):
        pass

    DBN([Passing(4, 3)]).save(tmp_path / "dbn")
    del Passing
    import gc

    gc.collect()
    assert "Passing" not in {cls.__name__ for cls in Harmonium.__subclasses__()}
    with pytest.raises(ModelFileError, match="'Passing'"):
        DBN.load(tmp_path / "dbn")
