"""clone_model: the same layers and calls with new weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..layers import Input, InputLayer, Layer, SymbolicTensor, nested
from ..layers.configuration import not_built
from .compile_config import compile_as
from .model import Model
from .sequential import Sequential


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: None = None,
    recursive: bool = False,
) -> Model:
    """A model of new layers, with weights of their own, that are called as those of `model` are, and compiled likewise
    where `model` is.

    Args:
        model: a Sequential, or a Model made of tensors.
        input_tensors: what to call the new layers on, in place of new Inputs; for a Model alone.
        clone_function: gives the new layer for an old one; by default one of the same configuration.
        call_function: not built; None.
        recursive: clone models inside by `clone_model`, with the same clone_function.

    Raises:
        TypeError: `model` is no such model.

    Example:
        >>> model = Sequential([Input((None, 3)), LSTM(16), Dense(1)])
        >>> twin = clone_model(model)
        >>> twin.set_weights(model.get_weights())
    """
    not_built(call_function=call_function)
    if not isinstance(model, Model):
        raise TypeError(f"model must be a Sequential or a Model, got {model!r}")

    if clone_function is not None and not callable(clone_function):
        raise TypeError(f"clone_function must be a function of a layer, got {clone_function!r}")

    def copied(layer: Layer) -> Any:
        if recursive and isinstance(layer, Model):
            return clone_model(layer, None, clone_function, None, True)
        return type(layer).from_config(layer.get_config()) if clone_function is None else clone_function(layer)

    if isinstance(model, Sequential):
        not_built(input_tensors=input_tensors)
        head = [] if model.head is None else [InputLayer.from_config(model.head.get_config())]
        twin = Sequential([*head, *map(copied, model.layers)], model.trainable, model.name)
        if model.built and not head and model.input_shape is not None:
            twin.build(model.input_shape)
        compile_as(model, twin)
        return twin
    graph = model._graph
    if graph is None:
        raise TypeError(f"model must be a Sequential or made of tensors, got {model!r}, a subclass")
    if input_tensors is None:
        inputs: list[Any] = [
            Input(batch_shape=head.batch_shape, dtype=head.dtype, name=head.name) for head in model._signature.heads
        ]
    else:
        inputs = nested.flatten(input_tensors)
        if len(inputs) != len(graph.inputs) or not all(isinstance(t, SymbolicTensor) for t in inputs):
            raise ValueError(f"input_tensors must be {len(graph.inputs)} symbolic tensors, got {input_tensors!r}")
    swap = {id(step.layer): step.layer for step in graph.steps}
    swap = {key: copied(layer) for key, layer in swap.items()}
    outputs = graph.reconnect(inputs, swap)
    signature = model._signature
    copy = type(model)(
        nested.pack(signature.inputs, inputs), nested.pack(signature.outputs, outputs), model.name, model.trainable
    )
    compile_as(model, copy)
    return copy
