"""Why a handshake failed, in OpenSSL's words; what names a certificate has; connections whose identity is outdated."""

from __future__ import annotations

import shutil
import ssl
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.ssl
import pytest
import trustme

from lasa import socket, websocket
from lasa.errors import SocketClosed, check
from lasa.http import client
from lasa.http.client import Client
from tests.conftest import Certificates
from tests.helpers import nothing_left_open, settle
from tests.http.client_tools import OK, Peer, Script, Wire, answering, peer

OLD_WORDS = {"tlsv1 alert protocol version", "unsupported protocol"}


@pytest.fixture(autouse=True)
def nothing_is_left_open(certificates: Certificates) -> Iterator[None]:
    from lasa._stream.connection import pools

    certificates.issue("localhost")
    with nothing_left_open():
        yield
        pools().close_idle()
        settle()


def says(data: bytes) -> Script:
    def script(wire: Wire) -> None:
        wire.send(data)
        wire.rest()

    return script


def ends(end: Callable[[Wire], Any]) -> Script:
    def script(wire: Wire) -> None:
        wire.until(b"\x16")
        end(wire)

    return script


def alert(number: int, level: int = 2) -> Script:
    return ends(lambda wire: wire.send(bytes((0x15, 3, 3, 0, 2, level, number))))


PLAIN: dict[str, tuple[Script, str]] = {
    "plain HTTP": (says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), "wrong version number"),
    "SSH": (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "wrong version number"),
    "closes": (ends(lambda _: None), "closed"),
    "says goodbye": (alert(0, 1), "closed"),
    "resets": (ends(Wire.reset), "connection reset by peer"),
    "an alert": (alert(80), "tlsv1 alert internal error"),
    "another alert": (alert(112), "tlsv1 unrecognized name"),
}


def words_of(server: Peer, **options: Any) -> list[str | None]:
    """What https, wss and a cosocket say of a server, without what they put before it."""
    hc, _ = client.new(**options)
    _, of_https, _ = hc.get(f"https://localhost:{server.port}/")
    _, of_wss = websocket.client.connect(f"wss://localhost:{server.port}/", **options)
    with socket.tcp() as sock:
        assert sock.connect("localhost", server.port) == (1, None)
        _, of_sock = sock.sslhandshake(False, ca=options["ssl_ca"])
    words = [of_https.removeprefix("ssl "), (of_wss or "").removeprefix("ssl "), of_sock or ""]
    assert all(word.startswith("handshake failed: ") for word in words)
    return [word.removeprefix("handshake failed: ") for word in words]


@pytest.mark.parametrize("kind", PLAIN)
def test_a_peer_without_tls_is_told_from_others(kind: str, certificates: Certificates) -> None:
    script, word = PLAIN[kind]
    with peer(script) as server:
        assert words_of(server, ssl_ca=certificates.ca) == [word] * 3


def tls_context(certificates: Certificates, **settings: Any) -> ssl.SSLContext:
    context: ssl.SSLContext = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.issue("localhost"))
    context.load_verify_locations(certificates.ca)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of versions that hardly anybody should speak
        for name, value in settings.items():
            setattr(context, name, value)
    return context


