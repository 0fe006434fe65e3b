"""The Keras layers of a distribution, which a `keras.Model` of it holds."""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors import AffineCoupling
from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.call_arguments import takes_condition
from tfp_realnvp.bijectors.tracked_variables import frozen_as_in_keras, tf_variable


def built_layers(distribution: tfp.distributions.Distribution) -> list[keras.layers.Layer]:
    """The Keras layers in a distribution, and one for the variables outside of them.

    Args:
      distribution: `tfd.TransformedDistribution`. Networks that are not built are built by
        a sample, but conditional ones by the first call with a condition.

    Returns:
      List of Keras layers, which have all variables of the distribution between them.

    Raises:
      ValueError: if a conditional tf-keras network is not built.
    """
    bijectors = [m for m in distribution.submodules if isinstance(m, Bijector)]
    layers = list({id(layer): layer for b in bijectors for layer in b.layers}.values())
    is_conditional = takes_condition(distribution.bijector)
    conditioners = [b.conditioner for b in bijectors if isinstance(b, AffineCoupling)]
    if not all(getattr(c, "built", True) for c in conditioners) and not is_conditional:
        distribution.sample(1)
    for c in conditioners:
        if not (c in layers or getattr(c, "built", True)):
            raise ValueError(f"A conditional tf-keras network must be built before the model; got {c!r}.")
    seen = {id(tf_variable(v)) for layer in layers for v in layer.variables}
    others = [v for v in distribution.variables if id(v) not in seen]
    return layers + ([OtherVariables(others, name="other_variables")] if others else [])


@keras.saving.register_keras_serializable("tfp_realnvp")
class OtherVariables(keras.layers.Layer):
    """Makes Keras see `tf.Variable`s that belong to no Keras layer."""

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
