"""Layers for PyTorch's modules: those that compute the same, with the prefix of the tensors that are their weights.

Layers take the batch first, whatever `batch_first` says: the numbers are the same in another order of axes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ... import kernels
from ... import layers as L
from ...cells import ProjectionLSTM
from ...core import brief
from ...layers.cell_layer import layer_of
from ...untrusted import library
from ..gates import cells_named

#: Activations without weights, by what PyTorch calls their modules.
ACTIVATIONS = {
    "CELU": "celu",
    "GELU": "gelu",
    "Hardshrink": "hard_shrink",
    "Hardsigmoid": "hard_sigmoid",
    "Hardswish": "hard_silu",
    "Hardtanh": "hard_tanh",
    "LogSigmoid": "log_sigmoid",
    "LogSoftmax": "log_softmax",
    "Mish": "mish",
    "ReLU": "relu",
    "ReLU6": "relu6",
    "SELU": "selu",
    "Sigmoid": "sigmoid",
    "SiLU": "silu",
    "Softmax": "softmax",
    "Softplus": "softplus",
    "Softshrink": "soft_shrink",
    "Softsign": "softsign",
    "Tanh": "tanh",
    "Tanhshrink": "tanh_shrink",
}

CELLS = cells_named("torch")

Own = Mapping[type, Callable[[Any], Any]]


class Line(NamedTuple):
    """The layers that stand for one module. prefix: of its tensors' names, "encoder.0."; "" for the whole."""

    prefix: str
    layers: list[Any]


def lines_of(module: Any, own: Own | None = None) -> list[Line]:
    """The layers for a module, or for the modules in an nn.Sequential, one after another.

    Args:
        module: see `from_torch`. own: for classes of the user's a function that gives a layer, a list, or None.

    Raises:
        TypeError, ValueError: a module is not known, or does what no layer does.
    """
    return [line for line in _walk(module, "", own or {}, _dtype(module)) if line.layers]


def _walk(module: Any, prefix: str, own: Own, dtype: str | None) -> list[Line]:
    nn = library("torch", "torch", "models of PyTorch").nn
    kind = type(module)
    if kind.__module__.startswith("cellstep.torch."):
        kind = next((base for base in kind.__mro__ if base.__module__.startswith("torch.nn.modules")), kind)
    if kind in own:
        made = own[kind](module)
        return [Line(prefix, [] if made is None else made if isinstance(made, list) else [made])]
    if isinstance(module, nn.Sequential) and not own.keys() & set(kind.__mro__):
        lines: list[Line] = []
        for name, child in module.named_children():
            if hasattr(child, "ends"):  # of `to_torch`: the last step of what stands before
                lines[-1].layers[-1] = last_outputs(lines[-1].layers[-1])
            else:
                lines += _walk(child, f"{prefix}{name}.", own, dtype)
        return lines
    label = prefix.rstrip(".").replace(".", "_")
    layers = _layers(nn, kind, module, None if label.rpartition("_")[2].isdigit() or not label else label, dtype)
    if layers is None:
        where = f"{prefix[:-1]}, " if prefix else ""
        raise TypeError(
            f"{where}a {kind.__name__} is no module that is known. Known are nn.Sequential of RNN, LSTM, GRU, their "
            "cells, Embedding, Linear, LayerNorm, BatchNorm1d, Conv1d, pooling, Dropout, Flatten and activations. "
            "modules={...: function} says which layer a class of your own becomes; into=model and mapping={...} give a "
            "model its tensors"
        )
    return [Line(prefix, layers)]


def last_outputs(layer: Any) -> Any:
    """The layer again, which returns its last outputs and not those of all steps."""
    config = layer.get_config()
    if isinstance(layer, L.Bidirectional):
        config["layer"]["config"]["return_sequences"] = config["backward_layer"]["config"]["return_sequences"] = False
    else:
        config["return_sequences"] = False
    return type(layer).from_config(config)


def _layers(nn: Any, kind: Any, module: Any, name: str | None, dtype: str | None) -> list[Any] | None:
    """The layers, of a dtype, for one module of torch.nn; None where it is not known."""
    common: Any = {"name": name, "dtype": dtype}
    for title, cell in CELLS.items():
        if kind is getattr(nn, title):
            return _recurrent(cell, module, common)
        if kind is getattr(nn, f"{title}Cell"):
            return [_layer(cell, module, common)]
    if kind is nn.Linear:
        return [L.Dense(module.out_features, use_bias=module.bias is not None, **common)]
    if kind is nn.Embedding:
        _only(module, max_norm=None, scale_grad_by_freq=False)
        return [L.Embedding(module.num_embeddings, module.embedding_dim, **common)]
    if kind is nn.LayerNorm:
        axes = list(range(-len(module.normalized_shape), 0))
        affine = module.elementwise_affine
        center = affine and module.bias is not None
        return [L.LayerNormalization(axes if axes[1:] else -1, module.eps, center=center, scale=affine, **common)]
    if kind is nn.BatchNorm1d:
        _only(module, track_running_stats=True)
        if module.momentum is None:
            raise ValueError("momentum of BatchNorm1d must be a number, as layers have no other, got None")
        own = {"center": module.affine, "scale": module.affine, "momentum": 1 - module.momentum}
        return [L.BatchNormalization(-1 if hasattr(module, "steps_first") else 1, epsilon=module.eps, **own, **common)]
    if kind is nn.Conv1d:
        return _convolution(module, common)
    if kind in (nn.AvgPool1d, nn.MaxPool1d):
        return [_pooling(nn, kind, module, common)]
    if kind in (nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d):
        _only(module, output_size=1)
        whole = L.GlobalAveragePooling1D if kind is nn.AdaptiveAvgPool1d else L.GlobalMaxPooling1D
        over_steps = hasattr(module, "steps_first")
        return [whole("channels_last" if over_steps else "channels_first", keepdims=not over_steps, **common)]
    if kind in (nn.Dropout, nn.Dropout1d):
        if kind is nn.Dropout1d and not hasattr(module, "steps_first"):
            raise ValueError("Dropout1d drops channels along the first axis, and SpatialDropout1D along the last")
        return [(L.Dropout if kind is nn.Dropout else L.SpatialDropout1D)(module.p, **common)]
    if kind is nn.Identity:
        return []
    if kind is nn.Flatten:
        _only(module, start_dim=1, end_dim=-1)
        return [L.Flatten(**common)]
    if kind is nn.ConstantPad1d:
        _only(module, value=0.0)
        return [L.ZeroPadding1D(module.padding, "channels_first", **common)]
    if kind is nn.LeakyReLU:
        return [L.LeakyReLU(module.negative_slope, **common)]
    if kind is nn.ELU:
        return [L.ELU(module.alpha, **common)]
    if kind.__name__ in ACTIVATIONS and kind.__module__.startswith("torch.nn."):
        return [_activation(kind, module, common)]
    return None


