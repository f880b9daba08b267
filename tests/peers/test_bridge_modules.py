"""Modules of PyTorch's, brought here and back: outputs and gradients are the same at each station."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch_lines import close, inputs, line, of_prefixes, unwrapped

from cellstep import bridges, layers, models
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


@pytest.mark.parametrize("seed", range(20))
def test_projected_lstms(seed: int) -> None:
    module, shape, integers = line(seed, projected=True)
    module.eval()
    model, x = bridges.from_torch(unwrapped(module)), inputs(shape, integers)
    close(module(torch.from_numpy(x)), model.predict(x, verbose=0))
    again = bridges.to_torch(model).eval()
    close(again(torch.from_numpy(x)), model.predict(x, verbose=0))
    kinds = [part.proj_size for part in module.modules() if isinstance(part, nn.LSTM) and part.proj_size]
    assert {part.proj_size for part in again.modules() if isinstance(part, nn.LSTM) and part.proj_size} == set(kinds)


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


CHANNELS_FIRST: list[tuple[Any, tuple[int, ...]]] = [
    (lambda: [nn.BatchNorm1d(4)], (4,)),
    (lambda: [nn.BatchNorm1d(4, 0.1, 0.3, affine=False)], (4, 12)),
    (lambda: [nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(6, 2, 1)], (4, 12)),
    (lambda: [nn.AvgPool1d(3, 2), nn.ELU(0.5), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(4, 2)], (4, 12)),
    (lambda: [nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.BatchNorm1d(4), nn.Dropout()], (4, 12)),
]


@pytest.mark.parametrize(("make", "shape"), CHANNELS_FIRST)
def test_normalization_and_pooling_there_here_and_back(make: Any, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    module, x = nn.Sequential(*make()), inputs(shape, False)
    module(torch.from_numpy(x + 1))  # moves the means
    module.eval()
    model = bridges.from_torch(module, input_shape=shape)
    close(module(torch.from_numpy(x)), model.predict(x, verbose=0))
    back = bridges.to_torch(model).eval()
    close(back(torch.from_numpy(x)), model.predict(x, verbose=0))
    third = bridges.from_torch(back, input_shape=shape)
    assert np.array_equal(third.predict(x, verbose=0), model.predict(x, verbose=0))
    other = nn.Sequential(*make())
    mapping = {str(i): layer for i, layer in enumerate(model.layers) if layer.weights}
    assert bridges.to_torch(model, into=other, mapping=mapping).load_state_dict(module.state_dict()) is not None


def test_batch_normalization_learns_as_in_pytorch() -> None:
    torch.manual_seed(0)
    x = inputs((4, 9), False)
    module = nn.Sequential(nn.BatchNorm1d(4, 0.1, 0.3))
    model = bridges.from_torch(module, input_shape=(4, 9))
    y, pullback = model.forward(x, training=True)
    seen = torch.from_numpy(x).requires_grad_()
    right = module(seen)
    close(right, y)
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
    right.backward(torch.from_numpy(dy))
    close(seen.grad, pullback(dy))
    gamma, beta, mean, _ = model.weights
    close(module[0].weight.grad, gamma.grad)
    close(module[0].bias.grad, beta.grad)
    close(module[0].running_mean, mean.value)


@pytest.mark.parametrize(
    "own",
    [
        lambda: [layers.BatchNormalization(), layers.LSTM(3)],
        lambda: [layers.GRU(3, return_sequences=True), layers.GlobalAveragePooling1D(), layers.Dense(2)],
        lambda: [layers.SpatialDropout1D(0.2), layers.MaxPooling1D(2), layers.GlobalMaxPooling1D()],
        lambda: [layers.AveragePooling1D(2, 1), layers.BatchNormalization(center=False, scale=False), layers.ELU(0.3)],
    ],
)
def test_layers_over_steps_there_and_back(own: Any) -> None:
    net, x = models.Sequential([layers.Input((9, 4)), *own()]), inputs((9, 4), False)
    net.set_weights([np.abs(w) + 0.1 for w in net.get_weights()])
    module = bridges.to_torch(net).eval()
    close(module(torch.from_numpy(x)), net.predict(x, verbose=0))
    again = bridges.from_torch(module, input_shape=(9, 4))
    assert np.array_equal(again.predict(x, verbose=0), net.predict(x, verbose=0))


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
    with pytest.raises(TypeError, match="1, a Doubled is no module that is known"):
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
        (OwnLSTM(2, 3), "a OwnLSTM is no module that is known"),
        (nn.Sequential(nn.Linear(3, 2), nn.Bilinear(2, 2, 2)), "1, a Bilinear is no module"),
        (nn.Embedding(3, 2, max_norm=1.0), "max_norm of Embedding must be None"),
        (nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular"), "padding_mode of Conv1d must be 'zeros'"),
        (nn.Softmax(0), "dim of Softmax must be -1, the last axis, got 0"),
        (nn.Sequential(nn.Linear(2, 2), nn.CELU(0.5)), r"alpha must be 1\.0, got 0\.5"),
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
    x = layers.Input((3,))
    two = models.Model(x, [layers.Dense(2)(x), layers.Dense(1)(x)], name="two")
    with pytest.raises(ValueError, match=r"layers in one line for an nn\.Sequential, got two with several inputs"):
        bridges.to_torch(two)
    with pytest.raises(FileError, match=r"the module, weight_ih_l0: expected a weight of shape \(12, 3\), got one of"):
        bridges.to_torch(model, into=nn.LSTM(3, 3), mapping={"": "lstm"})
    with pytest.raises(FileError, match=r"the module, weight_ih_l1: expected a weight of shape .* got none"):
        bridges.to_torch(model, into=nn.LSTM(3, 2, 2), mapping={"": "lstm"})
    with pytest.raises(FileError, match="the module, bias_hh_l0: expected a parameter of this name"):
        bridges.to_torch(model, into=nn.LSTM(3, 2, bias=False), mapping={"": "lstm"})
