"""Random calls of recurrent modules, made with torch.nn's and with ours.

`drawn(seed)` depends on the seed alone, so that a call that fails can be made again by itself.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from cellstep import torch as ours

CELLS = ("LSTMCell", "GRUCell", "RNNCell")
#: Relative to max(1, the largest value of the array).
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-11}


@dataclass
class Call:
    """A module, an input, states, and what has a gradient.

    Attributes:
        form: "batch", "single" (no batch), "sorted", "unsorted" (packed sequences).
        way: how x lies in memory. given: whether there are first states. frozen: parameters without gradients.
        asked: which of x and the states have gradients. used: which outputs are in the loss.
    """

    kind: str
    sizes: tuple[int, int]
    options: dict[str, Any]
    T: int
    B: int
    form: str
    way: str
    given: bool
    training: bool
    frozen: set[str] = field(default_factory=set)
    asked: list[bool] = field(default_factory=list)
    used: list[bool] = field(default_factory=list)

    @property
    def states(self) -> int:
        return 2 if self.kind.startswith("LSTM") else 1

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.options["dtype"]
        return dtype

    def module(self, ours_: bool) -> torch.nn.Module:
        torch.manual_seed(1)
        module = getattr(ours if ours_ else torch.nn, self.kind)(*self.sizes, **self.options)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name not in self.frozen)
        return module.train(self.training)


def drawn(seed: int) -> Call:
    draw = random.Random(seed)
    kind = draw.choice(["LSTM", "GRU", "RNN", "LSTM", "GRU", *CELLS])
    options: dict[str, Any] = {"bias": draw.random() < 0.75, "dtype": draw.choice([torch.float32, torch.float64])}
    if kind.startswith("RNN"):
        options["nonlinearity"] = draw.choice(["tanh", "relu"])
    form = draw.choice(["batch", "single"])
    if kind not in CELLS:
        options["num_layers"] = draw.choice([1, 1, 2, 3])
        options["bidirectional"] = draw.random() < 0.4
        options["batch_first"] = draw.random() < 0.5
        if kind == "LSTM" and draw.random() < 0.3:
            options["proj_size"] = draw.choice([1, 3, 8])
        options["dropout"] = draw.choice([0.0, 0.4, 1.0]) if options["num_layers"] > 1 else 0.0
        form = draw.choice(["batch", "batch", "single", "sorted", "unsorted"])
    units = draw.choice([9, 16, 33] if "proj_size" in options else [1, 4, 9, 16, 33])
    call = Call(
        kind,
        (draw.choice([1, 3, 8, 17]), units),
        options,
        T=draw.choice([1, 2, 5, 12]),
        B=draw.choice([1, 2, 6, 33]),
        form=form,
        way=draw.choice(["plain", "plain", "columns", "expanded", "backwards"]),
        given=draw.random() < 0.6,
        training=draw.random() < 0.7,
    )
    names = [name for name, _ in call.module(False).named_parameters()]
    call.frozen = {name for name in names if draw.random() < draw.choice([0, 0, 0.5])}
    call.asked = [draw.random() < 0.7 for _ in range(1 + call.states)]
    call.used = [draw.random() < 0.7 for _ in range(1 + call.states)]
    return call


def inputs(call: Call) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """x in the layout that was drawn, and the states."""
    torch.manual_seed(2)
    (I, H), o = call.sizes, call.options  # noqa: E741
    single = call.form == "single"
    if call.kind in CELLS:
        shape, states = [call.B, I], [call.B, H]
        shape, states = (shape[1:], states[1:]) if single else (shape, states)
    else:
        shape = [call.B, call.T, I] if o["batch_first"] else [call.T, call.B, I]
        layers = o["num_layers"] * (1 + o["bidirectional"])
        shape, states = ([call.T, I], [layers, H]) if single else (shape, [layers, call.B, H])
    x = torch.randn(shape, dtype=call.dtype)
    if call.way == "columns":
        x = torch.randn([*shape[:-1], 2 * I], dtype=call.dtype)[..., ::2]
    elif call.way == "expanded" and len(shape) > 1:
        x = torch.randn([1, *shape[1:]], dtype=call.dtype).expand(shape)
    elif call.way == "backwards" and len(shape) > 1:
        x = torch.randn([*shape[1:], shape[0]], dtype=call.dtype).movedim(-1, 0)
    sizes = [o.get("proj_size", H), H][: call.states]  # of h, and of c
    return x, [torch.randn([*states[:-1], size], dtype=call.dtype) for size in sizes]


def results(call: Call, ours_: bool) -> Iterator[tuple[str, torch.Tensor | None]]:
    """The outputs and all gradients, by name."""
    module = call.module(ours_)
    x, states = inputs(call)
    for tensor, asked in zip((x, *states), call.asked, strict=True):
        tensor.requires_grad_(asked)
    given: Any = x
    if call.form in ("sorted", "unsorted"):
        lengths = torch.randint(1, call.T + 1, (call.B,))
        lengths = lengths.sort(descending=True).values if call.form == "sorted" else lengths
        given = pack_padded_sequence(x, lengths, call.options["batch_first"], enforce_sorted=call.form == "sorted")
    hx = (tuple(states) if call.states > 1 else states[0]) if call.given else None
    torch.manual_seed(3)  # dropout
    found = module(given, hx)
    if call.kind in CELLS:
        outputs = list(found) if isinstance(found, tuple) else [found]
    else:
        y, last = found
        if isinstance(y, PackedSequence):
            assert all(a is b or torch.equal(a, b) for a, b in zip(y[1:], given[1:], strict=True) if a is not None)
            y = y.data
        outputs = [y, *(last if isinstance(last, tuple) else (last,))]
    for i, output in enumerate(outputs):
        yield f"output {i}", output
    torch.manual_seed(4)
    parts = [(output * torch.randn(output.shape, dtype=call.dtype)).sum() for output in outputs]
    used = [part for part, wanted in zip(parts, call.used, strict=False) if wanted]
    loss = sum(used[1:], used[0]) if used else None
    yield "needs a graph", torch.tensor(loss is not None and loss.requires_grad)
    if loss is not None and loss.requires_grad:
        loss.backward()
    for i, tensor in enumerate((x, *states)):
        yield f"gradient of input {i}", tensor.grad
    for name, parameter in module.named_parameters():
        yield f"gradient of {name}", parameter.grad


def assert_equal(call: Call) -> None:
    """Ours are torch.nn's: values, shapes, dtypes, and where there is no gradient."""
    for (name, right), (_, left) in zip(results(call, False), results(call, True), strict=True):
        assert (left is None) == (right is None), f"{name}: {left} beside {right}"
        if right is None or left is None or right.dtype == torch.bool:
            assert right is None or left == right, name
            continue
        assert left.shape == right.shape, name
        assert left.dtype == right.dtype, name
        error = (left - right).abs().max().item() if right.numel() else 0.0
        limit = TOLERANCE[call.dtype] * max(1.0, right.abs().max().item())
        assert error <= limit, f"{name}: off by {error:.3g}, more than {limit:.3g}"
