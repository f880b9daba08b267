"""State dicts: tensors by name, of a module, a dictionary or a file, checked before any is read.

A .pt file is read by PyTorch alone, with weights_only=True, which runs nothing of what is in it; a .safetensors file
without PyTorch.
"""

from __future__ import annotations

import os
import pickletools
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ... import tensor_file
from ...core import brief
from ...models import archive
from ...untrusted import FileError, Limit, blamed, library, named, open_file

#: What files of PyTorch's end in.
ENDINGS = (".pt", ".pth", ".bin")


#: What the pickle in a .pt file may name: what tensors are made of.
NAMES = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor_v2|parameter)"
    r"|torch(\.storage)? (\w+Storage|b?float\d*|double|half)"
)


class Tensor(NamedTuple):
    """A tensor that is read when it is called."""

    shape: tuple[int, ...]
    read: Callable[[], Any]

    def __call__(self) -> Any:
        return self.read()


@contextmanager
def tensors_in(source: Any, max_bytes: int | None = None) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The name and the tensors of a source: a path, a module, or a dictionary of tensors or arrays.

    Raises:
        TypeError: it is none. FileError: a file is damaged, asks for too much, or holds something else.
    """
    if isinstance(source, str | os.PathLike):
        ending = Path(source).suffix
        if ending == ".safetensors":
            with tensor_file.opened(source, max_bytes) as file:
                yield file.name, {name: _lazy(file, name) for name in file.entries}
            return
        if ending not in ENDINGS:
            raise ValueError(f"source must end in .safetensors or {', '.join(ENDINGS)}, got {os.fspath(source)!r}")
        with open_file(source, "source") as opened:
            limit = Limit(named(source), opened.seek(0, os.SEEK_END), max_bytes)
            check_archive(opened, limit)
            with _archive(opened, limit.file) as held:  # torch.load does not look at checksums
                archive.check_sums(held, limit.file)
            yield limit.file, _tensors(limit, load(opened, limit))
        return
    if hasattr(source, "state_dict"):
        source = source.state_dict()
    if not isinstance(source, Mapping):
        raise TypeError(f"source must be a module, a state dict or a path, got {brief(source)}")
    yield "the state dict", _tensors(None, source)


def _lazy(file: tensor_file.TensorFile, name: str) -> Tensor:
    return Tensor(file.entries[name].shape, lambda: file.read(name))


@contextmanager
def _archive(file: BinaryIO, path: str) -> Iterator[zipfile.ZipFile]:
    """The archive of a .pt file."""
    with archive.opened(file, path) as opened:
        members = opened.infolist()
        if not any(member.CRC for member in members):  # of torch.serialization.set_crc32_options(False)
            for member in members:
                del member.CRC  # zipfile compares none then
        yield opened


def check_archive(file: BinaryIO, limit: Limit) -> tuple[list[str], int]:
    """A .pt file is, as PyTorch has written it since 1.6, a zip archive, of which nothing is compressed.

    Returns:
        What the pickle in it names, which is looked at and not run, and the number of arrays.

    Raises:
        FileError: it is none, or would become larger than is allowed, or names more than tensors.
    """
    with _archive(file, limit.file) as opened:
        members = {member.filename: member for member in opened.infolist()}
        limit.take("the archive", sum(member.file_size for member in members.values()))
        for name, member in members.items():
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                raise FileError(limit.file, brief(name), "expected a member that is stored, got a compressed one")
        text = [name for name in members if name.endswith("/data.pkl")]
        if len(text) != 1:
            raise FileError(limit.file, "", "expected a file of torch.save, with a data.pkl in it, got another archive")
        content = archive.content(opened, members[text[0]], limit.file)
    return names_in(content, limit.file), sum("/data/" in name for name in members)


def names_in(text: bytes, file: str) -> list[str]:
    """What a pickle names, which is looked at and not run.

    Raises:
        FileError: it names more than tensors are made of; or a tuple stands in it twice, by which few bytes become so
            many parts within parts that nobody could compare them.
    """
    found: dict[str, None] = {}
    tuples, before = set(), ""
    with blamed(file, "the pickle", (Exception,)):
        for operation, argument, _ in pickletools.genops(text):
            name = operation.name
            if "GLOBAL" in name:
                found[str(argument)] = None
            if "PUT" in name and "TUPLE" in before:
                tuples.add(argument)
            if name in ("DUP", "MEMOIZE", "INST", "STACK_GLOBAL") or ("GET" in name and argument in tuples):
                raise ValueError(f"expected what torch.save writes of tensors, got {name}")
            before = name
    wrong = [name for name in found if not NAMES.fullmatch(name)]
    if wrong:
        said = brief(wrong[0].replace(" ", "."))
        raise FileError(file, "the pickle", f"expected tensors by name and nothing else, got {said}")
    return sorted(name.replace(" ", ".") for name in found)


def load(file: BinaryIO, limit: Limit, device: str = "cpu") -> Any:
    """What is in a .pt file that `check_archive` has let pass, as PyTorch reads it with weights_only=True.

    Args:
        file: open. limit: for messages. device: where tensors are put; "meta" for none of their numbers.

    Raises:
        FileError: it is damaged, or holds more than tensors and plain structures.
    """
    torch = library("torch", "torch", ".pt files")
    file.seek(0)
    with blamed(limit.file, "", (Exception,)):
        return torch.load(file, map_location=device, weights_only=True)


def _tensors(limit: Limit | None, found: Any) -> dict[str, Tensor]:
    file = limit.file if limit else "the state dict"
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise FileError(file, "", f"expected tensors by name, as of state_dict(), got {what(found)}")
    return {name: _tensor(limit, file, name, tensor) for name, tensor in found.items()}


def _tensor(limit: Limit | None, file: str, name: str, tensor: Any) -> Tensor:
    if not hasattr(tensor, "detach"):
        if not (hasattr(tensor, "shape") and hasattr(tensor, "dtype")):
            hint = "; from_torch takes that part of the file" if isinstance(tensor, Mapping) else ""
            raise FileError(file, brief(name)[1:-1], f"expected a tensor, got {what(tensor)}{hint}")
        return Tensor(tuple(tensor.shape), lambda: tensor)
    own = tensor.detach()
    if str(own.layout) != "torch.strided" or own.is_quantized or own.is_meta or own.is_nested:
        raise FileError(file, name, f"expected a dense tensor, got one of {own.layout} on {own.device}")
    kind = str(own.dtype).removeprefix("torch.")

    def read() -> Any:
        if limit is not None:  # few bytes may stand for many, with strides of 0
            limit.take("the tensor", own.numel() * own.element_size(), name)
        plain = own.cpu().resolve_conj().resolve_neg()
        return (plain.float() if kind == "bfloat16" or kind.startswith("float8") else plain).numpy()

    return Tensor(tuple(own.shape), read)


def what(value: Any) -> str:
    if isinstance(value, Mapping):
        names = [brief(key) if isinstance(key, str) else f"a {type(key).__name__}" for key in list(value)[:4]]
        return f"a dictionary with {', '.join(names)}" if value else "an empty dictionary"
    return f"a {type(value).__name__}"
