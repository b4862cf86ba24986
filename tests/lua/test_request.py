"""ngx.req and ngx.var: what a handler learns of its request, and what it may change of it; compared with nginx."""

from __future__ import annotations

import pytest

from lasa.lua._api.requests import normalized
from tests.http.tools import answers, connect, talk
from tests.lua.handlers import ask, body_of, head, running, talk_lua
from tests.lua.tools import run_lua

# Says a table, its keys in order.
DUMP = """
    local function dump(t, err)
        local keys = {}
        for key in pairs(t) do keys[#keys + 1] = tostring(key) end
        table.sort(keys)
        for _, key in ipairs(keys) do
            local value = rawget(t, key)
            if type(value) == "table" then value = "{" .. table.concat(value, ",") .. "}" end
            ngx.print(key, "=", value, " ")
        end
        ngx.say(err or "")
    end
"""


# -- the head


def test_a_request_tells_its_method_version_and_phase() -> None:
    code = """
        ngx.say(ngx.req.get_method(), " ", ngx.req.http_version(), " ", tostring(ngx.req.is_internal()), " ",
            tostring(ngx.is_subrequest), " ", ngx.get_phase())
    """
    assert body_of(code, method="DELETE") == "DELETE 1.1 false false content\n"
    assert body_of(code, version="1.0") == "GET 1 false false content\n"


def test_start_time_is_when_the_request_came() -> None:
    code = "local now = ngx.now() ngx.say(now - ngx.req.start_time() < 1, ' ', ngx.req.start_time() <= ngx.now())"
    assert body_of(code) == "true true\n"


def test_arguments_are_decoded_and_repeated_ones_are_arrays() -> None:
    assert body_of(DUMP + "dump(ngx.req.get_uri_args())", "/?a=1&b=&a=2&c&%41%20=+x") == "A = x a={1,2} b= c=true \n"
    assert body_of(DUMP + "dump(ngx.req.get_uri_args())") == "\n"
    assert body_of(DUMP + "dump(ngx.req.get_uri_args(1))", "/?a=1&b=2") == "a=1 truncated\n"


def test_arguments_fill_a_table_that_is_given() -> None:
    assert body_of(DUMP + "local t = { x = 1 } dump(ngx.req.get_uri_args(0, t)) ngx.say(t.a)", "/?a=1") == "a=1 \n1\n"


def test_headers_are_found_by_any_spelling() -> None:
    code = (
        DUMP
        + """
        local headers = ngx.req.get_headers()
        dump(headers)
        ngx.say(headers.X_One, headers["x-one"], tostring(headers.none))
        dump(ngx.req.get_headers(2))
        dump(ngx.req.get_headers(0, true))
    """
    )
    assert body_of(code, headers=("X-One: 1", "X-Two: a", "X-Two: b")).splitlines() == [
        "connection=close host=a.test x-one=1 x-two={a,b} ",
        "11nil",
        "connection=close host=a.test truncated",
        "Connection=close Host=a.test X-One=1 X-Two={a,b} ",
    ]


def test_headers_may_be_set_and_cleared() -> None:
    code = (
        DUMP
        + """
        ngx.req.set_header("X-One", "new\\r\\nX-Evil: 1")
        ngx.req.set_header("foo_bar", 1)
        ngx.req.set_header("multi", { "a", 2 })
        ngx.req.clear_header("connection")
        ngx.req.set_header("Host", nil)
        dump(ngx.req.get_headers())
        ngx.say(ngx.var.http_foo_bar, ngx.var.http_multi)
    """
    )
    assert body_of(code, headers=("X-One: 1",)) == "foo_bar=1 multi={a,2} x-one=new%0D%0AX-Evil: 1 \n1a\n"


def test_the_raw_head_is_what_came() -> None:
    request = head("/a?b=1", headers=("X-One:   1  ",))
    found = answers(talk_lua("ngx.print(ngx.req.raw_header())", request))[0].body
    assert found == request.replace(b":   1  ", b": 1")
    assert body_of("ngx.print(ngx.req.raw_header(true))") == "Host: a.test\r\nConnection: close\r\n\r\n"


