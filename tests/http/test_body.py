from __future__ import annotations

import gzip
import io
import json
import os
import re
import tracemalloc
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from lasa.errors import SocketError
from lasa.http._client.body import RequestBody, request_body
from lasa.http._server.forms import UploadedFile, parse_multipart, parse_urlencoded


def made(*args: Any, **kwargs: Any) -> RequestBody:
    body = request_body(*args, **kwargs)
    assert body is not None
    return body


def sent(body: RequestBody) -> bytes:
    pieces = list(body.pieces())
    assert all(type(piece) is bytes and piece for piece in pieces)
    return b"".join(pieces)


def shape(body: RequestBody) -> tuple[str | None, int | None, bool]:
    return body.content_type, body.length, body.is_replayable


# Bytes and text


def test_no_argument_is_no_body() -> None:
    assert request_body() is None


@pytest.mark.parametrize("value", [b"data", "data", bytearray(b"data"), memoryview(b"data")])
def test_bytes_and_text_have_a_length_and_may_be_sent_again(value: Any) -> None:
    body = made(value)
    assert shape(body) == (None, 4, True)
    assert sent(body) == sent(body) == b"data"


def test_text_is_sent_as_utf_8() -> None:
    assert sent(made("grüße")) == "grüße".encode()


def test_an_empty_body_is_a_body_of_no_pieces() -> None:
    for value in (b"", "", [], [b"", ""]):
        assert made(value).length == 0
        assert list(made(value).pieces()) == []


def test_what_the_caller_changes_later_is_not_sent() -> None:
    data, pieces = bytearray(b"data"), [b"a", bytearray(b"b")]
    first, second = made(data), made(pieces)
    data[:] = b"xx"
    pieces.clear()
    assert sent(first) == b"data"
    assert sent(second) == b"ab"


@pytest.mark.parametrize("value", [1, 1.5, True, object()])
def test_what_is_no_body_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="body: bytes, str, file, iterable or function expected"):
        request_body(value)


def test_a_dict_is_answered_with_what_to_use() -> None:
    with pytest.raises(TypeError, match="body is a dict: use json= or form="):
        request_body({"a": 1})


# Iterables


@given(st.lists(st.binary(max_size=10) | st.text(st.characters(codec="utf-8"), max_size=5)))
def test_a_list_of_pieces_has_a_length_and_may_be_sent_again(pieces: list[bytes | str]) -> None:
    expected = b"".join(piece.encode() if isinstance(piece, str) else piece for piece in pieces)
    for value in (pieces, tuple(pieces)):
        body = made(value)
        assert shape(body) == (None, len(expected), True)
        assert sent(body) == sent(body) == expected


def test_a_generator_is_sent_once_and_without_a_length() -> None:
    body = made(piece for piece in (b"a", "", b"", "b", bytearray(b"c")))
    assert shape(body) == (None, None, False)
    assert list(body.pieces()) == [b"a", b"b", b"c"]
    with pytest.raises(ValueError, match="body cannot be sent a second time"):
        body.pieces()


def test_any_other_iterable_is_sent_once() -> None:
    body = made(deque([b"a", b"b"]))
    assert shape(body) == (None, None, False)
    assert sent(body) == b"ab"


def test_a_generator_is_not_started_before_its_pieces_are_taken() -> None:
    started = []

    def pieces() -> Iterator[bytes]:
        started.append(True)
        yield b"a"

    iterator = made(pieces()).pieces()
    assert not started
    assert list(iterator) == [b"a"]


@pytest.mark.parametrize("bad", [1, None, [b"a"], {"a": 1}])
def test_a_piece_that_is_no_string_is_refused(bad: Any) -> None:
    with pytest.raises(TypeError, match="piece of a body: bytes or str expected"):
        request_body([b"a", bad])
    with pytest.raises(TypeError, match="piece of a body: bytes or str expected"):
        list(made(iter([b"a", bad])).pieces())


