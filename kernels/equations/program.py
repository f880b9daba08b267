"""What a backend runs of a cell's equations: stages of assignments, and where values lie between them.

A step has a phase more than there are operands that it makes, as the product of one has to be there first. Forward,
phase k assigns the operand of phase k + 1 and what later phases and backward need. Backward has a stage for each phase,
the last one first: the last one starts from the gradients of the new states, stage k from that of the operand that
phase k + 1 multiplies; each adds what it gives to the gradients of sums, states and vectors.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple

from .graph import Graph, Node
from .operators import OPERATORS
from .prepared import Prepared

#: Operators of which the outcome stands for a gate, where nothing else does.
ACTIVATED = ("tanh", "sigmoid", "exp", "expm1", "sqrt", "log", "log1p", "where", "minimum", "maximum", "divide")


class Place(NamedTuple):
    """Where a value lies. kind: "z", a stretch of a gate row; "before", "after" or "vector", which one; "seen";
    "dz", "dstate", "dseen", "dmade": gradients. That of the value that is projected is given in dz."""

    kind: str
    number: int = 0


class Stage(NamedTuple):
    """loads: where nodes lie that others are made of. stores: what to write where, in order; added to what is there in
    places of `adds`."""

    loads: dict[int, Place]
    stores: list[tuple[Place, int]]
    adds: frozenset[Place] = frozenset()


@dataclass(frozen=True, eq=False)
class Equations:
    """A step as a graph.

    Attributes:
        nodes: of the graph. letters: the gates. states, vectors: names.
        outputs: the nodes of the new states, in order; where `projected`, the first is what a matrix multiplies.
        apart: the gates whose product with h has sums of its own, with a bias of its own.
        made: operands that the step makes, each with the gates whose columns of U multiply it.
        recurrent: the gates that have a product with h.
        projected: whether the output state is the product of what the step makes with a matrix, (H, its own size).
    """

    nodes: tuple[Node, ...]
    letters: str
    states: tuple[str, ...]
    vectors: tuple[str, ...]
    outputs: tuple[int, ...]
    recurrent: str
    apart: str
    made: tuple[tuple[int, str], ...]
    projected: bool = False

    @cached_property
    def prepared(self) -> Prepared:
        return Prepared(self)

    @cached_property
    def program(self) -> Program:
        return Program(self.prepared.inner)

    @cached_property
    def program_by_chunks(self) -> Program:
        """For loops that run a phase of many steps before the next one, where steps allow it; else `program`."""
        inner = self.prepared.inner
        return Program(inner, True) if inner.has_late_output else self.program

    @cached_property
    def has_late_output(self) -> bool:
        """Whether all that products of operands serve is the output, which no step sees of the one before."""
        graph = Graph(self.nodes)
        own = {i for i, node in enumerate(self.nodes) if node.op == "sum" and node.value[1]}
        early = graph.below([*self.outputs[1:], *(at for at, _ in self.made)])
        late = graph.below(self.outputs[:1])
        if self.recurrent or self.projected or own.intersection(early) or not own.intersection(late):
            return False
        read = {self.nodes[at].value for at in early if self.nodes[at].op == "state"}
        return self.states[0] not in read and not {self.nodes[at].op for at in late} & {"state", "seen", "total"}

    def __reduce__(self) -> tuple[Any, ...]:
        return Equations, tuple(getattr(self, part.name) for part in fields(self))

    @property
    def key(self) -> str:
        """Equal for equations that compute the same."""
        return repr(tuple(getattr(self, part.name) for part in fields(self)))


def runs(letters: str, of: dict[str, object]) -> list[tuple[int, int, object]]:
    """Gates side by side that have the same value: (first, how many, the value)."""
    found: list[tuple[int, int, object]] = []
    for i, letter in enumerate(letters):
        if found and found[-1][2] == of[letter]:
            found[-1] = (found[-1][0], found[-1][1] + 1, of[letter])
        else:
            found.append((i, 1, of[letter]))
    return found


class Program:
    """The stages of some equations, of which nothing is made of vectors alone.

    Attributes:
        graph: with the nodes of the derivatives.
        groups: stretches of a gate row that lie side by side, (first, how many): gates, then sums of their own,
            operands that are made, and what else is kept. In gradients of gate rows those of vectors lie where operands
            begin.
        own: the stretch of a gate's own sums. made: the stretch of each operand. vectors: of each vector's gradient.
        projected: the stretch of what is projected, and of its gradient; None where nothing is.
        gates: the node of each gate's value, which its stretch holds in the end.
        forward, backward: a stage for each phase.
        whole_rows: whether it needs all units of a row at once.
    """

    def __init__(self, e: Equations, chunked: bool = False) -> None:
        self.e, self.graph, self.chunked = e, Graph(e.nodes), chunked
        self.phases = 2 if chunked else 1 + len(e.made)
        self.whole_rows = e.projected or any(node.op == "total" for node in e.nodes)
        product: dict[str, object] = {letter: "h" if letter in e.recurrent else None for letter in e.letters}
        product |= {letter: "own" for letter in e.apart}
        product |= {letter: k for k, (_, letters) in enumerate(e.made) for letter in letters}
        self.runs = runs(e.letters, product)
        self.groups = [(first, count) for first, count, _ in self.runs]
        self.own: dict[str, int] = {}
        width = len(e.letters)
        for first, count, what in self.runs:
            if what not in (None, "h"):
                self.groups.append((width, count))
                for i in range(count):
                    self.own[e.letters[first + i]] = width + i
                width += count
        self.projected = width if e.projected else None
        self.groups += [(width, 1)] * e.projected
        width += e.projected
        self.made = [width + k for k in range(len(e.made))]
        first_vector = width + len(e.made) * chunked
        self.vectors = [first_vector + k for k in range(len(e.vectors))]
        self.kept: dict[int, Place] = {}
        self._width = width + len(e.made)
        self._phase = self._phases()
        self.gates = self._gates()
        derived = self._derivatives()
        self._keep(derived)
        self.forward = [self._forward(k) for k in range(self.phases)]
        loads = self._available(self.phases, True)
        self.backward = []
        for stores, adds in derived:
            extra = {self.graph.leaf("gradient", ("state", i)): Place("dstate", i) for i in range(len(e.states))}
            dmade = [Place("dz", at) if chunked else Place("dmade") for at in self.made]
            extra |= {self.graph.leaf("gradient", ("made", i)): place for i, place in enumerate(dmade)}
            if self.projected is not None:
                extra[self.graph.leaf("gradient", ("state", 0))] = Place("dz", self.projected)
            self.backward.append(Stage({**loads, **extra}, stores, adds))
        self.width = max(self._width, first_vector + len(e.vectors))
        self.groups += [(at, 1) for at in range(width, self.width)]

    def _sum(self, letter: str, own: bool) -> int | None:
        node = Node("sum", (), (letter, "own" if own else ""))
        return self.graph.nodes.index(node) if node in self.graph.nodes else None

    def _phases(self) -> list[int]:
        """The phase in which each node can be computed."""
        later = {
            letter: 1 if self.chunked else k + 1 for k, (_, letters) in enumerate(self.e.made) for letter in letters
        }
        phase: list[int] = []
        for node in self.graph.nodes:
            own = node.op == "sum" and node.value[1] == "own"
            phase.append(max([later.get(node.value[0], 0) if own else 0, *(phase[a] for a in node.arguments)]))
        return phase

    def _gates(self) -> list[int]:
        """The value of each gate: of the first activation that its sum reaches and that is no other gate's, else the
        sum."""
        taken: list[int] = []
        for letter in self.e.letters:
            at = self._sum(letter, False)
            assert at is not None
            reached, value = {at}, at
            for i, node in enumerate(self.graph.nodes):
                if reached.intersection(node.arguments) and node.op != "total":
                    if node.op in ACTIVATED and i not in taken and self.graph.wide[i]:
                        value = i
                        break
                    if node.op not in ("less", "less_equal", "greater", "greater_equal"):
                        reached.add(i)
            taken.append(value)
        return taken

    def _derivatives(self) -> list[tuple[list[tuple[Place, int]], frozenset[Place]]]:
        """What each stage of backward stores, and to what it adds."""
        g, e, zero = self.graph, self.e, self.graph.constant(0.0)
        places: dict[int, Place] = {}
        closed = [at for at, node in enumerate(e.nodes) if e.projected and node == Node("state", (), e.states[0])]
        for at, node in enumerate(e.nodes):
            if node.op == "sum":
                letter, own = node.value
                places[at] = Place("dz", self.own[letter] if own else e.letters.index(letter))
            elif node.op == "vector":
                places[at] = Place("dz", self.vectors[e.vectors.index(node.value)])
            elif node.op == "state" and at not in closed:
                places[at] = Place("dstate", e.states.index(node.value))
            elif node.op == "seen":
                places[at] = Place("dseen")
        every = [*places.values(), *(Place("dstate", i) for i in range(e.projected, len(e.states)))]
        stages = []
        late: set[Place] = set()
        for k in sorted(range(self.phases), reverse=self.chunked):
            begin: dict[int, int] = {}
            ends = [(at, ("state", i)) for i, at in enumerate(e.outputs) if self._stored(at) == k]
            ends += [(at, ("made", i)) for i, (at, _) in enumerate(e.made) if k == (0 if self.chunked else i)]
            for at, of in ends:
                d = g.leaf("gradient", of)
                begin[at] = g.add("add", begin[at], d) if at in begin else d
            found = {places[at]: d for at, d in g.pullback(begin, places).items()}
            first = k == (0 if self.chunked else self.phases - 1)  # to write all of them, those without a gradient too
            if self.chunked and k:
                found[Place("dstate", 0)] = zero
                late = set(found)
            elif first:
                every = [place for place in every if place.kind != "dseen" and (place in found or place not in late)]
                found = {place: found.get(place, zero) for place in every}
            adds = late.intersection(found) if first else set() if self.chunked else set(found)
            stages.append((sorted(found.items(), key=lambda item: (item[0].kind == "dseen", item[0])), frozenset(adds)))
        return stages[::-1] if self.chunked else stages

    def _stored(self, output: int) -> int:
        """The phase that stores a new state: the last one, or where chunks are run, the first that can."""
        return self._phase[output] if self.chunked else self.phases - 1

    def _available(self, phase: int, backward: bool = False) -> dict[int, Place]:
        """Where nodes lie before a phase, or for backward."""
        loads: dict[int, Place] = {}
        for at, node in enumerate(self.graph.nodes):
            if node.op == "sum" and node.value[1]:
                loads[at] = Place("z", self.own[node.value[0]])
            elif node.op == "sum":
                g = self.e.letters.index(node.value[0])
                if self.gates[g] == at or self._phase[self.gates[g]] >= phase:
                    loads[at] = Place("z", g)
            elif node.op == "state":
                loads[at] = Place("before", self.e.states.index(node.value))
            elif node.op == "vector":
                loads[at] = Place("vector", self.e.vectors.index(node.value))
            elif node.op == "seen":
                loads[at] = Place("seen")
        for i, at in enumerate(self.e.outputs if backward else ()):
            loads.setdefault(at, self._output(i))
        for g, at in enumerate(self.gates):
            if self._phase[at] < phase:
                loads.setdefault(at, Place("z", g))
        return loads | {at: place for at, place in self.kept.items() if self._phase[at] < phase}

    def _keep(self, derived: list[tuple[list[tuple[Place, int]], frozenset[Place]]]) -> None:
        """Room for what later phases and backward need and cannot make again at little cost."""
        for phase in range(1, self.phases):
            loads = self._available(phase)
            self._need([at for _, at in self._targets(phase)], loads, phase)
        self._need([at for stores, _ in derived for _, at in stores], self._available(self.phases, True), self.phases)

    def _need(self, roots: list[int], loads: dict[int, Place], phase: int) -> None:
        g, seen, todo = self.graph, set(loads), list(roots)
        while todo:
            at = todo.pop()
            if at in seen:
                continue
            seen.add(at)
            node = g.nodes[at]
            early = at < len(self.e.nodes) and self._phase[at] < phase and g.wide[at]
            costly = node.op != "sum" and node.op in OPERATORS and OPERATORS[node.op].costly
            if early and (node.op == "sum" or (costly and any(a not in loads for a in node.arguments))):
                self.kept[at] = Place("z", self._width)
                self._width += 1
            else:
                todo += node.arguments

    def _targets(self, phase: int) -> list[tuple[Place, int]]:
        """What a phase computes, but for what is kept besides."""
        e = self.e
        made = [k for k in range(len(e.made)) if phase == (0 if self.chunked else k)]
        stores = [(Place("z", self.made[k]), e.made[k][0]) for k in made]
        stores += [(Place("z", g), at) for g, at in enumerate(self.gates) if self._phase[at] == phase]
        return stores + [(self._output(i), at) for i, at in enumerate(e.outputs) if self._stored(at) == phase]

    def _output(self, i: int) -> Place:
        """Where a step leaves a state, or what is projected to be it."""
        return Place("after", i) if i or self.projected is None else Place("z", self.projected)

    def _forward(self, phase: int) -> Stage:
        loads = self._available(phase)
        stores = self._targets(phase) + [(p, at) for at, p in self.kept.items() if self._phase[at] == phase]
        return Stage(loads, [(place, at) for place, at in stores if loads.get(at) != place])
