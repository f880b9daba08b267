"""Programs written for Keras that change the import and nothing else: each runs on both, with results of one shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cellstep

X = np.random.default_rng(0).standard_normal((8, 6, 3)).astype("float32")
IDS = np.random.default_rng(1).integers(1, 9, (8, 6))
Y = X.mean((1, 2))[:, None]
LABELS = np.arange(8) % 3


def sequence_regression(keras: Any) -> Any:
    from_, layers = keras.Sequential, keras.layers
    model = from_([keras.Input(shape=(None, 3)), layers.LSTM(5), layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    history = model.fit(X, Y, batch_size=4, epochs=2, validation_split=0.25, verbose=0)
    return sorted(history.history), model.predict(X, verbose=0)


def tagging_with_masks(keras: Any) -> Any:
    layers = keras.layers
    model = keras.models.Sequential()
    model.add(keras.Input(shape=(None,), dtype="int32"))
    model.add(layers.Embedding(input_dim=10, output_dim=4, mask_zero=True))
    model.add(layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode="sum"))
    model.add(layers.TimeDistributed(layers.Dense(3, activation="softmax")))
    model.compile(keras.optimizers.RMSprop(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(IDS.astype("float64"), IDS % 3, epochs=1, verbose=0)
    return model.evaluate(IDS, IDS % 3, verbose=0, return_dict=True).keys(), model(IDS)


def encoder_decoder(keras: Any) -> Any:
    layers = keras.layers
    source, target = keras.Input(shape=(None, 3)), keras.Input(shape=(None, 3))
    _, h, c = layers.LSTM(4, return_state=True)(source)
    decoded = layers.LSTM(4, return_sequences=True)(target, initial_state=[h, c])
    model = keras.Model(inputs=[source, target], outputs=layers.Dense(3)(decoded))
    model.compile(loss=keras.losses.MeanSquaredError(), optimizer=keras.optimizers.SGD(0.01, momentum=0.9))
    return model.fit([X, X], X, verbose=0).history.keys(), model.predict([X, X], verbose=0)


def two_outputs_by_name(keras: Any) -> Any:
    layers = keras.layers
    inputs = keras.Input((6, 3), name="series")
    h = layers.SimpleRNN(4, activation="relu")(inputs)
    outputs = {"value": layers.Dense(1, name="value")(h), "kind": layers.Dense(3, name="kind")(h)}
    model = keras.Model(inputs, outputs)
    loss = {"value": "mae", "kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    model.compile("adam", loss=loss, loss_weights={"value": 0.5, "kind": 1.0})
    model.fit({"series": X}, {"value": Y, "kind": LABELS}, verbose=0)
    return model.predict(X, verbose=0)["kind"]


def attention(keras: Any) -> Any:
    layers = keras.layers
    inputs = keras.layers.Input(shape=(6, 3))
    h = layers.GRU(4, return_sequences=True)(inputs)
    context = layers.Attention(use_scale=True)([h, h])
    pooled = layers.GlobalAveragePooling1D()(layers.Concatenate()([h, context]))
    model = keras.models.Model(inputs, layers.Dropout(0.1)(pooled))
    return model.predict(X, verbose=0)


def stateful_reading(keras: Any) -> Any:
    layer = keras.layers.LSTM(4, stateful=True, return_sequences=True)
    model = keras.Sequential([keras.Input(batch_shape=(8, 2, 3)), layer])
    parts = [model.predict(X[:, i : i + 2], batch_size=8, verbose=0) for i in (0, 2, 4)]
    layer.reset_state()
    return np.concatenate(parts, axis=1)


def cells(keras: Any) -> Any:
    layers = keras.layers
    stacked = layers.RNN([layers.LSTMCell(4), layers.GRUCell(5), layers.SimpleRNNCell(2)], return_state=True)
    outputs = stacked(X)
    return outputs[0], len(outputs)


def one_step_of_a_cell(keras: Any) -> Any:
    cell = keras.layers.LSTMCell(4)
    states = cell.get_initial_state(batch_size=8)
    for t in range(6):
        output, states = cell(X[:, t], states)
    return output


def options_of_a_layer(keras: Any) -> Any:
    layer = keras.layers.GRU(
        4,
        kernel_initializer=keras.initializers.HeNormal(seed=1),
        recurrent_regularizer=keras.regularizers.L2(1e-3),
        bias_constraint=keras.constraints.MaxNorm(2.0),
        dropout=0.1,
        recurrent_dropout=0.1,
        go_backwards=True,
        reset_after=False,
        unroll=True,
        seed=3,
    )
    return layer(X, training=True)


def masks_by_hand(keras: Any) -> Any:
    layer = keras.layers.LSTM(4, return_sequences=True, zero_output_for_mask=True)
    return layer(X, mask=np.arange(6) < np.arange(1, 9)[:, None] % 7)


def masking_layer(keras: Any) -> Any:
    masked = keras.layers.Masking(mask_value=0.0)
    x = X.copy()
    x[:, 4:] = 0
    return masked.compute_mask(x), keras.layers.LSTM(3)(masked(x))


def bidirectional_states(keras: Any) -> Any:
    layer = keras.layers.Bidirectional(keras.layers.LSTM(3, return_state=True))
    return layer(X)


def callbacks(keras: Any) -> Any:
    model = keras.Sequential([keras.Input((6, 3)), keras.layers.GRU(3), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    watch = [
        keras.callbacks.EarlyStopping(monitor="loss", patience=1, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=2),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
        keras.callbacks.TerminateOnNaN(),
    ]
    history = model.fit(X, Y, epochs=3, callbacks=watch, verbose=0, shuffle=False)
    return sorted(history.history), model.predict(X, verbose=0)


def schedules(keras: Any) -> Any:
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=10, decay_rate=0.9)
    model = keras.Sequential([keras.Input((6, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.01, clipnorm=1.0), "huber")
    return model.train_on_batch(X, Y), model.predict_on_batch(X)


def generators(keras: Any) -> Any:
    model = keras.Sequential([keras.Input((6, 3)), keras.layers.LSTM(3), keras.layers.Dense(1)])
    model.compile("adam", "mse")

    def batches() -> Any:
        while True:
            yield X[:4], Y[:4]

    history = model.fit(batches(), steps_per_epoch=3, epochs=2, verbose=0)
    return len(history.history["loss"]), model.predict(X, verbose=0)


def class_weights(keras: Any) -> Any:
    model = keras.Sequential([keras.Input((6, 3)), keras.layers.LSTM(3), keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", "categorical_crossentropy", metrics=[keras.metrics.CategoricalAccuracy(name="acc")])
    one_hot = keras.utils.to_categorical(LABELS, num_classes=3)
    model.fit(X, one_hot, class_weight={0: 1.0, 1: 2.0, 2: 1.0}, verbose=0)
    return model.predict(X, verbose=0)


def padded_words(keras: Any) -> Any:
    ids = keras.utils.pad_sequences([[1, 2, 3], [4], [5, 6]], padding="post", maxlen=4)
    model = keras.Sequential([keras.layers.Embedding(8, 3, mask_zero=True), keras.layers.LSTM(2)])
    return ids, model(ids)


def convolutions(keras: Any) -> Any:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 3)),
            layers.Conv1D(4, kernel_size=3, padding="causal", activation="relu"),
            layers.MaxPooling1D(2),
            layers.BatchNormalization(),
            layers.LayerNormalization(),
            layers.SpatialDropout1D(0.1),
            layers.LSTM(3),
            layers.Reshape((3, 1)),
            layers.Permute((2, 1)),
            layers.Flatten(),
            layers.RepeatVector(2),
        ]
    )
    return model.predict(X, verbose=0)


def activations(keras: Any) -> Any:
    layers = keras.layers
    x = layers.Activation("tanh")(layers.LeakyReLU()(layers.ReLU()(X)))
    return keras.activations.get("relu")(x[0]), layers.Softmax()(x), layers.Dense(2, keras.activations.sigmoid)(x)


def merging(keras: Any) -> Any:
    a, b = keras.Input((6, 3)), keras.Input((6, 3))
    layers = keras.layers
    merged = [layers.Add()([a, b]), layers.Multiply()([a, b]), layers.Average()([a, b]), layers.Subtract()([a, b])]
    model = keras.Model([a, b], layers.Dot(axes=2)([layers.Concatenate()(merged), layers.Concatenate()(merged)]))
    return model.predict([X, X], verbose=0)


def subclass(keras: Any) -> Any:
    class Tagger(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.rnn = keras.layers.GRU(4, return_sequences=True)
            self.head = keras.layers.Dense(2)

        def call(self, x: Any, training: Any = None) -> Any:
            return self.head(self.rnn(x, training=training))

    model = Tagger()
    model.compile("adam", "mse")
    model.fit(X, X[..., :2], verbose=0)
    return model.predict(X, verbose=0)


def weights_and_configs(keras: Any) -> Any:
    model = keras.Sequential([keras.Input((6, 3)), keras.layers.LSTM(3, name="rnn"), keras.layers.Dense(1)])
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    again = keras.Sequential.from_config(model.get_config())
    assert np.allclose(twin.predict(X, verbose=0), model.predict(X, verbose=0))
    return [w.shape for w in again.get_weights()], again.get_layer("rnn").units, model.count_params()


def seeds(keras: Any) -> Any:
    keras.utils.set_random_seed(5)
    first = keras.layers.LSTM(3)(X)
    keras.utils.set_random_seed(5)
    assert np.allclose(first, keras.layers.LSTM(3)(X))
    return first


def older_keras(keras: Any) -> Any:
    model = keras.Sequential()
    model.add(keras.layers.LSTM(4, input_shape=(6, 3), return_sequences=True))
    model.add(keras.layers.LSTM(2))
    return model.built, model.predict(X, verbose=0)


def optimizers(keras: Any) -> Any:
    found = []
    for name in ("SGD", "RMSprop", "Adam", "AdamW", "Nadam", "Adamax", "Adagrad", "Adadelta", "Lion"):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
        model.compile(getattr(keras.optimizers, name)(learning_rate=0.01), loss="mse")
        model.fit(X[:, 0], Y, epochs=1, shuffle=False, verbose=0)
        found.append(model.predict(X[:, 0], verbose=0))
    return found


PROGRAMS: list[Callable[[Any], Any]] = [
    sequence_regression,
    tagging_with_masks,
    encoder_decoder,
    two_outputs_by_name,
    attention,
    stateful_reading,
    cells,
    one_step_of_a_cell,
    options_of_a_layer,
    masks_by_hand,
    masking_layer,
    bidirectional_states,
    callbacks,
    schedules,
    generators,
    class_weights,
    padded_words,
    convolutions,
    activations,
    merging,
    subclass,
    weights_and_configs,
    seeds,
    older_keras,
    optimizers,
]


def form(result: Any) -> Any:
    """Shapes in place of arrays, and everything else as it is."""
    if isinstance(result, list | tuple):
        return [form(part) for part in result]
    if isinstance(result, float | int | bool | str) or result is None:
        return type(result).__name__ if isinstance(result, float) else result
    if hasattr(result, "keys") or type(result).__name__ == "dict_keys":
        return sorted(result)
    return np.shape(result)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_a_program_runs_alike(program: Callable[[Any], Any]) -> None:
    keras = pytest.importorskip("keras")
    assert form(program(cellstep)) == form(program(keras))


def test_the_names_of_keras_are_there() -> None:
    """`from keras import ...` with another package."""
    names = (
        "Input, Model, Sequential, activations, callbacks, constraints, initializers, layers, losses, metrics, models"
    )
    exec(f"from cellstep import {names}, optimizers, regularizers, utils, random", {})
