"""cellstep in a second interpreter of one process: refused by an exception, never by a crash, while the first goes on.

subinterpreters.py
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from cellstep import layers

CODE = "from cellstep import layers; import numpy as np; layers.LSTM(3)(np.ones((1, 2, 2)))"


def interpreters() -> Any:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def refusals(count: int) -> list[str]:
    """What so many interpreters say, one after the other, to `CODE`."""
    module, said = interpreters(), []
    layer, x = layers.LSTM(4), np.ones((2, 3, 2), "f4")
    before = layer(x)
    for _ in range(count):
        other = module.create()
        try:
            result = module.run_string(other, CODE)
            said.append("" if result is None else str(result.msg))
        except Exception as error:
            said.append(str(error))
        module.destroy(other)
        assert np.array_equal(layer(x), before)
    return said


if __name__ == "__main__":
    for line in sorted({text.strip().splitlines()[-1] if text else "it works" for text in refusals(20)}):
        print(line)
