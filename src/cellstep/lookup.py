"""Lookup: an object from its name, its class, its configuration or itself, and back to a configuration.

One for each kind of thing that layers and models take by name, such as regularizers; names are Keras's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")


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
        name = identifier.get("class_name") if isinstance(identifier, dict) else identifier
        if not isinstance(name, str):
            what = f"a name, a configuration or a cellstep {self.kind}"
            raise TypeError(f"{argument or self.kind} must be {what}, got {identifier!r}")
        if name not in self.by_name:
            raise ValueError(f"{argument or self.kind} must be one of {', '.join(self.names)}, got {name!r}")
        kind: Any = self.by_name[name]
        made: T = kind.from_config(dict(identifier.get("config") or {})) if isinstance(identifier, dict) else kind()
        return made

    def serialize(self, thing: T) -> dict[str, Any]:
        """Keras's dictionary {module, class_name, config, registered_name}, ready for JSON.

        Raises:
            TypeError: it is of a class of the user's, which `get` could not find again.
        """
        if type(thing) not in self.names.values():
            raise TypeError(f"expected one of the {self.kind}s of cellstep to write down, got {thing!r}")
        config: Any = thing
        return {
            "module": self.module,
            "class_name": type(thing).__name__,
            "config": config.get_config(),
            "registered_name": None,
        }
