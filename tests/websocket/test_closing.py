"""Close frames: which codes there are, what a payload says, and what we say ourselves."""

from __future__ import annotations

import copy
import pickle
from enum import IntEnum
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Close

from lasa.errors import SocketError
from lasa.websocket import Closing as PublicClosing
from lasa.websocket._wire import closing
from lasa.websocket._wire.closing import BAD_DATA, PROTOCOL_ERROR, BadFrame, Closing, close_payload, parse_close

# RFC 6455 section 7.4.1, and 1012 to 1014, which IANA has added.
ON_THE_WIRE = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


def test_the_codes_are_those_of_the_rfc() -> None:
    assert {name: getattr(closing, name) for name in closing.__all__ if name.isupper()} == {
        "NORMAL": 1000,
        "GOING_AWAY": 1001,
        "PROTOCOL_ERROR": 1002,
        "NO_STATUS": 1005,
        "ABNORMAL": 1006,
        "BAD_DATA": 1007,
        "TOO_BIG": 1009,
        "INTERNAL_ERROR": 1011,
    }


def test_every_code_is_allowed_or_not_in_both_directions() -> None:
    for code in [*range(990, 1030), *range(0, 5_200, 100), 2999, 4999, 5000, 32_768, 65_535]:
        payload = code.to_bytes(2, "big")
        if code in ON_THE_WIRE:
            assert parse_close(payload) == (code, "")
            assert close_payload(code, "") == payload
            continue
        with pytest.raises(BadFrame) as caught:
            parse_close(payload)
        assert (caught.value.reason, caught.value.code) == (f"bad close code: {code}", PROTOCOL_ERROR)
        with pytest.raises(ValueError, match=f"bad close code: {code};"):
            close_payload(code, "")


@pytest.mark.parametrize("code", [-1, 65_536, 2**64])
def test_a_code_that_two_bytes_cannot_hold_is_not_sent(code: int) -> None:
    with pytest.raises(ValueError, match="bad close code"):
        close_payload(code, "")


def test_a_close_frame_may_be_empty() -> None:
    assert parse_close(b"") == (None, "")


@pytest.mark.parametrize("octet", [0, 3, 255])
def test_half_a_code_is_an_error(octet: int) -> None:
    with pytest.raises(BadFrame) as caught:
        parse_close(bytes((octet,)))
    assert caught.value.reason == "close frame with a body must carry a 2-byte status code"
    assert caught.value.code == PROTOCOL_ERROR


@pytest.mark.parametrize("reason", [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"ok\x80"])
def test_a_reason_must_be_utf8(reason: bytes) -> None:
    with pytest.raises(BadFrame) as caught:
        parse_close(b"\x03\xe8" + reason)
    assert (caught.value.reason, caught.value.code) == ("invalid utf-8", BAD_DATA)


def test_a_bad_code_is_told_before_a_bad_reason() -> None:
    with pytest.raises(BadFrame, match="bad close code: 999"):
        parse_close(b"\x03\xe7\xff")


@settings(deadline=None)
@given(st.sampled_from(sorted(ON_THE_WIRE)), st.text())
def test_what_we_send_can_be_read(code: int, reason: str) -> None:
    if len(reason.encode()) > 123:
        with pytest.raises(ValueError, match=f"close reason too long: {len(reason.encode())} bytes, 123 at most"):
            close_payload(code, reason)
        return
    payload = close_payload(code, reason)
    assert len(payload) <= 125
    assert parse_close(payload) == (code, reason)
    assert Close.parse(payload) == Close(code, reason)


@pytest.mark.parametrize("size", [123, 124])
def test_a_reason_has_123_bytes_at_most(size: int) -> None:
    for reason in ("x" * size, "é" * (size // 2) + "x" * (size % 2)):
        if size == 123:
            assert len(close_payload(1000, reason)) == 125
        else:
            with pytest.raises(ValueError, match="close reason too long: 124 bytes, 123 at most"):
                close_payload(1000, reason)


@settings(deadline=None)
@given(st.binary(max_size=125) | st.binary(max_size=123).map(lambda reason: b"\x0f\xa0" + reason))
def test_any_payload_is_a_code_or_an_error(payload: bytes) -> None:
    try:
        code, reason = parse_close(payload)
    except BadFrame as caught:
        error = caught
    else:
        assert payload == (b"" if code is None else code.to_bytes(2, "big") + reason.encode())
        return
    assert error.code in (PROTOCOL_ERROR, BAD_DATA)


class Status(IntEnum):
    OURS = 4000


@pytest.mark.parametrize(
    ("code", "reason", "word"),
    [
        (None, "", "bad close code: number expected, got NoneType"),
        ("1000", "", "bad close code: number expected, got str"),
        (True, "", "bad close code: number expected, got bool"),
        (1000.0, "", "bad close code: number expected, got float"),
        (1000, None, "bad close reason: string expected, got NoneType"),
        (1000, b"bye", "bad close reason: string expected, got bytes"),
    ],
)
def test_what_is_no_code_or_reason_is_not_sent(code: Any, reason: Any, word: str) -> None:
    with pytest.raises(TypeError, match=word):
        close_payload(code, reason)


def test_a_code_may_be_of_an_enumeration_and_a_reason_must_be_encodable() -> None:
    assert close_payload(Status.OURS, "") == b"\x0f\xa0"
    with pytest.raises(ValueError, match="surrogates"):
        close_payload(1000, "\ud800")


@pytest.mark.parametrize("by", ["us", "peer", "nobody"])
def test_an_end_is_normal_by_its_code(by: Literal["us", "peer", "nobody"]) -> None:
    normal = {code for code in range(65_536) if Closing(code, "", by).is_normal}
    assert normal == {1000, 1001, 1005}


def test_a_closing_says_code_reason_and_who() -> None:
    assert PublicClosing is Closing
    code, reason, by = Closing(4000, "why", "peer")
    assert (code, reason, by) == (4000, "why", "peer")


def test_an_error_of_the_peer_knows_its_code() -> None:
    error = BadFrame("a word")
    assert isinstance(error, SocketError)
    assert (str(error), error.reason, error.code, error.partial) == ("a word", "a word", PROTOCOL_ERROR, None)
    error = BadFrame("another", BAD_DATA)
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(again) is BadFrame
        assert (again.reason, again.code) == ("another", BAD_DATA)
