"""RBMs that hold a mask, against models with those units or weights taken out."""

import pytest
import torch
from exact import bit_states, gradient, nll
from tiny import TinyModel

from deem.core.solvers import Centring, ContrastiveDivergence
from deem.math.random import as_generator
from deem.models import RBM, DropConnectRBM, DropoutRBM, EDropoutRBM
from deem.utils.exception import ArgumentError, IntractableError

V, H = 5, 3
DRAWN = [(DropoutRBM, {"dropout": 0.4}), (DropConnectRBM, {"dropout": 0.4}), (EDropoutRBM, {})]


def build(cls, seed=1, **arguments):
    arguments = {"n_visible": V, "n_hidden": H, **arguments}
    return TinyModel(cls, arguments, bit_states(V), bit_states(H)).build(seed)


def data(n, seed=0):
    return bit_states(V)[torch.randint(2**V, (n,), generator=as_generator(seed))]


@pytest.fixture(params=DRAWN, ids=lambda case: case[0].__name__)
def masked(request):
    """A model that holds one mask for each of four samples."""
    cls, arguments = request.param
    model = build(cls, **arguments)
    model.redraw(data(4), as_generator(2))
    return model


def thinned(model, row):
    """What is left of the model under one of its masks: a plain RBM, and the units it has."""
    plain, mask = build(RBM), model.held[row]
    units = mask if mask.dim() == 1 else torch.ones(H, dtype=torch.bool)
    weights = mask if mask.dim() == 2 else mask.expand(V, H)
    with torch.no_grad():
        plain.weight.copy_(model.weight * weights)
        plain.visible_bias.copy_(model.visible_bias)
        # a unit that is never on instead of one that is not there
        plain.hidden_bias.copy_(torch.where(units, model.hidden_bias, -1e9))
    return plain


def test_masks_leave_something_out(masked):
    assert masked.held.shape[0] == 4
    assert 0 < masked.held.double().mean() < 1
    assert len(masked.held.unique(dim=0)) > 1


def test_row_i_is_the_model_thinned_by_mask_i_counted_round(masked, close):
    v, h = data(11, 3), bit_states(H)[torch.arange(11) % 2**H]
    for i in range(11):
        plain, row = thinned(masked, i % 4), slice(i, i + 1)
        close(masked.free_energy(v)[row], plain.free_energy(v[row]))
        close(masked(v)[row], plain(v[row]))
        if masked.held.dim() == 3 or (h[i].bool() <= masked.held[i % 4]).all():
            close(masked.energy(v, h)[row], plain.energy(v[row], h[row]))
            close(masked.p_v(h).mean[row], plain.p_v(h[row]).mean)


def test_a_unit_that_is_left_out_is_never_on(close):
    model = build(DropoutRBM)
    v = data(40)
    model.redraw(v, as_generator(0))
    for _ in range(5):
        assert not (model.sample_h(v, as_generator(1)).bool() & ~model.held).any()
    gone = model.p_h(v).log_prob(torch.ones(40, H).double())[~model.held.all(1)]
    assert (gone < -1e20).all()
    assert torch.isfinite(model.p_h(v).log_prob(torch.zeros(40, H).double())).all()


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize(("cls", "arguments"), DRAWN)
def test_contrast_follows_the_gradient_of_the_masked_model(cls, arguments, temperature, close):
    model = build(cls, temperature=temperature, **arguments)
    v, chains = data(6), data(9, 4)
    model.redraw(v, as_generator(0))
    expected = gradient(model.free_energy(torch.cat([v, chains]))[:6].mean(), model) - gradient(
        model.free_energy(torch.cat([v, chains]))[6:].mean(), model
    )
    model.zero_grad()
    found = model.contrast(v, chains)
    close(torch.cat(found), model.free_energy(torch.cat([v, chains])))
    close(torch.cat([p.grad.flatten() for p in model.parameters()]), expected)


@pytest.mark.parametrize("cls", [DropoutRBM, DropConnectRBM])
def test_with_one_mask_the_gradient_is_that_of_the_enumerated_likelihood(cls, close):
    model = build(cls, dropout=0.5, mask="batch")
    v = data(20)
    model.redraw(v, as_generator(3))
    assert model.held.shape[0] == 1
    exact = TinyModel(cls, {}, bit_states(V), bit_states(H)).exact(model)
    close(model.log_partition(), exact.log_z)
    close(model.log_partition(), thinned(model, 0).log_partition())
    loss = model.free_energy(v).mean() + model.log_partition()
    close(gradient(loss, model), gradient(nll(exact, v), model))


def test_the_weight_of_what_is_left_out_stays(close):
    model = build(DropConnectRBM, mask="batch")
    before = model.weight.detach().clone()
    model.redraw(data(8), as_generator(0))
    model.contrast(data(8), data(8, 1))
    assert (model.weight.grad[~model.held[0]] == 0).all()
    assert (model.weight.grad[model.held[0]] != 0).any()
    close(model.weight, before)


