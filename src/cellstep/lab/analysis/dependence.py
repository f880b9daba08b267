"""Which earlier steps an output depends on: the gradient of each output by each input.

    D[t, k] = |d y_t / d x_k|,   y_t = what a model or a layer gives at step t, x_k = its input at step k

Of an output of several numbers, the one that is largest there: what the net would say. Rows of D that stay close to the
diagonal say that the net looks at what has just come; a column far below it, that an input is remembered.

Source: Madsen 2019, "Visualizing memorization in RNNs" (Distill), for connectivity; gradients as measures of what
matters: Simonyan, Vedaldi and Zisserman 2014.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import core
from ...layers.module import Module
from ...models.rollback import unchanged
from ..plots.dependence import draw_dependence
from ..result import Result
from ..tables import Table, rounded, text_table

Array = NDArray[Any]

#: Bytes that the copies of a row, one for each output step, may take.
MOST_BYTES = 1 << 30


@dataclass(frozen=True, repr=False)
class Dependence(Result):
    """The result of `dependence`.

    Attributes:
        name: of the model or layer. row: the sequence that was looked at.
        norms: (outputs, T) float64: D[t, k]; one row alone where the net has one output.
        labels: what each input step is called, T of them; numbers where the caller gave none.
    """

    name: str
    row: int
    norms: Array
    labels: tuple[str, ...]
    title = "Which steps an output depends on"

    def __repr__(self) -> str:
        return f"<Dependence of {self.name}: {self.norms.shape[0]} outputs on {self.norms.shape[1]} steps>"

    @property
    def distances(self) -> Array:
        """(outputs,) how many steps back an output looks, the mean weighted by D; below 0 where it looks ahead. NaN
        where it depends on nothing."""
        outputs, T = self.norms.shape
        at = np.arange(T - outputs, T)[:, None]
        total = self.norms.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((self.norms * (at - np.arange(T))).sum(axis=1) / total)

    def table(self) -> Table:
        """For each output, or eight of them, the step on which it depends most and how far back it looks."""
        outputs, T = self.norms.shape
        shown = np.unique(np.linspace(0, outputs - 1, min(outputs, 8)).round().astype(int))
        rows = []
        for i in shown:
            best = int(self.norms[i].argmax())
            step = T - outputs + i
            rows.append(
                [
                    self.labels[step],
                    self.labels[best],
                    str(step - best),
                    rounded(self.distances[i]),
                    rounded(self.norms[i, best]),
                ]
            )
        return ("output at", "depends most on", "steps back", "mean distance", "|dy/dx| there"), rows

    def summary(self) -> str:
        """What the outputs depend on, the table, and that in a sentence."""
        outputs, T = self.norms.shape
        what = f"each of {outputs} outputs" if outputs > 1 else "the output"
        said = f"{self.name}: how {what} depends on each of {T} steps of sequence {self.row}, by gradients."
        return f"{said}\n\n{text_table(self.table())}\n\n{self.conclusion()}"

    def conclusion(self) -> str:
        """One sentence."""
        distances = self.distances[np.isfinite(self.distances)]
        if not distances.size:
            return "So no output depends on any input."
        middle = float(np.median(distances))
        if len(self.norms) == 1:
            near = f"{rounded(middle)} steps before the end"
            return f"So the output looks at what came {near} on the mean of {self.norms.shape[1]} steps."
        return f"So an output looks back {rounded(middle)} steps on the mean (median over outputs)."

    _figure = draw_dependence


def dependence(model: Any, x: Any, *, row: int = 0, labels: Any = None) -> Dependence:
    """Which steps of a sequence each output of a model or a layer depends on.

    Args:
        model: a model or a layer with one input of numbers and one output: (B, T, n), or (B, n) for the last step.
        x: (B, T, features), its inputs.
        row: the sequence that is looked at.
        labels: T names of steps, or a string of T characters, for the picture and the table.

    Raises:
        TypeError, ValueError: another input or output; labels or row do not fit.

    Example:
        >>> from cellstep import lab
        >>> net = SimpleRNN(4, return_sequences=True)
        >>> lab.dependence(net, np.ones((1, 6, 2))).norms.shape  # outputs, steps
        (6, 6)
    """
    if not isinstance(model, Module):
        raise TypeError(f"model must be a model or a layer of cellstep, got {type(model).__name__}")
    x = np.asarray(x)
    if x.ndim != 3 or x.dtype.kind not in "fiub":
        raise ValueError(f"x must be numbers of shape (batch, time, features), got {x.dtype} of {x.shape}")
    rows, T, _ = x.shape
    if not 0 <= core.check_natural("row", row) < rows:
        raise ValueError(f"row must be one of the {rows} rows of x, from 0 on, got {row!r}")
    names = tuple(map(str, labels if labels is not None else range(1, T + 1)))
    if len(names) != T:
        raise ValueError(f"labels must be {T} names, one a step, got {len(names)}")
    one = x[row : row + 1]
    with unchanged(model):
        outputs = _single(model.forward(one)[0])  # type: ignore[attr-defined]
        steps = outputs.shape[1] if outputs.ndim == 3 else 1
        size = one.nbytes * steps * max(1, outputs.shape[-1])
        if size > MOST_BYTES:
            raise ValueError(f"x must have fewer steps: {steps} copies of a row take {size / 2**30:.1f} GiB")
        # a copy of the row for each output step, whose gradient starts there alone
        copies, pullback = model.forward(np.repeat(one, steps, axis=0))  # type: ignore[attr-defined]
        slope = np.zeros_like(_single(copies))
        best = outputs[0].argmax(-1)
        if outputs.ndim == 3:
            slope[np.arange(steps), np.arange(steps), best] = 1
        else:
            slope[0, best] = 1
        dx = np.asarray(pullback(slope), np.float64)
    return Dependence(getattr(model, "name", ""), row, np.linalg.norm(dx, axis=-1), names)


def _single(output: Any) -> Array:
    if not isinstance(output, np.ndarray) or output.ndim not in (2, 3):
        got = output.shape if isinstance(output, np.ndarray) else type(output).__name__
        raise ValueError(f"model must give one output, (batch, time, n) or (batch, n), got {got}")
    return output
