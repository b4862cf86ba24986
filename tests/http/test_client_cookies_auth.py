from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from http.cookiejar import CookieJar
from typing import Any

import pytest

from tests.conftest import Certificates
from tests.http.client_tools import (
    answering,
    clean,
    get,
    header_of,
    new_client,
    peer,
    recording,
    sized,
    tls_context,
)
from tests.http.tools import serving


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    with clean():
        yield


def basic(pair: str) -> bytes:
    return b"Basic " + b64encode(pair.encode())


# Cookies


def test_a_client_without_a_jar_keeps_no_cookies() -> None:
    with recording(sized(b"", b"Set-Cookie: a=1")) as server:
        hc = new_client()
        for _ in range(2):
            get(server.url, hc=hc)
    assert header_of(server.requests[1], b"cookie") == []


def test_cookies_come_back_where_they_belong_until_they_are_deleted() -> None:
    def handler(request: Any) -> Any:
        sent = request.headers.get("cookie", "")
        cookies = {"/set": ["a=1; Path=/", "b=2; Path=/deep"], "/delete": ["a=; Max-Age=0; Path=/"]}
        return 200, {"set-cookie": cookies.get(request.path, [])}, sent

    with serving(handler) as server:
        hc = new_client(cookies={})
        assert get(f"{server.url}/set", hc=hc).body == b""
        assert get(f"{server.url}/", hc=hc).body == b"a=1"
        assert set(get(f"{server.url}/deep/x", hc=hc).text().split("; ")) == {"a=1", "b=2"}
        get(f"{server.url}/delete", hc=hc)
        assert get(f"{server.url}/", hc=hc).body == b""
        assert get(f"{server.url}/set").body == b""  # another client


def test_cookies_of_a_mapping_go_to_the_first_host_only() -> None:
    with recording() as server:
        hc = new_client(cookies={"a": "1"}, addresses={"other.example": "127.0.0.1"})
        get(server.url, hc=hc)
        get(f"http://other.example:{server.port}/", hc=hc)
        get(server.url, hc=hc)
    assert [header_of(request, b"cookie") for request in server.requests] == [[b"a=1"], [], [b"a=1"]]


def test_a_jar_of_the_callers_is_used_and_filled() -> None:
    jar = CookieJar()
    with recording(sized(b"", b"Set-Cookie: a=1")) as server:
        get(server.url, cookies=jar)
        get(server.url, hc=new_client(cookies=jar))
    assert [cookie.value for cookie in jar] == ["1"]
    assert header_of(server.requests[1], b"cookie") == [b"a=1"]


def test_a_cookie_header_of_the_caller_replaces_the_jars() -> None:
    with recording() as server:
        get(server.url, cookies={"a": "1"}, headers={"Cookie": "mine=2"})
    assert header_of(server.requests[0], b"cookie") == [b"mine=2"]


def test_secure_cookies_are_not_sent_over_http(certificates: Certificates) -> None:
    context = tls_context(certificates.issue("localhost"))
    answer = sized(b"", b"Set-Cookie: safe=1; Secure", b"Set-Cookie: any=2")
    hc = new_client(cookies={}, ssl_ca=certificates.ca)
    with recording() as plain, peer(answering(answer), tls=context) as safe:
        get(f"https://localhost:{safe.port}/", hc=hc)
        get(f"http://localhost:{plain.port}/", hc=hc)
    assert header_of(plain.requests[0], b"cookie") == [b"any=2"]


def test_cookies_with_odd_bytes_do_no_harm() -> None:
    odd = [b"Set-Cookie: a=\xff", b"Set-Cookie: =", b"Set-Cookie: " + b"x" * 5000, b"Set-Cookie: b=1; Expires=never"]
    with recording(sized(b"", *odd)) as server:
        hc = new_client(cookies={})
        for _ in range(2):
            assert get(server.url, hc=hc).code == 200


# Passwords and tokens


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (("user", "pass"), basic("user:pass")),
        (("", ""), basic(":")),
        (("ä", "€:"), basic("ä:€:")),
        ("abc.DEF-123_~+/==", b"Bearer abc.DEF-123_~+/=="),
    ],
)
def test_auth_is_basic_for_a_pair_and_bearer_for_a_token(auth: Any, header: bytes) -> None:
    with recording() as server:
        get(server.url, auth=auth)
        get(server.url, hc=new_client(auth=auth))
        get(server.url, hc=new_client(auth=auth), auth=None)
    assert [header_of(request, b"authorization") for request in server.requests] == [[header], [header], []]


def test_user_and_password_may_stand_in_the_url() -> None:
    with recording() as server:
        url = server.url.replace("://", "://us%20er:p%40ss@")
        response = get(url)
        assert response.url == f"{server.url}/"
        get(url, auth="token")
        get(url, headers={"Authorization": "mine"})
    assert [header_of(request, b"authorization") for request in server.requests] == [
        [basic("us er:p@ss")],
        [b"Bearer token"],
        [b"mine"],
    ]


def test_none_leaves_the_automatic_authorization_out() -> None:
    with recording() as server:
        get(server.url, hc=new_client(auth="token"), headers={"Authorization": None})
    assert header_of(server.requests[0], b"authorization") == []


def test_a_server_that_asks_for_a_password_gets_one() -> None:
    def handler(request: Any) -> Any:
        if request.headers.get("authorization") == basic("user:pass").decode():
            return 200, {}, "in"
        return 401, {"www-authenticate": 'Basic realm="x"'}, "out"

    with serving(handler) as server:
        assert get(server.url).code == 401
        assert get(server.url, auth=("user", "pass")).body == b"in"


def test_requests_of_different_users_share_connections_but_no_credentials() -> None:
    with recording() as server:
        get(server.url, auth=("a", "1"))
        get(server.url, auth=("b", "2"))
        get(server.url)
        assert server.connections == 1
    assert [header_of(request, b"authorization") for request in server.requests] == [[basic("a:1")], [basic("b:2")], []]
