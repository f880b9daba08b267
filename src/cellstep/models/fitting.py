"""Fitting: one call of `fit`: its epochs, and its whole state, which another call can take up."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops, random
from ..callbacks import CallbackList
from ..callbacks.base import checked
from ..optimizers.flat import State
from .data import Batch
from .epochs import Epochs
from .steps import Logs, plain_logs


class Fitting:
    """The epochs of a fit.

    Args:
        model: compiled.
        source, validation: the batches; `validation` is None where there is none.
        hooks: the callbacks.
        learn: what is done with a batch; it gives the logs.
        due: whether to validate after an epoch, counted from 1.

    Attributes:
        epoch: the one that is trained now, or comes next, from 0. epochs: how many there are.
        seen: its batches so far; None between epochs.
        logs: of the last batch, or at the end of an epoch of all.
    """

    def __init__(
        self,
        model: Any,
        source: Epochs,
        validation: Epochs | None,
        hooks: CallbackList,
        learn: Callable[[Batch], Logs],
        due: Callable[[int], bool],
    ) -> None:
        self.model, self.source, self.validation, self.hooks = model, source, validation, hooks
        self.learn, self.due = learn, due
        self.epoch = self.epochs = 0
        self.seen: int | None = None
        self.logs: Logs = {}
        self._stopped = False

    def run(self, first: int, epochs: int) -> None:
        """Train from epoch `first` on, or from where `Trainer.resume` says, until `epochs` are done."""
        model, hooks = self.model, self.hooks
        self.epoch, self.epochs = first, epochs
        hooks.call("on_train_begin", {})
        resumed = model.resumed
        model.resumed = None
        if resumed is not None:
            self._restore(*resumed)
        while self.epoch < epochs and not self._stopped:
            if self.seen is None:
                model.reset_metrics()
                hooks.call("on_epoch_begin", self.epoch, {})
                self.seen = 0
            if not self._epoch(self.epoch, self.seen):
                break
        model.optimizer.finalize_variable_values(model.trainable_weights)
        hooks.call("on_train_end", self.logs)

    def _epoch(self, epoch: int, seen: int) -> bool:
        """The rest of an epoch; False where there was no batch in it."""
        model, source, hooks = self.model, self.source, self.hooks
        before = seen
        if not self._stopped:
            for made in source.epoch(seen):
                hooks.call("on_train_batch_begin", seen, {})
                self.logs = plain_logs(self.learn(made))
                seen += 1
                self.seen = seen
                hooks.call("on_train_batch_end", seen - 1, dict(self.logs))
                if model.stop_training:
                    break
            if source.over:
                self._ran_dry(seen)
            elif source.short:
                warn_short("x", seen, "steps_per_epoch", source.steps)
        if not seen:
            return False
        logs = model.over_all(self.logs) if seen > before else self.logs
        if self.validation is not None and self.due(epoch + 1):
            self.validation.rewind()
            logs = plain_logs(logs | {f"val_{k}": v for k, v in model.evaluate_source(self.validation, hooks).items()})
        self.epoch, self.seen, self.logs = epoch + 1, None, logs
        hooks.call("on_epoch_end", epoch, logs)
        self._stopped = model.stop_training
        return True

    def _ran_dry(self, seen: int) -> None:
        """Stop training, with a warning; an error if nothing came at all."""
        model = self.model
        if not seen and not (model.history and model.history.epoch):
            raise ValueError("x must give at least one batch, got none")
        warnings.warn(
            f"x ran out of batches in epoch {self.epoch + 1}, so training ends; "
            "give an iterable that can be iterated again, or one that never ends with steps_per_epoch",
            stacklevel=5,
        )
        model.stop_training = True

    # Taking up a run that was cut

    def state(self) -> dict[str, Any]:
        """All that the rest of this run depends on, for `Trainer.resume`: numbers, texts, arrays, lists, dictionaries.

        To be asked for in on_train_batch_end or on_epoch_end, after the other callbacks.
        """
        model = self.model
        optimizer, kept = model.optimizer, model.optimizer.states()
        modules = list(model.walk())
        return {
            "epoch": self.epoch,
            "seen": self.seen,
            "logs": self.logs if self.seen is None else model.over_all(self.logs),
            "stop_training": model.stop_training,
            "weights": [w.numpy() for w in model.weights],
            "trainable": [[m._trainable for m in modules], [w.trainable for w in model.weights]],
            "optimizer": {
                "calls": optimizer.calls,
                "learning_rate": None if optimizer.scheduled else optimizer.learning_rate,
                "variables": [kept[w]._asdict() if w in kept else None for w in model.weights],
            },
            "stateful": [m.states for m in _stateful(modules)],
            "generators": [g.bit_generator.state for g in _generators(model)],
            "random": random.get_state(),
            "source": self.source.place(),
            "validation": None if self.validation is None else self.validation.place(),
            "metrics": model.metric_states(),
            "callbacks": [[type(c).__name__, c.get_state()] for c in self.hooks.callbacks],
        }

    def _restore(self, state: Any, path: Any) -> None:
        """Check all of a state, then take it over; before that, begin the epoch again that was cut."""
        try:
            found = self._checked(state)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} must hold a state of this training, got another: {error}") from None
        self.epoch, self.seen, self.logs = found["epoch"], found["seen"], found["logs"]
        if self.seen is not None:
            self.model.reset_metrics()
            self.hooks.call("on_epoch_begin", self.epoch, {})
        model, optimizer = self.model, self.model.optimizer
        self.source.go_to(found["source"])
        if self.validation is not None:
            self.validation.go_to(found["validation"])
        model.stop_training = self._stopped = found["stop_training"]
        for weight, array, trainable in zip(model.weights, found["weights"], found["trainable"][1], strict=True):
            weight.assign(array)
            weight.trainable = trainable
        modules = list(model.walk())
        for module, trainable in zip(modules, found["trainable"][0], strict=True):
            module._trainable = trainable
        optimizer.restore(found["optimizer"]["calls"], found["optimizer"]["variables"])
        if not optimizer.scheduled:
            optimizer.learning_rate = found["optimizer"]["learning_rate"]
        for module, states in zip(_stateful(modules), found["stateful"], strict=True):
            module.states = states
        for generator, drawn in zip(_generators(model), found["generators"], strict=True):
            generator.bit_generator.state = drawn
        if self.seen:
            model.resume_metrics(found["metrics"])
        for callback, kept in found["callbacks"]:
            callback.set_state(kept)
        random.set_state(found["random"])

    def _checked(self, state: Any) -> dict[str, Any]:
        def optional(check: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
            return lambda name, value: None if value is None else check(name, value)

        def place(source: Epochs | None) -> Callable[[str, Any], Any]:
            def check(name: str, value: Any) -> Any:
                if (source is None) != (value is None):
                    raise ValueError(f"{name} must be given in both runs or in none")
                if source is not None:
                    source.check(value)
                return value

            return check

        def globals_(name: str, value: Any) -> Any:
            random.check_state(value)
            return value

        return checked(
            state,
            epoch=lambda name, value: _count(name, value, self.epochs),
            seen=optional(_count),
            logs=_dictionary,
            stop_training=ops.check_bool,
            weights=self._check_weights,
            trainable=self._check_trainable,
            optimizer=self._check_optimizer,
            stateful=self._check_stateful,
            generators=self._check_generators,
            random=globals_,
            source=place(self.source),
            validation=place(self.validation),
            metrics=_dictionary,
            callbacks=self._check_callbacks,
        )

    def _check_weights(self, name: str, value: Any) -> Any:
        weights = self.model.weights
        _check_length(name, value, len(weights))
        return [_array(w.path, a, w.dtype, w.shape) for w, a in zip(weights, value, strict=True)]

    def _check_trainable(self, name: str, value: Any) -> Any:
        _check_length(name, value, 2)
        for part, n in zip(value, (len(list(self.model.walk())), len(self.model.weights)), strict=True):
            _check_length(name, part, n)
            for flag in part:
                ops.check_bool(name, flag)
        return value

    def _check_optimizer(self, name: str, value: Any) -> Any:
        optimizer, weights = self.model.optimizer, self.model.weights
        _dictionary(name, value)
        if value.keys() != {"calls", "learning_rate", "variables"}:
            raise ValueError(f"{name} must hold calls, learning_rate and variables, got {', '.join(value)}")
        _count("calls", value["calls"])
        if not optimizer.scheduled:
            ops.check_number("learning_rate", value["learning_rate"], 0)
        _check_length("variables", value["variables"], len(weights))
        variables = {}
        for weight, kept in zip(weights, value["variables"], strict=True):
            if kept is not None:
                entry = checked(kept, calls=_count, slots=_dictionary)
                if entry["slots"].keys() != set(optimizer.all_slots):
                    known, got = ", ".join(optimizer.all_slots), ", ".join(entry["slots"])
                    raise ValueError(f"slots must be those of {optimizer.name} ({known}), got {got}")
                slots = {
                    k: _array(f"{k} of {weight.path}", a, weight.dtype, (weight.size,))
                    for k, a in entry["slots"].items()
                }
                variables[weight] = State(entry["calls"], slots)
        return {**value, "variables": variables}

    def _check_stateful(self, name: str, value: Any) -> Any:
        layers = _stateful(list(self.model.walk()))
        _check_length(name, value, len(layers))
        for layer, states in zip(layers, value, strict=True):
            if states is not None:
                sizes = layer.runner.state_sizes
                _check_length(f"states of {layer.name}", states, len(sizes))
                for a, n in zip(states, sizes, strict=True):
                    _array(f"states of {layer.name}", a, layer.dtype, (len(np.atleast_1d(states[0])), n))
        return value

    def _check_generators(self, name: str, value: Any) -> Any:
        generators = _generators(self.model)
        _check_length(name, value, len(generators))
        for generator, state in zip(generators, value, strict=True):
            random.check_generator(generator, state)
        return value

    def _check_callbacks(self, name: str, value: Any) -> list[tuple[Any, Any]]:
        """The callbacks of this run with their states, found by class and order; others begin anew."""
        _list(name, value)
        found, left = [], list(self.hooks.callbacks)
        for entry in value:
            _check_length(name, entry, 2)
            kind, state = entry
            callback = next((c for c in left if type(c).__name__ == kind), None)
            if callback is not None:
                left.remove(callback)
                found.append((callback, callback.check_state(state)))
        return found


def warn_short(what: str, seen: int, name: str, steps: int | None) -> None:
    warnings.warn(f"{what} ran out of batches after {seen} of {name}={steps}", stacklevel=5)


def _generators(model: Any) -> list[np.random.Generator]:
    """The random generators of the layers, each once."""
    found = {id(v): v for m in model.walk() for v in vars(m).values() if isinstance(v, np.random.Generator)}
    return list(found.values())


def _stateful(modules: list[Any]) -> list[Any]:
    """The layers that keep states of their own."""
    return [module for module in modules if getattr(module, "stateful", False) and "states" in vars(module)]


def _count(name: str, value: Any, highest: int = 2**62) -> int:
    if ops.check_natural(name, value) > highest:
        raise ValueError(f"{name} must be at most {highest}, got {ops.shown(value)}")
    return int(value)


def _list(name: str, value: Any) -> Any:
    if not isinstance(value, list):
        raise TypeError(f"{name} must be a list, got {type(value).__name__}")
    return value


def _dictionary(name: str, value: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a dictionary, got {type(value).__name__}")
    return value


def _check_length(name: str, value: Any, n: int) -> None:
    if len(_list(name, value)) != n:
        raise ValueError(f"{name} must have {n} entries, got {len(value)}")


def _array(name: str, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """An array of just this dtype and shape."""
    array = np.asarray(value)
    if array.dtype != dtype or array.shape != tuple(shape):
        raise ValueError(f"{name} must be {dtype} of shape {tuple(shape)}, got {array.dtype} of shape {array.shape}")
    return array
