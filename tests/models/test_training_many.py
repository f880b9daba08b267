"""Training models of several inputs and outputs: losses, weights, metrics and their names, data in every form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, layers, optimizers
from cellstep.layers import Dense

RNG = np.random.default_rng(8)
A, B = RNG.standard_normal((10, 3)), RNG.standard_normal((10, 2))
P, Q = RNG.standard_normal((10, 1)), RNG.standard_normal((10, 2))
W = np.arange(10.0)


@pytest.fixture(autouse=True)
def fresh_names() -> None:
    layers.reset_names()


def net(named: bool = False, **options: Any) -> Model:
    """Two inputs a and b, two linear outputs p and q over both, always with the same weights."""
    a, b = Input((3,), name="a"), Input((2,), name="b")
    both = layers.Concatenate(dtype="float64")([a, b])
    p, q = (Dense(n, dtype="float64", name=name)(both) for n, name in ((1, "p"), (2, "q")))
    made = Model([a, b], {"first": p, "second": q} if named else [p, q])
    rng = np.random.default_rng(1)
    made.set_weights([rng.standard_normal(w.shape) for w in made.weights])
    made.compile(optimizers.SGD(0.1), **({"loss": "mse"} | options))
    return made


def mse(y: Any, t: Any) -> float:
    return float(((y - t) ** 2).mean())


def test_the_loss_is_the_weighted_sum_of_the_outputs_losses() -> None:
    p, q = net()([A, B])
    forms: list[dict[str, Any]] = [
        {"loss": ["mse", "mae"], "loss_weights": [0.5, 2]},
        {"loss": {"q": "mae", "p": "mse"}, "loss_weights": {"p": 0.5, "q": 2.0}},
    ]
    for options in forms:
        logs = net(**options).evaluate([A, B], [P, Q], verbose=0, return_dict=True)
        assert list(logs) == ["loss", "p_loss", "q_loss"]
        np.testing.assert_allclose(logs["p_loss"], mse(p, P))
        np.testing.assert_allclose(logs["q_loss"], abs(q - Q).mean())
        np.testing.assert_allclose(logs["loss"], 0.5 * logs["p_loss"] + 2 * logs["q_loss"])
    alike = net().evaluate([A, B], [P, Q], verbose=0, return_dict=True)
    np.testing.assert_allclose(alike["loss"], mse(p, P) + mse(q, Q))


def test_gradients_are_those_of_the_weighted_sum() -> None:
    made = net(loss=["mse", "mse"], loss_weights=[0.5, 2])
    p, q = made([A, B])
    x = np.concatenate([A, B], 1)
    grads, loss = made.gradients([A, B], [P, Q])
    assert list(grads) == ["p/kernel", "p/bias", "q/kernel", "q/bias"]
    np.testing.assert_allclose(loss, 0.5 * mse(p, P) + 2 * mse(q, Q))
    np.testing.assert_allclose(grads["p/kernel"], 0.5 * x.T @ (p - P) * 2 / P.size)
    np.testing.assert_allclose(grads["q/bias"], 2 * (q - Q).sum(0) * 2 / Q.size)
    weighted, _ = made.gradients([A, B], [P, Q], [W, None])
    np.testing.assert_allclose(weighted["p/kernel"], 0.5 * x.T @ ((p - P) * W[:, None]) * 2 / P.size)
    np.testing.assert_allclose(weighted["q/bias"], grads["q/bias"])


def test_gradients_leave_what_was_added_up_before() -> None:
    made = net()
    first = made.weights[0]
    first.grad[...] = 7
    again = made.gradients([A, B], [P, Q])[0]["p/kernel"]
    assert (first.grad == 7).all()
    before = made.get_weights()
    np.testing.assert_array_equal(made.gradients([A, B], [P, Q])[0]["p/kernel"], again)
    assert all(np.array_equal(a, b) for a, b in zip(before, made.get_weights(), strict=True))


def test_an_output_may_have_no_loss() -> None:
    made = net(loss=["mse", None])
    for y in ([P, Q], [P, None], {"p": P}):
        assert list(made.evaluate([A, B], y, verbose=0, return_dict=True)) == ["loss"]
    before = made.get_layer("q").get_weights()
    made.fit([A, B], [P, Q], verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, made.get_layer("q").get_weights(), strict=True))
    assert list(net(loss={"p": None, "q": "mse"}).fit([A, B], {"q": Q}, verbose=0).history) == ["loss"]


def test_metrics_carry_the_names_of_outputs() -> None:
    made = net(metrics=[["mae"], ["mse", "mae"]], weighted_metrics={"p": ["mae"]})
    logs = made.evaluate([A, B], [P, Q], sample_weight=[W, None], verbose=0, return_dict=True)
    assert list(logs) == ["loss", "p_loss", "p_mae", "p_weighted_mae", "q_loss", "q_mae", "q_mse"]
    listed = made.evaluate([A, B], [P, Q], sample_weight=[W, None], verbose=0)
    order = ["loss", "p_loss", "q_loss", "p_mae", "p_weighted_mae", "q_mae", "q_mse"]
    assert made.metrics_names == order
    assert listed == [logs[name] for name in order]
    p, _ = made([A, B])
    np.testing.assert_allclose(logs["p_mae"], abs(p - P).mean())
    np.testing.assert_allclose(logs["p_weighted_mae"], (abs(p - P)[:, 0] * W).sum() / W.sum())
    history = made.fit([A, B], [P, Q], verbose=0, validation_split=0.5).history
    assert set(history) == {*logs, *(f"val_{name}" for name in logs)}


def test_outputs_in_a_dictionary_are_known_by_its_keys() -> None:
    made = net(True, loss={"first": "mse", "second": "mae"}, metrics={"second": ["mse"]})
    logs = made.evaluate({"a": A, "b": B}, {"second": Q, "first": P}, verbose=0, return_dict=True)
    assert list(logs) == ["first_loss", "loss", "second_loss", "second_mse"]
    outputs = made.predict([A, B], batch_size=4)
    assert list(outputs) == ["first", "second"]
    np.testing.assert_allclose(outputs["second"], net()([A, B])[1])
    np.testing.assert_allclose(logs["first_loss"], mse(outputs["first"], P))


class Numbered:
    """Batches by number, as Keras's PyDataset has them."""

    def __init__(self, *parts: Any) -> None:
        self.parts, self.ends, self.asked = parts, 0, []

    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> Any:
        self.asked.append(i)
        rows = slice(4 * i, 4 * i + 4)
        return tuple([[a[rows] for a in p] if isinstance(p, list) else {k: a[rows] for k, a in p.items()}
                      for p in self.parts])  # fmt: skip

    def on_epoch_end(self) -> None:
        self.ends += 1


