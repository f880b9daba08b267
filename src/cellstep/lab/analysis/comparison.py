"""compare: SimpleRNN, LSTM and GRU on one task, with as many parameters or for as long, over several seeds.

What is better on a task is a matter of chance too: of the weights at the start and of the samples. So each cell is
trained once for each seed, all cells on the same samples, and a difference is claimed only where the interval of the
ratios, seed by seed, does not hold 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import core, layers
from .. import tasks
from ..cell_rows import titles
from ..plots.compare import draw
from ..result import Result
from ..tables import Table, rounded, text_table
from .contenders import Contender, contender
from .intervals import LOGARITHM, Scale, interval, log_odds, sign_of
from .matched_training import HELD, train
from .progress import Progress

Array = NDArray[Any]

#: The cell whose number of parameters the others match.
REFERENCE = layers.GRU.__name__


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """Scores of n cells at m memory lengths over s seeds, at k checks of each training.

    Attributes:
        task: what was learned. cells: names, n. match: "parameters" or "time". budget: updates, or seconds, of a run.
        lengths: (m,) memory lengths, steps. seeds: (s,).
        units, parameters: (n, m) of each model, the Dense head counted in.
        updates: (n, m, s, k) optimizer steps done. seconds: (n, m, s, k) of training, judging left out.
        scores: (n, m, s, k) on held-out samples, float64.
        baseline: (m, s) the score without memory.
        held: samples that a score is of.
    """

    task: tasks.Task
    cells: tuple[str, ...]
    match: str
    budget: float
    lengths: Array
    seeds: Array
    units: Array
    parameters: Array
    updates: Array
    seconds: Array
    scores: Array
    baseline: Array
    held: int = HELD

    @property
    def title(self) -> str:  # type: ignore[override]
        return f"{self._listed(self.cells)} on the task {self.task.name!r}"

    @property
    def final(self) -> Array:
        """(n, m, s) scores at the end of training."""
        return np.asarray(self.scores[..., -1])

    @property
    def scale(self) -> Scale:
        """On which means, intervals and differences are taken: log-odds of accuracies, logarithms of errors."""
        return log_odds(self.held) if self.task.score == "accuracy" else LOGARITHM

    def interval(self) -> tuple[Array, Array, Array]:
        """Mean of `final` over seeds on `scale`, and the lower and the upper end of its 95 % t-interval, brought back:
        (n, m) each."""
        return self._interval(self.final)

    def intervals_on_the_way(self) -> tuple[Array, Array, Array]:
        """The same at each check: (n, m, k) each."""
        return self._interval(np.moveaxis(self.scores, 2, 3))

    def _interval(self, scores: Array) -> tuple[Array, Array, Array]:
        mean, low, high = map(self.scale.back, interval(self.scale.of(scores)))
        return mean, low, high

    def ratio(self, a: str, b: str, length: int) -> tuple[float, float, float]:
        """How many times the odds (of accuracies) or the errors of cell b those of cell a are at a length: the
        geometric mean over seeds, and the ends of its interval, whose level is raised for the number of pairs of
        cells (Bonferroni), so that all claims at a length together hold with 95 %."""
        i, j, at = self.cells.index(a), self.cells.index(b), list(self.lengths).index(length)
        pairs = len(self.cells) * (len(self.cells) - 1) // 2
        return self._ratio(self.final[i, at], self.final[j, at], pairs)

    def ratio_to_baseline(self, cell: str, length: int) -> tuple[float, float, float]:
        """The same of a cell and the score without memory; the level is raised for the number of lengths."""
        i, at = self.cells.index(cell), list(self.lengths).index(length)
        return self._ratio(self.final[i, at], self.baseline[at], len(self.lengths))

    def _ratio(self, a: Array, b: Array, claims: int) -> tuple[float, float, float]:
        mean, low, high = map(np.exp, interval(self.scale.of(a) - self.scale.of(b), 1 - 0.05 / max(claims, 1)))
        return float(mean), float(low), float(high)

    def _better(self, ratio: tuple[float, float, float]) -> int:
        return sign_of(*ratio[1:], middle=1.0) * (1 if self.task.higher_is_better else -1)

    def differs(self, a: str, b: str, length: int) -> int:
        """1 where cell a is shown to be better than b at a length, -1 worse, 0 where no difference is shown: whether
        the interval of `ratio` holds 1."""
        return self._better(self.ratio(a, b, length))

    def beaten(self, cell: str) -> list[int]:
        """The memory lengths at which a cell is shown to beat the score without memory."""
        return [n for n in map(int, self.lengths) if self._better(self.ratio_to_baseline(cell, n)) == 1]

    def remembers(self, cell: str) -> int | None:
        """The longest of `beaten`; None for none."""
        return max(self.beaten(cell), default=None)

    def table(self) -> Table:
        """A row for each memory length and cell."""
        mean, low, high = self.interval()
        header = (self.task.memory, "cell", "units", "parameters", self.task.measure[0], "95 % interval", "seconds")
        rows = []
        for at, length in enumerate(self.lengths):
            for i, cell in enumerate(self.cells):
                ends = "-" if np.isnan(low[i, at]) else f"{low[i, at]:.4f} .. {high[i, at]:.4f}"
                size = (str(self.units[i, at]), str(self.parameters[i, at]))
                seconds = f"{self.seconds[i, at, :, -1].mean():.2f}"
                rows.append((str(length), cell, *size, f"{mean[i, at]:.4f}", ends, seconds))
            rows.append((str(length), "no memory", "-", "-", f"{self.baseline[at].mean():.4f}", "-", "-"))
        return header, rows

    def differences(self) -> Table:
        """A row for each memory length and pair of cells, and for each cell and the score without memory."""
        rows = []
        for length in map(int, self.lengths):
            found = [(a, b, self.ratio(a, b, length)) for a, b in combinations(self.cells, 2)]
            found += [(cell, "no memory", self.ratio_to_baseline(cell, length)) for cell in self.cells]
            for a, b, ratio in found:
                better = {1: f"{a} is better", -1: f"{b} is better"}.get(self._better(ratio), "not shown")
                ends = f"{rounded(ratio[1])} .. {rounded(ratio[2])}"
                rows.append((str(length), f"{a} / {b}", rounded(ratio[0]), ends, better))
        return (self.task.memory, "pair", self.scale.ratio, "interval", "shown"), rows

    def tables(self) -> list[Table]:
        return [self.table(), self.differences()] if len(self.seeds) > 1 else [self.table()]

    def summary(self) -> str:
        """What was done, what was shown, and the tables: scores, and the ratios by which cells are judged."""
        if self.match == "parameters":
            how = f"as many parameters as the nearest number of units gives, {self.budget:g} updates each"
        else:
            how = f"the same units, {self.budget:g} seconds of training each"
        n = len(self.seeds)
        head = (
            f"Task {self.task.name}: {self.task.about}. {self._listed(self.cells)} with {how}, over {n} "
            f"seed{'s' * (n > 1)}; {'higher' if self.task.higher_is_better else 'lower'} is better."
        )
        parts = ["\n".join([head, *self._verdicts()]), text_table(self.table())]
        if n > 1:
            scale = "log-odds" if self.task.score == "accuracy" else "logarithms"
            parts.append(
                f"Means and 95 % t-intervals over seeds are of {scale}. Whether cells differ is judged by the "
                f"{self.scale.ratio}, seed by seed on the same samples; its level is raised for the number of pairs, "
                "or of lengths. A difference is shown where the interval does not hold 1:"
            )
            parts.append(text_table(self.differences()))
        return "\n\n".join(parts)

    def _verdicts(self) -> list[str]:
        if len(self.seeds) < 2:
            return ["One seed has no interval, so no difference is shown; give seeds=5 or more."]
        verdicts = []
        for length in map(int, self.lengths):
            better = {pair: self.differs(*pair, length) for pair in combinations(self.cells, 2)}
            claims = [f"{a if sign > 0 else b} beats {b if sign > 0 else a}" for (a, b), sign in better.items() if sign]
            open_ = [f"{a} and {b}" for (a, b), sign in better.items() if not sign]
            parts = [*([", ".join(claims)] if claims else [])]
            parts += [f"no difference shown between {self._listed(open_, 'nor between')}"] if open_ else []
            if parts:
                verdicts.append(f"At {self.task.memory} {length}: {'; '.join(parts)}.")
        beaten = {cell: ", ".join(map(str, self.beaten(cell))) for cell in self.cells}
        known = [f"{cell} at {lengths}" for cell, lengths in beaten.items() if lengths]
        unknown = [cell for cell, lengths in beaten.items() if not lengths]
        if known:
            verdicts.append(f"Shown to beat the score without memory, by {self.task.memory}: {'; '.join(known)}.")
        if unknown:
            verdicts.append(f"Not shown to beat it anywhere: {self._listed(unknown)}.")
        return verdicts

    @staticmethod
    def _listed(names: Sequence[str], last: str = "and") -> str:
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"

    _figure = draw

    def __repr__(self) -> str:
        return f"<Comparison {self.task.name}: {', '.join(self.cells)}, {len(self.seeds)} seeds>"


def compare(
    task: Any,
    cells: Sequence[Any] | None = None,
    budget: float | None = None,
    seeds: int = 5,
    match: str = "parameters",
    *,
    units: int = 24,
    lengths: Sequence[int] | None = None,
    checks: int = 8,
    rate: float = 5e-3,
    seed: int = 0,
    verbose: bool | None = None,
) -> Comparison:
    """Train cells on a task, and say which is better, if that is shown.

    Args:
        task: "adding", "copy", "parity" or "digits" (see `lab.tasks`), a Task, or (x, y): x (n, steps, features),
            y (n,) classes or (n,) or (n, outputs) floats.
        cells: two or more recurrent layers by their names, or cells of your own: classes of `cellstep.Cell` or of a
            recurrent layer, or what makes a cell of so many units, a class or a function; all names where None.
        budget: of each run: optimizer updates, 1500 where None; with match="time" seconds of training, 5.
        seeds: how often each is trained: with seed, seed + 1, ...
        match: "parameters": each cell has the units whose number of parameters, the Dense head counted in, is nearest
            to that of a GRU with `units` units, and does the same number of updates. "time": each has `units` units,
            and trains for the same time. Then results depend on the machine; by parameters they repeat bit for bit.
        units: see match.
        lengths: memory lengths to sweep; the task's own where None.
        checks: how often a run is judged on its way.
        rate: the learning rate of Adam, the same for all; gradients are clipped to norm 1.
        seed: the first one. The caller's random numbers are not touched.
        verbose: whether standard error says how many runs are done, and how long the others will take; where None, if
            it is a terminal.

    Raises:
        ValueError, TypeError: an argument that does not fit.

    Example:
        >>> lab.compare("parity", cells=("LSTM", "GRU"), budget=20, seeds=2, lengths=(2,), units=4)
        <Comparison parity: LSTM, GRU, 2 seeds>
    """
    chosen = tasks.get(task)
    contenders, sweep = _cells(cells), _lengths(chosen, lengths)
    if match not in ("parameters", "time"):
        raise ValueError(f"match must be 'parameters' or 'time', got {match!r}")
    seeds, units, checks = (
        core.check_count(name, value) for name, value in (("seeds", seeds), ("units", units), ("checks", checks))
    )
    by_time = match == "time"
    spent = (5.0 if by_time else 1500) if budget is None else budget
    if not spent > 0 or (not by_time and spent < checks):
        raise ValueError(f"budget must be above 0, of updates no less than checks={checks}, got {spent}")
    shape = len(contenders), len(sweep), seeds, checks
    updates, seconds, scores = np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape)
    baseline = np.zeros((len(sweep), seeds))
    sizes, counts = np.zeros(shape[:2], np.int64), np.zeros(shape[:2], np.int64)
    progress = Progress(len(sweep) * seeds * len(contenders), verbose)
    for at, length in enumerate(sweep):
        for s in range(seeds):
            # seeds of data and of weights differ by the second number
            data = chosen.data(length, np.random.default_rng([seed + s, 0]), HELD)
            baseline[at, s] = data.baseline
            features = data.held[0].shape[-1]
            for i, cell in enumerate(contenders):
                size = units
                if not by_time:
                    wanted = contender(REFERENCE).parameters(units, features, chosen.outputs)
                    size = cell.matched_units(wanted, features, chosen.outputs)
                sizes[i, at], counts[i, at] = size, cell.parameters(size, features, chosen.outputs)
                course = train(chosen, data, cell, size, seed + s, spent, by_time, checks, rate)
                updates[i, at, s], seconds[i, at, s], scores[i, at, s] = course
                held = len(data.held[0])
                progress.done(f"{cell.name}, {chosen.memory} {length}")
    first = np.arange(seed, seed + seeds)
    names = tuple(cell.name for cell in contenders)
    return Comparison(
        *(chosen, names, match, spent, np.array(sweep), first, sizes, counts, updates, seconds, scores, baseline),
        held=held,
    )


def _cells(cells: Sequence[Any] | None) -> list[Contender]:
    chosen = titles() if cells is None else cells
    if isinstance(chosen, str) or len(chosen) < 2:
        raise ValueError(f"cells must be two or more different ones of {', '.join(titles())}, got {chosen!r}")
    found = [contender(cell) for cell in chosen]
    names = [each.name for each in found]
    for cell, name in zip(chosen, names, strict=True):
        if names.count(name) > 1:
            raise ValueError(f"cells must be two or more different ones of {', '.join(titles())}, got {cell!r}")
    return found


def _lengths(task: tasks.Task, lengths: Sequence[int] | None) -> tuple[int, ...]:
    sweep = task.lengths if lengths is None else tuple(lengths)
    if not sweep or len(set(sweep)) != len(sweep) or any(length < 2 for length in sweep):
        raise ValueError(f"lengths must be different integers, 2 or more, got {lengths!r}")
    if task.name == "given" and sweep != task.lengths:
        raise ValueError(f"lengths must be None for your own data, of {task.lengths[0]} steps, got {lengths!r}")
    return tuple(sorted(sweep))
