from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa._stream.buffer import ReceiveBuffer
from lasa._stream.patterns import Anything, Boundary, Everything, Line, Pattern, Section, Size
from lasa.errors import SocketError
from tests.socket.reference import SlowReader, SlowStream

NO_LIMIT = 1 << 40

# Few different bytes, so that patterns occur, overlap themselves and are cut in the middle.
texts = st.lists(st.sampled_from(b"ab\n\r-"), max_size=60).map(bytes)
patterns = st.lists(st.sampled_from(b"ab-"), min_size=1, max_size=6).map(bytes)
cuts = st.lists(st.integers(1, 9), max_size=40)


class CutStream:
    """A buffer, and the pieces that it has not been fed yet."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.buffer = ReceiveBuffer()
        self._pieces = cut(data, sizes)

    def read(self, pattern: Pattern) -> bytes | None:
        """Feed until ``pattern`` is satisfied, as the driver does; None when the stream ends first."""
        data = pattern.take(self.buffer, 0) if self.buffer.size else None
        if data is None and self.buffer.front:
            self.buffer.drop_used_front()
        while data is None:
            piece = next(self._pieces, None)
            if piece is None:
                return None
            data = pattern.take_new(self.buffer, piece)
        return data


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        if not data:
            return
        yield data[:size]
        data = data[size:]
    if data:
        yield data


def section(pattern: bytes, size: int = 0, *, inclusive: bool = False, limit: int = NO_LIMIT) -> Section:
    return Section(Boundary(pattern), inclusive=inclusive, size=size, limit=limit)


# Any cut


@given(texts, cuts)
def test_lines_do_not_depend_on_where_the_stream_is_cut(data: bytes, sizes: list[int]) -> None:
    stream = CutStream(data, sizes)
    lines = []
    while (line := stream.read(Line(NO_LIMIT))) is not None:
        lines.append(line)
    *complete, rest = data.replace(b"\r", b"").split(b"\n")
    assert lines == complete
    assert Line(NO_LIMIT).rest(stream.buffer, "closed") == rest
    assert stream.buffer.size == 0


@given(texts, cuts, st.integers(1, 20))
def test_sizes_do_not_depend_on_where_the_stream_is_cut(data: bytes, sizes: list[int], size: int) -> None:
    stream = CutStream(data, sizes)
    chunks = []
    while (chunk := stream.read(Size(size))) is not None:
        chunks.append(chunk)
    assert all(len(chunk) == size for chunk in chunks)
    assert b"".join(chunks) + Size(size).rest(stream.buffer, "timeout") == data


@given(texts, cuts, st.integers(1, 20))
def test_anything_is_never_empty_nor_too_long_and_loses_nothing(data: bytes, sizes: list[int], limit: int) -> None:
    stream = CutStream(data, sizes)
    chunks = []
    while (chunk := stream.read(Anything(limit))) is not None:
        chunks.append(chunk)
    assert all(1 <= len(chunk) <= limit for chunk in chunks)
    assert b"".join(chunks) == data


@given(texts, cuts)
def test_everything_is_the_whole_stream_at_its_end_only(data: bytes, sizes: list[int]) -> None:
    stream = CutStream(data, sizes)
    wanted = Everything(NO_LIMIT)
    assert stream.read(wanted) is None
    assert wanted.at_end(stream.buffer) == data


@given(texts, cuts, patterns, st.booleans())
def test_sections_end_at_the_leftmost_boundary_wherever_the_stream_is_cut(
    data: bytes, sizes: list[int], pattern: bytes, inclusive: bool
) -> None:
    stream = CutStream(data, sizes)
    sections = []
    while (found := stream.read(section(pattern, inclusive=inclusive))) is not None:
        sections.append(found)
    *complete, rest = data.split(pattern)
    assert sections == [part + pattern if inclusive else part for part in complete]
    assert section(pattern).rest(stream.buffer, "closed") == rest


# The rules of chunks


@given(texts, cuts, patterns, st.lists(st.integers(0, 9), min_size=1, max_size=30), st.booleans())
def test_chunks_follow_the_four_rules_wherever_the_stream_is_cut(
    data: bytes, sizes: list[int], pattern: bytes, chunk_sizes: list[int], inclusive: bool
) -> None:
    stream, slow_stream = CutStream(data, sizes), SlowStream(data)
    slow = SlowReader(pattern, inclusive=inclusive)
    for size in chunk_sizes:
        fast = section(pattern, size, inclusive=inclusive)
        chunk = stream.read(fast)
        assert chunk == slow.read(slow_stream, size)
        assert fast.met_boundary == slow.met_boundary
        if chunk is None:
            assert fast.rest(stream.buffer, "timeout") == slow.gathered
            assert stream.buffer.take_all() == slow_stream.rest
            return


@given(texts, cuts, patterns, st.integers(1, 9))
def test_a_chunk_exceeds_its_size_by_the_pattern_less_two_at_most(
    data: bytes, sizes: list[int], pattern: bytes, size: int
) -> None:
    stream = CutStream(data, sizes)
    while (chunk := stream.read(section(pattern, size))) is not None:
        assert len(chunk) <= size + max(0, len(pattern) - 2)


operations = st.lists(
    st.one_of(
        st.tuples(st.just("line"), st.just(0)),
        st.tuples(st.just("size"), st.integers(1, 5)),
        st.tuples(st.just("any"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["first reader", "second reader"]), st.integers(0, 6)),
    ),
    max_size=25,
)


@given(texts, cuts, patterns, patterns, operations)
def test_two_readers_and_other_reads_interleave_without_loss(
    data: bytes, sizes: list[int], first: bytes, second: bytes, steps: list[tuple[str, int]]
) -> None:
    stream, slow = CutStream(data, sizes), SlowStream(data)
    texts_of = {"first reader": first, "second reader": second}
    for kind, size in steps:
        if kind == "any":  # how much comes depends on the cut; what comes does not
            chunk = stream.read(Anything(size))
            assert chunk == slow.size(len(chunk or b"")) or chunk is None
        elif kind == "line":
            assert stream.read(Line(NO_LIMIT)) == slow.line()
        elif kind == "size":
            assert stream.read(Size(size)) == slow.size(size)
        else:
            wanted = section(texts_of[kind], size, inclusive=True)
            chunk = stream.read(wanted)
            at = slow.at
            assert chunk == SlowReader(texts_of[kind], inclusive=True).read(slow, size)
            if chunk is None:
                slow.at = at  # the buffer still holds all of it
    assert stream.read(Size(NO_LIMIT)) is None  # feeds the rest
    assert stream.buffer.take_all() == slow.rest


@given(texts, cuts, patterns)
def test_a_timeout_withholds_the_pending_prefix_and_the_end_hands_it_over(
    data: bytes, sizes: list[int], pattern: bytes
) -> None:
    at_timeout, at_end = CutStream(data, sizes), CutStream(data, sizes)
    for stream in (at_timeout, at_end):
        while stream.read(section(pattern)) is not None:
            pass
    rest = data.split(pattern)[-1]
    pending = next(length for length in range(len(pattern) - 1, -1, -1) if rest.endswith(pattern[:length]))
    assert section(pattern).rest(at_end.buffer, "closed") == rest
    assert section(pattern).rest(at_timeout.buffer, "timeout") == rest[: len(rest) - pending]
    assert at_timeout.buffer.take_all() == pattern[:pending]


# Limits


def outcome_of(stream: CutStream, pattern: Pattern) -> Any:
    try:
        return stream.read(pattern)
    except SocketError as error:
        return error.reason, error.partial


@given(texts, cuts, cuts, st.integers(1, 30))
def test_limits_do_not_depend_on_where_the_stream_is_cut(
    data: bytes, sizes: list[int], other_sizes: list[int], limit: int
) -> None:
    for make in (lambda: Line(limit), lambda: Everything(limit), lambda: section(b"ab-", limit=limit)):
        one, other = CutStream(data, sizes), CutStream(data, other_sizes)
        assert outcome_of(one, make()) == outcome_of(other, make())


@pytest.mark.parametrize("step", [1, 2, 3, 100])
def test_a_limit_hands_over_just_so_many_bytes_and_leaves_the_rest(step: int) -> None:
    for data, pattern, reason in (
        (b"abcdef\n", Line(5), "line too long"),
        (b"abcdefg", Everything(5), "stream too long"),
        (b"abcdef--", section(b"--", limit=5), "section too long"),
    ):
        stream = CutStream(data, [step] * 20)
        assert outcome_of(stream, pattern) == (reason, b"abcde")
        assert stream.read(Size(1)) == b"f"


@pytest.mark.parametrize("step", [1, 2, 3, 100])
def test_what_is_as_long_as_the_limit_passes(step: int) -> None:
    for data, pattern in ((b"abcde\n", Line(5)), (b"abcde--", section(b"--", limit=5))):
        assert outcome_of(CutStream(data, [step] * 20), pattern) == b"abcde"


def test_a_chunk_is_bounded_by_its_own_size_and_by_no_limit() -> None:
    assert outcome_of(CutStream(b"abcdef--", []), section(b"--", size=100, limit=3)) == b"abcdef"


# Cost


class CountingBuffer(ReceiveBuffer):
    """Counts the bytes that are looked at or copied."""

    def __init__(self) -> None:
        super().__init__()
        self.touched = 0

    def find(self, pattern: bytes, start: int) -> int:
        self.touched += self.size - start
        return super().find(pattern, start)

    def peek(self, start: int, end: int) -> bytes:
        self.touched += end - start
        return super().peek(start, end)

    def _join(self) -> None:
        self.touched += self.size
        super()._join()


@pytest.mark.parametrize(
    ("pattern", "data"),
    [
        (Line(NO_LIMIT), b"x" * 100_000 + b"\n"),
        (Size(100_001), b"x" * 100_001),
        (section(b"\r\n--boundary--\r\n"), b"x" * 100_000 + b"\r\n--boundary--\r\n"),
        (section(b"aaaaaaab"), b"a" * 100_000 + b"b"),
        (section(b"--end", size=90_000), b"-" * 100_000),
    ],
    ids=["line", "size", "boundary", "boundary that overlaps itself", "chunk"],
)
def test_a_byte_that_drips_in_costs_no_more_than_one_of_a_flood(pattern: Pattern, data: bytes) -> None:
    buffer = CountingBuffer()
    for index in range(len(data)):
        if pattern.take_new(buffer, data[index : index + 1]) is not None:
            break
    else:
        pytest.fail("the pattern never came")
    assert buffer.touched < 400 * len(data)  # a search from the start each time would be 50,000 times


@given(st.integers(1, 50))
def test_chunks_of_a_buffered_flood_look_at_each_byte_a_few_times(size: int) -> None:
    buffer = CountingBuffer()
    buffer.feed(b"-" * 5_000 + b"--end")
    boundary = Boundary(b"--end")
    while True:
        wanted = Section(boundary, inclusive=False, size=size, limit=NO_LIMIT)
        assert wanted.take(buffer, 0) is not None
        if wanted.met_boundary:
            break
    assert buffer.touched < 40 * 5_005
