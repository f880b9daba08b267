"""Small models written down, so that any library of the same names can make them: layers, calls, data and losses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Made:
    """A layer by name and arguments; arguments may be such layers themselves, or lists of them."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, layers: Any) -> Any:
        return getattr(layers, self.name)(**{key: _made(value, layers) for key, value in self.options.items()})

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={_text(v)}' for k, v in self.options.items())})"


@dataclass(frozen=True)
class Call:
    """A layer called on tensors, by their numbers: those of the inputs first, then each call's outputs in turn."""

    layer: Made
    x: Any
    mask: int | None = None
    states: list[int] | None = None
    outputs: int = 1

    def __str__(self) -> str:
        more = "" if self.mask is None else f", mask={self.mask}"
        more += "" if self.states is None else f", initial_state={self.states}"
        return f"{self.layer} of {self.x}{more}"


@dataclass(frozen=True)
class Configuration:
    """A model, its weights' seed, and what it learns from."""

    seed: int
    number: int
    inputs: list[tuple[tuple[int | None, ...], str]]
    calls: list[Call]
    ends: list[int]
    losses: list[Made]
    x: list[Array]
    y: list[Array]
    weights: list[Array | None]

    def __str__(self) -> str:
        return "\n  ".join(
            [
                f"configuration({self.seed}, {self.number}): inputs {self.inputs}",
                *map(str, self.calls),
                f"outputs {self.ends}, losses {', '.join(map(str, self.losses))}",
                f"shapes {[a.shape for a in self.x]}, weights {[None if w is None else w.shape for w in self.weights]}",
            ]
        )

    def make(self, library: Any) -> Any:
        """The model, compiled, of a module with `layers`, `losses` and `Model`."""
        tensors = [
            library.layers.Input(shape, dtype=dtype, name=f"x{i}") for i, (shape, dtype) in enumerate(self.inputs)
        ]
        first = list(tensors)
        for call in self.calls:
            x = [tensors[i] for i in call.x] if isinstance(call.x, list) else tensors[call.x]
            options: dict[str, Any] = {} if call.mask is None else {"mask": tensors[call.mask]}
            if call.states is not None:
                options["initial_state"] = [tensors[i] for i in call.states]
            y = call.layer.make(library.layers)(x, **options)
            tensors += list(y) if isinstance(y, (list, tuple)) else [y]
        model = library.Model(first, [tensors[i] for i in self.ends])
        self.compile(model, library)
        return model

    def compile(self, model: Any, library: Any) -> None:
        model.compile("sgd", [loss.make(library.losses) for loss in self.losses])


def _made(value: Any, layers: Any) -> Any:
    if isinstance(value, Made):
        return value.make(layers)
    return [_made(part, layers) for part in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return str(value) if isinstance(value, Made) else repr(value)
