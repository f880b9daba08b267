"""Files of many models: .safetensors, with the description in the metadata, and all that training goes on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ... import core, seeds, tensor_file
from ...registry import serialize_shared
from ...untrusted import FileError
from .. import tensors
from ..saving import model_of

if TYPE_CHECKING:
    from .many_models import ManyModels

Array = NDArray[Any]
#: What stands in the metadata for the layout of names.
LAYOUT = {"cellstep_many": "1"}


def save(many: ManyModels, filepath: Any, overwrite: bool) -> None:
    """Write the description and the state of each model."""
    config = serialize_shared(many._model) | {"compile_config": many._model.get_compile_config()}
    arrays = {"weights": many._values, "calls": many._updates.calls, "learning_rate": many._updates.rates}
    arrays["generator"] = np.array([_numbers(g) for g in many._generators], np.uint64)
    arrays |= {f"slots/{name}": array for name, array in many._updates.slots.items()}
    tensor_file.write(_path(filepath), arrays, LAYOUT | {tensors.MODEL: json.dumps(config)}, overwrite)


def load(cls: type[ManyModels], filepath: Any, custom_objects: Any, max_bytes: int | None) -> ManyModels:
    """Models that `save` wrote; FileError for a file that is damaged, or holds something else."""
    with tensor_file.opened(_path(filepath), max_bytes) as file:
        text = tensors.configuration(file).encode()
        model = model_of(text, tensors.MODEL, file.limit.left, file.name, custom_objects, True)
        shape: tuple[int, ...] = file.entries["weights"].shape if "weights" in file.entries else ()
        many = cls.__new__(cls)
        try:
            many._begin(model, shape[0] if len(shape) == 2 else 0)
        except (NotImplementedError, RuntimeError, ValueError) as error:
            raise FileError(file.name, tensors.MODEL, f"expected a description of many models: {error}") from None
        n, updates = many.n, many._updates
        wanted = {"weights": many._values, "calls": updates.calls, "learning_rate": updates.rates}
        wanted |= {f"slots/{name}": array for name, array in updates.slots.items()}
        numbers = np.zeros((n, 6), np.uint64)
        for name, array in (wanted | {"generator": numbers}).items():
            found = file.entries.get(name)
            if found is None or found.shape != array.shape:
                got = "none" if found is None else found.shape
                raise FileError(file.name, f"tensor {name!r}", f"expected an array of shape {array.shape}, got {got}")
            array[...] = tensors.in_dtype(file.name, f"tensor {name!r}", file.read(name), array.dtype)
        updates.check(file.name)
        many._generators = [_generator(file.name, row) for row in numbers.tolist()]
    return many


def _numbers(generator: np.random.Generator) -> list[int]:
    """The state of a generator in numbers of 64 bits."""
    state: Any = generator.bit_generator.state
    halves = [part for key in ("state", "inc") for part in divmod(state["state"][key], 2**64)]
    return [*halves, state["has_uint32"], state["uinteger"]]


def _generator(file: str, numbers: list[int]) -> np.random.Generator:
    generator = np.random.default_rng(0)
    high, low, inc_high, inc_low, has, rest = numbers
    inner = {"state": high * 2**64 + low, "inc": inc_high * 2**64 + inc_low}
    state = {**generator.bit_generator.state, "state": inner, "has_uint32": has, "uinteger": rest}
    try:
        seeds.check_generator(generator, state)
    except ValueError as error:
        raise FileError(file, "tensor 'generator'", str(error)) from None
    generator.bit_generator.state = state
    return generator


def _path(filepath: Any) -> Path:
    path = core.check_path("filepath", filepath)
    if path.suffix != ".safetensors":
        raise ValueError(f"filepath must end in .safetensors, got {str(path)!r}")
    return path
