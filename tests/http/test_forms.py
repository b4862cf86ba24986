from __future__ import annotations

import encodings
import gc
import io
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from lasa.errors import SocketError
from lasa.http._server.forms import UploadedFile, parse_multipart, parse_urlencoded
from lasa.http._server.multipart import FormError, FormTooLarge, MultipartParser, PartBegin, PartData, PartEnd
from lasa.http._wire.parameters import known_charset, parameters_of

TYPE = "multipart/form-data; boundary=XXX"
MB = 1 << 20


def part(disposition: str, data: bytes, *headers: str) -> bytes:
    head = "\r\n".join([f"Content-Disposition: {disposition}", *headers])
    return b"--XXX\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n"


def field(name: str, data: bytes) -> bytes:
    return part(f'form-data; name="{name}"', data)


def file(name: str, data: bytes, filename: str = "f.bin") -> bytes:
    return part(f'form-data; name="{name}"; filename="{filename}"', data, "Content-Type: application/x-thing")


END = b"--XXX--\r\n"


def cut(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def contents(form: MultiDict[str | UploadedFile]) -> list[tuple[str, str | bytes]]:
    found: list[tuple[str, str | bytes]] = []
    for name, value in form.items():
        if isinstance(value, UploadedFile):
            with value.file as opened:
                found.append((name, opened.read()))
        else:
            found.append((name, value))
    return found


def one_file(form: MultiDict[str | UploadedFile], name: str) -> UploadedFile:
    found = form[name]
    assert isinstance(found, UploadedFile)
    return found


# urlencoded


def test_fields_keep_their_order_and_repeat() -> None:
    found = parse_urlencoded(b"a=1&b=2+3&a=%C3%A4%26&empty=&bare&=v")
    assert list(found.items()) == [("a", "1"), ("b", "2 3"), ("a", "ä&"), ("empty", ""), ("bare", ""), ("", "v")]


def test_nothing_between_ampersands_is_no_field() -> None:
    assert list(parse_urlencoded(b"&&a=1&")) == ["a"]
    assert len(parse_urlencoded(b"")) == 0


def test_what_is_no_utf_8_or_no_escape_is_taken_as_browsers_do() -> None:
    assert list(parse_urlencoded(b"a=%FF&b=%zz&c=%&d=\xc3\xa4&e=1=2").values()) == ["\ufffd", "%zz", "%", "ä", "1=2"]


def test_too_many_fields_are_refused_before_they_are_parsed() -> None:
    assert len(parse_urlencoded(b"a=1&" * 999 + b"b=2", max_fields=1000)) == 1000
    for data in (b"a&" * 1000 + b"a", b"&" * 1_000_000):
        with pytest.raises(FormTooLarge, match=r"^too many fields$"):
            parse_urlencoded(data, max_fields=1000)


@given(st.binary())
def test_any_bytes_are_a_form(data: bytes) -> None:
    assert all(isinstance(value, str) for value in parse_urlencoded(data, max_fields=10**9).values())


# multipart: events


def test_the_parser_tells_what_comes() -> None:
    parser = MultipartParser(TYPE)
    assert parser.feed(field("a", b"1")[:-2]) == [PartBegin("a", None, None), PartData(b"1")]
    assert parser.feed(b"\r\n" + file("f", b"")) == [PartEnd(), PartBegin("f", "f.bin", "application/x-thing")]
    assert parser.feed(END) == [PartEnd()]
    parser.finish()


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=XXX",
        "multipart/form-data; boundary=" + "x" * 1000,
        "multipart/form-data; boundary=ĳ",
    ],
)
def test_another_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(FormError, match=r"^bad content type$"):
        MultipartParser(content_type)


@pytest.mark.parametrize("content_type", ['Multipart/Form-Data; charset=utf-8; Boundary="XXX"', TYPE])
def test_the_content_type_is_read_without_case_and_quotes(content_type: str) -> None:
    assert contents(parse_multipart([field("a", b"1") + END], content_type)) == [("a", "1")]


