"""Stepper: compile, and what a compiled model does with one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from .. import ops, optimizers, regularizers
from ..layers import Layer, nested
from ..layers.penalties import Run, Share
from ..losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from ..metrics import Metric
from ..optimizers import Optimizer
from . import data, weights
from .compiled import Compiled
from .data import Batch, ClassWeight
from .ragged import Ragged
from .scoring import Score, score
from .undo import own_gradients, unchanged, undone_on_error

Array = NDArray[Any]
Logs = dict[str, float]


class Stepper(Layer):
    """A layer that can be compiled and trained batch by batch. A subclass implements `run`, and says what its inputs
    and outputs are in `given`, `prepare` and `output_names`."""

    _compiled: Compiled | None = None

    def given(self, x: Any, y: Any = None, sample_weight: Any = None) -> Batch:
        """Arrays in the structure of the inputs and the outputs, checked, from whatever a user gives for them."""
        return data.batch(x, y, sample_weight)

    def run_apart(self, x: Any, **call: Any) -> Run:
        """`run`, which may leave sequences of different lengths apart, as `Grouped`."""
        return self.run(x, **call)

    def prepare(self, x: Any) -> None:
        """Make all weights, for inputs such as these."""
        raise NotImplementedError(f"{type(self).__name__} must implement prepare")

    def names_of(self, outputs: Sequence[Any]) -> list[str | None]:
        """The names of the outputs, flat."""
        return [None] * len(outputs)

    def layout(self, y: Any) -> Any:
        """The structure of the outputs, of which y are some."""
        return 0

    def compile(
        self,
        optimizer: str | Optimizer = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int | str = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Choose how to train.

        Args:
            optimizer: a name or an Optimizer.
            loss: a name, a Loss, or a function of (y_true, y_pred), see `losses.FunctionLoss`; with several outputs one
                for all of them, a list, or a dictionary by names of outputs, where None is no loss. None for a model
                that only predicts.
            loss_weights: what each output's loss counts, a list or a dictionary; 1 where None.
            metrics: names, Metric objects or functions of (y_true, y_pred). They see the mask, not the weights. With
                several outputs a list of lists, or a dictionary by names.
            weighted_metrics: the same, but these see `sample_weight` and `class_weight` too.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: Keras's hints to its compilers; the kernels
                are compiled either way, and results do not depend on these.

        Raises:
            ValueError: an unknown name; the message lists the known ones.
        """
        for name, flag in (("run_eagerly", run_eagerly), ("auto_scale_loss", auto_scale_loss)):
            ops.check_bool(name, bool(flag) if flag is None else flag)
        ops.check_count("steps_per_execution", 1 if steps_per_execution == "auto" else steps_per_execution)
        if jit_compile not in ("auto", True, False, None):
            raise ValueError(f"jit_compile must be 'auto', True or False, got {jit_compile!r}")
        self._compiled = Compiled(optimizer, loss, loss_weights, metrics, weighted_metrics)

    @property
    def compiled(self) -> bool:
        """Whether `compile` has been called."""
        return self._compiled is not None

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer, or None before `compile`. Another one can be set: a name or an Optimizer, which begins anew
        for weights that it has not trained."""
        return self.__dict__.get("optimizer") if self._compiled is None else self._compiled.optimizer

    @optimizer.setter
    def optimizer(self, value: str | Optimizer) -> None:
        found = optimizers.get(value)
        if self._compiled is None:
            self.__dict__["optimizer"] = found
        else:
            self._compiled.optimizer = found

    @property
    def loss(self) -> Any:
        """The loss, or the list or dictionary of losses, or None. Setting it compiles again with the same optimizer
        and metrics."""
        return self.__dict__.get("loss") if self._compiled is None else self._compiled.loss

    @loss.setter
    def loss(self, value: Any) -> None:
        compiled = self._compiled
        if compiled is None:
            self.__dict__["loss"] = value
        else:
            given = [metrics for _, metrics, _ in compiled.asked]
            self._compiled = Compiled(compiled.optimizer, value, compiled.asked_weights, *given)

    @property
    def metrics(self) -> list[Metric]:
        """The mean of the loss and the metrics. "accuracy" appears with the first batch, which says what it is."""
        return [] if self._compiled is None else self._compiled.metrics

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns, in that order."""
        return [] if self._compiled is None else list(self._compiled.results())

    def reset_metrics(self) -> None:
        """Start the means of the loss and of the metrics again."""
        if self._compiled is not None:
            self._compiled.reset()

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
            x: (B, ...) inputs; a list or a dictionary for several.
            y: (B, ...) targets, likewise.
            sample_weight: (B,) or (B, T) weights in the loss; with several outputs one array for all, or likewise.
            class_weight: class to weight; not together with sample_weight.
            return_dict: return a dictionary.

        Returns:
            [loss, metric, ...] of the batch before the step; the loss alone if there are no metrics.
        """
        self.ready("train_on_batch").reset()
        made = self.given(x, y, sample_weight)
        if class_weight is not None:
            made = self.weigher(class_weight)(made)
        self.train(made)
        return self.returned(return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and the metrics of one batch; arguments and results as in `train_on_batch`."""
        self.ready("test_on_batch").reset()
        self.test(self.given(x, y, sample_weight))
        return self.returned(return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Outputs (B, ...) for one batch."""
        return self(x)

    def gradients(
        self, x: Any, y: Any, sample_weight: Any = None, *, advance: bool = False
    ) -> tuple[dict[str, Array], float]:
        """The gradient of the loss by each trainable weight, in training, without a step.

        Args:
            x, y, sample_weight: one batch, as for `train_on_batch`.
            advance: False only looks: states, moving statistics and random generators are as before, so that a second
                call gives the same, with the same dropout. True, for a training loop of your own, lets them go on.

        Returns:
            path of the weight to its gradient, and the loss. What `Variable.grad` held before, it holds again.

        Example:
            >>> model = Sequential([Input((None, 3)), GRU(16, name="gru"), Dense(1)])
            >>> model.compile("adam", "mse")
            >>> grads, loss = model.gradients(np.ones((8, 5, 3)), np.ones((8, 1)))
            >>> grads["gru/gru_cell/kernel"].shape
            (3, 48)
        """
        self.ready("gradients")
        made = self._complete(self.given(x, y, sample_weight))
        self.prepare(made.x)
        kept = undone_on_error if ops.check_bool("advance", advance) else unchanged
        with kept(self), own_gradients(self):
            value = self.learn(made)[0]
            scale = self.ready("gradients").optimizer.scale_loss(1.0)
            return {w.path: w.grad / w.dtype.type(scale) for w in self.trainable_weights}, float(value)

    def save_weights(self, filepath: Any, overwrite: bool = True, note: Mapping[str, Any] | None = None) -> None:
        """Write all weights, and the optimizer's state, to a .weights.h5 file that Keras reads; see `weights.save`."""
        weights.save(self, filepath, overwrite, note)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False) -> dict[str, Any]:
        """Read weights that `save_weights` or `save` wrote, or Keras; see `weights.load`."""
        return weights.load(self, filepath, skip_mismatch)

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
        made = self._complete(made)
        self.prepare(made.x)
        compiled.optimizer.build(self.trainable_weights)
        compiled.optimizer.zero_grad()
        with undone_on_error(self):
            value, parts, scored = self.learn(made)
            compiled.update(value, parts, *scored)
        compiled.optimizer.apply()

    def test(self, made: Batch) -> None:
        """Forward, the loss and the metrics."""
        compiled = self.ready("testing")
        made = self._complete(made)
        with undone_on_error(self):
            ran = self.run_apart(made.x, tape=False)
            value, parts, _, scored = self.score(ran, made, gradient=False)
            compiled.update(value, parts, *scored)

    def learn(self, made: Batch) -> tuple[float, list[float], tuple[Any, ...]]:
        """Forward and backward: adds to the gradients of the weights.

        Returns:
            the total loss, the losses of the outputs that have one, and what metrics need: names, targets,
            predictions, weights and masks of the outputs.
        """
        ran = self.run_apart(made.x, training=True, share=self.share())
        value, parts, gradients, scored = self.score(ran, made, gradient=True)
        self.pull(ran, gradients)
        return value, parts, scored

    def pull(self, ran: Run, gradients: Sequence[Any]) -> None:
        """Add to the gradients of the weights what a run's outputs give, flat, with None for zeros, and penalties; the
        run was made with `share()`."""
        optimizer = self.ready("training").optimizer
        scale = optimizer.scale_loss(1.0)
        scaled = [None if d is None else optimizer.scale_loss(d) for d in gradients]
        ran.pullback(nested.pack(ran.y, scaled), need_dx=False)
        regularizers.add_gradients(self.trainable_weights, scale)

    def share(self) -> Share:
        """How penalties count in training: their gradients are scaled as the loss is."""
        return Share(scale=self.ready("training").optimizer.scale_loss(1.0))

    def penalties(self, ran: Run) -> Any:
        """What comes to the loss as it is, not averaged with the rows."""
        return sum(regularizers.penalties(self.trainable_weights)) + sum(ran.penalties)

    def score(self, ran: Run, made: Batch, gradient: bool) -> Score:
        """The loss of what was run, with all penalties; see `scoring.score`."""
        names = self.names_of(nested.flatten(ran.y))
        return score(self.ready("training"), ran, made, names, self.penalties(ran), gradient)

    def _complete(self, made: Batch) -> Batch:
        if made.y is None:
            raise ValueError("y must be given, beside x or in each of its batches, got None")
        if not data.rows(made.x):
            shape = next(leaf.shape for leaf in nested.flatten(made.x))
            raise ValueError(f"x must have at least one row, got shape {shape}")
        return made

    def returned(self, return_dict: bool) -> Any:
        """The results so far, as evaluate returns them."""
        results = self.ready("results").results()
        if ops.check_bool("return_dict", return_dict):
            return in_order(results)
        return list(results.values()) if len(results) > 1 else results["loss"]

    def weigher(self, class_weight: ClassWeight) -> Callable[[Batch], Batch]:
        """A function that gives a batch the weights of its classes."""

        def weigh(made: Batch) -> Batch:
            if made.sample_weight is not None:
                raise ValueError("class_weight and sample_weight cannot both be given")
            if made.y is None:
                return made
            targets = nested.flatten(made.y)
            if len(targets) != 1 or isinstance(targets[0], Ragged):
                what = "sequences of different lengths" if len(targets) == 1 else f"{len(targets)} outputs"
                raise ValueError(f"class_weight needs a model with one output and even targets, got {what}")
            kinds = [k for k in nested.flatten(self.loss) if k is not None]
            one_hot = isinstance(kinds[0], CategoricalCrossentropy)
            sparse = isinstance(kinds[0], SparseCategoricalCrossentropy)
            return made._replace(sample_weight=data.class_weights(class_weight, targets[0], one_hot, sparse))

        return weigh


def in_order(logs: Logs) -> Logs:
    """Sorted by name, as Keras gives logs."""
    return dict(sorted(logs.items()))
