"""Lines in a row are cut ahead; no mixture of reads may tell."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lasa._hub import scheduler
from lasa._stream.buffer import CUT_AHEAD, LINES_IN_A_ROW
from lasa._stream.limits import Limits
from lasa.socket import TcpSocket
from tests.helpers import spend_slice, unspent_slice


class Chunks:
    """A stream that answers with what it was given, then with the end."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks
        self.hub = scheduler()
        self.identities: tuple[()] = ()
        self.certificates: tuple[()] = ()

    def recv(self, size: int, timeout_s: float, try_first: bool) -> bytes:
        if not self.chunks:
            return b""
        chunk = self.chunks.pop(0)
        if len(chunk) > size:
            self.chunks.insert(0, chunk[size:])
        return chunk[:size]

    def recv_now(self, size: int) -> bytes | None:
        return self.recv(size, 0, True)

    def send(self, data: bytes | memoryview, timeout_s: float) -> None:
        raise AssertionError("nothing is sent")

    def send_now(self, data: bytes) -> int:
        raise AssertionError("nothing is sent")

    def has_input(self) -> bool:
        return bool(self.chunks)

    has_unsent = holds_input = False
    is_inherited = False

    def flush(self, timeout_s: float) -> None: ...

    def shutdown(self, how: int) -> None: ...

    def close(self) -> None: ...


def connected_to(chunks: list[bytes], limits: Limits | None = None) -> TcpSocket:
    sock = TcpSocket(limits or Limits())
    sock._open(Chunks([chunk for chunk in chunks if chunk]))
    return sock


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    chunks, start = [], 0
    for size in sizes:
        chunks.append(data[start : start + size])
        start += size
    return [*chunks, data[start:]]


reads = st.one_of(
    st.tuples(st.just("lines"), st.integers(1, 3 * LINES_IN_A_ROW)),
    st.tuples(st.just("size"), st.integers(1, 40)),
    st.tuples(st.just("until"), st.just(0)),
    st.tuples(st.just("any"), st.integers(1, 9)),
    st.tuples(st.just("peek"), st.just(0)),
    st.tuples(st.just("spend the slice"), st.just(0)),
)


@settings(deadline=None)
@given(
    st.lists(st.text("ab\r", max_size=6), min_size=80, max_size=300),
    st.lists(st.integers(1, 500), max_size=8),
    st.lists(reads, max_size=12),
)
def test_no_mixture_of_reads_tells_that_lines_were_cut_ahead(
    lines: list[str], sizes: list[int], plan: list[tuple[str, int]]
) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()
    sock = connected_to(cut(data, sizes))
    for kind, number in plan:
        if kind == "lines":
            for _ in range(number):
                expected, newline, data_after = data.partition(b"\n")
                got = sock.receive("*l")
                if not newline:
                    assert got == (None, "closed", expected.replace(b"\r", b"") or got[2])
                    return
                data = data_after
                assert got == (expected.replace(b"\r", b""), None, None)
        elif kind == "size":
            got = sock.receive(number)
            if len(data) < number:
                assert got[1:] == ("closed", data or got[2])
                return
            assert got == (data[:number], None, None)
            data = data[number:]
        elif kind == "until":
            got = sock.receiveuntil("b\n")()
            before, found, after = data.partition(b"b\n")
            if not found:
                assert got[1] == "closed"
                return
            assert got == (before, None, None)
            data = after
        elif kind == "any":
            piece = sock.receiveany(number)[0]
            if piece is None:
                assert not data
                return
            assert data.startswith(piece)
            data = data[len(piece) :]
        elif kind == "peek":
            sock.peek()
        else:
            spend_slice()
    assert sock.receive("*a") == (data, None, None)


def test_lines_that_were_cut_ahead_are_there_for_every_other_read() -> None:
    lines = [b"line %d" % number for number in range(CUT_AHEAD // 4)]
    sock = connected_to([b"".join(line + b"\r\n" for line in lines)])
    with unspent_slice():
        for line in lines[: LINES_IN_A_ROW + 5]:
            assert sock.receive("*l") == (line, None, None)
    assert sock._buffer.lines
    following = lines[LINES_IN_A_ROW + 5]
    assert sock.peek()
    assert sock.receive(len(following) + 2) == (following + b"\r\n", None, None)
    assert sock.receive("*l") == (lines[LINES_IN_A_ROW + 6], None, None)


def test_a_limit_below_the_lines_cut_ahead_still_counts() -> None:
    sock = connected_to([b"short\n" * 100 + b"x" * 50 + b"\n" + b"short\n" * 100], Limits(max_line=20))
    for _ in range(100):
        assert sock.receive("*l") == (b"short", None, None)
    assert sock.receive("*l") == (None, "line too long", b"x" * 20)
    assert sock.receive("*l") == (None, "line too long", b"x" * 20)
    assert sock.receive("*l") == (b"x" * 10, None, None)
    assert sock.receive("*l") == (b"short", None, None)
