"""The words of failed calls hold their errors: class, what was being done, with whom; and keep nothing else alive."""

from __future__ import annotations

import contextlib
import copy
import pickle
import socket as stdlib_socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lasa
from lasa import errors, semaphore, socket, thread, timer
from lasa._hub import start_os_thread
from lasa._stream import dial
from lasa.errors import (
    BadAddress,
    ConnectTimeout,
    Error,
    LimitExceeded,
    NameNotFound,
    PoolFull,
    SocketBroken,
    SocketBusy,
    SocketClosed,
    SocketNotFound,
    SocketRefused,
    SocketReset,
    SocketTimeout,
    StreamEnded,
    TlsError,
    TlsHandshakeError,
    Word,
    check,
)
from lasa.http import client
from tests.helpers import cosocket_pair, raw_listener
from tests.servers import free_port
from tests.socket.tools import silent_listener

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Error)]


def word_in(result: tuple[Any, ...]) -> Word:
    word = result[1]
    assert isinstance(word, Word), result
    return word


# -- what a word is


def test_a_word_is_a_str_like_any_other() -> None:
    word: Any = word_in(socket.tcp().receive())
    assert word == "closed"
    assert hash(word) == hash("closed")
    assert {word: 1}["closed"] == 1
    assert (str(word), repr(word), f"{word}") == ("closed", "'closed'", "closed")
    assert type(word.upper()) is type(word + "") is str


def test_a_word_crosses_pickle_copies_and_channels_with_its_error() -> None:
    port = free_port()
    word = word_in(socket.connect("127.0.0.1", port))
    channel = lasa.channel(1)
    channel.send(word)
    for twin in (copy.copy(word), copy.deepcopy(word), pickle.loads(pickle.dumps(word)), channel.receive()[0]):
        assert (type(twin), twin) == (Word, "connection refused")
        error: Any = twin.error
        assert (type(error), error.errno, error.operation) == (SocketRefused, 111, "connect")
        assert error.peer == f"127.0.0.1:{port}"


