"""The variants of `cellstep.cells` against loops in NumPy that are written here anew, equation by equation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, cells, kernels, layers, models, testing, use_backend

B, T, INPUTS, H = 3, 5, 2, 4
X = np.random.default_rng(0).standard_normal((B, T, INPUTS))


def sigmoid(v: Any) -> Any:
    return 1 / (1 + np.exp(-v))


def softplus(v: Any) -> Any:
    return np.log(1 + np.exp(v))


def normal(v: Any) -> Any:
    return (v - v.mean(1, keepdims=True)) / np.sqrt(v.var(1, keepdims=True) + 1e-3)


class Weights:
    """A cell's weights by name: W, U and b by gates, and vectors."""

    def __init__(self, cell: Any, rng: np.random.Generator) -> None:
        cell.build((None, INPUTS))
        for w in cell.weights:
            w.assign(rng.standard_normal(w.shape) * 0.7)
        self.by_name = {w.name: np.array(w, np.float64) for w in cell.weights}
        letters = cell.contract.letters
        self.W, self.U = ({g: a[:, k * H : k * H + H] for k, g in enumerate(letters)} for a in self.matrices())
        b = self.by_name.get("bias", np.zeros(len(letters) * H)).reshape(-1, len(letters), H)
        self.b = {g: b[0, k] for k, g in enumerate(letters)}
        self.b1 = {g: b[-1, k] if len(b) > 1 else 0 for k, g in enumerate(letters)}

    def matrices(self) -> Any:
        W = self.by_name["kernel"]
        return W, self.by_name.get("recurrent_kernel", np.zeros((H, W.shape[1])))

    def of_x(self, g: str, x: Any) -> Any:
        return x @ self.W[g] + self.b[g]

    def of_h(self, g: str, h: Any) -> Any:
        return h @ self.U[g] + self.b1[g]

    def sum(self, g: str, x: Any, h: Any) -> Any:
        return self.of_x(g, x) + self.of_h(g, h)

    def __getitem__(self, name: str) -> Any:
        return self.by_name[name]


def mgu(w: Weights, x: Any, h: Any) -> Any:
    f = sigmoid(w.sum("f", x, h))
    return ((1 - f) * h + f * np.tanh(w.of_x("n", x) + (f * h) @ w.U["n"]),)


def ugrnn(w: Weights, x: Any, h: Any) -> Any:
    g = sigmoid(w.sum("g", x, h))
    return (g * h + (1 - g) * np.tanh(w.sum("c", x, h)),)


def janet(w: Weights, x: Any, h: Any) -> Any:
    s = w.sum("f", x, h)
    return (sigmoid(s) * h + (1 - sigmoid(s - 1)) * np.tanh(w.sum("c", x, h)),)


def indrnn(w: Weights, x: Any, h: Any) -> Any:
    return (np.maximum(w.of_x("n", x) + w["u"] * h, 0),)


def ctrnn(w: Weights, x: Any, h: Any) -> Any:
    return (h + 0.1 * (np.tanh(w.sum("n", x, h)) - h) / softplus(w["time_constant"]),)


def ltc(w: Weights, x: Any, h: Any) -> Any:
    f = sigmoid(w.sum("f", x, h))
    return ((h + 0.1 * f * w["a"]) / (1 + 0.1 * (1 / softplus(w["time_constant"]) + f)),)


def cfc(w: Weights, x: Any, h: Any) -> Any:
    s = sigmoid(-w.sum("f", x, h) + w.sum("w", x, h))
    return (s * np.tanh(w.sum("g", x, h)) + (1 - s) * np.tanh(w.sum("k", x, h)),)


def gates(w: Weights, x: Any, h: Any, letters: str = "ifco") -> Any:
    return [w.sum(g, x, h) for g in letters]


def peephole(w: Weights, x: Any, h: Any, c: Any) -> Any:
    zi, zf, zc, zo = gates(w, x, h)
    i, f = sigmoid(zi + w["input_peephole"] * c), sigmoid(zf + w["forget_peephole"] * c)
    c = f * c + i * np.tanh(zc)
    return sigmoid(zo + w["output_peephole"] * c) * np.tanh(c), c


def peephole_clipped(w: Weights, x: Any, h: Any, c: Any) -> Any:
    zi, zf, zc, zo = gates(w, x, h)
    i = sigmoid(np.clip(zi + w["input_peephole"] * c, -0.5, 0.5))
    f = sigmoid(np.clip(zf + w["forget_peephole"] * c, -0.5, 0.5))
    c = np.clip(f * c + i * np.tanh(np.clip(zc, -0.5, 0.5)), -0.3, 0.3)
    return sigmoid(np.clip(zo + w["output_peephole"] * c, -0.5, 0.5)) * np.tanh(c), c


