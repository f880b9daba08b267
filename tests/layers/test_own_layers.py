"""Layers of the user's own: `forward` takes the arguments that it needs, and its weights are there when it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, Sequential, layers

X = np.random.default_rng(3).standard_normal((4, 5, 3)).astype("float32")
X[1, 3:] = 0


def gain(arguments: str) -> type[layers.Layer]:
    """A layer that multiplies by a weight, with a `forward` of these arguments."""
    space: dict[str, Any] = {}
    exec(
        f"def forward(self, {arguments}):\n"
        "    def pullback(dy, need_dx=True):\n"
        "        self.g.grad[...] += (dy * x).sum((0, 1))\n"
        "        return dy * self.g.value\n"
        "    return x * self.g.value, pullback\n",
        space,
    )

    def make_weights(self: Any, input_shape: Any) -> None:
        self.g = self.add_weight("g", (input_shape[-1],), "ones")

    return type("Gain", (layers.Layer,), {"forward": space["forward"], "make_weights": make_weights})


FORMS = ["x", "x, training=False", "x, mask=None", "x, initial_state=None", "x, **options", "x, *, training"]
FORMS += ["x, mask=None, initial_state=None, training=False"]


@pytest.mark.parametrize("arguments", FORMS)
def test_forward_takes_what_it_needs(arguments: str) -> None:
    kind = gain(arguments)
    alone = kind()
    np.testing.assert_array_equal(alone(X), X)
    np.testing.assert_array_equal(alone(X, mask=np.ones((4, 5), bool), training=True), X)
    model = Sequential([Input((None, 3)), layers.Masking(), kind(), layers.GRU(2)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(X, np.zeros((4, 2)), verbose=0)
    assert (model.get_weights()[0] != before[0]).all()
    # masks go on past the layer
    short = model.predict(X[1:2, :3], verbose=0)
    np.testing.assert_allclose(model.predict(X[1:2], verbose=0), short, atol=1e-6)


@pytest.mark.parametrize("arguments", ["x", "x, training=False", "x, mask=None"])
def test_a_state_that_forward_does_not_take_is_refused(arguments: str) -> None:
    with pytest.raises(TypeError, match="initial_state must be None, as Gain has no states, got one"):
        gain(arguments)()(X, initial_state=[X[:, 0]])


class Pair(layers.Layer):
    """Two inputs, and a weight of the shape of both."""

    def make_weights(self, input_shape: Any) -> None:
        self.w = self.add_weight("w", (input_shape[0][-1], input_shape[1][-1]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape[0])

    def forward(self, x: Any) -> Any:
        a, b = x

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            self.w.grad[...] += np.einsum("bti,btj->ij", dy, b)
            return [dy, dy @ self.w.value]

        return a + b @ self.w.value.T, pullback


def test_several_inputs() -> None:
    two = X[..., :2]
    layer = Pair()
    alone = layer([X, two])
    assert alone.shape == X.shape
    a, b = Input((5, 3)), Input((5, 2))
    model = Model([a, b], Pair()([a, b]))
    model.set_weights(layer.get_weights())
    np.testing.assert_array_equal(model.predict([X, two], verbose=0), alone)


def test_an_error_inside_of_forward_is_shown_as_it_is() -> None:
    class Wrong(layers.Layer):
        def forward(self, x: Any, training: bool = False) -> Any:
            return np.tanh(x, unknown=training)

    with pytest.raises(TypeError, match="unknown"):
        Wrong()(X)
