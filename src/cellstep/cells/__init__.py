"""Cells written as their equations: the base of those of your own, and known variants.

Each variant is a cell, and has its layer: `cells.MGU(32)` for `layers.RNN`, `cells.MGU.Layer(32)` for a model. Their
attributes besides those of every cell are arguments of the constructor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..exports import lazy

__all__ = [
    "CTRNN",
    "JANET",
    "LRU",
    "LTC",
    "MGU",
    "QRNN",
    "SLSTM",
    "SRU",
    "UGRNN",
    "AugmentedLSTM",
    "Cell",
    "CfC",
    "ClippedLSTM",
    "CoupledLSTM",
    "IndRNN",
    "LayerNormGRU",
    "LayerNormLSTM",
    "MinGRU",
    "MinLSTM",
    "PeepholeLSTM",
    "ProjectionLSTM",
]

if TYPE_CHECKING:
    from .cell import Cell
    from .continuous import CTRNN, LTC, CfC
    from .gated import JANET, MGU, UGRNN, IndRNN, LayerNormGRU
    from .lstms import SLSTM, AugmentedLSTM, ClippedLSTM, CoupledLSTM, LayerNormLSTM, PeepholeLSTM, ProjectionLSTM
    from .parallel import LRU, QRNN, SRU, MinGRU, MinLSTM

_PLACES = {
    ".cell": "Cell",
    ".continuous": "CTRNN, LTC, CfC",
    ".gated": "JANET, MGU, UGRNN, IndRNN, LayerNormGRU",
    ".lstms": "SLSTM, AugmentedLSTM, ClippedLSTM, CoupledLSTM, LayerNormLSTM, PeepholeLSTM, ProjectionLSTM",
    ".parallel": "LRU, QRNN, SRU, MinGRU, MinLSTM",
}

lazy(globals(), _PLACES)


def place_of(name: str) -> str | None:
    """The module of the variant that a class is, or is the layer of; None for other classes."""
    names = {each: module for module, listed in _PLACES.items() for each in listed.split(", ")}
    module = names.get(name.removesuffix("Layer"))
    return None if module in (None, ".cell") else f"{__name__}{module}"
