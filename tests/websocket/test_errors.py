"""What a failed call of a WebSocket tells: its word, the class of the error that the word holds, what that knows."""

from __future__ import annotations

import copy
import errno
import gc
import pickle
import re
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import pytest

import lasa
from lasa import thread, websocket
from lasa.errors import (
    BadAddress,
    CertificateError,
    ConnectError,
    ConnectTimeout,
    Error,
    LimitExceeded,
    NameNotFound,
    ProxyError,
    SocketBroken,
    SocketBusy,
    SocketClosed,
    SocketError,
    SocketRefused,
    SocketReset,
    SocketTimeout,
    StreamEnded,
    SystemTimeout,
    TlsHandshakeError,
    Word,
    error_in,
    sentence_of,
)
from lasa.http._wire import errors as http_errors
from lasa.websocket import (
    Closing,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    HandshakeError,
    MessageTooBig,
    PingTimeout,
    ProtocolError,
    UpgradeRefused,
    WebSocket,
)
from lasa.websocket._wire.errors import HandshakeRefused
from tests.conftest import Certificates
from tests.helpers import settle
from tests.http.client_tools import Script, Wire, answer_and_close, peer, silent, sized, tls_context
from tests.socket.tools import free_address, result_of, silent_listener, spawn_blocked
from tests.websocket.tools import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LARGE,
    PING,
    TEXT,
    Far,
    accepting,
    answer_of,
    client_and_far,
    narrow,
    nothing_left,
    raw_connection,
    request,
    server_and_far,
    serving,
    shake_hands,
    shrink_buffer,
    staying,
    talking,
    talking_client,
    talking_server,
)

ROLES = ["client", "server"]
SHORT_S = 0.02
FIRST = "failed to receive the first 2 bytes"
FORBIDDEN = sized(b"no", status=b"403 Forbidden")


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("no_proxy", "*")
    with nothing_left():
        yield


def error_of(word: Any, kind: type[Error]) -> Any:
    """The error of a word, which is of just that class, and has no frame."""
    assert type(word) is Word, word
    error = word.error
    assert type(error) is kind, (word, error)
    assert error.reason == word
    assert (error.__traceback__, error.__context__) == (None, None)
    return error


def connect(uri: str, **options: Any) -> Word:
    """The word of a connect that fails."""
    wb, err = websocket.client.connect(uri, **{"proxy": False, **options})
    assert wb is None
    assert err is not None
    return err


def uri_of(server: Any, scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{server.port}/"


# -- connect


def test_a_uri_that_is_none() -> None:
    err = connect("ws://ann:secret@host:0/path?a=b")
    assert err == "bad websocket uri"
    assert error_of(err, BadAddress).url == err.url == "ws://***@host:0/path?a=b"
    assert isinstance(err.error, ValueError)


def test_nobody_listens() -> None:
    ip, port = free_address()
    uri = f"ws://ann:secret@{ip}:{port}/path?a=b"
    err = connect(uri)
    assert err == "failed to connect: connection refused"
    error = error_of(err, SocketRefused)
    assert (error.operation, error.peer, error.errno) == ("connect", f"{ip}:{port}", errno.ECONNREFUSED)
    assert (error.url, error.response) == (err.url, err.response) == (f"ws://***@{ip}:{port}/path?a=b", None)
    assert [(address, type(tried)) for address, tried in error.attempts] == [(ip, SocketRefused)]
    assert isinstance(error, ConnectError)
    assert isinstance(error, ConnectionRefusedError)


def test_nobody_has_the_name() -> None:
    err = connect("ws://no-such-name.invalid/")
    assert err.startswith("failed to connect: no-such-name.invalid could not be resolved (")
    error = error_of(err, NameNotFound)
    assert (error.operation, error.peer) == ("resolve", "no-such-name.invalid")


@pytest.mark.parametrize(
    ("scheme", "word", "operation"),
    [
        ("ws", "failed to receive response header: timeout", "upgrade"),
        ("wss", "ssl handshake failed: timeout", "handshake"),
    ],
)
@pytest.mark.parametrize("limit", ["open_timeout_s", "set_timeout"])
def test_a_server_that_says_nothing(scheme: str, word: str, operation: str, limit: str) -> None:
    with peer(silent) as server:
        wb, _ = websocket.client.new(timeout=20)
        options: Any = {"open_timeout_s": SHORT_S} if limit == "open_timeout_s" else {}
        if options:
            wb.set_timeout(None)
        _, err = wb.connect(uri_of(server, scheme), proxy=False, **options)
        error = error_of(err, ConnectTimeout)
    assert err == word
    assert (error.operation, error.peer, error.timeout_s) == (operation, f"127.0.0.1:{server.port}", SHORT_S)
    assert isinstance(error, SocketTimeout)
    assert isinstance(error, TimeoutError)


def test_a_host_that_does_not_answer() -> None:
    with silent_listener() as (ip, port):
        err = connect(f"ws://{ip}:{port}/", open_timeout_s=SHORT_S)
    assert err == "failed to connect: timeout"
    error = error_of(err, ConnectTimeout)
    assert (error.operation, error.timeout_s) == ("connect", SHORT_S)


def test_a_server_that_takes_nothing() -> None:
    with peer(staying(lambda wire: None)) as server:
        wb, _ = websocket.client.new(timeout=20)
        _, err = wb.connect(uri_of(server), proxy=False, headers={"X": "x" * 16_000_000})
    assert err == "failed to send the handshake request: timeout"
    error = error_of(err, ConnectTimeout)
    assert (error.operation, error.timeout_s) == ("upgrade", SHORT_S)


@pytest.mark.parametrize(
    ("script", "word", "kind"),
    [
        (lambda wire: wire.head() and None, "failed to receive response header: closed", StreamEnded),
        (
            lambda wire: wire.head() and wire.reset(),
            "failed to receive response header: connection reset by peer",
            SocketReset,
        ),
        (
            answer_and_close(b"HTTP/1.1 101 x\r\nno colon\r\n\r\n"),
            "failed to receive response header: bad header line",
            http_errors.ProtocolError,
        ),
        (
            answer_and_close(b"SSH-2.0-OpenSSH_9.2\r\n"),
            "bad HTTP response status line: SSH-2.0-OpenSSH_9.2",
            HandshakeError,
        ),
    ],
    ids=["closed", "reset", "bad header", "no http"],
)
def test_a_server_that_gives_no_answer(script: Script, word: str, kind: type[Error]) -> None:
    with peer(script) as server:
        err = connect(uri_of(server))
    assert err == word
    error = error_of(err, kind)
    assert (error.operation, error.peer) == ("upgrade", f"127.0.0.1:{server.port}")
    assert (error.url, error.response) == (uri_of(server), None)


def test_refused_clients_take_no_place_from_those_who_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket.server, "WAITING_MAX", 2)
    serving, err = websocket.server.new("127.0.0.1:0")
    assert serving is not None, err
    host, port = serving.address

    def ask_for_a_page() -> None:
        with lasa.check(lasa.socket.connect(host, port)) as sock:
            sock.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.receive("*l")[0] is not None

    for _ in range(5):
        asking = thread.spawn(ask_for_a_page)
        assert serving.accept()[0] is None
        assert thread.wait(asking) == (True, None)
    opening = thread.spawn(websocket.client.connect, f"ws://{host}:{port}/")
    accepted, err = serving.accept()
    assert accepted is not None, err
    wb = thread.wait(opening)[1]
    wb.abort()
    accepted.abort()
    serving.stop(0)


