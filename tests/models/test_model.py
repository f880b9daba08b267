"""Models of tensors: gradients through branches, shared layers, states and models inside; masks; structure; copies."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
from passes import run

from cellstep import Input, Model, Sequential, layers, math, metrics, optimizers
from cellstep.layers import GRU, LSTM, Dense, Dropout, Embedding, Masking, SimpleRNN, nested
from cellstep.models import clone_model, model_to_dot, plot_model

RNG = np.random.default_rng(2)
X = RNG.standard_normal((3, 4, 2))
X[1, 2:] = 0
Z = RNG.standard_normal((3, 5, 2))
V = RNG.standard_normal((3, 2))


def double(kind: Any, *args: Any, **options: Any) -> Any:
    return kind(*args, dtype="float64", **options)


def encoder_decoder() -> Model:
    """A decoder that begins with the encoder's states; the mask of x passes through the encoder."""
    x, z = Input((None, 2), name="x"), Input((None, 2), name="z")
    *_, h, c = double(LSTM, 3, return_state=True, name="enc")(double(Masking)(x))
    y, last, _ = double(LSTM, 3, return_sequences=True, return_state=True, name="dec")(z, initial_state=[h, c])
    return Model([x, z], [double(Dense, 2, name="each")(y), double(Dense, 1, name="end")(last)])


def shared() -> Model:
    """One recurrent layer and one Dense layer, each called twice; the tensors meet again."""
    x, z = Input((None, 2)), Input((None, 2))
    read, head = double(GRU, 3), double(Dense, 2, activation="tanh")
    a, b = head(read(x)), head(read(z))
    together = double(layers.Concatenate)([a, b, double(layers.Subtract)([a, b])])
    return Model([x, z], double(Dense, 1)(together))


def residual() -> Model:
    """A tensor that fans out three ways, and a layer over its own outputs."""
    x = Input((4, 2))
    h = double(Dense, 3)(x)
    again = double(SimpleRNN, 3, return_sequences=True)
    y = double(layers.Add)([h, again(again(h))])
    return Model(x, double(layers.Multiply)([y, h]))


def nest() -> Model:
    """Models as layers: one with two outputs, called twice, and a Sequential."""
    a = Input((2,))
    inner = Model(a, [double(Dense, 2)(a), double(Dense, 3, activation="tanh")(a)], name="inner")
    line = Sequential([double(Dense, 3, activation="sigmoid"), double(Dense, 2)], name="line")
    x = Input((2,))
    p, q = inner(line(x))
    r, _ = inner(p)
    return Model(x, {"r": r, "q": q})


def dictionary() -> Model:
    x, z = Input((None, 2), name="x"), Input((None, 2), name="z")
    parts = {"x": double(GRU, 2)(x), "z": double(GRU, 2, go_backwards=True)(z)}
    return Model({"x": x, "z": z}, double(layers.Average)([parts["x"], parts["z"]]))


@pytest.fixture(autouse=True)
def fresh_names() -> None:
    layers.reset_names()


MODELS: dict[str, tuple[Any, Any]] = {
    "encoder-decoder": (encoder_decoder, [X, Z]),
    "shared": (shared, [X, Z]),
    "residual": (residual, X),
    "nested": (nest, V),
    "dictionary": (dictionary, {"x": X, "z": Z}),
}


