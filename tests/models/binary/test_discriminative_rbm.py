"""RBMs over data and a class, against enumeration and against the formulas of the paper."""

import numpy as np
import pytest
import torch
from exact import bit_states, gradient
from tiny import _labelled as labelled

from deem.core.dataset import Dataset
from deem.core.solvers import ConditionalLikelihood, ContrastiveDivergence, HybridDivergence
from deem.core.training import Checkpoint
from deem.math.random import as_generator
from deem.models import RBM, DiscriminativeRBM, HybridDiscriminativeRBM
from deem.utils.exception import ArgumentError, OutsideUnitIntervalWarning, ShapeError

V, K, H = 4, 3, 2
CLASSES = [DiscriminativeRBM, HybridDiscriminativeRBM]


@pytest.fixture(params=[1.0, 2.0], ids=lambda t: f"T={t:g}")
def model(request):
    return labelled(DiscriminativeRBM, V, K, H, temperature=request.param).build(1)


@pytest.fixture
def exact(model):
    return labelled(DiscriminativeRBM, V, K, H).exact(model)


def rows(n, seed=0):
    """Bits and labels: the class says how many of the first two bits are on, or nearly so."""
    x = torch.randint(2, (n, V), generator=as_generator(seed)).double()
    return Dataset(x, x[:, :2].sum(1).long())


def test_the_energy_is_that_of_the_paper(model, exact, close):
    u, c = model.class_weight, model.class_bias
    w, a, b = model.weight[:V], model.visible_bias[:V], model.hidden_bias
    close(u.sum(0), torch.zeros(H))
    close(c.sum(), 0.0)
    for v, h in ((exact.v[5], exact.h[1]), (exact.v[31], exact.h[3])):
        x, y = v[:V], int(v[V:].argmax())
        energy = -(a @ x + b @ h + c[y] + x @ w @ h + u[y] @ h) / model.temperature
        close(model.energy(v[None], h[None]), energy[None])


def test_class_probabilities_are_the_exact_conditionals(model, exact, close):
    joint = exact.log_v.reshape(2**V, K)
    close(model.predict_proba(bit_states(V)), joint.softmax(1))
    assert torch.equal(model.predict(bit_states(V)), joint.argmax(1))


def test_prediction_is_the_same_in_parts(model, close, monkeypatch):
    whole = model.predict_proba(bit_states(V))
    monkeypatch.setattr("deem.models.binary.discriminative_rbm._ENTRIES", 3 * K * H)
    close(model.predict_proba(bit_states(V)), whole)


@pytest.mark.parametrize("weights", [None, torch.arange(1.0, 31.0)])
def test_the_solver_follows_the_conditional_likelihood(model, weights, close):
    batch = rows(30)
    shares = torch.ones(30).double() if weights is None else weights.double()
    log_p = model.class_logits(batch.data).log_softmax(1)
    loss = -(shares / shares.sum() * log_p[torch.arange(30), batch.targets]).sum()
    expected = gradient(loss, model)
    before = torch.cat([p.detach().clone().flatten() for p in model.parameters()])
    solver = ConditionalLikelihood(0.5, optimizer="sgd", scheduler=None)
    data = Dataset(batch.data, batch.targets, weights)
    model.fit(data, epochs=1, batch_size=None, solver=solver)
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    close(before - after, 0.5 * expected)
    close(torch.tensor(model.history["loss"]).double()[0], loss, 1e3)
    right = (log_p.argmax(1) == batch.targets).double()
    close(
        torch.tensor(model.history["accuracy"]), (shares / shares.sum() * right).sum()[None], 1e3
    )


