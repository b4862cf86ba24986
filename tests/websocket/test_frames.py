"""FrameReader: what wsproto's decoder gives, lua-resty-websocket's order of checks, limits at their edges."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.extensions import Extension
from wsproto.frame_protocol import (
    CloseReason,
    Frame,
    FrameDecoder,
    FrameProtocol,
    Opcode,
    ParseFailed,
    RsvBits,
)

from lasa.websocket._wire.closing import PROTOCOL_ERROR, TOO_BIG, BadFrame
from lasa.websocket._wire.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    LENGTH_MAX,
    PING,
    PONG,
    RSV1,
    TEXT,
    FrameReader,
    frame_head,
)
from tests.websocket.tools import chunks_of, frame

DATA = random.Random(2).randbytes(70_002)

_PLACES = st.lists(st.integers(0, 2**16), max_size=8)
_ROLES = pytest.mark.parametrize("client", [True, False], ids=["client", "server"])

# --- any frames, any cuts, any bytes: side by side with wsproto


class Rsv1(Extension):
    """For wsproto: the bit for compression may be set, and means nothing."""

    name = "x-rsv1"

    def offer(self) -> bool:
        return True

    def enabled(self) -> bool:
        return True

    def frame_inbound_header(self, proto: Any, opcode: Opcode, rsv: RsvBits, payload_length: int) -> RsvBits:
        return RsvBits(opcode in (Opcode.TEXT, Opcode.BINARY), False, False)

    def frame_inbound_payload_data(self, proto: Any, data: bytes) -> bytes:
        return data

    def frame_inbound_complete(self, proto: Any, fin: bool) -> bytes | CloseReason | None:
        return None


class Sent(NamedTuple):
    """A frame that is as it must be."""

    first: int
    payload: bytes

    def wire(self, *, client: bool) -> bytes:
        """Its bytes for a reader of this role."""
        return frame(self.first & 15, self.payload, fin=self.first >= FIN, rsv=self.first >> 4 & 7, masked=not client)


_SIZES = st.integers(0, 130) | st.sampled_from([1000, 65_535, 65_536, 70_000])
_DATA_FRAMES = st.builds(
    lambda first, size: Sent(first, DATA[:size]),
    st.sampled_from(
        [fin | kind for fin in (0, FIN) for kind in (CONTINUATION, TEXT, BINARY, RSV1 | TEXT, RSV1 | BINARY)]
    ),
    _SIZES,
)
_CONTROL_FRAMES = st.builds(Sent, st.sampled_from([FIN | CLOSE, FIN | PING, FIN | PONG]), st.binary(max_size=125))
_FRAMES = st.lists(_DATA_FRAMES | _CONTROL_FRAMES, max_size=6)


def theirs_and_ours(*, client: bool, deflates: bool) -> tuple[FrameDecoder, FrameReader]:
    return FrameDecoder(client, [Rsv1()] if deflates else []), FrameReader(client=client, deflates=deflates)


def outcome(decoder: FrameDecoder, chunks: Sequence[bytes]) -> tuple[list[Frame], BadFrame | ParseFailed | None]:
    """Everything that comes out, chunk by chunk, and how it failed."""
    found = []
    try:
        for chunk in chunks:
            decoder.receive_bytes(chunk)
            while (one := decoder.process_buffer()) is not None:
                found.append(one)
    except (BadFrame, ParseFailed) as error:
        return found, error
    return found, None


def whole_frames(reader: FrameReader, chunks: Sequence[bytes]) -> tuple[list[Sent], BadFrame | None]:
    """Each frame once it is complete; what is there as a whole is taken as such."""
    found = []
    first, pieces = -1, b""
    try:
        for chunk in chunks:
            reader.receive_bytes(chunk)
            while True:
                if (whole := reader.take_whole()) is not None:
                    assert first == -1  # never in the middle of another one
                    found.append(Sent(*whole))
                elif (part := reader.process_buffer()) is not None:
                    if first == -1:
                        rsv1 = RSV1 if part.opcode in (TEXT, BINARY) and reader.is_compressed else 0
                        first = (FIN if part.message_finished else 0) | rsv1 | part.opcode
                    assert isinstance(part.payload, bytes)
                    pieces += part.payload
                    if part.frame_finished:
                        found.append(Sent(first, pieces))
                        first, pieces = -1, b""
                else:
                    break
    except BadFrame as error:
        return found, error
    return found, None


@settings(deadline=None)
@given(st.booleans(), _FRAMES, _PLACES)
def test_any_frames_cut_anywhere_come_out_as_from_wsproto(client: bool, frames: list[Sent], places: list[int]) -> None:
    chunks = chunks_of(b"".join(one.wire(client=client) for one in frames), places)
    theirs, ours = theirs_and_ours(client=client, deflates=True)
    assert outcome(ours, chunks) == outcome(theirs, chunks)
    assert not ours.has_unread


@settings(deadline=None)
@given(st.booleans(), _FRAMES, _PLACES)
def test_any_frames_cut_anywhere_are_the_ones_that_were_sent(
    client: bool, frames: list[Sent], places: list[int]
) -> None:
    chunks = chunks_of(b"".join(one.wire(client=client) for one in frames), places)
    reader = FrameReader(client=client, deflates=True)
    assert whole_frames(reader, chunks) == (frames, None)
    assert not reader.has_unread


def _bad_frames(client: bool) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda first, payload, masked, width: frame(
            first & 15,
            payload,
            fin=first >= FIN,
            rsv=first >> 4 & 7,
            masked=masked,
            width=8 if width == 0 and len(payload) > 125 else width,
        ),
        st.integers(0, 255) | st.sampled_from([FIN | TEXT, FIN | PING]),
        st.binary(max_size=140),
        st.sampled_from([not client, not client, client]),
        st.sampled_from([0, 0, 2, 8]),
    )


def _streams(client: bool) -> st.SearchStrategy[bytes]:
    good = st.builds(Sent, st.sampled_from([0, FIN | TEXT, BINARY, FIN | PING]), st.binary(max_size=125))
    huge = st.builds(
        lambda length: bytes((FIN | BINARY, 127 if client else 255)) + length.to_bytes(8, "big") + bytes(5),
        st.sampled_from([65_535, 65_536, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1]),
    )
    some = good.map(lambda one: one.wire(client=client))
    return st.lists(some | some | _bad_frames(client) | huge | st.binary(max_size=20), max_size=5).map(b"".join)


_SERVER_STREAMS, _CLIENT_STREAMS = _streams(False), _streams(True)


@settings(deadline=None)
@given(client=st.booleans(), data=st.data(), deflates=st.booleans(), places=_PLACES)
def test_any_bytes_fail_where_they_fail_in_wsproto(
    client: bool, data: st.DataObject, deflates: bool, places: list[int]
) -> None:
    chunks = chunks_of(data.draw(_CLIENT_STREAMS if client else _SERVER_STREAMS), places)
    theirs, ours = theirs_and_ours(client=client, deflates=deflates)
    their_frames, their_error = outcome(theirs, chunks)
    our_frames, our_error = outcome(ours, chunks)
    if isinstance(our_error, BadFrame) and our_error.reason == "payload len too large" and our_error.code == TOO_BIG:
        assert their_frames[: len(our_frames)] == our_frames  # wsproto takes up to 2**63 - 1 bytes
        return
    assert our_frames == their_frames
    if (our_error is None) is not (their_error is None):  # one needed less of the head to know
        assert outcome(theirs if their_error is None else ours, [bytes(14)])[1] is not None


@settings(deadline=None)
@given(
    client=st.booleans(),
    data=st.data(),
    places=_PLACES,
    limit=st.integers(0, 140),
    room=st.none() | st.integers(0, 140),
)
@pytest.mark.parametrize("is_strict", [True, False], ids=["strict", "lenient"])
def test_a_frame_is_the_same_be_it_taken_as_a_whole_or_in_parts(
    client: bool, is_strict: bool, data: st.DataObject, places: list[int], limit: int, room: int | None
) -> None:
    stream = data.draw(_CLIENT_STREAMS if client else _SERVER_STREAMS)
    found = []
    for chunks in (chunks_of(stream, places), [stream], [stream[at : at + 1] for at in range(len(stream))]):
        reader = FrameReader(client=client, max_frame=limit, deflates=True)
        reader.is_strict = is_strict
        reader.room = room
        frames, error = whole_frames(reader, chunks)
        found.append((frames, None if error is None else (error.reason, error.code)))
    assert found[0] == found[1] == found[2]


def test_a_compressed_frame_of_any_size_is_taken_as_a_whole() -> None:
    for size in (0, 125, 126, 65_535, 65_536):
        for client, opcode in product([True, False], [TEXT, BINARY]):
            reader = FrameReader(client=client, deflates=True)
            sent = Sent(FIN | RSV1 | opcode, DATA[:size])
            reader.receive_bytes(sent.wire(client=client))
            assert reader.take_whole() == sent


# --- what is wrong with a head, in which order


class Head(NamedTuple):
    """A frame's head and who reads it how."""

    first: int
    is_masked: bool
    length: int
    width: int
    client: bool
    is_strict: bool
    deflates: bool

    @property
    def opcode(self) -> int:
        return self.first & 15

    @property
    def is_control(self) -> bool:
        return self.opcode >= CLOSE

    @property
    def is_compressed(self) -> bool:
        return bool(self.first & RSV1)

    def wire(self) -> bytes:
        """Its bytes, without a masking key."""
        second = self.is_masked << 7 | {0: self.length, 2: 126, 8: 127}[self.width]
        return bytes((self.first, second)) + (self.length.to_bytes(self.width, "big") if self.width else b"")


