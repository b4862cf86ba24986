from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa.http._client.cookies import cookie_header, jar_of, take_cookies
from lasa.http._wire.target import parse_target


def header(jar: CookieJar, url: str) -> str | None:
    return cookie_header(jar, parse_target(url))


def empty_jar() -> CookieJar:
    jar = jar_of({})
    assert jar is not None
    return jar


def jar_with(*set_cookie_values: str, url: str = "https://a.example/b/c") -> CookieJar:
    jar = empty_jar()
    take_cookies(jar, parse_target(url), list(set_cookie_values))
    return jar


def test_none_is_no_jar_and_a_jar_stays_what_it_is() -> None:
    jar = CookieJar()
    assert jar_of(None) is None
    assert jar_of(jar) is jar
    assert header(empty_jar(), "http://a/") is None


@pytest.mark.parametrize(
    ("set_by", "value", "asked_for", "is_sent"),
    [
        # host-only
        ("http://a.example/", "n=v", "http://a.example/x", True),
        ("http://a.example/", "n=v", "http://a.example:81/", True),
        ("http://a.example/", "n=v", "https://a.example/", True),
        ("http://a.example/", "n=v", "http://b.a.example/", False),
        ("http://a.example/", "n=v", "http://example/", False),
        ("http://a.example/", "n=v", "http://xa.example/", False),
        ("http://localhost/", "n=v", "http://localhost/", True),
        ("http://127.0.0.1/", "n=v", "http://127.0.0.1:81/", True),
        ("http://127.0.0.1/", "n=v", "http://127.0.0.2/", False),
        ("http://[::1]/", "n=v", "http://[::1]:81/", True),
        ("http://[::1]:81/", "n=v", "http://[::1]/", True),
        ("http://unix:/s:/", "n=v", "http://unix:/s:/", True),
        ("http://unix:/s:/", "n=v", "http://h/", False),
        # Domain
        ("http://a.b.example/", "n=v; Domain=b.example", "http://c.b.example/", True),
        ("http://a.b.example/", "n=v; domain=.B.example", "http://b.example/", True),
        ("http://a.b.example/", "n=v; Domain=b.example", "http://xb.example/", False),
        ("http://a.b.example/", "n=v; Domain=a.b.example", "http://x.a.b.example/", True),
        ("http://a.b.example/", "n=v; Domain=", "http://a.b.example/", True),
        ("http://a.b.example/", "n=v; Domain=", "http://x.a.b.example/", False),
        ("http://a.b.example/", "n=v; Domain=other.example", "http://other.example/", False),
        ("http://a.b.example/", "n=v; Domain=other.example", "http://a.b.example/", False),
        ("http://a.b.example/", "n=v; Domain=x.a.b.example", "http://x.a.b.example/", False),
        ("http://a.b.example/", "n=v; Domain=b.example; Domain=c.example", "http://b.example/", False),
        ("http://a.b.example/", "n=v; Domain=example", "http://b.example/", False),
        ("http://a.co.uk/", "n=v; Domain=co.uk", "http://b.co.uk/", False),
        ("http://127.0.0.1/", "n=v; Domain=127.0.0.1", "http://127.0.0.1/", True),
        ("http://127.0.0.1/", "n=v; Domain=0.0.1", "http://9.0.0.1/", False),
        ("http://localhost/", "n=v; Domain=localhost", "http://localhost/", True),
        # Path
        ("http://a/b/c", "n=v", "http://a/b/d", True),
        ("http://a/b/c", "n=v", "http://a/b", True),
        ("http://a/b/c", "n=v", "http://a/", False),
        ("http://a/b/c", "n=v", "http://a/bb", False),
        ("http://a/b/c?/d/e", "n=v", "http://a/b?x", True),
        ("http://a/b/c", "n=v; Path=/", "http://a/", True),
        ("http://a/b/c", "n=v; Path=/x", "http://a/x/y", True),
        ("http://a/b/c", "n=v; Path=/x", "http://a/xy", False),
        ("http://a/b/c", "n=v; Path=x", "http://a/b/", True),
        # Secure
        ("https://a/", "n=v; Secure", "https://a/", True),
        ("https://a/", "n=v; Secure", "http://a/", False),
        ("http://a/", "n=v; Secure", "https://a/", False),
        ("https://a/", "__Secure-n=v; Secure", "https://a/", True),
        ("https://a/", "__Secure-n=v", "https://a/", False),
        ("https://a/", "__Host-n=v; Secure; Path=/", "https://a/", True),
        ("https://a/", "__host-n=v; Secure", "https://a/", False),
        ("https://a.b/", "__Host-n=v; Secure; Path=/; Domain=a.b", "https://a.b/", False),
        # Age
        ("http://a/", "n=v; Max-Age=60", "http://a/", True),
        ("http://a/", "n=v; Max-Age=0", "http://a/", False),
        ("http://a/", "n=v; Max-Age=-1", "http://a/", False),
        ("http://a/", "n=v; Max-Age=" + "9" * 2000, "http://a/", True),
        ("http://a/", "n=v; Max-Age=-" + "9" * 2000, "http://a/", False),
        ("http://a/", "n=v; Max-Age=x", "http://a/", True),
        ("http://a/", "n=v; Expires=Wed, 21 Oct 2065 07:28:00 GMT", "http://a/", True),
        ("http://a/", "n=v; Expires=Wed, 21 Oct 2015 07:28:00 GMT", "http://a/", False),
        ("http://a/", "n=v; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Max-Age=60", "http://a/", True),
        ("http://a/", "n=v; Expires=never", "http://a/", True),
        ("http://a/", "n=v; Expires=Thu Jan 01 1970 00:00:00 GMT+0000 (UTC)", "http://a/", False),
        ("http://a/", "n=v; Expires=Mon, 01-Jan-01 0:0:0 GMT", "http://a/", False),
        ("http://a/", "n=v; Expires=1 Jan 1601 00:00:00", "http://a/", False),
        ("http://a/", "n=v; Expires=1 Jan 1600 00:00:00", "http://a/", True),
        ("http://a/", "n=v; Expires=Mi, 09 Okt 2010 12:00:00 GMT", "http://a/", True),
        # The last one of an attribute counts, unless it says nothing.
        ("http://a/", "n=v; Max-Age=60; Max-Age=0", "http://a/", False),
        ("http://a/", "n=v; Max-Age=0; Max-Age=60", "http://a/", True),
        ("http://a/", "n=v; Max-Age=0; Max-Age=1x", "http://a/", False),
        ("http://a/", "n=v; Max-Age=0; Expires=Wed, 21 Oct 2065 07:28:00 GMT", "http://a/", False),
        ("http://a/", "n=v; Expires=1 Jan 2001 0:0:0; Expires=1 Jan 2065 0:0:0", "http://a/", True),
        ("http://a/", "n=v; Expires=1 Jan 2001 0:0:0; Expires=soon", "http://a/", False),
        ("http://a/b/c", "n=v; Path=/b; Path=/", "http://a/", True),
        ("http://a/b/c", "n=v; Path=/x; Path=", "http://a/b/", True),
        ("http://a.b.example/", "n=v; Domain=c.example; Domain=", "http://a.b.example/", False),
        ("http://a.b.example/", "n=v; Domain=b.example; Domain", "http://c.b.example/", True),
        # what is no attribute of RFC 6265
        ("http://a/", "n=v; HttpOnly; SameSite=Lax; Version=1; Port=1; Discard; x", "http://a/", True),
    ],
)
def test_a_cookie_goes_where_it_belongs(set_by: str, value: str, asked_for: str, is_sent: bool) -> None:
    jar = jar_with(value, url=set_by)
    expected = value.partition(";")[0] if is_sent else None
    assert header(jar, asked_for) == expected


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("n=v=w", "n=v=w"),
        ("n=", "n="),
        (' n = "a b, c" ', 'n="a b, c"'),
        ("n=\xe9", "n=\xe9"),
        ("expires=x; Path=/", "expires=x"),
        ("n", None),
        ("=v", None),
        ("", None),
        (";n=v", None),
        ("n=v\r\nx: y", None),
        ("n=\x00", None),
        ("n=v; Path=/\x01", None),
        ("n=" + "x" * 4094, "n=" + "x" * 4094),
        ("n=" + "x" * 4095, None),
    ],
)
def test_a_value_comes_back_as_it_was_set_or_not_at_all(value: str, sent: str | None) -> None:
    assert header(jar_with(value), "https://a.example/b/") == sent


