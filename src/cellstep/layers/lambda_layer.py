"""Lambda: a function of the user's as a layer, and the pullback that goes with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Self, Unpack

import numpy as np

from .. import core, registry
from . import call_adapter, nested
from .base import Layer, LayerOptions
from .context import Applied, Context
from .module import Shape
from .symbolic import is_symbolic


class Lambda(Layer):
    """Applies a function of tensors, of operators and functions of `cellstep.ops`, whose gradient follows from that; or
    a function of arrays, with its pullback.

    Args:
        function: of x, or of (x, mask), (x, training), (x, mask, training) where its parameters have these names; and
            of `arguments`. Gives a tensor, or several; of arrays it gives an array.
        output_shape: of the outputs without the batch size, or a function of the inputs' whole shape. Where None it is
            found by calling the function with tensors, or with zeros.
        mask: the mask of the outputs; or a function of (x, mask) that gives it. None: they have no mask, and that of
            the inputs ends with a warning.
        arguments: more arguments of the function, by name.
        pullback: of a function that computes with NumPy: a function of (x, y, dy) and of `arguments` that gives dx,
            which has x's shape. Without it, whatever is below such a layer cannot be trained.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    It can be saved where its functions have names and are registered by `saving.register_keras_serializable()`.

    Example:
        >>> square = Lambda(np.square, pullback=lambda x, y, dy: 2 * x * dy)
        >>> y, pullback = square.forward(np.ones((2, 3)))
    """

    takes_several = True
    config_keys = ()  # `get_config` writes functions

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        *,
        pullback: Callable[..., Any] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if not callable(function):
            raise TypeError(f"function must be a function, got {function!r}")
        if pullback is not None and not callable(pullback):
            raise TypeError(f"pullback must be a function of (x, y, dy) or None, got {pullback!r}")
        if not (output_shape is None or callable(output_shape) or isinstance(output_shape, (list, tuple))):
            raise TypeError(f"output_shape must be a tuple, a function or None, got {output_shape!r}")
        if arguments is not None and not isinstance(arguments, dict):
            raise TypeError(f"arguments must be a dictionary or None, got {arguments!r}")
        self.function, self.pullback = function, pullback
        self.output_shape = output_shape
        self.mask = mask
        self.arguments = dict(arguments or {})
        self._takes = _parameters(function) & {"mask", "training"}
        self.supports_masking = mask is not None or "mask" in self._takes  # type: ignore[misc]

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """function(x), an array of the layer's dtype unless it holds integers or booleans."""
        if mask is not None and self.mask is None and self.supports_masking:
            self.drops_mask(mask, used=True)
        try:
            run = None if self.pullback is not None else call_adapter.traced_call(self, x, mask, context.training, {})
        except Exception:
            run = None  # NumPy's code; what is wrong with the arrays it says itself
        if run is not None:
            return run(context)
        x = call_adapter.arrays_of(self, x)
        if not self.built:
            self.build(nested.change(x, np.shape))
        known = {"mask": mask, "training": context.training}
        y = self._call(x, {name: known[name] for name in self._takes})

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            dy = self.gradient_array(dy, y.shape)
            if not need_dx:
                return None
            if self.pullback is None:
                raise NotImplementedError(
                    f"{self.name} needs pullback, a function of (x, y, dy) that gives dx, to train the layers below "
                    "it, got None; or write its function with operators and functions of cellstep.ops"
                )
            dx = self.pullback(x, y, dy, **self.arguments)
            if isinstance(x, list | tuple):
                return dx
            return core.as_array(f"what pullback of {self.name} gives", dx, self.dtype, x.shape)

        return y, self.compute_mask(x, mask), pullback

    def call(self, inputs: Any, mask: Any = None, training: bool = False) -> Any:
        """The function of tensors; of arrays what a call gives."""
        if not is_symbolic(inputs):
            return self(inputs, mask=mask, training=training)
        known = {"mask": mask, "training": training}
        return self.function(inputs, **self.arguments, **{name: known[name] for name in self._takes})

    def _call(self, x: Any, options: dict[str, Any]) -> Any:
        a = core.plain(f"what function of {self.name} gives", self.function(x, **self.arguments, **options))
        return a.astype(self.dtype, copy=False) if a.dtype.kind == "f" else a

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """What the argument `mask` says."""
        return self.mask(x, mask) if callable(self.mask) else self.mask

    def independent_rows(self, training: bool) -> bool:
        """False, as the function may do anything."""
        return False

    def compute_output_shape(self, input_shape: Shape) -> Any:
        """What output_shape says; else what the function gives for zeros, an axis being open that follows an open one.

        Raises:
            ValueError: the function fails on zeros.
        """
        if callable(self.output_shape):
            return tuple(self.output_shape(input_shape))
        if self.output_shape is not None:
            return (nested.shapes(input_shape)[0][0], *self.output_shape)
        try:
            if self.pullback is None:
                return call_adapter.output_shape(self, input_shape)
        except Exception:
            pass  # NumPy's code

        def run(size: int) -> Any:
            zeros = self._zeros(input_shape, size)
            try:
                return self._call(zeros, dict.fromkeys(self._takes))
            except Exception as error:
                raise ValueError(
                    f"output_shape of {self.name} must be given, as its function fails on zeros of shape "
                    f"{nested.change(zeros, np.shape)}: {error}"
                ) from error

        return nested.tried(run, (2, 3))[1][0]

    def _zeros(self, input_shape: Any, size: int) -> Any:
        return call_adapter.of_shapes(
            input_shape, lambda s: np.zeros([size if n is None else n for n in s], self.dtype)
        )

    def get_config(self) -> dict[str, Any]:
        """The configuration, in which functions stand by the names that they are registered under.

        Raises:
            TypeError: one of them is not registered, as a lambda cannot be.
        """
        config = {**super().get_config(), "function": self._written("function"), "arguments": self.arguments}
        for key in ("output_shape", "mask", "pullback"):
            if getattr(self, key) is not None:
                config[key] = self._written(key)
        return config

    def _written(self, key: str) -> Any:
        value = getattr(self, key)
        return registry.written_function(f"{key} of {self.name}", value) if callable(value) else value

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A Lambda of functions that are registered, or in a `custom_object_scope`; ValueError where one is not."""
        name = config.get("name", "Lambda")
        keys = ("function", "output_shape", "mask", "pullback")
        read = {
            key: registry.read_function(f"{key} of {name}", config[key])
            for key in keys
            if isinstance(config.get(key), dict)
        }
        return cls(**{**config, **read})


def _parameters(function: Callable[..., Any]) -> set[str]:
    try:
        return set(inspect.signature(function).parameters)
    except ValueError:  # some compiled functions do not tell
        return set()