# multipart: forms

BODY = field("a", b"1") + file("f", b"\r\n--XX\r\n-\r\n--XXY\r\n") + field("a", "ä".encode()) + field("e", b"") + END
CONTENTS = [("a", "1"), ("f", b"\r\n--XX\r\n-\r\n--XXY\r\n"), ("a", "ä"), ("e", "")]


@pytest.mark.parametrize("size", [*range(1, 80), 1000])
def test_a_form_does_not_depend_on_where_it_is_cut(size: int) -> None:
    assert contents(parse_multipart(cut(BODY, size), TYPE)) == CONTENTS


@given(st.lists(st.sampled_from([b"\r", b"\n", b"-", b"X", b"--XX", b"\r\n--", b"a"])).map(b"".join), st.integers(1, 9))
def test_almost_boundaries_are_data(data: bytes, size: int) -> None:
    if b"\r\n--XXX" in b"\r\n" + data + b"\r\n":
        return
    body = file("f", data) + field("a", b"1") + END
    assert contents(parse_multipart(cut(body, size), TYPE)) == [("f", data), ("a", "1")]


def test_every_beginning_of_a_form_is_cut() -> None:
    complete = len(BODY) - 2  # the line break behind the last boundary may be absent
    for size in range(complete):
        with pytest.raises(FormError, match=r"^truncated multipart body$"):
            parse_multipart([BODY[:size]], TYPE)
    assert contents(parse_multipart([BODY[:complete]], TYPE)) == CONTENTS


@pytest.mark.parametrize("before", [b"", b"\r\n", b"preamble\r\n", b"--XXXX\r\n--XXX-\r\n--XX\r\n\r\r\n", b"\r\n" * 9])
@pytest.mark.parametrize("blanks", [b"", b" ", b"\t \t", b" " * 256])
@pytest.mark.parametrize("behind", [b"", b"\r\n", b" \r\n", b"epilogue\r\n--XXX\r\nContent"])
def test_what_stands_around_the_parts_and_blanks_behind_boundaries_are_passed_over(
    before: bytes, blanks: bytes, behind: bytes
) -> None:
    body = before + BODY[:-2].replace(b"--XXX\r\n", b"--XXX" + blanks + b"\r\n") + behind
    for size in (1, 7, len(body)):
        assert contents(parse_multipart(cut(body, size), TYPE)) == CONTENTS


@pytest.mark.parametrize(
    "line", [b"--XXX x", b"--XXX\n", b"--XXX-", b"--XXX" + b" " * 300, b"--XXXX", b" --XXX", b"\n--XXX"]
)
def test_a_line_that_is_no_boundary_is_data(line: bytes) -> None:
    data = b"before\r\n" + line + b"\r\nbehind"
    for size in (1, 1000):
        assert contents(parse_multipart(cut(file("f", data) + END, size), TYPE)) == [("f", data)]


@pytest.mark.parametrize("body", [b"", b"hello", b"--XXY\r\n", b"--XXX\n", b"--XXX", field("a", b"1"), b"x--XXX--\r\n"])
def test_a_body_without_its_last_boundary_is_cut(body: bytes) -> None:
    for size in (1, 1000):
        with pytest.raises(FormError, match=r"^truncated multipart body$"):
            parse_multipart(cut(body, size), TYPE)


def test_a_form_may_be_empty_and_a_part_may_end_with_its_head() -> None:
    assert contents(parse_multipart([END], TYPE)) == []
    body = b'--XXX\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + END
    assert contents(parse_multipart([body], TYPE)) == [("a", "")]


def test_a_part_may_have_many_headers_and_long_ones_in_several_lines() -> None:
    headers = [f"X-{at}: {at}" for at in range(500)] + ["X-1: twice"]
    folded = 'form-data; name="a";\r\n\tfilename*0="one";\r\n  filename*1="two"'
    found = one_file(parse_multipart([part(folded, b"1", *headers) + END], TYPE), "a")
    assert (found.filename, found.size) == ("onetwo", 1)
    found.close()


