from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa._stream.buffer import ReceiveBuffer, find_text

pieces = st.lists(st.lists(st.sampled_from(b"ab\n"), min_size=1, max_size=12).map(bytes), max_size=12)
operations = st.lists(
    st.tuples(
        st.sampled_from(["feed", "take", "take_line", "take_front", "take_all", "find", "peek"]), st.integers(0, 15)
    ),
    max_size=40,
)


def fed(*chunks: bytes) -> ReceiveBuffer:
    buffer = ReceiveBuffer()
    for chunk in chunks:
        buffer.feed(chunk)
    return buffer


@given(pieces, operations)
def test_a_buffer_is_the_bytes_fed_less_the_bytes_taken(chunks: list[bytes], steps: list[tuple[str, int]]) -> None:
    buffer, model = ReceiveBuffer(), b""
    for kind, number in steps:
        taken = b""
        if kind == "feed" and chunks:
            chunk = chunks.pop()
            buffer.feed(chunk)
            model += chunk
        elif kind == "take" and number <= len(model):
            taken = buffer.take(number)
            assert len(taken) == number
        elif kind == "take_line":
            line = buffer.take_line(number)
            if line is not None:
                assert len(line) <= number
                taken = line + b"\n"
        elif kind == "take_front" and model and number:
            taken = buffer.take_front(number)
            assert 1 <= len(taken) <= number
        elif kind == "take_all":
            taken = buffer.take_all()
            assert taken == model
        elif kind == "find":
            assert buffer.find(b"ab", number) == model.find(b"ab", number)
        elif kind == "peek":
            assert buffer.peek(number, number + 4) == model[number : number + 4]
        assert model.startswith(taken)
        model = model[len(taken) :]
        assert buffer.size == len(model)
    assert buffer.take_all() == model


@given(pieces, st.sampled_from([b"a", b"ab", b"aba", b"\n\nab"]))
def test_a_search_that_goes_on_after_each_piece_finds_what_a_search_of_all_finds(
    chunks: list[bytes], pattern: bytes
) -> None:
    buffer, data = ReceiveBuffer(), b""
    for chunk in chunks:
        searched = max(0, buffer.size - len(pattern) + 1)
        buffer.feed(chunk)
        data += chunk
        found = buffer.find(pattern, searched)
        assert found == data.find(pattern)
        if found >= 0:
            return


@pytest.mark.parametrize("count", [1, 511, 512, 513, 514, 5000])
def test_a_drip_of_any_length_comes_back_whole(count: int) -> None:
    buffer = fed(*[b"%d" % (index % 10) for index in range(count)])
    data = (b"0123456789" * (count // 10 + 1))[:count]
    assert buffer.take(count // 2) == data[: count // 2]
    assert buffer.take_all() == data[count // 2 :]


def test_what_was_fed_as_one_and_is_taken_as_one_is_not_copied() -> None:
    data = b"x" * 100_000
    assert fed(data).take(len(data)) is data


def test_a_line_beyond_the_limit_stays_in_the_buffer() -> None:
    buffer = fed(b"abc\n")
    assert buffer.take_line(2) is None
    assert buffer.take_line(3) == b"abc"


def test_a_cleared_buffer_is_like_a_new_one() -> None:
    buffer = fed(b"abc", b"def")
    buffer.take(1)
    buffer.clear()
    assert buffer.size == 0
    assert buffer.take_all() == b""
    buffer.feed(b"x")
    assert buffer.take_all() == b"x"


@given(st.integers(0, 12), st.lists(st.integers(0, 9_000), max_size=30), st.integers(0, 9_000))
def test_far_texts_are_found_where_find_finds_them(false_starts: int, places: list[int], start: int) -> None:
    data = bytearray(b"." * 9_000)
    for place in places[:false_starts]:
        data[place : place + 1] = b"#"
    for place in places[false_starts:]:
        data[place : place + 3] = b"#ab"
    assert find_text(bytes(data), b"#ab", start) == bytes(data).find(b"#ab", start)
