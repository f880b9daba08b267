"""Arguments of layers by name: what each is checked by, and how it stands in a configuration.

Keras's names say what an argument is: kernel_initializer is one of `initializers`, and recurrent_activation one of
`activations`, of whatever layer or cell.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .. import activations, constraints, core, initializers, regularizers, seeds
from ..activations import Activation
from ..configured import cached, levels_to_user, ours_function
from ..constraints import Constraint
from ..regularizers import Regularizer

#: Arguments that are not among the keys of a layer's own: those of all, and values to begin with.
NOT_OWN = ("name", "dtype", "trainable", "weights")

#: What arguments end with that say how a weight is.
_OF_WEIGHTS = ("_initializer", "_regularizer", "_constraint")


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


def check_zoneout(name: str, value: Any) -> float | tuple[float, ...]:
    """A rate for all states of a cell, or one for each."""
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1):
        return tuple(core.check_rate(f"{name}[{i}]", rate) for i, rate in enumerate(value))
    return core.check_rate(name, value)


def check_seed(name: str, value: Any) -> int | None:
    """A seed, or None for a new one."""
    return None if value is None else seeds.check_seed(value)


def check_regularizer(name: str, value: Any) -> Regularizer | None:
    """Whatever `regularizers.get` takes."""
    return None if value is None else regularizers.get(value, name)


def check_constraint(name: str, value: Any) -> Constraint | None:
    """Whatever `constraints.get` takes."""
    return None if value is None else constraints.get(value, name)


Check = Callable[[str, Any], Any]

_CHECKS: Mapping[str, Check] = {
    "units": core.check_count,
    "num_layers": core.check_count,
    "dropout": core.check_rate,
    "recurrent_dropout": core.check_rate,
    "weight_dropout": core.check_rate,
    "zoneout": check_zoneout,
    "seed": check_seed,
    "implementation": check_implementation,
    "use_cudnn": check_cudnn,
}
#: By what a name ends with.
_KINDS: Mapping[str, Check] = {
    "activation": lambda name, value: activations.get(value, name),
    "initializer": lambda name, value: initializers.get(value, name),
    "regularizer": check_regularizer,
    "constraint": check_constraint,
}


@cached
def check_of(name: str) -> Check:
    """What an argument of this name is checked and made to an attribute by: a flag's where it does not say what else
    it is. That raises ValueError, TypeError or NotImplementedError where it cannot be that, and names the argument."""
    return _CHECKS.get(name) or _KINDS.get(name.rpartition("_")[2]) or core.check_bool


@cached
def of_weights(names: tuple[str, ...]) -> list[str]:
    """Those of the names that say how weights are."""
    return [name for name in names if name.endswith(_OF_WEIGHTS) and name != "activity_regularizer"]


def checked(arguments: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Those of the arguments that have these names, as a layer holds them."""
    return {name: check_of(name)(name, arguments[name]) for name in names}


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


def check_config(kind: type[Any], config: Any) -> None:
    """TypeError unless this can be the configuration of an object of the class."""
    if not isinstance(config, dict):
        raise TypeError(
            f"config of {kind.__name__} must be a dictionary, as get_config gives, got {core.brief(config)}"
        )


def not_built(default: Any = None, **arguments: Any) -> None:
    """NotImplementedError for the first argument that is not at its default: nothing is silently ignored."""
    for name, value in arguments.items():
        if value is not default and value != default:
            raise NotImplementedError(f"{name} is not built yet; expected {name}={default!r}, got {value!r}")


#: Arguments that Keras 3 still takes for older code.
OLDER_ARGUMENTS = ("input_shape", "input_dim", "input_length")


def older_shape(kind: type[Any], input_shape: Any, input_dim: Any, input_length: Any) -> Any:
    """The shape of a model's inputs that older code gives its first layer, for `Sequential`; or None.

    Keras 3 warns of it likewise, and of the length of an Embedding's inputs, which nothing needs.
    """
    older = "is older Keras: put an Input(shape) before the layer"
    for name, value, what in (
        ("input_shape", input_shape, older),
        ("input_dim", input_dim, older),
        ("input_length", input_length, "has no effect: leave it away"),
    ):
        if value is not None:
            warnings.warn(f"{name} of {kind.__name__} {what}", stacklevel=levels_to_user())
    return (input_dim,) if input_shape is None and input_dim is not None else input_shape


def users_config(kind: type[Any], arguments: Mapping[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of an object of a user's class.

    Args:
        arguments: what its constructor was given, NotImplemented for what JSON cannot hold.
        config: that of the class of this package that it is based on.

    Raises:
        NotImplementedError: an argument cannot stand in a file, and no get_config of the user's writes it.
    """
    parameters = inspect.signature(kind.__init__).parameters
    if all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        config = {key: value for key, value in config.items() if key in parameters}
    if not ours_function(kind.get_config):
        return config  # the user's own get_config adds the rest
    for name, value in arguments.items():
        if value is NotImplemented and name not in config:
            raise NotImplementedError(
                f"{kind.__name__}.get_config must be written, as {name} cannot stand in a file: return "
                f"{{**super().get_config(), {name!r}: ...}}, and read it again in from_config"
            )
    return {**arguments, **config}
