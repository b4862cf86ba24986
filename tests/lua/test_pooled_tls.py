"""Whom a pooled TLS connection of Lua's talks to, and as whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme

from lasa.lua import Runtime
from lasa.lua.settings import load_settings
from tests.conftest import Certificates

# A server that answers each line with the number of its connection, and a script that connects to it.
SERVED = """
    local server_certificate, alice, bob = ...
    local server = lasa.socket.tcp()
    assert(server:bind("127.0.0.1", 0))
    assert(server:listen())
    local _, port = server:getsockname()
    local function serve(sock, number)
        if sock:sslaccept(server_certificate) then
            while sock:receive() do sock:send(number .. "\\n") end
        end
        sock:close()
    end
    local accepting = ngx.thread.spawn(function()
        for number = 1, 100 do ngx.thread.spawn(serve, assert(server:accept()), number) end
    end)
    local FAMILY = %s
    local function connect(before, behind)
        local sock = FAMILY.socket.tcp()
        sock:settimeout(5000)
        if before then assert(sock:setclientcert(before, before)) end
        assert(sock:connect("127.0.0.1", port, { pool_size = 10 }))
        if behind then assert(sock:setclientcert(behind, behind)) end
        return sock
    end
    local function ask(sock)
        assert(sock:send("who\\n"))
        return tonumber(assert(sock:receive()))
    end
    local function run()
        %s
    end
    local results = { run() }
    ngx.thread.kill(accepting)
    server:close()
    return unpack(results)
"""


def run(certificates: Certificates, body: str, family: str = "ngx", **settings: Any) -> Any:
    found = load_settings(
        {"socket_log_errors": False, "ssl_trusted_certificate": certificates.ca, **settings}, folder="/"
    )
    files = [certificates.issue(name) for name in ("localhost", "alice.example", "bob.example")]
    with Runtime(settings=found) as runtime:
        return runtime.load(SERVED % (family, body))(*files)


@pytest.mark.parametrize("family", ["ngx", "lasa"])
def test_a_connection_made_under_a_certificate_is_nobody_elses(certificates: Certificates, family: str) -> None:
    body = """
        local sock = connect(alice)
        assert(sock:sslhandshake(nil, "localhost"))
        local first = ask(sock)
        assert(sock:setkeepalive())
        local numbers = {}
        for _, who in ipairs { false, bob, alice } do
            sock = connect(who)
            if sock:getreusedtimes() == 0 then assert(sock:sslhandshake(nil, "localhost")) end
            numbers[#numbers + 1] = ask(sock)
            assert(sock:setkeepalive())
        end
        sock = connect(nil, bob)
        local before = sock:getreusedtimes()
        assert(sock:sslhandshake(nil, "localhost"))
        numbers[#numbers + 1] = ask(sock)
        return first, before, sock:getreusedtimes(), unpack(numbers)
    """
    assert run(certificates, body, family) == (1, 1, 0, 2, 3, 1, 4)


def test_a_certificate_of_the_settings_counts_like_one_of_a_sockets_own(certificates: Certificates) -> None:
    body = """
        local sock = connect()
        assert(sock:sslhandshake(nil, "localhost"))
        assert(sock:setkeepalive())
        local again = connect()
        assert(again:sslhandshake(nil, "localhost"))
        local reused = again:getreusedtimes()
        assert(again:setkeepalive())
        return reused, connect(bob):getreusedtimes()
    """
    alice = certificates.issue("alice.example")
    assert run(certificates, body, ssl_certificate=alice, ssl_certificate_key=alice) == (1, 0)


def test_what_was_not_verified_does_not_pass_for_verified(certificates: Certificates) -> None:
    body = """
        local told = {}
        for _, verified in ipairs { "localhost", "other.example" } do
            local sock = connect()
            assert(sock:sslhandshake(nil, verified, false))
            assert(sock:setkeepalive())
            sock = connect()
            local before = sock:getreusedtimes()
            local ok, err = sock:sslhandshake(true, verified, true)
            told[#told + 1] = before .. " " .. type(ok) .. " " .. tostring(err)
            if ok then told[#told] = told[#told] .. " " .. sock:getreusedtimes() end
            sock:close()
        end
        return unpack(told)
    """
    assert run(certificates, body) == (b"1 cdata nil 0", b"1 nil certificate host mismatch")


def test_a_session_is_not_taken_up_for_another_name(certificates: Certificates) -> None:
    body = """
        local sock = connect()
        local session = assert(sock:sslhandshake(nil, "localhost", true))
        ask(sock)
        session = sock:sslhandshake(nil, "localhost", true) -- with the ticket that has come since
        sock:close()
        sock = connect()
        return sock:sslhandshake(session, "other.example", true)
    """
    assert run(certificates, body) == (None, b"certificate host mismatch")


@pytest.mark.parametrize(("family", "word"), [("ngx", b"handshake failed"), ("lasa", None)])
def test_lasas_sockets_say_why_a_handshake_failed_and_those_of_ngx_log_it(
    certificates: Certificates, caplog: pytest.LogCaptureFixture, family: str, word: bytes | None
) -> None:
    body = """
        local plain = lasa.socket.tcp()
        assert(plain:bind("127.0.0.1", 0))
        assert(plain:listen())
        local _, plain_port = plain:getsockname()
        local errors = {}
        for index, says in ipairs { "HTTP/1.1 400 Bad Request\\n", "" } do
            local serving = ngx.thread.spawn(function()
                local sock = assert(plain:accept())
                if says == "" then sock:receive(1) else sock:send(says) sock:receive("*a") end
                sock:close()
            end)
            local sock = FAMILY.socket.tcp()
            assert(sock:connect("127.0.0.1", plain_port))
            errors[index] = select(2, sock:sslhandshake(nil, "localhost"))
            ngx.thread.wait(serving)
        end
        plain:close()
        return unpack(errors)
    """
    first, second = run(certificates, body, family, socket_log_errors=True)
    if word is None:
        assert (first, second) == (b"handshake failed: wrong version number", b"handshake failed: closed")
    else:
        assert (first, second) == (word, word)
    told = "\n".join(caplog.messages)
    assert "SSL_do_handshake() failed (SSL: wrong version number)" in told
    assert "peer closed connection in SSL handshake" in told


def test_lua_takes_a_common_name_as_nginx_does(tmp_path: Path, certificates: Certificates) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert(common_name="localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "c.pem"))
    body = f"""
        server_certificate = {str(tmp_path / "c.pem")!r}
        return connect():sslhandshake(false, "localhost", true)
    """
    for family in ("ngx", "lasa"):
        assert run(certificates, body, family, ssl_trusted_certificate=str(tmp_path / "ca.pem")) is True


def test_a_name_that_is_none_is_told(certificates: Certificates) -> None:
    body = """
        local told = {}
        for _, name in ipairs { "", "a..b", ".example.com", ("x"):rep(64), "a\\0b", "\\255" } do
            local sock = connect()
            local ok, err = sock:sslhandshake(false, name, false)
            told[#told + 1] = tostring(ok) .. " " .. tostring(err)
            sock:close()
        end
        return unpack(told)
    """
    bad = b"nil bad server name"
    assert run(certificates, body, "lasa") == (bad,) * 6
    assert run(certificates, body, "ngx") == (b"true nil", *(bad,) * 5)  # OpenResty takes "" for none
