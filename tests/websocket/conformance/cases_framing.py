"""Chapters 1 to 5: framing, pings and pongs, reserved bits, opcodes, fragmentation (RFC 6455 section 5)."""

from __future__ import annotations

from typing import Final

from tests.websocket.conformance.case import (
    BINARY,
    CLOSE,
    FRAMES,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    WHOLE,
    Case,
    Frame,
    Pong,
    Role,
    Step,
    binary,
    case,
    close,
    message,
    more,
    ping,
    pong,
    text,
)

__all__ = ["CASES"]

_SIZES: Final = (0, 125, 126, 127, 128, 65_535, 65_536)
_RESERVED: Final = ((3, 4, 5, 6, 7), (11, 12, 13, 14, 15))
_CONTROL: Final = (("ping", PING), ("pong", PONG), ("close", CLOSE))


def _framing() -> list[Case]:
    cases = []
    sized = [(size, WHOLE) for size in _SIZES] + [(65_536, 997)]
    for index, (size, cut) in enumerate(sized, 1):
        words, octets = "*" * size, b"\xfe" * size
        how = f"{size} octets" + (f", {cut} at a time" if cut else "")
        cases.append(case(f"1.1.{index}", f"text of {how}", text(words), message(words), cut=cut))
        cases.append(case(f"1.2.{index}", f"binary of {how}", binary(octets), message(octets), cut=cut))

    def refused(number: str, title: str, *steps: Step) -> Case:
        return case(number, title, *steps, ending=PROTOCOL_ERROR)

    return [
        *cases,
        refused("1.3.1", "text masked by the server or not by the client", Frame(TEXT, b"Hello", wrong_mask=True)),
        refused("1.3.2", "so is an empty text", Frame(TEXT, wrong_mask=True)),
        refused("1.3.3", "so is a ping", Frame(PING, b"Hello", wrong_mask=True)),
        refused("1.3.4", "so is a close", Frame(CLOSE, b"\x03\xe8", wrong_mask=True)),
        refused("1.3.5", "behind a good message", text("Hello"), Frame(TEXT, wrong_mask=True), message("Hello")),
        refused(
            "1.3.6", "in a fragmented message", text("Hello", fin=False), Frame(0, b"!", fin=False, wrong_mask=True)
        ),
        refused("1.4.1", "5 octets with a length of 16 bits", Frame(TEXT, b"Hello", width=2)),
        refused("1.4.2", "125 octets with a length of 16 bits", Frame(BINARY, bytes(125), width=2)),
        refused("1.4.3", "5 octets with a length of 64 bits", Frame(TEXT, b"Hello", width=8)),
        refused("1.4.4", "65,535 octets with a length of 64 bits", Frame(BINARY, bytes(65_535), width=8)),
        refused("1.4.5", "nothing with a length of 16 bits", Frame(TEXT, width=2)),
        refused("1.4.6", "a length of 16 bits that is not needed, before any payload", Frame(TEXT, b"", True, 0, 9, 2)),
        refused("1.4.7", "a length of 64 bits with the top bit set", Frame(BINARY, b"", announced=1 << 63)),
        refused("1.4.8", "a length of 64 bits with all bits set", Frame(TEXT, b"", announced=(1 << 64) - 1)),
        refused("1.4.9", "a ping with a length of 16 bits that is not needed", Frame(PING, b"Hello", width=2)),
        case(
            "1.5.1",
            "the first frames in one segment with the answer to the handshake",
            text("Hello"),
            ping(b"?"),
            message("Hello"),
            Pong(b"?"),
            roles=(Role.CLIENT,),
            eager=True,
        ),
        case("1.5.2", "nothing but a close"),
        case("1.5.3", "a close octet by octet", cut=1),
        case("1.5.4", "empty messages in a row", text(), binary(), text(), message(""), message(b""), message("")),
        case("1.5.5", "100 messages in one segment", *[text(f"{n}") for n in range(100)], *_numbers(100)),
        case("1.5.6", "100 messages, 3 octets at a time", *[text(f"{n}") for n in range(100)], *_numbers(100), cut=3),
    ]


def _numbers(count: int) -> list[Step]:
    return [message(f"{n}") for n in range(count)]


