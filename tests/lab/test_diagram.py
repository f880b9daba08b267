"""Figures of a lecture: well-formed, legible on a phone and in the dark, and with the numbers of the lab."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from cellstep import Cell, Input, Sequential, activations, kernels, lab, layers, seeds
from cellstep.kernels import Product
from cellstep.lab.diagrams import any_cell
from cellstep.lab.diagrams import diagram as figures
from cellstep.lab.diagrams.cell_step import CellStep, cell_step
from cellstep.lab.diagrams.sketch import COLOURS, WIDTH, Sketch, dark_rules

NS = "{http://www.w3.org/2000/svg}"
KINDS = figures.kinds()
CELLS = {"simplernn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}


def net(cell: Any = layers.GRU, features: int = 3) -> Sequential:
    with seeds.seeded(3):
        model = Sequential([Input((None, features)), cell(4, name="memory"), layers.Dense(1)], name="net")
    model.compile("sgd", "mse")
    return model


def waves(features: int = 3, steps: int = 6) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, steps, features)).astype("float32")


def arguments(kind: str) -> tuple[Any, ...]:
    """A model and its data for a kind that takes them, or nothing."""
    if kind in CELLS:
        return net(CELLS[kind]), waves()
    if kind in ("feedback", "unrolling"):
        return net(), waves()
    return (net(), waves(), np.ones((2, 1))) if kind == "bptt" else ()


CASES = [(kind, False) for kind in KINDS] + [(kind, True) for kind in KINDS if arguments(kind)]


@pytest.fixture
def sketches(monkeypatch: pytest.MonkeyPatch) -> list[Sketch]:
    """The sketches that are drawn, with the places of their texts."""
    drawn: list[Sketch] = []

    class Kept(Sketch):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            drawn.append(self)

    monkeypatch.setattr(figures, "Sketch", Kept)
    return drawn


@pytest.mark.parametrize(("kind", "run"), CASES)
def test_letters_lie_apart_and_within_the_edges(kind: str, run: bool, sketches: list[Sketch]) -> None:
    lab.diagram(kind, *(arguments(kind) if run else ()))
    (sketch,) = sketches
    check_places(sketch)


def check_places(sketch: Sketch) -> None:
    """Letters lie apart, within the edges, and are large enough for a phone."""
    assert sketch.width <= WIDTH
    for text in sketch.texts:
        assert text.bottom - text.top >= 11, "too small for a phone"
        assert text.left >= -3, text
        assert text.right <= sketch.width + 3, text
        assert text.top >= 0, text
        assert text.bottom <= sketch.height, text
    for a, b in combinations(sketch.texts, 2):
        apart = a.right <= b.left + 3 or b.right <= a.left + 3 or a.bottom <= b.top + 1 or b.bottom <= a.top + 1
        assert apart, (a.text, b.text)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_says_what_it_shows_and_needs_nothing_else(kind: str, tmp_path: Path) -> None:
    drawn = lab.diagram(kind, path=tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert text == drawn.svg == drawn._repr_svg_() == lab.diagram(kind).svg
    root = ET.fromstring(text)
    assert root.get("role") == "img"
    assert root.get("aria-label") == root.findtext(f"{NS}title") == drawn.title
    assert root.findtext(f"{NS}desc") == drawn.summary()
    assert not re.search(r"url\(|href|@import|<script", text)
    assert drawn.table() is None
    assert repr(drawn) == f"<Diagram {kind}>"


@pytest.mark.parametrize("kind", KINDS)
def test_every_colour_has_one_for_a_dark_page(kind: str) -> None:
    root = ET.fromstring(lab.diagram(kind).svg)
    rules = root.findtext(f"{NS}style")
    assert rules is not None
    assert rules.startswith("@media (prefers-color-scheme: dark){")
    for element in root.iter():
        for attribute in ("fill", "stroke"):
            colour = element.get(attribute)
            if colour not in (None, "none"):
                (name,) = (n for n in str(element.get("class")).split() if n.startswith(attribute[0]))
                assert colour == COLOURS[name[2:]][0]
                assert f".{name}{{{attribute}:{COLOURS[name[2:]][1]}}}" in rules


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("letter", ["ink", "soft", "state", "memory", "back"])
def test_letters_stand_out_from_what_is_behind_them(letter: str, mode: int) -> None:
    """A contrast of 4.5 to 1, as WCAG 2.1 asks for."""
    grounds = ("paper", "cell", "other") if letter == "ink" else ("paper",)
    for ground in grounds:
        a, b = sorted(luminance(COLOURS[name][mode]) + 0.05 for name in (letter, ground))
        assert b / a >= 4.5, (letter, ground)


def test_rules_for_a_page_with_a_switch_of_its_own() -> None:
    assert dark_rules('body[data-theme="dark"]').startswith('body[data-theme="dark"] .f-ink{fill:')


@pytest.mark.parametrize("kind", CELLS)
def test_numbers_of_a_cell_are_those_of_the_step(kind: str) -> None:
    model, x = net(CELLS[kind]), waves()
    drawn = lab.diagram(kind, model, x, row=1, step=4, unit=2)
    seen = lab.gates(model, x)
    wanted = {name: values[1, 3, 2] for name, values in seen.gates.items()}
    wanted |= {f"{name} after": values[1, 3, 2] for name, values in seen.states.items()}
    wanted |= {f"{name} before": values[1, 2, 2] for name, values in seen.states.items()}
    assert drawn.numbers == pytest.approx(wanted)
    words = "".join(ET.fromstring(drawn.svg).itertext()).replace("\N{MINUS SIGN}", "-")
    for value in wanted.values():
        assert f"= {value:.2f}" in words
    assert "step 4, unit 2 of 4 of memory" in drawn.title
    assert len(drawn.table()[1]) == len(wanted)


def test_a_cell_that_was_added_is_drawn_from_its_row() -> None:
    rows = kernels.CELLS["lstm"], kernels.CELLS["gru"], kernels.CELLS["rnn"]
    step = cell_step(net(layers.LSTM), waves(), None, 0, None, 1)
    for row in (*rows, replace(rows[0], title="Peephole", products=(*rows[0].products, Product("c", "p", "f")))):
        for shown in (CellStep(), step if len(row.gates) == 4 else CellStep()):
            sketch = Sketch(*any_cell.size(row), row.title, any_cell.description(row))
            any_cell.draw(sketch, shown, row)
            check_places(sketch)
            words = " ".join(text.text for text in sketch.texts)
            for gate in row.gates:
                value = shown.numbers.get(f"gate {gate.letter}")
                assert (f"{gate.letter} = {value:.2f}" if value is not None else f"{gate.letter} ") in words, words
    assert "c p" in words
    assert "f (forget) keeps" in any_cell.description(rows[0])


def test_the_figure_of_a_model_is_that_of_its_cell() -> None:
    for kind, cell in CELLS.items():
        model = net(cell)
        assert lab.diagram("cell", model, waves()).svg == lab.diagram(kind, model, waves()).svg


class Minimal(Cell):
    """A minimal gated unit with a second state, written as its equations."""

    gates = "f n"
    states = "h e"
    roles: ClassVar = {"f": "keep"}

    def step(self, z: Any, h: Any, e: Any) -> Any:
        f = activations.sigmoid(z.f)
        n = np.tanh(z.x.n + self.product(f * h, "n"))
        return (1 - f) * h + f * n, 0.5 * e + h


def test_a_cell_written_as_its_equations_is_drawn(sketches: list[Sketch]) -> None:
    drawn = lab.diagram("cell", Minimal.Layer(4), waves())
    assert drawn.title.startswith("Minimal: one step")
    check_places(sketches[0])
    assert set(drawn.numbers) == {"f", "n", "h before", "h after", "e before", "e after"}
    words = [text.text for text in sketches[0].texts]
    assert "the gates see x W, h U, U of what the step makes" in words


def test_a_cells_figure_is_of_the_first_layer_with_that_cell() -> None:
    model = Sequential([Input((None, 3)), layers.LSTM(2, return_sequences=True), layers.GRU(4, name="second")])
    assert "of second" in lab.diagram("gru", model, waves()).title
    assert "of lstm" in lab.diagram("lstm", model, waves()).title
    with pytest.raises(ValueError, match="model must have a layer of the cell SimpleRNN"):
        lab.diagram("simplernn", model, waves())
    with pytest.raises(ValueError, match="model must have a layer of the cell GRU"):
        lab.diagram("gru", model, waves(), layer=0)


def test_the_last_step_that_ran_is_shown() -> None:
    model = Sequential([Input((None, 3)), layers.Masking(), layers.GRU(4, name="memory")])
    x = waves()
    x[0, 4:] = 0
    assert "step 4" in lab.diagram("gru", model, x).title
    with pytest.raises(ValueError, match=r"step must be one that ran, got 5, which is masked in row 0"):
        lab.diagram("gru", model, x, step=5)


def test_activations_have_their_names_in_the_boxes() -> None:
    with seeds.seeded(0):
        layer = layers.LSTM(4, activation="relu", recurrent_activation="hard_sigmoid")
    words = "".join(ET.fromstring(lab.diagram("lstm", layer, waves()).svg).itertext())
    assert "relu" in words
    assert "hard σ" in words


def test_unrolling_has_the_states_of_its_steps() -> None:
    model, x = net(layers.LSTM, 1), waves(1)
    seen = lab.gates(model, x).states["h"][0, :3, 0]
    drawn = lab.diagram("unrolling", model, x)
    assert list(drawn.numbers.values()) == pytest.approx(seen)
    assert f"{x[0, 0, 0]:.2f}" in drawn.svg.replace("\N{MINUS SIGN}", "-")


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_the_order_back_has_the_parts_of_each_step(steps: int) -> None:
    model, x, y = net(), waves(steps=steps), np.ones((2, 1))
    drawn = lab.diagram("bptt", model, x, y)
    (part,) = lab.bptt(model, x, y).layers
    for t in range(max(1, steps - 2), steps + 1):
        assert drawn.numbers[f"output, step {t}"] == part.output[t - 1]
        assert drawn.numbers[f"kernel, step {t}"] == part.norms["kernel"][t - 1]
        assert drawn.numbers[f"recurrent_kernel, step {t}"] == part.norms["recurrent_kernel"][t - 1]
        assert drawn.numbers[f"feedback, step {t}"] == (part.feedback[t - 2] if t > 1 else part.dh[0])
    assert len(drawn.numbers) == 4 * min(3, steps)


def test_a_report_shows_figures_beside_results() -> None:
    from cellstep.lab.html_report import page

    drawn = lab.diagram("lstm")
    assert drawn.svg.splitlines()[-1] == "</svg>"
    text = page([drawn])
    assert "data:image/svg+xml;base64," in text
    assert drawn.summary().split(".")[0] in text


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("elman", {}, "kind must be one of feedback, unrolling, patterns, one to one, "),
        ("patterns", {"x": 1}, "x must be None: the figure 'patterns' takes no model"),
        ("cell", {}, "model must be given: the figure 'cell' takes model and x, got None"),
        ("lstm", {"x": 1}, "model must be given: the figure 'lstm' takes model and x, got None"),
        ("lstm", {"model": net()}, "x must be given: the figure 'lstm' takes model and x, got None"),
        (
            "lstm",
            {"model": net(), "x": waves()},
            "must have a layer of the cell LSTM for the figure 'lstm', got GRU",
        ),
        ("gru", {"model": net(), "x": waves(), "unit": 4}, "unit must be a number from 0 to 3, got 4"),
        ("gru", {"model": net(), "x": waves(), "step": 9}, "step must be one of the 6 steps of x, from 1 on, got 9"),
        ("gru", {"path": "a.png"}, "path must end in .svg, got 'a.png'"),
        ("bptt", {"model": net(), "x": waves(), "y": np.ones((2, 1)), "layer": "other"}, "layer must be one of memory"),
    ],
)
def test_errors(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        lab.diagram(kind, **options)


def test_errors_of_types() -> None:
    with pytest.raises(TypeError, match="kind must be a name, got int"):
        lab.diagram(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model must be a model or a layer of cellstep, got str"):
        lab.diagram("gru", "net", waves())
