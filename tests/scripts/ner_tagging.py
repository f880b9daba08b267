"""Tag names in sentences of different lengths: padding, masks, a bidirectional LSTM."""

import numpy as np

import keras
from keras import Model
from keras.layers import LSTM, Bidirectional, Dense, Dropout, Embedding, Input, TimeDistributed
from keras.preprocessing.sequence import pad_sequences
from keras.utils import to_categorical

PLACES, PEOPLE = ["paris", "oslo", "lima", "rome"], ["anna", "boris", "chen", "dora"]
OTHER = ["went", "to", "saw", "in", "the", "market", "and", "met", "again", "today"]
TAGS = ["O", "PER", "LOC"]
rng = np.random.default_rng(3)


def sentence():
    words, tags = [], []
    for _ in range(rng.integers(3, 12)):
        kind = rng.choice(3, p=[0.6, 0.2, 0.2])
        words.append(str(rng.choice([OTHER, PEOPLE, PLACES][kind])))
        tags.append(TAGS[kind])
    return words, tags


data = [sentence() for _ in range(300)]
vocabulary = sorted({word for words, _ in data for word in words})
word2idx = {word: i + 1 for i, word in enumerate(vocabulary)}  # 0 is padding
tag2idx = {tag: i for i, tag in enumerate(TAGS)}
MAX_LEN = 12

X = pad_sequences([[word2idx[w] for w in words] for words, _ in data], maxlen=MAX_LEN, padding="post", value=0)
Y = pad_sequences([[tag2idx[t] for t in tags] for _, tags in data], maxlen=MAX_LEN, padding="post", value=0)
y = np.array([to_categorical(row, num_classes=len(TAGS)) for row in Y])
print(X.shape, y.shape)

words_in = Input(shape=(MAX_LEN,))
h = Embedding(input_dim=len(word2idx) + 1, output_dim=16, mask_zero=True)(words_in)
h = Dropout(0.1)(h)
h = Bidirectional(LSTM(units=16, return_sequences=True, recurrent_dropout=0.1))(h)
out = TimeDistributed(Dense(len(TAGS), activation="softmax"))(h)
model = Model(words_in, out)
model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
model.summary()

history = model.fit(X, y, batch_size=32, epochs=4, validation_split=0.1, verbose=1)

probabilities = model.predict(X[-30:])
predicted = np.argmax(probabilities, axis=-1)
right = total = 0
for row, (words, tags) in zip(predicted, data[-30:]):
    right += sum(TAGS[p] == t for p, t in zip(row, tags))
    total += len(words)
print(f"{right} of {total} words tagged right")

loss, accuracy = model.evaluate(X[-30:], y[-30:], verbose=0)
print(f"loss {loss:.3f}, accuracy {accuracy:.3f}")
