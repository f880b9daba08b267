"""Fixed points: of nets whose points are known, and of any by what a layer's own step makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cellstep
from cellstep import lab, layers
from cellstep.lab.cell_rows import titles

Array = NDArray[Any]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def simple(U: Any, activation: str = "tanh", W: Any = None) -> Any:
    U = np.array(U, float)
    layer = layers.SimpleRNN(len(U), activation=activation, use_bias=False, dtype="float64")
    layer.build((None, None, 1))
    layer.set_weights([np.ones((1, len(U))) if W is None else W, U])
    return layer


def test_one_unit_that_holds_a_bit() -> None:
    found = lab.fixed_points(simple([[2.0]]), normal(3, 9, 1), constant=[0.0])
    order = np.argsort(found.points[:, 0])
    held = found.points[order, 0]
    assert found.missed == 0
    np.testing.assert_allclose(held, [-0.9575040240772688, 0, 0.9575040240772688], atol=1e-9)  # h = tanh(2 h)
    np.testing.assert_allclose(found.eigenvalues[order, 0], 2 * (1 - held**2), rtol=1e-8)
    assert [found.kinds()[i] for i in order] == ["stable", "repeller", "stable"]
    assert "So the net can hold one of 2 values" in found.summary()


def test_a_linear_net_has_one_point() -> None:
    U = np.array([[0.5, -0.3], [0.3, 0.5]])
    found = lab.fixed_points(simple(U, "linear"), normal(2, 5, 1), constant=[0.7])
    np.testing.assert_allclose(found.points, [np.linalg.solve(np.eye(2) - U.T, [0.7, 0.7])], rtol=1e-7)
    np.testing.assert_allclose(np.abs(found.eigenvalues), [[np.hypot(0.5, 0.3)] * 2], rtol=1e-9)
    turn = 2 * np.pi / np.arctan2(0.3, 0.5)
    assert found.table()[1][0][5] == f"{turn:.3g} steps"
    assert "what the net held is forgotten" in found.conclusion()
    line = lab.fixed_points(simple([[1.0, 0.0], [0.0, 0.2]], "linear"), normal(2, 5, 1), constant=[0.0])
    assert set(line.kinds()) == {"marginal"}
    assert "can hold a number" in line.conclusion()
    grows = lab.fixed_points(simple([[1.5, 0.0], [0.0, 0.2]], "linear"), normal(2, 5, 1), constant=[0.0])
    assert grows.kinds() == ["saddle of 1"]
    assert "no state stays" in grows.conclusion()


@pytest.mark.parametrize("title", titles())
def test_points_stand_still_in_the_layer_itself(title: str) -> None:
    layer = getattr(layers, title)(5, return_state=True, dtype="float64")
    layer.build((None, None, 2))
    layer.set_weights([1.2 * normal(*w.shape, seed=k) for k, w in enumerate(layer.get_weights())])
    x = normal(4, 12, 2)
    found = lab.fixed_points(layer, x)
    np.testing.assert_allclose(found.constant, x.mean((0, 1)), rtol=1e-12)
    assert len(found.points)
    assert found.starts.sum() + found.missed == 64
    states = np.split(found.points, len(layer.cell.contract.states), axis=1)
    still = np.broadcast_to(found.constant, (len(found.points), 1, 2))
    after = np.concatenate(layer(still, initial_state=states)[1:], axis=1)
    np.testing.assert_allclose(after, found.points, atol=1e-7)
    # J by differences
    S, e = found.points.shape[1], 1e-6
    for point, eigenvalues in zip(found.points, found.eigenvalues, strict=True):
        J = np.stack(
            [(found.step((point + d)[None]) - found.step((point - d)[None]))[0] / (2 * e) for d in e * np.eye(S)]
        )
        np.testing.assert_allclose(np.sort(np.abs(np.linalg.eigvals(J))), np.sort(np.abs(eigenvalues)), atol=1e-5)


@pytest.mark.parametrize("units", [1, 2, 6])
@pytest.mark.parametrize("title", titles())
def test_pictures(title: str, units: int) -> None:
    model = cellstep.Sequential([cellstep.Input((None, 2)), getattr(layers, title)(units), layers.Dense(1)])
    found = lab.fixed_points(model, normal(3, 8, 2).astype("f4"), starts=8)
    figure = found.draw()
    assert figure.axes[0].collections
    assert found.title in figure.get_suptitle()


def test_a_constant_of_another_shape_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"constant must be 1 finite numbers, the inputs of simple_rnn\w*, got \[1, 2\]"
    ):
        lab.fixed_points(simple([[2.0]]), normal(3, 9, 1), constant=[1, 2])
