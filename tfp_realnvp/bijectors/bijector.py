"""Base class of our bijectors: computes a value and its log-determinant in one pass."""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors.one_pass.log_det_walk import on_the_way_to_a_log_det
from tfp_realnvp.bijectors.one_pass.memory import Memory
from tfp_realnvp.bijectors.variables.holder import check_holder
from tfp_realnvp.bijectors.variables.layer_variables import LayerVariables
from tfp_realnvp.utils.arguments import check_bool, check_training, float_dtype
from tfp_realnvp.utils.hints import DTypeLike, TensorLike

tfb = tfp.bijectors


class Bijector(tfp.bijectors.Bijector):
    """A `tfb.Bijector` that computes value and log-determinant in one evaluation.

    A subclass implements

    ```none
    _forward_and_log_det(x, training, conditional_input) -> y, log|det dy/dx|
    _inverse_and_log_det(y, training, conditional_input) -> x, log|det dx/dy|
    ```

    A log-determinant has the shape of the batch: the shape of `x` without its last
    `forward_min_event_ndims` axes. All TFP methods then take the call arguments

    * `training`: Python `bool`, or None (the default): follows the Keras call context,
      and does not train outside of one;
    * `conditional_input`: `Tensor` or None.

    A log-determinant requested right after its value, with the same tensor, costs no second
    evaluation (unless a gradient tape records only the second call). `log_prob` and
    `experimental_sample_and_log_prob` make such requests, through any `tfb.Chain`. Repeated
    values are always recomputed: unlike in stock bijectors, `b.inverse(b.forward(x))`
    inverts. One rule follows in eager mode: do not change variables between
    `x = b.inverse(y)` and its log-determinant at `y`. While `x` is kept (with
    `training=True` even if it is not), that log-determinant comes from the pass that made `x`.

    A stock `tfb.Chain` around our bijectors still uses TFP's cache: while an earlier result
    of `chain.inverse(y)` is kept, the same tensor `y` returns it, even if variables have
    changed. Call it with `tf.identity(y)`, or use our `Chain`.
    """

    _TF_MODULE_IGNORED_PROPERTIES = tfb.Bijector._TF_MODULE_IGNORED_PROPERTIES.union(("_memory", "_layers"))

    def __init__(
        self,
        *,
        layers: Iterable[keras.layers.Layer] = (),
        dtype: DTypeLike | None = None,
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        """Args: layers: Keras layers with the bijector's variables; the rest as in TFP."""
        check_bool(validate_args, "validate_args")
        self._layers = self._no_dependency(tuple(layers))
        self._layer_variables = LayerVariables(self._layers)
        self._memory = Memory()
        for i, layer in enumerate(self._layers):
            setattr(self, f"_layer_{i}", layer)  # tf.train.Checkpoint follows attributes.
        super().__init__(dtype=float_dtype(dtype), validate_args=validate_args, **kwargs)

    @property
    def layers(self) -> tuple[keras.layers.Layer, ...]:
        """Tuple of the Keras layers this bijector owns."""
        return self._layers

    @property
    def takes_condition(self) -> bool:
        """True if `conditional_input` has an effect."""
        return False

    @classmethod
    def _parameter_properties(cls, dtype):
        return {}

    def __eq__(self, other):
        """True if both share all variables and have equal arguments."""
        return self is other or (
            super().__eq__(other)  # Equal arguments do not make equal variables.
            and [*map(id, self.layers)] == [*map(id, other.layers)]
            and [*map(id, self.variables)] == [*map(id, other.variables)]
        )

    def __hash__(self):
        return hash((type(self), (self.parameters or {}).get("name")))

    def in_one_pass(
        self,
        direction: str,
        x: tf.Tensor,
        event_ndims: int,
        training: bool | None = None,
        conditional_input: TensorLike | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes a value and its log-determinant; `Chain` calls this for its members.

        Args:
          direction: "forward" or "inverse".
          x: `Tensor`.
          event_ndims: Python `int`, number of axes of an event of `x`.
          training, conditional_input: The call arguments; a condition without effect is
            dropped.

        Returns:
          Pair of `Tensor`s.

        Raises:
          TypeError: if `training` is not a Python `bool` or None.
          ValueError: if the condition is missing or has another shape.
        """
        condition = conditional_input if self.takes_condition else None
        arguments = self._checked_arguments(training, condition)
        with tf.name_scope(self.name), tf.name_scope(direction):
            y, log_det = getattr(self, f"_{direction}_and_log_det")(x, *arguments)
            return y, _summed(log_det, x, event_ndims, getattr(self, f"{direction}_min_event_ndims"))

    def _checked_arguments(self, training, conditional_input):
        """Checks the call arguments before every evaluation; returns them as a pair."""
        self._layer_variables.freeze_as_in_keras()
        check_training(training)
        if self._layers:
            check_holder(self._layers, training, self.name)
        if conditional_input is not None and not self.takes_condition:
            raise ValueError(f"`conditional_input` was given, but nothing in `{self.name}` takes one.")
        return training, conditional_input

    def _forward(self, x, training=None, conditional_input=None):
        arguments = self._checked_arguments(training, conditional_input)
        for_log_det = on_the_way_to_a_log_det()
        found = self._memory.find(arguments, x=x) if for_log_det else None
        if found is not None:
            return found[1]
        y, fldj = self._forward_and_log_det(x, training, conditional_input)
        y = tf.identity(y) if y is x else y
        self._memory.keep(x, y, fldj, arguments, computed=y, is_pinned=training or for_log_det)
        return y

    def _inverse(self, y, training=None, conditional_input=None):
        arguments = self._checked_arguments(training, conditional_input)
        for_log_det = on_the_way_to_a_log_det()
        found = self._memory.find(arguments, y=y) if for_log_det else None
        if found is not None:
            return found[0]
        x, ildj = self._inverse_and_log_det(y, training, conditional_input)
        x = tf.identity(x) if x is y else x
        self._memory.keep(x, y, -ildj, arguments, computed=x, is_pinned=training or for_log_det)
        return x

    def _forward_log_det_jacobian(self, x, training=None, conditional_input=None):
        found = self._memory.take(self._checked_arguments(training, conditional_input), x=x)
        if found is None:
            return self._forward_and_log_det(x, training, conditional_input)[1]
        return found[2]

    def _inverse_log_det_jacobian(self, y, training=None, conditional_input=None):
        found = self._memory.take(self._checked_arguments(training, conditional_input), y=y)
        if found is None:
            return self._inverse_and_log_det(y, training, conditional_input)[1]
        return -found[2]


class _NoCache:
    """Replaces the cache of `tfb.Bijector` and stores nothing; see `memory.py`."""

    def __init__(self, bijector=None):
        self._bijector = bijector

    def __get__(self, bijector, bijector_class=None):
        return _NoCache(bijector)

    def forward(self, x, **kwargs):
        return self._bijector._forward(x, **kwargs)

    def inverse(self, y, **kwargs):
        return self._bijector._inverse(y, **kwargs)

    def forward_attributes(self, x, **kwargs):
        return {}

    def inverse_attributes(self, y, **kwargs):
        return {}


Bijector._cache = _NoCache()


def _summed(log_det, x, event_ndims, min_event_ndims):
    """Sums a log-determinant of events with `min_event_ndims` axes over events with `event_ndims`.

    It may have fewer axes than the batch, or sides of 1: it then broadcasts over the event.
    """
    more = event_ndims - min_event_ndims
    if not more:
        return log_det
    shape = tf.shape(x)
    first = tf.size(shape) - event_ndims
    return tf.reduce_sum(tf.ones(shape[first : first + more], log_det.dtype) * log_det, list(range(-more, 0)))
