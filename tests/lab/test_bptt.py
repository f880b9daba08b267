"""bptt: parts that add up to the model's own gradient, each held against finite differences; norms of Jacobians."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cellstep
from cellstep import lab, layers

Array = NDArray[Any]
B, T, FEATURES = 5, 7, 3
EPSILON = 1e-6


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def compiled(*parts: Any, loss: str = "mse") -> cellstep.Sequential:
    model = cellstep.Sequential([cellstep.Input((None, FEATURES), dtype="float64"), *parts])
    model.compile("sgd", loss)
    return model


KINDS = {
    "SimpleRNN": lambda **o: layers.SimpleRNN(4, dtype="float64", **o),
    "LSTM": lambda **o: layers.LSTM(4, dtype="float64", **o),
    "GRU": lambda **o: layers.GRU(4, dtype="float64", **o),
    "GRU before": lambda **o: layers.GRU(4, reset_after=False, dtype="float64", **o),
    "no bias": lambda **o: layers.LSTM(4, use_bias=False, dtype="float64", **o),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def check_sums(result: lab.BPTT) -> None:
    for path, rest in result.rest.items():
        scale = np.abs(result.gradients[path]).max()
        assert scale > 0
        assert np.abs(rest).max() <= 1e-12 * scale, path


@every_kind
@pytest.mark.parametrize("sequences", [False, True])
def test_parts_add_up_to_the_gradients_of_the_model(kind: str, sequences: bool) -> None:
    model = compiled(KINDS[kind](return_sequences=sequences), layers.Dense(2, dtype="float64"))
    x, y = normal(B, T, FEATURES), normal(B, T, 2) if sequences else normal(B, 2)
    result = lab.bptt(model, x, y)
    gradients, loss = model.gradients(x, y)
    assert result.loss == loss
    assert set(result.gradients) == set(gradients) == set(result.outputs) | set(result.rest)
    check_sums(result)
    (layer,) = result.layers
    for name, parts in layer.gradients.items():
        total = gradients[getattr(model.layers[0].cell, name).path]
        np.testing.assert_allclose(parts.sum(axis=0), total, rtol=1e-12, atol=1e-14)


@every_kind
def test_a_part_is_the_slope_of_the_loss_by_the_weight_at_one_step(kind: str) -> None:
    """The sequence is run in three pieces, the middle one a step with weights of its own, which are nudged."""
    layer, head = KINDS[kind](), layers.Dense(1, dtype="float64")
    model = compiled(layer, head)
    x, y = normal(B, T, FEATURES), normal(B, 1)
    parts = lab.bptt(model, x, y).layers[0].gradients
    other = type(layer).from_config({**layer.get_config(), "name": "other", "return_state": True})
    same = type(layer).from_config({**layer.get_config(), "name": "same", "return_state": True})
    for twin in (other, same):
        twin.build((None, None, FEATURES))
        twin.set_weights(layer.get_weights())

    def loss(t: int) -> float:
        states = same(x[:, :t])[1:] if t else [np.zeros((B, 4)) for _ in layer.cell.contract.states]
        out, *states = other(x[:, t : t + 1], initial_state=states)
        if t + 1 < T:
            out = same(x[:, t + 1 :], initial_state=states)[0]
        return float(((head(out) - y) ** 2).mean())

    rng = np.random.default_rng(4)
    for name, part in parts.items():
        weight = getattr(other.cell, name)
        for t in (0, 3, T - 1):
            at = tuple(int(rng.integers(n)) for n in weight.shape)
            value = weight.numpy()
            ends = []
            for sign in (1, -1):
                nudged = value.copy()
                nudged[at] += sign * EPSILON
                weight.assign(nudged)
                ends.append(loss(t))
            weight.assign(value)
            np.testing.assert_allclose(part[t][at], (ends[0] - ends[1]) / (2 * EPSILON), atol=1e-8)


@pytest.mark.parametrize("lengths", [[7, 4, 1, 0, 7], None])
def test_bidirectional_stacks_and_masks(lengths: Any) -> None:
    model = compiled(
        layers.Masking(dtype="float64"),
        layers.Bidirectional(layers.LSTM(4, return_sequences=True, dtype="float64")),
        layers.GRU(3, num_layers=2, dtype="float64"),
        layers.Dense(2, dtype="float64"),
    )
    x, y = normal(B, T, FEATURES), normal(B, 2)
    if lengths is not None:
        x[np.arange(T) >= np.array(lengths)[:, None]] = 0
    result = lab.bptt(model, x, y, rows=B)
    check_sums(result)
    names = [(layer.name.split("/")[-1], layer.kind, layer.backwards) for layer in result.layers]
    assert names[0][0].startswith("forward_lstm")
    assert names[1][0].startswith("backward_lstm")
    assert [n[1:] for n in names] == [("LSTM", False), ("LSTM", True), ("GRU", False), ("GRU", False)]
    if lengths is not None:
        run = np.arange(T) < np.array(lengths)[:, None]
        gru = result.layers[2]
        np.testing.assert_array_equal(gru.jacobian_norms[~run], 1)
        np.testing.assert_array_equal(gru.radii[~run], 1)
        assert (np.abs(gru.radii[run] - 1) > 1e-6).all()
        # the row without steps passes on what comes
        np.testing.assert_array_equal(gru.chain[3], 1)


def test_a_shared_layer_has_an_entry_for_each_call() -> None:
    shared = layers.GRU(4, dtype="float64", name="shared")
    a, b = cellstep.Input((None, FEATURES)), cellstep.Input((None, FEATURES))
    model = cellstep.Model([a, b], layers.Dense(1, dtype="float64")(layers.Concatenate()([shared(a), shared(b)])))
    model.compile("sgd", "mse")
    x = [normal(B, T, FEATURES).astype("float32"), normal(B, 4, FEATURES, seed=1).astype("float32")]
    result = lab.bptt(model, x, normal(B, 1).astype("float32"))
    assert sorted((layer.name, layer.steps) for layer in result.layers) == [
        ("shared (call 1)", 7),
        ("shared (call 2)", 4),
    ]
    for path, rest in result.rest.items():
        assert np.abs(rest).max() <= 1e-6 * np.abs(result.gradients[path]).max()


def test_initial_states_regularizers_weights_and_scaled_losses() -> None:
    x, y, weight = normal(B, T, FEATURES), normal(B, 2), np.arange(1.0, B + 1)
    layer = layers.LSTM(4, trainable_initial_state=True, kernel_regularizer="l2", dtype="float64")
    model = cellstep.Sequential(
        [cellstep.Input((None, FEATURES), dtype="float64"), layer, layers.Dense(2, dtype="float64")]
    )
    model.compile(cellstep.optimizers.SGD(loss_scale_factor=8.0), "mse")
    layer.initial[0].assign(normal(4))
    result = lab.bptt(model, x, y, weight)
    gradients, _ = model.gradients(x, y, weight)
    paths = {name: getattr(layer.cell, name).path for name in ("kernel", "recurrent_kernel", "bias")}
    parts = result.layers[0].gradients
    for name in ("recurrent_kernel", "bias"):
        np.testing.assert_allclose(parts[name].sum(axis=0), gradients[paths[name]], rtol=1e-12, atol=1e-14)
    # what is left is the regularizer's: 2 * 0.01 * W
    np.testing.assert_allclose(result.rest[paths["kernel"]], 0.02 * layer.cell.kernel.value, rtol=1e-9)
    assert any("initial" in path for path in result.outputs)


def test_what_reaches_h_is_split_into_output_and_feedback() -> None:
    model = compiled(layers.GRU(4, return_sequences=True, dtype="float64"))
    x, y = normal(B, T, FEATURES), normal(B, T, 4)
    layer = lab.bptt(model, x, y).layers[0]
    dy = 2 * (model(x) - y) / y.size
    np.testing.assert_allclose(layer.output, np.sqrt((dy**2).sum(axis=(0, 2))), rtol=1e-12)
    assert layer.feedback[-1] == 0
    np.testing.assert_allclose(layer.dh[-1], layer.output[-1], rtol=1e-12)
    last = compiled(layers.GRU(4, dtype="float64"))
    layer = lab.bptt(last, x, y[:, 0]).layers[0]
    np.testing.assert_array_equal(layer.output[:-1], 0)
    np.testing.assert_allclose(layer.feedback[:-1], layer.dh[1:-1], rtol=1e-12)


def test_a_linear_unit_with_a_weight_of_three() -> None:
    """dL/dh grows threefold a step back, the parts of the weight's gradient follow, and |dh_T/dh_0| is 27."""
    for w in (3.0, 0.33):
        layer = layers.SimpleRNN(1, activation="linear", use_bias=False, dtype="float64")
        model = cellstep.Sequential([cellstep.Input((3, 1), dtype="float64"), layer])
        model.compile("sgd", "mse")
        layer.set_weights([[[1.0]], [[w]]])
        x = np.array([[[1.0], [2.0], [-1.0]]])
        h = [0.0, 1.0, 2 + w, -1 + 2 * w + w * w]
        result = lab.bptt(model, x, np.zeros((1, 1)))
        (found,) = result.layers
        slope = 2 * h[3]
        np.testing.assert_allclose(found.dh, np.abs(slope) * np.array([w**3, w**2, w, 1]), rtol=1e-12)
        np.testing.assert_allclose(
            found.gradients["recurrent_kernel"][:, 0, 0],
            [slope * w**2 * h[0], slope * w * h[1], slope * h[2]],
            rtol=1e-12,
        )
        np.testing.assert_allclose(
            found.gradients["kernel"][:, 0, 0], [slope * w**2, slope * w * 2, -slope], rtol=1e-12
        )
        np.testing.assert_allclose(found.chain[0], [w**3, w**2, w, 1], rtol=1e-12)
        np.testing.assert_allclose(found.radii[0], w, rtol=1e-12)
        assert list(found.order) == [3, 2, 1]
        assert ("27" in result.summary()) == (w == 3)
        assert ("0.0359" in result.summary()) == (w == 0.33)


