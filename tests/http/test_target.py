from __future__ import annotations

import pickle
import string
import time
import timeit
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa.errors import SocketError
from lasa.http._wire.target import BadUri, Query, Target, join_target, parse_target, split_host_port


def reason_of(call: Any, *arguments: Any) -> str:
    with pytest.raises(BadUri) as caught:
        call(*arguments)
    return caught.value.reason


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "authority", "path"),
    [
        ("http://example.com", "http", "example.com", 80, "example.com", "/"),
        ("https://example.com", "https", "example.com", 443, "example.com", "/"),
        ("HTTP://EXAMPLE.com/A", "http", "example.com", 80, "example.com", "/A"),
        ("hTTpS://example.com:443/", "https", "example.com", 443, "example.com", "/"),
        ("http://example.com:443/", "http", "example.com", 443, "example.com:443", "/"),
        ("http://example.com:080/", "http", "example.com", 80, "example.com", "/"),
        ("http://example.com:/a", "http", "example.com", 80, "example.com", "/a"),
        ("http://h:65535?q", "http", "h", 65535, "h:65535", "/?q"),
        ("http://h#f", "http", "h", 80, "h", "/"),
        ("http://h/a#f?x", "http", "h", 80, "h", "/a"),
        ("http://h/a?", "http", "h", 80, "h", "/a?"),
        ("http://h.example./", "http", "h.example.", 80, "h.example.", "/"),
        ("http://a_b.-c-.example/", "http", "a_b.-c-.example", 80, "a_b.-c-.example", "/"),
        ("http://r3---sn-x.example/", "http", "r3---sn-x.example", 80, "r3---sn-x.example", "/"),
        ("http://127.0.0.1:8080/", "http", "127.0.0.1", 8080, "127.0.0.1:8080", "/"),
        ("http://1.2.3.4.example/", "http", "1.2.3.4.example", 80, "1.2.3.4.example", "/"),
        ("http://[::1]/", "http", "::1", 80, "[::1]", "/"),
        ("http://[2001:DB8:0:0::1]:81/", "http", "2001:db8::1", 81, "[2001:db8::1]:81", "/"),
        ("http://[::ffff:1.2.3.4]/", "http", "::ffff:1.2.3.4", 80, "[::ffff:1.2.3.4]", "/"),
        ("http://[fe80::1%25eth0]:81/", "http", "fe80::1%eth0", 81, "[fe80::1]:81", "/"),
        ("http://[fe80::1%eth0]/", "http", "fe80::1%eth0", 80, "[fe80::1]", "/"),
        ("http://[fe80::1%25eth%2D0]/", "http", "fe80::1%eth-0", 80, "[fe80::1]", "/"),
        ("http://[FE80:0::1%25Vlan.7~a_b]/", "http", "fe80::1%Vlan.7~a_b", 80, "[fe80::1]", "/"),
        ("http://[fe80::1%25eth0%40if5%3A1]/", "http", "fe80::1%eth0@if5:1", 80, "[fe80::1]", "/"),
        ("http://[fe80::1%2525]/", "http", "fe80::1%25", 80, "[fe80::1]", "/"),
        ("http://[::FFFF:7F00:1]/", "http", "::ffff:127.0.0.1", 80, "[::ffff:127.0.0.1]", "/"),
        ("http://[0:0:0:0:0:0:0:1]/", "http", "::1", 80, "[::1]", "/"),
        ("http://i❤.example/", "http", "xn--i-7iq.example", 80, "xn--i-7iq.example", "/"),
        ("http://💩.example/", "http", "xn--ls8h.example", 80, "xn--ls8h.example", "/"),
        ("http://☃️.example/", "http", "xn--n3h.example", 80, "xn--n3h.example", "/"),
        ("http://½.example/", "http", "xn--12-c6t.example", 80, "xn--12-c6t.example", "/"),
        ("http://Bücher.example/", "http", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/"),
        ("http://faß.de/", "http", "xn--fa-hia.de", 80, "xn--fa-hia.de", "/"),
        ("http://XN--bcher-KVA.example/", "http", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/"),
        ("http://a_b.bücher。example/", "http", "a_b.xn--bcher-kva.example", 80, "a_b.xn--bcher-kva.example", "/"),
        ("http://１２７.0.0.1/", "http", "127.0.0.1", 80, "127.0.0.1", "/"),  # noqa: RUF001
    ],
)
def test_a_url_says_whom_to_ask_and_what_for(
    url: str, scheme: str, host: str, port: int, authority: str, path: str
) -> None:
    target = parse_target(url)
    assert (target.scheme, target.host, target.port) == (scheme, host, port)
    assert (target.authority, target.path) == (authority, path)
    assert target.unix_path is None
    assert target.origin == (scheme, host, port)


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        ("/a/../b/./c//d", "/a/../b/./c//d"),
        ("/%2F%2f%7E%41+", "/%2F%2f%7E%41+"),
        ("/100%", "/100%"),
        ("/%zz", "/%zz"),
        ("/!$&'()*+,;=:@[]~-._", "/!$&'()*+,;=:@[]~-._"),
        ("/?/?:@[]=&", "/?/?:@[]=&"),
        ('/"<>^`{|}', "/%22%3C%3E%5E%60%7B%7C%7D"),
        ("/é?ü=%C3%BC€", "/%C3%A9?%C3%BC=%C3%BC%E2%82%AC"),
        ("/a?re=\\d", "/a?re=%5Cd"),
        ("?q={x}", "/?q=%7Bx%7D"),
        ("/\x80", "/%C2%80"),
    ],
)
def test_a_path_goes_out_as_it_was_given_apart_from_what_no_request_line_can_hold(rest: str, path: str) -> None:
    target = parse_target(f"http://h{rest}")
    assert target.path == path
    assert target.url == f"http://h{path}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h",
        "/a",
        "//h/",
        "http:",
        "http:/h",
        "http:h",
        "http//h",
        "ftp://h/",
        "file:///etc/passwd",
        "ws://h/",
        "http\u017f://h/",
        "http://",
        "http:///a",
        "http://?q",
        "http://#f",
        "http://:80/",
        "http://@/",
        "http://u:p@/",
        "http://h:0/",
        "http://h:65536/",
        "http://h:-1/",
        "http://h:+1/",
        "http://h:1_0/",
        "http://h:١/",  # noqa: RUF001
        "http://h:000080/",
        "http://h:80:80/",
        "http://h:x/",
        "http://::1/",
        "http://[::1/",
        "http://[::1]x/",
        "http://[::1]:x/",
        "http://[]/",
        "http://[::g]/",
        "http://[127.0.0.1]/",
        "http://[v1.x]/",
        "http://[fe80::1%]/",
        "http://[fe80::1%25]/",
        "http://[fe80::1%a/b]/",
        "http://[fe80::1%25a%2Fb]/",
        "http://[fe80::1%25a%20b]/",
        "http://[fe80::1%25a%00b]/",
        "http://[fe80::1%25a%E9]/",
        "http://[fe80::1%25a%2]/",
        "http://[fe80::1%a b]/",
        "http://::1]/",
        "http://a..b/",
        "http://.a/",
        "http://./",
        "http://a%41/",
        "http://a,b/",
        "http://a'b/",
        "http://a*b/",
        "http://a!b/",
        "http://a\\b/",
        "http://good\\@evil/",
        "http://h/a\\b",
        "http://h /",
        " http://h/",
        "http://h/ ",
        "http://127.1/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://256.0.0.1/",
        "http://1.2.3.4.5/",
        "http://a.0x/",
        f"http://{'a' * 64}/",
        f"http://{'a.' * 127}a/",
        f"http://{'ü' * 300}/",
        "http://\u0301a.example/",
        "http://a\u200db.example/",
        "http://א1a.example/",
        f"http://{'😀☃' * 30}/",
        "http://\u200d.example/",
        "http://a／b/",  # noqa: RUF001
        "http://a＠b/",  # noqa: RUF001
        "http://a℀b/",
        "http://a\u3000b/",
        "http://\udc80/",
        "http://unix:/a.sock:b",
        "http://unix:/a?b:/",
        "http://unix:/a#b:/",
        "http://unix:/a b:/",
    ],
)
def test_a_url_that_cannot_be_understood_is_a_bad_uri(url: str) -> None:
    assert reason_of(parse_target, url) == f"bad uri: {url}".replace("u:p@", "***@").replace("//@", "//***@").replace(
        "good\\@", "***@"
    )


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), "\x7f"])
def test_control_characters_are_the_callers_mistake_wherever_they_stand(character: str) -> None:
    for url in (f"http://h{character}", f"http://h/a{character}b", f"http://h/#{character}", f"{character}http://h"):
        with pytest.raises(ValueError, match=r"^bad url: control character$"):
            parse_target(url)
    with pytest.raises(ValueError, match=r"^bad query: control character$"):
        parse_target("http://h", f"a{character}")


