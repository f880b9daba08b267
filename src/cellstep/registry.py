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
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

_objects: dict[str, Any] = {}
_names: dict[Any, str] = {}
_scope: ContextVar[Mapping[str, Any]] = ContextVar("custom_objects")


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


def written(thing: Any, module: str = "") -> dict[str, Any]:
    """Keras's dictionary {module, class_name, config, registered_name} for an object of a class of the user's."""
    kind = type(thing)
    return {
        "module": module or kind.__module__,
        "class_name": kind.__name__,
        "config": thing.get_config(),
        "registered_name": get_registered_name(kind),
    }


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


def read_values(config: Any) -> Any:
    """A configuration with arrays in the place of Keras's dictionaries for them, at any depth."""
    if isinstance(config, list | tuple):
        return [read_values(part) for part in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") in ("__numpy__", "__tensor__"):
        return np.array(config["config"]["value"], config["config"]["dtype"])
    return {key: read_values(part) for key, part in config.items()}


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
