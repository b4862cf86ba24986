import math
import sys
from array import array
from collections import namedtuple
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa._values import as_bytes, flatten, integer, number, text_of, timeout_ms, type_name


class Port(IntEnum):
    HTTP = 80


# number() and integer()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("8", 8),
        ("-8", -8),
        ("+8", 8),
        ("007", 7),
        (" \t\n\v\f\r8 \t\n\v\f\r", 8),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("1E+3", 1000.0),
        ("25e-1", 2.5),
        (".5e1", 5.0),
        ("0x10", 16),
        ("0XfF", 255),
        ("-0x10", -16),
        (" 0x10 ", 16),
        ("1e999", math.inf),
        ("-1e999", -math.inf),
    ],
)
def test_text_that_looks_like_a_number_is_that_number(text: str, expected: float) -> None:
    for value in (text, text.encode(), bytearray(text.encode()), memoryview(text.encode())):
        found = number(value)
        assert found == expected
        assert type(found) is type(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "*l",
        "l",
        "1_0",
        "nan",
        "inf",
        "infinity",
        "-inf",
        "1 2",
        "--1",
        "- 1",
        ".",
        "e5",
        "1e",
        "1e+",
        "0x",
        "0xg",
        "x10",
        "0b1",
        "0o7",
        "1.2.3",
        "8\0",
        "8\n\0",
        "\u0661\u0662",  # Arabic digits, which int() takes
        "\uff11",  # a full-width digit
        "\u00a08",  # a no-break space, which int() strips
        "\u20038",
        "1,5",
        "8a",
    ],
)
def test_other_text_is_no_number(text: str) -> None:
    assert number(text) is None
    assert number(text.encode()) is None
    assert integer(text) is None


def test_a_no_break_space_in_bytes_is_no_blank_either() -> None:
    assert number(b"\xa08") is None
    assert number(b"\xff") is None


@pytest.mark.parametrize("value", [0, 1, -1, 2**80, 1.5, -0.0, math.inf, -math.inf, Port.HTTP])
def test_a_number_is_returned_as_it_is(value: float) -> None:
    assert number(value) is value


@pytest.mark.parametrize("value", [None, True, False, math.nan, [], [1], {}, object(), print, 1j, b""])
def test_booleans_nan_and_other_types_are_no_numbers(value: object) -> None:
    assert number(value) is None
    assert integer(value) is None


def test_numbers_with_very_many_digits_do_not_meet_the_interpreters_digit_limit() -> None:
    assert number("9" * 5000) == math.inf
    assert number("-" + "9" * 5000) == -math.inf
    assert number("0" * 5000 + "5") == 5.0
    assert number("9" * 400) == 10**400 - 1


def test_a_long_wrong_string_is_refused_in_linear_time() -> None:
    # Quadratic backtracking would need 10**12 steps here.
    assert number("1" * 1_000_000 + "x") is None
    assert number(" " * 1_000_000 + "x") is None
    assert number("." + "1" * 1_000_000 + "e") is None


@given(st.integers(-(10**30), 10**30), st.text(" \t\n\v\f\r"), st.text(" \t\n\v\f\r"))
def test_every_printed_integer_is_read_back(value: int, before: str, after: str) -> None:
    assert number(f"{before}{value}{after}") == value
    assert number(f"{before}{value:#x}{after}") == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_printed_float_is_read_back(value: float) -> None:
    assert number(repr(value)) == value


@given(st.text("0123456789abcdefxX+-._eEnif \t\n", max_size=8) | st.text(max_size=4))
def test_number_accepts_a_string_only_if_python_does_and_then_agrees(text: str) -> None:
    found = number(text)
    if found is None:
        return
    if "x" in text.lower():
        assert found == int(text, 16)
    else:
        assert found == float(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, 5), (2.9, 2), (-2.9, -2), ("2.9", 2), ("-2.9", -2), ("0x1F", 31), (-0.5, 0), (1e20, 10**20)],
)
def test_integer_drops_the_fraction_toward_zero(value: object, expected: int) -> None:
    found = integer(value)
    assert found == expected
    assert type(found) is int


@pytest.mark.parametrize("value", [math.inf, -math.inf, "1e999"])
def test_an_infinite_number_is_no_integer(value: object) -> None:
    assert integer(value) is None


def test_integer_of_an_enum_member_is_its_plain_int() -> None:
    assert type(integer(Port.HTTP)) is int


