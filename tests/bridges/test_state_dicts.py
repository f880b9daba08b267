"""PyTorch's tensors into models, without PyTorch: by names, strictly, all or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import bridges, models, tensor_file
from cellstep import layers as L
from cellstep.bridges import FileError

DRAW = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return DRAW.standard_normal(shape).astype(np.float32)


def tagger() -> models.Sequential:
    return models.Sequential(
        [
            *(L.Input((None,), dtype="int32"), L.Embedding(7, 3, name="embedding")),
            L.Bidirectional(L.LSTM(2, return_sequences=True), name="first"),
            *(L.Bidirectional(L.LSTM(2, return_sequences=True), name="second"), L.Dense(5, name="tags")),
        ]
    )


def tensors() -> dict[str, Any]:
    found = {"emb.weight": normal(7, 3), "tags.weight": normal(5, 4), "tags.bias": normal(5)}
    for layer, features in ((0, 3), (1, 4)):
        for end in ("", "_reverse"):
            found |= {
                f"rnn.lstm.weight_ih_l{layer}{end}": normal(8, features),
                f"rnn.lstm.weight_hh_l{layer}{end}": normal(8, 2),
                f"rnn.lstm.bias_ih_l{layer}{end}": normal(8),
                f"rnn.lstm.bias_hh_l{layer}{end}": normal(8),
            }
    return found


MAPPING = {"emb": "embedding", "rnn.lstm": ["first", "second"], "tags": "tags"}


def test_all_numbers_come_to_their_place() -> None:
    model, own = tagger(), tensors()
    assert bridges.from_torch(own, into=model, mapping=MAPPING) is model
    second = model.get_layer("second")
    cell = second.backward_layer.cell
    assert np.array_equal(cell.kernel.value, own["rnn.lstm.weight_ih_l1_reverse"].T)
    assert np.array_equal(cell.recurrent_kernel.value, own["rnn.lstm.weight_hh_l1_reverse"].T)
    both = own["rnn.lstm.bias_ih_l1_reverse"] + own["rnn.lstm.bias_hh_l1_reverse"]
    assert np.array_equal(cell.bias.value, both)
    assert np.array_equal(model.get_layer("tags").kernel.value, own["tags.weight"].T)


def test_a_gru_has_its_gates_in_another_order() -> None:
    model = models.Sequential([L.Input((None, 2)), L.GRU(1, name="g")])
    own = {
        "g.weight_ih": np.arange(6.0).reshape(3, 2),
        "g.weight_hh": np.arange(3.0)[:, None],
        "g.bias_ih": np.arange(3.0),
        "g.bias_hh": 10 + np.arange(3.0),
    }
    bridges.from_torch(own, into=model)  # the layer's name is the prefix
    cell = model.get_layer("g").cell
    assert cell.kernel.value.tolist() == [[2, 0, 4], [3, 1, 5]]
    assert cell.bias.value.tolist() == [[1, 0, 2], [11, 10, 12]]


def test_safetensors_files_and_layers_as_values(tmp_path: Path) -> None:
    model, own = tagger(), tensors()
    tensor_file.write(tmp_path / "tagger.safetensors", own, {"format": "pt"})
    by_layers = {k: [model.get_layer(n) for n in ([v] if isinstance(v, str) else v)] for k, v in MAPPING.items()}
    bridges.from_torch(tmp_path / "tagger.safetensors", into=model, mapping=by_layers)
    other = bridges.from_torch(own, into=tagger(), mapping=MAPPING)
    x = DRAW.integers(0, 7, (2, 5))
    assert np.array_equal(model.predict(x, verbose=0), other.predict(x, verbose=0))


def test_several_layers_in_one() -> None:
    own = {
        f"{name}_l{layer}": normal(*shape)
        for layer in range(3)
        for name, shape in (("weight_ih", (9, 3)), ("weight_hh", (9, 3)), ("bias_ih", (9,)), ("bias_hh", (9,)))
    }
    one = models.Sequential([L.Input((None, 3)), L.GRU(3, num_layers=3)])
    three = models.Sequential([L.Input((None, 3)), *(L.GRU(3, return_sequences=i < 2) for i in range(3))])
    bridges.from_torch(own, into=one, mapping={"": one.layers[-1]})
    bridges.from_torch(own, into=three, mapping={"": three.layers[-3:]})
    x = normal(2, 4, 3)
    assert np.array_equal(one.predict(x, verbose=0), three.predict(x, verbose=0))


def changed(**changes: Any) -> dict[str, Any]:
    found = {**tensors(), **{name.replace("__", "."): value for name, value in changes.items()}}
    return {name: value for name, value in found.items() if value is not None}


#: State dicts that do not fit, which tensor is named, and what is said.
WRONG = [
    (changed(rnn__lstm__bias_hh_l1=None), "rnn.lstm.bias_hh_l1", "expected a tensor of shape (8,), got none"),
    (changed(emb__weight=None), "emb.weight", "got none; there is 'tags.weight'"),
    (changed(rnn__lstm__weight_ih_l2=normal(8, 4)), "rnn.lstm.weight_ih_l2", "left over"),
    (changed(rnn__lstm__weight_hr_l0=normal(8, 4)), "rnn.lstm.weight_hr_l0", "left over"),
    (changed(a__x=normal(1), b__y=normal(1)), "a.x", "left over, and 1 more"),
    (changed(tags__weight=normal(4, 5)), "tags.weight", "expected a tensor of shape (5, 4), got (4, 5)"),
    (changed(tags__bias=normal(5).astype(int)), "tags.bias", "expected numbers for float32, got int64"),
    (changed(tags__bias=np.full(5, 1e300)), "tags.bias", "that float32 can hold, got 1e+300"),
    (changed(tags__bias="x"), "tags.bias", "expected a tensor, got a str"),
    ({"model": tensors(), "epoch": 3}, "model", "expected a tensor, got a dictionary with"),
]


@pytest.mark.parametrize(("own", "name", "said"), WRONG)
def test_what_does_not_fit_is_named_and_nothing_is_assigned(own: Any, name: str, said: str) -> None:
    model = tagger()
    before = model.get_weights()
    with pytest.raises(FileError) as caught:
        bridges.from_torch(own, into=model, mapping=MAPPING)
    assert caught.value.place == name
    assert said in str(caught.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"emb": "embedding", "tags": "tags"}, "mapping must name all layers with weights, got none for first/"),
        ({"emb": "embedding", "rnn.lstm": "first"}, "mapping must name all layers"),
        ({"emb": "embedding", "rnn.lstm": ["first", "second", "tags"]}, "expected recurrent layers that run forwards"),
        ({**MAPPING, "other": "tags"}, "mapping must name each layer once, got one for several prefixes"),
        ({**MAPPING, "rnn.lstm": []}, "mapping must have layers or their names as values, got "),
        ({**MAPPING, 3: "tags"}, "mapping must have strings as keys"),
        ([], "mapping must be a dictionary"),
        ({**MAPPING, "tags": "nothing"}, "nothing"),
    ],
)
def test_mappings_that_do_not_fit(mapping: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        bridges.from_torch(tensors(), into=tagger(), mapping=mapping)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (L.GRU(2, reset_after=False), "reset_after of .* must be True, as PyTorch has no other, got False"),
        (L.LSTM(2, activation="relu"), "activation of .* must be 'tanh', as PyTorch has no other, got 'relu'"),
        (L.SimpleRNN(2, activation="elu"), "activation of .* must be 'tanh', as PyTorch has no other, got 'elu'"),
        (L.LSTM(2, go_backwards=True), "expected recurrent layers that run forwards"),
        (L.Bidirectional(L.LSTM(2), merge_mode="sum"), "merge_mode='concat'"),
        (L.SeparableConv1D(2, 2), "expected recurrent layers, or one of Dense, Embedding"),
    ],
)
def test_layers_that_pytorch_does_not_have(layer: Any, said: str) -> None:
    model = models.Sequential([L.Input((None, 3)), layer])
    with pytest.raises(ValueError, match=said):
        bridges.from_torch({}, into=model)


def test_what_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="into must be a model, as a state dict has names but no structure, got None"):
        bridges.from_torch({})
    with pytest.raises(ValueError, match="into must be a model that is built"):
        bridges.from_torch({}, into=models.Sequential([L.Dense(1)]))
    layer = L.Dense(1)
    layer.build((1, 2))
    with pytest.raises(ValueError, match="into must be a model that is built, got <Dense"):
        bridges.from_torch({}, into=layer)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="source must be a module, a state dict or a path, got 3"):
        bridges.from_torch(3, into=tagger())
    with pytest.raises(ValueError, match=r"source must end in \.safetensors or \.pt, \.pth, \.bin, got 'x\.npz'"):
        bridges.from_torch("x.npz", into=tagger())
    with pytest.raises(FileNotFoundError):
        bridges.from_torch(tmp_path / "no.safetensors", into=tagger())


def test_files_without_checksums_are_read_and_others_are_held_against_them(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.LSTM(3, 4)
    path = tmp_path / "weights.pt"
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(layer.state_dict(), path)
    finally:
        torch.serialization.set_crc32_options(True)
    own = models.Sequential([L.Input((None, 3)), L.LSTM(4)])
    bridges.from_torch(path, into=own, mapping={"": own.layers[0]})
    np.testing.assert_array_equal(own.get_weights()[0][:, :4], layer.weight_ih_l0.detach().numpy()[:4].T)
    torch.save(layer.state_dict(), path)
    damaged = path.read_bytes().replace(layer.weight_hh_l0.detach().numpy().tobytes(), bytes(4 * 4 * 4 * 4))
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="must be whole, got Bad CRC-32"):
        bridges.from_torch(path, into=own, mapping={"": own.layers[0]})


def test_float64_stays_float64() -> None:
    cellstep.config.set_floatx("float64")
    try:
        model = models.Sequential([L.Input((3,)), L.Dense(2, name="d")])
    finally:
        cellstep.config.set_floatx("float32")
    own = {"d.weight": DRAW.standard_normal((2, 3)), "d.bias": DRAW.standard_normal(2)}
    bridges.from_torch(own, into=model)
    assert np.array_equal(model.get_weights()[0], own["d.weight"].T)
