"""Conditional requests (If-Match, If-None-Match, If-Modified-Since …) for handlers in Lua, as nginx answers them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lasa.http import server as http_server
from tests.http.tools import answers, talk
from tests.lua.handlers import ask, head, running

EARLIER, THEN, LATER = (f"Wed, 21 Oct 2015 07:{time} GMT" for time in ("27:59", "28:00", "28:01"))
HANDLER = """
    if ngx.var.arg_etag then ngx.header.etag = ngx.unescape_uri(ngx.var.arg_etag) end
    if ngx.var.arg_date then ngx.header.last_modified = ngx.unescape_uri(ngx.var.arg_date) end
    ngx.say("body")
"""
STRONG, WEAK, TAG = "/?etag=%22a%22", "/?etag=W/%22a%22", "/?etag=a"
DATED = "/?date=Wed,%2021%20Oct%202015%2007:28:00%20GMT"
BOTH = DATED + "&etag=%22a%22"
NEITHER = "/"


@pytest.fixture(scope="module")
def server() -> Iterator[http_server.Server]:
    with running(HANDLER) as (_, made):
        yield made


@pytest.mark.parametrize(
    ("target", "conditions", "status"),
    [
        (STRONG, ['If-None-Match: "a"'], 304),
        (STRONG, ['If-None-Match: W/"a"'], 304),
        (WEAK, ['If-None-Match: "a"'], 304),
        (WEAK, ['If-None-Match: W/"b", W/"a"'], 304),
        (STRONG, ['If-None-Match: "b"'], 200),
        (STRONG, ['If-None-Match: "b","a"'], 304),
        (STRONG, ['If-None-Match: "b" , "a" , "c"'], 304),
        (STRONG, ['If-None-Match: "b"', 'If-None-Match: "a"'], 304),
        (STRONG, ['If-None-Match: "ab"'], 200),
        (STRONG, ['If-None-Match: "a"b'], 200),
        (STRONG, ["If-None-Match: a"], 200),
        (STRONG, ['If-None-Match: "a'], 200),
        (STRONG, ["If-None-Match:"], 200),
        (STRONG, ['If-None-Match: "b", *'], 200),
        (STRONG, ["If-None-Match: *"], 304),
        (TAG, ["If-None-Match: a"], 304),
        (NEITHER, ["If-None-Match: *"], 304),
        (NEITHER, ['If-None-Match: "a"'], 200),
        (STRONG, ['If-Match: "a"'], 200),
        (STRONG, ['If-Match: "b", "a"'], 200),
        (STRONG, ["If-Match: *"], 200),
        (STRONG, ['If-Match: W/"a"'], 412),
        (WEAK, ['If-Match: "a"'], 412),
        (WEAK, ['If-Match: W/"a"'], 200),
        (STRONG, ['If-Match: "b"'], 412),
        (NEITHER, ['If-Match: "a"'], 412),
        (NEITHER, ["If-Match: *"], 200),
        (DATED, [f"If-Modified-Since: {THEN}"], 304),
        (DATED, [f"If-Modified-Since: {EARLIER}"], 200),
        (DATED, [f"If-Modified-Since: {LATER}"], 200),
        (DATED, ["If-Modified-Since: Wednesday, 21-Oct-15 07:28:00 GMT"], 304),
        (DATED, ["If-Modified-Since: Wed Oct 21 07:28:00 2015"], 304),
        (DATED, ["If-Modified-Since: yesterday"], 200),
        (NEITHER, [f"If-Modified-Since: {THEN}"], 200),
        (DATED, [f"If-Unmodified-Since: {THEN}"], 200),
        (DATED, [f"If-Unmodified-Since: {LATER}"], 200),
        (DATED, [f"If-Unmodified-Since: {EARLIER}"], 412),
        (DATED, ["If-Unmodified-Since: yesterday"], 412),
        (NEITHER, [f"If-Unmodified-Since: {THEN}"], 412),
        (BOTH, ['If-None-Match: "a"', f"If-Modified-Since: {THEN}"], 304),
        (BOTH, ['If-None-Match: "a"', f"If-Modified-Since: {EARLIER}"], 200),
        (BOTH, ['If-None-Match: "b"', f"If-Modified-Since: {THEN}"], 200),
        (BOTH, ['If-Match: "a"', 'If-None-Match: "a"'], 304),
        (BOTH, ['If-Match: "b"', 'If-None-Match: "a"'], 412),
        (BOTH, ['If-Match: "a"', f"If-Unmodified-Since: {EARLIER}"], 412),
        (BOTH, ['If-Range: "b"'], 200),
    ],
)
def test_a_request_gets_what_its_conditions_ask_for(
    server: http_server.Server, target: str, conditions: list[str], status: int
) -> None:
    for method in ("GET", "HEAD"):
        for version in ("1.1", "1.0"):
            request = head(target, method=method, version=version, headers=tuple(conditions))
            [answer] = answers(talk(server, request), method)
            assert answer.status == status
            assert (answer.body == b"") == (status == 304 or method == "HEAD")
            assert ("etag" in answer.headers) == (status != 412 and "etag" in target)
            if status == 304:
                assert "content-type" not in answer.headers


def test_a_connection_goes_on_behind_a_304_and_a_412(server: http_server.Server) -> None:
    kept = [
        head(STRONG, headers=(line,)).replace(b"Connection: close\r\n", b"")
        for line in ('If-None-Match: "a"', 'If-Match: "b"')
    ]
    found = answers(talk(server, b"".join(kept) + head(STRONG)))
    assert [answer.status for answer in found] == [304, 412, 200]


def test_a_script_hears_of_a_condition_that_fails() -> None:
    code = """
        local word = "nginx output filter error"
        for _, call in ipairs { ngx.say, function() return ngx.flush(true) end, ngx.send_headers, ngx.eof } do
            local ok, err = call("x")
            if call ~= ngx.send_headers and (ok or err ~= word) then ngx.log(ngx.ERR, "bad ", tostring(err)) end
        end
        assert(ngx.headers_sent)
    """
    answer = ask(code, headers=('If-Match: "b"',))
    assert (answer.status, answer.headers["content-type"]) == (412, "text/html")
    assert b"<h1>412 Precondition Failed</h1>" in answer.body


@pytest.mark.parametrize("code", ["ngx.status = 201 ngx.say('x')", "ngx.exit(404)", "error('x')", "ngx.redirect('/')"])
def test_conditions_are_of_a_200_only(code: str) -> None:
    set_tag = "ngx.header.etag = '\"a\"' "
    plain, asked = (ask(set_tag + code, headers=lines) for lines in ((), ('If-None-Match: "a"', 'If-Match: "b"')))
    assert (asked.status, asked.body) == (plain.status, plain.body)
    assert asked.status not in (304, 412)
