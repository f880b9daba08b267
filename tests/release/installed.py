"""A short set of tests of the package that is installed, which needs NumPy and pytest alone: for wheels."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SHORT = (
    *("kernels/test_cells.py", "kernels/test_float_mode.py", "kernels/test_resets.py"),
    *(
        "layers/test_recurrent.py",
        "models/test_fit.py",
        "models/test_model_stream.py",
        "release/test_released_files.py",
    ),
)

if __name__ == "__main__":
    os.environ["CELLSTEP_EXPECT_BACKENDS"] = "cython,numpy"
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *(str(TESTS / name) for name in SHORT), *sys.argv[1:]]))
