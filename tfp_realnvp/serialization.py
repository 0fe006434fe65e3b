"""Distributions and bijectors to plain configuration and back, for `.keras` files."""

import inspect

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp import bijectors
from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.real_nvp import RealNVP

NAMESPACES = {
    "tfp_realnvp": {**vars(bijectors), "RealNVP": RealNVP},
    "tfp.bijectors": vars(tfp.bijectors),
    "tfp.distributions": vars(tfp.distributions),
}
OWN_STATE = ("layer", "layers")
"""Constructor arguments of our bijectors that hold variables, which are made anew."""


def serialize(value, where="distribution"):
    """Describes a distribution, a bijector or one of their arguments in JSON's types.

    Values of variables are not part of it: weights are saved beside the configuration.

    Args:
      value: One of our or TFP's bijectors or distributions, a Keras layer that can be
        serialised, an array, a dtype, a shape, a container of these, or a plain value.
      where: Python `str`, the place of `value`, for the error.

    Returns:
      What `deserialize` makes it from.

    Raises:
      TypeError: if a part cannot be described; it is named.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return {"kind": "list", "items": [serialize(v, f"{where}[{i}]") for i, v in enumerate(value)]}
    if isinstance(value, dict):
        return {"kind": "dict", "items": {k: serialize(v, f"{where}[{k!r}]") for k, v in value.items()}}
    if isinstance(value, tf.DType):
        return {"kind": "dtype", "name": value.name}
    if isinstance(value, tf.TensorShape):
        return {"kind": "shape", "sides": value.as_list()}
    if isinstance(value, keras.layers.Layer):
        return {"kind": "layer", "config": keras.saving.serialize_keras_object(value)}
    if isinstance(value, (tfp.bijectors.Bijector, tfp.distributions.Distribution)):
        namespace, name = _address(value, where)
        return {
            "kind": "object",
            "namespace": namespace,
            "class": name,
            "parameters": {k: serialize(v, f"{where}.{k}") for k, v in _parameters(value).items()},
        }
    if isinstance(value, tf.Variable) or tf.is_tensor(value) or isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        trainable = value.trainable if isinstance(value, tf.Variable) else None
        return {"kind": "array", "values": array.tolist(), "dtype": array.dtype.name, "variable": trainable}
    raise TypeError(
        f"`{where}` cannot be written to a .keras file: {value!r}. Save weights instead "
        "(`save_weights('model.weights.h5')`), and load them into a model built by the same code."
    )


def deserialize(config):
    """Makes what `serialize` described, with new variables."""
    if not isinstance(config, dict):
        return config
    kind = config["kind"]
    if kind == "list":
        return [deserialize(v) for v in config["items"]]
    if kind == "dict":
        return {k: deserialize(v) for k, v in config["items"].items()}
    if kind == "dtype":
        return tf.as_dtype(config["name"])
    if kind == "shape":
        return tf.TensorShape(config["sides"])
    if kind == "layer":
        return keras.saving.deserialize_keras_object(config["config"])
    if kind == "array":
        value = np.asarray(config["values"], config["dtype"])
        return value if config["variable"] is None else tf.Variable(value, trainable=config["variable"])
    cls = NAMESPACES[config["namespace"]][config["class"]]
    return cls(**{k: deserialize(v) for k, v in config["parameters"].items()})


def _address(value, where):
    """Where the class of `value` is found again."""
    name = type(value).__name__.lstrip("_")  # tfb.Chain makes a _Chain.
    for namespace, members in NAMESPACES.items():
        known = members.get(name)
        if known is not None and (known is type(value) or type(value) in known.__mro__):
            return namespace, name
    raise TypeError(
        f"`{where}` cannot be written to a .keras file: {type(value).__name__} is neither ours nor TFP's. "
        "Save weights instead, and load them into a model built by the same code."
    )


def _parameters(value):
    """The constructor arguments that are not the default and not state."""
    defaults = inspect.signature(type(value).__init__).parameters
    return {
        k: v
        for k, v in value.parameters.items()
        if not (k in defaults and v is defaults[k].default)
        and not (isinstance(value, Bijector) and k in OWN_STATE)
    }
