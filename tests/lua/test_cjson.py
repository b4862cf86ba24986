"""cjson and cjson.safe; what is expected is what OpenResty's lua-cjson answers."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.lua.pieces import Pieces

# show(value) tells a decoded value as text: keys in order, null, and A behind a table whose metatable is array_mt.
SHOW = """
cjson = require("cjson")
safe = require("cjson.safe")
function show(value)
    if value == cjson.null then return "null" end
    if type(value) == "number" then
        return value ~= value and "nan" or value == 0 and 1 / value < 0 and "-0" or ("%.17g"):format(value)
    end
    if type(value) == "string" then return '"' .. value .. '"' end
    if type(value) ~= "table" then return tostring(value) end
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for i, key in ipairs(keys) do keys[i] = key .. "=" .. show(value[key]) end
    return "{" .. table.concat(keys, " ") .. "}" .. (getmetatable(value) == cjson.array_mt and "A" or "")
end
"""


@pytest.fixture
def lua() -> Pieces:
    pieces = Pieces()
    pieces.run(SHOW)
    return pieces


# Decoding -------------------------------------------------------------------------------------------------------------

DECODED = [
    ('{"a":1,"b":[true,false,null,"x"],"c":{}}', '{a=1 b={1=true 2=false 3=null 4="x"} c={}}'),
    (' \t\r\n[ 1 , { "k" : [ ] } ]\n', "{1=1 2={k={}}}"),
    ('"top"', '"top"'),
    ("null", "null"),
    ('{"a":1,"a":2}', "{a=2}"),
    ('{"1":1}', "{1=1}"),
    # Numbers: what strtod() takes.
    ("0", "0"),
    ("-1", "-1"),
    ("-0", "0"),
    ("-0.0", "-0"),
    ("12.5e-1", "1.25"),
    ("1E+2", "100"),
    ("0.1", "0.10000000000000001"),
    ("123456789.987654321", "123456789.98765433"),
    ("3.14159265358979323846", "3.1415926535897931"),
    ("9007199254740993", "9007199254740992"),
    ("5e-324", "4.9406564584124654e-324"),
    ("1e400", "inf"),
    ("-1e-999999999999", "-0"),
    ("01", "1"),
    ("1.", "1"),
    ("-.5", "-0.5"),
    ("+1", "1"),
    ("0x1F", "31"),
    ("-0x1p3", "-8"),
    ("[Infinity,-inf,NaN]", "{1=inf 2=-inf 3=nan}"),
    # Strings.
    (r'"\" \\ \/ \b\f\n\r\t"', '"" \\ / \b\f\n\r\t"'),
    (r'"\u0041\u00e9\u20AC"', '"A\xc3\xa9\xe2\x82\xac"'),
    (r'"\ud83d\ude00!"', '"\xf0\x9f\x98\x80!"'),
    (r'"\u0000"', '"\0"'),
    ('"\x01\x7f\xff"', '"\x01\x7f\xff"'),
    # A NUL byte ends the text.
    ("[1]\0[2]", "{1=1}"),
]

REFUSED = [
    ("", "Expected value but found T_END at character 1"),
    ("xyz", "Expected value but found invalid token at character 1"),
    ("[1,]", "Expected value but found T_ARR_END at character 4"),
    ("[1", "Expected comma or array end but found T_END at character 3"),
    ("[1 2]", "Expected comma or array end but found T_INTEGER at character 4"),
    ("[1}", "Expected comma or array end but found T_OBJ_END at character 3"),
    ('{"a":1,}', "Expected object key string but found T_OBJ_END at character 8"),
    ("{1:2}", "Expected object key string but found T_INTEGER at character 2"),
    ("{a:2}", "Expected object key string but found invalid token at character 2"),
    ('{"a" 1.5}', "Expected colon but found T_NUMBER at character 6"),
    ('{"a":1 "b"}', "Expected comma or object end but found T_STRING at character 8"),
    ('{"a":1]', "Expected comma or object end but found T_ARR_END at character 7"),
    ('{"a":}', "Expected value but found T_OBJ_END at character 6"),
    ("1 true", "Expected the end but found T_BOOLEAN at character 3"),
    ("{}null", "Expected the end but found T_NULL at character 3"),
    ("[]:", "Expected the end but found T_COLON at character 3"),
    ("[],", "Expected the end but found T_COMMA at character 3"),
    ("nul", "Expected value but found invalid token at character 1"),
    ("[-]", "Expected value but found invalid number at character 2"),
    ('"abc', "Expected value but found unexpected end of string at character 5"),
    ('"a\\x"', "Expected value but found invalid escape code at character 3"),
    ('"a\\u12g4"', "Expected value but found invalid unicode escape code at character 3"),
    ('"\\ud83d"', "Expected value but found invalid unicode escape code at character 2"),
    ('"\\ud83d\\u0041"', "Expected value but found invalid unicode escape code at character 2"),
    ('"\\ude00"', "Expected value but found invalid unicode escape code at character 2"),
    ('{"\\q":1}', "Expected object key string but found invalid escape code at character 3"),
    ("[/*1*/]", "Expected value but found invalid token at character 2"),
    ("[" * 1001, "Found too many nested data structures (1001) at character 1001"),
    ('{"a":' * 1001, "Found too many nested data structures (1001) at character 5001"),
    ("[\0", "JSON parser does not support UTF-16 or UTF-32"),
    ("\0[", "JSON parser does not support UTF-16 or UTF-32"),
]


def decoded(lua: Pieces, text: str) -> str:
    answer: bytes = lua.lua.execute(b"return show(cjson.decode(...))", text.encode("latin-1"))
    return answer.decode("latin-1")


@pytest.mark.parametrize(("text", "expected"), DECODED)
def test_decode_takes_what_lua_cjson_takes(lua: Pieces, text: str, expected: str) -> None:
    assert decoded(lua, text) == expected


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_decode_says_what_is_wrong_and_where(lua: Pieces, text: str, message: str) -> None:
    refused = lua.lua.execute(b"return pcall(cjson.decode, ...)", text.encode("latin-1"))
    assert refused == (False, message.encode())
    assert lua.lua.execute(b"return safe.decode(...)", text.encode("latin-1")) == (None, message.encode())


def test_integers_beyond_64_bits_are_the_nearest_number(lua: Pieces) -> None:
    # Here lua-cjson gives 2^63 - 1; that is a mistake nobody relies on.
    assert decoded(lua, "[18446744073709551616,-100000000000000000000]") == "{1=1.8446744073709552e+19 2=-1e+20}"


def test_a_number_is_decoded_as_its_text(lua: Pieces) -> None:
    assert lua.run("return cjson.decode(12.5)") == 12.5


def test_invalid_numbers_can_be_refused(lua: Pieces) -> None:
    lua.run("cjson.decode_invalid_numbers(false)")
    for text in ("01", "0x1F", "-inf", "-0x1"):
        answer = lua.lua.execute(b"return pcall(cjson.decode, ...)", text.encode())
        assert answer == (False, b"Expected value but found invalid number at character 1")
    for text in ("NaN", "Infinity", "+1"):
        answer = lua.lua.execute(b"return pcall(cjson.decode, ...)", text.encode())
        assert answer == (False, b"Expected value but found invalid token at character 1")
    assert decoded(lua, "[1.5,-0.5]") == "{1=1.5 2=-0.5}"


def test_comments_can_be_allowed(lua: Pieces) -> None:
    lua.run("cjson.decode_allow_comment(true)")
    assert decoded(lua, '/*a*/{//b\n"k"/**/:/*c*/[1//\n,2]}//end') == "{k={1=1 2=2}}"
    assert lua.run("return select(2, pcall(cjson.decode, '[1/*'))") == (
        b"Expected comma or array end but found unclosed multi-line comment at character 5"
    )


def test_decoded_arrays_can_have_array_mt(lua: Pieces) -> None:
    lua.run("cjson.decode_array_with_array_mt(true)")
    assert decoded(lua, '[[],{"a":[1]}]') == "{1={}A 2={a={1=1}A}}A"
    assert lua.run("return cjson.encode(cjson.decode('{\"a\":[]}'))") == b'{"a":[]}'


def test_the_depth_of_a_document_is_limited_by_the_setting_alone(lua: Pieces) -> None:
    assert lua.run("cjson.decode_max_depth(2) return safe.decode('[[1]]') ~= nil, pcall(cjson.decode, '[[[')") == (
        True,
        False,
        b"Found too many nested data structures (3) at character 3",
    )
    lua.run("cjson.decode_max_depth(200000)")
    depth = """
        local value, depth = cjson.decode(("["):rep(100000) .. ("]"):rep(100000)), 0
        while value do value, depth = value[1], depth + 1 end
        return depth
    """
    assert lua.run(depth) == 100000


# Encoding -------------------------------------------------------------------------------------------------------------

ENCODED = [
    ("nil", "null"),
    ("cjson.null", "null"),
    ("true", "true"),
    ("'text'", '"text"'),
    ("''", '""'),
    ("{}", "{}"),
    ("{1, {2}, {a = {}}}", '[1,[2],{"a":{}}]'),
    ("{[1] = 1, [2] = 2, [4] = 4}", "[1,2,null,4]"),
    ("{[0] = 1}", '{"0":1}'),
    ("{[1.5] = 1}", '{"1.5":1}'),
    ("{[-1] = 1}", '{"-1":1}'),
    ("{[2^31] = 1}", '{"2147483648":1}'),
    ("{['2'] = 1}", '{"2":1}'),
    ("{[10] = 1}", "[null,null,null,null,null,null,null,null,null,1]"),
    # Numbers.
    ("{0, -0.0, 1.5, 2^53, 1e14, 123456789012, 1e100, 0.1, 1/3}",
     "[0,-0,1.5,9.007199254741e+15,1e+14,123456789012,1e+100,0.1,0.33333333333333]"),
    # Strings.
    (r"'a/b\\c\"d'", r'"a\/b\\c\"d"'),
    (r"'\0\1\8\9\10\11\12\13\27\31\127'", r'"\u0000\u0001\b\t\n\u000b\f\r\u001b\u001f\u007f"'),
    (r"'\195\169\255'", '"\xc3\xa9\xff"'),
    (r"{['a\n/'] = 1}", r'{"a\n\/":1}'),
    # What says that a table is an array.
    ("cjson.empty_array", "[]"),
    ("{a = cjson.empty_array}", '{"a":[]}'),
    ("setmetatable({}, cjson.empty_array_mt)", "[]"),
    ("setmetatable({1}, cjson.empty_array_mt)", "[1]"),
    ("setmetatable({}, cjson.array_mt)", "[]"),
    ("setmetatable({1, 2, a = 3}, cjson.array_mt)", "[1,2]"),
    # Metamethods.
    ("setmetatable({}, {__len = function() return 2 end})", "[null,null]"),
    ("setmetatable({}, {__len = function() return 2 end, __index = function(_, i) return i * 10 end})", "[10,20]"),
    ("setmetatable({[3] = 3}, {__index = function(_, i) return i * 10 end})", "[10,20,3]"),
    ("setmetatable({a = 1}, {__index = {b = 2}, __metatable = 'x'})", '{"a":1}'),
    ("setmetatable({}, {__len = function() return #cjson.encode({1, 2}) end})", "[null,null,null,null,null]"),
]  # fmt: skip

NOT_ENCODED = [
    ("print", "Cannot serialise function: type not supported"),
    ("coroutine.create(print)", "Cannot serialise thread: type not supported"),
    ("io.stdout", "Cannot serialise userdata: type not supported"),
    ("5LL", "Cannot serialise cdata: type not supported"),
    ("{a = {print}}", "Cannot serialise function: type not supported"),
    ("{[true] = 1}", "Cannot serialise boolean: table key must be a number or string"),
    ("{[print] = 1}", "Cannot serialise function: table key must be a number or string"),
    ("{[11] = 1}", "Cannot serialise table: excessively sparse array"),
    ("{1, [1000] = 1}", "Cannot serialise table: excessively sparse array"),
    ("0/0", "Cannot serialise number: must not be NaN or Infinity"),
    ("{1/0}", "Cannot serialise number: must not be NaN or Infinity"),
    ("{[-1/0] = 1}", "Cannot serialise number: must not be NaN or Infinity"),
]


@pytest.mark.parametrize(("value", "expected"), ENCODED)
def test_encode_writes_what_lua_cjson_writes(lua: Pieces, value: str, expected: str) -> None:
    assert lua.run(f"return cjson.encode({value})") == expected.encode("latin-1")


@pytest.mark.parametrize(("value", "message"), NOT_ENCODED)
def test_encode_says_what_it_cannot_write(lua: Pieces, value: str, message: str) -> None:
    assert lua.run(f"return pcall(cjson.encode, {value})") == (False, message.encode())
    assert lua.run(f"return safe.encode({value})") == (None, message.encode())
    assert lua.run("return cjson.encode({'fine'})") == b'["fine"]'


def test_keys_stand_in_the_order_of_next(lua: Pieces) -> None:
    code = """
        local value, keys = {}, {}
        for i = 1, 50 do value["k" .. i] = true end
        for key in next, value do keys[#keys + 1] = '"' .. key .. '":true' end
        return cjson.encode(value) == "{" .. table.concat(keys, ",") .. "}"
    """
    assert lua.run(code) is True


def test_a_table_in_itself_is_too_deep(lua: Pieces) -> None:
    lua.run("loop = {} loop[1] = loop")
    assert lua.run("return safe.encode(loop)") == (None, b"Cannot serialise, excessive nesting (1001)")
    lua.run("cjson.encode_max_depth(1e6)")
    assert lua.run("return pcall(cjson.encode, loop)") == (False, b"Cannot serialise, excessive nesting (4001)")
    assert lua.run("cjson.encode_max_depth(2) return cjson.encode({{}})") == b"[{}]"
    assert lua.run("return pcall(cjson.encode, {{{}}})") == (False, b"Cannot serialise, excessive nesting (3)")


@pytest.mark.parametrize(
    ("settings", "value", "expected"),
    [
        ("encode_sparse_array(true)", "{[11] = 1}", '{"11":1}'),
        ("encode_sparse_array(false, 0)", "{[12] = 1}", "[" + "null," * 11 + "1]"),
        ("encode_sparse_array(true, 1, 2)", "{[3] = 1}", '{"3":1}'),
        ("encode_empty_table_as_object(false)", "{{}}", "[[]]"),
        ("encode_number_precision(3)", "{math.pi, 12345}", "[3.14,1.23e+04]"),
        ("encode_number_precision(16)", "0.1", "0.1"),
        ("encode_invalid_numbers(true)", "{0/0, 1/0, -1/0}", "[NaN,Infinity,-Infinity]"),
        ("encode_invalid_numbers('null')", "{0/0, 1/0}", "[null,null]"),
        ("encode_escape_forward_slash(false)", "{['/'] = '/'}", '{"/":"/"}'),
        ("encode_skip_unsupported_value_types(true)", "{print, 1, print, 2}", "[1,2]"),
        ("encode_skip_unsupported_value_types(true)", "{a = print}", "{}"),
        ("encode_skip_unsupported_value_types(true)", "print", ""),
        ("encode_indent('  ')", "{1, {}, {a = 1}}", '[\n  1,\n  {},\n  {\n    "a": 1\n  }\n]'),
        ("encode_keep_buffer(false)", "{1}", "[1]"),
    ],
)
def test_a_setting_of_encode_holds_for_its_own_instance_only(
    lua: Pieces, settings: str, value: str, expected: str
) -> None:
    lua.run(f"one = cjson.new() one.{settings}")
    assert lua.run(f"return one.encode({value})") == expected.encode()
    lua.run("other = cjson.new()")
    assert lua.run("return other.encode({1, 'a/b'})") == rb'[1,"a\/b"]'


# The modules ----------------------------------------------------------------------------------------------------------


def test_null_is_the_light_userdata_that_everyone_means(lua: Pieces) -> None:
    null = "require('string.buffer').decode('\\3')"
    assert lua.run(f"return cjson.null == {null}, safe.null == cjson.null, tostring(cjson.null)") == (
        True,
        True,
        b"userdata: NULL",
    )
    assert lua.run("return type(cjson.null), type(cjson.empty_array), cjson.empty_array ~= cjson.null") == (
        b"userdata",
        b"userdata",
        True,
    )


def test_the_modules_hold_what_lua_cjsons_hold(lua: Pieces) -> None:
    names = """_NAME _VERSION array_mt decode decode_allow_comment decode_array_with_array_mt decode_invalid_numbers
        decode_max_depth empty_array empty_array_mt encode encode_empty_table_as_object encode_escape_forward_slash
        encode_indent encode_invalid_numbers encode_keep_buffer encode_max_depth encode_number_precision
        encode_skip_unsupported_value_types encode_sparse_array new null"""
    for module in ("cjson", "safe", "cjson.new()", "safe.new()"):
        held = f"local t = {{}} for name in pairs({module}) do t[#t + 1] = name end return table.concat(t, ' ')"
        assert sorted(lua.run(held).decode().split()) == names.split()
    assert lua.run("return cjson._NAME, cjson._VERSION") == (b"cjson", b"2.1.0.11")
    assert lua.run("return cjson.new().array_mt == cjson.array_mt, safe.empty_array == cjson.empty_array") == (
        True,
        True,
    )


def test_instances_have_settings_of_their_own(lua: Pieces) -> None:
    assert lua.run("cjson.encode_max_depth(5) return cjson.new().encode_max_depth(), safe.encode_max_depth()") == (
        1000,
        1000,
    )


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("encode_max_depth()", (1000,)),
        ("encode_max_depth(7)", (7,)),
        ("encode_max_depth('8')", (8,)),
        ("encode_sparse_array()", (False, 2, 10)),
        ("encode_sparse_array(true, nil, 3)", (True, 2, 3)),
        ("encode_invalid_numbers()", (False,)),
        ("encode_invalid_numbers('null')", (b"null",)),
        ("decode_invalid_numbers('off')", (False,)),
        ("decode_invalid_numbers()", (True,)),
        ("encode_keep_buffer()", (True,)),
        ("encode_number_precision()", (14,)),
        ("encode_escape_forward_slash()", (True,)),
        ("encode_empty_table_as_object('on')", (True,)),
        ("encode_indent()", (b"",)),
    ],
)
def test_a_setting_returns_what_is_in_force(lua: Pieces, call: str, expected: tuple[Any, ...]) -> None:
    answer = lua.run(f"return cjson.{call}")
    assert (answer if isinstance(answer, tuple) else (answer,)) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("encode()", "bad argument #1 to 'encode' (expected 1 argument)"),
        ("encode(1, 2)", "bad argument #1 to 'encode' (expected 1 argument)"),
        ("decode()", "bad argument #1 to 'decode' (expected 1 argument)"),
        ("decode({})", "bad argument #1 to 'decode' (string expected, got table)"),
        ("decode(nil)", "bad argument #1 to 'decode' (string expected, got nil)"),
        ("decode('x')", "Expected value but found invalid token at character 1"),
        ("encode(print)", "Cannot serialise function: type not supported"),
        ("encode_max_depth(0)", "bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)"),
        ("encode_max_depth('x')", "bad argument #1 to 'encode_max_depth' (number expected, got string)"),
        ("encode_max_depth(1, 2)", "bad argument #2 to 'encode_max_depth' (found too many arguments)"),
        (
            "encode_number_precision(17)",
            "bad argument #1 to 'encode_number_precision' (expected integer between 1 and 16)",
        ),
        ("encode_invalid_numbers('x')", "bad argument #1 to 'encode_invalid_numbers' (invalid option 'x')"),
        ("encode_keep_buffer({})", "bad argument #1 to 'encode_keep_buffer' (string expected, got table)"),
        ("encode_sparse_array(true, 'x')", "bad argument #2 to 'encode_sparse_array' (number expected, got string)"),
    ],
)
def test_an_error_names_the_callers_line_and_the_function(lua: Pieces, call: str, message: str) -> None:
    answer = lua.run(f"return pcall(function() local found = cjson.{call} end)")
    assert answer == (False, b"test:1: " + message.encode())


def test_safe_returns_errors_and_raises_only_for_a_wrong_number_of_arguments(lua: Pieces) -> None:
    assert lua.run("return safe.decode('{\"a\":[1]}').a[1], safe.encode({1})") == (1, b"[1]")
    assert lua.run("return safe.decode({})") == (None, b"bad argument #1 to '?' (string expected, got table)")
    assert lua.run("return pcall(function() local found = safe.encode() end)") == (
        False,
        b"test:1: bad argument #1 to 'encode' (expected 1 argument)",
    )


def test_an_error_of_a_metamethod_goes_through_unchanged(lua: Pieces) -> None:
    lua.run("bad = setmetatable({}, {__len = function() error({code = 7}) end})")
    assert lua.run("local good, err = pcall(cjson.encode, bad) return good, err.code") == (False, 7)
    assert lua.run("local value, err = safe.encode({bad}) return value, err.code") == (None, 7)
    assert lua.run("return cjson.encode({1})") == b"[1]"


def any_value(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return [any_value(dice, depth + 1) for _ in range(dice.randrange(5))]
    if kind == 7:
        return {any_text(dice): any_value(dice, depth + 1) for _ in range(dice.randrange(5))}
    values = (
        None,
        dice.random() < 0.5,
        dice.randint(-(10**12), 10**12),
        dice.uniform(-1, 1) * 10.0 ** dice.randint(-9, 9),
    )
    return values[kind] if kind < 4 else any_text(dice)


def any_text(dice: random.Random) -> str:
    return "".join(dice.choice('ab/"\\\n\t\x00\x1f\x7f é€😀') for _ in range(dice.randrange(12)))


def test_documents_come_back_as_pythons_json_reads_them(lua: Pieces) -> None:
    dice = random.Random(5)
    lua.run(
        "cjson.decode_array_with_array_mt(true) cjson.encode_number_precision(16) cjson.decode_invalid_numbers(false)"
    )
    again = lua.run("return function(text) return cjson.encode(cjson.decode(text)) end")
    for _ in range(400):
        document = [any_value(dice)]
        text = json.dumps(document, ensure_ascii=dice.random() < 0.5, indent=dice.choice((None, 1)))
        assert round_floats(json.loads(again(text.encode()))) == round_floats(document)


def round_floats(value: Any) -> Any:
    """Return the value with its floats cut to 12 digits."""
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, list):
        return [round_floats(item) for item in value]
    if isinstance(value, dict):
        return {key: round_floats(item) for key, item in value.items()}
    return value
