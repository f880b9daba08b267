"""Calls of operations, for cellstep.ops and for keras.ops: functions of (ops, x, z), by the operation's name.

x and z are (batch, 4, 3), of entries between 0.3 and 2.7 that differ; what comes out has the batch in front.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

WEIGHTS = np.array([0.5, 1.0, 2.0, 0.25], "float32")


def missing(m: Any, x: Any) -> Any:
    """x, with NaN in place of what is above 1.9."""
    return m.where(x > 1.9, np.nan, x)


#: Through which gradients go.
CASES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "DivideNoNan": lambda m, x, z: m.divide_no_nan(x, z) + m.divide_no_nan(x, m.floor(z)),
    "Logaddexp": lambda m, x, z: m.logaddexp(x, z),
    "Arctan2": lambda m, x, z: m.arctan2(x, z),
    "Hypot": lambda m, x, z: m.hypot(x, z),
    "NanToNum": lambda m, x, z: m.nan_to_num(missing(m, x), nan=0.5) * x,
    "Arcsin": lambda m, x, z: m.arcsin(x / 3),
    "Arccos": lambda m, x, z: m.arccos(x / 3),
    "Arctanh": lambda m, x, z: m.arctanh(x / 3),
    "Arccosh": lambda m, x, z: m.arccosh(x + 1),
    "Elu": lambda m, x, z: m.elu(x - 1.52) + m.elu(x - 1.52, alpha=0.3),
    "LeakyRelu": lambda m, x, z: m.leaky_relu(x - 1.52) + m.leaky_relu(x - 1.52, 0.1),
    "Gelu": lambda m, x, z: m.gelu(x - 1.52) + m.gelu(x, approximate=False),
    "HardSilu": lambda m, x, z: m.hard_silu(x - 1.52) + m.hard_swish(x) + m.swish(x),
    "HardTanh": lambda m, x, z: m.hard_tanh(x),
    "Unstack": lambda m, x, z: m.unstack(x, axis=1)[1] * m.unstack(z, 4, axis=1)[3],
    "Ravel": lambda m, x, z: m.reshape(m.ravel(x), (-1, 12)),
    "BroadcastTo": lambda m, x, z: m.broadcast_to(m.mean(x, axis=0), (2, 4, 3)),
    "TakeAlongAxis": lambda m, x, z: m.take_along_axis(x, m.argsort(z, axis=1)[:, :2], axis=1),
    "Tril": lambda m, x, z: m.tril(x, k=-1),
    "Triu": lambda m, x, z: m.triu(x),
    "Prod": lambda m, x, z: m.prod(x, axis=1) + m.prod(x - x[:, 1:2], axis=(1, 2), keepdims=True)[:, 0],
    "Amax": lambda m, x, z: m.amax(x, axis=1),
    "Amin": lambda m, x, z: m.amin(x, axis=1),
    "Logsumexp": lambda m, x, z: m.logsumexp(x, axis=1, keepdims=True) + m.logsumexp(x * 100, axis=2)[:, :, None],
    "Average": lambda m, x, z: m.average(x, axis=1) + m.average(x, axis=1, weights=z) + m.average(x, 1, WEIGHTS),
    "Moments": lambda m, x, z: m.concatenate(m.moments(x, axes=[1]), axis=-1),
    "Median": lambda m, x, z: m.median(x, axis=1) + m.median(x, axis=2, keepdims=True)[:, 0],
    "Quantile": lambda m, x, z: (
        m.quantile(x, 0.3, axis=1) + m.quantile(x, [0.2, 0.9], axis=(1, 2), keepdims=True)[1, :, 0]
    ),
    "Nansum": lambda m, x, z: m.nansum(missing(m, x), axis=1),
    "Nanmean": lambda m, x, z: m.nanmean(missing(m, x), axis=1, keepdims=True),
    "Norm": lambda m, x, z: (
        m.norm(x, axis=1)
        + m.norm(x, ord=1, axis=1)
        + m.norm(x, ord=3, axis=1)
        + m.norm(x, ord=np.inf, axis=1)
        + m.norm(x, ord=-np.inf, axis=1)
        + m.norm(x, ord="fro", axis=(1, 2), keepdims=True)[:, 0]
        + m.norm(x, ord=0, axis=1)
    ),
    "Normalize": lambda m, x, z: m.normalize(x) + m.normalize(x, axis=1, order=1),
    "Sort": lambda m, x, z: m.sort(x, axis=1) * z,
    "TopK": lambda m, x, z: m.top_k(x, 2)[0],
    "Diff": lambda m, x, z: m.diff(x, axis=1) + m.diff(x, n=2, axis=-1)[:, :3],
    "Tensordot": lambda m, x, z: (
        m.tensordot(x, np.ones((4, 3, 2), "float32"), 2) + m.tensordot(x, z[0], ([2, 1], [1, 0]))[:, None]
    ),
    "Inner": lambda m, x, z: m.inner(x, z[0]),
    "Outer": lambda m, x, z: m.reshape(m.outer(x, z[0, 0]), (-1, 36)),
    "BinaryCrossentropy": lambda m, x, z: (
        m.binary_crossentropy(z / 3, x / 3) + m.binary_crossentropy(z / 3, x, from_logits=True)
    ),
    "CategoricalCrossentropy": lambda m, x, z: (
        m.categorical_crossentropy(z, x) + m.categorical_crossentropy(z, x, from_logits=True)
    ),
    "SparseCategoricalCrossentropy": lambda m, x, z: (
        m.sparse_categorical_crossentropy(m.cast(z, "int32")[:, :, 0], x)
        + m.sparse_categorical_crossentropy(m.cast(z[:, :, :1], "int32"), x, from_logits=True)
    ),
}
#: Of one argument, by name alone.
CASES |= {
    name: (lambda m, x, z, f=function: getattr(m, f)(x))
    for name, function in {
        "Copy": "copy",
        "Cbrt": "cbrt",
        "Exp2": "exp2",
        "Log2": "log2",
        "Log10": "log10",
        "Tan": "tan",
        "Erf": "erf",
        "Arctan": "arctan",
        "Sinh": "sinh",
        "Cosh": "cosh",
        "Arcsinh": "arcsinh",
        "TanhShrink": "tanh_shrink",
        "Deg2rad": "deg2rad",
        "Rad2deg": "rad2deg",
    }.items()
}

#: Through which no gradient goes.
STILL: dict[str, Callable[[Any, Any, Any], Any]] = {
    "LogicalXor": lambda m, x, z: m.logical_xor(x > 1, z > 1),
    "Isclose": lambda m, x, z: m.isclose(x, z, atol=0.5),
    "Trunc": lambda m, x, z: m.trunc(x),
    "Round": lambda m, x, z: m.round(x) + m.round(x, 1),
    "Isinf": lambda m, x, z: m.isinf(m.divide(x, m.floor(z))),
    "Isfinite": lambda m, x, z: m.isfinite(m.divide(x, m.floor(z))),
    "FullLike": lambda m, x, z: m.full_like(x, 3),
    "Argmin": lambda m, x, z: m.argmin(x, axis=1),
    "Argsort": lambda m, x, z: m.argsort(x, axis=1),
    "CountNonzero": lambda m, x, z: m.count_nonzero(x > 1, axis=1),
    "SearchSorted": lambda m, x, z: m.searchsorted(WEIGHTS[:3], x),
    "Digitize": lambda m, x, z: m.digitize(x, WEIGHTS[:3]),
}
