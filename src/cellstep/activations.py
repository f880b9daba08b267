"""Activations, with Keras's names and default constants, and those of your own.

An `Activation` is a function of an array; `activation.forward(x)` gives the pullback too. Elementwise ones run in the
kernels; softmax and the like, which look at a whole row, in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, overload

import numpy as np
from numpy.typing import NDArray

from . import kernels, registry
from .core import contiguous
from .exports import public
from .kernels.reference.activations import activate, derivative
from .lookup import reader, unknown

__all__ = [
    "Activation",
    "deserialize",
    "get",
    "register",
    "serialize",
]

Array = NDArray[Any]
ActivationPullback = Callable[[Array], Array]
Forward = Callable[[Array], tuple[Array, ActivationPullback]]


class Activation:
    """A named function of an array, with its gradient: `activations.get("relu")`, `activations.relu`, or your own.
    Wherever a layer takes the name of an activation, it takes one of these.

    Args:
        name: what configurations and messages call it; `register` makes it known by that name.
        forward: x -> (y, pullback), with y of x's shape, and pullback(dy) -> dx the gradient of x from that of y. x is
            an array of any shape with features last, float32 or float64; what it gives is cast to x's dtype.
        doc: a sentence about it.
        of_output: the pullback as a function of y alone, where it is one: layers then need not keep x.

    Recurrent cells run an activation of your own step by step in NumPy: slowly, but forward, backward and in streams.

    Raises:
        TypeError: name is no text, or forward cannot be called.

    Example:
        >>> sine = cellstep.activations.Activation("sine", lambda x: (np.sin(x), lambda dy: dy * np.cos(x)))
        >>> layer = layers.SimpleRNN(8, activation=sine)
    """

    def __init__(
        self, name: str, forward: Forward, doc: str = "", of_output: Callable[[Array], ActivationPullback] | None = None
    ) -> None:
        if not isinstance(name, str) or not name:
            raise TypeError(f"name must be a word, got {name!r}")
        if not callable(forward):
            raise TypeError(f"forward must be a function of x that gives (y, pullback), got {forward!r}")
        self.name = self.__name__ = name
        self.__doc__ = doc or f"The activation {name}."
        self._forward = forward
        #: The pullback as a function of the output alone, where it is one.
        self.of_output = of_output

    def forward(self, x: Array) -> tuple[Array, ActivationPullback]:
        """y of x's shape and dtype, and the map from dy to dx.

        Raises:
            TypeError, ValueError: the function gave something else.
        """
        pair: Any = self._forward(x)
        if not isinstance(pair, tuple) or len(pair) != 2 or not callable(pair[1]):
            raise TypeError(f"expected forward of activation {self.name!r} to give (y, pullback), got {pair!r}")
        y, pullback = pair
        return self._like(x, y, "y"), lambda dy: self._like(x, pullback(dy), "dx")

    def _like(self, x: Array, value: Any, what: str) -> Array:
        """An array that a function of the user's returned, in x's dtype."""
        a: Array = np.asarray(value, x.dtype)
        if a.shape != x.shape:
            raise ValueError(f"expected {what} of activation {self.name!r} of x's shape {x.shape}, got {a.shape}")
        return a

    #: An activation of a function of tensors, a layer, or a layer's configuration, and the argument to blame; and what
    #: an activation gives for a tensor. Both are `layers.traced_activation`'s, which is on top of this.
    of: ClassVar[Callable[[Any, str], Activation]]
    on_tensor: ClassVar[Callable[[Activation, Any], Any]]

    def __call__(self, x: Any) -> Any:
        """The activation of an array, integers as float64; or of a tensor, or of a value of a cell's step."""
        if hasattr(x, "activated"):
            return x.activated(self.name)
        if hasattr(x, "node"):
            return Activation.on_tensor(self, x)
        a = np.asarray(x)
        return self.forward(a if a.dtype.kind == "f" else a.astype(np.float64))[0]

    def __repr__(self) -> str:
        return f"<activation {self.name}>"

    def __deepcopy__(self, memo: Any) -> Activation:
        return self  # nothing in it changes

    def __reduce__(self) -> tuple[Any, ...]:
        if _TABLE.get(self.name) is self:
            return get, (self.name,)
        return _restored, (self.name, self._forward, self.__doc__, self.of_output)


