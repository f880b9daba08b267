"""Properties that hold for whatever Hypothesis draws; what it finds it makes small.

CELLSTEP_EXAMPLES=10000 pytest tests/hardening/test_properties.py tries as many of each.
"""

from __future__ import annotations

import copy
import os
import pickle
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from random_cells import WILD, WRITTEN, off
from table import OPTIONS

from cellstep import Input, Sequential, cells, functional, kernels, layers

EXAMPLES = int(os.environ.get("CELLSTEP_EXAMPLES", 30))
BACKEND = kernels.active().name
# cells that were written are compiled for seconds by Numba alone
CELLS = [*list(kernels.CELLS.values())[:3], *(getattr(cells, name) for name in WRITTEN if BACKEND != "numba")]

quick = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@st.composite
def arrays(draw: Any, shape: tuple[int, ...], limit: float = 1.0) -> np.ndarray:
    """Numbers in float32 with any strides: axes in any order in memory, backwards, or with gaps between them. They are
    multiples of 1/64, so that no number is denormal, and activations with a corner meet it alike in every dtype."""
    most = int(64 * limit)
    values = draw(hnp.arrays("i2", shape, elements=st.integers(-most, most))).astype("f4") / 64
    order = draw(st.permutations(range(len(shape))))
    steps = draw(st.tuples(*[st.sampled_from([1, 2, -1, -3])] * len(shape)))
    room = np.empty([shape[k] * abs(steps[k]) for k in order], "f4").transpose(np.argsort(order))
    view = room[tuple(slice(None, None, step) for step in steps)]
    view[...] = values
    if draw(st.booleans()):
        view.flags.writeable = False
    return view


@st.composite
def passes(draw: Any) -> dict[str, Any]:
    """A cell, its options and weights, and all that a pass may be given."""
    kind = draw(st.sampled_from(CELLS))
    row = functional.any_cell.row_of(kind)
    options = {}
    if row.equations is None:
        tame = {name: [value for value in OPTIONS[name] if value not in WILD] for name in row.option_names}
        options = {name: draw(st.sampled_from(tame[name])) for name in row.option_names}
    T, B = draw(st.integers(0, 6)), draw(st.integers(0, 4))
    sizes = {"I": draw(st.integers(1, 9)), "H": draw(st.integers(1, 18)), "P": draw(st.integers(1, 7))}
    sizes |= {state.size: sizes.get(state.size, sizes["H"]) for state in row.states}
    weights: list[Any] = [draw(arrays(shape, 0.5)) for shape in row.shapes(sizes, options)]
    if draw(st.booleans()):
        weights[row.weight_names.index(row.bias)] = None
    size = [(B, sizes[state.size]) for state in row.states]
    steps = draw(st.sampled_from(["all", "mask", "lengths"]))
    flags = hnp.arrays(bool, (B, T))
    return {
        "kind": kind,
        "options": options,
        "weights": weights,
        "x": draw(arrays((B, T, sizes["I"]), 3)),
        "states": [draw(arrays(shape)) for shape in size],
        "mask": draw(flags) if steps == "mask" else None,
        "lengths": draw(hnp.arrays("i8", (B,), elements=st.integers(0, T))) if steps == "lengths" else None,
        "resets": draw(st.none() | flags),
        "drop": draw(st.none() | arrays(size[0], 2)),
        "go_backwards": draw(st.booleans()),
        "dy": draw(st.none() | arrays((B, T, size[0][1]))),
        "dstates": [draw(st.none() | arrays(shape)) for shape in size],
    }


STEPS = ("mask", "lengths", "resets", "drop", "go_backwards")


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """The same numbers; gates without bounds may have grown to NaN in both."""
    return np.array_equal(a, b, equal_nan=True)


def answers(p: dict[str, Any], dtype: str, backend: str) -> list[np.ndarray]:
    def to(a: Any) -> Any:
        return None if a is None else a.astype(dtype) if dtype == "f8" else a

    with kernels.use(backend), np.errstate(all="ignore"):
        packed = functional.pack(p["kind"], *map(to, p["weights"]), **p["options"])
        steps = {name: p[name] for name in STEPS}
        y, last, tape = functional.forward(packed, to(p["x"]), [to(s) for s in p["states"]], tape=True, **steps)
        back = functional.backward(tape, to(p["dy"]), [to(d) for d in p["dstates"]])
    return [y, *last, back.x, *back.initial_state, *back.weights.values()]


@quick
@given(passes())
def test_a_pass_is_that_of_the_reference(p: dict[str, Any]) -> None:
    right = answers(p, "f8", "numpy")
    if all(np.abs(a).max(initial=0) < 1e3 for a in right):
        assert off(answers(p, "f8", BACKEND), right) < 1e-9
        ours = off(answers(p, "f4", BACKEND), right)
        assert ours < 1e-3 or ours < 10 * off(answers(p, "f4", "numpy"), right)