# Readers


@dataclass
class Piece:
    """What a chunked reader of lasa's client returns."""

    body: bytes | None
    err: str | None = None


@pytest.mark.parametrize(
    "results",
    [
        [b"a", "b", None],
        [b"a", b"b", b""],
        [(b"a", None, None), (b"b", None, None), (None, None, None)],
        [(b"a", None), (b"b",), ()],
        [Piece(b"a"), Piece(b"b"), None],
    ],
)
def test_a_reader_is_called_until_its_end(results: list[Any]) -> None:
    body = made(lambda: results.pop(0))
    assert shape(body) == (None, None, False)
    assert list(body.pieces()) == [b"a", b"b"]
    assert results == []


@pytest.mark.parametrize("failed", [(None, "timeout", b"part"), (None, "timeout"), Piece(None, "timeout")])
def test_an_error_of_a_reader_ends_the_body(failed: Any) -> None:
    results = [b"a", failed]
    taken: list[bytes] = []
    with pytest.raises(SocketError, match=r"^request body failed: timeout$"):
        taken.extend(made(lambda: results.pop(0)).pieces())
    assert taken == [b"a"]


def test_a_reader_is_called_for_one_body_only() -> None:
    body = made(lambda: None)
    assert sent(body) == b""
    with pytest.raises(ValueError, match="second time"):
        body.pieces()


# Files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data.txt"
    path.write_bytes(bytes(range(256)) * 1000)
    return path


