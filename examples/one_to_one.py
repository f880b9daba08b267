"""One to one: a reading in, its correction out, and why that needs no recurrence.

    python examples/one_to_one.py

A thermistor's voltage says how warm it is, along a bent curve that depends on nothing else: not on the reading before.
The readings are generated, each with some noise. A dense net of 97 weights learns the curve; a GRU, which may also use
the nine readings before, has nearly three times the weights and cannot do better, because readings taken one by one in
any order tell nothing of each other. Put in order of time, as the temperature of a room that drifts, they do, and there
the GRU wins.

The floor is the error of the best possible answer to one reading, computed from the curve and the noise. Expect the
dense net within 6 % of it, the GRU no better on readings in any order, and clearly below it on readings of a drifting
room.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import cellstep as keras
from cellstep import layers

STEPS, NOISE = 10, 0.01  # readings in a sequence; volts of noise on a supply of 1 V
COLD, WARM = -10.0, 60.0


def voltage(celsius: np.ndarray) -> np.ndarray:
    """Across a 10 kOhm resistor in series with a thermistor of 10 kOhm at 25 degrees and B = 3950 K, on 1 V."""
    return 1 / (1 + np.exp(3950 * (1 / (celsius + 273.15) - 1 / 298.15)))


def readings(rows: int, drifting: bool) -> tuple[np.ndarray, np.ndarray]:
    """Volts and degrees, (rows, STEPS, 1): of any temperatures, or of ones that drift by half a degree a step."""
    celsius = np.random.uniform(COLD, WARM, (rows, 1 if drifting else STEPS, 1))
    if drifting:
        celsius = np.clip(celsius + np.random.normal(0, 0.5, (rows, STEPS, 1)).cumsum(axis=1), COLD, WARM)
    return voltage(celsius) + np.random.normal(0, NOISE, (rows, STEPS, 1)), celsius


def best(volts: np.ndarray) -> np.ndarray:
    """The mean temperature, given one reading and that all from COLD to WARM are equally likely."""
    celsius = np.linspace(COLD, WARM, 2001)
    likely = np.exp(-0.5 * ((volts.reshape(-1, 1) - voltage(celsius)) / NOISE) ** 2)
    return (likely @ celsius / likely.sum(axis=1)).reshape(volts.shape)


def learn(stack: list[layers.Layer], x: np.ndarray, y: np.ndarray, epochs: int) -> keras.Sequential:
    """A net from volts to degrees; both are scaled on the way in and out."""
    model = keras.Sequential([keras.Input(x.shape[1:]), *stack])
    rate = keras.optimizers.schedules.CosineDecay(0.02, decay_steps=epochs * -(-len(x) // 32))
    model.compile(keras.optimizers.Adam(rate), loss="mse")
    model.fit(4 * x - 2, (y - 25) / 20, batch_size=32, epochs=epochs, verbose=0)
    return model


def degrees(model: keras.Sequential, x: np.ndarray) -> np.ndarray:
    return 20 * model.predict(4 * x - 2, batch_size=1024, verbose=0) + 25


def rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))


def draw(x: np.ndarray, y: np.ndarray, dense: keras.Sequential, errors: dict[str, list[float]], path: Path) -> None:
    """The curve with some readings, and the errors of both nets against the best from one reading."""
    from cellstep.lab import style

    with style.context():
        figure, axes = style.figure(rows=2, height=6.0, height_ratios=(3, 2))
        curve, bars = axes[:, 0]
        grid = np.linspace(voltage(np.array(COLD)), voltage(np.array(WARM)), 200)
        curve.plot(x[:300, -1, 0], y[:300, -1, 0], ".", color=style.OKABE_ITO["sky blue"], label="readings")
        curve.plot(grid, degrees(dense, grid[:, None])[:, 0], label="dense net", **style.line(0))
        curve.set_xlabel(style.label("reading", "V"))
        curve.set_ylabel(style.label("temperature", "°C"))
        curve.legend()
        for i, (name, both) in enumerate(errors.items()):
            bars.barh(np.arange(2) + 0.25 * i, both, 0.22, label=name, color=(style.GREY, *style.PALETTE)[i])
        bars.set_yticks([0.25, 1.25], ["readings in\nany order", "a room that\ndrifts"])
        bars.invert_yaxis()
        bars.set_xlabel(style.label("error on unseen readings", "°C, root mean square"))
        bars.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    style.save(figure, path, dpi=100)


def main(argv: Sequence[str] | None = None) -> dict[str, list[float]]:
    """Train and judge; returns the errors in degrees, in any order and drifting, by who answers."""
    parser = argparse.ArgumentParser(description="One to one: correct a reading, without recurrence.")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--picture", type=Path, help="write a picture there; needs matplotlib")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    keras.utils.set_random_seed(args.seed)
    errors: dict[str, list[float]] = {"best from one reading": [], "dense net": [], "GRU": []}
    for drifting in (False, True):
        (x, y), (x_test, y_test) = readings(2000, drifting), readings(2000, drifting)
        # the answer to the last reading of a sequence; the dense net sees no other
        dense = learn(
            [layers.Dense(32, activation="tanh"), layers.Dense(1)], x.reshape(-1, 1), y.reshape(-1, 1), args.epochs
        )
        gru = learn([layers.GRU(8, return_sequences=True), layers.Dense(1)], x, y, 3 * args.epochs)
        last, truth = x_test[:, -1], y_test[:, -1]
        errors["best from one reading"].append(rms(best(last) - truth))
        errors["dense net"].append(rms(degrees(dense, last) - truth))
        errors["GRU"].append(rms(degrees(gru, x_test)[:, -1] - truth))
        if not drifting:
            shown = x, y, dense
    print(f"{'error on unseen readings, degrees':36}{'any order':>12}{'drifting':>12}")
    for name, (any_order, drift) in errors.items():
        print(f"{name:36}{any_order:12.3f}{drift:12.3f}")
    if args.picture:
        draw(*shown, errors, args.picture)
    without, with_order = (gru / dense for gru, dense in zip(errors["GRU"], errors["dense net"], strict=True))
    print(f"Memory makes the error {without:.2f} times that of the dense net without order, {with_order:.2f} with it.")
    return errors


if __name__ == "__main__":
    main()
