"""ONNX files as graphs of operators: read, and checked as far as their structure goes. Nothing in a file is run.

A file is protobuf, which the `onnx` package reads. What is refused is said with the node, its operator and the opset.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from ...core import brief
from ...untrusted import FileError, Limit, blamed, library, named, open_file

#: Versions of the standard operators that are read.
OPSETS = (1, 28)
#: Dtypes by their numbers in a file.
DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    11: "float64",
    12: "uint32",
    13: "uint64",
}
_OTHER_DTYPES = {8: "string", 10: "float16", 14: "complex64", 15: "complex128", 16: "bfloat16"}


#: What a node takes in memory, at least: itself, its layer and its tensor.
NODE_BYTES = 4096


#: Attributes that say nothing that is not known without them, or that concern training alone.
WITHOUT_EFFECT = {
    *("kernel_shape", "output_sequence", "momentum", "spatial", "consumed_inputs", "seed", "ratio", "is_test"),
    *("stash_type", "storage_order", "count_include_pad", "saturate", "round_mode", "sorted", "softmax_precision"),
}


@contextmanager
def placed(file: str, place: str) -> Iterator[None]:
    """What is raised in the block becomes a `FileError` for this place, where it does not say one."""
    try:
        with blamed(file, place, (Exception,)):
            yield
    except FileError as error:
        if error.place:
            raise
        raise FileError(error.file, place, error.reason) from error


class Unsupported(Exception):
    """What a node asks for is not built, or makes no sense: the end of a sentence that begins with its place."""


@dataclass
class Operator:
    """One node of a graph.

    Attributes:
        kind: the name of its operator. place: where it stands, for messages. version: of the operators.
        inputs, outputs: names of values, empty for those left out. attributes: by name, as Python has them.
    """

    kind: str
    place: str
    version: int
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    seen: set[str] = field(default_factory=set)

    def attribute(self, name: str, default: Any = None) -> Any:
        self.seen.add(name)
        return self.attributes.get(name, default)

    def unseen(self) -> list[str]:
        """Attributes that nothing has asked for, and that make a difference."""
        return [name for name in self.attributes if name not in self.seen and name not in WITHOUT_EFFECT]

    def has(self, i: int) -> bool:
        """Whether it is given input number i."""
        return len(self.inputs) > i and bool(self.inputs[i])

    def gives(self, i: int) -> bool:
        """Whether output number i has a name."""
        return len(self.outputs) > i and bool(self.outputs[i])


@dataclass
class GraphFile:
    """The graph of a file.

    Attributes:
        file: its name. limit: of the memory that it may take. constants: its initializers.
        inputs: for each name dtype and sizes, an integer, or a name, which may be empty. outputs: names and dtypes.
        users: of values, by name. rows: of kernels, that its cells have of their own.
    """

    file: str
    limit: Limit
    operators: list[Operator]
    constants: dict[str, np.ndarray[Any, Any]]
    inputs: dict[str, tuple[np.dtype[Any], list[Any]]]
    outputs: dict[str, np.dtype[Any] | None]
    users: dict[str, list[Operator]] = field(default_factory=dict)
    rows: set[str] = field(default_factory=set)


def read(source: Any, max_bytes: int | None = None) -> GraphFile:
    """The graph of a path, bytes, or an `onnx.ModelProto`.

    Raises:
        FileError: damaged, or nothing that is read here. FileNotFoundError: no such file.
        ModuleNotFoundError: the onnx package is not installed.
    """
    onnx = library("onnx", "onnx", "ONNX files")
    if isinstance(source, onnx.ModelProto):
        proto, file, size = source, "the model given as source", source.ByteSize()
    elif isinstance(source, bytes | bytearray | memoryview):
        file, size = "the bytes given as source", memoryview(source).nbytes
        with blamed(file, "", (Exception,)):
            proto = onnx.ModelProto.FromString(bytes(source))
    else:
        file = named(source, "source")
        with open_file(source, "source") as opened, blamed(file, "", (Exception,)):
            size = opened.seek(0, os.SEEK_END)
            opened.seek(0)
            proto = onnx.ModelProto.FromString(opened.read())  # and the bytes are let go
    limit = Limit(file, size, max_bytes)
    with blamed(file, "", (Exception,)):
        if proto.functions:
            number = _inlined(proto)
            limit.take(f"a graph of {number} nodes", NODE_BYTES * number, "functions")
            proto = library("onnx.inliner", "onnx", "ONNX files").inline_local_functions(proto)
        return _graph(onnx, proto, file, limit)


def _inlined(proto: Any) -> int:
    """How many nodes a model has where its functions stand in the places of their names."""
    functions = {(f.domain, f.name): f.node for f in proto.functions}

    @cache
    def of_function(key: tuple[str, str]) -> int:
        return number(functions[key])

    def number(nodes: Any) -> int:
        parts = [g.node for node in nodes for a in node.attribute for g in [a.g, *a.graphs] if g.node]
        keys = [(node.domain, node.op_type) for node in nodes]
        return len(nodes) + sum(of_function(key) for key in keys if key in functions) + sum(map(number, parts))

    return number(proto.graph.node)


def _graph(onnx: Any, proto: Any, file: str, limit: Limit) -> GraphFile:
    versions = {entry.domain or "ai.onnx": entry.version for entry in proto.opset_import}
    version = versions.get("ai.onnx", 1 if proto.ir_version < 3 else None)
    if version is None or not OPSETS[0] <= version <= OPSETS[1]:
        raise FileError(file, "", f"opset must be from {OPSETS[0]} to {OPSETS[1]}, got {version}")
    graph = proto.graph
    limit.take(f"a graph of {len(graph.node)} nodes", NODE_BYTES * len(graph.node), "nodes")
    if graph.sparse_initializer:
        raise FileError(file, "", "expected dense initializers, got sparse_initializer")
    constants: dict[str, np.ndarray[Any, Any]] = {}
    for tensor in graph.initializer:
        with placed(file, f"initializer {brief(tensor.name)}"):
            _once(tensor.name, constants)
            constants[tensor.name] = array_of(onnx, tensor, limit)
    inputs: dict[str, tuple[np.dtype[Any], list[Any]]] = {}
    for entry in graph.input:
        if entry.name not in constants:
            with placed(file, f"input {brief(entry.name)}"):
                _once(entry.name, inputs)
                inputs[entry.name] = _type(entry, limit)
    operators, known = [], {*constants, *inputs}
    for i, node in enumerate(graph.node):
        kind = node.op_type if len(node.op_type) < 100 else brief(node.op_type)
        place = f"node {i} {brief(node.name)} ({kind}, opset {version})"
        with placed(file, place):
            operator = _operator(onnx, node, place, version, limit)
            for name in operator.inputs:
                if name and name not in known:
                    raise FileError(file, place, f"input {brief(name)} must be given by a node before this one")
            for name in operator.outputs:
                if name:
                    _once(name, known)
                    known.add(name)
        operators.append(operator)
    outputs: dict[str, np.dtype[Any] | None] = {}
    for entry in graph.output:
        if entry.name not in known:
            raise FileError(file, f"output {brief(entry.name)}", "expected a node that gives it, got none")
        _once(entry.name, outputs)
        kind = entry.type.tensor_type.elem_type
        outputs[entry.name] = np.dtype(DTYPES[kind]) if kind in DTYPES else None
    if not outputs:
        raise FileError(file, "", "expected a graph with outputs, got none")
    operators = _needed(operators, set(outputs))
    users: dict[str, list[Operator]] = {}
    for operator in operators:
        for name in {*operator.inputs} - {""}:
            users.setdefault(name, []).append(operator)
    return GraphFile(file, limit, operators, constants, inputs, outputs, users)


def _needed(operators: list[Operator], names: set[str]) -> list[Operator]:
    """Those that the values of these names depend on."""
    kept = []
    for operator in reversed(operators):
        if not names.isdisjoint(operator.outputs):
            kept.append(operator)
            names |= {*operator.inputs} - {""}
    return kept[::-1]


def _once(name: str, known: Iterable[str]) -> None:
    if not name or name in known:
        raise ValueError(f"expected a name of its own, got {brief(name)}{' twice' if name else ''}")


def _type(entry: Any, limit: Limit) -> tuple[np.dtype[Any], list[Any]]:
    """Dtype and sizes of a graph's input."""
    if not entry.type.HasField("tensor_type"):
        raise ValueError(f"expected a tensor, got {entry.type.WhichOneof('value')}")
    kind = entry.type.tensor_type
    if not kind.HasField("shape"):
        raise ValueError("expected a shape, at least the number of axes, got none")
    sizes = [d.dim_value if d.WhichOneof("value") == "dim_value" else d.dim_param for d in kind.shape.dim]
    if any(isinstance(n, int) and n < 0 for n in sizes):
        sizes = ["" if isinstance(n, int) and n < 0 else n for n in sizes]
    dtype = dtype_of(kind.elem_type)
    # shapes are worked out with arrays of them, with an axis of 24 for an open one
    limit_of_one = math.prod(24 if isinstance(n, str) else n for n in sizes) * dtype.itemsize
    limit.take("an input of its sizes", limit_of_one)
    limit.left += limit_of_one
    return dtype, sizes


