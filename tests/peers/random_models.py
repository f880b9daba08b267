"""Random small models, written down.

`configurations(seed, n)` gives the same n models for the same seed. Number i depends on (seed, i) alone, so that one
that fails can be made again by itself: `configuration(seed, i)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from written_models import Array, Call, Configuration, Made

#: Smooth ones twice: kinks are where two roundings of one number may part.
ACTIVATIONS = [
    *("tanh", "tanh", "sigmoid", "softsign", "linear", "relu", "hard_sigmoid", "elu", "softplus", None),
    *("gelu", "silu", "mish", "celu", "hard_silu", "log_sigmoid", "squareplus", "tanh_shrink", "softmax"),
]
#: Those of layers that do not recur.
MORE = [*ACTIVATIONS, "log_softmax", "exponential", "sparse_plus", "sparse_sigmoid", "soft_shrink"]
GATES = ["sigmoid", "sigmoid", "hard_sigmoid", "tanh", "sparse_sigmoid", "softmax", "hard_silu"]
MODES = ["concat", "sum", "mul", "ave"]
RECURRENT = ["SimpleRNN", "LSTM", "GRU"]
ELEMENTWISE = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"]
#: Layers whose outputs Keras penalizes too: it takes the argument for SimpleRNN, and forgets it.
FORGETS = ("SimpleRNN", "SpatialDropout1D")
PENALTIES = [None, None, None, "l2", "l1", {"class_name": "L1L2", "config": {"l1": 0.02, "l2": 0.03}}]


def configurations(seed: int, n: int) -> Iterator[Configuration]:
    """The first n models of this seed."""
    return (configuration(seed, i) for i in range(n))


def configuration(seed: int, number: int) -> Configuration:
    """One model of this seed."""
    return _Drawing(seed, number).draw()


class _Drawing:
    """Draws one model, from its inputs to its losses.

    Attributes:
        now: the number of the tensor that goes on, (B, steps, width), or (B, width) after `steps` became None.
        width, steps: its shape.
        mask: the number of a tensor that is the mask of sequences, until a layer changes their length.
        empty: whether some row has no steps.
        carried: whether a mask may come with the tensor itself.
    """

    def __init__(self, seed: int, number: int) -> None:
        self.seed, self.number = seed, number
        self.rng = np.random.default_rng([seed, number])
        self.inputs: list[tuple[tuple[int | None, ...], str]] = []
        self.x: list[Array] = []
        self.calls: list[Call] = []
        self.ends: list[int] = []
        self.losses: list[Made] = []
        self.y: list[Array] = []
        self.weights: list[Array | None] = []
        self.now = self.count = self.width = 0
        self.steps: int | None = None
        self.empty = self.carried = False
        self.mask: int | None = None
        self.batch = int(self.rng.choice([1, 2, 3, 5]))

    # -- chance

    def pick(self, choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, p: float = 0.5) -> bool:
        return bool(self.rng.random() < p)

    def size(self, most: int = 4) -> int:
        return int(self.rng.integers(1, most + 1))

    def some(self, **ways: Any) -> dict[str, Any]:
        """About half of these arguments, each with one of its values; the others keep their defaults."""
        return {name: self.pick(values) for name, values in ways.items() if self.chance()}

    # -- the model

    def draw(self) -> Configuration:
        self.source()
        for _ in range(int(self.rng.integers(0, 4))):
            self.pick(
                [
                    *(self.recurrent, self.recurrent, self.encoder, self.feature, self.time, self.merge, self.attend),
                    self.within,
                ]
            )()
        if self.chance(0.15) and self.steps is not None:
            # Keras 3.15 takes weights (B, 1) in a list for weights (B,)
            self.end(self.now, weighted=self.steps > 1)
        self.close()
        self.end(self.now, weighted=not self.ends or self.steps != 1)
        return Configuration(
            self.seed, self.number, self.inputs, self.calls, self.ends, self.losses, self.x, self.y, self.weights
        )

    def call(self, name: str, options: dict[str, Any] | None = None, x: Any = None, **more: Any) -> int:
        """Call a layer on the tensor that goes on, or on those of x; the number of its first output."""
        named = {**(options or {}), **self.activity(name), "name": f"layer{len(self.calls)}"}
        made = Call(Made(name, named), self.now if x is None else x, **more)
        self.calls.append(made)
        first, self.count = self.count, self.count + made.outputs
        return first

    def take(self, a: Array, shape: tuple[int | None, ...]) -> int:
        assert len(self.inputs) == self.count, "inputs come before calls"
        self.inputs.append((shape, str(a.dtype)))
        self.x.append(a)
        self.count += 1
        return self.count - 1

    def source(self) -> None:
        """Sequences with a mask from Masking, from Embedding or from an Input, or without one."""
        self.steps = int(self.rng.choice([1, 2, 4, 6]))
        open_axis = None if self.chance() else self.steps
        kind = self.pick(["plain", "masking", "given", "embedding"])
        there = self.rng.random((self.batch, self.steps)) < 0.7
        if self.chance():  # right padding, the common kind; rows without any step among them
            there = np.arange(self.steps) < self.rng.integers(0, self.steps + 1, self.batch)[:, None]
        if self.chance(0.7):
            there[:, 0] = True
        self.empty = not there.any(1).all()
        self.carried = kind != "plain"
        if kind == "embedding":
            self.now = self.take((self.rng.integers(1, 6, there.shape) * there).astype("int32"), (open_axis,))
            self.width = self.size()
            self.now = self.call("Embedding", {"input_dim": 6, "output_dim": self.width, **self.some(mask_zero=[True])})
            return
        self.width = self.size()
        x = self.rng.standard_normal((self.batch, self.steps, self.width)).astype("float32")
        if kind == "masking":
            value = self.pick([0.0, 0.0, 2.0])
            x[~there] = value
            self.now = self.take(x, (open_axis, self.width))
            self.now = self.call("Masking", {"mask_value": value})
            return
        self.now = self.take(x, (open_axis, self.width))
        if kind == "given":
            self.mask = self.take(there, (open_axis,))

    def activity(self, name: str) -> dict[str, Any]:
        """Now and then a penalty of outputs."""
        return {} if name in FORGETS or not self.chance(0.15) else {"activity_regularizer": self.pick(PENALTIES[3:])}

    def penalties(self, *names: str) -> dict[str, Any]:
        found = {f"{name}_regularizer": self.pick(PENALTIES) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def cell(self, name: str) -> dict[str, Any]:
        """Arguments of a cell; units go into `width`."""
        self.width = self.size(5)
        own = {
            "SimpleRNN": {},
            "LSTM": self.some(recurrent_activation=GATES, unit_forget_bias=[False]),
            "GRU": self.some(recurrent_activation=GATES, reset_after=[False]),
        }[name]
        common = self.some(activation=ACTIVATIONS, use_bias=[True, False])
        return {"units": self.width, **own, **common, **self.penalties("kernel", "recurrent", "bias")}

    def flags(self) -> dict[str, Any]:
        return self.some(go_backwards=[True], zero_output_for_mask=[True], unroll=[False])

    def run(self, sequences: bool, **more: Any) -> None:
        """A recurrent layer of any kind."""
        back = {"return_sequences": sequences}
        masked = {"mask": self.mask} if self.mask is not None and self.chance(0.8) else {}
        kind = self.pick(["plain", "plain", "both", "stack"])
        name = self.pick(RECURRENT)
        if kind == "plain":
            self.now = self.call(name, {**self.cell(name), **self.flags(), **back}, **masked, **more)
        elif kind == "stack":
            # one cell alone, with a mask, stops Keras 3.15 unless it is an LSTM's
            names = [self.pick(RECURRENT) for _ in range(1 + self.size(2))]
            cells = [Made(f"{name}Cell", self.cell(name)) for name in names]
            inside: Any = Made("StackedRNNCells", {"cells": cells}) if self.chance() else cells
            self.now = self.call("RNN", {"cell": inside, **self.flags(), **back}, **masked, **more)
        else:
            options = {**self.cell(name), **self.activity(name), **self.some(zero_output_for_mask=[True]), **back}
            mode = self.pick(MODES)
            both: dict[str, Any] = {"layer": Made(name, options), "merge_mode": mode}
            if self.chance(0.3):
                units, other = self.width, self.pick(RECURRENT)
                there = {**self.cell(other), **back, "units": units, "go_backwards": True}
                both["backward_layer"] = Made(other, there)
                self.width = units
            self.now = self.call("Bidirectional", both, **masked, **more)
            self.width *= 2 if mode == "concat" else 1

    def recurrent(self) -> None:
        if self.steps is not None:
            self.run(sequences=True)

    def encoder(self) -> None:
        """The states of one layer begin another; or merge_mode None gives two outputs."""
        if self.steps is None:
            return
        name = self.pick(RECURRENT)
        # a call with initial_state loses in Keras 3.15 the mask that comes with x: only one that is given counts
        if self.chance(0.4) or self.carried:
            options = {**self.cell(name), "return_sequences": True}
            both = {"layer": Made(name, options), "merge_mode": None}
            first = self.call("Bidirectional", both, outputs=2)
            self.now = self.call(self.pick(["Add", "Maximum", "Average"]), x=[first, first + 1])
            return
        states = 2 if name == "LSTM" else 1
        options = {**self.cell(name), **self.flags(), "return_state": True, **self.some(return_sequences=[True])}
        first = self.call(name, options, outputs=1 + states)
        units = self.width
        more = {**self.cell(name), "units": units, **self.flags(), "return_sequences": True}
        self.width = units
        masked = {} if self.mask is None else {"mask": self.mask}
        self.now = self.call(name, more, states=list(range(first + 1, first + 1 + states)), **masked)

    def dense(self, **more: Any) -> dict[str, Any]:
        self.width = self.size()
        found = self.some(activation=MORE, use_bias=[False])
        return {"units": self.width, **found, **self.penalties("kernel", "bias"), **more}

    def feature(self) -> None:
        """A layer that keeps the steps."""
        kind = self.pick(["Dense", "TimeDistributed", "BatchNormalization", "LayerNormalization", "rectifier", "drop"])
        if kind == "Dense":
            self.now = self.call("Dense", self.dense())
        elif kind == "TimeDistributed":
            inner = self.pick(["Dense", "LayerNormalization"])
            options = self.dense() if inner == "Dense" else {}
            self.now = self.call(kind, {"layer": Made(inner, options)})
        elif kind == "BatchNormalization" and self.width == 1 and self.carried:
            return  # Keras 3.15 stops at one feature with a mask
        elif kind == "BatchNormalization":
            options = self.some(momentum=[0.5], center=[False], scale=[False], epsilon=[0.01])
            self.now = self.call(kind, {**options, **self.penalties("gamma", "beta")})
        elif kind == "LayerNormalization":
            options = self.some(center=[False], scale=[False], epsilon=[0.01])
            self.now = self.call(kind, {**options, **self.penalties("gamma", "beta")})
        elif kind == "drop":
            self.now = self.call(self.pick(["Dropout", "SpatialDropout1D", "GaussianDropout"]), {"rate": 0.0})
        else:
            name, options = self.pick(
                [
                    ("ReLU", self.some(max_value=[1.5], negative_slope=[0.1], threshold=[0.3])),
                    ("LeakyReLU", self.some(negative_slope=[0.1])),
                    ("ELU", self.some(alpha=[0.5])),
                    ("PReLU", {"shared_axes": [1]}),
                    ("Softmax", {}),
                    ("Activation", {"activation": self.pick(["tanh", "selu", "mish", "gelu"])}),
                ]
            )
            self.now = self.call(name, options)

    def time(self) -> None:
        """A layer that changes the steps."""
        if self.steps is None:
            return
        kind = self.pick(["Conv1D", "MaxPooling1D", "AveragePooling1D", "ZeroPadding1D", "UpSampling1D", "Cropping1D"])
        padding = self.pick(["same", "causal"] if kind == "Conv1D" else ["same"])
        if kind == "Conv1D":
            self.width = self.size()
            stride = self.pick([1, 1, 2])
            options = {"filters": self.width, "kernel_size": self.size(3), "padding": padding, "strides": stride}
            if stride == 1:
                options |= self.some(dilation_rate=[2])
            options |= self.some(activation=["relu", "tanh"], use_bias=[False]) | self.penalties("kernel", "bias")
            self.now, self.steps = self.call(kind, options), -(-self.steps // stride)
        elif kind.endswith("Pooling1D"):
            stride = self.size(2)
            options = {"pool_size": self.size(3), "strides": stride, "padding": padding}
            self.now, self.steps = self.call(kind, options), -(-self.steps // stride)
        elif kind == "ZeroPadding1D":
            left, right = self.size(2), self.size(2)
            self.now, self.steps = self.call(kind, {"padding": (left, right)}), self.steps + left + right
        elif kind == "UpSampling1D":
            self.now, self.steps = self.call(kind, {"size": 2}), self.steps * 2
        elif self.steps > 1:
            self.now, self.steps = self.call(kind, {"cropping": (1, 0)}), self.steps - 1
        else:
            return
        self.mask = None

    def within(self) -> None:
        """A recurrent layer within each step, over the step's features."""
        if self.steps is None or self.inputs[0][0][0] is None:
            return
        steps, inner = self.steps, self.pick(["each", "both"])
        shape = (steps, self.width, 1)
        self.now = self.call("Reshape", {"target_shape": shape})
        name = self.pick(RECURRENT)
        layer = Made(name, {**self.cell(name), **self.some(go_backwards=[True] if inner == "each" else [False])})
        if inner == "both":
            layer = Made("Bidirectional", {"layer": Made(name, {**layer.options, **self.activity(name)})})
            self.width *= 2
        self.now = self.call("TimeDistributed", {"layer": layer})
        self.carried = False

    def merge(self) -> None:
        """Two ways that meet."""
        before, width = self.now, self.width
        name = self.pick(ELEMENTWISE)
        if self.steps is not None and self.chance():
            self.run(sequences=True)
        else:
            self.now = self.call("Dense", self.dense())
        one, wide = self.now, self.width
        self.now, self.width = before, width
        if name == "Concatenate":
            self.now, self.width = self.call(name, x=[one, before]), wide + width
            return
        other = self.call("Dense", {"units": wide, **self.some(activation=["tanh"])})
        self.now, self.width = self.call(name, x=[one, other]), wide

    def attend(self) -> None:
        if self.steps is None:
            return
        if self.chance():
            self.now = self.call(
                "Attention", self.some(use_scale=[True], score_mode=["concat"]), x=[self.now, self.now]
            )
        else:
            self.now = self.call("AdditiveAttention", self.some(use_scale=[False]), x=[self.now, self.now])

    def close(self) -> None:
        """From steps to one vector, or not."""
        if self.steps is None:
            return
        kind = self.pick(["last", "last", "sequence", "sequence", "mean", "max"])
        if kind == "last":
            self.run(sequences=False)
        elif kind == "mean" and not self.empty:  # of no steps it is no number, in both
            self.now = self.call("GlobalAveragePooling1D")
        elif kind in ("mean", "max"):
            self.now = self.call("GlobalMaxPooling1D")
        if kind != "sequence":
            self.steps = self.mask = None

    # -- what it learns

    def end(self, place: int, weighted: bool) -> None:
        """A head with a loss that suits it, targets and weights."""
        width = self.width
        rows = (self.batch,) if self.steps is None else (self.batch, self.steps)
        kind = self.pick(["number", "number", "class", "label", "yes"])
        classes = self.size() + 1
        rng = self.rng
        reduction = self.some(reduction=["sum"]) if self.chance(0.3) else {}
        logits = self.chance()
        if kind == "number":
            classes -= 1
            made = Made(self.pick(["MeanSquaredError", "MeanAbsoluteError", "Huber", "LogCosh"]), reduction)
            y, activation = rng.standard_normal((*rows, classes)).astype("float32"), self.pick([None, "tanh"])
        elif kind == "yes":
            classes -= 1
            extra = self.some(label_smoothing=[0.1])
            made = Made("BinaryCrossentropy", {"from_logits": logits, **extra, **reduction})
            y, activation = (rng.random((*rows, classes)) < 0.5).astype("float32"), None if logits else "sigmoid"
        elif kind == "class":
            extra = self.some(label_smoothing=[0.1])
            made = Made("CategoricalCrossentropy", {"from_logits": logits, **extra, **reduction})
            y = np.eye(classes, dtype="float32")[rng.integers(classes, size=rows)]
            activation = None if logits else "softmax"
        else:
            made = Made("SparseCategoricalCrossentropy", {"from_logits": logits, **reduction})
            y, activation = rng.integers(classes, size=rows), None if logits else "softmax"
        self.ends.append(self.call("Dense", {"units": classes, "activation": activation}, place))
        self.width = width
        # weights (B,) of a loss of (B, T) are one for each row here; Keras 3.15 cannot multiply them
        shape = self.pick([None, rows])
        self.losses.append(made)
        self.y.append(y)
        self.weights.append(None if shape is None or not weighted else rng.uniform(0.2, 2, shape).astype("float32"))
