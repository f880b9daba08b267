"""Run programs of examples/ for the gallery: what they print goes to outputs/, what they draw to pictures/.

    python docs/run_examples.py [NAME ...]

Needs cellstep with the lab extra, and PyTorch for those that are called after it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent
EXAMPLES = DOCS.parent / "examples"
#: Of programs that need any.
ARGUMENTS = {"char_rnn": [str(DOCS / "speed.md"), "--minutes", "0.3"]}


def main(names: list[str]) -> None:
    for program in sorted(EXAMPLES.glob("[a-z]*.py")):
        if names and program.stem not in names:
            continue
        arguments = ARGUMENTS.get(program.stem, [])
        if '"--picture"' in program.read_text(encoding="utf-8"):
            arguments = [*arguments, "--picture", str(DOCS / "pictures" / f"{program.stem}.svg")]
        done = subprocess.run([sys.executable, program, *arguments], capture_output=True, text=True, check=True)
        (DOCS / "outputs").mkdir(exist_ok=True)
        (DOCS / "outputs" / f"{program.stem}.txt").write_text(done.stdout, encoding="utf-8")
        print(program.name)


if __name__ == "__main__":
    main(sys.argv[1:])
