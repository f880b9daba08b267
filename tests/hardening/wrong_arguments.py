"""Calls of public functions with an argument or two exchanged for what does not fit, or lies oddly in memory.

    wrong_arguments.py COUNT [SEED [BACKEND]]

Each gives a result or raises TypeError, ValueError or MemoryError, and changes no argument; the process does not end.
"""

from __future__ import annotations

import collections
import faulthandler
import inspect
import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from layers.cases import CASES as LAYERS
from operation_cases import CASES as OPERATIONS
from table import OF_INPUT, VARIANTS, Shape, problem

from cellstep import functional, kernels, layers, losses, metrics, ops, optimizers, sampling
from cellstep.lookup import snake_case

Call = tuple[Callable[..., Any], dict[str, Any]]
DTYPES = ["f2", "f4", "f8", "i1", "u8", "?", "c8", "c16", "M8[s]", "S3", "U2", ">f4", ">f8"]
ODD = [np.nan, np.inf, -np.inf, 1e300, 1e-300, -1]


def odd_array(rng: np.random.Generator, a: Any) -> Any:
    """An array made of another: of another shape, dtype, layout or with other numbers; None where that cannot be."""
    axis = int(rng.integers(max(1, a.ndim)))
    made: list[Callable[[], Any]] = [
        lambda: a[..., None],
        lambda: a[None],
        lambda: a.reshape(-1),
        lambda: a.T,
        lambda: np.repeat(a, 2, axis),
        lambda: np.delete(a, 0, axis),
        lambda: np.take(a, [], axis),
        lambda: a.astype(rng.choice(DTYPES)),
        lambda: a.astype(object),
        lambda: np.zeros(a.shape, [("x", "f4"), ("y", "i4")]),
        lambda: np.asfortranarray(a),
        lambda: a[tuple(slice(None, None, -1) for _ in a.shape)],
        lambda: np.broadcast_to(a.reshape(-1)[:1].reshape((1,) * a.ndim), a.shape),
        lambda: np.frombuffer(b"\1" + np.ascontiguousarray(a).tobytes(), a.dtype, offset=1).reshape(a.shape),
        lambda: np.ma.masked_array(a, rng.random(a.shape) < 0.5),
        lambda: np.asmatrix(a.reshape(a.shape[0], -1)),
        lambda: np.where(rng.random(a.shape) < 0.3, rng.choice(ODD), a),
        lambda: a.tolist(),
        lambda: [a.tolist(), a.tolist()[:-1]],
        lambda: np.lib.stride_tricks.as_strided(a, a.shape, (0,) * a.ndim, writeable=False),
        lambda: memoryview(np.ascontiguousarray(a)),
    ]
    try:
        return made[int(rng.integers(len(made)))]()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


class Shapeless:
    """It says that it is an array, and is none."""

    dtype, ndim, flags, shape = np.dtype("f4"), 2, None, (3, -1)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise ValueError("no array")


def odd(rng: np.random.Generator, value: Any) -> Any:
    """Something in the place of an argument."""
    if isinstance(value, np.ndarray) and rng.random() < 0.75:
        return odd_array(rng, value)
    if isinstance(value, (list, tuple)) and value and rng.random() < 0.6:
        parts = list(value)
        i = int(rng.integers(len(parts)))
        parts[i] = odd(rng, parts[i])
        return parts if rng.random() < 0.7 else parts[:-1]
    some = [None, True, False, 0, -1, 3, 2**70, 1.5, np.nan, "tanh", "", b"x", [], {}, (), object(), Shapeless(), len]
    return random.Random(int(rng.integers(2**31))).choice(some)


def of_functional(rng: np.random.Generator) -> Call:
    cases = [*VARIANTS, *OF_INPUT]
    v = cases[int(rng.integers(len(cases)))]
    shape = Shape(*(int(n) for n in (*rng.integers(0, 5, 2), *rng.integers(1, 20, 2))))
    mask = str(rng.choice(["none", "holes", "lengths"]))
    p = problem(v, shape, str(rng.choice(["float32", "float64"])), mask, drop=rng.random() < 0.3)
    name = snake_case(v.cell.title)
    weights = dict(zip(v.cell.weight_names, p.weights, strict=True))
    sequences = {"x": p.x, "initial_state": list(p.states), "mask": p.mask, "lengths": p.lengths, "drop": p.drop}
    kind = str(rng.choice(["forward", "step", "backward", "pack", "any forward", "any step", "any backward"]))
    if kind == "pack":
        return lambda w, **o: functional.pack(name, *w, **o), {"w": list(p.weights), "backward": True, **v.named}
    if kind == "step":
        return getattr(functional, f"{name}_step"), {"x": p.x.sum(1), "states": list(p.states), **weights, **v.named}
    if kind == "forward":
        return getattr(functional, f"{name}_forward"), {**sequences, **weights, **v.named, "tape": True}
    packed = functional.pack(name, *p.weights, **v.named)
    if kind == "any step":
        return functional.step, {"packed": packed, "x": p.x.sum(1), "states": list(p.states)}
    if kind == "any forward":
        return functional.forward, {"packed": packed, **sequences, "tape": True}
    tape = functional.forward(packed, **sequences, tape=True).tape
    function = functional.backward if kind == "any backward" else getattr(functional, f"{name}_backward")
    return function, {"tape": tape, "dy": p.dy, "dstates": list(p.dstates), "need_x": True}