NAMED = [
    ("filename*=UTF-8''%e2%82%ac%20rates", "€ rates"),
    ("filename=\"EURO rates\"; filename*=utf-8'en'%e2%82%ac%20rates", "€ rates"),
    ("filename*=UTF-8''f%C3%BCr.txt; filename=fuer.txt", "für.txt"),
    ("filename*=\"UTF-8''f%C3%BCr.txt\"", "für.txt"),
    ("filename*=iso-8859-1'en'%A3%20rates", "£ rates"),
    ("filename*=windows-1252''%80", "€"),
    ("filename*=shift_jis''%83%65%83%58%83%67", "テスト"),
    ("filename*=UTF-8''", ""),
    ("filename*=UTF-8''%22%2522", '"%22'),
    # a character set or an escape that cannot be read: the plain name is better, and without one it is a file still
    ("filename=plain; filename*=klingon''%41", "plain"),
    ("filename=plain; filename*=base64''QQ", "plain"),
    ("filename=plain; filename*=UTF-8''%FF", "plain"),
    ("filename=plain; filename*=UTF-8''%4", "plain"),
    ("filename=plain; filename*=no quotes", "plain"),
    ("filename*=klingon''%41", "A"),
    ("filename*=UTF-8''%FFa", "\ufffda"),
    ("filename*=UTF-8''100%", "100%"),
    ("filename*=a.txt", "a.txt"),
    # in several parts
    ('filename*0=a; filename*1="b;c"', "ab;c"),
    ("filename*1*=%C3; filename*0*=UTF-8''f; filename*2*=%BC; filename*3=\"r%41\"", "für%41"),
    ("filename*0=a; filename*2=c", "a"),
    ("filename*0=a; filename=whole", "whole"),
    # without a character set
    ("filename=a.txt", "a.txt"),
    ('filename="a\\"b\\\\c"', 'a"b\\c'),
    ('filename="C:\\dir\\new.txt"', "C:\\dir\\new.txt"),
    ('filename="dir\\"', "dir\\"),
    ('FileName = "a;b=c" ; x', "a;b=c"),
    ('filename="=?UTF-8?Q?=41?="', "=?UTF-8?Q?=41?="),
]


@pytest.mark.parametrize(("parameters", "filename"), NAMED)
def test_the_name_of_a_file_may_say_its_character_set(parameters: str, filename: str) -> None:
    found = one_file(parse_multipart([part(f'form-data; name="f"; {parameters}', b"data") + END], TYPE), "f")
    assert (found.filename, found.size) == (filename, 4)
    found.close()


def test_the_name_of_a_field_may_say_its_character_set_too() -> None:
    form = parse_multipart([part("form-data; name*=UTF-8''%C3%A4", b"1") + END], TYPE)
    assert contents(form) == [("ä", "1")]


def test_plain_fields_are_read_by_the_character_set_that_they_or_the_form_name() -> None:
    latin = part('form-data; name="a"', b"\xe4", "Content-Type: text/plain; charset=ISO-8859-1")
    unknown = part('form-data; name="b"', "ä".encode(), "Content-Type: text/plain; charset=klingon")
    body = latin + unknown + field("_charset_", b"windows-1252") + field("c", b"\x80") + latin + END
    assert contents(parse_multipart([body], TYPE)) == [
        ("a", "ä"),
        ("b", "ä"),
        ("_charset_", "windows-1252"),
        ("c", "€"),
        ("a", "ä"),
    ]


@given(st.text(max_size=60))
def test_any_parameters_are_read_in_time_and_names_are_charsets_or_none(text: str) -> None:
    parameters_of(text)
    charset = known_charset(text)
    assert charset is None or b"".decode(charset) == ""


