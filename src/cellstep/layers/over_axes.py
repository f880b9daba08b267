"""OverAxes: layers that take one axis of their inputs, or several, together, and give outputs of the inputs' shape."""

from __future__ import annotations

from .. import core
from .base import Layer
from .module import Shape


class OverAxes(Layer):
    """A layer over `axis`, which its constructor sets: an axis, or a list of axes."""

    axis: int | list[int]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        core.places("axis", self.axis, input_shape)
        return tuple(input_shape)

    def reach(self, rank: int) -> str:
        places = core.places("axis", self.axis, (None,) * rank)
        return "step" if rank > 2 and all(place > 1 for place in places) else "sequence"

    def independent_rows(self, training: bool) -> bool:
        """Unless the axis of rows is one of them."""
        return not self.built or 0 not in core.places("axis", self.axis, self.built_for)
