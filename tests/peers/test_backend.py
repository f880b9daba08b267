"""Functions that `keras.backend` had in Keras 2, against `keras.ops`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from cellstep import Input, Model, Sequential, Variable, backend, layers, ops

X = np.random.default_rng(3).uniform(-1.5, 1.5, (2, 4, 3)).astype("float32")
Z = np.random.default_rng(4).uniform(0.1, 0.9, (2, 3, 5)).astype("float32")

#: Function of the backend, and of keras.ops and x the same.
CALLS: list[tuple[Any, Any]] = [
    (lambda K, x: K.argmax(x), lambda o, x: o.argmax(x, -1)),
    (lambda K, x: K.argmin(x), lambda o, x: o.argmin(x, -1)),
    (lambda K, x: K.batch_dot(x, x[:, 1:]), lambda o, x: o.matmul(x, x[:, 1:])),
    (lambda K, x: K.batch_dot(x, x, axes=2), lambda o, x: o.matmul(x, o.transpose(x, (0, 2, 1)))),
    (lambda K, x: K.batch_dot(x[:, 0], x[:, 1], axes=1), lambda o, x: o.sum(x[:, 0] * x[:, 1], -1, keepdims=True)),
    (lambda K, x: K.batch_dot(x, x[:, 0], axes=(2, 1)), lambda o, x: o.sum(x * x[:, :1], -1)),
    (lambda K, x: K.batch_flatten(x), lambda o, x: o.reshape(x, (-1, 12))),
    (lambda K, x: K.bias_add(x, np.ones(3, "float32")), lambda o, x: x + 1),
    (lambda K, x: K.clip(x, -0.5, 0.5), lambda o, x: o.clip(x, -0.5, 0.5)),
    (lambda K, x: K.concatenate([x, x]), lambda o, x: o.concatenate([x, x], -1)),
    (lambda K, x: K.cumsum(x, axis=1), lambda o, x: o.cumsum(x, 1)),
    (lambda K, x: K.expand_dims(x), lambda o, x: o.expand_dims(x, -1)),
    (lambda K, x: K.hard_sigmoid(x), lambda o, x: o.clip(0.2 * x + 0.5, 0, 1)),
    (lambda K, x: K.l2_normalize(x, axis=-1), lambda o, x: o.normalize(x, -1)),
    (lambda K, x: K.cast(K.greater(x, 0.5), "float32"), lambda o, x: o.cast(x > 0.5, "float32")),
    (lambda K, x: K.maximum(K.minimum(x, 0.5), 0.0), lambda o, x: o.clip(x, 0, 0.5)),
    (lambda K, x: K.permute_dimensions(x, (0, 2, 1)), lambda o, x: o.transpose(x, (0, 2, 1))),
    (lambda K, x: K.pow(x, 2) + K.square(x), lambda o, x: 2 * x * x),
    (lambda K, x: K.relu(x), lambda o, x: o.relu(x)),
    (lambda K, x: K.relu(x, alpha=0.1, max_value=1), lambda o, x: o.minimum(o.leaky_relu(x, 0.1), 1)),
    (lambda K, x: K.repeat(x[:, 0], 5), lambda o, x: o.repeat(x[:, :1], 5, 1)),
    (lambda K, x: K.repeat_elements(x, 2, axis=1), lambda o, x: o.repeat(x, 2, 1)),
    (lambda K, x: K.reshape(x, (-1, 6)), lambda o, x: o.reshape(x, (-1, 6))),
    (lambda K, x: K.reverse(x, 1), lambda o, x: o.flip(x, 1)),
    (lambda K, x: K.softmax(x, axis=1), lambda o, x: o.softmax(x, 1)),
    (lambda K, x: K.switch(x > 0, x, lambda: 2 * x), lambda o, x: o.where(x > 0, x, 2 * x)),
    (lambda K, x: K.temporal_padding(x), lambda o, x: o.pad(x, ((0, 0), (1, 1), (0, 0)))),
    (lambda K, x: K.mean(K.abs(x), axis=-1, keepdims=True), lambda o, x: o.mean(o.abs(x), -1, keepdims=True)),
    (lambda K, x: K.zeros_like(x) + K.ones_like(x) + K.constant(2.0), lambda o, x: o.full_like(x, 3)),
    (lambda K, x: K.sqrt(K.exp(x)) + K.log(K.sigmoid(x)), lambda o, x: o.sqrt(o.exp(x)) + o.log(o.sigmoid(x))),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_functions_of_the_backend_are_those_of_keras_on_arrays_and_tensors(number: int) -> None:
    ours, theirs = CALLS[number]
    wanted = np.asarray(theirs(keras.ops, keras.ops.convert_to_tensor(X)))
    found = ours(backend, X)
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    x = Input((4, 3))
    np.testing.assert_allclose(Model(x, ours(backend, x))(X), wanted, rtol=1e-5, atol=1e-6)


def test_arrays_that_the_backend_makes() -> None:
    assert backend.arange(3).dtype == np.int32
    np.testing.assert_array_equal(backend.eye(2), np.eye(2))
    assert backend.zeros((2,), "int32").dtype == np.int32
    assert backend.random_normal((2, 3), seed=1).shape == (2, 3)
    assert backend.random_uniform((2, 3), -1, 1).dtype == np.float32
    assert set(np.unique(backend.random_bernoulli((50,), 0.5, seed=1))) == {0, 1}
    assert backend.int_shape(Input((None, 3))) == (None, None, 3)
    assert backend.count_params(Variable(np.ones((2, 3)))) == 6


def test_variables_of_the_backend_are_read_and_set() -> None:
    v = backend.variable(2.0)
    assert v.dtype == np.float32
    backend.set_value(v, 3.0)
    assert backend.get_value(v) == 3
    assert backend.get_value(backend.update_add(v, 1.0)) == 4
    backend.batch_set_value([(v, 7.0)])
    assert backend.batch_get_value([v]) == [7]
    with backend.name_scope("part"):
        assert backend.eval(backend.update_sub(v, 1.0)) == 6


def test_losses_and_metrics_of_the_backend_train() -> None:
    def smape(y_true: Any, y_pred: Any) -> Any:
        return backend.mean(backend.abs(y_true - y_pred) / (backend.abs(y_true) + backend.epsilon()), axis=-1)

    net = Sequential([layers.LSTM(4), layers.Dense(1)])
    net.compile("adam", smape, metrics=[lambda y, p: backend.sqrt(backend.mean(backend.square(y - p)))])
    first, *_, last = net.fit(X, Z[:, 0, :1], epochs=20, verbose=0).history["loss"]
    assert last < first


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("learning_phase", "'learning_phase': a layer's call is told by its argument `training`, and model"),
        ("placeholder", "'placeholder': layers.Input"),
        ("rnn", "'rnn': a cell of your own in layers.RNN"),
        ("conv2d", "'conv2d'; cellstep.ops has functions of tensors and arrays"),
    ],
)
def test_what_the_backend_leaves_out(name: str, words: str) -> None:
    with pytest.raises(AttributeError, match=words):
        getattr(backend, name)


def test_ops_of_plain_values() -> None:
    x = Input((None, 3))
    assert (ops.ndim(x), ops.ndim(X), ops.size(X), ops.dtype(x), ops.dtype(1.5)) == (3, 3, 24, "float32", "float32")
    assert ops.is_tensor(x)
    assert ops.is_tensor(X)
    assert not ops.is_tensor([1])
    assert ops.shape(X) == (2, 4, 3)
    np.testing.assert_array_equal(ops.convert_to_numpy(Variable(X)), X)
    with pytest.raises(TypeError, match="has no values before a model runs"):
        ops.convert_to_numpy(x)
