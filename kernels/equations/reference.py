"""A cell's equations in plain NumPy, as `reference/loop.py` wants a step: the specification."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..reference.loop import Array, Gradients, Step
from .graph import Graph
from .prepared import evaluate
from .program import Equations, Place, Stage


def step_of(row: Any) -> Step:
    """The step of a row with equations."""
    return partial(step, row)


def step(row: Any, weights: Any, options: Any, x: Array, hd: Array, *states: Array) -> Any:
    """One step of a row with equations: `loop` says what goes in and comes out."""
    e: Equations = row.equations
    p = e.program
    units = {letter: i for i, letter in enumerate(e.letters)}
    has_bias_row = bool(e.apart)
    named = dict(zip(row.weight_names, weights, strict=True))
    W, U, b = named["W"], named.get("U", np.zeros(0)), named["b"]
    B, H = len(x), W.shape[1] // len(e.letters)

    def columns(letter: str) -> slice:
        return slice(units[letter] * H, (units[letter] + 1) * H)

    bias = np.zeros((2, W.shape[1]), x.dtype)
    if b is not None:
        bias[: 1 + has_bias_row] = b
    z = np.zeros((p.width, B, H), x.dtype)
    for letter, i in units.items():
        z[i] = x @ W[:, columns(letter)] + bias[0, columns(letter)]
        if letter in e.recurrent:
            at = p.own[letter] if letter in e.apart else i
            z[at] += hd @ U[:, columns(letter)] + bias[1, columns(letter)]
    given = [named[name] for name in e.vectors]
    memory: dict[str, Any] = {"z": z, "before": states, "vector": e.prepared.values(given), "seen": [hd]}
    memory["after"] = [np.empty_like(s) for s in states]
    operands = []
    for k in range(p.phases):
        if k:
            operand = z[p.made[k - 1]].copy()
            operands.append(operand)
            for letter in e.made[k - 1][1]:
                z[p.own[letter]] += operand @ U[:, columns(letter)]
        run(p.graph, p.forward[k], memory)
    if p.projected is not None:
        memory["after"][0] = z[p.projected] @ named["R"]

    def back(*dafter: Array) -> Gradients:
        dz = np.zeros_like(z)
        dhd, dU = np.zeros_like(hd), np.zeros_like(U)
        gradients: dict[str, Any] = {**memory, "dz": dz, "dstate": [np.array(d) for d in dafter], "dseen": [dhd]}
        found = {}
        if p.projected is not None:
            dz[p.projected] = dafter[0] @ named["R"].T
            found["R"] = z[p.projected].T @ dafter[0]
            gradients["dstate"][0][...] = 0
        for k in reversed(range(p.phases)):
            run(p.graph, p.backward[k], gradients)
            for letter in e.made[k - 1][1] if k else ():
                dU[:, columns(letter)] += operands[k - 1].T @ dz[p.own[letter]]
            if k:
                letters = e.made[k - 1][1]
                gradients["dmade"] = [sum(dz[p.own[letter]] @ U[:, columns(letter)].T for letter in letters)]
        dx, dW = np.zeros_like(x), np.empty_like(W)
        db = np.zeros_like(bias)
        for letter, i in units.items():
            dx += dz[i] @ W[:, columns(letter)].T
            dW[:, columns(letter)] = x.T @ dz[i]
            db[0, columns(letter)] = dz[i].sum(0)
            if letter in e.recurrent:
                d = dz[p.own[letter] if letter in e.apart else i]
                dhd += d @ U[:, columns(letter)].T
                dU[:, columns(letter)] = hd.T @ d
                db[1, columns(letter)] = d.sum(0)
        found |= {"W": dW, "U": dU, "b": db if has_bias_row else db[0]}
        vectors = e.prepared.gradients(given, [dz[at].sum(0) for at in p.vectors])
        found |= dict(zip(e.vectors, vectors, strict=True))
        return dx, dhd, tuple(gradients["dstate"]), tuple(found[name] for name in row.weight_names)

    return np.stack(list(z[: len(e.letters)]), axis=1), tuple(memory["after"]), back


def run(graph: Graph, stage: Stage, memory: dict[str, Any]) -> None:
    """The assignments of a stage, on arrays (B, H)."""
    like = memory["z"][0]

    def at(place: Place) -> Any:
        return memory[place.kind][place.number]

    wanted = [i for _, i in stage.stores]
    known = {i: at(stage.loads[i]) for i in graph.below(wanted, stage.loads) if i in stage.loads}
    values = evaluate(graph, wanted, known, like)
    done = [np.array(np.broadcast_to(value, like.shape), like.dtype) for value in values]
    for (place, _), value in zip(stage.stores, done, strict=True):
        if place in stage.adds:
            at(place)[...] += value
        else:
            at(place)[...] = value
