"""The GRU: one state, and two gates."""

from __future__ import annotations

from .cell_step import CellStep
from .sketch import Sketch

SIZE = (420.0, 346.0)
DESCRIPTION = (
    "A line along the top carries the state h from step to step. 1, reset: the gate r says how much of the old state "
    "the candidate sees. 2, keep: the update gate z multiplies the old state. 3, store: 1 - z times the candidate is "
    "added to it. There is no output gate: the state is the output."
)


def draw(sketch: Sketch, step: CellStep) -> None:
    top, middle, gates, bus = 62.0, 152.0, 218.0, 276.0
    branch, reset, candidate, keep, store = 34.0, 104.0, 196.0, 282.0, 352.0
    sketch.wire((14, top), (keep - 11, top), ink="state", thick=2.6)
    sketch.wire((keep + 11, top), (store - 11, top), ink="state", thick=2.6)
    sketch.wire((store + 11, top), (408, top), ink="state", thick=2.6)
    sketch.text(12, top - 22, step.say("h_{t-1}", "h0"), ink="state", side="start")
    sketch.text(408, top - 22, step.say("h_t", "h"), ink="state", side="end")
    # the old state, down to the gates and by way of r to the candidate
    sketch.wire((branch, top), (branch, bus), (reset, bus), (reset, gates + 17), ink="state")
    sketch.hop((reset, bus), (keep, bus), candidate, ink="state")
    sketch.wire((keep, bus), (keep, gates + 17), ink="state")
    sketch.wire((branch, middle), (reset - 11, middle), ink="state")
    sketch.wire((reset + 11, middle), (candidate - 27, middle), ink="state")
    sketch.wire((candidate, bus + 34), (candidate, middle + 17))
    sketch.wire((candidate, bus + 20), (66, bus + 20), (66, bus), head=False)
    step.write_x(sketch, candidate, bus + 42)
    # 1 reset, 2 keep
    sketch.wire((reset, gates - 17), (reset, middle + 11))
    sketch.text(reset - 6, gates - 32, step.say("r", "gate r"), side="end", size=13)
    sketch.wire((keep, gates - 17), (keep, top + 11))
    sketch.text(keep - 6, gates - 36, step.say("z", "gate z"), side="end", size=13)
    # 3 store
    sketch.wire((keep, gates - 24), (store, gates - 24), (store, middle + 11))
    sketch.hop((candidate + 27, middle), (store - 12, middle), keep)
    sketch.wire((store - 18, middle), (store - 11, middle))
    sketch.wire((store, middle - 11), (store, top + 11))
    sketch.text(candidate + 4, middle - 30, step.say("h̃", "gate h"), size=13)
    tanh, sigma = step.sign("activation", "tanh"), step.sign("recurrent_activation", "σ")
    sketch.box(reset, gates, 50, 34, sigma)
    sketch.box(keep, gates, 50, 34, sigma)
    sketch.box(candidate, middle, 54, 34, tanh)
    sketch.box(store, gates - 24, 36, 24, "1-", fill="other", size=13)
    sketch.node(reset, middle, "×")
    sketch.node(keep, top, "×")
    sketch.node(store, top, "+")
    sketch.node(store, middle, "×")
    for x, y, number, word in ((reset - 26, 14, 1, "reset"), (keep - 60, 14, 2, "keep"), (store - 40, 14, 3, "store")):
        sketch.badge(x, y, number)
        sketch.text(x + 14, y, word, side="start", bold=True)
