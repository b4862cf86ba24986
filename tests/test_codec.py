import base64
import hashlib
import hmac
import re
import uuid as stdlib_uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa import codec
from lasa._values import kind_of
from lasa.codec import (
    decode_base64,
    decode_base64mime,
    decode_base64url,
    encode_base64,
    encode_base64url,
    escape_uri,
    hmac_sha1,
    md5,
    md5_bin,
    sha1,
    sha1_bin,
    unescape_uri,
    uuid,
)

EVERY_BYTE = bytes(range(256))
URL_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
STANDARD = URL_SAFE[:-2] + b"+/"

# What each function takes besides strings, and the text it stands for.
LUA_TEXTS = [
    (None, b""),
    (False, b""),
    (True, b"true"),
    (32, b"32"),
    (3.14, b"3.14"),
    (3.0, b"3"),
    (1e15, b"1e+15"),
    (2**64, b"18446744073709551616"),
]
# Values that are no string for any of them.
NO_STRINGS: list[object] = [[], {}, (), print, object()]


def text_functions() -> list[Callable[[Any], object]]:
    return [md5, md5_bin, sha1, sha1_bin, encode_base64, escape_uri, unescape_uri]


# What goes in


@pytest.mark.parametrize("function", text_functions())
@pytest.mark.parametrize(("value", "text"), LUA_TEXTS)
def test_none_booleans_and_numbers_stand_for_their_lua_text(
    function: Callable[[Any], object], value: object, text: bytes
) -> None:
    assert function(value) == function(text.decode())


@pytest.mark.parametrize("function", text_functions())
@pytest.mark.parametrize("value", NO_STRINGS)
def test_other_types_raise_with_luas_word_for_them(function: Callable[[Any], object], value: object) -> None:
    with pytest.raises(TypeError) as caught:
        function(value)
    assert str(caught.value) == f"str or bytes expected, got {kind_of(value)}"


@pytest.mark.parametrize("function", [md5, md5_bin, sha1, sha1_bin, encode_base64])
def test_a_str_is_its_utf_8_and_any_bytes_like_value_its_bytes(function: Callable[[Any], object]) -> None:
    data = "zażółć".encode()
    values: list[object] = ["zażółć", bytearray(data), memoryview(data), memoryview(data + data)[: len(data)]]
    for value in values:
        assert function(value) == function(data)
    assert function(memoryview(b"aXbXcX")[::2]) == function(b"abc")


@pytest.mark.parametrize("function", [md5, md5_bin, sha1, sha1_bin, encode_base64, encode_base64url])
def test_a_lone_surrogate_has_no_utf_8(function: Callable[[Any], object]) -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        function("\udcff")


# Digests


def test_digests_of_hello_are_the_known_ones() -> None:
    assert md5("hello") == "5d41402abc4b2a76b9719d911017c592"
    assert sha1("hello") == "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"
    assert md5("") == "d41d8cd98f00b204e9800998ecf8427e"
    assert sha1("") == "da39a3ee5e6b4b0d3255bfef95601890afd80709"


@given(st.binary())
def test_hex_and_raw_digests_agree_with_hashlib(data: bytes) -> None:
    assert md5(data) == md5_bin(data).hex() == hashlib.md5(data).hexdigest()
    assert sha1(data) == sha1_bin(data).hex() == hashlib.sha1(data).hexdigest()
    assert len(md5_bin(data)) == 16
    assert len(sha1_bin(data)) == 20


def test_hmac_sha1_gives_the_raw_digest_of_the_ngx_lua_example() -> None:
    digest = hmac_sha1("thisisverysecretstuff", "some string we want to sign")
    assert encode_base64(digest) == "R/pvxzHC4NLtj7S+kXFg/NePTmk="
    assert len(digest) == 20


@given(st.binary(max_size=200), st.binary())
def test_hmac_sha1_agrees_with_the_standard_library(key: bytes, data: bytes) -> None:
    assert hmac_sha1(key, data) == hmac.new(key, data, "sha1").digest()


def test_hmac_sha1_takes_numbers_as_text() -> None:
    assert hmac_sha1(12, 3.5) == hmac_sha1("12", b"3.5")


