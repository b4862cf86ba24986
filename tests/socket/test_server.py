"""bind() and accept(): the local address of a server, or of the next connect()."""

from __future__ import annotations

from typing import Any

import pytest

from lasa import socket, thread
from tests.helpers import nothing_left_open, raw_listener
from tests.socket.tools import (
    SHORT_MS,
    accept_while,
    connected,
    listening,
    result_of,
    spawn_blocked,
)


@pytest.mark.parametrize("ip", ["localhost", "127.0.0.1000", "127.1", "", "::g"])
def test_only_literals_can_be_bound(ip: str) -> None:
    assert socket.tcp().bind(ip) == socket.tcp().bind(ip, 80) == (None, "bad address")


def test_a_port_that_is_no_number_or_out_of_range_says_so() -> None:
    sock = socket.tcp()
    for port, word in (("x", "string"), (True, "boolean"), ({}, "table")):
        assert sock.bind("127.0.0.1", port) == (None, f"expecting port to be a number but got type: {word}")
    assert sock.bind("127.0.0.1", 65536) == (None, "bad port number: 65536")
    assert sock.bind("127.0.0.1", -1) == (None, "bad port number: -1")
    with pytest.raises(TypeError):
        sock.bind(127)  # type: ignore[arg-type]


def test_with_a_port_the_system_answers_at_once() -> None:
    with nothing_left_open(), listening() as listener:
        ip, port = listener.getsockname()
        assert ip == "127.0.0.1"
        assert 0 < port < 65536
        listener.listen()
        assert socket.tcp().bind(ip, port) == (None, "address already in use")
        assert socket.tcp().bind("192.0.2.1", 0) == (None, "cannot assign requested address")


def test_without_a_port_the_address_is_that_of_the_next_connect() -> None:
    with nothing_left_open(), raw_listener() as listener:
        sock = socket.tcp()
        assert sock.bind("127.0.0.2") == (True, None)
        assert sock.getsockname() == (None, "closed")
        assert sock.connect(*listener.getsockname()) == (1, None)
        assert sock.getsockname()[0] == "127.0.0.2"
        assert sock.close() == (1, None)
        assert sock.bind("192.0.2.1") == (True, None)
        assert sock.connect(*listener.getsockname()) == (None, "cannot assign requested address")


def test_with_a_port_the_next_connect_comes_from_there() -> None:
    with nothing_left_open(), raw_listener() as listener:
        sock = socket.tcp()
        assert sock.bind("127.0.0.1", 0) == (True, None)
        mine = sock.getsockname()
        assert sock.connect(*listener.getsockname()) == (1, None)
        assert sock.getsockname() == mine
        assert sock.close() == (1, None)


def test_accept_returns_a_connected_socket_with_default_timeouts() -> None:
    with nothing_left_open(), listening(max_line=3) as listener:
        listener.settimeout(SHORT_MS)
        near, far = accept_while(listener, lambda: connected(*listener.getsockname()))
        assert far.getreusedtimes() == (0, None)
        assert (far._connect_s, far._send_s, far._read_s) == (30, 30, 30)
        assert near.send(b"abcd\n") == (5, None)
        assert far.receive() == (None, "line too long", b"abc")  # the listener's limits are inherited
        near.close()
        far.close()


def test_accept_times_out_and_goes_on_listening() -> None:
    with nothing_left_open(), listening() as listener:
        listener.settimeout(SHORT_MS)
        assert listener.accept() == (None, "timeout")
        near = connected(*listener.getsockname())
        far, err = listener.accept()
        assert far is not None, err
        near.close()
        far.close()


def test_accept_takes_connections_in_the_order_in_which_they_came() -> None:
    with listening() as listener:
        listener.listen()
        nears = [connected(*listener.getsockname()) for _ in range(5)]
        for near in nears:
            far, err = listener.accept()
            assert far is not None, err
            assert far.getpeername() == near.getsockname()
            far.close()
            near.close()


def test_without_bind_or_after_close_accept_is_closed() -> None:
    assert socket.tcp().accept() == (None, "closed")
    with listening() as listener:
        assert listener.close() == (1, None)
        assert listener.accept() == listener.close() == (None, "closed")


def test_a_second_accept_and_close_are_busy_while_one_waits() -> None:
    with nothing_left_open(), listening() as listener:
        listener.settimeout(SHORT_MS)
        accepting = spawn_blocked(listener.accept)
        busy: tuple[Any, ...] = (None, "socket busy reading")
        assert listener.accept() == listener.close() == listener.bind("127.0.0.1", 0) == busy
        assert listener.receive() == (*busy, None)
        assert result_of(accepting) == (None, "timeout")
        assert listener.close() == (1, None)


def test_killing_an_accept_closes_the_listener() -> None:
    with nothing_left_open(), listening() as listener:
        address = listener.getsockname()
        accepting = spawn_blocked(listener.accept)
        assert thread.kill(accepting) == (1, None)
        assert listener.accept() == (None, "closed")
        assert socket.connect(*address) == (None, "connection refused")


def test_a_connection_that_is_gone_again_is_still_accepted() -> None:
    with nothing_left_open(), listening() as listener:
        listener.listen()
        near = connected(*listener.getsockname())
        assert near.send(b"bye") == (3, None)
        near.close()
        far, err = listener.accept()
        assert far is not None, err
        assert far.receive() == (None, "closed", b"bye")
        far.close()


def test_the_address_of_a_closed_server_can_be_bound_again_at_once() -> None:
    with listening() as listener:
        address = listener.getsockname()
        near, far = accept_while(listener, lambda: connected(*address))
        far.close()
        near.close()
    with listening(*address) as again:
        assert again.getsockname() == address


def test_an_accepted_socket_names_its_peer_also_when_that_has_broken_the_connection() -> None:
    with listening() as listener:
        near, far = accept_while(listener, lambda: connected(*listener.getsockname()))
        name = near.getsockname()
        far.send(b"unread")
        near.close()  # which resets, since it has not read
        assert far.receive() == (None, "connection reset by peer", b"")
        assert far.getpeername() == name
        far.close()
        assert far.getpeername() == (None, "closed")
