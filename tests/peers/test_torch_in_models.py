"""Whole models of PyTorch on cellstep's kernels: swapped in place, trained, and run under PyTorch's own tools."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint

import cellstep
from cellstep import torch as ours
from cellstep.torch import function as calls


class Tagger(nn.Module):
    """Embedding, a bidirectional LSTM of two layers over packed sequences, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 5)
        self.lstm = nn.LSTM(5, 6, num_layers=2, bidirectional=True, batch_first=True, dropout=0.2)
        self.tags = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(self.embedding(x), lengths, batch_first=True, enforce_sorted=False)
        y, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.tags(y)


class LanguageModel(nn.Module):
    """Tied weights, a GRU whose states go on, and a cell beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.gru = nn.GRU(6, 6)
        self.cell = nn.RNNCell(6, 6, nonlinearity="relu")
        self.head = nn.Linear(6, 11)
        self.head.weight = self.embedding.weight

    def forward(self, x: torch.Tensor, h: torch.Tensor | None = None) -> torch.Tensor:
        y, _ = self.gru(self.embedding(x), h)
        return self.head(y + self.cell(y[0]))


def data(model: nn.Module) -> tuple[Any, ...]:
    torch.manual_seed(1)
    x = torch.randint(0, 11, (4, 7))
    return (x, torch.tensor([7, 2, 5, 1])) if isinstance(model, Tagger) else (x,)


def trained(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3) -> list[torch.Tensor]:
    """The losses of a few steps, and the weights after them."""
    torch.manual_seed(2)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(*data(model)).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.detach())
    return [*losses, *(p.detach().clone() for p in model.parameters())]


OPTIMIZERS: tuple[Any, ...] = (
    lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
    lambda p: torch.optim.AdamW(p, 0.01),
    lambda p: torch.optim.Adam(p, 0.01, foreach=True, amsgrad=True),
)


@pytest.mark.parametrize("kind", [Tagger, LanguageModel])
@pytest.mark.parametrize("make", OPTIMIZERS)
def test_accelerated_models_train_alike(kind: type[nn.Module], make: Any) -> None:
    torch.manual_seed(0)
    plain = kind().double()
    model = copy.deepcopy(plain)
    optimizer = make(model.parameters())  # before the swap: it holds the parameters
    before = list(model.parameters())
    assert ours.accelerate(model) is model
    assert all(a is b for a, b in zip(before, model.parameters(), strict=True))
    right = trained(plain, make(plain.parameters()))
    for a, b in zip(trained(model, optimizer), right, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", [Tagger, LanguageModel])
def test_restore_undoes_accelerate(kind: type[nn.Module]) -> None:
    model = kind()
    kinds = [type(m) for m in model.modules()]
    names = [sorted(vars(m)) for m in model.modules()]
    state = copy.deepcopy(model.state_dict())
    swapped = [type(m) for m in ours.accelerate(model).modules()]
    assert swapped != kinds
    model(*data(model))
    assert [type(m) for m in ours.accelerate(model).modules()] == swapped  # again changes nothing
    assert ours.restore(model) is model
    assert [type(m) for m in model.modules()] == kinds
    assert [sorted(vars(m)) for m in model.modules()] == names
    assert all(torch.equal(a, b) for a, b in zip(state.values(), model.state_dict().values(), strict=True))


def test_what_accelerate_leaves_alone_and_refuses() -> None:
    class Own(nn.LSTM):
        pass

    model = nn.ModuleList([Own(3, 4), nn.LSTM(3, 4, proj_size=2), nn.GRU(3, 4)])
    assert [type(m) for m in ours.accelerate(model)] == [Own, ours.LSTM, ours.GRU]
    assert type(ours.accelerate(nn.LSTMCell(2, 3))) is ours.LSTMCell
    with pytest.raises(ValueError, match=r"expected module to have one of torch\.nn's GRU, .* got a Linear"):
        ours.accelerate(nn.Linear(2, 3))
    for function in (ours.accelerate, ours.restore):
        with pytest.raises(TypeError, match=r"expected module to be a torch\.nn\.Module, got dict"):
            function({})  # type: ignore[type-var]


def test_subclasses_of_ours() -> None:
    class Own(ours.GRU):
        pass

    module, x = Own(3, 4), torch.randn(5, 2, 3)
    plain = nn.GRU(3, 4)
    plain.load_state_dict(module.state_dict())
    torch.testing.assert_close(module(x)[0], plain(x)[0])


def test_hooks() -> None:
    module, x = ours.LSTM(3, 4), torch.randn(5, 2, 3, requires_grad=True)
    seen: list[str] = []
    module.register_forward_pre_hook(lambda m, a: seen.append("before"))
    module.register_forward_hook(lambda m, a, y: seen.append("after"))
    module.register_full_backward_hook(lambda m, dx, dy: seen.append("backward"))
    module.weight_hh_l0.register_hook(lambda g: seen.append("gradient"))
    module.bias_ih_l0.register_post_accumulate_grad_hook(lambda p: seen.append("accumulated"))
    module(x)[0].sum().backward()
    assert sorted(seen) == ["accumulated", "after", "backward", "before", "gradient"]


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints(reentrant: bool) -> None:
    module, x = ours.GRU(3, 4, num_layers=2), torch.randn(5, 2, 3, requires_grad=True)
    plain = torch.autograd.grad(module(x)[0].square().sum(), [x, *module.parameters()])
    y, _ = checkpoint(module, x, use_reentrant=reentrant)
    y.square().sum().backward()
    for a, b in zip([x, *module.parameters()], plain, strict=True):
        assert torch.equal(a.grad, b)


def test_saved_tensors_may_go_elsewhere() -> None:
    module, x = ours.LSTM(3, 4), torch.randn(5, 2, 3, requires_grad=True)
    (plain,) = torch.autograd.grad(module(x)[0].square().sum(), x)
    with torch.autograd.graph.save_on_cpu():
        y = module(x)[0]
    (found,) = torch.autograd.grad(y.square().sum(), x)
    assert torch.equal(found, plain)


def test_a_tape_is_let_go_with_its_graph() -> None:
    """After a backward pass, though the outputs live; and it is not made a second time for that pass."""
    module, x = ours.LSTM(8, 256), torch.randn(200, 16, 8)
    calls: list[bool] = []
    from cellstep.torch.function import Call

    real = Call.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Call, "run", lambda self, *a, taped: (calls.append(taped), real(self, *a, taped=taped))[1])
        y = module(x)[0]
        token = y.grad_fn.saved_tensors[0]
        assert token.kept is not None
        y.sum().backward()
    assert calls == [True]
    with pytest.raises(RuntimeError, match="already been freed"):
        _ = y.grad_fn.saved_tensors


def test_functional_calls_and_parametrizations() -> None:
    theirs, mine = nn.GRU(3, 4), ours.GRU(3, 4)
    mine.load_state_dict(theirs.state_dict())
    x = torch.randn(5, 2, 3)
    weights = {name: torch.randn_like(p, requires_grad=True) for name, p in mine.named_parameters()}
    left = torch.func.functional_call(mine, weights, (x,))[0]
    right = torch.func.functional_call(theirs, weights, (x,))[0]
    torch.testing.assert_close(left, right)
    for a, b in zip(*(torch.autograd.grad(y.sum(), list(weights.values())) for y in (left, right)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    nn.utils.parametrizations.spectral_norm(mine, "weight_hh_l0").eval()
    with torch.no_grad():
        theirs.weight_hh_l0.copy_(mine.weight_hh_l0)
    torch.testing.assert_close(mine(x)[0], theirs(x)[0])


class Numbers(torch.utils.data.Dataset[torch.Tensor]):
    """Each item is an output of a module."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> torch.Tensor:
        with torch.no_grad():
            return self.module(torch.full((5, 2, 3), float(i)))[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_in_workers_of_a_data_loader() -> None:
    module = ours.LSTM(3, 64)
    items = Numbers(module)
    wanted = torch.stack([items[i] for i in range(4)])  # threads have started before the fork
    for batch in torch.utils.data.DataLoader(items, batch_size=4, num_workers=1, multiprocessing_context="fork"):
        assert torch.equal(batch, wanted)


def test_threads_follow_pytorchs() -> None:
    before = torch.get_num_threads(), cellstep.get_num_threads()
    module, x = ours.GRU(64, 64), torch.randn(100, 32, 64)
    try:
        y = module(x)[0]
        torch.set_num_threads(1)
        assert torch.equal(module(x)[0], y)
        assert cellstep.get_num_threads() == 1
    finally:
        torch.set_num_threads(before[0])
        module(x)
    assert cellstep.get_num_threads() == min(before)


def test_threads_where_both_libraries_have_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours follows PyTorch's down and up again, never over what ours was set to, before or since."""
    ours_now, module, x = [4], ours.GRU(3, 4), torch.randn(5, 2, 3)
    monkeypatch.setattr(calls, "get_num_threads", lambda: ours_now[0])
    monkeypatch.setattr(calls, "set_num_threads", lambda n: ours_now.__setitem__(0, n))
    monkeypatch.setattr(calls, "_lowered", None)
    monkeypatch.setattr(calls, "_threads", 0)
    before, seen = torch.get_num_threads(), []
    try:
        for theirs, set_to in ((1, None), (2, None), (8, None), (3, 2), (8, None), (1, None), (8, None)):
            torch.set_num_threads(theirs)
            if set_to is not None:
                ours_now[0] = set_to
            module(x)
            seen.append(ours_now[0])
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 2, 4, 2, 2, 1, 2]


def test_calls_from_several_threads() -> None:
    """Also while weights change: each call's answer is that of the weights before or after."""
    module, x = ours.LSTM(8, 16).requires_grad_(False), torch.randn(6, 2, 8)
    answers = []
    for value in (0.25, 0.5):
        module.weight_ih_l0.fill_(value)
        answers.append(module(x)[0])
    wrong: list[int] = []

    def run() -> None:
        for _ in range(200):
            y = module(x)[0]
            if not any(torch.equal(y, a) for a in answers):
                wrong.append(1)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
