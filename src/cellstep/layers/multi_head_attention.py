"""MultiHeadAttention: several attentions side by side, each over projections of query, key and value of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from .. import activations, core, regularizers
from ..activations import ActivationPullback
from .attention_base import AttentionLayer, dot_scores
from .base import Array
from .configuration import of_weights
from .context import Applied, Context
from .module import NamedOptions, Shape
from .penalties import run_layer
from .projection import Projection
from .softmax import ABSENT
from .symbolic import SymbolicTensor


class MultiHeadAttention(AttentionLayer):
    """Dot-product attention in several heads, of query (B, Tq, D), value (B, Tv, V) and key (B, Tv, K): (B, Tq, D).

    Each head projects query and key to `key_dim` features and value to `value_dim`, attends with scores
    query key^T / sqrt(key_dim), and a last projection takes the outputs of all heads together.

    Args:
        num_heads: how many attentions.
        key_dim: the features of query and key in each of them. value_dim: those of value; key_dim where None.
        dropout: the share of the weights that is dropped in training.
        use_bias: whether the projections have biases.
        output_shape: the features of the outputs, a number or several axes; those of the query where None.
        attention_axes: the axes of steps, where inputs have more than one; all but the first and the last where None.
        sliding_window: a step sees those fewer than so many steps from it; all where None.
        flash_attention: a hint for GPUs, without effect.
        *_initializer, *_regularizer, *_constraint: of the kernels and biases of all projections.
        activity_regularizer: a penalty of the outputs of each projection.
        use_gate: multiply what the heads give by sigmoid of one more projection of the query.
        seed: of the dropout's draws, which differ from call to call; a new one where None.
        **options: name, dtype, trainable, as for every layer.

    Weights: kernel (D, num_heads, key_dim) and bias (num_heads, key_dim) of `query`, then of `key`, of `gate` where
    there is one, of `value`; then attention_output, kernel (num_heads, value_dim, D) and bias (D,).

    A call takes `layer(query, value, key, query_mask, value_mask, key_mask, attention_mask, return_attention_scores,
    training, use_causal_mask)`, all but the first two at will; `forward` and `apply` take the list of inputs as x, and
    that of masks as `mask`. Steps of the value that are not there have no weight; the query's mask is passed on. A step
    of the query that sees no step of the value gets the mean of all; or zeros where there is dropout, or a call returns
    scores, as in Keras.

    Source: Vaswani et al. 2017.

    Example:
        >>> x = np.ones((2, 5, 4))
        >>> y = MultiHeadAttention(num_heads=2, key_dim=3)(x, x, use_causal_mask=True)
    """

    _most = 4
    _uncalled = dict.fromkeys(("call", "_compute_attention"), "write the call of a layer that holds this one")
    #: How the call names the entries of x.
    call_names = ("query", "value", "key", "attention_mask")

    #: What older versions of Keras do not know.
    _unwritten_defaults = {"use_gate": False, "sliding_window": None}

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **options: Unpack[NamedOptions],
    ) -> None:
        arguments = locals()
        super().__init__(**options)
        self.num_heads = core.check_count("num_heads", num_heads)
        self.key_dim = core.check_count("key_dim", key_dim)
        self.value_dim = self.key_dim if value_dim is None else core.check_count("value_dim", value_dim)
        self.use_bias = core.check_bool("use_bias", use_bias)
        self.use_gate = core.check_bool("use_gate", use_gate)
        self.output_sizes = None if output_shape is None else _sizes("output_shape", output_shape)
        axes = None if attention_axes is None else core.check_axes("attention_axes", attention_axes)
        self.attention_axes = [axes] if isinstance(axes, int) else axes
        self.sliding_window = None if sliding_window is None else core.check_count("sliding_window", sliding_window)
        self.penalty = regularizers.get(activity_regularizer, "activity_regularizer")
        self.keep_dropout(dropout, seed)
        self.keep_weight_arguments(arguments)
        settings = {name: getattr(self, name) for name in ("dtype", "use_bias", *of_weights(tuple(arguments)))}

        def projection(name: str, size: int, activation: str = "linear") -> Projection:
            part = Projection(name, 1, activation, self.penalty, settings)
            part.sizes = (self.num_heads, size)
            self._parts.append(part)
            return part

        self.query_dense = projection("query", self.key_dim)
        self.key_dense = projection("key", self.key_dim)
        self._gate_dense = projection("gate", self.value_dim, "sigmoid") if self.use_gate else None
        self.value_dense = projection("value", self.value_dim)
        self.output_dense = Projection("attention_output", 2, "linear", self.penalty, settings)
        self._parts.append(self.output_dense)
        if not self.trainable:
            self.trainable = False

    def get_config(self) -> dict[str, Any]:
        penalty = None if self.penalty is None else regularizers.serialize(self.penalty)
        sizes = None if self.output_sizes is None else list(self.output_sizes)
        return {**super().get_config(), "activity_regularizer": penalty, "output_shape": sizes}

    def __call__(  # type: ignore[override]
        self,
        query: Any,
        value: Any = None,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
        *,
        mask: Any = None,
        initial_state: Any = None,
    ) -> Any:
        """The outputs, or [outputs, weights], without a tape; `query` and `mask` may also hold all inputs and masks."""
        x = _together(query, value, key)
        masks = [query_mask, value_mask, *([] if key is None else [key_mask])]
        if any(m is not None for m in masks):
            mask = masks
        options = {"return_attention_scores": return_attention_scores, "use_causal_mask": use_causal_mask}
        options = {name: given for name, given in options.items() if given is not False}
        if isinstance(attention_mask, SymbolicTensor):
            x = [*[*x, *x[1:2]][:3], attention_mask]
        elif attention_mask is not None:
            options["attention_mask"] = attention_mask
        return super().__call__(x, mask=mask, initial_state=initial_state, training=training, **options)

    def build(self, query_shape: Any, value_shape: Any = None, key_shape: Any = None) -> None:
        super().build(_together(query_shape, value_shape, key_shape))

    def make_weights(self, input_shape: Any) -> None:
        query, value, key = self._shapes(input_shape)
        self.output_dense.sizes = self.output_sizes or (query[-1],)  # type: ignore[assignment]
        shapes = {"query": query, "gate": query, "value": value, "key": key}
        shapes["attention_output"] = (*query[:-1], self.num_heads, self.value_dim)
        for part in self._parts:
            part.path = f"{self.path}/{part.name}"
            part.build(shapes[part.name])

    def compute_output_shape(self, query_shape: Any, value_shape: Any = None, key_shape: Any = None) -> Shape:
        """The shape of the outputs for the shapes of query, value and key, or for a list of them."""
        query, _, _ = self._shapes(_together(query_shape, value_shape, key_shape))
        return (*query[:-1], *(self.output_sizes or query[-1:]))

    def call_shape(self, input_shape: Any, options: Mapping[str, Any], named: Mapping[str, Any]) -> Any:
        """The shape of the outputs; and of the weights, where a call returns them."""
        outputs = self.compute_output_shape(input_shape)
        if not options.get("return_attention_scores"):
            return outputs
        query, value, _ = self._shapes(input_shape)
        return [outputs, self._scores_shape(query, value)]

    def apply(
        self,
        x: Any,
        mask: Any,
        context: Context,
        *,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Applied:
        """Attend.

        Args:
            x: [query, value] or [query, value, key], or these three and attention_mask.
            mask: None, or a list of the masks of query, value and key, each None or booleans.
            context: whose `training` says whether `dropout` drops.
            attention_mask: which steps of the value each step of the query sees, (B, Tq, Tv), or (Tq, Tv), or with
                the heads (B, heads, Tq, Tv); axes of size 1 will do.
            return_attention_scores: also return the weights (B, heads, Tq, Tv).
            use_causal_mask: a step of the query sees the steps of the value up to its own place.

        Returns:
            The outputs, or [outputs, weights]; the mask of the query; and the pullback. It takes dy in the same form,
            where None is zeros, and gives a list of one gradient for each entry of x.
        """
        given = self.listed("x", x)
        if len(given) == 4:
            attention_mask = given.pop()
        arrays = [self.input_array(a) for a in given]
        if not self.built:
            self.build([a.shape for a in arrays])
        self._shapes([a.shape for a in arrays])
        query, value, key = (*arrays, arrays[1])[:3]
        with_scores = core.check_bool("return_attention_scores", return_attention_scores)
        causal = core.check_bool("use_causal_mask", use_causal_mask)
        masks = [None, None, None] if mask is None else [*self.listed("mask", mask), None][:3]
        there = self._seen(query.shape, value.shape, masks, attention_mask, causal)
        zeroed = self.dropout > 0 or with_scores or query.ndim > 3

        q, _, q_back = run_layer(self.query_dense, query, masks[0], context)
        k, _, k_back = run_layer(self.key_dense, key, masks[2] if len(arrays) == 3 else masks[1], context)
        v, _, v_back = run_layer(self.value_dense, value, masks[1], context)
        scale = query.dtype.type(1 / math.sqrt(self.key_dim))
        scores, scores_back = dot_scores(self._to_heads(q * scale), self._to_heads(k))
        shares, softmax_back = _softmax(scores, there, zeroed)
        heads, _, back = self.weigh(shares, lambda d: scores_back(softmax_back(d)), self._to_heads(v), context.training)
        gated = attended = self._from_heads(heads, (*q.shape[:-1], self.value_dim))
        if self._gate_dense is not None:
            gate, _, gate_back = run_layer(self._gate_dense, query, masks[0], context)
            gated = attended * gate
        y, _, y_back = run_layer(self.output_dense, gated, masks[0], context)
        given_scores = shares.reshape(self._scores_shape(query.shape, value.shape))

        def pullback(dy: Any, need_dx: bool = True) -> list[Array | None] | None:
            dy, dshares = self.gradients_of_outputs(dy, y, given_scores, with_scores)
            dattended = y_back(dy)
            dgated = dattended
            if self._gate_dense is not None:
                dattended = dgated * gate
            dshares = None if dshares is None else dshares.reshape(shares.shape)
            dq, dv, dk = back(self._to_heads(dattended), dshares)
            dquery = q_back(self._from_heads(dq, q.shape) * scale, need_dx)
            dkey, dvalue = (b(self._from_heads(d, a.shape), need_dx) for b, d, a in ((k_back, dk, k), (v_back, dv, v)))
            if self._gate_dense is not None:
                dgate = gate_back(dgated * attended, need_dx)
                dquery = dquery + dgate if need_dx else None
            if not need_dx:
                return None
            return [dquery, dvalue + dkey] if len(arrays) == 2 else [dquery, dvalue, dkey, None][: len(x)]

        return ([y, given_scores] if with_scores else y), self.compute_mask(x, mask), pullback

    def _order(self, rank: int) -> tuple[list[int], list[int], list[int]]:
        """For inputs of so many axes: the axes of projections with those of steps behind the others and the heads; the
        others and the heads; and those of steps."""
        given = range(1, rank - 1) if self.attention_axes is None else self.attention_axes
        axes = [axis + rank if axis < 0 else axis for axis in given]
        if not all(0 < axis < rank - 1 for axis in axes):
            raise ValueError(
                "attention_axes must name axes of the inputs between the first and the last, got "
                f"{self.attention_axes} for inputs of {rank} axes"
            )
        rest = [axis for axis in range(rank) if axis not in axes]
        return [*rest, *axes, rank], rest, axes

    def _to_heads(self, a: Array) -> Array:
        """A projection (B, ..., heads, H) as (B, ..., heads, T, H)."""
        order, rest, axes = self._order(a.ndim - 1)
        moved = a.transpose(order)
        return moved.reshape(*moved.shape[: len(rest)], math.prod(a.shape[axis] for axis in axes), a.shape[-1])

    def _from_heads(self, heads: Array, shape: Sequence[int]) -> Array:
        """The way back, to a projection of this shape."""
        order, _, _ = self._order(len(shape) - 1)
        return heads.reshape([shape[axis] for axis in order]).transpose(np.argsort(order))

    def _scores_shape(self, query: Any, value: Any) -> tuple[Any, ...]:
        _, rest, axes = self._order(len(query))
        dims = (*query[:-1], self.num_heads)
        return (*(dims[axis] for axis in rest), *(query[axis] for axis in axes), *(value[axis] for axis in axes))

    def _seen(self, query: Shape, value: Shape, masks: list[Any], attention_mask: Any, causal: bool) -> Array | None:
        """Which scores count, of a shape that broadcasts to theirs; None for all."""
        _, rest, axes = self._order(len(query))
        whole = self._scores_shape(query, value)
        found: list[tuple[str, Array]] = []
        for name, mask, axis in zip(self.call_names, masks, (-1, -2, -2), strict=False):
            if mask is not None:
                found.append((f"{name}_mask", np.expand_dims(np.asarray(mask, bool), axis)))
        ahead = np.arange(whole[-1]) - np.arange(whole[len(rest)])[:, None]
        if causal:
            found.append(("use_causal_mask", ahead <= 0))
        if self.sliding_window is not None:
            found.append(("sliding_window", np.abs(ahead) < self.sliding_window))
        if found and len(axes) > 1:
            raise NotImplementedError(f"{found[0][0]} needs one attention axis, got {axes}: give attention_mask")
        if attention_mask is not None:
            found.append(("attention_mask", core.real("attention_mask", attention_mask).astype(bool)))
        seen: Array | None = None
        for name, mask in found:
            steps = max(mask.ndim - 2 * len(axes), 0)
            aligned = mask.reshape(*mask.shape[:steps], *(1,) * (len(whole) - mask.ndim), *mask.shape[steps:])
            if aligned.ndim != len(whole) or any(m not in (1, n) for m, n in zip(aligned.shape, whole, strict=True)):
                raise ValueError(
                    f"expected {name} of a shape that goes with the scores of {self.name}, {whole}, got {mask.shape}"
                )
            seen = aligned if seen is None else seen & aligned
        if seen is None or len(axes) == 1:
            return seen
        of_query, of_value = math.prod(whole[len(rest) : -len(axes)]), math.prod(whole[-len(axes) :])
        return np.broadcast_to(seen, whole).reshape(*whole[: len(rest)], of_query, of_value)

    def _shapes(self, shapes: Any) -> tuple[Shape, Shape, Shape]:
        """The shapes of query, value and key; ValueError where they do not go together."""
        listed = self.listed("x", shapes)[:3]
        if not all(isinstance(shape, (list, tuple)) for shape in listed):
            raise TypeError(f"expected x of {self.name} to be a list {self._forms['x']}, got one of shape {shapes}")
        query, value, key = (tuple(shape) for shape in (*listed, listed[1])[:3])
        fits = len(query) == len(value) == len(key) > 2
        if fits:
            _, _, axes = self._order(len(query))
            pairs = [*zip(value[:-1], key[:-1], strict=True)]
            pairs += [(query[axis], value[axis]) for axis in range(len(query) - 1) if axis not in axes]
            fits = all(None in pair or pair[0] == pair[1] for pair in pairs) and 0 not in [value[a] for a in axes]
        if not fits:
            raise ValueError(
                "expected x of shapes [query (batch, Tq, D), value (batch, Tv, V), key (batch, Tv, K)], Tv 1 or more, "
                "where all axes of value and key but the last must be equal, got "
                f"{', '.join(map(core.describe, (query, value, key)))}"
            )
        return query, value, key


def _softmax(scores: Array, there: Array | None, zeroed: bool) -> tuple[Array, ActivationPullback]:
    """Shares of the scores that count; of a row without any the same for all, or zeros."""
    softmax, zero = activations.get("softmax"), scores.dtype.type(0)
    if there is None:
        return softmax.forward(scores)
    shares, back = softmax.forward(np.where(there, scores, scores.dtype.type(ABSENT)))
    return np.where(there, shares, zero) if zeroed else shares, lambda d: np.where(there, back(d), zero)


def _together(first: Any, second: Any, third: Any) -> Any:
    """A list of two or three; the first where that holds them all."""
    return first if second is None else [first, second] if third is None else [first, second, third]


def _sizes(name: str, value: Any) -> tuple[int, ...]:
    return core.check_sizes(name, value, max(len(value), 1) if isinstance(value, (list, tuple)) else 1)
