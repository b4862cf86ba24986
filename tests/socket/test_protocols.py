"""The doors for drivers of protocols: bytes given back, a connection given away and adopted, TLS inside TLS."""

from __future__ import annotations

import ssl

import pytest

from lasa import SocketError, socket, thread
from lasa._hub import Deadline
from lasa.socket import TcpSocket
from tests.conftest import Certificates
from tests.helpers import cosocket_pair, no_switch, nothing_left_open, wait_for_bytes
from tests.socket.tools import begin_tls, connected, listening, result_of, spawn_blocked, tcp_pair


def test_bytes_pushed_back_are_read_first() -> None:
    with cosocket_pair() as (sock, peer):
        peer.sendall(b"later\n")
        wait_for_bytes(sock)
        with no_switch():
            sock.push_back(b"first\nand ")
            assert sock.receive() == (b"first", None, None)
        assert sock.receive() == (b"and later", None, None)


def test_bytes_pushed_back_go_before_what_was_unread() -> None:
    with cosocket_pair() as (sock, peer):
        peer.sendall(b"abcdef")
        assert sock.receive(2) == (b"ab", None, None)
        sock.push_back(b"AB")
        assert sock.receive(6) == (b"ABcdef", None, None)


def test_pushing_nothing_back_changes_nothing() -> None:
    with cosocket_pair() as (sock, peer):
        sock.push_back(b"")
        assert not sock.peek()
        peer.sendall(b"x")
        assert sock.receive(1) == (b"x", None, None)


def test_a_connection_given_away_lives_on_in_the_socket_that_adopts_it() -> None:
    with nothing_left_open(), cosocket_pair() as (sock, peer):
        connection = sock.give_away()
        assert sock.send(b"x") == (None, "closed")
        assert sock.receive() == (None, "closed", None)
        heir = TcpSocket()
        heir.adopt(connection, b"read ahead\n")
        assert heir.receive() == (b"read ahead", None, None)
        assert heir.send(b"hello") == (5, None)
        assert peer.recv_exactly(5) == b"hello"
        assert heir.close() == (1, None)


def test_a_connection_with_unread_bytes_or_a_reader_is_not_given_away() -> None:
    with cosocket_pair() as (sock, peer):
        peer.sendall(b"ab")
        assert sock.receive(1) == (b"a", None, None)
        with pytest.raises(SocketError, match="unread data in buffer"):
            sock.give_away()
        assert sock.receive(1) == (b"b", None, None)
        reader = spawn_blocked(sock.receive, 1)
        with pytest.raises(SocketError, match="socket busy reading"):
            sock.give_away()
        peer.sendall(b"c")
        assert result_of(reader) == (b"c", None, None)
    with pytest.raises(SocketError, match="closed"):
        socket.tcp().give_away()


def test_limit_waits_sets_each_wait_on_its_own() -> None:
    with cosocket_pair() as (sock, _):
        sock.limit_waits(read_s=0.01)
        assert sock.receive() == (None, "timeout", b"")
        sock.limit_waits(send_s=1.0, connect_s=1.0)
        assert sock.receive() == (None, "timeout", b"")


def test_the_wait_for_a_place_in_a_pool_has_a_limit_of_its_own() -> None:
    with listening() as listener:
        listener.listen()
        host, port = listener.getsockname()
        with connected(host, port, pool="one place", pool_size=1, backlog=5), socket.tcp() as second:
            second.limit_waits(queue_s=0.02, connect_s=60.0)
            assert second.connect(host, port, pool="one place", pool_size=1, backlog=5) == (None, "timeout")


def test_tls_runs_inside_tls(certificates: Certificates) -> None:
    with tcp_pair() as pair:
        begin_tls(pair, certificates)
        outer = pair.near.tls
        accepting = thread.spawn(_accept_inside, pair.far, certificates)
        assert pair.near.sslhandshake(False, "inner.example", ca=certificates.ca) == (True, None)
        assert pair.near.tls is outer  # without nested it answers that TLS is there already
        done, err = pair.near.sslhandshake(False, "inner.example", ca=certificates.ca, nested=True)
        assert (done, err) == (True, None)
        assert pair.near.tls is not outer
        pair.near.send(b"ping\n")
        assert result_of(accepting) == (b"ping", None, None)


def _accept_inside(sock: TcpSocket, certificates: Certificates) -> tuple[bytes | None, str | None, bytes | None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.issue("inner.example"))
    sock._begin_tls(sock._ready_for_tls(), context, Deadline(5.0))
    return sock.receive()


def test_a_stream_that_ends_without_the_goodbye_of_tls_was_cut(certificates: Certificates) -> None:
    with tcp_pair() as pair:
        assert not pair.near.was_cut
        begin_tls(pair, certificates)
        pair.far.close()
        assert pair.near.receive(1) == (None, "closed", b"")
        assert pair.near.was_cut
