"""Whom a pooled TLS connection talks to, and as whom: nobody gets one that is not what he asks for."""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lasa
from lasa import socket, thread
from lasa._stream.connection import pools
from lasa._stream.identity import Identity, context_identity, is_named, server_name_of, versions_of
from lasa.errors import SocketError
from lasa.socket import TcpSocket
from tests.conftest import Certificates
from tests.helpers import nothing_left_open, settle
from tests.socket.tools import (
    PATIENCE_MS,
    connected,
    failure_of,
    listening,
    result_of,
    silent_listener,
    spawn_blocked,
    tcp_pair,
)


class SecureServer:
    """A TLS server that tells, line by line, which of its connections this is, and who the client is for it."""

    def __init__(self, listener: TcpSocket, certificate: str, ca: str) -> None:
        self.address: Any = listener.getsockname()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.context.load_verify_locations(ca)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.connections = 0
        self._listener = listener
        listener.settimeout(PATIENCE_MS)
        listener.listen()
        self._worker = thread.spawn(self._accept)

    def _accept(self) -> None:
        while True:
            sock, err = self._listener.accept()
            if sock is None:
                if err == "timeout":
                    continue
                return
            self.connections += 1
            thread.spawn(self._serve, sock, self.connections)

    def _serve(self, sock: TcpSocket, number: int) -> None:
        with sock:
            names: list[str | None] = [None]
            if sock.sslaccept(context=self.context)[0] is None:
                return
            assert sock.tls is not None
            shown: Any = sock.tls.getpeercert()
            if shown:
                names = [shown["subjectAltName"][0][1]]
            while sock.receive()[0] is not None:
                sock.send(f"{number} {names[0]}\n")

    def stop(self) -> None:
        self._listener.abort()
        thread.kill(self._worker)


@pytest.fixture(autouse=True)
def nothing_is_left_open(certificates: Certificates) -> Iterator[None]:
    with nothing_left_open():
        yield
        pools().close_idle()
        settle()
    assert pools()._by_name == {}


@contextmanager
def serving(certificates: Certificates, ip: str = "127.0.0.1", port: int | None = 0) -> Iterator[SecureServer]:
    with listening(ip, port) as listener:
        server = SecureServer(listener, certificates.issue("localhost", "127.0.0.1"), certificates.ca)
        try:
            yield server
        finally:
            pools().close_idle()
            server.stop()
            settle()


@pytest.fixture
def server(certificates: Certificates) -> Iterator[SecureServer]:
    with serving(certificates) as found:
        yield found


class Client:
    """What one user of the pool asks for."""

    def __init__(self, server: SecureServer, certificates: Certificates, **shake: Any) -> None:
        self.server = server
        self.sock = socket.tcp()
        self.sock.settimeout(PATIENCE_MS)
        self.shake: dict[str, Any] = {"ca": certificates.ca, **shake}

    def show(self, certificate: str | None) -> Client:
        assert self.sock.setclientcert(certificate, certificate) == (True, None)
        return self

    def connect(self, **options: Any) -> Client:
        assert self.sock.connect(*self.server.address, **options) == (1, None)
        return self

    def secure(self, *arguments: Any) -> Client:
        assert self.sock.sslhandshake(False, *arguments, **self.shake) == (True, None)
        return self

    @property
    def reused(self) -> int | None:
        return self.sock.getreusedtimes()[0]

    def who(self) -> tuple[int, str]:
        """Which connection it is for the server, and who we are."""
        assert self.sock.send("who\n") == (4, None)
        line, err, _ = self.sock.receive()
        assert line is not None, err
        number, name = line.decode().split()
        return int(number), name

    def keep(self, *arguments: Any) -> None:
        assert self.sock.setkeepalive(*arguments) == (1, None)

    def close(self) -> None:
        assert self.sock.close() == (1, None)


@pytest.fixture
def client(server: SecureServer, certificates: Certificates) -> Callable[..., Client]:
    return partial(Client, server, certificates)


@pytest.fixture
def alice(certificates: Certificates) -> str:
    return certificates.issue("alice.example")


