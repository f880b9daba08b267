"""Embedding: a row of a table for each integer."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from .. import core
from ..kernels.stages import Lookup, Stage
from .base import Layer
from .configuration import not_built
from .context import Applied, Context
from .module import NamedOptions, Shape
from .symbolic import SymbolicTensor
from .variable import Variable


class Embedding(Layer):
    """Turns integers 0 .. input_dim - 1 into vectors of output_dim numbers.

    Args:
        input_dim: how many integers there are. output_dim: the size of a vector.
        embeddings_initializer: whatever `initializers.get` takes; "uniform" is -0.05 .. 0.05.
        mask_zero: 0 is padding: the layers after this one get a mask that is False there.
        weights: the table to begin with, (input_dim, output_dim).
        embeddings_regularizer, embeddings_constraint: whatever `regularizers.get` and `constraints.get` take.
        lora_*, quantization_config: not built.
        sparse: each step of an optimizer updates the rows that occur in its batch, and leaves the others and what it
            keeps for them as they are. See below.
        **options: name, dtype, trainable, activity_regularizer, as for every layer; dtype is that of the outputs.

    Weights: embeddings (input_dim, output_dim). Inputs (B, ...) of integers, outputs (B, ..., output_dim). Inputs
    have no gradient: the pullback returns None.

    Updates: gradients, their clipping and their norms cost what the rows of a batch cost, however large the table is.
    SGD without momentum and Adagrad, without weight decay, change no other rows, so their updates cost no more either.
    With Adam and the others a row that does not occur still moves, as in Keras: its means decay, and drive it on for a
    while. So each step runs over the whole table, a block at a time. `sparse=True` spares that, as PyTorch's does with
    SparseAdam: a row's means decay, and it moves, and its weight decays, in the steps in which it occurs, that is has a
    gradient other than 0. That is another rule, which ends in other weights. Corrections of the means count all steps.
    A regularizer gives every row a gradient; moving averages (`use_ema`) and constraints treat all rows in any case.

    Example:
        >>> layer = Embedding(100, 8, mask_zero=True)
        >>> y = layer([[3, 7, 0]])
        >>> mask = layer.compute_mask([[3, 7, 0]])
    """

    over_time = "step"

    embeddings: Variable
    replaces_mask = True

    _unwritten_defaults = {"sparse": False}

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        quantization_config: None = None,
        *,
        sparse: bool = False,
        activity_regularizer: Any = None,
        **options: Unpack[NamedOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **options)
        self.input_dim = core.check_count("input_dim", input_dim)
        self.output_dim = core.check_count("output_dim", output_dim)
        self.keep_weight_arguments(locals())
        self.mask_zero = core.check_bool("mask_zero", mask_zero)
        self.sparse = core.check_bool("sparse", sparse)
        not_built(lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config)
        if weights is not None:
            lone = isinstance(weights, list) and len(weights) == 1 and np.ndim(weights[0]) == 2
            table = core.as_array("weights", weights[0] if lone else weights, self.dtype, (input_dim, output_dim))
            self.build((None,))
            self.embeddings.assign(table)

    def build(self, input_shape: Shape = (None, None)) -> None:
        """Make the table, whatever the shape of ids."""
        super().build(input_shape)

    def make_weights(self, input_shape: Shape) -> None:
        shape = (self.input_dim, self.output_dim)
        self.embeddings = self.add_configured_weight("embeddings", shape)
        self.embeddings.by_rows, self.embeddings.lazy = True, self.sparse

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim)

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """True where x is not 0; None without `mask_zero`. A tensor for a tensor."""
        if not self.mask_zero:
            return None
        return (x if isinstance(x, SymbolicTensor) else core.plain("x", x)) != 0

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """y (B, ..., output_dim) for integers x (B, ...)."""
        rows = core.check_indices("x", x, self.input_dim)
        if rows.ndim < 1:
            raise ValueError("expected x of shape (batch, ...), got one number")
        if not self.built:
            self.build(rows.shape)
        y = self.embeddings.value[rows]

        def pullback(dy: Any, need_dx: bool = True) -> None:
            dy = self.gradient_array(dy, y.shape)
            with self._lock:  # threads may add to the same gradients
                if self.embeddings.trainable:
                    self.embeddings.add_rows(rows.reshape(-1), dy.reshape(-1, self.output_dim))

        return y, self.passed_mask(x, mask, context), pullback

    def stages(self) -> list[Stage]:
        return [Lookup(self.embeddings.value, self.mask_zero)]
