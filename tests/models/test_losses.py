"""Losses against Keras's numbers and against differences; masks and weights; stability; bad targets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_cases as cases
from numpy.typing import NDArray

from cellstep import losses, metrics, optimizers

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())
SEQUENCES = {name: case for name, case in cases.LOSSES.items() if case.mask is not None}


def make(case: cases.LossCase) -> losses.Loss:
    loss = getattr(losses, case.loss)(**case.options)
    assert isinstance(loss, losses.Loss)
    return loss


@pytest.mark.parametrize("name", cases.LOSSES)
def test_value_and_gradient_are_those_of_keras(name: str) -> None:
    case, golden = cases.LOSSES[name], GOLDEN["losses"][name]
    value, grad = make(case).value_and_grad(case.y_true, case.y_pred, case.sample_weight, case.mask)
    # Keras divides by the number of values in float32 even when asked for float64.
    np.testing.assert_allclose(value, golden["value"], rtol=2e-7)
    np.testing.assert_allclose(grad.ravel(), golden["grad"], rtol=2e-7, atol=1e-12)


@pytest.mark.parametrize("name", cases.LOSSES)
def test_gradient_is_that_of_the_value(name: str) -> None:
    case = cases.LOSSES[name]
    loss, y_pred = make(case), case.y_pred.copy()
    grad = loss.value_and_grad(case.y_true, y_pred, case.sample_weight, case.mask)[1]
    for at in np.ndindex(y_pred.shape):
        sides = []
        for h in (1e-6, -1e-6):
            moved = y_pred.copy()
            moved[at] += h
            sides.append(loss(case.y_true, moved, case.sample_weight, case.mask))
        np.testing.assert_allclose(grad[at], (sides[0] - sides[1]) / 2e-6, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", cases.LOSSES)
def test_float32_stays_float32(name: str) -> None:
    case = cases.LOSSES[name]
    wide = make(case).value_and_grad(case.y_true, case.y_pred, case.sample_weight, case.mask)
    y_pred = case.y_pred.astype("float32")
    value, grad = make(case).value_and_grad(case.y_true, y_pred, case.sample_weight, case.mask)
    assert value.dtype == grad.dtype == np.float32
    assert grad.shape == y_pred.shape
    np.testing.assert_allclose(value, wide[0], rtol=1e-5)
    np.testing.assert_allclose(grad, wide[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", SEQUENCES)
def test_masked_steps_have_no_influence_whatever_they_hold(name: str) -> None:
    case = SEQUENCES[name]
    assert case.mask is not None
    loss = make(case)
    wanted = loss.value_and_grad(case.y_true, case.y_pred, case.sample_weight, case.mask)
    for junk in (np.nan, np.inf, -5.0):
        y_pred, y_true = case.y_pred.copy(), np.array(case.y_true, float)
        y_pred[~case.mask] = junk
        y_true[~case.mask] = junk
        value, grad = loss.value_and_grad(y_true, y_pred, case.sample_weight, case.mask)
        assert value == wanted[0]
        assert np.array_equal(grad, wanted[1])
        assert not grad[~case.mask].any()


@pytest.mark.parametrize("name", sorted(set(SEQUENCES) - {"mse_sum"}))
def test_a_mask_leaves_the_mean_over_what_is_there(name: str) -> None:
    case = SEQUENCES[name]
    assert case.mask is not None
    loss = make(case)
    keep = case.mask
    weights = None if case.sample_weight is None else case.sample_weight[keep]
    np.testing.assert_allclose(
        loss(case.y_true, case.y_pred, case.sample_weight, keep), loss(case.y_true[keep], case.y_pred[keep], weights)
    )


@pytest.mark.parametrize("name", SEQUENCES)
def test_nothing_there_costs_nothing(name: str) -> None:
    case = SEQUENCES[name]
    nothing = np.zeros((2, 4), bool)
    value, grad = make(case).value_and_grad(case.y_true, case.y_pred, None, nothing)
    assert value == 0
    assert not grad.any()
    value, grad = make(case).value_and_grad(case.y_true[:0], case.y_pred[:0])
    assert value == 0
    assert grad.shape == (0, 4, 3)


def test_a_weight_of_zero_excuses_a_label_but_counts_in_the_mean() -> None:
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    z = cases.spread(3, 4)
    whole = loss([1, 2, 3], z, [1, 1, 0])
    assert loss([1, 2, -1], z, [1, 1, 0]) == whole
    np.testing.assert_allclose(whole, 2 / 3 * loss([1, 2], z[:2]))


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 4), (2, 4, 1)])
def test_weights_may_have_any_rank_that_starts_with_the_rows(shape: tuple[int, ...]) -> None:
    w = cases.spread(*shape) + 3
    each = np.broadcast_to(w.reshape(shape[:2] + (1,) * (2 - len(shape))), (2, 4))
    y_true, y_pred = cases.spread(2, 4, 3, start=1), cases.spread(2, 4, 3)
    loss = losses.MeanSquaredError()
    np.testing.assert_allclose(loss(y_true, y_pred, w), (((y_pred - y_true) ** 2).mean(-1) * each).mean())


@pytest.mark.parametrize("kind", ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"])
def test_logits_of_any_size_give_finite_numbers(kind: str) -> None:
    z = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 300.0], [88.0, 89.0, 90.0]], "float32")
    y = [0, 0, 2] if kind.startswith("Sparse") else np.eye(3)[[0, 0, 2]]
    value, grad = getattr(losses, kind)(from_logits=True).value_and_grad(y, z)
    assert np.isfinite(value)
    assert np.isfinite(grad).all()
    assert np.abs(grad).max() <= 1


def test_logits_and_probabilities_agree() -> None:
    z, labels = cases.spread(4, 3), np.array([0, 2, 1, 1])
    for kind, y, p in (
        ("BinaryCrossentropy", (z > 0) * 1, 1 / (1 + np.exp(-z))),
        ("CategoricalCrossentropy", np.eye(3)[labels], cases.softmax(z)),
        ("SparseCategoricalCrossentropy", labels, cases.softmax(z)),
    ):
        loss = getattr(losses, kind)
        np.testing.assert_allclose(loss(from_logits=True)(y, z), loss()(y, p), rtol=1e-12)


def test_saturated_probabilities_are_clipped_as_in_keras() -> None:
    value, grad = losses.BinaryCrossentropy().value_and_grad([[1.0], [0.0]], np.array([[0.0], [0.0]]))
    np.testing.assert_allclose(value, -np.log(1e-7) / 2, rtol=1e-6)
    assert not grad.any()


def test_nan_in_a_prediction_spreads() -> None:
    y_pred = np.full((1, 2), np.nan)
    for name, y in (("mse", [[0, 1]]), ("binary_crossentropy", [[0, 1]]), ("sparse_categorical_crossentropy", [1])):
        value, grad = losses.get(name).value_and_grad(y, y_pred)
        assert np.isnan(value)
        assert np.isnan(grad).all()


def test_reduction_none_gives_the_weighted_values() -> None:
    loss = losses.MeanSquaredError(reduction="none")
    assert loss([[1.0], [3.0]], np.zeros((2, 1)), [1, 2]).tolist() == [1, 18]
    with pytest.raises(ValueError, match="reduction must give a scalar"):
        loss.value_and_grad([[1.0]], np.zeros((1, 1)))


def test_inputs_stay_as_they_were() -> None:
    for case in cases.LOSSES.values():
        arrays = [a for a in case[2:] if a is not None]
        copies = [a.copy() for a in arrays]
        for a in arrays:
            a.flags.writeable = False
        make(case).value_and_grad(case.y_true, case.y_pred, case.sample_weight, case.mask)
        for a, b in zip(arrays, copies, strict=True):
            a.flags.writeable = True
            assert np.array_equal(a, b)


def test_names() -> None:
    assert isinstance(losses.get("mse"), losses.MeanSquaredError)
    assert losses.get("mse").name == "mse"
    assert isinstance(losses.get("SparseCategoricalCrossentropy"), losses.SparseCategoricalCrossentropy)
    assert losses.MeanAbsoluteError().name == "mean_absolute_error"
    assert isinstance(losses.get("huber"), losses.Huber)
    assert isinstance(losses.get("KLD"), losses.KLDivergence)
    assert losses.MeanSquaredError("sum").reduction == "sum"


@pytest.mark.parametrize("name", cases.LOSSES)
def test_configurations_go_through_json(name: str) -> None:
    case = cases.LOSSES[name]
    config = json.loads(json.dumps(losses.serialize(make(case))))
    again = losses.deserialize(config)
    assert again.get_config() == make(case).get_config()
    assert set(case.options) <= set(config["config"])
    assert again(case.y_true, case.y_pred) == make(case)(case.y_true, case.y_pred)


class Cube(losses.Loss):
    """A loss of a user's own."""

    def prepare(self, y_true: NDArray[Any], y_pred: NDArray[Any], live: Any) -> NDArray[Any]:
        return y_true

    def forward(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> Any:
        d = y_pred - y_true
        return (d**3).sum(-1), lambda dvalues: 3 * d**2 * dvalues[..., None]


def test_a_loss_of_ones_own() -> None:
    value, grad = Cube().value_and_grad(np.zeros((2, 1)), np.array([[1.0], [2.0]]))
    assert value == 4.5
    assert grad.tolist() == [[1.5], [6.0]]


class InPlace(Cube):
    """A pullback that makes its result of what it is given."""

    def forward(self, y_true: NDArray[Any], y_pred: NDArray[Any]) -> Any:
        values, _ = super().forward(y_true, y_pred)

        def pullback(dvalues: NDArray[Any]) -> NDArray[Any]:
            dvalues *= 3
            return (y_pred - y_true) ** 2 * dvalues[..., None]

        return values, pullback


def test_a_pullback_of_ones_own_may_write_into_what_it_is_given() -> None:
    loss, data = InPlace(), (np.zeros((2, 1)), np.array([[1.0], [2.0]]))
    for _ in range(2):
        assert loss.value_and_grad(*data)[1].tolist() == [[1.5], [6.0]]


@pytest.mark.parametrize("kind", [losses.MeanSquaredError, losses.Huber, losses.BinaryCrossentropy])
def test_a_loss_remembers_nothing_of_another_reduction_dtype_or_number_of_rows(kind: Any) -> None:
    rng, loss = np.random.default_rng(6), kind()
    for reduction in ("sum_over_batch_size", "sum", "mean"):
        for shape in ((4, 1), (6, 1), (6, 2), (6, 3, 2)):
            for dtype in ("f4", "f8", "f4"):
                y, p = rng.random((2, *shape)).astype(dtype)
                loss.reduction = reduction
                (value, grad), wanted = loss.value_and_grad(y, p), kind(reduction=reduction).value_and_grad(y, p)
                assert (value, value.dtype, grad.dtype) == (wanted[0], p.dtype, p.dtype)
                np.testing.assert_array_equal(grad, wanted[1])


S = losses.SparseCategoricalCrossentropy()
P = np.full((2, 3), 1 / 3)


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (
            lambda: losses.get("hinges"),
            ValueError,
            "loss must be one of .* hinge.*got 'hinges'",
        ),
        (lambda: losses.get(3), TypeError, "loss must be a name, a configuration or a cellstep loss, got 3"),
        (lambda: losses.MeanSquaredError(reduction="avg"), ValueError, "reduction must be one of .*got 'avg'"),
        (lambda: losses.BinaryCrossentropy(axis=0), NotImplementedError, "axis other than -1"),
        (lambda: losses.BinaryCrossentropy(label_smoothing=2), ValueError, "label_smoothing must be between 0 and 1"),
        (lambda: losses.get("mse")([1, 2], P), ValueError, r"y_true must have the shape \(2, 3\).*got \(2,\)"),
        (lambda: losses.get("mse")(np.ones((2, 1)), P), ValueError, r"got \(2, 1\)"),
        (lambda: losses.get("mse")([["a"] * 3] * 2, P), TypeError, "y_true must hold real numbers"),
        (lambda: losses.get("mse")(P, P.astype(complex)), TypeError, "y_pred must hold real numbers"),
        (lambda: losses.get("mse")(1, 1), ValueError, "y_pred must have at least one axis"),
        (lambda: losses.CategoricalCrossentropy()([0, 1], P), ValueError, "use sparse_categorical_crossentropy"),
        (lambda: S(P, P), ValueError, r"y_true must have the shape \(2,\) or \(2, 1\).*got \(2, 3\)"),
        (lambda: S([0, 3], P), ValueError, "labels from 0 to 2, as there are 3 units, got 3"),
        (lambda: S([0, -1], P), ValueError, "got -1"),
        (lambda: S([0, 0.5], P), ValueError, "integer labels, got 0.5"),
        (lambda: S([0, np.nan], P), ValueError, "integer labels, got nan"),
        (lambda: S(["a", "b"], P), TypeError, "y_true must hold integer labels"),
        (lambda: S([0, 1], P, [1, 2, 3]), ValueError, r"sample_weight must broadcast.*\(2,\).*got \(3,\)"),
        (lambda: S([0, 1], P, ["a", "b"]), TypeError, "sample_weight must hold real numbers"),
        (lambda: S([0, 1], P, None, [[True, False, True]] * 2), ValueError, "mask must broadcast"),
    ],
)
def test_bad_arguments(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run()


@pytest.mark.parametrize(
    ("module", "name"),
    [(losses, "Dice"), (losses, "Tversky"), (metrics, "MeanIoU"), (optimizers, "Ftrl")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_keras_has_and_sequences_do_not_need_is_named_in_one_sentence(module: Any, name: str) -> None:
    sentence = f"{name} is not in cellstep: (it|Adam)"
    with pytest.raises(AttributeError, match=f"has no attribute '{name}': {sentence}"):
        getattr(module, name)
    for identifier in (name, {"class_name": name, "config": {}}):
        with pytest.raises(ValueError, match=f"got '{name}': {sentence}"):
            module.get(identifier)
