"""Models of the zoo as plain torch modules: pickled, and wrapped for several processes."""

import copy
import pickle

import pytest
import torch
import torch.distributed as dist
from tiny import TINY_ZOO
from torch.nn.parallel import DistributedDataParallel

from deem.models import DBN, RBM


@pytest.mark.parametrize("tiny", TINY_ZOO, ids=lambda tiny: tiny.name)
@pytest.mark.parametrize("twin", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])  # noqa: S301
def test_a_trained_model_comes_back_whole(tiny, twin):
    v = tiny.data(20)
    model = tiny.build(1).fit(v, epochs=1, random_state=0)
    back = twin(model)
    assert type(back) is tiny.cls
    assert back.state_dict().keys() == model.state_dict().keys()
    assert torch.equal(back.eval().free_energy(v), model.eval().free_energy(v))
    assert dict(back.history) == dict(model.history)


@pytest.fixture
def group(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_gradients_pass_through_a_wrapper_for_several_processes(group):
    net = DBN([RBM(6, 4), RBM(4, 3)])
    # Visible biases are read downwards only, so they get no gradient on the way up.
    wrapped = DistributedDataParallel(net, find_unused_parameters=True)
    v = torch.rand(5, 6, generator=torch.Generator().manual_seed(0)).round()
    wrapped(v).sum().backward()
    found = {name for name, p in net.named_parameters() if p.grad is not None}
    assert found == {n for n, _ in net.named_parameters() if not n.endswith("visible_bias")}
