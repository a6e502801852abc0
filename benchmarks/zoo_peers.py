"""The published peer of the zoo, Learnergy, brought into this process.

It lies in the environment of ``make bench-env``, whose packages come last on the path here, so
that our own deem, torch and scikit-learn are the ones imported. On import it would log into the
current folder, and every model of it sets torch's default type; both are undone.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from common import BENCH_ENV, peer_python, peer_version
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset
from zoo_data import Parameters

_MODULES = {
    "RBM": "bernoulli.rbm",
    "DropoutRBM": "bernoulli.dropout_rbm",
    "DropConnectRBM": "bernoulli.dropout_rbm",
    "EDropoutRBM": "bernoulli.e_dropout_rbm",
    "SigmoidRBM": "extra.sigmoid_rbm",
    "DBN": "deep.dbn",
}


def learnergy_version() -> str | None:
    """Name and version of Learnergy, None where ``make bench-env`` has not run."""
    return peer_version("learnergy") if peer_python() else None


@contextlib.contextmanager
def elsewhere() -> Iterator[None]:
    """In a temporary folder, silent, with torch's generator and default type restored after."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.callback(os.chdir, os.getcwd())
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        os.chdir(folder)
        yield


def learnergy(name: str) -> Any:
    """A class of Learnergy."""
    place = f"learnergy.models.{_MODULES[name]}"
    (packages,) = BENCH_ENV.glob("lib/python3*/site-packages")
    if str(packages) not in sys.path:
        sys.path.append(str(packages))
    with elsewhere():
        return getattr(importlib.import_module(place), name)


def trained(name: str, data: Tensor, seed: int, scale: float = 1.0, **options: Any) -> Parameters:
    """Parameters of a model of Learnergy after 60 epochs of batches of 20.

    Parameters
    ----------
    name : str
        Class of Learnergy.
    data : (n, n_visible)
        In {0, 1}.
    seed : int
        Of torch's own generator, which is all that Learnergy knows.
    scale : float
        What the weights are multiplied by after the training.
    **options
        Further constructor arguments.
    """
    cls = learnergy(name)
    with elsewhere():
        torch.manual_seed(seed)
        model = cls(n_visible=data.shape[1], n_hidden=16, learning_rate=0.1, **options)
        model.fit(rows(data), batch_size=20, epochs=60)
    return scale * model.W.detach(), model.a.detach(), model.b.detach()


def rows(data: Tensor) -> TensorDataset:
    """Tensors in memory, with the targets that Learnergy insists on."""
    return TensorDataset(data, torch.zeros(len(data)))


class Images(Dataset):
    """Binary rows as the images of all of Learnergy's examples: Pillow and a tensor, one by one.

    What torchvision's MNIST and ``ToTensor`` do with an item.
    """

    def __init__(self, data: Tensor):
        side = int(data.shape[1] ** 0.5)
        self.images = (255 * data).to(torch.uint8).reshape(-1, side, side)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        image = Image.fromarray(self.images[index].numpy())
        pixels = torch.from_numpy(np.array(image, np.uint8, copy=True))
        pixels = pixels.view(image.size[1], image.size[0], 1).permute(2, 0, 1).contiguous()
        return pixels.to(torch.float32).div(255), 0


def epoch_of(data: Dataset, n_visible: int, n_hidden: int, batch_size: int) -> Callable[[], None]:
    """One epoch of Learnergy's RBM at a call, always of the same model."""
    model = learnergy("RBM")(n_visible=n_visible, n_hidden=n_hidden, learning_rate=0.1)
    return lambda: model.fit(data, batch_size=batch_size, epochs=1)
