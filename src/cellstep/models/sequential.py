"""Sequential: layers one after another."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any, Self

from ..core import brief
from ..layers import Input, InputLayer, Layer, SymbolicTensor, deserialize, serialize
from ..layers.check_layer import check_layer
from ..layers.configuration import check_config
from ..layers.graph import Graph
from ..layers.module import Module, Shape
from ..layers.older_config import with_input
from .model import Model
from .signature import Signature


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

    wired = False

    def __init__(self, layers: Iterable[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(name=name, trainable=trainable)
        self._signature = Signature(0, 0)
        self._graph: Graph = Graph.chain([])
        self._input_shape: Shape | None = None
        if isinstance(layers, Module | str | int | float | type):
            raise TypeError(f"layers must be a list, as in Sequential([LSTM(32), Dense(1)]), got {layers!r}")
        for layer in layers or ():
            self.add(layer)

    @property
    def head(self) -> InputLayer | None:
        """The Input, or None."""
        heads = self._signature.heads
        return heads[0] if heads else None

    @property
    def input_shapes(self) -> list[Any] | None:
        return None if self._input_shape is None else [self._input_shape]

    @property
    def input_shape(self) -> Shape | None:
        """The shape that the model was built for, None for open axes; None before that."""
        return self._input_shape

    def shapes(self) -> list[Shape]:
        """The shape of the inputs, then of each layer's outputs.

        Raises:
            ValueError: not built yet.
        """
        if self._input_shape is None:
            raise ValueError(f"{self.name} is not built: give it an Input, or call it once")
        return self._graph.shapes([self._input_shape])

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
            if self._parts or self.head is not None:
                raise ValueError("layer as an Input must be the first, got one after others")
            self._signature.heads, self._input_shape = [layer], layer.batch_shape
            self._signature.input_names = [layer.name]
            return
        if any(layer.name == other.name for other in self._parts):
            raise ValueError(f"layer must have a name of its own in the model, got a second {layer.name!r}")
        if getattr(layer, "return_state", False):
            raise ValueError(
                f"layer must return one array in a Sequential, got {layer.name} with return_state=True; "
                "Model(inputs, outputs) takes it"
            )
        if not self._parts and self.head is None:
            if layer.asked_shape is not None:
                self.add(Input(layer.asked_shape))
            elif isinstance(layer, Model) and isinstance(layer.input_shape, tuple):
                self._input_shape = layer.input_shape  # a model that is built says itself what its input is
        if not self.trainable:
            layer.trainable = False
        graph, before = self._graph.then(layer), None
        if self._input_shape is not None:
            before = self._end_shape()
            layer.build(before)
            graph.steps[-1].shapes(before, {})  # which says where they do not fit
            self.built = True
        self._parts.append(layer)
        vars(layer)["_cached_caller"] = weakref.WeakMethod(self._tensors)
        self._rewire(graph, before)

    def _end_shape(self) -> Shape:
        """The shape of what the last layer gives, or of the inputs where there is none."""
        before = self.__dict__.get("_cached_before")  # copies do not have it
        if before is None:
            return self.shapes()[-1]
        # that of this one layer: those of all of them would make building a model of n layers quadratic
        shape: Shape = self._graph.steps[-1].shapes(before, {})[0]
        return shape

    def _rewire(self, graph: Graph, before: Shape | None = None) -> None:
        """Take another graph; before: the shape of what its last layer takes, if it is known."""
        self._graph, self._cached_before = graph, before
        self._signature.output_names = [self._parts[-1].name] if self._parts else []
        self.__dict__.pop("_cached_tensors", None)

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

    def make_weights(self, input_shape: Shape) -> None:
        built: list[Module] = []
        shape: Any = input_shape
        try:
            for layer in self.layers:
                if not layer.built:
                    built.append(layer)
                layer.build(shape)
                shape = layer.compute_output_shape(shape)
        except BaseException:
            for layer in built:
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
            self._build_for(x)

    def _build_for(self, x: Any) -> None:
        self.build(self._signature.inputs_of(x)[0].shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of this shape."""
        return self._graph.output_shapes(self._signature.accept_shapes([tuple(input_shape)], self.name))[0]

    def get_config(self) -> dict[str, Any]:
        layers = [*self._signature.heads, *self.layers]
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
            raise TypeError(f"config of {cls.__name__} must have a list as layers, got {brief(config['layers'])}")
        if "layers" not in config:
            raise ValueError(
                f"config of {cls.__name__} must have layers, got {', '.join(map(str, config)) or 'nothing'}"
            )
        layers = [deserialize(layer, custom_objects) for layer in with_input(list(config["layers"]))]
        model = cls(layers, config.get("trainable") is not False, config.get("name"))
        if config.get("build_input_shape") and model.layers:
            model.build(tuple(config["build_input_shape"]))
        return model


def _forget(module: Module) -> None:
    """Take back a build that a later layer's error model useless."""
    module._weights.clear()
    module.built = False
    for part in module.parts:
        _forget(part)
