"""Vanishing and exploding gradients: how much of a gradient is left so many steps back, cell by cell, side by side.

    dL/dh_t = (d h_T / d h_t)^T dL/dh_T,    d h_T / d h_t = J_T J_(T-1) ... J_(t+1)

A product of many Jacobians shrinks or grows exponentially, unless something keeps it at 1. In an LSTM that is the
forget gate. With c_t = f_t c_(t-1) + i_t g_t, where h_(t-1) = o_(t-1) act(c_(t-1)) goes into each gate, four terms
make up

    dc_t/dc_(t-1) = diag(f_t)                                                  direct
                  + diag(c_(t-1) rec'(f_t)) U_f^T D_(t-1)                      by the forget gate
                  + diag(g_t rec'(i_t)) U_i^T D_(t-1)                          by the input gate
                  + diag(i_t act'(g_t)) U_c^T D_(t-1)                          by the candidate

    D_(t-1) = diag(o_(t-1) act'(c_(t-1)))

of which the first alone, over many steps, gives the product of the forget gates.

Source: Hochreiter 1991; Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio 2013.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import core
from ...layers.module import Module
from ...layers.tracing import CellTrace
from ...models import Model
from ..cell_rows import keeping_gate, row_of, title_of
from ..plots.gradients import draw_flow
from ..result import Result
from ..tables import Table, rounded, text_table
from . import variants
from .cell_state_terms import cell_terms, has_cell_state, products_after
from .jacobians import ROWS, products, spectral_norms, step_jacobians, values
from .lyapunov import exponents
from .memory_horizon import Clipping, Horizon, clipping, horizon
from .scaled_models import checked_model, gradients_and_runs, scaled
from .traced_cells import Place, located, norms

Array = NDArray[Any]

#: A gradient of which less than this part arrives has vanished.
LITTLE = 0.01


@dataclass(frozen=True, repr=False)
class Curve:
    """One recurrent layer at one scale of its recurrent weights. States count from 0, the initial one, to T.

    Attributes:
        label: what pictures call the layer. kind, units: the public name of its cell, and its size. scale: the factor.
        loss: (T + 1,) the norm of dL/dh_t, the mean over rows.
        chain: (n, T + 1) spectral norms of d h_T / d h_t. whole_chain: of d s_T / d s_t, with s = [h c] where there is
            a cell state.
        step: (n, T) spectral norms of d h_t / d h_(t-1).
        horizon: of the mean of `chain` over rows.
        exponents: (S,) Lyapunov exponents, largest first, means over rows.
        terms: of a cell with a cell state, by name: (n, T) spectral norms of the terms of dc_t/dc_(t-1); NaN at t = 1,
            as h_0 does not come from c_0, but for the direct one; None with an activation that is not one of the
            kernels'. whole: (n, T) of their sum.
        forget_product: of the same (n, T + 1), the mean over units of the product of the gates that keep, of steps
            t + 1 to T.
        clipping: where a bound was given.
        scaled: whether there were recurrent weights: of a cell in Python those that are called "recurrent_..." or "U".
    """

    label: str
    kind: str
    units: int
    scale: float
    loss: Array
    chain: Array
    whole_chain: Array
    step: Array
    horizon: Horizon
    exponents: Array
    terms: Mapping[str, Array] | None
    whole: Array | None
    forget_product: Array | None
    clipping: Clipping | None
    scaled: bool = True

    @property
    def steps(self) -> int:
        """T."""
        return len(self.loss) - 1

    @property
    def mean_chain(self) -> Array:
        """(T + 1,) the mean of `chain` over rows, which `horizon` is of."""
        return _mean(self.chain)

    def __repr__(self) -> str:
        return f"<{self.label} x {rounded(self.scale)}: {self.horizon}>"


@dataclass(frozen=True, repr=False)
class GradientFlow(Result):
    """The result of `gradient_flow`.

    Attributes:
        curves: one for each recurrent layer and scale.
        scales: in the order of the argument.
        loss_said: which loss dL/dh_t is of.
        untrained: whether no optimizer has updated the models, as far as that is known.
    """

    curves: tuple[Curve, ...]
    scales: tuple[float, ...]
    loss_said: str
    untrained: bool = False
    title = "Vanishing and exploding gradients"

    @property
    def labels(self) -> list[str]:
        """The layers, each once."""
        return list(dict.fromkeys(curve.label for curve in self.curves))

    def __repr__(self) -> str:
        return f"<GradientFlow of {', '.join(self.labels)} at scales {', '.join(map(rounded, self.scales))}>"

    def summary(self) -> str:
        """A sentence for each curve, and the table."""
        said = [f"Going back in time through {self.curves[0].steps} steps, by the scale of the recurrent weights:"]
        for c in self.curves:
            said.append(f"- {c.label}, weights x {rounded(c.scale)}: the gradient {c.horizon}.")
            row = row_of(c.kind)
            keep = keeping_gate(row)
            if not c.scaled:
                said[-1] += " It is as it is: no weight of it is known to be recurrent."
            if keep and c.forget_product is not None and c.steps:
                said[-1] += (
                    f" The {keep.name} gates alone keep {rounded(c.forget_product[:, 0].mean())} of "
                    f"{row.state_names[1]} over all steps."
                )
            if c.clipping is not None:
                said[-1] += f" {str(c.clipping).capitalize()}."
        said.append(self.loss_said)
        return "\n".join(said) + "\n\n" + text_table(self.table()) + "\n\n" + self.conclusion()

    def conclusion(self) -> str:
        """One sentence: what becomes of a gradient over all steps, at the scale nearest to 1, and what to try."""
        kinds: dict[str, list[str]] = {}
        lost = set()
        for label in self.labels:
            c = min((c for c in self.curves if c.label == label), key=lambda c: abs(c.scale - 1))
            if c.steps:
                kept = float(c.mean_chain[0])
                kind = "explodes" if not kept < 1 / LITTLE else "vanishes" if kept < LITTLE else "arrives"
                if kind == "vanishes":
                    lost.add(c.label)
                kinds.setdefault(kind, []).append(f"{c.label} (x {rounded(kept)})")
        said = "; ".join(f"it {kind} in {', '.join(labels)}" for kind, labels in kinds.items())
        text = f"So, of a gradient sent back {self.curves[0].steps} steps: {said or 'there is no step to go back'}."
        if "vanishes" in kinds:
            gated = [keeping_gate(row_of(c.kind)) is not None for c in self.curves if c.label in lost]
            ways = ["a larger bias of the gate that keeps"] * any(gated)
            ways += ["a gated cell that starts near keeping"] * (not all(gated))
            text += f" {', '.join(ways).capitalize()}, or shorter sequences, let more of it through."
        if "explodes" in kinds:
            text += " Clipping bounds what explodes."
        if self.untrained:
            text += (
                " No optimizer has updated these nets: this is how training begins, not what it finds; updates=100, "
                "with y, shows both."
            )
        return text

    def table(self) -> Table:
        """A row a curve."""
        header = ("layer", "scale", "halves in", "doubles in", "R²", "|dh_T/dh_0|", "|dL/dh_0|", "|dL/dh_T|")
        rows = []
        for c in self.curves:
            halves, doubles = (f"{rounded(c.horizon.steps)} steps" if c.horizon.slope * s > 0 else "-" for s in (-1, 1))
            figures = (c.horizon.r2, c.mean_chain[0], c.loss[0], c.loss[-1], c.exponents[0])
            rows.append([c.label, rounded(c.scale), halves, doubles, *map(rounded, figures)])
        return (*header, "Lyapunov (1/step)"), rows

    _figure = draw_flow


def gradient_flow(
    models: Any,
    x: Any,
    y: Any = None,
    scales: Sequence[float] = (0.5, 1.0, 1.5),
    clipnorm: float | None = None,
    *,
    units: int = 32,
    seed: int = 0,
    rows: int = ROWS,
    forget_bias: float | None = None,
    updates: int = 0,
) -> GradientFlow:
    """How gradients vanish or explode on their way back, for several cells and scales of the recurrent weights.

    Args:
        models: a model or a layer, or the name of a recurrent layer ("LSTM"), of which one of `units` units is made
            with Keras's defaults, orthogonal recurrent weights; or a list of them. They are as before afterwards.
        x: inputs (B, T, features), the same for all.
        y: targets, for compiled models, whose own loss is taken; a name gets a Dense layer and the squared error. None:
            the loss is the sum of the last outputs, scaled so that its gradient by them has norm 1 a row; or, as the
            sum of probabilities is constant, the largest of them.
        scales: factors of all recurrent weights; of a cell in Python, of those that are called "recurrent_..." or "U".
        clipnorm: a bound to show what clipping by norm does.
        units, seed: of layers made from names.
        rows: how many rows of x Jacobians are computed for.
        forget_bias: show each model with this bias of its gates that keep (an LSTM's forget gate, a GRU's update gate)
            too.
        updates: show each model after so many updates by its optimizer (of a name: Adam) on x and y too.

    Raises:
        TypeError, ValueError: an argument that does not fit; models are as they were.

    Example:
        >>> from cellstep import lab
        >>> x = np.random.default_rng(0).standard_normal((4, 30, 2))
        >>> result = lab.gradient_flow(["SimpleRNN", "LSTM", "GRU"], x, scales=[1.0])
        >>> [curve.horizon.slope < 0 for curve in result.curves]  # all three vanish; how fast says `summary`
        [True, True, True]
    """
    chosen = list(models) if isinstance(models, (list, tuple)) else [models]
    if not chosen:
        raise ValueError("models must hold one model at least, got none")
    factors = tuple(core.check_number("scales", s, 0) for s in scales)
    if not factors:
        raise ValueError("scales must hold one number at least, got none")
    bound = None if clipnorm is None else float(core.check_number("clipnorm", clipnorm, 0))
    rows, units = core.check_count("rows", rows), core.check_count("units", units)
    probes = [checked_model(model, x, y, units, seed) for model in chosen]
    names = [title_of(model) for model in chosen]
    nearest = min(factors, key=lambda s: abs(s - 1))
    curves: list[Curve] = []
    said: dict[str, None] = {}
    shown = variants.checked(
        probes,
        y,
        None if forget_bias is None else float(core.check_number("forget_bias", forget_bias)),
        core.check_natural("updates", updates),
    )
    for (model, name), (bias, count, what) in product(zip(probes, names, strict=True), shown):
        for scale in factors:
            with variants.variant(model, x, y, bias, count), scaled(model, scale):
                gradients, runs, loss = gradients_and_runs(model, x, y)
                said[loss] = None
                clipped = None if bound is None else clipping(gradients, bound)
                for place, run in located(model, runs):
                    if run.gradients is None or (not place.recurrent and scale != nearest):
                        continue
                    label = name if name is not None else place.name
                    if name is None and sum(isinstance(m, Module) for m in chosen) > 1:
                        label = f"{model.name}: {label}" if isinstance(model, Model) else label
                    curves.append(_curve(place, run, label + what, scale, rows, clipped))
    order = {label: i for i, label in enumerate(dict.fromkeys(c.label for c in curves))}
    curves.sort(key=lambda c: order[c.label])
    if not curves:
        raise ValueError("models must have a recurrent layer that a gradient reaches: all are frozen")
    fresh = [model for model, name in zip(probes, names, strict=True) if name or variants.updates_done(model) == 0]
    return GradientFlow(tuple(curves), factors, " ".join(said), len(fresh) == len(probes) and not updates)


def _curve(place: Place, run: CellTrace, label: str, scale: float, rows: int, clipped: Clipping | None) -> Curve:
    assert run.gradients is not None
    assert run.initial is not None
    H = place.units
    dh = np.concatenate([run.initial[0][:, None], run.gradients[0]], axis=1)
    jacobians = step_jacobians(run, rows)
    chain = products(jacobians)
    back = spectral_norms(chain[:, :, :H, :H])
    by_row, steps = exponents(jacobians, run.running[:rows])
    terms = whole = forget = None
    keep = keeping_gate(place.row)
    if keep and has_cell_state(place.row):
        v = values(run, rows)
        terms, whole = cell_terms(run, rows) or (None, None)
        kept = v.gates[place.row.gates.index(keep)]
        kept = np.where(v.running[:, :, None], kept, 1) * ~v.fresh[:, :, None]
        forget = products_after(kept).mean(axis=2)
    return Curve(
        label=label,
        kind=place.kind,
        units=H,
        scale=scale if place.recurrent else 1.0,
        loss=_mean(norms(dh, 2)),
        chain=back,
        whole_chain=spectral_norms(chain),
        step=spectral_norms(jacobians[:, :, :H, :H]),
        horizon=horizon(_mean(back)),
        exponents=-np.sort(-by_row[steps > 0], axis=1).mean(axis=0) if steps.any() else np.zeros(jacobians.shape[-1]),
        terms=terms,
        whole=whole,
        forget_product=forget,
        clipping=clipped,
        scaled=bool(place.recurrent),
    )


def _mean(by_row: Array) -> Array:
    """The mean over rows of numbers that may be close to the largest there are."""
    with np.errstate(over="ignore"):
        return np.asarray((by_row / len(by_row)).sum(axis=0))