@quick
@given(passes())
def test_rows_and_steps_by_themselves_give_the_same_bits(p: dict[str, Any]) -> None:
    if BACKEND == "numpy":
        return  # BLAS sums in an order of its own
    packed = functional.pack(p["kind"], *p["weights"], **p["options"])
    B, T, _ = p["x"].shape
    y, last, _ = functional.forward(packed, p["x"], p["states"])
    for b in range(B):
        row = functional.forward(packed, p["x"][b : b + 1], [s[b : b + 1] for s in p["states"]])
        assert same(row.y[0], y[b])
    states: Any = p["states"]
    for t in range(T):
        states = functional.step(packed, p["x"][:, t], states)
        assert same(states[0], y[:, t])
    assert all(map(same, states, last))


@settings(quick, stateful_step_count=15, max_examples=max(5, EXAMPLES // 3))
class Streams(RuleBasedStateMachine):
    """Calls of a stream in any order, against states that are carried by hand."""

    @initialize(
        kind=st.sampled_from([layers.LSTM, layers.GRU, layers.SimpleRNN]),
        B=st.integers(1, 3),
        seed=st.integers(0, 9),
        dtype=st.sampled_from(["float32", "float64"]),
    )
    def begin(self, kind: Any, B: int, seed: int, dtype: str) -> None:
        layer = kind(5, dtype=dtype, kernel_initializer="glorot_uniform", seed=seed)
        layer.build((None, None, 3))
        self.B, self.dtype, self.stream = B, dtype, layer.stream(B)
        self.packed = functional.pack(kind.cell_class.contract, *layer.get_weights())
        self.zeros = [np.zeros((B, 5), dtype) for _ in self.packed.cell.states]
        self.states: Any = self.zeros

    @rule(data=st.data())
    def step(self, data: Any) -> None:
        x = data.draw(arrays((self.B, 3)))
        self.states = functional.step(self.packed, x, self.states)
        assert np.array_equal(self.stream.step(x), self.states[0])

    @rule(data=st.data(), T=st.integers(0, 4))
    def steps(self, data: Any, T: int) -> None:
        y, self.states, _ = functional.forward(self.packed, x := data.draw(arrays((self.B, T, 3))), self.states)
        assert np.array_equal(self.stream.steps(x), y)

    @rule(data=st.data())
    def reset(self, data: Any) -> None:
        rows = data.draw(hnp.arrays(bool, self.B))
        self.stream.reset(rows)
        self.states = [np.where(rows[:, None], 0, s) for s in self.states]

    @rule()
    def begin_again(self) -> None:
        self.stream.reset()
        self.states = self.zeros

    @rule(how=st.sampled_from([copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]))
    def another(self, how: Any) -> None:
        self.stream = how(self.stream)

    @rule(wrong=st.sampled_from([None, "x", np.zeros((9, 3)), np.zeros(3), np.zeros((1, 2, 3, 4)), object()]))
    def refused(self, wrong: Any) -> None:
        for call in (self.stream.step, self.stream.steps):
            try:
                call(wrong)
            except (TypeError, ValueError):
                continue
            raise AssertionError(f"{wrong} was taken")

    @precondition(lambda self: hasattr(self, "states"))
    @invariant()
    def carries(self) -> None:
        for name, value in self.stream.state.items():
            assert np.array_equal(value, self.states[self.packed.cell.state_names.index(name[-1])])


@settings(quick, stateful_step_count=8, max_examples=max(4, EXAMPLES // 6))
class Fits(RuleBasedStateMachine):
    """A model and its double, made at any moment by pickle or a copy, give the same whatever is called in between."""

    @initialize(kind=st.sampled_from([layers.LSTM, layers.GRU]), optimizer=st.sampled_from(["adam", "sgd", "rmsprop"]))
    def begin(self, kind: Any, optimizer: str) -> None:
        self.model = Sequential([Input((None, 3)), kind(4), layers.Dense(2)])
        self.model.compile(optimizer, "mse", metrics=["mae"])
        self.double = copy.deepcopy(self.model)

    @rule(n=st.integers(1, 9), T=st.integers(1, 4), size=st.integers(1, 5), seed=st.integers(0, 99))
    def fit(self, n: int, T: int, size: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((n, T, 3), "f4"), rng.standard_normal((n, 2), "f4")
        a, b = (m.fit(x, y, batch_size=size, shuffle=False, verbose=0) for m in (self.model, self.double))
        assert a.history == b.history

    @rule(n=st.integers(1, 5), seed=st.integers(0, 99))
    def one_batch(self, n: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((n, 2, 3), "f4"), rng.standard_normal((n, 2), "f4")
        assert self.model.train_on_batch(x, y) == self.double.train_on_batch(x, y)

    @rule(how=st.sampled_from([copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]))
    def double_again(self, how: Any) -> None:
        self.double = how(self.model)

    @rule(columns=st.sampled_from([1, 3, 7]))
    def refused(self, columns: int) -> None:
        for call in (self.model.fit, self.model.train_on_batch, self.model.test_on_batch):
            try:
                call(np.zeros((4, 2, 3), "f4"), np.zeros((4, columns), "f4"))
            except ValueError:
                continue
            raise AssertionError("targets of another shape were taken")

    @precondition(lambda self: hasattr(self, "double"))
    @invariant()
    def same(self) -> None:
        assert all(map(np.array_equal, self.model.get_weights(), self.double.get_weights()))


TestStreams = Streams.TestCase
TestFits = Fits.TestCase
