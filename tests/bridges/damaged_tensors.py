"""Files of tensors and of PyTorch's with random damage, and what loading and inspecting each of them does.

    python damaged_tensors.py KIND COUNT SEED

KIND is `tensors` (bytes of a .safetensors file), `header` (its header, as a structure), `pytorch` (bytes of a .pt file)
or `pickle` (bytes of the pickle in it, in an archive that is whole). Right is: weights that fit, or a FileError that
names the file and leaves the model as it was. Prints how often each was met, and everything else.
"""

from __future__ import annotations

import io
import json
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))

from damaged_files import damaged, mutated

from cellstep import bridges, models
from cellstep import layers as L
from cellstep.bridges import FileError

MAPPING = {"embedding": "embedding", "rnn": ["first", "second"], "head": "head"}


def net() -> models.Sequential:
    return models.Sequential(
        [
            *(L.Input((None,), dtype="int32"), L.Embedding(7, 3, name="embedding")),
            L.Bidirectional(L.LSTM(2, return_sequences=True), name="first"),
            L.Bidirectional(L.LSTM(2, return_sequences=True), name="second"),
            L.Dense(2, name="head"),
        ]
    )


def tensors(folder: Path) -> tuple[Path, bytes]:
    net().save(folder / "whole.safetensors")
    return folder / "m.safetensors", (folder / "whole.safetensors").read_bytes()


def with_header(data: bytes, draw: random.Random) -> bytes:
    """The file with another header: parts of the dictionary changed, or of the configuration in it."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    if draw.random() < 0.4:
        config = mutated(json.loads(header["__metadata__"]["model"]), draw)
        header["__metadata__"]["model"] = json.dumps(config)
    else:
        header = mutated(header, draw)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def pytorch(folder: Path) -> tuple[Path, bytes]:
    import torch
    from torch import nn

    module = nn.ModuleDict(
        {
            "embedding": nn.Embedding(7, 3),
            "rnn": nn.LSTM(3, 2, num_layers=2, bidirectional=True),
            "head": nn.Linear(4, 2),
        }
    )
    torch.save(module.state_dict(), folder / "whole.pt")
    return folder / "m.pt", (folder / "whole.pt").read_bytes()


def with_pickle(data: bytes, draw: random.Random) -> bytes:
    """The archive with another pickle in it, or other bytes of an array."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = [(info.filename, old.read(info)) for info in old.infolist()]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as new:
        for name, content in members:
            chosen = name.endswith("/data.pkl") or ("/data/" in name and draw.random() < 0.02)
            new.writestr(name, changed(content, draw) if chosen else content)
    return buffer.getvalue()


def changed(data: bytes, draw: random.Random) -> bytes:
    """Damage anywhere; or other numbers where the pickle has numbers, which are the sizes of tensors."""
    found = bytearray(data)
    if draw.random() < 0.5 or len(found) < 200:
        return damaged(data, draw)
    for _ in range(draw.choice((1, 1, 2, 4))):
        places = [i for i in range(len(found) - 4) if found[i : i + 1] in (b"K", b"M", b"J")]
        at = draw.choice(places)
        found[at + 1 : at + 2] = draw.randbytes(1)
        if draw.random() < 0.2:  # a larger number
            found[at : at + 2] = b"\x8a\x06" + draw.randbytes(5) + b"\x00"
    return bytes(found)


#: For each kind a whole file, what is done to it, and what loads it into a model.
KINDS: dict[str, tuple[Callable[[Path], tuple[Path, bytes]], Callable[[bytes, random.Random], bytes]]] = {
    "tensors": (tensors, damaged),
    "header": (tensors, with_header),
    "pytorch": (pytorch, damaged),
    "pickle": (pytorch, with_pickle),
}


def load(path: Path, model: Any, number: int) -> Any:
    if path.suffix == ".pt":
        return bridges.from_torch(path, into=model, mapping=MAPPING)
    if number % 2:
        return models.load_model(path)
    model.load_weights(path)
    return model


def outcome(path: Path, model: Any, number: int, trace: list[str]) -> str:
    before = model.get_weights()
    try:
        made = load(path, model, number)
    except FileError as error:
        if str(path) not in str(error) or len(str(error)) > 1500:
            return f"no name of the file, or too long: {error!r:.300}"
        same = all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
        return "refused" if same else f"refused, and weights were changed: {error!r:.200}"
    except BaseException as error:
        trace.append(traceback.format_exc())
        return f"raises {error!r:.200}"
    for weight, other in zip(model.get_weights(), before, strict=True):
        if weight.shape != other.shape:
            return "another shape"
    model.set_weights(before)
    return "loads" if made.built else "not built"


def looked_into(path: Path, trace: list[str]) -> str:
    try:
        found = bridges.inspect(path)
        str(found)
    except BaseException as error:
        trace.append(traceback.format_exc())
        return f"inspection raises {error!r:.200}"
    return "a problem" if found.problem else "would load"


def main(kind: str, count: int, seed: int) -> int:
    draw, found, model, trace = random.Random(f"{kind} {seed}"), Counter[str](), net(), list[str]()
    whole, damage = KINDS[kind]
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    slowest = base = 0.0
    with tempfile.TemporaryDirectory() as name:
        path, data = whole(Path(name))
        for number in range(count):
            path.write_bytes(damage(data, draw))
            began = time.process_time()
            found[outcome(path, model, number, trace)] += 1
            if number % 4 == 0:
                found[looked_into(path, trace)] += 1
            slowest = max(slowest, time.process_time() - began)
            if number == 50:
                base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024 if base else 0.0
    right = sum(found[key] for key in ("refused", "loads"))
    print(f"{kind}: {count} files, slowest {slowest:.2f} s, {grown:.0f} MB more memory")
    for said, number in found.most_common():
        print(f"{number:6} {said}")
    for text in list(dict.fromkeys(trace))[:10]:
        print(text)
    inspected = found["a problem"] + found["would load"]
    return 0 if right == count and inspected == (count + 3) // 4 and grown < 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