def test_a_server_that_refuses() -> None:
    with peer(answer_and_close(FORBIDDEN)) as server:
        err = connect(uri_of(server))
    assert err == "bad HTTP response status line: HTTP/1.1 403 Forbidden"
    error = error_of(err, UpgradeRefused)
    assert isinstance(error, HandshakeError)
    assert isinstance(error, ConnectError)
    assert (error.response.code, err.response.text(), error.url, error.operation) == (
        403,
        "no",
        uri_of(server),
        "upgrade",
    )
    assert sentence_of(error) == f"WebSocket {uri_of(server)}: bad HTTP response status line: HTTP/1.1 403 Forbidden"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ((b"Upgrade: websocket", b"Upgrade: h2c"), 'bad "upgrade" response header: h2c'),
        ((b"Connection: Upgrade", b"X: y"), 'bad "connection" response header'),
        ((b"Sec-WebSocket-Accept", b"X-Accept"), 'bad "sec-websocket-accept" response header'),
        ((b"X: y", b"Sec-WebSocket-Protocol: other"), 'bad "sec-websocket-protocol" response header: other'),
        (
            (b"X: y", b"Sec-WebSocket-Extensions: x"),
            'bad "sec-websocket-extensions" response header: unknown extension',
        ),
    ],
    ids=repr,
)
@pytest.mark.parametrize("compression", [True, False])
def test_a_server_that_agrees_to_something_else(change: tuple[bytes, bytes], word: str, compression: bool) -> None:
    def script(wire: Wire) -> None:
        wire.send(answer_of(wire.head(), b"X: y").replace(*change))

    with peer(script) as server:
        err = connect(uri_of(server), compression=compression)
    assert err == word
    assert error_of(err, HandshakeError).response.code == 101


def test_a_server_whose_certificate_or_tls_is_none(certificates: Certificates) -> None:
    with peer(silent, tls=tls_context(certificates.issue("other.example"))) as server:
        uri = f"wss://localhost:{server.port}/"
        untrusted = connect(uri)
        mismatch = connect(uri, ssl_ca=certificates.ca)
    assert re.fullmatch(r"ssl handshake failed: \d+: .*certificate.*", untrusted)
    assert mismatch == "ssl handshake failed: certificate host mismatch"
    for err in (untrusted, mismatch):
        error = error_of(err, CertificateError)
        assert (error.operation, error.peer) == ("handshake", f"localhost:{server.port}")
        assert isinstance(error, ValueError)
    with peer(lambda wire: wire.send(b"HTTP/1.1 400 x\r\n\r\n")) as server:
        err = connect(uri_of(server, "wss"))
    assert err == "ssl handshake failed: wrong version number"
    assert error_of(err, TlsHandshakeError).operation == "handshake"
    with peer(lambda wire: None) as server:
        err = connect(uri_of(server, "wss"))
    assert err == "ssl handshake failed: closed"
    assert error_of(err, SocketClosed).operation == "handshake"


@pytest.mark.parametrize(
    ("answer", "word", "kind"),
    [
        (sized(b"", status=b"407 No"), "failed to connect: proxy refused: 407", ProxyError),
        (b"SSH-2.0\r\n", "failed to connect: bad status line", http_errors.BadStatusLine),
        (b"", "failed to connect: closed", StreamEnded),
    ],
)
def test_a_proxy_that_leads_nowhere(answer: bytes, word: str, kind: type[Error]) -> None:
    with peer(answer_and_close(answer)) as server:
        err = connect("ws://there.example/", proxy=f"http://127.0.0.1:{server.port}")
    assert err == word
    error = error_of(err, kind)
    assert (error.operation, error.peer) == ("proxy", f"127.0.0.1:{server.port}")
    assert error.url == "ws://there.example/"


def test_a_websocket_that_others_use_is_busy() -> None:
    with peer(silent) as server:
        wb, _ = websocket.client.new()
        connecting = spawn_blocked(wb.connect, uri_of(server), {"proxy": False})
        _, err = wb.connect(uri_of(server), proxy=False)
        thread.kill(connecting)
    assert err == "socket busy connecting"
    assert isinstance(error_of(err, SocketBusy), RuntimeError)
    with client_and_far(max_send_len=2_000_000) as (wb, far):
        reader = spawn_blocked(wb.recv_frame)
        for err in (
            wb.connect(uri_of(server))[1],
            wb.set_keepalive()[1],
            wb.receive()[1],
            wb.receive_pieces()[1],
            wb.recv_frame()[2],
        ):
            assert err in ("socket busy reading", f"{FIRST}: socket busy reading")
            error_of(err, SocketBusy)
        far.send(TEXT, b"hello")
        result_of(reader)
        shrink_buffer(wb)
        sender = spawn_blocked(wb.send_binary, b"x" * 2_000_000)
        for err in (wb.connect(uri_of(server))[1], wb.set_keepalive()[1]):
            assert err == "socket busy writing"
            error_of(err, SocketBusy)
        far.next()
        result_of(sender)


