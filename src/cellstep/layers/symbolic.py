"""SymbolicTensor: an array that is not there yet, and Node: one call of a layer on such tensors.

    x = Input((None, 3))
    y, h = GRU(4, return_state=True)(x)       # two tensors; the call is a Node

Nothing is computed: a layer that is called on tensors is built, and notes which tensors it was called on. A model is
made of tensors, and runs the calls between its inputs and its outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol, cast, overload

import numpy as np
from numpy.typing import NDArray

from . import nested
from .context import Context, traced_beside, traced_on
from .module import Shape
from .penalties import run_layer
from .variable import Variable

if TYPE_CHECKING:
    from .base import Layer


Operator = Callable[[Any, Any], "SymbolicTensor"]

#: What to do with a tensor.
OPS = "call layers on it, or functions of cellstep.ops"


def _binary(name: str) -> tuple[Operator, Operator]:
    """An operator of two operands, and the reflected one."""
    return lambda x, z: _operation(name, x, z), lambda x, z: _operation(name, z, x)


def _unary(name: str) -> Callable[[Any], SymbolicTensor]:
    return lambda x: _operation(name, x)


def _operation(name: str, *arguments: Any) -> Any:
    for argument in with_weights(arguments):
        if not isinstance(argument, SymbolicTensor | int | float | np.ndarray | np.generic | list | tuple):
            return NotImplemented
    return SymbolicTensor.operate(name, list(arguments), {})


def constants_as_tensors(structure: Any) -> Any:
    """The same structure of tensors with arrays and weights in it as tensors too, that have no inputs."""

    def tensor(leaf: Any) -> Any:
        if isinstance(leaf, SymbolicTensor):
            return leaf
        return (leaf if isinstance(leaf, Variable) else Variable(leaf, trainable=False, name="constant")).as_tensor()

    return nested.change(structure, tensor)


class TensorFunction(Protocol):
    """A function, or what calls a layer: tensors give a tensor, and arrays an array."""

    @overload
    def __call__(self, x: Tensors, /, *args: Any, **options: Any) -> SymbolicTensor: ...
    @overload
    def __call__(self, *args: Any, **options: Any) -> NDArray[Any]: ...


def of_tensors(function: Callable[..., Any]) -> TensorFunction:
    """A function as type checkers see one of tensors."""
    return cast(TensorFunction, function)


def with_weights(structure: Any) -> Any:
    """The same lists and tuples with tensors in the place of weights where a function is traced, so that gradients
    reach these."""
    if traced_on.get() is None:
        return structure
    if isinstance(structure, list | tuple) and any(isinstance(leaf, Variable) for leaf in nested.flatten(structure)):
        return nested.change(structure, with_weights)
    return structure.as_tensor() if isinstance(structure, Variable) else structure


def in_trace(x: Any) -> Any:
    """What a layer is called on; an array as a tensor where a function is traced, so that gradients reach the layer."""
    if traced_on.get() is None or not isinstance(x, np.ndarray):
        return x
    return Variable(x, name="constant", trainable=False).as_tensor()


class NoTensors(AttributeError, ValueError):
    """An input or output is asked for of what was not called on tensors: for `hasattr` it is not there."""


class SymbolicTensor:
    """What a layer will give when a model runs it.

    Attributes:
        open_shape: None for open axes, the batch size among them. shape: the same; in a function that is traced open
            axes are sizes that operations take, and code that compares them, or needs the number, makes the trace
            know them.
        dtype: as a NumPy dtype.
        node: the call that gives it. index: which of that call's outputs it is.
        differentiable: False for targets, which have no gradient.
    """

    differentiable = True
    #: What an operator does, by the name of its operation: `operations.apply`, which is on top of layers.
    operate: ClassVar[Callable[[str, list[Any], dict[str, Any]], Any]]
    #: The shape with a size that operations take for each open axis: `sizes.shape`.
    sizes: ClassVar[Callable[[Any], tuple[Any, ...]]]
    #: The names of operations by those of their functions, which NumPy's have too.
    functions: ClassVar[dict[str, str]]

    def __init__(self, shape: Shape, dtype: Any, node: Node, index: int) -> None:
        self.open_shape, self.dtype, self.node, self.index = tuple(shape), np.dtype(dtype), node, index

    @property
    def shape(self) -> tuple[Any, ...]:
        return self.open_shape if None not in self.open_shape or traced_on.get() is None else self.sizes()

    @property
    def name(self) -> str:
        """The name of the layer that gives it, with its place where that has several outputs."""
        return self.node.layer.name + (f":{self.index}" if len(self.node.outputs) > 1 else "")

    @property
    def ndim(self) -> int:
        return len(self.open_shape)

    # Operators: each is an operation of `cellstep.ops`
    __add__, __radd__ = _binary("Add")
    __sub__, __rsub__ = _binary("Subtract")
    __mul__, __rmul__ = _binary("Multiply")
    __truediv__, __rtruediv__ = _binary("TrueDivide")
    __floordiv__, __rfloordiv__ = _binary("FloorDivide")
    __mod__, __rmod__ = _binary("Mod")
    __pow__, __rpow__ = _binary("Power")
    __matmul__, __rmatmul__ = _binary("Matmul")
    __gt__ = _binary("Greater")[0]
    __ge__ = _binary("GreaterEqual")[0]
    __lt__ = _binary("Less")[0]
    __le__ = _binary("LessEqual")[0]
    __ne__ = _binary("NotEqual")[0]  # type: ignore[assignment]
    __hash__ = object.__hash__
    __and__ = _binary("LogicalAnd")[0]
    __or__ = _binary("LogicalOr")[0]
    __xor__ = _binary("LogicalXor")[0]
    __neg__ = _unary("Negative")
    __abs__ = _unary("Absolute")
    __invert__ = _unary("LogicalNot")

    def __eq__(self, other: Any) -> Any:
        """Whether they are one, as in Keras; by values where a function is traced that Keras calls on values."""
        return self is other if traced_on.get() is None else _operation("Equal", self, other)

    def __getitem__(self, key: Any) -> SymbolicTensor:
        parts = key if isinstance(key, tuple) else (key,)
        for part in parts:
            if not (part is None or part is Ellipsis or isinstance(part, int | np.integer | slice)):
                raise TypeError(
                    f"{self!r} takes slices, integers, None and ... in brackets, got {part!r}; use cellstep.ops.take "
                    "for several places"
                )
        item: SymbolicTensor = _operation("GetItem", self, parts)
        return item

    def reshape(self, *shape: Any) -> SymbolicTensor:
        """As of an array: of sizes, or of a tuple of them."""
        sizes = shape[0] if len(shape) == 1 else shape
        return cast(SymbolicTensor, SymbolicTensor.operate("Reshape", [self], {"newshape": sizes}))

    def squeeze(self, axis: Any = None) -> SymbolicTensor:
        return cast(SymbolicTensor, SymbolicTensor.operate("Squeeze", [self], {"axis": axis}))

    def astype(self, dtype: Any) -> SymbolicTensor:
        return cast(SymbolicTensor, SymbolicTensor.operate("Cast", [self], {"dtype": dtype}))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        # NumPy asks here for array + tensor, and for np.tanh(tensor)
        kind = self.functions.get(ufunc.__name__)
        if method != "__call__" or kind is None or options:
            self._refuse()
        return _operation(kind, *inputs)

    def _refuse(self, advice: str = OPS) -> NoReturn:
        lacks = f"{self!r} has no values before a model runs: {advice}"
        error: Any = TypeError(f"{lacks}, then Model(inputs, outputs) on arrays")
        error.lacks = lacks  # for those who can say where
        raise error

    def __array__(self, *args: Any, **options: Any) -> NoReturn:
        self._refuse()

    def __bool__(self) -> NoReturn:
        self._refuse("let functions of cellstep.ops, such as where, choose between values")

    def __float__(self) -> NoReturn:
        self._refuse()

    def __len__(self) -> NoReturn:
        self._refuse()

    def __iter__(self) -> Iterator[SymbolicTensor]:
        raise TypeError(f"{self!r} is one tensor, and cannot be unpacked: return_state=True makes a layer give several")

    def __repr__(self) -> str:
        return f"<SymbolicTensor {self.name} {self.open_shape} {self.dtype}>"


Tensors = SymbolicTensor | Sequence[SymbolicTensor] | Mapping[str, SymbolicTensor]


class Node:
    """One call of a layer.

    Attributes:
        layer: what was called. x: the tensor, or the structure of tensors, that it was called on.
        mask: a tensor or a structure of them, where one was given; else the masks of x are taken.
        named: what else holds tensors, by name, such as initial_state.
        options: what else the call was given. masks: tensors whose masks it is given, by name; None where it is given
            that of x alone, as `mask`.
        outputs: the tensors that it gives, flat. structure: the same as the call returned them.
        inputs: all tensors that it needs.
    """

    def __init__(
        self, layer: Layer, x: Any, mask: Any = None, named: dict[str, Any] | None = None, options: Any = None
    ) -> None:
        self.layer, self.x, self.mask, self.named, self.options = layer, x, mask, named or {}, options or {}
        self.inputs: list[SymbolicTensor] = nested.flatten(x) if x is not None else []
        self.inputs += [*([] if mask is None else nested.flatten(mask)), *nested.flatten(list(self.named.values()))]
        self.outputs: list[SymbolicTensor] = []
        self.structure: Any = None
        self.masks: dict[str, Any] | None = None

    def known(self) -> Any:
        """Outputs with values, where all inputs have one, else None; the layer does not keep the call."""
        value = {id(tensor): getattr(tensor, "value", None) for tensor in self.inputs}
        if not value or any(v is None for v in value.values()):
            return None

        def values_of(structure: Any) -> Any:
            return None if structure is None else nested.change(structure, lambda tensor: value[id(tensor)])

        options = {**self.options, **values_of(self.named)}
        x, mask = values_of(self.x), values_of(self.mask)
        y = run_layer(self.layer, x, mask, Context(options.pop("training", False), penalties=[]), **options)[0]
        known_tensor: Any = type(self.inputs[0])
        self.outputs = [known_tensor(np.asarray(v), self, i) for i, v in enumerate(nested.flatten(y))]
        self.structure = nested.pack(y, self.outputs)
        return self.structure

    def give(self, shape: Any, dtype: Any, nodes: list[Node]) -> Any:
        """Make the outputs, of one shape or a structure of shapes, join the layer's nodes, and return the outputs in
        that structure."""
        if nested.is_shape(shape):
            self.outputs = [SymbolicTensor(tuple(shape), dtype, self, 0)]
            self.structure = self.outputs[0]
        else:
            shapes = nested.shapes(shape)
            self.outputs = [SymbolicTensor(s, dtype, self, i) for i, s in enumerate(shapes)]
            named = isinstance(shape, dict)
            self.structure = dict(zip(sorted(shape), self.outputs, strict=True)) if named else list(self.outputs)
        return self._joined(nodes)

    def give_like(self, structure: Any, nodes: list[Node]) -> Any:
        """Likewise, of the shapes and dtypes of these tensors, in their structure."""
        like = nested.flatten(structure)
        self.outputs = [SymbolicTensor(tensor.open_shape, tensor.dtype, self, i) for i, tensor in enumerate(like)]
        self.structure = nested.pack(structure, self.outputs)
        return self._joined(nodes)

    def _joined(self, nodes: list[Node]) -> Any:
        if self.x is None or traced_on.get() is None:  # layers do not keep the calls of what is traced
            nodes.append(self)
        elif self.layer.regularizers_inside():  # their penalties count, whatever becomes of the outputs
            traced_beside.get().extend(self.outputs)
        return self.structure


def is_symbolic(x: Any) -> bool:
    """Whether a layer that is called on x is called on tensors."""
    if isinstance(x, (list, tuple, dict)):
        return any(map(is_symbolic, x.values() if isinstance(x, dict) else x))
    return isinstance(x, SymbolicTensor)
