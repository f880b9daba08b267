"""Small files that ask for much memory or time, and a process that loads them and says what that took.

    python hostile_files.py write FOLDER
    python hostile_files.py load FOLDER

The second prints a line of JSON for each file: what was raised, by how many MB the process grew, and its seconds.
"""

from __future__ import annotations

import io
import json
import os
import resource
import sys
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from cellstep import layers, models

Change = Callable[[Any], None]
KERNEL, STATE = "layers/dense/vars/0", "optimizer/vars"


def net() -> models.Sequential:
    made = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    made.compile("adam", "mse")
    made.train_on_batch(np.ones((1, 3)), np.ones((1, 2)))
    return made


def weights(change: Change) -> bytes:
    """The weights of `net`, changed."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        models.weights.write(net(), file)
        change(file)
    return buffer.getvalue()


def entry(config: Any) -> dict[str, Any]:
    """The configuration of the one layer beside the Input."""
    return dict(config["config"]["layers"][1])


def archive(path: Path, config: Any = None, change: Change | None = None, deflated: bool = False) -> None:
    """A .keras file of `net` with another configuration, text or a function that changes it, and changed weights."""
    net().save(path)
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    text = json.loads(members["config.json"])
    if callable(config):
        config(text)
        config = json.dumps(text)
    if config is not None:
        members["config.json"] = config if isinstance(config, bytes) else config.encode()
    if change is not None:
        members["model.weights.h5"] = weights(change)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as new:
        for name, data in members.items():
            new.writestr(name, data)


def replaced(place: str, **options: Any) -> Change:
    """Changes a file of weights: another dataset at a place."""

    def change(file: Any) -> None:
        del file[place]
        file.create_dataset(place, **options)

    return change


def many(place: str) -> Change:
    def change(file: Any) -> None:
        for number in range(20_000):
            file[f"{place}/x{number}"] = file[KERNEL]

    return change


def linked(link: Any) -> Change:
    def change(file: Any) -> None:
        del file[KERNEL]
        file[KERNEL] = link

    return change


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3, 2))
    del file[KERNEL]
    file.create_virtual_dataset(KERNEL, layout)


def attribute(file: Any) -> None:
    """6 MB in the attributes of the root, and in the HDF5 file nothing else that is wrong but one name."""
    for number in range(100):
        file.attrs[f"a{number}"] = np.zeros(2**14, "u4")[:16000]
    file.move(KERNEL, "layers/dense/vars/2")


def sized(**config: Any) -> Change:
    """Changes a configuration: other arguments of the layer."""

    def change(whole: Any) -> None:
        whole["config"]["layers"][1]["config"].update(config)

    return change


def other(name: str, **config: Any) -> Change:
    """Changes a configuration: another layer on sequences."""

    def change(whole: Any) -> None:
        first, _ = whole["config"]["layers"]
        first["config"]["batch_shape"] = [None, 5, 3]
        whole["config"]["layers"][1] = {"class_name": name, "config": config}

    return change


def repeated(number: int) -> Change:
    def change(whole: Any) -> None:
        whole["config"]["layers"] += [{"class_name": "Dense", "config": {"units": 2}} for _ in range(number)]

    return change


def nested(depth: int) -> str:
    """A configuration of models in models."""
    text = '{"class_name": "Dense", "config": {"units": 2}}'
    return '{"class_name": "Sequential", "config": {"layers": [' * depth + text + "]}}" * depth


def lying(path: Path) -> None:
    """The archive says that the configuration becomes 1000 bytes; it becomes 100 MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new, new.open("config.json", "w") as file:
        for _ in range(100):
            file.write(b" " * 2**20)
    data = path.read_bytes()
    path.write_bytes(data.replace((100 * 2**20).to_bytes(4, "little"), (1000).to_bytes(4, "little")))


def crowded(path: Path) -> None:
    """30,000 members."""
    archive(path)
    with zipfile.ZipFile(path, "a") as new:
        for number in range(30_000):
            new.writestr(f"assets/{number}", b"")