def test_method_and_uri_may_be_set() -> None:
    code = """
        ngx.req.set_method(ngx.HTTP_PUT)
        ngx.req.set_uri("/new uri")
        ngx.req.set_uri_args("a=1 2")
        ngx.say(ngx.var.request_method, " ", ngx.var.uri, " ", ngx.var.args, " ", ngx.req.get_uri_args().a, " ",
            ngx.var.request_uri, " ", tostring(ngx.req.is_internal()))
        ngx.req.set_uri_args({ x = 3 })
        ngx.say(ngx.var.arg_x)
    """
    assert body_of(code, "/old?y=1") == "PUT /new uri a=1%202 1 2 /old?y=1 true\n3\n"


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("ngx.req.set_method('GET')", "bad method number"),
        ("ngx.req.set_method(3)", "unsupported HTTP method: 3"),
        ("ngx.req.set_uri()", "expecting 1, 2 or 3 arguments but seen 0"),
        ("ngx.req.set_uri('')", "attempt to use zero-length uri"),
        (
            "ngx.req.set_uri('/a\\1')",
            'unsafe byte "0x01" in uri "/a\\x01" (maybe you want to set the \'binary\' argument?)',
        ),
        ("ngx.req.set_uri('/a', true)", "API disabled in the context of content_by_lua*"),
        ("ngx.req.set_uri_args()", "expecting 1 argument but seen 0"),
        (
            "ngx.req.set_uri_args(true)",
            "bad argument #1 to 'set_uri_args' (string, number, or table expected, but got boolean)",
        ),
        ("ngx.req.set_header()", "bad 'name' argument: string expected, got nil"),
        ("ngx.req.get_post_args()", "no request body found; maybe you should turn on lua_need_request_body?"),
        ("ngx.req.read_body(1)", "expecting 0 arguments but seen 1"),
        ("ngx.req.set_body_data('x')", "request body not read yet"),
        ("ngx.req.append_body('x')", "request_body not initialized"),
        ("ngx.ctx = 1", "ctx should be a table while getting a number"),
        ("return ngx.var[{}]", "bad variable name"),
        ("ngx.var.uri = '/'", 'variable "uri" not changeable'),
    ],
)
def test_a_wrong_call_names_its_own_line(call: str, complaint: str) -> None:
    code = f"local ok, err = pcall(function()\n{call} end) ngx.say(err)"
    assert body_of(code) == f"handler.lua:2: {complaint}\n"


# -- the body


def test_a_body_is_read_when_it_is_asked_for() -> None:
    code = (
        DUMP
        + """
        ngx.say(tostring(ngx.req.get_body_data()))
        ngx.req.read_body()
        ngx.req.read_body()
        ngx.say(ngx.req.get_body_data(), " ", ngx.var.request_body, " ", tostring(ngx.req.get_body_file()))
        dump(ngx.req.get_post_args())
        ngx.say((select(2, ngx.req.get_post_args(1))))
    """
    )
    assert body_of(code, method="POST", body=b"p=1&q=2&q=3").splitlines() == [
        "nil",
        "p=1&q=2&q=3 p=1&q=2&q=3 nil",
        "p=1 q={2,3} ",
        "truncated",
    ]


def test_a_chunked_body_is_a_body() -> None:
    chunks = b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
    code = "ngx.req.read_body() ngx.say(ngx.req.get_body_data())"
    assert body_of(code, method="POST", headers=("Transfer-Encoding: chunked",), body=chunks) == "hello!\n"


def test_no_body_is_nil() -> None:
    code = "ngx.req.read_body() ngx.say(tostring(ngx.req.get_body_data()), tostring(next(ngx.req.get_post_args())))"
    assert body_of(code) == "nilnil\n"


def test_a_large_body_is_in_a_file_that_goes_with_the_request() -> None:
    code = """
        ngx.req.read_body()
        name = ngx.req.get_body_file()
        local file = io.open(name)
        ngx.say(tostring(ngx.req.get_body_data()), " ", #file:read("*a"), " ", select(2, ngx.req.get_post_args()))
        file:close()
    """
    with running(code) as (runtime, server):
        [answer] = answers(talk(server, head(method="POST", body=b"x" * 3_000_000)))
        assert answer.body == b"nil 3000000 request body in temp file not supported\n"
        assert runtime.load("return io.open(name) == nil")() is True


