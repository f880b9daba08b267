"""Write golden.json with real Keras: `python make_golden.py`, with Keras and JAX installed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"

import jax
import keras
import numpy as np
import training_cases as cases
from keras.src.backend import set_keras_mask

keras.config.set_floatx("float64")


def optimizers() -> dict[str, list[list[float]]]:
    """The values of the variables, flat, after the last step."""
    found = {}
    for name, (kind, options) in cases.OPTIMIZERS.items():
        variables = [keras.Variable(v, dtype="float64") for v in cases.VALUES]
        optimizer = getattr(keras.optimizers, kind)(**options)
        optimizer.build(variables)
        for grads in cases.GRADS:
            optimizer.apply([keras.ops.convert_to_tensor(g) for g in grads], variables)
        found[name] = [np.ravel(keras.ops.convert_to_numpy(v)).tolist() for v in variables]
    return found


def schedules() -> dict[str, list[float]]:
    """The learning rate of each step."""
    made = {name: getattr(keras.optimizers.schedules, kind)(**o) for name, (kind, o) in cases.SCHEDULES.items()}
    return {name: [float(schedule(step)) for step in cases.STEPS] for name, schedule in made.items()}


def metrics() -> dict[str, list[float]]:
    """The results after two batches, flat."""
    found = {}
    for name, (kind, options, y_true, y_pred, weights) in cases.METRICS.items():
        metric = getattr(keras.metrics, kind)(**options)
        for half in (slice(6), slice(6, 12)):
            metric.update_state(y_true[half], y_pred[half], None if weights is None else weights[half])
        found[name] = np.ravel(metric.result()).tolist()
    return found


def losses() -> dict[str, dict[str, Any]]:
    """The value and the gradient, flat."""
    found = {}
    for name, case in cases.LOSSES.items():
        loss = getattr(keras.losses, case.loss)(**case.options, dtype="float64")

        def run(y_pred: Any, loss: Any = loss, case: cases.LossCase = case) -> Any:
            if case.mask is not None:
                set_keras_mask(y_pred, keras.ops.convert_to_tensor(case.mask))
            return loss(case.y_true, y_pred, case.sample_weight)

        value, grad = jax.value_and_grad(run)(keras.ops.convert_to_tensor(case.y_pred, dtype="float64"))
        found[name] = {"value": float(value), "grad": np.ravel(grad).tolist()}
    return found


def fit() -> dict[str, Any]:
    """History and final weights of the tagger."""
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Embedding(5, 2, mask_zero=True),
            keras.layers.LSTM(3, return_sequences=True),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.set_weights(cases.TAGGER)
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    history = model.fit(cases.TOKENS, cases.LABELS, sample_weight=cases.WEIGHTS, **cases.FIT)
    # The JAX trainer of Keras 3.15 loses the mask in the metrics of training, though not in those of validation.
    logs = {name: values for name, values in history.history.items() if name != "accuracy"}
    return {"history": logs, "weights": [np.ravel(w).tolist() for w in model.get_weights()]}


if __name__ == "__main__":
    golden = {
        "keras": keras.__version__,
        "optimizers": optimizers(),
        "schedules": schedules(),
        "metrics": metrics(),
        "losses": losses(),
        "fit": fit(),
    }
    Path(__file__).with_name("golden.json").write_text(json.dumps(golden, indent=0) + "\n")
