"""Mistakes of the caller: they raise, and nothing reaches the wire, or the connection ends with them."""

from __future__ import annotations

import io
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lasa
from lasa.http import client
from tests.conftest import Certificates
from tests.http.client_tools import (
    OK,
    Wire,
    answering,
    clean,
    error_of,
    get,
    idle_connections,
    in_use,
    new_client,
    peer,
    recording,
    write,
)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    with clean():
        yield


@pytest.mark.parametrize(
    "options",
    [
        {"method": ""},
        {"method": "GET /x HTTP/1.1\r\nX: y"},
        {"method": "GE T"},
        {"method": "GÉT"},
        {"method": b"GET"},
        {"method": 1},
        {"method": "CONNECT"},
        {"method": "TRACE", "body": "x"},
        {"headers": {"X\r\nY": "1"}},
        {"headers": {"X-A": "1\r\nX-B: 2"}},
        {"headers": {"X-A": "1\n"}},
        {"headers": {"X-A": "\x00"}},
        {"headers": {"X-A": b"\x7f"}},
        {"headers": {"": "1"}},
        {"headers": {"X A": "1"}},
        {"headers": {"X-A:": "1"}},
        {"headers": {"Ä": "1"}},
        {"headers": {"X-A": ["ok", "bad\r\n"]}},
        {"headers": {"X-A": object()}},
        {"headers": {"X-A": True}},
        {"headers": {1: "x"}},
        {"headers": 5},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"headers": {"Host": ["a", "b"]}},
        {"headers": {"Content-Length": "5"}, "body": "four"},
        {"headers": {"Content-Length": "x"}, "body": "four"},
        {"headers": {"Content-Length": "-4"}, "body": iter(["four"])},
        {"headers": {"Content-Length": "1"}},
        {"headers": {"Content-Length": ["4", "4"]}, "body": "four"},
        {"query": {"a": object()}},
        {"query": "a\r\nb"},
        {"query": [1]},
        {"body": 5},
        {"body": {"a": 1}},
        {"body": object()},
        {"body": io.StringIO("text")},
        {"body": "\ud800"},
        {"body": [b"x", 5]},
        {"body": Path("/nowhere/at/all")},
        {"body": "x", "json": 1},
        {"body": "x", "form": {"a": 1}},
        {"json": float("nan")},
        {"json": object()},
        {"form": {"a": object()}},
        {"files": {"a": 5}},
        {"files": {"a": ("x.txt", b"", "text/plain\r\nX: y")}},
        {"timeout": -1},
        {"timeout": 0},
        {"timeout": "soon"},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"connect": None},
        {"read": 0},
        {"pool_size": 0},
        {"follow_redirects": -1},
        {"max_body": -1},
        {"max_head": 0},
        {"auth": ("a:b", "c")},
        {"auth": ("a", "b\r\n")},
        {"auth": "to ken"},
        {"auth": 5},
        {"cookies": {"a b": "1"}},
        {"cookies": {"a": "1;2"}},
        {"cookies": 5},
        {"retries": -1},
        {"retries": "many"},
        {"retries": {"unknown": 1}},
        {"proxy": "socks5://127.0.0.1:1"},
        {"proxy": "http://"},
        {"proxy": 5},
        {"proxy": {"ftp": "http://127.0.0.1"}},
        {"addresses": 5},
        {"ssl_ca": "/nowhere/at/all"},
        {"ssl_cert": "/nowhere/at/all"},
        {"ssl_key": "/nowhere/at/all"},
        {"ssl_minimum_version": "1.9"},
        {"ssl_minimum_version": []},
        {"ssl_context": 5},
        {"ssl_server_name": 5},
        {"ssl_ca": 5},
        {"unknown": 1},
        {"progress": 5},
    ],
    ids=repr,
)
def test_a_bad_argument_raises_before_anything_is_sent(options: dict[str, Any]) -> None:
    seen: list[bytes] = []
    with peer(lambda wire: seen.append(wire.exactly(1))) as server:
        hc = new_client()
        with pytest.raises((ValueError, TypeError, FileNotFoundError)):
            hc.request(url=server.url, **options)
        with pytest.raises((ValueError, TypeError, FileNotFoundError)):
            hc.request({"url": server.url, **options})
    assert (server.connections, seen) == (0, [])


@pytest.mark.parametrize(
    "url", ["http://a\r\nb/", "http://a/\x00", "http://a/x\r\nHost: b", "http://a/\n", None, 5, []]
)
def test_a_url_that_is_no_text_of_one_line_raises(url: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        new_client().request(url=url)


def test_a_request_without_a_url_raises() -> None:
    with pytest.raises(ValueError, match="url is missing"):
        new_client().request({})
    with pytest.raises(ValueError, match="url is missing"):
        new_client().request(method="GET")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "ftp://a/",
        "http://",
        "http:///x",
        "http://a b/",
        "http://a:0/",
        "http://a:99999/",
        "http://[::1",
    ],
)
def test_a_bad_url_is_an_error_word(url: str) -> None:
    assert error_of(url) == f"bad uri: {url}"