def test_a_body_may_be_replaced() -> None:
    code = """
        ngx.req.read_body()
        ngx.req.set_body_data("new")
        ngx.say(ngx.req.get_body_data(), ngx.var.content_length)
        ngx.req.init_body()
        ngx.req.append_body("ab")
        ngx.req.append_body("cde")
        ngx.req.finish_body()
        ngx.say(ngx.req.get_body_data(), ngx.req.get_headers().content_length)
    """
    assert body_of(code, method="POST", body=b"old body") == "new3\nabcde5\n"


def test_a_discarded_body_is_none_and_the_connection_goes_on() -> None:
    code = "ngx.req.discard_body() ngx.req.read_body() ngx.say(tostring(ngx.req.get_body_data()))"
    first = head(method="POST", body=b"x" * 1000).replace(b"Connection: close\r\n", b"")
    assert [answer.body for answer in answers(talk_lua(code, first + head()), "POST", "GET")] == [b"nil\n"] * 2


def test_a_body_that_is_too_large_is_refused_by_the_server() -> None:
    code = "pcall(ngx.req.read_body) ngx.say('never')"
    chunks = b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n"
    [answer] = answers(
        talk_lua(code, head(method="POST", headers=("Transfer-Encoding: chunked",), body=chunks), max_body=50)
    )
    assert answer.status == 413


def test_a_client_that_goes_while_its_body_is_read_ends_the_handler() -> None:
    code = "begun = true ngx.req.read_body() finished = true"
    with running(code) as (runtime, server):
        with connect(server) as sock:
            sock.send(head(method="POST", headers=("Content-Length: 10",), body=b"half"))
            sock.shutdown("send")
            assert sock.receive("*a")[0] == b""
        assert (runtime.load("return begun")(), runtime.load("return finished")()) == (True, None)


# -- variables

VARIABLES = [
    ("uri", "/b c"),
    ("document_uri", "/b c"),
    ("request_uri", "/a/../b%20c?x=1&Y=2&x=3"),
    ("args", "x=1&Y=2&x=3"),
    ("query_string", "x=1&Y=2&x=3"),
    ("is_args", "?"),
    ("arg_x", "1"),
    ("arg_y", "2"),
    ("ARG_Y", "2"),
    ("arg_none", "nil"),
    ("request_method", "GET"),
    ("request", "GET /a/../b%20c?x=1&Y=2&x=3 HTTP/1.1"),
    ("host", "a.test"),
    ("http_host", "A.test:8080"),
    ("http_x_one", "1"),
    ("http_none", "nil"),
    ("http_x_forwarded_for", "10.0.0.1, 10.0.0.2"),
    ("http_cookie", "c=1; d=2; C=3"),
    ("cookie_c", "1"),
    ("cookie_d", "2"),
    ("cookie_none", "nil"),
    ("scheme", "http"),
    ("https", ""),
    ("remote_addr", "127.0.0.1"),
    ("server_addr", "127.0.0.1"),
    ("server_protocol", "HTTP/1.1"),
    ("server_name", ""),
    ("content_type", "text/x"),
    ("content_length", "nil"),
    ("nginx_version", "1.22.1"),
    ("request_body", "nil"),
    ("nosuch", "nil"),
    ("1", "nil"),
]


def test_variables_are_those_of_nginx() -> None:
    request = (
        b"GET /a/../b%20c?x=1&Y=2&x=3 HTTP/1.1\r\nHost: A.test:8080\r\nConnection: close\r\nX-One: 1\r\nX-One: 2\r\n"
        b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\nCookie: c=1; d=2\r\nCookie: C=3\r\n"
        b"Content-Type: text/x\r\n\r\n"
    )
    names = ", ".join(f'"{name}"' for name, _ in VARIABLES)
    code = f"for _, name in ipairs {{ {names} }} do ngx.say(name, '=', tostring(ngx.var[name])) end"
    [answer] = answers(talk_lua(code, request))
    assert answer.body.decode().splitlines() == [f"{name}={value}" for name, value in VARIABLES]


