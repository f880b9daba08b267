"""Variants of the LSTM, written as their equations."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import activations
from ..configured import hook
from .cell import Cell

_NAMES = {"i": "input", "f": "forget", "c": "candidate", "o": "output"}
_ROLES = {"i": "store", "f": "keep", "c": "store", "o": "output"}


class PeepholeLSTM(Cell):
    """An LSTM whose gates see c, each unit its own: i and f the old one, o the new one. With `cell_clip` c stays
    between minus it and it; with `gate_clip` so do the sums of the gates.

    F. Gers, N. Schraudolph and J. Schmidhuber, "Learning precise timing with LSTM recurrent networks", Journal of
    Machine Learning Research 3, 2002. Clipping as in H. Sak, A. Senior and F. Beaufays, 2014 (arXiv 1402.1128).
    """

    gates = "i f c o"
    states = "h c"
    vectors = "input_peephole forget_peephole output_peephole"
    gate_names, roles = _NAMES, _ROLES
    activation: Any = "tanh"
    recurrent_activation: Any = "sigmoid"
    output_activation: Any = "tanh"
    cell_clip: Any = None
    gate_clip: Any = None

    def bounded(self, value: Any, limit: Any) -> Any:
        """Between minus the limit and it, if there is one."""
        return value if limit is None else np.clip(value, -limit, limit)

    def gate(self, value: Any) -> Any:
        """A gate of its sum."""
        return self.recurrent_activation(self.bounded(value, self.gate_clip))

    @hook
    def step(self, z: Any, h: Any, c: Any) -> Any:
        i, f = self.gate(z.i + self.input_peephole * c), self.gate(z.f + self.forget_peephole * c)
        new = self.bounded(f * c + i * self.activation(self.bounded(z.c, self.gate_clip)), self.cell_clip)
        o = self.gate(z.o + self.output_peephole * new)
        return o * self.output_activation(new), new


class CoupledLSTM(Cell):
    """An LSTM that forgets as much as it stores: c' = (1 - i) c + i g; without a forget gate.

    K. Greff, R. Srivastava, J. Koutnik, B. Steunebrink and J. Schmidhuber, "LSTM: a search space odyssey", IEEE
    Transactions on Neural Networks and Learning Systems 28, 2017 (arXiv 1503.04069), where it is CIFG.
    """

    gates = "i c o"
    states = "h c"
    gate_names, roles = _NAMES, _ROLES
    activation: Any = "tanh"
    recurrent_activation: Any = "sigmoid"
    cell_clip: Any = None

    @hook
    def step(self, z: Any, h: Any, c: Any) -> Any:
        i = self.recurrent_activation(z.i)
        new = (1 - i) * c + i * self.activation(z.c)
        new = new if self.cell_clip is None else np.clip(new, -self.cell_clip, self.cell_clip)
        return self.recurrent_activation(z.o) * self.activation(new), new


class ClippedLSTM(Cell):
    """An LSTM whose c stays between minus `cell_clip` and it.

    H. Sak, A. Senior and F. Beaufays, "Long short-term memory recurrent neural network architectures for large scale
    acoustic modeling", Interspeech 2014.
    """

    gates = "i f c o"
    states = "h c"
    gate_names, roles = _NAMES, _ROLES
    activation: Any = "tanh"
    recurrent_activation: Any = "sigmoid"
    cell_clip = 3.0

    @hook
    def step(self, z: Any, h: Any, c: Any) -> Any:
        act, rec = self.activation, self.recurrent_activation
        new = np.clip(rec(z.f) * c + rec(z.i) * act(z.c), -self.cell_clip, self.cell_clip)
        return rec(z.o) * act(new), new


class ProjectionLSTM(Cell):
    """An LSTM whose output is h = o tanh(c) times a matrix, `projection_kernel` (units, projection): h has `projection`
    numbers, and so many rows has the recurrent kernel; c has `units`.

    H. Sak, A. Senior and F. Beaufays, "Long short-term memory based recurrent neural network architectures for large
    vocabulary speech recognition", 2014 (arXiv 1402.1128), without peepholes, as PyTorch's `proj_size` has it.
    """

    gates = "i f c o"
    states = {"h": "projection", "c": "units"}
    gate_names, roles = _NAMES, _ROLES
    activation: Any = "tanh"
    recurrent_activation: Any = "sigmoid"

    @hook
    def step(self, z: Any, h: Any, c: Any) -> Any:
        act, rec = self.activation, self.recurrent_activation
        new = rec(z.f) * c + rec(z.i) * act(z.c)
        return self.project(rec(z.o) * act(new)), new


class AugmentedLSTM(Cell):
    """An LSTM with a gate on the input itself, peepholes and a projection:

        x' = sigmoid(x Wg + h Ug + g c + bg)    n = tanh(x' (x Wn + bn) + h Un + bh)    c' = f c + i n
        h' = o tanh(c') R

    i, f and o as in a PeepholeLSTM. The gate x' lets the candidate see what comes in, or the memory alone.

    A. Sherstinsky, "Fundamentals of recurrent neural network (RNN) and long short-term memory (LSTM) network", Physica
    D 404, 2020 (arXiv 1808.03314), which calls it the external input gate. Of the paper no more than the abstract was
    at hand, so this is what is told of it; its windows of inputs to come are a convolution before the layer, and not
    here.
    """

    gates = "i f c o g"
    states = {"h": "projection", "c": "units"}
    vectors = "input_peephole forget_peephole output_peephole external_peephole"
    gate_names, roles = {**_NAMES, "g": "external input"}, {**_ROLES, "g": "store"}
    activation: Any = "tanh"
    recurrent_activation: Any = "sigmoid"

    @hook
    def step(self, z: Any, h: Any, c: Any) -> Any:
        act, rec = self.activation, self.recurrent_activation
        i, f = rec(z.i + self.input_peephole * c), rec(z.f + self.forget_peephole * c)
        outside = rec(z.g + self.external_peephole * c)
        new = f * c + i * act(outside * z.x.c + z.h.c)
        return self.project(rec(z.o + self.output_peephole * new) * act(new)), new


class LayerNormLSTM(Cell):
    """An LSTM whose sums are normalized over the units of each gate, and c before the output, with a gain and a shift.

    J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer normalization", 2016 (arXiv 1607.06450), here gate by gate,
    and of x W + h U together.
    """

    gates = "i f c o"
    states = "h c"
    vectors = {f"gain_{part}": "ones" for part in ("i", "f", "c", "o", "cell")} | {
        f"shift_{part}": "zeros" for part in ("i", "f", "c", "o", "cell")
    }
    gate_names, roles = _NAMES, _ROLES
    use_bias = False
    epsilon = 1e-3

    def normal(self, value: Any, part: str) -> Any:
        """Normalized over the units, with the gain and the shift of this part."""
        return self.normalize(value, self.epsilon) * getattr(self, f"gain_{part}") + getattr(self, f"shift_{part}")

    @hook
    def step(self, z: Any, h: Any, c: Any) -> Any:
        i, f, o = (
            activations.sigmoid(self.normal(z.i, "i")),
            activations.sigmoid(self.normal(z.f, "f")),
            activations.sigmoid(self.normal(z.o, "o")),
        )
        new = f * c + i * np.tanh(self.normal(z.c, "c"))
        return o * np.tanh(self.normal(new, "cell")), new


class SLSTM(Cell):
    """The sLSTM: gates that grow as exponentials, kept in range by a running maximum m, and a normalizer n beside c.

        m' = max(log f + m, xi)   i = exp(xi - m')   f' = exp(log f + m - m')   c' = f' c + i tanh(xc)   n' = f' n + i
        h' = sigmoid(xo) c' / n'

    M. Beck et al., "xLSTM: extended long short-term memory", 2024 (arXiv 2405.04517), with a sigmoid as forget gate,
    one U over all units in place of one for each head, m from 0 on, and n' no smaller than 1e-6 below the line.
    """

    gates = "i f c o"
    states = "h c n m"
    gate_names, roles = _NAMES, _ROLES

    @hook
    def step(self, z: Any, h: Any, c: Any, n: Any, m: Any) -> Any:
        kept = activations.log_sigmoid(z.f) + m
        most = np.maximum(kept, z.i)
        i, f = np.exp(z.i - most), np.exp(kept - most)
        c, n = f * c + i * np.tanh(z.c), f * n + i
        return activations.sigmoid(z.o) * c / np.maximum(n, 1e-6), c, n, most
