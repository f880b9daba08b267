"""Streams: a layer or a model fed step by step, which keeps its states in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import core, kernels
from ..kernels.stages import Recur, Stage, widths
from .cell_noise import rates_of, zoned_pack

Array = NDArray[Any]

#: What a file of tensors is said to hold, in its metadata.
KIND = "cellstep.kind"


class StreamState(dict[str, Array]):
    """A stream's states at one moment: names such as "lstm/h" to arrays (B, units), copies of the stream's own.

    Example:
        >>> layer = LSTM(8)
        >>> layer.build((None, None, 3))
        >>> stream = layer.stream()
        >>> stream.state.save("state.safetensors")
        >>> stream.state = StreamState.load("state.safetensors")
    """

    def save(self, path: Any, overwrite: bool = True) -> None:
        """Write them to a .safetensors file, as a whole or not at all.

        Raises:
            ValueError: the name ends otherwise. FileExistsError: there is such a file, without `overwrite`.
        """
        if core.check_path("path", path).suffix != ".safetensors":
            raise ValueError(f"path must end in .safetensors, got {str(path)!r}")
        from .. import tensor_file  # not at the top: few who import layers write files

        tensor_file.write(path, self, {KIND: "states"}, overwrite)

    @classmethod
    def load(cls, path: Any, max_bytes: int | None = None) -> Self:
        """What `save` wrote.

        Args:
            path: of the file. max_bytes: the most memory that reading may take; see `load_model`.

        Raises:
            FileError: it is no such file, or damaged. FileNotFoundError: there is none.
        """
        from .. import tensor_file

        with tensor_file.opened(path, max_bytes) as file:
            return cls({name: file.read(name) for name in file.entries})

    def copy(self) -> StreamState:
        """With copies of the arrays."""
        return StreamState({name: a.copy() for name, a in self.items()})

    def rows(self, selection: Any) -> StreamState:
        """The states of some of the rows, as copies: an int, a slice, a list of ints or one boolean a row.

        Raises:
            ValueError: there are no such rows.
        """
        B = next((len(a) for a in self.values()), 0)
        chosen = core.check_rows(selection, B)
        return StreamState({name: a[chosen] for name, a in self.items()})


class Stream:
    """Runs a layer or a model step by step. Made by `layer.stream(batch_size)` and `model.stream(batch_size)`.

    It keeps the weights that the layers had when it was made. Dropout does nothing. On the compiled backend a step is
    one compiled call, and a stream of a recurrent layer gives, bit for bit, what the layer gives for the sequence.
    A stream belongs to one thread at a time. `copy.copy`, `copy.deepcopy` and `pickle` make streams of their own that
    carry on from the same states and give the same bits, on the backend that the first one was made on.

    Attributes:
        batch_size: how many rows, each a stream of its own.
        dtype: of inputs, outputs and states.
        step: `step(x, out=None)`: one step for x (B, features), or (B,) integers for a model that starts with an
            Embedding; gives the outputs (B, units), new ones, or in `out`: then nothing is allocated. `out` must be
            C-contiguous, of the stream's dtype; it may be x. With one feature its axis may be missing, and of one row
            with one feature x may be a number.
        steps: `steps(x)`: T steps for x (B, T, features), or (B, T) integers; gives (B, T, units). Axes may be missing
            as for `step`.

    x that does not fit is cast, which takes microseconds; what cannot be cast raises a TypeError or a ValueError, and
    the states are as they were.

    Example:
        >>> layer = LSTM(8)
        >>> layer.build((None, None, 3))
        >>> stream = layer.stream()
        >>> y = stream.step(np.ones((1, 3), np.float32))
    """

    step: Callable[..., Array]
    steps: Callable[[Any], Array]

    def __init__(
        self,
        name: str,
        stages: Sequence[tuple[str, Stage]],
        batch_size: int,
        inputs: int | None,
        dtype: Any = "float32",
        integers: bool = False,
        backend: str | None = None,
    ) -> None:
        """A stream of these stages, each with its layer's name; for the other arguments see `core.make_chain`."""
        self.name = name
        self.batch_size = core.check_count("batch_size", batch_size)
        self.dtype = np.dtype(dtype)
        chained = tuple(stage for _, stage in stages)
        outputs = [inputs or 0, *widths(chained, inputs)][-1]
        chosen = kernels.active() if backend is None else kernels.load(backend)
        self._chain = core.make_chain(chained, self.batch_size, inputs, outputs, self.dtype, integers, chosen)
        self._made = inputs, self.dtype, integers, chosen.name
        self._names = [layer for layer, _ in stages]
        self._shapes = _state_shapes(stages, self.batch_size)
        # the chain's own methods, so that no frame of Python comes between
        self.step = self._chain.step
        self.steps = self._chain.steps
        self._first = _first_states(stages)
        if self._first is not None:
            self.reset()

    @property
    def state(self) -> StreamState:
        """The states now, as copies. Setting it copies a mapping of the same names and shapes in.

        Raises:
            TypeError, ValueError: it does not fit; the states are as they were.
        """
        return StreamState(zip(self._shapes, self._chain.get_states(), strict=True))

    @state.setter
    def state(self, value: Mapping[str, Any]) -> None:
        self._chain.set_states(core.check_named_states(value, self._shapes, self.dtype))

    def reset(self, rows: Any = None) -> None:
        """Begin again with zeros, or with the initial states that a layer has as weights. Before a step it does what
        `resets` at that step does in a sequence.

        Args:
            rows: those that an int, a slice, a list of ints or booleans selects; all where None.

        Raises:
            ValueError: there are no such rows.
        """
        chosen = slice(None) if rows is None else core.check_rows(rows, self.batch_size)
        states = self._chain.get_states()
        beginning: Sequence[Any] = self._first or [0] * len(states)
        for state, first in zip(states, beginning, strict=True):
            state[chosen] = first
        self._chain.set_states(states)

    def __reduce__(self) -> tuple[Any, ...]:
        stages = list(zip(self._names, self._chain.stages, strict=True))
        return Stream, (self.name, stages, self.batch_size, *self._made), self.state

    def __setstate__(self, state: StreamState) -> None:
        self.state = state

    def __repr__(self) -> str:
        return f"<Stream of {self.name}, batch_size={self.batch_size}>"


