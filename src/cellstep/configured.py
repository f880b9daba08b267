"""Configured: what everything has in common whose constructor users call and whose arguments stand in files.

Python says of `Adam(lr=0.1)` that some `__init__`, here that of a base class, got an unexpected argument. The message
of this one names the class that was called, and the argument that was meant.

It also refuses a user's class that overrides a method which Keras calls and this package does not: such a method would
never run, and nothing would say so.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, ClassVar, Self, TypeVar, cast

PACKAGE = f"{__name__.partition('.')[0]}."
Function = TypeVar("Function", bound=Callable[..., Any])
T = TypeVar("T")

#: Arguments of older Keras, and what to write for them.
RENAMED = {
    "lr": "learning_rate is its name",
    "decay": "give learning_rate a schedule of optimizers.schedules",
    "batch_input_shape": "put an Input(batch_shape=...) before the layer",
    "time_major": "x is always (batch, time, features)",
}


def hook(method: Callable[..., T]) -> Callable[..., T]:
    """A method that users write anew with those of its arguments that they need, as `call(self, x)`: type checkers do
    not compare the two."""
    return method


def cached(function: Function) -> Function:
    """A function of classes with a cache of its results: for questions that each step of training asks."""
    return cast(Function, functools.lru_cache(maxsize=1000)(function))  # type checkers take classes for not hashable


@cached
def of_package(kind: Any) -> bool:
    """Whether a class is one of this package's, and no user's."""
    return f"{kind.__module__}.".startswith(PACKAGE)


def ours_function(function: Any) -> bool:
    """Whether a function or method was written in this package."""
    return f"{getattr(function, '__module__', '')}.".startswith(PACKAGE)


@cached
def ours_attribute(attribute: Any) -> bool:
    """`ours_function` for a method or property of a class."""
    return ours_function(getattr(attribute, "fget", attribute))


def owner_of(kind: type, *names: str) -> type:
    """The class that an attribute comes from, or the first of several."""
    return next((owner for owner in kind.__mro__ if any(name in vars(owner) for name in names)), object)


def parameter_names(function: Any) -> tuple[str, ...]:
    """The names of a method's parameters without self, *args and **options; cheaper than by `inspect.signature`."""
    code = inspect.unwrap(function).__code__
    return tuple(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])


def takes_any_keyword(function: Any) -> bool:
    """Whether a function has **options."""
    return bool(inspect.unwrap(function).__code__.co_flags & inspect.CO_VARKEYWORDS)


class _Signature:
    """What `help` and `inspect` show of a class: the parameters of its constructor, and not those of `__new__`.

    Those of `**options: Unpack[...]` are among them by name, with the defaults that they have where they arrive.
    """

    def __get__(self, thing: Any, kind: type) -> inspect.Signature | None:
        if thing is not None:
            return None  # an object that can be called has another
        if kind.__init__ is object.__init__:  # type: ignore[misc]
            return inspect.Signature()
        whole = inspect.signature(kind.__init__)  # type: ignore[misc]
        parameters = list(whole.parameters.values())[1:]
        if parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD:
            parameters[-1:] = _spelled(kind, parameters[-1]) or parameters[-1:]
        return whole.replace(parameters=parameters, return_annotation=inspect.Signature.empty)


def _spelled(kind: type, options: inspect.Parameter) -> list[inspect.Parameter]:
    """The parameters that `**options` of a constructor stands for, where its annotation names them."""
    unpacked = re.fullmatch(r"Unpack\[(\w+)\]", str(options.annotation))
    names = inspect.unwrap(kind.__init__).__globals__.get(unpacked[1]) if unpacked else None  # type: ignore[misc]
    if names is None:
        return []
    known: dict[str, inspect.Parameter] = {}
    for base in kind.__mro__:
        for name, parameter in inspect.signature(base.__init__).parameters.items():  # type: ignore[misc]
            known.setdefault(name, parameter)
    own = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [known[name].replace(kind=keyword) for name in names.__annotations__ if name not in own]


