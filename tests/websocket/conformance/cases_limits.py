"""Chapters 9 and 10: large messages, many fragments, many messages, the limit on a message, short fragments.

The sizes are smaller than the Autobahn test-suite's, large enough for what does not grow in proportion to show.
"""

from __future__ import annotations

import zlib
from typing import Final

from tests.websocket.conformance.case import (
    BINARY,
    CONTINUATION,
    TEXT,
    TOO_BIG,
    WHOLE,
    Case,
    Deflate,
    Fragments,
    Frame,
    Message,
    Pong,
    Step,
    case,
    ping,
)

__all__ = ["CASES", "MAX_MESSAGE"]

# The limit with which both sides are run.
MAX_MESSAGE: Final = 64 << 20

_K: Final = 1 << 10
_M: Final = 1 << 20

# 64 octets of text, so that any multiple is whole; 251 octets of data, so that nothing repeats with a power of two.
_LINE: Final = "Zwölf Boxkämpfer jagen Viktor quer über den Deich - 世界".encode().ljust(64, b".")
_OCTETS: Final = bytes(range(251))


def _payload(opcode: int, size: int) -> bytes:
    unit = _LINE if opcode == TEXT else _OCTETS
    return (unit * (size // len(unit) + 1))[:size]


def _sizes() -> list[Case]:
    return [case for part, opcode in enumerate((TEXT, BINARY)) for case in _sizes_of(part, opcode)]


def _sizes_of(part: int, opcode: int) -> list[Case]:
    """The sections for text have odd numbers, those for data the even ones behind them."""
    kind = "text" if opcode == TEXT else "data"
    cases = []

    def echo(section: int, index: int, title: str, size: int, frame: int = 0, cut: int = WHOLE) -> None:
        payload = _payload(opcode, size)
        steps = (Fragments(opcode, payload, frame), Message(opcode, payload))
        cases.append(case(f"9.{section + part}.{index}", f"{kind}, {title}", *steps, cut=cut))

    for index, size in enumerate((64 * _K, 256 * _K, _M, 4 * _M, 16 * _M), 1):
        echo(1, index, f"{size} octets", size)
    fragments = ((64, _M), (256, _M), (_K, _M), *((size * _K, 4 * _M) for size in (4, 16, 64, 256, 1024, 4096)))
    for index, (frame, size) in enumerate(fragments, 1):
        echo(3, index, f"{size} octets in frames of {frame}", size, frame=frame)
    for index, cut in enumerate((64, 128, 256, 512, 1024, 2048), 1):
        echo(5, index, f"256 kB, {cut} octets at a time", 256 * _K, cut=cut)
    for index, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):
        payload = _payload(opcode, size)
        turns = [step for _ in range(100) for step in (Fragments(opcode, payload), Message(opcode, payload))]
        cases.append(case(f"9.{7 + part}.{index}", f"{kind}, 100 times {size} octets by turns", *turns))
        sent, awaited = [Fragments(opcode, payload)] * 400, [Message(opcode, payload)] * 400
        title = f"{kind}, 400 times {size} octets without waiting"
        cases.append(case(f"9.{9 + part}.{index}", title, *sent, *awaited))
    return cases


def _limit() -> list[Case]:
    """The limit counts the octets of a whole message, inflated; it is known from a header what goes beyond it."""

    def too_big(number: str, title: str, *steps: Step) -> Case:
        return case(number, title, *steps, ending=TOO_BIG, deflate=Deflate())

    def announcing(opcode: int, size: int) -> Frame:
        return Frame(opcode, announced=size)

    zeros, one = _zeros(MAX_MESSAGE), _zeros(1)
    pieces = (Frame(BINARY, bytes(64 * _K), fin=False), *[Frame(CONTINUATION, bytes(64 * _K), fin=False)] * 15)
    inflated = [zeros[start : start + 1000] for start in range(0, len(zeros), 1000)]
    return [
        too_big("9.11.1", "a frame above the limit, before any payload", announcing(BINARY, MAX_MESSAGE + 1)),
        too_big("9.11.2", "a frame of nearly 2 ** 63 octets", announcing(TEXT, (1 << 63) - 1)),
        too_big("9.11.3", "fragments above the limit", *pieces, announcing(CONTINUATION, MAX_MESSAGE - _M + 1)),
        too_big(
            "9.11.4",
            "a second fragment above the limit",
            *(Frame(TEXT, b"x", fin=False), announcing(CONTINUATION, MAX_MESSAGE)),
        ),
        too_big("9.11.5", "a message that inflates above the limit", Frame(BINARY, zeros + one, rsv=4)),
        too_big(
            "9.11.6",
            "fragments that inflate above the limit, with a ping where it is reached",
            Frame(BINARY, inflated[0], fin=False, rsv=4),
            *[Frame(CONTINUATION, piece, fin=False) for piece in inflated[1:]],
            *(ping(b"still there?"), Pong(b"still there?"), Frame(CONTINUATION, one)),
        ),
    ]


def _zeros(size: int) -> bytes:
    """Return zeros, compressed in parts that do not refer to each other, and so can be repeated."""
    part = min(size, _M)
    stream = zlib.compressobj(wbits=-15)
    return (stream.compress(bytes(part)) + stream.flush(zlib.Z_FULL_FLUSH)) * (size // part)


def _short_fragments() -> list[Case]:
    words, octets = _payload(TEXT, 64 * _K), _payload(BINARY, 64 * _K)
    return [
        case("10.1.1", "64 kB of text in frames of 1300", Fragments(TEXT, words, 1300), Message(TEXT, words)),
        case("10.1.2", "64 kB of data in frames of 1300", Fragments(BINARY, octets, 1300), Message(BINARY, octets)),
        case(
            "10.1.3", "1 kB of text in frames of one octet", Fragments(TEXT, words[:_K], 1), Message(TEXT, words[:_K])
        ),
        case(
            "10.1.4",
            "64 kB of text in frames of 1300, 997 octets at a time",
            *(Fragments(TEXT, words, 1300), Message(TEXT, words)),
            cut=997,
        ),
    ]


CASES: Final = [*_sizes(), *_limit(), *_short_fragments()]
