"""Keras's older HDF5 files, `.h5`: weights by the names of their layers, and the configuration in attributes.

    attributes model_config, training_config    of a whole model, as JSON
    model_weights/                              of a whole model; in a file of weights alone what follows is at the root
      attribute layer_names                     the layers in order
      <layer>/ attribute weight_names           its weights in order: those that learn, then the others
      <layer>/<name of the weight>              an array
    optimizer_weights/ attribute weight_names   likewise the state of the optimizer

tf.keras 2 writes them, and Keras 3 where a name ends in .h5. They are read here and not written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..layers import InputLayer, Variable
from ..untrusted import FileError
from . import cudnn, hdf5

WEIGHTS, OPTIMIZER = "model_weights", "optimizer_weights"
NAMES, LAYERS, OWN = "weight_names", "layer_names", "top_level_model_weights"


def is_whole(file: hdf5.File) -> bool:
    """Whether this is a file of a whole model."""
    return file.has_attribute("", "model_config")


def is_legacy(file: hdf5.File) -> bool:
    """Whether this is a file of the older kind."""
    return any(file.has_attribute("", name) for name in ("model_config", LAYERS, f"{LAYERS}0"))


def text(file: hdf5.File, name: str, max_bytes: int) -> bytes | None:
    """An attribute of the file that is JSON, or None.

    Raises:
        FileError: it is something else, or larger.
    """
    if not file.has_attribute("", name):
        return None
    found = file.texts("", name, max_bytes)
    if len(found) != 1:
        raise FileError(file.path, f"attribute {name}", f"must hold one text, got {len(found)}")
    return found[0].encode()


def places(file: hdf5.File, group: str) -> list[str]:
    """Where the arrays of a group are, in the order of their names in its attribute."""
    return [f"{group}/{name}".lstrip("/") for name in _listed(file, group, NAMES)]


def _listed(file: hdf5.File, place: str, name: str) -> list[str]:
    """An attribute that is a list of names; a long one is spread over name0, name1, and so on."""
    if file.has_attribute(place, name):
        return file.texts(place, name)
    found: list[str] = []
    number = 0
    while file.has_attribute(place, f"{name}{number}"):
        found += file.texts(place, f"{name}{number}")
        number += 1
    return found


def matched(model: Any, file: hdf5.File, skip: Any) -> list[tuple[Variable, hdf5.Entry]]:
    """The weights of a model with their arrays.

    Layers go by their names where the file has the names of all that have weights, and else by their order. Weights go
    by their order, which their names must confirm: that order depends on which weights were frozen.

    Args:
        model: built. file: of the older kind.
        skip: where given, is called with a layer and the reason why it does not fit, in place of the error.

    Raises:
        FileError: the file does not fit the model.
    """
    top = WEIGHTS if is_whole(file) else ""
    kept = {name: places(file, f"{top}/{name}".lstrip("/")) for name in _listed(file, top, LAYERS)}
    kept = {name: found for name, found in kept.items() if found}
    layers = [layer for layer in model.layers if not isinstance(layer, InputLayer) and layer.weights]
    if {layer.name for layer in layers} <= set(kept):
        pairs = [(layer, kept.pop(layer.name)) for layer in layers]
        left = list(kept)
    else:
        pairs = list(zip(layers, kept.values(), strict=False))
        left = [] if len(kept) == len(layers) else [f"{len(kept)} layers with weights"]
    if left and skip is None:
        wanted = ", ".join(layer.name for layer in layers)
        raise FileError(
            file.path, top, f"must hold weights of the layers {wanted} and no others, got {', '.join(left)}"
        )
    found: list[tuple[Variable, hdf5.Entry]] = []
    for layer, listed in pairs:
        try:
            found += _pairs(file, layer.name, [*layer.trainable_weights, *layer.non_trainable_weights], listed)
        except FileError as error:
            if skip is None:
                raise
            skip(layer, error)
    own = [weight for weight in model._weights if not any(weight is known for known, _ in found)]
    return found + (_pairs(file, model.name, own, places(file, f"{top}/{OWN}".lstrip("/"))) if own else [])


def _pairs(
    file: hdf5.File, layer: str, weights: Sequence[Variable], listed: Sequence[str]
) -> list[tuple[Variable, hdf5.Entry]]:
    if len(listed) != len(weights):
        raise FileError(file.path, "", f"must hold {len(weights)} weights of {layer}, got {len(listed)}")
    found = []
    entries = cudnn.converted(weights, [file.entry(place) for place in listed])
    for weight, place, entry in zip(weights, listed, entries, strict=True):
        if hdf5.last_name(place) != weight.name:
            raise FileError(
                file.path,
                place,
                f"must hold {weight.path} here: the order depends on which weights are frozen, so let `trainable` be "
                "as it was when the file was written",
            )
        if entry.shape != weight.shape:
            raise FileError(file.path, place, f"must hold {weight.path} of shape {weight.shape}, got {entry.shape}")
        found.append((weight, entry))
    return found


def optimizer_places(file: hdf5.File) -> list[str]:
    """Where the state of the optimizer is, in today's order: steps, then those of each weight beside one another.

    The optimizers of Keras 2.10 and before have all of one kind, m, before all of the next, v.
    """
    found = places(file, OPTIMIZER)
    kinds: dict[str, list[str]] = {}
    for place in found[1:]:
        kinds.setdefault(hdf5.last_name(place), []).append(place)
    if set(kinds) == {"m", "v"}:
        return [found[0], *(place for pair in zip(kinds["m"], kinds["v"], strict=False) for place in pair)]
    return found
