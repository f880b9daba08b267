"""Back-propagation through time, step by step: each weight's gradient, split by the step that it came from.

A recurrent weight is used at every step, so its gradient is a sum over the steps. Backward begins with the gradients of
the outputs, then meets the most recent step, then the one before it, back along the feedback path:

    dL/ds_t     = what the output of step t brings  +  (d s_(t+1) / d s_t)^T dL/ds_(t+1)
    dL/dU       = sum over t = T .. 1 of  h_(t-1)^T dz_t,    dz_t from dL/ds_t

Source: Werbos 1990 for the algorithm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import core
from ...layers import trace
from ...layers.tracing import CellTrace
from ...models import Model
from ..plots.gradients import draw_bptt
from ..result import Result
from ..tables import Table, rounded, text_table
from .jacobians import (
    MOST_BYTES,
    ROWS,
    inputs,
    products,
    spectral_norms,
    spectral_radii,
    step_jacobians,
    values,
)
from .rerun import Rerun, weights
from .traced_cells import Place, located, norms, places

Array = NDArray[Any]


@dataclass(frozen=True, repr=False)
class LayerBPTT:
    """One recurrent cell of a model. Steps count from 1 to T in the order in which the cell ran them; arrays over steps
    hold step t at t - 1, arrays over states hold s_t at t, with the initial state at 0.

    Attributes:
        name, kind, units: of the layer; kind is the public name of its cell.
        backwards: whether step 1 is the last one in time.
        gates: letters of the columns of kernel and recurrent_kernel, gate by gate; none of a cell in Python.
        weights: the names of all that the cell has, in order.
        gradients: by "kernel", "recurrent_kernel", "bias" and what else the cell learns: (T, *shape of the weight), the
            part of each step.
        norms: by the same names: (T,) the norm of each part; columns: (T, G) by the same names, gate by gate, of
            weights that have columns for each gate.
        dh: (T + 1,) the norm of dL/dh_t of the whole batch. output: (T,) the norm of what the output of step t brings
            to it, and at step T the final states; feedback: (T,) of what comes from step t + 1.
        jacobians: (n, T, S, S) d s_t / d s_(t-1) of the first n rows; s = h, or [h c] where there is a cell state.
        jacobian_norms, radii: (n, T) their spectral norms and spectral radii; identities at masked steps.
        h_norms, c_norms: (n, T) spectral norms of d h_t / d h_(t-1) with c held, and d c_t / d c_(t-1) with h held;
            c_norms is None without a cell state.
        chain: (n, T + 1) spectral norms of d h_T / d h_t; whole_chain: of d s_T / d s_t.
    """

    name: str
    kind: str
    units: int
    backwards: bool
    gates: str
    weights: tuple[str, ...]
    gradients: Mapping[str, Array]
    norms: Mapping[str, Array]
    columns: Mapping[str, Array]
    dh: Array
    output: Array
    feedback: Array
    jacobians: Array
    jacobian_norms: Array
    radii: Array
    h_norms: Array
    c_norms: Array | None
    chain: Array
    whole_chain: Array

    @property
    def steps(self) -> int:
        """T."""
        return len(self.output)

    @property
    def order(self) -> Array:
        """The steps in the order in which their parts are added: T, T - 1, ... 1."""
        return np.arange(self.steps, 0, -1)

    def recent(self, name: str, share: float = 0.9) -> int:
        """How many of the last steps hold this share of the sum of the norms of a weight's parts."""
        parts = self.norms[name][::-1]
        total = parts.sum()
        return int(np.searchsorted(np.cumsum(parts), share * total) + 1) if total else 0

    def __repr__(self) -> str:
        return f"<{self.name} ({self.kind}, {self.units} units, {self.steps} steps)>"


