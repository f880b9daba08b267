"""Modules of PyTorch's for layers: those that compute the same."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from ... import activations
from ... import layers as L
from ...configured import levels_to_user
from ...layers.cell import RecurrentCell
from .structure import ACTIVATIONS
from .weights import check_cell, levels_of, row_of

#: What PyTorch calls the modules of activations, by ours.
MODULES = {"elu": "ELU"} | {name: module for module, name in ACTIVATIONS.items()}


def modules_of(nn: Any, layer: Any) -> Iterator[tuple[str, Any]]:
    """The modules that stand for a layer, with what their names have behind the layer's; the first has the weights.

    Raises:
        ValueError: PyTorch has none that computes the same.
    """
    layer = layer.layer if isinstance(layer, L.TimeDistributed) else layer
    activation = getattr(layer, "activation", None)
    if isinstance(layer, L.RNN | L.Bidirectional):
        yield from _recurrent(nn, layer)
        return
    made = _plain(nn, layer)
    if made is not None:
        yield "", made
    if activation is not None and activations.serialize(activation) != "linear":
        yield "" if made is None else "_activation", _activation(nn, layer, activations.serialize(activation))
    elif made is None and not isinstance(layer, L.InputLayer | L.Identity | L.Activation):
        raise _refused(layer, "no module of torch.nn computes it")


def _plain(nn: Any, layer: Any) -> Any:
    """The module for a layer without regard to its activation; None where it is nothing more."""
    if isinstance(layer, L.Dense):
        return nn.Linear(layer.kernel.shape[0], layer.units, bias=layer.use_bias)
    if isinstance(layer, L.Embedding):
        if layer.mask_zero:
            raise _refused(layer, "mask_zero=True makes a mask, and PyTorch's modules take none")
        return nn.Embedding(layer.input_dim, layer.output_dim)
    if isinstance(layer, L.LayerNormalization):
        return _normalization(nn, layer)
    if isinstance(layer, L.BatchNormalization):
        return _batch_normalization(nn, layer)
    if isinstance(layer, L.Conv1D):
        return _convolution(nn, layer)
    if isinstance(layer, L.AveragePooling1D | L.MaxPooling1D):
        if layer.padding != "valid":
            raise _refused(layer, f"PyTorch pads otherwise than padding={layer.padding!r}")
        return _of_steps(nn.AvgPool1d if isinstance(layer, L.AveragePooling1D) else nn.MaxPool1d, layer)(
            _one(layer.pool_size), _one(layer.strides)
        )
    if isinstance(layer, L.GlobalAveragePooling1D | L.GlobalMaxPooling1D):
        return _pooling_of_all(nn, layer)
    if isinstance(layer, L.SpatialDropout1D):
        from ...torch.line import ChannelDropout

        return ChannelDropout(layer.rate)
    if isinstance(layer, L.ZeroPadding1D) and layer.data_format == "channels_first":
        return nn.ConstantPad1d(layer.padding, 0.0)
    if type(layer) is L.Dropout:
        if layer.noise_shape is not None:
            raise _refused(layer, "noise_shape has no counterpart")
        return nn.Dropout(layer.rate)
    if isinstance(layer, L.Flatten):
        return nn.Flatten()
    if isinstance(layer, L.LeakyReLU):
        return nn.LeakyReLU(layer.negative_slope)
    if isinstance(layer, L.ELU):
        return nn.ELU(layer.alpha)
    return None


def _activation(nn: Any, layer: Any, name: Any) -> Any:
    if not isinstance(name, str) or name not in MODULES:
        raise _refused(layer, f"no module of torch.nn is the activation {name!r}")
    kind = getattr(nn, MODULES[name])
    return kind(dim=-1) if name.endswith("softmax") else kind()


def _normalization(nn: Any, layer: Any) -> Any:
    rank = len(layer.built_for)
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    places = sorted(axis % rank for axis in axes)
    shape = [layer.built_for[place] for place in places]
    if places != list(range(rank - len(places), rank)) or (layer.center and not layer.scale):
        raise _refused(layer, "PyTorch's is over the last axes, and has no beta without a gamma")
    return nn.LayerNorm(shape, layer.epsilon, elementwise_affine=layer.scale, bias=layer.center)


def _of_steps(kind: Any, layer: Any) -> Any:
    """A class over (batch, channels, time), or one that computes the same over (batch, time, channels)."""
    from ...torch import line

    return kind if layer.data_format == "channels_first" else line.STEPS_FIRST[kind]


def _one(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple) else value)


def _pooling_of_all(nn: Any, layer: Any) -> Any:
    kind = nn.AdaptiveAvgPool1d if isinstance(layer, L.GlobalAveragePooling1D) else nn.AdaptiveMaxPool1d
    if layer.keepdims != (layer.data_format == "channels_first"):
        raise _refused(layer, "with this keepdims PyTorch has no such module")
    return _of_steps(kind, layer)(1)


def _batch_normalization(nn: Any, layer: Any) -> Any:
    from ...torch.line import STEPS_FIRST

    rank = len(layer.built_for)
    axis = layer.axis % rank
    if rank > 3 or axis not in (1, rank - 1) or layer.center != layer.scale:
        raise _refused(layer, "PyTorch's is over the channels of two or three axes, and has gamma and beta or neither")
    kind = nn.BatchNorm1d if axis == 1 else STEPS_FIRST[nn.BatchNorm1d]
    return kind(layer.built_for[axis], layer.epsilon, 1 - layer.momentum, layer.center)


def _convolution(nn: Any, layer: Any) -> Any:
    first = layer.data_format == "channels_first"
    (size,), (stride,), (rate,) = layer.kernel_size, layer.strides, layer.dilation_rate
    causal = layer.padding == "causal"
    if (layer.padding == "same" and stride > 1) or (causal and first):
        raise _refused(layer, f"PyTorch has no padding={layer.padding!r} with these strides or this data_format")
    module = _of_steps(nn.Conv1d, layer)(
        layer.channels,
        layer.filters,
        size,
        stride,
        "same" if layer.padding == "same" else 0,
        rate,
        layer.groups,
        layer.use_bias,
    )
    if causal:
        module.causal = True
    return module


def _recurrent(nn: Any, layer: Any) -> Iterator[tuple[str, Any]]:
    from ...torch.line import Ends

    levels = levels_of([layer])
    first: Any = levels[0][0]
    for cell in (cell for level in levels for cell in level):
        if (type(cell), cell.units, cell.output_size, cell.use_bias, cell.options) != (
            *(type(first), first.units, first.output_size, first.use_bias, first.options),
        ):
            raise _refused(layer, "its cells differ, and those of a module of PyTorch's do not")
        _warn(layer, cell)
    if layer.stateful or layer.return_state:
        raise _refused(layer, "stateful and return_state have no counterpart in a line of modules")
    check_cell(first)
    options: dict[str, Any] = {}
    if first.contract.G == 1:
        options["nonlinearity"] = first.options["activation"]
    directions, row = len(levels[0]), row_of(first)
    assert row is not None
    if first.output_size != first.units:
        options["proj_size"] = first.output_size
    yield (
        "",
        getattr(nn, row.names["torch"])(
            first.kernel.shape[0],
            first.units,
            num_layers=len(levels),
            bias=first.use_bias,
            batch_first=True,
            bidirectional=directions == 2,
            **options,
        ),
    )
    if not layer.return_sequences:
        yield "_last", Ends(first.output_size, directions)


def _warn(layer: Any, cell: RecurrentCell) -> None:
    if cell.zoneout:
        raise _refused(layer, "of its states a part stays, by zoneout")
    if cell.dropout or cell.recurrent_dropout:
        warnings.warn(
            f"dropout of {layer.name} is left out: PyTorch draws it for each step, and between layers alone",
            stacklevel=levels_to_user(),
        )


def _refused(layer: Any, why: str) -> ValueError:
    return ValueError(f"expected layers that PyTorch has, got {layer.name}, a {type(layer).__name__}: {why}")
