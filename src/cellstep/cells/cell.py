"""Cell: a recurrent cell written as its equations, which run on the compiled loops, forward and backward."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from .. import activations, core, kernels, registry
from ..activations import Activation
from ..configured import arguments_of, levels_to_user, of_package
from ..kernels.equations import has_vector_code
from ..kernels.equations.row import row_of
from ..layers.cell import RecurrentCell
from ..layers.cell_layer import CellLayer, of_cell
from ..layers.deserialization import offer
from ..lookup import snake_case
from .recording import record
from .symbols import Symbol, refuse
from .words import WORDS, check_words

#: Arguments that every cell takes, with their defaults, and those of its layer.
_ARGUMENTS: Mapping[str, Any] = {
    "use_bias": True,
    "kernel_initializer": "glorot_uniform",
    "recurrent_initializer": "orthogonal",
    "bias_initializer": "zeros",
    "kernel_regularizer": None,
    "recurrent_regularizer": None,
    "bias_regularizer": None,
    "kernel_constraint": None,
    "recurrent_constraint": None,
    "bias_constraint": None,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "weight_dropout": 0.0,
    "zoneout": 0.0,
    "seed": None,
}
_OF_LAYER: Mapping[str, Any] = {
    "return_sequences": False,
    "return_state": False,
    "go_backwards": False,
    "stateful": False,
    "unroll": False,
    "zero_output_for_mask": False,
    "num_layers": 1,
    "trainable_initial_state": False,
    "recompute": False,
}


class Cell(RecurrentCell):
    """The base of cells written as their equations: a subclass says what a step computes of each unit, in NumPy's
    style, and gets the rest.

        class MGU(cellstep.Cell):
            gates = "f n"
            states = "h"

            def step(self, z, h):
                f = sigmoid(z.f)
                n = np.tanh(z.x.n + self.product(f * h, "n"))
                return (1 - f) * h + f * n

    `step` is run once, when the class is defined, with symbols; its derivative is made of the graph. Kernels run both.

    Class attributes:
        gates: a letter for each gate, in the order of the columns of the weights. Of gate f the step takes `z.f`, which
            is b + x W + h U; or its parts `z.x.f`, b + x W, and `z.h.f`, h U with a bias of its own.
        states: names, the output first; each is an argument of `step` and has `units` numbers. `step` returns the new
            ones. Or a dictionary, {"h": "projection", "c": "units"}: then the output has as many numbers as the
            argument `projection` says, and is `self.project(value)`.
        vectors: names of weights (units,), as `self.name` in the step; or a dictionary of names to initializers.
        gate_names, roles: words for the gates, and what they do to the memory ("keep", "store", "reset", "output"),
            by letter, for the lab's pictures.
        Others with a number, a truth value, a string or None are hyperparameters: arguments of the constructor with
            these defaults, and `self.name` in the step. One called activation, or ..._activation, is one there. One
            that every cell has, such as use_bias, is its default.

    Functions: operators, `np.tanh`, `np.exp`, `np.where`, `np.minimum`, `np.clip` and the like, `cellstep.activations`,
    and these of the cell: `self.product(value, "n")`, value U in the columns of gate n, in the place of its product
    with h; `self.project(value)`, its product with a matrix, for an output of a size of its own; `self.mean(value)`
    over the units of a row; `self.normalize(value)`, with mean 0 and variance 1 over them.

    Args:
        units: the size of each state; behind it the size of the output, where it has one of its own.
        use_bias, *_initializer, *_regularizer, *_constraint, dropout, recurrent_dropout, seed: as for an LSTMCell; and
            `<vector>_initializer` for each vector.

    Attributes:
        Layer: the layer over the cell: its arguments, and those of `layers.LSTM`.

    Raises:
        TypeError, ValueError, AttributeError, NameError: when the class is defined, for a step that branches on values,
            calls what is not elementwise or has no derivative, or returns other states than it took; with the line.
    """

    gates: ClassVar[str] = ""
    states: ClassVar[str | Mapping[str, str]] = "h"
    vectors: ClassVar[str | Mapping[str, Any]] = ""
    gate_names: ClassVar[Mapping[str, str]] = {}
    roles: ClassVar[Mapping[str, str]] = {}
    hyperparameters: ClassVar[Mapping[str, Any]] = {}
    Layer: ClassVar[type[CellLayer]]
    _recorder: Any = None
    _defaults: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        known = {**cls.hyperparameters}
        for name, value in vars(cls).items():
            if not name.startswith("_") and name not in WORDS and _is_plain(value) and not hasattr(RecurrentCell, name):
                known[name] = value
        shared = {name: getattr(cls, name, value) for name, value in _ARGUMENTS.items()}
        cls.hyperparameters = {name: getattr(cls, name) for name in known if name not in shared}
        if cls.step is Cell.step:
            super().__init_subclass__(**options)
            return
        if not hasattr(cls.step, "__code__"):
            raise TypeError(f"step of {cls.__name__} must be a function step(self, z, ...), got {core.brief(cls.step)}")
        check_words(cls, {**_ARGUMENTS, **_OF_LAYER}, RecurrentCell)
        vectors = {f"{name}_initializer": first for name, first in cls.vector_initializers().items()}
        arguments, sizes = {**cls.hyperparameters, **shared, **vectors}, cls.size_names()
        cls.contract = cls.row(cls.hyperparameters)
        if "__init__" not in vars(cls):
            cls.__init__ = _constructor(lambda: cls, sizes, arguments)  # type: ignore[method-assign]
        super().__init_subclass__(**options)
        cls.config_keys, cls._defaults = ("units", *sizes, *arguments), arguments
        shown = {name: of_cell(name) for name in (*sizes, *cls.hyperparameters, *vectors)}
        body = {
            "cell_class": cls,
            "__module__": cls.__module__,
            "__qualname__": f"{cls.__qualname__}.Layer",
            "__doc__": f"{cls.__name__} over sequences.",
            "__init__": _constructor(lambda: cls.Layer, sizes, {**arguments, **_OF_LAYER}),
        }
        cls.Layer = type(f"{cls.__name__}Layer", (CellLayer,), {**body, **shown})
        if of_package(cls):
            offer(cls, cls.Layer)
        else:
            for kind in (cls, cls.Layer):
                registry.register_keras_serializable("cells")(kind)

    def __init__(self, *args: Any, **arguments: Any) -> None:
        if type(self).step is Cell.step:
            raise TypeError(f"{type(self).__name__} has no step: make a class of it that writes step(self, z, h)")
        super().__init__(*args, **{**self._defaults, **arguments})
        chosen = {name: getattr(self, name) for name in self.hyperparameters}
        _say_slow()
        row = vars(self)["contract"] = kernels.add_equations(self.row(chosen))
        if type(self).contract.name == row.name:
            type(self).contract = row

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        plain = {name: own[name] for name in self.hyperparameters if name.rpartition("_")[2] != "activation"}
        for name, value in plain.items():
            if not _is_plain(value):
                raise TypeError(
                    f"{name} of {type(self).__name__} must be a number, a truth value, a string or None, got {value!r}"
                )
        plain |= {name: core.check_count(name, own[name]) for name in self.size_names()}
        return {**super()._checked({name: own[name] for name in own if name not in plain}), **plain}

    @property
    def sizes(self) -> dict[str, int]:
        """What letters of the row stand for, besides I and G."""
        return super().sizes | dict(zip("P", (getattr(self, name) for name in self.size_names()), strict=False))

    def step(self, z: Any, *states: Any) -> Any:
        """The new states, the output first, from the sums of the gates and the states."""
        raise NotImplementedError

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Vectors and hyperparameters."""

    def product(self, value: Any, gates: str) -> Any:
        """value U in the columns of a gate, in the place of its product with h; of several gates a list."""
        return self._recording("product").product(value, gates)

    def project(self, value: Any) -> Any:
        """value R, with as many numbers as the output has: what a step returns as its output of a size of its own."""
        return self._recording("project").project(value)

    def mean(self, value: Any) -> Any:
        """The mean over the units of a row."""
        recorder = self._recording("mean")
        if not isinstance(value, Symbol) or value.truth:
            refuse(f"expected mean of a value of the step, got {type(value).__name__}")
        value.check_units("mean")
        units = recorder.leaf("units", None)
        return Symbol(value.graph, value.graph.add("total", value.at)) / units

    def normalize(self, value: Any, epsilon: float = 1e-3) -> Any:
        """The value with mean 0 and variance 1 over the units of a row; epsilon is added to the variance."""
        from_mean = value - self.mean(value)
        return from_mean / (self.mean(from_mean * from_mean) + epsilon) ** 0.5

    def _recording(self, name: str) -> Any:
        if self._recorder is None:
            raise TypeError(f"{type(self).__name__}.{name} is for step, which is run when the class is defined")
        return self._recorder

    @classmethod
    def letters(cls, hyperparameters: Mapping[str, Any]) -> list[str]:
        """The gates, which may depend on hyperparameters."""
        return cls.gates.split()

    @classmethod
    def declared_states(cls, hyperparameters: Mapping[str, Any]) -> dict[str, str]:
        """The states, which may depend on hyperparameters, with the arguments that say how many numbers each has."""
        return dict.fromkeys(cls.states.split(), "units") if isinstance(cls.states, str) else dict(cls.states)

    @classmethod
    def size_names(cls) -> list[str]:
        """Arguments besides units that say how many numbers a state has."""
        return [size for size in cls.declared_states(cls.hyperparameters).values() if size != "units"]

    @classmethod
    def vector_initializers(cls) -> dict[str, Any]:
        """The vectors with their initializers."""
        return dict.fromkeys(cls.vectors.split(), "zeros") if isinstance(cls.vectors, str) else dict(cls.vectors)

    @classmethod
    def row(cls, hyperparameters: Mapping[str, Any]) -> kernels.Cell:
        """The row of the cell with these hyperparameters; `kernels.CELLS` has it once there is a cell of it."""
        chosen = {name: _in_step(name, value) for name, value in hyperparameters.items()}
        equations = record(cls, chosen)
        said = (cls.__name__, equations.key, sorted(cls.gate_names.items()), sorted(cls.roles.items()))
        digest = hashlib.sha256(repr(said).encode()).hexdigest()[:10]
        name = f"{snake_case(cls.__name__)}_{digest}"
        return row_of(name, cls.__name__, equations, cls.gate_names, cls.roles)


