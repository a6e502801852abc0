"""Devices by name."""

import pytest
import torch

from deem.core.devices import as_device
from deem.utils.exception import DeviceError


def test_devices_of_every_machine():
    assert as_device("cpu") == as_device(torch.device("cpu")) == torch.device("cpu")
    assert as_device("auto", accelerated=False) == torch.device("cpu")


@pytest.mark.parametrize("has_gpu", [True, False])
def test_auto_takes_a_gpu_where_there_is_one(monkeypatch, has_gpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert as_device("auto").type == ("cuda" if has_gpu else "cpu")


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "meta", None, 3.5])
def test_other_devices_are_refused(device):
    with pytest.raises(DeviceError, match=r"is not there \(.*this machine has: cpu.*\"auto\""):
        as_device(device)