def test_a_file_is_sent_from_where_it_stands_and_may_be_sent_again(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(1000)
        body = made(file)
        assert file.tell() == 1000
        assert shape(body) == (None, 255_000, True)
        assert sent(body) == sent(body) == path.read_bytes()[1000:]
        assert max(map(len, body.pieces())) == 65536


def test_a_body_cut_off_is_begun_again_from_its_start(path: Path) -> None:
    with path.open("rb") as file:
        body = made(file)
        next(body.pieces())
        assert sent(body) == path.read_bytes()


def test_a_path_is_opened_when_it_is_sent_and_closed_after(path: Path) -> None:
    body = made(path)
    assert shape(body) == (None, 256_000, True)
    before = set(os.listdir("/proc/self/fd"))
    assert sent(body) == sent(body) == path.read_bytes()
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_path_that_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        request_body(tmp_path / "absent")
    with pytest.raises(ValueError, match="not a regular file"):
        request_body(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="not a regular file"):
        request_body(tmp_path / "pipe")


def test_a_file_in_memory_is_a_file() -> None:
    body = made(io.BytesIO(b"data"))
    assert shape(body) == (None, 4, True)
    assert sent(body) == sent(body) == b"data"


def test_a_compressed_file_has_the_length_of_what_is_read(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "data.gz", "wb") as file:
        file.write(bytes(100_000))
    with gzip.open(tmp_path / "data.gz") as file:
        body = made(file)
        assert body.length == 100_000
        assert sent(body) == bytes(100_000)


def test_a_file_that_hides_its_length_is_sent_chunked() -> None:
    for path in ("/proc/self/limits", "/proc/version"):  # the one refuses to seek to its end, the other says 0
        with open(path, "rb") as file:
            body = made(file)
            assert shape(body) == (None, None, True)
            assert sent(body) == Path(path).read_bytes() != b""


def test_a_pipe_is_sent_once_and_without_a_length() -> None:
    reading, writing = os.pipe()
    with open(writing, "wb") as far_end:  # not os.close(), which gevent's patch may put off
        far_end.write(b"data")
    with open(reading, "rb") as file:
        body = made(file)
        assert shape(body) == (None, None, False)
        assert sent(body) == b"data"
        with pytest.raises(ValueError, match="second time"):
            body.pieces()


def test_a_pipe_that_does_not_block_is_refused_when_it_has_nothing() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb", buffering=0) as file, pytest.raises(ValueError, match="non-blocking"):
        list(made(file).pieces())
    os.close(writing)


def test_a_file_of_text_is_refused(path: Path) -> None:
    with path.open() as file, pytest.raises(TypeError, match="not opened in binary mode"):
        request_body(file)

    class Text:
        def read(self, size: int) -> str:
            return "text"

    with pytest.raises(TypeError, match="not opened in binary mode"):
        list(made(Text()).pieces())


def test_a_file_that_has_become_shorter_is_an_error(path: Path) -> None:
    with path.open("rb") as file:
        bodies = [made(file), made(path)]
        path.write_bytes(b"01234")
        for body in bodies:
            pieces = body.pieces()
            assert next(pieces) == b"01234"
            with pytest.raises(ValueError, match="body is shorter than its length"):
                next(pieces)


def test_what_is_appended_to_a_file_meanwhile_is_not_sent(path: Path) -> None:
    body = made(path)
    with path.open("ab") as file:
        file.write(b"more")
    assert len(sent(body)) == body.length == 256_000


def test_no_more_than_the_length_is_ever_returned() -> None:
    taken: list[bytes] = []
    body = RequestBody(None, 3, True, lambda: iter([b"ab", b"cd"]))
    with pytest.raises(ValueError, match="body is longer than its length"):
        taken.extend(body.pieces())
    assert taken == [b"ab"]


def test_a_large_file_is_never_read_whole(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(50_000_000)
    bodies = [made(large), made(files={"f": large})]
    tracemalloc.start()
    try:
        sizes = [sum(map(len, body.pieces())) for body in bodies]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sizes == [body.length for body in bodies]
    assert peak < 1_000_000


# json


def test_json_is_compact_utf_8() -> None:
    body = made(json={"ä": [1, None, True], "b": "ü"})
    text = '{"ä":[1,null,true],"b":"ü"}'.encode()
    assert shape(body) == ("application/json", len(text), True)
    assert sent(body) == text


def test_falsy_json_is_sent_and_none_is_no_body() -> None:
    values: list[Any] = [0, False, "", [], {}]
    for value in values:
        assert json.loads(sent(made(json=value))) == value
    assert request_body(json=None) is None


def test_json_that_is_none_is_refused() -> None:
    for value in (float("nan"), [float("inf")]):
        with pytest.raises(ValueError):
            request_body(json=value)
    with pytest.raises(TypeError):
        request_body(json={1, 2})


# form


def test_a_form_is_urlencoded() -> None:
    body = made(form={"a b": "c&d=ä+", "n": 1, "f": 0.5, "t": True, "raw": b"\xff", "many": ["x", 2, False]})
    assert body.content_type == "application/x-www-form-urlencoded"
    assert sent(body) == b"a+b=c%26d%3D%C3%A4%2B&n=1&f=0.5&t=true&raw=%FF&many=x&many=2&many=false"


def test_a_form_may_be_pairs_or_a_multidict() -> None:
    pairs = [("a", "1"), ("b", "2"), ("a", "3")]
    for form in (pairs, tuple(pairs), MultiDict(pairs), iter(pairs)):
        assert sent(made(form=form)) == b"a=1&b=2&a=3"


def test_an_empty_form_is_an_empty_body() -> None:
    assert shape(made(form={})) == ("application/x-www-form-urlencoded", 0, True)


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))))
def test_a_form_is_parsed_as_it_was(pairs: list[tuple[str, str]]) -> None:
    pairs = [(name, value) for name, value in pairs if name or value]
    assert list(parse_urlencoded(sent(made(form=pairs))).items()) == pairs


@pytest.mark.parametrize("form", ["a=b", b"a=b", 1, [("a",)], ["ab"], {"a": None}, {"a": {}}, {1: "a"}, {"a": [[1]]}])
def test_what_is_no_form_is_refused(form: Any) -> None:
    with pytest.raises(TypeError, match="form"):
        request_body(form=form)


