"""GradientMonitor: watches gradients and gates while a model trains, and prints a warning when something is wrong."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import core
from ...callbacks import Callback
from ...callbacks.base import Logs
from ...configured import levels_to_user
from ...layers import trace
from ...layers.tracing import CellTrace
from ..cell_rows import gates_of
from ..plots.gradients import draw_monitor
from ..result import Result
from ..tables import Table, rounded, text_table
from .gates import near_ends
from .traced_cells import Place, places
from .training_faults import layer_faults, not_finite

Array = NDArray[Any]

#: A unit whose h moves by no more than this over all steps and rows that are looked at is dead.
STILL = 1e-4


class GradientWarning(UserWarning):
    """What a GradientMonitor warns of."""


@dataclass(frozen=True)
class LayerRecord:
    """One recurrent layer at one training step.

    Attributes:
        kind, units: of the layer.
        dh: (T,) the norm of dL/dh_t over the batch, in the order of processing.
        kept: what is left of a gradient that goes back from step T to step 1: the product over the steps of what each
            passes on, |(d s_(t+1)/d s_t)^T dL/ds_(t+1)| / |dL/ds_(t+1)|, with s = h, or [h c]. Where the loss sees the
            last output alone it is |dL/ds_1| / |dL/ds_T|; where it sees all, gradients that join on the way are left
            out. NaN where there is none.
        saturated: by gate, the part of its values within 0.05 of an end, in the rows that are looked at.
        held: the part of the values of the gate that keeps (an LSTM's forget gate) within 0.05 of 1. That gate is
            saturated then too, but so that the state stays: nothing to warn of.
        dead: how many units do not move there.
    """

    kind: str
    units: int
    dh: Array
    kept: float
    saturated: Mapping[str, float]
    held: float
    dead: int


@dataclass(frozen=True)
class Record:
    """One training step: its number from 0 over all epochs; the mean loss of the epoch so far; a LayerRecord by name of
    each recurrent layer; and by path of each weight the norm of its gradient, as the optimizer used it: after clipping.
    """

    step: int
    loss: float
    layers: Mapping[str, LayerRecord]
    gradients: Mapping[str, float]


class GradientMonitor(Callback, Result):
    """A callback of `fit` that records how gradients flow through each recurrent layer, and warns in words when they
    vanish or explode, gates saturate, units die, or numbers stop being numbers; once for each cause and layer.

    Args:
        every: record each so many training steps.
        rows: how many rows of a batch gates and dead units are looked for in.
        vanishing: warn when less than this is left of a gradient that goes back over all steps (`LayerRecord.kept`).
        exploding: warn when more than this is.
        saturated: warn when more than this part of a gate's values is within 0.05 of an end.
        dead: warn when more than this part of the units do not move.
        patience: in how many records in a row it must be so. NaN and infinity warn at once.
        verbose: 0 warns by `warnings.warn` (GradientWarning), 1 prints instead.

    Attributes:
        records: a Record for each training step that was looked at.
        warnings: the sentences so far.

    What it shows is what training computes anyway: outputs, gradients and weights are as without it, to the bit.

    Example:
        >>> from cellstep import lab
        >>> model = cellstep.Sequential([Input((12, 3)), LSTM(4, name="memory"), Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> monitor = lab.GradientMonitor()
        >>> history = model.fit(np.ones((64, 12, 3)), np.ones((64, 1)), verbose=0, callbacks=[monitor])
        >>> len(monitor.records), monitor.records[0].layers["memory"].dh.shape  # a norm for each of 12 steps
        (2, (12,))
    """

    title = "Gradients while training"

    def __init__(
        self,
        every: int = 1,
        *,
        rows: int = 4,
        vanishing: float = 1e-3,
        exploding: float = 1e3,
        saturated: float = 0.9,
        dead: float = 0.1,
        patience: int = 3,
        verbose: int = 0,
    ) -> None:
        self.every, self.rows = core.check_count("every", every), core.check_count("rows", rows)
        self.vanishing = core.check_number("vanishing", vanishing, 0)
        self.exploding = core.check_number("exploding", exploding, 0)
        self.saturated = core.check_number("saturated", saturated, 0, 1)
        self.dead = core.check_number("dead", dead, 0, 1)
        self.patience = core.check_count("patience", patience)
        if verbose not in (0, 1):
            raise ValueError(f"verbose must be 0 or 1, got {verbose!r}")
        self.verbose = verbose
        self.records: list[Record] = []
        self.warnings: list[str] = []
        self._seen = 0
        self._said: set[tuple[str, str]] = set()
        self._lasting: dict[tuple[str, str], int] = {}
        self._places: dict[int, Place] = {}
        self._named: dict[str, Place] = {}
        self._watch: AbstractContextManager[list[CellTrace]] | None = None
        self._runs: list[CellTrace] = []

    def __repr__(self) -> str:
        return f"<GradientMonitor: {len(self.records)} records, {len(self.warnings)} warnings>"

    # Watching

    def set_model(self, model: Any) -> None:
        places(model)  # an error here, before training, where there is nothing to watch
        super().set_model(model)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._places = {}

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        if self._seen % self.every == 0:
            self._watch = trace()
            self._runs = self._watch.__enter__()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        step, self._seen = self._seen, self._seen + 1
        if self._watch is None:
            return
        runs = self._runs
        self.close()
        if not self._places:  # names are known when the model is built
            self._places = {id(place.cell): place for place in places(self.model)}
        record = Record(
            step,
            float((logs or {}).get("loss", math.nan)),
            self._look(runs),
            {w.path: _norm(w.grad_values) for w in self.model.trainable_weights},
        )
        self.records.append(record)
        self._judge(record)

    def close(self) -> None:
        """Stop watching; also when an error has ended training."""
        if self._watch is not None:
            self._watch.__exit__(None, None, None)
        self._watch, self._runs = None, []

    def _look(self, runs: list[CellTrace]) -> dict[str, LayerRecord]:
        layers: dict[str, LayerRecord] = {}
        for run in runs:
            place = self._places.get(id(run.cell))
            if place is None or run.gradients is None or not all(run.shape):
                continue
            name, k = place.name, 1
            while name in layers:  # a layer that ran more than once
                k += 1
                name = f"{place.name} (call {k})"
            saturated, held, dead = _look_inside(place, run, self.rows)
            dh, kept = reach(run)
            layers[name] = LayerRecord(place.kind, place.units, dh, kept, saturated, held, dead)
            self._named[name] = place
        return layers

    # Warning

    def _judge(self, record: Record) -> None:
        """Count the records in a row that have a fault, and say it when they are enough."""
        faults = {("", "nan"): told} if (told := not_finite(record.loss, record.gradients)) else {}
        for name, layer in record.layers.items():
            for cause, told in layer_faults(layer, self._named[name], self).items():
                faults[name, cause] = f"{name} ({layer.kind}): {told}"
        unseen = {key: n for key, n in self._lasting.items() if key[0] not in record.layers}
        self._lasting = {**unseen, **{key: self._lasting.get(key, 0) + 1 for key in faults}}
        for key, told in faults.items():
            if key not in self._said and self._lasting[key] >= (1 if key[1] == "nan" else self.patience):
                self._said.add(key)
                self.warnings.append(f"Training step {record.step}: {told}")
                if self.verbose:
                    print(self.warnings[-1])
                else:
                    warnings.warn(self.warnings[-1], GradientWarning, stacklevel=levels_to_user())

    # Telling

    def summary(self) -> str:
        """What was seen on the whole, each warning, and the table."""
        if not self.records:
            return "Nothing was recorded: no training step was looked at."
        said = [f"{len(self.records)} training steps were looked at, the last one step {self.records[-1].step}."]
        said += self.warnings or ["Nothing was found to be wrong."]
        return "\n".join(said) + "\n\n" + text_table(self.table())

    def table(self) -> Table:
        """A row for each layer: medians over the first and the last tenth of the records."""
        header = (
            "layer",
            "records",
            "kept over all steps: first",
            "last",
            "most saturated gate, last",
            "dead units, last",
        )
        rows = []
        for name in dict.fromkeys(name for record in self.records for name in record.layers):
            seen = [record.layers[name] for record in self.records if name in record.layers]
            tenth = max(1, len(seen) // 10)
            ratios = [float(np.median([layer.kept for layer in part])) for part in (seen[:tenth], seen[-tenth:])]
            gates = sorted((part, gate) for gate, part in seen[-1].saturated.items())
            worst = f"{gates[-1][1]} {gates[-1][0]:.0%}" if gates else "-"
            rows.append([name, str(len(seen)), *map(rounded, ratios), worst, f"{seen[-1].dead} of {seen[-1].units}"])
        return header, rows

    _figure = draw_monitor


def _look_inside(place: Place, run: CellTrace, rows: int) -> tuple[dict[str, float], float, int]:
    """The part of each gate's values that are saturated, that of the keeping gate near 1, and the number of dead units,
    in the first rows."""
    gates, states = run.forward.read(rows)
    running = None if run.forward.mask is None and run.forward.lengths is None else run.running[:rows]
    steps = gates.shape[0] * gates.shape[1] if running is None else int(running.sum())
    saturated, held = {}, 0.0
    for gate in gates_of(place.row):
        ends = near_ends(place, gate, gates[:, :, place.row.gates.index(gate)], steps)
        if ends is not None:
            saturated[gate.name] = sum(ends)
            if gate.role == "keep":
                held = ends[1]
    h = states[0].reshape(-1, place.units) if running is None else states[0][running]
    dead = int(np.count_nonzero(np.ptp(h, axis=0) <= STILL)) if len(h) > 1 else 0
    return saturated, held, dead


def reach(run: CellTrace) -> tuple[Array, float]:
    """(T,) the norms of dL/dh_t over the batch; and how much of a gradient is kept from the last step to the first."""
    assert run.gradients is not None
    dh, *others = run.gradients
    squares = _squares(dh)
    other = sum((_squares(d) for d in others), np.zeros(1))
    # what came from the step after: all but what the output of the step brought
    passed = squares if run.above is None else _squares(dh - run.above)
    arrived, left = (squares + other)[1:], (passed + other)[:-1]
    some = arrived > 0
    if not some.any():
        return np.sqrt(squares), math.nan
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.sqrt(squares), float(np.exp(0.5 * np.log(left[some] / arrived[some]).sum()))


def _squares(a: Array) -> Array:
    """(T,) sums of squares over the batch of (B, T, H), in float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("bth,bth->t", a, a)
    if not np.isfinite(squares).all():  # float32 squares overflow above 1e19
        squares = np.square(a, dtype=np.float64).sum(axis=(0, 2))
    return np.asarray(squares, np.float64)


def _norm(gradient: Array) -> float:
    flat = gradient.reshape(-1)
    with np.errstate(over="ignore"):
        square = float(flat @ flat)
    return math.sqrt(square) if math.isfinite(square) else float(np.linalg.norm(flat.astype(np.float64)))