def test_a_lone_surrogate_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError):
        parse_target("http://h/\ud800")


@pytest.mark.parametrize("url", [None, 1, b"http://h/\xe9", bytearray(b"http://h"), ["http://h"], object()])
def test_what_is_no_string_is_no_url(url: Any) -> None:
    with pytest.raises(TypeError, match="bad url: string expected"):
        parse_target(url)


def test_ascii_bytes_are_a_url() -> None:
    assert parse_target(b"http://h/a") == parse_target("http://h/a")


@pytest.mark.parametrize(
    ("netloc", "userinfo"),
    [
        ("h", None),
        ("@h", None),
        ("u@h", ("u", "")),
        ("u:@h", ("u", "")),
        (":p@h", ("", "p")),
        ("u:p:q@h", ("u", "p:q")),
        ("u%3a:%40%2F@h", ("u:", "@/")),
        ("u:p@q@h", ("u", "p@q")),
        ("ü:%C3%BC@h", ("ü", "ü")),
        ("u:%FF@h", ("u", "\udcff")),
        ("u+v:a+b@h", ("u+v", "a+b")),
    ],
)
def test_user_and_password_are_decoded_and_in_no_other_attribute(netloc: str, userinfo: tuple[str, str] | None) -> None:
    target = parse_target(f"http://{netloc}/a#f")
    assert target.userinfo == userinfo
    assert (target.host, target.url) == ("h", "http://h/a")


