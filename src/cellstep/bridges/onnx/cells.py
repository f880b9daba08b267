"""The cells of ONNX with the options that the built-in cells have not: peepholes, clipped sums, coupled gates,
functions with constants. They are written as equations, so the compiled loops run them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...activations import relu, sigmoid, softplus
from ...cells import Cell
from ...configured import hook

#: The functions of ONNX's recurrent operators, with the constants that each takes and their defaults.
FUNCTIONS: dict[str, tuple[Callable[..., Any], dict[str, float]]] = {
    "Relu": (relu, {}),
    "Tanh": (np.tanh, {}),
    "Sigmoid": (sigmoid, {}),
    "Affine": (lambda v, alpha, beta: alpha * v + beta, {"alpha": 1.0, "beta": 0.0}),
    "LeakyRelu": (lambda v, alpha: np.where(v >= 0, v, alpha * v), {"alpha": 0.01}),
    "ThresholdedRelu": (lambda v, alpha: np.where(v >= alpha, v, 0.0), {"alpha": 1.0}),
    "ScaledTanh": (lambda v, alpha, beta: alpha * np.tanh(beta * v), {"alpha": 1.0, "beta": 1.0}),
    "HardSigmoid": (lambda v, alpha, beta: np.clip(alpha * v + beta, 0.0, 1.0), {"alpha": 0.2, "beta": 0.5}),
    "Elu": (lambda v, alpha: np.where(v >= 0, v, alpha * np.expm1(np.minimum(v, 0.0))), {"alpha": 1.0}),
    "Softsign": (lambda v: v / (1 + np.abs(v)), {}),
    "Softplus": (softplus, {}),
}


def constants_of(name: str) -> dict[str, float]:
    """The constants of a function, with their defaults."""
    return FUNCTIONS[name][1]


def written(name: str, constants: Sequence[float]) -> str:
    """A function with its constants as the text that a cell takes: "HardSigmoid 0.2 0.5"."""
    return " ".join([name, *map(repr, constants)])


def parsed(text: Any) -> tuple[str, list[float]]:
    """The function that `written` has written; ValueError for anything else."""
    name, *given = text.split() if isinstance(text, str) else [""]
    if name not in FUNCTIONS or len(given) != len(constants_of(name)):
        raise ValueError(f"expected one of {', '.join(FUNCTIONS)} with its constants, got {text!r:.100}")
    constants = [float(constant) for constant in given]
    if not np.isfinite(constants).all():
        raise ValueError(f"expected constants that are finite, got {text!r:.100}")
    return name, constants


class OnnxCell(Cell):
    """What the cells of ONNX's operators share.

    Hyperparameters:
        gate_function, candidate_function, output_function: f, g and h of the specification, with their constants:
            "Tanh", "HardSigmoid 0.2 0.5".
        clip: sums stay between -clip and clip before the first two; 0 for no bound.

    Columns of the weights are in ONNX's order of gates: i o f c of an LSTM, z r h of a GRU, whose h is n here.

    Source: the ONNX specification of the operators RNN, LSTM and GRU.
    """

    clip = 0.0

    def applied(self, text: str, value: Any) -> Any:
        """A function of a value."""
        name, constants = parsed(text)
        return FUNCTIONS[name][0](value, *constants)

    def applied_to_sum(self, text: str, value: Any) -> Any:
        """A function of a sum, which is clipped."""
        return self.applied(text, np.clip(value, -self.clip, self.clip) if self.clip else value)


class OnnxRNN(OnnxCell):
    """ONNX's RNN with any function."""

    gates = "i"
    candidate_function = "Tanh"

    @hook
    def step(self, z: Any, h: Any) -> Any:
        return self.applied_to_sum(self.candidate_function, z.i)


class OnnxGRU(OnnxCell):
    """ONNX's GRU with any functions; with `linear_before_reset` the reset gate works after the recurrent product."""

    gates = "z r n"
    gate_function = "Sigmoid"
    candidate_function = "Tanh"
    linear_before_reset = False

    @hook
    def step(self, z: Any, h: Any) -> Any:
        update, reset = self.applied_to_sum(self.gate_function, z.z), self.applied_to_sum(self.gate_function, z.r)
        inner = reset * z.h.n if self.linear_before_reset else self.product(reset * h, "n")
        return (1 - update) * self.applied_to_sum(self.candidate_function, z.x.n + inner) + update * h


class OnnxLSTM(OnnxCell):
    """ONNX's LSTM with any functions."""

    gates = "i o f c"
    states = "h c"
    gate_function = "Sigmoid"
    candidate_function = "Tanh"
    output_function = "Tanh"

    def gate(self, value: Any, c: Any, peephole: str) -> Any:
        """A gate of its sum, and of c where the class has peepholes."""
        seen = value + getattr(self, peephole) * c if peephole in self.vectors else value
        return self.applied_to_sum(self.gate_function, seen)

    @hook
    def step(self, z: Any, h: Any, c: Any) -> Any:
        i = self.gate(z.i, c, "input_peephole")
        f = self.gate(z.f, c, "forget_peephole") if "f" in self.gates else 1 - i
        new = f * c + i * self.applied_to_sum(self.candidate_function, z.c)
        return self.gate(z.o, new, "output_peephole") * self.applied(self.output_function, new), new


class OnnxPeepholeLSTM(OnnxLSTM):
    """ONNX's LSTM whose gates see its memory."""

    vectors = "input_peephole output_peephole forget_peephole"


class OnnxCoupledLSTM(OnnxLSTM):
    """ONNX's LSTM with `input_forget`: it forgets as much as it stores."""

    gates = "i o c"


class OnnxCoupledPeepholeLSTM(OnnxCoupledLSTM):
    """Likewise, with gates that see its memory."""

    vectors = "input_peephole output_peephole"


#: The cells of each operator, by whether gates are coupled, and whether there are peepholes.
CELLS: dict[tuple[str, bool, bool], type[OnnxCell]] = {
    ("RNN", False, False): OnnxRNN,
    ("GRU", False, False): OnnxGRU,
    ("LSTM", False, False): OnnxLSTM,
    ("LSTM", False, True): OnnxPeepholeLSTM,
    ("LSTM", True, False): OnnxCoupledLSTM,
    ("LSTM", True, True): OnnxCoupledPeepholeLSTM,
}
#: Where the functions of each operator stand, in its order.
ARGUMENTS = {
    "RNN": ("candidate_function",),
    "GRU": ("gate_function", "candidate_function"),
    "LSTM": ("gate_function", "candidate_function", "output_function"),
}
