"""Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot: values, masks, gradients, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from slopes import compare

from cellstep import Input, layers
from cellstep.layers import Layer, nested

RNG = np.random.default_rng(11)
MASKS = [np.array([[1, 0, 1], [1, 1, 0]], bool), np.array([[1, 1, 0], [0, 1, 0]], bool)]
A, B, C = (RNG.standard_normal((2, 3, 4)) for _ in range(3))
SMALL = RNG.standard_normal((2, 1, 4))
FLAT = RNG.standard_normal((2, 4))


def check(layer: Layer, arrays: list[Any], mask: Any = None) -> None:
    """Every input's gradient against central differences."""
    arrays = [np.array(a) for a in arrays]
    y, pullback = layer.forward(arrays, mask=mask)
    assert y.shape == layer.compute_output_shape([a.shape for a in arrays])
    up = RNG.standard_normal(y.shape)
    found = pullback(up)
    assert pullback(up, need_dx=False) is None
    for i, (a, d) in enumerate(zip(arrays, found, strict=True)):
        compare(f"input {i}", a, d, lambda: float((layer.forward(arrays, mask=mask)[0] * up).sum()))


def double(kind: Any, *args: Any, **options: Any) -> Any:
    return kind(*args, dtype="float64", **options)


@pytest.mark.parametrize("masks", [None, MASKS, [MASKS[0], None], [None, MASKS[1]]])
@pytest.mark.parametrize("name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"])
def test_gradients_of_two_inputs(name: str, masks: Any) -> None:
    check(double(getattr(layers, name)), [A, B], masks)


