"""Between layers and kernels: every check and cast, the allocation of outputs, the tape.

`cells` runs a cell over one step or over sequences; `checks` holds the checks that layers share.
"""

from .cells import Packed, Pullback, States, check_states, forward, pack, running, step
from .checks import (
    as_array,
    check_bool,
    check_count,
    check_lengths,
    check_mask,
    check_rate,
    contiguous,
    describe,
    float_dtype,
    plain,
    rows,
)

__all__ = [
    "Packed",
    "Pullback",
    "States",
    "as_array",
    "check_bool",
    "check_count",
    "check_lengths",
    "check_mask",
    "check_rate",
    "check_states",
    "contiguous",
    "describe",
    "float_dtype",
    "forward",
    "pack",
    "plain",
    "rows",
    "running",
    "step",
]