def test_who_takes_a_word_for_a_value_is_told_of_check() -> None:
    word: Any = word_in(socket.connect("127.0.0.1", free_port()))
    with pytest.raises(AttributeError, match=r"no 'receive': the call failed \(connection refused\); .*lasa\.check"):
        word.receive()


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("duplicate", [copy.copy, errors.copy_of, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_of_each_class_can_be_built_and_copied(kind: Any, duplicate: Callable[[Any], Any]) -> None:
    error = kind("odd", b"part").during("read", "127.0.0.1:80", 2.0)
    error.attempts = (("::1", SocketRefused("connection refused")),)
    error.add_note("a note")
    if isinstance(error, OSError):
        error.errno = 5
    twin = duplicate(error)
    assert type(twin) is kind
    assert (twin.args, twin.reason, twin.partial, str(twin)) == (("odd",), "odd", b"part", "odd")
    assert (twin.operation, twin.peer, twin.timeout_s) == ("read", "127.0.0.1:80", error.timeout_s)
    assert twin.attempts[0][1].reason == "connection refused"
    assert twin.__notes__ == ["a note"]
    assert getattr(twin, "errno", None) == getattr(error, "errno", None)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    text = (errors.__doc__ or "").partition("::")[2].partition("``lasa.http``")[0]
    parents: list[tuple[int, str]] = []
    for line in filter(str.strip, text.splitlines()):
        name = line.replace("│", " ").replace("├", " ").replace("└", " ").split()[0]
        depth = line.index(name)
        while parents and parents[-1][0] >= depth:
            parents.pop()
        if parents:
            parent = getattr(errors, parents[-1][1], Exception)
            assert issubclass(getattr(errors, name), parent), line
        parents.append((depth, name))
        for also in line.partition("(")[2].partition(")")[0].removeprefix("also ").split(","):
            base = also.partition(" which")[0].split(".")[-1].strip()
            if base:
                found = {kind.__name__ for kind in getattr(errors, name).__mro__}
                assert base in found, line
    assert {kind.__name__ for kind in CLASSES} <= set(text.replace("(", " ").split())


def test_a_word_of_many_calls_has_an_error_for_each_who_looks() -> None:
    channel = lasa.channel(1)
    channel.close()
    first, second = word_in(channel.receive()), word_in(channel.send(1))
    assert first.error is not second.error
    with pytest.raises(SocketClosed):
        raise first.error
    assert first.error.__traceback__ is None
    for twin in (copy.copy(first), copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert (twin, type(twin.error)) == ("closed", SocketClosed)


# -- what an error knows


@contextlib.contextmanager
def accepting(serve: Callable[[stdlib_socket.socket], object]) -> Iterator[tuple[str, int]]:
    with raw_listener() as listener:

        def run() -> None:
            peer, _ = listener.accept()
            with peer:
                serve(peer)

        start_os_thread(run, "peer")
        yield listener.getsockname()


def reset(peer: stdlib_socket.socket) -> None:
    peer.recv(1)
    peer.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_refused_connect_says_with_whom_and_each_attempt() -> None:
    port = free_port()
    error: Any = word_in(socket.connect("127.0.0.1", port)).error
    assert (type(error), error.operation, error.peer, error.errno) == (
        SocketRefused,
        "connect",
        f"127.0.0.1:{port}",
        111,
    )
    assert [(address, type(tried)) for address, tried in error.attempts] == [("127.0.0.1", SocketRefused)]
    with pytest.raises(SocketRefused) as caught:
        check(socket.connect("127.0.0.1", port))
    assert str(caught.value) == "connection refused"
    assert caught.value.__notes__ == [f"connect to 127.0.0.1:{port}: connection refused"]


def test_a_name_with_several_addresses_tells_of_all_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [(stdlib_socket.AF_INET, "127.0.0.1"), (stdlib_socket.AF_INET6, "::1")]
    monkeypatch.setattr(socket.TcpSocket, "addresses_of", lambda self, host, timeout_s: addresses)
    port = free_port()
    error = word_in(socket.connect("two.test", port)).error
    assert [address for address, _ in error.attempts] == ["127.0.0.1", "::1"]
    assert errors.sentence_of(error) == (
        f"connect to two.test:{port}: all addresses failed (127.0.0.1: connection refused; ::1: connection refused)"
    )


def test_a_name_that_is_not_found() -> None:
    error: Any = word_in(socket.connect("no.such.invalid", 80)).error
    assert (type(error), error.operation, error.peer) == (NameNotFound, "resolve", "no.such.invalid")
    assert errors.sentence_of(error).startswith("look up no.such.invalid: no.such.invalid could not be resolved")


def test_timeouts_say_which_limit_ran_out() -> None:
    with cosocket_pair() as (near, _):
        near.settimeout(20)
        error = word_in(near.receive()).error
        assert (type(error), error.operation, error.timeout_s) == (SocketTimeout, "read", 0.02)
        assert errors.sentence_of(error) == f"read from {error.peer}: timeout after 0.02 s"
    with silent_listener() as (host, port):
        sock = socket.tcp()
        sock.settimeout(20)
        error = word_in(sock.connect(host, port)).error
        assert (type(error), error.operation, error.peer, error.timeout_s) == (
            ConnectTimeout,
            "connect",
            f"{host}:{port}",
            0.02,
        )
    sema, _ = semaphore.new(0)
    error = word_in(sema.wait(0.01)).error
    assert (type(error), error.operation, error.timeout_s) == (SocketTimeout, "wait", 0.01)


def test_the_end_in_the_middle_is_no_end_of_ours() -> None:
    with accepting(lambda peer: peer.sendall(b"half")) as (host, port), check(socket.connect(host, port)) as sock:
        _, word, partial = sock.receive("*l")
        assert word is not None
        error: Any = word.error
        assert (word, partial, type(error), error.partial) == ("closed", b"half", StreamEnded, b"half")
        assert EOFError in type(error).__mro__
        assert (error.operation, error.peer) == ("read", f"{host}:{port}")
        assert type(word_in(sock.receive()).error) is SocketClosed  # it is over; nothing ended in the middle
    assert type(word_in(sock.receive()).error) is SocketClosed


def test_why_a_half_is_over_stays_known() -> None:
    with accepting(reset) as (host, port), check(socket.connect(host, port)) as sock:
        sock.send(b"x")
        first: Any = word_in(sock.receive()).error
        assert (type(first), first.errno) == (SocketReset, 104)
        later = word_in(sock.receive())
        assert (later, type(later.error)) == ("closed", SocketClosed)
        cause = later.error.__cause__
        assert (type(cause), getattr(cause, "errno", None)) == (SocketReset, 104)


def test_a_pool_that_is_full_and_a_busy_half() -> None:
    with raw_listener() as listener:
        host, port = listener.getsockname()
        terms: dict[str, Any] = {"pool": "words", "pool_size": 1, "backlog": 0}
        with check(socket.connect(host, port, **terms)) as sock:
            error = word_in(socket.connect(host, port, **terms)).error
            assert (type(error), error.operation, error.peer) == (PoolFull, "pool", f"{host}:{port}")
            reader = thread.spawn(sock.receive)
            assert type(word_in(sock.receive()).error) is SocketBusy
            thread.kill(reader)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: socket.tcp().bind("nonsense", 80), BadAddress),
        (lambda: socket.connect("127.0.0.1"), BadAddress),
        (lambda: socket.connect("127.0.0.1", 65536), BadAddress),
        (lambda: socket.connect("a b", 80), BadAddress),
        (lambda: socket.connect("fe80::1%nosuch", 80), BadAddress),
        (lambda: socket.connect("unix:/no/such/path"), SocketNotFound),
        (lambda: socket.tcp().close(), SocketClosed),
        (lambda: socket.udp().send(b"x"), SocketClosed),
        (lambda: thread.kill(lasa.coroutine.create(lambda: None)), Error),  # type: ignore[arg-type]
        (lambda: timer.at(0, lambda _: None) and (None, thread.kill(thread.spawn(lambda: None))[1]), Error),
        (lambda: lasa.decode_base64url("!"), Error),
        (lambda: client.new()[0].get("nonsense"), BadAddress),
        (lambda: client.new()[0].get(f"http://127.0.0.1:{free_port()}/"), SocketRefused),
    ],
)
def test_each_failure_has_its_class(call: Callable[[], tuple[Any, ...]], kind: type[Error]) -> None:
    word = word_in(call())
    assert type(word.error) is kind or (kind is BadAddress and isinstance(word.error, BadAddress))
    assert word.error.reason == word
    with pytest.raises(kind):
        check((None, word))


