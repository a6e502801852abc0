"""Training between independent and joint, against plain loops over learners."""

import functools

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from deem.core.dataset import Dataset
from deem.core.optimizers import SCHEDULERS
from deem.core.training import Callback, Checkpoint, snapshot, train
from deem.ensembles.bank import LearnerBank
from deem.ensembles.joint import MONITORS, JointTraining
from deem.ensembles.measures import Objective
from deem.ensembles.rows import Rows, as_rows
from deem.utils.exception import ArgumentError, LabelError, NonFiniteError, ShapeError


def perceptron(n_outputs=3):
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, n_outputs))


def dropping():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 3))


def samples(n=20, seed=0, n_seeds=1):
    """Three classes, a third of the labels wrong."""
    draws = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 4, generator=draws, dtype=torch.float64)
    noise = torch.randint(3, (n,), generator=draws)
    y = torch.where(torch.rand(n, generator=draws) < 0.3, noise, x[:, :3].argmax(1))
    return as_rows([Dataset(x, y)] * n_seeds)


def bank_of(factory=perceptron, n_learners=3, seeds=(0,), copies=1, backend="auto"):
    return LearnerBank(factory, n_learners, seeds, copies, backend).double()


def run(bank, rows, solver, epochs=4, batch_size=8, **options):
    generator = torch.Generator().manual_seed(5)
    train(bank, rows, solver, epochs=epochs, batch_size=batch_size, generator=generator, **options)
    return bank


def one_by_one(bank, rows, make, loss, epochs=4, batch_size=8):
    """Each learner trained by a loop of its own, in the same order of samples."""
    members = bank.members()
    for network in members:
        optimizer, draws = make(network.parameters()), torch.Generator().manual_seed(5)
        for _ in range(epochs):
            for part in torch.randperm(len(rows), generator=draws).split(batch_size):
                optimizer.zero_grad()
                loss(network(rows.data[part, 0]), rows.targets[part, 0]).backward()
                optimizer.step()
    return members


def distance(bank, members):
    """Largest difference between the parameters of a bank and those of networks."""
    pairs = zip(bank.members(), members, strict=True)
    return max(
        float((p - q).detach().abs().max())
        for a, b in pairs
        for p, q in zip(a.parameters(), b.parameters(), strict=True)
    )


def squared(found, y):
    return (found - y).square().sum(-1).mean()


SGD = functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.01)
ADAM = functools.partial(torch.optim.Adam, lr=0.01)


@pytest.mark.parametrize("backend", ["bmm", "vmap"])
@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (SGD, {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.01}),
        (ADAM, {"optimizer": "adam", "learning_rate": 0.01}),
    ],
)
def test_independent_training_is_that_of_each_learner_alone(make, settings, backend):
    bank, rows = bank_of(backend=backend), samples()
    alone = one_by_one(bank, rows, make, cross_entropy)
    run(bank, rows, JointTraining(0.0, **settings))
    assert distance(bank, alone) < 1e-9
    assert distance(bank_of(), alone) > 0.01


def test_a_mean_over_learners_slows_each_of_them_down():
    rows, settings = samples(), {"optimizer": "sgd", "momentum": 0.0}
    alone = one_by_one(bank_of(), rows, functools.partial(torch.optim.SGD, lr=0.1), cross_entropy)
    by_mean = [
        run(bank_of(), rows, JointTraining(reduction="mean", learning_rate=rate, **settings))
        for rate in (0.1, 0.3)
    ]
    assert distance(by_mean[0], alone) > 0.01
    assert distance(by_mean[1], alone) < 1e-9


def test_independent_regression_is_that_of_each_learner_alone():
    rows = samples()
    rows = Rows(rows.data, rows.data[..., :2].sin())
    bank = bank_of(functools.partial(perceptron, 2))
    alone = one_by_one(bank, rows, ADAM, squared)
    run(bank, rows, JointTraining(loss="mse", learning_rate=0.01))
    assert distance(bank, alone) < 1e-9


