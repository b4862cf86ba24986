from __future__ import annotations

import gc
import gzip
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gevent.event import Event

import lasa
from lasa import thread
from lasa.http._client.transfer import Transfer
from lasa.http.client import Piece, Response
from tests.helpers import no_switch
from tests.http.client_tools import (
    OK,
    Wire,
    answer_and_close,
    answering,
    chunked,
    clean,
    error_of,
    get,
    header_of,
    idle_connections,
    new_client,
    peer,
    read_pieces,
    recording,
    sized,
    write,
)
from tests.http.tools import serving
from tests.socket.tools import result_of


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    with clean():
        yield


# The seed


def test_the_first_example_of_the_seed_works_word_for_word() -> None:
    with recording() as server:
        hc, err = lasa.http.client.new()
        assert err is None
        ok, resp, reader = hc.request(
            {
                "url": server.url,
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
                "body": "hello world.",
                "timeout": 30,
            }
        )
        assert (ok, reader) == (True, None)
        assert (resp["code"], resp["status"], resp["body"]) == (200, "OK", b"ok")
        assert resp["headers"]["content-length"] == "2"
        assert hc.close() == (1, None)
        assert hc.close() == (None, "closed")
    head, body = server.requests[0]
    assert head.startswith(b"POST / HTTP/1.1\r\n")
    assert header_of((head, body), b"content-type") == [b"application/x-www-form-urlencoded"]
    assert body == b"hello world."


def test_the_second_example_of_the_seed_works_word_for_word() -> None:
    sizes = []
    with peer(answering(chunked(b"hello", b", ", b"world"))) as server:
        hc, _ = lasa.http.client.new()
        _, resp, chunks = hc.request({"url": server.url})
        assert resp.body is None
        if chunks:
            while True:
                resp = chunks()
                if not resp or not resp.body:
                    break
                sizes.append(len(resp["body"]))
    assert sum(sizes) == len("hello, world")


@pytest.mark.parametrize("body", [None, b"whole", [b"in ", b"pieces"]])
def test_a_request_with_a_timeout_leaves_nothing_for_the_collector(body: Any) -> None:
    with recording() as server:
        hc = new_client(timeout=5)
        gc.disable()
        try:
            get(server.url, hc=hc, body=body)
            assert not any(type(each) is Transfer for each in gc.get_objects())
        finally:
            gc.enable()


def test_the_method_follows_the_body_unless_it_is_given() -> None:
    with recording() as server:
        hc = new_client()
        get(server.url, hc=hc)
        for body in ("", b"", "x", [b"x"], iter([b"x"])):
            get(server.url, hc=hc, body=body)
        for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "get", "propfind"):
            get(server.url, hc=hc, method=method)
    assert [head.split(b" ")[0] for head, _ in server.requests] == [
        b"GET",
        *[b"POST"] * 5,
        b"PUT",
        b"DELETE",
        b"OPTIONS",
        b"PATCH",
        b"PROPFIND",
        b"GET",  # methods are case-sensitive, and nobody means b"get"
        b"propfind",
    ]


def test_a_request_without_a_body_says_its_length_only_where_one_is_expected() -> None:
    with recording() as server:
        for method in ("GET", "DELETE", "OPTIONS", "POST", "PUT", "PATCH"):
            get(server.url, method=method)
    lengths = {head.split(b" ")[0]: header_of((head, body), b"content-length") for head, body in server.requests}
    assert lengths == {
        b"GET": [],
        b"DELETE": [],
        b"OPTIONS": [],
        b"POST": [b"0"],
        b"PUT": [b"0"],
        b"PATCH": [b"0"],
    }


def test_the_path_goes_out_as_given_and_the_fragment_does_not() -> None:
    with recording() as server:
        get(f"{server.url}/a/../b%2Fc%7e+d?x=1&y=%20#part")
        get(f"{server.url}?q")
        get(f"{server.url}/ä")
    targets = [head.split(b" ")[1] for head, _ in server.requests]
    assert targets == [b"/a/../b%2Fc%7e+d?x=1&y=%20", b"/?q", b"/%C3%A4"]


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ({"a": 1, "b": "x y", "c": [1, 2], "d": None, "e": True}, b"/p?z=0&a=1&b=x%20y&c=1&c=2&e=true"),
        ([("a", "&"), ("a", "=")], b"/p?z=0&a=%26&a=%3D"),
        ("raw=1", b"/p?z=0&raw=1"),
        ({}, b"/p?z=0"),
    ],
)
def test_query_parameters_are_added_to_the_url(query: Any, target: bytes) -> None:
    with recording() as server:
        get(f"{server.url}/p?z=0", query=query)
    assert server.requests[0][0].split(b" ")[1] == target


