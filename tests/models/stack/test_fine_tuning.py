"""Classifiers of deep belief networks: what learns, what is kept, what is refused."""

import pytest
import torch

from deem.core.dataset import Dataset
from deem.models import DBN, RBM, ConvDBN, ConvRBM, DBNClassifier, GaussianRBM
from deem.utils.exception import ArgumentError, LabelError, ShapeError


def task(n=120):
    """Rows of six bits, and whether the first and the second bit differ: not linear."""
    v = torch.randint(2, (n, 6), generator=torch.Generator().manual_seed(0)).float()
    return v, (v[:, 0] != v[:, 1]).long()


def untrained(**options):
    return DBNClassifier(DBN.of("RBM", 6, [8, 5]), 2, **options)


def test_it_learns_through_all_layers_what_a_linear_layer_could_not():
    v, y = task()
    model = untrained()
    for layer in model.dbn.layers:
        torch.nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(0))
    before = {name: p.clone() for name, p in model.named_parameters()}
    options = {"batch_size": 20, "learning_rate": 0.05, "validation_share": 0.1}
    model.fit(v, y, epochs=60, patience=None, scheduler=None, random_state=0, **options)
    assert (model.predict(v) == y).float().mean() == 1
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name]) == name.endswith("visible_bias"), name
    assert model.history["loss"][-1] < 0.2 < 0.6 < model.history["loss"][0]
    assert set(model.history) == {
        *("loss", "accuracy", "validation_loss", "validation_accuracy"),
    }


def test_probabilities_are_those_of_the_network_without_dropout():
    v, y = task()
    model = untrained(dropout=0.5).fit(v, y, epochs=2, random_state=0)
    p = model.predict_proba(v.numpy())
    torch.testing.assert_close(p, model.head(model.dbn(v)).softmax(1).detach())
    assert torch.equal(p.argmax(1), model.predict(v))
    assert torch.equal(p, model.predict_proba(v))


def test_dropout_hides_shares_and_keeps_the_mean():
    model = untrained(dropout=0.4)
    v = torch.ones(1, 6).expand(5000, 6)
    thinned = model._thinned(v, 0.4, torch.Generator().manual_seed(0))
    assert thinned.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert thinned.mean() == pytest.approx(1, abs=0.03)
    noisy = [model.noisy_logits(v, torch.Generator().manual_seed(i)) for i in (0, 0, 1)]
    assert torch.equal(noisy[0], noisy[1])
    assert not torch.equal(noisy[0], noisy[2])


def test_the_parameters_of_the_lowest_validation_loss_are_kept():
    v, y = task(60)
    y[::3] = 1 - y[::3]
    model = untrained()
    options = {"learning_rate": 0.05, "validation_share": 0.5, "scheduler": None}
    model.fit(v, y, epochs=60, patience=5, batch_size=10, random_state=0, **options)
    losses = model.history["validation_loss"]
    best = losses.index(min(losses))
    assert best + 6 == len(losses) < 60
    again = untrained().fit(v, y, epochs=best + 1, batch_size=10, random_state=0, **options)
    assert torch.equal(again.predict_proba(v), model.predict_proba(v))


def test_without_samples_put_aside_the_last_parameters_stay():
    v, y = task()
    model = untrained().fit(v, y, epochs=3, validation_share=0, random_state=0)
    assert set(model.history) == {"loss", "accuracy"}
    assert model.history.n_epochs == 3


def test_weights_count_and_seeds_repeat():
    v, y = task()
    halves = Dataset(v, weights=(torch.arange(120) < 60).float())
    options = {"epochs": 30, "learning_rate": 0.05, "validation_share": 0, "random_state": 0}
    model = untrained().fit(halves, torch.where(torch.arange(120) < 60, 0, 1), **options)
    assert model.predict(v).sum() == 0
    twin = untrained().fit(halves, torch.where(torch.arange(120) < 60, 0, 1), **options)
    assert torch.equal(model.predict_proba(v), twin.predict_proba(v))


def test_labels_of_every_kind_of_integer_give_the_same_classifier():
    v, y = task(20)
    found = [untrained().fit(Dataset(v, y), epochs=1, random_state=0).predict_proba(v)]
    for labels in (y.tolist(), y.bool(), y.numpy().astype("uint16"), y.numpy()[::-1].copy()[::-1]):
        found.append(untrained().fit(v, labels, epochs=1, random_state=0).predict_proba(v))
    assert all(torch.equal(x, found[0]) for x in found)


