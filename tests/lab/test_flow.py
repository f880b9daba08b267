"""gradient_flow: each number by another way: loops in NumPy, finite differences, analytic cases, the optimizers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cellstep
from cellstep import lab, layers, optimizers
from cellstep.lab.analysis.memory_horizon import clipping, horizon

Array = NDArray[Any]
B, T, FEATURES, H = 3, 7, 2, 4
EPSILON = 1e-6


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def sigmoid(v: Array) -> Array:
    return 1 / (1 + np.exp(-v))


def made(kind: Any, **options: Any) -> Any:
    layer = kind(H, dtype="float64", **options)
    layer.build((None, None, FEATURES))
    layer.set_weights([0.7 * normal(*w.shape, seed=k) for k, w in enumerate(layer.weights)])
    return layer


def test_a_simple_net_by_hand() -> None:
    layer, x = made(layers.SimpleRNN), normal(B, T, FEATURES)
    found = lab.gradient_flow(layer, x, scales=[0.5, 2.0], rows=B)
    W, U, b = layer.get_weights()
    assert [curve.scale for curve in found.curves] == [0.5, 2.0]
    for curve in found.curves:
        norms = np.zeros((B, T + 1))
        loss = np.zeros((B, T + 1))
        for row in range(B):
            h, steps = np.zeros(H), []
            for t in range(T):
                h = np.tanh(x[row, t] @ W + h @ (curve.scale * U) + b)
                steps.append((1 - h**2)[:, None] * (curve.scale * U).T)
            chain = np.eye(H)
            for t in range(T, -1, -1):
                norms[row, t] = np.linalg.svd(chain)[1][0]
                loss[row, t] = np.linalg.norm(np.full(H, H**-0.5) @ chain)
                if t:
                    chain = chain @ steps[t - 1]
            np.testing.assert_allclose(curve.step[row], [np.linalg.svd(J)[1][0] for J in steps], rtol=1e-12)
        np.testing.assert_allclose(curve.chain, norms, rtol=1e-10)
        np.testing.assert_allclose(curve.loss, loss.mean(axis=0), rtol=1e-10)
        k = np.arange(T, 0, -1)
        line = np.polyfit(k, np.log2(norms[:, :-1].mean(axis=0)), 1)
        assert curve.horizon.slope == pytest.approx(line[0], rel=1e-9)
        r = np.corrcoef(k, np.log2(norms[:, :-1].mean(axis=0)))[0, 1]
        assert curve.horizon.r2 == pytest.approx(r * r, rel=1e-9)
        top = lab.lyapunov(_times(layer, curve.scale), x, rows=B).exponents
        np.testing.assert_allclose(curve.exponents, top, rtol=1e-12)


def _times(layer: Any, scale: float) -> Any:
    other = type(layer).from_config({**layer.get_config(), "name": "other"})
    other.build((None, None, FEATURES))
    W, U, b = layer.get_weights()
    other.set_weights([W, scale * U, b])
    return other


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_the_loss_by_differences(kind: Any) -> None:
    """L is the sum of the last h over the root of H; h is nudged where the sequence is cut."""
    layer, x = made(kind, return_state=True), normal(B, T, FEATURES)
    curve = lab.gradient_flow(layer, x, scales=[1.0], rows=B).curves[0]
    for t in (0, 3, T - 1):
        states = layer(x[:, :t])[1:] if t else [np.zeros((B, H)) for _ in layer.cell.contract.states]
        slopes = np.zeros((B, H))
        for j in range(H):
            ends = []
            for sign in (1, -1):
                nudged = [s.copy() for s in states]
                nudged[0][:, j] += sign * EPSILON
                ends.append(layer(x[:, t:], initial_state=nudged)[0].sum(axis=1) / H**0.5)
            slopes[:, j] = (ends[0] - ends[1]) / (2 * EPSILON)
        assert curve.loss[t] == pytest.approx(np.linalg.norm(slopes, axis=1).mean(), rel=1e-6)
    assert curve.loss[T] == pytest.approx(1)


def test_the_four_terms_of_an_lstm_by_differences() -> None:
    """c_(t-1) is nudged and goes into one gate alone, by way of h_(t-1), while the others see what they saw."""
    layer, x = made(layers.LSTM), normal(B, T, FEATURES)
    curve = lab.gradient_flow(layer, x, scales=[1.0], rows=B).curves[0]
    assert curve.terms is not None
    assert curve.whole is not None
    assert curve.forget_product is not None
    W, U, b = layer.get_weights()
    for row in range(B):
        h = c = o = np.zeros(H)
        forgets = []
        for t in range(T):

            def gates(h: Array, t: int = t, row: int = row) -> list[Array]:
                i, f, g, o = np.split(x[row, t] @ W + h @ U + b, 4)
                return [sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)]

            i, f, g, o_new = gates(h)
            if t:
                slopes = {name: np.zeros((H, H)) for name in (*curve.terms, "all")}
                for j in range(H):
                    for sign in (1, -1):
                        c_nudged = c + sign * EPSILON * (np.arange(H) == j)
                        i2, f2, g2, _ = gates(o * np.tanh(c_nudged))
                        ways = {
                            "direct": f * c_nudged + i * g,
                            "by the forget gate": f2 * c + i * g,
                            "by the input gate": f * c + i2 * g,
                            "by the candidate": f * c + i * g2,
                            "all": f2 * c_nudged + i2 * g2,
                        }
                        for name, value in ways.items():
                            slopes[name][:, j] += sign * value / (2 * EPSILON)
                for name, slope in slopes.items():
                    right = np.linalg.svd(slope)[1][0]
                    value = curve.whole[row, t] if name == "all" else curve.terms[name][row, t]
                    assert value == pytest.approx(right, rel=1e-6), (name, t)
            else:
                assert curve.terms["direct"][row, 0] == pytest.approx(f.max())
                assert np.isnan(curve.terms["by the candidate"][row, 0])
            c = f * c + i * g
            o = o_new
            h = o * np.tanh(c)
            forgets.append(f)
        for t in range(T + 1):
            product = np.ones(H)
            for f in forgets[t:]:
                product = product * f
            assert curve.forget_product[row, t] == pytest.approx(product.mean(), rel=1e-12)


def test_masked_steps_carry_the_cell_state() -> None:
    model = cellstep.Sequential([layers.Masking(dtype="float64"), made(layers.LSTM)])
    x = normal(B, T, FEATURES)
    x[0, 3:5] = 0
    curve = lab.gradient_flow(model, x, scales=[1.0], rows=1).curves[0]
    short = lab.gradient_flow(made(layers.LSTM), np.delete(x[:1], [3, 4], axis=1), scales=[1.0]).curves[0]
    assert curve.terms is not None
    assert short.terms is not None
    for name, value in curve.terms.items():
        np.testing.assert_allclose(np.delete(value[0], [3, 4]), short.terms[name][0], rtol=1e-10)
        np.testing.assert_array_equal(value[0, 3:5], 1.0 if name == "direct" else 0.0)
    np.testing.assert_allclose(curve.chain[0, 0], short.chain[0, 0], rtol=1e-10)


def test_a_linear_unit_of_known_weight() -> None:
    for w, right in ((3.0, 27.0), (0.33, 0.33**3), (2 ** (-1 / 6), 2**-0.5), (2 ** (1 / 3), 2.0), (1.0, 1.0)):
        layer = layers.SimpleRNN(1, activation="linear", use_bias=False, dtype="float64")
        layer.build((None, None, 1))
        layer.set_weights([[[1.0]], [[w]]])
        curve = lab.gradient_flow(layer, normal(2, 3, 1), scales=[1.0]).curves[0]
        assert curve.chain[0, 0] == pytest.approx(right, rel=1e-12)
        assert curve.loss[0] == pytest.approx(right, rel=1e-12)
        assert curve.exponents[0] == pytest.approx(np.log(w), abs=1e-14)
        said = str(curve.horizon)
        wanted = {3.0: "multiplied by 3 each step", 0.33: "multiplied by 0.33 each step", 1.0: "keeps its size"}
        wanted |= {2 ** (-1 / 6): "halves every 6 steps", 2 ** (1 / 3): "doubles every 3 steps"}
        assert wanted[w] in said


def test_horizons_in_words() -> None:
    k = np.arange(30, -1, -1)
    exact = horizon(2.0 ** (-k / 6))
    assert exact.steps == pytest.approx(6)
    assert exact.r2 == pytest.approx(1)
    assert str(exact) == "halves every 6 steps (line through log2 |dh_T/dh_t| over 30 steps, R² 1.00)"
    assert str(horizon(2.0 ** (k / 3))).startswith("doubles every 3 steps")
    wild = horizon(2.0 ** (-k / 6 + 4 * np.random.default_rng(0).standard_normal(31)))
    assert wild.r2 < 0.8
    assert str(wild).startswith("roughly halves every")
    assert str(horizon(np.ones(31))).startswith("keeps its size, within 10% over 30 steps")
    assert "R² 1.00" in str(horizon(np.ones(31)))
    assert str(horizon(np.array([0.0, 0.0, 1.0]))) == "is zero or not finite at 2 of 2 steps back"
    assert str(horizon(np.array([np.nan, np.inf, 1.0]))) == "is zero or not finite at 2 of 2 steps back"
    assert str(horizon(np.array([0.5, 1.0]))) == "goes back one step, too few for a line"
    gone = horizon(np.where(k > 20, 0, 2.0 ** (-k / 6)))
    assert "over 20 steps" in str(gone)
    assert "zero or infinite at the other 10" in str(gone)
    assert gone.steps == pytest.approx(6)


def test_clipping_is_what_the_optimizers_do() -> None:
    gradients = {"a": normal(3, 4), "b": 0.01 * normal(5, seed=1), "c": 10 * normal(2, 2, seed=2)}
    found = clipping(gradients, 1.5)
    for options, total in (({"clipnorm": 1.5}, found.total_after), ({"global_clipnorm": 1.5}, found.global_after)):
        weights = [layers.Variable(np.zeros_like(g), name=name) for name, g in gradients.items()]
        optimizer = optimizers.SGD(1.0, **options)
        optimizer.apply([g.copy() for g in gradients.values()], weights)
        steps = [-w.value for w in weights]
        assert total == pytest.approx(np.sqrt(sum((s**2).sum() for s in steps)), rel=1e-12)
        if "clipnorm" in options:
            assert list(found.after.values()) == pytest.approx([np.linalg.norm(s) for s in steps])
            flat = [np.concatenate([a.ravel() for a in arrays]) for arrays in (gradients.values(), steps)]
            cosine = flat[0] @ flat[1] / np.linalg.norm(flat[0]) / np.linalg.norm(flat[1])
            assert found.direction == pytest.approx(cosine, rel=1e-12)
    assert found.total == pytest.approx(np.sqrt(sum((g**2).sum() for g in gradients.values())))
    assert "scales 2 of 3 gradients down" in str(found)
    assert "changes nothing" in str(clipping(gradients, 1e3))


def test_models_with_their_own_loss() -> None:
    net = cellstep.Sequential(
        [cellstep.Input((None, FEATURES), dtype="float64"), made(layers.GRU), layers.Dense(1, dtype="float64")]
    )
    net.compile("sgd", "mse")
    x, y = normal(B, T, FEATURES), normal(B, 1)
    found = lab.gradient_flow(net, x, y, scales=[1.0], clipnorm=0.1)
    gradients, _ = net.gradients(x, y)
    (curve,) = found.curves
    assert curve.clipping is not None
    assert curve.clipping.before == pytest.approx({path: np.linalg.norm(g) for path, g in gradients.items()})
    layer = lab.bptt(net, x, y).layers[0]
    with layers.trace() as runs:
        net.gradients(x, y)
    assert runs[0].gradients is not None
    right = np.linalg.norm(runs[0].gradients[0], axis=2).mean(axis=0)
    np.testing.assert_allclose(curve.loss[1:], right, rtol=1e-12)
    np.testing.assert_allclose(curve.chain, layer.chain, rtol=1e-12)
    assert "own loss" in found.summary()


def test_names_make_layers_and_everything_is_as_before() -> None:
    x = normal(B, T, FEATURES).astype("float32")
    net = cellstep.Sequential([layers.Bidirectional(layers.LSTM(3)), layers.Dense(1)])
    before_x = x.copy()
    net.build((None, None, FEATURES))
    before = net.get_weights()
    net.trainable_weights[0].grad[...] = 7
    found = lab.gradient_flow(["SimpleRNN", "LSTM", "GRU", net], x, scales=[0.5, 1.5], units=5)
    for a, b in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(net.trainable_weights[0].grad, 7)
    np.testing.assert_array_equal(x, before_x)
    assert [c.kind for c in found.curves] == ["SimpleRNN"] * 2 + ["LSTM"] * 2 + ["GRU"] * 2 + ["LSTM"] * 4
    assert [c.units for c in found.curves] == [5] * 6 + [3] * 4
    assert len(found.labels) == 5
    again = lab.gradient_flow(["SimpleRNN"], x, scales=[0.5], units=5)
    np.testing.assert_array_equal(again.curves[0].chain, found.curves[0].chain)
    with_y = lab.gradient_flow(["GRU"], x, normal(B, T, 2), scales=[1.0])
    assert (with_y.curves[0].loss > 0).all()
    header, rows = found.table()
    assert len(rows) == 10
    assert all(len(row) == len(header) for row in rows)
    assert len(repr(found)) < 200
    assert found.curves[0].horizon.steps == pytest.approx(float(rows[0][2].split()[0]), rel=5e-3)


def test_the_recurrent_weights_of_a_name_are_orthogonal_times_the_scale() -> None:
    """So the first Jacobians of a tanh net without inputs have just this norm."""
    curve = lab.gradient_flow("SimpleRNN", np.zeros((1, 3, 2)), scales=[1.5]).curves[0]
    np.testing.assert_allclose(curve.step, 1.5, rtol=1e-6)
    np.testing.assert_allclose(curve.chain[0], 1.5 ** np.array([3, 2, 1, 0]), rtol=1e-6)


def test_what_over_and_underflows() -> None:
    layer = layers.SimpleRNN(2, activation="linear", dtype="float64")
    layer.build((None, None, FEATURES))
    for w, slope in ((1e3, np.log2(1e3)), (1e-3, -np.log2(1e3))):
        layer.set_weights([np.ones((FEATURES, 2)), w * np.eye(2), np.zeros(2)])
        found = lab.gradient_flow(layer, normal(1, 200, FEATURES), scales=[1.0], clipnorm=1.0)
        (curve,) = found.curves
        assert curve.horizon.slope == pytest.approx(slope, rel=1e-6)
        assert curve.horizon.points < 120
        assert curve.exponents[0] == pytest.approx(np.log(w), rel=1e-6)
        assert "zero or infinite at the other" in found.summary()
        pytest.importorskip("matplotlib")
        found.draw()  # warnings are errors


def test_errors() -> None:
    x = normal(B, T, FEATURES)
    with pytest.raises(ValueError, match="models must be models, layers or some of SimpleRNN, LSTM, GRU, got 'RNN'"):
        lab.gradient_flow("RNN", x)
    with pytest.raises(TypeError, match="scales must be a number, got 'a'"):
        lab.gradient_flow("GRU", x, scales=["a"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="models must hold one model at least, got none"):
        lab.gradient_flow([], x)
    with pytest.raises(TypeError, match="models must be compiled models, or names, where y is given, got GRU"):
        lab.gradient_flow(layers.GRU(2), x, normal(B, 2))
    with pytest.raises(ValueError, match=r"x must have shape \(batch, time, features\) where models are names, got"):
        lab.gradient_flow("GRU", normal(B, T))
    for empty in (normal(0, T, FEATURES), normal(B, 0, FEATURES)):
        for function in (lab.gradient_flow, lab.gates, lab.lyapunov):
            with pytest.raises(ValueError, match="x must have a row and a step at least, got"):
                function(layers.GRU(2), empty)
    layer = made(layers.GRU)
    before = layer.get_weights()
    with pytest.raises(ValueError, match="expected x of shape"):
        lab.gradient_flow(layer, normal(B, T, 9), scales=[3.0])
    for a, b in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def flow_of_all(model: Any, x: Any, y: Any = None, **options: Any) -> dict[str, Any]:
    """The curves by their labels."""
    return {curve.label: curve for curve in lab.gradient_flow(model, x, y, scales=[1.0], **options).curves}


def test_probabilities_have_a_gradient() -> None:
    """The sum of a softmax is constant, so the largest output stands for it; beside finite differences."""
    x = normal(B, T, FEATURES)
    model = cellstep.Sequential(
        [cellstep.Input((T, FEATURES)), made(layers.GRU), layers.Dense(3, activation="softmax")]
    )
    flow = lab.gradient_flow(model, x, scales=[1.0])
    assert "the largest of the last outputs: they are probabilities" in flow.summary()
    W, b = model.layers[1].get_weights()
    h = np.asarray(model.layers[0](x), np.float64)

    def largest(h: Array, of: Any) -> Array:
        e = np.exp(h @ W + b)
        return np.take_along_axis(e / e.sum(-1, keepdims=True), of[:, None], -1)[:, 0]

    of = (h @ W + b).argmax(-1)
    slope = np.stack([(largest(h + e, of) - largest(h - e, of)) / (2 * EPSILON) for e in EPSILON * np.eye(H)], axis=-1)
    assert flow.curves[0].loss[-1] == pytest.approx(np.linalg.norm(slope, axis=-1).mean(), rel=1e-4)
    assert flow.curves[0].loss[0] > 0
    plain = cellstep.Sequential([cellstep.Input((T, FEATURES)), made(layers.GRU), layers.Dense(3)])
    assert "dL/dh_t is of the sum of the last outputs." in lab.gradient_flow(plain, x).summary()


def test_a_forget_bias_beside_the_net_as_it_is() -> None:
    x = normal(B, T, FEATURES)
    layer = made(layers.LSTM)
    before = [w.copy() for w in layer.get_weights()]
    curves = flow_of_all(layer, x, forget_bias=5.0)
    plain, biased = curves[layer.name], curves[f"{layer.name}, forget bias 5"]
    assert biased.forget_product[:, 0].mean() > 10 * plain.forget_product[:, 0].mean()
    assert all((a == b).all() for a, b in zip(before, layer.get_weights(), strict=True))
    other = made(layers.LSTM)
    weights = [w.copy() for w in before]
    weights[2][H : 2 * H] = 5
    other.set_weights(weights)
    np.testing.assert_array_equal(biased.chain, lab.gradient_flow(other, x, scales=[1.0]).curves[0].chain)
    gru = made(layers.GRU)
    curves = flow_of_all(gru, x, forget_bias=3.0)
    weights = [w.copy() for w in gru.get_weights()]
    weights[2][:, :H] = [[3], [0]]
    gru.set_weights(weights)
    kept = curves[f"{gru.name}, forget bias 3"]
    np.testing.assert_array_equal(kept.chain, lab.gradient_flow(gru, x, scales=[1.0]).curves[0].chain)
    with pytest.raises(ValueError, match=r"forget_bias=1.0 needs a cell with a gate that keeps and a bias, got none"):
        lab.gradient_flow("SimpleRNN", x, forget_bias=1)


def test_before_and_after_training() -> None:
    x, y = normal(40, T, FEATURES), normal(40, 1, seed=1)
    model = cellstep.Sequential([cellstep.Input((T, FEATURES)), made(layers.LSTM), layers.Dense(1)])
    model.compile("adam", "mse")
    before = [w.copy() for w in model.get_weights()]
    flow = lab.gradient_flow(model, x, y, scales=[1.0], forget_bias=1.0, updates=5)
    name = model.layers[0].name
    assert flow.labels == [
        name,
        f"{name}, after 5 updates",
        f"{name}, forget bias 1",
        f"{name}, forget bias 1, after 5 updates",
    ]
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert int(model.optimizer.iterations) == 0
    assert flow.curves[0].loss[0] != flow.curves[1].loss[0]
    assert "No optimizer has updated" not in flow.conclusion()
    model.fit(x, y, verbose=0)
    assert "No optimizer" not in lab.gradient_flow(model, x, y).summary()
    with pytest.raises(ValueError, match="y must be given for updates=3: a net learns from targets"):
        lab.gradient_flow("LSTM", x, updates=3)


def test_the_conclusion_says_what_the_curves_show() -> None:
    x = normal(B, 40, FEATURES)
    for scale, what in ((0.1, "vanishes"), (6.0, "explodes")):
        flow = lab.gradient_flow(made(layers.SimpleRNN, activation="linear"), x, scales=[scale])
        assert f"it {what} in" in flow.conclusion()
        assert flow.summary().endswith(flow.conclusion())


@pytest.mark.parametrize("view", ["gradient_flow", "gates", "fixed_points"])
def test_zoneout_is_refused(view: str) -> None:
    model = cellstep.Sequential([cellstep.Input((5, 2)), layers.GRU(3, zoneout=0.2, name="still"), layers.Dense(1)])
    with pytest.raises(ValueError, match=r"^zoneout of still must be 0 for the lab, got 0\.2$"):
        getattr(lab, view)(model, np.zeros((2, 5, 2)))
