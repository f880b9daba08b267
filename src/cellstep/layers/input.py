"""Input: says at the head of a model which shape its inputs have, and is the first tensor of a functional model."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import core
from .base import Layer
from .configuration import not_built
from .context import Applied, Context
from .module import Shape
from .symbolic import Node, SymbolicTensor


class InputLayer(Layer):
    """The shape of a model's inputs; passes them through, checked. `Input` makes one and gives its tensor.

    Args:
        shape: without the batch size; None for an axis of any size.
        batch_size: a fixed batch size, or None.
        dtype: that of `backend.floatx()` where None. An integer dtype refuses fractions; apart from that each layer
            casts for itself.
        batch_shape: shape with the batch size in front, in place of both.
        sparse, ragged, input_tensor, optional: not built.
        name: automatic where None.

    Example:
        >>> InputLayer(shape=(None, 16)).batch_shape
        (None, None, 16)
    """

    over_time = "step"

    #: Whether arrays of other sizes fit too, as the model composes its layers anew for them.
    any_size = False

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: None = None,
        optional: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        not_built(False, sparse=sparse or False, ragged=ragged or False, optional=optional)
        not_built(input_tensor=input_tensor)
        if (shape is None) == (batch_shape is None):
            raise ValueError("expected shape or batch_shape, got " + ("neither" if shape is None else "both"))
        if batch_shape is not None and batch_size is not None:
            raise ValueError("expected batch_size or batch_shape, got both")
        if batch_shape is None:
            batch_size = None if batch_size is None else core.check_count("batch_size", batch_size)
            self.batch_shape: Shape = (batch_size, *_sizes("shape", shape))
        else:
            self.batch_shape = _sizes("batch_shape", batch_shape)
            if not self.batch_shape:
                raise ValueError("expected batch_shape with the batch size in front, got ()")
        try:
            self.dtype = np.dtype(core.floatx() if dtype is None else dtype)
        except TypeError:
            raise ValueError(f"dtype must be the name of a NumPy dtype, got {dtype!r}") from None
        if self.dtype.kind not in "fiub":
            raise ValueError(f"dtype must be one of real numbers or booleans, got {dtype!r}")
        self.build(self.batch_shape)

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """x as an array, unchanged."""
        a = self._fitting(core.plain("x", x), "x")

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            return dy if need_dx else None

        return a, mask, pullback

    def checked(self, x: Any, name: str = "x", rows: bool = True) -> Any:
        """x as an array that fits, as a model takes it: an axis of length 1 at the end may be missing, or be too many.

        Where integers are asked for, floats will do that are whole.

        Args:
            x: an array, or a nested list. name: what messages call it.
            rows: whether there have to be as many rows as the Input has; False for what is still to be cut to batches.

        Raises:
            ValueError: another shape, or fractions where integers are asked for. TypeError: no numbers there.
        """
        a = x if type(x) is np.ndarray else core.plain(name, x)
        wanted = self._wanted
        if a.ndim == len(wanted) - 1 and wanted[-1] == 1:
            a = a[..., None]
        elif a.ndim == len(wanted) + 1 and a.shape[-1] == 1:
            a = a[..., 0]
        return self._fitting(a, name, rows)

    def checked_shape(self, shape: Shape, name: str = "x") -> Shape:
        """The shape that `checked` gives for arrays of this shape, in which None fits any size.

        Raises:
            ValueError: arrays of this shape do not fit.
        """
        wanted = self._wanted
        if len(shape) == len(wanted) - 1 and wanted[-1] == 1:
            shape = (*shape, 1)
        elif len(shape) == len(wanted) + 1 and shape[-1] == 1:
            shape = shape[:-1]
        sizes = zip(wanted, shape, strict=False)
        if len(wanted) != len(shape) or any(None not in (w, s) and w != s for w, s in sizes):
            raise ValueError(f"expected {name} of shape {core.describe(wanted)}, got {core.describe(shape)}")
        return shape

    @property
    def _wanted(self) -> Shape:
        return (None,) * len(self.batch_shape) if self.any_size else self.batch_shape

    def _fitting(self, a: Any, name: str, rows: bool = True) -> Any:
        a = a if a.dtype.kind in "fiub" else core.real(name, a)  # which says what else it holds
        wanted = self._wanted if rows else (None, *self._wanted[1:])
        if len(wanted) != a.ndim or any([w is not None and w != s for w, s in zip(wanted, a.shape, strict=True)]):
            raise ValueError(f"expected {name} of shape {core.describe(wanted)}, got {a.shape}{_hint(wanted, a, name)}")
        if self.dtype.kind in "iu" and a.dtype.kind == "f":
            whole = a == np.floor(a)
            if not whole.all():
                raise ValueError(
                    f"expected {name} to hold integers, as the dtype of {self.name} is {self.dtype}, got {a[~whole][0]}"
                )
            return a.astype(self.dtype)
        return a

    @property
    def nodes(self) -> list[Node]:
        """The one node that gives this layer's tensor."""
        nodes: list[Node] = self.__dict__.setdefault("_cached_nodes", [])
        if not nodes:
            Node(self, None).give(self.batch_shape, self.dtype, nodes)
        return nodes

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": list(self.batch_shape),
            "dtype": str(self.dtype),
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": False,
        }


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: None = None,
    optional: bool = False,
) -> SymbolicTensor:
    """The tensor that a model begins with: at the head of a Sequential, or to call layers on.

    Args: those of InputLayer, whose input_tensor is called tensor here.

    Example:
        >>> x = Input((None, 16))
        >>> model = Model(x, Dense(1)(GRU(32)(x)))
    """
    layer = InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name)
    return layer.nodes[0].outputs[0]


def _hint(wanted: Shape, a: Any, name: str) -> str:
    """The usual reason why an array has another shape, for the end of a message."""
    if a.ndim + 1 == len(wanted):
        return f"; {name}[None] is a batch of one"
    if a.ndim == len(wanted) and wanted[0] is not None and a.shape[0] != wanted[0]:
        return f"; the Input has batch_size={wanted[0]}"
    return ""


def _sizes(name: str, shape: Any) -> Shape:
    if isinstance(shape, str) or not hasattr(shape, "__iter__"):
        raise TypeError(f"{name} must be a tuple of integers and None, got {shape!r}")
    return tuple(None if size is None else core.check_count(f"each size of {name}", size) for size in shape)
