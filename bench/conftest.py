"""The suite's options, the rows of each test from the shared table, and ratios at the end.

A test is one contender on one row. It checks its answer, is timed by pytest-benchmark, and stores the fraction of the
machine's limit that it reaches; when a row is complete, every contender's ratio to ours is known: the terminal shows
the best peer's, and the JSON holds all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cellstep import kernels
from cellstep.benchmarks import compare, limits, peers, shapes, threads
from cellstep.benchmarks.answers import check
from cellstep.benchmarks.compare import Work
from cellstep.benchmarks.problem import Problem

BACKENDS = pytest.StashKey[list[str]]()
PEERS = pytest.StashKey[dict[str, peers.Peer]]()
ABSENT = pytest.StashKey[dict[str, str]]()
#: Medians in seconds: group, then contender. MAIN: the contender of ours in each group.
MEDIANS = pytest.StashKey[dict[str, dict[str, float]]]()
MAIN = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cellstep")
    group.addoption("--threads", type=int, nargs="+", help="numbers of threads (default: 1 and 2)")
    group.addoption("--peers", nargs="*", help="peers to compare with (default: all that are installed)")
    group.addoption("--backends", nargs="+", help="our kernels: cython, numba, reference (default: those compiled)")


def pytest_configure(config: pytest.Config) -> None:
    missing = kernels.available()
    config.stash[BACKENDS] = config.getoption("--backends") or [n for n in ("cython", "numba") if not missing[n]]
    config.stash[PEERS], config.stash[ABSENT] = peers.find(config.getoption("--peers"))
    config.stash[MEDIANS], config.stash[MAIN] = {}, {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            # elsewhere a warning is an error; what peers have to say is none of ours
            item.add_marker(pytest.mark.filterwarnings("default"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "race" not in metafunc.fixturenames:
        return
    config = metafunc.config
    wanted = [*config.stash[BACKENDS], "layers", "padded"]
    rows = [
        (Work(work, cell, shape, n), name)
        for work in shapes.TABLE
        for n in config.getoption("--threads") or threads.choices()
        for cell in shapes.cells()
        for shape in shapes.TABLE[work]
        for name in compare.names(work, cell, config.stash[PEERS], wanted)
    ]
    ids = [f"{row.work}-{row.cell}-{row.shape}-{row.threads}-{name}" for row, name in rows]
    metafunc.parametrize(("row", "contender"), rows, ids=ids)


@pytest.fixture(scope="session")
def machine() -> dict[int, limits.Limits]:
    """The machine's limits by number of threads, as far as they have been measured."""
    return {}


@pytest.fixture
def race(benchmark: Any, request: pytest.FixtureRequest, machine: dict[int, limits.Limits]) -> Any:
    """`race(row, contender)`: check, time, and store what the time means."""
    stash = request.config.stash

    def run(row: Work, contender: str) -> None:
        if row.threads not in machine:
            machine[row.threads] = limits.measure(row.threads)
        threads.set_everywhere(row.threads, stash[PEERS].values(), [compare.BACKENDS[name] for name in stash[BACKENDS]])
        p = Problem(row.cell, row.work, row.shape)
        runner = compare.contender(contender, p, row.threads, stash[PEERS])
        check(p, contender, runner)
        limit = machine[row.threads].seconds(p)
        benchmark.group = f"{p}, {row.threads} threads" if row.threads > 1 else f"{p}, 1 thread"
        benchmark.extra_info.update(contender=contender, answer_checked=True, limit=limit)
        benchmark(runner.run)
        if benchmark.stats is not None:  # None with --benchmark-disable
            median = benchmark.stats.stats.median
            benchmark.extra_info["fraction_of_limit"] = limit / median
            remember(request.config, benchmark.group, contender, median, compare.main_name(row.work))

    return run


def remember(config: pytest.Config, group: str, contender: str, median: float, main: str) -> None:
    """Keep a contender's median for the ratios at the end."""
    config.stash[MEDIANS].setdefault(group, {})[contender] = median
    config.stash[MAIN][group] = main


def _ratios(config: pytest.Config) -> Iterator[tuple[str, dict[str, float]]]:
    """For each row of which ours ran: each other contender's median over ours."""
    for group, medians in config.stash[MEDIANS].items():
        ours = medians.get(config.stash[MAIN][group])
        if ours is not None:
            yield group, {name: median / ours for name, median in medians.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, benchmarks: Any, output_json: dict[str, Any]) -> None:
    """pytest-benchmark's hook: each row's ratio to ours goes into its extra_info, what was compared into the head."""
    ratios = dict(_ratios(config))
    for bench in output_json["benchmarks"]:
        info = bench["extra_info"]
        if bench["group"] in ratios and "contender" in info:
            info["ratio_to_ours"] = ratios[bench["group"]][info["contender"]]
    output_json["cellstep"] = compare.about(config.stash[PEERS], config.stash[ABSENT])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = list(_ratios(config))
    for name in config.stash[ABSENT]:
        terminalreporter.write_line(config.stash[ABSENT][name])
    if rows:
        terminalreporter.section("best peer / ours, medians")
    for group, ratios in rows:
        theirs = {name: r for name, r in ratios.items() if name in config.stash[PEERS] or name.startswith("keras")}
        if theirs:
            best = min(theirs, key=lambda name: theirs[name])
            terminalreporter.write_line(f"{theirs[best]:8.2f}  {group} ({best})")
