"""First values of weights, with Keras's names, definitions and defaults.

An initializer is a seeded function of a shape. As in Keras, one object gives the same values at every call; a layer
that is given a name, such as "glorot_uniform", makes an object of its own with a new seed.

Sources: Glorot and Bengio 2010, He et al. 2015, LeCun et al. 1998, Saxe et al. 2014 (orthogonal).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from . import core, registry, seeds
from .configured import Configured
from .exports import public
from .lookup import Lookup, names_in, reader, snake_case

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "RingPhase",
    "RingRadius",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "ring_phase",
    "ring_radius",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

Array = NDArray[Any]
#: So many numbers of a large weight are drawn at once.
PIECE = 2**18


class Initializer(Configured):
    """Gives an array for a shape and a dtype. A subclass lists its constructor's arguments in `arguments`."""

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Array:
        return np.asarray(self.values(tuple(shape)), core.float_dtype("dtype", dtype))

    def values(self, shape: tuple[int, ...]) -> Array:
        """The values in float64."""
        raise NotImplementedError(f"{type(self).__name__}.values is not written")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make one from what `get_config` gave, or Keras."""
        config = dict(config)
        for name in ("input_axes", "output_axes"):  # newer Keras writes them, as None but for convolutions
            if config.pop(name, None) is not None:
                raise NotImplementedError(f"{name} of an initializer is not built yet; expected None")
        return super().from_config(config)


class Zeros(Initializer):
    """All zeros. Memory is taken where they are written."""

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Array:
        return np.zeros(tuple(shape), core.float_dtype("dtype", dtype))


class Ones(Initializer):
    """All ones."""

    def values(self, shape: tuple[int, ...]) -> Array:
        return np.ones(shape)


class Constant(Initializer):
    """One value everywhere, or the values of an array that broadcasts to the shape."""

    def __init__(self, value: Any = 0.0) -> None:
        several = (isinstance(value, list | tuple) or hasattr(value, "__array__")) and np.shape(value)
        self.value = core.real("value", value).copy() if several else core.check_number("value", value)

    def values(self, shape: tuple[int, ...]) -> Array:
        try:
            return np.asarray(np.broadcast_to(self.value, shape))
        except ValueError:
            raise ValueError(f"value must broadcast to {shape}, the weight's, got {np.shape(self.value)}") from None

    def get_config(self) -> dict[str, Any]:
        """The argument that would make an equal one, ready for JSON."""
        return {"value": np.asarray(self.value).tolist()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make one from what `get_config` gave, or Keras."""
        return super().from_config(registry.deserialize_keras_object(config))


class Seeded(Initializer):
    """Random values that depend on the seed and the shape alone. seed None: drawn when the object is made."""

    arguments: ClassVar[tuple[str, ...]] = ()  # a subclass's constructor names them all

    def __init__(self, seed: int | None = None) -> None:
        self.seed = None if seed is None else seeds.check_seed(seed)
        self._seed = seeds.make_seed() if self.seed is None else self.seed

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Array:
        """As `values`, without a float64 array of that size where numbers are drawn one after the other."""
        if type(self).draw not in (RandomUniform.draw, RandomNormal.draw):
            return super().__call__(shape, dtype)
        rng, values = seeds.generator(self._seed), np.empty(tuple(shape), core.float_dtype("dtype", dtype))
        flat = values.reshape(-1)
        for begin in range(0, flat.size, PIECE):
            piece = flat[begin : begin + PIECE]
            piece[...] = self.draw(rng, piece.shape)
        return values

    def values(self, shape: tuple[int, ...]) -> Array:
        return self.draw(seeds.generator(self._seed), shape)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        raise NotImplementedError(f"{type(self).__name__}.draw is not written")


