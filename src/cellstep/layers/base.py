"""The interface of a layer: `apply` says what it computes; `forward` gives the outputs and a pullback, `layer(x)` the
outputs alone.

    y, pullback = layer.forward(x, mask=None, initial_state=None, training=False)
    dx = pullback(dy)             # and adds to the gradient of each weight of the layer
    tensor = layer(Input((3,)))   # nothing is computed; a model runs the call

A layer keeps nothing between calls but its weights (and its states where `stateful`): what backward needs is in the
pullback, which may be called any number of times. Arrays given to `forward` and arrays that it returned must not be
written to before the last of those calls.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from .. import core, regularizers
from ..configured import hook, levels_to_user, ours_attribute
from ..kernels.stages import Stage
from ..regularizers import Regularizer
from . import call_adapter, forward_adapter, nested
from .configuration import OLDER_ARGUMENTS
from .context import Context, forward_context
from .forward_adapter import apply_forward, apply_of_package, call_arguments, call_forward, check_written, composes
from .module import Module, NamedOptions, Shape
from .penalties import run_layer
from .structure import structure
from .symbolic import Node, NoTensors, SymbolicTensor, Tensors, in_trace, is_symbolic
from .symbolic_call import connect

Array = NDArray[Any]


class Pullback(Protocol):
    """The backward half of one forward.

    dy has the shape of the outputs. `need_dx=False` saves the work for a first layer, whose inputs have no gradient.
    """

    def __call__(self, dy: Any, need_dx: bool = True) -> Any: ...


class LayerOptions(NamedOptions, total=False):
    """Those, and the penalty of the outputs."""

    activity_regularizer: Any


class Layer(Module):
    """A layer: weights, and a function of arrays with its gradient.

    A subclass writes `call`, as in Keras, of layers, operators and functions of `cellstep.ops`, with `build` and those
    of `compute_output_shape`, `compute_mask` and `get_config` that apply; its gradient follows from that. Or it writes
    `forward`, which may compute anything and gives outputs and a pullback, with x and those of mask, initial_state and
    training that it needs, and `call` besides where the outputs alone cost less. It leaves `__call__` as it is. With
    several inputs x and mask are lists, and the pullback gives a list. (The layers of this package write `apply` in
    place of `forward`, `call` and the mask that is passed on.)

    Args:
        name: automatic where None: `lstm`, then `lstm_1`, ...
        dtype: "float32" (also for None) or "float64".
        trainable: False freezes the weights.
        activity_regularizer: whatever `regularizers.get` takes; training adds the penalty of each output, over the
            number of rows.

    Attributes:
        supports_masking: whether a mask reaches the next layer. Where it does not, `forward` warns, as Keras does. Of a
            class that writes `call` alone it is False unless it says otherwise, as there.
    """

    supports_masking: ClassVar[bool] = True
    #: Of a layer of this package: whether x may be a list or a dictionary.
    takes_several: ClassVar[bool] = False
    _uncalled: ClassVar[Mapping[str, str]] = {"__call__": "write call(x, ...)"}
    _depends: ClassVar[Mapping[str, tuple[str, str]]] = {}
    #: Whether a user's class has a `compute_mask` of its own over an `apply` of this package.
    masks_itself: ClassVar[bool] = False
    _taken: ClassVar[Any] = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Where a subclass writes `forward` or `call`, no ancestor's way around them is taken."""
        super().__init_subclass__(**options)
        forward_adapter.take_written(cls, Layer)

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
        activity_regularizer: Any = None,
        **options: Any,
    ) -> None:
        for argument, value in options.items():
            if argument not in OLDER_ARGUMENTS:
                raise TypeError(f"{type(self).__name__} takes no argument {argument}, got {argument}={value!r}")
        forward_adapter.take_attached(type(self), Layer)
        super().__init__(name, dtype, trainable, **options)
        self.activity_regularizer = regularizers.get(activity_regularizer, "activity_regularizer")

    def __delattr__(self, name: str) -> None:
        """Delete an attribute; plans that were made for models are void."""
        object.__delattr__(self, name)
        structure.changed()

    config_keys: ClassVar[tuple[str, ...]] = ()
    _cached_plain: Any = None  # what `plain_run` remembers

    def shared_config(self) -> dict[str, Any]:
        config = super().shared_config()
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return config

    def make_weights(self, input_shape: Shape) -> None:
        if composes(self):
            call_adapter.build_inside(self, input_shape)

    apply = apply_forward
    apply_call = call_adapter.apply_call

    @hook
    def forward(
        self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False, **options: Any
    ) -> tuple[Any, Pullback]:
        """The outputs, and a pullback that maps their gradient to the gradient of x and adds to the weights'.

        Args:
            x: the inputs, batch first.
            mask: (B, T) booleans for layers that use one.
            initial_state: for recurrent layers.
            training: whether dropout drops.
            options: what else the layer's `apply` takes by keyword, and says more of: a recurrent layer `lengths` and
                `resets`.
        """
        context = forward_context(training)
        if initial_state is not None:
            options["initial_state"] = initial_state
        if composes(self) or (ours_attribute(type(self).forward) and not {"forward", "call"} & vars(self).keys()):
            check_written(self)
            y, _, pullback = run_layer(self, x, mask, context, **options)
        else:  # called from a user's own forward
            y, _, pullback = apply_of_package(type(self))(self, x, mask, context, **options)
        return y, pullback

    @overload
    def __call__(self, x: Tensors, *args: Any, **options: Any) -> SymbolicTensor: ...
    @overload
    def __call__(
        self, x: Any, mask: Any = None, initial_state: Any = None, training: bool | None = None, **options: Any
    ) -> Array: ...
    def __call__(self, x: Any = call_adapter.MISSING, *args: Any, training: bool | None = None, **options: Any) -> Any:
        """The outputs, without a tape, for the arguments of `forward`, or of a user's `call`. Builds the layer.

        On symbolic tensors it computes nothing: it gives the tensors that a model is made of. A `training` given there
        holds whatever the model does. Several outputs are a list or a dictionary; type checkers see one all the same.
        """
        if not (args or options) and self._cached_plain is not None:
            y = self._cached_plain.alone(x, training)
            if y is not None:
                return y
        if composes(self):
            return call_adapter.call_composed(self, x, args, options, training)
        x = call_adapter.first(self, x, "x", options)
        if args:
            options |= zip(("mask", "initial_state", "training"), args, strict=False)
            training = options.pop("training", training)
        mask, initial_state = options.pop("mask", None), options.pop("initial_state", None)
        x = in_trace(x)
        if is_symbolic(x):
            check_written(self)
            if training is not None:
                options["training"] = core.check_bool("training", training)
            return connect(self, x, mask, initial_state, options)
        if initial_state is not None:
            options["initial_state"] = initial_state
        # so that `losses` has its penalty
        penalties: list[float] | None = None if self.activity_regularizer is None else []
        return run_layer(self, x, mask, Context(bool(training), penalties=penalties), **options)[0]

    @hook
    def call(self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False, **options: Any) -> Any:
        """What a call gives for arrays: as `forward`, without the pullback and without its cost."""
        if composes(self):  # called from a user's own call
            return call_adapter.call_beneath(self, x, mask, initial_state, training, options)
        if initial_state is not None:
            options["initial_state"] = initial_state
        if ours_attribute(type(self).call) and "call" not in vars(self):
            return run_layer(self, x, mask, Context(training), **options)[0]
        check_written(self)  # called from a user's own call
        return call_forward(self, x, {"mask": mask, **options, "training": training})[0]

    def check_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options of a call as `apply` takes them; TypeError for one that the layer does not take."""
        taken = call_arguments(type(self))
        if taken is None:
            return options
        if "initial_state" not in taken and "initial_state" in options:
            options = dict(options)
            self.stateless(options.pop("initial_state"))
        for name in options:
            if name not in taken:
                raise TypeError(f"{self.name} takes {', '.join(taken)} when it is called, got {name}")
        return options

    def passed_mask(self, x: Any, mask: Any, context: Context) -> Any:
        """What `compute_mask` gives, in this pass."""
        passed = self.compute_mask(x, mask)
        return context.replaced(mask, passed) if self.replaces_mask else passed

    def remember(self, penalties: list[float]) -> None:
        """Keep the penalties of a call for `losses`."""
        if penalties or "_cached_penalties" in self.__dict__:
            self._cached_penalties = tuple(penalties)

    @property
    def losses(self) -> list[float]:
        """The penalties of outputs in the last call, by any thread, and those of the weights as they are."""
        return [*self.__dict__.get("_cached_penalties", ()), *super().losses]

    def regularizers_inside(self) -> list[Regularizer]:
        """The activity_regularizer of this layer and those of the layers in it, where they have one; and one for what
        each of them gives to `add_loss`."""
        own = [r for r in (self.activity_regularizer, self.added_losses) if r is not None]
        return own + [r for part in self.parts if isinstance(part, Layer) for r in part.regularizers_inside()]

    #: Whether a list of sequences of different lengths is one input.
    takes_ragged: ClassVar[bool] = False

    #: Whether `compute_mask` leaves the mask that came out of account.
    replaces_mask = False

    @property
    def output_dtype(self) -> np.dtype[Any]:
        """The dtype of the outputs."""
        return self.dtype

    @property
    def nodes(self) -> list[Node]:
        """The calls on symbolic tensors so far. Copies and pickles begin without any."""
        nodes: list[Node] = self.__dict__.setdefault("_cached_nodes", [])
        return nodes

    @property
    def input(self) -> Any:
        """The tensor, or tensors, that the layer was called on first; ValueError where it was not called on any."""
        return self._first_node().x

    @property
    def output(self) -> Any:
        """The tensor, or tensors, that it gave first; ValueError where it was not called on tensors."""
        return self._first_node().structure

    def _first_node(self) -> Node:
        if not self.nodes:
            (vars(self).get("_cached_caller", tuple)() or tuple)()  # a Sequential calls its layers when someone asks
        if not self.nodes:
            raise NoTensors(f"{self.name} has an input and output when it was called on symbolic tensors, got no call")
        return self.nodes[0]

    def same_features(self, features: int | None, built: int | None) -> None:
        """ValueError where the layer was built for inputs of another width; None where that is not known."""
        if features is not None and built is not None and features != built:
            raise ValueError(
                f"expected inputs of {self.name} with the {built} features that it was built for, got {features}"
            )

    @hook
    def compute_output_shape(self, input_shape: Shape) -> Any:
        """The shape of the outputs for inputs of this shape, None for open axes."""
        return call_adapter.output_shape(self, input_shape) if composes(self) else tuple(input_shape)

    def call_shape(self, input_shape: Any, options: Mapping[str, Any], named: Mapping[str, Any]) -> Any:
        """The shape of the outputs of a call with these options, and tensors of these shapes by name, where they make a
        difference."""
        if composes(self):
            return call_adapter.output_shape(self, input_shape, options, named)
        return self.compute_output_shape(input_shape)

    @hook
    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """The mask for the next layer, given this layer's inputs and their mask; None where there is none."""
        return mask if self.supports_masking else None

    def independent_rows(self, training: bool) -> bool:
        """Whether a row of the outputs follows from that row of the inputs alone, whatever is in the others.

        TimeDistributed calls such a layer once, for the steps of all rows together, and another once a step. A layer
        of your own that looks at its batch as a whole says False here.
        """
        return True

    #: How far over time an output looks, which `reach` says for inputs of so many axes: "step", its own step alone;
    #: "past", earlier steps too, by states that a layer can continue from; "sequence", all steps, or unknown.
    over_time: ClassVar[str] = "sequence"

    #: Whether a layer over whole sequences leaves masked steps out, however many there are behind a row.
    skips_masked: ClassVar[bool] = False

    #: Whether the layer looks at all steps of all rows together, as one set.
    pools_steps: ClassVar[bool] = False

    def reach(self, rank: int) -> str:
        """How far over time an output looks, where inputs have `rank` axes: one of the words of `over_time`.

        A layer of your own sets `over_time = "step"` to be trained in windows, or overrides this.
        """
        return self.over_time

    def skips_padding(self, rank: int) -> bool:
        """Whether rows give the same, and outputs of their steps keep the mask, however much padding is behind them."""
        return self.supports_masking and (self.skips_masked or self.reach(rank) != "sequence")

    def stages(self) -> list[Stage]:
        """What a stream runs a step of this layer with, once it is built.

        Raises:
            NotImplementedError, ValueError: the layer, or one of its arguments, has no meaning step by step.
        """
        raise NotImplementedError(f"{self.name} cannot be streamed, as {type(self).__name__} has no step for streams")

    def stateless(self, initial_state: Any) -> None:
        """TypeError where a layer without states was given one."""
        if initial_state is not None:
            raise TypeError(f"initial_state must be None, as {type(self).__name__} has no states, got one")

    def drops_mask(self, mask: Any, used: bool = False) -> None:
        """UserWarning where a layer was given a mask that it does not pass on; `used` says that it has an effect."""
        if all(m is None for m in nested.flatten(mask)):
            return
        told = "ends the mask that came with its inputs: layers after it do not see it"
        if not (used or (composes(self) and (self.parts or "mask" in call_adapter.call_parameters(self)))):
            told = "knows no masks: the one that came with its inputs has no effect and goes no further"
        warnings.warn(f"{self.name} {told}", stacklevel=levels_to_user())

    def input_array(self, x: Any) -> Array:
        """x in this layer's dtype, whatever its shape; its own array where it fits already."""
        if type(x) is np.ndarray and x.dtype is self.dtype:
            return x
        a = core.plain("x", x)
        return core.as_array("x", a, self.dtype, ("any",) * a.ndim)

    def gradient_array(self, dy: Any, shape: tuple[int, ...]) -> Array:
        """dy in this layer's dtype; ValueError unless it has this shape."""
        if type(dy) is np.ndarray and dy.dtype is self.dtype and dy.shape == shape:
            return dy
        return core.as_array("dy", dy, self.dtype, shape)
