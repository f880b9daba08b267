"""Models drawn unrolled in time: well-formed, legible, and true to the model."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from lab.models import MODELS, make

from cellstep import Input, Sequential, lab, layers

pytest.importorskip("matplotlib")

from lab.panels import visible
from matplotlib.patches import FancyArrowPatch, Patch

NS = "{http://www.w3.org/2000/svg}"


class Line(NamedTuple):
    text: str
    left: float
    right: float
    top: float
    bottom: float


def lines(drawn: lab.Unrolled) -> list[Line]:
    """Each text with its box, in pixels from the upper left corner."""
    figure = drawn.draw()
    height = figure.get_size_inches()[1] * figure.dpi
    scale = 96 / figure.dpi
    return [
        # boxes reach two pixels of the figure beyond the ink
        Line(
            re.sub(r"[${}_]", "", text) if "$" in text else text.replace("\xa0", " "),
            *(scale * edge for edge in (box.x0 + 2, box.x1 - 2, height - box.y1 + 2, height - box.y0 - 2)),
        )
        for text, box in visible(figure)
    ]


def over_each_other(a: Line, b: Line) -> bool:
    return a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom


def size(drawn: lab.Unrolled) -> list[float]:
    """Width and height in pixels."""
    return [96 * side for side in drawn.draw().get_size_inches()]


def outlines(patch: Patch) -> list[np.ndarray]:
    """The lines of a shape, (n, 2) pixels each."""
    path = patch.get_path().transformed(patch.get_patch_transform())
    return [np.asarray(points) for points in path.to_polygons(closed_only=False)]


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_texts_lie_inside_and_apart(name: str, fold: bool) -> None:
    drawn = lab.unroll(make(name), MODELS[name][1], fold=fold)
    width, height = size(drawn)
    texts = lines(drawn)
    assert all(t.left >= 2 and t.right <= width - 2 and t.top >= 2 and t.bottom <= height - 2 for t in texts)
    crowded = [(a.text, b.text) for a, b in combinations(texts, 2) if over_each_other(a, b)]
    assert not crowded


@pytest.mark.parametrize("name", MODELS)
def test_shapes_lie_inside_and_a_screen_reader_hears_the_model(name: str) -> None:
    drawn = lab.unroll(make(name), MODELS[name][1], fold=True)
    width, height = size(drawn)
    (axis,) = drawn.draw().axes
    assert len(axis.patches) > len(drawn.rows)
    for patch in axis.patches:
        points = np.concatenate(outlines(patch))
        assert (points >= 1).all()
        assert (points <= [width - 1, height - 1]).all()
    root = ET.fromstring(drawn.svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == root.findtext(f"{NS}title") == drawn.title
    assert root.findtext(f"{NS}desc") == drawn.summary()


@pytest.mark.parametrize("name", MODELS)
def test_no_line_runs_through_a_label_of_a_state(name: str) -> None:
    drawn = lab.unroll(make(name), MODELS[name][1], fold=True)
    labels = [t for t in lines(drawn) if re.fullmatch(r"[hc]\d+|0", t.text)]
    (axis,) = drawn.draw().axes
    paths = [outline for patch in axis.patches if isinstance(patch, FancyArrowPatch) for outline in outlines(patch)]
    for (x0, y0), (x1, y1) in (ends for path in paths for ends in pairwise(path)):
        left, right, top, bottom = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
        crossed = [t.text for t in labels if t.left < right and t.right > left and t.top < bottom and t.bottom > top]
        assert not crossed, (x0, y0, x1, y1)


def test_every_weight_is_named_once_with_its_shape() -> None:
    model = make("translator")
    texts = " ".join(t.text for t in lines(lab.unroll(model, [6, 5])))
    for layer in model.layers:
        for weight in layer.weights:
            shape = "(" + ", ".join(map(str, weight.shape)) + ")"
            assert texts.count(f"{weight.name} {shape}") >= 1
    assert texts.count("kernel (7, 64)") == 1
    assert "the weights of 2" in " ".join(t.text for t in lines(lab.unroll(make("shared"))))


def words(model: object, steps: object = None, **options: object) -> list[str]:
    return [t.text for t in lines(lab.unroll(model, steps, **options))]


def test_a_column_for_each_step_or_the_first_and_the_last() -> None:
    short = words(make("many_to_one"), 3)
    assert [w for w in short if w.startswith("x")] == ["x1", "x2", "x3"]
    assert short.count("LSTM") == 3
    assert "…" not in short
    long = words(make("many_to_one"), 50)
    assert [w for w in long if w.startswith("x")] == ["x1", "x2", "x50"]
    assert long.count("LSTM") == 3
    assert words(make("many_to_one"), 50, columns=10).count("LSTM") == 9


def test_one_output_or_one_a_step() -> None:
    assert [w for w in words(make("many_to_one"), 3) if w.startswith("y")] == ["y"]
    assert words(make("many_to_one"), 3).count("Dense") == 1
    assert [w for w in words(make("tagger"), 3) if w.startswith("y")] == ["y1", "y2", "y3"]


def test_what_is_handed_on() -> None:
    forwards = words(make("many_to_one"), 3)
    assert {"h1", "h2", "c1", "c2"} <= set(forwards)
    assert forwards.count("0") == 2  # the first h and c
    backwards = words(layers_alone(layers.GRU(4, go_backwards=True)), 3)
    assert {"h2", "h3"} <= set(backwards)
    assert "h1" not in backwards
    both = words(layers_alone(layers.Bidirectional(layers.SimpleRNN(4))), 3)
    assert both.count("h2") == 2  # each direction's
    assert both.count("h1") == both.count("h3") == 1
    assert both.count("SimpleRNN") == 6
    given = words(make("translator"), [6, 5])
    assert given.count("0") == 2  # the encoder's; the decoder's are given
    assert {"h0", "c0"} <= set(given)
    assert "h0" in words(layers_alone(layers.GRU(4, trainable_initial_state=True)), 3)


def layers_alone(layer: layers.Layer) -> layers.Layer:
    layer(np.zeros((1, 3, 2), np.float32))
    return layer


def test_cells_of_a_stack_lie_on_each_other() -> None:
    drawn = lab.unroll(make("backwards_stack"))
    assert [row.name for row in drawn.rows] == [
        *("input_layer", "lstm, cell 1", "lstm, cell 2", "repeat_vector", "simple_rnn"),
    ]
    assert [row.level for row in drawn.rows] == [0, 1, 2, 3, 4]
    assert [row.steps for row in drawn.rows] == [6, 6, None, 6, 6]


def test_models_in_models_are_opened() -> None:
    inner = Sequential([Input((None, 4)), layers.GRU(3, name="inside")])
    drawn = lab.unroll(Sequential([Input((None, 2)), layers.Dense(4), inner, layers.Dense(1)]), 4)
    assert [row.what for row in drawn.rows] == ["Input", "Dense", "GRU", "Dense"]
    assert [row.kind for row in drawn.rows] == ["input", "each", "chain", "single"]


def test_bands_of_two_sequences_stand_side_by_side() -> None:
    rows = {row.name: row for row in lab.unroll(make("attender"), [6, 5]).rows}
    assert rows["encoder"].band != rows["decoder"].band
    assert rows["encoder"].level == rows["decoder"].level == 1
    assert rows["attention"].kind == "whole"
    assert rows["concatenate"].kind == "each"
    assert rows["concatenate"].level > rows["attention"].level


def test_states_that_a_layer_reads_leave_the_ends_of_both_chains() -> None:
    rows = {row.name: row for row in lab.unroll(make("both_ways_encoder"), [6, 5]).rows}
    there, back = (list(rows).index(f"encoder/{way}_lstm") for way in ("forward", "backward"))
    assert [(port.row, port.state) for port in rows["h"].sources] == [(there, 0), (back, 0)]
    assert [(port.row, port.state) for port in rows["c"].sources] == [(there, 1), (back, 1)]
    assert [list(rows)[port.row] for port in rows["decoder"].initial] == ["h", "c"]
    assert rows["h"].kind == "single"


def test_files_and_notebooks(tmp_path: Path) -> None:
    drawn = lab.unroll(make("many_to_one"), 3, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert text == drawn.svg == drawn._repr_svg_() == lab.unroll(make("many_to_one"), 3).svg
    assert repr(drawn) == "<Unrolled games, steps 3>"
    assert drawn.summary().splitlines() == [
        "games unrolled over 3 steps, from the inputs up:",
        "- input_layer: 3 steps.",
        "- 1. memory (LSTM, with kernel (3, 32), recurrent_kernel (8, 32), bias (32) shared by all steps) hands h and "
        "c on from step to step, and gives the last output alone.",
        "- 2. out (Dense, with kernel (8, 1), bias (1)) works once.",
    ]


@pytest.mark.parametrize(
    ("steps", "options", "message"),
    [
        (None, {}, "steps must say how many steps to draw, as input_layer takes any number of them, got None"),
        (0, {}, "steps must be a positive integer, got 0"),
        ([3, 4], {}, "steps must be one number, or one for each of 1 input sequences, got 2"),
        (3, {"columns": 2}, "columns must be an integer, 3 or more, got 2"),
        (3, {"path": "x.gif"}, "path must end in .png, .svg or .pdf, got 'x.gif'"),
    ],
)
def test_errors(steps: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        lab.unroll(make("many_to_one"), steps, **options)


def test_errors_of_models() -> None:
    with pytest.raises(ValueError, match=r"steps must be 6 or None, as input_layer has 6 steps, got 5"):
        lab.unroll(make("backwards_stack"), 5)
    with pytest.raises(ValueError, match=r"model must be built to be drawn: give .* an Input, or call it once"):
        lab.unroll(Sequential([layers.LSTM(2)]), 3)
    with pytest.raises(ValueError, match=r"model must be built to be drawn: call gru"):
        lab.unroll(layers.GRU(2), 3)
    with pytest.raises(TypeError, match=r"model must be a Sequential, a Model or a recurrent layer, got Dense"):
        lab.unroll(layers.Dense(2), 3)
