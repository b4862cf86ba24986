"""Peers that cost as much as they can: others go on meanwhile."""

from __future__ import annotations

import time

import pytest

from lasa.websocket._wire.extension import Agreement
from lasa.websocket._wire.frames import FrameReader
from lasa.websocket._wire.protocol import IN_A_ROW, NOTHING_YET, Protocol
from tests.websocket.tools import BINARY, CONTINUATION, frame, talking_client


@pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "deflate"])
def test_fragments_that_hold_nothing_are_taken_so_many_at_a_time(is_compressed: bool) -> None:
    agreement = Agreement(15, 15, False, False, 0, 6, 8)
    reader = FrameReader(client=True, deflates=is_compressed)
    protocol = Protocol(reader, agreement.inflater(is_client=True) if is_compressed else None, 1024)
    payload = b"\x00\x00\x00\xff\xff" if is_compressed else b""
    rest = frame(CONTINUATION, payload, fin=False) * (8 * IN_A_ROW)
    protocol.receive_bytes(frame(BINARY, payload, fin=False, rsv=4 if is_compressed else 0) + rest)
    events = 0
    while (event := protocol.next_event(IN_A_ROW)) is not None:
        assert event is NOTHING_YET
        events += 1
    assert events >= 4
    assert not reader.has_unread


def test_a_message_of_empty_fragments_without_end_lets_a_timeout_come() -> None:
    with talking_client() as (wb, far):
        far.send(BINARY, fin=False)
        far.wire.send(far.frame(CONTINUATION, fin=False) * 100_000)
        began_s = time.monotonic()
        assert wb.receive(0.1) == (None, "timeout")
        assert time.monotonic() - began_s < 3
        far.send(CONTINUATION, b"end")
        assert wb.receive(5) == (b"end", None)


def test_a_code_that_cannot_be_sent_leaves_the_connection_open() -> None:
    with talking_client() as (wb, _):
        with pytest.raises(ValueError, match="bad close code: 0"):
            wb.go_away(0)
        assert wb.is_open
        assert wb.closing is None
        assert wb.send(b"x")[1] is None
