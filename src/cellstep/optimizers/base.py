"""Optimizer: the variables that an update rule runs over, and one step of it.

A step does, in Keras's order: undo the scale of the loss; add up gradients, where several steps share an update; clip;
decay the weights; the rule; the moving average; the constraints.

Slots belong to variables, and so does the number of updates that a rule corrects its means by, as in PyTorch: what a
variable has is kept while it is frozen, or while another model is trained.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import plain
from ..interrupts import interrupts_held
from ..layers.values import Attribute
from ..layers.variable import settle
from .clipping import clip
from .flat import Flat, Part, State, Trainable
from .grouping import group
from .keras_state import load_state, stored_arrays
from .resting import Resting
from .settings import Options, Rate, Settings
from .table import Table

Array = NDArray[Any]


class Optimizer(Settings):
    """Base class of optimizers. A subclass names its `slots` and implements `update`.

    Args: those of `Settings`.
    """

    #: Names of the arrays, as long as the values, that the rule keeps between steps.
    slots: tuple[str, ...] = ()
    #: What a slot holds at first, where that is not 0.
    initial: Mapping[str, float] = {}
    #: Slots that Keras's files hold in turns, variable by variable; others come one slot after another.
    paired: ClassVar[tuple[str, ...]] = ()

    def __init__(self, learning_rate: Rate = 0.001, **options: Unpack[Options]) -> None:
        super().__init__(learning_rate, **options)
        self._undecayed: tuple[tuple[Trainable, ...], re.Pattern[str] | None] = ((), None)
        self._variables: tuple[Trainable, ...] = ()
        self._flats: list[Flat | Table] = []
        #: States of variables that were built once and are not among `_variables`.
        self._resting = Resting()

    @property
    def variables(self) -> tuple[Trainable, ...]:
        """The variables that it is in charge of; another tuple whenever it takes charge."""
        return self._variables

    @property
    def built(self) -> bool:
        """Whether it has taken charge of variables."""
        return bool(self._variables)

    @property
    def calls(self) -> int:
        """Steps done: updates, but where gradients accumulate."""
        return self._calls

    @property
    def iterations(self) -> Attribute:
        """Updates done, a variable (): `int` gives their number, `assign` sets another."""
        return Attribute(self, "updates", "iteration", np.int64)

    @iterations.setter
    def iterations(self, value: int) -> None:
        self.updates = value

    @property
    def updates(self) -> int:
        """`iterations` as a number."""
        return self._calls // (self.gradient_accumulation_steps or 1)

    @updates.setter
    def updates(self, value: int) -> None:
        calls = int(value) * (self.gradient_accumulation_steps or 1)
        self.restore(calls, {variable: state._replace(calls=calls) for variable, state in self.states().items()})

    @property
    def calls_of_each(self) -> list[int]:
        """The steps that each variable has taken part in, in the order of `build`."""
        states = self.states()
        return [states[variable].calls for variable in self._variables]

    @calls_of_each.setter
    def calls_of_each(self, value: Sequence[int]) -> None:
        if len(value) != len(self._variables) or max(value, default=0) > self._calls or min(value, default=0) < 0:
            raise ValueError(
                f"calls_of_each must be {len(self._variables)} numbers from 0 to {self._calls}, got {list(value)}"
            )
        states = self.states()
        states |= {v: states[v]._replace(calls=int(n)) for v, n in zip(self._variables, value, strict=True)}
        self.restore(self._calls, states)

    def serves(self, variables: Sequence[Trainable]) -> bool:
        """Whether it has been built for some of these, and for no others."""
        return self.built and set(self._variables) <= set(variables)

    def update(self, flat: Part, rate: float, step: int) -> None:
        """Change `flat.value` in place from `flat.grad`, which stays.

        Args:
            flat: elements of all variables, or of some. rate: the learning rate. step: which update of these variables
                this is, from 1.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement update")

    @property
    def all_slots(self) -> tuple[str, ...]:
        """The rule's slots and those of the options, these first, as in Keras's files."""
        averaged = ("average",) if self.use_ema else ()
        return (*averaged, *(("gradient_accumulator",) if self.gradient_accumulation_steps else ()), *self.slots)

    def build(self, variables: Sequence[Trainable]) -> None:
        """Take charge of `variables`: move them into flat buffers, with fresh slots.

        Called again with other variables, it keeps the state of all that it has had and that still exist: they go on
        with it when they come back.
        """
        if len(variables) == len(self._variables) and all(map(operator.is_, variables, self._variables)):
            for flat in self._flats:
                flat.bind()
        else:
            self._arrange(variables, self.states())

    def _arrange(self, variables: Sequence[Trainable], states: Mapping[Trainable, State]) -> None:
        self._elementwise = getattr(type(self).update, "elementwise", False)
        flats = group(variables, {**dict.fromkeys(self.all_slots, 0.0), **self.initial}, states)
        chosen = set(variables)
        resting = {v: state for v, state in states.items() if v not in chosen}
        for v, (calls, slots) in resting.items():
            # a view would keep all of an older buffer
            resting[v] = State(calls, {k: a if a.base is None else a.copy() for k, a in slots.items()})
        self._variables, self._flats, self._resting = tuple(variables), flats, Resting(resting)

    def states(self) -> dict[Trainable, State]:
        """What is kept for each variable, also for those that are not trained at present; arrays are views."""
        return self.resting | {v: state for flat in self._flats for v, state in flat.states()}

    @property
    def resting(self) -> dict[Trainable, State]:
        """What is kept for variables that are not trained at present."""
        return self._resting.states()

    def restore(self, calls: int, states: Mapping[Trainable, State]) -> None:
        """Go on after so many steps with the states of variables that `states` gave, or equal arrays; the states of
        others are forgotten."""
        self._calls = calls
        self._arrange(self._variables, states)

    def slot(self, name: str, variable: Trainable) -> Array | None:
        """The array (n,) that the rule keeps under `name` for a variable, or None; a view, not a copy."""
        for flat in self._flats:
            for other, at in zip(flat.variables, flat.segments, strict=True):
                if other is variable and name in flat.slots:
                    return flat.slots[name][at]
        resting = self.resting.get(variable)
        return None if resting is None else resting.slots.get(name)

    def __getstate__(self) -> dict[str, Any]:
        """For copy and pickle, which know no weak references."""
        return self.__dict__ | {"_resting": self.resting}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"_resting": Resting(state["_resting"])})

    def zero_grad(self) -> None:
        """Set the gradients of all variables to zero, in buffers of this optimizer's."""
        for flat in self._flats:
            flat.zero_grad()

    def scale_loss(self, loss: Any) -> Any:
        """The loss, or its gradient, times `loss_scale_factor`; as it is where there is none."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def apply(self, grads: Sequence[ArrayLike] | None = None, trainable_variables: Sequence[Trainable] = ()) -> None:
        """One step.

        Args:
            grads: one array for each variable, in the order of `build`; None takes the variables' own gradients.
                Either way the gradients are clipped in place.
            trainable_variables: as for `build`, which is called first if any are given.

        Raises:
            ValueError: the number or a shape of `grads` does not fit. Nothing has been changed then.

        Ctrl-C waits until the step is done.
        """
        if trainable_variables:
            self.build(trainable_variables)
        for flat in self._flats:
            flat.bind()
        if grads is not None:
            self._take(grads)
        with interrupts_held():
            self.step()

    def step(self) -> None:
        """One step with the gradients that there are, of variables that are bound: what `apply` does, unchecked."""
        if self.loss_scale_factor is not None:
            for flat in self._flats:
                np.divide(flat.grad, self.loss_scale_factor, out=flat.grad)
        flats, steps = self._flats, self.gradient_accumulation_steps or 1
        due = flats if steps == 1 else [flat for flat in flats if self._accumulate(flat, steps)]
        if not (self.clipnorm is None is self.global_clipnorm is self.clipvalue) and due:
            clip([flat.clipped for flat in due], self.clipnorm, self.global_clipnorm, self.clipvalue)
        rate = self.rate if due else 0.0
        idle = self._idle and self._elementwise and not self.weight_decay
        for flat in due:
            for part in flat.parts(idle, self._elementwise):
                if self.weight_decay:
                    self._decay(part, self.weight_decay * rate)
                self.update(part, rate, flat.calls // steps + 1)
        for flat in flats:
            if self.use_ema:
                for part in flat.pieces():
                    self._average(part, flat.calls // steps)
            settle(flat.variables)
            flat.calls += 1
        self._calls += 1

    #: Whether `update` is elementwise, so that it may be given any elements together; found out with the variables.
    _elementwise = False

    #: Whether an update leaves an element whose gradient is 0 as it is, and its slots; asked of elementwise ones.
    _idle = False

    def apply_gradients(self, grads_and_vars: Iterable[tuple[ArrayLike, Trainable]]) -> int:
        """`apply` for pairs of a gradient and its variable; the number of updates done."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self.updates

    def _take(self, grads: Sequence[ArrayLike]) -> None:
        if isinstance(grads, Mapping):
            raise TypeError("grads must be a list of arrays, not a dictionary: list(grads.values()) is one")
        arrays = [plain("grads", g) for g in grads]
        if len(arrays) != len(self._variables):
            raise ValueError(f"grads must hold {len(self._variables)} arrays, one a variable, got {len(arrays)}")
        for variable, array in zip(self._variables, arrays, strict=True):
            if array.shape != variable.shape:
                raise ValueError(f"grads of {variable.name} must have shape {variable.shape}, got {array.shape}")
        for variable, array in zip(self._variables, arrays, strict=True):
            variable.grad[...] = array

    @staticmethod
    def _accumulate(flat: Flat | Table, steps: int) -> bool:
        """Add up gradients; whether this step updates, for which they are the means since the last update."""
        due = (flat.calls + 1) % steps == 0
        flat.accumulate(flat.slots["gradient_accumulator"], steps, due)
        return due

    def exclude_from_weight_decay(
        self, var_list: Iterable[Trainable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Leave variables out of `weight_decay`. To be called before the first step.

        Args:
            var_list: these variables. var_names: those in whose name one of these is found, as `["bias"]`.

        Raises:
            ValueError: steps have been made already.
        """
        if self._variables:
            raise ValueError("exclude_from_weight_decay must be called before the optimizer is built")
        names = list(var_names or ())
        self._undecayed = (tuple(var_list or ()), re.compile("|".join(names)) if names else None)

    def _decay(self, flat: Part, factor: float) -> None:
        """Take so much of each weight away."""
        these, names = {id(v) for v in self._undecayed[0]}, self._undecayed[1]
        kept = [id(v) in these or (names is not None and names.search(v.name)) for v in flat.variables]
        for at in [s for s, k in zip(flat.segments, kept, strict=True) if not k] if any(kept) else [slice(None)]:
            np.multiply(flat.value[at], factor, out=flat.scratch[at])
            np.subtract(flat.value[at], flat.scratch[at], out=flat.value[at])

    def _average(self, flat: Part, updates: int) -> None:
        every = self.ema_overwrite_frequency
        momentum, average = self.ema_momentum if updates else 0.0, flat.slots["average"]
        np.multiply(average, momentum, out=average)
        np.multiply(flat.value, 1 - momentum, out=flat.scratch)
        np.add(average, flat.scratch, out=average)
        if every is not None and (updates + 1) % every == 0:
            flat.value[...] = average

    def finalize_variable_values(self, var_list: Sequence[Trainable] | None = None) -> None:
        """Put the moving averages into the variables, all or these; does nothing without `use_ema`."""
        if not self.use_ema:
            return
        chosen = None if var_list is None else {id(v) for v in var_list}
        for flat in self._flats:
            flat.bind()
            for variable, at in zip(flat.variables, flat.segments, strict=True):
                if chosen is None or id(variable) in chosen:
                    flat.value[at] = flat.slots["average"][at]
                    variable.touch()

    def _scalars(self) -> list[Array]:
        """What the state ends with besides arrays; nothing in most rules."""
        return []

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Write the state under "0", "1", ... in the order of Keras's files: the number of steps, the learning rate
        where it is a number, then the slots."""
        store.update((str(i), array.copy()) for i, array in enumerate(stored_arrays(self)))

    def state_kinds(self) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        """The shapes and dtypes of the arrays that `save_own_variables` writes."""
        return [(array.shape, array.dtype) for array in stored_arrays(self)]

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Take the state back that `save_own_variables` wrote, or Keras, for the variables that it is built for.

        Raises:
            ValueError: a number or a shape does not fit; nothing was changed.
        """
        load_state(self, store)