def coupled(w: Weights, x: Any, h: Any, c: Any) -> Any:
    zi, zc, zo = gates(w, x, h, "ico")
    c = (1 - sigmoid(zi)) * c + sigmoid(zi) * np.tanh(zc)
    return sigmoid(zo) * np.tanh(c), c


def clipped(w: Weights, x: Any, h: Any, c: Any) -> Any:
    zi, zf, zc, zo = gates(w, x, h)
    c = np.minimum(np.maximum(sigmoid(zf) * c + sigmoid(zi) * np.tanh(zc), -0.3), 0.3)
    return sigmoid(zo) * np.tanh(c), c


def projection(w: Weights, x: Any, h: Any, c: Any) -> Any:
    zi, zf, zc, zo = gates(w, x, h)
    c = sigmoid(zf) * c + sigmoid(zi) * np.tanh(zc)
    return (sigmoid(zo) * np.tanh(c)) @ w["projection_kernel"], c


def augmented(w: Weights, x: Any, h: Any, c: Any) -> Any:
    i = sigmoid(w.sum("i", x, h) + w["input_peephole"] * c)
    f = sigmoid(w.sum("f", x, h) + w["forget_peephole"] * c)
    g = sigmoid(w.sum("g", x, h) + w["external_peephole"] * c)
    c = f * c + i * np.tanh(g * w.of_x("c", x) + w.of_h("c", h))
    o = sigmoid(w.sum("o", x, h) + w["output_peephole"] * c)
    return (o * np.tanh(c)) @ w["projection_kernel"], c


def layer_norm_lstm(w: Weights, x: Any, h: Any, c: Any) -> Any:
    i, f, g, o = (normal(w.sum(p, x, h)) * w[f"gain_{p}"] + w[f"shift_{p}"] for p in "ifco")
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(normal(c) * w["gain_cell"] + w["shift_cell"]), c


def layer_norm_gru(w: Weights, x: Any, h: Any) -> Any:
    def part(v: Any, p: str) -> Any:
        return normal(v) * w[f"gain_{p}"] + w[f"shift_{p}"]

    u, r = sigmoid(part(w.sum("z", x, h), "z")), sigmoid(part(w.sum("r", x, h), "r"))
    n = np.tanh(part(w.of_x("n", x), "n") + r * part(w.of_h("n", h), "q"))
    return (u * h + (1 - u) * n,)


def slstm(w: Weights, x: Any, h: Any, c: Any, n: Any, m: Any) -> Any:
    zi, zf, zc, zo = gates(w, x, h)
    logf = np.log(sigmoid(zf))
    most = np.maximum(logf + m, zi)
    i, f = np.exp(zi - most), np.exp(logf + m - most)
    c, n = f * c + i * np.tanh(zc), f * n + i
    return sigmoid(zo) * (c / n), c, n, most


def positive(v: Any) -> Any:
    return np.where(v >= 0, v + 0.5, sigmoid(v))


def mingru(w: Weights, x: Any, h: Any) -> Any:
    z = sigmoid(w.of_x("z", x))
    return (z * w.of_x("n", x) + (1 - z) * h,)


def mingru_positive(w: Weights, x: Any, h: Any) -> Any:
    z = sigmoid(w.of_x("z", x))
    return (z * positive(w.of_x("n", x)) + (1 - z) * h,)


def minlstm(w: Weights, x: Any, h: Any) -> Any:
    f, i = sigmoid(w.of_x("f", x)), sigmoid(w.of_x("i", x))
    return (f / (f + i) * h + i / (f + i) * w.of_x("n", x),)


def minlstm_positive(w: Weights, x: Any, h: Any) -> Any:
    f, i = sigmoid(w.of_x("f", x)), sigmoid(w.of_x("i", x))
    return (f / (f + i) * h + i / (f + i) * positive(w.of_x("n", x)),)


def sru(w: Weights, x: Any, h: Any, c: Any) -> Any:
    f = sigmoid(w.of_x("f", x) + w["forget_vector"] * c)
    r = sigmoid(w.of_x("r", x) + w["reset_vector"] * c)
    c = f * c + (1 - f) * w.of_x("u", x)
    return r * c + (1 - r) * w.of_x("s", x), c


