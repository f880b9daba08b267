"""StackedRNNCells: cells on top of each other, as one cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, Unpack

import numpy as np

from .. import core
from ..registry import serialize
from . import call_adapter, nested
from .cell import BY_KERNELS, RecurrentCell
from .deserialization import deserialize
from .forward_adapter import composes
from .module import Module, NamedOptions, Shape
from .python_cell import PythonCell
from .runner import Array, CellBack, Runner, Tape, Taping
from .sizes import Size
from .step_layer import StepLayer, apply_step


class StackedRNNCells(StepLayer):
    """Cells of which each takes the output of the one before. RNN over it runs cell after cell, each over the whole
    sequence in one call of its kernels, which gives the same as step after step.

    Args:
        cells: SimpleRNNCell, LSTMCell, GRUCell, StackedRNNCells, or cells of your own (see `layers.python_cell`).
        name, trainable: as for every layer; dtype is that of the cells.

    Weights: those of the cells, in order. States: one list for each cell.

    Raises:
        TypeError, ValueError: there are no cells, or one of them is none, or they differ in dtype.

    Example:
        >>> layer = RNN(StackedRNNCells([LSTMCell(8), GRUCell(4)]), return_sequences=True)
        >>> y = layer(np.ones((2, 5, 3)))
    """

    _uncalled: ClassVar[Mapping[str, str]] = dict.fromkeys(("call", "forward", "__call__"), BY_KERNELS)

    config_keys = ()  # `get_config` writes the cells

    def __init__(self, cells: Sequence[Any], **options: Unpack[NamedOptions]) -> None:
        if not isinstance(cells, (list, tuple)) or not cells:
            raise ValueError(f"cells must be a list of one cell or more, got {cells!r}")
        runners = [as_runner(cell) for cell in cells]
        if options.get("dtype") is None:
            options["dtype"] = runners[0].dtype
        super().__init__(**options)
        for runner in runners:
            if runner.dtype != self.dtype:
                raise ValueError(f"cells must all be {self.dtype}, as the first one or dtype is, got {runner.dtype}")
        self.cells = list(cells)
        #: What runs each cell over sequences.
        self.runners: list[Any] = runners
        self._parts += [cell for cell in cells if isinstance(cell, Module)]
        if not self.trainable:
            self.trainable = False

    @property
    def state_size(self) -> list[Any]:
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        return int(self.runners[-1].output_size)

    @property
    def nested_sizes(self) -> list[Any]:
        """The sizes of states in one list for each cell, with such lists in it for a stack in the stack."""
        return [getattr(runner, "nested_sizes", runner.state_sizes) for runner in self.runners]

    @property
    def flat(self) -> list[Any]:
        return [cell for runner in self.runners for cell in runner.flat]

    def reads(self, training: bool) -> bool:
        return bool(self.runners[0].reads(training))

    @property
    def state_sizes(self) -> list[int]:
        return [n for runner in self.runners for n in runner.state_sizes]

    @property
    def state_names(self) -> list[str]:
        return [f"{name} of cell {i}" for i, runner in enumerate(self.runners) for name in runner.state_names]

    @property
    def h(self) -> int | None:
        last: Runner = self.runners[-1]
        return None if last.h is None else len(self.state_sizes) - len(last.state_sizes) + last.h

    def make_weights(self, input_shape: Shape) -> None:
        for cell, runner in zip(self.cells, self.runners, strict=True):
            build_cell(cell, self.path, input_shape)
            input_shape = (input_shape[0], runner.output_size)

    def get_initial_state(self, batch_size: int | Size) -> list[Any]:
        """The first states, one list for each cell."""
        return [runner.get_initial_state(batch_size) for runner in self.runners]

    def run_sequences(
        self,
        x: Array,
        states: Any = None,
        *,
        sequences: bool = False,
        tape: Taping = False,
        training: bool = False,
        calls: core.Calls = None,
        **masks: Any,
    ) -> tuple[Array, list[Array], Tape | None]:
        """Run B sequences; `Runner.run_sequences` says what goes in and comes out."""
        y, last, tapes, at = x, [], [], 0
        for runner in self.runners:
            n = len(runner.state_sizes)
            mine = None if states is None else states[at : at + n]
            whole = sequences or runner is not self.runners[-1]
            if at > 0 and runner.reads(training):
                core.make(calls)
            call = {**masks, "training": training, "calls": calls}
            y, new, taped = runner.run_sequences(y, mine, sequences=whole, tape=tape, **call)
            last += new
            tapes.append(taped)
            at += n

        def pullback(
            dy: Any, dlast: Any, need_dx: bool = True, need_dfirst: bool = True, calls: core.Calls = None
        ) -> tuple[Array | None, list[Array]]:
            dfirst: list[Array] = []
            end = len(dlast)
            for i in reversed(range(len(tapes))):
                start = end - len(self.runners[i].state_sizes)
                if calls and calls[-1][4] is not None:
                    core.make(calls)
                dy, dstates_before = tapes[i].pullback(dy, dlast[start:end], need_dx or i > 0, need_dfirst, calls)
                dfirst = dstates_before + dfirst
                end = start
            return dy, dfirst

        def states_after(n: int) -> list[Array]:
            return [state for taped in tapes for state in taped.states_after(n)]

        return y, last, Tape(pullback, states_after) if tape else None

    apply = apply_step

    def __call__(self, inputs: Any, states: Any, training: bool | None = None) -> tuple[Any, Any]:  # type: ignore[override]
        """One step: (B, features) and one list of states for each cell in, the output and the new lists out."""
        tensors = self.on_tensors(inputs, states, training)
        if tensors is not None:
            return tensors  # type: ignore[no-any-return]
        return self.forward(inputs, states, bool(training))[0]

    def forward(  # type: ignore[override]
        self, inputs: Any, states: Any, training: bool = False
    ) -> tuple[tuple[Array, list[Any]], CellBack]:
        """One step with its pullback, as `RecurrentCell.forward`; states and their gradients are nested by cell."""
        if len(states) != len(self.cells):
            raise ValueError(f"expected states to be {len(self.cells)} lists, one for each cell, got {len(states)}")
        self.build(np.shape(inputs))
        y, new, backs = inputs, [], []
        for cell, state in zip(self.cells, states, strict=True):
            (y, after), back = cell.forward(y, state, training)
            new.append(after)
            backs.append(back)

        def pullback(dy: Any, dstates: Any) -> tuple[Array, list[Any]]:
            dfirst: list[Any] = []
            for back, d in zip(reversed(backs), reversed(dstates), strict=True):
                dy, dstates_before = back(dy, d if isinstance(d, list | tuple) else [d])
                dfirst.insert(0, dstates_before)
            return dy, dfirst

        return (y, new), pullback

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cells": [serialize(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        return cls([deserialize(cell) for cell in config.pop("cells")], **config)


def as_runner(cell: Any) -> Any:
    """What runs a cell over sequences: itself if it is one of ours; TypeError or ValueError if it is no cell."""
    return cell if isinstance(cell, (RecurrentCell, StackedRNNCells)) else PythonCell(cell)


def build_cell(cell: Any, path: str, input_shape: Shape) -> None:
    """Make a cell's weights, if it has them to make, under this path."""
    module = isinstance(cell, Module)
    if module and not cell.built:
        cell.path = f"{path}/{cell.name}"
        cell.build(input_shape)
        if composes(cell):
            states = [(input_shape[0], size) for size in nested.flatten(cell.state_size)]
            call_adapter.build_inside(cell, input_shape, **{(*call_adapter.call_parameters(cell), "states")[1]: states})
    elif hasattr(cell, "build") and not getattr(cell, "built", False):
        cell.build(input_shape)
