"""Tables trained by rows, against PyTorch's sparse gradients and Keras's dense ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cellstep import layers, optimizers

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")

ROWS, SIZE, STEPS = 50, 4, 12
rng = np.random.default_rng(2)
TABLE = rng.standard_normal((ROWS, SIZE)).astype("f4")
PLACES = [rng.integers(0, 20, (3, 5)) for _ in range(STEPS)]
SLOPES = [rng.standard_normal((3, 5, SIZE)).astype("f4") for _ in range(STEPS)]


def ours(optimizer: Any, sparse: bool) -> Any:
    layer = layers.Embedding(ROWS, SIZE, weights=TABLE, sparse=sparse)
    for places, slopes in zip(PLACES, SLOPES, strict=True):
        layer.embeddings.zero_grad()
        layer.forward(places)[1](slopes)
        optimizer.apply(None, [layer.embeddings])
    return layer.embeddings.numpy()


PAIRS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "SparseAdam": (optimizers.Adam(0.1), lambda w: torch.optim.SparseAdam(w, lr=0.1, eps=1e-7)),
    "SGD": (optimizers.SGD(0.1), lambda w: torch.optim.SGD(w, lr=0.1)),
    "Adagrad": (
        optimizers.Adagrad(0.1, epsilon=1e-20),
        lambda w: torch.optim.Adagrad(w, lr=0.1, initial_accumulator_value=0.1, eps=0),
    ),
}


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("name", PAIRS)
def test_sparse_is_pytorchs(name: str) -> None:
    mine, make = PAIRS[name]
    embedding = torch.nn.Embedding(ROWS, SIZE, sparse=True)
    with torch.no_grad():
        embedding.weight.copy_(torch.tensor(TABLE))
    theirs = make([embedding.weight])
    for places, slopes in zip(PLACES, SLOPES, strict=True):
        theirs.zero_grad()
        (embedding(torch.tensor(places)) * torch.tensor(slopes)).sum().backward()
        theirs.step()
    np.testing.assert_allclose(ours(mine, True), embedding.weight.detach().numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("options", [{}, {"clipnorm": 1.0}, {"weight_decay": 0.1}, {"use_ema": True}])
@pytest.mark.parametrize(
    "rule", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam", "Lion", "Lamb"]
)
def test_otherwise_it_is_keras(rule: str, options: dict[str, Any]) -> None:
    variable = keras.Variable(TABLE)
    theirs = getattr(keras.optimizers, rule)(0.01, **options)
    for places, slopes in zip(PLACES, SLOPES, strict=True):
        gradient = np.zeros_like(TABLE)
        np.add.at(gradient, places, slopes)
        theirs.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    mine = ours(getattr(optimizers, rule)(0.01, **options), False)
    np.testing.assert_allclose(mine, np.asarray(variable), rtol=2e-5, atol=5e-6)
