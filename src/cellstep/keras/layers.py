"""LSTM, GRU and SimpleRNN: keras.layers' classes, with cellstep's kernels in their forward and backward passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from .. import kernels
from .calls import Call

#: Where Keras's backend has outputs of 0 before the first step that a mask lets run, whatever the initial states are.
BLANK = ("torch", "tensorflow")
FLOATS = ("float32", "float64")

#: The cells by the classes of Keras's that they stand for.
CELLS = {cell.title: cell for cell in kernels.CELLS.values() if hasattr(keras.layers, cell.title)}


def options_of(layer: Any) -> tuple[Any, ...]:
    """The options of a layer's cell, in their order.

    Raises:
        NotImplementedError: an activation that kernels do not have, or another dtype than float32 or float64.
    """
    kind = next(base for base in type(layer).__mro__ if base.__module__.startswith("keras."))
    cell = CELLS[kind.__name__]
    if layer.compute_dtype not in FLOATS:
        raise NotImplementedError(
            f"dtype of {layer.name} must compute in float32 or float64, got {layer.compute_dtype!r}; "
            f"keras.layers.{kind.__name__} has others"
        )
    options = [getattr(layer.cell, name) for name in cell.option_names]
    for i, option in enumerate(cell.options):
        if option.kind == "activation":
            name = getattr(options[i], "__name__", "")
            if name not in kernels.ACTIVATIONS or keras.activations.get(name) is not options[i]:
                known = ", ".join(kernels.ACTIVATIONS)
                raise NotImplementedError(
                    f"{option.name} of {layer.name} must be one of {known}, got {options[i]!r}; "
                    f"keras.layers.{kind.__name__} runs any"
                )
            options[i] = name
    return (cell.name, *options)


def _run() -> Callable[[Call, Sequence[Any], bool], tuple[Any, ...]]:
    """What runs calls on Keras's backend."""
    backend = keras.backend.backend()
    if backend == "torch":
        from .on_torch import run
    elif backend == "jax":
        from .on_jax import run
    elif backend == "tensorflow":
        from .on_tensorflow import run
    elif backend == "numpy":
        from .on_numpy import run
    else:
        raise NotImplementedError(
            f"cellstep.keras runs on Keras's backends torch, jax, tensorflow and numpy, got {backend!r}; "
            "cellstep.keras.restore(model) puts Keras's own layers in the place of cellstep's"
        )
    return run


class _Kernels:
    """What the layers have in common: `inner_loop`, by which all steps of a call run."""

    #: Programs of XLA call the kernels by JAX's foreign functions, and TensorFlow's cannot.
    supports_jit = property(
        lambda self: keras.backend.backend() != "tensorflow" and self.__dict__.get("supports_jit", True),
        lambda self, value: self.__dict__.update(supports_jit=value),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        options_of(self)

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: Any = False) -> Any:
        """Of keras.layers.RNN: the last output, all outputs, the last states."""
        layer: Any = self
        if getattr(getattr(sequences, "device", None), "type", "") == "meta":  # PyTorch asks for shapes alone
            return super().inner_loop(sequences, initial_state, mask, training)  # type: ignore[misc]
        cell, (name, *options) = layer.cell, options_of(layer)
        convert = keras.ops.convert_to_tensor
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        states = list(initial_state) if isinstance(initial_state, list | tuple) else [initial_state]
        if layer.stateful:  # variables that the call writes to, which on torch are the same memory
            states = [keras.ops.copy(state) for state in states]
        drop = None
        if training:
            # all gates share a mask; Keras draws several where there is recurrent dropout
            noise = _first(cell.get_dropout_mask(sequences[:, 0, :]))
            drop = _first(cell.get_recurrent_dropout_mask(states[0]))
            sequences = sequences if noise is None else sequences * keras.ops.expand_dims(noise, 1)
        weights = [cell.kernel, cell.recurrent_kernel, *([cell.bias] if cell.use_bias else [])]
        arrays = [sequences, *states, *weights, *([] if mask is None else [mask]), *([] if drop is None else [drop])]
        call = Call(
            name,
            tuple(options),
            biased=bool(cell.use_bias),
            backwards=layer.go_backwards,
            sequences=layer.return_sequences,
            masked=mask is not None,
            dropped=drop is not None,
            zeros=layer.zero_output_for_mask,
            blank=keras.backend.backend() in BLANK,
        )
        outputs = _run()(call, [convert(array) for array in arrays], bool(training))
        return outputs[0], outputs[0], list(outputs[-len(states) :])


def _first(masks: Any) -> Any:
    return masks[0] if isinstance(masks, list | tuple) else masks


@keras.saving.register_keras_serializable("cellstep")
class LSTM(_Kernels, keras.layers.LSTM):
    """keras.layers.LSTM, whose documentation says all else, on cellstep's kernels."""


@keras.saving.register_keras_serializable("cellstep")
class GRU(_Kernels, keras.layers.GRU):
    """keras.layers.GRU, whose documentation says all else, on cellstep's kernels."""


@keras.saving.register_keras_serializable("cellstep")
class SimpleRNN(_Kernels, keras.layers.SimpleRNN):
    """keras.layers.SimpleRNN, whose documentation says all else, on cellstep's kernels."""
