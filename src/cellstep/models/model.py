"""Model: a graph of layers between input and output tensors, or a composition that a subclass writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from ..configured import ours_function
from ..core import brief
from ..kernels.stages import Stage
from ..layers import InputLayer, Stream, SymbolicTensor, nested, serialize
from ..layers.configuration import not_built
from ..layers.graph import Graph
from ..layers.names import auto_name
from ..layers.operations import Operation
from ..layers.symbolic import NoTensors
from ..layers.tracer import checked_tensors
from ..lookup import why_left_out
from . import tensors, weights
from .explain import explanation
from .functional import from_functional, functional_config
from .network import Network
from .saving import save_model
from .stream import line_of_layers, make_stream
from .summary import print_summary
from .tracer import alone
from .trainable import Trainable


class Model(Network, Trainable):
    """A model, made in one of three ways.

    Of tensors:
        >>> x = Input((None, 3))
        >>> h, state = GRU(8, return_sequences=True, return_state=True)(x)
        >>> model = Model(x, [Dense(1, name="each")(h), Dense(2, name="last")(state)])

    By subclassing, with `call` as in Keras: it composes layers, and is run once with tensors to see how.
        >>> class Tagger(Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.rnn, self.head = LSTM(8), Dense(3)
        ...
        ...     def call(self, x, training=None):
        ...         return self.head(self.rnn(x))

    By subclassing, with `forward` by hand, which may compute anything and gives outputs and a pullback:
        >>> class Scaled(Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.inner = Dense(3)
        ...
        ...     def forward(self, x, training=False):
        ...         y, pullback = self.inner.forward(x, training=training)
        ...         return 2 * y, lambda dy, need_dx=True: pullback(2 * dy, need_dx=need_dx)

    Layers are found in a subclass's attributes, and in lists and dictionaries there. A model is a layer too.

    Args:
        inputs: a tensor, or a list or dictionary of them.
        outputs: likewise.
        name: automatic where None.
        trainable: False freezes all layers.

    Raises:
        TypeError: what is given is no tensor. ValueError: outputs depend on an Input that is not given, or two layers
        have one name.
    """

    config_keys = ()  # tensors stand in a configuration as layers and calls

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        if (inputs is None) != (outputs is None):
            raise ValueError(
                "expected inputs and outputs, got " + ("outputs" if inputs is None else "inputs") + " alone"
            )
        if name is None and inputs is not None and type(self) is Model:
            name = auto_name("Functional")
        super().__init__(name, dtype, trainable)
        if inputs is not None:
            self._connect(alone(inputs), alone(outputs))
            if not self.trainable:
                self.trainable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self._trainer.model is not self:  # a shallow copy shares the layers and their calls alone
            self._parts, self._signature = list(self._parts), copy(self._signature)
            self._trainer = copy(self._trainer)
            self._trainer.model = self

    def _connect(self, inputs: Any, outputs: Any) -> None:
        """Take what lies between tensors."""
        ins, outs = checked_tensors("inputs", inputs), checked_tensors("outputs", outputs)
        self._graph = Graph.of(ins, outs)
        # a model may begin at a tensor within another; then it has a head of its own there
        heads = [
            t.node.layer
            if isinstance(t.node.layer, InputLayer)
            else InputLayer(batch_shape=t.open_shape, dtype=t.dtype)
            for t in ins
        ]
        self._parts = list(self._graph.layers(heads))
        for layer_name, number in Counter(layer.name for layer in self._parts).items():
            if number > 1:
                raise ValueError(f"layers must have names of their own in {self.name}, got a second {layer_name!r}")
        self._cached_tensors = (ins, outs)
        self._signature.connect(inputs, outputs, heads)
        self.built = True

    @property
    def keras_module(self) -> str:
        return "keras.src.models.functional" if self.keras_name == "Functional" else "keras"

    @property
    def keras_name(self) -> str:
        return "Functional" if type(self) is Model and self._graph is not None else type(self).__name__

    # What it is made of

    @property
    def layers(self) -> list[Any]:
        """The layers, each once; those that give the inputs too, if the model is made of tensors.

        As in Keras, what functions of `cellstep.ops` and operators between tensors do is in `operations` alone.
        """
        return [part for part in self.parts if not isinstance(part, Operation)]

    @property
    def operations(self) -> list[Any]:
        """The layers, and the operations between tensors, those that are furthest from the outputs first."""
        return list(self.parts)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer by name, or by its place in `layers`.

        Raises:
            ValueError: there is no such layer, or not exactly one argument was given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer needs name or index, got " + ("neither" if name is None else "both"))
        layers = self.layers
        for place, layer in enumerate(layers):
            if layer.name == name or place == index:
                return layer
        known = ", ".join(layer.name for layer in layers)
        raise ValueError(f"{self.name} has no layer {name if index is None else index!r}, but {known or 'none'}")

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, flat."""
        return self._signature.input_names

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs, flat."""
        return self._signature.output_names

    def _tensors(self) -> tuple[list[Any], list[Any]]:
        """Input and output tensors; made again in a copy, or where layers came without any."""
        kept: tuple[list[Any], list[Any]] | None = self.__dict__.get("_cached_tensors")
        if kept is None:
            graph, shapes = self.known_graph(), self.input_shapes
            if graph is None or shapes is None:
                raise NoTensors(f"{self.name} has no tensors before it is built: give it an Input, or call it once")
            heads = self._signature.heads or [InputLayer(batch_shape=shape) for shape in shapes]
            ins = [head.nodes[0].outputs[0] for head in heads]
            kept = self._cached_tensors = (ins, graph.reconnect(ins))
        return kept

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The input tensors, flat."""
        return self._tensors()[0]

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The output tensors, flat."""
        return self._tensors()[1]

    @property
    def input(self) -> Any:
        """The input tensors in the structure that was given."""
        return nested.pack(self._signature.inputs, self.inputs)

    @property
    def output(self) -> Any:
        """The output tensors in the structure that was given."""
        return nested.pack(self._signature.outputs, self.outputs)

    def reset_states(self) -> None:
        """Begin again with zeros in every stateful layer."""
        for layer in self.layers:
            if hasattr(layer, "reset_states"):
                layer.reset_states()

    # Streams, pictures, files

    def stream(self, batch_size: int = 1) -> Stream:
        """A stream of this model with the weights it has now, whose states begin as those of `RNN.stream`.

        Each step goes through all layers; its outputs are those of a sequence that ends there, whatever
        return_sequences is. Inputs are (B, features) a step, or (B,) integers where Embedding comes first. The
        batch size need not be that of the model's Input.

        Raises:
            ValueError: the model has branches, is not built or not over sequences, or a layer's argument has no meaning
            step by step. NotImplementedError: layers of several dtypes.
        """
        heads, shapes = self._signature.heads, self.input_shapes
        layers = line_of_layers(self)
        if shapes is None:
            raise ValueError(f"{self.name} is not built: give it an Input, or call it once")
        return make_stream(self.name, layers, shapes[0], heads[0].dtype if heads else None, batch_size)

    def stages(self) -> list[Stage]:
        return [stage for layer in line_of_layers(self) for stage in layer.stages()]

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print a table of the layers, their output shapes and numbers of parameters, and what they are connected to.

        Args:
            line_length: the width of the table; what it needs where None.
            positions, layer_range: not built; None.
            print_fn: called with the table as text; by default it is printed, by rich on a terminal if installed.
            expand_nested: show the layers of models inside too.
            show_trainable: a column that says whether a layer learns.
        """
        not_built(positions=positions, layer_range=layer_range)
        print_summary(self, line_length, print_fn, expand_nested, show_trainable)

    def explain(
        self,
        print_fn: Callable[[str], Any] | None = None,
        *,
        batch_size: int | None = None,
        steps: int | None = None,
    ) -> None:
        """Print which kernel each layer runs on, between how many threads, by rows or by units, and why.

        Args:
            print_fn: called with the text; by default it is printed.
            batch_size: rows of a call; the Input's, or 32, where None.
            steps: of a sequence, where the Input leaves them open; without them nothing is said about threads.
        """
        (print_fn or print)(explanation(self, batch_size, steps))

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None) -> None:
        """Write the whole model to a .keras file that Keras reads; see `save_model`."""
        save_model(self, filepath, overwrite, zipped)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Write all weights, and the optimizer's state, to a .weights.h5 file that Keras reads; see `weights.save`. Or
        to a .safetensors file, without the optimizer's state and with the layers' configuration."""
        (tensors if tensors.is_path(filepath) else weights).save(self, filepath, overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, max_bytes: int | None = None) -> None:
        """Read weights that `save_weights` or `save` wrote, or Keras; see `weights.load`."""
        (tensors if tensors.is_path(filepath) else weights).load(self, filepath, skip_mismatch, max_bytes)

    def get_config(self) -> dict[str, Any]:
        """Of a model made of tensors its layers and calls; of a subclass what its constructor was given."""
        of_tensors = self._graph is not None and ours_function(type(self).__init__)
        return functional_config(self) if of_tensors else super().get_config()

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """A model of the same layers with new weights. Keras's own configurations are read too."""
        if "layers" not in config or "input_layers" not in config:
            return super().from_config(config)
        model: Self = from_functional(cls, config, custom_objects)
        return model

    def get_build_config(self) -> dict[str, Any] | None:
        """The shape of the inputs, where `call` says what is done with them, and of those of all parts, where `forward`
        does; None where the configuration says it."""
        if self._by_hand and self.built:
            return {"parts": [part.built_for for part in self.walk()[1:]]}
        return {"input_shape": self.input_shape} if self._tracer is not None and self.built else None

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Make the weights, for a subclass whose `call` or `forward` says what is done with which inputs."""
        if self._tracer is not None and config.get("input_shape"):
            self.build(config["input_shape"])
        if self._by_hand and config.get("parts"):
            parts, shapes = self.walk()[1:], config["parts"]
            if not isinstance(shapes, list) or len(shapes) != len(parts):
                raise ValueError(f"parts of build_config must be a list of {len(parts)} shapes, got {brief(shapes)}")
            for part, shape in zip(parts, shapes, strict=True):
                if shape is not None:
                    part.build(_shape_of_file(shape))
            self.built = True

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """AttributeError, with what takes the place of a name of older Keras's."""
            if hasattr(type(self), name):
                return object.__getattribute__(self, name)  # a property, which says what it lacks
            why = why_left_out(name)
            told = f"{type(self).__name__!r} object has no attribute {name!r}{why and ': '}{why}"
            raise AttributeError(told, name=name, obj=self)

    def to_json(self, **options: Any) -> str:
        """The configuration as JSON, as Keras writes it; `options` are those of `json.dumps`."""
        return json.dumps(serialize(self), **options)


def _shape_of_file(value: Any) -> Any:
    """A shape, or a list of shapes, from a configuration; ValueError for anything else."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        return [_shape_of_file(part) for part in value]
    if not isinstance(value, list) or not all(size is None or (type(size) is int and size >= 0) for size in value):
        raise ValueError(f"parts of build_config must hold shapes, got {brief(value)}")
    return tuple(value)
