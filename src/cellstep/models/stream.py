"""A stream of a whole model: its layers' stages, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import core
from ..kernels.stages import Lookup
from ..layers import Layer, Stream
from ..layers.module import Shape


def line_of_layers(model: Any) -> list[Layer]:
    """The layers of a model in which each takes the outputs of the one before.

    Raises:
        NotImplementedError: a subclass says what to compute. ValueError: there is no graph, or it has branches.
    """
    graph = model._graph
    if graph is None:
        raise ValueError(f"{model.name} is a subclass, and a stream needs a model made of tensors, or a Sequential")
    if model.computes_itself:
        raise NotImplementedError(f"{type(model).__name__} says itself what to compute, so it cannot be streamed")
    line: list[Layer] | None = graph.line()
    if line is None:
        raise ValueError(f"{model.name} has several inputs, outputs or branches, and a stream needs layers in one line")
    return line


def make_stream(
    name: str, layers: Sequence[Layer], shape: Shape, input_dtype: np.dtype[Any] | None, batch_size: int
) -> Stream:
    """A stream of layers that are built.

    Args:
        name: the model's.
        layers: in order.
        shape: of the inputs that they were built for.
        input_dtype: what the model's Input asks for, None without one.
        batch_size: how many rows.

    Raises:
        ValueError: it is no model over sequences, or an argument of a layer has no meaning step by step.
        NotImplementedError: layers of several dtypes, or what streams do not compute.
    """
    if not layers:
        raise ValueError(f"{name} has no layers: add one")
    first = layers[0]
    for layer in layers:
        if layer.dtype != first.dtype:
            raise NotImplementedError(
                f"dtype of {layer.name} must be {first.dtype} in a stream, as that of {first.name}, got {layer.dtype}"
            )
    stages = [(layer.name, stage) for layer in layers for stage in layer.stages()]
    lookups = [isinstance(stage, Lookup) for _, stage in stages]
    if any(lookups[1:]):
        raise NotImplementedError(f"an Embedding must come first in a stream, got one further on in {name}")
    numbers = any(lookups)
    if len(shape) != (2 if numbers else 3) or not (numbers or shape[-1]):
        wanted = "(batch, time) integers" if numbers else "(batch, time, features)"
        raise ValueError(f"expected a model of inputs {wanted} for a stream, got {name} of {core.describe(shape)}")
    integers = input_dtype is not None and input_dtype.kind in "iu"
    if integers and not numbers:
        raise NotImplementedError(f"Input of dtype {input_dtype} is not built for streams, but before an Embedding")
    return Stream(name, stages, batch_size, None if numbers else shape[-1], first.dtype, integers)
