"""fit(..., tbptt=(k1, k2)) against a loop written by hand; which layers it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, Sequential, layers, math, optimizers

F64: dict[str, Any] = {"dtype": "float64"}
STEPS: dict[str, Any] = {"return_sequences": True, **F64}
RNG = np.random.default_rng(21)
B, T = 4, 11
X, Y = RNG.standard_normal((B, T, 3)), RNG.standard_normal((B, T, 2))
X[1, 7:] = X[2, 3] = 0  # steps that Masking hides
RATE, MOMENTUM = 0.1, 0.9


class Leaky(layers.Module):
    """A cell written in Python, that drops its inputs: one mask a sequence."""

    state_size = 4

    def __init__(self) -> None:
        super().__init__(dtype="float64")
        self.generator = np.random.default_rng(3)
        self.reset_dropout_mask()

    def reset_dropout_mask(self) -> None:
        self.keep: Any = None

    def make_weights(self, input_shape: Any) -> None:
        self.W = self.add_weight("W", (input_shape[-1], 4))

    def forward(self, x: Any, states: Any, training: bool) -> Any:
        (h,) = states
        if training and self.keep is None:
            self.keep = self.generator.random(x.shape) < 0.7
        x = x * self.keep if training else x
        new = np.tanh(x @ self.W.value + 0.5 * h)

        def pullback(dy: Any, dstates: Any) -> Any:
            dz = (dy + dstates[0]) * (1 - new * new)
            self.W.grad[...] += x.T @ dz
            return dz @ self.W.value.T * self.keep, [0.5 * dz]

        return (new, [new]), pullback


RECURRENT = {
    "LSTM": lambda **o: layers.LSTM(4, **o, **STEPS),
    "GRU": lambda **o: layers.GRU(4, **o, **STEPS),
    "dropout": lambda **o: layers.LSTM(4, dropout=0.3, recurrent_dropout=0.3, seed=5, **o, **STEPS),
    "two layers": lambda **o: layers.GRU(4, num_layers=2, dropout=0.3, seed=5, **o, **STEPS),
    "initial states": lambda **o: layers.LSTM(4, trainable_initial_state=True, **o, **STEPS),
    "a cell in Python": lambda **o: layers.RNN(Leaky(), **o, return_sequences=True),
}


def net(kind: str, rate: float = RATE, **options: Any) -> Sequential:
    """Masking, a recurrent layer, BatchNormalization and a head."""
    made = Sequential(
        [
            Input((None, 3), dtype="float64"),
            layers.Masking(**F64),
            RECURRENT[kind](**options),
            layers.BatchNormalization(momentum=MOMENTUM, **F64),
            layers.Dense(2, **F64),
        ]
    )
    rng = np.random.default_rng(5)
    made.set_weights([abs(rng.standard_normal(w.shape)) / 2 for w in made.weights])
    made.compile(optimizers.SGD(rate), "mse", metrics=["mae"])
    return made


def by_hand(
    model: Sequential, x: Any, y: Any, k1: int, k2: int, weights: Any = None, states: Any = None
) -> tuple[float, Any]:
    """The windows of a batch, each run step by step in NumPy or by one call of a layer: the mean loss of a step.

    Which steps a window has, the states that it begins with, its loss and the step of the optimizer are written here;
    a call of a recurrent layer is split in two by hand, with the dropout of the whole.
    """
    _, rnn, norm, head = model.layers
    steps, total, count = x.shape[1], 0.0, 0
    fresh = 0
    starts = {0: states}
    begin = 0
    while fresh < steps:
        end = min(fresh + k1, steps)
        window, live = x[:, begin:end], (x[:, begin:end] != 0).any(-1)
        first = starts[begin]
        following = max(begin, min(end + k1, steps) - k2)
        rnn.return_state = True
        drawn = dropped(rnn)
        if begin < following < end:
            n = following - begin
            starts[following] = rnn(window[:, :n], mask=live[:, :n], initial_state=first, training=True)[1:]
            again(drawn)
        (h, *after), back = rnn.forward(window, mask=live, initial_state=first, training=True)
        if following == end:
            starts[following] = after
        # BatchNormalization over the steps that are there, by hand
        flat = h[live]
        mean = flat.mean(0)
        variance = ((flat - mean) ** 2).mean(0)
        gamma, beta, moving_mean, moving_variance = (w.numpy() for w in norm.weights)
        inverse = 1 / np.sqrt(variance + norm.epsilon)
        normal = (h - mean) * inverse
        z = normal * gamma + beta
        p = z @ head.kernel.value + head.bias.value
        late = np.zeros(live.shape, bool)
        late[:, fresh - begin :] = live[:, fresh - begin :]
        error = np.where(late[..., None], p - y[:, begin:end], 0)
        w = np.ones(live.shape) if weights is None else weights[:, begin:end]
        loss = (w[..., None] * error**2).sum() / 2 / late.sum()
        dp = w[..., None] * error / late.sum()
        # backward
        dz = dp @ head.kernel.value.T
        grads = {
            head.kernel.path: np.einsum("btu,bto->uo", z, dp),
            head.bias.path: dp.sum((0, 1)),
            norm.gamma.path: (dz * normal)[live].sum(0),
            norm.beta.path: dz[live].sum(0),
        }
        dn = dz * gamma
        n = live.sum()
        dh = inverse * (dn - live[..., None] / n * (dn[live].sum(0) + normal * (dn * normal)[live].sum(0)))
        for weight in rnn.weights:
            weight.zero_grad()
        back([dh, *[None] * len(after)])
        rnn.return_state = False
        grads |= {weight.path: weight.grad.copy() for weight in rnn.weights}
        for weight in model.trainable_weights:
            weight.assign(weight.numpy() - RATE * grads[weight.path])
        norm.moving_mean.assign(moving_mean * MOMENTUM + mean * (1 - MOMENTUM))
        norm.moving_variance.assign(moving_variance * MOMENTUM + variance * (1 - MOMENTUM))
        total, count = total + loss * late.sum(), count + late.sum()
        begin, fresh = following, end
    return total / count, after


def dropped(rnn: Any) -> list[Any]:
    found = [v for m in rnn.walk() for v in vars(m).values() if isinstance(v, np.random.Generator)]
    return [(g.bit_generator, g.bit_generator.state) for g in found]


def again(drawn: list[Any]) -> None:
    for bits, state in drawn:
        bits.state = state


def compare(a: Sequential, b: Sequential) -> None:
    for mine, wanted in zip(a.weights, b.weights, strict=True):
        # the mean over a mask is off by 1e-7 of a step, as in Keras
        np.testing.assert_allclose(mine.value, wanted.value, rtol=1e-6, atol=1e-7, err_msg=mine.path)


WINDOWS = [(3, 3), (2, 5), (4, 6), (1, 3), (5, 11), (11, 11), (20, 30)]


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("k", WINDOWS)
def test_windows(kind: str, k: tuple[int, int]) -> None:
    ours, wanted = net(kind), net(kind)
    found = ours.fit(X, Y, batch_size=B, shuffle=False, verbose=0, tbptt=k).history["loss"][0]
    loss, _ = by_hand(wanted, X, Y, *k)
    np.testing.assert_allclose(found, loss, rtol=1e-6)
    compare(ours, wanted)
    assert ours.optimizer is not None
    assert ours.optimizer.iterations == -(-T // k[0])
    assert ours.layers[1].states is None
    assert not ours.layers[1].stateful


def test_weights_of_steps() -> None:
    weights = RNG.uniform(size=(B, T))
    ours, wanted = net("LSTM"), net("LSTM")
    ours.fit(X, Y, batch_size=B, shuffle=False, verbose=0, tbptt=(2, 5), sample_weight=weights)
    by_hand(wanted, X, Y, 2, 5, weights)
    compare(ours, wanted)


@pytest.mark.parametrize("k", [(3, 3), (2, 5)])
def test_stateful_layers_go_on_from_batch_to_batch_and_through_validation(k: tuple[int, int]) -> None:
    more = RNG.standard_normal((2 * B, T, 3)), RNG.standard_normal((2 * B, T, 2))
    ours, wanted = net("LSTM", stateful=True), net("LSTM")
    seen = RNG.standard_normal((B, T, 3)), RNG.standard_normal((B, T, 2))
    history = ours.fit(*more, batch_size=B, epochs=2, shuffle=False, verbose=0, tbptt=k, validation_data=seen).history
    states = None
    for epoch in range(2):
        losses = []
        for part in (slice(B), slice(B, None)):
            loss, states = by_hand(wanted, more[0][part], more[1][part], *k, states=states)
            losses.append(loss)
        np.testing.assert_allclose(history["loss"][epoch], np.mean(losses), rtol=1e-6)
        # Keras validates with the states that there are, and leaves its own
        masking, rnn, norm, head = wanted.layers
        rnn.return_state = True
        h, *states = rnn(masking(seen[0]), initial_state=states)
        rnn.return_state = False
        np.testing.assert_allclose(history["val_loss"][epoch], ((head(norm(h)) - seen[1]) ** 2).mean(), rtol=1e-6)
    compare(ours, wanted)
    assert ours.layers[1].stateful
    for a, b in zip(ours.layers[1].states, states, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("k", WINDOWS)
def test_without_learning_the_loss_and_metrics_are_those_of_evaluate(k: tuple[int, int]) -> None:
    made = Sequential(
        [Input((None, 3), dtype="float64"), layers.Masking(**F64), layers.GRU(4, **STEPS), layers.Dense(2, **F64)]
    )
    made.compile(optimizers.SGD(0.0), "mse", metrics=["mae"])
    wanted = made.evaluate(X, Y, verbose=0, return_dict=True)
    history = made.fit(X, Y, verbose=0, tbptt=k).history
    np.testing.assert_allclose(history["loss"][0], wanted["loss"], rtol=1e-12)
    np.testing.assert_allclose(history["mae"][0], wanted["mae"], rtol=1e-12)


class Halved(layers.Layer):
    """A layer of one's own."""

    def forward(self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False) -> Any:
        return x / 2, lambda dy, need_dx=True: dy / 2


