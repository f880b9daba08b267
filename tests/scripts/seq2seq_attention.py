"""Reverse words letter by letter: an encoder, a decoder with attention, and decoding one letter at a time."""

import numpy as np

import keras
from keras import layers

LETTERS = "abcdefgh"
tokens = {c: i + 3 for i, c in enumerate(LETTERS)}  # 0 padding, 1 start, 2 end
num_tokens, latent_dim, length = len(tokens) + 3, 32, 6
rng = np.random.default_rng(5)

words = ["".join(rng.choice(list(LETTERS), rng.integers(3, length + 1))) for _ in range(512)]
encoder_input_data = np.zeros((len(words), length), "int32")
decoder_input_data = np.zeros((len(words), length + 1), "int32")
decoder_target_data = np.zeros((len(words), length + 1), "int32")
for i, word in enumerate(words):
    letters = [tokens[c] for c in word]
    encoder_input_data[i, : len(word)] = letters
    decoder_input_data[i, : len(word) + 1] = [1, *letters[::-1]]
    decoder_target_data[i, : len(word) + 1] = [*letters[::-1], 2]

# training: the decoder is given the letter before
encoder_inputs = keras.Input(shape=(None,), name="encoder_inputs")
embedded = layers.Embedding(num_tokens, 16, mask_zero=True, name="encoder_embedding")(encoder_inputs)
encoder = layers.LSTM(latent_dim, return_sequences=True, return_state=True, name="encoder")
encoder_outputs, state_h, state_c = encoder(embedded)

decoder_inputs = keras.Input(shape=(None,), name="decoder_inputs")
decoder_embedding = layers.Embedding(num_tokens, 16, mask_zero=True, name="decoder_embedding")
decoder_lstm = layers.LSTM(latent_dim, return_sequences=True, return_state=True, name="decoder")
attention = layers.Attention(name="attention")
combine = layers.Concatenate(name="combine")
decoder_dense = layers.Dense(num_tokens, activation="softmax", name="letters")

decoder_outputs, _, _ = decoder_lstm(decoder_embedding(decoder_inputs), initial_state=[state_h, state_c])
context = attention([decoder_outputs, encoder_outputs])
outputs = decoder_dense(combine([decoder_outputs, context]))

model = keras.Model([encoder_inputs, decoder_inputs], outputs)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit([encoder_input_data, decoder_input_data], decoder_target_data, batch_size=64, epochs=6, verbose=2)

# inference: one step of the decoder, with the states of the step before
encoder_model = keras.Model(encoder_inputs, [encoder_outputs, state_h, state_c])
memory = keras.Input(shape=(None, latent_dim))
state_inputs = [keras.Input(shape=(latent_dim,)), keras.Input(shape=(latent_dim,))]
step_outputs, step_h, step_c = decoder_lstm(decoder_embedding(decoder_inputs), initial_state=state_inputs)
step_letters = decoder_dense(combine([step_outputs, attention([step_outputs, memory])]))
decoder_model = keras.Model([decoder_inputs, memory, *state_inputs], [step_letters, step_h, step_c])


def decode_sequence(input_seq):
    encoded, h, c = encoder_model.predict(input_seq, verbose=0)
    target, decoded = np.array([[1]]), ""
    while len(decoded) < length:
        probabilities, h, c = decoder_model.predict([target, encoded, h, c], verbose=0)
        token = int(np.argmax(probabilities[0, -1, :]))
        if token < 3:
            break
        decoded += LETTERS[token - 3]
        target = np.array([[token]])
    return decoded


for i in range(3):
    print(words[i], "->", decode_sequence(encoder_input_data[i : i + 1, : len(words[i])]))
