"""Idle WebSockets: what set_keepalive() takes, which connect() gets it again, and what makes it worthless."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.queue import Queue

import lasa
from lasa import thread, websocket
from lasa.websocket.client import ClientWebSocket
from tests.conftest import Certificates
from tests.helpers import settle
from tests.http.client_tools import Peer, Wire, idle_connections, in_use, peer, tls_context
from tests.socket.tools import result_of, spawn_blocked, time_limit
from tests.websocket.tools import (
    CLOSE,
    PING,
    TEXT,
    Far,
    header_values,
    nothing_left,
    shake_hands,
    shrink_buffer,
    staying,
)

FATAL = "fatal error already happened"


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("no_proxy", "*")
    with nothing_left():
        yield


class RawServer:
    """A raw server, and its side of each connection in the order in which they came."""

    def __init__(self, server: Peer, arrived: Queue[tuple[bytes, Far]]) -> None:
        self.uri = f"{'wss' if server.scheme == 'https' else 'ws'}://127.0.0.1:{server.port}/"
        self._server = server
        self._arrived = arrived

    @property
    def connections(self) -> int:
        return self._server.connections

    def next(self) -> Far:
        """The raw side of the next connection."""
        return self._arrived.get(timeout=5)[1]


@contextmanager
def raw_server(
    *fields: bytes, tls: ssl.SSLContext | None = None, address: Any = ("127.0.0.1", 0)
) -> Iterator[RawServer]:
    arrived: Queue[tuple[bytes, Far]] = Queue()

    def script(wire: Wire) -> None:
        asked = shake_hands(wire, *fields)
        if asked:
            arrived.put((asked, Far(wire, masks=False)))

    with peer(staying(script), tls=tls, address=address) as server:
        yield RawServer(server, arrived)


@pytest.fixture
def server() -> Iterator[RawServer]:
    with raw_server() as made:
        yield made


def opened(uri: str, options: dict[str, Any] | None = None, **new_options: Any) -> ClientWebSocket:
    wb, _ = websocket.client.new(**{"timeout": 5_000, **new_options})
    assert wb.connect(uri, options) == (1, None)
    return wb


def is_reused(wb: ClientWebSocket) -> bool:
    """Whether the connection was an idle one; ends it."""
    reused = wb.response is None
    assert wb.send_text("alive")[1] is None
    wb.abort()
    return reused


# Again and again


def test_an_idle_connection_is_taken_again_without_a_handshake(server: RawServer) -> None:
    wb = opened(server.uri)
    far = server.next()
    assert wb.response is not None
    for number in range(3):
        assert wb.send_text(f"{number}")[1] is None
        far.next_is(TEXT, b"%d" % number)
        far.send(TEXT, b"answer")
        assert wb.recv_frame() == (b"answer", "text", None)
        assert wb.set_keepalive() == (1, None)
        assert not wb.is_open
        assert idle_connections() == 1
        assert wb.connect(server.uri) == (1, None)
        assert wb.is_open
        assert wb.response is None
        assert idle_connections() == 0
    assert server.connections == 1
    assert wb.close() == (1, None)
    far.next_is(CLOSE, b"")
    assert far.next() is None
    assert in_use() == {}


def test_another_object_may_take_it(server: RawServer) -> None:
    first = opened(server.uri)
    far = server.next()
    assert first.set_keepalive() == (1, None)
    second = opened(server.uri)
    assert first.send_text("mine?") == (None, "failed to send frame: closed")
    assert second.send_text("mine")[1] is None
    far.next_is(TEXT, b"mine")
    assert server.connections == 1
    second.abort()


def test_after_set_keepalive_there_is_no_connection(server: RawServer) -> None:
    for call, result in (
        ("recv_frame", (None, None, "failed to receive the first 2 bytes: closed")),
        ("send_text", (None, "failed to send frame: closed")),
        ("close", (None, "closed")),
        ("set_keepalive", (None, "closed")),
    ):
        wb = opened(server.uri)
        assert wb.set_keepalive() == (1, None)
        assert getattr(wb, call)() == result
    assert server.connections == 1


def test_the_one_that_was_used_last_is_taken_first(server: RawServer) -> None:
    first, second = opened(server.uri), opened(server.uri)
    server.next()
    far = server.next()
    first.set_keepalive()
    second.set_keepalive()
    third = opened(server.uri)
    assert third.send_text("hello")[1] is None
    far.next_is(TEXT, b"hello")
    third.abort()
    assert server.connections == 2


def test_the_subprotocol_stays_with_the_connection() -> None:
    with raw_server(b"Sec-WebSocket-Protocol: chat") as server:
        wb = opened(server.uri, {"protocols": ["chat", "other"]})
        assert wb.protocol == "chat"
        wb.set_keepalive()
        assert wb.protocol == "chat"  # also afterwards, for logs
        again = opened(server.uri, {"protocols": ["chat", "other"]})
        assert again.protocol == "chat"
        assert is_reused(again)


def test_sizes_and_timeouts_are_the_objects_own(server: RawServer) -> None:
    wb = opened(server.uri, max_recv_len=10, timeout=5_000)
    far = server.next()
    wb.set_keepalive()
    wb = opened(server.uri, max_recv_len=100, max_send_len=10_000_000, timeout=20)
    far.send(TEXT, b"x" * 50)
    assert wb.recv_frame() == (b"x" * 50, "text", None)
    assert wb.recv_frame() == (None, None, "failed to receive the first 2 bytes: timeout")
    shrink_buffer(wb)
    with time_limit(4):
        assert wb.send_binary(b"x" * 10_000_000) == (None, "failed to send frame: timeout")
    wb.abort()
    assert server.connections == 1


def test_whoever_masked_nothing_leaves_a_connection_that_masks(server: RawServer) -> None:
    wb = opened(server.uri, send_unmasked=True)
    far = server.next()
    assert wb.send_text("hello") == (7, None)
    wb.set_keepalive()
    wb = opened(server.uri)
    assert wb.send_text("hello") == (11, None)
    assert [far.next(), far.next()][1].key is not None  # type: ignore[union-attr]
    wb.abort()


def test_a_reused_connection_reads_on_where_the_last_one_stopped(server: RawServer) -> None:
    wb = opened(server.uri)
    far = server.next()
    for number in range(5):
        far.send(TEXT, b"%d" % number)
        assert wb.recv_frame() == (b"%d" % number, "text", None)
        wb.set_timeout(1)
        assert wb.recv_frame()[2] == "failed to receive the first 2 bytes: timeout"
        assert wb.set_keepalive() == (1, None)
        wb = opened(server.uri)
    wb.abort()
    assert server.connections == 1


# Which one


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"protocols": ["a", "b"]},
        {"origin": "https://example.com"},
        {"headers": ["X: y", "Z: 1"]},
        {"host": "example.com"},
        {"auth": ("user", "secret")},
        {"compression": False},
        {"pool_size": 5},
        {"pool": "mine"},
    ],
    ids=repr,
)
def test_whoever_tells_the_server_the_same_gets_it(server: RawServer, options: dict[str, Any]) -> None:
    opened(server.uri, options).set_keepalive()
    assert is_reused(opened(server.uri, options))
    assert server.connections == 1


def test_another_key_does_not_matter(server: RawServer) -> None:
    opened(server.uri, {"key": "AAAAAAAAAAAAAAAAAAAAAA=="}).set_keepalive()
    assert is_reused(opened(server.uri, {"key": "AQAAAAAAAAAAAAAAAAAAAA=="}))
    assert server.connections == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"path": ""}, {"path": "other"}),
        ({"path": "?a=1"}, {"path": "?a=2"}),
        ({}, {"protocols": "a"}),
        ({"protocols": ["a", "b"]}, {"protocols": ["b", "a"]}),
        ({}, {"origin": "https://example.com"}),
        ({"origin": "https://a.example"}, {"origin": "https://b.example"}),
        ({}, {"headers": ["X: y"]}),
        ({"headers": ["X: y"]}, {"headers": ["X: z"]}),
        ({"headers": {"Cookie": "session=1"}}, {"headers": {"Cookie": "session=2"}}),
        ({}, {"headers": {"User-Agent": None}}),
        ({}, {"host": "example.com"}),
        ({"auth": ("user", "1")}, {"auth": ("user", "2")}),
        ({"auth": ("user", "1")}, {}),
        ({"userinfo": "user:1@"}, {"userinfo": "user:2@"}),
        ({"userinfo": "user:1@"}, {}),
        ({"name": "localhost"}, {}),
        ({}, {"pool": "mine"}),
        ({"pool": "mine"}, {"pool": "yours"}),
        ({"pool": "mine"}, {}),
    ],
    ids=repr,
)
def test_whoever_tells_it_something_else_does_not(first: dict[str, Any], second: dict[str, Any]) -> None:
    with raw_server() as server:
        port = server.uri.rpartition(":")[2].rstrip("/")
        results = []
        for options in (first, second, first):
            rest = {name: value for name, value in options.items() if name not in ("name", "userinfo", "path")}
            where = f"{options.get('userinfo', '')}{options.get('name', '127.0.0.1')}:{port}/{options.get('path', '')}"
            wb = opened(f"ws://{where}", rest)
            results.append(wb.response is None)
            assert wb.set_keepalive() == (1, None)
        assert results == [False, False, True]
        assert server.connections == 2


def test_a_pool_that_is_named_does_not_ask_what_the_server_was_told(server: RawServer) -> None:
    opened(f"{server.uri}a", {"pool": "mine", "origin": "https://a.example"}).set_keepalive()
    assert is_reused(opened(f"{server.uri}b", {"pool": "mine"}))
    with raw_server() as other:  # but where it is
        opened(f"{server.uri}a", {"pool": "mine"}).set_keepalive()
        assert not is_reused(opened(f"{other.uri}a", {"pool": "mine"}))


def test_a_pool_of_cosockets_with_the_same_name_is_another(server: RawServer) -> None:
    opened(server.uri, {"pool": "mine"}).set_keepalive()
    ip, _, port = server.uri.removeprefix("ws://").rstrip("/").partition(":")
    sock, _ = lasa.socket.connect(ip, int(port), pool="mine")
    assert sock is not None
    assert sock.getreusedtimes() == (0, None)
    sock.close()


@pytest.mark.parametrize(
    "others",
    [
        lambda certificates: {"ssl_verify": False},
        lambda certificates: {"ssl_verify": False, "server_name": "other.example"},
        lambda certificates: {"ssl_ca": certificates.ca, "server_name": "other.example"},
        lambda certificates: {
            "ssl_ca": certificates.ca,
            "server_name": "localhost",
            "client_cert": certificates.issue("localhost"),
            "client_priv_key": certificates.issue("localhost"),
        },
        lambda certificates: {"ssl_ca": certificates.ca, "server_name": "localhost", "proxy": ""},
    ],
    ids=["no verification", "no verification, other name", "other name", "client certificate", "same"],
)
def test_a_connection_is_only_reused_by_who_would_trust_it_alike(
    certificates: Certificates, others: Callable[[Certificates], dict[str, Any]]
) -> None:
    options = {"ssl_ca": certificates.ca, "server_name": "localhost"}
    different = others(certificates)
    is_same = different.pop("proxy", None) is not None
    with raw_server(tls=tls_context(certificates.issue("localhost", "other.example"))) as server:
        opened(server.uri, options).set_keepalive()
        assert is_reused(opened(server.uri, different)) is is_same
        assert server.connections == (1 if is_same else 2)


def test_a_connection_made_under_a_certificate_that_was_renewed_in_its_file_is_not_used_again(
    certificates: Certificates, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.pem"
    mine.write_bytes(Path(certificates.issue("alice.example")).read_bytes())
    options = {"ssl_ca": certificates.ca, "server_name": "localhost", "ssl_cert": str(mine), "pool": "mine"}
    with raw_server(tls=tls_context(certificates.issue("localhost"))) as server:
        for expected in (False, True):
            wb = opened(server.uri, options)
            assert (wb.response is None) is expected
            assert wb.set_keepalive() == (1, None)
        mine.write_bytes(Path(certificates.issue("bob.example")).read_bytes())
        assert not is_reused(opened(server.uri, options))
        assert (idle_connections(), in_use()) == (0, {})


def test_a_connection_over_tls_is_kept_with_its_tls(certificates: Certificates) -> None:
    options = {"ssl_ca": certificates.ca, "server_name": "localhost"}
    with raw_server(tls=tls_context(certificates.issue("localhost"))) as server:
        wb = opened(server.uri, options)
        far = server.next()
        for number in range(3):
            assert wb.send_text(f"{number}")[1] is None
            far.next_is(TEXT, b"%d" % number)
            far.send(TEXT, b"answer")
            assert wb.recv_frame() == (b"answer", "text", None)
            assert wb.set_keepalive() == (1, None)
            settle()
            assert wb.connect(server.uri, options) == (1, None)
        assert server.connections == 1
        wb.abort()


def test_a_connection_at_a_unix_socket_is_kept_too(tmp_path: Path) -> None:
    path = str(tmp_path / "ws.sock")
    with raw_server(address=path) as server:
        opened(f"ws://unix:{path}:/a").set_keepalive()
        assert not is_reused(opened(f"ws://unix:{path}:/b"))
        assert is_reused(opened(f"ws://unix:{path}:/a"))
        assert server.connections == 2


def test_a_connection_through_a_proxy_is_kept_for_the_same_target_and_proxy() -> None:
    heads: list[bytes] = []

    def script(wire: Wire) -> None:
        heads.append(wire.head())
        wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
        shake_hands(wire)

    with peer(staying(script)) as proxy:
        options = {"proxy": f"127.0.0.1:{proxy.port}"}
        opened("ws://a.example/", options).set_keepalive()
        assert not is_reused(opened("ws://b.example/", options))
        assert not is_reused(opened("ws://a.example/", {"proxy": f"http://user:secret@127.0.0.1:{proxy.port}"}))
        assert is_reused(opened("ws://a.example/", options))
        assert [head.split(b" ")[1] for head in heads] == [b"a.example:80", b"b.example:80", b"a.example:80"]
        assert [bool(header_values(head, b"Proxy-Authorization")) for head in heads] == [False, False, True]


def test_frames_and_messages_with_the_same_compression_share_idle_connections(server: RawServer) -> None:
    wb, err = websocket.client.connect(server.uri, compression=False, max_message=5)
    assert wb is not None, err
    far = server.next()
    assert wb.set_keepalive() == (1, None)
    again = opened(server.uri, {"compression": False})
    far.send(TEXT, b"longer than 5")
    far.send(PING, b"not answered")
    assert again.recv_frame() == (b"longer than 5", "text", None)
    assert again.recv_frame() == (b"not answered", "ping", None)
    assert again.set_keepalive() == (1, None)
    third, err = websocket.client.connect(server.uri, compression=False)
    assert third is not None, err
    assert server.connections == 1
    far.send(PING, b"answered")
    far.next_is(10, b"answered")
    third.abort()


# What is not kept


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("x",), TypeError),
        ((True,), TypeError),
        ((1000, "x"), TypeError),
        ((1000, 0), ValueError),
        ((1, -1), ValueError),
    ],
    ids=repr,
)
def test_a_bad_argument_raises_and_keeps_the_connection(
    server: RawServer, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    wb = opened(server.uri)
    with pytest.raises(error):
        wb.set_keepalive(*arguments)
    assert wb.send_text("still here")[1] is None
    server.next().next_is(TEXT, b"still here")
    wb.abort()
    with pytest.raises(error):  # before the state is looked at
        wb.set_keepalive(*arguments)


def test_a_connection_with_unread_data_is_not_kept_but_stays(server: RawServer) -> None:
    wb = opened(server.uri)
    far = server.next()
    far.wire.send(far.frame(TEXT, b"one") + far.frame(TEXT, b"two"))
    assert wb.recv_frame() == (b"one", "text", None)
    assert wb.set_keepalive() == (None, "unread data in buffer")
    assert wb.recv_frame() == (b"two", "text", None)
    assert wb.set_keepalive() == (1, None)
    assert is_reused(opened(server.uri))


def test_a_connection_in_the_middle_of_a_frame_is_not_kept_but_stays(server: RawServer) -> None:
    wb = opened(server.uri)
    far = server.next()
    whole = far.frame(TEXT, b"hello")
    for at in range(len(whole)):
        far.wire.send(whole[at : at + 1])
        wb.set_timeout(1 if at < len(whole) - 1 else 5_000)
        frame = wb.recv_frame()
        if frame[0] is None:
            while wb._session is not None and not wb._session.protocol.reader.has_unread:
                assert wb.recv_frame()[2].endswith(": timeout")
            assert wb.set_keepalive() == (None, "unread data in buffer")
    assert frame == (b"hello", "text", None)
    assert wb.set_keepalive() == (1, None)


def test_a_connection_on_which_the_peer_has_sent_something_is_dropped(server: RawServer) -> None:
    wb = opened(server.uri)
    far = server.next()
    far.send(PING)
    settle()
    assert wb.set_keepalive() == (None, "connection in dubious state")
    assert not wb.is_open
    assert far.next() is None
    assert idle_connections() == 0
    assert not is_reused(opened(server.uri))


def test_a_connection_that_the_peer_has_closed_is_dropped(server: RawServer) -> None:
    wb = opened(server.uri)
    server.next().wire.close()
    settle()
    ok, err = wb.set_keepalive()
    assert (ok, err) == (None, "closed")
    assert not wb.is_open
    assert idle_connections() == 0
    assert not is_reused(opened(server.uri))


def test_a_connection_after_a_fatal_error_is_not_kept(server: RawServer) -> None:
    wb = opened(server.uri, max_send_len=5)
    assert wb.send_text("too long") == (None, "payload too big")
    assert wb.set_keepalive() == (None, FATAL)
    wb.abort()
    assert idle_connections() == 0


def test_a_connection_on_which_a_close_was_sent_is_not_kept(server: RawServer) -> None:
    wb = opened(server.uri)
    assert wb.send_close(1000)[1] is None
    assert wb.set_keepalive() == (None, "already closed")
    assert wb.close() == (1, None)
    assert idle_connections() == 0


def test_a_connection_that_others_use_is_not_kept(server: RawServer) -> None:
    wb = opened(server.uri, max_send_len=500_000)
    far = server.next()
    reader = spawn_blocked(wb.recv_frame)
    assert wb.set_keepalive() == (None, "socket busy reading")
    far.send(TEXT, b"hello")
    assert result_of(reader) == (b"hello", "text", None)
    shrink_buffer(wb)
    sender = spawn_blocked(wb.send_binary, b"x" * 500_000)
    assert wb.set_keepalive() == (None, "socket busy writing")
    found = far.next()
    assert found is not None
    assert len(found.payload) == 500_000
    assert result_of(sender)[1] is None
    assert wb.set_keepalive() == (1, None)


# While it is idle


@pytest.mark.parametrize("end", ["close", "reset", "sends", "sends a part", "says goodbye"])
def test_an_idle_connection_that_is_not_left_alone_is_dropped_at_once(server: RawServer, end: str) -> None:
    opened(server.uri).set_keepalive()
    far = server.next()
    assert idle_connections() == 1
    if end == "close":
        far.wire.close()
    elif end == "reset":
        far.wire.reset()
    elif end == "sends":
        far.send(TEXT, b"too early")
    elif end == "sends a part":
        far.wire.send(b"\x81")
    else:
        far.send(CLOSE, b"\x03\xe9")
    settle()
    assert idle_connections() == 0
    if end.startswith("s"):
        assert far.next() is None
    assert not is_reused(opened(server.uri))
    assert server.connections == 2


def test_a_peer_that_sends_in_the_last_moment_is_noticed_when_it_is_taken(server: RawServer) -> None:
    opened(server.uri).set_keepalive()
    far = server.next()
    far.wire.sock.send(far.frame(TEXT, b"too early"))  # and the hub has had no turn
    assert not is_reused(opened(server.uri))
    assert server.connections == 2


def test_an_idle_connection_is_closed_after_its_time(server: RawServer) -> None:
    opened(server.uri).set_keepalive(1)
    far = server.next()
    assert far.next() is None
    assert idle_connections() == 0
    assert not is_reused(opened(server.uri))


def test_a_full_pool_closes_the_oldest(server: RawServer) -> None:
    made = [opened(server.uri) for _ in range(3)]
    fars = [server.next() for _ in made]
    for wb in made:
        assert wb.set_keepalive(60_000, 2) == (1, None)
    assert fars[0].next() is None
    assert idle_connections() == 2


def test_a_pool_with_a_backlog_lets_the_next_one_wait_for_a_place(server: RawServer) -> None:
    options = {"pool_size": 1, "backlog": 1}
    wb = opened(server.uri, options)
    other, _ = websocket.client.new(timeout=5_000)
    waiting = spawn_blocked(other.connect, server.uri, options)
    third, _ = websocket.client.new(timeout=5_000)
    assert third.connect(server.uri, options) == (
        None,
        "failed to connect: too many waiting connect operations",
    )
    assert wb.set_keepalive() == (1, None)
    assert result_of(waiting) == (1, None)
    assert other.response is None
    waiting = spawn_blocked(third.connect, server.uri, options)
    other.abort()
    assert result_of(waiting) == (1, None)
    assert third.response is not None
    third.abort()
    assert server.connections == 2


@pytest.mark.parametrize("asked", [{}, {"open_timeout_s": 0.02}])
def test_waiting_for_a_place_has_an_end(server: RawServer, asked: dict[str, Any]) -> None:
    options = {"pool_size": 1, "backlog": 1}
    wb = opened(server.uri, options)
    other, _ = websocket.client.new(timeout=5_000 if asked else 20)
    assert other.connect(server.uri, {**options, **asked}) == (None, "failed to connect: timeout")
    assert wb.close() == (1, None)
    assert is_reused(opened(server.uri, options)) is False


def test_every_way_to_end_gives_the_place_back(server: RawServer) -> None:
    options = {"pool_size": 1, "backlog": 0}

    def kill_reader(wb: ClientWebSocket, far: Far) -> None:
        thread.kill(spawn_blocked(wb.recv_frame))

    def let_fail(wb: ClientWebSocket, far: Far) -> None:
        far.wire.reset()
        wb.recv_frame()
        assert wb.close() == (None, FATAL)

    def forget(wb: ClientWebSocket, far: Far) -> None:
        wb.abort()

    ways: list[Callable[[ClientWebSocket, Far], Any]] = [
        lambda wb, far: wb.close(),
        lambda wb, far: wb.connect("ws://127.0.0.1:1/"),
        kill_reader,
        let_fail,
        forget,
    ]
    for way in ways:
        wb = opened(server.uri, options)
        assert list(in_use().values()) == [1]
        way(wb, server.next())
        assert in_use() == {}


def test_a_connection_whose_handshake_fails_gives_its_place_back() -> None:
    with peer(lambda wire: (wire.head(), wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"))) as server:
        wb, _ = websocket.client.new()
        for _ in range(3):
            ok, _ = wb.connect(f"ws://127.0.0.1:{server.port}/", {"pool_size": 1, "backlog": 0})
            assert ok is None
            assert in_use() == {}
        assert server.connections == 3


def test_a_gevent_timeout_of_a_reader_leaves_a_connection_that_can_be_kept(server: RawServer) -> None:
    wb = opened(server.uri)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.001):
        wb.recv_frame()
    assert wb.set_keepalive() == (1, None)
    assert is_reused(opened(server.uri))
    assert server.connections == 1


def test_many_take_turns_over_few_connections(server: RawServer) -> None:
    def echo() -> None:
        while True:
            gevent.spawn(echo_one, server.next())

    def echo_one(far: Far) -> None:
        while (found := far.next()) is not None:
            far.send(TEXT, found.payload)

    def ask(number: int) -> Any:
        wb = opened(server.uri, {"pool_size": 3, "backlog": 100})
        wb.send_text(f"{number}")
        answer = wb.recv_frame()
        assert wb.set_keepalive() == (1, None)
        return answer

    echoing = gevent.spawn(echo)
    asking = [thread.spawn(ask, number) for number in range(40)]
    assert [result_of(each) for each in asking] == [(b"%d" % number, "text", None) for number in range(40)]
    assert server.connections == 3
    echoing.kill()
