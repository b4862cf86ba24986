"""What is logged when a client ends its connection otherwise than it should: no failure of the handler."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

import lasa
from lasa import websocket
from lasa.websocket import Closing
from lasa.websocket.client import ClientWebSocket
from lasa.websocket.server import ServerWebSocket
from tests.websocket.tools import CLOSE, TEXT, frame, raw_connection, request, serving


def loop(wb: ServerWebSocket) -> None:
    for _ in wb:
        raise AssertionError("no message was sent")


def ask_for_exceptions(wb: ServerWebSocket) -> None:
    lasa.check(wb.receive())


def read_in_pieces(wb: ServerWebSocket) -> None:
    for _ in lasa.check(wb.receive_pieces()):
        pass


def go_away(wb: ClientWebSocket) -> None:
    wb.abort()


def break_a_rule(wb: ClientWebSocket) -> None:
    wb.send_frame(True, 3)
    assert wb.recv_frame() == (b"reserved non-control frames", "close", 1002)
    wb.abort()


def break_off_a_message(wb: ClientWebSocket) -> None:
    wb.send_frame(False, 1, "half a mess")
    wb.abort()


def close_in_an_unusual_way(wb: ClientWebSocket) -> None:
    wb.close(4000, "so there")


@pytest.mark.parametrize("handler", [loop, ask_for_exceptions, read_in_pieces])
@pytest.mark.parametrize("end", [go_away, break_a_rule, break_off_a_message, close_in_an_unusual_way])
def test_a_client_that_ends_its_connection_is_no_failure_of_the_handler(
    handler: Callable[[ServerWebSocket], Any], end: Callable[[ClientWebSocket], Any], caplog: pytest.LogCaptureFixture
) -> None:
    over, _ = lasa.semaphore.new(0)
    raised: list[lasa.Error] = []

    def noting(wb: ServerWebSocket) -> None:
        try:
            handler(wb)
        except lasa.Error as error:
            raised.append(error)
            raise
        finally:
            over.post()

    with serving(noting) as server:
        wb, _ = websocket.client.new()
        assert wb.connect(server.url, proxy=False) == (1, None)
        end(wb)
        assert over.wait(10)[0]
        wb.abort()
    assert len(raised) == 1
    assert [record.message for record in caplog.records if record.levelno >= logging.INFO] == []


@pytest.mark.parametrize("is_quiet", [False, True])
def test_a_broken_rule_right_behind_a_message_is_known_as_soon_as_the_loop_is_over(
    is_quiet: bool, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[object] = []
    over, _ = lasa.semaphore.new(0)

    def handler(wb: ServerWebSocket) -> None:
        wb.ends_quietly = is_quiet
        try:
            seen.extend(wb)
        except lasa.Error:
            assert not is_quiet
            raise
        finally:
            seen.extend((wb.closing, wb.request.path))
            over.post()

    with serving(handler) as server, raw_connection(server) as wire:
        wire.send(request())
        wire.head()
        wire.send(frame(TEXT, b"one", masked=True) + frame(15, b"", masked=True))
        wire.rest()
        wire.close()
        assert over.wait(10)[0]
    assert seen == ["one", Closing(1002, "reserved control frames", "us"), "/"]
    assert [record.message for record in caplog.records if record.levelno >= logging.INFO] == []


def test_a_close_right_behind_a_message_is_answered_after_the_echo_and_received_when_all_is_over() -> None:
    seen: list[object] = []
    over, _ = lasa.semaphore.new(0)

    def handler(wb: ServerWebSocket) -> None:
        for message in wb:
            wb.send(message)
        seen.extend((wb.closing, wb.request.path))
        over.post()

    data = frame(TEXT, b"one", masked=True) + frame(TEXT, b"two", masked=True) + frame(CLOSE, b"\x03\xe8", masked=True)
    with serving(handler) as server, raw_connection(server) as wire:
        wire.send(request())
        wire.head()
        wire.send(data)
        assert wire.exactly(14) == frame(TEXT, b"one") + frame(TEXT, b"two") + frame(CLOSE, b"\x03\xe8")
        assert wire.rest() == b""
        wire.close()
        assert over.wait(10)[0]
    assert seen == [Closing(1000, "", "peer"), "/"]


def test_an_error_of_the_handlers_own_sockets_is_logged_while_its_client_is_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def handler(wb: ServerWebSocket) -> None:
        raise lasa.SocketClosed

    with serving(handler) as server:
        wb, err = websocket.client.connect(server.url, proxy=False)
        assert wb is not None, err
        assert wb.receive(10) == (None, "closed")
        assert wb.closing is not None
        assert wb.closing.code == 1011
    assert [record.message for record in caplog.records] == ["handler failed: GET '/'"]
