"""Callback: the hooks that fit, evaluate and predict call, under Keras's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..configured import Constructed, chosen

#: Numbers by name; arrays where a metric gives one. Or None.
Logs = dict[str, Any] | Any
#: A value from a file by its name, as it is kept; TypeError or ValueError where it cannot be that.
Check = Callable[[str, Any], Any]


class Callback(Constructed):
    """Base class of callbacks; override any of the hooks.

    `logs` holds the running means of the epoch, after validation also those with `val_`. Setting
    `self.model.stop_training = True` ends `fit` after the current batch; `stop_evaluating` and `stop_predicting` end
    `evaluate` and `predict`.

    Attributes:
        model: what is being trained.
        params: {"verbose", "epochs", "steps"}; steps is None where it is not known yet.
    """

    #: Whether the hooks of this callback come after those of all that have this False.
    last: ClassVar[bool] = False
    model: Any = None
    params: Mapping[str, Any] = {}
    #: What a state holds, each with the check of a value that comes from a file: attributes, where `get_state` and
    #: `set_state` are those of this class.
    _state_checks: Mapping[str, Check] = {}

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        self.params = params

    def get_state(self) -> dict[str, Any]:
        """What this callback remembers between hooks, for `BackupAndRestore`: numbers, texts, None, arrays, and lists
        and dictionaries of them."""
        return {name: getattr(self, name) for name in self._state_checks}

    def check_state(self, state: Any) -> Any:
        """A state that comes from a file, where tuples are lists; TypeError or ValueError where it is none of this
        callback's. Changes nothing."""
        return checked(state, **self._state_checks) if self._state_checks else state

    def set_state(self, state: Any) -> None:
        """Take over a state that `get_state` gave in an earlier run, after `on_train_begin` of this one."""
        if self._state_checks:
            vars(self).update(state)

    def on_train_begin(self, logs: Logs = None) -> None: ...
    def on_train_end(self, logs: Logs = None) -> None: ...
    def on_test_begin(self, logs: Logs = None) -> None: ...
    def on_test_end(self, logs: Logs = None) -> None: ...
    def on_predict_begin(self, logs: Logs = None) -> None: ...
    def on_predict_end(self, logs: Logs = None) -> None: ...
    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None: ...
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None: ...
    def on_batch_begin(self, batch: int, logs: Logs = None) -> None: ...
    def on_batch_end(self, batch: int, logs: Logs = None) -> None: ...

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None: ...
    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None: ...
    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None: ...
    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None: ...

    def __repr__(self) -> str:
        return f"{type(self).__name__}({chosen(self)})"

    def close(self) -> None:
        """Called when training, testing or predicting is over, also when an exception ended it."""


def checked(state: Any, **checks: Check) -> dict[str, Any]:
    """The entries of a state, each by its check; TypeError or ValueError where there are others."""
    if not isinstance(state, dict) or state.keys() != checks.keys():
        got = ", ".join(state) if isinstance(state, dict) else type(state).__name__
        raise ValueError(f"state must hold {', '.join(checks)}, got {got or 'nothing'}")
    return {name: check(name, state[name]) for name, check in checks.items()}


def number_or_none(name: str, value: Any) -> Any:
    """A number, NaN and infinity among them, or None."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float | np.number)):
        raise TypeError(f"{name} must be a number or None, got {value!r}")
    return value


#: What a callback may have, by the names that Keras gave them.
HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


class Adapted(Callback):
    """An object of another library with some of the hooks, such as Keras's callbacks, tqdm's and Optuna's."""

    def __init__(self, other: Any) -> None:
        self.other = other
        for hook in HOOKS:
            if callable(getattr(other, hook, None)) and _does(other, hook):
                vars(self)[hook] = getattr(other, hook)

    def set_model(self, model: Any) -> None:
        self._give("model", model)

    def set_params(self, params: Mapping[str, Any]) -> None:
        self._give("params", dict(params))

    def _give(self, name: str, value: Any) -> None:
        setter = getattr(self.other, f"set_{name}", None)
        if callable(setter):
            setter(value)
        else:
            setattr(self.other, name, value)


def adapted(callback: Any) -> Callback:
    """The callback, or what calls the hooks of an object that is none."""
    if isinstance(callback, Callback):
        return callback
    if isinstance(callback, type) or not any(callable(getattr(callback, hook, None)) for hook in HOOKS):
        raise TypeError(f"callbacks must hold cellstep.callbacks.Callback objects, got {callback!r}")
    return Adapted(callback)


class CallbackList:
    """The callbacks of one run, called in order.

    Args:
        callbacks: None, a callback, or a sequence of them; those that ask to be `last` come last. Objects of other
            classes that have hooks, of Keras's names, will do.
        extra: callbacks of the model's own, left out where one of the same class was given.
        model: set on each of them.
        params: set on each of them.

    Raises:
        TypeError: an entry is no Callback, and has none of its hooks.
    """

    def __init__(
        self,
        callbacks: Any,
        extra: Sequence[Callback],
        model: Any,
        params: Mapping[str, Any],
    ) -> None:
        alone = isinstance(callbacks, Callback) or (callbacks is not None and not hasattr(callbacks, "__iter__"))
        users = list(map(adapted, [callbacks] if alone else callbacks or ()))
        added = [e for e in extra if not any(isinstance(c, type(e)) for c in users)]
        self.callbacks = sorted(users + added, key=lambda callback: callback.last)
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params(params)

    def call(self, hook: str, *args: Any) -> None:
        """Call one hook of every callback."""
        for callback in self.callbacks:
            getattr(callback, hook)(*args)

    def implementing(self, hook: str) -> list[Callable[..., None]]:
        """Calls of one hook, for those of the callbacks in which it does anything."""
        return [partial(_call, callback, hook) for callback in self.callbacks if _does(callback, hook)]

    def find(self, kind: type[Callback]) -> Any:
        """The first callback of a class, or None."""
        return next((c for c in self.callbacks if isinstance(c, kind)), None)


def _call(callback: Callback, hook: str, *args: Any) -> None:
    getattr(callback, hook)(*args)


def _does(callback: Any, hook: str) -> bool:
    """Whether a hook does more than the one of the base class, which may call another, by the name without `train_`."""
    kind: Any = type(callback)
    if kind.__getattribute__ is not object.__getattribute__:
        return True
    names = {hook, hook.replace("on_train_", "on_")}
    return any(name in getattr(callback, "__dict__", ()) or not _of_base(kind, name) for name in names)


def _of_base(kind: type, hook: str) -> bool:
    """Whether a class has the hook from the base of all callbacks, here or in Keras, where it does nothing."""
    owner = next((base for base in kind.__mro__ if hook in vars(base)), Callback)
    return owner is Callback or (owner.__name__ == "Callback" and "keras" in owner.__module__)
