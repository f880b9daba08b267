"""Every argument of every class, as files hold them, replaced by values of other types: refused, or it then works.

What a configuration says may come from a damaged file. The constructors check it; nothing that they accept fails later.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from layers.test_configs import MADE

from cellstep import constraints, initializers, layers, losses, metrics, models, optimizers, regularizers
from cellstep.layers.reading import Reading, reading
from cellstep.layers.variable import Variable

#: Of every type that JSON has, and objects of other kinds.
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 3, 7, 0.0, 0.5, -0.5, 1.5, float("nan"), float("inf"), -float("inf")),
    *(
        1e308,
        2**63,
        10**400,
        -(10**400),
        "",
        "relu",
        "l2",
        "abc",
        "float16",
        [],
        {},
        [0],
        [1],
        [-1],
        [1, 2],
        [[1]],
        [None],
    ),
    *(["a"], [1.5], {"a": 1}, {"class_name": "Dense", "config": {"units": 1}}, {"class_name": 3, "config": {}}),
    *(
        {"class_name": "relu", "config": 5},
        {"class_name": "Zeros", "config": []},
        {"class_name": "L2", "config": {"l2": "a"}},
    ),
]
#: What a constructor may raise.
REFUSED = (ValueError, TypeError, NotImplementedError)

#: The shapes of inputs, where they are not (2, 5, 4).
SHAPES: dict[str, Any] = {
    "RepeatVector": (2, 4),
    "Attention": [(2, 5, 4), (2, 5, 4)],
    "AdditiveAttention": [(2, 5, 4), (2, 5, 4)],
    "Reshape": (2, 6, 2),
}


def changed(config: dict[str, Any]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    for key in config:
        for value in VALUES:
            yield key, value, {**config, key: value}


def check_all(config: dict[str, Any], make: Callable[[dict[str, Any]], Any], use: Callable[[Any], Any]) -> None:
    """Make an object with each value for each key, and use those that are made. They may say that data do not fit."""
    wrong = []
    for key, value, other in changed(config):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = make(other)
        except REFUSED as error:
            if not str(error):
                wrong.append(f"{key}={value!r:.60}: no words in {error!r}")
            continue
        except Exception as error:
            wrong.append(f"{key}={value!r:.60}: making it raises {error!r:.200}")
            continue
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                use(made)
        except Exception as error:
            if type(error) is ValueError and key in str(error):
                continue
            wrong.append(f"{key}={value!r:.60}: using it raises {error!r:.200}")
    assert not wrong, "\n".join(wrong)


def inputs(name: str) -> list[Any]:
    shapes = SHAPES.get(name, (2, 5, 4))
    integers = name in ("Embedding", "table")
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 3, (2, 5)).astype("int32") if integers else rng.standard_normal(shape).astype("float32")
        for shape in (shapes if isinstance(shapes, list) else [shapes])
    ]


@pytest.mark.parametrize("name", [name for name in MADE if name != "InputLayer" and not name.endswith("Cell")])
def test_layers(name: str) -> None:
    layer, xs = MADE[name](), inputs(name)

    def make(config: dict[str, Any]) -> Any:
        with reading(Reading(2**25)):
            heads = [layers.Input(batch_shape=(2, *x.shape[1:]), dtype=x.dtype) for x in xs]
            made = layers.deserialize({"class_name": type(layer).__name__, "config": config})
            return models.Model(heads, made(heads if len(heads) > 1 else heads[0]))

    check_all(layer.get_config(), make, lambda made: made.predict(xs if len(xs) > 1 else xs[0], verbose=0))


@pytest.mark.parametrize("name", [name for name in MADE if name.endswith("Cell")])
def test_cells(name: str) -> None:
    cell, x = MADE[name](), np.ones((2, 5, 4), "float32")

    def make(config: dict[str, Any]) -> Any:
        with reading(Reading(2**25)):
            made = layers.RNN(layers.deserialize({"class_name": type(cell).__name__, "config": config}))
            made.build((2, 5, 4))
            return made

    check_all(cell.get_config(), make, lambda made: made(x))


def test_input() -> None:
    check_all(MADE["InputLayer"]().get_config(), layers.InputLayer.from_config, lambda made: layers.Dense(1))


def offered(module: Any, base: type) -> list[type]:
    return [
        kind for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, base) and kind is not base
    ]


#: Arguments that have no default.
NEEDED: dict[str, dict[str, Any]] = {
    "ExponentialDecay": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5},
    "InverseTimeDecay": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5},
    "PiecewiseConstantDecay": {"boundaries": [2, 4], "values": [1.0, 0.5, 0.1]},
    "PolynomialDecay": {"initial_learning_rate": 0.1, "decay_steps": 10},
    "CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 10},
    "CosineDecayRestarts": {"initial_learning_rate": 0.1, "first_decay_steps": 10},
    "FBetaScore": {},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
}


def whole(module: Any, base: type) -> Any:
    kinds = list(dict.fromkeys(kind for kind in offered(module, base) if kind.__name__[0] != "_"))
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.__name__)


def made_of(kind: type) -> Any:
    return kind(**NEEDED.get(kind.__name__, {}))


@whole(initializers, initializers.Initializer)
def test_initializers(kind: Any) -> None:
    check_all(made_of(kind).get_config(), kind.from_config, lambda made: made((3, 4), "float32"))


@whole(regularizers, regularizers.Regularizer)
def test_regularizers(kind: Any) -> None:
    check_all(made_of(kind).get_config(), kind.from_config, lambda made: float(made(np.ones((3, 4), "float32"))))


@whole(constraints, constraints.Constraint)
def test_constraints(kind: Any) -> None:
    check_all(made_of(kind).get_config(), kind.from_config, lambda made: made(np.ones((3, 4), "float32")))


@whole(optimizers.schedules, optimizers.schedules.LearningRateSchedule)
def test_schedules(kind: Any) -> None:
    check_all(made_of(kind).get_config(), kind.from_config, lambda made: [float(made(i)) for i in (0, 3, 10, 1000)])


@whole(optimizers, optimizers.Optimizer)
def test_optimizers(kind: Any) -> None:
    def use(made: Any) -> None:
        variable = Variable(np.ones((3, 4), "float32"), name="w")
        made.build([variable])
        for _ in range(3):
            made.apply([np.ones((3, 4))])
        made.finalize_variable_values()
        made.get_config()

    check_all(made_of(kind).get_config(), kind.from_config, use)


@whole(losses, losses.Loss)
def test_losses(kind: Any) -> None:
    if kind.__name__ in ("FunctionLoss", "CTC"):
        pytest.skip("takes a function, or sequences")
    y, p = np.eye(3, dtype="float32"), np.full((3, 3), 1 / 3, "float32")
    y = np.arange(3) if kind.__name__.startswith("Sparse") else y
    check_all(made_of(kind).get_config(), kind.from_config, lambda made: made(y, p))


@whole(metrics, metrics.Metric)
def test_metrics(kind: Any) -> None:
    if kind.__name__ in ("MeanMetricWrapper", "LossMetric"):
        pytest.skip("takes a function")
    y, p = np.eye(3, dtype="float32")[:, :2], np.full((3, 2), 1 / 2, "float32")
    if kind.__name__.startswith("Sparse") or kind.__name__ == "Perplexity":
        y = np.array([0, 1, 0])

    def use(made: Any) -> None:
        if kind.__name__ in ("Mean", "Sum"):
            made.update_state(np.ones(3))
        else:
            made.update_state(y, p)
        np.asarray(made.result(), "float64")
        made.reset_state()

    config = made_of(kind).get_config()
    check_all(config, kind.from_config, use)
