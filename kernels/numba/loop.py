"""The loop over time, forward and backward, for any cell: products, masks, resets, dropout, tapes and sums."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .jit import Kernel, inner, row, rows_of, view, views
from .layouts import Gradients, Inputs, Real2, States, Sums, TapePart, View3, Weights
from .made import Columns, add_columns, made, products_of, project, project_back
from .products import add_product, add_weights, empty_panels, empty_tall_panels, into_panels, zeros2, zeros3
from .rows import Row, Step, add, copy, fill, gates, multiply

#: Rows (a step of a batch row) whose projections or gradients are held at a time: enough to reuse each weight that is
#: loaded, few enough to stay in cache.
ROWS = 256


class Plan(NamedTuple):
    """Where the products of a cell with its flags lie, and how many arrays it has.

    gates: G. blocks: stretches of H columns in a row z of pre-activations: the gates, then sums that products have of
    their own. products: those with U, in order, at the end those of operands that the step makes, `made` of each.
    kept: whether tapes have z; they have not where the only gate is h. dvectors: where in dz the gradients of vectors
    lie, if a step writes them there; else 0. projected: where in z lies what is projected, and in dz its
    gradient; else 0.
    """

    gates: int
    blocks: int
    products: tuple[Columns, ...]
    kept: bool
    states: int
    activations: int
    vectors: int
    made: tuple[int, ...] = ()
    dvectors: int = 0
    projected: int = 0


@inner
def runs(inputs: Inputs, t0: int, live: Any, fresh: Any) -> None:
    """live, fresh (n, B), for the n steps from t0: does a row run, else its states are carried; and if it does, are its
    states before that step zeros, whatever they were? fresh has no rows if nothing is reset."""
    for s in range(live.shape[0]):
        for r in range(live.shape[1]):
            runs = True
            if inputs.lengths.size > 0:
                runs = t0 + s < inputs.lengths[r]
            elif inputs.mask.size > 0:
                runs = inputs.mask[r, t0 + s]
            live[s, r] = runs
            if fresh.size > 0:
                fresh[s, r] = runs and inputs.resets[r, t0 + s]


@inner
def steps_at_once(B: int, T: int) -> int:
    """How many steps of B rows to hold at a time."""
    return max(1, min(T, ROWS // max(1, B)))


@inner
def copy_inputs(x: View3, t: int, live: Any, out: Real2) -> None:
    """out (B, I) = x of step t, zeros in rows that do not run then: they may hold anything, NaN too."""
    for r in range(out.shape[0]):
        if live[r]:
            copy(view(x, r, t), row(out, r))
        else:
            fill(row(out, r))


def forward_loop(plan: Plan, step: Step) -> Callable[..., None]:
    """The loop of a cell from the first step to the last, to be compiled."""
    G, kept, step_forward, two = plan.gates, plan.kept, step.forward, bool(step.operands)
    projected = plan.projected
    of_h, of_made = _by_operand(plan)
    add_h, add_made = products_of(of_h)[0], made(step.operands, of_made).forward

    def forward(
        weights: Weights, begin: int, end: int, inputs: Inputs, y: View3, states: States, tape: TapePart
    ) -> None:
        """Steps begin to end. y (B, T, units of h); states (B, units): the initial ones in, the final ones out."""
        W, U, R, H, b, vectors, codes = weights
        h, x, drop = states[0], inputs.x, inputs.drop
        B, T, I = x.shape  # noqa: E741
        P = b.size
        taped, wanted, dropped, resets = tape.states[0].size > 0, y.size > 0, drop.size > 0, inputs.resets.size > 0
        if taped and begin == 0:
            for k in range(len(states)):
                for r in range(B):
                    copy(row(states[k], r), view(tape.states[k], r, 0))
        chunk = steps_at_once(B, T)
        live, fresh = np.empty((chunk, B), np.bool_), np.empty((chunk if resets else 0, B), np.bool_)
        xs, edge = zeros2(chunk * B, I, W), zeros2(chunk * B, W.shape[2], W)
        scratch = zeros3(0 if taped and kept else chunk, B, P, W)
        hd, operand = zeros2(B, h.shape[1], W) if dropped else h, zeros2(B if two else 0, H, W)
        output = zeros2(B if projected > 0 else 0, h.shape[1], W)
        for t0 in range(begin, end, chunk):
            n = min(chunk, end - t0)
            runs(inputs, t0, live[:n], fresh)
            z = tape.z[t0 : t0 + n] if taped and kept else scratch[:n]
            # z = b + x W
            for s in range(n):
                copy_inputs(x, t0 + s, live[s], xs[s * B : (s + 1) * B])
                for r in range(B):
                    copy(b, view(z, s, r))
            add_product(xs, 0, W, 0, I, z.reshape(n * B, P), 0, G * H, edge)
            for s in range(n):
                t = t0 + s
                if resets:
                    for r in range(B):
                        if fresh[s, r]:
                            for k in range(len(states)):
                                fill(row(states[k], r))
                if dropped:
                    for r in range(B):
                        copy(row(h, r), row(hd, r))
                        multiply(row(drop, r), row(hd, r))
                panel = add_h(hd, H, U, 0, z[s], edge)
                if two:
                    add_made(live[s], z[s], tape.v, t, codes, vectors, states, hd, operand, U, panel, edge)
                for r in range(B):
                    if live[s, r]:
                        this = Row(view(z, s, r), view(tape.v, t, r), H, codes, vectors)
                        step_forward(this, rows_of(states, r))
                if projected > 0:
                    project(live[s], z[s], projected * H, R, h, output, edge)
                for r in range(B):
                    if wanted:
                        copy(row(h, r), view(y, r, t))
                    if taped:
                        for k in range(len(states)):
                            copy(row(states[k], r), view(tape.states[k], r, t + 1))

    return forward


def backward_loop(plan: Plan, step: Step) -> Callable[..., None]:
    """The loop of a cell from the last step to the first, to be compiled."""
    G, kept, step_backward, two, carries = plan.gates, plan.kept, step.backward, bool(step.operands), step.carries
    blocks, apart, first_vector = plan.blocks, any(product.z for product in plan.products), plan.dvectors
    projected = plan.projected
    of_h, of_made = _by_operand(plan)
    n_made, (_, to_h, from_h) = len(of_made), products_of(of_h)
    _, made_values, made_backward, made_weights = made(step.operands, of_made)

    def backward(
        weights: Weights, begin: int, end: int, inputs: Inputs, gradients: Gradients, tape: TapePart, sums: Sums
    ) -> None:
        """Steps end to begin."""
        Wt, Ut, Rt, H, _, vectors, codes = weights
        dy, dx, traces, dstates = gradients
        dW, dU, dR, db, dvectors = sums
        dh, x, drop = dstates[0], inputs.x, inputs.drop
        B, T, I = x.shape  # noqa: E741
        K = dh.shape[1]
        P = tape.z.shape[2] if kept else blocks * H
        N, dropped, resets = G * H, drop.size > 0, inputs.resets.size > 0
        chunk = steps_at_once(B, T)
        live, fresh = np.empty((chunk, B), np.bool_), np.empty((chunk if resets else 0, B), np.bool_)
        # slot s of a chunk is step t1 - 1 - s, so that every sum over rows goes backwards in time whatever the chunk
        dz, dzp = zeros3(chunk, B, P, Wt), empty_panels(chunk * B, N, Wt)
        own = empty_panels(chunk * B if apart else 0, N, Wt)
        hs, hp = zeros2(chunk * B, K, Wt), empty_tall_panels(chunk * B, max(H, K), Wt)
        dhs = zeros3(chunk if projected > 0 else 0, B, K, Wt)
        dhp, operand = empty_panels(dhs.shape[0] * B, K, Wt), zeros2(dhs.shape[0] * B, H, Wt)
        xs, xp = zeros2(chunk * B, I, Wt), empty_tall_panels(chunk * B, I, Wt)
        edge, through, zeros = zeros2(chunk * B, Wt.shape[2], Wt), zeros2(B, K, Wt), zeros2(1, max(H, K), Wt)[0]
        operands, d = zeros3(n_made, chunk * B, H, Wt), zeros2(B if two else 0, H, Wt)
        for t1 in range(end, begin, -chunk):
            n = min(chunk, t1 - begin)
            runs(inputs, t1 - n, live[:n], fresh)
            for s in range(n):
                t, at = t1 - 1 - s, n - 1 - s
                for r in range(B):
                    if dy.size > 0:
                        add(view(dy, r, t), row(dh, r))
                    for k in range(len(dstates)):
                        if traces[k].size > 0:
                            copy(row(dstates[k], r), view(traces[k], r, t))
                    fill(row(through, r))
                if projected > 0:
                    project_back(live[at], dh, dhs[s], Rt, dz[s], projected * H, H, edge)
                for r in range(B):
                    hr = row(hs, s * B + r)
                    if live[at, r]:
                        before = views(tape.states, r, t, resets and fresh[at, r], zeros)
                        after = views(tape.states, r, t + 1, False, zeros)
                        z = view(tape.z, t, r) if kept else after[0]
                        this = Row(z, view(tape.v, t, r), H, codes, vectors)
                        copy(before[0], hr)
                        if dropped:
                            multiply(row(drop, r), hr)
                        if projected > 0:
                            copy(gates(z, this, projected), row(operand, s * B + r))
                        made_values(this, hr, operands, s * B + r)
                        step_backward(this, before, after, rows_of(dstates, r), view(dz, s, r), dvectors)
                    else:
                        fill(view(dz, s, r))
                        fill(hr)
                        if projected > 0:
                            fill(row(operand, s * B + r))
                        for k in range(n_made):
                            fill(view(operands, k, s * B + r))
                if two:
                    made_backward(
                        live[at], fresh[at] if resets else fresh[0:0].reshape(-1), tape.z, tape.v, t, codes, vectors,
                        tape.states, zeros, hs[s * B : (s + 1) * B], drop, dz[s], Ut, d, dstates, through, edge,
                    )  # fmt: skip
                to_h(dz[s], H, Ut, through, edge)
                for r in range(B):
                    if live[at, r]:
                        if dropped:
                            multiply(row(drop, r), row(through, r))
                        if carries:
                            add(row(through, r), row(dh, r))
                        else:
                            copy(row(through, r), row(dh, r))
                        if resets and fresh[at, r]:
                            for k in range(len(dstates)):
                                fill(row(dstates[k], r))
            dz2 = dz[:n].reshape(n * B, P)
            # what z = b + x W passes back
            if dx.size > 0:
                fill(xs.reshape(-1))
                add_product(dz2, 0, Wt, 0, N, xs[: n * B], 0, I, edge)
                for s in range(n):
                    for r in range(B):
                        copy(row(xs, s * B + r), view(dx, r, t1 - 1 - s))
            if dW.size > 0 or dU.size > 0:
                into_panels(dz2, 0, N, dzp)
            if dW.size > 0:
                for s in range(n):
                    copy_inputs(x, t1 - 1 - s, live[n - 1 - s], xs[s * B : (s + 1) * B])
                into_panels(xs[: n * B], 0, I, xp)
                add_weights(xp, dzp, n * B, dW, 0, N)
            if db.size > 0:
                add_columns(dz2, 0, db, 0, N)
            if dU.size > 0:
                into_panels(hs[: n * B], 0, K, hp)
            from_h(hp, dz2, dzp, own, H, N, dU, db)
            if two:
                made_weights(operands, hp, dz2, dzp, own, H, N, dU, db)
            if projected > 0 and dR.size > 0:
                into_panels(operand[: n * B], 0, H, hp)
                into_panels(dhs[:n].reshape(n * B, K), 0, K, dhp)
                add_weights(hp, dhp, n * B, dR, 0, K)
            if first_vector > 0:
                for k in range(len(dvectors)):
                    if dvectors[k].size > 0:
                        add_columns(dz2, (first_vector + k) * H, dvectors[k], 0, H)

    return backward


def _by_operand(plan: Plan) -> tuple[tuple[Columns, ...], tuple[tuple[Columns, ...], ...]]:
    """The products of h, and those of each operand that the step makes."""
    rest = iter(plan.products)
    of_h = tuple(islice(rest, len(plan.products) - sum(plan.made)))
    return of_h, tuple(tuple(islice(rest, n)) for n in plan.made)


@cache
def loops(name: str, plan: Plan, step: Step) -> tuple[Kernel, Kernel]:
    """The loops of a cell, forward and backward; they are compiled when they are first used."""
    functions: list[Any] = [step.forward, step.backward, *chain.from_iterable(step.operands)]
    files = sorted({Path(inspect.getfile(function.py_func)) for function in functions})
    lengths = {"states": plan.states, "activations": plan.activations, "vectors": plan.vectors}
    pair = forward_loop(plan, step), backward_loop(plan, step)
    for function in pair:
        # their name in the cache
        function.__qualname__ = f"{name}_{function.__name__}"
    forward, backward = (Kernel(function, lengths, (plan, step.carries), files) for function in pair)
    return forward, backward
