"""Recording: a cell's `step` is run once with symbols, which gives the graph of its equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..kernels.equations.graph import Graph
from ..kernels.equations.program import Equations
from .symbols import Sums, Symbol, line_of, refuse

#: Phases of a step at most: products whose operands are made in the step, one after the other, and one.
PHASES = 4


class Recorder:
    """What `self.product` and `z` of a running step write to."""

    def __init__(self, letters: str, states: Mapping[str, str], vectors: Sequence[str]) -> None:
        self.letters, self.states, self.vectors = letters, tuple(states), tuple(vectors)
        #: What the output state's numbers are counted by, where it has as many as the cell has units: "".
        self.size = next(iter(states.values())).replace("units", "", 1)
        self.projected: Symbol | None = None
        self.graph = Graph()
        self.used: dict[str, set[str]] = {letter: set() for letter in letters}
        self.made: list[tuple[int, str]] = []

    def leaf(self, op: str, value: Any) -> Symbol:
        return Symbol(self.graph, self.graph.leaf(op, value))

    def state(self, name: str) -> Symbol:
        """A state as it was before the step."""
        return Symbol(self.graph, self.graph.leaf("state", name), self.size if name == self.states[0] else "")

    def project(self, value: Any) -> Symbol:
        """The product of a value with the matrix whose columns are the output state's numbers."""
        if not self.size:
            refuse("project gives a state of a size of its own: write states = {'h': 'projection', ...}")
        if self.projected is not None:
            refuse("a step has one projection, which is the output state, got another one")
        self._check_operand("project", value)
        self.projected = Symbol(self.graph, self.graph.leaf("projected", value.at), self.size)
        return self.projected

    def _check_operand(self, name: str, value: Any) -> None:
        wide = isinstance(value, Symbol) and not value.truth and not value.size and self.graph.wide[value.at]
        if not wide:
            refuse(f"expected {name} of a value with a number for each unit, got another one")

    def sum(self, letter: str, part: str) -> Symbol:
        """The sum of a gate, or a part of it."""
        if part != "x" and any(letter in letters for _, letters in self.made):
            refuse(f"gate {letter} has the product of what the step made in the place of h's: take z.x.{letter} of it")
        self.used[letter].add(part or "all")
        return self.leaf("sum", (letter, part or "all"))

    def product(self, value: Any, gates: str) -> Any:
        """A value times the gates' columns of U, for each gate."""
        letters = gates.split() if isinstance(gates, str) else []
        for letter in letters:
            if letter not in self.letters or len(letter) != 1:
                refuse(f"expected product with gates of {', '.join(self.letters)}, got {letter!r}", ValueError)
            if self.used[letter] - {"x"} or any(letter in made for _, made in self.made):
                refuse(f"gate {letter} has a product with U already, got another one: take one more gate", ValueError)
        if not letters:
            refuse(f"expected product(value, gates) with gates such as 'f', got {gates!r}")
        if self.size:
            refuse(f"U has a row for each of {self.size}, and so multiplies {self.states[0]} alone: leave product away")
        self._check_operand("product", value)
        at = value.at
        for i, (operand, there) in enumerate(self.made):
            if operand == at:
                self.made[i] = (at, there + "".join(letters))
                break
        else:
            self.made.append((at, "".join(letters)))
        found = [self.leaf("sum", (letter, "own")) for letter in letters]
        return found[0] if len(found) == 1 else found

    def finish(self, outputs: Any, name: str) -> Equations:
        """The equations, from what the step returned."""
        values = list(outputs) if isinstance(outputs, tuple | list) else [outputs]
        if len(values) != len(self.states):
            n = len(self.states)
            raise ValueError(
                f"expected step of {name} to return {n} states ({', '.join(self.states)}), got {len(values)}"
            )
        for state, value in zip(self.states, values, strict=True):
            if not isinstance(value, Symbol) or value.truth or value.graph is not self.graph:
                what = "a comparison" if isinstance(value, Symbol) and value.truth else repr(value)
                raise TypeError(f"expected step of {name} to return {state} as a value of the step, got {what}")
            if (value is self.projected) != (bool(self.size) and state == self.states[0]) or (
                value.size and value is not self.projected
            ):
                wanted = "self.project(value)" if state == self.states[0] and self.size else "a number for each unit"
                raise ValueError(f"expected step of {name} to return {state} as {wanted}, got another value")
        made = "".join(letters for _, letters in self.made)
        for letter, used in self.used.items():
            if not used - {"h"}:
                raise ValueError(
                    f"step of {name} does not use z.{letter}, nor its part z.x.{letter}: leave the gate away"
                )
        if len(self.made) >= PHASES:
            raise ValueError(
                f"expected step of {name} to make {PHASES - 1} products of its own at most, got {len(self.made)}"
            )
        apart = "".join(letter for letter in self.letters if "h" in self.used[letter])
        recurrent = "".join(letter for letter in self.letters if letter not in made and self.used[letter] - {"x"})
        graph, places = self._resolved(apart)
        outs = tuple(places[self.made_of(value)] for value in values)
        seen = []
        for at, letters in self.made:
            operand, gates = places[at], _gate_values(graph)
            h = graph.leaf("state", self.states[0])
            seen.append((graph.replaced(operand, h, graph.leaf("seen"), gates), letters))
        return Equations(
            *(tuple(graph.nodes), self.letters, self.states, self.vectors, outs, recurrent, apart, tuple(seen)),
            self.projected is not None,
        )

    def made_of(self, value: Symbol) -> int:
        """The node of a value; of the projection's, that of what is projected."""
        node = self.graph.nodes[value.at]
        return int(node.value) if node.op == "projected" else value.at

    def _resolved(self, apart: str) -> tuple[Graph, dict[int, int]]:
        """The graph with the sums as kernels have them: of a gate whose parts are used, as the sum of both."""
        graph, places = Graph(), {}
        for letter in self.letters:
            graph.leaf("sum", (letter, ""))
        for state in self.states:
            graph.leaf("state", state)
        for at, node in enumerate(self.graph.nodes):
            if node.op == "sum":
                letter, part = node.value
                main, own = ("sum", (letter, "")), ("sum", (letter, "own"))
                if part == "all" and letter in apart:
                    places[at] = graph.add("add", graph.leaf(*main), graph.leaf(*own))
                else:
                    places[at] = graph.leaf(*(own if part in ("h", "own") else main))
            elif node.arguments:
                arguments = [places[a] for a in node.arguments]
                places[at] = graph.where(*arguments) if node.op == "where" else graph.add(node.op, *arguments)
            elif node.op != "projected":
                places[at] = graph.leaf(node.op, node.value)
        return graph, places


