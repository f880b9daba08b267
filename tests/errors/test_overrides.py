"""Whatever Keras calls of a user's class is called here too, or refused by name when the class is made."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import Input, Model, Sequential, callbacks, layers, losses, metrics, models, optimizers, regularizers
from cellstep.optimizers import schedules

X, Y = np.ones((4, 3, 2), "float32"), np.ones((4, 1), "float32")


def a_model(kind: type[Model] = Model, layer: Any = None, **options: Any) -> Model:
    x = Input((3, 2))
    model = kind(x, layers.Dense(1)((layer or layers.GRU(2))(x)))
    model.compile(**{"optimizer": "sgd", "loss": "mse", "metrics": ["mae"], **options})
    return model


def runs(kind: type[Model]) -> None:
    model = a_model(kind)
    model.fit(X, Y, verbose=0, validation_data=(X, Y))
    model.predict(X)
    models.clone_model(model)
    Model.from_config(a_model(Model, model).get_config(), {kind.__name__: kind})


def runs_layer(kind: Any) -> None:
    made = kind(2) if issubclass(kind, layers.RNN) else kind()
    model = a_model(layer=made)
    model.fit(X, Y, verbose=0)
    model.predict(X)
    model.summary(print_fn=lambda text: None)
    cellstep.Model.from_config(model.get_config(), {kind.__name__: kind})
    getattr(made, "reset_states", lambda: None)()


class Plain(layers.Layer):
    """Takes the first step."""

    def forward(self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False) -> Any:
        def pullback(dy: Any, need_dx: bool = True) -> Any:
            dx = np.zeros_like(x)
            dx[:, 0] = dy
            return dx

        return x[:, 0], pullback

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], *input_shape[2:])


def runs_metric(kind: Any) -> None:
    a_model(metrics=[kind()]).fit(X, Y, epochs=2, verbose=0)


def runs_loss(kind: Any) -> None:
    a_model(loss=kind()).fit(X, Y, verbose=0)


def runs_optimizer(kind: Any) -> None:
    model = a_model(optimizer=kind())
    model.fit(X, Y, verbose=0)
    model.get_compile_config()


def runs_callback(kind: Any) -> None:
    model = a_model()
    model.fit(X, Y, verbose=0, callbacks=[kind()], validation_data=(X, Y))
    model.evaluate(X, Y, verbose=0, callbacks=[kind()])
    model.predict(X, verbose=0, callbacks=[kind()])


class Squares(losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return (y_true - y_pred) ** 2


class Batches(cellstep.utils.PyDataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return X, Y


HOOKS = [f"on_{what}_{end}" for what in ("train", "test", "predict", "epoch", "batch") for end in ("begin", "end")]
HOOKS += [f"on_{what}_batch_{end}" for what in ("train", "test", "predict") for end in ("begin", "end")]

#: A class, how an object of a subclass is put to work, and what Keras 3.15 calls of it in one way or another.
CALLED: list[tuple[Any, Callable[[Any], None], list[str]]] = [
    (
        Model,
        runs,
        [
            *("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "get_metrics_result"),
            *("reset_metrics", "metrics", "make_train_function", "make_test_function", "make_predict_function"),
            *("compute_loss_and_updates", "stateless_compute_loss", "stateless_call", "get_compile_config"),
            *("compile_from_config", "compute_output_shape", "compute_output_spec", "symbolic_call", "compute_mask"),
            *("trainable_variables", "non_trainable_variables", "variables", "losses", "get_config", "__call__"),
            *("save_own_variables", "load_own_variables", "get_build_config", "trainable_weights", "weights"),
        ],
    ),
    (
        Plain,
        runs_layer,
        [
            *("build", "compute_output_shape", "compute_output_spec", "compute_mask", "call", "__call__", "losses"),
            *("get_config", "get_build_config", "variables", "trainable_variables", "save_own_variables"),
            *("load_own_variables", "save_assets", "load_assets", "symbolic_call", "stateless_call", "count_params"),
        ],
    ),
    (layers.LSTM, runs_layer, ["build", "call", "get_initial_state", "compute_output_shape", "compute_mask"]),
    (layers.LSTM, runs_layer, ["inner_loop", "reset_state", "reset_states"]),
    (
        metrics.MeanSquaredError,
        runs_metric,
        [
            *("update_state", "result", "reset_state", "reset_states", "stateless_update_state", "stateless_result"),
            "stateless_reset_state",
        ],
    ),
    (Squares, runs_loss, ["call", "__call__"]),
    (losses.MeanSquaredError, runs_loss, ["call", "__call__"]),
    (
        optimizers.Adam,
        runs_optimizer,
        [
            *("build", "update_step", "apply", "apply_gradients", "stateless_apply", "scale_loss", "get_config"),
            *("finalize_variable_values", "assign", "assign_add", "assign_sub", "learning_rate"),
        ],
    ),
    (callbacks.Callback, runs_callback, [*HOOKS, "set_model", "set_params"]),
    (callbacks.EarlyStopping, runs_callback, ["on_epoch_end", "get_monitor_value"]),
    (callbacks.ReduceLROnPlateau, runs_callback, ["on_epoch_end", "in_cooldown"]),
    (
        schedules.ExponentialDecay,
        lambda kind: runs_optimizer(lambda: optimizers.SGD(kind(0.1, 3, 0.5))),
        ["__call__", "get_config"],
    ),
    (
        cellstep.initializers.Zeros,
        lambda kind: runs_layer(type("GRU", (layers.GRU,), {"__init__": _with(kernel_initializer=kind())})),
        ["__call__"],
    ),
    (
        cellstep.constraints.NonNeg,
        lambda kind: runs_layer(type("GRU", (layers.GRU,), {"__init__": _with(kernel_constraint=kind())})),
        ["__call__"],
    ),
    (
        regularizers.L2,
        lambda kind: runs_layer(type("GRU", (layers.GRU,), {"__init__": _with(kernel_regularizer=kind())})),
        ["__call__"],
    ),
    (
        Batches,
        lambda kind: a_model().fit(kind(), verbose=0),
        ["__getitem__", "__len__", "num_batches", "on_epoch_begin", "on_epoch_end"],
    ),
]


def _with(**options: Any) -> Any:
    def __init__(self: Any, units: int = 2, **given: Any) -> None:
        layers.GRU.__init__(self, units, **{**given, **options})

    return __init__


PAIRS = [(base, run, name) for base, run, names in CALLED for name in names]


def overriding(base: Any, name: str, seen: list[str]) -> Any:
    """A subclass that overrides one method or property, and does what its base does where that has it."""
    inherited = getattr(base, name, None)

    def method(self: Any, *args: Any, **options: Any) -> Any:
        seen.append(name)
        return inherited(self, *args, **options) if inherited is not None else None

    def get(self: Any) -> Any:
        seen.append(name)
        return inherited.fget(self) if isinstance(inherited, property) else None

    def put(self: Any, value: Any) -> None:
        inherited.fset(self, value)

    is_property = isinstance(inherited, property)
    written = property(get, put if is_property and inherited.fset else None) if is_property else method
    return type("Own", (base,), {name: written, "__module__": "mine"})


@pytest.mark.parametrize(("base", "run", "name"), PAIRS, ids=[f"{b.__name__}-{n}" for b, _, n in PAIRS])
def test_an_override_is_called_or_refused_by_name(base: Any, run: Any, name: str) -> None:
    seen: list[str] = []
    refused = None
    try:
        kind = overriding(base, name, seen)
    except NotImplementedError as error:
        refused = str(error)
    if refused is None:
        run(kind)
        assert seen, f"{base.__name__}.{name} was overridden, and neither called nor refused"
    else:  # with a word on what to write instead
        assert re.match(
            rf"Own\.{name} would (never be called here|have no effect, as \w+ computes by \w+): \w", refused
        )


def test_mixins_and_grandchildren_are_checked_too() -> None:
    class Mixin:
        def make_train_function(self) -> None: ...

    with pytest.raises(
        NotImplementedError, match=r"M.make_train_function would never be called here: override train_st"
    ):
        type("M", (Mixin, Sequential), {"__module__": "mine"})
    once = type("Once", (layers.Dense,), {"__module__": "mine"})
    twice = type("Twice", (once,), {"call": lambda self, x: 2 * once.call(self, x)})
    layer = twice(3)
    y = layer(X)
    np.testing.assert_allclose(y, 2 * X @ layer.kernel.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(Sequential([layer]).predict(X, verbose=0), y)


@pytest.mark.parametrize("name", ["call", "forward", "__call__"])
@pytest.mark.parametrize("cell", [layers.LSTMCell, layers.StackedRNNCells])
def test_cells_that_kernels_run(cell: Any, name: str) -> None:
    with pytest.raises(NotImplementedError, match=f"Own.{name} would never be called here: kernels run this cell"):
        overriding(cell, name, [])


def test_forward_decides_for_outputs_alone_too() -> None:
    class Doubled(layers.LSTM):
        def forward(self, x: Any, *args: Any, **options: Any) -> Any:
            y, pullback = super().forward(x, *args, **options)
            return 2 * y, lambda dy, need_dx=True: pullback(2 * dy, need_dx=need_dx)

    layer = Doubled(3)
    y = layer.forward(X)[0]
    np.testing.assert_array_equal(layer(X), y)
    np.testing.assert_array_equal(Sequential([layer]).predict(X), y)
    with pytest.raises(NotImplementedError, match="cannot be streamed, as Doubled has no step"):
        layer.stream()


@pytest.mark.parametrize("of_cell", [True, False])
@pytest.mark.parametrize("wrap", [lambda layer: layer, layers.Bidirectional])
def test_first_states_of_one_s_own(of_cell: bool, wrap: Any) -> None:
    def get_initial_state(self: Any, batch_size: int) -> Any:
        return [np.full((batch_size, 3), 0.5)]

    base = layers.GRUCell if of_cell else layers.GRU
    kind = type("Own", (base,), {"get_initial_state": get_initial_state, "__module__": "mine"})
    with cellstep.utils.custom_object_scope({"Own": kind}):
        layer = wrap(layers.RNN(kind(3)) if of_cell else kind(3))
    y = layer(X)
    plain = wrap(layers.RNN(layers.GRUCell(3)) if of_cell else layers.GRU(3))
    plain.build(X.shape)
    plain.set_weights(layer.get_weights())
    states = [np.full((4, 3), 0.5)] * (1 if plain.__class__ is not layers.Bidirectional else 2)
    np.testing.assert_array_equal(y, plain(X, initial_state=states))
