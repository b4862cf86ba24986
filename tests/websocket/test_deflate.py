"""permessage-deflate: what is agreed on, and that messages come through it whole, bounded and unharmed."""

from __future__ import annotations

import random
import time
import tracemalloc
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import CloseCode, Frame, Opcode

from lasa.errors import SocketError
from lasa.websocket._wire.deflate import NO_LIMIT, BadCompressedData, Deflater, Inflater, MessageTooBig
from lasa.websocket._wire.extension import Agreement, Deflate, agree, answer, offer, split_extensions

DEFAULTS = Deflate()
WIDE = Deflate(server_max_window_bits=15, client_max_window_bits=15)
PMD = "permessage-deflate"
TAIL = b"\x00\x00\xff\xff"


def agreed(server: int = 12, client: int = 12, no_server: bool = False, no_client: bool = False) -> Agreement:
    return Agreement(server, client, no_server, no_client, DEFAULTS.threshold, DEFAULTS.level, DEFAULTS.mem_level)


def inflated(payload: bytes, bits: int = 15) -> bytes:
    return Inflater(bits, False).inflate(payload, True, NO_LIMIT)


def taken(inflater: Inflater, parts: list[bytes], max_bytes: int) -> bytes:
    found = []
    for at, part in enumerate(parts):
        inflater.feed(part, at == len(parts) - 1)
        while inflater.has_more:
            piece = inflater.take(max_bytes)
            assert len(piece) <= max_bytes
            found.append(piece)
        assert inflater.take(max_bytes) == b""
    return b"".join(found)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted(place % (len(data) + 1) for place in places)
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


