"""Build an RBM over data and a class, and check its class probabilities by enumeration."""

import torch
from torch.nn.functional import one_hot

from deem.core.dataset import Dataset
from deem.models import DiscriminativeRBM

model = DiscriminativeRBM(n_visible=4, n_hidden=5, n_classes=3, random_state=0)
for name, p in model.named_parameters():
    print(f"{name}: {tuple(p.shape)}")
shapes = tuple(model.class_weight.shape), tuple(model.class_bias.shape)
print(f"class weights {shapes[0]}, class biases {shapes[1]}, both summing to zero")

with torch.no_grad():
    for p in model.parameters():
        p.normal_(generator=torch.Generator().manual_seed(1))
    v = torch.tensor([[1.0, 0.0, 1.0, 1.0]])
    closed = model.predict_proba(v)[0]

    # the same from the joint model: all classes beside v, hidden units summed out
    joint = torch.cat([v.expand(3, 4), one_hot(torch.arange(3), 3)], 1)
    listed = (-model.free_energy(joint)).softmax(0)
    for k in range(3):
        print(f"class {k}: probability {closed[k]:.6f}, by the joint model {listed[k]:.6f}")

# labels go into the data set, from where training takes them
labels = torch.arange(40) % 3
data = Dataset(torch.eye(4)[labels], labels)
model.reset(0)
model.fit(data, epochs=30, batch_size=10, learning_rate=0.1, random_state=0)
print(f"history: {', '.join(model.history)}")
print(f"accuracy after training: {model.history['accuracy'][-1]:.2f}")