def _restored(name: str, *rest: Any) -> Activation:
    """The registered activation of this name; a new one where there is none."""
    registered = registry.find(name)
    return registered if isinstance(registered, Activation) else Activation(name, *rest)


def _of_kernels(name: str) -> Activation:
    """One of the kernels' activations."""

    def back(values: Array) -> ActivationPullback:
        return lambda dy: dy * derivative(name, values)

    def forward(x: Array) -> tuple[Array, ActivationPullback]:
        y = _computed(name, x)
        return y, back(x if of_input else y)

    of_input = name in kernels.OF_INPUT
    return Activation(name, forward, of_output=None if of_input else back)


def _computed(name: str, x: Array) -> Array:
    """The activation of x by the active backend, so that a layer and a stream give the same bits; by NumPy for dtypes
    that kernels have not."""
    if x.dtype.char not in "fd":
        return activate(name, x)
    x = contiguous(x.astype(x.dtype.newbyteorder("="), copy=False))
    y: Array = kernels.active().empty(x.shape, x.dtype)
    if not x.size:
        return y
    flat = x.reshape(-1, x.shape[-1] if x.ndim else 1)
    kernels.active().products.activated(flat, name, y.reshape(flat.shape))
    return y


def _linear(x: Array) -> tuple[Array, ActivationPullback]:
    return x, lambda dy: dy


def _linear_back(y: Array) -> ActivationPullback:
    return lambda dy: dy


def _softmax(x: Array) -> tuple[Array, ActivationPullback]:
    _check_rows(x)
    y = _computed("softmax", x if x.dtype.char in "fd" else x.astype(np.float64)).astype(x.dtype, copy=False)
    return y, _softmax_back(y)


def _softmax_back(y: Array) -> ActivationPullback:
    return lambda dy: y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def _log_softmax(x: Array) -> tuple[Array, ActivationPullback]:
    _check_rows(x)
    shifted = x - x.max(axis=-1, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return y, lambda dy: dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)


def _sparsemax(x: Array) -> tuple[Array, ActivationPullback]:
    """max(x - tau, 0), with tau such that a row adds up to 1. Martins and Astudillo 2016."""
    _check_rows(x)
    from_largest = -np.sort(-x, axis=-1)
    sums, count = from_largest.cumsum(axis=-1) - 1, np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    # a row with NaN has no support
    size = np.maximum((count * from_largest > sums).sum(axis=-1, keepdims=True), 1)
    tau = np.take_along_axis(sums, size - 1, axis=-1) / size
    y = np.maximum(x - tau, 0)

    def pullback(dy: Array) -> Array:
        support = y > 0
        mean = (dy * support).sum(axis=-1, keepdims=True) / np.maximum(support.sum(axis=-1, keepdims=True), 1)
        return np.asarray((dy - mean) * support)

    return y, pullback


def _check_rows(x: Array) -> None:
    if x.ndim < 1 or x.shape[-1] == 0:
        raise ValueError(f"expected x with a last axis of one entry or more for a softmax, got shape {x.shape}")


_TABLE: dict[str, Activation] = {
    **{name: _of_kernels(name) for name in kernels.ACTIVATIONS},
    "linear": Activation("linear", _linear, of_output=_linear_back),
    "softmax": Activation("softmax", _softmax, "exp(x) over its sum along the last axis.", _softmax_back),
    "log_softmax": Activation("log_softmax", _log_softmax, "The logarithm of softmax."),
    "sparsemax": Activation(
        "sparsemax", _sparsemax, "The point nearest to x whose entries are none below 0 and add to 1."
    ),
}
_ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
#: Keras has these, but no layer of Keras's can take them by name either.
_NOT_BY_NAME = {"glu": "halves its last axis", "threshold": "needs arguments"}

#: Keras's activations by name; `register` adds others.
NAMES: tuple[str, ...] = tuple(_TABLE)


