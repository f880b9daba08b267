"""Graphs as exporters write them become the layers that a user would have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from bridges.onnx.onnx_nodes import expected, of_node
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from cellstep import bridges, models

rng = np.random.default_rng(5)
node = helper.make_node


def array(*shape: int) -> Any:
    return (rng.normal(size=shape) * 0.5).astype("f4")


def model_of(nodes: list[Any], inputs: dict[str, Any], arrays: dict[str, Any], outputs: list[str]) -> Any:
    kinds = {"f": TensorProto.FLOAT, "i": TensorProto.INT64}
    ins = [helper.make_tensor_value_info(n, kinds[kind], shape) for n, (kind, shape) in inputs.items()]
    outs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
    constants = [numpy_helper.from_array(np.asarray(a), n) for n, a in arrays.items()]
    made = helper.make_graph(nodes, "g", ins, outs, constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def kinds(model: Any) -> list[str]:
    return [getattr(layer, "operation", type(layer).__name__) for layer in model.operations]


def classifier() -> tuple[Any, dict[str, Any]]:
    """What PyTorch's exporter writes for Embedding, LSTM(batch_first=True), the last step, Linear and ReLU."""
    arrays = {"E": array(9, 3), "W": array(1, 16, 3), "R": array(1, 16, 4), "B": array(1, 32), "K": array(2, 4)}
    arrays |= {"b": array(2), "one": np.array([1]), "axis": np.array([0]), "units": np.array([4])}
    arrays |= {"zero": np.array(0), "last": np.array(-1)}
    nodes = [
        node("Gather", ["E", "ids"], ["x"]),
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"], axis=0),
        node("Unsqueeze", ["batch", "axis"], ["rows"]),
        node("Concat", ["one", "rows", "units"], ["to"], axis=0),
        node("ConstantOfShape", ["to"], ["h0"]),
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        node("LSTM", ["xt", "W", "R", "B", "", "h0", "h0"], ["Y", "Y_h", "Y_c"], hidden_size=4),
        node("Squeeze", ["Y", "one"], ["ys"]),
        node("Transpose", ["ys"], ["yt"], perm=[1, 0, 2]),
        node("Gather", ["yt", "last"], ["h"], axis=1),
        node("Gemm", ["h", "K", "b"], ["z"], transB=1),
        node("Relu", ["z"], ["y"]),
    ]
    return model_of(nodes, {"ids": ("i", ["B", "T"])}, arrays, ["y"]), arrays


