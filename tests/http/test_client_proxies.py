"""The client behind proxies: a real one, made of lasa's server and cosockets, and scripted ones that misbehave."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import lasa
from lasa import socket, thread
from lasa.http import client
from lasa.socket import TcpSocket
from tests.conftest import Certificates
from tests.http.client_tools import (
    OK,
    Wire,
    answer_and_close,
    answering,
    clean,
    close_idle,
    error_of,
    get,
    header_of,
    idle_connections,
    new_client,
    peer,
    read_pieces,
    recording,
    silent,
    sized,
    tls_context,
)
from tests.http.tools import serving

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD")
BASIC = "Basic " + b64encode(b"user:pass word").decode()


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with clean():
        yield


class ForwardProxy:
    """A forward proxy.

    Attributes:
        seen: method, target and Proxy-Authorization of each request.
    """

    def __init__(self, *, asks_for: str | None = None) -> None:
        self.asks_for = asks_for
        self.seen: list[tuple[str, str, str | None]] = []

    def __call__(self, request: Any) -> Any:
        shown = request.headers.get("proxy-authorization")
        self.seen.append((request.method, request.target, shown))
        if self.asks_for is not None and shown != self.asks_for:
            return 407, {"proxy-authenticate": "Basic"}, "who are you?"
        if request.method == "CONNECT":
            return self._tunnel(request)
        headers = [(name, value) for name, value in request.headers.items() if not name.lower().startswith("proxy-")]
        body = request.read()
        hc = new_client(decode=False, keepalive=0)
        ok, answer, _ = hc.request(
            url=request.target,
            method=request.method,
            headers=dict([*headers, ("Via", "1.1 test")]),
            body=body or None,
        )
        if not ok:
            return 502, {}, str(answer)
        return answer.code, {"via": "1.1 test"}, answer.read()

    def _tunnel(self, request: Any) -> Any:
        host, _, port = request.target.rpartition(":")
        far, err = socket.connect("127.0.0.1" if host.endswith(".example") else host.strip("[]"), int(port))
        if far is None:
            return 502, {}, err
        near = request.upgrade(200)
        back = thread.spawn(pump, far, near)
        pump(near, far)
        thread.wait(back)
        return None


def pump(source: TcpSocket, sink: TcpSocket) -> None:
    """Copy until either side ends."""
    while True:
        data, _, _ = source.receiveany(65536)
        if not data or sink.send(data)[0] is None:
            break
    source.abort()
    sink.abort()


@contextmanager
def forward_proxy(certificate: str | None = None, *, asks_for: str | None = None) -> Iterator[tuple[str, ForwardProxy]]:
    """A proxy's URL, and what it has seen."""
    proxy = ForwardProxy(asks_for=asks_for)
    options: dict[str, Any] = {} if certificate is None else {"ssl": {"ssl_cert": certificate}}
    with serving(proxy, **options) as server:
        yield f"{'http' if certificate is None else 'https'}://localhost:{server.address[1]}", proxy
        close_idle()  # tunnels end with their connections


@pytest.fixture
def secure(certificates: Certificates) -> Iterator[Any]:
    """A TLS server that answers each request with its head."""

    def script(wire: Wire) -> None:
        while head := wire.request()[0]:
            wire.send(sized(head))

    with peer(script, tls=tls_context(certificates.issue("localhost", "some.example"))) as server:
        yield server


# http through a proxy


def test_http_goes_through_a_proxy_with_its_whole_url() -> None:
    with recording() as server, forward_proxy() as (url, proxy):
        hc = new_client(proxy=url)
        for _ in range(2):
            assert get(f"{server.url}/a?b", hc=hc, headers={"X-Foo": "bar"}).body == b"ok"
        assert idle_connections() == 1
        assert get(server.url, hc=hc, body=b"data").headers["via"] == "1.1 test"
    assert proxy.seen[0] == ("GET", f"{server.url}/a?b", None)
    request = server.requests[0]
    assert header_of(request, b"host") == [server.url.removeprefix("http://").encode()]
    assert header_of(request, b"x-foo") == [b"bar"]
    assert header_of(request, b"via") == [b"1.1 test"]
    assert server.requests[2][1] == b"data"