@pytest.mark.parametrize("value", [None, True, False, *NO_STRINGS])
def test_hmac_sha1_takes_nothing_but_strings_and_numbers(value: Any) -> None:
    with pytest.raises(TypeError) as caught:
        hmac_sha1(value, "x")
    assert str(caught.value) == f"secret_key: str, bytes or a number expected, got {kind_of(value)}"
    with pytest.raises(TypeError) as caught:
        hmac_sha1("x", value)
    assert str(caught.value) == f"s: str, bytes or a number expected, got {kind_of(value)}"


def test_hmac_sha1_needs_both_arguments() -> None:
    anything: Any = hmac_sha1
    with pytest.raises(TypeError):
        anything("key")


# base64


@given(st.binary())
def test_base64_comes_back_with_and_without_padding(data: bytes) -> None:
    padded = encode_base64(data)
    bare = encode_base64(data, True)
    assert padded == base64.b64encode(data).decode()
    assert bare == padded.rstrip("=")
    assert decode_base64(padded) == decode_base64(bare) == decode_base64(bare.encode()) == data
    assert decode_base64mime(padded) == decode_base64mime("\r\n ".join(bare)) == data


@given(st.binary())
def test_base64url_comes_back(data: bytes) -> None:
    text, err = encode_base64url(data)
    assert err is None
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert decode_base64url(text) == decode_base64url(base64.urlsafe_b64encode(data)) == (data, None)


def test_long_input_is_not_broken_into_lines() -> None:
    assert "\n" not in encode_base64(bytes(1000))


def test_no_padding_may_be_none_or_a_boolean() -> None:
    assert encode_base64("a", None) == encode_base64("a", False) == encode_base64("a") == "YQ=="
    assert encode_base64("a", True) == "YQ"


@pytest.mark.parametrize("value", [0, 1, 1.5, "true", *NO_STRINGS])
def test_no_padding_may_be_nothing_else(value: Any) -> None:
    with pytest.raises(TypeError) as caught:
        encode_base64("a", value)
    assert str(caught.value) == f"bad no_padding: bool expected, got {kind_of(value)}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("aGVs\nbG8=", None), ("A", None), ("aGVsbG8", b"hello"), ("^*~", None), ("", b"")],
)
def test_trap_35_decode_base64(text: str, expected: bytes | None) -> None:
    assert decode_base64(text) == expected
    assert decode_base64(text.encode()) == expected
    assert decode_base64(memoryview(text.encode())) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aGVsbG8=\n", b"hello"),
        ("aGVsbG8=^*~aGVsbG8=", b"hello"),
        ("aGVs=bG8=", b"hel"),
        ("=aGVs", b""),
        ("====", b""),
        ("YQ=", b"a"),
        ("YQ===", b"a"),
    ],
)
def test_everything_from_the_first_equals_sign_on_is_ignored(text: str, expected: bytes) -> None:
    assert decode_base64(text) == decode_base64mime(text) == expected
    assert decode_base64url(text) == (expected, None)


@pytest.mark.parametrize("text", ["YR", "YZ==", "Yf"])
def test_unused_bits_of_the_last_character_are_ignored(text: str) -> None:
    assert decode_base64(text) == decode_base64mime(text) == b"a"
    assert decode_base64url(text) == (b"a", None)


def test_each_alphabet_is_refused_by_the_other() -> None:
    assert decode_base64("+/+/") == b"\xfb\xff\xbf"
    assert decode_base64("-_-_") is None
    assert decode_base64url("-_-_") == (b"\xfb\xff\xbf", None)
    assert decode_base64url("+/+/") == (None, "invalid input")
    assert decode_base64mime("-_-_") == b""


def test_one_left_over_character_is_not_well_formed() -> None:
    assert decode_base64("aGVsb") is None
    assert decode_base64mime("aG Vs b") is None
    assert decode_base64url("aGVsb") == (None, "invalid input")


@pytest.mark.parametrize("text", ["é", "\u0661abc", chr(0xD800) + "abc", chr(0xDCFF) + "abc"])
def test_characters_outside_ascii_are_foreign(text: str) -> None:
    assert decode_base64(text) is None
    assert decode_base64url(text) == (None, "invalid input")
    assert decode_base64mime("aGVs" + text[0] + "bG8=") == b"hello"


