"""One entry for each kind of bijector we make.

The contract (`test_contract.py`) runs over all of them; compositions, distributions and caches
over those of `REPRESENTATIVES`.
"""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_realnvp as rnvp


@dataclasses.dataclass(frozen=True)
class Entry:
    """How to make a bijector of a dtype, its events, and its condition's shape."""

    make: callable
    event_shape: tuple
    conditional_event_shape: tuple | None = None

    def bijector(self, dtype="float64"):
        """A new bijector whose variables all have values that matter."""
        bijector = self.make(dtype)
        random = np.random.default_rng(1)
        for layer in bijector.layers + tuple(
            x for b in bijector.submodules for x in getattr(b, "layers", ())
        ):
            for v in layer.variables:
                spread = np.exp(0.3 * random.normal(size=v.shape))
                v.assign(spread if "variance" in v.name else 0.3 * random.normal(size=v.shape))
        return bijector

    def kwargs(self, batch_shape, dtype="float64"):
        if self.conditional_event_shape is None:
            return {}
        condition = np.random.default_rng(2).normal(size=(*batch_shape, *self.conditional_event_shape))
        return {"conditional_input": tf.constant(condition, dtype)}

    def data(self, batch_shape, dtype="float64", seed=0):
        return tf.constant(np.random.default_rng(seed).normal(size=(*batch_shape, *self.event_shape)), dtype)


@keras.saving.register_keras_serializable("tests")
class Network(keras.layers.Layer):
    """A user's conditioner: dense over the last axis, or convolution over an axis before it."""

    def __init__(self, outputs, convolution=False, **kwargs):
        super().__init__(**kwargs)
        self.outputs, self.convolution = outputs, convolution
        dtype = self.dtype_policy
        self.hidden = (
            keras.layers.Conv1D(8, 3, padding="same", activation="tanh", dtype=dtype)
            if convolution
            else keras.layers.Dense(8, "tanh", dtype=dtype)
        )
        self.out = keras.layers.Dense(outputs, dtype=dtype)

    def build(self, input_shape):
        self.hidden.build(input_shape)
        self.out.build((*input_shape[:-1], 8))

    def call(self, x):
        return self.out(self.hidden(x))

    def get_config(self):
        return {**super().get_config(), "outputs": self.outputs, "convolution": self.convolution}


@keras.saving.register_keras_serializable("tests")
class ConditionalNetwork(Network):
    def build(self, input_shape):
        super().build((*input_shape[:-1], input_shape[-1] + 2))

    def call(self, x, conditional_input):
        return super().call(tf.concat([x, conditional_input], -1))


def coupling(mask, network, dtype, **kwargs):
    network.build((None, *mask.shape))
    return rnvp.AffineCoupling(mask, network, dtype=dtype, **kwargs)


def image_flow(dtype, **kwargs):
    """Of two scales without residual blocks: with blocks as well, every check would take twice as long."""
    return rnvp.RealNVP((8, 8, 2), num_residual_blocks=0, base_filters=2, dtype=dtype, **kwargs)


def residual_flow(dtype, **kwargs):
    """Of one scale with residual blocks."""
    return rnvp.RealNVP((8, 8, 2), num_scales=1, num_residual_blocks=1, base_filters=2, dtype=dtype, **kwargs)


