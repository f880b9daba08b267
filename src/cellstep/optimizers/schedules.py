"""Learning rates that depend on the number of steps done, as in `keras.optimizers.schedules`.

    optimizers.Adam(optimizers.schedules.CosineDecay(1e-3, decay_steps=10_000))

`step` counts from 0: the first update takes `schedule(0)`. Sources: Loshchilov and Hutter 2017 (cosine, restarts).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..configured import Configured
from ..core import brief, check_bool, check_named
from ..core import check_number as number
from ..exports import public
from ..lookup import Lookup, both


class LearningRateSchedule(Configured):
    """A function from a step to a learning rate. A subclass lists its constructor's arguments in `arguments`."""

    def __call__(self, step: int) -> float:
        raise NotImplementedError(f"{type(self).__name__}.__call__ is not written")


def _steps(name: str, value: Any, zero: bool = False) -> float:
    """A number of steps, an int where it is one."""
    if number(name, value, *([0] if zero else [])) <= 0 and not zero:
        raise ValueError(f"{name} must be positive, got {value!r}")
    return value if isinstance(value, int) else float(value)


class _Decay(LearningRateSchedule):
    """By a factor each decay_steps; with staircase at once, not little by little."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = number("initial_learning_rate", initial_learning_rate, 0)
        self.decay_steps = _steps("decay_steps", decay_steps)
        self.decay_rate = number("decay_rate", decay_rate, 0)
        self.staircase = check_bool("staircase", staircase)
        self.name = check_named(name, type(self).__name__)

    def periods(self, step: int) -> float:
        p = step / self.decay_steps
        return math.floor(p) if self.staircase else p


class ExponentialDecay(_Decay):
    """initial_learning_rate * decay_rate ** (step / decay_steps); staircase takes the whole part of the exponent."""

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate * _power(self.decay_rate, self.periods(step))


class InverseTimeDecay(_Decay):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps); staircase takes the whole part of the ratio."""

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate / (1 + self.decay_rate * self.periods(step))


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[0] up to and with step boundaries[0], then values[1] up to and with boundaries[1], and so on."""

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str | None = "PiecewiseConstant"
    ) -> None:
        for argument, entries in (("boundaries", boundaries), ("values", values)):
            if not isinstance(entries, list | tuple | np.ndarray):
                raise TypeError(f"{argument} must be a list of numbers, got {brief(entries)}")
            for entry in entries:
                number(argument, entry, *([0] if argument == "values" else []))
        if len(boundaries) != len(values) - 1 or not len(boundaries):
            raise ValueError(
                f"boundaries must be 1 or more, and values one more than those, got {len(boundaries)} and {len(values)}"
            )
        if any(a >= b for a, b in pairwise(boundaries)):
            raise ValueError(f"boundaries must increase, got {list(boundaries)}")
        self.boundaries, self.values = list(boundaries), [number("values", v, 0) for v in values]
        self.name = check_named(name, "PiecewiseConstant")

    def __call__(self, step: int) -> float:
        return self.values[sum(step > b for b in self.boundaries)]


class PolynomialDecay(LearningRateSchedule):
    """From initial to end_learning_rate in decay_steps, as (1 - step / decay_steps) ** power.

    Args:
        cycle: when done, start again with decay_steps as long as the next multiple of it, and so never quite end.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = number("initial_learning_rate", initial_learning_rate, 0)
        self.decay_steps = _steps("decay_steps", decay_steps)
        self.end_learning_rate = number("end_learning_rate", end_learning_rate, 0)
        self.power = number("power", power, 0)
        self.cycle = check_bool("cycle", cycle)
        self.name = check_named(name, "PolynomialDecay")

    def __call__(self, step: int) -> float:
        steps = self.decay_steps
        if self.cycle:
            steps *= max(1, math.ceil(step / steps))
        left = 1 - min(step, steps) / steps
        return float((self.initial_learning_rate - self.end_learning_rate) * left**self.power + self.end_learning_rate)


class CosineDecay(LearningRateSchedule):
    """Half a wave of a cosine from the initial rate down to alpha times it, in decay_steps.

    Args:
        alpha: where it ends, as a share of where the decay began.
        warmup_target, warmup_steps: first rise from initial_learning_rate to warmup_target in so many steps, on a
            straight line; the decay begins there.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str | None = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate = number("initial_learning_rate", initial_learning_rate, 0)
        self.decay_steps = _steps("decay_steps", decay_steps)
        self.alpha = number("alpha", alpha, 0)
        self.name = check_named(name, "CosineDecay")
        self.warmup_target = None if warmup_target is None else number("warmup_target", warmup_target, 0)
        self.warmup_steps = _steps("warmup_steps", warmup_steps, zero=True)

    def __call__(self, step: int) -> float:
        start, top, warm = self.initial_learning_rate, self.warmup_target, self.warmup_steps
        if top is None:
            top, warm = start, 0
        elif step < warm:
            return start + (top - start) * step / warm
        done = min(step - warm, self.decay_steps) / self.decay_steps
        return top * ((1 - self.alpha) * _half_wave(done) + self.alpha)


class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decays one after another, each t_mul times as long as the one before, starting at m_mul times its rate.

    Args:
        first_decay_steps: the length of the first.
        alpha: where they end, as a share of initial_learning_rate.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str | None = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = number("initial_learning_rate", initial_learning_rate, 0)
        self.first_decay_steps = _steps("first_decay_steps", first_decay_steps)
        self.t_mul = number("t_mul", t_mul, 1)
        self.m_mul = number("m_mul", m_mul, 0)
        self.alpha = number("alpha", alpha, 0)
        self.name = check_named(name, "SGDRDecay")

    def __call__(self, step: int) -> float:
        done, restarts, length = step / self.first_decay_steps, 0, 1.0
        if self.t_mul == 1:
            restarts, done = int(done), done % 1
        else:
            # lengths are added up, not found by a logarithm, whose rounding would move a restart by a step
            while done >= length:
                done, restarts, length = done - length, restarts + 1, length * self.t_mul
            done /= length
        wave = _power(self.m_mul, restarts) * _half_wave(done)
        return self.initial_learning_rate * ((1 - self.alpha) * wave + self.alpha)


def _power(base: float, exponent: float) -> float:
    """base ** exponent; infinity where that is too large for a float."""
    with np.errstate(over="ignore"):
        return float(np.float64(base) ** exponent)


def _half_wave(done: float) -> float:
    """From 1 at 0 to 0 at 1."""
    return 0.5 * (1 + math.cos(math.pi * done))


_CLASSES = (ExponentialDecay, PiecewiseConstantDecay, PolynomialDecay, InverseTimeDecay, CosineDecay)
_LOOKUP: Lookup[LearningRateSchedule] = Lookup(
    "learning rate schedule",
    LearningRateSchedule,
    {c.__name__: c for c in (*_CLASSES, CosineDecayRestarts)},
)

serialize, deserialize = both(lambda config: _LOOKUP.get(config, "learning_rate"))


__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]

__dir__ = public(globals())
