"""A model of characters that writes text of its own, sampled at several temperatures."""

import random

import numpy as np

import keras
from keras import layers
from keras.callbacks import LambdaCallback

text = "the rain in spain stays mainly in the plain. the train to maine came late again. " * 12
chars = sorted(set(text))
char_indices = {c: i for i, c in enumerate(chars)}
indices_char = dict(enumerate(chars))
maxlen, step = 20, 2

sentences, next_chars = [], []
for i in range(0, len(text) - maxlen, step):
    sentences.append(text[i : i + maxlen])
    next_chars.append(text[i + maxlen])
print("Number of sequences:", len(sentences))

x = np.zeros((len(sentences), maxlen, len(chars)), dtype="bool")
y = np.zeros((len(sentences), len(chars)), dtype="bool")
for i, sentence in enumerate(sentences):
    for t, char in enumerate(sentence):
        x[i, t, char_indices[char]] = 1
    y[i, char_indices[next_chars[i]]] = 1

model = keras.Sequential(
    [
        keras.Input(shape=(maxlen, len(chars))),
        layers.LSTM(32),
        layers.Dense(len(chars), activation="softmax"),
    ]
)
model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.RMSprop(learning_rate=0.01))


def sample(preds, temperature=1.0):
    preds = np.asarray(preds).astype("float64")
    preds = np.exp(np.log(preds + 1e-9) / temperature)
    preds = preds / np.sum(preds)
    return np.argmax(np.random.multinomial(1, preds / (1 + 1e-6), 1))


def on_epoch_end(epoch, logs):
    if epoch % 3 != 2:
        return
    start = random.randint(0, len(text) - maxlen - 1)
    for temperature in (0.2, 1.0):
        sentence = generated = text[start : start + maxlen]
        for _ in range(10):
            x_pred = np.zeros((1, maxlen, len(chars)))
            for t, char in enumerate(sentence):
                x_pred[0, t, char_indices[char]] = 1.0
            next_char = indices_char[sample(model.predict(x_pred, verbose=0)[0], temperature)]
            sentence = sentence[1:] + next_char
            generated += next_char
        print(f"epoch {epoch}, loss {logs['loss']:.3f}, temperature {temperature}: {generated!r}")


np.random.seed(1)
random.seed(1)
model.fit(x, y, batch_size=64, epochs=3, callbacks=[LambdaCallback(on_epoch_end=on_epoch_end)])
