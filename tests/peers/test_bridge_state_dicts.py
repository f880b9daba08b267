"""State dicts of PyTorch's, in memory and in files, go into models that are there and come back."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch_lines import close

import cellstep
from cellstep import bridges, layers, models, tensor_file
from cellstep.bridges import FileError


class Tagger(nn.Module):
    """Structure of its own, as PyTorch's users write it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 5, padding_idx=0)
        self.encoder = nn.ModuleDict({"lstm": nn.LSTM(5, 6, num_layers=2, bidirectional=True, batch_first=True)})
        self.head = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder["lstm"](self.embedding(x))[0])


def tagger() -> models.Sequential:
    both = [layers.Bidirectional(layers.LSTM(6, return_sequences=True), name=f"both_{i}") for i in range(2)]
    head = layers.Dense(3, name="head")
    return models.Sequential(
        [layers.Input((None,), dtype="int32"), layers.Embedding(11, 5, name="embedding"), *both, head]
    )


MAPPING = {"embedding": "embedding", "encoder.lstm": ["both_0", "both_1"], "head": "head"}


@pytest.mark.parametrize("way", ["module", "state dict", "file.pt", "file.pth", "file.safetensors"])
def test_a_module_of_ones_own(way: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(0)
    module, model, path = Tagger(), tagger(), tmp_path / way
    source: Any = path
    if way == "module":
        source = module
    elif way == "state dict":
        source = module.state_dict()
    elif way.endswith("safetensors"):
        save_file(module.state_dict(), path)
    else:
        torch.save(module.state_dict(), path)
    bridges.from_torch(source, into=model, mapping=MAPPING)
    x = torch.randint(0, 11, (4, 7))
    close(module(x), model.predict(x.numpy(), verbose=0))
    model.compile("adam", "mse")
    model.fit(x.numpy(), np.zeros((4, 7, 3)), verbose=0)
    other = Tagger()
    assert bridges.to_torch(model, into=other, mapping=MAPPING) is other
    close(other(x), model.predict(x.numpy(), verbose=0))


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("/tmp/cellstep-was-run"),))


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    model, path = tagger(), tmp_path / "m.pt"
    before = model.get_weights()
    state = Tagger().state_dict()
    huge, nested = torch.empty(1).expand(10**6, 10**6), (1,)
    for _ in range(100):
        nested = (nested, nested)
    whole = dict(state)
    cases: list[tuple[Any, str]] = [
        (Evil(), "the pickle: expected tensors by name and nothing else, got '__builtin__.getattr'"),
        (nn.Linear(2, 3), "and nothing else, got 'torch.nn.modules.linear.Linear'"),
        (bytearray(8), "and nothing else, got '__builtin__.bytearray'"),  # of any size, for a few bytes
        ({"head.weight": [1]}, "head.weight: expected a tensor, got a list"),
        ({(1,): 1}, r"expected tensors by name, as of state_dict\(\), got a dictionary with a tuple"),
        (nested, "the pickle: expected what torch.save writes of tensors, got BINGET"),
        ([1, 2], "expected tensors by name"),
        ({1: 2}, "expected tensors by name"),
        ({"model": whole}, "model: expected a tensor, got a dictionary with 'embedding.weight'"),
        (
            {**whole, "head.weight": huge},
            r"head.weight: expected a tensor of shape \(3, 12\), got \(1000000, 1000000\)",
        ),
        ({**whole, "head.weight": torch.eye(12)[:3].to_sparse()}, "the pickle: expected tensors"),
    ]
    for saved, said in cases:
        torch.save(saved, path)
        with pytest.raises(FileError, match=said) as caught:
            bridges.from_torch(path, into=model, mapping=MAPPING)
        assert str(path) in str(caught.value)
        assert len(str(caught.value)) < 700
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(FileError, match="not a zip file"):
        bridges.from_torch(path, into=model, mapping=MAPPING)
    torch.save(state, path, _use_new_zipfile_serialization=False)
    with pytest.raises(FileError, match="not a zip file"):
        bridges.from_torch(path, into=model, mapping=MAPPING)
    torch.save(state, path)
    with zipfile.ZipFile(path) as old:
        members = {info.filename: old.read(info) for info in old.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in members.items():
            new.writestr(name, data)
    with pytest.raises(FileError, match="expected a member that is stored, got a compressed one"):
        bridges.from_torch(path, into=model, mapping=MAPPING)
    torch.save({**state, "head.weight": torch.zeros(1).expand(3, 12)}, path)
    with pytest.raises(FileError, match=r"the archive takes .* bytes of memory"):
        bridges.from_torch(path, into=model, mapping=MAPPING, max_bytes=100)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert not Path("/tmp/cellstep-was-run").exists()
    bridges.from_torch(path, into=model, mapping=MAPPING)
    assert not model.get_layer("head").kernel.value.any()


def test_tensors_of_ours_load_in_safetensors_of_pytorch(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = tagger()
    model.save(tmp_path / "m.safetensors")
    found = load_file(tmp_path / "m.safetensors")
    assert np.array_equal(found["layers/dense/kernel"].numpy(), model.get_layer("head").kernel.value)
    tensor_file.write(tmp_path / "t.safetensors", {k: v.numpy() for k, v in Tagger().state_dict().items()})
    Tagger().load_state_dict(load_file(tmp_path / "t.safetensors"))


def test_converted_to_a_state_dict_and_back(tmp_path: Path) -> None:
    model, x = tagger(), np.random.default_rng(0).integers(0, 11, (2, 5))
    model.save(tmp_path / "a.safetensors")
    bridges.convert(tmp_path / "a.safetensors", tmp_path / "a.pt")
    found = bridges.inspect(tmp_path / "a.pt")
    assert not found.problem
    assert ("head.weight", "float32", (3, 12)) in found.tensors
    bridges.to_torch(model).load_state_dict(torch.load(tmp_path / "a.pt", weights_only=True))
    like = tagger()
    mapping = {layer.name: layer.name for layer in like.layers}
    same = bridges.convert(tmp_path / "a.pt", tmp_path / "b.safetensors", like=like, mapping=mapping)
    assert np.array_equal(same.predict(x, verbose=0), model.predict(x, verbose=0))
    torch.save({"epoch": 3, "state_dict": Tagger().state_dict()}, tmp_path / "a.pt")
    assert "expected tensors by name, as of state_dict(), got a dictionary with 'epoch', 'state_dict'" in str(
        bridges.inspect(tmp_path / "a.pt")
    )


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModuleNotFoundError, match=r"models of PyTorch need torch: pip install 'cellstep\[torch\]'"):
        bridges.to_torch(tagger())
    cellstep.bridges.from_torch(
        {"d.weight": np.ones((2, 3)), "d.bias": np.ones(2)},
        into=models.Sequential([layers.Input((3,)), layers.Dense(2, name="d")]),
    )