def test_joint_training_moves_the_scores_of_all_learners_alike():
    draws = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 5, 3, 4, generator=draws, dtype=torch.float64, requires_grad=True)
    y = torch.randint(4, (2, 5), generator=draws)
    objective = Objective(torch.tensor([1.0, 0.5], dtype=torch.float64))
    objective.of(objective.decompose(scores, y)).sum().backward()
    mean = scores.detach().mean(2).softmax(-1) - nn.functional.one_hot(y, 4)
    torch.testing.assert_close(scores.grad[0], mean[0].unsqueeze(1).expand(5, 3, 4) / 5)
    assert not torch.allclose(scores.grad[1, :, 0], scores.grad[1, :, 1])


def test_series_are_those_of_the_objective():
    rows, beta = samples(), (0.0, 0.4, 1.0)
    solver = JointTraining(beta, validation=samples(9, seed=1))
    bank = run(bank_of(copies=3), rows, solver)
    assert [history.settings["beta"] for history in solver.histories] == list(beta)
    for b, history in zip(beta, solver.histories, strict=True):
        for part in ("train_", "val_"):
            loss, alone, joint, diversity = (
                torch.tensor(history[part + name], dtype=torch.float64)
                for name in ("loss", "individual_loss", "ensemble_loss", "diversity")
            )
            torch.testing.assert_close(loss, 3 * ((1 - b) * alone + b * joint))
            torch.testing.assert_close(diversity, alone - joint)
            assert all(0 <= x <= 1 for x in history[part + "individual_accuracy"])
    means = torch.tensor([history["val_loss"] for history in solver.histories]).mean(0)
    torch.testing.assert_close(torch.tensor(bank.history["val_loss"]), means)


def repeated(rows, times):
    order = torch.arange(len(rows)).repeat_interleave(times)
    return Rows(rows.data[order], rows.targets[order])


def test_counts_are_how_often_a_learner_sees_a_sample():
    rows, times = samples(), torch.randint(3, (20,), generator=torch.Generator().manual_seed(2))
    counted = Rows(rows.data, rows.targets, times[:, None, None])
    settings = {"optimizer": "sgd", "learning_rate": 0.1}
    found = run(bank_of(n_learners=1), counted, JointTraining(**settings), batch_size=100)
    expected = run(bank_of(n_learners=1), repeated(rows, times), JointTraining(**settings))
    assert distance(found, expected.members()) > 1e-3
    expected = run(
        bank_of(n_learners=1), repeated(rows, times), JointTraining(**settings), batch_size=100
    )
    assert distance(found, expected.members()) < 1e-9


def test_class_weights_are_how_often_a_class_counts():
    rows, weights = samples(), torch.tensor([1, 3, 0])
    solver = JointTraining(0.5, class_weight=weights.tolist())
    found = run(bank_of(), rows, solver, batch_size=100)
    more = repeated(rows, weights[rows.targets[:, 0]])
    expected = run(bank_of(), more, JointTraining(0.5), batch_size=100)
    assert distance(found, expected.members()) < 1e-9


def test_samples_that_reach_no_learner_do_not_count():
    rows, start = samples(), bank_of(n_learners=2).members()
    # A class without weight may have a batch of its own; many learners, and few digits.
    rows.targets[:] = 0
    bank = bank_of(n_learners=9).float()
    run(bank, rows, JointTraining(class_weight=[0, 1, 1]))
    assert distance(bank, bank_of(n_learners=9).float().members()) == 0
    rows = samples()
    settings = {"optimizer": "sgd", "learning_rate": 0.1}
    solver = JointTraining(learner_dropout=1 - 1e-12, **settings)
    assert distance(run(bank_of(n_learners=2), rows, solver), start) == 0
    assert solver.histories[0]["train_loss"] == [0.0] * 4
    solver = JointTraining(learner_dropout=0.5, **settings)
    found = run(bank_of(n_learners=2), rows, solver)
    assert distance(found, start) > 0.01
    assert distance(found, run(bank_of(n_learners=2), rows, solver).members()) == 0


