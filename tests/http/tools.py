"""What tests of HTTP need: a server that runs beside the test, raw conversations with it, and h11 as the judge."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import h11
import pytest
from gevent import subprocess as gevent_subprocess

import lasa
from lasa import thread
from lasa.http import server as http_server
from lasa.socket import TcpSocket, tcp

HANG_S = 10.0
TIMEOUT_MS = 10_000

__all__ = ["Answer", "answers", "connect", "curl", "read_answer", "serving", "talk"]


@contextmanager
def serving(
    handler: Callable[[http_server.Request], Any], where: str = "127.0.0.1:0", **options: Any
) -> Iterator[http_server.Server]:
    """A server that answers by ``handler`` until the body ends; fails if it does not stop then."""
    server, err = http_server.new(where, **{"access_log": False, **options})
    assert server is not None, err
    runner = thread.spawn(server.run, handler)
    try:
        yield server
    finally:
        server.stop(0)
        alarm = thread.spawn(lasa.sleep, HANG_S)
        outcome = thread.wait(runner, alarm)
        thread.kill(alarm)
    assert outcome == (True, True, None)
    assert server.connections == 0


def connect(server: http_server.Server, **tls: Any) -> TcpSocket:
    """A cosocket to the server, under TLS if arguments of sslhandshake() are given."""
    sock = tcp()
    sock.settimeout(TIMEOUT_MS)
    assert sock.connect(*server.address) == (1, None)
    if tls:
        session, err = sock.sslhandshake(False, **tls)
        assert session, err
    return sock


def talk(server: http_server.Server, data: bytes, **tls: Any) -> bytes:
    """Send all of ``data``, and return what the server answers until it closes."""
    with connect(server, **tls) as sock:
        assert sock.send(data) == (len(data), None)
        received, err, _ = sock.receive("*a")
        assert received is not None, err
        return received


@dataclass
class Answer:
    """One response, as h11 reads it."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)
    informed: list[int] = field(default_factory=list)
    is_whole: bool = False


def answers(data: bytes, *methods: str) -> list[Answer]:
    """The responses in ``data`` to requests of these methods (as many GETs as there are, if none are given)."""
    found = []
    asked = iter(methods)
    while data:
        answer, data = _first_answer(data, next(asked, "GET"), has_ended=True)
        assert answer is not None
        found.append(answer)
    return found


def read_answer(sock: TcpSocket, method: str = "GET", already: bytes = b"") -> tuple[Answer, bytes]:
    """Read one response, and return it with what has come behind it."""
    data = already
    while True:
        answer, rest = _first_answer(data, method, has_ended=False)
        if answer is not None and answer.is_whole:
            return answer, rest
        more, err, _ = sock.receiveany(65536)
        assert more is not None, (err, data)
        data += more


def _first_answer(data: bytes, method: str, *, has_ended: bool) -> tuple[Answer | None, bytes]:
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    target = "h:1" if method == "CONNECT" else "/"
    offers = [("Host", "h"), ("Upgrade", "any"), ("Connection", "upgrade")]
    client.send(h11.Request(method=method, target=target, headers=offers))
    client.send(h11.EndOfMessage())
    if data:
        client.receive_data(data)
    if has_ended:
        client.receive_data(b"")
    answer: Answer | None = None
    informed = []
    while True:
        try:
            event = client.next_event()
        except h11.RemoteProtocolError:
            if answer is None:
                raise
            return answer, b""  # cut off
        if isinstance(event, h11.InformationalResponse):
            informed.append(event.status_code)
            if event.status_code == 101:
                return Answer(101, _text(event.headers), is_whole=True), client.trailing_data[0]
        elif isinstance(event, h11.Response):
            answer = Answer(event.status_code, _text(event.headers), informed=informed)
        elif isinstance(event, h11.Data):
            assert answer is not None
            answer.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert answer is not None
            answer.trailers = _text(event.headers)
            answer.is_whole = True
            return answer, client.trailing_data[0]
        elif answer is not None and event is h11.PAUSED:  # a CONNECT that was accepted
            answer.is_whole = True
            return answer, client.trailing_data[0]
        else:
            return answer, data


def _text(headers: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.decode()
        found[key] = f"{found[key]}, {value.decode()}" if key in found else value.decode()
    return found


def curl(*arguments: str, data: bytes | None = None) -> bytes:
    """What curl writes, run beside the hub; skips the test where curl is missing."""
    path = shutil.which("curl")
    if path is None:
        pytest.skip("curl is not installed: apt-get install curl")
    command = [path, "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", *arguments]
    process = gevent_subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = process.communicate(data or b"")
    assert process.returncode == 0, errors.decode()
    return bytes(output)