def test_norms_are_those_of_the_arrays() -> None:
    model = compiled(layers.LSTM(4, dtype="float64"), layers.Dense(1, dtype="float64"))
    layer = lab.bptt(model, normal(B, T, FEATURES), normal(B, 1), rows=2).layers[0]
    assert layer.jacobians.shape == (2, T, 8, 8)
    for b in range(2):
        for t in range(T):
            J = layer.jacobians[b, t]
            assert np.isclose(layer.jacobian_norms[b, t], np.linalg.svd(J)[1][0])
            assert np.isclose(layer.h_norms[b, t], np.linalg.svd(J[:4, :4])[1][0])
            assert layer.c_norms is not None
            assert np.isclose(layer.c_norms[b, t], np.abs(np.diag(J[4:, 4:])).max())
            assert np.isclose(layer.radii[b, t], np.abs(np.linalg.eigvals(J)).max())
        chain = np.eye(8)
        for t in reversed(range(T)):
            chain = chain @ layer.jacobians[b, t]
            assert np.isclose(layer.chain[b, t], np.linalg.svd(chain[:4, :4])[1][0])
            assert np.isclose(layer.whole_chain[b, t], np.linalg.svd(chain)[1][0])
    for name, parts in layer.gradients.items():
        for t in range(T):
            assert np.isclose(layer.norms[name][t], np.linalg.norm(parts[t]))
            for g in range(4):
                assert np.isclose(layer.columns[name][t, g], np.linalg.norm(parts[t][..., 4 * g : 4 * g + 4]))
    parts = layer.norms["kernel"][::-1]
    recent = layer.recent("kernel", 0.5)
    assert parts[:recent].sum() >= 0.5 * parts.sum() > parts[: recent - 1].sum()