def __getattr__(name: str) -> Activation:
    """`activations.relu` is `activations.get("relu")`."""
    name = _ALIASES.get(name, name)
    if name in _TABLE:
        return _TABLE[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def get(identifier: Any, argument: str = "activation") -> Activation:
    """An activation from its name, its configuration, or itself; None is linear.

    Args:
        identifier: "relu", an `Activation`, what `serialize` gave, or None; a function of tensors, written with
            operators and functions of `cellstep.ops`, or a layer without weights, whose gradients follow from tracing.
        argument: the name to blame in a message.

    Raises:
        ValueError: no activation has this name. TypeError: it is none of these. The message says how to make one of a
            function that computes with NumPy, which has no gradient.
    """
    if identifier is None:
        return _TABLE["linear"]
    if isinstance(identifier, Activation):
        return identifier
    if isinstance(identifier, str):
        name = _ALIASES.get(identifier, identifier)
        if name in _TABLE:
            return _TABLE[name]
        if registry.find(name) is None:
            if name in _NOT_BY_NAME:
                raise ValueError(f"{unknown(argument, identifier, NAMES)}; {name} {_NOT_BY_NAME[name]}")
            raise ValueError(unknown(argument, identifier, NAMES))
        return get(registry.find(name), argument)
    if isinstance(identifier, dict):
        layer = "class_name" in identifier and identifier["class_name"] not in ("function", "__lambda__")
        if layer:
            return Activation.of(identifier, argument)
        return get(registry.read_function(argument, identifier), argument)
    if callable(identifier):
        return Activation.of(identifier, argument)
    raise TypeError(f"{argument} must be the name of an activation, an Activation or None, got {identifier!r}")


@overload
def register(activation: Activation) -> Activation: ...
@overload
def register(activation: str) -> Callable[[Forward], Activation]: ...
def register(activation: Activation | str) -> Any:
    """Make an activation known by its name: layers take the name, and configurations and files hold and find it.

    It goes where `saving.register_keras_serializable()` would put it, so that Keras finds in a file the function that
    is registered there by the same name.

    Args:
        activation: an `Activation`; or its name, to decorate the function forward(x) -> (y, pullback) that it is made
            of. One registered before under that name is replaced.

    Returns:
        The activation; for a name the decorator, which gives it.

    Raises:
        ValueError: the name is that of one of the library's own. TypeError: neither an activation nor a name.

    Example:
        >>> @cellstep.activations.register("sine")
        ... def sine(x):
        ...     return np.sin(x), lambda dy: dy * np.cos(x)
        >>> layer = layers.GRU(8, activation="sine")
    """
    if isinstance(activation, str):
        name = activation
        _check_free(name)
        return lambda forward: register(Activation(name, forward, forward.__doc__ or ""))
    if not isinstance(activation, Activation):
        raise TypeError(f"activation must be an Activation or the name of a new one, got {activation!r}")
    _check_free(activation.name)
    registry.register_keras_serializable(name=activation.name)(activation)
    registry.get_custom_objects()[activation.name] = activation
    return activation


def _check_free(name: str) -> None:
    if name in (*NAMES, *_ALIASES, *_NOT_BY_NAME):
        raise ValueError(f"expected a name that Keras has not taken, got {name!r}")


deserialize = reader(get)
registry.enter_functions(_TABLE)


def serialize(activation: Activation) -> Any:
    """What a configuration holds of an activation: its name, or Keras's dictionary for one of your own, which has to be
    registered, or given as one of custom_objects, where the configuration is read."""
    if _TABLE.get(activation.name) is activation:
        return activation.name
    own = getattr(activation, "serialized", None)
    return registry.written_function("activation", activation) if own is None else own()


def for_kernels(activation: Activation, known: Sequence[str] = kernels.ACTIVATIONS) -> str | Activation:
    """What `core.pack` and, with other names known, stages of streams take: the name of one that compiled code
    computes; any other itself, which runs in NumPy."""
    name = activation.name
    return name if name in known and _TABLE.get(name) is activation else activation


__dir__ = public(globals(), (*NAMES, *_ALIASES))
