"""Calls timed one by one, in conditions of use; and the nets of two LSTMs, the same in every library."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import config
from cellstep.benchmarks import peers
from cellstep.benchmarks.answers import WrongAnswer
from cellstep.benchmarks.problem import Runner
from cellstep.benchmarks.shapes import Shape

# what installed peers have to say is none of ours
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", autouse=True)
def folder() -> Iterator[None]:
    """The scripts of bench/ import each other by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
        yield
        for name in ("conditions", "nets", "in_use", "fit_process"):
            sys.modules.pop(name, None)


QUICK = {"seconds": 0.0, "least": 3, "rounds": 2, "rest": 0.0}


def test_what_lies_between_two_calls_is_not_timed() -> None:
    from conditions import Condition, Contender, Pace, measure

    order: list[str] = []
    contenders = {
        name: Contender(lambda name=name: order.append(name), lambda name=name: order.append(f"prepare {name}"))
        for name in ("a", "b")
    }
    found = measure(contenders, Condition(gap=0.002, after="other"), Pace(**QUICK), lambda: time.sleep(0.002))
    assert order[:6] == ["prepare a", *["a"] * 5]
    assert [o for o in order if o.startswith("prepare")] == ["prepare a", "prepare b", "prepare b", "prepare a"]
    assert all(calls.as_dict()["calls"] == 6 for calls in found.values())
    assert all(calls.median < 0.001 for calls in found.values())


def test_percentiles_are_of_all_calls_and_a_ratio_is_taken_within_rounds() -> None:
    from conditions import Calls

    mine, theirs = Calls([[1.0, 1.0, 3.0], [10.0, 10.0]]), Calls([[2.0], [20.0]])
    assert mine.times_faster(theirs) == 2
    assert (mine.median, mine.quantile(1.0)) == (3, 10)


def test_a_condition_says_what_it_is() -> None:
    from in_use import CONDITIONS

    names = [str(c) for c in CONDITIONS]
    assert len(set(names)) == len(names)
    assert names[:5] == ["back to back", "every 1 ms", "every 10 ms", "every 100 ms", "after torch"]
    assert "busy process on each core, every 10 ms" in names


def test_busy_processes_end_with_the_condition() -> None:
    from conditions import neighbours, processors

    started: list[Any] = []
    real = subprocess.Popen
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", lambda *a, **k: started.append(real(*a, **k)) or started[-1])
        with neighbours(processors()[-1:]):
            assert started[0].poll() is None
    assert started[0].poll() is not None


@pytest.mark.parametrize("trains", [False, True])
@pytest.mark.parametrize("kind", ["stack", "both ways"])
def test_a_net_is_the_same_in_every_library(kind: str, trains: bool) -> None:
    from two_lstms import Net

    net = Net(kind, Shape(5, 2, 3, 4), trains)
    runner = net.runner("ours", 1)
    answer = runner.answer()
    assert answer["y"].shape == (2, 5, 4 if kind == "stack" else 8)
    assert ("dx" in answer) == trains
    for name in peers.find(["torch", "onnxruntime", "jax"])[0]:
        if net.has(name):
            net.runner(name, 1).run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(net, "_torch", lambda n: Runner(lambda: None, lambda: {"y": answer["y"] * 1.01}))
        with pytest.raises(WrongAnswer, match=r"torch, .*: y is off by"):
            net.runner("torch", 1)


def test_every_row_has_its_figures_and_what_is_asked_of_it() -> None:
    from conditions import Calls, Pace
    from in_use import ALONE, HEAD, ROWS, Row, asked, cells, run, selected

    assert selected(ROWS, ["0"]) == ROWS[:1]
    assert [row.work for row in selected(ROWS, ["fit"])] == ["fit", "fit"]
    before = config.get_num_threads()
    try:
        row = Row("lstm", "step", Shape(1, 1, 512, 512))
        assert list(run(row, {}, Pace(**QUICK), [ALONE])) == [ALONE]
    finally:
        config.set_num_threads(before)
    line = cells(row, ALONE)
    assert len(line) == len(HEAD)
    assert line[:2] == ["lstm step 1x1x512x512", "back to back"]
    assert list(asked(row)) == []  # of steps every 10 ms
    # a row of fit, twice as fast and not
    fit = selected(ROWS, ["fit"])[0]
    for seconds, met in ((2.0, True), (1.9, False)):
        fit.seen = {ALONE: {fit.ours: Calls([[1.0]]), "keras-jax": Calls([[seconds]])}}
        (line_of_fit,) = asked(fit)
        assert line_of_fit.met is met
    np.testing.assert_allclose(fit.ratio(), 1.9)