def test_a_bad_url_is_quoted_without_its_password() -> None:
    err = error_of("http://user:secret@a b/")
    assert err.startswith("bad uri: ")
    assert "secret" not in err


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X": "a\r\n"}},
        {"timeout": -1},
        {"unknown": 1},
        {"auth": 5},
        {"ssl_ca": "/nowhere"},
        {"ssl_key": "x"},
        {"proxy": "socks5://x"},
        {"proxy": 5},
        {"url": "http://a/"},
    ],
    ids=repr,
)
def test_new_checks_its_options(options: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        client.new(**options)
    with pytest.raises((ValueError, TypeError)):
        client.new(options)


def test_options_may_come_as_a_mapping_or_as_keywords(certificates: Certificates) -> None:
    hc, err = client.new({"timeout": 5, "headers": {"X-A": "1"}}, proxy=False, timeout=0.001)
    assert err is None
    with recording() as server:
        ok, _, _ = hc.request({"url": server.url, "method": "PUT"}, method="GET", body=b"x")
        assert ok is True
    assert server.requests[0][0].startswith(b"PUT / ")
    for ca in (certificates.ca, Path(certificates.ca), Path(certificates.ca).read_text()):
        assert client.new(ssl_ca=ca)[1] is None
    mine = certificates.issue("client.example")
    for cert in (mine, Path(mine)):
        assert client.new(ssl_cert=cert, ssl_minimum_version=ssl.TLSVersion.TLSv1_3)[1] is None


def test_a_mapping_of_the_caller_is_not_changed() -> None:
    with recording() as server:
        given = {"url": server.url, "headers": {"X": "1"}, "body": b"x", "timeout": 5}
        copy = dict(given)
        assert new_client().request(given)[0] is True
        assert given == copy


# Bodies that fail on the way


def failing(after: int) -> Iterator[bytes]:
    yield from [b"piece"] * after
    raise RuntimeError("out of pieces")


@pytest.mark.parametrize("after", [0, 1, 5])
@pytest.mark.parametrize("headers", [{}, {"Content-Length": "100"}], ids=["chunked", "sized"])
def test_a_body_that_raises_ends_the_connection_unfinished(after: int, headers: dict[str, str]) -> None:
    seen: list[bytes] = []

    def script(wire: Wire) -> None:
        seen.append(wire.rest())

    with peer(answering(OK), script) as server:
        hc = new_client()
        get(server.url, hc=hc)
        with pytest.raises(RuntimeError, match="out of pieces"):
            hc.request(url=server.url, body=failing(after), headers=headers)
        assert (in_use(), idle_connections()) == ({}, 0)
        with pytest.raises(RuntimeError, match="out of pieces"):
            hc.request(url=server.url, body=failing(after), headers=headers)
        assert (in_use(), idle_connections()) == ({}, 0)
    assert all(b"\r\n0\r\n\r\n" not in data for data in seen)


@pytest.mark.parametrize("pieces", [[b"four"], [b"four", b"five!", b"more"], []])
def test_a_body_that_is_not_as_long_as_it_says_ends_the_connection(pieces: list[bytes]) -> None:
    with peer(answering(OK)) as server:
        hc = new_client()
        with pytest.raises(ValueError, match="long"):
            hc.request(url=server.url, body=iter(pieces), headers={"Content-Length": "8"})
        assert (in_use(), idle_connections()) == ({}, 0)


def test_a_piece_that_is_none_ends_the_connection() -> None:
    with peer(answering(OK)) as server:
        hc = new_client()
        for body in (iter([b"x", 5]), iter([None]), lambda: 5):
            with pytest.raises(TypeError):
                hc.request(url=server.url, body=body)
            assert (in_use(), idle_connections()) == ({}, 0)


def test_a_reader_that_fails_ends_the_request_with_its_word() -> None:
    results = iter([(b"x", None), (None, "too bad")])
    with peer(answering(OK)) as server:
        assert error_of(server.url, body=lambda: next(results)) == "request body failed: too bad"
        assert (in_use(), idle_connections()) == ({}, 0)


def test_a_file_that_has_become_shorter_ends_the_connection(tmp_path: Path) -> None:
    path = write(tmp_path / "file", b"x" * 100)

    class Shrinking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(size)[:10] if self.tell() == 0 else b""

    with peer(answering(OK)) as server:
        with pytest.raises(ValueError, match="shorter"):
            new_client().request(url=server.url, body=Shrinking(path.read_bytes()))
        assert (in_use(), idle_connections()) == ({}, 0)


def test_a_word_of_failure_is_a_str_that_check_understands() -> None:
    with pytest.raises(lasa.Error) as caught:
        lasa.check(new_client().request(url="nothing"))
    assert caught.value.reason == "bad uri: nothing"
