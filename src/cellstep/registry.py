"""Registry: classes and functions of the user's by name, so that configurations lead back to them.

    @register_keras_serializable("speech")
    class Gain(layers.Layer): ...

    with custom_object_scope({"Gain": Gain}): ...

Names, and what stands in configurations, are Keras's: `registered_name` is "speech>Gain".
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar, cast

import numpy as np

from .configured import of_package
from .core import brief

T = TypeVar("T")

_objects: dict[str, Any] = {}
_names: dict[Any, str] = {}
#: Modules of objects that configurations name, as Keras has them, the inner one first.
PLACES = (
    *("initializers", "regularizers", "constraints", "activations", "losses", "metrics"),
    *("optimizers.schedules", "optimizers", "layers"),
)
#: What reads configurations of a kind, by the place where Keras has it; each kind enters its own where it is imported.
_readers: dict[str, Callable[[Any], Any]] = {}
#: Functions of this package that configurations name, such as losses.
_functions: dict[str, Any] = {}

#: Whether configurations say which layer they are of.
_sharing: ContextVar[bool] = ContextVar("sharing", default=False)
_scope: ContextVar[Mapping[str, Any]] = ContextVar("custom_objects")


def enter(place: str, deserialize: Callable[[Any], Any]) -> None:
    """Let `deserialize_keras_object` read configurations of a kind of this package: `place` is one of `PLACES`."""
    _readers[place] = deserialize


def enter_functions(functions: Mapping[str, Any]) -> None:
    """Let it find functions of this package by their names; what is there already stays."""
    _functions.update({name: function for name, function in functions.items() if name not in _functions})


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """A decorator: the class or function is known as "package>name" from now on.

    Args:
        package: in front of the name.
        name: that of the class or function where None.

    Raises:
        TypeError: the decorator is used without its parentheses, or on something without a name.
        ValueError: a class without get_config.

    Example:
        >>> @register_keras_serializable()
        ... def double(x):
        ...     return 2 * x
    """
    if not isinstance(package, str):
        raise TypeError(
            f"package must be a string, got {package!r}; write @register_keras_serializable() with its parentheses"
        )

    def decorator(thing: T) -> T:
        own: Any = thing
        if not callable(own) or not hasattr(own, "__name__"):
            raise TypeError(f"expected a class or a function to register, got {own!r}")
        if inspect.isclass(own) and not hasattr(own, "get_config"):
            raise ValueError(f"expected {own.__name__} to have get_config, by which it is saved, got none")
        known = f"{package}>{own.__name__ if name is None else name}"
        _objects[known] = own
        _names[own] = known
        return thing

    return decorator


@contextmanager
def custom_object_scope(objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Inside the `with`, configurations find these classes and functions by these names."""
    if objects is not None and not isinstance(objects, Mapping):
        raise TypeError(f"custom_objects must be a dictionary of names to classes or functions, got {objects!r}")
    token = _scope.set({**_scope.get({}), **(objects or {})})
    try:
        yield
    finally:
        _scope.reset(token)


def get_custom_objects() -> dict[str, Any]:
    """All that is registered, by name: a dictionary that may be added to."""
    return _objects


def get_registered_name(thing: Any) -> str:
    """ "package>name" for what is registered; else its own name."""
    return _names[thing] if is_registered(thing) else str(thing.__name__)


def is_registered(thing: Any) -> bool:
    """Whether `register_keras_serializable` was given it."""
    try:
        return thing in _names
    except TypeError:  # not hashable
        return False


