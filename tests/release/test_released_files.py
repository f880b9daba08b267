"""Files that released versions saved load, give the numbers they gave, and are trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden.released import causal, graph, inputs

from cellstep.layers.stream import StreamState
from cellstep.saving import load_model

GOLDEN = Path(__file__).parents[1] / "golden"
VERSIONS = sorted(path.name for path in GOLDEN.glob("cellstep-*"))
NETS = {"causal": causal, "graph": graph}
X = dict(zip(NETS, inputs(), strict=True))


def expected(version: str, name: str) -> np.ndarray[Any, Any]:
    with np.load(GOLDEN / version / "expected.npz") as file:
        return file[name]


def same(found: Any, wanted: np.ndarray[Any, Any]) -> None:
    # levels and backends round differently; the file is from one of them
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_there_are_files_of_a_version() -> None:
    assert "cellstep-0.1.0" in VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("net", NETS)
def test_a_whole_model_goes_on(version: str, net: str) -> None:
    pytest.importorskip("h5py")
    model = load_model(GOLDEN / version / f"{net}.keras")
    same(model.predict(X[net], verbose=0), expected(version, f"{net}/predicted"))
    wanted = expected(version, f"{net}/trained")
    if net == "graph":  # no dropout, whose masks are drawn anew
        model.fit(X[net], np.full(wanted.shape, 0.5, "float32"), verbose=0, shuffle=False)
        same(model.predict(X[net], verbose=0), wanted)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("net", NETS)
def test_weights_go_into_a_net_of_today(version: str, net: str) -> None:
    pytest.importorskip("h5py")
    model = NETS[net]()
    model.load_weights(GOLDEN / version / f"{net}.weights.h5")
    same(model.predict(X[net], verbose=0), expected(version, f"{net}/predicted"))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("net", NETS)
def test_safetensors_need_no_library(version: str, net: str) -> None:
    model = load_model(GOLDEN / version / f"{net}.safetensors")
    same(model.predict(X[net], verbose=0), expected(version, f"{net}/predicted"))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stream_goes_on_from_its_states(version: str) -> None:
    stream = load_model(GOLDEN / version / "causal.safetensors").stream(batch_size=3)
    stream.state = StreamState.load(GOLDEN / version / "causal.state.safetensors")
    same(stream.steps(X["causal"][:, 4:]), expected(version, "causal/streamed"))
