"""Layer normalization in plain NumPy: the specification, and what NumPy and Numba run.

    normal = (x - mean) / sqrt(variance + epsilon),  y = gamma normal + beta
    dx = (d - mean(d) - normal mean(d normal)) / sqrt(variance + epsilon),  d = gamma dy

Mean and variance are those of a row of x (N, F). Source: Ba, Kiros and Hinton 2016.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def normalized(
    x: Array,
    epsilon: float,
    gamma: Array | None,
    beta: Array | None,
    y: Array,
    normal: Array | None,
    inverse: Array | None,
) -> None:
    """Write y (N, F), and where they are wanted `normal` (N, F) and `inverse` (N,), one over the root.

    x (N, F); gamma, beta (F,), None for ones and zeros; all C-contiguous.
    """
    share = np.full(x.shape[1], 1 / x.shape[1], x.dtype)
    scaled = x - (x @ share)[:, None]
    scale = 1 / np.sqrt(np.einsum("nf,nf->n", scaled, scaled) * share[0] + x.dtype.type(epsilon))
    scaled *= scale[:, None]
    if normal is not None:
        normal[...] = scaled
    if inverse is not None:
        inverse[...] = scale
    y[...] = scaled if gamma is None else scaled * gamma
    if beta is not None:
        y += beta


def normalized_back(
    dy: Array,
    normal: Array,
    inverse: Array,
    gamma: Array | None,
    dx: Array | None,
    dgamma: Array | None,
    dbeta: Array | None,
) -> None:
    """Write dx (N, F) and add to dgamma and dbeta (F,), from dy (N, F) and what `normalized` wrote.

    None for one of them: not wanted.
    """
    if dgamma is not None:
        dgamma += np.einsum("nf,nf->f", dy, normal)
    if dbeta is not None:
        dbeta += dy.sum(axis=0)
    if dx is None:
        return
    share = np.full(dy.shape[1], 1 / dy.shape[1], dy.dtype)
    d = dy.copy() if gamma is None else dy * gamma
    along = np.einsum("nf,nf->n", d, normal) * share[0]
    dx[...] = (d - (d @ share)[:, None] - normal * along[:, None]) * inverse[:, None]
