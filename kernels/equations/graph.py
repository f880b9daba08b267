"""The graph of a step: nodes in the order in which they can be computed, each made once.

Leaves are "sum" (of a gate: its letter and, where a product has sums of its own, "own"), "state", "seen" (the output
state as products see it), "vector", "constant", "projected" (the product that is the output state) and "gradient",
which is given. All other nodes are operators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .operators import OPERATORS

LEAVES = ("sum", "state", "seen", "vector", "constant", "gradient", "units", "projected")


class Node(NamedTuple):
    op: str
    arguments: tuple[int, ...] = ()
    value: Any = None


class Graph:
    """Nodes by number. `add` gives the number of an equal node where there is one."""

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        self.nodes: list[Node] = list(nodes)
        self._numbers = {node: i for i, node in enumerate(self.nodes)}
        #: Whether a node has a number for each unit, or one for a row.
        self.wide: list[bool] = []
        for node in self.nodes:
            self.wide.append(self._is_wide(node))

    def _is_wide(self, node: Node) -> bool:
        if node.op in LEAVES:
            return node.op not in ("constant", "units")
        return node.op != "total" and any(self.wide[a] for a in node.arguments)

    def _put(self, node: Node) -> int:
        if node not in self._numbers:
            self._numbers[node] = len(self.nodes)
            self.nodes.append(node)
            self.wide.append(self._is_wide(node))
        return self._numbers[node]

    def leaf(self, op: str, value: Any = None) -> int:
        return self._put(Node(op, (), value))

    def constant(self, value: float) -> int:
        return self._put(Node("constant", (), float(value)))

    def number(self, at: int) -> float | None:
        """The value of a constant."""
        node = self.nodes[at]
        return node.value if node.op == "constant" else None

    def add(self, op: str, *arguments: int) -> int:
        """An operator of nodes. What is known beforehand is computed here, and factors of 1 and zeros are left out."""
        numbers = [self.number(a) for a in arguments]
        if op in ("add", "multiply") and arguments[0] > arguments[1]:
            arguments, numbers = arguments[::-1], numbers[::-1]
        if all(n is not None for n in numbers) and op not in ("total", "where") and OPERATORS[op].slope is not None:
            return self.constant(OPERATORS[op].function(*numbers))
        if op == "total" and not self.wide[arguments[0]]:
            return self.add("multiply", self.leaf("units"), arguments[0])
        if op == "negative" and self.nodes[arguments[0]].op == "negative":
            return self.nodes[arguments[0]].arguments[0]
        if op == "multiply" and -1.0 in numbers:
            return self.add("negative", arguments[numbers.index(-1.0) ^ 1])
        if op == "multiply" and 1.0 in numbers:
            return arguments[numbers.index(1.0) ^ 1]
        if op == "add" and 0.0 in numbers:
            return arguments[numbers.index(0.0) ^ 1]
        if op in ("subtract", "divide") and numbers[1] == (0.0 if op == "subtract" else 1.0):
            return arguments[0]
        if op == "add":  # a + -b
            for at, other in (arguments, arguments[::-1]):
                if self.nodes[at].op == "negative":
                    return self.add("subtract", other, self.nodes[at].arguments[0])
        return self._put(Node(op, arguments))

    def where(self, condition: int, yes: int | float, no: int | float) -> int:
        """A choice; numbers that are floats are constants."""
        nodes = [self.constant(v) if isinstance(v, float) else v for v in (yes, no)]
        return self._put(Node("where", (condition, *nodes)))

    def below(self, roots: Iterable[int], stop: Iterable[int] = ()) -> list[int]:
        """The nodes that these are made of, themselves too, in order; not what nodes in `stop` are made of."""
        found, ends, todo = set(), set(stop), list(roots)
        while todo:
            at = todo.pop()
            if at not in found:
                found.add(at)
                todo += () if at in ends else self.nodes[at].arguments
        return sorted(found)

    def replaced(self, root: int, old: int, new: int, stop: Iterable[int]) -> int:
        """A node with another one in the place of a leaf, but for what stands in `stop`."""
        ends, made = set(stop), {old: new}
        for at in self.below([root], ends):
            node = self.nodes[at]
            if at not in made and at not in ends and any(made.get(a, a) != a for a in node.arguments):
                made[at] = self._put(node._replace(arguments=tuple(made.get(a, a) for a in node.arguments)))
        return made.get(root, root)

    def pullback(self, gradients: Mapping[int, int], leaves: Iterable[int]) -> dict[int, int]:
        """The gradients of leaves from those of some nodes, as nodes; of leaves that get none, none."""
        total: dict[int, int] = {}

        def give(at: int, d: int | None) -> None:
            if d is None or self.number(d) == 0.0:
                return
            if self.wide[d] and not self.wide[at]:
                d = self.add("total", d)
            total[at] = self.add("add", total[at], d) if at in total else d

        wanted = set(leaves)
        for at, d in gradients.items():
            give(at, d)
        leads = set()  # nodes that lead to a leaf
        for at in self.below(gradients):
            if at in wanted or any(a in leads for a in self.nodes[at].arguments):
                leads.add(at)
        for at in sorted(leads, reverse=True):
            node = self.nodes[at]
            slope = None if node.op in LEAVES else OPERATORS[node.op].slope
            if at not in total or slope is None:
                continue
            for argument, share in zip(node.arguments, slope(self, total[at], at, *node.arguments), strict=True):
                if argument in leads:
                    give(argument, share)
        return {at: total[at] for at in wanted if at in total}

    def pushforward(self, tangents: Mapping[int, int], roots: Iterable[int]) -> dict[int, int]:
        """The tangents of nodes from those of others, as nodes; of nodes that have none, none.

        An operator's slopes serve both ways, as it is elementwise; but for a total, which is the total of a tangent.
        """
        made, wanted = dict(tangents), list(roots)
        for at in self.below(wanted, tangents):
            node = self.nodes[at]
            slope = None if node.op in LEAVES or at in made else OPERATORS[node.op].slope
            for i, a in enumerate(node.arguments if slope is not None else ()):
                if a not in made:
                    continue
                total = node.op == "total"
                share = self.add("total", made[a]) if total else slope(self, made[a], at, *node.arguments)[i]  # type: ignore[misc]
                if share is not None and self.number(share) != 0.0:
                    made[at] = self.add("add", made[at], share) if at in made else share
        return {at: made[at] for at in wanted if at in made}
