"""What a connection is used for: one request after another, another protocol, TLS, unix paths."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

import lasa
from lasa.http import server as http_server
from lasa.http._server.access_log import Served
from lasa.http.server import Request
from tests.conftest import Certificates
from tests.helpers import nothing_left_open
from tests.http.tools import answers, connect, curl, read_answer, serving, talk

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def returning(value: Any) -> Any:
    return lambda request: value


# -- connections


def test_pipelined_requests_are_answered_in_order_and_one_at_a_time() -> None:
    running = []

    def handler(request: Request) -> str:
        running.append(request.path)
        lasa.sleep(0)
        assert running == [request.path]
        return running.pop()

    data = b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(50))
    with serving(handler) as server:
        found = answers(talk(server, data + LAST))
    assert [answer.body for answer in found] == [b"/%d" % number for number in range(50)] + [b"/last"]


def test_a_client_that_pipelines_without_end_leaves_others_their_turn() -> None:
    def handler(request: Request) -> str:
        return request.path

    with serving(handler) as server, connect(server) as flood, connect(server) as other:
        flood.send(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n" * 2000)
        other.send(GET)
        answer, _ = read_answer(other)
        assert answer.body == b"/"
        received = b""
        while received.count(b"HTTP/1.1 200") < 2000:
            received += flood.receiveany(65536)[0] or b""


def test_a_client_that_has_closed_its_side_gets_its_answers() -> None:
    with serving(lambda request: request.path) as server, connect(server) as sock:
        sock.send(GET + GET)
        sock.shutdown("send")
        found = answers(sock.receive("*a")[0] or b"")
    assert [answer.body for answer in found] == [b"/", b"/"]


@pytest.mark.parametrize("word", ["close", "Close", "x, close", "close, x"])
def test_either_side_may_close(word: str) -> None:
    with serving(lambda request: (200, {"connection": word}, "x")) as server:
        [answer] = answers(talk(server, GET + GET))
        assert "close" in answer.headers["connection"]
    with serving(returning("x")) as server:
        [answer] = answers(talk(server, f"GET / HTTP/1.1\r\nHost: h\r\nConnection: {word}\r\n\r\n".encode() + GET))
        assert answer.headers["connection"] == "close"


def test_a_body_that_nobody_reads_is_skipped_if_it_is_small() -> None:
    small = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + b"G" * 1000
    large = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + b"G" * 1_000_000
    with serving(returning("unread")) as server:
        found = answers(talk(server, small + CHUNKED + b"3\r\nabc\r\n0\r\n\r\n" + large + GET))
    assert [answer.body for answer in found] == [b"unread"] * 3
    assert [answer.headers.get("connection") for answer in found] == [None, None, "close"]


def test_a_client_that_sends_much_more_than_is_read_still_gets_the_answer() -> None:
    with serving(lambda request: request.read(10)) as server:
        data = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
        [answer] = answers(talk(server, data))
    assert answer.status == 413


# -- Expect


@pytest.mark.parametrize("reads", [True, False])
def test_a_client_that_waits_for_100_gets_it_when_its_body_is_wanted(reads: bool) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with serving(lambda request: request.read() if reads else "no") as server, connect(server) as sock:
        sock.send(head)
        if reads:
            assert sock.receiveany(100)[0] == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.send(b"hello")
        answer, _ = read_answer(sock)
    assert answer.body == (b"hello" if reads else b"no")
    assert answer.headers.get("connection") == (None if reads else "close")


def test_a_client_that_does_not_wait_for_100_gets_none() -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nhello"
    with serving(lambda request: request.read()) as server:
        [answer] = answers(talk(server, head), "POST")
        assert (answer.informed, answer.body) == ([], b"hello")
        old = talk(server, b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
        assert b"100 Continue" not in old


def test_early_hints_do_not_stand_for_the_100() -> None:
    def handler(request: Request) -> bytes:
        request.inform()
        return request.read()

    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with serving(handler) as server, connect(server) as sock:
        sock.send(head)
        data = b""
        while b"100 Continue" not in data:
            data += sock.receiveany(100)[0] or b""
        sock.send(b"hello")
        answer, _ = read_answer(sock, already=data)
    assert (answer.informed, answer.body) == ([103, 100], b"hello")


def test_another_expectation_is_a_417() -> None:
    with serving(returning("no")) as server:
        head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: tea\r\n\r\nhello"
        found = answers(talk(server, head + LAST))
    assert [answer.status for answer in found] == [417, 200]


def test_a_body_beyond_the_limit_is_refused_before_the_client_sends_it() -> None:
    with serving(lambda request: request.read(), max_body=100) as server, connect(server) as sock:
        sock.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n")
        answer, _ = read_answer(sock)
    assert (answer.status, answer.informed) == (413, [])


# -- another protocol on the same port


def test_upgrade_hands_the_socket_over_with_what_came_ahead() -> None:
    def handler(request: Request) -> None:
        sock = request.upgrade(101, {"upgrade": "echo"})
        while (data := sock.receiveany(100)[0]) is not None:
            sock.send(data.upper())

    with serving(handler) as server, connect(server) as sock:
        sock.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nahead")
        answer, rest = read_answer(sock)
        assert answer.status == 101
        assert answer.headers == {"upgrade": "echo", "connection": "Upgrade"}
        assert rest + (sock.receive(5 - len(rest))[0] or b"") == b"AHEAD"
        sock.send(b"GET / HTTP/1.1\r\n\r\n")
        assert sock.receive(18)[0] == b"GET / HTTP/1.1\r\n\r\n".upper()


def test_a_tunnel_is_opened_for_connect() -> None:
    def handler(request: Request) -> None:
        sock = request.upgrade(200)
        sock.send(request.target.encode() + (sock.receive("*l")[0] or b""))

    with serving(handler) as server:
        data = talk(server, b"CONNECT there:443 HTTP/1.1\r\nHost: there:443\r\n\r\nhello\n")
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"content-length" not in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert body == b"there:443hello"


def test_connect_to_a_handler_that_knows_no_tunnels_is_a_501(caplog: pytest.LogCaptureFixture) -> None:
    with serving(returning("hello")) as server:
        found = answers(talk(server, b"CONNECT there:443 HTTP/1.1\r\nHost: there:443\r\n\r\n" + LAST), "CONNECT", "GET")
    assert [answer.status for answer in found] == [501, 200]
    assert not caplog.records


def test_an_upgrade_that_nobody_asked_for_is_a_400_and_the_connection_goes_on() -> None:
    def handler(request: Request) -> Any:
        return "last" if request.path == "/last" else request.upgrade()

    with serving(handler) as server:
        found = answers(talk(server, GET + LAST))
    assert [answer.status for answer in found] == [400, 200]


def test_an_offer_to_upgrade_may_be_ignored() -> None:
    data = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    with serving(returning("plain")) as server:
        found = answers(talk(server, data + LAST))
    assert [answer.body for answer in found] == [b"plain"] * 2


# -- addresses and TLS


def test_tls_is_served_and_ends_with_its_goodbye(certificates: Certificates) -> None:
    files = {"ssl_cert": certificates.issue("localhost"), "ssl_key": certificates.issue("localhost")}

    def handler(request: Request) -> Any:
        if request.path != "/fails":
            return request.scheme
        with request.respond() as response:
            response.send(request.scheme)
            lasa.sleep(0.01)
            raise KeyError("in the middle")

    with serving(handler, ssl=files) as server:
        assert server.url.startswith("https://127.0.0.1:")
        for asked, was_cut in ((OLD, False), (LAST, False), (OLD.replace(b"/", b"/fails", 1), True)):
            with connect(server, server_name="localhost", ca=certificates.ca) as sock:
                sock.send(asked)
                data, _, partial = sock.receive("*a")
                assert (data or partial or b"").endswith(b"https")
                assert sock.was_cut is was_cut
        url = server.url.replace("127.0.0.1", "localhost")
        assert curl("--cacert", certificates.ca, "--http1.1", url) == b"https"


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_plain_http_on_the_tls_port_is_told_so(
    method: str, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lasa.http.server")
    lines: list[Served] = []
    files = {"ssl_cert": certificates.issue("localhost")}
    with serving(returning("x"), ssl=files, access_log=lines.append) as server:
        [answer] = answers(talk(server, GET.replace(b"GET", method.encode()) + b"more" * 10_000))
        assert (answer.status, answer.body) == (400, b"400 Bad Request: this port speaks https\n")
        assert talk(server, LAST, server_name="localhost", ca=certificates.ca).endswith(b"x")
    assert [line.status for line in lines] == [400, 200]
    assert caplog.messages[0].endswith(": this port speaks https")


def test_a_handshake_that_fails_is_told_to_the_log(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lasa.http.server")
    with serving(returning("x"), ssl={"ssl_cert": certificates.issue("localhost")}) as server:
        with connect(server) as sock:
            assert sock.sslhandshake(False, server_name="localhost")[0] is None  # it does not know the authority
        with connect(server):
            pass
        while server.connections or len(caplog.messages) < 2:
            lasa.sleep(0.001)
    assert re.fullmatch(r"127\.0\.0\.1:\d+: TLS handshake failed: tlsv1 alert unknown ca", caplog.messages[0])
    assert caplog.messages[1].endswith("TLS handshake failed: closed")


def test_tls_on_the_plain_port_is_told_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lasa.http.server")
    with serving(returning("x")) as server, connect(server) as sock:
        assert sock.sslhandshake(False, server_name="localhost")[0] is None
    assert caplog.messages[0].endswith("TLS on a port that speaks http")


def test_a_certificate_without_its_key_says_what_is_missing(certificates: Certificates, tmp_path: Path) -> None:
    whole = Path(certificates.issue("localhost")).read_text()
    chain = tmp_path / "chain.pem"
    chain.write_text(whole[whole.index("-----BEGIN CERTIFICATE") :].partition("-----BEGIN PRIVATE")[0])
    with pytest.raises(ValueError, match=r"chain\.pem has no private key in it: ssl_key is missing"):
        http_server.new("127.0.0.1:0", ssl={"ssl_cert": str(chain)})
    with pytest.raises(ValueError, match="bad certificate, key or authorities: key values mismatch"):
        http_server.new("127.0.0.1:0", ssl={"ssl_cert": str(chain), "ssl_key": certificates.issue("other")})


def test_a_unix_path_is_served_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    with serving(lambda request: [request.peer[0], request.local[0]], f"unix:{path}") as server:
        assert server.address == (f"unix:{path}", None)
        [answer] = answers(talk(server, LAST))
        assert json.loads(answer.body) == ["unix:", f"unix:{path}"]
        again, err = http_server.new(f"unix:{path}")
        assert (again, err) == (None, "address already in use")
    assert not path.exists()


def test_a_request_names_both_ends_also_when_its_connection_is_over() -> None:
    seen: list[Request] = []

    def handler(request: Request) -> str:
        seen.append(request)
        return "x"

    with serving(handler) as server, connect(server) as sock:
        names = sock.getsockname(), sock.getpeername()
        sock.send(LAST)
        assert sock.receive("*a")[0]
    assert [(request.peer, request.local) for request in seen] == [names]


def test_a_stale_unix_path_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    left = lasa.socket.tcp()
    left.bind(f"unix:{path}")
    left.abort()
    assert path.exists()
    with serving(returning("x"), f"unix:{path}") as server:
        assert talk(server, LAST).endswith(b"x")


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (None, "expected, got NoneType"),
        (5, "expected, got int"),
        ("", "the port is missing"),
        ("127.0.0.1", "the port is missing"),
        ("127.0.0.1:x", "bad address"),
        ("127.0.0.1:80a", "bad address"),
        ("127.0.0.1:²", "bad address"),
        ("127.0.0.1:", "bad address"),
        ("127.0.0.1:99999", "bad port number: 99999"),
        ("http://127.0.0.1:0", "without http://"),
        ("a b:80", "invalid host"),
        ("[::1:80", "invalid host"),
        ("unix:", "no path"),
        ("unix:/" + "x" * 200, "too long path"),
        ({"host": "127.0.0.1:80", "port": 80}, "invalid port"),
        ({"host": "127.0.0.1", "port": 99999}, "bad port number"),
        ({"host": "127.0.0.1", "port": True}, "bad port number"),
        ({"host": "unix:/x", "port": 80}, "has no port"),
    ],
)
def test_an_address_that_is_none_is_a_mistake(where: Any, text: str) -> None:
    with nothing_left_open(), pytest.raises((TypeError, ValueError)) as caught:
        http_server.new(where)
    assert text in str(caught.value)


def test_host_and_port_may_be_given_apart() -> None:
    for server, err in (
        http_server.new("127.0.0.1", 0),
        http_server.new(host="127.0.0.1", port="0"),
        http_server.new(port=0, host="localhost"),
        http_server.new({"host": "::1", "port": 0}),
        http_server.new("", 0),
    ):
        assert server is not None, err
        assert server.address[0] in ("127.0.0.1", "::1", "0.0.0.0")
        assert server.stop() == (True, [])


@pytest.mark.parametrize(
    "options",
    [
        {"ssl": {"ssl_key": "x"}},
        {"ssl": {"ssl_cert": "/nowhere"}},
        {"ssl": {"ssl_cert": "x", "other": "y"}},
        {"access_log": "xml"},
        {"access_log": 5},
        {"max_body": 0},
        {"max_body": "many"},
        {"head_timeout_s": -1},
        {"max_bodies": 1},
    ],
)
def test_a_bad_option_is_a_mistake_and_leaves_nothing_open(options: dict[str, Any]) -> None:
    with nothing_left_open(), pytest.raises((TypeError, ValueError)):
        http_server.new("127.0.0.1:0", **options)


def test_options_come_as_a_mapping_too(certificates: Certificates) -> None:
    where = {"host": "127.0.0.1:0", "max_body": 5}
    server, err = http_server.new(where, ssl={"ssl_cert": certificates.issue("localhost")}, access_log=False)
    assert server is not None, err
    assert server.limits.max_body == 5
    assert server.url.startswith("https:")
    assert server.stop() == (True, [])


def test_an_address_in_use_is_told() -> None:
    with serving(returning("x")) as server:
        assert http_server.new(f"127.0.0.1:{server.address[1]}") == (None, "address already in use")
    assert http_server.new("192.0.2.1:80") == (None, "cannot assign requested address")


def test_a_request_may_be_answered_by_its_own_body() -> None:
    with serving(lambda request: (200, {}, request.body)) as server, connect(server) as sock:
        sock.send(CHUNKED)
        data = b""
        for piece in (b"first", b"second"):
            sock.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            while piece not in data:
                data += sock.receiveany(1000)[0] or b""
        sock.send(b"0\r\n\r\n" + LAST)
        answer, rest = read_answer(sock, already=data)
        assert answer.body == b"firstsecond"
        assert read_answer(sock, already=rest)[0].body == b""