@pytest.fixture
def bob(certificates: Certificates) -> str:
    return certificates.issue("bob.example")


# What covers what

WEAK = Identity(None, None, False, None, frozenset({"TLSv1.2", "TLSv1.3"}))
STRONG = replace(WEAK, name="a.example", trust="ours", checks_name=True)


@pytest.mark.parametrize(
    ("made", "asked", "covers"),
    [
        (STRONG, STRONG, True),
        (WEAK, WEAK, True),
        (STRONG, WEAK, True),
        (WEAK, STRONG, False),
        (STRONG, replace(STRONG, checks_name=False), True),
        (replace(STRONG, checks_name=False), STRONG, False),
        (STRONG, replace(STRONG, trust="theirs"), False),
        (STRONG, replace(STRONG, name="b.example"), False),
        (STRONG, replace(WEAK, name="b.example"), False),
        (WEAK, replace(WEAK, name="a.example"), False),
        (STRONG, replace(STRONG, certificate=("alice",)), False),
        (replace(STRONG, certificate=("alice",)), STRONG, False),
        (replace(STRONG, certificate=("alice",)), replace(STRONG, certificate=("bob",)), False),
        (replace(STRONG, certificate=("alice",)), replace(WEAK, certificate=("alice",)), True),
        (STRONG, replace(STRONG, versions=frozenset({"TLSv1.3"})), True),
        (STRONG, replace(STRONG, versions=frozenset({"TLSv1.2"})), False),
    ],
)
def test_a_connection_covers_what_would_have_made_it_or_a_weaker_one(
    made: Identity, asked: Identity, covers: bool
) -> None:
    assert made.made("TLSv1.3").covers(asked) is covers


def test_a_callers_context_is_like_no_other_and_counts_as_it_is_now() -> None:
    one, other = ssl.create_default_context(), ssl.create_default_context()
    made = context_identity(one, "A.example").made("TLSv1.3")
    assert made.covers(context_identity(one, "a.EXAMPLE"))
    assert not made.covers(context_identity(other, "a.example"))
    one.maximum_version = ssl.TLSVersion.TLSv1_2
    assert not made.covers(context_identity(one, "a.example"))
    one.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    one.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    assert not made.covers(context_identity(one, "a.example"))


def test_the_versions_of_a_context_are_between_its_bounds_without_those_it_forbids() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    assert versions_of(context) == {"TLSv1.2", "TLSv1.3"}
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert versions_of(context) == {"TLSv1.2"}
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    assert versions_of(context) == set()


@pytest.mark.parametrize(
    ("name", "kinds", "common_name", "is_one"),
    [
        ("a.example", [("DNS", "A.example")], "", True),
        ("b.a.example", [("DNS", "x.example"), ("DNS", "*.a.example")], "", True),
        ("c.b.a.example", [("DNS", "*.a.example")], "", False),
        ("a.example", [("DNS", "*.a.example")], "", False),
        ("a.example", [("DNS", "b.example")], "a.example", False),
        ("a.example", [], "a.example", True),
        ("bücher.example", [("DNS", "xn--bcher-kva.example")], "", True),
        ("127.0.0.1", [("IP Address", "127.0.0.1")], "", True),
        ("127.0.0.1", [("DNS", "127.0.0.1")], "127.0.0.1", False),
        ("::1", [("IP Address", "0:0:0:0:0:0:0:1")], "", True),
        ("localhost", [("DNS", "*.")], "", False),
    ],
)
def test_a_certificate_is_matched_with_a_name(
    name: str, kinds: list[tuple[str, str]], common_name: str, is_one: bool
) -> None:
    certificate = {"subjectAltName": tuple(kinds), "subject": ((("commonName", common_name),),)}
    assert is_named(certificate, name, by_common_name=True) is is_one
    if not kinds:
        assert not is_named(certificate, name, by_common_name=False)


def test_a_servers_name_has_no_last_dot() -> None:
    assert server_name_of("a.example.") == "a.example"
    with pytest.raises(SocketError, match="bad server name"):
        server_name_of("..")


# A client's certificate


