"""Options of a call between tensors: outputs that they add, states of both directions, what no layer takes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from cellstep import layers, models
from cellstep.layers import Input

RNG = np.random.default_rng(6)
Q, V = RNG.standard_normal((2, 3, 4)), RNG.standard_normal((2, 5, 4))


def test_attention_gives_its_weights_too() -> None:
    q, v = Input((3, 4), dtype="float64"), Input((5, 4), dtype="float64")
    layer = layers.Attention(dtype="float64")
    y, weights = layer([q, v], return_attention_scores=True, use_causal_mask=True)
    assert (y.shape, weights.shape) == ((None, 3, 4), (None, 3, 5))
    net = models.Model([q, v], [y, weights])
    assert net.output_shape == [(None, 3, 4), (None, 3, 5)]
    found, shares = net([Q, V])
    np.testing.assert_allclose(np.matmul(shares, V), found)
    assert not shares[:, 0, 1:].any()
    for again in (models.clone_model(net), models.Model.from_config(json.loads(json.dumps(net.get_config())))):
        np.testing.assert_array_equal(again([Q, V])[1], shares)


def test_the_gradient_of_the_weights_of_an_attention() -> None:
    q, v = Input((3, 4), dtype="float64"), Input((5, 4), dtype="float64")
    _, weights = layers.AdditiveAttention(dtype="float64")([q, v], return_attention_scores=True)
    net = models.Model([q, v], weights)
    net.predict([Q, V], verbose=0)
    shares, pullback = net.forward([Q, V])
    dy = RNG.standard_normal(shares.shape)
    dq = pullback(dy)[0]
    for place in ((0, 0, 0), (1, 2, 3)):
        ends = []
        for step in (1e-6, -1e-6):
            moved = Q.copy()
            moved[place] += step
            ends.append((dy * net([moved, V])).sum())
        np.testing.assert_allclose(dq[place], (ends[0] - ends[1]) / 2e-6, rtol=1e-6)


def test_states_of_both_directions_between_tensors() -> None:
    x, states = Input((5, 3)), [Input((4,)) for _ in range(4)]
    layer = layers.Bidirectional(layers.LSTM(4, return_sequences=True))
    net = models.Model([x, *states], layer(x, initial_state=states))
    data = [RNG.standard_normal(shape).astype("float32") for shape in ((2, 5, 3), *((2, 4),) * 4)]
    np.testing.assert_array_equal(net(data), layer(data[0], initial_state=data[1:]))


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda x: layers.GRU(4)(x, go_back=True), "gru.* takes x, mask, initial_state, .* got go_back"),
        (lambda x: layers.GRU(4)(x, lengths=x), "lengths of gru.* must hold no symbolic tensors"),
        (lambda x: layers.Dense(2)(x, initial_state=x), "initial_state must be None, as Dense has no states"),
    ],
)
def test_errors(run: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        run(Input((5, 3)))
