"""Modules of PyTorch's for layers: those that compute the same."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from ... import activations
from ... import layers as L
from ...layers.cell import RecurrentCell
from .structure import ACTIVATIONS
from .weights import check_cell, levels_of

#: What PyTorch calls the modules of activations, by ours.
MODULES = {name: module for module, name in ACTIVATIONS.items()}


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
    if isinstance(layer, L.Conv1D):
        return _convolution(nn, layer)
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


def _convolution(nn: Any, layer: Any) -> Any:
    from ...torch.line import StepsFirst

    first = layer.data_format == "channels_first"
    (size,), (stride,), (rate,) = layer.kernel_size, layer.strides, layer.dilation_rate
    causal = layer.padding == "causal"
    if (layer.padding == "same" and stride > 1) or (causal and first):
        raise _refused(layer, f"PyTorch has no padding={layer.padding!r} with these strides or this data_format")
    module = (nn.Conv1d if first else StepsFirst)(
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
    first: Any = levels[0].cells[0]
    for cell in (cell for level in levels for cell in level.cells):
        if (type(cell), cell.units, cell.use_bias, cell.options) != (
            *(type(first), first.units, first.use_bias, first.options),
        ):
            raise _refused(layer, "its cells differ, and those of a module of PyTorch's do not")
        _warn(layer, cell)
    if layer.stateful or layer.return_state:
        raise _refused(layer, "stateful and return_state have no counterpart in a line of modules")
    check_cell(first)
    options: dict[str, Any] = {}
    if first.contract.G == 1:
        options["nonlinearity"] = first.options["activation"]
    directions = len(levels[0].cells)
    yield (
        "",
        getattr(nn, first.contract.names["torch"])(
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
        yield "_last", Ends(first.units, directions)


def _warn(layer: Any, cell: RecurrentCell) -> None:
    if cell.dropout or cell.recurrent_dropout:
        warnings.warn(
            f"dropout of {layer.name} is left out: PyTorch draws it for each step, and between layers alone",
            stacklevel=6,
        )


def _refused(layer: Any, why: str) -> ValueError:
    return ValueError(f"expected layers that PyTorch has, got {layer.name}, a {type(layer).__name__}: {why}")
