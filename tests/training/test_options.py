"""Options: one declaration gives the field, its documentation and its flag, and keeps old files readable."""

import dataclasses
import json
import pathlib
from dataclasses import MISSING

import pytest
from absl import flags
from places import TESTS

from tfp_realnvp.training.configuration import Configuration, Preset
from tfp_realnvp.training.options import (
    check_options,
    define_flags,
    documented,
    flow_arguments,
    given_flags,
    of_record,
    option,
)

OLD_DEFAULTS = pathlib.Path(TESTS, "models", "from_0_1_0", "defaults.json")


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class Soup:
    """A soup.

    Args:
      {options}
    """

    litres: float = option(MISSING, "How much.", least=0, most=10)
    spoons: int = option(4, "For how many.", least=1, before=2, is_of_flow=True)
    kind: str = option("pea", "Of which vegetable.", choices=("pea", "leek"))
    is_hot: bool = option(True, "Whether it is hot.")
    salt: int | None = option(None, "Grains of salt.", is_flag=False)

    def __post_init__(self):
        check_options(self)


def test_the_documentation():
    assert (
        Soup.__doc__
        == """A soup.

    Args:
      litres: How much. Python `float`.
      spoons: For how many. Python `int`, 4 by default.
      kind: Of which vegetable. Python `str`, 'pea' by default.
      is_hot: Whether it is hot. Python `bool`, True by default.
      salt: Grains of salt. Python `int` or None, None by default.
    """
    )


@pytest.mark.parametrize(
    "given, error, message",
    [
        ({"litres": "1"}, TypeError, "`litres` must be a number; got '1'"),
        ({"litres": 11}, ValueError, "`litres` must be a number of at least 0 and of at most 10; got 11"),
        ({"litres": float("inf")}, ValueError, "`litres` must be a number of at least 0 .*; got inf"),
        ({"litres": float("nan")}, ValueError, "`litres` must be a number of at least 0 .*; got nan"),
        ({"spoons": True}, TypeError, "`spoons` must be an integer; got True"),
        ({"spoons": 0}, ValueError, "`spoons` must be an integer of at least 1; got 0"),
        ({"kind": "beef"}, ValueError, "`kind` must be one of pea, leek; got 'beef'"),
        ({"is_hot": 1}, TypeError, "`is_hot` must be a Python bool; got 1"),
        ({"salt": 0.5}, TypeError, "`salt` must be an integer or None; got 0.5"),
    ],
)
def test_what_is_not_allowed(given, error, message):
    with pytest.raises(error, match=message):
        Soup(**{"litres": 1, **given})
    with pytest.raises(ValueError, match=f"`soup.json` is no configuration: {message}"):
        of_record(Soup, {"litres": 1, **given}, "soup.json")


def test_old_files():
    """What a file lacks is what there was before the option, whatever the default is today."""
    assert of_record(Soup, {"litres": 1}, "soup.json") == Soup(litres=1, spoons=2)
    with pytest.raises(ValueError, match=r"`soup.json` is no configuration: it lacks \['litres'\]"):
        of_record(Soup, {}, "soup.json")
    with pytest.raises(
        ValueError, match=r"`soup.json` .* of this version: it has unknown \['fork', 'meat'\]"
    ):
        of_record(Soup, {"litres": 1, "meat": 1, "fork": 2}, "soup.json")


def test_files_of_0_1_0_have_its_defaults(tmp_path):
    """Where a default changes, `before=` must be told the old one."""
    required = {"event_shape": [8, 8, 1], "num_levels": 17, "num_conditions": None}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(required))
    read = dataclasses.asdict(Configuration.read(path))
    assert read == {**json.loads(OLD_DEFAULTS.read_text()), **required, "event_shape": (8, 8, 1)}


def test_flags():
    values = flags.FlagValues()
    define_flags(Soup, have_defaults=False, flag_values=values)
    assert set(values) == {"litres", "spoons", "kind", "is_hot"}
    assert values["spoons"].help == "For how many."
    values(["program", "--litres=0", "--nois_hot", "--kind=leek"])
    assert given_flags(Soup, values) == {"litres": 0.0, "is_hot": False, "kind": "leek"}
    for bad in ("--litres=11", "--spoons=0", "--kind=beef"):
        with pytest.raises(flags.Error, match=bad.split("=")[0].strip("-")):
            values(["program", bad])


def test_the_arguments_of_the_flow():
    assert flow_arguments(Soup(litres=1, spoons=3)) == {"spoons": 3}
    arguments = flow_arguments(Preset(max_log_scale=3.0, dtype_policy="mixed_bfloat16"))
    assert (arguments["max_log_scale"], arguments["dtype_policy"]) == (3.0, "mixed_bfloat16")
    assert "l2" not in arguments and "use_batch_norm" in arguments


def test_a_preset_that_is_younger_than_a_run(monkeypatch):
    """Its default of an option that the run did not have is no other value; one that is given is."""
    field = Configuration.__dataclass_fields__["l2"]
    config = Configuration(event_shape=(8, 8, 1), num_levels=17, num_conditions=None, l2=0.25)
    monkeypatch.setattr(field, "metadata", {**field.metadata, "before": 0.25})
    assert config.continued(Preset(epochs=3)).l2 == 0.25
    for given in ({"preset": Preset(l2=0.5)}, {"l2": Preset().l2}):
        with pytest.raises(ValueError, match=r"given was l2 .* for 0\.25"):
            config.continued(**given)
