"""The interface of a layer: `forward` gives the outputs and a pullback; `layer(x)` gives the outputs alone.

    y, pullback = layer.forward(x, mask=None, initial_state=None, training=False)
    dx = pullback(dy)             # and adds to the gradient of each weight of the layer

A layer keeps nothing between calls but its weights (and its states where `stateful`): what backward needs is in the
pullback, which may be called any number of times. Arrays given to `forward` and arrays that it returned must not be
written to before the last of those calls.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from .. import ops
from ..kernels.stages import Stage
from .module import Module, Shape

Array = NDArray[Any]


class Pullback(Protocol):
    """The backward half of one forward.

    dy has the shape of the outputs. `need_dx=False` saves the work for a first layer, whose inputs have no gradient.
    """

    def __call__(self, dy: Any, need_dx: bool = True) -> Any: ...


class Layer(Module):
    """A layer: weights, and a function of arrays with its gradient.

    A subclass writes `forward`, and where they apply `make_weights`, `compute_output_shape`, `compute_mask` and
    `get_config`; `call` where the outputs alone cost less.

    Args:
        name: automatic where None: `lstm`, then `lstm_1`, ...
        dtype: "float32" (also for None) or "float64".
        trainable: False freezes the weights.

    Attributes:
        supports_masking: whether a mask reaches the next layer. Where it does not, `forward` warns, as Keras does.
    """

    supports_masking: ClassVar[bool] = True

    def forward(
        self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False
    ) -> tuple[Any, Pullback]:
        """The outputs, and a pullback that maps their gradient to the gradient of x and adds to the weights'.

        Args:
            x: the inputs, batch first.
            mask: (B, T) booleans for layers that use one.
            initial_state: for recurrent layers.
            training: whether dropout drops.
        """
        raise NotImplementedError(f"{type(self).__name__}.forward is not written")

    def __call__(
        self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False, **options: Any
    ) -> Any:
        """The outputs, without a tape. Builds the layer on the first call."""
        return self.call(x, mask=mask, initial_state=initial_state, training=training, **options)

    def call(self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False, **options: Any) -> Any:
        """What a call gives for arrays."""
        return self.forward(x, mask=mask, initial_state=initial_state, training=training, **options)[0]

    def compute_output_shape(self, input_shape: Shape) -> Any:
        """The shape of the outputs for inputs of this shape, None for open axes."""
        return tuple(input_shape)

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """The mask for the next layer, given this layer's inputs and their mask; None where there is none."""
        return mask if self.supports_masking else None

    def independent_rows(self, training: bool) -> bool:
        """Whether a row of the outputs follows from that row of the inputs alone, whatever is in the others.

        TimeDistributed calls such a layer once, for the steps of all rows together, and another once a step. A layer
        of your own that looks at its batch as a whole says False here.
        """
        return True

    def stages(self) -> list[Stage]:
        """What a stream runs a step of this layer with, once it is built.

        Raises:
            NotImplementedError, ValueError: the layer, or one of its arguments, has no meaning step by step.
        """
        raise NotImplementedError(f"{type(self).__name__}.stages is not written, so {self.name} cannot be streamed")

    def stateless(self, initial_state: Any) -> None:
        """TypeError where a layer without states was given one."""
        if initial_state is not None:
            raise TypeError(f"initial_state must be None, as {type(self).__name__} has no states, got one")

    def drops_mask(self, mask: Any) -> None:
        """UserWarning where a layer that does not know masks was given one."""
        if mask is not None:
            warnings.warn(
                f"{self.name} knows no masks: the one that came with its inputs has no effect and goes no further",
                stacklevel=4,
            )

    def input_array(self, x: Any) -> Array:
        """x in this layer's dtype, whatever its shape; its own array where it fits already."""
        a = ops.plain("x", x)
        return ops.as_array("x", a, self.dtype, ("any",) * a.ndim)

    def gradient_array(self, dy: Any, shape: tuple[int, ...]) -> Array:
        """dy in this layer's dtype; ValueError unless it has this shape."""
        return ops.as_array("dy", dy, self.dtype, shape)
