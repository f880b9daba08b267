"""Between layers and kernels: every check and cast, the allocation of outputs, the tape.

`cells` runs a cell over one step or over sequences, `masks` says which steps of these run; `products` multiplies for
all other layers; `streams` makes chains of stages; `checks` holds the checks that layers share.
"""

from .arguments import check_axes, check_choice, check_data_format, check_sizes, places
from .arrays import brief, column_of_sequences, kind, plain, real
from .calls import Calls, add, make, then
from .cells import Packed, Pullback, States, check_states, forward, pack, step
from .checks import (
    as_array,
    check_bool,
    check_count,
    check_indices,
    check_integer,
    check_lengths,
    check_mask,
    check_named,
    check_natural,
    check_number,
    check_path,
    check_rate,
    contiguous,
    describe,
    empty,
    epsilon,
    float_dtype,
    floatx,
    rows,
    set_floatx,
)
from .masks import resets_that_run, running
from .products import FUSED, Matrix, add_gradients, einsum, matmul
from .streams import Chain, check_named_states, check_rows, make_chain

__all__ = [
    "FUSED",
    "Calls",
    "Chain",
    "Matrix",
    "Packed",
    "Pullback",
    "States",
    "add",
    "add_gradients",
    "as_array",
    "check_axes",
    "column_of_sequences",
    "check_bool",
    "check_path",
    "check_choice",
    "check_count",
    "check_data_format",
    "check_indices",
    "check_integer",
    "check_lengths",
    "check_mask",
    "check_named",
    "check_named_states",
    "check_natural",
    "check_number",
    "check_rate",
    "check_rows",
    "check_sizes",
    "check_states",
    "contiguous",
    "describe",
    "einsum",
    "empty",
    "epsilon",
    "float_dtype",
    "floatx",
    "forward",
    "kind",
    "make",
    "make_chain",
    "matmul",
    "pack",
    "places",
    "plain",
    "real",
    "rows",
    "resets_that_run",
    "running",
    "set_floatx",
    "brief",
    "step",
    "then",
]
