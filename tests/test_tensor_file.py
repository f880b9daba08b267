"""Files in the safetensors format, beside the library of that name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import tensor_file
from cellstep.untrusted import FileError

library = pytest.importorskip("safetensors.numpy")

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]


def some(seed: int) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    shapes = [(), (0,), (3,), (2, 0, 3), (5, 2), (1, 2, 3, 4)]
    return {
        f"{dtype}/ä {i}": np.asarray(draw.integers(0, 2, shape) if dtype == "?" else draw.integers(0, 99, shape), dtype)
        for i, shape in enumerate(shapes)
        for dtype in draw.choice(DTYPES, 4, replace=False)
    }


@pytest.mark.parametrize("seed", range(5))
def test_the_library_reads_what_is_written_here_and_the_other_way_round(tmp_path: Path, seed: int) -> None:
    arrays, texts = some(seed), {"a": 'b\n"', "ü": "{}"}
    tensor_file.write(tmp_path / "ours.safetensors", arrays, texts)
    library.save_file(arrays, tmp_path / "theirs.safetensors", texts)
    theirs = library.load_file(tmp_path / "ours.safetensors")
    for path in (tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"):
        with tensor_file.opened(path) as file:
            assert file.metadata == texts
            found = {name: file.read(name) for name in file.entries}
        for read in (found, theirs):
            assert read.keys() == arrays.keys()
            for name, a in arrays.items():
                assert read[name].dtype == a.dtype
                assert np.array_equal(read[name], a)


def test_strides_and_byte_orders_do_not_matter(tmp_path: Path) -> None:
    a = np.arange(24, dtype=">f4").reshape(4, 6)
    tensor_file.write(tmp_path / "a.safetensors", {"a": a.T[::2, ::-1], "list": [[1.0, 2.0]]})
    with tensor_file.opened(tmp_path / "a.safetensors") as file:
        assert np.array_equal(file.read("a"), a.T[::2, ::-1])
        assert file.read("list").tolist() == [[1.0, 2.0]]
        assert file.read("a").flags.writeable


def test_bfloat16_is_the_upper_half_of_a_float32(tmp_path: Path) -> None:
    values = np.array([1.5, -2.0, 3e38, np.inf], np.float32)
    raw(
        tmp_path / "b",
        {"b": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}},
        (values.view("u4") >> 16).astype("u2").tobytes(),
    )
    with tensor_file.opened(tmp_path / "b") as file:
        found = file.read("b")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, values, rtol=2**-7)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for value in (np.ones(2, complex), np.array(["x"]), np.array([{}]), None):
        with pytest.raises(TypeError, match="expected a to"):
            tensor_file.write(path, {"a": value})
    assert not path.exists()
    tensor_file.write(path, {"a": np.ones(2)})
    with pytest.raises(FileExistsError):
        tensor_file.write(path, {}, overwrite=False)


def raw(path: Path, header: Any, data: bytes = b"", size: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if size is None else size).to_bytes(8, "little") + text + data)
    return path


def entry(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


DOUBLED = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'

#: Headers, the bytes behind them, and what is said.
WRONG: list[tuple[Any, bytes, str]] = [
    (b"[]", b"", "the header: expected a dictionary, got "),
    (b"{", b"", "begins with the size of its header, got a header of 1 bytes in 9"),
    (b'{"a"', b"", "the header: Expecting"),
    (b"\xff\xff", b"", "the header: 'utf-8' codec"),
    (b"[" * 10**5, b"", "the header: parts within parts without end"),
    (DOUBLED, bytes(8), "the header: expected each name once, got 'a' twice"),
    ({"__metadata__": {"a": 1}}, b"", "__metadata__: expected texts by name"),
    ({"__metadata__": []}, b"", "__metadata__: expected texts by name"),
    ({"a": 3}, b"", "tensor 'a': expected dtype, shape and data_offsets, got 3"),
    (entry(dtype="F33"), bytes(8), r"tensor 'a': expected dtype to be one of F16, .* got 'F33'"),
    (entry(dtype=[]), bytes(8), r"expected dtype to be one of F16, .* got \[\]"),
    (entry(shape=[3]), bytes(8), r"expected 12 bytes for F32 of shape \[3\], got data_offsets \[0, 8\]"),
    (entry(shape=[-2, -1]), bytes(8), "expected shape to be a list"),
    (entry(shape=[2.0]), bytes(8), "expected shape to be a list"),
    (entry(shape=[True, 2]), bytes(8), "expected shape to be a list"),
    (entry(shape=[1] * 40 + [2]), bytes(8), "expected shape to be a list of at most 32 sizes"),
    (entry(shape=[2**62, 2**62, 0]), bytes(8), "expected 0 bytes"),
    (entry(data_offsets=[8, 0]), bytes(8), "expected 8 bytes"),
    (entry(data_offsets=[0]), bytes(8), "expected data_offsets to be two numbers"),
    (entry(data_offsets=[8, 16]), bytes(16), "expected data_offsets to begin at 0, got 8"),
    (entry(), bytes(7), "expected 8 bytes of data behind the header, got 7"),
    (entry(), bytes(9), "expected 8 bytes of data behind the header, got 9"),
    ({**entry(), "b": entry()["a"]}, bytes(8), "tensor 'b': expected data_offsets to begin at 8, got 0"),
    ({"x" * 10**5: 3}, b"", "tensor 'xxx"),
]


@pytest.mark.parametrize(("header", "data", "said"), WRONG)
def test_damaged_files_are_refused_in_one_sentence(tmp_path: Path, header: Any, data: bytes, said: str) -> None:
    path = raw(tmp_path / "a.safetensors", header, data)
    with pytest.raises(FileError, match=said) as caught, tensor_file.opened(path):
        pass
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 700


def test_sizes_are_held_against_the_limit_before_memory_is_taken(tmp_path: Path) -> None:
    path = raw(tmp_path / "a", entry(), bytes(8), size=2**40)
    with pytest.raises(FileError, match="got a header of 1099511627776 bytes in"), tensor_file.opened(path):
        pass
    (tmp_path / "sparse").write_bytes((90_000_000).to_bytes(8, "little"))
    os.truncate(tmp_path / "sparse", 100_000_000)
    with (
        pytest.raises(FileError, match="the header takes 2160000000 bytes of memory, which is more than"),
        tensor_file.opened(tmp_path / "sparse"),
    ):
        pass
    tensor_file.write(tmp_path / "big", {"a": np.zeros(1000)})
    with (
        tensor_file.opened(tmp_path / "big", max_bytes=5000) as file,
        pytest.raises(FileError, match="tensor 'a': the array takes 8000 bytes"),
    ):
        file.read("a")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(FileError, match="got 0 bytes"), tensor_file.opened(tmp_path / "empty"):
        pass