def test_all_origins_behind_a_proxy_share_its_connections_for_http() -> None:
    with peer(answering(OK)) as proxy:
        hc = new_client(proxy=proxy.url)
        get("http://a.example/", hc=hc)
        get("http://b.example/", hc=hc)
        assert proxy.connections == 1


def test_the_proxys_word_is_an_answer_like_any_other() -> None:
    with forward_proxy() as (url, _), recording() as gone:
        pass
    with forward_proxy() as (url, _):
        response = get(gone.url, proxy=url)
        assert (response.code, response.body) == (502, b"connection refused")


def test_a_proxy_that_asks_for_a_password_gets_the_one_in_its_url() -> None:
    with recording() as server, forward_proxy(asks_for=BASIC) as (url, proxy):
        assert get(server.url, proxy=url).code == 407
        assert get(server.url, proxy=url.replace("://", "://user:pass%20word@")).body == b"ok"
    assert [shown for _, _, shown in proxy.seen] == [None, BASIC]
    assert header_of(server.requests[0], b"proxy-authorization") == []


def test_http_through_a_tls_proxy(certificates: Certificates) -> None:
    with recording() as server, forward_proxy(certificates.issue("localhost")) as (url, proxy):
        hc = new_client(proxy=url, ssl_ca=certificates.ca)
        assert get(f"{server.url}/x", hc=hc).body == b"ok"
        assert proxy.seen == [("GET", f"{server.url}/x", None)]
        assert error_of(f"{server.url}/x", proxy=url).startswith("ssl handshake failed: ")


# https through a proxy


def test_https_goes_through_a_tunnel_that_is_kept(secure: Any, certificates: Certificates) -> None:
    with forward_proxy() as (url, proxy):
        hc = new_client(proxy=url, ssl_ca=certificates.ca)
        for _ in range(3):
            body = get(f"https://localhost:{secure.port}/a?b", hc=hc, headers={"X-Foo": "bar"}).body
            assert body is not None
            assert body.startswith(b"GET /a?b HTTP/1.1\r\n")
            assert b"X-Foo: bar" in body
        assert proxy.seen == [("CONNECT", f"localhost:{secure.port}", None)]
        assert idle_connections() == 1


def test_the_server_behind_a_tunnel_is_verified(secure: Any, certificates: Certificates) -> None:
    with forward_proxy() as (url, _):
        err = error_of(f"https://localhost:{secure.port}/", proxy=url)
        assert err.startswith("ssl handshake failed: ")
        err = error_of(f"https://other.example:{secure.port}/", proxy=url, ssl_ca=certificates.ca)
        assert err.startswith("ssl handshake failed: ")
        assert get(f"https://some.example:{secure.port}/", proxy=url, ssl_ca=certificates.ca).code == 200


def test_each_origin_has_a_tunnel_of_its_own(secure: Any, certificates: Certificates) -> None:
    with forward_proxy() as (url, proxy):
        hc = new_client(proxy=url, ssl_ca=certificates.ca)
        for _ in range(2):
            get(f"https://localhost:{secure.port}/", hc=hc)
            get(f"https://some.example:{secure.port}/", hc=hc)
        assert [target for _, target, _ in proxy.seen] == [
            f"localhost:{secure.port}",
            f"some.example:{secure.port}",
        ]


def test_the_proxys_password_stays_outside_the_tunnel(secure: Any, certificates: Certificates) -> None:
    with forward_proxy(asks_for=BASIC) as (url, proxy):
        target = f"https://localhost:{secure.port}/"
        assert error_of(target, proxy=url, ssl_ca=certificates.ca) == "proxy refused: 407"
        with_password = url.replace("://", "://user:pass%20word@")
        body = get(target, proxy=with_password, ssl_ca=certificates.ca, auth=("me", "secret")).body
        assert body is not None
        assert b"proxy-authorization" not in body.lower()
        assert b"\r\nAuthorization: " in body
    assert proxy.seen[1][2] == BASIC


