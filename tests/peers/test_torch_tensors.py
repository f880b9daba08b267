"""Tensors of every kind that PyTorch has, in modules of cellstep.torch: as in torch.nn's, or refused in a sentence."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from cellstep import torch as ours

KINDS = ("LSTM", "GRU", "RNN")
CELLS = ("LSTMCell", "GRUCell", "RNNCell")


def pair(kind: str, *sizes: int, **options: Any) -> tuple[Any, Any]:
    """torch.nn's module, and ours with the same weights."""
    theirs, mine = getattr(torch.nn, kind)(*sizes, **options), getattr(ours, kind)(*sizes, **options)
    mine.load_state_dict(theirs.state_dict())
    return theirs, mine


def states(kind: str, make: Any) -> Any:
    """First states for 2 rows of 4 units."""
    shape = (2, 4) if kind in CELLS else (1, 2, 4)
    made = [make(torch.randn(shape)) for _ in range(1 + kind.startswith("LSTM"))]
    return tuple(made) if len(made) > 1 else made[0]


def output(y: Any) -> torch.Tensor:
    while not isinstance(y, torch.Tensor):
        y = y[0]
    return y


@pytest.mark.parametrize("kind", [*KINDS, *CELLS])
def test_views_that_negate(kind: str) -> None:
    """What `imag` of a conjugate is: NumPy cannot see such a tensor."""
    found = []
    for module in pair(kind, 3, 4):
        torch.manual_seed(0)
        x = torch.randn((2, 3) if kind in CELLS else (5, 2, 3), requires_grad=True)
        y = output(module(torch._neg_view(x), states(kind, torch._neg_view)))
        found.append((y, *torch.autograd.grad(y, [x, *module.parameters()], torch._neg_view(torch.randn_like(y)))))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")
@pytest.mark.parametrize("kind", [*KINDS, *CELLS])
@pytest.mark.parametrize("options", [{}, {"proj_size": 2}, {"num_layers": 2, "bidirectional": True}])
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_under_autocast_kernels_compute_in_float32(kind: str, options: dict[str, Any], half: torch.dtype) -> None:
    if (kind in CELLS and options) or ("proj_size" in options and kind != "LSTM"):
        return
    module, rows = getattr(ours, kind)(3, 4, **options), (96,) if kind in CELLS else (48, 2)
    x = torch.randn(*rows, 3).to(half)
    y, *hidden = module(x.float())
    with torch.autocast("cpu", dtype=half):
        low, *_ = module(x)
        assert torch.equal(low, y)
        if kind in KINDS:
            hx = hidden[0]
            lower = tuple(t.to(half) for t in hx) if isinstance(hx, tuple) else hx.to(half)
            assert output(module(x, lower)).dtype is torch.float32
            packed = module(pack_sequence([x[:3, 0], x[:2, 1]]))[0].data
            assert packed.dtype is torch.float32
        gradients = torch.autograd.grad(low.square().sum(), list(module.parameters()))
    assert all(g.dtype is torch.float32 for g in gradients)
    with pytest.raises(ValueError, match="float32 or float64"):
        module(x)  # without autocast as before


@pytest.mark.parametrize("kind", KINDS)
def test_many_gradients_at_once_are_refused(kind: str) -> None:
    module, x = getattr(ours, kind)(3, 4), torch.randn(5, 1, 3, requires_grad=True)
    y = module(x)[0]
    many = torch.randn(3, *y.shape)
    with pytest.raises(RuntimeError, match=r"many gradients of an output at once .*restore"):
        torch.autograd.grad(y, x, many, is_grads_batched=True, retain_graph=True)
    with pytest.raises(RuntimeError, match=r"many gradients of an output at once .*restore"):
        torch.func.vmap(lambda dy: torch.autograd.grad(y, x, dy, retain_graph=True)[0])(many)


@pytest.mark.parametrize("kind", [*KINDS, *CELLS])
def test_weights_of_other_shapes_are_refused(kind: str) -> None:
    """Kernels would read elsewhere: each weight alone, all as for other features, and all as for other units."""
    module, others = getattr(ours, kind)(3, 4), [getattr(ours, kind)(*sizes) for sizes in ((7, 4), (3, 8), (3, 2))]
    x = torch.randn((2, 3) if kind in CELLS else (5, 2, 3))
    weights = dict(module.named_parameters())
    wrong = [{**weights, name: w.new_ones(shape)} for name, w in weights.items() for shape in ((5, 5), (5,), (1,), ())]
    wrong += [dict(other.named_parameters()) for other in others]
    for given in wrong:
        with pytest.raises(RuntimeError, match=r"^expected (weights|hx) (of|for) "):
            torch.func.functional_call(module, given, (x, states(kind, torch.Tensor.clone)))
    deep = None if kind in CELLS else getattr(ours, kind)(3, 4, num_layers=2, bidirectional=True)
    if deep is not None:
        deep.weight_ih_l1_reverse = torch.nn.Parameter(torch.randn(len(deep.weight_ih_l1), 9))
        with pytest.raises(RuntimeError, match="expected weights for 8 features and 4 units in layer 1, got 9 and 4"):
            deep(x)
    assert output(module(x)).shape[-1] == 4


@pytest.mark.parametrize(
    ("rows", "sizes"), [((4, 3), [2, 2, 1]), ((5, 3), [1, 2, 2]), ((2, 3), [3, -1]), ((5, 1, 3), [2, 2, 1])]
)
def test_packed_sequences_that_do_not_fit(rows: tuple[int, ...], sizes: list[int]) -> None:
    for module in pair("GRU", 3, 4):
        with pytest.raises(RuntimeError):
            module(PackedSequence(torch.randn(rows), torch.tensor(sizes)))


@pytest.mark.parametrize("kind", [*KINDS, *CELLS])
def test_modules_with_computed_weights(kind: str) -> None:
    """Parametrized before or after they are swapped, copied, and back."""
    x = torch.randn(2, 3)
    theirs, mine = pair(kind, 3, 4)
    name = next(name for name, _ in theirs.named_parameters() if name.startswith("weight_hh"))
    for module in (theirs, mine):  # before the first call, too
        weight_norm(module, name)
    y = output(mine(x))
    model = ours.accelerate(torch.nn.Sequential(theirs))
    torch.testing.assert_close(output(model(x)), y)
    assert isinstance(model[0], getattr(ours, kind))
    ours.accelerate(model)
    copied = copy.deepcopy(model)
    torch.testing.assert_close(output(copied(x)), y)
    ours.restore(copied)
    assert not isinstance(copied[0], getattr(ours, kind))
    torch.testing.assert_close(output(copied(x)), y)
    assert isinstance(model[0], getattr(ours, kind))
    for made, base in ((model[0], ours), (copied[0], torch.nn)):
        torch.nn.utils.parametrize.remove_parametrizations(made, name)
        assert type(made) is getattr(base, kind)
        torch.testing.assert_close(output(made(x)), y)
