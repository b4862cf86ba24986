"""What takes a long text or many pieces takes a time in proportion to them, and not to their square.

Each kind is timed at one size and at eight times that size, in the same process and by the least of several runs. In
proportion is a ratio near 8, the square is 64; the line is drawn at 28.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lasa.lua import Runtime, Settings

SMALL = 8000
GROWTH = 8
MAX_RATIO = 28

MEASURE = """
local make, run, small, growth = ...
local clock, huge = os.clock, math.huge

local function least(arguments, times)
    local best = huge
    for _ = 1, times do
        collectgarbage()
        local began = clock()
        run(arguments)
        best = math.min(best, clock() - began)
    end
    return best
end

local large = make(small * growth)
return least(large, 2) / math.max(least(make(small), 5), 2e-5) -- what is that short may be the clock's own grain
"""

DECODED = {
    "newlines": """'"' .. ("\\\\n"):rep(n) .. '"'""",
    "quotes": """'"' .. ('\\\\"'):rep(n) .. '"'""",
    "characters by number": """'"' .. ("\\\\u00e9"):rep(n) .. '"'""",
    "surrogates": """'"' .. ("\\\\ud83d\\\\ude00"):rep(n) .. '"'""",
    "a string without an end": """'"' .. ("\\\\n"):rep(n)""",
    "escapes in a key": """'{"' .. ("\\\\n"):rep(n) .. '":1}'""",
    "many strings with an escape": """"[" .. ('"\\\\n",'):rep(n) .. "1]" """,
    "one escape behind many strings": """"[" .. ('"a",'):rep(n) .. '"\\\\n"]'""",
    "one escape before many strings": """'["\\\\n"' .. (',"a"'):rep(n) .. "]" """,
    "numbers": """"[" .. ("1.5,"):rep(n) .. "1]" """,
    "numbers beyond JSON": """"[" .. ("0x1F,nan,"):rep(n) .. "1]" """,
    "one long number": '("1"):rep(n)',
    "blanks": """(" "):rep(n) .. "1" """,
    "blanks between values": """"[" .. ("1 ,\\n "):rep(n) .. "1]" """,
    "containers": """"[" .. ("[],{},"):rep(n) .. "1]" """,
    "nested arrays": """("["):rep(n) .. ("]"):rep(n)""",
    "nested objects": """('{"a":'):rep(n) .. "1" .. ("}"):rep(n)""",
    "nested arrays without an end": """("["):rep(n)""",
    "comments": """"[" .. ("/**/1,//\\n"):rep(n) .. "1]" """,
    "a comment without an end": """"[" .. ("/* "):rep(n)""",
}

ENCODED = {
    "newlines": '("\\n"):rep(n)',
    "newlines between letters": '("a\\n"):rep(n)',
    "escapes in a key": '{ [("\\n"):rep(n)] = 1 }',
    "an array": "list(n, 1.5)",
    "strings": 'list(n, "a\\n")',
    "containers": "list(n, {})",
}

TEXTS = {  # make, run
    "unescape_uri": ('("%41%"):rep(n)', "ngx.unescape_uri(made)"),
    "escape_uri": ('(" "):rep(n)', "ngx.escape_uri(made)"),
    "decode_args of one name": ('("a=1&"):rep(n)', "ngx.decode_args(made, 0)"),
    "decode_args of nothing": ('("&"):rep(n)', "ngx.decode_args(made, 0)"),
    "encode_args": ('{ a = list(n, " ") }', "ngx.encode_args(made)"),
    "encode_base64": ('("\\1"):rep(n)', "ngx.encode_base64(made)"),
    "decode_base64": ('("AQEB"):rep(n)', "ngx.decode_base64(made)"),
    "decode_base64mime": ('("AQ\\nEB"):rep(n)', "ngx.decode_base64mime(made)"),
    "quote_sql_str": ('("\'"):rep(n)', "ngx.quote_sql_str(made)"),
    "parts of what a socket sends": ('list(n, { "a", 1 })', "ngx.socket.tcp():send(made)"),
}

MATCHES = {
    "gmatch": 'for m in ngx.re.gmatch(made, "a(b)", flags) do end',
    "gmatch of nothing": 'for m in ngx.re.gmatch(made, "", flags) do end',
    "gsub": 'ngx.re.gsub(made, "a(b)", "$1", flags)',
    "gsub by a function": 'ngx.re.gsub(made, "a(b)", function(m) return m[1] end, flags)',
    "split": 'require("ngx.re").split(made, " ", flags)',
    "find that goes on": 'local ctx = { pos = 1 } while ngx.re.find(made, "b", flags, ctx) do end',
    "match that goes on": 'local ctx = { pos = 1 } while ngx.re.match(made, "b", flags, ctx) do end',
}
SUBJECTS = {"": '("ab "):rep(n)', "bad": '("ab "):rep(n) .. "\\255"'}
FLAGS = [("", ""), ("jo", ""), ("u", ""), ("jou", ""), ("U", ""), ("U", "bad"), ("jU", "bad")]


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with Runtime(settings=Settings()) as runtime:
        runtime.load("""
            function list(n, item)
                local items = {}
                for i = 1, n do items[i] = item end
                return items
            end
            cjson, safe = require "cjson", require "cjson.safe"
            safe.decode_max_depth(1e8)
            safe.decode_allow_comment(true)
        """)()
        yield runtime


def ratio(runtime: Runtime, make: str, run: str) -> float:
    code = f"""
        local function make(n) return {make} end
        local function run(made) {run} end
        return assert(loadstring([==[{MEASURE}]==]))(make, run, {SMALL}, {GROWTH})
    """
    return float(runtime.load(code, "@linear.lua")())


def check(runtime: Runtime, make: str, run: str) -> None:
    first = ratio(runtime, make, run)
    assert first < MAX_RATIO or ratio(runtime, make, run) < MAX_RATIO  # once more, if the machine was busy


@pytest.mark.parametrize("make", DECODED.values(), ids=DECODED.keys())
def test_decode(runtime: Runtime, make: str) -> None:
    check(runtime, make, "safe.decode(made)")


@pytest.mark.parametrize("make", ENCODED.values(), ids=ENCODED.keys())
def test_encode(runtime: Runtime, make: str) -> None:
    check(runtime, make, "cjson.encode(made)")


@pytest.mark.parametrize(("make", "run"), TEXTS.values(), ids=TEXTS.keys())
def test_texts(runtime: Runtime, make: str, run: str) -> None:
    check(runtime, make, run)


@pytest.mark.parametrize("run", MATCHES.values(), ids=MATCHES.keys())
@pytest.mark.parametrize(("flags", "subject"), FLAGS)
def test_matches(runtime: Runtime, flags: str, subject: str, run: str) -> None:
    check(runtime, SUBJECTS[subject], f'local flags = "{flags}" {run}')


def test_every_character_by_number_in_one_string_is_read(runtime: Runtime) -> None:
    # As lua-cjson's own test program has it.
    code = """
        local escapes = {}
        for code = 0, 0xFFFF do
            if code < 0xD800 or code > 0xDFFF then escapes[#escapes + 1] = ("\\\\u%04x"):format(code) end
        end
        return #cjson.decode('"' .. table.concat(escapes) .. '"')
    """
    assert runtime.load(code)() == 128 + 2 * (0x800 - 128) + 3 * (0x10000 - 0x800 - 0x800)
