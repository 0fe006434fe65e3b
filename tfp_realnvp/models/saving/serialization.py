"""Turns distributions and bijectors into plain configuration and back, for `.keras` files."""

import inspect
import json
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp import bijectors
from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.flows.real_nvp import RealNVP
from tfp_realnvp.models.saving.defaults_of_0_1_0 import with_defaults_of_0_1_0

INSTEAD = (
    "Or save weights instead (`save_weights('model.weights.h5')`), and load them into a model built by the "
    "same code."
)
OURS = "tfp_realnvp"
NAMESPACES = {
    OURS: {**vars(bijectors), "RealNVP": RealNVP},
    "tfp.bijectors": vars(tfp.bijectors),
    "tfp.distributions": vars(tfp.distributions),
}
OWN_STATE = ("layer", "layers")
"""Arguments of our bijectors that hold layers. Constructors make new ones, unless layers are shared."""


def serialize(
    value: Any, where: str = "distribution", known: dict[int, tuple[Any, str]] | None = None
) -> Any:
    """Describes a distribution, a bijector or one of their arguments in JSON's types.

    Weights of Keras layers are not included: they are saved beside the configuration. An object
    in two places (a network, a bijector, a variable) is one object in both places again.

    Args:
      value: One of our or TFP's bijectors or distributions, a Keras layer that can be
        serialised, a variable, an array, a dtype, a shape, a container of these, or a plain
        value.
      where: Python `str`, the place of `value`, for the error.
      known: Dictionary from the id of each object described so far to the object and its place.

    Returns:
      Configuration for `deserialize`.

    Raises:
      TypeError: if a part cannot be described or rebuilt; the message names it.
    """
    known = {} if known is None else known
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        items = [serialize(v, f"{where}[{i}]", known) for i, v in enumerate(value)]
        return {"kind": "list", "items": items}
    if isinstance(value, dict):
        return {
            "kind": "dict",
            "items": {k: serialize(v, f"{where}[{k!r}]", known) for k, v in value.items()},
        }
    if isinstance(value, (tf.DType, np.dtype)) or (isinstance(value, type) and issubclass(value, np.generic)):
        return {"kind": "dtype", "name": tf.as_dtype(value).name}
    if isinstance(value, tf.TensorShape):
        return {"kind": "shape", "sides": value.as_list()}
    if id(value) in known:
        return {"kind": "same", "as": known[id(value)][1]}
    known[id(value)] = value, where
    if isinstance(value, keras.layers.Layer):
        return {"kind": "layer", "config": _layer_config(value, where)}
    if isinstance(value, tfp.util.TransformedVariable):
        return {
            "kind": "transformed_variable",
            "initial_value": serialize(np.asarray(value), where),
            "bijector": serialize(value.bijector, f"{where}.bijector", known),
            "trainable": value.pretransformed_input.trainable,
            "name": _name(value.pretransformed_input),
        }
    if isinstance(value, (tfp.bijectors.Bijector, tfp.distributions.Distribution)):
        namespace, name = _address(value, where)
        arguments = _parameters(value, where, known).items()
        return {
            "kind": "object",
            "namespace": namespace,
            "class": name,
            "parameters": {k: serialize(v, f"{where}.{k}", known) for k, v in arguments},
        }
    if isinstance(value, tf.Variable):
        array = serialize(value.numpy(), where)
        return {**array, "variable": value.trainable, "name": _name(value)}
    if isinstance(value, (tf.Tensor, np.ndarray, np.generic)):
        array = np.asarray(value)
        return {"kind": "array", "values": array.tolist(), "dtype": array.dtype.name, "variable": None}
    raise TypeError(f"`{where}` cannot be written to a .keras file: {value!r}. {INSTEAD}")


def deserialize(config: Any, where: str = "distribution", made: dict[str, Any] | None = None) -> Any:
    """Rebuilds a value that `serialize` described, with new variables.

    Args:
      config: The result of `serialize`.
      where: Python `str`, the place of the value.
      made: Dictionary of the objects made so far, by place.
    """
    made = {} if made is None else made
    if not isinstance(config, dict):
        return config
    kind = config["kind"]
    if kind == "list":
        return [deserialize(v, f"{where}[{i}]", made) for i, v in enumerate(config["items"])]
    if kind == "dict":
        return {k: deserialize(v, f"{where}[{k!r}]", made) for k, v in config["items"].items()}
    if kind == "same":
        return made[config["as"]]
    made[where] = value = _made(kind, config, where, made)
    if isinstance(value, Bijector):
        made.update({place: layer for place, layer in _own_layers(value, where) if place not in made})
    return value


