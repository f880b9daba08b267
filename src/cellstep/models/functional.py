"""Functional models as configurations, in the form of Keras, and made again from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..layers import SymbolicTensor, deserialize, merging, nested, serialize
from ..layers.module import snake_case
from ..layers.operations import OPERATIONS, Operation, Slot, apply_named, decoded, encoded, replaced


def functional_config(model: Any) -> dict[str, Any]:
    """{name, trainable, layers with their calls, input_layers, output_layers}."""
    graph, heads = model._graph, model._heads
    history: dict[int, tuple[str, int, int]] = {p: (h.name, 0, 0) for p, h in zip(graph.inputs, heads, strict=True)}
    shapes: dict[int, Any] = {p: h.batch_shape for p, h in zip(graph.inputs, heads, strict=True)}
    dtypes: dict[int, str] = {p: str(h.dtype) for p, h in zip(graph.inputs, heads, strict=True)}
    calls: dict[int, list[dict[str, Any]]] = {id(layer): [] for layer in model.operations}

    def tensor(place: int) -> dict[str, Any]:
        config = {"shape": list(shapes[place]), "dtype": dtypes[place], "keras_history": list(history[place])}
        return {"class_name": "__keras_tensor__", "config": config}

    for step in graph.steps:
        made = step.shape(nested.change(step.x, shapes.__getitem__))
        number = len(calls[id(step.layer)])
        for i, (place, shape) in enumerate(zip(step.places, nested.shapes(made), strict=True)):
            shapes[place], dtypes[place] = shape, str(step.layer.output_dtype)
            history[place] = (step.layer.name, number, i)
        options = encoded(dict(step.options))
        if step.mask is not None:
            options["mask"] = nested.change(step.mask, tensor)
        if step.states is not None:
            options["initial_state"] = [tensor(place) for place in step.states]
        args = [nested.change(step.x, tensor)]
        if isinstance(step.layer, Operation):
            args = operation_args(step.layer, [tensor(place) for place in nested.flatten(step.x)])
            options = {key: encoded(step.layer.options.get(key)) for key in step.layer.kind.in_call}
        calls[id(step.layer)].append({"args": args, "kwargs": options})

    functional = {layer.name for layer in model.operations if layer.keras_name == "Functional"}

    def end(name: str, number: int, index: int) -> list[Any]:
        # here, and here alone, Keras counts the calls of a functional model from 1
        return [name, number + (name in functional), index]

    def place_of(structure: Any, places: list[int]) -> Any:
        return nested.change(structure, lambda i: end(*history[places[i]]))

    taken = {part.name.rstrip("_0123456789") for part in model.operations if not isinstance(part, Operation)}
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": [
            {**_layer_config(part, taken), "name": part.name, "inbound_nodes": calls[id(part)]}
            for part in model.operations
        ],
        "input_layers": place_of(model._inputs, graph.inputs),
        "output_layers": place_of(model._outputs, graph.outputs),
    }


def _layer_config(layer: Any, taken: set[str]) -> dict[str, Any]:
    """A layer as Keras writes it; an operation has another form there, and its constants stand in its call.

    Keras gives an operation without a name an automatic one, and refuses two of one name in a model. Before 3.10 some
    take none: it is written where the automatic one could be that of a layer, whose names without numbers are `taken`.
    """
    if not isinstance(layer, Operation):
        return serialize(layer)
    own = {key: value for key, value in layer.options.items() if key not in layer.kind.in_call}
    return {
        "module": layer.keras_module,
        "class_name": layer.operation,
        "config": {**({"name": layer.name} if snake_case(layer.operation) in taken else {}), **encoded(own)},
        "registered_name": layer.operation,
    }


def operation_args(layer: Operation, tensors: list[Any]) -> list[Any]:
    """The arguments of an operation's call, with these in place of tensors."""

    def argument(leaf: Any) -> Any:
        return tensors[leaf.number] if isinstance(leaf, Slot) else encoded(leaf)

    return [replaced(part, argument) for part in layer.arguments]


