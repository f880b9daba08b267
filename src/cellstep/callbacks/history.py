"""History: what fit returns."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import replacing
from ..core import check_natural, check_path
from .base import Callback, Logs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _epochs(name: str, value: Any) -> list[int]:
    if not isinstance(value, list):
        raise TypeError(f"{name} must be a list of numbers of epochs, got {value!r}")
    return [check_natural(name, epoch) for epoch in value]


def _values(name: str, value: Any) -> dict[str, list[Any]]:
    if not isinstance(value, dict) or not all(isinstance(part, list) for part in value.values()):
        raise TypeError(f"{name} must be a dictionary of lists, got {value!r}")
    return value


class History(Callback):
    """The logs of every epoch.

    Attributes:
        history: name to the list of its values, one an epoch: `loss`, `accuracy`, `val_loss`, ...
        epoch: the numbers of the epochs, from 0 or from `initial_epoch`.
        epochs_of: name to the epochs that its values are of: not all where `validation_freq` leaves some out.
        params: {"verbose", "epochs", "steps"} of the call of fit.
    """

    _state_checks = {"epoch": _epochs, "epochs_of": _values, "history": _values}

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.epochs_of: dict[str, list[int]] = {}

    def __repr__(self) -> str:
        return f"<History of {len(self.epoch)} epochs: {', '.join(self.history)}>"

    def plot(self, path: str | Path | None = None) -> Figure:
        """A panel for each loss and metric, training and validation in it, epoch by epoch.

        Args:
            path: a file for it, .png, .svg or .pdf.

        Returns:
            a matplotlib Figure, which belongs to no pyplot window: a notebook shows it, `savefig` writes it.

        Raises:
            ImportError: matplotlib is missing. ValueError: no epoch has ended, or path ends otherwise.
        """
        from .curves import draw

        file = None if path is None else check_path("path", path)
        if file is not None and file.suffix not in (".png", ".svg", ".pdf"):
            raise ValueError(f"path must end in .png, .svg or .pdf, got {str(path)!r}")
        figure = draw(self.history, self.epochs_of)
        if file is not None:
            with replacing(file) as opened:
                figure.savefig(opened, format=file.suffix[1:])
        return figure

    def _repr_html_(self) -> str:
        """For notebooks: of each value the last, the lowest and the highest."""
        rows = [
            f"<tr><td>{escape(name)}</td><td>{values[-1]:.4g}</td><td>{min(values):.4g}</td><td>{max(values):.4g}</td></tr>"
            for name, values in self.history.items()
            if values
        ]
        head = "<tr><th></th><th>last</th><th>lowest</th><th>highest</th></tr>"
        return f"<p>{len(self.epoch)} epochs</p><table>{head}{''.join(rows)}</table>"

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self.epochs_of.setdefault(name, []).append(epoch)
