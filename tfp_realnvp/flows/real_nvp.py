"""Real NVP, assembled: the paper's image flow, and a flow over vectors."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_realnvp.bijectors import Chain
from tfp_realnvp.bijectors.masks import channel_mask
from tfp_realnvp.flows.image_flow import check_num_scales, default_num_scales, multi_scale
from tfp_realnvp.flows.steps import Couplings
from tfp_realnvp.networks.mlp import MLP
from tfp_realnvp.utils.arguments import check_bool, check_integer, check_number, float_dtype, known_shape
from tfp_realnvp.utils.hints import DTypeLike, Shape, TensorLike


class RealNVP(Chain):
    """The flow of the paper over images (rank 3), or one of couplings over vectors (rank 1).

    `forward` maps a latent to an event (the paper's g), `inverse` an event to its latent
    (the paper's f). Under a distribution of latents p_Z, in nats,

    ```none
    log p(x) = log p_Z(inverse(x)) + inverse_log_det_jacobian(x)
    ```

    An image flow has, at each of its scales from data to latents: three checkerboard
    couplings; squeezed by 2 x 2, three channel-wise couplings of twice as many filters;
    and half of the pixels (the odd squares of a checkerboard) factored out. The last
    scale is four checkerboard couplings. Networks double in width from scale to scale,
    and every coupling is followed by a batch norm of what it changed. The latent has the
    shape of the image.

    A vector flow is a chain of couplings that keep the first and the second half of
    the dimensions in turn, each followed by a batch norm of what it changed.

    Methods take the call arguments of `Chain`; a conditional flow needs a `conditional_input` of
    shape `[..., *conditional_event_shape]`.

    #### Examples

    >>> import tensorflow as tf, tfp_realnvp as rnvp
    >>> flow = rnvp.RealNVP((8, 8, 3), base_filters=4, num_residual_blocks=1)
    >>> flow.num_scales
    2
    >>> flow.inverse(tf.zeros([5, 8, 8, 3])).shape
    TensorShape([5, 8, 8, 3])

    #### References
    Dinh et al. (2017), arXiv 1605.08803: section 3.1, equations 2 and 3, for the density;
    sections 3.2 to 3.7 and 4.1 for the flow; for images operation by operation the code its
    authors released (with `rescale_latents=False`), which differs from the text in details (the
    shift is added before scaling; statistics of masked layers count the zeros; what is factored
    out).
    """

    def __init__(
        self,
        event_shape: Shape,
        num_scales: int | None = None,
        num_residual_blocks: int | None = None,
        base_filters: int | None = None,
        skip: bool = True,
        bottleneck: bool = False,
        use_batch_norm: bool = True,
        conditional_event_shape: Shape | None = None,
        num_couplings: int | None = None,
        hidden_units: Sequence[int] | None = None,
        batch_norm_momentum: float = 0.9,
        use_running_average: bool = False,
        synchronized: bool = False,
        rescale_latents: bool = True,
        max_log_scale: float | None = None,
        recompute: bool = False,
        layers: Sequence[keras.layers.Layer] | None = None,
        dtype_policy: str | keras.DTypePolicy | None = None,
        dtype: DTypeLike | None = None,
        validate_args: bool = False,
        name: str = "real_nvp",
    ) -> None:
        """Creates the flow and its variables.

        Args:
          event_shape: `(height, width, channels)` or `(dimensions,)`.
          num_scales: Images: Python `int`. By default as many as bring the shorter side
            of the last scale to at most 4 pixels, fewer where a side becomes odd.
          num_residual_blocks: Images: Python `int`, of each network; 4 by default.
          base_filters: Images: Python `int`, channels of the first scale's networks; 32
            by default.
          skip: Images: Python `bool`, whether networks have skip connections.
          bottleneck: Images: Python `bool`, blocks of 1x1, 3x3, 1x1 kernels.
          use_batch_norm: Python `bool`: batch norm after each coupling and, for images,
            in the networks.
          conditional_event_shape: Shape of one condition, or None. A vector (every
            network sees it), or for images also an image `(height, width, channels)` as
            large as the event.
          num_couplings: Vectors: Python `int`, at least 2; 8 by default.
          hidden_units: Vectors: sequence of Python `int`s, widths of the networks' hidden
            layers; `(64, 64)` by default.
          batch_norm_momentum: Python `float`, share of the old value in the moving
            statistics of the batch norms after couplings.
          use_running_average: Python `bool`, appendix E's variant of these batch norms.
          synchronized: Python `bool`, whether all batch norms take the statistics of the whole
            batch where several devices share it; not with `recompute`.
          rescale_latents: Images: Python `bool`, whether the last scale's latents are divided by
            the square root of 2; False in the authors' code. Batch norm after checkerboard
            couplings counts the zeros of what they keep, and so gives these latents a variance
            of 2: undivided they fit the standard normal worse, by (1 - log 2) / 2 nats each
            (0.11 bits/dim with 2 scales), and samples lack contrast. Without `use_batch_norm`
            there is nothing to divide.
          max_log_scale: Python `float` above 0, bound of the absolute log-scale in each coupling,
            or None for none, as in the paper; see `AffineCoupling`.
          recompute: Python `bool`, whether the backward pass rebuilds the activations of each
            coupling, in place of keeping them: less memory, more time; see `Chain`.
          layers: `parameters["layers"]` of a flow of the same configuration, to share them (as
            `copy` does, also with another `event_shape` of as many channels).
          dtype_policy: Keras's policy of the networks, or its name, such as
            `"mixed_bfloat16"`, in which they compute in training. By default the global one
            if its variables are of `dtype`, else `dtype`.
          dtype: `tf.DType`, of events and variables; Keras's `floatx` by default.
          validate_args: Python `bool`, handed to all members.
          name: Python `str`.

        Raises:
          TypeError: if an argument is of the wrong type.
          ValueError: if an argument is out of range, or given and without meaning for
            the rank of the event, or if there are more scales than the image can have; on a
            call, if events are of another shape, or there is no condition that fits.
        """
        parameters = dict(locals())
        self._event_shape = shape = tf.TensorShape(known_shape(event_shape))
        self._conditional_event_shape = condition = (
            None
            if conditional_event_shape is None
            else tf.TensorShape(known_shape(conditional_event_shape, "conditional_event_shape"))
        )
        dtype = float_dtype(dtype or keras.config.floatx())
        images = {
            "num_scales": num_scales,
            "num_residual_blocks": num_residual_blocks,
            "base_filters": base_filters,
            "skip": None if skip else skip,
            "bottleneck": bottleneck or None,
            "rescale_latents": None if rescale_latents else rescale_latents,
        }
        vectors = {"num_couplings": num_couplings, "hidden_units": hidden_units}
        for argument in (
            "skip",
            "bottleneck",
            "use_batch_norm",
            "use_running_average",
            "synchronized",
            "rescale_latents",
            "recompute",
        ):
            check_bool(parameters[argument], argument)
        if synchronized and recompute:
            raise ValueError("`synchronized` must be False where `recompute` is True; got True for both.")
        check_number(batch_norm_momentum, "batch_norm_momentum", "in [0, 1)", lambda m: 0 <= m < 1)
        _check(shape, condition, images, vectors)
        member = {"dtype": dtype, "validate_args": validate_args}
        norm = None
        if use_batch_norm:
            norm = {
                "momentum": batch_norm_momentum,
                "use_running_average": use_running_average,
                "synchronized": synchronized,
            }
        with tf.name_scope(name) as name:
            policy = _policy(dtype_policy, tf.as_dtype(dtype).name)
            parameters["dtype_policy"] = policy.name if type(policy) is keras.DTypePolicy else policy
            couplings = Couplings(condition, max_log_scale, norm, member, policy, layers)
            self._num_scales = None
            if shape.rank == 1:
                bijectors = _vector_flow(
                    couplings, shape, num_couplings or 8, (64, 64) if hidden_units is None else hidden_units
                )
            else:
                parameters["num_scales"] = self._num_scales = num_scales or default_num_scales(shape)
                network = {
                    "num_residual_blocks": 4 if num_residual_blocks is None else num_residual_blocks,
                    "skip": skip,
                    "bottleneck": bottleneck,
                    "use_batch_norm": use_batch_norm,
                }
                bijectors = multi_scale(
                    couplings,
                    shape,
                    0,
                    self._num_scales,
                    base_filters or 32,
                    network,
                    rescale_latents and use_batch_norm,
                    recompute,
                )
            parameters["layers"] = couplings.layers
            super().__init__(bijectors, dtype, validate_args, recompute, parameters, name)

    @property
    def event_shape(self) -> tf.TensorShape:
        """`tf.TensorShape` of an event, and of a latent."""
        return self._event_shape

    @property
    def conditional_event_shape(self) -> tf.TensorShape | None:
        """`tf.TensorShape` of a condition, or None."""
        return self._conditional_event_shape

    @property
    def takes_condition(self) -> bool:
        return self._conditional_event_shape is not None

    @classmethod
    def _parameter_properties(cls, dtype):
        return {}  # It makes its members itself, of a single flow.

    def _checked_arguments(self, training, conditional_input):
        arguments = super()._checked_arguments(training, conditional_input)
        shape = self._conditional_event_shape
        if shape is None:
            return arguments
        if conditional_input is None:
            raise ValueError(
                f"{self._needed()}, got none. Pass it by that name, or to a distribution or a chain as "
                "`bijector_kwargs(bijector, conditional_input=...)` gives it."
            )
        self.check_condition(conditional_input)
        return arguments

    def check_condition(self, conditional_input: TensorLike) -> None:
        """Checks a condition of this flow, which has to be conditional.

        Args:
          conditional_input: `Tensor` or array.

        Raises:
          ValueError: if it does not end in `conditional_event_shape`.
        """
        shape: Any = self._conditional_event_shape
        given = tf.TensorShape(getattr(conditional_input, "shape", np.shape(conditional_input)))
        if not given[-shape.rank :].is_compatible_with(shape):
            raise ValueError(f"{self._needed()}, got {given}. Classes are to be one-hot.")

    def _needed(self):
        shape: Any = self._conditional_event_shape
        sides = ", ".join(map(str, shape))
        return f"`{self.name}` needs a `conditional_input` of shape [..., {sides}]"

    def _forward_event_shape(self, shape):
        return self._checked_event_shape(super()._forward_event_shape(shape))

    def _inverse_event_shape(self, shape):
        return self._checked_event_shape(super()._inverse_event_shape(shape))

    def _checked_event_shape(self, shape):
        if not shape[-self._event_shape.rank :].is_compatible_with(self._event_shape):
            raise ValueError(f"`{self.name}` is for events of shape {self._event_shape}; got {shape}.")
        return shape

    @property
    def num_scales(self) -> int | None:
        """Number of scales of an image flow, None for vectors."""
        return self._num_scales


def _policy(dtype_policy, dtype):
    """The networks' policy, whose variables are of `dtype`."""
    if dtype_policy is None:
        policy = keras.config.dtype_policy()
        return policy if policy.variable_dtype == dtype else keras.DTypePolicy(dtype)
    try:
        policy = keras.dtype_policies.get(dtype_policy)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`dtype_policy` must be a policy of Keras or its name; got {dtype_policy!r}."
        ) from error
    if policy.variable_dtype != dtype:
        raise ValueError(
            f"`dtype_policy` must have variables of the flow's `dtype`, {dtype}; got {policy.name!r}."
        )
    return policy


def _vector_flow(couplings, shape, num_couplings, hidden_units):
    """Members of a vector flow, from data to latents."""
    condition = couplings.condition
    members = []
    for i in range(num_couplings):
        members += couplings(
            shape,
            channel_mask(shape, invert=i % 2 == 1),
            MLP,
            f"coupling_{i}",
            event_size=shape[0],
            hidden_units=hidden_units,
            conditional_event_size=condition and condition[0],
        )
    return members


def _check(shape, condition, images, vectors):
    if shape.rank not in (1, 3):
        raise ValueError(
            f"`event_shape` must be (height, width, channels) or (dimensions,); got {tuple(shape)}."
        )
    foreign, rank = (images, 1) if shape.rank == 1 else (vectors, 3)
    given = [name for name, value in foreign.items() if value is not None]
    if given:
        raise ValueError(f"`{given[0]}` has no meaning for events of rank {rank}; got {foreign[given[0]]!r}.")
    numbers = {"num_scales": 1, "num_residual_blocks": 0, "base_filters": 1, "num_couplings": 2}
    for name, value in {**images, **vectors}.items():
        if name in numbers and value is not None:
            check_integer(value, name, least=numbers[name])
    hidden_units = vectors["hidden_units"]
    if hidden_units is not None:
        if not isinstance(hidden_units, Sequence):
            raise TypeError(f"`hidden_units` must be a sequence of integers; got {hidden_units!r}.")
        for units in hidden_units:
            check_integer(units, "hidden_units", least=1)
    if shape.rank == 1 and shape[0] < 2:
        raise ValueError(f"`event_shape` must have at least 2 dimensions for a coupling; got {tuple(shape)}.")
    if shape.rank == 3 and min(shape[:2]) < 2:
        raise ValueError(
            f"`event_shape` must have a height and a width of at least 2 for a coupling; got {tuple(shape)}."
        )
    if condition is not None and condition.rank != 1 and condition[:-1] != shape[:-1]:
        raise ValueError(
            f"`conditional_event_shape` must be (size,), or (height, width, channels) as large as an image "
            f"event; got {tuple(condition)} for events of shape {tuple(shape)}."
        )
    if shape.rank == 3:
        check_num_scales(shape, images["num_scales"] or 1)