# -- messages


def place_of(wb: WebSocket) -> str:
    return f"{wb.peer[0]}:{wb.peer[1]}"


@pytest.mark.parametrize("role", ROLES)
def test_a_receive_that_takes_too_long(role: str) -> None:
    with talking(role) as (wb, _):
        for limit_s, call in ((0.01, wb.receive), (0.0, wb.receive), (0.01, wb.receive_pieces)):
            _, err = call(limit_s)
            assert err == "timeout"
            error = error_of(err, SocketTimeout)
            assert (error.operation, error.peer, error.timeout_s) == ("read", place_of(wb), limit_s)
        wb.set_timeout(10)
        for _, err in (wb.receive(), wb.receive(60)):
            assert error_of(err, SocketTimeout).timeout_s == 0.01
        assert sentence_of(error_of(err, SocketTimeout)) == f"read from {place_of(wb)}: timeout after 0.01 s"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("payload", "kind", "closing", "sentence"),
    [
        (b"\x03\xe8", ConnectionClosedOK, (1000, "", "peer"), "closed by the peer with 1000"),
        (b"\x03\xe9bye", ConnectionClosedOK, (1001, "bye", "peer"), "closed by the peer with 1001: bye"),
        (b"", ConnectionClosedOK, (1005, "", "peer"), "closed by the peer with 1005"),
        (b"\x0f\xa1done", ConnectionClosedError, (4001, "done", "peer"), "closed by the peer with 4001: done"),
        (b"\x03\xf3", ConnectionClosedError, (1011, "", "peer"), "closed by the peer with 1011"),
    ],
)
def test_a_peer_that_closes(
    role: str, payload: bytes, kind: type[Error], closing: tuple[int, str, str], sentence: str
) -> None:
    with talking(role) as (wb, far):
        far.send(CLOSE, payload)
        far.next()
        far.wire.close()
        for _, err in (wb.receive(), wb.receive_pieces(), wb.receive(), wb.send("late"), wb.send(["l", "ate"])):
            assert err == "closed"
            error = error_of(err, kind)
            assert error.closing == closing
            assert error.peer == place_of(wb)
            assert isinstance(error, ConnectionClosed)
            assert isinstance(error, ConnectionError)
        error = wb.receive()[1].error  # type: ignore[union-attr]
        assert sentence_of(error) == f"read from {place_of(wb)}: {sentence}"
        assert error.operation == "read"
        assert wb.send("late")[1].error.operation == "write"  # type: ignore[union-attr]


def test_one_that_we_have_closed_or_that_was_never_open() -> None:
    new, _ = websocket.client.new()
    for err in (new.receive()[1], new.send("early")[1], new.close()[1], new.set_keepalive()[1]):
        error = error_of(err, ConnectionClosedError)
        assert (err, error.closing, error.peer) == ("closed", None, None)
    assert sentence_of(error) == "closed"
    with talking("client") as (wb, far):
        closing = spawn_blocked(wb.close, 4000, "enough")
        far.next()
        far.send(CLOSE, b"\x0f\xa0enough")
        far.wire.close()
        assert result_of(closing)[1] is None
        error = error_of(wb.receive()[1], ConnectionClosedError)
        assert sentence_of(error) == f"read from {place_of(wb)}: closed by us with 4000: enough"
    with talking("server") as (wb, far):
        wb.abort()
        error = error_of(wb.receive()[1], ConnectionClosedError)
        assert (error.closing, error.why) == (Closing(1006, "aborted", "us"), "closed: aborted")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("waits", [True, False], ids=["while somebody receives", "while nobody does"])
@pytest.mark.parametrize(
    ("end", "word", "kind"),
    [
        (lambda far: far.wire.reset(), "connection reset by peer", SocketReset),
        (lambda far: far.wire.close(), "closed", ConnectionClosedError),
        (lambda far: None, "ping timeout", PingTimeout),
    ],
    ids=["reset", "end", "silence"],
)
def test_a_peer_that_is_gone(role: str, waits: bool, end: Callable[[Far], Any], word: str, kind: type[Error]) -> None:
    quick = {"ping_interval_s": 0.03, "ping_timeout_s": SHORT_S} if word == "ping timeout" else {}
    with talking(role, **quick) as (wb, far):
        reader = spawn_blocked(wb.receive) if waits else None
        end(far)
        while wb.is_open:
            lasa.sleep(0.001)
        message, err = wb.receive() if reader is None else result_of(reader)
        assert (message, err) == (None, word)
        error = error_of(err, kind)
        assert (error.operation, error.peer) == ("read", place_of(wb))
        assert wb.closing == (1006, word, "nobody")
        if kind is SocketReset:
            assert error.errno == errno.ECONNRESET
        if kind is PingTimeout:
            assert (error.timeout_s, isinstance(error, TimeoutError)) == (SHORT_S, True)
        for _, later in (wb.receive(), wb.send("late"), wb.close()):  # it is told once
            assert later == "closed"
            assert error_of(later, ConnectionClosedError).closing == wb.closing


