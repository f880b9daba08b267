"""Calls on Keras's torch backend: the kernels inside PyTorch's autograd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..torch.function import apply, taken
from .calls import Call, Kept


class OnTensors:
    """A call whose arrays are tensors, as `torch.function.Recurrent` takes it."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def run(self, *tensors: Tensor, taped: bool) -> tuple[Kept | None, tuple[Tensor, ...]]:
        """What `gradients` needs, and the outputs."""
        arrays = [tensor.detach().numpy() for tensor in tensors]
        outputs = [np.empty(shape, arrays[0].dtype) for shape in self.call.shapes(arrays)]
        kept = self.call.forward(arrays, outputs, taped)
        return kept, tuple([torch.from_numpy(output) for output in outputs])

    def gradients(self, needed: Sequence[bool], grads: Sequence[Tensor | None], saved: Sequence[Tensor]) -> Any:
        """The gradients of the tensors, None where not needed, from those of the outputs; as `torch.function.Call`."""
        token, *tensors = saved
        kept = getattr(token, "kept", None) or self.run(*tensors, taped=True)[0]
        assert kept is not None
        n = len(tensors) - self.call.masked - self.call.dropped
        wanted = zip(tensors[:n], needed, strict=False)
        sums = [np.empty(t.shape, kept.packed.dtype) if need else None for t, need in wanted]
        self.call.backward(kept, [None if g is None else g.detach().numpy() for g in grads], sums)
        found = [None if a is None else torch.from_numpy(a) for a in sums]
        return (*found, *[None] * (len(tensors) - n))


def run(call: Call, arrays: Sequence[Tensor], training: bool) -> tuple[Tensor, ...]:
    """The outputs of a call, with a graph where one is wanted."""
    x = taken("sequences", arrays[0])
    return apply(OnTensors(call), x, *[tensor.contiguous() for tensor in arrays[1:]])  # type: ignore[arg-type]
