"""cellstep.torch's modules are torch.nn's: the same values, gradients, shapes, defaults and refusals."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import pytest
import torch
from torch_cases import CELLS, assert_equal, drawn

from cellstep import get_num_threads, kernels, set_num_threads
from cellstep import torch as ours

KINDS = ("LSTM", "GRU", "RNN")


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")  # which PyTorch's own run slowly
@pytest.mark.parametrize("block", range(10))
def test_random_calls(block: int) -> None:
    for seed in range(30 * block, 30 * block + 30):
        try:
            assert_equal(drawn(seed))
        except Exception as error:
            raise AssertionError(f"drawn({seed}): {drawn(seed)}") from error


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")
def test_projections_at_any_size() -> None:
    calls = [call for call in map(drawn, range(400)) if "proj_size" in call.options]
    assert len(calls) > 30
    for call in calls:
        assert_equal(call)


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")
def test_the_reference() -> None:
    with kernels.use("numpy"):
        for seed in range(300, 320):
            assert_equal(drawn(seed))


@pytest.mark.parametrize("options", [{}, {"batch_first": True}, {"bidirectional": True}], ids=str)
def test_threads_leave_the_bits_of_stacks(options: dict[str, Any]) -> None:
    most, answers = get_num_threads(), []
    torch.manual_seed(0)
    module, x = ours.LSTM(24, 48, num_layers=3, **options), torch.randn(90, 2, 24, requires_grad=True)
    for n in (1, 2, 4):
        set_num_threads(n)
        module.zero_grad()
        x.grad = None
        y, _ = module(x)
        y.backward(torch.ones_like(y))
        answers.append([y, x.grad, *[p.grad for p in module.parameters()]])
    set_num_threads(most)
    for other in answers[1:]:
        assert all(torch.equal(a, b) for a, b in zip(answers[0], other, strict=True))


def test_which_layers_are_called_together(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    backend = kernels.active()

    def counted(name: str) -> Any:
        def call(calls: Any) -> None:
            seen.append(len(calls))
            getattr(backend, name)(calls)

        return call

    changed = dataclasses.replace(backend, **{name: counted(name) for name in ("forward_all", "backward_all")})
    monkeypatch.setattr(kernels, "_active", changed)
    x = torch.ones(5, 2, 3)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 2]))
    for options, given, calls in (
        ({}, x, [3, 3]),
        ({"batch_first": True}, x, [3, 3]),
        ({"dropout": 0.5}, x, []),
        ({"bidirectional": True}, x, [2] * 6),
        ({}, packed, []),
    ):
        seen.clear()
        y, _ = ours.LSTM(3, 4, num_layers=3, **options)(given)
        (y if isinstance(y, torch.Tensor) else y.data).sum().backward()
        assert seen == calls


@pytest.mark.parametrize("kind", [*KINDS, *CELLS])
def test_constructors_and_parameters(kind: str) -> None:
    theirs = getattr(torch.nn, kind)
    mine = getattr(ours, kind)
    assert issubclass(mine, theirs)
    assert inspect.signature(mine) == inspect.signature(theirs)
    options = {} if kind in CELLS else {"num_layers": 2, "bidirectional": True, "dropout": 0.5, "batch_first": True}
    torch.manual_seed(0)
    a = theirs(3, 4, **options)
    torch.manual_seed(0)
    b = mine(3, 4, **options)
    assert str(a) == str(b)
    assert list(a.state_dict()) == list(b.state_dict())
    for name, tensor in a.state_dict().items():
        assert torch.equal(tensor, b.state_dict()[name])
    with pytest.raises((RuntimeError, ValueError)):
        mine(3, -1)
    with pytest.raises(TypeError):
        mine(3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_shapes_and_layouts(kind: str, batch_first: bool) -> None:
    module = getattr(ours, kind)(3, 4, num_layers=2, bidirectional=True, batch_first=batch_first)
    y, last = module(torch.randn(5, 2, 3))
    rows = 5 if batch_first else 2
    assert y.shape == (5, 2, 8)
    assert y.is_contiguous()
    for state in last if kind == "LSTM" else (last,):
        assert state.shape == (4, rows, 4)
        assert state.is_contiguous()
    y, last = module(torch.randn(5, 3))
    assert y.shape == (5, 8)
    assert (last[0] if kind == "LSTM" else last).shape == (4, 4)
    y, last = module(torch.zeros(5, 0, 3) if not batch_first else torch.zeros(0, 5, 3))
    assert y.numel() == 0


@pytest.mark.parametrize(
    ("x", "hx", "error"),
    [
        (torch.randn(5, 2, 4), None, RuntimeError),
        (torch.randn(5, 2, 3, 1), None, ValueError),
        (torch.randn(3), None, ValueError),
        (torch.randn(0, 2, 3), None, RuntimeError),
        (torch.randn(5, 2, 3).double(), None, ValueError),
        (torch.randn(5, 2, 3), torch.randn(1, 3, 4), RuntimeError),
        (torch.randn(5, 2, 3), torch.randn(2, 2, 4), RuntimeError),
        (torch.randn(5, 2, 3), torch.randn(2, 4), RuntimeError),
        (torch.randn(5, 3), torch.randn(1, 2, 4), RuntimeError),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_pytorch_refuses(kind: str, x: torch.Tensor, hx: torch.Tensor | None, error: type[Exception]) -> None:
    states: Any = (hx, hx) if kind == "LSTM" and hx is not None else hx
    for module in (getattr(torch.nn, kind)(3, 4), getattr(ours, kind)(3, 4)):
        with pytest.raises(error):
            module(x, states)


@pytest.mark.parametrize("kind", CELLS)
def test_what_cells_refuse(kind: str) -> None:
    module = getattr(ours, kind)(3, 4)
    state = torch.randn(2, 5)
    for x, hx, error in (
        (torch.randn(2, 4), None, RuntimeError),
        (torch.randn(2, 3, 1), None, ValueError),
        (torch.randn(2, 3), (state, state) if kind == "LSTMCell" else state, RuntimeError),
        (torch.randn(2, 3).double(), None, ValueError),
    ):
        with pytest.raises(error):
            module(x, hx)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kind", [*KINDS, *CELLS])
def test_what_only_kernels_refuse(kind: str) -> None:
    """Each in a sentence that says what to do."""
    module, x = getattr(ours, kind)(3, 4), torch.randn(2, 3)
    with pytest.raises(ValueError, match=r"float32 or float64.*\.float\(\)"):
        module(x.half())
    with pytest.raises(ValueError, match="float32 or float64"):
        module(x.long())
    with pytest.raises(RuntimeError, match=r"on the CPU, got one on meta; cellstep\.torch\.restore\(model\)"):
        module(x.to("meta"))
    with pytest.raises(TypeError, match="expected input to be a tensor, got ndarray"):
        module(x.numpy())
    with pytest.raises(RuntimeError, match=r"TorchScript; cellstep\.torch\.restore\(model\)"):
        torch.jit.script(module)
    with pytest.raises(RuntimeError, match=r"neither traced nor exported; .*restore"):
        torch.jit.trace(module, x)
    with pytest.raises(RuntimeError, match=r"neither traced nor exported; .*restore"):
        torch.fx.symbolic_trace(torch.nn.Sequential(module))
    with pytest.raises(RuntimeError, match="does not run under vmap"):
        torch.func.vmap(module)(torch.randn(5, 2, 3))
    with pytest.raises(RuntimeError, match=r"torch\.func"):
        torch.func.grad(lambda x: module(x)[0].sum())(x)
    with pytest.raises(RuntimeError, match="forward-mode"), torch.autograd.forward_ad.dual_level():
        module(torch.autograd.forward_ad.make_dual(x, x))
    if kind.startswith("LSTM"):
        with pytest.raises(TypeError, match=r"expected hx to be 2 tensors \(h, c\), got a Tensor"):
            module(x, x)


def test_a_second_derivative_is_refused() -> None:
    module, x = ours.GRU(3, 4), torch.randn(5, 2, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(module(x)[0].sum(), x, create_graph=True)
    (plain,) = torch.autograd.grad(module(x)[0].sum(), x)
    assert torch.equal(gradient, plain)
    with pytest.raises(RuntimeError, match=r"a second time; cellstep\.torch\.restore\(model\)"):
        gradient.sum().backward()


def test_a_freed_graph_and_changed_tensors_are_refused() -> None:
    """As for every function of PyTorch: a second backward pass needs retain_graph, and nothing may be written to."""
    module, x = ours.LSTM(3, 4), torch.randn(5, 2, 3)
    y = module(x)[0].sum()
    y.backward(retain_graph=True)
    first = module.weight_hh_l0.grad.clone()
    y.backward()
    torch.testing.assert_close(module.weight_hh_l0.grad, 2 * first)
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    for tensor in (x, module.weight_ih_l0):
        y = module(x)[0].sum()
        with torch.no_grad():
            tensor.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.backward()


@pytest.mark.parametrize("kind", [*KINDS, *CELLS])
@pytest.mark.parametrize("units", [4, 150])
def test_every_change_of_a_weight_is_seen(kind: str, units: int) -> None:
    """By an optimizer, under no_grad, through `.data`, through NumPy, by another memory, by another parameter."""
    theirs, mine = getattr(torch.nn, kind)(3, units), getattr(ours, kind)(3, units)
    mine.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3)
    name = next(name for name, _ in mine.named_parameters() if name.startswith("weight_hh"))

    def in_place(w: torch.nn.Parameter) -> None:
        with torch.no_grad():
            w[1, 2] += 0.5

    changes = (
        in_place,
        lambda w: w.data.mul_(1.25),
        lambda w: w.data[3].zero_(),
        lambda w: w.data[:, 1].add_(0.5),
        lambda w: w.detach().numpy().__setitem__((slice(None), 0), 0.25),
        lambda w: setattr(w, "data", w.data + 0.125),
        lambda w: torch.nn.init.uniform_(w, -0.5, 0.5),
    )
    for change in changes:
        for module in (theirs, mine):
            torch.manual_seed(0)
            change(getattr(module, name))
        with torch.no_grad():
            left, right = mine(x), theirs(x)
        for a, b in zip(left, right, strict=True) if kind == "LSTMCell" else [(left[0], right[0])]:
            torch.testing.assert_close(a, b)


def test_single_entries_written_past_autograd_are_seen_at_the_latest_after_64_steps() -> None:
    module, x = ours.GRUCell(3, 300), torch.randn(1, 3)
    before = module(x)
    module.weight_ih.data[7, 2] += 10
    changed = [not torch.equal(module(x), before) for _ in range(65)]
    assert changed[-1]


@pytest.mark.parametrize("kind", ["RNN", "RNNCell"])
@pytest.mark.parametrize("turn", [lambda w: setattr(w, "data", w.data.t()), lambda w: w.detach().t_()])
def test_a_weight_that_is_turned_in_its_place_is_seen(kind: str, turn: Any) -> None:
    """Its address is the same, and for as many units as features its shape."""
    theirs, mine, x = getattr(torch.nn, kind)(4, 4), getattr(ours, kind)(4, 4), torch.randn(2, 4)
    mine.load_state_dict(theirs.state_dict())
    h = torch.randn((2, 4) if kind == "RNNCell" else (1, 4))
    mine(x, h)
    for module in (theirs, mine):
        turn(next(p for name, p in module.named_parameters() if name.startswith("weight_hh")))
    torch.testing.assert_close(mine(x, h)[0], theirs(x, h)[0])


@pytest.mark.parametrize("changes", [{"nonlinearity": "relu", "mode": "RNN_RELU"}, {"num_layers": 1}])
def test_attributes_that_change_after_a_call(changes: dict[str, Any]) -> None:
    module, x = ours.RNN(3, 4, num_layers=2), torch.randn(5, 2, 3)
    module(x)
    for name, value in changes.items():
        setattr(module, name, value)
    other = torch.nn.RNN(3, 4, changes.get("num_layers", 2), nonlinearity=changes.get("nonlinearity", "tanh"))
    other.load_state_dict({name: p for name, p in module.state_dict().items() if hasattr(other, name)})
    torch.testing.assert_close(module(x)[0], other(x)[0])


@pytest.mark.parametrize("kind", [*KINDS, *CELLS])
def test_copies_pickles_and_state_dicts(kind: str, tmp_path: Any) -> None:
    module, x = getattr(ours, kind)(3, 4), torch.randn(2, 3)
    y = module(x)[0]
    for made in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert type(made) is type(module)
        assert torch.equal(made(x)[0], y)
        with torch.no_grad():
            next(made.parameters()).add_(1)
        assert not torch.equal(made(x)[0], y)
    assert torch.equal(module(x)[0], y)
    path = tmp_path / "module.pt"
    torch.save(module, path)
    assert torch.equal(torch.load(path, weights_only=False)(x)[0], y)
    torch.save(module.state_dict(), path)
    for other in (getattr(torch.nn, kind)(3, 4), getattr(ours, kind)(3, 4)):
        other.load_state_dict(torch.load(path, weights_only=True))
        torch.testing.assert_close(other(x)[0], y)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_no_graph_and_no_tape_where_none_is_wanted(mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = ours.LSTM(3, 4), torch.randn(5, 2, 3)
    y = module(x)[0]
    backend = module.weights()[0][0].kept.packed.backend
    calls: list[bool] = []
    real = backend.forward
    monkeypatch.setitem(vars(backend), "forward", lambda *a: (calls.append(a[-1] is not None), real(*a))[1])
    with mode():
        found = module(x)[0]
    module.requires_grad_(False)
    assert not module(x)[0].requires_grad
    assert not found.requires_grad
    assert torch.equal(found, y)
    assert calls == [False, False]


def test_arrays_are_shared() -> None:
    """x goes to kernels as it lies, and outputs come in the memory that kernels wrote."""
    module, x = ours.LSTM(3, 4, batch_first=True), torch.randn(2, 5, 3)
    seen: list[int] = []
    stack = pytest.importorskip("cellstep.torch.stack").Stack
    real = stack.forward
    with pytest.MonkeyPatch.context() as patch:

        def forward(self: Any, x: Any, *rest: Any) -> Any:
            outputs = real(self, x, *rest)
            seen.extend([x.ctypes.data, outputs[0].ctypes.data])
            return outputs

        patch.setattr(stack, "forward", forward)
        y = module(x)[0]
    assert seen == [x.data_ptr(), y.data_ptr()]
