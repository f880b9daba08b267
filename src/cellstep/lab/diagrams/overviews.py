"""Nets as a whole: feedback, unrolling, the four patterns of inputs and outputs, and the ways back of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .cell_step import CellStep, number
from .sketch import Sketch


def feedback(sketch: Sketch, step: CellStep) -> None:
    x, y = 176.0, 112.0
    sketch.wire((x, y + 78), (x, y + 29))
    sketch.wire((x, y - 29), (x, y - 74), ink="state")
    loop = [(x + 68, y - 14), (x + 112, y - 14), (x + 112, y + 16), (x + 69, y + 16)]
    sketch.wire(*loop, ink="state", thick=2.2)
    sketch.box(x, y, 136, 58, "W, U, b", "same at every step", size=12)
    sketch.delay(x + 112, y + 1)
    sketch.text(x + 124, y + 1, "delay: one step", 12, ink="soft", side="start")
    sketch.text(x + 76, y - 27, step.say("h_t", "h"), ink="state", side="start")
    sketch.text(x + 76, y + 34, step.say("h_{t-1}", "h0"), ink="state", side="start")
    sketch.text(x, y - 86, "y_t", ink="ink")
    step.write_x(sketch, x, y + 88)
    sketch.text(12, y - 86, "chance to win next", 12, ink="soft", side="start")
    sketch.text(12, y + 88, "one game", 12, ink="soft", side="start")


class Chain(NamedTuple):
    """The first steps of a layer, for the drawing of its unrolling; numbers where a model ran."""

    x: Sequence[str] = ("x_1", "x_2", "x_3")
    h: Sequence[float] = ()
    first: float | None = None


def unrolling(sketch: Sketch, chain: Chain) -> None:
    y, loop, columns = 106.0, 46.0, (196.0, 286.0, 376.0)
    sketch.wire((loop, y + 68), (loop, y + 24))
    sketch.wire((loop, y - 24), (loop, y - 62))
    sketch.wire((loop + 28, y - 10), (loop + 46, y - 10), (loop + 46, y + 12), (loop + 29, y + 12), ink="state")
    sketch.delay(loop + 46, y + 1)
    sketch.box(loop, y, 56, 48, "h_t")
    sketch.text(loop, y + 78, "x_t")
    sketch.text(loop, y - 74, "y_t")
    sketch.text(loop + 76, y, "=", 20)
    sketch.wire((columns[0] - 52, y), (columns[0] - 28, y), ink="state", thick=2.2)
    first = "0" if chain.first is None else number(chain.first)
    sketch.text(columns[0] - 42, y - 16, first if len(first) < 2 else "h_0", 12, ink="state")
    for k, x in enumerate(columns):
        sketch.wire((x, y + 68), (x, y + 24))
        sketch.wire((x, y - 24), (x, y - 62))
        if k:
            sketch.wire((columns[k - 1] + 28, y), (x - 28, y), ink="state", thick=2.2)
            sketch.text((columns[k - 1] + x) / 2, y - 14, "U", 12, ink="state")
        sketch.box(x, y, 56, 48, f"h_{k + 1}", *([number(chain.h[k])] if chain.h else []), size=13)
        sketch.text(x + 6, y + 44, "W", 12, ink="soft", side="start")
        sketch.text(x, y + 78, chain.x[k], 14 if len(chain.x[k]) < 5 else 11)
        sketch.text(x, y - 74, f"y_{k + 1}")
    sketch.text(columns[1] - 10, y + 104, "one copy a step; all share W, U and b", 12, ink="soft")


class Pattern(NamedTuple):
    """Which of three steps have an input, and which an output; and an example."""

    title: str
    inputs: tuple[bool, ...]
    outputs: tuple[bool, ...]
    example: str


YES, NO = True, False
PATTERNS = {
    "one to one": Pattern("one to one", (YES,), (YES,), "a reading, corrected"),
    "one to many": Pattern("one to many", (YES, NO, NO), (YES, YES, YES), "a note, then a tune"),
    "many to one": Pattern("many to one", (YES, YES, YES), (NO, NO, YES), "games, the next result"),
    "many to many": Pattern("many to many", (YES, YES, YES), (YES, YES, YES), "games, each one's odds"),
}


def pattern(sketch: Sketch, which: Pattern, left: float = 0.0, top: float = 0.0) -> None:
    """One of the patterns, 205 wide and 196 high."""
    steps = len(which.inputs)
    xs = [left + 102.5 + 58 * (k - (steps - 1) / 2) for k in range(steps)]
    sketch.text(left + 102.5, top + 16, which.title, bold=True)
    low, middle, high = top + 152, top + 102, top + 52
    for k, x in enumerate(xs):
        if which.inputs[k]:
            sketch.wire((x, low - 11), (x, middle + 15))
            sketch.box(x, low, 34, 22, f"x_{k + 1}" if steps > 1 else "x", fill="other", size=12)
        if which.outputs[k]:
            sketch.wire((x, middle - 15), (x, high + 11))
            sketch.box(x, high, 34, 22, f"y_{k + 1}" if sum(which.outputs) > 1 else "y", fill="paper", size=12)
        if k:
            sketch.wire((xs[k - 1] + 19, middle), (x - 19, middle), ink="state", thick=2.2)
        sketch.box(x, middle, 38, 30, f"h_{k + 1}" if steps > 1 else "h", size=12)
    sketch.text(left + 102.5, top + 182, which.example, 12, ink="soft")


def patterns(sketch: Sketch) -> None:
    for number_, which in enumerate(PATTERNS.values()):
        pattern(sketch, which, 210.0 * (number_ % 2), 200.0 * (number_ // 2))


def backprop(sketch: Sketch) -> None:
    y, xs = 62.0, (34.0, 156.0, 278.0, 386.0)
    names = ("x", "h", "y", "J")
    for k, between in enumerate(("W_i", "W_o", "")):
        a, b = xs[k] + 22, xs[k + 1] - 22
        sketch.wire((a, y - 6), (b, y - 6))
        sketch.wire((b, y + 8), (a, y + 8), ink="back", thick=2.2)
        if between:
            sketch.text((a + b) / 2, y - 22, between)
    for x, name in zip(xs, names, strict=True):
        sketch.box(x, y, 44, 40, name, fill="other" if name in "xJ" else "cell")
    for a, b, label, n in ((2, 3, "dJ/dy", 1), (1, 2, "dy/dh", 2), (0, 1, "dh/dW_i", 3)):
        middle = (xs[a] + xs[b]) / 2
        sketch.badge(middle, y + 28, n, ink="back")
        sketch.text(middle, y + 50, label, 13, ink="back")
    sketch.text(210, y + 88, "dJ/dW_i = dJ/dy · dy/dh · dh/dW_i", 14, bold=True)


@dataclass(frozen=True)
class WayBack:
    """The last steps of a layer, and what goes back there: norms, the oldest step first.

    Attributes:
        steps: their numbers. outputs: what each output brings. feedback: what goes from each step to the one before.
        inputs, recurrents: the parts of the gradients of W and of U of each step.
    """

    steps: Sequence[str] = ("1", "2", "3")
    outputs: Sequence[float] = ()
    feedback: Sequence[float] = ()
    inputs: Sequence[float] = ()
    recurrents: Sequence[float] = ()


def bptt(sketch: Sketch, way: WayBack) -> None:
    n = len(way.steps)
    xs = [78.0 + 136 * (k + 3 - n) for k in range(n)]
    high, middle, low = 44.0, 142.0, 248.0
    for k, x in enumerate(xs):
        t = way.steps[k]
        sketch.wire((x - 8, low - 14), (x - 8, middle + 22))
        sketch.wire((x - 8, middle - 22), (x - 8, high + 14))
        sketch.wire((x + 8, high + 14), (x + 8, middle - 22), ink="back", thick=2.4)
        sketch.wire((x + 8, middle + 22), (x + 8, low - 14), ink="back", thick=2.4)
        sketch.box(x, high, 52, 28, f"y_{{{t}}}", fill="paper", size=13)
        sketch.box(x, middle, 56, 44, f"h_{{{t}}}")
        sketch.box(x, low, 52, 28, f"x_{{{t}}}", fill="other", size=13)
        back = 2 * (n - 1 - k) + 2
        sketch.badge(x + 22, (high + middle) / 2 - (9 if way.outputs else 0), 1, ink="back")
        sketch.badge(x + 22, (low + middle) / 2 - (9 if way.inputs else 0), back, ink="back")
        if way.outputs:
            sketch.text(x + 14, (high + middle) / 2 + 12, number(way.outputs[k]), 12, ink="back", side="start")
        if way.inputs:
            sketch.text(x + 14, (low + middle) / 2 + 12, f"W {number(way.inputs[k])}", 12, ink="back", side="start")
        if k:
            sketch.wire((xs[k - 1] + 28, middle - 8), (x - 28, middle - 8), ink="state")
            sketch.wire((x - 28, middle + 8), (xs[k - 1] + 28, middle + 8), ink="back", thick=2.4)
            between = (xs[k - 1] + x) / 2
            sketch.badge(between, middle - 28, back + 1, ink="back")
            if way.recurrents:
                sketch.text(between, middle + 24, f"{number(way.feedback[k])}", 12, ink="back")
                sketch.text(between, middle + 42, f"U {number(way.recurrents[k])}", 12, ink="back")
    if way.steps[0] != "1":
        sketch.text(xs[0] - 50, middle, "…", 16)
    elif n:
        sketch.wire((xs[0] - 56, middle - 8), (xs[0] - 28, middle - 8), ink="state")
    words = (
        ("1", "all outputs, back to the last layer"),
        ("2", "the most recent input"),
        ("3", "the last feedback path"),
        ("4", "and so on, as the net unrolls"),
    )
    for k, (sign, text) in enumerate(words[: 2 * n]):
        sketch.badge(24, 290 + 23 * k, sign, ink="back")
        sketch.text(42, 290 + 23 * k, text, 13, side="start")
    if way.outputs:
        sketch.text(12, 385, "numbers: norms of gradients that reach a state;", 12, ink="soft", side="start")
        sketch.text(12, 401, "W, U: that step's part of their gradients", 12, ink="soft", side="start")