MAX_FRAME = 70_000
ROOM = 1_000

# The first that holds counts.
RULES: list[tuple[str, int, Callable[[Head], object]]] = [
    (
        "bad RSV1, RSV2, or RSV3 bits",
        PROTOCOL_ERROR,
        lambda head: (
            head.first & 0x30 or (head.is_compressed and not (head.deflates and head.opcode in (TEXT, BINARY)))
        ),
    ),
    ("reserved non-control frames", PROTOCOL_ERROR, lambda head: 3 <= head.opcode <= 7),
    ("reserved control frames", PROTOCOL_ERROR, lambda head: head.opcode >= 11),
    ("frame unmasked", PROTOCOL_ERROR, lambda head: not head.client and not head.is_masked),
    ("frame masked", PROTOCOL_ERROR, lambda head: head.client and head.is_masked and head.is_strict),
    ("payload len too large", PROTOCOL_ERROR, lambda head: head.length >= 2**63),
    ("payload len too large", TOO_BIG, lambda head: head.length >= 2**31),
    (
        "payload length not in its shortest form",
        PROTOCOL_ERROR,
        lambda head: head.is_strict and head.length < {0: 0, 2: 126, 8: 65_536}[head.width],
    ),
    ("too long payload for control frame", PROTOCOL_ERROR, lambda head: head.is_control and head.width),
    ("fragmented control frame", PROTOCOL_ERROR, lambda head: head.is_control and head.first < FIN),
    ("exceeding max payload len", TOO_BIG, lambda head: head.length > MAX_FRAME),
    (
        "message too big",
        TOO_BIG,
        lambda head: not head.is_control and not head.is_compressed and head.length > ROOM,
    ),
]

