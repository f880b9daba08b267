"""RNN: a cell run over sequences, forward and backward, in one call of the compiled kernels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self, Unpack

import numpy as np

from .. import core
from ..kernels.stages import Stage
from . import nested
from . import recurrent_checks as checks
from .base import Array, Layer, LayerOptions
from .cell import RecurrentCell
from .context import Applied, Context
from .deserialization import deserialize
from .grouped import run_rows
from .module import Module, Shape
from .pipelined import runs_phases
from .plain_run import plain_run
from .ragged import checked, is_ragged
from .recurrent_pullback import RecurrentPullback
from .sizes import Size, zeros
from .stacked_rnn_cells import StackedRNNCells, as_runner, build_cell
from .states import given_states, nest, with_rows
from .stream import Stream, recurrent_stages
from .time_order import arrange, zeroed
from .variable import Variable


class RNN(Layer):
    """A recurrent layer over a cell; SimpleRNN, LSTM and GRU are this over their own cells.

    Args:
        cell: SimpleRNNCell, LSTMCell, GRUCell or StackedRNNCells; a list of cells, which is stacked; or a cell of your
            own, written in Python (`layers.python_cell` says how), which runs step by step and slowly.
        return_sequences: give the output of every step (B, T, units), not the last one's (B, units).
        return_state: give a list [output, *final states]; the states of stacked cells are one list for each cell.
        go_backwards: run from the last step to the first, padding included; outputs come in the order of processing,
            and the mask is passed on as it came, both as in Keras.
        stateful: begin each call with the states that the one before left. Rows keep their places, so the batch size
            must stay the same until `reset_states`.
        unroll: taken as Keras's hint; it changes nothing here, results included.
        zero_output_for_mask: the output of a masked step is 0, not a repetition of the one before. Without
            return_sequences, 0 for rows whose last step a mask hides; rows that end by lengths, or in a list, end with
            a step of their own.
        trainable_initial_state: begin with states that are weights, one vector a state, zeros at first, where no
            `initial_state` is given; they come after the cell's weights.
        recompute: in training keep some of the steps alone, and run the others again in backward: results are the same
            to the bit, a layer holds less than 0.45 of the memory, and a step takes up to 1.3 times as long. A number
            k, 2 or more, keeps the states of every k-th step and the k last steps, k rounded up to whole blocks of 256
            rows of steps. Where there are no compiled kernels it changes nothing.
        activity_regularizer: whatever `regularizers.get` takes; a penalty of the outputs, states included where
            they are returned, over the number of rows.
        name, dtype, trainable: as for every layer; dtype is the cell's where None.

    Calls: layer(x, mask, initial_state, training, lengths=..., resets=...), and `forward` likewise; `apply` says what
    each is. Output (B, units), or (B, T, units) with return_sequences; with return_state [output, *states].

    Masks and lengths: at a masked step a row carries its states, and its output is the state h, which before the first
    running step is the initial one. What x holds there has no influence, not even as NaN.

    Ragged inputs: x may be a list of arrays (steps, features) of any lengths, which runs in groups of similar ones.
    go_backwards begins at each row's own end; sequences, and the gradients of x and of sequences, are lists too.

    Raises:
        TypeError, ValueError: cell is none, has no state_size, or another dtype.

    Example:
        >>> layer = RNN(LSTMCell(8), return_sequences=True)
        >>> y = layer(np.ones((2, 5, 3)), lengths=[5, 2])
    """

    takes_ragged = True
    skips_masked = True
    #: What Keras has not is left out where it is not used, so that Keras reads the rest.
    _unwritten_defaults: ClassVar[Mapping[str, Any]] = {"trainable_initial_state": False, "recompute": False}
    _uncalled: ClassVar[Mapping[str, str]] = {"inner_loop": "write forward(x, ...), which gives (y, pullback)"}

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        *,
        trainable_initial_state: bool = False,
        recompute: bool | int = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        self.cell = cell  # the first attribute that holds it names its group in files of weights
        #: What runs the cell over sequences; the cell itself where it is one of ours.
        self.runner: Any = as_runner(cell)
        if options.get("dtype") is None:
            options["dtype"] = self.runner.dtype
        super().__init__(**options)
        if self.dtype != self.runner.dtype:
            raise ValueError(f"dtype must be that of the cell, {self.runner.dtype}, got {self.dtype}")
        #: Whether a user's class overrides `get_initial_state`, of the layer or of a cell that kernels run.
        kinds = (type(self), type(cell), *map(type, self.runner.flat))
        self.has_own_first_states = checks.overrides_first_states(kinds)
        if isinstance(cell, Module):
            self._parts.append(cell)
            if not self.trainable:
                cell.trainable = False
        self.return_sequences = core.check_bool("return_sequences", return_sequences)
        self.return_state = core.check_bool("return_state", return_state)
        self.go_backwards = core.check_bool("go_backwards", go_backwards)
        self.stateful = core.check_bool("stateful", stateful)
        self.unroll = core.check_bool("unroll", unroll)
        self.zero_output_for_mask = core.check_bool("zero_output_for_mask", zero_output_for_mask)
        self.trainable_initial_state = core.check_bool("trainable_initial_state", trainable_initial_state)
        self.recompute = checks.check_recompute(recompute)
        self.initial: list[Variable] = []
        self.states: list[Array] | None = None
        #: After so many steps of a call its states are kept in `carried`, where training in windows begins again.
        self.carry_at: int | None = None
        self.carried: list[Array] = []
        self._width: int | None = None

    @property
    def state_size(self) -> list[Any]:
        """The size of each state; one entry a cell for stacked cells, as in Keras."""
        size = self.cell.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    @property
    def features(self) -> int | str:
        """The width of x, or a word while any will do."""
        first = self.runner.flat[0]
        return first.features if isinstance(first, RecurrentCell) else self._width or "features"

    @property
    def has_python_cells(self) -> bool:
        """Whether a cell is one that a user wrote."""
        return not all(isinstance(cell, RecurrentCell) for cell in self.runner.flat)

    @property
    def weights(self) -> list[Variable]:
        """The cell's, then the initial states where they are trainable."""
        weights: list[Variable] = []
        for part in self._parts:
            weights += part.weights
        return weights + self._weights

    def make_weights(self, input_shape: Shape) -> None:
        checks.check_input_shape(self, input_shape)
        self._width = input_shape[2]
        build_cell(self.cell, self.path, (input_shape[0], input_shape[2]))
        if self.trainable_initial_state:
            sizes = zip(self.runner.state_names, self.runner.state_sizes, strict=True)
            self.initial = [
                self.add_weight((n,), "zeros", name=f"initial_{name}".replace(" ", "_")) for name, n in sizes
            ]

    def get_initial_state(self, batch_size: int | Size) -> list[Any]:
        """The states that a call begins with where none are given: zeros, the weights, or what the cell says."""
        if self.initial:
            if isinstance(batch_size, Size):
                return nest(self.runner, [zeros((batch_size, *w.shape), self.dtype) + w for w in self.initial])
            return nest(self.runner, [np.repeat(w.value[None], batch_size, axis=0) for w in self.initial])
        first: list[Any] = self.runner.get_initial_state(batch_size)
        return first

    def reach(self, rank: int) -> str:
        return "past" if self.return_sequences and not self.go_backwards else "sequence"

    def independent_rows(self, training: bool) -> bool:
        """False where stateful: each call continues from the states of the one before."""
        return not self.stateful

    def reset_state(self, states: Any = None, rows: Any = None) -> None:
        """Begin the next call of a stateful layer anew, or with given states.

        Args:
            states: one (B, units) array a state, as for `initial_state`; any B is let in. Where None: zeros, or the
                layer's own first states.
            rows: those that an int, a slice, a list of ints or booleans selects, while the others go on; None for all,
                which also lets another batch size in.

        Raises:
            ValueError: the layer is not stateful, there are no such rows, states do not fit, or both are given; the
                states are as they were.
        """
        if states is not None:
            if rows is not None:
                raise ValueError("states and rows cannot both be given")
            self.states = [s.copy() for s in self.check_states(states)]
            return
        if rows is None:
            self.states = None
            return
        checks.check_stateful(self, "rows", rows)
        if self.states is not None:
            first = nested.flatten(self.get_initial_state(self.states[0].shape[0]))
            self.states = with_rows(self.states, rows, first)

    def reset_states(self, states: Any = None, rows: Any = None) -> None:
        """As `reset_state`."""
        self.reset_state(states, rows)

    def check_states(self, states: Any, way: str = "") -> list[Array]:
        """The states that `reset_state` got, flat and cast; ValueError or TypeError where they do not fit."""
        checks.check_stateful(self, "states", states)
        return given_states(self.runner, states, self.dtype, "batch", way, "states")

    def compute_output_shape(self, input_shape: Shape) -> Any:
        batch, time, features = input_shape
        self.same_features(features, self._width)
        units = self.runner.output_size
        output = (batch, time, units) if self.return_sequences else (batch, units)
        states = nest(self.runner, [(batch, n) for n in self.runner.state_sizes])
        return (output, *states) if self.return_state else output

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """The mask that came, where sequences are returned; with return_state a list, None for each state."""
        passed = mask if self.return_sequences else None
        return [passed, *(None for _ in self.state_size)] if self.return_state else passed

    @runs_phases
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
        """Run B sequences.

        Args:
            x: (B, T, I), any real dtype and strides; or a list of B arrays (steps, I).
            mask: (B, T) booleans, True where the step runs.
            context: in training `dropout` drops inputs and `recurrent_dropout` states, the same at every step. Where
                masks say which steps exist, rows end with their own last steps, as they would alone.
            initial_state: one (B, units) array a state, in a list, or one list for each cell of a stack; a lone one may
                come bare. Where None: zeros, or the layer's own.
            lengths: (B,) integers 0 .. T, in place of a mask where padding is on the right.
            resets: (B, T) booleans, True where a row begins anew: before that step, or the next one that is not masked,
                its states are zero (a cell in Python has its own first ones), and no gradient crosses. Backwards a
                piece begins with its last step. Where None: those of the context.

        Returns:
            The output, or [output, *states]; the mask; and the pullback. It takes dy in the same form, where None is
            zeros, and gives dx, or (dx, [gradient of each initial state]) if initial_state was given.

        Where an argument does not fit, states and weights are as they were.
        """
        resets = context.resets if resets is None else resets
        if mask is None is lengths and resets is None is initial_state and (run := plain_run(self, x, context)):
            return run(x, context.tape)
        calls: list[Any] = []
        phases = self.phases(calls, x, mask, context, initial_state, lengths, resets)
        next(phases)
        core.make(calls)
        return next(phases)  # type: ignore[no-any-return]

    apply_arrays = apply  # by which it is known whether a class has an `apply` of its own

    def phases(
        self, calls: Any, x: Any, mask: Any, context: Any, given: Any = None, lengths: Any = None, resets: Any = None
    ) -> Iterator[Any]:
        """`apply` in two phases, before and after calls of kernels are made, which the first one appends to `calls`.
        Unless `pipelined.reads` says otherwise, calls that wait may still have to write x.

        Yields:
            The output and the mask, where the calls alone make the output, else None. Then what `apply` returns.
        """
        runner, sequences = self.runner, self.return_sequences
        resets = context.resets if resets is None else resets
        if mask is None is lengths and resets is None is given and (run := plain_run(self, x, context)):
            ran = run(x, context.tape, calls)
            yield ran[:2]
            yield ran
        if is_ragged(x):
            yield None
            rows = checked("x", x, self.dtype, self.features)
            if given is not None:
                given = nest(runner, given_states(runner, given, self.dtype, len(rows)))
            yield run_rows(RNN.apply, self, rows, context, given, mask=mask, lengths=lengths, resets=resets)
        padding = context.padding and (self.go_backwards if sequences else self.zero_output_for_mask)
        if padding:
            checks.check_ends(self, mask)
        # weights of another width are refused before they are made
        by_row = not self.has_python_cells
        x, order = arrange(x, mask, lengths, resets, self.dtype, self.features, self.go_backwards, by_row, padding)
        B = order.B
        if not self.built:
            self.build(x.shape)
        if resets is not None:
            checks.check_resets(self)
        own_first = given is None is self.states and bool(self.initial)
        states = self._first_states(given, B)
        y, last, tape = runner.run_sequences(
            x,
            states,
            mask=order.mask,
            lengths=order.lengths,
            resets=order.resets,
            sequences=sequences,
            tape=context.tape and ("recompute" if self.recompute is True else self.recompute or True),
            training=context.training,
            calls=calls,
        )
        # where rows end by lengths there is no step behind, whose output could be 0
        zeros = self.zero_output_for_mask and (sequences or (mask is not None and not padding))
        running = order.running() if zeros else None
        passed = None if mask is None and not self.return_state else self.compute_mask(x, mask)
        yield None if self.return_state or running is not None or order.moves else (y, passed)
        if self.carry_at is not None and tape is not None:
            self.carried = tape.states_after(self.carry_at)
        if self.stateful:
            self.states = [s.copy() for s in last]
        if sequences:
            y = order.outputs(y, None if states is None or runner.h is None else states[runner.h])
        if running is not None:
            y = zeroed(y, running)
        result = [y if sequences else y.copy(), *nest(runner, last)] if self.return_state else y
        back = None if tape is None else RecurrentPullback(self, order, tape, y.shape, running, given, own_first)
        yield result, passed, back

    def _first_states(self, initial_state: Any, B: int) -> list[Array] | None:
        """One array a state; None where the cell's own first states will do."""
        checks.check_batch_size(self, B)
        if initial_state is None:
            if self.states is not None:
                return self.states
            if not self.has_own_first_states:
                return nested.flatten(self.get_initial_state(B)) if self.initial else None
            initial_state = self.get_initial_state(B)
        return given_states(self.runner, initial_state, self.dtype, B)

    def stages(self) -> list[Stage]:
        checks.check_streamed(self)
        return recurrent_stages(self.runner.flat, self.zero_output_for_mask, [w.numpy() for w in self.initial])

    def stream(self, batch_size: int = 1) -> Stream:
        """A stream of this layer with the weights it has now, whose states begin at zero, or at the initial ones that
        are weights, and are not those of a `stateful` layer. A step gives its output, whatever return_sequences is.

        Raises:
            ValueError: the layer is not built, or goes backwards. NotImplementedError: its cell is written in Python.
        """
        if not self.built:
            raise ValueError(f"{self.name} is not built: build it, or call it once")
        stages = [(self.name, stage) for stage in self.stages()]
        return Stream(self.name, stages, batch_size, self.runner.flat[0].features, self.dtype)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        return cls(deserialize(config.pop("cell")), **config)
