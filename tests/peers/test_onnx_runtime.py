"""ONNX files beside onnxruntime, and those that PyTorch's two exporters write."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from bridges.onnx.onnx_exports import CASES, Case, outputs_of, steps_of  # noqa: E402
from bridges.onnx.onnx_nodes import random_node  # noqa: E402

from cellstep import bridges, models  # noqa: E402

ort.set_default_logger_severity(4)


NotImplemented_ = ort.capi.onnxruntime_pybind11_state.NotImplemented


def session(data: Any) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(data if isinstance(data, bytes) else str(data), options)


def run(model: Any, feed: dict[str, Any]) -> list[Any]:
    values = [feed[name] for name in model.input_names]
    y = model(values if len(values) > 1 else values[0])
    return list(y) if isinstance(y, list | tuple) else [y]


def test_random_nodes() -> None:
    """300 models of one node. onnxruntime takes float32 and layout 0 alone; float64 and layout 1 are held against it by
    the same node in its own terms."""
    compared = 0
    for seed in range(300):
        proto, feed = random_node(seed, layout=0)
        try:
            wanted = session(proto.SerializeToString()).run(None, feed)
        except NotImplemented_:
            continue
        if max(np.abs(a).max() for a in wanted) > 100:
            continue
        compared += 1
        for got, want in zip(run(bridges.from_onnx(proto), feed), wanted, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-3, atol=2e-5, err_msg=str(seed))
    assert compared > 280


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_exports_run(case: Case) -> None:
    model, arrays = case.make()
    for opset in (17, 22):
        runner = session(bridges.to_onnx(model, lengths=case.lengths, opset=opset))
        given = [*arrays, steps_of(arrays[0])] if case.lengths else arrays
        feed = {entry.name: a for entry, a in zip(runner.get_inputs(), given, strict=True)}
        for got, want in zip(runner.run(None, feed), outputs_of(model, arrays, case.lengths), strict=True):
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


class Tagger(torch.nn.Module):
    def __init__(self, kind: str, batch_first: bool, two_ways: bool, count: int) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(11, 3)
        self.rnn = getattr(torch.nn, kind)(3, 4, count, batch_first=batch_first, bidirectional=two_ways)
        self.norm = torch.nn.LayerNorm(8 if two_ways else 4)
        self.head = torch.nn.Linear(8 if two_ways else 4, 2)

    def forward(self, ids: Any) -> Any:
        y, _ = self.rnn(self.table(ids))
        return torch.log_softmax(self.head(torch.tanh(self.norm(y))), -1)


class Last(torch.nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.conv = torch.nn.Conv1d(3, 6, 3, padding=1)
        self.norm = torch.nn.BatchNorm1d(6)
        self.rnn = getattr(torch.nn, kind)(6, 4, 2, batch_first=True)
        self.head = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.GELU(), torch.nn.Linear(5, 2))

    def forward(self, x: Any) -> Any:
        y, _ = self.rnn(self.norm(self.conv(x.transpose(1, 2))).relu().transpose(1, 2))
        return self.head(y[:, -1])


class WithStates(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = torch.nn.LSTM(3, 4, 2, batch_first=True)

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        y, (h, c) = self.rnn(x, (h, c))
        return y.mean(1), h, c


def exported(module: Any, inputs: tuple[Any, ...], axes: list[dict[int, str]], path: Path, dynamo: bool) -> Path:
    names = [f"in{i}" for i in range(len(inputs))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            shapes = tuple({a: torch.export.Dim.AUTO for a in entry} for entry in axes)
            torch.onnx.export(
                module, inputs, path, dynamo=True, dynamic_shapes=shapes, external_data=False, input_names=names,
                verbose=False,
            )  # fmt: skip
        else:
            torch.onnx.export(
                module, inputs, path, dynamo=False, input_names=names, dynamic_axes=dict(zip(names, axes, strict=True))
            )
    return path


@pytest.mark.parametrize("dynamo", [False, True], ids=["traced", "dynamo"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_what_pytorch_exports(kind: str, dynamo: bool, tmp_path: Path) -> None:
    if dynamo and importlib.util.find_spec("onnxscript") is None:
        pytest.skip("torch's exporter needs onnxscript")
    torch.manual_seed(0)
    ids, x = torch.randint(0, 11, (2, 5)), torch.randn(2, 5, 3)
    h = torch.randn(2, 2, 4)
    both, row = {0: "batch", 1: "time"}, {1: "batch"}
    cases: list[tuple[Any, tuple[Any, ...], list[dict[int, str]]]] = [
        (Tagger(kind, True, False, 1), (ids,), [both]),
        (Tagger(kind, True, True, 2), (ids,), [both]),
        (Last(kind), (x,), [both]),
    ]
    if dynamo:  # it takes seconds for each
        cases = [cases[["LSTM", "GRU", "RNN"].index(kind)]]
    if not dynamo:
        cases.append((Tagger(kind, False, True, 2), (ids,), [{0: "time", 1: "batch"}]))
    if kind == "LSTM":
        cases.append((WithStates(), (x, h, h + 1), [both, row, row]))
    for module, inputs, axes in cases:
        module.eval()
        path = exported(module, inputs, axes, tmp_path / "m.onnx", dynamo)
        model, runner = bridges.from_onnx(path), session(path)
        assert model.input_names == [entry.name for entry in runner.get_inputs()]
        assert model.output_names == [entry.name for entry in runner.get_outputs()]
        arrays = [a.numpy() for a in inputs]
        with torch.no_grad():
            told = module(*inputs)
        told = [y.numpy() for y in (told if isinstance(told, tuple) else (told,))]
        feed = dict(zip(model.input_names, arrays, strict=True))
        for got, own, other in zip(run(model, feed), told, runner.run(None, feed), strict=True):
            np.testing.assert_allclose(got, own, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(got, other, rtol=1e-4, atol=1e-5)
        model.save(tmp_path / "m.keras")
        again = models.load_model(tmp_path / "m.keras")
        for got, want in zip(run(again, feed), run(model, feed), strict=True):
            np.testing.assert_array_equal(got, want)


def test_a_model_gives_the_same_at_each_station(tmp_path: Path) -> None:
    """Trained in PyTorch, exported, read here, streamed step by step, saved, and written as ONNX again."""
    torch.manual_seed(0)
    module = torch.nn.Sequential()
    module.rnn, module.head = torch.nn.GRU(3, 6, batch_first=True), torch.nn.Linear(6, 2)

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: Any) -> Any:
            return module.head(module.rnn(x)[0])

    net, x = Net(), torch.randn(8, 10, 3)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(x), x[..., :2].cumsum(1)).backward()
        optimizer.step()
    net.eval()
    want = net(x).detach().numpy()
    path = exported(net, (x,), [{0: "batch", 1: "time"}], tmp_path / "m.onnx", dynamo=False)
    model = bridges.from_onnx(path)
    stream = model.stream(8)
    steps = np.stack([stream.step(x[:, t].numpy()) for t in range(10)], 1)
    model.save(tmp_path / "m.keras")
    kept = models.load_model(tmp_path / "m.keras")
    written = session(bridges.to_onnx(kept))
    stations = {
        "onnxruntime": session(path).run(None, {"in0": x.numpy()})[0],
        "read": model.predict(x.numpy(), verbose=0),
        "streamed": steps,
        "saved": kept(x.numpy()),
        "written again": written.run(None, {written.get_inputs()[0].name: x.numpy()})[0],
    }
    for station, y in stations.items():
        np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-6, err_msg=station)
