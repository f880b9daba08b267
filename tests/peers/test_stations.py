"""A model trained in PyTorch, as it goes from station to station: the same numbers at each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cellstep import bridges, layers, models

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
pytestmark = pytest.mark.filterwarnings("ignore")  # what PyTorch's exporter has to say


class Net(nn.Module):
    def __init__(self, kind: Any, bidirectional: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 5)
        self.rnn = kind(5, 6, num_layers=2, batch_first=True, bidirectional=bidirectional)
        self.norm = nn.LayerNorm(12) if bidirectional else nn.Tanh()  # streams have no LayerNormalization
        self.head = nn.Linear(12 if bidirectional else 6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.head(self.norm(self.rnn(self.embedding(x))[0])), -1)


def trained(kind: Any, bidirectional: bool) -> Net:
    torch.manual_seed(0)
    net = Net(kind, bidirectional)
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(20):
        x = torch.randint(0, 11, (8, 9))
        loss = -torch.log(net(x).gather(2, (x % 3)[..., None])).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.zero_grad()
    return net.eval()


def run(path: Path, x: Any) -> Any:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_the_numbers_are_the_same_at_each_station(kind: Any, bidirectional: bool, tmp_path: Path) -> None:
    net = trained(kind, bidirectional)
    words = np.random.default_rng(1).integers(0, 11, (3, 7))
    right = net(torch.from_numpy(words)).detach().numpy()
    stations: dict[str, Any] = {}

    path = tmp_path / "net.onnx"
    axes = {name: {0: "batch", 1: "time"} for name in ("x", "y")}
    torch.onnx.export(
        net,
        (torch.from_numpy(words),),
        str(path),
        input_names=["x"],
        output_names=["y"],
        dynamic_axes=axes,
        dynamo=False,
    )
    stations["ONNX Runtime"] = run(path, words)
    model = bridges.from_onnx(path)
    stations["imported"] = model.predict(words, verbose=0)
    if not bidirectional:
        stream = model.stream(3)
        stations["step by step"] = np.stack([stream.step(words[:, t]) for t in range(7)], 1)

    for name in ("net.keras", "net.safetensors", "again.onnx"):
        bridges.convert(path, tmp_path / name)
        again = bridges.from_onnx(tmp_path / name) if name.endswith("onnx") else models.load_model(tmp_path / name)
        stations[name] = again.predict(words, verbose=0)
        if not bidirectional:
            stream = again.stream(3)
            stations[f"{name}, step by step"] = np.stack([stream.step(words[:, t]) for t in range(7)], 1)
    stations["ONNX Runtime again"] = run(tmp_path / "again.onnx", words)

    back = bridges.to_torch(model).eval()
    stations["PyTorch again"] = back(torch.from_numpy(words)).detach().numpy()
    torch.save(back.state_dict(), tmp_path / "back.pt")
    stations["its state dict"] = bridges.from_torch(tmp_path / "back.pt", into=models.clone_model(model)).predict(
        words, verbose=0
    )
    for station, found in stations.items():
        np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6, err_msg=station)


def test_a_module_that_is_imported_is_trained_on(tmp_path: Path) -> None:
    """From a state dict: gradients of the first step are PyTorch's."""
    net = trained(nn.LSTM, False)
    model = models.Sequential(
        [
            *(layers.Input((None,), dtype="int32"), layers.Embedding(11, 5, name="embedding")),
            layers.LSTM(6, num_layers=2, return_sequences=True, name="rnn"),
            *(layers.Activation("tanh", name="norm"), layers.Dense(3, "softmax", name="head")),
        ]
    )
    torch.save(net.state_dict(), tmp_path / "net.pt")
    bridges.from_torch(tmp_path / "net.pt", into=model)
    model.compile(loss="sparse_categorical_crossentropy")
    words = np.random.default_rng(1).integers(0, 11, (3, 7))
    gradients, loss = model.gradients(words, words % 3)
    x = torch.from_numpy(words)
    theirs = -torch.log(net(x).gather(2, (x % 3)[..., None])).mean()
    theirs.backward()
    assert abs(loss - theirs.item()) < 1e-5
    head = next(path for path in gradients if path.startswith("head") and path.endswith("kernel"))
    np.testing.assert_allclose(gradients[head], net.head.weight.grad.numpy().T, atol=1e-6)
    own = next(a for path, a in gradients.items() if path.startswith("embedding"))
    np.testing.assert_allclose(own, net.embedding.weight.grad.numpy(), atol=1e-6)
