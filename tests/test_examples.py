"""Every example, run as a reader runs it: in a process of its own, against real servers and clients."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import os
import re
import signal
import socket as stdlib_socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

import lasa
from lasa import websocket
from lasa.http.client import Response
from lasa.websocket import Closing
from lasa.websocket.client import ClientWebSocket
from tests.helpers import Peer, original_socket_class, raw_listener, select_original
from tests.http import client_tools, tools
from tests.servers import Server, free_port
from tests.websocket.tools import BINARY, CLOSE, TEXT, answer_of, frame, request

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"

BY_LASA = (sys.executable, "-m", "lasa", "run")
BY_PYTHON = (sys.executable,)

LIMIT_S = 30.0
TERMINATED = 128 + signal.SIGTERM  # what lasa run makes of it


@dataclass(frozen=True)
class Finished:
    """What became of a run."""

    output: str
    errors: str
    status: int


class Running:
    """An example in a process of its own; what it prints goes to a pipe, its complaints to a file."""

    def __init__(self, command: Sequence[str], errors: IO[bytes]) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default::ResourceWarning"}
        self._deadline_s = time.monotonic() + LIMIT_S
        self._errors = errors
        self._output = b""
        # After monkey.patch_all() this is gevent's class: the original one cannot start a process any more.
        self.process: Any = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            cwd=ROOT,
        )

    def line(self) -> str:
        """Wait for a line of the output."""
        while b"\n" not in self._output:
            assert self._read_more(), f"it ended without another line: {self.errors()}"
        line, _, self._output = self._output.partition(b"\n")
        return line.decode()

    def address(self) -> tuple[str, int]:
        """Wait for the line that tells where the server listens."""
        found = re.fullmatch(r"listening on (127\.0\.0\.1):(\d+)", self.line())
        assert found
        return found[1], int(found[2])

    def url(self) -> str:
        """Wait for the line that tells where the HTTP or WebSocket server listens."""
        found = re.fullmatch(r"listening on ((?:http|ws)://127\.0\.0\.1:\d+)", self.line())
        assert found
        return found[1]

    def terminate(self) -> Finished:
        """End a server that would go on for ever."""
        assert self.process.poll() is None, "it has ended by itself"
        self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def finish(self) -> Finished:
        """Wait for the end."""
        while self._read_more():
            pass
        status = self.process.wait(max(0.1, self._deadline_s - time.monotonic()))
        return Finished(self._output.decode(), self.errors(), status)

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode()

    def _read_more(self) -> bool:
        descriptor = self.process.stdout.fileno()
        readable, _, _ = select_original([descriptor], max(0.0, self._deadline_s - time.monotonic()))
        assert readable, f"no word from it for {LIMIT_S} seconds: {self.errors()}"
        chunk = os.read(descriptor, 65536)
        self._output += chunk
        return bool(chunk)


@contextmanager
def running(name: str, *arguments: str, by: tuple[str, ...] = BY_LASA) -> Iterator[Running]:
    """An example that runs while the body does, at most."""
    with started([*by, str(EXAMPLES / name), *arguments]) as example:
        yield example


@contextmanager
def started(command: Sequence[str]) -> Iterator[Running]:
    """A command that runs while the body does, at most."""
    with tempfile.TemporaryFile() as errors:
        example = Running(command, errors)
        try:
            yield example
        finally:
            if example.process.poll() is None:
                example.process.kill()
            example.process.wait()
            example.process.stdout.close()


def run(name: str, *arguments: str, by: tuple[str, ...] = BY_LASA) -> Finished:
    """Run an example to its end."""
    with running(name, *arguments, by=by) as example:
        return example.finish()


@contextmanager
def connected(host: str, port: int) -> Iterator[Peer]:
    """A raw client of an example's server."""
    sock = original_socket_class()()
    peer = Peer(sock)
    sock.connect((host, port))
    try:
        yield peer
    finally:
        peer.close()


both_ways = pytest.mark.parametrize("by", [BY_LASA, BY_PYTHON], ids=["lasa-run", "python"])

TOUR = """\
1. Light threads start at once and wait side by side
   the coffee begins
   the tea begins
   nobody has to watch them
   the tea is ready
   the coffee is ready
2. A line protocol in straight lines
   hello -> b'HELLO!'
   world -> b'WORLD!'
3. Every wait has a limit, and a read that timed out loses nothing
   (None, 'timeout', b'one moment ... ')
   (b'HURRY!', None, None)
4. An error is a word, or an exception: as you like it
   the word: (None, 'connection refused')
   the exception: SocketRefused('connection refused')
5. A semaphore lets two of five clients in at a time
   CLIENT 1!
   CLIENT 2!
   CLIENT 3!
   CLIENT 4!
   CLIENT 5!
   never more than 2 at a time
6. A pool keeps connections for the next one who connects
   AGAIN! This connection was reused 0 times
   AGAIN! This connection was reused 1 times
   AGAIN! This connection was reused 2 times
7. Timers run in light threads of their own
   tick
   tick
   tick
   ding
The end: the server is closed
"""


@both_ways
def test_tour_tells_what_happens_in_a_fixed_order_and_ends_by_itself(by: tuple[str, ...]) -> None:
    assert run("tour.py", by=by) == Finished(TOUR, "", 0)


