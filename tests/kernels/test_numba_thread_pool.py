"""The Numba backend's threads: parts of a call, who runs them, and that they leave no trace."""

from __future__ import annotations

import _thread
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drive import Array, assert_all_same, backward, forward, step
from table import DTYPES, VARIANTS, Shape, Variant, problem

from cellstep import kernels
from cellstep.kernels import threads

pytest.importorskip("numba")
from cellstep.kernels.numba import backend as numba_backend
from cellstep.kernels.numba import thread_pool

HERE = Path(__file__).parent
#: Rows for three groups of gradients and a rest, steps for more than one chunk.
MANY = Shape(9, 130, 7, 21)


@pytest.fixture
def jitted() -> kernels.Backend:
    return kernels.load("numba")


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call is worth four threads, however small it is and however few processors there are."""
    monkeypatch.setattr(thread_pool, "PAYS", 1)
    monkeypatch.setattr(thread_pool, "get_num_threads", lambda: 4)


def everything(jitted: kernels.Backend, v: Variant, dtype: str) -> list[Array]:
    p = problem(v, MANY, dtype, "lengths", drop=True)
    answers = forward(jitted, p)
    untaped = forward(jitted, p, packed=answers.packed, tape=None)
    stepped = step(jitted, p, 0, p.states, answers.packed)
    gradients = backward(jitted, p, answers)
    return [answers.y, *answers.states, untaped.y, *untaped.states, *stepped, *gradients.values()]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_parts_on_threads_give_the_bits_of_one_thread(
    jitted: kernels.Backend, v: Variant, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = everything(jitted, v, dtype)
    monkeypatch.setattr(thread_pool, "PAYS", 1)
    for n in (2, 3, 7):
        monkeypatch.setattr(thread_pool, "get_num_threads", lambda n=n: n)
        assert_all_same(jitted, everything(jitted, v, dtype), alone, f"{n} threads")


@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_a_long_call_in_slices_gives_the_bits_of_one_slice(
    jitted: kernels.Backend, v: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each slice continues where the one before ended, and tapes keep the initial states of the whole call."""
    whole = everything(jitted, v, "float32")
    monkeypatch.setattr(numba_backend, "SLICE", 1)
    assert_all_same(jitted, everything(jitted, v, "float32"), whole)


@pytest.mark.usefixtures("four")
def test_parts_run_at_the_same_time() -> None:
    """Each waits for the others."""
    meeting = threading.Barrier(4, timeout=60)
    seen: list[int] = []

    def part(k: int) -> None:
        meeting.wait()
        seen.append(k)

    thread_pool.run_parts([[partial(part, k)] for k in range(4)], work=10)
    assert sorted(seen) == [0, 1, 2, 3]


@pytest.mark.usefixtures("four")
def test_an_error_is_raised_when_what_is_under_way_has_ended_and_nothing_else_begins() -> None:
    meeting = threading.Barrier(2, timeout=60)
    ended: list[str] = []

    def fails() -> None:
        meeting.wait()
        raise FloatingPointError("this part")

    def slow() -> None:
        meeting.wait()
        time.sleep(0.5)
        ended.append("slow")

    with pytest.raises(FloatingPointError, match="this part"):
        thread_pool.run_parts([[fails], [slow, partial(ended.append, "next")]], work=10)
    assert ended == ["slow"]


@pytest.mark.usefixtures("four")
def test_a_helper_that_does_not_start_holds_up_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_pool._Helpers, "ask", lambda self, helpers, call: None)
    done: list[int] = []
    thread_pool.run_parts([[partial(done.append, k)] for k in range(5)], work=10)
    assert done == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("four")
def test_the_caller_does_it_all_where_the_system_has_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*args: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(thread_pool, "_helpers", thread_pool._Helpers())
    monkeypatch.setattr(_thread, "start_new_thread", start)
    done: list[int] = []
    thread_pool.run_parts([[partial(done.append, k)] for k in range(5)], work=10)
    assert done == [0, 1, 2, 3, 4]
    assert thread_pool._helpers.calls.empty()


