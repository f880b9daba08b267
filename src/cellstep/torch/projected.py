"""LSTMs with proj_size, whose h is a projection of o tanh(c): h = V m, with V = weight_hr.

No kernel has states of two sizes, and none is needed: with U = weight_hh the product U h is (U V) m. So the kernels run
the LSTM of m with the recurrent weight U V, and outputs are projected for all steps at once. An initial h is no V m;
its product enters with x, as more features, which are zeros but at a row's first step. PyTorch multiplies and projects,
and knows the gradients of that.

That is more products than PyTorch's own form has, and U V is packed in each call: training of 100 steps of 32 rows
takes 0.25 to 0.7 of the time, but prediction between 0.5 and 1.6, and a single step 4 to 20.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .function import Call, apply
from .order import Even, Packed
from .weights import Layer

#: Rows and steps from which it is worth it, with a graph.
LEAST = 64


def pays(sequences: Any, weights: Iterable[Tensor]) -> bool:
    """Whether this is the faster way to run them."""
    data = sequences.data if isinstance(sequences, PackedSequence) else sequences
    return (
        torch.is_grad_enabled()
        and isinstance(data, Tensor)
        and data.numel() >= LEAST * data.shape[-1]
        and (data.requires_grad or any(weight.requires_grad for weight in weights))
    )


def run(
    layers: Sequence[Layer],
    weights: Sequence[Tensor],
    directions: int,
    order: Even | Packed,
    noise: Sequence[Any] | None,
    x: Tensor,
    states: Sequence[Tensor],
) -> list[Tensor]:
    """The outputs and the last h and c of all layers.

    Args:
        layers, weights: for each layer and direction; the last tensor of each is weight_hr.
        directions, order, noise: as for `Call`. states: (h, c) of all layers, or none.
    """
    D, each = directions, len(weights) // len(layers)
    units = weights[0].shape[0] // layers[0].cell.G
    parts = [list(weights[k : k + each]) for k in range(0, len(weights), each)]
    h, c = states or (None, x.new_zeros((len(layers), order.B, units)))
    last: tuple[list[Tensor], list[Tensor]] = ([], [])
    for at in range(0, len(layers), D):
        own = parts[at : at + D]
        if at and noise is not None:
            x = x * torch.from_numpy(noise[at // D - 1])
        inputs = [x, *(_at_first(order, x, h[at + d], d) for d in range(D))] if h is not None else [x]
        tensors = []
        for d, (weight_ih, weight_hh, *biases, weight_hr) in enumerate(own):
            beside = [weight_hh if d == k else torch.zeros_like(weight_hh) for k in range(len(inputs) - 1)]
            tensors += [torch.cat([weight_ih, *beside], 1), weight_hh @ weight_hr, *biases]
        call = Call(layers[at : at + D], each - 1, D, order, None, True, True)
        zeros = x.new_zeros((D, order.B, units))
        y, m, now = apply(call, torch.cat(inputs, -1), zeros, c[at : at + D], *tensors)
        x = torch.cat([part @ w[-1].t() for part, w in zip(y.split(units, -1), own, strict=True)], -1)
        last[0].extend(state @ w[-1].t() for state, w in zip(m, own, strict=True))
        last[1].append(now)
    return [x, torch.stack(last[0]), torch.cat(last[1])]


def _at_first(order: Even | Packed, x: Tensor, h: Tensor, direction: int) -> Tensor:
    """h (B, P) at each row's first step in this direction, and zeros elsewhere, as sequences."""
    steps = x.shape[:-1]
    index = torch.from_numpy(order.first(direction))
    return h.new_zeros((steps.numel(), h.shape[1])).index_copy(0, index, h).view(*steps, h.shape[1])
