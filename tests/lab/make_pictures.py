"""Draws what the image tests compare with; look at each before it is committed.

PYTHONPATH=tests python tests/lab/make_pictures.py
"""

from __future__ import annotations

from pathlib import Path

from lab.models import MODELS, make
from lab.panels import bare
from lab.results import RESULTS

from cellstep import lab

FOLDER = Path(__file__).parent / "pictures"
#: Models whose drawings are kept, and whether with their loop.
DRAWN = {"many_to_one": True, "both_ways": False, "attender": False}


def unrolled(name: str) -> str:
    return lab.unroll(make(name), MODELS[name][1], fold=DRAWN[name]).svg


def main() -> None:
    from matplotlib.image import imsave

    FOLDER.mkdir(exist_ok=True)
    for name, result in RESULTS.items():
        imsave(FOLDER / f"{name}.png", bare(result().draw()), metadata={"Software": None})
    for name in DRAWN:
        (FOLDER / f"{name}.svg").write_text(unrolled(name), encoding="utf-8")


if __name__ == "__main__":
    main()
