"""The table of seeded faults fits the source; `seeded_faults.py` runs it."""

import ast

import pytest
from seeded_faults import ROOT, is_test, read_table

FAULTS = read_table()
WITHOUT_LOGIC = {"tfp_realnvp/utils/hints.py", "tfp_realnvp/bijectors/variables/layer_variables.py"}


def test_every_fault_can_be_put_in():
    assert len(FAULTS) > 100
    for fault in FAULTS.values():
        text = fault.changed()
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse((ROOT / fault.file).read_text())), fault.name


def test_every_module_has_one():
    modules = {path for path in (ROOT / "tfp_realnvp").rglob("*.py") if path.name != "__init__.py"}
    paths = {path.relative_to(ROOT).as_posix() for path in modules}
    assert paths - {fault.file for fault in FAULTS.values()} == WITHOUT_LOGIC


def test_the_tests_that_should_see_them_are_there():
    for fault in FAULTS.values():
        named = [argument.split("::") for argument in fault.tests if is_test(argument)]
        assert named, fault.name
        for file, *functions in named:
            text = (ROOT / "tests" / file).read_text()
            assert all(f"def {function.split('[')[0]}(" in text for function in functions), fault.name


def test_a_text_that_is_not_there_once_is_named(tmp_path):
    table = tmp_path / "table.txt"
    table.write_text(
        "group a: c/test_b.py\n\nfile c.py\n\nlost: gone\ntests: @a -k 'a or e'\n- x = 1\n+ x = 2\n"
    )
    fault = read_table(table)["lost"]
    assert fault.tests == ("c/test_b.py", "-k", "a or e")
    (tmp_path / "c.py").write_text("x = 1\n")
    assert fault.changed(tmp_path) == "x = 2\n"
    (tmp_path / "c.py").write_text("x = 1\nx = 1\n")
    with pytest.raises(ValueError, match=r"lost: its text occurs 2 times in c.py, and must once: 'x = 1'"):
        fault.changed(tmp_path)