def test_data_of_every_form_train_alike() -> None:
    def fitted(*data: Any, **options: Any) -> Any:
        made = net()
        made.fit(*data, epochs=2, verbose=0, shuffle=False, **options)
        return made.get_weights()

    def generator() -> Iterator[Any]:
        for _ in range(2):
            for i in range(0, 10, 4):
                rows = slice(i, i + 4)
                yield {"a": A[rows], "b": B[rows]}, [P[rows], Q[rows]]

    wanted = fitted([A, B], [P, Q], 4)
    source = Numbered([A, B], {"q": Q, "p": P})
    for weights in (
        fitted({"a": A, "b": B}, {"p": P, "q": Q}, 4),
        fitted((A.tolist(), B), (P, Q.tolist()), 4),
        fitted(source),
        fitted(generator(), steps_per_epoch=3),
    ):
        for w, want in zip(weights, wanted, strict=True):
            np.testing.assert_allclose(w, want, rtol=1e-12)
    assert source.asked == [0, 1, 2, 0, 1, 2]
    assert source.ends == 2
    shuffled = Numbered([A, B], [P, Q])
    net().fit(shuffled, epochs=4, verbose=0)
    assert sorted(shuffled.asked) == sorted([0, 1, 2] * 4)
    assert shuffled.asked != [0, 1, 2] * 4
    made = net()
    assert made.evaluate(Numbered([A, B], [P, Q]), verbose=0) == made.evaluate([A, B], [P, Q], 4, verbose=0)
    assert np.array_equal(made.predict(Numbered([A, B]))[1], made.predict([A, B], 4)[1])


