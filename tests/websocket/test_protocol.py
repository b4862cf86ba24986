"""Messages, pieces and frames out of a stream: any order, any cuts; text checked as it comes; limits; any bytes."""

from __future__ import annotations

import copy
import pickle
import random
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lasa.websocket._wire.closing import BAD_DATA, PROTOCOL_ERROR, TOO_BIG, BadFrame
from lasa.websocket._wire.deflate import BadCompressedData, Deflater, Inflater, MessageTooBig
from lasa.websocket._wire.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    FrameReader,
)
from lasa.websocket._wire.protocol import PIECE_MAX, ControlFrame, Piece, Protocol
from tests.websocket.tools import chunks_of, frame

MIB = 1024 * 1024
NOISE = random.Random(3).randbytes(70_001)

Event = str | bytes | ControlFrame
WireFrame = tuple[int, bytes, bool]

_ROLES = pytest.mark.parametrize("client", [True, False], ids=["client", "server"])
_PLACES = st.lists(st.integers(0, 2**16), max_size=10)


def receiving(
    *, client: bool = True, deflates: bool = False, resets: bool = False, limit: int | None = None
) -> Protocol:
    reader = FrameReader(client=client, deflates=deflates)
    return Protocol(reader, Inflater(15, resets) if deflates else None, limit)


def deflating(*, resets: bool = False) -> Deflater:
    return Deflater(15, resets, 6, 8)


# --- what is sent


class Fragment(NamedTuple):
    """A frame of a message before anything is compressed, or a control frame."""

    opcode: int
    data: bytes
    is_fin: bool = True


class Said(NamedTuple):
    """A message, how it is cut into fragments, and the control frames in front of each of these."""

    message: str | bytes
    cuts: list[int]
    controls: list[ControlFrame]
    is_compressed: bool

    @property
    def data(self) -> bytes:
        return self.message.encode() if isinstance(self.message, str) else self.message

    def fragments(self) -> list[Fragment]:
        """Its frames, with control frames among them."""
        found = []
        parts = chunks_of(self.data, self.cuts)
        opcode = TEXT if isinstance(self.message, str) else BINARY
        for at, part in enumerate(parts):
            found += [Fragment(*control) for control in self.controls[at : at + 1]]
            found.append(Fragment(opcode, part, at == len(parts) - 1))
            opcode = CONTINUATION
        return found

    def events(self) -> list[Event]:
        return [*self.controls[: len(self.cuts) + 1], self.message]


def wire(said: Iterable[Said], *, client: bool, deflater: Deflater | None = None) -> bytes:
    """The bytes of all that is said, for a reader of this role."""
    stream = []
    for one in said:
        for opcode, data, is_fin in one.fragments():
            rsv = 0
            if one.is_compressed and opcode < CLOSE and deflater is not None:
                data = deflater.deflate(data, is_fin)
                rsv = 4 if opcode else 0
            stream.append(frame(opcode, data, fin=is_fin, rsv=rsv, masked=not client))
    return b"".join(stream)


_TEXTS = st.text(st.sampled_from("aé€😀\x00"), max_size=30) | st.text(max_size=10)
_BYTES = st.binary(max_size=40) | st.integers(100, 70_000).map(lambda size: NOISE[:size])
_CONTROLS = st.builds(ControlFrame, st.sampled_from([PING, PONG, CLOSE]), st.binary(max_size=125))
_SAID = st.lists(
    st.builds(
        Said,
        _TEXTS | _BYTES,
        st.lists(st.integers(0, 2**16), max_size=4),
        st.lists(_CONTROLS, max_size=3),
        st.booleans(),
    ),
    max_size=5,
)
_ALL = {"client": st.booleans(), "said": _SAID, "places": _PLACES, "resets": st.booleans()}


# --- and what arrives


def events_of(protocol: Protocol, chunks: Iterable[bytes]) -> list[Event]:
    found: list[Event] = []
    for chunk in chunks:
        protocol.receive_bytes(chunk)
        while (event := protocol.next_event()) is not None:
            found.append(event)
    return found