LENGTHS = [
    *((length, 0) for length in (0, 1, 125)),
    *((length, 2) for length in (0, 125, 126, ROOM, ROOM + 1, 65_535)),
    *((length, 8) for length in (0, ROOM, 65_535, 65_536, MAX_FRAME, MAX_FRAME + 1)),
    *((length, 8) for length in (2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1)),
]


def verdict(head: Head) -> tuple[str, int] | None:
    reader = FrameReader(client=head.client, max_frame=MAX_FRAME, deflates=head.deflates)
    reader.is_strict = head.is_strict
    reader.room = ROOM
    reader.receive_bytes(head.wire())
    assert head.length == 0 or reader.take_whole() is None
    try:
        part = reader.process_buffer()
    except BadFrame as error:
        return error.reason, error.code
    assert part is None or head.length == 0
    return None


@_ROLES
@pytest.mark.parametrize("deflates", [True, False], ids=["deflate", "plain"])
@pytest.mark.parametrize("is_strict", [True, False], ids=["strict", "lenient"])
def test_the_first_rule_that_a_head_breaks_is_told_before_any_payload(
    client: bool, deflates: bool, is_strict: bool
) -> None:
    seen = set()
    for first, is_masked, (length, width) in product(range(256), (True, False), LENGTHS):
        head = Head(first, is_masked, length, width, client, is_strict, deflates)
        expected = next(((word, code) for word, code, holds in RULES if holds(head)), None)
        assert verdict(head) == expected, head
        seen.add(expected)
    assert len(seen) >= 10  # nearly every rule was the first one somewhere


