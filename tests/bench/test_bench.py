"""The bench command on small rows: the table, the record, the picture, limits and ratios."""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import cli, kernels
from cellstep.benchmarks import command, compare, limits, peers, picture, shapes, threads
from cellstep.benchmarks.answers import WrongAnswer
from cellstep.benchmarks.interleaved import Pace, Timing
from cellstep.benchmarks.limits import Limits
from cellstep.benchmarks.peers import by_hand
from cellstep.benchmarks.problem import Problem, Runner
from cellstep.benchmarks.shapes import Shape
from cellstep.cli import main

QUICK = Pace(0, 0, 0, rounds=2)
ROWS = [
    compare.Work("step", "gru", Shape(1, 1, 4, 6), 1),
    compare.Work("step", "gru", Shape(1, 1, 8, 12), 1),
    compare.Work("ragged", "lstm", Shape(6, 3, 4, 5), 1),
    compare.Work("train", "rnn", Shape(6, 3, 4, 5), 1),
]
MACHINE = Limits(1, 1e11, {1 << 10: 1e11, 1 << 20: 1e10})


@pytest.fixture
def quick_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "measure", lambda n: Limits(n, MACHINE.peak, dict.fromkeys(limits.SIZES, 1e10)))


@pytest.mark.usefixtures("quick_limits")
def test_the_command_prints_a_row_for_each_and_keeps_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "bench.json"
    rows = command.run_benchmark(["numpy"], None, str(record), ROWS, QUICK)
    out = capsys.readouterr().out
    for what in ROWS:
        assert len(re.findall(rf"^{what.cell} {what.work} {what.shape} .*\d", out, re.MULTILINE)) == 1
    assert "NumPy" in out
    assert "ratio: best peer / ours" in out
    kept = json.loads(record.read_text(encoding="utf-8"))
    assert [r["shape"] for r in kept["rows"]] == [str(w.shape) for w in ROWS]
    assert [r["ours"] for r in kept["rows"]] == ["stream", "stream", "layers", "layers"]
    assert [r["best_peer"] for r in kept["rows"]] == ["numpy", "numpy", None, "numpy"]
    for row, figures in zip(rows, kept["rows"], strict=True):
        main_name = figures["ours"]
        assert figures["fraction_of_limit"][main_name] == pytest.approx(figures["limit"] / figures["median"][main_name])
        assert figures["fraction_of_limit"][main_name] == pytest.approx(row.fraction)


@pytest.mark.usefixtures("quick_limits")
def test_rows_for_which_there_was_no_time_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(command.run_benchmark(["numpy"], None, None, ROWS, QUICK, seconds=0)) == 1
    left = ", ".join(f"{w.cell} {w.work} {w.shape}" for w in ROWS[1:])
    assert capsys.readouterr().out.count(f"left out, as 0 s are over (--seconds N gives more): {left}") == 1


@pytest.mark.usefixtures("quick_limits")
def test_a_picture_is_drawn_or_its_absence_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "steps.png"
    command.run_benchmark(["numpy"], str(path), None, ROWS[:2], QUICK)
    out = capsys.readouterr().out
    if importlib.util.find_spec("matplotlib") is None:
        assert "matplotlib is not installed; pip install 'cellstep[bench]'" in out
        with pytest.raises(ImportError, match="matplotlib is not installed"):
            picture.draw([], path, "")
    else:
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_peer_that_is_wrong_is_left_out_by_name_and_ours_is_never_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        NEEDS: tuple[str, ...] = ()
        WORK = ("step",)

        def has(self, cell: kernels.Cell) -> bool:
            return True

        def version(self) -> str:
            return "Broken 1"

        def set_threads(self, n: int) -> None:
            pass

        def runner(self, p: Problem, threads: int) -> Runner:
            return Runner(lambda: None, lambda: {"h": np.full((p.shape.B, p.shape.H), 7.0)})

    both: dict[str, peers.Peer] = {"broken": Broken(), "numpy": by_hand}
    row = compare.measure(ROWS[0], both, [], MACHINE, QUICK)
    assert row.peers == ("numpy",)
    assert list(row.out) == ["broken"]
    assert "h is off by" in row.out["broken"]
    monkeypatch.setitem(compare.LEVELS, "stream", lambda p: Broken().runner(p, 1))
    with pytest.raises(WrongAnswer, match="stream"):
        compare.measure(ROWS[0], both, [], MACHINE, QUICK)


