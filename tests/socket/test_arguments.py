"""What each call may be given, and the order in which a wrong argument, a busy socket and a closed one are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lasa import socket
from lasa.socket import TcpSocket
from tests.helpers import no_switch
from tests.socket.tools import Pair, connected, free_address, listening, result_of, spawn_blocked, tcp_pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    with tcp_pair() as connection:
        yield connection


# receive and receiveany


@pytest.mark.parametrize("size", [-0.5, "-0.5", -0.999, 0.5, "0.9", -0.0])
def test_a_size_loses_its_fraction_before_it_is_looked_at(pair: Pair, size: Any) -> None:
    with no_switch():
        assert pair.near.receive(size) == (b"", None, None)


@pytest.mark.parametrize("size", [-1, "-1", -5.0, -1.5, b"-0x2"])
def test_a_negative_size_raises(pair: Pair, size: Any) -> None:
    with pytest.raises(ValueError, match=r"^bad number argument$"):
        pair.near.receive(size)


@pytest.mark.parametrize("pattern", ["*x", "*L", "**", "*1"])
def test_an_unknown_pattern_of_two_characters_raises(pair: Pair, pattern: str) -> None:
    with pytest.raises(ValueError, match=r"^bad pattern argument$"):
        pair.near.receive(pattern)


@pytest.mark.parametrize("pattern", ["l", "", "*line", "a", "1_0", "nan", "infinity", "٣"])
def test_any_other_text_raises_and_is_named(pair: Pair, pattern: str) -> None:
    with pytest.raises(ValueError) as caught:
        pair.near.receive(pattern)
    assert str(caught.value) == f"bad pattern argument: {pattern}"


@pytest.mark.parametrize("pattern", [True, False, None, [], {}, print])
def test_what_is_neither_number_nor_text_raises(pair: Pair, pattern: Any) -> None:
    with pytest.raises(TypeError, match="bad argument"):
        pair.near.receive(pattern)


@pytest.mark.parametrize("limit", [0, -1, 0.5, "0", True, None, "x", []])
def test_receiveany_wants_a_number_of_at_least_one(pair: Pair, limit: Any) -> None:
    with pytest.raises(ValueError, match="bad max argument"):
        pair.near.receiveany(limit)
    with pytest.raises(TypeError):
        pair.near.receiveany()  # type: ignore[call-arg]


@pytest.mark.parametrize("limit", [1, 1.9, "1", "0x1"])
def test_receiveany_takes_what_looks_like_a_number(pair: Pair, limit: Any) -> None:
    pair.far.send(b"ab")
    assert pair.near.receiveany(limit) == (b"a", None, None)


# receiveuntil


@pytest.mark.parametrize("value", [1, 0, "true", [], 1.0])
def test_inclusive_is_a_boolean_or_nothing(value: object) -> None:
    words = {int: "int", float: "float", str: "str", list: "list"}
    with pytest.raises(TypeError) as caught:
        socket.tcp().receiveuntil("aa", {"inclusive": value})
    assert str(caught.value) == f'bad "inclusive" option type: {words[type(value)]}'
    assert callable(socket.tcp().receiveuntil("aa", {"inclusive": None}))
    assert callable(socket.tcp().receiveuntil("aa", inclusive=False))


def test_receiveuntil_wants_a_pattern_and_a_table() -> None:
    with pytest.raises(ValueError, match="pattern is empty"):
        socket.tcp().receiveuntil("")
    wrong: list[Any] = [None, True, [], {}]
    for pattern in wrong:
        with pytest.raises(TypeError):
            socket.tcp().receiveuntil(pattern)
    with pytest.raises(TypeError):
        socket.tcp().receiveuntil("x", "inclusive")  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [True, "4", 4.0, []])
def test_a_readers_size_is_an_integer_which_is_checked_before_all_else(size: Any) -> None:
    reader = socket.tcp().receiveuntil("x")
    with pytest.raises(TypeError, match="bad size argument"):
        reader(size)
    assert reader(4) == (None, "closed", None)


@pytest.mark.parametrize("size", [0, -1, None])
def test_a_readers_size_of_nothing_is_no_limit(pair: Pair, size: int | None) -> None:
    pair.far.send(b"abcdefx")
    reader = pair.near.receiveuntil("x")
    assert reader(size) == (b"abcdef", None, None)
    pair.far.send(b"x")
    assert reader(size) == (b"", None, None)  # not in chunks, so no end marker


# send


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (b"raw", b"raw"),
        ("zażółć", "zażółć".encode()),
        (bytearray(b"array"), b"array"),
        (memoryview(b"xviewx")[1:5], b"view"),
        (123456789012345678901234567890, b"123456789012345678901234567890"),
        (-7, b"-7"),
        (3.0, b"3"),
        (3.14159265357939723846, b"3.1415926535794"),
        (1e15, b"1e+15"),
        (["a", ("b", [b"c", 1, 2.5])], b"abc12.5"),
    ],
)
def test_data_goes_out_as_lua_writes_it(pair: Pair, data: object, wire: bytes) -> None:
    assert pair.near.send(data) == (len(wire), None)
    assert pair.far.receive(len(wire)) == (wire, None, None)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (None, "None"),
        (True, "bool"),
        (False, "bool"),
        ([b"a", True], "bool in a list"),
        ([b"a", None], "None in a list"),
        ([[[None]]], "None in a list"),
        ([print], "builtin_function_or_method in a list"),
        ({}, "dict"),
        ([{"a": 1}], "dict in a list"),
        (print, "builtin_function_or_method"),
        (object(), "object"),
    ],
)
def test_data_of_another_kind_raises_and_nothing_reaches_the_peer(pair: Pair, data: object, kind: str) -> None:
    with pytest.raises(TypeError) as caught:
        pair.near.send(data)
    assert str(caught.value) == f"bad data: bytes, str, a number or a list of these expected, got {kind}"
    assert not pair.far.peek()
    assert pair.near.send(b"ok") == (2, None)


# Order


def test_on_a_socket_that_is_not_connected_closed_comes_before_any_argument() -> None:
    for sock in (socket.tcp(), once_connected()):
        with no_switch():
            arguments: list[Any] = ["*x", -1, None, 0, "*l"]
            for argument in arguments:
                assert sock.receive(argument) == (None, "closed", None)
            assert sock.receiveany(0) == (None, "closed", None)
            assert sock.receiveuntil("x")() == (None, "closed", None)
            assert sock.send({}) == sock.send(b"") == sock.close() == (None, "closed")
            assert sock.setkeepalive() == sock.setkeepalive(0, 0) == sock.getreusedtimes() == (None, "closed")
            assert sock.accept() == sock.getsockname() == (None, "closed")
            assert not sock.peek()


def test_on_a_busy_socket_the_busy_word_comes_before_any_argument(pair: Pair) -> None:
    near = pair.near
    reader = spawn_blocked(near.receive)
    assert near.receive(-1) == near.receiveany(0) == (None, "socket busy reading", None)
    assert near.connect("", 1) == (None, "socket busy reading")
    pair.far.send(b"\n")
    assert result_of(reader) == (b"", None, None)


def test_connect_tells_a_bad_argument_first_then_the_port_then_that_it_is_busy(pair: Pair) -> None:
    near = pair.near
    reader = spawn_blocked(near.receive)
    with pytest.raises(TypeError, match="bad host"):
        near.connect(None, "x", {"pool": []})
    with pytest.raises(TypeError, match="pool"):
        near.connect("127.0.0.1", "x", {"pool": []})
    assert near.connect("127.0.0.1", "x") == (None, "missing the port number")
    assert near.connect("127.0.0.1", 65536) == (None, "bad port number: 65536")
    assert near.connect("a/b", 1) == (None, "socket busy reading")
    pair.far.send(b"still connected\n")
    assert result_of(reader) == (b"still connected", None, None)


def test_a_bad_host_text_is_told_after_the_old_connection_is_dropped(pair: Pair) -> None:
    assert pair.near.connect("a/b", 1) == (None, 'failed to parse host name "a/b": invalid host')
    assert pair.near.send(b"x") == (None, "closed")
    assert pair.far.receive() == (None, "closed", b"")


def test_setkeepalive_tells_bad_types_first_and_a_bad_pool_size_late(pair: Pair) -> None:
    wrong: list[tuple[Any, ...]] = [(True,), ("x",), ([],), (0, "x"), (0, True)]
    for arguments in wrong:
        with pytest.raises(TypeError, match=r"bad (timeout|size): number of (milliseconds|connections) expected, got"):
            socket.tcp().setkeepalive(*arguments)
    near = pair.near
    pair.far.send(b"ab")
    assert near.receive(1) == (b"a", None, None)
    assert near.setkeepalive(0, 0) == (None, "unread data in buffer")
    assert near.receive(1) == (b"b", None, None)
    for size in (0, -1):
        with pytest.raises(ValueError) as caught:
            near.setkeepalive(0, size)
        assert str(caught.value) == f'bad "pool_size" option value: {size}'
    assert near.send(b"x") == (1, None)


def test_sslhandshake_on_a_socket_never_connected_raises_and_on_a_closed_one_does_not() -> None:
    with pytest.raises(RuntimeError, match="socket is never created nor connected"):
        socket.tcp().sslhandshake()
    with pytest.raises(TypeError):
        socket.tcp().sslhandshake("session")
    assert once_connected().sslhandshake() == (None, "closed")


# connect


@pytest.mark.parametrize("arguments", [(), (None,), ({},), ({}, {}), ("x",), (True,), ([],)])
def test_a_port_that_is_no_number_is_missing(arguments: tuple[Any, ...]) -> None:
    assert socket.tcp().connect("127.0.0.1", *arguments) == (None, "missing the port number")
    assert socket.connect("/some/x.sock", *arguments) == (None, "missing the port number")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pool": []}, TypeError, 'bad "pool" option type: list'),
        ({"pool": True}, TypeError, 'bad "pool" option type: bool'),
        ({"pool_size": 0}, ValueError, 'bad "pool_size" option value: 0'),
        ({"pool_size": -2}, ValueError, 'bad "pool_size" option value: -2'),
        ({"pool_size": "x"}, TypeError, 'bad "pool_size" option type: str'),
        ({"pool_size": True}, TypeError, 'bad "pool_size" option type: bool'),
        ({"backlog": -1}, ValueError, 'bad "backlog" option value: -1'),
        ({"backlog": []}, TypeError, 'bad "backlog" option type: list'),
    ],
)
def test_a_bad_option_raises_and_the_connection_stays(
    pair: Pair, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: pair.near.connect("127.0.0.1", 1, options),
        lambda: pair.near.connect("127.0.0.1", 1, **options),
        lambda: pair.near.connect("unix:/x", options),
    ]
    for call in calls:
        with pytest.raises(error) as caught:
            call()
        assert str(caught.value) == message
    assert pair.near.send(b"x") == (1, None)


def test_constructors_take_no_arguments() -> None:
    for make in (socket.tcp, socket.stream, socket.udp):
        with pytest.raises(TypeError, match="expecting zero arguments, but got 2"):
            make(1, 2)


# settimeout


@pytest.mark.parametrize("value", [0, -1, None, "x", 0.5, True, [], float("nan")])
def test_a_timeout_of_nothing_is_the_default_of_thirty_seconds(value: Any) -> None:
    sock = socket.tcp()
    sock.settimeout(7)
    assert sock.settimeout(value) is None  # type: ignore[func-returns-value]
    assert (sock._connect_s, sock._send_s, sock._read_s) == (30, 30, 30)


def test_timeouts_are_whole_milliseconds_below_2_to_the_31() -> None:
    sock = socket.tcp()
    sock.settimeout(2**31 - 1)
    sock.settimeout("1500")  # type: ignore[arg-type]
    for value in (2**31, float("inf"), "1e10"):
        with pytest.raises(ValueError, match="bad timeout value"):
            sock.settimeout(value)  # type: ignore[arg-type]
    assert sock._read_s == 1.5


def test_settimeouts_judges_each_of_its_three_values() -> None:
    sock = socket.tcp()
    sock.settimeouts(1000, None, 2000.9)
    assert (sock._connect_s, sock._send_s, sock._read_s) == (1, 30, 2)
    with pytest.raises(TypeError):
        sock.settimeouts(1, 2)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="bad timeout value"):
        sock.settimeouts(1, 2, 2**31)
    assert (sock._connect_s, sock._send_s, sock._read_s) == (1, 30, 2)


# setoption and getoption


def test_options_of_a_socket_never_connected_raise_and_of_a_closed_one_do_not() -> None:
    with pytest.raises(RuntimeError, match="socket is never created nor connected"):
        socket.tcp().setoption("keepalive", True)
    with pytest.raises(RuntimeError, match="socket is never created nor connected"):
        socket.tcp().getoption("keepalive")
    sock = once_connected()
    assert sock.setoption("keepalive", True) == sock.getoption("keepalive") == (None, "closed")


@pytest.mark.parametrize("value", [True, 1])
@pytest.mark.parametrize("option", ["keepalive", "reuseaddr", "tcp-nodelay"])
def test_a_switch_is_set_and_read_back(pair: Pair, option: str, value: bool | int) -> None:
    assert pair.near.setoption(option, value) == (True, None)
    assert pair.near.getoption(option) == (1, None)
    assert pair.near.setoption(option, False) == (True, None)
    assert pair.near.getoption(option) == (0, None)


def test_sizes_and_counts_are_set_and_read_back(pair: Pair) -> None:
    for option, value, seen in (
        ("sndbuf", 8192, 16384),
        ("rcvbuf", 8192, 16384),
        ("keepintvl", 7, 7),
        ("keepcnt", 3, 3),
    ):
        assert pair.near.setoption(option, value) == (True, None)
        assert pair.near.getoption(option) == (seen, None)


def test_options_name_what_is_missing_or_unknown(pair: Pair) -> None:
    near = pair.near
    assert near.setoption() == near.getoption() == (None, 'missing the "option" argument')
    assert near.setoption("keepalive") == (None, 'missing the "value" argument')
    assert near.setoption("linger", 1) == near.getoption("linger") == (None, "unsupported option linger")
    assert near.setoption("keepcnt", -1) == near.setoption("keepcnt", 2**40) == (None, "invalid argument")
    with pytest.raises(TypeError):
        near.setoption("keepalive", [])  # type: ignore[arg-type]


def test_nodelay_is_on_at_both_ends_from_the_start(pair: Pair) -> None:
    assert pair.near.getoption("tcp-nodelay") == pair.far.getoption("tcp-nodelay") == (1, None)


def once_connected() -> TcpSocket:
    """A socket that had a connection and closed it."""
    with listening() as listener:
        listener.listen()
        sock = connected(*listener.getsockname())
    assert sock.close() == (1, None)
    assert sock.connect(*free_address()) == (None, "connection refused")
    return sock
