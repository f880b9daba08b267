"""One forward and one backward pass of a PyTorch module, by the names of the kernel contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from golden.store import Array


def swap(cell: str, a: Array) -> Array:
    """Keras's gate order to PyTorch's or back, on the last axis: GRU z r h is r z n there; LSTM i f c o is the same."""
    if cell != "gru":
        return a
    z, r, h = np.split(a, 3, axis=-1)
    return np.concatenate([r, z, h], axis=-1)


def by_torch(cell: str, options: dict[str, Any], given: dict[str, Array]) -> dict[str, Array]:
    """Outputs, states and all gradients of a PyTorch module, in the dtype of x.

    A right-padded mask becomes a packed sequence. Past its end PyTorch's output is 0 where ours repeats the last one:
    the repetition is made here, so that gradients that come to it count.
    """
    kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    extra = {"nonlinearity": options["activation"]} if cell == "rnn" else {}
    (B, T, I), H = given["x"].shape, given["U"].shape[0]  # noqa: E741
    dtype = torch.tensor(given["x"]).dtype
    module = kind(I, H, bias="b" in given, batch_first=True, dtype=dtype, **extra)
    states = [n for n in ("h", "c") if f"{n}0" in given]
    with torch.no_grad():
        module.weight_ih_l0.copy_(torch.tensor(swap(cell, given["W"]).T))
        module.weight_hh_l0.copy_(torch.tensor(swap(cell, given["U"]).T))
        if "b" in given:
            # Keras's GRU has a bias for each side, as PyTorch has; the other cells have one, on the input's side
            both = given["b"] if given["b"].ndim == 2 else np.stack([given["b"], np.zeros_like(given["b"])])
            module.bias_ih_l0.copy_(torch.tensor(swap(cell, both[0])))
            module.bias_hh_l0.copy_(torch.tensor(swap(cell, both[1])))
    x = torch.tensor(given["x"], requires_grad=True)
    initial = [torch.tensor(given[f"{n}0"], requires_grad=True) for n in states]
    hx = tuple(s[None] for s in initial) if len(initial) > 1 else initial[0][None]
    dy = torch.tensor(given["dy"])
    if "mask" in given:
        lengths = torch.tensor(given["mask"].sum(1))
        ragged = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, last = module(ragged, hx)
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=T)
        ends = y[torch.arange(B), lengths - 1][:, None]
        y = torch.where(torch.tensor(given["mask"].astype(bool))[:, :, None], y, ends)
    else:
        y, last = module(x, hx)
    finals = [s[0] for s in (last if isinstance(last, tuple) else (last,))]
    loss = (y * dy).sum() + sum((f * torch.tensor(given[f"d{n}T"])).sum() for n, f in zip(states, finals, strict=True))
    loss.backward()
    found = {"y": y, **{f"{n}T": f for n, f in zip(states, finals, strict=True)}, "dx": x.grad}
    found = {name: a.detach().numpy() for name, a in found.items()}
    found["dW"] = swap(cell, module.weight_ih_l0.grad.numpy().T)
    found["dU"] = swap(cell, module.weight_hh_l0.grad.numpy().T)
    if "b" in given:
        sides = [swap(cell, b.grad.numpy()) for b in (module.bias_ih_l0, module.bias_hh_l0)]
        found["db"] = np.stack(sides) if given["b"].ndim == 2 else sides[0]
    return found | {f"d{n}0": s.grad.numpy() for n, s in zip(states, initial, strict=True)}
