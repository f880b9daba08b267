"""Nets of two LSTMs, ours and in other libraries: one on the other, or one in each direction of time, at any batch.

Each LSTM is a `Problem` of the benchmarks, so that weights come, and go into other libraries' orders, as there.
Answers: y (B, T, H), or (B, T, 2 H) of both directions, and dx for training.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from cellstep import Input, Sequential, kernels, layers
from cellstep.benchmarks.answers import WrongAnswer
from cellstep.benchmarks.peers import jax_jit, onnx_graphs, pytorch
from cellstep.benchmarks.problem import Array, Problem, Runner
from cellstep.benchmarks.shapes import Shape

KINDS = ("stack", "both ways")
PEERS = ("torch", "onnxruntime", "jax")


class Net:
    """Two LSTMs of the same number of units.

    Attributes:
        kind: "stack" or "both ways". shape: of the first LSTM. trains: with the gradients of x and of all weights.
        parts: the problem of each LSTM, of which the weights are taken; x (B, T, I), dy (B, T, outputs).
    """

    def __init__(self, kind: str, shape: Shape, trains: bool) -> None:
        self.kind, self.shape, self.trains = kind, shape, trains
        second = shape._replace(I=shape.H) if kind == "stack" else shape
        self.parts = [Problem("lstm", "train", shape), Problem("lstm", "train", second)]
        if kind != "stack":
            # both have the same seed: the second one's weights must be others
            for weight in self.parts[1].weights.values():
                weight[...] = np.roll(weight, 1, axis=0)
        rng = np.random.default_rng(3)
        self.x = self.parts[0].x
        outputs = shape.H if kind == "stack" else 2 * shape.H
        self.dy = rng.standard_normal((shape.B, shape.T, outputs)).astype(np.float32)

    def __str__(self) -> str:
        return f"{self.kind} of LSTMs {'train' if self.trains else 'forward'} {self.shape}"

    def runner(self, name: str, threads: int) -> Runner:
        """The contender of this name; its answer has been held against ours on the NumPy backend in float64."""
        made = {"ours": self._ours, "torch": self._torch, "onnxruntime": self._onnxruntime, "jax": self._jax}[name]
        runner: Runner = made(threads)
        with kernels.use("numpy"):
            right = self._ours(1, "float64").answer()
        for key, value in runner.answer().items():
            error, most = np.abs(value - right[key]).max(), 1e-4 * max(1.0, np.abs(right[key]).max())
            if not error <= most:
                raise WrongAnswer(f"{name}, {self}: {key} is off by {error:.2e}, more than {most:.2e}")
        return runner

    def has(self, name: str) -> bool:
        """Whether a peer has this work."""
        return not (self.trains and name == "onnxruntime")

    def _runner(self, run: Callable[[], Any], y: Callable[[Any], Array], both: Callable[[Any], Any]) -> Runner:
        if not self.trains:
            return Runner(run, lambda: {"y": y(run())})
        return Runner(run, lambda: dict(zip(("y", "dx"), both(run()), strict=True)))

    def _ours(self, threads: int, dtype: str = "float32") -> Runner:
        H, I = self.shape.H, self.shape.I  # noqa: E741 - the letter of the kernel contract
        first = layers.LSTM(H, return_sequences=True, dtype=dtype)
        if self.kind == "stack":
            parts: list[Any] = [first, layers.LSTM(H, return_sequences=True, dtype=dtype)]
        else:
            parts = [layers.Bidirectional(first)]
        model = Sequential([Input((None, I), dtype=dtype), *parts])
        model.set_weights([w for p in self.parts for w in p.weights.values()])
        x, dy = self.x.astype(dtype), self.dy.astype(dtype)
        if not self.trains:
            return self._runner(lambda: model(x), np.asarray, tuple)

        def train() -> tuple[Array, Array]:
            for w in model.weights:
                # as after an update by an optimizer: the weights are packed again, the gradients start from zero
                w.touch()
                w.zero_grad()
            y, pullback = model.forward(x, training=True)
            return y, pullback(dy)

        return self._runner(train, np.asarray, tuple)

    def _torch(self, threads: int) -> Runner:
        torch: Any = importlib.import_module("torch")
        stacked = self.kind == "stack"
        options = {"num_layers": 2} if stacked else {"bidirectional": True}
        module = torch.nn.LSTM(self.shape.I, self.shape.H, **options)
        for p, suffix in zip(self.parts, ("_l0", "_l1" if stacked else "_l0_reverse"), strict=True):
            pytorch.load_weights(p, module, suffix)
        x, dy = (torch.tensor(np.ascontiguousarray(a.transpose(1, 0, 2))) for a in (self.x, self.dy))

        def rows(t: Any) -> Array:
            return np.array(t.detach().numpy().transpose(1, 0, 2))

        if not self.trains:
            module.requires_grad_(False)
            return self._runner(lambda: module(x)[0], rows, tuple)
        x.requires_grad_(True)
        leaves = [x, *module.parameters()]

        def train() -> Any:
            for leaf in leaves:
                leaf.grad = None
            y = module(x)[0]
            y.backward(dy)
            return y

        return self._runner(train, rows, lambda y: (rows(y), rows(x.grad)))

    def _onnxruntime(self, threads: int) -> Runner:
        ort: Any = importlib.import_module("onnxruntime")
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = ort.InferenceSession(self._graph(), options, providers=["CPUExecutionProvider"])
        feeds = {"x": np.ascontiguousarray(self.x.transpose(1, 0, 2))}

        def rows(y: Array) -> Array:
            # (T, directions, B, H)
            return y.transpose(2, 0, 1, 3).reshape(self.shape.B, self.shape.T, -1)

        return self._runner(lambda: session.run(None, feeds)[0], rows, tuple)

    def _graph(self) -> bytes:
        onnx: Any = importlib.import_module("onnx")
        helper, from_array = onnx.helper, importlib.import_module("onnx.numpy_helper").from_array
        T, B, inputs, H = self.shape
        constants = [onnx_graphs.constants(p) for p in self.parts]
        if self.kind == "stack":
            tensors = {f"{k}{i}": a for i, values in enumerate(constants) for k, a in values.items()}
            tensors["axes"] = np.array([1])
            nodes = [
                helper.make_node("LSTM", ["x", "W0", "R0", "B0"], ["s"], hidden_size=H),
                helper.make_node("Squeeze", ["s", "axes"], ["h"]),
                helper.make_node("LSTM", ["h", "W1", "R1", "B1"], ["y"], hidden_size=H),
            ]
        else:
            tensors = {k: np.concatenate([values[k] for values in constants]) for k in constants[0]}
            nodes = [helper.make_node("LSTM", ["x", *tensors], ["y"], hidden_size=H, direction="bidirectional")]
        single = onnx.TensorProto.FLOAT
        places = [helper.make_tensor_value_info("x", single, (T, B, inputs))]
        results = [helper.make_tensor_value_info("y", single, (T, 1 if self.kind == "stack" else 2, B, H))]
        whole = [from_array(np.ascontiguousarray(a), name) for name, a in tensors.items()]
        graph = helper.make_graph(nodes, "net", places, results, whole)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
        return bytes(model.SerializeToString())

    def _jax(self, threads: int) -> Runner:
        jax: Any = importlib.import_module("jax")
        jnp = jax.numpy
        x, dy = (jnp.asarray(np.ascontiguousarray(a.transpose(1, 0, 2))) for a in (self.x, self.dy))
        weights = [tuple(jnp.asarray(a) for a in p.weights.values()) for p in self.parts]
        zero = (jnp.zeros((self.shape.B, self.shape.H)),) * 2

        def one(x: Any, W: Any, U: Any, b: Any, reverse: bool = False) -> Any:
            def step(states: Any, xw: Any) -> Any:
                new = jax_jit.lstm(jax, xw, states, U, b)
                return new, new[0]

            return jax.lax.scan(step, zero, x @ W + b, reverse=reverse)[1]

        def net(x: Any, weights: Any) -> Any:
            if self.kind == "stack":
                return one(one(x, *weights[0]), *weights[1])
            return jnp.concatenate([one(x, *weights[0]), one(x, *weights[1], reverse=True)], axis=-1)

        def both(x: Any, weights: Any, dy: Any) -> Any:
            y, pullback = jax.vjp(net, x, weights)
            return y, pullback(dy)

        def rows(y: Any) -> Array:
            return np.asarray(y).transpose(1, 0, 2)

        forward, train = jax.jit(net), jax.jit(both)
        if not self.trains:
            return self._runner(lambda: forward(x, weights).block_until_ready(), rows, tuple)
        return self._runner(
            lambda: jax.block_until_ready(train(x, weights, dy)), rows, lambda got: (rows(got[0]), rows(got[1][0]))
        )
