"""Context: what one pass through layers is for, and what is collected on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

#: What a layer's `apply` gives: the outputs, their mask, and the pullback or None.
Applied = tuple[Any, Any, Any]


class Context:
    """One pass forward, as all layers see it that take part.

    Attributes:
        training: whether dropout drops, and batches move statistics.
        tape: whether a pullback is wanted.
        padding: whether masks say which steps exist at all, so that no layer can replace them.
        penalties: the list to which each output with an `activity_regularizer` adds its penalty; None where penalties
            count neither in the loss nor in gradients.
        rows: over how many rows a penalty is averaged, where not over those of the outputs themselves, as in
            TimeDistributed, which makes rows of steps.
        scale: what gradients of penalties are multiplied with, as an optimizer scales a loss.
        resets: (B, T) booleans for recurrent layers that are given none of their own, True where a row begins anew.
    """

    __slots__ = ("padding", "penalties", "resets", "rows", "scale", "tape", "training")

    def __init__(
        self,
        training: bool = False,
        tape: bool = False,
        padding: bool = False,
        penalties: list[float] | None = None,
        rows: int | None = None,
        scale: float = 1.0,
        resets: Any = None,
    ) -> None:
        self.training, self.tape, self.padding = training, tape, padding
        self.penalties, self.rows, self.scale, self.resets = penalties, rows, scale, resets

    def but(self, **changes: Any) -> Context:
        """A copy with some attributes changed; the list of penalties is the same one."""
        return Context(**{name: getattr(self, name) for name in self.__slots__} | changes)

    def replaced(self, mask: Any, own: Any) -> Any:
        """The mask of a layer that makes its own; with the one that came, where that says which steps exist."""
        if mask is None or not self.padding:
            return own
        return mask if own is None else own & mask.reshape(*mask.shape, *(1,) * (own.ndim - mask.ndim))


#: The first input of the function that is being traced, by which what it computes becomes a graph; None elsewhere.
traced_on: ContextVar[Any] = ContextVar("cellstep_traced_on", default=None)
#: What that function computes beside its outputs: tensors with penalties.
traced_beside: ContextVar[list[Any]] = ContextVar("cellstep_traced_beside")


@contextmanager
def tracing(tensor: Any) -> Iterator[list[Any]]:
    """Within the block a function of this tensor is traced; with None nothing is, as where weights are made. Gives the
    list of what it computes beside its outputs."""
    token, beside = traced_on.set(tensor), traced_beside.set([])
    try:
        yield traced_beside.get()
    finally:
        traced_on.reset(token)
        traced_beside.reset(beside)


_collecting: ContextVar[Context | None] = ContextVar("cellstep_collecting", default=None)


@contextmanager
def collecting(context: Context) -> Iterator[None]:
    """Within the block, penalties of the layers whose `forward` is called belong to this pass: that is how a `forward`
    that a user wrote hands those of its layers on."""
    token = _collecting.set(context)
    try:
        yield
    finally:
        _collecting.reset(token)


def forward_context(training: bool) -> Context:
    """That of a `forward`: within a pass penalties go there and resets come from there, else there are none."""
    outer = _collecting.get()
    if outer is None:
        return Context(training, True)
    return outer.but(training=training, tape=True, padding=False)
