"""Writes files of a net of Keras 2's CuDNNLSTM and CuDNNGRU, and what its LSTM and GRU make of their weights.

    pip install tensorflow-cpu==2.15.1
    python tests/golden/cudnn_keras.py tests/golden

writes cudnn-2-tf2.15.1.zip into the folder that is named. The layers need no GPU as long as they are not run.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

X = (np.arange(30).reshape(2, 5, 3) % 7 - 3).astype("float32") / 3


def net(lstm: Any, gru: Any, **of_gru: Any) -> Any:
    x = tf.keras.Input((5, 3))
    h = lstm(4, return_sequences=True, name="l")(x)
    h = tf.keras.layers.Bidirectional(gru(2, return_sequences=True, **of_gru), name="b")(h)
    return tf.keras.Model(x, lstm(2, go_backwards=True, name="m")(h))


def main(folder: Path) -> None:
    v1 = tf.compat.v1
    v1.disable_eager_execution()
    # nodes that do not run need no device
    options = v1.ConfigProto(graph_options=v1.GraphOptions(place_pruned_graph=True))
    v1.keras.backend.set_session(v1.Session(config=options))
    rng = np.random.default_rng(4)
    model = net(v1.keras.layers.CuDNNLSTM, v1.keras.layers.CuDNNGRU)
    model.set_weights([rng.standard_normal(w.shape).astype("float32") for w in model.get_weights()])
    with (
        tempfile.TemporaryDirectory() as place,
        zipfile.ZipFile(folder / f"cudnn-2-tf{tf.__version__}.zip", "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, save in (("net.h5", model.save), ("net.weights-only.h5", model.save_weights)):
            save(Path(place, name))
            archive.write(Path(place, name), name)
        archive.writestr("net.json", model.to_json())
        other = net(tf.keras.layers.LSTM, tf.keras.layers.GRU, reset_after=True)
        other.load_weights(Path(place, "net.weights-only.h5"))
        found = io.BytesIO()
        np.savez(found, y=other.predict(X), **{f"weights/{k}": w for k, w in enumerate(other.get_weights())})
        archive.writestr("outputs.npz", found.getvalue())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
