"""Instructions a call, counted by callgrind: `python bench/count_instructions.py [--save FILE] [--baseline FILE]`.

Time on a shared machine is noisy; the number of instructions that a call executes is not, so a change of a per cent is
seen. It says nothing of caches. Counted are whole calls from Python on one thread. valgrind knows no AVX-512, so the
level is x86-64-v3 unless CELLSTEP_ISA says otherwise.

One process starts under valgrind and makes everything ready; for each case it forks twice, and the children make N and
2 N calls. The difference over N is the cost of a call, without start-up.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

#: Calls in the first child, by the name of the case: cell, work, shape, and which contender of ours.
CASES = {
    **{f"{cell} step 1x1x{n}x{n} stream": 100 for cell in ("lstm", "gru", "rnn") for n in (16, 64)},
    "lstm step 1x1x64x64 cython": 100,
    "lstm step 1x1x64x64 layers": 100,
    "lstm step 1x4x64x64 cython": 50,
    **{
        f"{cell} forward {shape} cython": 4 for cell in ("lstm", "gru", "rnn") for shape in ("20x1x64x64", "20x8x32x32")
    },
    "lstm forward 20x1x64x64 layers": 4,
    "lstm ragged 20x8x32x32 cython": 4,
    **{f"{cell} train 20x8x32x32 cython": 4 for cell in ("lstm", "gru", "rnn")},
    "lstm train 20x8x32x32 layers": 4,
}
TOLERANCE = 0.01


def _inside(folder: Path) -> None:
    """Under valgrind: fork the children, and note which process was which."""
    from cellstep import config
    from cellstep.benchmarks import answers, compare, problem, shapes

    children: dict[str, list[int]] = {}
    for case, n in CASES.items():
        cell, work, shape, name = case.split(" ")
        p = problem.Problem(cell, work, shapes.parse(shape))
        runner = compare.contender(name, p, 1, {})
        answers.check(p, name, runner)
        run = runner.run
        run()
        children[case] = []
        for times in (n, 2 * n):
            # the same list for both, so that what Python does around the calls is the same
            calls = [None] * times
            pid = os.fork()
            if pid == 0:
                for _ in calls:
                    run()
                os._exit(0)
            os.waitpid(pid, 0)
            children[case].append(pid)
    (folder / "children.json").write_text(json.dumps({"isa": config.isa(), "children": children}), encoding="utf-8")


def _total(path: Path) -> int:
    """The instructions that a callgrind file counts."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(("totals:", "summary:")):
            return int(line.split()[1])
    raise ValueError(f"{path}: expected a line of totals, found none")


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
        command = ["valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={folder}/out.%p"]
        subprocess.run([*command, sys.executable, __file__, "--inside", name], env=env, check=True)
        noted = json.loads((folder / "children.json").read_text(encoding="utf-8"))
        costs = {}
        for case, (once, twice) in noted["children"].items():
            difference = _total(folder / f"out.{twice}") - _total(folder / f"out.{once}")
            costs[case] = difference / CASES[case]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {"about": {"isa": noted["isa"], "python": python, "machine": platform.machine()}, "instructions": costs}


def report(found: dict[str, Any], baseline: dict[str, Any] | None) -> int:
    """Print the counts; with a baseline also the change, and how many cases cost over 1 % more."""
    if baseline is not None and baseline["about"] != found["about"]:
        print(f"beware: the baseline is of {baseline['about']}, this is {found['about']}")
    before = {} if baseline is None else baseline["instructions"]
    worse = 0
    for case, cost in found["instructions"].items():
        line = f"{case:36}{cost:14,.0f}"
        if case in before:
            change = cost / before[case] - 1
            worse += change > TOLERANCE
            line += f"{change:+9.2%}" + (" worse" if change > TOLERANCE else "")
        elif baseline is not None:
            line += "      new"
        print(line)
    for case in before.keys() - found["instructions"].keys():
        print(f"{case:36} is in the baseline only")
    return worse


def main() -> int:
    """1 if a case costs over 1 % more than in the baseline, 2 if nothing could be counted, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", metavar="FILE", type=Path, help="write the counts there, as a baseline")
    parser.add_argument("--baseline", metavar="FILE", type=Path, help="compare with these counts")
    parser.add_argument("--inside", metavar="DIR", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        _inside(args.inside)
        return 0
    baseline = json.loads(args.baseline.read_text(encoding="utf-8")) if args.baseline else None
    try:
        found = count()
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        print(f"nothing counted: {error}", file=sys.stderr)
        return 2
    worse = report(found, baseline)
    if args.save:
        args.save.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return int(worse > 0)


if __name__ == "__main__":
    sys.exit(main())
