"""ONNX files that are damaged, or ask for what is not built, are refused by one sentence; nothing else is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from bridges.onnx.onnx_fuzz import outcomes  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from cellstep import bridges  # noqa: E402
from cellstep.bridges.onnx.loading import model_of  # noqa: E402
from cellstep.bridges.onnx.reading import read  # noqa: E402


def graph(nodes: list[Any], arrays: dict[str, Any] | None = None, opset: int = 17, shape: Any = ("B", "T", 3)) -> Any:
    """A model from x, float32, to y."""
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))]
    outs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    constants = [numpy_helper.from_array(np.asarray(a), n) for n, a in (arrays or {}).items()]
    made = helper.make_graph(nodes, "g", ends, outs, constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def test_mutated_files_are_refused_or_read() -> None:
    for seed, outcome, _ in outcomes(range(250)):
        assert outcome in ("read", "refused"), seed


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("Celestial", ["x"], ["y"], name="n"), r"node 0 'n' \(Celestial, opset 17\): the operator"),
        (
            helper.make_node("Relu", ["x"], ["y"], name="n", knob=3),
            r"\(Relu, opset 17\): attribute 'knob' of Relu is not",
        ),
        (
            helper.make_node("Relu", ["x"], ["y"], domain="com.me"),
            "expected an operator of ONNX itself, got one of domain",
        ),
        (helper.make_node("Relu", ["y"], ["y"]), "input 'y' must be given by a node before this one"),
        (helper.make_node("Relu", ["x"], ["x"]), "expected a name of its own, got 'x' twice"),
        (helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT16), "to must be the number of one of float32"),
        (
            helper.make_node("Transpose", ["x"], ["y"], perm=[0, 1, 1]),
            r"perm must name each of 3 axes once, got \[0, 1, 1\]",
        ),
    ],
)
def test_a_node_that_is_not_built_is_named(node: Any, message: str) -> None:
    with pytest.raises(bridges.FileError, match=message) as caught:
        bridges.from_onnx(graph([node]))
    assert caught.value.file == "the model given as source"
    assert caught.value.place.startswith("node 0")


def test_an_operator_whose_name_is_no_text() -> None:
    data = graph([helper.make_node("Celestial", ["x"], ["y"])]).SerializeToString()
    with pytest.raises(bridges.FileError):
        bridges.from_onnx(data.replace(b"Celestial", b"\xffelestial"))


def test_inspection_follows_the_graph_and_gives_layers_no_weights(tmp_path: Path) -> None:
    path, W = tmp_path / "m.onnx", {"W": np.ones((3, 2), "f4"), "b": np.ones(2, "f4")}
    product = helper.make_node("Gemm", ["x", "W", "b"], ["y"])
    made = graph([product], W, shape=("B", 3))
    onnx.save(made, path)
    assert not bridges.inspect(path).problem
    assert all(weight.any() for weight in bridges.from_onnx(path).get_weights())
    assert not any(weight.any() for weight in model_of(read(path), weighted=False).get_weights())
    for node, shape, said in [
        (product, ("B", 4), "node 0"),  # shapes that do not fit
        (helper.make_node("Gemm", ["x", "W", "b"], ["y"], knob=1), ("B", 3), "attribute 'knob'"),
        (helper.make_node("Identity", ["W"], ["y"]), ("B", 3), "expected what depends on an input, got a constant"),
    ]:
        onnx.save(graph([node], W, shape=shape), path)
        assert said in bridges.inspect(path).problem
        with pytest.raises(bridges.FileError, match=said):
            bridges.from_onnx(path)


def test_graphs_inside_and_references_to_files_are_refused(tmp_path: Path) -> None:
    inner = helper.make_graph([], "inner", [], [])
    node = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    with pytest.raises(bridges.FileError, match=r"If has a graph inside \(attribute '(then|else)_branch'\)"):
        bridges.from_onnx(graph([node]))
    proto = graph([helper.make_node("MatMul", ["x", "W"], ["y"])], {"W": np.ones((3, 2), "f4")})
    path = tmp_path / "m.onnx"
    onnx.save(proto, path, save_as_external_data=True, size_threshold=0, location="weights.bin")
    with pytest.raises(bridges.FileError, match=r"m.onnx, initializer 'W': expected its values in the file itself"):
        bridges.from_onnx(path)


def test_sizes_that_a_file_asks_for_are_limited() -> None:
    big = helper.make_node("ConstantOfShape", ["n"], ["big"])
    total = [helper.make_node("ReduceSum", ["big"], ["s"], keepdims=0), helper.make_node("Add", ["x", "s"], ["y"])]
    with pytest.raises(bridges.FileError, match="takes 4398046511104 bytes of memory, which is more than"):
        bridges.from_onnx(graph([big, *total], {"n": np.array([2**20, 2**20])}))
    with pytest.raises(bridges.FileError, match="input 'x': an input of its sizes takes"):
        bridges.from_onnx(graph([helper.make_node("Relu", ["x"], ["y"])], shape=(2**31, 2**20, 3)))
    row, column = np.ones((1, 10**6), "f4"), np.ones((10**6, 1), "f4")
    for kind in ("Add", "MatMul"):
        outer = helper.make_node(kind, ["column", "row"], ["big"])
        with pytest.raises(bridges.FileError, match=r"takes 4000000000000 bytes of memory"):
            bridges.from_onnx(graph([outer, *total], {"row": row, "column": column}))
    doubled = [helper.make_node("Concat", [f"c{i}"] * 2, [f"c{i + 1}"], axis=0) for i in range(40)]
    negated = [helper.make_node("Neg", [f"c{i}"], [f"c{i + 1}"]) for i in range(4000)]
    for nodes, arrays in ((doubled, {"c0": np.ones(64, "f4")}), (negated, {"c0": np.ones(2**16, "f4")})):
        with pytest.raises(bridges.FileError, match=r"node \d+ .*bytes of memory, which is more than"):
            bridges.from_onnx(graph([*nodes, helper.make_node("Add", ["x", f"c{len(nodes)}"], ["y"])], arrays))
    proto = graph([helper.make_node("Add", ["x", "W"], ["y"])], {"W": np.ones(3, "f4")})
    with pytest.raises(bridges.FileError, match="a larger max_bytes reads it"):
        bridges.from_onnx(proto, max_bytes=8)
    assert bridges.from_onnx(proto, max_bytes=10**6)(np.ones((1, 2, 3))).shape == (1, 2, 3)


def test_nodes_without_end_are_limited() -> None:
    relus = [helper.make_node("Relu", ["x"], [f"r{i}"]) for i in range(50_000)]
    with pytest.raises(bridges.FileError, match="nodes: a graph of 50001 nodes takes 204804096 bytes"):
        bridges.from_onnx(graph([*relus, helper.make_node("Relu", ["x"], ["y"])]))
    own = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]

    def function(i: int, inner: str) -> Any:
        nodes = [helper.make_node(inner, [f], [t], domain="own") for f, t in (("a", "b"), ("b", "c"))]
        return helper.make_function("own", f"f{i}", ["a"], ["c"], nodes, own)

    def model(functions: list[Any]) -> Any:
        proto = graph([helper.make_node("f0", ["x"], ["y"], domain="own")])
        proto.functions.extend(functions)
        proto.opset_import.append(own[1])
        return proto

    with pytest.raises(bridges.FileError, match=r"functions: a graph of \d{10} nodes takes"):
        bridges.from_onnx(model([function(i, f"f{i + 1}") for i in range(30)]))
    with pytest.raises(bridges.FileError, match="parts within parts without end"):
        bridges.from_onnx(model([function(0, "f0")]))


def test_a_long_name_of_an_operator_makes_no_long_sentence() -> None:
    with pytest.raises(bridges.FileError, match="is not built") as caught:
        bridges.from_onnx(graph([helper.make_node("n" * 10**6, ["x"], ["y"])]))
    assert len(str(caught.value)) < 500


def test_names_that_become_the_same_stay_apart() -> None:
    proto = graph([helper.make_node("Relu", ["x"], ["a/y"]), helper.make_node("Tanh", ["x"], ["a.y"])])
    del proto.graph.output[:]
    proto.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("a/y", "a.y"))
    model = bridges.from_onnx(proto)
    assert model.output_names == ["a.y", "a.y_"]
    relu, tanh = model(np.full((1, 2, 3), -1, "f4"))
    assert (relu == 0).all()
    np.testing.assert_allclose(tanh, np.tanh(-1), rtol=1e-6)


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="source must be a path, got 3"):
        bridges.from_onnx(3)
    with pytest.raises(FileNotFoundError, match="source must be a file that exists"):
        bridges.from_onnx(tmp_path / "none.onnx")
    with pytest.raises(bridges.FileError, match="the bytes given as source: "):
        bridges.from_onnx(b"\x08\xff\xff")
    with pytest.raises(bridges.FileError, match="opset must be from 1 to 28, got 99"):
        bridges.from_onnx(graph([helper.make_node("Relu", ["x"], ["y"])], opset=99))
    constant = helper.make_node("Constant", [], ["y"], value=numpy_helper.from_array(np.ones(2, "f4")))
    with pytest.raises(bridges.FileError, match="output 'y': expected what depends on an input, got a constant"):
        bridges.from_onnx(graph([constant]))
