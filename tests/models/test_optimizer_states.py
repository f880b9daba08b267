"""What an optimizer keeps for variables that come and go: frozen layers, several models, new layers, copies, files."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_cases as cases
from nets import X, Y, linear

from cellstep import callbacks, layers, models, optimizers
from cellstep.layers import Variable
from cellstep.models import hdf5

SIZES = [(3,), (2, 2), (5,), (1,)]
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "averages": {"use_ema": True, "ema_momentum": 0.75, "ema_overwrite_frequency": 3},
    "accumulation": {"gradient_accumulation_steps": 2},
    "decay": {"weight_decay": 0.1},
}


def build(name: str, options: dict[str, Any]) -> optimizers.Optimizer:
    kind, own = cases.OPTIMIZERS[name]
    made = getattr(optimizers, kind)(**(own | options))
    if "weight_decay" in options:
        made.exclude_from_weight_decay(var_names=["v2"])
    return made


def step(optimizer: optimizers.Optimizer, of: list[Variable], grads: list[Any]) -> None:
    optimizer.build(of)
    optimizer.zero_grad()
    for v, g in zip(of, grads, strict=True):
        v.grad[...] += g
    optimizer.apply()


def copied(kind: str, optimizer: Any, of: Any) -> Any:
    """The optimizer and the variables after a copy."""
    return copy.deepcopy((optimizer, of)) if kind == "deepcopy" else pickle.loads(pickle.dumps((optimizer, of)))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", [n for n in cases.OPTIMIZERS if "global" not in n])
def test_variables_that_come_and_go_are_trained_as_each_by_an_optimizer_of_its_own(name: str, options: str) -> None:
    rng = np.random.default_rng([*map(ord, name + options)])
    of = [Variable(rng.normal(size=shape), name=f"v{i}") for i, shape in enumerate(SIZES)]
    alone = [Variable(v.numpy(), name=v.name) for v in of]
    shared, own = build(name, OPTIONS[options]), [build(name, OPTIONS[options]) for _ in of]
    for t in range(40):
        active = [i for i in rng.permutation(len(of)) if rng.random() < 0.6]
        if active:
            grads = [rng.normal(size=of[i].shape) for i in active]
            step(shared, [of[i] for i in active], grads)
            for i, g in zip(active, grads, strict=True):
                step(own[i], [alone[i]], [g])
        if t % 13 == 7:
            shared, of = copied("deepcopy" if t == 7 else "pickle", shared, of)
    for i, (v, w) in enumerate(zip(of, alone, strict=True)):
        np.testing.assert_allclose(v.value, w.value, rtol=1e-12)
        for slot in shared.states()[v].slots:
            np.testing.assert_allclose(shared.slot(slot, v), own[i].slot(slot, w), rtol=1e-12)


#: Two parameters at 1 and 2 after steps 5, 6 and 7 of 0 .. 7, by PyTorch 2.13 in float64 with eps=1e-14. The first has
#: no gradient in steps 2, 3, 4, the second none in steps 0 .. 3; else they are 0.5 + 0.25 t and 1 - 0.5 t.
TORCH = {
    "Adam": (
        {},
        [
            (0.7090681930170604, 2.1990807264536625),
            (0.614877520184886, 2.297805416966072),
            (0.5186447812612875, 2.3966045317918314),
        ],
    ),
    "Adamax": (
        {},
        [
            (0.756116305523961, 2.184210526315788),
            (0.6900069714152088, 2.2609632938434627),
            (0.6211734874954026, 2.333589057146748),
        ],
    ),
    "AdamW": (
        {"weight_decay": 0.01},
        [
            (0.7063701727435141, 2.194982726453662),
            (0.6114731297385961, 2.291512434239618),
            (0.5146289176852592, 2.3880200366311377),
        ],
    ),
}


@pytest.mark.parametrize("kind", TORCH)
def test_parameters_without_gradients_for_a_while_as_in_pytorch(kind: str) -> None:
    options, wanted = TORCH[kind]
    a, b = Variable(np.array([1.0]), name="a"), Variable(np.array([2.0]), name="b")
    optimizer = getattr(optimizers, kind)(0.1, epsilon=1e-14, **options)
    seen = []
    for t in range(8):
        pairs = [(a, 0.5 + 0.25 * t)] if not 2 <= t < 5 else []
        pairs += [(b, 1 - 0.5 * t)] if t >= 4 else []
        if pairs:
            step(optimizer, [v for v, _ in pairs], [g for _, g in pairs])
        seen.append((float(a.value[0]), float(b.value[0])))
    np.testing.assert_allclose(seen[5:], wanted, rtol=1e-11)


def two_layers(name: str = "net") -> models.Sequential:
    return models.Sequential(
        [layers.Input((3,)), layers.Dense(4, name="a", dtype="float64"), layers.Dense(2, name="b", dtype="float64")],
        name=name,
    )


def test_a_layer_that_was_frozen_goes_on_with_its_momenta() -> None:
    net, rate = two_layers(), 1e-3
    net.compile(optimizers.Adam(rate), "mse")
    kernel = net.layers[0].weights[0]
    net.fit(X, Y, batch_size=5, epochs=50, verbose=0, shuffle=False)
    before = [net.optimizer.slot(s, kernel).copy() for s in ("momentum", "velocity")]
    net.layers[0].trainable = False
    net.fit(X, Y, batch_size=5, epochs=50, verbose=0, shuffle=False)
    for s, wanted in zip(("momentum", "velocity"), before, strict=True):
        np.testing.assert_array_equal(net.optimizer.slot(s, kernel), wanted)
    net.layers[0].trainable = True
    value = kernel.numpy()
    net.train_on_batch(X[:5], Y[:5])
    assert 0 < np.abs(kernel.value - value).max() < rate


def test_a_layer_that_begins_late_begins_with_steps_of_the_learning_rate() -> None:
    net, rate = two_layers(), 1e-3
    net.layers[0].trainable = False
    net.compile(optimizers.Adam(rate), "mse")
    net.fit(X, Y, epochs=100, verbose=0)
    net.layers[0].trainable = True
    before = net.layers[0].weights[0].numpy()
    net.train_on_batch(X, Y)
    assert np.abs(net.layers[0].weights[0].value - before).max() == pytest.approx(rate, rel=1e-3)
    net.add(layers.Dense(2, name="c", dtype="float64"))
    before = net.layers[2].weights[0].numpy()
    net.train_on_batch(X, Y)
    assert np.abs(net.layers[2].weights[0].value - before).max() == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize("name", ["adam", "nadam", "sgd_momentum", "lamb", "sgd_global_clipnorm"])
def test_one_optimizer_trains_two_models_as_two_optimizers_do(name: str) -> None:
    nets = [two_layers() for _ in range(4)]
    for i in (0, 1):
        nets[i + 2].set_weights(nets[i].get_weights())
    both = build(name, {})
    for net, optimizer in zip(nets, (both, both, build(name, {}), build(name, {})), strict=True):
        net.compile(optimizer, "mse")
    for i in (0, 1, 1, 0, 0, 1, 0):
        for net in nets[i::2]:
            net.fit(X, (-1) ** i * Y, epochs=2, verbose=0, shuffle=False)
    for i in (0, 1):
        for a, b in zip(nets[i].get_weights(), nets[i + 2].get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_model_that_is_gone_leaves_nothing_in_the_optimizer() -> None:
    optimizer, net = optimizers.Adam(), two_layers()
    net.compile(optimizer, "mse")
    net.fit(X, Y, verbose=0)
    gone = weakref.ref(net.weights[0])
    optimizer.build(two_layers().weights)
    assert len(optimizer.states()) == 8
    del net
    gc.collect()
    assert gone() is None
    assert len(optimizer.states()) == 4


def test_compiling_again_with_the_optimizer_keeps_its_state() -> None:
    net, twin = linear(), linear()
    for made in (net, twin):
        made.compile(optimizers.Adam(0.1), "mse")
        made.fit(X, Y, epochs=3, verbose=0, shuffle=False)
    net.compile(net.optimizer, "mse", metrics=["mae"])
    for made in (net, twin):
        made.fit(X, Y, epochs=3, verbose=0, shuffle=False)
    assert net.optimizer.iterations == 6
    np.testing.assert_array_equal(net.get_weights()[0], twin.get_weights()[0])


def test_optimizer_and_loss_can_be_set() -> None:
    net = linear(metrics=["mae"])
    before = net.optimizer
    net.fit(X, Y, verbose=0)
    net.optimizer = optimizers.SGD(0.0)
    weights = net.get_weights()
    net.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(net.get_weights()[0], weights[0])
    net.optimizer = "adam"
    assert isinstance(net.optimizer, optimizers.Adam)
    net.optimizer = before
    assert net.optimizer.iterations == 1
    net.loss = "mae"
    loss, mae = net.evaluate(X, Y, verbose=0)
    assert loss == pytest.approx(mae)
    with pytest.raises(ValueError, match="adamm"):
        net.optimizer = "adamm"
    assert net.optimizer is before

    class Agent(models.Model):
        def __init__(self) -> None:
            super().__init__()
            self.optimizer, self.loss = optimizers.Adam(0.5), "mse"
            self.head = layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.head(x)

    agent = Agent()
    assert (agent.optimizer.learning_rate, agent.loss, agent.compiled) == (0.5, "mse", False)
    agent.compile("sgd", "mae")
    assert isinstance(agent.optimizer, optimizers.SGD)


def test_averages_of_a_layer_that_was_frozen_are_swapped_in_again() -> None:
    net = two_layers()
    net.compile(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
    net.fit(X, Y, epochs=3, verbose=0, callbacks=callbacks.SwapEMAWeights(), validation_data=(X, Y))
    net.layers[0].trainable = False
    frozen = net.layers[0].weights[0]
    before, average = frozen.numpy(), net.optimizer.slot("average", frozen).copy()
    net.fit(X, Y, epochs=3, verbose=0, callbacks=callbacks.SwapEMAWeights(), validation_data=(X, Y))
    np.testing.assert_array_equal(frozen.value, before)
    np.testing.assert_array_equal(net.optimizer.slot("average", frozen), average)


def test_a_count_of_steps_from_a_file_costs_no_time() -> None:
    of = [Variable(np.ones(2), name="v")]
    optimizer = optimizers.Nadam(0.1)
    optimizer.build(of)
    optimizer.iterations = 2**60
    step(optimizer, of, [np.ones(2)])
    assert optimizer.iterations == 2**60 + 1
    assert np.isfinite(of[0].value).all()


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
@pytest.mark.parametrize("name", ["adam", "nadam", "lamb"])
def test_a_file_keeps_how_often_each_layer_was_updated(ending: str, name: str, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    net = two_layers()
    net.compile(build(name, {}), "mse")
    net.layers[0].trainable = False
    net.fit(X, Y, epochs=30, verbose=0)
    net.layers[0].trainable = True
    net.fit(X, Y, epochs=3, verbose=0)
    path = tmp_path / f"net{ending}"
    if ending == ".keras":
        net.save(path)
        again = models.load_model(path)
    else:
        net.save_weights(path)
        again = two_layers()
        again.compile(build(name, {}), "mse")
        again.load_weights(path)
    assert again.optimizer.calls_of_each == [3, 3, 33, 33]
    for made in (net, again):
        made.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    for a, b in zip(net.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)  # files hold slots and rates in float32


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_files_keep_the_states_of_layers_that_are_frozen(options: dict[str, Any], ending: str, tmp_path: Path) -> None:
    """Saved while a layer is frozen, thawed after loading: it goes on with its momenta and its number of steps."""
    pytest.importorskip("h5py")
    net = two_layers()
    net.compile(optimizers.Adam(0.01, **options), "mse")
    net.fit(X, Y, epochs=6, verbose=0)
    net.layers[0].trainable = False
    net.fit(X, Y, epochs=2, verbose=0)
    path = tmp_path / f"net{ending}"
    if ending == ".keras":
        net.save(path)
        again = models.load_model(path)
    else:
        net.save_weights(path)
        again = two_layers()
        again.layers[0].trainable = False
        again.compile(optimizers.Adam(0.01, **options), "mse")
        again.load_weights(path)
    for made in (net, again):
        made.layers[0].trainable = True
        made.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    assert again.optimizer.calls_of_each == net.optimizer.calls_of_each == [8, 8, 10, 10]
    for a, b in zip(net.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_states_of_frozen_layers_in_files_are_checked(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    net = two_layers()
    net.compile("adam", "mse")
    net.fit(X, Y, epochs=2, verbose=0)
    net.layers[0].trainable = False
    net.fit(X, Y, verbose=0)
    path = tmp_path / "net.weights.h5"
    for number, wrong, message in (
        (0, np.int64(4), "optimizer/frozen/0/0: must hold a number from 0 to 3, got 4"),
        (1, np.zeros(1, "f4"), "optimizer/frozen/0: must hold 3 arrays of .*, of shapes"),
        (2, None, "optimizer/frozen/0: must hold 3 arrays of .*, of shapes"),
    ):
        net.save_weights(path)
        with h5py.File(path, "r+") as file:
            del file[f"optimizer/frozen/0/{number}"]
            if wrong is not None:
                file[f"optimizer/frozen/0/{number}"] = wrong
        path.write_bytes(path.read_bytes().replace(hdf5.MARK, b"\0" * len(hdf5.MARK)))
        before = net.get_weights()
        with pytest.raises(ValueError, match=message):
            net.load_weights(path)
        for a, b in zip(net.get_weights(), before, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_file_holds_the_state_of_its_own_model(tmp_path: Path) -> None:
    """One optimizer, two models: the one that is saved is not the one that was trained last."""
    pytest.importorskip("h5py")
    optimizer, one, two = optimizers.Adam(), two_layers(), linear()
    one.compile(optimizer, "mse")
    two.compile(optimizer, "mse")
    one.fit(X, Y, epochs=3, verbose=0)
    two.fit(X, Y, epochs=2, verbose=0)
    one.save_weights(tmp_path / "one.weights.h5")
    again = two_layers()
    again.compile("adam", "mse")
    again.load_weights(tmp_path / "one.weights.h5")  # a warning, and so an error, where the state does not fit
    for a, b in zip(one.weights, again.weights, strict=True):
        np.testing.assert_allclose(optimizer.slot("momentum", a), again.optimizer.slot("momentum", b))


def test_calls_of_each_variable_are_checked() -> None:
    optimizer = optimizers.Adam()
    of = [Variable(np.ones(2), name=name) for name in "ab"]
    step(optimizer, of, [np.ones(2)] * 2)
    for wrong in ([1], [1, 2], [-1, 0]):
        with pytest.raises(ValueError, match="calls_of_each must be 2 numbers from 0 to 1"):
            optimizer.calls_of_each = wrong
    assert optimizer.calls_of_each == [1, 1]
