"""Datasets of `keras.datasets`: each says where its arrays come from, as cellstep uses no network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from .exports import public

__all__ = [
    *("boston_housing", "california_housing", "cifar10", "cifar100", "fashion_mnist", "imdb", "mnist", "reuters"),
]


def _refused(name: str) -> Any:
    def load(*args: Any, **options: Any) -> Any:
        """NotImplementedError, and what to do."""
        raise NotImplementedError(
            f"{name} is not built, as cellstep uses no network: {name.replace('datasets', 'keras.datasets')} of Keras "
            "gives the same arrays, and np.load reads its file from ~/.keras/datasets"
        )

    return load


if TYPE_CHECKING:
    boston_housing = california_housing = cifar10 = cifar100 = fashion_mnist = imdb = mnist = reuters = (
        SimpleNamespace()
    )
for _name in __all__:
    _functions = {name: _refused(f"datasets.{_name}.{name}") for name in ("load_data", "get_word_index")}
    globals()[_name] = SimpleNamespace(**_functions)

__dir__ = public(globals())
