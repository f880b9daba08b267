"""Recurrent layers as RNN, LSTM and GRU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .... import layers
from ....cells import ProjectionLSTM
from ....layers.bidirectional import Bidirectional
from ....layers.cell import RecurrentCell
from ...gates import cells_named
from ..cells import ARGUMENTS, CELLS, parsed
from .writer import Call, CannotExport, Value, Writer, rule

#: ONNX's functions by our activations, with their constants.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "tanh": ("Tanh",),
    "sigmoid": ("Sigmoid",),
    "relu": ("Relu",),
    "linear": ("Affine", 1.0, 0.0),
    "softsign": ("Softsign",),
    "softplus": ("Softplus",),
    "elu": ("Elu", 1.0),
    "leaky_relu": ("LeakyRelu", 0.2),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
}
CELLS_OF_ONNX = cells_named("onnx")


class Node:
    """What a cell is as a node: its operator, attributes and weights of one direction."""

    def __init__(self, cell: Any, name: str) -> None:
        self.units = cell.units
        rare = [key for key, kind in CELLS.items() if type(cell) is kind]
        #: What turns the node's outputs into the cell's: (units, projection), or None.
        self.projection: Any = None
        self.attributes: dict[str, Any] = {}
        self.arrays: list[Any] = []
        if rare:
            functions = self._rare(cell, *rare[0])
        else:
            row = cell.contract if isinstance(cell, RecurrentCell) else None
            if isinstance(cell, ProjectionLSTM):
                row = next(known for known in CELLS_OF_ONNX.values() if known.state_names == cell.contract.state_names)
                self.projection = cell.projection_kernel.numpy()
            if not isinstance(cell, RecurrentCell) or row is None or "onnx" not in row.names:
                raise CannotExport(f"{name} cannot be written as ONNX, as {type(cell).__name__} has no operator there")
            if cell.zoneout:
                raise CannotExport(f"{name} cannot be written as ONNX, as its operators have no zoneout")
            self.kind = row.names["onnx"]
            # the candidate's, then the gates'
            own = [cell.options.get(key) or getattr(cell, key).name for key in row.activations]
            unknown = [a for a in own if getattr(a, "name", a) not in _FUNCTIONS]
            if unknown:
                raise CannotExport(
                    f"{name} cannot be written as ONNX, as its {self.kind} has no such function as {unknown[0]}"
                )
            f = [_FUNCTIONS[getattr(a, "name", a)] for a in own]
            functions = {"RNN": f[:1], "GRU": [f[-1], f[0]], "LSTM": [f[-1], f[0], f[0]]}[self.kind]
            if cell.options.get("reset_after"):
                self.attributes["linear_before_reset"] = 1
            order = [row.letters.index(letter) for letter in row.orders["onnx"]]
            W, U, b, *_ = (None if v is None else v.numpy() for v in cell.row_weights)
            assert W is not None
            assert U is not None
            if self.projection is not None:  # h U = m (V U), with m = o tanh(c), which is the operator's h
                U = (self.projection.astype(float) @ U).astype(U.dtype)
            blocks = [a.T.reshape(row.G, self.units, -1)[order].reshape(row.G * self.units, -1) for a in (W, U)]
            bias = None
            if b is not None:
                rows = np.zeros((2, row.G, self.units), b.dtype)
                rows[: b.ndim] = b.reshape(-1, row.G, self.units)[:, order]
                bias = rows.reshape(-1)
            self.arrays = [*blocks, bias, None]
        self.functions: list[Any] = functions
        self.states = 2 if self.kind == "LSTM" else 1
        #: Of one dtype: that of its weights.
        self.dtype = self.arrays[0].dtype

    def projected(self, w: Writer, m: str, name: str) -> str:
        """The cell's outputs (..., projection) from those of the node."""
        if self.projection is None:
            return m
        return str(w.node("MatMul", m, w.constant(self.projection, f"{name}/projection")))

    def _rare(self, cell: Any, kind: str, coupled: bool, peephole: bool) -> list[Any]:
        """A cell of `..cells`; gives its functions."""
        self.kind, H = kind, cell.units
        self.attributes |= {"clip": cell.clip} if cell.clip else {}
        self.attributes |= {"input_forget": 1} if coupled else {}
        self.attributes |= {"linear_before_reset": 1} if getattr(cell, "linear_before_reset", False) else {}
        weights: list[Any] = [None if v is None else v.numpy() for v in cell.row_weights]
        W, U, b, *vectors = weights
        blocks = [a.T.reshape(-1, H, len(a)) for a in (W, U)]
        rows = None
        if b is not None:
            rows = np.zeros((2, len(blocks[0]), H), b.dtype)
            rows[: b.ndim] = b.reshape(-1, len(blocks[0]), H)
        if coupled:  # zeros for the forget gate, which has no use
            blocks = [np.insert(a, 2, 0, 0) for a in blocks]
            rows = None if rows is None else np.insert(rows, 2, 0, 1)
            vectors = [*vectors, np.zeros_like(vectors[0])] if vectors else []
        self.arrays = [*(a.reshape(-1, a.shape[2]) for a in blocks), None if rows is None else rows.reshape(-1)]
        self.arrays.append(np.concatenate(vectors) if vectors else None)
        return [(name, *constants) for name, constants in (parsed(getattr(cell, key)) for key in ARGUMENTS[kind])]


