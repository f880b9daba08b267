"""Random models of one RNN, LSTM or GRU node with any attributes, and what the specification says that they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "relu": lambda x, a, b: np.maximum(x, 0),
    "tanh": lambda x, a, b: np.tanh(x),
    "sigmoid": lambda x, a, b: 1 / (1 + np.exp(-x)),
    "affine": lambda x, a, b: a * x + b,
    "leakyrelu": lambda x, a, b: np.where(x >= 0, x, a * x),
    "thresholdedrelu": lambda x, a, b: np.where(x >= a, x, 0),
    "scaledtanh": lambda x, a, b: a * np.tanh(b * x),
    "hardsigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "elu": lambda x, a, b: np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0))),
    "softsign": lambda x, a, b: x / (1 + np.abs(x)),
    "softplus": lambda x, a, b: np.log1p(np.exp(x)),
}
#: The constants of each, with the defaults of the operators of these names, or those that change nothing.
ALPHA = {"affine": 1.0, "leakyrelu": 0.01, "thresholdedrelu": 1.0, "scaledtanh": 1.0, "hardsigmoid": 0.2, "elu": 1.0}
BETA = {"affine": 0.0, "scaledtanh": 1.0, "hardsigmoid": 0.5}
#: Where onnxruntime has other defaults than the specification, so that these are always given.
ALWAYS_GIVEN = ("affine", "thresholdedrelu", "scaledtanh")
_NAMES = ("Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu")
_NAMES += ("Softsign", "Softplus")
_DEFAULT = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def random_node(seed: int, dtype: Any = np.float32, layout: int | None = None) -> tuple[Any, dict[str, Any]]:
    """A model, and arrays for its inputs."""
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(list(GATES)))
    direction = str(rng.choice(["forward", "reverse", "bidirectional"]))
    D, G = 2 if direction == "bidirectional" else 1, GATES[kind]
    B, T, width, H = (int(rng.integers(1, n)) for n in (5, 7, 5, 6))

    def numbers(*shape: int) -> Any:
        return (rng.normal(size=shape) * 0.6).astype(dtype)

    layout = int(rng.random() < 0.2) if layout is None else layout
    attributes: dict[str, Any] = {"hidden_size": H}
    if direction != "forward" or rng.random() < 0.3:
        attributes["direction"] = direction
    if layout:
        attributes["layout"] = 1
    if rng.random() < 0.2:
        attributes["clip"] = float(rng.uniform(0.3, 2))
    if kind == "LSTM" and rng.random() < 0.2:
        attributes["input_forget"] = 1
    if kind == "GRU" and rng.random() < 0.5:
        attributes["linear_before_reset"] = 1
    if rng.random() < 0.35:
        _choose_functions(rng, attributes, len(_DEFAULT[kind]) * D)
    inputs, constants = ["X", "W", "R", *[""] * 5], {"W": numbers(D, G * H, width), "R": numbers(D, G * H, H)}
    feed = {"X": numbers(*((B, T, width) if layout else (T, B, width)))}
    sizes: dict[str, Any] = {"X": ["B", "T", width] if layout else ["T", "B", width]}
    state, named = ((B, D, H), ["B", D, H]) if layout else ((D, B, H), [D, "B", H])
    if rng.random() < 0.7:
        inputs[3], constants["B"] = "B", numbers(D, 2 * G * H)
    if rng.random() < 0.3:
        inputs[4], sizes["lengths"] = "lengths", ["B"]
        feed["lengths"] = rng.integers(1, T + 1, B).astype(np.int32)
    for i, name in ((5, "h0"), (6, "c0")):
        if (i == 5 or kind == "LSTM") and rng.random() < 0.4:
            inputs[i], sizes[name] = name, named
            (constants if rng.random() < 0.3 else feed)[name] = numbers(*state)
    if constants.keys() & {"h0", "c0"}:  # of so many rows
        sizes = {name: [B if n == "B" else n for n in entry] for name, entry in sizes.items()}
    if kind == "LSTM" and rng.random() < 0.25:
        inputs[7], constants["P"] = "P", numbers(D, 3 * H)
    outputs = [name if rng.random() < 0.7 else "" for name in ("Y", "Y_h", "Y_c")[: 3 if kind == "LSTM" else 2]]
    outputs = outputs if any(outputs) else ["Y"]
    node = helper.make_node(kind, _cut(inputs), _cut(outputs), **attributes)
    version = int(rng.choice([14, 17, 20, 22] if layout else [7, 14, 17, 20, 22]))
    return of_node(node, sizes, feed, constants, version), feed


def _choose_functions(rng: Any, attributes: dict[str, Any], count: int) -> None:
    names = [str(rng.choice(_NAMES)) for _ in range(count)]
    attributes["activations"] = names
    lower = [name.lower() for name in names]
    if rng.random() < 0.7 or any(name in ALWAYS_GIVEN for name in lower):
        for key, known in (("alpha", ALPHA), ("beta", BETA)):
            values = [float(rng.uniform(0.1, 1)) for name in lower if name in known]
            if values:
                attributes[f"activation_{key}"] = values


def _cut(names: list[str]) -> list[str]:
    while not names[-1]:
        names = names[:-1]
    return names


def of_node(node: Any, sizes: Any, feed: Any, constants: Any, version: int) -> Any:
    """A model of one node, whose inputs are those of `feed`."""
    types = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int32": TensorProto.INT32}
    inputs = [helper.make_tensor_value_info(n, types[str(a.dtype)], sizes[n]) for n, a in feed.items()]
    kind = types[str(feed["X"].dtype)]
    outputs = [helper.make_tensor_value_info(n, kind, None) for n in node.output if n]
    arrays = [numpy_helper.from_array(a, n) for n, a in constants.items()]
    graph = helper.make_graph([node], "node", inputs, outputs, arrays)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)


def expected(model: Any, feed: dict[str, Any]) -> list[Any]:
    """The outputs of such a model in float64, by the equations of the specification."""
    (node,) = model.graph.node
    a = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    arrays = {**{t.name: numpy_helper.to_array(t) for t in model.graph.initializer}, **feed}
    X, W, R, B, lengths, h0, c0, P = (
        arrays[name].astype(float) if name else None for name in (*node.input, *[""] * 8)[:8]
    )
    kind, H, D = node.op_type, a["hidden_size"], len(W)
    if a.get("layout"):
        X = X.transpose(1, 0, 2)
        h0, c0 = (None if s is None else s.transpose(1, 0, 2) for s in (h0, c0))
    T, rows, _ = X.shape
    lengths = np.full(rows, T) if lengths is None else lengths.astype(int)
    directions = {b"reverse": [True], b"bidirectional": [False, True]}.get(a.get("direction"), [False])
    functions = _functions(a, kind, D)
    Y, Y_h, Y_c = np.zeros((T, D, rows, H)), np.zeros((D, rows, H)), np.zeros((D, rows, H))
    for d, back in enumerate(directions):
        bias = np.zeros((2, GATES[kind] * H)) if B is None else B[d].reshape(2, -1)
        peep = np.zeros((3, H)) if P is None else P[d].reshape(3, H)
        for row in range(rows):
            h = np.zeros(H) if h0 is None else h0[d, row]
            c = np.zeros(H) if c0 is None else c0[d, row]
            steps = list(range(lengths[row]))
            for t in reversed(steps) if back else steps:
                h, c = _step(kind, X[t, row], h, c, W[d], R[d], bias, peep, functions[d], a)
                Y[t, d, row] = h
            Y_h[d, row], Y_c[d, row] = h, c
    if a.get("layout"):
        Y, Y_h, Y_c = Y.transpose(2, 0, 1, 3), Y_h.transpose(1, 0, 2), Y_c.transpose(1, 0, 2)
    return [value for value, name in zip((Y, Y_h, Y_c), node.output, strict=False) if name]


def _functions(a: dict[str, Any], kind: str, D: int) -> list[list[Callable[[Any], Any]]]:
    names = [n.decode().lower() for n in a.get("activations", [])] or [n.lower() for n in _DEFAULT[kind]] * D
    alphas, betas = iter(a.get("activation_alpha", [])), iter(a.get("activation_beta", []))
    bound = []
    for name in names:
        alpha = next(alphas, ALPHA[name]) if name in ALPHA else 0.0
        beta = next(betas, BETA[name]) if name in BETA else 0.0
        bound.append(lambda x, f=FUNCTIONS[name], alpha=alpha, beta=beta: f(x, alpha, beta))
    return [bound[d * len(_DEFAULT[kind]) : (d + 1) * len(_DEFAULT[kind])] for d in range(D)]


def _step(kind: str, x: Any, h: Any, c: Any, W: Any, R: Any, bias: Any, peep: Any, f: Any, a: Any) -> tuple[Any, Any]:
    bound = a.get("clip", np.inf)

    def clipped(v: Any) -> Any:
        return np.clip(v, -bound, bound)

    if kind == "RNN":
        return f[0](clipped(W @ x + R @ h + bias.sum(0))), c
    if kind == "LSTM":
        i, o, forget, new = np.split(W @ x + R @ h + bias.sum(0), 4)
        i = f[0](clipped(i + peep[0] * c))
        forget = 1 - i if a.get("input_forget") else f[0](clipped(forget + peep[2] * c))
        c = forget * c + i * f[1](clipped(new))
        return f[0](clipped(o + peep[1] * c)) * f[2](c), c
    (Wz, Wr, Wh), (Rz, Rr, Rh), (bz, br, bh), (cz, cr, ch) = (np.split(v, 3) for v in (W, R, *bias))
    z, r = f[0](clipped(Wz @ x + Rz @ h + bz + cz)), f[0](clipped(Wr @ x + Rr @ h + br + cr))
    inner = r * (Rh @ h + ch) if a.get("linear_before_reset") else Rh @ (r * h) + ch
    return (1 - z) * f[1](clipped(Wh @ x + bh + inner)) + z * h, c
