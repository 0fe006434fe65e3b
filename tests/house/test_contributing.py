"""The bijector of CONTRIBUTING, put where it says, passes all checks."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from places import ROOT

TESTS = "bijectors/test_contract", "house/test_docstrings", "errors/test_errors"


@pytest.mark.slow
def test_the_new_bijector(tmp_path):
    for folder in ("tfp_realnvp", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "ruff.toml"):
        shutil.copy(ROOT / name, tmp_path)
    text = (ROOT / "CONTRIBUTING.md").read_text()
    bijector, entry, rows = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "tfp_realnvp/bijectors/asinh.py").write_text(bijector)
    for check in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check, "--no-cache", "tfp_realnvp/bijectors/asinh.py"]
        subprocess.run(command, cwd=tmp_path, check=True)
    for package, module in (("bijectors/", "bijectors.asinh"), ("", "bijectors")):
        export = tmp_path / f"tfp_realnvp/{package}__init__.py"
        export.write_text(f"{export.read_text()}\nfrom tfp_realnvp.{module} import Asinh\n")
    with (tmp_path / "tfp_realnvp/__init__.py").open("a") as file:
        file.write('__all__ = sorted([*__all__, "Asinh"])\n')
    for name, line, new in (
        ("support/constructors.py", "CONSTRUCTORS = {\n", entry),
        ("errors/test_errors.py", "CASES = {\n", rows),
    ):
        path = tmp_path / "tests" / name
        assert line in path.read_text()
        path.write_text(path.read_text().replace(line, line + new))
    process = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-n", "0", "-q", "-k", "asinh or Asinh or every_public"),
            *(f"tests/{name}.py" for name in TESTS),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout
    assert int(re.search(r"(\d+) passed", process.stdout)[1]) > 15