@both_ways
def test_echo_client_prints_what_the_echo_server_sends_back(by: tuple[str, ...]) -> None:
    with running("echo_server.py", "127.0.0.1:0", by=by) as server:
        host, port = server.address()
        lines = ["hello, world", "", "blåbærgrød"]
        assert run("echo_client.py", f"{host}:{port}", *lines, by=by) == Finished("\n".join(lines) + "\n", "", 0)
        assert run("echo_client.py", f"{host}:{port}", by=by) == Finished("hello, world\n", "", 0)
        ended = server.terminate()
    assert ended == Finished("", "", TERMINATED if by == BY_LASA else -signal.SIGTERM)


def test_echo_server_serves_clients_side_by_side_and_each_until_it_has_the_last_echo() -> None:
    with running("echo_server.py", "127.0.0.1:0") as server:
        address = server.address()
        with connected(*address) as silent, connected(*address) as talker:
            talker.sendall(b"no line end, \0 and \xff")
            talker.finish()
            assert talker.recv_until_closed() == b"no line end, \0 and \xff"
            silent.sendall(b"x")
            assert silent.recv_exactly(1) == b"x"
            silent.sendall(b"y")
            silent.reset()
        with connected(*address) as another:
            another.sendall(b"z")
            assert another.recv_exactly(1) == b"z"
            ended = server.terminate()  # while a client is connected
    assert ended.status == TERMINATED
    assert ended.errors in ("", "lost a client: connection reset by peer\n", "lost a client: broken pipe\n")


def test_echo_client_tells_that_nobody_listens() -> None:
    address = f"127.0.0.1:{free_port()}"
    ended = run("echo_client.py", address)
    assert ended == Finished("", f"cannot connect to {address}: connection refused\n", 1)


def test_echo_client_tells_what_came_before_the_server_went_away() -> None:
    with raw_listener() as listener:
        host, port = listener.getsockname()
        with running("echo_client.py", f"{host}:{port}", "hello") as client:
            peer = Peer(listener.accept()[0])
            assert peer.recv_exactly(6) == b"hello\n"
            peer.sendall(b"hel")
            peer.close()
            assert client.finish() == Finished("", "no echo of 'hello': closed, after b'hel'\n", 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("chat.py",),
        ("echo_server.py",),
        ("json_service.py",),
        ("reverse_proxy.py", "http://127.0.0.1:1"),
        ("sse_clock.py",),
        ("tcp_proxy.py", "127.0.0.1:1"),
        ("websocket_broadcast.py",),
        ("websocket_echo_server.py",),
        ("websocket_ticker.py", "--serve"),
    ],
    ids=lambda a: a[0],
)
def test_server_tells_why_it_cannot_bind(arguments: tuple[str, ...]) -> None:
    name, *others = arguments
    with raw_listener() as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run(name, *others, address) if "--serve" in others else run(name, address, *others)
    assert ended == Finished("", f"cannot bind to {address}: {os.strerror(errno.EADDRINUSE).lower()}\n", 1)


REDIS = """\
PING -> b'PONG'
SET -> b'OK'
GET -> b'two lines,\\r\\nsent as they are'
INCRBY -> 41
INCR -> 42
RPUSH -> 3
LRANGE -> [b'apple', b'banana', b'cherry']
INCR -> RedisError('WRONGTYPE Operation against a key holding the wrong kind of value')
DEL -> 3
GET -> None
the connection was used again: True
"""


@both_ways
def test_redis_client_pipelines_and_keeps_its_connection(redis: Server, by: tuple[str, ...]) -> None:
    assert run("redis_client.py", f"{redis.host}:{redis.port}", by=by) == Finished(REDIS, "", 0)


def test_redis_client_tells_what_went_wrong() -> None:
    address = f"127.0.0.1:{free_port()}"
    assert run("redis_client.py", address) == Finished("", f"redis at {address}: connection refused\n", 1)
    with raw_listener() as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with running("redis_client.py", address) as client:
            peer = Peer(listener.accept()[0])
            peer.sendall(b"220 mail.example.com\r\n")
            assert client.finish() == Finished(
                "", f"redis at {address}: this is not redis: b'220 mail.example.com'\n", 1
            )
            peer.close()


def test_tcp_proxy_stands_between_the_redis_client_and_redis(redis: Server) -> None:
    with running("tcp_proxy.py", "127.0.0.1:0", f"{redis.host}:{redis.port}") as proxy:
        host, port = proxy.address()
        assert run("redis_client.py", f"{host}:{port}") == Finished(REDIS, "", 0)
        assert proxy.terminate() == Finished("", "", TERMINATED)


@both_ways
def test_tcp_proxy_copies_both_ways_at_once_and_hands_each_end_on(by: tuple[str, ...]) -> None:
    with raw_listener() as upstream:
        host, port = upstream.getsockname()
        with (
            running("tcp_proxy.py", "127.0.0.1:0", f"{host}:{port}", by=by) as proxy,
            connected(*proxy.address()) as client,
        ):
            server = Peer(upstream.accept()[0])
            client.sendall(b"question")
            server.sendall(b"greeting")
            assert server.recv_exactly(8) == b"question"
            assert client.recv_exactly(8) == b"greeting"
            client.finish()
            assert server.recv_until_closed() == b""  # the client has said all ...
            server.sendall(b"the answer")
            server.close()
            assert client.recv_until_closed() == b"the answer"  # ... and is still answered
            assert proxy.terminate().errors == ""


