"""What is called: each function draws a call. Equal bits are asked of what is made of kernels alone; what NumPy sums,
in an order that follows from an array's layout, is held to a tolerance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from layers.cases import CASES
from numpy.typing import NDArray
from table import ACTIVATED, VARIANTS

from cellstep import activations, kernels, layers, losses, metrics, models, ops, optimizers
from cellstep.kernels import stages

from .memory import Layouts

Array = NDArray[Any]
#: A function, its arrays by name, and whether its answers must have equal bits on the compiled backend.
Call = tuple[Callable[..., Any], dict[str, Any], bool]


def _sizes(d: Layouts) -> tuple[int, int, int, int]:
    """B, T, I, H: small ones, and now and then enough of one of them for blocks and threads."""
    sizes = [d.size(), d.size(0, 1, 2, 3, 5, 9), d.size(), d.size()]
    if d.chance(0.06):
        sizes[int(d.choose(0, 1, 2, 3))] = d.size(70, 130, 300, 520)
    return sizes[0], sizes[1], sizes[2], sizes[3]


def _cell(d: Layouts, dtype: str, tight: bool = False) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """A cell with its options, and arrays of weights, inputs, states, gradients and steps that run."""
    v = d.choose(*VARIANTS) if d.chance(0.7) else d.choose(*ACTIVATED)
    B, T, I, H = _sizes(d)  # noqa: E741
    G, S = v.cell.G, range(len(v.cell.states))
    arrays: dict[str, Any] = {
        "W": d.floats((I, G * H), dtype, like=0.3),
        "U": d.floats((H, G * H), dtype, like=0.3),
        "b": d.floats(v.cell.bias_shape(H, bool(v.named.get("reset_after"))), dtype) if d.chance(0.8) else None,
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
    """`ops.pack`, `ops.forward`, and its pullback with traces."""
    v, arrays, how = _cell(d, d.choose("float32", "float64"))

    def run(W, U, b, x, dy, first, dlast, mask, lengths, drop):  # type: ignore[no-untyped-def]
        packed = ops.pack(v.cell, W, U, b, backward=True, **v.named)
        y, last, back = ops.forward(
            packed, x, first, mask=mask, lengths=lengths, drop=drop, go_backwards=how["go_backwards"], tape=True
        )
        assert back is not None
        sums = [None if a is None else np.zeros(a.shape, packed.dtype) for a in (W, U, b)]
        traces = back.new_traces()
        dx, dfirst = back(dy, dlast, *sums, True, traces)
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
        cell = kernels.active()[v.cell.name]
        packed = cell.pack(W, U, b, *v.options, True)
        tape = cell.tape(packed, B, T)
        y, last = d.room((B, T, H), dtype), [d.room((B, H), dtype) for _ in v.cell.states]
        cell.forward(packed, x, *first, mask, lengths, drop, y, *last, tape)
        sums = [None if w is None else d.room(w.shape, dtype) for w in (W, U, b)]
        dx, dfirst = d.room((B, T, I), dtype), [d.room((B, H), dtype) for _ in v.cell.states]
        cell.backward(packed, tape, dy, *dlast, dx, *sums, *dfirst, *(None for _ in v.cell.states))
        now = [s.copy() for s in first]
        if T:
            cell.step(packed, x[:, 0], *now)
        return [y, *last, dx, *sums, *dfirst, *now]

    return run, {"x": a["x"], "dy": a["dy"], "mask": a["mask"]}, True


def one_step(d: Layouts) -> Call:
    """`ops.step`."""
    v, a, how = _cell(d, d.choose("float32", "float64"))
    x = d.floats((how["B"], how["I"]), "float32")

    def run(W, U, b, x, first):  # type: ignore[no-untyped-def]
        return ops.step(ops.pack(v.cell, W, U, b, backward=False, **v.named), x, first)

    return run, {"W": a["W"], "U": a["U"], "b": a["b"], "x": x, "first": a["first"]}, True


def products(d: Layouts) -> Call:
    """A matrix times rows, gradients of the matrix, and matrix by matrix."""
    dtype = d.choose("float32", "float64")
    B, T, K, N = _sizes(d)
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
        out = [ops.Matrix.of(W, b).multiply(x, activation), ops.Matrix.of(W.T).multiply(dz)]
        dW, db = np.zeros((K, N), dtype), np.zeros(N, dtype)
        ops.add_gradients(x, dz, dW, db)
        out += [dW, db, activations.get(activation)(x), activations.get(activation)(flat)]
        if m is not None and x.ndim == 3:
            out += [ops.matmul(x, m), ops.matmul(x, m.swapaxes(1, 2).copy().swapaxes(1, 2))]
        return out

    return run, arrays, True


def _kind(d: Layouts, shape: tuple[int, ...], dtype: str) -> Array:
    """Floats of this very dtype in native byte order, as layers pass to ops, in any layout."""
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
        packed = ops.pack(v.cell, W, U, b, backward=False, **v.named)
        recur = stages.Recur(v.cell, packed.kernels, packed.weights, hidden)
        made = {
            "cell": [recur],
            "ids": [stages.Lookup(table, masked), recur, stages.Dense(V, None, "softmax")],
            "all": [stages.Mask(0.0), recur, stages.Activate("tanh"), stages.Dense(V, V[0], "tanh")],
            "dense": [stages.Dense(V, V[0], "softmax")],
            "mask": [stages.Mask(-1.0)],
            "activation": [stages.Activate("softmax")],
            "nothing": [],
        }[kind]
        chain = ops.make_chain(made, B, None if ids else I, N, dtype)
        if recur in made:
            named = {f"s{k}": s for k, s in enumerate(states)}
            chain.set_states(ops.check_named_states(named, dict.fromkeys(named, (B, H)), dtype))
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


def _zero(made: layers.Layer) -> None:
    for w in made.trainable_weights:
        w.grad[...] = 0


def layer(d: Layouts) -> Call:
    """A layer that does not recur, forward and backward."""
    case = d.choose(*CASES)
    dtype = d.choose("float32", "float64")
    many = isinstance(case.shape, list)
    shapes = case.shape if many else [case.shape]
    masks = case.mask if isinstance(case.mask, list) else [case.mask]
    made = case.make(layers, dtype)
    if not case.call.get("training"):
        made.build([(None, *s[1:]) for s in shapes] if many else (None, *shapes[0][1:]))
    saved = made.get_weights() if made.built else None
    like = made.forward([np.ones(s, dtype) for s in shapes] if many else np.ones(shapes[0], dtype), **case.call)[0]
    listed = isinstance(like, list)
    arrays = {
        "xs": [d.floats(s, dtype) for s in shapes],
        "masks": [None if m is None or (d.chance(0.2) and not many) else d.booleans(m.shape) for m in masks],
        "dys": [d.floats(y.shape, dtype) for y in (like if listed else [like])],
    }
    if "training" in case.call and case.mask is not None:  # a batch without any step has no statistics
        arrays["masks"] = [d.array(case.mask.shape, bool, lambda n: np.ones(n, bool))]

    def run(xs, masks, dys):  # type: ignore[no-untyped-def]
        if saved is not None:
            made.set_weights(saved)
        _zero(made)
        mask = masks if isinstance(case.mask, list) else masks[0]
        y, back = made.forward(xs if many else xs[0], mask=mask, **case.call)
        dx = back(dys if listed else dys[0])
        grads = [w.grad.copy() for w in made.trainable_weights]
        return [*(y if listed else [y]), *(dx if isinstance(dx, list) else [dx]), *grads]

    return run, arrays, False


def convolution(d: Layouts) -> Call:
    """Conv1D of sizes that are drawn, among them one channel, one step and one row."""
    dtype = d.choose("float32", "float64")
    B, T, C, K = d.size(), d.size(), d.size(1, 1, 2, 5, 16), d.size(1, 2, 3)
    made = layers.Conv1D(d.size(1, 2, 9, 20), K, d.choose(1, 2), d.choose("same", "causal"), dtype=dtype)
    made.build((None, T, C))
    y = made(np.ones((B, T, C), dtype))

    def run(x, dy):  # type: ignore[no-untyped-def]
        _zero(made)
        y, back = made.forward(x)
        return [y, back(dy), *(w.grad.copy() for w in made.trainable_weights)]

    return run, {"x": d.floats((B, T, C), dtype), "dy": d.floats(y.shape, dtype)}, True


def recurrent_layer(d: Layouts) -> Call:
    """A recurrent layer, alone or in both directions, over sequences and as a cell."""
    dtype = d.choose("float32", "float64")
    B, T, I, H = _sizes(d)  # noqa: E741
    T = max(T, 1)
    both = d.chance(0.3)
    made = d.choose(layers.LSTM, layers.GRU, layers.SimpleRNN)(
        H, return_sequences=d.chance(0.5), go_backwards=not both and d.chance(0.3), dtype=dtype
    )
    cell = made.cell
    if both:
        made = layers.Bidirectional(made)
    made.build((None, T, I))
    states = d.chance(0.5)
    shapes = [(B, H)] * ((2 if both else 1) * len(cell.contract.states))
    like = made(np.ones((B, T, I), dtype))
    arrays: dict[str, Any] = {
        "x": d.floats((B, T, I), dtype),
        "mask": d.booleans((B, T)) if d.chance(0.5) else None,
        "first": [d.floats(s, dtype) for s in shapes] if states else None,
        "dy": d.floats(np.shape(like), dtype),
    }

    def run(x, mask, first, dy):  # type: ignore[no-untyped-def]
        _zero(made)
        y, back = made.forward(x, mask=mask, initial_state=first)
        dx = back(dy)
        dx = [dx[0], *dx[1]] if isinstance(dx, tuple) else [dx]
        out = [y, *dx, *(w.grad.copy() for w in made.trainable_weights), made(x)]
        if first is not None and not both:
            h, after = cell(x[:, 0], first)
            out += [h, *after]
        return out

    return run, arrays, True


def rows_of_a_table(d: Layouts) -> Call:
    made = layers.Embedding(13, d.size(), mask_zero=True)
    shape = (d.size(), d.size(0, 1, 5, 9))
    made.build(shape)

    def run(x, dy):  # type: ignore[no-untyped-def]
        _zero(made)
        y, back = made.forward(x)
        back(dy)
        return [y, made.compute_mask(x), made.trainable_weights[0].grad.copy()]

    return run, {"x": d.integers(shape, 13), "dy": d.floats((*shape, made.output_dim), "float32")}, True


LOSSES = ("mse", "mae", "binary_crossentropy", "huber", "log_cosh", "kl_divergence", "cosine_similarity", "poisson")
METRICS = ("mean_squared_error", "binary_accuracy", "auc", "precision", "recall", "categorical_accuracy")


def scores(d: Layouts) -> Call:
    """A loss with its gradient, and a metric."""
    shape = (d.size(1, 2, 5, 9), d.size(1, 3, 5))
    loss, metric = losses.get(d.choose(*LOSSES)), d.choose(*METRICS)

    def between(n: int) -> Array:
        return d.rng.random(n).astype("float32")

    arrays = {
        "true": d.array(shape, "float32", between),
        "pred": d.array(shape, "float32", between),
        "weight": d.array(shape[:1], "float32", between),
    }

    def run(true, pred, weight):  # type: ignore[no-untyped-def]
        counted = metrics.get(metric)
        counted.update_state(true, pred, sample_weight=weight)
        return [loss(true, pred, sample_weight=weight), counted.result()]

    return run, arrays, False


def training(d: Layouts) -> Call:
    """fit, evaluate and predict of a small model, and an optimizer given gradients."""
    B, T, I, H = d.size(3, 5, 9), d.size(1, 4), d.size(1, 3), d.size(2, 5)  # noqa: E741
    model = models.Sequential([layers.Input((T, I)), layers.GRU(H), layers.Dense(2)])
    model.compile(d.choose("sgd", "adam", "rmsprop"), "mse")
    start = model.get_weights()
    arrays = {
        "x": d.floats((B, T, I), "float32"),
        "y": d.floats((B, 2), "float32"),
        "weight": d.array((B,), "float32", lambda n: d.rng.random(n).astype("float32")),
        "values": [d.floats(w.shape, "float32") for w in start],
    }

    def run(x, y, weight, values):  # type: ignore[no-untyped-def]
        model.set_weights(start)
        model.compile(model.optimizer.name, "mse")
        model.fit(x, y, batch_size=2, epochs=1, shuffle=False, verbose=0, sample_weight=weight)
        out = [model.predict(x, verbose=0), model.evaluate(x, y, verbose=0), *model.get_weights()]
        optimizer = optimizers.Adam()
        optimizer.build(model.trainable_weights)
        optimizer.apply(values)
        model.set_weights([w + np.asarray(v, "f4") for w, v in zip(model.get_weights(), values, strict=True)])
        return [*out, *model.get_weights()]

    return run, arrays, False


#: How often each is called.
CALLS: dict[Callable[[Layouts], Call], float] = {
    sequences: 0.25,
    contract: 0.15,
    one_step: 0.06,
    products: 0.16,
    flat_arrays: 0.04,
    streamed: 0.14,
    layer: 0.1,
    convolution: 0.04,
    recurrent_layer: 0.08,
    rows_of_a_table: 0.02,
    scores: 0.03,
    training: 0.01,
}
