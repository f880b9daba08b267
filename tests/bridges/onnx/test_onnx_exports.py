"""Models written as ONNX are read again as models that give the same; what cannot be written is said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from bridges.onnx.onnx_exports import CASES, Case, drawn, numbers, outputs_of, steps_of  # noqa: E402

import cellstep  # noqa: E402
from cellstep import Input, Model, Sequential, bridges, cells, layers  # noqa: E402


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_model_comes_back_as_it_was(case: Case) -> None:
    model, arrays = case.make()
    data = bridges.to_onnx(model, lengths=case.lengths)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    again = bridges.from_onnx(data)
    assert again.input_names == [*model.input_names, *["lengths"] * case.lengths]
    assert again.output_names == [*model.output_names] or len(set(model.output_names)) < len(model.outputs)
    given = [*arrays, steps_of(arrays[0])] if case.lengths else arrays
    got = again(given if len(given) > 1 else given[0])
    wanted = outputs_of(model, arrays, case.lengths)
    for y, want in zip(got if isinstance(got, list) else [got], wanted, strict=True):
        assert y.shape == want.shape
        np.testing.assert_allclose(y, want, rtol=1e-5, atol=2e-6)


def test_a_projection_is_a_product_behind_an_lstm() -> None:
    def layer() -> Any:
        return cells.ProjectionLSTM.Layer(5, 3, return_sequences=True)

    x = Input((None, 4))
    y, h, c = cells.ProjectionLSTM.Layer(5, 2, return_sequences=True, return_state=True)(layer()(x))
    net = Model(x, [layers.Bidirectional(layer())(y), h, c])
    given = np.random.default_rng(0).standard_normal((2, 6, 4)).astype(np.float32)
    for got, want in zip(bridges.from_onnx(bridges.to_onnx(net))(given), net(given), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    with pytest.raises(NotImplementedError, match="cannot be written as ONNX with initial states, as its h"):
        bridges.to_onnx(net, states=True)


def test_sizes_that_were_open_are_open() -> None:
    data = bridges.to_onnx(Sequential([Input((None, 4), name="x"), layers.GRU(3, return_sequences=True, name="y")]))
    graph = onnx.load_from_string(data).graph
    shapes = [[d.dim_param or d.dim_value for d in e.type.tensor_type.shape.dim] for e in (*graph.input, *graph.output)]
    assert shapes == [["batch", "time", 4], ["batch", "y/1", 3]]
    assert [e.name for e in (*graph.input, *graph.output)] == ["x", "y"]


def names(data: bytes) -> tuple[list[str], list[str]]:
    graph = onnx.load_from_string(data).graph
    return [e.name for e in graph.input], [e.name for e in graph.output]


def net() -> Any:
    made = [
        layers.LSTM(5, return_sequences=True, name="first"),
        layers.GRU(3, name="second"),
        layers.Dense(2, name="y"),
    ]
    return drawn(Sequential([Input((None, 4), name="x"), *made]))


def test_a_step_is_one_of_a_stream() -> None:
    model, x = net(), numbers(2, 6, 4)
    data = bridges.to_onnx(model, step=True)
    states = ["first/h", "first/c", "second/h"]
    assert names(data) == (["x", *states], ["y", *(f"{name}_next" for name in states)])
    step, stream = bridges.onnx_backend.prepare(data), model.stream(2)
    now = [np.zeros((2, n), "f4") for n in (5, 5, 3)]
    for t in range(6):
        y, *now = step.run([x[:, t], *now])
        np.testing.assert_allclose(y, stream.step(x[:, t]), rtol=1e-5, atol=1e-6)
    as_model = bridges.from_onnx(data)
    assert as_model.input_names == ["x", "first.h", "first.c", "second.h"]


def test_states_of_sequences_are_inputs_and_outputs() -> None:
    model, x = net(), numbers(2, 6, 4)
    whole = bridges.onnx_backend.prepare(bridges.to_onnx(model, states=True))
    first = [np.zeros((2, n), "f4") for n in (5, 5, 3)]
    _, *middle = whole.run([x[:, :4], *first])
    y, *last = whole.run([x[:, 4:], *middle])
    np.testing.assert_allclose(y, model(x), rtol=1e-5, atol=1e-6)
    assert [s.shape for s in last] == [(2, 5), (2, 5), (2, 3)]
    stateful = Sequential([Input((None, 4), batch_size=2), layers.GRU(3, stateful=True)])
    with pytest.raises(
        NotImplementedError, match=r"gru.* cannot be written as ONNX where stateful, but with states=True"
    ):
        bridges.to_onnx(stateful)
    bridges.to_onnx(stateful, states=True)


class Squared(layers.Layer):
    def call(self, x: Any) -> Any:
        return x * x


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            lambda: layers.LSTM(3, activation="gelu"),
            "cannot be written as ONNX, as its LSTM has no such function as .*gelu",
        ),
        (lambda: layers.Activation("sparsemax"), "there is no such form of activation 'sparsemax'"),
        (Squared, "as there is no such form of Squared"),
        (lambda: layers.Lambda(lambda x: x), "as there is no such form of Lambda"),
    ],
)
def test_what_cannot_be_written_is_said(layer: Any, message: str, tmp_path: Path) -> None:
    made = layer()
    model = Sequential([Input((6, 4)), made])
    with pytest.raises(NotImplementedError, match=message) as caught:
        bridges.to_onnx(model, tmp_path / "m.onnx")
    assert str(caught.value).startswith(made.name)
    assert not (tmp_path / "m.onnx").exists()


def test_arguments_are_checked() -> None:
    model = net()
    for error, options, message in (
        (ValueError, {"opset": 9}, "opset must be from 17 to 22, got 9"),
        (ValueError, {"step": True, "lengths": True}, "lengths must be False for a step, got True"),
    ):
        with pytest.raises(error, match=message):
            bridges.to_onnx(model, **options)
    with pytest.raises(TypeError, match="model must be a Sequential or a Model, got 3"):
        bridges.to_onnx(3)
    with pytest.raises(ValueError, match="expected a model made of tensors that is built"):
        bridges.to_onnx(Sequential([layers.Dense(3)]))
    with pytest.raises(NotImplementedError, match=r"bidirectional.* looks at several steps"):
        bridges.to_onnx(Sequential([Input((None, 4)), layers.Bidirectional(layers.GRU(3))]), step=True)
    with pytest.raises(NotImplementedError, match="looks at several steps"):
        bridges.to_onnx(Sequential([Input((None, 4)), layers.Conv1D(3, 2)]), step=True)


def test_float64_stays_float64() -> None:
    x = Input((None, 4), dtype="float64", name="x")
    model = drawn(Model(x, layers.Dense(2, dtype="float64")(layers.LSTM(3, dtype="float64")(x))))
    data, a = bridges.to_onnx(model), numbers(2, 5, 4).astype(float)
    again = bridges.from_onnx(data)
    assert again(a).dtype == np.float64
    np.testing.assert_allclose(again(a), model(a), rtol=1e-14)


def test_without_the_package_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "onnx.py").write_text("raise ModuleNotFoundError(\"No module named 'onnx'\", name='onnx')")
    code = "from cellstep import bridges\nbridges.from_onnx('m.onnx')"
    path = os.pathsep.join([str(tmp_path), str(Path(cellstep.__file__).parents[1])])
    run = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True)
    assert b"ONNX files need onnx: pip install 'cellstep[onnx]'" in run.stderr
