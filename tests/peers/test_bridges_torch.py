"""Models of PyTorch's, brought here and back: outputs and gradients are the same at each station."""

from __future__ import annotations

import pickle
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import cellstep
from cellstep import bridges, layers, models, tensor_file
from cellstep import torch as ours
from cellstep.bridges import FileError
from cellstep.bridges.pytorch.structure import ACTIVATIONS
from cellstep.bridges.pytorch.weights import parts_of
from cellstep.torch.line import Ends, Line

# PyTorch says so of LSTMs with proj_size, and of kernels of even size with padding="same"
pytestmark = [
    pytest.mark.filterwarnings("ignore:LSTM with projections"),
    pytest.mark.filterwarnings("ignore:Using padding='same'"),
]


def line(seed: int, projected: bool = False) -> tuple[Any, tuple[int, ...], bool]:
    """Random modules, the shape of their inputs without the batch, and whether these are integers."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    features, integers = draw.randint(1, 5), draw.random() < 0.4
    shape: tuple[int, ...] = (6,) if integers else (6, features)
    modules: list[nn.Module] = [nn.Embedding(9, features)] if integers else []
    for _ in range(draw.randint(1, 4)):
        what = draw.choice(["recurrent", "recurrent", "cell", "linear", "norm", "activation", "dropout", "nested"])
        units, bias = draw.randint(1, 6), draw.random() < 0.7
        if what == "recurrent":
            kind = draw.choice([nn.RNN, nn.LSTM, nn.GRU])
            options: dict[str, Any] = {"num_layers": draw.choice([1, 1, 2, 3]), "bias": bias}
            options |= {"bidirectional": draw.random() < 0.4, "batch_first": True}
            if options["num_layers"] > 1:
                options["dropout"] = draw.choice([0.0, 0.3])
            if kind is nn.RNN:
                options["nonlinearity"] = draw.choice(["tanh", "relu"])
            if kind is nn.LSTM and projected and units > 1:
                options["proj_size"] = draw.randint(1, units - 1)
            modules.append(kind(features, units, **options))
            features = (options.get("proj_size") or units) * (1 + options["bidirectional"])
        elif what == "cell":
            modules.append(OverTime(draw.choice([nn.RNNCell, nn.LSTMCell, nn.GRUCell])(features, units, bias)))
            features = units
        elif what in ("linear", "nested"):
            linear = nn.Linear(features, units, bias)
            modules.append(nn.Sequential(linear, nn.Tanh()) if what == "nested" else linear)
            features = units
        elif what == "norm":
            modules.append(nn.LayerNorm(features, draw.choice([1e-5, 0.1]), draw.random() < 0.7, bias))
        else:
            modules.append(nn.Sigmoid() if what == "activation" else nn.Dropout(0.4))
    if not any(hasattr(part, "weight_hh_l0") for part in modules):
        modules.append(nn.GRU(features, 2, batch_first=True))
    return Line(*modules), shape, integers


class OverTime(nn.Module):
    """A cell, run over sequences."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state, outputs = None, []
        for step in x.unbind(1):
            state = self.cell(step, state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outputs, 1)


def inputs(shape: tuple[int, ...], integers: bool, seed: int = 1) -> Any:
    draw = np.random.default_rng(seed)
    return draw.integers(0, 9, (3, *shape)) if integers else draw.standard_normal((3, *shape)).astype(np.float32)


def close(a: Any, b: Any, tolerance: float = 1e-5) -> None:
    a = a.detach().numpy() if isinstance(a, torch.Tensor) else a
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def unwrapped(module: Any) -> Any:
    """A line with cells in the place of what runs them."""
    return Line(*(part.cell if isinstance(part, OverTime) else part for part in module))


