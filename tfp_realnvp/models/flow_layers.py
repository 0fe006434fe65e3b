"""Finds the Keras layers of a distribution, for a `keras.Model` to hold."""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors import AffineCoupling
from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.variables.tracked_variables import frozen_as_in_keras, tf_variable


def keras_layers(
    flow: tfp.distributions.Distribution | tfp.bijectors.Bijector,
) -> list[keras.layers.Layer]:
    """Lists the Keras layers in a distribution or bijector, and one for the variables outside of them.

    A `keras.Model` trains and saves the layers among its attributes, but not layers inside distributions
    and bijectors. Assign this list to an attribute of the model; a `FlowModel` does not need it.

    Args:
      flow: `tfd.TransformedDistribution` or `tfb.Bijector`. Networks of a distribution that are not built
        yet are built by drawing a sample, conditional ones by the first call with a condition.

    Returns:
      List of Keras layers that together hold all variables of `flow`.

    Raises:
      TypeError: if `flow` is neither.
      ValueError: if a conditional tf-keras network, or a network of a bijector, is not built.

    #### Examples

    >>> import keras, tfp_realnvp as rnvp
    >>> class Density(keras.Model):
    ...     def __init__(self, distribution):
    ...         super().__init__()
    ...         self.distribution = distribution
    ...         self.flow_layers = rnvp.keras_layers(distribution)
    ...     def call(self, x):
    ...         return self.distribution.log_prob(x)
    >>> flow = rnvp.RealNVP((4, 4, 1), base_filters=2, num_residual_blocks=1)
    >>> model = Density(rnvp.image_distribution(flow))
    >>> len(model.trainable_variables) == len(flow.trainable_variables)
    True
    """
    if not isinstance(flow, (tfp.distributions.Distribution, tfp.bijectors.Bijector)):
        raise TypeError(f"`flow` must be a `tfd.Distribution` or a `tfb.Bijector`; got {flow!r}.")
    bijectors = [m for m in (flow, *flow.submodules) if isinstance(m, Bijector)]
    layers = list({id(layer): layer for b in bijectors for layer in b.layers}.values())
    conditioners = [b.conditioner for b in bijectors if isinstance(b, AffineCoupling)]
    if not all(getattr(c, "built", True) for c in conditioners):
        if isinstance(flow, tfp.bijectors.Bijector):
            raise ValueError(f"The networks of `flow` must be built, by a call of it; got {flow!r}.")
        if not any(b.takes_condition for b in bijectors):
            flow.sample(1)
    for c in conditioners:
        if not (c in layers or getattr(c, "built", True)):
            raise ValueError(f"A conditional tf-keras network must be built before the model; got {c!r}.")
    seen = {id(tf_variable(v)) for layer in layers for v in layer.variables}
    others = [v for v in flow.variables if id(v) not in seen]
    return layers + ([OtherVariables(others, name="other_variables")] if others else [])


@keras.saving.register_keras_serializable("tfp_realnvp")
class OtherVariables(keras.layers.Layer):
    """Holds `tf.Variable`s that belong to no other Keras layer, so that Keras tracks them."""

    def __init__(self, variables: Iterable[tf.Variable], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.adopted = [keras.Variable(v, trainable=v.trainable, name=_plain_name(v)) for v in variables]
        self.built = True

    @property
    def trainable(self) -> bool:
        return super().trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        keras.layers.Layer.trainable.fset(self, value)
        for v in getattr(self, "adopted", []):
            frozen_as_in_keras(v)


def _plain_name(variable):
    return variable.name.split(":")[0].replace("/", "_")
