"""The opening handshake without I/O: what both roles take, refuse and send."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from lasa.errors import SocketError
from lasa.websocket._wire.handshake import (
    HandshakeRefused,
    Offer,
    answer_headers,
    check_answer,
    check_origin,
    check_request,
    choose_protocol,
    protocols_of,
    request_headers,
)
from lasa.websocket._wire.origins import origin_rule
from lasa.websocket._wire.uri import parse_uri

# The example of RFC 6455, section 1.3.
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

REQUEST = [
    ("Host", "server.example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
]
ANSWER = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", ACCEPT)]
URI = parse_uri("ws://example.com/chat")


def view(pairs: list[tuple[str, str]]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


def changed(pairs: list[tuple[str, str]], name: str, *values: str) -> CIMultiDictProxy[str]:
    """The headers with other fields of one name."""
    kept = [pair for pair in pairs if pair[0].lower() != name.lower()]
    return view(kept + [(name, value) for value in values])


def refused(headers: CIMultiDictProxy[str], method: str = "GET", version: str = "1.1") -> HandshakeRefused:
    with pytest.raises(HandshakeRefused) as caught:
        check_request(method, version, headers)
    return caught.value


def outcome(call: Callable[[], object]) -> Any:
    """What the call returns, or the SocketError that it raises; any other exception is a failure of the test."""
    try:
        return call()
    except SocketError as error:
        return error


def texts(pairs: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in pairs]


# --- the server: requests


def test_the_request_of_the_rfc_is_an_offer() -> None:
    assert check_request("GET", "1.1", view(REQUEST)) == Offer(KEY, (), "", None, "server.example.com")


def test_an_offer_has_all_that_the_client_names() -> None:
    more = [
        ("sec-websocket-protocol", "chat, superchat"),
        ("SEC-WEBSOCKET-PROTOCOL", "soap"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("Sec-WebSocket-Extensions", 'x-a; b="c, d"'),
        ("Origin", "https://example.com"),
    ]
    offer = check_request("GET", "1.1", view(REQUEST + more))
    assert offer.protocols == ("chat", "superchat", "soap")
    assert offer.extensions == 'permessage-deflate; client_max_window_bits, x-a; b="c, d"'
    assert offer.origin == "https://example.com"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Upgrade", ["WebSocket"]),
        ("Upgrade", ["h2c, websocket"]),
        ("Connection", ["keep-alive, Upgrade"]),
        ("Connection", ["keep-alive", "uPGRADE"]),
        ("Connection", [",, upgrade\t,"]),
        ("Sec-WebSocket-Protocol", [""]),
        ("Sec-WebSocket-Protocol", ["a,,b ,"]),
        ("Sec-WebSocket-Key", ["AAAAAAAAAAAAAAAAAAAAAA=="]),
    ],
)
def test_headers_may_be_written_in_all_the_ways_of_their_grammar(name: str, values: list[str]) -> None:
    assert isinstance(check_request("GET", "1.1", changed(REQUEST, name, *values)), Offer)


@pytest.mark.parametrize(
    ("name", "values", "word", "status"),
    [
        ("Upgrade", [], 'bad "upgrade" request header: nil', 426),
        ("Upgrade", ["foo"], 'bad "upgrade" request header: foo', 400),
        ("Upgrade", ["websocket2"], 'bad "upgrade" request header: websocket2', 400),
        ("Upgrade", [""], 'bad "upgrade" request header: ', 400),
        ("Upgrade", ["websocket", "h2c"], 'bad "upgrade" request header: websocket, h2c', 400),
        ("Upgrade", ["a\x01\xe9"], 'bad "upgrade" request header: a\\x01\\xe9', 400),
        ("Connection", [], 'bad "connection" request header', 400),
        ("Connection", ["keep-alive"], 'bad "connection" request header', 400),
        ("Connection", ["Upgrades"], 'bad "connection" request header', 400),
        ("Sec-WebSocket-Key", [], 'bad "sec-websocket-key" request header', 400),
        ("Sec-WebSocket-Key", [KEY, KEY], 'bad "sec-websocket-key" request header', 400),
        ("Sec-WebSocket-Key", [""], 'bad "sec-websocket-key" request header', 400),
        ("Sec-WebSocket-Key", [KEY[:-1]], 'bad "sec-websocket-key" request header', 400),
        ("Sec-WebSocket-Key", [f"{KEY}\n"], 'bad "sec-websocket-key" request header', 400),
        ("Sec-WebSocket-Key", ["AAAAAAAAAAAAAAAAAAAAAAA="], 'bad "sec-websocket-key" request header', 400),
        ("Sec-WebSocket-Key", ["AAAAAAAAAAAAAAAAAAAA"], 'bad "sec-websocket-key" request header', 400),
        ("Sec-WebSocket-Key", ["\xe9AAAAAAAAAAAAAAAAAAAAA=="], 'bad "sec-websocket-key" request header', 400),
        ("Sec-WebSocket-Version", [], 'bad "sec-websocket-version" request header', 400),
        ("Sec-WebSocket-Version", ["13", "13"], 'bad "sec-websocket-version" request header', 400),
        ("Sec-WebSocket-Version", ["8"], 'bad "sec-websocket-version" request header', 426),
        ("Sec-WebSocket-Version", ["13, 8"], 'bad "sec-websocket-version" request header', 426),
        ("Sec-WebSocket-Version", ["\xb9\xb3"], 'bad "sec-websocket-version" request header', 426),
        ("Sec-WebSocket-Protocol", ["a b"], 'bad "sec-websocket-protocol" request header: a b', 400),
        ("Sec-WebSocket-Protocol", ["a/b"], 'bad "sec-websocket-protocol" request header: a/b', 400),
        ("Sec-WebSocket-Protocol", ["\xe9"], 'bad "sec-websocket-protocol" request header: \\xe9', 400),
        ("Sec-WebSocket-Protocol", ["a", "b, a"], 'bad "sec-websocket-protocol" request header: a, b, a', 400),
        ("Origin", ["https://a", "https://b"], 'bad "origin" request header', 400),
    ],
)
def test_a_wrong_header_is_refused_with_its_word(name: str, values: list[str], word: str, status: int) -> None:
    error = refused(changed(REQUEST, name, *values))
    assert (error.reason, error.status) == (word, status)


@pytest.mark.parametrize("version", ["1.0", "0.9", "", "1", "1.1\n", "HTTP/1.1"])
def test_versions_of_http_before_1_1_are_refused(version: str) -> None:
    error = refused(view(REQUEST), version=version)
    assert (error.reason, error.status) == ("bad http version", 400)


@pytest.mark.parametrize("version", ["1.1", "1.2", "2", "2.0", "3"])
def test_later_versions_of_http_are_taken(version: str) -> None:
    assert check_request("GET", version, view(REQUEST)).key == KEY


@pytest.mark.parametrize("method", ["POST", "HEAD", "get"])
def test_another_method_than_get_is_told_which_one_to_use(method: str) -> None:
    error = refused(view(REQUEST), method=method)
    assert (error.reason, error.status, error.headers) == (f"bad request method: {method}", 405, (("Allow", "GET"),))


def test_a_426_says_what_to_upgrade_to() -> None:
    upgrade = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
    assert refused(view([])).headers == upgrade
    other = refused(changed(REQUEST, "Sec-WebSocket-Version", "8"))
    assert other.headers == (*upgrade, ("Sec-WebSocket-Version", "13"))


def test_a_refusal_survives_pickling_and_is_a_socket_error() -> None:
    refusal: SocketError = HandshakeRefused("bad", 405, [("Allow", "GET")])
    error: Any = pickle.loads(pickle.dumps(refusal))
    assert isinstance(error, HandshakeRefused)
    assert (error.reason, error.status, error.headers) == ("bad", 405, (("Allow", "GET"),))
    assert error.errno is None


NAMES = [
    "Host",
    "Upgrade",
    "connection",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Accept",
    "Origin",
]
# Header values come as Latin-1; here any text at all.
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.text(max_size=30) | st.sampled_from(["websocket", "upgrade", KEY, "13", "a,b"])
    )
)


@given(FIELDS, st.booleans(), st.text(max_size=5) | st.just("GET"), st.text(max_size=3) | st.just("1.1"))
def test_any_headers_give_an_offer_or_a_refusal(
    fields: list[tuple[str, str]], is_whole: bool, method: str, version: str
) -> None:
    headers = view(REQUEST + fields if is_whole else fields)
    rule = origin_rule(["same", "https://example.com"])
    offer = outcome(lambda: check_request(method, version, headers))
    error = outcome(lambda: check_origin(offer, rule)) if isinstance(offer, Offer) else offer
    if error is None:
        assert len(answer_headers(offer, None, None)) == 3
    else:
        assert isinstance(error, HandshakeRefused)
        assert error.status in (400, 403, 405, 426)
        assert error.reason.isprintable()
        assert len(error.reason) < 1000


@given(FIELDS, st.booleans())
def test_any_answer_is_a_protocol_or_a_socket_error(fields: list[tuple[str, str]], is_whole: bool) -> None:
    headers = view(ANSWER + fields if is_whole else fields)
    protocol = outcome(lambda: check_answer(101, "HTTP/1.1 101", headers, KEY, ("a", "b")))
    if isinstance(protocol, SocketError):
        assert protocol.reason.startswith('bad "')
        assert protocol.reason.isprintable()
    else:
        assert protocol in (None, "a", "b")


@pytest.mark.parametrize("filling", [",", ", ", "a", "a,", " ", "\t ,", "=", "\xe9", "://", "a.", "1:"])
@pytest.mark.parametrize("name", NAMES)
def test_a_megabyte_in_a_header_costs_linear_time(name: str, filling: str) -> None:
    value = filling * (1_000_000 // len(filling))
    headers = changed(REQUEST, name, value)
    began = time.perf_counter()
    error = outcome(lambda: check_origin(check_request("GET", "1.1", headers), origin_rule("same")))
    assert time.perf_counter() - began < 2  # the square of a million steps would take hours
    assert error is None or len(error.reason) < 1000


# --- the server: origins


def allows(origins: Any, origin: str | None, host: str | None = "h") -> bool:
    return origin_rule(origins)(origin, host)


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "", "nonsense"])
def test_without_a_rule_any_origin_passes(origin: str | None) -> None:
    assert allows(None, origin)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("https://example.com", "https://example.com"),
        ("https://Example.COM", "HTTPS://eXample.com"),
        ("https://example.com:443", "https://example.com"),
        ("http://example.com", "http://example.com:80"),
        ("http://example.com:8080", "http://example.com:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("null", "null"),
        ("file://", "file://"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
    ],
)
def test_an_origin_that_is_listed_passes(ours: str, theirs: str) -> None:
    assert allows(ours, theirs)
    assert allows(["https://other.example", ours], theirs)
    assert not allows(["https://other.example"], theirs)


@pytest.mark.parametrize(
    "theirs",
    [
        None,
        "",
        "null",
        "http://example.com",
        "https://example.com:8443",
        "https://example.com.evil.example",
        "https://evil.example",
        "https://sub.example.com",
        "https://example.com/",
        "https://example.com ",
        "https://example.com@evil.example",
        "https://example.com, https://example.com",
        "https://example.com:",
        "https://example.com:443443",
        "https://example.com\n",
        "https://ex\u0430mple.com",
        "example.com",
    ],
)
def test_another_origin_does_not_pass(theirs: str | None) -> None:
    assert not allows(["https://example.com"], theirs)


def test_none_among_the_origins_is_for_requests_without_one() -> None:
    assert allows(["https://a.example", None], None)
    assert not allows([None], "https://a.example")
    assert not allows([], None)


@pytest.mark.parametrize(
    ("origin", "host", "passes"),
    [
        (None, "example.com", True),
        ("https://example.com", "example.com", True),
        ("https://example.com", "EXAMPLE.com:443", True),
        ("http://example.com", "example.com:80", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("https://example.com", "example.com:80", False),
        ("https://example.com:8443", "example.com", False),
        ("https://evil.example", "example.com", False),
        ("null", "", False),
        ("null", "null", False),
        ("file://", "", False),
        ("https://", "", False),
        ("https://example.com", None, False),
        ("https://example.com", "example.com, evil", False),
        ("https://example.com", "example.com:x", False),
    ],
)
def test_same_is_for_pages_of_this_very_host(origin: str | None, host: str | None, passes: bool) -> None:
    assert allows("same", origin, host) is passes
    assert allows(["same", "https://else.example"], origin, host) is passes


def test_a_function_may_decide_about_origins() -> None:
    seen: list[str | None] = []

    def decide(origin: str | None) -> bool:
        seen.append(origin)
        return origin is not None and origin.endswith(".example.com")

    assert allows(decide, "https://a.example.com")
    assert not allows(decide, None)
    assert seen == ["https://a.example.com", None]


@pytest.mark.parametrize(
    "origins",
    [
        "*",
        "example.com",
        "https://",
        "https://*.example.com",
        ["https://a.example/"],
        ["https://b\xfccher.example"],
        [""],
    ],
)
def test_what_no_browser_would_send_is_no_origin(origins: Any) -> None:
    with pytest.raises(ValueError, match="bad origin: "):
        origin_rule(origins)


@pytest.mark.parametrize("origins", [1, True, b"https://a", [b"https://a"], [1]])
def test_origins_of_other_types_raise(origins: Any) -> None:
    with pytest.raises(TypeError, match="bad origin"):
        origin_rule(origins)


@pytest.mark.parametrize(
    ("origin", "word"),
    [
        ("https://evil.example", "origin not allowed: https://evil.example"),
        (None, "origin not allowed: nil"),
        ("a\x1b[1m", "origin not allowed: a\\x1b[1m"),
    ],
)
def test_a_wrong_origin_is_refused_with_403(origin: str | None, word: str) -> None:
    with pytest.raises(HandshakeRefused) as caught:
        check_origin(Offer(KEY, origin=origin), origin_rule("https://example.com"))
    assert (caught.value.reason, caught.value.status) == (word, 403)


def test_a_right_origin_passes() -> None:
    offer = check_request("GET", "1.1", changed(REQUEST, "Origin", "https://server.example.com"))
    check_origin(offer, origin_rule("same"))
    assert offer.origin == "https://server.example.com"


# --- subprotocols


@pytest.mark.parametrize(
    ("offered", "wanted", "chosen"),
    [
        (("a", "b"), None, None),
        ((), "a", None),
        (("a", "b"), "b", "b"),
        (("a", "b"), "b, a", "b"),
        (("a", "b"), ["c", "b", "a"], "b"),
        (("a", "b"), ("c",), None),
        (("chat",), "Chat", None),
        (("a", "b"), lambda offered: offered[-1], "b"),
        (("a", "b"), lambda offered: None, None),
    ],
)
def test_the_first_of_ours_that_the_client_offers_is_spoken(
    offered: tuple[str, ...], wanted: Any, chosen: str | None
) -> None:
    assert choose_protocol(offered, wanted) == chosen


@pytest.mark.parametrize("answer", ["c", "", 1, b"a"])
def test_a_function_can_only_choose_what_is_offered(answer: Any) -> None:
    with pytest.raises(ValueError, match="is not offered"):
        choose_protocol(("a", "b"), lambda offered: answer)


@pytest.mark.parametrize(
    ("protocols", "names"),
    [
        (None, ()),
        ("", ()),
        ([], ()),
        ("a", ("a",)),
        ("a,b , c", ("a", "b", "c")),
        (["a", "b"], ("a", "b")),
        (("v1.b.example",), ("v1.b.example",)),
    ],
)
def test_protocols_are_a_list_or_one_string(protocols: Any, names: tuple[str, ...]) -> None:
    assert protocols_of(protocols) == names


@pytest.mark.parametrize("protocols", ["a b", "a, a", ["a", "a"], ["a, b"], [""], ["é"], "a\r\nX: 1", "a/b"])
def test_a_protocol_that_is_no_token_or_stands_twice_raises(protocols: Any) -> None:
    with pytest.raises(ValueError, match="bad protocol: "):
        protocols_of(protocols)
    with pytest.raises(ValueError, match="bad protocol: "):
        request_headers(URI, protocols=protocols)


@pytest.mark.parametrize("protocols", [1, b"a", {"a"}, {"a": 1}, [b"a"], [None]])
def test_protocols_of_other_types_raise(protocols: Any) -> None:
    with pytest.raises(TypeError, match="bad protocol"):
        protocols_of(protocols)


# --- the server: its answer


def test_the_answer_is_the_one_of_the_rfc() -> None:
    assert texts(answer_headers(Offer(KEY), None, None)) == ANSWER


def test_the_answer_names_protocol_extensions_and_what_the_user_adds() -> None:
    extra = {"Set-Cookie": ["a=1", "b=2"], "X-Id": 7}
    pairs = answer_headers(Offer(KEY, ("a", "b")), "b", "permessage-deflate", extra)
    assert texts(pairs) == [
        *ANSWER,
        ("Sec-WebSocket-Protocol", "b"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("X-Id", "7"),
    ]


def test_the_answer_names_no_protocol_that_was_not_offered() -> None:
    with pytest.raises(ValueError, match="is not offered"):
        answer_headers(Offer(KEY, ("a",)), "b", None)


RESERVED = [
    "Upgrade",
    "CONNECTION",
    "Sec-WebSocket-Key",
    "sec-websocket-accept",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Else",
    "Content-Length",
    "Transfer-Encoding",
    "Expect",
]


def both(headers: Any) -> list[Callable[[], object]]:
    return [lambda: answer_headers(Offer(KEY), None, None, headers), lambda: request_headers(URI, headers=headers)]


@pytest.mark.parametrize("name", RESERVED)
def test_nobody_sets_the_headers_of_the_handshake(name: str) -> None:
    for headers in ({name: "x"}, [(name, "x")], [f"{name}: x"], {name: None}):
        for call in both(headers):
            with pytest.raises(ValueError, match="the handshake's own"):
                call()


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "a\r\nY: b"},
        {"X": "a\x00"},
        {"X\r\nY": "a"},
        {"": "a"},
        {"X Y": "a"},
        ["X: a\nY: b"],
        ["X : a"],
        ["X"],
        [": a"],
        [b"X"],
        [("X", "a\r")],
        [("X",)],
        [1],
        [["X", "a", "b"]],
        {"Host": ["a", "b"]},
        [("X", "1"), "Origin: a", ("origin", "b")],
    ],
)
def test_bad_headers_raise_before_anything_is_sent(headers: Any) -> None:
    for call in both(headers):
        with pytest.raises(ValueError, match="bad header"):
            call()


@pytest.mark.parametrize("headers", ["X: a", b"X: a", 1, True, iter(["X: a"])])
def test_headers_of_other_types_raise(headers: Any) -> None:
    for call in both(headers):
        with pytest.raises(TypeError, match=r"^custom headers must be a mapping or a list, got \w+$"):
            call()


# --- the client: its request


def test_a_plain_request_has_the_headers_of_the_handshake() -> None:
    pairs, key = request_headers(URI, nonce=KEY.encode())
    assert key == KEY
    names = [name for name, _ in texts(pairs)]
    assert names[0] == "Host"
    assert dict(texts(pairs)) == {
        "Host": "example.com",
        "User-Agent": "lasa/0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ({"protocols": ["a", "b"]}, "Sec-WebSocket-Protocol", "a, b"),
        ({"protocols": "a,b"}, "Sec-WebSocket-Protocol", "a, b"),
        ({"origin": "https://example.com"}, "Origin", "https://example.com"),
        ({"extensions": "permessage-deflate"}, "Sec-WebSocket-Extensions", "permessage-deflate"),
        ({"host": "virtual.example"}, "Host", "virtual.example"),
        ({"key": KEY}, "Sec-WebSocket-Key", KEY),
        ({"auth": ("ann", "secret")}, "Authorization", "Basic YW5uOnNlY3JldA=="),
        ({"auth": "token"}, "Authorization", "Bearer token"),
        ({"headers": ["X-A: b: c"]}, "X-A", "b: c"),
        ({"headers": [b"X-A:b"]}, "X-A", "b"),
        ({"headers": [("X-A", "b"), ["X-B", 1]]}, "X-B", "1"),
        ({"headers": {"X-A": "b"}}, "X-A", "b"),
        ({"headers": CIMultiDict({"X-A": "b"})}, "X-A", "b"),
        ({"headers": {"host": "mine.example"}, "host": "other.example"}, "host", "mine.example"),
        ({"headers": ["user-agent: me"]}, "user-agent", "me"),
        ({"headers": ["origin: https://a"], "origin": "https://b"}, "origin", "https://a"),
        ({"headers": ["authorization: x"], "auth": "token"}, "authorization", "x"),
    ],
)
def test_each_option_has_its_header_once(options: dict[str, Any], name: str, value: str) -> None:
    pairs, _ = request_headers(URI, **options)
    assert [found for known, found in texts(pairs) if known.lower() == name.lower()] == [value]
    assert (name, value) in texts(pairs)


@pytest.mark.parametrize("name", ["User-Agent", "Origin", "Authorization"])
def test_none_as_value_leaves_an_automatic_header_out(name: str) -> None:
    pairs, _ = request_headers(URI, origin="https://a", auth="token", headers={name: None})
    assert name not in dict(texts(pairs))
    assert len({"User-Agent", "Origin", "Authorization"} & dict(texts(pairs)).keys()) == 2


def test_no_request_goes_without_host() -> None:
    with pytest.raises(ValueError, match="Host"):
        request_headers(URI, headers={"Host": None})


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("ws://[::1]/", "[::1]"),
        ("wss://example.com", "example.com"),
        ("wss://example.com:443/", "example.com"),
        ("ws://example.com:443/", "example.com:443"),
        ("ws://h:8080", "h:8080"),
        ("ws://unix:/a.sock:/", "localhost"),
    ],
)
def test_the_host_header_has_the_port_only_if_it_is_not_the_schemes_own(text: str, host: str) -> None:
    pairs, _ = request_headers(parse_uri(text))
    assert texts(pairs)[0] == ("Host", host)


def test_user_and_password_of_the_uri_are_sent_unless_others_are_given() -> None:
    uri = parse_uri("ws://ann:s%40cret@h/")
    assert dict(texts(request_headers(uri)[0]))["Authorization"] == "Basic YW5uOnNAY3JldA=="
    assert dict(texts(request_headers(uri, auth="t")[0]))["Authorization"] == "Bearer t"


def test_every_request_has_a_key_of_its_own() -> None:
    assert len({request_headers(URI)[1] for _ in range(10)}) == 10


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"host": 1}, TypeError, "^custom host header must be a string$"),
        ({"host": b"h"}, TypeError, "^custom host header must be a string$"),
        ({"key": 1}, TypeError, "^custom Sec-WebSocket-Key must be a string$"),
        ({"key": "abc"}, ValueError, "bad Sec-WebSocket-Key"),
        ({"key": f"{KEY}\r\nX: 1"}, ValueError, "bad Sec-WebSocket-Key"),
        ({"host": "a\r\nX: 1"}, ValueError, "bad header value"),
        ({"origin": "a\nb"}, ValueError, "bad header value"),
        ({"origin": 1}, TypeError, "bad origin"),
        ({"auth": ("a:b", "c")}, ValueError, "bad auth"),
        ({"auth": 1}, TypeError, "bad auth"),
    ],
)
def test_a_bad_option_raises_before_anything_is_sent(
    options: dict[str, Any], error: type[Exception], word: str
) -> None:
    with pytest.raises(error, match=word):
        request_headers(URI, **options)


# --- the client: the answer it gets


def answered(headers: CIMultiDictProxy[str], status: int = 101, line: str = "HTTP/1.1 101 Switching Protocols") -> str:
    with pytest.raises(SocketError) as caught:
        check_answer(status, line, headers, KEY, ("a", "b"))
    return caught.value.reason


@pytest.mark.parametrize(
    ("name", "values", "protocol"),
    [
        ("X", [], None),
        ("Upgrade", ["WebSocket"], None),
        ("Connection", ["keep-alive", "upgrade"], None),
        ("Sec-WebSocket-Protocol", ["b"], "b"),
    ],
)
def test_a_good_answer_has_a_protocol_or_none(name: str, values: list[str], protocol: str | None) -> None:
    assert check_answer(101, "HTTP/1.1 101", changed(ANSWER, name, *values), KEY, ("a", "b")) == protocol


@pytest.mark.parametrize(
    ("name", "values", "word"),
    [
        ("Upgrade", [], 'bad "upgrade" response header: nil'),
        ("Upgrade", ["h2c"], 'bad "upgrade" response header: h2c'),
        ("Upgrade", ["websocket, h2c"], 'bad "upgrade" response header: websocket, h2c'),
        ("Upgrade", ["websocket", "websocket"], 'bad "upgrade" response header: websocket, websocket'),
        ("Connection", [], 'bad "connection" response header'),
        ("Connection", ["close"], 'bad "connection" response header'),
        ("Sec-WebSocket-Accept", [], 'bad "sec-websocket-accept" response header'),
        ("Sec-WebSocket-Accept", [KEY], 'bad "sec-websocket-accept" response header'),
        ("Sec-WebSocket-Accept", [ACCEPT.lower()], 'bad "sec-websocket-accept" response header'),
        ("Sec-WebSocket-Accept", [ACCEPT, ACCEPT], 'bad "sec-websocket-accept" response header'),
        ("Sec-WebSocket-Protocol", ["c"], 'bad "sec-websocket-protocol" response header: c'),
        ("Sec-WebSocket-Protocol", ["A"], 'bad "sec-websocket-protocol" response header: A'),
        ("Sec-WebSocket-Protocol", [""], 'bad "sec-websocket-protocol" response header: '),
        ("Sec-WebSocket-Protocol", ["a, b"], 'bad "sec-websocket-protocol" response header: a, b'),
        ("Sec-WebSocket-Protocol", ["a", "a"], 'bad "sec-websocket-protocol" response header: a, a'),
    ],
)
def test_a_wrong_answer_has_its_word(name: str, values: list[str], word: str) -> None:
    assert answered(changed(ANSWER, name, *values)) == word


@pytest.mark.parametrize("status", [100, 200, 302, 403, 426])
def test_another_status_than_101_is_told_with_its_line(status: int) -> None:
    line = f"HTTP/1.1 {status} Forbidden"
    assert answered(view(ANSWER), status, line) == f"bad HTTP response status line: {line}"
    assert len(answered(view([]), status, "x\x1b" * 1_000)) < 1_000


# --- both together, by way of h11


@given(st.lists(st.sampled_from(["a", "b", "c"]), unique=True), st.lists(st.sampled_from(["b", "c", "d"]), unique=True))
def test_client_and_server_agree(offered: list[str], wanted: list[str]) -> None:
    client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    pairs, key = request_headers(URI, protocols=offered, origin="https://example.com", extensions="x-e")
    sent = client.send(h11.Request(method="GET", target=URI.path, headers=pairs))
    server.receive_data((sent or b"") + (client.send(h11.EndOfMessage()) or b""))
    request = server.next_event()
    assert isinstance(request, h11.Request)
    headers = view([(name.decode(), value.decode()) for name, value in request.headers])
    offer = check_request(request.method.decode(), request.http_version.decode(), headers)
    check_origin(offer, origin_rule("https://example.com"))
    assert (offer.protocols, offer.extensions, offer.host) == (tuple(offered), "x-e", "example.com")
    answer = answer_headers(offer, choose_protocol(offer.protocols, wanted), None)
    client.receive_data(server.send(h11.InformationalResponse(status_code=101, headers=answer)) or b"")
    response = client.next_event()
    assert isinstance(response, h11.InformationalResponse)
    headers = view([(name.decode(), value.decode()) for name, value in response.headers])
    agreed = check_answer(response.status_code, "HTTP/1.1 101", headers, key, protocols_of(offered))
    assert agreed == next((name for name in wanted if name in offered), None)
