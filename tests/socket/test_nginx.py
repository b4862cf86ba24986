"""A real server on the other side: what the claims of the other modules come to."""

from __future__ import annotations

from lasa import thread
from tests.conftest import Certificates
from tests.servers import Server
from tests.socket.tools import connected, result_of

REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_nginx_answers_a_pipeline_of_requests(nginx: Server) -> None:
    sock = connected(nginx.host, nginx.port)
    assert sock.send([REQUEST] * 50) == (50 * len(REQUEST), None)
    head = sock.receiveuntil("\r\n\r\n")
    for _ in range(50):
        assert sock.receive() == (b"HTTP/1.1 200 OK", None, None)
        assert head()[1] is None
        assert sock.receive(13) == (b"Hello, world!", None, None)
    assert sock.close() == (1, None)


def test_nginx_answers_many_at_once_and_is_left_with_a_pool(nginx: Server) -> None:
    def ask() -> tuple[int, bytes | None]:
        sock = connected(nginx.host, nginx.port, pool_size=5, backlog=100)
        sock.send(REQUEST)
        sock.receiveuntil("\r\n\r\n")()
        body = sock.receive(13)[0]
        times, _ = sock.getreusedtimes()
        assert times is not None
        assert sock.setkeepalive(1) == (1, None)
        return times, body

    askers = [thread.spawn(ask) for _ in range(50)]
    answers = [result_of(asker) for asker in askers]
    assert {body for _, body in answers} == {b"Hello, world!"}
    assert sum(times == 0 for times, _ in answers) <= 5


def test_nginx_answers_over_tls(nginx: Server, certificates: Certificates) -> None:
    sock = connected("localhost", nginx.tls_port)
    session, err = sock.sslhandshake(ca=certificates.ca)
    assert err is None
    for times in range(3):
        assert sock.send(REQUEST)[1] is None
        assert sock.receive() == (b"HTTP/1.1 200 OK", None, None)
        head, err, _ = sock.receiveuntil("\r\n\r\n")()
        assert err is None
        assert head is not None
        assert sock.receive(13) == (b"Hello, world!", None, None)
        assert sock.setkeepalive() == (1, None)
        assert sock.connect("localhost", nginx.tls_port) == (1, None)
        assert sock.getreusedtimes() == (times + 1, None)
        assert sock.sslhandshake(session, "localhost", ca=certificates.ca) == (session, None)
    assert sock.close() == (1, None)


def test_nginx_is_not_trusted_by_default(nginx: Server) -> None:
    sock = connected("localhost", nginx.tls_port)
    session, err = sock.sslhandshake()
    assert session is None
    assert err is not None
    assert err[:2].isdigit()
