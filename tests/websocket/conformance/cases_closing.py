"""Chapter 7: the closing handshake, close codes and reasons (RFC 6455 sections 5.5.1 and 7)."""

from __future__ import annotations

from typing import Final

from tests.websocket.conformance.case import (
    CLOSE,
    FRAMES,
    PROTOCOL_ERROR,
    TEXT,
    Case,
    Closed,
    Failed,
    Frame,
    Lost,
    Step,
    case,
    close,
    message,
    more,
    ping,
    text,
)

__all__ = ["CASES"]

_VALID: Final = (
    *(1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014),
    *(3000, 3999, 4000, 4999),
)
_INVALID: Final = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)


def _handshake() -> list[Case]:
    def closed(number: str, title: str, *steps: Step, code: int | None = 1000, cut: int = 0) -> Case:
        return case(number, title, *steps, ending=Closed(code), cut=cut)

    def refused(number: str, title: str, *steps: Step) -> Case:
        return case(number, title, *steps, ending=PROTOCOL_ERROR)

    hello, heard = text("Hello, world!"), message("Hello, world!")
    large = "*" * 262_144
    reason = "*" * 123
    not_utf8 = Failed((1002, 1007))  # no message was bad, but no UTF-8 is what 1007 stands for
    return [
        closed("7.1.1", "a message, then a close", hello, heard, close()),
        closed("7.1.2", "two closes", close(), close()),
        closed("7.1.3", "a ping after the close", close(), ping()),
        closed("7.1.4", "a text after the close", close(), hello),
        closed("7.1.5", "a close in a fragmented message", text("fragment1", fin=False), close(), more("fragment2")),
        closed("7.1.6", "a large message, a close, a ping", text(large), close(), ping(), message(large)),
        closed("7.1.7", "a message and a close in one segment", hello, close(), heard),
        closed("7.1.8", "bad frames after the close", hello, close(), b"\xff\xff\xff\xff", heard),
        closed("7.1.9", "a second close with another code", close(1001), close(1000), code=1001),
        closed("7.1.10", "text after the close, frame by frame", close(), hello, hello, cut=FRAMES),
        closed("7.1.11", "a close octet by octet", close(4000, "going"), code=4000, cut=1),
        closed("7.1.12", "a close in two writes", hello, heard, close(3000, "x"), code=3000, cut=3),
        closed("7.3.1", "a close without payload", close(None), code=None),
        refused("7.3.2", "a close with one octet", Frame(CLOSE, b"\x03")),
        closed("7.3.3", "a close with a code", close(1000)),
        closed("7.3.4", "a close with a code and a reason", close(1000, "Hello, world!")),
        closed("7.3.5", "a reason of 123 octets", close(1000, reason)),
        refused("7.3.6", "a reason of 124 octets", close(1000, reason + "*")),
        refused("7.3.7", "the same, before any payload", Frame(CLOSE, announced=126)),
        closed("7.3.8", "a reason of 123 octets that is not ASCII", close(1000, "€" * 41)),
        case("7.5.1", "a reason that is not UTF-8", close(1000, b"\xce\xba\xed\xa0\x80edited"), ending=not_utf8),
        case("7.5.2", "a reason that ends in a character", close(1000, b"\xce\xba\xcf"), ending=not_utf8),
        case("7.5.3", "a reason that is no UTF-8 from the start", close(4000, b"\xff"), ending=not_utf8),
    ]


def _codes() -> list[Case]:
    cases = []
    for index, code in enumerate(_VALID, 1):
        cases.append(case(f"7.7.{index}", f"code {code}", close(code), ending=Closed(code)))
        cases.append(case(f"7.8.{index}", f"code {code} with a reason", close(code, "bye"), ending=Closed(code)))
    for index, code in enumerate(_INVALID, 1):
        cases.append(case(f"7.9.{index}", f"invalid code {code}", close(code), ending=PROTOCOL_ERROR))
        cases.append(case(f"7.10.{index}", f"invalid code {code}, reason", close(code, "bye"), ending=PROTOCOL_ERROR))
    return cases


def _lost() -> list[Case]:
    def lost(number: str, title: str, *steps: Step) -> Case:
        return case(number, title, *steps, ending=Lost())

    hello, heard = text("Hello, world!"), message("Hello, world!")
    return [
        lost("7.11.1", "TCP ends before any frame"),
        lost("7.11.2", "TCP ends behind a message", hello, heard),
        lost("7.11.3", "TCP ends in a frame's header", hello, heard, b"\x81"),
        lost("7.11.4", "TCP ends in a frame's payload", hello, heard, Frame(TEXT, b"half", announced=8)),
        lost("7.11.5", "TCP ends in a fragmented message", hello, heard, text("half", fin=False)),
        lost("7.11.6", "TCP ends in a close", hello, heard, Frame(CLOSE, b"\x03", announced=2)),
    ]


CASES: Final = [*_handshake(), *_codes(), *_lost()]