def test_a_password_is_in_no_error_and_no_repr() -> None:
    assert reason_of(parse_target, "http://u:secret@h:x/") == "bad uri: http://***@h:x/"
    assert "secret" not in repr(parse_target("http://u:secret@h/"))


@pytest.mark.parametrize(
    ("url", "unix_path", "path", "whole"),
    [
        ("http://unix:/run/a.sock:/b?c", "/run/a.sock", "/b?c", "http://unix:/run/a.sock:/b?c"),
        ("https://UNIX:/run/a.sock:/", "/run/a.sock", "/", "https://unix:/run/a.sock:/"),
        ("http://unix:/run/a.sock", "/run/a.sock", "/", "http://unix:/run/a.sock:/"),
        ("http://unix:/run/a.sock:", "/run/a.sock", "/", "http://unix:/run/a.sock:/"),
        ("http://unix:/run/a.sock:?q", "/run/a.sock", "/?q", "http://unix:/run/a.sock:/?q"),
        ("http://unix:/run/a.sock:#f", "/run/a.sock", "/", "http://unix:/run/a.sock:/"),
        ("http://unix:/run/a%20b:/c:d", "/run/a%20b", "/c:d", "http://unix:/run/a%20b:/c:d"),
        ("http://unix:/run/é:/é", "/run/é", "/%C3%A9", "http://unix:/run/é:/%C3%A9"),
    ],
)
def test_a_unix_socket_is_named_as_in_nginx(url: str, unix_path: str, path: str, whole: str) -> None:
    target = parse_target(url)
    assert (target.unix_path, target.path, target.url) == (unix_path, path, whole)
    assert (target.host, target.authority) == ("localhost", "localhost")
    assert target.origin == (target.scheme, f"unix:{unix_path}", target.port)
    assert parse_target(whole) == target