def test_tcp_proxy_holds_back_a_writer_whose_reader_does_not_read() -> None:
    chunk, most = b"x" * 65536, 64 << 20
    with raw_listener() as upstream:
        host, port = upstream.getsockname()
        with running("tcp_proxy.py", "127.0.0.1:0", f"{host}:{port}") as proxy, connected(*proxy.address()) as client:
            server = Peer(upstream.accept()[0])
            client.sock.settimeout(1)
            sent = 0
            try:
                while sent < most:
                    sent += client.sock.send(chunk)
            except TimeoutError:
                pass
            assert sent < most
            client.finish()
            assert len(server.recv_until_closed()) == sent
            server.close()
            assert client.recv_until_closed() == b""
            assert proxy.terminate() == Finished("", "", TERMINATED)


@pytest.mark.parametrize("breaks", ["client", "server"])
def test_tcp_proxy_ends_both_sides_when_one_breaks(breaks: str) -> None:
    with raw_listener() as upstream:
        host, port = upstream.getsockname()
        with running("tcp_proxy.py", "127.0.0.1:0", f"{host}:{port}") as proxy, connected(*proxy.address()) as client:
            server = Peer(upstream.accept()[0])
            client.sendall(b"x")
            assert server.recv_exactly(1) == b"x"  # the proxy has begun to copy
            sides = {"client": client, "server": server}
            sides.pop(breaks).reset()
            (other,) = sides.values()
            assert other.recv_until_closed() == b""
            server.close()
            assert proxy.terminate() == Finished("", "", TERMINATED)


def test_tcp_proxy_closes_the_client_when_the_upstream_is_not_there() -> None:
    target = f"127.0.0.1:{free_port()}"
    with running("tcp_proxy.py", "127.0.0.1:0", target) as proxy:
        with connected(*proxy.address()) as client:
            assert client.recv_until_closed() == b""
        ended = proxy.terminate()
    assert ended == Finished("", f"cannot connect to {target}: connection refused\n", TERMINATED)


@both_ways
def test_udp_time_server_answers_its_client_and_nobody_else(by: tuple[str, ...]) -> None:
    with running("udp_time_server.py", "127.0.0.1:0", by=by) as server:
        host, port = server.address()
        with original_socket_class()(stdlib_socket.AF_INET, stdlib_socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"?", (host, port))
            answered = run("udp_time_server.py", "--ask", f"{host}:{port}", by=by)
            with pytest.raises(BlockingIOError):
                stranger.recv(100, stdlib_socket.MSG_DONTWAIT)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, answered in \d+\.\d\d ms\n", answered.output)
        assert (answered.errors, answered.status) == ("", 0)
        assert server.terminate().errors == ""


