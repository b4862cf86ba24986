"""Content handlers: what is sent and when, how they end, and what goes wrong in them; compared with nginx's ngx_lua."""

from __future__ import annotations

import pytest

from tests.helpers import settle
from tests.http.tools import answers, connect, read_answer, serving, talk
from tests.lua.handlers import ask, body_of, head, running, talk_lua

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PAGE = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>lasa</center>\r\n</body>\r\n</html>\r\n"
)


# -- output


def test_what_is_said_by_the_end_goes_with_its_length() -> None:
    answer = ask('ngx.say("hello ", 1, " ", true, {"a", {"b"}}) ngx.print("end")')
    assert (answer.status, answer.body) == (200, b"hello 1 trueab\nend")
    assert (answer.headers["content-type"], answer.headers["content-length"]) == ("text/plain", "18")


def test_a_handler_that_says_nothing_answers_200() -> None:
    answer = ask("")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"", "text/plain")


def test_a_flush_sends_what_was_said_so_far() -> None:
    code = """
        ngx.say("first")
        ngx.flush(true)
        while not go do ngx.sleep(0.001) end
        ngx.say("second")
    """
    with running(code) as (runtime, server), connect(server) as sock:
        sock.send(GET)
        seen, err, _ = sock.receiveuntil("first\n")()
        assert seen is not None, err
        assert b"Transfer-Encoding: chunked" in seen
        runtime.load("go = true")()
        rest, _, _ = sock.receiveuntil("0\r\n\r\n")()
        assert rest == b"\r\n7\r\nsecond\n\r\n"


def test_much_output_leaves_before_the_end_in_chunks() -> None:
    answer = ask('for i = 1, 3000 do ngx.print(("x"):rep(100)) end')
    assert len(answer.body) == 300_000
    assert answer.headers["transfer-encoding"] == "chunked"


def test_output_inside_a_function_of_c_waits_until_it_can_leave() -> None:
    answer = ask('table.sort({3, 2, 1}, function(a, b) ngx.print(("y"):rep(20000)) return a < b end) ngx.say("!")')
    assert answer.body.endswith(b"y!\n")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("ngx.flush()", b"nil nothing to flush"),
        ("ngx.flush(true)", b"nil nothing to flush"),
        ("ngx.eof()", b"1 nil"),
        ("ngx.send_headers()", b"1 nil"),
        ("ngx.say()", b"1 nil"),
    ],
)
def test_calls_of_output_answer_as_openresty(call: str, said: bytes) -> None:
    with running(f"local a, b = {call} said = tostring(a) .. ' ' .. tostring(b)") as (runtime, server):
        talk(server, head())
        assert runtime.load("return said")() == said


def test_after_the_end_of_output_nothing_more_is_said() -> None:
    code = """
        ngx.say("a")
        local first = { ngx.eof() }
        local second = { ngx.eof() }
        local late = { ngx.say("late") }
        said = table.concat({ first[1], second[2], late[2] }, ", ")
    """
    with running(code) as (runtime, server):
        [answer] = answers(talk(server, head()))
        assert (answer.body, runtime.load("return said")()) == (b"a\n", b"1, seen eof, seen eof")


def test_eof_answers_while_the_handler_goes_on() -> None:
    code = 'ngx.say("done") ngx.eof() while not go do ngx.sleep(0.001) end'
    with running(code) as (runtime, server), connect(server) as sock:
        sock.send(GET)
        answer, _ = read_answer(sock)
        assert (answer.body, answer.headers["content-length"]) == (b"done\n", "5")
        runtime.load("go = true")()
        settle()


def test_a_head_has_no_body_and_its_handler_is_told() -> None:
    code = 'ngx.say("a") said = select(2, ngx.say("b"))'
    with running(code) as (runtime, server):
        [answer] = answers(talk(server, head(method="HEAD")), "HEAD")
        assert (answer.status, answer.body, runtime.load("return said")()) == (200, b"", b"header only")
        assert "content-length" not in answer.headers  # that of a GET's answer is not known


def test_http_1_0_gets_a_whole_answer_with_its_length() -> None:
    code = 'ngx.say("a") ngx.say(tostring(select(2, ngx.flush(true))))'
    answer = ask(code, version="1.0")
    assert (answer.body, answer.headers["content-length"]) == (b"a\nbuffering\n", "12")


