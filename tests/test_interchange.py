"""Arrays, frames and columns of other libraries, as x and y, and as what layers are called with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import core, models
from cellstep import layers as L

DRAW = np.random.default_rng(0)
X = DRAW.standard_normal((8, 5, 3)).astype(np.float32)
TABLE = DRAW.standard_normal((8, 3)).astype(np.float32)
Y = DRAW.standard_normal(8).astype(np.float32)
IDS = [DRAW.integers(0, 10, n).tolist() for n in (3, 5, 2, 4, 1, 6, 2, 3)]


class Exchanged:
    """An array that says nothing but DLPack."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def sequences() -> Any:
    return compiled([L.Input((None, 3)), L.GRU(4), L.Dense(1)])


def table() -> Any:
    return compiled([L.Input((3,)), L.Dense(1)])


def numbers() -> Any:
    return compiled([L.Input((None,), dtype="int32"), L.Embedding(10, 3), L.GRU(4), L.Dense(1)])


def compiled(parts: list[Any]) -> Any:
    model = models.Sequential(parts)
    model.compile("sgd", "mse")
    return model


def alike(model: Any, x: Any, right: Any, y: Any = Y) -> None:
    """x gives what the array or list `right` gives, in predict, fit and evaluate."""
    weights = model.get_weights()
    answers = []
    for given, target in ((x, y), (right, Y)):
        model.set_weights(weights)
        found = [model.predict(given, verbose=0)]
        loss = model.fit(given, target, epochs=2, shuffle=False, verbose=0).history["loss"]
        answers.append([*found, loss, model.evaluate(given, target, verbose=0)])
    for a, b in zip(*answers, strict=True):
        assert np.array_equal(a, b)


def test_dlpack_is_taken_without_a_copy() -> None:
    array = core.plain("x", Exchanged(X))
    assert np.shares_memory(array, X)
    alike(sequences(), Exchanged(X), X, Exchanged(Y))
    assert np.array_equal(L.Masking()(Exchanged(X)), X)
    strided = X[::2, :, ::-1]
    assert np.shares_memory(core.plain("x", Exchanged(strided)), X)


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="older NumPy exports no read-only arrays")
def test_read_only_arrays_by_dlpack() -> None:
    fixed = X.copy()
    fixed.flags.writeable = False
    array = core.plain("x", Exchanged(fixed))
    assert np.shares_memory(array, fixed)
    assert not array.flags.writeable
    alike(sequences(), Exchanged(fixed), X)
    alike(sequences(), fixed, X)


class OnDevice(Exchanged):
    def __dlpack_device__(self) -> Any:
        return (2, 0)

    def __dlpack__(self, **options: Any) -> Any:
        raise BufferError("the array is on a GPU")


class Failing:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("not now")


def test_what_cannot_be_taken_is_told_in_one_sentence() -> None:
    for value, said in (
        (OnDevice(X), "expected x to be an array in memory, got a OnDevice: "),
        (Failing(), "expected x to be an array in memory, got a Failing: not now"),
    ):
        for use in (lambda v: sequences().predict(v, verbose=0), L.GRU(2)):
            with pytest.raises(TypeError, match=said):
                use(value)


def test_memory_that_is_no_array() -> None:
    alike(sequences(), memoryview(X), X, memoryview(Y))


def test_tensors_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(X)
    assert np.shares_memory(core.plain("x", x), X)
    alike(sequences(), x, X, torch.from_numpy(Y))
    alike(numbers(), [torch.tensor(row) for row in IDS], IDS)
    for wrong in (torch.ones(8, 5, 3, requires_grad=True), torch.ones(8, 5, 3, device="meta"), x.bfloat16()):
        with pytest.raises(TypeError, match="expected x to be an array in memory, got a Tensor: "):
            sequences().predict(wrong, verbose=0)


def test_arrays_of_jax() -> None:
    jnp = pytest.importorskip("jax.numpy")
    x = jnp.asarray(X)
    array = core.plain("x", x)
    assert np.shares_memory(array, np.asarray(x))
    assert not array.flags.writeable
    alike(sequences(), x, X, jnp.asarray(Y))


def test_frames_of_pandas() -> None:
    pd = pytest.importorskip("pandas")
    frame, series = pd.DataFrame(TABLE, columns=list("abc")), pd.Series(Y)
    alike(table(), frame, TABLE, series)
    alike(table(), frame.convert_dtypes(), TABLE, series.convert_dtypes())
    mixed = pd.DataFrame({"a": [1, 2] * 4, "b": [True, False] * 4, "c": TABLE[:, 2]})
    alike(table(), mixed, np.stack([[1, 2] * 4, [1, 0] * 4, TABLE[:, 2]], 1))
    missing = pd.DataFrame({"a": pd.array([1, None] * 4, "Int64"), "b": Y, "c": Y})
    assert np.isnan(core.plain("x", missing)[1::2, 0]).all()
    for wrong, said in (
        (pd.DataFrame({"a": ["x"] * 8, "b": Y, "c": Y}), "with 'x' in it"),
        (pd.Series(["x"] * 8, dtype=object), "with 'x' in it"),
    ):
        with pytest.raises(TypeError, match=f"expected x to hold real numbers, got dtype object, {said}"):
            table().predict(wrong, verbose=0)


def test_frames_of_polars() -> None:
    pl = pytest.importorskip("polars")
    alike(table(), pl.DataFrame(TABLE), TABLE, pl.Series(Y))
    mixed = pl.DataFrame({"a": [1, 2] * 4, "b": [True, False] * 4, "c": TABLE[:, 2]})
    alike(table(), mixed, np.stack([[1, 2] * 4, [1, 0] * 4, TABLE[:, 2]], 1))
    alike(sequences(), pl.Series(X), X)


def test_columns_of_arrow() -> None:
    pa = pytest.importorskip("pyarrow")
    alike(table(), pa.table({name: TABLE[:, i] for i, name in enumerate("abc")}), TABLE, pa.array(Y))
    alike(
        table(), pa.table({name: TABLE[:, i] for i, name in enumerate("abc")}), TABLE, pa.chunked_array([Y[:3], Y[3:]])
    )


def columns(library: str) -> list[Any]:
    """Columns of lists of the integers in IDS."""
    module = pytest.importorskip(library)
    if library == "pandas":
        return [module.Series(IDS), module.Series([np.array(row) for row in IDS]), module.DataFrame({"ids": IDS})]
    if library == "polars":
        return [module.Series(IDS), module.DataFrame({"ids": IDS})]
    return [module.array(IDS), module.chunked_array([IDS[:3], IDS[3:]]), module.table({"ids": IDS})]


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_column_of_lists_is_sequences_of_different_lengths(library: str) -> None:
    for column in columns(library):
        alike(numbers(), column, IDS)


def test_columns_of_sequences_of_vectors() -> None:
    rows = [X[i, : 1 + i % 5] for i in range(8)]
    for library in ("pandas", "polars", "pyarrow"):
        module = pytest.importorskip(library)
        listed = [row.tolist() for row in rows]
        column = module.array(listed) if library == "pyarrow" else module.Series(listed)
        alike(sequences(), column, rows)


def test_estimators_take_columns_of_sequences() -> None:
    pytest.importorskip("sklearn")
    pd = pytest.importorskip("pandas")
    from cellstep.sklearn import RNNRegressor

    rows = [X[i, : 1 + i % 5] for i in range(8)]
    first, second = (RNNRegressor("gru", units=4, epochs=2, random_state=0).fit(x, Y) for x in (pd.Series(rows), rows))
    assert np.array_equal(first.predict(pd.Series(rows)), second.predict(rows))
