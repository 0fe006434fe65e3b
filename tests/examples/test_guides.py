"""The guides: the code of each runs as it stands there, from top to bottom."""

import dataclasses
import re
import subprocess
import sys

import jupytext
import pytest
from places import EXAMPLES

from tfp_realnvp.training.configuration import Configuration
from tfp_realnvp.training.run import RunOptions

GUIDES = sorted((EXAMPLES / "guides").glob("*.md"))


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES, ids=[guide.stem for guide in GUIDES])
def test_guide(guide, tmp_path, monkeypatch):
    code = "\n".join(re.findall(r"```python\n(.*?)```", guide.read_text(), re.DOTALL))
    if "MirroredStrategy" in code:  # It sets up devices, which a process does once.
        (tmp_path / "guide.py").write_text(code)
        process = subprocess.run([sys.executable, "guide.py"], cwd=tmp_path, capture_output=True, text=True)
        assert process.returncode == 0, process.stderr
        return
    monkeypatch.chdir(tmp_path)
    exec(compile(code, guide.name, "exec"), {"__name__": "guide"})


@pytest.mark.parametrize("guide", GUIDES, ids=[guide.stem for guide in GUIDES])
def test_guides_are_notebooks(guide):
    """Their cells are their blocks of Python; a command is a cell only where a tour begins with it."""
    text = guide.read_text()
    cells = [c.source for c in jupytext.reads(text, "md").cells if c.cell_type == "code"]
    blocks = [block.strip() for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]
    if guide.stem == "tour":
        assert cells.pop(0) == '%%bash\npip install ".[examples]"'
    assert cells == blocks


def commands():
    """Every command of an example in README and guides, as a pair of script and flags."""
    texts = [path.read_text().replace("\\\n", " ") for path in (EXAMPLES.parent / "README.md", *GUIDES)]
    found = re.findall(r"python examples/(\w+\.py)([^`\n&]*)", "\n".join(texts))
    return sorted({(script, *re.findall(r"--(\w+)", flags)) for script, flags in found})


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_commands_have_flags_that_there_are(command):
    script, *flags = command
    text = (EXAMPLES / script).read_text()
    defined = re.findall(r'DEFINE_\w+\(\s*"(\w+)"', text)
    if "define_flags(" in text:
        defined += [field.name for cls in (Configuration, RunOptions) for field in dataclasses.fields(cls)]
    assert set(flags) <= {*defined, *(f"no{name}" for name in defined), "helpfull"}


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CONTRIBUTING.md",
        "examples/gallery/README.md",
        *(f"examples/guides/{g.name}" for g in GUIDES),
    ],
)
def test_links_lead_somewhere(name):
    path = EXAMPLES.parent / name
    for target in re.findall(r'\]\(([^)#]+)[^)]*\)|src="([^"]+)"', path.read_text()):
        link = "".join(target)
        assert link.startswith("http") or (path.parent / link).exists(), link
