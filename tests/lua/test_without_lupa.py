"""Without the extra ``lua`` everything else works, and whoever asks for Lua is told what to install."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.processes import DEADLINE_S, ROOT

# A module that is None in sys.modules cannot be imported; and nothing else finds it.
WITHOUT_LUPA = """
import importlib.util, sys
sys.modules["lupa"] = None
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *others: None if name.startswith("lupa") else find_spec(name, *others)
from lasa.cli import main
sys.exit(main(sys.argv[1:]))
"""

HINT = "Lua needs lupa, which the extra 'lua' installs: pip install '.[lua]' in lasa's checkout"


def lasa(*arguments: str, folder: Path) -> tuple[int, str, str]:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_LUPA, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [("run", "x.lua"), ("run", "-e", "ngx.say(1)"), ("run", "-"), ("serve", "x.lua", "--listen", "127.0.0.1:0")],
    ids=lambda arguments: " ".join(arguments),
)
def test_whoever_runs_lua_is_told_what_to_install(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    tmp_path.joinpath("x.lua").write_text("ngx.say(1)")
    assert lasa(*arguments, folder=tmp_path) == (2, "", f"lasa: {HINT}\n")


def test_python_runs_as_ever_and_detached_lua_raises(tmp_path: Path) -> None:
    script = """
        import lasa
        try:
            lasa.detach(content_by_lua="ngx.say(1)")
        except ImportError as error:
            print(error)
        print("done")
    """
    tmp_path.joinpath("x.py").write_text(textwrap.dedent(script))
    status, output, errors = lasa("run", "x.py", folder=tmp_path)
    assert (status, errors) == (0, "")
    assert output.splitlines()[0].startswith("Lua needs lupa")
    assert output.splitlines()[1:] == ["done"]