# Headers


def test_automatic_headers_say_who_asks_for_what() -> None:
    with recording() as server:
        get(server.url)
    request = server.requests[0]
    assert header_of(request, b"host") == [server.url.removeprefix("http://").encode()]
    assert header_of(request, b"user-agent")[0].startswith(b"lasa/")
    assert header_of(request, b"accept") == [b"*/*"]
    assert header_of(request, b"accept-encoding")[0].startswith(b"gzip, deflate")
    assert header_of(request, b"connection") == []
    assert request[0].split(b"\r\n")[1].lower().startswith(b"host:")


def test_headers_of_the_caller_replace_automatic_ones_whatever_their_case() -> None:
    with recording() as server:
        hc = new_client(headers={"X-Client": "1", "User-Agent": "of the client"})
        get(server.url, hc=hc, headers={"hOST": "other.example", "ACCEPT": "text/html", "user-agent": "mine"})
    request = server.requests[0]
    assert header_of(request, b"host") == [b"other.example"]
    assert header_of(request, b"accept") == [b"text/html"]
    assert header_of(request, b"user-agent") == [b"mine"]
    assert header_of(request, b"x-client") == [b"1"]


def test_a_part_of_a_body_is_asked_for_as_it_is() -> None:
    with recording() as server:
        get(server.url, headers={"Range": "bytes=0-4"})
        get(server.url, hc=new_client(headers={"range": "bytes=0-4"}))
        get(server.url, headers={"Range": "bytes=0-4", "Accept-Encoding": "br"})
        get(server.url, headers={"Range": "bytes=0-4", "Accept-Encoding": None})
    codings = [header_of(request, b"accept-encoding") for request in server.requests]
    assert codings == [[b"identity"], [b"identity"], [b"br"], []]


def test_none_leaves_an_automatic_header_out_and_a_list_repeats_one() -> None:
    with recording() as server:
        hc = new_client(headers={"X-Client": "1"})
        headers = {"User-Agent": None, "accept-encoding": None, "x-client": None, "X-Two": ["a", "b"], "X-Number": 3}
        get(server.url, hc=hc, headers=headers)
        get(server.url, hc=hc)
    first, second = server.requests
    assert (
        header_of(first, b"user-agent") == header_of(first, b"accept-encoding") == header_of(first, b"x-client") == []
    )
    assert header_of(first, b"x-two") == [b"a", b"b"]
    assert header_of(first, b"x-number") == [b"3"]
    assert header_of(second, b"x-client") == [b"1"]
    assert len(header_of(second, b"user-agent")) == 1


def test_headers_beyond_ascii_go_out_as_latin_1_or_utf_8() -> None:
    with recording() as server:
        get(server.url, headers={"X-A": "ä", "X-B": "€", "X-C": b"\xff", "X-D": ""})
    request = server.requests[0]
    assert header_of(request, b"x-a") == [b"\xe4"]
    assert header_of(request, b"x-b") == ["€".encode()]
    assert header_of(request, b"x-c") == [b"\xff"]
    assert header_of(request, b"x-d") == [b""]


# Bodies


@pytest.mark.parametrize("body", [b"data", "data", bytearray(b"data"), memoryview(b"data"), [b"da", "ta"]], ids=repr)
def test_a_body_of_known_length_is_sent_with_it(body: Any) -> None:
    with recording() as server:
        get(server.url, body=body)
    request = server.requests[0]
    assert request[1] == b"data"
    assert header_of(request, b"content-length") == [b"4"]
    assert header_of(request, b"transfer-encoding") == []


def test_a_body_of_unknown_length_is_sent_in_chunks() -> None:
    pieces: list[Any] = [b"one", "", "two", b"", b"three"]
    functions = iter([*pieces[:1], "two", None])
    with recording() as server:
        get(server.url, body=(piece for piece in pieces))
        get(server.url, body=lambda: next(functions))
    assert [body for _, body in server.requests] == [
        b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n",
        b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
    ]
    for request in server.requests:
        assert header_of(request, b"transfer-encoding") == [b"chunked"]
        assert header_of(request, b"content-length") == []