@pytest.mark.parametrize(("cls", "arguments"), DRAWN)
def test_pseudo_likelihood_of_a_masked_model_is_that_of_its_free_energy(cls, arguments, close):
    model = build(cls, **arguments)
    v = data(3)
    model.redraw(v, as_generator(0))
    flips = [v.clone() for _ in range(V)]
    for i, flip in enumerate(flips):
        flip[:, i] = 1 - flip[:, i]
    terms = [(model.free_energy(flip) - model.free_energy(v)).sigmoid().log() for flip in flips]
    for seed in range(9):
        unit = torch.randint(V, (3,), generator=as_generator(seed))
        found = model.stochastic_pseudo_likelihood(v, as_generator(seed))
        close(found, V * torch.stack(terms)[unit, torch.arange(3)])


def test_only_the_mean_network_is_left_in_evaluation(masked, close):
    v = data(6)
    share = masked.kept() ** 0.5
    masked.eval()
    assert masked.held is None
    plain = build(RBM)
    with torch.no_grad():
        plain.load_state_dict({n: p.clone() for n, p in masked.named_parameters()})
        plain.weight.mul_(share)
    close(masked.score_samples(v), plain.score_samples(v))
    close(masked.reconstruct(v), plain.reconstruct(v))


def test_fields_under_masks_are_computed_once_an_update(masked):
    v = torch.ones(4, masked.n_visible).double()
    with torch.no_grad(), masked.remembering(v):
        seen = masked.hidden_field(v)
        masked.field_from = None
        assert torch.equal(masked.hidden_field(v), seen)
    del masked.field_from
    assert torch.equal(masked.hidden_field(v).detach(), seen)


def test_masks_of_samples_have_no_common_partition(masked):
    with pytest.raises(IntractableError, match=r"holds 4 masks.*eval\(\)"):
        masked.log_partition()
    with pytest.raises(IntractableError, match="holds 4 masks"):
        masked.exact_draws(3, as_generator(0))
    masked.eval().log_partition()


@pytest.mark.parametrize("cls", [DropoutRBM, DropConnectRBM])
def test_shares_of_the_masks_are_right(cls):
    for mask, rows in (("sample", 30), ("batch", 1)):
        model = cls(40, 50, dropout=0.3, mask=mask)
        model.redraw(torch.zeros(30, 40), as_generator(0))
        assert len(model.held) == rows
        n = model.held.numel()
        assert abs(model.held.double().mean() - 0.7) < 4 * (0.21 / n) ** 0.5
    model = cls(4, 3, dropout=0.0)
    model.redraw(torch.zeros(5, 4), as_generator(0))
    assert model.held.all()


@pytest.mark.parametrize("cls", [DropoutRBM, DropConnectRBM])
@pytest.mark.parametrize("dropout", [-0.1, 1.0, float("nan")])
def test_a_share_of_all_or_more_is_refused(cls, dropout):
    with pytest.raises(ArgumentError, match=r"dropout=.*( \[0, 1\)|finite number)"):
        cls(4, 3, dropout=dropout)


def test_an_unknown_kind_of_mask_is_refused():
    with pytest.raises(ArgumentError, match="mask='row'"):
        DropoutRBM(4, 3, mask="row")


@pytest.mark.parametrize("mask", ["sample", "batch"])
@pytest.mark.parametrize("cls", [DropoutRBM, DropConnectRBM])
def test_training_learns_and_drops_its_masks(cls, mask):
    truth = build(RBM, 7)
    p = truth.score_samples(bit_states(V)).exp().detach()
    v = bit_states(V)[torch.multinomial(p, 300, True, generator=as_generator(0))]
    model = cls(V, 4, dropout=0.2, mask=mask).double()
    before = float(model.score_samples(v).mean().detach())
    solver = ContrastiveDivergence(
        2, 0.2, persistent=mask == "batch", centring=Centring() if mask == "sample" else None
    )
    # 300 rows in batches of 64 leave a last batch of 44
    model.fit(v, epochs=10, batch_size=64, solver=solver, random_state=0)
    assert model.training
    assert model.held is None
    assert float(model.score_samples(v).mean().detach()) > before + 0.2


@pytest.mark.parametrize("cls", [DropoutRBM, DropConnectRBM])
def test_steps_make_up_for_the_updates_that_leave_a_weight_out(cls):
    weight, biases = cls(V, H, dropout=0.75).parameter_groups(0.1)
    assert weight["lr"] == pytest.approx(0.4)
    assert [p.shape for p in weight["params"]] == [(V, H)]
    assert biases["lr"] == 0.1
    assert [p.shape for p in biases["params"]] == [(V,), (H,)]
