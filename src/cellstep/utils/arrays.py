"""Arrays for models: one-hot labels, padded sequences, vectors of length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import brief, check_count, plain

Array = NDArray[Any]


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> Array:
    """One-hot rows for integer labels.

    Args:
        x: (...) integers 0 .. num_classes - 1; a last axis of length 1 is dropped, as in Keras.
        num_classes: the length of a row; the largest label and one more where None.

    Returns:
        (..., num_classes) float64, as in Keras.

    Raises:
        ValueError: a label out of range. TypeError: labels that are no integers.

    Example:
        >>> to_categorical([0, 2])
        array([[1., 0., 0.],
               [0., 0., 1.]])
    """
    labels = plain("x", x)
    if labels.dtype.kind not in "iub" and not (labels.dtype.kind == "f" and (labels == np.trunc(labels)).all()):
        raise TypeError(f"x must hold integer labels, got dtype {labels.dtype}")
    labels = labels.astype(np.intp)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None and not labels.size:
        raise ValueError("num_classes must be given where x holds no labels, got None")
    classes = int(labels.max()) + 1 if num_classes is None else check_count("num_classes", num_classes)
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(f"x must hold labels from 0 to {classes - 1}, got {wrong}")
    return np.asarray(np.eye(classes)[labels])


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> Array:
    """Sequences of different lengths as one array.

    Args:
        sequences: B lists or arrays (T_i, ...), alike but for their lengths.
        maxlen: the length of the result; that of the longest sequence where None.
        dtype: of the result.
        padding: whether `value` fills the beginning, "pre", or the end, "post". Kernels are faster with "post": it is
            what `lengths` and masks of right padding say.
        truncating: whether too long a sequence loses its beginning, "pre", or its end, "post".
        value: what fills.

    Returns:
        (B, maxlen, ...).

    Raises:
        ValueError: sequences whose steps differ in shape, or an unknown way. TypeError: one that has no length.

    Example:
        >>> pad_sequences([[1, 2, 3], [4]], padding="post")
        array([[1, 2, 3],
               [4, 0, 0]], dtype=int32)
    """
    for name, way in (("padding", padding), ("truncating", truncating)):
        if way not in ("pre", "post"):
            raise ValueError(f"{name} must be 'pre' or 'post', got {way!r}")
    if isinstance(sequences, str) or not hasattr(sequences, "__iter__"):
        raise TypeError(f"sequences must be a list of lists or arrays, got {brief(sequences)}")
    if any(not hasattr(s, "__len__") for s in sequences):
        bad = next(s for s in sequences if not hasattr(s, "__len__"))
        raise TypeError(f"sequences must be lists or arrays, got {bad!r} among them")
    arrays = [plain(f"sequences[{i}]", s) for i, s in enumerate(sequences)]
    for a in arrays if np.dtype(dtype).kind in "iu" else ():
        if a.dtype.kind in "US":
            raise TypeError(f"sequences must hold numbers, as dtype is {dtype!r}, got strings; dtype=object keeps them")
        if a.dtype.kind == "f" and (a != np.trunc(a)).any():
            raise ValueError(
                f"sequences must hold integers, as dtype is {dtype!r}, got {a[a != np.trunc(a)][0]}; dtype='float32' "
                "keeps fractions"
            )
    longest = max((len(a) for a in arrays), default=0)
    size = longest if maxlen is None else check_count("maxlen", maxlen)
    steps = {a.shape[1:] for a in arrays if len(a)}
    if len(steps) > 1:
        raise ValueError(f"sequences must have steps of one shape, got {sorted(steps)}")
    out = np.full((len(arrays), size, *(steps.pop() if steps else ())), value, dtype)
    for row, a in zip(out, arrays, strict=True):
        kept = a[len(a) - size :] if truncating == "pre" and len(a) > size else a[:size]
        if len(kept):
            row[slice(size - len(kept), size) if padding == "pre" else slice(len(kept))] = kept
    return out


def normalize(x: ArrayLike, axis: int = -1, order: int = 2) -> Array:
    """x divided by its norm along an axis; where that is 0, x as it is.

    Args:
        x: (...) numbers. axis: along which. order: of the norm, such as 2 for the root of the sum of squares.

    Example:
        >>> normalize([[3.0, 4.0], [0.0, 0.0]])
        array([[0.6, 0.8],
               [0. , 0. ]])
    """
    a = plain("x", x)
    norm = np.atleast_1d(np.linalg.norm(a, order, axis))
    norm[norm == 0] = 1
    return np.asarray(a / np.expand_dims(norm, axis))