RULES: list[tuple[Callable[[Far], bytes], str, type[Error], int]] = [
    (lambda far: far.frame(TEXT, b"x", rsv=4), "bad RSV1, RSV2, or RSV3 bits", ProtocolError, 1002),
    (lambda far: far.frame(3), "reserved non-control frames", ProtocolError, 1002),
    (lambda far: far.frame(15), "reserved control frames", ProtocolError, 1002),
    (lambda far: far.frame(PING, bytes(126)), "too long payload for control frame", ProtocolError, 1002),
    (lambda far: far.frame(PING, fin=False), "fragmented control frame", ProtocolError, 1002),
    (lambda far: far.frame(CONTINUATION, b"x"), "continuation of no message", ProtocolError, 1002),
    (
        lambda far: far.frame(TEXT, b"x", fin=False) + far.frame(TEXT, b"x"),
        "a new message within a fragmented one",
        ProtocolError,
        1002,
    ),
    (
        lambda far: far.frame(TEXT, b"x", width=2),
        "payload length not in its shortest form",
        ProtocolError,
        1002,
    ),
    (lambda far: far.frame(TEXT, length=2**31, width=8)[:14], "payload len too large", MessageTooBig, 1009),
    (lambda far: far.frame(TEXT, length=2**63, width=8)[:14], "payload len too large", MessageTooBig, 1002),
    (lambda far: far.frame(TEXT, bytes(3000)), "exceeding max payload len", MessageTooBig, 1009),
    (lambda far: far.frame(TEXT, bytes(1500)), "message too big", MessageTooBig, 1009),
    (
        lambda far: far.frame(TEXT, bytes(900), fin=False) + far.frame(CONTINUATION, bytes(900)),
        "message too big",
        MessageTooBig,
        1009,
    ),
    (
        lambda far: far.frame(CLOSE, b"\x03"),
        "close frame with a body must carry a 2-byte status code",
        ProtocolError,
        1002,
    ),
    (lambda far: far.frame(CLOSE, b"\x03\xee"), "bad close code: 1006", ProtocolError, 1002),
    (lambda far: far.frame(TEXT, b"\xff"), "invalid utf-8", ProtocolError, 1007),
    (lambda far: far.frame(CLOSE, b"\x03\xe8\xff"), "invalid utf-8", ProtocolError, 1007),
]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("waits", [True, False], ids=["while somebody receives", "while nobody does"])
@pytest.mark.parametrize(("data", "word", "kind", "code"), RULES, ids=[word for _, word, _, _ in RULES])
def test_a_peer_that_breaks_a_rule(
    role: str, waits: bool, data: Callable[[Far], bytes], word: str, kind: type[Error], code: int
) -> None:
    with talking(role, max_frame=2000, max_message=1000, compression=False) as (wb, far):
        reader = spawn_blocked(wb.receive) if waits else None
        far.wire.send(data(far))
        settle()
        far.wire.sock.shutdown(1)
        message, err = wb.receive() if reader is None else result_of(reader)
        assert (message, err) == (None, word)
        error = error_of(err, kind)
        assert (error.code, error.operation, error.peer) == (code, "read", place_of(wb))
        assert isinstance(error, ProtocolError)
        assert isinstance(error, LimitExceeded) == (kind is MessageTooBig)
        assert wb.closing == (code, word, "us")
        assert error_of(wb.receive()[1], ConnectionClosedError).closing == wb.closing


@pytest.mark.parametrize(("role", "word"), [("client", "frame masked"), ("server", "frame unmasked")])
def test_a_peer_that_masks_as_it_must_not(role: str, word: str) -> None:
    with talking(role) as (wb, far):
        far.send(TEXT, b"x", masked=not far.masks)
        far.wire.sock.shutdown(1)
        _, err = wb.receive()
        assert err == word
        assert error_of(err, ProtocolError).code == 1002


def test_a_peer_that_compresses_nonsense() -> None:
    with talking_server(fields=("Sec-WebSocket-Extensions: permessage-deflate",)) as (wb, far):
        far.send(TEXT, b"\xff\xff\xff", rsv=4)
        far.wire.sock.shutdown(1)
        _, err = wb.receive()
        assert err == "bad compressed data"
        assert type(err) is Word
        assert isinstance(err.error, ProtocolError)
        assert err.error.code == 1007


@pytest.mark.parametrize("role", ROLES)
def test_a_peer_that_takes_nothing(role: str) -> None:
    with talking(role, compression=False) as (wb, _):
        narrow(wb)
        wb.set_timeout(20)
        _, err = wb.send(bytes(LARGE * 10))
        assert err == "timeout"
        error = error_of(err, SocketTimeout)
        assert (error.operation, error.peer, error.timeout_s) == ("write", place_of(wb), SHORT_S)
        _, err = wb.send("late")
        assert err == "closed"
        assert error_of(err, ConnectionClosedError).operation == "write"


def sent_into_the_void(send: Callable[[Any], Any]) -> Word:
    """Send to a peer that has broken the connection, until that is noticed."""
    while True:
        sent, err = send(b"x" * 1000)
        if err is not None:
            assert sent is None
            found: Word = err
            return found


def test_a_send_into_a_connection_that_the_peer_has_broken() -> None:
    with client_and_far() as (wb, far):
        far.wire.reset()
        settle()
        err = sent_into_the_void(wb.send_binary)
        assert err in ("failed to send frame: connection reset by peer", "failed to send frame: broken pipe")
        error = error_of(err, SocketReset if err.endswith("peer") else SocketBroken)
        assert (error.operation, error.peer) == ("write", place_of(wb))
        assert error.errno in (errno.ECONNRESET, errno.EPIPE)


def test_a_close_that_is_not_answered() -> None:
    with talking("client") as (wb, _):
        _, err = wb.close(timeout_s=0.01)
        assert err == "timeout"
        error = error_of(err, SocketTimeout)
        assert (error.operation, error.peer, error.timeout_s) == ("read", place_of(wb), 0.01)
    with talking("server") as (wb, far):
        closing = spawn_blocked(wb.close)
        far.send(TEXT, b"\xff")
        far.wire.sock.shutdown(1)
        _, err = result_of(closing)
        assert err == "invalid utf-8"
        assert error_of(err, ProtocolError).code == 1007


# -- iteration


@contextmanager
def raised_by(step: Callable[[], Any], kind: type[Error]) -> Iterator[Any]:
    with pytest.raises(Error) as caught:
        step()
    assert type(caught.value) is kind
    assert not hasattr(caught.value, "__notes__")
    yield caught.value


