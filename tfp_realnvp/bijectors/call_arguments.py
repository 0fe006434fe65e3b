"""Passes call arguments through stock chains, and reads them from Keras's call context."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.utils.arguments import check_training
from tfp_realnvp.utils.hints import TensorLike
from tfp_realnvp.utils.private_names import keras_call


def bijector_kwargs(
    bijector: tfp.bijectors.Bijector,
    training: bool | None = None,
    conditional_input: TensorLike | None = None,
) -> dict[str, Any]:
    """Builds the keyword arguments that reach our bijectors inside any composition.

    A `tfb.Chain` routes keyword arguments by the names of its members, and ignores
    unknown names. This builds that (nested) dictionary.

    Args:
      bijector: Any `tfb.Bijector`: one of ours, a `tfb.Chain` with some of ours in it,
        or a `tfb.Invert` of either.
      training: Python `bool` or None, for all our bijectors.
      conditional_input: `Tensor` or None, for our bijectors that take a condition.

    Returns:
      Dictionary for `bijector.forward(x, **kwargs)` and the other methods of `bijector`,
      and for `distribution.log_prob(x, bijector_kwargs=kwargs)`.

    Raises:
      ValueError: if there is a `conditional_input` and nothing takes it, or if two
        members of a chain that need different arguments have the same name.
      TypeError: if `bijector` is not a bijector or `training` not a Python `bool` or None.

    #### Examples

    >>> import tensorflow_probability as tfp, tfp_realnvp as rnvp
    >>> chain = tfp.bijectors.Chain([tfp.bijectors.Shift(1.0), rnvp.BatchNormalization((2,))])
    >>> rnvp.bijector_kwargs(chain, training=True)
    {'batch_normalization': {'training': True}}
    """
    check_training(training)
    if not isinstance(bijector, tfp.bijectors.Bijector):
        raise TypeError(f"`bijector` must be a `tfb.Bijector`; got {bijector!r}.")
    if conditional_input is not None and not takes_condition(bijector):
        raise ValueError(
            f"`conditional_input` was given, but nothing in `bijector` takes a condition: {bijector}."
        )
    return member_kwargs(bijector, training, conditional_input)


def member_kwargs(
    bijector: tfp.bijectors.Bijector, training: bool | None, conditional_input: TensorLike | None
) -> dict[str, Any]:
    """Builds `bijector_kwargs` for a member of a composition, which need not take a condition."""
    if isinstance(bijector, Bijector):
        kwargs: dict[str, Any] = {} if training is None else {"training": training}
        if conditional_input is not None and bijector.takes_condition:
            kwargs["conditional_input"] = conditional_input
        return kwargs
    if hasattr(bijector, "bijectors"):
        by_name: dict[str, dict[str, Any]] = {}
        for member in tf.nest.flatten(bijector.bijectors):
            kwargs = member_kwargs(member, training, conditional_input)
            if by_name.setdefault(member.name, kwargs) != kwargs:
                raise ValueError(
                    f"Two members of `{bijector.name}` are called `{member.name}` and need different "
                    "arguments; give them distinct names."
                )
        return {name: kwargs for name, kwargs in by_name.items() if kwargs}
    if hasattr(bijector, "bijector"):
        return member_kwargs(bijector.bijector, training, conditional_input)
    return {}


def in_one_pass(
    bijector: tfp.bijectors.Bijector,
    direction: str,
    x: tf.Tensor,
    event_ndims: int,
    training: bool | None,
    conditional_input: TensorLike | None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes `Bijector.in_one_pass` for any member of a composition, also a stock bijector."""
    if isinstance(bijector, Bijector):
        return bijector.in_one_pass(direction, x, event_ndims, training, conditional_input)
    kwargs = member_kwargs(bijector, training, conditional_input)
    y = getattr(bijector, direction)(x, **kwargs)
    return y, getattr(bijector, f"{direction}_log_det_jacobian")(x, event_ndims, **kwargs)


def takes_condition(bijector: tfp.bijectors.Bijector) -> bool:
    """True if `conditional_input` has an effect on any part of `bijector`."""
    if isinstance(bijector, Bijector):
        return bijector.takes_condition
    if hasattr(bijector, "bijectors"):
        return any(takes_condition(b) for b in tf.nest.flatten(bijector.bijectors))
    return hasattr(bijector, "bijector") and takes_condition(bijector.bijector)


def is_training(training: bool | None) -> bool:
    """Returns `training` if it is given, else whether the surrounding Keras call trains."""
    if training is None:
        training = bool(getattr(keras_call(), "training", None))
    check_training(training)
    return training
