"""`cellstep lab` as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cellstep import Input, Sequential, layers
from cellstep.cli import lab_nets, main

pytest.importorskip("matplotlib")

SMALL = ("--units", "4", "--steps", "6")
COMMANDS = {
    "gradient-flow": ("--cells", "SimpleRNN", "GRU", *SMALL),
    "bptt": ("--cell", "GRU", *SMALL),
    "gates": SMALL,
    "unroll": ("--layers", "2", "--bidirectional", "--fold"),
    "diagram": ("lstm", "--numbers", "--step", "2"),
    "compare": ("--task", "parity", "--seeds", "2", "--budget", "8", "--units", "4", "--lengths", "2", "3"),
}


def lab(*arguments: object) -> int:
    return main(["lab", *map(str, arguments)])


DRAWN = [
    (kind, ending) for kind in COMMANDS for ending in (".svg", ".html", ".png") if (kind, ending) != ("diagram", ".png")
]


@pytest.mark.parametrize(("kind", "ending"), DRAWN)
def test_each_command_tells_and_draws(
    kind: str, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"drawn{ending}"
    code = lab(kind, *COMMANDS[kind], "--out", out)
    told = capsys.readouterr()
    assert (code, told.err) == (0, "")
    assert told.out.endswith(f"\n\nDrawn into {out}.\n")
    heads = {".svg": (b"<svg", b"<?xml"), ".html": (b"<!DOCTYPE html>",), ".png": (b"\x89PNG",)}
    assert out.read_bytes().startswith(heads[ending])


def test_the_same_seed_tells_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for seed in (3, 3, 4):
        assert lab("gates", *SMALL, "--seed", seed) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] != told[2]


def test_a_trained_net_and_data_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Sequential([Input((None, 2)), layers.GRU(3, name="keeper"), layers.Dense(1)], name="mine")
    model.compile("sgd", "mse")
    model.save(tmp_path / "net.keras")
    x = np.random.default_rng(0).random((4, 7, 2))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", x[:, 0, :1])
    files = ("--model", tmp_path / "net.keras", "--data", tmp_path / "x.npy")
    assert lab("gates", *files, "--layer", "keeper") == 0
    assert "keeper (GRU, 3 units) ran 4 sequences of up to 7 steps" in capsys.readouterr().out
    assert lab("bptt", *files, "--targets", tmp_path / "y.npy") == 0
    assert "keeper (GRU, 3 units) ran 7 steps" in capsys.readouterr().out
    assert lab("diagram", "bptt", *files, "--targets", tmp_path / "y.npy", "--out", tmp_path / "order.svg") == 0
    assert "The numbers are of keeper, norms over the batch." in capsys.readouterr().out
    assert lab("diagram", "cell", *files, "--step", 3, "--unit", 1) == 0
    assert "step 3, unit 1 of 3 of keeper" in capsys.readouterr().out
    assert lab("diagram", "many", "to", "one") == 0
    capsys.readouterr()
    assert lab("diagram", "many to one") == 0
    assert "Many to one: 3 of 3 steps have an input x below" in capsys.readouterr().out
    assert lab("unroll", *files[:2], "--steps", 4) == 0
    assert "mine unrolled over 4 steps" in capsys.readouterr().out
    labels = (x[:, 0, 0] > 0.5).astype(int)
    np.save(tmp_path / "x.npy", np.concatenate([x] * 4))
    np.save(tmp_path / "y.npy", np.concatenate([labels] * 4))
    own = ("--data", tmp_path / "x.npy", "--targets", tmp_path / "y.npy", "--seeds", 1, "--budget", 8)
    assert lab("compare", *own) == 0
    assert "Task given: the given data." in capsys.readouterr().out


def test_csv_with_and_without_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("heart,breath\n1,2\n3,4.5\n\n5,6\n", encoding="utf-8")
    assert lab_nets.read_series(str(tmp_path / "a.csv")).tolist() == [[1, 2], [3, 4.5], [5, 6]]
    (tmp_path / "b.csv").write_text("1\n2\n", encoding="utf-8")
    assert lab_nets.read_series(str(tmp_path / "b.csv")).tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gates", "--data", "missing.csv"), "No such file or directory: 'missing.csv'"),
        (("gates", "--data", "words.csv"), "words.csv, line 3: expected numbers between commas, got 'three'"),
        (("gates", "--data", "uneven.csv"), "uneven.csv, line 2: expected 2 numbers, got 1"),
        (("gates", "--data", "short.csv"), "--steps must be less than the 3 steps of --data, got 40"),
        (("gates", "--data", "data.txt"), "--data must end in .csv or .npy, got 'data.txt'"),
        (("gates", "--data", "broken.npy"), "broken.npy must be a .npy file of numbers, got something else"),
        (("gates", "--data", "nan.npy"), "--data must hold finite numbers, got NaN or infinity in nan.npy"),
        (("gates", "--model", "net.keras"), "--model needs --data, the sequences that it is to see"),
        (("gates", "--model", "none.keras", "--data", "short.csv", "--steps", "2"), "none.keras"),
        (("gates", "--out", "a.gif"), "--out must end in .png, .svg, .pdf or .html, got 'a.gif'"),
        (("gates", "--out", "no/a.png"), "--out must be in a folder that exists, got 'no/a.png'"),
        (("diagram", "lstm", "--out", "a.png"), "--out must end in .svg or .html, got 'a.png'"),
        (("diagram", "transformer"), "kind must be one of feedback, unrolling, patterns"),
        (("bptt", "--targets", "y.npy"), "--targets needs --model"),
        (("bptt", "--model", "a.keras", "--data", "short.csv"), "--model needs --targets here"),
        (("compare", "--data", "x.npy"), "--data and --targets go together"),
        (("compare", "--task", "copy", "--data", "x.npy", "--targets", "y.npy"), "--data takes the place of --task"),
        (("unroll", "--columns", "2"), "columns must be an integer, 3 or more, got 2"),
    ],
)
def test_errors_are_one_sentence(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: object
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("words.csv").write_text("a\n1\nthree\n", encoding="utf-8")
    Path("uneven.csv").write_text("1,2\n3\n", encoding="utf-8")
    Path("short.csv").write_text("1\n2\n3\n", encoding="utf-8")
    Path("broken.npy").write_bytes(b"nothing")
    np.save("nan.npy", np.full(50, np.nan))
    before = {path.name for path in tmp_path.iterdir()}
    assert lab(*arguments) == 2
    told = capsys.readouterr()  # type: ignore[attr-defined]
    assert told.out == ""
    assert message in told.err
    assert told.err.startswith("cellstep: ")
    assert told.err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("kind", COMMANDS)
def test_help_has_examples(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        lab(kind, "--help")
    assert caught.value.code == 0
    assert f"  cellstep lab {kind} --" in capsys.readouterr().out


def test_help_needs_no_numpy() -> None:
    code = "import sys, cellstep.cli as c\ntry: c.main(['lab', '--help'])\nexcept SystemExit: pass\n"
    subprocess.run([sys.executable, "-c", code + "sys.exit('numpy' in sys.modules)"], check=True, capture_output=True)


def test_a_layer_that_there_is_not_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("bptt", "gates", "unroll"):
        assert lab(kind, "--cell", "RNN") == 2
        assert capsys.readouterr().err == "cellstep: --cell must be one of SimpleRNN, LSTM, GRU, got 'RNN'\n"
    assert lab("compare", "--cells", "LSTM", "RNN") == 2
    assert "cells must be two or more different ones of SimpleRNN, LSTM, GRU" in capsys.readouterr().err