@dataclass(frozen=True, repr=False)
class BPTT(Result):
    """The result of `bptt`.

    Attributes:
        layers: one entry a recurrent cell, in the order of the model.
        loss: of the batch.
        gradients: path of each trainable weight to its whole gradient, as `model.gradients` gives it.
        outputs: the same for the weights outside recurrent cells, the first ones that backward meets and those below.
        rest: path of each recurrent weight to its whole gradient less the sum of its parts: rounding, or the gradient
            of its regularizer.
    """

    layers: tuple[LayerBPTT, ...]
    loss: float
    gradients: Mapping[str, Array]
    outputs: Mapping[str, Array]
    rest: Mapping[str, Array]
    title = "Back-propagation through time"

    def __repr__(self) -> str:
        return f"<BPTT of {', '.join(layer.name for layer in self.layers)}, loss {rounded(self.loss)}>"

    def summary(self) -> str:
        """What a teacher would say, and the table."""
        said = [f"The loss is {rounded(self.loss)}. " + _outputs_said(self.outputs)]
        said += [_layer_said(layer) for layer in self.layers]
        return "\n".join(said) + "\n\n" + text_table(self.table())

    def table(self) -> Table:
        """A row for each step of each layer, in the order in which gradients are added: the last step first."""
        names = list(dict.fromkeys(name for layer in self.layers for name in layer.weights))
        header = ["layer", "step", "from output", "from feedback", *(name.removesuffix("_kernel") for name in names)]
        header += ["|dh_t/dh_(t-1)|", "|dh_T/dh_t|"]
        rows = []
        for layer in self.layers:
            for t in layer.order:
                parts = [rounded(layer.norms[name][t - 1]) if name in layer.norms else "-" for name in names]
                arrived = map(rounded, (layer.output[t - 1], layer.feedback[t - 1]))
                chain = map(rounded, (layer.h_norms[:, t - 1].mean(), layer.chain[:, t].mean()))
                rows.append([layer.name, str(t), *arrived, *parts, *chain])
        return header, rows

    _figure = draw_bptt


def bptt(model: Any, x: Any, y: Any, sample_weight: Any = None, *, rows: int = ROWS) -> BPTT:
    """Split the gradient of every recurrent weight by the step that it came from, with the Jacobians on the way.

    Args:
        model: a compiled model with recurrent layers. Dropout drops, as in training; set it to 0 to leave it out.
        x, y, sample_weight: one batch, as for `model.gradients`; masks and sequences of different lengths as well.
        rows: how many rows of the batch the Jacobians are computed for.

    Layers whose weights are frozen, with no weight that learns below, have no pass backward and are left out.

    Raises:
        TypeError, ValueError: model is none, is not compiled, or has no recurrent layer; or the arrays would be larger
        than a gigabyte.

    Example:
        >>> result = lab.bptt(model, x, y)
        >>> print(result.summary())
        The loss is ...
        >>> figure = result.draw("bptt.png")
    """
    if not isinstance(model, Model):
        raise TypeError(f"model must be a compiled model, got {type(model).__name__}")
    rows = core.check_count("rows", rows)
    scale = float(model._trainer.ready("bptt").optimizer.scale_loss(1.0))
    places(model)
    with trace() as runs:
        gradients, loss = model.gradients(x, y, sample_weight)
    layers: list[LayerBPTT] = []
    sums: dict[str, Array] = {}
    for place, run in located(model, runs):
        if run.gradients is not None:
            layer = _split(place, run, rows, scale)
            layers.append(layer)
            for name, parts in layer.gradients.items():
                variable = place.variables[name]
                assert variable is not None
                path = variable.path
                sums[path] = sums.get(path, 0) + parts[::-1].sum(axis=0)
    if not layers:
        raise ValueError(f"{model.name} has no recurrent layer that a gradient reaches: all are frozen")
    rest = {path: gradients[path] - total for path, total in sums.items() if path in gradients}
    whole = {path: np.asarray(g, np.float64) for path, g in gradients.items()}
    outputs = {path: g for path, g in whole.items() if path not in sums}
    return BPTT(tuple(layers), loss, whole, outputs, rest)


