"""Pictures of models: Graphviz's text, and files drawn by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .. import atomic, core
from ..layers.configuration import not_built


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> str:
    """The graph of a model in Graphviz's language: a box for each call of a layer, an arrow for each tensor.

    Args:
        model: a Model made of tensors, or a Sequential.
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable: what the boxes say.
        rankdir: "TB" from top to bottom, "LR" from left to right.
        dpi: dots per inch of pictures.
        expand_nested, subgraph: not built; False.

    Raises:
        ValueError: the model is a subclass, or a Sequential that is not built where shapes are asked for.
    """
    not_built(False, expand_nested=expand_nested, subgraph=subgraph)
    if rankdir not in ("TB", "LR", "BT", "RL"):
        raise ValueError(f"rankdir must be 'TB', 'LR', 'BT' or 'RL', got {rankdir!r}")
    graph = model._graph
    if graph is None:
        raise ValueError(f"model must be made of tensors or a Sequential to be drawn, got {model!r}, a subclass")
    shapes: list[Any] = []
    if show_shapes or show_dtype:
        inputs = model.input_shapes
        if inputs is None:
            raise ValueError(
                f"{model.name} is not built, so it has no shapes to show: give it an Input, or call it once"
            )
        shapes = graph.shapes(inputs)

    def label(layer: Any, places: list[int]) -> str:
        lines = [f"{layer.name} ({layer.keras_name})" if show_layer_names else layer.keras_name]
        activation = getattr(getattr(layer, "activation", None), "name", None)
        if show_layer_activations and activation:
            lines.append(f"activation: {activation}")
        if show_shapes:
            lines.append("output: " + ", ".join(str(shapes[place]) for place in places))
        if show_dtype:
            lines.append(f"dtype: {layer.output_dtype}")
        if show_trainable:
            lines.append("trainable" if layer.trainable else "frozen")
        return json.dumps("\n".join(lines))

    lines = ["digraph model {", f"  graph [rankdir={rankdir}, dpi={dpi}];", "  node [shape=box];"]
    giver: dict[int, str] = {}
    for i, (head, place) in enumerate(zip(model._signature.heads, graph.inputs, strict=False)):
        giver[place] = f"input{i}"
        lines.append(f"  input{i} [label={label(head, [place])}];")
    for i, step in enumerate(graph.steps):
        lines.append(f"  call{i} [label={label(step.layer, step.places)}];")
        lines += [f"  {giver[place]} -> call{i};" for place in dict.fromkeys(step.needs) if place in giver]
        giver.update(dict.fromkeys(step.places, f"call{i}"))
    return "\n".join([*lines, "}"]) + "\n"


def plot_model(
    model: Any,
    to_file: str | Path = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Path:
    """Draw a model into a file; arguments as for `model_to_dot`.

    Args:
        to_file: its ending says the format. `.dot` needs nothing; pictures need the graphviz package and program.

    Returns:
        the path.

    Raises:
        ImportError: the graphviz package or program is not installed; the message says how to get it.
    """
    options = dict(locals())
    del options["to_file"]
    text = model_to_dot(**options)
    path = core.check_path("to_file", to_file)
    if path.suffix in (".dot", ".gv"):
        atomic.write(path, text)
        return path
    try:
        import graphviz
    except ModuleNotFoundError:
        raise ImportError(
            "plot_model needs Graphviz to draw: pip install 'cellstep[graphviz]', and install its program dot; "
            "or give a .dot file"
        ) from None
    try:
        atomic.write(path, graphviz.Source(text).pipe(format=path.suffix[1:] or "png"))
    except graphviz.ExecutableNotFound:
        raise ImportError("plot_model needs the program dot of Graphviz: install the package graphviz") from None
    return path