def _pings() -> list[Case]:
    ten = [b"payload-%d" % index for index in range(10)]
    all_octets = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
    return [
        case("2.1", "a ping without payload", ping(), Pong(b"")),
        case("2.2", "a ping with a text", ping(b"Hello, world!"), Pong(b"Hello, world!")),
        case("2.3", "a ping with what is not UTF-8", ping(all_octets), Pong(all_octets)),
        case("2.4", "a ping of 125 octets", ping(b"\xfe" * 125), Pong(b"\xfe" * 125)),
        case("2.5", "a ping of 126 octets", ping(b"\xfe" * 126), ending=PROTOCOL_ERROR),
        case("2.6", "a ping of 125 octets, octet by octet", ping(b"\xfe" * 125), Pong(b"\xfe" * 125), cut=1),
        case("2.7", "a pong that nobody asked for", pong()),
        case("2.8", "the same with a payload", pong(b"unsolicited")),
        case("2.9", "a pong, then a ping", pong(b"unsolicited"), ping(b"ping"), Pong(b"ping")),
        case("2.10", "ten pings", *map(ping, ten), *map(Pong, ten)),
        case("2.11", "ten pings, octet by octet", *map(ping, ten), *map(Pong, ten), cut=1),
        case("2.12", "a ping of 126 octets, before any payload", Frame(PING, announced=126), ending=PROTOCOL_ERROR),
        case("2.13", "a pong of 126 octets", pong(b"\xfe" * 126), ending=PROTOCOL_ERROR),
        case(
            "2.14", "a ping of 65,536 octets, before any payload", Frame(PING, announced=1 << 16), ending=PROTOCOL_ERROR
        ),
        case(
            "2.15",
            "pings and messages by turns",
            *[frame for octets in ten for frame in (ping(octets), binary(octets))],
            *[step for octets in ten for step in (Pong(octets), message(octets))],
        ),
    ]


def _reserved_bits() -> list[Case]:
    def refused(number: str, title: str, *steps: Step, cut: int = WHOLE) -> Case:
        return case(number, title, *steps, ending=PROTOCOL_ERROR, cut=cut)

    good, then = text("Hello, world!"), (ping(), message("Hello, world!"))
    return [
        refused("3.1", "RSV 1 in a text", text("Hello, world!", rsv=1)),
        refused("3.2", "RSV 2 behind a good text", good, text("Hello, world!", rsv=2), *then),
        refused("3.3", "RSV 3 behind a good text, frame by frame", good, text("Hello!", rsv=3), *then, cut=FRAMES),
        refused("3.4", "RSV 4 behind a good text, octet by octet", good, text("Hello!", rsv=4), *then, cut=1),
        refused("3.5", "RSV 5 in binary data", binary(b"\x00\xff\xfe", rsv=5)),
        refused("3.6", "RSV 6 in a ping", ping(b"Hello", rsv=6)),
        refused("3.7", "RSV 7 in a close", close(1000, rsv=7)),
        refused("3.8", "RSV 4 in a continuation", text("Hello", fin=False), more("!", rsv=4)),
        refused("3.9", "RSV 4 in a pong", pong(rsv=4)),
        refused("3.10", "RSV 2, seen before any payload", Frame(TEXT, rsv=2, announced=100)),
    ]


def _opcodes() -> list[Case]:
    cases = []
    for part, opcodes in enumerate(_RESERVED, 1):
        for index, opcode in enumerate(opcodes, 1):
            payload = b"reserved opcode payload" if index % 2 == 0 else b""
            steps: tuple[Step, ...] = (Frame(opcode, payload),)
            if index > 2:
                steps = (text("Hello, world!"), *steps, ping(), message("Hello, world!"))
            cut = {4: FRAMES, 5: 1}.get(index, WHOLE)
            title = f"reserved opcode {opcode}" + (" behind a good text" if index > 2 else "")
            cases.append(case(f"4.{part}.{index}", title, *steps, ending=PROTOCOL_ERROR, cut=cut))
        title = f"reserved opcode {opcodes[0]}, "
        inside = (text("Hello", fin=False), Frame(opcodes[0], b"!"))
        first = Frame(opcodes[0], announced=100)
        cases.append(case(f"4.{part}.6", title + "seen before any payload", first, ending=PROTOCOL_ERROR))
        cases.append(case(f"4.{part}.7", title + "in a fragmented message", *inside, ending=PROTOCOL_ERROR))
    return cases


