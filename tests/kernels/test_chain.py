"""Every backend's chain against the one in NumPy, in float64; and which bits have to be equal.

Tolerances as in test_accuracy.py: |a - r| <= tol * max(1, |r|).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drive import Array, assert_all_same, assert_close, assert_same, forward, pack
from streaming import stepped
from table import DTYPES, VARIANTS, Shape, Variant, problem

from cellstep import kernels
from cellstep.kernels.stages import STREAMED, Activate, Dense, Lookup, Mask, Recur, Stage

TOLERANCE = {"float32": 5e-6, "float64": 1e-12}
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
every_cell = pytest.mark.parametrize("v", VARIANTS, ids=str)


def refuse(*args: Any) -> Any:
    raise AssertionError("an argument that fits went to the slow checks")


def chain(backend: kernels.Backend, stages: list[Stage], B: int, inputs: int | None, dtype: Any) -> Any:
    """A chain that takes only what fits."""
    return backend.Chain(tuple(stages), B, inputs, np.dtype(dtype), lambda x, steps: taken(x), refuse)


def taken(x: Any) -> Array:
    # a chain in Python has no checks of its own and asks each time
    assert type(x) is np.ndarray
    assert x.flags.c_contiguous
    return x


def recur(backend: kernels.Backend, v: Variant, inputs: int, H: int, dtype: str, zero_masked: bool = False) -> Recur:
    p = problem(v, Shape(1, 1, inputs, H), dtype)
    return Recur(v.cell, backend, pack(backend, p, backward=False), zero_masked)


def dense(inputs: int, outputs: int, dtype: str, activation: str = "linear", bias: bool = True) -> Dense:
    rng = np.random.default_rng(inputs + outputs)
    W = rng.uniform(-1, 1, (inputs, outputs)).astype("float32").astype(dtype) / dtype_root(inputs)
    b = rng.uniform(-1, 1, outputs).astype("float32").astype(dtype)
    return Dense(W, b if bias else None, activation)


def dtype_root(n: int) -> Any:
    """A power of two near the root of n, so that float32 and float64 weights are the same numbers."""
    return 2.0 ** round(np.log2(n) / 2)


def inputs(B: int, T: int, width: int, dtype: str) -> Array:
    x = np.random.default_rng(B + T).standard_normal((B, T, width)).astype("float32").astype(dtype)
    x[:, 1::3] = 0.5
    return x


@pytest.mark.parametrize("B", [1, 2, 7])
@both_dtypes
@every_cell
def test_a_long_chain(backend: kernels.Backend, reference: kernels.Backend, v: Variant, dtype: str, B: int) -> None:
    def made(on: kernels.Backend, dtype: str) -> Any:
        stages: list[Stage] = [
            Mask(0.5),
            recur(on, v, 5, 19, dtype),
            Activate("tanh"),
            recur(on, v, 19, 33, dtype, zero_masked=True),
            dense(33, 21, dtype, "softmax"),
        ]
        return chain(on, stages, B, 5, dtype)

    x = inputs(B, 23, 5, dtype)
    c, r = made(backend, dtype), made(reference, "float64")
    y, right = stepped(c, x), stepped(r, x.astype("float64"))
    assert_close(y, right, TOLERANCE[dtype], "step")
    for a, e in zip(c.get_states(), r.get_states(), strict=True):
        assert_close(a, e, TOLERANCE[dtype], "state")
    again = made(backend, dtype)
    assert_close(again.steps(x), right, TOLERANCE[dtype], "steps")
    if backend.name == "cython":
        assert_same(backend, made(backend, dtype).steps(x), y, "steps against step")
        assert_all_same(backend, again.get_states(), c.get_states())


@both_dtypes
@pytest.mark.parametrize("activation", STREAMED)
def test_activations(backend: kernels.Backend, reference: kernels.Backend, activation: str, dtype: str) -> None:
    x = inputs(3, 4, 11, dtype)
    for n in (1, 7, 16, 37):
        for stage in (dense(11, n, dtype, activation, bias=n != 7), Activate(activation)):
            exact = stage if isinstance(stage, Activate) else dense(11, n, "float64", activation, bias=n != 7)
            c, r = chain(backend, [stage], 3, 11, dtype), chain(reference, [exact], 3, 11, "float64")
            right = r.steps(x.astype("float64"))
            assert_close(c.steps(x), right, TOLERANCE[dtype], activation)
            assert_close(stepped(c, x), right, TOLERANCE[dtype], activation)


@both_dtypes
def test_softmax_at_the_ends(backend: kernels.Backend, reference: kernels.Backend, dtype: str) -> None:
    inf, nan = np.inf, np.nan
    rows = [[0, 0, 0], [800, 0, -800], [-inf, 1, 1], [inf, 0, 0], [nan, 0, 0], [0, nan, 0], [-inf] * 3, [1e30, 1e30, 0]]
    for n in (3, 20, 41):
        x = np.array([row * 14 for row in rows], dtype)[:, :n].copy()
        with np.errstate(all="ignore"):
            found = chain(backend, [Activate("softmax")], len(rows), n, dtype).step(x)
            right = chain(reference, [Activate("softmax")], len(rows), n, "float64").step(x.astype("float64"))
        assert_close(found, right, TOLERANCE[dtype])


@both_dtypes
def test_lookup_and_its_zeros(backend: kernels.Backend, dtype: str) -> None:
    v = VARIANTS[1]
    table = inputs(1, 9, 6, dtype)[0]
    numbers = np.random.default_rng(2).integers(0, 9, (4, 40))
    numbers[:, 5:9] = 0
    alone = chain(backend, [Lookup(table, True)], 4, None, dtype)
    np.testing.assert_array_equal(alone.steps(numbers), table[numbers])
    masked: list[Stage] = [Lookup(table, True), recur(backend, v, 6, 17, dtype)]
    y = stepped(chain(backend, masked, 4, None, dtype), numbers)
    assert_same(backend, chain(backend, masked, 4, None, dtype).steps(numbers.astype("int32")), y)
    before = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
    np.testing.assert_array_equal(y[numbers == 0], before[numbers == 0])
    unmasked = chain(backend, [Lookup(table, False), recur(backend, v, 6, 17, dtype)], 4, None, dtype)
    assert (unmasked.steps(numbers)[:, 5:9] != y[:, 5:9]).any()


@both_dtypes
def test_what_counts_as_the_masked_value(backend: kernels.Backend, dtype: str) -> None:
    tiny = 1e-40 if dtype == "float32" else 1e-310
    x = np.array([[0.0, 0.0], [-0.0, 0.0], [tiny, 0.0], [0.0, np.nan], [np.inf, 0.0]], dtype)
    for value, there in ((0.0, [0, 0, 1, 1, 1]), (np.inf, [1, 1, 1, 1, 1])):
        stages: list[Stage] = [Mask(value), recur(backend, VARIANTS[0], 2, 3, dtype, zero_masked=True)]
        with np.errstate(all="ignore"):
            y = chain(backend, stages, 5, 2, dtype).step(x)
        assert [bool(np.isnan(row).any() or row.any()) for row in y] == [bool(t) for t in there]
    np.testing.assert_array_equal(chain(backend, [Mask(0.0)], 5, 2, dtype).step(x), np.where(x == -0.0, 0, x))


@both_dtypes
@every_cell
def test_a_cell_alone_gives_the_bits_of_its_sequence(backend: kernels.Backend, v: Variant, dtype: str) -> None:
    """Also where one step is worth a team, and where a block is longer than stages take at once."""
    for shape in (Shape(40, 1, 9, 33), Shape(70, 13, 7, 17), Shape(5, 2, 3, 1), Shape(3, 1, 30, 280)):
        p = problem(v, shape, dtype)
        y, finals, _, _ = forward(backend, p)
        stage = Recur(v.cell, backend, pack(backend, p, backward=False), False)
        c = chain(backend, [stage], shape.B, shape.I, dtype)
        c.set_states(p.states)
        assert_same(backend, stepped(c, p.x), y, f"step {shape}")
        assert_all_same(backend, c.get_states(), finals, f"states {shape}")
        c.set_states(p.states)
        assert_same(backend, c.steps(p.x), y, f"steps {shape}")
        assert_all_same(backend, c.get_states(), finals, f"states {shape}")


def test_large_outputs_are_shared_by_threads_without_a_trace(backend: kernels.Backend) -> None:
    from cellstep import get_num_threads, set_num_threads

    most = get_num_threads()
    x = inputs(2, 6, 300, "float32")
    answers = []
    try:
        for n in (1, most):
            set_num_threads(n)
            c = chain(backend, [dense(300, 2001, "float32", "softmax")], 2, 300, "float32")
            answers.append((c.steps(x), stepped(c, x)))
    finally:
        set_num_threads(most)
    if backend.name == "cython":
        assert_all_same(backend, answers[0], answers[1])
        assert_same(backend, *answers[0])
    else:  # the other chains multiply by NumPy's BLAS, whose sums depend on how many threads others left it with
        assert_close(answers[0][0], answers[1][0], TOLERANCE["float32"])
        assert_close(*answers[0], TOLERANCE["float32"])


def test_every_backend_has_a_chain(backend: kernels.Backend) -> None:
    made = chain(backend, [], 2, 3, "float32")
    assert all(callable(getattr(made, name)) for name in kernels.CHAIN)
    x = inputs(2, 4, 3, "float32")
    np.testing.assert_array_equal(made.steps(x), x)
    assert made.step(x[:, 0].copy()) is not x
    assert made.get_states() == []
    assert made.steps(x[:, :0].copy()).shape == (2, 0, 3)