def test_udp_time_client_asks_again_and_then_gives_up() -> None:
    with original_socket_class()(stdlib_socket.AF_INET, stdlib_socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.settimeout(LIMIT_S)
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        ended = run("udp_time_server.py", "--ask", address)
        questions = [deaf.recv(100) for _ in range(3)]
    assert ended == Finished("", f"no answer from {address}: timeout\n", 1)
    assert questions == [b"What time is it, please?"] * 3


MULTIPART = """\
an upload
   form-data; name="title"
   7 bytes in 1 chunks, sha1 fadf71c7ea92e6416fd6d89969f8e78a115cd3c1
   form-data; name="photo"; filename="sunrise.raw"
   256014 bytes in 16 chunks, sha1 d566032bf7180aedc8087170ddb826e09ab81c7c
an upload that breaks off
   form-data; name="title"
   7 bytes in 1 chunks, sha1 fadf71c7ea92e6416fd6d89969f8e78a115cd3c1
   form-data; name="photo"; filename="sunrise.raw"
   closed, with 1514 bytes of an unfinished chunk
"""


@both_ways
def test_multipart_reader_streams_the_parts_and_notices_one_that_is_cut(by: tuple[str, ...]) -> None:
    assert run("multipart_reader.py", by=by) == Finished(MULTIPART, "", 0)


# -- HTTP


def ask(url: str, **keywords: Any) -> Response:
    """Send a request over a connection of its own: the examples are in other processes, which come and go."""
    return client_tools.get(url, keepalive=0, **keywords)


def until(peer: Peer, end: bytes) -> bytes:
    """Read up to and with ``end``."""
    data = b""
    while not data.endswith(end):
        data += peer.recv_exactly(1)
    return data


def talk_to_json_service(url: str) -> None:
    added = ask(f"{url}/notes", json={"text": "buy milk"})
    assert (added.code, added.json()["text"]) == (201, "buy milk")
    number = added.json()["number"]
    assert ask(f"{url}/notes", query={"word": "milk"}).json() == [added.json()]
    assert ask(f"{url}/notes", query={"word": "honey"}).json() == []
    assert ask(f"{url}/notes/{number}").json() == added.json()
    assert ask(f"{url}/notes/{number}", method="HEAD").headers["content-length"] == str(len(added.body or b""))
    refused = ask(f"{url}/notes/{number}", method="PUT", body=b"")
    assert (refused.code, refused.headers["allow"]) == (405, "GET, DELETE")
    assert ask(f"{url}/notes/{number}", method="DELETE").json() == added.json()
    assert ask(f"{url}/notes/{number}").code == 404
    assert ask(f"{url}/elsewhere").code == 404
    assert ask(f"{url}/notes", body=b"{").code == 400
    assert ask(f"{url}/notes", json={"text": 1}).code == 400
    assert ask(f"{url}/notes", body=b" " * 65_537).code == 413


@both_ways
def test_json_service_keeps_notes_and_tells_what_is_wrong(by: tuple[str, ...]) -> None:
    with running("json_service.py", "127.0.0.1:0", by=by) as service:
        talk_to_json_service(service.url())
        assert service.terminate() == Finished("", "", TERMINATED if by == BY_LASA else -signal.SIGTERM)


def test_json_service_under_lasa_serve_finishes_a_running_request_before_it_stops() -> None:
    port = free_port()
    serve = [sys.executable, "-m", "lasa", "serve", "--access-log", "json", "--listen", f"127.0.0.1:{port}"]
    body = b'{"text": "late"}'
    with started([*serve, "examples.json_service:handler"]) as service:
        while "serving" not in service.errors():
            assert not select_original([], 0.01)[0]
            assert service.process.poll() is None, service.errors()
        with connected("127.0.0.1", port) as client:
            client.sendall(b"POST /notes HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 16\r\n\r\n")
            assert until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")  # the handler waits for the body
            service.process.send_signal(signal.SIGTERM)
            client.sendall(body)
            answer = client.recv_until_closed()
        ended = service.finish()
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert answer.endswith(b'"text": "late"}')
    assert json.loads(ended.output)["status"] == 201
    assert ended.status == 0


def test_download_writes_the_file_and_shows_how_far_it_is(tmp_path: Path) -> None:
    path, content = tmp_path / "file", bytes(range(256)) * 4096
    with raw_listener() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with running("download.py", f"{url}/old", str(path)) as example:
            for answer in client_tools.redirect("/new"), client_tools.sized(content):
                peer = Peer(listener.accept()[0])
                until(peer, b"\r\n\r\n")
                head, _, body = answer.partition(b"\r\n")
                peer.sendall(head + b"\r\nConnection: close\r\n" + body)
                peer.close()
            ended = example.finish()
    assert (ended.output, ended.status) == (f"{path}: 1048576 bytes\n", 0)
    assert "100%" in ended.errors
    assert hashlib.sha1(path.read_bytes()).digest() == hashlib.sha1(content).digest()
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "closed"),
        (client_tools.sized(b"", status=b"404 Not Found"), "404 Not Found"),
    ],
)
def test_download_that_fails_says_why_and_leaves_no_file(tmp_path: Path, answer: bytes, complaint: str) -> None:
    path = tmp_path / "file"
    with raw_listener() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with running("download.py", url, str(path)) as example:
            peer = Peer(listener.accept()[0])
            until(peer, b"\r\n\r\n")
            peer.sendall(answer)
            peer.close()
            ended = example.finish()
    assert ended.status == 1
    assert ended.errors.endswith(f"cannot download {url}: {complaint}\n")
    assert not path.exists()


@both_ways
def test_reverse_proxy_stands_between_the_client_and_the_json_service(by: tuple[str, ...]) -> None:
    with (
        running("json_service.py", "127.0.0.1:0", by=by) as service,
        running("reverse_proxy.py", "127.0.0.1:0", service.url(), by=by) as proxy,
    ):
        talk_to_json_service(proxy.url())
        assert proxy.terminate().errors == ""


