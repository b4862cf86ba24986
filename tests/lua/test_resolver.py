"""Name servers of the setting ``resolver``: asked again, answered badly, and ready before a timeout runs."""

from __future__ import annotations

import socket as stdlib_socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import pytest
from gevent import socket as gevent_socket

pytest.importorskip("lupa")

import dns.message
import dns.rrset

from lasa import thread
from lasa.errors import SocketError
from lasa.lua import _resolver
from lasa.lua._resolver import Resolver
from lasa.lua.settings import BadSetting
from tests.processes import ROOT


def free_udp_port() -> int:
    with stdlib_socket.socket(stdlib_socket.AF_INET, stdlib_socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def name_server(port: int, records: Callable[[str], list[str]], begins_s: float = 0.0) -> Iterator[list[str]]:
    """Answer questions with records as zone files have them; yields the names that were asked for."""
    asked: list[str] = []

    def serve() -> None:
        gevent.sleep(begins_s)
        if begins_s:
            sock.bind(("127.0.0.1", port))
        while True:
            data, address = sock.recvfrom(4096)
            query = dns.message.from_wire(data)
            asked.append(query.question[0].name.to_text())
            answer = dns.message.make_response(query)
            for record in records(asked[-1]):
                name, ttl, rdclass, kind, value = record.split()
                answer.answer.append(dns.rrset.from_text(name, int(ttl), rdclass, kind, value))
            sock.sendto(answer.to_wire(), address)

    with gevent_socket.socket(stdlib_socket.AF_INET, stdlib_socket.SOCK_DGRAM) as sock:
        if not begins_s:
            sock.bind(("127.0.0.1", port))
        server = gevent.spawn(serve)
        try:
            yield asked
        finally:
            server.kill()


def reason_of(resolver: Resolver, timeout_s: float) -> str:
    with pytest.raises(SocketError) as caught:
        resolver.addresses_of("a.test", timeout_s)
    return caught.value.reason


def test_a_server_that_refuses_is_asked_again_until_it_answers() -> None:
    port = free_udp_port()
    with name_server(port, lambda name: [f"{name} 60 IN A 127.0.0.5"], begins_s=0.15):
        resolver = Resolver(f"127.0.0.1:{port} ipv6=off", 5.0)
        assert resolver.addresses_of("a.test", 5.0) == [(stdlib_socket.AF_INET, "127.0.0.5")]


def test_a_server_that_refuses_for_ever_is_a_timeout_and_others_run_meanwhile() -> None:
    resolver = Resolver(f"127.0.0.1:{free_udp_port()} ipv6=off", 0.25)
    turns: list[None] = []

    def count() -> None:
        while True:
            turns.append(None)
            gevent.sleep(0.01)

    other = gevent.spawn(count)
    began_s = time.monotonic()
    assert reason_of(resolver, 5.0) == "a.test could not be resolved (110: Operation timed out)"
    assert time.monotonic() - began_s >= 0.25
    other.kill()
    assert len(turns) > 5


def test_the_next_server_is_asked_at_once_where_the_first_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_resolver, "PAUSE_S", 60.0)
    monkeypatch.setattr(_resolver, "LONGEST_PAUSE_S", 60.0)
    port = free_udp_port()
    with name_server(port, lambda name: [f"{name} 60 IN A 127.0.0.5"]), gevent.Timeout(10):
        resolver = Resolver(f"127.0.0.1:{free_udp_port()} 127.0.0.1:{port} ipv6=off", 30.0)
        assert resolver.addresses_of("a.test", 30.0) == [(stdlib_socket.AF_INET, "127.0.0.5")]


def test_those_who_ask_for_one_name_at_the_same_time_share_each_question() -> None:
    port = free_udp_port()
    resolver = Resolver(f"127.0.0.1:{port}", 5.0)
    with name_server(port, lambda name: [f"{name} 60 IN A 127.0.0.5"], begins_s=0.05) as asked:
        threads = [thread.spawn(resolver.addresses_of, "a.test", 5.0) for _ in range(3)]
        impatient = thread.spawn(resolver.addresses_of, "a.test", 0.01)
        killed = thread.spawn(resolver.addresses_of, "a.test", 5.0)
        thread.kill(killed)
        ok, error = thread.wait(impatient)
        assert (ok, str(error)) == (False, "a.test could not be resolved (110: Operation timed out)")
        found = [thread.wait(each) for each in threads]
        assert found == [(True, [(stdlib_socket.AF_INET, "127.0.0.5")])] * 3
        assert asked == ["a.test.", "a.test."]  # for each family


def test_who_comes_late_has_his_own_time_also_when_the_first_ones_is_over() -> None:
    port = free_udp_port()
    resolver = Resolver(f"127.0.0.1:{port} ipv6=off", 0.2)
    first = thread.spawn(resolver.addresses_of, "a.test", 5.0)
    gevent.sleep(0.15)
    with name_server(port, lambda name: [f"{name} 60 IN A 127.0.0.5"], begins_s=0.1):
        assert resolver.addresses_of("a.test", 5.0) == [(stdlib_socket.AF_INET, "127.0.0.5")]
        assert thread.wait(first)[0] is False


def test_names_that_stand_for_each_other_are_a_failure_of_the_server() -> None:
    port = free_udp_port()
    circle = ["a.test. 60 IN CNAME b.test.", "b.test. 60 IN CNAME a.test."]
    with name_server(port, lambda _: circle):
        assert "could not be resolved (2: " in reason_of(Resolver(f"127.0.0.1:{port} ipv6=off", 5.0), 5.0)


@pytest.mark.parametrize("server", ["127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x", "a.test", ""])
def test_what_is_no_address_of_a_server_is_a_bad_setting(server: str) -> None:
    with pytest.raises(BadSetting):
        Resolver(server, 1.0)


FIRST_LOOK_UP = """
import sys
from lasa.lua import Runtime, Settings
from tests.lua.test_resolver import free_udp_port, name_server

port = free_udp_port()
records = ["a.test. 60 IN CNAME b.test.", "b.test. 60 IN A 127.0.0.1"]
with name_server(port, lambda name: records), Runtime(settings=Settings(resolver=f"127.0.0.1:{port}")) as runtime:
    runtime.load("ngx.sleep(0) local sock = ngx.socket.tcp() sock:close()")()
    before = set(sys.modules)
    runtime.load("local sock = ngx.socket.tcp() sock:connect('a.test', 1)")()
    print(sorted(set(sys.modules) - before))
"""


def test_the_first_look_up_imports_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_LOOK_UP], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "[]\n", done.stderr
