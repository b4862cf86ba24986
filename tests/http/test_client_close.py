"""close() of a client: a connection belongs to the clients that have used it, and the last of them closes it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

import lasa
from lasa import socket
from lasa._stream.connection import pools
from lasa.http.client import Client
from tests.conftest import Certificates
from tests.helpers import settle
from tests.http.client_tools import (
    OK,
    Peer,
    Wire,
    answering,
    clean,
    idle_connections,
    in_use,
    new_client,
    peer,
    tls_context,
)
from tests.socket.tools import result_of, spawn_blocked


@pytest.fixture
def server() -> Iterator[Peer]:
    with clean(), peer(answering(OK)) as found:
        yield found


def ask(hc: Client, server: Peer, **options: Any) -> None:
    ok, response, _ = hc.get(server.url, **options)
    assert ok, response
    assert response.body == b"ok"


def ends_of(server: Peer) -> int:
    """How many of the server's connections have ended."""
    settle()
    return sum(wire.sock.fileno() == -1 for wire in server.wires)


def test_closing_a_client_closes_its_idle_connections_at_once(server: Peer) -> None:
    hc = new_client()
    ask(hc, server)
    ask(hc, server, ssl_verify=False, pool_size=7)  # of another pool
    assert (idle_connections(), server.connections) == (2, 2)
    assert hc.close() == (1, None)
    assert (idle_connections(), ends_of(server), pools()._by_name) == (0, 2, {})
    assert hc.close() == (None, "closed")


def test_so_does_the_end_of_a_with(server: Peer) -> None:
    with new_client() as hc:
        ask(hc, server)
        assert idle_connections() == 1
    assert (idle_connections(), ends_of(server)) == (0, 1)


def test_the_last_client_that_has_used_a_connection_closes_it(server: Peer) -> None:
    one, two, three = new_client(), new_client(), new_client()
    for hc in (one, two, one):
        ask(hc, server)
    assert server.connections == 1
    three.close()  # it has used none
    one.close()
    assert (idle_connections(), ends_of(server)) == (1, 0)
    ask(two, server)
    assert server.connections == 1
    two.close()
    assert (idle_connections(), ends_of(server)) == (0, 1)


def test_a_client_that_nobody_holds_any_more_does_not_count(server: Peer) -> None:
    forgotten, hc = new_client(), new_client()
    ask(forgotten, server)
    ask(hc, server)
    del forgotten
    gc.collect()
    hc.close()
    assert (idle_connections(), server.connections, ends_of(server)) == (0, 1, 1)


def test_connections_of_plain_cosockets_stay(server: Peer) -> None:
    sock = socket.tcp()
    assert sock.connect("127.0.0.1", server.port) == sock.setkeepalive() == (1, None)
    hc = new_client()
    ask(hc, server)
    assert idle_connections() == 2
    hc.close()
    assert idle_connections() == 1
    assert sock.connect("127.0.0.1", server.port) == (1, None)
    assert sock.getreusedtimes() == (1, None)
    sock.close()


def test_a_connection_that_is_in_use_is_closed_after_its_request() -> None:
    def answer_late(wire: Wire) -> None:
        while wire.request()[0]:
            lasa.sleep(0.02)
            wire.send(OK)

    with clean(), peer(answer_late) as server:
        one, two = new_client(), new_client()
        asking = spawn_blocked(one.get, server.url)
        one.close()
        assert result_of(asking)[0] is True
        assert (idle_connections(), ends_of(server), in_use()) == (0, 1, {})
        ask(two, server)
        asking = spawn_blocked(one_more := new_client().get, server.url)
        assert idle_connections() == 0
        two.close()  # the other one is using it
        assert result_of(asking)[0] is True
        assert (idle_connections(), server.connections) == (1, 2)
        del one_more


def test_a_client_that_is_closed_while_it_waits_for_a_place_leaves_nothing() -> None:
    def answer_late(wire: Wire) -> None:
        while wire.request()[0]:
            lasa.sleep(0.02)
            wire.send(OK)

    with clean(), peer(answer_late) as server:
        hc = new_client(pool_size=1)
        asking = [spawn_blocked(hc.get, server.url) for _ in range(2)]
        hc.close()
        for each in asking:
            assert result_of(each)[0] is True
        assert (idle_connections(), in_use()) == (0, {})


def test_a_stream_that_is_cut_off_frees_its_connection_too(server: Peer) -> None:
    hc = new_client()
    ok, response, _ = hc.get(server.url, stream=True)
    assert ok
    hc.close()
    assert (idle_connections(), in_use(), ends_of(server)) == (0, {}, 1)
    with pytest.raises(lasa.Error, match="closed"):
        response.read()


def test_connections_over_tls_are_closed_likewise(certificates: Certificates) -> None:
    with clean(), peer(answering(OK), tls=tls_context(certificates.issue("127.0.0.1"))) as server:
        with new_client(ssl_ca=certificates.ca) as hc:
            ask(hc, server)
            assert idle_connections() == 1
        assert (idle_connections(), ends_of(server)) == (0, 1)


def test_connections_that_another_os_thread_keeps_are_closed_there(server: Peer) -> None:
    hc = new_client()
    kept, go_on = lasa.channel(1), lasa.channel(1)

    def work() -> None:
        ask(hc, server)
        kept.send(idle_connections())
        go_on.receive(5)
        settle()
        kept.send(idle_connections())

    other = lasa.detach(content=work)
    assert kept.receive(5)[0] == 1
    ask(hc, server)
    hc.close()
    assert idle_connections() == 0
    go_on.send(True)
    assert kept.receive(5)[0] == 0
    assert other.join(5) == (True, None)
    assert ends_of(server) == 2
