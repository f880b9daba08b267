"""The table of docs/bridges.md: each kind of layer, to and from PyTorch, ONNX and Keras, beside the real frameworks.

    python docs/bridge_matrix.py [--write]

Needs torch, keras, onnx and onnxruntime. An entry is the largest difference of outputs, and after a stroke of gradients
by inputs and weights; beyond 1e-5 it is marked, and the exit code is 1. With --write it goes into the page.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"
warnings.simplefilter("ignore")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

import cellstep  # noqa: E402
from cellstep import bridges, cells, models  # noqa: E402
from cellstep import layers as L  # noqa: E402
from cellstep.bridges.pytorch.weights import parts_of  # noqa: E402
from cellstep.torch.line import Line, StepsFirst, StepsFirstNorm  # noqa: E402

PAGE = Path(__file__).parent / "bridges.md"
BEGIN, END = "<!-- the table of bridge_matrix.py -->\n", "<!-- its end -->\n"
LIMIT, STEPS, FEATURES = 1e-5, 7, 4
FOLDER = Path(tempfile.mkdtemp())

Layers = Callable[[], list[Any]]
#: For each row the layers here, the modules of PyTorch, and whether inputs are integers; None where there is nothing.
ROWS: dict[str, tuple[Layers, Callable[[], list[Any]] | None, bool]] = {
    "Embedding": (lambda: [L.Embedding(9, 4)], lambda: [nn.Embedding(9, 4)], True),
    "SimpleRNN": (lambda: [L.SimpleRNN(5, return_sequences=True)], lambda: [nn.RNN(4, 5, batch_first=True)], False),
    "SimpleRNN, relu": (
        lambda: [L.SimpleRNN(5, "relu", return_sequences=True)],
        lambda: [nn.RNN(4, 5, nonlinearity="relu", batch_first=True)],
        False,
    ),
    "LSTM": (lambda: [L.LSTM(5, return_sequences=True)], lambda: [nn.LSTM(4, 5, batch_first=True)], False),
    "GRU": (lambda: [L.GRU(5, return_sequences=True)], lambda: [nn.GRU(4, 5, batch_first=True)], False),
    "GRU, reset before": (lambda: [L.GRU(5, reset_after=False, return_sequences=True)], None, False),
    "without bias": (
        lambda: [L.LSTM(5, use_bias=False, return_sequences=True)],
        lambda: [nn.LSTM(4, 5, bias=False, batch_first=True)],
        False,
    ),
    "last outputs": (lambda: [L.GRU(5)], None, False),
    "two layers": (
        lambda: [L.LSTM(5, return_sequences=True), L.LSTM(3, return_sequences=True)],
        lambda: [nn.LSTM(4, 5, num_layers=2, batch_first=True)],
        False,
    ),
    "Bidirectional": (
        lambda: [L.Bidirectional(L.GRU(5, return_sequences=True))],
        lambda: [nn.GRU(4, 5, bidirectional=True, batch_first=True)],
        False,
    ),
    "proj_size": (
        lambda: [cells.ProjectionLSTM.Layer(5, 3, return_sequences=True)],
        lambda: [nn.LSTM(4, 5, proj_size=3, batch_first=True)],
        False,
    ),
    "Dense": (lambda: [L.Dense(5, "sigmoid")], lambda: [nn.Linear(4, 5), nn.Sigmoid()], False),
    "LayerNormalization": (lambda: [L.LayerNormalization()], lambda: [nn.LayerNorm(4)], False),
    "BatchNormalization": (lambda: [L.BatchNormalization()], lambda: [StepsFirstNorm(4)], False),
    "Conv1D": (
        lambda: [L.Conv1D(5, 3, padding="same", activation="relu")],
        lambda: [StepsFirst(4, 5, 3, padding="same"), nn.ReLU()],
        False,
    ),
    "Dropout, softmax": (
        lambda: [L.Dropout(0.5), L.Activation("softmax")],
        lambda: [nn.Dropout(0.5), nn.Softmax(-1)],
        False,
    ),
    "a tagger": (
        lambda: [L.Embedding(9, 4), L.Bidirectional(L.LSTM(5, return_sequences=True)), L.Dense(3, "softmax")],
        lambda: [nn.Embedding(9, 4), nn.LSTM(4, 5, 2, bidirectional=True, batch_first=True), nn.Linear(10, 3)],
        True,
    ),
}
COLUMNS = {
    "from PyTorch": "from_torch",
    "to PyTorch": "to_torch",
    "from ONNX": "from_onnx",
    "to ONNX": "to_onnx",
    "from Keras": "from_keras",
    "to Keras": "to_keras",
}

Numbers = tuple[Any, list[Any]]


def inputs(integers: bool) -> Any:
    draw = np.random.default_rng(1)
    shape = (3, STEPS) if integers else (3, STEPS, FEATURES)
    return draw.integers(0, 9, shape) if integers else draw.standard_normal(shape).astype(np.float32)


def ours(make: Layers, integers: bool) -> models.Sequential:
    shape = (None,) if integers else (None, FEATURES)
    model = models.Sequential([L.Input(shape, dtype="int32" if integers else None), *make()])
    draw = np.random.default_rng(2)
    model.set_weights([a + 0.2 * np.abs(draw.standard_normal(a.shape)) for a in model.get_weights()])
    return model


def weighted(y: Any) -> Any:
    """The gradient of y that all are given."""
    return np.random.default_rng(3).standard_normal(y.shape).astype(np.float32)


def of_ours(model: Any, x: Any, parts: Any = None, only_inputs: bool = False) -> Numbers:
    """Outputs, and gradients of the inputs and of weights, in PyTorch's layout where there are parts."""
    for weight in model.weights:
        weight.grad[...] = 0
    y, pullback = model.forward(x)
    dx = pullback(weighted(y))
    gradients = [] if dx is None else [dx]
    if not only_inputs:
        gradients += [weight.grad.copy() for weight in model.trainable_weights]
    return y, gradients


