"""The layers that do not recur: values in closed form, what they keep, masks, shapes, streams."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from layers.cases import CASES, HOLES, RIGHT, SEQUENCE, B, C, Case, T

import cellstep
from cellstep import kernels, layers
from cellstep.layers.row_sums import sum_rows

RNG = np.random.default_rng(14)
X = RNG.standard_normal(SEQUENCE)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_shape_and_dtype_are_those_that_were_said(case: Case, dtype: str) -> None:
    layer = case.make(layers, dtype)
    x = case.inputs(dtype)
    y, pullback = layer.forward(x, mask=case.mask, **case.call)
    first = listed(y)[0]
    assert first.shape == layer.compute_output_shape(case.shape)
    dx = pullback([np.ones_like(a) for a in y] if isinstance(y, list) else np.ones_like(y))
    assert all(d.shape == a.shape and d.dtype == a.dtype for a, d in zip(listed(x), listed(dx), strict=True))
    assert first.dtype == dtype
    assert all(w.dtype == dtype and w.grad.dtype == dtype for w in layer.weights)


@pytest.mark.parametrize("case", [case for case in CASES if not case.call.get("training")], ids=str)
def test_no_rows_give_no_rows(case: Case) -> None:
    layer = case.make(layers)
    x = [a[:0] for a in listed(case.inputs())]
    mask = [None if m is None else m[:0] for m in case.mask] if isinstance(case.mask, list) else case.mask
    if isinstance(mask, np.ndarray):
        mask = mask[:0]
    y, pullback = layer.forward(x if isinstance(case.shape, list) else x[0], mask=mask, **case.call)
    assert [len(a) for a in listed(y)] == [0] * len(listed(y))
    assert listed(y)[0].shape[1:] == layer.compute_output_shape(case.shape)[1:]
    for dx, a in zip(listed(pullback(y)), x, strict=True):
        assert dx.shape == a.shape


@pytest.mark.parametrize("case", CASES, ids=str)
def test_inputs_may_be_read_only_and_strided_and_results_do_not_depend_on_it(case: Case) -> None:
    layer = case.make(layers)
    x = case.inputs()

    def strided(a: Any) -> Any:
        spread = np.zeros(tuple(2 * n for n in a.shape), a.dtype)
        view = spread[tuple(slice(None, None, 2) for _ in a.shape)]
        view[...] = a
        view.flags.writeable = False
        return view

    other = [strided(a) for a in x] if isinstance(x, list) else strided(x)
    results = []
    for given in (x, other):
        y, pullback = layer.forward(given, mask=case.mask, **case.call)
        dy = [np.ones_like(a) for a in y] if isinstance(y, list) else np.ones_like(y)
        results.append([*listed(y), *listed(pullback(dy))])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_copy_and_a_pickle_give_the_same(case: Case) -> None:
    layer = case.make(layers)
    x = case.inputs()
    layer(x, mask=case.mask)
    want = layer(x, mask=case.mask)
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        for a, b in zip(want, again(x, mask=case.mask), strict=True):
            np.testing.assert_array_equal(a, b)


WHOLE = [layers.RepeatVector(2), layers.Flatten(), layers.Reshape((1, 2)), layers.Permute((1,))]


@pytest.mark.parametrize("layer", WHOLE, ids=lambda layer: layer.name)
def test_whole_numbers_stay_whole(layer: Any) -> None:
    ids = np.array([[2**24 + 1, 3]])
    y = layer(ids)
    assert y.dtype == ids.dtype
    assert y.reshape(-1)[0] == 2**24 + 1


@pytest.mark.parametrize("places", [[0], [3, 3, 3], [1, 0, 1, 1, 4, 1, 1, 0, 2, 1, 1], []])
@pytest.mark.parametrize("entries", [5, 2**16 + 1])
def test_rows_are_added_to_their_places(places: list[int], entries: int) -> None:
    rows = RNG.standard_normal((len(places), 3))
    table = RNG.standard_normal((entries, 3))
    want = table.copy()
    np.add.at(want, np.array(places, np.intp), rows)
    found, sums = sum_rows(np.array(places, np.intp), rows)
    assert found.tolist() == sorted(set(places))
    table[found] += sums
    np.testing.assert_allclose(table, want, rtol=1e-14)


def test_a_row_that_comes_often_is_added_up_exactly_enough() -> None:
    places, sums = sum_rows(np.ones(2**17, np.intp), np.full((2**17, 1), 0.1, np.float32))
    assert places.tolist() == [1]
    assert abs(sums[0, 0] / (2**17 * 0.1) - 1) < 1e-6


def test_windows_pad_as_tensorflow_does() -> None:
    x = np.arange(1.0, 6.0).reshape(1, 5, 1)
    ones = {"kernel_initializer": "ones", "dtype": "float64"}
    same = layers.Conv1D(1, 4, strides=2, padding="same", **ones)
    # 3 windows, 3 steps missing: one on the left, two on the right
    np.testing.assert_array_equal(same(x)[0, :, 0], [6, 14, 9])
    causal = layers.Conv1D(1, 2, dilation_rate=2, padding="causal", **ones)
    np.testing.assert_array_equal(causal(x)[0, :, 0], [1, 2, 4, 6, 8])


def test_a_causal_convolution_sees_nothing_that_comes_later() -> None:
    layer = layers.Conv1D(3, 3, padding="causal", dilation_rate=2, dtype="float64")
    whole = layer(X)
    np.testing.assert_allclose(layer(X[:, :4]), whole[:, :4], atol=1e-14)


def test_groups_see_their_own_features_alone() -> None:
    layer = layers.Conv1D(4, 3, groups=2, dtype="float64")
    y = layer(X)
    changed = X.copy()
    changed[..., 2:] += 1
    np.testing.assert_allclose(layer(changed)[..., :2], y[..., :2], atol=1e-14)
    assert not np.allclose(layer(changed)[..., 2:], y[..., 2:])
    assert layer.kernel.shape == (3, 2, 4)


def test_the_first_of_the_largest_gets_the_gradient_of_a_window_and_all_that_of_a_sequence() -> None:
    x = np.array([[[1.0], [1.0], [0.0], [2.0]]])
    for layer, want in (
        (layers.MaxPooling1D(2, dtype="float64"), [1, 0, 0, 1]),
        (layers.MaxPooling1D(2, 1, dtype="float64"), [1, 1, 0, 1]),
    ):
        y, pullback = layer.forward(x)
        np.testing.assert_array_equal(pullback(np.ones_like(y))[0, :, 0], want)
    _, pullback = layers.GlobalMaxPooling1D(dtype="float64").forward(np.array([[[3.0], [3.0], [0.0]]]))
    np.testing.assert_array_equal(pullback(np.ones((1, 1)))[0, :, 0], [0.5, 0.5, 0])


def test_poolings_of_what_is_added_around_do_not_count_it() -> None:
    x = -np.arange(1.0, 6.0).reshape(1, 5, 1)
    np.testing.assert_array_equal(layers.MaxPooling1D(4, padding="same")(x)[0, :, 0], [-1, -4])
    np.testing.assert_array_equal(layers.AveragePooling1D(4, padding="same")(x)[0, :, 0], [-2, -4.5])


def test_a_mean_over_the_steps_that_are_there() -> None:
    layer = layers.GlobalAveragePooling1D(dtype="float64")
    y = layer(X, mask=RIGHT)
    for b in range(B):
        np.testing.assert_allclose(y[b], X[b, RIGHT[b]].mean(axis=0), atol=1e-14)
    assert layer.compute_mask(X, RIGHT) is None
    # a row without any step: NaN, as in Keras, and no warning
    assert np.isnan(layer(X, mask=np.zeros((B, T), bool))).all()


def test_a_table_needs_no_shape_to_be_built() -> None:
    layer = layers.Embedding(5, 2)
    layer.build()
    assert layer.embeddings.shape == (5, 2)


def test_layer_normalization_in_closed_form() -> None:
    layer = layers.LayerNormalization(epsilon=1e-5, dtype="float64")
    y = layer(X)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=-1), 1, atol=1e-3)
    assert [w.name for w in layer.weights] == ["gamma", "beta"]
    large = layers.LayerNormalization()(1e4 + X.astype("float32"))
    np.testing.assert_allclose(large, layers.LayerNormalization()(X), atol=5e-3)


def test_batch_normalization_moves_its_mean_and_variance_in_training_alone() -> None:
    layer = layers.BatchNormalization(momentum=0.75, dtype="float64")
    layer(X)
    np.testing.assert_array_equal(layer.moving_mean.value, 0)
    y = layer(X, training=True)
    flat = X.reshape(-1, C)
    np.testing.assert_allclose(layer.moving_mean.value, 0.25 * flat.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(layer.moving_variance.value, 0.75 + 0.25 * flat.var(axis=0), atol=1e-14)
    np.testing.assert_allclose(y.reshape(-1, C).mean(axis=0), 0, atol=1e-14)
    assert not np.allclose(layer(X), y)


def test_batch_normalization_leaves_masked_steps_out() -> None:
    layer = layers.BatchNormalization(momentum=0.0, dtype="float64")
    layer(X, mask=HOLES, training=True)
    np.testing.assert_allclose(layer.moving_mean.value, X[HOLES].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance.value, X[HOLES].var(axis=0), atol=1e-6)


def test_a_frozen_batch_normalization_uses_and_keeps_its_moving_statistics() -> None:
    layer = layers.BatchNormalization(dtype="float64")
    layer.build(X.shape)
    layer.trainable = False
    np.testing.assert_allclose(layer(X, training=True), X / np.sqrt(1.001), atol=1e-14)
    np.testing.assert_array_equal(layer.moving_mean.value, 0)
    layer.trainable = True
    assert [w.name for w in layer.trainable_weights] == ["gamma", "beta"]
    assert [w.name for w in layer.non_trainable_weights] == ["moving_mean", "moving_variance"]


def test_a_model_trains_through_these_layers_and_keeps_moving_statistics_out_of_it() -> None:
    cellstep.set_random_seed(4)
    x = RNG.standard_normal((64, 8, 3)).astype("float32")
    y = (x[:, :, 0].max(axis=1) > 1).astype("float32")[:, None]
    model = cellstep.Sequential(
        [
            cellstep.Input((8, 3)),
            layers.Conv1D(8, 3, padding="causal"),
            layers.BatchNormalization(momentum=0.8),
            layers.LeakyReLU(),
            layers.MaxPooling1D(2),
            layers.TimeDistributed(layers.Dense(8, "tanh")),
            layers.LayerNormalization(),
            layers.GRU(8, return_sequences=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(cellstep.optimizers.Adam(0.01), "binary_crossentropy")
    losses = model.fit(x, y, epochs=12, verbose=0, batch_size=16).history["loss"]
    assert losses[-1] < 0.6 * losses[0]
    assert model.layers[1].moving_mean.value.any()


def test_time_distributed_is_the_layer_at_each_step() -> None:
    inner = layers.Dense(3, "tanh", dtype="float64")
    layer = layers.TimeDistributed(inner)
    y = layer(X)
    assert inner.kernel.path == "time_distributed/dense/kernel"
    np.testing.assert_allclose(y, np.stack([inner(X[:, t]) for t in range(T)], axis=1), atol=1e-14)
    assert layer.compute_mask(X, RIGHT) is RIGHT
    assert layer(np.zeros((2, 0, C))).shape == (2, 0, 3)


def test_time_distributed_takes_steps_in_turn_where_calls_depend_on_each_other() -> None:
    x = RNG.standard_normal((2, 3, 4, 2))
    inner = layers.GRU(2, stateful=True, dtype="float64")
    layer = layers.TimeDistributed(inner)
    first = layer(x)
    again = layer(x)
    assert not np.allclose(first, again)
    layer.reset_states()
    np.testing.assert_array_equal(layer(x), first)
    in_turn = layers.TimeDistributed(layers.BatchNormalization(momentum=0.5, dtype="float64"))
    y = in_turn(X, training=True)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-12)


def test_time_distributed_learns_nothing_of_what_is_frozen() -> None:
    inner = layers.Dense(2)
    layer = layers.TimeDistributed(inner, trainable=False)
    layer(X)
    assert layer.trainable_weights == []


def test_attention_in_closed_form() -> None:
    query, value = RNG.standard_normal((1, 2, 3)), RNG.standard_normal((1, 4, 3))
    layer = layers.Attention(dtype="float64")
    y, weights = layer([query, value], return_attention_scores=True)
    e = np.exp(query[0] @ value[0].T)
    np.testing.assert_allclose(weights[0], e / e.sum(axis=1, keepdims=True), atol=1e-14)
    np.testing.assert_allclose(y[0], weights[0] @ value[0], atol=1e-14)
    only = layer([query, value], mask=[None, np.array([[False, False, True, False]])])
    np.testing.assert_allclose(only[0], value[0, [2, 2]], atol=1e-12)
    np.testing.assert_allclose(layer([query, value], use_causal_mask=True)[0, 0], value[0, 0], atol=1e-12)
    kept = layer.compute_mask([query, value], [np.array([[True, False]]), None])
    np.testing.assert_array_equal(kept, [[True, False]])
    y = layer([query, value], mask=[kept, None])
    assert y[0, 0].all()
    assert not y[0, 1].any()


def test_missing_gradients_of_attention_are_zeros() -> None:
    layer = layers.Attention(True, dtype="float64")
    (y, weights), pullback = layer.forward([X, X + 1], return_attention_scores=True)
    for one, other in ((None, np.zeros_like(weights)), (np.zeros_like(weights), None)):
        for a, b in zip(pullback([np.ones_like(y), one]), pullback([np.ones_like(y), other]), strict=True):
            np.testing.assert_array_equal(a, b)
    assert pullback([None, None], need_dx=False) is None


def test_softmax_of_masked_numbers() -> None:
    layer = layers.Softmax(dtype="float64")
    y = layer([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], mask=np.array([[True, False, True], [False, False, False]]))
    np.testing.assert_allclose(y, [[1 / (1 + np.exp(2)), 0, 1 / (1 + np.exp(-2))], [0, 0, 0]], atol=1e-14)
    floats = layer([[1.0, 2.0, 3.0]], mask=np.array([1.0, 0.4, 0.6]))
    np.testing.assert_array_equal(floats[0], y[0])


def test_rectifiers_in_closed_form_and_past_nan() -> None:
    x = np.array([-2.0, -0.5, 0.5, 1.5, 9.0])
    relu = layers.ReLU(max_value=3, negative_slope=0.5, threshold=1, dtype="float64")
    np.testing.assert_allclose(relu(x), [-1.5, -0.75, -0.25, 1.5, 3])
    np.testing.assert_allclose(layers.LeakyReLU(dtype="float64")(x), [-0.6, -0.15, 0.5, 1.5, 9])
    np.testing.assert_allclose(layers.ELU(2, dtype="float64")(x)[:2], 2 * np.expm1(x[:2]))
    for layer in (layers.ReLU(), layers.ReLU(threshold=1), layers.LeakyReLU(), layers.ELU(), layers.PReLU()):
        assert np.isnan(layer([[np.nan]])).all()


def test_noise_has_its_mean_and_deviation_in_training_alone() -> None:
    x = np.ones((200, 100), "float32")
    for layer, deviation in ((layers.GaussianNoise(0.5, seed=1), 0.5), (layers.GaussianDropout(0.2, seed=1), 0.5)):
        assert layer(x) is x
        y = layer(x, training=True)
        assert y.dtype == x.dtype
        assert abs(y.mean() - 1) < 0.02
        assert abs(y.std() - deviation) < 0.02
        assert not np.array_equal(y, layer(x, training=True))


def test_spatial_dropout_drops_whole_features() -> None:
    y = layers.SpatialDropout1D(0.5, seed=1)(np.ones((4, 3, 6), "float32"), training=True)
    np.testing.assert_array_equal(y, np.repeat(y[:, :1], 3, axis=1))
    assert len(np.unique(y)) == 2


def test_lambda_gives_its_function_what_it_asks_for() -> None:
    def scaled(x: Any, mask: Any, training: bool, by: float) -> Any:
        return x * by * (2 if training else 1) * mask[:, :, None]

    layer = layers.Lambda(scaled, arguments={"by": 3.0}, mask=lambda x, mask: ~mask, dtype="float64")
    np.testing.assert_array_equal(layer(X, mask=RIGHT), X * 3 * RIGHT[:, :, None])
    np.testing.assert_array_equal(layer(X, mask=RIGHT, training=True), X * 6 * RIGHT[:, :, None])
    np.testing.assert_array_equal(layer.compute_mask(X, RIGHT), ~RIGHT)
    assert layers.Lambda(np.square).compute_mask(X, RIGHT) is None


def test_lambda_knows_the_shape_of_what_it_gives() -> None:
    summed = layers.Lambda(lambda x: x.sum(axis=1))
    assert summed.compute_output_shape((None, None, 3)) == (None, 3)
    assert layers.Lambda(lambda x: x[:, ::-1]).compute_output_shape((None, None, 3)) == (None, None, 3)
    assert layers.Lambda(np.abs, output_shape=(5,)).compute_output_shape((None, 3)) == (None, 5)
    assert layers.Lambda(np.abs, output_shape=lambda shape: shape[::-1]).compute_output_shape((2, 3)) == (3, 2)


def test_a_lambda_without_a_pullback_trains_what_is_above_it() -> None:
    above = [layers.Dense(1)]
    model = cellstep.Sequential([cellstep.Input((3,)), layers.Lambda(np.spacing), *above])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    below = cellstep.Sequential([cellstep.Input((3,)), layers.Dense(3), layers.Lambda(np.spacing, name="squared")])
    below.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match=r"squared needs pullback, a function of \(x, y, dy\).* got None"):
        below.fit(np.ones((4, 3)), np.ones((4, 3)), verbose=0)


def test_a_mask_goes_no_further_than_keras_lets_it() -> None:
    for layer in (layers.Conv1D(2, 3), layers.MaxPooling1D(), layers.Flatten(), layers.UpSampling1D()):
        with pytest.warns(UserWarning, match=f"{layer.name} knows no masks: the one that came"):
            layer(X, mask=RIGHT)
        assert layer.compute_mask(X, RIGHT) is None
    for passing in (layers.LayerNormalization(), layers.GaussianNoise(0.1), layers.ReLU(), layers.PReLU()):
        assert passing.compute_mask(X, RIGHT) is RIGHT
        passing(X, mask=RIGHT)


STREAMED = [
    layers.TimeDistributed(layers.Dense(3, "relu")),
    layers.ReLU(),
    layers.ReLU(6),
    layers.ELU(),
    layers.LeakyReLU(0.2),
    layers.Softmax(),
    layers.GaussianNoise(0.3),
    layers.SpatialDropout1D(0.3),
]


@pytest.mark.parametrize("layer", STREAMED, ids=lambda layer: layer.name)
def test_streams(on: kernels.Backend, layer: Any) -> None:
    model = cellstep.Sequential([cellstep.Input((None, C)), copy.deepcopy(layer), layers.GRU(3, return_sequences=True)])
    x = X.astype("float32")
    np.testing.assert_allclose(model.stream(B).steps(x), model(x), atol=1e-6)
