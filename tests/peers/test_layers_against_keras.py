"""The layers that do not recur give what real Keras gives with the same weights: outputs, gradients, masks, shapes,
configurations.

What decides is our layer in float64: Keras in float32 and ours in float32 are each within 1e-5 * max(1, |value|) of it.
Held against each other they would fail where sums cancel and both are nearly right.
"""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from layers.cases import CASES, SEQUENCE, Case
from ours import assert_agree

import cellstep
from cellstep import layers

pytestmark = pytest.mark.filterwarnings("ignore")


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def one_by_one(case: Case, values: Any) -> list[Any]:
    """What Keras's layer gets by position: the list of several, but for this one the entries."""
    return list(values) if case.name == "MultiHeadAttention" else [values]


def weights_for(layer: Any) -> list[Any]:
    """Weights that no initializer gives; variances positive."""
    rng = np.random.default_rng(8)
    # several projections of weights that are all of one sign would give scores in the hundreds
    size = 0.25 if isinstance(layer, layers.MultiHeadAttention) else 1
    return [
        (size * rng.uniform(0.5, 1.5, w.shape)).astype(np.float32) * (-1) ** (w.ndim > 1) for w in layer.get_weights()
    ]


def by_keras(case: Case, layer: Any, x: Any, upstream: list[Any]) -> dict[str, Any]:
    """Outputs, gradients of inputs and of trainable weights, and what non-trainable weights became."""
    kept = [jnp.asarray(v.value) for v in layer.non_trainable_variables]
    extra = dict(case.call)
    if case.mask is not None and case.name == "MultiHeadAttention":
        extra["value_mask"] = case.mask[1]
    elif case.mask is not None:
        extra["mask"] = jax.tree_util.tree_map(jnp.asarray, case.mask)

    def run(weights: list[Any], x: Any) -> tuple[Any, Any]:
        y, moved = layer.stateless_call(weights, kept, *one_by_one(case, x), **extra)
        return as_list(y), moved

    @jax.jit  # one compilation, where each operation alone would have its own
    def whole(weights: list[Any], x: Any, upstream: list[Any]) -> Any:
        y, pull, moved = jax.vjp(run, weights, x, has_aux=True)
        return y, moved, *pull(upstream)

    weights = [v.value for v in layer.trainable_variables]
    y, moved, dweights, dx = whole(weights, x, upstream)
    found = {f"y{i}": a for i, a in enumerate(y)} | {f"dx{i}": a for i, a in enumerate(as_list(dx))}
    found |= {f"dw{i}": a for i, a in enumerate(dweights)} | {f"kept{i}": a for i, a in enumerate(moved)}
    return {name: np.asarray(a) for name, a in found.items()}


def by_ours(case: Case, layer: Any, x: Any, upstream: list[Any]) -> dict[str, Any]:
    y, pullback = layer.forward(x, mask=case.mask, **case.call)
    dx = pullback(upstream if isinstance(y, list) else upstream[0])
    found = {f"y{i}": a for i, a in enumerate(as_list(y))} | {f"dx{i}": a for i, a in enumerate(as_list(dx))}
    found |= {f"dw{i}": w.grad for i, w in enumerate(layer.trainable_weights)}
    found |= {f"kept{i}": w.value for i, w in enumerate(layer.non_trainable_weights)}
    return {name: np.asarray(a) for name, a in found.items()}


def in_float64(case: Case, weights: list[Any], upstream: list[Any]) -> dict[str, Any]:
    """What our layer gives in float64, with the same weights and inputs."""
    layer, x = case.make(layers, "float64"), case.inputs("float64")
    layer.build([a.shape for a in x] if isinstance(x, list) else x.shape)
    layer.set_weights(weights)
    return by_ours(case, layer, x, [u.astype(np.float64) for u in upstream])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients(case: Case) -> None:
    theirs, ours = case.make(keras.layers), case.make(layers)
    x = case.inputs()
    for layer in (theirs, ours):
        layer.build(*one_by_one(case, [a.shape for a in x] if isinstance(x, list) else x.shape))
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in theirs.get_weights()]
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    chosen = weights_for(ours)
    for layer in (theirs, ours):
        layer.set_weights(chosen)
    shapes = [a.shape for a in as_list(ours(x, mask=case.mask, **case.call))]
    ours.set_weights(chosen)
    upstream = [np.random.default_rng(9).standard_normal(s).astype(np.float32) for s in shapes]
    exact = in_float64(case, chosen, upstream)
    assert_agree(by_keras(case, theirs, x, upstream), exact)
    assert_agree(by_ours(case, ours, x, upstream), exact)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_shapes_and_masks(case: Case) -> None:
    theirs, ours = case.make(keras.layers), case.make(layers)
    shape = case.shape
    for open_axes in ((), (0,), (0, 1)):
        opened = [
            tuple(None if axis in open_axes else n for axis, n in enumerate(one))
            for one in (shape if isinstance(shape, list) else [shape])
        ]
        asked = opened if isinstance(shape, list) else opened[0]
        assert ours.compute_output_shape(asked) == tuple(theirs.compute_output_shape(*one_by_one(case, asked)))
    x = case.inputs()
    if case.mask is None:
        return
    mine = ours.compute_mask(x, case.mask)
    right = theirs.compute_mask(x, case.mask) if theirs.supports_masking else None
    if case.name == "MultiHeadAttention":
        right = case.mask[0]
    assert (mine is None) == (right is None)
    if mine is not None:
        np.testing.assert_array_equal(mine, right)


