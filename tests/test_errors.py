"""Bad input is named where it comes in."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_realnvp as rnvp
from tfp_realnvp import data

tfb, tfd = tfp.bijectors, tfp.distributions

half = rnvp.channel_mask((4,))


def coupling(conditioner=lambda x: (x, x), mask=half, **kwargs):
    return rnvp.AffineCoupling(mask, conditioner, **kwargs)


def conditional(x, conditional_input):
    return x, x


x = np.zeros((3, 4), np.float32)
normal = tfd.Sample(tfd.Normal(0.0, 1.0), [4])

CASES = {
    "float_mask": (lambda: coupling(mask=np.ones(4)), TypeError, "`mask` must be boolean; got dtype float64"),
    "scalar_mask": (lambda: coupling(mask=np.array(True)), ValueError, "`mask` must have the rank of the event"),
    "all_true_mask": (lambda: coupling(mask=np.ones(4, bool)), ValueError, "`mask` leaves.*nothing to transform"),
    "all_false_mask": (lambda: coupling(mask=np.zeros(4, bool)), ValueError, "`mask` leaves.*nothing to look at"),
    "one_dimension": (lambda: coupling(mask=rnvp.channel_mask((1,))), ValueError, "`mask` leaves"),
    "no_conditioner": (lambda: coupling(3), TypeError, "`conditioner` must be callable; got 3"),
    "three_outputs": (lambda: coupling(lambda x: (x, x, x)).forward(x), ValueError, "shift and log-scale; it returned 3"),
    "wrong_output": (lambda: coupling(lambda x: (x, x[:, :3])).forward(x), ValueError, r"broadcast.*has \(3, 3\)"),
    "wrong_event": (lambda: coupling().forward(x[:, :3]), ValueError, r"mask of shape \(4,\); got.*\(3,\)"),
    "no_condition": (lambda: coupling(conditional).forward(x), ValueError, "needs a `conditional_input`"),
    "unused_condition": (
        lambda: coupling().forward(x, conditional_input=x), ValueError, "`conditional_input` was given, but",
    ),
    "narrow_condition": (
        lambda: coupling(conditional).forward(np.zeros((2, 3, 4)), conditional_input=np.zeros(3)),
        ValueError, "`conditional_input` must have the batch axes",
    ),
    "float32_network_of_float64_events": (
        lambda: coupling(keras.layers.Dense(8)).forward(x.astype(np.float64)), TypeError, "computes in float32",
    ),
    "not_finite": (
        lambda: coupling(lambda x: (x, x / 0), validate_args=True).forward(x), tf.errors.InvalidArgumentError, "finite",
    ),
    "unknown_mask_shape": (lambda: rnvp.checkerboard_mask((None, 4, 1)), ValueError, "`event_shape`.*got"),
    "empty_mask_shape": (lambda: rnvp.channel_mask(()), ValueError, "`event_shape` must hold at least one side"),
    "squeeze_order": (lambda: rnvp.Squeeze("diagonal"), ValueError, "`order` must be one of.*got 'diagonal'"),
    "squeeze_odd": (lambda: rnvp.Squeeze().forward(np.zeros((1, 4, 3, 1))), ValueError, "even height and width; got"),
    "unsqueeze": (lambda: rnvp.Squeeze().inverse(np.zeros((1, 4, 4, 6))), ValueError, "multiple of 4 channels; got"),
    "norm_shape": (lambda: rnvp.BatchNormalization((4, None)), ValueError, "`event_shape` needs a known last side"),
    "norm_mask_dtype": (lambda: rnvp.BatchNormalization((4,), np.ones(4)), TypeError, "`mask` must be boolean"),
    "norm_mask_shape": (lambda: rnvp.BatchNormalization((3,), half), ValueError, r"`mask` must broadcast.*\(4,\)"),
    "norm_mask_all": (lambda: rnvp.BatchNormalization((4,), np.ones(4, bool)), ValueError, "nothing to normalise"),
    "norm_momentum": (lambda: rnvp.BatchNormalization((4,), momentum=1.0), ValueError, r"`momentum`.*\[0, 1\); got 1"),
    "norm_epsilon": (lambda: rnvp.BatchNormalization((4,), epsilon=0.0), ValueError, "`epsilon` must be positive"),
    "norm_event": (lambda: rnvp.BatchNormalization((3,)).forward(x), ValueError, r"events of shape \(3,\); got \(4,\)"),
    "tensor_training": (
        lambda: rnvp.BatchNormalization((4,)).inverse(x, training=tf.constant(True)), TypeError, "`training`.*bool",
    ),
    "factor_out_nothing": (lambda: rnvp.FactorOut(3), TypeError, "`bijector` must be a `tfb.Bijector`; got 3"),
    "factor_out_odd": (lambda: rnvp.FactorOut(tfb.Exp()).forward(x[:, :3]), ValueError, "even last side"),
    "factor_out_ndims": (lambda: rnvp.FactorOut(rnvp.Squeeze(), event_ndims=2), ValueError, "`event_ndims`.*least 3"),
    "factor_out_shape": (
        lambda: rnvp.FactorOut(rnvp.Squeeze()).forward(np.zeros((1, 4, 4, 2), np.float32)), ValueError, "keep shapes",
    ),
    "odd_output": (lambda: coupling(lambda x: x[:, :3]).forward(x), ValueError, r"an even number; it returned \(3, 3\)"),
    "flow_with_classes": (
        lambda: rnvp.RealNVP((4,), conditional_event_shape=(2,)).forward(x, conditional_input=np.zeros(3)),
        ValueError, r"needs a `conditional_input` of shape \[..., 2\], got \(3,\).*one-hot",
    ),
    "model_with_classes": (
        lambda: rnvp.FlowModel(
            tfd.TransformedDistribution(normal, rnvp.RealNVP((4,), conditional_event_shape=(3,)))
        )((x, np.zeros(3, np.float32))),
        ValueError, r"\[batch, 3\], classes one-hot; got \(3,\)",
    ),
    "scalar_base": (
        lambda: rnvp.FlowModel(tfd.TransformedDistribution(tfd.Normal(0.0, 1.0), coupling())), ValueError, "`tfd.Sample`",
    ),
    "base_of_another_shape": (
        lambda: rnvp.FlowModel(tfd.TransformedDistribution(normal, rnvp.RealNVP((3,)))), ValueError, r"events of shape \(3,\)",
    ),
    "events_to_encode": (
        lambda: rnvp.FlowModel(tfd.TransformedDistribution(normal, rnvp.RealNVP((4,)))).encode(x[:, :3]),
        ValueError, r"`events` must be of shape \[batch, \*\(4,\)\]; got \(3, 3\)",
    ),
    "latents_to_decode": (
        lambda: rnvp.FlowModel(tfd.TransformedDistribution(normal, rnvp.RealNVP((4,)))).decode(x[:, :3]),
        ValueError, "`latents` must be of shape",
    ),
    "empty_chain": (lambda: rnvp.Chain([]), ValueError, "`bijectors` must hold at least one"),
    "no_bijectors": (lambda: rnvp.Chain([tf.exp]), TypeError, "`bijectors` must hold"),
    "chain_dtypes": (
        lambda: rnvp.Chain([rnvp.BatchNormalization((4,), dtype=d) for d in ("float32", "float64")]),
        ValueError, "agree on their dtype",
    ),
    "flow_rank": (lambda: rnvp.RealNVP((4, 4)), ValueError, r"`event_shape` must be.*got \(4, 4\)"),
    "flow_one_dimension": (lambda: rnvp.RealNVP((1,)), ValueError, "at least 2 dimensions"),
    "flow_scales": (lambda: rnvp.RealNVP((8, 8, 3), num_scales=4), ValueError, "`num_scales` is too many.*multiples of 8"),
    "flow_odd": (lambda: rnvp.RealNVP((6, 10, 3), num_scales=3), ValueError, "`num_scales` is too many"),
    "flow_zero": (lambda: rnvp.RealNVP((8, 8, 3), base_filters=0), ValueError, "`base_filters` must be an integer"),
    "image_argument_of_vectors": (lambda: rnvp.RealNVP((4,), num_scales=2), ValueError, "`num_scales` has no meaning"),
    "skip_of_vectors": (lambda: rnvp.RealNVP((4,), skip=False), ValueError, "`skip` has no meaning"),
    "vector_argument_of_images": (
        lambda: rnvp.RealNVP((8, 8, 3), hidden_units=(8,)), ValueError, "`hidden_units` has no meaning",
    ),
    "flow_condition": (
        lambda: rnvp.RealNVP((8, 8, 3), conditional_event_shape=(4, 4, 1)), ValueError, "`conditional_event_shape`",
    ),
    "flow_without_condition": (
        lambda: rnvp.RealNVP((4,), conditional_event_shape=(2,)).forward(x), ValueError, "needs a `conditional_input`",
    ),
    "flow_with_unused_condition": (
        lambda: rnvp.RealNVP((4,)).forward(x, conditional_input=x), ValueError, "`conditional_input` was given",
    ),
    "copy_of_another_architecture": (
        lambda: rnvp.RealNVP((4,)).copy(hidden_units=(3,)), ValueError, "`layers` are those of a flow of another",
    ),
    "unused_condition_of_a_chain": (
        lambda: rnvp.bijector_kwargs(tfb.Chain([tfb.Exp()]), conditional_input=x), ValueError, "nothing in `bijector`",
    ),
    "members_of_one_name": (
        lambda: rnvp.bijector_kwargs(
            tfb.Chain([tfb.Exp(name="a"), rnvp.BatchNormalization((4,), name="a")]), training=True
        ),
        ValueError, "distinct names",
    ),
    "levels": (lambda: rnvp.image_distribution(rnvp.RealNVP((4, 4, 1)), 1), ValueError, "`num_levels`.*got 1"),
    "image_shape": (lambda: rnvp.image_distribution(tfb.Exp()), ValueError, "`event_shape` must hold"),
    "no_distribution": (lambda: rnvp.FlowModel(rnvp.RealNVP((4,))), TypeError, "`distribution` must be"),
    "batch_of_distributions": (
        lambda: rnvp.FlowModel(tfd.TransformedDistribution(tfd.Normal([0.0, 0.0], 1.0), tfb.Exp())),
        ValueError, r"batch shape \(\)",
    ),
    "negative_l2": (
        lambda: rnvp.FlowModel(tfd.TransformedDistribution(normal, rnvp.RealNVP((4,))), l2=-1.0), ValueError, "`l2`",
    ),
    "dataset": (lambda: data.load("mnist"), ValueError, "`dataset` must be one of.*got 'mnist'"),
    "image_size": (lambda: data.load("digits", image_size=8), ValueError, "`image_size` is for"),
    "no_folder": (lambda: data.load("folder", "/nowhere"), FileNotFoundError, "`data_dir` must be a folder.*/nowhere"),
    "no_array": (lambda: data.load("array"), FileNotFoundError, "`data_dir` must name"),
}  # fmt: skip


@pytest.mark.parametrize("call, error, match", CASES.values(), ids=CASES.keys())
def test_raises(call, error, match):
    with pytest.raises(error, match=match):
        call()
