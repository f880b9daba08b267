"""RNNClassifier and RNNRegressor."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils import assert_all_finite, check_consistent_length, check_random_state, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from .. import activations, callbacks, core, losses
from ..configured import arguments_of
from ..layers.ragged import Ragged
from .sequences import as_sequences, is_sequences
from .training import Batches, build, one_order

Array = NDArray[Any]

PARAMETERS = """
    X is one of
    - (n, T, I): n sequences of T steps of I features; `predict` takes another T;
    - a list of n arrays (T_i, I), or (T_i,) for I = 1, of different lengths; no padding is run;
    - a table (n, features): each row is a sequence of `features` steps of one value.

    Args:
        cell: "lstm", "gru" or "rnn".
        units: units of each recurrent layer.
        num_layers: how many there are.
        bidirectional: whether each runs in both directions.
        dropout: what part of the outputs of each recurrent layer training drops.
        recurrent_dropout: what part of the states.
        epochs: passes over the data, at most.
        batch_size: sequences in a batch.
        optimizer: the name of one of `cellstep.optimizers`.
        learning_rate: of the optimizer.
        clipnorm: the largest norm of the gradient of a weight; None clips nothing.
        validation_fraction: the part of the data that early stopping keeps out.
        early_stopping: end when the loss on that part has not fallen by more than `tol` for `patience` epochs, and
            keep the weights of the best epoch.
        random_state: an int makes fits repeatable, bit for bit and at any number of threads.
        shuffle: take the sequences in a new random order each epoch.
        verbose: 0 nothing, 1 a bar on a terminal, 2 a line an epoch.
        dtype: "float32" or "float64".

    Attributes:
        model_: the fitted `cellstep.Sequential`; `stream` runs it step by step.
        n_features_in_: columns of a table, or features of a step.
        loss_curve_: the loss of each epoch; validation_loss_curve_: on the part kept out, None without early stopping.
        n_iter_: epochs that were run.