def from_functional(cls: Any, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A model from `functional_config`, or from Keras's configuration of a functional model.

    Raises:
        ValueError: a layer that is not here, or calls that depend on each other in a circle.
        NotImplementedError: an operation on tensors that no layer here does.
    """
    layers: dict[str, Any] = {}
    counted: dict[str, int] = {}
    foreign: dict[str, str] = {}
    waiting: list[tuple[str, Any]] = []
    for entry in config["layers"]:
        name = entry.get("name") or entry["config"]["name"]
        if str(entry.get("module") or "").startswith("keras.src.ops"):
            if entry["class_name"] not in OPERATIONS:
                foreign[name] = entry["class_name"]
                continue
            layers[name] = _Operator(entry["class_name"], entry["config"], name)
        else:
            layers[name] = deserialize(entry, custom_objects)
        counted[name] = int(entry["class_name"] in ("Functional", "Model"))
        waiting += [(name, call) for call in entry["inbound_nodes"]]
    reader = _Reader(layers, counted, foreign)
    while waiting:
        later = []
        stuck: set[str] = set()
        for name, call in waiting:
            # calls of one layer keep their order, by which others refer to them
            if name in stuck or not reader.call(name, call):
                stuck.add(name)
                later.append((name, call))
        if len(later) == len(waiting):
            raise ValueError(
                f"config must hold all layers that its calls refer to, got {later[0][0]} without its inputs"
            )
        waiting = later
    made = cls(
        inputs=reader.ends(config["input_layers"]),
        outputs=reader.ends(config["output_layers"]),
        name=config.get("name"),
        trainable=config.get("trainable") is not False,
    )
    return made


class _Operator:
    """Makes the operation that a configuration describes, once its call says on what."""

    def __init__(self, operation: str, config: Mapping[str, Any], name: str) -> None:
        self.operation, self.name = operation, name
        self.options = {key: decoded(value) for key, value in config.items() if key in OPERATIONS[operation].options}
        self.nodes: list[Any] = []

    def call(self, args: Sequence[Any], options: Mapping[str, Any]) -> None:
        own = {key: decoded(value) for key, value in options.items() if value is not None}
        self.nodes += apply_named(self.operation, list(args), {**self.options, **own}, self.name).nodes


class _Reader:
    """Makes the calls that a configuration describes."""

    def __init__(self, layers: dict[str, Any], counted: dict[str, int], foreign: dict[str, str]) -> None:
        self.layers, self.counted, self.foreign = layers, counted, foreign

    def find(self, name: str, number: int, index: int) -> SymbolicTensor | None:
        """A tensor, or None while its call is not made yet."""
        if name not in self.layers:
            what = f"{self.foreign[name]} of keras.ops" if name in self.foreign else "no layer of the configuration"
            raise NotImplementedError(f"expected tensors that layers give, got {name}, {what}")
        nodes = self.layers[name].nodes
        return nodes[number].outputs[index] if number < len(nodes) else None

    def call(self, name: str, call: Any) -> bool:
        """Make one call; False if what it needs is not there yet."""
        args, options = _modern(call)
        layer = self.layers[name]
        if isinstance(layer, _Operator):
            if any(leaf["config"]["keras_history"][0] in self.foreign for leaf in _tensors_in(args)):
                # made of what is not known: part of a mask, or refused where a layer asks for it
                self.foreign[name] = self.layers.pop(name).operation
                return True
            tensors = [self.find(*leaf["config"]["keras_history"]) for leaf in _tensors_in(args)]
            if any(tensor is None for tensor in tensors):
                return False
            layer.call(_constants(_replace(args, iter(tensors))), options)
            return True
        if len(args) == 2 and isinstance(self.layers[name], merging.Merge):
            args = [list(args)]
        mask = options.get("mask")
        if isinstance(mask, list) and all(part is None for part in mask):
            options.pop("mask")  # how Keras before 3.10 writes that none was given
        if mask is not None and any(t["config"]["keras_history"][0] in self.foreign for t in _tensors_in(mask)):
            options.pop("mask")  # how Keras writes a mask that passes by itself
        if options.get("training") is False and ("mask" in call_keys(call) or hasattr(self.layers[name], "cell")):
            options.pop("training")  # Keras writes it beside a mask whether or not it was asked for
        parts = {"x": args[0], **options}
        found: dict[str, Any] = {}
        for key, value in parts.items():
            if not _tensors_in(value):
                found[key] = value
                continue
            tensors = [self.find(*leaf["config"]["keras_history"]) for leaf in _tensors_in(value)]
            if any(tensor is None for tensor in tensors):
                return False
            found[key] = _replace(value, iter(tensors))
        given = {key: _constants(value) for key, value in found.items()}
        self.layers[name](given.pop("x"), **{key: value for key, value in given.items() if value is not None})
        return True

    def ends(self, places: Any) -> Any:
        """Input or output tensors: from [name, number, index], or lists and dictionaries of such."""
        if isinstance(places, dict):
            return {key: self.ends(place) for key, place in places.items()}
        if len(places) == 3 and isinstance(places[0], str):
            found = self.find(places[0], places[1] - self.counted.get(places[0], 0), places[2])
            if found is None:
                raise ValueError(f"config must say which call gives {places[0]}, got number {places[1]}")
            return found
        return [self.ends(place) for place in places]


def _constants(value: Any) -> Any:
    """What stands between tensors, decoded."""
    if isinstance(value, list | tuple):
        return [_constants(part) for part in value]
    return value if isinstance(value, SymbolicTensor) else decoded(value)


def call_keys(call: Any) -> list[str]:
    """The keyword arguments that a call has in a configuration."""
    return list(call["kwargs"]) if isinstance(call, dict) else []


def _modern(call: Any) -> tuple[list[Any], dict[str, Any]]:
    """args and kwargs of a call; Keras 2's lists of [name, number, index, kwargs] are read too."""
    if isinstance(call, dict):
        return list(call["args"]), dict(call["kwargs"])
    tensors = [{"class_name": "__keras_tensor__", "config": {"keras_history": list(entry[:3])}} for entry in call]
    options = dict(call[0][3]) if len(call[0]) > 3 else {}
    return [tensors[0] if len(tensors) == 1 else tensors], options


def _is_tensor(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def _tensors_in(value: Any) -> list[dict[str, Any]]:
    if _is_tensor(value):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [leaf for part in parts for leaf in _tensors_in(part)]


def _replace(value: Any, tensors: Any) -> Any:
    if _is_tensor(value):
        return next(tensors)
    if isinstance(value, dict):
        return {key: _replace(part, tensors) for key, part in value.items()}
    return [_replace(part, tensors) for part in value] if isinstance(value, list | tuple) else value
