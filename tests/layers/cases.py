"""One table of the layers that do not recur: arguments, shapes, masks. Tests of gradients, of configurations and the
comparison with Keras all walk over it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

B, T, C = 3, 7, 4
SEQUENCE = (B, T, C)
FIRST = "channels_first"
RIGHT = np.arange(T) < np.array([7, 4, 1])[:, None]
HOLES = np.random.default_rng(2).random((B, T)) < 0.6
FEATURES = np.random.default_rng(3).random(SEQUENCE) < 0.6


@dataclass(frozen=True)
class Case:
    """A layer by its name and arguments, the shape of its inputs (or a list of shapes), and what its call gets."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    shape: Any = SEQUENCE
    mask: Any = None
    call: dict[str, Any] = field(default_factory=dict)
    #: a layer inside, for TimeDistributed
    inner: Case | None = None

    def __str__(self) -> str:
        given = {**self.options, **self.call}.items()
        words = [f"{k}={v.shape if isinstance(v, np.ndarray) else v}" for k, v in given]
        if self.inner is not None:
            words.insert(0, str(self.inner))
        if self.mask is not None:
            words.append("mask")
        if self.shape != SEQUENCE:
            words.append(str(self.shape).replace(" ", ""))
        return f"{self.name}({','.join(words)})".replace(" ", "")

    def make(self, where: Any, dtype: str = "float32", **more: Any) -> Any:
        """The layer of this case from a module: cellstep.layers, or keras.layers."""
        inner = [] if self.inner is None else [self.inner.make(where, dtype)]
        return getattr(where, self.name)(*inner, **self.options, **more, dtype=dtype)

    def inputs(self, dtype: str = "float32") -> Any:
        """Numbers that are float32 numbers in either dtype, far from 0, where derivatives jump, and all different."""
        rng = np.random.default_rng(5)

        def one(shape: tuple[int, ...]) -> NDArray[Any]:
            size = int(np.prod(shape))
            places = (np.arange(size) - size // 2 + 0.5) / size
            return np.asarray(rng.permutation(places).reshape(shape) * 5, np.float32).astype(dtype)

        return [one(s) for s in self.shape] if isinstance(self.shape, list) else one(self.shape)


def _convolutions() -> list[Case]:
    found = [Case("Conv1D", {"filters": 5, "kernel_size": 3, "padding": p}) for p in ("valid", "same", "causal")]
    for size in (1, 2, 4):
        for stride in (1, 2, 3):
            for padding in ("valid", "same", "causal"):
                found.append(Case("Conv1D", {"filters": 2, "kernel_size": size, "strides": stride, "padding": padding}))
    for padding in ("valid", "same", "causal"):
        found.append(Case("Conv1D", {"filters": 2, "kernel_size": 3, "dilation_rate": 2, "padding": padding}))
    more: list[dict[str, Any]] = [
        {"groups": 2, "activation": "tanh"},
        {"groups": 4, "padding": "causal", "dilation_rate": 2},
        {"groups": 2, "strides": 2, "padding": "same", "use_bias": False},
        {"data_format": "channels_first", "groups": 2, "padding": "same", "strides": 2, "activation": "softmax"},
        {"data_format": "channels_first", "padding": "valid", "activation": "gelu"},
    ]
    for options in more:
        shape = (B, C, T) if "data_format" in options else SEQUENCE
        found.append(Case("Conv1D", {"filters": 4, "kernel_size": 3, **options}, shape))
    found.append(
        Case("Conv1D", {"filters": 4, "kernel_size": 3, "data_format": FIRST, "activation": "softmax"}, (B, C, T))
    )
    return found + _transposed() + _separable()


def _transposed() -> list[Case]:
    found = []
    kinds = ((1, 1, None), (3, 1, None), (2, 2, None), (3, 2, None), (3, 2, 0), (5, 2, 1), (2, 3, None), (1, 3, 2))
    for (size, stride, more), padding in itertools.product(kinds, ("valid", "same")):
        options = {"filters": 2, "kernel_size": size, "strides": stride, "padding": padding}
        found.append(Case("Conv1DTranspose", options if more is None else {**options, "output_padding": more}))
    for padding in ("valid", "same"):
        found.append(Case("Conv1DTranspose", {"filters": 2, "kernel_size": 3, "dilation_rate": 2, "padding": padding}))
    first = {"filters": 4, "kernel_size": 3, "strides": 2, "data_format": FIRST, "activation": "softmax"}
    bare = {"filters": 4, "kernel_size": 3, "activation": "tanh", "use_bias": False}
    return [*found, Case("Conv1DTranspose", first, (B, C, T)), Case("Conv1DTranspose", bare)]


def _separable() -> list[Case]:
    found = []
    for size, stride, rate, many in ((1, 1, 1, 1), (3, 1, 1, 2), (2, 3, 1, 1), (3, 1, 2, 2), (4, 2, 1, 3)):
        options = {"kernel_size": size, "strides": stride, "dilation_rate": rate, "depth_multiplier": many}
        for padding in ("valid", "same"):
            found.append(Case("SeparableConv1D", {"filters": 3, **options, "padding": padding}))
    first = {"filters": 4, "kernel_size": 3, "data_format": FIRST, "activation": "softmax"}
    bare = {"filters": 4, "kernel_size": 3, "activation": "tanh", "use_bias": False}
    return [*found, Case("SeparableConv1D", first, (B, C, T)), Case("SeparableConv1D", bare)]


def _poolings() -> list[Case]:
    found = []
    for name in ("MaxPooling1D", "AveragePooling1D"):
        for size, stride in ((2, None), (3, 1), (2, 3), (4, 2), (7, 1), (1, 1)):
            for padding in ("valid", "same"):
                found.append(Case(name, {"pool_size": size, "strides": stride, "padding": padding}))
        found.append(Case(name, {"pool_size": 2, "data_format": "channels_first", "padding": "same"}, (B, C, T)))
    for name in ("GlobalMaxPooling1D", "GlobalAveragePooling1D"):
        found += [Case(name), Case(name, {"keepdims": True}), Case(name, {"data_format": "channels_first"}, (B, C, T))]
    found += [
        Case("GlobalAveragePooling1D", mask=RIGHT),
        Case("GlobalAveragePooling1D", {"keepdims": True}, mask=HOLES),
        Case("GlobalAveragePooling1D", {"data_format": "channels_first"}, (B, C, T), RIGHT),
    ]
    return found


def _attentions() -> list[Case]:
    pair, triple = [(B, T, C), (B, 5, C)], [(B, T, C), (B, 5, 6), (B, 5, C)]
    of_value = np.array([[1, 1, 0, 0, 1], [0, 1, 1, 1, 1], [1, 0, 0, 0, 0]], bool)
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("Attention", {}),
        ("Attention", {"use_scale": True}),
        ("Attention", {"score_mode": "concat"}),
        ("Attention", {"score_mode": "concat", "use_scale": True}),
        ("AdditiveAttention", {}),
        ("AdditiveAttention", {"use_scale": False}),
    ]
    calls: list[tuple[Any, Any, dict[str, Any]]] = [
        (pair, None, {}),
        (triple, None, {"return_attention_scores": True}),
        (pair, [RIGHT, of_value], {"return_attention_scores": True}),
        (triple, [None, of_value], {}),
        (triple, [HOLES, None], {"use_causal_mask": True}),
        # with the first step of the value there, no row of the query is without any
        (pair, [RIGHT, of_value | (np.arange(5) == 0)], {"use_causal_mask": True, "return_attention_scores": True}),
    ]
    return [Case(n, o, shape, mask, call) for n, o in kinds for shape, mask, call in calls] + _heads(of_value)