def _split(place: Place, run: CellTrace, rows: int, scale: float) -> LayerBPTT:
    (_, T), (H, *others), row = run.shape, run.cell.state_sizes, place.row
    gradients, feedback, direct = _parts(run, scale)
    assert run.gradients is not None
    assert run.initial is not None
    dh = np.concatenate([run.initial[0][:, None], run.gradients[0]], axis=1).astype(np.float64) / scale
    jacobians = step_jacobians(run, rows)
    chain = products(jacobians)
    return LayerBPTT(
        name=place.name,
        kind=place.kind,
        units=place.units,
        backwards=place.backwards,
        gates=row.letters,
        weights=tuple(place.variables),
        gradients=gradients,
        norms={name: norms(g.reshape(T, -1), 1) for name, g in gradients.items()},
        columns={
            name: norms(gradients[name].reshape(T, -1, row.G, place.cell.sizes["H"]), (1, 3))
            for weight, name in zip(row.weights, place.variables, strict=not place.in_python)
            if name in gradients and weight.axes[-1] == "GH"
        },
        dh=norms(dh, (0, 2)),
        output=norms(direct, (0, 2)),
        feedback=norms(feedback, (0, 2)),
        jacobians=jacobians,
        jacobian_norms=spectral_norms(jacobians),
        radii=spectral_radii(jacobians),
        h_norms=spectral_norms(jacobians[:, :, :H, :H]),
        c_norms=spectral_norms(jacobians[:, :, H : H + others[0], H : H + others[0]]) if others else None,
        chain=spectral_norms(chain[:, :, :H, :H]),
        whole_chain=spectral_norms(chain),
    )


def _parts(run: CellTrace, scale: float) -> tuple[dict[str, Array], Array, Array]:
    """Each weight's parts; and of dL/dh_t (B, T, H) what comes from the step after it, and what from its output.

    Each step is run again on its own, in float64, and gets the gradients that backward had there.
    """
    (B, T), arrays = run.shape, weights(run)
    size = 8 * T * sum(array.size for array in arrays.values() if array is not None)
    if size > MOST_BYTES:
        raise ValueError(f"x must have fewer steps: the parts of {T} steps take {size / 2**30:.1f} GiB, more than 1")
    assert run.gradients is not None
    step, x, held = Rerun(run), inputs(run, B), values(run, B)
    above = [g.astype(np.float64) / scale for g in run.gradients]
    parts = {name: np.zeros((T, *array.shape)) for name, array in arrays.items() if array is not None}
    feedback, drop = np.zeros((B, T, run.cell.state_sizes[0])), run.forward.drop
    for t in range(T):
        _, back = step(x[:, t], [s[:, t] for s in held.before], drop=drop, mask=held.running[:, t])
        d = [parts[name][t] if name in parts else None for name in arrays]
        by_output = None if run.by_output is None else run.by_output[:, t] / scale
        dbefore = back([a[:, t] for a in above], d, by_output)
        if t:
            feedback[:, t - 1] = np.where(held.fresh[:, t, None], 0, dbefore[0])
    direct = above[0] - feedback
    # what is left of a difference of equal numbers is rounding, not an output's gradient
    rounding = 64 * np.finfo(run.forward.x.dtype).eps * np.abs(above[0]).max(axis=(0, 2), keepdims=True)
    return parts, feedback, np.where(np.abs(direct) > rounding, direct, 0)


def _outputs_said(outputs: Mapping[str, Array]) -> str:
    if not outputs:
        return "Backward begins at the outputs of the recurrent layers themselves."
    norms = ", ".join(f"{path} {rounded(np.linalg.norm(g))}" for path, g in outputs.items())
    return f"Weights outside the recurrent layers have gradients of norm: {norms}."


def _layer_said(layer: LayerBPTT) -> str:
    T = layer.steps
    where = f"{layer.name} ({layer.kind}, {layer.units} units)"
    last, first = layer.dh[-1], layer.dh[0]
    weight = next((name for name in layer.norms if name.startswith("recurrent")), next(iter(layer.norms), ""))
    recent = layer.recent(weight) if weight else 0
    chain = layer.chain[:, 0].mean()
    said = [
        f"{where} ran {T} step{'s' * (T > 1)}" + (", the last one in time first." if layer.backwards else "."),
        f"The gradient of the loss by h is {rounded(last)} at step {T} and {rounded(first)} at the initial state.",
        f"The last {recent} of {T} steps hold 90% of what {weight} gets, counted by norms."
        if recent
        else f"{weight or 'recurrent_kernel'} gets no gradient.",
        f"One step back multiplies by up to {rounded(layer.h_norms.mean())} on average (spectral norm), "
        f"its spectral radius is {rounded(layer.radii.mean())}" + (" with c." if layer.c_norms is not None else "."),
        f"All {T} steps together: |dh_T/dh_0| = {rounded(chain)}.",
    ]
    return " ".join(said)
