"""Gathered: what metrics have gathered, as numbers and arrays that another run can go on with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import brief
from ..layers.structure import held
from ..metrics import Metric

if TYPE_CHECKING:
    from .trainer import Trainer


def state(metric: Metric) -> dict[str, Any]:
    """The numbers and arrays among the attributes of a metric, its weights, and the states of metrics inside it."""
    return {
        "attributes": {name: value for name, value in vars(metric).items() if _plain(value)},
        "weights": [weight.numpy() for weight in metric._variables],
        "inside": [state(part) for part in held(metric, Metric)],
    }


def states_of(trainer: Trainer) -> dict[str, Any]:
    """What all metrics of a model have gathered, for `resume`."""
    compiled = trainer.ready("metric_states", "train_step")
    return {"compiled": compiled.states(), "own": [state(metric) for metric in trainer.own_metrics()]}


def resume(trainer: Trainer, states: Any) -> None:
    """Go on with what equal metrics of a model had gathered; those that the first batch makes do so then.

    Raises:
        ValueError: the states are those of other metrics; nothing was changed.
    """
    if not isinstance(states, dict) or states.keys() != {"compiled", "own"} or not isinstance(states["compiled"], list):
        raise ValueError(f"expected metrics to be compiled and own, got {brief(states)}")
    take_over(trainer.own_metrics(), states["own"])
    trainer.ready("metric_states", "train_step").pending = states["compiled"]


def take_over(metrics: Sequence[Metric], states: Any) -> None:
    """Let metrics go on with states that equal ones had.

    Raises:
        ValueError: they are those of other metrics; nothing was changed.
    """
    if not isinstance(states, list) or len(states) != len(metrics):
        got = len(states) if isinstance(states, list) else type(states).__name__
        raise ValueError(f"expected states of {len(metrics)} metrics, got {got}")
    for metric, saved in zip(metrics, states, strict=True):
        _check(metric, saved)
    for metric, saved in zip(metrics, states, strict=True):
        _set(metric, saved)


def _check(metric: Metric, saved: Any) -> None:
    own = state(metric)
    fits = isinstance(saved, dict) and saved.keys() == own.keys() and isinstance(saved["attributes"], dict)
    fits = (
        fits
        and saved["attributes"].keys() == own["attributes"].keys()
        and all(map(_plain, saved["attributes"].values()))
    )
    fits = fits and all(isinstance(saved[k], list) and len(saved[k]) == len(own[k]) for k in ("weights", "inside"))
    fits = fits and all(np.shape(a) == b.shape for a, b in zip(saved["weights"], own["weights"], strict=True))
    if not fits:
        names = ", ".join(own["attributes"])
        raise ValueError(f"expected the state of {metric.name} to hold numbers for {names}, got others")
    for part, inner in zip(held(metric, Metric), saved["inside"], strict=True):
        _check(part, inner)


def _set(metric: Metric, saved: dict[str, Any]) -> None:
    vars(metric).update(saved["attributes"])
    for weight, value in zip(metric._variables, saved["weights"], strict=True):
        weight.assign(value)
    for part, inner in zip(held(metric, Metric), saved["inside"], strict=True):
        _set(part, inner)


def _plain(value: Any) -> bool:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return value is None or number or (isinstance(value, np.ndarray) and value.dtype.kind in "fiub")
