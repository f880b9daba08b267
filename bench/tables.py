"""The tables of benchmarks.md, speed.md and index.md in docs: `python bench/tables.py [--keep DIR] [--from DIR]`.

Runs targets.py and in_use.py on this machine, a quarter of an hour in which nothing else should run, and writes what
they found between the marks in the pages, with the date, the processor's name and all versions. `--keep` leaves
their JSON files in a folder; `--from` writes the pages from such a folder, without running anything.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from in_use import markdown

BENCH = Path(__file__).parent
DOCS = BENCH.parent / "docs"
PEERS = ("numpy", "torch", "onnxruntime", "openvino", "jax")
#: What is run, and the file that it leaves.
PARTS = ("peers", "gaps", "fit", "start", "contention")
PICTURE = str(DOCS / "pictures" / "latency.svg")
RUNS = {
    "targets.json": ["targets.py", "--parts", *PARTS, "--rounds", "5", "--peers", *PEERS, "--picture", PICTURE],
    "in_use.json": ["in_use.py", "--seconds", "0.2"],
}
#: The sizes whose bandwidth is told, in bytes.
SIZES = (3 << 12, 3 << 17, 2 << 22)


def where(found: dict[str, Any]) -> str:
    """On what was measured, and when."""
    about = found["about"]
    versions = ", ".join([*about["peers"].values(), f"NumPy {about['numpy']}"])
    text = f"Measured on {about['date']} on {about['machine']}; cellstep {about['cellstep']}; {versions}."
    if found.get("limits"):
        peaks = " and ".join(f"{m['peak'] / 1e9:.0f} on {m['threads']}" for m in found["limits"])
        rates = {int(size): rate for size, rate in found["limits"][0]["bandwidth"].items()}
        reads = ", ".join(f"{rates[n] / 1e9:.0f} GB/s of {_bytes(n)}" for n in SIZES if n in rates)
        text += f" Its peak in GFLOP/s is {peaks} threads; one thread reads {reads}."
    return text + "\n"


def _bytes(n: int) -> str:
    return f"{n >> 20} MB" if n >> 20 else f"{n >> 10} KB"


def targets(found: dict[str, Any]) -> str:
    """The table of targets."""
    lines = found["lines"]
    met = sum(line["met"] == "yes" for line in lines)
    head = ["what", "asked", "measured", "met", "us", "best peer", "% limit"]
    table = markdown(head, [line["cells"] for line in lines])
    return f"{where(found)}\n{table}\nMet: {met} of {sum(line['met'] != '' for line in lines)}.\n"


def in_use(found: dict[str, Any]) -> str:
    """The table of calls in conditions of use, and what is asked of them."""
    asked = markdown(["what", "asked", "measured", "met"], found["asked_cells"])
    return f"{where(found)}\n{markdown(found['head'], found['cells'])}\n{asked}"


def costs(found: dict[str, Any]) -> str:
    """What a step, 100 steps and a training pass of an LSTM and a GRU take, by units."""
    rows = {(row["cell"], row["work"], row["shape"]): row for row in found["rows"]}
    lines = []
    for cell in ("lstm", "gru"):
        for work, rest in (("step", "1x1x"), ("forward", "100x1x"), ("forward", "100x32x"), ("train", "100x32x")):
            for n in (16, 64, 128, 256, 512, 1024):
                row = rows.get((cell, work, f"{rest}{n}x{n}"))
                if row is not None:
                    us, part = 1e6 * row["median"][row["ours"]], row["fraction_of_limit"][row["ours"]]
                    time = f"{us:.2g}" if us < 10 else f"{us:,.0f}"
                    lines.append([cell, work, row["shape"], str(row["threads"]), time, f"{100 * part:.0f}"])
    return f"{where(found)}\n{markdown(['cell', 'work', 'TxBxIxH', 'threads', 'us', '% limit'], lines)}"


def front(found: dict[str, Any]) -> str:
    """For the first page: a step of 64 units, and how many times as long it takes elsewhere."""
    rows = [row for row in found["rows"] if (row["work"], row["shape"]) == ("step", "1x1x64x64")]
    peers = list(dict.fromkeys(name for row in rows for name in row["median"] if name in found["about"]["peers"]))
    lines = []
    for row in rows:
        ours = row["median"][row["ours"]]
        times = [f"{row['median'][peer] / ours:.1f} times" if peer in row["median"] else "-" for peer in peers]
        lines.append([row["cell"].upper(), f"{1e6 * ours:.2f} microseconds", *times])
    head = ["one step of 64 units", "cellstep", *(found["about"]["peers"][peer] for peer in peers)]
    return f"{markdown(head, lines)}\nOn {found['about']['machine']}, {found['about']['date']}, one thread.\n"


def put(page: str, name: str, text: str) -> str:
    """The page with a text between the marks of this name.

    Raises:
        ValueError: there are no such marks.
    """
    marks = re.compile(rf"(<!-- {name}: begin[^\n]*-->\n).*?(<!-- {name}: end -->)", re.DOTALL)
    if not marks.search(page):
        raise ValueError(f"page must have the marks of {name}, got none")
    return marks.sub(lambda m: f"{m[1]}\n{text}\n{m[2]}", page)


def write(folder: Path, docs: Path = DOCS) -> None:
    """Write the tables into the pages."""
    found = {name: json.loads((folder / name).read_text(encoding="utf-8")) for name in RUNS}
    parts = {
        "benchmarks.md": {"targets": targets(found["targets.json"]), "in use": in_use(found["in_use.json"])},
        "speed.md": {"costs": costs(found["targets.json"])},
        "index.md": {"front": front(found["targets.json"])},
    }
    for name, tables in parts.items():
        page = (docs / name).read_text(encoding="utf-8")
        for mark, text in tables.items():
            page = put(page, mark, text)
        (docs / name).write_text(page, encoding="utf-8")


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", metavar="DIR", type=Path, help="leave the JSON files there")
    parser.add_argument("--from", dest="source", metavar="DIR", type=Path, help="run nothing, take the files there")
    args = parser.parse_args()
    if args.source:
        write(args.source)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name, command in RUNS.items():
            script, *rest = command
            subprocess.run([sys.executable, BENCH / script, *rest, "--json", folder / name], check=True)
        write(folder)


if __name__ == "__main__":
    main()
