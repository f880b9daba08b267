"""Helpers for data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import utils


def test_one_hot_rows() -> None:
    np.testing.assert_array_equal(utils.to_categorical([[0], [2]]), [[1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(utils.to_categorical([[1, 0]], 2), [[[0, 1], [1, 0]]])
    assert utils.to_categorical(np.zeros((0,), int), 3).shape == (0, 3)


def test_padding_and_truncating() -> None:
    rows: list[Any] = [[1, 2, 3], [4], []]
    for options, wanted in (
        ({}, [[1, 2, 3], [0, 0, 4], [0, 0, 0]]),
        ({"padding": "post", "value": -1}, [[1, 2, 3], [4, -1, -1], [-1, -1, -1]]),
        ({"maxlen": 2}, [[2, 3], [0, 4], [0, 0]]),
        ({"maxlen": 2, "truncating": "post"}, [[1, 2], [0, 4], [0, 0]]),
    ):
        made = utils.pad_sequences(rows, **options)
        assert made.dtype == np.int32
        np.testing.assert_array_equal(made, wanted)
    wide = utils.pad_sequences([np.ones((2, 3)), np.ones((1, 3))], dtype="float32", padding="post")
    assert wide.shape == (2, 2, 3)
    assert wide[1].sum() == 3


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda: utils.to_categorical([3], 3), ValueError, "labels from 0 to 2, got 3"),
        (lambda: utils.to_categorical([0.5]), TypeError, "integer labels, got dtype float64"),
        (lambda: utils.to_categorical([]), ValueError, "num_classes must be given"),
        (lambda: utils.pad_sequences([1, 2]), TypeError, "sequences must be lists or arrays, got 1"),
        (lambda: utils.pad_sequences([[1]], padding="left"), ValueError, "padding must be 'pre' or 'post', got 'left'"),
        (lambda: utils.pad_sequences([[[1]], [[1, 2]]]), ValueError, r"steps of one shape, got \[\(1,\), \(2,\)\]"),
    ],
)
def test_bad_arguments(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run()