def test_limits_of_reads_are_exceeded() -> None:
    with cosocket_pair() as (near, far):
        far.sock.sendall(b"0123456789\n")
        error = word_in(near.receive("*l", max_line=4)).error
        assert (type(error), error.partial) == (LimitExceeded, b"0123")


def test_what_leaves_for_a_peer_that_is_gone() -> None:
    with accepting(reset) as (host, port), check(socket.connect(host, port)) as sock:
        sock.send(b"x")
        sock.receive()
        result: tuple[Any, ...] = (1, None)
        while result[0] is not None:
            result = sock.send(b"x" * 65536)
        assert type(word_in(result).error) in (SocketReset, SocketBroken)
        assert word_in(result).error.operation == "write"


def speak_no_tls(peer: stdlib_socket.socket) -> None:
    peer.sendall(b"no TLS here\r\n")
    peer.recv(1000)


def test_tls_that_the_peer_does_not_speak() -> None:
    with accepting(speak_no_tls) as (host, port):
        sock = check(socket.connect(host, port))
        error: Any = word_in(sock.sslhandshake()).error
        assert (type(error), error.operation, error.peer) == (TlsHandshakeError, "handshake", f"{host}:{port}")
        assert isinstance(error, TlsError)
        assert type(error.__cause__).__name__ == "SSLError"


def test_an_address_that_the_system_gives_up_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [(stdlib_socket.AF_INET, "127.0.0.2"), (stdlib_socket.AF_INET, "127.0.0.1")]
    monkeypatch.setattr(socket.TcpSocket, "addresses_of", lambda self, host, timeout_s: addresses)
    begin = dial._begin

    def give_up(family: int, ip: str, port: int, local: Any) -> Any:
        if ip == "127.0.0.2":
            raise errors.system_error(OSError(110, ""))
        return begin(family, ip, port, local)

    monkeypatch.setattr(dial, "_begin", give_up)
    with raw_listener() as listener:
        check(socket.connect("two.test", listener.getsockname()[1])).close()
    error: Any = word_in(socket.connect("two.test", free_port())).error
    assert [type(tried).__name__ for _, tried in error.attempts] == ["SystemTimeout", "SocketRefused"]


def test_a_password_of_a_url_is_in_no_note() -> None:
    with pytest.raises(SocketRefused) as caught:
        check(client.new()[0].get(f"http://user:secret@127.0.0.1:{free_port()}/x"))
    assert "secret" not in f"{caught.value.__notes__} {caught.value.url}"


