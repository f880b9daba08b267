"""Random functions: what they draw, on arrays at once and in models anew each time, and from which seeds."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import layers, models, ops, random


@pytest.mark.parametrize(
    ("draw", "mean", "deviation"),
    [
        (lambda **o: random.normal((200, 100), 1.0, 2.0, **o), 1.0, 2.0),
        (lambda **o: random.uniform((200, 100), -1.0, 1.0, **o), 0.0, 3**-0.5),
        (lambda **o: random.truncated_normal((200, 100), 1.0, 2.0, **o), 1.0, 2 * 0.8796),
        (lambda **o: random.randint((200, 100), 0, 4, **o), 1.5, 1.25**0.5),
        (lambda **o: random.categorical(np.log([[0.5, 0.5]] * 200), 100, **o), 0.5, 0.5),
        (lambda **o: random.dropout(np.ones((200, 100), "float32"), 0.5, **o), 1.0, 1.0),
    ],
)
def test_distributions_and_seeds(draw: Any, mean: float, deviation: float) -> None:
    y = draw(seed=3)
    assert y.shape == (200, 100)
    assert y.mean() == pytest.approx(mean, abs=0.05)
    assert y.std() == pytest.approx(deviation, rel=0.03)
    np.testing.assert_array_equal(draw(seed=3), y)
    generator = random.SeedGenerator(3)
    first, second = draw(seed=generator), draw(seed=generator)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(draw(seed=random.SeedGenerator(3)), first)
    cellstep.set_random_seed(4)
    first = draw()
    assert not np.array_equal(draw(), first)
    cellstep.set_random_seed(4)
    np.testing.assert_array_equal(draw(), first)


def test_shuffle_keeps_all_parts_along_an_axis() -> None:
    x = np.arange(40).reshape(4, 10)
    y = random.shuffle(x, axis=1, seed=2)
    assert not np.array_equal(x, y)
    np.testing.assert_array_equal(np.sort(y, axis=1), x)


def test_a_seed_generator_goes_on_from_where_its_copy_was_made() -> None:
    generator = random.SeedGenerator(5)
    generator.next()
    for again in (copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))):
        assert isinstance(again, random.SeedGenerator)
        assert again.get_config() == {"seed": 5, "name": None}
        assert again.next() == copy.deepcopy(generator).next()


class Noisy(models.Model):
    """A Dense layer's outputs with noise that is as large as `spread`."""

    def __init__(self, fixed: bool, seed: Any = None) -> None:
        super().__init__()
        self.dense, self.fixed, self.seed = layers.Dense(2), fixed, seed

    def call(self, x: Any) -> Any:
        y = self.dense(x)
        return y + random.normal((2,) if self.fixed else ops.shape(y), seed=self.seed)


def test_what_a_call_draws_of_an_open_size_is_drawn_each_time() -> None:
    x = np.ones((3, 4), "float32")
    net = Noisy(False, random.SeedGenerator(2))
    first, second = net(x), net(x)
    noise = first - second
    assert noise.shape == (3, 2)
    assert (noise != 0).all()
    net.compile("sgd", "mse")
    before = net.get_weights()[0].copy()
    net.fit(x, np.zeros((3, 2)), verbose=0)
    assert (net.get_weights()[0] != before).all()
    same = Noisy(False, 7)
    np.testing.assert_array_equal(same(x), same(x))


class Sampling(layers.Layer):
    """A variational autoencoder's: normal numbers by their mean and the logarithm of their variance."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seed_generator = random.SeedGenerator(1337)

    def call(self, inputs: Any) -> Any:
        mean, log_variance = inputs
        batch, size = ops.shape(mean)
        noise = random.normal((batch, size), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


def test_a_layer_that_samples_has_gradients_of_what_it_drew() -> None:
    mean, log_variance = layers.Input((3,)), layers.Input((3,))
    net = models.Model([mean, log_variance], Sampling()([mean, log_variance]))
    data = [np.full((4, 3), 2, "float32"), np.full((4, 3), 0.5, "float32")]
    y, pullback = net.forward(data)
    assert not np.array_equal(net(data), y)
    d_mean, d_log_variance = pullback(np.ones_like(y))
    np.testing.assert_array_equal(d_mean, np.ones((4, 3)))
    np.testing.assert_allclose(d_log_variance, (y - data[0]) / 2, rtol=1e-5)


class Shaken(layers.Layer):
    """Adds the same three numbers to every step, others in each call."""

    def call(self, x: Any, training: Any = None) -> Any:
        return x + random.normal((3,)) if training else x


def test_what_a_call_draws_of_a_fixed_shape_is_drawn_each_time() -> None:
    x = layers.Input((None, 3))
    net = models.Model(x, Shaken()(x))
    data = np.ones((2, 4, 3), "float32")
    np.testing.assert_array_equal(net(data), data)
    assert (net(data, training=True) != net(data, training=True)).all()


def test_gradients_go_through_dropout_and_shuffle() -> None:
    x = layers.Input((6,))
    net = models.Model(x, [random.dropout(x, 0.5, seed=1), random.shuffle(x, axis=1, seed=1)])
    data = np.arange(1, 13, dtype="float32").reshape(2, 6)
    (dropped, shuffled), pullback = net.forward(data)
    np.testing.assert_allclose(pullback([np.ones((2, 6)), np.zeros((2, 6))]), dropped / data)
    dx = pullback([np.zeros((2, 6)), shuffled])
    np.testing.assert_allclose(dx, data)


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda: random.normal((2,), seed="a"), TypeError, "seed must be an integer, got 'a'"),
        (lambda: random.SeedGenerator(-1), ValueError, "seed must be 0 or more, got -1"),
        (
            lambda: random.normal(),
            TypeError,
            r"normal\(shape, mean=0.0, stddev=1.0, dtype=None, seed=None\) was called",
        ),
    ],
)
def test_errors(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run()
