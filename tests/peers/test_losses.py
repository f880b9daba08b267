"""CTC against PyTorch and Keras, whose own gradient is float32 at best."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from cellstep import losses

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_ctc() -> None:
    rng = np.random.default_rng(4)
    logits = rng.standard_normal((5, 12, 7)) * 2
    labels = rng.integers(1, 4, (5, 5))
    lengths = np.array([5, 4, 3, 1, 2])
    labels[np.arange(5) >= lengths[:, None]] = 0
    steps = np.array([12, 11, 9, 12, 5])
    mask = np.arange(12) < steps[:, None]
    value, grad = losses.CTC("sum").value_and_grad(labels, logits, None, mask)
    z = torch.tensor(logits, requires_grad=True)
    theirs = torch.nn.functional.ctc_loss(
        z.log_softmax(-1).transpose(0, 1),
        *(torch.tensor(a) for a in (labels, steps, lengths)),
        reduction="sum",
    )
    theirs.backward()
    np.testing.assert_allclose(value, theirs.item(), rtol=1e-12)
    np.testing.assert_allclose(grad, z.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_ctc_of_keras() -> None:
    import jax

    rng = np.random.default_rng(4)
    logits = rng.standard_normal((3, 8, 5)).astype("float32")
    labels = np.array([[1, 2, 3], [4, 4, 0], [2, 0, 0]])
    weights = np.array([1.0, 2.0, 0.5], "float32")
    value, grad = losses.CTC().value_and_grad(labels, logits, weights)
    theirs, slope = jax.value_and_grad(lambda z: keras.losses.CTC()(labels, z, weights))(logits)
    np.testing.assert_allclose(value, theirs, rtol=1e-5)
    np.testing.assert_allclose(grad, slope, rtol=1e-4, atol=1e-5)
