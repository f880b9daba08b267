"""Random numbers, as `keras.random` gives them: the same distributions and dtypes, from NumPy's generators.

    from cellstep import ops, random

    noise = random.normal((2, 3), seed=7)
    z = mean + ops.exp(log_var / 2) * random.normal(ops.shape(mean))    # in the call of a layer or a model

An integer seed gives the same numbers at each call, a SeedGenerator the next ones; without a seed they come from the
generator that `set_random_seed` restarts. In the call of a layer or a model, and for a size of an open axis, it is a
step of the model that draws each time it runs, also in `predict`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import seeds
from .exports import public
from .layers.operations import OPERATIONS
from .ops import function_of


class SeedGenerator(np.random.Generator):
    """A generator of one's own, as a `seed` of random functions: each call goes on where the one before stopped.

    Args:
        seed: an integer; one from the generator that `set_random_seed` restarts where None.
        name: accepted as in Keras.

    An attribute of a layer is kept with the state of a training that is interrupted.

    Raises:
        TypeError, ValueError: seed is no integer of 0 or more.
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self.seed, self.name = seeds.make_seed() if seed is None else seeds.check_seed(seed), name
        super().__init__(np.random.PCG64(self.seed))

    def next(self) -> int:
        """The next seed."""
        return int(self.integers(2**32))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.seed, self.name, self.bit_generator.state)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "name": self.name}


def _restored(seed: int, name: str | None, state: Any) -> SeedGenerator:
    generator = SeedGenerator(seed, name)
    generator.bit_generator.state = state
    return generator


globals().update({k.function: function_of(k) for k in OPERATIONS.values() if k.module == "random"})

__all__ = sorted([*(kind.function for kind in OPERATIONS.values() if kind.module == "random"), "SeedGenerator"])

if TYPE_CHECKING:
    from .ops import absolute as _f

    categorical = dropout = normal = randint = shuffle = truncated_normal = uniform = _f

__dir__ = public(globals())
