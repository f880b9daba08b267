"""Recurrent layers whose kernels run at the same time: both directions, or each layer behind the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .. import core
from .context import Applied, Context

if TYPE_CHECKING:
    from .base import Layer


F = TypeVar("F", bound=Callable[..., Any])


def runs_phases(apply: F) -> F:
    """Say of the `apply` of a class that it runs `phases` and does nothing else."""
    apply.__dict__["runs_phases"] = apply  # itself, as a function that wraps it has a copy of this
    return apply


def in_phases(layer: Layer, context: Context) -> bool:
    """Whether a pass through a layer is that of its `phases` and nothing else, such as penalties of outputs, or methods
    of the user's."""
    apply = type(layer).apply
    if getattr(apply, "runs_phases", None) is not apply:
        return False
    own = vars(layer)
    unwritten = not layer.masks_itself and "forward" not in own and "call" not in own
    penalties = layer.activity_regularizer is not None or "_cached_penalties" in own
    return unwritten and (context.penalties is None or not penalties)


def reads(layer: Any, x: Any, training: bool) -> bool:
    """Whether the first of the phases of a layer reads x, which has to be written before."""
    plain = layer.built and not layer.go_backwards and x.dtype is layer.dtype
    return not plain or bool(layer.runner.reads(training))


def both(phases: Sequence[Callable[..., Iterator[Any]]], *arguments: Sequence[Any]) -> list[Any]:
    """What the phases of two layers, or of their pullbacks, give in the end, each for its arguments."""
    calls: list[Any] = []
    begun = [function(calls, *own) for function, own in zip(phases, arguments, strict=True)]
    for each in begun:
        next(each)
    core.make(calls)
    return [next(each) for each in begun]


class Pipelined:
    """Recurrent layers one after another, as one layer.

    Args:
        layers: those for which `in_phases` holds.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self.layers = layers

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """As `Layer.apply`."""

        def begin(layer: Any, came: Any, calls: list[Any]) -> Iterator[Any]:
            if calls and reads(layer, came[0], context.training):
                core.make(calls)
            return layer.phases(calls, *came[:2], context)  # type: ignore[no-any-return]

        ran = _in_line(begin, self.layers, (x, mask))
        y, passed, _ = ran[-1]
        return y, passed, partial(self._back, [pullback for *_, pullback in ran]) if context.tape else None

    def _back(self, pullbacks: Sequence[Any], dy: Any, need_dx: bool = True) -> Any:
        if not need_dx:
            # as far as there are weights that learn
            pullbacks = pullbacks[next((i for i, layer in enumerate(self.layers) if layer.trainable_weights), 0) :]

        def begin(pullback: Any, came: Any, calls: list[Any]) -> Iterator[Any]:
            if calls and (calls[-1][4] is not None or pullback.reads(came)):
                core.make(calls)
            return pullback.phases(calls, came, need_dx or pullback is not pullbacks[0])  # type: ignore[no-any-return]

        return _in_line(begin, pullbacks[::-1], dy)[-1]


def _in_line(begin: Callable[..., Iterator[Any]], members: Sequence[Any], came: Any) -> list[Any]:
    """What the phases of each member give in the end, where each begins with what the one before gives, or is to give
    once calls are made."""
    calls: list[Any] = []
    waiting: list[Iterator[Any]] = []
    ended: list[Any] = []
    for member in members:
        phases = begin(member, came, calls)
        came = next(phases)
        waiting.append(phases)
        if came is None or member is members[-1]:
            core.make(calls)
            ended += map(next, waiting)
            waiting.clear()
            came = ended[-1]
    return ended
