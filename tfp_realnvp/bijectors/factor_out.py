"""Factoring out: sends half of the channels straight to the latent."""

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.call_arguments import in_one_pass, takes_condition
from tfp_realnvp.utils.arguments import check_integer


class FactorOut(Bijector):
    """Applies a bijector to the first half of the last axis; the rest stays as it is.

    ```none
    forward([a, b]) = [bijector.forward(a), b]
    inverse([a, b]) = [bijector.inverse(a), b]
    ```

    The log-determinant and the call arguments are `bijector`'s.

    The second half then follows the base distribution: latents that need no deeper
    transformation. The event keeps its shape, so scales nest: with `tfb.Invert(squeeze)`
    before and `squeeze` after it in a chain, the latent of an image has the shape of the
    image.

    #### Examples

    >>> import tensorflow as tf, tensorflow_probability as tfp, tfp_realnvp as rnvp
    >>> rnvp.FactorOut(tfp.bijectors.Scale(2.0)).forward(tf.ones([4])).numpy().tolist()
    [2.0, 2.0, 1.0, 1.0]

    #### References
    Dinh et al. (2017), section 3.6, equations 13 to 16.
    """

    def __init__(
        self,
        bijector: tfp.bijectors.Bijector,
        event_ndims: int | None = None,
        validate_args: bool = False,
        name: str = "factor_out",
    ) -> None:
        """Creates the bijector.

        Args:
          bijector: `tfb.Bijector` that keeps the shape of its event, which has half as
            many channels as this bijector's event.
          event_ndims: Python `int`, number of axes of an event. By default as many as
            `bijector` needs, at least 1.
          validate_args: Python `bool`; shapes are checked in any case.
          name: Python `str`.

        Raises:
          TypeError: if `bijector` is not a bijector.
          ValueError: if `event_ndims` is less than `bijector` needs or `bijector`
            changes the number of axes; on a call, if the last side is odd or
            `bijector` changes a side.
        """
        parameters = dict(locals())
        if not isinstance(bijector, tfp.bijectors.Bijector):
            raise TypeError(f"`bijector` must be a `tfb.Bijector`; got {bijector!r}.")
        if bijector.forward_min_event_ndims != bijector.inverse_min_event_ndims:
            raise ValueError(f"`bijector` must keep the rank of its events; got {bijector}.")
        least = max(1, bijector.forward_min_event_ndims)
        event_ndims = least if event_ndims is None else event_ndims
        check_integer(event_ndims, "event_ndims", least)  # `bijector` needs at least this many.
        with tf.name_scope(name) as name:
            self._bijector = bijector
            super().__init__(
                forward_min_event_ndims=event_ndims,
                is_constant_jacobian=bijector.is_constant_jacobian,
                dtype=bijector.dtype,
                validate_args=validate_args,
                parameters=parameters,
                name=name,
            )

    @property
    def bijector(self) -> tfp.bijectors.Bijector:
        """The bijector that transforms the first half."""
        return self._bijector

    @property
    def takes_condition(self) -> bool:
        return takes_condition(self._bijector)

    @classmethod
    def _parameter_properties(cls, dtype):
        properties = tfp.util.BatchedComponentProperties(event_ndims=lambda self, event_ndims: event_ndims)
        return {"bijector": properties}

    def _forward_and_log_det(self, x, training, conditional_input):
        return self._apply("forward", x, training, conditional_input)

    def _inverse_and_log_det(self, y, training, conditional_input):
        return self._apply("inverse", y, training, conditional_input)

    def _apply(self, direction, x, training, conditional_input):
        going_on, finished = self._halves(x)
        ndims = self.forward_min_event_ndims
        result, log_det = in_one_pass(self._bijector, direction, going_on, ndims, training, conditional_input)
        return self._joined(result, going_on, finished), log_det

    def _halves(self, x):
        if x.shape.rank is not None and (x.shape[-1] or 0) % 2:
            raise ValueError(f"`{self.name}` halves an even last side; got events of shape {x.shape}.")
        return tf.split(x, 2, axis=-1)

    def _joined(self, result, given, finished):
        ndims = self.forward_min_event_ndims
        if not result.shape[-ndims:].is_compatible_with(given.shape[-ndims:]):
            raise ValueError(
                f"The bijector in `{self.name}` must keep shapes; it gave {result.shape} for {given.shape}."
            )
        if (
            result.shape != given.shape or given.shape.rank is None
        ):  # A batch of bijectors makes a batch of events.
            finished = tf.broadcast_to(finished, tf.shape(result))
        return tf.concat([result, finished], axis=-1)
