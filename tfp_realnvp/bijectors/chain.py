"""A chain that passes the call arguments to all its members."""

import functools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.call_arguments import (
    in_one_pass,
    is_training,
    member_kwargs,
    takes_condition,
)
from tfp_realnvp.bijectors.recomputation.recompute import is_rebuilt_inside, recompute, segments
from tfp_realnvp.bijectors.recomputation.shared_functions import SharedFunctions
from tfp_realnvp.utils.arguments import check_bool, float_dtype
from tfp_realnvp.utils.hints import DTypeLike


class Chain(Bijector):
    """Composes bijectors as `tfb.Chain` does, and passes `training` and `conditional_input` to ours.

    ```none
    forward(z) = bijectors[0].forward(bijectors[1].forward(... z))
    inverse(x) = ... bijectors[1].inverse(bijectors[0].inverse(x))
    ```

    Log-determinants (in nats) are the sums of the members'. All methods take the call arguments

    * `training`: Python `bool`, or None (the default): follows the Keras call context, and does not
      train outside of one;
    * `conditional_input`: `Tensor` of conditions or None. Batch axes come first and broadcast
      against the events' batch axes.

    Unlike `tfb.Chain` it returns no values from TFP's cache. While an earlier result of
    `chain.inverse(y)` is kept, a `tfb.Chain` returns it for the same tensor `y`, even if
    variables have changed; so does its `log_prob` at a kept `sample`.

    #### Examples

    >>> import tensorflow as tf, tensorflow_probability as tfp, tfp_realnvp as rnvp
    >>> chain = rnvp.Chain([tfp.bijectors.Shift(3.0), rnvp.BatchNormalization((2,))])
    >>> chain.inverse(tf.ones([4, 2]), training=True).numpy().tolist()[0]
    [0.0, 0.0]
    """

    _TF_MODULE_IGNORED_PROPERTIES = Bijector._TF_MODULE_IGNORED_PROPERTIES.union(("_segments",))

    def __init__(
        self,
        bijectors: Sequence[tfp.bijectors.Bijector],
        dtype: DTypeLike | None = None,
        validate_args: bool = False,
        recompute: bool = False,
        parameters: dict[str, Any] | None = None,
        name: str = "chain",
    ) -> None:
        """Creates the chain.

        Args:
          bijectors: Sequence of at least one `tfb.Bijector`, each from one tensor to one
            tensor; `forward` applies the last one first.
          dtype: `tf.DType` of events, None for the members' dtype.
          validate_args: Python `bool`, whether to check that the chain's input and each
            member's output are finite, at a cost; the error names the member.
          recompute: Python `bool`, whether the backward pass recomputes the activations in
            the networks of couplings instead of storing them. It stores one event per
            coupling and runs its network once more. Gradients, moving statistics and
            dropout stay the same. Second derivatives need a `tf.function`; eager calls raise.
            The state of networks must be in Keras 3 layers.
          parameters: Constructor arguments of a subclass, for `copy`.
          name: Python `str`.

        Raises:
          ValueError: if `bijectors` is empty or their dtypes differ; on a call, if there is a
            `conditional_input` and no member takes one.
          TypeError: if `bijectors` is not a sequence, or one of them is not a bijector.
        """
        parameters = dict(locals()) if parameters is None else parameters
        check_bool(recompute, "recompute")
        if not isinstance(bijectors, Sequence):
            raise TypeError(f"`bijectors` must be a sequence of bijectors; got {bijectors!r}.")
        bijectors = list(bijectors)
        if not bijectors:
            raise ValueError("`bijectors` must hold at least one bijector; got none.")
        for b in bijectors:
            if not isinstance(b, tfp.bijectors.Bijector):
                raise TypeError(f"`bijectors` must hold `tfb.Bijector`s; got {b!r}.")
        dtypes = {tf.as_dtype(b.dtype) for b in bijectors if b.dtype is not None}
        dtypes |= {float_dtype(dtype)} - {None}
        if len(dtypes) > 1:
            names = sorted(d.name for d in dtypes)
            raise ValueError(f"`bijectors` must agree on their dtype, and with `dtype`; got {names}.")
        with tf.name_scope(name) as name:
            self._bijectors = bijectors
            self._recompute = recompute
            self._segments = self._no_dependency(segments(bijectors) if recompute else (tuple(bijectors),))
            inferred = tfp.bijectors.Chain(bijectors)
            for ndims in (inferred.forward_min_event_ndims, inferred.inverse_min_event_ndims):
                if tf.nest.is_nested(ndims):
                    raise ValueError(
                        "`bijectors` must each take one tensor to one; use `tfb.Chain` for structures of "
                        f"them. Got {bijectors}."
                    )
            super().__init__(
                forward_min_event_ndims=inferred.forward_min_event_ndims,
                inverse_min_event_ndims=inferred.inverse_min_event_ndims,
                is_constant_jacobian=inferred.is_constant_jacobian,
                dtype=next(iter(dtypes), None),
                validate_args=validate_args,
                parameters=parameters,
                name=name,
            )

    @property
    def bijectors(self) -> list[tfp.bijectors.Bijector]:
        """The members; `forward` applies the last one first."""
        return list(self._bijectors)

    @property
    def recompute(self) -> bool:
        """True if the backward pass recomputes activations."""
        return self._recompute

    @property
    def takes_condition(self) -> bool:
        return any(takes_condition(b) for b in self._bijectors)

    @property
    def _is_permutation(self):
        return all(b._is_permutation for b in self._bijectors)

    @classmethod
    def _parameter_properties(cls, dtype):
        return {"bijectors": tfp.util.BatchedComponentProperties(event_ndims=_members_event_ndims)}

    def _is_increasing(self, training=None, conditional_input=None):
        result = True
        for b in self._bijectors:
            kwargs = member_kwargs(b, training, conditional_input)
            result = tf.equal(result, b._internal_is_increasing(**kwargs))
        return result

    def _forward_and_log_det(self, x, training, conditional_input):
        return self._apply("forward", x, training, conditional_input)

    def _inverse_and_log_det(self, y, training, conditional_input):
        return self._apply("inverse", y, training, conditional_input)

    def _apply(self, direction, x, training, conditional_input):
        """Computes value and log-determinant of `forward` or `inverse` through all members."""
        x, log_det = self._checked(x, "its input"), 0
        ndims = getattr(self, f"{direction}_min_event_ndims")
        order = 1 if direction == "inverse" else -1
        shared = SharedFunctions()
        if self._recompute:
            training = is_training(training)  # The backward pass runs outside of Keras calls.
        for members in self._segments[::order]:
            members = members[::order]
            through = functools.partial(self._through, direction, members, ndims, training)
            inputs = [x] if conditional_input is None else [x, conditional_input]
            if not self._recompute or is_rebuilt_inside(members[0]):
                x, change = through(*inputs)
            else:
                x, change = recompute(through, members, inputs, training, shared)
            log_det += change
            for b in members:
                ndims = getattr(b, f"{direction}_event_ndims")(ndims)
        return x, log_det

    def _through(self, direction, members, ndims, training, x, conditional_input=None):
        log_det = 0
        for b in members:
            x, change = in_one_pass(b, direction, x, ndims, training, conditional_input)
            x, log_det = self._checked(x, f"`{b.name}.{direction}`"), log_det + change
            ndims = getattr(b, f"{direction}_event_ndims")(ndims)
        return x, log_det

    def _checked(self, value, what):
        if not (self.validate_args and value.dtype.is_floating):
            return value
        return tf.debugging.check_numerics(value, f"Not finite in `{self.name}`: {what}")

    def _forward_event_shape(self, shape):
        return functools.reduce(lambda s, b: b.forward_event_shape(s), reversed(self._bijectors), shape)

    def _inverse_event_shape(self, shape):
        return functools.reduce(lambda s, b: b.inverse_event_shape(s), self._bijectors, shape)

    def _forward_event_shape_tensor(self, shape):
        return functools.reduce(
            lambda s, b: b.forward_event_shape_tensor(s), reversed(self._bijectors), shape
        )

    def _inverse_event_shape_tensor(self, shape):
        return functools.reduce(lambda s, b: b.inverse_event_shape_tensor(s), self._bijectors, shape)


def _members_event_ndims(chain, x_event_ndims):
    """Lists the number of event axes in the input of each member's `forward`."""
    ndims = [x_event_ndims]
    for b in chain.bijectors[:0:-1]:
        ndims.insert(0, b.forward_event_ndims(ndims[0]))
    return ndims
