"""Assembles Real NVP: the paper's image flow, and a flow over vectors."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_realnvp.bijectors import Chain
from tfp_realnvp.flows.arguments import checked_arguments, checked_policy
from tfp_realnvp.flows.image_flow import image_flow
from tfp_realnvp.flows.steps import Steps
from tfp_realnvp.flows.vector_flow import vector_flow
from tfp_realnvp.utils.arguments import float_dtype, known_shape
from tfp_realnvp.utils.hints import DTypeLike, Shape, TensorLike


class RealNVP(Chain):
    """Maps latents to images by the paper's flow (rank 3), or to vectors by couplings (rank 1).

    `forward` maps a latent to an event (the paper's g), `inverse` an event to its latent
    (the paper's f). With a distribution p_Z of latents, in nats,

    ```none
    log p(x) = log p_Z(inverse(x)) + inverse_log_det_jacobian(x)
    ```

    From data to latents, each scale of an image flow except the last has three checkerboard
    couplings and, after a 2 x 2 squeeze, three channel-wise couplings with twice as many
    filters. It then factors out half of the pixels (the odd squares of a checkerboard). The
    last scale has four checkerboard couplings. Network widths double from scale to scale.
    Every coupling is followed by a batch norm of the elements it changed. The latent has the
    shape of the image.

    A vector flow is a chain of couplings that keep the first and the second half of the
    dimensions in turn. Each is followed by a batch norm of the elements it changed.

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
    sections 3.2 to 3.7 and 4.1 for the flow. For images every operation is as in the authors'
    released code (with `rescale_latents=False`). This code differs from the text in details:
    the shift is added before scaling, statistics of masked layers count the zeros, and other
    elements are factored out.
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
            of the last scale to at most 4 pixels, fewer if a side becomes odd.
          num_residual_blocks: Images: Python `int`, of each network; 4 by default.
          base_filters: Images: Python `int`, channels of the first scale's networks; 32
            by default.
          skip: Images: Python `bool`, whether networks have skip connections.
          bottleneck: Images: Python `bool`, whether blocks have 1x1, 3x3, 1x1 kernels.
          use_batch_norm: Python `bool`, whether to use batch norm after each coupling and,
            for images, in the networks.
          conditional_event_shape: Shape of one condition, or None. `(size,)` for a vector,
            which every network sees; for images also `(height, width, channels)` for an
            image as large as the event.
          num_couplings: Vectors: Python `int`, at least 2; 8 by default.
          hidden_units: Vectors: sequence of Python `int`s, widths of the networks' hidden
            layers; `(64, 64)` by default.
          batch_norm_momentum: Python `float`, weight of the old value in the moving
            statistics of the batch norms after couplings.
          use_running_average: Python `bool`, whether these batch norms are appendix E's variant.
          synchronized: Python `bool`, whether all batch norms use the statistics of the whole
            batch if several devices share it; not with `recompute`.
          rescale_latents: Images: Python `bool`, whether to divide the last scale's latents by
            the square root of 2; False in the authors' code. Batch norm after checkerboard
            couplings counts the zeros of kept elements, and so gives these latents a variance
            of 2. Undivided they fit the standard normal worse, by (1 - log 2) / 2 nats each
            (0.11 bits/dim with 2 scales), and samples lack contrast. Without `use_batch_norm`
            nothing is divided.
          max_log_scale: Python `float` above 0, bound of the absolute log-scale in each coupling,
            or None for no bound, as in the paper; see `AffineCoupling`.
          recompute: Python `bool`, whether the backward pass recomputes the activations of each
            coupling instead of storing them: less memory, more time; see `Chain`.
          layers: `parameters["layers"]` of a flow with the same configuration, to share them (as
            `copy` does, also for another `event_shape` with as many channels).
          dtype_policy: Keras dtype policy of the networks in training, or its name, such as
            `"mixed_bfloat16"`. By default the global one if its variables have `dtype`, else
            `dtype`.
          dtype: `tf.DType` of events and variables; Keras's `floatx` by default.
          validate_args: Python `bool`, passed to all members.
          name: Python `str`.

        Raises:
          TypeError: if an argument has the wrong type.
          ValueError: if an argument is out of range, or given although it does not apply to
            the event's rank, or if there are more scales than the image can have; on a call,
            if events have another shape, or the condition is missing or does not fit.
        """
        parameters = dict(locals())
        shape, condition = known_shape(event_shape), conditional_event_shape
        if condition is not None:
            condition = known_shape(condition, "conditional_event_shape")
        options = checked_arguments(parameters, shape, condition)
        common = {"dtype": float_dtype(dtype or keras.config.floatx()), "validate_args": validate_args}
        policy = checked_policy(dtype_policy, tf.as_dtype(common["dtype"]).name)
        norm = {
            "momentum": batch_norm_momentum,
            "use_running_average": use_running_average,
            "synchronized": synchronized,
        }
        self._event_shape = tf.TensorShape(shape)
        self._conditional_event_shape = None if condition is None else tf.TensorShape(condition)
        self._num_scales = options.get("num_scales")
        with tf.name_scope(name) as name:
            steps = Steps(condition, max_log_scale, norm if use_batch_norm else None, common, policy, layers)
            if len(shape) == 1:
                bijectors = vector_flow(steps, shape, **options)
            else:
                bijectors = image_flow(steps, shape, recompute=recompute, **options)
            parameters |= {**options, "layers": steps.layers}
            parameters["dtype_policy"] = policy.name if type(policy) is keras.DTypePolicy else policy
            super().__init__(bijectors, common["dtype"], validate_args, recompute, parameters, name)

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
        return {}  # It makes its members itself, for a single flow.

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
        """Checks a condition of this flow, which must be conditional.

        Args:
          conditional_input: `Tensor` or array.

        Raises:
          ValueError: if its shape does not end in `conditional_event_shape`.
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