def test_a_classifier_is_three_layers_that_learn_stream_and_are_saved(tmp_path: Path) -> None:
    proto, arrays = classifier()
    model = bridges.from_onnx(proto)
    assert kinds(model) == ["InputLayer", "Embedding", "LSTM", "Dense"]
    assert (model.input_names, model.output_names) == (["ids"], ["y"])
    ids = rng.integers(0, 9, (5, 7))
    want = ReferenceEvaluator(proto).run(None, {"ids": ids})[0]
    np.testing.assert_allclose(model.predict(ids, batch_size=2, verbose=0), want, rtol=1e-5, atol=1e-6)
    stream = model.stream(5)
    steps = [stream.step(ids[:, t]) for t in range(7)]
    np.testing.assert_array_equal(steps[-1], model(ids))
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(models.load_model(tmp_path / "m.keras")(ids), model(ids))
    data = bridges.to_onnx(model, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == data
    again = bridges.from_onnx(tmp_path / "m.onnx")
    assert kinds(again) == kinds(model)
    np.testing.assert_array_equal(again(ids), model(ids))
    model.compile("adam", "mse")
    losses = model.fit(ids, np.ones((5, 2)), epochs=40, verbose=0).history["loss"]
    assert losses[-1] < losses[0] * 0.9
    assert all((w.numpy() != a).any() for w, a in zip(model.weights[:1], [arrays["E"]], strict=True))


def test_both_directions_and_layers_without_transposes() -> None:
    arrays = {f"{k}{i}": array(*s) for i, n in ((0, 3), (1, 8)) for k, s in
              {"W": (2, 12, n), "R": (2, 12, 4), "B": (2, 24)}.items()}  # fmt: skip
    arrays["to"] = np.array([0, 0, -1])
    nodes: list[Any] = [node("Transpose", ["x"], ["x0"], perm=[1, 0, 2])]
    for i in range(2):
        weights = [f"{k}{i}" for k in "WRB"]
        options = dict(hidden_size=4, direction="bidirectional", linear_before_reset=1)
        nodes.append(node("GRU", [f"x{i}", *weights], [f"Y{i}"], **options))
        nodes.append(node("Transpose", [f"Y{i}"], [f"t{i}"], perm=[0, 2, 1, 3]))
        nodes.append(node("Reshape", [f"t{i}", "to"], [f"x{i + 1}"]))
    nodes.append(node("Transpose", ["x2"], ["y"], perm=[1, 0, 2]))
    model = bridges.from_onnx(model_of(nodes, {"x": ("f", ["B", "T", 3])}, arrays, ["y"]))
    assert kinds(model) == ["InputLayer", "Bidirectional", "Bidirectional"]
    x = array(3, 6, 3)
    seen = x.transpose(1, 0, 2)
    for i in range(2):
        feed, weights = {"X": seen}, {k: arrays[f"{k}{i}"] for k in "WRB"}
        gru = node("GRU", ["X", "W", "R", "B"], ["Y"], **options)
        (Y,) = expected(of_node(gru, {"X": ["T", "B", None]}, feed, weights, 17), feed)
        seen = Y.transpose(0, 2, 1, 3).reshape(*Y.shape[:1], 3, 8).astype("f4")
    np.testing.assert_allclose(model(x), seen.transpose(1, 0, 2), rtol=1e-4, atol=1e-5)


def time_first() -> Any:
    arrays = {"W": array(1, 12, 3), "R": array(1, 12, 4), "K": array(4, 2), "b": array(2), "one": np.array([1])}
    nodes = [
        node("GRU", ["x", "W", "R", "", "", "h0"], ["Y", "h"], hidden_size=4, linear_before_reset=1),
        node("Squeeze", ["Y", "one"], ["ys"]),
        node("MatMul", ["ys", "K"], ["z"]),
        node("Add", ["b", "z"], ["y"]),
    ]
    inputs = {"x": ("f", ["T", "B", 3]), "h0": ("f", [1, "B", 4])}
    return model_of(nodes, inputs, arrays, ["y", "h"])


def test_where_the_batch_is_not_first_nothing_is_cut() -> None:
    proto, x, h0 = time_first(), array(50, 3, 3), array(1, 3, 4)
    model = bridges.from_onnx(proto)
    whole = model([x, h0])
    for got, want in zip(model.predict([x, h0]), whole, strict=True):
        np.testing.assert_array_equal(got, want)
    for name in ("fit", "evaluate", "train_on_batch", "stream"):
        with pytest.raises(ValueError, match="batch_first=True"):
            getattr(model, name)([x, h0])
    first = bridges.from_onnx(proto, batch_first=True)
    assert [t.shape for t in first.inputs] == [(None, None, 3), (None, 1, 4)]
    turned = first.predict([x.transpose(1, 0, 2), h0.transpose(1, 0, 2)], batch_size=2, verbose=0)
    for got, want in zip(turned, whole, strict=True):
        np.testing.assert_allclose(got.transpose(1, 0, 2), want, rtol=1e-6, atol=1e-6)
    first.compile("sgd", "mse")
    first.fit([x.transpose(1, 0, 2), h0.transpose(1, 0, 2)], turned, verbose=0)


def test_sizes_of_open_axes_are_computed_with() -> None:
    arrays = {"K": array(3, 5), "flat": np.array([-1, 3]), "five": np.array([5]), "from": np.array([0]),
              "two": np.array([2]), "minus": np.array(-1)}  # fmt: skip
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Slice", ["shape", "from", "two"], ["rows_steps"]),
        node("Concat", ["rows_steps", "five"], ["to"], axis=0),
        node("Reshape", ["x", "flat"], ["rows"]),
        node("MatMul", ["rows", "K"], ["product"]),
        node("Reshape", ["product", "to"], ["y"]),
        node("Equal", ["to", "minus"], ["unknown"]),
        node("Where", ["unknown", "two", "to"], ["same"]),
        node("Expand", ["x1", "same"], ["z"]),
        node("ReduceMean", ["y"], ["x1"], axes=[2], keepdims=1),
    ]
    nodes[-1], nodes[-2] = nodes[-2], nodes[-1]
    proto = model_of(nodes, {"x": ("f", ["B", "T", 3])}, arrays, ["y", "z"])
    model = bridges.from_onnx(proto)
    for shape in ((2, 4, 3), (3, 1, 3)):
        x = array(*shape)
        for got, want in zip(model(x), ReferenceEvaluator(proto).run(None, {"x": x}), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_operators_that_are_run_by_models_have_gradients() -> None:
    """Each of them with a tensor for x, beside the same on arrays."""
    arrays = {
        "K": array(4, 3, 3),
        "c": array(4),
        "gain": np.abs(array(4)) + 1,
        "shift": array(4),
        "axes": np.array([2]),
    }
    nodes = [
        node("Transpose", ["x"], ["xt"], perm=[0, 2, 1]),
        node("Conv", ["xt", "K", "c"], ["conv"], pads=[1, 1]),
        node("BatchNormalization", ["conv", "gain", "shift", "shift", "gain"], ["bn"]),
        node("LeakyRelu", ["bn"], ["bent"], alpha=0.3),
        node("MaxPool", ["bent"], ["pooled"], kernel_shape=[2], strides=[2]),
        node("Transpose", ["pooled"], ["steps"], perm=[0, 2, 1]),
        node("LayerNormalization", ["steps", "gain", "shift"], ["normal"]),
        node("Softmax", ["normal"], ["weights"], axis=1),
        node("Mul", ["weights", "steps"], ["weighed"]),
        node("ReduceSum", ["weighed", "one"], ["context"], keepdims=0),
        node("Concat", ["context", "context"], ["both"], axis=1),
        node("Slice", ["both", "one", "six", "one"], ["part"]),
        node("Erf", ["part"], ["y"]),
    ]
    arrays |= {"one": np.array([1]), "six": np.array([6])}
    proto = model_of(nodes, {"x": ("f", ["B", 8, 3])}, arrays, ["y"])
    model, x = bridges.from_onnx(proto), array(2, 8, 3)
    np.testing.assert_allclose(model(x), ReferenceEvaluator(proto).run(None, {"x": x})[0], rtol=1e-4, atol=1e-5)
    y, pullback = model.forward(x)
    dy = array(*y.shape)
    dx = pullback(dy)
    moved = 1e-2 * array(*x.shape)
    change = ((model(x + moved).astype(float) - model(x - moved)) * dy).sum() / 2
    assert (dx * moved).sum() == pytest.approx(change, rel=2e-2)


def test_bytes_paths_and_protos_are_read_alike(tmp_path: Path) -> None:
    proto, _ = classifier()
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    ids = rng.integers(0, 9, (2, 4))
    ways = [proto, proto.SerializeToString(), tmp_path / "m.onnx", str(tmp_path / "m.onnx")]
    results = [bridges.from_onnx(way)(ids) for way in ways]
    for y in results[1:]:
        np.testing.assert_array_equal(y, results[0])
    assert bridges.from_onnx(proto, name="tagger").name == "tagger"
