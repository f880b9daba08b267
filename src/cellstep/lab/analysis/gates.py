"""What a cell keeps, stores and tells: its gates, its cell state and its hidden state over sequences.

    LSTM    c' = f c + i g    h' = o act(c')        keep by f, store g by i, tell by o
    GRU     h' = z h + (1 - z) g                    keep by z, store g by 1 - z; r says what g sees of h

A unit that keeps the part f of its state at each step holds what is 1 / (1 - f) steps old on the average (a geometric
series): that, with the mean of f over the steps, is its mean memory time.

Source: Hochreiter and Schmidhuber 1997, Gers, Schmidhuber and Cummins 2000 for the LSTM; Cho et al. 2014 for the GRU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels import Gate
from ..cell_rows import gates_of, keeping_gate, row_of
from ..plots.states import draw_gates
from ..result import Result
from ..tables import Table, rounded, text_table
from .jacobians import values
from .traced_cells import Place, places, run_layer
from .variants import updates_done

Array = NDArray[Any]

#: A gate nearer to 0 or 1 than this, or a candidate nearer to -1 or 1, is saturated: its slope is below 0.05.
NEAR = 0.05
#: Activations from 0 to 1 at their ends, and from -1 to 1.
GATING, SIGNED = ("sigmoid", "hard_sigmoid"), ("tanh", "softsign", "hard_tanh")


@dataclass(frozen=True, repr=False)
class Gates(Result):
    """The result of `gates`. Arrays are float64 and in the order in which the layer ran the steps.

    Attributes:
        name, kind, units: of the layer; kind is the public name of its cell, units how many have gates. backwards:
            whether it ran the last step first.
        gates: (n, T, units) by name: an LSTM's forget, input, candidate, output; a GRU's update, reset, candidate;
            none of a SimpleRNN, and of a cell that is written in Python. NaN at masked steps.
        states: (n, T, units) by letter: h, and of an LSTM c, after each step; carried at masked ones.
        running: (n, T) booleans, the steps that ran.
        saturated: by gate, the part of its values that are within NEAR of an end; gates without ends are left out.
        shut, open: by gate from 0 to 1, the part of its values within NEAR of 0, and of 1.
        memory: (units,) mean memory time in steps, 1 / (1 - f) of the mean of the gate that keeps; None where no gate
            from 0 to 1 does.
        order: (units,) units by memory, the longest first; without gates by the size of h.
        row: the row that is drawn.
        others: how many more recurrent layers the model has. untrained: whether the model's optimizer has made no
            update.
    """

    name: str
    kind: str
    units: int
    backwards: bool
    gates: Mapping[str, Array]
    states: Mapping[str, Array]
    running: NDArray[np.bool_]
    saturated: Mapping[str, float]
    shut: Mapping[str, float]
    open: Mapping[str, float]
    memory: Array | None
    order: NDArray[np.intp]
    row: int
    others: int
    untrained: bool = False
    title = "What a cell keeps, stores and tells"

    def __repr__(self) -> str:
        return f"<Gates of {self.name} ({self.kind}, {self.units} units, {self.running.shape[1]} steps)>"

    def summary(self) -> str:
        """What the gates do on the whole, and the table."""
        n, T = self.running.shape
        said = [f"{self.name} ({self.kind}, {self.units} units) ran {n} sequence{'s' * (n > 1)} of up to {T} steps."]
        if self.others:
            said[0] += f" The model has {self.others} more recurrent {'layer' if self.others == 1 else 'layers'}."
        if self.memory is not None:
            by_size = np.sort(self.memory)  # not np.median: memories may be infinite
            low, high = by_size[[0, -1]]
            middle = (by_size[(self.units - 1) // 2] + by_size[self.units // 2]) / 2
            said.append(
                f"The {self._keeping} gate gives its units a mean memory of {rounded(middle)} steps (median), from "
                f"{rounded(low)} to {rounded(high)}."
            )
        for name, part in self.saturated.items():
            if name == self._keeping and self.open.get(name, 0.0) > 0.5:
                said.append(
                    f"{self.open[name]:.0%} of the {name} values are near 1: the state stays as it is, and the gate "
                    "itself learns slowly."
                )
            elif part > 0.5:
                said.append(
                    f"{part:.0%} of the {name} values are saturated, so little gradient passes through them: smaller "
                    "weights or inputs would open them."
                )
        if not row_of(self.kind).name:
            said.append(
                f"{self.kind} is written in Python, so that its states are known and its gates are not: as equations, "
                "a class of cellstep.Cell, it shows its gates too."
            )
        elif not self.gates:
            said.append(f"A {self.kind} has no gates: each step writes all of {next(iter(self.states))} anew.")
        return "\n".join(said) + "\n\n" + text_table(self.table()) + "\n\n" + self.conclusion()

    def conclusion(self) -> str:
        """One sentence: how far back the layer remembers, against the steps that it ran."""
        steps = int(self.running.sum(axis=1).max(initial=0))
        if self.memory is None:
            text = f"So how long {self.name} remembers is for gradient_flow to say."
        else:
            long = int(np.count_nonzero(self.memory >= steps))
            text = (
                f"So {long} of {self.units} units remember a sequence of {steps} steps from end to end, and half of "
                f"them no more than {rounded(np.sort(self.memory)[(self.units - 1) // 2])} steps."
            )
        if self.untrained:
            text += " No optimizer has updated this net: its gates are as initialized, and say nothing of the data."
        return text

    @property
    def _keeping(self) -> str | None:
        gate = keeping_gate(row_of(self.kind))
        return None if gate is None else gate.name

    def table(self) -> Table:
        """Means and extremes of each gate and state over the steps that ran."""
        rows = []
        for name, values_ in {**self.gates, **self.states}.items():
            seen = values_[self.running]
            rows.append(
                [
                    name,
                    *(
                        rounded(v)
                        for v in ((seen.mean(), seen.std(), seen.min(), seen.max()) if seen.size else [0] * 4)
                    ),
                    *(f"{part[name]:.1%}" if name in part else "-" for part in (self.shut, self.open, self.saturated)),
                ]
            )
        return ("gate or state", "mean", "std", "min", "max", "near 0", "near 1", "saturated"), rows

    _figure = draw_gates


def gates(model: Any, x: Any, layer: str | int | None = None, *, row: int = 0) -> Gates:
    """Run a model on x, as for prediction, and look at the gates and states of one recurrent layer.

    Args:
        model: a model or a layer, of any structure.
        x: its inputs, as for a call; masks and sequences of different lengths as well.
        layer: which recurrent layer: a name, the beginning or an end of one, or a number in the order of the model;
            the first where None.
        row: the sequence that `draw` shows.

    Raises:
        TypeError, ValueError: model is none or has no such layer, or x no such row.

    Example:
        >>> from cellstep import lab
        >>> model = cellstep.Sequential([Input((12, 3)), LSTM(4), Dense(1)])
        >>> lab.gates(model, np.ones((8, 12, 3))).gates["forget"].shape  # rows, steps, units
        (8, 12, 4)
    """
    place, run = run_layer(model, x, layer)
    n, _ = run.shape
    if isinstance(row, bool) or not isinstance(row, int) or not 0 <= row < n:
        raise ValueError(f"row must be one of the {n} rows of x, from 0 on, got {row!r}")
    held = values(run, n)
    where = np.where(held.running, 0.0, np.nan)[:, :, None]
    row_gates = gates_of(place.row)
    by_name = {gate.name: held.gates[place.row.gates.index(gate)] + where for gate in row_gates}
    shut, opened, saturated = {}, {}, {}
    for gate in row_gates:
        ends = near_ends(place, gate, by_name[gate.name], int(held.running.sum()))
        if ends is None:
            continue
        saturated[gate.name] = sum(ends)
        if lower_end(place, gate) == 0:
            shut[gate.name], opened[gate.name] = ends
    states = dict(zip(place.row.state_names, held.after, strict=True))
    keep = keeping_gate(place.row)
    memory = _memory(by_name[keep.name], held.running) if keep and keep.name in shut else None
    size = np.abs(held.after[0][held.running]).mean(axis=0) if held.running.any() else np.zeros(place.units)
    order = np.argsort(-(size if memory is None else memory), kind="stable")
    return Gates(
        name=place.name,
        kind=place.kind,
        units=len(order),
        backwards=place.backwards,
        gates=by_name,
        states=states,
        running=held.running,
        saturated=saturated,
        shut=shut,
        open=opened,
        memory=memory,
        order=order,
        row=row,
        others=len(places(model)) - 1,
        untrained=updates_done(model) == 0,
    )


def _memory(keep: Array, running: NDArray[np.bool_]) -> Array:
    """(units,) 1 / (1 - f) for the mean f over all steps that ran; infinite where all is kept."""
    if not running.any():
        return np.ones(keep.shape[-1])
    with np.errstate(divide="ignore"):
        return np.asarray(1 / (1 - keep[running].mean(axis=0)))


def lower_end(place: Place, gate: Gate) -> float | None:
    """The lower end of a gate's activation, whose upper one is 1; None where it has none."""
    options = getattr(place.cell, "options", {})
    name = options.get(gate.activation, gate.activation)  # of equations it is the activation itself
    return 0.0 if name in GATING else -1.0 if name in SIGNED else None


def near_ends(place: Place, gate: Gate, values: Array, steps: int) -> tuple[float, float] | None:
    """The parts of a gate's values (n, T, units), NaN at masked steps, that are within NEAR of its lower end and of 1;
    None where it has no ends. steps: how many of them ran."""
    low = lower_end(place, gate)
    if low is None:
        return None
    total = max(1, steps * values.shape[-1])
    return np.count_nonzero(values < low + NEAR) / total, np.count_nonzero(values > 1 - NEAR) / total
