"""The settings for TLS: which versions are spoken, and how long a chain of certificates may be."""

from __future__ import annotations

from typing import Any

import pytest
import trustme

from lasa.lua import LuaError, Runtime
from lasa.lua.settings import load_settings

# One handshake of a client with a server of lasa's; returns what it was told, and the failure.
SHAKE = """
    local certificate, session = ...
    local server = lasa.socket.tcp()
    assert(server:bind("127.0.0.1", 0))
    assert(server:listen())
    local _, port = server:getsockname()
    local serving = ngx.thread.spawn(function()
        local sock = assert(server:accept())
        sock:sslaccept(certificate)
        sock:receive("*l")
        sock:close()
    end)
    local sock = ngx.socket.tcp()
    sock:settimeout(5000)
    assert(sock:connect("127.0.0.1", port))
    local ok, err = sock:sslhandshake(nil, "localhost", true)
    local sent, why = sock:send("x\\n")
    ngx.thread.wait(serving)
    server:close()
    return type(ok), err, sent or why
"""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The file of an authority, and of a certificate that an authority below it has issued."""
    folder = tmp_path_factory.mktemp("chain")
    root = trustme.CA()
    root.cert_pem.write_to_path(str(folder / "root.pem"))
    root.create_child_ca().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "leaf.pem")
    )
    return str(folder / "root.pem"), str(folder / "leaf.pem")


def shake(chain: tuple[str, str], **settings: Any) -> Any:
    authority, certificate = chain
    found = load_settings({"ssl_trusted_certificate": authority, "socket_log_errors": False, **settings}, folder="/")
    return Runtime(settings=found).load(SHAKE)(certificate)


def test_a_chain_may_be_as_long_as_the_depth(chain: tuple[str, str]) -> None:
    assert shake(chain, ssl_verify_depth=1) == (b"cdata", None, 2)


def test_a_longer_chain_is_refused_and_the_connection_closed(chain: tuple[str, str]) -> None:
    assert shake(chain, ssl_verify_depth=0) == (b"nil", b"22: certificate chain too long", b"closed")


@pytest.mark.parametrize("versions", ["TLSv1.2 TLSv1.3", "TLSV1.2", "SSLv3 tlsv1.3"])
def test_versions_are_named_in_any_case_and_those_of_ssl_mean_nothing(chain: tuple[str, str], versions: str) -> None:
    assert shake(chain, ssl_protocols=versions) == (b"cdata", None, 2)


def test_no_version_that_is_spoken_is_a_failed_handshake(chain: tuple[str, str]) -> None:
    assert shake(chain, ssl_protocols="SSLv2 SSLv3") == (b"nil", b"handshake failed", b"closed")


def test_an_unknown_version_is_told(chain: tuple[str, str]) -> None:
    with pytest.raises(LuaError, match=r"ssl_protocols: 'TLSv2' is none of SSLv2, .*TLSv1\.3"):
        shake(chain, ssl_protocols="TLSv2")


def test_a_command_of_openssl_sets_what_python_can_set(chain: tuple[str, str]) -> None:
    assert shake(chain, ssl_conf_command="MaxProtocol TLSv1.2") == (b"cdata", None, 2)


def test_a_command_of_openssl_that_python_cannot_set_is_told(chain: tuple[str, str]) -> None:
    with pytest.raises(LuaError, match="ssl_conf_command: Python's TLS cannot set 'Ciphersuites X'"):
        shake(chain, ssl_conf_command="Ciphersuites X")