def test_samples_are_augmented_by_draws_of_their_seed():
    rows = samples()
    doubled = Rows(2 * rows.data, rows.targets)
    found = run(bank_of(), rows, JointTraining(augment=lambda x, draws: 2 * x))
    assert distance(found, run(bank_of(), doubled, JointTraining()).members()) == 0

    def noisy(x, draws):
        return x + torch.randn(x.shape, generator=draws, dtype=x.dtype)

    rows = samples(n_seeds=2)
    both = run(bank_of(seeds=(3, 4)), rows, JointTraining(augment=noisy)).members(1)
    alone = run(bank_of(seeds=(4,)), samples(), JointTraining(augment=noisy))
    assert distance(alone, both) < 1e-9


class Watch(Callback):
    """States after each epoch."""

    def __init__(self):
        self.states = []

    def on_epoch_end(self, training):
        self.states.append(snapshot(training.model))


def stops_by_the_rule(values, patience):
    """Best epoch and epoch of the stop, both from 1."""
    for epoch in range(1, len(values) + 1):
        best = 1 + values.index(min(values[:epoch]))
        if epoch - best >= patience:
            break
    return best, epoch


@pytest.mark.parametrize("monitor", ["val_ensemble_loss", "val_accuracy"])
def test_each_group_stops_by_the_rule_and_keeps_its_best(monitor):
    settings = {"learning_rate": 0.02, "monitor": monitor, "patience": 3}
    solver = JointTraining((0.0, 0.9), validation=samples(30, 1, 3), **settings)
    watch, rows = Watch(), samples(n_seeds=3)
    bank = bank_of(seeds=(0, 1, 2), copies=2)
    run(bank, rows, solver, epochs=60, callbacks=[watch])
    stops = solver.best.stopped_at.tolist()
    assert len(set(stops)) > 1
    assert bank.history.n_epochs == max(stops) < 60
    last = bank.state_dict()
    for group, history in enumerate(solver.histories):
        series = [(-x if MONITORS[monitor] else x) for x in history[monitor]]
        best, stop = stops_by_the_rule(series, 3)
        assert (int(solver.best.epoch[group]), stops[group]) == (best, stop)
        assert history.n_epochs == stop
        for name, value in last.items():
            assert torch.equal(solver.best.state[name][group], watch.states[best - 1][name][group])
            states = [state[name][group] for state in watch.states[stop - 1 :]]
            assert all(torch.equal(state, value[group]) for state in states)


def test_unlike_learners_stop_too():
    factories = [perceptron, lambda: nn.Linear(4, 3)]
    solver = JointTraining(validation=samples(30, 1), learning_rate=0.2, patience=2)
    bank, watch = LearnerBank(factories, 2).double(), Watch()
    run(bank, samples(), solver, epochs=60, callbacks=[watch])
    best, stop = int(solver.best.epoch[0]), int(solver.best.stopped_at[0])
    assert best + 2 == stop == len(watch.states)
    for name, value in solver.best.state.items():
        assert torch.equal(value, watch.states[best - 1][name])
        assert torch.equal(bank.state_dict()[name], watch.states[-1][name])


