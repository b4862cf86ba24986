"""Certificates of the client that Lua has as texts: ngx.ssl parses them, and a socket shows them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import lasa
from lasa.lua import Runtime, load_settings
from lasa.lua._pem import MAX_FILES, PemFiles
from tests.conftest import Certificates

CONNECT = """
    local ssl = require "ngx.ssl"
    local port, pems = ...
    local said = {}
    for i, pem in ipairs(pems) do
        local certificate, key = assert(ssl.parse_pem_cert(pem)), assert(ssl.parse_pem_priv_key(pem))
        collectgarbage()
        local sock = ngx.socket.tcp()
        sock:settimeout(5000)
        assert(sock:setclientcert(certificate, key))
        assert(sock:connect("127.0.0.1", port))
        assert(sock:sslhandshake(nil, "localhost", true))
        said[i] = assert(sock:receive())
        sock:close()
    end
    return said
"""


@contextmanager
def server_that_names_its_clients(certificates: Certificates) -> Iterator[int]:
    server = lasa.socket.tcp()
    lasa.check(server.bind("127.0.0.1", 0))
    lasa.check(server.listen())

    def serve(sock: Any) -> None:
        with sock:
            lasa.check(sock.sslaccept(certificates.issue("localhost"), ca=certificates.ca))
            names = [value for kind, value in sock.tls.getpeercert()["subjectAltName"] if kind == "DNS"]
            sock.send(",".join(names) + "\n")
            sock.receive()

    def accept() -> None:
        while True:
            sock, _err = server.accept()
            if sock is None:
                return
            lasa.thread.spawn(serve, sock)

    accepting = lasa.thread.spawn(accept)
    try:
        yield server.getsockname()[1]
    finally:
        lasa.thread.kill(accepting)
        server.close()


def new_runtime(certificates: Certificates) -> Runtime:
    settings = {"socket_log_errors": False, "ssl_trusted_certificate": certificates.ca}
    return Runtime(settings=load_settings(settings, folder="/"))


def test_a_socket_shows_what_ngx_ssl_has_parsed_and_to_each_its_own(certificates: Certificates) -> None:
    names = ("alice.example", "bob.example", "alice.example")
    pems = [Path(certificates.issue(name)).read_bytes() for name in names]
    with server_that_names_its_clients(certificates) as port, new_runtime(certificates) as runtime:
        assert runtime.load(CONNECT)(port, pems) == [name.encode() for name in names]


def test_pointers_of_openssls_own_types_are_taken_too(certificates: Certificates) -> None:
    # As lua-resty-openssl has them.
    code = """
        local ffi, ssl = require "ffi", require "ngx.ssl"
        pcall(ffi.cdef, "typedef struct stack_st OPENSSL_STACK; typedef struct evp_pkey_st EVP_PKEY;")
        local certificate, key = ssl.parse_pem_cert((...)), ssl.parse_pem_priv_key((...))
        return ngx.socket.tcp():setclientcert(ffi.cast("OPENSSL_STACK *", certificate), ffi.cast("EVP_PKEY *", key))
    """
    with new_runtime(certificates) as runtime:
        assert runtime.load(code)(Path(certificates.issue("alice.example")).read_bytes()) is True


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("ffi.new('int[1]'), ffi.new('int[1]')", b"bad cert arg: what ngx.ssl.parse_pem_cert returns expected"),
        ("certificate, certificate", b"bad pkey arg: what ngx.ssl.parse_pem_priv_key returns expected"),
        ("certificate, 'key.pem'", b"bad cert arg: string expected, got cdata"),
        ("certificate", b"client certificate must be supplied with corresponding private key"),
    ],
)
def test_what_is_none_of_it_is_refused(certificates: Certificates, arguments: str, expected: bytes) -> None:
    code = f"""
        local ffi, certificate = require "ffi", require("ngx.ssl").parse_pem_cert((...))
        return select(2, ngx.socket.tcp():setclientcert({arguments}))
    """
    with new_runtime(certificates) as runtime:
        assert runtime.load(code)(Path(certificates.issue("alice.example")).read_bytes()) == expected


def test_a_certificate_and_a_key_that_do_not_belong_together_are_an_error(certificates: Certificates) -> None:
    code = """
        local ssl = require "ngx.ssl"
        local one, other = ...
        return ngx.socket.tcp():setclientcert(ssl.parse_pem_cert(one), ssl.parse_pem_priv_key(other))
    """
    texts = [Path(certificates.issue(name)).read_bytes() for name in ("alice.example", "bob.example")]
    with new_runtime(certificates) as runtime:
        ok, err = runtime.load(code)(*texts)
    assert ok is None
    assert b"bad client certificate: " in err


def test_the_same_text_is_the_same_file_and_all_go_with_their_owner() -> None:
    files = PemFiles()
    paths = {files.path_of(b"text %d" % (i % 3)) for i in range(9)}
    assert len(paths) == 3
    assert {Path(path).read_bytes() for path in paths} == {b"text 0", b"text 1", b"text 2"}
    if hasattr(os, "memfd_create"):
        numbers = [int(Path(path).name) for path in paths]
        del files
        for number in numbers:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(number)


def test_a_runtime_keeps_so_many_and_then_says_so() -> None:
    files = PemFiles()
    for i in range(MAX_FILES):
        files.path_of(b"%d" % i)
    with pytest.raises(ValueError, match=f"more than {MAX_FILES} certificates"):
        files.path_of(b"one more")
