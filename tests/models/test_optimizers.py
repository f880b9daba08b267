"""Update rules against Keras's numbers and against a step by hand; flat buffers; clipping; bad arguments."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_cases as cases
from numpy.typing import NDArray

from cellstep import optimizers
from cellstep.layers import Variable

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())


def variables(*arrays: Any, dtype: str = "float64") -> list[Variable]:
    return [Variable(np.asarray(a, dtype), name=f"v{i}") for i, a in enumerate(arrays)]


def step(optimizer: optimizers.Optimizer, of: list[Variable], grads: Any) -> None:
    optimizer.build(of)
    optimizer.zero_grad()
    for v, g in zip(of, grads, strict=True):
        v.grad[...] += g
    optimizer.apply()


@pytest.mark.parametrize("name", cases.OPTIMIZERS)
def test_ten_steps_give_what_keras_gives(name: str) -> None:
    kind, options = cases.OPTIMIZERS[name]
    optimizer, of = getattr(optimizers, kind)(**options), variables(*cases.VALUES)
    for grads in cases.GRADS:
        step(optimizer, of, grads)
    for v, wanted in zip(of, GOLDEN["optimizers"][name], strict=True):
        np.testing.assert_allclose(v.value.ravel(), wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", cases.OPTIMIZERS)
def test_float32_follows_float64(name: str) -> None:
    kind, options = cases.OPTIMIZERS[name]
    optimizer, of = getattr(optimizers, kind)(**options), variables(*cases.VALUES, dtype="float32")
    for grads in cases.GRADS:
        step(optimizer, of, grads)
    for v, wanted in zip(of, GOLDEN["optimizers"][name], strict=True):
        assert v.dtype == np.float32
        np.testing.assert_allclose(v.value.ravel(), wanted, rtol=1e-5, atol=1e-6)


def by_hand(kind: str, options: dict[str, Any], w: float, grads: list[float]) -> float:
    """One number, with the formulas as the papers write them."""
    if kind == "SGD":
        lr, mu = options.get("learning_rate", 0.01), options.get("momentum", 0.0)
        v = 0.0
        for g in grads:
            v = mu * v - lr * g
            w += mu * v - lr * g if options.get("nesterov") else v
        return w
    if kind == "Adam":
        m = v = 0.0
        for t, g in enumerate(grads, 1):
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            # Kingma and Ba, section 2, the efficient form: epsilon is added to the root of the uncorrected mean
            rate = 0.001 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            w -= rate * m / (np.sqrt(v) + 1e-7)
        return w
    mean = square = velocity = 0.0
    for g in grads:
        mean, square = 0.9 * mean + 0.1 * g, 0.9 * square + 0.1 * g * g
        variance = square - mean**2 if options.get("centered") else square
        velocity = options.get("momentum", 0.0) * velocity + 0.001 * g / np.sqrt(variance + 1e-7)
        w -= velocity
    return float(w)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SGD", {}),
        ("SGD", {"momentum": 0.9}),
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("Adam", {}),
        ("RMSprop", {}),
        ("RMSprop", {"momentum": 0.5}),
        ("RMSprop", {"centered": True, "momentum": 0.5}),
    ],
)
def test_steps_follow_the_formula(kind: str, options: dict[str, Any]) -> None:
    grads = [0.5, -2.0, 0.25]
    (v,) = of = variables([1.5])
    optimizer = getattr(optimizers, kind)(**options)
    for g in grads:
        step(optimizer, of, [[g]])
    np.testing.assert_allclose(v.value[0], by_hand(kind, options, 1.5, grads), rtol=1e-13)


def test_variables_live_in_one_buffer_for_each_dtype() -> None:
    of = [*variables([1.0, 2.0], [[3.0]]), *variables([4.0], dtype="float32")]
    optimizer = optimizers.SGD(1.0)
    optimizer.build(of)
    assert of[0].buffer.base is of[1].buffer.base
    assert of[0].grad.base is of[1].grad.base
    assert of[0].buffer.base is not of[2].buffer.base
    versions = [v.version for v in of]
    for v in of:
        v.grad[...] = 1
    optimizer.apply()
    assert [v.numpy().tolist() for v in of] == [[0.0, 1.0], [[2.0]], [3.0]]
    assert all(v.version != before for v, before in zip(of, versions, strict=True))


def test_building_keeps_values_and_gradients() -> None:
    of = variables([1.0, 2.0])
    of[0].grad[...] = 5
    optimizers.SGD().build(of)
    assert of[0].numpy().tolist() == [1, 2]
    assert of[0].grad.tolist() == [5, 5]


def test_two_optimizers_take_turns_on_one_variable() -> None:
    of = variables([1.0])
    first, second = optimizers.SGD(0.5), optimizers.SGD(0.25)
    for optimizer in (first, second, first):
        step(optimizer, of, [[1.0]])
    assert of[0].value[0] == 1 - 0.5 - 0.25 - 0.5


def test_freezing_a_variable_keeps_the_state_of_the_others() -> None:
    frozen, kept = of = variables([1.0], [1.0])
    optimizer = optimizers.SGD(1.0, momentum=0.5)
    step(optimizer, of, [[1.0], [1.0]])
    step(optimizer, [kept], [[0.0]])
    assert frozen.value[0] == 0
    assert kept.value[0] == -0.5


def test_apply_takes_gradients_and_checks_them_first() -> None:
    of = variables([1.0, 1.0], [2.0])
    optimizer = optimizers.SGD(1.0)
    optimizer.apply([[1, 1], [1]], of)
    assert [v.numpy().tolist() for v in of] == [[0, 0], [1]]
    with pytest.raises(ValueError, match=r"grads of v1 must have shape \(1,\), got \(2,\)"):
        optimizer.apply([[1, 1], [1, 1]])
    with pytest.raises(ValueError, match="grads must hold 2 arrays"):
        optimizer.apply([[1, 1]])
    with pytest.raises(TypeError, match=r"not a dictionary: list\(grads.values\(\)\) is one"):
        optimizer.apply({"v0": [1, 1], "v1": [1]})  # type: ignore[arg-type]
    assert [v.numpy().tolist() for v in of] == [[0, 0], [1]]
    assert optimizer.iterations == 1


def test_the_learning_rate_can_be_set() -> None:
    of = variables([0.0])
    optimizer = optimizers.SGD()
    assert optimizer.learning_rate == 0.01
    optimizer.learning_rate = np.float32(0.5)
    step(optimizer, of, [[1.0]])
    assert of[0].value[0] == -0.5


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Nadam", "Adamax", "Adagrad", "Adadelta", "Lion"])
def test_a_step_allocates_nothing_of_the_size_of_the_weights(name: str) -> None:
    of = variables(np.ones(200_000), dtype="float32")
    optimizer = getattr(optimizers, name)(clipnorm=1.0)
    step(optimizer, of, [np.ones(200_000)])
    tracemalloc.start()
    optimizer.zero_grad()
    optimizer.apply()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000


def norms(of: list[Variable]) -> NDArray[Any]:
    return np.array([np.linalg.norm(v.grad) for v in of])


def test_clipping_bounds_each_gradient_its_entries_or_all_together() -> None:
    grads = [[3.0, 4.0], [0.3, -0.4]]
    for options, wanted in (
        ({"clipnorm": 1.0}, [[0.6, 0.8], [0.3, -0.4]]),
        ({"clipvalue": 0.35}, [[0.35, 0.35], [0.3, -0.35]]),
        ({"global_clipnorm": np.hypot(5, 0.5) / 2}, [[1.5, 2.0], [0.15, -0.2]]),
    ):
        of = variables([0.0, 0.0], [0.0, 0.0])
        step(optimizers.SGD(1.0, **options), of, grads)
        np.testing.assert_allclose([-v.value for v in of], wanted, rtol=1e-12)


def test_clipping_survives_squares_that_overflow_and_keeps_nan() -> None:
    of = variables([3e30, 4e30], dtype="float32")
    step(optimizers.SGD(1.0, clipnorm=1.0), of, [[3e30, 4e30]])
    np.testing.assert_allclose(of[0].grad, [0.6, 0.8], rtol=1e-6)
    for clip in ("clipnorm", "global_clipnorm"):
        of = variables([0.0, 0.0])
        step(optimizers.SGD(1.0, **{clip: 1.0}), of, [[np.nan, 1.0]])
        assert np.isnan(of[0].value).all()


def test_names_and_configurations() -> None:
    assert isinstance(optimizers.get("adam"), optimizers.Adam)
    assert isinstance(optimizers.get("RMSprop"), optimizers.RMSprop)
    assert isinstance(optimizers.get("ADADELTA"), optimizers.Adadelta)
    made = optimizers.Adam(0.5, beta_1=0.8, clipnorm=2.0)
    assert optimizers.get(made) is made
    again = optimizers.Adam.from_config(made.get_config())
    assert again.get_config() == made.get_config()
    assert made.get_config()["clipnorm"] == 2.0


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: optimizers.get("adamx"), ValueError, "optimizer must be one of sgd, adam, rmsprop, .* got 'adamx'"),
        (lambda: optimizers.get("Adam_W"), ValueError, "got 'Adam_W'"),
        (lambda: optimizers.get(3), TypeError, "got 3"),
        (lambda: optimizers.SGD("fast"), TypeError, "learning_rate must be a number, got 'fast'"),
        (lambda: optimizers.SGD(True), TypeError, "learning_rate must be a number"),
        (lambda: optimizers.SGD(-1), ValueError, "learning_rate must be a finite number, 0 or more, got -1"),
        (lambda: optimizers.SGD(np.nan), ValueError, "learning_rate must be a finite number"),
        (lambda: optimizers.SGD(momentum=1.5), ValueError, "momentum must be a finite number from 0 to 1, got 1.5"),
        (lambda: optimizers.Adam(beta_2=1), ValueError, "must be below 1"),
        (lambda: optimizers.SGD(clipnorm=1, clipvalue=1), ValueError, "only one of clipnorm, clipvalue"),
        (lambda: optimizers.SGD(clipnorm=0), ValueError, "clipnorm must be positive, got 0"),
        (lambda: optimizers.SGD(weight_decay=-0.1), ValueError, "weight_decay must be a finite number, 0 or more"),
        (lambda: optimizers.AdamW(weight_decay=None), ValueError, "weight_decay must be a number for AdamW, got None"),
        (lambda: optimizers.SGD(use_ema=2), TypeError, "use_ema must be True or False, got 2"),
        (lambda: optimizers.SGD(ema_momentum=2), ValueError, "ema_momentum must be a finite number from 0 to 1, got 2"),
        (lambda: optimizers.SGD(ema_overwrite_frequency=0), ValueError, "ema_overwrite_frequency must be a positive"),
        (lambda: optimizers.SGD(gradient_accumulation_steps=1), ValueError, "must be 2 or more, or None, got 1"),
        (lambda: optimizers.SGD(loss_scale_factor=0), ValueError, "loss_scale_factor must be positive, got 0"),
        (lambda: optimizers.Nadam(beta_1=1), ValueError, "beta_1 and beta_2 must be below 1, got 1 and 0.999"),
        (lambda: optimizers.Lion(beta_1=0), ValueError, "beta_1 must be above 0, got 0"),
        (lambda: optimizers.Adagrad(initial_accumulator_value=-1), ValueError, "initial_accumulator_value must be"),
        (lambda: optimizers.SGD(decay=0.1), TypeError, "SGD takes no argument 'decay'"),
    ],
)
def test_bad_arguments(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("name", cases.OPTIMIZERS)
def test_configurations_go_through_json(name: str) -> None:
    kind, options = cases.OPTIMIZERS[name]
    made = getattr(optimizers, kind)(**options)
    config = json.loads(json.dumps(optimizers.serialize(made)))
    again = optimizers.deserialize(config)
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()
    assert set(options) <= set(made.get_config())


@pytest.mark.parametrize("name", cases.OPTIMIZERS)
def test_a_state_that_was_stored_goes_on_where_it_was(name: str) -> None:
    kind, options = cases.OPTIMIZERS[name]
    first, of = getattr(optimizers, kind)(**options), variables(*cases.VALUES)
    for grads in cases.GRADS[:5]:
        step(first, of, grads)
    store: dict[str, Any] = {}
    first.save_own_variables(store)
    second, others = getattr(optimizers, kind)(**options), variables(*(v.numpy() for v in of))
    second.build(others)
    second.load_own_variables(store)
    for grads in cases.GRADS[5:]:
        step(first, of, grads)
        step(second, others, grads)
    for a, b in zip(of, others, strict=True):
        # the rate was stored in float32, as Keras stores it
        np.testing.assert_allclose(a.value, b.value, rtol=1e-6, atol=1e-9)


def test_a_state_of_another_shape_is_refused_whole() -> None:
    optimizer, other = optimizers.Adam(), optimizers.Adam()
    step(optimizer, variables([1.0], [2.0, 3.0]), [[1.0], [1.0, 1.0]])
    other.build(variables([1.0], [2.0, 3.0, 4.0]))
    store: dict[str, Any] = {}
    optimizer.save_own_variables(store)
    with pytest.raises(ValueError, match=r"array 4 of the state to have shape \(3,\), got \(2,\)"):
        other.load_own_variables(store)
    del store["5"]
    with pytest.raises(ValueError, match="state of adam to hold 6 arrays, got 5"):
        other.load_own_variables(store)
    assert other.iterations == 0


def test_weight_decay_leaves_out_what_it_is_told_to() -> None:
    of = [Variable(np.ones(2), name=name) for name in ("kernel", "bias", "gamma")]
    optimizer = optimizers.SGD(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[of[2]], var_names=["bias"])
    step(optimizer, of, [[0.0, 0.0]] * 3)
    assert [v.value[0] for v in of] == [0.75, 1, 1]
    with pytest.raises(ValueError, match="before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_names=["gamma"])


def test_averages_are_put_in_at_the_end() -> None:
    of = variables([0.0])
    optimizer = optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5)
    for _ in range(3):
        step(optimizer, of, [[-1.0]])
    assert of[0].value[0] == 3
    optimizer.finalize_variable_values(of)
    assert of[0].value[0] == 0.5 * (0.5 * 1 + 0.5 * 2) + 0.5 * 3


def test_gradients_are_gathered_for_an_update() -> None:
    of = variables([0.0])
    optimizer = optimizers.SGD(
        optimizers.schedules.PiecewiseConstantDecay([1], [1.0, 10.0]), gradient_accumulation_steps=2
    )
    seen = []
    for g in (-1.0, -3.0, -1.0, -2.0):
        step(optimizer, of, [[g]])
        seen.append((of[0].value[0], int(optimizer.iterations)))
    # schedules count steps, not updates
    assert seen == [(0, 0), (2, 1), (2, 1), (17, 2)]


@pytest.mark.parametrize("name", cases.SCHEDULES)
def test_schedules(name: str) -> None:
    kind, options = cases.SCHEDULES[name]
    schedule = getattr(optimizers.schedules, kind)(**options)
    found = [schedule(step) for step in cases.STEPS]
    # Keras computes them in float32
    np.testing.assert_allclose(found, GOLDEN["schedules"][name], rtol=2e-5, atol=1e-8)
    config = json.loads(json.dumps(optimizers.schedules.serialize(schedule)))
    again = optimizers.schedules.deserialize(config)
    assert [again(step) for step in cases.STEPS] == found


def test_an_optimizer_follows_its_schedule() -> None:
    of = variables([0.0])
    optimizer = optimizers.SGD(optimizers.schedules.ExponentialDecay(1.0, 1, 0.5))
    for wanted in (1.0, 1.5, 1.75):
        step(optimizer, of, [[-1.0]])
        assert of[0].value[0] == wanted
    assert optimizer.learning_rate == 0.125
    again = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(optimizer))))
    assert again.learning_rate == 1
    with pytest.raises(TypeError, match=r"learning_rate cannot be set to 0\.5: it follows the schedule Exponential"):
        optimizer.learning_rate = 0.5
    by_function = optimizers.SGD(lambda: 0.25)
    assert by_function.learning_rate == 0.25
    assert by_function.get_config()["learning_rate"]["config"] == "<lambda>"
    with pytest.raises(ValueError, match="learning_rate must be a known function, got '<lambda>'"):
        optimizers.deserialize(optimizers.serialize(by_function))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda s: s.ExponentialDecay(1.0, 0, 0.5), ValueError, "decay_steps must be positive, got 0"),
        (lambda s: s.CosineDecay(-1.0, 5), ValueError, "initial_learning_rate must be .* 0 or more, got -1"),
        (lambda s: s.CosineDecayRestarts(1.0, 5, t_mul=0.5), ValueError, "t_mul must be .* 1 or more, got 0.5"),
        (lambda s: s.PiecewiseConstantDecay([1], [1.0]), ValueError, "one more than those, got 1 and 1"),
        (lambda s: s.PiecewiseConstantDecay([2, 1], [1.0] * 3), ValueError, r"boundaries must increase, got \[2, 1\]"),
        (lambda s: s.deserialize({"class_name": "Linear"}), ValueError, "learning_rate must be one of Exponential"),
    ],
)
def test_bad_schedules(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make(optimizers.schedules)
