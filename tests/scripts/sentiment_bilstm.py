"""Sentiment of short reviews: integer tokens, an Embedding that masks, a bidirectional LSTM, a metric of its own."""

import os
import tempfile

import numpy as np

import keras
from keras import layers
from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from keras.preprocessing.sequence import pad_sequences

rng = np.random.default_rng(1)
best = os.path.join(tempfile.mkdtemp(), "best.weights.h5")
GOOD, BAD = ["great", "lovely", "moving", "superb"], ["dull", "awful", "boring", "weak"]
FILL = ["the", "film", "was", "and", "a", "plot", "with", "actors", "in", "it", "very"]


def review(positive):
    words = list(rng.choice(FILL, rng.integers(4, 14)))
    for _ in range(rng.integers(1, 4)):
        words.insert(int(rng.integers(0, len(words))), str(rng.choice(GOOD if positive else BAD)))
    return " ".join(words)


y = rng.integers(0, 2, 200)
texts = [review(p) for p in y]
vocabulary = {"<pad>": 0, "<oov>": 1}
for text in texts[:160]:
    for word in text.split():
        vocabulary.setdefault(word, len(vocabulary))
sequences = [[vocabulary.get(word, 1) for word in text.split()] for text in texts]
MAXLEN = 16
x = pad_sequences(sequences, maxlen=MAXLEN, padding="post", truncating="post")
x_train, y_train, x_test, y_test = x[:160], y[:160], x[160:], y[160:]


class F1(keras.metrics.Metric):
    def __init__(self, threshold=0.5, name="f1", **kwargs):
        super().__init__(name=name, **kwargs)
        self.threshold = threshold
        self.precision = keras.metrics.Precision(thresholds=threshold)
        self.recall = keras.metrics.Recall(thresholds=threshold)

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.precision.update_state(y_true, y_pred, sample_weight)
        self.recall.update_state(y_true, y_pred, sample_weight)

    def result(self):
        p, r = self.precision.result(), self.recall.result()
        return 2 * p * r / (p + r + keras.backend.epsilon())

    def reset_state(self):
        self.precision.reset_state()
        self.recall.reset_state()


pretrained = rng.standard_normal((len(vocabulary), 12)).astype("float32") * 0.3
pretrained[0] = 0


def build_model(trainable=True, rnn=layers.LSTM):
    model = keras.Sequential(
        [
            layers.Input(shape=(MAXLEN,), dtype="int32"),
            layers.Embedding(
                len(vocabulary),
                12,
                embeddings_initializer=keras.initializers.Constant(pretrained),
                mask_zero=True,
                trainable=trainable,
            ),
            layers.Bidirectional(rnn(10, return_sequences=True, dropout=0.2, recurrent_dropout=0.0)),
            layers.Bidirectional(rnn(6), merge_mode="ave"),
            layers.Dense(8, activation="relu", kernel_initializer="he_normal"),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid", bias_initializer="zeros"),
        ]
    )
    model.compile(
        loss="binary_crossentropy",
        optimizer=keras.optimizers.RMSprop(learning_rate=0.005),
        metrics=[
            "acc",
            F1(),
            keras.metrics.AUC(name="auc"),
            keras.metrics.BinaryAccuracy(threshold=0.6, name="strict"),
        ],
    )
    return model


for rnn, trainable in ((layers.LSTM, True), (layers.GRU, False)):
    model = build_model(trainable, rnn)
    callbacks = [
        EarlyStopping(monitor="val_auc", mode="max", patience=3, restore_best_weights=True),
        ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1, min_delta=0.5, min_lr=1e-4),
        ModelCheckpoint(best, save_weights_only=True, save_best_only=True),
    ]
    history = model.fit(x_train, y_train, batch_size=16, epochs=3, validation_split=0.2, callbacks=callbacks, verbose=0)
    print(rnn.__name__, [round(v, 3) for v in history.history["val_auc"]], history.history["learning_rate"])
    model.load_weights(best)
    results = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    print({name: round(value, 2) for name, value in results.items()})

scores = model.predict(pad_sequences([[1, 5, 3], [2]], maxlen=MAXLEN, padding="post"), verbose=0)
print("positive" if scores[0, 0] > 0.5 else "negative", scores.ravel().round(3))
