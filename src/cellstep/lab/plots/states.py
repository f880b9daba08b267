"""The pictures of what states do: `gates`, and the exponents of `lyapunov`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import style
from ..cell_rows import gates_of, is_content, noun, row_of
from .panels import heat_map, integer_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.gates import Gates
    from ..analysis.lyapunov import Lyapunov

#: In the place of a gate's role, where that is not its own word.
WORDS = {"reset": "what the candidate sees of h"}
#: Titles of the first state and of the second.
STATES = ("the hidden state", "the cell state")


def draw_gates(result: Gates) -> Figure:
    """Units by steps, one panel for each gate and state. From top to bottom: keep, store, output, then the states."""
    panels: list[tuple[str, Any, bool]] = []
    for gate in gates_of(row_of(result.kind)):
        letter = "g" if is_content(gate) else gate.letter
        title = f"{WORDS.get(gate.role, gate.role)}: {noun(gate)} {letter}"
        panels.append((title, result.gates[gate.name], not is_content(gate)))
    for k, (letter, values) in reversed(list(enumerate(result.states.items()))):
        panels.append((f"{STATES[k] if k < 2 else 'the state'} {letter}", values, False))
    # a dense picture: all panels share steps and units
    title = f"{result.name} ({result.kind}), sequence {result.row}"
    figure, axes = style.figure(len(panels), 1, height=1.0 + 1.45 * len(panels), title=title, sharex=True)
    steps = (1, result.running.shape[1])
    for axis, (title, values, from_0_to_1) in zip(axes[:, 0], panels, strict=True):
        # a state of another size has units of its own
        by_rank = values[result.row][:, result.order if values.shape[-1] == len(result.order) else slice(None)].T
        if from_0_to_1:
            heat_map(figure, axis, by_rank, steps, ticks=[0, 0.5, 1], cmap=style.SEQUENTIAL, vmin=0, vmax=1)
        else:
            top = max(1e-12, float(np.nanmax(np.abs(by_rank)))) if np.isfinite(by_rank).any() else 1.0
            heat_map(figure, axis, by_rank, steps, cmap=style.DIVERGING, vmin=-top, vmax=top)
        axis.set_facecolor("#BFBFBF")  # masked steps
        axis.set_title(title)
        axis.set_ylabel("unit, by rank")
        integer_ticks(axis.yaxis, 4)
    bottom = axes[-1, 0]
    integer_ticks(bottom.xaxis, 10)
    how = "by mean memory time, longest on top" if result.memory is not None else "by size of h, largest on top"
    masked = "; grey: masked" if not result.running[result.row].all() else ""
    bottom.set_xlabel(f"step t{' (1 is the last in time)' if result.backwards else ''}; units sorted {how}{masked}")
    return figure


def draw_lyapunov(result: Lyapunov) -> Figure:
    """The exponents in order, their mean and their range over rows."""
    figure, axes = style.figure(title=f"{result.title}: {result.name} ({result.kind})")
    axis = axes[0, 0]
    number = np.arange(1, len(result.exponents) + 1)
    finite = np.isfinite(result.exponents)
    axis.plot(number[finite], result.exponents[finite], label="mean over rows", **style.line(1, len(number)))
    low, high = result.by_row.min(axis=0)[finite], result.by_row.max(axis=0)[finite]
    color = style.PALETTE[1]
    axis.fill_between(number[finite], low, high, color=color, alpha=0.2, linewidth=0, label="from row to row")
    axis.axhline(0, color=style.GREY, linewidth=1, linestyle=":")
    axis.set_xlabel("number of the exponent, largest first")
    axis.set_ylabel("exponent (1/step)")
    axis.legend()
    return figure