def _gate_values(graph: Graph) -> list[int]:
    """Nodes that products see as they are, with h whole in them: what activations and choices make."""
    return [i for i, node in enumerate(graph.nodes) if node.op in ("sigmoid", "tanh")]


def record(kind: type, hyperparameters: dict[str, Any]) -> Equations:
    """The equations of a class's `step` with these hyperparameters.

    Raises:
        Exception: what the step raises, or what it may not do, with the line of the user's code.
    """
    own: Any = kind
    letters, states = own.letters(hyperparameters), own.declared_states(hyperparameters)
    vectors = list(own.vector_initializers())
    recorder = Recorder("".join(letters), states, vectors)
    # an object of the class without its weights: methods of the user's work
    stand_in: Any = object.__new__(kind)
    vars(stand_in).update(hyperparameters, _recorder=recorder)
    vars(stand_in).update({name: recorder.leaf("vector", name) for name in vectors})
    try:
        outputs = own.step(stand_in, Sums(recorder), *map(recorder.state, states))
    except Exception as error:
        if getattr(error, "said", False):
            raise
        said = f"step of {kind.__name__} cannot be run: {error}, in {line_of(error, own.step)}"
        try:
            again = type(error)(said)
        except Exception:
            again = TypeError(said)
        raise again from error
    try:
        return recorder.finish(outputs, kind.__name__)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error}, in {line_of(error, own.step)}") from None
