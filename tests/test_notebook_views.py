"""What notebooks and terminals show: models, histories, results of the lab, the version."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import cli, lab, layers
from cellstep.lab.tables import MOST_ROWS, WIDTH, text_table


def fitted(epochs: int = 3, **options: Any) -> Any:
    model = cellstep.Sequential([cellstep.Input((4, 2)), layers.LSTM(3), layers.Dense(1, name="<head>")], name="a&b")
    model.compile("adam", "mse", metrics=["mae"])
    x = np.random.default_rng(0).standard_normal((12, 4, 2))
    model.fit(x, x[:, 0, :1], epochs=epochs, verbose=0, **options)
    return model


def test_a_model_is_a_table() -> None:
    page = fitted()._repr_html_()
    assert page.count("<tr>") == 3
    assert "a&amp;b" in page
    assert "&lt;head&gt; (Dense)" in page
    assert "Total params: 76" in page
    assert "0 (unbuilt)" in cellstep.Sequential([layers.LSTM(4)])._repr_html_()


def test_a_history_is_a_table_and_a_picture(tmp_path: Path) -> None:
    history = fitted(4, validation_split=0.5, validation_freq=2).history
    page = history._repr_html_()
    for name, values in history.history.items():
        assert f"<td>{name}</td><td>{values[-1]:.4g}</td><td>{min(values):.4g}</td>" in page
    figure = history.plot()
    loss, mae = figure.axes
    assert (loss.get_ylabel(), mae.get_xlabel()) == ("loss", "epoch")
    training, validation = loss.lines
    np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(training.get_ydata(), history.history["loss"])
    np.testing.assert_array_equal(validation.get_xdata(), [2, 4])
    np.testing.assert_array_equal(validation.get_ydata(), history.history["val_loss"])
    history = fitted(5, validation_split=0.5, validation_freq=[1, 2, 5]).history
    assert history.epochs_of["val_loss"] == [0, 1, 4]
    np.testing.assert_array_equal(history.plot().axes[0].lines[1].get_xdata(), [1, 2, 5])
    with pytest.raises(ValueError, match="history must hold the values of one epoch at least, got none"):
        cellstep.callbacks.History().plot()
    for ending, start in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        history.plot(tmp_path / f"fit{ending}")
        assert (tmp_path / f"fit{ending}").read_bytes().startswith(start)
    with pytest.raises(ValueError, match=r"path must end in .png, .svg or .pdf, got 'fit'"):
        history.plot("fit")
    with pytest.raises(TypeError, match="path must be a path, got 3"):
        history.plot(3)  # type: ignore[arg-type]


def test_results_of_the_lab_are_sentences_and_tables() -> None:
    x = np.random.default_rng(0).standard_normal((4, 6, 2))
    for result in (
        lab.gates(layers.LSTM(3), x),
        lab.gradient_flow(["lstm", "GRU"], x),
        lab.compare("parity", ("gru", "Lstm"), budget=8, seeds=2, lengths=(2,), units=4),
        lab.gates(layers.SimpleRNN(3), x),
    ):
        page = result._repr_html_()
        assert page.startswith(f"<h3>{escape(result.title)}</h3><p>")
        assert page.count("<table>") == len(result.tables())
        assert not re.search(r"-{9}", page), "a table in plain characters is left"


def test_cells_go_by_their_names_in_any_case() -> None:
    x = np.random.default_rng(0).standard_normal((4, 6, 2))
    flow = lab.gradient_flow(["lstm", "simplernn"], x, scales=[1])
    assert flow.labels == ["LSTM", "SimpleRNN"]
    with pytest.raises(
        ValueError, match="cells must be two or more different ones of SimpleRNN, LSTM, GRU, got 'lstm'"
    ):
        lab.compare("parity", ("lstm", "LSTM"), budget=8, seeds=1)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.strip() == f"cellstep {cellstep.__version__}"


def test_a_long_table_is_abridged_in_a_summary_and_whole_in_a_page(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((2, 200, 2))
    model = cellstep.Sequential([cellstep.Input((200, 2)), layers.GRU(3), layers.Dense(1)])
    model.compile("adam", "mse")
    found = lab.bptt(model, x, np.ones((2, 1)))
    text = found.summary()
    assert len(text.splitlines()) < 40
    assert "... 170 more: table()" in text
    assert len(found.table()[1]) == 200
    figure = found.draw(tmp_path / "steps.html")
    assert figure.axes
    page = (tmp_path / "steps.html").read_text()
    assert page.count("<tr>") == 201
    assert "more: table()" not in page
    assert page.index("<figure>") < page.index("<p>The loss is")
    assert "prefers-color-scheme: dark" in page


def test_six_steps_are_drawn_whole() -> None:
    model = cellstep.Sequential([cellstep.Input((None, 2)), layers.GRU(3)])
    for steps, boxes in ((5, 5), (6, 6), (7, 3)):
        drawn = [text.get_text() for axis in lab.unroll(model, steps).draw().axes for text in axis.texts]
        assert drawn.count("GRU") == boxes


@pytest.mark.parametrize("seed", range(40))
def test_any_table_fits_a_terminal(seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = lambda most: " ".join("x" * rng.integers(1, 12) for _ in range(rng.integers(1, most)))  # noqa: E731
    columns, rows = int(rng.integers(1, 20)), int(rng.integers(0, 50))
    header = [words(4) for _ in range(columns)]
    cells = [[f"row {i}", *(f"{number:.3g}" for number in rng.standard_normal(columns - 1))] for i in range(rows)]
    text = text_table((header, cells))
    assert max(map(len, text.splitlines())) <= WIDTH
    parts = text.split("\n\n")
    shown = [i for i in range(rows) if rows <= MOST_ROWS or not MOST_ROWS // 2 <= i < rows - MOST_ROWS // 2]
    for i in shown:  # each part has the row by its name, and together they have all of it
        lines = [line for part in parts for line in part.splitlines() if f"{line} ".startswith(f"row {i} ")]
        assert len(lines) == len(parts)
        assert [cell for line in lines for cell in line.split()[2:]] == cells[i][1:]


def test_the_parts_of_a_wide_table_repeat_what_tells_rows_apart() -> None:
    header = ["layer", "step", *(f"norm of the {i}th weight" for i in range(12))]
    cells = [[name, str(t), *(f"{t}.{i:06d}" for i in range(12))] for name in ("lstm", "gru") for t in (1, 2)]
    for part in text_table((header, cells)).split("\n\n"):
        assert [line.split()[:2] for line in part.splitlines()[-4:]] == [row[:2] for row in cells]
