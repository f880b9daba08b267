"""Datasets of `utils`: batches by number in `fit`, windows of a series against a loop, splits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import backend, layers, models, utils

SERIES = np.arange(40.0).reshape(20, 2)


class Batches(utils.PyDataset):
    """Three batches, the last epoch's end noted."""

    ended = 0

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        return np.full((2, 3), index, "float32"), np.full((2, 1), index, "float32")

    def on_epoch_end(self) -> None:
        self.ended += 1


def test_a_dataset_by_number_is_trained_on() -> None:
    net = models.Sequential([layers.Input((3,)), layers.Dense(1)])
    net.compile("sgd", "mse")
    data = Batches(workers=2, use_multiprocessing=True)
    history = net.fit(data, epochs=2, verbose=0)
    assert history.params["steps"] == data.num_batches == 3
    assert data.ended == 2
    assert net.predict(data, verbose=0).shape == (6, 1)
    assert utils.Sequence is utils.PyDataset


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sequence_stride": 3},
        {"sampling_rate": 2, "start_index": 3, "end_index": 18},
        {"sequence_stride": 2, "sampling_rate": 3, "batch_size": None},
    ],
)
def test_windows_are_those_of_a_loop(options: dict[str, Any]) -> None:
    targets = np.arange(100, 120)
    made = utils.timeseries_dataset_from_array(SERIES, targets, 4, **{"batch_size": 3, **options})
    stride, rate = options.get("sequence_stride", 1), options.get("sampling_rate", 1)
    first, end = options.get("start_index", 0), options.get("end_index", 20)
    wanted, labels, i = [], [], first
    while i + 3 * rate < end:
        wanted.append(SERIES[[i + k * rate for k in range(4)]])
        labels.append(targets[i])
        i += stride
    batches = [made[i] for i in range(len(made))]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), wanted)
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), labels)
    assert all(len(x) == 3 for x, _ in batches[:-1])
    if options.get("batch_size", 3) is None:
        assert len(made) == 1


def test_windows_without_targets_and_in_random_order() -> None:
    plain = utils.timeseries_dataset_from_array(SERIES[:, 0], None, 5)
    np.testing.assert_array_equal(plain[0], [np.arange(i, i + 5) * 2 for i in range(16)])
    mixed = [utils.timeseries_dataset_from_array(SERIES[:, 0], None, 5, shuffle=True, seed=3)[0] for _ in "ab"]
    np.testing.assert_array_equal(*mixed)
    assert (mixed[0] != plain[0]).any()
    np.testing.assert_array_equal(np.sort(mixed[0][:, 0]), plain[0][:, 0])


def test_fewer_targets_than_windows() -> None:
    made = utils.timeseries_dataset_from_array(SERIES, SERIES[4:], 4)
    x, y = made[0]
    assert len(x) == 16
    np.testing.assert_array_equal(y, x[:, 0] + 8)


def test_a_forecast_from_windows() -> None:
    cellstep.set_random_seed(0)
    wave = np.sin(np.arange(300) / 5)[:, None].astype("float32")
    data = utils.timeseries_dataset_from_array(wave, wave[10:], 10, batch_size=32, shuffle=True, seed=1)
    net = models.Sequential([layers.Input((10, 1)), layers.GRU(8), layers.Dense(1)])
    net.compile(cellstep.optimizers.Adam(0.02), "mse")
    assert net.fit(data, epochs=12, verbose=0).history["loss"][-1] < 0.01


def test_splits() -> None:
    x, y = SERIES, np.arange(20)
    (left, first), (right, second) = utils.split_dataset((x, y), left_size=0.75)
    np.testing.assert_array_equal(np.concatenate([left, right]), x)
    assert (len(first), len(second)) == (15, 5)
    a, b = utils.split_dataset(y, right_size=4, shuffle=True, seed=2)
    assert len(b) == 4
    np.testing.assert_array_equal(np.sort(np.concatenate([a, b])), y)
    assert [len(part) for part in utils.split_dataset(y, 3, 5)] == [3, 5]


