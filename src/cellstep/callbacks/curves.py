"""The picture of a History: how losses and metrics went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(history: Mapping[str, Sequence[float]], epochs: Mapping[str, Sequence[int]]) -> Figure:
    """A panel for each quantity, that of training and of validation (`val_`) in it, over the epochs of each.

    Raises:
        ImportError: matplotlib is missing. ValueError: there is nothing to draw.
    """
    names = list(dict.fromkeys(name.removeprefix("val_") for name in history))
    if not names:
        raise ValueError("history must hold the values of one epoch at least, got none")
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ModuleNotFoundError as error:
        raise ImportError("the picture of a history needs matplotlib: pip install 'cellstep[lab]'") from error
    figure = Figure(figsize=(6.4, 2.6 * len(names)), layout="constrained")
    for name, axis in zip(names, figure.subplots(len(names), 1, squeeze=False)[:, 0], strict=True):
        for key, label, style in ((name, "training", "-"), (f"val_{name}", "validation", "--")):
            values = history.get(key, ())
            if values:
                at = epochs.get(key, ())
                at = at if len(at) == len(values) else range(len(values))  # where a user filled the history
                axis.plot(1 + np.array(at), values, style, label=label, marker="." if len(values) == 1 else None)
        axis.set_ylabel(name.replace("_", " "))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        if len(axis.lines) > 1:
            axis.legend()
    axis.set_xlabel("epoch")
    return figure
