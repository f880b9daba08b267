"""Calls on Keras's JAX backend: the kernels as a function with a gradient, in compiled programs too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from . import ffi
from .calls import Call
from .waiting import keep, taken


def _forward(call: Call, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    call.forward(inputs, outputs, taped=False)


def _taped(call: Call, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    """As `_forward`, and a number for what is kept. XLA's arrays do not last, so that copies are kept."""
    kept = call.forward([array.copy() for array in inputs], outputs[:-1], taped=True)
    assert kept is not None
    outputs[-1][...] = keep(call, kept)


class _Backward(NamedTuple):
    """given: for each output whether there is a gradient. needed: for each array whether its gradient is wanted."""

    call: Call
    given: tuple[bool, ...]
    needed: tuple[bool, ...]

    def run(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """inputs: the number, the gradients, the arrays of the call."""
        n = sum(self.given)
        arrays, some, wanted = inputs[1 + n :], iter(inputs[1 : 1 + n]), iter(outputs)
        kept = taken(self.call, int(inputs[0]))
        if kept is None:
            unread = [np.empty(shape, arrays[0].dtype) for shape in self.call.shapes(arrays)]
            kept = self.call.forward(arrays, unread, taped=True)
            assert kept is not None
        gradients = [next(some) if given else None for given in self.given]
        self.call.backward(kept, gradients, [next(wanted) if need else None for need in self.needed])


def _results(shapes: Sequence[Any], dtype: Any) -> list[jax.ShapeDtypeStruct]:
    return [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _run(call: Call, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    results = _results(call.shapes(arrays), arrays[0].dtype)
    return tuple(ffi.call((call, "forward"), partial(_forward, call), results, *arrays))


@jax.tree_util.register_static
class _Needed(tuple[bool, ...]):
    """For each array, whether its gradient is wanted."""


def _run_forward(call: Call, primals: Any) -> Any:
    arrays = tuple(primal.value for primal in primals)
    needed = _Needed(primal.perturbed for primal in primals)
    results = [*_results(call.shapes(arrays), arrays[0].dtype), jax.ShapeDtypeStruct((), np.int32)]
    *outputs, number = ffi.call((call, "taped"), partial(_taped, call), results, *arrays)
    return tuple(outputs), (number, arrays, needed)


def _run_backward(call: Call, kept: Any, gradients: Any) -> Any:
    number, arrays, needed = kept
    given = tuple(not isinstance(g, jax.custom_derivatives.SymbolicZero) for g in gradients)
    backward = _Backward(call, given, tuple(needed[: len(arrays) - call.masked - call.dropped]))
    results = _results([a.shape for a, need in zip(arrays, backward.needed, strict=False) if need], arrays[0].dtype)
    some = [g for g, is_given in zip(gradients, given, strict=True) if is_given]
    found = iter(ffi.call((backward, "backward"), backward.run, results, number, *some, *arrays))
    wanted = [*backward.needed, *[False] * (len(arrays) - len(backward.needed))]
    return (tuple(next(found) if need else None for need in wanted),)


_run.defvjp(_run_forward, _run_backward, symbolic_zeros=True)


def run(call: Call, arrays: Sequence[Any], training: bool) -> tuple[Any, ...]:
    """The outputs of a call; JAX differentiates it once, in reverse."""
    return tuple(_run(call, tuple(arrays)))