@cache
def _say_slow() -> None:
    """Warn once where nothing compiles equations."""
    if not has_vector_code():
        warnings.warn(
            "cells written as equations run in NumPy here, slowly: pip install 'cellstep[numba]', which compiles them",
            RuntimeWarning,
            stacklevel=levels_to_user(),
        )


class _Activated:
    """An activation as a step calls it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, Symbol):
            refuse(f"expected {self.name} of a value of the step, got {type(value).__name__}")
        return value.activated(self.name)


def _in_step(name: str, value: Any) -> Any:
    """A hyperparameter as the step sees it."""
    if name.rpartition("_")[2] != "activation":
        return value
    return _Activated(activations.get(value, name).name)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str | Activation)


def _constructor(kind: Callable[[], type], sizes: Sequence[str], arguments: Mapping[str, Any]) -> Any:
    """An `__init__` of the class that `kind` gives, which hands on units, sizes, these arguments and **options."""
    names = ", ".join([*sizes, *(f"{name}=_defaults[{name!r}]" for name in arguments)])
    code = f"def __init__(self, units, {names}, **options):\n    _super(_kind(), self).__init__(**_all(locals()))\n"
    scope = {"_kind": kind, "_super": super, "_all": arguments_of, "_defaults": dict(arguments), "__name__": __name__}
    exec(code, scope)
    return scope["__init__"]
