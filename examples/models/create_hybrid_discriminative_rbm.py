"""Build a hybrid RBM, learn data and classes, and draw data of a chosen class."""

import torch

from deem.core.dataset import Dataset
from deem.models import HybridDiscriminativeRBM

# two classes with a pattern each, and a bit that says nothing
labels = torch.arange(60) % 2
patterns = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])[labels]
noise = torch.randint(2, (60, 1), generator=torch.Generator().manual_seed(0))
data = Dataset(torch.cat([patterns, noise], 1), labels)

model = HybridDiscriminativeRBM(n_visible=5, n_hidden=6, n_classes=2, alpha=0.5, random_state=0)
print(f"joint configurations: {tuple(model.joined(data).data.shape)}")
model.fit(data, epochs=40, batch_size=10, learning_rate=0.03, random_state=0)
print(f"history: {', '.join(model.history)}")
print(f"accuracy {model.history['accuracy'][-1]:.2f}")

for label in (0, 1):
    draws = model.sample_class(torch.full((200,), label), steps=20, random_state=0)
    means = ", ".join(f"{x:.2f}" for x in draws.mean(0).tolist())
    print(f"class {label}: means of 200 draws {means}")
