"""Models called on tensors: those whose shape does not fit its Input are refused at the call; a last axis of
length 1 may be missing or be too many, forward and in gradients, as with arrays."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, Sequential
from cellstep.layers import LSTM, RNN, Dense, GRUCell, LSTMCell

RNG = np.random.default_rng(5)


def of(*shapes: Any) -> Model:
    """A model of Inputs of these shapes, with the first step of each in its output."""
    heads = [Input(shape) for shape in shapes]
    outs = [Dense(2)(LSTM(3)(head)) if len(head.shape) > 2 else Dense(2)(head) for head in heads]
    return Model(heads if len(heads) > 1 else heads[0], outs if len(outs) > 1 else outs[0], name="inner")


FITS = {
    "the same": ((5, 1), (5, 1)),
    "open steps": ((None, 1), (7, 1)),
    "steps that may fit": ((5, 1), (None, 1)),
    "features that may fit": ((5, 1), (5, None)),
    "an axis is missing": ((5, 1), (5,)),
    "an axis too many": ((5, 1), (5, 1, 1)),
    "of two axes": ((6,), (6, 1)),
    "one number": ((1,), ()),
}


@pytest.mark.parametrize(("inner", "outer"), FITS.values(), ids=FITS)
def test_what_fits_arrays_fits_tensors(inner: Any, outer: Any) -> None:
    model = of(inner)
    x = Input(outer)
    whole = Model(x, model(x))
    data = RNG.standard_normal((4, *[size or 1 if i else size or 5 for i, size in enumerate(outer)])).astype("float32")
    y = whole.predict(data, verbose=0)
    assert whole.output_shape == (None, 2)
    np.testing.assert_array_equal(y, model.predict(data, verbose=0))
    assert model.compute_output_shape((None, *outer)) == (None, 2)


REFUSED = {
    "an axis between": (((6,),), [(1, 6)], "expected x of inner of shape (None, 6), got (None, 1, 6)"),
    "features": (((6,),), [(7,)], "expected x of inner of shape (None, 6), got (None, 7)"),
    "steps": (((5, 1),), [(4, 1)], "expected x of inner of shape (None, 5, 1), got (None, 4, 1)"),
    "a missing axis": (((5, 2),), [(5,)], "expected x of inner of shape (None, 5, 2), got (None, 5)"),
    "the second of two": (((5, 1), (3,)), [(5, 1), (4,)], " of inner of shape (None, 3), got (None, 4)"),
    "one of two": (((5, 1), (3,)), [(5, 1)], "inner takes 2 inputs ("),
    "two of one": (((5, 1),), [(5, 1), (3,)], "inner takes 1 input ("),
}


@pytest.mark.parametrize(("shapes", "given", "message"), REFUSED.values(), ids=REFUSED)
def test_what_fits_no_array_is_refused_at_the_call(shapes: Any, given: Any, message: str) -> None:
    model = of(*shapes)
    tensors = [Input(shape) for shape in given]
    for call in (model, lambda x: Sequential([model])(x)) if len(shapes) == len(given) == 1 else (model,):
        with pytest.raises(ValueError, match=re.escape(message)):
            call(tensors if len(tensors) > 1 else tensors[0])
    if len(given) == 1:
        with pytest.raises(ValueError, match=re.escape(message)):
            model.compute_output_shape((None, *given[0]))


@pytest.mark.parametrize("outer", [(5,), (5, 1), (5, 1, 1)])
def test_gradients_have_the_shape_of_what_came(outer: tuple[int, ...]) -> None:
    x = RNG.standard_normal((4, *outer)).astype("float32")
    model = of((5, 1))
    y, back = model.forward(x)
    dx = back(np.ones_like(y))
    assert dx.shape == x.shape
    same, other = model.forward(x.reshape(4, 5, 1))
    np.testing.assert_array_equal(dx, other(np.ones_like(same)).reshape(x.shape))
    # and so a layer before it learns
    head = Input(outer)
    whole = Model(head, model(Dense(outer[-1])(head)))
    whole.compile("sgd", "mse")
    before = whole.layers[1].get_weights()
    losses = whole.fit(x, np.ones((4, 2)), epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert not np.array_equal(before[0], whole.layers[1].get_weights()[0])


@pytest.mark.parametrize("rows", [1, 4])
def test_gradients_of_sequences_of_different_lengths_too(rows: int) -> None:
    model = of((None, 1))
    flat = [RNG.standard_normal(n).astype("float32") for n in (3, 5, 3, 1)[:rows]]
    gradients = []
    for x in (flat, [row[:, None] for row in flat]):
        y, back = model.forward(x)
        gradients.append(back(np.ones_like(y)))
    np.testing.assert_array_equal(np.squeeze(gradients[0]), np.squeeze(gradients[1]))
    head = Input((None, 1))
    whole = Model(head, model(Dense(1)(head)))
    whole.compile("sgd", "mse")
    assert np.isfinite(whole.fit(flat, np.ones((rows, 2)), verbose=0).history["loss"][0])


def test_a_model_of_nothing_says_so() -> None:
    for call in (lambda: Model()(Input((3,))), lambda: Model().compute_output_shape((None, 3))):
        with pytest.raises(NotImplementedError, match="Model must be made of inputs and outputs, or write call"):
            call()


@pytest.mark.parametrize("dtype", [[], "S3", "O", "M8[s]", "c8"])
def test_inputs_hold_numbers(dtype: Any) -> None:
    with pytest.raises(ValueError, match="dtype must be one of real numbers or booleans, got "):
        Input((3,), dtype=dtype)


def test_first_states_of_stacked_cells_are_counted_at_the_call() -> None:
    x, h, wide = Input((4, 3)), Input((2,)), Input((3,))
    stack = RNN([LSTMCell(2), GRUCell(3)])
    assert stack(x, initial_state=[[h, h], wide]).shape == (None, 3)
    for wrong in ([h], [h, h, h], [wide, h, h]):
        with pytest.raises(ValueError, match=r"to be 3 tensors \(batch, units\) with 2, 2, 3 units, got "):
            RNN([LSTMCell(2), GRUCell(3)])(x, initial_state=wrong)