# type_name()


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, "nil"),
        (True, "boolean"),
        (False, "boolean"),
        (1, "number"),
        (1.5, "number"),
        (math.nan, "number"),
        ("", "string"),
        (b"", "string"),
        (bytearray(), "string"),
        (memoryview(b""), "string"),
        ({}, "table"),
        ([], "table"),
        ((), "table"),
        (print, "function"),
        (lambda: None, "function"),
        (int, "function"),
        (object(), "userdata"),
        ({1}, "userdata"),
        (1j, "userdata"),
    ],
)
def test_types_have_luas_names(value: object, word: str) -> None:
    assert type_name(value) == word


# text_of()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, b"0"),
        (-17, b"-17"),
        (10**15, b"1000000000000000"),
        (2**64, b"18446744073709551616"),
        (Port.HTTP, b"80"),
        (3.0, b"3"),
        (-0.0, b"0"),
        (3.14159265357939723846, b"3.1415926535794"),
        (0.1, b"0.1"),
        (-1.5, b"-1.5"),
        (2147483647.0, b"2147483647"),
        (-2147483648.0, b"-2147483648"),
        (2147483648.0, b"2147483648"),
        (1e14, b"1e+14"),
        (1e15, b"1e+15"),
        (1e300, b"1e+300"),
        (math.inf, b"inf"),
        (-math.inf, b"-inf"),
        (math.nan, b"nan"),
    ],
)
def test_numbers_are_written_as_lua_writes_them_but_ints_keep_their_digits(value: float, text: bytes) -> None:
    assert text_of(value) == text


@given(st.integers(-(2**31), 2**31 - 1))
def test_a_whole_float_of_32_bits_is_written_like_the_int(value: int) -> None:
    assert text_of(float(value)) == text_of(value) == str(value).encode()


# flatten()

scalars: st.SearchStrategy[object] = (
    st.binary(max_size=8)
    | st.text(max_size=8)
    | st.integers()
    | st.floats()
    | st.binary(max_size=4).map(bytearray)
    | st.binary(max_size=4).map(lambda data: memoryview(data))
)
tables: st.SearchStrategy[object] = st.recursive(
    st.lists(scalars, max_size=4),
    lambda inner: st.lists(scalars | inner, max_size=4) | st.lists(scalars | inner, max_size=4).map(tuple),
    max_leaves=20,
)


def naive_flatten(data: object) -> bytes:
    if isinstance(data, list | tuple):
        return b"".join(naive_flatten(item) for item in data)
    if isinstance(data, str):
        return data.encode("utf-8")
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    assert isinstance(data, int | float)
    if isinstance(data, float) and data == 0:
        return b"0"
    return str(data).encode() if isinstance(data, int) else ("%.14g" % data).encode()  # noqa: UP031


@given(tables)
def test_flatten_equals_the_recursive_join(table: object) -> None:
    assert flatten(table) == naive_flatten(table)


@given(scalars)
def test_flatten_of_one_value_equals_flatten_of_a_list_of_it(value: object) -> None:
    assert flatten(value) == flatten([value]) == flatten(((value,),))


def test_bytes_are_not_copied() -> None:
    data = bytes(range(256))
    assert flatten(data) is data


def test_trap_9_nested_lists_and_numbers_are_concatenated() -> None:
    data = flatten([b"GET", " ", ["/foo", [" HTTP/", 1, ".", 0]]])
    assert data == b"GET /foo HTTP/1.0"
    assert len(data) == 17


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (None, "None"),
        (True, "bool"),
        (False, "bool"),
        ([b"a", None], "None in a list"),
        ([True], "bool in a list"),
        ((b"a", [False]), "bool in a list"),
        ({}, "dict"),
        ({"a": 1}, "dict"),
        ([b"a", {}], "dict in a list"),
        ([[{1: b"a"}]], "dict in a list"),
        ([print], "builtin_function_or_method in a list"),
        ([b"a", object()], "object in a list"),
        ([array("B", b"a")], "array in a list"),
        ([[{b"a"}]], "set in a list"),
        (print, "builtin_function_or_method"),
        (object(), "object"),
        (iter([b"a"]), "list_iterator"),
        (array("B", b"a"), "array"),
    ],
)
def test_trap_11_what_cannot_be_sent_raises_and_is_named(data: object, kind: str) -> None:
    with pytest.raises(TypeError) as caught:
        flatten(data)
    assert str(caught.value) == f"bad data: bytes, str, a number or a list of these expected, got {kind}"


def test_the_first_wrong_element_from_the_left_is_the_one_named() -> None:
    with pytest.raises(TypeError, match=r"got None in a list$"):
        flatten([b"a", [b"b", [None], True], {}])


@pytest.mark.parametrize("data", [b"", "", bytearray(), [], (), [[], ((), [])], [b""]])
def test_nothing_flattens_to_nothing(data: object) -> None:
    assert flatten(data) == b""


