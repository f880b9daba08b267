"""Runs a problem of the table through the kernels, allocating as the layer above them does; and compares answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from table import EXACT, Problem

from cellstep import kernels

Array = NDArray[Any]


class Answers(NamedTuple):
    """What a forward pass gives: y (B, T, H), the final states (B, H); and what a backward pass needs."""

    y: Array
    states: tuple[Array, ...]
    packed: Any
    tape: Any


def unwritten(shape: tuple[int, ...], dtype: Any) -> Array:
    """An output array full of NaN: an element that is never written shows."""
    return np.full(shape, np.nan, dtype)


def pack(backend: kernels.Backend, p: Problem, backward: bool = True) -> Any:
    return backend.pack(p.variant.cell, p.weights, p.variant.options, backward)


def forward(backend: kernels.Backend, p: Problem, *, packed: Any = None, tape: Any = True) -> Answers:
    """Run forward; `tape` is a tape to write on, True for a new one, or None for none."""
    T, B, _, H = p.shape
    packed = pack(backend, p) if packed is None else packed
    tape = backend.tape(packed, B, T, False) if tape is True else tape
    y = unwritten((B, T, H), p.dtype)
    finals = tuple(unwritten((B, H), p.dtype) for _ in p.states)
    with np.errstate(all="ignore"):
        backend.forward(packed, p.x, p.states, p.mask, p.lengths, p.resets, p.drop, y, finals, tape)
    return Answers(y, finals, packed, tape)


def gradient_names(p: Problem) -> tuple[str, ...]:
    """The outputs of backward: dx, those of the weights (dW, ...), of the initial states (dh0) and traces (dhs)."""
    return tuple(name for names in _gradients(p) for name in names if name != "db" or p.variant.bias)


def _gradients(p: Problem) -> tuple[tuple[str, ...], ...]:
    cell = p.variant.cell
    weights = tuple(f"d{name}" for name in cell.weight_names)
    return ("dx",), weights, tuple(f"d{s}0" for s in cell.state_names), tuple(f"d{s}s" for s in cell.state_names)


def gradient_buffers(p: Problem) -> dict[str, Array]:
    """Zeros for the gradients that are added to, NaN for those that are overwritten."""
    T, B, I, H = p.shape  # noqa: E741
    buffers = {
        "dx": unwritten((B, T, I), p.dtype),
        **{
            f"d{name}": np.zeros_like(p.weights[0][0] if w is None else w)
            for name, w in zip(p.variant.cell.weight_names, p.weights, strict=True)
        },
        **{f"d{s}s": unwritten((B, T, H), p.dtype) for s in p.variant.cell.state_names},
    }
    return {name: buffers.get(name, unwritten((B, H), p.dtype)) for name in gradient_names(p)}


def backward(
    backend: kernels.Backend, p: Problem, answers: Answers, into: dict[str, Array] | None = None
) -> dict[str, Array]:
    """Run backward on the tape of `answers`, into fresh buffers or those given; one left out is passed as None."""
    into = gradient_buffers(p) if into is None else into
    with np.errstate(all="ignore"):
        backend.backward(answers.packed, answers.tape, p.dy, p.dstates, *outputs(p, into))
    return into


def outputs(p: Problem, into: dict[str, Array]) -> tuple[Array | None, list[Any], list[Any], list[Any]]:
    """dx, dweights, dfirst and traces of a call of backward, from arrays by name."""
    (dx,), *others = ([into.get(name) for name in names] for names in _gradients(p))
    weights, first, traces = others
    return dx, weights, first, traces


def read(backend: kernels.Backend, p: Problem, answers: Answers, n: int | None = None) -> dict[str, Array]:
    """What the tape of `answers` keeps of the first n rows, all of them by default."""
    T, B, _, H = p.shape
    n = B if n is None else n
    into = {"gates": unwritten((n, T, p.variant.cell.G, H), p.dtype)}
    into |= {s: unwritten((n, T, H), p.dtype) for s in p.variant.cell.state_names}
    gates, *states = into.values()
    backend.read(answers.packed, answers.tape, gates, states)
    return into


def step(backend: kernels.Backend, p: Problem, t: int, states: tuple[Array, ...], packed: Any) -> tuple[Array, ...]:
    """One step on copies of the states."""
    states = tuple(s.copy() for s in states)
    with np.errstate(all="ignore"):
        backend.step(packed, np.ascontiguousarray(p.x[:, t]), states)
    return states


def assert_close(actual: Array, expected: Array, tolerance: float, what: str = "") -> None:
    """|actual - expected| <= tolerance * max(1, |expected|) for each element, with NaN and infinities in place."""
    assert actual.shape == expected.shape, (what, actual.shape, expected.shape)
    if not expected.size:
        return
    odd = ~np.isfinite(expected)
    np.testing.assert_array_equal(actual[odd], expected[odd], err_msg=what)
    error = np.abs(actual[~odd] - expected[~odd]) / np.maximum(1, np.abs(expected[~odd]))
    # not `<=` alone: a NaN where a number should be must fail
    assert not error.size or error.max() <= tolerance, f"{what}: off by {error.max():.3g}, more than {tolerance:g}"


def assert_close_to_scale(actual: Array, expected: Array, tolerance: float, what: str = "") -> None:
    """|actual - expected| <= tolerance * max |expected| over the array: so zeros must be zeros."""
    assert actual.shape == expected.shape, (what, actual.shape, expected.shape)
    if not expected.size:
        return
    error, scale = np.abs(actual - expected).max(), np.abs(expected).max()
    assert error <= tolerance * scale, f"{what}: off by {error:.3g}, more than {tolerance:g} of {scale:.3g}"


def assert_same(backend: kernels.Backend, actual: Array, expected: Array, what: str = "") -> None:
    """The same bits where the backend promises them; elsewhere the same numbers to a few roundings."""
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), what
    if backend.name not in EXACT:
        assert_close(actual, expected, 1e-6 if actual.dtype == np.float32 else 1e-14, what)
    elif not np.array_equal(actual, expected, equal_nan=True):
        differ = actual != expected
        worst = np.abs(actual - expected).max()
        raise AssertionError(f"{what}: {differ.sum()} of {differ.size} numbers differ, by at most {worst:.3g}")


def assert_all_same(
    backend: kernels.Backend, actual: Iterable[Array], expected: Iterable[Array], what: str = ""
) -> None:
    for k, (a, e) in enumerate(zip(actual, expected, strict=True)):
        assert_same(backend, a, e, f"{what} {k}")
