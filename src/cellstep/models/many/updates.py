"""Updates: an optimizer's steps for many models, each with its own number of steps and learning rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...optimizers import Optimizer
from ...optimizers.flat import Part
from ...untrusted import FileError

Array = NDArray[Any]


class Updates:
    """What an optimizer keeps for n models of P numbers.

    Args:
        optimizer: says the rule and its options. sizes: of each weight of a model.

    Attributes:
        calls, rates: (n,) the steps and the learning rate of each model. slots: (n, P) by name.

    Raises:
        NotImplementedError: a rule that is not elementwise, or an option that this does not cover.
    """

    def __init__(self, optimizer: Optimizer, n: int, sizes: list[int], dtype: Any) -> None:
        kind = type(optimizer)
        options = [
            name for name in ("use_ema", "loss_scale_factor", "gradient_accumulation_steps") if getattr(optimizer, name)
        ]
        own = kind.apply is not Optimizer.apply or kind.apply_gradients is not Optimizer.apply_gradients
        if not getattr(kind.update, "elementwise", False) or own or any(optimizer._undecayed):
            raise NotImplementedError(f"ManyModels needs an elementwise optimizer of this package, got {kind.__name__}")
        if options:
            raise NotImplementedError(f"ManyModels takes no {options[0]} of an optimizer")
        self.rule = kind.from_config(optimizer.get_config())
        ends = np.cumsum(sizes).tolist()
        self.segments = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
        self.calls = np.zeros(n, np.int64)
        self.rates = np.full(n, np.nan if optimizer.scheduled else optimizer.rate)
        P = sum(sizes)
        self.slots = {name: np.full((n, P), optimizer.initial.get(name, 0.0), dtype) for name in optimizer.all_slots}

    def check(self, file: str) -> None:
        """FileError where a file gave steps or learning rates that cannot be."""
        if (self.calls < 0).any():
            raise FileError(file, "tensor 'calls'", f"must hold numbers of steps, got {self.calls.min()}")
        right = np.isnan(self.rates) if self.rule.scheduled else np.isfinite(self.rates) & (self.rates >= 0)
        if not right.all():
            wanted = "nothing but NaN, as there is a schedule" if self.rule.scheduled else "finite numbers >= 0"
            raise FileError(file, "tensor 'learning_rate'", f"must hold {wanted}, got {self.rates[~right][0]}")

    def step(self, models: Array, values: Array, grads: Array, slots: dict[str, Array]) -> None:
        """One step of k models: their weights (k, P) and slots change in place, the gradients may."""
        self.clip(grads)
        calls, rates = self.calls[models], self.rates[models]
        if (calls == calls[0]).all() and (self.rule.scheduled or (rates == rates[0]).all()):
            self._update(calls[0], rates[0], values, grads, slots)
        else:
            keys = np.unique(np.stack([calls, np.nan_to_num(rates)]), axis=1, return_inverse=True)[1].reshape(-1)
            for key in range(keys.max() + 1):
                some = np.flatnonzero(keys == key)
                mine, kept = values[some], {name: array[some] for name, array in slots.items()}
                self._update(calls[some[0]], rates[some[0]], mine, grads[some], kept)
                values[some] = mine
                for name, array in kept.items():
                    slots[name][some] = array
        self.calls[models] += 1

    def _update(self, calls: Any, rate: Any, values: Array, grads: Array, slots: dict[str, Array]) -> None:
        rule = self.rule
        flat = {name: array.reshape(-1) for name, array in slots.items()}
        part = Part((), [], values.reshape(-1), grads.reshape(-1), flat, np.empty(values.size, values.dtype))
        rule._calls = int(calls)
        rate = rule.rate if rule.scheduled else float(rate)
        if rule.weight_decay:
            rule._decay(part, rule.weight_decay * rate)
        rule.update(part, rate, int(calls) + 1)

    def clip(self, grads: Array) -> None:
        """As `optimizers.clipping.clip`, model by model."""
        rule = self.rule
        if rule.clipvalue is not None:
            np.clip(grads, -rule.clipvalue, rule.clipvalue, out=grads)
        elif rule.clipnorm is not None:
            for at in self.segments:
                _scale(grads[:, at], rule.clipnorm)
        elif rule.global_clipnorm is not None:
            _scale(grads, rule.global_clipnorm)


def _scale(grads: Array, bound: float) -> None:
    """Scale rows down to a norm of `bound`."""
    with np.errstate(over="ignore"):
        sums = np.ascontiguousarray(grads * grads).sum(axis=1).astype(np.float64)
    far = np.isinf(sums)
    if far.any():
        sums[far] = np.square(grads[far], dtype=np.float64).sum(axis=1)
    norms = np.sqrt(sums)
    some = ~(norms <= bound)
    if some.any():
        finite = np.isfinite(norms[some])
        factors = np.where(finite, bound / np.where(finite, norms[some], 1), np.nan)
        grads[some] *= factors.astype(grads.dtype)[:, None]