@_ROLES
def test_what_two_bytes_can_tell_is_told_after_two(client: bool) -> None:
    masked = 0 if client else 0x80
    for first, second, word in [
        (0x91, masked, "bad RSV1, RSV2, or RSV3 bits"),
        (0x83, masked | 126, "reserved non-control frames"),
        (0x8B, masked | 127, "reserved control frames"),
        (0x81, (masked ^ 0x80) | 127, "frame masked" if client else "frame unmasked"),
        (0x09, masked | 125, "fragmented control frame"),
    ]:
        reader = FrameReader(client=client)
        reader.receive_bytes(bytes((first,)))
        assert reader.process_buffer() is None
        reader.receive_bytes(bytes((second,)))
        for _ in range(2):  # and nothing behind it is read, ever
            with pytest.raises(BadFrame) as caught:
                reader.process_buffer()
            assert caught.value.reason == word
            reader.receive_bytes(b"\x81\x00" * 10)
            assert reader.take_whole() is None


@pytest.mark.parametrize(
    ("width", "length", "is_shortest"),
    [
        (2, 0, False),
        (2, 125, False),
        (2, 126, True),
        (8, 0, False),
        (8, 126, False),
        (8, 65_535, False),
        (8, 65_536, True),
    ],
)
@_ROLES
def test_a_length_must_be_in_its_shortest_form_for_messages_only(
    client: bool, width: int, length: int, is_shortest: bool
) -> None:
    stream = frame(BINARY, DATA[:length], masked=not client, width=width)
    for is_strict in (True, False):
        reader = FrameReader(client=client)
        reader.is_strict = is_strict
        frames, error = whole_frames(reader, [stream])
        if is_strict and not is_shortest:
            assert error is not None
            assert (frames, error.reason) == ([], "payload length not in its shortest form")
        else:
            assert (frames, error) == ([Sent(FIN | BINARY, DATA[:length])], None)


@pytest.mark.parametrize(("length", "code"), [(2**31, TOO_BIG), (2**63 - 1, TOO_BIG), (2**63, PROTOCOL_ERROR)])
@_ROLES
def test_a_length_of_two_gigabytes_is_too_large(client: bool, length: int, code: int) -> None:
    assert length >= LENGTH_MAX
    reader = FrameReader(client=client)
    reader.receive_bytes(frame(BINARY, masked=not client, length=length))
    with pytest.raises(BadFrame, match=r"^payload len too large$") as caught:
        reader.process_buffer()
    assert caught.value.code == code


@_ROLES
def test_one_byte_less_is_waited_for(client: bool) -> None:
    reader = FrameReader(client=client)
    reader.receive_bytes(frame(BINARY, masked=not client, length=2**31 - 1) + bytes(3))
    part = reader.process_buffer()
    assert part is not None
    assert (len(part.payload), part.frame_finished) == (3, False)


def test_a_lenient_client_unmasks_what_a_server_masks() -> None:
    for size in (0, 5, 126, 65_536):
        reader = FrameReader(client=True)
        reader.is_strict = False
        stream = frame(TEXT, DATA[:size], masked=True) + frame(TEXT, DATA[:size])
        sent = Sent(FIN | TEXT, DATA[:size])
        assert whole_frames(reader, chunks_of(stream, [3, 9])) == ([sent, sent], None)


# --- limits

_LIMITS = pytest.mark.parametrize("limit", [0, 1, 125, 126, 1_000, 65_535, 65_536])
_CUTS = pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "cut"])


def limited(reader: FrameReader, stream: bytes, is_cut: bool) -> tuple[list[Sent], BadFrame | None]:
    return whole_frames(reader, chunks_of(stream, [1, 2, 3, 9, 14, 15, 100]) if is_cut else [stream])


