"""Rebuilds an optimizer for variables that became trainable after it was built."""

from collections.abc import Sequence

import keras
import numpy as np


def build_for(
    optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable], keeps_others: bool = False
) -> None:
    """Builds an optimizer for variables, or rebuilds it if it was built for others.

    Keras builds an optimizer once and raises "Unknown variable" for variables that are thawed or added
    (`enable_lora`) later. A rebuilt optimizer keeps the number of iterations and the moments of
    variables that stay; moments of new variables start at zero.

    Args:
      optimizer: Keras optimizer.
      variables: Variables that will be trained.
      keeps_others: Python `bool`, whether the optimizer keeps the moments of other variables.

    Raises:
      ValueError: if the optimizer has a kind of state that this function cannot keep.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        build_for(optimizer.inner_optimizer, variables, keeps_others)
    if not optimizer.built:
        optimizer.build(variables)
        return
    known = optimizer._trainable_variables
    ids, known_ids = ({id(v) for v in some} for some in (variables, known))
    if ids <= known_ids if keeps_others else ids == known_ids:
        return
    others = [v for v in known if id(v) not in ids] if keeps_others else []
    _rebuild(optimizer, [*variables, *others])


def _rebuild(optimizer, variables):
    known, state = list(optimizer._trainable_variables), _state(optimizer)
    _forget(optimizer, [v for value in state.values() for v in _flat(value)])
    optimizer.built, optimizer._trainable_variables_indices = False, {}
    optimizer.build(variables)
    stay = {id(v) for v in variables}
    if optimizer.use_ema:  # Averages start at the values of the variables.
        for variable, average in zip(variables, optimizer._model_variables_moving_average, strict=True):
            average.assign(np.array(variable))
    for name, old in state.items():
        new = getattr(optimizer, name)
        if isinstance(old, keras.Variable):
            new.assign(np.array(old))
            continue
        for variable, slot in zip(known, old, strict=True):
            if slot is not None and id(variable) in stay:
                new[optimizer._get_variable_index(variable)].assign(np.array(slot))


def _forget(optimizer, variables):
    """Removes variables from an optimizer, in a new list: TensorFlow cannot save one that lost items."""
    gone = {id(v) for v in variables}
    kept = [v for v in optimizer._variables if id(v) not in gone]
    tracker = type(optimizer._tracker)
    del optimizer._tracker  # It would track the list, too.
    optimizer._variables = []
    optimizer._tracker = tracker(
        {"variables": (lambda v: isinstance(v, keras.Variable), optimizer._variables)}
    )
    for v in kept:
        optimizer._track_variable(v)


def _state(optimizer):
    """The state that `build` made, by attribute: variables, and lists with one per trained variable."""
    kept = "_variables", "_trainable_variables", "_iterations", "_learning_rate"
    state = {k: v for k, v in vars(optimizer).items() if k not in kept and _flat(v)}
    found = {id(v) for value in state.values() for v in _flat(value)}
    found |= {id(getattr(optimizer, name)) for name in kept[2:]}
    unknown = [v.name for v in optimizer._variables if id(v) not in found]
    lengths = {len(value) for value in state.values() if isinstance(value, list)}
    if unknown or lengths - {len(optimizer._trainable_variables)}:
        raise ValueError(
            f"`optimizer` was built before some variables became trainable, and a {type(optimizer).__name__} "
            "cannot be built anew with what it knows; `compile` the model with a new one."
        )
    return state


def _flat(value):
    """The Keras variables in an attribute."""
    values = value if isinstance(value, list) else [value]
    return [v for v in values if isinstance(v, keras.Variable)]
