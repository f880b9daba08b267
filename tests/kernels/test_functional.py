"""cellstep.functional gives what the kernels give, for every cell, and its stub says what its functions take."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drive import backward, forward, gradient_names, step
from table import DTYPES, NO_BIAS, OF_INPUT, SMALL, VARIANTS, Problem, Shape, Variant, problem

from cellstep import cells, functional, kernels
from cellstep.lookup import snake_case


def of(v: Variant, kind: str) -> Callable[..., Any]:
    return getattr(functional, f"{snake_case(v.cell.title)}_{kind}")


@pytest.mark.parametrize("v", [*VARIANTS, NO_BIAS[-1], OF_INPUT[-1]], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mask", ["none", "holes", "lengths"])
def test_values_and_gradients_are_those_of_the_kernels(
    v: Variant, dtype: str, mask: str, backend: kernels.Backend
) -> None:
    p = problem(v, SMALL, dtype, mask, drop=mask == "holes", resets=mask == "lengths")
    with kernels.use(backend.name):
        check(p, backend)


def check(p: Problem, backend: kernels.Backend) -> None:
    v, dtype = p.variant, p.dtype
    answers = forward(backend, p)
    given = {"mask": p.mask, "lengths": p.lengths, "drop": p.drop, "resets": p.resets, "tape": True}
    made = of(v, "forward")(p.x, *p.weights, p.states, **given, **v.named)
    close = {"rtol": 1e-5 if dtype == "float32" else 1e-12, "atol": 1e-6 if dtype == "float32" else 1e-14}
    for a, b in zip((made.y, *made.states), (answers.y, *answers.states), strict=True):
        np.testing.assert_allclose(a, b, **close)
    wanted = backward(backend, p, answers)
    gradients = of(v, "backward")(made.tape, p.dy, p.dstates)
    given_back = dict(zip((f"d{s}0" for s in v.cell.state_names), gradients.initial_state, strict=True))
    given_back |= {f"d{name}": d for name, d in gradients.weights.items()} | {"dx": gradients.x}
    for name in gradient_names(p):
        if name in given_back:
            np.testing.assert_allclose(given_back[name], wanted[name], **close, err_msg=name)
    without = of(v, "backward")(made.tape, p.dy, p.dstates, need_x=False, need_initial_state=False, need_weights=False)
    assert without == (None, None, None)
    packed = functional.pack(v.cell, *p.weights, **v.named)
    for a, b, c in zip(
        of(v, "step")(p.x[:, 0], p.states, *p.weights, **v.named),
        functional.step(packed, p.x[:, 0], p.states),
        step(backend, p, 0, p.states, answers.packed),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(b, c)


@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_bits_are_those_of_a_layer(v: Variant) -> None:
    from cellstep import layers

    p = problem(v, Shape(9, 3, 5, 17), "float32", "holes")
    layer = getattr(layers, v.cell.title)(17, return_sequences=True, **v.named)
    layer.build((None, None, 5))
    layer.set_weights(p.weights)
    y, back = layer.forward(p.x, mask=p.mask)
    made = of(v, "forward")(p.x, *p.weights, mask=p.mask, tape=True, **v.named)
    np.testing.assert_array_equal(made.y, y)
    gradients = of(v, "backward")(made.tape, p.dy)
    np.testing.assert_array_equal(gradients.x, back(p.dy))
    for w, (name, d) in zip(layer.weights, gradients.weights.items(), strict=True):
        np.testing.assert_array_equal(d, w.grad, err_msg=name)


@pytest.mark.parametrize("name", ["MGU", "PeepholeLSTM", "MinGRU", "ProjectionLSTM"])
def test_a_written_cell_runs_by_its_class(name: str) -> None:
    """Cells with a vector of weights, with no U, and with a state of another size, too."""
    kind, x = getattr(cells, name), np.random.default_rng(0).standard_normal((2, 5, 3))
    layer = kind.Layer(6, *([4] if name == "ProjectionLSTM" else []), return_sequences=True, dtype="float64")
    y, back = layer.forward(x)
    made = functional.forward(functional.pack(kind, *layer.get_weights()), x, tape=True)
    np.testing.assert_array_equal(made.y, y)
    gradients = functional.backward(made.tape, np.ones_like(y))
    np.testing.assert_array_equal(gradients.x, back(np.ones_like(y)))
    for w, (name, d) in zip(layer.weights, gradients.weights.items(), strict=True):
        np.testing.assert_array_equal(d, w.grad, err_msg=name)


def test_the_stub_has_the_signatures() -> None:
    from cellstep.functional import of_cells

    stub = ast.parse(Path(of_cells.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    said = {node.name: node.args for node in stub.body if isinstance(node, ast.FunctionDef)}
    made = {name: inspect.signature(f) for name, f in vars(of_cells).items() if hasattr(f, "__signature__")}
    assert said.keys() == made.keys() <= set(functional.__all__)
    assert len(made) == 9
    for name, arguments in said.items():
        positional, keywords = arguments.args, arguments.kwonlyargs
        defaults = [inspect.Parameter.empty] * (len(positional) - len(arguments.defaults))
        defaults += [ast.literal_eval(value) for value in (*arguments.defaults, *arguments.kw_defaults) if value]
        names = [a.arg for a in (*positional, *keywords)]
        parameters = list(made[name].parameters.values())
        assert names == [parameter.name for parameter in parameters], name
        assert defaults == [parameter.default for parameter in parameters], name
        assert {a.arg for a in keywords} == {q.name for q in parameters if q.kind is q.KEYWORD_ONLY}, name


def _lstm(**changed: Any) -> dict[str, Any]:
    p = problem(VARIANTS[1], SMALL)
    W, U, b = p.weights
    return {"x": p.x, "W": W, "U": U, "b": b, **changed}


@pytest.mark.parametrize(
    ("function", "arguments", "error", "said"),
    [
        ("lstm_forward", _lstm(x=None), TypeError, "expected x to be an array, got None"),
        ("lstm_forward", _lstm(x=np.ones((2, 3))), ValueError, r"expected x of shape \(batch, time, 3\), got \(2, 3\)"),
        ("lstm_forward", _lstm(U=np.ones((5, 24))), ValueError, r"expected U of shape \(units, 20\), got \(5, 24\)"),
        ("lstm_forward", _lstm(tape=None), TypeError, "tape must be True or False, got None"),
        ("lstm_forward", _lstm(activation="tan"), ValueError, "activation must be one of .*, got 'tan'"),
        ("lstm_forward", {"x": np.ones((2, 3, 4))}, TypeError, "lstm_forward: missing a required argument: 'W'"),
        ("lstm_forward", _lstm(steps=3), TypeError, "lstm_forward: got an unexpected keyword argument 'steps'"),
        ("lstm_backward", {"tape": None}, TypeError, r"expected tape to be .*, got None; forward\(..., tape=True\)"),
        ("step", {"packed": 3, "x": [[1]], "states": []}, TypeError, "expected packed to be weights .*, got int"),
        ("pack", {"cell": "gur"}, ValueError, "expected cell to be one of simple_rnn, lstm, gru.*, got 'gur'"),
        ("pack", {"cell": "gru", "reset": 1}, TypeError, "GRU takes the options .*reset_after, got reset"),
    ],
)
def test_errors(function: str, arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        getattr(functional, function)(**arguments)


def test_a_tape_is_of_one_cell_and_wants_weights_for_backward() -> None:
    arguments = _lstm(tape=True)
    tape = functional.lstm_forward(**arguments).tape
    with pytest.raises(ValueError, match="expected tape to be that of GRU, got <tape of LSTM, 4 rows of 5 steps>"):
        functional.gru_backward(tape)
    with pytest.raises(ValueError, match=r"expected dy of shape \(4, 5, 6\)"):
        functional.lstm_backward(tape, np.ones((4, 5, 7)))
    packed = functional.pack("lstm", arguments["W"], arguments["U"], backward=False)
    with pytest.raises(ValueError, match="packed with backward=True"):
        functional.forward(packed, arguments["x"], tape=True)
