"""Draws what the image tests compare with; look at each before it is committed.

PYTHONPATH=tests python tests/lab/make_pictures.py
"""

from __future__ import annotations

from pathlib import Path

from lab.panels import DRAWING, PANEL, bare
from lab.results import DRAWN, RESULTS

FOLDER = Path(__file__).parent / "pictures"


def panel(name: str) -> tuple[int, int]:
    return DRAWING if name in DRAWN else PANEL


def main() -> None:
    from matplotlib.image import imsave

    FOLDER.mkdir(exist_ok=True)
    for name, result in RESULTS.items():
        imsave(FOLDER / f"{name}.png", bare(result().draw(), panel(name)), metadata={"Software": None})


if __name__ == "__main__":
    main()