@pytest.mark.parametrize("value", [None, True, False, 12, 1.5, *NO_STRINGS])
def test_decoders_take_strings_only(value: Any) -> None:
    with pytest.raises(TypeError, match=f"^str or bytes expected, got {kind_of(value)}$"):
        decode_base64(value)
    with pytest.raises(TypeError, match=f"^str or bytes expected, got {kind_of(value)}$"):
        decode_base64mime(value)
    assert decode_base64url(value) == (None, "must provide a string")
    assert encode_base64url(value) == (None, "must provide a string")


def slow_decode(data: bytes, alphabet: bytes, skip_foreign: bool = False) -> bytes | None:
    """The rule, bit by bit."""
    bits = ""
    for byte in data:
        if byte == ord("="):
            break
        if byte in alphabet:
            bits += f"{alphabet.index(byte):06b}"
        elif not skip_foreign:
            return None
    if len(bits) // 6 % 4 == 1:
        return None
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - 7, 8))


@given(
    st.lists(st.sampled_from(list(STANDARD)) | st.sampled_from(list(b"=-_ \n\xff")) | st.integers(0, 255)).map(bytes)
    | st.lists(st.sampled_from(list(STANDARD + b"-_="))).map(bytes)
)
def test_decoders_agree_with_the_rule_written_bit_by_bit(data: bytes) -> None:
    assert decode_base64(data) == slow_decode(data, STANDARD)
    assert decode_base64mime(data) == slow_decode(data, STANDARD, skip_foreign=True)
    url = slow_decode(data, URL_SAFE)
    assert decode_base64url(data) == ((None, "invalid input") if url is None else (url, None))


# escape_uri() and unescape_uri()

CONTROL = set(range(0x20))
HIGH = set(range(0x7F, 0x100))
UNRESERVED = URL_SAFE[:62] + b"-._~!'()*"
ESCAPED = {
    0: CONTROL | HIGH | set(b" #%?"),
    1: CONTROL | HIGH | set(b" #%?+"),
    2: set(EVERY_BYTE) - set(UNRESERVED),
    3: CONTROL | HIGH | set(b" #\"%'"),
    4: CONTROL | HIGH | set(b" \"'"),
    5: CONTROL | set(b" %"),
    6: CONTROL | set(b" %"),
}


@pytest.mark.parametrize("kind", range(7))
def test_each_type_escapes_exactly_its_bytes(kind: int) -> None:
    for byte in range(256):
        plain = bytes([byte])
        expected = b"%%%02X" % byte if byte in ESCAPED[kind] else plain
        assert escape_uri(plain, kind) == expected
    assert escape_uri(EVERY_BYTE, kind) == b"".join(escape_uri(bytes([byte]), kind) for byte in EVERY_BYTE)


def test_trap_36_escape_uri() -> None:
    assert escape_uri("-_.~!*'()") == "-_.~!*'()"
    assert escape_uri(b"\x2c\x24\x40\x7c\x60") == b"%2C%24%40%7C%60"


def test_trap_36_unescape_uri() -> None:
    assert unescape_uri("%ua%%20%au") == "%ua% %au"
    assert unescape_uri("b%20r56+7") == "b r56 7"


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        ("", ""),
        ("%", "%"),
        ("%%", "%%"),
        ("%4", "%4"),
        ("%41", "A"),
        ("%4a%4A", "JJ"),
        ("%%41", "%A"),
        ("%4%41", "%4A"),
        ("%2541", "%41"),
        ("%2B+", "+ "),
        ("%+1", "% 1"),
        ("%2+", "%2 "),
        ("%25%34%31", "%41"),
        ("%0x", "%0x"),
        ("% 41", "% 41"),
        ("%\u0664\u0661", "%\u0664\u0661"),
        ("%c3%a9", "é"),
        ("é%20é", "é é"),
    ],
)
def test_unescaping_is_one_pass_from_left_to_right(escaped: str, plain: str) -> None:
    assert unescape_uri(escaped) == plain
    assert unescape_uri(escaped.encode()) == plain.encode()


