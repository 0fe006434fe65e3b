"""A chain that hands the call arguments to all of its members."""

import collections.abc
import functools

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.arguments import float_dtype
from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.call_arguments import member_kwargs, takes_condition


class Chain(Bijector):
    """`tfb.Chain` that takes `training` and `conditional_input` for every member of ours.

    ```none
    forward(z) = bijectors[0].forward(bijectors[1].forward(... z))
    ```

    Unlike `tfb.Chain` it hands out no value from TFP's cache: there, `chain.inverse(y)` at
    the same tensor `y` gives the tensor it gave before as long as that is kept, whatever
    happened to the variables, and so does `log_prob` at a kept `sample`.

    #### Examples

    >>> import tensorflow as tf, tensorflow_probability as tfp, tfp_realnvp as rnvp
    >>> chain = rnvp.Chain([tfp.bijectors.Shift(3.0), rnvp.BatchNormalization((2,))])
    >>> chain.inverse(tf.ones([4, 2]), training=True).numpy().tolist()[0]
    [0.0, 0.0]
    """

    def __init__(self, bijectors, dtype=None, validate_args=False, parameters=None, name="chain"):
        """Creates the chain.

        Args:
          bijectors: Sequence of at least one `tfb.Bijector`, each of one tensor to one
            tensor; `forward` applies the last one first.
          dtype: `tf.DType` of events, None for that of the members.
          validate_args: Python `bool`, whether to check that what goes into the chain and
            what comes out of each member is finite, at a cost; the error names the member.
          parameters: Constructor arguments of a subclass, for `copy`.
          name: Python `str`.

        Raises:
          ValueError: if `bijectors` is empty or their dtypes differ.
          TypeError: if it is no sequence, or one of them is no bijector.
        """
        parameters = dict(locals()) if parameters is None else parameters
        if not isinstance(bijectors, collections.abc.Sequence):
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
    def bijectors(self):
        """The members; `forward` applies the last one first."""
        return list(self._bijectors)

    @property
    def takes_condition(self):
        return any(takes_condition(b) for b in self._bijectors)

    @property
    def _is_permutation(self):
        return all(b._is_permutation for b in self._bijectors)

    def _forward_and_log_det(self, x, training, conditional_input):
        x = self._checked(x, "its input")
        ndims, log_det = self.forward_min_event_ndims, 0
        for b in reversed(self._bijectors):
            kwargs = member_kwargs(b, training, conditional_input)
            y = self._checked(b.forward(x, **kwargs), f"`{b.name}.forward`")
            log_det += b.forward_log_det_jacobian(x, ndims, **kwargs)
            x, ndims = y, b.forward_event_ndims(ndims)
        return x, log_det

    def _inverse_and_log_det(self, y, training, conditional_input):
        y = self._checked(y, "its input")
        ndims, log_det = self.inverse_min_event_ndims, 0
        for b in self._bijectors:
            kwargs = member_kwargs(b, training, conditional_input)
            x = self._checked(b.inverse(y, **kwargs), f"`{b.name}.inverse`")
            log_det += b.inverse_log_det_jacobian(y, ndims, **kwargs)
            y, ndims = x, b.inverse_event_ndims(ndims)
        return y, log_det

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
