"""Network: a layer that is made of layers: their graph, the model's signature, and a pass through both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, overload

import numpy as np
from numpy.typing import NDArray

from ..configured import ours_function
from ..layers import Layer, call_adapter, nested
from ..layers.context import Applied, Context, forward_context
from ..layers.graph import Graph, LayerCall
from ..layers.grouped import Grouped, rows_or_arrays
from ..layers.module import Module, modules_in
from ..layers.penalties import run_layer
from ..layers.symbolic import SymbolicTensor, Tensors, is_symbolic
from ..layers.variable import Variable
from . import grouped, summary
from .by_hand import apply_by_hand
from .grouped import join
from .own_steps import remember_masks
from .plan import call_plan
from .rollback import unchanged
from .signature import Signature
from .tracer import ModelTracer


class Network(Layer):
    """A layer whose outputs are those of a graph of layers, or those of a subclass's `forward`.

    The graph is given (`_graph`), or the tracer composes it by the subclass's `call` (`_tracer`); the signature says
    what the inputs and the outputs are.
    """

    takes_several = True
    #: Whether layers may be connected in any way, so that pictures say how.
    wired: ClassVar[bool] = True
    _uncalled: ClassVar[Mapping[str, str]] = {"__call__": "write call(x), or forward(x), which gives (y, pullback)"}
    _depends: ClassVar[Mapping[str, tuple[str, str]]] = {"call": ("forward", "leave call away")}

    def __init__(self, name: str | None = None, dtype: Any = None, trainable: bool = True) -> None:
        super().__init__(name, dtype, trainable)
        self._signature = Signature()
        self._graph: Graph | None = None
        self._traced = ModelTracer()

    def __repr__(self) -> str:
        size = f"{self.count_params():,} parameters" if self.built else "not built"
        return f"<{type(self).__name__} {self.name}: {len(self.parts)} layers, {size}>"

    def _repr_html_(self) -> str:
        return summary.html(self)

    # What it is made of

    @property
    def parts(self) -> list[Module]:
        if self._graph is not None:
            return self._parts
        own = {key: value for key, value in vars(self).items() if key not in ("_parts", "_traced")}
        return list({id(module): module for module in modules_in(own)}.values())

    @property
    def weights(self) -> list[Variable]:
        """All weights, each once, in the order in which Keras has them."""
        return list({id(w): w for w in super().weights}.values())

    @property
    def _by_hand(self) -> bool:
        """Whether a subclass computes by its `forward`."""
        return type(self).forward is not Network.forward

    @property
    def _tracer(self) -> ModelTracer | None:
        """The graphs of what is its `call` now; None where that is this package's, or not what decides."""
        own = type(self).call if self._graph is not None else self.call
        return None if self._by_hand or ours_function(own) else self._traced

    def known_graph(self) -> Graph | None:
        """The graph, of a subclass the first that its `call` composed; None where there is none, or none yet."""
        if self._graph is not None or self._tracer is None:
            return self._graph
        return self._tracer.first

    def ranked(self) -> list[tuple[LayerCall, int]] | None:
        """The calls of layers, each with the number of axes of its inputs; [] where these are not known yet, None where
        a subclass computes by hand."""
        graph, shapes = self.known_graph(), self.input_shapes
        return None if graph is None else [] if shapes is None else graph.ranks(shapes)

    def reach(self, rank: int) -> str:
        """The furthest of the layers."""
        steps = self.ranked()
        reaches = {"sequence"} if steps is None else {step.layer.reach(n) for step, n in steps}
        return next((reach for reach in ("sequence", "past") if reach in reaches), "step")

    def skips_padding(self, rank: int) -> bool:
        """Whether all layers do."""
        steps = self.ranked()
        return steps is not None and all(step.layer.skips_padding(n) for step, n in steps)

    def independent_rows(self, training: bool) -> bool:
        """Whether those of all layers are."""
        parts: list[Any] = self.parts
        return all(part.independent_rows(training) for part in parts)

    # Inputs and outputs

    @property
    def input_shapes(self) -> list[Any] | None:
        """The shapes of the inputs, flat; None where they are not known yet."""
        return [head.batch_shape for head in self._signature.heads] or None

    @property
    def input_shape(self) -> Any:
        """The shape of the inputs, None for open axes; in the structure of the inputs where there are several."""
        shapes = self.input_shapes
        return None if shapes is None else nested.pack(self._signature.inputs, shapes)

    @property
    def output_shape(self) -> Any:
        """The shape of the outputs, likewise; None before the model is built."""
        shapes = self.input_shapes
        if self._graph is None or shapes is None:
            return None
        return nested.pack(self._signature.outputs, self._graph.output_shapes(shapes))

    @property
    def output_dtype(self) -> np.dtype[Any]:
        return self.parts[-1].output_dtype if self.parts else self.dtype  # type: ignore[attr-defined]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of this shape, or structure of shapes."""
        if self._by_hand:
            raise NotImplementedError(f"{type(self).__name__}.compute_output_shape is not written")
        self.build(input_shape)
        graph = self.known_graph()
        if graph is None:
            raise self._nothing_to_run()
        shapes = self._signature.accept_shapes(nested.shapes(input_shape), self.name)
        return nested.pack(self._signature.outputs, graph.output_shapes(shapes))

    # Running

    def build(self, input_shape: Any) -> None:
        """Make all weights for inputs of this shape, or structure of shapes; None for the batch size and open axes.

        Does nothing where they exist already.
        """
        if not self.built and self._tracer is not None:
            self._tracer.build(self, input_shape)

    @property
    def computes(self) -> bool:
        """Whether it has outputs of its own; a model that holds models, and steps, need not."""
        return self._graph is not None or self._tracer is not None or self._by_hand

    @property
    def computes_itself(self) -> bool:
        """Whether a subclass says by itself what to compute: by `call`, or by `forward`."""
        return self._tracer is not None or self._by_hand

    def prepare(self, x: Any) -> None:
        """Make all weights for such inputs."""
        if self.built and self._tracer is None:
            return
        if self._by_hand:
            with unchanged(self):
                self.apply(x, None, Context(penalties=[]))
        else:
            self._graph_for(x, False)

    def _build_for(self, x: Any) -> None:
        """Make the weights that can be made before the first pass over inputs such as these."""

    def _graph_for(self, x: Any, training: bool) -> Graph:
        """The graph that inputs such as these go through."""
        if self._tracer is not None:
            return self._tracer.graph(self, x, training)
        if self._graph is None:
            raise self._nothing_to_run()
        return self._graph

    def _nothing_to_run(self) -> NotImplementedError:
        return NotImplementedError(
            f"{type(self).__name__} must be made of inputs and outputs, or write call(x) or forward(x)"
        )

    def apply(self, x: Any, mask: Any, context: Context, /, lengths: Any = None, **named: Any) -> Applied:
        """Outputs, their masks, and the pullback `pullback(dy, need_dx=True) -> dx`.

        Args:
            x: (B, ...) inputs: an array, a list, or a dictionary by names of inputs; a list of arrays of different
                lengths stands for one array of sequences.
            mask: (B, T) booleans for the input, or a list of them and None.
            context: what the pass is for.
            lengths: (B,) the number of steps of each row, in place of a mask; for several inputs a list.
            named: what else the `call` of a subclass takes, by name; the pullback then gives (dx, their gradients).
        """
        if named:
            return call_adapter.apply_call(self, x, mask, context, named)
        y, passed, back = self.apply_grouped(x, mask, context, lengths)
        outputs = nested.flatten(y)
        if not any([isinstance(output, Grouped) for output in outputs]):
            return y, passed, back

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            if dy is not None:
                pairs = zip(outputs, nested.flatten(dy), strict=True)
                gradients = [None if d is None else Grouped.split(a.rows, np.asarray(d), a.lengths) for a, d in pairs]
                dy = nested.pack(y, gradients)
            return join(back(dy, need_dx))

        return join(y), join(passed), pullback

    def apply_grouped(self, x: Any, mask: Any, context: Context, lengths: Any = None) -> Applied:
        """`apply`, which leaves sequences of different lengths in groups: outputs, masks, gradients are `Grouped`."""
        if not self.built:
            self._build_for(x)
        if self._by_hand:
            return apply_by_hand(self, x, mask, context, lengths)
        penalties = context.penalties
        before = 0 if penalties is None else len(penalties)
        outputs, passed, back = self._through(x, mask, context, lengths)
        if penalties is not None:
            self.remember(penalties[before:])
        one = isinstance(self._signature.outputs, int)
        y = outputs[0] if one else nested.pack(self._signature.outputs, outputs)
        if not ours_function(type(self).compute_mask):
            passed = self.compute_mask(x, mask)
        if not context.tape:
            return y, passed, _without_tape

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            gradients = [dy] if one else [None] * len(outputs) if dy is None else nested.flatten(dy)
            if len(gradients) != len(outputs):
                raise ValueError(
                    f"expected dy to be {len(outputs)} arrays or None, one an output, got {len(gradients)}"
                )
            dx = back(gradients, need_dx)
            return nested.pack(self._signature.inputs, _shaped_as(x, dx)) if need_dx else None

        return y, passed, pullback

    def _through(self, x: Any, mask: Any, context: Context, lengths: Any = None) -> tuple[list[Any], Any, Any]:
        """What the graph gives: outputs, flat, their masks, and what goes back over it."""
        graph = self._graph_for(x, context.training)
        values, masks, padding = self._signature.accept(x, mask, lengths)
        if context.resets is not None and isinstance(values[0], Grouped):
            raise ValueError("resets must be None where x is a list of sequences, got one")
        if padding and not context.padding:
            context = context.but(padding=True)
        call = grouped.run_layer if isinstance(values[0], Grouped) else run_layer
        outputs, passed, back = graph.apply(values, masks, context, call)
        if isinstance(self._signature.outputs, int):
            return outputs, passed[0], back
        return outputs, None if all([m is None for m in passed]) else passed, back

    @overload
    def __call__(self, x: Tensors, *args: Any, **options: Any) -> SymbolicTensor: ...
    @overload
    def __call__(
        self, x: Any, mask: Any = None, initial_state: Any = None, training: bool | None = None, **options: Any
    ) -> NDArray[Any]: ...
    def __call__(
        self,
        x: Any,
        *args: Any,
        mask: Any = None,
        training: bool | None = None,
        lengths: Any = None,
        resets: Any = None,
        **options: Any,
    ) -> Any:
        """Outputs alone, without a tape; on symbolic tensors, those that a larger model is made of.

        Args:
            x, mask, lengths, resets, training: as for `forward`; or what else a `call` of a subclass takes. For a list
                of sequences of different lengths, outputs that have their steps come as such a list too.
        """
        if type(x) is np.ndarray:
            alone = mask is None and lengths is None and resets is None and not args and not options
            if alone and not training and (y := call_plan(self).call(x)) is not None:
                return y
        if (args or options) and self._tracer is not None and type(self).__call__ is Network.__call__:
            names = call_adapter.call_parameters(self)[1:]
            if options.keys() & {*names} or (args and names[:1] not in ((), ("mask",), ("training",))):
                return call_adapter.call_composed(self, x, args, {**options, "mask": mask}, training)
        options |= zip(("mask", "initial_state", "training"), args, strict=False)
        mask, training = options.pop("mask", mask), options.pop("training", training)
        if options.get("initial_state", 0) is None:
            del options["initial_state"]
        if is_symbolic(x):
            return super().__call__(x, mask=mask, training=training, **options)
        if options:
            raise TypeError(f"{self.name} takes x, mask, lengths, resets and training, got {', '.join(options)}")
        y, passed, _ = self.apply_grouped(
            x, mask, Context(bool(training), penalties=[], resets=self.check_resets(resets)), lengths
        )
        if passed is not None:
            remember_masks(y, passed)
        return rows_or_arrays(y)

    def check_resets(self, resets: Any) -> Any:
        """Resets as layers take them; ValueError where there is no recurrent layer to take them."""
        if resets is None or self._by_hand or any(hasattr(module, "carry_at") for module in self.walk()):
            return resets
        raise ValueError(f"resets must be None, as {self.name} has no recurrent layer, got one")

    def call(self, x: Any, *args: Any, **options: Any) -> Any:
        """Outputs for arrays, without a tape. A subclass may write here how its layers are composed, as in Keras."""
        if is_symbolic(x) and self._tracer is not None:
            raise NotImplementedError(
                f"{type(self).__name__}.call cannot use super().call: keep the layers as attributes, and call them here"
            )
        return self.apply(x, options.get("mask"), Context(bool(options.get("training")), penalties=[]))[0]

    def forward(
        self,
        x: Any,
        mask: Any = None,
        initial_state: Any = None,
        training: bool = False,
        *,
        lengths: Any = None,
        resets: Any = None,
    ) -> tuple[Any, Callable[..., Any]]:
        """Outputs, and the composition of the layers' pullbacks.

        Args:
            x, mask, lengths: as for `apply`. training: whether dropout drops.
            resets: (B, T) booleans, True where a row begins anew, as an episode: before that step the states of every
                recurrent layer are zero, and no gradient crosses. They all run over the same T steps.

        Returns:
            y, and `pullback(dy, need_dx=True) -> dx`, which adds to the gradients of all weights.
        """
        self.stateless(initial_state)
        context = forward_context(training)
        if context.penalties is None:
            context = context.but(penalties=[])
        if resets is not None:
            context = context.but(resets=self.check_resets(resets))
        y, passed, pullback = self.apply(x, mask, context, lengths)
        if passed is not None:
            remember_masks(y, passed)
        return y, pullback

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """The mask that comes with the outputs for x, or None. What a subclass writes here takes its place."""
        return None if self._by_hand else self._through(x, mask, Context())[1]


def _without_tape(dy: Any, need_dx: bool = True) -> Any:
    raise RuntimeError("the pass was made with tape=False, so there is nothing to go back over")


def _shaped_as(x: Any, gradients: list[Any]) -> list[Any]:
    """The gradients of inputs that lacked a last axis of length 1, or had one too many, with the axes that came."""
    given = nested.flatten(x)
    if len(given) != len(gradients):  # nested lists of numbers, sequences of different lengths
        return gradients

    def shaped(a: Any, d: Any) -> Any:
        if type(a) is not type(d) or a.ndim == d.ndim:
            return d
        if isinstance(a, Grouped):
            return Grouped(d.rows, list(map(shaped, a.parts, d.parts)), d.lengths)
        return d.reshape(a.shape)

    return list(map(shaped, given, gradients))
