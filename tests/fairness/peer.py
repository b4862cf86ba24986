"""A peer in a process of its own that is as fast as it can be; ``python -m tests.fairness.peer``, told what by stdin.

It ends when its connection breaks, when its stdin ends, or after a minute.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Plan", "running"]

LIFETIME_S = 60
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Plan:
    """What the peer does.

    Attributes:
        role: "server" accepts one connection, "client" opens one to ``port``, "connects" opens and closes one after
            another, "datagrams" sends them to ``port``, "sink" receives datagrams.
        first: what it sends once; for a server behind the other side's first bytes, if ``waits``.
        block: what it sends again and again; b"" if it only reads.
        certificate: the file of a server under TLS, with its key.
    """

    role: str
    port: int = 0
    first: bytes = b""
    block: bytes = b""
    waits: bool = False
    certificate: str = ""


@contextmanager
def running(plan: Plan) -> Iterator[int]:
    """A peer that follows ``plan``, until the body ends; yields the port that it listens at."""
    command = [sys.executable, "-m", "tests.fairness.peer"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(pickle.dumps(plan))
            process.stdin.flush()
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _flood(sock: socket.socket, plan: Plan) -> None:
    if plan.waits:
        sock.recv(65536)
    sock.sendall(plan.first)
    if not plan.block:
        while sock.recv(BLOCK_BYTES):
            pass
        return
    if not isinstance(sock, ssl.SSLSocket):  # what comes back is read too, or the other side could not go on
        threading.Thread(target=_drain, args=(sock,), daemon=True).start()
    block = plan.block * max(1, BLOCK_BYTES // len(plan.block))
    while True:
        sock.sendall(block)


def _drain(sock: socket.socket) -> None:
    try:
        while sock.recv(BLOCK_BYTES):
            pass
    except OSError:
        pass  # the end of it, as _main() sees it


def _serve(plan: Plan) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        sock, _ = listener.accept()
    sock.settimeout(LIFETIME_S)
    if plan.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(plan.certificate)
        sock = context.wrap_socket(sock, server_side=True)
    with sock:
        _flood(sock, plan)


def _open(plan: Plan) -> None:
    print(0, flush=True)
    with socket.create_connection(("127.0.0.1", plan.port), LIFETIME_S) as sock:
        _flood(sock, plan)


def _open_many(plan: Plan) -> None:
    print(0, flush=True)
    while True:
        socket.create_connection(("127.0.0.1", plan.port), LIFETIME_S).close()


def _send_datagrams(plan: Plan) -> None:
    print(0, flush=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", plan.port))
        while True:
            sock.send(plan.block)


def _receive_datagrams(plan: Plan) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        print(sock.getsockname()[1], flush=True)
        while True:
            sock.recv(65536)


_ROLES = {
    "server": _serve,
    "client": _open,
    "connects": _open_many,
    "datagrams": _send_datagrams,
    "sink": _receive_datagrams,
}


def _main() -> None:
    signal.alarm(LIFETIME_S)
    plan = pickle.load(sys.stdin.buffer)
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
    try:
        _ROLES[plan.role](plan)
    except OSError:
        pass  # the other side has seen enough


if __name__ == "__main__":
    _main()