def recurrent_stages(cells: Sequence[Any], zero_masked: bool, initial: Sequence[Array]) -> list[Stage]:
    """The stages of cells that run one after another, with the states that they begin with, or none for zeros."""
    first = iter(initial)
    stages: list[Stage] = []
    for cell in cells:
        stays = rates_of(cell)
        p = zoned_pack(cell, False) if stays else cell.packed(backward=False)
        own = tuple(islice(first, len(p.cell.states)))
        stages.append(Recur(p.cell, p.backend, p.weights, zero_masked, own, stays))
    return stages


def _first_states(stages: Sequence[tuple[str, Stage]]) -> list[Array] | None:
    """A vector for each state, of zeros where a layer has no other; None where no layer has."""
    recurrent = [stage for _, stage in stages if isinstance(stage, Recur)]
    if not any(stage.first for stage in recurrent):
        return None
    return [a for stage in recurrent for a in stage.first or [np.zeros(n) for n in stage.packed.sizes]]


def _state_shapes(stages: Sequence[tuple[str, Stage]], B: int) -> dict[str, tuple[int, int]]:
    """`lstm/h`; for a layer of several cells `rnn/0/h`, `rnn/1/h` and so on."""
    recurrent = [(layer, stage) for layer, stage in stages if isinstance(stage, Recur)]
    cells = Counter(layer for layer, _ in recurrent)
    seen: Counter[str] = Counter()
    shapes: dict[str, tuple[int, int]] = {}
    for layer, stage in recurrent:
        name = f"{layer}/{seen[layer]}" if cells[layer] > 1 else layer
        seen[layer] += 1
        sizes = zip(stage.cell.state_names, stage.packed.sizes, strict=True)
        shapes |= {f"{name}/{state}": (B, int(n)) for state, n in sizes}
    return shapes