def test_what_both_sides_do_not_agree_on_is_told(certificates: Certificates) -> None:
    old = tls_context(certificates, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    other_cipher = tls_context(certificates, maximum_version=ssl.TLSVersion.TLSv1_2)
    other_cipher.set_ciphers("AES128-SHA")  # for keys of another kind than the certificate's
    wants = tls_context(certificates, maximum_version=ssl.TLSVersion.TLSv1_2, verify_mode=ssl.CERT_REQUIRED)
    for context, words in (
        (old, OLD_WORDS),
        (other_cipher, {"sslv3 alert handshake failure"}),
        (wants, {"sslv3 alert handshake failure"}),
    ):
        with peer(Wire.rest, tls=context) as server:
            assert set(words_of(server, ssl_ca=certificates.ca)) <= words


def test_a_certificate_that_is_missed_only_after_the_handshake_is_told_too(certificates: Certificates) -> None:
    word = "tlsv13 alert certificate required"
    wants = tls_context(certificates, minimum_version=ssl.TLSVersion.TLSv1_3, verify_mode=ssl.CERT_REQUIRED)
    with peer(Wire.rest, tls=wants) as server:
        hc, _ = client.new(ssl_ca=certificates.ca)
        assert hc.get(f"https://localhost:{server.port}/")[1] == word
        err: str | None
        _, err = websocket.client.connect(f"wss://localhost:{server.port}/", ssl_ca=certificates.ca)
        assert err == f"failed to receive response header: {word}"
        for waits_s in (0.0, 0.05):
            with socket.tcp() as sock:
                assert sock.connect("localhost", server.port) == (1, None)
                assert sock.sslhandshake(False, ca=certificates.ca) == (True, None)
                gevent.sleep(waits_s)
                sent, err = sock.send("x\n")
                if sent:
                    _, err, _ = sock.receive()
                assert err == word


def test_a_send_that_fails_tells_the_alert_that_came_before(certificates: Certificates) -> None:
    wants = tls_context(certificates, minimum_version=ssl.TLSVersion.TLSv1_3, verify_mode=ssl.CERT_REQUIRED)

    def accept(wire: Wire) -> None:
        try:
            wire.start_tls(wants)
        except ssl.SSLError:
            wire.reset()

    with peer(accept) as server, socket.tcp() as sock:
        assert sock.connect("localhost", server.port) == (1, None)
        assert sock.sslhandshake(False, ca=certificates.ca) == (True, None)
        gevent.sleep(0.03)
        assert sock.send("x\n") == (None, "tlsv13 alert certificate required")


def test_a_failed_handshake_is_an_exception_of_its_cause(certificates: Certificates) -> None:
    with peer(ends(lambda _: None)) as server, socket.tcp() as sock:
        assert sock.connect("localhost", server.port) == (1, None)
        with pytest.raises(SocketClosed, match="handshake failed: closed"):
            check(sock.sslhandshake())
        hc, _ = client.new()
        with pytest.raises(SocketClosed, match="ssl handshake failed: closed"):
            check(hc.get(f"https://localhost:{server.port}/"))


def test_the_common_name_of_a_certificate_is_not_looked_at(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert(common_name="localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "c.pem"))
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(tmp_path / "c.pem"))
    with peer(answering(OK), tls=context) as server:
        words = words_of_https_and_wss(server, ssl_ca=str(tmp_path / "ca.pem"))
        assert words == ["ssl handshake failed: certificate host mismatch"] * 2
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        own.load_verify_locations(tmp_path / "ca.pem")
        words = words_of_https_and_wss(server, ssl_context=own)
        assert words == ["ssl handshake failed: certificate host mismatch"] * 2
        hc, _ = client.new(ssl_verify=False)
        assert asks(hc, server) == 5


def words_of_https_and_wss(server: Peer, **options: Any) -> list[Any]:
    hc, _ = client.new(**options)
    return [
        hc.get(f"https://localhost:{server.port}/")[1],
        websocket.client.connect(f"wss://localhost:{server.port}/", **options)[1],
    ]


# Idle connections that are no longer what their pool's name says


def asks(hc: Client, server: Peer) -> int:
    """Over which connection an answer came, counted from 1."""
    response, _ = check(hc.get(f"https://localhost:{server.port}/"))
    assert response.body == b"ok"
    return server.connections


def test_a_certificate_renewed_in_its_file_is_shown_over_a_new_connection(
    tmp_path: Path, certificates: Certificates
) -> None:
    mine = str(tmp_path / "mine.pem")
    shutil.copyfile(certificates.issue("alice.example"), mine)
    with peer(answering(OK), tls=tls_context(certificates, verify_mode=ssl.CERT_REQUIRED)) as server:
        hc, _ = client.new(ssl_ca=certificates.ca, ssl_cert=mine)
        assert [asks(hc, server), asks(hc, server)] == [1, 1]
        shutil.copyfile(certificates.issue("bob.example"), mine)
        assert [asks(hc, server), asks(hc, server)] == [2, 2]


def test_a_context_that_its_owner_has_changed_makes_new_connections(certificates: Certificates) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with peer(answering(OK), tls=tls_context(certificates)) as server:
        hc, _ = client.new(ssl_context=context)
        assert [asks(hc, server), asks(hc, server)] == [1, 1]
        context.verify_mode = ssl.CERT_REQUIRED
        _, err, _ = hc.get(f"https://localhost:{server.port}/")
        assert "certificate" in err


def test_authorities_of_the_environment_are_looked_at_for_idle_connections_too(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca)
    with peer(answering(OK), tls=tls_context(certificates)) as server:
        hc, _ = client.new()
        assert [asks(hc, server), asks(hc, server)] == [1, 1]
        monkeypatch.delenv("SSL_CERT_FILE")
        assert hc.get(f"https://localhost:{server.port}/")[0] is None
