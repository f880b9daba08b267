"""Model: a graph of layers between input and output tensors, or a composition that a subclass writes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from ..layers import Stream, nested
from ..layers.context import Applied, Context, collecting, forward_context
from ..layers.module import Module, auto_name, ours_attribute, ours_function
from ..layers.symbolic import is_symbolic
from ..ops import shown
from .functional import from_functional, functional_config
from .graph import Graph
from .grouped import Grouped, join
from .making import Making
from .own_steps import remember_masks
from .summary import print_summary


class Model(Making):
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

    takes_several = True
    _uncalled: ClassVar[Mapping[str, str]] = {"__call__": "write call(x), or forward(x), which gives (y, pullback)"}
    _depends: ClassVar[Mapping[str, tuple[str, str]]] = {"call": ("forward", "leave call away")}

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
        self._by_call = type(self).call is not Model.call
        self._by_hand = type(self).forward is not Model.forward
        self._graph: Graph | None = None
        self._graphs: dict[Any, Graph] = {}
        self._heads: list[Any] = []
        self._inputs: Any = None
        self._outputs: Any = None
        self.output_names: list[str] = []
        self.input_names: list[str] = []
        if inputs is not None:
            self._connect(inputs, outputs)
            if not self.trainable:
                self.trainable = False

    @property
    def keras_module(self) -> str:
        return "keras.src.models.functional" if self.keras_name == "Functional" else "keras"

    @property
    def keras_name(self) -> str:
        return "Functional" if type(self) is Model and self._graph is not None else type(self).__name__

    # Running

    def apply(self, x: Any, mask: Any, context: Context, lengths: Any = None) -> Applied:
        """Outputs, their masks, and the pullback `pullback(dy, need_dx=True) -> dx`.

        Args:
            x: (B, ...) inputs: an array, a list, or a dictionary by names of inputs; a list of arrays of different
                lengths stands for one array of sequences.
            mask: (B, T) booleans for the input, or a list of them and None.
            context: what the pass is for.
            lengths: (B,) the number of steps of each row, in place of a mask; for several inputs a list.
        """
        ys, passed, back = self.apply_apart(x, mask, context, lengths)
        if not any(isinstance(y, Grouped) for y in nested.flatten(ys)):
            return ys, passed, back

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            given = (
                None
                if dy is None
                else [
                    y if d is None else Grouped.split(y.rows, np.asarray(d), y.lengths)
                    for y, d in zip(nested.flatten(ys), nested.flatten(dy), strict=True)
                ]
            )
            return join(back(None if given is None else nested.pack(ys, given), need_dx))

        return join(ys), join(passed), pullback

    def apply_apart(self, x: Any, mask: Any, context: Context, lengths: Any = None) -> Applied:
        """`apply`, which leaves sequences of different lengths apart: outputs, masks and gradients are `Grouped`."""
        if self._by_hand:
            return self._apply_by_hand(x, mask, context, lengths)
        before = len(context.penalties or ())
        ys, passed, back = self._through(x, mask, context, lengths)
        if context.penalties is not None:
            self.remember(context.penalties[before:])
        one = isinstance(self._outputs, int)
        y = ys[0] if one else nested.pack(self._outputs, ys)
        if not ours_attribute(type(self).compute_mask):
            passed = self.compute_mask(x, mask)

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            if not context.tape:
                raise RuntimeError("the pass was made with tape=False, so there is nothing to go back over")
            given = [dy] if one else [None] * len(ys) if dy is None else nested.flatten(dy)
            if len(given) != len(ys):
                raise ValueError(f"expected dy to be {len(ys)} arrays or None, one an output, got {len(given)}")
            dx = back(given, need_dx)
            return (dx[0] if isinstance(self._inputs, int) else nested.pack(self._inputs, dx)) if need_dx else None

        return y, passed, pullback

    def _through(self, x: Any, mask: Any, context: Context, lengths: Any) -> tuple[list[Any], Any, Any]:
        """What the graph gives: outputs, flat, their masks, and what goes back over it."""
        if self._by_call:
            graph = self._traced(x, context.training)
        elif self._graph is not None:
            graph = self._graph
        else:
            raise NotImplementedError(
                f"{type(self).__name__} must be made of inputs and outputs, or write call(x) or forward(x)"
            )
        values, masks, real = self._accept(x, mask, lengths)
        ys, shown, back = graph.apply(values, masks, context.but(padding=True) if real else context)
        one = isinstance(self._outputs, int)
        return ys, shown[0] if one else (None if all(m is None for m in shown) else shown), back

    def _apply_by_hand(self, x: Any, mask: Any, context: Context, lengths: Any) -> Applied:
        given = {"mask": mask, "lengths": lengths, "training": context.training}
        taken = inspect.signature(type(self).forward).parameters
        options = {}
        for name, value in given.items():
            if name in taken:
                options[name] = value
            elif name in ("mask", "lengths") and value is not None:
                raise TypeError(f"{name} must be None, as {type(self).__name__}.forward does not take it")
        before = len(context.penalties or ())
        with collecting(context):
            y, pullback = self.checked_pair(self.forward(x, **options))
        self.built = True
        if context.penalties is not None:
            self.remember(context.penalties[before:])
        own = not ours_function(type(self).compute_mask)
        return y, self.compute_mask(x, mask) if own else None, pullback if context.tape else None

    def __call__(
        self,
        x: Any,
        mask: Any = None,
        initial_state: Any = None,
        training: bool | None = None,
        *,
        lengths: Any = None,
        **options: Any,
    ) -> Any:
        """Outputs alone, without a tape; on symbolic tensors, those that a larger model is made of.

        For a list of sequences of different lengths, outputs that have their steps come as such a list too.
        """
        if is_symbolic(x):
            return super().__call__(x, mask, initial_state, training, **options)
        if initial_state is not None or options:
            raise TypeError(
                f"{self.name} takes x, mask, lengths and training, got {', '.join(options) or 'initial_state'}"
            )
        y, passed, _ = self.apply_apart(x, mask, Context(bool(training), penalties=[]), lengths)
        remember_masks(y, passed)
        return nested.change(y, _rows)

    def call(self, x: Any, *args: Any, **options: Any) -> Any:
        """Outputs for arrays, without a tape. A subclass may write here how its layers are composed, as in Keras."""
        return self.apply(x, options.get("mask"), Context(bool(options.get("training")), penalties=[]))[0]

    def forward(  # type: ignore[override]
        self,
        x: Any,
        mask: Any = None,
        initial_state: Any = None,
        training: bool = False,
        *,
        lengths: Any = None,
    ) -> tuple[Any, Callable[..., Any]]:
        """Outputs, and the composition of the layers' pullbacks.

        Args:
            x, mask, lengths: as for `apply`. training: whether dropout drops.

        Returns:
            y, and `pullback(dy, need_dx=True) -> dx`, which adds to the gradients of all weights.
        """
        self.stateless(initial_state)
        context = forward_context(training)
        if context.penalties is None:
            context = context.but(penalties=[])
        y, passed, pullback = self.apply(x, mask, context, lengths)
        remember_masks(y, passed)
        return y, pullback

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """The mask that comes with the outputs for x, or None. What a subclass writes here takes its place."""
        return None if self._by_hand else self._through(x, mask, Context(), None)[1]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of this shape, or structure of shapes."""
        if self._by_hand:
            raise NotImplementedError(f"{type(self).__name__}.compute_output_shape is not written")
        self.build(input_shape)
        graph = self._graph if self._graph is not None else next(iter(self._graphs.values()))
        return nested.pack(self._outputs, graph.output_shapes(nested.shapes(input_shape)))

    def reset_states(self) -> None:
        """Begin again with zeros in every stateful layer."""
        for layer in self.layers:
            if hasattr(layer, "reset_states"):
                layer.reset_states()

    def stream(self, batch_size: int = 1) -> Stream:
        """A stream of a model whose layers follow one another; see `Sequential.stream`.

        Raises:
            ValueError: the model has branches, or what a Sequential would raise.
        """
        from .sequential import Sequential

        if self._graph is None:
            raise ValueError(f"{self.name} is a subclass, and a stream needs a model made of tensors, or a Sequential")
        steps = self._graph.steps
        straight = all(s.plain and s.single and s.x == p for s, p in zip(steps, _path(self._graph), strict=False))
        if not straight or len(self._heads) != 1 or len(self._graph.outputs) != 1:
            raise ValueError(
                f"{self.name} has several inputs, outputs or branches, and a stream needs layers in one line"
            )
        chain = Sequential([self._heads[0], *(step.layer for step in steps)], name=self.name)
        return chain.stream(batch_size)

    # Showing and saving

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
        from ..layers.module import not_built

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
        from .explain import explanation

        (print_fn or print)(explanation(self, batch_size, steps))

    def get_config(self) -> dict[str, Any]:
        """Of a model made of tensors its layers and calls; of a subclass what its constructor was given."""
        return functional_config(self) if self._of_tensors else super().get_config()

    @property
    def _of_tensors(self) -> bool:
        """Whether inputs and outputs are all that it is made of."""
        return self._graph is not None and ours_function(type(self).__init__)

    def get_build_config(self) -> dict[str, Any] | None:
        """The shape of the inputs, where `call` says what is done with them, and of those of all parts, where `forward`
        does; None where the configuration says it."""
        if self._by_hand and self.built:
            return {"parts": [part.built_for for part in self._inner()]}
        return {"input_shape": self.input_shape} if self._by_call and self.built else None

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Make the weights, for a subclass whose `call` or `forward` says what is done with which inputs."""
        if self._by_call and config.get("input_shape"):
            self.build(config["input_shape"])
        if self._by_hand and config.get("parts"):
            inner, shapes = self._inner(), config["parts"]
            if not isinstance(shapes, list) or len(shapes) != len(inner):
                raise ValueError(f"parts of build_config must be a list of {len(inner)} shapes, got {shown(shapes)}")
            for part, shape in zip(inner, shapes, strict=True):
                if shape is not None:
                    part.build(_shape_of_file(shape))
            self.built = True

    def _inner(self) -> list[Module]:
        """All that the model is made of."""
        return [module for module in self.walk() if module is not self]

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None) -> None:
        """Write the whole model to a .keras file that Keras reads; see `save_model`."""
        from .saving import save_model

        save_model(self, filepath, overwrite, zipped)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """A model of the same layers with new weights. Keras's own configurations are read too."""
        if "layers" not in config or "input_layers" not in config:
            return cls(**config)
        made: Self = from_functional(cls, config, custom_objects)
        return made

    def to_json(self, **options: Any) -> str:
        """The configuration as JSON, as Keras writes it; `options` are those of `json.dumps`."""
        import json

        from ..layers import serialize

        return json.dumps(serialize(self), **options)


def _shape_of_file(value: Any) -> Any:
    """A shape, or a list of shapes, from a configuration; ValueError for anything else."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        return [_shape_of_file(part) for part in value]
    if not isinstance(value, list) or not all(size is None or (type(size) is int and size >= 0) for size in value):
        raise ValueError(f"parts of build_config must hold shapes, got {shown(value)}")
    return tuple(value)


def _rows(y: Any) -> Any:
    """An output as a user gets it: a list of rows where these have steps of their own."""
    if not isinstance(y, Grouped):
        return y
    return y.joined() if y.lengths is None else y.sequences()


def _path(graph: Graph) -> list[int]:
    """The place that each step has to start from, if all are in one line."""
    return [graph.inputs[0], *(step.places[0] for step in graph.steps)]
