"""Files of `ManyModels` with bytes changed, or cut off: refused, or whole enough to predict and train.

damaged_many.py COUNT [SEED]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from cellstep import Input, ManyModels, Sequential, layers


def run(count: int, seed: int = 0) -> tuple[dict[str, int], list[str]]:
    """How many files were refused and loaded; what went otherwise."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((3, 6, 4, 2), "f4"), rng.standard_normal((3, 6, 1), "f4")
    model = Sequential([Input((None, 2)), layers.GRU(3), layers.Dense(1)])
    model.compile("adam", "mse")
    many = ManyModels(model, 3)
    many.fit(list(x), list(y), epochs=2)
    seen, wrong = {"refused": 0, "loaded": 0}, []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.safetensors"
        many.save(path)
        whole = path.read_bytes()
        for number in range(count):
            damaged = bytearray(whole)
            for _ in range(int(rng.integers(1, 6))):
                damaged[int(rng.integers(len(damaged)))] = int(rng.integers(256))
            path.write_bytes(damaged[: rng.integers(len(damaged))] if number % 6 == 0 else damaged)
            try:
                loaded = ManyModels.load(path)
            except ValueError:
                seen["refused"] += 1
                continue
            except Exception as error:
                wrong.append(f"{number} of seed {seed}: {type(error).__name__}: {error}")
                continue
            seen["loaded"] += 1
            try:
                with np.errstate(all="ignore"):
                    loaded.predict(list(x))
                    loaded.fit(list(x), list(y), epochs=1)
            except Exception as error:
                wrong.append(f"{number} of seed {seed}, once loaded: {type(error).__name__}: {error}")
    return seen, wrong


if __name__ == "__main__":
    seen, wrong = run(int(sys.argv[1]), *(int(a) for a in sys.argv[2:3]))
    print("\n".join([*wrong, str(seen)]))
    sys.exit(bool(wrong))
