"""The tasks' data against their definitions, and their baselines against a count."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pytest

from cellstep.lab import tasks


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_adding_marks_one_number_in_each_half_and_sums_them() -> None:
    for length in (2, 3, 11):
        x, y = tasks.adding(length, rng(), 200)
        assert x.shape == (200, length, 2)
        assert x.dtype == y.dtype == np.float32
        values, marks = x[..., 0], x[..., 1]
        assert ((values >= 0) & (values < 1)).all()
        assert (marks[:, : length // 2].sum(1) == 1).all()
        assert (marks[:, length // 2 :].sum(1) == 1).all()
        assert y[:, 0] == pytest.approx((values * marks).sum(1))


def test_saying_one_has_the_error_of_the_baseline_of_adding() -> None:
    _, y = tasks.adding(10, rng(), 200_000)
    data = tasks.get("adding").data(10, rng(), 10)
    assert data.baseline == pytest.approx(1 / 6)
    assert tasks.get("adding").judge(y, np.ones_like(y)) == pytest.approx(1 / 6, rel=0.01)


def test_copy_shows_letters_then_asks_for_them() -> None:
    kept, letters = tasks.KEPT, tasks.LETTERS
    for delay in (1, 7):
        x, y = tasks.copy(delay, rng(), 50)
        shown = x.argmax(-1)
        assert x.shape == (50, delay + 2 * kept, letters + 2)
        assert (x.sum(-1) == 1).all()
        assert (shown[:, :kept] < letters).all()
        assert (shown[:, kept : kept + delay - 1] == letters).all()
        assert (shown[:, kept + delay - 1] == letters + 1).all()
        assert (shown[:, kept + delay :] == letters).all()
        assert (y[:, : kept + delay] == letters).all()
        assert (y[:, kept + delay :] == shown[:, :kept]).all()


def test_guessing_letters_has_the_entropy_of_the_baseline_of_copy() -> None:
    delay, task = 6, tasks.get("copy")
    data = task.data(delay, rng(), 100)
    y = data.held[1]
    guess = np.zeros((*y.shape, tasks.LETTERS + 1))
    guess[:, : tasks.KEPT + delay, tasks.LETTERS] = 1.0
    guess[:, tasks.KEPT + delay :, : tasks.LETTERS] = 1 / tasks.LETTERS
    assert task.judge(y, guess) == pytest.approx(data.baseline, rel=1e-12)
    assert data.baseline == pytest.approx(5 * math.log(8) / 16)


def test_parity_is_that_of_the_first_two_bits() -> None:
    for delay in (0, 5):
        x, y = tasks.parity(delay, rng(), 400)
        assert x.shape == (400, delay + 2, 1)
        assert set(np.unique(x)) == {-1.0, 1.0}
        assert (y == (x[:, 0, 0] != x[:, 1, 0])).all()
        seen = {(a, b) for a, b in zip(x[:, 0, 0], x[:, 1, 0], strict=True)}
        assert seen == set(itertools.product((-1.0, 1.0), repeat=2))


def test_no_weighing_of_the_bits_tells_their_parity() -> None:
    x, y = tasks.parity(3, rng(), 100_000)
    weights = np.linalg.lstsq(np.c_[x[:, :, 0], np.ones(len(x))], y, rcond=None)[0]
    assert np.abs(weights[:-1]).max() < 0.01
    assert tasks.get("parity").data(3, rng(), 10).baseline == 0.5


@pytest.mark.parametrize("length", [8, 16, 64])
def test_digits_are_the_images_of_scikit_learn_in_pieces(length: int) -> None:
    sets = pytest.importorskip("sklearn.datasets")
    images, labels = sets.load_digits(return_X_y=True)
    data = tasks.get("digits").data(length, rng(3), 400)
    x, y = data.held
    assert x.shape == (400, length, 64 // length)
    known = {tuple(image): label for image, label in zip(images.astype(int), labels, strict=True)}
    for row, label in zip(x, y, strict=True):
        assert known[tuple(np.rint((row.reshape(-1) + 1) * 8).astype(int))] == label
    batch, _ = data.batch(rng(), 2000)
    held = {row.tobytes() for row in x}
    assert not any(row.tobytes() in held for row in batch)  # nothing learned is judged on
    assert 0.05 < data.baseline < 0.15


def test_digits_need_lengths_that_divide() -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(ValueError, match="lengths of the task 'digits' must divide 64 and be 2 or more, got 10"):
        tasks.get("digits").data(10, rng(), 10)


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match="'digits' needs scikit-learn: pip install"):
        tasks.get("digits").data(8, rng(), 10)


def test_own_data_are_held_out_and_have_a_constant_baseline() -> None:
    x = rng().random((40, 5, 2))
    classes = np.array([0, 1, 1, 1] * 10)
    task = tasks.get((x, classes))
    data = task.data(5, rng(1), 500)
    assert (task.score, task.outputs, len(data.held[1])) == ("accuracy", 2, 10)
    assert data.baseline == pytest.approx(np.mean(data.held[1] == 1))
    y = rng(2).random(40)
    task = tasks.get((x, y))
    data = task.data(5, rng(1), 500)
    assert (task.score, task.outputs, task.lengths) == ("mse", 1, (5,))
    learned = np.setdiff1d(y.astype(np.float32), data.held[1])
    assert data.baseline == pytest.approx(np.mean((data.held[1] - learned.mean()) ** 2), rel=1e-5)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("sums", r"task must be one of adding, copy, parity, digits, or \(x, y\), got 'sums'"),
        ((np.ones((9, 3)), np.ones(9)), r"x must have shape \(n, steps, features\) with n of 8 or more, got \(9, 3\)"),
        ((np.ones((9, 3, 1)), np.ones(8)), r"y must have shape \(9,\) or \(9, outputs\), got \(8,\)"),
        ((np.full((9, 3, 1), np.nan), np.ones(9)), "x must be finite, got NaN or infinity"),
        ((np.ones((9, 3, 1)), -np.ones(9, int)), r"y of integers must have shape \(n,\) and be 0 or more"),
    ],
)
def test_errors(task: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tasks.get(task)
    with pytest.raises(TypeError, match="got int"):
        tasks.get(3)