class HalvedByStep(Halved):
    over_time = "step"


def functional(build: Any) -> Model:
    x = Input((None, 3), dtype="float64")
    return Model(x, build(x))


def between(x: Any) -> Any:
    h, state = layers.GRU(3, return_state=True, **STEPS)(x)
    return layers.GRU(3, **STEPS)(h, initial_state=[state])


def attending(x: Any) -> Any:
    h = layers.GRU(3, **STEPS)(x)
    return layers.Attention(**F64)([h, h])


#: What is put behind a GRU over steps, and what the refusal says; None where the loss at rest is that of `evaluate`.
TAKEN: dict[str, tuple[Any, str | None]] = {
    "Dense": (lambda: layers.Dense(3, **F64), None),
    "TimeDistributed": (lambda: layers.TimeDistributed(layers.Dense(3, **F64)), None),
    "Dropout": (lambda: layers.Dropout(0.0, **F64), None),
    "LayerNormalization": (lambda: layers.LayerNormalization(**F64), None),
    "Normalization": (lambda: layers.Normalization(mean=0.5, variance=2.0, **F64), None),
    "UnitNormalization": (lambda: layers.UnitNormalization(**F64), None),
    "Identity": (lambda: layers.Identity(**F64), None),
    "Activation": (lambda: layers.Activation("softmax", **F64), None),
    "Softmax": (lambda: layers.Softmax(**F64), None),
    "PReLU": (lambda: layers.PReLU(shared_axes=[1], **F64), None),
    "Conv1D of one step": (lambda: layers.Conv1D(3, 1, **F64), None),
    "a model": (lambda: Sequential([layers.Dense(3, **F64), layers.GRU(3, **STEPS)]), None),
    "a layer of one's own, by step": (lambda: HalvedByStep(dtype="float64"), None),
    "Conv1D": (lambda: layers.Conv1D(3, 3, padding="same", **F64), "conv1d.* looks at the whole sequence$"),
    "causal": (lambda: layers.Conv1D(3, 3, padding="causal", **F64), "conv1d.* looks at the whole sequence$"),
    "pooling": (lambda: layers.MaxPooling1D(2, 1, "same", **F64), "max_pooling1d.* looks at the whole sequence$"),
    "Conv1DTranspose": (
        lambda: layers.Conv1DTranspose(3, 3, padding="same", **F64),
        "conv1d_transpose.* looks at the whole sequence$",
    ),
    "Softmax over time": (lambda: layers.Softmax(1, **F64), "softmax.* looks at the whole sequence$"),
    "BatchNormalization over time": (
        lambda: Sequential([Input((T, 3)), layers.LayerNormalization(1, **F64)]),
        "layer_normalization.* looks at the whole sequence$",
    ),
    "Bidirectional": (lambda: layers.Bidirectional(layers.GRU(3, **STEPS)), "bidirectional.*, which runs backward"),
    "backwards": (lambda: layers.GRU(3, go_backwards=True, **STEPS), "gru.*, which runs backward"),
    "the last step": (lambda: layers.GRU(3, **F64), "gru.*, which gives the last one: set return_sequences=True"),
    "Lambda": (
        lambda: layers.Lambda(np.tanh, pullback=lambda x, y, dy: dy * (1 - y * y), **F64),
        "lambda.* whole sequence; one that takes each step by itself says so by over_time = 'step'",
    ),
    "a layer of one's own": (lambda: Halved(dtype="float64"), "halved.* whole sequence; one that takes each step"),
}