class Constructed:
    """Base of everything with a constructor that users call: a misspelt keyword is refused by name."""

    #: An attribute that the base's constructor sets; absent where a user's subclass forgot to call it.
    _proof: ClassVar[str] = ""

    #: Methods that Keras calls and nothing here does, and what to write instead of overriding them.
    _uncalled: ClassVar[Mapping[str, str]] = {}

    #: Methods that have no effect when they are overridden without the second one, in a subclass of a class of this
    #: package that has the second one of its own; and what to write then.
    _depends: ClassVar[Mapping[str, tuple[str, str]]] = {}

    __signature__ = _Signature()

    def __init_subclass__(cls, **options: Any) -> None:
        """Check a user's class.

        Raises:
            NotImplementedError: it overrides a method that would never be called.
        """
        super().__init_subclass__(**options)
        if not of_package(cls):
            _check_overrides(cls)
            if cls._proof and not of_package(owner_of(cls, "__init__")):
                cls.__init__ = _proven(cls.__init__)  # type: ignore[method-assign]

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Make an object.

        Raises:
            TypeError: an argument that no constructor of the class takes.
        """
        if options:
            _check_keywords(cls, options)
        if args and cls.__init__ is object.__init__:
            raise TypeError(f"{cls.__name__}() takes no arguments")
        return super().__new__(cls)


class Configured(Constructed):
    """Base of what is made again from a configuration: its constructor's arguments by name, each an attribute."""

    #: The keys of configurations; of a class of this package that lists none, its constructor's arguments.
    arguments: ClassVar[tuple[str, ...]] = ()

    #: Arguments of every class of a kind, which `arguments` leaves out.
    _shared: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if of_package(cls) and "__init__" in vars(cls) and "arguments" not in vars(cls):
            cls.arguments = tuple(name for name in parameter_names(cls.__init__) if name not in cls._shared)

    def get_config(self) -> dict[str, Any]:
        """The arguments that would make an equal one, ready for JSON."""
        return {key: to_json(getattr(self, key)) for key in self.arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make one from what `get_config` gave, or Keras."""
        return cls(**config)

    def __repr__(self) -> str:
        """With the arguments that are not the defaults: repr(Adam(0.01)) is "Adam(learning_rate=0.01)"."""
        defaults = {k: to_json(p.default) for k, p in inspect.signature(type(self)).parameters.items()}
        config = {k: v for k, v in self.get_config().items() if k not in defaults or v != defaults[k]}
        if str(config.get("name")).replace("_", "").lower().startswith(type(self).__name__.lower()):
            del config["name"]  # as the class is called
        if config.get("dtype") == "float32":
            del config["dtype"]
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in config.items())})"


def to_json(value: Any) -> Any:
    """An argument as it stands in a configuration: a tuple as a list."""
    return [to_json(part) for part in value] if isinstance(value, list | tuple) else value


def _proven(constructor: Callable[..., None]) -> Callable[..., None]:
    """A user's constructor; RuntimeError where it did not call that of its base."""

    @functools.wraps(constructor)
    def __init__(self: Constructed, *args: Any, **options: Any) -> None:
        constructor(self, *args, **options)
        if not hasattr(self, self._proof):
            raise RuntimeError(f"{type(self).__name__}.__init__ must call super().__init__() first")

    return __init__


def _check_overrides(kind: type) -> None:
    """NotImplementedError for a method of a user's class that nothing here would call."""
    for base in kind.__mro__:
        for name, advice in vars(base).get("_uncalled", {}).items():
            owner = owner_of(kind, name)
            if owner is not object and not of_package(owner):
                raise NotImplementedError(f"{kind.__name__}.{name} would never be called here: {advice}")
        for name, (other, advice) in vars(base).get("_depends", {}).items():
            # layers of this package have `apply` in the place of `forward`
            owner, decides = owner_of(kind, name), owner_of(kind, other, "apply")
            unseen = of_package(decides) and "_depends" not in vars(decides)
            if not of_package(owner) and owner is not object and unseen:
                raise NotImplementedError(
                    f"{kind.__name__}.{name} would have no effect, as {decides.__name__} computes by {other}: {advice}"
                )


def _check_keywords(kind: type, options: Mapping[str, Any]) -> None:
    known = keyword_names(kind)
    if known is None or options.keys() <= known:
        return
    for name in options:
        if name not in known:
            close = get_close_matches(name, known, 1)
            hint = RENAMED.get(name) or (f"{close[0]} is the nearest to it" if close else "")
            raise TypeError(f"{kind.__name__} takes no argument {name!r}{hint and '; '}{hint}")


@cached
def keyword_names(kind: type) -> frozenset[str] | None:
    """The names that constructors take, from the class up as far as they pass others on; None where any will do."""
    known: frozenset[str] = frozenset()
    any_will_do = False
    for owner in kind.__mro__:
        constructor = vars(owner).get("__init__")
        if constructor is None or owner is object:
            continue
        if not of_package(owner):
            return None  # what a user's constructor makes of **options is its own affair
        known |= {*parameter_names(constructor)}
        any_will_do = takes_any_keyword(constructor)
        if not any_will_do:
            return known
    return None if any_will_do else known


def chosen(thing: Any) -> str:
    """Arguments of an object's constructor that are not the defaults, as "units=4, go_backwards=True": those that
    attributes of these names hold, and that JSON can, or that have a name."""
    found = []
    for name, parameter in inspect.signature(type(thing)).parameters.items():
        value = getattr(thing, name, parameter.default)
        value = value if is_plain(value) else getattr(value, "name", parameter.default)
        default = "linear" if name == "activation" and parameter.default is None else parameter.default
        if name not in ("name", "dtype", "trainable", "weights") and value not in (default, {}, []):
            found.append(f"{name}={value!r}")
    return ", ".join(found)


def arguments_of(scope: dict[str, Any]) -> dict[str, Any]:
    """A constructor's arguments by name, those of its `**options` among them, from its `locals()` before others are
    set: `super().__init__(**arguments_of(locals()))` hands all on."""
    arguments = {**scope, **scope.get("options", {})}
    for name in ("self", "__class__", "options"):
        arguments.pop(name, None)
    return arguments


def arguments_by_name(kind: type, args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a constructor by name, those of `**options` among them; empty where they do not fit it."""
    try:
        signature = inspect.signature(kind.__init__)  # type: ignore[misc]
        bound = signature.bind(None, *args, **options).arguments
    except (TypeError, ValueError):  # __init__ says it better
        return {}
    by_name: dict[str, Any] = {}
    for name, value in list(bound.items())[1:]:
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            by_name |= value
        else:
            by_name[name] = value
    return by_name


def is_plain(value: Any) -> bool:
    """Whether JSON can hold it."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(part) for key, part in value.items())
    return value is None or isinstance(value, bool | int | float | str)


def levels_to_user() -> int:
    """The `stacklevel` of a warning that blames the nearest line which is not this package's."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(PACKAGE):
        frame, level = frame.f_back, level + 1
    return level


def closest(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Up to n of the names that are most like this one, whatever its case; none where nothing is."""
    names = {k.lower(): k for k in reversed(list(known))}
    return [names[k] for k in get_close_matches(name.lower(), list(names), n, 0.5)]
