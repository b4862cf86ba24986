"""UDP and unix datagram sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lasa import socket, thread
from lasa.socket import UdpSocket
from tests.helpers import no_switch, nothing_left_open, settle
from tests.socket.tools import SHORT_MS, free_address, result_of, spawn_blocked


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    with nothing_left_open():
        yield


def server(ip: str = "127.0.0.1") -> UdpSocket:
    sock = socket.udp()
    assert sock.setsockname(ip, 0) == (1, None)
    return sock


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[UdpSocket, UdpSocket]]:
    """Two sockets, each the peer of the other."""
    far = server(request.param)
    near = server(request.param)
    assert near.setpeername(*far.getsockname()) == (1, None)
    assert far.setpeername(*near.getsockname()) == (1, None)
    yield near, far
    near.close()
    far.close()


Two = tuple[UdpSocket, UdpSocket]


# Datagrams


def test_send_answers_one_and_not_a_length(pair: Two) -> None:
    near, far = pair
    assert near.send(b"hello") == (1, None)
    assert far.receive() == (b"hello", None)


def test_an_empty_datagram_is_no_end(pair: Two) -> None:
    near, far = pair
    assert near.send(b"") == near.send(b"x") == (1, None)
    assert far.receive() == (b"", None)
    assert far.receive() == (b"x", None)


def test_a_datagram_is_cut_to_the_size_and_its_rest_is_lost(pair: Two) -> None:
    near, far = pair
    for word in (b"hello", b"world"):
        assert near.send(word) == (1, None)
    assert far.receive(2) == (b"he", None)
    assert far.receive("2") == (b"wo", None)


@pytest.mark.parametrize("size", [None, 8192, 9000, 10**9])
def test_no_more_than_8192_bytes_are_received(pair: Two, size: int | None) -> None:
    near, far = pair
    assert near.send(b"x" * 10_000) == (1, None)
    assert far.receive(size) == (b"x" * 8192, None)


@pytest.mark.parametrize(
    ("data", "wire"),
    [(["a", [b"b", 1], 2.5], b"ab12.5"), ("ż", "ż".encode()), (7, b"7")],
)
def test_data_is_taken_as_a_tcp_socket_takes_it_and_a_list_is_one_datagram(pair: Two, data: Any, wire: bytes) -> None:
    near, far = pair
    assert near.send(data) == (1, None)
    assert far.receive() == (wire, None)
    assert not far._is_busy


@pytest.mark.parametrize("data", [None, True, False, [None], [True], {}])
def test_what_a_tcp_socket_does_not_take_raises_and_no_datagram_leaves(pair: Two, data: Any) -> None:
    near, far = pair
    with pytest.raises(TypeError, match="bad data"):
        near.send(data)
    with pytest.raises(TypeError, match="bad data"):
        near.sendto(data, *far.getsockname())
    assert near.send(b"next") == (1, None)
    assert far.receive() == (b"next", None)


def test_a_datagram_that_is_too_long_says_so_and_harms_nothing(pair: Two) -> None:
    near, far = pair
    assert near.send(b"x" * 70_000) == (None, "message too long")
    assert near.send(b"x") == (1, None)
    assert far.receive() == (b"x", None)


@pytest.mark.parametrize("size", [True, "x", [], {}])
def test_a_size_that_is_no_number_raises(pair: Two, size: Any) -> None:
    with pytest.raises(TypeError):
        pair[0].receive(size)


def test_a_receive_waits_for_its_datagram(pair: Two) -> None:
    near, far = pair
    receiving = spawn_blocked(far.receive)
    assert near.send(b"late") == (1, None)
    assert result_of(receiving) == (b"late", None)


def test_what_has_come_already_is_received_without_a_switch(pair: Two) -> None:
    near, far = pair
    assert near.send(b"x") == (1, None)
    with no_switch():
        assert far.receive() == (b"x", None)


# Failures


def test_a_timeout_leaves_the_socket_usable(pair: Two) -> None:
    near, far = pair
    far.settimeout(SHORT_MS)
    assert far.receive() == (None, "timeout")
    assert near.send(b"x") == (1, None)
    assert far.receive() == (b"x", None)


def test_a_peer_without_a_socket_refuses_and_the_socket_stays_usable() -> None:
    sock = socket.udp()
    address = free_address()
    assert sock.setpeername(*address) == (1, None)
    for _ in range(2):
        assert sock.send(b"abc") == (1, None)
        assert sock.receive() == (None, "connection refused")
    with socket.udp() as late:
        assert late.setsockname(*address) == (1, None)
        assert sock.send(b"abc") == (1, None)
        assert late.receive() == (b"abc", None)
    assert sock.close() == (1, None)


def test_while_one_waits_every_other_call_is_busy(pair: Two) -> None:
    near, far = pair
    receiving = spawn_blocked(near.receive)
    busy = (None, "socket busy")
    with no_switch():
        assert near.send(b"x") == near.receive() == near.close() == busy
        assert near.setpeername("127.0.0.1", 1) == near.bind("127.0.0.1") == busy
        assert near.setsockname("127.0.0.1", 0) == busy
        near.settimeout(SHORT_MS)
    assert far.send(b"undisturbed") == (1, None)
    assert result_of(receiving) == (b"undisturbed", None)


def test_killing_the_one_who_waits_closes_the_socket(pair: Two) -> None:
    near, _ = pair
    receiving = spawn_blocked(near.receive)
    assert thread.kill(receiving) == (1, None)
    assert near.send(b"x") == near.receive() == near.close() == (None, "closed")


def test_without_a_peer_or_an_address_everything_is_closed() -> None:
    sock = socket.udp()
    for _ in range(2):
        assert sock.send(b"x") == sock.receive() == sock.close() == sock.getsockname() == (None, "closed")
        assert sock.setpeername("127.0.0.1", 9) == (1, None)
        assert sock.close() == (1, None)


def test_a_socket_with_an_address_only_receives_and_cannot_send() -> None:
    with server() as sock, socket.udp() as peer:
        assert sock.send(b"x") == (None, "closed")
        assert peer.setpeername(*sock.getsockname()) == (1, None)
        assert peer.send(b"x") == (1, None)
        assert sock.receive() == (b"x", None)


# Names and addresses


def test_ports_out_of_range_are_returned_and_no_numbers_raise() -> None:
    sock = socket.udp()
    assert sock.setpeername("127.0.0.1", 65536) == (None, "bad port number: 65536")
    assert sock.setpeername("127.0.0.1", -1) == sock.setsockname("127.0.0.1", -1) == (None, "bad port number: -1")
    ports: list[Any] = [None, "x", True, []]
    for port in ports:
        with pytest.raises(TypeError):
            sock.setpeername("127.0.0.1", port)
        with pytest.raises(TypeError):
            sock.setsockname("127.0.0.1", port)


def test_host_texts_and_names_fail_as_those_of_tcp() -> None:
    sock = socket.udp()
    assert sock.setpeername("", 1) == (None, 'failed to parse host name "": no host')
    assert sock.setpeername("a/b", 1) == (None, 'failed to parse host name "a/b": invalid host')
    _, err = sock.setpeername("no-such-name.invalid", 1)
    assert err is not None
    assert err.startswith("no-such-name.invalid could not be resolved (")
    assert sock.setpeername("unix:/no/such/file") == (None, "no such file or directory")
    for ip in ("localhost", "127.1", ""):
        assert sock.bind(ip) == sock.setsockname(ip, 0) == (None, "bad address")
    assert sock.close() == (None, "closed")


def test_a_name_is_looked_up() -> None:
    with server() as far, socket.udp() as near:
        assert near.setpeername("localhost", far.getsockname()[1]) == (1, None)


def test_a_new_peer_closes_the_old_socket_and_keeps_the_address() -> None:
    with server() as one, server() as two, server() as near:
        mine = near.getsockname()
        for far in (one, two):
            assert near.setpeername(*far.getsockname()) == (1, None)
            assert near.getsockname() == mine
            assert near.send(b"x") == (1, None)
            assert far.receivefrom() == (b"x", None, mine)


def test_an_address_without_a_port_waits_for_the_peer() -> None:
    with server() as far, socket.udp() as near:
        assert near.bind("127.0.0.3") == (1, None)
        assert near.getsockname() == (None, "closed")
        assert near.setpeername(*far.getsockname()) == (1, None)
        assert near.getsockname()[0] == "127.0.0.3"


def test_an_address_that_is_taken_or_not_ours_says_so() -> None:
    with server() as sock:
        other = socket.udp()
        assert other.setsockname(*sock.getsockname()) == (None, "address already in use")
        assert other.setsockname("192.0.2.1", 0) == (None, "cannot assign requested address")
        assert other.bind("192.0.2.1") == (1, None)
        assert other.setpeername(*sock.getsockname()) == (None, "cannot assign requested address")
        assert other.close() == (None, "closed")


def test_timeouts_never_raise() -> None:
    sock = socket.udp()
    values: list[Any] = [0, -1, None, "x", 2**31, float("inf"), 1]
    for value in values:
        assert sock.settimeout(value) is None  # type: ignore[func-returns-value]


# Beyond the seed


def test_a_server_answers_each_client_at_its_address() -> None:
    with server() as far, socket.udp() as one, socket.udp() as two:
        for sock, word in ((one, b"1"), (two, b"2")):
            assert sock.sendto(word, *far.getsockname()) == (1, None)
        for sock, word in ((one, b"1"), (two, b"2")):
            data, err, address = far.receivefrom()
            assert (data, err) == (word, None)
            assert address is not None
            assert far.sendto([data, "!"], *address) == (1, None)
            assert sock.receivefrom() == (word + b"!", None, far.getsockname())


def test_sending_to_somebody_may_go_on_beside_a_waiting_receive() -> None:
    with server() as far, server() as near:
        receiving = spawn_blocked(near.receivefrom)
        assert near.sendto(b"ping", *far.getsockname()) == (1, None)
        data, _, address = far.receivefrom()
        assert data == b"ping"
        assert address is not None
        assert far.sendto(b"pong", *address) == (1, None)
        assert result_of(receiving) == (b"pong", None, far.getsockname())


def test_an_address_of_the_other_family_is_refused_in_words() -> None:
    with server() as sock:
        refused = (None, "address family not supported by protocol")
        assert sock.sendto(b"x", "::1", 9) == refused
        assert sock.setpeername("::1", 9) in (refused, (None, "cannot assign requested address"))
        assert sock.sendto(b"x", "unix:/tmp/x") == refused


def test_receivefrom_cuts_nothing_by_default() -> None:
    with server() as far, socket.udp() as near:
        assert near.sendto(b"x" * 60_000, *far.getsockname()) == (1, None)
        assert far.receivefrom()[0] == b"x" * 60_000
        assert near.sendto(b"abc", *far.getsockname()) == (1, None)
        assert far.receivefrom(2)[0] == b"ab"


# Unix datagrams


def test_unix_datagrams_go_both_ways_because_a_socket_without_a_name_gets_one(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/far.sock"
    with socket.udp() as far, socket.udp() as near:
        assert far.setsockname(path) == (1, None)
        assert far.getsockname() == (path, None)
        assert near.setpeername(path) == (1, None)
        assert near.send(b"ping") == (1, None)
        data, _, address = far.receivefrom()
        assert data == b"ping"
        assert address is not None
        assert far.sendto(b"pong", *address) == (1, None)
        assert near.receive() == (b"pong", None)


def test_a_unix_datagram_to_nobody_is_refused(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/far.sock"
    assert socket.udp().setpeername(path) == (None, "no such file or directory")
    far = socket.udp()
    assert far.setsockname(path) == (1, None)
    with socket.udp() as near:
        assert near.setpeername(path) == (1, None)
        assert far.close() == (1, None)
        assert near.send(b"x") == (None, "connection refused")


def test_a_unix_peer_that_does_not_read_is_waited_for(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/far.sock"
    with socket.udp() as far, socket.udp() as near:
        assert far.setsockname(path) == (1, None)
        assert near.setpeername(path) == (1, None)
        near.settimeout(SHORT_MS)
        sent = 0
        while near.send(b"x") == (1, None):
            sent += 1
        assert near.send(b"x") == (None, "timeout")
        near.settimeout(5000)
        sending = spawn_blocked(near.send, b"last")
        assert near.send(b"x") == near.sendto(b"x", path) == near.close() == (None, "socket busy")
        for _ in range(sent):
            assert far.receive() == (b"x", None)
        assert result_of(sending) == (1, None)
        assert far.receive() == (b"last", None)


# The end


def test_an_open_socket_that_nobody_holds_closes_itself_and_warns() -> None:
    sock = server()
    with pytest.warns(ResourceWarning, match="unclosed <lasa udp socket open"):
        del sock
    settle()
