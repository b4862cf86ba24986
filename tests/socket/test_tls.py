"""sslhandshake() and sslaccept(): who is trusted, how a handshake fails, and what goes through it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from gevent import monkey

import lasa
from lasa import socket, thread
from lasa.socket import TcpSocket
from tests.conftest import Certificates
from tests.helpers import Peer, cosocket_pair, nothing_left_open, settle
from tests.socket.tools import (
    FLOOD,
    SHORT_MS,
    Pair,
    begin_tls,
    open_pair,
    result_of,
    shrink_buffers,
    spawn_blocked,
    tcp_pair,
)


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_open(certificates: Certificates) -> Iterator[None]:
    with nothing_left_open():
        yield


@pytest.fixture
def pair() -> Iterator[Pair]:
    with tcp_pair() as connection:
        yield connection


@pytest.fixture
def tls(tmp_path: Path, certificates: Certificates) -> Iterator[Pair]:
    with open_pair("tls", tmp_path, certificates) as connection:
        yield connection


def shake(pair: Pair, server: dict[str, Any], *client: Any, **options: Any) -> tuple[Any, Any]:
    """Shake hands; returns what each end got, the client's first."""
    accepting = thread.spawn(lambda: pair.far.sslaccept(**server))
    outcome = pair.near.sslhandshake(*client, **options)
    return outcome, result_of(accepting)


# Who is trusted


def test_by_default_the_peer_is_verified_against_the_host_given_to_connect(certificates: Certificates) -> None:
    for names, expected in (("127.0.0.1",), None), (("localhost",), "certificate host mismatch"):
        with tcp_pair() as pair:
            (session, err), _ = shake(pair, {"certificate": certificates.issue(*names)}, ca=certificates.ca)
            assert err == expected
            assert (session is None) == (expected is not None)


def test_an_unknown_authority_is_told_with_its_number(pair: Pair, certificates: Certificates) -> None:
    (session, err), (_, server_err) = shake(pair, {"certificate": certificates.issue("localhost")}, None, "localhost")
    assert session is None
    assert err is not None
    assert err.startswith(("20: ", "19: ", "21: "))
    assert server_err == "handshake failed: tlsv1 alert unknown ca"
    assert pair.near.send(b"x") == pair.near.close() == (None, "closed")
    assert pair.far.close() == (None, "closed")


def test_a_self_signed_certificate_is_number_18(pair: Pair, tmp_path: Path) -> None:
    (session, err), _ = shake(pair, {"certificate": self_signed(tmp_path)}, None, "localhost")
    assert session is None
    assert err in ("18: self-signed certificate", "18: self signed certificate")


def self_signed(folder: Path) -> str:
    authority = trustme.CA()  # its own certificate is signed by itself
    path = folder / "self.pem"
    authority.private_key_pem.write_to_path(str(path))
    authority.cert_pem.write_to_path(str(path), append=True)
    return str(path)


def test_without_verification_anybody_will_do(pair: Pair, tmp_path: Path) -> None:
    (session, err), accepted = shake(pair, {"certificate": self_signed(tmp_path)}, False, None, False)
    assert (session, err, accepted) == (True, None, (True, None))
    assert pair.near.send(b"x") == (1, None)
    assert pair.far.receive(1) == (b"x", None, None)


def test_another_name_than_the_certificates_is_a_mismatch(pair: Pair, certificates: Certificates) -> None:
    server = {"certificate": certificates.issue("localhost")}
    assert shake(pair, server, None, "example.org", ca=certificates.ca)[0] == (None, "certificate host mismatch")


def test_the_authority_may_be_text(pair: Pair, certificates: Certificates) -> None:
    text = Path(certificates.ca).read_bytes()
    server = {"certificate": certificates.issue("localhost")}
    assert shake(pair, server, False, "localhost", ca=text)[0] == (True, None)


def test_the_name_is_sent_to_the_server_only_where_it_is_known(certificates: Certificates) -> None:
    for client, seen in (((False, "localhost", False), "localhost"), ((False, None, False), None)):
        # gevent's own context, which stands in after monkey.patch_all(), calls back for its sockets only.
        context = monkey.get_original("ssl", "SSLContext")(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.issue("localhost"))
        names: list[str | None] = []
        context.sni_callback = lambda _, name, __, names=names: names.append(name)
        with tcp_pair() as pair:
            assert shake(pair, {"context": context}, *client)[0] == (True, None)
        assert names == [seen]