@pytest.mark.parametrize("name", MODELS)
def test_gradients(name: str) -> None:
    make, x = MODELS[name]
    net = make()
    x = nested.change(x, np.array)
    for w in net.weights:
        w.assign(w.numpy() + 0.1 * RNG.standard_normal(w.shape))
    y, pullback = net.forward(x)
    ups = [RNG.standard_normal(a.shape) for a in nested.flatten(y)]

    def loss() -> float:
        return sum(float((a * up).sum()) for a, up in zip(nested.flatten(net(x)), ups, strict=True))

    dx = pullback(nested.pack(y, ups))
    checked = [(a, d, None) for a, d in zip(nested.flatten(x), nested.flatten(dx), strict=True)]
    checked += [(w.buffer, w.grad, w) for w in net.weights]
    for value, gradient, weight in checked:
        assert gradient.shape == value.shape
        for at in list(np.ndindex(value.shape))[::2]:
            if value[at] == 0 and weight is None:
                continue  # a masked step: a difference would unmask it
            old, ends = value[at], []
            for h in (1e-6, -1e-6):
                value[at] = old + h
                if weight is not None:
                    weight.touch()
                ends.append(loss())
            value[at] = old
            if weight is not None:
                weight.touch()
            np.testing.assert_allclose(gradient[at], (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-8)


def test_an_output_without_a_gradient_adds_none() -> None:
    net = encoder_decoder()
    (each, end), pullback = net.forward([X, Z])
    pullback([None, np.ones_like(end)])
    assert not net.get_layer("each").weights[0].grad.any()
    assert net.get_layer("end").weights[0].grad.any()
    alone = [w.grad.copy() for w in net.weights]
    pullback([np.zeros_like(each), np.ones_like(end)])
    assert all(np.allclose(w.grad, 2 * g) for w, g in zip(net.weights, alone, strict=True))
    with pytest.raises(ValueError, match="expected dy to be 2 arrays or None, one an output, got 1"):
        pullback([None])


def test_the_pullback_leaves_out_what_nothing_below_learns_from() -> None:
    net = encoder_decoder()
    net.get_layer("enc").trainable = False
    y, pullback = net.forward([X, Z])
    assert pullback([np.ones_like(a) for a in y], need_dx=False) is None
    assert not any(w.grad.any() for w in net.get_layer("enc").weights)
    assert all(w.grad.any() for w in net.get_layer("dec").weights)


def test_a_model_is_the_calls_of_its_layers() -> None:
    net = encoder_decoder()
    enc, dec = net.get_layer("enc"), net.get_layer("dec")
    mask = (X != 0).any(-1)
    _, h, c = enc(X, mask=mask)
    y, last, _ = dec(Z, initial_state=[h, c])
    each, end = net([X, Z])
    np.testing.assert_allclose(each, net.get_layer("each")(y), rtol=1e-12)
    np.testing.assert_allclose(end, net.get_layer("end")(last), rtol=1e-12)
    for given in ({"x": X, "z": Z}, {"z": Z, "x": X, "more": V}, (X, Z)):
        np.testing.assert_allclose(net(given)[0], each, rtol=1e-12)
    np.testing.assert_allclose(net.predict({"x": X, "z": Z}, batch_size=2)[1], end, rtol=1e-12)


def test_masks_pass_through_the_graph() -> None:
    tokens = Input((None,), dtype="int32")
    e = Embedding(5, 2, mask_zero=True)(tokens)
    net = Model(tokens, [LSTM(3, return_sequences=True)(Dropout(0.1)(e)), GRU(2)(e)])
    ids = np.array([[1, 2, 0], [3, 0, 0]])
    mask = run(net, ids).mask
    assert np.array_equal(mask[0], ids != 0)
    assert mask[1] is None
    x, given = Input((None, 2)), Input((None,), dtype="bool")
    masked = Model([x, given], GRU(3)(x, mask=given))
    m = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]], bool)
    np.testing.assert_array_equal(masked([X, m])[1], masked([X[:, :1], m[:, :1]])[1])
    assert len(masked.layers) == 3


def test_lengths_are_a_mask_that_no_layer_replaces() -> None:
    lengths = [4, 2, 1]
    net = Sequential([Masking(-1), GRU(3), Dense(1)])
    want = [net(X[i : i + 1, :n])[0] for i, n in enumerate(lengths)]
    np.testing.assert_allclose(net(X, lengths=lengths), want, rtol=1e-5)
    ids = np.array([[1, 2, 3], [4, 1, 2]])
    plain = Sequential([Embedding(5, 2), GRU(3)])
    np.testing.assert_array_equal(plain(ids, lengths=[3, 1])[1], plain(ids[1:, :1])[0])
    two = encoder_decoder()
    each, _ = two([X, Z], lengths=[[4, 2, 1], None])
    np.testing.assert_allclose(each[1], two([X[1:2, :2], Z[1:2]])[0][0], rtol=1e-12)
    np.testing.assert_array_equal(two([X, Z], mask=[None, np.ones((3, 5), bool)])[0], two([X, Z])[0])


def test_training_given_in_a_call_stays() -> None:
    x = Input((2,))
    on, off = Model(x, Dropout(0.5, seed=1)(x, training=True)), Model(x, Dropout(0.5, seed=1)(x, training=False))
    assert (on(np.ones((5, 2))) != 1).any()
    assert (off(np.ones((5, 2)), training=True) == 1).all()


