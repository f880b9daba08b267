"""Graph: calls of layers in an order in which each finds its inputs done; run forward, and backward in reverse.

Every tensor has a place in a list, which holds values on the way forward and gradients on the way back. Where a tensor
goes to several calls its gradients are added. That is all: the derivatives are those of the layers' pullbacks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import nested
from .context import Applied, Context
from .penalties import run_layer
from .pipelined import Pipelined, in_phases
from .symbolic import Node, SymbolicTensor

if TYPE_CHECKING:
    from .base import Layer

#: How a layer is called within a graph: as `run_layer`.
Call = Callable[..., Applied]


@dataclass
class LayerCall:
    """One call of a layer; places of tensors stand where the call had tensors.

    named: what else it was given tensors for, by name, such as initial_state. options: what it was given beside
    tensors. plain: one input, and nothing else. outputs: the places of what it gives; single: it gives one array, no
    list. needs: the places that it takes, masks among them; sources: those that gradients go to.
    masks: the places of tensors whose masks it takes by name; None where it takes that of x alone. Layers inside of one
    that takes tensors by name see the masks of all.
    """

    layer: Layer
    x: Any
    mask: Any = None
    named: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    outputs: Any = None
    masks: Any = None

    def __post_init__(self) -> None:
        self.plain = isinstance(self.x, int) and self.mask is None and not self.named and not self.options
        self.single = isinstance(self.outputs, int)
        self.places: list[int] = nested.flatten(self.outputs)
        self.sources: list[int] = [*nested.flatten(self.x), *nested.flatten(list(self.named.values()))]
        self.needs: list[int] = [*self.sources, *([] if self.mask is None else nested.flatten(self.mask))]
        self._fixed = {key: value for key, value in self.options.items() if key not in ("mask", "training")}

    def shapes(self, x: Any, named: dict[str, Any]) -> list[Any]:
        """The shapes of what it gives, flat, for x of this shape, or structure of shapes, and others by name."""
        return nested.shapes(self.layer.call_shape(x, self.options, named))

    def apply(self, values: list[Any], masks: list[Any], context: Context, call: Call) -> Applied:
        """Do the call on what stands at its places."""
        if self.plain:
            return call(self.layer, values[self.x], masks[self.x], context)
        x = nested.change(self.x, values.__getitem__)
        if "mask" in self.options:
            mask = self.options["mask"]
        elif self.mask is not None:
            mask = nested.change(self.mask, values.__getitem__)
        else:
            mask = nested.change(self.x, masks.__getitem__)
            if not isinstance(self.x, int) and all([m is None for m in nested.flatten(mask)]):
                mask = None
        options = self._fixed
        if self.named:
            options = {**options, **nested.change(self.named, values.__getitem__)}
        if self.masks is not None:
            own, inside = (nested.change(part, masks.__getitem__) for part in (self.masks, self.named))
            explicit = self.mask is not None or "mask" in self.options
            options = {**options, "_masks": own, "_inside": inside, "_explicit": explicit}
        if "training" in self.options:
            context = context.but(training=self.options["training"])
        return call(self.layer, x, mask, context, **options)

    def pull(self, pullback: Any, gradients: list[Any], need_dx: bool) -> list[Any]:
        """The gradients of its sources, from those of its outputs, None for zeros in both."""
        dy = gradients[0] if self.single else nested.pack(self.outputs, gradients)
        dx = pullback(dy, need_dx=need_dx)
        rest: list[Any] = []
        if self.named or "initial_state" in self.options:
            dx, rest = dx
        rest = nested.flatten(rest) if self.named else []
        if isinstance(self.x, int):
            return [dx, *rest]
        return [*([None] * len(nested.flatten(self.x)) if dx is None else nested.flatten(dx)), *rest]


class Graph:
    """Steps between input and output places.

    Args:
        steps: in the order of running.
        inputs, outputs: the places of the model's inputs and outputs, flat.
        size: how many places there are.
    """

    def __init__(self, steps: list[LayerCall], inputs: list[int], outputs: list[int], size: int) -> None:
        self.steps, self.inputs, self.outputs, self.size = steps, inputs, outputs, size
        taken = Counter([*outputs, *(place for step in steps for place in step.needs + nested.flatten(step.masks))])
        # whether a step takes what the one before gives, as no other does
        self._follows = [
            i > 0 and step.plain and steps[i - 1].plain and step.x == steps[i - 1].outputs and taken[step.x] == 1
            for i, step in enumerate(steps)
        ]

    @classmethod
    def chain(cls, layers: Sequence[Layer]) -> Graph:
        """Layers one after another, from one input to one output."""
        steps = [LayerCall(layer, i, outputs=i + 1) for i, layer in enumerate(layers)]
        return cls(steps, [0], [len(steps)], len(steps) + 1)

    def then(self, layer: Layer) -> Graph:
        """A chain with one layer more."""
        end = len(self.steps)
        return Graph([*self.steps, LayerCall(layer, end, outputs=end + 1)], [0], [end + 1], end + 2)

    @classmethod
    def of(
        cls, inputs: list[SymbolicTensor], outputs: list[SymbolicTensor], beside: Sequence[SymbolicTensor] = ()
    ) -> Graph:
        """What lies between tensors, and what gives those beside the outputs, for the sake of their penalties.

        Raises:
            ValueError: an output needs an Input that is not among the inputs.
        """
        nodes = _between(inputs, [*outputs, *beside])
        place: dict[int, int] = {id(tensor): i for i, tensor in enumerate(inputs)}
        for node in nodes:
            for tensor in node.outputs:
                place.setdefault(id(tensor), len(place))

        def at(structure: Any) -> Any:
            return None if structure is None else nested.change(structure, lambda tensor: place[id(tensor)])

        steps = [
            LayerCall(n.layer, at(n.x), at(n.mask), at(n.named), n.options, at(n.structure), at(n.masks)) for n in nodes
        ]
        return cls(steps, at(inputs), at(outputs), len(place))

    def line(self) -> list[Layer] | None:
        """The layers, where each takes the one output of the one before and nothing else; None for other graphs."""
        place = self.inputs[0]
        for step in self.steps:
            if not (step.plain and step.single and step.x == place):
                return None
            place = step.outputs
        return [step.layer for step in self.steps] if [place] == self.outputs and len(self.inputs) == 1 else None

    def pipelines(self, context: Context) -> list[list[LayerCall]]:
        """The steps, those together that run as one: of recurrent layers one after another, each once."""
        groups: list[list[LayerCall]] = []
        for step, follows in zip(self.steps, self._follows, strict=True):
            pipe = [*(each.layer for each in groups[-1]), step.layer] if follows else []
            if pipe and step.layer not in pipe[:-1] and all([in_phases(layer, context) for layer in pipe]):
                groups[-1].append(step)
            else:
                groups.append([step])
        return groups

    def layers(self, heads: Sequence[Layer]) -> list[Layer]:
        """Each layer once, with those that give the inputs: furthest from the outputs first, then in the order in which
        a search from the outputs down visits them, as Keras orders the layers, and so the weights, of a model."""
        steps = [LayerCall(head, [], outputs=place) for head, place in zip(heads, self.inputs, strict=True)]
        steps += self.steps
        depths: dict[int, int] = {}
        depth_of: dict[int, int] = {}
        for step in reversed(steps):
            depth = max([depth_of.get(id(step.layer), 0), *(depths.get(place, 0) for place in step.places)])
            depth_of[id(step.layer)] = depth
            for place in step.needs:
                depths[place] = max(depths.get(place, 0), depth + 1)
        seen = self._first_seen(steps)
        layers = {id(step.layer): step.layer for step in steps}
        return sorted(layers.values(), key=lambda layer: (-depth_of[id(layer)], seen.get(id(layer), -1)))

    def _first_seen(self, steps: list[LayerCall]) -> dict[int, int]:
        """When a search from the outputs down first visits each layer."""
        giver = {place: step for step in steps for place in step.places}
        seen: dict[int, int] = {}
        met: set[int] = set()
        stack = [giver[place] for place in reversed(self.outputs)]
        while stack:
            step = stack.pop()
            if id(step) not in met:
                met.add(id(step))
                seen.setdefault(id(step.layer), len(seen))
                stack += [giver[place] for place in reversed(step.needs)]
        return seen

    def apply(
        self, inputs: Sequence[Any], masks: Sequence[Any], context: Context, call: Call = run_layer
    ) -> tuple[list[Any], list[Any], Any]:
        """Forward.

        Args:
            inputs: what stands for each input: an array, or whatever `call` takes. masks: a mask for each, or None.
            context: what the pass is for.
            call: calls a layer, as `run_layer` does.

        Returns:
            the outputs, their masks, and with a tape `pullback(gradients of outputs, need_dx) -> gradients of inputs`
            with None for zeros in both; else None.
        """
        values: list[Any] = [None] * self.size
        passed: list[Any] = [None] * self.size
        for place, value, mask in zip(self.inputs, inputs, masks, strict=True):
            values[place], passed[place] = value, mask
        penalties = [] if context.penalties is None else context.penalties
        pullbacks: list[tuple[list[LayerCall], Any, bool]] = []
        for group in self.pipelines(context) if call is run_layer else [[step] for step in self.steps]:
            before, step = len(penalties), group[-1]
            if group[1:]:
                x = group[0].x
                y, mask, pullback = Pipelined([each.layer for each in group]).apply(values[x], passed[x], context)
            else:
                y, mask, pullback = step.apply(values, passed, context, call)
            pullbacks.append((group, pullback, len(penalties) > before))
            if step.single:
                values[step.outputs], passed[step.outputs] = y, mask
                continue
            for place, value in zip(step.places, nested.flatten(y), strict=True):
                values[place] = value
            for place, m in zip(step.places, [] if mask is None else nested.flatten(mask), strict=False):
                passed[place] = m
        outputs, kept = [values[place] for place in self.outputs], [passed[place] for place in self.outputs]
        if not context.tape:
            return outputs, kept, None

        def back(gradients: Sequence[Any], need_dx: bool = True) -> list[Any]:
            return self._back(pullbacks, gradients, need_dx)

        return outputs, kept, back

    def _back(
        self, pullbacks: list[tuple[list[LayerCall], Any, bool]], gradients: Sequence[Any], need_dx: bool
    ) -> list[Any]:
        sums: list[Any] = [None] * self.size

        def add(place: int, gradient: Any) -> None:
            if gradient is not None:
                # a new array: what layers gave may be theirs, or stand in two places
                sums[place] = gradient if sums[place] is None else sums[place] + gradient

        for place, gradient in zip(self.outputs, gradients, strict=True):
            add(place, gradient)
        needed, _ = self.needed(need_dx)
        for group, pullback, penalized in reversed(pullbacks):
            first, step = group[0], group[-1]
            need = any([needed[place] for place in first.sources])
            own = [sums[place] for place in step.places]
            # what a step gives is needed too where its layer learns
            learns = any([needed[place] for place in step.places])
            if learns and (penalized or any([d is not None for d in own])):
                for place, gradient in zip(first.sources, step.pull(pullback, own, need), strict=True):
                    add(place, gradient)
        return [sums[place] if need_dx else None for place in self.inputs]

    def needed(self, need_dx: bool) -> tuple[list[bool], list[bool]]:
        """For each place, whether its gradient leads to a weight that learns, or to inputs; for each step, whether its
        layer learns."""
        needed = [False] * self.size
        for place in self.inputs:
            needed[place] = need_dx
        learns = [bool(step.layer.trainable_weights) for step in self.steps]
        for step, learning in zip(self.steps, learns, strict=True):
            if learning or any([needed[place] for place in step.sources]):
                for place in step.places:
                    needed[place] = True
        return needed, learns

    def replay(self, inputs: Sequence[Any], call: Callable[[LayerCall, Any, Any, Any], Sequence[Any]]) -> list[Any]:
        """Go through the steps with things other than arrays, such as shapes or tensors.

        Args:
            inputs: one for each input.
            call: gives the outputs of a step, flat, for x, mask and what has a name, made of such things.

        Returns:
            what stands at each place.
        """
        things: list[Any] = [None] * self.size
        for place, thing in zip(self.inputs, inputs, strict=True):
            things[place] = thing

        def at(structure: Any) -> Any:
            return None if structure is None else nested.change(structure, things.__getitem__)

        for step in self.steps:
            for place, thing in zip(step.places, call(step, at(step.x), at(step.mask), at(step.named)), strict=True):
                things[place] = thing
        return things

    def shapes(self, inputs: Sequence[Any]) -> list[Any]:
        """The shape of each place, for inputs of these shapes."""
        return self.replay(inputs, lambda step, x, mask, named: step.shapes(x, named))

    def output_shapes(self, inputs: Sequence[Any]) -> list[Any]:
        """The shapes of the outputs for those of the inputs."""
        shapes = self.shapes(inputs)
        return [shapes[place] for place in self.outputs]

    def ranks(self, inputs: Sequence[Any]) -> list[tuple[LayerCall, int]]:
        """Each step with the number of axes of its inputs, the most of them, for inputs of these shapes."""
        shapes = self.shapes(inputs)
        return [(step, max([len(shapes[place]) for place in step.sources], default=0)) for step in self.steps]

    def origins(self, heads: Sequence[Layer]) -> dict[int, tuple[str, int, int]]:
        """For each place the name of the layer that gives it, the number of its call, and that of the output, as Keras
        writes them; `heads` give the inputs."""
        origins = {place: (head.name, 0, 0) for place, head in zip(self.inputs, heads, strict=False)}
        calls: Counter[int] = Counter()
        for step in self.steps:
            for i, place in enumerate(step.places):
                origins[place] = (step.layer.name, calls[id(step.layer)], i)
            calls[id(step.layer)] += 1
        return origins

    def reconnect(self, inputs: Sequence[Any], swap: dict[int, Any] | None = None) -> list[Any]:
        """The output tensors of calling the layers, or those that stand for them in `swap`, on other tensors."""

        def call(step: LayerCall, x: Any, mask: Any, named: Any) -> list[Any]:
            layer = step.layer if swap is None else swap[id(step.layer)]
            return nested.flatten(layer(x, **{"mask": mask, **named, **step.options}))

        tensors = self.replay(inputs, call)
        return [tensors[place] for place in self.outputs]


def _between(inputs: list[SymbolicTensor], outputs: list[SymbolicTensor]) -> list[Node]:
    """The calls that outputs need beyond the inputs, each after those that give its inputs."""
    known = {id(tensor) for tensor in inputs}
    order: list[Node] = []
    done: set[int] = set()
    stack = [(tensor.node, False) for tensor in reversed(outputs) if id(tensor) not in known]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            order.append(node)
            continue
        if node.x is None:
            names = ", ".join(tensor.name for tensor in inputs)
            raise ValueError(f"inputs must hold all that the outputs depend on, got {names} without {node.layer.name}")
        stack.append((node, True))
        stack += [(tensor.node, False) for tensor in reversed(node.inputs) if id(tensor) not in known]
    return order
