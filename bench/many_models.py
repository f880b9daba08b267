"""1,000 small models trained at once against a loop over them: `python bench/many_models.py [--models N] [--torch]`.

GRUs with a dense head, each with its own weights and data: one call of `ManyModels.fit` for all, and `fit` of each
model by itself. Of the loop some models are run in each round, in turn with ours, and its time is a model's; the
weights of these are compared, and must be equal to the bit. Asked: 20 times as fast as the loop. Making the models is
timed by itself. `--torch` puts PyTorch beside: the same training by `torch.func.vmap` over the stacked weights, Adam
over all. Exits with 1 where the target is missed, or bits differ.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import cellstep
from cellstep import ManyModels, Sequential, layers, set_num_threads, set_random_seed

BATCH, CLASSES, INPUTS, TARGET = 32, 2, 3, 20


def describe(units: int) -> Sequential:
    """A model, as a user makes one for each subject."""
    model = Sequential([cellstep.Input((None, INPUTS)), layers.GRU(units), layers.Dense(CLASSES, "softmax")])
    model.compile(cellstep.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    return model


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = run()
    return time.perf_counter() - began, result


def with_torch(units: int, x: Any, y: Any, epochs: int) -> float:
    """Seconds that PyTorch takes for all models, after an epoch that is not counted."""
    import torch
    from torch.func import grad, vmap

    n, rows = x.shape[:2]
    X, Y = torch.from_numpy(x), torch.from_numpy(y)
    shapes = {"W": (INPUTS, 3 * units), "U": (units, 3 * units), "b": (2, 3 * units), "V": (units, CLASSES)}
    params = {name: (0.3 * torch.randn(n, *shape)).requires_grad_() for name, shape in shapes.items()}
    optimizer = torch.optim.Adam(params.values(), lr=0.01)

    def loss(p: Any, xb: Any, yb: Any) -> Any:
        h = torch.zeros(len(xb), units)
        from_x = xb @ p["W"] + p["b"][0]
        for t in range(xb.shape[1]):
            of_x, of_h = from_x[:, t].chunk(3, 1), (h @ p["U"] + p["b"][1]).chunk(3, 1)
            z, r = torch.sigmoid(of_x[0] + of_h[0]), torch.sigmoid(of_x[1] + of_h[1])
            h = z * h + (1 - z) * torch.tanh(of_x[2] + r * of_h[2])
        return torch.nn.functional.cross_entropy(h @ p["V"], yb)

    gradients = vmap(grad(loss))

    def epoch() -> None:
        order = torch.rand(n, rows).argsort(1)
        for start in range(0, rows, BATCH):
            at = order[:, start : start + BATCH]
            xb = torch.stack([a[i] for a, i in zip(X, at, strict=True)])
            found = gradients({k: p.detach() for k, p in params.items()}, xb, Y.gather(1, at))
            for name, p in params.items():
                p.grad = found[name]
            optimizer.step()

    epoch()
    return timed(lambda: [epoch() for _ in range(epochs)])[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--units", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--rows", type=int, default=150)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--alone", type=int, default=12, help="models of the loop that are run in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--torch", action="store_true")
    chosen = parser.parse_args()
    n, epochs, missed = chosen.models, chosen.epochs, False
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, chosen.rows, chosen.steps, INPUTS)).astype("float32")
    y = rng.integers(0, CLASSES, (n, chosen.rows))
    print(f"{n} models, {chosen.rows} sequences of {chosen.steps} steps each; us a model and epoch, {epochs} epochs")
    print("| units | threads | loop | at once | times as fast | making: loop, at once |" + " PyTorch |" * chosen.torch)
    print("|---|---|---|---|---|---|" + "---|" * chosen.torch)
    for units in chosen.units:
        for threads in chosen.threads:
            set_num_threads(threads)
            loop, ours, ratios, making, made = [], [], [], [], []
            for r in range(chosen.rounds):
                took, many = timed(lambda: ManyModels(describe(units), seeds=range(n)))  # noqa: B023
                made.append(took / n)
                took, _ = timed(lambda: many.fit(x, y, epochs=epochs))  # noqa: B023
                ours.append(took / n / epochs)
                alone = []
                for i in range(r * chosen.alone, (r + 1) * chosen.alone):
                    set_random_seed(i % n)
                    took, model = timed(lambda: describe(units))  # noqa: B023
                    making.append(took)
                    took, _ = timed(lambda: model.fit(x[i % n], y[i % n], epochs=epochs, verbose=0))  # noqa: B023
                    alone.append(took / epochs)
                    pairs = zip(many.get_weights(), model.get_weights(), strict=True)
                    if not all(np.array_equal(mine[i % n], other) for mine, other in pairs):
                        print(f"model {i % n} has other weights than by itself")
                        return 1
                loop.append(statistics.mean(alone))
                ratios.append(loop[-1] / ours[-1])
            ratio = statistics.median(ratios)
            missed = missed or (units == 4 and threads == 2 and ratio < TARGET)
            row = [units, threads, *(f"{1e6 * statistics.median(times):.0f}" for times in (loop, ours)), f"{ratio:.1f}"]
            row.append(f"{1e6 * statistics.median(making):.0f}, {1e6 * statistics.median(made):.0f}")
            if chosen.torch:
                import torch

                torch.set_num_threads(threads)
                row.append(f"{1e6 * with_torch(units, x, y, 2) / n / 2:.0f}")
            print("| " + " | ".join(map(str, row)) + " |", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
