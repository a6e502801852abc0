"""The epoch loop: callbacks, stopping, exact resumption, failure."""

import copy
import math

import pytest
import torch
from tiny import TINY_MODELS, CyclicMove

from deem.core.dataset import Dataset
from deem.core.history import History
from deem.core.optimizers import OPTIMIZERS, SCHEDULERS
from deem.core.persistence import read_file, write_file
from deem.core.solvers import ContrastiveDivergence, ExactEM, ExactGradient, Solver
from deem.core.training import Callback, Checkpoint, EarlyStopping, train
from deem.math.random import as_generator
from deem.utils.exception import (
    ArgumentError,
    IntractableError,
    ModelFileError,
    NonFiniteError,
)

SOFT, SOFT_TWO, BINARY, _ = TINY_MODELS[:4]


class Recorder(Callback):
    """Writes down when it was called."""

    def __init__(self, name, log, stop_at=None):
        self.name, self.log, self.stop_at = name, log, stop_at

    def on_start(self, training):
        self.log.append((self.name, "start", training.epoch))

    def on_epoch_end(self, training):
        self.log.append((self.name, "epoch", training.epoch))
        assert training.history.n_epochs == training.epoch
        return self.stop_at == training.epoch

    def on_end(self, training):
        self.log.append((self.name, "end", training.epoch))


class Scripted(Solver):
    """Records given losses, one an epoch, and adds one to every parameter."""

    def __init__(self, losses, spoil=False):
        self.losses, self.spoil = list(losses), spoil

    def prepare(self, model, data, epochs, generator):
        self._left = iter(self.losses)

    @torch.no_grad()
    def step(self, model, batch, generator):
        loss = next(self._left)
        for p in model.parameters():
            p.add_(1.0)
        if self.spoil and math.isnan(loss):
            next(model.parameters()).fill_(loss)
            loss = 0.0
        return {"loss": torch.tensor(loss)}


def run(solver, callbacks=(), epochs=None, model=None, data=None, **options):
    model = SOFT.build() if model is None else model
    epochs = len(solver.losses) if epochs is None else epochs
    model.fit(
        SOFT.data(8) if data is None else data,
        epochs=epochs,
        batch_size=None,
        solver=solver,
        callbacks=callbacks,
        random_state=0,
        **options,
    )
    return model


# ---- callbacks


def test_callbacks_are_called_in_order():
    log = []
    run(Scripted([3, 2]), [Recorder("a", log), Recorder("b", log)])
    moments = [("start", 0), ("epoch", 1), ("epoch", 2), ("end", 2)]
    assert log == [(name, *moment) for moment in moments for name in "ab"]


def test_one_callback_stops_but_all_are_told():
    log = []
    model = run(Scripted([3] * 9), [Recorder("a", log, stop_at=2), Recorder("b", log)])
    assert model.history.n_epochs == 2
    assert [entry for entry in log if entry[0] == "b"][-2:] == [("b", "epoch", 2), ("b", "end", 2)]


def test_no_epochs_change_nothing():
    log, model = [], SOFT.build()
    before = copy.deepcopy(model.state_dict())
    run(Scripted([]), [Recorder("a", log)], model=model)
    assert [moment for _, moment, _ in log] == ["start", "end"]
    assert all(torch.equal(before[name], x) for name, x in model.state_dict().items())


def test_callbacks_end_also_when_training_fails():
    log = []
    with pytest.raises(NonFiniteError):
        run(Scripted([1, math.nan]), [Recorder("a", log)])
    assert log[-1] == ("a", "end", 1)


def test_a_failing_callback_ends_the_others_and_passes_its_error_on():
    class Fails(Callback):
        def on_epoch_end(self, training):
            raise RuntimeError("no")

    log, model = [], SOFT.build().eval()
    with pytest.raises(RuntimeError, match="no"):
        run(Scripted([1, 1]), [Fails(), Recorder("a", log)], model=model)
    assert log[-1] == ("a", "end", 1)
    assert not model.training


