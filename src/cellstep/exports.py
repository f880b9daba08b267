"""Exports: names of a package that are imported when they are first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy(package: dict[str, Any], names: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of a package.

    Args:
        package: its `globals()`, with `__all__`, whose names are modules where `names` does not say otherwise.
        names: what comes from each module, as an import says it: {".kernels": "active, use as use_backend"}.
    """
    places = {name: (f".{name}", "") for name in package["__all__"]}
    for module, listed in names.items():
        for entry in listed.split(", "):
            attribute, _, name = entry.partition(" as ")
            places[name or attribute] = (module, attribute)

    def __getattr__(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package['__name__']!r} has no attribute {name!r}")
        module, attribute = places[name]
        value: Any = importlib.import_module(module, package["__name__"])
        if attribute:
            value = getattr(value, attribute)
        package[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*package, *places})

    return __getattr__, __dir__