# Certificates of clients


def test_a_server_that_wants_a_certificate_gets_it(pair: Pair, certificates: Certificates) -> None:
    mine = certificates.issue("client.example")
    assert pair.near.setclientcert(mine, mine) == (True, None)
    server = {"certificate": certificates.issue("localhost"), "ca": certificates.ca}
    assert shake(pair, server, False, "localhost", ca=certificates.ca) == ((True, None), (True, None))
    assert pair.far.tls is not None
    shown = pair.far.tls.getpeercert()
    assert shown is not None
    assert shown["subjectAltName"] == (("DNS", "client.example"),)


def test_a_server_that_wants_a_certificate_refuses_who_has_none(pair: Pair, certificates: Certificates) -> None:
    mine = certificates.issue("client.example")
    assert pair.near.setclientcert(mine, mine) == pair.near.setclientcert(None, None) == (True, None)
    server = {"certificate": certificates.issue("localhost"), "ca": certificates.ca}
    client, accepted = shake(pair, server, False, "localhost", ca=certificates.ca)
    assert accepted == (None, "handshake failed: peer did not return a certificate")
    if client == (True, None):  # TLS 1.3: the client learns of it when it reads
        data, err, _ = pair.near.receive()
        assert data is None
        assert err not in (None, "closed", "timeout")


def test_a_certificate_without_its_key_is_refused(tmp_path: Path, certificates: Certificates) -> None:
    missing = (None, "client certificate must be supplied with corresponding private key")
    mine = certificates.issue("client.example")
    assert socket.tcp().setclientcert(mine, None) == socket.tcp().setclientcert(None, mine) == missing
    with pytest.raises(ValueError, match="bad client certificate"):
        socket.tcp().setclientcert(mine, self_signed(tmp_path))
    with pytest.raises(ValueError, match="bad client certificate"):
        socket.tcp().setclientcert("/no/such/file", "/no/such/file")


def test_files_that_cannot_be_read_raise_and_the_connection_stays(pair: Pair) -> None:
    with pytest.raises(ValueError, match="bad certificate or authorities"):
        pair.near.sslhandshake(ca="/no/such/file")
    with pytest.raises((ValueError, OSError)):
        pair.far.sslaccept("/no/such/file")
    with pytest.raises(TypeError):
        pair.far.sslaccept()
    assert pair.near.send(b"x") == (1, None)


# Sessions


def test_a_handshake_returns_a_session_or_true(certificates: Certificates) -> None:
    with tcp_pair() as pair:
        session = begin_tls(pair, certificates)
        assert session is None or isinstance(session, ssl.SSLSession)
        assert pair.near.sslhandshake(False) == (True, None)
    with tcp_pair() as pair:
        server = {"certificate": certificates.issue("localhost")}
        assert shake(pair, server, False, "localhost", ca=certificates.ca)[0] == (True, None)


def test_a_second_handshake_on_the_same_connection_is_done_at_once(tls: Pair) -> None:
    session, err = tls.near.sslhandshake(None, "another.name")
    assert err is None
    assert tls.near.sslhandshake(session)[0] is session
    assert tls.near.tlshandshake({"reused_session": False}) == (True, None)


def test_a_session_is_resumed(certificates: Certificates) -> None:
    context = ssl.create_default_context(cafile=certificates.ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # its session is complete with the handshake
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificates.issue("localhost"))
    session = None
    for times in range(2):
        with tcp_pair() as pair:
            (session, err), _ = shake(pair, {"context": server}, session, "localhost", context=context)
            assert err is None
            assert pair.near.tls is not None
            assert pair.near.tls.session_reused == (times == 1)


def test_a_session_of_tls_1_3_is_resumed_once_its_ticket_has_come(certificates: Certificates) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificates.issue("localhost"))
    session = None
    for times in range(2):
        with tcp_pair() as pair:
            outcome, _ = shake(pair, {"context": server}, session, "localhost", ca=certificates.ca)
            assert outcome[1] is None
            assert pair.far.send(b"x") == (1, None)
            assert pair.near.receive(1) == (b"x", None, None)
            assert pair.near.tls is not None
            assert pair.near.tls.session_reused == (times == 1)
            session = pair.near.tls.session