def test_the_result_has_the_type_of_the_input() -> None:
    assert escape_uri("é ") == "%C3%A9%20"
    assert escape_uri("é ".encode()) == b"%C3%A9%20"
    for value in (bytearray(b"a b"), memoryview(b"a b")):
        assert escape_uri(value) == b"a%20b"
        assert type(escape_uri(value)) is type(unescape_uri(value)) is bytes
    for other in (None, False, True, 7):
        assert type(escape_uri(other)) is type(unescape_uri(other)) is str


def test_bytes_that_are_no_utf_8_survive_in_a_str() -> None:
    assert unescape_uri("%ff") == "\udcff"
    assert escape_uri("\udcff") == "%FF"
    assert escape_uri("é ", 5) == "é%20"
    assert escape_uri("\udcff ", 5) == "\udcff%20"


@pytest.mark.parametrize("function", [escape_uri, unescape_uri])
def test_a_surrogate_that_stands_for_no_byte_raises(function: Callable[[Any], object]) -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        function("a \ud800%20")


@given(st.binary())
def test_what_was_escaped_as_a_component_comes_back(data: bytes) -> None:
    escaped = escape_uri(data)
    assert re.fullmatch(rb"(?:[A-Za-z0-9\-._~!'()*]|%[0-9A-F]{2})*", escaped)
    assert unescape_uri(escaped) == data
    assert escape_uri(escaped).count(b"%25") == escaped.count(b"%")


@given(st.text(), st.sampled_from([1, 2]))
def test_what_was_escaped_as_text_comes_back(text: str, kind: int) -> None:
    assert unescape_uri(escape_uri(text, kind)) == text


@given(st.binary(), st.sampled_from([0, 3, 5, 6]))
def test_types_that_keep_the_plus_sign_come_back_once_it_is_escaped(data: bytes, kind: int) -> None:
    assert unescape_uri(escape_uri(data, kind).replace(b"+", b"%2B")) == data


def slow_unescape(data: bytes) -> bytes:
    """The rule, byte by byte."""
    out = bytearray()
    at = 0
    while at < len(data):
        two = data[at + 1 : at + 3]
        if data[at] == ord("%") and len(two) == 2 and all(byte in b"0123456789abcdefABCDEF" for byte in two):
            out.append(int(two, 16))
            at += 3
        else:
            out += b" " if data[at] == ord("+") else data[at : at + 1]
            at += 1
    return bytes(out)


@given(st.binary() | st.lists(st.sampled_from(list(b"%%%%0123abAB+ gx\xff"))).map(bytes))
def test_unescape_agrees_with_the_rule_written_byte_by_byte(data: bytes) -> None:
    assert unescape_uri(data) == slow_unescape(data)
    text = data.decode("utf-8", "surrogateescape")
    assert unescape_uri(text).encode("utf-8", "surrogateescape") == slow_unescape(data)


def test_the_escape_type_may_be_left_out_or_have_a_fraction() -> None:
    every: Any = EVERY_BYTE
    fraction: Any = 1.9
    assert escape_uri(every) == escape_uri(every, None) == escape_uri(every, 2) == escape_uri(every, type=2)
    assert escape_uri(every, fraction) == escape_uri(every, 1)


@pytest.mark.parametrize("kind", ["2", b"2", True, False, [], {}, print])
def test_an_escape_type_that_is_no_number_raises(kind: Any) -> None:
    with pytest.raises(TypeError) as caught:
        escape_uri("a", kind)
    assert str(caught.value) == '"type" is not a number'


@pytest.mark.parametrize(
    ("kind", "word"),
    [(7, "7"), (-1, "-1"), (6.5, "6.5"), (-0.5, "-0.5"), (float("inf"), "inf"), (float("nan"), "nan")],
)
def test_an_escape_type_outside_0_to_6_raises(kind: Any, word: str) -> None:
    with pytest.raises(ValueError, match="out of range") as caught:
        escape_uri("a", kind)
    assert str(caught.value) == f'"type" {word} out of range'


# uuid() and the module


def test_a_uuid_is_random_lower_case_and_36_characters_long() -> None:
    made = {uuid() for _ in range(1000)}
    assert len(made) == 1000
    for text in made:
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", text)
        assert str(stdlib_uuid.UUID(text)) == text


def test_every_public_name_is_there_and_explains_itself() -> None:
    for name in codec.__all__:
        assert getattr(codec, name).__doc__, name
