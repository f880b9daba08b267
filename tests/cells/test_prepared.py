"""What a step makes of vectors alone is made once, and its gradients are those of the vectors."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cellstep import Cell, activations, core, initializers, kernels, testing


@pytest.fixture(scope="module")
def kinds(_rows: None) -> dict[str, Any]:
    class Decays(Cell):
        """A vector as it is, one in two functions, and one that no step reads."""

        gates = "n m"
        vectors = "p q unread"

        def step(self, z: Any, h: Any) -> Any:
            decay = np.exp(-activations.softplus(self.p + self.q))
            return decay * h + np.sin(self.q) * np.tanh(z.n) + self.p * z.x.m

    class OfMemory(Cell):
        """A product of a state that the step makes, which backward needs as it is after the step."""

        gates = "a b"
        states = "h c"
        vectors = "p"

        def step(self, z: Any, h: Any, c: Any) -> Any:
            c = np.tanh(np.exp(self.p) * c + z.x.a)
            return z.x.b + self.product(c, "a") + h, c

    return {"Decays": Decays, "OfMemory": OfMemory}


@pytest.mark.parametrize("name", ["Decays", "OfMemory"])
def test_gradients(name: str, kinds: dict[str, Any], backend: kernels.Backend) -> None:
    testing.check_cell(kinds[name](3), batch=2, steps=3, backends=[backend.name])


def test_steps_have_what_was_prepared(kinds: dict[str, Any]) -> None:
    e = kinds["Decays"](3).contract.equations
    assert e.vectors == ("p", "q", "unread")
    inner = e.prepared.inner
    assert len(inner.vectors) == 3  # p, and two functions
    assert not {"exp", "sin", "log1p"} & {node.op for node in inner.nodes}


def test_packed_weights_are_pickled(kinds: dict[str, Any], backend: kernels.Backend) -> None:
    cell = kinds["Decays"](3)
    cell.build((None, 2))
    for w in cell.weights:
        w.assign(np.random.default_rng(0).standard_normal(w.shape))
    packed = core.pack(cell.contract, *map(np.asarray, cell.weights), backward=True, backend=backend)
    x = np.ones((2, 4, 2), "f")
    again = replace(packed, weights=pickle.loads(pickle.dumps(packed.weights)))
    np.testing.assert_array_equal(core.forward(packed, x)[0], core.forward(again, x)[0])


def test_the_ring_of_an_lru() -> None:
    nu = initializers.get("ring_radius")((20000,))
    radius = np.exp(-np.exp(np.asarray(nu, float)))
    assert 0.4 <= radius.min() < 0.41
    assert 0.985 < radius.max() <= 0.99
    assert abs((radius**2).mean() - (0.16 + 0.9801) / 2) < 0.01  # uniform over the area
    phase = np.exp(initializers.RingPhase(0.5, seed=1)((20000,)))
    assert phase.min() > 0
    assert phase.max() <= 0.5
    assert abs(phase.mean() - 0.25) < 0.01
    for kind, options in ((initializers.RingRadius, {"r_min": 0.5, "r_max": 0.4}), (initializers.RingPhase, {})):
        with pytest.raises(ValueError, match=r"r_min < r_max|must be positive"):
            kind(**(options or {"max_phase": 0.0}))
