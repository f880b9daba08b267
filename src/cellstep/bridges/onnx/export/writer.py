"""Writer: the nodes of an ONNX graph while a model is written, and the values between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ....layers import Layer, nested
from ....untrusted import library


class CannotExport(NotImplementedError):
    """What a layer does has no form in ONNX, or none that is written here."""


@dataclass(frozen=True)
class Value:
    """A value of the graph.

    Attributes:
        name: in the graph. shape: None for open axes. dtype: NumPy's.
        mask: the name of booleans (batch, time) that are False where a step is padding; lengths: of the numbers of
            steps (batch,); None where all steps count. padding: whether the mask says which steps there are at all, so
            that what goes backwards begins at each row's own end.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]
    mask: str | None = None
    lengths: str | None = None
    padding: bool = False

    @property
    def ndim(self) -> int:
        return len(self.shape)


@dataclass
class Call:
    """A call of a layer, as a rule sees it: its inputs flat, those by name, and the shapes of its outputs."""

    layer: Any
    inputs: list[Value]
    named: dict[str, Any] = field(default_factory=dict)
    shapes: list[tuple[int | None, ...]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def x(self) -> Value:
        return self.inputs[0]


Rule = Callable[["Writer", Call], Any]
#: What writes each class of layers: gives a value, or a list of them.
RULES: dict[type[Any], Rule] = {}


def rule(*kinds: type[Any]) -> Callable[[Rule], Rule]:
    """A decorator: the function writes layers of these classes."""

    def decorator(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, function))
        return function

    return decorator


class Writer:
    """A graph that is being written.

    Args:
        opset: the version of the operators. states: whether the states of recurrent layers are inputs and outputs.
        step: whether the graph is one step.
    """

    def __init__(self, opset: int, states: bool, step: bool) -> None:
        self.opset, self.with_states, self.step = opset, states, step
        self.helper = library("onnx.helper", "onnx", "ONNX files")
        self.numpy_helper = library("onnx.numpy_helper", "onnx", "ONNX files")
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray[Any, Any]] = {}
        self.inputs: list[tuple[str, np.dtype[Any], list[Any]]] = []
        self.states: list[tuple[str, np.dtype[Any], list[Any]]] = []
        #: Those that are taken.
        self.names: set[str] = set()

    def name(self, stem: str) -> str:
        """A name that nothing else has."""
        name, number = stem, 0
        while name in self.names:
            number += 1
            name = f"{stem}_{number}"
        self.names.add(name)
        return name

    def node(self, kind: str, *inputs: str, count: int = 1, stem: str = "", **attributes: Any) -> Any:
        """A node; gives the names of its outputs, one, or a list."""
        stem = self.name(stem or kind.lower())
        outputs = [self.name(f"{stem}/{i}") if count > 1 else self.name(f"{stem}/out") for i in range(count)]
        self.nodes.append(self.helper.make_node(kind, list(inputs), outputs, name=stem, **attributes))
        return outputs[0] if count == 1 else outputs

    def constant(self, value: Any, stem: str = "constant", dtype: Any = None) -> str:
        """The name of an array."""
        name = self.name(stem)
        self.constants[name] = np.asarray(value, dtype)
        return name

    def integers(self, *numbers: int) -> str:
        """The name of a vector of integers; one that is there already, if it is."""
        name = f"ints/{'_'.join(map(str, numbers))}"
        self.constants[name] = np.array(numbers, np.int64)
        return name

    # What many rules need

    def like(self, x: Value, name: str, shape: Any = None, dtype: Any = None) -> Value:
        """Another value with the mask of x."""
        return replace(x, name=name, shape=tuple(x.shape if shape is None else shape), dtype=np.dtype(dtype or x.dtype))

    def plain(self, name: str, shape: Any, dtype: Any) -> Value:
        return Value(name, tuple(shape), np.dtype(dtype))

    def cast(self, x: Value, dtype: Any) -> Value:
        """x in another dtype."""
        dtype = np.dtype(dtype)
        if x.dtype == dtype:
            return x
        number = self.helper.np_dtype_to_tensor_dtype(dtype)
        return replace(x, name=self.node("Cast", x.name, to=number), dtype=dtype)

    def transposed(self, x: Value, order: list[int]) -> Value:
        """x with its axes in another order."""
        return self.like(x, self.node("Transpose", x.name, perm=order), [x.shape[i] for i in order])

    def squeeze(self, name: str, axis: int) -> str:
        return str(self.node("Squeeze", name, self.integers(axis)))

    def unsqueeze(self, name: str, axis: int) -> str:
        return str(self.node("Unsqueeze", name, self.integers(axis)))

    def flipped(self, name: str, axis: int) -> str:
        """Entries along an axis in the other order."""
        ends = self.integers(-1), self.integers(-(2**63)), self.integers(axis), self.integers(-1)
        return str(self.node("Slice", name, *ends))

    def size(self, name: str, axis: int) -> str:
        """The size of an axis, as a vector of one integer."""
        return str(self.node("Gather", self.node("Shape", name), self.integers(axis), axis=0))

    def masked(self, x: Value, mask: str) -> Value:
        """x with a mask (batch, time), and the lengths that follow from it."""
        number = self.helper.np_dtype_to_tensor_dtype(np.dtype("int32"))
        counts = self.node("Cast", mask, to=number)
        lengths = self.node("ReduceSum", counts, self.integers(1), keepdims=0)
        return replace(x, mask=mask, lengths=lengths)

    def input(self, name: str, dtype: Any, sizes: list[Any]) -> str:
        """A new input of the graph."""
        name = self.name(name)
        self.inputs.append((name, np.dtype(dtype), sizes))
        return name


def write(w: Writer, layer: Layer, inputs: list[Value], call: Call) -> list[Value]:
    """The outputs of a call of a layer."""
    function = next((RULES[kind] for kind in type(layer).__mro__ if kind in RULES and _same(layer, kind)), None)
    if function is None:
        raise CannotExport(
            f"{layer.name} cannot be written as ONNX, as there is no such form of {type(layer).__name__}"
        )
    return list(nested.flatten(function(w, call)))


def _same(layer: Any, kind: type[Any]) -> bool:
    """Whether a layer is of this class, not of one of the user's that computes something else."""
    return type(layer) is kind or not any(
        name in vars(cls)
        for cls in type(layer).__mro__[: type(layer).__mro__.index(kind)]
        for name in ("call", "forward", "apply")
    )
