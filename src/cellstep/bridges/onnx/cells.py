"""The cells of ONNX with the options that compiled kernels have not: peepholes, clipped sums, coupled gates, functions
with constants. They are written as a step of tensors, which runs forward and backward, and step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import core, ops
from ...layers import Module
from ...layers.deserialization import offer

#: The functions of ONNX's recurrent operators, with the constants that each takes and their defaults.
FUNCTIONS: dict[str, tuple[Callable[..., Any], dict[str, float]]] = {
    "Relu": (ops.relu, {}),
    "Tanh": (ops.tanh, {}),
    "Sigmoid": (ops.sigmoid, {}),
    "Affine": (lambda x, alpha, beta: alpha * x + beta, {"alpha": 1.0, "beta": 0.0}),
    "LeakyRelu": (lambda x, alpha: ops.leaky_relu(x, negative_slope=alpha), {"alpha": 0.01}),
    "ThresholdedRelu": (lambda x, alpha: ops.where(x >= alpha, x, 0.0), {"alpha": 1.0}),
    "ScaledTanh": (lambda x, alpha, beta: alpha * ops.tanh(beta * x), {"alpha": 1.0, "beta": 1.0}),
    "HardSigmoid": (lambda x, alpha, beta: ops.clip(alpha * x + beta, 0.0, 1.0), {"alpha": 0.2, "beta": 0.5}),
    "Elu": (lambda x, alpha: ops.elu(x, alpha=alpha), {"alpha": 1.0}),
    "Softsign": (ops.softsign, {}),
    "Softplus": (ops.softplus, {}),
}
_GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def constants_of(name: str) -> dict[str, float]:
    """The constants of a function, with their defaults."""
    return FUNCTIONS[name][1]


class OnnxCell(Module):
    """A step of ONNX's RNN, LSTM or GRU, with all its attributes. `RNN(OnnxCell(...))` runs it over sequences.

    Args:
        units: the size of each state.
        kind: "RNN", "LSTM" or "GRU".
        functions: the functions f, g, h, as many as the kind has: lists of a name and its constants.
        clip: sums stay between -clip and clip before activations; 0 for no bound.
        input_forget: the forget gate is 1 - the input gate.
        linear_before_reset: the reset gate works after the recurrent product.
        use_bias: whether there is a bias. peephole: whether the gates of an LSTM see its memory.
        name, dtype, trainable: as for every layer.

    Weights: kernel (I, G units), recurrent_kernel (units, G units), bias (2, G units), peephole (3, units), with the
    gates in ONNX's order: i o f c of an LSTM, z r h of a GRU.

    Source: the ONNX specification of the operators RNN, LSTM and GRU.
    """

    config_keys = (
        *("units", "kind", "functions", "clip", "input_forget", "linear_before_reset", "use_bias", "peephole"),
    )

    def __init__(
        self,
        units: int,
        kind: str,
        functions: Sequence[Sequence[Any]],
        clip: float = 0.0,
        input_forget: bool = False,
        linear_before_reset: bool = False,
        use_bias: bool = True,
        peephole: bool = False,
        *,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, dtype, trainable)
        self.units = core.check_count("units", units)
        if kind not in _GATES:
            raise ValueError(f"kind must be one of {', '.join(_GATES)}, got {kind!r}")
        self.kind = kind
        self.functions = [list(entry) for entry in functions]
        for entry in self.functions:
            if entry[0] not in FUNCTIONS or len(entry) != 1 + len(constants_of(entry[0])):
                raise ValueError(f"functions must be names of {', '.join(FUNCTIONS)} with constants, got {entry!r}")
        self.clip = core.check_number("clip", clip, 0)
        self.input_forget = core.check_bool("input_forget", input_forget)
        self.linear_before_reset = core.check_bool("linear_before_reset", linear_before_reset)
        self.use_bias = core.check_bool("use_bias", use_bias)
        self.peephole = core.check_bool("peephole", peephole)

    @property
    def state_size(self) -> list[int]:
        return [self.units] * (2 if self.kind == "LSTM" else 1)

    @property
    def output_size(self) -> int:
        return self.units

    def make_weights(self, input_shape: Any) -> None:
        width = _GATES[self.kind] * self.units
        self.kernel = self.add_weight((input_shape[-1], width), "glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight((self.units, width), "orthogonal", name="recurrent_kernel")
        self.bias = self.add_weight((2, width), "zeros", name="bias") if self.use_bias else None
        self.peepholes = self.add_weight((3, self.units), "zeros", name="peephole") if self.peephole else None

    def weights_from(self, W: Any, R: Any, B: Any, P: Any) -> list[Any]:
        """The weights of one direction of a node, as this has them."""
        weights = [W.T, R.T]
        if B is not None:
            weights.append(B.reshape(2, -1))
        if P is not None:
            weights.append(P.reshape(3, -1))
        return weights

    def call(self, inputs: Any, states: Any) -> Any:
        """The output and the new states after one step."""
        return getattr(self, f"_{self.kind.lower()}")(inputs, list(states))

    def _apply(self, i: int, x: Any) -> Any:
        name, *constants = self.functions[i]
        return FUNCTIONS[name][0](ops.clip(x, -self.clip, self.clip) if self.clip else x, *constants)

    def _sums(self, x: Any, h: Any) -> Any:
        sums = ops.matmul(x, self.kernel) + ops.matmul(h, self.recurrent_kernel)
        return sums if self.bias is None else sums + ops.sum(self.bias, axis=0)

    def _rnn(self, x: Any, states: list[Any]) -> Any:
        h = self._apply(0, self._sums(x, states[0]))
        return h, [h]

    def _lstm(self, x: Any, states: list[Any]) -> Any:
        h, c = states
        i, o, f, z = ops.split(self._sums(x, h), 4, axis=-1)
        peep = None if self.peepholes is None else ops.split(self.peepholes, 3, axis=0)
        i = self._apply(0, i if peep is None else i + peep[0] * c)
        f = 1.0 - i if self.input_forget else self._apply(0, f if peep is None else f + peep[2] * c)
        c = f * c + i * self._apply(1, z)
        o = self._apply(0, o if peep is None else o + peep[1] * c)
        name, *constants = self.functions[2]
        h = o * FUNCTIONS[name][0](c, *constants)
        return h, [h, c]

    def _gru(self, x: Any, states: list[Any]) -> Any:
        (h,) = states
        n = self.units
        from_x, (gates_of_h, new_of_h) = ops.matmul(x, self.kernel), ops.split(self.recurrent_kernel, [2 * n], axis=1)
        if self.bias is None:
            of_gates = of_new = 0.0
        else:
            of_x, of_h = ops.split(self.bias, 2, axis=0)
            from_x = from_x + of_x
            of_gates, of_new = of_h[:, : 2 * n], of_h[:, 2 * n :]
        gates = from_x[:, : 2 * n] + ops.matmul(h, gates_of_h) + of_gates
        z, r = ops.split(self._apply(0, gates), 2, axis=-1)
        if self.linear_before_reset:
            inner = r * (ops.matmul(h, new_of_h) + of_new)
        else:
            inner = ops.matmul(r * h, new_of_h) + of_new
        new = self._apply(1, from_x[:, 2 * n :] + inner)
        h = (1.0 - z) * new + z * h
        return h, [h]


offer(OnnxCell)