MADE = {f"{case.name} {sorted(case.options)} {case.inner}": case for case in CASES} | {
    f"{name} alone": Case(name, options)
    for name, options in {
        "SpatialDropout1D": {"rate": 0.25, "seed": 3},
        "GaussianNoise": {"stddev": 0.25, "seed": 3},
        "GaussianDropout": {"rate": 0.25},
        "Dropout": {"rate": 0.25, "noise_shape": (None, 1, 4)},
        "Masking": {"mask_value": 2.0},
        "Embedding": {"input_dim": 4, "output_dim": 3, "mask_zero": True},
        "Dense": {"units": 3},
    }.items()
}


@pytest.mark.parametrize("name", MADE)
def test_configurations_go_both_ways(name: str) -> None:
    case = MADE[name]
    # a wrapped layer has an automatic name, which both count over the process
    keras.utils.clear_session()
    layers.reset_names()
    theirs, ours = case.make(keras.layers, name="one"), case.make(layers, name="one")
    written, right = ours.get_config(), theirs.get_config()
    # an argument of Keras's that says how to store weights in fewer bits
    right.pop("quantization_config", None)
    assert not set(written) - set(right) - {"activity_regularizer"}
    # what is at its default may be left out, so that versions of Keras read it that have no such argument
    usual = inspect.signature(getattr(keras.layers, case.name)).parameters
    for key in set(right) - set(written) - {"activity_regularizer"}:
        assert right.pop(key) in (usual[key].default, keras.config.image_data_format()), key
    for key, value in right.items():
        if not isinstance(value, dict) and key not in ("dtype", "layer"):
            assert written[key] == (list(value) if isinstance(value, tuple) else value), key
    again = layers.deserialize(keras.layers.serialize(theirs))
    assert again.get_config() == written
    back = keras.layers.deserialize(layers.serialize(ours))
    assert back.name == ours.name


def test_automatic_names() -> None:
    keras.utils.clear_session()
    layers.reset_names()
    for case in {case.name: case for case in MADE.values() if case.inner is None}.values():
        assert case.make(layers).name == case.make(keras.layers).name


def test_masks_end_where_keras_ends_them() -> None:
    for case in {case.name: case for case in CASES if case.inner is None}.values():
        assert case.make(layers).supports_masking == case.make(keras.layers).supports_masking, case.name


def test_a_mask_that_ends_is_warned_about() -> None:
    mask = np.ones(SEQUENCE[:2], bool)
    for where in (layers, keras.layers):
        layer = where.MaxPooling1D(2)
        x = np.ones(SEQUENCE, np.float32)
        if where is keras.layers:
            x = keras.ops.convert_to_tensor(x)
            keras.src.backend.set_keras_mask(x, keras.ops.convert_to_tensor(mask))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            layer(x) if where is keras.layers else layer(x, mask=mask)
        assert len(caught) == 1


def test_training() -> None:
    """Gradients through many layers, moving statistics, penalties and constraints, step by step as in Keras."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((12, 9, 3)).astype("float32"), rng.standard_normal((12, 2)).astype("float32")
    found = []
    weights: Any = None
    for library in (keras, cellstep):
        of = library.layers
        net = library.Sequential(
            [
                of.Input((9, 3)),
                of.Conv1D(6, 3, padding="causal", kernel_regularizer="l2", kernel_constraint="max_norm"),
                of.BatchNormalization(momentum=0.6, gamma_regularizer="l1", beta_constraint="non_neg"),
                of.PReLU("ones", alpha_regularizer="l2", shared_axes=[1]),
                of.AveragePooling1D(2),
                of.TimeDistributed(of.Dense(5, kernel_regularizer="l2")),
                of.LayerNormalization(gamma_constraint="unit_norm", beta_regularizer="l2"),
                of.GlobalMaxPooling1D(),
                of.RepeatVector(3),
                of.GRU(4, return_sequences=True),
                of.Flatten(),
                of.Dense(2),
            ]
        )
        if weights is None:
            weights = [0.5 + rng.standard_normal(w.shape).astype("float32") / 4 for w in net.get_weights()]
        net.set_weights(weights)
        net.compile(library.optimizers.SGD(0.05), "mse")
        logs = net.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0, validation_data=(x, y)).history
        found.append((logs["loss"], logs["val_loss"], *net.get_weights()))
    for ours, right in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(ours, right, rtol=1e-4, atol=1e-5)
