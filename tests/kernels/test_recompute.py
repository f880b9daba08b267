"""Tapes that keep some steps and run others again give what those that keep all do, to the bit."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, cells, core, get_num_threads, kernels, layers, models, set_num_threads

SIZES = [
    (1, 300, 5, 33),
    (32, 40, 8, 20),
    (5, 7, 3, 6),
    (300, 5, 4, 16),
    (40, 30, 16, 70),
    (2, 200, 3, 130),
    (11, 60, 2, 5),
    (1, 1100, 3, 20),
    (50, 64, 3, 17),
]
GIVEN = ("nothing", "lengths", "mask", "resets", "drop")


def own_rows() -> dict[str, Any]:
    kinds = {"mgu": cells.MGU(3), "normalized": cells.LayerNormLSTM(3), "projection": cells.ProjectionLSTM(3, 2)}
    kinds["late output"] = cells.LRU(3, use_bias=True)
    return {name: cell.contract for name, cell in kinds.items()}


def everything(packed: core.Packed, x: Any, given: dict[str, Any], recompute: int, dy: Any, dlast: Any) -> list[Any]:
    """Outputs, what the tape reads, all gradients, and those of a second backward call."""
    y, last, back = core.forward(packed, x, tape=True, recompute=recompute, **given)
    assert back is not None
    found = [y, *last]
    for _ in range(2):
        gates, states = back.read(3)
        sizes = {"I": packed.I, "H": packed.H, "P": packed.sizes[0]}
        options = dict(zip(packed.cell.option_names, packed.options, strict=True))
        dweights = [np.zeros(shape, packed.dtype) for shape in packed.cell.shapes(sizes, options)]
        traces = back.new_traces()
        dx, dfirst = back(dy, dlast, dweights, True, traces)
        found += [gates, *states, dx, *dfirst, *dweights, *traces]
    return found


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "gru before", "mgu", "normalized", "projection", "late output"])
def test_bits_are_equal(name: str) -> None:
    row = own_rows().get(name) or kernels.CELLS[name.split()[0]]
    options = {**row.defaults, **({"reset_after": False} if "before" in name else {})}
    rng = np.random.default_rng(0)
    before = get_num_threads()
    for (B, T, I, H), what in itertools.product(SIZES, GIVEN):  # noqa: E741 - the letters of the contract
        sizes = {"I": I, "H": H, "P": max(1, H // 2)}
        weights = [(rng.standard_normal(s) * 0.3).astype("float32") for s in row.shapes(sizes, options)]
        packed = core.pack(row, *weights, backward=True, **options)
        x, dy = (rng.standard_normal((B, T, n)).astype("float32") for n in (I, packed.sizes[0]))
        dlast = [rng.standard_normal((B, n)).astype("float32") for n in packed.sizes]
        given = {
            "nothing": {},
            "lengths": {"lengths": rng.integers(0, T + 1, B)},
            "mask": {"mask": rng.random((B, T)) > 0.3},
            "resets": {"resets": rng.random((B, T)) < 0.2},
            "drop": {"drop": (rng.random((B, packed.sizes[0])) > 0.3).astype("float32") * 2},
        }[what]
        try:
            for threads in (1, 2):
                set_num_threads(threads)
                whole = everything(packed, x, given, 0, dy, dlast)
                for recompute in (1, 2, 25):
                    again = everything(packed, x, given, recompute, dy, dlast)
                    for a, b in zip(whole, again, strict=True):
                        said = f"{B, T, I, H} {what}, {recompute}, {threads} threads"
                        np.testing.assert_array_equal(a, b, err_msg=said)
        finally:
            set_num_threads(before)


def trained(recompute: bool | int, tmp_path: Any) -> list[Any]:
    """A net's weights after training, with directions, layers in a line, stacked cells and ragged rows."""
    from cellstep.utils import set_random_seed

    set_random_seed(3)
    options = {"recompute": recompute, "return_sequences": True}
    model = Sequential(
        [
            Input((None, 3)),
            layers.LSTM(8, dropout=0.2, recurrent_dropout=0.2, **options),
            layers.GRU(6, num_layers=2, **options),
            layers.Bidirectional(layers.SimpleRNN(5, **options)),
            layers.RNN(cells.ProjectionLSTM(5, 3), recompute=recompute),
            layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 60, 3)).astype("float32"), rng.standard_normal((9, 1)).astype("float32")
    model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    model.fit([row[: 20 + 4 * k] for k, row in enumerate(x)], y, batch_size=4, verbose=0)
    model.save(tmp_path / "m.keras")
    again: Any = models.load_model(tmp_path / "m.keras")
    assert all(getattr(layer, "recompute", recompute) == recompute for layer in again.layers)
    assert ("recompute" in model.layers[0].get_config()) is bool(recompute)
    return [np.array(w) for w in model.weights]


def test_nets_train_alike(tmp_path: Any) -> None:
    for recompute in (True, 20):
        for kept, again in zip(trained(False, tmp_path), trained(recompute, tmp_path), strict=True):
            np.testing.assert_array_equal(kept, again)


@pytest.mark.parametrize("wrong", ["yes", -2, 2.5, None])
def test_it_is_true_or_false_or_a_number_of_steps(wrong: Any) -> None:
    with pytest.raises(TypeError, match="recompute must be True or False, or a number of steps, 2 or more, got"):
        layers.LSTM(3, recompute=wrong)
