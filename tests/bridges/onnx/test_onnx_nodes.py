"""The `onnx` package's own tests of backends, for all operators that are read: RNN, LSTM and GRU among them."""

from __future__ import annotations

import re
import unittest
import warnings
from typing import Any

import pytest

pytest.importorskip("onnx")

from onnx.backend.test import BackendTest
from onnx.backend.test.loader import load_model_tests

from cellstep import bridges
from cellstep.bridges.onnx.importer import RULES
from cellstep.bridges.onnx.reading import DTYPES

#: What is not built of operators that are.
LEFT_OUT = {
    "two axes of steps": r"(conv|averagepool|maxpool).*(2d|3d|padding|autopad|pads)|maxpool_with|basic_conv",
    "training": r"training",
    "diagonals, and an empty right side": r"einsum_(batch_diagonal|inner_prod)",
    "the largest of nothing": r"reduce_(max|min|log_sum_exp)_empty_set",
    "the smallest, and uint64": r"top_k_(smallest|uint64)",
}


def built(case: Any) -> bool:
    """Whether all operators and dtypes of a test are read."""
    graph = case.model.graph
    types = [entry.type for entry in (*graph.input, *graph.output)]
    numbers = [kind.tensor_type.elem_type for kind in types if kind.HasField("tensor_type")]
    casts = [a.i for node in graph.node for a in node.attribute if a.name in ("to", "dtype")]
    tensors = [t.data_type for t in graph.initializer]
    tensors += [a.t.data_type for node in graph.node for a in node.attribute if a.HasField("t")]
    known = len(numbers) == len(types) and {*numbers, *casts, *tensors} <= {*DTYPES}
    return known and not case.model.functions and {node.op_type for node in graph.node} <= {*RULES}


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the package's own cases
    CASES = [case for case in load_model_tests(kind="node") if built(case)]
    names = [c.name for c in CASES if not any(re.search(pattern, c.name) for pattern in LEFT_OUT.values())]
    tests = BackendTest(bridges.onnx_backend, __name__)
tests.include("^(" + "|".join(names) + ")_cpu$")
#: In a list, so that pytest does not collect the class, which has the tests of all operators there are.
NODES: list[type[unittest.TestCase]] = [tests.test_cases["OnnxBackendNodeModelTest"]]
KINDS = ("lstm", "gru", "rnn")


def runs(name: str) -> bool:
    return getattr(NODES[0], name, None) is not None and name.removesuffix("_cpu") in names


RUN = sorted(name for name in dir(NODES[0]) if runs(name))


@pytest.mark.parametrize("part", range(8))
@pytest.mark.filterwarnings("ignore")
def test_nodes(part: int) -> None:
    suite = unittest.TestSuite(NODES[0](name) for name in RUN[part::8])
    result = unittest.TestResult()
    suite.run(result)
    problems = [(str(test), text.splitlines()[-1]) for test, text in [*result.failures, *result.errors]]
    assert not problems
    assert not result.skipped, result.skipped
    assert result.testsRun == len(RUN[part::8])


def test_all_recurrent_nodes_are_among_them() -> None:
    every = {c.name for c in CASES if any(kind in c.name for kind in KINDS)}
    assert {f"{name}_cpu" for name in every} <= {*RUN}
    assert len(every) >= 17
    assert len(RUN) > 700


def test_what_is_left_out_is_refused() -> None:
    for case in CASES:
        if any(re.search(pattern, case.name) for pattern in LEFT_OUT.values()) and "empty" not in case.name:
            if "uint64" in case.name:
                continue
            with pytest.raises(bridges.FileError):
                bridges.onnx_backend.prepare(case.model).run(case.data_sets[0][0])