def test_variables_of_the_moment_have_nginxs_forms() -> None:
    code = """
        for _, name in ipairs { "request_id", "msec", "time_local", "time_iso8601", "request_time", "remote_port",
            "server_port", "connection", "connection_requests", "request_length", "pid", "status", "hostname" } do
            ngx.say((ngx.var[name]:gsub("%d", "9"):gsub("9+", "9"):gsub("%f[%w]%w*%f[%W]", { [""] = "" })))
        end
    """
    lines = body_of(code).splitlines()
    assert len(lines) == 13
    code = (
        "ngx.say(#ngx.var.request_id, ' ', ngx.var.request_id == ngx.var.request_id, ' ', ngx.var.connection_requests)"
    )
    assert body_of(code) == "32 true 1\n"
    assert body_of("ngx.say(ngx.var.request_length)") == f"{len(head())}\n"
    found = body_of(
        "ngx.say(ngx.var.time_local, ' ', ngx.var.time_iso8601, ' ', ngx.var.msec, ' ', ngx.var.request_time)"
    )
    local, zone, iso, msec, age = found.split()
    assert (len(local), local[2], local[6], len(zone), len(iso), iso[10]) == (20, "/", "/", 5, 25, "T")
    assert (len(msec.partition(".")[2]), len(age)) == (3, 5)


def test_variables_of_the_response_are_what_will_be_sent() -> None:
    code = """
        ngx.header.x_one = { "a", "b" }
        ngx.status = 201
        ngx.print(ngx.var.sent_http_x_one, ngx.var.sent_http_content_type)
    """
    assert ask(code).body == b"anil"
    assert ask("ngx.status = 201 ngx.print(ngx.var.status, ngx.var.sent_http_none)").body == b"201nil"
    assert ask('ngx.say("") ngx.say(ngx.var.sent_http_content_type)').body == b"\ntext/plain\n"


def test_variables_that_are_assigned_are_kept_for_the_request() -> None:
    code = """
        ngx.say(tostring(ngx.var.mine))
        ngx.var.mine = 12
        ngx.var.args = "z=1"
        ngx.say(ngx.var.mine, type(ngx.var.mine), ngx.req.get_uri_args().z)
        ngx.var.mine = nil
        ngx.say(tostring(ngx.var.mine))
    """
    found = answers(talk_lua(code, head().replace(b"Connection: close\r\n", b"") + head()))
    assert [answer.body for answer in found] == [b"nil\n12string1\nnil\n"] * 2


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (b"/", b"/"),
        (b"//", b"/"),
        (b"/a//b///", b"/a/b/"),
        (b"/a/./b/.", b"/a/b/"),
        (b"/a/../b/..", b"/"),
        (b"/a/b/..", b"/a/"),
        (b"/../../a", b"/a"),
        (b"/%2e%2E/a%2Fb%25", b"/a/b%"),
        (b"/.a/..b/c..", b"/.a/..b/c.."),
        (b"*", b"*"),
    ],
)
def test_paths_are_made_plain(path: bytes, uri: bytes) -> None:
    assert normalized(path) == uri


# -- where there is no request


def test_ctx_is_a_table_of_the_request_and_of_each_timer() -> None:
    code = """
        ngx.say(tostring(ngx.ctx.seen))
        ngx.ctx.seen = true
        ngx.ctx = { other = 1 }
        ngx.thread.wait(ngx.thread.spawn(function() ngx.ctx.deep = 2 end))
        ngx.say(tostring(ngx.ctx.seen), ngx.ctx.other, ngx.ctx.deep)
        local of_timer
        ngx.timer.at(0, function() of_timer = tostring(ngx.ctx.other) end)
        while not of_timer do ngx.sleep(0) end
        ngx.say(of_timer)
    """
    found = answers(talk_lua(code, head().replace(b"Connection: close\r\n", b"") + head()))
    assert [answer.body for answer in found] == [b"nil\nnil12\nnil\n"] * 2


def test_a_program_has_no_request_but_variables() -> None:
    code = """
        print = nil
        local var = ngx.var
        ngx.say(var.arg_name, " ", tostring(var.arg_none), " ", var.LASA_TEST_VALUE, " ", tostring(var.nosuch))
        ngx.var.mine = 1
        ngx.ctx.x = 2
        ngx.say(ngx.var.mine, ngx.ctx.x)
        ngx.say(select(2, pcall(function() ngx.req.get_method() end)))
        ngx.say(select(2, pcall(function() ngx.header.x = 1 end)))
        ngx.say(select(2, pcall(function() ngx.req.read_body() end)))
    """
    status, out, err = run_lua("-e", code, "other", "name=value", environment={"LASA_TEST_VALUE": "from outside"})
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "value nil from outside nil",
        "12",
        "(command line):8: API disabled in the current context",
        "(command line):9: API disabled in the current context",
        "(command line):10: API disabled in the context of a program",
    ]
