"""Every contender of the benchmarks computes the right thing, and one that does not is found out."""

from __future__ import annotations

import numpy as np
import pytest

from cellstep import kernels
from cellstep.benchmarks import compare, ours, peers
from cellstep.benchmarks.answers import WrongAnswer, check, exact
from cellstep.benchmarks.peers import by_hand
from cellstep.benchmarks.problem import Problem, Runner
from cellstep.benchmarks.shapes import TABLE, Shape

# what installed peers have to say is none of ours
pytestmark = pytest.mark.filterwarnings("ignore")

CELLS = tuple(kernels.CELLS)
SMALL = Shape(5, 3, 4, 6)
#: Only NumPy by hand where no other library is installed.
PEERS = peers.find()[0]


@pytest.mark.parametrize("shape", [SMALL, Shape(1, 1, 1, 1), Shape(7, 1, 3, 5)], ids=str)
@pytest.mark.parametrize("work", by_hand.WORK)
@pytest.mark.parametrize("cell", CELLS)
def test_by_hand_agrees_with_the_reference(cell: str, work: str, shape: Shape) -> None:
    problem = Problem(cell, work, shape, "float64")
    want = ours.kernel_level(problem, kernels.load("numpy")).answer()
    got = by_hand.runner(problem, 1).answer()
    assert got.keys() == want.keys()
    for name in want:
        np.testing.assert_allclose(got[name], want[name], rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
def test_checked_steps_go_on_from_each_other_as_a_sequence_does(cell: str) -> None:
    steps = Problem(cell, "step", Shape(1, 2, 3, 4))
    whole = Problem(cell, "forward", Shape(3, 2, 3, 4), "float64")
    whole.x[:, :] = steps.x
    found = exact(cell, "step", steps.shape)["h"]
    np.testing.assert_allclose(found, by_hand.runner(whole, 1).answer()["y"][:, -1], rtol=1e-12)


@pytest.mark.parametrize("work", TABLE)
@pytest.mark.parametrize("cell", CELLS)
def test_every_contender_gives_the_right_answer_twice(cell: str, work: str) -> None:
    problem = Problem(cell, work, Shape(1, 3, 4, 6) if work == "step" else SMALL)
    names = compare.names(work, cell, PEERS, ["reference", *compare.LEVELS])
    assert {"layers", "reference"} <= set(names)
    assert ("stream" in names) == (work == "step")
    assert ("padded" in names) == problem.ragged
    for name in names:
        runner = compare.contender(name, problem, 1, PEERS)
        check(problem, name, runner)
        runner.run()
        check(problem, name, runner)


def test_ragged_rows_end_where_their_lengths_say() -> None:
    problem = Problem("gru", "ragged_train", SMALL)
    assert problem.lengths is not None
    assert problem.lengths[0] == SMALL.T
    assert problem.rows_of_steps == problem.lengths.sum() < SMALL.T * SMALL.B
    past = np.arange(SMALL.T) >= problem.lengths[:, None]
    assert not problem.dy[past].any()
    assert not exact("gru", "ragged_train", SMALL)["y"][past].any()


@pytest.mark.parametrize("fault", ["off", "nan", "missing", "shape"])
def test_a_wrong_answer_is_found_out(fault: str) -> None:
    problem = Problem("lstm", "train", SMALL)
    right = by_hand.runner(problem, 1)

    def answer() -> dict[str, np.ndarray]:
        found = right.answer()
        if fault == "off":
            found["dU"] = found["dU"] * 1.001
        elif fault == "nan":
            found["y"][0, 0, 0] = np.nan
        elif fault == "missing":
            del found["db"]
        else:
            found["dx"] = found["dx"][:1]
        return found

    check(problem, "right", right)
    with pytest.raises(WrongAnswer, match="wrong, lstm train 5x3x4x6"):
        check(problem, "wrong", Runner(right.run, answer))