def test_the_hybrid_solver_adds_alpha_times_contrastive_divergence(close):
    batch, tiny = rows(30), labelled(HybridDiscriminativeRBM, V, K, H)
    changes = {}
    for name, solver in {
        "hybrid": HybridDivergence(0.3, 2, 0.5, optimizer="sgd"),
        "generative": ContrastiveDivergence(2, 0.5),
        "conditional": ConditionalLikelihood(0.5, optimizer="sgd"),
    }.items():
        model = tiny.build(1)
        start = {n: p.detach().clone() for n, p in model.named_parameters()}
        data = model.joined(batch)
        # biases that hold data already are not set from it
        model.fit(data, epochs=1, batch_size=None, solver=solver, random_state=5)
        changes[name] = torch.cat(
            [(p.detach() - start[n]).flatten() for n, p in model.named_parameters()]
        )
        if name == "hybrid":
            found = {n: series[0] for n, series in model.history.items()}
            total = found["discriminative_loss"] + 0.3 * found["generative_loss"]
            assert list(found)[:2] == ["loss", "accuracy"]
            close(found["loss"], total)
    close(changes["hybrid"], 0.3 * changes["generative"] + changes["conditional"])


def test_the_hybrid_learns_the_joint_distribution():
    data = rows(100)
    model = HybridDiscriminativeRBM(V, 6, K, alpha=1.0).double()
    joint = model.joined(data).data
    before = float(model.score_samples(joint).mean().detach())
    solver = HybridDivergence(1.0, 1, 0.1)
    model.fit(data, epochs=80, batch_size=20, solver=solver, random_state=0)
    assert float(model.score_samples(joint).mean().detach()) > before + 0.5
    assert float((model.predict(data.data) == data.targets).double().mean()) == 1.0
    draws = model.sample_class(torch.arange(K).repeat_interleave(200), 50, random_state=0)
    on = draws.reshape(K, 200, V)[:, :, :2].sum(2).mean(1)
    assert (on - torch.tensor([0.0, 1.0, 2.0])).abs().max() < 0.35


@pytest.mark.parametrize("cls", CLASSES)
def test_the_default_training_tells_the_classes(cls):
    data = rows(100)
    model = cls(V, 10, K).fit(data, batch_size=20, learning_rate=0.1, random_state=0)
    assert model.history.n_epochs == 60
    assert float((model.predict(data.data) == data.targets).double().mean()) == 1.0
    assert model.history["accuracy"][-1] == 1.0
    assert model.history["loss"][-1] < 0.1 * model.history["loss"][0]


def test_draws_of_a_class_follow_the_exact_conditional():
    tiny = labelled(DiscriminativeRBM, V, K, H)
    model = tiny.build(2, scale=2.0)
    p = tiny.exact(model).log_v.detach().reshape(2**V, K)[:, 1].softmax(0)
    draws = model.sample_class(torch.full((4000,), 1), 30, random_state=0)
    codes = (draws.unsqueeze(1) == bit_states(V)).all(2).double()
    assert (codes.sum(1) == 1).all()
    shares = codes.mean(0)
    assert 0.5 * float((shares - p).abs().sum()) < 0.04
    # negative control: of another class they are far from it
    other = model.sample_class(torch.full((4000,), 0), 30, random_state=0)
    away = (other.unsqueeze(1) == bit_states(V)).all(2).double().mean(0)
    assert 0.5 * float((away - p).abs().sum()) > 0.1


def test_visible_biases_start_at_the_data(close):
    x = torch.tensor([[1.0, 0.0], [1.0, 1.0]]).double()
    model = HybridDiscriminativeRBM(2, 2, 2).double()
    model.prepare(Dataset(x, torch.tensor([0, 1])))
    close(model.visible_bias[:2].sigmoid(), [3 / 4, 2 / 4])
    close(model.class_bias, [0.0, 0.0])
    again = HybridDiscriminativeRBM(2, 2, 2).double()
    again.prepare(Dataset(x, torch.tensor([0, 1]), torch.tensor([3.0, 1.0])))
    close(again.visible_bias[:2].sigmoid(), [3 / 4, 1.5 / 4])
    close(again.class_bias.softmax(0), [2.5 / 4, 1.5 / 4], 1e3)


