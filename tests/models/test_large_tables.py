"""An Embedding's gradient is one of the rows that occur, and its update costs what these cost where the rule allows.

Weights are those of a gradient that holds every row, but with `sparse=True`, which is PyTorch's rule of SparseAdam.
"""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import lab, layers, optimizers
from cellstep.optimizers import table as tables

RULES = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam", "Lion", "Lamb")
ROWS, SIZE = 40, 3
rng = np.random.default_rng(7)
IDS = [rng.integers(0, 12, (4, 5)) * 3 for _ in range(7)]  # many rows never occur, many come often
TARGETS = [rng.standard_normal((4, 2)).astype("f4") for _ in IDS]


def net(by_rows: bool, sparse: bool = False, **options: Any) -> Any:
    cellstep.set_random_seed(1)
    embedding = layers.Embedding(ROWS, SIZE, sparse=sparse, name="words", **options)
    parts = [layers.Input((5,), dtype="int32"), embedding, layers.LSTM(2, seed=3), layers.Dense(2)]
    model = cellstep.Sequential(parts)
    embedding.embeddings.by_rows = by_rows
    return model


def trained(model: Any, optimizer: Any, look: Callable[[Any], Any] = lambda model: None) -> list[Any]:
    """All weights and all that the optimizer keeps, after some steps."""
    model.compile(optimizer, "mse")
    for ids, target in zip(IDS, TARGETS, strict=True):
        model.train_on_batch(ids, target)
        look(model)
    store: dict[str, Any] = {}
    optimizer.save_own_variables(store)
    return [*model.get_weights(), *store.values()]


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "decay": {"weight_decay": 0.1},
    "average": {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 3},
    "gathered": {"gradient_accumulation_steps": 2},
    "scaled": {"loss_scale_factor": 8.0},
    "value": {"clipvalue": 1e-3},
    "norm": {"clipnorm": 1e-2},
    "global norm": {"global_clipnorm": 1e-2},
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("rule", RULES)
def test_rows_give_what_whole_gradients_give(rule: str, options: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BLOCK", 7 * SIZE)  # several blocks, the last one shorter
    kind = getattr(optimizers, rule)
    one, other = (trained(net(by_rows), kind(0.05, **OPTIONS[options])) for by_rows in (True, False))
    for ours, dense in zip(one, other, strict=True):
        # norms are summed in another order
        if "norm" in options or rule == "Lamb":
            np.testing.assert_allclose(ours, dense, rtol=2e-5, atol=1e-7)
        else:
            np.testing.assert_array_equal(ours, dense)


@pytest.mark.parametrize("more", [{"embeddings_regularizer": "l2"}, {"embeddings_constraint": "unit_norm"}])
@pytest.mark.parametrize("rule", ["SGD", "Adam", "Adagrad"])
def test_regularizers_and_constraints_are_of_the_whole_table(rule: str, more: Any) -> None:
    one, other = (trained(net(by_rows, **more), getattr(optimizers, rule)(0.05)) for by_rows in (True, False))
    for ours, dense in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, dense)


def test_momentum_moves_rows_that_do_not_occur() -> None:
    one, other = (trained(net(by_rows), optimizers.SGD(0.05, 0.9, True)) for by_rows in (True, False))
    for ours, dense in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, dense)