def _activation(kind: Any, module: Any, common: Any) -> Any:
    if kind.__name__ in ("Softmax", "LogSoftmax"):
        if module.dim not in (-1, 2):
            raise ValueError(f"dim of {kind.__name__} must be -1, the last axis, got {module.dim}")
    else:
        plain = kind()
        for constant in getattr(kind, "__constants__", ()):
            if constant != "inplace" and getattr(module, constant) != getattr(plain, constant):
                got = f"{constant} must be {getattr(plain, constant)!r}, got {getattr(module, constant)!r}"
                raise ValueError(f"expected a {kind.__name__} with the numbers that it has by default: {got}")
    return L.Activation(ACTIVATIONS[kind.__name__], **common)


def _pooling(nn: Any, kind: Any, module: Any, common: Any) -> Any:
    _only(module, ceil_mode=False)
    size, stride, padding, rate = (
        _one(getattr(module, n, 1)) for n in ("kernel_size", "stride", "padding", "dilation")
    )
    if padding or rate != 1:
        raise ValueError(f"padding and dilation of {kind.__name__} must be 0 and 1, got {padding} and {rate}")
    over = {"data_format": "channels_last" if hasattr(module, "steps_first") else "channels_first"}
    return (L.AveragePooling1D if kind is nn.AvgPool1d else L.MaxPooling1D)(size, stride, **over, **common)


def _one(value: Any) -> int:
    """The number that a module has for its one axis."""
    return int(value[0] if isinstance(value, tuple) else value)


def _convolution(module: Any, common: Any) -> list[Any]:
    _only(module, padding_mode="zeros")
    (size,), (stride,), (rate,) = module.kernel_size, module.stride, module.dilation
    padding = module.padding if isinstance(module.padding, str) else module.padding[0]
    same = padding == "same" or (padding not in ("valid", 0) and 2 * padding == rate * (size - 1) and stride == 1)
    # what `to_torch` makes of a convolution over (batch, time, features)
    over: Any = {"data_format": "channels_last" if hasattr(module, "steps_first") else "channels_first"}
    causal = getattr(module, "causal", False)
    before = [] if same or padding in ("valid", 0) else [L.ZeroPadding1D(padding, dtype=common["dtype"], **over)]
    layer = L.Conv1D(
        module.out_channels,
        size,
        strides=stride,
        padding="causal" if causal else "same" if same else "valid",
        dilation_rate=rate,
        groups=module.groups,
        use_bias=module.bias is not None,
        **common,
        **over,
    )
    return [*before, layer]


def _recurrent(cell: kernels.Cell, module: Any, common: Any) -> list[Any]:
    """A layer, with what stands behind it, for each layer of the module: dropout stands between PyTorch's."""
    layers: list[Any] = []
    name, dtype = common["name"], common["dtype"]
    directions = 2 if module.bidirectional else 1
    for number in range(module.num_layers):
        own = None if name is None else f"{name}_{number}" if number else name
        layer = _layer(cell, module, {"name": own, "dtype": dtype})
        layers.append(L.Bidirectional(layer, name=own) if directions == 2 else layer)
        if module.dropout and number + 1 < module.num_layers:
            layers.append(L.Dropout(module.dropout, dtype=dtype))
    return layers


def _layer(cell: kernels.Cell, module: Any, common: Any) -> Any:
    options = {"activation": module.nonlinearity} if hasattr(module, "nonlinearity") else {}
    projection = getattr(module, "proj_size", 0)
    kind = ProjectionLSTM.Layer if projection else layer_of(cell.name)
    return kind(
        *([module.hidden_size, projection] if projection else [module.hidden_size]),
        use_bias=module.bias,
        return_sequences=True,
        **common,
        **options,
    )


def _dtype(module: Any) -> str | None:
    """The dtype of a module's parameters; None where it has none."""
    kinds = {str(parameter.dtype).removeprefix("torch.") for parameter in module.parameters()}
    if len(kinds) > 1:
        raise ValueError(f"expected the parameters of a {type(module).__name__} to have one dtype, got {sorted(kinds)}")
    kind = next(iter(kinds), None)
    return kind if kind in (None, "float64") else "float32"


def _only(module: Any, **values: Any) -> None:
    for argument, value in values.items():
        if getattr(module, argument) != value:
            got = brief(getattr(module, argument))
            raise ValueError(
                f"{argument} of {type(module).__name__} must be {value!r}, as layers have no other, got {got}"
            )
