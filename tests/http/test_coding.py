from __future__ import annotations

import gzip
import random
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa.errors import SocketError
from lasa.http._client.coding import ACCEPT_ENCODING, Decoder, decoder_of

brotli: Any = import_module("brotli")
try:
    zstd: Any = import_module("compression.zstd")
except ImportError:
    zstd = import_module("backports.zstd")

NO_LIMIT = 1 << 40
PIECE_BYTES = 256 * 1024
MB = 1_000_000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def brotli_compress(data: bytes) -> bytes:
    packed: bytes = brotli.compress(data, quality=2)
    return packed


def zstd_compress(data: bytes) -> bytes:
    packed: bytes = zstd.compress(data)
    return packed


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", lambda data: gzip.compress(data, 1)),
    "zlib": ("deflate", zlib.compress),
    "bare deflate": ("deflate", raw_deflate),
    "br": ("br", brotli_compress),
    "zstd": ("zstd", zstd_compress),
}
every_packer = pytest.mark.parametrize(("coding", "pack"), PACKERS.values(), ids=PACKERS)

# Runs and noise, so that bodies both grow and shrink.
bodies = st.lists(st.binary(max_size=30) | st.builds(lambda n: b"ab" * n, st.integers(0, 2000))).map(b"".join)
cuts = st.lists(st.integers(1, 40), max_size=30)


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        if not data:
            return
        yield data[:size]
        data = data[size:]
    if data:
        yield data


def decoder(coding: str, max_bytes: int = NO_LIMIT) -> Decoder:
    found = decoder_of(coding, max_bytes)
    assert found is not None
    return found


def inflate(coding: str, pieces: list[bytes], max_bytes: int = NO_LIMIT) -> bytes:
    undo = decoder(coding, max_bytes)
    inflated = [piece for data in pieces for piece in undo.feed(data)]
    inflated += undo.finish()
    assert all(len(piece) <= PIECE_BYTES for piece in inflated)
    return b"".join(inflated)


# Any cut


@every_packer
@given(data=bodies, sizes=cuts)
def test_a_body_does_not_depend_on_where_it_is_cut(
    coding: str, pack: Callable[[bytes], bytes], data: bytes, sizes: list[int]
) -> None:
    assert inflate(coding, list(cut(pack(data), sizes))) == data


@every_packer
@given(data=st.binary(max_size=200))
def test_a_body_may_come_byte_by_byte(coding: str, pack: Callable[[bytes], bytes], data: bytes) -> None:
    assert inflate(coding, [bytes((byte,)) for byte in pack(data)]) == data


@every_packer
@given(data=bodies, left=st.floats(0, 1, exclude_max=True))
def test_a_cut_body_is_an_error_after_its_beginning(
    coding: str, pack: Callable[[bytes], bytes], data: bytes, left: float
) -> None:
    packed = pack(data)
    size = max(1, int(len(packed) * left))
    if size == len(packed):
        return
    undo = decoder(coding)
    begun = b"".join(undo.feed(packed[:size]))
    assert data.startswith(begun)
    with pytest.raises(SocketError, match=f"^truncated {coding} body$"):
        undo.finish()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@given(data=st.binary(max_size=200), sizes=cuts)
def test_noise_is_a_bad_or_truncated_body_and_nothing_else(coding: str, data: bytes, sizes: list[int]) -> None:
    try:
        inflate(coding, list(cut(data, sizes)), MB)
        reason = None
    except SocketError as exc:
        reason = exc.reason
    assert reason in (None, f"bad {coding} body", f"truncated {coding} body", "inflated body too large")


@every_packer
def test_a_large_body_is_handed_out_in_pieces(coding: str, pack: Callable[[bytes], bytes]) -> None:
    data = bytes(range(256)) * 20_000 + bytes(3 * MB)
    assert inflate(coding, [pack(data)]) == data