def test_a_connection_made_under_a_certificate_is_nobody_elses(
    client: Callable[..., Client], alice: str, bob: str
) -> None:
    first = client().show(alice).connect().secure()
    assert first.who() == (1, "alice.example")
    first.keep()
    for other, name in ((None, "None"), (bob, "bob.example")):
        user = client().show(other).connect()
        assert user.reused == 0
        assert user.secure().who()[1] == name
        user.keep()
    again = client().show(alice).connect()
    assert (again.reused, again.secure().who()) == (1, (1, "alice.example"))
    assert again.reused == 1
    again.close()


def test_a_plain_user_of_the_peer_never_gets_a_connection_with_a_certificate(
    client: Callable[..., Client], alice: str
) -> None:
    client().show(alice).connect().secure().keep()
    plain = client().connect()
    assert (plain.reused, plain.sock.tls) == (0, None)
    plain.close()


def test_a_certificate_that_is_set_only_behind_connect_takes_a_new_connection(
    client: Callable[..., Client], alice: str
) -> None:
    client().connect().secure().keep()
    user = client().connect()
    assert user.reused == 1
    user.show(alice).secure()
    assert user.reused == 0
    assert user.who() == (2, "alice.example")
    user.close()
    other = client().connect().secure()
    assert (other.reused, other.who()) == (1, (1, "None"))  # it has stayed in the pool
    other.close()


def test_a_certificate_that_is_cleared_or_replaced_no_longer_counts(
    client: Callable[..., Client], alice: str, bob: str
) -> None:
    user = client().show(alice).connect().secure()
    user.keep()
    assert user.show(None).connect().reused == 0
    assert user.secure().who()[1] == "None"
    user.keep()
    assert user.show(bob).connect().reused == 0
    assert user.secure().who()[1] == "bob.example"
    user.keep()
    assert user.show(alice).connect().reused == 1
    assert user.secure().who() == (1, "alice.example")
    user.close()


def test_a_certificate_renewed_in_its_file_is_another(
    client: Callable[..., Client], alice: str, bob: str, tmp_path: Path
) -> None:
    mine = str(tmp_path / "mine.pem")
    shutil.copyfile(alice, mine)
    user = client().show(mine).connect().secure()
    assert user.who()[1] == "alice.example"
    user.keep()
    shutil.copyfile(bob, mine)
    user.connect()
    assert user.reused == 0
    assert user.secure().who()[1] == "bob.example"
    user.keep()
    os.unlink(mine)
    user.connect()
    assert user.reused == 0
    with pytest.raises(ValueError, match="bad certificate or authorities"):
        user.secure()
    user.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_of_a_callers_context_counts_when_it_was_shown(
    client: Callable[..., Client], certificates: Certificates, alice: str, version: ssl.TLSVersion
) -> None:
    anonymous, named = (ssl.create_default_context(cafile=certificates.ca) for _ in range(2))
    named.load_cert_chain(alice)
    anonymous.maximum_version = named.maximum_version = version
    client(ca=None, context=named).connect().secure("localhost").keep()
    user = client().connect()
    assert user.reused == 0
    user.close()
    client(ca=None, context=anonymous).connect().secure("localhost").keep()
    user = client(ca=None, context=anonymous).connect().secure("localhost")
    assert user.reused == 1  # who shows none can be anybody
    assert user.who()[1] == "None"
    user.close()


# What was verified


@pytest.mark.parametrize(
    ("made", "asked", "err"),
    [
        ((None, False), (), None),
        ((None, False), ("localhost",), None),
        (("localhost", False), ("localhost",), None),
        (("localhost",), ("other.example",), "certificate host mismatch"),
        (("localhost", False), ("other.example", False), None),
    ],
)
def test_what_does_not_cover_is_replaced_by_a_new_connection(
    client: Callable[..., Client], made: tuple[Any, ...], asked: tuple[Any, ...], err: str | None
) -> None:
    client().connect().secure(*made).keep()
    user = client().connect()
    assert user.reused == 1
    outcome = user.sock.sslhandshake(False, *asked, **user.shake)
    assert outcome == ((True, None) if err is None else (None, err))
    if err is None:
        assert user.reused == 0
        assert user.who()[0] == 2
        user.close()
    else:
        assert user.sock.close() == (None, "closed")
    back = client().connect().secure(*made)
    assert (back.reused, back.who()[0]) == (1, 1)  # it has stayed in the pool
    back.close()