def test_what_is_no_session_raises(pair: Pair) -> None:
    for wrong in ("session", 7, object()):
        with pytest.raises(TypeError):
            pair.near.sslhandshake(wrong)
    assert pair.near.send(b"x") == (1, None)


# Handshakes that fail


def test_a_plain_server_fails_the_handshake() -> None:
    with cosocket_pair() as (sock, peer):
        peer.sendall(b"220 plain text\r\n")
        assert sock.sslhandshake() == (None, "handshake failed: wrong version number")
        assert sock.send(b"x") == sock.close() == sock.sslhandshake() == (None, "closed")


def test_a_plain_client_fails_the_handshake(pair: Pair, certificates: Certificates) -> None:
    assert pair.near.send(b"GET / HTTP/1.0\r\n\r\n") == (18, None)
    assert pair.far.sslaccept(certificates.issue("localhost")) == (None, "handshake failed: http request")
    assert pair.far.close() == (None, "closed")


@pytest.mark.parametrize(("end", "word"), [(Peer.finish, "closed"), (Peer.reset, "connection reset by peer")])
def test_a_peer_that_goes_away_fails_the_handshake(end: Any, word: str) -> None:
    with cosocket_pair() as (sock, peer):
        shaking = spawn_blocked(lambda: sock.sslhandshake())
        end(peer)
        assert result_of(shaking) == (None, f"handshake failed: {word}")
        assert sock.close() == (None, "closed")


def test_a_silent_peer_is_a_timeout_of_the_connect_timeout() -> None:
    with cosocket_pair() as (sock, _):
        sock.settimeouts(SHORT_MS, 60_000, 60_000)
        assert sock.sslhandshake() == (None, "timeout")
        assert sock.close() == (None, "closed")


def test_a_dripping_peer_gets_no_more_than_the_connect_timeout_in_all() -> None:
    with cosocket_pair() as (sock, peer):
        sock.settimeout(150)
        started_s = time.monotonic()
        shaking = thread.spawn(lambda: sock.sslhandshake())
        record = b"\x16\x03\x03\x10\x00" + bytes(64)  # the beginning of a long record
        for byte in record:
            if thread.status(shaking) != "running":
                break
            peer.sendall(bytes([byte]))
            lasa.sleep(0.02)
        assert result_of(shaking) == (None, "timeout")
        assert time.monotonic() - started_s < 0.5


def test_while_shaking_hands_every_call_is_busy(pair: Pair) -> None:
    near = pair.near
    shaking = spawn_blocked(lambda: near.sslhandshake())
    busy = "socket busy connecting"
    assert near.receive() == near.receiveany(1) == near.receiveuntil("x")() == (None, busy, None)
    assert near.send(b"x") == near.close() == near.setkeepalive() == near.sslhandshake() == (None, busy)
    assert near.connect("127.0.0.1", 1) == (None, busy)
    assert near.getreusedtimes() == (0, None)
    assert not near.peek()
    assert thread.kill(shaking) == (1, None)
    assert near.close() == (None, "closed")


# What goes through


def test_tls_may_begin_after_plain_text_and_takes_over_what_was_read_ahead(
    pair: Pair, certificates: Certificates
) -> None:
    near, far = pair
    hello = thread.spawn(near.receive)
    assert far.send(b"220 ready\r\n") == (11, None)
    assert result_of(hello) == (b"220 ready", None, None)
    assert near.send(b"STARTTLS\r\n") == (10, None)
    shaking = thread.spawn(lambda: near.sslhandshake(False, "localhost", ca=certificates.ca))  # its hello comes along
    settle()
    assert far.receive() == (b"STARTTLS", None, None)
    assert far.sslaccept(certificates.issue("localhost")) == (True, None)
    assert result_of(shaking) == (True, None)
    assert far.send(b"secret\n") == (7, None)
    assert near.receive() == (b"secret", None, None)


def test_plain_text_behind_the_go_ahead_is_never_taken_for_decrypted_data(
    pair: Pair, certificates: Certificates
) -> None:
    assert pair.far.send(b"go ahead\r\ninjected\r\n") == (20, None)
    assert pair.near.receive() == (b"go ahead", None, None)
    outcome, _ = shake(pair, {"certificate": certificates.issue("localhost")}, False, "localhost", ca=certificates.ca)
    assert outcome == (None, "handshake failed: wrong version number")
    assert pair.near.receive() == (None, "closed", None)