def test_hostile_parameters_cost_no_more_than_their_length() -> None:
    for piece in ('a="\\";', ";", "a= ", 'a="', '"', "\\", " ", "*", "=", "f*0=a;f*0*=b;", "%"):
        started_s = time.process_time()
        parameters_of("x;" + piece * (16_384 // len(piece)))
        assert time.process_time() - started_s < 0.2


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("UTF8", "utf-8"),
        ("ISO-8859-1", "iso8859-1"),
        ("windows-1252", "cp1252"),
        ("KOI8-U", "koi8-u"),
        ("Shift_JIS", "shift_jis"),
        ("gb18030", "gb18030"),
        *((name, None) for name in ("", "klingon", "base64", "rot13", "idna", "undefined", "unicode_escape", "a" * 41)),
        *((name, None) for name in ("utf-8\x00", "\xe4", "..", "encodings.utf_8", "__init__")),
    ],
)
def test_a_character_set_is_one_that_the_web_knows(name: str, known: str | None) -> None:
    assert known_charset(name) == known


def test_names_of_charsets_that_nobody_knows_are_not_remembered() -> None:
    known = len(encodings._cache)
    for number in range(100):
        assert known_charset(f"unheard-{number}") is None
    assert len(encodings._cache) == known


def test_a_file_tells_its_name_type_and_size() -> None:
    found = one_file(parse_multipart([file("f", b"data", "näme %22x%22.txt") + END], TYPE), "f")
    assert (found.name, found.filename, found.content_type, found.size) == (
        "f",
        'näme "x".txt',
        "application/x-thing",
        4,
    )
    assert found.file.read() == b"data"
    found.close()
    assert found.file.closed


def test_a_file_that_the_user_did_not_choose_is_empty() -> None:
    found = one_file(parse_multipart([file("f", b"", "") + END], TYPE), "f")
    assert (found.filename, found.size) == ("", 0)
    found.close()


def test_a_plain_field_that_is_no_utf_8_has_replacements() -> None:
    assert contents(parse_multipart([field("a", b"\xffb") + END], TYPE)) == [("a", "\ufffdb")]


@pytest.mark.parametrize(
    "body",
    [
        part("form-data", b"1") + END,
        part('form-data; name="a"; name="b"', b"1") + END,
        part('form-data; name="a"', b"1", "Content-Type: a", "content-type: b") + END,
        part('form-data; name="a"', b"1", "X: a\x00b") + END,
        part('form-data; name="a"', b"1", "X: a\rb") + END,
        part("attachment; name=a", b"1") + END,
        part('form-data; name="a"', b"1", "no colon") + END,
        part('form-data; name="a"', b"1", "bad name: 1") + END,
        part('form-data; name="a"', b"1", 'Content-Disposition: form-data; name="b"') + END,
        part('form-data; name="a"', b"1", "Content-Transfer-Encoding: base64") + END,
        b"--XXX\r\n\r\ndata\r\n" + END,
        part('form-data; name="a"', b"1", *(f"X-{at}: 123" for at in range(2000))) + END,
        b"--XXX\r\n folded: 1\r\n\r\ndata\r\n" + END,
        part('form-data; name="' + "x" * 100_000 + '"', b"1") + END,
    ],
)
def test_a_bad_form_is_an_error(body: bytes) -> None:
    for size in (1, len(body)):
        with pytest.raises(FormError, match=r"^bad multipart body$"):
            parse_multipart(cut(body, size), TYPE)


@given(st.binary(max_size=300) | st.lists(st.sampled_from([b"--XXX", b"\r\n", b"--", b":", b"a", b";"])).map(b"".join))
def test_any_bytes_are_a_form_or_an_error(data: bytes) -> None:
    try:
        form = parse_multipart([field("a", b"1") + data], TYPE)
    except FormError:
        return
    assert contents(form)[0][0] == "a"


TOKENS = [
    b"--XXX",
    b"--XXX--",
    b"\r\n",
    b"\r",
    b"\n",
    b"--",
    b" ",
    b":",
    b"a",
    field("b", b"2"),
    file("f", b"\r\n")[:-2],
]


