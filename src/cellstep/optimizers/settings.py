"""Settings: what every optimizer can be told: its learning rate, clipping, decay, averages, accumulation.

They are checked and written down here; `base` says what they do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypedDict

from .. import registry
from ..configured import Configured
from ..core import check_bool, check_count, check_named
from ..core import check_number as number
from ..layers.values import Attribute, Values
from . import schedules
from .schedules import LearningRateSchedule

Rate = float | Values | LearningRateSchedule | Callable[[], float]


class Options(TypedDict, total=False):
    """The arguments that all optimizers share; `Settings` says what they mean."""

    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


class Settings(Configured):
    """The arguments of all optimizers.

    Args:
        learning_rate: a number >= 0, settable later; a schedule; or a function without arguments.
        weight_decay: before each update, take this times the learning rate of each weight away.
        clipnorm: scale each variable's gradient down to this norm.
        clipvalue: bound each entry of the gradients to [-clipvalue, clipvalue].
        global_clipnorm: scale all gradients down together to this norm. Only one of the three can be given.
        use_ema: keep a moving average of the weights, which `fit` puts into the model when it ends, and
            `finalize_variable_values` in a loop of one's own.
        ema_momentum: how much of the average a step keeps.
        ema_overwrite_frequency: put the average into the weights after each so many updates too.
        loss_scale_factor: the gradients that come are those of the loss times this; training scales it by `scale_loss`.
        gradient_accumulation_steps: update once in so many steps, by the mean of their gradients.
        name: the class name in lower case by default.

    Raises:
        ValueError: a number out of range, or more than one way of clipping.
    """

    _uncalled: ClassVar[Mapping[str, str]] = {
        "update_step": "write update(flat, rate, step), which changes flat.value from flat.grad, and name slots",
        "learning_rate": "give the constructor a schedule, or a function without arguments",
        "stateless_apply": "override apply(grads, trainable_variables)",
    } | dict.fromkeys(("assign", "assign_add", "assign_sub"), "write update(flat, rate, step)")

    _shared = ("learning_rate", *Options.__annotations__)

    #: Steps done, for a learning rate that follows a schedule.
    _calls = 0

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
    ) -> None:
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        limits = {key: _positive(key, value) for key, value in clips.items() if value is not None}
        if len(limits) > 1:
            raise ValueError(f"only one of clipnorm, clipvalue and global_clipnorm can be given, got {limits}")
        self.name = check_named(name, type(self).__name__.lower())
        self._rate: Rate = 0.0
        self.learning_rate = learning_rate
        self.weight_decay = None if weight_decay is None else number("weight_decay", weight_decay, 0)
        self.clipnorm, self.clipvalue, self.global_clipnorm = (limits.get(key) for key in clips)
        self.use_ema = check_bool("use_ema", use_ema)
        self.ema_momentum = number("ema_momentum", ema_momentum, 0, 1)
        every = ema_overwrite_frequency
        self.ema_overwrite_frequency = None if every is None else check_count("ema_overwrite_frequency", every)
        scale = loss_scale_factor
        self.loss_scale_factor = None if scale is None else _positive("loss_scale_factor", scale)
        steps = gradient_accumulation_steps
        self.gradient_accumulation_steps = None if steps is None else check_count("gradient_accumulation_steps", steps)
        if steps == 1:
            raise ValueError("gradient_accumulation_steps must be 2 or more, or None, got 1")

    @property
    def learning_rate(self) -> Attribute:
        """The learning rate of the next step, a variable (): `float` gives its number, `assign` sets another."""
        return Attribute(self, "rate", "learning_rate")

    @learning_rate.setter
    def learning_rate(self, value: Rate) -> None:
        self.rate = value

    @property
    def rate(self) -> float:
        """`learning_rate` as a number >= 0."""
        rate: Any = self._rate
        if type(rate) is float:
            return rate
        return float(rate(self._calls) if isinstance(rate, LearningRateSchedule) else rate())

    @rate.setter
    def rate(self, value: Rate) -> None:
        if isinstance(value, LearningRateSchedule) or callable(value):
            self._rate = value
            return
        if isinstance(self._rate, LearningRateSchedule):
            raise TypeError(f"learning_rate cannot be set to {value!r}: it follows the schedule {self._rate!r}")
        self._rate = number("learning_rate", value[()] if isinstance(value, Values) else value, 0)

    @property
    def scheduled(self) -> bool:
        """Whether the learning rate follows a schedule or a function, so that no number can be set."""
        return callable(self._rate)

    def get_config(self) -> dict[str, Any]:
        """The arguments that would make an equal optimizer, ready for JSON.

        A learning rate that is a function stands in it by its name.
        """
        rate: Any = self._rate
        if isinstance(rate, LearningRateSchedule):
            rate = schedules.serialize(rate)
        elif callable(rate):
            rate = registry.written_function("learning_rate", rate, anonymous=True)
        options = {key: getattr(self, key) for key in Options.__annotations__}
        return {"learning_rate": rate, **options, **super().get_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """An optimizer from what `get_config` gave, or Keras."""
        rate = config.get("learning_rate")
        if isinstance(rate, dict):
            function = rate.get("class_name") in ("function", "__lambda__")
            read = registry.read_function("learning_rate", rate) if function else schedules.deserialize(rate)
            config = config | {"learning_rate": read}
        return cls(**config)


def _positive(name: str, value: Any) -> float:
    result = number(name, value)
    if result <= 0:
        raise ValueError(f"{name} must be positive, got {result}")
    return result


def below_one(**values: Any) -> tuple[float, ...]:
    """Decays of running means: from 0 to just below 1."""
    decays = tuple(number(name, value, 0, 1) for name, value in values.items())
    if 1 in decays:
        raise ValueError(f"{' and '.join(values)} must be below 1, got {' and '.join(map(repr, values.values()))}")
    return decays