CONSTRUCTORS = {
    "coupling_vector": Entry(
        lambda dtype: coupling(rnvp.channel_mask((5,)), Network(10, dtype=dtype), dtype), (5,)
    ),
    "coupling_bounded": Entry(
        lambda dtype: coupling(
            rnvp.channel_mask((4,)), Network(8, dtype=dtype), dtype, max_log_scale=np.float32(0.5)
        ),
        (4,),
    ),
    "coupling_conditional": Entry(
        lambda dtype: coupling(rnvp.channel_mask((4,)), ConditionalNetwork(8, dtype=dtype), dtype), (4,), (2,)
    ),
    "coupling_sequence": Entry(
        lambda dtype: coupling(
            rnvp.checkerboard_mask((6, 2)), Network(4, convolution=True, dtype=dtype), dtype
        ),
        (6, 2),
    ),
    "coupling_image": Entry(
        lambda dtype: coupling(rnvp.checkerboard_mask((4, 4, 2)), Network(4, dtype=dtype), dtype), (4, 4, 2)
    ),
    "squeeze": Entry(lambda dtype: rnvp.Squeeze(dtype=dtype), (4, 6, 2)),
    "squeeze_ordered": Entry(lambda dtype: rnvp.Squeeze("ordered", dtype=dtype), (4, 6, 2)),
    "batch_norm_vector": Entry(lambda dtype: rnvp.BatchNormalization((3,), dtype=dtype), (3,)),
    "batch_norm_image": Entry(
        lambda dtype: rnvp.BatchNormalization((None, None, 2), center=False, dtype=dtype), (4, 4, 2)
    ),
    "batch_norm_checkerboard": Entry(
        lambda dtype: rnvp.BatchNormalization((4, 4, 2), rnvp.checkerboard_mask((4, 4, 2)), dtype=dtype),
        (4, 4, 2),
    ),
    "batch_norm_half": Entry(
        lambda dtype: rnvp.BatchNormalization(
            (4, 4, 2), rnvp.channel_mask((4, 4, 2)), scale=False, dtype=dtype
        ),
        (4, 4, 2),
    ),
    "factor_out": Entry(
        lambda dtype: rnvp.FactorOut(rnvp.BatchNormalization((2, 2, 1), dtype=dtype)), (2, 2, 2)
    ),
    "factor_out_stock": Entry(lambda dtype: rnvp.FactorOut(tfp.bijectors.Exp()), (4,)),
    "chain": Entry(
        lambda dtype: rnvp.Chain(
            [
                rnvp.BatchNormalization((4,), dtype=dtype),
                tfp.bijectors.Shift(tf.constant(2.0, dtype)),
                coupling(rnvp.channel_mask((4,)), Network(8, dtype=dtype), dtype),
            ]
        ),
        (4,),
    ),
    "real_nvp_vector": Entry(lambda dtype: rnvp.RealNVP((5,), num_couplings=3, dtype=dtype), (5,)),
    "real_nvp_vector_conditional": Entry(
        lambda dtype: rnvp.RealNVP((2,), conditional_event_shape=(3,), num_couplings=2, dtype=dtype),
        (2,),
        (3,),
    ),
    "real_nvp_image": Entry(image_flow, (8, 8, 2)),
    "real_nvp_image_plain": Entry(
        lambda dtype: residual_flow(dtype, use_batch_norm=False, skip=False, bottleneck=True), (8, 8, 2)
    ),
    "real_nvp_image_conditional": Entry(
        lambda dtype: residual_flow(dtype, conditional_event_shape=(3,)), (8, 8, 2), (3,)
    ),
    "real_nvp_image_conditional_on_image": Entry(
        lambda dtype: image_flow(dtype, conditional_event_shape=(8, 8, 1), rescale_latents=False),
        (8, 8, 2),
        (8, 8, 1),
    ),
}


HEAVY = "real_nvp_image_plain", "real_nvp_image_conditional", "real_nvp_image_conditional_on_image"
"""Whose graphs take seconds: those checks are slow tests of them."""
REPRESENTATIVES = (
    "coupling_conditional",  # A condition that has all axes of the batch.
    "squeeze",  # No variables; a constant log-determinant of images.
    "batch_norm_checkerboard",  # Statistics, a mask.
    "factor_out_stock",  # One of TFP's, in ours.
    "chain",  # A chain of ours and TFP's.
    "real_nvp_vector_conditional",  # A whole flow, which hands its condition on.
)


def each(names=CONSTRUCTORS, slow=()):
    """Parametrises a test by entries, of which some are slow tests."""
    chosen = [
        pytest.param(CONSTRUCTORS[name], id=name, marks=[pytest.mark.slow] if name in slow else [])
        for name in names
    ]
    return pytest.mark.parametrize("entry", chosen)


every = each()
representative = each(REPRESENTATIVES)