def test_a_callback_that_fails_to_start_ends_those_that_started():
    class Fails(Recorder):
        def on_start(self, training):
            raise RuntimeError("no")

    log = []
    with pytest.raises(RuntimeError, match="no"):
        run(Scripted([1]), [Recorder("a", log), Fails("b", log), Recorder("c", log)])
    assert log == [("a", "start", 0), ("a", "end", 0)]


def test_a_callback_that_fails_to_end_leaves_the_others_to_theirs():
    class Fails(Recorder):
        def on_end(self, training):
            raise RuntimeError("no")

    log = []
    with pytest.raises(RuntimeError, match="no"):
        run(Scripted([1]), [Fails("a", log), Recorder("b", log)])
    assert log[-1] == ("b", "end", 1)


def test_a_callback_may_amend_the_history():
    class Measures(Callback):
        def on_epoch_end(self, training):
            training.history.amend(accuracy=training.epoch / 10)

    assert run(Scripted([1, 1]), [Measures()]).history["accuracy"] == [0.1, 0.2]


def test_history_tells_what_ran():
    model = run(Scripted([3.0, 2.0]))
    assert model.history["loss"] == [3.0, 2.0]
    assert model.history.settings["solver"] == "Scripted"
    assert model.history.settings["epochs"] == 2
    run(Scripted([1.0]), model=model)
    assert model.history["loss"] == [1.0]


def test_metrics_of_batches_are_averaged_by_their_rows():
    solver = Scripted([1.0, 1.0, 7.0])
    history = train(
        SOFT.build(),
        Dataset(SOFT.data(5)),
        solver,
        epochs=1,
        batch_size=2,
        generator=as_generator(0),
    )
    assert history["loss"] == pytest.approx([(2 * 1 + 2 * 1 + 7) / 5])


@pytest.mark.parametrize(
    ("losses", "options", "expected"),
    [
        ([5, 4, 3, 3, 3, 3], {"patience": 2}, 5),
        ([5, 4, 3, 2, 1, 0], {"patience": 2}, 6),
        ([5, 6, 4, 6, 3, 6], {"patience": 2}, 6),
        ([5, 6, 7, 4, 4, 4], {"patience": 2}, 3),
        ([5, 4.9, 4.8, 4.7, 4.6], {"patience": 2, "min_delta": 0.5}, 3),
        ([1, 2, 3, 2, 2, 9], {"patience": 2, "maximise": True}, 5),
        ([1, 1, 9, 9], {"patience": 1}, 2),
    ],
)
def test_early_stopping_waits_for_its_patience(losses, options, expected):
    model = run(Scripted(losses), [EarlyStopping("loss", **options)])
    assert model.history.n_epochs == expected


def test_early_stopping_names_the_series_there_are():
    with pytest.raises(
        ArgumentError, match="monitor='error' is not recorded; choose one of: loss"
    ):
        run(Scripted([1, 2]), [EarlyStopping("error")])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: EarlyStopping("loss", patience=0), "patience=0; it must be at least 1"),
        (lambda: Checkpoint("file", every=0), "every=0; it must be at least 1"),
    ],
)
def test_callbacks_check_their_arguments(make, text):
    with pytest.raises(ArgumentError, match=text):
        make()


def test_training_checks_its_arguments():
    model = SOFT.build()
    with pytest.raises(ArgumentError, match="epochs=-1; expected a whole number of at least 0"):
        model.fit(SOFT.data(3), epochs=-1)
    with pytest.raises(ArgumentError, match="data has no rows"):
        model.fit(SOFT.data(3)[:0])
    for weight in (0, 1e-300):
        data = Dataset(SOFT.data(3), weights=torch.full((3,), weight, dtype=torch.float64))
        with pytest.raises(ArgumentError, match=r"weights of the 3 samples sum to (0|3e-300); "):
            model.fit(data)
    with pytest.raises(ArgumentError, match="batch_size=0"):
        model.fit(SOFT.data(3), batch_size=0, solver=ContrastiveDivergence())
    with pytest.raises(ArgumentError, match="set the learning rate on the solver"):
        model.fit(SOFT.data(3), learning_rate=0.1, solver=ExactEM())


