"""Options of a training run: one declaration makes a field, its documentation and a flag."""

import dataclasses
import inspect
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

flags.disclaim_key_flags()  # The flags belong to the program that defines them here.

FLAGS: dict[Any, Any] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    "enum": flags.DEFINE_enum,
}
KINDS = {bool: "a Python bool", int: "an integer", float: "a number", str: "a string", tuple: "a tuple"}


def option(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: Sequence[str] | None = None,
    before: Any = dataclasses.MISSING,
    is_flag: bool = True,
    is_of_flow: bool = False,
) -> Any:
    """Declares a field of a frozen dataclass that `documented` decorates.

    Args:
      default: Its default, or `dataclasses.MISSING` if it has none.
      help: Python `str`, one or more sentences.
      least, most: Python numbers, its range, or None.
      choices: Sequence of allowed values, or None.
      before: Value for runs that are older than the option, if it is not the default. When a default
        changes, this keeps the first one.
      is_flag: Python `bool`, whether `define_flags` makes a flag of it.
      is_of_flow: Python `bool`, whether it is an argument of `RealNVP` with the same name.

    Returns:
      `dataclasses.Field`.
    """
    before = default if before is dataclasses.MISSING else before
    metadata = {
        "help": help,
        "least": least,
        "most": most,
        "choices": choices,
        "before": before,
        "is_flag": is_flag,
        "is_of_flow": is_of_flow,
    }
    return dataclasses.field(default=default, metadata=metadata)


def documented(cls: Any) -> Any:
    """Replaces `{options}` in the docstring of a dataclass by documentation of its options.

    Args:
      cls: Dataclass whose fields are made by `option`.

    Returns:
      `cls`.
    """
    own = [field for field in dataclasses.fields(cls) if field.name in inspect.get_annotations(cls)]
    cls.__doc__ = (cls.__doc__ or "").replace("{options}", "\n".join(map(_documentation, own)).lstrip())
    return cls


def check_options(options: Any) -> None:
    """Raises unless each option of a dataclass has its type and is within its range.

    Args:
      options: Instance of a dataclass whose fields are made by `option`.

    Raises:
      TypeError: if one has another type.
      ValueError: if one is out of its range.
    """
    for field in dataclasses.fields(type(options)):
        name, value = f"`{field.name}`", getattr(options, field.name)
        kinds, may_be_none = _kinds(field)
        allowed = " or ".join([KINDS[kind] for kind in kinds] + ["None"] * may_be_none)
        if value is None and may_be_none:
            continue
        if not any(_is_of(value, kind) for kind in kinds):
            raise TypeError(f"{name} must be {allowed}; got {value!r}.")
        choices, least, most = (field.metadata[key] for key in ("choices", "least", "most"))
        if choices is not None and value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}.")
        is_below = isinstance(value, (int, float)) and least is not None and not value >= least
        is_beyond = isinstance(value, (int, float)) and most is not None and not value <= most
        if is_below or is_beyond or value != value:  # The last one is NaN.
            raise ValueError(f"{name} must be {allowed}{_range(least, most)}; got {value!r}.")


def of_record(cls: Any, record: Mapping[str, Any], where: str) -> Any:
    """Makes options from the contents of a file.

    Args:
      cls: Dataclass whose fields are made by `option`.
      record: Dictionary of values by name. Missing options get the values of runs that are older
        than the options.
      where: Python `str`, name of the file, for errors.

    Returns:
      Instance of `cls`.

    Raises:
      ValueError: if it lacks a required option, has an unknown one, or one with a wrong value.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if unknown := sorted(record.keys() - fields.keys()):
        raise ValueError(f"`{where}` is no configuration of this version: it has unknown {unknown}.")
    values = {**defaults_before(cls), **record}
    if lacking := sorted(fields.keys() - values.keys()):
        raise ValueError(f"`{where}` is no configuration: it lacks {lacking}.")
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{where}` is no configuration: {error}") from error


def defaults_before(cls: Any) -> dict[str, Any]:
    """Returns the values of options for runs that are older than the options.

    Args:
      cls: Dataclass whose fields are made by `option`.

    Returns:
      Dictionary, without required options.
    """
    values = {field.name: field.metadata["before"] for field in dataclasses.fields(cls)}
    return {name: value for name, value in values.items() if value is not dataclasses.MISSING}


def flow_arguments(options: Any) -> dict[str, Any]:
    """Returns the arguments of `RealNVP` among options.

    Args:
      options: Instance of a dataclass whose fields are made by `option`.

    Returns:
      Dictionary.
    """
    return {
        f.name: getattr(options, f.name)
        for f in dataclasses.fields(type(options))
        if f.metadata["is_of_flow"]
    }


def define_flags(cls: Any, have_defaults: bool = True, flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines a flag for each option.

    Args:
      cls: Dataclass whose fields are made by `option`.
      have_defaults: Python `bool`, whether flags have the defaults of options; else None.
      flag_values: `flags.FlagValues` to define them in.
    """
    for field in dataclasses.fields(cls):
        if not field.metadata["is_flag"]:
            continue
        options: dict[str, Any] = {"help": field.metadata["help"], "flag_values": flag_values}
        for key, bound in (("least", "lower_bound"), ("most", "upper_bound"), ("choices", "enum_values")):
            if field.metadata[key] is not None:
                options[bound] = field.metadata[key]
        define = FLAGS["enum" if "enum_values" in options else _kinds(field)[0][0]]
        define(field.name, field.default if have_defaults else None, **options)


def given_flags(cls: Any, flag_values: flags.FlagValues) -> dict[str, Any]:
    """Returns the options that are given by flags.

    Args:
      cls: Dataclass for which `define_flags` has defined flags.
      flag_values: `flags.FlagValues`, parsed.

    Returns:
      Dictionary of the values that are not None, by name.
    """
    found = {f.name: flag_values[f.name].value for f in dataclasses.fields(cls) if f.metadata["is_flag"]}
    return {name: value for name, value in found.items() if value is not None}


def _kinds(field):
    """The types that a field may have, and whether it may be None."""
    kinds = typing.get_args(field.type) or (field.type,)
    return [kind for kind in kinds if kind is not type(None)], type(None) in kinds


def _is_of(value, kind):
    """Whether a value has a type; an integer also counts as a float, a bool as no number."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, kind) or (kind is float and isinstance(value, int))


def _range(least, most):
    bounds = ("least", least), ("most", most)
    return " and".join(f" of at {word} {bound:g}" for word, bound in bounds if bound is not None)


def _documentation(field):
    kinds, may_be_none = _kinds(field)
    kind = " or ".join([f"`{kind.__name__}`" for kind in kinds] + ["None"] * may_be_none)
    default = "" if field.default is dataclasses.MISSING else f", {field.default!r} by default"
    return f"      {field.name}: {field.metadata['help']} Python {kind}{default}."
