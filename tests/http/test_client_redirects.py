from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Certificates
from tests.http.client_tools import (
    OK,
    Peer,
    Wire,
    answering,
    clean,
    error_of,
    get,
    header_of,
    idle_connections,
    in_use,
    new_client,
    peer,
    read_pieces,
    recording,
    redirect,
    sized,
    tls_context,
)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    with clean():
        yield


def noting(seen: list[tuple[bytes, bytes]], *answers: bytes) -> Any:
    """A script that notes requests; each gets the next answer, the last one again and again."""

    def script(wire: Wire) -> None:
        while True:
            request = wire.request()
            if not request[0]:
                return
            seen.append(request)
            wire.send(answers[min(len(seen), len(answers)) - 1])

    return script


@pytest.mark.parametrize(
    ("code", "method", "next_method", "keeps_body"),
    [
        (301, "GET", "GET", False),
        (301, "HEAD", "HEAD", False),
        (301, "POST", "GET", False),
        (301, "PUT", "PUT", True),
        (301, "DELETE", "DELETE", False),
        (302, "POST", "GET", False),
        (302, "PATCH", "PATCH", True),
        (303, "POST", "GET", False),
        (303, "PUT", "GET", False),
        (303, "DELETE", "GET", False),
        (303, "HEAD", "HEAD", False),
        (307, "POST", "POST", True),
        (307, "GET", "GET", False),
        (308, "PUT", "PUT", True),
    ],
)
def test_the_next_request_has_the_method_and_body_that_rfc_9110_gives_it(
    code: int, method: str, next_method: str, keeps_body: bool
) -> None:
    has_body = method in ("POST", "PUT", "PATCH")
    seen: list[tuple[bytes, bytes]] = []
    last = sized(b"")
    with peer(noting(seen, redirect("/next?q", code), last)) as server:
        headers = {"Content-Type": "text/x", "X-Mine": "1"}
        body = b"data" if has_body else None
        response = get(f"{server.url}/first", method=method, body=body, headers=headers, follow_redirects=1)
        assert (response.code, response.url, response.method) == (200, f"{server.url}/next?q", next_method)
        assert server.connections == 1
    assert seen[1][0].startswith(f"{next_method} /next?q HTTP/1.1\r\n".encode())
    assert seen[1][1] == (b"data" if keeps_body else b"")
    assert header_of(seen[1], b"x-mine") == [b"1"]
    if has_body:
        assert header_of(seen[1], b"content-type") == ([b"text/x"] if keeps_body else [])


def test_the_history_has_each_answer_on_the_way() -> None:
    seen: list[tuple[bytes, bytes]] = []
    with peer(noting(seen, redirect("/b", 301), redirect("c", 307), redirect("../d#f", 308), OK)) as server:
        response = get(f"{server.url}/x/a", follow_redirects=3)
        assert [(one.code, one.url) for one in response.history] == [
            (301, f"{server.url}/x/a"),
            (307, f"{server.url}/b"),
            (308, f"{server.url}/c"),
        ]
        assert response.history[0].headers["location"] == "/b"
        assert response.url == f"{server.url}/d"


def test_as_many_redirects_are_followed_as_are_allowed() -> None:
    with peer(answering(redirect("/again"))) as server:
        for most in (1, 3):
            assert error_of(server.url, follow_redirects=most) == "too many redirects"
            assert in_use() == {}
        assert get(server.url).code == 302
        assert get(server.url, follow_redirects=0).code == 302


@pytest.mark.parametrize(
    "answer", [redirect("/x", 300), redirect("/x", 304), redirect("", 302), sized(b"", status=b"302 x")]
)
def test_what_is_no_redirect_to_follow_is_the_answer(answer: bytes) -> None:
    with peer(answering(answer)) as server:
        assert get(server.url, follow_redirects=5).code in (300, 302, 304)


@pytest.mark.parametrize(
    "location",
    ["http://", "ftp://a.example/", "http://a b/", "http://exa mple/", "//", "http://a.example:99999/", "javascript:x"],
)
def test_a_location_that_leads_nowhere_is_an_error(location: str) -> None:
    with peer(answering(redirect(location))) as server:
        assert error_of(server.url, follow_redirects=5) == f"bad redirect: {location}"
        assert in_use() == {}


def test_two_locations_lead_nowhere_unless_they_are_the_same() -> None:
    with peer(answering(sized(b"", b"Location: /a", b"Location: /b", status=b"302 X"))) as server:
        assert error_of(server.url, follow_redirects=5) == "bad redirect: /a /b"
        assert get(server.url).code == 302
    with peer(answering(sized(b"", b"Location: /a", b"Location: /a", status=b"302 X"), sized(b"ok"))) as server:
        assert get(server.url, follow_redirects=5).url == f"{server.url}/a"


def test_relative_locations_are_resolved_and_never_sent_raw() -> None:
    seen: list[tuple[bytes, bytes]] = []
    with peer(noting(seen, redirect("?x=ä y"), redirect("./b/../c%0d%0aX: y"), OK)) as server:
        get(f"{server.url}/p/a?b", follow_redirects=2)
    assert seen[1][0].startswith(b"GET /p/a?x=%E4%20y HTTP/1.1\r\n")
    assert seen[2][0].startswith(b"GET /p/c%0d%0aX:%20y HTTP/1.1\r\n")


def credentials() -> dict[str, Any]:
    return {
        "headers": {"Authorization": "Custom secret", "Cookie": "a=secret", "Host": "first.example", "X-Mine": "1"},
        "follow_redirects": 3,
    }


