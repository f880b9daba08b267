"""Forward mode: how a sequence's outputs change along a direction, and what a step's new states have of its leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import Graph
from .prepared import evaluate
from .program import Equations

Array = NDArray[Any]
#: A value with its tangent.
Pair = tuple[Array, Array]


def columns(e: Equations, letter: str, matrix: Array) -> Array:
    """A gate's columns of a matrix, or its numbers of a bias."""
    H = matrix.shape[-1] // len(e.letters)
    at = e.letters.index(letter) * H
    return matrix[..., at : at + H]


class Tangents:
    """The equations of a step for values with tangents."""

    def __init__(self, e: Equations) -> None:
        self.e, self.graph = e, Graph(e.nodes)
        leaves = [at for at, node in enumerate(e.nodes) if node.op in ("sum", "state", "seen", "vector")]
        self.leaves = {at: self.graph.leaf("gradient", ("tangent", at)) for at in leaves}
        roots = [*e.outputs, *(at for at, _ in e.made)]
        found = self.graph.pushforward(self.leaves, roots)
        zero = self.graph.constant(0.0)
        self.roots = {at: found.get(at, zero) for at in roots}

    def _values(self, roots: Sequence[int], known: Mapping[int, Array], like: Array) -> list[Pair]:
        wanted = [*roots, *(self.roots[at] for at in roots)]
        values = [np.broadcast_to(v, like.shape) for v in evaluate(self.graph, wanted, known, like)]
        return list(zip(values[: len(roots)], values[len(roots) :], strict=True))

    def step(self, sums: Mapping[str, Pair], weights: Mapping[str, Pair], states: Sequence[Pair]) -> list[Pair]:
        """The new states from the gates' b + x W, and the weights and states by name."""
        e, known = self.e, {}
        like = next(iter(sums.values()))[0]
        (h, dh), pairs = states[0], dict(zip(e.states, states, strict=True))

        def add(op: str, value: Any, pair: Pair) -> None:
            for at in self.leaves:
                if e.nodes[at].op == op and e.nodes[at].value == value:
                    known[at], known[self.leaves[at]] = pair

        def product(letter: str, a: Array, da: Array) -> Pair:
            U, dU = (columns(e, letter, m) for m in weights["U"])
            return a @ U, da @ U + a @ dU

        for letter, (z, dz) in sums.items():
            if letter in e.recurrent:
                own, down = product(letter, h, dh)
                if e.apart:
                    b, db = (columns(e, letter, m[1]) for m in weights["b"])
                    own, down = own + b, down + db
                if letter in e.apart:
                    add("sum", (letter, "own"), (own, down))
                else:
                    z, dz = z + own, dz + down
            add("sum", (letter, ""), (z, dz))
        for name, pair in pairs.items():
            add("state", name, pair)
        add("seen", None, (h, dh))
        for name in e.vectors:
            add("vector", name, weights[name])
        for at, letters in e.made:
            ((a, da),) = self._values([at], known, like)
            for letter in letters:
                add("sum", (letter, "own"), product(letter, a, da))
        new = self._values(e.outputs, known, like)
        if e.projected:
            (v, dv), (R, dR) = new[0], weights["R"]
            new[0] = v @ R, dv @ R + v @ dR
        return new


def run(e: Equations, weights: Mapping[str, Pair], x: Array, dx: Array, states: Sequence[Pair]) -> Pair:
    """The outputs (B, T, size) of a sequence with their tangents, in NumPy; weights in the row's names, the bias "b" of
    two rows where there are gates apart."""
    tangents, now = Tangents(e), list(states)
    (W, dW), (b, db) = weights["W"], weights["b"]
    first = (b[0], db[0]) if e.apart else (b, db)
    z, dz = x @ W + first[0], dx @ W + x @ dW + first[1]
    found = []
    for t in range(x.shape[1]):
        sums = {letter: (columns(e, letter, z[:, t]), columns(e, letter, dz[:, t])) for letter in e.letters}
        now = tangents.step(sums, weights, now)
        found.append(now[0])
    y, dy = (np.stack(part, axis=1) for part in zip(*found, strict=True))
    return y, dy
