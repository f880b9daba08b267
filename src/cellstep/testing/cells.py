"""check_cell: the gradients of a cell against central differences, in every backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import core, kernels
from ..layers.cell import RecurrentCell

Array = NDArray[Any]

#: Of a finite difference, to each side.
STEP = 1e-6


def check_cell(
    cell: RecurrentCell | type[RecurrentCell],
    *,
    batch: int = 3,
    steps: int = 4,
    inputs: int = 2,
    units: int = 5,
    tolerance: float = 1e-6,
    backends: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Compare all gradients of a cell, in float64 and with a mask, resets and recurrent dropout, with central
    differences.

    Args:
        cell: a cell that kernels run, such as one of a class of yours; or the class, of which one with `units` is made.
        batch, steps, inputs: the sizes of x. units: of a class.
        tolerance: how much a gradient g may be off, times 1 + |g|.
        backends: names; all that are installed where None. A backend that does not have the cell leaves it to NumPy.
        seed: of the weights, inputs and gradients.

    Returns:
        By backend the worst difference, over 1 + |g|.

    Raises:
        AssertionError: a gradient is wrong; the sentence names the backend, the array and the place.

    Example:
        >>> cellstep.testing.check_cell(layers.GRUCell(4), backends=["numpy"])["numpy"] < 1e-6
        True
    """
    if isinstance(cell, type):
        sizes = [units // 2 + 1] * len(getattr(cell, "size_names", list)())
        cell = cell(units, *sizes)  # type: ignore[call-arg]
    if not isinstance(cell, RecurrentCell):
        raise TypeError(f"cell must be a cell that kernels run, or its class, got {core.brief(cell)}")
    known = [name for name, missing in kernels.available().items() if not missing]
    names = known if backends is None else list(backends)
    problem = _Problem(cell, batch, steps, inputs, np.random.default_rng(seed))
    numeric = problem.differences(kernels.load("numpy"))
    return {name: problem.compare(kernels.load(name), numeric, tolerance) for name in names}


class _Problem:
    """A loss of everything that goes into a run of a cell."""

    def __init__(self, cell: RecurrentCell, B: int, T: int, inputs: int, rng: np.random.Generator) -> None:
        row, sizes = cell.contract, cell.state_sizes
        self.row, self.options = row, cell.options
        shapes = row.shapes({**cell.sizes, "I": inputs}, self.options)
        self.weights: list[Any] = [
            rng.standard_normal(shape) / np.sqrt(shape[0] if len(shape) > 1 else 4) if use else None
            for shape, use in zip(shapes, (w.name != row.bias or cell.use_bias for w in row.weights), strict=True)
        ]
        self.x = rng.standard_normal((B, T, inputs))
        self.first, self.dlast = ([rng.standard_normal((B, n)) for n in sizes] for _ in range(2))
        self.dy = rng.standard_normal((B, T, sizes[0]))
        self.given: dict[str, Any] = {
            "mask": rng.random((B, T)) > 0.2,
            "resets": rng.random((B, T)) < 0.2,
            "drop": (rng.random((B, sizes[0])) > 0.3) / 0.7,
        }
        names = ["x", *(f"initial {name}" for name in row.state_names), *row.weight_names]
        self.arrays = {
            name: a for name, a in zip(names, [self.x, *self.first, *self.weights], strict=True) if a is not None
        }

    def run(self, backend: kernels.Backend) -> tuple[float, Callable[..., Any]]:
        packed = core.pack(self.row, *self.weights, backward=True, backend=backend, **self.options)
        y, last, back = core.forward(packed, self.x, self.first, tape=True, **self.given)
        assert y is not None
        assert back is not None
        loss = (y * self.dy).sum() + sum((s * d).sum() for s, d in zip(last, self.dlast, strict=True))
        return float(loss), back

    def differences(self, backend: kernels.Backend) -> dict[str, Array]:
        """The gradient of the loss for each array, by central differences."""
        found = {}
        for name, a in self.arrays.items():
            found[name] = d = np.empty_like(a)
            for place in np.ndindex(a.shape):
                before, ends = a[place], []
                for change in (STEP, -STEP):
                    a[place] = before + change
                    ends.append(self.run(backend)[0])
                a[place] = before
                d[place] = (ends[0] - ends[1]) / (2 * STEP)
        return found

    def compare(self, backend: kernels.Backend, numeric: dict[str, Array], tolerance: float) -> float:
        """The worst difference of a backend's gradients."""
        dweights = [None if w is None else np.zeros_like(w) for w in self.weights]
        dx, dfirst = self.run(backend)[1](self.dy, self.dlast, dweights)
        ours = dict(zip(self.arrays, [dx, *dfirst, *(d for d in dweights if d is not None)], strict=True))
        worst = 0.0
        for name, d in numeric.items():
            off = np.abs(ours[name] - d) / (1 + np.abs(d))
            at = np.unravel_index(np.argmax(np.where(np.isnan(off), np.inf, off)), off.shape)
            if not off[at] <= tolerance:
                place = ", ".join(map(str, at))
                raise AssertionError(
                    f"expected the gradient of {name}[{place}] of {self.row.title} in backend {backend.name} to be "
                    f"{d[at]:.9g} by finite differences, got {ours[name][at]:.9g}"
                )
            worst = max(worst, float(off[at]))
        return worst
