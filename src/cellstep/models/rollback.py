"""Rollback: what calls of a model change besides the weights that an optimizer writes, remembered and put back.

That is the states of stateful layers, moving statistics, gradients, random generators, and any attribute of a module
that a user's class wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import seeds
from ..configured import of_package
from ..interrupts import interrupts_held
from ..layers.module import Module
from ..layers.structure import held

#: What `save` gives.
Saved = tuple[list[Any], list[Any], list[Any], list[Any], list[Any]]


class Rollback:
    """What calls of some modules can change. It holds while the modules have the same attributes.

    Args:
        modules: all that may take part, each once.
    """

    def __init__(self, modules: Iterable[Any]) -> None:
        #: Layers of the package that have states, or may have them; modules of users' classes, which change anything.
        self._stateful: list[Any] = []
        self._others: list[Module] = []
        self._unbuilt: list[Module] = []
        self._generators: list[Any] = []
        self._fixed: list[Any] = []
        modules = list(modules)
        penalties = any(
            getattr(module, "activity_regularizer", None) is not None or "_cached_penalties" in vars(module)
            for module in modules
        )
        #: Modules that keep the penalties of their last call.
        self._penalized = modules if penalties else []
        for module in modules:
            kind: Any = type(module)
            own = not of_package(kind)
            if own:
                self._others.append(module)
            elif "states" in vars(module) and (module.states is not None or module.stateful):
                self._stateful.append(module)
            if not module.built:
                self._unbuilt.append(module)
            if own or _draws(module):
                self._generators += [generator.bit_generator for generator in held(module, np.random.Generator)]
            self._fixed += [weight for weight in module._weights if weight.fixed]
        self._nothing = not (self._fixed or self._generators or self._stateful or self._penalized or self._others)

    def save(self) -> Saved:
        """What there is now, for `restore`."""
        if self._nothing:
            return [], [], [], [], []
        # a stateful layer replaces its list of states, and never writes into one
        return (
            [weight.numpy() for weight in self._fixed],
            [bits.state for bits in self._generators],
            [layer.states for layer in self._stateful],
            [vars(module).get("_cached_penalties") for module in self._penalized],
            [dict(vars(module)) for module in self._others],
        )

    def restore(self, saved: Saved) -> None:
        """Put back what there was. Of a module that was built since then only its states are."""
        fixed, drawn, states, penalties, others = saved
        for weight, value in zip(self._fixed, fixed, strict=True):
            weight.assign(value)
        for bits, state in zip(self._generators, drawn, strict=True):
            bits.state = state
        for layer, value in zip(self._stateful, states, strict=True):
            layer.states = value
        for module, value in zip(self._penalized, penalties, strict=True):
            if value is not None:
                vars(module)["_cached_penalties"] = value
            else:
                vars(module).pop("_cached_penalties", None)
        built = [module for module in self._unbuilt if module.built]
        for module, before in zip(self._others, others, strict=True):
            now, whole = vars(module), not any(module is other for other in built)
            for name in {*before, *now} if whole else {"states"} & {*before}:
                if not name.startswith("_cached"):
                    if name in before:
                        now[name] = before[name]
                    else:
                        now.pop(name, None)


def _draws(module: Any) -> bool:
    """Whether a module of this package may draw from its generators: not a cell without dropout."""
    rates = [getattr(module, name, 1.0) for name in ("dropout", "recurrent_dropout")]
    return any([*rates, getattr(module, "weight_dropout", 0.0), getattr(module, "zoneout", 0.0)])


@contextmanager
def undone_on_error(model: Any) -> Iterator[None]:
    """Run a block; if it raises, the model's states, moving statistics and random generators are what they were, unless
    the optimizer has made a step: then the block counts as done."""
    rollback, done = Rollback(model.walk()), model.optimizer and model.optimizer.calls
    saved = rollback.save()
    try:
        yield
    except BaseException:
        with interrupts_held():
            if (model.optimizer and model.optimizer.calls) == done:
                rollback.restore(saved)
        raise


@contextmanager
def unchanged(*modules: Module) -> Iterator[None]:
    """Run a block that only looks at models or layers: afterwards they are what they were, whether it raised or not.

    That is the states of stateful layers, moving statistics, gradients, and all random generators. Weights that the
    block makes stay, as those that a call makes, and then what was drawn for them stays drawn.
    """
    every = [module for root in modules for module in root.walk()]
    built = [(module, module.built) for module in every]
    rollback, undo_random = Rollback(every), seeds.remembered()
    saved = rollback.save()
    try:
        with own_gradients(*modules):
            yield
    finally:
        rollback.restore(saved)
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