def test_absent_peers_are_named_and_unknown_ones_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else real(name))
    present, absent = peers.find(["numpy", "openvino"])
    assert list(present) == ["numpy"]
    assert "peer 'openvino' is absent: openvino" in absent["openvino"]
    assert main(["bench", "--peers", "abacus"]) == 2
    assert "peer must be one of numpy, torch" in capsys.readouterr().err


def test_a_ratio_is_taken_within_rounds() -> None:
    # the machine was ten times slower in the second round
    mine, theirs = Timing([1.0, 10.0, 1.0], 1.0), Timing([2.0, 20.0, 2.0], 2.0)
    assert mine.times_faster(theirs) == 2
    row = compare.Row(ROWS[0], {"stream": mine, "a": theirs, "b": Timing([3.0] * 3, 3.0)}, "stream", ("a", "b"), 0.5)
    assert (row.best_peer, row.ratio, row.fraction) == ("a", 2, 0.5)


def test_the_limit_counts_reading_and_arithmetic() -> None:
    step = Problem("lstm", "step", Shape(1, 1, 64, 64))
    size = 4 * 4 * 64 * 128
    assert MACHINE.seconds(step) == pytest.approx(MACHINE.reading(size))
    assert size / 1e11 < MACHINE.reading(size) < size / 1e10
    # many rows: arithmetic alone
    flops = 2 * 10 * 500 * 8 * 3 * 16
    shape = Shape(10, 500, 8, 8)
    assert MACHINE.seconds(Problem("gru", "forward", shape)) == pytest.approx(flops / 1e11)
    assert MACHINE.seconds(Problem("gru", "train", shape)) == pytest.approx(3 * flops / 1e11)
    assert MACHINE.seconds(Problem("gru", "ragged", shape)) < flops / 1e11


def test_bandwidth_is_measured_within_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PATIENCE", 0.001)
    for n in threads.choices():
        assert 1e8 < limits.bandwidth(1 << 16, n) < 1e13


@pytest.mark.parametrize("text", ["", "1x2x3", "1x2x3x0", "1x2x3xH", "1x2x3x4x5"])
def test_a_shape_is_four_positive_numbers(text: str) -> None:
    assert shapes.parse("1x20x3x4") == Shape(1, 20, 3, 4)
    with pytest.raises(ValueError, match="TxBxIxH"):
        shapes.parse(text)


def test_the_short_form_has_rows_of_the_table_only() -> None:
    rows: list[Any] = command.works()
    assert all(row.shape in shapes.TABLE[row.work] for row in rows)
    assert [row.threads for row in rows] == sorted(row.threads for row in rows)
    assert {row.shape for row in rows if row.cell == "lstm" and row.work == "step"} == set(shapes.STEPS)


def asked(*arguments: str) -> argparse.Namespace:
    return cli.parser().parse_args(["bench", *arguments])


def test_rows_are_those_that_are_asked_for() -> None:
    rows = command.chosen(asked("--work", "step", "train", "--cells", "gru", "--shapes", "2x3x4x5", "--threads", "1"))
    assert rows == [compare.Work(work, "gru", Shape(2, 3, 4, 5), 1) for work in ("step", "train")]
    everything = command.chosen(asked())
    assert len(everything) == len(threads.choices()) * len(shapes.cells()) * sum(map(len, shapes.TABLE.values()))
    for wrong, name in (("--work", "'jump'"), ("--cells", "'jump'"), ("--shapes", "'jump'")):
        with pytest.raises(ValueError, match=f"got {name}"):
            command.chosen(asked(wrong, "jump"))


@pytest.mark.usefixtures("quick_limits")
def test_the_command_says_by_its_exit_whether_a_row_is_slower(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = ["--work", "step", "--cells", "gru", "--shapes", "1x1x4x6", "--threads", "1", "--peers", "numpy"]
    for seconds, code in ((1.0, 1), (3.0, 0)):
        times = {"stream": Timing([2.0], 2.0), "numpy": Timing([seconds], seconds)}

        def timed(contenders: Any, pace: Pace, times: dict[str, Timing] = times) -> dict[str, Timing]:
            assert "layers" in contenders
            assert kernels.active().name in [compare.BACKENDS.get(name) for name in contenders]
            return times

        monkeypatch.setattr(compare.interleaved, "compare", timed)
        assert main(["bench", *row, "--over", "stream"]) == code
        out = capsys.readouterr().out
        assert f"rows in which cellstep is slower than the best peer: {code}" in out
        assert f"gru step 1x1x4x6, 1 threads, 2000000.0 us: numpy {seconds / 2:.2f}" in out
    assert main(["bench", "--limits", "--threads", "1"]) == 0
    assert "GFLOP/s in a float32 product" in capsys.readouterr().out