def test_unix_sockets_take_userinfo_and_a_host_may_be_called_unix() -> None:
    assert parse_target("http://u:p@unix:/a:/").userinfo == ("u", "p")
    assert parse_target("http://unix/a").unix_path is None
    assert parse_target("http://unix:80/a").host == "unix"


def test_the_url_of_a_target_means_the_same_target() -> None:
    for url in ("http://[fe80::1%eth0]:81/a", "https://u:p@Bücher.example/é?q#f", "http://h:443"):
        target = parse_target(url)
        assert target.url.isascii()
        again = parse_target(target.url)
        assert (again.origin, again.authority, again.path) == (target.origin, target.authority, target.path)
        assert again.url == target.url


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({}, "/"),
        ([], "/"),
        ("", "/"),
        ({"a": None}, "/"),
        ({"a": "b c&=+#/?é%20"}, "/?a=b%20c%26%3D%2B%23%2F%3F%C3%A9%2520"),
        ({"a b": 1, "c": 1.5, "d": -2}, "/?a%20b=1&c=1.5&d=-2"),
        ({"t": True, "f": False}, "/?t=true&f=false"),
        ({"a": ["x", 2, None, True], "b": ()}, "/?a=x&a=2&a=true"),
        ([("a", 1), ("a", 2), ["b", ""]], "/?a=1&a=2&b="),
        ({b"\xff": b"\x00"}, "/?%FF=%00"),
        ({"~-._": "~-._"}, "/?~-._=~-._"),
        ({"crlf": "\r\n"}, "/?crlf=%0D%0A"),
        ("a=b%20c+d&e", "/?a=b%20c+d&e"),
        ("a b#c", "/?a%20b%23c"),
    ],
)
def test_a_query_is_percent_encoded(query: Query, path: str) -> None:
    target = parse_target("http://h", query)
    assert (target.path, target.url) == (path, f"http://h{path}")


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://h/a?b", "http://h/a?b&q=1"),
        ("http://h/a?", "http://h/a?q=1"),
        ("http://h/a?b&", "http://h/a?b&q=1"),
        ("http://h/a#f", "http://h/a?q=1"),
        ("http://unix:/s:/a", "http://unix:/s:/a?q=1"),
    ],
)
def test_a_query_comes_behind_that_of_the_url(url: str, whole: str) -> None:
    assert parse_target(url, {"q": 1}).url == whole


def test_a_query_may_come_from_a_generator() -> None:
    assert parse_target("http://h", ((str(n), n) for n in range(2))).path == "/?0=0&1=1"


@pytest.mark.parametrize(
    "query", [1, b"a=b", ["ab"], [("a",)], [("a", 1, 2)], {"a": {"b": 1}}, {"a": [["b"]]}, {None: 1}, {"a": object()}]
)
def test_a_query_of_other_types_is_refused(query: Any) -> None:
    with pytest.raises(TypeError, match="bad query"):
        parse_target("http://h", query)


