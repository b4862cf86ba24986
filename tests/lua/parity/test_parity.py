"""Every parity script says in lasa what it says in a real nginx, byte for byte, or is listed with the reason.

What nginx said is recorded under expected/ (``python -m tests.lua.parity.record``). Where nginx with its Lua module
is installed, it is asked again, and must still say the same: so lasa is always compared with the real one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.lua.parity.differences import DIFFERENCES
from tests.lua.parity.oracle import DEADLINE_S, Places, ask, lasa_run, lasa_serve, peers, real_nginx
from tests.lua.parity.script import EXPECTED, Script, all_scripts

SCRIPTS = all_scripts()
# lua cuts the names of longer files out of messages
LONGEST_PATH = 59


def scripts(*, by_run: bool = False, by_serve: bool = False) -> pytest.MarkDecorator:
    """The test once for each script, or for those that run in one way; the script's path is the test's id."""
    chosen = [script for script in SCRIPTS if script.by_run >= by_run and script.by_serve >= by_serve]
    return pytest.mark.parametrize("script", [pytest.param(script, id=script.path) for script in chosen])


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    with peers(tmp_path_factory.mktemp("peers")) as found:
        yield found


@pytest.fixture(scope="module")
def nginx_port(tmp_path_factory: pytest.TempPathFactory, places: Places) -> Iterator[int]:
    with real_nginx(tmp_path_factory.mktemp("nginx"), places) as port:
        yield port


@pytest.fixture(scope="module")
def serve_port(tmp_path_factory: pytest.TempPathFactory, places: Places) -> Iterator[int]:
    pytest.importorskip("lupa")
    with lasa_serve(tmp_path_factory.mktemp("serve"), places) as port:
        yield port


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, places: Places) -> Iterator[dict[str, Future[Any]]]:
    """A process for each selected script, begun in advance, as many at a time as there are processors."""
    pytest.importorskip("lupa")
    test_name = test_lasa_run_says_what_nginx_says.__name__
    selected = [item.callspec.params["script"] for item in request.session.items if item.originalname == test_name]  # type: ignore[attr-defined]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {script.name: pool.submit(lasa_run, script, places) for script in selected}
        pool.shutdown(cancel_futures=True)


def compare(script: Script, said: bytes, more: str = "") -> None:
    """Fail unless lasa says what it must: the same, or, for a known difference, something else."""
    reason = DIFFERENCES.get(script.name)
    expected = script.expected.read_bytes()
    if reason is None:
        assert said == expected, more
    else:
        assert said != expected, f"this is no difference any more: {reason}"


@scripts()
def test_nginx_says_what_is_recorded(script: Script, nginx_port: int) -> None:
    assert ask(nginx_port, script).shown(script) == script.expected.read_bytes()


@scripts(by_run=True)
def test_lasa_run_says_what_nginx_says(script: Script, runs: dict[str, Future[Any]]) -> None:
    process = runs[script.name].result(DEADLINE_S * 3)
    errors = process.stderr.decode(errors="replace")
    compare(script, process.stdout, errors)
    assert process.returncode == 0 or script.name in DIFFERENCES, errors


@scripts(by_serve=True)
def test_lasa_serve_says_what_nginx_says(script: Script, serve_port: int) -> None:
    answer = ask(serve_port, script)
    compare(script, answer.shown(script), answer.status)


def test_there_is_a_recorded_output_for_each_script_and_no_other() -> None:
    assert {script.expected for script in SCRIPTS} == set(EXPECTED.rglob("*.txt"))


def test_every_known_difference_is_of_a_script_and_has_a_reason() -> None:
    assert DIFFERENCES.keys() <= {script.name for script in SCRIPTS}
    assert all(reason.strip() for reason in DIFFERENCES.values())


def test_the_names_of_scripts_are_short_enough_for_messages() -> None:
    assert [script.path for script in SCRIPTS if len(script.path) > LONGEST_PATH] == []
