"""Nets and data for `cellstep lab`, and its results."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import Input, Sequential, lab, layers, models, seeds
from ..lab.cell_rows import layer_over, title_of, titles

Array = NDArray[Any]

#: Sequences that are cut from a series, at most.
ROWS = 16


def flow(args: argparse.Namespace) -> Any:
    x, _ = _data(args)
    nets = [models.load_model(args.model)] if args.model else args.cells or titles()
    return lab.gradient_flow(nets, x, scales=args.scales, clipnorm=args.clipnorm, units=args.units, seed=args.seed)


def bptt(args: argparse.Namespace) -> Any:
    if args.model and not args.targets:
        raise ValueError("--model needs --targets here, the targets of the data, for its loss")
    if args.targets and not args.model:
        raise ValueError("--targets needs --model: a net made here predicts the step after each sequence")
    x, y = _data(args)
    if args.model:
        model, y = models.load_model(args.model), _array(args.targets)
    else:
        model = _net(args, x.shape[-1])
        model.compile("sgd", "mse")
    return lab.bptt(model, x, y)


def gates(args: argparse.Namespace) -> Any:
    x, _ = _data(args)
    model = models.load_model(args.model) if args.model else _net(args, x.shape[-1])
    return lab.gates(model, x, args.layer, row=args.row)


def unroll(args: argparse.Namespace) -> Any:
    steps: Any = args.steps
    if args.model:
        model = models.load_model(args.model)
    else:
        model = Sequential([Input((None, args.features))], name="net")
        for i in range(args.layers):
            more = args.sequences or i < args.layers - 1
            layer = _recurrent(args.cell)(args.units, return_sequences=more)
            model.add(layers.Bidirectional(layer) if args.bidirectional else layer)
        model.add(layers.Dense(1))
        steps = steps or [5]
    return lab.unroll(
        model, steps if steps is None or len(steps) > 1 else steps[0], fold=args.fold, columns=args.columns
    )


def diagram(args: argparse.Namespace) -> Any:
    args.figure = " ".join(args.figure)
    where = {"layer": args.layer, "row": args.row, "step": args.step, "unit": args.unit}
    if not args.numbers and not args.model:
        return lab.diagram(args.figure)
    x, y = _data(args)
    if args.model:
        model = models.load_model(args.model)
        if args.targets:
            y = _array(args.targets)
    else:
        args.cell = title_of(args.figure.replace(" ", "")) or args.cell
        model = _net(args, x.shape[-1])
        model.compile("sgd", "mse")
    return lab.diagram(args.figure, model, x, y if args.figure == "bptt" else None, **where)


def compare(args: argparse.Namespace) -> Any:
    if (args.data is None) != (args.targets is None):
        raise ValueError("--data and --targets go together")
    if args.data and args.task:
        raise ValueError("--data takes the place of --task; give one of them")
    task: Any = args.task or "adding"
    if args.data:
        task = (_array(args.data), _array(args.targets))
    budget = int(args.budget) if args.budget is not None and args.match == "parameters" else args.budget
    return lab.compare(
        *(task, args.cells, budget, args.seeds, args.match), units=args.units, lengths=args.lengths, seed=args.seed
    )


RESULTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "gradient-flow": flow,
    "bptt": bptt,
    "gates": gates,
    "unroll": unroll,
    "diagram": diagram,
    "compare": compare,
}


def _recurrent(name: str) -> Any:
    title = title_of(name)
    if title is None:
        raise ValueError(f"--cell must be one of {', '.join(titles())}, got {name!r}")
    return layer_over(title)


def _net(args: argparse.Namespace, features: int) -> Sequential:
    """A recurrent layer, and a Dense one that predicts a step."""
    with seeds.seeded(args.seed):
        recurrent = _recurrent(args.cell)(args.units, name=args.cell.lower())
        return Sequential([Input((None, features)), recurrent, layers.Dense(features, name="head")], name="net")


def _data(args: argparse.Namespace) -> tuple[Array, Array]:
    """Sequences (B, steps, features) float32, and the step after each, (B, features)."""
    if args.model and not args.data:
        raise ValueError("--model needs --data, the sequences that it is to see")
    if args.data is None:
        series = waves(args.steps + ROWS, args.seed)
    else:
        series = read_series(args.data)
    if series.ndim == 3:
        if args.model:
            return series, series[:, -1]
        if series.shape[1] < 2:
            raise ValueError(f"--data must hold sequences of 2 steps or more, got shape {series.shape}")
        return series[:, :-1], series[:, -1]
    windows = len(series) - args.steps
    if windows < 1:
        raise ValueError(f"--steps must be less than the {len(series)} steps of --data, got {args.steps}")
    starts = np.unique(np.linspace(0, windows - 1, min(windows, ROWS)).astype(int))
    return (
        np.stack([series[i : i + args.steps] for i in starts]),
        np.stack([series[i + args.steps] for i in starts]),
    )


def waves(steps: int, seed: int) -> Array:
    """(steps, 1) of two sine waves with some noise, about 1 in size."""
    t = np.arange(steps)
    noise = np.random.default_rng(seed).normal(0, 0.1, steps)
    return (0.7 * np.sin(t / 3) + 0.5 * np.sin(t / 7) + noise)[:, None].astype(np.float32)


def read_series(path: str) -> Array:
    """A series (steps, features), or sequences (n, steps, features), float32.

    Raises:
        ValueError: neither CSV nor .npy, other shapes, or what is no finite number. OSError: it cannot be read.
    """
    if Path(path).suffix.lower() == ".npy":
        series = _array(path)
    elif Path(path).suffix.lower() == ".csv":
        series = _csv(path)
    else:
        raise ValueError(f"--data must end in .csv or .npy, got {path!r}")
    if series.ndim == 1:
        series = series[:, None]
    if series.ndim not in (2, 3) or not series.size:
        raise ValueError(
            f"--data must have shape (steps,), (steps, features) or (sequences, steps, features), got {series.shape}"
        )
    if not np.isfinite(series).all():
        raise ValueError(f"--data must hold finite numbers, got NaN or infinity in {path}")
    return series.astype(np.float32)


def _array(path: str) -> Array:
    """Numbers from a .npy file."""
    if Path(path).suffix.lower() != ".npy":
        raise ValueError(f"expected a file that ends in .npy, got {path!r}")
    try:
        array: Array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError):
        raise ValueError(f"{path} must be a .npy file of numbers, got something else or a damaged one") from None
    if array.dtype.kind not in "iufb":
        raise ValueError(f"{path} must hold real numbers, got dtype {array.dtype}")
    return array


def _csv(path: str) -> Array:
    """Rows of numbers between commas; a first line of names is left out."""
    lines = [line for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    rows = []
    for number, line in enumerate(lines, 1):
        cells = line.split(",")
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError:
            if number == 1:
                continue
            raise ValueError(f"{path}, line {number}: expected numbers between commas, got {line!r}") from None
        if len(rows[-1]) != len(rows[0]):
            raise ValueError(f"{path}, line {number}: expected {len(rows[0])} numbers, got {len(rows[-1])}")
    return np.array(rows)
