"""Files of models whose `forward` is the user's: what their layers are built for stands beside them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, Sequential, layers, saving

X = np.random.default_rng(0).standard_normal((4, 5, 3)).astype("float32")


class Own(Model):
    """A recurrent layer, a layer of two inputs and a Dense layer, run by hand."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.rnn = layers.Bidirectional(layers.GRU(units, return_sequences=True))
        self.head = layers.Dense(3)
        self.unused = layers.Dense(2)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], 3)

    def forward(self, x: Any, training: bool = False) -> Any:
        h, back = self.rnn.forward(x, training=training)
        y, head_back = self.head.forward(h, training=training)
        return 2 * y, lambda dy, need_dx=True: back(head_back(2 * dy), need_dx=need_dx)


def alone() -> Model:
    return Own(4)


def inside() -> Model:
    return Sequential([Input((None, 3)), Own(2), layers.Dense(1)])


@pytest.mark.parametrize("make", [alone, inside])
def test_it_comes_back(tmp_path: Path, make: Any) -> None:
    net = make()
    net.compile("adam", "mse")
    wanted = np.zeros((4, 5, 3 if make is alone else 1))
    net.fit(X, wanted, verbose=0)
    net.save(tmp_path / "m.keras")
    again = saving.load_model(tmp_path / "m.keras", custom_objects={"Own": Own})
    np.testing.assert_array_equal(again.predict(X, verbose=0), net.predict(X, verbose=0))
    for each in (net, again):
        each.fit(X, wanted, verbose=0, shuffle=False)
    for a, b in zip(net.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_for_a_model_that_is_not_built_yet(tmp_path: Path) -> None:
    net, again = inside(), inside()
    net.predict(X, verbose=0)
    net.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="is not built yet: call the model once"):
        again.load_weights(tmp_path / "m.weights.h5")
    again.predict(X[:1], verbose=0)
    again.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(again.predict(X, verbose=0), net.predict(X, verbose=0))


@pytest.mark.parametrize(
    "parts", [3, "ab", [], [None], [[-1, 3]] * 7, [["a"]] * 7, [[True]] * 7, [[[1, 2], 3]] * 7, [{}] * 7]
)
def test_other_shapes_are_refused(tmp_path: Path, parts: Any) -> None:
    net = alone()
    net.predict(X, verbose=0)
    net.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    assert len(config["build_config"]["parts"]) == 7
    config["build_config"]["parts"] = parts
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=r"m\.keras, (config\.json: in Own: parts of build_config must|.*: must hold)"):
        saving.load_model(tmp_path / "m.keras", custom_objects={"Own": Own})