def test_what_a_loop_over_messages_raises() -> None:
    with talking("client") as (wb, far):
        far.send(CLOSE, b"\x03\xf3oh")
        far.wire.close()
        with raised_by(lambda: list(wb), ConnectionClosedError) as error:
            assert (str(error), error.closing) == ("closed", Closing(1011, "oh", "peer"))
    with talking("server") as (wb, far):
        far.wire.reset()
        with raised_by(lambda: list(wb), SocketReset) as error:
            assert (error.operation, error.peer) == ("read", place_of(wb))
    with talking("server") as (wb, far):
        far.send(TEXT, b"\xff")
        far.wire.sock.shutdown(1)
        with raised_by(lambda: list(wb), ProtocolError) as error:
            assert error.code == 1007
    with talking("client") as (wb, far):
        wb.set_timeout(10)
        with raised_by(lambda: next(wb), SocketTimeout) as error:
            assert error.timeout_s == 0.01


def test_what_a_loop_over_pieces_raises() -> None:
    with talking("server") as (wb, far):
        far.send(TEXT, b"one", fin=False)
        pieces = lasa.check(wb.receive_pieces())
        assert next(pieces) == "one"
        wb.set_timeout(10)
        with raised_by(lambda: next(pieces), SocketTimeout) as error:
            assert (error.operation, error.peer, error.timeout_s) == ("read", place_of(wb), 0.01)
        wb.set_timeout(None)
        reader = spawn_blocked(wb.receive)
        with raised_by(lambda: next(pieces), SocketBusy):
            pass
        far.send(CONTINUATION, b"", fin=True)
        far.send(BINARY, b"two", fin=False)
        far.send(CONTINUATION, b"", fin=True)
        assert result_of(reader) == (b"two", None)
        with raised_by(lambda: next(pieces), ConnectionClosedError) as error:  # of the message that was dropped
            assert error.operation == "read"
        far.send(BINARY, b"three", fin=False)
        pieces = lasa.check(wb.receive_pieces())
        assert next(pieces) == b"three"
        far.wire.reset()
        with raised_by(lambda: next(pieces), SocketReset):
            pass
        assert list(pieces) == []


def test_what_a_loop_of_reconnections_raises() -> None:
    def script(wire: Wire) -> None:
        shake_hands(wire)
        wire.reset()

    options: dict[str, Any] = {"proxy": False, "max_attempts": 1}
    with peer(answer_and_close(FORBIDDEN)) as server:
        loop = websocket.client.reconnecting(uri_of(server), **options)
        with raised_by(lambda: next(loop), UpgradeRefused) as error:
            assert error.response.code == 403
    with peer(script) as server:
        loop = websocket.client.reconnecting(uri_of(server), **options)
        list(next(loop))
        with raised_by(lambda: next(loop), SocketReset):
            pass
    with peer(lambda wire: shake_hands(wire) and wire.send(b"\x88\x02\x03\xf3") and None) as server:
        loop = websocket.client.reconnecting(uri_of(server), **options)
        list(next(loop))
        with raised_by(lambda: next(loop), ConnectionClosedError) as error:
            assert error.closing == (1011, "", "peer")
    with peer(staying(shake_hands)) as server:
        loop = websocket.client.reconnecting(uri_of(server), ping_interval_s=0.03, ping_timeout_s=SHORT_S, **options)
        list(next(loop))
        with raised_by(lambda: next(loop), PingTimeout):
            pass
    with peer(staying(shake_hands)) as server:
        loop = websocket.client.reconnecting(uri_of(server), **options)
        next(loop).abort()
        with raised_by(lambda: next(loop), SocketError) as error:
            assert error.reason == "aborted"


def test_an_error_of_renew_goes_through_a_loop_of_reconnections_as_it_is() -> None:
    error = SocketClosed()

    def renew() -> dict[str, Any]:
        raise error

    with pytest.raises(SocketClosed) as caught:
        next(websocket.client.reconnecting(f"ws://127.0.0.1:{free_address()[1]}/", renew=renew, proxy=False))
    assert caught.value is error


def test_check_raises_a_copy_with_a_note_that_says_all() -> None:
    with talking("server") as (wb, far):
        far.send(CLOSE, b"\x0f\xa1done")
        far.wire.close()
        for _ in range(2):
            result = wb.receive()
            with pytest.raises(ConnectionClosedError) as caught:
                lasa.check(result)
            assert str(caught.value) == "closed"
            assert result[1] is not None
            assert caught.value is not result[1].error
            assert caught.value.closing == Closing(4001, "done", "peer")
            assert caught.value.__notes__ == [f"read from {place_of(wb)}: closed by the peer with 4001: done"]


def test_the_system_s_own_timeout_ends_the_connection_and_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with talking("client") as (wb, _):
        session = wb.open_session
        assert session is not None

        def broken(wait_s: float) -> bytes:
            error = SystemTimeout("connection timed out")
            error.errno = errno.ETIMEDOUT
            raise error

        monkeypatch.setattr(type(session.inlet), "read", lambda inlet, wait_s: broken(wait_s))
        _, err = wb.receive(60)
        assert err == "connection timed out"
        error = error_of(err, SystemTimeout)
        assert (error.errno, error.timeout_s) == (errno.ETIMEDOUT, None)
        assert not wb.is_open
        assert wb.closing == (1006, "connection timed out", "nobody")


# -- frames


@contextmanager
def frames(role: str, **options: Any) -> Iterator[tuple[Any, Far]]:
    with client_and_far(**options) if role == "client" else server_and_far(**options) as pair:
        yield pair


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda wb: wb.send_text(bytes(70_000)), "payload too big"),
        (lambda wb: wb.send_ping(bytes(126)), "too much payload for control frame"),
        (lambda wb: wb.send_frame(False, 9), "fragmented control frame"),
    ],
)
def test_a_frame_that_cannot_be_sent_is_fatal(role: str, call: Callable[[Any], Any], word: str) -> None:
    with frames(role) as (wb, _):
        _, err = call(wb)
        assert err == word
        error = error_of(err, SocketError)
        assert (error.operation, error.peer) == ("write", place_of(wb))
        for err in (wb.send_text("x")[1], wb.recv_frame()[2], wb.close()[1]):
            assert err == "fatal error already happened"
            assert error_of(err, SocketError).peer == place_of(wb)


