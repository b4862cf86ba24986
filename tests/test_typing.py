"""Type checkers report what is wrong with a call, and nothing else: the marked lines of tests/typed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.manual import ROOT

MISSING = "pip install 'lasa-cosocket[dev]'"
CALLS = ROOT / "tests" / "typed" / "options.py"
pytestmark = pytest.mark.deadline_s(600)  # a slow machine, and no cache yet

MARK = re.compile(r"  # type: ignore\[([\w-]+)\]$")


def marked() -> dict[int, str]:
    """Return what mypy calls the error of each line that has one."""
    lines = enumerate(CALLS.read_text().splitlines(), 1)
    return {number: found[1] for number, line in lines if (found := MARK.search(line))}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The calls without their marks."""
    path = tmp_path / "calls.py"
    path.write_text("\n".join(MARK.sub("", line) for line in CALLS.read_text().splitlines()) + "\n")
    return path


def test_mypy_reports_each_wrong_call_and_no_right_one(program: Path) -> None:
    pytest.importorskip("mypy", reason=MISSING)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", program.name]
    environment = {**os.environ, "MYPYPATH": str(ROOT), "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache" / "calls")}
    said = subprocess.run(command, cwd=program.parent, env=environment, capture_output=True, text=True, check=False)
    assert said.stderr == ""
    errors = re.findall(rf"^{program.name}:([0-9]+): error: .*\[([\w-]+)\]$", said.stdout, re.MULTILINE)
    assert {int(line): code for line, code in errors} == marked()
    assert 'Unexpected keyword argument "tmeout" for "get" of "Client"; did you mean "timeout"?' in said.stdout


def test_pyright_reports_each_wrong_call_and_no_right_one(program: Path) -> None:
    pytest.importorskip("basedpyright", reason=MISSING)  # which has pyright within, and Node.js
    (program.parent / "lasa").symlink_to(ROOT / "lasa")
    settings = {"include": [program.name], "typeCheckingMode": "strict", "pythonVersion": "3.11"}
    (program.parent / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--outputjson"]
    said = subprocess.run(command, cwd=program.parent, capture_output=True, text=True, check=False)
    errors = json.loads(said.stdout)["generalDiagnostics"]
    assert {error["range"]["start"]["line"] + 1 for error in errors} == set(marked())
