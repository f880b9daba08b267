"""Saves that are killed, interrupted, run out of disk or meet each other: what is at the path is a whole file."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import interrupted_saves
import numpy as np
import pytest
from nets import X, Y, linear

from cellstep import callbacks, models

pytest.importorskip("h5py")

#: Kills of each way of saving.
KILLS = int(os.environ.get("CELLSTEP_KILLS", "7"))


def save(net: Any, path: Path) -> None:
    net.save(path)


def save_weights(net: Any, path: Path) -> None:
    net.save_weights(path)


def checkpoint(net: Any, path: Path) -> None:
    net.fit(X, Y, batch_size=5, callbacks=[callbacks.ModelCheckpoint(path, save_freq=1)], verbose=0)


def whole(path: Path) -> Any:
    """The model or the weights in a file."""
    if path.suffix == ".keras":
        return models.load_model(path)
    net = linear()
    net.load_weights(path)
    return net


def tensors(net: Any, path: Path) -> None:
    net.save(path)


WAYS = [
    *((save, "m.keras"), (save_weights, "m.weights.h5")),
    *((tensors, "m.safetensors"), (checkpoint, "m.keras")),
]
ways = pytest.mark.parametrize(("way", "name"), WAYS, ids=[way.__name__ for way, _ in WAYS])


@ways
def test_kills(tmp_path: Path, way: Any, name: str) -> None:
    program = [sys.executable, interrupted_saves.__file__, way.__name__, str(KILLS), str(tmp_path)]
    run = subprocess.run(program, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    print(run.stdout)
    assert f"{KILLS} kills" in run.stdout


# an error inside HDF5's calls may be printed instead of raised, and Python may leave a file to the collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@ways
def test_ctrl_c(tmp_path: Path, way: Any, name: str) -> None:
    net, path = linear(), tmp_path / name
    way(net, path)
    draw, interrupted = random.Random(0), 0

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(40):
            try:
                signal.setitimer(signal.ITIMER_REAL, draw.uniform(0.0005, 0.02))
                for _ in range(10):
                    way(net, path)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            whole(path)
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 10
    assert len(list(tmp_path.iterdir())) <= 2


@ways
def test_a_full_disk(tmp_path: Path, way: Any, name: str) -> None:
    net, path = linear(), tmp_path / name
    way(net, path)
    size, before = path.stat().st_size, path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in range(0, size, max(1, size // 12)):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                way(net, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == [name]
    way(net, path)
    whole(path)


@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5"])
def test_threads_that_save_to_one_path(tmp_path: Path, name: str) -> None:
    path, errors = tmp_path / name, []

    def writer(number: int) -> None:
        net = linear()
        net.set_weights([np.full_like(w, number) for w in net.get_weights()])
        try:
            for _ in range(15):
                (net.save if path.suffix == ".keras" else net.save_weights)(path)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=writer, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            assert len({value for w in whole(path).get_weights() for value in np.unique(w)}) == 1
    assert not errors
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_ctrl_c_while_a_member_of_the_archive_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, path = linear(), tmp_path / "m.keras"
    save(net, path)
    open_member, opened = zipfile.ZipFile.open, []

    def interrupted(self: Any, *args: Any, **options: Any) -> Any:
        opened.append(open_member(self, *args, **options))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(zipfile.ZipFile, "open", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save(net, path)
    assert opened
    whole(path)
    assert [file.name for file in tmp_path.iterdir()] == ["m.keras"]