def truncated(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Standard normal values, those beyond 2 drawn again."""
    a = rng.standard_normal(shape)
    while (far := np.abs(a) > 2).any():
        a[far] = rng.standard_normal(int(far.sum()))
    return a


class RandomUniform(Seeded):
    """Uniform in minval .. maxval."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval, self.maxval = core.check_number("minval", minval), core.check_number("maxval", maxval)
        if not 0 <= self.maxval - self.minval < math.inf:
            raise ValueError(f"maxval must be minval={minval} or more, and not infinitely more, got {maxval}")

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.uniform(self.minval, self.maxval, shape)


class RandomNormal(Seeded):
    """Normal with this mean and standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = core.check_number("mean", mean), core.check_number("stddev", stddev, 0)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.normal(self.mean, self.stddev, shape)


class TruncatedNormal(RandomNormal):
    """Normal, with values beyond two standard deviations drawn again."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return self.mean + self.stddev * truncated(rng, shape)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan in, fan out) of a weight: its last two axes, each times the axes before them."""
    if len(shape) < 2:
        n = shape[0] if shape else 1
        return n, n
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


class VarianceScaling(Seeded):
    """Variance scale / n, where n is the fan in, the fan out, or their mean.

    Args:
        mode: fan_in, fan_out or fan_avg. distribution: truncated_normal, untruncated_normal or uniform.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        if not core.check_number("scale", scale) > 0:
            raise ValueError(f"scale must be positive, got {scale}")
        if mode not in (modes := ("fan_in", "fan_out", "fan_avg")):
            raise ValueError(f"mode must be one of {', '.join(modes)}, got {mode!r}")
        known = ("truncated_normal", "untruncated_normal", "uniform")
        if distribution not in known:
            raise ValueError(f"distribution must be one of {', '.join(known)}, got {distribution!r}")
        self.scale, self.mode, self.distribution = float(scale), mode, distribution

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        fan_in, fan_out = fans(shape)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return rng.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return rng.normal(0.0, math.sqrt(variance), shape)
        # a standard normal cut at +-2 has this standard deviation
        return math.sqrt(variance) / 0.87962566103423978 * truncated(rng, shape)


def _scaled(name: str, scale: float, mode: str, distribution: str) -> type[VarianceScaling]:
    """A VarianceScaling whose only argument is the seed."""

    def __init__(self: VarianceScaling, seed: int | None = None) -> None:
        VarianceScaling.__init__(self, scale, mode, distribution, seed)

    doc = f"VarianceScaling with scale {scale:g}, {mode}, {distribution}."
    members = {"__init__": __init__, "__doc__": doc, "__module__": __name__}
    return type(name, (VarianceScaling,), members)


GlorotUniform = _scaled("GlorotUniform", 1.0, "fan_avg", "uniform")
GlorotNormal = _scaled("GlorotNormal", 1.0, "fan_avg", "truncated_normal")
HeUniform = _scaled("HeUniform", 2.0, "fan_in", "uniform")
HeNormal = _scaled("HeNormal", 2.0, "fan_in", "truncated_normal")
LecunUniform = _scaled("LecunUniform", 1.0, "fan_in", "uniform")
LecunNormal = _scaled("LecunNormal", 1.0, "fan_in", "truncated_normal")


class Orthogonal(Seeded):
    """gain times a matrix with orthonormal rows or columns, the shorter of the two, uniform among such matrices.

    Taken over the whole matrix, so the (H, 4H) of an LSTM has orthonormal rows, as in Keras; not gate by gate.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = core.check_number("gain", gain)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        if len(shape) < 2:
            raise ValueError(f"expected a shape with two axes or more for an orthogonal weight, got {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        vectors = rng.standard_normal((max(rows, columns), min(rows, columns))).T.copy()
        orthonormalize(vectors)
        orthonormalize(vectors)  # to the last bits, however near the drawn ones were to dependent
        return self.gain * (vectors if rows < columns else vectors.T).reshape(shape)


def orthonormalize(rows: Array) -> None:
    """Gram-Schmidt in place on the rows (n, m) of a matrix, n <= m: half, then the others less their part in it.

    The factor that takes the rows back has a positive diagonal, so rows of normal values become uniform orthonormal
    ones. `numpy.linalg.qr` of a layer's size waits for BLAS's threads at every small step; these are our products.
    """
    n = len(rows)
    if n == 1:
        rows /= np.sqrt(np.square(rows).sum())
        return
    first, rest = rows[: n // 2], rows[n // 2 :]
    orthonormalize(first)
    rest -= core.matmul(core.matmul(rest, first.T), first)
    orthonormalize(rest)


class Identity(Initializer):
    """gain times the identity matrix."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = core.check_number("gain", gain)

    def values(self, shape: tuple[int, ...]) -> Array:
        if len(shape) != 2:
            raise ValueError(f"expected a shape with two axes for an identity weight, got {shape}")
        return self.gain * np.eye(*shape)


class RingRadius(Seeded):
    """First values of an LRU's `nu`: log(-log |lambda|) where lambda is uniform on the ring between two radii.

    Args:
        r_min, r_max: the radii, 0 <= r_min < r_max < 1.
    """

    def __init__(self, r_min: float = 0.4, r_max: float = 0.99, seed: int | None = None) -> None:
        super().__init__(seed)
        self.r_min, self.r_max = core.check_number("r_min", r_min, 0), core.check_number("r_max", r_max, 0)
        if not self.r_min < self.r_max < 1:
            raise ValueError(f"expected r_min < r_max < 1, got {r_min} and {r_max}")

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """-log |lambda|^2 / 2, in logarithms."""
        square = rng.uniform(self.r_min**2, self.r_max**2, shape)
        return np.log(-0.5 * np.log(np.maximum(square, 1e-30)))


class RingPhase(Seeded):
    """First values of an LRU's `theta`: the logarithm of a phase that is uniform between 0 and `max_phase`."""

    def __init__(self, max_phase: float = 2 * math.pi, seed: int | None = None) -> None:
        super().__init__(seed)
        self.max_phase = core.check_number("max_phase", max_phase, 0)
        if not self.max_phase > 0:
            raise ValueError(f"max_phase must be positive, got {max_phase}")

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """The logarithm of the phase."""
        return np.log(self.max_phase * (1 - rng.random(shape)))


#: Keras's other names of the classes.
zeros, ones, constant = Zeros, Ones, Constant
random_uniform, random_normal, truncated_normal = RandomUniform, RandomNormal, TruncatedNormal
variance_scaling, glorot_uniform, glorot_normal = VarianceScaling, GlorotUniform, GlorotNormal
he_uniform, he_normal, lecun_uniform, lecun_normal = HeUniform, HeNormal, LecunUniform, LecunNormal
orthogonal, identity, ring_radius, ring_phase = Orthogonal, Identity, RingRadius, RingPhase
OrthogonalInitializer, IdentityInitializer = Orthogonal, Identity

_LOOKUP: Lookup[Initializer] = Lookup(
    "initializer",
    Initializer,
    names_in(globals(), Initializer),
    {
        "uniform": RandomUniform,
        "normal": RandomNormal,
        "zero": Zeros,
        "one": Ones,
        "OrthogonalInitializer": Orthogonal,
        "IdentityInitializer": Identity,
    },
    wanted="a name, an Initializer or a function of a shape",
    of_function=lambda function: function,
)


def get(identifier: Any, argument: str = "initializer") -> Callable[..., Array]:
    """An initializer from its name, its configuration, or itself. An array, or any function of (shape, dtype), will do.

    Args:
        identifier: one of these.
        argument: the name to blame in a message.

    Raises:
        ValueError: no initializer has this name. TypeError: it is none of these.
    """
    return Constant(identifier) if hasattr(identifier, "__array__") else _LOOKUP.get(identifier, argument)


deserialize = reader(get)


def serialize(initializer: Any) -> Any:
    """A name where the arguments are the defaults, else Keras's dictionary: both are read by every Keras 3.

    Raises:
        TypeError: it is a function of the user's that is not registered.
    """
    if not isinstance(initializer, Initializer):
        return registry.written_function("initializer", initializer)
    written = registry.serialize(initializer)
    parameters = inspect.signature(type(initializer)).parameters
    if written["registered_name"] is None and all(v == parameters[k].default for k, v in written["config"].items()):
        return snake_case(written["class_name"])
    return written


__dir__ = public(globals())
