"""Undo: what a call changes besides the weights that an optimizer writes: states, statistics, gradients, generators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np

from .. import random
from ..interrupts import interrupts_held
from ..keywords import of_package
from ..layers.module import Module, held


@contextmanager
def undone_on_error(model: Module) -> Iterator[None]:
    """Run a block; if it raises, the model's states, moving statistics and random generators are what they were, unless
    the optimizer has made a step: then the block counts as done."""
    undo, done = _remembered([model]), _steps_of(model)
    try:
        yield
    except BaseException:
        with interrupts_held():
            if _steps_of(model) == done:
                undo()
        raise


def _steps_of(model: Any) -> int | None:
    optimizer = getattr(model, "optimizer", None)
    return None if optimizer is None else optimizer.calls


@contextmanager
def unchanged(*modules: Module) -> Iterator[None]:
    """Run a block that only looks at models or layers: afterwards they are what they were, whether it raised or not.

    That is the states of stateful layers, moving statistics, gradients, and all random generators. Weights that the
    block makes stay, as those that a call makes, and then what was drawn for them stays drawn.
    """
    built = [(module, module.built) for root in modules for module in root.walk()]
    undo, undo_random = _remembered(modules), random.remembered()
    try:
        with own_gradients(*modules):
            yield
    finally:
        undo()
        if all(module.built == before for module, before in built):
            undo_random()


@contextmanager
def own_gradients(*modules: Module) -> Iterator[None]:
    """Within the block the weights' gradients begin at zero; afterwards they are what they were."""
    before = [(weight, weight._grad, weight._rows) for module in modules for weight in module.weights]
    try:
        for weight, _, _ in before:
            weight._grad, weight._rows = None, []
        yield
    finally:
        for weight, grad, rows in before:
            weight._grad, weight._rows = grad, rows


#: What calls change of the package's own modules; those of a user's classes may change any attribute.
_CHANGED = ("states", "generator", "_cached_penalties")


def _remembered(roots: Any) -> Callable[[], None]:
    """A function that puts back what calls of the modules change from now on."""
    # one loop, and few calls: every step of training comes here
    fixed, attributes, drawn = [], [], []
    for root in roots:
        for module in root.walk():
            own, kind = vars(module), cast(Any, type(module))
            # a layer that goes on replaces its list of states, and never writes into one
            if of_package(kind):
                before = {name: own[name] for name in _CHANGED if name in own}
                generators = [before["generator"]] if before.get("generator") is not None else []
            else:
                before, generators = dict(own), held(module, np.random.Generator)
            attributes.append((module, module.built, of_package(kind), before))
            drawn += [(one.bit_generator, one.bit_generator.state) for one in generators]
            for weight in module._weights:
                if weight.fixed:
                    fixed.append((weight, weight.numpy()))

    def undo() -> None:
        for weight, value in fixed:
            weight.assign(value)
        for bits, state in drawn:
            bits.state = state
        for module, built, known, before in attributes:
            now = vars(module)
            names = {*before, *(_CHANGED if known else now)} if module.built == built else {"states"} & {*before}
            for name in names:
                if name == "_cached_penalties" or not name.startswith("_cached"):
                    if name in before:
                        now[name] = before[name]
                    else:
                        now.pop(name, None)

    return undo
