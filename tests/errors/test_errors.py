"""Bad input is named where it comes in: a row a case, of every argument of every public name."""

import inspect
import runpy

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.training.callbacks import AveragedWeights, optional

tfb, tfd = tfp.bijectors, tfp.distributions

half = rnvp.channel_mask((4,))
x = np.zeros((3, 4), np.float32)
images = np.zeros((2, 4, 4, 1), np.uint8)
normal = tfd.Sample(tfd.Normal(0.0, 1.0), [4])
DtypeError = (TypeError, ValueError)  # TFP's own may be either.
RuntimeCheck = tf.errors.InvalidArgumentError


def coupling(conditioner=lambda x: (x, x), mask=half, **kwargs):
    return rnvp.AffineCoupling(mask, conditioner, **kwargs)


def conditional(x, conditional_input):
    return x, x


def norm(event_shape=(4,), **kwargs):
    return rnvp.BatchNormalization(event_shape, **kwargs)


def vector_flow(**kwargs):
    return rnvp.RealNVP((4,), **{"num_couplings": 2, "hidden_units": (4,), **kwargs})


def image_flow(event_shape=(4, 4, 1), **kwargs):
    return rnvp.RealNVP(event_shape, **{"base_filters": 2, "num_residual_blocks": 0, **kwargs})


def pixels(value, **kwargs):
    dist = rnvp.image_distribution(image_flow(), 16, validate_args=True, **kwargs)
    return dist.log_prob(np.full((1, 4, 4, 1), value, np.float32))


def model(bijector=None, **kwargs):
    bijector = vector_flow() if bijector is None else bijector
    return rnvp.FlowModel(tfd.TransformedDistribution(normal, bijector), **kwargs)


def of_base(base, *first):
    return rnvp.FlowModel(tfd.TransformedDistribution(base, tfb.Chain([vector_flow(), *first])))


PARTS = tfd.JointDistributionSequential([tfd.Sample(tfd.Normal(0.0, 1.0), [2])] * 2)


def conditional_model():
    return model(vector_flow(conditional_event_shape=(3,)))


def fitted(model, *data):
    model.compile()
    return model.fit(*data, verbose=0)


def closure():
    variable = tf.Variable(1.0, name="mine")
    return coupling(lambda x: (variable * x, x))