def test_what_the_caller_may_change_later_is_copied() -> None:
    changing = bytearray(b"abc")
    flat = [flatten(changing), flatten(memoryview(changing)), flatten([changing]), flatten([b"", changing])]
    changing[:] = b"xyz"
    assert flat == [b"abc"] * 4
    assert all(type(data) is bytes for data in flat)


def test_a_memoryview_of_any_format_gives_its_raw_bytes() -> None:
    numbers = array("I", [1, 2**31])
    assert flatten(memoryview(numbers)) == numbers.tobytes()
    assert flatten([memoryview(numbers), b"!"]) == numbers.tobytes() + b"!"
    assert flatten([memoryview(b"abcdef")[::2]]) == b"ace"


def test_subclasses_count_as_what_they_are() -> None:
    class Text(str):
        pass

    class Data(bytes):
        pass

    Pair = namedtuple("Pair", "left right")
    assert flatten([Text("é"), Data(b"d"), Port.HTTP, Pair("l", b"r")]) == "éd80lr".encode()
    assert flatten([Data(b"d")]) == b"d"
    assert type(flatten(Data(b"d"))) is bytes


def test_depth_is_not_bounded_by_the_recursion_limit() -> None:
    depth = 100_000
    assert depth > sys.getrecursionlimit()
    table: list[object] = [b"core"]
    for _ in range(depth):
        table = ["(", table, ")"]
    assert flatten(table) == b"(" * depth + b"core" + b")" * depth


def test_a_list_that_contains_itself_raises_instead_of_looping() -> None:
    direct: list[object] = [b"a"]
    direct.append(direct)
    with pytest.raises(ValueError, match="a list that contains itself"):
        flatten(direct)
    inner: list[object] = [b"a"]
    inner.append((b"b", [inner]))
    with pytest.raises(ValueError, match="a list that contains itself"):
        flatten([b"", inner])


def test_the_same_list_twice_side_by_side_is_fine() -> None:
    crlf = ["\r", "\n"]
    assert flatten([crlf, [crlf, crlf], crlf]) == b"\r\n" * 4


@pytest.mark.parametrize("text", [chr(0xD800), chr(0xDC80), "a" + chr(0xDFFF)])
def test_a_lone_surrogate_is_a_value_error(text: str) -> None:
    for data in (text, [text], [[b"a", text]]):
        with pytest.raises(ValueError, match="surrogates not allowed"):
            flatten(data)
    with pytest.raises(ValueError, match="surrogates not allowed"):
        as_bytes(text, "host")


def test_two_half_surrogates_in_a_row_are_not_joined_into_one_character() -> None:
    with pytest.raises(UnicodeEncodeError):
        flatten(["\ud83d", "\ude00"])


# as_bytes()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a\xff", b"a\xff"),
        (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"),
        ("é", b"\xc3\xa9"),
        (80, b"80"),
        (3.0, b"3"),
        (3.5, b"3.5"),
    ],
)
def test_strings_and_numbers_are_bytes(value: object, expected: bytes) -> None:
    found = as_bytes(value, "host")
    assert found == expected
    assert type(found) is bytes


@pytest.mark.parametrize(("value", "word"), [(None, "None"), (True, "bool"), ([b"a"], "list"), (lambda: 0, "function")])
def test_what_is_no_string_is_named_with_its_argument(value: object, word: str) -> None:
    with pytest.raises(TypeError) as caught:
        as_bytes(value, "host")
    assert str(caught.value) == f"host: str or bytes expected, got {word}"


# timeout_ms()

DEFAULT_MS = 30_000.0


@pytest.mark.parametrize(
    "value",
    [None, 0, 0.0, 0.5, "0", "0.9", -1, -0.5, -math.inf, "-5", math.nan, True, False, "abc", "", [], {}],
)
def test_no_usable_number_means_the_default_timeout(value: object) -> None:
    assert timeout_ms(value, DEFAULT_MS) == DEFAULT_MS


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        (1.9, 1.0),
        ("250", 250.0),
        (b" 0x10 ", 16.0),
        ("1e3", 1000.0),
        (2**31 - 1, 2147483647.0),
        (2147483647.9, 2147483647.0),
    ],
)
def test_a_timeout_is_whole_milliseconds(value: object, expected: float) -> None:
    found = timeout_ms(value, DEFAULT_MS)
    assert found == expected
    assert type(found) is float


@pytest.mark.parametrize("value", [2**31, 2.0**31, 10**400, math.inf, "1e999", "2147483648"])
def test_a_timeout_beyond_31_bits_raises(value: object) -> None:
    with pytest.raises(ValueError, match=r"^bad timeout value$"):
        timeout_ms(value, DEFAULT_MS)
