"""Functional models as configurations, in the form of Keras, and made again from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..layers import RNN, Bidirectional, MultiHeadAttention, SymbolicTensor, deserialize, merging, nested, serialize
from ..layers.operations import OPERATIONS, Operation, Slot, called, decoded, encoded
from ..lookup import snake_case

TENSOR = "__keras_tensor__"


def functional_config(model: Any) -> dict[str, Any]:
    """{name, trainable, layers with their calls, input_layers, output_layers}."""
    graph, signature = model._graph, model._signature
    shapes, origins = graph.shapes(model.input_shapes), graph.origins(signature.heads)
    dtypes = dict(zip(graph.inputs, (head.dtype for head in signature.heads), strict=True))
    dtypes |= {place: step.layer.output_dtype for step in graph.steps for place in step.places}
    calls: dict[int, list[dict[str, Any]]] = {id(layer): [] for layer in model.operations}

    def tensor(place: int) -> dict[str, Any]:
        history = {"shape": list(shapes[place]), "dtype": str(dtypes[place]), "keras_history": list(origins[place])}
        return {"class_name": TENSOR, "config": history}

    for step in graph.steps:
        options = encoded(dict(step.options))
        if step.mask is not None:
            options["mask"] = nested.change(step.mask, tensor)
        options |= nested.change(step.named, tensor)
        args = [nested.change(step.x, tensor)]
        if isinstance(step.layer, MultiHeadAttention):  # whose call takes them one by one
            args, named = args[0][:2], args[0][2:]
            options |= dict(zip(step.layer.call_names[2:], named, strict=False))
        if isinstance(step.layer, Operation):
            args = operation_args(step.layer, [tensor(place) for place in nested.flatten(step.x)])
            options = {key: encoded(step.layer.options.get(key)) for key in step.layer.kind.in_call}
        calls[id(step.layer)].append({"args": args, "kwargs": options})

    functional = {layer.name for layer in model.operations if layer.keras_name == "Functional"}

    def end(place: int) -> list[Any]:
        # here, and here alone, Keras counts the calls of a functional model from 1
        name, number, index = origins[place]
        return [name, number + (name in functional), index]

    taken = {part.name.rstrip("_0123456789") for part in model.operations if not isinstance(part, Operation)}
    layers = [_layer_config(part, taken) for part in model.operations]
    for part, config in zip(model.operations, layers, strict=True):
        config |= {"name": part.name, "inbound_nodes": calls[id(part)]}
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": nested.change(signature.inputs, lambda i: end(graph.inputs[i])),
        "output_layers": nested.change(signature.outputs, lambda i: end(graph.outputs[i])),
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

    def filled(leaf: Any) -> Any:
        return tensors[leaf.number] if isinstance(leaf, Slot) else leaf

    return [encoded(nested.change(part, filled)) for part in layer.arguments]


def from_functional(cls: Any, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A model from `functional_config`, or from Keras's configuration of a functional model.

    Raises:
        ValueError: a layer that is not here, or calls that depend on each other in a circle.
        NotImplementedError: an operation on tensors that no layer here does.
    """
    reader = _Reader(config["layers"], custom_objects)
    reader.read_all()
    return cls(
        inputs=reader.ends(config["input_layers"]),
        outputs=reader.ends(config["output_layers"]),
        name=config.get("name"),
        trainable=config.get("trainable") is not False,
    )


