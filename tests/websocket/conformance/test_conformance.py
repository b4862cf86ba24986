"""Every case of the table, against lasa's echo server and against its echo client.

The cases are numbered as in the Autobahn test-suite where it has them. The subjects run in processes of their own, so
that the peer here may block as it likes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import original_socket_class, raw_listener
from tests.processes import ROOT
from tests.websocket.conformance import cases_closing, cases_deflate, cases_framing, cases_limits, cases_text
from tests.websocket.conformance.case import Case, Role
from tests.websocket.conformance.peer import WAIT_S, readable
from tests.websocket.conformance.play import play_against_client, play_against_server

# What is run as either side; another implementation's program can stand here.
PROGRAM = "tests.websocket.conformance.subjects"

# Importing takes longer than an answer.
START_S: Final = 30.0

CASES: Final = [
    *cases_framing.CASES,
    *cases_text.CASES,
    *cases_closing.CASES,
    *cases_limits.CASES,
    *cases_deflate.CASES,
]

# How many cases the Autobahn test-suite has in each of these chapters.
AUTOBAHN: Final = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1, 12: 90, 13: 126}


class Subject:
    """A subject's process, and the lines that it prints; what it complains about goes to a file."""

    def __init__(self, role: Role, complaints: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "LASA_TEST_PATCHED"}
        with complaints.open("ab") as errors:
            # After monkey.patch_all() this is gevent's class.
            self._process: Any = subprocess.Popen(
                [sys.executable, "-m", PROGRAM, role.value],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=environment,
            )
        self._printed = b""

    def line(self, wait_s: float = WAIT_S) -> str | None:
        """Return the next line; None: there is none within this time, or no more at all."""
        while b"\n" not in self._printed:
            if not readable(self._process.stdout.fileno(), wait_s):
                return None
            data = os.read(self._process.stdout.fileno(), 4096)
            if not data:
                return None
            self._printed += data
        line, _, self._printed = self._printed.partition(b"\n")
        return line.decode()

    def tell(self, line: str) -> None:
        """Give it a line of input."""
        os.write(self._process.stdin.fileno(), line.encode() + b"\n")

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class EchoClient:
    """The echo client under test: a process that visits one URI after another."""

    def __init__(self, complaints: Path) -> None:
        self._complaints = complaints
        self._subject: Subject | None = None

    @contextmanager
    def visiting(self, uri: str) -> Iterator[None]:
        """Let it visit a URI; fails if it is not done soon after the body, and then begins anew next time."""
        if self._subject is None:
            self._subject = Subject(Role.CLIENT, self._complaints)
            assert self._subject.line(START_S) == "ready"
        self._subject.tell(uri)
        try:
            yield
        finally:
            line = self._subject.line()
            if line is None:
                self.end()
        assert line == "done", f"the client is not done within {WAIT_S} s"

    def end(self) -> None:
        """End its process."""
        if self._subject is not None:
            self._subject.end()
            self._subject = None


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the subjects write what they would tell an operator: never a traceback."""
    path = tmp_path_factory.mktemp("conformance") / "complaints"
    path.touch()
    yield path
    written = path.read_text()
    assert "Traceback" not in written, written


@pytest.fixture(scope="module")
def server(complaints: Path) -> Iterator[str]:
    """The URL of the echo server under test."""
    subject = Subject(Role.SERVER, complaints)
    try:
        url = subject.line(START_S)
        assert url is not None, complaints.read_text()
        yield url
    finally:
        subject.end()


@pytest.fixture(scope="module")
def client(complaints: Path) -> Iterator[EchoClient]:
    """The echo client under test."""
    echo_client = EchoClient(complaints)
    try:
        yield echo_client
    finally:
        echo_client.end()


@pytest.fixture(scope="module")
def listener() -> Iterator[Any]:
    """Where the peer waits for the client."""
    with raw_listener() as sock:
        sock.settimeout(WAIT_S)
        yield sock


def cases_of(role: Role) -> list[Any]:
    return [pytest.param(case, id=case.number) for case in CASES if role in case.roles]


@pytest.mark.parametrize("case", cases_of(Role.SERVER))
def test_the_server_keeps_the_rule(case: Case, server: str) -> None:
    url = urlsplit(server)
    with original_socket_class()() as sock:
        sock.settimeout(WAIT_S)
        sock.connect((url.hostname, url.port))
        play_against_server(case, sock, url.netloc, url.path or "/")


@pytest.mark.parametrize("case", cases_of(Role.CLIENT))
def test_the_client_keeps_the_rule(case: Case, client: EchoClient, listener: Any) -> None:
    host, port = listener.getsockname()
    with client.visiting(f"ws://{host}:{port}/{case.number}"):
        sock, _ = listener.accept()
        with sock:
            play_against_client(case, sock)


def test_no_number_stands_for_two_cases() -> None:
    counts = Counter(case.number for case in CASES)
    assert [number for number, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("role", Role)
def test_no_chapter_has_fewer_cases_than_the_autobahn_suite(role: Role) -> None:
    counts = Counter(int(case.number.split(".")[0]) for case in CASES if role in case.roles)
    assert {chapter: counts[chapter] for chapter, count in AUTOBAHN.items() if counts[chapter] < count} == {}


# Octets at the ends of what may stand in a place.
_EDGES = bytes.fromhex("00 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 ff")


@given(st.lists(st.sampled_from(_EDGES), max_size=8).map(bytes))
def test_the_table_knows_what_utf_8_is(octets: bytes) -> None:
    place = cases_text.offending(octets)
    assert _can_become_utf_8(octets) == (place is None)
    if place is not None:
        assert _can_become_utf_8(octets[:place])
        assert not _can_become_utf_8(octets[: place + 1])


def _can_become_utf_8(octets: bytes) -> bool:
    # Not by way of Python's incremental decoder, which takes the first two octets of a surrogate.
    try:
        octets.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True