def test_divergence_gives_the_last_good_epoch_back():
    explodes = functools.partial(LambdaLR, lr_lambda=lambda epoch: 1 if epoch < 2 else 1e200)
    rows = samples()
    rows = Rows(rows.data, rows.data[..., :3])
    solver = JointTraining(loss="mse", optimizer="sgd", learning_rate=0.01, scheduler=explodes)
    bank, watch = bank_of(), Watch()
    with pytest.raises(NonFiniteError, match="epoch 3; .*Lower the learning rate"):
        run(bank, rows, solver, callbacks=[watch])
    for name, value in bank.state_dict().items():
        assert torch.equal(value, watch.states[1][name])


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path):
    def training():
        validation, augment = samples(30, 1, 2), lambda x, draws: x + noise(x, draws)
        return JointTraining(
            (0.0, 1.0),
            validation=validation,
            learner_dropout=0.3,
            augment=augment,
            scheduler="cosine",
            learning_rate=0.1,
            patience=3,
        )

    def noise(x, draws):
        return 0.1 * torch.randn(x.shape, generator=draws, dtype=x.dtype)

    def bank():
        return bank_of(dropping, seeds=(0, 1), copies=2)

    rows, path = samples(n_seeds=2), tmp_path / "state"
    whole, again, restarted = training(), training(), training()
    expected = run(bank(), rows, whole, epochs=12)
    run(bank(), rows, again, epochs=12, callbacks=[Checkpoint(path, 4), StopAfter(6)])
    found = run(bank(), rows, restarted, epochs=12, resume=path)
    assert whole.best.stopped_at.tolist() == restarted.best.stopped_at.tolist()
    for a, b in (
        (expected.state_dict(), found.state_dict()),
        (whole.best.state, restarted.best.state),
    ):
        assert all(torch.equal(value, b[name]) for name, value in a.items())
    for a, b in zip(whole.histories, restarted.histories, strict=True):
        assert a.to_dict() == b.to_dict()
    assert found.history["val_loss"] == expected.history["val_loss"]


class StopAfter(Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, training):
        return training.epoch == self.epochs


def test_a_plateau_follows_the_held_out_samples():
    rates = []

    class Recorded(ReduceLROnPlateau):
        def step(self, value):
            super().step(value)
            rates.append(self.get_last_lr()[0])

    solver = JointTraining(
        validation=samples(30, 1),
        learning_rate=0.1,
        scheduler=functools.partial(Recorded, patience=0, factor=0.5),
    )
    run(bank_of(), samples(), solver, epochs=12)
    expected, rate, best = [], 0.1, float("inf")
    for value in solver.histories[0]["val_ensemble_loss"]:
        # A relative threshold of 1e-4 is what torch calls better.
        rate, best = (rate, value) if value < best * (1 - 1e-4) else (rate / 2, best)
        expected.append(rate)
    assert rates == expected
    assert rates[-1] < 0.1
    for wrong in (bank_of(copies=2), bank_of()):
        solver.validation = samples(30, 1) if wrong.groups > 1 else None
        with pytest.raises(ArgumentError, match="follows held-out samples of one ensemble; pass"):
            run(wrong, samples(), solver)


def test_schedules_by_name_and_by_callable_are_stepped_once_an_epoch():
    for name in SCHEDULERS:
        solver = JointTraining(scheduler=name, learning_rate=0.05)
        run(bank_of(), samples(), solver, epochs=3)
        assert solver.histories[0]["train_loss"][-1] < solver.histories[0]["train_loss"][0]
    made = []
    run(bank_of(), samples(), JointTraining(scheduler=lambda o: made.append(flat(o)) or made[0]))
    assert made[0].last_epoch == 4


def flat(optimizer):
    return LambdaLR(optimizer, lambda epoch: 1.0)


@pytest.mark.parametrize(("n", "batch_size"), [(1, 8), (5, 1), (5, 8), (5, None), (9, 8)])
def test_batches_of_all_sizes(n, batch_size):
    bank, start = bank_of(), bank_of().members()
    solver = JointTraining(validation=samples(2, 1))
    assert distance(run(bank, samples(n), solver, batch_size=batch_size), start) > 1e-4


def test_a_sample_left_over_joins_the_batch_before_for_batch_norm():
    def factory():
        return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))

    rows = samples(9)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        run(bank_of(factory), rows, JointTraining())
    rows.joins_last = True
    assert [len(batch) for batch in rows.batches(4)] == [4, 5]
    bank = run(bank_of(factory), rows, JointTraining(), batch_size=4)
    assert bank.members()[0][1].num_batches_tracked == 8