@every_packer
def test_a_body_whose_size_is_a_whole_number_of_pieces_ends(coding: str, pack: Callable[[bytes], bytes]) -> None:
    for pieces in (1, 2, 3):
        data = bytes(pieces * PIECE_BYTES)
        assert inflate(coding, [pack(data)]) == data


def test_no_bytes_at_all_are_an_empty_body() -> None:
    for coding in ("gzip", "deflate", "br", "zstd", "gzip, br"):
        assert inflate(coding, []) == inflate(coding, [b"", b""]) == b""


# Bounds


@every_packer
def test_a_bomb_stops_at_the_limit_without_using_memory(coding: str, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(200 * MB))
    undo = decoder(coding, MB)
    produced: list[bytes] = []
    tracemalloc.start()
    try:
        with pytest.raises(SocketError, match=r"^inflated body too large$"):
            produced.extend(undo.feed(bomb))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(map(len, produced)) == MB
    assert peak < 3 * MB


@every_packer
def test_a_large_ratio_needs_no_memory_when_the_pieces_are_taken(coding: str, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(50 * MB))
    undo = decoder(coding)
    tracemalloc.start()
    try:
        produced = sum(len(piece) for piece in undo.feed(bomb))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    undo.finish()
    assert produced == 50 * MB
    assert peak < 2 * MB


MIB = 1024 * 1024


@every_packer
def test_beyond_16_mib_a_body_inflates_to_so_many_times_what_came(coding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(bytes(30 * MIB))
    for ratio in (10, 200):
        undo = decoder_of(coding, NO_LIMIT, ratio)
        assert undo is not None
        made: list[int] = []
        with pytest.raises(SocketError, match=r"^inflated body too large$"):
            made.extend(len(piece) for piece in undo.feed(packed))
        assert sum(made) == max(16 * MIB, ratio * len(packed))


def test_a_ratio_is_no_limit_for_small_bodies_and_grows_with_what_comes() -> None:
    def inflated(packed: bytes, ratio: float | None) -> int:
        undo = decoder_of("gzip", NO_LIMIT, ratio)
        assert undo is not None
        return sum(len(piece) for data in cut(packed, [1000] * 1000) for piece in undo.feed(data))

    assert inflated(gzip.compress(bytes(16 * MIB)), 2) == 16 * MIB
    assert inflated(gzip.compress(bytes(17 * MIB)), None) == 17 * MIB
    noise = b"".join([random.randbytes(10_000) + bytes(190_000)] * 100)
    assert inflated(gzip.compress(noise, 1), 25) == 20_000_000


def test_what_lies_between_two_codings_counts_as_the_body_does() -> None:
    skippable = b"\x50\x2a\x4d\x18" + (60_000).to_bytes(4, "little") + bytes(60_000)  # which stands for nothing at all
    undo = decoder_of("zstd, gzip", NO_LIMIT, 100)
    assert undo is not None
    made: list[bytes] = []
    with pytest.raises(SocketError, match="inflated body too large"):
        made.extend(undo.feed(gzip.compress(skippable * 300)))
    assert set(made) == {b""}


def test_work_without_a_result_is_told_by_empty_pieces() -> None:
    assert sum(1 for piece in decoder("gzip").feed(gzip.compress(b"") * 2560) if not piece) == 10
    assert b"" in list(decoder("gzip, gzip").feed(gzip.compress(gzip.compress(bytes(MB)))))


def test_a_bomb_inside_a_bomb_stops_as_well() -> None:
    bomb = gzip.compress(gzip.compress(bytes(100 * MB)))
    undo = decoder("gzip, gzip", MB)
    with pytest.raises(SocketError, match="inflated body too large"):
        sum(len(piece) for piece in undo.feed(bomb))


def test_empty_blocks_between_two_codings_are_bounded_too() -> None:
    skippable = b"\x50\x2a\x4d\x18" + (60_000).to_bytes(4, "little") + bytes(60_000)
    bomb = gzip.compress(skippable * 100)
    with pytest.raises(SocketError, match="inflated body too large"):
        inflate("zstd, gzip", [bomb], MB)


@every_packer
@pytest.mark.parametrize("size", [0, 1, 1000, PIECE_BYTES, PIECE_BYTES + 1])
def test_a_body_of_just_the_limit_is_taken_and_one_byte_more_is_not(
    coding: str, pack: Callable[[bytes], bytes], size: int
) -> None:
    data = bytes(size)
    assert inflate(coding, [pack(data)], size) == data
    produced: list[bytes] = []
    undo = decoder(coding, size)
    with pytest.raises(SocketError, match="inflated body too large"):
        produced.extend(undo.feed(pack(data + b"!")))
    assert b"".join(produced) == data


def test_a_zstd_window_above_8_mib_is_refused() -> None:
    def with_window(log: int) -> bytes:
        options = {zstd.CompressionParameter.window_log: log, zstd.CompressionParameter.content_size_flag: 0}
        packer = zstd.ZstdCompressor(options=options)
        packed: bytes = packer.compress(bytes(100_000)) + packer.flush()
        return packed

    assert inflate("zstd", [with_window(23)]) == bytes(100_000)
    with pytest.raises(SocketError, match="bad zstd body"):
        inflate("zstd", [with_window(24)])


def test_endless_empty_zstd_frames_are_refused() -> None:
    with pytest.raises(SocketError, match="bad zstd body"):
        inflate("zstd", [zstd_compress(b"")] * 10_001)


@every_packer
def test_sixteen_times_the_body_takes_nowhere_near_256_times_as_long(
    coding: str, pack: Callable[[bytes], bytes]
) -> None:
    def seconds(size: int) -> float:
        packed = pack(bytes(size))
        started = time.process_time()
        inflate(coding, [packed])
        return time.process_time() - started

    best = [min(seconds(size) for _ in range(3)) for size in (2 * MB, 32 * MB)]
    assert best[1] < 80 * best[0] + 0.1


def test_many_small_members_in_one_piece_take_linear_time() -> None:
    def seconds(count: int) -> float:
        packed = gzip.compress(b"") * count
        started = time.process_time()
        inflate("gzip", [packed])
        return time.process_time() - started

    best = [min(seconds(count) for _ in range(3)) for count in (2_000, 32_000)]
    assert best[1] < 80 * best[0] + 0.1


# Members


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.integers(0, 5), cuts)
def test_gzip_members_follow_one_another_and_may_be_padded_with_zeros(
    parts: list[bytes], padding: int, sizes: list[int]
) -> None:
    packed = b"".join(gzip.compress(part) for part in parts) + bytes(padding)
    assert inflate("gzip", list(cut(packed, sizes))) == b"".join(parts)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), cuts)