def test_credentials_stay_with_their_origin() -> None:
    with recording() as second:
        seen: list[tuple[bytes, bytes]] = []
        with peer(noting(seen, redirect("/here"), redirect(f"{second.url}/there"))) as first:
            get(first.url, **credentials())
    assert header_of(seen[1], b"authorization") == [b"Custom secret"]
    assert header_of(seen[1], b"cookie") == [b"a=secret"]
    assert header_of(seen[1], b"host") == [b"first.example"]
    there = second.requests[0]
    assert b"secret" not in there[0]
    assert header_of(there, b"host") == [second.url.removeprefix("http://").encode()]
    assert header_of(there, b"x-mine") == [b"1"]


@pytest.mark.parametrize("auth", [("user", "secret"), "token.of.secret"])
def test_the_option_auth_stays_with_its_origin_and_does_not_come_back(auth: Any) -> None:
    seen: list[tuple[bytes, bytes]] = []
    back: list[tuple[bytes, bytes]] = []

    def script(wire: Wire) -> None:
        noting(seen, redirect(f"{second.url}/there"), OK)(wire)

    with peer(lambda wire: noting(back, redirect(f"{first.url}/back"))(wire)) as second, peer(script) as first:
        assert get(first.url, auth=auth, follow_redirects=3).body == b"ok"
    assert len(header_of(seen[0], b"authorization")) == 1
    assert header_of(back[0], b"authorization") == []
    assert header_of(seen[1], b"authorization") == []


def test_a_password_in_the_url_stays_with_its_origin_and_out_of_the_response() -> None:
    seen: list[tuple[bytes, bytes]] = []
    with recording() as second, peer(noting(seen, redirect("/x"), redirect(second.url))) as first:
        response = get(first.url.replace("://", "://user:secret@"), follow_redirects=3)
        assert "secret" not in response.url
        assert all("secret" not in one.url for one in response.history)
    assert header_of(seen[0], b"authorization") == header_of(seen[1], b"authorization") != []
    assert header_of(second.requests[0], b"authorization") == []


def test_nobody_else_says_as_whom_we_come() -> None:
    with recording() as second, peer(answering(redirect(second.url.replace("://", "://user:pass@")))) as first:
        get(first.url, follow_redirects=1)
    assert header_of(second.requests[0], b"authorization") == []


def test_cookies_of_a_redirect_are_kept_and_sent_where_they_belong() -> None:
    seen: list[tuple[bytes, bytes]] = []
    answer = redirect("/next").replace(b"Location", b"Set-Cookie: a=1\r\nLocation")
    with peer(noting(seen, answer, OK)) as server:
        hc = new_client(cookies={}, follow_redirects=2)
        get(server.url, hc=hc)
    assert header_of(seen[1], b"cookie") == [b"a=1"]


def test_https_does_not_lead_to_http_unless_that_is_allowed(certificates: Certificates) -> None:
    context = tls_context(certificates.issue("localhost"))
    with recording() as plain, peer(answering(redirect(plain.url)), tls=context) as safe:
        url = f"https://localhost:{safe.port}/"
        hc = new_client(ssl_ca=certificates.ca, follow_redirects=2)
        assert error_of(url, hc=hc) == "redirect from https to http refused"
        assert plain.connections == 0
        assert get(url, hc=hc, allow_downgrade=True).body == b"ok"


def test_a_body_that_is_used_up_cannot_follow_a_redirect() -> None:
    with peer(answering(redirect("/x", 307))) as server:
        response = get(server.url, body=iter([b"data"]), follow_redirects=2)
        assert (response.code, response.history) == (307, ())


def test_a_file_follows_a_redirect_from_its_start() -> None:
    seen: list[tuple[bytes, bytes]] = []
    with peer(noting(seen, redirect("/x", 308), OK)) as server:
        get(server.url, body=io.BytesIO(b"data"), follow_redirects=2)
    assert [body for _, body in seen] == [b"data", b"data"]


def test_the_last_answer_can_be_streamed() -> None:
    with peer(noting([], redirect("/x"), sized(b"data"))) as server:
        _, response, reader = new_client(follow_redirects=1).request(url=server.url, stream=True)
        assert response.code == 200
        assert read_pieces(reader) == (b"data", None)
        assert idle_connections() == 1


@pytest.mark.parametrize("size", [100, 1_000_000])
def test_the_body_of_a_redirect_is_read_away_or_its_connection_closed(size: int) -> None:
    long = redirect("/x").replace(b"Content-Length: 0", b"Content-Length: %d" % size) + b"x" * size
    with peer(noting([], long, OK), answering(OK)) as server:
        assert get(server.url, follow_redirects=1).body == b"ok"
        assert server.connections == (1 if size == 100 else 2)
        assert idle_connections() == 1


def test_a_redirect_with_an_endless_body_does_not_hold_the_request_up() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            wire.send(b"400\r\n" + b"x" * 1024 + b"\r\n")

    with peer(script, answering(OK)) as server:
        assert get(server.url, follow_redirects=1).body == b"ok"


def test_a_redirect_whose_body_breaks_is_followed_all_the_same() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(redirect("/x").replace(b"Content-Length: 0", b"Content-Length: 10"))

    with peer(script, answering(OK)) as server:
        assert get(server.url, follow_redirects=1).body == b"ok"


def test_a_redirect_into_a_unix_socket_is_refused(tmp_path: Any) -> None:
    with peer(answering(redirect(f"http://unix:{tmp_path}/s:/x"))) as server:
        assert error_of(server.url, follow_redirects=1).startswith("bad redirect: ")


def test_headers_of_the_client_go_along() -> None:
    second: Peer
    with recording() as second, peer(answering(redirect(second.url))) as first:
        get(first.url, hc=new_client(headers={"X-Client": "1", "Authorization": "x secret"}, follow_redirects=1))
    assert header_of(second.requests[0], b"x-client") == [b"1"]
    assert header_of(second.requests[0], b"authorization") == []
