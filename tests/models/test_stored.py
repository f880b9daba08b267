"""Arrays in files: read batch by batch, with the numbers of arrays in memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import callbacks, layers, models, seeds


class Chunked:
    """As Zarr's arrays and h5py's datasets are: items by slices and increasing numbers, and a costly way to all."""

    chunks = (4, 1)

    def __init__(self, array: Any) -> None:
        self.array, self.read = array, 0
        self.shape, self.dtype = array.shape, array.dtype

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: Any) -> Any:
        if not isinstance(rows, slice):
            assert (np.diff(rows) > 0).all(), "numbers must increase"
        found = self.array[rows]
        self.read = max(self.read, len(found))
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise AssertionError("all was read at once")


class Bare:
    """An array by its items alone."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows: Any) -> Any:
        return self.array[rows]


def h5(array: Any, path: Path) -> Any:
    h5py = pytest.importorskip("h5py")
    return h5py.File(path / f"{np.random.randint(10**9)}.h5", "w").create_dataset("a", data=array)  # noqa: NPY002


def mapped(array: Any, path: Path) -> Any:
    made = np.memmap(path / f"{np.random.randint(10**9)}.bin", array.dtype, "w+", shape=array.shape)  # noqa: NPY002
    made[...] = array
    return made


KINDS: dict[str, Any] = {
    "chunked": lambda array, path: Chunked(array),
    "bare": lambda array, path: Bare(array),
    "h5py": h5,
    "mapped": mapped,
}
RNG = np.random.default_rng(0)
X, Z = RNG.standard_normal((37, 5, 3)), RNG.integers(0, 6, (37, 4))
Y, W = RNG.integers(0, 3, 37), RNG.random(37)


def net() -> models.Model:
    seeds.set_random_seed(3)
    x, z = layers.Input((5, 3), name="x"), layers.Input((4,), dtype="int32", name="z")
    h = layers.Concatenate()([layers.GRU(4)(x), layers.LSTM(4)(layers.Embedding(6, 3)(z))])
    made = models.Model([x, z], layers.Dense(3, activation="softmax")(h))
    made.compile("adam", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_training_is_as_with_arrays_in_memory(kind: str, shuffle: bool, split: bool, tmp_path: Path) -> None:
    def ways(of: Any) -> list[Any]:
        x, z, y, w = map(of, (X, Z, Y, W))
        model = net()
        options: dict[str, Any] = {"validation_split": 0.3} if split else {"validation_data": ([x, z], y, w)}
        history = model.fit([x, z], y, 8, 3, 0, shuffle=shuffle, sample_weight=w, **options)
        scores = model.evaluate({"x": x, "z": z}, y, batch_size=8, verbose=0)
        read = [a.read for a in (x, z, y, w) if isinstance(a, Chunked)]
        assert all(n <= 8 for n in read)
        return [history.history, scores, model.predict([x, z], batch_size=8).tolist(), model.get_weights()]

    found, wanted = ways(lambda a: KINDS[kind](a, tmp_path)), ways(lambda a: a)
    assert found[:3] == wanted[:3]
    for a, b in zip(found[3], wanted[3], strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_of_classes_missing_axes_and_steps() -> None:
    for of in (Chunked, np.asarray):
        seeds.set_random_seed(3)
        model = models.Sequential([layers.Input((5, 1)), layers.SimpleRNN(3), layers.Dense(1, activation="sigmoid")])
        model.compile("sgd", "binary_crossentropy")
        x, y = of(X[..., 0]), of((Y > 0).astype(float))
        history = model.fit(x, y, 8, 2, 0, class_weight={0: 1.0, 1: 3.0}, steps_per_epoch=2)
        found = [
            history.history,
            model.predict(x, steps=2, batch_size=8).tolist(),
            model.predict(of(X[:0, :, 0])).shape,
        ]
        if of is Chunked:
            wanted = found
    assert found == wanted


def test_a_run_over_a_file_is_taken_up_where_it_was(tmp_path: Path) -> None:
    class Cut(callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    whole, model = net(), net()
    wanted = whole.fit([X, Z], Y, 8, 3, 0).history
    net()  # the same seed again
    with pytest.raises(KeyboardInterrupt):
        model.fit([Chunked(X), Chunked(Z)], Chunked(Y), 8, 3, 0, [Cut(), callbacks.BackupAndRestore(tmp_path, 2)])
    history = model.fit([Chunked(X), Chunked(Z)], Y, 8, 3, 0, callbacks.BackupAndRestore(tmp_path, 2)).history
    assert history == wanted


def test_memory_is_that_of_a_batch(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    rows, shape = 20_000, (50, 8)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        x = file.create_dataset("x", (rows, *shape), "f4", chunks=(32, *shape), fillvalue=0.5)
        y = file.create_dataset("y", (rows,), "f4")
        model = models.Sequential([layers.Input(shape), layers.SimpleRNN(2), layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(x, y, 32, verbose=0, steps_per_epoch=2)
        tracemalloc.start()
        model.fit(x, y, 32, verbose=0, steps_per_epoch=20, validation_split=0.5, validation_steps=5)
        model.evaluate(x, y, 32, verbose=0, steps=5)
        model.predict(x, 32, verbose=0, steps=5)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < rows * 50 * 8 * 4 / 10


def test_what_does_not_fit_is_said() -> None:
    model = net()
    with pytest.raises(ValueError, match="expected y to have the 37 rows of x, got 36"):
        model.fit([Chunked(X), Chunked(Z)], Chunked(Y[:36]), verbose=0)
    with pytest.raises(TypeError, match="read in parts to hold real numbers, got dtype object"):
        model.fit([Chunked(X.astype(object)), Z], Y, verbose=0)
    with pytest.raises(ValueError, match=r"expected x of shape \(None, 5, 3\), got \(32, 5, 2\)"):
        model.fit([Chunked(X[..., :2]), Z], Y, verbose=0)
    with pytest.raises(ValueError, match=r"validation_split=0\.99 leaves no rows"):
        model.fit([Chunked(X), Z], Y, verbose=0, validation_split=0.99)
