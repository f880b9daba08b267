"""Masks through layers: which pass one on, which end it and say so; words in sentences in documents."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from passes import run

from cellstep import Input, Model, Sequential, layers

RNG = np.random.default_rng(17)
F64: dict[str, Any] = {"dtype": "float64"}
STEPS: dict[str, Any] = {"return_sequences": True}
X, MASK = RNG.standard_normal((2, 4, 3)), np.array([[1, 1, 1, 0], [1, 0, 0, 0]], bool)
WORDS = RNG.standard_normal((2, 4, 5, 3))
THERE = np.zeros((2, 4, 5), bool)
THERE[0, 0, :3] = THERE[0, 1, :5] = THERE[0, 3, :1] = THERE[1, 1, 2:4] = True  # some sentences have no words
IDS = np.where(THERE, RNG.integers(1, 6, THERE.shape), 0)

#: What comes out of a layer that gets MASK: itself, nothing, or nothing with a warning. As in Keras 3.15.
OF_LAYERS: dict[str, tuple[Callable[[], Any], str]] = {
    "Dense": (lambda: layers.Dense(2), "passes"),
    "Activation": (lambda: layers.Activation("relu"), "passes"),
    "Dropout": (lambda: layers.Dropout(0.1), "passes"),
    "SpatialDropout1D": (lambda: layers.SpatialDropout1D(0.1), "passes"),
    "GaussianNoise": (lambda: layers.GaussianNoise(0.1), "passes"),
    "GaussianDropout": (lambda: layers.GaussianDropout(0.1), "passes"),
    "ReLU": (lambda: layers.ReLU(), "passes"),
    "LeakyReLU": (lambda: layers.LeakyReLU(), "passes"),
    "ELU": (lambda: layers.ELU(), "passes"),
    "PReLU": (lambda: layers.PReLU(shared_axes=[1]), "passes"),
    "LayerNormalization": (lambda: layers.LayerNormalization(), "passes"),
    "BatchNormalization": (lambda: layers.BatchNormalization(), "passes"),
    "Identity": (lambda: layers.Identity(), "passes"),
    "Normalization": (lambda: layers.Normalization(), "passes"),
    "UnitNormalization": (lambda: layers.UnitNormalization(), "passes"),
    "ActivityRegularization": (lambda: layers.ActivityRegularization(), "passes"),
    "GRU over steps": (lambda: layers.GRU(2, return_sequences=True), "passes"),
    "RNN over steps": (lambda: layers.RNN(layers.LSTMCell(2), return_sequences=True), "passes"),
    "Bidirectional over steps": (lambda: layers.Bidirectional(layers.GRU(2, return_sequences=True)), "passes"),
    "TimeDistributed": (lambda: layers.TimeDistributed(layers.Dense(2)), "passes"),
    "TimeDistributed(Lambda)": (lambda: layers.TimeDistributed(layers.Lambda(np.tanh)), "passes"),
    "TimeDistributed(BatchNormalization)": (
        lambda: layers.TimeDistributed(layers.BatchNormalization()),
        "passes",
    ),
    "Lambda with a mask": (lambda: layers.Lambda(np.tanh, mask=lambda x, mask: mask), "passes"),
    "GRU": (lambda: layers.GRU(2), "ends"),
    "Bidirectional": (lambda: layers.Bidirectional(layers.GRU(2)), "ends"),
    "GlobalAveragePooling1D": (lambda: layers.GlobalAveragePooling1D(), "ends"),
    "Conv1D": (lambda: layers.Conv1D(2, 2), "warns"),
    "Conv1DTranspose": (lambda: layers.Conv1DTranspose(2, 2), "warns"),
    "SeparableConv1D": (lambda: layers.SeparableConv1D(2, 2), "warns"),
    "MaxPooling1D": (lambda: layers.MaxPooling1D(), "warns"),
    "AveragePooling1D": (lambda: layers.AveragePooling1D(2), "warns"),
    "GlobalMaxPooling1D": (lambda: layers.GlobalMaxPooling1D(), "warns"),
    "Flatten": (lambda: layers.Flatten(), "warns"),
    "Reshape": (lambda: layers.Reshape((12,)), "warns"),
    "Permute": (lambda: layers.Permute((2, 1)), "warns"),
    "Cropping1D": (lambda: layers.Cropping1D(), "warns"),
    "ZeroPadding1D": (lambda: layers.ZeroPadding1D(), "warns"),
    "UpSampling1D": (lambda: layers.UpSampling1D(), "warns"),
    "Lambda": (lambda: layers.Lambda(np.tanh), "warns"),
    "Lambda that uses it": (lambda: layers.Lambda(lambda x, mask: x if mask is None else x * mask[..., None]), "warns"),
    "a layer of one's own": (lambda: Plain(), "warns"),
}


class Plain(layers.Layer):
    supports_masking = False

    def forward(self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False) -> Any:
        return x, lambda dy, need_dx=True: dy


def told(run: Callable[[], Any]) -> tuple[Any, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = run()
    return found, [str(w.message) for w in caught]


@pytest.mark.parametrize("name", OF_LAYERS)
def test_layers_pass_a_mask_on_or_end_it(name: str) -> None:
    make, what = OF_LAYERS[name]
    layer = make()
    ran, messages = told(lambda: run(layer, X, MASK))
    if what == "passes":
        np.testing.assert_array_equal(ran.mask, MASK)
    else:
        assert ran.mask is None
    assert len(messages) == (what == "warns")
    assert all(layer.name in message and "mask" in message for message in messages)
    # in a model too
    x = Input((4, 3))
    model = Model(x, make()(x))
    ran, messages = told(lambda: run(model, X, MASK))
    assert (ran.mask is None) == (what != "passes")
    assert len(messages) == (what == "warns")
    assert not told(lambda: run(model, X))[1]


#: Layers within a step, whether words or sentences come out, and whether the mask of words ends with a warning.
WITHIN: dict[str, tuple[Callable[[], Any], str, bool]] = {
    "Dense": (lambda: layers.Dense(2), "words", False),
    "GRU over words": (lambda: layers.GRU(2, return_sequences=True), "words", False),
    "Conv1D of all words": (lambda: layers.Conv1D(2, 3, padding="same"), "words", False),
    "GRU": (lambda: layers.GRU(5), "sentences", False),
    "Bidirectional": (lambda: layers.Bidirectional(layers.GRU(2)), "sentences", False),
    "a model": (lambda: Sequential([layers.GRU(2, return_sequences=True), layers.GRU(5)]), "sentences", False),
    "GlobalMaxPooling1D": (lambda: layers.GlobalMaxPooling1D(), "sentences", True),
    "Flatten": (lambda: layers.Flatten(), "sentences", True),
    "Conv1D": (lambda: layers.Conv1D(2, 2), "sentences", True),
}


@pytest.mark.parametrize("name", WITHIN)
def test_masks_of_words(name: str) -> None:
    make, axes, warns = WITHIN[name]
    layer = layers.TimeDistributed(make())
    ran, messages = told(lambda: run(layer, WORDS, THERE))
    wanted = THERE if axes == "words" else THERE.any(-1)
    np.testing.assert_array_equal(ran.mask, wanted)
    np.testing.assert_array_equal(layer.compute_mask(WORDS, THERE), THERE)  # as in Keras
    assert [layer.layer.name in message for message in messages] == [True] * warns
    # a sentence that is not there has no words either
    np.testing.assert_array_equal(run(layer, WORDS, THERE.any(-1)).mask, THERE.any(-1))


@pytest.mark.parametrize("inner", [lambda: layers.Masking(), lambda: layers.Embedding(6, 2, mask_zero=True)])
def test_a_mask_that_is_made_within_a_step_ends_there_with_a_warning(inner: Any) -> None:
    layer = layers.TimeDistributed(inner())
    x = WORDS if isinstance(layer.layer, layers.Masking) else IDS
    ran, messages = told(lambda: run(layer, x))
    assert ran.mask is None
    assert len(messages) == 1
    assert f"{layer.layer.name} makes a mask, which ends in {layer.name}: layers after it do not see it" in messages[0]
    # one that is used up within says nothing
    whole = layers.TimeDistributed(Sequential([inner(), layers.GRU(2)]))
    assert not told(lambda: run(whole, x))[1]


def document(x: Any, head: Any) -> Model:
    """Sentences of words; words and sentences by recurrent layers."""
    sentences = layers.TimeDistributed(layers.LSTM(4, **F64))(head(x))
    whole = layers.Bidirectional(layers.GRU(3, **STEPS, **F64))(sentences)
    return Model(x, [layers.Dense(2, **F64)(whole), layers.LSTM(2, **F64)(sentences)])


OTHERS = (layers.Bidirectional, layers.Dense, layers.LSTM)


def documents(kind: str) -> tuple[Model, Any]:
    if kind == "Embedding":
        x = Input((None, 5), dtype="int32")
        return document(x, layers.Embedding(6, 3, mask_zero=True, **F64)), IDS
    x = Input((None, 5, 3), dtype="float64")
    return document(x, layers.Masking(**F64)), WORDS * THERE[..., None]


@pytest.mark.parametrize("kind", ["Embedding", "Masking"])
def test_documents(kind: str) -> None:
    """Words that are there, sentence by sentence; then sentences that have words: each by itself, without any mask."""
    model, x = documents(kind)
    found = [layer for layer in model.layers if layer.weights]
    embed = found.pop(0) if kind == "Embedding" else None
    words, *others = found
    both, dense, last = (next(a for a in others if isinstance(a, cls)) for cls in OTHERS)
    each, final = model.predict(x)
    for b in range(2):
        vectors = []
        for s in range(4):
            if THERE[b, s].any():
                there = x[b, s][THERE[b, s]]
                sentence = there[None] if embed is None else embed(there[None])
                vectors.append(words.layer(sentence)[0])
        alone = np.array(vectors)[None]
        np.testing.assert_allclose(final[b], last(alone)[0], rtol=1e-12)
        np.testing.assert_allclose(each[b][THERE[b].any(-1)], dense(both(alone))[0], rtol=1e-12)


@pytest.mark.parametrize("kind", ["Embedding", "Masking"])
def test_gradients_of_documents(kind: str) -> None:
    model, x = documents(kind)
    ran = run(model, x)
    dy = [RNG.standard_normal(y.shape) for y in ran.y]
    dx = ran.pullback(dy)

    def value() -> float:
        return float(sum((d * y).sum() for d, y in zip(dy, run(model, x, tape=False).y, strict=True)))

    def slope(array: Any, place: Any, write: Callable[[], None]) -> float:
        step, found = 1e-6, []
        for sign in (1, -2):
            array[place] += sign * step
            write()
            found.append(value())
        array[place] += step
        write()
        return (found[0] - found[1]) / (2 * step)

    for w in model.weights:
        numbers = w.numpy()
        for flat in RNG.choice(numbers.size, min(6, numbers.size), replace=False):
            place = np.unravel_index(flat, numbers.shape)
            found = slope(numbers, place, lambda w=w, n=numbers: w.assign(n))  # type: ignore[misc]
            np.testing.assert_allclose(w.grad[place], found, rtol=1e-6, atol=1e-8, err_msg=w.path)
    if kind == "Masking":
        assert not dx[~THERE].any()
        for place in [(0, 0, 1, 2), (0, 3, 0, 0), (1, 1, 3, 1)]:
            np.testing.assert_allclose(dx[place], slope(x, place, lambda: None), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", ["Embedding", "Masking"])
def test_documents_of_different_lengths_and_their_loss(kind: str) -> None:
    model, x = documents(kind)
    rows = [x[0], x[1, :2]]
    each, final = model.predict(rows)
    padded, wanted = model.predict(x * (1 if kind == "Embedding" else 1.0))
    np.testing.assert_allclose(final[0], wanted[0], rtol=1e-12)
    np.testing.assert_allclose(final[1], wanted[1], rtol=1e-12)  # what was cut off has no words
    np.testing.assert_allclose(each[0], padded[0], rtol=1e-12)
    model.compile("sgd", ["mse", "mse"])
    found = model.evaluate(rows, [[np.zeros((4, 2)), np.zeros((2, 2))], np.zeros((2, 2))], verbose=0)
    error = (each[0] ** 2).mean(-1)[THERE[0].any(-1)].sum() + (each[1] ** 2).mean(-1)[THERE[1, :2].any(-1)].sum()
    np.testing.assert_allclose(found[0], error / THERE.any(-1).sum() + (final**2).mean(), rtol=1e-6)


STEPWISE: dict[str, Any] = {
    "LSTM": lambda x, m: layers.LSTM(2)(x, mask=m),
    "RNN": lambda x, m: layers.RNN(layers.GRUCell(2))(x, mask=m),
    "Bidirectional": lambda x, m: layers.Bidirectional(layers.SimpleRNN(2))(x, mask=m),
    "GlobalAveragePooling1D": lambda x, m: layers.GlobalAveragePooling1D()(x, mask=m),
    "Attention": lambda x, m: layers.Attention()([x, x], mask=[m, m]),
}


@pytest.mark.parametrize("of", STEPWISE.values(), ids=STEPWISE)
def test_masks_of_tensors_are_of_rows_and_steps(of: Any) -> None:
    """A mask that the layer could not use is refused where it is given, tensor or array, not when arrays come."""
    x = Input((4, 3))
    of(x, x[:, :, 0] > 0)
    of(x, np.ones((2, 4), bool))
    for wrong in (x > 0, x[:, :3, 0] > 0, x[:, 0, 0] > 0, np.ones((2, 5), bool)):
        with pytest.raises(ValueError, match=r"expected mask of \w+ of shape \(batch, time\) = \(None, 4\), got"):
            of(x, wrong)
    if of is not STEPWISE["Attention"]:
        with pytest.raises(TypeError, match="to be one tensor, got a list"):
            of(x, [x[:, :, 0] > 0])
