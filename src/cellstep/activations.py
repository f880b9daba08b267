"""Activations of Dense and Activation layers, with Keras's names and default constants, each with its derivative.

The thirteen that recurrent kernels know are theirs (`kernels.ACTIVATIONS`); the others here run in NumPy only.
An `Activation` is a function of an array; `activation.forward(x)` gives the pullback too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import kernels
from .kernels.reference.activations import activate, derivative, sigmoid

Array = NDArray[Any]
Pullback = Callable[[Array], Array]


class Activation:
    """A named function of an array, with its gradient. Get one with `activations.get("relu")`, or by its name here."""

    def __init__(
        self,
        name: str,
        forward: Callable[[Array], tuple[Array, Pullback]],
        doc: str = "",
        of_output: Callable[[Array], Pullback] | None = None,
    ) -> None:
        self.name = name
        self.__doc__ = doc or f"The activation {name}."
        self._forward = forward
        #: The pullback as a function of the output alone, where it is one.
        self.of_output = of_output

    def forward(self, x: Array) -> tuple[Array, Pullback]:
        """y of x's shape and dtype, and the map from dy to dx."""
        return self._forward(x)

    def __call__(self, x: Any) -> Array:
        """The activation of an array; integers become float64."""
        a = np.asarray(x)
        return self._forward(a if a.dtype.kind == "f" else a.astype(np.float64))[0]

    def __repr__(self) -> str:
        return f"<activation {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return get, (self.name,)


def _of_output(name: str) -> Activation:
    """One of the kernels' activations: its derivative is a function of its output."""

    def back(y: Array) -> Pullback:
        return lambda dy: dy * derivative(name, y)

    def forward(x: Array) -> tuple[Array, Pullback]:
        y = _computed(name, x)
        return y, back(y)

    return Activation(name, forward, of_output=back)


def _computed(name: str, x: Array) -> Array:
    """The activation of x by the active backend, so that a layer and a stream give the same bits; by NumPy for dtypes
    that kernels have not."""
    if x.dtype.char not in "fd":
        return activate(name, x)
    x = np.ascontiguousarray(x)
    y: Array = kernels.active().empty(x.shape, x.dtype)
    if not x.size:
        return y
    flat = x.reshape(-1, x.shape[-1] if x.ndim else 1)
    kernels.active().products.activated(flat, name, y.reshape(flat.shape))
    return y


def _linear(x: Array) -> tuple[Array, Pullback]:
    return x, lambda dy: dy


def _linear_back(y: Array) -> Pullback:
    return lambda dy: dy


def _of_input(name: str, f: Callable[[Array], Array], df: Callable[[Array], Array]) -> Activation:
    """An elementwise activation f, with its derivative df as a function of the input."""

    def forward(x: Array) -> tuple[Array, Pullback]:
        return np.asarray(f(x), x.dtype), lambda dy: dy * np.asarray(df(x), x.dtype)

    return Activation(name, forward)


def _softmax(x: Array) -> tuple[Array, Pullback]:
    _check_rows(x)
    y = _computed("softmax", x if x.dtype.char in "fd" else x.astype(np.float64)).astype(x.dtype, copy=False)
    return y, _softmax_back(y)


def _softmax_back(y: Array) -> Pullback:
    return lambda dy: y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def _log_softmax(x: Array) -> tuple[Array, Pullback]:
    _check_rows(x)
    shifted = x - x.max(axis=-1, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return y, lambda dy: dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)


def _check_rows(x: Array) -> None:
    if x.ndim < 1 or x.shape[-1] == 0:
        raise ValueError(f"expected x with a last axis of one entry or more for a softmax, got shape {x.shape}")


# NumPy has no erf; the C library's, one element at a time (0.1 us), is exact in float64.
_erf_of_objects = np.frompyfunc(math.erf, 1, 1)


def _gauss_cdf(x: Array) -> Array:
    return 0.5 * (1 + np.asarray(_erf_of_objects(x / math.sqrt(2.0)), np.float64))


def _gauss_pdf(x: Array) -> Array:
    return np.exp(-0.5 * np.square(x, dtype=np.float64)) / math.sqrt(2 * math.pi)


def _softplus(x: Array) -> Array:
    return activate("softplus", x)


def _hard_gate(x: Array) -> Array:
    return activate("hard_sigmoid", x)


