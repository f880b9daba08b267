"""Lookup: an object from its name, its class, its configuration or itself, and back to a configuration.

One for each kind of thing that layers and models take by name, such as regularizers; names are Keras's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from . import registry
from .configured import cached, closest
from .core import brief
from .exports import public

T = TypeVar("T")

_IMAGES = "it is for images; NumPy changes arrays before `fit`"
_NUMBERS = "np.unique(words, return_inverse=True) makes the integers that Embedding takes"
_FLOATS = "layers compute in float32, or in float64 where dtype or backend.set_floatx says so"
_FLAT = "its names are in the module above it: layers, or utils"
_OPTIMIZERS = "Adam, AdamW, RMSprop and SGD are optimizers for models of sequences"
#: What Keras has, or older Keras had, and cellstep has not, by patterns of the names, and what takes its place.
ABSENT = {
    r"ConvLSTM\d?D?(Cell)?": "TimeDistributed(Conv1D(...)) gives features of each step, and LSTM runs over them",
    r"DepthwiseConv\dD": "SeparableConv1D, and Conv1D with groups, look at each feature alone over time",
    r"Adaptive(Average|Max)Pooling\dD": "{1}Pooling1D and Global{1}Pooling1D are the layers over time",
    r"(\w+)[23]D(Transpose|)": "{1}1D{2} is the layer over time, and Reshape makes one axis of steps of several",
    r"TextVectorization|StringLookup|IntegerLookup|Hashing|HashedCrossing|Tokenizer|text": _NUMBERS,
    "Discretization": "np.digitize makes the integers that Embedding takes",
    "CategoryEncoding": "Embedding takes the integers, and utils.to_categorical makes vectors of them",
    "Rescaling": "Normalization(mean=..., variance=...) and Lambda(lambda x: scale * x + offset) do it",
    r"Rand(om[A-Z]\w+|Augment)|Resizing|CenterCrop|AutoContrast|CutMix|MixUp|\w*Equalization|Solarization": _IMAGES,
    "AugMix|MaxNumBoundingBoxes|ImageDataGenerator|image|applications": _IMAGES,
    r"(Mel|STFT)Spectrogram": "scipy.signal makes spectrograms before `fit`",
    "GroupNormalization|RMSNormalization": "LayerNormalization takes one axis, or several",
    "SpectralNormalization": "kernel_constraint holds norms of weights",
    "AlphaDropout": "Dropout and GaussianDropout drop",
    "EinsumDense": "Dense multiplies the last axis, and ops.einsum others, in the call of a layer of your own",
    "Group(ed)?QueryAttention": "MultiHeadAttention attends in heads",
    "ReversibleEmbedding": "Embedding and Dense are its two ways",
    "InputSpec": "the build of a layer of your own checks shapes",
    "Pipeline": "Sequential runs layers one after another",
    "Wrapper": "a layer of your own holds the other as an attribute and calls it in its call",
    "CuDNN(LSTM|GRU)": "{1} runs on compiled kernels by itself",
    "ThresholdedReLU": "ReLU(threshold=...) is its newer name",
    "TFSMLayer|TorchModuleWrapper|JaxLayer|FlaxLayer": "a layer of your own writes call, or forward with a pullback",
    "IoU|BinaryIoU|MeanIoU|OneHotIoU|OneHotMeanIoU|Dice|Tversky": "it is for the overlap of regions in images",
    "CategoricalGeneralizedCrossEntropy": "it is for noisy labels of images",
    "Ftrl|Adafactor|Muon": _OPTIMIZERS,
    "LossScaleOptimizer": "weights are float32 or float64, and losses need no scaling",
    "mixed_precision|dtype_policies|(Float)?DTypePolicy|dtype_policy": _FLOATS,
    "quantizers|Quantizer": _FLOATS,
    "distribution|device|multi_gpu_model": "calls run on the cores of one machine; set_num_threads says on how many",
    "export": "bridges.to_onnx writes a file that other programs run",
    "estimator": "compile and fit train a model, and cellstep.sklearn has estimators",
    "version": "cellstep.__version__ is the version",
    r"\w+_dataset_from_directory|FeatureSpace": "NumPy or pandas read the data before `fit`",
    "(load|save)_img|array_to_img|img_to_array": _IMAGES,
    # older Keras
    "TimeseriesGenerator": "utils.timeseries_dataset_from_array makes windows of a series",
    "predict_classes": "predict(x).argmax(axis=-1) gives classes, and predict(x) > 0.5 those of one sigmoid unit",
    "predict_proba": "predict(x) gives probabilities",
    "TFOpLambda|SlicingOpLambda|TensorFlowOpLayer": "functions of cellstep.ops take the place of TensorFlow's",
    "(fit|evaluate|predict)_generator": "{1} takes generators",
    r"(\w+)_on_generator": "fit, evaluate and predict take generators",
    "legacy|experimental": "its classes are those that are here, without this name before theirs",
    "np_utils": "utils.to_categorical and the like are in utils itself",
    "wrappers": "cellstep.sklearn has estimators, and layers has Bidirectional and TimeDistributed",
    "core|embeddings|advanced_activations|convolutional|convolutional_recurrent|local|engine|topology": _FLAT,
    "generic_utils|layer_utils|data_utils|io_utils|conv_utils": _FLAT,
    "objectives": "losses is their newer name",
    "(get|set)_session|tensorflow_backend|learning_phase|set_learning_phase": "calls compute, by arrays, and need none",
}
_PLAIN = {name.lower(): name for pattern in ABSENT for name in pattern.split("|") if name.isalnum()}


def why_left_out(name: Any) -> str:
    """What to use in the place of a name of Keras's that cellstep leaves out; empty for others."""
    name = _PLAIN.get(str(name).replace("_", "").lower(), str(name))
    for pattern, instead in ABSENT.items():
        match = re.fullmatch(pattern, name)
        if match:
            return f"{name} is not in cellstep: {instead.format('', *match.groups())}"
    return ""


