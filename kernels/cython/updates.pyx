# cython: language_level=3, binding=True, freethreading_compatible=True
"""Optimizer updates compiled: one pass over the flat arrays each. Rules and sources: kernels/reference/updates.py."""
import numpy as np

cimport numpy as cnp

from .tiles cimport cs_tiles, tiles_for

cnp.import_array()


cdef const cs_tiles *tiles(cnp.ndarray value):
    return tiles_for(value.dtype == np.float64)


cdef void *data(cnp.ndarray array):
    return cnp.PyArray_DATA(array) if array is not None else NULL


def sgd(cnp.ndarray value, cnp.ndarray grad, cnp.ndarray s, double lr):
    """w -= lr g"""
    tiles(value).sgd(value.size, data(value), data(grad), lr)


def sgd_momentum(cnp.ndarray value, cnp.ndarray grad, cnp.ndarray v, cnp.ndarray s, double lr, double momentum,
                 bint nesterov):
    """v = momentum v - lr g; w += v, or with nesterov w += momentum v - lr g"""
    tiles(value).sgd_momentum(value.size, data(value), data(grad), data(v), lr, momentum, nesterov)


def adam(cnp.ndarray value, cnp.ndarray grad, cnp.ndarray m, cnp.ndarray v, cnp.ndarray v_hat, cnp.ndarray s,
         double lr, beta_1, beta_2, double epsilon, step):
    """m += (g - m)(1 - b1); v += (g g - v)(1 - b2); w -= lr sqrt(1 - b2^step) / (1 - b1^step) m / (sqrt(v) + eps)"""
    cdef double alpha = lr * (1 - beta_2**step) ** 0.5 / (1 - beta_1**step)
    tiles(value).adam(value.size, data(value), data(grad), data(m), data(v), data(v_hat), alpha, 1 - beta_1,
                      1 - beta_2, epsilon)


def rmsprop(cnp.ndarray value, cnp.ndarray grad, cnp.ndarray v, cnp.ndarray mean, cnp.ndarray velocity,
            cnp.ndarray s, double lr, double rho, double momentum, double epsilon):
    """v = rho v + (1 - rho) g g; d = lr g / sqrt(v + eps); w -= d; mean: centered; velocity: with momentum"""
    tiles(value).rmsprop(value.size, data(value), data(grad), data(v), data(mean), data(velocity), lr, rho, 1 - rho,
                         momentum, epsilon)
