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

from lasa.http.client import Response
from tests.helpers import Peer, original_socket_class, raw_listener, select_original
from tests.http import client_tools, tools
from tests.servers import Server, free_port

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
        """Wait for the line that tells where the HTTP server listens."""
        found = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)", self.line())
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
        ("echo_server.py",),
        ("json_service.py",),
        ("reverse_proxy.py", "http://127.0.0.1:1"),
        ("sse_clock.py",),
        ("tcp_proxy.py", "127.0.0.1:1"),
    ],
    ids=lambda a: a[0],
)
def test_server_tells_why_it_cannot_bind(arguments: tuple[str, ...]) -> None:
    name, *others = arguments
    with raw_listener() as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run(name, address, *others)
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


@pytest.mark.parametrize(
    "name",
    [
        "download.py",
        "echo_client.py",
        "echo_server.py",
        "json_service.py",
        "reverse_proxy.py",
        "sse_clock.py",
        "tcp_proxy.py",
        "udp_time_server.py",
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
