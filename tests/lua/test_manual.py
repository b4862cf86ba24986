"""The manual of Lua: its snippets do what their comments say, and its settings are all settings."""

from __future__ import annotations

import re
from dataclasses import fields

from lasa.lua import Settings
from tests.lua.servers import lua_server
from tests.servers import Server, free_port
from tests.test_examples import BY_LASA, BY_PYTHON, EXPECTED, ROOT, Finished, snippets, started

MANUAL = "docs/lua.md"
LUA_EXPECTED = re.compile(r"^ *ngx\.say\(.*\) -- (.+)$", re.MULTILINE)


def says_what_is_expected(ended: Finished, expected: list[str]) -> None:
    assert (ended.errors, ended.status) == ("", 0)
    assert expected
    lines = iter(ended.output.splitlines())
    for line in expected:
        assert line in lines, f"{line!r} is missing, or in another order, in:\n{ended.output}"


def test_the_lua_snippets_do_what_they_say() -> None:
    port = free_port()
    handler, *programs = snippets(MANUAL, port, language="lua")
    assert handler.startswith("-- hello.lua")
    assert len(programs) > 5
    with lua_server(handler, port):
        for program in programs:
            with started([*BY_LASA, "-e", program]) as running:
                says_what_is_expected(running.finish(), LUA_EXPECTED.findall(program))


def test_the_python_snippets_do_what_they_say() -> None:
    for program in snippets(MANUAL, free_port()):
        with started([*BY_PYTHON, "-c", program]) as running:
            says_what_is_expected(running.finish(), EXPECTED.findall(program))


def test_the_table_of_settings_has_all_with_their_defaults() -> None:
    text = (ROOT / MANUAL).read_text()
    section = text[text.index("\n## Settings\n") : text.index("\n## Modules and paths\n")]
    told: dict[str, str] = {}
    for names, default in re.findall(r"^\| (`.*?`) \| (.*?) ?\|", section, re.MULTILINE):
        told |= dict.fromkeys(re.findall(r"`(\w+)`", names), default)
    settings = Settings()
    assert told == {each.name: default_of(getattr(settings, each.name)) for each in fields(Settings)}


def default_of(value: object) -> str:
    if value is None or value == {}:
        return ""
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


def test_the_script_of_the_readme_does_the_same_in_both_languages(redis: Server) -> None:
    said = {}
    for language, command in (("lua", [*BY_LASA, "-e"]), ("python", [*BY_PYTHON, "-c"])):
        [program] = [code for code in snippets("README.md", 0, language) if "visit" in code]
        with started([*command, program.replace("6379", str(redis.port))]) as running:
            said[language] = running.finish()
    assert said == {"lua": Finished("here\nhere\n", "", 0), "python": Finished("b'here'\nb'here'\n", "", 0)}


def test_the_script_of_the_readme_stands_line_by_line_in_both_languages() -> None:
    [in_lua] = snippets("README.md", 0, "lua")
    [in_python] = [code for code in snippets("README.md", 0) if "visit" in code]
    assert len(in_lua.splitlines()) == len([*in_python.splitlines(), "end"])  # the last line of Lua's