LOOKS: dict[str, Callable[[Any], Any]] = {
    "grad": lambda model: model.layers[0].embeddings.grad.sum(),
    "gradients": lambda model: model.gradients(IDS[0], TARGETS[0]),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("sparse", [False, True])
def test_reading_gradients_changes_nothing(look: str, sparse: bool) -> None:
    plain = trained(net(True, sparse), optimizers.Adam(0.05, global_clipnorm=10.0))
    for ours, same in zip(
        trained(net(True, sparse), optimizers.Adam(0.05, global_clipnorm=10.0), LOOKS[look]), plain, strict=True
    ):
        np.testing.assert_array_equal(ours, same)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_monitor_changes_nothing(sparse: bool) -> None:
    def fit(callbacks: Any) -> list[Any]:
        model = net(True, sparse)
        model.compile(optimizers.Adam(0.05), "mse")
        model.fit(np.concatenate(IDS), np.concatenate(TARGETS), shuffle=False, verbose=0, callbacks=callbacks)
        return model.get_weights()

    monitor = lab.GradientMonitor()
    for ours, plain in zip(fit([monitor]), fit([]), strict=True):
        np.testing.assert_array_equal(ours, plain)
    assert monitor.records[0].gradients["words/embeddings"] > 0


TABLE = np.array([[-0.8, -1.32], [-0.25, 0.42], [1.14, 0.11], [-0.55, -0.78], [0.75, 1.63], [0.27, -1.23]], "f4")
PLACES = [[1, 1, 4], [4, 0, 4], [1, 3, 3], [0, 1, 0]]
SLOPES = np.array(
    [
        [[-0.96, 1.6], [0.2, -1.73], [-0.08, -1.16]],
        [[-0.63, -0.49], [-0.71, 0.55], [-0.06, -0.59]],
        [[0.41, 0.83], [-1.64, -0.26], [-0.98, -0.17]],
        [[-1.29, 0.02], [-0.04, -0.3], [-1.05, -0.4]],
    ],
    "f4",
)
#: torch 2.13: Embedding(sparse=True), SparseAdam(lr=0.1, eps=1e-7), SGD(lr=0.1), Adagrad with 0.1 at first.
TORCH = {
    "Adam": [
        *([-0.6547887, -1.4044136], [-0.1104398, 0.4435121], [1.14, 0.11]),
        *([-0.4861187, -0.7161191], [0.9316279, 1.8297498], [0.27, -1.23]),
    ],
    "SGD": [
        *([-0.495, -1.337], [-0.211, 0.38], [1.14, 0.11]),
        *([-0.288, -0.7369999], [0.827, 1.8540001], [0.27, -1.23]),
    ],
    "Adagrad": [
        *([-0.6137491, -1.3553079], [-0.1979115, 0.3972567], [1.14, 0.11]),
        *([-0.4507205, -0.6994395], [0.8649324, 1.7933040], [0.27, -1.23]),
    ],
}


def by_torchs_steps(layer: Any, optimizer: Any, dense: bool = False) -> Any:
    for places, slopes in zip(PLACES, SLOPES, strict=True):
        layer.embeddings.zero_grad()
        if dense:
            np.add.at(layer.embeddings.grad, places, slopes)
        else:
            layer.forward(places)[1](slopes)
        optimizer.apply(None, [layer.embeddings])
    return layer.embeddings.numpy()


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("rule", TORCH)
def test_sparse_is_pytorchs_rule(rule: str, dense: bool) -> None:
    layer = layers.Embedding(6, 2, weights=TABLE, sparse=True)
    found = by_torchs_steps(layer, getattr(optimizers, rule)(0.1), dense)
    np.testing.assert_allclose(found, TORCH[rule], rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("rule", RULES)
def test_sparse_is_the_rule_of_the_rows_that_occur(rule: str) -> None:
    """Rows that always occur go as in a table of them alone; others stay, and so does what is kept for them."""
    seen = [3, 4, 7]
    whole = rng.standard_normal((9, 2)).astype("f4")
    layer, alone = (layers.Embedding(len(a), 2, weights=a, sparse=True) for a in (whole, whole[seen]))
    one, other = (getattr(optimizers, rule)(0.1) for _ in range(2))
    for _ in range(3):
        slopes = rng.standard_normal((3, 2)).astype("f4")
        for each, optimizer, places in ((layer, one, seen), (alone, other, [0, 1, 2])):
            each.embeddings.zero_grad()
            each.forward(places)[1](slopes)
            optimizer.apply(None, [each.embeddings])
    np.testing.assert_array_equal(layer.embeddings.numpy()[seen], alone.embeddings.numpy())
    rest = np.delete(np.arange(9), seen)
    np.testing.assert_array_equal(layer.embeddings.numpy()[rest], whole[rest])
    for name in one.slots:
        kept = one.slot(name, layer.embeddings).reshape(9, 2)[rest]
        np.testing.assert_array_equal(kept, np.full_like(kept, one.initial.get(name, 0)))


def test_sparse_decays_and_gathers_the_rows_that_occur() -> None:
    layer = layers.Embedding(6, 2, weights=TABLE, sparse=True)
    found = by_torchs_steps(layer, optimizers.SGD(0.1, weight_decay=0.5, gradient_accumulation_steps=2))
    want = TABLE.astype("f8")
    for first in (0, 2):
        slopes = np.zeros((6, 2))
        for i in (first, first + 1):
            np.add.at(slopes, PLACES[i], SLOPES[i] / 2)
        occurs = slopes.any(axis=1)
        want[occurs] = want[occurs] * (1 - 0.05) - 0.1 * slopes[occurs]
    np.testing.assert_allclose(found, want, rtol=1e-6)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "Lamb"])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_step_takes_no_memory_of_the_size_of_the_table(rule: str, sparse: bool) -> None:
    rows, size = 100_000, 16
    layer = layers.Embedding(rows, size, sparse=sparse)
    optimizer = getattr(optimizers, rule)(0.1, global_clipnorm=1.0)
    ids = rng.integers(0, rows, (32, 20))
    layer(ids)
    optimizer.build([layer.embeddings])
    slots = sum(optimizer.slot(name, layer.embeddings).nbytes for name in optimizer.slots)
    for _ in range(2):
        tracemalloc.start()
        optimizer.zero_grad()
        y, pullback = layer.forward(ids)
        pullback(y)
        optimizer.apply()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < rows * size * 4 / 4
    assert slots == len(optimizer.slots) * rows * size * 4


class Tied(layers.Layer):
    """Scores of all words: h times the table of an Embedding that stands elsewhere in the model."""

    def __init__(self, embedding: Any) -> None:
        super().__init__()
        self.embedding = embedding

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.embedding.input_dim)

    def forward(self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False) -> Any:
        table = self.embedding.embeddings

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            table.grad[...] += dy.reshape(-1, dy.shape[-1]).T @ x.reshape(-1, x.shape[-1])
            return dy @ table.value

        return x @ table.value.T, pullback