def twice(path: Path) -> None:
    archive(path)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as new:
        warnings.simplefilter("ignore")
        new.writestr("config.json", "{}")


CHUNKS = {"chunks": (2**12, 2**12), "maxshape": (None, None), "compression": 1}
BIG = {"shape": (2**31,), "dtype": "f4", "chunks": (2**16,)}

#: What is written to a .keras file.
MODELS: dict[str, Callable[[Path], None]] = {
    "chunked weights": lambda p: archive(p, None, replaced(KERNEL, **BIG)),
    "chunked weights that fit": lambda p: archive(
        p,
        None,
        replaced(KERNEL, data=np.ones((3, 2), "f4"), chunks=(2**12, 2**12), maxshape=(None, None), compression=9),
    ),
    "chunked state": lambda p: archive(p, None, replaced(f"{STATE}/2", **BIG)),
    "weights that were never written": lambda p: archive(
        p, sized(units=10**6), replaced(KERNEL, shape=(3, 10**6), dtype="f4")
    ),
    "compressed weights": lambda p: archive(
        p, sized(units=10**6), replaced(KERNEL, data=np.zeros((3, 10**6), "f4"), compression="gzip")
    ),
    "a Dense of 10**12": lambda p: archive(p, sized(units=10**12)),
    "a Dense of 10**400": lambda p: archive(p, sized(units=10**400)),
    "an LSTM of 3000": lambda p: archive(p, other("LSTM", units=3000)),
    "an LSTM of 1000": lambda p: archive(p, other("LSTM", units=1000)),
    "an Embedding of 10**9": lambda p: archive(p, other("Embedding", input_dim=10**9, output_dim=8)),
    "an unreadable number": lambda p: archive(
        p, b'{"class_name": "Dense", "config": {"units": ' + b"9" * 10**5 + b"}}"
    ),
    "4000 layers": lambda p: archive(p, repeated(4000)),
    "100,000 layers": lambda p: archive(p, repeated(100_000), deflated=True),
    "models in models": lambda p: archive(p, nested(100)),
    "models in models without end": lambda p: archive(p, nested(2000)),
    "lists in lists": lambda p: archive(p, b"[" * 10**5),
    "many lists": lambda p: archive(p, b"[" + b"[]," * 10**7 + b"[]]", deflated=True),
    "many lists below the limit": lambda p: archive(p, b"[" + b"[]," * 4 * 10**5 + b"[]]", deflated=True),
    "a long name": lambda p: archive(p, sized(name="x" * 10**6)),
    "a long class": lambda p: archive(p, other("x" * 10**6)),
    "a member that says it is small": lying,
    "many members": crowded,
    "a member twice": twice,
}

#: What is written to a file of weights.
WEIGHTS: dict[str, Change] = {
    "chunked weights": replaced(KERNEL, **BIG),
    "chunked state": replaced(f"{STATE}/2", **BIG),
    "20,000 weights": many("layers/dense/vars"),
    "a link": linked(h5py.SoftLink("/layers/dense/vars/1")),
    "a link to another file": linked(h5py.ExternalLink("/etc/passwd", "x")),
    "virtual weights": virtual,
    "weights in another file": replaced(KERNEL, shape=(3, 2), dtype="f4", external=[("/etc/passwd", 0, 24)]),
    "attributes": attribute,
}
#: Such a file loads; the optimizer starts anew.
STATES: dict[str, Change] = {
    "20,000 states": many(STATE),
}


OLDER_KERNEL = "model_weights/c/c/kernel:0"


def older(path: Path, change: Change) -> None:
    """A whole .h5 file of tf.keras 2, changed."""
    golden = Path(__file__).parent.parent / "golden" / "legacy-2-tf2.15.1.zip"
    with zipfile.ZipFile(golden) as files:
        path.write_bytes(files.read("frozen.h5"))
    with h5py.File(path, "r+") as file:
        change(file)