def _made(kind, config, where, made):
    if kind == "dtype":
        return tf.as_dtype(config["name"])
    if kind == "shape":
        return tf.TensorShape(config["sides"])
    if kind == "layer":
        return keras.saving.deserialize_keras_object(config["config"])
    if kind == "array":
        value = np.asarray(config["values"], config["dtype"])
        if config["variable"] is None:
            return value
        return tf.Variable(value, trainable=config["variable"], name=config.get("name"))
    if kind == "transformed_variable":
        bijector = deserialize(config["bijector"], f"{where}.bijector", made)
        options = {"trainable": config["trainable"], "name": config["name"]}
        return tfp.util.TransformedVariable(deserialize(config["initial_value"]), bijector, **options)
    return _object(config, where, made)


def _object(config, where, made):
    """Makes a bijector or a distribution; a ValueError names arguments that its class does not take."""
    namespace, name = config["namespace"], config["class"]
    cls = NAMESPACES.get(namespace, {}).get(name)
    if cls is None:
        raise ValueError(f"`{where}` is a `{name}` of {namespace}, which there is not in this version.")
    parameters = {k: deserialize(v, f"{where}.{k}", made) for k, v in config["parameters"].items()}
    known = inspect.signature(cls.__init__).parameters
    unknown = sorted(parameters.keys() - known.keys())
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in known.values()):
        raise ValueError(f"`{where}` has arguments that `{name}` does not take in this version: {unknown}.")
    if namespace == OURS:
        parameters = with_defaults_of_0_1_0(name, parameters)
    return cls(**parameters)


def _name(variable):
    return variable.name.split("/")[-1].split(":")[0]


def _layer_config(layer, where):
    """Keras's configuration of a layer; a TypeError if Keras cannot rebuild the layer from it."""
    try:
        config = keras.saving.serialize_keras_object(layer)
        json.dumps(config)
    except (NotImplementedError, TypeError) as error:
        raise TypeError(f"`{where}` cannot be written to a .keras file: {error} {INSTEAD}") from error
    unknown = _unregistered(config)
    if unknown is not None:
        raise TypeError(
            f"`{where}` cannot be written to a .keras file: {unknown} is not registered, and would not be "
            f"found again. Decorate it with `@keras.saving.register_keras_serializable()`. {INSTEAD}"
        )
    return config


def _unregistered(config):
    """The first class in a Keras configuration that is neither Keras's nor registered, or None."""
    if isinstance(config, dict):
        name, module = config.get("registered_name"), config.get("module") or ""
        own = module.split(".")[0] == "keras"
        if name and "class_name" in config and not own and keras.saving.get_registered_object(name) is None:
            return name
        config = list(config.values())
    parts = config if isinstance(config, (list, tuple)) else []
    return next((name for name in map(_unregistered, parts) if name is not None), None)


def _address(value, where):
    """The namespace and the name under which the class of `value` is found again."""
    name = type(value).__name__.lstrip("_")  # tfb.Chain makes a _Chain.
    for namespace, members in NAMESPACES.items():
        known = members.get(name)
        if known is not None and (known is type(value) or type(value) in known.__mro__):
            return namespace, name
    raise TypeError(
        f"`{where}` cannot be written to a .keras file: {type(value).__name__} is neither ours nor TFP's. "
        f"{INSTEAD}"
    )


def _parameters(value, where, known):
    """The constructor arguments, without layers that the constructor makes and without TFP's defaults.

    Our own defaults are included, so that a file does not depend on them. TFP's may not be plain values.
    """
    parameters = dict(value.parameters)
    if isinstance(value, Bijector):
        own = _own_layers(value, where)
        if not any(id(layer) in known for _, layer in own):
            known.update({id(layer): (layer, place) for place, layer in own})
            return {k: v for k, v in parameters.items() if k not in OWN_STATE}
        return parameters
    defaults = inspect.signature(type(value).__init__).parameters
    return {k: v for k, v in parameters.items() if not (k in defaults and v is defaults[k].default)}


def _own_layers(bijector, where):
    """Places and values of the layers among the constructor arguments of one of our bijectors."""
    layer, layers = (bijector.parameters.get(name) for name in OWN_STATE)
    one = [] if layer is None else [(f"{where}.layer", layer)]
    return one + [(f"{where}.layers[{i}]", layer) for i, layer in enumerate(layers or [])]
