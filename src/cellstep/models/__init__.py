"""Models: layers put together, and their training."""

from __future__ import annotations

from ..exports import public
from ..layers.deserialization import offer
from .clone import clone_model
from .forward_mode import jvp
from .many import ManyModels, sample_gradients
from .model import Model
from .plot import model_to_dot, plot_model
from .rtrl import RTRL
from .saving import load_model, model_from_json, save_model
from .sequential import Sequential
from .trainable import Trainable as Trainer

# what configurations call a Model that is made of tensors
Functional = Model
offer(Sequential, Model, Functional=Model)

__all__ = [
    "RTRL",
    "Functional",
    "ManyModels",
    "Model",
    "Sequential",
    "Trainer",
    "clone_model",
    "jvp",
    "load_model",
    "model_from_json",
    "model_to_dot",
    "plot_model",
    "sample_gradients",
    "save_model",
]

__dir__ = public(globals())