def test_several_cookies_are_one_header_with_the_longest_path_first() -> None:
    jar = jar_with("a=1; Path=/", "b=2; Path=/b", "a=3; Path=/b/c")
    assert header(jar, "https://a.example/b/c") == "a=3; b=2; a=1"


def test_a_date_that_cannot_be_read_costs_no_other_cookie_and_nobody_is_told(
    capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    odd = ["b=2; Expires=Mi, 09 Okt 2030 10:00:00 GMT", "c=3; Expires=Wed, 99 Oct 2030 99:99:99", "d=4; Expires=\xff:"]
    jar = jar_with("a=1", *odd, "e=5")
    assert header(jar, "https://a.example/b/c") == "a=1; b=2; c=3; d=4; e=5"
    assert all(cookie.discard and cookie.expires is None for cookie in jar)
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_an_answer_may_set_and_delete_the_same_cookie() -> None:
    jar = jar_with("a=1", "b=2", "a=; Max-Age=0", "c=; Expires=1 Jan 1970 00:00:00")
    assert header(jar, "https://a.example/b/c") == "b=2"
    jar = jar_with("a=; Max-Age=0", "a=1")
    assert header(jar, "https://a.example/b/c") == "a=1"


def test_a_jar_tells_what_a_cookie_said() -> None:
    (cookie,) = jar_with("n=v; Expires=Wed, 09 Oct 2030 12:00:00 GMT; Path=/x%2f; Domain=A.example; Secure; HttpOnly")
    assert (cookie.expires, cookie.discard) == (1917777600, False)
    assert (cookie.path, cookie.path_specified, cookie.secure) == ("/x%2F", True, True)
    assert (cookie.domain, cookie.domain_specified) == (".a.example", True)
    assert cookie.has_nonstandard_attr("HttpOnly")


def test_a_cookie_is_replaced_and_deleted_by_its_own_host() -> None:
    jar = jar_with("n=1")
    target = parse_target("https://a.example/b/c")
    take_cookies(jar, target, ["n=2"])
    assert cookie_header(jar, target) == "n=2"
    take_cookies(jar, target, ["n=; Max-Age=0"])
    assert cookie_header(jar, target) is None


def test_no_host_deletes_the_cookies_of_another() -> None:
    jar = jar_with("n=1; Domain=a.example; Path=/")
    for domain in ("a.example", ".a.example"):
        take_cookies(jar, parse_target("https://evil.example/"), [f"n=; Domain={domain}; Path=/; Max-Age=0"])
    assert header(jar, "https://a.example/") == "n=1"


def test_plain_http_neither_replaces_nor_deletes_a_secure_cookie() -> None:
    for url in ("https://a.example/", "https://localhost/", "https://127.0.0.1/"):
        jar = jar_with("n=1; Secure; Path=/", url=url)
        plain = parse_target(url.replace("https", "http"))
        take_cookies(jar, plain, ["n=2; Path=/", "n=; Path=/; Max-Age=0", "n=3; Path=/x", "other=4; Path=/"])
        assert header(jar, f"{url}x") == "n=1; other=4"


def test_a_response_sets_so_many_cookies_and_no_more() -> None:
    jar = jar_with(*(f"n{number}=v" for number in range(100)))
    assert len(jar) == 64


def test_of_too_many_cookies_for_a_domain_the_oldest_go() -> None:
    jar = empty_jar()
    target = parse_target("http://a.example/")
    for start in range(0, 320, 40):
        take_cookies(jar, target, [f"n{number}=v" for number in range(start, start + 40)])
    names = [cookie.name for cookie in jar]
    assert names == [f"n{number}" for number in range(20, 320)]


def test_a_full_jar_makes_place_at_the_cost_of_whoever_has_most() -> None:
    jar = empty_jar()
    take_cookies(jar, parse_target("http://small.example/"), ["n=v"])
    for number in range(12):
        target = parse_target(f"http://h{number}.example/")
        for start in range(0, 300, 60):
            take_cookies(jar, target, [f"n{name}=v" for name in range(start, start + 60)])
    assert len(jar) == 3000
    assert header(jar, "http://small.example/") == "n=v"


@pytest.mark.parametrize(
    ("first", "then", "is_sent"),
    [
        ("http://a.example/x", "http://a.example/", True),
        ("http://a.example/x", "https://a.example/", True),
        ("http://a.example/", "http://b.example/", False),
        ("http://a.example/", "http://x.a.example/", False),
        ("https://a.example/", "http://a.example/", False),
        ("http://localhost/", "http://localhost:81/", True),
        ("http://[::1]/", "http://[::1]:81/", True),
        ("http://127.0.0.1/", "http://127.0.0.1/", True),
        ("http://unix:/s:/", "http://unix:/s:/x", True),
    ],
)
def test_the_cookies_of_a_mapping_belong_to_the_first_host_that_is_asked(first: str, then: str, is_sent: bool) -> None:
    jar = jar_of({"n": "v", "m": 1})
    assert jar is not None
    assert header(jar, first) == "n=v; m=1"
    assert header(jar, then) == ("n=v; m=1" if is_sent else None)


def test_a_server_may_replace_a_cookie_of_the_mapping() -> None:
    jar = jar_of({"n": "v"})
    assert jar is not None
    target = parse_target("http://a.example/")
    assert cookie_header(jar, target) == "n=v"
    take_cookies(jar, target, ["n=w"])
    assert cookie_header(jar, target) == "n=w"


@pytest.mark.parametrize("cookies", [{"": "v"}, {"a b": "v"}, {"a=b": "v"}, {"a": "b;c"}, {"a": "b\r\n"}, {"a": "é"}])
def test_a_mapping_with_what_no_header_can_hold_is_refused(cookies: Any) -> None:
    with pytest.raises(ValueError, match="bad "):
        jar_of(cookies)


@pytest.mark.parametrize("cookies", ["a=b", ["a"], 1, True, {"a": None}, {"a": True}, {b"a": "b"}, {"a": b"b"}])
def test_other_types_are_no_cookies(cookies: Any) -> None:
    with pytest.raises(TypeError, match="bad cookies"):
        jar_of(cookies)


def test_a_foreign_jar_keeps_its_policy_and_cannot_break_the_header() -> None:
    jar = CookieJar(DefaultCookiePolicy(blocked_domains=["a.example"]))
    take_cookies(jar, parse_target("http://a.example/"), ["n=v"])
    assert len(jar) == 0
    take_cookies(jar, parse_target("http://b.example/"), ["n=v"])
    assert header(jar, "http://b.example/") == "n=v"
    next(iter(jar)).value = "v\r\nx: y"
    with pytest.raises(ValueError, match="bad cookie: control character"):
        header(jar, "http://b.example/")


ATTRIBUTE = st.sampled_from(
    ["", "Path=/", "Path", "Domain=a.example", "Domain", "Secure", "Max-Age=" + "9" * 5000, "Max-Age=9" * 9, "Expires="]
)


@given(st.lists(st.tuples(st.text(st.characters(max_codepoint=255)), ATTRIBUTE, st.text()), max_size=5))
def test_whatever_a_peer_sets_the_header_stays_one_line(values: list[tuple[str, str, str]]) -> None:
    jar = jar_with(*("; ".join(parts) for parts in values))
    sent = header(jar, "https://a.example/b/c")
    assert sent is None or not set(map(chr, [*range(9), *range(10, 32), 127])) & set(sent)
