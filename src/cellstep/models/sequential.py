"""Sequential: layers one after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self, cast

from ..kernels.stages import Stage
from ..layers import Input, InputLayer, Layer, Stream, SymbolicTensor, deserialize, serialize
from ..layers.base import check_layer
from ..layers.context import Applied, Context
from ..layers.module import Module, Shape, check_config
from ..ops import shown
from .graph import Graph
from .model import Model
from .stream import make_stream


class Sequential(Model):
    """A model whose layers each take the outputs of the one before, and its mask.

    Args:
        layers: to begin with; more with `add`. With an Input at the head the weights are made at once, without one by
            the first data. A model may be a layer.
        trainable: False freezes all layers.
        name: automatic where None.

    Example:
        >>> model = Sequential([Input((None, 3)), LSTM(16), Dense(1)])
        >>> model.compile("adam", "mse")
        >>> history = model.fit(np.ones((8, 5, 3)), np.ones((8, 1)), epochs=2, verbose=0)
    """

    def __init__(self, layers: Iterable[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(name=name, trainable=trainable)
        self._inputs = self._outputs = 0
        self._graph = Graph.chain([])
        self._input_shape: Shape | None = None
        if isinstance(layers, Module | str | int | float | type):
            raise TypeError(f"layers must be a list, as in Sequential([LSTM(32), Dense(1)]), got {layers!r}")
        for layer in layers or ():
            self.add(layer)

    @property
    def head(self) -> InputLayer | None:
        """The Input, or None."""
        return self._heads[0] if self._heads else None

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

    def add(self, layer: Any) -> None:
        """Put a layer at the end.

        Raises:
            TypeError: it is no layer. ValueError: its name is taken, it returns states, it cannot take what the model
            gives, or it is an Input and not the first.
        """
        if isinstance(layer, SymbolicTensor) and isinstance(layer.node.layer, InputLayer):
            layer = layer.node.layer
        layer = check_layer(layer)
        if isinstance(layer, InputLayer):
            if self._parts or self._heads:
                raise ValueError("layer as an Input must be the first, got one after others")
            self._heads, self._input_shape = [layer], layer.batch_shape
            self.input_names = [layer.name]
            return
        if any(layer.name == other.name for other in self._parts):
            raise ValueError(f"layer must have a name of its own in the model, got a second {layer.name!r}")
        if getattr(layer, "return_state", False):
            raise ValueError(
                f"layer must return one array in a Sequential, got {layer.name} with return_state=True; "
                "Model(inputs, outputs) takes it"
            )
        if layer.asked_shape is not None and not self._parts and not self._heads:
            self.add(Input(layer.asked_shape))
        if isinstance(layer, Model) and not self._parts and not self._heads and isinstance(layer.input_shape, tuple):
            self._input_shape = layer.input_shape  # a model that is built says itself what its input is
        if not self.trainable:
            layer.trainable = False
        end = None
        if self._input_shape is not None:
            shape = self.__dict__.get("_cached_end") or self.shapes()[-1]
            layer.build(shape)
            end = layer.compute_output_shape(shape)
            self.built = True
        self._parts.append(layer)
        self._rewire(cast(Graph, self._graph).then(layer))
        self._cached_end = end

    def _rewire(self, graph: Graph) -> None:
        layers: list[Any] = self._parts
        self._graph = graph
        self.output_names = [layers[-1].name] if layers else []
        for name in ("_cached_tensors", "_cached_end"):
            self.__dict__.pop(name, None)

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
            self._input_shape = None if self.head is None else self.head.batch_shape
        self._rewire(Graph.chain(self.layers))
        return layer

    def _tensors_now(self) -> tuple[list[Any], list[Any]]:
        if not self._heads and self._input_shape is not None and "_cached_tensors" not in self.__dict__:
            ins = [Input(batch_shape=self._input_shape)]
            self._cached_tensors = (ins, Graph.chain(self.layers).reconnect(ins))
        if self._input_shape is None:
            raise ValueError(f"{self.name} has no tensors before it is built: give it an Input, or call it once")
        return super()._tensors_now()

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
        Module.build(self, (None, *tuple(input_shape)[1:]))

    def prepare(self, x: Any) -> None:
        if not self.built:
            self.build(self.inputs_of(x)[0].shape)

    def apply_apart(self, x: Any, mask: Any, context: Context, lengths: Any = None) -> Applied:
        if not self.built:
            self.prepare(x)
        return super().apply_apart(x, mask, context, lengths)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of this shape."""
        shape: Any = tuple(input_shape)
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

    def stages(self) -> list[Stage]:
        return [stage for layer in self.layers for stage in layer.stages()]

    def stream(self, batch_size: int = 1) -> Stream:
        """A stream of this model with the weights it has now, whose states begin as those of `RNN.stream`.

        Each step goes through all layers; its outputs are those of a sequence that ends there, whatever
        return_sequences is. Inputs are (B, features) a step, or (B,) whole numbers where Embedding comes first. The
        batch size need not be that of the model's Input.

        Raises:
            ValueError: the model is not built or not over sequences, or a layer's argument has no meaning step by step.
            NotImplementedError: layers of several dtypes.
        """
        if self._subclassed:
            raise NotImplementedError(f"{type(self).__name__} says itself what to compute, so it cannot be streamed")
        asked = None if self.head is None else self.head.dtype
        return make_stream(self.name, self.layers, self.shapes()[0], asked, batch_size)

    def get_config(self) -> dict[str, Any]:
        layers = [*self._heads, *self.layers]
        return {
            "name": self.name,
            "trainable": self.trainable,
            "layers": [serialize(layer) for layer in layers],
            "build_input_shape": None if self._input_shape is None else list(self._input_shape),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """A model of the same layers with new weights. Keras's own configurations are read too."""
        check_config(cls, config)
        if not isinstance(config.get("layers", []), list | tuple):
            raise TypeError(f"config of {cls.__name__} must have a list as layers, got {shown(config['layers'])}")
        if "layers" not in config:
            raise ValueError(
                f"config of {cls.__name__} must have layers, got {', '.join(map(str, config)) or 'nothing'}"
            )
        layers = [deserialize(layer, custom_objects) for layer in config["layers"]]
        made = cls(layers, config.get("trainable") is not False, config.get("name"))
        if config.get("build_input_shape") and made.layers:
            made.build(tuple(config["build_input_shape"]))
        return made


def _forget(module: Module) -> None:
    """Take back a build that a later layer's error made useless."""
    module._weights.clear()
    module.built = False
    for part in module.parts:
        _forget(part)
