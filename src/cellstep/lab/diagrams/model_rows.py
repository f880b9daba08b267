"""Rows: a model as it is drawn, one row for each call of a layer, and what flows between the rows.

A stack of cells in one layer gives a row for each cell; a layer in both directions of time a row for each and one where
they meet; a model inside a model gives the rows of its layers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ... import layers
from ...layers import nested
from ...layers.graph import Graph
from ...models import Model

#: Layers that do the same to each step by itself.
_STEPWISE = (
    *(layers.Dense, layers.Embedding, layers.TimeDistributed, layers.Masking, layers.LayerNormalization),
    *(layers.BatchNormalization, layers.Activation, layers.Softmax, layers.ReLU, layers.LeakyReLU, layers.ELU),
    *(layers.PReLU, layers.Dropout, layers.GaussianNoise, layers.GaussianDropout),
    *(layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum),
)
_MERGED = {"concat": "join", "sum": "+", "mul": "×", "ave": "mean"}


class Port(NamedTuple):
    """Where something comes from: a row, and which of its states, None for the output."""

    row: int
    state: int | None = None


@dataclass
class Row:
    """One call of a layer.

    Attributes:
        kind: "input"; "chain", recurrent, with arrows between steps; "each", the same at every step; "whole", over all
            steps at once; "single", once, outside of time.
        name, what: of the layer, and what its boxes say. weights: `kernel (3, 32)`, ...
        band: rows of one band share their columns. level: 0 at the bottom; no two rows of a band have the same.
        steps: how many the output has, None for one output. inside: how many the boxes have.
        states: letters of what a chain passes on. backwards: the chain runs from the last step to the first.
        sequences: the chain gives the output of every step.
        initial: where the first states come from; empty for `first`, "0" or "learned".
        sources: where the inputs come from. letter: of an input's labels. number: of the row in the list of weights; 0
            of an input, and of a row in which two directions meet.
        turned: the outputs come last step first.
    """

    kind: str
    name: str
    what: str
    weights: list[str] = field(default_factory=list)
    band: int = 0
    level: int = 0
    steps: int | None = None
    inside: int | None = None
    states: tuple[str, ...] = ()
    backwards: bool = False
    sequences: bool = True
    initial: list[Port] = field(default_factory=list)
    first: str = "0"
    sources: list[Port] = field(default_factory=list)
    letter: str = ""
    number: int = 0
    turned: bool = False


class Tensor(NamedTuple):
    """What flows between calls. `line`: it has a time axis."""

    port: Port
    shape: Any
    line: bool


class Reader:
    """Reads a model's graph into `rows`; `outputs` are the ports of the model's outputs."""

    def __init__(self, model: Any, lengths: list[int]) -> None:
        self.rows: list[Row] = []
        self._parent: list[int] = []
        self._lengths = list(lengths)
        self._seen: dict[int, int] = {}
        self._numbered = 0
        graph, heads = graph_of(model)
        inputs = [self._input(name, shape, line) for name, shape, line in input_lines(graph, heads)]
        self.outputs = [tensor.port for tensor in self._walk(graph, inputs)]
        bands = sorted({self._find(row.band) for row in self.rows})
        for row in self.rows:
            row.band = bands.index(self._find(row.band))
        self._raise()

    def _raise(self) -> None:
        """Put each row above those that it reads from, and no two of a band on one level."""
        taken: set[tuple[int, int]] = set()
        for row in self.rows:
            row.level = 1 + max((self.rows[port.row].level for port in row.sources), default=-1)
            while (row.band, row.level) in taken:
                row.level += 1
            taken.add((row.band, row.level))

    def _find(self, band: int) -> int:
        while self._parent[band] != band:
            band = self._parent[band]
        return band

    def _new_band(self) -> int:
        self._parent.append(len(self._parent))
        return len(self._parent) - 1

    def _add(self, row: Row) -> int:
        self.rows.append(row)
        return len(self.rows) - 1

    def _input(self, name: str, shape: tuple[Any, ...], line: bool) -> Tensor:
        steps = self._lengths.pop(0) if line else None
        primes = "′" * sum(row.kind == "input" for row in self.rows)
        row = Row("input", name, "Input", band=self._new_band(), steps=steps, inside=steps, letter=f"x{primes}")
        batch = (None, steps, *shape[2:]) if line else tuple(shape)
        return Tensor(Port(self._add(row)), batch, line)

    def _walk(self, graph: Any, inputs: list[Tensor]) -> list[Tensor]:
        tensors: dict[int, Tensor] = dict(zip(graph.inputs, inputs, strict=True))
        for step in graph.steps:
            x = [tensors[place] for place in nested.flatten(step.x)]
            inner = getattr(step.layer, "_graph", None)
            if inner is not None:
                outputs = self._walk(inner, x)
            else:
                states = [tensors[place].port for place in nested.flatten(step.named.get("initial_state", []))]
                shape = nested.change(step.x, lambda place: tensors[place].shape)
                shapes = nested.shapes(step.layer.compute_output_shape(shape))
                outputs = self._call(step.layer, x, states, shapes)
            tensors.update(zip(step.places, outputs, strict=True))
        return [tensors[place] for place in graph.outputs]

    def _call(self, layer: Any, x: list[Tensor], states: list[Port], shapes: list[Any]) -> list[Tensor]:
        if isinstance(layer, layers.RNN):
            return self._one_way(layer, x[0], states, shapes)
        if isinstance(layer, layers.Bidirectional):
            return self._both_ways(layer, x[0], states, shapes)
        lines = [tensor for tensor in x if tensor.line]
        line = len(shapes[0]) > 2 and (bool(lines) or isinstance(layer, layers.RepeatVector))
        last = isinstance(layer, layers.Concatenate) and layer.axis in (-1, len(shapes[0]) - 1)
        same = len(lines) == len(x) and len({tensor.shape[1] for tensor in x}) == 1
        if not lines and not line:
            kind = "single"
        elif line and same and x[0].shape[1] == shapes[0][1] and (last or isinstance(layer, _STEPWISE)):
            kind = "each"
        else:
            kind = "whole"
        band = self.rows[x[0].port.row].band
        if kind == "each":
            for tensor in x[1:]:
                self._parent[self._find(self.rows[tensor.port.row].band)] = self._find(band)
        what = layer.layer if isinstance(layer, layers.TimeDistributed) else layer
        row = self._row(kind, layer.name, type(what).__name__, layer, band, [t.port for t in x])
        row.steps = shapes[0][1] if line else None
        row.inside = row.steps if kind == "each" else (x[0].shape[1] if x[0].line else row.steps)
        return [Tensor(Port(self._add(row), None), shape, line) for shape in shapes]

    def _row(self, kind: str, name: str, what: str, owner: Any, band: int, sources: list[Port]) -> Row:
        """A row with the weights that `owner`, a layer or a cell, brings; or the number of the row where it did."""
        self._numbered += 1
        first = self._seen.setdefault(id(owner), self._numbered)
        weights = [f"{w.name} {_shape(w.shape)}" for w in getattr(owner, "weights", [])]
        if first != self._numbered and weights:
            weights = [f"the weights of {first}"]
        return Row(kind, name, what, weights, band, sources=sources, number=self._numbered)

    def _recurrent(self, layer: Any, name: str, x: Tensor, states: list[Port]) -> tuple[Row, Port, list[Port]]:
        """A row for each cell of a layer: the last one, its output, and the last states of all."""
        runners = layer.runner.flat
        source, ports = x.port, []
        for i, runner in enumerate(runners):
            cell = getattr(runner, "cell", runner)
            what = type(cell).__name__.removesuffix("Cell")
            numbered = name + (f", cell {i + 1}" if len(runners) > 1 else "")
            row = self._row("chain", numbered, what, cell, self.rows[x.port.row].band, [source])
            row.steps = row.inside = x.shape[1]
            row.states = _letters(runner.state_names)
            row.backwards = layer.go_backwards
            row.first = "learned" if layer.initial else "0"
            row.initial, states = states[: len(row.states)], states[len(row.states) :]
            place = self._add(row)
            source = Port(place)
            ports += [Port(place, j) for j in range(len(row.states))]
        last = self.rows[source.row]
        last.sequences = layer.return_sequences
        last.steps = x.shape[1] if layer.return_sequences else None
        return last, source, ports

    def _one_way(self, layer: Any, x: Tensor, states: list[Port], shapes: list[Any]) -> list[Tensor]:
        last, source, ports = self._recurrent(layer, layer.name, x, states)
        last.turned = layer.go_backwards and layer.return_sequences
        output = Tensor(source, shapes[0], layer.return_sequences)
        return [output, *_vectors(ports, shapes[1:])]

    def _both_ways(self, layer: Any, x: Tensor, states: list[Port], shapes: list[Any]) -> list[Tensor]:
        """The rows of each direction, and one above them where their outputs meet."""
        outputs, ports = [], []
        half = len(states) // 2
        for part, initial in ((layer.forward_layer, states[:half]), (layer.backward_layer, states[half:])):
            _, source, last = self._recurrent(part, f"{layer.name}/{part.name}", x, initial)
            outputs.append(source)
            ports += last
        if layer.merge_mode is not None:
            kind, band = "each" if layer.return_sequences else "single", self.rows[outputs[0].row].band
            row = Row(kind, layer.name, _MERGED[layer.merge_mode], band=band, sources=outputs)
            row.steps = row.inside = x.shape[1] if layer.return_sequences else None
            outputs = [Port(self._add(row))]
        n = len(outputs)
        tensors = [Tensor(port, shape, layer.return_sequences) for port, shape in zip(outputs, shapes[:n], strict=True)]
        return tensors + _vectors(ports, shapes[n:])


def _vectors(ports: list[Port], shapes: list[Any]) -> list[Tensor]:
    """Last states, where a layer returns them."""
    return [Tensor(port, shape, False) for port, shape in zip(ports, shapes, strict=False)]


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"


def _letters(names: list[str]) -> tuple[str, ...]:
    """h and c; of cells written by users, whose states have numbers: s0, s1."""
    first_words = [name.split()[0] for name in names]
    return tuple(dict.fromkeys(f"s{word}" if word.isdigit() else word for word in first_words))


def graph_of(model: Any) -> tuple[Any, list[tuple[str, Any]]]:
    """A model's graph, and the name and batch shape of each input.

    Raises:
        TypeError: it is no model and no recurrent layer. ValueError: it is not built, or composes its layers by hand.
    """
    if isinstance(model, layers.RNN | layers.Bidirectional):
        if not model.built:
            raise ValueError(f"model must be built to be drawn: call {model.name} once, or put it behind an Input")
        inner = model.forward_layer if isinstance(model, layers.Bidirectional) else model
        return Graph.chain([model]), [("input", (None, None, inner.features))]
    if not isinstance(model, Model):
        raise TypeError(f"model must be a Sequential, a Model or a recurrent layer, got {type(model).__name__}")
    graph = model.known_graph()
    if graph is None:
        raise ValueError(f"model must be made of tensors or a Sequential, or have been called once, got {model!r}")
    heads = [(head.name, head.batch_shape) for head in model._signature.heads]
    if not heads:
        if model.input_shape is None:
            raise ValueError(f"model must be built to be drawn: give {model.name} an Input, or call it once")
        heads = [("input", model.input_shape)]
    return graph, heads


def input_lines(graph: Any, heads: list[tuple[str, Any]]) -> list[tuple[str, Any, bool]]:
    """Name and shape of each input, and whether its second axis is time: of three axes, or read by an Embedding."""
    read: set[int] = set()
    for step in graph.steps:
        if isinstance(step.layer, layers.Embedding | layers.Masking) or (
            getattr(step.layer, "_graph", None) is not None
            and any(isinstance(inner.layer, layers.Embedding) for inner in step.layer._graph.steps)
        ):
            read.update(nested.flatten(step.x))
    return [
        (name, shape, len(shape) > 2 or place in read) for (name, shape), place in zip(heads, graph.inputs, strict=True)
    ]
