"""Calls of kernels, by themselves and through `core`, whose answers have equal bits on the compiled backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from table import ACTIVATED, VARIANTS

from cellstep import activations, core, kernels
from cellstep.kernels import stages

from .memory import Layouts

Array = NDArray[Any]
#: A function, its arrays by name, and whether its answers must have equal bits on the compiled backend.
Call = tuple[Callable[..., Any], dict[str, Any], bool]


def sizes(d: Layouts) -> tuple[int, int, int, int]:
    """B, T, I, H: small ones, and now and then enough of one of them for blocks and threads."""
    sizes = [d.size(), d.size(0, 1, 2, 3, 5, 9), d.size(), d.size()]
    if d.chance(0.06):
        sizes[int(d.choose(0, 1, 2, 3))] = d.size(70, 130, 300, 520)
    return sizes[0], sizes[1], sizes[2], sizes[3]


def _cell(d: Layouts, dtype: str, tight: bool = False) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """A cell with its options, and arrays of weights, inputs, states, gradients and steps that run."""
    v = d.choose(*VARIANTS) if d.chance(0.7) else d.choose(*ACTIVATED)
    B, T, I, H = sizes(d)  # noqa: E741
    G, S = v.cell.G, range(len(v.cell.states))
    arrays: dict[str, Any] = {
        "W": d.floats((I, G * H), dtype, like=0.3),
        "U": d.floats((H, G * H), dtype, like=0.3),
        "b": d.floats(v.cell.bias_shape(H, **v.named), dtype) if d.chance(0.8) else None,
        "x": d.floats((B, T, I), dtype, tight),
        "dy": d.floats((B, T, H), dtype, tight) if d.chance(0.8) else None,
        "first": [d.floats((B, H), dtype) for _ in S],
        "dlast": [d.floats((B, H), dtype) if d.chance(0.8) else None for _ in S],
        "mask": None,
        "lengths": None,
        "drop": d.floats((B, H), dtype) if d.chance(0.25) else None,
    }
    # all weights have the type of U, which says what the cell computes in
    if arrays["U"].dtype.newbyteorder("=") not in (np.float32, np.float64):
        arrays["U"] = arrays["U"].astype(dtype)
    steps = d.choose("all", "mask", "lengths")
    if steps == "mask":
        arrays["mask"] = d.booleans((B, T))
    elif steps == "lengths":
        arrays["lengths"] = d.integers((B,), T + 1)
    return v, arrays, {"go_backwards": d.chance(0.3), "H": H, "T": T, "B": B, "I": I}


def _plain(a: Array | None, dtype: Any) -> Any:
    """A C-contiguous copy of this dtype."""
    return None if a is None else np.array(a, dtype, order="C")


def sequences(d: Layouts) -> Call:
    """`core.pack`, `core.forward`, and its pullback with traces."""
    v, arrays, how = _cell(d, d.choose("float32", "float64"))

    def run(W, U, b, x, dy, first, dlast, mask, lengths, drop):  # type: ignore[no-untyped-def]
        packed = core.pack(v.cell, W, U, b, backward=True, **v.named)
        y, last, back = core.forward(
            packed, x, first, mask=mask, lengths=lengths, drop=drop, go_backwards=how["go_backwards"], tape=True
        )
        assert back is not None
        sums = [None if a is None else np.zeros(a.shape, packed.dtype) for a in (W, U, b)]
        traces = back.new_traces()
        dx, dfirst = back(dy, dlast, sums, True, traces)
        gates, states = back.read()
        return [y, *last, dx, *dfirst, *sums, *traces, gates, *states]

    return run, arrays, True


def contract(d: Layouts) -> Call:
    """A backend's own functions, with the layouts that the contract allows."""
    dtype = d.choose("float32", "float64")
    v, a, how = _cell(d, dtype, tight=True)
    B, T, I, H = how["B"], how["T"], how["I"], how["H"]  # noqa: E741
    first, dlast = ([_plain(n, dtype) for n in a[name]] for name in ("first", "dlast"))
    W, U, b, drop = (_plain(a[name], dtype) for name in ("W", "U", "b", "drop"))
    lengths = _plain(a["lengths"], "int32")

    def run(x, dy, mask):  # type: ignore[no-untyped-def]
        mask = None if mask is None else mask.view(np.uint8) != 0
        backend = kernels.active()
        packed = backend.pack(v.cell, (W, U, b), v.options, True)
        tape = backend.tape(packed, B, T, False)
        y, last = d.room((B, T, H), dtype), [d.room((B, H), dtype) for _ in v.cell.states]
        backend.forward(packed, x, first, mask, lengths, None, drop, y, last, tape)
        sums = [None if w is None else d.room(w.shape, dtype) for w in (W, U, b)]
        dx, dfirst = d.room((B, T, I), dtype), [d.room((B, H), dtype) for _ in v.cell.states]
        backend.backward(packed, tape, dy, dlast, dx, sums, dfirst, [None for _ in v.cell.states])
        now = [s.copy() for s in first]
        if T:
            backend.step(packed, x[:, 0], now)
        return [y, *last, dx, *sums, *dfirst, *now]

    return run, {"x": a["x"], "dy": a["dy"], "mask": a["mask"]}, True