@pytest.mark.parametrize("rule", ["SGD", "Adam", "Adagrad"])
def test_a_table_that_is_used_twice_or_tied(rule: str) -> None:
    def run(by_rows: bool, tied: bool) -> list[Any]:
        cellstep.set_random_seed(1)
        words, also = layers.Input((5,), dtype="int32"), layers.Input((5,), dtype="int32")
        embedding = layers.Embedding(ROWS, SIZE)
        h = layers.Add()([embedding(words), embedding(also)])
        y = Tied(embedding)(h) if tied else layers.GRU(ROWS, seed=2, return_sequences=True)(h)
        model = cellstep.Model([words, also], y)
        embedding.embeddings.by_rows = by_rows
        model.compile(getattr(optimizers, rule)(0.1), "mse")
        for ids, more in pairwise(IDS):
            model.train_on_batch([ids, more], np.ones((4, 5, ROWS), "f4"))
        return model.get_weights()

    for tied in (False, True):
        for ours, dense in zip(run(True, tied), run(False, tied), strict=True):
            np.testing.assert_allclose(ours, dense, rtol=1e-5, atol=1e-7)


def test_a_frozen_table_keeps_what_it_has_and_goes_on() -> None:
    def run(by_rows: bool) -> list[Any]:
        model = net(by_rows)
        optimizer = optimizers.Adam(0.05)
        trained(model, optimizer)
        model.layers[0].trainable = False
        table = model.layers[0].embeddings.numpy()
        model.train_on_batch(IDS[0], TARGETS[0])
        np.testing.assert_array_equal(model.layers[0].embeddings.numpy(), table)
        model.layers[0].trainable = True
        model.train_on_batch(IDS[1], TARGETS[1])
        return model.get_weights()

    for ours, dense in zip(run(True), run(False), strict=True):
        np.testing.assert_array_equal(ours, dense)


def test_two_models_train_one_table_in_turns() -> None:
    def run(by_rows: bool) -> list[Any]:
        one = net(by_rows)
        other = cellstep.Sequential([one.layers[0], layers.GRU(2, seed=4), layers.Dense(2, kernel_initializer="ones")])
        for model in (one, other):
            model.compile(optimizers.Adam(0.05), "mse")
        for i, (ids, target) in enumerate(zip(IDS, TARGETS, strict=True)):
            (one, other)[i % 2].train_on_batch(ids, target)
        return [*one.get_weights(), *other.get_weights()]

    for ours, dense in zip(run(True), run(False), strict=True):
        np.testing.assert_array_equal(ours, dense)


@pytest.mark.parametrize("rule", ["SGD", "Adam", "Adagrad"])
def test_gradients_that_are_given_whole(rule: str) -> None:
    def run(by_rows: bool) -> list[Any]:
        model = net(by_rows)
        model.compile(getattr(optimizers, rule)(0.05), "mse")
        for ids, target in zip(IDS, TARGETS, strict=True):
            gradients, _ = model.gradients(ids, target, advance=True)
            assert gradients["words/embeddings"].shape == (ROWS, SIZE)
            model.optimizer.apply([gradients[w.path] for w in model.trainable_weights], model.trainable_weights)
        return model.get_weights()

    for ours, dense in zip(run(True), run(False), strict=True):
        np.testing.assert_array_equal(ours, dense)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_has_the_gradient_too(again: Callable[[Any], Any]) -> None:
    layer = layers.Embedding(6, 2, weights=TABLE, sparse=True)
    layer.forward(PLACES[0])[1](SLOPES[0])
    other = again(layer)
    layer.forward(PLACES[1])[1](SLOPES[1])
    want = np.zeros((6, 2), "f4")
    np.add.at(want, PLACES[0], SLOPES[0])
    np.testing.assert_allclose(other.embeddings.grad, want, rtol=1e-6)
    assert other.embeddings.lazy
    np.add.at(want, PLACES[1], SLOPES[1])
    np.testing.assert_allclose(layer.embeddings.grad, want, rtol=1e-6)


def test_a_rule_of_ones_own_gets_the_whole_table() -> None:
    """Only what is said to treat each number by itself is given parts, and a subclass does not take that over."""
    lengths = []

    class Mine(optimizers.SGD):
        def update(self, flat: Any, rate: float, step: int) -> None:
            lengths.append(len(flat.value))
            flat.value -= rate * flat.grad / np.abs(flat.grad).max()

    one, other = (trained(net(by_rows), Mine(0.05))[0] for by_rows in (True, False))
    assert ROWS * SIZE in lengths
    assert one.shape == other.shape


def test_the_argument_is_in_the_configuration_where_it_is_set() -> None:
    assert "sparse" not in layers.Embedding(3, 2).get_config()
    again = layers.Embedding.from_config(layers.Embedding(3, 2, sparse=True).get_config())
    assert again.sparse
    with pytest.raises(TypeError, match="sparse must be"):
        layers.Embedding(3, 2, sparse=2)  # type: ignore[arg-type]
