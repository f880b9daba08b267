"""Run a script with one of the two libraries, and note what its models gave.

    python run.py series_windows.py cellstep notes.json

So that both have something to agree on, matrices of weights begin with the same numbers, batches come in order, and
nothing is dropped out. `as_written` runs the script with none of that.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np


def imports_of(text: str, library: str) -> str:
    """A script with its imports changed, and nothing else."""
    text = re.sub(r"^import keras$", f"import {library} as keras", text, flags=re.MULTILINE)
    return re.sub(r"^from keras\b", f"from {library}", text, flags=re.MULTILINE)


def as_written(script: Path, library: str) -> None:
    exec(
        compile(imports_of(script.read_text(encoding="utf-8"), library), script.name, "exec"), {"__name__": "__main__"}
    )


def plain(value: Any) -> Any:
    """Logs and outputs for JSON: arrays as lists, several of them by name or number."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple) and any(np.ndim(part) for part in value):
        return {str(number): plain(part) for number, part in enumerate(value)}
    return np.asarray(value, np.float64).tolist()


def first_batch(x: Any) -> Any:
    """Some rows of what a model is given."""
    if isinstance(x, list | tuple):
        return [part[:2] for part in x]
    return x[:2] if isinstance(x, np.ndarray) else x[0][0]


def noted(script: Path, library: str) -> list[Any]:
    """What each fit, evaluate and predict of the script gave, in order."""
    keras = __import__(library)
    notes: list[Any] = []
    begun: list[Any] = []
    within = False

    def begin(model: Any, x: Any) -> None:
        """Give a model that has not been trained its first weights."""
        if any(model is other for other in begun):
            return
        begun.append(model)
        if not model.built:
            model(first_batch(x))
        rng = np.random.default_rng(len(begun))
        for weight in model.trainable_weights:
            if len(weight.shape) > 1:
                weight.assign(rng.normal(size=weight.shape) / np.sqrt(weight.shape[0]))

    def noting(name: str) -> Any:
        """A method that notes what it gives, but within another, as Keras validates by `evaluate`."""
        method = getattr(keras.Model, name)

        @functools.wraps(method)
        def called(self: Any, x: Any = None, *args: Any, **options: Any) -> Any:
            nonlocal within
            if name == "fit":
                begin(self, x)
                options.setdefault("shuffle", False)
            outermost, within = not within, True
            try:
                result = method(self, x, *args, **options)
            finally:
                within = not outermost
            if outermost:
                notes.append((name, plain(result.history if name == "fit" else result)))
            return result

        return called

    for name in ("fit", "evaluate", "predict"):
        setattr(keras.Model, name, noting(name))
    text = imports_of(script.read_text(encoding="utf-8"), library)
    text = re.sub(r"(dropout=|Dropout\((?:rate=)?)[\d.]+", r"\g<1>0.0", text)
    exec(compile(text, script.name, "exec"), {"__name__": "__main__"})
    return notes


if __name__ == "__main__":
    script, library, *target = sys.argv[1:]
    if target:
        Path(target[0]).write_text(json.dumps(noted(Path(script), library)), encoding="utf-8")
    else:
        as_written(Path(script), library)
