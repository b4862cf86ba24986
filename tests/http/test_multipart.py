from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa.http._client.multipart import PIECE_BYTES, Part, encode_multipart, guess_content_type
from lasa.http._server.forms import UploadedFile, parse_multipart


@dataclass(frozen=True)
class Given:
    """A content that gives these pieces."""

    given: tuple[bytes, ...]
    has_length: bool = True
    is_replayable: bool = True

    @property
    def length(self) -> int | None:
        return sum(map(len, self.given)) if self.has_length else None

    def pieces(self) -> Iterator[bytes]:
        return iter(self.given)


def test_a_form_looks_as_a_browser_writes_it() -> None:
    form = encode_multipart(
        [
            Part("title", Given((b"Hello",))),
            Part("file", Given((b"a,", b"b\n")), "table.csv", "text/csv", [("X-Extra", "yes")]),
        ],
        boundary="XXX",
    )
    assert form.content_type == "multipart/form-data; boundary=XXX"
    expected = (
        b'--XXX\r\nContent-Disposition: form-data; name="title"\r\n\r\nHello\r\n'
        b'--XXX\r\nContent-Disposition: form-data; name="file"; filename="table.csv"\r\n'
        b"Content-Type: text/csv\r\nX-Extra: yes\r\n\r\na,b\n\r\n"
        b"--XXX--\r\n"
    )
    assert list(form.pieces()) == [expected]
    assert form.length == len(expected)


def test_quotes_and_line_breaks_in_names_are_escaped_as_browsers_do() -> None:
    head = Part('a"b\r\nc', Given(()), 'näme\\"\n.txt').head()
    assert head == 'Content-Disposition: form-data; name="a%22b%0D%0Ac"; filename="näme\\%22%0A.txt"\r\n\r\n'.encode()


def test_a_form_without_parts_is_the_last_boundary() -> None:
    form = encode_multipart([], boundary="XXX")
    assert b"".join(form.pieces()) == b"--XXX--\r\n"
    assert len(parse_multipart(form.pieces(), form.content_type)) == 0


def test_the_boundary_is_random() -> None:
    boundaries = {encode_multipart([]).content_type for _ in range(20)}
    assert len(boundaries) == 20


def test_a_boundary_that_is_no_token_stands_in_quotes() -> None:
    form = encode_multipart([Part("a", Given((b"1",)))], boundary="a/b:c")
    assert form.content_type == 'multipart/form-data; boundary="a/b:c"'
    assert parse_multipart(form.pieces(), form.content_type)["a"] == "1"


@pytest.mark.parametrize("boundary", ["", "x" * 71, 'a"b', "a\r\nb", "a b", "é"])
def test_a_bad_boundary_is_refused(boundary: str) -> None:
    with pytest.raises(ValueError, match="bad boundary"):
        encode_multipart([], boundary)


@pytest.mark.parametrize(
    "header",
    [("X", "a\r\nb"), ("X", "a\0b"), ("X Y", "a"), ("", "a"), ("X:", "a"), ("content-TYPE", "a/b")],
)
def test_a_bad_header_of_a_part_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="header"):
        encode_multipart([Part("a", Given(()), headers=[header])])


def test_a_line_break_in_a_content_type_is_refused() -> None:
    with pytest.raises(ValueError, match="bad header value"):
        encode_multipart([Part("a", Given(()), "f", "text/plain\r\nX: y")])


def test_one_part_without_a_length_leaves_the_form_without_one() -> None:
    assert encode_multipart([Part("a", Given((b"1",))), Part("b", Given((b"2",), has_length=False))]).length is None


def test_one_part_that_comes_only_once_makes_the_form_so() -> None:
    once = encode_multipart([Part("a", Given((b"1",))), Part("b", Given((b"2",), is_replayable=False))])
    assert not once.is_replayable
    assert encode_multipart([Part("a", Given((b"1",)))]).is_replayable


def test_short_pieces_are_joined_and_long_ones_pass_as_they_are() -> None:
    long = bytes(PIECE_BYTES)
    form = encode_multipart([*(Part(f"f{at}", Given((b"v",))) for at in range(100)), Part("x", Given((long, long)))])
    sent = list(form.pieces())
    assert len(sent) == 4
    assert sent[1] is long
    assert sent[2] is long


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters='\r\n"\\\0')), st.binary(), st.booleans()),
        max_size=5,
    )
)
def test_what_is_encoded_is_parsed_again(parts: list[tuple[str, bytes, bool]]) -> None:
    form = encode_multipart(
        [Part(name, Given((data,)), "f.bin" if is_file else None) for name, data, is_file in parts if "%22" not in name]
    )
    sent = list(form.pieces())
    assert sum(map(len, sent)) == form.length
    parsed = parse_multipart(sent, form.content_type)
    found = []
    for name, value in parsed.items():
        if isinstance(value, UploadedFile):
            found.append((name, value.file.read(), True))
            value.close()
        else:
            found.append((name, value.encode(), False))
    assert found == [
        (name, data if is_file else data.decode("utf-8", "replace").encode(), is_file)
        for name, data, is_file in parts
        if "%22" not in name
    ]


def test_the_content_type_comes_from_the_files_name() -> None:
    assert guess_content_type("a.html") == "text/html"
    assert guess_content_type("photo.JPG") == "image/jpeg"
    assert guess_content_type("backup.tar.gz") == "application/gzip"
    assert guess_content_type("README") == guess_content_type("") == "application/octet-stream"
