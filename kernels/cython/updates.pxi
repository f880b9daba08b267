# Optimizer updates compiled: one pass over the flat arrays each. Rules and sources: kernels/reference/updates.py.
#
# Rounding is to nearest, whatever the caller's mode; denormals are kept, so that the bits are the specification's.

def sgd(cnp.ndarray value, cnp.ndarray grad, cnp.ndarray s, double lr):
    """w -= lr g"""
    cdef const cs_tiles *t = tiles_for(value.itemsize)
    cdef uint64_t mode = cs_float_mode_set(False)
    t.sgd(value.size, data(value), data(grad), lr)
    cs_float_mode_restore(mode)


def sgd_momentum(cnp.ndarray value, cnp.ndarray grad, cnp.ndarray v, cnp.ndarray s, double lr, double momentum,
                 bint nesterov):
    """v = momentum v - lr g; w += v, or with nesterov w += momentum v - lr g"""
    cdef const cs_tiles *t = tiles_for(value.itemsize)
    cdef uint64_t mode = cs_float_mode_set(False)
    t.sgd_momentum(value.size, data(value), data(grad), data(v), lr, momentum, nesterov)
    cs_float_mode_restore(mode)


def adam(cnp.ndarray value, cnp.ndarray grad, cnp.ndarray m, cnp.ndarray v, cnp.ndarray v_hat, cnp.ndarray s,
         double lr, double beta_1, double beta_2, double epsilon, long step):
    """m += (g - m)(1 - b1); v += (g g - v)(1 - b2); w -= lr sqrt(1 - b2^step) / (1 - b1^step) m / (sqrt(v) + eps)"""
    cdef const cs_tiles *t = tiles_for(value.itemsize)
    cdef uint64_t mode = cs_float_mode_set(False)
    cdef double alpha = lr * pow(1 - pow(beta_2, step), 0.5) / (1 - pow(beta_1, step))
    t.adam(value.size, data(value), data(grad), data(m), data(v), data(v_hat), alpha, 1 - beta_1, 1 - beta_2, epsilon)
    cs_float_mode_restore(mode)


def rmsprop(cnp.ndarray value, cnp.ndarray grad, cnp.ndarray v, cnp.ndarray mean, cnp.ndarray velocity,
            cnp.ndarray s, double lr, double rho, double momentum, double epsilon):
    """v = rho v + (1 - rho) g g; d = lr g / sqrt(v + eps); w -= d; mean: centered; velocity: with momentum"""
    cdef const cs_tiles *t = tiles_for(value.itemsize)
    cdef uint64_t mode = cs_float_mode_set(False)
    t.rmsprop(value.size, data(value), data(grad), data(v), data(mean), data(velocity), lr, rho, 1 - rho, momentum,
              epsilon)
    cs_float_mode_restore(mode)