def _heads(of_value: NDArray[Any]) -> list[Case]:
    pair, triple = [(B, T, C), (B, 5, 6)], [(B, T, C), (B, 5, 6), (B, 5, 2)]
    scores = {"return_attention_scores": True}
    some = np.random.default_rng(4).random((1, T, 5)) < 0.5
    kinds: list[tuple[Any, Any, dict[str, Any], dict[str, Any]]] = [
        (pair, None, {}, {}),
        (triple, None, {"use_gate": True}, {}),
        (triple, None, {"use_gate": True, "value_dim": 2, "output_shape": 5, "use_bias": False}, scores),
        (pair, [None, of_value], {}, {}),
        (triple, [None, of_value, None], {"output_shape": (2, 3)}, scores),
        # some rows see no step of the value
        (pair, [None, of_value], {}, {"use_causal_mask": True}),
        (pair, None, {}, {"attention_mask": some}),
        (pair, None, {"sliding_window": 2}, {"attention_mask": some, **scores}),
        (pair, None, {}, {"attention_mask": some[0]}),
        ([(2, 3, 4, 5), (2, 3, 2, 5)], None, {"attention_axes": 2}, scores),
        ([(2, 3, 4, 5), (2, 3, 2, 5)], None, {"attention_axes": (-2, 1)}, {}),
        ([(2, 3, 4, 5), (2, 1, 2, 5)], None, {}, scores),
    ]
    return [
        Case("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, **options}, shape, mask, call)
        for shape, mask, options, call in kinds
    ]


CASES: list[Case] = [
    Case("RepeatVector", {"n": 3}, (B, C)),
    Case("Flatten"),
    Case("Flatten", shape=(B,)),
    Case("Flatten", {"data_format": "channels_first"}),
    Case("Reshape", {"target_shape": (2, -1)}),
    Case("Reshape", {"target_shape": (C, T)}),
    Case("Permute", {"dims": (2, 1)}),
    Case("Permute", {"dims": (3, 1, 2)}, (2, 3, 4, 5)),
    Case("Cropping1D"),
    Case("Cropping1D", {"cropping": (2, 0)}),
    Case("ZeroPadding1D"),
    Case("ZeroPadding1D", {"padding": (2, 0)}),
    Case("ZeroPadding1D", {"padding": (0, 3), "data_format": "channels_first"}),
    Case("UpSampling1D", {"size": 3}),
    Case("ReLU"),
    Case("ReLU", {"max_value": 1.5, "negative_slope": 0.1, "threshold": 0.7}),
    Case("ReLU", {"max_value": 6}),
    Case("ReLU", {"negative_slope": 0.3}),
    Case("ReLU", {"threshold": 1.0}),
    Case("LeakyReLU"),
    Case("LeakyReLU", {"negative_slope": 0.01}),
    Case("ELU"),
    Case("ELU", {"alpha": 0.3}),
    Case("PReLU"),
    Case("PReLU", {"shared_axes": [1]}),
    Case("PReLU", {"shared_axes": 2}),
    Case("Softmax"),
    Case("Softmax", {"axis": 1}),
    Case("Softmax", {"axis": [1, 2]}),
    Case("Softmax", {"axis": [-2]}),
    Case("Softmax", mask=FEATURES),
    Case("Softmax", {"axis": (1, 2)}, mask=FEATURES[:1]),
    Case("Softmax", {"axis": 1}, mask=RIGHT[:, :, None]),
    Case("LayerNormalization"),
    Case("LayerNormalization", {"axis": 1}),
    Case("LayerNormalization", {"axis": [1, 2], "epsilon": 0.1}),
    Case("LayerNormalization", {"axis": [2], "center": False}),
    Case("LayerNormalization", {"scale": False}, (2, 3, 2, 5)),
    Case("Identity"),
    Case("UnitNormalization"),
    Case("UnitNormalization", {"axis": 1}),
    Case("UnitNormalization", {"axis": [1, 2]}, (2, 3, 2, 5)),
    Case("UnitNormalization", {"axis": (0, 2)}),
    Case("Normalization", {"mean": 2.5, "variance": 0.25}),
    Case("Normalization", {"axis": None, "mean": 2.5, "variance": 0.25}),
    Case("Normalization", {"axis": 1, "mean": [1.0, 2.0, 3.0], "variance": [2.0, 0.5, 1.0]}, (2, 3, 2, 5)),
    Case("Normalization", {"axis": (2, 1), "mean": [1.0, 2.0], "variance": [2.0, 0.5]}, (2, 3, 2, 5)),
    Case("Normalization", {"mean": (1.0, 2.0, 3.0, 4.0), "variance": (4.0, 3.0, 2.0, 1.0), "invert": True}),
    Case("BatchNormalization"),
    Case("BatchNormalization", {"axis": 1, "momentum": 0.5}),
    Case("BatchNormalization", {"center": False, "scale": False}, (6, 5)),
    Case("BatchNormalization", call={"training": True}),
    Case("BatchNormalization", {"axis": 1, "momentum": 0.5, "epsilon": 0.1}, call={"training": True}),
    Case("BatchNormalization", {"center": False, "scale": False}, (6, 5), call={"training": True}),
    Case("BatchNormalization", mask=HOLES, call={"training": True}),
    Case("BatchNormalization", mask=HOLES),
    Case("Dense", {"units": 3, "activation": "tanh"}, (2, 3, 2, 5)),
    Case("TimeDistributed", inner=Case("Dense", {"units": 3})),
    Case("TimeDistributed", inner=Case("Conv1D", {"filters": 2, "kernel_size": 2}), shape=(2, 3, 4, 5)),
    Case("TimeDistributed", inner=Case("BatchNormalization", {"momentum": 0.5})),
    Case("TimeDistributed", inner=Case("BatchNormalization", {"momentum": 0.5}), call={"training": True}),
    Case("TimeDistributed", inner=Case("BatchNormalization"), mask=HOLES | (np.arange(B) == 0)[:, None]),
    Case("TimeDistributed", inner=Case("GlobalAveragePooling1D"), shape=(2, B, T, C), mask=np.stack([RIGHT, RIGHT])),
    Case("TimeDistributed", inner=Case("Flatten"), shape=(2, 3, 2, 4)),
    *_convolutions(),
    *_poolings(),
    *_attentions(),
]
