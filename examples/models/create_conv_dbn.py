"""Build a convolutional deep belief network with pooling and look at what its layers see."""

import torch

from deem.models import RBM, ConvDBN

model = ConvDBN.of(
    ["ConvRBM", "ConvRBM"],
    visible_shape=(8, 8),
    n_filters=[4, 6],
    filter_shape=[(3, 3), (2, 2)],
    pooling=[2, None],
)
for layer in model.layers:
    print(
        f"{type(layer).__name__}: images {layer.visible_shape}, hidden {layer.hidden_shape}, "
        f"hands on {layer.pooled_shape}"
    )

images = torch.zeros(20, 1, 8, 8)
images[::2, :, 3] = 1
images[1::2, :, :, 3] = 1
model.fit(images, epochs=(2, 1), batch_size=5, random_state=0)
print(f"codes {tuple(model.transform(images).shape)}: {model.n_outputs} numbers a sample")
print(f"drawn {tuple(model.sample(3, steps=5, random_state=0).shape)}")

# at most one unit of a block is on, so what is handed on is the sum over the block
bottom = model.layers[0]
sums = torch.nn.functional.avg_pool2d(bottom(images), 2) * 4
print(f"blocks are sums of their units: {torch.allclose(sums, model.up(0, images), atol=1e-6)}")

dense = ConvDBN([bottom, RBM(4 * 3 * 3, 5)])
print(f"with a dense layer on top: {tuple(dense(images).shape)}")