@pytest.mark.parametrize("backend", ["bmm", "vmap", "loop"])
def test_dropout_in_learners_is_seeded(backend):
    first, again, other = (
        run(bank_of(dropping, seeds=(s,), backend=backend), samples(), JointTraining())
        for s in (0, 0, 1)
    )
    assert distance(first, again.members()) == 0
    plain = run(bank_of(), samples(), JointTraining())
    assert distance(first, plain.members()) > 1e-3
    assert distance(first, other.members()) > 1e-3


class Functional(nn.Linear):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.5, self.training)


def test_draws_outside_of_layers_are_seeded():
    def factory():
        return Functional(4, 3)

    first, again = (run(bank_of(factory), samples(), JointTraining()) for _ in range(2))
    assert distance(first, again.members()) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta": 1.2}, r"beta=1.2; expected a number in \[0, 1\]: 0 trains"),
        ({"beta": "a"}, r"beta='a'; expected a number in \[0, 1\]"),
        ({"beta": float("nan")}, "beta=nan; expected"),
        ({"loss": "hinge"}, "loss='hinge' is unknown; choose one of: ce, mse"),
        ({"aggregate": "vote"}, "aggregate='vote' is unknown; choose one of: score, prob"),
        (
            {"aggregate": "prob", "loss": "mse"},
            "aggregate='prob' is unknown; choose one of: score",
        ),
        ({"reduction": "max"}, "reduction='max' is unknown; choose one of: sum, mean"),
        ({"monitor": "train_loss"}, "monitor='train_loss' is unknown; choose one of: val_loss"),
        ({"monitor": "val_accuracy", "loss": "mse"}, "monitor='val_accuracy' is unknown"),
        ({"learning_rate": float("nan")}, "learning_rate=nan; expected a finite number"),
        ({"learning_rate": 0}, "learning_rate=0; it must be above 0"),
        ({"learner_dropout": 1}, r"learner_dropout=1; expected a share in \[0, 1\)"),
        ({"patience": 3}, "patience=3 needs held-out samples; pass validation, or None"),
        ({"patience": 0, "validation": 1}, "patience=0; expected a whole number of at least 1"),
    ],
)
def test_settings_are_checked_at_once(settings, message):
    with pytest.raises(ArgumentError, match=message):
        JointTraining(**settings)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"beta": (0, 0.5, 1)}, ArgumentError, "beta has 3 values, but the bank has 2 copies"),
        ({"optimizer": "adm"}, ArgumentError, "optimizer='adm' is unknown; choose one of: sgd"),
        ({"scheduler": "cos"}, ArgumentError, "scheduler='cos' is unknown; choose one of: none"),
        ({"class_weight": [1, 2]}, ShapeError, r"class_weight has shape \(2,\); expected \(3,\)"),
        ({"class_weight": [1, 2, -1]}, ArgumentError, "class_weight holds values below 0"),
        ({"validation": samples(0)}, ArgumentError, "validation has no samples; pass at least"),
        (
            {"validation": Rows(torch.zeros(2, 1, 3), torch.zeros(2, 1).long())},
            ShapeError,
            r"validation has samples of shape \(3,\)",
        ),
    ],
)
def test_settings_are_checked_against_the_bank(settings, error, message):
    bank = bank_of(copies=2)
    before = snapshot(bank)
    with pytest.raises(error, match=message):
        run(bank, samples(), JointTraining(**settings))
    assert all(torch.equal(value, before[name]) for name, value in bank.state_dict().items())


@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        (torch.full((20,), 3), LabelError, "classes 3 to 3, but the scores are of 3; number the"),
        (torch.zeros(20), ShapeError, "y is torch.float32 .* whole numbers, one a sample"),
    ],
)
def test_targets_that_are_no_classes(targets, error, message):
    rows = samples()
    with pytest.raises(error, match=message):
        run(bank_of(), Rows(rows.data, targets[:, None]), JointTraining())
