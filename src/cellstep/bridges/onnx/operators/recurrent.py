"""RNN, LSTM and GRU: recurrent layers, on the compiled kernels where these have the options that a node asks for."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .... import layers, ops
from ....kernels import CELLS
from ..cells import ARGUMENTS, FUNCTIONS, constants_of, written
from ..cells import CELLS as RARE
from ..importer import Again, Importer, operator
from ..reading import Operator, Unsupported
from ..sizes import Dim
from ..views import Factor, Late, Pending, Spread, Stacked, View, is_array
from .states import as_tensors, as_weights, first_state

_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
#: Our activations by ONNX's, with the constants that make them the same.
_NAMES: dict[str, tuple[str, dict[str, float]]] = {
    "Tanh": ("tanh", {}),
    "Sigmoid": ("sigmoid", {}),
    "Relu": ("relu", {}),
    "Softsign": ("softsign", {}),
    "Softplus": ("softplus", {}),
    "Elu": ("elu", {"alpha": 1.0}),
    "LeakyRelu": ("leaky_relu", {"alpha": 0.2}),
    "HardSigmoid": ("hard_sigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "Affine": ("linear", {"alpha": 1.0, "beta": 0.0}),
    "ScaledTanh": ("tanh", {"alpha": 1.0, "beta": 1.0}),
}
_DEFAULTS = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}
#: Bytes that a cell's compiled equations take, at most.
CODE = 2**22


class Description:
    """What a node says of its cell: sizes, options and the weights of each direction.

    Attributes:
        kind: "RNN", "LSTM" or "GRU". backwards: for each direction whether it runs from the end.
        activations: for each direction the functions with their constants. rare: why the compiled kernels have no such
            cell, or None.
    """

    def __init__(self, g: Importer, node: Operator) -> None:
        self.graph = g.graph
        self.kind, self.row = node.kind, next(c for c in CELLS.values() if c.names.get("onnx") == node.kind)
        direction = node.attribute("direction", "forward")
        if direction not in _DIRECTIONS:
            raise Unsupported(f"direction must be one of {', '.join(_DIRECTIONS)}, got {direction!r}")
        self.backwards = _DIRECTIONS[direction]
        D, G = len(self.backwards), self.row.G
        W, R = g.array(node, 1, "W"), g.array(node, 2, "R")
        H = int(node.attribute("hidden_size", R.shape[-1]))
        if W.ndim != 3 or R.ndim != 3 or W.shape[:2] != (D, G * H) or R.shape != (D, G * H, H) or not H:
            raise Unsupported(
                f"W and R must be ({D}, {G * H}, inputs) and ({D}, {G * H}, {H}), got {W.shape} and {R.shape}"
            )
        B = g.array(node, 3, "B") if node.has(3) else None
        if B is not None and B.shape != (D, 2 * G * H):
            raise Unsupported(f"B must be ({D}, {2 * G * H}), got {B.shape}")
        P = g.array(node, 7, "P") if node.has(7) and self.kind == "LSTM" else None
        if P is not None and P.shape != (D, 3 * H):
            raise Unsupported(f"P must be ({D}, {3 * H}), got {P.shape}")
        self.W, self.R, self.B, self.P, self.H, self.D = W, R, B, P, H, D
        self.layout = int(node.attribute("layout", 0))
        if self.layout not in (0, 1):
            raise Unsupported(f"layout must be 0 or 1, got {self.layout}")
        self.clip = float(node.attribute("clip", 0.0))
        if not self.clip >= 0:
            raise Unsupported(f"clip must be a number from 0 on, got {self.clip}")
        self.couple = bool(node.attribute("input_forget", 0)) and self.kind == "LSTM"
        self.after = bool(node.attribute("linear_before_reset", 0))
        self.activations = self._activations(node)

    def _activations(self, node: Operator) -> list[list[tuple[str, dict[str, float]]]]:
        default = _DEFAULTS[self.kind]
        names = list(node.attribute("activations") or default * self.D)
        if len(names) != len(default) * self.D:
            raise Unsupported(f"activations must be {len(default) * self.D} names, got {names}")
        known = {name.lower(): name for name in FUNCTIONS}
        given = {key: iter(node.attribute(f"activation_{key}") or []) for key in ("alpha", "beta")}
        functions = []
        for name in names:
            if name.lower() not in known:
                raise Unsupported(f"activations must be among {', '.join(FUNCTIONS)}, got {name!r}")
            name = known[name.lower()]
            constants = {key: float(next(given[key], value)) for key, value in constants_of(name).items()}
            functions.append((name, constants))
        n = len(default)
        return [functions[i * n : (i + 1) * n] for i in range(self.D)]

    def ours(self, d: int) -> list[str] | None:
        """The names that our layers have for the activations of a direction; None where they have not all."""
        names = []
        for name, constants in self.activations[d]:
            own, wanted = _NAMES.get(name, ("", {}))
            if not own or any(abs(constants[key] - value) > 1e-7 for key, value in wanted.items()):
                return None
            names.append(own)
        if self.kind == "LSTM" and names[1] != names[2]:
            return None
        return names

    def rare(self, d: int) -> bool:
        """Whether our layers have no such cell."""
        P = self.P is not None and bool(self.P[d].any())
        return P or self.couple or self.clip > 0 or self.ours(d) is None

    def weights(self, d: int) -> list[Any]:
        """Kernel, recurrent kernel and bias as our layers have them."""
        order = [self.row.orders["onnx"].index(letter) for letter in self.row.letters]
        blocks = [self.W[d], self.R[d]]
        W, R = (a.reshape(self.row.G, self.H, -1)[order].reshape(-1, a.shape[1]).T for a in blocks)
        if self.B is None:
            return [W, R]
        rows = self.B[d].reshape(2, self.row.G, self.H)[:, order].reshape(2, -1)
        two = self.kind == "GRU" and self.after
        return [W, R, rows if two else rows[0] + rows[1]]

    def rare_cell(self, d: int) -> Any:
        """The cell of a direction with all that the node says."""
        own: dict[str, Any] = {"linear_before_reset": self.after} if self.kind == "GRU" else {}
        functions = [written(name, list(constants.values())) for name, constants in self.activations[d]]
        own |= zip(ARGUMENTS[self.kind], functions, strict=True)
        kind = RARE[self.kind, self.couple, self.P is not None]
        cell = kind(self.H, clip=self.clip, use_bias=self.B is not None, dtype=str(self.W.dtype), **own)
        if cell.contract.name not in self.graph.rows:
            self.graph.limit.take("the code of a cell with these attributes", CODE)
            self.graph.rows.add(cell.contract.name)
        return cell

    def rare_weights(self, d: int) -> list[Any]:
        """The weights of a direction as that cell has them."""
        blocks = [a[d].reshape(self.row.G, self.H, -1) for a in (self.W, self.R)]
        rows = None if self.B is None else self.B[d].reshape(2, self.row.G, self.H)
        peepholes = [] if self.P is None else list(self.P[d].reshape(3, self.H))
        if self.couple:  # without the forget gate
            blocks, peepholes = [np.delete(a, 2, 0) for a in blocks], peepholes[:2]
            rows = None if rows is None else np.delete(rows, 2, 1)
        weights = [a.reshape(-1, a.shape[2]).T for a in blocks]
        if rows is not None:
            weights.append(rows.reshape(2, -1) if self.kind == "GRU" and self.after else (rows[0] + rows[1]).ravel())
        return [*weights, *peepholes]

    def layer(self, d: int, sequences: bool, state: bool, masked: bool, first: list[Any] | None) -> Any:
        """The recurrent layer of a direction, and the function that gives it its weights."""
        options: dict[str, Any] = {
            "return_sequences": sequences,
            "return_state": state,
            "go_backwards": self.backwards[d],
            "zero_output_for_mask": masked and sequences,
            "trainable_initial_state": first is not None,
        }
        dtype = str(self.W.dtype)
        if self.rare(d):
            layer: Any = layers.RNN(self.rare_cell(d), **options)
            weights = self.rare_weights(d)
        else:
            names = self.ours(d)
            assert names is not None
            own: dict[str, Any] = {"activation": names[-1], "use_bias": self.B is not None}
            if self.kind != "RNN":
                own["recurrent_activation"] = names[0]
            if self.kind == "GRU":
                own["reset_after"] = self.after
            layer = getattr(layers, self.row.title)(self.H, **own, **options, dtype=dtype)
            weights = self.weights(d)
        return layer, [*weights, *(first or [])]


@operator("RNN", "LSTM", "GRU")
def _recurrent(g: Importer, node: Operator) -> Any:
    what = Description(g, node)
    D, H, states = what.D, what.H, 2 if what.kind == "LSTM" else 1
    x = g.value(node, 0)
    if g.ndim(x) != 3:
        raise Unsupported(f"X must have three axes, got {g.ndim(x)}")
    x = turned(g, x, [1, 0, 2] if what.layout == 0 else [0, 1, 2])
    batch, steps, width = g.dims(x)
    if isinstance(width, Dim) or width != what.W.shape[2]:
        raise Unsupported(f"X must have the {what.W.shape[2]} features that W has, got {width}")
    tensor = g.tensor(x)
    mask = _mask(g, g.maybe(node, 4), tensor, batch, steps)
    given = [first_state(g, node, i, what, batch) for i in range(5, 5 + states)]
    Y, *last = [node.gives(i) and g.used(node.outputs[i]) for i in range(1 + states)]
    first = as_weights(given, what, what.W.dtype)
    starts = None if first is not None or all(s is None for s in given) else as_tensors(g, given, what, tensor, batch)
    options: dict[str, Any] = {} if mask is None else {"mask": mask}
    if starts is not None:
        options["initial_state"] = starts

    def call(sequences: bool) -> tuple[Any, list[Any]]:
        """The layer called: y of all steps, or None, and the last states, one a direction for each that is made."""
        state = (sequences and any(last)) or (states == 2 and last[1])
        made = [what.layer(d, sequences, state, mask is not None, first and first[d]) for d in range(D)]
        layer = made[0][0]
        if D > 1:
            merge_mode = "concat" if sequences else None
            layer = layers.Bidirectional(layer, backward_layer=made[1][0], merge_mode=merge_mode)
        layer.build((None, None, width))
        inner = [layer] if D == 1 else [layer.forward_layer, layer.backward_layer]
        for part, (_, weights) in zip(inner, made, strict=True):
            g.give(part, weights)
        outputs = layer(tensor, **options)
        outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        if not state:
            return (outputs[0], []) if sequences else (None, [outputs])
        rest = outputs[-D * states :]
        return outputs[0] if sequences else None, [[rest[d * states + i] for d in range(D)] for i in range(states)]

    layout = 1 if what.layout else 0
    if Y and D == 1 and not what.backwards[0] and mask is None and node.outputs[0] not in g.full and not is_array(x):
        return _pending(node, call, (batch, steps, H), layout, what.W.dtype, states)
    y, finals = call(Y)
    if y is not None and D == 1 and what.backwards[0]:
        y = ops.flip(y, axis=1)
    stacked = [_stacked(parts, [batch, H], layout) for parts in finals]
    seen = None if y is None else _sequences(y, [batch, steps, D, H], layout)
    return [seen, *stacked, *[None] * (states - len(stacked))]


def _pending(node: Operator, call: Any, sizes: Any, layout: int, dtype: Any, states: int) -> list[Any]:
    """Y and the last states of a layer that is called when it is known which steps are needed."""
    made: dict[bool, Any] = {}

    def once(sequences: bool) -> Any:
        if sequences and False in made:
            raise Again(node.outputs[0])
        if not made:
            made[sequences] = call(sequences)
        return next(iter(made.values()))

    def y(sequences: bool) -> Any:
        if sequences:
            return once(True)[0]
        if True in made:
            return made[True][0][:, -1]
        return once(False)[1][0][0]

    batch, steps, H = sizes
    b, t, h = (Factor(i, n) for i, n in enumerate((batch, steps, H)))
    factors = [f for f in (b, t, h) if isinstance(f.size, Dim) or f.size != 1]
    rows, time, units = (((f,) if f in factors else ()) for f in (b, t, h))
    Y = Pending(y, dtype, t, factors, [rows, time, (), units] if layout else [time, (), rows, units])
    ends = [f for f in (Factor(0, batch), Factor(1, H)) if isinstance(f.size, Dim) or f.size != 1]
    seen = [tuple(f for f in ends if f.axis == axis) for axis in ((0, -1, 1) if layout else (-1, 0, 1))]
    last = [Late(partial(_state, once, i), dtype, ends, seen) for i in range(states)]
    return [Y, *last]


def _state(once: Any, i: int) -> Any:
    return once(False)[1][i][0]


def _sequences(y: Any, sizes: list[Any], layout: int) -> Any:
    """Y of the outputs (batch, time, directions * units)."""
    batch, steps, D, H = sizes
    if is_array(y):
        parts = y.reshape(*y.shape[:2], D, H)
        return parts if layout else parts.transpose(1, 2, 0, 3)
    view = View.of(y, [batch, steps, D * H]).reshaped(sizes)
    assert view is not None
    b, t, d, h = view.groups
    return view.seen([b, t, d, h] if layout else [t, d, b, h])


def _stacked(parts: list[Any], dims: list[Any], axis: int) -> Any:
    if all(map(is_array, parts)):
        return np.stack(parts, axis)
    views = [View.of(part, dims) for part in parts]
    if len(views) > 1:
        return Stacked(axis, views)
    groups = list(views[0].groups)
    groups.insert(axis, ())
    return views[0].seen(groups)


def turned(g: Importer, x: Any, order: list[int]) -> Any:
    """x with its axes in another order."""
    if is_array(x):
        return x.transpose(order)
    view = g.view(x)
    return view.seen([view.groups[i] for i in order])


def _mask(g: Importer, lengths: Any, x: Any, batch: Any, steps: Any) -> Any:
    """Booleans (batch, time) that are False behind the end of a row; None where all rows are as long as x."""
    if lengths is None:
        return None
    if is_array(lengths) and lengths.dtype != object and not isinstance(steps, Dim) and (lengths == steps).all():
        return None
    if isinstance(lengths, Spread) or (is_array(lengths) and lengths.dtype == object):
        array = lengths.array if isinstance(lengths, Spread) else lengths
        if all(isinstance(n, Dim) and isinstance(steps, Dim) and n == steps for n in array.reshape(-1)):
            return None
    lengths = g.tensor(lengths)
    if is_array(x) and is_array(lengths):
        return np.arange(x.shape[1]) < lengths[:, None]
    if is_array(x):
        raise Unsupported("sequence_lens of a constant X must be constant")
    places = ops.cumsum(ops.ones_like(x[:, :, 0], dtype="int32"), axis=1)
    return ops.less_equal(places, ops.expand_dims(lengths, 1))


@operator("ReverseSequence")
def _reverse_sequence(g: Importer, node: Operator) -> Any:
    x, lengths = g.value(node, 0), g.value(node, 1)
    time, batch = node.attribute("time_axis", 0), node.attribute("batch_axis", 1)
    if {time, batch} != {0, 1}:
        raise Unsupported(f"time_axis and batch_axis must be 0 and 1, got {time} and {batch}")
    order = [batch, time, *range(2, g.ndim(x))]
    x = turned(g, x, order)
    tensor, ends = g.tensor(x), ops.expand_dims(g.tensor(lengths), 1)
    row = tensor[(slice(None), slice(None), *(0,) * (g.ndim(x) - 2))]
    places = ops.cumsum(ops.ones_like(row, dtype="int32"), axis=1) - np.int32(1)
    ends = ends if ends.dtype == "int32" else ops.cast(ends, "int32")
    turned_places = ops.where(places < ends, ends - np.int32(1) - places, places)
    axes = list(range(2, g.ndim(x)))
    turned_places = ops.expand_dims(turned_places, axes) if axes else turned_places
    y = g.wrap(ops.take_along_axis(tensor, turned_places, axis=1), g.dims(x))
    return turned(g, y, order)
