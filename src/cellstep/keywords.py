"""Keywords: a metaclass that checks by name what a constructor is given, and that the constructor did its work.

Python says of `Adam(lr=0.1)` that some `__init__`, here that of a base class, got an unexpected argument. The message
of this one names the class that was called, and the argument that was meant.

It also refuses a user's class that overrides a method which Keras calls and this package does not: such a method would
never run, and nothing would say so.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABCMeta
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

#: Arguments of older Keras, and what to write for them.
RENAMED = {
    "lr": "learning_rate is its name",
    "decay": "give learning_rate a schedule of optimizers.schedules",
    "batch_input_shape": "put an Input(batch_shape=...) before the layer",
    "time_major": "x is always (batch, time, features)",
}


class Keywords(ABCMeta):
    """The metaclass of everything with a constructor that users call."""

    # a step of training asks for the classes of a hundred attributes; those of ABCMeta take five times as long, for
    # classes that are registered as subclasses, of which there are none
    __instancecheck__ = type.__instancecheck__
    __subclasscheck__ = type.__subclasscheck__

    #: Of a class: an attribute that its base constructor sets; absent where a subclass forgot to call it.
    _proof = ""

    #: Of a class: methods that Keras calls and nothing here does, and what to write instead of overriding them.
    _uncalled: Mapping[str, str] = {}

    #: Of a class: methods that have no effect when they are overridden without the second one, in a subclass of a class
    #: of this package that has the second one of its own; and what to write then.
    _depends: Mapping[str, tuple[str, str]] = {}

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> None:
        """Make a class.

        Raises:
            NotImplementedError: a user's class overrides a method that would never be called.
        """
        super().__init__(name, bases, namespace, **options)
        if not of_package(cls):
            _check_overrides(cls)

    def __call__(cls, *args: Any, **options: Any) -> Any:
        """Make an object.

        Raises:
            TypeError: an argument that no constructor of the class takes.
            RuntimeError: a subclass's `__init__` did not call that of its base.
        """
        if options:
            _check(cls, options)
        made = super().__call__(*args, **options)
        if cls._proof and not hasattr(made, cls._proof):
            raise RuntimeError(f"{cls.__name__}.__init__ must call super().__init__() first")
        return made

    @property
    def __signature__(cls) -> inspect.Signature:
        """The constructor's, without self: what `help` and `inspect` show."""
        whole = inspect.signature(cls.__init__)  # type: ignore[misc]
        parameters = list(whole.parameters.values())[1:]
        return whole.replace(parameters=parameters, return_annotation=inspect.Signature.empty)


@functools.lru_cache(maxsize=1000)
def of_package(kind: Any) -> bool:
    """Whether a class is one of this package's, and no user's. Each step of training asks."""
    package: str = kind.__module__.partition(".")[0]
    return package == __name__.partition(".")[0]


def owner_of(kind: type, *names: str) -> type:
    """The class that an attribute comes from, or the first of several."""
    return next((owner for owner in kind.__mro__ if any(name in vars(owner) for name in names)), object)


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


def _check(kind: type, options: dict[str, Any]) -> None:
    known = keyword_names(kind)
    if known is None:
        return
    for name in options:
        if name not in known:
            close = get_close_matches(name, known, 1)
            hint = RENAMED.get(name) or (f"{close[0]} is the nearest to it" if close else "")
            raise TypeError(f"{kind.__name__} takes no argument {name!r}{hint and '; '}{hint}")


@functools.lru_cache(256)
def keyword_names(kind: type) -> set[str] | None:
    """The names that constructors take, from the class up as far as they pass others on; None where any will do."""
    known: set[str] = set()
    for owner in kind.__mro__:
        if "__init__" not in vars(owner):
            continue
        if not owner.__module__.startswith("cellstep."):
            return None  # what a user's constructor makes of **options is its own affair
        parameters = list(inspect.signature(vars(owner)["__init__"]).parameters.values())[1:]
        known |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return known
    return known


def closest(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Up to n of the names that are most like this one, whatever its case; none where nothing is."""
    names = {k.lower(): k for k in reversed(list(known))}
    return [names[k] for k in get_close_matches(name.lower(), list(names), n, 0.5)]
