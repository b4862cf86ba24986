"""A program that forks with one thing of each kind alive; tests/test_fork.py starts it.

Arguments: how to fork, the authority's file, the ports of lines, lines over TLS, http, https. It prints a line of JSON
for each process: what it was, and what it found.
"""

from __future__ import annotations

import sys

if sys.argv[1] == "patched":
    from gevent import monkey

    monkey.patch_all()

import gc
import json
import logging
import multiprocessing
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import lasa
from lasa import http, semaphore, socket, thread, timer, websocket
from lasa.http.client import Client

HOW, CA = sys.argv[1:3]
LINES, TLS_LINES, HTTP, HTTPS = map(int, sys.argv[3:])
ROUNDS = 5


def exchange(who: str, client: Client, *, is_tls: bool) -> None:
    """Ask once by each kind of pooled connection, and check that the answer is ours."""
    sock = socket.tcp()
    assert sock.connect("localhost", TLS_LINES if is_tls else LINES) == (1, None)
    if is_tls:
        assert sock.sslhandshake(False, "localhost", ca=CA) == (True, None)
    sock.send(f"{who}\n")
    lasa.sleep(0.001)
    answer = sock.receive()
    assert answer == (who.encode(), None, None), answer
    assert sock.setkeepalive() == (1, None)
    base = f"s://localhost:{HTTPS}" if is_tls else f"://localhost:{HTTP}"
    response: Any = client.get(f"http{base}/say/{who}")[1]
    assert response.body == who.encode(), response.body
    ws, _ = websocket.client.new()
    assert lasa.check(ws.connect(f"ws{base}/ws", ssl_ca=CA))
    assert ws.send_text(who)
    text = ws.recv_frame()
    assert text[0] == who.encode(), text
    assert lasa.check(ws.set_keepalive())


def talk(who: str, client: Client, rounds: int = ROUNDS) -> None:
    for _ in range(rounds):
        for is_tls in (False, True):
            exchange(who, client, is_tls=is_tls)


def tell(who: str, **found: Any) -> None:
    os.write(1, json.dumps({"who": who, **found}).encode() + b"\n")


class Alive:
    """One thing of each kind."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.client, _ = http.client.new(ssl_ca=CA, cookies={})
        talk("parent", self.client, 1)
        assert lasa.to_thread(os.getpid) == os.getpid()
        self.ticks = 0
        timer.every(0.005, self.tick)
        self.secure = self.opened(TLS_LINES)
        assert self.secure.sslhandshake(False, "localhost", ca=CA) == (True, None)
        self.plain = self.opened(LINES)
        self.ws: Any = lasa.check(websocket.client.connect(f"ws://localhost:{HTTP}/ws", ping_interval_s=0.005))
        self.streamed: Any = self.client.get(f"http://localhost:{HTTP}/stream", stream=True)[1]
        self.pieces = self.streamed.pieces()
        assert next(self.pieces) == b"first"
        self.sema, _ = semaphore.new()
        self.channel = lasa.channel(1)
        self.reader = thread.spawn(self.read)
        self.waiter = thread.spawn(self.sema.wait, 1000)
        self.receiver = thread.spawn(self.channel.receive)
        self.program = lasa.detach(content=self.hold_locks)
        while len(self.log) < 1:
            lasa.sleep(0.001)

    def opened(self, port: int) -> Any:
        sock = socket.tcp()
        assert sock.connect("localhost", port) == (1, None)
        return sock

    def tick(self, premature: bool) -> None:
        self.ticks += 1

    def read(self) -> Any:
        try:
            return self.plain.receive()
        finally:
            self.log.append("finally")

    def hold_locks(self) -> None:
        """Hold what another OS thread may hold at the moment of a fork."""
        jar: Any = self.client._policy.cookies
        with jar._cookies_lock, self.channel._lock:
            self.log.append("held")
            while "let go" not in self.log:
                lasa.sleep(0.005)

    def in_child(self, who: str) -> None:
        """What is the parent's is forgotten, and all works."""
        ticks = self.ticks
        found = {
            "pid": os.getpid(),
            "timers": timer.pending_count(),
            "status": [thread.status(each) for each in (self.reader, self.waiter, self.receiver)],
            "count": self.sema.count(),
            "program": self.program.is_alive,
            "websocket": self.ws.is_open,
        }
        self.ws.close()
        self.secure.close()
        self.streamed.close()
        self.channel.send("mine", 0)
        found["received"] = self.channel.receive(0)[0]
        talk(who, self.client)
        timer.at(0, lambda _: self.log.append("timer"))
        found["to_thread"] = lasa.to_thread(os.getpid) == os.getpid()
        logging.getLogger("lasa").warning("from %s", who)
        lasa.sleep(0.02)
        found["ticks"] = self.ticks - ticks
        found["log"] = self.log
        tell(who, **found)

    def in_parent(self) -> None:
        """All goes on."""
        self.log.append("let go")
        self.secure.send("secure\n")
        assert self.secure.receive() == (b"secure", None, None)
        self.plain.send("plain\n")
        assert thread.wait(self.reader) == (True, b"plain", None, None)
        self.sema.post()
        assert thread.wait(self.waiter) == (True, True, None)
        self.channel.send("value")
        assert thread.wait(self.receiver) == (True, "value", None)
        self.ws.send("text")
        assert self.ws.receive() == ("text", None)
        ticks = self.ticks
        rest = b"".join(self.pieces)
        self.ws.close()
        lasa.sleep(0.02)
        tell("parent", rest=rest.decode(), ticks=self.ticks > ticks, joined=self.program.join(5))
        for sock in (self.secure, self.plain):
            sock.close()


def run_in_child(function: Callable[[str], None], who: str) -> Callable[[], int]:
    """Begin a child, and return what waits for its end."""
    if HOW == "multiprocessing":
        process = multiprocessing.get_context("fork").Process(target=function, args=(who,))
        process.start()

        def join() -> int:
            process.join()
            return process.exitcode or 0

        return lambda: lasa.to_thread(join)
    if HOW == "fork of what is frozen":
        gc.freeze()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            function(who)
            status = 0
        finally:
            if who == "child 1" or status:
                os._exit(status)
        sys.exit(0)  # the other goes through its interpreter's end
    wait = partial(os.waitpid, pid, 0)
    return lambda: os.waitstatus_to_exitcode((wait() if HOW == "patched" else lasa.to_thread(wait))[1])


def main() -> None:
    alive = Alive()
    ends = [run_in_child(alive.in_child, who) for who in ("child 1", "child 2")]
    talk("parent", alive.client)
    statuses = [end() for end in ends]
    alive.in_parent()
    tell("statuses", statuses=statuses)
    for pending in timer.calendar()._heap:
        timer.kill(pending[2])


main()
