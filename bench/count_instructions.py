"""Instructions a call, counted by valgrind: `python bench/count_instructions.py [--check|--keep|--baseline FILE]`.

Time on a shared machine is noisy; the number of instructions that a call executes is not, so a change of a per cent is
seen. It says nothing of caches. Counted are whole calls from Python on one thread. valgrind knows no AVX-512, so the
level is x86-64-v3 unless CELLSTEP_ISA says otherwise.

instructions.json keeps counts by what they depend on: the compiler of the kernels, and the versions of Python and
NumPy. `--check` compares with them, and ends with 1 where a call costs over 3 % more, 0 where nothing is kept for this
compiler; where only Python or NumPy is another one, the calls of kernels alone are compared. `--keep` writes them.

One process starts under valgrind and makes everything ready; for each case it forks twice, and the children make N and
2 N calls. The difference over N is the cost of a call, without start-up.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

#: Calls in the first child, by the name of the case: cell, work, shape, and which contender of ours.
CASES = {
    **{f"{cell} step 1x1x{n}x{n} stream": 100 for cell, n in (("lstm", 16), ("lstm", 64), ("gru", 64), ("rnn", 64))},
    "lstm step 1x1x256x256 cython": 20,
    "lstm step 1x4x64x64 cython": 20,
    "lstm forward 20x1x64x64 cython": 4,
    "lstm forward 20x1x64x64 layers": 4,
    **{f"{cell} forward 20x8x32x32 cython": 3 for cell in ("lstm", "gru", "rnn")},
    "lstm ragged 20x8x32x32 cython": 3,
    **{f"{cell} train 20x8x32x32 cython": 2 for cell in ("lstm", "gru", "rnn")},
    "lstm train 20x32x4x16 layers": 2,
    "lstm fit 20x32x4x16 plain": 2,
    "lstm fit 20x32x4x16 bidirectional": 2,
}
KEPT = Path(__file__).with_name("instructions.json")
TOLERANCE = 0.03


def _calls(case: str) -> Callable[[int], Any]:
    """What makes so many calls of a case; it has made one. That answers are right is for the tests."""
    from fit_worker import build

    from cellstep.benchmarks import compare, problem, shapes

    cell, work, text, name = case.split(" ")
    shape = shapes.parse(text)
    if work == "fit":
        import cellstep

        model = build(cellstep, shape, option=name)
        rng = np.random.default_rng(0)

        def batches(n: int) -> None:
            model.fit(x[: n * shape.B], y[: n * shape.B], batch_size=shape.B, verbose=0)

        most = 2 * CASES[case] * shape.B
        x = rng.standard_normal((most, shape.T, shape.I)).astype(np.float32)
        y = rng.standard_normal((most, 1)).astype(np.float32)
        batches(1)
        return batches
    run = compare.contender(name, problem.Problem(cell, work, shape), 1, {}).run

    def calls(n: int) -> None:
        for _ in range(n):
            run()

    calls(1)
    return calls


def _inside(folder: Path) -> None:
    """Under valgrind: fork the children, and note which process was which."""
    from cellstep import config

    children: dict[str, list[int]] = {}
    for case, n in CASES.items():
        calls = _calls(case)
        children[case] = []
        for times in (n, 2 * n):
            pid = os.fork()
            if pid == 0:
                calls(times)
                os._exit(0)
            os.waitpid(pid, 0)
            children[case].append(pid)
    (folder / "children.json").write_text(json.dumps({"isa": config.isa(), "children": children}), encoding="utf-8")


def _total(path: Path) -> int:
    """The instructions that one process executed, of all its threads."""
    found = re.findall(r"Total instructions: (\d+)", path.read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"{path}: expected a line of total instructions, found none")
    return sum(map(int, found))


def compiler() -> str:
    """Which compiled the kernels: it leaves its name in the module."""
    from cellstep.kernels.cython import compiled

    found = re.search(rb"GCC: \([^)]*\) [\d.]+|clang version [\d.]+", Path(compiled.__file__).read_bytes())
    return found.group().decode() if found else "unknown"


def about(isa: str) -> dict[str, str]:
    """What counts depend on."""
    python = f"{platform.python_implementation()} {'.'.join(platform.python_version_tuple()[:2])}"
    numpy = ".".join(np.__version__.split(".")[:2])
    return {"compiler": compiler(), "machine": platform.machine(), "isa": isa, "python": python, "numpy": numpy}


def count() -> dict[str, Any]:
    """Instructions a call by case, and what they depend on.

    Raises:
        FileNotFoundError: valgrind is not installed.
        subprocess.CalledProcessError: it, or the process inside it, failed.
    """
    if shutil.which("valgrind") is None:
        raise FileNotFoundError("valgrind is not installed")
    env = os.environ | {
        "CELLSTEP_ISA": os.environ.get("CELLSTEP_ISA", "x86-64-v3"),
        "CELLSTEP_BACKEND": "cython",
        "CELLSTEP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # of its tools the quickest that counts
        command = ["valgrind", "--tool=exp-bbv", "--instr-count-only=yes", f"--bb-out-file={folder}/blocks"]
        command += [f"--log-file={folder}/out.%p"]
        subprocess.run([*command, sys.executable, __file__, "--inside", name], env=env, check=True)
        noted = json.loads((folder / "children.json").read_text(encoding="utf-8"))
        costs = {}
        for case, (once, twice) in noted["children"].items():
            difference = _total(folder / f"out.{twice}") - _total(folder / f"out.{once}")
            costs[case] = round(difference / CASES[case])
    return {"about": about(noted["isa"]), "instructions": costs}


def kept_for(found: dict[str, Any], kept: list[dict[str, Any]]) -> dict[str, int]:
    """The kept counts that these may be compared with; says so where they are not all."""
    here = found["about"]
    for entry in kept:
        if entry["about"] == here:
            return dict(entry["instructions"])
    compiled = {key: here[key] for key in ("compiler", "machine", "isa")}
    for entry in kept:
        if compiled.items() <= entry["about"].items():
            print(f"kept for {entry['about']}, this is {here}: only calls of kernels are compared")
            return {case: cost for case, cost in entry["instructions"].items() if case.endswith(" cython")}
    print(f"nothing is kept for {compiled}: nothing is compared")
    return {}


def report(counts: dict[str, int], before: dict[str, int]) -> list[str]:
    """Print the counts and their change; the cases that cost over 3 % more, by how much."""
    worse = []
    for case, cost in counts.items():
        line = f"{case:36}{cost:14,.0f}"
        if case in before:
            change = cost / before[case] - 1
            line += f"{change:+9.2%}"
            if change > TOLERANCE:
                worse.append(f"{case}: {before[case]:,} -> {cost:,} ({change:+.1%})")
                line += " worse"
        elif before:
            line += "      new"
        print(line)
    return worse


def renewed(kept: list[dict[str, Any]], found: dict[str, Any]) -> list[dict[str, Any]]:
    """The kept counts with these in the place of those of the same versions."""
    return [*(entry for entry in kept if entry["about"] != found["about"]), found]


def read(path: Path) -> list[dict[str, Any]]:
    """The entries of a file; none where there is no file."""
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def main() -> int:
    """1 if a case costs over 3 % more than before, 2 if nothing could be counted, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help=f"compare with {KEPT.name}")
    parser.add_argument("--keep", action="store_true", help=f"write the counts into {KEPT.name}")
    parser.add_argument("--save", metavar="FILE", type=Path, help="write the counts there, as a baseline")
    parser.add_argument("--baseline", metavar="FILE", type=Path, help="compare with these counts")
    parser.add_argument("--inside", metavar="DIR", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        _inside(args.inside)
        return 0
    try:
        found = count()
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        print(f"nothing counted: {error}", file=sys.stderr)
        return 2
    baseline = args.baseline or (KEPT if args.check else None)
    before = kept_for(found, read(baseline)) if baseline else {}
    worse = report(found["instructions"], before)
    for path in filter(None, (args.save, KEPT if args.keep else None)):
        path.write_text(json.dumps(renewed(read(path), found), indent=1) + "\n", encoding="utf-8")
    for line in worse:
        print(f"more than {TOLERANCE:.0%} above what is kept: {line}", file=sys.stderr)
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())
