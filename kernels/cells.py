"""The cells as data: all that anything outside a cell's own files needs to know about it.

A row says what a step computes but for its elementwise arithmetic, which each backend has as functions beside the row's
name. Letters: T steps, B batch rows, I inputs, H units, G gates; x, h, c, W, U, b as in the papers, d* for gradients.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

#: Activations that every backend computes: all of Keras that are elementwise and are known by name. The position is the
#: code that compiled loops switch on. First those whose derivative is a function of their output.
ACTIVATIONS: tuple[str, ...] = (
    "linear",
    "tanh",
    "sigmoid",
    "relu",
    "hard_sigmoid",
    "softsign",
    "elu",
    "selu",
    "softplus",
    "exponential",
    "relu6",
    "leaky_relu",
    "hard_tanh",
    "celu",
    "log_sigmoid",
    "squareplus",
    "sparse_plus",
    "sparse_sigmoid",
    "soft_shrink",
    "hard_shrink",
    "gelu",
    "silu",
    "hard_silu",
    "mish",
    "tanh_shrink",
)

#: The last of them, whose derivative is a function of their input: their output rises and falls, or no formula leads
#: back from it. Where one of these stands, a tape keeps its input too, or in the place of its output.
OF_INPUT: tuple[str, ...] = ACTIVATIONS[ACTIVATIONS.index("gelu") :]


@dataclass(frozen=True)
class Gate:
    """H columns of W, U and b, and what becomes of their sums.

    Attributes:
        letter: in formulas and in orders of columns. name: in words.
        activation: the option that names its activation.
        role: what it does to the cell's memory: "keep" some of it, "store" into it, "reset" it before it is read, give
            "output" of it; empty for what is no gate, a simple net's new state.
    """

    letter: str
    name: str
    activation: str
    role: str = ""


@dataclass(frozen=True)
class State:
    """What a step hands on to the next: (B, size), size a letter."""

    name: str
    size: str = "H"


@dataclass(frozen=True)
class Weight:
    """An array that training changes.

    Attributes:
        axes: a size for each: letters, whose product it is: ("I", "GH"). The rows of a bias, if it has more than one,
            follow from the products that begin with them and come before.
        names: what frameworks call it.
    """

    name: str
    axes: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Option:
    """What `pack` fixes besides the weights.

    Attributes:
        kind: "activation", one of ACTIVATIONS, or "flag", True or False.
        names: what frameworks call it, where they have it.
    """

    name: str
    default: Any
    kind: str = "activation"
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Product:
    """A product of a step: operand times some columns of a weight, added to the sums of these gates.

    Attributes:
        operand: "x", the name of a state, or that of a value that the step makes of what was summed before ("rh").
        weight: its name; a weight of one axis multiplies element by element.
        gates: letters, whose columns take part; empty where the product is a state, the output.
        own: the name of an accumulator of its own, beside those of the gates; empty where it adds to theirs.
        bias: the row of the bias that the sums begin with besides; None for none.
        when: an option and its value, of variants of the cell that have this product; None for all.
    """

    operand: str
    weight: str
    gates: str
    own: str = ""
    bias: int | None = None
    when: tuple[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell. Two are equal only if they are the same one, and copies and pickles name it.

    Attributes:
        name: the cell's files in each backend are called so, and its functions begin so.
        title: the public name, of its layer.
        gates: in the order of the columns of W, U and b, which is Keras's.
        states: that a step carries, the output first.
        weights: in the order in which functions take them; `bias` names the one that may be left out.
        products: of a step, in order.
        options: what `pack` fixes besides the weights, in the order in which functions take them.
        orders: the gates' letters in other frameworks' order of columns.
        names: what these frameworks call the cell; Keras calls it as its title says.
        equations: of a cell that is written as such, its step as a graph (`equations/`), which every backend runs.
    """

    name: str
    title: str
    gates: tuple[Gate, ...]
    states: tuple[State, ...]
    weights: tuple[Weight, ...]
    products: tuple[Product, ...]
    options: tuple[Option, ...]
    bias: str = "b"
    orders: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    equations: Any = None

    @cached_property
    def G(self) -> int:
        return len(self.gates)

    @cached_property
    def letters(self) -> str:
        """The gates in the order of columns."""
        return "".join(gate.letter for gate in self.gates)

    @cached_property
    def state_names(self) -> tuple[str, ...]:
        return tuple(state.name for state in self.states)

    @cached_property
    def weight_names(self) -> tuple[str, ...]:
        return tuple(weight.name for weight in self.weights)

    @cached_property
    def option_names(self) -> tuple[str, ...]:
        return tuple(option.name for option in self.options)

    @cached_property
    def activations(self) -> tuple[str, ...]:
        """The options that name activations."""
        return tuple(option.name for option in self.options if option.kind == "activation")

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The options with their defaults."""
        return MappingProxyType({option.name: option.default for option in self.options})

    @cached_property
    def projection(self) -> str:
        """The weight whose product with what the step made is the output state, where there is one; empty for none. It
        has H rows, and the output, and so U's rows, are as many as its columns."""
        return next((product.weight for product in self.products if not product.gates), "")

    @property
    def output(self) -> str:
        """The state that is the output of a step."""
        return self.states[0].name

    def __reduce__(self) -> tuple[Any, ...]:
        return _cell_named, (self.name,)

    def gate(self, name: str) -> Gate:
        """The gate of this name or letter."""
        return next(gate for gate in self.gates if name in (gate.name, gate.letter))

    def products_for(self, options: Mapping[str, Any]) -> tuple[Product, ...]:
        """The products of a step with these options, in order; an option that is left out has its default."""
        chosen = {**self.defaults, **options}
        return tuple(p for p in self.products if p.when is None or chosen[p.when[0]] == p.when[1])

    def bias_rows(self, options: Mapping[str, Any]) -> int:
        """How many rows the bias has."""
        return 1 + max((product.bias or 0 for product in self.products_for(options)), default=0)

    def shapes(self, sizes: Mapping[str, int], options: Mapping[str, Any]) -> tuple[tuple[int, ...], ...]:
        """The shape of each weight, for the size that each letter stands for; G is known."""
        known = {**sizes, "G": self.G}
        shapes = {weight.name: tuple(_size(axis, known) for axis in weight.axes) for weight in self.weights}
        rows = self.bias_rows(options)
        if rows > 1:
            shapes[self.bias] = (rows, *shapes[self.bias])
        return tuple(shapes.values())

    def bias_shape(self, H: int, **options: Any) -> tuple[int, ...]:
        """The shape of the bias: (G*H,), or with as many rows before as there are products that begin with one."""
        rows = self.bias_rows(options)
        return (rows, self.G * H) if rows > 1 else (self.G * H,)

    @cached_property
    def places(self) -> Mapping[str, tuple[int, int]]:
        """Which axis of which weight says what a letter stands for: the first that has the letter alone, or where there
        is none the first that has it beside G."""
        axes = [(axis, (i, k)) for i, weight in enumerate(self.weights) for k, axis in enumerate(weight.axes)]
        axes.sort(key=lambda place: len(place[0]))
        letters = {letter for axis, _ in axes for letter in axis} - {"G"}
        return {letter: next(place for axis, place in axes if letter in axis) for letter in letters}

    def sizes(self, weights: Sequence[Any]) -> dict[str, int]:
        """What each letter of the weights' axes stands for, from arrays in the row's order; 0 where an axis lacks."""
        sizes = {}
        for letter, (i, k) in self.places.items():
            n = weights[i].shape[k] if weights[i].ndim > k else 0
            sizes[letter] = n // self.G if "G" in self.weights[i].axes[k] else n
        return sizes


