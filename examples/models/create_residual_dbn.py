"""Build a residual deep belief network, and see what it adds to the codes of a plain one."""

import torch

from deem.models import DBN, ResidualDBN

v = torch.tensor([[1.0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]).repeat(50, 1)
model = ResidualDBN.of("RBM", n_visible=6, n_hidden=[4, 3])
model.zeta_1, model.zeta_2 = 1.0, 0.5
model.fit(v, epochs=10, batch_size=10, learning_rate=1.0, random_state=0)

plain = DBN(list(model.layers))
print("probabilities:", [f"{x:.2f}" for x in plain.encode(v[0:1], 1)[0].tolist()])
print("codes:        ", [f"{x:.2f}" for x in model.encode(v[0:1], 1)[0].tolist()])
print("largest fields of the training data:", [f"{x:.2f}" for x in model.largest_field.tolist()])

# the code of a sample is its own, whatever stands beside it
both, alone = model.transform(v[:2])[0], model.transform(v[:1])[0]
print(f"alone and beside another: largest difference {(both - alone).abs().max():.7f}")

# going down, the sum is undone, and the probabilities are found again
error = (model.decode(model.encode(v, 1), 1) - plain.decode(plain.encode(v, 1), 1)).abs().max()
print(f"decoded one layer with and without: largest difference {error:.5f}")
