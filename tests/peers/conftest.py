"""Live comparisons with real Keras (on JAX) and real PyTorch, where the `test-peers` extra has installed them.

Elsewhere nothing here is collected; what the peers gave is still held against the kernels from `tests/golden`.
"""

from __future__ import annotations

import importlib.util
import os
import warnings

PEERS = ("keras", "jax", "torch")

if any(importlib.util.find_spec(peer) is None for peer in PEERS):
    collect_ignore_glob = ["test_*.py"]
else:
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    with warnings.catch_warnings():
        # what peers have to say to each other is none of ours
        warnings.simplefilter("ignore")
        import keras  # noqa: F401
        import torch  # noqa: F401
