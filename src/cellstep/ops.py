"""Ops: functions of tensors and of arrays, those of `keras.ops` that a model of sequences uses.

    from cellstep import ops

    context = ops.sum(ops.softmax(scores, axis=1) * h, axis=1)
    last = h[:, -1]                     # tensors take slices and operators too

On tensors each is a step of the model, with its gradient; on arrays it is done at once, in the dtypes that Keras gives:
floats and integers have 32 bits where an argument has not more. As in Keras, no mask goes through them: layers such as
Add and Concatenate keep it. `cellstep.math` is this module under an older name.
"""

from __future__ import annotations

import functools
import inspect
import operator
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from .exports import public
from .layers import SymbolicTensor, Variable
from .layers.operations import OPERATIONS, Kind, apply
from .layers.operations import shape as shape
from .layers.symbolic import TensorFunction, of_tensors


def function_of(kind: Kind) -> TensorFunction:
    """The function of a kind of operation, with the names, the order and the defaults of Keras's."""
    names = [name.lstrip("*") for name in kind.arguments]
    options = [name for name in kind.options if name not in names]
    positional, required = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
    defaults = {name: required if value is ... else value for name, value in kind.options.items()}
    # an argument with a default stands where it stands among the options
    order = [*(name for name in names if name not in defaults), *defaults]
    signature = inspect.Signature(
        [inspect.Parameter(name, positional, default=defaults.get(name, required)) for name in order]
    )

    def function(*args: Any, **given: Any) -> Any:
        try:
            bound = signature.bind(*args, **given)
        except TypeError as error:
            raise TypeError(f"{kind.function}{signature} was called wrongly: {error}") from None
        bound.apply_defaults()
        values = bound.arguments
        arguments = [list(values[name]) if kind.listed else values[name] for name in names]
        for value in arguments:
            if hasattr(value, "called"):  # of the step of a cell that is being defined
                return value.called(kind.function, [*values.values()])
        return apply(kind.name, arguments, {name: values[name] for name in options})

    function.__name__ = function.__qualname__ = kind.function
    function.__doc__ = kind.rule.__doc__ or f"{kind.name}, as in Keras."
    function.__signature__ = signature  # type: ignore[attr-defined]
    return of_tensors(function)


def einsum(subscripts: str, *operands: Any) -> Any:
    """Sums of products by letters, "bij,bjk->bik": of one or two arrays, each letter once in each of them."""
    return apply("Einsum", list(operands), {"subscripts": subscripts})


def convert_to_tensor(x: Any, dtype: Any = None) -> Any:
    """A tensor as it is, or an array: of Python's numbers in float32 (`floatx`), int32 or bool; in `dtype` where given.

    Raises:
        TypeError, ValueError: x is neither a tensor nor numbers.
    """
    if dtype is not None:
        return apply("Cast", [x], {"dtype": dtype})
    return x if isinstance(x, SymbolicTensor) else apply("Copy", [x], {})


def convert_to_numpy(x: Any) -> Any:
    """x as a NumPy array.

    Raises:
        TypeError: x is a tensor that has no values before a model runs.
    """
    return np.asarray(x)


def is_tensor(x: Any) -> bool:
    """Whether x is what functions of ops give: a tensor, or an array; or a weight."""
    return isinstance(x, SymbolicTensor | Variable | np.ndarray)


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(shape(x))


def size(x: Any) -> Any:
    """The number of entries."""
    return functools.reduce(operator.mul, shape(x), 1)


def dtype(x: Any) -> str:
    """The name of the dtype of a tensor, an array or a weight."""
    return str(x.dtype if hasattr(x, "dtype") else convert_to_tensor(x).dtype)


_ALIASES = {"abs": "absolute", "swish": "silu", "hard_swish": "hard_silu"}
_PLAIN = ("convert_to_numpy", "convert_to_tensor", "dtype", "is_tensor", "ndim", "shape", "size")

