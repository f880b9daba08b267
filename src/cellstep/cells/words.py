"""Words: what a cell's class attributes say of gates, states, vectors and hyperparameters, and whether they can."""

from __future__ import annotations

from collections.abc import Iterable
from keyword import iskeyword
from typing import Any

from .symbols import PARTS

#: Class attributes that say how a cell is built, and so are no hyperparameters.
WORDS = (
    *("gates", "states", "vectors", "gate_names", "roles", "contract", "Layer", "hyperparameters"),
    *("config_keys", "arguments"),
)
#: As many as kernels have room for.
GATES, STATES = 16, 14


def check_words(cell: Any, arguments: Iterable[str], base: type) -> None:
    """Whether a class says its words well; `arguments` are taken, and the attributes of `base`.

    Raises:
        TypeError, ValueError: the sentence says which one not, and what was wanted.
    """
    name = cell.__name__
    if not isinstance(cell.gates, str):
        raise TypeError(f"expected gates of {name} as a text such as 'f n', got {cell.gates!r}")
    for word in ("states", "vectors"):
        if not isinstance(getattr(cell, word), str | dict):
            raise TypeError(f"expected {word} of {name} as names or a dictionary, got {getattr(cell, word)!r}")
    letters, vectors = cell.gates.split(), list(cell.vector_initializers())
    states = cell.states.split() if isinstance(cell.states, str) else list(cell.states)
    if not letters or any(len(letter) != 1 or not letter.isalpha() for letter in letters):
        raise ValueError(f"expected {name} with gates such as 'f n', a letter each, got {cell.gates!r}")
    if set(letters) & set(PARTS):
        raise ValueError(f"expected gates of {name} besides x and h, which are parts of z, got {cell.gates!r}")
    for what, words in (("gates", letters), ("states", states), ("vectors", vectors)):
        if len(set(words)) < len(words) or not all(_is_name(word) for word in words):
            raise ValueError(f"expected {what} of {name} to be names that differ, got {' '.join(map(str, words))!r}")
    for what, words, most in (("gates", letters, GATES), ("states", states, STATES)):
        if not 1 <= len(words) <= most:
            raise ValueError(f"expected {name} with 1 to {most} {what}, got {len(words)}")
    own_size, *others = cell.declared_states(cell.hyperparameters).values()
    if any(size != "units" for size in others) or not _is_name(own_size):
        raise ValueError(
            f"expected states of {name} of the size 'units', but for the first, which may have one of its own, got "
            f"{cell.states!r}"
        )
    if "x" in states:
        raise ValueError(f"expected states of {name} besides x, which is the input, got {cell.states!r}")
    taken = {"self", "units", "name", "dtype", "trainable", "weights", "kernel", "recurrent_kernel", "bias", *arguments}
    taken |= {"W", "U", "b", "R", "product", "project", "mean", "normalize"}
    sizes = cell.size_names()
    for word in (*vectors, *cell.hyperparameters, *sizes):
        free = not hasattr(base, word) and [*vectors, *cell.hyperparameters, *sizes].count(word) == 1
        own = _is_name(word) and (free or (word not in vectors and word not in sizes))
        if word in taken or not own:
            raise ValueError(
                f"expected vectors, hyperparameters and sizes of {name} by names of their own, got {word!r}"
            )


def _is_name(word: Any) -> bool:
    return isinstance(word, str) and word.isidentifier() and not iskeyword(word)
