"""Random equations: their derived gradients agree with finite differences in every backend, and bits do not depend on
the batch, the threads, or on going step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import Cell, activations, core, get_num_threads, kernels, layers, set_num_threads, testing

#: Gates, states and vectors; and which product the last gate has: of h whole, apart, or of a value that the step makes.
STRUCTURES = [
    ("a b", "h c", "", "whole"),
    ("a b c", "h c", "p q", "made"),
    ("a b c", "h", "p", "apart"),
    ("a b n m", "h c", "p", "two"),
]
UNARY = [
    *(np.tanh, np.sin, np.cos, np.abs, np.square, activations.sigmoid, activations.softplus, activations.elu),
    *(activations.gelu, activations.mish, activations.softsign, activations.squareplus, activations.hard_sigmoid),
    lambda v: np.exp(-v * v),
    lambda v: np.log1p(np.abs(v)),
    lambda v: np.log(1.5 + v * v),
    lambda v: np.sqrt(1 + v * v),
    lambda v: np.clip(v, -0.8, 0.6),
    lambda v: -v,
    lambda v: v / 3 - 0.25,
]
BINARY = [
    *(np.add, np.subtract, np.multiply, np.minimum, np.maximum),
    lambda a, b: a / (1 + np.abs(b)),
    lambda a, b: np.where(a > b, a * b, a - b),
    lambda a, b: np.where((a < 0.3) & ~(b > 0.1), a, b * 0.5),
]


def random_cell(seed: int) -> Any:
    """A class with random equations."""
    gates, states, vectors, kind = STRUCTURES[seed % len(STRUCTURES)]

    def step(self: Any, z: Any, *now: Any) -> Any:
        rng = np.random.default_rng(seed)
        letters = gates.split()
        pool = [*now, *(getattr(self, name) for name in vectors.split())]

        def grow(n: int) -> Any:
            for _ in range(n):
                a, b = (pool[i] for i in rng.integers(len(pool), size=2))
                pool.append(BINARY[rng.integers(len(BINARY))](a, b))
                pool.append(UNARY[rng.integers(len(UNARY))](pool[rng.integers(len(pool))]))
            return pool[-1]

        whole = letters if kind == "whole" else letters[:-2] if kind == "two" else letters[:-1]
        pool.extend(getattr(z, letter) for letter in whole)
        grow(3)
        if kind == "apart":
            pool.extend([getattr(z.x, letters[-1]), getattr(z.h, letters[-1])])
        for letter in letters[len(whole) :] if kind in ("made", "two") else ():
            made = self.product(np.tanh(grow(1) + now[0]), letter)
            pool.append(getattr(z.x, letter) + made)
        if seed % 5 == 0:
            pool.append(self.normalize(pool[-1] + pool[0]))
        grow(3)
        return tuple(np.tanh(pool[-1 - k] + s / 2 + pool[-4]) for k, s in enumerate(now))

    body = {"gates": gates, "states": states, "vectors": vectors, "step": step, "__module__": __name__}
    return type(f"Random{seed}", (Cell,), body)


@pytest.mark.parametrize("seed", range(60))
def test_gradients_of_random_equations(seed: int) -> None:
    testing.check_cell(random_cell(seed)(3), batch=2, steps=3, seed=seed)


def bits(packed: core.Packed, x: Any, rows: Any, dy: Any) -> Any:
    """Outputs and gradients of x and the first states of some rows."""
    n = len(packed.cell.states)
    y, last, back = core.forward(packed, x[rows], tape=True)
    assert back is not None
    dx, dfirst = back(dy[rows], [None] * n)
    return [y, *last, dx, *dfirst]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("rows", "units"), [(7, 5), (3, 40), (40, 33)])
def test_bits_do_not_depend_on_how_a_call_is_made(seed: int, rows: int, units: int) -> None:
    if kernels.active().name == "numpy":
        pytest.skip("the reference multiplies through BLAS")
    rng = np.random.default_rng(seed)
    cell = random_cell(seed)(units)
    cell.build((None, 6))
    x, dy = (rng.standard_normal((rows, 30, n)).astype("float32") for n in (6, units))
    packed = cell.packed(backward=True)
    whole = bits(packed, x, slice(None), dy)
    for part in (slice(0, 1), slice(1, rows)):
        for a, b in zip(bits(packed, x, part, dy), whole, strict=True):
            np.testing.assert_array_equal(a, b[part])
    before = get_num_threads()
    try:
        set_num_threads(2)
        for a, b in zip(bits(packed, x, slice(None), dy), whole, strict=True):
            np.testing.assert_array_equal(a, b)
    finally:
        set_num_threads(before)
    layer = layers.RNN(cell)
    layer.build((None, None, 6))
    stream = layer.stream(rows)
    for t in range(30):
        np.testing.assert_array_equal(stream.step(x[:, t]), whole[0][:, t])


def test_gradients_of_weights_do_not_depend_on_threads() -> None:
    if kernels.active().name == "numpy":
        pytest.skip("the reference has no threads")
    rng = np.random.default_rng(0)
    cell = random_cell(1)(64)
    cell.build((None, 6))
    x, dy = (rng.standard_normal((48, 40, n)).astype("float32") for n in (6, 64))
    packed, found, before = cell.packed(backward=True), [], get_num_threads()
    for threads in (1, 2):
        set_num_threads(threads)
        _, _, back = core.forward(packed, x, tape=True)
        assert back is not None
        dweights = [np.zeros(w.shape, "float32") for w in cell.weights]
        back(dy, [None, None], dweights)
        found.append(dweights)
    set_num_threads(before)
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)
