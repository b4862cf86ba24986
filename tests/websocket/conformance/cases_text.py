"""Chapter 6: text is UTF-8, and what cannot become UTF-8 any more fails at once (RFC 6455 section 8.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tests.websocket.conformance.case import (
    FRAMES,
    NOT_UTF8,
    TEXT,
    Case,
    Fragments,
    Frame,
    Message,
    Pong,
    Step,
    binary,
    case,
    message,
    more,
    ping,
    text,
)

__all__ = ["CASES", "offending"]

_GREEK: Final = "κ\u1f79\u03c3με".encode()  # 11 octets
_HELLO: Final = "Hello-µ@ßöäüàá-UTF-8!!".encode()

# Which second octets may follow; any other first octet is followed by 80 to BF.
_SECOND: Final = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}


def offending(octets: bytes) -> int | None:
    """Return where the octet is with which it cannot become UTF-8 any more; None: it still can (RFC 3629)."""
    missing, low, high = 0, 0x80, 0xBF
    for index, octet in enumerate(octets):
        if missing:
            if not low <= octet <= high:
                return index
            missing, low, high = missing - 1, 0x80, 0xBF
        elif octet >= 0x80:
            if not 0xC2 <= octet <= 0xF4:
                return index
            missing = 1 + (octet >= 0xE0) + (octet >= 0xF0)
            low, high = _SECOND.get(octet, (0x80, 0xBF))
    return None


def _lonely(first: Iterable[int]) -> str:
    return " ".join(f"{octet:02x}20" for octet in first)


# Sections of the table, each with its sequences in hexadecimal; whether they are UTF-8 follows from them.
_SEQUENCES: Final[dict[int, tuple[str, list[str]]]] = {
    7: ("first sequence of its length", ["00", "c280", "e0a080", "f0908080"]),
    8: ("first sequence of 5 or 6 octets", ["f888808080", "fc8480808080"]),
    9: ("last sequence of its length", ["7f", "dfbf", "efbfbf", "f48fbfbf"]),
    10: ("last sequence of its length, were there so many", ["f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf"]),
    11: ("boundary", ["ed9fbf", "ee8080", "efbfbd", "f48fbfbf", "f4908080"]),
    12: (
        "continuation without a start",
        [*("80", "bf", "80bf", "80bf80", "80bf80bf", "80bf80bf80", "80bf80bf80bf"), bytes(range(0x80, 0xC0)).hex()],
    ),
    13: (
        "start without a continuation",
        [
            _lonely(range(0xC0, 0xE0)),
            _lonely(range(0xE0, 0xF0)),
            _lonely(range(0xF0, 0xF8)),
            _lonely(range(0xF8, 0xFC)),
            _lonely((0xFC, 0xFD)),
        ],
    ),
    14: (
        "last continuation missing",
        [
            *("c0", "e080", "f08080", "f8808080", "fc80808080"),
            *("df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf"),
        ],
    ),
    15: (
        "last continuation missing, one behind the other",
        ["c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf"],
    ),
    16: ("impossible octet", ["fe", "ff", "fefeffff"]),
    17: ("overlong ASCII", ["c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"]),
    18: ("greatest overlong sequence", ["c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"]),
    19: ("overlong NUL", ["c080", "e08080", "f0808080", "f880808080", "fc8080808080"]),
    20: ("surrogate", ["eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"]),
    21: (
        "pair of surrogates",
        [
            *("eda080edb080", "eda080edbfbf", "edadbfedb080", "edadbfedbfbf"),
            *("edae80edb080", "edae80edbfbf", "edafbfedb080", "edafbfedbfbf"),
        ],
    ),
    22: (
        "no character, but valid",
        [chr(plane << 16 | low).encode().hex() for plane in range(17) for low in (0xFFFE, 0xFFFF)],
    ),
    23: ("special, but valid", [chr(point).encode().hex() for point in range(0xFFF9, 0x10000)]),
}


def _is_utf8(octets: bytes) -> bool:
    """Whether it is complete, too: an ASCII letter can follow."""
    return offending(octets + b".") is None


def _whole(number: str, title: str, octets: bytes) -> Case:
    shown = f"{title}: {octets[:12].hex(' ')}"
    if _is_utf8(octets):
        return case(number, shown, text(octets), Message(TEXT, octets))
    return case(number, shown, text(octets), ending=NOT_UTF8)


def _octet_by_octet(octets: bytes) -> Fragments:
    return Fragments(TEXT, octets, 1)


def _fragmented() -> list[Case]:
    bad = _GREEK + b"\xed\xa0\x80" + b"edited"
    beyond = _GREEK + b"\xf4\x90\x80\x80" + b"edited"
    empty: tuple[Step, ...] = (text(fin=False), more(fin=False), more())
    return [
        case("6.1.1", "an empty text", text(), message("")),
        case("6.1.2", "three empty fragments", *empty, message("")),
        case("6.1.3", "a text between empty fragments", empty[0], more("x", fin=False), more(), message("x")),
        case("6.2.1", "a text", text(_HELLO), Message(TEXT, _HELLO)),
        case("6.2.2", "cut between characters", Fragments(TEXT, _HELLO, 12), Message(TEXT, _HELLO)),
        case("6.2.3", "cut between octets", _octet_by_octet(_HELLO), Message(TEXT, _HELLO)),
        case("6.2.4", "cut between octets, other letters", _octet_by_octet(_GREEK), Message(TEXT, _GREEK)),
        case("6.2.5", "the same, frame by frame", _octet_by_octet(_GREEK), Message(TEXT, _GREEK), cut=FRAMES),
        case("6.2.6", "the same, octet by octet", _octet_by_octet(_GREEK), Message(TEXT, _GREEK), cut=1),
        case("6.3.1", "a surrogate in a text", text(bad), ending=NOT_UTF8),
        case("6.3.2", "a surrogate in a text, a fragment for each octet", _octet_by_octet(bad), ending=NOT_UTF8),
        case("6.3.3", "the same, frame by frame", _octet_by_octet(bad), ending=NOT_UTF8, cut=FRAMES),
        case(
            "6.4.1",
            "beyond Unicode, seen at the second fragment",
            *(text(_GREEK, fin=False), ping(b"well?"), Pong(b"well?"), more(beyond[11:], fin=False)),
            ending=NOT_UTF8,
        ),
        case(
            "6.4.2",
            "beyond Unicode, seen at the very octet, in fragments",
            *(text(beyond[:12], fin=False), ping(b"well?"), Pong(b"well?"), more(beyond[12:13], fin=False)),
            ending=NOT_UTF8,
        ),
        case("6.4.3", "beyond Unicode, seen in a frame", Frame(TEXT, beyond[:15], announced=21), ending=NOT_UTF8),
        case(
            "6.4.4",
            "beyond Unicode, seen at the very octet, in a frame",
            Frame(TEXT, beyond[:13], announced=21),
            ending=NOT_UTF8,
            cut=1,
        ),
    ]


def _prefixes() -> list[Case]:
    cases = [
        case("6.5.1", "a text in one frame", text(_GREEK), Message(TEXT, _GREEK)),
        case("6.5.2", "cut between characters", text(_GREEK[:2], fin=False), more(_GREEK[2:]), Message(TEXT, _GREEK)),
        case("6.5.3", "cut in a character", text(_GREEK[:1], fin=False), more(_GREEK[1:]), Message(TEXT, _GREEK)),
        case("6.5.4", "cut every three octets", Fragments(TEXT, _GREEK, 3), Message(TEXT, _GREEK)),
        case("6.5.5", "octets that are not UTF-8 are good as binary", binary(b"\xff\xc0"), message(b"\xff\xc0")),
    ]
    for size in range(1, len(_GREEK) + 1):
        cases.append(_whole(f"6.6.{size}", f"the first {size} octets of a text", _GREEK[:size]))
    return cases


def _at_once() -> list[Case]:
    """Every sequence that can be known to be bad before its end, with nothing behind the octet that tells."""
    cases: list[Case] = []
    seen: set[bytes] = set()
    for _, sequences in _SEQUENCES.values():
        for octets in map(bytes.fromhex, sequences):
            place = offending(octets)
            if place is None or octets[: place + 1] in seen:
                continue
            bad = octets[: place + 1]
            seen.add(bad)
            index, shown = len(seen), bad.hex(" ")
            in_frame = Frame(TEXT, bad, announced=100)
            in_fragments: tuple[Step, ...] = (text(_GREEK + bad[:-1], fin=False), more(bad[-1:], fin=False))
            cases.append(case(f"6.24.{index}", f"{shown}, and the frame goes on", in_frame, ending=NOT_UTF8))
            cases.append(case(f"6.25.{index}", f"{shown} at a fragment's begin", *in_fragments, ending=NOT_UTF8))
    long = b"x" * 70_000 + b"\xff"
    return [
        *cases,
        case("6.26.1", "an octet far into a long frame", Frame(TEXT, long, announced=1 << 20), ending=NOT_UTF8),
        case("6.26.2", "the same in short writes", Frame(TEXT, long, announced=1 << 20), ending=NOT_UTF8, cut=1000),
        case("6.26.3", "bad text behind good text", text("x"), text(b"\xff"), message("x"), ending=NOT_UTF8),
        case("6.26.4", "a cut character ends with its message", text(b"\xce"), text(b"\xba"), ending=NOT_UTF8),
        case(
            "6.26.5",
            "a character around a ping",
            *(text(_GREEK[:1], fin=False), ping(b"\xff"), Pong(b"\xff"), more(_GREEK[1:]), Message(TEXT, _GREEK)),
        ),
        case(
            "6.26.6",
            "binary data after a text cut in a character",
            *(text(_GREEK[:1], fin=False), more(_GREEK[1:]), binary(b"\xba"), Message(TEXT, _GREEK), message(b"\xba")),
        ),
    ]


def _sequences() -> list[Case]:
    return [
        _whole(f"6.{section}.{index}", title, bytes.fromhex(sequence))
        for section, (title, sequences) in _SEQUENCES.items()
        for index, sequence in enumerate(sequences, 1)
    ]


CASES: Final = [*_fragmented(), *_prefixes(), *_sequences(), *_at_once()]