class _Reader:
    """Makes the layers and calls that a configuration describes: a call when one that needs it is made."""

    def __init__(self, entries: Sequence[Any], custom_objects: Mapping[str, Any] | None) -> None:
        self.layers: dict[str, Any] = {}
        #: Operations that are not known here, or made of such: the names of their classes.
        self.foreign: dict[str, str] = {}
        #: Of each layer what Keras adds to the number of its call at the ends of a model.
        self.counted: dict[str, int] = {}
        self.calls: dict[str, list[Any]] = {}
        #: The calls that are made, and those that are being made.
        self.nodes: dict[str, list[Any]] = {}
        self.open: set[str] = set()
        older = any(isinstance(call, list) for entry in entries for call in entry["inbound_nodes"])
        begun = {_name(entry): int(_counts_from_one(entry)) for entry in entries if older}
        for entry in entries:
            name = _name(entry)
            self.calls[name] = [_modern(call, begun) for call in entry["inbound_nodes"]]
            self.counted[name] = begun.get(name, int(entry["class_name"] in ("Functional", "Model")))
            if not str(entry.get("module") or "").startswith("keras.src.ops"):
                self.layers[name] = deserialize(entry, custom_objects)
            elif entry["class_name"] in OPERATIONS:
                self.layers[name] = (entry["class_name"], entry["config"])
            else:
                self.foreign[name] = entry["class_name"]
            self.nodes[name] = list(self.layers[name].nodes) if entry["class_name"] == "InputLayer" else []
        self._find_foreign()

    def _find_foreign(self) -> None:
        """Operations on what is not known: part of a mask, or refused where a layer asks for it."""
        operations = [name for name, layer in self.layers.items() if isinstance(layer, tuple)]
        before = -1
        while before != len(self.foreign):
            before = len(self.foreign)
            for name in operations:
                if name in self.layers and any(self._is_foreign(args) for args, _ in self.calls[name]):
                    self.foreign[name] = self.layers.pop(name)[0]

    def _is_foreign(self, value: Any) -> bool:
        return any(name in self.foreign for name, _, _ in _histories(value))

    def read_all(self) -> None:
        """Make all calls."""
        for name in list(self.layers):
            while self.calls[name]:
                self._call_next(name)

    def tensor(self, name: str, number: int, index: int) -> SymbolicTensor | None:
        """An output of a call; None where there is no such call."""
        if name not in self.layers:
            what = f"{self.foreign[name]} of keras.ops" if name in self.foreign else "no layer of the configuration"
            raise NotImplementedError(f"expected tensors that layers give, got {name}, {what}")
        nodes = self.nodes[name]
        # calls of one layer keep their order, by which others refer to them
        while len(nodes) <= number and self.calls[name] and name not in self.open:
            self._call_next(name)
        return nodes[number].outputs[index] if number < len(nodes) else None

    def _call_next(self, name: str) -> None:
        """Make the next call of a layer."""
        self.open.add(name)
        args, options = self.calls[name][0]
        layer = self.layers[name]
        if isinstance(layer, tuple):
            kind, config = layer
            own = {key: decoded(value) for key, value in config.items() if key in OPERATIONS[kind].options}
            names = OPERATIONS[kind].arguments
            own |= {key: decoded(value) for key, value in options.items() if value is not None and key not in names}
            given = [*args, *(options.get(key) for key in names[len(args) :])]
            node = called(kind, self._filled(given, name), own, name)[0].nodes[-1]
        else:
            if len(args) == 2 and isinstance(layer, merging.Merge):
                args = [list(args)]
            if args and isinstance(args[0], list) and isinstance(layer, RNN | Bidirectional):
                # Keras 2 has states beside the sequences
                args, options = args[0][:1], {"initial_state": args[0][1:], **options}
            options = {key: self._filled(value, name) for key, value in self._read_options(layer, options).items()}
            args = self._filled(args, name)
            layer(*args, **{key: value for key, value in options.items() if value is not None})
            node = layer.nodes[-1]
        del self.calls[name][0]
        self.nodes[name].append(node)
        self.open.discard(name)

    def _read_options(self, layer: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        """What a call was given beside its inputs, without what Keras writes though it was not asked for."""
        dropped = set()
        mask = options.get("mask")
        if isinstance(mask, list) and all(part is None for part in mask):
            dropped.add("mask")  # how Keras before 3.10 writes that none was given
        if self._is_foreign(mask):
            dropped.add("mask")  # how Keras writes a mask that passes by itself
        if options.get("training") is False and ("mask" in options or hasattr(layer, "cell")):
            dropped.add("training")  # Keras writes it beside a mask whether or not it was asked for
        return {key: value for key, value in options.items() if key not in dropped}

    def _filled(self, value: Any, name: str) -> Any:
        """A part of a call with tensors where it refers to them, and what stands between decoded."""
        if _is_tensor(value):
            tensor = self.tensor(*value["config"]["keras_history"])
            if tensor is None:
                raise ValueError(f"config must hold all layers that its calls refer to, got {name} without its inputs")
            return tensor
        if isinstance(value, list | tuple):
            return [self._filled(part, name) for part in value]
        if isinstance(value, dict) and _histories(value):
            return {key: self._filled(part, name) for key, part in value.items()}
        return decoded(value)

    def ends(self, places: Any) -> Any:
        """Input or output tensors: from [name, number, index], or lists and dictionaries of such."""
        if isinstance(places, dict):
            return {key: self.ends(place) for key, place in places.items()}
        if len(places) == 3 and isinstance(places[0], str):
            tensor = self.tensor(places[0], places[1] - self.counted.get(places[0], 0), places[2])
            if tensor is None:
                raise ValueError(f"config must say which call gives {places[0]}, got number {places[1]}")
            return tensor
        return [self.ends(place) for place in places]


def _name(entry: Any) -> str:
    return str(entry.get("name") or entry["config"]["name"])


def _counts_from_one(entry: Any) -> bool:
    """Whether Keras 2 counts the calls of this layer from 1: a model, which its own inputs call first."""
    own = entry["config"]
    layers = own.get("layers", []) if isinstance(own, dict) else own
    heads = [layer.get("class_name") for layer in layers[:1]] if entry["class_name"] == "Sequential" else ["InputLayer"]
    return entry["class_name"] in ("Functional", "Model", "Sequential") and heads == ["InputLayer"]


def _modern(call: Any, begun: Mapping[str, int]) -> tuple[list[Any], dict[str, Any]]:
    """args and kwargs of a call; Keras 2's lists of [name, number, index, kwargs] are read too.

    begun: of each layer of Keras 2's the number of its first call.
    """
    if isinstance(call, dict):
        return list(call["args"]), dict(call["kwargs"])

    def tensor(name: str, number: int, index: int) -> Any:
        return {"class_name": TENSOR, "config": {"keras_history": [name, number - begun[name], index]}}

    def filled(value: Any) -> Any:
        if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and value[0] in begun:
            return tensor(*value)
        return [filled(part) for part in value] if isinstance(value, list) else value

    tensors = [tensor(*entry[:3]) for entry in call]
    options = {key: filled(value) for key, value in call[0][3].items()} if len(call[0]) > 3 else {}
    return [tensors[0] if len(tensors) == 1 else tensors], options


def _is_tensor(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") == TENSOR


def _histories(value: Any) -> list[Any]:
    """The [name, number, index] of all tensors in a part of a call."""
    if _is_tensor(value):
        return [value["config"]["keras_history"]]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [history for part in parts for history in _histories(part)]
