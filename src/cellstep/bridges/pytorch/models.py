"""from_torch and to_torch: whole models, and the weights of models that are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import layers as L
from ...core import brief
from ...models import Model, Sequential
from ...untrusted import FileError, library
from .modules import modules_of
from .state_dicts import tensors_in
from .structure import Own, lines_of
from .weights import Part, assign, parts_of, tensors_of

#: For the prefix of tensors' names the layer that has them as weights, or the layers: themselves, or their names.
Mapped = Mapping[str, Any]


def from_torch(
    source: Any,
    *,
    into: Model | None = None,
    mapping: Mapped | None = None,
    modules: Own | None = None,
    input_shape: Any = None,
    name: str | None = None,
    max_bytes: int | None = None,
) -> Model:
    """A model that computes what a module of PyTorch's does; or the weights of one, in a model that is there.

    A module is nn.Sequential of RNN, LSTM, GRU and their cells, Embedding, Linear, LayerNorm, BatchNorm1d, Conv1d,
    pooling, Dropout, Flatten and activations, or one of these alone. Recurrent ones hand on their outputs (and not, as
    in PyTorch, a tuple). The model takes the batch first. An LSTM with proj_size is a `cells.ProjectionLSTM`.

    A state dict has names but no structure, and a module with a forward of its own has its own structure: for these,
    make the model, and say with `into` and `mapping` which weights are whose. All tensors must belong to a layer, and
    all weights of the model must have a tensor; shapes must be those that the layers have.

    Args:
        source: a module, or its state dict, or the path of one: of a .safetensors file, or of a .pt file, which PyTorch
            reads with weights_only=True.
        into: a model that is built.
        mapping: for each prefix of the names of tensors ("encoder.lstm") the layer of `into`, or its name; a list of
            recurrent layers for a module with several. By default the layers' own names.
        modules: for classes of the user's a function that gives the layer that one becomes, or a list, or None.
        input_shape: of the inputs, without the batch; by default what the first module says.
        name: of the model. max_bytes: the most memory that reading a file may take; see `load_model`.

    Returns:
        The new model, or `into`.

    Raises:
        TypeError, ValueError: a module is not known here, or does what no layer does; or as of `mapping`.
        FileError: a tensor is missing, left over, or has another shape; nothing was assigned.

    Example:
        >>> model = Sequential([L.Input((3,)), L.Dense(2, name="dense")])
        >>> state = {"head.weight": np.ones((2, 3)), "head.bias": np.zeros(2)}
        >>> same = from_torch(state, into=model, mapping={"head": "dense"})
    """
    if into is None:
        if not hasattr(source, "named_children"):
            raise ValueError(
                "into must be a model, as a state dict has names but no structure, got None; or source a module"
            )
        lines = lines_of(source, modules)
        shape, dtype = _inputs(source) if input_shape is None else (input_shape, _inputs_dtype(lines))
        into = Sequential([L.Input(shape, dtype=dtype), *(layer for line in lines for layer in line.layers)], name=name)
        own = {line.prefix: [layer for layer in line.layers if layer.weights] for line in lines}
        own = {prefix: layers for prefix, layers in own.items() if layers}
    else:
        own = _mapped(into, mapping)
    with tensors_in(source, max_bytes) as (file, tensors):
        assign(tensors, file, _parts(own, tensors))
    return into


def to_torch(model: Model, *, into: Any = None, mapping: Mapped | None = None) -> Any:
    """A module of PyTorch's that computes what a model does; or a module that is there, with the model's weights.

    Args:
        model: layers in one line, which PyTorch has: see `from_torch`. GRUs as PyTorch's, with `reset_after`.
        into: a module, whose parameters get the weights.
        mapping: for each prefix of the names of its parameters the layer of `model`, as for `from_torch`.

    Returns:
        An nn.Sequential, batch first, whose modules have the layers' names; or `into`.

    Raises:
        ValueError: a layer has no counterpart. FileError: a parameter has none, or another shape.
    """
    torch = library("torch", "torch", "models of PyTorch")
    if not model.built:
        raise ValueError(f"{model.name} must be built before it goes to PyTorch: give it an Input, or call it once")
    if into is not None:
        given = into.state_dict()
        tensors = tensors_of(_parts(_mapped(model, mapping), given))
        _check_same(tensors, given)
    else:
        from ...torch.line import Line

        if mapping is not None:
            raise ValueError("mapping says which parameters of `into` are whose, got one without into")
        into, tensors = Line(), {}
        line = None if model.computes_itself or model._graph is None else model._graph.line()
        if line is None:
            raise ValueError(
                f"model must be layers in one line for an nn.Sequential, got {model.name} with several inputs, outputs "
                "or branches, or code of its own; into=module and mapping={...} give a module its weights"
            )
        for layer in line:
            made = [(layer.name.replace(".", "_") + end, module) for end, module in modules_of(torch.nn, layer)]
            for label, module in made:
                into.add_module(label, module)
            if layer.weights:
                tensors |= tensors_of(parts_of(f"{made[0][0]}.", [layer], ()))
        if any(a.dtype == np.float64 for a in tensors.values()):
            into.double()
    with torch.no_grad():
        into.load_state_dict({key: torch.from_numpy(a.copy()) for key, a in tensors.items()}, strict=True)
    return into


def _parts(own: Mapping[str, list[Any]], given: Any) -> list[Part]:
    return [part for prefix, layers in own.items() for part in parts_of(prefix, layers, given)]


def _mapped(model: Any, mapping: Mapped | None) -> dict[str, list[Any]]:
    """The layers of each prefix, as they are, with a dot behind the prefix.

    Raises:
        TypeError, ValueError: no mapping; or weights of the model belong to none, or to two.
    """
    if not isinstance(model, Model) or not model.built:
        raise ValueError(f"into must be a model that is built, got {brief(model)}")
    if mapping is None:
        mapping = {layer.name: layer for layer in model.layers if layer.weights}
    if not isinstance(mapping, Mapping):
        raise TypeError(f"mapping must be a dictionary of prefixes to layers, got {brief(mapping)}")
    found = {}
    for prefix, value in mapping.items():
        if not isinstance(prefix, str):
            raise TypeError(f"mapping must have strings as keys, prefixes of tensors' names, got {brief(prefix)}")
        layers = value if isinstance(value, list | tuple) else [value]
        layers = [model.get_layer(layer) if isinstance(layer, str) else layer for layer in layers]
        if not layers or not all(hasattr(layer, "weights") for layer in layers):
            raise TypeError(f"mapping must have layers or their names as values, got {brief(value)} for {prefix!r}")
        found[f"{prefix}." if prefix else ""] = layers
    named = [id(weight) for layers in found.values() for layer in layers for weight in layer.weights]
    known = set(named)
    if len(known) < len(named):
        raise ValueError(f"mapping must name each layer once, got one for several prefixes in {brief(dict(mapping))}")
    left = [weight.path for weight in model.weights if id(weight) not in known]
    if left:
        raise ValueError(f"mapping must name all layers with weights, got none for {', '.join(left[:3])}")
    return found


def _check_same(tensors: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """FileError where a module's parameters are not those that layers have."""
    for name, tensor in given.items():
        shape = tensors[name].shape if name in tensors else None
        if shape != tuple(tensor.shape):
            got = "none" if shape is None else f"one of shape {shape}"
            raise FileError("the module", name, f"expected a weight of shape {tuple(tensor.shape)}, got {got}")
    over = sorted(tensors.keys() - given.keys())
    if over:
        raise FileError("the module", over[0], "expected a parameter of this name for a weight, got none")


def _inputs(module: Any) -> tuple[tuple[int | None, ...], str | None]:
    """The shape and the dtype of the inputs of a module, without the batch.

    Raises:
        ValueError: its first modules do not say.
    """
    parts = list(module.modules())
    steps: tuple[None, ...] = (None,) if any(hasattr(part, "hidden_size") for part in parts) else ()
    for part in parts:
        if hasattr(part, "num_embeddings"):
            return (None,), "int32"
        if hasattr(part, "in_channels"):
            return ((None, part.in_channels) if hasattr(part, "steps_first") else (part.in_channels, None)), None
        if hasattr(part, "normalized_shape"):
            return (*steps, *part.normalized_shape), None
        if hasattr(part, "num_features") and steps and not hasattr(part, "steps_first"):
            return (part.num_features, None), None  # channels first
        size = getattr(part, "input_size", getattr(part, "in_features", getattr(part, "num_features", None)))
        if size is not None:
            return (*steps, size), None
    raise ValueError("input_shape must be that of the inputs, as no module says it, got None")


def _inputs_dtype(lines: Any) -> str | None:
    return "int32" if lines and isinstance(lines[0].layers[0], L.Embedding) else None
