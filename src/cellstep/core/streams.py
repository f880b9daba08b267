"""What streams check: inputs of which the chain cannot tell at a glance that they fit, outputs, and states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from ..kernels.chain import Chain as NumpyChain
from ..kernels.stages import Lookup, Recur, Stage
from .arrays import plain
from .checks import Dims, as_array, check_indices, contiguous, describe

Array = NDArray[Any]


class Chain(Protocol):
    """A backend's chain; kernels/chain.py says what it does."""

    @property
    def stages(self) -> Sequence[Stage]: ...
    def step(self, x: Any, out: Any = None) -> Array: ...
    def steps(self, x: Any) -> Array: ...
    def get_states(self) -> list[Array]: ...
    def set_states(self, values: Sequence[Array]) -> None: ...


def make_chain(
    stages: Sequence[Stage],
    B: int,
    inputs: int | None,
    outputs: int,
    dtype: np.dtype[Any],
    integers: bool = False,
    backend: kernels.Backend | None = None,
) -> Chain:
    """A chain of the active backend; one in NumPy where a stage has an activation that is a function of the user's.

    Args:
        stages: in order.
        B: rows.
        inputs: the width of x; None for integers, for which the first stage is a Lookup.
        outputs: the width of what the last stage gives.
        dtype: float32 or float64.
        integers: refuse integers that come as floats.
        backend: the active one where None.
    """

    def cast(x: Any, steps: bool) -> Array:
        time: Dims = ("time",) if steps else ()
        a = plain("x", x)
        if B == 1 and a.ndim == steps and inputs in (1, None):
            a = a[None]
        if inputs is not None:
            a = a[..., None] if inputs == 1 and a.ndim == 1 + steps else a
            return contiguous(as_array("x", a, dtype, (B, *time, inputs)))
        if integers and a.dtype.kind not in "iu":
            raise TypeError(f"expected x to hold integers, as the model's Input says, got dtype {a.dtype}")
        wanted: Dims = (B, *time)
        if a.ndim != len(wanted) or a.shape[0] != B:
            raise ValueError(f"expected x of shape {describe(wanted)}, got {a.shape}")
        assert isinstance(stages[0], Lookup)
        return np.ascontiguousarray(check_indices("x", a, stages[0].table.shape[0]), np.int64)

    def check(out: Any) -> None:
        wanted = f"expected out to be a C-contiguous writable {dtype} array of shape {describe((B, outputs))}, got"
        if not isinstance(out, np.ndarray):
            raise TypeError(f"{wanted} {type(out).__name__}")
        odd = [word for word, is_so in _oddities(out).items() if is_so]
        raise ValueError(f"{wanted} {', '.join([*odd, str(out.dtype)])} of shape {out.shape}")

    backend = kernels.active() if backend is None else backend
    kind = backend.Chain if all(_runs_on(backend, stage) for stage in stages) else NumpyChain
    chain: Chain = kind(stages, B, inputs, dtype, cast, check)
    return chain


def _runs_on(backend: kernels.Backend, stage: Stage) -> bool:
    """Whether the backend's own chain takes the stage."""
    if isinstance(stage, Recur):
        return stage.backend.name == backend.name and not stage.stays
    return isinstance(getattr(stage, "activation", ""), str)


def _oddities(a: Array) -> dict[str, bool]:
    return {
        "a subclass": type(a) is not np.ndarray,
        "not contiguous": not a.flags.c_contiguous,
        "not aligned": not a.flags.aligned,
        "read-only": not a.flags.writeable,
    }


def check_named_states(value: Any, wanted: Mapping[str, tuple[int, ...]], dtype: np.dtype[Any]) -> list[Array]:
    """The arrays of a mapping, in the order of `wanted`, cast; nothing is written.

    Raises:
        TypeError: value is no mapping. ValueError: names or shapes that differ from `wanted`.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"expected state to be a mapping of names to arrays, got {type(value).__name__}")
    if set(value) != set(wanted):
        got = ", ".join(map(str, value)) or "nothing"
        raise ValueError(f"expected state with {', '.join(wanted) or 'nothing'}, got {got}")
    return [contiguous(as_array(f"state {n}", value[n], dtype, shape)) for n, shape in wanted.items()]


def check_rows(selection: Any, B: int) -> NDArray[np.intp]:
    """The numbers of the rows that a selection names: an int, a slice, a list of ints, or one boolean a row."""
    try:
        indices = np.atleast_1d(np.arange(B)[selection])
    except (IndexError, TypeError, ValueError):
        indices = None
    if indices is None or indices.ndim != 1 or selection is None or isinstance(selection, (bool, np.bool_)):
        raise ValueError(f"expected rows to select some of the rows 0 .. {B - 1}, got {selection!r}")
    return indices
