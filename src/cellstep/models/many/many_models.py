"""ManyModels: independent small models of one description, each with weights and data of its own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ... import core
from ...callbacks import EarlyStopping, History
from ...seeds import check_seed, global_generator, make_seed, seeded
from ..clone import clone_model
from ..data import Batch
from ..epochs import BATCH_SIZE
from ..logs import Logs
from ..model import Model
from . import files
from . import rows as data
from .net import Net
from .rows import Rows
from .scores import Scores
from .training import Training, cohorts, orders, predict
from .updates import Updates

Array = NDArray[Any]


class ManyModels:
    """n independent models of one description, trained in one call, each on data of its own: one small recurrent net
    for each subject of a study, or for each point of a grid of hyperparameters.

    Each gives what it would give alone, to the bit: the weights, losses, metrics and predictions are those of a loop
    over the models with `set_random_seed(seeds[i])`, the model made anew, and `fit`. What the loop spends on Python for
    each batch of each model is spent once for hundreds, and the models are the lanes of the processor's vectors.

    Args:
        model: the description, built and compiled: Masking perhaps, then recurrent layers and Dense, one after another.
            It is not changed.
        n: how many models. May be left out where `seeds` are given.
        seeds: an integer for each model, from which its first weights and its orders of rows are drawn; by default
            drawn from the global generator.
        learning_rate: that of each model, (n,); by default that of the optimizer.

    Not covered are dropout, penalties, constraints, layers of other kinds, wrappers such as Bidirectional, sample
    weights, and metrics that are no means over rows: such models are refused. It needs the compiled backend.

    Raises:
        NotImplementedError: the model has what is not covered. RuntimeError: it is not compiled.
        TypeError, ValueError: an argument that does not fit.

    Example:
        >>> model = Sequential([Input((None, 2)), GRU(4), Dense(2, activation="softmax")])
        >>> model.compile("adam", "sparse_categorical_crossentropy")
        >>> many = ManyModels(model, 3)
        >>> x, y = np.ones((3, 20, 10, 2)), np.zeros((3, 20))
        >>> histories = many.fit(x, y, epochs=2)
        >>> many.model(1).predict(x[1], verbose=0).shape
        (20, 2)
    """

    def __init__(
        self, model: Any, n: int | None = None, seeds: Sequence[int] | None = None, learning_rate: Any = None
    ) -> None:
        own = _seeds(n, seeds)
        self._begin(model, len(own))
        if learning_rate is not None:
            self.learning_rate = learning_rate
        made_anew = _maker(model)
        for seed, row in zip(own, self._values, strict=True):
            with seeded(seed):
                row[...] = np.concatenate([w.reshape(-1) for w in made_anew()])
                self._generators.append(global_generator())

    def _begin(self, model: Any, n: int) -> None:
        """Room for n models of this description."""
        if not isinstance(model, Model):
            raise TypeError(f"model must be a Sequential or a Model, got {core.brief(model)}")
        compiled = model._trainer.ready("ManyModels")
        self._model, self._net, self.n = model, Net(model), core.check_count("n", n)
        self._updates = Updates(compiled.optimizer, n, self._net.sizes, self._net.dtype)
        self._values = np.zeros((n, self._net.P), self._net.dtype)
        #: Of each model the generator that would be the global one where it alone were made and trained.
        self._generators: list[np.random.Generator] = []

    def __len__(self) -> int:
        return self.n

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_net"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._net = Net(self._model)

    def __repr__(self) -> str:
        return f"<ManyModels: {self.n} of {self._model.name}>"

    @property
    def learning_rate(self) -> Array:
        """(n,) that of each model; may be set to numbers, or to one for all."""
        return self._updates.rates.copy()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if self._updates.rule.scheduled:
            raise TypeError("learning_rate cannot be set: it follows the schedule of the optimizer")
        rates = np.asarray(core.real("learning_rate", value), np.float64)
        if rates.shape not in ((), (self.n,)) or not (np.isfinite(rates).all() and (rates >= 0).all()):
            raise ValueError(f"learning_rate must be {self.n} finite numbers >= 0, or one, got {core.brief(value)}")
        self._updates.rates[...] = rates

    def get_weights(self) -> list[Array]:
        """The weights of all models, in the order of the description's: an array (n, ...) for each."""
        parts = np.split(self._values, np.cumsum(self._net.sizes)[:-1], axis=1)
        return [
            part.reshape(self.n, *weight.shape).copy() for part, weight in zip(parts, self._model.weights, strict=True)
        ]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take over weights as `get_weights` gives them.

        Raises:
            TypeError, ValueError: a number or a shape does not fit; nothing was changed.
        """
        wanted = self._model.weights
        if not isinstance(weights, list | tuple):
            raise TypeError(f"weights must be a list of {len(wanted)} arrays, got {core.brief(weights)}")
        if len(weights) != len(wanted):
            raise ValueError(f"weights must be {len(wanted)} arrays, got {len(weights)}")
        arrays = [
            core.as_array(f"weights of {w.path}", a, self._net.dtype, (self.n, *w.shape))
            for w, a in zip(wanted, weights, strict=True)
        ]
        self._values = np.concatenate([a.reshape(self.n, -1) for a in arrays], axis=1)

    def model(self, i: int) -> Model:
        """Model i as an ordinary one: new layers with its weights, compiled as the description is.

        Raises:
            IndexError: there is none of this number.
        """
        if not -self.n <= core.check_integer("i", i) < self.n:
            raise IndexError(f"i must be from 0 to {self.n - 1}, got {i}")
        made = clone_model(self._model)
        parts = np.split(self._values[i], np.cumsum(self._net.sizes)[:-1])
        made.set_weights([p.reshape(w.shape) for p, w in zip(parts, made.weights, strict=True)])
        if not self._updates.rule.scheduled and made.optimizer is not None:
            made.optimizer.learning_rate = float(self._updates.rates[i])
        return made

    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int = BATCH_SIZE,
        epochs: int = 1,
        callbacks: EarlyStopping | None = None,
        validation_split: float = 0.0,
        validation_data: tuple[Any, Any] | None = None,
        shuffle: bool = True,
    ) -> list[History]:
        """Train each model on its data. Called again, it goes on with the optimizers' states.

        Args:
            x: for each model an array (rows, T, features); rows and T may differ between models. One array with all
                models first will do. Sequences of different lengths within a model are padded, with Masking in front.
            y: for each model its targets.
            batch_size, epochs, validation_split, shuffle: as in `Model.fit`.
            callbacks: an EarlyStopping, or a list of one: each model has its own, and stops by itself.
            validation_data: (x, y), each as x and y.

        Returns:
            the History of each model.

        Raises:
            NotImplementedError: another callback. ValueError, TypeError: data or an argument that does not fit.

        Ctrl-C leaves each model as it was after its last whole epoch.
        """
        epochs, size = core.check_count("epochs", epochs), core.check_count("batch_size", batch_size)
        core.check_bool("shuffle", shuffle)
        stops = _stops(callbacks, self.n)
        batches, held = data.checked(self._model, x, y, self.n), None
        if validation_data is not None:
            pair = isinstance(validation_data, tuple | list) and len(validation_data) == 2
            if not pair or validation_data[1] is None:
                raise ValueError(f"validation_data must be (x, y), got {core.brief(validation_data)}")
            held = Rows(self._net, data.checked(self._model, *validation_data, self.n))
        elif validation_split:
            batches, rest = data.split(batches, validation_split)
            held = Rows(self._net, rest)
        rows, training = Rows(self._net, batches), self._training(batches[0], size)
        members = [Member(self, i, training.scores.directions) for i in range(self.n)]
        for stop, member in zip(stops, members, strict=False):
            stop.set_model(member)
            stop.on_train_begin()
        rngs = [np.random.default_rng(int(g.integers(2**32))) for g in self._generators] if shuffle else []
        going, epoch = np.argsort(rows.counts, kind="stable"), 0
        while epoch < epochs and len(going):
            for cohort in cohorts(going):
                order = orders(rows, cohort, lambda i, n: rngs[i].permutation(n) if shuffle else np.arange(n))
                logs = training.epoch(cohort, rows, order)
                if held is not None:
                    logs |= training.evaluate(cohort, held, "val_")
                for i, numbers in zip(cohort.tolist(), _by_model(logs), strict=True):
                    members[i].history.on_epoch_end(epoch, numbers)
                    if stops:
                        stops[i].on_epoch_end(epoch, numbers)
            going, epoch = going[[not members[i].stop_training for i in going.tolist()]], epoch + 1
        for stop in stops:
            stop.on_train_end()
        return [member.history for member in members]

    def evaluate(self, x: Any, y: Any, batch_size: int = BATCH_SIZE) -> dict[str, Array]:
        """The loss and the metrics of each model over its data, given as in `fit`: (n,) by name."""
        size, batches = core.check_count("batch_size", batch_size), data.checked(self._model, x, y, self.n)
        rows, training = Rows(self._net, batches), self._training(batches[0], size)
        found: dict[str, Array] = {}
        for cohort in cohorts(np.argsort(rows.counts, kind="stable")):
            for name, values in training.evaluate(cohort, rows).items():
                found.setdefault(name, np.empty(self.n))[cohort] = values
        return found

    def predict(self, x: Any, batch_size: int = BATCH_SIZE) -> list[Array]:
        """The outputs of each model for its inputs, given as in `fit`."""
        size = core.check_count("batch_size", batch_size)
        return predict(self._net, self._values, Rows(self._net, data.checked(self._model, x, None, self.n)), size)

    def save(self, filepath: Any, overwrite: bool = True) -> None:
        """Write the description and all models, with the states of their optimizers and generators.

        Args:
            filepath: ends in .safetensors. overwrite: replace a file that is there.

        Raises:
            FileExistsError: there is such a file, without `overwrite`.
        """
        files.save(self, filepath, overwrite)

    @classmethod
    def load(cls, filepath: Any, custom_objects: Mapping[str, Any] | None = None, max_bytes: int | None = None) -> Self:
        """Read models that `save` wrote; they go on where those were.

        Args:
            filepath: of the file. custom_objects: classes of the user's by name, beside registered ones.
            max_bytes: the most memory that reading may take; see `load_model`.

        Raises:
            FileNotFoundError: there is none. ValueError: it is damaged, or holds something else.
        """
        return files.load(cls, filepath, custom_objects, max_bytes)  # type: ignore[return-value]

    def _training(self, batch: Batch, size: int) -> Training:
        """Of a batch of the first model, whose shapes the metrics are made for."""
        if batch.y is None:
            raise ValueError("y must be given, got None")
        outputs = self._model.output_shape[1:]
        pred = np.zeros((1, *(batch.x.shape[1] if n is None else n for n in outputs)), self._net.dtype)
        compiled = self._model._trainer.ready("fit")
        return Training(self._net, self._values, Scores(compiled, batch.y[:1], pred), self._updates, size)


class Member:
    """One of the models, as an EarlyStopping sees it."""

    def __init__(self, many: ManyModels, i: int, metrics: list[Any]) -> None:
        self._many, self._i, self.metrics = many, i, metrics
        self.stop_training = False
        self.history = History()

    def get_weights(self) -> Array:
        """All of its weights in one array."""
        row: Array = self._many._values[self._i].copy()
        return row

    def set_weights(self, weights: Array) -> None:
        self._many._values[self._i] = weights


def _seeds(n: int | None, given: Any) -> list[int]:
    """A seed for each model."""
    if given is None:
        if n is None:
            raise ValueError("n must be given, or seeds, got neither")
        return [make_seed() for _ in range(core.check_count("n", n))]
    own = [check_seed(seed) for seed in given] if isinstance(given, Iterable) else []
    if not own or (n is not None and len(own) != core.check_count("n", n)):
        raise ValueError(
            f"seeds must be {n or 'one or more'} integers, one a model, got {len(own) or core.brief(given)}"
        )
    return own


def _maker(model: Any) -> Callable[[], list[Array]]:
    """A function that gives the weights of the model made anew, without what `clone_model` makes besides."""
    layers = [(type(layer), layer.get_config(), layer.built_for) for layer in model._graph.line()]

    def weights() -> list[Array]:
        made = [(kind.from_config(config), shape) for kind, config, shape in layers]
        for layer, shape in made:
            layer.build(shape)
        return [weight.value for layer, _ in made for weight in layer.weights]

    return weights


def _stops(callbacks: Any, n: int) -> list[EarlyStopping]:
    """An EarlyStopping for each model; none where there is none."""
    given = list(callbacks) if isinstance(callbacks, list | tuple) else [] if callbacks is None else [callbacks]
    if not given:
        return []
    if len(given) > 1 or type(given[0]) is not EarlyStopping:
        raise NotImplementedError(
            f"ManyModels takes no callbacks but one EarlyStopping, got {', '.join(type(c).__name__ for c in given)}"
        )
    return [copy.deepcopy(given[0]) for _ in range(n)]


def _by_model(logs: dict[str, Array]) -> list[Logs]:
    """(k,) numbers by name as a dictionary for each of k models."""
    names = sorted(logs)
    columns = [logs[name].tolist() for name in names]
    return [dict(zip(names, numbers, strict=True)) for numbers in zip(*columns, strict=True)]
