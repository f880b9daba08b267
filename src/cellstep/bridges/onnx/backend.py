"""ONNX's interface of backends: `bridges.onnx_backend`, which the tests of the `onnx` package run on.

    from onnx.backend.test import BackendTest

    test = BackendTest(bridges.onnx_backend, __name__)

Inputs may be any arrays that a graph takes, of any axes; the operators are those of `from_onnx`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...exports import public
from ...layers.reading import Reading, reading
from ...untrusted import library
from .importer import Importer
from .reading import GraphFile, read

__all__ = ["Prepared", "is_compatible", "prepare", "run_model", "run_node", "supports_device"]
__dir__ = public(globals())


class Prepared:
    """A model that is read. `run(inputs)` gives its outputs.

    Args:
        graph: what it computes.
    """

    def __init__(self, graph: GraphFile) -> None:
        self.graph = graph

    def run(self, inputs: Any, **options: Any) -> tuple[Any, ...]:
        """The outputs, as a named tuple, for arrays in the order of the graph's inputs, or by their names.

        Raises:
            ValueError: there are more or fewer. FileError: what a node asks for is not built.
        """
        names = list(self.graph.inputs)
        if isinstance(inputs, dict):
            inputs = [inputs[name] for name in names]
        elif not isinstance(inputs, list | tuple):
            inputs = [inputs]
        if len(inputs) != len(names):
            raise ValueError(f"expected inputs to be {len(names)} arrays ({', '.join(names)}), got {len(inputs)}")
        values = {name: np.asarray(a) for name, a in zip(names, inputs, strict=True)}
        with reading(Reading()):
            outputs = [np.asarray(y) for y in Importer(self.graph, values).run()]
        made: tuple[Any, ...] = library("onnx.backend.base", "onnx", "ONNX backends").namedtupledict(
            "Outputs", list(self.graph.outputs)
        )(*outputs)
        return made


def is_compatible(model: Any, device: str = "CPU", **options: Any) -> bool:
    """Whether a model can be prepared."""
    try:
        prepare(model, device)
    except ValueError:
        return False
    return True


def prepare(model: Any, device: str = "CPU", **options: Any) -> Prepared:
    """A model, read.

    Args:
        model: an `onnx.ModelProto`, a path, or bytes. device: "CPU".

    Raises:
        FileError: it cannot be read. ValueError: another device.
    """
    if not supports_device(device):
        raise ValueError(f"device must be 'CPU', got {device!r}")
    return Prepared(read(model))


def run_model(model: Any, inputs: Any, device: str = "CPU", **options: Any) -> tuple[Any, ...]:
    """The outputs of a model for these inputs."""
    return prepare(model, device).run(inputs)


def run_node(
    node: Any, inputs: Any, device: str = "CPU", outputs_info: Sequence[Any] | None = None, **options: Any
) -> tuple[Any, ...]:
    """The outputs of one node.

    Args:
        node: an `onnx.NodeProto`. inputs: its inputs, without those that are left out. outputs_info: dtypes and shapes.
    """
    onnx = library("onnx", "onnx", "ONNX backends")
    names = [name for name in node.input if name]
    arrays = [np.asarray(a) for a in (inputs if isinstance(inputs, list | tuple) else [inputs])]
    info = onnx.helper.make_tensor_value_info
    ins = [
        info(name, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in zip(names, arrays, strict=True)
    ]
    outs = [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in node.output if name]
    opset = options.get("opset_version", onnx.defs.onnx_opset_version())
    graph = onnx.helper.make_graph([node], "node", ins, outs)
    return run_model(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)]), arrays)


def supports_device(device: str) -> bool:
    """Whether it is a CPU."""
    return device.partition(":")[0] == "CPU"
