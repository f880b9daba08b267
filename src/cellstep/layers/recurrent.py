"""RNN: a cell run over sequences, forward and backward, in one call of the compiled kernels."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .. import ops
from ..kernels.stages import Recur, Stage
from .base import Array, Layer, Pullback
from .cell import RecurrentCell, dropped
from .module import Shape, not_built, serialize
from .stream import Stream


class RNN(Layer):
    """A recurrent layer over one cell; SimpleRNN, LSTM and GRU are this over their own cells.

    Args:
        cell: SimpleRNNCell, LSTMCell or GRUCell.
        return_sequences: give the output of every step (B, T, units), not the last one's (B, units).
        return_state: give a list [output, *final states].
        go_backwards: run from the last step to the first, padding included; outputs come in the order of processing,
            and the mask is passed on as it came, both as in Keras.
        stateful: begin each call with the states that the one before left. Rows keep their places, so the batch size
            must stay the same until `reset_states`.
        unroll: taken as Keras's hint; it changes nothing here, results included.
        zero_output_for_mask: the output of a masked step is 0, not a repetition of the one before. Without
            return_sequences, 0 for rows whose last step is masked.
        name, dtype, trainable: as for every layer; dtype is the cell's where None.

    Masks and lengths: at a masked step a row carries its states, and its output is the state h, which before the first
    running step is the initial one. What x holds there has no influence, not even as NaN.

    Raises:
        NotImplementedError: cell is a list. TypeError: it is no cell of cellstep.

    Example:
        >>> layer = RNN(LSTMCell(8), return_sequences=True)
        >>> y = layer(np.ones((2, 5, 3)), lengths=[5, 2])
    """

    def __init__(
        self,
        cell: RecurrentCell,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        *,
        activity_regularizer: None = None,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
    ) -> None:
        if isinstance(cell, (list, tuple)):
            raise NotImplementedError("cell as a list (stacked cells) is not built yet; stack layers instead")
        if not isinstance(cell, RecurrentCell):
            raise TypeError(f"cell must be a SimpleRNNCell, LSTMCell or GRUCell, got {cell!r}")
        super().__init__(name, cell.dtype if dtype is None else dtype, trainable)
        if self.dtype != cell.dtype:
            raise ValueError(f"dtype must be that of the cell, {cell.dtype}, got {self.dtype}")
        not_built(activity_regularizer=activity_regularizer)
        self.cell = cell
        self._parts.append(cell)
        if not trainable:
            cell.trainable = False
        self.return_sequences = ops.check_bool("return_sequences", return_sequences)
        self.return_state = ops.check_bool("return_state", return_state)
        self.go_backwards = ops.check_bool("go_backwards", go_backwards)
        self.stateful = ops.check_bool("stateful", stateful)
        self.unroll = ops.check_bool("unroll", unroll)
        self.zero_output_for_mask = ops.check_bool("zero_output_for_mask", zero_output_for_mask)
        self.activity_regularizer = None
        self.states: list[Array] | None = None

    @property
    def state_size(self) -> list[int]:
        """The size of each state."""
        return [self.cell.units] * len(self.cell.contract.states)

    def make_weights(self, input_shape: Shape) -> None:
        if len(input_shape) != 3:
            raise ValueError(f"expected inputs of shape (batch, time, features), got {ops.describe(input_shape)}")
        if not self.cell.built:
            self.cell.path = f"{self.path}/{self.cell.name}"
            self.cell.build((input_shape[0], input_shape[2]))

    def get_initial_state(self, batch_size: int) -> list[Array]:
        """Zeros (batch_size, units), one array a state."""
        return self.cell.get_initial_state(batch_size)

    def independent_rows(self, training: bool) -> bool:
        """False where stateful: each call goes on from the one before."""
        return not self.stateful

    def reset_states(self) -> None:
        """Begin the next call of a stateful layer with zeros, in any batch size."""
        self.states = None

    reset_state = reset_states

    def compute_output_shape(self, input_shape: Shape) -> Any:
        batch, time, _ = input_shape
        units = self.cell.units
        output = (batch, time, units) if self.return_sequences else (batch, units)
        return (output, *((batch, n) for n in self.state_size)) if self.return_state else output

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """The mask that came, where sequences are returned; with return_state a list, None for each state."""
        passed = mask if self.return_sequences else None
        return [passed, *(None for _ in self.state_size)] if self.return_state else passed

    def call(  # type: ignore[override]
        self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False, *, lengths: Any = None
    ) -> Any:
        """As `forward`, without the pullback and without its cost."""
        return self._run(x, mask, initial_state, training, lengths, tape=False)[0]

    def forward(
        self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False, *, lengths: Any = None
    ) -> tuple[Any, Pullback]:
        """Run B sequences.

        Args:
            x: (B, T, I), any real dtype and strides.
            mask: (B, T) booleans, True where the step runs.
            lengths: (B,) integers 0 .. T, the same for padding on the right; not together with a mask.
            initial_state: one (B, units) array a state, in a list; one alone may come bare. Zeros where None.
            training: whether `dropout` drops inputs: one mask a batch, the same at every step.

        Returns:
            The output, or [output, *states]; and the pullback. It takes dy in the same form, where None is zeros, and
            gives dx, or (dx, [gradient of each initial state]) if initial_state was given.

        Raises:
            ValueError, TypeError: an argument that does not fit; states and weights are as they were.
        """
        y, pullback = self._run(x, mask, initial_state, training, lengths, tape=True)
        assert pullback is not None
        return y, pullback

    def _run(
        self, x: Any, mask: Any, initial_state: Any, training: bool, lengths: Any, tape: bool
    ) -> tuple[Any, Pullback | None]:
        cell = self.cell
        x = ops.as_array("x", x, self.dtype, ("batch", "time", cell.kernel.shape[0] if cell.built else "features"))
        if not self.built:
            self.build(x.shape)
        B, T, _ = x.shape
        states = self._first_states(initial_state, B)
        shown = ops.running(mask, lengths, B, T, self.go_backwards) if self.zero_output_for_mask else None
        keep = None
        if training and cell.dropout > 0:
            keep = cell.draw_dropout((B, 1, x.shape[2]))
            x = dropped(x, keep, cell.dropout)
        y, last, kernel_pullback = ops.forward(
            cell.packed(backward=tape),
            x,
            states,
            mask=mask,
            lengths=lengths,
            go_backwards=self.go_backwards,
            sequences=self.return_sequences,
            tape=tape,
        )
        if self.stateful:
            self.states = [s.copy() for s in last]
        output = self._output(y, last, shown)
        result = [output, *last] if self.return_state else output
        if kernel_pullback is None:
            return result, None
        run_back = kernel_pullback

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            dsequence, dlast = self._split(dy, output.shape, shown)
            with cell._lock:  # threads may add to the same gradients
                dW, dU, db = cell.gradients((cell.kernel, cell.recurrent_kernel, cell.bias))
                dx, dfirst = run_back(dsequence, dlast, dW, dU, db, need_dx)
            if keep is not None and dx is not None:
                dx = dropped(dx, keep, cell.dropout)
            return dx if initial_state is None else (dx, list(dfirst))

        return result, pullback

    def _first_states(self, initial_state: Any, B: int) -> Any:
        if self.states is not None and self.states[0].shape[0] != B:
            have = self.states[0].shape[0]
            raise ValueError(
                f"expected x with the {have} rows of the call before, as {self.name} is stateful, got {B}; "
                "reset_states() lets another batch size in"
            )
        return self.states if initial_state is None else initial_state

    def _output(self, y: Array | None, last: tuple[Array, ...], shown: Array | None) -> Array:
        """The output from the kernel's sequence and final states; `shown` says which steps are not zeroed."""
        if y is not None:
            if shown is not None:
                y[~shown] = 0
            return y
        if shown is not None and shown.shape[1]:
            return np.where(shown[:, -1:], last[0], last[0].dtype.type(0))
        return last[0].copy() if self.return_state else last[0]

    def _split(self, dy: Any, shape: Any, shown: Array | None) -> tuple[Array | None, list[Array | None]]:
        """Gradients for the kernels, of the sequence and of the final states, from dy as the caller has it."""
        n = len(self.cell.contract.states)
        dlast: list[Array | None] = [None] * n
        if self.return_state:
            if not isinstance(dy, (list, tuple)) or len(dy) != n + 1:
                got = f"{len(dy)}" if isinstance(dy, (list, tuple)) else type(dy).__name__
                raise ValueError(f"expected dy to be a list of {n + 1}, for the output and each state, got {got}")
            dy, *dlast = dy
        if dy is not None:
            dy = ops.as_array("dy", dy, self.dtype, shape)
        if self.return_sequences:
            if dy is not None and shown is not None:
                dy = np.where(shown[:, :, None], dy, dy.dtype.type(0))
            return dy, dlast
        if dy is not None:
            if shown is not None and shown.shape[1]:
                dy = np.where(shown[:, -1:], dy, dy.dtype.type(0))
            dlast[0] = dy if dlast[0] is None else dy + ops.as_array("dy of state h", dlast[0], self.dtype, shape)
        return None, dlast

    def stages(self) -> list[Stage]:
        if self.go_backwards:
            raise ValueError(f"go_backwards must be False to stream {self.name}, got True: its first step is the last")
        packed = self.cell.packed(backward=False)
        return [Recur(packed.cell, packed.kernels, packed.weights, self.zero_output_for_mask)]

    def stream(self, batch_size: int = 1) -> Stream:
        """A stream of this layer with the weights it has now, whose states begin at zero.

        A step gives the output of that step, whatever return_sequences and return_state are. The states of a
        `stateful` layer are its own, and the stream's are the stream's.

        Raises:
            ValueError: the layer is not built, or goes backwards.
        """
        if not self.built:
            raise ValueError(f"{self.name} is not built: build it, or call it once")
        stages = [(self.name, stage) for stage in self.stages()]
        return Stream(self.name, stages, batch_size, self.cell.kernel.shape[0], self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**self._flags(), "cell": serialize(self.cell)}

    def _flags(self) -> dict[str, Any]:
        keys = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")
        return {**super().get_config(), **{key: getattr(self, key) for key in keys}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        from . import deserialize

        config = dict(config)
        return cls(deserialize(config.pop("cell")), **config)
