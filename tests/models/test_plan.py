"""What a model's steps know of it is looked up once; each change between two batches is heeded all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, Sequential, callbacks, layers, metrics, optimizers, regularizers, seeds


def make() -> Any:
    seeds.set_random_seed(3)
    model = Sequential(
        [Input((5, 3)), layers.LSTM(4, name="lstm"), layers.Dense(3, name="hidden"), layers.Dense(1, name="head")]
    )
    model.compile("adam", "mse")
    return model


def lstm(model: Any) -> Any:
    return model.get_layer("lstm")


class OwnStep:
    """A step on an object: it trains on targets that are twice as large."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, data: Any) -> Any:
        x, y = data
        return type(self.model).train_step(self.model, (x, 2 * y))


def freeze_weight(model: Any) -> None:
    lstm(model).weights[0].trainable = False


def set_regularizer(model: Any) -> None:
    model.get_layer("hidden").kernel.regularizer = regularizers.L2(0.3)


def set_activity_regularizer(model: Any) -> None:
    lstm(model).activity_regularizer = regularizers.L2(0.3)


def set_own_step(model: Any) -> None:
    model.train_step = OwnStep(model)


def add_layer(model: Any) -> None:
    model.add(layers.Dense(1, kernel_initializer="ones", name="added"))


def drop(model: Any) -> None:
    lstm(model).cell.dropout = 0.5


CHANGES: dict[str, Callable[[Any], Any]] = {
    "layer frozen": lambda model: setattr(lstm(model), "trainable", False),
    "weight frozen": freeze_weight,
    "regularizer": set_regularizer,
    "activity_regularizer": set_activity_regularizer,
    "optimizer": lambda model: setattr(model, "optimizer", optimizers.SGD(0.3)),
    "learning_rate": lambda model: setattr(model.optimizer, "learning_rate", 0.2),
    "clipnorm": lambda model: setattr(model.optimizer, "clipnorm", 1e-3),
    "loss": lambda model: setattr(model, "loss", "mae"),
    "compile": lambda model: model.compile("sgd", "mae"),
    "train_step": set_own_step,
    "layer added": add_layer,
    "layer removed and another added": lambda model: (model.pop(), add_layer(model)),
    "dropout": drop,
    "activation": lambda model: setattr(model.get_layer("hidden"), "activation", layers.Dense(1, "tanh").activation),
    "stateful": lambda model: setattr(lstm(model), "stateful", True),
    "weights": lambda model: model.set_weights([0.5 * w for w in model.get_weights()]),
    "go_backwards": lambda model: setattr(lstm(model), "go_backwards", True),
}