def _activations(nodes: list[Node]) -> dict[str, Any]:
    """The attributes that name functions, where they are not the operator's own."""
    functions = [entry for node in nodes for entry in node.functions]
    default = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}[nodes[0].kind]
    if [entry[0] for entry in functions] == default * len(nodes):
        return {}
    attributes: dict[str, Any] = {"activations": [entry[0] for entry in functions]}
    alphas, betas = ([float(entry[i]) for entry in functions if len(entry) > i] for i in (1, 2))
    return attributes | ({"activation_alpha": alphas} if alphas else {}) | ({"activation_beta": betas} if betas else {})


def _run(
    w: Writer, name: str, nodes: list[Node], x: str, direction: str, lengths: str | None, states: list[str | None]
) -> list[str]:
    """One node over x (time, batch, features): Y and the last states; initial states (directions, batch, units)."""
    inputs = [x]
    for key, parts in zip(
        ("kernel", "recurrent_kernel", "bias"), zip(*(n.arrays[:3] for n in nodes), strict=True), strict=True
    ):
        if all(part is None for part in parts):
            inputs.append("")
        else:
            wide = next(len(part) for part in parts if part is not None)
            filled = [np.zeros(wide, nodes[0].dtype) if part is None else part for part in parts]
            inputs.append(w.constant(np.stack(filled), f"{name}/{key}"))
    inputs += [lengths or "", *(state or "" for state in states)]
    if any(node.arrays[3] is not None for node in nodes):
        zeros = np.zeros(3 * nodes[0].units, nodes[0].dtype)
        inputs += [""] * (7 - len(inputs))
        inputs.append(
            w.constant(np.stack([zeros if n.arrays[3] is None else n.arrays[3] for n in nodes]), f"{name}/peephole")
        )
    while not inputs[-1]:
        inputs.pop()
    attributes: dict[str, Any] = {"hidden_size": nodes[0].units, **nodes[0].attributes, **_activations(nodes)}
    if direction != "forward":
        attributes["direction"] = direction
    made = w.node(nodes[0].kind, *inputs, count=1 + nodes[0].states, stem=name, **attributes)
    return list(made)


def _initial(w: Writer, layer: Any, cells: list[Any], call: Call, x: Value, given: Any, path: str) -> list[str | None]:
    """The initial states of cells, flat: names of (1, batch, units), or None for zeros."""
    if given is not None:
        return [w.unsqueeze(w.cast(state, layer.dtype).name, 0) for state in given]
    names = _state_names(layer, cells, path)
    if w.with_states:
        sizes = [node.units for cell in cells for node in [Node(cell, layer.name)] for _ in range(node.states)]
        return [
            w.unsqueeze(w.input(name, layer.dtype, ["batch", size]), 0) for name, size in zip(names, sizes, strict=True)
        ]
    if layer.stateful:
        raise CannotExport(f"{layer.name} cannot be written as ONNX where stateful, but with states=True")
    if not layer.initial:
        return [None] * len(names)
    batch = w.size(x.name, 0)
    shape = w.node("Concat", w.integers(1), batch, w.integers(1), axis=0)
    rows = [
        w.constant(v.numpy().reshape(1, 1, -1), f"{name}/initial") for v, name in zip(layer.initial, names, strict=True)
    ]
    return [w.node("Expand", row, shape) for row in rows]


