"""Free energies of held-out samples while a model trains."""

import pytest
import torch
from exact import bit_states
from tiny import TINY_MODELS

from deem.core import validation
from deem.core.dataset import Dataset
from deem.core.solvers import ContrastiveDivergence
from deem.core.training import Checkpoint, EarlyStopping
from deem.core.validation import Validation, mean_free_energy
from deem.math.random import as_generator
from deem.models import RBM, HybridDiscriminativeRBM
from deem.utils.exception import ArgumentError, ShapeError


def noise(n, seed):
    return (torch.rand(n, 12, generator=as_generator(seed)) < 0.5).double()


HELD_OUT = noise(200, 7)


def trained(n, *callbacks, epochs=60, **arguments):
    """Many hidden units on samples without any structure, of which few are learned by heart."""
    solver = ContrastiveDivergence(3, learning_rate=0.5, monitor=False)
    settings = {"batch_size": 4, "solver": solver, "random_state": 0, **arguments}
    return RBM(12, 40).double().fit(noise(n, 1), epochs=epochs, callbacks=callbacks, **settings)


def test_the_gap_grows_where_samples_are_learned_by_heart():
    gap = trained(8, Validation(HELD_OUT), epochs=80).history["validation_gap"]
    assert gap[10] < gap[40] < gap[-1]
    assert gap[-1] > gap[10] + 2


def test_the_gap_stays_where_there_are_many_samples():
    gap = trained(1000, Validation(HELD_OUT), epochs=2, batch_size=50).history["validation_gap"]
    assert max(map(abs, gap)) < 0.5


def test_the_gap_is_the_difference_of_log_probabilities():
    train = noise(50, 1)
    model = trained(50, Validation(HELD_OUT, train), epochs=3)
    history = model.history
    assert history["validation_free_energy"][-1] == pytest.approx(
        model.free_energy(HELD_OUT).mean().item()
    )
    gap = model.score_samples(train).mean() - model.score_samples(HELD_OUT).mean()
    assert history["validation_gap"][-1] == pytest.approx(gap.item())
    assert len(history["validation_gap"]) == len(history["free_energy"]) == 3


def test_as_many_training_samples_as_held_out_ones_are_compared():
    model = trained(20, Validation(HELD_OUT[:5]), epochs=1)
    rows = noise(20, 1)[torch.tensor([0, 4, 9, 14, 19])]
    gap = model.free_energy(HELD_OUT[:5]).mean() - model.free_energy(rows).mean()
    assert model.history["validation_gap"][0] == pytest.approx(gap.item())
    more = trained(20, Validation(HELD_OUT), epochs=1)
    gap = more.free_energy(HELD_OUT).mean() - more.free_energy(noise(20, 1)).mean()
    assert more.history["validation_gap"][0] == pytest.approx(gap.item())


def test_weights_count_and_rows_are_looked_at_in_portions(monkeypatch):
    model, v = RBM(3, 2).double(), bit_states(3)
    with torch.no_grad():
        model.visible_bias.copy_(torch.tensor([1.0, 2.0, -1.0]))
    monkeypatch.setattr(validation, "_ROWS", 3)
    weights = torch.arange(8.0).double()
    expected = (model.free_energy(v) * weights).sum() / weights.sum()
    assert mean_free_energy(model, Dataset(v, weights=weights)) == pytest.approx(expected.item())
    assert mean_free_energy(model, Dataset(v)) == pytest.approx(model.free_energy(v).mean().item())


class Noisy(RBM):
    """Its free energy is another one in training."""

    def free_energy(self, v):
        return super().free_energy(v) + 100 * self.training


def test_the_model_is_seen_in_evaluation_mode_and_left_in_training():
    modes = []

    class Watch(Validation):
        def on_epoch_end(self, training):
            super().on_epoch_end(training)
            modes.append(training.model.training)

    model = Noisy(12, 2).double()
    model.fit(noise(20, 1), epochs=2, callbacks=[Watch(HELD_OUT)], random_state=0)
    assert max(map(abs, model.history["validation_free_energy"])) < 50
    assert modes == [True, True]


def test_training_stops_when_the_gap_opens():
    stop = EarlyStopping("validation_gap", patience=3)
    model = trained(20, Validation(HELD_OUT), stop)
    assert 3 < model.history.n_epochs < 60
    best = EarlyStopping("validation_free_energy", patience=3)
    with pytest.raises(ArgumentError, match="monitor='validation_free_energy' is not recorded"):
        trained(20, best, Validation(HELD_OUT))


def test_nothing_is_drawn_and_a_resumed_training_goes_on(tmp_path):
    watch, file = Validation(HELD_OUT), tmp_path / "half.ckpt"
    whole = trained(20, watch, epochs=4)
    assert torch.equal(whole.weight, trained(20, epochs=4).weight)
    trained(20, watch, Checkpoint(file), epochs=2)
    resumed = trained(20, watch, epochs=4, resume=file)
    assert dict(resumed.history) == dict(whole.history)


def test_votes_are_watched_too():
    tiny = TINY_MODELS[0]
    model = tiny.build().fit(
        tiny.data(40), epochs=2, random_state=0, callbacks=[Validation(tiny.data(10, 5))]
    )
    assert torch.tensor(model.history["validation_gap"]).isfinite().all()


def test_models_that_learn_from_labels_are_watched_by_data_and_labels():
    data = Dataset(HELD_OUT[:20], torch.arange(20) % 2)
    model = HybridDiscriminativeRBM(12, 3, 2).double()
    watch = Validation(data, model.joined(data))
    model.fit(data, epochs=1, callbacks=[watch], random_state=0)
    assert model.history["validation_gap"] == [0.0]
    expected = model.free_energy(model.joined(data).data).detach().mean()
    assert model.history["validation_free_energy"] == [pytest.approx(float(expected))]


def test_wrong_data_are_named():
    with pytest.raises(ArgumentError, match="data has no rows"):
        Validation(HELD_OUT[:0])
    with pytest.raises(ArgumentError, match="train has no rows"):
        Validation(HELD_OUT, HELD_OUT[:0])
    with pytest.raises(ShapeError, match=r"samples of shape \(5,\)"):
        trained(20, Validation(HELD_OUT[:, :5]), epochs=1)
    with pytest.raises(ShapeError, match=r"samples of shape \(4,\)"):
        trained(20, Validation(HELD_OUT, HELD_OUT[:, :4]), epochs=1)