def train(change: Callable[[Any], Any] | None, forget: bool, at: int = 2) -> tuple[Any, list[float], list[Any]]:
    """A model after 5 batches, with a change after one of them; the losses; and the last weights."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5, 3)).astype("f4"), rng.standard_normal((40, 1)).astype("f4")
    model = make()
    losses: list[float] = []

    class Change(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            losses.append(logs["loss"])
            if batch == at and change is not None:
                change(model)
            if forget:
                model._trainer.forget_plan()

    model.fit(x, y, batch_size=8, shuffle=False, verbose=0, callbacks=[Change()])
    return model, losses, model.get_weights()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_between_two_batches_is_heeded(name: str) -> None:
    """The numbers are those of a model that is looked at anew for each batch, and not those without the change."""
    change = CHANGES[name]
    _, losses, weights = train(change, forget=False)
    _, anew, wanted = train(change, forget=True)
    unchanged = train(None, forget=False)[2]
    assert losses == anew
    for a, b in zip(weights, wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    differs = len(weights) != len(unchanged) or any(
        a.shape != b.shape or not np.array_equal(a, b) for a, b in zip(weights, unchanged, strict=True)
    )
    assert differs


def test_a_metric_that_becomes_an_attribute_is_gathered_and_reset() -> None:
    model = make()
    x, y = np.ones((16, 5, 3), "f4"), np.ones((16, 1), "f4")
    model.fit(x, y, batch_size=8, verbose=0)
    model.watched = metrics.Mean(name="watched")
    model.watched.update_state(3.0)
    assert "watched" in model.train_on_batch(x, y, return_dict=True)
    assert model.watched.count == 0


def test_a_plan_is_kept_while_nothing_changes() -> None:
    model = make()
    x, y = np.ones((16, 5, 3), "f4"), np.ones((16, 1), "f4")
    model.train_on_batch(x, y)
    plan = model._trainer._cached_plan
    for _ in range(3):
        model.train_on_batch(x, y)
        model.test_on_batch(x, y)
        model.predict(x, verbose=0)
    assert model._trainer._cached_plan is plan
    make()  # another model is none of its affair
    model.train_on_batch(x, y)
    assert model._trainer._cached_plan is plan
    lstm(model).dropout_of_mine = object()
    model.train_on_batch(x, y)
    assert model._trainer._cached_plan is not plan


def test_plans_do_not_travel_with_copies() -> None:
    import copy
    import pickle

    model = make()
    x, y = np.ones((16, 5, 3), "f4"), np.ones((16, 1), "f4")
    model.train_on_batch(x, y)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other._trainer.model is other
        assert other._trainer._cached_plan is None
        assert other.train_on_batch(x, y) == pytest.approx(model.test_on_batch(x, y))
        assert other.optimizer.iterations == 2
    assert model.optimizer.iterations == 1


class Patched(Sequential):
    """A class of a user's, whose methods are replaced between two batches."""


def make_patched() -> Any:
    model = Patched([Input((5, 3)), layers.LSTM(4), layers.Dense(1)])
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize(
    ("name", "patch"),
    [
        ("compute_metrics", lambda self, x, y, y_pred, sample_weight=None: {"loss": 7.0}),
        ("get_metrics_result", lambda self: {"loss": 7.0}),
    ],
)
def test_a_method_that_is_patched_into_the_class_is_called(
    name: str, patch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x, y = make_patched(), np.ones((4, 5, 3), "f4"), np.ones((4, 1), "f4")
    assert model.train_on_batch(x, y) != 7
    monkeypatch.setattr(Patched, name, patch, raising=False)
    assert model.train_on_batch(x, y) == 7
    monkeypatch.undo()
    assert model.train_on_batch(x, y) != 7


def test_a_predict_step_that_is_patched_into_the_class_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = make_patched(), np.ones((4, 5, 3), "f4")
    before = model.predict(x)
    monkeypatch.setattr(Patched, "predict_step", lambda self, data: self(data) + 1, raising=False)
    np.testing.assert_array_equal(model.predict(x), before + 1)
    monkeypatch.undo()
    np.testing.assert_array_equal(model.predict(x), before)


def test_an_apply_that_is_put_into_an_optimizer_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, y = make_patched(), np.ones((4, 5, 3), "f4"), np.ones((4, 1), "f4")
    model.train_on_batch(x, y)
    optimizer, calls = model.optimizer, []
    apply = optimizer.apply
    monkeypatch.setattr(optimizer, "apply", lambda *args: (calls.append(args), apply(*args)))
    model.train_on_batch(x, y)
    assert calls == [()]
    assert optimizer.iterations == 2


def test_a_model_of_frozen_layers_alone_makes_steps() -> None:
    """The optimizer has no variables, from the first step on."""
    model, x, y = make_patched(), np.ones((4, 5, 3), "f4"), np.ones((4, 1), "f4")
    model.trainable = False
    before = model.get_weights()
    assert model.train_on_batch(x, y) == model.train_on_batch(x, y)
    assert model.optimizer.iterations == 2
    for kept, value in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, value)


