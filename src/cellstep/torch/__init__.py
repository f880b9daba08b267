"""PyTorch modules that run cellstep's kernels: LSTM, GRU, RNN and their cells, as in torch.nn.

    from cellstep.torch import LSTM, accelerate
    accelerate(model)  # every nn.LSTM, nn.GRU, nn.RNN and their cells inside a model, in place

PyTorch is needed here and nowhere else in cellstep.
"""

from __future__ import annotations

try:
    import torch as _  # noqa: F401 - only to say in one sentence what is missing
except ModuleNotFoundError as error:
    raise ImportError("cellstep.torch needs PyTorch: pip install 'cellstep[torch]'") from error

from ..exports import public
from .cells import GRUCell, LSTMCell, RNNCell
from .modules import GRU, LSTM, RNN
from .swapping import accelerate, restore

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell", "accelerate", "restore"]

__dir__ = public(globals())
