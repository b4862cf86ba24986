"""Early and interim answers, floods of tiny pieces, late reads, words that say more."""

from __future__ import annotations

import pickle
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

import lasa
from lasa import thread
from lasa.http._wire.fields import prepare
from lasa.http._wire.pieces import LARGE, TINY, Pieces
from lasa.http.client import Response
from tests.http.client_tools import (
    OK,
    Wire,
    answer_and_close,
    answering,
    chunked,
    clean,
    error_of,
    get,
    new_client,
    peer,
    sized,
)

INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    with clean():
        yield


# -- one stream, several readers and interruptions


def test_a_reader_that_comes_second_does_not_end_the_first() -> None:
    def script(wire: Wire) -> None:
        wire.head()
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        gevent.sleep(0.03)
        wire.send(b"3\r\ntwo\r\n0\r\n\r\n")

    with peer(script) as server:
        ok, _, reader = new_client().request(url=server.url)
        assert ok
        assert reader().body == b"one"
        waiting = thread.spawn(reader)
        assert reader().err == "socket busy reading"
        _, piece = thread.wait(waiting)
        assert piece.body == b"two"
        assert reader() is None


def test_a_progress_function_that_raises_ends_the_stream_rather_than_losing_a_piece() -> None:
    def progress(done: int, total: int | None) -> None:
        if done > 3:
            raise KeyError(done)

    with peer(answering(chunked(b"AAA", b"BBB", b"CCC"))) as server:
        _, response, reader = new_client().request(url=server.url, progress=progress)
        assert reader().body == b"AAA"
        with pytest.raises(KeyError):
            reader()
        assert reader().err == "closed"
        with pytest.raises(lasa.SocketClosed):
            next(response.pieces())


def test_a_timeout_from_outside_does_not_end_the_pieces() -> None:
    go_on = Event()

    def script(wire: Wire) -> None:
        wire.head()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none")
        go_on.wait()
        wire.send(b"two")

    with peer(script) as server:
        _, response, _ = new_client().request(url=server.url, stream=True)
        pieces = response.pieces()
        assert next(pieces) == b"one"
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
            next(pieces)
        go_on.set()
        assert list(pieces) == [b"two"]


# -- tiny pieces


def test_a_body_in_tiny_chunks_takes_about_its_own_memory() -> None:
    body = b"ab" * 60_000
    with peer(answering(chunked(*[b"ab"] * 60_000))) as server:
        tracemalloc.start()
        response = get(server.url, read=20)
        response.read()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert response.body == body
    assert most < 2_500_000  # a list of them alone would be 3.4 MB


def test_a_line_in_tiny_chunks_costs_no_square_of_its_length() -> None:
    def seconds(size: int) -> float:
        with peer(answering(chunked(*[b"a"] * size))) as server:
            response, _ = lasa.check(new_client().request(url=server.url, read=20))
            began_s = time.process_time()
            assert list(response.lines()) == [b"a" * size]
            return time.process_time() - began_s

    seconds(1_000)
    assert seconds(64_000) < 40 * max(seconds(4_000), 0.01)


@pytest.mark.parametrize(
    "sizes", [[], [1], [TINY], [1, TINY, 1, 1, TINY, TINY], [TINY, 3], [LARGE, 3], [3, TINY, 3, LARGE, 3, TINY]]
)
def test_pieces_are_joined_in_their_order(sizes: list[int]) -> None:
    pieces = Pieces()
    parts = [bytes([65 + index]) * size for index, size in enumerate(sizes)]
    for part in parts:
        pieces.add(part)
    assert (pieces.joined(), pieces.size) == (b"".join(parts), sum(sizes))


# -- the whole time of a request


def test_the_timeout_bounds_a_proxy_that_drips_its_answer_to_connect() -> None:
    def script(wire: Wire) -> None:
        wire.head()
        for byte in b"HTTP/1.1 200 " + b"x" * 200:
            wire.send(bytes([byte]))
            gevent.sleep(0.02)

    with peer(script) as proxy:
        began_s = time.monotonic()
        err = error_of("https://example.test/", proxy=proxy.url, timeout=0.2)
        assert (err, err.stage) == ("timeout", "proxy")
        assert time.monotonic() - began_s < 2


# -- words that say more