def one_step(d: Layouts) -> Call:
    """`core.step`."""
    v, a, how = _cell(d, d.choose("float32", "float64"))
    x = d.floats((how["B"], how["I"]), "float32")

    def run(W, U, b, x, first):  # type: ignore[no-untyped-def]
        return core.step(core.pack(v.cell, W, U, b, backward=False, **v.named), x, first)

    return run, {"W": a["W"], "U": a["U"], "b": a["b"], "x": x, "first": a["first"]}, True


def products(d: Layouts) -> Call:
    """A matrix times rows, gradients of the matrix, and matrix by matrix."""
    dtype = d.choose("float32", "float64")
    B, T, K, N = sizes(d)
    b = d.floats((N,), dtype, tight=True) if d.chance(0.7) else None
    activation = d.choose("linear", "tanh", "softmax", "gelu", "relu")
    arrays = {
        "W": _kind(d, (K, N), dtype),
        "b": b,
        "x": _kind(d, (B, T, K), dtype) if d.chance(0.7) else _kind(d, (B, K), dtype),
        "m": _kind(d, (B, K, N), dtype) if B * K * N < 1 << 20 else None,
        "flat": _kind(d, (N,), dtype),
    }
    arrays["dz"] = _kind(d, (*arrays["x"].shape[:-1], N), dtype)

    def run(W, b, x, m, flat, dz):  # type: ignore[no-untyped-def]
        out = [core.Matrix.of(W, b).multiply(x, activation), core.Matrix.of(W.T).multiply(dz)]
        dW, db = np.zeros((K, N), dtype), np.zeros(N, dtype)
        core.add_gradients(x, dz, dW, db)
        out += [dW, db, activations.get(activation)(x), activations.get(activation)(flat)]
        if m is not None and x.ndim == 3:
            out += [core.matmul(x, m), core.matmul(x, m.swapaxes(1, 2).copy().swapaxes(1, 2))]
        return out

    return run, arrays, True


def _kind(d: Layouts, shape: tuple[int, ...], dtype: str) -> Array:
    """Floats of this very dtype in native byte order, as layers pass to core, in any layout."""
    a = d.floats(shape, dtype)
    return a if a.dtype == np.dtype(dtype) else d.floats(shape, dtype, tight=True)


