"""Files of models and weights with random damage, and what loading each of them does.

    python damaged_files.py KIND COUNT SEED

KIND is `archive` (bytes of a .keras file), `config` (the configuration in it, as a structure), `hdf5` (bytes of the
weights in it, with the checksum made again), `weights` (bytes of a .weights.h5 file, half of them without its
checksum), or of files of tf.keras 2 `older` (bytes of an .h5 file), `older-config` (the configurations in it) and
`older-weights` (bytes of an .h5 file of weights). Right is: a model that predicts, or a FileError of this file.
Prints how often each was met, and everything else.
"""

from __future__ import annotations

import copy
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
from pathlib import Path
from typing import Any

import numpy as np

from cellstep import layers, models
from cellstep.models import hdf5
from cellstep.untrusted import FileError

L = layers


def networks() -> list[models.Model]:
    """Some of everything that files hold."""
    x = L.Input((6, 3))
    h = L.LSTM(3, return_sequences=True, kernel_regularizer="l2")(L.Masking()(x))
    h = L.Attention(use_scale=True)([h, L.Conv1D(3, 3, padding="same", activation="relu")(x)])
    h = L.Concatenate()([h, L.TimeDistributed(L.Dense(2))(h)])
    h = L.Flatten()(h * 2.0 + x[:, :, :1])
    branches = models.Model(x, [L.Dense(2, "softmax", name="y")(h), L.Dense(1, name="z")(h)])
    branches.compile("adam", {"y": "categorical_crossentropy", "z": "mse"}, metrics={"z": ["mae"]})
    branches.train_on_batch(np.ones((2, 6, 3)), [np.ones((2, 2)) / 2, np.ones((2, 1))])
    chain = models.Sequential(
        [
            *(L.Input((None,), dtype="int32"), L.Embedding(5, 3, mask_zero=True)),
            L.Bidirectional(L.GRU(2, return_sequences=True)),
            L.RNN([L.LSTMCell(2), L.SimpleRNNCell(3)], return_sequences=True),
            *(L.BatchNormalization(), L.Dropout(0.2), L.GlobalAveragePooling1D(), L.LayerNormalization()),
            *(L.RepeatVector(2), L.Permute((2, 1)), L.Reshape((-1,)), L.Dense(1, "sigmoid")),
        ]
    )
    chain.compile("sgd", "binary_crossentropy", metrics=["accuracy", "auc"])
    return [branches, chain]


