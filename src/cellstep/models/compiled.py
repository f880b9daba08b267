"""Compiled: the optimizer, the losses and the metrics of a model, and the numbers that it gathers.

With one output everything is for it. With several, each has its own loss, its own part of the metrics, and its name in
front of theirs in the logs, as in Keras.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import losses, metrics, optimizers
from ..configured import of_package
from ..core import brief
from ..layers.locks import new_lock
from ..losses import Loss
from ..metrics import Metric
from . import metric_states

if TYPE_CHECKING:
    from .scoring import Scored

#: The key in logs, the metric, its output, and whether it sees weights.
Entry = tuple[str, Metric, int, bool]


class Compiled:
    """What `compile` was given, looked up and checked.

    Args:
        optimizer: a name or an object.
        loss: a name or an object for all outputs; a list, one an output; a dictionary by names of outputs. None in
            them is no loss.
        loss_weights: a number for each loss, in the same form; one number where there is one output.
        plain: metrics that see the mask but no weights; a list, for several outputs a list of lists or a dictionary.
        weighted: metrics that see both.

    Raises:
        ValueError, TypeError: an unknown name, or no such thing at all.
    """

    def __init__(self, optimizer: Any, loss: Any, loss_weights: Any, plain: Any, weighted: Any) -> None:
        self.optimizer = optimizers.get(optimizer)
        self.asked_loss, self.asked_weights = loss, loss_weights
        self.loss = _looked_up(loss)
        self.asked = [("metrics", plain, False), ("weighted_metrics", weighted, True)]
        for name, value, _ in self.asked:
            if value is not None and not isinstance(value, list | tuple | dict):
                raise TypeError(f"{name} must be a list or a dictionary, got {value!r}")
            for identifier in _leaves(value):
                metrics.check(identifier)
        #: Whether losses and metrics take each step of a sequence by itself.
        self.by_step = all(loss.by_step for loss in _leaves(self.loss)) and all(
            metrics.by_step(identifier) for _, value, _ in self.asked for identifier in _leaves(value)
        )
        _check_weights(loss_weights)
        self._tracker: Any = _mean("loss")
        self._parts: list[Any] = []
        self._built: list[Entry] | None = None if any(_leaves(value) for _, value, _ in self.asked) else []
        #: Whether all metrics are this package's, whose results can be asked for at any time.
        self.plain_metrics = True
        self.losses: list[Loss | None] | None = None
        self.weights: list[float | None] = []
        #: States that the metrics take over before the next batch.
        self.pending: list[Any] = []
        #: Held by the thread whose call has these metrics, and by the one that trains.
        self.owned, self.training = new_lock(), new_lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("owned", "training")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, owned=new_lock(), training=new_lock())

    def apart(self) -> Compiled:
        """The same with metrics of its own, which begin anew."""
        apart = copy.copy(self)
        apart.training, apart.pending = self.training, []
        # in this order: another thread may be making them, the losses last, and the copy may be from before that
        apart.losses = self.losses
        apart.weights = self.weights
        apart._built, apart.asked, parts = copy.deepcopy((self._built, self.asked, self._parts))
        apart._parts = [] if apart.losses is None else parts
        apart._tracker = _mean("loss")
        for metric in (*apart.metrics, *(a for _, value, _ in apart.asked for a in _leaves(value))):
            if isinstance(metric, Metric):
                metric.reset_state()
        return apart

    def take_over(self, other: Compiled) -> None:
        """Let the metrics have the values that those of a call apart have gathered."""
        if self._built is None:
            return
        for metric, values in zip(self.metrics, other.metrics, strict=False):
            vars(metric).update(vars(values))

    def outputs(self, names: Sequence[str | None]) -> list[Loss | None]:
        """The loss of each output, once their names are known.

        Raises:
            ValueError: the losses, or their weights, are for other outputs.
        """
        if self.losses is None:
            n = len(names)
            kinds = _by_output("loss", self.loss, names, spread=True)
            weights = self.asked_weights
            if isinstance(weights, int | float):
                weights = [weights] * n if n == 1 or not isinstance(self.loss, list | tuple | dict) else weights
            self.weights = _by_output("loss_weights", weights, names, spread=False)
            if all(loss is None for loss in kinds):
                raise ValueError("loss must be given for one output at least, got None for all")
            parts: list[Metric] = []
            if sum(loss is not None for loss in kinds) > 1:
                for i, loss in enumerate(kinds):
                    if loss is not None:
                        parts.append(_mean(_free(f"{names[i] or i}_loss", {metric.name for metric in parts})))
            self._parts, self.losses = parts, kinds
        if len(self.losses) != len(names):
            raise ValueError(f"expected {len(self.losses)} outputs, as in the first batch, got {len(names)}")
        return self.losses

    @property
    def metrics(self) -> list[Metric]:
        """The mean of the loss, then those of its parts, then the metrics. What depends on shapes appears with the
        first batch."""
        return [self._tracker, *self._parts, *(entry[1] for entry in self._built or ())]

    @property
    def alone(self) -> Loss | None:
        """The loss of the only output, once a batch was seen, where it has no weight; else None."""
        return self.losses[0] if self.losses is not None and self.weights == [None] and not self.pending else None

    @property
    def idle(self) -> bool:
        """Whether nothing was added to the mean of the loss."""
        return not self._tracker.count

    @property
    def metrics_built(self) -> bool:
        """Whether the metrics know the outputs."""
        return self._built is not None

    def build_metrics(self, names: Sequence[str | None], outputs: Sequence[Scored]) -> None:
        """Make the metrics for such targets and outputs; does nothing where they are made."""
        if self._built is None:
            built = self._build(names, outputs)
            self.plain_metrics = all(of_package(type(entry[1])) for entry in built)
            self._built = built

    def measure(self, names: Sequence[str | None], outputs: Sequence[Scored]) -> None:
        """Add a batch to the metrics."""
        if self._built is None:
            self.build_metrics(names, outputs)
        if self.pending:
            self._resume()
        for _, metric, i, weighted in self._built or ():
            output = outputs[i]
            metric.update_from(output.target, output.y, output.weight if weighted else None, output.mask)

    def states(self) -> list[Any]:
        """What each of `metrics` has gathered, to become `pending` in another run."""
        return [metric_states.state(metric) for metric in self.metrics]

    def _resume(self) -> None:
        """Give the metrics the states that are pending.

        Raises:
            ValueError: they are those of other metrics.
        """
        if self.pending:
            states, self.pending = self.pending, []
            metric_states.take_over(self.metrics, states)

    def track(self, value: float, parts: Sequence[float], rows: float) -> None:
        """Add a batch to the means of the total loss and of the losses of the outputs, which count once a row."""
        if (parts and self._parts) or self.pending:
            self.track_parts(parts, rows)
        self._tracker.total += float(value) * rows
        self._tracker.count += rows

    def track_parts(self, parts: Sequence[float], rows: float) -> None:
        """Add a batch to the means of the losses of the outputs alone."""
        self._resume()
        for tracker, number in zip(self._parts, parts, strict=False):
            tracker.total += float(number) * rows
            tracker.count += rows

    def results(self) -> dict[str, Any]:
        """The means so far: `loss` first, then its parts, then the metrics; of several outputs by name, as in Keras.

        A metric whose result is an array gives that; of one that gives a dictionary the entries count as metrics.
        """
        values: dict[str, Any] = {tracker.name: tracker.result() for tracker in (self._tracker, *self._parts)}
        entries = self._built or []
        if self.losses is not None and len(self.losses) > 1:
            entries = sorted(entries, key=lambda entry: entry[0])
        for name, metric, _, _ in entries:
            result = metric.result()
            values |= result if isinstance(result, dict) else {name: result}
        return values

    def _build(self, names: Sequence[str | None], outputs: Sequence[Scored]) -> list[Entry]:
        built: list[Entry] = []
        taken = {metric.name for metric in (self._tracker, *self._parts)}
        for argument, value, weighted in self.asked:
            if not _leaves(value):
                continue
            groups = [_leaves(value)] if len(names) == 1 else _by_output(argument, value, names, spread=False)
            for i, group in enumerate(groups):
                for identifier in _leaves(group):
                    target = outputs[i].target
                    if target is None:
                        raise ValueError(f"{argument} of output {names[i] or i} needs y for it, got None")
                    metric = metrics.get(identifier, target.shape, outputs[i].y.shape)
                    prefix = f"{names[i] or i}_" if len(names) > 1 else ""
                    stem = prefix + metric.name
                    if weighted and stem in taken:
                        stem = f"{prefix}weighted_{metric.name}"
                    name = _free(stem, taken)
                    taken.add(name)
                    built.append((name, metric, i, weighted))
        return built


def _free(stem: str, taken: set[str]) -> str:
    """The stem, or with the first number behind it that makes a new name."""
    name, number = stem, 0
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    return name


def _mean(name: str) -> Any:
    tracker = metrics.Mean(name)
    tracker.direction = "down"
    return tracker


def _looked_up(loss: Any) -> Any:
    """Names turned into losses, in the same form."""
    if isinstance(loss, dict):
        return {key: _looked_up(part) for key, part in loss.items()}
    if isinstance(loss, list | tuple):
        return [_looked_up(part) for part in loss]
    return None if loss is None else losses.get(loss)


def _leaves(value: Any) -> list[Any]:
    """What is in lists and dictionaries, without None."""
    if value is None:
        return []
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for part in value for leaf in _leaves(part)] if isinstance(value, list | tuple) else [value]


def _by_output(argument: str, value: Any, names: Sequence[str | None], spread: bool) -> list[Any]:
    """One entry an output: from a list, from a dictionary by names, or with `spread` the same for all.

    Raises:
        ValueError: a list of another length, or a name that no output has.
    """
    n = len(names)
    if value is None:
        return [None] * n
    if isinstance(value, dict):
        unknown = [key for key in value if key not in names]
        if unknown:
            listed = ", ".join(map(repr, names))
            raise ValueError(f"{argument} must have names of outputs ({listed}) for keys, got {unknown[0]!r}")
        return [value.get(name) for name in names]
    if isinstance(value, list | tuple):
        if len(value) != n:
            raise ValueError(f"{argument} must have {n} entries, one an output, got {len(value)}")
        return list(value)
    if not spread:
        raise ValueError(
            f"{argument} must be a list or a dictionary with an entry for each of {n} outputs, got {value!r}"
        )
    return [value] * n


def _check_weights(weights: Any) -> None:
    for weight in _leaves(weights):
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise TypeError(f"loss_weights must hold numbers, got {weight!r}")
        if not abs(weight) <= sys.float_info.max:
            raise ValueError(f"loss_weights must hold finite numbers, got {brief(weight)}")
