"""The kernels inside PyTorch's autograd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from .. import core
from ..config import get_num_threads, set_num_threads
from .order import Order
from .stack import Stack
from .weights import Layer

Kept = tuple[Stack, Sequence[Any]]

INSTEAD = "cellstep.torch.restore(model) puts PyTorch's own modules in the place of cellstep's"


class Call(NamedTuple):
    """What one call runs besides its tensors, which are x, the first states where they are given, and the weights.

    Attributes:
        layers: one for each layer and direction, with `each` tensors of weights. directions: 1 or 2.
        order: how x lies. noise: of dropout, for each layer but the last, or None.
        sequences: whether the outputs of all steps are wanted. given: whether first states are.
    """

    layers: Sequence[Layer]
    each: int
    directions: int
    order: Order
    noise: Sequence[Any] | None
    sequences: bool
    given: bool

    @property
    def states(self) -> int:
        return len(self.layers[0].cell.states)

    def run(self, x: Tensor, *tensors: Tensor, taped: bool) -> tuple[Kept | None, tuple[Tensor, ...]]:
        """What `gradients` needs, and the outputs: (y, *last states), or the last states alone."""
        states, n, order = self.states, self.each, self.order
        at = states if self.given else 0
        packed = [
            layer.packed(tensors[at + k * n : at + k * n + n], taped, order.B * order.T)
            for k, layer in enumerate(self.layers)
        ]
        width = x.shape[-1]
        # one step's states were compared with each other
        sure = not self.sequences and (not at or tensors[0].shape[-1] == packed[0].sizes[0])
        if width != packed[0].I or not sure:
            self._check_widths(packed, width, tensors)
        if not taped and not self.sequences:
            shape, dtype = (order.B, packed[0].H), packed[0].dtype
            new = [_array(state).copy() for state in tensors[:at]] or [np.zeros(shape, dtype) for _ in range(states)]
            packed[0].backend.step(packed[0].weights, core.rows(_array(x)), new)
            return None, tuple([torch.from_numpy(state) for state in new])
        if self.given:
            first = [self._layered(_array(state.contiguous())) for state in tensors[:states]]
        else:
            first = [[np.zeros((order.B, size), packed[0].dtype)] * len(packed) for size in packed[0].sizes]
        stack = Stack(packed, self.directions, order, self.noise)
        y, last, tapes = stack.forward(_array(x), first, self.sequences, taped)
        outputs = [y, *last] if self.sequences else [state[0] for state in last]
        return (stack, tapes), tuple([torch.from_numpy(output) for output in outputs])

    def _check_widths(self, packed: Sequence[core.Packed], width: int, tensors: Sequence[Tensor]) -> None:
        """RuntimeError where the weights are of other widths than x and the states: kernels would read elsewhere."""
        (H, *_), D = packed[0].sizes, self.directions
        for k, own in enumerate(packed):
            if (width, H) != (own.I, own.sizes[0]):
                wanted = f"{width} features and {H} units"
                raise RuntimeError(f"expected weights for {wanted} in layer {k // D}, got {own.I} and {own.H}")
            if k % D == D - 1:
                width = D * H
        got = [state.shape[-1] for state in tensors[: self.states]] if self.given else list(packed[0].sizes)
        if got != list(packed[0].sizes):
            raise RuntimeError(f"expected hx of {H} units, as the weights are, got {got[0]}")

    def _layered(self, state: Any) -> Any:
        """(layers, B, H) of a state: without sequences there is one layer, and no axis for it."""
        return state if self.sequences or state is None else state[None]

    def gradients(self, needed: Sequence[bool], grads: Sequence[Tensor | None], saved: Sequence[Tensor]) -> Any:
        """The gradients of x and of the other tensors, None where not needed, from those of the outputs.

        saved: an empty tensor with what `run` kept, x and the others. Where hooks of saved tensors have made copies
        instead, as those of checkpoints do, the call is run again.
        """
        token, *tensors = saved
        kept = getattr(token, "kept", None) or self.run(*tensors, taped=True)[0]
        assert kept is not None
        stack, tapes = kept
        states, n = self.states, self.each
        arrays = [None if grad is None else core.rows(_array(grad)) for grad in grads]
        dy, dlast = (arrays[0], arrays[1:]) if self.sequences else (None, arrays)
        dlast = [d if d is None else core.contiguous(self._layered(d)) for d in dlast]
        need_dx, *needed = needed
        at = states if self.given else 0
        need_dfirst = needed[:states] if self.given else [False] * states
        parts = [needed[at + k * n : at + k * n + n] for k in range(len(self.layers))]
        sums = [layer.sums(part, packed) for layer, part, packed in zip(self.layers, parts, stack.packed, strict=True)]
        dx, dfirst = stack.backward(tapes, dy, dlast, sums, need_dx, need_dfirst)
        found = [dx, *(dfirst if self.sequences else [d if d is None else d[0] for d in dfirst])[:at]]
        gradients = [None if d is None else torch.from_numpy(d) for d in found]
        for layer, own, part in zip(self.layers, sums, parts, strict=True):
            gradients += layer.gradients(own, part)
        return tuple(gradients)


def _array(tensor: Tensor) -> Any:
    """The array that shares the tensor's memory; a copy of a view that negates."""
    try:
        return tensor.detach().numpy() if tensor.requires_grad else tensor.numpy()
    except RuntimeError:
        if torch._C._functorch.is_legacy_batchedtensor(tensor) or torch._C._functorch.is_batchedtensor(tensor):
            raise RuntimeError(
                "cellstep.torch does not take many gradients of an output at once (is_grads_batched, vectorize); "
                + INSTEAD
            ) from None
        return tensor.numpy(force=True)


