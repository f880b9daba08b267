"""Undo: what a step of training changes besides the weights that the optimizer writes last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..layers.module import Module


@contextmanager
def undone_on_error(model: Module) -> Iterator[None]:
    """Run a block; if it raises, moving means and the states of stateful layers are again what they were before."""
    modules = list(_walk(model))
    fixed = [(w, w.numpy()) for module in modules for w in module._weights if w.fixed]
    # a layer that goes on replaces its list of states, and never writes into one
    states = [(module, module.states) for module in modules if getattr(module, "stateful", False)]
    try:
        yield
    except BaseException:
        for weight, value in fixed:
            weight.assign(value)
        for layer, before in states:
            layer.states = before
        raise


def _walk(module: Module) -> Iterator[Any]:
    """The module and all that it is made of."""
    yield module
    for part in module.parts:
        yield from _walk(part)
