"""Files with random damage are refused by a sentence that names them, or load as a model that predicts."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cellstep import layers, models
from cellstep.models import hdf5
from cellstep.untrusted import FileError

pytest.importorskip("h5py")

#: Files of each kind, and which: the same with the same seed.
COUNT = os.environ.get("CELLSTEP_DAMAGED_FILES", "150")
SEED = os.environ.get("CELLSTEP_RANDOM_SEED", "1")


@pytest.mark.parametrize("kind", ["archive", "config", "hdf5", "weights", "older", "older-config", "older-weights"])
def test_damaged_files(kind: str) -> None:
    import damaged_files

    program = [sys.executable, damaged_files.__file__, kind, COUNT, SEED]
    run = subprocess.run(program, capture_output=True, text=True)
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("turn", [0, 16], ids=["itself", "the one before"])
def test_a_list_of_free_blocks_that_goes_round_is_damage(tmp_path: Path, turn: int) -> None:
    """HDF5 would follow it without end, and take memory for each block."""
    net = models.Sequential([layers.Input((4, 3)), layers.GRU(2), layers.Dense(1)])
    path = tmp_path / "a.weights.h5"
    net.save_weights(path)
    data = bytearray(path.read_bytes()[: -len(hdf5.MARK) - 8])
    heap = data.find(b"HEAP\0\0\0\0")
    length, _, start = struct.unpack_from("<QQQ", data, heap + 8)
    last = length - 16
    struct.pack_into("<Q", data, heap + 16, last - turn)
    struct.pack_into("<QQ", data, start + last - turn, last, 16)
    struct.pack_into("<QQ", data, start + last, last - turn, 16)
    path.write_bytes(data)
    before = net.get_weights()
    with pytest.raises(FileError, match=f"a heap at {heap} whose free blocks come to no end"):
        net.load_weights(path)
    np.testing.assert_array_equal(net.get_weights()[0], before[0])


def test_hdf5_begins_at_the_beginning_and_has_addresses_of_8_bytes(tmp_path: Path) -> None:
    import h5py

    net = models.Sequential([layers.Input((4, 3)), layers.GRU(2)])
    net.save_weights(tmp_path / "a.weights.h5")
    data = (tmp_path / "a.weights.h5").read_bytes()[: -len(hdf5.MARK) - 8]
    (tmp_path / "b.weights.h5").write_bytes(bytes(512) + data)
    with pytest.raises(FileError, match="other bytes at its beginning"):
        net.load_weights(tmp_path / "b.weights.h5")
    narrow = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    narrow.set_sizes(4, 4)
    h5py.h5f.create(bytes(tmp_path / "c.weights.h5"), fcpl=narrow).close()
    with pytest.raises(FileError, match="addresses are not of 8 bytes"):
        net.load_weights(tmp_path / "c.weights.h5")
