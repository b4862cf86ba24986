"""Play a case against a server or a client: the handshake, the frames, the end."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections import deque
from itertools import chain, groupby
from typing import Any, Final

from tests.websocket.conformance.case import (
    CLOSE,
    FRAMES,
    PING,
    WHOLE,
    Case,
    Closed,
    Deflate,
    Failed,
    Frame,
    Message,
    Pong,
    Verdict,
)
from tests.websocket.conformance.extension import Codec, Parameters, acceptable, agreement_of, answer_to, fits, parse
from tests.websocket.conformance.peer import WAIT_S, CloseFrame, End, Event, Peer, readable

__all__ = ["play_against_client", "play_against_server"]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SHOWN: Final = 60


def play_against_server(case: Case, sock: Any, host: str, path: str) -> None:
    """Be the client of a connection that has just been opened.

    Raises:
        AssertionError: the server did not keep the rule.
    """
    key = base64.b64encode(os.urandom(16))
    head = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
    head += [f"Sec-WebSocket-Key: {key.decode()}", "Sec-WebSocket-Version: 13"]
    head += [f"Sec-WebSocket-Extensions: {offer}" for offer in (case.deflate.offers if case.deflate else ())]
    sock.setblocking(False)
    sock.send(_head(head))
    status, fields, unread = _read_head(sock)
    if case.deflate and case.deflate.verdict is Verdict.MALFORMED:
        assert status.startswith("HTTP/1.1 400 "), status
        return
    assert status.startswith("HTTP/1.1 101 "), status
    assert fields.get("upgrade", "").lower() == "websocket"
    assert fields.get("connection", "").lower() == "upgrade"
    assert fields.get("sec-websocket-accept") == _accept(key)
    codec = _codec_of_client(case.deflate, fields.get("sec-websocket-extensions"))
    peer = Peer(sock, is_client=True, codec=codec, unread=unread)
    _play(case, peer)
    _end(case, peer, is_client=True)


def play_against_client(case: Case, sock: Any) -> None:
    """Be the server of a connection that has just been accepted.

    Raises:
        AssertionError: the client did not keep the rule.
    """
    sock.setblocking(False)
    request, fields, unread = _read_head(sock)
    assert re.fullmatch(r"GET /\S* HTTP/1\.1", request), request
    assert not unread, "the client did not wait for the answer to its handshake"
    assert "host" in fields
    assert fields.get("upgrade", "").lower() == "websocket"
    assert "upgrade" in fields.get("connection", "").lower()
    assert fields.get("sec-websocket-version") == "13"
    key = fields.get("sec-websocket-key", "").encode()
    assert len(base64.b64decode(key, validate=True)) == 16
    head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    head.append(f"Sec-WebSocket-Accept: {_accept(key)}")
    codec = None
    if case.deflate:
        answer, codec = _answer(case.deflate, fields.get("sec-websocket-extensions", ""))
        head.append(f"Sec-WebSocket-Extensions: {answer}")
    peer = Peer(sock, is_client=False, codec=codec)
    if case.eager:
        _play(case, peer, _head(head))
        _end(case, peer, is_client=False)
        return
    peer.send([_head(head)])
    if case.deflate is None or case.deflate.verdict is Verdict.AGREED or _goes_on(case.deflate, peer):
        _play(case, peer)
        _end(case, peer, is_client=False)


def _head(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode()


def _read_head(sock: Any) -> tuple[str, dict[str, str], bytes]:
    """Read the head of a request or answer: its first line, its fields, and what is behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        assert readable(sock.fileno()), f"no handshake within {WAIT_S} s, but {data!r}"
        chunk = sock.recv(65536)
        assert chunk, f"the handshake ended in {data!r}"
        data += chunk
    head, _, unread = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return first, fields, unread


def _accept(key: bytes) -> str:
    return base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()


def _codec_of_client(deflate: Deflate | None, answered: str | None) -> Codec | None:
    """Judge what the server answered, and return how to compress for it."""
    if deflate is None or deflate.verdict is Verdict.REFUSED:
        assert answered is None, f"the server agreed to what it must not: {answered}"
        return None
    if answered is None:
        assert deflate.verdict is Verdict.EITHER, "the server refused what it can do"
        return None
    answer = parse(answered)
    offer = next((offer for offer in acceptable(parse(", ".join(deflate.offers))) if fits(offer, answer)), None)
    assert offer is not None, f"{answered} is no answer to {deflate.offers}"
    return _codec("client", "server", offer, answer[0][1])