def test_a_reader_of_lasa_is_a_body() -> None:
    with peer(answering(chunked(b"hello, ", b"world"))) as source, recording() as server:
        _, _, reader = new_client().request(url=source.url)
        get(server.url, body=reader)
    assert b"".join(server.requests[0][1].split(b"\r\n")[1::2]) == b"hello, world"


def test_an_iterator_with_a_content_length_is_sent_with_that_length() -> None:
    with recording() as server:
        get(server.url, body=iter([b"he", b"llo"]), headers={"Content-Length": "5"})
    assert server.requests[0][1] == b"hello"
    assert header_of(server.requests[0], b"transfer-encoding") == []


def test_files_and_paths_are_sent_with_their_length(tmp_path: Path) -> None:
    path = write(tmp_path / "data.bin", os.urandom(300_000))
    with recording() as server, path.open("rb") as file:
        file.seek(100)
        get(server.url, body=file)
        get(server.url, body=path, method="PUT")
    assert [body for _, body in server.requests] == [path.read_bytes()[100:], path.read_bytes()]


def test_json_and_forms_bring_their_content_type() -> None:
    with recording() as server:
        get(server.url, json={"a": [1, None, "ä"]})
        get(server.url, form={"a": "x y", "b": [1, 2], "ä": "&"})
        get(server.url, json=[], headers={"content-type": "application/vnd.api+json"})
        get(server.url, body="null")
    first, second, third, fourth = server.requests
    assert first[1] == '{"a":[1,null,"ä"]}'.encode()
    assert header_of(first, b"content-type") == [b"application/json"]
    assert second[1] == b"a=x+y&b=1&b=2&%C3%A4=%26"
    assert header_of(second, b"content-type") == [b"application/x-www-form-urlencoded"]
    assert header_of(third, b"content-type") == [b"application/vnd.api+json"]
    assert header_of(fourth, b"content-type") == []
    assert {head.split(b" ")[0] for head, _ in server.requests} == {b"POST"}


def test_a_multipart_upload_is_what_the_server_takes_for_a_form(tmp_path: Path) -> None:
    path = write(tmp_path / "größe.txt", b"x" * 200_000)
    seen: dict[str, Any] = {}

    def handler(request: Any) -> Any:
        form = request.form()
        for name, value in form.items():
            seen[name] = value if isinstance(value, str) else (value.filename, value.content_type, value.file.read())
        return 200, {}, "taken"

    with serving(handler) as server, path.open("rb") as opened:
        files = {"path": path, "opened": opened, "tuple": ("a.json", b"{}"), "streamed": ("b.bin", iter([b"1", b"2"]))}
        assert get(server.url, form={"name": "ä", "n": 1}, files=files).body == b"taken"
    assert seen["name"] == "ä"
    assert seen["n"] == "1"
    assert seen["path"] == ("größe.txt", "text/plain", b"x" * 200_000)
    assert seen["opened"] == ("größe.txt", "text/plain", b"x" * 200_000)
    assert seen["tuple"] == ("a.json", "application/json", b"{}")
    assert seen["streamed"] == ("b.bin", "application/octet-stream", b"12")


def test_expect_waits_for_the_servers_word_before_a_stream() -> None:
    def handler(request: Any) -> Any:
        return 200, {}, b"%d" % len(request.read())

    def refuse(request: Any) -> Any:
        return 403, {}, "no"

    taken: list[int] = []

    def pieces() -> Iterator[bytes]:
        taken.append(1)
        yield b"x" * 10

    with serving(handler) as server:
        assert get(server.url, body=pieces(), expect=True).body == b"10"
    assert taken == [1]
    with serving(refuse) as server:
        response = get(server.url, body=pieces(), expect=True)
        assert (response.code, response.body) == (403, b"no")
    assert taken == [1]


# Responses