def test_kept_connections_and_pipelined_requests_are_answered_in_order() -> None:
    found = answers(talk_lua("ngx.say(ngx.var.uri)", GET.replace(b"/ ", b"/1 ") + GET + head("/3")))
    assert [answer.body for answer in found] == [b"/1\n", b"/\n", b"/3\n"]


# -- the end


@pytest.mark.parametrize(
    ("code", "status", "body"),
    [
        ("ngx.exit(404)", 404, PAGE.format("404 Not Found")),
        ("ngx.exit(401)", 401, PAGE.format("401 Authorization Required")),
        ("ngx.exit(503)", 503, PAGE.format("503 Service Temporarily Unavailable")),
        ("ngx.exit(302)", 302, PAGE.format("302 Found")),
        ("ngx.exit(418)", 418, ""),
        ("ngx.exit(200)", 200, ""),
        ("ngx.exit(204)", 204, ""),
        ("ngx.exit(ngx.OK)", 200, ""),
        ("ngx.status = 201 ngx.exit(404)", 404, PAGE.format("404 Not Found")),
        ("ngx.status = 404 ngx.exit(200)", 404, ""),
        ("ngx.status = 404 ngx.say('x') ngx.exit(200)", 404, "x\n"),
        ("ngx.say('x') ngx.exit(404)", 200, "x\n"),
        ("ngx.status = 404", 404, ""),
        ("pcall(ngx.exit, 403) ngx.say('never')", 403, PAGE.format("403 Forbidden")),
    ],
)
def test_exit_answers_as_nginx(code: str, status: int, body: str) -> None:
    answer = ask(code)
    assert (answer.status, answer.body.decode()) == (status, body)


@pytest.mark.parametrize(
    "code",
    ["ngx.exit(444)", "ngx.exit(ngx.ERROR)", "ngx.exit(499)", "ngx.exit(408)", "ngx.exit(ngx.DECLINED)", "ngx.exit(1)"],
)
def test_some_statuses_end_the_connection_without_an_answer(code: str) -> None:
    assert talk_lua(code, head()) == b""


def test_exit_after_output_logs_that_the_status_comes_too_late(caplog: pytest.LogCaptureFixture) -> None:
    ask("ngx.say('x') ngx.exit(404)")
    assert "attempt to set status 404 via ngx.exit after sending out the response status 200" in caplog.text


def test_a_redirect_has_its_location_and_page() -> None:
    answer = ask("ngx.redirect('/there?a=1')")
    assert (answer.status, answer.headers["location"]) == (302, "/there?a=1")
    assert answer.body.decode() == PAGE.format("302 Found")
    assert ask("ngx.redirect('https://a.test/', 308)").status == 308


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("ngx.redirect()", "expecting one or two arguments"),
        ("ngx.redirect('/', 300)", "only ngx.HTTP_MOVED_TEMPORARILY, ngx.HTTP_MOVED_PERMANENTLY, "),
        ("ngx.redirect('/a\\nb')", 'unsafe byte "0x0a" in redirect uri "/a\\x0Ab"'),
        ("ngx.say('x') ngx.redirect('/')", "attempt to call ngx.redirect after sending out the headers"),
    ],
)
def test_a_bad_redirect_is_an_error(call: str, complaint: str) -> None:
    code = f"local ok, err = pcall(function() {call} end) ngx.say(err)"
    assert f"handler.lua:1: {complaint}" in ask(code).body.decode()


# -- light threads


def test_the_request_ends_with_its_last_light_thread() -> None:
    code = """
        local function later(delay) ngx.sleep(delay) ngx.say("after ", delay) end
        ngx.thread.spawn(later, 0.02)
        ngx.thread.spawn(later, 0.01)
        ngx.say("main")
    """
    assert body_of(code) == "main\nafter 0.01\nafter 0.02\n"


def test_exit_in_a_light_thread_ends_all_of_the_request() -> None:
    code = """
        ngx.thread.spawn(function() ngx.sleep(0.01) ngx.exit(403) end)
        ngx.thread.spawn(function() ngx.sleep(60) end)
    """
    assert ask(code).status == 403
    assert ask(code + " ngx.sleep(60)").status == 403


