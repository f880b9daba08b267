"""Files of one format written in another, and looked into."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import bridges, models, tensor_file
from cellstep import layers as L
from cellstep.bridges import FileError, conversion
from cellstep.cli import main

pytest.importorskip("h5py")

FORMATS = [".keras", ".safetensors", ".weights.h5"]


def net() -> models.Sequential:
    model = models.Sequential(
        [
            *(L.Input((None,), dtype="int32"), L.Embedding(9, 4)),
            *(L.Bidirectional(L.LSTM(3, return_sequences=True)), L.GRU(5), L.Dense(2, "softmax")),
        ]
    )
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_between_formats(tmp_path: Path, source: str, target: str) -> None:
    model, x = net(), np.random.default_rng(0).integers(0, 9, (2, 5))
    first, second = tmp_path / f"a{source}", tmp_path / f"b{target}"
    (model.save_weights if source == ".weights.h5" else model.save)(first)
    like = net() if source == ".weights.h5" else None
    kept = like and like.get_weights()
    same = bridges.convert(first, second, like=like)
    other = net()
    if target == ".keras":
        other = models.load_model(second)  # type: ignore[assignment]
    else:
        other.load_weights(second)
    for found in (same, other):
        assert np.array_equal(found.predict(x, verbose=0), model.predict(x, verbose=0))
    if like is not None:
        assert all(np.array_equal(a, b) for a, b in zip(kept, like.get_weights(), strict=True))
    assert bridges.inspect(second).problem == ""
    assert sorted(os.listdir(tmp_path)) == sorted({first.name, second.name})


@pytest.mark.parametrize("ending", FORMATS)
def test_to_onnx_and_back(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("onnx")
    model, x = net(), np.random.default_rng(0).integers(0, 9, (2, 5))
    model.save(tmp_path / "a.keras")
    bridges.convert(tmp_path / "a.keras", tmp_path / "a.onnx")
    found = bridges.inspect(tmp_path / "a.onnx")
    assert not found.problem
    assert "2 LSTM" in found.facts["operators"] or "1 LSTM" in found.facts["operators"]
    same = bridges.convert(tmp_path / "a.onnx", tmp_path / f"b{ending}")
    np.testing.assert_allclose(same.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    if ending != ".weights.h5":
        again = models.load_model(tmp_path / f"b{ending}")
        assert np.array_equal(again.predict(x, verbose=0), same.predict(x, verbose=0))


def test_older_files_of_keras(tmp_path: Path) -> None:
    with zipfile.ZipFile(next((Path(__file__).parents[1] / "golden").glob("legacy-2-*.zip"))) as kept:
        names = [name for name in kept.namelist() if name.endswith(".h5") and "weights" not in name]
        for name in names:
            (tmp_path / "old.h5").write_bytes(kept.read(name))
            found = bridges.inspect(tmp_path / "old.h5")
            if found.problem or "layers" not in found.facts:
                continue
            model = bridges.convert(tmp_path / "old.h5", tmp_path / "new.safetensors")
            assert len(model.weights) == len(bridges.inspect(tmp_path / "new.safetensors").tensors)
            break
        else:
            pytest.fail(f"none of {names} would load")


def test_what_was_written_is_held_against_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, target = net(), tmp_path / "b.safetensors"
    model.save(tmp_path / "a.keras")
    target.write_bytes(b"before")

    def wrong(model: Any, path: Path) -> None:
        other = models.clone_model(model)
        other.set_weights([1.01 * a for a in model.get_weights()])
        other.save(path)

    monkeypatch.setattr(conversion, "write", wrong)
    with pytest.raises(
        FileError, match=r"b\.safetensors, the self-test: expected what the source's model gives, got a d"
    ):
        bridges.convert(tmp_path / "a.keras", target)
    assert target.read_bytes() == b"before"


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    a, b = L.Input((4, 3)), L.Input((None, 2))
    model = models.Model([a, b], {"y": L.GRU(2)(b), "z": L.Dense(1)(L.LSTM(3)(a))})
    model.save(tmp_path / "a.keras")
    same = bridges.convert(tmp_path / "a.keras", tmp_path / "b.safetensors")
    x = [np.ones((2, 4, 3)), np.ones((2, 5, 2))]
    for name, y in model.predict(x, verbose=0).items():
        assert np.array_equal(same.predict(x, verbose=0)[name], y)


def test_what_is_refused(tmp_path: Path) -> None:
    net().save_weights(tmp_path / "a.weights.h5")
    net().save(tmp_path / "a.keras")
    with pytest.raises(ValueError, match=r"like must be a model, as .*a\.weights\.h5 holds weights and no structure"):
        bridges.convert(tmp_path / "a.weights.h5", tmp_path / "b.keras")
    with pytest.raises(ValueError, match=r"target must end in one of \.weights\.h5, .* got '.*b\.npz'"):
        bridges.convert(tmp_path / "a.keras", tmp_path / "b.npz")
    with pytest.raises(FileExistsError, match="target exists already: "):
        bridges.convert(tmp_path / "a.keras", tmp_path / "a.keras", overwrite=False)
    with pytest.raises(FileNotFoundError):
        bridges.convert(tmp_path / "no.keras", tmp_path / "b.keras")
    with pytest.raises(FileNotFoundError):
        bridges.inspect(tmp_path / "no.keras")
    with pytest.raises(TypeError, match="path must be a path, got 3"):
        bridges.inspect(3)
    (tmp_path / "like.json").write_text(net().to_json())
    bridges.convert(tmp_path / "a.weights.h5", tmp_path / "b.keras", like=tmp_path / "like.json")
    assert sorted(os.listdir(tmp_path)) == ["a.keras", "a.weights.h5", "b.keras", "like.json"]


@pytest.mark.parametrize("ending", FORMATS)
def test_inspection_tells_what_a_file_holds_without_its_arrays(tmp_path: Path, ending: str) -> None:
    model, path = net(), tmp_path / f"a{ending}"
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    found = bridges.inspect(path)
    assert not found.problem
    assert found.size == path.stat().st_size
    shapes = [shape for name, _, shape in found.tensors if "optimizer" not in name]
    assert sorted(shapes) == sorted(weight.shape for weight in model.weights)
    if ending != ".weights.h5":
        assert "(Bidirectional), " in found.facts["layers"]
    assert "9x4" in str(found)
    path.write_bytes(path.read_bytes()[:-3000])
    found = bridges.inspect(path)
    assert str(path) in str(found)
    assert found.problem
    assert "would load     no: " in str(found)


def test_inspection_of_other_tensors(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tensor_file.write(path, {"lstm.weight_ih_l0": np.ones((8, 2))}, {"format": "pt"})
    found = bridges.inspect(path)
    assert (found.tensors, found.facts) == ([("lstm.weight_ih_l0", "F64", (8, 2))], {"format": "pt"})
    assert "from_torch" in found.how
    model = models.Sequential([L.Input((None, 2)), L.LSTM(3)])
    model.stream(2).state.save(path)
    assert bridges.inspect(path).holds == "states of a stream"
    model.save(path)
    with tensor_file.opened(path) as file:
        arrays, texts = {name: file.read(name) for name in file.entries}, file.metadata
    tensor_file.write(path, {**arrays, "layers/lstm/cell/bias": np.ones(3)}, texts)
    assert "got (3,)" in bridges.inspect(path).problem
    tensor_file.write(path, arrays, {**texts, "model": texts["model"].replace("LSTM", "LSTN")})
    assert "LSTN" in bridges.inspect(path).problem


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net().save(tmp_path / "a.keras")
    assert main(["convert", str(tmp_path / "a.keras"), str(tmp_path / "b.safetensors")]) == 0
    out = capsys.readouterr().out
    assert "embeddings" in out
    assert "b.safetensors: written; read again, it gives for random inputs what the model gives" in out
    assert main(["inspect", str(tmp_path / "b.safetensors")]) == 0
    assert "would load     yes: models.load_model(path)" in capsys.readouterr().out
    assert main(["convert", str(tmp_path / "a.keras"), str(tmp_path / "b.safetensors"), "--keep"]) == 2
    assert "target exists already" in capsys.readouterr().err
    (tmp_path / "b.safetensors").write_bytes(b"x")
    assert main(["inspect", str(tmp_path / "b.safetensors")]) == 1
    assert "would load     no: expected a safetensors file" in capsys.readouterr().out
    state = {"e.weight": np.ones((4, 2), "f4"), "r.weight_ih_l0": np.ones((6, 2), "f4")}
    state |= {
        "r.weight_hh_l0": np.ones((6, 2), "f4"),
        "r.bias_ih_l0": np.ones(6, "f4"),
        "r.bias_hh_l0": np.ones(6, "f4"),
    }
    tensor_file.write(tmp_path / "t.safetensors", state)
    like = models.Sequential([L.Input((None,), dtype="int32"), L.Embedding(4, 2, name="e"), L.GRU(2, name="gru")])
    like.save(tmp_path / "like.keras")
    arguments = [
        "convert",
        str(tmp_path / "t.safetensors"),
        str(tmp_path / "c.keras"),
        "--like",
        str(tmp_path / "like.keras"),
    ]
    assert main([*arguments, "--map", "e=e", "--map", "r=gru"]) == 0
    assert models.load_model(tmp_path / "c.keras").get_weights()[0].min() == 1
    assert main([*arguments, "--map", "e"]) == 2
    assert "--map must be PREFIX=LAYER, got 'e'" in capsys.readouterr().err
    assert main(["inspect", str(tmp_path / "c.keras"), "--max-bytes", "100"]) == 1
