"""A cell that kernels run: weights as its row says, packed weights and their cache, runs over sequences, single steps.

A subclass names its row of `kernels.CELLS` and writes a constructor; weights, options and states follow from the row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import activations, core, kernels, seeds
from ..activations import Activation
from ..configured import parameter_names
from ..constraints import Constraint
from ..regularizers import Regularizer
from .cell_noise import ZonedRun, dropped_pack, each_of, masked_gradient, rates_of, weight_factors, zoned_pack
from .configuration import NOT_OWN, checked
from .module import Shape
from .runner import CellBack, Tape, Taping, added, drop_again, dropped
from .sizes import Size, zeros
from .step_layer import StepLayer, apply_step
from .structure import structure
from .tracing import watched
from .variable import Variable

Array = NDArray[Any]


#: What a subclass of a cell is told that overrides what computes a step.
BY_KERNELS = "kernels run this cell; write a Module with forward(x, states, training), which may hold such a cell"


class RecurrentCell(StepLayer):
    """Base of SimpleRNNCell, LSTMCell and GRUCell, and of cells whose row `kernels.add_cell` added.

    The constructor of a subclass hands all its arguments on, and each becomes an attribute. It takes `units`,
    `dropout`, `recurrent_dropout`, `seed`, `use_bias` where the row has a bias, and each option of the row. For a
    weight called "recurrent_kernel" it may take `recurrent_initializer`, `_regularizer` and `_constraint`, for others
    likewise.

    Attributes:
        contract: the row.
        units, activation, use_bias, ...: as given to the constructor.
        kernel, recurrent_kernel, bias, ...: the weights, once built; bias is None without `use_bias`.
        row_weights: the same in the row's order.
        state_size: as in Keras, [units, units] for an LSTM and units for the others. output_size: units.
    """

    _uncalled: ClassVar[Mapping[str, str]] = dict.fromkeys(("call", "forward", "__call__"), BY_KERNELS)
    contract: ClassVar[kernels.Cell]
    _cached_backward: tuple[Any, Any, core.Packed, int] | None = None
    _cached_forward: tuple[Any, Any, core.Packed, int] | None = None
    #: The first as Keras, which never writes it; what Keras has not is left out where it is not used.
    _unwritten_defaults: ClassVar[Mapping[str, Any]] = {"implementation": 2, "weight_dropout": 0.0, "zoneout": 0.0}

    kernel: Variable
    recurrent_kernel: Variable
    bias: Variable | None
    row_weights: list[Variable | None]

    units: int
    activation: Activation
    use_bias: bool
    kernel_initializer: Callable[..., Array]
    recurrent_initializer: Callable[..., Array]
    bias_initializer: Callable[..., Array]
    kernel_regularizer: Regularizer | None
    recurrent_regularizer: Regularizer | None
    bias_regularizer: Regularizer | None
    kernel_constraint: Constraint | None
    recurrent_constraint: Constraint | None
    bias_constraint: Constraint | None
    dropout: float
    recurrent_dropout: float
    weight_dropout: float = 0.0
    zoneout: float | tuple[float, ...] = 0.0
    seed: int | None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "contract" in vars(cls) and "__init__" in vars(cls):  # also where it is a cell of a user's own row
            cls.config_keys = tuple(key for key in parameter_names(cls.__init__) if key not in NOT_OWN)

    def __init__(self, **arguments: Any) -> None:
        own = {key: arguments.pop(key) for key in self.config_keys}
        super().__init__(**arguments)
        vars(self).update(self._checked(own))
        self.generator = seeds.generator(self.seed)
        if self.weight_dropout and "U" not in self.contract.weight_names:
            raise ValueError(f"{type(self).__name__} has no recurrent kernel that weight_dropout could drop of")
        rates_of(self)
        self._dropout_mask: Array | None = None
        self._recurrent_dropout_mask: Array | None = None
        self._weight_dropout_mask: Array | None = None

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        """The arguments that are a cell's own, as attributes."""
        return checked(own, own)

    @property
    def sizes(self) -> dict[str, int]:
        """What letters of the row stand for, besides I and G. A cell whose states differ in size adds its own."""
        return {"H": self.units}

    @property
    def output_size(self) -> int:
        return self.state_sizes[0]

    @property
    def state_size(self) -> int | list[int]:
        sizes = self.state_sizes
        return sizes[0] if len(sizes) == 1 else sizes

    @property
    def state_sizes(self) -> list[int]:
        return [self.sizes[state.size] for state in self.contract.states]

    @property
    def state_names(self) -> list[str]:
        return list(self.contract.state_names)

    @property
    def h(self) -> int:
        return 0

    @property
    def flat(self) -> list[Any]:
        return [self]

    def reads(self, training: bool) -> bool:
        return bool((training and self.dropout > 0) or self.zoneout)

    def get_initial_state(self, batch_size: int | Size) -> list[Any]:
        """Zeros (batch_size, size), one array a state; tensors where the size is that of an open axis of one."""
        if isinstance(batch_size, Size):
            return [zeros((batch_size, n), self.dtype) for n in self.state_sizes]
        batch_size = core.check_natural("batch_size", batch_size)
        return [np.zeros((batch_size, n), self.dtype) for n in self.state_sizes]

    def make_weights(self, input_shape: Shape) -> None:
        features = input_shape[-1] if input_shape else None
        if not features:
            raise ValueError(
                f"expected inputs of {self.path} with a known number of features, 1 or more, got shape {input_shape}"
            )
        row = self.contract
        self.row_weights = []
        for weight, shape in zip(row.weights, row.shapes({**self.sizes, "I": features}, self.options), strict=True):
            name = weight.names.get("keras", weight.name)
            variable = None
            if weight.name != row.bias or self.use_bias:
                initializer = getattr(
                    self, f"{_stem(name)}_initializer", "zeros" if len(shape) == 1 else "glorot_uniform"
                )
                variable = self.add_weight(
                    shape,
                    self.initial_bias if weight.name == row.bias else initializer,
                    name=name,
                    regularizer=getattr(self, f"{_stem(name)}_regularizer", None),
                    constraint=getattr(self, f"{_stem(name)}_constraint", None),
                )
            setattr(self, name, variable)
            self.row_weights.append(variable)

    def initial_bias(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """The first values of the bias."""
        return self.bias_initializer(shape, dtype=dtype)

    @property
    def options(self) -> dict[str, Any]:
        """What `pack` takes besides the weights: names of activations, or those that kernels do not know; and flags."""
        values = {name: getattr(self, name) for name in self.contract.option_names}
        return {
            k: activations.for_kernels(v) if isinstance(v, activations.Activation) else v for k, v in values.items()
        }

    def packed(self, backward: bool) -> core.Packed:
        """The weights packed for the active backend; packed again only when a weight or the backend changed.

        Threads may call this at once: what is cached is replaced whole, never written to, and the versions in its key
        are read before the values, so that values of an older version are never kept under a newer one.
        """
        backend = kernels.active()
        versions: list[int] = []
        for w in self._weights:  # a comprehension costs a frame, 4 % of a step
            versions.append(w.version)
        cached = self._cached_backward if backward else self._cached_forward
        if cached is not None and cached[0] is backend and cached[1] == versions:
            return cached[2]
        if self.zoneout and rates_of(self):
            raise NotImplementedError(
                f"zoneout is for calls of layers and steps of cells: expected {self.name} without, got {self.zoneout}"
            )
        made_of = structure.version
        same = cached is not None and cached[0] is backend and cached[3] == made_of
        if not same:
            made_of = structure.watch((self,))
        values = [None if w is None else w._view for w in self.row_weights]
        if cached is not None and same:
            packed = cached[2].again(values)  # the options are as they were
        else:
            packed = core.pack(self.contract, *values, backward=backward, backend=backend, **self.options)
        self.__dict__["_cached_backward" if backward else "_cached_forward"] = backend, versions, packed, made_of
        return packed

    def run_sequences(
        self,
        x: Array,
        states: Any = None,
        *,
        mask: Any = None,
        lengths: Any = None,
        resets: Any = None,
        sequences: bool = False,
        tape: Taping = False,
        training: bool = False,
        keep: Array | None = None,
        drop: Array | None = None,
        zones: bool | None = None,
        factors: Array | None = None,
        calls: core.Calls = None,
    ) -> tuple[Array, list[Array], Tape | None]:
        """Run B sequences by the compiled kernels; `Runner.run_sequences` says what goes in and comes out.

        Dropout may be given in place of `training`: keep, booleans that broadcast to x, says which inputs stay; h is
        multiplied with drop (B, output_size), the recurrent kernel with factors; zones says whether zoneout draws what
        stays.
        """
        if training and self.dropout > 0:
            keep = self.draw_dropout((x.shape[0], 1, x.shape[2]))
        if training and self.recurrent_dropout > 0:
            drop = self.draw_recurrent_dropout(x.shape[0])
        if keep is not None:
            x = dropped(x, keep, self.dropout)
        taped, recompute = bool(tape), 1 if tape == "recompute" else 0 if tape is True else tape
        if training and self.weight_dropout > 0:
            factors = weight_factors(self)
        zoned = bool(self.zoneout and rates_of(self))
        if factors is not None:
            packed = dropped_pack(self, taped, factors)
        else:
            packed = zoned_pack(self, taped) if zoned else self.packed(backward=taped)
        options = {"mask": mask, "lengths": lengths, "resets": resets, "drop": drop}
        back: Any
        if zoned:
            core.make(calls)
            run = ZonedRun(self, packed, x, training if zones is None else zones, taped, sequences)
            y, last = run.forward(states, **options)
            back = run if taped else None
        else:
            options |= {"sequences": sequences, "tape": taped, "recompute": recompute}
            y, last, back = core.forward(packed, x, states, calls=calls, **options)
        output = last[0] if y is None else y
        if back is None:
            return output, list(last), None
        traced = None if zoned else watched(self, back)

        def pullback(
            dy: Any, dlast: Any, need_dx: bool = True, need_dfirst: bool = True, calls: core.Calls = None
        ) -> tuple[Array | None, list[Array]]:
            after: list[Any] = []
            if zoned:
                core.make(calls)
            if not sequences:
                dlast, dy = [added(dlast[0], dy), *dlast[1:]], None
            with self._lock:  # threads may add to the same gradients
                dweights = self.grads_of(self.row_weights)
                if factors is not None:
                    after += masked_gradient(self, dweights, factors)
                if zoned:
                    dx, dfirst = back(dy, dlast, dweights, need_dx)
                else:
                    traces = None if traced is None else traced.new_gradients()
                    need_dfirst = need_dfirst or traces is not None
                    dx, dfirst = back(dy, dlast, dweights, need_dx, traces, need_dfirst, calls, self._lock)
            if traced is not None:
                traced.initial, traced.above = dfirst, dy
            if keep is not None and dx is not None:
                after.append(partial(drop_again, dx, keep, self.dropout))
            if after:
                core.then(None if zoned else calls, partial(each_of, after))
            return dx, list(dfirst)

        def states_after(n: int) -> list[Array]:
            return list(back.states[n - 1]) if zoned else [s[:, n - 1] for s in back.read()[1]]

        return output, list(last), Tape(pullback, states_after)

    apply = apply_step

    def __call__(self, inputs: Any, states: Any, training: bool | None = None) -> tuple[Any, Any]:  # type: ignore[override]
        """One step, by the compiled `step`; no gradient. On tensors it gives tensors.

        Args:
            inputs: (B, I).
            states: a list of (B, units) arrays, one a state; a lone array where there is one.
            training: with `dropout`, `recurrent_dropout` or `weight_dropout` set, drop; the masks are kept until
                `reset_dropout_mask` and `reset_recurrent_dropout_mask`, so that a loop over time drops the same at each
                step.

        Returns:
            The output (B, units) and the new states, in the form in which they came.

        Example:
            >>> cell = LSTMCell(4)
            >>> output, states = cell(np.ones((2, 3)), cell.get_initial_state(2))
        """
        several = isinstance(states, (list, tuple))
        first = states[0] if several and states else states
        arrays = type(inputs) is np.ndarray is type(first)  # asked first, as a step of these should cost no more
        if not arrays and (tensors := self.on_tensors(inputs, states, training)) is not None:
            return tensors  # type: ignore[no-any-return]
        if (training and (self.dropout or self.recurrent_dropout or self.weight_dropout)) or self.zoneout:
            new = self._one_step(inputs, states, tape=False, training=bool(training))[1]
        else:
            if not self.built:
                self.build(core.as_array("inputs", inputs, self.dtype, ("batch", "features")).shape)
            new = list(core.step(self.packed(backward=False), inputs, states, "inputs"))
        return new[0], new if several else new[0]

    def forward(  # type: ignore[override]
        self, inputs: Any, states: Any, training: bool = False
    ) -> tuple[tuple[Array, list[Array]], CellBack]:
        """One step with its pullback: what a cell of your own is made of that contains this one.

        Args:
            inputs, states, training: as for a call.

        Returns:
            (output, new states), and pullback(doutput, dstates) -> (dinputs, gradients of the states that came in),
            which adds to the gradients of the weights. None stands for zeros.

        Example:
            >>> cell = GRUCell(4)
            >>> (y, states), pullback = cell.forward(np.ones((2, 3)), cell.get_initial_state(2))
            >>> dx, dstates = pullback(np.ones_like(y), [None])
        """
        y, new, tape = self._one_step(inputs, states, tape=True, training=training)
        assert tape is not None

        def pullback(dy: Any, dstates: Any) -> tuple[Array, list[Array]]:
            dy = None if dy is None else core.as_array("dy", dy, self.dtype, y.shape)
            dx, dfirst = tape.pullback(dy, dstates)
            assert dx is not None
            return dx[:, 0], dfirst

        return (y, new), pullback

    def _one_step(
        self, inputs: Any, states: Any, tape: bool, training: bool = True
    ) -> tuple[Array, list[Array], Tape | None]:
        """A sequence of one step, with the dropout masks that are kept from step to step."""
        inputs = core.as_array("inputs", inputs, self.dtype, ("batch", self.features))
        self.build(inputs.shape)
        packed = zoned_pack(self, tape) if rates_of(self) else self.packed(backward=tape)
        states = core.check_states("states", packed, states, inputs.shape[0])
        keep = drop = None
        if training and self.dropout > 0:
            keep = self._dropout_mask
            if keep is None or keep.shape != inputs.shape:
                keep = self._dropout_mask = self.draw_dropout(inputs.shape)
            keep = keep[:, None]
        if training and self.recurrent_dropout > 0:
            drop = self._recurrent_dropout_mask
            if drop is None or drop.shape[0] != inputs.shape[0]:
                drop = self._recurrent_dropout_mask = self.draw_recurrent_dropout(inputs.shape[0])
        factors = None
        if training and self.weight_dropout > 0:
            if self._weight_dropout_mask is None:
                self._weight_dropout_mask = weight_factors(self)
            factors = self._weight_dropout_mask
        noise: dict[str, Any] = {"keep": keep, "drop": drop, "zones": training, "factors": factors}
        return self.run_sequences(inputs[:, None], states, tape=tape, **noise)

    @property
    def features(self) -> int | str:
        """The width of inputs; a word while the cell is not built, and any will do."""
        return self.built_for[-1] if self.built else "features"

    def draw_dropout(self, shape: tuple[int, ...]) -> Array:
        """A new mask, True where an input is kept."""
        return np.asarray(self.generator.random(shape) >= self.dropout)

    def draw_recurrent_dropout(self, B: int) -> Array:
        """What h is multiplied with, (B, output_size): 0 where dropped, 1 / (1 - recurrent_dropout) where kept."""
        keep = self.generator.random((B, self.output_size)) >= self.recurrent_dropout
        return dropped(np.ones(keep.shape, self.dtype), keep, self.recurrent_dropout)

    def reset_dropout_mask(self) -> None:
        """Draw a new mask for inputs at the next step in training."""
        self._dropout_mask = None

    def reset_recurrent_dropout_mask(self) -> None:
        """Draw new masks for states and the recurrent kernel at the next step in training."""
        self._recurrent_dropout_mask = self._weight_dropout_mask = None


def _stem(weight: str) -> str:
    """What the arguments for a weight begin with: "recurrent" for "recurrent_kernel"."""
    return weight.removesuffix("_kernel")