class Recurrent(torch.autograd.Function):
    """apply(call, x, *tensors) -> the call's outputs."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Tensor) -> tuple[Tensor, ...]:
        kept, outputs = call.run(*tensors, taped=True)
        ctx.call = call
        ctx.set_materialize_grads(False)
        # a saved tensor is let go as soon as the graph needs it no more, and what it holds with it
        token = torch.empty(0)
        token.kept = kept  # type: ignore[attr-defined]
        ctx.save_for_backward(token, *tensors)
        return outputs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        saved, needed = ctx.saved_tensors, ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            return None, *Gradients.apply(ctx.call, needed, len(grads), *grads, *saved)
        return None, *ctx.call.gradients(needed, grads, saved)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        _refuse_forward_mode()


class Gradients(torch.autograd.Function):
    """The gradients of `Recurrent` where PyTorch is asked for a graph of them: they have no gradients themselves."""

    @staticmethod
    def forward(ctx: Any, call: Call, needed: Any, n: int, *tensors: Any) -> Any:
        return call.gradients(needed, tensors[:n], tensors[n:])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(f"gradients through cellstep.torch cannot be differentiated a second time; {INSTEAD}")


def _refuse_forward_mode() -> None:
    raise RuntimeError(f"cellstep.torch has no forward-mode derivatives; {INSTEAD}")


_FLOATS, _HALVES = (torch.float32, torch.float64), (torch.float16, torch.bfloat16)


def taken(name: str, tensor: Any) -> Any:
    """The tensor; of half precision in float32 under autocast, where kernels are no operation that it would lower.

    Raises, in one sentence, where kernels cannot run on it, or PyTorch is not computing but transforming.
    """
    if (
        (type(tensor) is torch.Tensor or type(tensor) is torch.nn.Parameter)
        and tensor.dtype in _FLOATS
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and forward_ad._current_level < 0
        and not torch._C._are_functorch_transforms_active()
        and torch._C._get_tracing_state() is None
    ):
        return tensor
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing() or type(tensor).__name__ == "Proxy"  # of torch.fx
    if not isinstance(tensor, torch.Tensor) and not traced:
        raise TypeError(f"expected {name} to be a tensor, got {type(tensor).__name__}")
    if traced:
        raise RuntimeError(f"cellstep.torch can be neither traced nor exported; {INSTEAD}")
    if torch._C._are_functorch_transforms_active():
        raise RuntimeError(f"cellstep.torch does not run under vmap and the transforms of torch.func; {INSTEAD}")
    if forward_ad._current_level >= 0:
        _refuse_forward_mode()
    if not tensor.is_cpu or tensor.layout is not torch.strided:
        what = f"a {tensor.layout} one" if tensor.is_cpu else f"one on {tensor.device}"
        raise RuntimeError(f"expected {name} to be a dense tensor on the CPU, got {what}; {INSTEAD}")
    if tensor.dtype in _HALVES and torch.is_autocast_enabled("cpu"):
        return taken(name, tensor.float())
    if tensor.dtype not in _FLOATS:
        raise ValueError(
            f"expected {name} to be float32 or float64, got {tensor.dtype}; {name}.float() makes one, or {INSTEAD}"
        )
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        raise TypeError(f"expected {name} to be a plain tensor, got a {type(tensor).__name__}; {INSTEAD}")


#: PyTorch's number of threads when it was last asked; where ours was lowered for it, to what and what it was.
_threads: int = 0
_lowered: tuple[int, int] | None = None


def _follow_threads(n: int) -> None:
    """Let kernels use no more threads than PyTorch does now."""
    global _threads, _lowered
    _threads, now = n, get_num_threads()
    own = _lowered[1] if _lowered is not None and _lowered[0] == now else now  # unless another has set it since
    if min(own, n) != now:
        set_num_threads(min(own, n))
    _lowered = (n, own) if own > n else None


def apply(call: Call, x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
    """The call's outputs, with a graph where one is wanted."""
    n = torch.get_num_threads()
    if n != _threads:
        _follow_threads(n)
    if torch.is_grad_enabled() and (x.requires_grad or any([t.requires_grad for t in tensors])):
        outputs: tuple[Tensor, ...] = Recurrent.apply(call, x, *tensors)
        return outputs
    return call.run(x, *tensors, taped=False)[1]
