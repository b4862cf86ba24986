"""WebSockets of both roles: floods of messages, frames, pings and what inflates hold nobody else up."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import pytest

import lasa
from lasa.websocket.server import ServerWebSocket
from tests.fairness.lateness import most_held_up_s
from tests.fairness.peer import Plan, running
from tests.websocket.tools import serving

BOUND_S = 0.05
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


def frame(first: int, payload: bytes) -> bytes:
    """A frame of a client, masked by zeros."""
    size = len(payload)
    if size < 126:
        return bytes([first, 0x80 | size]) + bytes(4) + payload
    return bytes([first, 0x80 | 126]) + size.to_bytes(2, "big") + bytes(4) + payload


def deflated(data: bytes, times: int = 1) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return b"".join(packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) for _ in range(times))[:-4]


FINAL_BLOCKS = zlib.compress(b"", 9, wbits=-15) * 100 + deflated(b"x")

FLOODS: dict[str, bytes] = {
    "empty messages": frame(0x81, b""),
    "texts": frame(0x81, b"hello"),
    "larger texts": frame(0x81, "ä".encode() * 20_000),
    "pings": frame(0x89, b"hello") * 1000 + frame(0x81, b"x"),
    "pongs": frame(0x8A, b"hello"),
    "empty fragments": frame(0x01, b"") + frame(0x00, b"") * 100_000 + frame(0x80, b"x"),
    "fragments": frame(0x01, b"x") + frame(0x00, b"x") * 100_000 + frame(0x80, b"x"),
    "what inflates": frame(0xC1, deflated(b"x" * 1_000_000)),
    "small ones that inflate": frame(0xC1, deflated(b"hello")),
    "deflate's final blocks": frame(0xC2, FINAL_BLOCKS),
}


def receive_all(wb: Any) -> None:
    while wb.receive()[1] is None:
        pass


def receive_frames(wb: Any) -> None:
    while wb.recv_frame()[1] is not None:
        pass


def receive_pieces(wb: Any) -> None:
    while (pieces := wb.receive_pieces()[0]) is not None:
        for _ in pieces:
            pass


WAYS: dict[str, Callable[[Any], None]] = {"messages": receive_all, "frames": receive_frames, "pieces": receive_pieces}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", FLOODS)
def test_a_server_whose_client_sends_faster_than_it_reads(kind: str, way: str) -> None:
    def handler(wb: ServerWebSocket) -> None:
        WAYS[way](wb)

    head = (
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
    )
    with serving(handler, compression=True) as server:
        with running(Plan("client", server.address[1] or 0, head, FLOODS[kind])):
            assert most_held_up_s(lambda: lasa.sleep(100), 15) < BOUND_S
        server.stop(0)
