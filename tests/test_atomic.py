"""Files that are replaced as a whole or not at all: names, permissions, links, interrupts, full disks, what is left."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

import pytest

from cellstep import atomic

fcntl = pytest.importorskip("fcntl")
OLD, NEW = b"old" * 1000, b"new!" * 200_000


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "made" / "a.bin"
    atomic.write(path, OLD)
    atomic.write(path, "größer")
    assert path.read_text(encoding="utf-8") == "größer"
    with pytest.raises(FileExistsError, match=r"exists already: .*a\.bin; overwrite=True replaces it"):
        atomic.write(path, NEW, overwrite=False)
    assert names(tmp_path / "made") == ["a.bin"]


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    name = "x" * 255
    atomic.write(tmp_path / name, OLD)
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_permissions_stay(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.bin"
    before = os.umask(0o027)
    try:
        atomic.write(path, OLD)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(mode)
        atomic.write(path, NEW)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(OLD)
    path.chmod(0o444)
    if os.access(path, os.W_OK):  # as root
        monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(PermissionError, match="the file is read-only"):
        atomic.write(path, NEW)
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["a.bin"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link, target = tmp_path / "a.bin", tmp_path / "far" / "b.bin"
    link.symlink_to(target)
    for data in (OLD, NEW):  # at first it leads nowhere
        atomic.write(link, data)
        assert link.is_symlink()
        assert target.read_bytes() == data
    assert names(tmp_path / "far") == ["b.bin"]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    atomic.write(pipe, OLD)
    reader.join()
    assert found == [OLD]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        atomic.write(tmp_path, NEW)


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_a_block_that_raises_changes_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(OLD)

    def fail() -> None:
        with atomic.replacing(path) as file:
            file.write(NEW)
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["a.bin"]


# Python itself may be interrupted between the opening of a file and the name for it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_at_any_time(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(OLD)
    draw, interrupted = random.Random(0), 0

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, draw.uniform(0.00005, 0.003))
                for data in (NEW, OLD, NEW, OLD):
                    atomic.write(path, data)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            assert path.read_bytes() in (OLD, NEW)
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 100
    # a second interrupt may come while the first is handled: what it leaves is as what a killed process leaves
    assert len(names(tmp_path)) <= 3


def test_many_threads_write_one_path(tmp_path: Path) -> None:
    path, wrong = tmp_path / "a.bin", []
    atomic.write(path, bytes(100_000))

    def writer(number: int) -> None:
        for _ in range(20):
            atomic.write(path, bytes([number]) * 100_000)

    def reader() -> None:
        while any(thread.is_alive() for thread in threads):
            data = path.read_bytes()
            if data != data[:1] * 100_000:
                wrong.append(data)

    threads = [threading.Thread(target=writer, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    reader()
    assert not wrong
    assert names(tmp_path) == ["a.bin"]


FULL = """
import resource, sys
from cellstep import atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    atomic.write(sys.argv[1], bytes(200_000))
except OSError as error:
    print(error.strerror)
"""


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(OLD)
    run = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=True)
    assert run.stdout == "File too large\n"
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["a.bin"]


def test_what_dead_writers_left_is_removed(tmp_path: Path) -> None:
    def left(number: int, age: float) -> Path:
        path = tmp_path / f".cellstep-{number:016x}.tmp"
        path.write_bytes(OLD)
        now = path.stat().st_mtime
        os.utime(path, (now, now - age))
        return path

    dead, young, held = left(1, 2 * atomic.STALE), left(2, atomic.STALE / 2), left(3, 2 * atomic.STALE)
    other = tmp_path / ".cellstep-notes.tmp"
    other.write_bytes(OLD)
    os.utime(other, (0, 0))
    with open(held, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        atomic.write(tmp_path / "a.bin", NEW)
    assert names(tmp_path) == sorted([young.name, held.name, other.name, "a.bin"])
    atomic.write(tmp_path / "a.bin", NEW)  # and its writer is dead
    assert not held.exists()
    assert not dead.exists()
