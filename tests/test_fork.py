"""A child that was forked forgets what belongs to its parent, and neither disturbs the other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lasa
from lasa import http, socket, thread
from tests.conftest import Certificates
from tests.processes import ask, program, write_module

ROOT = Path(__file__).parents[1]


class Peers:
    """Servers in an OS thread of their own, which note who has spoken over which connection."""

    def __init__(self, certificate: str) -> None:
        self.certificate = certificate
        self.who: dict[Any, set[str]] = defaultdict(set)  # by both ends: one port of a client may meet several servers
        self.ports: list[int] = []
        self.started = lasa.channel(1)
        self.program = lasa.detach(content=self.serve)
        assert self.started.receive(10) == (True, None)

    def serve(self) -> None:
        for is_tls in (False, True):
            listener = socket.tcp()
            listener.bind("127.0.0.1", 0)
            listener.listen()
            self.ports.append(listener.getsockname()[1])
            thread.spawn(self.accept, listener, is_tls)
        for is_tls in (False, True):
            tls = {"ssl_cert": self.certificate, "ssl_key": self.certificate} if is_tls else None
            server: Any = http.server.new("127.0.0.1:0", ssl=tls)[0]
            self.ports.append(server.address[1])
            thread.spawn(server.run, self.answer)
        self.started.send(True)

    def accept(self, listener: Any, is_tls: bool) -> None:
        while True:
            sock, _ = listener.accept()
            if sock is not None:
                thread.spawn(self.echo, sock, is_tls)

    def echo(self, sock: Any, is_tls: bool) -> None:
        with sock:
            if is_tls and sock.sslaccept(self.certificate)[0] is None:
                return
            for line in sock:
                self.who[sock.getsockname(), sock.getpeername()].add(line.decode())
                sock.send(line + b"\n")

    def answer(self, request: Any) -> Any:
        if request.path == "/stream":
            return self.pieces()
        if request.path == "/ws":
            with lasa.check(request.websocket()) as ws:
                for text in ws:
                    self.who[request.local, request.peer].add(text)
                    ws.send(text)
            return None
        who = request.path.removeprefix("/say/").replace("%20", " ")
        self.who[request.local, request.peer].add(who)
        return who

    def pieces(self) -> Iterator[bytes]:
        yield b"first"
        lasa.sleep(0.3)
        yield b"second"


@pytest.fixture(scope="module")
def peers(certificates: Certificates) -> Iterator[Peers]:
    peers = Peers(certificates.issue("localhost"))
    yield peers
    peers.program.stop()
    peers.program.join(10)


def run(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python to its end, which must be a good one."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", *arguments]  # of OS threads beside a fork
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT, check=False, **options)
    assert ended.returncode == 0, ended.stderr
    return ended


@pytest.mark.parametrize("how", ["fork of what is frozen", "patched", "multiprocessing", "lasa run"])
def test_parent_and_children_each_get_their_own_answers_and_leave_the_other_in_peace(
    peers: Peers, certificates: Certificates, how: str
) -> None:
    peers.who.clear()
    script = str(ROOT / "tests" / "programs" / "forking.py")
    lasa_run = ("-m", "lasa", "run") if how == "lasa run" else ()
    ended = run([*lasa_run, script, how, certificates.ca, *map(str, peers.ports)])
    told = {found.pop("who"): found for found in map(json.loads, ended.stdout.splitlines())}
    log = re.sub(r"^.*from child \d\n", "", ended.stderr, flags=re.M)
    assert log == ""
    assert told["statuses"] == {"statuses": [0, 0]}
    assert told["parent"] == {"rest": "second", "ticks": True, "joined": [True, None]}
    for who in ("child 1", "child 2"):
        del told[who]["pid"]
        assert told[who] == {
            "timers": 0,
            "status": ["zombie"] * 3,
            "count": 0,
            "program": False,
            "websocket": False,
            "received": "mine",
            "to_thread": True,
            "ticks": 0,
            "log": ["held", "timer"],
        }
    shared = {peer: who for peer, who in peers.who.items() if len(who - {"secure", "plain", "text"}) > 1}
    assert not shared


def test_the_manual_lists_all_that_a_child_forgets() -> None:
    script = """
        import pkgutil, lasa, lasa.lua
        from importlib import import_module
        from lasa import _process
        for module in pkgutil.walk_packages(lasa.__path__, "lasa."):
            if module.name != "lasa.__main__":
                import_module(module.name)
        print(*_process.OWNED, *(kind.__name__ for kind in _process.KINDS), sep="\\n")
    """
    listed = run(["-c", textwrap.dedent(script)]).stdout.splitlines()
    manual = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| (.+?) \|", manual.partition("## A child of `fork`")[2].partition("\n## ")[0], re.M)
    named = {name.strip("`") for row in rows[1:] for name in row.split(", ")}
    assert named == set(listed)


def test_a_fork_by_c_code_which_runs_no_hook_shares_no_idle_connection(peers: Peers) -> None:
    peers.who.clear()
    script = """
        import ctypes, os, sys
        from lasa import socket

        def talk(who):
            sock = socket.tcp()
            assert sock.connect("localhost", int(sys.argv[1])) == (1, None)
            sock.send(who + "\\n")
            print(sock.receive()[0].decode(), sock.getreusedtimes()[0], flush=True)
            assert sock.setkeepalive() == (1, None)

        talk("parent")
        pid = ctypes.PyDLL(None).fork()
        talk("parent" if pid else "child")
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)
    """
    ended = run(["-c", textwrap.dedent(script), str(peers.ports[0])])
    assert sorted(ended.stdout.splitlines()) == ["child 0", "parent 0", "parent 1"]
    assert sorted(map(sorted, peers.who.values())) == [["child"], ["parent"]]


def test_a_light_thread_that_forks_is_all_of_the_child() -> None:
    script = """
        import os, sys, lasa

        def other():
            try:
                lasa.sleep(0.05)
                print("other", flush=True)
            finally:
                print("finally", flush=True)

        def forks():
            lasa.sleep(0.01)
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)
            lasa.sleep(0.1)
            print("parent" if pid else "child", flush=True)

        lasa.thread.spawn(other)
        lasa.thread.spawn(forks)
        lasa.sleep(0.02)
    """
    ended = run(["-m", "lasa", "run", "/dev/stdin"], input=textwrap.dedent(script))
    assert ended.stdout.splitlines() == ["child", "other", "finally", "parent"]


def test_what_a_light_thread_of_the_parent_has_is_free_in_a_child_and_what_was_told_has_not_happened() -> None:
    script = """
        import os, lasa
        from lasa._hub import Event, Turn
        from lasa.thread import spawn
        from lasa.websocket._socket.outlet import MessageTurn

        event, mine, theirs, message = Event(), Turn(), Turn(), MessageTurn()
        spawn(event.wait, 0.2)
        event.set()
        event.clear()
        mine.take()
        for turn in theirs, message:
            spawn(lambda: (turn.take(), lasa.sleep(0.1), turn.give_back()))
            spawn(turn.take, 0.2)
        if not os.fork():
            print(event.is_set, mine.is_taken, theirs.take(0), message.take(0), event.wait(0.001), flush=True)
            mine.give_back()
            print(mine.take(0), flush=True)
            os._exit(0)
        os.wait()
    """
    assert run(["-c", textwrap.dedent(script)]).stdout.splitlines() == ["False True True True False", "True"]


def test_what_is_left_of_a_hub_that_has_ended_is_no_obstacle_to_a_child() -> None:
    script = """
        import os, sys, lasa
        from lasa import semaphore, socket, thread, timer

        kept = []

        def elsewhere():
            permits, sock, far = semaphore.new(0)[0], socket.tcp(), socket.tcp()
            far.bind("127.0.0.1", 0)
            far.settimeout(1)
            assert far.accept() == (None, "timeout")
            assert sock.connect(*far.getsockname()) == (1, None)
            sock.settimeout(1)
            assert sock.receive() == (None, "timeout", b"")
            assert permits.wait(0.001) == (None, "timeout")
            kept.extend([permits, sock, far, timer.at(0.001, lambda premature: None)])

        running = lasa.detach(content=elsewhere)
        while running.is_alive:
            lasa.sleep(0.01)
        thread.spawn(lambda: (lasa.sleep(0.02), print("slept", flush=True)))
        pid = os.fork()
        lasa.sleep(0.1)
        if not pid:
            print("child", flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
    """
    ended = run(["-c", textwrap.dedent(script)])
    assert (sorted(ended.stdout.splitlines()), ended.stderr) == (["child", "slept"], "")


def test_workers_of_a_preloaded_application_share_no_connection(peers: Peers, tmp_path: Path) -> None:
    peers.who.clear()
    write_module(
        tmp_path,
        f"""
        import os
        import lasa

        client, _ = lasa.http.client.new()

        def app(request):
            url = f"http://localhost:{peers.ports[2]}/say/{{os.getpid()}}"
            return [client.get(url)[1].body.decode(), os.getpid()]

        app(None)
        """,
    )
    (tmp_path / "gunicorn.conf.py").write_text("control_socket_disable = True")
    arguments = ("-k", "lasa.http.gunicorn.UnpatchedLasaWorker", "-w", "2", "--preload", "-b", "127.0.0.1:0", "web:app")
    with program(tmp_path, *arguments, module="gunicorn") as running:
        port = int(running.line_with(r"Listening at: http://127\.0\.0\.1:(\d+)")[1])
        answers = [json.loads(ask(port)[1]) for _ in range(20)]
    assert all(found == str(pid) for found, pid in answers)
    assert all(len(who) == 1 for who in peers.who.values())