@pytest.mark.usefixtures("four")
def test_what_a_signal_raises_while_helpers_start_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a handler that runs when a thread has begun, before its start has returned."""

    class Raised(Exception):
        pass

    real = _thread.start_new_thread

    def start(*args: Any) -> None:
        real(*args)
        time.sleep(0.05)
        raise Raised

    monkeypatch.setattr(thread_pool, "_helpers", thread_pool._Helpers())
    for module, name in ((_thread, "start_new_thread"), (threading, "_start_new_thread")):
        monkeypatch.setattr(module, name, start)
    done: list[int] = []
    parts = [[partial(done.append, k)] for k in range(4)]
    with pytest.raises(Raised):
        thread_pool.run_parts(parts, work=10)
    monkeypatch.undo()
    before = len(done)
    thread_pool.run_parts(parts, work=10)
    assert len(done) == before + 4


@pytest.mark.usefixtures("four")
def test_calls_from_many_threads_share_the_helpers(jitted: kernels.Backend) -> None:
    alone = everything(jitted, VARIANTS[1], "float32")
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: everything(jitted, VARIANTS[1], "float32"), range(16)):
            assert_all_same(jitted, found, alone)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_helpers_of_its_own() -> None:
    code = f"""
import os, sys
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
from cellstep.kernels.numba import thread_pool
import threading
thread_pool.PAYS, thread_pool.get_num_threads = 1, lambda: 2
def together():
    meeting = threading.Barrier(2, timeout=60)
    thread_pool.run_parts([[meeting.wait], [meeting.wait]], 10)
together()
child = os.fork()
if child == 0:
    together()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
together()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("B", "n"), [(0, 2), (1, 2), (8, 2), (9, 2), (33, 2), (130, 4), (64, 100)])
def test_rows_are_split_without_gap_or_overlap(B: int, n: int) -> None:
    parts = thread_pool.split(B, n)
    assert len(parts) <= n
    np.testing.assert_array_equal(np.concatenate([np.arange(B)[part] for part in parts]), np.arange(B))
    assert all((part.stop - part.start) % thread_pool.LEAST == 0 for part in parts[:-1])


def test_limits_of_a_container_and_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_CGROUP", tmp_path)
    monkeypatch.setattr(threads, "_OWN", tmp_path / "own")
    monkeypatch.delenv("CELLSTEP_NUM_THREADS", raising=False)
    assert threads.limit() is None
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert threads.limit() is None
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert threads.limit() == 3
    monkeypatch.setenv("CELLSTEP_NUM_THREADS", "2")
    assert threads.limit() == 2
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("50000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert threads.limit() == 1
    monkeypatch.setenv("CELLSTEP_NUM_THREADS", "")
    assert threads.limit() == 1


def test_the_quota_of_the_group_that_the_process_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_CGROUP", tmp_path)
    monkeypatch.setattr(threads, "_OWN", tmp_path / "own")
    service, user = tmp_path / "system.slice/a.service", tmp_path / "cpu/user/it:s"
    for folder in (service, user):
        folder.mkdir(parents=True)
    (tmp_path / "own").write_text("3:cpu,cpuacct:/user/it:s\n1:name=systemd:/x\n0::/system.slice/a.service\n")
    assert threads.quota() is None
    (service / "cpu.max").write_text("max 100000")
    (tmp_path / "system.slice/cpu.max").write_text("300000 100000")  # one above allows less
    assert threads.quota() == 3
    (user / "cpu.cfs_quota_us").write_text("50000")
    (user / "cpu.cfs_period_us").write_text("100000")
    assert threads.quota() == 1
    (tmp_path / "own").write_text("0::/docker/not-seen-from-here\nnonsense\n")
    assert threads.quota() is None
    (tmp_path / "cpu.max").write_text("200000 100000")
    assert threads.quota() == 2


@pytest.mark.parametrize(
    "text", ["many", "0", "-1", "1.5", "2,1", " ", " 2", "2147483648", "9" * 20, pytest.param("9" * 5000, id="long")]
)
def test_a_number_of_threads_that_is_none_is_refused_by_its_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLSTEP_NUM_THREADS", text)
    wanted = "CELLSTEP_NUM_THREADS must be a positive integer below 2\\*\\*31, got '"
    with pytest.raises(ImportError, match=wanted) as caught:
        threads.limit()
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    ("text", "threads_"),
    [("3", 3), (" 3,2", 3), ("", 0), ("0", 0), ("-3", 0), ("9" * 30, 0), ("a", 0)],
)
def test_what_openmp_does_not_take_limits_nothing(text: str, threads_: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert threads.processors() == (threads_ or here)
    assert thread_pool.get_num_threads() >= 1