def test_a_response_has_its_parts_as_attributes_and_subscripts() -> None:
    answer = sized(b'{"a": 1}', b"Content-Type: application/json", b"Set-Cookie: a=1", b"set-cookie: b=2")
    with peer(answering(answer.replace(b"200 OK", b"201 Made it so"))) as server:
        response = get(f"{server.url}/x?y#z")
    assert (response.code, response.status, response.http_version) == (201, "Made it so", "1.1")
    assert response.url == f"{server.url}/x?y"
    assert response.method == "GET"
    assert response.headers["CONTENT-TYPE"] == "application/json"
    assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
    assert response.body == response.read() == b'{"a": 1}'
    assert response.text() == '{"a": 1}'
    assert response.json() == {"a": 1}
    assert response.history == ()
    assert list(response.pieces()) == [b'{"a": 1}']
    assert repr(response) == "<lasa http response 201 Made it so>"
    for name in ("code", "status", "headers", "body", "url", "http_version", "trailers", "history", "method"):
        assert response[name] == getattr(response, name)
    with pytest.raises(KeyError):
        response["nothing"]


@pytest.mark.parametrize(
    ("content_type", "body", "charset", "text"),
    [
        (b"text/plain", "grün".encode(), None, "grün"),
        (b"text/plain; charset=iso-8859-1", b"gr\xfcn", "iso8859-1", "grün"),
        (b'text/plain; x=y; Charset="UTF-8"', "grün".encode(), "utf-8", "grün"),
        (b"text/plain; charset=nonsense", "grün".encode(), None, "grün"),
        (b"text/plain; charset=", "grün".encode(), None, "grün"),
        (b"text/plain", b"gr\xfcn", None, "gr\ufffdn"),
        (b"text/plain; charset=utf-16-le", "ä".encode("utf-16-le"), "utf-16-le", "ä"),
        (b"text/plain; charset=base64", b"abc", None, "abc"),
        (b"text/plain; charset=rot13", b"abc", None, "abc"),
        (b"text/plain; charset=undefined", b"abc", None, "abc"),
        (b"text/plain; charset=idna", b"abc", None, "abc"),
        (b"text/plain; charset=punycode", b"abc", None, "abc"),
        (b"text/plain; charset=unicode_escape", b"\\d", None, "\\d"),
        (b"text/plain; charset=a\xff", b"abc", None, "abc"),
    ],
)
def test_text_is_decoded_as_the_content_type_says(
    content_type: bytes, body: bytes, charset: str | None, text: str
) -> None:
    with peer(answering(sized(body, b"Content-Type: " + content_type))) as server:
        response = get(server.url)
    assert response.text() == text
    assert response.charset == charset


def test_text_in_an_encoding_of_the_callers_choice() -> None:
    with peer(answering(sized(b"gr\xfcn"))) as server:
        response = get(server.url)
    assert response.text("latin-1") == "grün"
    with pytest.raises(LookupError):
        response.text("nonsense")


@pytest.mark.parametrize("code", [204, 304])
@pytest.mark.parametrize("field", [b"Content-Length: 10", b"Transfer-Encoding: chunked", b"X-Nothing: 1"])
def test_an_answer_that_has_no_body_needs_none(code: int, field: bytes) -> None:
    answer = b"HTTP/1.1 %d Nothing\r\n%b\r\n\r\n" % (code, field)
    with peer(answering(answer)) as server:
        hc = new_client()
        for _ in range(3):
            ok, response, reader = hc.request(url=server.url)
            assert (ok, response.code, response.body, reader) == (True, code, b"", None)
    assert server.connections == 1


@pytest.mark.parametrize("field", [b"Content-Length: 10", b"Transfer-Encoding: chunked", b"Content-Encoding: gzip"])
def test_an_answer_to_head_has_no_body_whatever_it_says(field: bytes) -> None:
    with peer(
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".replace(b"Content-Length: 10", field))
    ) as server:
        hc = new_client()
        for _ in range(2):
            ok, response, reader = hc.request(url=server.url, method="HEAD")
            assert (ok, response.body, reader) == (True, b"", None)


def test_interim_answers_are_skipped() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    with peer(answering(interim + OK)) as server:
        response = get(server.url)
        assert (response.code, response.body) == (200, b"ok")
        assert idle_connections() == 1


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    with peer(answer_and_close(b"HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nall of it")) as server:
        response = get(server.url)
    assert (response.body, response.http_version, idle_connections()) == (b"all of it", "1.0", 0)


