"""The row: all that anything outside the cell's own files knows of it."""

from __future__ import annotations

from cellstep.kernels import Cell, Gate, Option, Product, State, Weight

ROW = Cell(
    name="peephole_lstm",
    title="PeepLSTM",
    gates=(
        Gate("i", "input", "recurrent_activation", "store"),
        Gate("f", "forget", "recurrent_activation", "keep"),
        Gate("c", "candidate", "activation", "store"),
        Gate("o", "output", "recurrent_activation", "output"),
    ),
    states=(State("h"), State("c")),
    weights=(
        Weight("W", ("I", "GH"), {"keras": "kernel"}),
        Weight("U", ("H", "GH"), {"keras": "recurrent_kernel"}),
        Weight("b", ("GH",), {"keras": "bias"}),
        Weight("pi", ("H",), {"keras": "input_peephole_kernel"}),
        Weight("pf", ("H",), {"keras": "forget_peephole_kernel"}),
        Weight("po", ("H",), {"keras": "output_peephole_kernel"}),
    ),
    products=(
        Product("x", "W", "ifco", bias=0),
        Product("h", "U", "ifco"),
        Product("c", "pi", "i"),
        Product("c", "pf", "f"),
        Product("c'", "po", "o"),
    ),
    options=(Option("activation", "tanh"), Option("recurrent_activation", "sigmoid")),
)
