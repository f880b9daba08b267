"""The state of a model in training: all that its next steps depend on, as numbers, texts and arrays, and back again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import core, seeds
from ..callbacks.base import checked
from ..layers.structure import held
from ..optimizers.flat import State
from . import metric_states


def state(model: Any) -> dict[str, Any]:
    """Weights, optimizer, states of layers, random generators, metrics, and what is trainable."""
    optimizer, kept = model.optimizer, model.optimizer.states()
    modules = list(model.walk())
    return {
        "stop_training": model.stop_training,
        "weights": [w.numpy() for w in model.weights],
        "trainable": [[m._trainable for m in modules], [w.trainable for w in model.weights]],
        "optimizer": {
            "calls": optimizer.calls,
            "learning_rate": None if optimizer.scheduled else optimizer.rate,
            "variables": [kept[w]._asdict() if w in kept else None for w in model.weights],
        },
        "stateful": [m.states for m in _stateful(model)],
        "generators": [g.bit_generator.state for g in _generators(model)],
        "random": seeds.get_state(),
        "metrics": metric_states.states_of(model._trainer),
    }


def take_over(model: Any, saved: dict[str, Any], metrics: bool) -> None:
    """Give a model the state that `state` gave of an equal one, after `checks`; metrics where they go on."""
    optimizer = model.optimizer
    model.stop_training = saved["stop_training"]
    for weight, array, trainable in zip(model.weights, saved["weights"], saved["trainable"][1], strict=True):
        weight.assign(array)
        weight.trainable = trainable
    for module, trainable in zip(model.walk(), saved["trainable"][0], strict=True):
        module._trainable = trainable
    optimizer.restore(saved["optimizer"]["calls"], saved["optimizer"]["variables"])
    if not optimizer.scheduled:
        optimizer.learning_rate = saved["optimizer"]["learning_rate"]
    for layer, states in zip(_stateful(model), saved["stateful"], strict=True):
        layer.states = states
    for generator, drawn in zip(_generators(model), saved["generators"], strict=True):
        generator.bit_generator.state = drawn
    if metrics:
        metric_states.resume(model._trainer, saved["metrics"])
    seeds.set_state(saved["random"])


def checks(model: Any) -> dict[str, Callable[[str, Any], Any]]:
    """For each entry of a state that comes from a file, a check that gives the value, or ValueError or TypeError."""

    def weights(name: str, value: Any) -> Any:
        return [
            array(w.path, a, w.dtype, w.shape)
            for w, a in zip(model.weights, entries(name, value, len(model.weights)), strict=True)
        ]

    def trainable(name: str, value: Any) -> Any:
        sizes = len(list(model.walk())), len(model.weights)
        for part, n in zip(entries(name, value, 2), sizes, strict=True):
            for flag in entries(name, part, n):
                core.check_bool(name, flag)
        return value

    def stateful(name: str, value: Any) -> Any:
        layers = _stateful(model)
        for layer, states in zip(layers, entries(name, value, len(layers)), strict=True):
            if states is not None:
                sizes = layer.runner.state_sizes
                entries(f"states of {layer.name}", states, len(sizes))
                for a, n in zip(states, sizes, strict=True):
                    array(f"states of {layer.name}", a, layer.dtype, (len(np.atleast_1d(states[0])), n))
        return value

    def generators(name: str, value: Any) -> Any:
        mine = _generators(model)
        for generator, drawn in zip(mine, entries(name, value, len(mine)), strict=True):
            seeds.check_generator(generator, drawn)
        return value

    def globals_(name: str, value: Any) -> Any:
        seeds.check_state(value)
        return value

    return {
        "stop_training": core.check_bool,
        "weights": weights,
        "trainable": trainable,
        "optimizer": lambda name, value: _optimizer(model, name, value),
        "stateful": stateful,
        "generators": generators,
        "random": globals_,
        "metrics": dictionary,
    }


def _optimizer(model: Any, name: str, value: Any) -> Any:
    optimizer, weights = model.optimizer, model.weights

    def rate(name: str, value: Any) -> Any:
        return value if optimizer.scheduled else core.check_number(name, value, 0)

    saved = checked(value, calls=count, learning_rate=rate, variables=lambda n, v: entries(n, v, len(weights)))
    variables = {}
    for weight, kept in zip(weights, saved["variables"], strict=True):
        if kept is not None:
            entry = checked(kept, calls=count, slots=dictionary)
            if entry["slots"].keys() != set(optimizer.all_slots):
                known, got = ", ".join(optimizer.all_slots), ", ".join(entry["slots"])
                raise ValueError(f"slots must be those of {optimizer.name} ({known}), got {got}")
            slots = {
                k: array(f"{k} of {weight.path}", a, weight.dtype, (weight.size,)) for k, a in entry["slots"].items()
            }
            variables[weight] = State(entry["calls"], slots)
    return {**saved, "variables": variables}


def _generators(model: Any) -> list[np.random.Generator]:
    """The random generators of the layers, each once."""
    by_id = {id(v): v for m in model.walk() for v in held(m, np.random.Generator)}
    return list(by_id.values())


def _stateful(model: Any) -> list[Any]:
    """The layers that keep states of their own."""
    return [module for module in model.walk() if getattr(module, "stateful", False) and "states" in vars(module)]


def count(name: str, value: Any, highest: int = 2**62) -> int:
    """An integer from 0 to `highest`."""
    if core.check_natural(name, value) > highest:
        raise ValueError(f"{name} must be at most {highest}, got {core.brief(value)}")
    return int(value)


def entries(name: str, value: Any, n: int | None = None) -> Any:
    """A list, of n entries where n is given."""
    if not isinstance(value, list):
        raise TypeError(f"{name} must be a list, got {type(value).__name__}")
    if n is not None and len(value) != n:
        raise ValueError(f"{name} must have {n} entries, got {len(value)}")
    return value


def dictionary(name: str, value: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a dictionary, got {type(value).__name__}")
    return value


def array(name: str, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """An array of just this dtype and shape."""
    a = np.asarray(value)
    if a.dtype != dtype or a.shape != tuple(shape):
        raise ValueError(f"{name} must be {dtype} of shape {tuple(shape)}, got {a.dtype} of shape {a.shape}")
    return a