def absent(module: dict[str, Any], more: Iterable[str] = ()) -> None:
    """Give a module, by its `globals()`, a `__getattr__` with one sentence for a name that it does not have, and its
    `__dir__`; `more` are public names that `__all__` leaves out."""

    def __getattr__(name: str) -> Any:
        why = why_left_out(name)
        if why and sys._getframe(1).f_code.co_name == "_handle_fromlist":
            # `from ... import name` asks here first, and would put its own sentence in the place of an AttributeError
            raise ImportError(f"cannot import name {name!r} from {module['__name__']!r}: {why}")
        raise AttributeError(f"module {module['__name__']!r} has no attribute {name!r}{why and ': '}{why}")

    module.update(__getattr__=__getattr__, __dir__=public(module, more))


def unknown(argument: str, name: Any, known: Sequence[str]) -> str:
    """The message for a name that nothing has: all names where they are few, else those that are most like it.

    Args:
        argument: what to blame. name: what came. known: the names that there are.
    """
    why = why_left_out(name)
    if why:
        return f"{argument} must be one of the {len(known)} names there are, got {name!r}: {why}"
    if sum(map(len, known)) < 160:
        return f"{argument} must be one of {', '.join(known)}, got {name!r}"
    like = " or ".join(closest(str(name), known) or known[:3])
    return f"{argument} must be one of the {len(known)} names there are, such as {like}, got {name!r}"


@cached
def snake_case(name: str) -> str:
    """SimpleRNN -> simple_rnn, LSTMCell -> lstm_cell, as Keras names layers."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def names_in(namespace: Mapping[str, Any], base: type[T]) -> dict[str, type[T]]:
    """The names in lower case that a module, by its `globals()`, has for classes of a kind."""
    return {
        name: value
        for name, value in namespace.items()
        if name.islower() and isinstance(value, type) and issubclass(value, base)
    }


class Lookup(Generic[T]):
    """The objects of one kind.

    Args:
        kind: what they are, for messages: "regularizer".
        base: their base class; an object of it is taken as it is.
        names: short name to class, which messages list. Class names are known too.
        other: further names that messages do not list.
        wanted: what is taken, for messages.
        of_function: what a function becomes, where one may stand for an object of this kind.
    """

    def __init__(
        self,
        kind: str,
        base: type[T],
        names: Mapping[str, type[T]],
        other: Mapping[str, type[T]] | None = None,
        wanted: str = "",
        of_function: Callable[[Any], Any] | None = None,
    ) -> None:
        self.kind, self.base, self.names, self.of_function = kind, base, dict(names), of_function
        self.wanted = wanted or f"a name, a configuration or a cellstep {kind}"
        self.by_name = {**self.names, **{c.__name__: c for c in self.names.values()}, **(other or {})}

    def get(self, identifier: Any, argument: str = "") -> T:
        """The object for a name, with its defaults; for a class; for a configuration; or the object itself.

        Args:
            identifier: one of these.
            argument: the name to blame in a message; the kind where empty.

        Raises:
            ValueError: nothing has this name; the message lists the names. TypeError: it is none of these.
        """
        if isinstance(identifier, self.base):
            return identifier
        own = registry.find(identifier)
        kind: Any = identifier if own is None else own
        name = identifier.get("class_name") if isinstance(identifier, dict) else identifier
        if isinstance(kind, str | dict) and isinstance(name, str):
            if name not in self.by_name:
                raise ValueError(unknown(argument or self.kind, name, list(self.names)))
            kind = self.by_name[name]
        if isinstance(kind, type) and issubclass(kind, self.base):
            return self.make(kind, identifier)
        if self.of_function is not None and callable(kind) and not isinstance(kind, type):
            return cast(T, self.of_function(kind))
        raise TypeError(f"{argument or self.kind} must be {self.wanted}, got {brief(identifier)}")

    def make(self, kind: Any, identifier: Any) -> T:
        """An object of a class that a name, a configuration or the class itself stood for."""
        if isinstance(identifier, dict):
            config = identifier.get("config") or {}
            if not isinstance(config, Mapping):
                raise TypeError(f"config of {kind.__name__} must be a dictionary, got {brief(config)}")
            return cast(T, kind.from_config(dict(config)))
        return cast(T, kind())


def reader(get: Callable[[Any], T]) -> Callable[..., T]:
    """The `deserialize` of a kind, from its `get`."""
    return both(get)[1]


def both(get: Callable[[Any], T]) -> tuple[Callable[[Any], Any], Callable[..., T]]:
    """The `serialize` and the `deserialize` of a kind, from its `get`."""

    def serialize(thing: Any) -> Any:
        """Keras's dictionary {module, class_name, config, registered_name}, ready for JSON; None for None.

        Raises:
            TypeError: it holds a function that is not registered.
        """
        return None if thing is None else registry.serialize(thing)

    def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> T:
        """The object for what `serialize` gave, or Keras, or for a name.

        Args:
            config: that. custom_objects: classes and functions of the user's by name, beside registered ones.

        Raises:
            ValueError, TypeError: as of `get`.
        """
        with registry.custom_object_scope(custom_objects):
            return get(config)

    registry.enter(get.__module__.removeprefix(f"{__package__}."), deserialize)
    serialize.__module__ = deserialize.__module__ = get.__module__  # where users find them
    return serialize, deserialize