def test_structure() -> None:
    net = encoder_decoder()
    assert [layer.name for layer in net.layers] == ["x", "masking", "z", "enc", "dec", "each", "end"]
    assert net.input_names == ["x", "z"]
    assert net.output_names == ["each", "end"]
    assert net.input_shape == [(None, None, 2), (None, None, 2)]
    assert net.output_shape == [(None, None, 2), (None, 1)]
    assert net.compute_output_shape([(7, 4, 2), (7, 5, 2)]) == [(7, 5, 2), (7, 1)]
    assert [t.name for t in net.outputs] == ["each", "end"]
    assert net.input[0].shape == (None, None, 2)
    assert net.built
    assert net.count_params() == sum(w.size for w in net.weights)
    assert len(shared().weights) == len({id(w) for w in shared().weights}) == 7
    inner = Model(net.inputs, net.get_layer("dec").output)
    assert [a.shape for a in inner([X, Z])] == [(3, 5, 3), (3, 3), (3, 3)]
    part = Model(net.get_layer("dec").output[1], net.outputs[1])
    assert part(np.ones((2, 3))).shape == (2, 1)
    line = Sequential([Input((2,)), Dense(3, name="first"), Dense(1)])
    ins = line.inputs
    assert Model(ins, line.get_layer("first").output)(V).shape == (3, 3)


def test_symbolic_tensors_add_subtract_and_multiply() -> None:
    a, b = Input((2,)), Input((2,))
    net = Model([a, b], [a + b, a - b, a * b])
    for y, want in zip(net([V, V + 1]), (2 * V + 1, -np.ones_like(V), V * (V + 1)), strict=True):
        np.testing.assert_allclose(y, want, rtol=1e-6, atol=1e-6)


def test_copies_clones_and_configurations_compute_the_same() -> None:
    for make, x in MODELS.values():
        net = make()
        net.compile("adam", "mse")
        y = net(x)
        config = json.loads(json.dumps(net.get_config()))
        twins = [copy.deepcopy(net), pickle.loads(pickle.dumps(net)), clone_model(net), Model.from_config(config)]
        for twin in twins:
            twin.set_weights(net.get_weights())
            assert nested.flatten(nested.change(twin(x), lambda a: a.tobytes())) == [
                a.tobytes() for a in nested.flatten(y)
            ]
            assert [w.shape for w in twin.weights] == [w.shape for w in net.weights]
            assert not {id(w) for w in twin.weights} & {id(w) for w in net.weights}
            assert [t.shape for t in twin.outputs] == [t.shape for t in net.outputs]
        assert Model.from_config(config).get_config() == net.get_config()
        assert copy.deepcopy(net).compiled


def test_a_clone_can_have_other_layers() -> None:
    def narrow(layer: Any) -> Any:
        return GRU(2, name="small") if isinstance(layer, GRU) else type(layer).from_config(layer.get_config())

    line = Sequential([Input((None, 2)), GRU(4), Dense(1)])
    assert clone_model(line, clone_function=narrow).layers[0].units == 2
    net = clone_model(Model(x := Input((None, 2)), Dense(1)(GRU(4)(x))), clone_function=narrow)
    assert [layer.name for layer in net.layers][1] == "small"
    other = Input((None, 2), name="other")
    assert clone_model(net, input_tensors=other).input_names == ["other"]
    deep = clone_model(nest(), recursive=True)
    assert deep.get_layer("line").layers[0].units == 3


def test_summary_says_what_is_connected(capsys: pytest.CaptureFixture[str]) -> None:
    net = encoder_decoder()
    net.summary(show_trainable=True)
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[2].split()) == "Layer (type) Output Shape Param # Connected to Trainable"
    dec = next(line for line in lines if line.startswith("dec (LSTM)"))
    assert "z[0][0], enc[0][1], enc[0][2]" in dec
    assert "[(None, None, 3), (None, 3), (None, 3)]" in dec
    assert dec.endswith("Y")
    nest().summary(expand_nested=True)
    assert "  dense" in capsys.readouterr().out