def _size(axis: str, sizes: Mapping[str, int]) -> int:
    return math.prod(sizes[letter] for letter in axis)


_WEIGHTS = (
    Weight("W", ("I", "GH"), {"keras": "kernel", "torch": "weight_ih", "onnx": "W"}),
    Weight("U", ("H", "GH"), {"keras": "recurrent_kernel", "torch": "weight_hh", "onnx": "R"}),
    Weight("b", ("GH",), {"keras": "bias", "torch": "bias_ih", "onnx": "B"}),
)
_ACTIVATION, _RECURRENT = Option("activation", "tanh"), Option("recurrent_activation", "sigmoid")

_RNN = Cell(
    name="rnn",
    title="SimpleRNN",
    gates=(Gate("h", "state", "activation"),),
    states=(State("h"),),
    weights=_WEIGHTS,
    products=(Product("x", "W", "h", bias=0), Product("h", "U", "h")),
    options=(_ACTIVATION,),
    orders={"torch": "h", "onnx": "h"},
    names={"torch": "RNN", "onnx": "RNN"},
)

_LSTM = Cell(
    name="lstm",
    title="LSTM",
    gates=(
        Gate("i", "input", "recurrent_activation", "store"),
        Gate("f", "forget", "recurrent_activation", "keep"),
        Gate("c", "candidate", "activation", "store"),
        Gate("o", "output", "recurrent_activation", "output"),
    ),
    states=(State("h"), State("c")),
    weights=_WEIGHTS,
    products=(Product("x", "W", "ifco", bias=0), Product("h", "U", "ifco")),
    options=(_ACTIVATION, _RECURRENT),
    orders={"torch": "ifco", "onnx": "iofc"},
    names={"torch": "LSTM", "onnx": "LSTM"},
)

_AFTER, _BEFORE = ("reset_after", True), ("reset_after", False)
_GRU = Cell(
    name="gru",
    title="GRU",
    gates=(
        Gate("z", "update", "recurrent_activation", "keep"),
        Gate("r", "reset", "recurrent_activation", "reset"),
        Gate("h", "candidate", "activation", "store"),
    ),
    states=(State("h"),),
    weights=_WEIGHTS,
    products=(
        Product("x", "W", "zrh", bias=0),
        Product("h", "U", "zr", bias=1, when=_AFTER),
        Product("h", "U", "h", own="q", bias=1, when=_AFTER),
        Product("h", "U", "zr", when=_BEFORE),
        Product("rh", "U", "h", when=_BEFORE),
    ),
    options=(_ACTIVATION, _RECURRENT, Option("reset_after", True, "flag", {"onnx": "linear_before_reset"})),
    orders={"torch": "rzh", "onnx": "zrh"},
    names={"torch": "GRU", "onnx": "GRU"},
)

#: The cells by name; `kernels.add_cell` adds to them.
CELLS: dict[str, Cell] = {cell.name: cell for cell in (_RNN, _LSTM, _GRU)}


def _cell_named(name: str) -> Cell:
    if name not in CELLS:
        raise ValueError(f"expected a cell of {', '.join(CELLS)}, got {name!r}; kernels.add_cell adds one")
    return CELLS[name]
