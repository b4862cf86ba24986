"""The servers that the parity scripts talk to, in a process: ``python -m tests.lua.parity.peers FOLDER``.

What each does follows from its name and from what a script sends it, so that a script prints the same on every run.
The process writes one line to stdout, the value of PARITY_PEERS (``echo=1234 … folder=FOLDER``), serves from then on
in threads over plain sockets, and ends when its stdin does, so that it cannot outlive the test run that started it.

FOLDER gets the unix sockets (``echo.sock``, …), and ``ca.pem`` with the authority that the certificates are from.
"""

from __future__ import annotations

import datetime
import os
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import trustme

# No script waits longer; what is forgotten ends by itself.
CONNECTION_TIMEOUT_S = 20.0
BACKLOG = 128
TLS_PAUSE_S = 0.015
DNS_CODES = {"format": 1, "failure": 2, "missing": 3, "unimplemented": 4, "refused": 5}

Handler = Callable[[socket.socket], None]


def echo(sock: socket.socket) -> None:
    """Send back what comes."""
    while data := sock.recv(65536):
        sock.sendall(data)


def silent(sock: socket.socket) -> None:
    """Read, and never say a word."""
    while sock.recv(65536):
        pass


def play(sock: socket.socket) -> None:
    """Read a line of steps, do them, and close."""
    received = b""
    while b"\n" not in received:
        data = sock.recv(65536)
        if not data:
            return
        received += data
    told = b""
    steps, _, kept = received.partition(b"\n")
    for step in steps.decode().split(","):
        word, _, argument = step.partition(" ")
        if word == "send":
            sock.sendall(bytes.fromhex(argument))
        elif word == "pause":
            time.sleep(int(argument) / 1000)
        elif word == "finish":
            sock.shutdown(socket.SHUT_WR)
        elif word == "wait":
            while len(kept) < int(argument) and (data := sock.recv(65536)):
                kept += data
            told, kept = kept[: int(argument)], kept[int(argument) :]
        elif word == "tell":
            sock.sendall(told)
        elif word == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return


def _serve_connection(sock: socket.socket, handler: Handler, context: ssl.SSLContext | None) -> None:
    sock.settimeout(CONNECTION_TIMEOUT_S)
    try:
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            # Version 0.10.23 of the Lua module misreads a handshake that fails before it had to wait once.
            time.sleep(TLS_PAUSE_S)
            sock = context.wrap_socket(sock, server_side=True)
        handler(sock)
    except OSError:
        pass  # the script has gone, or refused the certificate: that is its own business
    finally:
        sock.close()


def _serve(listener: socket.socket, handler: Handler, context: ssl.SSLContext | None) -> None:
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=_serve_connection, args=(sock, handler, context), daemon=True).start()


def _serve_datagrams(sock: socket.socket, answers: Callable[[bytes], list[bytes]]) -> None:
    while True:
        data, sender = sock.recvfrom(65536)
        for answer in answers(data):
            try:
                sock.sendto(answer, sender)
            except OSError:
                break  # the script has closed its socket


def play_datagram(data: bytes) -> list[bytes]:
    """Answer each line of the datagram as a datagram."""
    return data.split(b"\n")


def resolve(query: bytes) -> list[bytes]:
    """Answer a DNS question: 127.0.0.1 for ``peer.test``, an error for the names of DNS_CODES, nothing for others."""
    labels, offset = [], 12
    while query[offset]:
        labels.append(query[offset + 1 : offset + 1 + query[offset]].decode())
        offset += 1 + query[offset]
    (kind,) = struct.unpack_from(">H", query, offset + 1)
    question = query[12 : offset + 5]
    if labels == ["peer", "test"]:
        records = [b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([127, 0, 0, 1])] if kind == 1 else []
        head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(records), 0, 0)
        return [head + question + b"".join(records)]
    code = DNS_CODES.get(labels[0])
    if code is None:
        return []
    return [query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, 0, 0, 0) + question]


class Peers:
    """All servers; ``places`` says where they are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: list[socket.socket] = []
        self.places: dict[str, str] = {"folder": str(folder)}

    def tcp(self, name: str, handler: Handler, context: ssl.SSLContext | None = None) -> None:
        """Serve on a port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self._start(name, listener, _serve, listener, handler, context)

    def unix(self, name: str, handler: Handler) -> None:
        """Serve on a unix socket in the folder."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self._folder / f"{name}.sock"))
        listener.listen(BACKLOG)
        threading.Thread(target=_serve, args=(listener, handler, None), daemon=True).start()

    def udp(self, name: str, answers: Callable[[bytes], list[bytes]]) -> None:
        """Answer datagrams."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        self._start(name, sock, _serve_datagrams, sock, answers)

    def unix_datagrams(self, name: str) -> None:
        """Echo datagrams on a unix socket in the folder."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(str(self._folder / f"{name}.sock"))
        threading.Thread(target=_serve_datagrams, args=(sock, lambda data: [data]), daemon=True).start()

    def refusing(self, name: str) -> None:
        """A port, and a unix socket, where nobody listens; the port stays taken, so that nobody else comes."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.bind(("127.0.0.1", 0))
        self._keep(name, sock)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as forgotten:
            forgotten.bind(str(self._folder / f"{name}.sock"))

    def refusing_datagrams(self, name: str) -> None:
        """A UDP port that answers strangers with "port unreachable": its socket knows another peer."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.connect(sock.getsockname())
        self._keep(name, sock)

    def unreachable(self, name: str) -> None:
        """A port whose handshakes are never answered: its queue of one is full for good."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self._keep(name, listener)
        for _ in range(4):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            self._kept.append(sock)

    def _keep(self, name: str, sock: socket.socket) -> None:
        self._kept.append(sock)
        self.places[name] = str(sock.getsockname()[1])

    def _start(self, name: str, sock: socket.socket, target: Callable[..., None], *args: object) -> None:
        self.places[name] = str(sock.getsockname()[1])
        threading.Thread(target=target, args=args, daemon=True).start()


def _contexts(folder: Path) -> dict[str, ssl.SSLContext]:
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    long_ago = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    certificates = {
        "tls": authority.issue_cert("peer.test"),
        "tls12": authority.issue_cert("peer.test"),
        "tls-expired": authority.issue_cert("peer.test", not_before=long_ago, not_after=long_ago.replace(year=2002)),
        "tls-stranger": stranger.issue_cert("peer.test"),
    }
    contexts = {}
    for name, certificate in certificates.items():
        contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(contexts[name])
    contexts["tls12"].maximum_version = ssl.TLSVersion.TLSv1_2
    return contexts


def main(folder: Path) -> None:
    """Start all servers, print where they are, and serve until stdin ends."""
    peers = Peers(folder)
    for name, handler in {"echo": echo, "silent": silent, "play": play}.items():
        peers.tcp(name, handler)
        peers.unix(name, handler)
    for name, context in _contexts(folder).items():
        peers.tcp(name, echo, context)
    peers.refusing("refusing")
    peers.unreachable("unreachable")
    peers.udp("udp-echo", lambda data: [data])
    peers.udp("udp-play", play_datagram)
    peers.udp("udp-silent", lambda data: [])
    peers.udp("dns", resolve)
    peers.unix_datagrams("datagrams")
    peers.refusing_datagrams("udp-refusing")
    print(" ".join(f"{name}={place}" for name, place in peers.places.items()), flush=True)
    while os.read(sys.stdin.fileno(), 4096):
        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]))
