"""Attention: each step of a query gets a mean of the steps of a value, weighted by how well their keys match."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np

from .. import activations, core
from .attention_base import AttentionLayer, Back, dot_scores
from .base import Array, LayerOptions
from .context import Applied, Context
from .module import Shape
from .variable import Variable

#: What is taken from the score of a hidden step, as in Keras.
HIDDEN = 1e9


class Attention(AttentionLayer):
    """Dot-product attention of [query (B, Tq, D), value (B, Tv, V)] or [query, value, key (B, Tv, D)]: (B, Tq, V).

    scores = query key^T; weights = softmax(scores) over the steps of the value; outputs = weights value. Without a key
    the value is the key.

    Args:
        use_scale: multiply scores by a learned number.
        score_mode: "dot"; or "concat", scores = w * sum(tanh(scale * (query + key))), w a learned number.
        dropout: the share of the weights that is dropped in training.
        seed: of those draws, which differ from call to call; a new one where None.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Weights: scale () with use_scale, concat_score_weight () with "concat". Masks come as a list [query mask (B, Tq),
    value mask (B, Tv)], each may be None: steps of the value that are not there have no weight; outputs at steps of the
    query that are not there are 0. The query's mask is passed on. A row of which no step of the value is there takes
    the mean of all, as in Keras.

    Source: Luong, Pham and Manning 2015.

    Example:
        >>> y = Attention()([np.ones((2, 3, 4)), np.ones((2, 5, 4))])
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.use_scale = core.check_bool("use_scale", use_scale)
        self.score_mode = core.check_choice("score_mode", score_mode, ("dot", "concat"))
        self.keep_dropout(dropout, seed)
        self.scale: Variable | None = None
        self.concat_score_weight: Variable | None = None

    def make_weights(self, input_shape: Any) -> None:
        self._shapes(input_shape)
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The shape of the outputs for a list of two or three shapes."""
        query, value, _ = self._shapes(input_shape)
        return (*query[:-1], value[-1])

    def call_shape(self, input_shape: Any, options: Mapping[str, Any], named: Mapping[str, Any]) -> Any:
        """The shape of the outputs; and of the weights, where a call returns them."""
        outputs = self.compute_output_shape(input_shape)
        if not options.get("return_attention_scores"):
            return outputs
        query, value, _ = self._shapes(input_shape)
        return [outputs, (*query[:-1], value[1])]

    def apply(
        self,
        x: Any,
        mask: Any,
        context: Context,
        *,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Applied:
        """Attend.

        Args:
            x: [query, value] or [query, value, key].
            mask: None, or a list of the masks of query and value, each None or booleans.
            context: whose `training` says whether `dropout` drops.
            return_attention_scores: also return the weights (B, Tq, Tv).
            use_causal_mask: a step of the query sees the steps of the value up to its own place.

        Returns:
            The outputs, or [outputs, weights]; the mask of the query; and the pullback. It takes dy in the same form,
            where None is zeros, and gives a list of one gradient for each entry of x.
        """
        query, value, key = self._inputs(x)
        if not self.built:
            self.build([a.shape for a in self.listed("x", [query, value, key][: len(x)])])
        with_scores = core.check_bool("return_attention_scores", return_attention_scores)
        hidden, absent = self._masks(mask, query, value, core.check_bool("use_causal_mask", use_causal_mask))

        scores, scores_back = self.scores(query, key)
        if hidden is not None:
            scores = np.where(hidden, scores - scores.dtype.type(HIDDEN), scores)
        shares, softmax_back = activations.get("softmax").forward(scores)
        y, weights, back = self.weigh(shares, lambda d: scores_back(softmax_back(d)), value, context.training)
        if absent is not None:
            y[absent] = 0

        def pullback(dy: Any, need_dx: bool = True) -> list[Array] | None:
            dy, dweights = self.gradients_of_outputs(dy, y, weights, with_scores)
            if absent is not None:
                dy = np.where(absent[..., None], dy.dtype.type(0), dy)
            dquery, dvalue, dkey = back(dy, dweights=dweights)
            if not need_dx:
                return None
            return [dquery, dvalue, dkey] if len(x) == 3 else [dquery, dvalue + dkey]

        return ([y, weights] if with_scores else y), self.compute_mask(x, mask), pullback

    def scores(self, query: Array, key: Array) -> tuple[Array, Back]:
        """How well keys match: (B, Tq, Tv), and the way back, which adds to the weights' gradients."""
        if self.score_mode == "concat":
            return self._concat_scores(query, key)
        products, products_back = dot_scores(query, key)
        if self.scale is None:
            return products, products_back
        scale = self.scale.numpy()

        def back(ds: Array) -> tuple[Array, Array]:
            self._add([(self.scale, (ds * products).sum())])
            return products_back(ds * scale)

        return products * scale, back

    def _concat_scores(self, query: Array, key: Array) -> tuple[Array, Back]:
        assert self.concat_score_weight is not None
        weight = self.concat_score_weight.numpy()
        one = query.dtype.type(1)
        scale = one if self.scale is None else self.scale.numpy()
        sums = query[:, :, None] + key[:, None]
        bent = np.tanh(sums * scale)
        total = bent.sum(axis=-1)

        def back(ds: Array) -> tuple[Array, Array]:
            slopes = 1 - bent * bent
            ds_weighted = ds * weight
            gradients = [(self.concat_score_weight, (ds * total).sum())]
            if self.scale is not None:
                along = np.einsum("bqvd,bqvd->bqv", slopes, sums)
                gradients.append((self.scale, (ds_weighted * along).sum()))
            self._add(gradients)
            return _to_pairs(ds_weighted * scale, slopes)

        return total * weight, back

    def _add(self, gradients: list[tuple[Variable | None, Any]]) -> None:
        """Add to the gradients of weights."""
        with self._lock:  # threads may add to the same gradients
            for variable, grad in gradients:
                if variable is not None and variable.trainable:
                    variable.grad[...] += grad

    def _masks(self, mask: Any, query: Array, value: Array, causal: bool) -> tuple[Array | None, Array | None]:
        """Which scores are hidden, broadcast to (B, Tq, Tv); which steps of the query are not there (B, Tq)."""
        (B, Tq, _), Tv = query.shape, value.shape[1]
        of_query, of_value = (None, None) if mask is None else self.listed("mask", mask)[:2]
        absent = None if of_query is None else ~core.check_mask(of_query, B, Tq)
        hidden = None if of_value is None else ~core.check_mask(of_value, B, Tv)[:, None]
        if causal:
            later = np.arange(Tq)[:, None] < np.arange(Tv)
            hidden = later[None] if hidden is None else hidden | later
        return hidden, absent

    def _inputs(self, x: Any) -> tuple[Array, Array, Array]:
        """query, value and key, checked against each other."""
        dims = ("batch", "time", "features")
        names = ("query", "value", "key")
        arrays = [core.as_array(n, a, self.dtype, dims) for n, a in zip(names, self.listed("x", x), strict=False)]
        query, value, key = (*arrays, arrays[1])[:3]
        self._shapes([a.shape for a in arrays])
        if not value.shape[1]:
            raise ValueError(f"expected value of one step or more, got shape {value.shape}")
        return query, value, key

    def _shapes(self, shapes: Any) -> tuple[Shape, Shape, Shape]:
        """The shapes of query, value and key; ValueError where they do not go together."""
        listed = self.listed("x", shapes)
        if not all(isinstance(shape, (list, tuple)) for shape in listed):
            raise TypeError(
                f"expected x of {self.name} to be a list {self._forms['x']}, got one of shape {core.describe(shapes)}"
            )
        listed = [tuple(shape) for shape in listed]
        query, value, key = (*listed, listed[1])[:3]
        fits = all(len(shape) == 3 for shape in listed) and all(
            None in (a, b) or a == b
            for a, b in ((query[0], value[0]), (query[0], key[0]), (query[2], key[2]), (value[1], key[1]))
        )
        if not fits:
            raise ValueError(
                "expected x of shapes [query (batch, Tq, D), value (batch, Tv, V), key (batch, Tv, D)], the key being "
                f"the value where there is none, got {', '.join(map(core.describe, listed))}"
            )
        return query, value, key