def of_torch(module: Any, x: Any, only_inputs: bool = False) -> tuple[Numbers, dict[str, Any]]:
    """Outputs, and gradients of the inputs; those of parameters by name."""
    module.zero_grad()
    given = torch.from_numpy(x)
    given.requires_grad_(given.is_floating_point())
    y = module(given)
    (y * torch.from_numpy(weighted(y))).sum().backward()
    named = {name: parameter.grad.numpy() for name, parameter in module.named_parameters()}
    return (y.detach().numpy(), [given.grad.numpy()] if given.requires_grad else []), named


def in_our_layout(module: Any, model: Any, gradients: dict[str, Any]) -> list[Any]:
    """PyTorch's gradients as those of the weights of a model that was made of the module, or of which it was made."""
    layers = [layer for layer in model.layers if layer.weights]
    found = []
    for name, part in module.named_children():
        if list(part.parameters()):
            count = getattr(part, "num_layers", 1)
            own, layers = layers[:count], layers[count:]
            for piece in parts_of(f"{name}.", own, gradients):
                if not gradients.keys() >= set(piece.names):
                    continue  # moving means
                values = piece.read([gradients[n] for n in piece.names])
                # a sum of two biases, each with the gradient of the sum
                found += [v / 2 if v.ndim == 1 and len(piece.names) > 1 else v for v in values]
    return found


def from_torch(make: Layers, modules: Any, integers: bool) -> Iterator[Numbers]:
    module, x = Line(*modules()).eval(), inputs(integers)
    model = bridges.from_torch(module, input_shape=(None,) if integers else (None, FEATURES))
    (y, dx), named = of_torch(module, x)
    yield of_ours(model, x)
    yield y, [*dx, *in_our_layout(module, model, named)]


def to_torch(make: Layers, modules: Any, integers: bool) -> Iterator[Numbers]:
    model, x = ours(make, integers), inputs(integers)
    module = bridges.to_torch(model).eval()
    yield of_ours(model, x)
    (y, dx), named = of_torch(module, x)
    yield y, [*dx, *in_our_layout(module, model, named)]


