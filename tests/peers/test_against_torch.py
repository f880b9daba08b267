"""Our layers, in the active backend, give what real PyTorch gives with the same weights: outputs, states, gradients.

Within 1e-5 * max(1, |value|) in float32 and 1e-10 in float64; PyTorch's packed sequences are our lengths.
"""

from __future__ import annotations

import numpy as np
import pytest
from golden.by_torch import by_torch
from ours import assert_agree, by_ours, given
from table import DTYPES, Shape, Variant, problem, variant

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
#: What PyTorch has: no GRU that resets before the product, and no other activations.
VARIANTS = [
    variant(name, bias, **chosen)
    for bias in (True, False)
    for name, chosen in (("rnn", {}), ("rnn", {"activation": "relu"}), ("lstm", {}), ("gru", {"reset_after": True}))
]


@pytest.mark.parametrize("shape", [Shape(7, 5, 4, 11), Shape(1, 1, 1, 1), Shape(30, 3, 20, 40)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_layers(v: Variant, dtype: str, shape: Shape) -> None:
    arrays = given(problem(v, shape, dtype))
    assert_agree(by_ours(v.cell.name, v.named, arrays), by_torch(v.cell.name, v.named, arrays), TOLERANCE[dtype])


@pytest.mark.parametrize("fast", [True, False], ids=["lengths", "mask"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_packed_sequences_are_lengths(v: Variant, dtype: str, fast: bool) -> None:
    lengths = np.array([9, 1, 4, 8, 9])
    arrays = given(problem(v, Shape(9, 5, 3, 14), dtype)) | {"mask": np.arange(9) < lengths[:, None]}
    assert_agree(
        by_ours(v.cell.name, v.named, arrays, lengths=lengths if fast else None),
        by_torch(v.cell.name, v.named, arrays),
        TOLERANCE[dtype],
    )