def test_the_table_goes_from_the_last_step_back() -> None:
    model = compiled(layers.SimpleRNN(4, dtype="float64"))
    result = lab.bptt(model, normal(B, T, FEATURES), normal(B, 4))
    header, rows = result.table()
    assert [row[1] for row in rows] == ["7", "6", "5", "4", "3", "2", "1"]
    assert all(len(row) == len(header) for row in rows)
    assert float(rows[2][header.index("kernel")]) == pytest.approx(result.layers[0].norms["kernel"][4], rel=5e-3)
    assert len(repr(result)) < 100


def test_dropout_and_python_cells() -> None:
    model = compiled(layers.GRU(4, dropout=0.3, recurrent_dropout=0.4, seed=1, dtype="float64"))
    check_sums(lab.bptt(model, normal(B, T, FEATURES), normal(B, 4)))


def test_errors() -> None:
    x, y = normal(B, T, FEATURES), normal(B, 1)
    with pytest.raises(TypeError, match="model must be a compiled model, got GRU"):
        lab.bptt(layers.GRU(3), x, y)
    plain = cellstep.Sequential([layers.Dense(1)])
    with pytest.raises(RuntimeError, match="must be called before bptt"):
        lab.bptt(plain, x, y)
    plain.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"model must have a recurrent layer \(SimpleRNN, LSTM, GRU\), got none"):
        lab.bptt(plain, x, y[:, None])
    frozen = compiled(layers.GRU(4, dtype="float64", trainable=False), layers.Dense(1, dtype="float64"))
    with pytest.raises(ValueError, match="no recurrent layer that a gradient reaches"):
        lab.bptt(frozen, x, y)
    with pytest.raises(ValueError, match="rows must be"):
        lab.bptt(compiled(layers.GRU(1, dtype="float64")), x, y, rows=0)
