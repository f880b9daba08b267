"""The public names and their signatures, one a line, as text: what versions of one series keep.

python tests/release/public_api.py          says what differs from api.txt
python tests/release/public_api.py --write  takes over what there is now
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))

from docs.test_reference import MODULES  # noqa: E402

LIST = HERE / "api.txt"
#: Public modules whose library may be absent; their lines are then left as they stand.
OPTIONAL = {"cellstep.sklearn": "sklearn", "cellstep.keras": "keras", "cellstep.torch": "torch"}


def signature(function: Any) -> str:
    """Parameters with their defaults, without types, which may become wider at any time."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return "(...)"
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in found.parameters.values()]
    text = str(found.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    return re.sub(r"<(?:function |class )?'?([\w.]+)'?[^>]*>", r"\1", text)


#: Where the members of a class stand, which has several names.
HOMES: dict[type, str] = {}


def members(name: str, kind: type) -> Iterator[str]:
    """The methods and properties of a class that have docstrings, but for those of a base class that is listed too."""
    for attribute in sorted(dir(kind)):
        owner = next((base for base in kind.__mro__ if attribute in vars(base)), object)
        if attribute.startswith("_") or not owner.__module__.startswith("cellstep"):
            continue
        if owner is not kind and any(base in HOMES and issubclass(base, owner) for base in kind.__mro__[1:]):
            continue
        if not getattr(vars(owner)[attribute], "__doc__", None):
            continue
        value = inspect.getattr_static(kind, attribute)
        if isinstance(value, property):
            yield f"{name}.{attribute}"
        elif isinstance(value, staticmethod | classmethod) or callable(value):
            yield f"{name}.{attribute}{signature(getattr(kind, attribute))}"


def public(module: str) -> dict[str, Any]:
    """The public names of a module, with what they are."""
    here = importlib.import_module(module)
    names = sorted({*dir(here)} - {"__version__"})
    return {f"{module}.{name}": getattr(here, name) for name in names}


def lines(module: str) -> Iterator[str]:
    """A line for each public name of a module, and for each member of a class."""
    for name, value in public(module).items():
        if isinstance(value, type):
            yield f"{name}{signature(value)}"
            if HOMES[value] == name:
                yield from members(name, value)
        elif inspect.ismodule(value) or not callable(value):
            yield name
        else:
            yield f"{name}{signature(value)}"


def listing() -> dict[str, list[str]]:
    """The lines of each public module that can be imported here."""
    modules = [module for module in sorted({*MODULES, *OPTIONAL}) if available(module)]
    for module in sorted(modules, key=lambda module: -module.count(".")):
        for name, value in public(module).items():
            if isinstance(value, type):
                HOMES.setdefault(value, name)
    return {module: list(lines(module)) for module in modules}


def differences() -> dict[str, list[str]]:
    """For each public module that can be imported here, what differs from the list."""
    listed: dict[str, list[str]] = {}
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            listed[line[2:]] = current = []
        elif line:
            current.append(line)
    now = listing()
    found = {}
    for module in sorted({*now, *(module for module in listed if available(module))}):
        compared = difflib.unified_diff(listed.get(module, []), now.get(module, []), lineterm="", n=0)
        found[module] = [line for line in compared if not line.startswith(("---", "+++", "@@"))]
    return found


def available(module: str) -> bool:
    if module not in OPTIONAL:
        return True
    try:
        importlib.import_module(OPTIONAL[module])
    except ImportError:
        return False
    return True


def write() -> None:
    """Make the list anew."""
    now = listing()
    missing = sorted(OPTIONAL[module] for module in OPTIONAL if module not in now)
    if missing:
        sys.exit(f"not all public modules can be listed here: install {', '.join(missing)}")
    LIST.write_text(
        "\n".join(f"# {module}\n" + "".join(f"{x}\n" for x in now[module]) for module in now), encoding="utf-8"
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        print("\n".join(line for found in differences().values() for line in found) or "as listed")