def _state_names(layer: Any, cells: list[Any], path: str) -> list[str]:
    """`lstm/h`; of several cells `rnn/0/h`, `rnn/1/h`, as a stream calls them."""
    names = []
    for i, cell in enumerate(cells):
        states = ("h", "c") if Node(cell, layer.name).states == 2 else ("h",)
        names += [f"{path}/{i}/{s}" if len(cells) > 1 else f"{path}/{s}" for s in states]
    return names


def _cells(layer: Any) -> list[Any]:
    return [getattr(cell, "cell", cell) if not isinstance(cell, RecurrentCell) else cell for cell in layer.runner.flat]


@rule(layers.RNN)
def _recurrent(w: Writer, call: Call) -> list[Value]:
    layer = call.layer
    y, states = one_way(w, layer, call, call.named.get("initial_state"), layer.name)
    mask = call.x if layer.return_sequences else None
    output = Value(
        y, call.shapes[0], np.dtype(layer.dtype), *((mask.mask, mask.lengths, mask.padding) if mask else (None, None))
    )
    if not layer.return_state:
        return [output]
    return [output, *(w.plain(name, shape, layer.dtype) for name, shape in zip(states, call.shapes[1:], strict=True))]


def one_way(w: Writer, layer: Any, call: Call, given: Any, path: str) -> tuple[str, list[str]]:
    """The output of a recurrent layer, batch first, in the order of processing; and its last states."""
    x, cells = w.cast(call.x, layer.dtype), _cells(layer)
    if w.step and (layer.go_backwards or layer.zero_output_for_mask):
        raise CannotExport(f"{layer.name} cannot be written as a step, as it goes backwards or knows masks")
    nodes = [Node(cell, layer.name) for cell in cells]
    first = _initial(w, layer, cells, call, x, given, path)
    direction = "reverse" if layer.go_backwards else "forward"
    seen, lengths, last = w.node("Transpose", x.name, perm=[1, 0, 2]), x.lengths, []
    for i, node in enumerate(nodes):
        name = path if len(nodes) == 1 else f"{path}/{i}"
        begin = [first.pop(0) for _ in range(node.states)]
        if node.projection is not None and any(begin):
            raise CannotExport(f"{layer.name} cannot be written as ONNX with initial states, as its h is a projection")
        Y, *states = _run(w, name, [node], seen, direction, lengths, begin)
        seen, states[0] = (node.projected(w, m, name) for m in (w.squeeze(Y, 1), states[0]))
        ragged = layer.go_backwards and x.padding and x.lengths is not None
        if ragged:  # each row from its own end
            counts = w.cast(w.plain(x.lengths or "", (None,), np.int32), np.int64)
            seen = w.node("ReverseSequence", seen, counts.name, time_axis=0, batch_axis=1)
        if i == len(nodes) - 1 and x.mask is not None and not layer.zero_output_for_mask:
            before = layer.go_backwards and not ragged  # where masked steps come first
            seen = _repeated(w, seen, x.mask, begin[0] if before else states[0])
        last += [w.squeeze(state, 0) for state in states]
    if w.with_states:
        w.states += [
            (f"{name}_next", np.dtype(layer.dtype), [made, node.units])
            for name, made, node in zip(
                _state_names(layer, cells, path), last, [n for n in nodes for _ in range(n.states)], strict=True
            )
        ]
    if not layer.return_sequences:
        h = last[-nodes[-1].states]
        if layer.zero_output_for_mask and x.mask is not None:
            raise CannotExport(f"{layer.name} cannot be written as ONNX with zero_output_for_mask and the last output")
        return h, last
    y = w.node("Transpose", seen, perm=[1, 0, 2])
    return (w.flipped(y, 1) if layer.go_backwards and not ragged else y), last


