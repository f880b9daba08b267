"""What builds and checks the site: docstrings made ready, equations as MathML, links that lead nowhere."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def tool(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.syspath_prepend(str(DOCS / "_extensions"))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


def site(folder: Path, **pages: str) -> str:
    for name, body in pages.items():
        (folder / f"{name}.html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    return str(folder)


def test_links_that_lead_somewhere_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = tool("check_links", monkeypatch)
    folder = site(tmp_path, a='<a href="b.html#here">b</a><a href="https://example.org/x">x</a>', b='<p id="here"></p>')
    assert check.main(folder) == 0


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("c.html", "no such file"),
        ("b.html#there", "no such anchor"),
        ("#nowhere", "no such anchor"),
        ("http://example.org", "not a well-formed https address"),
        ("https://nothing", "not a well-formed https address"),
    ],
)
def test_links_that_lead_nowhere_are_named(
    link: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check = tool("check_links", monkeypatch)
    assert check.main(site(tmp_path, a=f'<a href="{link}">x</a>', b='<p id="here"></p>')) == 1
    assert f"a.html: {link}: {said}" in capsys.readouterr().out


def test_equations_become_mathml(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("latex2mathml")
    mathml = tool("mathml", monkeypatch)
    made = mathml.to_mathml(r"\begin{aligned} h_t &= \tanh(z_t) \\ c_t &= 1 \end{aligned}", display=True)
    assert made.startswith("<math")
    assert made.count("<mtr>") == 2
    assert made.count("text-align: right") == made.count("text-align: left;") == 2
    with pytest.raises(Exception, match="no MathML for"):
        mathml.to_mathml(r"\nosuchcommand x", display=False)


def test_docstrings_become_restructured_text(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    docstrings = tool("docstrings", monkeypatch)
    text = ["Says *_initializer and net.classes_, `as_it_is_*`:", "", "    h = x * U", "", "Then more."]
    assert docstrings.prepare(text) == [
        *(r"Says \*_initializer and net.classes\_, `as_it_is_*`:", "", "::", "", "    h = x * U", "", "Then more."),
    ]
    sections = [
        "Raises:",
        "    TypeError: no tensor. ValueError, ImportError: two layers",
        "    have one name.",
        "",
        "End.",
    ]
    assert docstrings.raises(sections) == [
        *("Raises:", "    TypeError: no tensor.", "    ValueError, ImportError: two layers have one name.", "", "End."),
    ]


def test_brackets_in_code_are_no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    repository = tool("repository", monkeypatch)
    page = DOCS / "derivatives.md"
    code = "```python\ny = model.forward(x)[1](dy)\n```\n"
    text = f"[a chapter](learn/2-learning.md#it)\n\n{code}\n[the kernels](../kernels/README.md)\n"
    assert repository.site_links(text, page, page) == (
        f"[a chapter](learn/2-learning.md#it)\n\n{code}\n[the kernels](contract.md)\n"
    )