@pytest.mark.parametrize("seed", range(60))
def test_random_lines_give_the_same_there_here_and_back(seed: int) -> None:
    module, shape, integers = line(seed)
    module.eval()
    x = inputs(shape, integers)
    model = bridges.from_torch(unwrapped(module))
    right = module(torch.from_numpy(x))
    close(right, model.predict(x, verbose=0))
    again = bridges.to_torch(model).eval()
    close(again(torch.from_numpy(x)), right.detach().numpy())
    third = bridges.from_torch(again)
    assert np.array_equal(third.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("seed", range(30))
def test_gradients_are_the_same(seed: int) -> None:
    module, shape, integers = line(seed)
    module.eval()
    plain = unwrapped(module)
    model, x = bridges.from_torch(plain), inputs(shape, integers)
    model.compile("sgd", "mse")
    y = np.random.default_rng(2).standard_normal(model.predict(x, verbose=0).shape).astype(np.float32)
    (module(torch.from_numpy(x)) - torch.from_numpy(y)).square().mean().backward()
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    found, _ = model.gradients(x, y)
    theirs = {name: parameter.grad.numpy() for name, parameter in plain.named_parameters()}
    checked = set()
    for prefix, own in of_prefixes(plain, model).items():
        for part in parts_of(prefix, own, theirs):
            for weight, values in zip(part.weights, part.read([theirs[name] for name in part.names]), strict=True):
                # the sum of two biases, each with the gradient of the sum
                twice = len(part.names) == 4 and weight is part.weights[2] and len(weight.shape) == 1
                close(found[weight.path], values / 2 if twice else values)
                checked.add(weight.path)
    assert checked == {weight.path for weight in model.trainable_weights}


def of_prefixes(module: Any, model: Any) -> dict[str, list[Any]]:
    """The layers of a model that was made of a module, by prefix."""
    weighted = [layer for layer in model.layers if layer.weights]
    found: dict[str, list[Any]] = {}
    for prefix, part in module.named_modules():
        if list(part.parameters(recurse=False)):
            count = getattr(part, "num_layers", 1)
            found[f"{prefix}."], weighted = weighted[:count], weighted[count:]
    assert not weighted
    return found


@pytest.mark.parametrize("seed", range(20))
def test_projected_lstms(seed: int) -> None:
    module, shape, integers = line(seed, projected=True)
    module.eval()
    model, x = bridges.from_torch(unwrapped(module)), inputs(shape, integers)
    close(module(torch.from_numpy(x)), model.predict(x, verbose=0))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    kind = getattr(nn, name)
    plain = Line(nn.Linear(4, 5), kind(dim=-1) if "Softmax" in name else kind())
    model, x = bridges.from_torch(plain), 3 * inputs((4,), False)
    close(plain(torch.from_numpy(x)), model.predict(x, verbose=0))
    close(bridges.to_torch(model)(torch.from_numpy(x)), model.predict(x, verbose=0))
    net = models.Sequential([layers.Input((4,)), layers.Dense(5, activation=ACTIVATIONS[name])])
    close(bridges.to_torch(net)(torch.from_numpy(x)), net.predict(x, verbose=0))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": 2},
        {"padding": 1},
        {"padding": "same", "dilation": 2},
        {"padding": "same", "bias": False, "groups": 2},
        {"padding": 3, "stride": 2},
        {"dilation": 3},
    ],
)
@pytest.mark.parametrize("size", [1, 3, 4])
def test_convolutions(options: dict[str, Any], size: int) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv1d(4, 6, size, **options), nn.ReLU())
    model, x = bridges.from_torch(plain), inputs((4, 12), False)
    close(plain(torch.from_numpy(x)), model.predict(x, verbose=0))
    back = bridges.to_torch(model)
    close(back(torch.from_numpy(x)), model.predict(x, verbose=0))
    close(bridges.from_torch(back).predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("rate", [1, 2])
def test_models_of_ours_over_steps(padding: str, rate: int) -> None:
    net = models.Sequential(
        [
            layers.Input((9, 4)),
            layers.Conv1D(5, 3, padding=padding, dilation_rate=rate, activation="relu"),
            *(layers.LayerNormalization(), layers.TimeDistributed(layers.Dense(3, "tanh"))),
            layers.Bidirectional(layers.GRU(3, return_sequences=True)),
            *(layers.LSTM(4, num_layers=2), layers.LeakyReLU(0.2), layers.Dense(2, "softmax")),
        ]
    )
    x = inputs((9, 4), False)
    module = bridges.to_torch(net)
    close(module(torch.from_numpy(x)), net.predict(x, verbose=0))
    close(bridges.from_torch(module).predict(x, verbose=0), net.predict(x, verbose=0))
    assert {layer.name for layer in net.layers} <= {name for name, _ in module.named_children()}


def test_last_outputs_of_both_directions_go_and_come_back() -> None:
    net = models.Sequential([layers.Input((None, 4)), layers.Bidirectional(layers.LSTM(3)), layers.Dense(2)])
    x, module = inputs((6, 4), False), bridges.to_torch(net)
    assert isinstance(module[1], Ends)
    close(module(torch.from_numpy(x)), net.predict(x, verbose=0))
    again = bridges.from_torch(module)
    assert np.array_equal(again.predict(x, verbose=0), net.predict(x, verbose=0))


class Tagger(nn.Module):
    """Structure of its own, as PyTorch's users write it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 5, padding_idx=0)
        self.encoder = nn.ModuleDict({"lstm": nn.LSTM(5, 6, num_layers=2, bidirectional=True, batch_first=True)})
        self.head = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder["lstm"](self.embedding(x))[0])


def tagger() -> models.Sequential:
    both = [layers.Bidirectional(layers.LSTM(6, return_sequences=True), name=f"both_{i}") for i in range(2)]
    head = layers.Dense(3, name="head")
    return models.Sequential(
        [layers.Input((None,), dtype="int32"), layers.Embedding(11, 5, name="embedding"), *both, head]
    )


MAPPING = {"embedding": "embedding", "encoder.lstm": ["both_0", "both_1"], "head": "head"}


@pytest.mark.parametrize("way", ["module", "state dict", "file.pt", "file.pth", "file.safetensors"])
def test_a_module_of_ones_own(way: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(0)
    module, model, path = Tagger(), tagger(), tmp_path / way
    source: Any = path
    if way == "module":
        source = module
    elif way == "state dict":
        source = module.state_dict()
    elif way.endswith("safetensors"):
        save_file(module.state_dict(), path)
    else:
        torch.save(module.state_dict(), path)
    bridges.from_torch(source, into=model, mapping=MAPPING)
    x = torch.randint(0, 11, (4, 7))
    close(module(x), model.predict(x.numpy(), verbose=0))
    model.compile("adam", "mse")
    model.fit(x.numpy(), np.zeros((4, 7, 3)), verbose=0)
    other = Tagger()
    assert bridges.to_torch(model, into=other, mapping=MAPPING) is other
    close(other(x), model.predict(x.numpy(), verbose=0))


def test_half_precision_comes_as_float32() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        module = nn.Sequential(nn.Linear(3, 2)).to(dtype)
        model = bridges.from_torch(module)
        assert model.dtype == "float32"
        assert np.array_equal(model.get_weights()[0], module[0].weight.detach().float().numpy().T)


@pytest.mark.parametrize("seed", range(60, 80))
def test_random_lines_of_float64(seed: int) -> None:
    module, shape, integers = line(seed)
    module.eval().double()
    x = inputs(shape, integers)
    x = x if integers else x.astype(float)
    model = bridges.from_torch(unwrapped(module))
    close(module(torch.from_numpy(x)), model.predict(x, verbose=0), 1e-12)
    close(bridges.to_torch(model).eval()(torch.from_numpy(x)), model.predict(x, verbose=0), 1e-12)


def test_float64() -> None:
    module = Line(nn.GRU(3, 4, 2, batch_first=True, bidirectional=True), nn.Linear(8, 2)).double()
    model, x = bridges.from_torch(module), inputs((5, 3), False).astype(float)
    close(module(torch.from_numpy(x)), model.predict(x, verbose=0), 1e-12)
    close(bridges.to_torch(model)(torch.from_numpy(x)), model.predict(x, verbose=0), 1e-12)


def test_modules_of_cellstep_and_shapes_that_are_asked_for() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 2), nn.Identity())
    model, x = bridges.from_torch(module, input_shape=(4, 3)), inputs((4, 3), False)
    close(module(torch.from_numpy(x)), model.predict(x, verbose=0))
    accelerated = ours.accelerate(Line(nn.LSTM(3, 4, batch_first=True)))
    close(accelerated(torch.from_numpy(x)), bridges.from_torch(accelerated).predict(x, verbose=0))


class Doubled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x


def test_classes_of_ones_own_become_what_one_says() -> None:
    module, x = nn.Sequential(nn.Linear(3, 2), Doubled()), inputs((3,), False)
    with pytest.raises(TypeError, match="expected 1, a Doubled, to be a module that is known: "):
        bridges.from_torch(module)
    model = bridges.from_torch(module, modules={Doubled: lambda m: layers.Lambda(lambda x: 2 * x)})
    close(module(torch.from_numpy(x)), model.predict(x, verbose=0))
    without = bridges.from_torch(module, modules={Doubled: lambda m: None})
    close(2 * without.predict(x, verbose=0), model.predict(x, verbose=0))


class OwnLSTM(nn.LSTM):
    pass


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (OwnLSTM(2, 3), "expected a OwnLSTM, to be a module that is known"),
        (nn.Sequential(nn.Linear(3, 2), nn.Bilinear(2, 2, 2)), "expected 1, a Bilinear"),
        (nn.Embedding(3, 2, max_norm=1.0), "max_norm of Embedding must be None"),
        (nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular"), "padding_mode of Conv1d must be 'zeros'"),
        (nn.Softmax(0), "dim of Softmax must be -1, the last axis, got 0"),
        (nn.Sequential(nn.Linear(2, 2), nn.ELU(0.5)), r"alpha must be 1\.0, got 0\.5"),
        (nn.Flatten(0), "start_dim of Flatten must be 1"),
        (nn.Dropout(0.2), "input_shape must be that of the inputs, as no module says it"),
        (nn.Linear(2, 3).to("meta"), "expected a dense tensor, got one of torch.strided on meta"),
    ],
)
def test_modules_that_no_layer_is(module: nn.Module, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        bridges.from_torch(module)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (layers.GRU(2, reset_after=False), "reset_after of .* must be True"),
        (layers.LSTM(2, recurrent_activation="hard_sigmoid"), "recurrent_activation of .* must be 'sigmoid'"),
        (layers.Bidirectional(layers.GRU(2), merge_mode="ave"), "merge_mode='concat'"),
        (layers.GRU(2, stateful=True), "stateful and return_state have no counterpart"),
        (layers.RNN([layers.LSTMCell(2), layers.GRUCell(2)]), "its cells differ"),
        (layers.GRU(2, trainable_initial_state=True), "from states of zeros"),
        (layers.Masking(), "a Masking: no module of torch.nn computes it"),
        (layers.Dense(2, activation="sparsemax"), "no module of torch.nn is the activation 'sparsemax'"),
        (layers.LayerNormalization(scale=False), "no beta without a gamma"),
        (layers.Conv1D(2, 3, strides=2, padding="same"), "padding='same' with these strides"),
    ],
)
def test_layers_that_no_module_is(layer: Any, said: str) -> None:
    model = models.Sequential([layers.Input((4, 3)), layer])
    with pytest.raises(ValueError, match=said):
        bridges.to_torch(model)


def test_more_that_is_refused_on_the_way_to_pytorch() -> None:
    masked = models.Sequential([layers.Input((None,)), layers.Embedding(3, 2, mask_zero=True), layers.LSTM(2)])
    with pytest.raises(ValueError, match="mask_zero=True makes a mask, and PyTorch's modules take none"):
        bridges.to_torch(masked)
    with pytest.raises(ValueError, match="must be built before it goes to PyTorch"):
        bridges.to_torch(models.Sequential([layers.Dense(2)]))
    model = models.Sequential([layers.Input((4, 3)), layers.LSTM(2, dropout=0.5, name="lstm")])
    with pytest.warns(UserWarning, match="dropout of lstm is left out"):
        bridges.to_torch(model)
    with pytest.raises(ValueError, match="mapping says which parameters of `into` are whose"):
        bridges.to_torch(model, mapping={})
    with pytest.raises(FileError, match=r"the module, weight_ih_l0: expected a weight of shape \(12, 3\), got one of"):
        bridges.to_torch(model, into=nn.LSTM(3, 3), mapping={"": "lstm"})
    with pytest.raises(FileError, match=r"the module, weight_ih_l1: expected a weight of shape .* got none"):
        bridges.to_torch(model, into=nn.LSTM(3, 2, 2), mapping={"": "lstm"})
    with pytest.raises(FileError, match="the module, bias_hh_l0: expected a parameter of this name"):
        bridges.to_torch(model, into=nn.LSTM(3, 2, bias=False), mapping={"": "lstm"})


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("/tmp/cellstep-was-run"),))


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    model, path = tagger(), tmp_path / "m.pt"
    before = model.get_weights()
    state = Tagger().state_dict()
    huge, nested = torch.empty(1).expand(10**6, 10**6), (1,)
    for _ in range(100):
        nested = (nested, nested)
    whole = dict(state)
    cases: list[tuple[Any, str]] = [
        (Evil(), "the pickle: expected tensors by name and nothing else, got '__builtin__.getattr'"),
        (nn.Linear(2, 3), "and nothing else, got 'torch.nn.modules.linear.Linear'"),
        (bytearray(8), "and nothing else, got '__builtin__.bytearray'"),  # of any size, for a few bytes
        ({"head.weight": [1]}, "head.weight: expected a tensor, got a list"),
        ({(1,): 1}, r"expected tensors by name, as of state_dict\(\), got a dictionary with a tuple"),
        (nested, "the pickle: expected what torch.save writes of tensors, got BINGET"),
        ([1, 2], "expected tensors by name"),
        ({1: 2}, "expected tensors by name"),
        ({"model": whole}, "model: expected a tensor, got a dictionary with 'embedding.weight'"),
        (
            {**whole, "head.weight": huge},
            r"head.weight: expected a tensor of shape \(3, 12\), got \(1000000, 1000000\)",
        ),
        ({**whole, "head.weight": torch.eye(12)[:3].to_sparse()}, "the pickle: expected tensors"),
    ]
    for saved, said in cases:
        torch.save(saved, path)
        with pytest.raises(FileError, match=said) as caught:
            bridges.from_torch(path, into=model, mapping=MAPPING)
        assert str(path) in str(caught.value)
        assert len(str(caught.value)) < 700
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(FileError, match="not a zip file"):
        bridges.from_torch(path, into=model, mapping=MAPPING)
    torch.save(state, path, _use_new_zipfile_serialization=False)
    with pytest.raises(FileError, match="not a zip file"):
        bridges.from_torch(path, into=model, mapping=MAPPING)
    torch.save(state, path)
    with zipfile.ZipFile(path) as old:
        members = {info.filename: old.read(info) for info in old.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in members.items():
            new.writestr(name, data)
    with pytest.raises(FileError, match="expected a member that is stored, got a compressed one"):
        bridges.from_torch(path, into=model, mapping=MAPPING)
    torch.save({**state, "head.weight": torch.zeros(1).expand(3, 12)}, path)
    with pytest.raises(FileError, match=r"the archive takes .* bytes of memory"):
        bridges.from_torch(path, into=model, mapping=MAPPING, max_bytes=100)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert not Path("/tmp/cellstep-was-run").exists()
    bridges.from_torch(path, into=model, mapping=MAPPING)
    assert not model.get_layer("head").kernel.value.any()


def test_tensors_of_ours_load_in_safetensors_of_pytorch(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = tagger()
    model.save(tmp_path / "m.safetensors")
    found = load_file(tmp_path / "m.safetensors")
    assert np.array_equal(found["layers/dense/kernel"].numpy(), model.get_layer("head").kernel.value)
    tensor_file.write(tmp_path / "t.safetensors", {k: v.numpy() for k, v in Tagger().state_dict().items()})
    Tagger().load_state_dict(load_file(tmp_path / "t.safetensors"))


def test_converted_to_a_state_dict_and_back(tmp_path: Path) -> None:
    model, x = tagger(), np.random.default_rng(0).integers(0, 11, (2, 5))
    model.save(tmp_path / "a.safetensors")
    bridges.convert(tmp_path / "a.safetensors", tmp_path / "a.pt")
    found = bridges.inspect(tmp_path / "a.pt")
    assert not found.problem
    assert ("head.weight", "float32", (3, 12)) in found.tensors
    bridges.to_torch(model).load_state_dict(torch.load(tmp_path / "a.pt", weights_only=True))
    like = tagger()
    mapping = {layer.name: layer.name for layer in like.layers}
    same = bridges.convert(tmp_path / "a.pt", tmp_path / "b.safetensors", like=like, mapping=mapping)
    assert np.array_equal(same.predict(x, verbose=0), model.predict(x, verbose=0))
    torch.save({"epoch": 3, "state_dict": Tagger().state_dict()}, tmp_path / "a.pt")
    assert "expected tensors by name, as of state_dict(), got a dictionary with 'epoch', 'state_dict'" in str(
        bridges.inspect(tmp_path / "a.pt")
    )


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModuleNotFoundError, match=r"models of PyTorch need torch: pip install 'cellstep\[torch\]'"):
        bridges.to_torch(tagger())
    cellstep.bridges.from_torch(
        {"d.weight": np.ones((2, 3)), "d.bias": np.ones(2)},
        into=models.Sequential([layers.Input((3,)), layers.Dense(2, name="d")]),
    )
