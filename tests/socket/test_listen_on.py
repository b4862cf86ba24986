"""A descriptor that somebody else has bound: what a process above, or systemd, hands down."""

from __future__ import annotations

import os
import socket as stdlib_socket

import pytest

from lasa import socket
from lasa.http import server


@pytest.fixture
def listening() -> stdlib_socket.socket:
    return stdlib_socket.create_server(("127.0.0.1", 0))


def test_connections_to_a_listening_descriptor_are_accepted(listening: stdlib_socket.socket) -> None:
    address = listening.getsockname()
    with socket.tcp() as listener:
        assert listener.listen_on(listening.detach()) == (True, None)
        assert listener.getsockname() == address
        with socket.tcp() as client:
            assert client.connect(*address) == (1, None)
            accepted, err = listener.accept()
            assert accepted is not None, err
            with accepted:
                client.send("hello\n")
                assert accepted.receive() == (b"hello", None, None)


@pytest.mark.parametrize(("kind", "word"), [("stream", "invalid argument"), ("datagram", "invalid argument")])
def test_a_descriptor_that_does_not_listen_stays_its_owners(kind: str, word: str) -> None:
    number = stdlib_socket.SOCK_STREAM if kind == "stream" else stdlib_socket.SOCK_DGRAM
    with stdlib_socket.socket(stdlib_socket.AF_INET, number) as other, socket.tcp() as listener:
        assert listener.listen_on(other.fileno()) == (None, word)
        assert os.fstat(other.fileno())


def test_what_is_no_socket_is_the_systems_word() -> None:
    with socket.tcp() as listener:
        assert listener.listen_on(1_000_000) == (None, "bad file descriptor")
        read, write = os.pipe()
        assert listener.listen_on(read) == (None, "socket operation on non-socket")
        os.close(read)
        os.close(write)


def test_a_connected_socket_does_not_listen_too(listening: stdlib_socket.socket) -> None:
    with listening, socket.tcp() as client:
        assert client.connect(*listening.getsockname()) == (1, None)
        assert client.listen_on(listening.fileno()) == (None, "already connected")


def test_a_server_takes_over_a_socket_and_leaves_its_unix_path_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("s") / "web.sock"
    listening = stdlib_socket.socket(stdlib_socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    made, err = server.new(sock=listening)
    assert made is not None, err
    assert (made.address, listening.fileno()) == ((f"unix:{path}", None), -1)
    assert made.stop(0) == (True, [])
    assert path.exists()


def test_a_socket_that_a_server_cannot_take_over_stays_as_it_is() -> None:
    with stdlib_socket.socket() as other:
        assert server.new(sock=other) == (None, "invalid argument")
        assert other.fileno() >= 0
