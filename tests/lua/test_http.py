"""lasa.http in Lua: its options, its answers and its errors; what the seed shows of it is in test_seed.py."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import lasa
from lasa import thread
from lasa.http.server import Request
from lasa.lua import LuaError, Runtime, Settings
from tests.conftest import Certificates
from tests.helpers import Peer, nothing_left_open, raw_listener, settle
from tests.http.tools import serving
from tests.lua.tools import ROOT


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with Runtime(settings=Settings()) as made:
        yield made


def echo(request: Request) -> Any:
    """Answer with what was asked for, as JSON."""
    if request.path == "/chunked":
        with request.respond(200, [("X-Kind", "chunked")]) as response:
            for piece in ("one", "two"):
                response.send(piece)
            response.end([("X-Trailer", "behind")])
        return None
    seen = {
        "method": request.method,
        "path": request.path,
        "query": sorted(request.query.items()),
        "headers": sorted((name, value) for name, value in request.headers.items() if name.startswith("X-")),
        "authorization": request.headers.get("authorization"),
        "agent": request.headers.get("user-agent"),
        "type": (request.headers.get("content-type") or "").partition(";")[0],
        "length": request.headers.get("content-length"),
        "body": request.read().decode(),
    }
    return json.dumps(seen)


def asked(runtime: Runtime, options: str, *arguments: Any) -> dict[str, Any]:
    """Ask with the options, a Lua table without its url; return what the server has seen."""
    with serving(echo) as server:
        code = f"local url, a = ... local hc = lasa.http.client.new() local req = {options} req.url = url .. '/x'"
        body = runtime.load(code + " local ok, resp = hc:request(req) assert(ok, resp) return resp.body")(
            server.url, *arguments
        )
    found: dict[str, Any] = json.loads(body)
    return found


# -- requests


def test_a_request_without_a_body_is_a_get(runtime: Runtime) -> None:
    seen = asked(runtime, "{}")
    assert (seen["method"], seen["body"], seen["length"]) == ("GET", "", None)


def test_a_request_with_a_body_is_a_post(runtime: Runtime) -> None:
    seen = asked(runtime, "{ body = 'a\\0b' }")
    assert (seen["method"], seen["body"], seen["length"]) == ("POST", "a\0b", "3")


def test_a_number_as_body_is_its_text(runtime: Runtime) -> None:
    assert asked(runtime, "{ body = 12 }")["body"] == "12"


def test_method_query_and_headers_are_sent(runtime: Runtime) -> None:
    seen = asked(
        runtime,
        "{ method = 'put', query = { a = 1, b = 'c d' }, headers = { ['X-A'] = 'a', ['X-Many'] = { 'b', 'c' } } }",
    )
    assert seen["method"] == "PUT"
    assert seen["query"] == [["a", "1"], ["b", "c d"]]
    assert seen["headers"] == [["X-A", "a"], ["X-Many", "b"], ["X-Many", "c"]]


def test_a_header_that_is_false_is_left_out(runtime: Runtime) -> None:
    assert asked(runtime, "{ headers = { ['User-Agent'] = false } }")["agent"] is None


def test_json_is_what_a_table_means(runtime: Runtime) -> None:
    seen = asked(runtime, "{ json = { a = { 1, 2, 'ä' }, n = ngx.null, t = true } }")
    assert json.loads(seen["body"]) == {"a": [1, 2, "ä"], "n": None, "t": True}
    assert seen["type"] == "application/json"


def test_a_form_is_encoded(runtime: Runtime) -> None:
    seen = asked(runtime, "{ form = { name = 'a b&' } }")
    assert (seen["body"], seen["type"]) == ("name=a+b%26", "application/x-www-form-urlencoded")


def test_files_are_sent_as_multipart(runtime: Runtime) -> None:
    seen = asked(runtime, "{ files = { upload = { 'name.txt', 'content', 'text/plain' } }, form = { a = 'b' } }")
    assert seen["type"] == "multipart/form-data"
    assert 'name="upload"; filename="name.txt"\r\nContent-Type: text/plain\r\n\r\ncontent' in seen["body"]


def test_credentials_are_a_pair(runtime: Runtime) -> None:
    assert asked(runtime, "{ auth = { 'user', 'pass' } }")["authorization"] == "Basic dXNlcjpwYXNz"


def test_a_body_may_be_a_function_that_waits(runtime: Runtime) -> None:
    pieces = """(function()
        local n = 0
        return function()
            n = n + 1
            lasa.sleep(0.001)
            if n <= 3 then return "piece" .. n end
        end
    end)()"""
    seen = asked(runtime, f"{{ body = {pieces} }}")
    assert (seen["body"], seen["length"]) == ("piece1piece2piece3", None)


def test_a_body_may_be_the_reader_of_another_answer(runtime: Runtime) -> None:
    with serving(echo) as server:
        body = runtime.load("""
            local url = ...
            local hc = lasa.http.client:new()
            local _, _, chunked = hc:request { url = url .. "/chunked" }
            local ok, resp = hc:request { url = url, body = chunked }
            return resp.body
        """)(server.url)
    assert json.loads(body)["body"] == "onetwo"


def test_a_body_that_fails_is_told_of(runtime: Runtime) -> None:
    with serving(echo) as server:
        outcome = runtime.load("""
            local url = ...
            return lasa.http.client.new():request { url = url, body = function() return nil, "no more" end }
        """)(server.url)
    assert outcome == (None, b"request body failed: no more")


def test_an_error_in_a_body_function_is_its_callers(runtime: Runtime) -> None:
    with serving(echo) as server:
        outcome = runtime.load(
            """
            local url = ...
            local hc = lasa.http.client.new()
            return pcall(hc.request, hc, { url = url, body = function() error("oops") end })
        """,
            "@body.lua",
        )(server.url)
    assert outcome == (False, b"body.lua:4: oops")


def test_options_of_the_client_hold_for_its_requests(runtime: Runtime) -> None:
    with serving(echo) as server:
        body = runtime.load("""
            local url = ...
            local hc = lasa.http.client:new { headers = { ["X-Ours"] = "1" } }
            local _, resp = hc:get(url .. "/get", { query = "a=b" })
            return resp.body
        """)(server.url)
    seen = json.loads(body)
    assert (seen["method"], seen["path"], seen["query"]) == ("GET", "/get", [["a", "b"]])
    assert seen["headers"] == [["X-Ours", "1"]]


def test_a_url_alone_is_enough(runtime: Runtime) -> None:
    with serving(echo) as server:
        outcome = runtime.load("local ok, resp = lasa.http.client.new():request(...) return ok, resp.code, resp.url")(
            f"{server.url}/here"
        )
    assert outcome == (True, 200, f"{server.url}/here".encode())


def test_tls_is_verified_unless_it_is_switched_off(runtime: Runtime, certificates: Certificates) -> None:
    pem = certificates.issue("localhost")
    with serving(lambda request: "safe", ssl={"ssl_cert": pem}) as server:
        url = f"https://localhost:{server.address[1]}/"
        code = """
            local url, ca = ...
            local hc = lasa.http.client.new { addresses = { localhost = "127.0.0.1" } }
            local ok, err = hc:request { url = url }
            local _, known = hc:request { url = url, ssl_ca = ca }
            local _, unverified = hc:request { url = url, ssl_verify = false }
            return ok, err, known.body, unverified.body
        """
        ok, err, known, unverified = runtime.load(code)(url, certificates.ca)
    assert ok is None
    assert err.startswith(b"ssl handshake failed: ")
    assert (known, unverified) == (b"safe", b"safe")


# -- answers


def test_headers_are_found_in_any_case_and_listed_as_they_came(runtime: Runtime) -> None:
    answer = (
        b"HTTP/1.1 204 None\r\nX-One: 1\r\nset-cookie: a\r\nSet-Cookie: b\r\nSET-COOKIE: c\r\nX-L\xc3\xa4: \xe4\r\n\r\n"
    )
    answer = answer.replace(b"X-L\xc3\xa4", b"X-Latin")
    with raw_listener() as listener:
        port = listener.getsockname()[1]
        running = thread.spawn(
            runtime.load("""
                local _, resp = lasa.http.client.new():request("http://127.0.0.1:" .. ... .. "/")
                local h = resp.headers
                local names = {}
                for name in pairs(h) do names[#names + 1] = name end
                table.sort(names)
                h["x-one"] = "changed"
                h["New"] = "n"
                return h["x-ONE"], h["SET-cookie"], names, h["X-One"], h.new, h.absent, h[1], h["x-latin"], resp.status
            """),
            port,
        )
        peer = Peer(listener.accept()[0])
        peer.sendall(answer)
        ok, *values = thread.wait(running)
        peer.close()
    assert ok, values
    names = [b"X-Latin", b"X-One", b"set-cookie"]
    assert values == [b"changed", [b"a", b"b", b"c"], names, b"changed", b"n", None, None, b"\xe4", b"None"]


def test_a_chunked_answer_is_read_whole_with_its_trailers(runtime: Runtime) -> None:
    with serving(echo) as server:
        outcome = runtime.load("""
            local ok, resp, chunked = lasa.http.client.new():request(... .. "/chunked")
            local before = resp.body
            return before, resp:read(), resp.body, resp:trailers()["x-trailer"], type(chunked), chunked()
        """)(server.url)
    assert outcome == (None, b"onetwo", b"onetwo", b"behind", b"function", None)


def test_a_plain_answer_is_streamed_if_it_is_asked_for(runtime: Runtime) -> None:
    with serving(lambda request: b"x" * 100_000) as server:
        outcome = runtime.load("""
            local ok, resp, reader = lasa.http.client.new():request { url = ..., stream = true }
            local size = 0
            for piece in reader do size = size + #piece.body end
            return size, reader()
        """)(server.url)
    assert outcome == (100_000, None)


def test_a_stream_that_breaks_gives_the_error_once(runtime: Runtime) -> None:
    with raw_listener() as listener:
        running = thread.spawn(
            runtime.load("""
                local ok, resp, chunked = lasa.http.client.new():request("http://127.0.0.1:" .. ... .. "/")
                local first, second, third = chunked(), chunked(), chunked()
                return first.body, second.body, second.err, third
            """),
            listener.getsockname()[1],
        )
        peer = Peer(listener.accept()[0])
        peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        peer.finish()
        ok, *values = thread.wait(running)
        peer.close()
    assert (ok, values) == (True, [b"abc", None, b"closed", None])


def test_an_answer_that_nobody_reads_is_given_up_by_close(runtime: Runtime) -> None:
    with nothing_left_open(), serving(echo) as server:
        outcome = runtime.load("""
            local hc = lasa.http.client.new { keepalive = 0 }
            local ok, resp, chunked = hc:request(... .. "/chunked")
            resp:close()
            return chunked().err, hc:close(), select("#", hc:close())
        """)(server.url)
    assert outcome == (b"closed", 1, 2)


def test_close_closes_the_clients_idle_connections(runtime: Runtime) -> None:
    with serving(echo) as server, nothing_left_open():
        outcome = runtime.load("""
            local hc = lasa.http.client.new()
            local ok, resp = hc:request(...)
            return ok, resp.code, hc:close()
        """)(f"{server.url}/x")
    assert outcome == (True, 200, 1)


# -- errors


def test_a_request_that_fails_has_a_word(runtime: Runtime) -> None:
    with raw_listener() as listener:
        port = listener.getsockname()[1]
    outcome = runtime.load("""
        local hc = lasa.http.client.new()
        local _, refused = hc:request("http://127.0.0.1:" .. ... .. "/")
        local _, bad = hc:request("nonsense")
        hc:close()
        local _, closed = hc:request("http://127.0.0.1/")
        return refused, bad, closed
    """)(port)
    assert outcome == (b"connection refused", b"bad uri: nonsense", b"closed")


def test_the_timeout_is_for_the_whole_request(runtime: Runtime) -> None:
    with raw_listener() as listener:
        outcome = runtime.load(
            "return lasa.http.client.new():request { url = 'http://127.0.0.1:' .. ... .. '/', timeout = 0.05 }"
        )(listener.getsockname()[1])
    assert outcome == (None, b"timeout")


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("hc:request()", "bad argument #1 to 'request' (table expected, got no value)"),
        ("hc:request(5)", "bad argument #1 to 'request' (table expected, got number)"),
        ("hc:request {}", "url is missing"),
        ("hc:request { url = 'http://a/', time = 5 }", 'unknown option "time"'),
        ("hc:request { url = 'http://a/', timeout = 'x' }", "bad \"timeout\" option value: 'x'"),
        ("hc:request { url = 'http://a/', headers = { ['a b'] = 'x' } }", "bad header name: b'a b'"),
        ("hc:request { url = 'http://a/', headers = { a = 'x\\r\\ny: z' } }", "bad header value of b'a'"),
        ("hc.request({ url = 'http://a/' })", "calling 'request' on bad self (an HTTP client expected)"),
        ("hc:get(nil)", "bad argument #1 to 'get' (string expected, got no value)"),
        ("lasa.http.client.new('x')", "bad argument #1 to 'new' (table expected, got string)"),
        ("lasa.http.client.new { bogus = 1 }", 'unknown option "bogus"'),
    ],
)
def test_a_wrong_argument_is_an_error_at_the_callers_line(runtime: Runtime, call: str, complaint: str) -> None:
    with pytest.raises(LuaError) as caught:
        runtime.load(f"local hc = lasa.http.client.new()\n{call}", "@wrong.lua")()
    assert caught.value.message.startswith(f"wrong.lua:2: {complaint}")


# -- beside the others


def test_others_go_on_while_a_request_waits(runtime: Runtime) -> None:
    def slow(request: Request) -> str:
        lasa.sleep(0.02)
        return "slow"

    with serving(slow) as server:
        order = runtime.load("""
            local url = ...
            local order = {}
            local t = lasa.thread.spawn(function()
                local _, resp = lasa.http.client.new():request(url)
                order[#order + 1] = resp.body
            end)
            order[#order + 1] = "beside"
            lasa.thread.wait(t)
            return order
        """)(server.url)
    assert order == [b"beside", b"slow"]


def test_a_light_thread_that_requests_can_be_killed(runtime: Runtime) -> None:
    with nothing_left_open(), raw_listener() as listener:
        running = thread.spawn(
            runtime.load("return lasa.http.client.new():request('http://127.0.0.1:' .. ... .. '/')"),
            listener.getsockname()[1],
        )
        peer = Peer(listener.accept()[0])
        settle()
        assert thread.kill(running) == (1, None)
        assert b"GET / HTTP/1.1" in peer.recv_until_closed()
        peer.close()


def test_a_start_imports_neither_http_nor_websockets() -> None:
    code = "import sys; from lasa.lua import Runtime; runtime = Runtime(); print('lasa.http' in sys.modules, end=' ');"
    code += (
        "runtime.load('return lasa.http.client')(); print('lasa.http' in sys.modules, 'lasa.websocket' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, cwd=ROOT, check=True
    )
    assert done.stdout == "False True False\n"
