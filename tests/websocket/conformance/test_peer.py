"""The judge is strict: what is not right to the last bit is not taken, and what is right is."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import original_socket_class, raw_listener
from tests.websocket.conformance.case import (
    BINARY,
    CLOSE,
    TEXT,
    Fragments,
    Frame,
    Message,
    Pong,
    binary,
    close,
    more,
    ping,
    pong,
    text,
)
from tests.websocket.conformance.extension import Agreement, Codec, acceptable, answer_to, fits, parse
from tests.websocket.conformance.peer import CloseFrame, End, Peer, masked

FULL = Agreement(15, keeps_context=True)


@dataclass
class Pair:
    """A peer that plays the server, and one that plays the client and may send it what it should not."""

    server: Peer
    client: Peer

    def say(self, *steps: Frame | Fragments | bytes) -> None:
        """Let the client send, and end TCP."""
        self.client.send([octets for step in steps for octets in self.client.octets_of(step)])
        self.client.finish()


@pytest.fixture
def sockets() -> Iterator[tuple[Any, Any]]:
    with raw_listener() as listener, original_socket_class()() as ours:
        ours.connect(listener.getsockname())
        theirs, _ = listener.accept()
        with theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            yield ours, theirs


@pytest.fixture
def pair(sockets: tuple[Any, Any]) -> Pair:
    return Pair(Peer(sockets[0], is_client=False), Peer(sockets[1], is_client=True))


@pytest.fixture
def deflating(sockets: tuple[Any, Any]) -> Pair:
    server, client = (Codec(FULL, FULL) for _ in range(2))
    return Pair(Peer(sockets[0], is_client=False, codec=server), Peer(sockets[1], is_client=True, codec=client))


def test_the_judge_takes_what_is_right(pair: Pair) -> None:
    large = bytes(range(256)) * 400
    pair.say(
        *(text("Zoë", fin=False), pong(b"?"), more("!"), Fragments(BINARY, large, 1000), binary(large)),
        *(Frame(TEXT), close(1000, "bye")),
    )
    found = [pair.server.next_event() for _ in range(7)]
    assert found == [
        *(Pong(b"?"), Message(TEXT, "Zoë!".encode()), Message(BINARY, large), Message(BINARY, large)),
        *(Message(TEXT, b""), CloseFrame(1000, "bye"), End(reset=False)),
    ]


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        ([Frame(TEXT, b"x", wrong_mask=True)], "masking"),
        ([Frame(TEXT, b"x", width=2)], "longer than it need be"),
        ([Frame(TEXT, b"x", width=8)], "longer than it need be"),
        ([Frame(TEXT, announced=1 << 63)], "top bit"),
        ([text("x", rsv=1)], "reserved bits 1"),
        ([text("x", rsv=2)], "reserved bits 2"),
        ([text("x", rsv=4)], "reserved bits 4"),
        ([text("x", fin=False), more("y", rsv=4)], "continuation with reserved bits"),
        ([pong(rsv=4)], "control frame with reserved bits"),
        ([more("x")], "without a first"),
        ([text("x", fin=False), text("y")], "in a fragmented one"),
        ([Frame(3)], "opcode 3"),
        ([Frame(11)], "opcode 11"),
        ([ping()], "a ping came"),
        ([pong(fin=False)], "in fragments"),
        ([pong(bytes(126))], "long control frame"),
        ([close(), text("x")], "behind the close frame"),
        ([close(), close()], "behind the close frame"),
        ([close(1005)], "03 ed"),
        ([close(999)], "03 e7"),
        ([Frame(CLOSE, b"\x03")], "close frame with 03"),
        ([close(1000, b"\xff")], "reason that is not UTF-8"),
        ([b"\x81"], "ended in a frame"),
        ([Frame(TEXT, b"half", announced=8)], "ended in a frame"),
    ],
)
def test_the_judge_does_not_take_what_is_wrong(pair: Pair, frames: list[Frame | bytes], complaint: str) -> None:
    pair.say(*frames)
    with pytest.raises(AssertionError, match=complaint):
        _read_to_the_end(pair.server)


def _read_to_the_end(peer: Peer) -> None:
    while not isinstance(peer.next_event(), End):
        continue


@given(st.binary(max_size=40), st.binary(min_size=4, max_size=4))
def test_masking_is_an_exclusive_or_by_turns(data: bytes, key: bytes) -> None:
    assert masked(data, key) == bytes(octet ^ key[index % 4] for index, octet in enumerate(data))


def test_the_judge_takes_compressed_messages(deflating: Pair) -> None:
    payload = b"again and again" * 100
    deflating.say(*[Fragments(TEXT, payload, size, deflated=True) for size in (0, 7)], text("plain"), close())
    found = [deflating.server.next_event() for _ in range(3)]
    assert found == [Message(TEXT, payload), Message(TEXT, payload), Message(TEXT, b"plain")]


def test_the_judge_does_not_take_what_is_compressed_wrongly(deflating: Pair) -> None:
    deflating.say(text(b"\xff\xff", rsv=4))
    with pytest.raises(AssertionError, match="compressed"):
        deflating.server.next_event()


@pytest.mark.parametrize("bits", [8, 9, 12, 15])
@pytest.mark.parametrize("keeps_context", [True, False])
def test_what_is_compressed_as_agreed_on_comes_back(bits: int, keeps_context: bool) -> None:
    payload = random.Random(1).randbytes(2000) * 20
    agreed = Agreement(bits, keeps_context)
    sender, receiver = Codec(agreed, FULL), Codec(FULL, agreed)
    for _ in range(3):
        assert receiver.inflate(sender.deflate(payload)) == payload


@pytest.mark.parametrize("bits", [8, 9, 10])
def test_a_reference_beyond_the_window_is_found(bits: int) -> None:
    payload = random.Random(1).randbytes(2000) * 2
    with pytest.raises(zlib.error, match="too far back"):
        Codec(FULL, Agreement(bits, keeps_context=True)).inflate(Codec(FULL, FULL).deflate(payload))


def test_a_reference_to_the_message_before_is_found() -> None:
    sender, receiver = Codec(FULL, FULL), Codec(FULL, Agreement(15, keeps_context=False))
    payload = random.Random(1).randbytes(200)
    assert receiver.inflate(sender.deflate(payload)) == payload
    with pytest.raises(zlib.error, match="too far back"):
        receiver.inflate(sender.deflate(payload))


@pytest.mark.parametrize(
    ("offer", "answer", "is_right"),
    [
        ("", "", True),
        ("", "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9", True),
        ("", "; client_max_window_bits=9", False),
        ("; client_max_window_bits", "; client_max_window_bits=9", True),
        ("; client_max_window_bits", "; client_max_window_bits", False),
        ("; client_max_window_bits=10", "; client_max_window_bits=11", False),
        ("; client_max_window_bits=10", "", True),
        ("; server_no_context_takeover", "", False),
        ("; client_no_context_takeover", "", True),
        ("; server_max_window_bits=10", "", False),
        ("; server_max_window_bits=10", "; server_max_window_bits=11", False),
        ("; server_max_window_bits=10", "; server_max_window_bits=9", True),
        ("", "; server_max_window_bits=16", False),
        ("", "; unknown", False),
        ("", ", permessage-deflate", False),
    ],
)
def test_an_answer_has_to_fit_the_offer(offer: str, answer: str, is_right: bool) -> None:
    name = "permessage-deflate"
    (asked,) = acceptable(parse(name + offer))
    assert fits(asked, parse(name + answer)) is is_right


def test_the_answer_to_a_client_fits_one_of_its_offers() -> None:
    offers = parse("permessage-deflate; server_max_window_bits=12, permessage-deflate; client_max_window_bits")
    plain, window = "permessage-deflate", "permessage-deflate; client_max_window_bits=15"
    assert answer_to(offers, plain) == (offers[1][1], plain)
    assert answer_to(offers, window) == (offers[1][1], window)
    assert answer_to(offers[:1], plain) == (offers[0][1], "permessage-deflate; server_max_window_bits=12")
    assert answer_to(offers[:1], window) is None
