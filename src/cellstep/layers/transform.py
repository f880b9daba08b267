"""The base of layers of one array without weights: they say what they do to it, and what that does to a gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from numpy.typing import NDArray

from .. import core
from .base import Array, Layer
from .context import Applied, Context
from .module import Shape

Back = Callable[[Array], NDArray[Any]]


class Transform(Layer):
    """A layer without weights, of one array. A subclass writes `compute`, and `compute_output_shape` where it changes.

    Attributes:
        axes: the names of the inputs' axes, such as ("batch", "time", "features"); empty where any number will do.
        keeps_integers: integers stay what they are, where other layers make floats of them.
    """

    axes: tuple[str, ...] = ()
    keeps_integers: ClassVar[bool] = False

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        """y, and the map from dy, which has y's shape, to dx."""
        raise NotImplementedError(f"{type(self).__name__}.compute is not written")

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        a = core.plain("x", x)
        if not (self.keeps_integers and a.dtype.kind in "iu"):
            a = self.input_array(a)
        if self.axes and a.ndim != len(self.axes):
            raise ValueError(f"expected x of shape {core.describe(self.axes)}, got {a.shape}")
        if not self.built:
            self.build(a.shape)
        y, back = self.compute(a, mask, context.training)

        def pullback(dy: Any, need_dx: bool = True) -> Array | None:
            dy = self.gradient_array(dy, y.shape)
            return back(dy) if need_dx else None

        return y, self.compute_mask(x, mask), pullback

    def make_weights(self, input_shape: Shape) -> None:
        # There are none; a model that is being put together learns here that the layer cannot take what comes.
        self.compute_output_shape(input_shape)

    def checked(self, input_shape: Shape) -> Shape:
        """The shape as a tuple; ValueError where it has not the axes that the layer takes."""
        shape = tuple(input_shape)
        if self.axes and len(shape) != len(self.axes):
            raise ValueError(f"expected inputs of shape {core.describe(self.axes)}, got {core.describe(shape)}")
        return shape

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.checked(input_shape)
