"""Every example, run as a reader runs it: in a process of its own, against real servers and clients."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket as stdlib_socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from tests.helpers import Peer, original_socket_class, raw_listener, select_original
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

    def __init__(self, name: str, *arguments: str, by: tuple[str, ...], errors: IO[bytes]) -> None:
        command = [*by, str(EXAMPLES / name), *arguments]
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
    with tempfile.TemporaryFile() as errors:
        example = Running(name, *arguments, by=by, errors=errors)
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


@pytest.mark.parametrize("arguments", [("echo_server.py",), ("tcp_proxy.py", "127.0.0.1:1")], ids=lambda a: a[0])
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


@pytest.mark.parametrize("name", ["echo_server.py", "echo_client.py", "tcp_proxy.py", "udp_time_server.py"])
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
