"""Initializers: Keras's distributions, seeds, and names."""

from __future__ import annotations

import json
import random
import tracemalloc
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import initializers, layers

SHAPE = (300, 500)
#: (name, bound or None, standard deviation)
SPREAD = [
    ("glorot_uniform", (6 / 800) ** 0.5, (2 / 800) ** 0.5),
    ("glorot_normal", None, (2 / 800) ** 0.5),
    ("he_uniform", (6 / 300) ** 0.5, (2 / 300) ** 0.5),
    ("he_normal", None, (2 / 300) ** 0.5),
    ("lecun_uniform", (3 / 300) ** 0.5, (1 / 300) ** 0.5),
    ("lecun_normal", None, (1 / 300) ** 0.5),
    ("random_uniform", 0.05, 0.05 / 3**0.5),
    ("random_normal", None, 0.05),
    ("truncated_normal", 0.1, 0.05 * 0.87962566),
]


@pytest.mark.parametrize(("name", "bound", "deviation"), SPREAD)
def test_spread(name: str, bound: float | None, deviation: float) -> None:
    a = initializers.get(name)(SHAPE, "float64")
    assert abs(a.mean()) < 0.02 * deviation
    assert abs(a.std() / deviation - 1) < 0.01
    if bound is not None:
        assert 0.99 * bound < np.abs(a).max() <= bound


def test_truncated_scaled_normals_stop_at_two_of_their_own_deviations() -> None:
    a = initializers.HeNormal(seed=1)(SHAPE, "float64")
    limit = 2 * (2 / 300) ** 0.5 / 0.87962566103423978
    assert 0.99 * limit < np.abs(a).max() <= limit


def test_constants() -> None:
    assert not initializers.get("zeros")((2, 3)).any()
    assert (initializers.get("ones")((2, 3)) == 1).all()
    assert (initializers.Constant(2.5)((2, 3)) == 2.5).all()
    np.testing.assert_array_equal(initializers.Identity(2)((2, 3)), [[2, 0, 0], [0, 2, 0]])
    assert initializers.get("zeros")((2,)).dtype == np.float32


@pytest.mark.parametrize("shape", [(4, 16), (16, 4), (5, 5), (2, 3, 4)])
def test_orthogonal_is_over_the_whole_matrix(shape: tuple[int, ...]) -> None:
    a = initializers.Orthogonal(gain=3, seed=1)(shape, "float64").reshape(-1, shape[-1])
    short = a @ a.T if a.shape[0] <= a.shape[1] else a.T @ a
    np.testing.assert_allclose(short, 9 * np.eye(len(short)), atol=1e-12)


def test_orthogonal_is_uniform_not_signed_by_the_algorithm() -> None:
    firsts = [initializers.Orthogonal(seed=s)((1, 1), "float64")[0, 0] for s in range(64)]
    assert 10 < sum(f > 0 for f in firsts) < 54


def test_orthogonal_draws_on_from_a_normal_matrix_with_positive_diagonal() -> None:
    q = initializers.Orthogonal(seed=5)((6, 4), "float64")
    a = np.random.default_rng(5).standard_normal((6, 4))
    r = q.T @ a
    np.testing.assert_allclose(np.tril(r, -1), 0, atol=1e-12)
    assert (np.diag(r) > 0).all()


@pytest.mark.parametrize("kind", [initializers.RandomUniform, initializers.RandomNormal])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_large_weight_is_drawn_in_pieces_with_the_same_numbers(kind: Any, dtype: str) -> None:
    initializer, shape = kind(seed=3), (1500, 700)
    tracemalloc.start()
    found = initializer(shape, dtype)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(found, initializer.values(shape).astype(dtype))
    assert peak < found.nbytes + 2**23


def test_one_object_repeats_itself_and_two_differ() -> None:
    one, other = initializers.GlorotUniform(), initializers.GlorotUniform()
    np.testing.assert_array_equal(one((3, 4)), one((3, 4)))
    assert not np.array_equal(one((3, 4)), other((3, 4)))
    np.testing.assert_array_equal(initializers.GlorotUniform(seed=1)((3,)), initializers.GlorotUniform(seed=1)((3,)))


def test_one_seed_repeats_everything_that_is_random() -> None:
    def run() -> list[Any]:
        cellstep.set_random_seed(11)
        layer, drop = layers.LSTM(3, dropout=0.5), layers.Dropout(0.5)
        x = np.random.standard_normal((2, 4, 3)) + random.random()  # noqa: NPY002
        return [layer(x, training=True), drop(x, training=True), *layer.get_weights()]

    for a, b in zip(run(), run(), strict=True):
        np.testing.assert_array_equal(a, b)
    cellstep.set_random_seed(12)
    assert not np.array_equal(layers.LSTM(3)(np.ones((2, 4, 3))), run()[0])


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        (1.5, TypeError, "seed must be an integer, got 1.5"),
        (True, TypeError, "seed must be an integer, got True"),
        (-1, ValueError, "seed must be 0 or more, got -1"),
        (2**32, ValueError, "seed must be in 0 .. 2"),
    ],
)
def test_a_wrong_seed(seed: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cellstep.set_random_seed(seed)


@pytest.mark.parametrize("kind", initializers._LOOKUP.names.values(), ids=lambda c: c.__name__)
def test_names_and_configurations_lead_back(kind: type[initializers.Initializer]) -> None:
    made = kind()
    assert type(initializers.get(kind.__name__)) is type(initializers.get(initializers.serialize(made))) is kind
    config = {"class_name": kind.__name__, "config": made.get_config()}
    assert initializers.get(json.loads(json.dumps(config))).get_config() == made.get_config()
    assert isinstance(initializers.serialize(made), str)


def test_reading_a_configuration_draws_nothing() -> None:
    cellstep.set_random_seed(1)
    layer = layers.LSTM(2)
    layer.get_config()
    a = initializers.GlorotUniform()((3,))
    cellstep.set_random_seed(1)
    layers.LSTM(2)
    np.testing.assert_array_equal(initializers.GlorotUniform()((3,)), a)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: initializers.VarianceScaling(scale=0), "scale must be positive, got 0"),
        (lambda: initializers.VarianceScaling(mode="fan"), "mode must be one of .* got 'fan'"),
        (lambda: initializers.VarianceScaling(distribution="x"), "distribution must be one of .* got 'x'"),
        (lambda: initializers.Orthogonal()((3,)), "two axes or more"),
        (lambda: initializers.Identity()((3,)), "two axes"),
        (lambda: initializers.get({"class_name": "Nope"}), "initializer must be one of .* got 'Nope'"),
    ],
)
def test_wrong_arguments(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
