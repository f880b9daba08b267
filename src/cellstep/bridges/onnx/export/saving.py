"""Models as ONNX files."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import atomic, core
from ....layers import InputLayer, nested
from ....models import Model
from ....models.network import Network
from ....untrusted import library
from .writer import Call, CannotExport, Value, Writer, rule, write


def to_onnx(
    model: Any, path: Any = None, *, step: bool = False, states: bool = False, lengths: bool = False, opset: int = 17
) -> bytes:
    """A model as an ONNX file, with batch and time open where the model leaves them open.

    Recurrent layers become the operators RNN, LSTM and GRU. Inputs and outputs have the names, the order and the axes
    of the model's. What drops or adds noise in training does nothing.

    Args:
        model: a Sequential, or a Model made of tensors; built.
        path: where to write it; nowhere where None.
        step: write one step, in place of sequences: inputs (batch, features), and the states of the recurrent layers
            as inputs, called as in a stream (`lstm/h`), and as outputs (`lstm/h_next`).
        states: the states of the recurrent layers are inputs and outputs of the sequence, called likewise.
        lengths: a further input `lengths`, (batch,) int32, says how many steps each row has. Masks of Embedding and
            Masking become such lengths too, so padding has to be on the right.
        opset: the version of the operators, from 17 to 22.

    Returns:
        The bytes of the file.

    Raises:
        NotImplementedError: a layer, or an option of one, that has no form in ONNX; it names the layer.
        ValueError, TypeError: no such model, or it is not built. ModuleNotFoundError: the onnx package is missing.

    Example:
        >>> data = to_onnx(model, "tagger.onnx")
    """
    onnx = library("onnx", "onnx", "ONNX files")
    if not isinstance(model, Network):
        raise TypeError(f"model must be a Sequential or a Model, got {core.brief(model)}")
    if path is not None:
        path = core.check_path("path", path)
    if not 17 <= core.check_count("opset", opset) <= 22:
        raise ValueError(f"opset must be from 17 to 22, got {opset}")
    if step and lengths:
        raise ValueError("lengths must be False for a step, got True")
    shapes, graph = model.input_shapes, model._graph
    if graph is None or shapes is None or not model.built:
        raise ValueError(f"expected a model made of tensors that is built, got {model.name}")
    w = Writer(opset, step or states, step)
    signature: Any = model._signature
    heads = signature.heads or [InputLayer(batch_shape=shape) for shape in shapes]
    names = [w.name(n) for n in (signature.input_names or [head.name for head in heads])]
    w.names |= {*_output_names(model)}
    given = [_input(w, name, head, step) for name, head in zip(names, heads, strict=True)]
    if lengths:
        given = _with_lengths(w, model, given)
    outputs = run(w, model, given)
    if step:
        outputs = [_last(w, y) for y in outputs]
    ends = [*_ends(w, model, outputs)]
    proto = onnx.helper.make_model(
        onnx.helper.make_graph(
            w.nodes,
            model.name,
            [_info(onnx, *entry) for entry in w.inputs],
            [_info(onnx, *entry) for entry in ends],
            [onnx.numpy_helper.from_array(a, name) for name, a in w.constants.items()],
        ),
        opset_imports=[onnx.helper.make_opsetid("", opset)],
        ir_version=8,
        producer_name="cellstep",
    )
    onnx.checker.check_model(proto)
    data: bytes = proto.SerializeToString()
    if path is not None:
        atomic.write(path, data)
    return data


def _info(onnx: Any, name: str, dtype: Any, sizes: Any) -> Any:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), sizes)


def _input(w: Writer, name: str, head: Any, step: bool) -> Value:
    """An input of the graph; of a step without the axis of time, which is put in."""
    shape, dtype = head.batch_shape, head.dtype
    words = ["batch", "time", *(f"{name}/{i}" for i in range(2, len(shape)))]
    sizes = [words[i] if n is None else n for i, n in enumerate(shape)]
    if not step:
        w.inputs.append((name, dtype, sizes))
        return Value(name, tuple(shape), np.dtype(dtype))
    if len(shape) < 2:
        raise CannotExport(f"{name} has no axis of time, which a step needs, got shape {core.describe(shape)}")
    w.inputs.append((name, dtype, [sizes[0], *sizes[2:]]))
    return Value(w.unsqueeze(name, 1), (shape[0], 1, *shape[2:]), np.dtype(dtype))


def _with_lengths(w: Writer, model: Any, given: list[Value]) -> list[Value]:
    """The inputs with lengths that are an input too; of several inputs one for each that has steps."""
    made = []
    for x in given:
        if x.ndim < 2 or x.shape[1] is not None:
            made.append(x)
            continue
        name = w.input("lengths" if len(given) == 1 else f"{x.name}/lengths", np.int32, ["batch"])
        steps = w.squeeze(w.size(x.name, 1), 0)
        numbers = [w.constant(n, "number", np.int64) for n in (0, 1)]
        places = w.node("Range", numbers[0], steps, numbers[1])
        counts = w.unsqueeze(w.node("Cast", name, to=w.helper.np_dtype_to_tensor_dtype(np.dtype("int64"))), 1)
        made.append(Value(x.name, x.shape, x.dtype, w.node("Less", w.unsqueeze(places, 0), counts), name, True))
    if all(x.lengths is None for x in made):
        raise ValueError(f"lengths must be False, as no input of {model.name} has an open axis of time, got True")
    return made


def _last(w: Writer, y: Value) -> Value:
    """An output of a step, without its axis of time."""
    if y.ndim > 2 and y.shape[1] == 1:
        return Value(w.squeeze(y.name, 1), (y.shape[0], *y.shape[2:]), y.dtype)
    return y


def _output_names(model: Any) -> list[str]:
    return list(model.output_names)


def _ends(w: Writer, model: Any, outputs: list[Value]) -> list[tuple[str, Any, Any]]:
    """The outputs of the graph, under their names, and the states."""
    names, ends, words = _output_names(model), [], ("batch", "time")
    for i, y in enumerate(outputs):
        named = len(names) == len(outputs) and names.count(names[i]) == 1 and all(names[i] != e[0] for e in w.inputs)
        name = names[i] if named else w.name(names[i] if len(names) == len(outputs) else f"output_{i}")
        w.nodes.append(w.helper.make_node("Identity", [y.name], [name]))
        sizes = [(words[i] if i < 2 else f"{name}/{i}") if n is None else n for i, n in enumerate(y.shape)]
        # a time that is not that of the inputs has a name of its own
        if len(sizes) > 1 and sizes[1] == "time":
            sizes[1] = f"{name}/1"
        ends.append((name, y.dtype, sizes))
    for name, dtype, (made, units) in w.states:
        name = w.name(name)
        w.nodes.append(w.helper.make_node("Identity", [made], [name]))
        ends.append((name, dtype, ["batch", units]))
    return ends


def run(w: Writer, model: Any, given: list[Value]) -> list[Value]:
    """The outputs of a model's graph."""
    graph = model._graph
    if graph is None or model.computes_itself:
        raise CannotExport(f"{model.name} says itself what to compute, so it cannot be written as ONNX")
    values: dict[int, Value] = dict(zip(graph.inputs, given, strict=True))

    def shape_of(place: int) -> Any:
        return values[place].shape

    for step in graph.steps:
        inputs = [values[place] for place in nested.flatten(step.x)]
        _check(w, step, inputs)
        if step.mask is not None:
            masks = [values[place] for place in nested.flatten(step.mask)]
            inputs = [w.masked(x, m.name) for x, m in zip(inputs, masks, strict=True)]
        named = {key: [values[place] for place in nested.flatten(part)] for key, part in step.named.items()}
        shapes = step.shapes(nested.change(step.x, shape_of), nested.change(step.named, shape_of))
        options = {key: value for key, value in step.options.items() if not (key == "training" and not value)}
        if options:
            raise CannotExport(
                f"{step.layer.name} cannot be written as ONNX, as it is called with {', '.join(options)}"
            )
        made = write(w, step.layer, inputs, Call(step.layer, inputs, named, shapes))
        values |= dict(zip(step.places, made, strict=True))
    return [values[place] for place in graph.outputs]


def _check(w: Writer, step: Any, inputs: list[Value]) -> None:
    """CannotExport for a layer that looks at other steps than its own, in a step."""
    if not w.step or not inputs:
        return
    layer, rank = step.layer, max(x.ndim for x in inputs)
    known = hasattr(layer, "runner") or rank < 3 or isinstance(layer, Network)
    if not known and layer.reach(rank) != "step":
        raise CannotExport(f"{layer.name} looks at several steps, so it cannot be written as a step")


@rule(Model, Network)
def _nested(w: Writer, call: Call) -> list[Value]:
    return run(w, call.layer, call.inputs)
