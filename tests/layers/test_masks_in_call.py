"""Masks of layers with `call` of the user's: which reach `call`, which the layers in it, and which go further."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import layers, ops
from cellstep.layers import Input
from cellstep.models import Model, Sequential

X = np.random.default_rng(0).standard_normal((4, 6, 3))


def test_masks() -> None:
    class Plain(layers.Layer):
        def call(self, x: Any) -> Any:
            return x * 2

    class Keeps(layers.Layer):
        supports_masking = True

        def call(self, x: Any, mask: Any = None) -> Any:
            return x if mask is None else x * ops.cast(mask, "float32")[..., None]

    mask = np.arange(6) < np.array([6, 3, 1, 0])[:, None]
    with pytest.warns(UserWarning, match="plain knows no masks: the one that came"):
        Plain(name="plain")(X, mask=mask)

    class Uses(layers.Layer):
        def call(self, x: Any, mask: Any = None) -> Any:
            return x if mask is None else ops.where(mask[..., None], x, 0.0)

    with pytest.warns(UserWarning, match="uses ends the mask that came with its inputs: layers after it do not see"):
        np.testing.assert_array_equal(Uses(name="uses")(X, mask=mask), X.astype("f") * mask[..., None])
    kept = Keeps()
    np.testing.assert_array_equal(kept(X, mask=mask), X.astype("f") * mask[..., None])
    np.testing.assert_array_equal(kept(X), X.astype("f"))
    padded = np.where(mask[..., None], X, 0).astype("f")
    model = Sequential([Input((None, 3)), layers.Masking(), kept, layers.GRU(2)])
    np.testing.assert_allclose(model(padded)[1:2], model(padded[1:2, :3]), atol=1e-6)
    rows = [row[:n] for row, n in zip(padded, (6, 3, 1), strict=False)]
    np.testing.assert_allclose(model.predict(rows, verbose=0), model(padded)[:3], atol=1e-6)


class Reads(layers.Layer):
    """Two inputs, and a layer inside for each, which leaves out what is masked."""

    def __init__(self) -> None:
        super().__init__()
        self.of_query, self.of_values = layers.GRU(2), layers.GRU(2)

    def call(self, query: Any, values: Any) -> Any:
        return ops.concatenate([self.of_query(query), self.of_values(values)], axis=-1)


class Told(Reads):
    """The same, with the masks that it is told."""

    def call(self, query: Any, values: Any, mask: Any = None, query_mask: Any = None, values_mask: Any = None) -> Any:
        given = [0.0 if m is None else ops.sum(ops.cast(m, "float32")) for m in (mask, query_mask, values_mask)]
        return super().call(query, values), [ops.zeros_like(query[:, 0, :1]) + count for count in given]


@pytest.mark.filterwarnings("ignore:(reads|told)\\w* ends the mask")
@pytest.mark.parametrize("explicit", ["none", "array", "tensor"])
@pytest.mark.parametrize("kind", [Reads, Told])
@pytest.mark.parametrize("masked", [(False, False), (True, False), (False, True), (True, True)])
def test_masks_of_two_inputs(kind: Any, masked: tuple[bool, bool], explicit: str) -> None:
    there = np.arange(6) < np.array([6, 3, 1, 2])[:, None]
    other = np.arange(6) < np.array([2, 6, 5, 1])[:, None]
    query, values = X.astype("float32"), X[:, ::-1].astype("float32")
    queries, valueses = [np.where(m[..., None], a, 0) for m, a in ((there, query), (there[::-1], values))]
    inputs = [Input((None, 3)), Input((None, 3)), Input((None,), dtype="bool")]
    read = [layers.Masking()(x) if m else x for m, x in zip(masked, inputs, strict=False)]
    layer = kind()
    given = {"none": {}, "array": {"mask": other}, "tensor": {"mask": inputs[2]}}[explicit]
    outcome = layer(read[0], values=read[1], **given)
    outputs = Model(inputs, outcome)([queries, valueses, other])
    mask = other if given else there if masked[0] else None
    values_mask = there[::-1] if masked[1] else None
    expected = [layer.of_query(queries, mask=mask), layer.of_values(valueses, mask=values_mask)]
    y = outputs if kind is Reads else outputs[0]
    np.testing.assert_allclose(y, np.concatenate(expected, axis=-1), atol=1e-6)
    if kind is Told:
        counts = [other if given else None, None if given or not masked[0] else there, values_mask]
        assert [int(o[0, 0]) for o in outputs[1]] == [0 if m is None else m.sum() for m in counts]


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("kind", ["Embedding", "Masking"])
def test_compute_mask_of_a_tensor(kind: str, inside: bool) -> None:
    """As the guide on masking has it: what gives a mask is asked for it, and the mask is handed on by hand."""
    giver: Any = layers.Embedding(5, 2, mask_zero=True) if kind == "Embedding" else layers.Masking(-1.0)
    rnn = layers.LSTM(3)

    class Own(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.giver, self.rnn = giver, rnn

        def call(self, x: Any) -> Any:
            mask = self.giver.compute_mask(x)
            return self.rnn(self.giver(x) * 1.0, mask=mask)

    shape: Any = (None,) if kind == "Embedding" else (None, 2)
    x = Input(shape)
    y = Own()(x) if inside else rnn(giver(x) * 1.0, mask=giver.compute_mask(x))
    data = np.array([[1, 2, 0, 0], [3, 4, 1, 0]])
    if kind == "Masking":
        data = np.where(data, data, -1)[..., None].repeat(2, -1)
    got = Model(x, y).predict(data, verbose=0)
    np.testing.assert_array_equal(got, rnn(giver(data), mask=giver.compute_mask(data)))
    short = rnn(giver(data[:1, :2]))
    np.testing.assert_array_equal(got[:1], short)
