"""The rules for files that come from anyone: one error, and a limit of memory."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pytest

from cellstep import layers, models, untrusted
from cellstep.bridges import FileError, inspect


def test_the_error_names_file_place_and_reason_and_pickles() -> None:
    error = FileError("m.onnx", "node 3", "no such operator")
    assert str(error) == "m.onnx, node 3: no such operator"
    assert str(FileError("m.onnx", "", "it is empty")) == "m.onnx: it is empty"
    again = pickle.loads(pickle.dumps(error))
    assert (again.file, again.place, again.reason) == (error.file, error.place, error.reason)
    assert isinstance(error, ValueError)


def test_what_libraries_raise_is_blamed_on_the_file() -> None:
    for kind in (KeyError, RuntimeError, RecursionError, MemoryError, UnicodeDecodeError):
        with pytest.raises(FileError, match=r"^m\.pt, weights: "), untrusted.blamed("m.pt", "weights"):
            raise kind("x") if kind is not UnicodeDecodeError else b"\xff".decode() and kind
    inner = FileError("m.pt", "layer 0", "x")
    with pytest.raises(FileError) as caught, untrusted.blamed("m.pt", "elsewhere"):
        raise inner
    assert caught.value is inner
    with pytest.raises(KeyboardInterrupt), untrusted.blamed("m.pt"):
        raise KeyboardInterrupt
    with pytest.raises(FileError) as caught, untrusted.blamed("m.pt"):
        raise ValueError("long " * 1000)
    assert len(str(caught.value)) < 450


def test_a_limit_is_counted_down() -> None:
    limit = untrusted.Limit("f", 10, max_bytes=100)
    limit.take("a tensor", 60)
    with pytest.raises(FileError, match=r"f, W: a tensor takes 60 bytes .* than the 40 that are left"):
        limit.take("a tensor", 60, "W")
    limit.take("a tensor", 40)
    assert untrusted.Limit("f", 10).left == untrusted.BASE + 80
    with pytest.raises(TypeError, match="max_bytes must be a positive integer, got '1GB'"):
        untrusted.Limit("f", 10, max_bytes="1GB")  # type: ignore[arg-type]


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", "pipe", "", "a\0b", "x" * 5000):
        with pytest.raises(FileNotFoundError, match="path must be a file that exists"):
            untrusted.open_file(tmp_path / name)
    with pytest.raises(TypeError, match="path must be a path, got 3"):
        untrusted.open_file(3)
    (tmp_path / "there").write_bytes(b"x")
    with untrusted.open_file(tmp_path / "there") as file:
        assert untrusted.named(file) == str(tmp_path / "there")


def test_a_missing_library_is_named_with_its_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"ONNX files need no_such_thing: pip install 'cellstep\[onnx\]'"):
        untrusted.library("no_such_thing.part", "onnx", "ONNX files")
    assert untrusted.library("json", "json", "texts").dumps([]) == "[]"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..", "C:x", "\\x", "a\\..\\x"])
def test_an_archive_with_a_name_that_leads_out_of_it(tmp_path: Path, name: str) -> None:
    pytest.importorskip("h5py")
    path, net = tmp_path / "m.keras", models.Sequential([layers.Input((3,)), layers.Dense(2)])
    net.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
        archive.writestr("a/..b/c..", b"within it")
    words = "must be a name within the archive, got one that leads out of it"
    for read in (models.load_model, net.load_weights):
        with pytest.raises(FileError, match=words) as caught:
            read(path)
        assert caught.value.place == repr(name)
    assert words in inspect(path).problem


def test_groups_that_can_be_reached_in_many_ways_are_listed_once(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "m.weights.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("a")
        for _ in range(45):  # 2 ** 45 ways to the array
            below = group.create_group("a")
            group["b"] = below
            group = below
        group["array"] = 1.0
    assert len(inspect(path).tensors) == 1
    with h5py.File(path, "a") as file:
        file["link"] = h5py.SoftLink("/a")
    assert "link: must hold plain arrays of numbers" in inspect(path).problem
    with h5py.File(path, "a") as file:
        file["a/a/a"]["deep"] = file["a"]  # a group within itself
        del file["link"]
        file["/".join("x" * 60)] = 1.0
    assert "must have at most 50 groups in each other, got more" in inspect(path).problem
