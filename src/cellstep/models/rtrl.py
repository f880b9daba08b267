"""Real-time recurrent learning: exact gradients of a stream, step by step, that look back to its first step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import core
from ..kernels.equations.graph import Graph
from ..kernels.equations.prepared import evaluate
from ..layers import RNN

Array = NDArray[Any]


class RTRL:
    """A recurrent layer whose units do not see each other's states, as a stream that learns.

    What each unit's states owe to its own weights is carried along with the states, so that the gradient of each step's
    loss is that of backpropagation through all steps before it, to rounding, while memory and time of a step do not
    grow with the stream. For cells without products of h, as MinGRU, IndRNN and LRU are; what they carry is gates
    (features + 1) units numbers a row.

    R. J. Williams and D. Zipser, "A learning algorithm for continually running fully recurrent neural networks", Neural
    Computation 1(2), 1989; of units that do not see each other M. C. Mozer, "A focused backpropagation algorithm for
    temporal pattern recognition", Complex Systems 3, 1989.

    Args:
        layer: built, of one cell, whose first states are zeros; dropout is left aside.

    Attributes:
        states: one (B, units) array a state; None before the first step.

    Raises:
        NotImplementedError: a cell of whose units one sees another's state, or with equations that are not known; a
            layer that goes backwards, is stateful, or has first states of its own.

    Example:
        >>> layer = cellstep.cells.MinGRU.Layer(4)
        >>> layer.build((1, None, 3))
        >>> stream = RTRL(layer)
        >>> y, pullback = stream.step(np.ones((1, 3)))
        >>> dx = pullback(y - 1)  # adds to the gradients of the layer's weights
    """

    def __init__(self, layer: RNN) -> None:
        from ..cells.built_in import equations_of  # what writes cells is not there for models that have none

        cells = layer.runner.flat if isinstance(layer, RNN) else []
        known = len(cells) == 1 and layer.built and hasattr(cells[0], "contract") and not cells[0].zoneout
        if not known or layer.go_backwards or layer.stateful or layer.initial or layer.has_own_first_states:
            raise NotImplementedError(
                "RTRL runs a built recurrent layer of one known cell, without zoneout, go_backwards, stateful and "
                f"first states of its own, got {layer}"
            )
        self.cell = cells[0]
        #: The states, and what they owe to the weights.
        self._stream: tuple[list[Array], tuple[Array, Array]] | None = None
        e = self.equations = equations_of(self.cell)
        graph = self.graph = Graph(e.nodes)
        used = [graph.nodes[at] for at in graph.below([*e.outputs, *(at for at, _ in e.made)])]
        read = {node.value for node in used if node.op == "state"}
        #: The states that a later step sees, by their places.
        self.read = [i for i, name in enumerate(e.states) if name in read]
        below = [graph.nodes[at] for at in graph.below(e.outputs[i] for i in self.read)]
        own = [node for node in below if node.op == "total" or (node.op == "sum" and node.value[1])]
        if e.recurrent or own or not self.read:
            raise NotImplementedError(
                f"RTRL is for cells of which no unit sees another's state, got {type(self.cell).__name__}"
            )
        self.leaves = {
            "state": [graph.leaf("state", e.states[i]) for i in self.read],
            "sum": [graph.leaf("sum", (letter, "")) for letter in e.letters],
            "vector": [graph.leaf("vector", name) for name in e.vectors],
        }
        every = [at for kind in self.leaves.values() for at in kind]
        one, zero = graph.constant(1.0), graph.constant(0.0)
        #: For each state that is read, its derivatives by states, sums and vectors.
        self.slopes = []
        for i in self.read:
            found = graph.pullback({e.outputs[i]: one}, every)
            self.slopes += [found.get(at, zero) for at in every]

    @property
    def states(self) -> list[Array] | None:
        return None if self._stream is None else self._stream[0]

    def reset(self) -> None:
        """Begin a new stream."""
        self._stream = None

    def step(self, x: Any) -> tuple[Array, Callable[[Any], Any]]:
        """One step of B rows.

        Args:
            x: (B, features), of as many rows as in the step before.

        Returns:
            The output (B, units), and a pullback: it takes the gradient of this step's loss by that, adds to the
            gradients of the weights, through all steps up to this one, and gives that of x, of this step alone.
        """
        cell, dtype = self.cell, self.cell.dtype
        x = core.as_array("x", x, dtype, ("batch", cell.features))
        if self._stream is None:
            n = len(self.read), len(x)
            G, V, H = len(self.equations.letters), len(self.equations.vectors), cell.units
            zeros = np.zeros((*n, G, x.shape[1] + 1, H), dtype), np.zeros((*n, V, H), dtype)
            before, carried = cell.get_initial_state(len(x)), zeros
        else:
            before, carried = self._stream
        (y, states), back = cell.forward(x, before)
        self._stream = states, self._carry(x, before, carried)  # both or, where one raises, neither

        def pullback(dy: Any) -> Any:
            dx, dbefore = back(dy, [None] * len(before))
            with cell._lock:
                for d, of_sums, of_vectors in zip([dbefore[i] for i in self.read], *carried, strict=True):
                    self._add(np.einsum("bh,bgih->igh", d, of_sums), np.einsum("bh,bvh->vh", d, of_vectors))
            return dx

        return y, pullback

    def _named(self, values: list[Any]) -> dict[str, Any]:
        return dict(zip(self.cell.contract.weight_names, values, strict=True))

    def _carry(self, x: Array, before: list[Array], carried: tuple[Array, Array]) -> tuple[Array, Array]:
        """What the states after a step owe to the weights, from what those before it do."""
        e, cell = self.equations, self.cell
        weights = self._named([None if w is None else w.value for w in cell.row_weights])
        b = weights[cell.contract.bias]
        sums = np.split(x @ weights["W"] + (0 if b is None else b), len(e.letters), axis=1)
        known = dict(zip(self.leaves["sum"], sums, strict=True))
        known |= dict(zip(self.leaves["state"], (before[i] for i in self.read), strict=True))
        known |= {at: weights[name] for at, name in zip(self.leaves["vector"], e.vectors, strict=True)}
        like = before[self.read[0]]
        S, G = len(self.read), len(e.letters)
        found = np.stack([np.broadcast_to(v, like.shape) for v in evaluate(self.graph, self.slopes, known, like)])
        slopes = found.reshape(S, len(found) // S, *like.shape)
        along, of_sums, of_vectors = np.split(slopes, [S, S + G], axis=1)
        inputs = np.concatenate([x, np.ones((len(x), 1), x.dtype)], axis=1)
        return (
            np.einsum("ijbh,jbgkh->ibgkh", along, carried[0])
            + of_sums.transpose(0, 2, 1, 3)[:, :, :, None] * inputs[:, None, :, None],
            np.einsum("ijbh,jbvh->ibvh", along, carried[1]) + of_vectors.transpose(0, 2, 1, 3),
        )

    def _add(self, of_sums: Array, of_vectors: Array) -> None:
        """To the gradients: (features + 1, gates, units), of which the last row is the bias', and (vectors, units)."""
        cell = self.cell
        grads = self._named(cell.grads_of(cell.row_weights))
        flat = of_sums.reshape(len(of_sums), -1)
        found = {"W": flat[:-1], cell.contract.bias: flat[-1]}
        found |= dict(zip(self.equations.vectors, of_vectors, strict=True))
        for name, gradient in found.items():
            if grads[name] is not None:
                grads[name][...] += gradient
