"""The LSTM: what it keeps, what it stores, what it shows."""

from __future__ import annotations

from .cell_step import CellStep
from .sketch import Sketch

SIZE = (420.0, 348.0)
DESCRIPTION = (
    "A line along the top carries the cell state c from step to step. 1, keep: the forget gate f multiplies it. 2, "
    "store: the input gate i times the candidate g is added to it. 3, output: the output gate o times tanh of c is the "
    "hidden state h. All four see the input x and the hidden state of the step before."
)


def draw(sketch: Sketch, step: CellStep) -> None:
    top, ops, gates, bus = 62.0, 128.0, 222.0, 282.0
    keep, store, gate_i, gate_g, gate_o, show = 92.0, 196.0, 164.0, 228.0, 300.0, 366.0
    between = (keep + gate_i) / 2
    sketch.wire((14, top), (keep - 11, top), ink="memory", thick=2.6)
    sketch.wire((keep + 11, top), (store - 11, top), ink="memory", thick=2.6)
    sketch.wire((store + 11, top), (408, top), ink="memory", thick=2.6)
    sketch.text(12, top - 20, step.say("c_{t-1}", "c0"), ink="memory", side="start")
    sketch.text(408, top - 20, step.say("c_t", "c"), ink="memory", side="end")
    # the state and the input, to each gate
    sketch.wire((14, bus), (keep, bus), (keep, gates + 17), ink="state")
    for x in (gate_i, gate_g, gate_o):
        sketch.wire((keep, bus), (x, bus), (x, gates + 17), ink="state")
    sketch.text(12, bus + 20, step.say("h_{t-1}", "h0"), ink="state", side="start")
    sketch.wire((between, 314), (between, bus), head=False)
    step.write_x(sketch, between, 324)
    # 1 keep
    sketch.wire((keep, gates - 17), (keep, top + 11))
    sketch.text(keep + 6, ops - 12, step.say("f", "gate f"), side="start")
    # 2 store
    sketch.wire((gate_i, gates - 17), (gate_i, ops + 32), (store - 4, ops + 32), (store - 4, ops + 11))
    sketch.wire((gate_g, gates - 17), (gate_g, ops + 32), (store + 4, ops + 32), (store + 4, ops + 11))
    sketch.wire((store, ops - 11), (store, top + 11))
    sketch.text(gate_i - 6, ops + 48, step.say("i", "gate i"), side="end", size=13)
    sketch.text(gate_g + 6, ops + 46, step.say("g", "gate c"), side="start", size=13)
    # 3 output
    sketch.wire((show, top), (show, ops - 24))
    sketch.wire((show, ops), (show, gates - 11))
    sketch.wire((gate_o + 25, gates), (show - 11, gates))
    sketch.wire((show, gates + 11), (show, bus), (408, bus), ink="state", thick=2.2)
    sketch.text(gate_o, gates - 26, step.say("o", "gate o"), size=13)
    sketch.text(408, bus + 20, step.say("h_t", "h"), ink="state", side="end")
    tanh, sigma = step.sign("activation", "tanh"), step.sign("recurrent_activation", "σ")
    sketch.box(show, ops - 12, 54, 26, tanh, fill="other", size=13)
    for x, word in ((keep, sigma), (gate_i, sigma), (gate_g, tanh), (gate_o, sigma)):
        sketch.box(x, gates, 50, 34, word)
    sketch.node(keep, top, "×")
    sketch.node(store, top, "+")
    sketch.node(store, ops, "×")
    sketch.node(show, gates, "×")
    for x, y, number, word in ((keep, 14, 1, "keep"), (store, 14, 2, "store"), (show - 26, 14, 3, "output")):
        sketch.badge(x - 26, y, number)
        sketch.text(x - 12, y, word, side="start", bold=True)