def test_a_full_batch_solver_ignores_the_batch_size():
    models = [SOFT.build(), SOFT.build()]
    for model, size in zip(models, (3, None), strict=True):
        model.fit(SOFT.data(20), epochs=3, batch_size=size, solver=ExactEM(), random_state=0)
    assert torch.equal(models[0].free_weight, models[1].free_weight)


def test_default_lengths():
    assert run(Scripted([1.0] * 20), epochs=None).history.n_epochs == 20
    model = SOFT.build()
    model.fit(SOFT.data(20), solver=ContrastiveDivergence(), random_state=0)
    assert model.history.n_epochs == 10


# ---- progress bar


def test_the_progress_bar_is_silent_unless_asked(capsys):
    run(Scripted([3.0, 2.5]))
    assert capsys.readouterr() == ("", "")


def test_the_progress_bar_shows_epochs_and_the_first_series(capsys):
    run(Scripted([3.0, 2.5]), verbose=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "2/2" in err
    assert "loss=2.5" in err


# ---- failure


@pytest.mark.parametrize("spoil", [False, True], ids=["metric", "parameter"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_the_parameters_of_the_last_good_epoch_are_kept(spoil, bad):
    if spoil and bad == math.inf:
        bad = math.nan
    model = SOFT.build()
    before = {name: x.clone() for name, x in model.named_parameters()}
    with pytest.raises(NonFiniteError, match="in epoch 3; the parameters of the epoch before"):
        run(Scripted([1, 1, bad, 1], spoil), model=model)
    for name, x in model.named_parameters():
        torch.testing.assert_close(x, before[name] + 2, rtol=0, atol=1e-12)
    assert model.history["loss"] == [1, 1]


def test_data_that_is_not_finite_is_noticed():
    v = SOFT.data(10)
    v[3, 0] = math.nan
    model = SOFT.build()
    kept = model.free_weight.detach().clone()
    with pytest.raises(NonFiniteError, match="check the data"):
        model.fit(v, epochs=2, solver=ContrastiveDivergence(deterministic=True), random_state=0)
    assert torch.equal(model.free_weight, kept)


def test_divergence_within_an_epoch_is_noticed():
    model = SOFT.build()
    kept = model.free_weight.detach().clone()
    solver = ContrastiveDivergence(learning_rate=1e308, momentum=0.99)
    with pytest.raises(NonFiniteError, match="in epoch 1; .* Lower the learning rate"):
        model.fit(SOFT.data(200), epochs=2, batch_size=5, solver=solver, random_state=0)
    assert torch.equal(model.free_weight, kept)


def test_other_errors_of_a_step_pass_through():
    class Fails(Scripted):
        def step(self, model, batch, generator):
            raise ValueError("something else")

    with pytest.raises(ValueError, match="something else"):
        run(Fails([1]))


# ---- exact resumption

SOLVERS = {
    "CD": lambda: ContrastiveDivergence(2, 0.05, momentum=0.5),
    "PCD": lambda: ContrastiveDivergence(2, 0.05, persistent=True, fresh=0.2),
    "CD-deterministic": lambda: ContrastiveDivergence(1, 0.05, deterministic=True),
    "PCD-sampler": lambda: ContrastiveDivergence(2, 0.05, persistent=True, sampler=CyclicMove()),
    "EM": lambda: ExactEM(tolerance=0),
    "gradient": lambda: ExactGradient(tolerance=0),
    "gradient-adam": lambda: ExactGradient("adam", 0.05, scheduler="cosine", tolerance=0),
    "callable": lambda: ContrastiveDivergence(
        optimizer=lambda p: torch.optim.Adagrad(p, lr=0.1),
        scheduler=lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda epoch: 0.9**epoch),
    ),
    **{
        f"{optimizer}-{scheduler}": lambda optimizer=optimizer, scheduler=scheduler: (
            ContrastiveDivergence(
                1,
                0.05,
                momentum=0.3,
                weight_decay=0.01,
                optimizer=optimizer,
                scheduler=scheduler,
                persistent=True,
            )
        )
        for optimizer in OPTIMIZERS
        for scheduler in SCHEDULERS
    },
}


def flat(value, where=""):
    """Nested content as (place, tensor or plain value) pairs."""
    if isinstance(value, dict):
        return [x for key, item in value.items() for x in flat(item, f"{where}.{key}")]
    if isinstance(value, (list, tuple)):
        return [x for i, item in enumerate(value) for x in flat(item, f"{where}.{i}")]
    return [(where, value)]


def assert_identical(a, b):
    a, b = dict(flat(a)), dict(flat(b))
    assert a.keys() == b.keys()
    for where, value in a.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, b[where]), where
        else:
            # repr, because NaN differs from itself
            assert repr(value) == repr(b[where]), where


class Interrupt(Callback):
    """Raises after some epochs, as a user does with the keyboard."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, training):
        if training.epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", SOLVERS)
def test_interrupted_and_resumed_is_uninterrupted(name, tmp_path):
    v = SOFT.data(40)
    v[::3, 1] = 0
    files = [tmp_path / "whole", tmp_path / "part"]

    def fit(model, solver, *callbacks, **options):
        return model.fit(v, epochs=7, batch_size=16, solver=solver, callbacks=callbacks, **options)

    whole = fit(SOFT.build(), SOLVERS[name](), Checkpoint(files[0]), random_state=3)
    with pytest.raises(KeyboardInterrupt):
        fit(
            SOFT.build(),
            SOLVERS[name](),
            Checkpoint(files[1], every=2),
            Interrupt(5),
            random_state=3,
        )
    resumed = fit(SOFT.build(9), SOLVERS[name](), Checkpoint(files[1]), resume=files[1])
    assert_identical(dict(whole.state_dict()), dict(resumed.state_dict()))
    assert resumed.history.to_json() == whole.history.to_json()
    assert resumed.history.n_epochs == 7
    assert_identical(read_file(files[0])[1], read_file(files[1])[1])


def test_a_resumed_training_keeps_the_patience_it_used_up(tmp_path):
    path = tmp_path / "file"
    losses = [5, 4, 4, 4, 4, 4]
    stopping = EarlyStopping("loss", patience=3)
    run(Scripted(losses), [Checkpoint(path)], epochs=3)
    model = run(Scripted(losses[3:]), [stopping], epochs=6, resume=path)
    assert model.history["loss"] == [5, 4, 4, 4, 4]


def test_a_finished_training_has_nothing_to_resume(tmp_path):
    path = tmp_path / "file"
    first = run(Scripted([1, 2]), [Checkpoint(path)])
    again = run(Scripted([]), epochs=2, resume=path, model=SOFT.build(9))
    assert torch.equal(again.free_weight, first.free_weight)
    assert again.history["loss"] == [1, 2]


FINISHED = {
    "EM": lambda: ExactEM(),
    "lbfgs": lambda: ExactGradient(),
    "adam": lambda: ExactGradient("adam", 0.1, tolerance=0.02),
}


@pytest.mark.parametrize("name", FINISHED)
def test_a_resume_after_the_rule_held_changes_nothing(name, tmp_path):
    path = tmp_path / "file"
    v = SOFT.data(40)
    first = SOFT.build().fit(v, solver=FINISHED[name](), callbacks=[Checkpoint(path)])
    assert 1 < first.history.n_epochs < 500
    again = SOFT.build(9).fit(
        v, solver=FINISHED[name](), callbacks=[Checkpoint(path)], resume=path
    )
    assert_identical(state_of(again), state_of(first))
    assert read_file(path)[1]["epoch"] == first.history.n_epochs


@pytest.mark.parametrize("name", FINISHED)
@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_resume_before_the_rule_held_ends_where_it_would_have(name, epoch, tmp_path):
    path = tmp_path / "file"
    v = SOFT.data(40)
    whole = SOFT.build().fit(v, solver=FINISHED[name]())
    with pytest.raises(KeyboardInterrupt):
        SOFT.build().fit(
            v, solver=FINISHED[name](), callbacks=[Checkpoint(path), Interrupt(epoch)]
        )
    resumed = SOFT.build(9).fit(v, solver=FINISHED[name](), resume=path)
    assert_identical(state_of(resumed), state_of(whole))


def test_a_sharper_rule_goes_on(tmp_path):
    path = tmp_path / "file"
    v = SOFT.data(40)
    first = SOFT.build().fit(v, solver=ExactEM(), callbacks=[Checkpoint(path)])
    again = SOFT.build().fit(v, solver=ExactEM(tolerance=1e-6), resume=path)
    whole = SOFT.build().fit(v, solver=ExactEM(tolerance=1e-6))
    assert first.history.n_epochs < again.history.n_epochs
    assert dict(again.history) == dict(whole.history)


def test_a_resume_after_early_stopping_changes_nothing(tmp_path):
    path = tmp_path / "file"
    losses = [5, 4, 4, 4, 4, 4]
    first = run(Scripted(losses), [EarlyStopping("loss", patience=2), Checkpoint(path)])
    assert first.history.n_epochs == 4
    stopping = EarlyStopping("loss", patience=2)
    again = run(Scripted([]), [stopping], epochs=6, resume=path, model=SOFT.build(9))
    assert_identical(state_of(again), state_of(first))
    patient = EarlyStopping("loss", patience=3)
    later = run(Scripted([4, 4]), [patient], epochs=6, resume=path)
    assert later.history.n_epochs == 5


def test_a_callback_may_stop_a_training_before_it_starts():
    class Stops(Callback):
        def on_start(self, training):
            training.stopped = True

    assert run(Scripted([1, 1]), [Stops()]).history.n_epochs == 0


def test_a_checkpoint_is_written_every_so_often(tmp_path):
    path = tmp_path / "file"
    seen = []

    class Looks(Callback):
        def on_epoch_end(self, training):
            seen.append(path.exists())
            path.unlink(missing_ok=True)

    run(Scripted([1] * 7), [Checkpoint(path, every=3), Looks()])
    assert seen == [False, False, True, False, False, True, False]


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    path = tmp_path / "file"
    run(Scripted([1]), [Checkpoint(path)])
    with pytest.raises(
        ArgumentError, match="holds .* a model SoftIRBM, but the model is a Binary"
    ):
        BINARY.build().fit(BINARY.data(5), epochs=2, solver=Scripted([1]), resume=path)


def test_a_model_file_is_no_checkpoint(tmp_path):
    path = tmp_path / "file"
    SOFT.build().save(path)
    with pytest.raises(ModelFileError, match="holds a SoftIRBM, expected a Checkpoint"):
        run(Scripted([1]), resume=path)
    write_file(path, "Checkpoint", {"class": "Other"})
    with pytest.raises(ArgumentError, match="resume='.*file' holds the training of a model Other"):
        run(Scripted([1]), resume=path)


def state_of(model):
    """All that a failed resume must leave alone."""
    return copy.deepcopy([dict(model.state_dict()), model.history.to_dict()])


def refuse(model, data, path, error, text, solver):
    """A resume that does not fit says so and changes nothing, the generator included."""
    before, generator = state_of(model), as_generator(5)
    drawn = generator.get_state()
    with pytest.raises(error, match=text):
        model.fit(data, epochs=9, solver=solver, resume=path, random_state=generator)
    assert_identical(state_of(model), before)
    assert torch.equal(generator.get_state(), drawn)


@pytest.fixture
def checkpoint(tmp_path):
    """File of two epochs of CD with momentum."""
    path = tmp_path / "file"
    solver = ContrastiveDivergence(momentum=0.5, scheduler="step")
    run(solver, [Checkpoint(path)], epochs=2)
    return path


@pytest.fixture
def trained():
    return run(Scripted([3, 2]))


def test_a_checkpoint_of_other_shapes_is_refused(checkpoint):
    model = run(Scripted([1]), model=SOFT_TWO.build(), data=SOFT_TWO.data(8))
    text = r"resume='.*file' holds parameters of shapes .*\(3, 2, 1, 2\).* has .*\(4, 2, 2, 2\)"
    refuse(model, SOFT_TWO.data(5), checkpoint, ArgumentError, text, ContrastiveDivergence())


@pytest.mark.parametrize("solver", [ExactEM(), Scripted([1])], ids=lambda x: type(x).__name__)
def test_a_checkpoint_of_another_solver_is_refused(checkpoint, trained, solver):
    text = f"a solver ContrastiveDivergence, but the solver is a {type(solver).__name__}; pass"
    refuse(trained, SOFT.data(8), checkpoint, ArgumentError, text, solver)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"optimizer": "adam", "scheduler": "step"}, r"\['Adam', 'StepLR'\]"),
        ({"scheduler": "cosine"}, r"\['SGD', 'CosineAnnealingLR'\]"),
        ({}, r"\['SGD', None\]"),
    ],
)
def test_a_checkpoint_of_another_optimizer_is_refused(checkpoint, trained, options, found):
    text = rf"optimizer and scheduler \['SGD', 'StepLR'\], but .* has {found}; pass"
    solver = ContrastiveDivergence(**options)
    refuse(trained, SOFT.data(8), checkpoint, ArgumentError, text, solver)


@pytest.mark.parametrize("lost", ["solver", "history", "epoch", "generator"])
def test_a_checkpoint_with_a_part_missing_is_refused(checkpoint, trained, lost):
    content = read_file(checkpoint)[1]
    write_file(checkpoint, "Checkpoint", {k: v for k, v in content.items() if k != lost})
    solver = ContrastiveDivergence(momentum=0.5, scheduler="step")
    text = f"resume='.*' does not fit this ContrastiveDivergence .*{lost}"
    refuse(trained, SOFT.data(8), checkpoint, ArgumentError, text, solver)


def test_a_failing_prepare_leaves_the_model_as_it_was(checkpoint, trained):
    class Fails(ContrastiveDivergence):
        def prepare(self, model, data, epochs, generator):
            torch.nn.init.zeros_(model.free_weight)
            torch.rand(3, generator=generator)
            raise RuntimeError("no")

    refuse(trained, SOFT.data(8), None, RuntimeError, "no", Fails())
    text = "has no closed M-step"
    model = run(Scripted([1]), model=SOFT_TWO.build(), data=SOFT_TWO.data(8))
    refuse(model, SOFT_TWO.data(8), None, IntractableError, text, ExactEM())


def test_train_returns_the_history_of_the_model():
    model = SOFT.build()
    history = train(model, Dataset(SOFT.data(5)), ExactEM(), epochs=2, generator=as_generator(0))
    assert isinstance(history, History)
    assert history is model.history


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (torch.tensor([1.0, -0.5, 1.0]), "below 0 or not finite"),
        (torch.tensor([1.0, math.nan, 1.0]), "below 0 or not finite"),
        (torch.ones(3, 2), r"weights has shape \(3, 2\)"),
    ],
)
def test_weights_say_how_often_a_sample_counts(weights, text):
    data = Dataset(BINARY.data(3).data, weights=weights)
    with pytest.raises(ArgumentError, match=text):
        BINARY.build().fit(data, solver=Scripted([0.0]))


@pytest.mark.parametrize("solver", ["pcd", ContrastiveDivergence])
def test_a_solver_is_an_object(solver):
    with pytest.raises(ArgumentError, match=r"expected a solver object such as Contrastive"):
        BINARY.build().fit(BINARY.data(3), solver=solver)


@pytest.mark.parametrize("epochs", [1.5, "3", True])
def test_epochs_are_counted(epochs):
    with pytest.raises(ArgumentError, match=f"epochs={epochs!r}; expected a whole number"):
        BINARY.build().fit(BINARY.data(3), epochs=epochs, solver=Scripted([0.0]))
