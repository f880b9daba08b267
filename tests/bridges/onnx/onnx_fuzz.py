"""Damaged ONNX files: `python tests/bridges/onnx/onnx_fuzz.py 20000` reads so many, and says what became of them.

A file is refused by a FileError, or gives a model. Anything else ends the run and prints how to make the file again.
"""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cellstep import Input, Model, Sequential, bridges, layers

KINDS = ("LSTM", "GRU", "RNN", "Conv", "Reshape", "Expand", "Gather", "Slice", "Pad", "Tile", "MatMul", "Concat")
KINDS += ("ConstantOfShape", "Range", "Where", "Softmax", "If", "Loop", "Squeeze", "OneHot", "Einsum", "Nothing")


def files() -> list[bytes]:
    """Sound files to damage: of this package, and one with the shape arithmetic of exporters."""
    ids = Input((None,), dtype="int32")
    h = layers.Embedding(11, 4, mask_zero=True)(ids)
    y, *states = layers.LSTM(5, return_sequences=True, return_state=True)(h)
    nets = [
        Model(ids, [layers.Dense(3, activation="softmax")(y), *states]),
        Sequential([Input((None, 4)), layers.Bidirectional(layers.GRU(3, return_sequences=True)), layers.Dense(2)]),
        Sequential([Input((8, 4)), layers.Conv1D(6, 3), layers.BatchNormalization(), layers.SimpleRNN(3)]),
    ]
    made = [bridges.to_onnx(net) for net in nets] + [bridges.to_onnx(nets[1], lengths=True)]
    rng = np.random.default_rng(0)
    arrays = {"W": rng.normal(size=(1, 16, 3)), "R": rng.normal(size=(1, 16, 4)), "K": rng.normal(size=(4, 2))}
    constants = [numpy_helper.from_array(a.astype("f4"), n) for n, a in arrays.items()]
    numbers = {"zero": 0, "one": [1], "units": [4], "axis": [0], "flat": [-1, 4]}
    constants += [numpy_helper.from_array(np.array(v, np.int64), n) for n, v in numbers.items()]
    node = helper.make_node
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"], axis=0),
        node("Unsqueeze", ["batch", "axis"], ["b"]),
        node("Concat", ["one", "b", "units"], ["to"], axis=0),
        node("ConstantOfShape", ["to"], ["h0"]),
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        node("LSTM", ["xt", "W", "R", "", "", "h0", "h0"], ["Y", "Y_h"], hidden_size=4),
        node("Squeeze", ["Y", "one"], ["y"]),
        node("Transpose", ["y"], ["z"], perm=[1, 0, 2]),
        node("Reshape", ["z", "flat"], ["rows"]),
        node("MatMul", ["rows", "K"], ["out"]),
    ]
    info = helper.make_tensor_value_info
    ends = [info("x", TensorProto.FLOAT, ["B", "T", 3])], [info("out", TensorProto.FLOAT, None)]
    proto = helper.make_model(
        helper.make_graph(nodes, "g", *ends, constants), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    return [*made, proto.SerializeToString()]


def damaged(seed: int, sound: list[bytes]) -> bytes:
    """One of the files with a few things changed: bytes, or what they say."""
    rng = np.random.default_rng(seed)
    data = bytearray(sound[int(rng.integers(len(sound)))])
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 8))):
            way, at = int(rng.integers(4)), int(rng.integers(len(data)))
            if way == 0:
                data[at] = int(rng.integers(256))
            elif way == 1:
                data = data[: max(at, 1)]
            elif way == 2:
                data[at:at] = bytes(rng.integers(0, 256, int(rng.integers(1, 9)), dtype=np.uint8))
            else:
                data[at : at + int(rng.integers(1, 9))] = b""
            data = data or bytearray(1)
        return bytes(data)
    proto = onnx.ModelProto.FromString(bytes(data))
    for _ in range(int(rng.integers(1, 4))):
        _change(rng, proto)
    return bytes(proto.SerializeToString())


def _number(rng: Any) -> int:
    return int(rng.choice([0, 1, -1, 2, 3, -3, 7, 255, 2**20, 2**31 - 1, 2**40, -(2**63), 2**62]))


def _change(rng: Any, proto: Any) -> None:
    graph = proto.graph
    if not graph.node:
        return
    node = graph.node[int(rng.integers(len(graph.node)))]
    # what is refused at once, such as another opset, not too often
    way = int(rng.choice(12, p=[0.14, 0.2, 0.08, 0.2, 0.06, 0.16, 0.02, 0.01, 0.07, 0.01, 0.04, 0.01]))
    if way == 0:
        node.op_type = str(rng.choice(KINDS))
    elif way == 1 and node.attribute:
        entry = node.attribute[int(rng.integers(len(node.attribute)))]
        entry.i = max(min(_number(rng), 2**63 - 1), -(2**63))
        if entry.ints:
            entry.ints[int(rng.integers(len(entry.ints)))] = _number(rng)
    elif way == 2:
        node.attribute.append(helper.make_attribute(str(rng.choice(["layout", "clip", "axis", "group", "to"])), 2))
    elif way == 3 and node.input:
        names = [n for other in graph.node for n in other.output] + [t.name for t in graph.initializer] + [""]
        node.input[int(rng.integers(len(node.input)))] = str(rng.choice(names))
    elif way == 4 and graph.initializer:
        tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
        tensor.dims.append(_number(rng))
    elif way == 5 and graph.initializer:
        tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
        a = np.array([_number(rng) for _ in range(int(rng.integers(1, 4)))], np.int64)
        tensor.CopyFrom(numpy_helper.from_array(a, tensor.name))
    elif way == 6 and graph.initializer:
        graph.initializer[int(rng.integers(len(graph.initializer)))].data_type = int(rng.integers(0, 30))
    elif way == 7:
        proto.opset_import[0].version = max(_number(rng), 1)
    elif way == 8:
        axes = graph.input[0].type.tensor_type.shape.dim
        if axes:
            axes[int(rng.integers(len(axes)))].dim_value = _number(rng)
    elif way == 9:
        graph.input[0].type.tensor_type.elem_type = int(rng.integers(0, 30))
    elif way == 10:
        graph.node.remove(node)
    elif graph.initializer:
        tensor = graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")


def outcomes(seeds: range) -> Iterator[tuple[int, str, float]]:
    """What became of each file, and in how many seconds of this process."""
    sound = files()
    for seed in seeds:
        data, begin = damaged(seed, sound), time.process_time()
        try:
            model = bridges.from_onnx(data)
            outcome = "read" if model.count_params() >= 0 else ""
        except bridges.FileError as error:
            outcome = "refused" if str(error).strip() else ""
        yield seed, outcome, time.process_time() - begin


def main() -> None:
    count = int(sys.argv[1])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counted: Counter[str] = Counter()
    slowest = (0.0, 0)
    seed = -1
    try:
        for seed, outcome, seconds in outcomes(range(count)):
            counted[outcome] += 1
            slowest = max(slowest, (seconds, seed))
    except BaseException:
        print(f"seed {seed + 1}")
        raise
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{dict(counted)}; slowest {slowest[0]:.2f} s (seed {slowest[1]}); memory grew by {grown:.0f} MB")


if __name__ == "__main__":
    main()
