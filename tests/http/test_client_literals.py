"""Addresses in place of names: in URLs, on the way to a proxy, in Host, CONNECT and TLS's server name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Certificates
from tests.http.client_tools import (
    OK,
    Wire,
    answering,
    clean,
    error_of,
    get,
    header_of,
    idle_connections,
    new_client,
    peer,
    redirect,
    tls_context,
)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    with clean():
        yield


# An address as it is written, where it leads, and what others are told of it.
LITERALS = [
    ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
    ("[::1]", "::1", "[::1]"),
    ("[0:0:0:0:0:0:0:1]", "::1", "[::1]"),
    ("[::0001]", "::1", "[::1]"),
    ("[::1%251]", "::1", "[::1]"),
    ("[::1%1]", "::1", "[::1]"),
    ("[::1%25%31]", "::1", "[::1]"),
    ("[::ffff:127.0.0.1]", "127.0.0.1", "[::ffff:127.0.0.1]"),
    ("[::FFFF:7F00:1]", "127.0.0.1", "[::ffff:127.0.0.1]"),
]
every_literal = pytest.mark.parametrize(("written", "leads_to", "shown"), LITERALS)


@every_literal
def test_an_address_leads_there_and_host_says_it_in_one_form(written: str, leads_to: str, shown: str) -> None:
    heads: list[bytes] = []

    def script(wire: Wire) -> None:
        while head := wire.head():
            heads.append(head)
            wire.send(redirect("/b") if head.startswith(b"GET /a ") else OK)

    with peer(script, address=(leads_to, 0)) as server:
        response = get(f"http://{written}:{server.port}/a", follow_redirects=1)
        assert response.code == 200
        assert idle_connections() == 1
    for head in heads:
        assert header_of((head, b""), b"host") == [f"{shown}:{server.port}".encode()]
    assert len(heads) == 2


@every_literal
def test_an_address_as_a_proxy(written: str, leads_to: str, shown: str) -> None:
    with peer(answering(OK), address=(leads_to, 0)) as proxy:
        hc = new_client(proxy=f"http://{written}:{proxy.port}")
        assert get("http://some.example/", hc=hc).code == 200
        assert get("http://some.example/", proxy=f"{written}:{proxy.port}").code == 200


@every_literal
def test_a_proxy_is_told_of_an_address_without_its_zone(written: str, leads_to: str, shown: str) -> None:
    heads: list[bytes] = []

    def script(wire: Wire) -> None:
        heads.append(wire.head())
        wire.send(OK.replace(b"200", b"403"))

    with peer(script) as proxy:
        get(f"http://{written}:81/x", proxy=proxy.url)
        assert error_of(f"https://{written}/x", proxy=proxy.url) == "proxy refused: 403"
    name = shown.encode()
    assert heads[0].startswith(b"GET http://%b:81/x HTTP/1.1\r\nHost: %b:81\r\n" % (name, name))
    assert heads[1].startswith(b"CONNECT %b:443 HTTP/1.1\r\nHost: %b:443\r\n" % (name, name))


def names_in_tls(context: Any) -> list[str | None]:
    """Have the context note each server name that a client sends."""
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)
    return names


@every_literal
def test_an_address_is_no_server_name_and_is_verified_without_its_zone(
    written: str, leads_to: str, shown: str, certificates: Certificates
) -> None:
    context = tls_context(certificates.issue("127.0.0.1", "::1", "::ffff:127.0.0.1"))
    names = names_in_tls(context)
    with peer(answering(OK), tls=context, address=(leads_to, 0)) as server:
        assert get(f"https://{written}:{server.port}/", ssl_ca=certificates.ca).code == 200
        other = {"ssl_ca": certificates.ca, "ssl_server_name": "192.0.2.1"}
        err = error_of(f"https://{written}:{server.port}/", **other)
        assert "host mismatch" in err
    assert names == [None, None]


@pytest.mark.parametrize(
    ("name", "sent"), [("localhost", "localhost"), ("LOCALHOST.", "localhost"), ("[::1]", None), ("::1", None)]
)
def test_the_server_name_of_a_caller_may_be_an_address(name: str, sent: str | None, certificates: Certificates) -> None:
    context = tls_context(certificates.issue("localhost", "::1"))
    names = names_in_tls(context)
    with peer(answering(OK), tls=context) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert get(url, ssl_ca=certificates.ca, ssl_server_name=name).code == 200
    assert names == [sent]


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("some.example", "some.example"),
        ("Some.Example:PORT", "some.example"),
        ("b\xfccher.example", "xn--bcher-kva.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "[2001:db8::1]"),
        ("[2001:db8:0::1]", "[2001:db8::1]"),
        ("[2001:db8::1]:PORT", "[2001:db8::1]"),
    ],
)
@pytest.mark.parametrize("address", ["::1", "[::1]", "::1%1"])
def test_any_address_can_be_pinned_to_another(name: str, host: str, address: str) -> None:
    with peer(answering(OK), address=("::1", 0)) as server:
        port = str(server.port)
        addresses = {name.replace("PORT", port): address, f"{host}:1": "192.0.2.9"}
        assert get(f"http://{host}:{port}/", addresses=addresses).code == 200


def test_a_host_with_an_emoji_is_asked_verified_and_named_in_ascii(certificates: Certificates) -> None:
    heads: list[bytes] = []

    def script(wire: Wire) -> None:
        heads.append(wire.head())
        wire.send(OK)

    context = tls_context(certificates.issue("*.some.example"))
    names = names_in_tls(context)
    with peer(script, tls=context) as server:
        addresses = {"\u2603.some.example": "127.0.0.1"}
        response = get(f"https://\u2603.some.example:{server.port}/", ssl_ca=certificates.ca, addresses=addresses)
        assert response.url == f"https://xn--n3h.some.example:{server.port}/"
    assert header_of((heads[0], b""), b"host") == [b"xn--n3h.some.example:%d" % server.port]
    assert names == ["xn--n3h.some.example"]


@pytest.mark.parametrize("name", ["", "a b", "[::1", "127.1", "a:b", "a/b"])
def test_what_is_no_host_cannot_be_pinned(name: str) -> None:
    with pytest.raises(ValueError, match='bad "addresses" option: no name of a host'):
        new_client(addresses={name: "127.0.0.1"})


def test_a_zone_that_is_not_there_is_a_word() -> None:
    assert error_of("http://[fe80::1%25nosuch]:81/") == "no such device"