def from_onnx(make: Layers, modules: Any, integers: bool) -> Iterator[Numbers]:
    """As PyTorch exports it; the gradients of inputs are PyTorch's."""
    if modules is None:
        raise NotImplementedError
    module, x, path = Line(*modules()).eval(), inputs(integers), FOLDER / "net.onnx"
    axes = {name: {0: "batch", 1: "time"} for name in ("x", "y")}
    torch.onnx.export(
        module,
        (torch.from_numpy(x),),
        str(path),
        input_names=["x"],
        output_names=["y"],
        dynamic_axes=axes,
        dynamo=False,
    )
    model = bridges.from_onnx(path)
    yield of_ours(model, x, only_inputs=True)
    (y, dx), _ = of_torch(module, x)
    yield max((runtime(path, x), y), key=lambda a: np.abs(a - model.predict(x, verbose=0)).max()), dx


def to_onnx(make: Layers, modules: Any, integers: bool) -> Iterator[Numbers]:
    """ONNX Runtime's outputs; it has no gradients."""
    model, x, path = ours(make, integers), inputs(integers), FOLDER / "ours.onnx"
    bridges.to_onnx(model, path)
    yield model.predict(x, verbose=0), []
    yield runtime(path, x), []


def runtime(path: Path, x: Any) -> Any:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    first = session.get_inputs()[0]
    kinds = {"tensor(int32)": "int32", "tensor(int64)": "int64"}
    return session.run(None, {first.name: x.astype(kinds.get(first.type, "float32"))})[0]


def from_keras(make: Layers, modules: Any, integers: bool) -> Iterator[Numbers]:
    model, x = ours(make, integers), inputs(integers)
    theirs = keras.Sequential.from_config(model.get_config())
    theirs.set_weights(model.get_weights())
    theirs.save(FOLDER / "theirs.keras")
    yield of_ours(models.load_model(FOLDER / "theirs.keras"), x)
    yield of_keras(theirs, x)


def to_keras(make: Layers, modules: Any, integers: bool) -> Iterator[Numbers]:
    model, x = ours(make, integers), inputs(integers)
    model.save(FOLDER / "ours.keras")
    yield of_ours(model, x)
    yield of_keras(keras.models.load_model(FOLDER / "ours.keras"), x)


def of_keras(model: Any, x: Any) -> Numbers:
    given = torch.from_numpy(x)
    given.requires_grad_(given.is_floating_point())
    model.zero_grad()
    y = model(given, training=False)
    (y * torch.from_numpy(weighted(y))).sum().backward()
    gradients = [given.grad.numpy()] if given.requires_grad else []
    return y.detach().numpy(), [*gradients, *(w.value.grad.numpy() for w in model.trainable_weights)]


def difference(a: Any, b: Any) -> float:
    """The largest, beside 1 and relative to b."""
    if a.shape != b.shape:
        return float("inf")
    return float(np.max(np.abs(a - b) / (1 + np.abs(b)), initial=0.0))


def entry(label: str, name: str, row: Any) -> tuple[str, bool]:
    make, modules, integers = row
    torch.manual_seed(0)
    cellstep.set_random_seed(0)
    if name in ("from_onnx", "from_keras", "to_keras") and label == "proj_size":
        return "", True  # PyTorch exports none, and Keras has none
    if modules is None and name in ("from_torch", "from_onnx"):
        return "", True
    try:
        (y, gradients), (right, wanted) = globals()[name](make, modules, integers)
    except Exception as error:
        print(f"{name}, {label}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
        return "no", True
    if len(gradients) != len(wanted):
        return f"{len(gradients)} gradients, not {len(wanted)}", False
    far = [difference(y, right), max((difference(a, b) for a, b in zip(gradients, wanted, strict=True)), default=0.0)]
    text = " / ".join(f"{d:.0e}" if d else "0" for d in (far if wanted else far[:1]))
    return (text, True) if max(far) <= LIMIT else (f"**{text}**", False)


def main() -> int:
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---" * (1 + len(COLUMNS)) + "|"]
    right = True
    for label, row in ROWS.items():
        entries = [entry(label, name, row) for name in COLUMNS.values()]
        right &= all(good for _, good in entries)
        lines.append(f"| {label} | {' | '.join(text for text, _ in entries)} |")
    table = "\n".join(lines) + "\n"
    print(table)
    if "--write" in sys.argv:
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        PAGE.write_text(before + BEGIN + table + END + rest.split(END)[1], encoding="utf-8")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
