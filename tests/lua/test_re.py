"""ngx.re.* and the module ngx.re; what is expected is what nginx with lua-nginx-module answers.

Only the texts of compile errors and the numbers of match errors are those of PCRE2, which a newer OpenResty has; and
so a pattern may hold a NUL byte.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.lua.pieces import SHARE, Pieces

CHUNKS = ("pcre", "re", "re_sub", "re_split")

# show(...) gives all values of an answer as one text; tables with their keys in order.
SHOW = """
local function text(value)
    if type(value) == "string" then return '"' .. value .. '"' end
    if type(value) ~= "table" then return tostring(value) end
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b)
        if type(a) ~= type(b) then return type(a) == "number" end
        return a < b
    end)
    for i, key in ipairs(keys) do keys[i] = key .. "=" .. text(value[key]) end
    return "{" .. table.concat(keys, " ") .. "}"
end
function show(...)
    local values = {}
    for i = 1, select("#", ...) do values[i] = text((select(i, ...))) end
    return table.concat(values, ", ")
end
re, split, opt = ngx.re, require("ngx.re").split, require("ngx.re").opt
function all(...)
    local found = {}
    for m, err in ... do found[#found + 1] = err or m[0] end
    return found
end
"""


@pytest.fixture
def lua() -> Pieces:
    pieces = Pieces(families=("re",), chunks=CHUNKS)
    pieces.run(SHOW)
    return pieces


MATCH = [
    ("re.match('hello, 1234', '[0-9]+')", '{0="1234"}'),
    ("re.match('hello, 1234', '([0-9])[0-9]+')", '{0="1234" 1="1"}'),
    ("re.match('hello', '[0-9]+')", "nil"),
    ("re.match('hello', '(x)|(h)(y)?')", '{0="h" 1=false 2="h" 3=false}'),
    ("re.match(12345, '3')", '{0="3"}'),
    ("re.match(nil, 'i')", '{0="i"}'),
    ("re.match('', '')", '{0=""}'),
    ("re.match('a\\0b', 'a\\0(.)')", '{0="a\0b" 1="b"}'),
    # Named captures are there twice; one that is unset is false, with D it is absent.
    (
        "re.match('k=v', '(?<key>\\\\w)=(?<value>\\\\w)(?<more>x)?')",
        '{0="k=v" 1="k" 2="v" 3=false key="k" more=false value="v"}',
    ),
    ("re.match('ab', '(?<n>a)(?<n>b)', 'D')", '{0="ab" 1="a" 2="b" n={1="a" 2="b"}}'),
    ("re.match('b', '(?<n>a)|(?<n>b)', 'D')", '{0="b" 1=false 2="b" n={1="b"}}'),
    # A table for the result keeps what the match does not set.
    ("re.match('ab', '(a)', '', nil, {[0] = 'x', 'x', 'x'})", '{0="a" 1="a" 2="x"}'),
    # Options.
    ("re.match('HELLO', 'hello', 'i')", '{0="HELLO"}'),
    ("re.match('xa', 'a', 'a')", "nil"),
    ("re.match('a\\nb', 'a.b')", "nil"),
    ("re.match('a\\nb', 'a.b', 's')", '{0="a\nb"}'),
    ("re.match('a\\nb', '^b')", "nil"),
    ("re.match('a\\nb', '^b', 'm')", '{0="b"}'),
    ("re.match('ab', 'a # one\\n b', 'x')", '{0="ab"}'),
    ("re.match('ab', 'a|ab')", '{0="a"}'),
    ("re.match('ab', '(a)|ab', 'd')", '{0="ab"}'),
    ("re.match('ab', '(?<n>a)b', 'd')", '{0="ab"}'),
    ("re.match('a', '[]', 'J')", "nil"),
    ("re.match('\\xe4\\xbd\\xa0', '.')", '{0="\xe4"}'),
    ("re.match('\\xe4\\xbd\\xa0', '.', 'u')", '{0="\xe4\xbd\xa0"}'),
    ("re.match('\\xe4\\xbd\\xa0', '.', 'jUo')", '{0="\xe4\xbd\xa0"}'),
]

FIND = [
    ("re.find('hello, 1234', '[0-9]+')", "8, 11"),
    ("re.find('hello', 'x')", "nil"),
    ("re.find('hello', '')", "1, 0"),
    ("re.find('hello', '(e)(l)', 'jo', nil, 2)", "3, 3"),
    ("re.find('hello', '(x)?(e)', '', nil, 1)", "nil, nil"),
    ("re.find('hello', '(e)', '', nil, 2)", 'nil, nil, "nth out of bound"'),
    ("re.find('hello', '(e)', 'd', nil, 1)", 'nil, nil, "nth out of bound"'),
    ("re.find('hello', 'e', '', nil, -3)", "2, 2"),
]

POSITION = [
    ("1, 'l+'", '{0="ll"}, {pos=5}'),
    ("4, 'l+'", '{0="l"}, {pos=5}'),
    ("5, 'l'", "nil, {pos=5}"),
    ("0, 'h'", '{0="h"}, {pos=2}'),
    ("-7, 'h'", '{0="h"}, {pos=2}'),
    ("nil, 'h'", '{0="h"}, {pos=2}'),
    ("2, '^e'", "nil, {pos=2}"),
    ("2, '(?<=h)e', 'a'", '{0="e"}, {pos=3}'),
    ("6, '$'", '{0=""}, {pos=6}'),
]

GMATCH = [
    ("all(re.gmatch('hello, world', '[a-z]+'))", '{1="hello" 2="world"}'),
    ("all(re.gmatch('ab', ''))", '{1="" 2="" 3=""}'),
    ("all(re.gmatch('aab', 'a*'))", '{1="aa" 2="" 3=""}'),
    ("all(re.gmatch('', ''))", '{1=""}'),
    ("all(re.gmatch('', 'x'))", "{}"),
    ("type(re.gmatch('a', 'a'))", '"table"'),
    ("all(re.gmatch('a1b22', '\\\\d+', 'jo'))", '{1="1" 2="22"}'),
]

SUBSTITUTE = [
    ("re.sub('hello, 1234', '([0-9])[0-9]', '[$0][$1]')", '"hello, [12][1]34", 1'),
    ("re.sub('hello', 'x', 'y')", '"hello", 0'),
    ("re.gsub('hello, world', '([a-z])[a-z]+', '[$0,$1]', 'i')", '"[hello,h], [world,w]", 2'),
    ("re.gsub('abcd', '[a-c]', '${0}00')", '"a00b00c00d", 3'),
    ("re.gsub('abcd', 'b', '$$0')", '"a$0cd", 1'),
    ("re.gsub('abc', '(x)?b', '<$1$2$99>')", '"a<>c", 1'),
    ("re.gsub('abc', '', '-')", '"-a-b-c-", 4'),
    ("re.gsub('aab', 'a*', '-')", '"--b-", 3'),
    ("re.gsub('', '', '-')", '"-", 1'),
    ("re.gsub('abc', '(?=b)', '|')", '"a|bc", 1'),
    ("re.gsub('a\\0b', '\\0', '<$0>')", '"a<\0>b", 1'),
    ("re.gsub('abc', 'b', 7)", '"a7c", 1'),
    ("re.gsub('abc', 'B', '', 'ijo')", '"ac", 1'),
    ("re.gsub('abc', '(?<n>b)', function(m) return show(m) end)", '"a{0="b" 1="b" n="b"}c", 1'),
    ("re.gsub('abc', '[bc]', function(m) return m[0] == 'b' and 5 or nil end)", '"a5nil", 2'),
    ("re.sub('abc', '.', function() return '$0' end)", '"$0bc", 1'),
    ("re.gsub('ab', '.', 'x', 'd')", '"xx", 2'),
]

SPLIT = [
    ("split('a,b,c,d', ',')", '{1="a" 2="b" 3="c" 4="d"}'),
    ("split('a,b;c', '([,;])')", '{1="a" 2="," 3="b" 4=";" 5="c"}'),
    ("split('a,b,c,d', ',', 'jo', nil, 2)", '{1="a" 2="b,c,d"}'),
    ("split('a,b,c,d', ',', nil, {pos = 5})", '{1="c" 2="d"}'),
    ("split('a,b', ',', nil, nil, nil, {1, 2, 3, 4, 5})", '{1="a" 2="b" 4=4 5=5}'),
    ("split('a,b,,', ',')", '{1="a" 2="b"}'),
    ("split('a,b,,', ',', '', nil, 9)", '{1="a" 2="b" 3="" 4=""}'),
    ("split(',a', ',')", '{1="" 2="a"}'),
    ("split('abc', '')", '{1="a" 2="b" 3="c"}'),
    ("split('abcd', '(?=c)')", '{1="ab" 2="cd"}'),
    ("split('', ',')", "{}"),
    ("split('', '(')", "{}"),
    ("split(',,', ',')", "{}"),
    ("split('abc', 'x')", '{1="abc"}'),
    ("split('a,b;c', '(,)|(;)')", '{1="a" 2="," 3="b" 4="a,b;c" 5="c"}'),
    ("split('a', ',', nil, {pos = 9})", "{}"),
]


def answer_of(lua: Pieces, code: str) -> str:
    answer: bytes = lua.run(f"return show({code})")
    return answer.decode("latin-1")


@pytest.mark.parametrize(("code", "expected"), MATCH + FIND + GMATCH + SUBSTITUTE + SPLIT)
def test_it_answers_as_nginx_does(lua: Pieces, code: str, expected: str) -> None:
    assert answer_of(lua, code) == expected


@pytest.mark.parametrize(("arguments", "expected"), POSITION)
def test_ctx_pos_says_where_to_begin_and_then_where_the_match_ended(lua: Pieces, arguments: str, expected: str) -> None:
    pos, pattern = arguments.split(", ", 1)
    regex, _, options = pattern.partition(", ")
    code = f"local ctx = {{ pos = {pos} }} return show(re.match('hello', {regex}, {options or 'nil'}, ctx), ctx)"
    assert lua.run(code).decode() == expected


def test_find_moves_ctx_pos_behind_the_whole_match_and_not_behind_the_capture(lua: Pieces) -> None:
    code = "local ctx = {} local from, to = re.find('hello', '(h)el', '', ctx, 1) return show(from, to, ctx)"
    assert lua.run(code) == b"1, 1, {pos=4}"


def test_split_leaves_the_offset_of_the_last_match_in_ctx_pos(lua: Pieces) -> None:
    assert lua.run("local ctx = {} split('a,b,c', ',', nil, ctx) return ctx.pos") == 4


ERRORS = [
    ("re.match('a', '(abc')", 'nil, "pcre2_compile() failed: missing closing parenthesis in \\"(abc\\""'),
    ("re.match('a', 'a[')", 'nil, "pcre2_compile() failed: missing terminating ] for character class in \\"a[\\""'),
    (
        "re.find('a', 'a)b')",
        'nil, nil, "pcre2_compile() failed: unmatched closing parenthesis in \\"a)b\\" at \\")b\\""',
    ),
    ("re.gmatch('a', '(')", 'nil, "pcre2_compile() failed: missing closing parenthesis in \\"(\\""'),
    ("re.gsub('a', '(', '')", 'nil, nil, "pcre2_compile() failed: missing closing parenthesis in \\"(\\""'),
    ("split('a', '(')", 'nil, "pcre2_compile() failed: missing closing parenthesis in \\"(\\""'),
    ("re.match('a\\xff', 'a', 'u')", 'nil, "pcre_exec() failed: -23"'),
    ("re.find('\\xe4\\xbd', 'a', 'u')", 'nil, nil, "pcre_exec() failed: -3"'),
    ("re.gsub('a\\xff', 'a', '', 'u')", 'nil, nil, "pcre_exec() failed: -23"'),
    ("re.gsub('\\xc3\\xa9', '', '-', 'u')", 'nil, nil, "pcre_exec() failed: -36"'),
    ("re.match('a', 'a', '', {pos = 9})", 'nil, "pcre_exec() failed: -33"'),
    ("re.match(('a'):rep(40) .. 'b', '(a+)+$')", 'nil, "pcre_exec() failed: -47"'),
    ("re.find(('a'):rep(50) .. 'b', '(a+)+$', 'jo')", 'nil, nil, "pcre_exec() failed: -47"'),
    ("split(('a'):rep(40) .. 'b', '(a+)+$')", 'nil, "pcre_exec() failed: -47"'),
]


@pytest.mark.parametrize(("code", "expected"), ERRORS)
def test_a_bad_pattern_or_subject_is_an_error_that_is_returned(lua: Pieces, code: str, expected: str) -> None:
    assert answer_of(lua, code) == expected.replace('\\"', '"')


@pytest.mark.parametrize("template", ["$", "a$", "$a", "$-", "${", "${}", "${1", "${1a}", "${a}", "$$$"])
def test_a_template_that_makes_no_sense_is_an_error_that_the_log_explains(lua: Pieces, template: str) -> None:
    lua.run("ngx.log = function(level, message) logged = message end")
    expected = b'nil, nil, "failed to compile the replacement template"'
    assert lua.run(f"return show(re.gsub('hello', 'l', '{template}'))") == expected
    assert lua.run("return logged")


def test_an_unknown_option_raises_at_the_callers_line(lua: Pieces) -> None:
    for call in ("re.match('a', 'a', 'oz')", "re.gsub('a', 'a', '', 'oz')", "split('a', 'a', 'oz')"):
        _, message = lua.run(f"return pcall(function() local found = {call} end)")
        assert message == b'test:1: unknown flag "z" (flags "oz")'


def test_a_result_that_is_no_table_raises(lua: Pieces) -> None:
    assert lua.run("return pcall(split, 'a', 'b', nil, nil, nil, 5)") == (False, b"res is not a table")


def test_an_error_in_a_replacement_function_goes_to_the_caller(lua: Pieces) -> None:
    _, message = lua.run("return pcall(re.gsub, 'abc', 'b', function() error('boom', 0) end, 'o')")
    assert message == b"boom"
    assert answer_of(lua, "re.gsub('abc', 'b', '', 'o')") == '"ac", 1'


def test_option_big_u_takes_bad_utf8_as_something_that_nothing_matches(lua: Pieces) -> None:
    assert answer_of(lua, r"re.gsub('a\xffb\xc3\xa9', '.', '-', 'U')") == '"-\xff--", 3'


def test_a_replacement_function_may_match_and_push_the_pattern_out_of_the_cache(lua: Pieces) -> None:
    code = """
        local n = 0
        return show(re.gsub("aba", "(a)|b", function(m)
            for _ = 1, 1500 do
                n = n + 1
                re.match("x", "(x)" .. n .. "?", "o")
            end
            return m[1] and "<" .. re.sub(m[1], "a", "c") .. ">"
        end, "o"))
    """
    assert lua.run(code) == b'"<c>false<c>", 3'


def test_an_iterator_outlives_its_pattern_in_the_cache(lua: Pieces) -> None:
    code = r"""
        local words = re.gmatch("a b", "\\w", "o")
        local first = words()[0]
        for i = 1, 2000 do re.match("x", "y" .. i, "o") end
        return first .. words()[0], words(), words()
    """
    assert lua.run(code) == (b"ab", None, None)


def test_a_table_with_a_metatable_gets_the_captures_although_its_metamethods_match(lua: Pieces) -> None:
    code = """
        local into = setmetatable({}, { __newindex = function(self, key, value)
            re.match("zzzzzz", "(z)(z)(z)(z)(z)(z)")
            rawset(self, key, value)
        end })
        return show(re.match("abc", "(a)(b)(c)", "", nil, into))
    """
    assert lua.run(code) == b'{0="abc" 1="a" 2="b" 3="c"}'


def test_utf8_is_checked_once_and_not_for_every_match(lua: Pieces) -> None:
    start_s = time.monotonic()
    length, count = lua.run(r"local s, n = re.gsub(('\xc3\xa9'):rep(200000), '.', 'e', 'ju') return #s, n")
    assert (length, count) == (200000, 200000)
    assert time.monotonic() - start_s < 2  # to check the rest each time would take ten times that


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory in use is read from /proc")
def test_patterns_of_all_kinds_do_not_leak(lua: Pieces) -> None:
    def memory_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    code = """
        local from = ...
        for i = from, from + 2500 do
            local regex = "(a" .. i .. ")+([a-z]*)(1|x)?"
            re.match("hello", regex, "jo")
            re.gsub("hello", regex, "-", "j")
            re.sub("hello", "l" .. regex .. "?", function(m) return m[0] end)
            for _ in re.gmatch("hello", regex, "ij") do end
        end
        collectgarbage()
    """
    run = lua.lua.compile(code.encode())
    run(1)
    run(3000)
    before = memory_bytes()
    run(6000)
    run(9000)
    assert memory_bytes() - before < 4 * 1024 * 1024


def test_the_size_of_the_jit_stack_can_be_set_before_a_pattern_is_kept(lua: Pieces) -> None:
    subject = "('a'):rep(50000)"
    assert answer_of(lua, f"re.find({subject}, '(?:(a)|b)*$', 'j')") == 'nil, nil, "pcre_exec() failed: -46"'
    assert answer_of(lua, "opt('jit_stack_size', 64 * 1024 * 1024)") == ""
    assert answer_of(lua, f"re.find({subject}, '(?:(a)|b)*$', 'j')") == "1, 50000"
    lua.run("re.match('a', 'a', 'o')")
    expected = b"changing jit stack size is not allowed when some regexs have already been compiled and cached"
    assert lua.run("return pcall(opt, 'jit_stack_size', 1)") == (False, expected)
    assert lua.run("return pcall(opt, 'x', 1)") == (False, b"unrecognized option name")


def test_the_match_limit_is_a_setting() -> None:
    lua = Pieces(families=("re",))
    lua.core.regex_match_limit = 1000
    for chunk in CHUNKS:
        lua.lua.compile(SHARE.joinpath(f"_core/{chunk}.lua").read_bytes())(lua.core)
    assert lua.run("return ngx.re.match(('a'):rep(20) .. 'b', '(a+)+$')") == (None, b"pcre_exec() failed: -47")
    assert lua.run("return ngx.re.match('aaab', '(a+)+b')[1]") == b"aaa"


def test_without_the_library_a_call_says_what_to_install(lua: Pieces) -> None:
    lua.core.native.re.library = lambda: b"libpcre2-8-that-is-not-there.so"
    _, message = lua.run("return pcall(function() local found = re.match('a', 'a') end)")
    assert message == (
        b"test:1: ngx.re needs the PCRE2 library (libpcre2-8), which cannot be loaded from "
        b"libpcre2-8-that-is-not-there.so: install it (Debian and Ubuntu: libpcre2-8-0)"
    )
