"""The interactive pages: their formulas give the package's numbers, by Node; and they move, in Chromium. Where either
is not installed its tests are skipped."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cellstep import Sequential, lab, layers

DOCS = Path(__file__).parents[2] / "docs"
PLAY = DOCS / "_static" / "play"
PAGE = DOCS / "learn" / "interactive.md"
CELLS = {"echo": layers.SimpleRNN, "rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}


def node(expression: str, *arguments: Any) -> Any:
    """What an expression of cells.js gives, with the arguments as A[0], A[1], ..."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    script = f"const Cells = require({json.dumps(str(PLAY / 'cells.js'))}); const A = JSON.parse(process.argv[1]);"
    script += f"process.stdout.write(JSON.stringify({expression}))"
    done = subprocess.run([program, "-e", script, json.dumps(arguments)], capture_output=True, text=True, timeout=120)
    assert not done.stderr, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def play() -> ModuleType:
    """The extension that trains the net of the page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS / "_extensions"))
        return importlib.import_module("play")


@pytest.fixture(scope="module")
def model(play: ModuleType) -> Any:
    return play.trained()


def unit(cell: str, w: float) -> Any:
    """One unit of the package with the weights of the page."""
    options = {"activation": "linear"} if cell == "echo" else {}
    layer = CELLS[cell](1, dtype="float64", **options)
    layer.build((None, None, 1))
    kernel, recurrent, bias = layer.get_weights()
    bias[...] = 0
    if cell == "lstm":
        bias[1] = 1
    layer.set_weights([np.ones_like(kernel), np.full_like(recurrent, w), bias])
    return layer


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("w", [-4.0, -0.7, 0.0, 0.33, 1.0, 3.0])
def test_reach_is_that_of_the_package(cell: str, w: float) -> None:
    steps = 20
    x = np.array(node("Cells.inputs(A[0])", steps)).reshape(1, steps, 1)
    # a scale of 1: the weights as they are
    (curve,) = lab.gradient_flow(unit(cell, w), x, scales=(1.0,)).curves
    reach = np.abs(node("Cells.reach(A[0], A[1], A[2])", cell, w, steps))
    np.testing.assert_allclose(reach, curve.chain[0], rtol=1e-9, atol=1e-12 * curve.chain.max())


def test_the_numbers_of_the_lecture_are_at_their_places() -> None:
    assert node("Cells.reach('echo', 3, 3)")[0] == 27
    assert round(node("Cells.reach('echo', 0.33, 3)")[0], 3) == 0.036


@pytest.mark.parametrize("w", [-2.0, 0.0, 0.5, 3.0])
def test_products_are_those_of_the_package(w: float) -> None:
    layer = layers.SimpleRNN(1, activation="linear", use_bias=False, dtype="float64")
    layer.build((None, None, 1))
    layer.set_weights([np.ones((1, 1)), np.full((1, 1), w)])
    x = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    model = Sequential([layer])
    model(x)
    y = layer(x)
    model.compile("sgd", "mse")
    (part,) = lab.bptt(model, x, np.asarray(y) - 0.5).layers  # dL/dh_T is 1
    order = node("Cells.order([1, 2, 3], A[0])", w)
    for step in order["parts"]:
        t = step["t"]
        assert part.dh[t] == pytest.approx(abs(step["dh"]))
        assert part.gradients["kernel"][t - 1].item() == pytest.approx(step["W"])
        assert part.gradients["recurrent_kernel"][t - 1].item() == pytest.approx(step["U"])
    assert [step["t"] for step in order["parts"]] == part.order.tolist()
    assert order["h"][-1] == pytest.approx(y.item())
    assert order["dU"] == pytest.approx(part.gradients["recurrent_kernel"].sum())


def test_gates_are_those_of_the_package(play: ModuleType, model: Any) -> None:
    data = play.data(model)
    x = np.eye(len(play.WORDS))[[play.WORDS.index(word) for word in play.SENTENCE]]
    seen = lab.gates(model, x[None].astype("float32"))
    steps = node("Cells.lstm(A[0].net, A[1])", data, x.tolist())
    for name, values in {**seen.gates, **seen.states}.items():
        np.testing.assert_allclose([step[name] for step in steps], values[0], atol=1e-5)
    answers = node("A[1].map((h) => Cells.answer(A[0].dense, h))", data, [step["h"] for step in steps])
    np.testing.assert_allclose(answers, model.predict(x[None].astype("float32"), verbose=0)[0, :, 0], atol=1e-5)


def test_the_net_of_the_page_has_learnt_what_the_page_says(play: ModuleType, model: Any) -> None:
    x, y = play.sentences(200, 20, np.random.default_rng(1))
    assert ((model.predict(x, verbose=0) > 0.5) == y).mean() > 0.99
    forget, words = lab.gates(model, x).gates["forget"], x.argmax(axis=-1)
    assert forget[words == play.WORDS.index("season")].mean() < 0.2
    assert forget[words != play.WORDS.index("season")].mean() > 0.5


def test_the_net_is_written_where_the_page_looks_for_it(play: ModuleType, model: Any, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(play, "trained", lambda: model)
        app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=str(tmp_path))
        play.write(app, None)
    assert (tmp_path / "_static" / "play" / "data.js").read_text(encoding="utf-8").startswith("const PLAY = {")
    for source in re.findall(r'src="\.\./_static/(\S+?)"', PAGE.read_text(encoding="utf-8")):
        assert (DOCS / "_static" / source).exists() or source == "play/data.js"


def parts_of_the_page() -> str:
    return "\n".join(re.findall(r"```\{raw\} html\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))


def test_every_part_that_the_script_asks_for_is_on_the_page() -> None:
    script = (PLAY / "play.js").read_text(encoding="utf-8")
    on_page = set(re.findall(r'id="([\w-]+)"', parts_of_the_page()))
    asked = set(re.findall(r'find\("([\w-]+)"\)', script)) | set(
        re.findall(r'"((?:reach|order|gates)-[\w-]+)"', script)
    )
    assert asked == on_page


def test_the_scripts_ask_for_nothing_from_outside() -> None:
    for file in PLAY.glob("*.js"):
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|fetch\(|XMLHttpRequest|import\(|innerHTML|eval\(", text), file.name


def test_the_page_moves_in_a_browser(
    play: ModuleType, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    check = importlib.import_module("check_pages")
    program = next(filter(None, map(shutil.which, check.BROWSERS)), None)
    if program is None:
        pytest.skip("neither Chromium nor Chrome is installed")
    folder = tmp_path / "_static" / "play"
    shutil.copytree(PLAY, folder)
    (folder / "data.js").write_text(f"const PLAY = {json.dumps(play.data(model))};", encoding="utf-8")
    css = (DOCS / "_static" / "site.css").read_text(encoding="utf-8")
    page = tmp_path / "learn" / "page.html"
    page.parent.mkdir()
    page.write_text(f"<meta charset=utf-8><style>{css}</style><article>{parts_of_the_page()}</article>", "utf-8")
    browser = check.Browser(program, str(tmp_path / "profile"))
    try:
        wrong, _ = check.look(browser, page, 390)
        assert not wrong
        said = "document.getElementById({!r}).textContent"
        move = "var c = document.getElementById('reach-w'); c.value = {}; c.dispatchEvent(new Event('input'))"
        assert "is 0.0359. It vanishes" in browser.evaluate(said.format("reach-said"))
        browser.evaluate(move.format(3))
        assert "is 27. It explodes" in browser.evaluate(said.format("reach-said"))
        assert browser.evaluate("document.querySelectorAll('#reach-bars rect:not(.under)').length") == 4
        browser.evaluate("document.querySelector('#reach-bars .place').dispatchEvent(new Event('pointerenter'))")
        assert "dh_3 / dh_0 = 27" in browser.evaluate("document.querySelector('#reach-bars').textContent")
        assert browser.evaluate("document.querySelector('#reach-bars title') instanceof SVGTitleElement")
        for _ in range(5):
            browser.evaluate("document.getElementById('order-next').click()")
        assert "part of dL/dW: 1 · x_3 = 1 · 3 = 3" in browser.evaluate(said.format("order-said"))
        browser.evaluate("document.getElementById('order-next').click()")
        assert "= 1 · 2.5 = 2.5, and on: dL/dh_2 = 1 · 0.5 = 0.5" in browser.evaluate(said.format("order-said"))
        browser.evaluate("document.querySelector('#gates-map td').dispatchEvent(new Event('pointerenter'))")
        first = lab.gates(model, np.eye(len(play.WORDS), dtype="float32")[[[play.WORDS.index(play.SENTENCE[0])]]])
        assert f"{first.gates['forget'][0, 0, 0]:.2f}" in browser.evaluate(said.format("gates-said"))
    finally:
        browser.close()
