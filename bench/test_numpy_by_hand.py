"""Every contender computes the right thing: NumPy by hand against the reference kernels, ours against both."""

import numpy as np
import pytest
from runners import CELLS, Problem, by_hand, check, kernel_level, layer_level
from shapes import Shape

from cellstep import kernels


@pytest.mark.parametrize("shape", [Shape(5, 3, 4, 6), Shape(1, 1, 1, 1), Shape(7, 1, 3, 5)], ids=str)
@pytest.mark.parametrize("what", ["step", "forward", "train"])
@pytest.mark.parametrize("cell", CELLS)
def test_by_hand_agrees_with_the_reference(cell: str, what: str, shape: Shape) -> None:
    problem = Problem(cell, what, shape, "float64")
    want = kernel_level(problem, kernels.load("numpy")).answer()
    got = by_hand(problem).answer()
    assert got.keys() == want.keys()
    for name in want:
        np.testing.assert_allclose(got[name], want[name], rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
def test_steps_go_on_from_each_other_as_a_sequence_does(cell: str) -> None:
    problem = Problem(cell, "step", Shape(1, 2, 3, 4), "float64")
    steps = by_hand(problem)
    steps.answer()
    second = steps.run()
    twice = Problem(cell, "forward", Shape(2, 2, 3, 4), "float64")
    twice.x[:, :] = problem.x
    np.testing.assert_allclose(second, by_hand(twice).answer()["y"][:, 1], rtol=1e-12)


@pytest.mark.parametrize("what", ["step", "forward", "train"])
@pytest.mark.parametrize("cell", CELLS)
def test_layers_run_the_same_problem(cell: str, what: str) -> None:
    problem = Problem(cell, what, Shape(5, 3, 4, 6), "float64")
    check(problem, layer_level(problem), kernel_level(problem), forward=1e-12, gradient=1e-11)
