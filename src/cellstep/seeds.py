"""Where randomness comes from: one generator that `set_random_seed` restarts, and seeds drawn from it.

Every initializer and every dropout mask that was given no seed of its own draws one here when it is made, so one call
of `set_random_seed` before a model is built makes the whole run repeatable.
"""

from __future__ import annotations

import operator
import random as _python
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .core import brief

_root: np.random.Generator = np.random.default_rng()


def set_random_seed(seed: int) -> None:
    """Restart every source of randomness: cellstep's, Python's `random` and NumPy's global one, as Keras does.

    Raises:
        TypeError: seed is not an integer.
        ValueError: seed is outside 0 .. 2**32 - 1, the range that NumPy's global generator takes.

    Example:
        >>> set_random_seed(7)
    """
    global _root
    seed = check_seed(seed)
    if seed >= 2**32:
        raise ValueError(f"seed must be in 0 .. 2**32 - 1, got {seed}")
    _python.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - users' own data often comes from it
    _root = np.random.default_rng(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, every source of randomness runs from this seed; afterwards each continues from its state before."""
    undo = remembered()
    set_random_seed(seed)
    try:
        yield
    finally:
        undo()


def remembered() -> Callable[[], None]:
    """A function that lets every source of randomness go on from where it is now."""
    root, drawn = _root, _root.bit_generator.state
    python, numpy = _python.getstate(), np.random.get_state()  # noqa: NPY002

    def undo() -> None:
        global _root
        _root = root
        _root.bit_generator.state = drawn
        _python.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002

    return undo


def get_state() -> dict[str, Any]:
    """The state of every source of randomness that `set_random_seed` restarts, in lists, dictionaries and arrays."""
    version, numbers, gauss = _python.getstate()
    return {
        "cellstep": _root.bit_generator.state,
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002
        "python": [version, np.array(numbers, np.uint32), gauss],
    }


def check_state(state: Any) -> None:
    """ValueError where this is nothing that `get_state` gave."""
    try:
        check_generator(_root, state["cellstep"])
        np.random.RandomState().set_state(state["numpy"])
        _python.Random().setstate(_python_state(state))
    except _WRONG as error:
        raise ValueError(f"expected the state of the random generators, got another: {error!r}") from None


def set_state(state: Any) -> None:
    """Take over what `get_state` gave, and `check_state` has checked."""
    _root.bit_generator.state = state["cellstep"]
    np.random.set_state(state["numpy"])  # noqa: NPY002
    _python.setstate(_python_state(state))


def check_generator(generator: np.random.Generator, state: Any) -> None:
    """ValueError where this is no state for the `bit_generator` of a generator such as this."""
    try:
        type(generator.bit_generator)().state = state
    except _WRONG as error:
        kind = type(generator.bit_generator).__name__
        raise ValueError(f"expected the state of a {kind}, got another: {error!r}") from None


#: What NumPy and Python raise for states that are none.
_WRONG = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError)


def _python_state(state: Any) -> tuple[Any, ...]:
    version, numbers, gauss = state["python"]
    return version, tuple(np.asarray(numbers, np.uint32).tolist()), gauss


def check_seed(seed: Any) -> int:
    """The seed as an int; TypeError or ValueError where it is no integer >= 0."""
    if isinstance(seed, (bool, np.bool_)):
        raise TypeError(f"seed must be an integer, got {brief(seed)}")
    try:
        value = operator.index(seed)
    except TypeError:
        raise TypeError(f"seed must be an integer, got {brief(seed)}") from None
    if value < 0:
        raise ValueError(f"seed must be 0 or more, got {value}")
    return value


def global_generator() -> np.random.Generator:
    """The generator that `set_random_seed` restarts, by making it anew."""
    return _root


def make_seed() -> int:
    """A new seed from the global generator."""
    return int(_root.integers(2**32))


def generator(seed: int | np.random.Generator | None = None) -> np.random.Generator:
    """A generator of its own: from `seed`, or from a new seed where None; a generator is taken as it is."""
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(make_seed() if seed is None else check_seed(seed))