def _fragmentation() -> list[Case]:
    first, last, joined = text("fragment1", fin=False), more("fragment2"), message("fragment1fragment2")
    asked, answered = ping(b"ping payload"), Pong(b"ping payload")
    cases = [
        case("5.3", "text in two fragments", first, last, joined),
        case("5.4", "text in two fragments, frame by frame", first, last, joined, cut=FRAMES),
        case("5.5", "text in two fragments, octet by octet", first, last, joined, cut=1),
        case("5.6", "a ping between two fragments", first, asked, answered, last, joined),
        case("5.7", "the same, frame by frame", first, asked, answered, last, joined, cut=FRAMES),
        case("5.8", "the same, octet by octet", first, asked, answered, last, joined, cut=1),
    ]

    def refused(number: str, title: str, *steps: Step, cut: int = WHOLE) -> None:
        cases.append(case(number, title, *steps, ending=PROTOCOL_ERROR, cut=cut))

    refused("5.1", "a ping in two fragments", ping(b"fragment1", fin=False), more("fragment2"))
    refused("5.2", "a pong in two fragments", pong(b"fragment1", fin=False), more("fragment2"))

    cuts = ((WHOLE, "at once"), (FRAMES, "frame by frame"), (1, "octet by octet"))
    hello = text("Hello, world!")
    for index, (cut, how) in enumerate(cuts):
        refused(f"5.{9 + index}", f"a last fragment without a first, {how}", more("non-continuation"), hello, cut=cut)
    for index, (cut, how) in enumerate(cuts):
        lonely = more("non-continuation", fin=False)
        refused(f"5.{12 + index}", f"a middle fragment without a first, {how}", lonely, hello, cut=cut)

    after = more("fragment3", fin=False)
    refused("5.15", "a middle fragment behind a whole message", first, last, after, text("fragment4"), joined)
    refused("5.16", "a middle fragment, then a message", more("fragment1", fin=False), first, last)
    refused("5.17", "a last fragment, then a message", more("fragment1"), first, last)
    refused("5.18", "a text in a fragmented text", first, text("fragment2"))

    many: tuple[Step, ...] = (
        *(text("fragment1", fin=False), more("fragment2", fin=False), ping(b"pongme 1!"), Pong(b"pongme 1!")),
        *(more("fragment3", fin=False), more("fragment4", fin=False), ping(b"pongme 2!"), Pong(b"pongme 2!")),
        *(more("fragment5"), message("fragment1fragment2fragment3fragment4fragment5")),
    )
    at_once = [step for step in many if isinstance(step, Frame)] + [
        step for step in many if not isinstance(step, Frame)
    ]
    refused("5.21", "binary data in a fragmented text", first, binary(b"fragment2"))
    refused("5.22", "a fragmented text in a fragmented text", first, text("fragment2", fin=False))
    refused("5.23", "a close in two fragments", Frame(CLOSE, b"\x03", fin=False), more(b"\xe8"))
    refused("5.24", "a ping's first fragment, before any payload", Frame(PING, fin=False, announced=9))
    refused("5.25", "an empty last fragment without a first", more())
    return [
        *cases,
        case("5.19", "five fragments and two pings, frame by frame", *many, cut=FRAMES),
        case("5.20", "five fragments and two pings at once", *at_once),
        case("5.26", "binary data in two fragments", binary(b"\xfe", fin=False), more(b"\xff"), message(b"\xfe\xff")),
        case("5.27", "a pong between two fragments", first, pong(b"unsolicited"), last, joined),
        case("5.28", "empty fragments", binary(fin=False), more(fin=False), more(), message(b"")),
        case("5.29", "an empty first and last fragment", text(fin=False), more("x", fin=False), more(), message("x")),
        case("5.30", "a whole message behind a fragmented one", first, last, hello, joined, message("Hello, world!")),
        case(
            "5.31",
            "a ping between each two of 100 fragments",
            text(fin=False),
            *[frame for n in range(100) for frame in (more("*", fin=False), ping(b"%d" % n))],
            more(),
            *[Pong(b"%d" % n) for n in range(100)],
            message("*" * 100),
        ),
    ]


CASES: Final = [*_framing(), *_pings(), *_reserved_bits(), *_opcodes(), *_fragmentation()]
