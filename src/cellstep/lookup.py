"""Lookup: an object from its name, its class, its configuration or itself, and back to a configuration.

One for each kind of thing that layers and models take by name, such as regularizers; names are Keras's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from . import registry
from .configured import closest
from .ops import shown

T = TypeVar("T")

_IOU = "the overlap of regions in images (intersection over union)"
#: What Keras has and cellstep leaves to it, as it has nothing to do with sequences: what each is.
LEFT_OUT = {
    "BinaryIoU": _IOU,
    "IoU": _IOU,
    "MeanIoU": _IOU,
    "OneHotIoU": _IOU,
    "OneHotMeanIoU": _IOU,
    "Dice": "the overlap of regions in images",
    "Tversky": "the overlap of regions in images",
    "CategoricalGeneralizedCrossEntropy": "the crossentropy for noisy labels of images",
    "Ftrl": "the optimizer of large sparse linear models",
}
_LEFT_OUT_PLAIN = {name.lower(): name for name in LEFT_OUT}


def why_left_out(name: Any) -> str:
    """What a name of Keras's stands for that cellstep leaves out; empty for other names."""
    known = _LEFT_OUT_PLAIN.get(str(name).replace("_", "").lower())
    return f"{known} is {LEFT_OUT[known]} in Keras, and not in cellstep" if known else ""


def absent(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module: one sentence for a name that it does not have."""

    def __getattr__(name: str) -> Any:
        why = why_left_out(name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}{why and ': '}{why}")

    return __getattr__


def unknown(argument: str, name: Any, known: Sequence[str]) -> str:
    """The message for a name that nothing has: all names where they are few, else those that are most like it.

    Args:
        argument: what to blame. name: what came. known: the names that there are.
    """
    why = why_left_out(name)
    if why:
        return f"{argument} must be one of the {len(known)} names there are, got {name!r}: {why}"
    if sum(map(len, known)) < 160:
        return f"{argument} must be one of {', '.join(known)}, got {name!r}"
    like = " or ".join(closest(str(name), known) or known[:3])
    return f"{argument} must be one of the {len(known)} names there are, such as {like}, got {name!r}"


def snake_case(name: str) -> str:
    """SimpleRNN -> simple_rnn, LSTMCell -> lstm_cell, as Keras names layers."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


class Lookup(Generic[T]):
    """The objects of one kind.

    Args:
        kind: what they are, for messages: "regularizer". Keras's module is `keras.` and this with an s.
        base: their base class; an object of it is taken as it is.
        names: short name to class. Class names are known too.
        other: further names that messages do not list.
        module: Keras's module, where it is not that.
    """

    def __init__(
        self,
        kind: str,
        base: type[T],
        names: Mapping[str, type[T]],
        other: Mapping[str, type[T]] | None = None,
        module: str = "",
    ) -> None:
        self.kind, self.base, self.names = kind, base, dict(names)
        self.module = module or f"keras.{kind}s"
        self.by_name = {**self.names, **{c.__name__: c for c in names.values()}, **(other or {})}

    @property
    def classes(self) -> Sequence[type[T]]:
        return list(dict.fromkeys(self.names.values()))

    def get(self, identifier: Any, argument: str = "") -> T:
        """The object for a name, with its defaults; for a class; for a configuration; or the object itself.

        Args:
            identifier: one of these.
            argument: the name to blame in a message; the kind where empty.

        Raises:
            ValueError: nothing has this name; the message lists the names. TypeError: it is none of these.
        """
        if isinstance(identifier, self.base):
            return identifier
        if isinstance(identifier, type) and issubclass(identifier, self.base):
            return identifier()
        own = registry.find(identifier)
        if isinstance(own, type) and issubclass(own, self.base):
            return self._made(own, identifier)
        name = identifier.get("class_name") if isinstance(identifier, dict) else identifier
        if not isinstance(name, str):
            what = f"a name, a configuration or a cellstep {self.kind}"
            raise TypeError(f"{argument or self.kind} must be {what}, got {shown(identifier)}")
        if name not in self.by_name:
            raise ValueError(unknown(argument or self.kind, name, list(self.names)))
        return self._made(self.by_name[name], identifier)

    @staticmethod
    def _made(kind: Any, identifier: Any) -> T:
        made: T = kind.from_config(dict(identifier.get("config") or {})) if isinstance(identifier, dict) else kind()
        return made

    def serialize(self, thing: T) -> dict[str, Any]:
        """Keras's dictionary {module, class_name, config, registered_name}, ready for JSON.

        For a class of the user's, `get` finds it again if it is registered, or in a `custom_object_scope`.
        """
        own: Any = thing
        if type(thing) not in self.by_name.values():
            return registry.written(own)
        return {
            "module": self.module,
            "class_name": type(thing).__name__,
            "config": own.get_config(),
            "registered_name": None,
        }
