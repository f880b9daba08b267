"""Epochs: passes over a source of batches, cut into epochs of a number of steps, as in Keras."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sized
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np

from .. import core, seeds
from ..interrupts import interrupts_held
from ..layers import nested
from . import data
from .class_weights import weigher
from .data import Batch, ClassWeight, by_index, rows, taker
from .stored import Stored, stored
from .trainer import Trainer

#: Rows of a batch where nothing else is said.
BATCH_SIZE = 32


class Source(Protocol):
    """Something that gives batches.

    Attributes:
        batches: their number in one pass, None if unknown.
        once: whether there is one pass only.
        rng: shuffles each pass; None keeps the order.
        draws: whether giving batches may draw from the global random generators.
    """

    batches: int | None
    once: bool
    rng: np.random.Generator | None
    draws: bool

    def passed(self, skip: int) -> Iterator[Batch]:
        """The batches of the next pass but the first `skip`."""
        ...

    def tell(self, event: str) -> None:
        """Let the source know of "on_epoch_begin" or "on_epoch_end"."""
        ...


class Arrays:
    """Batches cut from arrays; the last one of a pass may be smaller.

    Args:
        data: all rows.
        batch_size: rows in a batch.
        rng: shuffles the rows anew for each pass; None keeps their order, and batches are views.
        check: what is made of each batch; None where the rows were checked all together.
    """

    once = draws = False

    def __init__(
        self,
        data: Batch,
        batch_size: int,
        rng: np.random.Generator | None = None,
        check: Callable[..., Batch] | None = None,
    ) -> None:
        self.data, self.batch_size, self.rng, self.check = data, batch_size, rng, check
        self.batches: int | None = -(-rows(data.x) // batch_size)

    def passed(self, skip: int) -> Iterator[Batch]:
        n, size, check = rows(self.data.x), self.batch_size, self.check
        order, some = None if self.rng is None else self.rng.permutation(n), taker(self.data)
        for start in range(skip * size, n, size):
            part = slice(start, start + size)
            batch = some(part if order is None else order[part])
            yield batch if check is None else check(*batch)

    def tell(self, event: str) -> None: ...


class BatchIterable:
    """Batches from an iterable of (x, y), (x, y, sample_weight), or x alone.

    Args:
        source: iterated once a pass. A generator has one pass. A sequence of batches, such as Keras's PyDataset, is
            read by index; one without a length ends where it raises IndexError.
        make: makes a Batch of the parts.
        rng: takes the batches of a sequence in random order; None keeps it.
    """

    def __init__(self, source: Any, make: Callable[..., Batch], rng: np.random.Generator | None = None) -> None:
        self.source, self.make = source, make
        self.once = hasattr(source, "__next__")
        self.batches = known_length(source)
        self.draws = not by_index(source)
        self.rng = rng if by_index(source) and self.batches is not None else None

    def _numbers(self) -> Any:
        if self.batches is None:
            return itertools.count()
        return range(self.batches) if self.rng is None else self.rng.permutation(self.batches)

    def _by_index(self, skip: int) -> Iterator[Any]:
        for i in itertools.islice(self._numbers(), skip, None):
            try:
                item = self.source[int(i)]
            except IndexError:
                if self.batches is None:
                    return
                raise
            yield item

    def passed(self, skip: int) -> Iterator[Batch]:
        if by_index(self.source):
            return map(self._made, self._by_index(skip))
        items = iter(self.source)
        for _ in itertools.islice(items, skip):  # now, as an iterable may draw from generators that are set next
            pass
        return map(self._made, items)

    def _made(self, item: Any) -> Batch:
        parts = item if isinstance(item, tuple | list) else (item,)
        if not 1 <= len(parts) <= 3:
            raise ValueError(f"expected batches (x, y) or (x, y, sample_weight), got {len(parts)} parts")
        return self.make(*parts)

    def tell(self, event: str) -> None:
        if hasattr(self.source, event):
            getattr(self.source, event)()


def known_length(source: Any) -> int | None:
    """How many batches a source has, or None: endless ones, and others, raise TypeError from `len`."""
    if by_index(source) and hasattr(type(source), "num_batches"):
        length = source.num_batches
        return None if length is None else core.check_natural("num_batches", length)
    try:
        return len(source) if isinstance(source, Sized) else None
    except TypeError:
        return None


class Epochs:
    """A source cut into epochs: of one pass each, or of `steps` batches, which go on where the last epoch ended.

    An epoch ends with the pass even if it is short of steps, and the next one begins another pass.

    Attributes:
        steps: batches in an epoch; None while it is not known.
        short: the last epoch had fewer than the steps that were asked for.
        over: there is nothing left for another epoch.
    """

    def __init__(self, source: Source, steps: int | None = None) -> None:
        self.source = source
        self.steps = source.batches if steps is None else steps
        self.short = self.over = False
        self._asked = steps
        self._pass: Iterator[Batch] | None = None
        self._taken = 0
        self._begun: dict[str, Any] | None = None

    def epoch(self, seen: int = 0) -> Iterator[Batch]:
        """The batches of the next epoch, or its rest, where `seen` batches of it have been given before."""
        self.short = self.over = False
        self.source.tell("on_epoch_begin")
        while self._asked is None or seen < self._asked:
            if self._pass is None:
                self._begin()
            batch = next(self._pass, None)  # type: ignore[arg-type]
            if batch is None and not seen and self._taken and not self.source.once:
                self._begin()  # the pass had ended together with the last epoch
                batch = next(self._pass, None)  # type: ignore[arg-type]
            if batch is None:
                break
            seen += 1
            self._taken += 1
            yield batch
        self.short = self._asked is not None and seen < self._asked
        self.over = seen == 0 or (self.short and self.source.once)
        if (self.short or self._asked is None) and not self.source.once:
            self._pass = None
        self.steps = self.steps or seen
        self.source.tell("on_epoch_end")

    def cheap_blocks(self, called: Any) -> AbstractContextManager[None]:
        """For a loop over these batches in which hooks are `called`: where neither these nor the source are a user's
        code, handlers of signals are looked up once for all batches."""
        quiet = not called and isinstance(self.source, Arrays) and self.source.check is None
        return interrupts_held(hold=False) if quiet else nullcontext()

    def rewind(self) -> None:
        """Let the next epoch begin with a new pass, if the source has another."""
        if not self.source.once:
            self._pass = None

    def place(self) -> dict[str, Any]:
        """Where in a pass this is: the batches taken of it, and the random generators when it began; `taken` is None
        between passes."""
        if self._pass is None:
            return {"taken": None, **self._generators()}
        assert self._begun is not None
        return {"taken": self._taken, **self._begun}

    def check(self, place: Any) -> None:
        """ValueError or TypeError where a place that comes from a file is none of this source."""
        wanted = {"taken", "shuffle", "random"}
        if not isinstance(place, dict) or place.keys() != wanted:
            raise ValueError(f"place must hold {', '.join(sorted(wanted))}, got {core.brief(place)}")
        if place["taken"] is not None:
            core.check_natural("taken", place["taken"])
        if (place["shuffle"] is None) != (self.source.rng is None):
            raise ValueError("shuffle must be as in the run that was cut, got the other")
        if self.source.rng is not None:
            seeds.check_generator(self.source.rng, place["shuffle"])
        if place["random"] is not None:
            seeds.check_state(place["random"])

    def go_to(self, place: Any) -> None:
        """Take up a pass where it was; what had been taken of an iterable is taken again and passed by."""
        if self.source.rng is not None:
            self.source.rng.bit_generator.state = place["shuffle"]
        if place["random"] is not None:
            seeds.set_state(place["random"])
        self._pass = None
        if place["taken"] is not None:
            self._begin(place["taken"])

    def _generators(self) -> dict[str, Any]:
        rng = self.source.rng
        return {
            "shuffle": None if rng is None else rng.bit_generator.state,
            "random": seeds.get_state() if self.source.draws else None,
        }

    def _begin(self, skip: int = 0) -> None:
        self._begun = self._generators()
        self._taken, self._pass = skip, self.source.passed(skip)


def epochs_of(
    trainer: Trainer,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    steps: int | None = None,
    shuffle: bool = False,
    class_weight: ClassWeight | None = None,
    resets: Any = None,
) -> Epochs:
    """The batches of what `fit`, `evaluate` and `predict` were given, checked.

    Raises:
        TypeError, ValueError: data or an argument that does not fit.
    """
    steps = None if steps is None else core.check_count("steps", steps)
    weigh = None if class_weight is None else weigher(class_weight, trainer.model.loss)
    rng = seeds.generator() if shuffle else None
    if data.is_stream(x):
        for name, value in (
            ("y", y),
            ("sample_weight", sample_weight),
            ("resets", resets),
            ("batch_size", batch_size),
        ):
            if value is not None:
                got = f"one where x is a {type(x).__name__}"
                raise ValueError(f"{name} must be None where x makes batches, got {got}")

        def make(*parts: Any) -> Batch:
            batch = trainer.batch(*parts)
            return batch if weigh is None else weigh(batch)

        return Epochs(BatchIterable(x, make, rng), steps)
    whole = trainer.batch(*map(stored, (x, y, sample_weight, resets)))
    if weigh is not None:
        whole = weigh(whole)
    if batch_size is None:
        batch_size = -(-rows(whole.x) // steps) if steps else BATCH_SIZE
    # what is in files is seen batch by batch
    check = trainer.batch if any(isinstance(leaf, Stored) for leaf in nested.flatten(whole.x)) else None
    return Epochs(Arrays(whole, core.check_count("batch_size", batch_size), rng, check), steps)