class Tower(Model):
    """Layers in a list or a dictionary, run one after another."""

    def __init__(self, keyed: bool) -> None:
        super().__init__()
        blocks = [layers.Dense(3, name=f"block{i}") for i in range(3)]
        self.blocks: Any = dict(enumerate(blocks)) if keyed else blocks

    def forward(self, x: Any, training: bool = False) -> Any:
        pullbacks = []
        for block in self.blocks.values() if isinstance(self.blocks, dict) else self.blocks:
            x, pullback = block.forward(x, training=training)
            pullbacks.append(pullback)

        def back(dy: Any, need_dx: bool = True) -> Any:
            for pullback in reversed(pullbacks):
                dy = pullback(dy)
            return dy

        return x, back


@pytest.mark.parametrize("keyed", [False, True])
def test_a_layer_that_leaves_a_list_is_no_longer_trained(keyed: bool) -> None:
    model, x, y = Tower(keyed), np.ones((4, 3), "f4"), np.ones((4, 3), "f4")
    model.compile("adam", "mse")
    model.train_on_batch(x, y)
    removed = model.blocks.pop(2)
    before = removed.get_weights()
    model.train_on_batch(x, y)
    for kept, value in zip(before, removed.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, value)


def test_a_layer_whose_attribute_is_deleted_is_no_longer_trained() -> None:
    model, x, y = Tower(False), np.ones((4, 3), "f4"), np.ones((4, 3), "f4")
    model.extra = model.blocks.pop()
    model.blocks.append(model.extra)
    model.compile("adam", "mse")
    model.train_on_batch(x, y)
    extra = model.extra
    model.blocks = model.blocks[:2]
    model.train_on_batch(x, y)
    del model.extra
    before = extra.get_weights()
    model.train_on_batch(x, y)
    for kept, value in zip(before, extra.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, value)


def test_a_plan_of_a_model_by_hand_is_kept_while_nothing_changes() -> None:
    model, x, y = Tower(False), np.ones((4, 3), "f4"), np.ones((4, 3), "f4")
    model.compile("adam", "mse")
    model.train_on_batch(x, y)
    plan = model._trainer._cached_plan
    model.train_on_batch(x, y)
    assert model._trainer._cached_plan is plan


def seen(function: Callable[..., Any], calls: list[Any]) -> Callable[..., Any]:
    """A method that notes that it is called."""

    def method(*args: Any, **options: Any) -> Any:
        calls.append(args)
        return function(*args, **options)

    return method


@pytest.mark.parametrize("name", ["lstm", "hidden"])
def test_a_forward_that_is_put_into_a_layer_is_called(name: str) -> None:
    """As a debugger does that watches a layer; results are the same, and a call goes by it too."""
    x, y = np.ones((4, 5, 3), "f4"), np.ones((4, 1), "f4")
    plain, model = make(), make()
    calls: list[Any] = []
    layer = model.get_layer(name)
    for one in plain, model:
        one.train_on_batch(x, y)
        one.predict(x)
    layer.forward = seen(layer.forward, calls)
    assert model.train_on_batch(x, y) == plain.train_on_batch(x, y)
    assert len(calls) == 1
    np.testing.assert_array_equal(model.predict(x), plain.predict(x))
    np.testing.assert_array_equal(layer(np.ones((2, 5, 3 if name == "lstm" else 4), "f4")).shape[0], 2)
    assert len(calls) == 3
    del layer.forward
    assert model.train_on_batch(x, y) == plain.train_on_batch(x, y)
    assert len(calls) == 3


@pytest.mark.parametrize("name", ["lstm", "hidden"])
def test_a_call_that_is_put_into_a_layer_is_called_without_gradients(name: str) -> None:
    x, y = np.ones((4, 5, 3), "f4"), np.ones((4, 1), "f4")
    plain, model = make(), make()
    calls: list[Any] = []
    layer = model.get_layer(name)
    layer.call = seen(layer.call, calls)
    np.testing.assert_array_equal(model.predict(x), plain.predict(x))
    assert len(calls) == 1
    assert model.train_on_batch(x, y) == plain.train_on_batch(x, y)
    assert len(calls) == 1
    assert model.test_on_batch(x, y) == plain.test_on_batch(x, y)
    assert len(calls) == 2
