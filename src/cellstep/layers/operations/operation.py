"""Operation: one call of a function such as `mean` on tensors, as a layer without weights.

    last = h[:, -1]                     # an Operation "GetItem"
    share = ops.softmax(h / 2, axis=1)  # two more

It holds what it was called with, with a Slot where each tensor stood. As in Keras no mask goes through it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from ... import core
from .. import nested
from ..base import Array, Layer
from ..context import Applied, Context, traced_on
from ..names import auto_name
from ..sizes import Size
from ..symbolic import SymbolicTensor, with_weights
from . import arithmetic
from .encoding import Slot, decoded, encoded
from .table import OPERATIONS, Kind


def apply(name: str, arguments: list[Any], options: dict[str, Any]) -> Any:
    """Do an operation: at once on arrays, later where there are tensors among the arguments."""
    kind, arguments = OPERATIONS[name], with_weights(arguments)
    found = nested.flatten(arguments)
    for leaf in found:
        if isinstance(leaf, np.ma.MaskedArray):
            core.plain("x", leaf)  # which takes it, or says why not
    # what a traced function draws is drawn each time that the model runs, which takes a tensor
    draws = kind.module == "random" and traced_on.get() is not None and not isinstance(options["seed"], int)
    if not draws and not any([isinstance(leaf, SymbolicTensor | Size) for leaf in found + nested.flatten(options)]):
        kinds = [leaf.dtype for leaf in found if isinstance(leaf, np.ndarray | np.generic)]
        return _outcome(kind, arguments, options, *_dtypes(kinds))[0]
    if not kind.listed:
        # where an array belongs a list of tensors stands for one
        arguments = [apply("Stack", [list(a)], {}) if _has_tensors(a) else a for a in arguments]
    return called(name, arguments, options, None, [traced_on.get()] if draws else [])[1]


SymbolicTensor.operate = staticmethod(apply)
SymbolicTensor.functions = {kind.function: name for name, kind in OPERATIONS.items()}


def called(
    operation: str, arguments: list[Any], options: dict[str, Any], name: str | None, also: Sequence[Any] = ()
) -> tuple[Operation, Any]:
    """The Operation that is made for such arguments, and the tensors that it gave; `also` it is called on others, which
    it does not read."""
    tensors: list[Any] = [*also]

    def slot(tensor: Any) -> Slot:
        tensors.append(tensor)
        return Slot(len(tensors) - 1)

    def held(leaf: Any) -> Any:
        if isinstance(leaf, Size):
            return leaf.replaced(slot)
        return slot(leaf) if isinstance(leaf, SymbolicTensor) else leaf

    layer = Operation(operation, nested.change(arguments, held), nested.change(options, held), name=name)
    return layer, layer(tensors[0] if len(tensors) == 1 else tensors)


class Operation(Layer):
    """An operation between tensors. Functions of `cellstep.ops` and Python's operators make them.

    Args:
        operation: Keras's name, such as "Mean".
        arguments: what it is called with, a Slot for each tensor.
        options: what else it takes; in place of a number a Size, of slots.
        name, dtype, trainable: as for every layer.

    Raises:
        ValueError: there is no such operation.
    """

    takes_several = True
    supports_masking = False
    config_keys = ()

    def __init__(
        self,
        operation: str,
        arguments: list[Any],
        options: dict[str, Any] | None = None,
        *,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
    ) -> None:
        if operation not in OPERATIONS:
            raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}, got {operation!r}")
        super().__init__(auto_name(operation) if name is None else name, dtype, trainable)
        self.operation, self.arguments, self.options = operation, arguments, dict(options or {})
        #: The dtypes of the tensors, and of the outputs; known once it was called on tensors.
        self._dtypes: list[np.dtype[Any]] | None = None
        self._gives: np.dtype[Any] = self.dtype
        self._wide = True
        self._flat = not any(isinstance(a, list | tuple | dict | slice | Size) for a in arguments)
        self._has_sizes = any(isinstance(leaf, Slot | Size) for leaf in nested.flatten(self.options))

    @property
    def kind(self) -> Kind:
        """Its row in the table."""
        return OPERATIONS[self.operation]

    @property
    def keras_module(self) -> str:
        return f"keras.src.ops.{self.kind.module}"

    @property
    def keras_name(self) -> str:
        return self.operation

    @property
    def output_dtype(self) -> np.dtype[Any]:
        return self._gives

    def __call__(
        self, x: Any, mask: Any = None, initial_state: Any = None, training: bool | None = None, **options: Any
    ) -> Any:
        tensors = nested.flatten(x)
        if any(isinstance(tensor, SymbolicTensor) for tensor in tensors):
            self._dtypes = [tensor.dtype for tensor in tensors]
            slots = [leaf.number for leaf in nested.flatten(self.arguments) if isinstance(leaf, Slot)]
            self.dtype, self._wide = _dtypes([self._dtypes[number] for number in slots], self.dtype)
        return super().__call__(x, mask, initial_state, training, **options)

    def reach(self, rank: int) -> str:
        """ "step" for what works elementwise, or along the last axis of several; else "sequence"."""
        if self.operation == "GetItem":
            key = self.arguments[1] if isinstance(self.arguments[1], tuple) else ()
            behind = key and key[0] is Ellipsis and len(key) < rank
            whole = len(key) > 1 and all(isinstance(part, slice) and part == slice(None) for part in key[:2])
            return "step" if behind or whole else "sequence"
        axis, elementwise, constants = self._along()
        return "step" if axis == -1 and not constants and (elementwise or rank > 2) else "sequence"

    def independent_rows(self, training: bool) -> bool:
        """Whether it works elementwise, or along the last axis."""
        axis, _, constants = self._along()
        return axis == -1 and constants < 2

    def _along(self) -> tuple[Any, bool, int]:
        """The axis that it works along, -1 too where it works elementwise; whether it does; and the most axes of a
        constant in it."""
        elementwise = bool(self.kind.arguments) and self.kind.rule.__module__ == arithmetic.__name__
        axis = {**self.kind.options, **self.options}.get("axis", -1 if elementwise else None)
        constants = [np.ndim(leaf) for leaf in nested.flatten(self.arguments) if not isinstance(leaf, Slot)]
        return axis, elementwise, max(constants, default=0)

    def compute_mask(self, x: Any, mask: Any = None) -> None:
        """None: as in Keras, a mask ends here."""
        return None

    def drops_mask(self, mask: Any, used: bool = False) -> None:
        """Says nothing, as Keras does not."""

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """The outcome, and a pullback that gives the gradient of each tensor, None for one that has none."""
        inputs = nested.flatten(x)
        y, back = self._do([self._cast(i, a) for i, a in enumerate(inputs)], context.tape)

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            if not need_dx:
                return None
            places = self.arguments[0] if self.kind.listed else self.arguments
            gradients = {p.number: d for p, d in zip(places, back(dy), strict=False) if isinstance(p, Slot)}
            pairs = [(gradients.get(i), np.asarray(a)) for i, a in enumerate(inputs)]
            dx = [None if d is None or a.dtype.kind != "f" else d.astype(a.dtype, copy=False) for d, a in pairs]
            return dx[0] if not isinstance(x, list | tuple) else dx

        return y, None, pullback

    def _cast(self, i: int, value: Any) -> Array:
        a = value if type(value) is np.ndarray else core.plain("x", value)
        wanted = a.dtype if self._dtypes is None else self._dtypes[i]
        return a.astype(wanted, copy=False) if wanted.kind == "f" else a

    def _do(self, arrays: list[Array], tape: bool = False) -> tuple[Any, Callable[[Any], Any]]:
        def filled(leaf: Any) -> Any:
            if type(leaf) is Slot:
                return arrays[leaf.number]
            return leaf.value(filled) if type(leaf) is Size else leaf

        options = nested.change(self.options, filled) if self._has_sizes else self.options
        if self._flat:
            arguments = [arrays[a.number] if type(a) is Slot else a for a in self.arguments]
        else:
            arguments = nested.change(self.arguments, filled)
        return _outcome(self.kind, arguments, options, self.dtype, self._wide, tape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """What the operation gives for ones, an axis being open that follows an open one.

        Raises:
            ValueError: inputs of these shapes do not go together.
        """
        shapes = nested.shapes(input_shape)
        kinds = self._dtypes or [self.dtype] * len(shapes)

        def run(size: int) -> Any:
            ones = [np.ones([size if n is None else n for n in s], d) for s, d in zip(shapes, kinds, strict=True)]
            try:
                return self._do(ones)[0]
            except (ValueError, IndexError, TypeError) as error:
                listed = ", ".join(core.describe(s) for s in shapes)
                raise ValueError(
                    f"expected inputs that {self.kind.function} can take, got shapes {listed}: {error}"
                ) from None

        y, sizes = nested.tried(run)
        self._gives = nested.flatten(y)[0].dtype
        return sizes if isinstance(y, list) else sizes[0]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        arguments = [encoded(argument) for argument in self.arguments]
        return {**config, "operation": self.operation, "arguments": arguments, "options": encoded(self.options)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        arguments, options = decoded(config["arguments"]), decoded(config["options"])
        return cls(**{**config, "arguments": arguments, "options": options})


def _dtypes(kinds: list[np.dtype[Any]], default: Any = None) -> tuple[np.dtype[Any], bool]:
    """The dtype of floats that come of arguments of these dtypes, and whether integers may have 64 bits."""
    floats = [kind for kind in kinds if kind.kind == "f"]
    dtype = np.result_type(*floats) if floats else np.dtype(default or core.floatx())
    return dtype, any([kind.kind in "iu" and kind.itemsize == 8 for kind in kinds])


def _outcome(
    kind: Kind, arguments: list[Any], options: dict[str, Any], dtype: np.dtype[Any], wide: bool, tape: bool = False
) -> tuple[Any, Callable[[Any], Any]]:
    """What the rule gives, in dtypes as Keras has them: NumPy makes float64 and int64 of int32. With `tape` the
    pullback will be called, so that a formula is run by its graph at once."""
    rule = getattr(kind.rule, "taped", kind.rule) if tape else kind.rule
    passed = _passed(kind, arguments, dtype)
    try:
        with np.errstate(all="ignore"):
            y, back = rule(*passed, **options)
    except (AttributeError, IndexError, ArithmeticError) as error:
        if kind.name == "GetItem" or isinstance(error, ValueError):
            raise
        came = ", ".join(core.brief(leaf) for leaf in nested.flatten(arguments))
        raise ValueError(f"expected inputs that {kind.function} can take, got {came}: {error}") from error

    def own(part: Any) -> Array:
        a = np.asarray(part)
        if kind.own_dtype or options.get("dtype"):
            return a
        if a.dtype.kind == "f":
            return a.astype(dtype, copy=False)
        return a.astype(a.dtype.kind + "4") if a.dtype.kind in "iu" and a.itemsize == 8 and not wide else a

    return nested.change(y, own) if isinstance(y, list) else own(y), back


def _passed(kind: Kind, arguments: list[Any], dtype: Any) -> list[Any]:
    """The arguments of the rule: arrays for lists of numbers, constants in `dtype` where they are floats."""

    def array(value: Any) -> Any:
        a = np.asarray(value) if isinstance(value, list) else value
        return a.astype(dtype, copy=False) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a

    if kind.listed:
        return [[array(part) for part in arguments[0]]]
    if kind.name == "GetItem":
        return [array(arguments[0]), arguments[1]]  # what indexes stays as it is
    return [array(argument) for argument in arguments]


def _has_tensors(argument: Any) -> bool:
    return isinstance(argument, list | tuple) and any(isinstance(part, SymbolicTensor) for part in argument)
