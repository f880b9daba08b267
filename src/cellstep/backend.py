"""Settings of the process, as in `keras.backend`; and the functions of tensors and arrays that it had in Keras 2.

    from cellstep import backend as K

    def smape(y_true, y_pred):
        return K.mean(K.abs(y_true - y_pred) / (K.abs(y_true) + K.abs(y_pred) + K.epsilon()), axis=-1)

Those functions have the names and defaults of Keras 2. New scripts are better off with `cellstep.ops`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import ops as _ops
from . import random as _random
from .core import epsilon, floatx, set_floatx
from .exports import public
from .layers import SymbolicTensor, Variable, reset_names

#: Their functions come from a table, so that type checkers do not know them.
ops: Any = _ops
random: Any = _random


def clear_session(free_memory: bool = True) -> None:
    """Begin the automatic names again at `lstm`. Nothing else is kept between models, so nothing else is cleared.

    Args:
        free_memory: accepted as in Keras; what is no longer referred to is freed at once.
    """
    reset_names()


def is_keras_tensor(x: Any) -> bool:
    """Whether x is a tensor without values yet, such as `Input` gives."""
    return isinstance(x, SymbolicTensor)


def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """Sums of products over an axis of x and one of y, row by row, as the layer Dot; by default over the last of x and
    the last but one of y."""
    a, b = (axes, axes) if isinstance(axes, int) else axes or (ops.ndim(x) - 1, ops.ndim(y) - 2 or 1)
    left, right = "r" + "abcdef"[: ops.ndim(x) - 1], list("r" + "uvwxyz"[: ops.ndim(y) - 1])
    summed = right[b] = left[a]
    out = (left + "".join(right[1:])).replace(summed, "")
    products = ops.einsum(f"{left},{''.join(right)}->{out}", x, y)
    return products if len(out) > 1 else ops.expand_dims(products, 1)


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """x from a threshold on, up to the largest value; below, alpha times what is missing to the threshold."""
    y = ops.where(x >= threshold, x, alpha * (x - threshold))
    return y if max_value is None else ops.minimum(y, max_value)


def _assigned(x: Any, value: Any) -> Any:
    x.assign(value)
    return x


#: Functions that are those of ops, by other names where the second one says so.
_SAME = (
    "abs all any bias_add=add binary_crossentropy cast categorical_crossentropy cos dot dtype elu equal "
    "eval=convert_to_numpy exp flatten=ravel get_value=convert_to_numpy greater greater_equal less less_equal log max "
    "maximum mean min minimum ndim not_equal one_hot pow=power prod repeat_elements=repeat round shape sigmoid sign "
    "sin softmax softplus softsign sparse_categorical_crossentropy sqrt square squeeze stack std stop_gradient sum "
    "tanh tile transpose var"
)
#: Those that have other arguments or defaults than in ops, or are not there.
_OTHER: dict[str, Callable[..., Any]] = {
    "arange": lambda start, stop=None, step=1, dtype="int32": ops.arange(start, stop, step, dtype),
    "argmax": lambda x, axis=-1: ops.argmax(x, axis),
    "argmin": lambda x, axis=-1: ops.argmin(x, axis),
    "batch_flatten": lambda x: ops.reshape(x, (-1, math.prod(x.shape[1:]))),
    "batch_get_value": lambda tensors: [ops.convert_to_numpy(x) for x in tensors],
    "batch_set_value": lambda tuples: [_assigned(x, value) for x, value in tuples] and None,
    "cast_to_floatx": lambda x: ops.convert_to_tensor(x, floatx()),
    "clip": lambda x, min_value, max_value: ops.clip(x, min_value, max_value),
    "concatenate": lambda tensors, axis=-1: ops.concatenate(tensors, axis),
    "constant": lambda value, dtype=None, shape=None, name=None: (
        ops.convert_to_tensor(value, dtype or floatx()) if shape is None else ops.full(shape, value, dtype)
    ),
    "count_params": lambda x: math.prod(x.shape),
    "cumsum": lambda x, axis=0: ops.cumsum(x, axis),
    "dropout": lambda x, level, noise_shape=None, seed=None: random.dropout(x, level, noise_shape, seed),
    "expand_dims": lambda x, axis=-1: ops.expand_dims(x, axis),
    "eye": lambda size, dtype=None, name=None: ops.eye(size, dtype=dtype),
    "gather": lambda reference, indices: ops.take(reference, indices, 0),
    "hard_sigmoid": lambda x: ops.clip(0.2 * x + 0.5, 0, 1),
    "int_shape": lambda x: tuple(x.shape),
    "l2_normalize": lambda x, axis=None: x * ops.rsqrt(ops.maximum(ops.sum(x * x, axis, True), 1e-12)),
    "name_scope": lambda name: contextlib.nullcontext(),
    "ones": lambda shape, dtype=None, name=None: ops.ones(shape, dtype),
    "ones_like": lambda x, dtype=None, name=None: ops.ones_like(x, dtype),
    "permute_dimensions": lambda x, pattern: ops.transpose(x, pattern),
    "random_bernoulli": lambda shape, p=0.0, dtype=None, seed=None: ops.cast(
        random.uniform(shape, seed=seed) < p, dtype or floatx()
    ),
    "random_normal": random.normal,
    "random_uniform": random.uniform,
    "repeat": lambda x, n: ops.repeat(ops.expand_dims(x, 1), n, 1),
    "reshape": lambda x, shape: ops.reshape(x, shape),
    "reverse": lambda x, axes: ops.flip(x, axes),
    "set_value": lambda x, value: _assigned(x, value) and None,
    "switch": lambda condition, then_expression, else_expression: ops.where(
        condition, *(part() if callable(part) else part for part in (then_expression, else_expression))
    ),
    "temporal_padding": lambda x, padding=(1, 1): ops.pad(x, ((0, 0), tuple(padding), (0, 0))),
    "truncated_normal": random.truncated_normal,
    "update": lambda x, new_x: _assigned(x, new_x),
    "update_add": lambda x, increment: _assigned(x, x + increment),
    "update_sub": lambda x, decrement: _assigned(x, x - decrement),
    "variable": lambda value, dtype=None, name=None, constraint=None: Variable(
        value, dtype=dtype or floatx(), name=name, constraint=constraint
    ),
    "zeros": lambda shape, dtype=None, name=None: ops.zeros(shape, dtype),
    "zeros_like": lambda x, dtype=None, name=None: ops.zeros_like(x, dtype),
}
for _name, _function in _OTHER.items():
    if _function.__name__ == "<lambda>":
        _function.__name__ = _function.__qualname__ = _name
        _function.__doc__ = f"`{_name}` of Keras 2."
for _name, _, _other in (entry.partition("=") for entry in _SAME.split()):
    _OTHER[_name] = getattr(ops, _other or _name)
globals().update(_OTHER)

__all__ = [*_OTHER, "batch_dot", "clear_session", "is_keras_tensor", "relu", "epsilon", "floatx", "set_floatx"]

#: What is written in place of functions that are left out.
_IN_PLACE = {
    "learning_phase set_learning_phase in_train_phase in_test_phase": (
        "a layer's call is told by its argument `training`, and model(x, training=True) says it"
    ),
    "placeholder": "layers.Input(shape) makes a tensor",
    "function get_session set_session": "Model(inputs, outputs) makes a function of tensors, which is called on arrays",
    "gradients": "model.gradients(x, y) has those of the weights, and layer.forward(x) gives a pullback",
    "rnn foldl foldr map_fn": "a cell of your own in layers.RNN runs over steps",
    "ctc_batch_cost ctc_decode": "losses.CTC is the loss",
    "set_epsilon": "epsilon() is 1e-7, and cannot be changed",
}


def __getattr__(name: str) -> Any:
    for names, what in _IN_PLACE.items():
        if name in names.split():
            raise AttributeError(f"cellstep.backend has no function {name!r}: {what}")
    raise AttributeError(f"cellstep.backend has no function {name!r}; cellstep.ops has functions of tensors and arrays")


if TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Functions of Keras 2, whose names type checkers do not know."""


__dir__ = public(globals())