def test_tls_inside_tls(secure: Any, certificates: Certificates) -> None:
    with forward_proxy(certificates.issue("localhost")) as (url, proxy):
        hc = new_client(proxy=url, ssl_ca=certificates.ca)
        for _ in range(2):
            assert get(f"https://some.example:{secure.port}/", hc=hc).code == 200
        assert get(f"https://some.example:{secure.port}/", hc=hc, body=b"x" * 300_000).code == 200
        assert proxy.seen == [("CONNECT", f"some.example:{secure.port}", None)]
        err = error_of(f"https://other.example:{secure.port}/", hc=hc)
        assert err.startswith("ssl handshake failed: ")


def test_large_bodies_pass_through_a_tunnel(certificates: Certificates) -> None:
    data = bytes(range(256)) * 4096

    def handler(request: Any) -> Any:
        return 200, {}, request.read()

    options: dict[str, Any] = {"ssl": {"ssl_cert": certificates.issue("localhost")}}
    with serving(handler, **options) as server, forward_proxy(certificates.issue("localhost")) as (url, _):
        hc = new_client(proxy=url, ssl_ca=certificates.ca)
        target = f"https://localhost:{server.address[1]}/"
        assert get(target, hc=hc, body=data).body == data
        assert get(target, hc=hc, body=iter([data[:1000], data[1000:]])).body == data
        close_idle()


def test_an_ipv6_address_is_asked_for_in_brackets() -> None:
    heads: list[bytes] = []

    def script(wire: Wire) -> None:
        heads.append(wire.head())
        wire.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with peer(script) as proxy:
        assert error_of("https://[2001:db8::1]/", proxy=proxy.url) == "proxy refused: 403"
    assert heads[0].startswith(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n")


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5, 6\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n",
        b"Folded: 1\n 2\r\n",
    ],
)
@pytest.mark.parametrize("status_line", [b"HTTP/1.1 200 OK", b"HTTP/1.0 200 Established", b"HTTP/1.1 299"])
def test_a_tunnel_begins_behind_the_proxys_head_whatever_it_says_of_a_length(fields: bytes, status_line: bytes) -> None:
    def script(wire: Wire) -> None:
        assert wire.head().startswith(b"CONNECT ")
        wire.send(status_line + b"\r\n" + fields + b"\r\n")
        wire.until(b"\x16\x03")  # TLS begins
        wire.send(b"\x15\x03\x03\x00\x02\x02\x28")

    with peer(script) as proxy:
        for err in (
            error_of("https://some.example/", proxy=proxy.url),
            lasa.websocket.client.connect("wss://some.example/", proxy=proxy.url)[1],
        ):
            assert err is not None
            assert err.startswith("ssl handshake failed: ")


# Proxies that misbehave


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (sized(b"no", status=b"403 Forbidden"), "proxy refused: 403"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + sized(b"", status=b"502 Bad Gateway"), "proxy refused: 502"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://x.example/\r\nContent-Length: 0\r\n\r\n", "proxy refused: 302"),
        (b"", "closed"),
        (b"HTTP/1.1 200", "closed"),
        (b"SSH-2.0-nonsense\r\n\r\n", "bad status line"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "head too large"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", None),
    ],
)
def test_a_proxy_that_opens_no_tunnel_is_reported(answer: bytes, word: str | None) -> None:
    with peer(answer_and_close(answer)) as proxy:
        err = error_of("https://some.example/", proxy=proxy.url, follow_redirects=5)
        if word is not None:
            assert err == word
        assert idle_connections() == 0


def test_a_proxy_that_never_answers_ends_in_a_timeout() -> None:
    with peer(silent) as proxy:
        for options in ({"timeout": 0.03}, {"read": 0.03}):
            assert error_of("https://some.example/", proxy=proxy.url, **options) == "timeout"