def test_an_error_in_a_light_thread_leaves_the_request_alone(caplog: pytest.LogCaptureFixture) -> None:
    code = 'ngx.say(ngx.thread.wait(ngx.thread.spawn(function() error("oops") end)))'
    assert body_of(code).endswith("handler.lua:1: oops\n")
    assert "lua user thread aborted: runtime error: handler.lua:1: oops" in caplog.text


def test_requests_run_beside_each_other_and_share_globals() -> None:
    code = "count = (count or 0) + 1 local mine = count ngx.sleep(0.02) ngx.say(mine, ' ', count)"
    with running(code) as (_, server), connect(server) as first, connect(server) as second:
        first.send(GET)
        second.send(GET)
        bodies = [read_answer(first)[0].body, read_answer(second)[0].body]
    assert sorted(bodies) == [b"1 2\n", b"2 2\n"]


def test_sockets_of_a_request_are_closed_with_it() -> None:
    with serving(lambda request: "hi") as other:
        host, port = other.address
        code = f'kept = ngx.socket.tcp() kept:connect("{host}", {port}) ngx.say(tostring(select(2, kept:send(""))))'
        with running(code) as (_, server):
            talk(server, head())
            settle()
            assert other.connections == 0


# -- what goes wrong


def test_an_error_is_a_500_and_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    answer = ask('local function deep() error("boom") end\ndeep()', "/a?b=1")
    assert (answer.status, answer.headers["content-type"]) == (500, "text/html")
    assert answer.body.decode() == PAGE.format("500 Internal Server Error")
    [record] = caplog.records
    assert record.name == "lasa.lua"
    lines = record.getMessage().splitlines()
    assert lines[0] == "lua entry thread aborted: runtime error: handler.lua:1: boom"
    assert lines[1] == "stack traceback:"
    assert lines[-1].startswith("\thandler.lua:2: in main chunk, ")
    assert lines[-1].endswith('client: 127.0.0.1, server: , request: "GET /a?b=1 HTTP/1.1", host: "a.test"')


def test_an_error_without_a_line_is_logged_without_one(caplog: pytest.LogCaptureFixture) -> None:
    assert ask('error("no line", 2)').status == 500
    assert "runtime error: no line\nstack traceback:\n" in caplog.text


def test_an_error_object_is_a_500_too(caplog: pytest.LogCaptureFixture) -> None:
    assert ask("error({ code = 1 })").status == 500
    assert "runtime error: unknown reason" in caplog.text


@pytest.mark.parametrize("wait", ["", "ngx.sleep(0)", "ngx.flush(true)"])
def test_an_error_after_output_ends_the_connection(wait: str) -> None:
    received = talk_lua(f'ngx.say("part") {wait} error("boom")', head())
    assert not received.endswith(b"0\r\n\r\n")
    assert b"500" not in received


