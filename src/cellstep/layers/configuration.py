"""Arguments of layers by name: what each is checked by, and how it stands in a configuration.

Keras's names say what an argument is: kernel_initializer is one of `initializers`, and recurrent_activation one of
`activations`, of whatever layer or cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import activations, constraints, initializers, ops, random, regularizers
from ..activations import Activation
from ..constraints import Constraint
from ..regularizers import Regularizer

#: Arguments that are not among the keys of a layer's own: those of all, and values to begin with.
NOT_OWN = ("name", "dtype", "trainable", "weights")


def check_implementation(name: str, value: Any) -> int:
    """Keras's hint of how to order the products, 1 or 2. Results do not depend on it.

    In Keras 1, and recurrent dropout, draw masks for each gate apart; here all gates share one, as in Keras's 2.
    """
    if value not in (1, 2):
        raise ValueError(f"{name} must be 1 or 2, got {value!r}")
    return int(value)


def check_cudnn(name: str, value: Any) -> Any:
    """Keras's `use_cudnn`: "auto" and False both mean this library's kernels; True asks for what a CPU has not."""
    if value is True:
        raise NotImplementedError(f"{name}=True is not built: cellstep runs on CPUs; expected 'auto' or False")
    if value is not False and value != "auto":
        raise ValueError(f"{name} must be 'auto' or False, got {value!r}")
    return value


def check_seed(name: str, value: Any) -> int | None:
    """A seed, or None for a new one."""
    return None if value is None else random.check_seed(value)


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "units": ops.check_count,
    "num_layers": ops.check_count,
    "dropout": ops.check_rate,
    "recurrent_dropout": ops.check_rate,
    "seed": check_seed,
    "implementation": check_implementation,
    "use_cudnn": check_cudnn,
}
_KINDS: Mapping[str, Callable[[Any, str], Any]] = {
    "activation": activations.get,
    "initializer": initializers.get,
    "regularizer": regularizers.get,
    "constraint": constraints.get,
}


def checked(name: str, value: Any) -> Any:
    """An argument as a layer holds it: a flag, where its name does not say what else it is.

    Raises:
        ValueError, TypeError, NotImplementedError: it cannot be that; the message names the argument.
    """
    if name in _CHECKS:
        return _CHECKS[name](name, value)
    kind = _KINDS.get(name.rpartition("_")[2])
    return ops.check_bool(name, value) if kind is None else kind(value, name)


def in_configuration(name: str, value: Any) -> Any:
    """An argument as it stands in a configuration, ready for JSON."""
    if isinstance(value, tuple | list):
        return [in_configuration(name, part) for part in value]
    if isinstance(value, Activation):
        return activations.serialize(value)
    if isinstance(value, Regularizer):
        return regularizers.serialize(value)
    if isinstance(value, Constraint):
        return constraints.serialize(value)
    return initializers.serialize(value) if name.endswith("_initializer") else value