def test_tls_goes_through_a_light_thread_in_the_middle_to_a_second_tls(tls: Pair, certificates: Certificates) -> None:
    # Through a proxy that speaks TLS itself: the outer stream carries the records of the inner one.
    with tcp_pair() as inner:
        relays = [thread.spawn(relay, tls.far, inner.near), thread.spawn(relay, inner.near, tls.far)]
        accepting = thread.spawn(inner.far.sslaccept, certificates.issue("127.0.0.1"))
        outer_stream = tls.near._connection
        assert outer_stream is not None
        from lasa._stream.identity import client_context
        from lasa._stream.tls import TlsStream

        context = client_context(True, certificates.ca, None)
        double = TlsStream(outer_stream.stream, context, server_side=False, server_name="127.0.0.1")
        double.handshake(5.0)
        assert result_of(accepting) == (True, None)
        double.send(FLOOD, 5.0)
        assert inner.far.receive(len(FLOOD)) == (FLOOD, None, None)
        assert inner.far.send(b"back") == (4, None)
        assert double.recv(100, 5.0, False) == b"back"
        for worker in relays:
            thread.kill(worker)


def relay(source: TcpSocket, target: TcpSocket) -> None:
    while (data := source.receiveany(65536)[0]) is not None:
        target.send(data)


def test_a_megabyte_each_way_at_once_arrives_unchanged(tls: Pair) -> None:
    shrink_buffers(tls)
    data = FLOOD * 4
    senders = [thread.spawn(sock.send, data) for sock in tls]
    readers = [thread.spawn(sock.receive, len(data)) for sock in tls]
    for reader in readers:
        assert result_of(reader) == (data, None, None)
    for sender in senders:
        assert result_of(sender) == (len(data), None)


def test_a_stream_cut_in_the_middle_of_a_record_ends_with_what_was_whole(tls: Pair) -> None:
    near, far = tls
    assert far.send(b"whole") == (5, None)
    link = far._connection.link  # type: ignore[union-attr]
    link.sock.send(b"\x17\x03\x03\x00\x40" + b"part of a record")
    assert far.close() == (1, None)
    assert near.receive(100) == (None, "closed", b"whole")
    assert near.send(b"x")[1] in (None, "connection reset by peer", "broken pipe")


def test_a_record_that_was_tampered_with_is_an_error_of_the_read_half(tls: Pair) -> None:
    near, far = tls
    link = far._connection.link  # type: ignore[union-attr]
    link.sock.send(b"\x17\x03\x03\x00\x20" + bytes(32))
    data, err, partial = near.receive(100)
    assert (data, partial) == (None, b"")
    assert err not in (None, "closed", "timeout")
    assert near.receive() == (None, "closed", None)


def test_a_connection_with_tls_is_parked_and_taken_with_its_tls(tls: Pair, certificates: Certificates) -> None:
    near = tls.near
    host, port = near.getpeername()
    assert tls.far.send(b"x") == (1, None)
    assert near.receive(1) == (b"x", None, None)
    assert near.setkeepalive() == (1, None)
    settle()
    assert near.connect(host, port) == (1, None)
    assert near.getreusedtimes() == (1, None)
    assert near.sslhandshake(False, "localhost", ca=certificates.ca) == (True, None)
    assert near.send(b"again") == (5, None)
    assert tls.far.receive(5) == (b"again", None, None)


def test_session_tickets_are_no_data_that_would_end_a_parked_connection(tls: Pair) -> None:
    near = tls.near  # nothing has been read: the server's tickets are still in the kernel
    host, port = near.getpeername()
    assert not near.peek()
    assert near.setkeepalive() == (1, None)
    settle()
    assert near.connect(host, port) == (1, None)
    assert near.getreusedtimes() == (1, None)


def test_closing_says_no_goodbye_and_the_peer_reads_to_the_end(tls: Pair) -> None:
    assert tls.near.send(b"last words") == (10, None)
    assert tls.near.close() == (1, None)  # with the server's session tickets unread
    assert tls.far.receive() == (None, "closed", b"last words")
    stream: Any = tls.far._stream
    assert stream.ended_cleanly is False