def test_a_context_that_cannot_be_used_leaves_the_connection_as_it_was() -> None:
    with cosocket_pair() as (near, far):
        far.sock.sendall(b"before\n")
        with pytest.raises(ssl.SSLError):
            near.sslhandshake(context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        assert near.receive() == (b"before", None, None)


def test_a_note_is_told_once() -> None:
    word = word_in(socket.connect("127.0.0.1", free_port()))
    word.error.add_note("mine")
    for _ in range(3):
        with pytest.raises(SocketRefused) as caught:
            check((None, word))
    assert [note[:7] for note in caught.value.__notes__] == ["mine", "connect"]


def test_what_is_closed_is_told_before_a_wrong_argument_of_udp() -> None:
    assert socket.udp().send(None) == (None, "closed")


def test_who_is_aborted_finds_it_closed_here() -> None:
    with cosocket_pair() as (near, _):
        reader = thread.spawn(near.receive)
        near.abort()
        assert thread.wait(reader)[2] == "closed"
        assert word_in(near.receive()).error.__cause__ is None


def test_a_timeout_of_a_request_is_the_one_that_ran_out() -> None:
    with silent_listener() as (host, port):
        error = word_in(client.new()[0].get(f"http://{host}:{port}/", timeout=0.05)).error
        assert (error.timeout_s, error.operation) == (0.05, "connect")
    with accepting(lambda peer: peer.recv(1000) and peer.recv(1000)) as (host, port):
        error = word_in(client.new()[0].get(f"http://{host}:{port}/", read=0.05)).error
        assert (error.timeout_s, error.operation, error.peer) == (0.05, "read", f"{host}:{port}")


def test_a_body_that_is_cut_short_has_ended_in_the_middle() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"

    def serve(peer: stdlib_socket.socket) -> None:
        peer.recv(1000)
        peer.sendall(answer)

    with accepting(serve) as (host, port):
        word = word_in(client.new()[0].get(f"http://{host}:{port}/"))
    assert (type(word.error), word.stage, word.partial) == (StreamEnded, "body", b"half")


# -- what a word keeps alive: nothing


FAILING = """
import gc, socket as stdlib, sys, threading
import lasa
from lasa import socket
from lasa.http import client

kind = sys.argv[1]
free = stdlib.socket(); free.bind(("127.0.0.1", 0)); port = free.getsockname()[1]; free.close()
listener = stdlib.create_server(("127.0.0.1", 0), backlog=4000)
host, live = listener.getsockname()
peers = []
threading.Thread(target=lambda: [peers.append(listener.accept()) for _ in iter(int, 1)], daemon=True).start()
hc, _ = client.new()
idle = lasa.check(socket.connect(host, live))
idle.settimeout(1)
datagram = socket.udp(); datagram.settimeout(1); datagram.setsockname("127.0.0.1", 0)


def tcp():
    frame_local = bytearray(1000)
    sock, err = socket.connect("127.0.0.1", port)
    return frame_local and err


def read():
    data, err, partial = idle.receive()
    return err


def closed():
    sock = socket.tcp()
    data, err, partial = sock.receive()
    return err


def udp():
    data, err = datagram.receive()
    return err


def http():
    ok, err, _ = hc.get(f"http://127.0.0.1:{port}/")
    return err


def checked():
    result = socket.connect("127.0.0.1", port)
    try:
        lasa.check(result)
    except lasa.Error as error:
        return result[1]


def tls():
    sock, _ = socket.connect(host, live)
    peers[-1][0].send(b"no TLS at all\\r\\n") if peers else None
    sock.settimeout(1000)
    ok, err = sock.sslhandshake()
    sock.close()
    peers.clear()
    return err


call = globals()[kind]
for _ in range(20):
    assert call()
del _
gc.collect(); gc.disable()
before = len(gc.get_objects())
for count in range(int(sys.argv[2])):
    word = call()
    assert isinstance(word, str) and word.error is not None
left = gc.collect()
print(left, len(gc.get_objects()) - before)
"""


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("tcp", 10_000),
        ("read", 2_000),
        ("closed", 10_000),
        ("udp", 2_000),
        ("http", 10_000),
        ("checked", 10_000),
        ("tls", 300),
    ],
)
def test_failed_calls_leave_nothing_for_the_collector(kind: str, count: int, tmp_path: Path) -> None:
    script = tmp_path / "failing.py"
    script.write_text(FAILING)
    done = subprocess.run(
        [sys.executable, str(script), kind, str(count)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(lasa.__file__).parent.parent,
        env={"PYTHONPATH": str(Path(lasa.__file__).parent.parent)},
    )
    garbage, more = map(int, done.stdout.split())
    assert garbage < 100
    assert more < 100
