"""A model that computes by hand, in a `forward` of its own."""

from __future__ import annotations

import inspect
from typing import Any

from ..configured import ours_function
from ..layers.context import Applied, Context, collecting
from ..layers.forward_adapter import checked_pair


def apply_by_hand(self: Any, x: Any, mask: Any, context: Context, lengths: Any) -> Applied:
    """What a subclass gives whose `forward` computes by hand, with those of the arguments that it takes."""
    taken = inspect.signature(type(self).forward).parameters
    options = {}
    arguments = {"mask": mask, "lengths": lengths, "resets": context.resets, "training": context.training}
    for name, value in arguments.items():
        if name in taken:
            options[name] = value
        elif name != "training" and value is not None:
            raise TypeError(f"{name} must be None, as {type(self).__name__}.forward does not take it")
    before = len(context.penalties or ())
    with collecting(context):
        y, pullback = checked_pair(self, self.forward(x, **options))
    if not self.built:
        self.built = True
    if context.penalties is not None:
        self.remember(context.penalties[before:])
    passed = None if ours_function(type(self).compute_mask) else self.compute_mask(x, mask)
    return y, passed, pullback if context.tape else None
