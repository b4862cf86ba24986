from __future__ import annotations

import _socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa._address import (
    host_text,
    ip_family,
    ip_of,
    parse_address,
    parse_host,
    parse_port,
    race_order,
    unix_path,
)
from lasa.errors import SocketError

V4, V6 = _socket.AF_INET, _socket.AF_INET6


def reason_of(call: object, *arguments: object) -> str:
    assert callable(call)
    with pytest.raises(SocketError) as caught:
        call(*arguments)
    return caught.value.reason


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("", "no host"),
        ("a/b", "invalid host"),
        ("a?b", "invalid host"),
        ("/some/x.sock", "invalid host"),
        ("[::1", "invalid host"),
        ("[::1]x", "invalid host"),
        ("[::g]", "invalid IPv6 address"),
        ("[127.0.0.1]", "invalid IPv6 address"),
        ("[]", "invalid IPv6 address"),
        ("localhost:80", "invalid port"),
        ("a:b", "invalid port"),
        ("a b", "invalid host"),
        ("a\r\nb", "invalid host"),
    ],
)
def test_host_texts_that_mean_nothing_say_why(host: str, reason: str) -> None:
    assert reason_of(parse_host, host) == f'failed to parse host name "{host}": {reason}'


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:80", "127.0.0.1", 80),
        ("a.test:65535", "a.test", 65535),
        ("[::1]:0080", "[::1]", 80),
        ("[::1]", "[::1]", 53),
        ("::1", "::1", 53),
        ("a.test", "a.test", 53),
    ],
)
def test_the_port_in_an_address_goes_before_the_other_one(text: str, host: str, port: int) -> None:
    assert parse_address(text, 53) == (host, port)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a.test:", "invalid port"),
        ("a.test:0", "invalid port"),
        ("a.test:65536", "invalid port"),
        ("a.test:+1", "invalid port"),
        ("a.test:1_0", "invalid port"),
        ("a.test:\u0661", "invalid port"),
        ("a.test:" + "9" * 100000, "invalid port"),
        ("a.test:1:2", "invalid port"),
        ("[::1]:", "invalid port"),
        ("[::1]80", "invalid host"),
        ("[::1", "invalid host"),
        ("[]:80", "no host"),
        (":80", "no host"),
        ("a/b:80", "invalid host"),
        ("a b:80", "invalid host"),
        ("[1.2.3.4]:80", "invalid IPv6 address"),
    ],
)
def test_addresses_that_mean_nothing_say_why(text: str, reason: str) -> None:
    assert reason_of(parse_address, text, 53) == f'failed to parse host name "{text}": {reason}'


@pytest.mark.parametrize(
    ("host", "bare"),
    [("localhost", "localhost"), ("127.0.0.1", "127.0.0.1"), ("[::1]", "::1"), ("::1", "::1"), ("a_b", "a_b")],
)
def test_brackets_are_taken_off(host: str, bare: str) -> None:
    assert parse_host(host) == bare


@pytest.mark.parametrize(
    ("port", "number"), [(0, 0), (65535, 65535), ("80", 80), (" 0x50 ", 80), (80.9, 80), (b"8", 8)]
)
def test_ports_are_numbers_or_look_like_numbers(port: object, number: int) -> None:
    assert parse_port(port) == number


@pytest.mark.parametrize("port", [None, True, "", "http", "1_0", [], {}])
def test_what_is_no_number_is_a_missing_port(port: object) -> None:
    assert reason_of(parse_port, port) == "missing the port number"


@pytest.mark.parametrize("port", [-1, 65536, 10**20])
def test_ports_out_of_range_are_named(port: int) -> None:
    assert reason_of(parse_port, port) == f"bad port number: {port}"


def test_a_unix_path_may_have_107_bytes() -> None:
    assert unix_path("unix:" + "x" * 107) == b"x" * 107
    assert unix_path("UNIX:/a") == b"/a"
    assert unix_path("unix") is None
    assert unix_path("unix:\0abstract") == b"\0abstract"
    assert reason_of(unix_path, "unix:/a\0b").endswith("invalid host")
    too_long = "unix:" + "ż" * 54
    assert reason_of(unix_path, too_long).endswith("too long path in the unix domain socket")
    assert reason_of(unix_path, "unix:") == 'failed to parse host name "unix:": no path in the unix domain socket'


@pytest.mark.parametrize(("host", "text"), [("a", "a"), (b"a", "a"), (127, "127"), (1.5, "1.5")])
def test_numbers_and_bytes_are_hosts_as_text(host: object, text: str) -> None:
    assert host_text(host) == text


@pytest.mark.parametrize("host", [None, True, {}, [], object()])
def test_other_types_are_no_hosts(host: object) -> None:
    with pytest.raises(TypeError, match="bad host: str or bytes expected"):
        host_text(host)


@pytest.mark.parametrize(
    "ip", ["localhost", "127.1", "127.0.0.1000", "", "[127.0.0.1", "1", "0x7f000001", "127.0.0.1 "]
)
def test_only_full_literals_can_be_bound(ip: str) -> None:
    assert reason_of(ip_of, ip) == "bad address"


def test_literals_have_a_family_and_names_have_none() -> None:
    assert ip_of("[::1]") == ip_of(b"::1") == (V6, "::1")
    assert ip_family("127.0.0.1") == V4
    assert ip_family("fe80::1%lo") == V6
    assert ip_family("localhost") is None
    assert ip_family("a\0b") is None


@given(st.lists(st.tuples(st.sampled_from([V4, V6]), st.text("abc", min_size=1, max_size=2))))
def test_the_race_order_loses_no_address_and_lets_families_take_turns(addresses: list[tuple[int, str]]) -> None:
    order = race_order(addresses)
    assert sorted(order) == sorted(addresses)
    assert order[:1] == addresses[:1]
    for family in (V4, V6):
        assert [a for a in order if a[0] == family] == [a for a in addresses if a[0] == family]
    both = 2 * min(sum(a[0] == V4 for a in addresses), sum(a[0] == V6 for a in addresses))
    assert all(order[index][0] != order[index + 1][0] for index in range(both - 1))