def flat_arrays(d: Layouts) -> Call:
    """Normalization and the updates of optimizers, whose arrays are all C-contiguous."""
    dtype = d.choose("float32", "float64")
    N, F = d.size(), d.size()
    name = d.choose(*kernels.UPDATES)
    numbers = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "beta_1": 0.9, "beta_2": 0.99, "rho": 0.9, "epsilon": 1e-3}
    numbers["step"] = 3

    def run(x, g):  # type: ignore[no-untyped-def]
        norms, updates = kernels.active().norms, kernels.active().updates
        y, normal, dx = (d.room((N, F), dtype) for _ in range(3))
        inverse, dgamma, dbeta = d.room((N,), dtype), d.room((F,), dtype), d.room((F,), dtype)
        norms.normalized(x, 1e-3, g, g, y, normal, inverse)
        norms.normalized_back(x, normal, inverse, g, dx, dgamma, dbeta)
        names = [p for p in kernels.UPDATES[name] if p not in numbers]
        arrays = {p: g if p == "grad" else d.room((F,), dtype, 1) for p in names}
        getattr(updates, name)(*(numbers.get(p, arrays.get(p)) for p in kernels.UPDATES[name]))
        return [y, normal, inverse, dx, dgamma, dbeta, *(a for p, a in arrays.items() if p != "s")]

    def packed(shape: tuple[int, ...]) -> Array:
        out = d.room(shape, dtype)
        out[...] = d.rng.standard_normal(shape)
        return out

    return run, {"x": packed((N, F)), "g": packed((F,))}, True


def streamed(d: Layouts) -> Call:
    """A chain of all stages: one step, with `out` that may share memory with x, some steps, and states set."""
    dtype = np.dtype(d.choose("float32", "float64"))
    v, a, how = _cell(d, dtype.name)
    B, T, I, H = how["B"], how["T"], how["I"], how["H"]  # noqa: E741
    W, U, b = (_plain(a[name], dtype) for name in "WUb")
    kind = d.choose("cell", "ids", "all", "dense", "mask", "activation", "nothing")
    D, masked, hidden = d.size(), d.chance(0.5), d.chance(0.5)
    N = {"cell": H, "ids": D, "all": D, "dense": D}.get(kind, I)
    cast = d.chance(0.5)
    ids = kind == "ids"
    arrays = {
        "V": d.floats((H if kind != "dense" else I, D), dtype.name),
        "table": d.floats((11, I), dtype.name),
        "states": [d.floats((B, H), dtype.name) for _ in v.cell.states],
        "x": d.integers((B,), 11) if ids else d.floats((B, I), dtype.name),
        "xs": d.integers((B, T), 11) if ids else d.floats((B, T, I), dtype.name),
    }
    shared = None if ids or cast else int(d.rng.integers(0, B * max(I, N) + 1))

    def run(V, table, states, x, xs):  # type: ignore[no-untyped-def]
        V, table = _plain(V, dtype), _plain(table, dtype)
        packed = core.pack(v.cell, W, U, b, backward=False, **v.named)
        recur = stages.Recur(v.cell, packed.backend, packed.weights, hidden)
        made = {
            "cell": [recur],
            "ids": [stages.Lookup(table, masked), recur, stages.Dense(V, None, "softmax")],
            "all": [stages.Mask(0.0), recur, stages.Activate("tanh"), stages.Dense(V, V[0], "tanh")],
            "dense": [stages.Dense(V, V[0], "softmax")],
            "mask": [stages.Mask(-1.0)],
            "activation": [stages.Activate("softmax")],
            "nothing": [],
        }[kind]
        chain = core.make_chain(made, B, None if ids else I, N, dtype)
        if recur in made:
            named = {f"s{k}": s for k, s in enumerate(states)}
            chain.set_states(core.check_named_states(named, dict.fromkeys(named, (B, H)), dtype))
        out = [chain.step(x), chain.steps(xs)]
        if shared is not None:
            # x and out in one buffer, x first or out first
            room = np.zeros(shared + B * max(I, N), dtype)
            first, second = room[: B * I], room[shared : shared + B * N]
            first[:] = np.asarray(x, dtype).reshape(-1)
            apart = np.empty((B, N), dtype)
            before = chain.get_states()
            right = chain.step(first.reshape(B, I).copy(), apart)
            chain.set_states(before)
            same = chain.step(first.reshape(B, I), second.reshape(B, N))
            if kernels.active().name == "cython":
                np.testing.assert_array_equal(same, right)
        return [*out, *chain.get_states()]

    return run, arrays, True


#: How often each is called.
SHARES: dict[Callable[[Layouts], Call], float] = {
    sequences: 0.25,
    contract: 0.15,
    one_step: 0.06,
    products: 0.16,
    flat_arrays: 0.04,
    streamed: 0.14,
}
