"""Random modules of PyTorch's one after another, for the tests of bridges."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import nn

from cellstep.torch.line import Line


def line(seed: int, projected: bool = False) -> tuple[Any, tuple[int, ...], bool]:
    """Random modules, the shape of their inputs without the batch, and whether these are integers."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    features, integers = draw.randint(1, 5), draw.random() < 0.4
    shape: tuple[int, ...] = (6,) if integers else (6, features)
    modules: list[nn.Module] = [nn.Embedding(9, features)] if integers else []
    for _ in range(draw.randint(1, 4)):
        what = draw.choice(["recurrent", "recurrent", "cell", "linear", "norm", "activation", "dropout", "nested"])
        units, bias = draw.randint(1, 6), draw.random() < 0.7
        if what == "recurrent":
            kind = draw.choice([nn.RNN, nn.LSTM, nn.GRU])
            options: dict[str, Any] = {"num_layers": draw.choice([1, 1, 2, 3]), "bias": bias}
            options |= {"bidirectional": draw.random() < 0.4, "batch_first": True}
            if options["num_layers"] > 1:
                options["dropout"] = draw.choice([0.0, 0.3])
            if kind is nn.RNN:
                options["nonlinearity"] = draw.choice(["tanh", "relu"])
            if kind is nn.LSTM and projected and units > 1:
                options["proj_size"] = draw.randint(1, units - 1)
            modules.append(kind(features, units, **options))
            features = (options.get("proj_size") or units) * (1 + options["bidirectional"])
        elif what == "cell":
            modules.append(OverTime(draw.choice([nn.RNNCell, nn.LSTMCell, nn.GRUCell])(features, units, bias)))
            features = units
        elif what in ("linear", "nested"):
            linear = nn.Linear(features, units, bias)
            modules.append(nn.Sequential(linear, nn.Tanh()) if what == "nested" else linear)
            features = units
        elif what == "norm":
            modules.append(nn.LayerNorm(features, draw.choice([1e-5, 0.1]), draw.random() < 0.7, bias))
        else:
            modules.append(nn.Sigmoid() if what == "activation" else nn.Dropout(0.4))
    if not any(hasattr(part, "weight_hh_l0") for part in modules):
        modules.append(nn.GRU(features, 2, batch_first=True))
    return Line(*modules), shape, integers


class OverTime(nn.Module):
    """A cell, run over sequences."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state, outputs = None, []
        for step in x.unbind(1):
            state = self.cell(step, state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outputs, 1)


def inputs(shape: tuple[int, ...], integers: bool, seed: int = 1) -> Any:
    draw = np.random.default_rng(seed)
    return draw.integers(0, 9, (3, *shape)) if integers else draw.standard_normal((3, *shape)).astype(np.float32)


def close(a: Any, b: Any, tolerance: float = 1e-5) -> None:
    a = a.detach().numpy() if isinstance(a, torch.Tensor) else a
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def unwrapped(module: Any) -> Any:
    """A line with cells in the place of what runs them."""
    return Line(*(part.cell if isinstance(part, OverTime) else part for part in module))


def of_prefixes(module: Any, model: Any) -> dict[str, list[Any]]:
    """The layers of a model that was made of a module, by prefix."""
    weighted = [layer for layer in model.layers if layer.weights]
    found: dict[str, list[Any]] = {}
    for prefix, part in module.named_modules():
        if list(part.parameters(recurse=False)):
            count = getattr(part, "num_layers", 1)
            found[f"{prefix}."], weighted = weighted[:count], weighted[count:]
    assert not weighted
    return found