def _answer(deflate: Deflate, offered: str) -> tuple[str, Codec | None]:
    """Judge what the client offered, and return what to answer, and how to compress for it."""
    offers = parse(offered)
    assert acceptable(offers), f"the client offers no compression: {offered!r}"
    if deflate.verdict in (Verdict.REFUSED, Verdict.MALFORMED):
        return deflate.answer, None
    found = answer_to(offers, deflate.answer)
    assert found is not None, f"the client offers too little: {offered}"
    offer, answer = found
    return answer, _codec("server", "client", offer, parse(answer)[0][1])


def _codec(ours: str, theirs: str, offer: Parameters, answer: Parameters) -> Codec:
    return Codec(agreement_of(ours, offer, answer), agreement_of(theirs, offer, answer))


def _goes_on(deflate: Deflate, peer: Peer) -> bool:
    """Whether the client takes an answer that it may or has to refuse; if it does, it fails the connection."""
    peer.send(peer.octets_of(Frame(PING)))
    event = peer.next_event()
    if event == Pong(b""):
        assert deflate.verdict is Verdict.EITHER, "the client took an answer that it has to refuse"
        return True
    if isinstance(event, CloseFrame):
        peer.finish()
        event = peer.next_event()
    assert isinstance(event, End), f"{_shown(event)} came, though the handshake was wrong"
    return False


def _play(case: Case, peer: Peer, head: bytes = b"") -> None:
    """Send and await in turn; what is sent in a row is sent together, and cut as the case says.

    Args:
        head: goes in front of the first write.
    """
    batch = [head] if head else []
    for awaits, steps in groupby(case.steps, lambda step: isinstance(step, Message | Pong)):
        if awaits:
            _await(peer, [step for step in steps if isinstance(step, Message | Pong)])
        else:
            for step in steps:
                assert not isinstance(step, Message | Pong)
                batch += peer.octets_of(step)
            peer.send(_cut(batch, case.cut))
            batch.clear()


def _await(peer: Peer, steps: list[Message | Pong]) -> None:
    """Await messages and pongs, each kind in its order: a pong may overtake the echo of a message."""
    outstanding: dict[type, deque[Message | Pong]] = {Message: deque(), Pong: deque()}
    for step in steps:
        outstanding[type(step)].append(step)
    for _ in steps:
        event = peer.next_event()
        queue = outstanding[type(event)] if isinstance(event, Message | Pong) else None
        assert queue, f"{_shown(event)} came instead of {_shown(next(chain(*outstanding.values())))}"
        expected = queue.popleft()
        # What long messages differ in is nothing that anybody wants to see.
        is_same = event == expected
        assert is_same, f"{_shown(event)} came instead of {_shown(expected)}"


def _cut(batch: list[bytes], cut: int) -> list[bytes]:
    if cut == FRAMES:
        return list(batch)
    data = b"".join(batch)
    if cut == WHOLE:
        return [data]
    return [data[start : start + cut] for start in range(0, len(data), cut)]


def _end(case: Case, peer: Peer, *, is_client: bool) -> None:
    ending = case.ending
    if isinstance(ending, Closed | Failed):
        event = peer.next_event()
        codes = ending.codes if isinstance(ending, Failed) else (ending.code,)
        assert isinstance(event, CloseFrame), f"{_shown(event)} came instead of a close frame with {codes}"
        assert event.code in codes, f"{event} came, not {codes}"
    if not is_client or not isinstance(ending, Closed | Failed):
        peer.finish()  # a server ends TCP of its own accord, a client may wait for it
    event = peer.next_event()
    if isinstance(event, CloseFrame) and not isinstance(ending, Closed | Failed):
        event = peer.next_event()  # a farewell to nobody
    assert isinstance(event, End), f"{_shown(event)} came instead of the end"
    if isinstance(ending, Closed) and _ends_with_close(case):
        assert not event.reset, "TCP was reset, though nothing was left to read"


def _ends_with_close(case: Case) -> bool:
    sent = [
        isinstance(step, Frame) and step.opcode == CLOSE for step in case.steps if not isinstance(step, Message | Pong)
    ]
    return sent.index(True) == len(sent) - 1


def _shown(thing: Event | Message | Pong) -> str:
    shown = repr(thing)
    return shown if len(shown) <= 4 * _SHOWN else f"{shown[: 2 * _SHOWN]} … {shown[-2 * _SHOWN :]}"
