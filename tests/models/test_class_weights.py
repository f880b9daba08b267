"""Class weights, and the ends that callbacks put to evaluations; values are those of Keras 3.15 on JAX."""

from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, callbacks, layers

X, WEIGHTS = np.ones((4, 3), "float32"), {0: 1.0, 1: 3.0}
ONE_HOT = np.eye(2, dtype="float32")[[0, 1, 1, 0]]


def net(units: int, activation: str | None, loss: str) -> Any:
    model = Sequential([Input((3,)), layers.Dense(units, kernel_initializer="ones", activation=activation)])
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    ("units", "activation", "loss", "y", "keras"),
    [
        (2, "softmax", "categorical_crossentropy", ONE_HOT, 1.3862943649291992),
        (2, "softmax", "mse", ONE_HOT, 0.5),
        (2, "sigmoid", "binary_crossentropy", ONE_HOT, 3.097174882888794),
        (2, "softmax", "mse", np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [1, 0]], "float32"), 0.17749999463558197),
        (2, "softmax", "sparse_categorical_crossentropy", np.array([0, 1, 1, 0]), 1.3862943649291992),
        (1, "sigmoid", "binary_crossentropy", np.array([1, 0, 1, 1.0]), 0.8714683651924133),
        (1, None, "mse", np.array([0, 1, 2, 1.4]), 7.420000076293945),
    ],
)
def test_classes_are_weighted(units: int, activation: str | None, loss: str, y: Any, keras: float) -> None:
    history = net(units, activation, loss).fit(X, y, class_weight=WEIGHTS, verbose=0).history
    np.testing.assert_allclose(history["loss"], [keras], rtol=1e-6)


@pytest.mark.parametrize("y", [np.ones((4, 2)), np.array([[0.5, 1.0]] * 4), np.array([[2.0, -1.0]] * 4)])
def test_rows_without_one_class_have_no_weight(y: Any) -> None:
    with pytest.raises(
        ValueError, match=r"class_weight needs one class a row, got y of shape \(4, 2\), whose rows are"
    ):
        net(2, "sigmoid", "binary_crossentropy").fit(X, y, class_weight=WEIGHTS, verbose=0)


class Stops(callbacks.Callback):
    """Ends what runs after its second batch."""

    batches = 0

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches += 1
        self.model.stop_evaluating = batch == 1

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches += 1
        self.model.stop_predicting = batch == 1


def test_callbacks_end_evaluations_and_predictions() -> None:
    model, y = net(1, None, "mse"), np.arange(8.0)
    for _ in range(2):  # the next one begins anew
        stops = Stops()
        assert model.evaluate(np.ones((8, 3)), y, batch_size=2, callbacks=[stops], verbose=0) == 3.5
        assert stops.batches == 2
        stops = Stops()
        assert model.predict(np.ones((8, 3)), batch_size=2, callbacks=[stops], verbose=0).shape == (4, 1)
        assert stops.batches == 2
    assert model.predict(np.ones((8, 3)), verbose=0).shape == (8, 1)
    assert model.evaluate(np.ones((8, 3)), y, verbose=0) == np.square(y - 3).mean()
