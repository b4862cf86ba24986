"""Digests, base64, URI escapes and query strings from Lua; the values are those that nginx gave."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa import codec
from tests.lua.bare import Bare

lua = Bare("codec", "base64", "uri", "args")

base64_like = st.lists(st.sampled_from([bytes([c]) for c in b"ABab019+/-_= \n%"])).map(b"".join)
query_like = st.lists(st.sampled_from([bytes([c]) for c in b"ab=&%+14fG"])).map(b"".join)


def table(code: str, *arguments: Any) -> dict[Any, Any]:
    """Run code that returns a table, and maybe more; lists in it become lists."""
    result = lua(code, *arguments)
    found = result[0] if type(result) is tuple else result
    return {key: value if not hasattr(value, "values") else list(value.values()) for key, value in found.items()}


# ---- digests and checksums ----


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("ngx.md5('hello')", b"5d41402abc4b2a76b9719d911017c592"),
        ("ngx.encode_base64(ngx.md5_bin('hello'))", b"XUFAKrxLKna5cZ2REBfFkg=="),
        ("ngx.encode_base64(ngx.sha1_bin('hello'))", b"qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        ("lasa.sha1('hello')", b"aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"),
        ("ngx.encode_base64(ngx.hmac_sha1('', ''))", b"+9sdGxiqbAgyS31ktx+3Y3BpDh0="),
        ("ngx.encode_base64(ngx.hmac_sha1(1, 2))", b"0HXKErglmgsnQ48HUxSju4ipJ7U="),
        ("ngx.crc32_short('hello')", 907060870),
        ("ngx.crc32_long('hello')", 907060870),
        ("ngx.crc32_short('\\255\\255')", 4294901760),
        ("ngx.crc32_long('')", 0),
    ],
)
def test_digests_and_checksums_are_those_of_nginx(call: str, expected: object) -> None:
    assert lua(f"return {call}") == expected


def test_digests_take_nil_and_false_as_empty_and_the_rest_as_its_text() -> None:
    empty, true, number = codec.md5(b"").encode(), codec.md5(b"true").encode(), codec.md5(b"1e+15").encode()
    assert lua("return ngx.md5(), ngx.md5(nil), ngx.md5(false)") == (empty, empty, empty)
    assert lua("return ngx.md5(true), ngx.md5(1e15), ngx.crc32_long(nil)") == (true, number, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("ngx.hmac_sha1('a')", b"x.lua:2: expecting 2 arguments, but got 1"),
        ("ngx.hmac_sha1('a', nil)", b"x.lua:2: bad argument #2 to 'hmac_sha1' (string expected, got nil)"),
        ("ngx.hmac_sha1(true, 'a')", b"x.lua:2: bad argument #1 to 'hmac_sha1' (string expected, got boolean)"),
        ("local f = ngx.hmac_sha1; f({}, 'a')", b"x.lua:2: bad argument #1 to 'f' (string expected, got table)"),
        ("error((select(2, pcall(ngx.hmac_sha1, nil, 'a'))), 0)", b"bad argument #1 to '?' (string expected, got nil)"),
    ],
)
def test_hmac_sha1_refuses_what_is_no_string(call: str, message: bytes) -> None:
    assert lua.error_of(call) == message


def test_lasa_has_the_digests_under_the_names_of_the_seed() -> None:
    assert lua("return lasa.md5 == ngx.md5 and lasa.md5_bin == ngx.md5_bin and lasa.sha1_bin == ngx.sha1_bin")
    assert lua("return lasa.hmac_sha1 == ngx.hmac_sha1 and lasa.escape_uri == ngx.escape_uri")
    assert lua("return lasa.encode_base64 == ngx.encode_base64 and lasa.unescape_uri == ngx.unescape_uri")


def test_uuid_is_random_and_of_version_4() -> None:
    one, other = lua("return lasa.uuid(), lasa.uuid()")
    assert re.fullmatch(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one)
    assert one != other


@pytest.mark.parametrize(
    ("value", "quoted"),
    [(b"", b"''"), (1.5, b"'1.5'"), (b"\0\b\n\r\t\x1a\\'\"a\xc8", b"'\\0\\b\\n\\r\\t\\Z\\\\\\'\\\"a\xc8'")],
)
def test_quote_sql_str_escapes_as_mysql_wants_it(value: object, quoted: bytes) -> None:
    assert lua("return ngx.quote_sql_str(...)", value) == quoted


def test_quote_sql_str_takes_one_string() -> None:
    assert lua.error_of("ngx.quote_sql_str()") == b"x.lua:2: expecting one argument"
    assert lua.error_of("ngx.quote_sql_str('a', 1)") == b"x.lua:2: expecting one argument"
    message = b"x.lua:2: bad argument #1 to 'quote_sql_str' (string expected, got nil)"
    assert lua.error_of("ngx.quote_sql_str(nil)") == message


# ---- base64 ----


@given(st.binary())
def test_encoding_is_that_of_lasa_codec(data: bytes) -> None:
    assert lua("return ngx.encode_base64(...)", data).decode() == codec.encode_base64(data)
    assert lua("return ngx.encode_base64(..., true)", data).decode() == codec.encode_base64(data, True)
    assert lua("return lasa.encode_base64url(...)", data).decode() == codec.encode_base64url(data)[0]


@given(base64_like)
def test_decoding_is_that_of_lasa_codec(text: bytes) -> None:
    assert lua("return ngx.decode_base64(...)", text) == codec.decode_base64(text)
    assert lua("return ngx.decode_base64mime(...)", text) == codec.decode_base64mime(text)
    data, err = codec.decode_base64url(text)
    assert lua("return lasa.decode_base64url(...)", text) == ((None, b"invalid input") if err else data)


def test_base64_of_more_than_the_kept_buffer_comes_back() -> None:
    data = bytes(range(256)) * 1000
    assert lua("return ngx.decode_base64(ngx.encode_base64(...))", data) == data
    assert lua("return ngx.decode_base64mime(ngx.encode_base64(...):gsub(('.'):rep(76), '%0\\r\\n'))", data) == data


def test_encode_base64_takes_anything_but_a_no_padding_that_is_no_boolean() -> None:
    assert lua("return ngx.encode_base64('a', nil), ngx.encode_base64('a', false), ngx.encode_base64(12)") == (
        b"YQ==",
        b"YQ==",
        b"MTI=",
    )
    message = b"x.lua:2: bad no_padding: boolean expected, got number"
    assert lua.error_of("ngx.encode_base64('a', 1)") == message


@pytest.mark.parametrize("call", ["ngx.decode_base64()", "ngx.decode_base64(1)", "ngx.decode_base64mime(true)"])
def test_decoding_takes_strings_only(call: str) -> None:
    assert lua.error_of(call) == b"x.lua:2: string argument only"


def test_the_module_ngx_base64_returns_its_errors() -> None:
    lua("base64 = require 'ngx.base64'")
    assert lua("return base64.encode_base64url('\\255\\254\\253a')") == b"__79YQ"
    assert lua("return base64.decode_base64url('__79YQ')") == b"\xff\xfe\xfda"
    assert lua("return base64.decode_base64url('a+b')") == (None, b"invalid input")
    assert lua("return base64.encode_base64url(1)") == (None, b"must provide a string")
    assert lua("return base64.decode_base64url()") == (None, b"must provide a string")


# ---- URI escapes ----


@given(st.binary(), st.integers(0, 6))
def test_escaping_is_that_of_lasa_codec(data: bytes, kind: int) -> None:
    assert lua("return ngx.escape_uri(...)", data, kind) == codec.escape_uri(data, kind)


@given(st.one_of(st.binary(), query_like))
def test_unescaping_is_that_of_lasa_codec_and_undoes_escaping(data: bytes) -> None:
    assert lua("return ngx.unescape_uri(...)", data) == codec.unescape_uri(data)
    assert lua("return ngx.unescape_uri(ngx.escape_uri(...))", data) == data


def test_uri_escapes_of_more_than_the_kept_buffer_come_back() -> None:
    data = bytes(range(256)) * 1000
    assert lua("return ngx.unescape_uri(ngx.escape_uri(...))", data) == data


def test_the_type_of_escape_uri_is_a_number_from_0_to_6_whose_fraction_does_not_count() -> None:
    assert lua("return ngx.escape_uri('a b', 2.9), ngx.escape_uri('a b', nil)") == (b"a%20b", b"a%20b")
    # The place is the caller's caller, as in lua-resty-core.
    code = "local function f(t) ngx.escape_uri('a', t) end\nf(...)"
    assert lua.error_of(code, b"b") == b'x.lua:3: "type" is not a number'
    assert lua.error_of(code, 7.5) == b'x.lua:3: "type" 7.5 out of range'
    assert lua.error_of(code, -1) == b'x.lua:3: "type" -1 out of range'
    assert lua.error_of(code, float("nan")).endswith(b" out of range")


def test_escapes_take_nil_as_empty_and_numbers_as_their_text() -> None:
    assert lua("return ngx.escape_uri(), ngx.escape_uri(1.5), ngx.unescape_uri(false), ngx.unescape_uri(true)") == (
        b"",
        b"1.5",
        b"",
        b"true",
    )


# ---- query strings ----


@pytest.mark.parametrize(
    ("args", "encoded"),
    [
        ("{}", b""),
        ("{a = ''}", b"a="),
        ("{a = true}", b"a"),
        ("{a = false}", b""),
        ("{a = {}}", b""),
        ("{['a b'] = {true, 1, 'x y', false, 1.5}}", b"a%20b&a%20b=1&a%20b=x%20y&a%20b=1.5"),
        ("{['a b'] = false}", b""),  # "buffer error: 0 != 2" in nginx, which is an oversight of it
    ],
)
def test_encode_args_writes_a_query_string(args: str, encoded: bytes) -> None:
    assert lua(f"return ngx.encode_args({args})") == encoded


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("()", b"expecting 1 argument but seen 0"),
        ("({}, 1)", b"expecting 1 argument but seen 2"),
        ("('x')", b"bad argument #1 to 'encode_args' (table expected, got string)"),
        ("({1})", b'attempt to use a non-string key in the "args" option table'),
        ("({a = print})", b"attempt to use function as query arg value"),
        ("({a = {{}}})", b"attempt to use table as query arg value"),
    ],
)
def test_encode_args_refuses_what_no_query_string_holds(call: str, message: bytes) -> None:
    assert lua.error_of(f"ngx.encode_args{call}") == b"x.lua:2: " + message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", {}),
        (b"=", {}),
        (b"a=1&b=2&a=3&c&a=", {b"a": [b"1", b"3", b""], b"b": b"2", b"c": True}),
        (b"a=b=c&%41+b=%20%", {b"a": b"b=c", b"A b": b" %"}),
        (b"a&a&a=", {b"a": [True, True, b""]}),
        (12, {b"12": True}),
    ],
)
def test_decode_args_reads_a_query_string(text: object, expected: object) -> None:
    assert table("return ngx.decode_args(...)", text) == expected


@pytest.mark.parametrize(
    ("text", "maximum", "found", "err"),
    [
        (b"a=1", 1, {b"a": b"1"}, None),
        (b"a=1&", 1, {b"a": b"1"}, b"truncated"),
        (b"a=1&b", 1, {b"a": b"1"}, b"truncated"),
        (b"&&a&=b&=", 2, {}, b"truncated"),  # arguments without a name count too
        (b"a&b&c", b"2", {b"a": True, b"b": True}, b"truncated"),
        (b"a&b&c", 2.9, {b"a": True, b"b": True}, b"truncated"),
        (b"a=1&b=2", 0, {b"a": b"1", b"b": b"2"}, None),
        (b"a=1&b=2", -1, {b"a": b"1", b"b": b"2"}, None),
    ],
)
def test_decode_args_stops_at_the_maximum(text: bytes, maximum: object, found: object, err: object) -> None:
    code = "local args, err = ngx.decode_args(...) return"
    assert table(f"{code} args", text, maximum) == found
    assert lua(f"{code} err", text, maximum) == err


@pytest.mark.parametrize(("count", "found", "err"), [(100, 100, None), (101, 100, b"truncated")])
def test_decode_args_reads_a_hundred_arguments_by_default(count: int, found: int, err: object) -> None:
    text = b"&".join(b"k%d=1" % number for number in range(count))
    code = "local args, err = ngx.decode_args(...) local n = 0 for _ in pairs(args) do n = n + 1 end return n, err"
    result = lua(code, text)
    assert (result if err else (result[0], None)) == (found, err)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("()", b"expecting 1 or 2 arguments but seen 0"),
        ("(1, 2, 3)", b"expecting 1 or 2 arguments but seen 3"),
        ("(nil)", b"bad argument #1 to 'decode_args' (string expected, got nil)"),
        ("('a', nil)", b"bad argument #2 to 'decode_args' (number expected, got nil)"),
        ("('a', {})", b"bad argument #2 to 'decode_args' (number expected, got table)"),
    ],
)
def test_decode_args_refuses_what_is_no_string_and_no_number(call: str, message: bytes) -> None:
    assert lua.error_of(f"ngx.decode_args{call}") == b"x.lua:2: " + message


@pytest.mark.parametrize("key", [b"a b", b"%&="])
@pytest.mark.parametrize("value", [b"", b"=&%+ \xff"])
def test_what_encode_args_wrote_decode_args_reads(key: bytes, value: bytes) -> None:
    assert table("local k, v = ... return ngx.decode_args(ngx.encode_args({[k] = v}))", key, value) == {key: value}