FUNCTIONAL: dict[str, tuple[Any, str | None]] = {
    "arithmetic": (lambda x: 2 * math.tanh(layers.GRU(3, **STEPS)(x)), None),
    "features": (
        lambda x: math.mean(layers.GRU(3, **STEPS)(x), axis=-1, keepdims=True) * layers.Dense(3, **F64)(x),
        None,
    ),
    "Add": (lambda x: layers.Add(**F64)([x, layers.GRU(3, **STEPS)(x)]), None),
    "Concatenate": (lambda x: layers.Dense(3, **F64)(layers.Concatenate(**F64)([x, layers.GRU(3, **STEPS)(x)])), None),
    "Attention": (attending, "attention.* looks at the whole sequence$"),
    "the mean over time": (
        lambda x: layers.GRU(3, **STEPS)(x) - math.mean(x, axis=1, keepdims=True),
        "mean.* looks at the whole sequence$",
    ),
    "earlier steps": (lambda x: layers.GRU(3, **STEPS)(x[:, ::-1]), "get_item.* looks at the whole sequence$"),
    "states of another layer": (between, "gru.*, whose states come from or go to another layer"),
}


def check_taken(model: Model, refusal: str | None) -> None:
    model.compile(optimizers.SGD(0.0), "mse")
    y = np.ones((B, T, 3))
    before = model.get_weights()
    if refusal is None:
        found = model.fit(X, y, verbose=0, tbptt=(3, 5)).history["loss"][0]
        np.testing.assert_allclose(found, model.evaluate(X, y, verbose=0), rtol=1e-10)
        return
    with pytest.raises(ValueError, match=f"tbptt needs .* got {refusal}|tbptt carries .* got {refusal}"):
        model.fit(X, y, verbose=0, tbptt=(3, 5))
    for a, b in zip(before, model.get_weights(), strict=bool(before)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", TAKEN)
def test_layers_that_do_not_run_step_by_step_are_refused(name: str) -> None:
    make, refusal = TAKEN[name]
    check_taken(Sequential([Input((None, 3), dtype="float64"), layers.GRU(3, **STEPS), make()]), refusal)


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_graphs_that_do_not_run_step_by_step_are_refused(name: str) -> None:
    build, refusal = FUNCTIONAL[name]
    check_taken(functional(build), refusal)


def test_a_model_that_computes_by_hand_is_refused() -> None:
    class ByHand(Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = layers.GRU(3, **STEPS)

        def forward(self, x: Any, training: bool = False) -> Any:
            return self.inner.forward(x, training=training)

    check_taken(ByHand(), "by_hand.*, which computes by hand")


def test_what_streams_step_by_step_says_so() -> None:
    """Layers that a stream takes look at their own step, or carry states."""
    streamed = [
        layers.Dense(3),
        layers.Activation("tanh"),
        layers.Dropout(0.1),
        layers.LayerNormalization(),
        layers.BatchNormalization(),
        layers.Softmax(),
        layers.ReLU(),
        layers.LeakyReLU(),
        layers.ELU(),
        layers.Masking(),
        layers.TimeDistributed(layers.Dense(2)),
        layers.GRU(2, return_sequences=True),
    ]
    for layer in streamed:
        layer.build((None, None, 3))
        try:
            layer.stages()
        except NotImplementedError:
            continue
        assert layer.reach(3) == ("past" if isinstance(layer, layers.RNN) else "step")
    for layer in (layers.Conv1D(2, 3), layers.Flatten(), layers.Bidirectional(layers.GRU(2)), layers.Softmax(1)):
        assert layer.reach(3) == "sequence"
        with pytest.raises((NotImplementedError, ValueError)):
            layer.stages()
