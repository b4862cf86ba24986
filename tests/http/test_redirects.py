from __future__ import annotations

import pytest

from lasa.errors import SocketError
from lasa.http._client.redirects import Redirect, plan_redirect
from lasa.http._wire.target import parse_target

BASE = parse_target("http://a/b")


def plan(code: int, method: str = "GET", location: str = "/c", url: str = "http://a/b") -> Redirect:
    redirect = plan_redirect(code, method, parse_target(url), location)
    assert redirect is not None
    return redirect


@pytest.mark.parametrize("code", [200, 201, 204, 300, 304, 305, 306, 309, 400, 500])
def test_other_statuses_are_no_redirects(code: int) -> None:
    assert plan_redirect(code, "GET", BASE, "/c") is None


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", [None, ""])
def test_without_a_location_there_is_nothing_to_follow(code: int, location: str | None) -> None:
    assert plan_redirect(code, "GET", BASE, location) is None


@pytest.mark.parametrize(
    ("code", "method", "next_method", "keeps_body"),
    [
        *[(code, "GET", "GET", True) for code in (301, 302, 307, 308)],
        *[(code, "HEAD", "HEAD", True) for code in (301, 302, 307, 308)],
        *[(code, "PUT", "PUT", True) for code in (301, 302, 307, 308)],
        *[(code, "DELETE", "DELETE", True) for code in (301, 302, 307, 308)],
        *[(code, "post", "post", True) for code in (301, 302, 307, 308)],
        (301, "POST", "GET", False),
        (302, "POST", "GET", False),
        (307, "POST", "POST", True),
        (308, "POST", "POST", True),
        (303, "GET", "GET", False),
        (303, "HEAD", "HEAD", False),
        (303, "POST", "GET", False),
        (303, "PUT", "GET", False),
    ],
)
def test_status_and_method_decide_what_is_sent(code: int, method: str, next_method: str, keeps_body: bool) -> None:
    redirect = plan(code, method)
    assert (redirect.method, redirect.keeps_body) == (next_method, keeps_body)
    assert redirect.target.url == "http://a/c"


def test_headers_about_the_body_go_with_the_body() -> None:
    dropped = plan(303, "POST").drops
    for name in ("type", "length", "encoding", "language", "location", "range", "md5", "digest", "disposition"):
        assert f"content-{name}" in dropped
    assert {"transfer-encoding", "expect", "digest", "repr-digest", "trailer", "last-modified"} <= dropped
    assert not {"accept", "authorization", "cookie", "host", "user-agent"} & dropped
    assert plan(307, "POST").drops == frozenset()


@pytest.mark.parametrize(
    ("url", "location", "is_same"),
    [
        ("http://a/b", "/c", True),
        ("http://a/b", "http://A:80/c", True),
        ("http://a/b", "http://b/c", False),
        ("http://a/b", "http://a:81/c", False),
        ("http://a/b", "https://a/c", False),
        ("http://a/b", "http://a./c", False),
        ("http://a/b", "http://sub.a/c", False),
        ("http://unix:/s:/b", "/c", True),
        ("http://unix:/s:/b", "http://localhost/c", True),
        ("http://unix:/s:/b", "http://localhost:81/c", False),
        ("http://u:p@a/b", "//c/d", False),
        ("http://[fe80::1%25a]/b", "http://[fe80::1%25b]/c", False),
    ],
)
def test_credentials_stay_behind_when_scheme_host_or_port_change(url: str, location: str, is_same: bool) -> None:
    redirect = plan(307, "POST", location, url)
    secret = frozenset({"authorization", "cookie", "cookie2", "host", "origin", "proxy-authorization"})
    assert redirect.drops == (frozenset() if is_same else secret)
    assert redirect.target.userinfo == (parse_target(url).userinfo if is_same else None)


def test_both_kinds_of_headers_are_dropped_together() -> None:
    assert {"authorization", "content-type"} <= plan(303, "POST", "http://b/").drops


@pytest.mark.parametrize(
    ("url", "location", "userinfo"),
    [
        ("http://u:p@a/", "/c", ("u", "p")),
        ("http://u:p@a/", "http://a/c", ("u", "p")),
        ("http://u:p@a/", "http://v:q@a/c", ("u", "p")),
        ("http://a/", "http://v:q@a/c", None),
        ("http://u:p@a/", "http://v:q@b/c", None),
    ],
)
def test_no_server_says_as_whom_we_come(url: str, location: str, userinfo: tuple[str, str] | None) -> None:
    assert plan(302, "GET", location, url).target.userinfo == userinfo


def test_from_https_to_http_is_refused_unless_allowed() -> None:
    target = parse_target("https://a/")
    with pytest.raises(SocketError) as caught:
        plan_redirect(302, "GET", target, "http://a/c")
    assert caught.value.reason == "redirect from https to http refused"
    allowed = plan_redirect(302, "GET", target, "http://a/c", allow_downgrade=True)
    assert allowed is not None
    assert "authorization" in allowed.drops
    assert plan(302, "GET", "https://a/c", "http://a/").target.scheme == "https"


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("ftp://b/", "bad redirect: ftp://b/"),
        ("http://", "bad redirect: http://"),
        ("http://unix:/run/docker.sock:/", "bad redirect: http://unix:/run/docker.sock:/"),
        ("http://u:p@b:x/", "bad redirect: http://***@b:x/"),
        ("/\x01", r"bad redirect: /\x01"),
    ],
)
def test_a_location_that_means_nothing_is_an_error(location: str, reason: str) -> None:
    with pytest.raises(SocketError) as caught:
        plan_redirect(302, "GET", BASE, location)
    assert caught.value.reason == reason


def test_fragments_are_dropped() -> None:
    assert plan(302, "GET", "/c#d", "http://a/b#e").target.url == "http://a/c"
