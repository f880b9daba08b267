"""Lists of sequences of very different lengths: in groups, with the numbers of the padded batch and not its size."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from passes import run

from cellstep import Input, Model, Sequential, layers, losses, math, optimizers
from cellstep.layers.ragged import PADDED, Ragged, groups

F64: dict[str, Any] = {"dtype": "float64"}
STEPS: dict[str, Any] = {"return_sequences": True, **F64}
LENGTHS = [3, 1, 40, 2, 4, 0, 38, 1, 2, 2, 3, 1, 1, 2]
RNG = np.random.default_rng(12)
X = [RNG.standard_normal((n, 3)) for n in LENGTHS]
Y = [RNG.standard_normal((n, 2)) for n in LENGTHS]
ROWS = RNG.standard_normal((len(LENGTHS), 2))


class Leaky(layers.Module):
    """A cell written in Python."""

    state_size = 3

    def __init__(self) -> None:
        super().__init__(dtype="float64")

    def make_weights(self, input_shape: Any) -> None:
        self.W = self.add_weight("W", (input_shape[-1], 3))
        self.U = self.add_weight("U", (3, 3))

    def forward(self, x: Any, states: Any, training: bool) -> Any:
        (h,) = states
        g = np.tanh(x @ self.W.value + h @ self.U.value)

        def pullback(dy: Any, dstates: Any) -> Any:
            dz = (dy + dstates[0]) * (1 - g * g)
            self.W.grad[...] += x.T @ dz
            self.U.grad[...] += h.T @ dz
            return dz @ self.W.value.T, [dz @ self.U.value.T]

        return (g, [g]), pullback


def attending(x: Any) -> Any:
    h = layers.GRU(4, **STEPS)(x)
    return layers.Concatenate(**F64)([h, layers.Attention(**F64)([h, h])])


def with_weights(x: Any) -> Any:
    """The weights of attention have two axes of steps, and no mask."""
    h = layers.GRU(4, **STEPS)(x)
    seen, weights = layers.Attention(**F64)([h, h], return_attention_scores=True)
    return layers.Multiply(**F64)([seen, math.sum(weights, axis=(1, 2), keepdims=True)])


def states_between(x: Any) -> Any:
    h, state = layers.GRU(4, return_state=True, **STEPS)(x)
    return layers.Add(**F64)([layers.GRU(4, **STEPS)(h, initial_state=[state]), h])


SEQUENCES: dict[str, Callable[[], list[Any]]] = {
    "GRU": lambda: [layers.GRU(4, **STEPS)],
    "two layers": lambda: [layers.LSTM(4, num_layers=2, **STEPS)],
    "backwards": lambda: [layers.LSTM(4, go_backwards=True, zero_output_for_mask=True, **STEPS)],
    "both directions": lambda: [layers.Bidirectional(layers.LSTM(3, **STEPS))],
    "BatchNormalization": lambda: [layers.Dense(4, **F64), layers.BatchNormalization(**F64), layers.GRU(4, **STEPS)],
    "masks within": lambda: [layers.Masking(**F64), layers.BatchNormalization(**F64), layers.GRU(4, **STEPS)],
    "LayerNormalization": lambda: [
        layers.LayerNormalization(**F64),
        layers.GRU(4, activity_regularizer="l2", **STEPS),
    ],
    "Normalization": lambda: [
        layers.Normalization(mean=[0.5, 1.0, 0.0], variance=2.0 * np.ones(3), **F64),
        layers.UnitNormalization(**F64),
        layers.GRU(4, **STEPS),
    ],
    "TimeDistributed": lambda: [
        layers.TimeDistributed(layers.Dense(4, activity_regularizer="l1", **F64)),
        layers.GRU(4, **STEPS),
    ],
    "step by step": lambda: [layers.TimeDistributed(layers.BatchNormalization(**F64)), layers.GRU(4, **STEPS)],
    "stateful": lambda: [layers.GRU(4, stateful=True, **STEPS)],
    "initial states": lambda: [layers.GRU(4, trainable_initial_state=True, **STEPS)],
    "a cell in Python": lambda: [layers.RNN(Leaky(), **STEPS)],
    "PReLU": lambda: [layers.PReLU(shared_axes=[1], **F64), layers.GRU(4, **STEPS)],
    "a model inside": lambda: [
        Sequential([layers.Dense(4, **F64), layers.BatchNormalization(**F64), layers.GRU(4, **STEPS)])
    ],
    "a penalty": lambda: [layers.Dense(4, activity_regularizer="l1_l2", **F64), layers.GRU(4, **STEPS)],
    "attention": lambda: [attending],
    "attention in heads": lambda: [lambda x: layers.MultiHeadAttention(2, 3, **F64)(x, x), layers.GRU(4, **STEPS)],
    "states between layers": lambda: [states_between],
}
ONE: dict[str, Callable[[], list[Any]]] = {
    "the last step": lambda: [layers.GRU(4, **F64)],
    "largest": lambda: [layers.Dense(4, use_bias=False, **F64), layers.GlobalMaxPooling1D(**F64)],
    "convolution": lambda: [layers.Conv1D(4, 3, padding="same", **F64), layers.GlobalMaxPooling1D(**F64)],
    "convolution there and back": lambda: [
        layers.SeparableConv1D(4, 3, padding="same", **F64),
        layers.Conv1DTranspose(4, 3, 2, **F64),
        layers.GlobalMaxPooling1D(**F64),
    ],
    "attention with weights": lambda: [with_weights, layers.GRU(2, **F64)],
    "Lambda": lambda: [layers.Lambda(np.tanh, pullback=lambda x, y, dy: dy * (1 - y * y), **F64), layers.GRU(4, **F64)],
}


def made(build: Callable[[], list[Any]], loss: Any = "mse") -> Model:
    x = y = Input((None, 3), dtype="float64")
    for layer in [*build(), layers.Dense(2, **F64)]:
        y = layer(y)
    model = Model(x, y)
    rng = np.random.default_rng(3)
    model.set_weights([abs(rng.standard_normal(w.shape)) / 2 for w in model.weights])
    model.compile(optimizers.SGD(0.1), loss, metrics=["mae"])
    return model


def padded_step(model: Model, y: Any, weights: Any = None) -> tuple[Any, float]:
    """Outputs, and the loss of a step on the padded, masked batch; gradients are left with the weights."""
    rows = Ragged(X)
    ran = run(model, rows.padded(), mask=rows.mask(), training=True, padding=True)
    for w in model.weights:
        w.zero_grad()
    value, slope = model.loss.value_and_grad(y, ran.y, weights, ran.mask)
    ran.pullback(slope, need_dx=False)
    return ran.y, float(value + sum(ran.penalties))


def compare(by_list: Model, padded: Model, found: Any, wanted: float) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    for a, b in zip(by_list.weights, padded.weights, strict=True):
        step = 0.1 * b.grad if b.trainable else 0.0
        np.testing.assert_allclose(a.value, b.value - step, rtol=1e-10, atol=1e-13, err_msg=a.path)


@pytest.mark.filterwarnings("ignore:.* knows no masks")
@pytest.mark.parametrize("name", SEQUENCES)
def test_outputs_losses_and_gradients_of_steps_are_those_of_the_padded_batch(name: str) -> None:
    by_list, padded, plain = (made(SEQUENCES[name]) for _ in range(3))
    found = by_list.train_on_batch(X, Y)
    y, wanted = padded_step(padded, Ragged(Y).padded())
    compare(by_list, padded, found[0], wanted)
    error = np.concatenate([abs(a[: len(b)] - b) for a, b in zip(y, Y, strict=True)])
    there = np.concatenate([~(x == 0).all(-1) for x in X])
    np.testing.assert_allclose(found[1], error[there].mean(), rtol=1e-12)
    alone = plain.predict(X, batch_size=len(X))
    whole = made(SEQUENCES[name])(Ragged(X).padded(), mask=Ragged(X).mask())
    if name != "backwards":  # a mask alone does not say that steps do not exist
        for row, long in zip(alone, whole, strict=True):
            np.testing.assert_allclose(row, long[: len(row)], rtol=1e-12, atol=1e-14)


@pytest.mark.filterwarnings("ignore:.* knows no masks")
@pytest.mark.parametrize("name", ONE)
def test_so_are_those_of_rows(name: str) -> None:
    by_list, padded = made(ONE[name]), made(ONE[name])
    found = by_list.train_on_batch(X, ROWS)
    compare(by_list, padded, found[0], padded_step(padded, ROWS)[1])


def own(y_true: Any, y_pred: Any) -> Any:
    return math.mean(math.square(y_true - y_pred), axis=-1)


WEIGHTS = {
    "none": None,
    "of rows": RNG.uniform(size=len(X)),
    "a column": RNG.uniform(size=(len(X), 1)),
    "of steps": [RNG.uniform(size=n) for n in LENGTHS],
    "of steps, padded": RNG.uniform(size=(len(X), 40)),
}


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("loss", ["mae", own, "sum"])
def test_weights_and_losses(weights: str, loss: Any) -> None:
    kind = losses.MeanSquaredError("sum") if loss == "sum" else loss
    by_list, padded = made(SEQUENCES["GRU"], kind), made(SEQUENCES["GRU"], kind)
    given = WEIGHTS[weights]
    found = by_list.train_on_batch(X, Y, sample_weight=given)
    wanted = Ragged(given).padded() if isinstance(given, list) else given
    compare(by_list, padded, found[0], padded_step(padded, Ragged(Y).padded(), wanted)[1])


def test_padded_targets_are_taken_too() -> None:
    by_list, padded = made(SEQUENCES["GRU"]), made(SEQUENCES["GRU"])
    y = Ragged(Y).padded()
    compare(by_list, padded, by_list.train_on_batch(X, y)[0], padded_step(padded, y)[1])


def test_two_inputs_and_two_outputs() -> None:
    other = [RNG.standard_normal((n, 3)) for n in reversed(LENGTHS)]

    def model() -> Model:
        x, z = Input((None, 3), dtype="float64"), Input((None, 3), dtype="float64")
        h, k = layers.GRU(4, **STEPS)(x), layers.GRU(4, **STEPS)(z)
        seen = layers.Attention(**F64)([h, k])
        net = Model([x, z], [layers.Dense(2, **F64)(seen), layers.GRU(2, **F64)(k)])
        rng = np.random.default_rng(3)
        net.set_weights([rng.standard_normal(w.shape) / 2 for w in net.weights])
        net.compile(optimizers.SGD(0.1), "mse", metrics=[["mae"], []])
        return net

    made = model()
    each, last = made.predict([X, other], batch_size=5)
    for i, row in enumerate(each):
        if len(row) and len(other[i]):
            alone = made([X[i][None], other[i][None]])
            np.testing.assert_allclose(row, alone[0][0], rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(last[i], alone[1][0], rtol=1e-12, atol=1e-14)
    many, one = model(), model()
    found = many.evaluate([X, other], [Y, ROWS], batch_size=len(X), verbose=0)
    total = sum(((a - b) ** 2).sum() for a, b in zip(each, Y, strict=True)) / 2 / sum(LENGTHS)
    np.testing.assert_allclose(found[0], total + ((last - ROWS) ** 2).mean(), rtol=1e-12)
    one.fit([X, other], [Y, ROWS], verbose=0, batch_size=len(X))


def test_metrics_do_not_depend_on_what_shares_a_batch() -> None:
    model = made(SEQUENCES["GRU"])
    found = [model.evaluate(X, Y, batch_size=size, verbose=0)[1] for size in (3, 5, 14)]
    np.testing.assert_allclose(found, found[0], rtol=1e-12)


def peak(run: Callable[..., Any], *given: Any) -> int:
    run(*given)
    tracemalloc.start()
    try:
        run(*given)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "build",
    [
        lambda: [layers.GRU(8, return_sequences=True)],
        lambda: [layers.Dense(8), layers.BatchNormalization(), layers.LSTM(8, return_sequences=True)],
        lambda: [layers.Bidirectional(layers.GRU(4, return_sequences=True)), layers.Dropout(0.1)],
    ],
)
def test_one_long_row_does_not_make_the_others_long(build: Any) -> None:
    short, long = [np.ones((10, 3), np.float32)] * 250, [np.ones((10000, 3), np.float32)]
    model = Sequential([Input((None, 3)), *build(), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])

    def targets(x: list[Any]) -> list[Any]:
        return [row[:, :1] for row in x]

    even, both = (np.stack(short), np.stack(long)), short + long
    calls: list[Callable[[Any, Any], Any]] = [
        model.train_on_batch,
        model.test_on_batch,
        lambda x, _: model.predict(x, batch_size=300),
    ]
    if getattr(model.layers[0], "takes_ragged", False):
        calls.append(lambda x, _: model.layers[0].forward(x))
    for call in calls:
        alone = sum(peak(call, x, x[..., :1]) for x in even)
        assert peak(call, both, targets(both)) < PADDED * alone


def test_groups() -> None:
    rng = np.random.default_rng(4)
    for _ in range(300):
        kind = rng.integers(3)
        B = int(rng.integers(1, 60))
        drawn = [(rng.pareto(0.4, B) * 3 if kind else rng.uniform(0, 50, B)).astype(int) % 10**6 for _ in range(2)]
        for lengths in (drawn[:1], drawn):
            found = groups(*lengths)
            assert sorted(np.concatenate(found).tolist()) == list(range(B))
            for n in lengths:
                for rows in found:
                    steps = np.maximum(n[rows], 1)
                    assert len(rows) * steps.max() <= PADDED * steps.sum()
            assert len(found) <= 21 ** len(lengths)
    assert [rows.tolist() for rows in groups(np.array([3, 2, 4, 3]))] == [[0, 1, 2, 3]]


@pytest.mark.parametrize("loss", ["mse", own])
def test_targets_of_other_lengths_are_refused(loss: Any) -> None:
    model = made(SEQUENCES["GRU"], loss)
    for wrong in (Y[4][:2], np.ones((5, 2))):
        targets = [*Y[:4], wrong, *Y[5:]]
        words = f"expected y and sample_weight to have the steps of the outputs, 4 in row 4, got {len(wrong)}"
        before = model.get_weights()
        with pytest.raises(ValueError, match=words):
            model.train_on_batch(X, targets)
        with pytest.raises(ValueError, match=words):
            model.evaluate(X, targets, batch_size=14, verbose=0)
        for a, b in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(a, b)
    short = [np.ones(max(n - 1, 0)) for n in LENGTHS]
    with pytest.raises(ValueError, match="the steps of the outputs, 3 in row 0, got 2"):
        model.train_on_batch(X, Y, sample_weight=short)


def test_targets_for_sequences_that_were_padded_by_hand() -> None:
    model = made(lambda: [layers.Masking(**F64), layers.GRU(4, **STEPS)])
    lengths = [5, 2, 3]
    x = Ragged([np.ones((n, 3)) for n in lengths]).padded(6)
    model.train_on_batch(x, [np.ones((n, 2)) for n in lengths])
    model.train_on_batch(x, [np.ones((n + 1, 2)) for n in lengths])  # what is behind the last step does not count
    with pytest.raises(ValueError, match="the steps of the outputs, 2 in row 1, got 1"):
        model.train_on_batch(x, [np.ones((n, 2)) for n in (5, 1, 3)])
    with pytest.raises(ValueError, match="the steps of the outputs, 6 in row 0, got 7"):
        model.train_on_batch(x, [np.ones((n, 2)) for n in (7, 2, 3)])


def test_an_output_without_a_gradient_adds_nothing() -> None:
    """None among the gradients of the outputs of sequences stands for zeros."""
    x = layers.Input((None, 3))
    h = layers.GRU(4, return_sequences=True)(x)
    net = Model(x, [layers.Dense(2)(h), layers.Dense(3)(h)])
    rng = np.random.default_rng(1)
    rows = [rng.normal(size=(n, 3)).astype("float32") for n in (2, 9, 4)]
    y, pullback = net.forward(rows)
    dy = np.ones_like(y[1])
    np.testing.assert_array_equal(pullback([None, dy]), pullback([np.zeros_like(y[0]), dy]))