@pytest.mark.parametrize(
    ("reference", "path"),
    [  # RFC 3986, section 5.4, for http://a/b/c/d;p?q
        ("g", "/b/c/g"),
        ("./g", "/b/c/g"),
        ("g/", "/b/c/g/"),
        ("/g", "/g"),
        ("?y", "/b/c/d;p?y"),
        ("g?y", "/b/c/g?y"),
        ("#s", "/b/c/d;p?q"),
        ("g#s", "/b/c/g"),
        ("g?y#s", "/b/c/g?y"),
        (";x", "/b/c/;x"),
        ("g;x=1/./y", "/b/c/g;x=1/y"),
        ("g;x=1/../y", "/b/c/y"),
        ("", "/b/c/d;p?q"),
        (".", "/b/c/"),
        ("./", "/b/c/"),
        ("..", "/b/"),
        ("../", "/b/"),
        ("../g", "/b/g"),
        ("../..", "/"),
        ("../../", "/"),
        ("../../g", "/g"),
        ("../../../g", "/g"),
        ("../../../../g", "/g"),
        ("/./g", "/g"),
        ("/../g", "/g"),
        ("g.", "/b/c/g."),
        (".g", "/b/c/.g"),
        ("g..", "/b/c/g.."),
        ("..g", "/b/c/..g"),
        ("./../g", "/b/g"),
        ("./g/.", "/b/c/g/"),
        ("g/./h", "/b/c/g/h"),
        ("g/../h", "/b/c/h"),
        ("g?y/./x", "/b/c/g?y/./x"),
        ("g?y/../x", "/b/c/g?y/../x"),
        ("?", "/b/c/d;p?"),
        ("/a//../b", "/a/b"),
        ("/%2e%2e/a", "/%2e%2e/a"),
        (" /a \t", "/a"),
        ("/a b?c d", "/a%20b?c%20d"),
        ("/\xc3\xa9", "/%C3%A9"),
        ("/\xe9", "/%E9"),
        ("/\xe9 {%20}", "/%E9%20%7B%20%7D"),
        ("/€", "/%E2%82%AC"),
        ("/?\udcff", "/?%ED%B3%BF"),
        ("/a?\\", "/a?%5C"),
        ("//a/x", "/x"),
        ("http://a", "/"),
        ("HTTP://A:80/x/../y?../z", "/y?../z"),
    ],
)
def test_a_location_is_resolved_as_rfc_3986_says(reference: str, path: str) -> None:
    target = join_target(parse_target("http://a/b/c/d;p?q"), reference)
    assert (target.path, target.url, target.authority) == (path, f"http://a{path}", "a")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("//b:81/x", "https://b:81/x"),
        ("http://b", "http://b/"),
        ("//b\xc3\xbccher.example/", "https://xn--bcher-kva.example/"),
        ("https://[::1]:8443/?q", "https://[::1]:8443/?q"),
        ("https://☃.example/", "https://xn--n3h.example/"),
    ],
)
def test_a_location_may_lead_elsewhere(location: str, url: str) -> None:
    assert join_target(parse_target("https://a/b"), location).url == url


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/x", "http://[fe80::1%25eth0]:81/x"),
        ("http://[fe80::1]:81/x", "http://[fe80::1%25eth0]:81/x"),
        ("//[FE80:0::1]:81/./x?q", "http://[fe80::1%25eth0]:81/x?q"),
        ("http://[fe80::1%25eth1]:81/x", "http://[fe80::1%25eth1]:81/x"),
        ("http://[fe80::1]/x", "http://[fe80::1]/x"),
        ("http://[fe80::2]:81/x", "http://[fe80::2]:81/x"),
    ],
)
def test_a_server_that_does_not_know_our_zone_leads_to_itself(location: str, url: str) -> None:
    assert join_target(parse_target("http://[fe80::1%eth0]:81/a"), location).url == url


@pytest.mark.parametrize(
    "location",
    [
        "ftp://b/",
        "javascript:alert(1)",
        "a:b",
        "http:a",
        "http://",
        "///a",
        "//",
        "//b:0/",
        "//b:x/",
        "//b c/",
        "//b\xe9/",
        "\\\\b\\a",
        "/\\b",
        "/a\r\nb",
        "/a\x00",
        "/a\xe9\x01",
        "http://unix:/run/docker.sock:/",
        "//unix:/run/docker.sock:/",
    ],
)
def test_a_location_that_cannot_be_understood_is_a_bad_uri(location: str) -> None:
    assert reason_of(join_target, parse_target("http://a/"), location) == "bad uri: " + location