@pytest.mark.parametrize("role", ROLES)
def test_words_of_frames_that_leave_the_connection_as_it_is(role: str) -> None:
    with frames(role, max_payload_len=100_000) as (wb, far):
        _, err = wb.send_close("no code")
        assert err == "bad status code"
        assert error_of(err, SocketError).operation == "write"
        wb.set_timeout(20)
        _, _, err = wb.recv_frame()
        assert err == f"{FIRST}: timeout"
        error = error_of(err, SocketTimeout)
        assert (error.operation, error.peer, error.timeout_s) == ("read", place_of(wb), SHORT_S)
        whole = far.frame(TEXT, b"x" * 70_000)
        for size, what in (
            (2, "failed to receive the 8 byte payload length"),
            (12, "failed to read masking-len and payload"),
        ):
            far.wire.send(whole[:size])
            whole = whole[size:]
            _, _, err = wb.recv_frame()
            assert err == f"{what}: timeout"
            error_of(err, SocketTimeout)


@pytest.mark.parametrize("role", ROLES)
def test_a_frame_that_breaks_a_rule(role: str) -> None:
    with frames(role) as (wb, far):
        far.send(TEXT, bytes(70_000))
        _, _, err = wb.recv_frame()
        assert err == "exceeding max payload len"
        assert error_of(err, MessageTooBig).code == 1009
    with frames(role) as (wb, far):
        far.send(CLOSE, b"x")
        _, _, err = wb.recv_frame()
        assert err == "close frame with a body must carry a 2-byte status code"
        assert error_of(err, ProtocolError).peer == place_of(wb)


@pytest.mark.parametrize("role", ROLES)
def test_a_connection_for_frames_that_is_over(role: str) -> None:
    with frames(role) as (wb, far):
        wb.send_close(1000)
        _, err = wb.send_text("late")
        assert err == "already closed"
        assert error_of(err, SocketClosed).peer == place_of(wb)
        far.next()
        far.wire.close()
        _, _, err = wb.recv_frame()
        assert err == f"{FIRST}: closed"
        error = error_of(err, ConnectionClosedError)
        assert (error.operation, error.closing) == ("read", None)
    with frames(role) as (wb, far):
        wb.abort()
        _, err = wb.send_text("late")
        assert err == "failed to send frame: closed"
        assert error_of(err, ConnectionClosedError).operation == "write"
    with frames(role) as (wb, far):
        wb.abort()
        _, _, err = wb.recv_frame()
        assert err == f"{FIRST}: closed"
        error_of(err, ConnectionClosedError)
        _, err = wb.close()
        assert err == "fatal error already happened"
        error_of(err, SocketError)


def test_a_close_frame_that_cannot_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    with frames("client", timeout=20, max_send_len=LARGE * 100) as (wb, far):
        shrink_buffer(wb)
        sender = spawn_blocked(wb.send_binary, bytes(LARGE * 10))
        closing = spawn_blocked(wb.close)
        assert result_of(sender) == (None, "failed to send frame: timeout")
        _, err = result_of(closing)
        assert err == "failed to send close frame: failed to send frame: closed"
        error_of(err, ConnectionClosedError)
        assert far.wire.rest()


def test_a_message_that_is_half_received_is_in_the_way_of_frames() -> None:
    with talking("client") as (wb, far):
        far.send(TEXT, b"one", fin=False)
        lasa.check(wb.receive_pieces())
        _, _, err = wb.recv_frame()
        assert err == "a message is half received"
        assert error_of(err, SocketError).peer == place_of(wb)


def test_what_set_keepalive_says() -> None:
    with frames("client") as (wb, far):
        far.wire.send(far.frame(TEXT, b"hello")[:3])
        wb.set_timeout(10)
        wb.recv_frame()
        _, err = wb.set_keepalive()
        assert err == "unread data in buffer"
        assert error_of(err, SocketError).peer == place_of(wb)
    with frames("client") as (wb, far):
        far.send(TEXT, b"hello")
        settle()
        _, err = wb.set_keepalive()
        assert err == "connection in dubious state"
        assert error_of(err, SocketError).peer == place_of(wb)
        assert error_of(wb.set_keepalive()[1], ConnectionClosedError).reason == "closed"
    with frames("client") as (wb, far):
        wb.send_close(1000)
        _, err = wb.set_keepalive()
        assert err == "already closed"
        error_of(err, SocketClosed)
    with frames("client") as (wb, far):
        wb.send_text(bytes(70_000))
        _, err = wb.set_keepalive()
        assert err == "fatal error already happened"
        error_of(err, SocketError)


# -- servers


def test_what_accept_says() -> None:
    with accepting(origins="https://a.example", timeout=20) as server:
        _, err = server.accept()
        assert err == "timeout"
        error = error_of(err, SocketTimeout)
        assert (error.operation, error.peer, error.timeout_s) == ("accept", f"127.0.0.1:{server.address[1]}", SHORT_S)
        server.set_timeout(None)
        waiting = spawn_blocked(server.accept)
        with raw_connection(server) as wire:
            wire.send(request("/", "Origin: https://evil.example"))
            assert wire.head().startswith(b"HTTP/1.1 403 ")
            ip, port = wire.sock.getsockname()
        _, err = result_of(waiting)
        assert err == "origin not allowed: https://evil.example"
        error = error_of(err, HandshakeRefused)
        assert issubclass(HandshakeRefused, HandshakeError)
        assert (error.operation, error.peer, error.status) == ("upgrade", f"{ip}:{port}", 403)
        waiting = spawn_blocked(server.accept)
        assert server.close() == (1, None)
        for _, err in (result_of(waiting), server.accept(), server.close()):
            assert err == "closed"
            error_of(err, SocketClosed)


def test_accept_is_for_the_os_thread_that_has_made_the_server() -> None:
    with accepting() as server, pytest.raises(RuntimeError, match="a WebSocket server"):
        lasa.to_thread(server.accept)