@_LIMITS
@_CUTS
@_ROLES
def test_a_frame_may_be_as_large_as_max_frame(client: bool, is_cut: bool, limit: int) -> None:
    for opcode in (TEXT, BINARY, CONTINUATION, RSV1 | TEXT, PING):
        if opcode == PING and limit > 124:
            continue
        exact, more = (Sent(FIN | opcode, DATA[:size]) for size in (limit, limit + 1))
        reader = FrameReader(client=client, max_frame=limit, deflates=True)
        assert limited(reader, exact.wire(client=client) * 2, is_cut) == ([exact, exact], None)
        frames, error = limited(reader, (exact.wire(client=client) + more.wire(client=client)), is_cut)
        assert frames == [exact]
        assert error is not None
        assert (error.reason, error.code) == ("exceeding max payload len", TOO_BIG)


@_LIMITS
@_CUTS
@_ROLES
def test_a_frame_may_be_as_large_as_the_room_that_is_left_for_its_message(
    client: bool, is_cut: bool, limit: int
) -> None:
    for opcode in (TEXT, BINARY, CONTINUATION):
        exact, more = (Sent(opcode, DATA[:size]) for size in (limit, limit + 1))
        reader = FrameReader(client=client)
        reader.room = limit
        assert limited(reader, exact.wire(client=client), is_cut) == ([exact], None)
        frames, error = limited(reader, more.wire(client=client), is_cut)
        assert frames == []
        assert error is not None
        assert (error.reason, error.code) == ("message too big", TOO_BIG)


@_CUTS
@_ROLES
def test_control_frames_and_compressed_ones_need_no_room(client: bool, is_cut: bool) -> None:
    reader = FrameReader(client=client, deflates=True)
    reader.room = 0
    sent = [Sent(FIN | PING, DATA[:125]), Sent(RSV1 | TEXT, DATA[:10]), Sent(FIN, DATA[:10]), Sent(FIN | TEXT, b"")]
    assert limited(reader, b"".join(one.wire(client=client) for one in sent), is_cut) == (sent, None)


# --- what is missing


@pytest.mark.parametrize(("size", "width"), [(0, 0), (1, 0), (125, 0), (126, 2), (300, 2), (65_536, 8)])
@_ROLES
def test_what_is_missing_has_its_words_at_every_cut(client: bool, size: int, width: int) -> None:
    stream = frame(BINARY, DATA[:size], masked=not client)
    head = 2 + width + (0 if client else 4)
    for end in [*range(min(len(stream), head + 3)), len(stream) - 1]:
        expected = "failed to read masking-len and payload"
        if end < 2:
            expected = "failed to receive the first 2 bytes"
        elif end < 2 + width:
            expected = f"failed to receive the {width} byte payload length"
        for step in (end or 1, 1) if end < 400 else (end,):
            reader = FrameReader(client=client)
            for at in range(0, end, step):
                reader.receive_bytes(stream[at : at + step])
                assert reader.take_whole() is None
                part = reader.process_buffer()
                assert part is None or not part.frame_finished
            assert reader.missing == expected
            assert reader.has_unread is (end > 0)
        reader = FrameReader(client=client)
        reader.receive_bytes(frame(PONG, b"hello", masked=not client) + stream[:end])
        assert reader.take_whole() == (FIN | PONG, b"hello")
        assert reader.missing == expected
        assert reader.has_unread is (end > 0)


# --- heads of our own


@pytest.mark.parametrize(
    ("length", "head"),
    [
        (0, "82 00"),
        (1, "82 01"),
        (125, "82 7d"),
        (126, "82 7e 00 7e"),
        (65_535, "82 7e ff ff"),
        (65_536, "82 7f 00 00 00 00 00 01 00 00"),
        (2**31 - 1, "82 7f 00 00 00 00 7f ff ff ff"),
    ],
)
def test_a_head_has_the_length_in_its_shortest_form(length: int, head: str) -> None:
    plain = bytes.fromhex(head)
    assert frame_head(FIN | BINARY, length, 0) == plain
    assert frame_head(FIN | BINARY, length, 0x80) == plain[:1] + bytes((plain[1] | 0x80,)) + plain[2:]


def test_a_head_is_the_one_that_wsproto_writes() -> None:
    for length in (0, 125, 126, 65_535, 65_536):
        for client, fin in product((True, False), (True, False)):
            theirs = FrameProtocol(client, []).send_data(DATA[:length], fin)
            ours = frame_head((FIN if fin else 0) | BINARY, length, 0x80 if client else 0)
            assert theirs.startswith(ours)
            assert len(theirs) == len(ours) + length + (4 if client else 0)
