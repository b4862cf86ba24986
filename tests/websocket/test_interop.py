"""lasa's WebSockets and other people's: ``websockets``, by both of its APIs, and aiohttp, each as client and server."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gevent.queue import Queue

import lasa
from lasa import thread, websocket
from lasa.websocket import Closing, Deflate, WebSocket
from lasa.websocket.client import ClientWebSocket
from lasa.websocket.server import Server
from tests.conftest import Certificates
from tests.http.test_client_proxies import BASIC, forward_proxy
from tests.http.tools import serving as serving_http
from tests.websocket.peers import LIBRARIES, Libraries, libraries, packed
from tests.websocket.tools import nothing_left, serving

MAX_MESSAGE = 1 << 25
MESSAGES: list[str | bytes] = [
    "héllo 🙂",
    b"\0\x80\xff",
    "",
    b"",
    "x" * 125,
    b"y" * 126,
    "é" * 32_768,  # 65,536 bytes
    bytes(range(256)) * 4096,  # 1 MB
    "the same again and again " * 40_000,
]
LARGE: list[str | bytes] = ["", "é" * 1000, bytes(range(256)) * 4096]
# Not the API for threads: two of them share one SSL object, which Python itself does not survive before 3.13.
BY_TLS = ["websockets", "aiohttp"]
TALK = "a text that is said twice, and compresses the better the second time " * 8
FLAGS = [False, True]

pytestmark = pytest.mark.usefixtures("no_proxy_of_the_environment")


@pytest.fixture(scope="module")
def others() -> Iterator[Libraries]:
    with libraries() as asked:
        yield asked


@pytest.fixture
def no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def echo(wb: WebSocket) -> None:
    for message in wb:
        wb.send(message)


@contextmanager
def echoing(**options: Any) -> Iterator[Server]:
    with serving(echo, **{"max_message": MAX_MESSAGE, **options}) as server:
        yield server


@contextmanager
def connection(port: int, *, scheme: str = "ws", name: str = "127.0.0.1", **options: Any) -> Iterator[ClientWebSocket]:
    wb, err = websocket.client.connect(f"{scheme}://{name}:{port}/", **{"max_message": MAX_MESSAGE, **options})
    assert wb is not None, err
    with wb:
        yield wb


def exchange(wb: WebSocket, *messages: str | bytes) -> list[Any]:
    """Send each and receive its echo."""
    found = []
    for message in messages:
        sent, err = wb.send(message)
        assert sent, err
        found.append(wb.receive(20)[0])
    return found


def about(wb: WebSocket) -> dict[str, Any]:
    """What the other side says of the connection."""
    wb.send("!about")
    message, err = wb.receive(20)
    assert isinstance(message, str), err
    said: dict[str, Any] = json.loads(message)
    return said


def turns(*messages: str | bytes) -> list[tuple[Any, ...]]:
    """The steps of a client that sends each message and receives its echo."""
    return [step for message in messages for step in (("send", packed(message)), ("receive",))]


# their clients, our server


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("library", LIBRARIES)
def test_their_clients_get_back_what_they_send(others: Libraries, library: str, compression: str | None) -> None:
    with nothing_left(), echoing() as server:
        visit = others.visit(library, server.url, *turns(*MESSAGES), ("about",), compression=compression)
    assert visit.received == MESSAGES
    assert visit.outcomes[-1]["extensions"] == (["permessage-deflate"] if compression else [])
    assert visit.closing == [1000, ""]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_server_that_does_not_compress_says_so_to_their_clients(others: Libraries, library: str) -> None:
    with echoing(compression=False) as server:
        visit = others.visit(library, server.url, *turns(TALK, b"data"), ("about",))
    assert (visit.received, visit.outcomes[-1]["extensions"]) == ([TALK, b"data"], [])


@pytest.mark.parametrize("library", ["websockets", "sync"])
@pytest.mark.parametrize("compression", ["deflate", None])
def test_their_fragments_are_one_message(others: Libraries, library: str, compression: str | None) -> None:
    pieces = ["é", "", "x" * 70_000, "end"]
    data = [b"\xff" * 300, b"", b"\0"]
    with echoing() as server:
        steps = [
            ("fragments", *map(packed, pieces)),
            ("receive",),
            ("fragments", *map(packed, data)),
            ("receive",),
        ]
        visit = others.visit(library, server.url, *steps, compression=compression)
    assert visit.received == ["".join(pieces), b"".join(data)]


@pytest.mark.parametrize("library", ["websockets", "sync"])
def test_our_fragments_are_one_message_to_their_clients(others: Libraries, library: str) -> None:
    def in_pieces(wb: WebSocket) -> None:
        for message in wb:
            wb.send(iter([message[:3], message[3:4], message[4:]]))

    with serving(in_pieces) as server:
        visit = others.visit(library, server.url, *turns("abcdefé", b"", TALK))
    assert visit.received == ["abcdefé", b"", TALK]


@pytest.mark.parametrize("library", LIBRARIES)
def test_pings_of_their_clients_are_answered_whatever_the_handler_does(others: Libraries, library: str) -> None:
    def only_sends(wb: WebSocket) -> None:
        wb.send("ready")
        while wb.is_open:
            lasa.sleep(0.005)

    with serving(only_sends) as server:
        visit = others.visit(library, server.url, ("receive",), ("ping",), ("ping",))
    assert (visit.received, visit.closing) == (["ready"], [1000, ""])


@pytest.mark.parametrize("library", LIBRARIES)
def test_our_pings_are_answered_by_their_clients(others: Libraries, library: str) -> None:
    def measure(wb: WebSocket) -> None:
        while wb.latency_s is None:
            assert wb.receive(0.01) == (None, "timeout")
        wb.send("measured")
        wb.receive()

    with serving(measure, ping_interval_s=0.01) as server:
        visit = others.visit(library, server.url, ("receive",))
    assert (visit.received, visit.failed) == (["measured"], None)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_close_of_their_clients_arrives_with_its_code_and_reason(others: Libraries, library: str) -> None:
    found: Queue[Any] = Queue()

    def handler(wb: WebSocket) -> None:
        found.put((wb.receive(20), wb.closing))

    with serving(handler) as server:
        visit = others.visit(library, server.url, ("close", 4001, "é, because"))
        assert found.get(timeout=20) == ((None, "closed"), Closing(4001, "é, because", "peer"))
    assert visit.closing is not None
    assert visit.closing[0] == 4001


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
def test_our_close_arrives_at_their_clients(others: Libraries, library: str, code: int) -> None:
    found: Queue[Any] = Queue()

    def handler(wb: WebSocket) -> None:
        found.put(wb.close(code, "é, because"))

    with serving(handler) as server:
        visit = others.visit(library, server.url, ("receive",))
        assert found.get(timeout=20) == (Closing(code, "é, because", "us"), None)
    assert (visit.received, visit.closing) == ([], [code, "é, because"])


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_best_of_our_subprotocols_is_spoken(others: Libraries, library: str) -> None:
    found = []

    def handler(wb: WebSocket) -> None:
        found.append(wb.protocol)

    with serving(handler, protocols=["v2", "v1"]) as server:
        for offered in (["v0", "v1", "v2"], ["v1"], ["v0"], []):
            visit = others.visit(library, server.url, ("about",), subprotocols=offered)
            assert visit.outcomes[0]["protocol"] == found[-1]
    assert found == ["v2", "v1", None, None]


def test_their_clients_see_why_they_are_refused(others: Libraries) -> None:
    with echoing(origins=["https://example.com"]) as server:
        for library in LIBRARIES:
            allowed = others.visit(library, server.url, *turns("a"), origin="https://example.com")
            assert allowed.received == ["a"]
            refused = others.visit(library, server.url, origin="https://evil.example").refused
            assert refused is not None
            assert refused[0] == 403
            if library != "aiohttp":  # which has no body for it
                assert refused[2] == "origin not allowed: https://evil.example\n"


def test_their_clients_see_a_handlers_own_refusal(others: Libraries) -> None:
    def handler(request: Any) -> Any:
        if request.headers.get("Authorization") != "Basic dXNlcjpwYXNz":
            return 401, {"WWW-Authenticate": "Basic"}, "who are you?"
        wb, _ = request.websocket()
        return echo(wb)

    with serving_http(handler) as server:
        address = server.url.removeprefix("http://")
        for library in LIBRARIES:
            refused = others.visit(library, f"ws://{address}/").refused
            assert refused is not None
            headers = {name.lower(): value for name, value in refused[1].items()}
            assert (refused[0], headers["www-authenticate"]) == (401, "Basic")
            assert refused[2] in ("who are you?", None)
            assert others.visit(library, f"ws://user:pass@{address}/", *turns("a")).received == ["a"]


@pytest.mark.parametrize("library", BY_TLS)
def test_their_clients_come_by_tls(others: Libraries, library: str, certificates: Certificates) -> None:
    with echoing(ssl={"ssl_cert": certificates.issue("localhost")}) as server:
        uri = f"wss://localhost:{server.address[1]}/"
        visit = others.visit(library, uri, *turns(*MESSAGES), ("ping",), ca=certificates.ca)
    assert (visit.received, visit.closing) == (MESSAGES, [1000, ""])


def test_their_clients_come_through_a_tunnel(others: Libraries, certificates: Certificates) -> None:
    with (
        echoing() as plain,
        echoing(ssl={"ssl_cert": certificates.issue("localhost")}) as secure,
        forward_proxy(asks_for=BASIC) as (url, proxy),
    ):
        through = url.replace("//", "//user:pass%20word@")
        secured = f"wss://localhost:{secure.address[1]}/"
        for library in BY_TLS:
            visit = others.visit(library, secured, *turns(*LARGE), ca=certificates.ca, proxy=through)
            assert visit.received == LARGE, visit.failed
        for library in ("websockets", "sync"):  # aiohttp asks a proxy for ws:// as for http://
            assert others.visit(library, plain.url, *turns("a"), proxy=through).received == ["a"]
        assert [seen[0] for seen in proxy.seen] == ["CONNECT"] * len(proxy.seen)


def test_every_window_and_takeover_that_their_client_can_ask_for_is_understood(others: Libraries) -> None:
    failed = []
    windows = [None, *range(8, 16)]
    own_windows = [None, True, *range(9, 16)]  # with 8 it cannot compress
    with serving(echo) as server:
        for values in itertools.product(FLAGS, FLAGS, windows, own_windows):
            asked = dict(zip(OFFERED, values, strict=True))
            visit = others.visit("websockets", server.url, *turns(TALK, TALK), deflate=asked)
            if visit.received != [TALK, TALK] or visit.closing != [1000, ""]:
                failed.append((asked, visit.failed, visit.closing))
    assert failed == []


OFFERED = (
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
)


@pytest.mark.parametrize("bits", range(9, 16))
def test_every_window_that_aiohttps_client_can_ask_for_is_understood(others: Libraries, bits: int) -> None:
    with serving(echo) as server:
        visit = others.visit("aiohttp", server.url, *turns(TALK, TALK), ("about",), window_bits=bits)
    assert visit.received == [TALK, TALK]
    assert visit.outcomes[-1]["extensions"] == ["permessage-deflate"]


# our client, their servers


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("theirs", ["deflate", None])
@pytest.mark.parametrize("ours", [True, False])
def test_their_servers_give_back_what_we_send(others: Libraries, library: str, theirs: str | None, ours: bool) -> None:
    port = others.serve(library, compression=theirs)
    with nothing_left(), connection(port, compression=ours) as wb:
        assert exchange(wb, *MESSAGES) == MESSAGES
        assert about(wb)["extensions"] == (["permessage-deflate"] if theirs and ours else [])
        assert wb.close() == (Closing(1000, "", "us"), None)
        assert others.ended(port) == [1000, ""]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("compression", [True, False])
def test_our_fragments_are_one_message_to_their_servers(others: Libraries, library: str, compression: bool) -> None:
    with connection(others.serve(library), compression=compression) as wb:
        for pieces in (["é", "", TALK], [b"\0", b"\xff" * 70_000], [b""]):
            sent, err = wb.send(iter(pieces))
            assert sent, err
            assert wb.receive(20) == (type(pieces[0])().join(pieces), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("library", ["websockets", "sync"])
@pytest.mark.parametrize("compression", [True, False])
def test_fragments_of_their_servers_are_one_message(others: Libraries, library: str, compression: bool) -> None:
    with connection(others.serve(library), compression=compression) as wb:
        wb.send("!fragments abé")
        assert wb.receive(20) == ("abé", None)
        wb.send("!fragments abé")
        pieces, err = wb.receive_pieces(20)
        assert pieces is not None, err
        assert list(pieces)[-1] == "é"


@pytest.mark.parametrize("library", LIBRARIES)
def test_pings_of_their_servers_are_answered_while_nobody_receives(others: Libraries, library: str) -> None:
    with connection(others.serve(library)) as wb:
        wb.send("!ping")
        assert wb.receive(20) == ("pong has come", None)


@pytest.mark.parametrize("library", LIBRARIES)
def test_our_pings_are_answered_by_their_servers(others: Libraries, library: str) -> None:
    with connection(others.serve(library), ping_interval_s=0.01) as wb:
        while wb.latency_s is None:
            assert wb.receive(0.01) == (None, "timeout")
        assert 0 < wb.latency_s < 10


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
def test_closes_go_both_ways_with_code_and_reason(others: Libraries, library: str, code: int) -> None:
    port = others.serve(library)
    with connection(port) as wb:
        wb.send(f"!close {code} é, because")
        assert wb.receive(20) == (None, "closed")
        assert wb.closing == Closing(code, "é, because", "peer")
        assert wb.close() == (wb.closing, None)
        ended = others.ended(port)
        assert ended == [code, "" if library == "aiohttp" else "é, because"]  # aiohttp does not tell the reason
    with connection(port) as wb:
        assert wb.close(code, "é, because") == (Closing(code, "é, because", "us"), None)
        assert others.ended(port) == [code, "é, because"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_their_servers_choose_among_our_subprotocols(others: Libraries, library: str) -> None:
    port = others.serve(library, subprotocols=["v2", "v1"])
    for offered, expected in ((["v1", "v2"], {"v1", "v2"}), ("v1", {"v1"})):
        with connection(port, protocols=offered) as wb:
            assert wb.protocol in expected
            assert about(wb)["protocol"] == wb.protocol


def test_headers_and_origin_arrive_at_their_servers(others: Libraries) -> None:
    headers = ["X-One: 1", "X-One: 2", "User-Agent: test"]
    for library in LIBRARIES:
        with connection(others.serve(library), headers=headers, origin="https://example.com", host="a.test") as wb:
            said = about(wb)["headers"]
            assert [value for name, value in said if name == "X-One"] == ["1", "2"]
            named = dict(said)
            assert (named["Origin"], named["Host"], named["User-Agent"]) == ("https://example.com", "a.test", "test")


@pytest.mark.parametrize("library", ["websockets", "aiohttp"])
def test_a_refusal_of_their_servers_can_be_read(others: Libraries, library: str) -> None:
    port = others.serve(library, basic_auth=["user", "pass wörd"])
    wb, err = websocket.client.connect(f"ws://127.0.0.1:{port}/")
    assert wb is None
    assert err == "bad HTTP response status line: HTTP/1.1 401 Unauthorized"
    response: Any = err.response
    assert (response.code, response.headers["www-authenticate"], response.body) == (401, "Basic", b"who are you?")
    with connection(port, name="user:pass%20w%C3%B6rd@127.0.0.1") as wb:
        assert exchange(wb, "a") == ["a"]
    with connection(port, auth=("user", "pass wörd")) as wb:
        assert exchange(wb, "a") == ["a"]


def test_a_server_that_knows_no_websockets_refuses_by_its_own_answer(others: Libraries) -> None:
    port = others.serve("websockets", origins=["https://example.com"])
    wb, err = websocket.client.connect(f"ws://127.0.0.1:{port}/", origin="https://evil.example")
    assert wb is None
    assert err == "bad HTTP response status line: HTTP/1.1 403 Forbidden"
    assert err.response is not None
    assert b"Origin" in (err.response.body or b"")


@pytest.mark.parametrize("library", BY_TLS)
def test_their_servers_by_tls(others: Libraries, library: str, certificates: Certificates) -> None:
    port = others.serve(library, certificate=certificates.issue("localhost"))
    with nothing_left(), connection(port, scheme="wss", name="localhost", ssl_ca=certificates.ca) as wb:
        assert exchange(wb, *MESSAGES) == MESSAGES
        assert wb.close(4000) == (Closing(4000, "", "us"), None)
        assert others.ended(port) == [4000, ""]
    other, err = websocket.client.connect(f"wss://localhost:{port}/")
    assert (other, err) == (None, "ssl handshake failed: 20: unable to get local issuer certificate")


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_their_servers_through_a_tunnel(others: Libraries, scheme: str, certificates: Certificates) -> None:
    options: dict[str, Any] = {"certificate": certificates.issue("localhost")} if scheme == "wss" else {}
    port = others.serve("websockets", **options)
    with forward_proxy(asks_for=BASIC) as (url, proxy):
        through = url.replace("//", "//user:pass%20word@")
        with connection(port, scheme=scheme, name="localhost", ssl_ca=certificates.ca, proxy=through) as wb:
            assert exchange(wb, *LARGE) == LARGE
        assert [seen[:2] for seen in proxy.seen] == [("CONNECT", f"localhost:{port}")]


OURS = [
    Deflate(*values)
    for values in itertools.product((8, 9, 12, 15), (8, 9, 12, 15), FLAGS, FLAGS)  # windows first, as Deflate has them
]


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_window_and_takeover_that_we_ask_for_is_understood(others: Libraries, library: str) -> None:
    failed = []
    port = others.serve(library)
    for asked in OURS:
        with connection(port, compression=asked) as wb:
            if exchange(wb, TALK, TALK) != [TALK, TALK]:
                failed.append((asked, wb.closing))
    assert failed == []


def test_every_window_and_takeover_that_their_server_can_be_told_is_understood(others: Libraries) -> None:
    failed = []
    ours = (Deflate(), Deflate(15, 15), Deflate(9, 9, True, True))
    windows = (None, 9, 12, 15)
    own = (None, 8, 9, 12, 15)
    for values in itertools.product(FLAGS, FLAGS, windows, own, FLAGS):
        told = dict(zip((*OFFERED, "require_client_max_window_bits"), values, strict=True))
        if told["require_client_max_window_bits"] and told["client_max_window_bits"] is None:
            continue  # nothing to require
        port = others.serve("websockets", deflate=told)
        for asked in ours:
            with connection(port, compression=asked) as wb:
                if exchange(wb, TALK, TALK) != [TALK, TALK]:
                    failed.append((told, asked, wb.closing))
    assert failed == []


def test_both_sides_at_once_send_a_megabyte_and_nobody_waits_for_ever(others: Libraries) -> None:
    with connection(others.serve("websockets")) as wb:
        for _ in range(8):
            wb.send("!repeat 1000000 abc")
        sender = thread.spawn(wb.send, b"x" * 4_000_000)
        for _ in range(8):
            message, err = wb.receive(20)
            assert message is not None, err
            assert len(message) == 1_000_000
        message, err = wb.receive(20)
        assert message == b"x" * 4_000_000, err
        assert thread.wait(sender)[0]
