"""Sequential: layers one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

from .. import ops
from ..layers import InputLayer, Layer, Stream, deserialize, serialize
from ..layers.module import Module, Shape
from .steps import Array
from .stream import make_stream
from .summary import print_summary
from .training import Trainer


class Sequential(Trainer):
    """A model whose layers each take the outputs of the one before, and its mask.

    Args:
        layers: to begin with; more with `add`. With an Input at the head the weights are made at once, without one by
            the first data.
        trainable: False freezes all layers.
        name: automatic where None.

    Example:
        >>> model = Sequential([Input((None, 3)), LSTM(16), Dense(1)])
        >>> model.compile("adam", "mse")
        >>> history = model.fit(np.ones((8, 5, 3)), np.ones((8, 1)), epochs=2)
    """

    def __init__(self, layers: Iterable[Layer] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(name, None, trainable)
        self._input: InputLayer | None = None
        self._input_shape: Shape | None = None
        for layer in layers or ():
            self.add(layer)

    @property
    def layers(self) -> list[Any]:
        """The layers, without Input."""
        return list(self._parts)

    @property
    def input_shape(self) -> Shape | None:
        """The shape that the model was built for, None for open axes; None before that."""
        return self._input_shape

    @property
    def output_shape(self) -> Shape | None:
        """The shape of the outputs; None before the model is built."""
        return None if self._input_shape is None else self.shapes()[-1]

    def shapes(self) -> list[Shape]:
        """The shape of the inputs, then of each layer's outputs.

        Raises:
            ValueError: not built yet.
        """
        if self._input_shape is None:
            raise ValueError(f"{self.name} is not built: give it an Input, or call it once")
        shapes = [self._input_shape]
        for layer in self.layers:
            shapes.append(layer.compute_output_shape(shapes[-1]))
        return shapes

    def add(self, layer: Layer) -> None:
        """Put a layer at the end.

        Raises:
            TypeError: it is no layer. ValueError: its name is taken, it returns states, it cannot take what the model
            gives, or it is an Input and not the first.
        """
        if isinstance(layer, Sequential):
            raise NotImplementedError("layer as a Sequential is not built; add its layers one by one")
        if not isinstance(layer, Layer):
            raise TypeError(f"layer must be one of cellstep.layers, got {layer!r}")
        if isinstance(layer, InputLayer):
            if self._parts or self._input is not None:
                raise ValueError("layer as an Input must be the first, got one after others")
            self._input, self._input_shape = layer, layer.batch_shape
            return
        if any(layer.name == other.name for other in self._parts):
            raise ValueError(f"layer must have a name of its own in the model, got a second {layer.name!r}")
        if getattr(layer, "return_state", False):
            raise ValueError(f"layer must return one array, got {layer.name} with return_state=True")
        if not self.trainable:
            layer.trainable = False
        if self._input_shape is not None:
            layer.build(self.shapes()[-1])
            self.built = True
        self._parts.append(layer)

    def pop(self) -> Layer:
        """Take the last layer away and return it.

        Raises:
            ValueError: there is none.
        """
        if not self._parts:
            raise ValueError(f"{self.name} has no layers to pop")
        layer = self._parts.pop()
        assert isinstance(layer, Layer)
        if not self._parts:
            self.built = False
            self._input_shape = None if self._input is None else self._input.batch_shape
        return layer

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer by name, or by its place in `layers`.

        Raises:
            ValueError: there is no such layer, or not exactly one argument was given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer needs name or index, got " + ("neither" if name is None else "both"))
        for place, layer in enumerate(self._parts):
            if layer.name == name or place == index:
                return layer
        raise ValueError(f"{self.name} has no layer {name if index is None else index!r}")

    def make_weights(self, input_shape: Shape) -> None:
        made: list[Module] = []
        shape: Any = input_shape
        try:
            for layer in self.layers:
                if not layer.built:
                    made.append(layer)
                layer.build(shape)
                shape = layer.compute_output_shape(shape)
        except BaseException:
            for layer in made:
                _forget(layer)
            raise
        self._input_shape = input_shape

    def build(self, input_shape: Shape) -> None:
        """Make all weights for inputs of this shape, None for the batch size and other open axes.

        Does nothing where they exist already.

        Raises:
            ValueError: a layer cannot take what comes; no weights have been made then. Or there are no layers.
        """
        if self.built:
            return
        if not self._parts:
            raise ValueError(f"{self.name} has no layers: add one")
        super().build((None, *tuple(input_shape)[1:]))

    def run(
        self, x: Any, mask: Any = None, training: bool = False, tape: bool = True
    ) -> tuple[Array, Array | None, Callable[..., Any]]:
        y: Any = ops.plain("x", x) if self._input is None else self._input(x)
        self.build(y.shape)
        layers = self.layers
        pullbacks: list[Any] = []
        for layer in layers:
            passed = layer.compute_mask(y, mask)
            if tape:
                y, pull = layer.forward(y, mask=mask, training=training)
                pullbacks.append(pull)
            else:
                y = layer(y, mask=mask, training=training)
            mask = passed

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            if not tape:
                raise RuntimeError("run was called with tape=False, so there is nothing to go back over")
            # Below the lowest layer that learns, only a gradient of the inputs would need anything.
            learns = [place for place, layer in enumerate(layers) if layer.trainable_weights]
            lowest = 0 if need_dx else min(learns, default=len(layers))
            for place in reversed(range(lowest, len(layers))):
                dy = pullbacks[place](dy, need_dx=need_dx or place > lowest)
            return dy if need_dx else None

        return y, mask, pullback

    def forward(self, x: Any, mask: Any = None, training: bool = False) -> tuple[Array, Callable[..., Any]]:
        """Outputs, and the composition of the layers' pullbacks.

        Args:
            x: (B, ...) inputs.
            mask: (B, T) booleans, or None.
            training: whether dropout drops.

        Returns:
            y, and `pullback(dy, need_dx=True) -> dx`, which adds to the gradients of all weights.
        """
        y, _, pullback = self.run(x, mask, training)
        return y, pullback

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """The mask that comes with the outputs for x, or None."""
        return self.run(x, mask, tape=False)[1]

    def compute_output_shape(self, input_shape: Shape) -> Any:
        """The shape of the outputs for inputs of this shape."""
        shape: Any = tuple(input_shape)
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

    def reset_states(self) -> None:
        """Begin again with zeros in every stateful layer."""
        for layer in self.layers:
            if hasattr(layer, "reset_states"):
                layer.reset_states()

    def stream(self, batch_size: int = 1) -> Stream:
        """A stream of this model with the weights it has now, whose states begin at zero.

        Each step goes through all layers; its outputs are those of a sequence that ends there, whatever
        return_sequences is. Inputs are (B, features) a step, or (B,) whole numbers where Embedding comes first. The
        batch size need not be that of the model's Input.

        Raises:
            ValueError: the model is not built or not over sequences, or a layer's argument has no meaning step by step.
            NotImplementedError: layers of several dtypes, or an activation that streams do not compute.
        """
        asked = None if self._input is None else self._input.dtype
        return make_stream(self.name, self.layers, self.shapes()[0], asked, batch_size)

    def summary(self, line_length: int | None = None, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print a table of the layers, their output shapes and numbers of parameters.

        Args:
            line_length: the width of the table; what it needs where None.
            print_fn: called with the table as text; by default it is printed, by rich on a terminal if installed.
        """
        print_summary(self, line_length, print_fn)

    def get_config(self) -> dict[str, Any]:
        layers = [*([] if self._input is None else [self._input]), *self.layers]
        return {
            "name": self.name,
            "trainable": self.trainable,
            "layers": [serialize(layer) for layer in layers],
            "build_input_shape": None if self._input_shape is None else list(self._input_shape),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A model of the same layers with new weights. Keras's own configurations are read too."""
        made = cls([deserialize(layer) for layer in config["layers"]], config.get("trainable", True), config["name"])
        if config.get("build_input_shape") and made.layers:
            made.build(tuple(config["build_input_shape"]))
        return made


def _forget(module: Module) -> None:
    """Take back a build that a later layer's error made useless."""
    module._weights.clear()
    module.built = False
    for part in module._parts:
        _forget(part)