def get_registered_object(
    name: Any, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """What has this name: in a scope around the call, registered, or in either dictionary; None where nothing has."""
    for known in (_scope.get({}), _objects, custom_objects or {}, module_objects or {}):
        if name in known:
            return known[name]
    return None


def find(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The class or function of the user's that a name or a configuration stands for, or None."""
    if isinstance(config, str):
        names: list[Any] = [config]
    elif isinstance(config, dict) and config.get("class_name") == "function":
        names = [config.get("registered_name"), config.get("config")]
    elif isinstance(config, dict):
        names = [config.get("registered_name"), config.get("class_name")]
    else:
        return None
    for name in names:
        thing = get_registered_object(name, custom_objects) if isinstance(name, str) else None
        if thing is not None:
            return thing
    return None


def serialize(thing: Any) -> dict[str, Any]:
    """Keras's dictionary {module, class_name, config, registered_name} for an object with `get_config`.

    Objects in the configuration of a user's class, such as layers, stand in it as their own dictionaries.
    """
    kind = type(thing)
    if of_package(kind):
        place = f"{kind.__module__}.".removeprefix(f"{__package__}.")
        home = next((f"keras.{name}" for name in PLACES if place.startswith(f"{name}.")), kind.__module__)
        module, name = getattr(thing, "keras_module", home), getattr(thing, "keras_name", kind.__name__)
        config, registered = thing.get_config(), None
    else:
        module, name, registered = kind.__module__, kind.__name__, get_registered_name(kind)
        config = serialize_keras_object(thing.get_config())
    found = {"module": module, "class_name": name, "config": config, "registered_name": registered}
    build_config = thing.get_build_config() if hasattr(thing, "get_build_config") else None
    if build_config is not None:
        found["build_config"] = build_config
    if _sharing.get() and hasattr(thing, "get_build_config"):
        found["shared_object_id"] = id(thing)
    return found


def serialize_shared(thing: Any) -> dict[str, Any]:
    """`serialize` with marks that say which layers are one, as in Keras's files.

    In a context of its own, so that nothing is left of it, wherever an interrupt may come.
    """
    context = copy_context()
    context.run(_sharing.set, True)
    return context.run(serialize, thing)


def serialize_keras_object(obj: Any) -> Any:
    """Any object as Keras writes it, ready for JSON: a layer, an optimizer, a loss and the like, or an object of a
    user's class that has `get_config`; a function; an array; a list or a dictionary of such; a number, a string, None.

    Raises:
        TypeError: it is none of these, or a function without a name. ValueError: it is within itself.
    """
    with bounded("obj"):
        return _written(obj)


def _written(obj: Any) -> Any:
    if isinstance(obj, list | tuple):
        return type(obj)(map(_written, obj))
    if isinstance(obj, dict):
        return {key: _written(value) for key, value in obj.items()}
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": str(obj.dtype)}}
    if obj is None or isinstance(obj, bool | int | float | str):
        return obj
    if hasattr(obj, "get_config") and not isinstance(obj, type):
        return serialize(obj)
    if callable(obj) and not isinstance(obj, type):
        return written_function("obj", obj)
    raise TypeError(f"obj must be a number, a string, an array, a function or have get_config, got {brief(obj)}")


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """The object that `serialize_keras_object` wrote down, or Keras.

    Args:
        config: what it gave. custom_objects: classes and functions of the user's by name, beside registered ones.
        safe_mode: taken for Keras's sake; code in a configuration is never run.

    Raises:
        ValueError, TypeError: nothing here has that name, or the configuration is none, or within itself.
    """
    with custom_object_scope(custom_objects), bounded("config"):
        return _read(config)


@contextmanager
def bounded(argument: str) -> Iterator[None]:
    """Inside the `with`, a configuration or an object that is within itself is a ValueError."""
    try:
        yield
    except RecursionError as error:
        raise ValueError(f"expected {argument} to end, got parts within parts without end") from error


def _read(config: Any) -> Any:
    if isinstance(config, list | tuple):
        return [_read(part) for part in config]
    name = config.get("class_name") if isinstance(config, dict) else None
    if name is None and isinstance(config, dict):
        return {key: _read(value) for key, value in config.items()}
    if name is None or name == "DTypePolicy":
        return config
    if name in ("__numpy__", "__tensor__"):
        return read_array(config.get("config"))
    own: Any = find(config)
    if isinstance(own, type) and not hasattr(own, "build_from_config"):
        if not hasattr(own, "from_config"):
            raise TypeError(f"expected {own.__name__} to have from_config, by which it is read, got none")
        return cast(Any, own).from_config(config.get("config") or {})
    if name in ("function", "__lambda__"):
        function = config.get("config")
        known = _functions.get(function) if own is None and isinstance(function, str) else None
        return read_function("config", config) if known is None else known
    place = str(config.get("module")).removeprefix("keras.")
    place = place if place in PLACES else "layers"
    if place not in _readers:
        raise ValueError(f"cellstep.{place} must be imported before {brief(name)} of it is read")
    return _readers[place](config)


def read_array(config: Any) -> Any:
    """The array that `serialize_keras_object` wrote down."""
    try:
        if np.dtype(config["dtype"]).kind in "fiub":
            return np.array(config["value"], config["dtype"])
    except (TypeError, ValueError, KeyError, OverflowError):
        pass
    raise ValueError(f"expected the configuration of an array to have a value and a dtype, got {brief(config)}")


def written_function(argument: str, function: Any, anonymous: bool = False) -> dict[str, Any]:
    """Keras's dictionary for a function of the user's; as there, one that is not registered stands in it by its name,
    and has to be given as one of custom_objects when the file is loaded.

    Args:
        argument: the name to blame. function: it. anonymous: a lambda will do too, as the rest can be used without it.

    Raises:
        TypeError: it has no name, so that nothing would lead back to it.
    """
    name = getattr(function, "__name__", None) or getattr(function, "name", None) or type(function).__name__
    if name == "<lambda>" and not anonymous and not is_registered(function):
        raise TypeError(
            f"{argument} must be registered to be saved: put @cellstep.saving.register_keras_serializable() above "
            f"a named function, got {name}"
        )
    registered = _names[function] if is_registered(function) else "function"
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": registered}


def read_function(argument: str, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The function that `written_function`, or Keras, wrote down.

    Raises:
        ValueError: it is not known, or a lambda, which stands in files as code of Python's.
    """
    if isinstance(config, dict) and config.get("class_name") == "__lambda__":
        raise ValueError(
            f"{argument} must be a registered function, got a lambda written down as code, which is never run here; "
            "load it by a named function and register_keras_serializable()"
        )
    function = find(config, custom_objects)
    if function is None:
        name = config.get("config") if isinstance(config, dict) else config
        raise ValueError(
            f"{argument} must be a known function, got {name!r}: register it, or give custom_objects={{{name!r}: ...}}"
        )
    return function
