"""The squeeze of Real NVP: trades space for channels."""

import tensorflow as tf

from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.conditioning.batch_axis import flatten_batch
from tfp_realnvp.utils.hints import DTypeLike


class Squeeze(Bijector):
    """Turns each 2 x 2 block of pixels into channels: (H, W, C) to (H/2, W/2, 4C).

    For a block `TL TR / BL BR`, new channels are in the order

    * `"channel_major"`: for each old channel TL, TR, BL, BR (as in PyTorch's
      `pixel_unshuffle`);
    * `"ordered"`: TL of all old channels, then BR, then TR, then BL. The first half then
      holds the even squares of a checkerboard and the second half the odd ones.

    `forward` squeezes. A flow maps latents forward to data, so it holds
    `tfb.Invert(Squeeze())`. A squeeze is a permutation: its log-determinant is 0.

    #### Examples

    >>> import tensorflow as tf, tfp_realnvp as rnvp
    >>> image = tf.reshape(tf.range(4.0), [1, 2, 2, 1])
    >>> rnvp.Squeeze("ordered").forward(image).numpy().ravel().tolist()
    [0.0, 3.0, 1.0, 2.0]

    #### References
    Dinh et al. (2017), section 3.6; the orders are `squeeze_2x2` and
    `squeeze_2x2_ordered` in the authors' released code.
    """

    ORDERS = ("channel_major", "ordered")

    def __init__(
        self,
        order: str = "channel_major",
        dtype: DTypeLike | None = None,
        validate_args: bool = False,
        name: str = "squeeze",
    ) -> None:
        """Creates the squeeze.

        Args:
          order: `"channel_major"` or `"ordered"`.
          dtype: `tf.DType` of events, None for any.
          validate_args: Python `bool`; shapes are checked in any case.
          name: Python `str`.

        Raises:
          ValueError: if `order` is neither; on a call, if height or width is odd (for
            the inverse: if channels are not a multiple of 4).
        """
        parameters = dict(locals())
        if order not in self.ORDERS:
            raise ValueError(f"`order` must be one of {self.ORDERS}; got {order!r}.")
        with tf.name_scope(name) as name:
            self._order = order
            super().__init__(
                forward_min_event_ndims=3,
                is_constant_jacobian=True,
                dtype=dtype,
                validate_args=validate_args,
                parameters=parameters,
                name=name,
            )

    @property
    def _is_permutation(self):
        return True

    @property
    def order(self) -> str:
        """The order of the new channels, `"channel_major"` or `"ordered"`."""
        return self._order

    def _forward_and_log_det(self, x, training, conditional_input):
        self._forward_event_shape(x.shape[-3:])
        flat, unflatten = flatten_batch(x, 3)
        blocks = tf.nn.space_to_depth(flat, 2)  # Channels are (position, old channel).
        if self._order == "ordered":
            top_left, top_right, bottom_left, bottom_right = tf.split(blocks, 4, -1)
            y = tf.concat([top_left, bottom_right, top_right, bottom_left], -1)
        else:
            y = _swap_channel_factors(blocks, 4, -1)
        return unflatten(y), _zeros(x)

    def _inverse_and_log_det(self, y, training, conditional_input):
        self._inverse_event_shape(y.shape[-3:])
        flat, unflatten = flatten_batch(y, 3)
        if self._order == "ordered":
            top_left, bottom_right, top_right, bottom_left = tf.split(flat, 4, -1)
            blocks = tf.concat([top_left, top_right, bottom_left, bottom_right], -1)
        else:
            blocks = _swap_channel_factors(flat, -1, 4)
        return unflatten(tf.nn.depth_to_space(blocks, 2)), _zeros(y)

    def _forward_event_shape(self, shape):
        height, width, channels = _sides(shape)
        if any(side is not None and side % 2 for side in (height, width)):
            raise ValueError(f"`{self.name}` squeezes an even height and width; got events of shape {shape}.")
        halved = [side and side // 2 for side in (height, width)]
        return _with_sides(shape, [*halved, channels and 4 * channels])

    def _inverse_event_shape(self, shape):
        height, width, channels = _sides(shape)
        if channels is not None and channels % 4:
            raise ValueError(
                f"`{self.name}` unsqueezes a multiple of 4 channels; got events of shape {shape}."
            )
        doubled = [side and 2 * side for side in (height, width)]
        return _with_sides(shape, [*doubled, channels and channels // 4])

    def _forward_event_shape_tensor(self, shape):
        return tf.concat([shape[:-3], shape[-3:-1] // 2, shape[-1:] * 4], 0)

    def _inverse_event_shape_tensor(self, shape):
        return tf.concat([shape[:-3], shape[-3:-1] * 2, shape[-1:] // 4], 0)


def _sides(shape):
    """Returns the last three sides, None where unknown."""
    return [None] * 3 if shape.rank is None else shape.as_list()[-3:]


def _with_sides(shape, sides):
    return shape if shape.rank is None else shape[:-3].concatenate(sides)


def _zeros(x):
    """Returns a permutation's log-determinant, in the batch's shape."""
    return tf.zeros_like(x[..., 0, 0, 0])


def _swap_channel_factors(x, outer, inner):
    """Reorders channels from (outer, inner) to (inner, outer)."""
    shape = tf.shape(x)
    factors = tf.reshape(x, tf.concat([shape[:-1], [outer, inner]], 0))
    swapped = tf.reshape(tf.transpose(factors, [0, 1, 2, 4, 3]), shape)
    return tf.ensure_shape(swapped, x.shape)
