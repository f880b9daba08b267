"""The golden values are what the installed peers give: `golden/make.py`, run again, gives the committed files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from golden.store import load

TESTS = Path(__file__).parent.parent


def test_peers_give_the_committed_golden_values(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "golden.make", str(tmp_path)], cwd=TESTS, check=True, timeout=600)
    for name in ("keras.npz", "torch.npz"):
        again, committed = load(tmp_path / name), load(TESTS / "golden" / name)
        assert set(again) == set(committed)
        for case, right in committed.items():
            for key, a in right.given.items():
                np.testing.assert_array_equal(again[case].given[key], a, err_msg=f"{case} {key}")
            for key, a in right.found.items():
                np.testing.assert_allclose(again[case].found[key], a, rtol=1e-12, atol=1e-12, err_msg=f"{case} {key}")