"""


class _Recurrent(BaseEstimator):  # type: ignore[misc]
    """What the estimators share: parameters, each an attribute of its name, X, training."""

    _one_value: bool  # whether X was a table

    model_: Any
    loss_curve_: list[float]
    classes_: Any
    _order: Any
    _shape: tuple[int, ...]

    def __init__(
        self,
        cell: str = "lstm",
        units: int = 32,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        epochs: int = 50,
        batch_size: int = 32,
        optimizer: str = "adam",
        learning_rate: float = 0.01,
        clipnorm: float | None = 1.0,
        validation_fraction: float = 0.1,
        early_stopping: bool = False,
        patience: int = 10,
        tol: float = 1e-4,
        shuffle: bool = True,
        random_state: Any = None,
        verbose: int = 0,
        dtype: str = "float32",
    ) -> None:
        self.__dict__.update(arguments_of(locals()))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _sequences(self, X: Any, reset: bool, y: Any = None) -> Array | Ragged:
        """X as models take it, as long as y where that was given; X has to be as in `fit` unless `reset`."""
        dtype = core.float_dtype("dtype", self.dtype)
        X = core.column_of_sequences(X)
        sequences = is_sequences(X)
        if not reset and sequences == self._one_value:
            wanted, came = ("a table (n, features)", "sequences")[:: 1 if self._one_value else -1]
            raise ValueError(f"expected X to be {wanted}, as in fit, got {came}")
        if sequences:
            x = as_sequences(X, dtype)
            if reset:
                self.n_features_in_ = x.shape[2]
            elif x.shape[2] != self.n_features_in_:
                raise ValueError(
                    f"X has {x.shape[2]} features, but {type(self).__name__} is expecting "
                    f"{self.n_features_in_} features as input"
                )
        else:
            options: dict[str, Any] = {"dtype": dtype, "reset": reset}
            x = validate_data(self, X, **options)[:, :, None]
        if y is not None:
            check_consistent_length(X if sequences else x, y)
        if reset:
            self._one_value = not sequences
        return x

    def _train(
        self, x: Array | Ragged, y: Array, weights: Array, outputs: int, loss: Any, strata: Any, more: bool = False
    ) -> Self:
        """Train a model that is built anew, or, where there is one and `more` is asked for, that one for one pass; y
        (n, ...) as the loss takes it."""
        rng = check_random_state(self.random_state)
        epochs = 1 if more else core.check_count("epochs", self.epochs)
        early = core.check_bool("early_stopping", self.early_stopping) and not more
        size, shuffle = core.check_count("batch_size", self.batch_size), core.check_bool("shuffle", self.shuffle)
        if more and hasattr(self, "model_"):
            model, order, losses_before = self.model_, self._order, self.loss_curve_
        else:
            model = build(self.get_params(deep=False), x.shape[2], outputs, loss, _seeds(rng))
            order, losses_before = np.random.default_rng(next(_seeds(rng))), []
        kept = np.flatnonzero(weights)
        held, hooks = None, []
        if early:
            fraction = core.check_number("validation_fraction", self.validation_fraction, 0, 1)
            part = None if strata is None else strata[kept]
            kept, out = train_test_split(kept, test_size=fraction, stratify=part, random_state=rng)
            held = (x[out], y[out], weights[out])
            patience = core.check_count("patience", self.patience)
            hooks.append(callbacks.EarlyStopping("val_loss", self.tol, patience, mode="min", restore_best_weights=True))
        weights = weights[kept]
        # mean 1, so that only what weights are to each other counts: two for a row are that row twice
        batches = Batches(x[kept], y[kept], weights / weights.mean(), size, order if shuffle else None)
        self.model_, self._order = model, order
        with one_order():
            history = model.fit(
                batches,
                epochs=epochs,
                validation_data=held,
                validation_batch_size=size,
                callbacks=hooks,
                verbose=self.verbose,
            ).history
        self.loss_curve_ = [*losses_before, *history["loss"]]
        self.validation_loss_curve_ = history.get("val_loss")
        self.n_iter_ = len(self.loss_curve_)
        return self

    def _predict(self, X: Any) -> Array:
        """(n, outputs) of the head."""
        check_is_fitted(self, "model_")
        x = self._sequences(X, reset=False)
        with one_order():
            return np.asarray(self.model_.predict(x, batch_size=self.batch_size, verbose=0))

    def _weights(self, sample_weight: Any, x: Array | Ragged) -> Array:
        weights = np.asarray(_check_sample_weight(sample_weight, list(range(len(x))), dtype=np.float64))
        if (weights < 0).any() or not weights.any():
            raise ValueError("expected sample_weight to be 0 or more, and not 0 for all samples")
        return weights


def _seeds(rng: np.random.RandomState) -> Iterator[int]:
    """Seeds without end."""
    while True:
        yield int(rng.randint(2**31 - 1))


class RNNClassifier(ClassifierMixin, _Recurrent):  # type: ignore[misc]
    __doc__ = f"""A recurrent net that says which class a sequence is of, trained with crossentropy.
{PARAMETERS}
        classes_: the labels.

    Another parameter is class_weight: class to weight, or "balanced".

    Example:
        >>> X = np.random.default_rng(0).standard_normal((40, 10, 2))
        >>> y = X[:, :, 0].mean(axis=1) > 0
        >>> net = RNNClassifier("gru", units=16, random_state=0).fit(X, y)
        >>> net.predict_proba(X).shape
        (40, 2)
    """

    def __init__(
        self,
        cell: str = "lstm",
        units: int = 32,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        epochs: int = 50,
        batch_size: int = 32,
        optimizer: str = "adam",
        learning_rate: float = 0.01,
        clipnorm: float | None = 1.0,
        class_weight: Any = None,
        validation_fraction: float = 0.1,
        early_stopping: bool = False,
        patience: int = 10,
        tol: float = 1e-4,
        shuffle: bool = True,
        random_state: Any = None,
        verbose: int = 0,
        dtype: str = "float32",
    ) -> None:
        self.__dict__.update(arguments_of(locals()))

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train anew.

        Args:
            X: n sequences.
            y: (n,) labels of any kind.
            sample_weight: (n,) numbers, 0 or more; None is 1 for all.
        """
        labels = self._labels(y)
        return self._learn(X, labels, np.unique(labels), sample_weight)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One pass over some of the data, with the model of the calls before; so many calls with the same data are a
        `fit` of so many epochs.

        Args:
            X, y, sample_weight: as of `fit`.
            classes: all labels that there will be; may be left out after the first call.
        """
        labels, first = self._labels(y), not hasattr(self, "model_")
        if first and classes is None:
            raise ValueError("classes must be given in the first call of partial_fit, got None")
        known = self.classes_ if classes is None else np.unique(column_or_1d(classes))
        if not first and not np.array_equal(known, self.classes_):
            raise ValueError(f"classes must be those of the first call, {self.classes_}, got {known}")
        if strange := sorted(set(labels.tolist()) - set(known.tolist())):
            raise ValueError(f"expected y to hold labels among classes, got {strange[0]!r}")
        if self.class_weight == "balanced":
            raise ValueError("class_weight='balanced' needs all data at once: give partial_fit a weight for each class")
        return self._learn(X, labels, known, sample_weight, True)

    def _learn(self, X: Any, labels: Array, classes: Array, sample_weight: Any, more: bool = False) -> Self:
        x = self._sequences(X, reset=not (more and hasattr(self, "model_")), y=labels)
        weights = self._weights(sample_weight, x) * compute_sample_weight(self.class_weight, labels)
        self.classes_ = classes
        codes, loss = np.searchsorted(classes, labels), losses.SparseCategoricalCrossentropy(from_logits=True)
        return self._train(x, codes, weights, len(classes), loss, codes, more)

    def _labels(self, y: Any) -> Array:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        shape = np.asarray(y).shape
        if len(shape) > 2:
            hint = "a Sequential whose layers have return_sequences=True labels each step"
            raise ValueError(f"expected y of shape (n,), got {shape}; {hint}")
        labels: Array = column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        return labels

    def predict_proba(self, X: Any) -> Array:
        """(n, classes) probabilities, in the order of `classes_`."""
        logits = self._predict(X)
        return np.asarray(activations.get("softmax").forward(logits.astype(np.float64))[0])

    def predict(self, X: Any) -> Array:
        """(n,) labels."""
        logits = self._predict(X)
        return np.asarray(self.classes_[logits.argmax(axis=1)])


class RNNRegressor(RegressorMixin, _Recurrent):  # type: ignore[misc]
    __doc__ = f"""A recurrent net that gives a number, or several, for a sequence, trained with the mean squared error.
{PARAMETERS}
    Targets are taken as they are: scale them (`sklearn.compose.TransformedTargetRegressor`) where they are far from 1.

    Example:
        >>> from cellstep.sklearn import windows
        >>> X, y = windows(np.sin(np.arange(400) / 8), 24)
        >>> net = RNNRegressor("gru", random_state=0).fit(X[:-100], y[:-100])
        >>> net.score(X[-100:], y[-100:]) > 0.9
        True
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train anew.

        Args:
            X: n sequences.
            y: (n,) or (n, K) numbers, or (n, steps, K): several steps ahead of several series.
            sample_weight: (n,) numbers, 0 or more; None is 1 for all.
        """
        return self._learn(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One pass over some of the data, for the arguments of `fit`, with the model of the calls before; so many calls
        with the same data are a `fit` of so many epochs."""
        return self._learn(X, y, sample_weight, True)

    def _learn(self, X: Any, y: Any, sample_weight: Any, more: bool = False) -> Self:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        dtype = core.float_dtype("dtype", self.dtype)
        targets = check_array(y, ensure_2d=False, allow_nd=True, dtype=dtype, input_name="y")
        again = more and hasattr(self, "model_")
        if again and targets.shape[1:] != self._shape:
            raise ValueError(f"expected y of shape {('n', *self._shape)} as before, got {targets.shape}")
        x = self._sequences(X, reset=not again, y=targets)
        weights = self._weights(sample_weight, x)
        self._shape = targets.shape[1:]
        return self._train(x, targets.reshape(len(targets), -1), weights, math.prod(self._shape), "mse", None, more)

    def predict(self, X: Any) -> Array:
        """(n,), (n, K) or (n, steps, K) numbers, as y was in `fit`."""
        return self._predict(X).reshape(-1, *self._shape)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R^2, over all numbers of a sequence alike."""
        flat = [np.reshape(values, (len(values), -1)) for values in (np.asarray(y), self.predict(X))]
        return float(r2_score(*flat, sample_weight=sample_weight))