def at(kernel: str, value: Any = None, **options: Any) -> Change:
    """Changes an older file: a link, or another dataset, in the place of a weight."""

    def change(file: Any) -> None:
        del file[kernel]
        if options:
            file.create_dataset(kernel, **options)
        else:
            file[kernel] = value

    return change


def configured(change: Change) -> Change:
    """Changes the configuration in an older file."""

    def changed(file: Any) -> None:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)

    return changed


def coded(config: Any) -> None:
    """A Lambda whose function is Python's bytecode, as tf.keras writes them."""
    own = {"name": "l", "function": ["4wEAAAAAAAAAAAAAAAAAAAAA\n", None, None], "function_type": "lambda"}
    config["config"]["layers"].append({"class_name": "Lambda", "config": own})


def enlarged(config: Any) -> None:
    config["config"]["layers"][-1]["config"]["units"] = 10**12


#: What is changed in an .h5 file of a whole model.
OLDER: dict[str, Change] = {
    "an older link": at(OLDER_KERNEL, h5py.SoftLink("/model_weights/a/a/gamma:0")),
    "an older link to another file": at(OLDER_KERNEL, h5py.ExternalLink("/etc/passwd", "x")),
    "an older linked layer": at("model_weights/c", h5py.ExternalLink("/etc/passwd", "x")),
    "older chunked weights": at(OLDER_KERNEL, **BIG),
    "older weights in another file": at(OLDER_KERNEL, shape=(3, 2), dtype="f4", external=[("/etc/passwd", 0, 24)]),
    "older weights of 10**12": configured(enlarged),
    "a Lambda with code": configured(coded),
    "a long list of weights": lambda file: file["model_weights/c"].attrs.create("weight_names", ["c/kernel:0"] * 3000),
    "no texts": lambda file: file["model_weights"].attrs.create("layer_names", np.arange(3)),
    "an empty configuration": lambda file: file.attrs.create("model_config", h5py.Empty("S10")),
    "a long configuration": lambda file: file.attrs.create("model_config", "[" * 10**7),
}


def lengthened(path: Path) -> None:
    """The file says that its configuration is of 4 GB."""
    older(path, lambda file: None)
    data = path.read_bytes()
    at = data.index(b"model_config\0")
    with h5py.File(path, "r") as file:
        length = len(file.attrs["model_config"])
    place = data.index(length.to_bytes(4, "little"), at)
    path.write_bytes(data[:place] + b"\xff\xff\xff\xff" + data[place + 4 :])


def write(folder: Path) -> None:
    for name, change in OLDER.items():
        older(folder / f"{name}.h5", change)
    lengthened(folder / "a text of 4 GB.h5")
    for name, make in MODELS.items():
        make(folder / f"{name}.keras")
    for name, change in {**WEIGHTS, **STATES}.items():
        (folder / f"{name}.weights.h5").write_bytes(weights(change))


def load(folder: Path) -> None:
    """Load each file in a fork of this process, which has loaded whole files before."""
    model = net()
    model.save_weights(folder / "whole.weights.h5")
    model.save(folder / "whole.keras")
    for path in (folder / "whole.weights.h5", folder / "whole.keras", *sorted(folder.iterdir())):
        if path.name.startswith("whole"):
            measured(model, path)
            continue
        child = os.fork()
        if not child:
            print(json.dumps(measured(model, path)), flush=True)
            os._exit(0)
        os.waitpid(child, 0)


def measured(model: models.Model, path: Path) -> dict[str, Any]:
    base, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            weights_alone = path.name.endswith(".weights.h5")
            model.load_weights(path) if weights_alone else models.load_model(path)
        kind, said = "loads", "; ".join(str(warning.message) for warning in caught)
    except Exception as error:
        kind, said = type(error).__name__, str(error)
    seconds = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
    return {"path": str(path), "kind": kind, "said": said, "grown": grown, "seconds": seconds}


if __name__ == "__main__":
    {"write": write, "load": load}[sys.argv[1]](Path(sys.argv[2]))
