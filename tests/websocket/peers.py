"""Asks the process of ``tests.websocket.libraries`` to serve and to visit, from within the hub of the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
from gevent import subprocess as gevent_subprocess
from gevent.event import AsyncResult

__all__ = ["LIBRARIES", "Libraries", "Visit", "libraries", "packed"]

LIBRARIES = ["websockets", "sync", "aiohttp"]
ANSWER_S = 20.0
ROOT = Path(__file__).parents[2]


def packed(message: str | bytes) -> dict[str, str]:
    """A message as the other process takes and gives it."""
    return {"text": message} if isinstance(message, str) else {"binary": message.decode("latin-1")}


class Visit:
    """What a client of the other process has met.

    Attributes:
        outcomes: one for each step.
        closing: code and reason that it got.
        refused: status, headers and body, where there is no WebSocket.
        failed: what else the library says to it.
    """

    def __init__(self, said: dict[str, Any]) -> None:
        self.outcomes: list[Any] = said.get("outcomes", [])
        self.closing: list[Any] | None = said.get("closing")
        self.refused: list[Any] | None = said.get("refused")
        self.failed: str | None = said.get("failed")

    @property
    def received(self) -> list[str | bytes]:
        """The messages among the outcomes."""
        found: list[str | bytes] = []
        for outcome in self.outcomes:
            match outcome:
                case {"text": text}:
                    found.append(text)
                case {"binary": data}:
                    found.append(data.encode("latin-1"))
        return found


class Libraries:
    """The other process; any number of light threads may ask it at once."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self._last_id = 0
        self._asked: dict[int, Any] = {}
        self._reader = gevent.spawn(self._read)

    def ask(self, **command: Any) -> dict[str, Any]:
        """Return the outcome of a command, without its id."""
        self._last_id += 1
        number = self._last_id
        waiting = self._asked[number] = AsyncResult()
        self._process.stdin.write(json.dumps({"id": number, **command}).encode() + b"\n")
        self._process.stdin.flush()
        said: Any = waiting.get(timeout=ANSWER_S)
        assert "error" not in said, said["error"]
        return dict(said)

    def serve(self, library: str, **options: Any) -> int:
        """Start a server, and return its port."""
        port: int = self.ask(do="serve", library=library, options=options)["port"]
        return port

    def ended(self, port: int) -> list[Any]:
        """Wait for the next end of a connection to a server, and return the code and reason that it got."""
        closing: list[Any] = self.ask(do="ended", port=port)["closing"]
        return closing

    def visit(self, library: str, uri: str, *steps: tuple[Any, ...], **options: Any) -> Visit:
        """Connect, take the steps, and close with 1000."""
        return Visit(self.ask(do="visit", library=library, uri=uri, options=options, steps=steps))

    def _read(self) -> None:
        for line in self._process.stdout:
            said = json.loads(line)
            self._asked.pop(said.pop("id")).set(said)
        for waiting in self._asked.values():
            waiting.set({"error": "the process has ended"})

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._reader.join()
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@contextmanager
def libraries() -> Iterator[Libraries]:
    """Run the other process until the body ends."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    process = gevent_subprocess.Popen(
        [sys.executable, "-m", "tests.websocket.libraries"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=ROOT,
    )
    asked = Libraries(process)
    try:
        yield asked
    finally:
        asked.end()
