"""ProjectionLSTM beside PyTorch's LSTM with proj_size: outputs, states and every gradient, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from cellstep import cells, core, kernels


@pytest.mark.parametrize("sizes", [(8, 3), (17, 5), (40, 33)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_computes_what_pytorch_does(sizes: tuple[int, int], bias: bool, backend: kernels.Backend) -> None:
    H, P = sizes
    theirs = torch.nn.LSTM(4, H, proj_size=P, batch_first=True, bias=bias).double()
    named = {name.removesuffix("_l0"): p for name, p in theirs.named_parameters()}
    cell = cells.ProjectionLSTM(H, P, use_bias=bias)
    values: dict[str, Any] = {
        "W": named["weight_ih"].T,
        "U": named["weight_hh"].T,
        "R": named["weight_hr"].T,
        "b": named["bias_ih"] + named["bias_hh"] if bias else None,
    }
    weights = [values[name] for name in cell.contract.weight_names]
    arrays = [None if w is None else w.detach().numpy() for w in weights]
    packed = core.pack(cell.contract, *arrays, backward=True, backend=backend, **cell.options)
    rng = np.random.default_rng(0)
    x, h, c, dy, dh, dc = (
        rng.standard_normal(shape) for shape in ((3, 6, 4), (3, P), (3, H), (3, 6, P), (3, P), (3, H))
    )
    y, last, back = core.forward(packed, x, [h, c], tape=True)
    assert back is not None
    dweights = [None if a is None else np.zeros(a.shape) for a in arrays]
    dx, dfirst = back(dy, [dh, dc], dweights)

    tx, th, tc = (torch.tensor(a, requires_grad=True) for a in (x, h[None], c[None]))
    out, (h_last, c_last) = theirs(tx, (th, tc))
    torch.autograd.backward([out, h_last, c_last], [torch.tensor(d) for d in (dy, dh[None], dc[None])])
    db = named["bias_ih"].grad if bias else None
    grads = {"W": named["weight_ih"].grad.T, "U": named["weight_hh"].grad.T, "R": named["weight_hr"].grad.T, "b": db}
    found = [y, *last, dx, *dfirst, *dweights]
    wanted = [
        out,
        h_last[0],
        c_last[0],
        tx.grad,
        th.grad[0],
        tc.grad[0],
        *(grads[n] for n in cell.contract.weight_names),
    ]
    for ours, right in zip(found, wanted, strict=True):
        if right is not None:
            np.testing.assert_allclose(ours, right.detach().numpy(), rtol=1e-11, atol=1e-12)