def test_numpy_labels_and_data_are_taken():
    x = np.eye(3)[np.arange(12) % 3].astype(np.float32)
    model = DiscriminativeRBM(3, 4, 3)
    model.fit(Dataset(x, np.arange(12) % 3), learning_rate=0.3, random_state=0)
    assert model.predict(torch.tensor(x)).tolist() == (np.arange(12) % 3).tolist()


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (Dataset(torch.zeros(3, V)), ArgumentError, r"no labels.*Dataset\(data, targets\)"),
        (Dataset(torch.zeros(3, 2), torch.zeros(3).long()), ShapeError, r"\(2,\).*\(4,\)"),
        (Dataset(torch.zeros(3, 9)), ShapeError, r"\(9,\).*\(7,\)"),
        (Dataset(torch.zeros(3, V), torch.tensor([0, 1, 3])), ArgumentError, "between 0 and 3"),
        (Dataset(torch.zeros(3, V), torch.tensor([-1, 1, 2])), ArgumentError, "between -1 and 2"),
        (Dataset(torch.zeros(3, V), torch.zeros(3)), ShapeError, "whole numbers"),
        (Dataset(torch.zeros(3, V), torch.zeros(3, 1).long()), ShapeError, "one label a sample"),
        (Dataset(torch.zeros(3, V + K)), ArgumentError, "one-hot class"),
        (Dataset(torch.full((3, V), torch.nan), torch.zeros(3).long()), ArgumentError, "NaN"),
    ],
)
@pytest.mark.parametrize("cls", CLASSES)
def test_data_that_do_not_suit_are_refused(cls, data, error, match):
    with pytest.raises(error, match=match):
        cls(V, H, K).fit(data)


def test_data_outside_the_unit_interval_warn():
    with pytest.warns(OutsideUnitIntervalWarning, match="255"):
        DiscriminativeRBM(2, 2, 2).fit(
            Dataset(torch.full((4, 2), 255.0), torch.tensor([0, 1, 0, 1])), epochs=1
        )


def test_a_solver_without_labels_says_what_it_needs():
    solver = ContrastiveDivergence()
    with pytest.raises(ShapeError, match="joint configurations"):
        DiscriminativeRBM(V, H, K).fit(rows(9), solver=solver)


@pytest.mark.parametrize("solver", [ConditionalLikelihood(), HybridDivergence()])
def test_a_model_without_classes_is_refused(solver):
    with pytest.raises(ArgumentError, match="RBM does not learn from labels"):
        RBM(V, H).fit(rows(9), solver=solver)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: DiscriminativeRBM(V, H, 1), "n_classes=1"),
        (lambda: DiscriminativeRBM(V, H, 2.0), "n_classes=2.0"),
        (lambda: HybridDiscriminativeRBM(V, H, 2, alpha=-1.0), "alpha=-1"),
        (lambda: HybridDivergence(alpha=float("nan")), "alpha=nan"),
        (lambda: ConditionalLikelihood(0.0), "learning_rate=0"),
        (lambda: DiscriminativeRBM(V, H, 2).predict(torch.zeros(3, 2)), "shape"),
    ],
)
def test_values_outside_their_range_are_refused(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


def test_a_training_that_stopped_goes_on_as_if_it_had_not(tmp_path):
    data, path = rows(60), tmp_path / "saved"
    whole = HybridDiscriminativeRBM(V, H, K)
    whole.fit(data, epochs=6, solver=HybridDivergence(scheduler=None), random_state=0)
    part = HybridDiscriminativeRBM(V, H, K)
    part.fit(
        data,
        epochs=3,
        solver=HybridDivergence(scheduler=None),
        random_state=0,
        callbacks=[Checkpoint(path)],
    )
    rest = HybridDiscriminativeRBM(V, H, K)
    rest.fit(data, epochs=6, solver=HybridDivergence(scheduler=None), resume=path)
    for name, value in whole.state_dict().items():
        assert torch.equal(rest.state_dict()[name], value), name
