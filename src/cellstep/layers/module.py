"""What layers and cells have in common: a name, a dtype, weights, and a configuration to be made again from."""

from __future__ import annotations

import functools
import inspect
import itertools
import re
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Self, TypedDict, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from .. import constraints, initializers, ops, registry, regularizers
from ..configured import Constructed, of_package, owner_of, parameter_names
from .configuration import NOT_OWN, in_configuration
from .reading import current
from .variable import Variable
from .variable import count as count_numbers

Shape = tuple[int | None, ...]
Held = TypeVar("Held")

_names: Counter[str] = Counter()
#: False while layers are made that no one sees, so that those made later are called as if they had not been.
counting_names: ContextVar[bool] = ContextVar("counting_names", default=True)
#: What gives the penalties of weights.
penalties_of: ContextVar[Callable[[Iterable[Any]], list[Any]]] = ContextVar(
    "penalties_of", default=regularizers.penalties
)
_names_lock = threading.Lock()


#: What attributes may be set to without changing what the object of a user's class is made of.
_VALUES = frozenset((type(None), int, float, str, np.ndarray))
#: Attributes that calls set again and again.
_MOVING = frozenset(("states", "carried", "carry_at", "_dropout_mask", "_recurrent_dropout_mask", "stop_training"))


class Structure:
    """What all modules are made of.

    Attributes:
        version: a number that changes whenever a module may have changed otherwise than in the values of weights and
            states.
    """

    def __init__(self) -> None:
        self._versions = itertools.count(1)
        self.version = 0

    def changed(self) -> None:
        """Give it a version that was never there before, whatever threads do."""
        self.version = next(self._versions)


structure = Structure()


def snake_case(name: str) -> str:
    """SimpleRNN -> simple_rnn, LSTMCell -> lstm_cell, as Keras names layers."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(class_name: str) -> str:
    """lstm, then lstm_1, lstm_2, ..., counted over the process."""
    stem = snake_case(class_name)
    if not counting_names.get():
        return stem
    with _names_lock:
        number = _names[stem]
        _names[stem] += 1
    return f"{stem}_{number}" if number else stem


def reset_names() -> None:
    """Start the automatic names again at `lstm`, as Keras's `clear_session` does."""
    with _names_lock:
        _names.clear()