class Joining:
    """Puts pieces together again."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._parts: list[str | bytes] = []

    @property
    def is_between(self) -> bool:
        return not self._parts

    def take(self, event: Event | Piece) -> None:
        """Take what next_piece() or next_event() returned."""
        if isinstance(event, ControlFrame):
            self.events.append(event)
        elif isinstance(event, Piece):
            self._parts.append(event.data)
            if event.is_last:
                assert len({type(part) for part in self._parts}) == 1
                self.events.append(type(event.data)().join(self._parts))  # type: ignore[arg-type]
                self._parts = []
        else:
            assert self.is_between
            self.events.append(event)


def joined_pieces(protocol: Protocol, chunks: Iterable[bytes]) -> list[Event]:
    joining = Joining()
    for chunk in chunks:
        protocol.receive_bytes(chunk)
        while (event := protocol.next_piece()) is not None:
            joining.take(event)
    assert joining.is_between
    return joining.events


def frames_of(protocol: Protocol, chunks: Iterable[bytes]) -> list[WireFrame]:
    found = []
    for chunk in chunks:
        protocol.receive_bytes(chunk)
        while (one := protocol.next_frame()) is not None:
            found.append(one)
    return found


@settings(deadline=None)
@given(**_ALL)
def test_any_messages_arrive_as_they_were_sent(client: bool, said: list[Said], places: list[int], resets: bool) -> None:
    stream = wire(said, client=client, deflater=deflating(resets=resets))
    protocol = receiving(client=client, deflates=True, resets=resets)
    found = events_of(protocol, chunks_of(stream, places))
    expected = [event for one in said for event in one.events()]
    assert found == expected
    assert [type(one) for one in found] == [type(one) for one in expected]
    assert protocol.is_between_messages


@settings(deadline=None)
@given(**_ALL)
def test_pieces_join_to_the_messages_that_were_sent(
    client: bool, said: list[Said], places: list[int], resets: bool
) -> None:
    stream = wire(said, client=client, deflater=deflating(resets=resets))
    protocol = receiving(client=client, deflates=True, resets=resets)
    assert joined_pieces(protocol, chunks_of(stream, places)) == [event for one in said for event in one.events()]
    assert protocol.is_between_messages


@settings(deadline=None)
@given(**_ALL)
def test_frames_are_those_that_were_sent_inflated(
    client: bool, said: list[Said], places: list[int], resets: bool
) -> None:
    stream = wire(said, client=client, deflater=deflating(resets=resets))
    protocol = receiving(client=client, deflates=True, resets=resets)
    assert frames_of(protocol, chunks_of(stream, places)) == [fragment for one in said for fragment in one.fragments()]
    assert protocol.is_between_messages


@settings(deadline=None)
@given(client=st.booleans(), said=_SAID, places=_PLACES)
def test_without_compression_the_same_arrives_by_every_door(client: bool, said: list[Said], places: list[int]) -> None:
    chunks = chunks_of(wire(said, client=client), places)
    expected = [event for one in said for event in one.events()]
    assert events_of(receiving(client=client), chunks) == expected
    assert joined_pieces(receiving(client=client), chunks) == expected
    assert frames_of(receiving(client=client), chunks) == [item for one in said for item in one.fragments()]


@settings(deadline=None)
@given(**_ALL, doors=st.lists(st.booleans(), min_size=12, max_size=12), limit=st.none() | st.just(70_000))
def test_a_message_that_came_in_part_is_whole_in_pieces(
    client: bool, said: list[Said], places: list[int], resets: bool, doors: list[bool], limit: int | None
) -> None:
    stream = wire(said, client=client, deflater=deflating(resets=resets))
    protocol = receiving(client=client, deflates=True, resets=resets, limit=limit)
    joining = Joining()
    for chunk, by_event in zip(chunks_of(stream, places), doors, strict=False):
        protocol.receive_bytes(chunk)
        while True:
            event = protocol.next_event() if by_event and joining.is_between else protocol.next_piece()
            if event is None:
                break
            joining.take(event)
    assert joining.events == [event for one in said for event in one.events()]


def test_the_rest_of_a_character_is_not_lost_between_two_doors() -> None:
    data = "a😀b".encode()
    for cut in range(len(data) + 1):
        protocol = receiving()
        stream = frame(TEXT, data)
        protocol.receive_bytes(stream[: 2 + cut])
        assert protocol.next_event() == ("a😀b" if cut == len(data) else None)
        if cut == len(data):
            continue
        before = protocol.next_piece()
        if before is None:
            so_far = ""
        else:
            assert isinstance(before, Piece)
            assert isinstance(before.data, str)
            so_far = before.data
            assert protocol.next_piece() is None
        assert so_far == data[:cut].decode(errors="ignore")
        protocol.receive_bytes(stream[2 + cut :])
        assert protocol.next_piece() == Piece("a😀b"[len(so_far) :], True)


@pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "deflate"])
def test_a_frame_that_came_in_part_is_whole_as_a_message(is_compressed: bool) -> None:
    payload = deflating().deflate(b"hello") if is_compressed else b"hello"
    stream = frame(BINARY, payload, rsv=4 if is_compressed else 0)
    for end in range(len(stream)):
        for next_one in (Protocol.next_event, Protocol.next_piece):
            protocol = receiving(deflates=is_compressed)
            protocol.receive_bytes(stream[:end])
            assert protocol.next_frame() is None
            protocol.limit(5)
            joining = Joining()
            for rest in (b"", stream[end:]):
                protocol.receive_bytes(rest)
                while (event := next_one(protocol)) is not None:
                    joining.take(event)
            assert joining.events == [b"hello"]


def test_pieces_come_as_far_as_their_bytes_have() -> None:
    protocol = receiving()
    found = []
    for octet in frame(BINARY, b"ab", fin=False) + frame(PING, b"p") + frame(CONTINUATION, b"c"):
        protocol.receive_bytes(bytes((octet,)))
        while (event := protocol.next_piece()) is not None:
            found.append(event)
    assert found == [Piece(b"a", False), Piece(b"b", False), ControlFrame(PING, b"p"), Piece(b"c", True)]


def test_an_inflated_piece_has_a_bound() -> None:
    data = bytes(3 * PIECE_MAX + 1)
    protocol = receiving(deflates=True)
    protocol.receive_bytes(frame(BINARY, deflating().deflate(data), rsv=4) + frame(TEXT, b"next"))
    sizes = []
    while isinstance(piece := protocol.next_piece(), Piece) and isinstance(piece.data, bytes):
        sizes.append(len(piece.data))
    assert sum(sizes) == len(data)
    assert max(sizes) == PIECE_MAX
    assert piece == Piece("next", True)


@pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "deflate"])
def test_an_empty_message_is_one(is_compressed: bool) -> None:
    for message in ("", b""):
        for cuts in ([], [0], [0, 0]):
            said = [Said(message, cuts, [], is_compressed)] * 2
            stream = wire(said, client=True, deflater=deflating())
            for chunks in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
                assert events_of(receiving(deflates=True), chunks) == [message, message]
                assert joined_pieces(receiving(deflates=True), chunks) == [message, message]


def test_arrivals_and_whether_a_message_is_under_way_can_be_seen() -> None:
    protocol = receiving()
    stream = frame(TEXT, b"ab", fin=False) + frame(PING, b"") + frame(CONTINUATION, b"c")
    assert protocol.is_between_messages
    for count, octet in enumerate(stream, 1):
        protocol.receive_bytes(bytes((octet,)))
        event = protocol.next_event()
        assert event == ("abc" if count == len(stream) else ControlFrame(PING, b"") if count == 6 else None)
        assert protocol.arrivals == count
        assert protocol.is_between_messages is (count == len(stream))


# --- text


def failing(protocol: Protocol, door: Callable[[Protocol], object]) -> BadFrame | None:
    try:
        while door(protocol) is not None:
            pass
    except BadFrame as error:
        return error
    return None


# Unicode 15, table 3-7: which second bytes are well-formed behind a first one; all others are 80 to BF.
_SECONDS = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}


def first_bad_byte(data: bytes) -> int | None:
    """Where it is certain that this can never become UTF-8; len(data) if it only must not end there."""
    at = 0
    while at < len(data):
        first = data[at]
        size = 1 if first < 0x80 else 2 if 0xC2 <= first <= 0xDF else 3 if first & 0xF0 == 0xE0 else 4
        if size == 4 and not 0xF0 <= first <= 0xF4:
            return at
        for step in range(1, size):
            if at + step == len(data):
                return len(data)
            low, high = _SECONDS.get(first, (0x80, 0xBF)) if step == 1 else (0x80, 0xBF)
            if not low <= data[at + step] <= high:
                return at + step
        at += size
    return None


_EDGES = bytes.fromhex("00 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 f8 ff")
SEQUENCES = [
    *(bytes((first, second)) for first in _EDGES for second in _EDGES),
    *(bytes((first, second, third)) for first in _EDGES for second in _EDGES for third in (0x41, 0x80, 0xBF, 0xC2)),
    *(b"\xf0\x90\x80" + bytes((last,)) for last in _EDGES),
    *(b"\xf4\x8f\xbf" + bytes((last,)) for last in _EDGES),
]


def test_the_table_of_utf8_is_the_one_that_python_has() -> None:
    for data in SEQUENCES:
        try:
            data.decode()
        except UnicodeDecodeError:
            assert first_bad_byte(data) is not None
        else:
            assert first_bad_byte(data) is None


@pytest.mark.parametrize("door", [Protocol.next_event, Protocol.next_piece], ids=["event", "piece"])
@pytest.mark.parametrize("way", ["one frame", "fragments", "deflate"])
def test_bad_text_fails_at_the_first_byte_that_nothing_can_mend(door: Callable[[Protocol], object], way: str) -> None:
    for data in SEQUENCES:
        bad_at = first_bad_byte(data)
        protocol = receiving(deflates=way == "deflate")
        deflater = deflating()
        if way == "one frame":
            protocol.receive_bytes(frame(TEXT, length=len(data) + 1))
        failed_at = None
        for at, octet in enumerate(data):
            part = bytes((octet,))
            if way == "fragments":
                part = frame(CONTINUATION if at else TEXT, part, fin=False)
            elif way == "deflate":
                part = deflater.deflate(part, False)
                part = frame(CONTINUATION if at else TEXT, part, fin=False, rsv=0 if at else 4)
            protocol.receive_bytes(part)
            error = failing(protocol, door)
            if error is not None:
                assert (error.reason, error.code) == ("invalid utf-8", BAD_DATA)
                failed_at = at
                break
        assert failed_at == (None if bad_at == len(data) else bad_at), data.hex()


@pytest.mark.parametrize("door", [Protocol.next_event, Protocol.next_piece], ids=["event", "piece"])
@pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "deflate"])
def test_bad_text_fails_however_it_comes(door: Callable[[Protocol], object], is_compressed: bool) -> None:
    for data in (b"\xff", b"a\xc3", "é€😀".encode()[:-1], b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf" * 100):
        payload = deflating().deflate(data) if is_compressed else data
        rsv = 4 if is_compressed else 0
        cut = len(payload) // 2
        parts = frame(TEXT, payload[:cut], fin=False, rsv=rsv) + frame(PONG) + frame(CONTINUATION, payload[cut:])
        for stream in (frame(TEXT, payload, rsv=rsv), parts):
            for chunks in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
                protocol = receiving(deflates=True)
                errors = []
                for chunk in chunks:
                    protocol.receive_bytes(chunk)
                    if (error := failing(protocol, door)) is not None:
                        errors.append((error.reason, error.code))
                        break
                assert errors == [("invalid utf-8", BAD_DATA)]


def test_what_is_no_text_may_be_any_bytes() -> None:
    assert events_of(receiving(), [frame(BINARY, b"\xff\xed\xa0\x80", fin=False) + frame(CONTINUATION, b"\xc3")]) == [
        b"\xff\xed\xa0\x80\xc3"
    ]
    assert frames_of(receiving(), [frame(TEXT, b"\xff\xc3")]) == [(TEXT, b"\xff\xc3", True)]


# --- the order of fragments


@pytest.mark.parametrize("door", [Protocol.next_event, Protocol.next_piece], ids=["event", "piece"])
@pytest.mark.parametrize("deflates", [False, True], ids=["plain", "deflate"])
def test_fragments_out_of_order_are_an_error(door: Callable[[Protocol], object], deflates: bool) -> None:
    begun = frame(TEXT, b"a", fin=False)
    none, within = "continuation of no message", "a new message within a fragmented one"
    wrong = [
        (frame(CONTINUATION, b"a"), none),
        (frame(CONTINUATION, b""), none),
        (frame(CONTINUATION, b"a", fin=False), none),
        (frame(TEXT, b"a") + frame(CONTINUATION, b"a"), none),
        (begun + frame(CONTINUATION, b"a") + frame(CONTINUATION, b"a"), none),
        (begun + frame(TEXT, b"a"), within),
        (begun + frame(BINARY, b"a", fin=False), within),
        (begun + frame(PING, b"") + frame(CONTINUATION, b"a", fin=False) + frame(TEXT, b""), within),
    ]
    if deflates:  # what is out of order is never inflated
        wrong += [(begun + frame(TEXT, b"\xff" * 9, rsv=4), within)]
        wrong += [(frame(TEXT, deflating().deflate(b"a"), rsv=4) + frame(CONTINUATION, b"\xff"), none)]
        wrong += [(frame(BINARY, deflating().deflate(b"a", False), rsv=4, fin=False) + frame(TEXT, b"a"), within)]
    for stream, word in wrong:
        for chunks in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
            protocol = receiving(deflates=deflates)
            found = None
            for chunk in chunks:
                protocol.receive_bytes(chunk)
                found = found or failing(protocol, door)
            assert found is not None
            assert (found.reason, found.code) == (word, PROTOCOL_ERROR)


def test_frames_may_come_in_any_order() -> None:
    stream = frame(CONTINUATION, b"a") + frame(TEXT, b"b", fin=False) + frame(BINARY, b"c") + frame(CLOSE, b"\x03")
    expected = [(CONTINUATION, b"a", True), (TEXT, b"b", False), (BINARY, b"c", True), (CLOSE, b"\x03", True)]
    for deflates in (False, True):
        assert frames_of(receiving(deflates=deflates), [stream]) == expected
    packed = frame(TEXT, deflating().deflate(b"b"), rsv=4) + frame(CONTINUATION, b"a") + frame(TEXT, b"c")
    for chunks in ([packed], [packed[at : at + 1] for at in range(len(packed))]):
        assert frames_of(receiving(deflates=True), chunks) == [
            (TEXT, b"b", True),
            (CONTINUATION, b"a", True),
            (TEXT, b"c", True),
        ]


# --- limits

_CUT_IN = pytest.mark.parametrize("fragments", [1, 2, 5])
_PACKED = pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "deflate"])


def said_in(message: str | bytes, fragments: int, is_compressed: bool) -> Said:
    size = len(message.encode() if isinstance(message, str) else message)
    return Said(message, [size * at // fragments for at in range(1, fragments)], [], is_compressed)


@_CUT_IN
@_PACKED
@_ROLES
@pytest.mark.parametrize("limit", [0, 1, 100, 126, 70_000])
def test_a_message_may_have_as_many_bytes_as_the_limit(
    client: bool, limit: int, is_compressed: bool, fragments: int
) -> None:
    """Incompressible bytes, which are more on the wire, and zeros, which are fewer; and text counts as bytes."""
    text = "é" * (limit // 2)
    pairs: list[tuple[str | bytes, str | bytes]] = [
        (NOISE[:limit], NOISE[: limit + 1]),
        (bytes(limit), bytes(limit + 1)),
        (text, f"{text}x" if limit % 2 == 0 else f"{text}é"),
    ]
    for exact, more in pairs:
        good = wire([said_in(exact, fragments, is_compressed)] * 2, client=client, deflater=deflating(resets=True))
        bad = wire([said_in(more, fragments, is_compressed)], client=client, deflater=deflating())
        for step in (MIB, 7 if limit <= 126 else 5_000):
            protocol = receiving(client=client, deflates=True, resets=True, limit=limit)
            assert events_of(protocol, [good[at : at + step] for at in range(0, len(good), step)]) == [exact] * 2
            with pytest.raises(BadFrame) as caught:
                events_of(protocol, [bad[at : at + step] for at in range(0, len(bad), step)])
            assert (caught.value.reason, caught.value.code) == ("message too big", TOO_BIG)


def test_a_message_that_announces_too_much_fails_by_its_head() -> None:
    protocol = receiving(limit=100)
    protocol.receive_bytes(frame(TEXT, b"x" * 60, fin=False) + frame(CONTINUATION, length=40, fin=False))
    assert protocol.next_event() is None
    protocol.receive_bytes(b"x" * 40 + frame(PING, b"p" * 125))
    assert protocol.next_event() == ControlFrame(PING, b"p" * 125)
    protocol.receive_bytes(frame(CONTINUATION, length=1))
    with pytest.raises(BadFrame, match="message too big"):
        protocol.next_event()


def test_pieces_have_no_limit_and_leave_none_behind() -> None:
    data = b"x" * 101
    protocol = receiving(limit=100)
    for piece_stream in (frame(BINARY, data), frame(BINARY, data, fin=False) + frame(CONTINUATION, data)):
        assert protocol.next_piece() is None
        assert joined_pieces(protocol, [piece_stream]) in ([data], [data + data])
    assert protocol.next_piece() is None  # waiting for one has changed nothing for a whole one
    protocol.receive_bytes(frame(PING) + frame(BINARY, data))
    assert protocol.next_piece() == ControlFrame(PING, b"")
    with pytest.raises(BadFrame, match="message too big"):
        protocol.next_event()


def test_a_limit_may_be_changed_between_messages() -> None:
    protocol = receiving(limit=10)
    stream = frame(BINARY, b"x" * 11)
    protocol.limit(11)
    assert events_of(protocol, [stream]) == [b"x" * 11]
    protocol.limit(None)
    assert events_of(protocol, [frame(BINARY, NOISE)]) == [NOISE]
    protocol.limit(10)
    with pytest.raises(BadFrame, match="message too big"):
        events_of(protocol, [stream])


def test_at_the_level_of_frames_each_frame_counts_inflated() -> None:
    deflater = deflating()
    stream = b""
    for opcode, rsv in ((BINARY, 4), (CONTINUATION, 0), (CONTINUATION, 0)):
        stream += frame(opcode, deflater.deflate(bytes(100), False), fin=False, rsv=rsv)
    protocol = receiving(deflates=True, limit=1)
    protocol.reader.max_frame = 100
    assert [len(payload) for _, payload, _ in frames_of(protocol, [stream])] == [100, 100, 100]
    with pytest.raises(BadFrame, match="message too big") as caught:
        frames_of(protocol, [frame(CONTINUATION, deflater.deflate(bytes(101)))])
    assert caught.value.code == TOO_BIG


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """Deflated zeros: 64 MiB in some 64 KiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = bytes(MIB)
    return b"".join(packer.compress(zeros) for _ in range(64)) + packer.flush(zlib.Z_SYNC_FLUSH)[:-4]