def test_vectors_of_length_1() -> None:
    np.testing.assert_allclose(utils.normalize([[3.0, 4.0], [0.0, 0.0]]), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(utils.normalize(SERIES + 1, axis=0, order=1).sum(axis=0), 1)


def test_packing_batches() -> None:
    for parts in ((1, 2, 3), (1, 2, None), (1, None, None)):
        assert utils.unpack_x_y_sample_weight(utils.pack_x_y_sample_weight(*parts)) == parts


def test_the_dtype_of_what_is_given_none() -> None:
    backend.set_floatx("float64")
    try:
        net = models.Sequential([layers.Input((None, 3)), layers.GRU(2), layers.Dense(2)])
        assert backend.floatx() == "float64"
        assert net(np.ones((1, 4, 3))).dtype == np.float64
        assert layers.Input((3,)).dtype == np.float64
    finally:
        backend.set_floatx("float32")
    assert layers.Dense(2).dtype == np.float32


def test_names_begin_again() -> None:
    utils.clear_session()
    assert [layers.GRU(2).name for _ in "ab"] == ["gru", "gru_1"]
    utils.clear_session()
    assert layers.GRU(2).name == "gru"
    assert utils.is_keras_tensor(layers.Input((2,)))


def test_weights_by_their_other_names() -> None:
    net = models.Sequential([layers.Input((3,)), layers.BatchNormalization()])
    assert [w.name for w in net.variables] == [w.name for w in net.weights]
    assert (len(net.trainable_variables), len(net.non_trainable_variables)) == (2, 2)


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda u: u.timeseries_dataset_from_array(SERIES, None, 21), ValueError, "data must have 21 steps or more"),
        (lambda u: u.timeseries_dataset_from_array(SERIES, [], 2), ValueError, "got 20 steps and 0 targets"),
        (lambda u: u.timeseries_dataset_from_array(SERIES, None, 2, end_index=30), ValueError, "order within 0 .. 20"),
        (lambda u: u.timeseries_dataset_from_array(SERIES, None, 2)[9], IndexError, "index must be below 1, "),
        (lambda u: u.split_dataset((SERIES, SERIES[:3]), 0.5), ValueError, r"arrays of one length, got \[3, 20\]"),
        (lambda u: u.split_dataset(SERIES), TypeError, "left_size or right_size must be given"),
        (lambda u: u.split_dataset(SERIES, 1.5), ValueError, "left_size must be between 0 and 1 as a share, got 1.5"),
        (lambda u: u.split_dataset(SERIES, 15, 6), ValueError, "together at most 20, got 15 and 6"),
        (lambda u: len(u.PyDataset()), NotImplementedError, "PyDataset must write __len__"),
        (lambda u: u.unpack_x_y_sample_weight((1, 2, 3, 4)), ValueError, "got 4 parts"),
        (lambda u: backend.set_floatx("float16"), ValueError, "value must be 'float32' or 'float64', got 'float16'"),
    ],
)
def test_errors(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run(utils)


def series() -> Any:
    return utils.timeseries_dataset_from_array(np.arange(10.0), np.arange(10) * 10, 3, batch_size=3)


def test_windows_are_chained_as_tutorials_chain_them() -> None:
    windows = series()
    batches = list(windows)
    assert [len(x) for x, _ in batches] == [3, 3, 2]
    assert len(list(windows)) == len(windows) == windows.num_batches == 3

    def split(x: Any, y: Any) -> Any:
        return x[:, :2, None], {"next": x[:, 2], "y": y}

    chain = windows.map(split, num_parallel_calls=2).cache().prefetch(1)
    assert len(chain) == 3
    for _ in range(2):  # passes
        for (x, y), (before, target) in zip(chain, batches, strict=True):
            np.testing.assert_array_equal(x, before[:, :2, None])
            np.testing.assert_array_equal(y["next"], before[:, 2])
            np.testing.assert_array_equal(y["y"], target)
    spec = chain.element_spec
    assert spec == (((None, 2, 1), np.float64), {"next": ((None,), np.float64), "y": ((None,), np.dtype(int))})
    assert (spec[0].shape, spec[0].dtype) == ((None, 2, 1), np.dtype("float64"))

    def firsts(chosen: Any) -> list[int]:
        return [int(y[0]) for _, y in chosen]

    assert firsts(windows) == [0, 30, 60]
    assert firsts(windows.take(2)) == firsts(windows.take(-1))[:2] == [0, 30]
    assert firsts(windows.skip(1)) == [30, 60]
    assert firsts(windows.skip(1).take(1)) == firsts(windows.take(2).skip(1)) == [30]
    assert firsts(windows.take(9)) == [0, 30, 60]
    assert firsts(windows.skip(9)) == []
    x, y = next(iter(windows.take(1)))
    assert (x.shape, y.shape) == ((3, 3), (3,))


def test_shuffled_batches_come_in_an_order_of_their_own() -> None:
    windows = utils.timeseries_dataset_from_array(np.arange(60.0), None, 1, batch_size=1)
    shuffled = windows.shuffle(100, seed=3)
    order = [float(x[0, 0]) for x in shuffled]
    assert sorted(order) == list(range(60)) != order
    assert order == [float(x[0, 0]) for x in shuffled] == [float(x[0, 0]) for x in windows.shuffle(9, seed=3)]
    assert order[5:8] == [float(x[0, 0]) for x in shuffled.skip(5).take(3)]
    assert [float(x[0, 0]) for x in windows] == list(range(60))
    assert repr(windows.take(2)) == "<2 windows of 1 steps, in batches of 1>"


def test_a_model_learns_from_a_chain_as_from_its_arrays() -> None:
    def model() -> Any:
        cellstep.utils.set_random_seed(0)
        made = cellstep.Sequential([cellstep.Input((2, 1)), layers.GRU(2), layers.Dense(1)])
        made.compile("sgd", "mse")
        return made

    chain = series().map(lambda x, y: (x[:, :2, None] / 10, x[:, 2:] / 10))
    by_chain, by_list = model(), model()
    history = by_chain.fit(chain.take(2), epochs=2, shuffle=False, verbose=0, validation_data=chain.skip(2)).history
    batches = list(chain)
    again = by_list.fit(iter(batches[:2] * 2), steps_per_epoch=2, epochs=2, verbose=0).history
    assert history["loss"] == again["loss"]
    assert history["val_loss"][-1] == by_list.evaluate(*batches[2], verbose=0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: series().window(3),
            AttributeError,
            "a dataset of windows has no 'window'; it has map, take, skip, shuffle, prefetch and cache",
        ),
        (lambda: series().take(-2), ValueError, "count must be an integer, 0 or more, got -2"),
        (lambda: series().skip(1.5), TypeError, "count must be an integer, 0 or more, got 1.5"),
        (lambda: series().shuffle(0), ValueError, "buffer_size must be a positive integer, got 0"),
    ],
)
def test_what_a_chain_refuses(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


def test_numbers_of_batches_and_passes_of_ones_own_datasets() -> None:
    class Threes(utils.PyDataset):
        @property
        def num_batches(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Any:
            return np.full((2, 3), index, "float32"), np.ones((2, 1), "float32")

    assert [int(x[0, 0]) for x, _ in Threes()] == [0, 1, 2]
    model = cellstep.Sequential([cellstep.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    assert model.predict(Threes(), verbose=0).shape == (6, 1)