CASES = {
    "AffineCoupling.mask, floats": (lambda: coupling(mask=np.ones(4)), TypeError, "`mask` must be boolean; got dtype float64"),
    "AffineCoupling.mask, scalar": (lambda: coupling(mask=np.array(True)), ValueError, "`mask` must have the rank of the event"),
    "AffineCoupling.mask, all True": (lambda: coupling(mask=np.ones(4, bool)), ValueError, "`mask` leaves.*nothing to transform"),
    "AffineCoupling.mask, all False": (lambda: coupling(mask=np.zeros(4, bool)), ValueError, "`mask` leaves.*nothing to look at"),
    "AffineCoupling.mask, one dimension": (lambda: coupling(mask=rnvp.channel_mask((1,))), ValueError, "`mask` leaves"),
    "AffineCoupling.conditioner": (lambda: coupling(3), TypeError, "`conditioner` must be callable; got 3"),
    "AffineCoupling.conditioner, three outputs": (
        lambda: coupling(lambda x: (x, x, x)).forward(x), ValueError, "shift and log-scale; it returned 3",
    ),
    "AffineCoupling.conditioner, wrong shape": (
        lambda: coupling(lambda x: (x, x[:, :3])).forward(x), ValueError, r"broadcast.*has \(3, 3\)",
    ),
    "AffineCoupling.conditioner, odd axis": (
        lambda: coupling(lambda x: x[:, :3]).forward(x), ValueError, r"an even number; it returned \(3, 3\)",
    ),
    "AffineCoupling.conditioner, scalar": (
        lambda: coupling(lambda x: 1.0).forward(x), ValueError, r"an even number; it returned \(\)",
    ),
    "AffineCoupling.conditioner, dictionary": (
        lambda: coupling(lambda x: {"shift": x}).forward(x), TypeError, r"\(shift, log_scale\).*it returned a dict",
    ),
    "AffineCoupling.conditioner, bijector": (
        lambda: coupling(lambda x: tfb.Shift(x)).forward(x), TypeError, r"\(shift, log_scale\).*it returned a Shift",
    ),
    "AffineCoupling.conditioner, None": (
        lambda: coupling(lambda x: None).forward(x), TypeError, r"\(shift, log_scale\).*it returned a NoneType",
    ),
    "AffineCoupling.conditioner, distributions": (
        lambda: coupling(lambda x: (x, normal)).forward(x), TypeError, r"\(shift, log_scale\).*it returned a Sample",
    ),
    "AffineCoupling.conditioner, float32 of float64 events": (
        lambda: coupling(keras.layers.Dense(8)).forward(x.astype(np.float64)), TypeError, "computes in float32",
    ),
    "AffineCoupling.conditioner, float64 of float32 events": (
        lambda: coupling(lambda x: (tf.cast(x, tf.float64), x)).forward(x), TypeError, "computes in float64.*float32",
    ),
    "AffineCoupling.conditioner, integers": (
        lambda: coupling(lambda x: (tf.cast(x, tf.int32), x)).forward(x), TypeError, "computes in int32.*float32",
    ),
    "AffineCoupling.conditional_event_ndims": (
        lambda: coupling(conditional, conditional_event_ndims=-1), ValueError, "`conditional_event_ndims`.*least 0; got -1",
    ),
    "AffineCoupling.conditional_event_ndims, float": (
        lambda: coupling(conditional, conditional_event_ndims=1.0), TypeError, "`conditional_event_ndims`.*got 1.0",
    ),
    "AffineCoupling.variables, none of them": (lambda: closure().forward(x), ValueError, "nothing tracks: .*mine.*`variables="),
    "AffineCoupling.variables, no variable": (lambda: coupling(variables=[3]), TypeError, "`variables` must hold.*got 3"),
    "AffineCoupling.variables, no sequence": (lambda: coupling(variables=3), TypeError, "`variables` must be a sequence.*got 3"),
    "AffineCoupling.max_log_scale": (lambda: coupling(max_log_scale=0), ValueError, "`max_log_scale`.*above 0; got 0"),
    "AffineCoupling.max_log_scale, string": (lambda: coupling(max_log_scale="5"), TypeError, "`max_log_scale`.*got '5'"),
    "AffineCoupling.dtype": (lambda: coupling(dtype="int32"), TypeError, "`dtype` must be a float dtype.*got 'int32'"),
    "AffineCoupling.dtype, another": (
        lambda: coupling(dtype="float32").forward(tf.zeros([3, 4], tf.float64)), DtypeError, "float",
    ),
    "AffineCoupling.validate_args": (lambda: coupling(validate_args="yes"), TypeError, "`validate_args`.*bool; got 'yes'"),
    "AffineCoupling.validate_args, not finite": (
        lambda: coupling(lambda x: (x, x / 0), validate_args=True).forward(x), RuntimeCheck, "not finite",
    ),
    "AffineCoupling.name": (lambda: coupling(name=3), ValueError, "name.*must be a string"),
    "AffineCoupling.forward, events": (lambda: coupling().forward(x[:, :3]), ValueError, r"mask of shape \(4,\); got.*\(3,\)"),
    "AffineCoupling.forward, integers": (lambda: coupling().forward(x.astype(int)), TypeError, "float dtype; got int64"),
    "AffineCoupling.forward, no condition": (lambda: coupling(conditional).forward(x), ValueError, "needs a `conditional_input`"),
    "AffineCoupling.forward, unused condition": (
        lambda: coupling().forward(x, conditional_input=x), ValueError, "`conditional_input` was given, but",
    ),
    "AffineCoupling.forward, narrow condition": (
        lambda: coupling(conditional).forward(np.zeros((2, 3, 4)), conditional_input=np.zeros(3)),
        ValueError, "`conditional_input` of.*batch axes",
    ),
    "AffineCoupling.forward, another batch": (
        lambda: coupling(conditional).forward(x, conditional_input=x[:2]), ValueError, r"batch axes.*\(3,\).*got shape \(2, 4\)",
    ),
    "AffineCoupling.forward, condition of strings": (
        lambda: coupling(conditional).forward(x, conditional_input=["a", "b", "c"]), TypeError, "must hold numbers; got dtype string",
    ),
    "BatchNormalization.event_shape": (lambda: norm((4, None)), ValueError, "`event_shape` needs a known last side"),
    "BatchNormalization.event_shape, empty": (lambda: norm((0,)), ValueError, r"none of 0; got \(0,\)"),
    "BatchNormalization.event_shape, number": (lambda: norm(4), ValueError, "`event_shape` needs.*got 4"),
    "BatchNormalization.mask": (lambda: norm(mask=np.ones(4)), TypeError, "`mask` must be boolean"),
    "BatchNormalization.mask, shape": (lambda: norm((3,), mask=half), ValueError, r"`mask` must broadcast.*\(4,\)"),
    "BatchNormalization.mask, all True": (lambda: norm(mask=np.ones(4, bool)), ValueError, "nothing to normalise"),
    "BatchNormalization.mask, unknown event": (
        lambda: norm((None, 4), mask=half), ValueError, "fully known where there is a `mask`",
    ),
    "BatchNormalization.center": (lambda: norm(center=1), TypeError, "`center` must be a Python bool; got 1"),
    "BatchNormalization.scale": (lambda: norm(scale=None), TypeError, "`scale` must be a Python bool; got None"),
    "BatchNormalization.momentum": (lambda: norm(momentum=1.0), ValueError, r"`momentum`.*\[0, 1\); got 1"),
    "BatchNormalization.momentum, string": (lambda: norm(momentum="high"), TypeError, "`momentum`.*got 'high'"),
    "BatchNormalization.epsilon": (lambda: norm(epsilon=0.0), ValueError, "`epsilon`.*above 0; got 0.0"),
    "BatchNormalization.synchronized": (lambda: norm(synchronized=1), TypeError, "`synchronized`.*got 1"),
    "BatchNormalization.use_running_average": (lambda: norm(use_running_average=0.9), TypeError, "`use_running_average`.*0.9"),
    "BatchNormalization.layer": (lambda: norm(layer=keras.layers.Dense(4)), TypeError, "`layer` must be the `layer` of"),
    "BatchNormalization.layer, of others": (
        lambda: norm((3,), layer=norm().layer), ValueError, "`layer` is of another configuration.*3.*got.*4",
    ),
    "BatchNormalization.dtype": (lambda: norm(dtype="bool"), TypeError, "`dtype` must be a float dtype.*got 'bool'"),
    "BatchNormalization.dtype, of a copy": (lambda: norm().copy(dtype="float64"), ValueError, "`layer` is of another"),
    "BatchNormalization.validate_args": (lambda: norm(validate_args=1), TypeError, "`validate_args`.*got 1"),
    "BatchNormalization.name": (lambda: norm(name=3), ValueError, "name.*must be a string"),
    "BatchNormalization.forward, events": (lambda: norm((3,)).forward(x), ValueError, r"events of shape \(3,\); got \(4,\)"),
    "BatchNormalization.inverse, training": (
        lambda: norm().inverse(x, training=tf.constant(True)), TypeError, "`training` must be a Python bool",
    ),
    "Chain.bijectors, none": (lambda: rnvp.Chain([]), ValueError, "`bijectors` must hold at least one"),
    "Chain.bijectors, no sequence": (lambda: rnvp.Chain(tfb.Exp()), TypeError, "`bijectors` must be a sequence"),
    "Chain.bijectors, a function": (lambda: rnvp.Chain([tf.exp]), TypeError, "`bijectors` must hold"),
    "Chain.bijectors, dtypes": (
        lambda: rnvp.Chain([norm(dtype=d) for d in ("float32", "float64")]), ValueError, "agree on their dtype",
    ),
    "Chain.bijectors, of structures": (
        lambda: rnvp.Chain([tfb.Split(2)]), ValueError, "`bijectors` must each take one tensor to one",
    ),
    "Chain.dtype, another": (lambda: rnvp.Chain([norm()], dtype="float64"), ValueError, "agree on their dtype, and with `dtype`"),
    "Chain.dtype": (lambda: rnvp.Chain([tfb.Exp()], dtype="int8"), TypeError, "`dtype` must be a float dtype"),
    "Chain.recompute": (lambda: rnvp.Chain([norm()], recompute=1), TypeError, "`recompute` must be a Python bool; got 1"),
    "Chain.validate_args": (lambda: rnvp.Chain([tfb.Exp()], validate_args=0), TypeError, "`validate_args`.*got 0"),
    "Chain.validate_args, not finite": (
        lambda: rnvp.Chain([tfb.Exp(name="e")], validate_args=True, name="c").inverse(x - 1), RuntimeCheck, "`c`: `e.inverse`",
    ),
    "Chain.name": (lambda: rnvp.Chain([tfb.Exp()], name=3), ValueError, "name.*must be a string"),
    "FactorOut.bijector": (lambda: rnvp.FactorOut(3), TypeError, "`bijector` must be a `tfb.Bijector`; got 3"),
    "FactorOut.bijector, changes the shape": (
        lambda: rnvp.FactorOut(rnvp.Squeeze()).forward(np.zeros((1, 4, 4, 2), np.float32)), ValueError, "keep shapes",
    ),
    "FactorOut.bijector, changes the rank": (
        lambda: rnvp.FactorOut(tfb.Reshape([4], [2, 2])), ValueError, "`bijector` must keep the rank",
    ),
    "FactorOut.event_ndims": (lambda: rnvp.FactorOut(rnvp.Squeeze(), event_ndims=2), ValueError, "`event_ndims`.*least 3; got 2"),
    "FactorOut.event_ndims, string": (lambda: rnvp.FactorOut(tfb.Exp(), event_ndims="1"), TypeError, "`event_ndims`.*got '1'"),
    "FactorOut.validate_args": (lambda: rnvp.FactorOut(tfb.Exp(), validate_args=2), TypeError, "`validate_args`.*got 2"),
    "FactorOut.name": (lambda: rnvp.FactorOut(tfb.Exp(), name=3), ValueError, "name.*must be a string"),
    "FactorOut.forward, odd": (lambda: rnvp.FactorOut(tfb.Exp()).forward(x[:, :3]), ValueError, "even last side"),
    "FlowModel.distribution": (lambda: rnvp.FlowModel(vector_flow()), TypeError, "`distribution` must be"),
    "FlowModel.distribution, batch": (
        lambda: rnvp.FlowModel(tfd.TransformedDistribution(tfd.Normal([0.0, 0.0], 1.0), tfb.Exp())), ValueError, r"batch shape \(\)",
    ),
    "FlowModel.distribution, scalar base": (
        lambda: rnvp.FlowModel(tfd.TransformedDistribution(tfd.Normal(0.0, 1.0), coupling())), ValueError, "`tfd.Sample`",
    ),
    "FlowModel.distribution, another shape": (lambda: model(rnvp.RealNVP((3,))), ValueError, r"events of shape \(3,\)"),
    "FlowModel.distribution, parts": (lambda: model(tfb.Split(2)), ValueError, r"single tensor; got parts of event shape .*2"),
    "FlowModel.distribution, joint": (
        lambda: rnvp.FlowModel(tfd.TransformedDistribution(tfd.JointDistributionNamed({"a": normal}), tfb.JointMap({"a": tfb.Exp()}))),
        ValueError, r"single tensor; got parts of event shape .*'a'",
    ),
    "FlowModel.l2": (lambda: model(l2=-1.0), ValueError, "`l2`.*least 0; got -1"),
    "FlowModel.l2, string": (lambda: model(l2="small"), TypeError, "`l2`.*got 'small'"),
    "FlowModel.seed": (lambda: model(seed=0.5), TypeError, "`seed` must be an integer; got 0.5"),
    "FlowModel.name": (lambda: model(name=3), ValueError, "`name` must be a string"),
    "FlowModel.kwargs": (lambda: model(colour="red"), (TypeError, ValueError), "colour"),
    "FlowModel.compile.optimizer": (lambda: model().compile("adamant"), ValueError, "adamant"),
    "FlowModel.compile.loss": (lambda: model().compile(loss="likelihood"), ValueError, "likelihood"),
    "FlowModel.compile.skip_non_finite": (lambda: model().compile(skip_non_finite=2), TypeError, "`skip_non_finite`.*got 2"),
    "FlowModel.compile.auto_scale_loss": (lambda: model().compile(auto_scale_loss=2), TypeError, "`auto_scale_loss`.*got 2"),
    "FlowModel.compile.kwargs": (lambda: model().compile(speed=9), TypeError, "speed"),
    "FlowModel.call.inputs": (lambda: model()(x[:, :3]), ValueError, r"`events` must be of shape \[batch, \*\(4,\)\]; got \(3, 3\)"),
    "FlowModel.call.inputs, no condition": (lambda: conditional_model()(x), ValueError, "needs a `conditional_input`"),
    "FlowModel.call.inputs, unused condition": (lambda: model()((x, x)), ValueError, "nothing in `bijector` takes a condition"),
    "FlowModel.call.inputs, classes": (
        lambda: conditional_model()((x, np.zeros(3, np.float32))), ValueError, r"\[batch, 3\], classes one-hot; got \(3,\)",
    ),
    "FlowModel.call.training": (lambda: model()(x, training="yes"), TypeError, "`training` must be a Python bool"),
    "FlowModel.fit, events": (lambda: fitted(model(), x[:, :3]), ValueError, r"`events` must be.*got \(\d+, 3\)"),
    "FlowModel.fit, no condition": (
        lambda: fitted(conditional_model(), x), ValueError, r"`conditional_input` of shape \[batch, 3\].*`training_batches\(..., conditional=True\)`",
    ),
    "FlowModel.fit, unused condition": (lambda: fitted(model(), x, x), ValueError, "nothing in `bijector` takes a condition"),
    "FlowModel.sample.n": (lambda: model().sample(-1), ValueError, "`n` must be an integer of at least 0; got -1"),
    "FlowModel.sample.n, float": (lambda: model().sample(2.5), TypeError, "`n` must be an integer.*got 2.5"),
    "FlowModel.sample.seed": (lambda: model().sample(2, seed=0.5), TypeError, "`seed` must be.*got 0.5"),
    "FlowModel.sample.temperature": (lambda: model().sample(2, temperature=-1.0), ValueError, "`temperature`.*least 0; got -1"),
    "FlowModel.sample.temperature, infinite mean": (
        lambda: of_base(tfd.Sample(tfd.Pareto(0.5, 1.0), [4])).sample(2, temperature=0.5), ValueError, "`temperature` must be 1.*got 0.5",
    ),
    "FlowModel.sample.temperature, mean of nan": (
        lambda: of_base(tfd.Independent(tfd.StudentT([3.0, 3.0, 3.0, 1.0], 0.0, 1.0), 1)).sample(2, temperature=2),
        ValueError, "`temperature` must be 1.*no finite mean; got 2 for a Independent",
    ),
    "FlowModel.sample.temperature, unknown mean": (
        lambda: of_base(tfd.TransformedDistribution(normal, tfb.Softplus())).sample(2, temperature=0.5), ValueError,
        "`temperature` must be 1.*Transformed",
    ),
    "FlowModel.sample.batch_size": (lambda: model().sample(2, batch_size=0), ValueError, "`batch_size`.*least 1; got 0"),
    "FlowModel.sample.conditional_input": (
        lambda: model().sample(3, conditional_input=x), ValueError, "nothing in `bijector` takes a condition",
    ),
    "FlowModel.sample.conditional_input, none": (lambda: conditional_model().sample(3), ValueError, "needs a `conditional_input`"),
    "FlowModel.sample, latents of parts": (lambda: of_base(PARTS, tfb.Invert(tfb.Split(2))).sample(3), ValueError, "latents that are a single tensor"),
    "FlowModel.decode, latents of parts": (
        lambda: of_base(PARTS, tfb.Invert(tfb.Split(2))).decode([x[:, :2], x[:, 2:]]), ValueError, "latents that are a single tensor",
    ),
    "FlowModel.encode.events": (lambda: model().encode(x[:, :3]), ValueError, r"`events` must be of shape \[batch, \*\(4,\)\]"),
    "FlowModel.encode.events, bools": (lambda: model().encode(x > 0), TypeError, "`events` must be.*got dtype bool"),
    "FlowModel.encode.batch_size": (lambda: model().encode(x, batch_size="2"), TypeError, "`batch_size` must be an integer.*'2'"),
    "FlowModel.encode.conditional_input": (
        lambda: conditional_model().encode(x, conditional_input=np.zeros((3, 2), np.float32)), ValueError, r"\[..., 3\], got \(3, 2\)",
    ),
    "FlowModel.decode.batch_size": (lambda: model().decode(x, batch_size=2.0), TypeError, "`batch_size` must be an integer.*got 2.0"),
    "FlowModel.decode.latents": (lambda: model().decode(x[:, :3]), ValueError, "`latents` must be of shape"),
    "FlowModel.decode.conditional_input": (lambda: conditional_model().decode(x), ValueError, "needs a `conditional_input`"),
    "FlowModel.recalibrate.x": (lambda: model(tfb.Scale(2.0)).recalibrate(x), ValueError, "nothing to recalibrate"),
    "FlowModel.recalibrate.x, empty": (lambda: model().recalibrate(x[:0]), ValueError, "no batch was given"),
    "FlowModel.recalibrate.x, not finite": (lambda: model().recalibrate(x * np.nan), ValueError, "not finite"),
    "FlowModel.recalibrate.condition": (lambda: conditional_model().recalibrate(x), ValueError, "needs a `conditional_input`"),
    "FlowModel.recalibrate.condition, of a data set": (
        lambda: model().recalibrate(tf.data.Dataset.from_tensors(x), x), ValueError, "`condition` must be None where `x`",
    ),
    "FlowModel.recalibrate.batch_size": (lambda: model().recalibrate(x, batch_size=0), ValueError, "`batch_size`.*least 1; got 0"),
    "FlowModel.recalibrate.steps": (lambda: model().recalibrate(x, steps=0.5), TypeError, "`steps`.*got 0.5"),
    "FlowModel.recalibrate.steps, endless": (
        lambda: model().recalibrate(tf.data.Dataset.from_tensors(x).repeat()), ValueError, "`steps` must be given",
    ),
    "RealNVP.event_shape": (lambda: rnvp.RealNVP((4, 4)), ValueError, r"`event_shape` must be.*got \(4, 4\)"),
    "RealNVP.event_shape, one dimension": (lambda: rnvp.RealNVP((1,)), ValueError, "at least 2 dimensions"),
    "RealNVP.event_shape, one row": (lambda: image_flow((1, 64, 1)), ValueError, r"`event_shape`.*least 2.*got \(1, 64, 1\)"),
    "RealNVP.event_shape, one column": (
        lambda: image_flow((64, 1, 3), num_scales=1), ValueError, r"`event_shape`.*least 2.*got \(64, 1, 3\)",
    ),
    "RealNVP.event_shape, number": (lambda: rnvp.RealNVP(4), ValueError, "`event_shape`.*got 4"),
    "RealNVP.event_shape, fraction": (lambda: rnvp.RealNVP((4.5,)), ValueError, r"`event_shape`.*got \(4.5,\)"),
    "RealNVP.num_scales": (lambda: image_flow((8, 8, 3), num_scales=4), ValueError, "`num_scales` is too many.*multiples of 8"),
    "RealNVP.num_scales, odd": (lambda: image_flow((6, 10, 3), num_scales=3), ValueError, "`num_scales` is too many"),
    "RealNVP.num_scales, of vectors": (lambda: vector_flow(num_scales=2), ValueError, "`num_scales` has no meaning"),
    "RealNVP.num_residual_blocks": (lambda: image_flow(num_residual_blocks=-1), ValueError, "`num_residual_blocks`.*got -1"),
    "RealNVP.base_filters": (lambda: image_flow(base_filters=0), ValueError, "`base_filters` must be an integer of at least 1"),
    "RealNVP.base_filters, float": (lambda: image_flow(base_filters=2.0), TypeError, "`base_filters`.*got 2.0"),
    "RealNVP.skip": (lambda: image_flow(skip="no"), TypeError, "`skip` must be a Python bool; got 'no'"),
    "RealNVP.skip, of vectors": (lambda: vector_flow(skip=False), ValueError, "`skip` has no meaning"),
    "RealNVP.bottleneck": (lambda: image_flow(bottleneck=3), TypeError, "`bottleneck` must be a Python bool; got 3"),
    "RealNVP.use_batch_norm": (lambda: vector_flow(use_batch_norm=None), TypeError, "`use_batch_norm`.*got None"),
    "RealNVP.conditional_event_shape": (
        lambda: image_flow((8, 8, 3), conditional_event_shape=(4, 4, 1)), ValueError, "`conditional_event_shape`",
    ),
    "RealNVP.conditional_event_shape, number": (
        lambda: vector_flow(conditional_event_shape=3), ValueError, "`conditional_event_shape`.*got 3",
    ),
    "RealNVP.num_couplings": (lambda: vector_flow(num_couplings=1), ValueError, "`num_couplings`.*least 2; got 1"),
    "RealNVP.num_couplings, of images": (lambda: image_flow(num_couplings=4), ValueError, "`num_couplings` has no meaning"),
    "RealNVP.hidden_units": (lambda: vector_flow(hidden_units=(8, 0)), ValueError, "`hidden_units`.*least 1; got 0"),
    "RealNVP.hidden_units, number": (lambda: vector_flow(hidden_units=8), TypeError, "`hidden_units` must be a sequence.*got 8"),
    "RealNVP.hidden_units, of images": (lambda: image_flow(hidden_units=(8,)), ValueError, "`hidden_units` has no meaning"),
    "RealNVP.max_log_scale": (lambda: vector_flow(max_log_scale=-1.0), ValueError, "`max_log_scale`.*above 0; got -1.0"),
    "RealNVP.max_log_scale, infinite": (lambda: vector_flow(max_log_scale=np.inf), ValueError, "`max_log_scale`.*got inf"),
    "RealNVP.recompute": (lambda: vector_flow(recompute="yes"), TypeError, "`recompute`.*got 'yes'"),
    "RealNVP.batch_norm_momentum": (lambda: vector_flow(batch_norm_momentum=1), ValueError, "`batch_norm_momentum`.*got 1"),
    "RealNVP.rescale_latents": (lambda: image_flow(rescale_latents=1), TypeError, "`rescale_latents`.*got 1"),
    "RealNVP.rescale_latents, of vectors": (lambda: vector_flow(rescale_latents=False), ValueError, "`rescale_latents` has no meaning"),
    "RealNVP.synchronized": (lambda: vector_flow(synchronized=None), TypeError, "`synchronized`.*got None"),
    "RealNVP.synchronized, recompute": (lambda: vector_flow(synchronized=True, recompute=True), ValueError, "`synchronized` must be False where `recompute` is True"),
    "RealNVP.use_running_average": (lambda: vector_flow(use_running_average="E"), TypeError, "`use_running_average`.*got 'E'"),
    "RealNVP.layers": (lambda: vector_flow(layers=3), TypeError, "`layers` must be a list.*got 3"),
    "RealNVP.layers, of another flow": (
        lambda: vector_flow().copy(hidden_units=(3,)), ValueError, "`layers` are those of a flow of another",
    ),
    "RealNVP.dtype_policy": (lambda: vector_flow(dtype_policy="low"), ValueError, "`dtype_policy` must be.*got 'low'"),
    "RealNVP.dtype_policy, of other variables": (
        lambda: vector_flow(dtype_policy="float64"), ValueError, "`dtype_policy` must have variables.*float32; got 'float64'",
    ),
    "RealNVP.dtype": (lambda: vector_flow(dtype=int), TypeError, "`dtype` must be a float dtype"),
    "RealNVP.validate_args": (lambda: vector_flow(validate_args="a"), TypeError, "`validate_args`.*got 'a'"),
    "RealNVP.name": (lambda: vector_flow(name=3), ValueError, "name.*must be a string"),
    "RealNVP.forward, classes": (
        lambda: vector_flow(conditional_event_shape=(2,)).forward(x, conditional_input=np.zeros(3)),
        ValueError, r"needs a `conditional_input` of shape \[..., 2\], got \(3,\).*one-hot",
    ),
    "RealNVP.forward, no condition": (
        lambda: vector_flow(conditional_event_shape=(2,)).forward(x), ValueError, "needs a `conditional_input`",
    ),
    "RealNVP.forward, unused condition": (
        lambda: vector_flow().forward(x, conditional_input=x), ValueError, "`conditional_input` was given",
    ),
    "RealNVP.forward, float64": (lambda: vector_flow().forward(tf.zeros([3, 4], tf.float64)), DtypeError, "float"),
    "Squeeze.order": (lambda: rnvp.Squeeze("diagonal"), ValueError, "`order` must be one of.*got 'diagonal'"),
    "Squeeze.dtype": (lambda: rnvp.Squeeze(dtype="x"), TypeError, "`dtype` must be a float dtype.*got 'x'"),
    "Squeeze.validate_args": (lambda: rnvp.Squeeze(validate_args=None), TypeError, "`validate_args`.*got None"),
    "Squeeze.name": (lambda: rnvp.Squeeze(name=None), ValueError, "name.*must be a string"),
    "Squeeze.forward, odd": (lambda: rnvp.Squeeze().forward(np.zeros((1, 4, 3, 1))), ValueError, "even height and width; got"),
    "Squeeze.forward, unused condition": (
        lambda: rnvp.Squeeze().forward(np.zeros((1, 4, 4, 1)), conditional_input=x), ValueError, "nothing in `squeeze` takes one",
    ),
    "Squeeze.inverse, channels": (lambda: rnvp.Squeeze().inverse(np.zeros((1, 4, 4, 6))), ValueError, "multiple of 4 channels"),
    "bijector_kwargs.bijector": (lambda: rnvp.bijector_kwargs(3), TypeError, "`bijector` must be a `tfb.Bijector`; got 3"),
    "bijector_kwargs.bijector, one name twice": (
        lambda: rnvp.bijector_kwargs(tfb.Chain([tfb.Exp(name="a"), norm(name="a")]), training=True), ValueError, "distinct names",
    ),
    "bijector_kwargs.training": (lambda: rnvp.bijector_kwargs(norm(), training=1), TypeError, "`training` must be.*got 1"),
    "bijector_kwargs.conditional_input": (
        lambda: rnvp.bijector_kwargs(tfb.Chain([tfb.Exp()]), conditional_input=x), ValueError, "nothing in `bijector`",
    ),
    "keras_layers.flow": (lambda: rnvp.keras_layers(3), TypeError, "`flow` must be.*got 3"),
    "bits_per_dim.log_prob": (lambda: rnvp.bits_per_dim("-3", (4,)), TypeError, "`log_prob` must be.*got '-3'"),
    "bits_per_dim.event_shape": (lambda: rnvp.bits_per_dim(-3.0, (None, 4)), ValueError, "`event_shape` must hold"),
    "channel_mask.event_shape": (lambda: rnvp.channel_mask(()), ValueError, "`event_shape` must hold at least one side"),
    "channel_mask.invert": (lambda: rnvp.channel_mask((4,), invert=1), TypeError, "`invert` must be a Python bool; got 1"),
    "checkerboard_mask.event_shape": (lambda: rnvp.checkerboard_mask((None, 4, 1)), ValueError, "`event_shape`.*got"),
    "checkerboard_mask.invert": (lambda: rnvp.checkerboard_mask((4,), "no"), TypeError, "`invert` must be a Python bool; got 'no'"),
    "dequantize.images": (lambda: rnvp.dequantize(x), TypeError, "`images` must be integers.*got dtype float32"),
    "dequantize.seed": (lambda: rnvp.dequantize(images, seed="s"), TypeError, "`seed` must be.*got 's'"),
    "dequantize.dtype": (lambda: rnvp.dequantize(images, dtype="uint8"), TypeError, "`dtype` must be a float dtype"),
    "image_distribution.flow": (lambda: rnvp.image_distribution(normal), TypeError, "`flow` must be a `tfb.Bijector`"),
    "image_distribution.num_levels": (lambda: rnvp.image_distribution(image_flow(), 1), ValueError, "`num_levels`.*got 1"),
    "image_distribution.num_levels, float": (lambda: rnvp.image_distribution(image_flow(), 16.0), TypeError, "`num_levels`.*16.0"),
    "image_distribution.event_shape": (lambda: rnvp.image_distribution(tfb.Exp()), ValueError, "`event_shape` must hold"),
    "image_distribution.validate_args": (
        lambda: rnvp.image_distribution(image_flow(), validate_args=3), TypeError, "`validate_args`.*got 3",
    ),
    "image_distribution.validate_args, no number": (lambda: pixels(np.nan), RuntimeCheck, "its input.*NaN"),
    "image_distribution.validate_args, too large": (lambda: pixels(200), RuntimeCheck, "`pixels.inverse`.*NaN"),
    "image_distribution.validate_args, negative": (lambda: pixels(-3), RuntimeCheck, "`pixels.inverse`.*NaN"),
    "image_distribution.name": (lambda: rnvp.image_distribution(image_flow(), name=3), ValueError, "name.*must be a string"),
    "AveragedWeights.steps": (lambda: AveragedWeights(tf.data.Dataset.range(2), 0), ValueError, "`steps`.*got 0"),
    "AveragedWeights.steps, float": (lambda: AveragedWeights(tf.data.Dataset.range(2), 2.0), TypeError, "`steps`.*2.0"),
    "callbacks.optional": (lambda: optional(print), TypeError, "`callback` must be a `keras.callbacks.Callback`; got <built-in"),
    "FlowModel.from_pretrained.name": (lambda: rnvp.FlowModel.from_pretrained("imagenet"), ValueError, "`name` must be one of cifar10_small, digits; got 'imagenet'"),
    "data": (lambda: data.load("mnist"), ValueError, "`dataset` must be one of.*got 'mnist'"),
    "data, image_size": (lambda: data.load("digits", image_size=8), ValueError, "`image_size` is for"),
    "data, image_size of one": (lambda: data.load("folder", ".", image_size=1), ValueError, "`image_size`.*least 2; got 1"),
    "data, no folder": (lambda: data.load("folder", "/nowhere"), FileNotFoundError, "`data_dir` must be a folder.*/nowhere"),
    "data, no array": (lambda: data.load("array"), FileNotFoundError, "`data_dir` must name"),
}  # fmt: skip


@pytest.mark.parametrize("call, error, match", CASES.values(), ids=CASES.keys())
def test_raises(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_another_backend_of_keras(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ImportError, match="Keras must have the backend 'tensorflow' here; it has 'jax'"):
        runpy.run_path(rnvp.__file__)


def public_arguments():
    """`Name.argument` of every public name, and `FlowModel.method.argument` of its methods."""
    functions = {name: getattr(rnvp, name) for name in rnvp.__all__}
    functions = {
        name: function
        for name, function in functions.items()
        if name != "FusedAdam"  # Whose arguments are Keras's.
    }
    for method in ("from_pretrained", "compile", "call", "sample", "encode", "decode", "recalibrate"):
        functions[f"FlowModel.{method}"] = getattr(rnvp.FlowModel, method)
    for name, function in functions.items():
        for argument in inspect.signature(function).parameters:
            if argument not in ("self", "args") and (name, argument) != (
                "Chain",
                "parameters",
            ):  # For subclasses.
                yield f"{name}.{argument}"


def test_every_public_argument_has_a_case():
    covered = {name.split(",")[0] for name in CASES}
    assert not set(public_arguments()) - covered
