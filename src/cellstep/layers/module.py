"""What layers and cells have in common: a name, a dtype, weights, and a configuration to be made again from."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self, TypedDict

from .. import constraints, core, initializers, regularizers
from ..configured import arguments_by_name, chosen, hook, is_plain, of_package, owner_of, parameter_names
from ..registry import deserialize_keras_object, serialize
from ..regularizers import Regularizer
from . import nested
from .configuration import NOT_OWN, check_config, checked, in_configuration, of_weights, older_shape, users_config
from .context import traced_on, tracing
from .guarded_build import guarded
from .locks import new_lock
from .names import auto_name, check_name, known_sizes, name_first
from .reading import current
from .structure import MOVING, VALUES, WATCHED, structure
from .variable import Variable, number_dtype
from .weighted import Weighted

Shape = tuple[int | None, ...]


class NamedOptions(TypedDict, total=False):
    """Keyword arguments that constructors pass on to `Module`."""

    name: str | None
    dtype: Any
    trainable: bool


class Module(Weighted):
    """A named holder of weights.

    A subclass says in `make_weights(input_shape)` which weights it has, and in `get_config` what its constructor took.

    Attributes:
        name: given or automatic. path: the name, below the names of what contains it.
        dtype: of weights and computation, float32 or float64.
        built: whether the weights exist.
        asked_shape: `input_shape` or `input_dim` of older Keras, as a shape without the batch size; or None.
    """

    _proof = "_lock"
    _uncalled: ClassVar[Mapping[str, str]] = {
        "variables": "override weights",
        "trainable_variables": "override trainable_weights, or set trainable of the layers",
        "non_trainable_variables": "override non_trainable_weights, or set trainable of the layers",
        "losses": "give the layer an activity_regularizer, or its weights a regularizer",
        "compute_output_spec": "write compute_output_shape(input_shape)",
        "symbolic_call": "write compute_output_shape(input_shape)",
        "stateless_call": "write forward(x, training=False), which gives the outputs and a pullback",
        "save_own_variables": "files hold the weights that add_weight makes; get_config can hold the rest",
        "load_own_variables": "files hold the weights that add_weight makes; from_config can read the rest",
        "save_assets": "files hold the weights that add_weight makes; get_config can hold the rest",
        "load_assets": "files hold the weights that add_weight makes; from_config can read the rest",
    }

    #: What `get_config` writes besides what all have: attributes that are arguments of the constructor.
    config_keys: ClassVar[tuple[str, ...]] = ()

    #: What it leaves out where it is this, as older versions of Keras do not know it.
    _unwritten_defaults: ClassVar[Mapping[str, Any]] = {}

    #: What the constructor of a user's class was given, for `get_config`.
    _arguments: dict[str, Any] | None = None

    #: Whether the modules inside are looked for in the attributes, beside those that a class of this package keeps.
    _composed: ClassVar[bool] = False

    #: The shape of inputs, or a list of shapes, that `build` made the weights for.
    built_for: Any = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._composed = not of_package(cls)
        if not of_package(cls) and "build" in vars(cls):
            cls.build = guarded(cls.build)  # type: ignore[method-assign]
        if of_package(cls) and "__init__" in vars(cls) and "config_keys" not in vars(cls):
            cls.config_keys = tuple(key for key in parameter_names(cls.__init__) if key not in NOT_OWN)

    def __new__(cls, *args: Any, **options: Any) -> Self:
        module = super().__new__(cls, *args, **options)
        # Python finds attributes slowly in a dictionary that shares its keys with those of other objects
        object.__setattr__(module, "__dict__", {})
        if not of_package(cls) and not of_package(owner_of(cls, "__init__")):
            arguments = arguments_by_name(cls, args, options)
            module._arguments = {k: value if is_plain(value) else NotImplemented for k, value in arguments.items()}
        return module

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
        *,
        input_shape: Any = None,
        input_dim: Any = None,
        input_length: Any = None,
    ) -> None:
        self.asked_shape = None
        if not (input_shape is None and input_dim is None and input_length is None):
            self.asked_shape = older_shape(type(self), input_shape, input_dim, input_length)
        self.name = self.path = auto_name(type(self).__name__) if name is None else check_name(name)
        self.dtype = core.float_dtype("dtype", dtype)
        self.built = False
        self._trainable = core.check_bool("trainable", trainable)
        self._weights: list[Variable] = []
        self._parts: list[Module] = []
        self._lock = new_lock()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; where that may change what a watched module is made of, there is a new version."""
        before = self.__dict__.get(name)
        if name == "dtype" and before != value and self.__dict__.get("built"):
            raise AttributeError(f"dtype of {self.name} must stay {before}, as it is built, got {core.brief(value)}")
        object.__setattr__(self, name, value)
        if self._composed and isinstance(value, Variable) and not any([value is w for w in self._weights]):
            self._keep(value, not value.trainable)
        if WATCHED in self.__dict__ and not (name in MOVING or name.startswith("_cached")):
            plain = type(value) in VALUES and type(before) in VALUES and not of_package(type(self))
            if not plain:
                structure.changed()

    def make_weights(self, input_shape: Shape) -> None:
        """Call `add_weight` for each weight. input_shape is that of the inputs, None for the batch size and other
        open axes. Called once, by `build`."""

    @hook
    def build(self, input_shape: Shape) -> None:
        """Make the weights for inputs of this shape; does nothing where they exist already.

        Raises:
            ValueError: the layer cannot take such inputs.
        """
        if isinstance(input_shape, str) or not isinstance(input_shape, Iterable):
            raise TypeError(f"input_shape must be a tuple, the batch size first, got {core.brief(input_shape)}")
        with self._lock, tracing(None):
            if not self.built:
                try:
                    self.make_weights(tuple(input_shape))
                except BaseException:
                    self._weights.clear()
                    raise
                self.built, self.built_for = True, tuple(input_shape)

    @name_first
    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Make a weight and keep it in `weights`. The name may come first, as in older Keras.

        Args:
            shape: all sizes known; () for one number, also where None.
            initializer: whatever `initializers.get` takes; glorot_uniform, or zeros for no floats, where None.
            dtype: that of this layer where None.
            trainable: False for a weight that no gradient changes.
            autocast, aggregation: taken for Keras's sake; there is nothing that they would change.
            regularizer, constraint: whatever `regularizers.get` and `constraints.get` take.
            overwrite_with_gradient: False alone.
            name: as an attribute would be called; variable, variable_1 and so on where None.

        Raises:
            ValueError, TypeError: an argument that is none of these.
        """
        if overwrite_with_gradient:
            raise NotImplementedError("overwrite_with_gradient is not built yet; expected False")
        if name is None:
            taken = {weight.name for weight in self._weights}
            name = next(n for i in itertools.count() if (n := f"variable_{i}" if i else "variable") not in taken)
        path, file = f"{self.path}/{check_name(name)}", current()
        shape, kind = known_sizes(name, shape), number_dtype(self.dtype if dtype is None else dtype)
        if initializer is None:
            initializer = "glorot_uniform" if kind.kind == "f" else "zeros"
        variable = Variable(
            initializers.get(initializer if file is None else file.weight(path, shape, kind)),
            shape,
            kind,
            core.check_bool("trainable", trainable) and self._trainable,
            name=name,
            path=path,
            regularizer=regularizers.get(regularizer),
            constraint=constraints.get(constraint),
        )
        self._keep(variable, not trainable)
        return variable

    def _keep(self, variable: Variable, fixed: bool) -> None:
        """Make a variable one of the weights, those that learn first, as in files of Keras's."""
        variable.fixed = fixed
        self._weights = sorted([*self._weights, variable], key=lambda w: w.fixed)

    #: Keras's other name of it.
    add_variable = add_weight

    def keep_weight_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Keep of a constructor's arguments, its `locals()`, those that say how weights are: `kernel_initializer`,
        `kernel_regularizer`, `kernel_constraint` and the like."""
        vars(self).update(checked(arguments, of_weights(tuple(arguments))))

    def add_configured_weight(self, name: str, shape: tuple[int, ...], trainable: bool = True) -> Variable:
        """`add_weight`, as the arguments say that `keep_weight_arguments` has kept."""
        return self.add_weight(
            shape,
            getattr(self, f"{name}_initializer"),
            trainable=trainable,
            regularizer=getattr(self, f"{name}_regularizer", None),
            constraint=getattr(self, f"{name}_constraint", None),
            name=name,
        )

    @property
    def weights(self) -> list[Variable]:
        """All weights, those of contained cells too, in the order in which Keras has them."""
        return [*self._weights, *(weight for part in self.parts for weight in part.weights)]

    @property
    def parts(self) -> list[Module]:
        """The cells or layers inside; those of a class that a user composed are in its attributes."""
        if not self._composed:
            return self._parts
        found = {id(module): module for module in modules_in(vars(self))}
        found.pop(id(self), None)
        return list(found.values())

    def walk(self) -> list[Module]:
        """The module and all that it is made of."""
        modules: list[Module] = [self]
        for module in modules:
            modules += module.parts
        return modules

    @property
    def trainable(self) -> bool:
        """Whether pullbacks add to the gradients of the weights; setting it sets every weight's, but for those that
        no gradient ever changes."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = core.check_bool("trainable", value)
        for w in self._weights:
            w.trainable = self._trainable and not w.fixed
        for part in self.parts:
            part.trainable = self._trainable

    @property
    def keras_module(self) -> str:
        """Where Keras has the class."""
        return "keras.layers"

    @property
    def keras_name(self) -> str:
        """The name of the class in configurations."""
        return type(self).__name__

    #: Makes a tensor a penalty: `added_loss.AddedLoss`. added_losses: what stands for those of `add_loss` in this one.
    penalty_of: ClassVar[Any]
    added_losses: Regularizer | None = None

    def add_loss(self, loss: Any) -> None:
        """Add the sum of a tensor to what training makes small, from within `call`.

        Args:
            loss: a tensor that `call` computes, most often with the mean over its rows; or several.

        Raises:
            ValueError: `call` is not what calls it, or it is something else.
        """
        for tensor in nested.flatten(loss):
            if traced_on.get() is None or not hasattr(tensor, "node"):
                raise ValueError(
                    f"add_loss of {self.name} must be called from within call, with a tensor, got {core.brief(tensor)}"
                )
            if self.added_losses is None:
                self.added_losses = Regularizer()
            self.penalty_of(tensor)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments under Keras's keys, ready for JSON.

        A class of the user's has by itself those that it was given, where they are numbers, strings and the like.

        Raises:
            NotImplementedError: they are not.
        """
        config = self.shared_config()
        for key in self.config_keys:
            # an argument that is not built yet, and so refused, is not kept
            value = getattr(self, key, NotImplemented)
            if value is not NotImplemented and value != self._unwritten_defaults.get(key, NotImplemented):
                config[key] = serialize(value) if isinstance(value, Module) else in_configuration(key, value)
        return config if self._arguments is None else users_config(type(self), self._arguments, config)

    def shared_config(self) -> dict[str, Any]:
        """What every class has in its configuration."""
        return {"name": self.name, "trainable": self.trainable, "dtype": str(self.dtype)}

    def get_build_config(self) -> dict[str, Any] | None:
        """What else `build_from_config` needs to make the weights that this has, or None."""
        return None

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Make the weights again, where nothing else would."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make one from what `get_config` gave. Keras's own configurations are read too.

        A user's class is given layers and the like, not their configurations.
        """
        check_config(cls, config)
        return cls(**(config if of_package(cls) else deserialize_keras_object(config)))

    def __getstate__(self) -> dict[str, Any]:
        """For copy and pickle: all but the lock, and but caches, whose names start with `_cached`."""
        return {k: v for k, v in self.__dict__.items() if k != "_lock" and not k.startswith("_cached")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = new_lock()

    def __repr__(self) -> str:
        arguments = chosen(self)
        return f"<{type(self).__name__} {self.name}{arguments and ': '}{arguments}>"


def modules_in(value: Any) -> list[Module]:
    """The modules in lists and dictionaries, such as the attributes of an object; but for what is cached."""
    if isinstance(value, Module):
        return [value]
    if isinstance(value, dict):
        entries = [(str(key), part) for key, part in value.items()]
        return [m for key, part in entries if not key.startswith("_cached") for m in modules_in(part)]
    return [m for part in value for m in modules_in(part)] if isinstance(value, list | tuple) else []