def test_without_the_right_authorities_a_kept_connection_fails_like_a_fresh_one(client: Callable[..., Client]) -> None:
    client().connect().secure(None, False).keep()
    user = client().connect()
    session, err = user.sock.sslhandshake()
    assert session is None
    assert err is not None
    assert err.startswith(("20: ", "19: ", "21: "))
    assert user.sock.close() == (None, "closed")


def test_none_is_no_way_to_switch_the_verification_off(client: Callable[..., Client]) -> None:
    user = client(ssl_verify=None).connect()
    assert user.sock.sslhandshake(False, "other.example", **user.shake) == (None, "certificate host mismatch")


def test_other_authorities_are_others_also_in_the_environment(
    client: Callable[..., Client], certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    client(ca=None).connect().secure().keep()
    user = client(ca=None).connect().secure()
    assert user.reused == 1
    user.keep()
    monkeypatch.delenv("SSL_CERT_FILE")
    user.connect()
    assert user.sock.sslhandshake()[0] is None


def test_a_stricter_connection_will_do(client: Callable[..., Client]) -> None:
    client().connect().secure().keep()
    for weaker in ((), (None, False), ("127.0.0.1",), ("127.0.0.1", False)):
        user = client().connect().secure(*weaker)
        assert user.reused is not None
        assert user.reused >= 1
        user.keep()


def test_a_version_that_will_not_do_is_replaced(client: Callable[..., Client], certificates: Certificates) -> None:
    context = ssl.create_default_context(cafile=certificates.ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    client(ca=None, context=context).connect().secure("localhost").keep()
    user = client(ca=None, context=context).connect().secure("localhost")
    assert user.reused == 1
    user.keep()
    context.maximum_version = context.minimum_version = ssl.TLSVersion.TLSv1_3
    user = client(ca=None, context=context).connect().secure("localhost")
    assert user.reused == 0
    assert user.sock.tls is not None
    assert user.sock.tls.version() == "TLSv1.3"
    user.close()


def test_a_unix_socket_has_identities_too(certificates: Certificates, tmp_path: Path, alice: str) -> None:
    with serving(certificates, f"unix:{tmp_path}/s", None) as server:
        server.address = (f"unix:{tmp_path}/s",)
        Client(server, certificates).show(alice).connect().secure("localhost").keep()
        user = Client(server, certificates).connect()
        assert user.reused == 0
        assert user.sock.sslhandshake(ca=certificates.ca) == (None, "bad server name")  # a path is no name
        user.secure("localhost", False).keep()
        user = Client(server, certificates).connect().secure("localhost")
        assert (user.reused, user.who()[1]) == (0, "None")
        user.close()


def test_a_pool_that_the_user_names_is_taken_as_it_is_and_checked_by_the_handshake(
    client: Callable[..., Client], alice: str
) -> None:
    client().show(alice).connect(pool="mine").secure().keep()
    user = client().connect(pool="mine")
    assert user.reused == 1
    assert user.secure().reused == 0
    assert user.who() == (2, "None")
    user.keep()
    assert len(pools().find("mine").idle) == 2  # type: ignore[union-attr]


def test_a_session_is_not_taken_up_for_another_name(certificates: Certificates) -> None:
    server: Any = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificates.issue("localhost", "a.example"))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        server.maximum_version = version
        context = ssl.create_default_context(cafile=certificates.ca)
        session = None
        for name, err in (("localhost", None), ("a.example", None), ("other.example", "certificate host mismatch")):
            with tcp_pair() as pair:
                accepting = thread.spawn(partial(pair.far.sslaccept, context=server))
                found, failure = pair.near.sslhandshake(session, name, context=context)
                assert (found is None, failure) == (err is not None, err)
                result_of(accepting)
                if err is None:
                    pair.far.send(b"x")
                    pair.near.receive(1)
                    assert pair.near.tls is not None
                    session = pair.near.tls.session


# Names


@pytest.fixture(scope="module")
def named_by_common_name(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The file of an authority, and of a certificate of its with a common name alone."""
    authority = trustme.CA()
    folder = tmp_path_factory.mktemp("common_name")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert(common_name="localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "own.pem"))
    return str(folder / "ca.pem"), str(folder / "own.pem")


def test_the_common_name_of_a_certificate_is_not_looked_at(named_by_common_name: tuple[str, str]) -> None:
    ca, certificate = named_by_common_name
    for name, err in (("localhost", "certificate host mismatch"), (None, "certificate host mismatch")):
        with tcp_pair() as pair:
            accepting = thread.spawn(pair.far.sslaccept, certificate)
            assert pair.near.sslhandshake(False, name, ca=ca) == (None, err)
            result_of(accepting)
    with tcp_pair() as pair:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(ca)
        assert context.hostname_checks_common_name  # Python's default
        accepting = thread.spawn(pair.far.sslaccept, certificate)
        assert pair.near.sslhandshake(False, "localhost", context=context) == (None, "certificate host mismatch")
        assert pair.near.close() == (None, "closed")
        result_of(accepting)
    with tcp_pair() as pair:
        accepting = thread.spawn(pair.far.sslaccept, certificate)
        assert pair.near.sslhandshake(False, "localhost", False, ca=ca) == (True, None)
        assert result_of(accepting) == (True, None)


def test_authorities_may_be_a_path_object_and_nothing_else_than_paths_and_texts(client: Callable[..., Client]) -> None:
    user = client().connect()
    wrong: Any
    for wrong in (7, True, ["ca.pem"]):
        with pytest.raises(TypeError, match="bad ca: path or PEM text expected"):
            user.sock.sslhandshake(ca=wrong)
        with pytest.raises(TypeError, match="bad ca: path or PEM text expected"):
            user.sock.sslaccept("c.pem", ca=wrong)
    user.shake["ca"] = Path(user.shake["ca"])
    user.secure().close()


# Counting


def test_what_is_replaced_is_taken_after_all_others(client: Callable[..., Client]) -> None:
    one, two = client().connect(), client().connect()
    one.secure().keep()
    two.secure(None, False).keep()
    user = client().connect()
    assert user.secure().reused == 0  # the other one lay on top
    second = client().connect().secure()
    assert (second.reused, second.who()[0]) == (1, 1)
    user.close()
    second.close()


def test_what_is_replaced_is_kept_no_longer_than_it_was_to_be(client: Callable[..., Client]) -> None:
    client().connect().secure(None, False).keep(60)
    lasa.sleep(0.03)
    user = client().connect().secure()
    lasa.sleep(0.05)
    pool = pools().find(f"{user.server.address[0]}:{user.server.address[1]}")
    assert pool is not None
    assert (pool.counted, pool.idle) == (1, [])
    user.close()


@pytest.mark.parametrize("use", [lambda user: user.sock.send("who\n"), lambda user: user.who()])
def test_what_has_been_used_before_the_handshake_is_not_kept(
    client: Callable[..., Client], use: Callable[[Client], Any]
) -> None:
    client().connect().secure(None, False).keep()
    user = client().connect()
    use(user)
    assert user.secure().reused == 0
    assert user.who()[0] == 2
    user.keep()
    assert [idle.reused for pool in pools()._by_name.values() for idle in pool.idle] == [0]


def test_no_place_in_a_pool_with_a_queue_is_counted_twice(client: Callable[..., Client]) -> None:
    refused = (None, "too many waiting connect operations")
    limited: dict[str, Any] = {"pool_size": 1, "backlog": 0}
    client().connect(**limited).secure(None, False).keep()
    user = client().connect().secure()  # there is no room for both
    assert user.reused == 0
    assert client().sock.connect(*user.server.address) == refused
    user.keep()
    user = client().connect().secure()
    assert (user.reused, user.who()[0]) == (1, 2)
    user.close()
    assert pools()._by_name == {}


def test_in_a_pool_with_room_both_count(client: Callable[..., Client]) -> None:
    refused = (None, "too many waiting connect operations")
    client().connect(pool_size=2, backlog=0).secure(None, False).keep()
    user = client().connect().secure()
    assert user.reused == 0
    (pool,) = pools()._by_name.values()
    assert (pool.counted, len(pool.idle)) == (2, 1)
    other = client().connect()
    assert other.reused == 1
    assert client().sock.connect(*user.server.address) == refused
    user.close()
    other.close()
    assert pools()._by_name == {}


def test_a_new_connection_that_cannot_be_made_gives_its_place_back(certificates: Certificates) -> None:
    with serving(certificates) as server:
        Client(server, certificates).connect(pool_size=2, backlog=0).secure(None, False).keep()
        user = Client(server, certificates).connect()
        server.stop()
        assert user.sock.sslhandshake(ca=certificates.ca) == (None, "connection refused")
        assert user.sock.close() == (None, "closed")
        (pool,) = pools()._by_name.values()
        assert (pool.counted, len(pool.idle)) == (1, 1)


def test_the_new_connection_and_its_handshake_have_one_timeout(certificates: Certificates) -> None:
    with serving(certificates) as server:
        Client(server, certificates).connect().secure(None, False).keep()
        user = Client(server, certificates).connect()
        server.stop()
        with listening(*server.address) as silent:  # the system connects, and nobody shakes hands
            assert silent.listen() == (1, None)
            user.sock.settimeouts(50, PATIENCE_MS, PATIENCE_MS)
            assert user.sock.sslhandshake(ca=certificates.ca) == (None, "timeout")
        assert user.sock.close() == (None, "closed")


@pytest.mark.parametrize("by", ["kill", "gevent.Timeout"])
@pytest.mark.parametrize("stage", ["connect", "handshake"])
def test_who_is_ended_while_a_new_connection_is_made_leaves_nothing_behind(
    certificates: Certificates, by: str, stage: str
) -> None:
    with serving(certificates) as server:
        Client(server, certificates).connect(pool_size=2, backlog=0).secure(None, False).keep()
        user = Client(server, certificates).connect()
        server.stop()

        def shake() -> tuple[Any, ...]:
            with gevent.Timeout(0.05 if by == "gevent.Timeout" else None):
                return user.sock.sslhandshake(ca=certificates.ca)

        with ExitStack() as stack:
            if stage == "connect":
                stack.enter_context(silent_listener(*server.address))
            else:
                stack.enter_context(listening(*server.address)).listen()
            shaking = spawn_blocked(shake)
            assert user.reused == 0
            assert user.sock.close() == (None, "socket busy connecting")
            if by == "kill":
                assert thread.kill(shaking) == (1, None)
            else:
                assert isinstance(failure_of(shaking), gevent.Timeout)
            assert user.sock.close() == (None, "closed")
        (pool,) = pools()._by_name.values()
        assert (pool.counted, len(pool.idle)) == (1, 1)


def test_who_waits_for_a_place_gets_no_connection_of_another_certificate(
    client: Callable[..., Client], alice: str
) -> None:
    limited: dict[str, Any] = {"pool_size": 1, "backlog": 5}
    holder = client().show(alice).connect(**limited).secure()
    nobody, same = client(), client().show(alice)
    first = spawn_blocked(lambda: nobody.sock.connect(*nobody.server.address))
    second = spawn_blocked(lambda: same.sock.connect(*same.server.address))
    holder.keep()
    assert result_of(second) == (1, None)
    assert (same.reused, same.secure().who()) == (1, (1, "alice.example"))
    same.close()
    assert result_of(first) == (1, None)
    assert (nobody.reused, nobody.secure().who()) == (0, (2, "None"))
    nobody.close()


def test_what_is_passed_over_counts_as_if_it_were_in_use(client: Callable[..., Client], alice: str) -> None:
    client().show(alice).connect(pool_size=1, backlog=0).secure().keep()
    user = client()
    assert user.sock.connect(*user.server.address) == (None, "too many waiting connect operations")
    user.show(alice).connect().secure()
    assert user.who() == (1, "alice.example")
    user.close()


def test_where_there_is_no_place_for_another_a_connection_without_a_certificate_makes_room(
    client: Callable[..., Client], alice: str
) -> None:
    client().connect(pool_size=1, backlog=0).secure().keep()
    user = client().show(alice).connect()
    assert user.reused == 1
    assert user.secure().reused == 0
    assert user.who() == (2, "alice.example")
    user.close()
    assert pools()._by_name == {}


def test_where_there_is_no_place_what_nobody_can_ask_for_makes_room(
    client: Callable[..., Client], certificates: Certificates, alice: str, tmp_path: Path
) -> None:
    limited: dict[str, Any] = {"pool_size": 1, "backlog": 0}
    context = ssl.create_default_context(cafile=certificates.ca)
    context.load_cert_chain(alice)
    for number in (1, 2):  # a context's own certificate
        user = client(ca=None, context=context).connect(**limited).secure("localhost")
        assert user.who() == (number, "alice.example")
        user.keep()
    mine = str(tmp_path / "mine.pem")
    shutil.copyfile(alice, mine)
    client().show(mine).connect().secure().keep()
    os.unlink(mine)  # and one whose files are gone
    user = client().connect().secure()
    assert user.who() == (4, "None")
    user.close()
    assert pools()._by_name == {}


# All orders


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([{}, {"pool_size": 1, "backlog": 0}, {"pool_size": 2, "backlog": 0}]),
    st.lists(
        st.tuples(
            st.sampled_from(["unnamed", "named"]),  # the pool
            st.sampled_from([None, "alice", "bob"]),  # the certificate
            st.sampled_from(["before", "behind"]),  # when it is set
            st.sampled_from(["always", "if new"]),  # whether there is a handshake
            st.sampled_from([(), (None, False), ("localhost",), ("localhost", False), ("other.example",)]),
            st.booleans(),  # by our authorities, or by those of the system
            st.sampled_from(["keep", "close"]),
        ),
        min_size=2,
        max_size=6,
    ),
)
def test_nobody_gets_a_connection_that_is_not_what_he_asked_for(
    server: SecureServer, certificates: Certificates, limits: dict[str, int], steps: list[tuple[Any, ...]]
) -> None:
    pools().close_idle()
    files: dict[str | None, str | None] = {
        None: None,
        **{name: certificates.issue(f"{name}.example") for name in ("alice", "bob")},
    }
    for pool, who, when, idiom, asked, is_ours, end in steps:
        user = Client(server, certificates, ca=certificates.ca if is_ours else None)
        if when == "before":
            user.show(files[who])
        options: dict[str, Any] = {**limits, "pool": "all together" if pool == "named" else None}
        is_connected, err = user.sock.connect(*server.address, **options)
        if not is_connected:
            assert err == "too many waiting connect operations"  # all places are those of another certificate
            assert limits
            assert pool == "unnamed"
            continue
        if when == "behind":
            user.show(files[who])
        verifies = asked[1:] != (False,)
        is_right = not verifies or (is_ours and asked[:1] != ("other.example",))
        if idiom == "always" or not user.reused:
            outcome = user.sock.sslhandshake(False, *asked, **user.shake)
            assert (outcome[0] is True) is is_right, outcome
            if not is_right:
                assert user.sock.close() == (None, "closed")
                continue
            assert user.who()[1] == ("None" if who is None else f"{who}.example")
            assert all(found.backlog is None or found.counted <= found.size for found in pools()._by_name.values())
        elif pool == "unnamed":  # it trusts the pool's name, but for the certificates of others
            mine = "None" if who is None or when == "behind" else f"{who}.example"
            assert user.who()[1] in ({mine, "None"} if limits else {mine})
        if end == "keep":
            user.keep()
        else:
            user.close()
    settle()
    for found in pools()._by_name.values():
        assert found.counted == len(found.idle)


def test_a_connection_of_the_sockets_own_making_stays_at_a_second_handshake(
    certificates: Certificates, server: SecureServer
) -> None:
    sock = connected(*server.address)
    assert sock.sslhandshake(False, None, False) == (True, None)
    assert sock.sslhandshake(False, "localhost", ca=certificates.ca) == (True, None)
    assert server.connections == 1
    sock.close()