def test_pictures(tmp_path: Any) -> None:
    net = encoder_decoder()
    text = model_to_dot(net, show_shapes=True, show_dtype=True, show_trainable=True, rankdir="LR")
    assert text.startswith("digraph model {")
    assert "rankdir=LR" in text
    assert text.count(" -> ") == 7  # two states are two arrows
    assert (tmp_path / "a.dot") == plot_model(net, tmp_path / "a.dot")
    assert (tmp_path / "a.dot").read_text().startswith("digraph")
    assert model_to_dot(Sequential([GRU(2), Dense(1)])).count("label") == 2


def test_explain_names_kernels(capsys: pytest.CaptureFixture[str]) -> None:
    encoder_decoder().explain()
    out = capsys.readouterr().out
    assert "backend " in out.splitlines()[0]
    assert "enc (LSTM): lstm_forward and _backward" in out
    assert "each (Dense): products of" in out
    assert "masking (Masking): NumPy" in out


def test_streams_need_layers_in_one_line() -> None:
    x = Input((None, 2))
    net = Model(x, Dense(1)(GRU(3, return_sequences=True)(x)))
    steps = net.stream(3).steps(X.astype("float32"))
    np.testing.assert_allclose(steps, net(X), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="several inputs, outputs or branches, and a stream needs layers in one line"):
        shared().stream()


def test_activity_regularizers_join_the_loss() -> None:
    class Square:
        def __call__(self, y: Any) -> float:
            return float((y**2).sum())

        def gradient(self, y: Any) -> Any:
            return 2 * y

    head = double(Dense, 2)
    net = Sequential([Input((2,)), head])
    net.compile(optimizers.SGD(1.0), "mse")
    plain, _ = net.gradients(V, V)
    y = net(V)
    head.activity_regularizer = Square()
    before = float(net.evaluate(V, V, verbose=0))
    np.testing.assert_allclose(before, ((y - V) ** 2).mean() + (y**2).sum() / 3)
    grads, loss = net.gradients(V, V)
    np.testing.assert_allclose(loss, before)
    np.testing.assert_allclose(grads["dense/kernel"] - plain["dense/kernel"], V.T @ (2 * y) / 3)
    x = Input((2,))
    silent = Model(x, [double(Dense, 1, name="seen")(x), head(x)])
    silent.compile("sgd", ["mse", None])
    assert silent.gradients(V, [V[:, :1], None])[0]["dense/kernel"].any()