def test_zstd_frames_follow_one_another(parts: list[bytes], sizes: list[int]) -> None:
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    packed = skippable.join(zstd_compress(part) for part in parts)
    assert inflate("zstd", list(cut(packed, sizes))) == b"".join(parts)


def test_a_second_member_that_is_cut_is_an_error() -> None:
    for coding, pack in (("gzip", gzip.compress), ("zstd", zstd_compress)):
        with pytest.raises(SocketError, match=f"truncated {coding} body"):
            inflate(coding, [pack(b"one") + pack(b"two")[:-1]])


GARBAGE = [b"garbage", b"\r\n\r\n", b"\0\0garbage", b"\x1fgarbage", b"\0\x1f\x1f\x8b", b"\x8b"]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_what_follows_the_end_of_gzip_and_deflate_and_is_no_member_is_dropped(garbage: bytes) -> None:
    for name in ("gzip", "zlib", "bare deflate"):
        coding, pack = PACKERS[name]
        whole = pack(b"data") + garbage
        for pieces in (
            [whole],
            [pack(b"data"), garbage],
            [bytes((byte,)) for byte in whole],
            [whole, gzip.compress(b"x")],
        ):
            assert inflate(coding, pieces) == b"data"


@pytest.mark.parametrize("garbage", GARBAGE)
def test_what_follows_the_end_of_br_and_zstd_is_an_error(garbage: bytes) -> None:
    for coding in ("br", "zstd"):
        packed = PACKERS[coding][1](b"data")
        for pieces in ([packed + garbage], [packed, garbage]):
            with pytest.raises(SocketError, match=f"(bad|truncated) {coding} body"):
                inflate(coding, pieces)


