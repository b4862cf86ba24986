"""The parity scripts: which there are, and what the comments on top of each ask for.

A script begins with a comment that says how it runs: ``-- both`` (by ``lasa run`` and as a content handler),
``-- run`` or ``-- serve`` (as one of them only). The comment lines below it may say more::

    -- request: POST {script}/more?a=1 HTTP/1.1     the request; {script} is the script's own path
    -- header: X-Name: value                        a header of the request
    -- body: a=1                                    the body of the request; \\r, \\n and \\xHH as in Lua
    -- shows: X-Name, body                          what is compared besides the status; "status" alone: nothing else

Other comment lines there are for the reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["EXPECTED", "SCRIPTS", "SHARE", "Script", "all_scripts"]

FOLDER = Path(__file__).parent
SCRIPTS = FOLDER / "scripts"
EXPECTED = FOLDER / "expected"
SHARE = FOLDER / "share"

RUNS = {"both": (True, True), "run": (True, False), "serve": (False, True)}
ESCAPE = re.compile(r"\\(?:([rn\\])|x([0-9a-fA-F]{2}))")
ESCAPED = {"r": "\r", "n": "\n", "\\": "\\"}


@dataclass(frozen=True)
class Script:
    """One script: ``name`` is its path below scripts/, with forward slashes and without ``.lua``."""

    name: str
    by_run: bool
    by_serve: bool
    request: str = "GET {script} HTTP/1.1"
    headers: list[str] = field(default_factory=list)
    body: bytes = b""
    shows: tuple[str, ...] = ("body",)

    @property
    def path(self) -> str:
        """Its file, as seen from the folder of all scripts."""
        return f"{self.name}.lua"

    @property
    def expected(self) -> Path:
        """The file with what the real server answered."""
        return EXPECTED / f"{self.name}.txt"

    def request_bytes(self) -> bytes:
        """The request as it goes over the wire; its answer ends with the connection."""
        headers = list(self.headers)
        names = {header.partition(":")[0].lower() for header in headers}
        if "host" not in names and not self.request.endswith("HTTP/1.0"):
            headers.insert(0, "Host: a.test")
        if "connection" not in names:
            headers.append("Connection: close")
        if self.body and not names & {"content-length", "transfer-encoding"}:
            headers.append(f"Content-Length: {len(self.body)}")
        lines = [self.request.replace("{script}", f"/{self.path}"), *headers, "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


def _unescaped(text: str) -> bytes:
    def character(found: re.Match[str]) -> str:
        return ESCAPED[found[1]] if found[1] else chr(int(found[2], 16))

    return ESCAPE.sub(character, text).encode("latin-1")


def read_script(path: Path) -> Script:
    """Read the comments on top of a script."""
    name = path.relative_to(SCRIPTS).with_suffix("").as_posix()
    comments = []
    for line in path.read_text(encoding="latin-1").splitlines():
        if not line.startswith("--"):
            break
        comments.append(line[2:].strip())
    if not comments or comments[0] not in RUNS:
        raise ValueError(f"{path}: the first line must be one of: {', '.join(f'-- {word}' for word in RUNS)}")
    settings: dict[str, list[str]] = {"request": [], "header": [], "body": [], "shows": []}
    for comment in comments[1:]:
        word, colon, value = comment.partition(": ")
        if colon and word in settings:
            settings[word].append(value)
    by_run, by_serve = RUNS[comments[0]]
    return Script(
        name,
        by_run,
        by_serve,
        request=settings["request"][0] if settings["request"] else "GET {script} HTTP/1.1",
        headers=settings["header"],
        body=b"".join(_unescaped(part) for part in settings["body"]),
        shows=tuple(part.strip() for part in settings["shows"][0].split(",")) if settings["shows"] else ("body",),
    )


def all_scripts() -> list[Script]:
    """Every script, in the order of their names."""
    return [read_script(path) for path in sorted(SCRIPTS.rglob("*.lua"))]
