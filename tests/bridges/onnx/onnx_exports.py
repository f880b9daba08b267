"""Models to write as ONNX, each with its inputs; and their weights, drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cellstep import Input, Model, Sequential, layers, ops


class Case(NamedTuple):
    """A model, arrays for its inputs, and whether `lengths` are given."""

    make: Callable[[], tuple[Any, list[Any]]]
    lengths: bool = False


def drawn(model: Any) -> Any:
    """The model with weights that are not those of a new one."""
    rng = np.random.default_rng(7)
    for w in model.weights:
        positive = "variance" in w.path
        w.assign(rng.uniform(0.5, 2, w.shape) if positive else rng.normal(size=w.shape) * 0.4)
    return model


def numbers(*shape: int) -> Any:
    return np.random.default_rng(1).normal(size=shape).astype("f4")


def steps_of(x: Any) -> Any:
    """The number of steps of each row."""
    return np.array([1 + i % x.shape[1] for i in range(len(x))], np.int32)


def _line(*made: Any, shape: Any = (None, 4)) -> Callable[[], tuple[Any, list[Any]]]:
    size = [n or 6 for n in shape]
    return lambda: (drawn(Sequential([Input(shape), *[make() for make in made]])), [numbers(3, *size)])


def recurrent() -> dict[str, Case]:
    cases: dict[str, Case] = {}
    options: list[dict[str, Any]] = [
        {},
        {"return_sequences": True},
        {"go_backwards": True},
        {"go_backwards": True, "return_sequences": True},
        {"use_bias": False},
        {"num_layers": 2, "return_sequences": True},
        {"activation": "relu"},
        {"activation": "softsign", "return_sequences": True},
        {"zero_output_for_mask": True, "return_sequences": True},
        {"trainable_initial_state": True},
    ]
    kinds = [layers.SimpleRNN, layers.LSTM, layers.GRU]
    for kind in kinds:
        for own in options:
            for lengths in (False, True):
                name = f"{kind.__name__} {own} {'lengths' * lengths}"
                cases[name] = Case(_line(lambda k=kind, o=own: k(5, **o)), lengths)
    cases["GRU before"] = Case(_line(lambda: layers.GRU(5, reset_after=False)))
    cases["LSTM hard"] = Case(_line(lambda: layers.LSTM(5, recurrent_activation="hard_sigmoid", activation="elu")))
    stack = [layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell]
    cases["stack"] = Case(_line(lambda: layers.RNN([cell(4) for cell in stack])), True)
    for mode in ("concat", "sum", "mul", "ave"):
        for sequences in (False, True):
            for lengths in (False, True):

                def made(m: Any = mode, s: Any = sequences) -> Any:
                    return layers.Bidirectional(layers.GRU(3, return_sequences=s), merge_mode=m)

                cases[f"{mode} {sequences} {lengths}"] = Case(_line(made), lengths)

    def turned() -> Any:
        ways = [layers.LSTM(3, go_backwards=back, return_sequences=True) for back in (True, False)]
        return layers.Bidirectional(ways[0], backward_layer=ways[1])

    cases["turned"] = Case(_line(turned))
    cases["two kinds"] = Case(
        _line(lambda: layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(2, go_backwards=True)))
    )
    return cases


def _states() -> tuple[Any, list[Any]]:
    x, h, c = Input((None, 4), name="x"), Input((5,), name="h"), Input((5,), name="c")
    outputs = layers.LSTM(5, return_state=True, return_sequences=True)(x, initial_state=[h, c])
    return drawn(Model([x, h, c], outputs)), [numbers(3, 6, 4), numbers(3, 5), numbers(3, 5)]


def _two_ways() -> tuple[Any, list[Any]]:
    x = Input((None, 4), name="x")
    inner = layers.LSTM(5, return_state=True, return_sequences=True)
    return drawn(Model(x, layers.Bidirectional(inner, merge_mode=None)(x))), [numbers(3, 6, 4)]


def _words() -> tuple[Any, list[Any]]:
    ids = Input((None,), dtype="int32", name="ids")
    y = layers.Embedding(10, 4, mask_zero=True)(ids)
    y = layers.GRU(3)(layers.LSTM(5, return_sequences=True)(y))
    return drawn(Model(ids, y)), [np.array([[1, 2, 3, 0], [4, 0, 0, 0], [5, 6, 7, 8]], np.int32)]


def _masked() -> tuple[Any, list[Any]]:
    x = numbers(3, 6, 4)
    x[0, 3:] = x[1, 1:] = 0
    made = [layers.Masking(), layers.GRU(5, return_sequences=True), layers.TimeDistributed(layers.Dense(3))]
    model = Sequential([Input((None, 4)), *made, layers.Bidirectional(layers.LSTM(2))])
    return drawn(model), [x]


def _merged() -> tuple[Any, list[Any]]:
    x = Input((6, 4), name="x")
    a, b = layers.Dense(4)(x), layers.Dense(4, activation="gelu")(x)
    pair, kinds = [a, b], [layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum]
    outputs = [kind()(pair) for kind in [*kinds, layers.Minimum, layers.Concatenate]]
    outputs += [a * 2 + b[:, -1:] - 1, a[:, 1:4].reshape(-1, 12), ops.softmax(a, axis=1), ops.mean(b, axis=[1, 2])]
    outputs += [ops.stack(pair, axis=1), ops.where(a > b, a, 0.5), ops.flip(a, axis=1), ops.sqrt(ops.abs(a))]
    outputs += [ops.concatenate(ops.split(a, 2, axis=-1), axis=1), ops.clip(a, -0.5, 0.5)]
    return drawn(Model(x, outputs)), [numbers(3, 6, 4)]


def _nested() -> tuple[Any, list[Any]]:
    inner = Sequential([Input((None, 4)), layers.LSTM(3, return_sequences=True), layers.Dropout(0.5)])
    return drawn(Sequential([Input((None, 4)), inner, layers.Dense(2)])), [numbers(3, 6, 4)]


def others() -> dict[str, Case]:
    made: dict[str, Callable[[], Any]] = {
        "conv": lambda: layers.Conv1D(5, 3),
        "conv same": lambda: layers.Conv1D(5, 4, padding="same", activation="relu"),
        "conv causal": lambda: layers.Conv1D(5, 3, padding="causal", dilation_rate=2),
        "conv strides": lambda: layers.Conv1D(6, 2, strides=2, padding="same"),
        "conv groups": lambda: layers.Conv1D(8, 3, groups=2, use_bias=False),
        "conv first": lambda: layers.Conv1D(5, 3, data_format="channels_first"),
        "max": lambda: layers.MaxPooling1D(2),
        "mean same": lambda: layers.AveragePooling1D(4, padding="same"),
        "global max": layers.GlobalMaxPooling1D,
        "global mean": lambda: layers.GlobalAveragePooling1D(keepdims=True),
        "layer normalization": layers.LayerNormalization,
        "layer normalization of two": lambda: layers.LayerNormalization(axis=[1, 2], center=False),
        "batch normalization": layers.BatchNormalization,
        "batch normalization of steps": lambda: layers.BatchNormalization(axis=1, scale=False),
        "noise": lambda: layers.GaussianNoise(0.5),
        "prelu": lambda: layers.PReLU(shared_axes=[1]),
        "relu": lambda: layers.ReLU(max_value=1.0, negative_slope=0.1),
        "leaky": layers.LeakyReLU,
        "elu": lambda: layers.ELU(0.7),
        "softmax": lambda: layers.Softmax(axis=1),
        "permute": lambda: layers.Permute((2, 1)),
        "padding": lambda: layers.ZeroPadding1D((1, 2)),
        "cropping": lambda: layers.Cropping1D((1, 2)),
        "flatten": layers.Flatten,
        "reshape": lambda: layers.Reshape((2, -1)),
        "steps": lambda: layers.TimeDistributed(layers.LayerNormalization()),
        "dense": lambda: layers.Dense(3, activation="softmax"),
    }
    cases = {name: Case(_line(make, shape=(6, 4))) for name, make in made.items()}
    names = "elu selu gelu silu mish hard_silu relu6 hard_tanh log_sigmoid tanh_shrink squareplus celu soft_shrink"
    names += " hard_shrink exponential log_softmax leaky_relu hard_sigmoid softplus softsign tanh sigmoid relu linear"
    for name in names.split():
        cases[name] = Case(_line(lambda n=name: layers.Activation(n), shape=(6, 4)))
    repeat = [lambda: layers.Flatten(), lambda: layers.Dense(3), lambda: layers.RepeatVector(4)]
    cases["repeat"] = Case(_line(*repeat, shape=(6, 4)))
    cases |= {
        name: Case(make)
        for name, make in {
            "states": _states,
            "two ways": _two_ways,
            "words": _words,
            "masked": _masked,
            "merged": _merged,
            "nested": _nested,
        }.items()
    }
    return cases


CASES = {**recurrent(), **others()}


def outputs_of(model: Any, arrays: list[Any], lengths: bool) -> list[Any]:
    """What the model itself gives."""
    given = {"lengths": steps_of(arrays[0])} if lengths else {}
    y = model(arrays if len(arrays) > 1 else arrays[0], **given)
    return list(y) if isinstance(y, list | tuple) else [y]