def qrnn(w: Weights, x: Any, h: Any, c: Any) -> Any:
    f = sigmoid(w.of_x("f", x))
    c = f * c + (1 - f) * np.tanh(w.of_x("n", x))
    return sigmoid(w.of_x("o", x)) * c, c


def lru(w: Weights, x: Any, h: Any, re: Any, im: Any) -> Any:
    power = np.exp(-np.exp(w["nu"]) + 1j * np.exp(w["theta"]))
    state = power * (re + 1j * im)
    state += w["gain"] * np.sqrt(1 - abs(power) ** 2) * (x @ (w.W["a"] + 1j * w.W["b"]))
    y = state @ (w.U["a"] - 1j * w.U["b"])
    return y.real + x @ w.W["d"], state.real, state.imag


VARIANTS: dict[str, tuple[str, dict[str, Any], Callable[..., Any]]] = {
    "MGU": ("MGU", {}, mgu),
    "UGRNN": ("UGRNN", {}, ugrnn),
    "JANET": ("JANET", {}, janet),
    "IndRNN": ("IndRNN", {}, indrnn),
    "CTRNN": ("CTRNN", {}, ctrnn),
    "LTC": ("LTC", {}, ltc),
    "CfC": ("CfC", {}, cfc),
    "PeepholeLSTM": ("PeepholeLSTM", {}, peephole),
    "PeepholeLSTM, clipped": ("PeepholeLSTM", {"cell_clip": 0.3, "gate_clip": 0.5}, peephole_clipped),
    "CoupledLSTM": ("CoupledLSTM", {}, coupled),
    "ClippedLSTM": ("ClippedLSTM", {"cell_clip": 0.3}, clipped),
    "ProjectionLSTM": ("ProjectionLSTM", {"projection": 3}, projection),
    "AugmentedLSTM": ("AugmentedLSTM", {"projection": 3}, augmented),
    "LayerNormLSTM": ("LayerNormLSTM", {}, layer_norm_lstm),
    "LayerNormGRU": ("LayerNormGRU", {}, layer_norm_gru),
    "SLSTM": ("SLSTM", {}, slstm),
    "MinGRU": ("MinGRU", {}, mingru),
    "MinGRU, positive": ("MinGRU", {"positive": True}, mingru_positive),
    "MinLSTM": ("MinLSTM", {}, minlstm),
    "MinLSTM, positive": ("MinLSTM", {"positive": True}, minlstm_positive),
    "SRU": ("SRU", {}, sru),
    "QRNN": ("QRNN", {}, qrnn),
    "LRU": ("LRU", {}, lru),
}


#: Those that Numba's loops are compiled for here.
COMPILED = ("MGU", "SLSTM", "MinGRU", "MinLSTM", "QRNN", "LRU", "ProjectionLSTM")


def test_every_variant_is_here() -> None:
    assert {name for name, _, _ in VARIANTS.values()} == set(cells.__all__) - {"Cell"}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_its_equations(name: str, backend: kernels.Backend) -> None:
    if backend.name == "numba" and name not in COMPILED:
        pytest.skip("one of a kind is enough: compiling takes seconds")
    title, options, step = VARIANTS[name]
    cell = getattr(cells, title)(H, dtype="float64", **options)
    w = Weights(cell, np.random.default_rng(1))
    with use_backend(backend.name):
        y = layers.RNN(cell, return_sequences=True)(X)
    states = tuple(np.zeros((B, n)) for n in cell.state_sizes)
    for t in range(T):
        states = step(w, X[:, t], *states)
        np.testing.assert_allclose(y[:, t], states[0], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_of_a_variant(name: str) -> None:
    title, options, _ = VARIANTS[name]
    known = [b for b, missing in kernels.available().items() if not missing and (b != "numba" or name in COMPILED)]
    testing.check_cell(getattr(cells, title)(3, **options), batch=2, steps=3, backends=known)


def test_variants_are_saved(tmp_path: Path) -> None:
    titles = sorted({title for title, _, _ in VARIANTS.values()})
    first = [layers.Bidirectional(cells.MGU.Layer(2, return_sequences=True)), layers.RNN(cells.JANET(2))]
    model = Sequential([Input((T, INPUTS)), *first, layers.RepeatVector(2)])
    for title in titles:
        kind = getattr(cells, title)
        model.add(kind.Layer(3, *[2] * len(kind.size_names()), return_sequences=True))
    model.save(tmp_path / "m.keras")
    x = X.astype("float32")
    again = models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
