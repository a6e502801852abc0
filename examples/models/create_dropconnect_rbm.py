"""Build an RBM that leaves out connections, with one mask a batch and with one a sample."""

import torch

from deem.models import DropConnectRBM

v = torch.eye(6)[[0, 0, 0, 0]]
for mask in ("batch", "sample"):
    model = DropConnectRBM(n_visible=6, n_hidden=4, dropout=0.25, mask=mask, random_state=0)
    with torch.no_grad():
        model.weight.normal_(generator=torch.Generator().manual_seed(1))
    model.redraw(v, torch.Generator().manual_seed(0))
    codes = len(model(v).unique(dim=0))
    print(f"one mask a {mask}: {tuple(model.held.shape)}, four equal samples get {codes} codes")
    print(f"  share of connections kept: {model.held.double().mean():.3f}")

# one mask for all makes a thinned RBM, whose exact likelihood is known
model = DropConnectRBM(n_visible=6, n_hidden=4, dropout=0.25, mask="batch", random_state=0)
model.redraw(v, torch.Generator().manual_seed(0))
every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6)
with torch.no_grad():
    print(f"masked, all probabilities sum to {model.score_samples(every).exp().sum():.4f}")
    model.eval()
    print(f"in evaluation they sum to {model.score_samples(every).exp().sum():.4f}")
    same = torch.equal(model.coupling(), 0.75**0.5 * model.weight)
    print(f"and the weights are those held times the root of the share kept: {same}")
