"""The SimpleRNN: the input and the old state, each by its matrix, added and bent."""

from __future__ import annotations

from .cell_step import CellStep
from .sketch import Sketch

SIZE = (420.0, 232.0)
DESCRIPTION = (
    "The state h of the step before is multiplied by the matrix U, the input x by the matrix W; both and the bias b "
    "are added, and tanh of the sum is the new state h, which is also the output."
)


def draw(sketch: Sketch, step: CellStep) -> None:
    line, add, bend = 88.0, 212.0, 296.0
    sketch.wire((14, line), (112, line), ink="state", thick=2.6)
    sketch.wire((162, line), (add - 11, line), ink="state")
    sketch.wire((add + 11, line), (bend - 27, line))
    sketch.wire((bend + 27, line), (408, line), ink="state", thick=2.6)
    sketch.text(12, line - 22, step.say("h_{t-1}", "h0"), ink="state", side="start")
    sketch.text(408, line - 22, step.say("h_t", "h"), ink="state", side="end")
    sketch.wire((add, 196), (add, 172))
    sketch.wire((add, 138), (add, line + 11))
    sketch.wire((add, 44), (add, line - 11))
    sketch.text(add, 34, "b")
    step.write_x(sketch, add, 204)
    sketch.box(137, line, 50, 34, "U")
    sketch.box(add, 155, 50, 34, "W")
    sketch.box(bend, line, 54, 34, step.sign("activation", "tanh"))
    sketch.node(add, line, "+")