def members(net: models.Model, folder: Path) -> dict[str, bytes]:
    net.save(folder / "whole.keras")
    with zipfile.ZipFile(folder / "whole.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def older() -> list[tuple[models.Model, dict[str, bytes]]]:
    """Models of tf.keras 2, with their files: of all, of the weights alone."""
    found = []
    with zipfile.ZipFile(Path(__file__).parent.parent / "golden" / "legacy-2-tf2.15.1.zip") as archive:
        for name in ("line", "embedded", "cells", "graph", "frozen"):
            net = models.model_from_json(archive.read(f"{name}.json").decode())
            files = {"whole": f"{name}.h5", "weights": f"{name}.weights-only.h5"}
            found.append((net, {key: archive.read(file) for key, file in files.items()}))
    return found


def reworded(data: bytes, draw: random.Random) -> bytes:
    """A whole .h5 file with another configuration, of the layers or of what they were compiled with."""
    import h5py

    whole = io.BytesIO(data)
    with h5py.File(whole, "r+") as file:
        names = [name for name in ("model_config", "training_config") if name in file.attrs]
        name = names[-1] if draw.random() < 0.2 else names[0]
        file.attrs[name] = json.dumps(mutated(json.loads(file.attrs[name]), draw))
    return whole.getvalue()


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Bytes changed, cut out, doubled, or cut off at the end."""
    found = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 8))):
        if not found:
            break
        at, length = draw.randrange(len(found)), draw.choice((1, 1, 2, 4, 8, 64, 512))
        what = draw.randrange(6)
        if what == 0:
            found[at] ^= 1 << draw.randrange(8)
        elif what == 1:
            found[at : at + length] = draw.randbytes(min(length, len(found) - at))
        elif what == 2:
            found[at : at + length] = bytes([draw.choice((0, 255))]) * min(length, len(found) - at)
        elif what == 3:
            del found[at : at + length]
        elif what == 4:
            found[at:at] = found[at : at + length]
        else:
            del found[max(1, at) :]
    return bytes(found)


VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3, 7, 0.5, -0.5, 1e308, float("nan"), float("inf"), 2**31, 2**63, 10**400),
    *(
        "",
        "relu",
        "linear",
        "abc",
        "adam",
        "float16",
        "x" * 3000,
        [],
        {},
        [0],
        [1, 2],
        [None, 3],
        [[]],
        {"a": 1},
        "LSTM",
    ),
    *({"class_name": "Dense", "config": {"units": 1}}, {"class_name": "__keras_tensor__", "config": {}}),
]


def spots(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a structure."""
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    return [(node, key) for key, _ in items] + [spot for _, part in items for spot in spots(part)]


def mutated(config: Any, draw: random.Random) -> Any:
    """A structure with parts deleted, replaced by other values or parts, doubled, wrapped, a little changed."""
    whole = copy.deepcopy(config)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        everywhere = spots(whole)
        if not everywhere:
            break
        node, key = draw.choice(everywhere)
        value, what = node[key], draw.randrange(8)
        if what == 0:
            del node[key]
        elif what in (1, 2):
            node[key] = copy.deepcopy(draw.choice(VALUES))
        elif what == 3:
            other, at = draw.choice(everywhere)
            node[key] = copy.deepcopy(other[at])
        elif what == 4 and isinstance(node, list):
            node.insert(key, copy.deepcopy(value))
        elif what == 5 and isinstance(node, dict):
            node[draw.choice((key + "s", "name", "units", "config", "class_name"))] = node.pop(key)
        elif what == 6:
            for _ in range(draw.choice((1, 2, 50))):
                value = [value]
            node[key] = value
        elif isinstance(value, int | float):
            node[key] = value + draw.choice((-1, 1, 2, 0.5))
        elif isinstance(value, str):
            node[key] = value[:-1] if draw.random() < 0.5 else value + draw.choice("xX_ /1")
    return whole


def predicts(net: models.Model) -> str:
    """Predict on inputs that the model says that it takes."""
    heads = net._signature.heads
    asked = [(head.batch_shape, np.dtype(head.dtype)) for head in heads] or [(net.input_shape, np.dtype("int32"))]
    xs = []
    for open_shape, dtype in asked:
        shape = tuple((2, 4)[i > 0] if n is None else n for i, n in enumerate(open_shape))
        if np.prod([float(n) for n in shape]) > 1e6:
            return "predicts, but nothing so large"
        xs.append(np.zeros(shape, dtype) if dtype.kind in "iub" else np.ones(shape, dtype))
    try:
        net.predict(xs if len(xs) > 1 else xs[0], verbose=0, batch_size=max(1, len(xs[0])))
    except MemoryError:
        return "predicts, but nothing so large"
    return "predicts"


def outcome(kind: str, path: Path, net: models.Model, trace: list[str]) -> str:
    try:
        if kind in ("weights", "older-weights"):
            net.load_weights(path)
            made = net
        else:
            made = models.load_model(path)
    except FileError as error:
        return "refused" if error.file == str(path) else f"blames another file in {error!r:.300}"
    except Exception as error:
        trace.append(traceback.format_exc())
        return f"raises {error!r:.200}"
    try:
        return predicts(made)
    except Exception as error:
        trace.append(traceback.format_exc())
        return f"loads, and predict raises {error!r:.200}"


def main(kind: str, count: int, seed: int) -> int:
    draw, found = random.Random(f"{kind} {seed}"), Counter[str]()
    np.seterr(all="ignore")
    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))  # a reader without end must not take the machine along
    trace: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder, slowest = Path(name), (0.0, 0)
        both = older() if kind.startswith("older") else [(net, members(net, folder)) for net in networks()]
        endings = {"weights": "weights.h5", "older": "h5", "older-config": "h5", "older-weights": "h5"}
        path = folder / f"m.{endings.get(kind, 'keras')}"
        base = 0
        for number in range(count):
            net, parts = both[number % len(both)]
            if kind == "older":
                data = damaged(parts["whole"], draw)
            elif kind == "older-config":
                data = reworded(parts["whole"], draw)
            elif kind == "older-weights":
                data = damaged(parts["weights"], draw)
            elif kind == "archive":
                data = damaged(zipped(parts), draw)
            elif kind == "config":
                text = json.dumps(mutated(json.loads(parts["config.json"]), draw))
                data = zipped({**parts, "config.json": text.encode()})
            elif kind == "hdf5":
                data = zipped({**parts, "model.weights.h5": damaged(parts["model.weights.h5"], draw)})
            else:
                data = parts["model.weights.h5"]
                if number % 4 < 2:
                    whole = io.BytesIO(data)
                    hdf5.add_checksum(whole)
                    data = whole.getvalue()
                data = damaged(data, draw)
            path.write_bytes(data)
            began = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                said = outcome(kind, path, net, trace)
            slowest = max(slowest, (time.process_time() - began, number))
            found[said] += 1
            if number == 20:
                base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024 if base else 0.0
    right = sum(found[key] for key in ("refused", "predicts", "predicts, but nothing so large"))
    print(f"{kind}: {count} files, slowest {slowest[0]:.2f} s (file {slowest[1]}), {grown:.0f} MB more memory")
    for said, number in found.most_common():
        print(f"{number:6} {said}")
    for text in dict.fromkeys(trace[:20]):
        print(text)
    return 0 if right == count and grown < 200 and slowest[0] < 60 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