def of_layer(rng: np.random.Generator) -> Call:
    case = LAYERS[int(rng.integers(len(LAYERS)))]
    layer, x = case.make(layers), case.inputs()
    arguments = {"x": x, **({} if case.mask is None else {"mask": case.mask}), **case.call}
    return lambda x, **others: layer(x, **others), arguments


def of_recurrent(rng: np.random.Generator) -> Call:
    kinds: list[Any] = [layers.LSTM, layers.GRU, layers.SimpleRNN, "Bidirectional"]
    kind, options = kinds[int(rng.integers(4))], {"return_sequences": bool(rng.random() < 0.5)}
    layer = layers.Bidirectional(layers.LSTM(5, **options)) if kind == "Bidirectional" else kind(5, **options)
    x = rng.standard_normal((3, 4, 2)).astype("f4")
    layer(x)
    if rng.random() < 0.3 and kind != "Bidirectional":
        stream = layer.stream(3)
        if rng.random() < 0.5:
            return stream.step, {"x": x[:, 0], "out": np.zeros((3, 5), "f4")}
        return stream.steps, {"x": x}
    if rng.random() < 0.3:
        return layer.set_weights, {"weights": layer.get_weights()}
    return layer, {"x": x, "mask": rng.random((3, 4)) < 0.5, "training": False}


def of_operation(rng: np.random.Generator) -> Call:
    function = list(OPERATIONS.values())[int(rng.integers(len(OPERATIONS)))]
    x, z = (rng.uniform(0.3, 2.7, (2, 4, 3)).astype("f4") for _ in range(2))
    return lambda x, z: function(ops, x, z), {"x": x, "z": z}


def of_loss(rng: np.random.Generator) -> Call:
    module = losses if rng.random() < 0.5 else metrics
    kinds = [value for _, value in inspect.getmembers(module, inspect.isclass)]
    try:
        made = kinds[int(rng.integers(len(kinds)))]()
    except TypeError:
        made = losses.MeanSquaredError()
    y = rng.random((4, 3)).astype("f4")
    call = made if callable(made) else made.update_state
    return call, {"y_true": (y > 0.5).astype("f4"), "y_pred": y, "sample_weight": np.ones(4, "f4")}


def of_optimizer(rng: np.random.Generator) -> Call:
    layer = layers.Dense(3)
    layer(np.ones((2, 4), "f4"))
    made = getattr(optimizers, str(rng.choice(["SGD", "Adam", "RMSprop"])))()
    gradients = [np.ones_like(w) for w in layer.get_weights()]
    return lambda g: made.apply_gradients(zip(g, layer.weights, strict=False)), {"g": gradients}


def of_sampling(rng: np.random.Generator) -> Call:
    names = [name for name in dir(sampling) if inspect.isfunction(getattr(sampling, name))]
    function = getattr(sampling, names[int(rng.integers(len(names)))])
    first = next(iter(inspect.signature(function).parameters))
    return function, {first: rng.random((2, 5)).astype("f4")}


#: With their shares.
KINDS = {of_functional: 10, of_recurrent: 5, of_layer: 4, of_operation: 3, of_loss: 2, of_optimizer: 1, of_sampling: 1}


def copies(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [copies(part) for part in value]
    return np.array(np.asarray(value)) if isinstance(value, np.ndarray) else value


def same(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)):
        return all(same(*pair) for pair in zip(a, b, strict=True))
    return not isinstance(a, np.ndarray) or a.dtype == object or np.asarray(a).tobytes() == b.tobytes()


def run(count: int, seed: int = 0, backends: tuple[str, ...] = ("cython",)) -> tuple[dict[str, int], list[str]]:
    """How many calls gave a result, and how many raised what; and those that did what none may do."""
    outcomes: collections.Counter[str] = collections.Counter()
    wrong = []
    shares = np.array(list(KINDS.values())) / sum(KINDS.values())
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        kind = list(KINDS)[rng.choice(len(KINDS), p=shares)]
        with kernels.use(backends[number % len(backends)]), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function, arguments = kind(rng)
            for _ in range(int(rng.integers(1, 3))):
                name = list(arguments)[int(rng.integers(len(arguments)))]
                arguments[name] = odd(rng, arguments[name])
            before = copies(list(arguments.values()))
            what = f"call {number} of seed {seed}, {kind.__name__}, {function}"
            try:
                function(**arguments)
                outcomes["results"] += 1
            except (TypeError, ValueError, MemoryError) as error:
                outcomes[type(error).__name__] += 1
                if not str(error):
                    wrong.append(f"{what}: {type(error).__name__} says nothing")
            except NotImplementedError:
                outcomes["of bases"] += 1
            except LookupError:  # of NumPy, for x[:, 1] in the case itself
                outcomes["of indices"] += 1
                if kind is not of_operation:
                    wrong.append(what)
            except Exception as error:
                wrong.append(f"{what}: {type(error).__name__}: {error}")
            if "out" not in arguments and not same(list(arguments.values()), before):
                wrong.append(f"{what} wrote to an argument")
    return dict(outcomes), wrong


if __name__ == "__main__":
    faulthandler.enable()
    there = sys.argv[3:] or [name for name, missing in kernels.available().items() if not missing]
    outcomes, wrong = run(int(sys.argv[1]), *(int(a) for a in sys.argv[2:3]), backends=tuple(there))
    print("\n".join(wrong))
    print(f"{outcomes}, {len(wrong)} wrong")
    sys.exit(bool(wrong))