def test_compressed_bodies_are_inflated_unless_that_is_not_wanted() -> None:
    packed = gzip.compress(b"hello " * 1000)
    with peer(answering(sized(packed, b"Content-Encoding: gzip"))) as server:
        hc = new_client()
        assert get(server.url, hc=hc).body == b"hello " * 1000
        response = get(server.url, hc=hc, decode=False)
        assert response.body == packed
        assert response.headers["content-encoding"] == "gzip"
        assert server.connections == 1


def test_a_coding_that_is_not_known_is_left_to_the_caller() -> None:
    with peer(answering(sized(b"packed", b"Content-Encoding: exotic"))) as server:
        assert get(server.url).body == b"packed"


def test_an_empty_body_may_say_that_it_is_compressed() -> None:
    with peer(answering(sized(b"", b"Content-Encoding: gzip"))) as server:
        assert get(server.url).body == b""


def test_trailers_are_there_once_a_chunked_body_has_been_read() -> None:
    with peer(answering(chunked(b"body", trailers=b"X-Sum: 7\r\nx-sum: 8\r\n"))) as server:
        _, response, reader = new_client().request(url=server.url)
        assert len(response.trailers) == 0
        assert read_pieces(reader) == (b"body", None)
        assert response.trailers.getall("X-Sum") == ["7", "8"]
        assert "x-sum" not in response.headers


# Streaming


def test_a_stream_arrives_as_the_server_sends_it() -> None:
    def script(wire: Wire) -> None:
        wire.head()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
        for piece in (b"one", b"two"):
            wire.send(piece)
            taken.wait()
            taken.clear()
        wire.rest()

    taken = Event()
    with peer(script) as server:
        ok, response, reader = new_client().request(url=server.url, stream=True)
        assert ok is True
        assert response.body is None
        for piece in (b"one", b"two"):
            got = reader()
            assert isinstance(got, Piece)
            assert (got.body, got["err"]) == (piece, None)
            taken.set()
        assert reader() is None
        assert reader() is None


@pytest.mark.parametrize(
    "answer",
    [
        sized(b"first\r\nsecond\n\nthird"),
        chunked(b"first\r", b"\nsec", b"ond\n", b"\nthird"),
        chunked(gzip.compress(b"first\r\nsecond\n\nthird"), fields=(b"Content-Encoding: gzip",)),
    ],
)
def test_a_body_can_be_read_line_by_line(answer: bytes) -> None:
    with peer(answering(answer)) as server:
        _, response, _ = new_client().request(url=server.url, stream=True)
        assert list(response.lines()) == [b"first", b"second", b"", b"third"]
        assert idle_connections() == 1


def test_a_line_that_does_not_end_is_an_error() -> None:
    with peer(answering(sized(b"x" * 1001))) as server:
        _, response, _ = new_client().request(url=server.url, stream=True)
        with pytest.raises(lasa.Error, match="line too long"):
            list(response.lines(max_line=1000))
        response.close()


def test_a_line_that_is_too_long_is_an_error_however_it_is_cut() -> None:
    with peer(answering(sized(b"x" * 1001 + b"\nshort\n"))) as server:
        _, response, _ = new_client().request(url=server.url, stream=True)
        with pytest.raises(lasa.Error, match="line too long"):
            list(response.lines(max_line=1000))
        response.close()


def test_a_body_can_be_saved_to_a_path_and_to_a_file(tmp_path: Path) -> None:
    data = os.urandom(1_000_000)
    with peer(answering(sized(data))) as server:
        hc = new_client()
        _, response, _ = hc.request(url=server.url, stream=True)
        assert response.save(tmp_path / "a") == len(data)
        _, response, _ = hc.request(url=server.url, stream=True)
        file = io.BytesIO()
        assert response.save(file) == len(data)
        assert response.save(io.BytesIO()) == 0
        assert get(server.url, hc=hc).save(tmp_path / "b") == len(data)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == file.getvalue() == data
    assert server.connections == 1


