"""The two masks of the paper: checkerboard and channel-wise.

A mask is a boolean array of the event's shape. True elements pass through a coupling
unchanged and are the input of its conditioner. False elements are transformed.
"""

import numpy as np

from tfp_realnvp.utils.arguments import check_bool, known_shape
from tfp_realnvp.utils.hints import Shape


def checkerboard_mask(event_shape: Shape, invert: bool = False) -> np.ndarray:
    """Makes a mask that is True on even squares, whose spatial coordinates have an even sum.

    ```none
    mask[i, j, c] = (i + j) % 2 == 0
    ```

    The last axis holds channels and does not count, except for a vector, whose
    only axis alternates. Every channel has the same mask.

    Args:
      event_shape: Shape of one event, all sides known, such as `(32, 32, 3)`.
      invert: Python `bool`; True keeps the odd squares instead.

    Returns:
      Boolean `np.ndarray` of shape `event_shape`.

    Raises:
      ValueError: if `event_shape` is empty or not fully known.
      TypeError: if `invert` is not a bool.

    >>> checkerboard_mask((2, 4, 1))[..., 0].astype(int)
    array([[1, 0, 1, 0],
           [0, 1, 0, 1]])

    #### References
    Dinh et al. (2017), section 3.4 and figure 3 (left).
    """
    check_bool(invert, "invert")
    shape = known_shape(event_shape)
    spatial = shape[:-1] or shape
    parity = np.indices(spatial).sum(axis=0) % 2
    mask = parity == int(invert)
    return np.broadcast_to(mask.reshape(mask.shape + (1,) * (len(shape) - len(spatial))), shape).copy()


def channel_mask(event_shape: Shape, invert: bool = False) -> np.ndarray:
    """Makes a mask that is True on the first half of the last axis.

    ```none
    mask[..., c] = c < channels // 2
    ```

    With an odd number of channels the first half is the smaller one.

    Args:
      event_shape: Shape of one event, all sides known, such as `(16, 16, 12)`.
      invert: Python `bool`; True keeps the second half instead.

    Returns:
      Boolean `np.ndarray` of shape `event_shape`.

    Raises:
      ValueError: if `event_shape` is empty or not fully known.
      TypeError: if `invert` is not a bool.

    >>> channel_mask((4,)).astype(int)
    array([1, 1, 0, 0])

    #### References
    Dinh et al. (2017), section 3.4 and figure 3 (right).
    """
    check_bool(invert, "invert")
    shape = known_shape(event_shape)
    mask = (np.arange(shape[-1]) < first_half(shape[-1])) != bool(invert)
    return np.broadcast_to(mask, shape).copy()


def first_half(channels: int) -> int:
    """Returns the number of channels in the first half, the smaller half of an odd number."""
    return channels // 2