def dtype_of(kind: int) -> np.dtype[Any]:
    """The dtype with this number."""
    if kind not in DTYPES:
        raise ValueError(
            f"dtype must be one of {', '.join(DTYPES.values())}, got {_OTHER_DTYPES.get(kind, f'number {kind}')}"
        )
    return np.dtype(DTYPES[kind])


def array_of(onnx: Any, tensor: Any, limit: Limit) -> np.ndarray[Any, Any]:
    """The values of a tensor in a file."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise ValueError(
            "expected its values in the file itself, got a reference to another file; onnx.load(path) and "
            "onnx.save(model, path) put them there"
        )
    dtype, shape = dtype_of(tensor.data_type), tuple(tensor.dims)
    if any(n < 0 for n in shape):
        raise ValueError(f"expected sizes that are not negative, got {brief(shape)}")
    limit.take(f"a tensor of shape {brief(shape)}", math.prod(shape) * dtype.itemsize)
    return np.asarray(onnx.numpy_helper.to_array(tensor), dtype).reshape(shape)


def _operator(onnx: Any, node: Any, place: str, version: int, limit: Limit) -> Operator:
    if not isinstance(node.op_type, str):  # bytes, where they are no text
        raise ValueError(f"expected the name of an operator, got {brief(node.op_type)}")
    if node.domain not in ("", "ai.onnx"):
        raise ValueError(f"expected an operator of ONNX itself, got one of domain {brief(node.domain)}")
    attributes: dict[str, Any] = {}
    for entry in node.attribute:
        if entry.ref_attr_name:
            raise ValueError(f"attribute {brief(entry.name)} refers to a function's, and stands in none")
        if entry.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            raise ValueError(f"{node.op_type} has a graph inside (attribute {brief(entry.name)}), which is not built")
        if entry.type == onnx.AttributeProto.TENSOR:
            attributes[entry.name] = array_of(onnx, entry.t, limit)
            continue
        value = onnx.helper.get_attribute_value(entry)
        if isinstance(value, bytes):
            value = value.decode()
        elif isinstance(value, list | tuple) or hasattr(value, "append"):
            value = [part.decode() if isinstance(part, bytes) else part for part in value]
        attributes[entry.name] = value
    return Operator(node.op_type, place, version, list(node.input), list(node.output), attributes)
