"""Exports: the public names of a module, and those of a package that are imported when they are first used.

What a module imports for itself does not stand in its `dir`. Type checkers do not see the `__getattr__` that `lazy`
sets, and so report a name that the package does not have.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def public(module: Mapping[str, Any], more: Iterable[str] = ()) -> Callable[[], list[str]]:
    """The `__dir__` of a module.

    Args:
        module: its `globals()`: the names of `__all__`, or where it has none those of classes and functions of its own.
        more: names besides, which are not in `__all__`.
    """

    def __dir__() -> list[str]:
        own = [name for name, value in module.items() if getattr(value, "__module__", "") == module["__name__"]]
        return sorted({*more, *module.get("__all__", (name for name in own if not name.startswith("_")))})

    return __dir__


def lazy(package: dict[str, Any], names: Mapping[str, str], extras: str = "") -> None:
    """Give a package the `__getattr__` that imports names when they are first used, and its `__dir__`.

    Args:
        package: its `globals()`, with `__all__`, whose names are modules where `names` does not say otherwise.
        names: what comes from each module, as an import says it: {".kernels": "active, use as use_backend"}.
        extras: modules that are not in `__all__`, as they need what may not be installed.
    """
    places = {name: (f".{name}", "") for name in (*package["__all__"], *extras.split())}
    for module, listed in names.items():
        for entry in listed.split(", "):
            attribute, _, name = entry.partition(" as ")
            places[name or attribute] = (module, attribute)

    def __getattr__(name: str) -> Any:
        if name not in places:
            why = importlib.import_module(f"{__package__}.lookup").why_left_out(name)
            raise AttributeError(f"module {package['__name__']!r} has no attribute {name!r}{why and ': '}{why}")
        module, attribute = places[name]
        value: Any = importlib.import_module(module, package["__name__"])
        if attribute:
            value = getattr(value, attribute)
        package[name] = value
        return value

    package.update(__getattr__=__getattr__, __dir__=public(package))
