"""Bidirectional: two recurrent layers over the same inputs, one in each direction of time, and their outputs merged."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Self, Unpack

import numpy as np

from .. import core
from ..kernels.stages import Stage
from ..registry import serialize
from .base import Array, Layer, LayerOptions
from .context import Applied, Context
from .deserialization import deserialize
from .grouped import run_rows
from .module import Shape
from .penalties import run_layer
from .pipelined import both, in_phases
from .ragged import checked, is_ragged
from .recurrent import RNN
from .sizes import Size
from .states import given_states, nest


def _split(dy: Array, f: Array, b: Array) -> tuple[Array, Array]:
    units = f.shape[-1]
    return dy[..., :units], dy[..., units:]


#: How the outputs f and b of the same steps are merged, and the gradients of both from dy.
MERGES: dict[str | None, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "concat": (lambda f, b: np.concatenate([f, b], axis=-1), _split),
    "sum": (lambda f, b: f + b, lambda dy, f, b: (dy, dy)),
    "mul": (lambda f, b: f * b, lambda dy, f, b: (dy * b, dy * f)),
    "ave": (lambda f, b: (f + b) / 2, lambda dy, f, b: (dy / 2, dy / 2)),
}
WAYS = ("forwards", "backwards")


class Bidirectional(Layer):
    """Runs a recurrent layer forwards and another one backwards in time, and merges what they give for each step.

    Args:
        layer: an RNN, LSTM, GRU or SimpleRNN. What runs forwards is made anew from its configuration, so that it shares
            no weights with it; what runs backwards likewise, with `go_backwards=True`.
        merge_mode: "concat", "sum", "mul", "ave", or None, which gives both outputs in a list.
        weights: to begin with, those of the forward layer and then those of the backward one.
        backward_layer: what runs backwards, used itself; it must return what `layer` returns.
        name, trainable: as for every layer; dtype is the layer's.

    Outputs: with return_sequences the backward layer's are turned around in time before they are merged, so that both
    belong to the same step, and they are 0 at masked steps. With return_state a list: the output (or both), then the
    forward layer's states and the backward layer's. Weights: the forward layer's, then the backward layer's.

    Masks, lengths and lists of sequences are as for RNN: without them the backward layer sees padding first.

    Raises:
        TypeError, ValueError: layer is no recurrent layer, or the two do not fit together.

    Example:
        >>> layer = Bidirectional(LSTM(8, return_sequences=True))
        >>> y = layer(np.ones((2, 5, 3)), lengths=[5, 2])
    """

    takes_ragged = True
    skips_masked = True

    def __init__(
        self,
        layer: RNN,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: RNN | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        for argument, value in (("layer", layer), ("backward_layer", backward_layer)):
            if not isinstance(value, RNN) and not (value is None and argument == "backward_layer"):
                raise TypeError(f"{argument} must be a recurrent layer (RNN, LSTM, GRU, SimpleRNN), got {value!r}")
        if merge_mode not in (*MERGES, None):
            modes = ", ".join(map(repr, (*MERGES, None)))
            raise ValueError(f"merge_mode must be one of {modes}, got {merge_mode!r}")
        if options.get("dtype") is None:
            options["dtype"] = layer.dtype
        super().__init__(**options)
        self.forward_layer = _again(layer, f"forward_{layer.name.removeprefix('forward_')}", layer.go_backwards)
        if backward_layer is None:
            backward_name = f"backward_{layer.name.removeprefix('backward_')}"
            backward_layer = _again(layer, backward_name, go_backwards=True)
        self.backward_layer = backward_layer
        self.merge_mode = merge_mode
        self._check_pair()
        self.stateful = layer.stateful
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        for part in (self.forward_layer, self.backward_layer):
            part.zero_output_for_mask = self.return_sequences
        self._parts += [self.forward_layer, self.backward_layer]
        self._first_weights = None if weights is None else list(weights)
        if not self.trainable:
            self.trainable = False

    def _check_pair(self) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        for part in (forward, backward):
            if part.dtype != self.dtype:
                raise ValueError(f"dtype must be that of {part.name}, {part.dtype}, got {self.dtype}")
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                f"backward_layer must have go_backwards={not forward.go_backwards}, as layer has "
                f"{forward.go_backwards}, got {backward.go_backwards}"
            )
        for flag in ("stateful", "return_sequences", "return_state"):
            mine, other = getattr(forward, flag), getattr(backward, flag)
            if mine != other:
                raise ValueError(f"backward_layer must have {flag}={mine}, as layer has it, got {other}")
        if self.merge_mode not in ("concat", None) and forward.runner.output_size != backward.runner.output_size:
            raise ValueError(
                f"backward_layer must have {forward.runner.output_size} units for this merge_mode, as layer has, "
                f"got {backward.runner.output_size}"
            )

    @property
    def states(self) -> list[Array] | None:
        """The states that a stateful layer keeps: the forward layer's, then the backward layer's."""
        forward, backward = self.forward_layer.states, self.backward_layer.states
        return None if forward is None or backward is None else [*forward, *backward]

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the forward layer's states, then of the backward layer's."""
        return [*self.forward_layer.state_size, *self.backward_layer.state_size]

    def reset_state(self, states: Any = None, rows: Any = None) -> None:
        """Begin the next call of a stateful layer anew, for all rows or some, or with given states, those of the
        forward layer first; see `RNN.reset_state`."""
        parts = (self.forward_layer, self.backward_layer)
        halves: list[Any] = [None, None]
        if states is not None:
            n = [len(part.state_size) for part in parts]
            if not isinstance(states, (list, tuple)) or len(states) != sum(n):
                got = len(states) if isinstance(states, (list, tuple)) else core.brief(states)
                raise ValueError(f"expected states to be a list of {sum(n)}, the forward layer's first, got {got}")
            halves = [states[: n[0]], states[n[0] :]]
            rows_ = {len(part.check_states(half, way)[0]) for part, half, way in zip(parts, halves, WAYS, strict=True)}
            if len(rows_) > 1:
                raise ValueError(f"expected states with one number of rows, got {sorted(rows_)}")
        for part, half in zip(parts, halves, strict=True):
            part.reset_state(half, rows)

    def reset_states(self, states: Any = None, rows: Any = None) -> None:
        """As `reset_state`."""
        self.reset_state(states, rows)

    def independent_rows(self, training: bool) -> bool:
        """False where stateful: each call continues from the states of the one before."""
        return not self.stateful

    def make_weights(self, input_shape: Shape) -> None:
        for part in (self.forward_layer, self.backward_layer):
            if not part.built:
                part.path = f"{self.path}/{part.name}"
            part.build(input_shape)
        if self._first_weights is not None:
            self.set_weights(self._first_weights)

    def get_initial_state(self, batch_size: int | Size) -> list[Any]:
        """The states that a call begins with where none are given."""
        return [*self.forward_layer.get_initial_state(batch_size), *self.backward_layer.get_initial_state(batch_size)]

    def compute_output_shape(self, input_shape: Shape) -> Any:
        forward, backward = (
            part.compute_output_shape(input_shape) for part in (self.forward_layer, self.backward_layer)
        )
        f, b = (forward[0], backward[0]) if self.return_state else (forward, backward)
        outputs: list[Any] = [f, b]
        if self.merge_mode == "concat":
            outputs = [(*f[:-1], f[-1] + b[-1])]
        elif self.merge_mode is not None:
            outputs = [f]
        if self.return_state:
            outputs += [*forward[1:], *backward[1:]]
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """The mask that came, for each output where sequences are returned, and None for each state."""
        passed = mask if self.return_sequences else None
        masks = [passed, passed] if self.merge_mode is None else [passed]
        if self.return_state:
            masks += [None for part in (self.forward_layer, self.backward_layer) for _ in part.state_size]
        return masks if len(masks) > 1 else masks[0]

    def apply(
        self,
        x: Any,
        mask: Any,
        context: Context,
        *,
        initial_state: Any = None,
        lengths: Any = None,
        resets: Any = None,
    ) -> Applied:
        """Run B sequences in both directions.

        Args:
            x, mask, context, lengths, resets: as for `RNN.apply`.
            initial_state: the forward layer's states, then the backward layer's.

        Returns:
            The output, or a list as the class says; the mask; and the pullback, which takes dy in the same form, where
            None is zeros, and gives dx, or (dx, [gradient of each initial state]) if initial_state was given.

        Raises:
            ValueError, TypeError: an argument that does not fit; states and weights are as they were.
        """
        forward, backward = self.forward_layer, self.backward_layer
        if is_ragged(x):
            rows = checked("x", x, self.dtype, forward.features)
            given = None if initial_state is None else [s for half in self._halves(initial_state, len(x)) for s in half]
            resets = context.resets if resets is None else resets
            return run_rows(Bidirectional.apply, self, rows, context, given, mask=mask, lengths=lengths, resets=resets)
        x = core.as_array("x", x, self.dtype, ("batch", "time", forward.features))
        if not self.built:
            self.build(x.shape)
        first = [None, None] if initial_state is None else self._halves(initial_state, len(x))
        # Padding need not be told apart from masked steps: the outputs of both are 0.
        one = context.but(padding=False)
        if together := in_phases(forward, one) and in_phases(backward, one):
            arguments = [(x, mask, one, states, lengths, resets) for states in first]
            ran = both((forward.phases, backward.phases), *arguments)
        else:
            named = {"lengths": lengths, "resets": resets}
            pairs = zip((forward, backward), first, strict=True)
            ran = [run_layer(part, x, mask, one, initial_state=states, **named) for part, states in pairs]
        (f, _, forward_back), (b, _, backward_back) = ran
        f, *fstates = f if self.return_state else [f]
        b, *bstates = b if self.return_state else [b]
        if self.return_sequences:
            b = b[..., ::-1, :]
        outputs: list[Any] = [f, b] if self.merge_mode is None else [MERGES[self.merge_mode][0](f, b)]
        result: Any = [*outputs, *fstates, *bstates]
        if len(result) == 1:
            result = result[0]
        count = len(outputs)

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            total = count + len(fstates) + len(bstates)
            if dy is None:
                dy = [None] * total
            elif total == 1:
                dy = [dy]
            if not isinstance(dy, (list, tuple)) or len(dy) != total:
                got = f"{len(dy)}" if isinstance(dy, (list, tuple)) else type(dy).__name__
                raise ValueError(f"expected dy to be a list of {total}, for each output and each state, got {got}")
            df, db = dy[:2] if self.merge_mode is None else self._unmerge(dy[0], f, b)
            if self.return_sequences and db is not None:
                db = np.asarray(db)[..., ::-1, :]
            cut = count + len(fstates)
            df, db = ([df, *dy[count:cut]], [db, *dy[cut:]]) if self.return_state else (df, db)
            if together:
                dx, other = both((forward_back.phases, backward_back.phases), (df, need_dx), (db, need_dx))
            else:
                dx, other = forward_back(df, need_dx), backward_back(db, need_dx)
            if initial_state is None:
                return _sum(dx, other)
            return _sum(dx[0], other[0]), [*dx[1], *other[1]]

        return result, self.compute_mask(x, mask), pullback

    def _halves(self, initial_state: Any, B: int) -> list[Any]:
        """The states of each direction, checked and cast before either runs."""
        parts = (self.forward_layer, self.backward_layer)
        names = [f"{name} {way}" for part, way in zip(parts, WAYS, strict=True) for name in part.runner.state_names]
        got = len(initial_state) if isinstance(initial_state, (list, tuple)) else 1
        # of stacked cells flat, or one list for each cell
        counts = [(len(part.runner.state_sizes), len(part.state_size)) for part in parts]
        half = next((ahead for ahead, behind in zip(*counts, strict=True) if ahead + behind == got), None)
        if half is None or not isinstance(initial_state, (list, tuple)):
            raise ValueError(f"expected initial_state to be {len(names)} arrays ({', '.join(names)}), got {got}")
        return [
            nest(part.runner, given_states(part.runner, states, self.dtype, B, way))
            for part, states, way in zip(parts, (initial_state[:half], initial_state[half:]), WAYS, strict=True)
        ]

    def _unmerge(self, dy: Any, f: Any, b: Any) -> tuple[Any, Any]:
        """The gradients of f and b from that of what they were merged to."""
        if dy is None:
            return None, None
        units = self.forward_layer.runner.output_size
        width = units + self.backward_layer.runner.output_size if self.merge_mode == "concat" else units
        dy = core.as_array("dy", dy, self.dtype, (*f.shape[:-1], width))
        df, db = MERGES[self.merge_mode][1](dy, f, b)
        return df, db

    def stages(self) -> list[Stage]:
        raise ValueError(f"{self.name} cannot be streamed, as its backward layer begins at the last step")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": serialize(self.forward_layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        parts = {key: deserialize(config.pop(key)) for key in ("layer", "backward_layer") if config.get(key)}
        return cls(**config, **parts)


def _again(layer: RNN, name: str, go_backwards: bool) -> RNN:
    """A layer with the same configuration and weights of its own."""
    if layer.has_python_cells:  # a class of the user's, which no configuration leads back to
        copied = copy.deepcopy(layer)
        copied.name = copied.path = name
        copied.go_backwards = go_backwards
        return copied
    return type(layer).from_config({**layer.get_config(), "name": name, "go_backwards": go_backwards})


def _sum(a: Any, b: Any) -> Any:
    return None if a is None else np.add(a, b)