def _repeated(w: Writer, Y: str, mask: str, state: str | None) -> str:
    """Y (time, batch, units) with a state (1, batch, units) at the steps behind the end of a row, in place of zeros."""
    if state is None:
        return Y
    there = w.unsqueeze(w.node("Transpose", mask, perm=[1, 0]), 2)
    return str(w.node("Where", there, Y, state))


@rule(Bidirectional)
def _bidirectional(w: Writer, call: Call) -> list[Value]:
    layer, x = call.layer, w.cast(call.x, call.layer.dtype)
    parts = [layer.forward_layer, layer.backward_layer]
    given = call.named.get("initial_state")
    cut = len(_state_names(parts[0], _cells(parts[0]), ""))
    halves = [None, None] if given is None else [given[:cut], given[cut:]]
    cells = [_cells(part) for part in parts]
    nodes = [Node(c[0], layer.name) for c in cells]
    alike = nodes[0].kind == nodes[1].kind and nodes[0].units == nodes[1].units
    alike = alike and nodes[0].attributes == nodes[1].attributes and not parts[0].go_backwards
    alike = alike and all(node.projection is None for node in nodes)
    outputs: list[str] = []
    if alike and all(len(c) == 1 for c in cells) and not w.with_states:
        first = [
            _initial(w, part, c, call, x, half, f"{layer.name}/{part.name}")
            for part, c, half in zip(parts, cells, halves, strict=True)
        ]
        begin = [
            None if a is None or b is None else w.node("Concat", a, b, axis=0) for a, b in zip(*first, strict=True)
        ]
        seen = w.node("Transpose", x.name, perm=[1, 0, 2])
        Y, *last = _run(w, layer.name, nodes, seen, "bidirectional", x.lengths, begin)
        ends = [w.node("Split", state, w.integers(1, 1), count=2, axis=0) for state in last]
        states = [[w.squeeze(end[d], 0) for end in ends] for d in range(2)]
        if layer.return_sequences and layer.merge_mode == "concat":
            turned = w.node("Transpose", Y, perm=[2, 0, 1, 3])
            outputs = [w.node("Reshape", turned, w.integers(0, 0, -1))]
        elif layer.return_sequences:
            outputs = [
                w.node("Transpose", w.squeeze(y, 1), perm=[1, 0, 2])
                for y in w.node("Split", Y, w.integers(1, 1), count=2, axis=1)
            ]
        else:
            outputs = [states[0][0], states[1][0]]
    else:
        states, one = [], replace(call, inputs=[replace(call.x, padding=False)])
        for part, half in zip(parts, halves, strict=True):
            y, ends = one_way(w, part, one, half, f"{layer.name}/{part.name}")
            outputs.append(y)
            states.append(ends)
        if layer.return_sequences:
            outputs[1] = w.flipped(outputs[1], 1)
    if len(outputs) == 2 and layer.merge_mode is not None:
        outputs = [_merged(w, layer, *outputs)]
    mask = (x.mask, x.lengths, x.padding) if layer.return_sequences else (None, None)
    values = [Value(y, s, np.dtype(layer.dtype), *mask) for y, s in zip(outputs, call.shapes, strict=False)]
    if layer.return_state:
        flat = [name for half in states for name in half]
        values += [w.plain(n, s, layer.dtype) for n, s in zip(flat, call.shapes[len(outputs) :], strict=True)]
    return values


def _merged(w: Writer, layer: Any, f: str, b: str) -> str:
    if layer.merge_mode == "concat":
        return str(w.node("Concat", f, b, axis=-1))
    kind = {"sum": "Add", "mul": "Mul", "ave": "Add"}[layer.merge_mode]
    name = str(w.node(kind, f, b))
    return name if layer.merge_mode != "ave" else str(w.node("Mul", name, w.constant(0.5, "number", layer.dtype)))
