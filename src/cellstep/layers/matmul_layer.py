"""What layers share that multiply with a kernel: its packed form, and the activation in the same pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import core, kernels
from ..activations import Activation, ActivationPullback
from ..constraints import Constraint
from ..regularizers import Regularizer
from .base import Array, Layer
from .variable import Variable


class MatmulLayer(Layer):
    """A layer of y = activation(rows K + bias), with K (numbers of a row, outputs) made of the kernel."""

    kernel: Variable
    bias: Variable | None
    activation: Activation
    use_bias: bool
    #: Which axes of the kernel are those of a row: so many of the first, or -1 for all but the last; 0 where it is a
    #: matrix, and the bias a row.
    row_axes: int = 0
    kernel_initializer: Callable[..., Array]
    bias_initializer: Callable[..., Array]
    kernel_regularizer: Regularizer | None
    bias_regularizer: Regularizer | None
    kernel_constraint: Constraint | None
    bias_constraint: Constraint | None
    _cached_matrix: tuple[Any, Any, core.Matrix] | None = None
    _cached_transpose: tuple[Any, Any, core.Matrix] | None = None

    def matrix(self, backward: bool = False) -> core.Matrix:
        """The kernel and the bias, packed for the active backend; or, backward, the transpose of the kernel.

        Packed again only when a weight or the backend changed. Threads may call this at once: what is cached is
        replaced whole, and the versions in its key are read before the values.
        """
        backend, kernel, bias = kernels.active(), self.kernel, self.bias
        versions = (kernel.version, 0 if bias is None else bias.version)
        cached = self._cached_transpose if backward else self._cached_matrix
        if cached is not None and cached[0] is backend and cached[1] == versions:
            return cached[2]
        W, b = kernel._view, None if bias is None or backward else bias._view
        if self.row_axes:
            W, b = self.flat(W, b)
        W = W.T if backward else W
        matrix = core.Matrix(backend, backend.products.product_pack(W, b), W.shape[1])
        self.__dict__["_cached_transpose" if backward else "_cached_matrix"] = backend, versions, matrix
        return matrix

    def flat(self, kernel: Any, bias: Any) -> tuple[Any, Any]:
        """Kernel and bias, or their gradients, as a matrix and a row: views; None is None."""
        if kernel is not None and kernel.ndim != 2:
            kernel = kernel.reshape(math.prod(kernel.shape[: self.row_axes]), -1)
        return kernel, bias if bias is None or bias.ndim == 1 else bias.reshape(-1)

    def multiply(self, rows: Array, activation: Activation | None = None) -> tuple[Array, ActivationPullback]:
        """activation(rows K + bias), and the pullback of the activation: the layer's own where None."""
        activation = self.activation if activation is None else activation
        if activation.of_output is not None and activation.name in core.FUSED:
            y = self.matrix().multiply(rows, activation.name)
            return y, activation.of_output(y)
        return activation.forward(self.matrix().multiply(rows))

    def add_gradients(self, rows: Array, dz: Array) -> None:
        """Add to the gradients of kernel and bias, from those of the sums."""
        with self._lock:  # threads may add to the same gradients
            dW, db = self.grads_of((self.kernel, self.bias))
            if self.row_axes:
                dW, db = self.flat(dW, db)
            if dW is not None or db is not None:
                core.add_gradients(rows, dz, dW, db)

    def check_version(self, version: int) -> None:
        """RuntimeError where the kernel is no longer the one that the forward pass had."""
        if self.kernel.version != version:
            raise RuntimeError(f"{self.kernel.path} changed between forward and its pullback; run forward again")
