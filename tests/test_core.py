"""What core does between layers and kernels: casts, the fast forms of masks, layouts, errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellstep import core, kernels, ops

F32, F64 = np.dtype("float32"), np.dtype("float64")
RNG = np.random.default_rng(2)
LSTM = kernels.CELLS["lstm"]


def packed(backward: bool = True, H: int = 4, I: int = 3) -> core.Packed:  # noqa: E741
    W, U = RNG.standard_normal((I, 4 * H)), RNG.standard_normal((H, 4 * H))
    options = {"activation": "tanh", "recurrent_activation": "sigmoid"}
    return core.pack(LSTM, W, U, np.zeros(4 * H), backward=backward, **options)


def test_an_array_that_fits_is_not_copied() -> None:
    a = np.ones((2, 3), F32)
    assert core.as_array("x", a, F32, ("batch", 3)) is a
    assert core.rows(a) is a
    assert core.contiguous(a) is a


@pytest.mark.parametrize("dtype", ["int8", "uint64", "bool", "float16", "float64", ">f4", "longdouble"])
def test_real_numbers_of_any_kind_are_cast(dtype: str) -> None:
    a = core.as_array("x", np.ones((2, 3), dtype), F32, ("batch", 3))
    assert a.dtype is F32
    assert (a == 1).all()


@pytest.mark.parametrize("value", [np.ones(3, "M8[s]"), np.ones(3, complex), ["a"], [None], {}, object()])
def test_what_is_no_real_number_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"expected speed (to|of)"):
        core.as_array("speed", value, F64, ("n",))


def test_float_dtype() -> None:
    assert core.float_dtype("dtype", None) is F32
    for given_ in ("float64", np.float64, F64, float, {"config": {"name": "float64"}}):
        assert core.float_dtype("dtype", given_) is F64
    for wrong in ("int32", "nonsense", 3, {}):
        with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', got"):
            core.float_dtype("dtype", wrong)


def spied(p: core.Packed) -> tuple[core.Packed, list[Any]]:
    """The same, noting the mask and lengths that the kernel gets."""
    seen: list[Any] = []

    def forward(*args: Any) -> None:
        names = kernels.FUNCTIONS["forward"]
        seen.append((args[names.index("mask")], args[names.index("lengths")]))
        p.backend.forward(*args)

    return replace(p, backend=replace(p.backend, forward=forward)), seen


RIGHT = np.array([[1, 1, 0], [0, 0, 0], [1, 1, 1]], bool)


@pytest.mark.parametrize(
    ("mask", "backwards", "form"),
    [
        (None, False, "none"),
        (np.ones((3, 3), bool), False, "none"),
        (RIGHT, False, "lengths"),
        (RIGHT[:, ::-1], True, "lengths"),
        (RIGHT, True, "mask"),
        (RIGHT[:, ::-1], False, "mask"),
        (np.zeros((3, 3), bool), False, "lengths"),
        (np.array([[1, 0, 1]] * 3, bool), False, "mask"),
    ],
)
def test_a_mask_takes_its_fastest_form(mask: Any, backwards: bool, form: str) -> None:
    p, seen = spied(packed())
    core.forward(p, np.ones((3, 3, 3)), mask=mask, go_backwards=backwards)
    got_mask, got_lengths = seen[0]
    assert (got_mask is not None, got_lengths is not None) == (form == "mask", form == "lengths")
    if form == "lengths":
        np.testing.assert_array_equal(got_lengths, RIGHT.sum(axis=1) if mask.any() else [0, 0, 0])
        assert got_lengths.dtype == np.int32


@given(st.data())
def test_any_mask_gives_what_the_kernel_gives_for_it_as_it_is(data: st.DataObject) -> None:
    B, T = data.draw(st.tuples(st.integers(0, 4), st.integers(0, 5)))
    bits = data.draw(st.lists(st.booleans(), min_size=B * T, max_size=B * T))
    mask = np.array(bits, bool).reshape(B, T)
    x = np.random.default_rng(B * T).standard_normal((B, T, 2))
    p = PACKED
    y, states, _ = core.forward(p, x, mask=mask)
    raw_y, h, c = np.empty((B, T, 3)), np.empty((B, 3)), np.empty((B, 3))
    zeros = np.zeros((B, 3))
    p.backend.forward(p.weights, x, (zeros, zeros), mask, None, None, None, raw_y, (h, c), None)
    for a, b in zip((y, *states), (raw_y, h, c), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


PACKED = packed(H=3, I=2)


def test_pullbacks_take_none_for_zeros_and_for_what_is_not_wanted() -> None:
    p = packed()
    x = RNG.standard_normal((2, 3, 3))
    y, states, pullback = core.forward(p, x, tape=True, go_backwards=True)
    assert y is not None
    assert pullback is not None
    dW = np.zeros((3, 16))
    dx, dstates = pullback(np.ones_like(y), [None, None], (dW, None, None))
    assert dx is not None
    assert dx.shape == x.shape
    assert dW.any()
    assert pullback(None, [np.ones_like(s) for s in states], (None,) * 3, need_dx=False)[0] is None
    assert [d.shape for d in dstates] == [(2, 4), (2, 4)]
    assert core.forward(p, x, sequences=False)[0] is None
    assert core.forward(p, x)[2] is None


def test_step_copies_states_and_keeps_inputs() -> None:
    p = packed(backward=False)
    h, c = np.zeros((2, 4)), np.ones((2, 4))
    new = core.step(p, np.ones((2, 3)), [h, c])
    assert not h.any()
    assert (c == 1).all()
    assert new[0].any()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"U": np.ones((4, 15))}, ValueError, r"expected U of shape \(units, 16\), got \(4, 15\)"),
        ({"U": np.ones((5, 16))}, ValueError, r"expected U of shape \(units, 20\), got \(5, 16\)"),
        ({"W": None}, TypeError, "expected W to be an array, got None"),
        ({"W": [[1.0], [1.0, 2.0]]}, ValueError, "expected W to be an array or an even nested list, got a list whose"),
        ({"W": np.ma.masked_array(np.ones((3, 16)), True)}, TypeError, "expected W to have no masked values"),
        ({"b": np.ma.masked_array(np.ones(16), True)}, TypeError, "expected b to have no masked values"),
        ({"U": np.ones((4, 16), int)}, TypeError, "expected U to be float32 or float64, got dtype int64"),
        ({"W": np.ones((3, 15))}, ValueError, r"expected W of shape \(features, 16\), got \(3, 15\)"),
        ({"W": np.ones((0, 16))}, ValueError, "at least one feature and one unit"),
        ({"b": np.ones(15)}, ValueError, r"expected b of shape \(16,\), got \(15,\)"),
        ({"activation": "softmax"}, ValueError, "activation must be one of .* got 'softmax'"),
        ({"reset_after": True}, TypeError, "lstm takes the options activation, recurrent_activation, got"),
    ],
)
def test_pack_refuses_what_does_not_fit(change: dict[str, Any], error: type[Exception], message: str) -> None:
    good: dict[str, Any] = {"W": np.ones((3, 16)), "U": np.ones((4, 16)), "b": None}
    good |= {"activation": "tanh", "recurrent_activation": "sigmoid"}
    W, U, b, *_ = (made := {**good, **change}).values()
    options = {k: v for k, v in made.items() if k not in "WUb"}
    with pytest.raises(error, match=message):
        core.pack(LSTM, W, U, b, backward=False, **options)


def test_a_flag_is_true_or_false(backend: kernels.Backend) -> None:
    gru = kernels.CELLS["gru"]
    weights, x = [np.ones(shape) / 9 for shape in gru.shapes({"I": 3, "H": 4}, gru.defaults)], np.ones((2, 3, 3))
    options = {**gru.defaults, "backward": False, "backend": backend}
    answers = [
        core.forward(core.pack(gru, *weights, **options | {"reset_after": v}), x)[0] for v in (True, np.True_, 1)
    ]
    for answer in answers[1:]:
        np.testing.assert_array_equal(answers[0], answer)
    for wrong in ("no", 2, 1.0, None, [True]):
        with pytest.raises(TypeError, match="reset_after must be True or False, got "):
            core.pack(gru, *weights, **options | {"reset_after": wrong})


def test_pullback_refuses_what_does_not_fit() -> None:
    _, _, pullback = core.forward(packed(), np.ones((2, 3, 3)), sequences=False, tape=True)
    assert pullback is not None
    with pytest.raises(ValueError, match="expected dy to be None"):
        pullback(np.ones((2, 3, 4)), [None, None], None, None, None)
    with pytest.raises(ValueError, match="expected 2 gradients of final states, got 1"):
        pullback(None, [None], None, None, None)


MISFITS = [
    (lambda a, b: ops.matmul(a, b), (2, 4), (3, 2)),
    (lambda a, b: ops.matmul(a, b), (2, 4), (5, 2)),
    (lambda a, b: ops.matmul(a, b), (2, 4), (3,)),
    (lambda a, b: ops.matmul(a, b), (4,), (3, 2)),
    (lambda a, b: ops.matmul(a, b), (2, 2, 4), (2, 3, 2)),
    (lambda a, b: ops.matmul(a, b), (), (3,)),
    (lambda a, b: ops.dot(a, b), (2, 4), (3, 2)),
    (lambda a, b: ops.einsum("ij,jk->ik", a, b), (2, 4), (3, 2)),
    (lambda a, b: ops.einsum("bij,bjk->bik", a, b), (2, 3, 6), (4, 3, 2)),
]


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize(("product", "first", "second"), MISFITS)
def test_products_of_shapes_that_do_not_fit(product: Any, first: Any, second: Any, dtype: str) -> None:
    """They must not reach the kernels, which check nothing."""
    with pytest.raises(ValueError, match=r"expected matrices|expected axes|matmul: Input operand|shapes"):
        product(np.ones(first, dtype), np.ones(second, dtype))
