"""A script as users write them, checked by mypy and pyright: `assert_type` says what they must see."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import cellstep as keras
from cellstep import layers, ops


class Pooling(layers.Layer):
    """A weighted mean over time, with the arguments that a user writes."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], 1), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        weights = ops.softmax(ops.matmul(inputs, self.kernel), axis=1)
        return ops.sum(weights * inputs, axis=1)

    def compute_output_shape(self, shape: Any) -> Any:
        return (shape[0], shape[2])

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


class Tagger(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = layers.GRU(4, return_sequences=True), layers.Dense(2)

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.head(self.rnn(inputs, training=training))

    def train_step(self, data: Any) -> dict[str, Any]:
        return super().train_step(data)

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None) -> Any:
        return super().compute_loss(x, y, y_pred, sample_weight)


class Watch(keras.callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        assert logs is not None
        self.model.stop_training = logs["loss"] < 0


class Squares(keras.losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.square(y_pred - y_true), axis=-1)


class Largest(keras.metrics.Metric):
    def __init__(self, name: str = "largest") -> None:
        super().__init__(name=name)
        self.value = self.add_weight(name="value", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.value.assign(np.maximum(self.value.numpy(), np.max(y_pred)))

    def result(self) -> Any:
        return self.value


class Pairs(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        return np.ones((4, 6, 3), "float32"), np.ones((4, 1), "float32")


x, y = np.zeros((8, 6, 3), "float32"), np.zeros((8, 1), "float32")

# layers
lstm = layers.LSTM(4, return_sequences=True, dropout=0.1, kernel_initializer="orthogonal", name="lstm")
assert_type(lstm, layers.LSTM)
assert_type(lstm.units, int)
assert_type(lstm(x), NDArray[Any])
assert_type(layers.Dense(2, activation="relu")(x), NDArray[Any])
assert_type(layers.Bidirectional(layers.GRU(4)), layers.Bidirectional)
assert_type(lstm.get_weights(), list[NDArray[Any]])
assert_type(lstm.weights, list[layers.Variable])

# models
model = keras.Sequential([keras.Input((6, 3)), lstm, Pooling(4), layers.Dense(1)])
assert_type(model, keras.Sequential)
model.compile(keras.optimizers.Adam(1e-2, clipnorm=1.0), loss=Squares(), metrics=["mae", Largest()])
history = model.fit(x, y, epochs=2, validation_split=0.25, callbacks=[Watch()], verbose=0)
assert_type(history, keras.callbacks.History)
assert_type(history.history, dict[str, list[float]])
assert_type(history.history["loss"][-1], float)
assert_type(model.predict(x, verbose=0), NDArray[Any])
assert_type(model.predict_on_batch(x), NDArray[Any])
assert_type(model(x), NDArray[Any])
assert_type(model.count_params(), int)
loss, mae, largest = model.evaluate(x, y, verbose=0)
model.optimizer.learning_rate = 0.1
assert_type(lstm.stream(batch_size=8), layers.Stream)
assert_type(lstm.stream(batch_size=8).step(x[:, 0]), NDArray[Any])

# tensors
source = keras.Input((None, 3))
assert_type(source, layers.SymbolicTensor)
encoded, state_h, state_c = layers.LSTM(4, return_sequences=True, return_state=True)(source)
assert_type(encoded, layers.SymbolicTensor)
assert_type(2 * encoded - 1, layers.SymbolicTensor)
assert_type(encoded[:, -1], layers.SymbolicTensor)
assert_type(layers.Concatenate()([state_h, state_c]), layers.SymbolicTensor)
assert_type(layers.add([state_h, state_c]), layers.SymbolicTensor)
assert_type(ops.mean(encoded, axis=1), layers.SymbolicTensor)
assert_type(ops.mean(x, axis=1), NDArray[Any])
assert_type(keras.random.normal((2, 3)), NDArray[Any])
wired = keras.Model(source, [layers.Dense(1)(state_h), layers.Dense(2)(encoded)])
assert_type(wired, keras.Model)
last, each = wired.predict(x, verbose=0)
assert_type(keras.models.clone_model(wired), keras.Model)

# data, and what is trained with
tagger = Tagger()
tagger.compile("sgd", "mse")
assert_type(tagger.fit(x, np.zeros((8, 6, 2)), verbose=0), keras.callbacks.History)
model.fit(Pairs(workers=1), epochs=1, verbose=0)
assert_type(keras.utils.pad_sequences([[1], [2, 3]], maxlen=2), NDArray[Any])
assert_type(keras.utils.to_categorical([0, 1]), NDArray[Any])
rate = keras.optimizers.schedules.ExponentialDecay(1e-2, decay_steps=10, decay_rate=0.9)
assert_type(keras.optimizers.AdamW(rate), keras.optimizers.AdamW)
assert_type(keras.losses.Huber(delta=2.0), keras.losses.Huber)
assert_type(keras.losses.mean_squared_error(y, y), NDArray[Any])
assert_type(keras.metrics.AUC(num_thresholds=10), keras.metrics.AUC)
assert_type(keras.callbacks.EarlyStopping(patience=2), keras.callbacks.EarlyStopping)
assert_type(keras.regularizers.L2(1e-3), keras.regularizers.L2)

# the lab
flow = keras.lab.gradient_flow(["LSTM"], x)
assert_type(flow, keras.lab.GradientFlow)
assert_type(flow.summary(), str)
