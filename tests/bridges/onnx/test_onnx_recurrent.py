"""RNN, LSTM and GRU nodes with any of their attributes give what the specification says, and learn, and are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from bridges.onnx.onnx_nodes import expected, of_node, random_node
from onnx import helper, numpy_helper

from cellstep import bridges, models

close = {"float32": dict(rtol=1e-4, atol=1e-5), "float64": dict(rtol=1e-9, atol=1e-11)}


def run(model: Any, feed: dict[str, Any]) -> list[Any]:
    values = [feed[name] for name in model.input_names]
    y = model(values if len(values) > 1 else values[0])
    return list(y) if isinstance(y, list | tuple) else [y]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_nodes_give_what_the_specification_says(dtype: str) -> None:
    for seed in range(60):
        proto, feed = random_node(seed, np.dtype(dtype))
        wanted = expected(proto, feed)
        if max(np.abs(a).max() for a in wanted) > 100:  # activations without a bound, whose errors grow
            continue
        model = bridges.from_onnx(proto)
        assert model.input_names == list(feed)
        assert model.output_names == [name for name in proto.graph.node[0].output if name]
        for got, other, want in zip(run(model, feed), bridges.onnx_backend.run_model(proto, feed), wanted, strict=True):
            assert got.dtype == other.dtype == np.dtype(dtype), seed
            np.testing.assert_allclose(got, want, **close[dtype], err_msg=str(seed))
            np.testing.assert_allclose(other, want, **close[dtype], err_msg=str(seed))


def test_the_batch_comes_first_where_that_is_asked_for() -> None:
    place = {"X": 1, "h0": 1, "c0": 1, "lengths": 0, "Y": 2, "Y_h": 1, "Y_c": 1}
    for seed in range(60):
        proto, feed = random_node(seed, np.float64, 0)
        if "B" not in [size.dim_param for size in proto.graph.input[0].type.tensor_type.shape.dim]:
            continue  # a constant number of rows
        wanted = bridges.onnx_backend.run_model(proto, feed)
        model = bridges.from_onnx(proto, batch_first=True)
        turned = {name: np.moveaxis(a, place[name], 0) for name, a in feed.items()}
        for name, got, want in zip(model.output_names, run(model, turned), wanted, strict=True):
            np.testing.assert_allclose(got, np.moveaxis(want, place[name], 0), 1e-9, 1e-9, err_msg=f"{seed} {name}")


@pytest.mark.parametrize("clip", [-1.0, float("nan")])
def test_a_bound_that_is_none_is_refused(clip: float) -> None:
    proto, _ = rare()
    next(entry for entry in proto.graph.node[0].attribute if entry.name == "clip").f = clip
    with pytest.raises(bridges.FileError, match="clip must be a number from 0 on"):
        bridges.from_onnx(proto)


def rare(kind: str = "LSTM", dtype: Any = np.float64) -> tuple[Any, dict[str, Any]]:
    """A node with peepholes, a bound, and functions with constants."""
    rng = np.random.default_rng(3)
    G = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    names = {"LSTM": ["HardSigmoid", "Tanh", "ScaledTanh"], "GRU": ["HardSigmoid", "Tanh"], "RNN": ["LeakyRelu"]}[kind]
    attributes: dict[str, Any] = {"activations": names, "activation_alpha": [0.3, 0.9][: len(names)], "clip": 1.5}
    shapes = {"W": (1, G * 4, 3), "R": (1, G * 4, 4), "B": (1, 8 * G), "P": (1, 12)}
    constants = {n: rng.normal(size=s).astype(dtype) * 0.5 for n, s in shapes.items() if n != "P" or kind == "LSTM"}
    inputs = ["X", "W", "R", "B", "", "", "", "P"] if kind == "LSTM" else ["X", "W", "R", "B"]
    node = helper.make_node(kind, inputs, ["Y"], hidden_size=4, layout=1, **attributes)
    feed = {"X": rng.normal(size=(2, 5, 3)).astype(dtype)}
    return of_node(node, {"X": ["B", "T", 3]}, feed, constants, 14), feed


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_rare_attributes_have_gradients_and_are_saved(kind: str, tmp_path: Path) -> None:
    proto, feed = rare(kind)
    model, x = bridges.from_onnx(proto), feed["X"]
    y, pullback = model.forward(x)
    dy = np.random.default_rng(1).normal(size=y.shape)
    for w in model.weights:
        w.grad[...] = 0
    dx = pullback(dy)
    for array, slope in [(x, dx), *((w, w.grad) for w in model.weights)]:
        place = tuple(n // 2 for n in array.shape)
        ends = []
        for change in (1e-6, -1e-6):
            moved = np.array(array)
            moved[place] += change
            if array is x:
                ends.append((model(moved) * dy).sum())
            else:
                before = array.numpy()
                array.assign(moved)
                ends.append((model(x) * dy).sum())
                array.assign(before)
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope[place], rel=1e-5, abs=1e-7)
    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(x), model(x))
    np.testing.assert_allclose(bridges.from_onnx(bridges.to_onnx(model))(x), model(x), rtol=1e-12)


def test_the_rows_begin_with_states_that_all_share() -> None:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Shape", ["X"], ["shape"], start=1, end=2),
        helper.make_node("Concat", ["one", "shape", "units"], ["to"], axis=0),
        helper.make_node("Expand", ["learned", "to"], ["h0"]),
        helper.make_node("GRU", ["X", "W", "R", "", "", "h0"], ["Y", "Y_h"], hidden_size=4),
    ]
    feed = {"X": rng.normal(size=(5, 3, 2)).astype("f4")}
    arrays = {
        "one": np.array([1]),
        "units": np.array([4]),
        "learned": rng.normal(size=(1, 1, 4)).astype("f4"),
        "W": rng.normal(size=(1, 12, 2)).astype("f4"),
        "R": rng.normal(size=(1, 12, 4)).astype("f4"),
    }
    proto = of_node(nodes[-1], {"X": ["T", "B", 2]}, feed, arrays, 17)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    model = bridges.from_onnx(proto)
    assert any("initial_h" in w.path for w in model.trainable_weights)
    alone = of_node(
        helper.make_node("GRU", ["X", "W", "R", "", "", "h"], ["Y", "Y_h"], hidden_size=4),
        {"X": ["T", "B", 2], "h": [1, "B", 4]},
        given := {**feed, "h": np.repeat(arrays["learned"], 3, 1)},
        {"W": arrays["W"], "R": arrays["R"]},
        17,
    )
    for got, want in zip(model(feed["X"]), expected(alone, given), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_rare_attributes_run_on_the_compiled_loops(kind: str) -> None:
    pytest.importorskip("llvmlite")
    proto, feed = rare(kind, np.float32)
    model, x = bridges.from_onnx(proto), feed["X"]
    (layer,) = [layer for layer in model.layers if layer.weights]
    assert layer.cell.contract.equations is not None
    said: list[str] = []
    model.explain(said.append)
    assert "slowly" not in said[0]
    assert np.array_equal(model.predict(x[:1], verbose=0)[0], model.predict(x, verbose=0)[0])


def test_cells_of_many_attributes_ask_for_memory() -> None:
    def node(i: int, source: str) -> Any:
        return helper.make_node("RNN", [source, "W", "R"], [f"y{i}"], hidden_size=1, layout=1, clip=1.0 + i)

    arrays = {"W": np.ones((1, 1, 1), "f4"), "R": np.ones((1, 1, 1), "f4")}
    feed = {"X": np.ones((2, 3, 1), "f4")}
    proto = of_node(node(0, "X"), {"X": ["B", "T", 1]}, feed, arrays, 14)
    for i in range(1, 20):
        squeeze = helper.make_node("Squeeze", [f"y{i - 1}", "two"], [f"x{i}"])
        proto.graph.node.extend([squeeze, node(i, f"x{i}")])
    proto.graph.initializer.append(numpy_helper.from_array(np.array([2]), "two"))
    proto.graph.output[0].name = "y19"
    with pytest.raises(bridges.FileError, match=r"the code of a cell with these attributes takes .* bytes of memory"):
        bridges.from_onnx(proto)
    bridges.from_onnx(proto, max_bytes=2**28)
