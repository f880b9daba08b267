"""Stepper: compile, and what a compiled model does with one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from .. import regularizers
from ..layers.module import Module, not_built
from ..losses import CategoricalCrossentropy, Loss, SparseCategoricalCrossentropy
from ..metrics import Metric
from ..optimizers import Optimizer
from . import data, weights
from .compiled import Compiled
from .data import Batch, ClassWeight

Array = NDArray[Any]
Logs = dict[str, float]


class Stepper(Module):
    """A module that can be compiled and trained batch by batch. A subclass implements `run`."""

    _compiled: Compiled | None = None

    def run(
        self, x: Any, mask: Any = None, training: bool = False, tape: bool = True
    ) -> tuple[Array, Array | None, Callable[..., Any]]:
        """Outputs, their mask or None, and the pullback `pullback(dy, need_dx=True) -> dx`, which needs `tape`."""
        raise NotImplementedError(f"{type(self).__name__} must implement run")

    def __call__(self, x: Any, mask: Any = None, training: bool = False) -> Array:
        """Outputs alone, without a tape."""
        return self.run(x, mask, training, tape=False)[0]

    def compile(
        self,
        optimizer: str | Optimizer = "rmsprop",
        loss: str | Loss | None = None,
        loss_weights: Any = None,
        metrics: Sequence[Any] | None = None,
        weighted_metrics: Sequence[Any] | None = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Choose how to train.

        Args:
            optimizer: a name or an Optimizer.
            loss: a name or a Loss; None for a model that only predicts.
            metrics: names, Metric objects or functions of (y_true, y_pred). They see the mask, not the weights.
            weighted_metrics: the same, but these see `sample_weight` and `class_weight` too.
            loss_weights: not built.
            run_eagerly: not built.
            steps_per_execution: not built.
            jit_compile: not built; the kernels are compiled either way.
            auto_scale_loss: not built.

        Raises:
            ValueError: an unknown name; the message lists the known ones.
        """
        not_built(None, loss_weights=loss_weights)
        not_built(False, run_eagerly=run_eagerly)
        not_built(1, steps_per_execution=steps_per_execution)
        not_built("auto", jit_compile=jit_compile)
        not_built(True, auto_scale_loss=auto_scale_loss)
        self._compiled = Compiled(optimizer, loss, metrics, weighted_metrics)

    @property
    def compiled(self) -> bool:
        """Whether `compile` has been called."""
        return self._compiled is not None

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer, or None before `compile`."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def loss(self) -> Loss | None:
        """The loss, or None."""
        return None if self._compiled is None else self._compiled.loss

    @property
    def metrics(self) -> list[Metric]:
        """The mean of the loss and the metrics. "accuracy" appears with the first batch, which says what it is."""
        return [] if self._compiled is None else self._compiled.metrics

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns, in that order."""
        return [] if self._compiled is None else list(self._compiled.results())

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: ClassWeight | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on one batch. If it raises, weights and optimizer are as they were.

        Args:
            x: (B, ...) inputs.
            y: (B, ...) targets.
            sample_weight: (B,) or (B, T) weights in the loss.
            class_weight: class to weight; not together with sample_weight.
            return_dict: return a dictionary.

        Returns:
            [loss, metric, ...] of the batch before the step; the loss alone if there are no metrics.
        """
        made = data.batch(x, y, sample_weight)
        if class_weight is not None:
            made = self.weigher(class_weight)(made)
        self.ready("train_on_batch").reset()
        self.train(made)
        return self.returned(return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and the metrics of one batch; arguments and results as in `train_on_batch`."""
        self.ready("test_on_batch").reset()
        self.test(data.batch(x, y, sample_weight))
        return self.returned(return_dict)

    def predict_on_batch(self, x: Any) -> Array:
        """Outputs (B, ...) for one batch."""
        return self(data.numbers("x", x))

    def save_weights(self, filepath: Any, overwrite: bool = True, note: Mapping[str, Any] | None = None) -> None:
        """Write all weights, and the optimizer's state, to a .weights.h5 file that Keras reads; see `weights.save`."""
        weights.save(self, filepath, overwrite, note)

    def load_weights(self, filepath: Any) -> dict[str, Any]:
        """Read weights that `save_weights` wrote, or Keras; see `weights.load`."""
        return weights.load(self, filepath)

    def ready(self, method: str) -> Compiled:
        """What was compiled.

        Raises:
            RuntimeError: nothing was, or without a loss.
        """
        if self._compiled is None or self._compiled.loss is None:
            what = "compile(optimizer, loss) must be called" if self._compiled is None else "compile needs a loss"
            raise RuntimeError(f"{what} before {method}")
        return self._compiled

    def train(self, made: Batch) -> None:
        """Forward, backward and one step of the optimizer, which comes last: nothing can fail after it."""
        compiled = self.ready("training")
        x, y, sample_weight = self._complete(made)
        self.build(x.shape)
        compiled.optimizer.build(self.trainable_weights)
        compiled.optimizer.zero_grad()
        y_pred, mask, pullback = self.run(x, training=True)
        assert compiled.loss is not None
        value, dy = compiled.loss.value_and_grad(y, y_pred, sample_weight, mask)
        pullback(compiled.optimizer.scale_loss(dy), need_dx=False)
        regularizers.add_gradients(self.trainable_weights, compiled.optimizer.scale_loss(1.0))
        value += sum(self.losses)
        compiled.update(value, y, y_pred, sample_weight, mask)
        compiled.optimizer.apply()

    def test(self, made: Batch) -> None:
        """Forward, the loss and the metrics."""
        compiled = self.ready("testing")
        x, y, sample_weight = self._complete(made)
        y_pred, mask, _ = self.run(x, tape=False)
        assert compiled.loss is not None
        value = compiled.loss(y, y_pred, sample_weight, mask) + sum(self.losses)
        compiled.update(value, y, y_pred, sample_weight, mask)

    def _complete(self, made: Batch) -> tuple[Array, Array, Array | None]:
        if made.y is None:
            raise ValueError("y must be given, or come with the batches of x, got None")
        if not len(made.x):
            raise ValueError(f"x must have at least one row, got shape {made.x.shape}")
        return made.x, made.y, made.sample_weight

    def returned(self, return_dict: bool) -> Any:
        """The results so far, as evaluate returns them."""
        results = self.ready("results").results()
        if return_dict:
            return in_order(results)
        return list(results.values()) if len(results) > 1 else results["loss"]

    def weigher(self, class_weight: ClassWeight) -> Callable[[Batch], Batch]:
        """A function that gives a batch the weights of its classes."""
        one_hot = isinstance(self.loss, CategoricalCrossentropy)
        sparse = isinstance(self.loss, SparseCategoricalCrossentropy)

        def weigh(made: Batch) -> Batch:
            if made.sample_weight is not None:
                raise ValueError("class_weight and sample_weight cannot both be given")
            if made.y is None:
                return made
            return made._replace(sample_weight=data.class_weights(class_weight, made.y, one_hot, sparse))

        return weigh


def in_order(logs: Logs) -> Logs:
    """Sorted by name, as Keras gives logs."""
    return dict(sorted(logs.items()))