@pytest.mark.parametrize(
    ("data", "word", "status"),
    [
        (request("/", without="Upgrade"), 'bad "upgrade" request header: nil', 426),
        (request("/", without="Sec-WebSocket-Key"), 'bad "sec-websocket-key" request header', 400),
        (request("/", "Sec-WebSocket-Extensions: a;"), 'bad "sec-websocket-extensions" request header', 400),
        (request("/").replace(b"GET", b"PUT"), "bad request method: PUT", 405),
    ],
)
def test_what_a_handler_is_told_of_a_client_that_is_refused(data: bytes, word: str, status: int) -> None:
    told: list[Any] = []

    def handler(asked: Any) -> None:
        told.append(asked.websocket())
        told.append(asked.peer)

    server: Any = lasa.check(lasa.http.server.new("127.0.0.1:0", access_log=False))
    running = thread.spawn(server.run, handler)
    with raw_connection(server) as wire:
        wire.send(data)
        assert wire.head().startswith(b"HTTP/1.1 %d " % status)
    server.stop(0)
    result_of(running)
    (wb, err), (ip, port) = told
    assert (wb, err) == (None, word)
    error = error_of(err, HandshakeRefused)
    assert (error.operation, error.peer, error.status) == ("upgrade", f"{ip}:{port}", status)


def test_an_address_that_is_taken() -> None:
    with accepting() as server:
        _, err = websocket.server.new(f"127.0.0.1:{server.address[1]}")
    assert err == "address already in use"
    assert error_of(err, SocketError).errno == errno.EADDRINUSE


# -- the manual


# The words of the tables of docs/websocket.md whose first column is an error word, and the first class of each.
IN_THE_MANUAL: dict[str, str] = {
    "timeout": "SocketTimeout",
    "closed": "ConnectionClosedOK",
    "connection reset by peer": "SocketReset",
    "broken pipe": "SocketBroken",
    "…": "SocketError",
    "ping timeout": "PingTimeout",
    **{word.replace("1006", "N"): kind.__name__ for _, word, kind, _ in RULES},
    "bad compressed data": "ProtocolError",
    "frame unmasked": "ProtocolError",
    "frame masked": "ProtocolError",
    "socket busy reading": "SocketBusy",
    "socket busy writing": "SocketBusy",
    "socket busy connecting": "SocketBusy",
    "bad websocket uri": "BadAddress",
    "failed to connect: E": "E",
    "ssl handshake failed: E": "E",
    "failed to send the handshake request: E": "E",
    "failed to receive response header: E": "E",
    "bad HTTP response status line: LINE": "UpgradeRefused",
    'bad "upgrade" response header: V': "HandshakeError",
    'bad "connection" response header': "HandshakeError",
    'bad "sec-websocket-accept" response header': "HandshakeError",
    'bad "sec-websocket-protocol" response header: V': "HandshakeError",
    'bad "sec-websocket-extensions" response header: …': "HandshakeError",
    "already closed": "SocketClosed",
    "fatal error already happened": "SocketError",
    "unread data in buffer": "SocketError",
    "connection in dubious state": "SocketError",
}


def test_the_manual_tells_the_class_of_each_word() -> None:
    text = (Path(lasa.__file__).parent.parent / "docs" / "websocket.md").read_text()
    found: dict[str, str] = {}
    for table in re.findall(r"^\| err .*\n(?:\|.*\n)+", text, re.MULTILINE):
        for row in table.splitlines()[2:]:
            words, classes = (cell.strip() for cell in row.strip("|").split(" | ")[:2])
            names = re.findall(r"`([A-Za-z]+)`", classes)
            assert names, row
            for word in re.findall(r"`([^`]+)`|(…)", words):
                found.setdefault("".join(word), names[0])
    assert found == IN_THE_MANUAL


# -- words and errors travel


def words() -> list[Word]:
    """One of each class that has something of its own."""
    found: list[Any] = [connect("http://h/"), connect(f"ws://127.0.0.1:{free_address()[1]}/")]
    with peer(answer_and_close(FORBIDDEN)) as server:
        found.append(connect(uri_of(server)))
    with talking("server", ping_interval_s=0.02, ping_timeout_s=0.01) as (wb, _):
        found += [wb.receive()[1], wb.receive()[1]]
    with talking("server", max_message=10) as (wb, far):
        far.send(TEXT, bytes(20))
        far.wire.sock.shutdown(1)
        found.append(wb.receive()[1])
    with accepting() as ours, raw_connection(ours) as wire:
        waiting = spawn_blocked(ours.accept)
        wire.send(request("/", without="Upgrade"))
        found.append(result_of(waiting)[1])
        wire.head()
    kinds = [BadAddress, SocketRefused, UpgradeRefused, PingTimeout, ConnectionClosedError, MessageTooBig]
    assert [type(word.error) for word in found] == [*kinds, HandshakeRefused]
    return found


def known(error: Any) -> dict[str, Any]:
    """What an error knows, but for the answer, which does not travel."""
    names = ("args", "reason", "errno", "operation", "peer", "timeout_s", "url", "code", "closing", "status", "headers")
    return {name: getattr(error, name, None) for name in names}


def test_words_can_be_pickled_and_copied_and_sent_through_a_channel() -> None:
    through = lasa.channel(1)

    def passed(word: Word) -> Any:
        assert lasa.to_thread(through.send, word) == (1, None)
        return through.receive()[0]

    def pickled(word: Word) -> Any:
        return pickle.loads(pickle.dumps(word))

    for word in words():
        ways: list[Callable[[Word], Any]] = [copy.copy, copy.deepcopy, passed, pickled]
        for way in ways:
            again = way(word)
            assert (again, type(again)) == (word, Word)
            assert type(again.error) is type(word.error)
            assert known(again.error) == known(word.error)
        raised = error_in(word)
        assert raised is not word.error
        assert known(raised) == known(word.error)


# -- no frame is kept


class Marker:
    """What a frame holds while it lives."""