_KINDS = [kind for kind in OPERATIONS.values() if kind.module != "random"]
globals().update({kind.function: function_of(kind) for kind in _KINDS if kind.name != "Einsum"})
globals().update({alias: globals()[name] for alias, name in {**_ALIASES, "array": "convert_to_tensor"}.items()})

__all__ = sorted([*(kind.function for kind in _KINDS), *_ALIASES, "array", *_PLAIN])

if TYPE_CHECKING:  # the same names, for type checkers and editors
    array = convert_to_tensor
    _f = function_of(OPERATIONS["Add"])
    abs = absolute = add = all = amax = amin = any = arange = arccos = arccosh = arcsin = arcsinh = arctan = _f
    arctan2 = arctanh = argmax = argmin = argsort = average = binary_crossentropy = broadcast_to = cast = _f
    categorical_crossentropy = cbrt = ceil = clip = concatenate = copy = cos = cosh = count_nonzero = _f
    cumsum = deg2rad = diff = digitize = divide = divide_no_nan = dot = elu = empty = equal = erf = exp = _f
    exp2 = expand_dims = expm1 = eye = flip = floor = floor_divide = full = full_like = gelu = get_item = greater = _f
    greater_equal = hard_sigmoid = hard_silu = hard_swish = hard_tanh = hypot = identity = inner = isclose = _f
    isfinite = isinf = isnan = leaky_relu = less = less_equal = linspace = log = log10 = log1p = log2 = log_sigmoid = _f
    log_softmax = logaddexp = logical_and = logical_not = logical_or = logical_xor = logsumexp = matmul = max = _f
    maximum = mean = median = min = minimum = mod = moments = moveaxis = multiply = nan_to_num = nanmean = nansum = _f
    negative = norm = normalize = not_equal = one_hot = ones = ones_like = outer = pad = power = prod = quantile = _f
    rad2deg = ravel = reciprocal = relu = relu6 = repeat = reshape = roll = round = rsqrt = searchsorted = selu = _f
    sigmoid = sign = silu = sin = sinh = softmax = softplus = softsign = sort = sparse_categorical_crossentropy = _f
    split = sqrt = square = squeeze = stack = std = stop_gradient = subtract = sum = swapaxes = swish = take = _f
    take_along_axis = tan = tanh = tanh_shrink = tensordot = tile = top_k = transpose = tri = tril = triu = _f
    true_divide = trunc = unstack = var = where = zeros = zeros_like = _f

#: What is written in place of functions that are left out.
_IN_PLACE = {
    "associative_scan cond fori_loop map scan switch vectorize vectorized_map while_loop": (
        "Python's own if and for do it, which run while a model is made, ops.where chooses between values, and a cell "
        "of your own in layers.RNN runs over steps"
    ),
    "conv conv_transpose depthwise_conv separable_conv": "layers such as layers.Conv1D do it",
    "average_pool max_pool adaptive_average_pool adaptive_max_pool": "layers such as layers.MaxPooling1D do it",
    "batch_normalization layer_normalization rms_normalization": "layers such as layers.LayerNormalization do it",
    "hstack vstack": "ops.concatenate does it, along an axis that it is told",
    "dot_product_attention": "layers.Attention does it",
    "ctc_loss ctc_decode": "losses.CTC and layers such as LSTM do it",
    "custom_gradient jvp": "a layer with `forward`, which gives y and its pullback, has a gradient of its own",
    "fft fft2 ifft2 irfft istft rfft stft": "numpy.fft does it on arrays, before a model",
}


def _absent(name: str) -> Any:
    if name in ("linalg", "math", "nn", "numpy"):
        return sys.modules[__name__]  # Keras has the same functions there, in parts
    for names, what in _IN_PLACE.items():
        if name in names.split():
            raise AttributeError(f"cellstep.ops has no function {name!r}: {what}")
    hint = f"; numpy.{name} does it on arrays" if hasattr(np, name) else ""
    raise AttributeError(f"cellstep.ops has no function {name!r}{hint}; there are {', '.join(__all__)}")


globals().update(__getattr__=_absent, __dir__=public(globals()))