def test_a_further_member_of_gzip_is_never_dropped() -> None:
    packed = gzip.compress(b"one") + gzip.compress(b"two")
    first = len(gzip.compress(b"one"))
    for size in range(first + 1, len(packed)):
        for pieces in ([packed[:size]], [packed[:first], packed[first:size]]):
            with pytest.raises(SocketError, match="truncated gzip body"):
                inflate("gzip", pieces)
    with pytest.raises(SocketError, match="bad gzip body"):
        inflate("gzip", [gzip.compress(b"one") + b"\x1f\x8bgarbage"])


@every_packer
def test_a_damaged_body_is_an_error(coding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = bytearray(pack(bytes(range(256)) * 40))
    packed[0] ^= 0xFF
    packed[3] ^= 0xFF
    with pytest.raises(SocketError, match=f"(bad|truncated) {coding} body"):
        inflate(coding, [bytes(packed)])


def test_a_wrong_checksum_is_an_error() -> None:
    for coding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        packed = bytearray(pack(b"data" * 100))
        packed[-5 if coding == "gzip" else -1] ^= 1
        with pytest.raises(SocketError, match=f"bad {coding} body"):
            inflate(coding, [bytes(packed)])


@given(bodies, st.integers(0, 9), st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY]))
def test_bare_and_wrapped_deflate_are_told_apart(data: bytes, level: int, strategy: int) -> None:
    for wbits in (-15, -9, 9, 15):
        packer = zlib.compressobj(level, zlib.DEFLATED, wbits, 8, strategy)
        assert inflate("deflate", [packer.compress(data) + packer.flush()]) == data


# Names


@pytest.mark.parametrize("name", [None, "", "identity", " Identity ", ",", "compress", "utf-8", "gzip, compress"])
def test_a_body_without_a_known_coding_is_handed_over_as_it_is(name: str | None) -> None:
    assert decoder_of(name, 10) is None


@pytest.mark.parametrize("name", ["gzip", "GZIP", "x-gzip", "X-Gzip", " gzip\t", "identity, gzip", "gzip,"])
def test_names_are_read_without_case_and_blanks(name: str) -> None:
    assert inflate(name, [gzip.compress(b"data")]) == b"data"


def test_several_codings_are_undone_last_one_first() -> None:
    packed = zstd_compress(brotli_compress(gzip.compress(b"data" * 1000)))
    for pieces in ([packed], [bytes((byte,)) for byte in packed]):
        assert inflate("gzip, br, zstd", pieces) == b"data" * 1000
    with pytest.raises(SocketError, match="bad gzip body"):
        inflate("zstd, br, gzip", [packed])


def test_the_inner_coding_may_be_cut_too() -> None:
    with pytest.raises(SocketError, match="truncated gzip body"):
        inflate("gzip, br", [brotli_compress(gzip.compress(b"data")[:-1])])


def test_more_than_three_codings_are_refused() -> None:
    assert decoder_of("gzip, gzip, gzip", 10) is not None
    with pytest.raises(SocketError, match=r"^too many content codings$"):
        decoder_of("gzip, gzip, gzip, gzip", 10)


def test_the_accept_encoding_header_names_what_is_installed() -> None:
    assert ACCEPT_ENCODING == "gzip, deflate, br, zstd"


def test_what_is_not_installed_is_not_offered_and_not_undone() -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['brotli', 'compression.zstd', 'backports.zstd']))\n"
        "from lasa.http._client.coding import ACCEPT_ENCODING, decoder_of\n"
        "print(ACCEPT_ENCODING, decoder_of('br', 10), decoder_of('zstd', 10))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "gzip, deflate None None\n"