@pytest.mark.parametrize("code", ["ngx.print('{0}')", "ngx.print('{0}') ngx.flush(true)", "ngx.print('{0}') ngx.eof()"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_content_length_of_the_scripts_is_sent_with_so_many_bytes(code: str, version: str) -> None:
    set_length = "ngx.header.content_length = #'hello' "
    for text in ("hello", "hello, and more"):
        received = talk_lua(set_length + code.format(text), head(version=version))
        assert received.endswith(b"\r\n\r\nhello")
        assert received.lower().count(b"content-length: 5\r\n") == 1
    [answer] = answers(talk_lua(set_length + code.format("hello"), head(method="HEAD", version=version)), "HEAD")
    assert (answer.headers["content-length"], answer.body) == ("5", b"")


def test_the_pieces_of_a_body_share_its_content_length() -> None:
    code = "ngx.header.content_length = 8 for _ = 1, 3 do said = ngx.print('12345') ngx.flush(true) end"
    assert ask(code).body == b"12345123"


@pytest.mark.parametrize(
    "code", ["", "ngx.print('abc')", "ngx.print('abc') ngx.flush(true)", "ngx.print('abc') ngx.eof()"]
)
def test_a_body_that_is_shorter_than_its_content_length_ends_the_connection(code: str) -> None:
    request = head().replace(b"Connection: close\r\n", b"") * 2
    received = talk_lua("ngx.header.content_length = 7 " + code, request)
    assert received.count(b"HTTP/1.1 200") == received.lower().count(b"content-length: 7") == 1
    assert received.endswith(b"\r\n\r\nabc" if code else b"\r\n\r\n")


def test_a_body_that_is_too_short_leaves_nothing_behind() -> None:
    with running("ngx.header.content_length = 7 ngx.print('abc')") as (runtime, server):
        before = set(runtime.contexts)
        for _ in range(3):
            assert talk(server, head()).endswith(b"abc")
        assert set(runtime.contexts) == before


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("201.7", "201 Created"),
        ("'201'", "201 Created"),
        ("299.999", "299 "),
        ("600", "600 "),
        ("999", "999 "),
        # What is no status is logged, and counts for nothing: nginx would send a line that no client can read.
        ("0", "200 OK"),
        ("99", "200 OK"),
        ("1000", "200 OK"),
        ("-1", "200 OK"),
        ("0/0", "200 OK"),
        ("1e10", "200 OK"),
    ],
)
def test_statuses(status: str, line: str) -> None:
    assert talk_lua(f"ngx.status = {status} ngx.say('x')", head()).startswith(b"HTTP/1.1 %b\r\n" % line.encode())


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("", b""),
        ("ngx.say('x')", b"x\n"),
        ("ngx.say('x') ngx.flush(true) ngx.say('y')", b"x\ny\n"),
        ("ngx.send_headers() ngx.say('x') ngx.flush(true)", b"x\n"),
        ("ngx.say('x') ngx.eof()", b"x\n"),
        ("local s = assert(ngx.send_headers() and ngx.req.socket(true)) s:send('raw')", b"raw"),
    ],
)
@pytest.mark.parametrize(("status", "line"), [(101, b"101 Switching Protocols"), (103, b"103 Early Hints")])
def test_bytes_behind_an_interim_status_are_as_they_are(code: str, body: bytes, status: int, line: bytes) -> None:
    received = talk_lua(f"ngx.status = {status} {code}", head())
    first, _, rest = received.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 %b\r\n" % line)
    assert (b"Connection: upgrade" in first) == (status == 101)
    assert b"Content-Length" not in first
    assert b"Transfer-Encoding" not in first
    assert rest == body


def test_a_status_may_be_an_integer_of_ffis() -> None:
    assert ask("ngx.exit(404LL)").status == 404


@pytest.mark.parametrize("code", ["ngx.exit(ngx.AGAIN)", "ngx.exit(ngx.DONE)", "ngx.exit('404')", "ngx.exit({})"])
def test_what_no_exit_takes_is_an_error(code: str, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(code).status == 500
    assert "handler.lua:1: bad argument" in caplog.text


def test_a_client_that_is_gone_is_told_of_by_flush() -> None:
    code = """
        ngx.say("begin")
        ngx.flush(true)
        local piece = ("x"):rep(1000000)
        local ok, err
        repeat ok, err = ngx.say(piece) until not ok
        said = err
        repeat ok, err = ngx.flush(true) until not ok
        said = said .. ", " .. err
    """
    with running(code) as (runtime, server):
        with connect(server) as sock:
            sock.send(GET)
            sock.receiveuntil("begin\n")()
        while server.connections:
            settle()
        assert runtime.load("return said")() == b"nginx output filter error, nginx output filter error"


def test_a_handler_that_is_cut_off_ends_with_its_light_threads() -> None:
    code = """
        ngx.thread.spawn(function() ngx.sleep(60) end)
        started = true
        ngx.sleep(60)
    """
    with running(code) as (runtime, server), connect(server) as sock:
        sock.send(GET)
        while not runtime.load("return started")():
            settle()
        server.stop(0)
        assert sock.receive("*a")[0] == b""
        assert list(runtime.contexts.values()) == [runtime.default]


def test_nothing_is_left_of_requests_that_are_over() -> None:
    code = """
        if ngx.var.arg_way == "wait" then ngx.sleep(0) end
        if ngx.var.arg_way == "fail" then error("x") end
        if ngx.var.arg_way == "exit" then ngx.exit(404) end
        ngx.say(ngx.ctx.seen) ngx.ctx.seen = true
    """
    requests = b"".join(
        head(f"/?way={way}").replace(b"Connection: close\r\n", b"") for way in ("", "wait", "fail", "exit")
    )
    with running(code) as (runtime, server):
        found = answers(talk(server, requests + head()))
        assert [answer.status for answer in found] == [200, 200, 500, 404, 200]
        assert list(runtime.contexts.values()) == [runtime.default]
        assert not runtime.threads