def test_interim_answers_of_a_proxy_do_not_go_on_for_ever() -> None:
    def script(wire: Wire) -> None:
        wire.head()
        while True:
            wire.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    with peer(script) as proxy:
        err = error_of("https://some.example/", proxy=proxy.url, timeout=2)
        assert err == "too many informational responses"


def test_a_proxy_that_is_not_there_is_reported() -> None:
    with peer(silent) as gone:
        pass
    for url in ("http://some.example/", "https://some.example/"):
        assert error_of(url, proxy=gone.url) == "connection refused"


# Which proxy


def test_the_environment_names_proxies_unless_the_caller_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with recording() as direct, recording() as first, recording() as second:
        monkeypatch.setenv("http_proxy", first.url)
        monkeypatch.setenv("no_proxy", "exempt.example,127.0.0.1")
        hc, _ = client.new(addresses={"exempt.example": "127.0.0.1"})
        get("http://some.example/", hc=hc)
        get(f"http://exempt.example:{direct.port}/", hc=hc)
        get(direct.url, hc=hc)
        get("http://some.example/", hc=hc, proxy=second.url)
        get(f"{direct.url}/", hc=hc, proxy=second.url)
        get(direct.url, hc=hc, proxy=False)
        get("http://some.example/", hc=hc, proxy={"http": second.url, "no": "exempt.example"})
    assert (len(first.requests), len(direct.requests), len(second.requests)) == (1, 3, 3)


def test_a_mapping_without_the_scheme_means_no_proxy() -> None:
    with recording() as direct, recording() as proxy:
        get(direct.url, proxy={"https": proxy.url})
        get(direct.url, proxy={"all": proxy.url})
    assert (len(direct.requests), len(proxy.requests)) == (1, 1)


def test_a_unix_socket_needs_no_proxy(tmp_path: Any) -> None:
    with peer(answering(OK), address=f"{tmp_path}/s"), recording() as proxy:
        assert get(f"http://unix:{tmp_path}/s:/x", proxy=proxy.url).body == b"ok"
    assert proxy.requests == []


def test_a_proxys_connections_are_not_mixed_with_direct_ones() -> None:
    with recording() as both:
        get(both.url)
        get(both.url, proxy=both.url)
        get(both.url, proxy=both.url.replace("://", "://user:pass@"))
        assert both.connections == 3
    whole = f"{both.url}/".encode()
    assert [request[0].split(b" ")[1] for request in both.requests] == [b"/", whole, whole]
    assert [header_of(request, b"proxy-authorization") for request in both.requests[:2]] == [[], []]
    assert len(header_of(both.requests[2], b"proxy-authorization")) == 1


def test_credentials_of_the_proxy_do_not_follow_a_redirect_away_from_it() -> None:
    with recording() as direct:
        answer = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % direct.url.encode()
        with recording(answer) as proxy:
            options = {"http": proxy.url.replace("://", "://user:secret@"), "no": "127.0.0.1"}
            get("http://some.example/", proxy=options, follow_redirects=1)
    assert len(header_of(proxy.requests[0], b"proxy-authorization")) == 1
    assert header_of(direct.requests[0], b"proxy-authorization") == []


def test_a_stream_through_a_tunnel_can_be_left_half_way(certificates: Certificates) -> None:
    def handler(request: Any) -> Any:
        with request.respond(200) as response:
            while True:
                response.send(b"x" * 10_000)

    options: dict[str, Any] = {"ssl": {"ssl_cert": certificates.issue("localhost")}}
    with serving(handler, **options) as server, forward_proxy() as (url, _):
        hc = new_client(proxy=url, ssl_ca=certificates.ca)
        _, response, reader = hc.request(url=f"https://localhost:{server.address[1]}/", stream=True)
        assert reader().body
        response.close()
        assert read_pieces(reader) == (b"", "closed")
        assert idle_connections() == 0