def test_userinfo_stays_with_relative_references_only() -> None:
    base = parse_target("http://u:p@a/b")
    assert join_target(base, "/c").userinfo == ("u", "p")
    assert join_target(base, "http://a/c").userinfo is None
    assert join_target(base, "http://v@a/c").userinfo == ("v", "")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("c", "http://unix:/s:/a/c"),
        ("/c", "http://unix:/s:/c"),
        ("?c", "http://unix:/s:/a/b?c"),
        ("http://localhost/c/../d?e", "http://unix:/s:/d?e"),
        ("//localhost:80/c", "http://unix:/s:/c"),
        ("http://unix:/s:/c", "http://unix:/s:/c"),
        ("http://localhost:81/c", "http://localhost:81/c"),
        ("https://localhost/c", "https://localhost/c"),
        ("http://h/c", "http://h/c"),
    ],
)
def test_what_a_server_on_a_unix_socket_calls_itself_stays_on_the_socket(location: str, url: str) -> None:
    target = join_target(parse_target("http://unix:/s:/a/b?q"), location)
    assert target.url == url
    assert target.unix_path == ("/s" if "unix" in url else None)
    assert parse_target(url) == target


def test_no_server_leads_to_another_unix_socket() -> None:
    with pytest.raises(BadUri):
        join_target(parse_target("http://unix:/s:/a"), "http://unix:/t:/")


@given(st.text(st.characters(exclude_categories=())))
def test_any_location_is_resolved_to_a_request_line_or_refused(location: str) -> None:
    base = parse_target("https://a/b/c?d")
    try:
        target = join_target(base, location)
    except BadUri:
        return
    assert target.path[0] == "/"
    assert all("!" <= character <= "~" for character in target.path + target.url + target.authority)
    assert parse_target(target.url).path == target.path


@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=())))
def test_any_url_gives_a_request_line_or_an_error(netloc: str, rest: str) -> None:
    try:
        target = parse_target(f"http://{netloc}/{rest}")
    except (BadUri, ValueError):
        return
    assert target.path[0] == "/"
    assert all("!" <= character <= "~" for character in target.path + target.authority + target.host)
    assert set(target.host) <= set(string.ascii_lowercase + string.digits + "-_.:%~") or "%" in target.host


@pytest.mark.parametrize(
    ("text", "pair"), [("h", ("h", 7)), ("H:1", ("h", 1)), ("[::1]", ("::1", 7)), ("[::1]:2", ("::1", 2))]
)
def test_host_and_port_are_split(text: str, pair: tuple[str, int]) -> None:
    assert split_host_port(text, 7) == pair


def test_a_known_url_costs_a_look_into_a_table() -> None:
    url = "http://example.com/a?b"
    assert parse_target(url) is parse_target(url)
    assert min(timeit.repeat(lambda: parse_target(url), number=1000, repeat=20)) / 1000 < 2e-6  # 0.2 µs here


@pytest.mark.parametrize(
    "unit", ["a", "é", "/", "/..", "/.", "@", ":", "?", "#", "//", "%", "\\", "[", ".", "a.", "ü.", ";", "&"]
)
def test_a_megabyte_of_anything_is_looked_at_once(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    base = parse_target("http://h/")

    started_s = time.perf_counter()
    for call in (
        partial(parse_target, f"http://{text}"),
        partial(parse_target, f"http://h/{text}"),
        partial(join_target, base, text),
    ):
        try:
            call()
        except BadUri:
            pass
    assert time.perf_counter() - started_s < 5  # quadratic work on a million characters takes minutes


def test_a_bad_uri_is_a_socket_error_that_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(BadUri("bad uri: x")))
    assert isinstance(error, SocketError)
    assert error.reason == "bad uri: x"


def test_a_target_is_a_value() -> None:
    target = parse_target("http://h/")
    assert target == Target("http", "h", 80, "h", "/", None, "http://h/", None)
    assert hash(target) == hash(parse_target("http://h/#f"))