# files


def parsed(body: RequestBody) -> list[tuple[str, Any]]:
    assert body.content_type is not None
    found: list[tuple[str, Any]] = []
    data = sent(body)
    assert body.length in (len(data), None)
    for name, value in parse_multipart([data], body.content_type).items():
        if isinstance(value, UploadedFile):
            found.append((name, (value.filename, value.content_type, value.file.read())))
            value.close()
        else:
            found.append((name, value))
    return found


def test_files_come_behind_the_fields_of_the_form(path: Path) -> None:
    body = made(form={"a": "1", "b": ["2", 3]}, files=[("f", b"data"), ("f", "text"), ("p", path)])
    assert body.is_replayable
    assert parsed(body) == [
        ("a", "1"),
        ("b", "2"),
        ("b", "3"),
        ("f", ("f", "application/octet-stream", b"data")),
        ("f", ("f", "application/octet-stream", b"text")),
        ("p", ("data.txt", "text/plain", path.read_bytes())),
    ]
    assert sent(body) == sent(body)


def test_an_open_file_brings_its_name_and_is_sent_from_where_it_stands(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(255_990)
        assert parsed(made(files={"f": file})) == [("f", ("data.txt", "text/plain", path.read_bytes()[-10:]))]


def test_a_tuple_says_it_all(path: Path) -> None:
    files = {
        "a": ("photo.png", b"1"),
        "b": ("photo.png", b"2", "image/special"),
        "c": (None, b"3"),
        "d": ("x.txt", [b"4", "5"], None, {"X-Extra": "6"}),
    }
    body = made(files=files)
    assert parsed(body) == [
        ("a", ("photo.png", "image/png", b"1")),
        ("b", ("photo.png", "image/special", b"2")),
        ("c", "3"),
        ("d", ("x.txt", "text/plain", b"45")),
    ]
    assert b"\r\nX-Extra: 6\r\n\r\n45\r\n" in sent(body)


def test_a_file_without_a_length_makes_the_body_chunked() -> None:
    body = made(files={"f": ("x.bin", iter([b"a", b"", b"b"]))})
    assert shape(body)[1:] == (None, False)
    assert parsed(body) == [("f", ("x.bin", "application/octet-stream", b"ab"))]


def test_a_file_without_a_name_of_its_own_takes_the_fields() -> None:
    reading, writing = os.pipe()
    with open(writing, "wb"):  # not os.close(), which gevent's patch may put off
        pass
    with open(reading, "rb") as file:  # its name is a number
        assert parsed(made(files={"f": file})) == [("f", ("f", "application/octet-stream", b""))]


def test_no_files_are_a_form_of_its_own_kind() -> None:
    body = made(form={"a": "1"}, files={})
    assert re.fullmatch(r"multipart/form-data; boundary=[0-9a-f]{32}", body.content_type or "")
    assert parsed(body) == [("a", "1")]


def test_a_part_that_has_become_shorter_is_an_error(path: Path) -> None:
    body = made(files={"f": path})
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match="body is shorter than its length"):
        list(body.pieces())


@pytest.mark.parametrize("files", [b"data", {"f": 1}, {"f": None}, {"f": ("name",)}, {"f": ("n", b"", "t", {}, 1)}, 5])
def test_what_are_no_files_is_refused(files: Any) -> None:
    with pytest.raises(TypeError):
        request_body(files=files)


def test_a_bad_header_of_a_file_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match="bad header value"):
        request_body(files={"f": ("n", b"", "text/plain", {"X": "a\r\nb"})})


# All together


@pytest.mark.parametrize(
    "arguments",
    [
        {"body": b"", "json": 1},
        {"body": b"", "form": {}},
        {"json": 1, "form": {}},
        {"json": 1, "files": {}},
        {"body": b"", "files": {}},
    ],
)
def test_only_one_body_can_be_given(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give only one of"):
        request_body(**arguments)
