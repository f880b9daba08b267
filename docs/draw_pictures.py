"""Draw the pictures of the pages again, by running the pages' own Python blocks.

    python docs/draw_pictures.py [docs/learn/4-lstm.md ...]

A page NAME.md shows its pictures from pictures/NAME; its blocks write them into the folder in which they run. Needs
cellstep with the lab extra.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "examples"))

import pages  # noqa: E402


def main(chosen: list[str]) -> None:
    for page in chosen or pages.pages():
        folder = ROOT / "docs" / "pictures" / Path(page).stem
        shown = pages.own_pictures(page)
        if not shown:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        pages.run(page)
        for old in folder.iterdir():
            if old.name not in shown:
                old.unlink()
        print(page, *shown)


if __name__ == "__main__":
    main(sys.argv[1:])