@pytest.mark.parametrize("masks", [None, [*MASKS, MASKS[0]], [None, *MASKS], [MASKS[0], None, MASKS[1]]])
@pytest.mark.parametrize("name", ["Add", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"])
def test_gradients_of_three_inputs(name: str, masks: Any) -> None:
    check(double(getattr(layers, name)), [A, B, C], masks)


@pytest.mark.parametrize("name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"])
def test_shapes_are_broadcast_and_the_gradient_is_summed_back(name: str) -> None:
    check(double(getattr(layers, name)), [A, SMALL])
    check(double(getattr(layers, name)), [FLAT, B])


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(
    ("axes", "shapes"),
    [
        (1, ((2, 3), (2, 3))),
        (-1, ((2, 3, 4), (2, 5, 4))),
        ((2, 1), ((2, 3, 4), (2, 4, 5))),
        ((1, 2), ((2, 3), (2, 4, 3))),
        ((2, 1), ((2, 3, 4), (2, 4))),
        ((3, 1), ((2, 2, 3, 4), (2, 4, 5))),
    ],
)
def test_dot(axes: Any, shapes: Any, normalize: bool) -> None:
    a, b = (RNG.standard_normal(shape) for shape in shapes)
    layer = double(layers.Dot, axes, normalize)
    check(layer, [a, b])
    pa, pb = axes if isinstance(axes, tuple) else (axes, axes)
    if normalize:
        a = a / np.linalg.norm(a, axis=pa, keepdims=True)
        b = b / np.linalg.norm(b, axis=pb, keepdims=True)
    inner = ((pa - 1 if pa > 0 else pa,), (pb - 1 if pb > 0 else pb,))
    rows = [np.tensordot(x, y, inner) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(
        layer.forward([*map(np.asarray, (a, b))])[0],
        np.reshape(rows, (2, -1)) if np.ndim(rows) == 1 else rows,
        rtol=1e-12,
    )


def test_cosine_of_a_row_of_zeros_is_zero() -> None:
    layer = double(layers.Dot, 1, True)
    y, pullback = layer.forward([np.zeros((1, 3)), np.ones((1, 3))])
    assert y[0, 0] == 0
    assert all(np.isfinite(d).all() for d in pullback(np.ones((1, 1))))


def test_values() -> None:
    a, b = np.array([[1.0, 5.0]]), np.array([[4.0, 2.0]])
    given = {"Add": [5, 7], "Subtract": [-3, 3], "Multiply": [4, 10], "Average": [2.5, 3.5]}
    given |= {"Maximum": [4, 5], "Minimum": [1, 2], "Concatenate": [1, 5, 4, 2]}
    for name, wanted in given.items():
        assert getattr(layers, name)()([a, b]).tolist() == [wanted]
        assert getattr(layers, name.lower())([a, b]).tolist() == [wanted]
    assert layers.dot([a, b], axes=1).tolist() == [[14]]
    assert layers.concatenate([A, B], axis=1).shape == (2, 6, 4)


def test_equal_places_share_the_gradient() -> None:
    _, pullback = layers.Maximum().forward([np.ones((1, 2)), np.ones((1, 2))])
    assert [d.tolist() for d in pullback(np.ones((1, 2)))] == [[[0.5, 0.5]], [[0.5, 0.5]]]


def test_masks() -> None:
    for name in ("Add", "Multiply", "Maximum"):
        layer = getattr(layers, name)()
        assert np.array_equal(layer.compute_mask([A, B], MASKS), MASKS[0] | MASKS[1])
        assert layer.compute_mask([A, B], [MASKS[0], None]) is None
        assert layer.compute_mask([A, B]) is None
    side = layers.Concatenate()
    assert np.array_equal(side.compute_mask([A, B], MASKS), MASKS[0] | MASKS[1])
    assert side.compute_mask([A, B], [MASKS[0], None]).all()
    assert side.compute_mask([A, B], [None, None]) is None
    after = layers.Concatenate(axis=1).compute_mask([A, B], MASKS)
    assert np.array_equal(after, np.concatenate(MASKS, 1))
    assert layers.Dot(1).compute_mask([A, B], MASKS) is None
    product = layers.Multiply()([A, B], mask=MASKS)
    assert not product[1, 2].any()
    np.testing.assert_allclose(product[0, 1], B[0, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda: layers.Add()(A), ValueError, "expected x to be a list of 2 or more inputs for add, got ndarray"),
        (lambda: layers.Subtract()([A, B, C]), ValueError, "list of 2 inputs for subtract, got 3"),
        (lambda: layers.Add()([A, A[:, :2]]), ValueError, r"whose shapes broadcast, got \(2, 3, 4\), \(2, 2, 4\)"),
        (lambda: layers.Add()([A, A[:1]]), ValueError, "one number of rows"),
        (lambda: layers.Concatenate()([A, A[:, :2]]), ValueError, "differ only along axis 2"),
        (lambda: layers.Concatenate(0), ValueError, "axis must not be 0, the batch axis"),
        (lambda: layers.Concatenate(3)([A, B]), ValueError, "axis must be an axis of inputs with 3 axes"),
        (lambda: layers.Dot((1, 2, 3)), ValueError, "axes must be an integer or a pair"),
        (lambda: layers.Dot((1, 2))([A, B]), ValueError, "equal size along axes"),
        (lambda: layers.Dot("a"), TypeError, "axes must be an integer, got 'a'"),
        (lambda: layers.Add()([A, B], mask=MASKS[0]), ValueError, "expected mask to be a list of 2, one an input"),
        (lambda: layers.Add()(layers.Input((3,))), ValueError, "expected x to be a list of inputs for add"),
    ],
)
def test_errors(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run()


def test_no_layer_hides_the_call_on_symbolic_tensors() -> None:
    kinds = [getattr(layers, name) for name in layers.__all__]
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Layer):
            # cells take states too, and this one several inputs by name; other tests call them on tensors
            if kind.__name__.endswith(("Cell", "Cells")) or kind is layers.MultiHeadAttention:
                continue
            assert kind.__call__ is Layer.__call__, f"{kind.__name__} must write call, not __call__"


@pytest.mark.parametrize("kind", [layers.SimpleRNNCell, layers.LSTMCell, layers.GRUCell])
@pytest.mark.parametrize("stacked", [False, True])
def test_cells_on_symbolic_tensors_give_such(kind: Any, stacked: bool) -> None:
    cell = layers.StackedRNNCells([kind(2), kind(2)]) if stacked else kind(2)
    x = Input((3,))
    states = [Input((n,)) for n in nested.flatten(cell.state_size)]
    y, new = cell(x, nested.pack(cell.get_initial_state(1), states))
    assert {type(t) for t in nested.flatten([y, new])} == {type(x)}
