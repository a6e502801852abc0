"""Optimisers and schedules by name."""

import pytest
import torch

from deem.core.optimizers import OPTIMIZERS, SCHEDULERS, Lookahead, make_optimizer, make_scheduler
from deem.utils.exception import ArgumentError


def quadratic(optimizer, scheduler="none", epochs=30, rate=0.1, **options):
    """Path of x and of the learning rate while minimising x**2 / 2 from 1."""
    x = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    made = make_optimizer(optimizer, [x], rate, **options)
    schedule = make_scheduler(scheduler, made, epochs)
    path, rates = [1.0], []
    for _ in range(epochs):
        rates.append(made.param_groups[0]["lr"])
        made.zero_grad()
        (x.square().sum() / 2).backward()
        made.step()
        if schedule is not None:
            schedule.step()
        path.append(float(x.detach()))
    return path, rates


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_pair_goes_downhill(optimizer, scheduler):
    path, rates = quadratic(optimizer, scheduler)
    assert abs(path[-1]) < 0.8
    assert all(rate >= 0 for rate in rates)


def test_gradient_descent_by_hand():
    path, _ = quadratic("sgd", rate=0.5, epochs=3)
    assert path == pytest.approx([1, 0.5, 0.25, 0.125])


def test_momentum_by_hand():
    path, _ = quadratic("sgd", rate=0.5, epochs=2, momentum=0.5)
    # v1 = 1, x1 = 0.5; v2 = 0.5 * 1 + 0.5 = 1, x2 = 0
    assert path == pytest.approx([1, 0.5, 0.0])


def test_weight_decay_by_hand():
    path, _ = quadratic("sgd", rate=0.5, epochs=1, weight_decay=0.2)
    assert path == pytest.approx([1, 1 - 0.5 * 1.2])


def test_adam_moves_by_the_rate_at_first():
    path, _ = quadratic("adam", rate=0.1, epochs=1)
    assert path[1] == pytest.approx(0.9)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_reaches_every_optimizer(name):
    assert quadratic(name, epochs=3)[0] != quadratic(name, epochs=3, weight_decay=0.3)[0]


@pytest.mark.parametrize(("name", "acts"), [("sgd", 1), ("rmsprop", 1), ("adam", 0), ("adamw", 0)])
def test_momentum_acts_where_it_is_said_to(name, acts):
    changed = quadratic(name, epochs=3)[0] != quadratic(name, epochs=3, momentum=0.9)[0]
    assert changed == bool(acts)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", [1, 1, 1, 1, 1, 1]),
        ("cosine", [1, 0.9330127, 0.75, 0.5, 0.25, 0.0669873]),
        ("step", [1, 1, 0.1, 0.1, 0.01, 0.01]),
    ],
)
def test_rates_of_a_schedule(name, expected):
    _, rates = quadratic("sgd", name, epochs=6, rate=1.0)
    assert rates == pytest.approx(expected)


def test_onecycle_peaks_at_the_rate_and_ends_near_zero():
    _, rates = quadratic("sgd", "onecycle", epochs=10, rate=0.5)
    assert max(rates) == pytest.approx(0.5, rel=0.05)
    assert rates[0] == pytest.approx(0.5 / 25)
    assert rates[-1] < rates[0] * 1.1


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_schedules_of_short_trainings(name, epochs):
    assert len(quadratic("sgd", name, epochs=epochs)[1]) == epochs


def test_lookahead_by_hand():
    x = torch.nn.Parameter(torch.zeros(1))
    ahead = Lookahead(torch.optim.SGD([x], lr=1.0), period=2, share=0.25)
    seen = []
    for value in (1.0, 4.0, 5.0, 9.0):
        x.data.fill_(value)
        ahead.step()
        seen.append(float(x.detach()))
    # slow: 0, after two steps 0 + (4 - 0) / 4 = 1, after four 1 + (9 - 1) / 4 = 3
    assert seen == [1, 1, 5, 3]


@pytest.mark.parametrize("options", [{"period": 0}, {"share": 0}, {"share": 1.5}])
def test_lookahead_checks_its_options(options):
    with pytest.raises(ArgumentError, match="period of at least 1, share in"):
        Lookahead(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), **options)