T = Input((2,), name="t")
ERRORS: dict[str, tuple[Any, type[Exception], str]] = {
    "no tensor": (lambda: Model(T, np.ones(2)), TypeError, "outputs must be symbolic tensors, .* got ndarray"),
    "a layer": (lambda: Model(T, Dense(1, name="d")), TypeError, "outputs must be symbolic tensors, .* got d"),
    "disconnected": (
        lambda: Model(T, Dense(1)(Input((2,), name="u"))),
        *(ValueError, "inputs must hold all that the outputs depend on, got t without u"),
    ),
    "outputs alone": (lambda: Model(outputs=T), ValueError, "expected inputs and outputs, got outputs alone"),
    "names": (
        lambda: Model(T, Dense(1, name="d")(Dense(2, name="d")(T))),
        *(ValueError, "layers must have names of their own in functional.*, got a second 'd'"),
    ),
    "values": (lambda: np.spacing(T), TypeError, "has no values before a model runs"),
    "index": (lambda: T[:, [0]], TypeError, "takes slices, integers, None and"),
    "truth": (lambda: bool(T), TypeError, "has no values"),
    "state array": (
        lambda: LSTM(2)(Input((None, 2)), initial_state=[Input((2,)), np.ones((3, 2))]),
        *(ValueError, r"a constant initial_state of lstm beside tensors to have one row, got shape \(3, 2\)"),
    ),
    "list of tensors": (
        lambda: GRU(2)([Input((None, 2)), Input((None, 2))]),
        *(TypeError, "gru takes one tensor as x, got a list of 2"),
    ),
    "state size": (
        lambda: LSTM(2)(Input((None, 2)), initial_state=[Input((3,)), Input((2,))]),
        *(ValueError, "initial_state of lstm to be 2 tensors .* with 2, 2 units, got 2 with 3, 2"),
    ),
    "no time": (lambda: GRU(2)(T), ValueError, r"expected inputs of gru of shape \(batch, time, features\)"),
    "inputs": (
        lambda: encoder_decoder()(X),
        *(ValueError, r"expected x to be 2 inputs \(x, z\), got one array"),
    ),
    "inputs more": (lambda: encoder_decoder()([X, Z, Z]), ValueError, r"expected x to be 2 inputs \(x, z\), got 3"),
    "inputs names": (
        lambda: encoder_decoder()({"x": X, "y": Z}),
        *(ValueError, r"expected x to have the names of the inputs \(x, z\), got x, y"),
    ),
    "shape": (lambda: encoder_decoder()([X, V]), ValueError, r"expected z of shape \(None, None, 2\), got \(3, 2\)"),
    "mask rank": (
        lambda: Sequential([GRU(2)])(X, mask=np.ones((3, 4, 2), bool)),
        *(ValueError, r"expected mask of shape \(3, 4\), got \(3, 4, 2\)"),
    ),
    "mask of rows": (
        lambda: Sequential([Dense(2)])(V, mask=np.ones(3, bool)),
        *(ValueError, r"expected mask of shape \(3, 2\), got \(3,\)"),
    ),
    "mask count": (
        lambda: encoder_decoder()([X, Z], mask=np.ones((3, 4), bool)),
        *(ValueError, "expected mask to be a list of 2, one an input, with None where there is none, got one array"),
    ),
    "lengths": (lambda: Sequential([GRU(2)])(X, lengths=[1, 2]), ValueError, "lengths"),
    "lengths and mask": (
        lambda: Sequential([GRU(2)])(X, lengths=[1, 2, 3], mask=np.ones((3, 4), bool)),
        *(ValueError, "expected mask or lengths, got both"),
    ),
    "initial state": (lambda: encoder_decoder()([X, Z], initial_state=[V]), TypeError, "takes x, mask, lengths"),
    "layer": (lambda: shared().get_layer("no"), ValueError, "has no layer 'no', but "),
    "output": (
        lambda: GRU(2).output,
        *(ValueError, "has an input and output when it was called on symbolic tensors, got no call"),
    ),
    "clone": (lambda: clone_model(3), TypeError, "model must be a Sequential or a Model, got 3"),  # type: ignore[arg-type]
    "config": (
        lambda: Model.from_config({**encoder_decoder().get_config(), "layers": []}),
        *(NotImplementedError, "expected tensors that layers give, got"),
    ),
    "rankdir": (lambda: model_to_dot(shared(), rankdir="up"), ValueError, "rankdir must be"),
}


def test_tensors_that_are_not_there_are_no_attributes() -> None:
    for part in (GRU(2), Sequential([GRU(2)])):
        assert not hasattr(part, "input")
        assert not hasattr(part, "output")
    assert hasattr(shared().layers[-1], "output")


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    run, error, words = ERRORS[name]
    with pytest.raises(error, match=words):
        run()


def test_a_clone_is_compiled_as_its_model() -> None:
    def own(y_true: Any, y_pred: Any) -> Any:
        return math.mean((y_true - y_pred) ** 2, axis=-1)

    x, y = np.ones((4, 3)), np.zeros((4, 1))
    tensor = Input((3,))
    for model in (Sequential([Input((3,)), Dense(1)]), Model(tensor, Dense(1)(tensor))):
        assert not clone_model(model).compiled
        model.compile(optimizers.Adam(0.03, clipnorm=1.0), own, metrics=[metrics.MeanAbsoluteError("far"), own, "mae"])
        model.fit(x, y, verbose=0)
        twin = clone_model(model)
        assert twin.optimizer is not model.optimizer
        assert twin.optimizer.iterations == 0
        assert twin.optimizer.get_config() == model.optimizer.get_config()
        twin.set_weights(model.get_weights())
        before = model.evaluate(x, y, verbose=0, return_dict=True)
        assert twin.evaluate(x, y, verbose=0, return_dict=True) == before
        twin.fit(x, y, verbose=0)
        assert model.evaluate(x, y, verbose=0, return_dict=True) == before


def test_a_layer_that_is_called_twice_has_the_output_of_its_first_call() -> None:
    layer, x = Dense(2), Input((3,))
    first, second = layer(x), layer(x * 2)
    assert layer.output is first is not second
    assert layer.input is x