def test_reverse_proxy_hands_pieces_on_as_they_arrive_both_ways() -> None:
    with raw_listener() as upstream:
        target = f"http://127.0.0.1:{upstream.getsockname()[1]}/app/"
        with running("reverse_proxy.py", "127.0.0.1:0", target) as proxy:
            host, _, port = proxy.url().removeprefix("http://").partition(":")
            with connected(host, int(port)) as client:
                client.sendall(b"PUT /a%2Fb?x=1 HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: 9.9.9.9\r\nX-Own: 1\r\n")
                client.sendall(b"Connection: X-Hop\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
                server = Peer(upstream.accept()[0])
                head = until(server, b"\r\n\r\n")
                assert until(server, b"3\r\none\r\n")
                client.sendall(b"3\r\ntwo\r\n0\r\n\r\n")  # only now
                assert until(server, b"0\r\n\r\n") == b"3\r\ntwo\r\n0\r\n\r\n"
                server.sendall(b"HTTP/1.1 203 Fine\r\nX-Own: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n")
                server.sendall(b"Keep-Alive: timeout=5\r\nContent-Length: 6\r\n\r\nthr")
                answer = until(client, b"\r\n\r\nthr")
                server.sendall(b"ee.")  # only now
                assert client.recv_exactly(3) == b"ee."
                server.close()
            assert proxy.terminate().errors == ""
    line, *fields = head.decode().lower().split("\r\n")[:-2]
    assert line == "put /app/a%2fb?x=1 http/1.1"
    assert f"host: {target.split('/')[2]}" in fields
    expected = ["x-own: 1", "x-forwarded-for: 9.9.9.9, 127.0.0.1", "x-forwarded-host: shop", "x-forwarded-proto: http"]
    assert set(expected) <= set(fields)
    assert not [field for field in fields if field.startswith(("x-hop", "connection"))]
    lower = answer.lower()
    assert lower.startswith(b"http/1.1 203 ")
    assert [field in lower for field in (b"x-own: 2\r\n", b"set-cookie: a=1\r\nset-cookie: b=2\r\n")] == [True, True]
    assert b"keep-alive: timeout" not in lower


def test_reverse_proxy_answers_502_where_nobody_listens_and_504_where_nobody_answers() -> None:
    target = f"http://127.0.0.1:{free_port()}"
    with running("reverse_proxy.py", "127.0.0.1:0", target) as proxy:
        answer = ask(f"{proxy.url()}/x")
        ended = proxy.terminate()
    assert (answer.code, answer.text()) == (502, "the server behind gives no answer\n")
    assert ended.errors == "GET /x: connection refused\n"
    forward = load("reverse_proxy").forward
    impatient = client_tools.new_client(read=0.05)
    with (
        client_tools.peer(client_tools.silent) as silent,
        tools.serving(lambda request: forward(request, impatient, silent.url)) as server,
    ):
        assert ask(server.url).code == 504


def load(name: str) -> Any:
    """Import an example."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@both_ways
def test_sse_reader_prints_what_the_clock_ticks_and_begins_where_it_is_told(by: tuple[str, ...]) -> None:
    with running("sse_clock.py", "127.0.0.1:0", "0.01", by=by) as clock:
        ended = run("sse_reader.py", clock.url(), "--count", "3", "--last-event-id", "41", by=by)
        assert clock.terminate().errors == ""
    lines = [line.split(" ", 2) for line in ended.output.splitlines()]
    assert [line[:2] for line in lines] == [["42", "tick"], ["43", "tick"], ["44", "tick"]]
    assert [sorted(json.loads(line[2])) for line in lines] == [["time"]] * 3
    assert (ended.errors, ended.status) == ("", 0)


def test_sse_reader_comes_back_with_the_id_of_the_last_event_until_there_are_no_more() -> None:
    stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    scripts = [
        stream + b"retry: 0\n\nid: 1\ndata: one\n\n",
        stream + b"id: 2\nevent: last\ndata: two\n\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ]
    heads = []
    with (
        raw_listener() as listener,
        running("sse_reader.py", f"http://127.0.0.1:{listener.getsockname()[1]}") as reader,
    ):
        for script in scripts:
            peer = Peer(listener.accept()[0])
            heads.append(until(peer, b"\r\n\r\n").lower())
            peer.sendall(script)
            peer.close()
        assert reader.finish() == Finished("1 message one\n2 last two\n", "", 0)
    ids = [re.findall(rb"\r\nlast-event-id: (.*)\r\n", head) for head in heads]
    assert ids == [[], [b"1"], [b"2"]]


def test_sse_reader_tells_what_is_no_event_stream() -> None:
    with running("json_service.py", "127.0.0.1:0") as service:
        url = f"{service.url()}/notes"
        ended = run("sse_reader.py", url)
    complaint = f"cannot read {url}: not an event stream: application/json, after event ''\n"
    assert ended == Finished("", complaint, 1)


# -- WebSocket


@contextmanager
def talking(url: str, **options: Any) -> Iterator[ClientWebSocket]:
    """A client of an example's server, for messages."""
    wb, err = websocket.client.connect(url.replace("http://", "ws://"), proxy=False, **options)
    assert wb is not None, err
    with wb:
        yield wb


def received(wb: ClientWebSocket) -> str | bytes:
    """Wait for a message."""
    message, err = wb.receive(LIMIT_S)
    assert message is not None, err
    return message


@both_ways
def test_websocket_echo_client_prints_what_the_echo_server_sends_back(by: tuple[str, ...]) -> None:
    with running("websocket_echo_server.py", "127.0.0.1:0", by=by) as server:
        url = server.url()
        ended = run("websocket_echo_client.py", url, "hello, world", "", "blåbærgrød", by=by)
        assert ended == Finished("hello, world\n\nblåbærgrød\n", "", 0)
        assert server.terminate() == Finished("", "", TERMINATED if by == BY_LASA else -signal.SIGTERM)


def test_websocket_echo_server_takes_a_port_and_sends_messages_of_64_mib_back_compressed() -> None:
    message = b"x" * (64 << 20)
    with running("websocket_echo_server.py", "0") as server, talking(server.url(), max_message=None) as wb:
        assert wb.response is not None
        assert wb.response.headers["sec-websocket-extensions"].startswith("permessage-deflate")
        sent = lasa.check(wb.send(message))
        assert sent < 1 << 20
        assert received(wb) == message
        lasa.check(wb.send("text"))
        assert received(wb) == "text"
        assert wb.close(1000) == (Closing(1000, "", "us"), None)
        assert server.terminate().errors == ""


def test_websocket_echo_server_survives_clients_that_break_the_rules_or_a_limit() -> None:
    with running("websocket_echo_server.py", "127.0.0.1:0", "--max-message", "5") as server:
        url = server.url()
        assert ask(url.replace("ws", "http")).code == 426
        with talking(url) as wb:
            wb.send("123456")
            assert wb.receive(LIMIT_S) == (None, "closed")
            assert wb.closing == Closing(1009, "message too big", "peer")
        wb, _ = websocket.client.new()
        with wb:
            assert wb.connect(url) == (1, None)
            wb.send_frame(True, 3, b"")
            assert wb.recv_frame() == (b"reserved non-control frames", "close", 1002)
        with talking(url) as wb:
            wb.abort()
        with talking(url) as wb:
            wb.send("12345")
            assert received(wb) == "12345"
        assert server.terminate() == Finished("", "", TERMINATED)


def test_websocket_echo_client_tells_that_nobody_listens_and_what_is_no_websocket() -> None:
    address = f"127.0.0.1:{free_port()}"
    refused = run("websocket_echo_client.py", f"ws://{address}", "hello")
    assert refused == Finished("", f"ws://{address}: failed to connect: connection refused\n", 1)
    no_uri = run("websocket_echo_client.py", f"http://{address}")
    assert no_uri == Finished("", f"http://{address}: bad websocket uri\n", 1)
    with running("json_service.py", "127.0.0.1:0") as service:
        url = service.url().replace("http", "ws")
        ended = run("websocket_echo_client.py", url, "hello")
    assert ended == Finished("", f"{url}: bad HTTP response status line: HTTP/1.1 404 Not Found\n", 1)


def upgraded(listener: Any) -> tuple[Peer, bytes]:
    """Accept a client that wants a WebSocket, and return the target of its request too."""
    peer = Peer(listener.accept()[0])
    head = until(peer, b"\r\n\r\n")
    peer.sendall(answer_of(head[:-4]))
    return peer, head.split(b" ")[1]


def close_of(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def sent_by(peer: Peer) -> list[tuple[int, bytes]]:
    """The masked frames, none of them long, that a client sends until it ends the connection."""
    data, found = peer.recv_until_closed(), []
    while data:
        length, key = data[1] & 127, data[2:6]
        found.append((data[0], bytes(byte ^ key[at % 4] for at, byte in enumerate(data[6 : 6 + length]))))
        data = data[6 + length :]
    return found


@both_ways
def test_websocket_echo_client_is_the_echo_until_the_server_closes(by: tuple[str, ...]) -> None:
    with raw_listener() as listener:
        uri = f"ws://127.0.0.1:{listener.getsockname()[1]}/any?thing"
        with running("websocket_echo_client.py", uri, by=by) as client:
            peer, target = upgraded(listener)
            assert target == b"/any?thing"
            peer.sendall(frame(TEXT, b"a", fin=False) + frame(0, "å".encode()) + frame(BINARY, b"\xff"))
            peer.sendall(close_of(4000, b"enough"))
            peer.finish()
            assert sent_by(peer) == [(0x81, "aå".encode()), (0x82, b"\xff"), (0x88, b"\x0f\xa0enough")]
            peer.close()
            assert client.finish() == Finished("closed by peer: 4000 enough\n", "", 0)


CASES = """\
1 of 6: closed by peer: 1000
2 of 6: closed by us: 1002 reserved non-control frames
3 of 6: bad HTTP response status line: HTTP/1.1 500 Broken
4 of 6: closed by nobody: 1006 connection reset by peer
5 of 6: closed by us: 1007 invalid utf-8
6 of 6: closed by nobody: 1006 closed
"""


def test_websocket_echo_client_goes_through_all_cases_of_a_fuzzing_server_whatever_happens() -> None:
    with raw_listener() as listener:
        uri = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        with running("websocket_echo_client.py", "--cases", uri) as client:
            targets = []

            def serve(data: bytes) -> list[tuple[int, bytes]]:
                peer, target = upgraded(listener)
                targets.append(target)
                peer.sendall(data)
                peer.finish()
                frames = sent_by(peer)
                peer.close()
                return frames

            serve(frame(TEXT, b"6") + close_of(1000))
            assert serve(frame(TEXT, b"one") + close_of(1000))[0] == (0x81, b"one")
            assert serve(frame(3))[0] == (0x88, b"\x03\xeareserved non-control frames")
            refusing = Peer(listener.accept()[0])
            targets.append(until(refusing, b"\r\n\r\n").split(b" ")[1])
            refusing.sendall(b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n")
            refusing.close()
            peer, target = upgraded(listener)
            targets.append(target)
            peer.reset()
            assert serve(frame(TEXT, b"\xff"))[0] == (0x88, b"\x03\xefinvalid utf-8")
            serve(b"")
            serve(close_of(1000))
            assert client.finish() == Finished(CASES, "", 0)
    cases = [b"/runCase?case=%d&agent=lasa" % number for number in range(1, 7)]
    assert targets == [b"/getCaseCount", *cases, b"/updateReports?agent=lasa"]


@both_ways
def test_chat_tells_everybody_and_remembers_what_was_said(by: tuple[str, ...]) -> None:
    with running("chat.py", "127.0.0.1:0", by=by) as chat:
        url = chat.url()
        page = ask(url)
        assert (page.code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert page.body == (EXAMPLES / "chat.html").read_bytes()
        assert ask(f"{url}/elsewhere").code == 404
        with talking(f"{url}/chat", origin=url) as ann:
            assert received(ann) == "Welcome!"
            assert received(ann) == "guest 1 has come"
            with talking(f"{url}/chat") as bob:
                assert received(bob) == "Welcome!\nguest 1 has come"
                bob.send("hello")
                bob.send(b"\x89PNG")
                for member in ann, bob:
                    expected = ["guest 2 has come", "guest 2: hello", "guest 2 shows:", b"\x89PNG"]
                    assert [received(member) for _ in expected] == expected
                bob.close(1000, "goodbye")
            assert received(ann) == "guest 2 has left"
            assert chat.line() == "guest 2 Closing(code=1000, reason='goodbye', by='peer')"
            ann.send(b"x" * (8 * 1024 * 1024 + 1))
            assert ann.receive(LIMIT_S) == (None, "closed")
            assert ann.closing == Closing(1009, "message too big", "peer")
        assert chat.line() == "guest 1 Closing(code=1009, reason='message too big', by='us')"
        assert chat.terminate().errors == ""


def test_chat_is_closed_to_pages_from_elsewhere() -> None:
    with running("chat.py", "127.0.0.1:0") as chat:
        uri = chat.url().replace("http", "ws") + "/chat"
        wb, err = websocket.client.connect(uri, origin="https://elsewhere.example")
        assert wb is None
        assert err == "bad HTTP response status line: HTTP/1.1 403 Forbidden"
        assert chat.line() == "refused: origin not allowed: https://elsewhere.example"
        assert chat.terminate().errors == ""


def test_chat_under_lasa_serve_says_goodbye_to_everybody_when_it_stops() -> None:
    port = free_port()
    serve = [sys.executable, "-m", "lasa", "serve", "--access-log", "off", "--listen", f"127.0.0.1:{port}"]
    with started([*serve, "examples.chat:handler"]) as service:
        while "serving" not in service.errors():
            assert not select_original([], 0.01)[0]
            assert service.process.poll() is None, service.errors()
        with talking(f"ws://127.0.0.1:{port}/chat") as wb:
            assert received(wb) == "Welcome!"
            assert received(wb) == "guest 1 has come"
            service.process.send_signal(signal.SIGTERM)
            assert wb.receive(LIMIT_S) == (None, "closed")
            assert wb.closing == Closing(1001, "", "peer")
        ended = service.finish()
    assert (ended.output, ended.status) == ("guest 1 Closing(code=1001, reason='', by='us')\n", 0)


@both_ways
def test_websocket_ticker_comes_back_when_the_server_does(by: tuple[str, ...]) -> None:
    address = f"127.0.0.1:{free_port()}"
    with running("websocket_ticker.py", "--serve", address, "0.01", by=by) as server:
        assert server.url() == f"ws://{address}"
        with running("websocket_ticker.py", f"ws://{address}/", by=by) as reader:
            assert reader.line() == "connected"
            assert re.fullmatch(r"tick \d+", reader.line())
            server.terminate()
            while (line := reader.line()).startswith("tick"):
                pass
            assert line.startswith("lost: Closing(code=1006,")
            with running("websocket_ticker.py", "--serve", address, "0.01", by=by):
                assert reader.line() == "connected"
                ticks = [int(reader.line().removeprefix("tick ")) for _ in range(3)]
                assert ticks == list(range(ticks[0], ticks[0] + 3))
                assert reader.terminate().errors == ""


def test_websocket_ticker_reads_as_many_as_it_is_told_and_gives_up_on_what_is_no_ticker() -> None:
    with running("websocket_ticker.py", "--serve", "127.0.0.1:0", "0.01") as server:
        ended = run("websocket_ticker.py", server.url(), "2")
        assert server.terminate().errors == ""
    assert re.fullmatch(r"connected\ntick \d+\ntick \d+\n", ended.output)
    assert (ended.errors, ended.status) == ("", 0)
    with running("json_service.py", "127.0.0.1:0") as service:
        uri = service.url().replace("http", "ws")
        ended = run("websocket_ticker.py", uri)
    assert ended == Finished("", f"cannot read {uri}: bad HTTP response status line: HTTP/1.1 404 Not Found\n", 1)


@both_ways
def test_websocket_broadcast_sends_what_is_posted_to_all_readers(by: tuple[str, ...]) -> None:
    with running("websocket_broadcast.py", "127.0.0.1:0", by=by) as news:
        url = news.url()
        assert ask(url, body=b"nobody hears").json() == {"sent": 0, "skipped": 0}
        with talking(url) as ann, talking(url) as bob:
            assert ask(url, body="it rains på øen").json() == {"sent": 2, "skipped": 0}
            for reader in ann, bob:
                assert received(reader) == "it rains på øen"
            bob.close()
            ann.send("nobody listens to me")
            assert ask(url, body=b"it snows").json()["sent"] == 1
            assert received(ann) == "it snows"
        assert ask(url).code == 426
        assert news.terminate().errors == ""


def test_websocket_broadcast_sends_a_reader_away_that_does_not_read() -> None:
    story = b"x" * 65_536
    with running("websocket_broadcast.py", "127.0.0.1:0") as news:
        url = news.url()
        host, _, port = url.removeprefix("http://").partition(":")
        with connected(host, int(port)) as deaf, talking(url) as reader:
            deaf.sendall(request("/"))
            assert until(deaf, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
            skipped = 0
            while not skipped:
                answer = ask(url, body=story).json()
                skipped = answer["skipped"]
                assert received(reader) == story.decode()
            assert answer == {"sent": 1, "skipped": 1}
            assert ask(url, body=b"the end").json() == {"sent": 1, "skipped": 0}
            assert received(reader) == "the end"
            end = b""
            while not end.endswith(close_of(1013)):
                chunk = deaf.sock.recv(65536)
                assert chunk, "it was not told"
                end = end[-8:] + chunk
        assert news.terminate().errors == ""


# -- Lua in a Python program; the examples in Lua are run by tests/lua/test_examples.py

EMBEDDED = """\
Ann pays 20 EUR
Bob pays 1350 DKK
Eve: rules:7: attempt to perform arithmetic on field 'count' (a string value)
"""


@both_ways
def test_embed_lua_prices_orders_and_tells_a_mistake_with_its_line(by: tuple[str, ...]) -> None:
    pytest.importorskip("lupa")
    assert run("embed_lua.py", by=by) == Finished(EMBEDDED, "", 0)


def test_embed_lua_takes_the_rules_from_a_file(tmp_path: Path) -> None:
    pytest.importorskip("lupa")
    rules = tmp_path / "rules.lua"
    rules.write_text("return function(order) return { customer = order.customer, total = 1, currency = 'EUR' } end")
    assert run("embed_lua.py", str(rules)) == Finished(
        "".join(f"{n} pays 1 EUR\n" for n in ("Ann", "Bob", "Eve")), "", 0
    )
    rules.write_text("return function(order) retrun order end")
    ended = run("embed_lua.py", str(rules))
    assert (ended.output, ended.status) == ("", 1)
    assert ended.errors.endswith("rules.lua:1: '=' expected near 'order'\n")


# -- the snippets of the manual

SNIPPET_SERVES = "server.run(handler)"
EXPECTED = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)

# Runs each snippet as a script of its own, in one process.
RUN_SNIPPETS = """
import json, pathlib, sys
for snippet in json.loads(pathlib.Path(sys.argv[1]).read_text()):
    exec(compile(snippet, "snippet", "exec"), {"__name__": "__main__"})
"""


def snippets(name: str, port: int, language: str = "python") -> list[str]:
    """The code in a page, in order, with another port in place of 8080."""
    code = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / name).read_text(), re.DOTALL | re.MULTILINE)
    return [re.sub(r"\b8080\b", str(port), snippet) for snippet in code]


@contextmanager
def serving_snippet(code: str, port: int) -> Iterator[None]:
    """A snippet that serves, until the body ends."""
    with started([*BY_PYTHON, "-c", code]) as server:
        while True:
            with original_socket_class()() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.process.poll() is None, server.errors()
            assert not select_original([], 0.01)[0]
        yield
        assert server.terminate().errors == ""


def test_every_snippet_about_websockets_in_the_manual_does_what_it_says(tmp_path: Path) -> None:
    port = free_port()
    server, *others = snippets("docs/websocket.md", port)
    assert "server.run(echo)" in server
    clients = [code for code in others if SNIPPET_SERVES not in code]
    assert len(clients) > 8
    script = tmp_path / "snippets.json"
    script.write_text(json.dumps(clients))
    with serving_snippet(server, port), started([*BY_PYTHON, "-c", RUN_SNIPPETS, str(script)]) as client:
        ended = client.finish()
    assert (ended.errors, ended.status) == ("", 0)
    lines = iter(ended.output.splitlines())
    for expected in EXPECTED.findall("".join(clients)):
        assert expected in lines, f"{expected!r} is missing, or in another order, in:\n{ended.output}"


def test_every_server_about_websockets_in_the_manual_serves() -> None:
    port = free_port()
    uri = f"ws://127.0.0.1:{port}"
    on_http, on_its_own, broadcasting = (code for code in snippets("docs/websocket.md", port) if SNIPPET_SERVES in code)
    with serving_snippet(on_http, port):
        assert ask(f"http://127.0.0.1:{port}/").text().startswith("<!doctype html>")
        with talking(f"{uri}/clock") as wb:
            assert str(received(wb)).isdecimal()
    with serving_snippet(on_its_own, port), talking(f"{uri}/?name=Ann") as wb:
        assert received(wb) == "hello, Ann"
        wb.send("how are you?")
        assert received(wb) == "Ann says: how are you?"
    with serving_snippet(broadcasting, port), talking(uri) as ann, talking(uri) as bob:
        bob.send("hello")
        assert [received(ann), received(bob)] == ["hello", "hello"]


def test_websocket_snippets_of_the_readme_talk_to_each_other() -> None:
    port = free_port()
    client, server = (code for code in snippets("README.md", port) if "lasa.websocket" in code)
    with serving_snippet(server, port), started([*BY_PYTHON, "-c", client]) as run_client:
        assert run_client.finish() == Finished("hello\nyou said: hello\n", "", 0)


@pytest.mark.parametrize(
    "name",
    [
        "chat.py",
        "download.py",
        "echo_client.py",
        "echo_server.py",
        "json_service.py",
        "reverse_proxy.py",
        "sse_clock.py",
        "tcp_proxy.py",
        "udp_time_server.py",
        "websocket_broadcast.py",
        "websocket_ticker.py",
    ],
)
def test_example_that_needs_arguments_says_which(name: str) -> None:
    ended = run(name)
    assert ended.status == 1
    assert ended.output == ""
    assert f"lasa run examples/{name}" in ended.errors


def test_every_example_is_run_by_a_test_and_says_how_to_run_it() -> None:
    tests = Path(__file__).read_text()
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == set(re.findall(r'(?:run|running)\("(\w+\.py)"', tests))
    for name in names:
        text = (EXAMPLES / name).read_text()
        assert re.match(rf'"""[^"]+\n    lasa run examples/{name}', text), name