def test_lookahead_state_is_its_own():
    x = torch.nn.Parameter(torch.zeros(1))
    ahead = Lookahead(torch.optim.SGD([x], lr=1.0), period=1)
    twin = Lookahead(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0), period=1)
    twin.load_state_dict(ahead.state_dict())
    x.data.fill_(8.0)
    ahead.step()
    assert float(ahead.slow[0]) == 4
    assert float(twin.slow[0]) == 0


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: make_optimizer("magic", [], 0.1), "optimizer"),
        (lambda: make_scheduler("magic", None, 1), "scheduler"),
    ],
)
def test_unknown_names_are_refused(make, kind):
    with pytest.raises(ArgumentError, match=f"{kind}='magic' is unknown; choose one of: "):
        make()


def test_callables_make_their_own():
    x = torch.nn.Parameter(torch.zeros(1))
    made = make_optimizer(lambda parameters: torch.optim.Adagrad(parameters, lr=0.3), [x], 9.0)
    assert isinstance(made, torch.optim.Adagrad)
    assert made.param_groups[0]["lr"] == 0.3
    schedule = make_scheduler(lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.5), made, 3)
    made.step()
    schedule.step()
    assert made.param_groups[0]["lr"] == pytest.approx(0.15)


def test_a_class_gets_the_settings():
    x = torch.nn.Parameter(torch.zeros(1))
    made = make_optimizer(torch.optim.NAdam, [x], 0.3, weight_decay=0.01)
    assert isinstance(made, torch.optim.NAdam)
    assert made.param_groups[0]["lr"] == 0.3
    assert made.param_groups[0]["weight_decay"] == 0.01
    assert make_optimizer(torch.optim.SGD, [x], 0.3, 0.9).param_groups[0]["momentum"] == 0.9
    with pytest.raises(ArgumentError, match="optimizer=LBFGS takes no weight_decay; leave it out"):
        make_optimizer(torch.optim.LBFGS, [x], 0.3, weight_decay=0.1)


def parameter():
    return torch.nn.Parameter(torch.zeros(1))


def test_an_optimizer_of_ones_own_is_taken_as_it_is():
    x = parameter()
    made = torch.optim.Adagrad([x], lr=0.3)
    assert make_optimizer(made, [x], 9.0) is made
    assert made.param_groups[0]["lr"] == 0.3


def test_an_optimizer_of_other_tensors_is_refused():
    text = (
        r"optimizer=Adam holds other tensors than the parameters of the model; pass a callable "
        r"that makes it, such as functools.partial\(torch.optim.Adam, lr=0.01\)"
    )
    x, y = parameter(), parameter()
    for held, parameters in (([y], [x]), ([x], [x, y])):
        with pytest.raises(ArgumentError, match=text):
            make_optimizer(torch.optim.Adam(held), parameters, 0.1)


def test_a_schedule_of_ones_own_is_taken_as_it_is():
    made = torch.optim.SGD([parameter()], lr=1.0)
    schedule = torch.optim.lr_scheduler.ExponentialLR(made, 0.5)
    assert make_scheduler(schedule, made, 3) is schedule


def test_a_schedule_of_another_optimizer_is_refused():
    made, other = (torch.optim.SGD([parameter()], lr=1.0) for _ in range(2))
    schedule = torch.optim.lr_scheduler.ExponentialLR(other, 0.5)
    with pytest.raises(ArgumentError, match="ExponentialLR belongs to another optimizer; pass a"):
        make_scheduler(schedule, made, 3)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedules_keep_the_ratio_of_groups(name):
    groups = [{"params": [parameter()], "lr": rate} for rate in (0.4, 0.1)]
    made = make_optimizer("sgd", groups, 9.0)
    schedule, rates = make_scheduler(name, made, 6), []
    for _ in range(6):
        rates.append([group["lr"] for group in made.param_groups])
        made.step()
        if schedule is not None:
            schedule.step()
    assert all(first == pytest.approx(4 * second) for first, second in rates)
    assert max(rates)[0] == pytest.approx(0.4, rel=0.05)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"momentum": 1.5}, r"momentum=1.5, weight_decay=0.0; expected momentum in \[0, 1\)"),
        ({"weight_decay": -1}, "weight_decay=-1; expected"),
        ({"momentum": "high"}, "momentum='high'; expected a finite number"),
    ],
)
def test_momentum_and_decay_have_a_range(options, text):
    with pytest.raises(ArgumentError, match=text):
        make_optimizer("sgd", [parameter()], 0.1, **options)