def test_batches_without_weight_and_a_large_share_put_aside_are_borne():
    v, y = task(20)
    rare = Dataset(v, y, (torch.arange(20) == 3).float())
    model = untrained().fit(rare, epochs=2, batch_size=2, random_state=0)
    assert all(p.isfinite().all() for p in model.parameters())
    assert untrained().fit(v, y, epochs=1, validation_share=0.99).history.n_epochs == 1
    with pytest.raises(ArgumentError, match="none of the 2 samples put aside"):
        model.fit(rare, epochs=1, validation_share=0.1, random_state=0)


def test_samples_put_aside_count_by_their_weights():
    v, y = task()
    sure = v[:, 2] == 1
    data = Dataset(v, torch.where(sure, 1, y), sure.float())
    model = untrained().fit(data, epochs=20, validation_share=0.5, random_state=0)
    assert model.history["validation_accuracy"][-1] == 1
    assert model.history["validation_loss"][-1] < 0.2


def test_a_loss_too_large_for_probabilities_is_finite():
    v, y = task(20)
    model = untrained()
    torch.nn.init.constant_(model.head.weight[:1], 1e4)
    model.fit(v, y, epochs=1, learning_rate=1e-3, validation_share=0.5, random_state=0)
    assert 100 < model.history["validation_loss"][0] < float("inf")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_saved_classifier_comes_back_bit_for_bit(dtype, tmp_path):
    v, y = task()
    images = v.reshape(-1, 1, 2, 3)
    dbn = ConvDBN([ConvRBM((2, 3), (2, 2), 3), RBM(6, 4)]).to(dtype)
    model = DBNClassifier(dbn, 2, dropout=0.1).fit(images, y, epochs=2, random_state=0)
    model.save(tmp_path / "classifier")
    loaded = DBNClassifier.load(tmp_path / "classifier")
    assert type(loaded.dbn) is ConvDBN
    assert loaded.dtype == dtype
    assert loaded.config() == model.config() == {"n_classes": 2, "dropout": 0.1, "random_state": 0}
    assert loaded.history.to_dict() == model.history.to_dict()
    assert torch.equal(loaded.predict_proba(images), model.predict_proba(images))


@pytest.mark.parametrize(
    ("options", "text"),
    [({"n_classes": 1}, "n_classes=1"), ({"n_classes": 2, "dropout": 1.0}, "dropout=1.0")],
)
def test_bad_arguments_are_refused(options, text):
    with pytest.raises(ArgumentError, match=text):
        DBNClassifier(DBN.of("RBM", 6, [3]), **options)


@pytest.mark.parametrize(
    ("data", "labels", "options", "error", "text"),
    [
        (torch.zeros(4, 6), [0, 1, 2, 1], {}, LabelError, "labels lie in 0 to 2, but n_classes=2"),
        (torch.zeros(4, 6), [0.0, 1.0, 1.0, 0.0], {}, ShapeError, "expected whole numbers"),
        (torch.zeros(4, 6), [0, 1, 1], {}, ShapeError, "targets has 3 rows, but data has 4"),
        (torch.zeros(4, 5), [0, 1, 1, 0], {}, ShapeError, r"\(5,\)"),
        (torch.zeros(4, 6), [0, 1, 1, 0], {"validation_share": 1}, ArgumentError, "share=1"),
        (torch.zeros(4, 6), [0, 1, 1, 0], {"validation_share": "a"}, ArgumentError, "share='a'"),
        (
            torch.zeros(4, 6),
            [0, 1, 1, 0],
            {"learning_rate": -1},
            ArgumentError,
            "learning_rate=-1",
        ),
        (torch.zeros(4, 6), None, {}, LabelError, "data has no labels"),
        (torch.zeros(4, 6), [0, 1j, 1, 0], {}, LabelError, "no numbers"),
    ],
)
def test_bad_data_are_refused_before_training(data, labels, options, error, text):
    model = untrained()
    with pytest.raises(error, match=text):
        model.fit(data, labels, **options)
    assert model.history.n_epochs == 0


def test_real_units_without_pretraining_are_standardised_once():
    v, y = task()
    model = DBNClassifier(DBN([GaussianRBM(6, 4)]), 2).fit(1000 + 40 * v, y, epochs=1)
    layer = model.dbn.layers[0]
    torch.testing.assert_close(layer.location, 1000 + 40 * v.mean(0))
    kept = layer.scale.clone()
    model.fit(v, y, epochs=1)
    assert torch.equal(layer.scale, kept)


def test_a_classifier_without_anything_to_train_is_refused():
    v, y = task(20)
    model = untrained().requires_grad_(False)
    with pytest.raises(ArgumentError, match="nothing to train"):
        model.fit(v, y, epochs=1)
