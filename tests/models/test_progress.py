"""What fit, evaluate and predict print: lines where standard output is no terminal, a bar of rich where it is."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cellstep.callbacks import Callback, ProgressLog, bars
from cellstep.callbacks.progress import duration, values
from cellstep.layers import Dense, Input
from cellstep.models import Sequential

X, Y = np.ones((7, 2)), np.ones((7, 1))
LINE = r"{n}/{n} - \d+s - \d+(s|ms|us)/step - loss: \d+\.\d+(e-\d+)? - mae: \d+\.\d+(e-\d+)?"


@pytest.fixture
def net() -> Sequential:
    made = Sequential([Input((2,)), Dense(1)])
    made.compile("sgd", "mse", metrics=["mae"])
    return made


@pytest.mark.parametrize("verbose", ["auto", 1, 2])
def test_an_epoch_is_a_line(net: Sequential, capsys: pytest.CaptureFixture[str], verbose: Any) -> None:
    net.fit(X, Y, batch_size=2, epochs=2, verbose=verbose)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0::2] == ["Epoch 1/2", "Epoch 2/2"]
    assert all(re.fullmatch(LINE.format(n=4), line) for line in lines[1::2])


def test_validation_and_evaluation(net: Sequential, capsys: pytest.CaptureFixture[str]) -> None:
    net.fit(X, Y, validation_data=(X, Y))
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(LINE.format(n=1) + r" - val_loss: \S+ - val_mae: \S+", line)
    net.evaluate(X, Y, batch_size=3)
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(LINE.format(n=3), line)


def test_silence(net: Sequential, capsys: pytest.CaptureFixture[str]) -> None:
    net.fit(X, Y, epochs=2, verbose=0, validation_data=(X, Y))
    net.evaluate(X, Y, verbose=0)
    net.predict(X)
    net.predict(X, verbose=0)
    assert capsys.readouterr().out == ""
    net.predict(X, verbose=2)
    assert re.fullmatch(r"1/1 - 0s - \d+(ms|us)/step\n", capsys.readouterr().out)


def test_batches_of_unknown_number_are_counted(net: Sequential, capsys: pytest.CaptureFixture[str]) -> None:
    net.fit(((X, Y) for _ in range(3)), verbose=2)
    assert capsys.readouterr().out.startswith("3/3 - ")


def test_a_bar_on_a_terminal_leaves_the_same_line(
    net: Sequential, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(ProgressLog, "interval", 0.0)
    monkeypatch.setenv("TERM", "xterm")

    class Nested(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.predict(X)

    net.fit(X, Y, batch_size=2, callbacks=[Nested()])
    out = capsys.readouterr().out
    assert "4/4" in out
    assert re.search(LINE.format(n=4), out)


def test_the_bar_goes_away_when_training_fails(
    net: Sequential, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    log = ProgressLog()

    class Fail(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            assert log._bar is not None
            raise KeyError("stop")

    with pytest.raises(KeyError):
        net.fit(X, Y, callbacks=[log, Fail()])
    assert log._bar is None
    capsys.readouterr()


def test_a_notebook_has_a_bar_that_goes(
    net: Sequential, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a notebook is shown, one HTML after another; the line stays."""
    shown: list[str] = []
    handle = SimpleNamespace(update=lambda bar: shown.append(bar._repr_html_()))
    notebook = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=lambda bar, display_id: handle))
    monkeypatch.setattr(ProgressLog, "interval", 0.0)
    net.fit(X, Y, batch_size=2)
    for html in shown[:4]:
        assert re.match(r'(\d)/4 <progress value="\1" max="4"></progress> 0:00 left loss: ', html)
    assert shown[4:] == [""]
    assert re.fullmatch(LINE.format(n=4), capsys.readouterr().out.strip())
    del shown[:]
    net.fit((X, Y) for _ in range(2))  # nobody knows how many
    assert shown[0].startswith("1 <progress></progress> loss: ")


def test_a_terminal_without_rich_says_once_what_draws_a_bar(
    net: Sequential, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(bars, "_hinted", False)
    monkeypatch.setattr(bars.importlib.util, "find_spec", lambda name: None)
    for _ in range(2):
        net.fit(X, Y)
    assert capsys.readouterr().out.count('A bar that moves: pip install "rich>=13".') == 1


def test_numbers_are_written_as_keras_does() -> None:
    assert [duration(s) for s in (12.4, 1.0, 0.0164, 0.000007)] == ["12s", "1s", "16ms", "7us"]
    assert values({"accuracy": 0.5, "loss": 0.00069, "r": -2.0}) == "accuracy: 0.5000 - loss: 6.9000e-04 - r: -2.0000"