@pytest.mark.parametrize("door", [Protocol.next_event, Protocol.next_piece, Protocol.next_frame])
@pytest.mark.parametrize("fragments", [1, 3])
def test_a_bomb_takes_little_more_memory_than_is_allowed(
    bomb: bytes, door: Callable[[Protocol], object], fragments: int
) -> None:
    limit = MIB
    stream = b"".join(
        frame(CONTINUATION if at else BINARY, part, fin=at == fragments - 1, rsv=0 if at else 4)
        for at, part in enumerate(chunks_of(bomb, [len(bomb) * at // fragments for at in range(1, fragments)]))
    )
    for chunks in ([stream], chunks_of(stream, list(range(0, len(stream), 16_384)))):
        protocol = receiving(deflates=True, limit=limit)
        protocol.reader.max_frame = limit
        tracemalloc.start()
        try:
            began_s = time.process_time()
            error = None
            for chunk in chunks:
                protocol.receive_bytes(chunk)
                error = error or failing(protocol, door)
            took_s = time.process_time() - began_s
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (None if error is None else error.reason) == (None if door is Protocol.next_piece else "message too big")
        assert peak < 4 * limit + len(stream)
        assert took_s < 5


# --- cost


def in_fragments(count: int, deflater: Deflater | None) -> bytes:
    stream = []
    for at in range(count):
        data = b"x" if deflater is None else deflater.deflate(b"x", at == count - 1)
        stream.append(
            frame(CONTINUATION if at else TEXT, data, fin=at == count - 1, rsv=4 if deflater and not at else 0)
        )
    return b"".join(stream)


@pytest.mark.parametrize(("is_compressed", "chunk_bytes"), [(False, MIB), (True, 65_536)], ids=["plain", "deflate"])
def test_a_message_in_65536_fragments_costs_no_more_for_each(is_compressed: bool, chunk_bytes: int) -> None:
    costs_s = []
    for count in (8_192, 65_536):
        stream = in_fragments(count, deflating() if is_compressed else None)
        chunks = [stream[at : at + chunk_bytes] for at in range(0, len(stream), chunk_bytes)]
        began_s = time.process_time()
        assert events_of(receiving(deflates=True), chunks) == ["x" * count]
        costs_s.append(time.process_time() - began_s)
    assert costs_s[1] < 24 * costs_s[0]  # 8 times as many; it would be 64 times the cost if each met all before it


def test_many_tiny_fragments_take_little_memory() -> None:
    protocol = receiving()
    protocol.receive_bytes(frame(BINARY, b"x", fin=False))
    chunk = frame(CONTINUATION, b"x", fin=False) * 1_000
    tracemalloc.start()
    try:
        for _ in range(10):
            protocol.receive_bytes(chunk)
            assert protocol.next_event() is None
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 60_000
    assert events_of(protocol, [frame(CONTINUATION)]) == [b"x" * 10_001]


def test_a_frame_that_comes_byte_by_byte_costs_no_more_for_each() -> None:
    costs_s = []
    for size in (4_000, 32_000):
        stream = frame(BINARY, NOISE[:size])
        began_s = time.process_time()
        assert events_of(receiving(), [stream[at : at + 1] for at in range(len(stream))]) == [NOISE[:size]]
        costs_s.append(time.process_time() - began_s)
    assert costs_s[1] < 24 * costs_s[0]


# --- any bytes


def _streams(client: bool) -> st.SearchStrategy[bytes]:
    payloads = (
        st.binary(max_size=20)
        | st.text(max_size=5).map(str.encode)
        | st.binary(max_size=200).map(lambda data: deflating().deflate(data))
        | st.integers(0, 2_000).map(lambda size: deflating().deflate(bytes(size), False))
        | st.sampled_from([b"", bytes(130), b"\x03\xe8", b"\x03\x00", b"\x03\x00" * 3])
    )
    frames = st.builds(
        lambda opcode, payload, fin, rsv, masked: frame(opcode, payload, fin=fin, rsv=rsv, masked=masked),
        st.sampled_from([0, 0, 0, 1, 1, 2, 2, 8, 9, 10]) | st.integers(0, 15),
        payloads,
        st.booleans(),
        st.sampled_from([0, 0, 0, 4, 4, 4, 1, 2]),
        st.sampled_from([not client] * 9 + [client]),
    )
    return st.lists(frames | frames | frames | st.binary(max_size=12), max_size=8).map(b"".join)


_SERVER_STREAMS, _CLIENT_STREAMS = _streams(False), _streams(True)


def outcome(
    protocol: Protocol, door: Callable[[Protocol], Event | Piece | WireFrame | None], chunks: Sequence[bytes]
) -> tuple[list[Event | Piece | WireFrame], BadFrame | None]:
    found = []
    for chunk in chunks:
        protocol.receive_bytes(chunk)
        try:
            while (event := door(protocol)) is not None:
                found.append(event)
        except BadFrame as error:
            return found, error
    return found, None


@settings(deadline=None)
@given(
    client=st.booleans(),
    data=st.data(),
    deflates=st.booleans(),
    places=_PLACES,
    limit=st.sampled_from([None, 0, 60, 1_000]),
    is_strict=st.booleans(),
)
def test_any_bytes_are_events_or_an_error_wherever_they_are_cut(
    client: bool, deflates: bool, data: st.DataObject, places: list[int], limit: int | None, is_strict: bool
) -> None:
    stream = data.draw(_CLIENT_STREAMS if client else _SERVER_STREAMS)
    for door in (Protocol.next_event, Protocol.next_frame, Protocol.next_piece):
        found = []
        for chunks in (chunks_of(stream, places), [stream]):
            protocol = receiving(client=client, deflates=deflates, limit=limit)
            protocol.reader.is_strict = is_strict
            protocol.reader.max_frame = 1_500
            events, error = outcome(protocol, door, chunks)
            assert all(isinstance(one, (str, bytes, ControlFrame, Piece, tuple)) for one in events)
            assert error is None or error.reason
            found.append((events, error is None))
            for _ in range(3):  # whoever goes on all the same gets nothing worse
                protocol.receive_bytes(stream[-20:])
                failing(protocol, door)
        if door is not Protocol.next_piece:
            assert found[0] == found[1]


def test_an_error_in_a_head_stays() -> None:
    for door in (Protocol.next_event, Protocol.next_piece, Protocol.next_frame):
        protocol = receiving()
        protocol.receive_bytes(frame(TEXT, b"a") + frame(3, b"") + frame(TEXT, b"b"))
        assert door(protocol) is not None
        for _ in range(3):
            with pytest.raises(BadFrame, match="reserved non-control frames"):
                door(protocol)
            protocol.receive_bytes(frame(TEXT, b"c"))


@pytest.mark.parametrize("error", [BadCompressedData(), MessageTooBig(), BadFrame("a word", 1003)])
def test_an_error_can_be_made_again(error: BadFrame) -> None:
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error)), type(error)(error.reason, error.code)):
        assert type(again) is type(error)
        assert (again.reason, again.code, again.partial) == (error.reason, error.code, None)