def test_a_failure_tells_what_it_waited_for_and_of_whom() -> None:
    with peer(lambda wire: wire.rest()) as server:
        err = error_of(server.url, read=0.02)
        assert (err, err.stage, err.url) == ("timeout", "read", server.url)
    with peer(answer_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")) as server:
        err = error_of(server.url)
        assert (err, err.stage, err.partial) == ("closed", "body", b"half")
    assert error_of("nonsense").stage is None
    with peer(answering(OK, OK)) as server:
        hc = new_client(pool_size=1, pool=0.02)
        _, held, _ = hc.request(url=server.url, stream=True)
        err = error_of(server.url, hc=hc)
        assert (err, err.stage) == ("timeout", "pool")
        held.close()


def test_who_takes_a_failure_for_an_answer_reads_the_reason() -> None:
    failure: Any = error_of("http://127.0.0.1:1/")
    with pytest.raises(AttributeError, match=r"no 'json': the request failed \(connection refused\)"):
        failure.json()


@pytest.mark.parametrize(
    ("name", "near"),
    [("timout", "timeout"), ("params", "query"), ("max_bdy", "max_body"), ("verify", "ssl_verify"), ("jsn", "json")],
)
def test_a_misspelt_option_is_told_its_name(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=f'unknown option "{name}", did you mean "{near}"'):
        new_client().request(url="http://h/", **{name: 1})


def test_options_of_other_clients_are_explained() -> None:
    with pytest.raises(ValueError, match="connect= and read="):
        new_client(timeout=(3, 10))
    with pytest.raises(ValueError, match="ssl_ca"):
        new_client(ssl_verify="ca.pem")
    with pytest.raises(ValueError, match="a pair of name and value expected"):
        new_client().request(url="http://h/", headers=["a: b"])


def test_options_of_one_request_are_told_apart_by_type_and_do_not_stay() -> None:
    redirect = answering(sized(b"", b"Location: /x", status=b"302 Found"))
    with peer(redirect, answering(OK), redirect) as server:
        hc = new_client(keepalive=0)
        assert get(server.url, hc=hc, follow_redirects=True).code == 200
        assert get(server.url, hc=hc).code == 302


# -- headers


def test_header_values_that_are_equal_and_not_the_same_are_not_mixed_up() -> None:
    assert prepare({"x": 1}).items[0][2] == b"1"
    assert prepare({"x": 1.0}).items[0][2] == b"1.0"
    assert prepare({"x": (1.5, 2)}).values[b"x"] == b"2"
    assert prepare({"x": (1.5, 2.0)}).values[b"x"] == b"2.0"
    with pytest.raises(TypeError):
        prepare({"x": True})


def test_headers_may_come_from_a_generator_with_lists_in_it() -> None:
    made = prepare((name, value) for name, value in [("x", ["a", "b"]), ("y", "1")])
    assert [(name, value) for _, name, value in made.items] == [(b"x", b"a"), (b"x", b"b"), (b"y", b"1")]


def test_a_bad_header_value_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ValueError, match="control character at 13") as caught:
        prepare({"Authorization": "Bearer SECRET\n"})
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://user:p/ss@host/", "http://user:p#ss@host/", "user:secret@host/x", "http:/u:pw@h"]
)
def test_a_bad_uri_never_shows_a_password(url: str) -> None:
    err = error_of(url)
    assert err.startswith("bad uri: ")
    for part in ("ss@", "secret", "pw"):
        assert part not in err


# -- responses


def test_raise_for_status_raises_with_the_response() -> None:
    with peer(answering(sized(b"", status=b"404 Not Found"))) as server:
        response = get(server.url)
    assert not response.ok
    with pytest.raises(lasa.Error, match="404 Not Found") as caught:
        response.raise_for_status()
    assert caught.value.response is response
    assert str(pickle.loads(pickle.dumps(caught.value))) == "404 Not Found"
    with peer(answering(OK)) as server:
        good: Response = get(server.url)
    assert good.raise_for_status() is good
    assert list(good) == [b"ok"]


# -- what is late, large or odd


@pytest.mark.parametrize("closes", [False, True])
def test_an_answer_taken_after_its_time_is_over_does_not_come_back_into_the_pool(closes: bool) -> None:
    def script(wire: Wire) -> None:
        for _ in range(2):
            if not wire.head():
                return
            wire.send(chunked(b"hello"))
            if closes:
                return
        wire.rest()

    with peer(script, answering(OK), answering(OK)) as server:
        hc = new_client(pool_size=1)
        _, response, _ = hc.request(url=server.url, timeout=0.05)
        gevent.sleep(0.1)
        try:
            assert response.read() == b"hello"
        except lasa.SocketTimeout:
            pass
        first, _, _ = hc.request(url=server.url, stream=True)
        err = error_of(server.url, hc=hc, pool=0.02)
        assert (first, err.stage) == (True, "pool")  # one place, and it is taken once
        hc.close()


def test_a_redirect_whose_body_does_not_end_is_followed_soon() -> None:
    def script(wire: Wire) -> None:
        wire.head()
        wire.send(b"HTTP/1.1 302 Found\r\nLocation: /next\r\n\r\n")
        wire.rest()

    with peer(script, answering(OK)) as server:
        began_s = time.monotonic()
        assert get(server.url, follow_redirects=True).body == b"ok"
        assert time.monotonic() - began_s < 5


def test_a_peer_s_text_is_shown_without_control_characters() -> None:
    with peer(answering(sized(b"", b"Location: http://[\x1b[31m" + b"x" * 999, status=b"302 \x9bm"))) as server:
        err = error_of(server.url, follow_redirects=1)
        assert err.startswith("bad redirect: http://[\\x1b[31mxxx")
        assert len(err) < 300
    with peer(answering(sized(b"", status=b"200 \x9bm"))) as server:
        assert repr(get(server.url)) == "<lasa http response 200 \\x9bm>"


def test_large_headers_are_not_kept() -> None:
    value = "x" * 2000
    assert prepare({"x": value}) is not prepare({"x": value})
    assert prepare({"x": "y"}) is prepare({"x": "y"})


@pytest.mark.parametrize("name", ["", ".", "a" * 70, "a\0b", "good.test%x", "a b"])
def test_a_bad_server_name_is_told_before_anything_is_sent(name: str) -> None:
    with pytest.raises(ValueError, match="ssl_server_name"):
        new_client(ssl_server_name=name)


def test_a_proxy_of_the_environment_that_cannot_be_used_is_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1080")
    hc, _ = lasa.http.client.new()
    assert hc.request(url="http://example.test/")[1] == "unsupported proxy scheme: socks5"


def test_deeply_nested_json_is_a_value_error() -> None:
    with peer(answering(sized(b"[" * 200_000))) as server, pytest.raises(ValueError, match="nested too deeply"):
        get(server.url).json()


def test_a_long_charset_name_is_none() -> None:
    with peer(answering(sized(b"x", b"Content-Type: text/plain; charset=" + b"z" * 100))) as server:
        assert get(server.url).charset is None
