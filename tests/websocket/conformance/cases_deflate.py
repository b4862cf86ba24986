"""Chapters 12 and 13: compressed messages of all sizes, and the negotiation of permessage-deflate (RFC 7692)."""

from __future__ import annotations

import json
import random
import zlib
from typing import Final

from tests.websocket.conformance.case import (
    BINARY,
    CONTINUATION,
    FRAMES,
    NOT_UTF8,
    PROTOCOL_ERROR,
    TEXT,
    WHOLE,
    Case,
    Deflate,
    Ending,
    Failed,
    Fragments,
    Frame,
    Message,
    Pong,
    Role,
    Step,
    Verdict,
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

# Sizes of messages, and of the frames into which they are cut (0: one); in total about TOTAL octets for each case.
_SIZES: Final = (
    *((size, 0) for size in (16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072)),
    *((size, 256) for size in (8192, 16_384, 32_768, 65_536, 131_072)),
    *((131_072, size) for size in (1024, 4096, 32_768)),
)
_TOTAL: Final = 131_072
_MESSAGES_MIN: Final = 2
_MESSAGES_MAX: Final = 50

_CLIENT: Final = (Role.CLIENT,)
_SERVER: Final = (Role.SERVER,)
_CORPUS_BYTES: Final = 160_000


def _words(seed: int, alphabet: str) -> list[str]:
    source = random.Random(seed)
    return ["".join(source.choices(alphabet, k=source.randint(2, 9))) for _ in range(3000)]


def _json() -> bytes:
    source, words = random.Random(1), _words(2, "etaoinshrdlu")
    records = [
        {"id": number, "name": " ".join(source.choices(words, k=3)), "score": source.random(), "tags": words[:3]}
        for number in range(1600)
    ]
    return json.dumps(records).encode()


def _prose() -> bytes:
    source, words = random.Random(3), _words(4, "etaoinshrdlu")
    return " ".join(source.choices(words, k=30_000)).encode()


def _noise() -> bytes:
    return random.Random(5).randbytes(_CORPUS_BYTES)


def _greek() -> bytes:
    source, words = random.Random(6), _words(7, "αβγδεζηθικλμ")
    return "·".join(source.choices(words, k=20_000)).encode()  # each character has two octets


def _markup() -> bytes:
    source, words = random.Random(8), _words(9, "etaoinshrdlu")
    rows = (f'<tr class="row"><td>{n}</td><td>{source.choice(words)}</td></tr>\r\n' for n in range(4000))
    return "".join(rows).encode()


_CORPORA: Final = (
    ("JSON", TEXT, _json()),
    ("noise", BINARY, _noise()),
    ("prose", TEXT, _prose()),
    ("markup", TEXT, _markup()),
    ("Greek", TEXT, _greek()),
)


def _echoes(opcode: int, corpus: bytes, size: int, frame: int) -> tuple[Step, ...]:
    count = max(_MESSAGES_MIN, min(_MESSAGES_MAX, _TOTAL // size))
    places = [index * 38 % (len(corpus) - size) & ~1 for index in range(count)]
    payloads = [corpus[place : place + size] for place in places]
    return (
        *[Fragments(opcode, payload, frame, deflated=True) for payload in payloads],
        *[Message(opcode, payload) for payload in payloads],
    )


def _sizes(chapter: str, corpus: tuple[str, int, bytes], deflate: Deflate, title: str = "") -> list[Case]:
    name, opcode, octets = corpus
    cases = []
    for index, (size, frame) in enumerate(_SIZES, 1):
        how = f"{name}, {size} octets" + (f" in frames of {frame}" if frame else "") + title
        cases.append(case(f"{chapter}.{index}", how, *_echoes(opcode, octets, size, frame), deflate=deflate))
    return cases


def _squeezed(payload: bytes, *, final: bool = False) -> bytes:
    """Compress as a whole message; ``final``: with BFINAL set, as RFC 7692 section 7.2.3.4 allows."""
    stream = zlib.compressobj(wbits=-15)
    if final:
        return stream.compress(payload) + stream.flush(zlib.Z_FINISH) + b"\0"
    return (stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


def _examples() -> list[Case]:
    """Payloads of RFC 7692 section 7.2.3, and what may stand between compressed frames."""
    hello, heard = bytes.fromhex("f248cdc9c90700"), message("Hello")
    again = bytes.fromhex("f200110000")
    stored = bytes.fromhex("000500faff48656c6c6f00")
    finished = bytes.fromhex("f348cdc9c9070000")
    blocks = bytes.fromhex("f2480500 0000ffff cac9c90700")
    first, last = text(hello[:3], fin=False, rsv=4), more(hello[3:])
    long = ("x" * 200 + "Hello") * 100

    def good(number: str, title: str, *steps: Step, cut: int = WHOLE) -> Case:
        return case(number, title, *steps, cut=cut, deflate=Deflate())

    def bad(number: str, title: str, *steps: Step, ending: Ending = PROTOCOL_ERROR, cut: int = WHOLE) -> Case:
        return case(number, title, *steps, ending=ending, cut=cut, deflate=Deflate())

    inside = _squeezed(b"x" * 5000 + b"\xff")
    corrupt = Failed((1002, 1007))
    return [
        good("12.6.1", "one frame", text(hello, rsv=4), heard),
        good("12.6.2", "two frames", first, last, heard),
        good(
            "12.6.3",
            "the second message from the first one's context",
            text(hello, rsv=4),
            text(again, rsv=4),
            heard,
            heard,
        ),
        good("12.6.4", "a stored block", text(stored, rsv=4), heard),
        good("12.6.5", "a final block, and another message", text(finished, rsv=4), text(hello, rsv=4), heard, heard),
        good("12.6.6", "two blocks", text(blocks, rsv=4), heard),
        good("12.6.7", "an empty message", text(b"\0", rsv=4), message("")),
        good(
            "12.6.8",
            "an empty message between others",
            text(hello, rsv=4),
            text(b"\0", rsv=4),
            text(again, rsv=4),
            heard,
            message(""),
            heard,
        ),
        good("12.6.9", "not compressed", text("Hello"), heard),
        good(
            "12.6.10",
            "not compressed between others",
            text(hello, rsv=4),
            text("Hi"),
            text(again, rsv=4),
            heard,
            message("Hi"),
            heard,
        ),
        good("12.6.11", "a ping between fragments", first, ping(b"Hello"), last, Pong(b"Hello"), heard),
        good("12.6.12", "a pong between fragments", first, pong(b"Hello"), last, text(again, rsv=4), heard, heard),
        good("12.6.13", "octet by octet", text(hello, rsv=4), text(again, rsv=4), heard, heard, cut=1),
        good("12.6.14", "a fragment for each octet", *_each_octet(hello), heard),
        good(
            "12.6.15", "an empty first and last fragment", text(fin=False, rsv=4), more(hello, fin=False), more(), heard
        ),
        good(
            "12.6.16",
            "what becomes much larger",
            Fragments(BINARY, bytes(1 << 20), deflated=True),
            Message(BINARY, bytes(1 << 20)),
        ),
        good(
            "12.6.17",
            "what becomes larger, after a final block",
            text(_squeezed(long.encode(), final=True), rsv=4),
            text(_squeezed(long.encode()), rsv=4),
            message(long),
            message(long),
        ),
        good(
            "12.6.18",
            "a final block in fragments",
            text(finished[:4], fin=False, rsv=4),
            more(finished[4:]),
            text(hello, rsv=4),
            heard,
            heard,
        ),
        good("12.6.19", "a character cut by frames", *_each_octet(_squeezed("κόσμε".encode())), message("κόσμε")),
        good(
            "12.6.20",
            "not compressed, in fragments, between others",
            text(hello, rsv=4),
            text("H", fin=False),
            more("i"),
            text(again, rsv=4),
            heard,
            message("Hi"),
            heard,
        ),
        bad("12.7.1", "RSV1 in a continuation", first, more(hello[3:], rsv=4)),
        bad("12.7.2", "RSV1 in a continuation of what is not compressed", text("Hel", fin=False), more("lo", rsv=4)),
        bad("12.7.3", "RSV1 in a ping", ping(b"Hello", rsv=4)),
        bad("12.7.4", "RSV1 in a pong", pong(b"Hello", rsv=4)),
        bad("12.7.5", "RSV1 in a close", close(1000, rsv=4)),
        bad("12.7.6", "RSV2", text(hello, rsv=6)),
        bad("12.7.7", "RSV3", text("Hello", rsv=1)),
        bad("12.7.8", "RSV1 in a ping between fragments", first, ping(rsv=4)),
        bad("12.7.9", "RSV1 in a continuation without a first fragment", Frame(CONTINUATION, hello, rsv=4)),
        bad("12.7.10", "a compressed message in a fragmented one", first, text(hello, rsv=4)),
        bad("12.7.11", "RSV1 in a reserved opcode", Frame(3, hello, rsv=4)),
        bad("12.8.1", "what is no compressed data", text(b"\xff" * 16, rsv=4), ending=corrupt),
        bad("12.8.2", "the same in a fragment", binary(b"\xff" * 16, fin=False, rsv=4), ending=corrupt),
        bad("12.8.3", "a reference to before the begin", text(again, rsv=4), ending=corrupt),
        bad(
            "12.8.4", "broken after a good message", text(hello, rsv=4), text(b"\x07\x08", rsv=4), heard, ending=corrupt
        ),
        bad("12.9.1", "text that is not UTF-8", text(_squeezed(b"\xff"), rsv=4), ending=NOT_UTF8),
        bad("12.9.2", "text cut in a character", text(_squeezed(b"\xce"), rsv=4), ending=NOT_UTF8),
        bad("12.9.3", "not UTF-8, known from a fragment", text(inside, fin=False, rsv=4), ending=NOT_UTF8),
        bad(
            "12.9.4",
            "not UTF-8, in the middle",
            *_each_octet(_squeezed(b"\xce\xba\xed\xa0\x80")),
            ending=NOT_UTF8,
            cut=FRAMES,
        ),
    ]


def _each_octet(payload: bytes) -> tuple[Frame, ...]:
    """Return a compressed text in a frame for each octet."""
    first, *middle = [payload[index : index + 1] for index in range(len(payload))]
    last = middle.pop()
    return (text(first, fin=False, rsv=4), *[more(octet, fin=False) for octet in middle], more(last))


# What the client offers, and the answer of a server to the same effect for what the client sends.
_OFFERS: Final = (
    ("", ""),
    ("; server_no_context_takeover", "; client_no_context_takeover"),
    ("; server_max_window_bits=9", "; client_max_window_bits=9"),
    ("; server_max_window_bits=15", "; client_max_window_bits=15"),
    (
        "; server_no_context_takeover; server_max_window_bits=9",
        "; client_no_context_takeover; client_max_window_bits=9",
    ),
    (
        "; server_no_context_takeover; server_max_window_bits=15",
        "; client_no_context_takeover; client_max_window_bits=15",
    ),
    (
        "; server_no_context_takeover; server_max_window_bits=9, permessage-deflate; server_no_context_takeover, "
        "permessage-deflate",
        "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9",
    ),
)

# Further parameters of an offer that a server has to accept.
_GOOD_OFFERS: Final = (
    ("; client_max_window_bits",),
    ("; client_max_window_bits=9",),
    ("; client_max_window_bits=12",),
    ("; client_max_window_bits=15",),
    ("; client_no_context_takeover",),
    ("; client_no_context_takeover; server_no_context_takeover",),
    ("; server_max_window_bits=10; client_max_window_bits=10",),
    ("; server_max_window_bits=11; client_max_window_bits; client_no_context_takeover; server_no_context_takeover",),
    ('; server_max_window_bits="10"',),
    ("; client_max_window_bits ;server_max_window_bits = 12;server_no_context_takeover",),
    (", permessage-deflate; server_no_context_takeover",),
    ("; server_max_window_bits=9", "permessage-deflate"),
    ("; unknown, permessage-deflate; server_no_context_takeover; server_max_window_bits=10",),
    ("; server_max_window_bits=16, permessage-deflate; server_max_window_bits=14",),
    ("; server_max_window_bits=16", "x-unknown; a=b", "permessage-deflate; client_no_context_takeover"),
    (", x-unknown; a=b; c",),
)

# Further parameters of an answer that a client has to accept if it has offered client_max_window_bits.
_GOOD_ANSWERS: Final = (
    "; server_no_context_takeover",
    "; server_max_window_bits=8",
    "; server_max_window_bits=9",
    "; server_max_window_bits=12",
    "; server_max_window_bits=15",
    "; client_max_window_bits=12",
    "; server_no_context_takeover; client_no_context_takeover",
    "; server_max_window_bits=10; client_max_window_bits=10",
    "; server_max_window_bits=11; client_max_window_bits=13; client_no_context_takeover; server_no_context_takeover",
    '; client_max_window_bits="10"',
    ";client_no_context_takeover ; server_max_window_bits = 12",
)

# Parameters that neither an offer nor an answer may have.
_BAD_PARAMETERS: Final = (
    "; unknown",
    "; unknown=1",
    "; server_no_context_takeover=1",
    "; client_no_context_takeover=true",
    "; server_max_window_bits",
    "; server_max_window_bits=7",
    "; server_max_window_bits=16",
    "; server_max_window_bits=0",
    "; server_max_window_bits=-9",
    "; server_max_window_bits=010",
    "; server_max_window_bits=1e1",
    "; server_max_window_bits=ten",
    "; server_max_window_bits=10.0",
    "; server_max_window_bits=99999999999999999999",
    "; client_max_window_bits=7",
    "; client_max_window_bits=16",
    "; client_max_window_bits=08",
    "; server_no_context_takeover; server_no_context_takeover",
    "; client_no_context_takeover; client_no_context_takeover",
    "; server_max_window_bits=10; server_max_window_bits=10",
    "; client_max_window_bits=10; client_max_window_bits=11",
)

# Answers that are wrong because of what was offered, or in whole.
_BAD_ANSWERS: Final = (
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate, permessage-deflate",
    "x-unknown",
    "permessage-deflate, x-unknown",
    "x-webkit-deflate-frame",
)

# What is no list of extensions, for which a connection has to be failed (RFC 6455 section 9.1).
_MALFORMED: Final = (
    ";",
    "; =10",
    "; server_max_window_bits=",
    '; server_max_window_bits=""',
    "; a b",
    "; server_max_window_bits=(9)",
)


def _negotiation() -> list[Case]:
    name, steps = "permessage-deflate", _echoes(TEXT, _CORPORA[0][2], 4096, 0)
    plain = (text("Hello"), ping(b"?"), message("Hello"), Pong(b"?"))
    cases = []
    for index, (offered, answered) in enumerate(_OFFERS, 1):
        deflate = Deflate((name + offered,), name + answered)
        cases += _sizes(f"13.{index}", _CORPORA[0], deflate, f", {offered or 'no parameters'}")
    for index, (first, *others) in enumerate(_GOOD_OFFERS, 1):
        deflate = Deflate((name + first, *others))
        cases.append(case(f"13.8.{index}", f"offer {first}", *steps, deflate=deflate, roles=_SERVER))
    for index, answered in enumerate(_GOOD_ANSWERS, 1):
        deflate = Deflate(answer=name + answered)
        cases.append(case(f"13.9.{index}", f"answer {answered}", *steps, deflate=deflate, roles=_CLIENT))
    for index, parameters in enumerate(_BAD_PARAMETERS, 1):
        deflate = Deflate((name + parameters,), name + parameters, Verdict.REFUSED)
        cases.append(case(f"13.10.{index}", f"bad {parameters}", *plain, deflate=deflate))
    for index, answered in enumerate(_BAD_ANSWERS, 1):
        deflate = Deflate(answer=answered, verdict=Verdict.REFUSED)
        cases.append(case(f"13.11.{index}", f"bad answer {answered}", *plain, deflate=deflate, roles=_CLIENT))
    eight = Deflate((f"{name}; server_max_window_bits=8",), f"{name}; client_max_window_bits=8", Verdict.EITHER)
    either = Deflate((f"{name}; server_max_window_bits=8, {name}",), f"{name}; server_max_window_bits=8")
    for index, parameters in enumerate(_MALFORMED, 1):
        deflate = Deflate((name + parameters,), name + parameters, Verdict.MALFORMED)
        cases.append(case(f"13.13.{index}", f"malformed: {parameters}", *plain, deflate=deflate))
    unknown = Deflate(("x-unknown", "x-webkit-deflate-frame; max_window_bits=8"), verdict=Verdict.REFUSED)
    refused = Deflate((f"{name}; unknown",), verdict=Verdict.REFUSED)
    return [
        *cases,
        case("13.12.1", "a window of 8 bits, which zlib cannot write", *steps, deflate=eight),
        case("13.12.2", "a window of 8 bits, or else any", *steps, deflate=either, roles=_SERVER),
        case("13.12.3", "extensions that nobody knows", *plain, deflate=unknown, roles=_SERVER),
        case(
            "13.12.4",
            "RSV1 when the offer was refused",
            *(text(_squeezed(b"Hello"), rsv=4),),
            ending=PROTOCOL_ERROR,
            deflate=refused,
            roles=_SERVER,
        ),
        case(
            "13.12.5",
            "RSV1 when the server did not accept",
            *(text(_squeezed(b"Hello"), rsv=4),),
            ending=PROTOCOL_ERROR,
            roles=_CLIENT,
        ),
        case(
            "13.12.6",
            "the second message begins anew",
            *_anew(),
            deflate=Deflate((f"{name}; client_no_context_takeover",), f"{name}; server_no_context_takeover"),
        ),
    ]


def _anew() -> tuple[Step, ...]:
    """A message that an endpoint without context takeover may send twice, as it has no references to the past."""
    hello = text(_squeezed(b"Hello"), rsv=4)
    return hello, hello, message("Hello"), message("Hello")


CASES: Final = [
    *[case for index, corpus in enumerate(_CORPORA, 1) for case in _sizes(f"12.{index}", corpus, Deflate())],
    *_examples(),
    *_negotiation(),
]
