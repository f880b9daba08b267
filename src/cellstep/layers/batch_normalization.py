"""BatchNormalization: each feature gets mean 0 and variance 1 over the batch; later, over all batches seen."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from .. import core
from .base import Array, LayerOptions
from .configuration import not_built
from .context import Applied, Context
from .module import Shape
from .over_axes import OverAxes
from .variable import Variable

#: Keras adds it to the number of steps that a mask leaves.
FUZZ = 1e-7


class BatchNormalization(OverAxes):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, with a mean and a variance for each entry of `axis`.

    In training they are those of the batch, and move the layer's own towards them:
    moving = momentum * moving + (1 - momentum) * that of the batch. Otherwise, and where `trainable` is False, they are
    the moving ones.

    Args:
        axis: the features' axis.
        momentum: how slowly the moving mean and variance move.
        epsilon: keeps the division from zero.
        center: whether there is a beta. scale: whether there is a gamma.
        *_initializer: whatever `initializers.get` takes.
        beta_regularizer, gamma_regularizer: whatever `regularizers.get` takes.
        beta_constraint, gamma_constraint: whatever `constraints.get` takes.
        renorm*, synchronized: not built.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Weights: gamma, beta, moving_mean, moving_variance, each (features,); the last two are not trainable. A mask, of x's
    shape without the features, leaves steps out of mean and variance, where axis is the last; it is passed on.

    The moving mean and variance change in `forward`, whatever becomes of the step that it is part of.

    Source: Ioffe and Szegedy 2015.

    Example:
        >>> layer = BatchNormalization()
        >>> y = layer(np.arange(6.0).reshape(3, 2), training=True)
    """

    gamma: Variable | None
    beta: Variable | None
    moving_mean: Variable
    moving_variance: Variable

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        checked_axis = core.check_axes("axis", axis)
        if not isinstance(checked_axis, int):
            raise TypeError(f"axis must be an integer, got {axis!r}")
        self.axis = checked_axis
        self.momentum = core.check_number("momentum", momentum, 0, 1)
        self.epsilon = core.check_number("epsilon", epsilon, 0)
        self.center = core.check_bool("center", center)
        self.scale = core.check_bool("scale", scale)
        self.keep_weight_arguments(locals())
        not_built(renorm_clipping=renorm_clipping)
        not_built(False, renorm=renorm, synchronized=synchronized)
        not_built(0.99, renorm_momentum=renorm_momentum)

    def make_weights(self, input_shape: Shape) -> None:
        (place,) = core.places("axis", self.axis, input_shape)
        features = input_shape[place]
        if not features:
            raise ValueError(
                f"expected inputs with a known size, 1 or more, along axis {self.axis}, got "
                f"{core.describe(input_shape)}"
            )
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_configured_weight("gamma", (features,))
        if self.center:
            self.beta = self.add_configured_weight("beta", (features,))
        self.moving_mean = self.add_configured_weight("moving_mean", (features,), trainable=False)
        self.moving_variance = self.add_configured_weight("moving_variance", (features,), trainable=False)

    #: In training it looks at the batch, all steps of it.
    pools_steps = True

    def independent_rows(self, training: bool) -> bool:
        return not (training and self.trainable)

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """y of x's shape. The pullback is that of what this call did: with the mean of the batch, or with the moving
        one."""
        x = self.input_array(x)
        if not self.built:
            self.build(x.shape)
        (place,) = core.places("axis", self.axis, x.shape)
        features = self.moving_mean.shape[0]
        if x.shape[place] != features:
            raise ValueError(f"expected x of size {features} along axis {self.axis}, got shape {x.shape}")
        moved = np.moveaxis(x, place, -1)
        flat = moved.reshape(-1, features)  # (N, features)
        there = None if mask is None else _steps(mask, x, place)
        by_batch = context.training and self.trainable
        if by_batch:
            mean, variance, share = _moments(flat, there)
            self._move(mean, variance)
        else:
            mean, variance = self.moving_mean.numpy(), self.moving_variance.numpy()
        # copies: the weights may change before the pullback
        gamma = None if self.gamma is None else self.gamma.numpy()
        inverse = 1 / np.sqrt(variance + x.dtype.type(self.epsilon))
        normal = flat - mean
        normal *= inverse
        y = normal.copy() if gamma is None else normal * gamma
        if self.beta is not None:
            y += self.beta.value

        def shaped(a: Array) -> Array:
            return np.moveaxis(a.reshape(moved.shape), -1, place)

        def pullback(dy: Any, need_dx: bool = True) -> Array | None:
            dy = np.moveaxis(self.gradient_array(dy, x.shape), place, -1).reshape(-1, features)
            dot = np.einsum("nf,nf->f", dy, normal)
            total = dy.sum(axis=0)
            with self._lock:  # threads may add to the same gradients
                dgamma, dbeta = self.grads_of((self.gamma, self.beta))
                if dgamma is not None:
                    dgamma += dot
                if dbeta is not None:
                    dbeta += total
            if not need_dx:
                return None
            slope = inverse if gamma is None else gamma * inverse
            if not by_batch:
                return shaped(dy * slope)
            # Of the mean and of the variance: what each step has to do with them is its share of them. A mask's mean
            # is off the middle by as much as FUZZ takes, so that the second term of `level` does not vanish.
            weights = share if there is None else share * there[:, None]
            level = total - dot * (normal if there is None else normal * there[:, None]).sum(axis=0) * share
            return shaped(slope * (dy - weights * (level + normal * dot)))

        return shaped(y), mask, pullback

    def _move(self, mean: Array, variance: Array) -> None:
        with self._lock:
            for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving.value * self.momentum + new * (1 - self.momentum))


def _steps(mask: Any, x: Array, place: int) -> Array:
    """(N,) 1 where a step is there and 0 elsewhere, in x's dtype, for a mask of x's shape without the features."""
    a = core.plain("mask", mask)
    if place != x.ndim - 1:
        raise NotImplementedError(f"mask is not built for an axis that is not the last, got axis {place} of {x.shape}")
    wanted = x.shape[:-1]
    if a.dtype.kind != "b":
        raise TypeError(f"expected mask to hold booleans, got dtype {a.dtype}; mask.astype(bool) makes them")
    if a.shape != wanted:
        raise ValueError(f"expected mask of shape {wanted}, that of x without its features, got {a.shape}")
    return a.reshape(-1).astype(x.dtype)


def _moments(flat: Array, there: Array | None) -> tuple[Array, Array, Array]:
    """The mean and the variance (features,) of the steps (N, features) that are there, and a step's share in them.

    Raises:
        ValueError: there are no steps at all.
    """
    number = flat.dtype.type
    if not len(flat):
        raise ValueError("expected x of one row or more in training, got none to take a mean of")
    if there is None:
        mean = flat.mean(axis=0)
        centred = flat - mean
        share = number(1 / len(flat))
        return mean, np.einsum("nf,nf->f", centred, centred) * share, share
    share = number(1) / (there.sum() + number(FUZZ))
    kept = there.astype(bool)
    mean = np.where(kept[:, None], flat, number(0)).sum(axis=0) * share
    centred = np.where(kept[:, None], flat - mean, number(0))
    return mean, np.einsum("nf,nf->f", centred, centred) * share, share