def _mish_slope(x: Array) -> Array:
    t = np.tanh(_softplus(x))
    return np.asarray(t + x * (1 - t * t) * sigmoid(x))


_ELEMENTWISE: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "gelu": (lambda x: x * _gauss_cdf(x), lambda x: _gauss_cdf(x) + x * _gauss_pdf(x)),
    "silu": (lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
    "hard_silu": (
        lambda x: x * _hard_gate(x),
        lambda x: _hard_gate(x) + x * ((x > -3) & (x < 3)) / 6,
    ),
    "mish": (lambda x: x * np.tanh(_softplus(x)), _mish_slope),
    "celu": (lambda x: activate("elu", x), lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0)))),
    "log_sigmoid": (lambda x: -_softplus(-x), lambda x: sigmoid(-x)),
    "squareplus": (lambda x: (x + np.sqrt(x * x + 4)) / 2, lambda x: (1 + x / np.sqrt(x * x + 4)) / 2),
    "tanh_shrink": (lambda x: x - np.tanh(x), lambda x: np.tanh(x) ** 2),
    "soft_shrink": (lambda x: np.where(np.abs(x) > 0.5, x - 0.5 * np.sign(x), 0 * x), lambda x: np.abs(x) > 0.5),
    "hard_shrink": (lambda x: np.where(np.abs(x) > 0.5, x, 0 * x), lambda x: np.abs(x) > 0.5),
    "sparse_plus": (
        lambda x: np.where(x <= -1, 0 * x, np.where(x < 1, (x + 1) ** 2 / 4, x)),
        lambda x: np.where(x <= -1, 0 * x, np.where(x < 1, (x + 1) / 2, 1 + 0 * x)),
    ),
    "sparse_sigmoid": (
        lambda x: np.minimum(np.maximum((x + 1) / 2, 0), 1),
        lambda x: ((x > -1) & (x < 1)) / 2,
    ),
}

_TABLE: dict[str, Activation] = {
    **{name: _of_output(name) for name in kernels.ACTIVATIONS},
    "linear": Activation("linear", _linear, of_output=_linear_back),
    **{name: _of_input(name, *pair) for name, pair in _ELEMENTWISE.items()},
    "softmax": Activation("softmax", _softmax, "exp(x) over its sum along the last axis.", _softmax_back),
    "log_softmax": Activation("log_softmax", _log_softmax, "The logarithm of softmax."),
}
_ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
#: Keras has these; they need arguments or change the shape.
_NOT_BUILT = ("glu", "sparsemax", "threshold")

NAMES: tuple[str, ...] = tuple(_TABLE)


def __getattr__(name: str) -> Activation:
    """`activations.relu` is `activations.get("relu")`."""
    if name in _TABLE:
        return _TABLE[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def get(identifier: Any, argument: str = "activation") -> Activation:
    """An activation from its name, or itself; None is linear.

    Args:
        identifier: "relu", an `Activation`, or None.
        argument: the name to blame in a message.

    Raises:
        ValueError: no activation has this name. TypeError: it is no name.
        NotImplementedError: an activation of Keras that is not built, or a function of the user's.
    """
    if identifier is None:
        return _TABLE["linear"]
    if isinstance(identifier, Activation):
        return identifier
    if isinstance(identifier, str):
        name = _ALIASES.get(identifier, identifier)
        if name in _TABLE:
            return _TABLE[name]
        if name in _NOT_BUILT:
            raise NotImplementedError(f"{argument}={identifier!r} is not built yet; there are {', '.join(NAMES)}")
        raise ValueError(f"{argument} must be one of {', '.join(NAMES)}, got {identifier!r}")
    if callable(identifier):
        raise NotImplementedError(f"{argument} must be the name of an activation; functions are not built yet")
    raise TypeError(f"{argument} must be the name of an activation or None, got {identifier!r}")


def get_recurrent(identifier: Any, argument: str) -> Activation:
    """As `get`, for a recurrent cell: NotImplementedError for those that the kernels do not compute."""
    found = get(identifier, argument)
    if found.name not in kernels.ACTIVATIONS:
        known = ", ".join(kernels.ACTIVATIONS)
        raise NotImplementedError(f"{argument}={found.name!r} is not built for recurrent cells; they compute {known}")
    return found