class AdditiveAttention(Attention):
    """Additive attention: as `Attention`, with scores = sum(scale * tanh(query + key)) over the features.

    Args:
        use_scale: whether the scale (D,) is learned; else it is 1.
        dropout, seed, name, dtype, trainable: as for Attention.

    It holds an array (B, Tq, Tv, D).

    Source: Bahdanau, Cho and Bengio 2015.

    Example:
        >>> y = AdditiveAttention()([np.ones((2, 3, 4)), np.ones((2, 5, 4))])
    """

    def __init__(
        self,
        use_scale: bool = True,
        dropout: float = 0.0,
        *,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(use_scale, "dot", dropout, seed, **options)

    def make_weights(self, input_shape: Any) -> None:
        query, _, _ = self._shapes(input_shape)
        if self.use_scale:
            if not query[-1]:
                raise ValueError(f"expected a query with known features, got shape {core.describe(query)}")
            self.scale = self.add_weight((query[-1],), name="scale")

    def scores(self, query: Array, key: Array) -> tuple[Array, Back]:
        if self.scale is not None and query.shape[-1] != self.scale.shape[0]:
            raise ValueError(f"expected query with {self.scale.shape[0]} features, got shape {query.shape}")
        scale = np.ones(query.shape[-1], query.dtype) if self.scale is None else self.scale.numpy()
        bent = np.tanh(query[:, :, None] + key[:, None])

        def back(ds: Array) -> tuple[Array, Array]:
            if self.scale is not None:
                self._add([(self.scale, np.einsum("bqv,bqvd->d", ds, bent))])
            dquery, dkey = _to_pairs(ds, 1 - bent * bent)
            return dquery * scale, dkey * scale

        return core.matmul(bent, scale[:, None])[..., 0], back


def _to_pairs(ds: Array, slopes: Array) -> tuple[Array, Array]:
    """Sums of ds (B, Tq, Tv) times slopes (B, Tq, Tv, D) over the value's steps (B, Tq, D), and the query's."""
    return np.einsum("bqv,bqvd->bqd", ds, slopes), np.einsum("bqv,bqvd->bvd", ds, slopes)