def check_name(name: Any) -> str:
    """A name that can stand in a path and in a file."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {name!r}")
    if not name or "/" in name:
        raise ValueError(f"name must not be empty or contain '/', got {name!r}")
    if "\0" in name or any("\ud800" <= c <= "\udfff" for c in name):
        raise ValueError(f"name must be text that files can hold, without NUL and lone surrogates, got {name!r}")
    return name


def check_config(kind: type[Any], config: Any) -> None:
    """TypeError unless this can be the configuration of an object of the class."""
    if not isinstance(config, dict):
        raise TypeError(f"config of {kind.__name__} must be a dictionary, as get_config gives, got {ops.shown(config)}")


def not_built(default: Any = None, **arguments: Any) -> None:
    """NotImplementedError for the first argument that is not at its default: nothing is silently ignored."""
    for name, value in arguments.items():
        if value is not default and value != default:
            raise NotImplementedError(f"{name} is not built yet; expected {name}={default!r}, got {value!r}")


def without_defaults(**arguments: tuple[Any, Any]) -> dict[str, Any]:
    """Of (value, default) by name, the values that are not the default: what older versions of Keras do not know may
    stand in a file only where it says something."""
    return {name: value for name, (value, default) in arguments.items() if value != default}


#: Arguments that Keras 3 still takes for older code.
OLDER_ARGUMENTS = ("input_shape", "input_dim", "input_length")


class NamedOptions(TypedDict, total=False):
    """Keyword arguments that constructors pass on to `Module`."""

    name: str | None
    dtype: Any
    trainable: bool


class Module(Constructed):
    """A named holder of weights.

    A subclass says in `make_weights(input_shape)` which weights it has, and in `get_config` what its constructor took.

    Attributes:
        name: given or automatic. path: the name, below the names of what contains it.
        dtype: of weights and computation, float32 or float64.
        built: whether the weights exist.
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

    #: The shape of inputs, or a list of shapes, that `build` made the weights for.
    built_for: Any = None

    #: `input_shape` or `input_dim` of older Keras, as a shape without the batch size.
    asked_shape: Any = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if of_package(cls) and "__init__" in vars(cls) and "config_keys" not in vars(cls):
            cls.config_keys = tuple(key for key in parameter_names(cls.__init__) if key not in NOT_OWN)

    def __new__(cls, *args: Any, **options: Any) -> Self:
        module = super().__new__(cls, *args, **options)
        if not of_package(cls) and not of_package(owner_of(cls, "__init__")):
            arguments = _arguments_by_name(cls, args, options)
            module._arguments = {k: value if _plain(value) else NotImplemented for k, value in arguments.items()}
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
        self._take_older_arguments(input_shape, input_dim, input_length)
        self.name = auto_name(type(self).__name__) if name is None else check_name(name)
        self.path = self.name
        self.dtype = ops.float_dtype("dtype", dtype)
        self.built = False
        self._trainable = ops.check_bool("trainable", trainable)
        self._weights: list[Variable] = []
        self._parts: list[Module] = []
        self._lock = threading.RLock()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; where that may change what a model is made of, plans that were made for models are void."""
        before = self.__dict__.get(name)
        object.__setattr__(self, name, value)
        plain = type(value) in _VALUES and type(before) in _VALUES and not of_package(type(self))
        if not (plain or name in _MOVING or name.startswith("_cached")):
            structure.changed()

    def _take_older_arguments(self, input_shape: Any, input_dim: Any, input_length: Any) -> None:
        """Take what Keras 3 still takes for older code, with a warning as there: the shape of a model's inputs beside
        the arguments of its first layer, which `Sequential` asks for, and the length of an Embedding's, which nothing
        needs."""
        older = "is older Keras: put an Input(shape) before the layer"
        for name, value, what in (
            ("input_shape", input_shape, older),
            ("input_dim", input_dim, older),
            ("input_length", input_length, "has no effect: leave it away"),
        ):
            if value is not None:
                warnings.warn(f"{name} of {type(self).__name__} {what}", stacklevel=levels_to_user())
        if input_shape is not None or input_dim is not None:
            self.asked_shape = (input_dim,) if input_shape is None else input_shape

    def make_weights(self, input_shape: Shape) -> None:
        """Call `add_weight` for each weight. input_shape is that of the inputs, None for the batch size and other
        open axes. Called once, by `build`."""

    def build(self, input_shape: Shape) -> None:
        """Make the weights for inputs of this shape; does nothing where they exist already.

        Raises:
            ValueError: the layer cannot take such inputs.
        """
        if isinstance(input_shape, str) or not isinstance(input_shape, Iterable):
            raise TypeError(f"input_shape must be a tuple, the batch size first, got {ops.shown(input_shape)}")
        with self._lock:
            if not self.built:
                try:
                    self.make_weights(tuple(input_shape))
                except BaseException:
                    self._weights.clear()
                    raise
                self.built, self.built_for = True, tuple(input_shape)

    def add_weight(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Any = "glorot_uniform",
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
    ) -> Variable:
        """Make a weight of this layer's dtype and keep it in `weights`.

        Args:
            name: as an attribute would be called.
            shape: all sizes known.
            initializer: whatever `initializers.get` takes.
            trainable: False for a weight that no gradient changes.
            regularizer, constraint: whatever `regularizers.get` and `constraints.get` take.
        """
        path, file, initialize = f"{self.path}/{check_name(name)}", current(), initializers.get(initializer)
        if file is None:
            values = ops.as_array(f"the initial {name}", initialize(shape, dtype=self.dtype), self.dtype, shape)
        else:
            values = file.weights(path, shape, self.dtype)
        variable = Variable(
            values,
            name=name,
            path=path,
            trainable=trainable and self._trainable,
            regularizer=regularizers.get(regularizer),
            constraint=constraints.get(constraint),
        )
        self._weights.append(variable)
        variable.fixed = not trainable
        return variable

    @property
    def weights(self) -> list[Variable]:
        """All weights, those of contained cells too, in the order in which Keras has them."""
        found = list(self._weights)
        for part in self.parts:
            found += part.weights
        return found

    @property
    def parts(self) -> list[Module]:
        """The cells or layers inside."""
        return self._parts

    def walk(self) -> list[Module]:
        """The module and all that it is made of."""
        found: list[Module] = [self]
        for module in found:
            found += module.parts
        return found

    @property
    def trainable_weights(self) -> list[Variable]:
        return [w for w in self.weights if w.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        return [w for w in self.weights if not w.trainable]

    @property
    def variables(self) -> list[Variable]:
        """As `weights`."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Variable]:
        """As `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """As `non_trainable_weights`."""
        return self.non_trainable_weights

    @property
    def trainable(self) -> bool:
        """Whether pullbacks add to the gradients of the weights; setting it sets every weight's, but for those that
        no gradient ever changes."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = ops.check_bool("trainable", value)
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

    @property
    def losses(self) -> list[float]:
        """The penalties that training adds to the loss: one for each trainable weight with a regularizer."""
        return penalties_of.get()(self.trainable_weights)

    def add_loss(self, loss: Any) -> None:
        """NotImplementedError: what is added to the loss needs a gradient, which a number has not."""
        raise NotImplementedError(
            "add_loss is not built: give the layer an activity_regularizer, the weight a regularizer, or the model an "
            "output with a loss of its own"
        )

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies of all weights, in order."""
        return [w.numpy() for w in self.weights]

    def set_weights(self, weights: Iterable[Any]) -> None:
        """Assign all weights, in order.

        Raises:
            ValueError, TypeError: too few, too many, or a wrong shape; nothing was written.
        """
        if weights is None or isinstance(weights, str):
            raise TypeError(f"weights must be a list of arrays, got {weights!r}")
        values, variables = list(weights), self.weights
        if len(values) != len(variables):
            hint = "" if self.built else "; the layer is not built yet, so it has none"
            raise ValueError(f"expected weights to be {len(variables)} arrays, got {len(values)}{hint}")
        cast = [w.cast(v) for w, v in zip(variables, values, strict=True)]
        for variable, value in zip(variables, cast, strict=True):
            variable.assign(value)

    def count_params(self) -> int:
        """How many numbers the weights hold; ValueError before `build`."""
        if not self.built:
            raise ValueError(f"{self.name} has no weights to count yet: build it, or call it once")
        return count_numbers(self.weights)

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
        if self._arguments is None:
            return config
        parameters = inspect.signature(type(self).__init__).parameters
        if all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            config = {key: value for key, value in config.items() if key in parameters}
        if not ours_function(type(self).get_config):
            return config  # the user's own get_config adds the rest
        for name, value in self._arguments.items():
            if value is NotImplemented and name not in config:
                raise NotImplementedError(
                    f"{type(self).__name__}.get_config must be written, as {name} cannot stand in a file: return "
                    f"{{**super().get_config(), {name!r}: ...}}, and read it again in from_config"
                )
        return {**self._arguments, **config}

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
        """Make one from what `get_config` gave. Keras's own configurations are read too."""
        check_config(cls, config)
        return cls(**config)

    def grads_of(self, variables: Iterable[Variable | None]) -> list[NDArray[Any] | None]:
        """Where a pullback adds each weight's gradient: None for a frozen or missing one."""
        return [v.grad if v is not None and v.trainable else None for v in variables]

    def __getstate__(self) -> dict[str, Any]:
        """For copy and pickle: all but the lock, and but caches, whose names start with `_cached`."""
        return {k: v for k, v in self.__dict__.items() if k != "_lock" and not k.startswith("_cached")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def register(kind: type[Module], name: str | None = None) -> type[Module]:
    """Let `deserialize` find a class by its name, or another; a decorator for layers and models of the user's.

    `cellstep.saving.register_keras_serializable` does it with a package, as in Keras.

    Example:
        >>> @register
        ... class Scale(Layer): ...
    """
    if not (isinstance(kind, type) and issubclass(kind, Module)):
        raise TypeError(f"kind must be a class of layers or models, got {kind!r}")
    registry.get_custom_objects()[kind.__name__ if name is None else name] = kind
    return kind


_offered: dict[str, type[Module]] = {}


def offer(kind: type[Module], name: str | None = None) -> None:
    """Let `deserialize` find a class of this package from a floor above."""
    _offered[kind.__name__ if name is None else name] = kind


def offered(name: str) -> type[Module] | None:
    return _offered.get(name)


def serialize(module: Module) -> dict[str, Any]:
    """{module, class_name, config, registered_name}, as Keras writes a layer or a model."""
    if of_package(type(module)):
        config: dict[str, Any] = {
            "module": module.keras_module,
            "class_name": module.keras_name,
            "config": module.get_config(),
            "registered_name": None,
        }
    else:
        config = registry.written(module)
    build_config = module.get_build_config()
    if build_config is not None:
        config["build_config"] = build_config
    if _sharing.get():
        config["shared_object_id"] = id(module)
    return config


#: Whether configurations say which layer they are of.
_PACKAGE = f"{__name__.partition('.')[0]}."
_sharing: ContextVar[bool] = ContextVar("sharing", default=False)


@contextmanager
def sharing() -> Iterator[None]:
    """Inside the `with`, a layer that stands in a configuration twice is marked as one layer, as in Keras's files."""
    token = _sharing.set(True)
    try:
        yield
    finally:
        _sharing.reset(token)


def held(owner: Any, kind: type[Held]) -> list[Held]:
    """The objects of a class that are attributes of an object, alone or in a list, tuple or dictionary of such."""
    values, wanted = list(vars(owner).values()), cast(Any, kind)
    alone, lists, dictionaries = _places(tuple(map(type, values)), wanted)
    found = [values[i] for i in alone]
    for parts in [values[i] for i in lists] + [list(values[i].values()) for i in dictionaries]:
        if parts and isinstance(parts[0], kind):
            found += [part for part in parts if isinstance(part, kind)]
    return found


@functools.lru_cache(maxsize=1000)
def _places(classes: tuple[type, ...], kind: Any) -> tuple[list[int], list[int], list[int]]:
    """Which values of these classes are objects of a class, and which lists, tuples and dictionaries may hold such.
    Each step of training asks, of the same classes."""

    def those(kinds: Any, besides: Any = ()) -> list[int]:
        return [i for i, one in enumerate(classes) if issubclass(one, kinds) and not issubclass(one, besides)]

    return those(kind), those((list, tuple), kind), those(dict, kind)


def ours_function(function: Any) -> bool:
    """Whether a function or method was written in this package."""
    return f"{getattr(function, '__module__', '')}.".startswith(_PACKAGE)


@functools.lru_cache(maxsize=1000)
def ours_attribute(attribute: Any) -> bool:
    """`ours_function` for a method or property of a class, of which each step of training asks."""
    return ours_function(getattr(attribute, "fget", attribute))


def _arguments_by_name(kind: type, args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a constructor by name, those of `**options` among them; empty where they do not fit it."""
    try:
        signature = inspect.signature(kind.__init__)  # type: ignore[misc]
        bound = signature.bind(None, *args, **options).arguments
    except (TypeError, ValueError):  # __init__ says it better
        return {}
    found: dict[str, Any] = {}
    for name, value in list(bound.items())[1:]:
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        else:
            found[name] = value
    return found


def levels_to_user() -> int:
    """The `stacklevel` of a warning that blames the nearest line which is not this package's."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return level


def _plain(value: Any) -> bool:
    """Whether JSON can hold it."""
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(part) for key, part in value.items())
    return value is None or isinstance(value, bool | int | float | str)
