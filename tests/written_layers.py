"""Layers with `call`, cells and models as Keras scripts write them: each function makes them for either library."""

from __future__ import annotations

from typing import Any


def additive_attention(keras: Any) -> Any:
    """Attention over the steps of one sequence, of weights of its own."""
    ops, layers = keras.ops, keras.layers

    class Attention(layers.Layer):
        def __init__(self, return_sequences: bool = False, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.return_sequences = return_sequences

        def build(self, input_shape: Any) -> None:
            self.W = self.add_weight(name="att_weight", shape=(input_shape[-1], 1), initializer="glorot_uniform")
            self.b = self.add_weight(name="att_bias", shape=(input_shape[1], 1), initializer="zeros")
            super().build(input_shape)

        def call(self, x: Any) -> Any:
            e = ops.tanh(ops.matmul(x, self.W) + self.b)
            a = ops.softmax(e, axis=1)
            output = x * a
            return output if self.return_sequences else ops.sum(output, axis=1)

        def compute_output_shape(self, input_shape: Any) -> Any:
            return (input_shape[0], input_shape[-1])

    return keras.Sequential([keras.Input((6, 3)), layers.LSTM(4, return_sequences=True), Attention(), layers.Dense(1)])


def bahdanau(keras: Any) -> Any:
    """A query and values, called with two arguments, gives two outputs; layers in the constructor."""
    ops, layers = keras.ops, keras.layers

    class Bahdanau(layers.Layer):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.W1 = layers.Dense(units)
            self.W2 = layers.Dense(units)
            self.V = layers.Dense(1)

        def call(self, query: Any, values: Any) -> Any:
            score = self.V(ops.tanh(self.W1(ops.expand_dims(query, 1)) + self.W2(values)))
            weights = ops.softmax(score, axis=1)
            return ops.sum(weights * values, axis=1), weights

    x = keras.Input((6, 3))
    sequence, state = layers.GRU(4, return_sequences=True, return_state=True)(x)
    context, weights = Bahdanau(5)(state, sequence)
    y = layers.Dense(1)(layers.Concatenate()([context, layers.Flatten()(weights)]))
    return keras.Model(x, y)


def cross_attention(keras: Any) -> Any:
    """Inputs called x and context, as in TensorFlow's tutorial, called by name and by place."""
    layers = keras.layers

    class Cross(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.add = layers.MultiHeadAttention(2, 3), layers.Add()

        def call(self, x: Any, context: Any) -> Any:
            return self.add([x, self.attention(query=x, key=context, value=context)])

    x = keras.Input((6, 3))
    y = Cross()(x=x, context=layers.GRU(4, return_sequences=True)(x))
    return keras.Model(x, layers.Dense(1)(layers.GlobalAveragePooling1D()(Cross()(y, x))))


def luong(keras: Any) -> Any:
    """The general score, of a weight (units, units), with the second argument by name."""
    ops, layers = keras.ops, keras.layers

    class Luong(layers.Layer):
        def build(self, query_shape: Any, memory_shape: Any) -> None:
            self.W = self.add_weight(shape=(memory_shape[-1], query_shape[-1]), name="W")

        def call(self, query: Any, memory: Any = None) -> Any:
            scores = ops.einsum("btm,bm->bt", memory, ops.matmul(query, ops.transpose(self.W)))
            return ops.concatenate([ops.einsum("bt,btm->bm", ops.softmax(scores), memory), query], axis=-1)

    x = keras.Input((6, 3))
    h = layers.GRU(4, return_sequences=True)(x)
    return keras.Model(x, layers.Dense(1)(Luong()(h[:, -1], memory=h)))


def transformer_block(keras: Any) -> Any:
    """Attention by matrices, normalization, two Dense layers and dropout that does nothing here."""
    ops, layers = keras.ops, keras.layers

    class Block(layers.Layer):
        def __init__(self, width: int, inner: int, rate: float = 0.0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.q, self.k, self.v = (layers.Dense(width) for _ in range(3))
            self.ffn = keras.Sequential([layers.Dense(inner, activation="relu"), layers.Dense(width)])
            self.norms = [layers.LayerNormalization(epsilon=1e-6), layers.LayerNormalization(epsilon=1e-6)]
            self.dropout = layers.Dropout(rate)
            self.width = width

        def call(self, inputs: Any, training: Any = None) -> Any:
            scores = ops.matmul(self.q(inputs), ops.swapaxes(self.k(inputs), 1, 2)) / self.width**0.5
            attended = self.dropout(ops.matmul(ops.softmax(scores), self.v(inputs)), training=training)
            out = self.norms[0](inputs + attended)
            return self.norms[1](out + self.ffn(out))

    return keras.Sequential(
        [keras.Input((6, 3)), layers.Dense(4), Block(4, 8), layers.GlobalAveragePooling1D(), layers.Dense(1)]
    )


def masked_mean(keras: Any) -> Any:
    """`call` takes the mask, and ends it by `compute_mask`; its subclass passes it on."""
    ops, layers = keras.ops, keras.layers

    class MaskedMean(layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.supports_masking = True

        def call(self, inputs: Any, mask: Any = None) -> Any:
            if mask is None:
                return ops.mean(inputs, axis=1)
            m = ops.expand_dims(ops.cast(mask, inputs.dtype), -1)
            return ops.sum(inputs * m, axis=1) / ops.maximum(ops.sum(m, axis=1), 1.0)

        def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
            return None

    class Gate(layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.supports_masking = True

        def build(self, input_shape: Any) -> None:
            self.gamma = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="gamma")
            self.unused = self.add_weight(shape=(1,), initializer="zeros", name="unused", trainable=False)
            self.beta = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="beta")

        def call(self, inputs: Any) -> Any:
            return inputs * ops.sigmoid(inputs * self.gamma + self.beta)

    return keras.Sequential(
        [
            keras.Input((6, 3)),
            layers.Masking(),
            Gate(),
            layers.GRU(4, return_sequences=True),
            MaskedMean(),
            layers.Dense(1),
        ]
    )


def made_mask(keras: Any) -> Any:
    """A layer that makes a mask by `compute_mask` alone, as an embedding of positions does."""
    ops, layers = keras.ops, keras.layers

    class Marked(layers.Layer):
        def call(self, x: Any) -> Any:
            return 2.0 * x

        def compute_mask(self, x: Any, mask: Any = None) -> Any:
            return ops.any(ops.not_equal(x, 0), axis=-1)

    x = keras.Input((6, 3))
    return keras.Model(x, layers.Dense(1)(layers.GRU(4)(Marked()(x))))


def nested_layers(keras: Any) -> Any:
    """A layer of layers of the user's, in TimeDistributed too, with operators on weights alone."""
    ops, layers = keras.ops, keras.layers

    class Scaled(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.g = self.add_weight(shape=(input_shape[-1], 2), initializer="glorot_uniform", name="g")
            self.s = self.add_weight(shape=(1,), initializer="ones", name="s")

        def call(self, x: Any) -> Any:
            kernel = self.g / ops.sqrt(ops.sum(ops.square(self.g), axis=0, keepdims=True)) * self.s
            return ops.tanh(x @ kernel) + self.g[0]

    class Twice(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = {"a": Scaled(), "b": Scaled()}

        def call(self, x: Any) -> Any:
            return self.inner["b"](self.inner["a"](x))

    return keras.Sequential(
        [keras.Input((6, 3)), layers.TimeDistributed(Scaled()), Twice(), layers.SimpleRNN(3), layers.Dense(1)]
    )


def residual_wrapper(keras: Any) -> Any:
    """A model that calls another and adds its inputs; arguments are passed on."""
    layers = keras.layers

    class ResidualWrapper(keras.Model):
        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            delta = self.model(inputs, *args, **kwargs)
            return (inputs + delta)[:, -1, :1]

    return ResidualWrapper(
        keras.Sequential([layers.LSTM(4, return_sequences=True), layers.Dense(3, kernel_initializer="zeros")])
    )


def minimal_cell(keras: Any) -> Any:
    """A cell of Keras's guide, alone and stacked."""
    ops, layers = keras.ops, keras.layers

    class MinimalRNNCell(layers.Layer):
        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = units
            self.state_size = units

        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
            self.recurrent_kernel = self.add_weight(
                shape=(self.units, self.units), initializer="uniform", name="recurrent_kernel"
            )

        def call(self, inputs: Any, states: Any) -> Any:
            h = ops.matmul(inputs, self.kernel)
            output = ops.tanh(h + ops.matmul(states[0], self.recurrent_kernel))
            return output, [output]

    cells = [MinimalRNNCell(2), MinimalRNNCell(2)]
    return keras.Sequential(
        [
            keras.Input((6, 3)),
            layers.Masking(),
            layers.RNN(MinimalRNNCell(3), return_sequences=True),
            layers.RNN(cells, go_backwards=True),
            layers.Dense(1),
        ]
    )


def gated_cell(keras: Any) -> Any:
    """Two states of different sizes, a cell of the library inside, and `training`."""
    ops, layers = keras.ops, keras.layers

    class Gated(layers.Layer):
        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.state_size = [units, units, 2]
            self.output_size = units
            self.inner = layers.LSTMCell(units)
            self.average = layers.Dense(2)

        def build(self, input_shape: Any) -> None:
            self.inner.build(input_shape)
            self.average.build((input_shape[0], self.output_size))

        def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
            h, c, mean = states
            y, (h, c) = self.inner(inputs, [h, c], training=training)
            mean = 0.9 * mean + 0.1 * self.average(y)
            return y * ops.sum(mean, axis=-1, keepdims=True), [h, c, mean]

    return keras.Sequential([keras.Input((6, 3)), layers.RNN(Gated(4)), layers.Dense(1)])


def feedback(keras: Any) -> Any:
    """An autoregressive decoder, as in TensorFlow's tutorial of time series: cell and RNN share the weights."""
    ops, layers = keras.ops, keras.layers

    class FeedBack(keras.Model):
        def __init__(self, units: int, out_steps: int) -> None:
            super().__init__()
            self.out_steps = out_steps
            self.units = units
            self.lstm_cell = layers.LSTMCell(units)
            self.lstm_rnn = layers.RNN(self.lstm_cell, return_state=True)
            self.dense = layers.Dense(3)

    def warmup(self: Any, inputs: Any) -> Any:
        x, *state = self.lstm_rnn(inputs)
        return self.dense(x), state

    FeedBack.warmup = warmup  # type: ignore[attr-defined]

    def call(self: Any, inputs: Any, training: Any = None) -> Any:
        predictions = []
        prediction, state = self.warmup(inputs)
        predictions.append(prediction)
        for _ in range(1, self.out_steps):
            x = prediction
            x, state = self.lstm_cell(x, states=state, training=training)
            prediction = self.dense(x)
            predictions.append(prediction)
        stacked = ops.transpose(ops.stack(predictions), [1, 0, 2])
        return ops.sum(stacked[..., :1], axis=1)

    FeedBack.call = call
    return FeedBack(units=4, out_steps=4)


def attention_decoder(keras: Any) -> Any:
    """A decoder whose GRU cell takes, at each step, what attention makes of the encoder's outputs."""
    ops, layers = keras.ops, keras.layers

    class Decoder(layers.Layer):
        def __init__(self, units: int, steps: int) -> None:
            super().__init__()
            self.steps = steps
            self.cell = layers.GRUCell(units)
            self.query, self.head = layers.Dense(units), layers.Dense(1)

        def call(self, encoded: Any, state: Any) -> Any:
            y = ops.zeros_like(encoded[:, 0, :1])
            outputs = []
            for _ in range(self.steps):
                weights = ops.softmax(ops.einsum("bu,btu->bt", self.query(state), encoded))
                context = ops.einsum("bt,btu->bu", weights, encoded)
                h, states = self.cell(ops.concatenate([context, y], axis=-1), [state])
                state = states[0]
                y = self.head(h)
                outputs.append(y)
            return ops.stack(outputs, axis=1)

    x = keras.Input((6, 3))
    encoded, state = layers.GRU(4, return_sequences=True, return_state=True)(x)
    return keras.Model(x, ops.sum(Decoder(4, 3)(encoded, state), axis=1))


def siamese(keras: Any) -> Any:
    """One encoder for two parts, a distance in a Lambda, and functions and layers as activations."""
    ops, layers = keras.ops, keras.layers

    def distance(pair: Any) -> Any:
        a, b = pair
        return ops.sqrt(ops.maximum(ops.sum(ops.square(a - b), axis=1, keepdims=True), 1e-7))

    x = keras.Input((6, 3))
    first, second = layers.Lambda(lambda t: t[:, :3])(x), layers.Lambda(lambda t, n=3: t[:, n:] * 2)(x)
    encoder = keras.Sequential(
        [
            keras.Input((3, 3)),
            layers.GRU(4, activation=lambda v: ops.tanh(v) * 1.5),
            layers.Dense(4, activation=layers.LeakyReLU(negative_slope=0.1)),
            layers.Activation(keras.activations.tanh),
        ]
    )
    d = layers.Lambda(distance)([encoder(first), encoder(second)])
    return keras.Model(x, layers.Dense(1, activation=lambda v: v * ops.sigmoid(v))(d))


def variational(keras: Any) -> Any:
    """A layer with several added losses, whose outputs go nowhere, beside a model's own, and within a layer."""
    layers, ops = keras.layers, keras.ops

    class Divergence(layers.Layer):
        def call(self, inputs: Any) -> Any:
            mean, spread = inputs
            self.add_loss(-0.5 * ops.mean(ops.sum(1 + spread - ops.square(mean) - ops.exp(spread), axis=1)))
            self.add_loss([0.1 * ops.sum(mean), ops.mean(mean * mean, axis=0)])
            return mean

    class Encoder(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.read = layers.LSTM(4)
            self.mean, self.spread = layers.Dense(2), layers.Dense(2)
            self.divergence = Divergence()

        def call(self, x: Any) -> Any:
            h = self.read(x)
            mean, spread = self.mean(h), self.spread(h)
            self.divergence([mean, spread])
            return mean + 0.1 * ops.exp(spread)

    class Autoencoder(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.head = Encoder(), layers.Dense(1, activity_regularizer="l2")

        def call(self, x: Any, training: bool = False) -> Any:
            z = self.encoder(x)
            if training:
                self.add_loss(0.3 * ops.mean(ops.abs(z)))
            return self.head(z)

    return Autoencoder()


def sparse_codes(keras: Any) -> Any:
    """A layer with an added loss in a line of layers, and again in a line within that."""
    layers, ops = keras.layers, keras.ops

    class Sparse(layers.Layer):
        def __init__(self, rate: float) -> None:
            super().__init__()
            self.rate, self.code = rate, layers.Dense(4)

        def call(self, x: Any) -> Any:
            h = ops.tanh(self.code(x))
            self.add_loss(self.rate * ops.mean(ops.sum(ops.abs(h), axis=-1)))
            return h

    inner = keras.Sequential([keras.Input((6, 3)), Sparse(0.1), layers.GRU(3)])
    return keras.Sequential([keras.Input((6, 3)), inner, Sparse(0.2), layers.Dense(1)])


WITH_LOSSES = [variational, sparse_codes]

MODELS = [
    siamese,
    minimal_cell,
    gated_cell,
    feedback,
    attention_decoder,
    additive_attention,
    bahdanau,
    cross_attention,
    luong,
    transformer_block,
    masked_mean,
    made_mask,
    nested_layers,
    residual_wrapper,
]