def test_one_weight_a_row_holds_for_every_output() -> None:
    one = net().evaluate([A, B], [P, Q], sample_weight=W, verbose=0)
    assert one == net().evaluate([A, B], [P, Q], sample_weight=[W, W], verbose=0)
    assert one == net().evaluate([A, B], [P, Q], sample_weight={"p": W, "q": W}, verbose=0)


def test_a_list_of_one_is_its_array() -> None:
    x = Input((3,))
    made = Model([x], [Dense(1, dtype="float64")(x)])
    made.compile("sgd", ["mse"], loss_weights=[0.5], metrics=[["mae"]])
    assert made.test_on_batch([A], [P]) == made.test_on_batch(A, P)
    np.testing.assert_allclose(made.test_on_batch(A, P)[0], 0.5 * mse(made(A), P))
    assert made.predict([A]).shape == (10, 1)
    assert made.predict_on_batch(A).shape == (10, 1)


def test_a_column_may_come_without_its_axis() -> None:
    x = Input((1,))
    made = Model(x, Dense(1)(x))
    np.testing.assert_array_equal(made.predict(P[:, 0]), made.predict(P))


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "losses": (
        lambda: net(loss=["mse"]).fit([A, B], [P, Q]),
        ValueError,
        "loss must have 2 entries, one an output, got 1",
    ),
    "loss name": (
        lambda: net(loss={"r": "mse"}).fit([A, B], [P, Q]),
        *(ValueError, r"loss must have names of outputs \('p', 'q'\) for keys, got 'r'"),
    ),
    "no loss": (lambda: net(loss=[None, None]).fit([A, B], [P, Q]), ValueError, "loss must be given for one output"),
    "weights": (
        lambda: net(loss=["mse", "mse"], loss_weights=[1]).fit([A, B], [P, Q]),
        *(ValueError, "loss_weights must have 2 entries, one an output, got 1"),
    ),
    "metrics": (lambda: net(metrics=["mae"]).fit([A, B], [P, Q]), ValueError, "metrics must have 2 entries"),
    "one y": (lambda: net().fit([A, B], P), ValueError, "expected y to be 2 arrays, one an output, got one"),
    "three y": (lambda: net().fit([A, B], [P, Q, Q]), ValueError, "expected y to be 2 arrays, one an output, got 3"),
    "y name": (
        lambda: net().fit([A, B], {"p": P, "r": Q}),
        ValueError,
        r"y to have names of outputs \(p, q\) .* got 'r'",
    ),
    "y missing": (lambda: net().fit([A, B], {"p": P}), ValueError, "y must be given for output q, which has a loss"),
    "no y": (lambda: net().fit([A, B]), ValueError, "y must be given, beside x or in each of its batches, got None"),
    "rows": (
        lambda: net().fit([A, B[:5]], [P, Q]),
        ValueError,
        "expected x to have the 10 rows of the first input, got 5",
    ),
    "rows of y": (lambda: net().fit([A, B], [P, Q[:5]]), ValueError, "expected y to have the 10 rows of x, got 5"),
    "class weight": (
        lambda: net().fit([A, B], [P, Q], class_weight={0: 1.0}),
        *(ValueError, "class_weight needs a model with one output and even targets, got 2 outputs"),
    ),
    "one x": (lambda: net().fit(A, [P, Q]), ValueError, r"expected x to be 2 inputs \(a, b\), got one array"),
    "loss shape": (lambda: net().fit([A, B], [P, P]), ValueError, r"y_true must have the shape \(10, 2\) of y_pred"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_calls(name: str) -> None:
    run, error, words = BAD[name]
    with pytest.raises(error, match=words):
        run()


def test_one_y_goes_to_the_one_output_with_a_loss() -> None:
    """As in Keras, where a model gives its states or weights of attention besides."""
    for loss in (["mse", None], {"p": "mse"}):
        given, all_of_them = net(loss=loss), net(loss=loss)
        assert given.evaluate([A, B], P, verbose=0) == all_of_them.evaluate([A, B], [P, None], verbose=0)
