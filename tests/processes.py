"""Programs that serve, in processes of their own: what they print, what they answer, how they end."""

from __future__ import annotations

import os
import re
import signal
import socket as stdlib_socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DEADLINE_S = 30.0

__all__ = ["DEADLINE_S", "Asked", "Program", "ask", "ask_over", "begin", "program", "write_module"]


class Program:
    """A running program; its two outputs are one here."""

    def __init__(self, process: Any) -> None:
        self.process: Any = process
        self.pid: int = process.pid
        self.output = ""

    def line_with(self, pattern: str) -> re.Match[str]:
        """Read on until a line matches; the test fails if the output ends first."""
        for line in self.process.stdout:
            self.output += line
            found = re.search(pattern, line)
            if found:
                return found
        raise AssertionError(f"no line with {pattern!r} in:\n{self.output}")

    def signal(self, number: int) -> None:
        """Send a signal to the program alone."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Read the rest of the output, and return the exit status."""
        self.output += self.process.stdout.read()
        status: int = self.process.wait(DEADLINE_S)
        return status


@contextmanager
def program(folder: Path, *arguments: str, module: str = "lasa") -> Iterator[Program]:
    """Run ``python -m MODULE ARGUMENTS`` in a folder; ended with all its children at the end of the body."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("LASA_TEST_PATCHED", None)
    process: Any = subprocess.Popen(
        [sys.executable, "-u", "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=environment,
        start_new_session=True,  # so that its children can be ended with it
    )
    # A program that prints nothing more would hang the test: its end is the end of its output.
    alarm = threading.Timer(DEADLINE_S, _kill_group, [process.pid])
    alarm.daemon = True
    alarm.start()
    try:
        yield Program(process)
    finally:
        alarm.cancel()
        _kill_group(process.pid)
        process.stdout.close()
        process.wait()


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def write_module(folder: Path, source: str, name: str = "web") -> None:
    """Write a module for a program to import."""
    (folder / f"{name}.py").write_text(textwrap.dedent(source))


class Asked:
    """A request whose answer has not been read yet."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._response: HTTPResponse | None = None

    def response(self) -> HTTPResponse:
        """Return the head of the answer, once it is there."""
        if self._response is None:
            self._response = self._connection.getresponse()
        return self._response

    def answer(self) -> tuple[int, str]:
        """Return the status and the body."""
        try:
            response = self.response()
            return response.status, response.read().decode()
        finally:
            self._connection.close()


def begin(
    port: int,
    target: str = "/",
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Asked:
    """Send a request, and leave its answer for later."""
    connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request(method, target, body, headers or {})
    return Asked(connection)


def ask(
    port: int,
    target: str = "/",
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Ask, and return the status and the body."""
    return begin(port, target, method, body, headers).answer()


def ask_over(sock: stdlib_socket.socket, target: str = "/") -> str:
    """Ask over a connected socket, which is closed then, and return all that comes."""
    with sock:
        sock.settimeout(DEADLINE_S)
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n".encode())
        found = b""
        while data := sock.recv(65536):
            found += data
    return found.decode()