def test_a_broken_stream_leaves_what_did_come_in_the_file(tmp_path: Path) -> None:
    with peer(answer_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")) as server:
        _, response, _ = new_client().request(url=server.url, stream=True)
        with pytest.raises(lasa.Error, match="closed"):
            response.save(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"half"


def test_a_stream_may_be_read_whole_after_its_first_pieces() -> None:
    with peer(answering(chunked(b"a" * 10, b"b" * 10))) as server:
        _, response, reader = new_client().request(url=server.url)
        assert response.read() == b"a" * 10 + b"b" * 10
        assert response.body == response.read()
        assert reader() is None
        assert idle_connections() == 1


def test_leaving_a_with_closes_what_has_not_been_read() -> None:
    with peer(answering(chunked(b"a" * 10))) as server:
        _, response, reader = new_client().request(url=server.url)
        with response:
            pass
        piece = reader()
        assert (piece.body, piece.err) == (None, "closed")
        with pytest.raises(lasa.Error, match="closed"):
            response.read()
        assert idle_connections() == 0


def test_a_response_that_was_read_can_be_closed_without_harm() -> None:
    with peer(answering(sized(b"all"))) as server:
        hc = new_client()
        with get(server.url, hc=hc) as response:
            assert response.body == b"all"
        assert idle_connections() == 1


def test_closing_the_client_cuts_off_its_streams_and_refuses_requests() -> None:
    with peer(answering(chunked(b"a" * 10))) as server:
        hc = new_client()
        _, _, first = hc.request(url=server.url)
        _, _, second = hc.request(url=server.url)
        assert hc.close() == (1, None)
        assert [(piece.body, piece.err) for piece in (first(), second())] == [(None, "closed")] * 2
        assert error_of(server.url, hc=hc) == "closed"
    with new_client() as other:
        assert other is not None
    assert other.close() == (None, "closed")


def test_two_streams_of_one_client_do_not_disturb_each_other() -> None:
    with peer(answering(chunked(b"a" * 10, b"b"))) as server:
        hc = new_client()
        _, _, first = hc.request(url=server.url)
        _, _, second = hc.request(url=server.url)
        assert read_pieces(second) == (b"a" * 10 + b"b", None)
        assert read_pieces(first) == (b"a" * 10 + b"b", None)
        assert server.connections == 2


def test_a_stream_that_is_dropped_gives_its_connection_back() -> None:
    with peer(answering(chunked(b"a" * 10))) as server:
        hc = new_client(pool_size=1)
        for _ in range(3):
            ok, response, reader = hc.request(url=server.url)
            assert ok is True
            del response, reader
        assert idle_connections() == 0


def test_progress_is_told_bytes_so_far_and_the_total() -> None:
    data = os.urandom(500_000)
    steps: list[Any] = []
    with peer(answering(sized(data))) as server:
        get(server.url, progress=lambda *step: steps.append(step))
    assert steps[-1] == (len(data), len(data))
    assert steps == sorted(steps)
    assert {total for _, total in steps} == {len(data)}
    steps.clear()
    with peer(answering(chunked(b"a" * 10, b"b"))) as server:
        get(server.url, progress=lambda *step: steps.append(step)).read()
    assert steps[-1] == (11, None)


def test_a_progress_function_that_raises_ends_the_request() -> None:
    def progress(so_far: int, total: int | None) -> None:
        raise RuntimeError("enough")

    with peer(answering(sized(b"data"))) as server:
        with pytest.raises(RuntimeError, match="enough"):
            new_client().request(url=server.url, progress=progress)
        assert idle_connections() == 0


# Connections


def test_connections_are_used_again_by_every_client() -> None:
    with peer(answering(OK)) as server:
        for _ in range(5):
            get(server.url)
        assert (server.connections, idle_connections()) == (1, 1)


def test_keepalive_zero_closes_each_connection() -> None:
    with peer(answering(OK)) as server:
        for _ in range(2):
            get(server.url, keepalive=0)
        assert (server.connections, idle_connections()) == (2, 0)


@pytest.mark.parametrize(
    "answer",
    [
        sized(b"ok", b"Connection: close"),
        sized(b"ok", b"Connection: foo, CLOSE"),
        OK.replace(b"1.1", b"1.0"),
        chunked(b"ok", fields=(b"Connection: close",)),
    ],
)
def test_a_connection_that_the_server_will_close_is_not_kept(answer: bytes) -> None:
    with peer(answering(answer)) as server:
        assert get(server.url).read() == b"ok"
        assert idle_connections() == 0


def test_a_connection_that_the_caller_wants_closed_is_not_kept() -> None:
    with recording() as server:
        get(server.url, headers={"Connection": "close"})
        assert idle_connections() == 0
    assert header_of(server.requests[0], b"connection") == [b"close"]


def test_http_1_0_with_keep_alive_is_not_trusted_with_a_second_request() -> None:
    with peer(answering(sized(b"ok", b"Connection: keep-alive").replace(b"1.1", b"1.0"))) as server:
        assert [get(server.url).body for _ in range(2)] == [b"ok", b"ok"]


def test_light_threads_share_a_client() -> None:
    def handler(request: Any) -> Any:
        return 200, {}, request.query["n"]

    with serving(handler) as server:
        hc = new_client()
        asking = [thread.spawn(hc.request, {"url": server.url, "query": {"n": n}}) for n in range(50)]
        answers = [result_of(one)[1] for one in asking]
        assert [int(answer.body) for answer in answers] == list(range(50))


def test_a_unix_socket_is_a_server_like_any_other(tmp_path: Path) -> None:
    def handler(request: Any) -> Any:
        return 200, {}, f"{request.method} {request.target} {request.headers['host']}"

    with serving(handler, f"unix:{tmp_path}/s.sock"):
        response = get(f"http://unix:{tmp_path}/s.sock:/a?b")
        assert response.body == b"GET /a?b localhost"
        assert get("http://some.example/x", addresses={"some.example": f"unix:{tmp_path}/s.sock"}).body == (
            b"GET /x some.example"
        )


def test_a_name_can_be_pinned_to_an_address() -> None:
    with recording() as server:
        hc = new_client(addresses={"Pinned.Example": "127.0.0.1"})
        get(f"http://pinned.example:{server.port}/", hc=hc)
    assert header_of(server.requests[0], b"host") == [f"pinned.example:{server.port}".encode()]


def test_an_upgrade_hands_the_socket_over_with_what_has_come_already() -> None:
    def script(wire: Wire) -> None:
        wire.head()
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello\n")
        wire.send(wire.until(b"\n"))

    with peer(script) as server:
        response = get(server.url, headers={"Connection": "Upgrade", "Upgrade": "echo"})
        assert response.code == 101
        sock = response.socket
        assert sock is not None
        assert sock.receive() == (b"hello", None, None)
        assert sock.send("ping\n") == (5, None)
        assert sock.receive() == (b"ping", None, None)
        assert sock.setkeepalive() == (None, "invalid connection")  # the next request could not go on with it
        assert sock.close() == (1, None)


def test_a_body_that_the_server_echoes_while_it_comes_arrives_whole() -> None:
    def handler(request: Any) -> Any:
        with request.respond(200) as response:
            for piece in request.body:
                response.send(piece)

    with serving(handler) as server:
        pieces = [os.urandom(1000) for _ in range(100)]
        response = get(server.url, body=iter(pieces))
        assert response.read() == b"".join(pieces)


def test_a_large_body_in_memory_arrives_whole() -> None:
    data = os.urandom(3_000_000)

    def handler(request: Any) -> Any:
        return 200, {}, request.read()

    with serving(handler) as server:
        assert get(server.url, body=data).body == data


def test_json_goes_both_ways() -> None:
    def handler(request: Any) -> Any:
        return 200, {"content-type": "application/json"}, json.dumps(request.json())

    with serving(handler) as server:
        assert get(server.url, json={"a": ["ä", 1.5]}).json() == {"a": ["ä", 1.5]}


def test_new_and_close_never_switch() -> None:
    with no_switch():
        hc = new_client()
        assert hc.close() == (1, None)


def test_retries_try_again_until_the_server_is_well() -> None:
    bad = sized(b"", status=b"503 Not Now")
    with peer(answering(bad, bad, OK)) as server:
        response = get(server.url, retries={"attempts": 3, "backoff_s": 0.001})
        assert (response.code, server.connections) == (200, 1)
    with peer(answering(bad, bad, OK)) as server:
        assert get(server.url, retries={"attempts": 2, "backoff_s": 0.001}).code == 503
    with peer(answering(bad, OK)) as server:
        assert get(server.url, body=b"x", retries={"attempts": 2, "backoff_s": 0.001}).code == 503


def test_retries_connect_again_after_a_broken_connection() -> None:
    with peer(lambda wire: wire.head(), answering(OK)) as server:
        response = get(server.url, retries={"attempts": 2, "backoff_s": 0.001})
        assert isinstance(response, Response)
        assert (response.body, server.connections) == (b"ok", 2)