def zeros(mebibytes: int) -> bytes:
    """Return the payload of a message of so many zero bytes; a thousandth in size."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = deflater.compress(bytes(2**20)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    again = deflater.compress(bytes(2**20)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return (first + again * (mebibytes - 1))[:-4]


# Settings.


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"server_max_window_bits": 16}, ValueError, 'bad "server_max_window_bits" option value: 16'),
        ({"server_max_window_bits": 7}, ValueError, 'bad "server_max_window_bits" option value: 7'),
        ({"client_max_window_bits": 0}, ValueError, 'bad "client_max_window_bits" option value: 0'),
        ({"client_max_window_bits": None}, TypeError, 'bad "client_max_window_bits" option type: None'),
        ({"client_max_window_bits": True}, TypeError, 'bad "client_max_window_bits" option type: bool'),
        ({"server_no_context_takeover": 1}, TypeError, 'bad "server_no_context_takeover" option type: int'),
        ({"client_no_context_takeover": "yes"}, TypeError, 'bad "client_no_context_takeover" option type: str'),
        ({"threshold": -1}, ValueError, 'bad "threshold" option value: -1'),
        ({"level": 10}, ValueError, 'bad "level" option value: 10'),
        ({"level": "fast"}, TypeError, 'bad "level" option type: str'),
        ({"mem_level": 0}, ValueError, 'bad "mem_level" option value: 0'),
    ],
)
def test_a_wrong_setting_is_refused_by_name(options: Mapping[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        Deflate(**options)
    assert str(caught.value) == text
    with pytest.raises(error) as caught:
        Deflate.of(options)
    assert str(caught.value) == text


def test_the_option_may_be_a_boolean_a_mapping_or_settings() -> None:
    own = Deflate(threshold=512)
    assert Deflate.of(True) == DEFAULTS
    assert Deflate.of(False) is None
    assert Deflate.of(None) is None
    assert Deflate.of(own) is own
    assert Deflate.of({"threshold": 512.0, "level": "6"}) == own
    with pytest.raises(ValueError, match='unknown option "treshold"'):
        Deflate.of({"treshold": 512})
    with pytest.raises(TypeError, match='bad "compression" option type: str'):
        Deflate.of("deflate")


# The header.


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("foo", [("foo", [])]),
        ("Foo", [("Foo", [])]),
        ("a, b;c", [("a", []), ("b", [("c", None)])]),
        ("a;b=1;c", [("a", [("b", "1"), ("c", None)])]),
        (" a ; b = 1 ;\tc\t, d ", [("a", [("b", "1"), ("c", None)]), ("d", [])]),
        (",, a , ,b,", [("a", []), ("b", [])]),
        ('a;b="10";c="x\\y"', [("a", [("b", "10"), ("c", "xy")])]),
        ("a;b;b=1", [("a", [("b", None), ("b", "1")])]),
        (b"a;b", [("a", [("b", None)])]),
        ("!#$%&'*+.^_`|~-;1=2", [("!#$%&'*+.^_`|~-", [("1", "2")])]),
    ],
)
def test_a_header_is_read_by_its_grammar(header: str | bytes, found: object) -> None:
    assert split_extensions(header) == found


@pytest.mark.parametrize(
    "header",
    [
        *(
            "",
            " ",
            ",",
            ";",
            "a;",
            "a;;b",
            "a b",
            "a;b=",
            "a;b=,c",
            "a;=1",
            "a=1",
            "a;b=1 2",
            "a;b c",
            "a/b",
            "a;b=(c)",
        ),
        # A value in quotes must be a token once it is unescaped; so it has no comma, either.
        *('a;b="', 'a;b=""', 'a;b="x', 'a;b="x y"', 'a;b="x,y"', 'a;b="x\\"', 'a;b="x"y', 'a;b="x\\""', '"a"'),
        *("a\n", "a\x00", "é", "a;b=é", "a;\r\n b", b"\xff"),
    ],
)
def test_a_header_that_breaks_the_grammar_is_an_error(header: str | bytes) -> None:
    with pytest.raises(ValueError, match="extensions"):
        split_extensions(header)


@pytest.mark.parametrize("unit", [" ", ",", "a,", "a;b=1;", ";", '"', '="', "\\a", "a ", "=", ' ;a="b"', "a\t=", "\t,"])
@pytest.mark.parametrize("head", ["", "a;b", 'a;b="', "a;b ", "a "])
def test_no_header_takes_more_than_linear_time(head: str, unit: str) -> None:
    began_s = time.process_time()
    try:
        split_extensions(head + unit * 60_000)
    except ValueError:
        pass
    assert time.process_time() - began_s < 1


@given(st.text(st.sampled_from('a1;=,"\\ \tß')) | st.binary())
def test_any_header_is_read_or_refused(header: str | bytes) -> None:
    try:
        found = split_extensions(header)
    except ValueError:
        return
    again = ", ".join(
        "; ".join([name, *(key if value is None else f"{key}={value}" for key, value in pairs)])
        for name, pairs in found
    )
    assert split_extensions(again) == found


# The server's side of the negotiation.


@pytest.mark.parametrize(
    ("ours", "offers", "said", "agreement"),
    [
        # Section 7.1: each parameter alone.
        (DEFAULTS, [PMD], PMD, agreed(client=15)),
        (DEFAULTS, [f"{PMD}; client_max_window_bits"], f"{PMD}; client_max_window_bits=12", agreed()),
        (DEFAULTS, [f"{PMD}; client_max_window_bits=15"], f"{PMD}; client_max_window_bits=12", agreed()),
        (DEFAULTS, [f"{PMD}; client_max_window_bits=9"], f"{PMD}; client_max_window_bits=9", agreed(client=9)),
        (DEFAULTS, [f"{PMD}; client_max_window_bits=8"], f"{PMD}; client_max_window_bits=8", agreed(client=8)),
        (DEFAULTS, [f'{PMD}; client_max_window_bits="10"'], f"{PMD}; client_max_window_bits=10", agreed(client=10)),
        (
            DEFAULTS,
            [f"{PMD}; server_max_window_bits=15"],
            f"{PMD}; server_max_window_bits=12",
            agreed(client=15),
        ),
        (
            DEFAULTS,
            [f"{PMD}; server_max_window_bits=9"],
            f"{PMD}; server_max_window_bits=9",
            agreed(server=9, client=15),
        ),
        (
            DEFAULTS,
            [f"{PMD}; server_no_context_takeover"],
            f"{PMD}; server_no_context_takeover",
            agreed(client=15, no_server=True),
        ),
        (
            DEFAULTS,
            [f"{PMD}; client_no_context_takeover"],
            f"{PMD}; client_no_context_takeover",
            agreed(client=15, no_client=True),
        ),
        (
            DEFAULTS,
            [
                f"{PMD}; client_no_context_takeover; server_max_window_bits=10;"
                " client_max_window_bits; server_no_context_takeover"
            ],
            f"{PMD}; server_no_context_takeover; client_no_context_takeover;"
            " server_max_window_bits=10; client_max_window_bits=12",
            agreed(10, 12, True, True),
        ),
        # What is ours and was not asked for.
        (
            Deflate(server_no_context_takeover=True, client_no_context_takeover=True),
            [PMD],
            f"{PMD}; server_no_context_takeover; client_no_context_takeover",
            agreed(12, 15, True, True),
        ),
        (WIDE, [f"{PMD}; client_max_window_bits"], PMD, agreed(15, 15)),
        (
            WIDE,
            [f"{PMD}; server_max_window_bits=15; client_max_window_bits=15"],
            f"{PMD}; server_max_window_bits=15",
            agreed(15, 15),
        ),
        # The example of section 7.1.3, and other lists: the first that can be met, over several headers.
        (
            DEFAULTS,
            [f"{PMD}; client_max_window_bits; server_max_window_bits=10, {PMD}; client_max_window_bits"],
            f"{PMD}; server_max_window_bits=10; client_max_window_bits=12",
            agreed(server=10),
        ),
        (DEFAULTS, [f"{PMD}; server_max_window_bits=8, {PMD}"], PMD, agreed(client=15)),
        (DEFAULTS, [f"{PMD}; server_no_context_takeover; x, {PMD}"], PMD, agreed(client=15)),
        (DEFAULTS, ["x-webkit-deflate-frame", f"foo; server_max_window_bits=9, {PMD}"], PMD, agreed(client=15)),
    ],
)
def test_the_server_takes_an_offer(ours: Deflate, offers: list[str], said: str, agreement: Agreement) -> None:
    assert answer(ours, offers) == (said, agreement)


@pytest.mark.parametrize(
    "offers",
    [
        [],
        ["x-webkit-deflate-frame"],
        ["Permessage-Deflate"],
        [f"{PMD}; server_max_window_bits=8"],
        *(
            [f"{PMD}; {parameters}"]
            for parameters in (
                "foo",
                "foo=1",
                "server_max_window_bitsX=12",
                "Server_Max_Window_Bits=12",
                "server_max_window_bits",
                "server_max_window_bits=7",
                "server_max_window_bits=16",
                "server_max_window_bits=08",
                "server_max_window_bits=012",
                "server_max_window_bits=+12",
                "server_max_window_bits=1_2",
                "server_max_window_bits=12.0",
                "server_max_window_bits=99999999999999999999",
                "client_max_window_bits=7",
                "client_max_window_bits=16",
                "client_max_window_bits=x",
                "client_max_window_bits=09",
                "server_no_context_takeover=true",
                "server_no_context_takeover=1",
                "client_no_context_takeover=0",
                "server_no_context_takeover; server_no_context_takeover",
                "client_no_context_takeover; client_no_context_takeover",
                "server_max_window_bits=10; server_max_window_bits=10",
                "client_max_window_bits; client_max_window_bits=10",
            )
        ),
    ],
)
def test_the_server_declines_an_offer(offers: list[str]) -> None:
    assert answer(DEFAULTS, offers) is None
    if offers:
        assert answer(DEFAULTS, [*offers, PMD]) == (PMD, agreed(client=15))


def test_a_server_that_may_deflate_with_256_bytes_only_declines() -> None:
    assert answer(Deflate(server_max_window_bits=8), [PMD]) is None


def test_a_request_header_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(SocketError) as caught:
        answer(DEFAULTS, [PMD, "a;"])
    assert caught.value.reason == 'bad "sec-websocket-extensions" request header'


# The client's side.


@pytest.mark.parametrize(
    ("ours", "header"),
    [
        (
            DEFAULTS,
            f"{PMD}; server_max_window_bits=12; client_max_window_bits=12, {PMD}; client_max_window_bits",
        ),
        (WIDE, f"{PMD}; client_max_window_bits"),
        (
            Deflate(server_max_window_bits=15, client_max_window_bits=8),
            f"{PMD}; client_max_window_bits=8, {PMD}; client_max_window_bits",
        ),
        (
            Deflate(9, 15, True, True),
            f"{PMD}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9;"
            f" client_max_window_bits, {PMD}; server_no_context_takeover; client_no_context_takeover;"
            " client_max_window_bits",
        ),
    ],
)
def test_the_client_offers(ours: Deflate, header: str) -> None:
    assert offer(ours) == header


@pytest.mark.parametrize(
    ("ours", "headers", "agreement"),
    [
        (DEFAULTS, [], None),
        (DEFAULTS, [PMD], agreed(server=15)),
        (DEFAULTS, [f"{PMD}; server_max_window_bits=12"], agreed()),
        (DEFAULTS, [f"{PMD}; server_max_window_bits=8"], agreed(server=8)),
        (DEFAULTS, [f'{PMD}; server_max_window_bits="9"'], agreed(server=9)),
        # The second offer was taken: it names no size.
        (DEFAULTS, [f"{PMD}; server_max_window_bits=15"], agreed(server=15)),
        (DEFAULTS, [f"{PMD}; client_max_window_bits=15"], agreed(server=15)),
        (DEFAULTS, [f"{PMD}; client_max_window_bits=9"], agreed(server=15, client=9)),
        (DEFAULTS, [f"{PMD}; client_max_window_bits=8"], agreed(server=15, client=8)),
        (DEFAULTS, [f"{PMD}; server_no_context_takeover"], agreed(server=15, no_server=True)),
        (DEFAULTS, [f"{PMD}; client_no_context_takeover"], agreed(server=15, no_client=True)),
        (
            DEFAULTS,
            [f"{PMD}; client_max_window_bits=10 ;server_max_window_bits=11;client_no_context_takeover"],
            agreed(11, 10, False, True),
        ),
        (Deflate(client_no_context_takeover=True), [PMD], agreed(server=15, no_client=True)),
        (
            Deflate(server_no_context_takeover=True),
            [f"{PMD}; server_no_context_takeover"],
            agreed(server=15, no_server=True),
        ),
        (WIDE, [PMD], agreed(15, 15)),
    ],
)
def test_the_client_takes_an_answer(ours: Deflate, headers: list[str], agreement: Agreement | None) -> None:
    assert agree(ours, headers) == agreement


@pytest.mark.parametrize(
    ("ours", "headers", "word"),
    [
        (DEFAULTS, [""], "syntax"),
        (DEFAULTS, [f"{PMD};"], "syntax"),
        (DEFAULTS, [f"{PMD}; server_max_window_bits="], "syntax"),
        (DEFAULTS, ["foo"], "unknown extension"),
        (DEFAULTS, ["Permessage-Deflate"], "unknown extension"),
        (DEFAULTS, [f"{PMD}, foo"], "unknown extension"),
        (DEFAULTS, [PMD, "foo"], "unknown extension"),
        (DEFAULTS, [f"{PMD}, {PMD}"], "duplicate extension"),
        (DEFAULTS, [PMD, PMD], "duplicate extension"),
        (DEFAULTS, [f"{PMD}; foo"], "unknown parameter"),
        (DEFAULTS, [f"{PMD}; server_max_window_bitsX=9"], "unknown parameter"),
        (DEFAULTS, [f"{PMD}; server_no_context_takeover; server_no_context_takeover"], "duplicate parameter"),
        (DEFAULTS, [f"{PMD}; client_max_window_bits=9; client_max_window_bits=9"], "duplicate parameter"),
        (DEFAULTS, [f"{PMD}; server_no_context_takeover=1"], "server_no_context_takeover"),
        (DEFAULTS, [f"{PMD}; client_no_context_takeover=true"], "client_no_context_takeover"),
        (DEFAULTS, [f"{PMD}; client_max_window_bits"], "client_max_window_bits"),
        (DEFAULTS, [f"{PMD}; client_max_window_bits=16"], "client_max_window_bits"),
        (DEFAULTS, [f"{PMD}; client_max_window_bits=7"], "client_max_window_bits"),
        (DEFAULTS, [f"{PMD}; client_max_window_bits=09"], "client_max_window_bits"),
        (DEFAULTS, [f"{PMD}; server_max_window_bits"], "server_max_window_bits"),
        (DEFAULTS, [f"{PMD}; server_max_window_bits=16"], "server_max_window_bits"),
        (DEFAULTS, [f"{PMD}; server_max_window_bits=7"], "server_max_window_bits"),
        (Deflate(server_no_context_takeover=True), [PMD], "server_no_context_takeover"),
        (
            Deflate(server_no_context_takeover=True),
            [f"{PMD}; client_no_context_takeover"],
            "server_no_context_takeover",
        ),
    ],
)
def test_the_client_refuses_an_answer(ours: Deflate, headers: list[str], word: str) -> None:
    with pytest.raises(SocketError) as caught:
        agree(ours, headers)
    assert caught.value.reason == f'bad "sec-websocket-extensions" response header: {word}'


def settings_of_deflate() -> st.SearchStrategy[Deflate]:
    bits = st.integers(8, 15)
    return st.builds(
        Deflate, bits, bits, st.booleans(), st.booleans(), level=st.integers(0, 9), mem_level=st.integers(1, 9)
    )


@given(settings_of_deflate(), settings_of_deflate(), st.binary(max_size=300))
def test_two_sides_of_ours_agree_and_understand_each_other(client: Deflate, server: Deflate, data: bytes) -> None:
    found = answer(server, [offer(client)])
    if found is None:
        assert server.server_max_window_bits == 8
        return
    header, of_server = found
    of_client = agree(client, [header])
    assert of_client is not None
    if client.server_no_context_takeover or server.server_no_context_takeover:
        assert of_client.server_no_context_takeover
    assert of_client.server_no_context_takeover is of_server.server_no_context_takeover
    assert of_client.client_no_context_takeover is of_server.client_no_context_takeover
    assert of_server.server_max_window_bits <= of_client.server_max_window_bits
    assert of_client.client_max_window_bits <= of_server.client_max_window_bits
    assert of_server.server_max_window_bits <= min(15, server.server_max_window_bits)
    assert of_client.client_max_window_bits <= client.client_max_window_bits
    for ours, theirs, is_client in ((of_client, of_server, True), (of_server, of_client, False)):
        deflater = ours.deflater(is_client=is_client)
        if deflater is None:
            assert is_client
            assert ours.client_max_window_bits == 8
            continue
        inflater = theirs.inflater(is_client=not is_client)
        for message in (data, data[::-1], data):
            assert inflater.inflate(deflater.deflate(message), True, NO_LIMIT) == message


# Messages: section 7.2.3 of RFC 7692, byte for byte.

HELLO = bytes.fromhex("f248cdc9c90700")


def test_a_message_is_deflated_as_in_the_rfc() -> None:
    deflater = Deflater(15, False, 6, 8)
    assert deflater.deflate(b"Hello") == HELLO
    assert deflater.deflate(b"Hello") == bytes.fromhex("f200110000")  # with the window of the first
    alone = Deflater(15, True, 6, 8)
    assert [alone.deflate(b"Hello"), alone.deflate(b"Hello")] == [HELLO, HELLO]


def test_an_empty_message_is_one_byte_each_time() -> None:
    deflater = Deflater(12, False, 6, 5)
    assert [deflater.deflate(b"") for _ in range(3)] == [b"\x00"] * 3
    assert deflater.deflate(b"Hello") == HELLO
    assert deflater.deflate(b"") == b"\x00"


def test_a_message_may_share_the_window_of_the_one_before() -> None:
    inflater = Inflater(15, False)
    assert inflater.inflate(HELLO, True, NO_LIMIT) == b"Hello"
    assert inflater.inflate(bytes.fromhex("f200110000"), True, NO_LIMIT) == b"Hello"


def test_without_takeover_the_window_of_the_one_before_is_gone() -> None:
    inflater = Inflater(15, True)
    assert inflater.inflate(HELLO, True, NO_LIMIT) == b"Hello"
    with pytest.raises(BadCompressedData):
        inflater.inflate(bytes.fromhex("f200110000"), True, NO_LIMIT)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("f248cdc9c90700", b"Hello"),
        ("000500faff48656c6c6f00", b"Hello"),  # a block without compression
        ("f348cdc9c9070000", b"Hello"),  # a final block
        ("f248050000 00ffffcac9c90700", b"Hello"),  # two blocks
        ("00", b""),
        ("", b""),  # not quite right, but sent by some
        ("f348cdc9c90700", b"Hello"),  # a final block without the byte that should follow
        ("0300 0300 f348cdc9c90700 f348cdc9c90700 00", b"HelloHello"),  # final blocks in a row
        ("f348cdc9c90700 f248cdc9c90700", b"HelloHello"),
        ("f348cdc9c90700 00 0000ffff f348cdc9c90700 00", b"HelloHello"),
    ],
)
def test_a_message_is_inflated_as_in_the_rfc_however_it_is_cut(payload: str, message: bytes) -> None:
    data = bytes.fromhex(payload)
    for resets in (False, True):
        inflater = Inflater(15, resets)
        for place in range(len(data) + 1):
            head, rest = data[:place], data[place:]
            assert inflater.inflate(head, False, 99) + inflater.inflate(rest, True, 99) == message
            assert inflater.inflate(data, True, len(message)) == message
            for max_bytes in (1, 2, 5, 99):
                assert taken(inflater, [head, rest], max_bytes) == message
                assert taken(inflater, [data], max_bytes) == message
        assert taken(inflater, [data[at : at + 1] for at in range(len(data))] or [b""], 3) == message
        assert inflater.inflate(HELLO, True, 99) == b"Hello"


def test_messages_go_on_behind_one_that_ends_with_a_final_block() -> None:
    inflater = Inflater(12, False)
    deflater = Deflater(12, False, 6, 5)
    for _ in range(3):
        assert inflater.inflate(bytes.fromhex("f348cdc9c9070000"), True, 5) == b"Hello"
        for message in (b"Hello, world", b"", b"Hello, hello"):
            assert inflater.inflate(Deflater(12, False, 6, 5).deflate(message), True, 99) == message
    assert inflater.inflate(deflater.deflate(b"abc" * 9), True, 99) == b"abc" * 9
    assert inflater.inflate(deflater.deflate(b"abc" * 9), True, 99) == b"abc" * 9


def test_a_peer_that_forgets_the_byte_of_an_empty_message_does_no_harm() -> None:
    inflater, deflater = Inflater(12, False), Deflater(12, False, 6, 5)
    for message in (b"first", b"first again"):
        assert inflater.inflate(deflater.deflate(message), True, 99) == message
        assert inflater.inflate(b"", True, 0) == b""
        assert inflater.inflate(b"", False, 0) + inflater.inflate(b"", True, 0) == b""
        assert taken(inflater, [b"", b""], 5) == b""


# Any messages, any cuts, any parameters.


def messages() -> st.SearchStrategy[list[bytes]]:
    some = st.binary(max_size=200)
    repetitive = st.builds(lambda part, times: part * times, st.binary(min_size=1, max_size=20), st.integers(0, 2000))
    return st.lists(some | repetitive, min_size=1, max_size=5)


@settings(deadline=None)
@given(
    messages(),
    st.integers(9, 15),
    st.integers(0, 6),
    st.booleans(),
    st.integers(0, 9),
    st.integers(1, 9),
    st.lists(st.integers(0, 50_000), max_size=4),
    st.integers(1, 5000),
)
def test_messages_come_through_whatever_the_parameters_and_cuts(
    sent: list[bytes],
    bits: int,
    wider: int,
    resets: bool,
    level: int,
    mem_level: int,
    places: list[int],
    max_bytes: int,
) -> None:
    deflater = Deflater(bits, resets, level, mem_level)
    peer_bits = min(15, bits + wider)
    whole, by_frame, by_piece = (Inflater(peer_bits, resets) for _ in range(3))
    for message in sent:
        parts = cut(message, places)
        payload = b"".join(deflater.deflate(part, at == len(parts) - 1) for at, part in enumerate(parts))
        assert whole.inflate(payload, True, len(message)) == message
        frames = cut(payload, places)
        found, left = b"", len(message)
        for at, frame in enumerate(frames):
            piece = by_frame.inflate(frame, at == len(frames) - 1, left)
            found, left = found + piece, left - len(piece)
        assert found == message
        assert taken(by_piece, frames, max_bytes) == message


@settings(deadline=None)
@given(messages(), st.integers(9, 15), st.booleans(), st.lists(st.integers(0, 50_000), max_size=3))
def test_messages_cross_to_and_from_another_implementation(
    sent: list[bytes], bits: int, resets: bool, places: list[int]
) -> None:
    theirs = PerMessageDeflate(resets, resets, bits, bits, {"memLevel": 5})
    deflater, inflater = Deflater(bits, resets, 6, 5), Inflater(bits, resets)
    for message in sent:
        parts = cut(message, places)
        got = b""
        for at, part in enumerate(parts):
            is_last = at == len(parts) - 1
            opcode = Opcode.CONT if at else Opcode.BINARY
            to_them = Frame(opcode, deflater.deflate(part, is_last), is_last, rsv1=not at)
            assert bytes(theirs.decode(to_them).data) == part
            from_them = theirs.encode(Frame(opcode, part, is_last))
            got += inflater.inflate(bytes(from_them.data), is_last, NO_LIMIT)
        assert got == message


@pytest.mark.parametrize("bits", range(9, 16))
def test_a_deflater_never_reaches_behind_the_window(bits: int) -> None:
    noise = random.Random(7).randbytes(2**bits)
    far = noise + b"-" + noise
    for size in (2**bits, 2**bits - 300, 200):
        message = noise[:size] * 2 + far
        payload = Deflater(bits, False, 9, 9).deflate(message)
        # In small pieces: what zlib returns at once it also looks back into, however small the window.
        assert taken(Inflater(bits, False), [payload], 100) == message


def test_a_message_for_a_window_of_256_bytes_is_inflated_and_none_is_deflated() -> None:
    narrow = agree(DEFAULTS, [f"{PMD}; client_max_window_bits=8; server_max_window_bits=8"])
    assert narrow is not None
    assert narrow.deflater(is_client=True) is None
    inflater = narrow.inflater(is_client=True)
    assert inflater.inflate(HELLO, True, 5) == b"Hello"
    assert inflater.inflate(bytes.fromhex("f200110000"), True, 5) == b"Hello"


# Bounds.


def test_as_many_bytes_as_the_limit_are_no_bomb_and_one_more_is() -> None:
    for size in (0, 1, 5, 32_768, 65_536, 100_000):
        payload = Deflater(12, False, 6, 5).deflate(b"x" * size)
        assert len(Inflater(12, False).inflate(payload, True, size)) == size
        if size:
            with pytest.raises(MessageTooBig) as caught:
                Inflater(12, False).inflate(payload, True, size - 1)
            assert (caught.value.reason, caught.value.code) == ("message too big", 1009)


def test_the_limit_holds_behind_final_blocks() -> None:
    final = bytes.fromhex("f348cdc9c90700")
    for times in (2, 3, 40):
        payload = final * times + b"\x00"
        assert Inflater(15, False).inflate(payload, True, 5 * times) == b"Hello" * times
        with pytest.raises(MessageTooBig):
            Inflater(15, False).inflate(payload, True, 5 * times - 1)
    bomb = final + zeros(1024)
    with pytest.raises(MessageTooBig):
        Inflater(15, False).inflate(bomb, True, 2**20)


def test_a_bomb_stays_within_limit_memory_and_time() -> None:
    bomb = zeros(1024)
    limit = 2**20
    began_s = time.process_time()
    tracemalloc.start()
    try:
        inflater = Inflater(15, False)
        with pytest.raises(MessageTooBig):
            inflater.inflate(bomb, True, limit)
        assert tracemalloc.get_traced_memory()[1] < 3 * limit + 4 * len(bomb)
        tracemalloc.reset_peak()
        inflater = Inflater(15, False)
        inflater.feed(bomb, True)
        total = 0
        while total < 2**26:
            piece = inflater.take(65_536)
            assert 0 < len(piece) <= 65_536
            total += len(piece)
        assert inflater.has_more
        assert tracemalloc.get_traced_memory()[1] < limit + 4 * len(bomb)
    finally:
        tracemalloc.stop()
    assert time.process_time() - began_s < 5


def test_final_blocks_without_end_are_refused_in_linear_time() -> None:
    for payload in (b"\x03\x00" * 500_000, b"\x00\x00\x00\xff\xff" + b"\x03\x00" * 500_000):
        began_s = time.process_time()
        with pytest.raises(BadCompressedData):
            Inflater(15, False).inflate(payload, True, 2**20)
        with pytest.raises(BadCompressedData):
            taken(Inflater(15, False), [payload], 65_536)
        assert time.process_time() - began_s < 5
    many = Inflater(15, False)  # as many as one likes over a connection, even within a message
    for _ in range(3):
        assert many.inflate(b"\x03\x00" * 9_000, False, 0) == b""
        assert many.inflate(b"\x03\x00" * 9_000, True, 0) == b""


def test_small_takes_from_a_large_frame_cost_linear_time() -> None:
    noise = random.Random(7).randbytes(2**20)
    payload = Deflater(15, False, 1, 8).deflate(noise)
    began_s = time.process_time()
    assert taken(Inflater(15, False), [payload], 256) == noise
    assert time.process_time() - began_s < 5


def test_an_unused_direction_takes_next_to_no_memory() -> None:
    tracemalloc.start()
    try:
        idle = [(Inflater(12, resets), Deflater(12, resets, 6, 5)) for resets in (False, True) for _ in range(100)]
        assert tracemalloc.get_traced_memory()[0] < 400 * len(idle)
        for inflater, deflater in idle[100:]:  # without takeover there is nothing to remember
            assert inflater.inflate(deflater.deflate(b"Hello" * 50_000), True, NO_LIMIT) == b"Hello" * 50_000
        assert tracemalloc.get_traced_memory()[0] < 400 * len(idle)
        for inflater, deflater in idle[:10]:  # with it there is the window, however large the message was
            assert inflater.inflate(deflater.deflate(b"Hello" * 50_000), True, NO_LIMIT) == b"Hello" * 50_000
        assert tracemalloc.get_traced_memory()[0] < 400 * len(idle) + 10 * 60_000
    finally:
        tracemalloc.stop()


# Errors.


@pytest.mark.parametrize(
    "payload",
    [
        b"\x07",  # a block of the type that does not exist
        b"\xff" * 20,
        b"\x00\x05\x00\x00\x00Hello\x00",  # a length that its complement denies
        bytes.fromhex("f200110000"),  # a distance that leads before the first byte
        bytes.fromhex("f348cdc9c90700") + b"\xff\xff",  # garbage behind a final block
        b"Hello, world! " * 100,
    ],
)
def test_what_cannot_be_inflated_is_an_error(payload: bytes) -> None:
    with pytest.raises(BadCompressedData) as caught:
        inflated(payload)
    assert (caught.value.reason, caught.value.code) == ("bad compressed data", CloseCode.INVALID_DATA)
    with pytest.raises(BadCompressedData):
        taken(Inflater(15, False), cut(payload, [3, 5]), 7)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.binary(max_size=60) | st.sampled_from([HELLO, bytes.fromhex("f348cdc9c90700"), b"\x00", TAIL])),
    st.booleans(),
    st.integers(0, 300),
)
def test_any_bytes_give_data_or_an_error_word(frames: list[bytes], resets: bool, limit: int) -> None:
    for is_pulled in (False, True):
        inflater = Inflater(9, resets)
        try:
            for at, frame in enumerate(frames):
                if is_pulled:
                    inflater.feed(frame, at % 3 == 0)
                    while inflater.has_more:
                        assert len(inflater.take(1 + limit)) <= 1 + limit
                else:
                    assert len(inflater.inflate(frame, at % 3 == 0, limit)) <= limit
        except SocketError as error:
            assert error.reason in ("bad compressed data", "message too big")  # noqa: PT017 - or no error at all


def test_a_caller_must_take_what_was_fed_first() -> None:
    inflater = Inflater(12, False)
    inflater.feed(HELLO, True)
    with pytest.raises(RuntimeError, match="not taken yet"):
        inflater.feed(HELLO, True)
    with pytest.raises(RuntimeError, match="not taken yet"):
        inflater.inflate(HELLO, True, 5)
    with pytest.raises(ValueError, match="max_bytes"):
        inflater.take(0)
    assert inflater.take(99) == b"Hello"
    assert not inflater.has_more
    assert inflater.take(99) == b""