@given(st.lists(st.sampled_from(TOKENS), max_size=20).map(b"".join), st.integers(1, 60))
def test_any_bytes_mean_the_same_wherever_they_are_cut(data: bytes, size: int) -> None:
    def outcome(pieces: Iterable[bytes]) -> list[Any]:
        try:
            return [*contents(parse_multipart(pieces, TYPE))]
        except FormError as error:
            return [str(error)]

    data = field("a", b"1") + data + END
    assert outcome(cut(data, size)) == outcome([data])


# multipart: bounds


def test_too_many_parts_are_refused() -> None:
    body = field("a", b"1") * 10
    assert len(parse_multipart([body + END], TYPE, max_fields=10)) == 10
    with pytest.raises(FormTooLarge, match=r"^too many fields$"):
        parse_multipart([body + field("a", b"1")], TYPE, max_fields=10)


def test_too_many_files_are_refused() -> None:
    body = file("f", b"1") * 3 + END
    assert len(contents(parse_multipart([body], TYPE, max_files=3))) == 3
    with pytest.raises(FormTooLarge, match=r"^too many files$"):
        parse_multipart([body], TYPE, max_files=2)


def test_fields_together_have_a_limit() -> None:
    body = field("a", b"x" * 499) + field("b", b"x" * 499) + END
    assert len(parse_multipart([body], TYPE, max_field_bytes=1000)) == 2
    with pytest.raises(FormTooLarge, match=r"^fields too large$"):
        parse_multipart(cut(body, 10), TYPE, max_field_bytes=999)


def test_files_together_have_a_limit() -> None:
    body = file("a", b"x" * 500) + file("b", b"x" * 500) + END
    assert len(contents(parse_multipart([body], TYPE, max_file_bytes=1000))) == 2
    with pytest.raises(FormTooLarge, match=r"^files too large$"):
        parse_multipart(cut(body, 10), TYPE, max_file_bytes=999)


def test_a_large_file_goes_to_disk() -> None:
    def body() -> Iterator[bytes]:
        yield file("f", b"")[:-2]
        for _ in range(400):
            yield bytes(65536)
        yield b"\r\n" + END

    tracemalloc.start()
    try:
        found = one_file(parse_multipart(body(), TYPE), "f")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.size == 400 * 65536
    assert sum(map(len, iter(lambda: found.file.read(65536), b""))) == found.size
    found.close()
    assert peak < 3 * MB


def test_many_files_share_the_memory_they_may_use() -> None:
    body = b"".join(file(f"f{at}", bytes(40_000)) for at in range(50)) + END
    form = parse_multipart(cut(body, 65536), TYPE, spool_bytes=100_000)
    rolled = [getattr(value.file, "_rolled") for value in form.values() if isinstance(value, UploadedFile)]  # noqa: B009
    assert rolled == [False, False] + [True] * 48
    assert {data for _, data in contents(form)} == {bytes(40_000)}


@pytest.mark.parametrize("end", [b"", b"--XXX\r\nbad", file("g", b"more")])
def test_no_file_stays_open_after_an_error(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[io.BytesIO] = []

    def spooled(max_size: int) -> io.BytesIO:
        opened.append(io.BytesIO())
        return opened[-1]

    monkeypatch.setattr("lasa.http._server.forms.SpooledTemporaryFile", spooled)
    with pytest.raises(FormError):
        parse_multipart([file("f", b"data"), end], TYPE, max_files=1)
    assert [one.closed for one in opened] == [True]


def test_no_file_stays_open_when_the_connection_breaks() -> None:
    def pieces() -> Iterator[bytes]:
        yield file("f", bytes(2 * MB))
        yield file("g", bytes(2 * MB))[:-10]
        raise SocketError("timeout")

    with pytest.raises(SocketError, match="timeout"):
        parse_multipart(pieces(), TYPE)
    gc.collect()  # an open file would warn here, and warnings are errors