KEPT = (BaseException, FrameType, TracebackType, Word, WebSocket)


def kept_of(call: Callable[[], Any], times: int) -> tuple[str, int, int]:
    """Let a call fail again and again, with its word in a local of the frame, and nothing collected.

    Returns:
        the word, and how many of those frames, and of exceptions, frames, tracebacks, words and WebSockets, are left.
    """
    markers: list[weakref.ref[Marker]] = []

    def fail() -> str:
        marker = Marker()
        markers.append(weakref.ref(marker))
        word = call()[-1]
        assert type(word) is Word
        return str(word)

    for _ in range(5):
        fail()
    settle()
    markers.clear()
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(one, KEPT) for one in gc.get_objects())
        for _ in range(times):
            found = fail()
        settle()
        after = sum(isinstance(one, KEPT) for one in gc.get_objects())
    finally:
        gc.enable()
    return found, sum(marker() is not None for marker in markers), after - before


def test_failed_connects_keep_no_frame() -> None:
    uri = f"ws://127.0.0.1:{free_address()[1]}/"
    wb, _ = websocket.client.new()
    refused = "failed to connect: connection refused"
    assert kept_of(lambda: websocket.client.connect(uri, proxy=False), 1000) == (refused, 0, 0)
    assert kept_of(lambda: wb.connect(uri, proxy=False), 1000) == (refused, 0, 0)
    assert kept_of(lambda: websocket.client.connect("http://h/"), 1000) == ("bad websocket uri", 0, 0)


@pytest.mark.parametrize(
    ("script", "word"),
    [
        (answer_and_close(FORBIDDEN), "bad HTTP response status line: HTTP/1.1 403 Forbidden"),
        (answer_and_close(b"SSH-2.0\r\n"), "bad HTTP response status line: SSH-2.0"),
        (lambda wire: wire.head() and wire.reset(), "failed to receive response header: connection reset by peer"),
        (lambda wire: wire.head() and None, "failed to receive response header: closed"),
        (silent, "failed to receive response header: timeout"),
    ],
    ids=["403", "no http", "reset", "closed", "timeout"],
)
def test_refused_handshakes_keep_no_frame(script: Script, word: str) -> None:
    with peer(script) as server:
        options: Any = {"open_timeout_s": 0.005} if script is silent else {}
        found = kept_of(lambda: websocket.client.connect(uri_of(server), proxy=False, **options), 100)
        settle()
        server.wires.clear()
    assert found == (word, 0, 0)


def test_a_server_of_lasa_that_refuses_keeps_no_frame_either() -> None:
    with serving(lambda wb: None, origins="https://a.example") as server:
        call = lambda: websocket.client.connect(server.url, proxy=False)  # noqa: E731
        assert kept_of(call, 200) == ("bad HTTP response status line: HTTP/1.1 403 Forbidden", 0, 0)


@pytest.mark.parametrize("role", ROLES)
def test_failed_calls_on_a_websocket_keep_no_frame(role: str) -> None:
    with talking(role) as (wb, far):
        assert kept_of(lambda: wb.receive(0), 1000) == ("timeout", 0, 0)
        assert kept_of(lambda: wb.receive(0.0001), 100) == ("timeout", 0, 0)
        assert kept_of(lambda: wb.receive_pieces(0), 1000) == ("timeout", 0, 0)
        far.wire.reset()
        assert wb.receive() == (None, "connection reset by peer")
        for call in (wb.receive, wb.receive_pieces, lambda: wb.send("late"), lambda: wb.send(["l"]), wb.close):
            assert kept_of(call, 1000) == ("closed", 0, 0)
    with frames(role) as (wb, far):
        wb.abort()
        assert kept_of(lambda: wb.send_text("late"), 1000) == ("fatal error already happened", 0, 0)
        assert kept_of(wb.recv_frame, 1000) == ("fatal error already happened", 0, 0)


@pytest.mark.parametrize("waits", [True, False], ids=["while somebody receives", "while nobody does"])
@pytest.mark.parametrize(
    ("end", "word"),
    [
        (lambda far: far.wire.reset(), "connection reset by peer"),
        (lambda far: far.wire.send(far.frame(3)).close(), "reserved non-control frames"),
    ],
)
def test_a_connection_that_has_ended_badly_keeps_no_frame(end: Callable[[Far], Any], word: str, waits: bool) -> None:
    def fail() -> Any:
        with talking_client() as (wb, far):
            reader = spawn_blocked(wb.receive) if waits else None
            end(far)
            settle()
            return wb.receive() if reader is None else result_of(reader)

    found, frames_left, _ = kept_of(fail, 30)
    assert (found, frames_left) == (word, 0)


@pytest.mark.parametrize("role", ROLES)
def test_what_loops_and_check_raise_keeps_no_frame_once_it_is_dropped(role: str) -> None:
    def raising(step: Callable[[], Any]) -> Callable[[], Any]:
        def call() -> Any:
            try:
                return step()
            except Error as error:
                return (Word.of(error_in(str(error))),)

        return call

    uri = f"ws://127.0.0.1:{free_address()[1]}/"
    refused = "failed to connect: connection refused"
    reconnect = raising(lambda: next(websocket.client.reconnecting(uri, proxy=False, max_attempts=1)))
    assert kept_of(reconnect, 100) == (refused, 0, 0)
    assert kept_of(raising(lambda: lasa.check(websocket.client.connect(uri, proxy=False))), 100) == (refused, 0, 0)
    with talking(role) as (wb, far):
        wb.set_timeout(1)
        assert kept_of(raising(lambda: next(wb)), 50) == ("timeout", 0, 0)
        far.send(TEXT, b"one", fin=False)
        pieces = lasa.check(wb.receive_pieces(5))
        next(pieces)
        assert kept_of(raising(lambda: next(pieces)), 50) == ("timeout", 0, 0)
        far.wire.reset()
        wb.receive(5)
        for step in (lambda: next(wb), lambda: lasa.check(wb.send("late"))):
            assert kept_of(raising(step), 200) == ("closed", 0, 0)
