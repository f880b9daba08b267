"""Golden files of a version: what it saved, and what it then computed. Run once, when the version is released:

python tests/golden/released.py    makes tests/golden/cellstep-VERSION
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import cellstep
from cellstep import layers


def causal() -> cellstep.Sequential:
    """Layers of a stream, with options that files must keep."""
    return cellstep.Sequential(
        [
            cellstep.Input((None, 4), name="sensors"),
            layers.Masking(-9.0),
            layers.LSTM(5, return_sequences=True, activation="softsign", unit_forget_bias=False, name="lstm"),
            layers.GRU(6, return_sequences=True, reset_after=False, recurrent_dropout=0.2, seed=1, name="gru"),
            layers.SimpleRNN(3, return_sequences=True, use_bias=False, trainable_initial_state=True, name="rnn"),
            layers.Dense(2, "softmax", name="head"),
        ],
        name="causal",
    )


def graph() -> cellstep.Model:
    """A graph with branches, integers, and both directions."""
    words = cellstep.Input((None,), dtype="int32", name="words")
    sequence = layers.Embedding(11, 4, mask_zero=True, name="table")(words)
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True), merge_mode="concat", name="both")(sequence)
    found = layers.LayerNormalization(name="norm")(layers.Attention(name="attention")([both, both]))
    last = layers.GlobalAveragePooling1D(name="mean")(layers.Concatenate(name="joined")([both, found]))
    return cellstep.Model(words, layers.Dense(1, name="score")(last), name="graph")


def inputs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    values = rng.standard_normal((3, 7, 4)).astype("float32")
    values[1, 5:] = -9.0
    return values, rng.integers(1, 11, (3, 7)).astype("int32")


def main() -> None:
    folder = Path(__file__).parent / f"cellstep-{cellstep.__version__}"
    folder.mkdir()
    cellstep.set_random_seed(2)
    values, words = inputs()
    expected = {}
    for model, x, shape in ((causal(), values, (3, 7, 2)), (graph(), words, (3, 1))):
        y = np.full(shape, 0.5, "float32")
        model.compile(cellstep.optimizers.Adam(0.01), "mse", metrics=["mae"])
        model.fit(x, y, epochs=2, verbose=0)
        for ending in (".keras", ".weights.h5", ".safetensors"):
            (model.save_weights if ending == ".weights.h5" else model.save)(folder / f"{model.name}{ending}")
        expected[f"{model.name}/predicted"] = model.predict(x, verbose=0)
        if model.name == "causal":
            stream = model.stream(batch_size=3)
            stream.steps(values[:, :4])
            stream.state.save(folder / "causal.state.safetensors")
            expected["causal/streamed"] = stream.steps(values[:, 4:])
        model.fit(x, y, verbose=0, shuffle=False)
        expected[f"{model.name}/trained"] = model.predict(x, verbose=0)
    np.savez_compressed(folder / "expected.npz", **expected)


if __name__ == "__main__":
    main()
