"""Scripts as people write them for Keras run with the import changed, and give what they give with Keras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
SCRIPTS = sorted(path.name for path in HERE.glob("*.py") if path.name not in ("run.py", Path(__file__).name))
#: Keras compiles for as long as it runs; that is as little as can be.
SETTINGS = {"KERAS_BACKEND": "jax", "OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_backend_optimization_level=0"}

#: Logs of fit that are others by design, and why.
DIFFERENT = {
    "stateful_forecast.py": ("loss", "Keras on JAX begins each batch with zeros, stateful or not"),
    "ner_tagging.py": ("accuracy", "Keras on JAX forgets the mask in the metrics of training"),
    "seq2seq_attention.py": ("accuracy", "Keras on JAX forgets the mask in the metrics of training"),
}
#: How close to Keras's a script's numbers are, where that is closer than float32 is after long training.
CLOSER = {
    "anomaly_autoencoder.py": 5e-4,
    "attention_layer.py": 1e-5,
    "callbacks_schedule.py": 1e-5,
    "generator_data.py": 1e-5,
    "har_classification.py": 5e-5,
    "ner_tagging.py": 1e-5,
    "sentiment_bilstm.py": 1e-5,
    "seq2seq_attention.py": 2e-4,
}


def run(*arguments: str, **environment: str) -> None:
    command = [sys.executable, str(HERE / "run.py"), *arguments]
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=HERE, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-4000:]


def alike(theirs: Any, ours: Any, place: str, tolerance: float) -> None:
    """The same names, lengths and shapes, and values that agree as float32 does after some steps of training."""
    if isinstance(theirs, dict):
        assert theirs.keys() == ours.keys(), place
        for name in theirs:
            alike(theirs[name], ours[name], f"{place}[{name!r}]", tolerance)
    else:
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=place)


def test_there_are_twelve_at_least() -> None:
    assert len(SCRIPTS) >= 12
    assert CLOSER.keys() | DIFFERENT.keys() <= set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_with_the_import_changed(script: str) -> None:
    run(script, "cellstep", PYTHONWARNINGS="error::RuntimeWarning")


@pytest.mark.skipif(find_spec("keras") is None or find_spec("jax") is None, reason="needs keras and jax")
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_gives_what_keras_gives(script: str, tmp_path: Path) -> None:
    notes = {}
    for library in ("keras", "cellstep"):
        target = tmp_path / f"{library}.json"
        run(script, library, str(target), **SETTINGS)
        notes[library] = json.loads(target.read_text(encoding="utf-8"))
    theirs, ours = notes["keras"], notes["cellstep"]
    assert [name for name, _ in theirs] == [name for name, _ in ours]
    for number, ((name, one), (_, other)) in enumerate(zip(theirs, ours, strict=True)):
        if name == "fit":
            assert one.keys() == other.keys()
            one.pop(DIFFERENT.get(script, ("",))[0], None)
            other = {name: other[name] for name in one}
        alike(one, other, f"{name} number {number}", CLOSER.get(script, 2e-3))
