"""Compilable: the methods of a model that say how it is trained: its optimizer, losses and metrics."""

from __future__ import annotations

from typing import Any, Self

from .. import core, optimizers
from ..layers import Layer
from ..metrics import Metric
from ..optimizers import Optimizer
from .compile_config import compile_config, compile_from
from .compiled import Compiled
from .logs import Logs
from .plan import own_metrics
from .trainer import Trainer


class Compilable(Layer):
    """A layer with a trainer, which has an optimizer, losses and metrics once the layer is compiled."""

    _trainer: Trainer

    def __new__(cls, *args: Any, **options: Any) -> Self:
        model = super().__new__(cls, *args, **options)
        model._trainer = Trainer(model)  # here, as a subclass may set an optimizer before it calls `__init__`
        return model

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
            core.check_bool(name, bool(flag) if flag is None else flag)
        core.check_count("steps_per_execution", 1 if steps_per_execution == "auto" else steps_per_execution)
        if jit_compile not in ("auto", True, False, None):
            raise ValueError(f"jit_compile must be 'auto', True or False, got {jit_compile!r}")
        given = map(self._trainer.model._signature.flat, (loss, loss_weights, metrics, weighted_metrics))
        self._trainer.whole = Compiled(optimizer, *given)

    def get_compile_config(self) -> dict[str, Any]:
        """What `compile` was given, ready for JSON; empty before. TypeError for functions that are not registered."""
        return compile_config(self)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as a configuration says, Keras's or one of `get_compile_config`; ValueError where it cannot."""
        compile_from(self, config)

    @property
    def compiled(self) -> bool:
        """Whether `compile` has been called."""
        return self._trainer.compiled is not None

    @property
    def optimizer(self) -> Optimizer | Any:
        """The optimizer, or None before `compile`. Another one can be set: a name or an Optimizer, which begins anew
        for weights that it has not trained."""
        compiled = self._trainer.compiled
        return self._trainer.asked.get("optimizer") if compiled is None else compiled.optimizer

    @optimizer.setter
    def optimizer(self, value: str | Optimizer) -> None:
        compiled, optimizer = self._trainer.compiled, optimizers.get(value)
        if compiled is None:
            self._trainer.asked["optimizer"] = optimizer
        else:
            compiled.optimizer = optimizer

    @property
    def loss(self) -> Any:
        """The loss, or the list or dictionary of losses, or None. Setting it compiles again with the same optimizer
        and metrics."""
        compiled = self._trainer.compiled
        return self._trainer.asked.get("loss") if compiled is None else compiled.loss

    @loss.setter
    def loss(self, value: Any) -> None:
        compiled = self._trainer.compiled
        if compiled is None:
            self._trainer.asked["loss"] = value
        else:
            metrics = [metrics for _, metrics, _ in compiled.asked]
            self._trainer.whole = Compiled(compiled.optimizer, value, compiled.asked_weights, *metrics)

    @property
    def metrics(self) -> list[Metric]:
        """The mean of the loss, the metrics, and those that are attributes of the model or of layers in it. What was
        given to `compile` appears with the first batch, which says what "accuracy" is. A subclass may override this."""
        compiled = self._trainer.compiled
        return [*([] if compiled is None else compiled.metrics), *own_metrics(self)]

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns, in that order."""
        return list(self.get_metrics_result())

    def reset_metrics(self) -> None:
        """Start the means of the loss and of the metrics again."""
        self._trainer.reset_metrics()

    def get_metrics_result(self) -> Logs:
        """The values of all metrics by name: numbers, or arrays where a metric gives one."""
        return self._trainer.results()
