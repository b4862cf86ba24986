import copy
import errno
import pickle
from typing import Any

import pytest

import lasa
from lasa import semaphore, thread, timer
from lasa.errors import Error, SocketClosed, SocketError, SocketRefused, SocketTimeout, check, system_error
from lasa.http.client import Failure


@pytest.mark.parametrize(
    ("result", "value"),
    [
        ((b"data", None, None), b"data"),
        ((b"", None, None), b""),
        ((0, None), 0),
        ((1, None), 1),
        ((True, None), True),
        ((True,), True),
        ((True, "a"), "a"),
        ((True, 0), 0),
        ((True, False), False),
        ((True, "a", "b"), ("a", "b")),
        ((True, None, 5), (None, 5)),
        ((None, None, None), None),  # a reader at its end
        ((None, None), None),
    ],
)
def test_check_returns_the_value_of_a_success(result: tuple[Any, ...], value: Any) -> None:
    assert check(result) == value


@pytest.mark.parametrize(
    ("result", "kind", "reason", "partial"),
    [
        ((None, "timeout", b"par"), SocketTimeout, "timeout", b"par"),
        ((None, "timeout"), SocketTimeout, "timeout", None),
        ((None, "closed", b""), SocketClosed, "closed", b""),
        ((None, "closed"), SocketClosed, "closed", None),
        ((None, "connection refused"), SocketRefused, "connection refused", None),
        ((True, None, "timeout", b"par"), SocketTimeout, "timeout", b"par"),  # what a light thread returned
        ((None, "socket busy reading", None), SocketError, "socket busy reading", None),
        ((None, "already waited or killed"), Error, "already waited or killed", None),
        ((None, "killer not parent"), Error, "killer not parent", None),
        ((None, "too many pending timers"), Error, "too many pending timers", None),
        ((None, None, "fatal error already happened"), SocketError, "fatal error already happened", None),
        ((False, "cannot resume dead coroutine"), Error, "cannot resume dead coroutine", None),
    ],
)
def test_check_raises_what_a_failure_says(
    result: tuple[Any, ...], kind: type[Error], reason: str, partial: bytes | None
) -> None:
    with pytest.raises(Error) as caught:
        check(result)
    assert type(caught.value) is kind
    assert (caught.value.reason, caught.value.partial) == (reason, partial)
    assert str(caught.value) == reason


def test_the_classes_are_python_s_own_kinds_of_error_too() -> None:
    assert issubclass(SocketTimeout, TimeoutError)
    assert issubclass(SocketClosed, ConnectionError)
    assert issubclass(SocketError, OSError)
    assert not issubclass(Error, OSError)
    assert all(issubclass(kind, Error) for kind in (SocketError, SocketTimeout, SocketClosed))


def test_check_keeps_what_a_light_thread_raised_as_the_cause() -> None:
    error = ValueError("mine")

    def failing() -> None:
        raise error

    with pytest.raises(Error, match=r"light thread failed: ValueError\('mine'\)") as caught:
        check(thread.wait(thread.spawn(failing)))
    assert caught.value.__cause__ is error
    assert type(caught.value) is Error


def test_check_gives_what_the_calls_of_lasa_give() -> None:
    sema = check(semaphore.new(1))
    assert check(sema.wait(0)) is True
    with pytest.raises(TimeoutError):
        check(sema.wait(0))
    assert isinstance(check(timer.at(0, lambda premature: None)), timer.Timer)
    assert check(thread.wait(thread.spawn(lambda: (1, 2)))) == (1, 2)
    assert lasa.sleep(0.001)


@pytest.mark.parametrize(
    "error",
    [
        Error("odd", b"part"),
        Error("odd"),
        SocketError("connection refused"),
        SocketTimeout(),
        SocketTimeout(partial=b"par"),
        SocketClosed("closed", b""),
    ],
)
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, *(range(pickle.HIGHEST_PROTOCOL + 1))])
def test_errors_survive_copying_and_pickling(error: Error, duplicate: Any) -> None:
    twin = duplicate(error) if callable(duplicate) else pickle.loads(pickle.dumps(error, duplicate))
    assert type(twin) is type(error)
    assert (twin.reason, twin.partial, str(twin)) == (error.reason, error.partial, str(error))


def test_an_error_without_a_word_of_its_own_takes_the_default() -> None:
    assert (SocketTimeout().reason, SocketClosed().reason) == ("timeout", "closed")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ECONNREFUSED, "connection refused"),
        (errno.ECONNRESET, "connection reset by peer"),
        (errno.EPIPE, "broken pipe"),
        (errno.ENOENT, "no such file or directory"),
        (errno.EADDRINUSE, "address already in use"),
        (errno.EHOSTUNREACH, "no route to host"),
        (errno.EADDRNOTAVAIL, "cannot assign requested address"),
        (errno.EINVAL, "invalid argument"),
    ],
)
def test_the_systems_errors_are_its_texts_in_lower_case(number: int, reason: str) -> None:
    assert system_error(OSError(number, "SOMETHING ELSE")).reason == reason


def test_a_failure_without_a_number_is_an_error() -> None:
    assert system_error(OSError("odd")).reason == "error"


@pytest.mark.parametrize(
    ("result", "value"),
    [
        (("127.0.0.1", 80), ("127.0.0.1", 80)),
        (("unix:/path", None), "unix:/path"),
        ((b"data", None, ("127.0.0.1", 80)), (b"data", ("127.0.0.1", 80))),
        ((True, b"data", None), (b"data", None)),
    ],
    ids=str,
)
def test_check_drops_nothing_but_the_place_of_the_error(result: tuple[Any, ...], value: object) -> None:
    assert check(result) == value


@pytest.mark.parametrize("result", [None, b"abc", "timeout", True, [], (), check], ids=repr)
def test_check_takes_result_tuples_only_and_hints_at_forgotten_parentheses(result: Any) -> None:
    with pytest.raises(TypeError, match="parentheses"):
        check(result)


def test_errors_of_the_system_have_their_number_and_python_s_class_again() -> None:
    for word, kind in (
        ("connection refused", ConnectionRefusedError),
        ("connection reset by peer", ConnectionResetError),
        ("broken pipe", BrokenPipeError),
        ("no such file or directory", OSError),
    ):
        with pytest.raises(kind) as caught:
            check((None, word))
        assert isinstance(caught.value, SocketError)
        assert caught.value.errno is not None
        assert str(caught.value) == word


def test_words_of_codecs_are_no_errors_of_a_socket() -> None:
    with pytest.raises(Error) as caught:
        check(lasa.decode_base64url("!"))
    assert not isinstance(caught.value, OSError)


def test_a_literal_whose_zone_names_no_interface_is_no_device() -> None:
    assert lasa.socket.connect("fe80::1%nosuch", 80) == (None, "no such device")


def test_an_error_word_may_bring_its_own_partial() -> None:
    with pytest.raises(SocketClosed) as caught:
        check((None, Failure("closed", partial=b"half"), None))
    assert caught.value.partial == b"half"


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("failed to connect: connection refused", ConnectionRefusedError),
        ("failed to connect: timeout", TimeoutError),
        ("failed to receive response header: timeout", TimeoutError),
        ("failed to receive the first 2 bytes: closed", SocketClosed),
        ("failed to send frame: broken pipe", BrokenPipeError),
        ("failed to receive response header: connection reset by peer", ConnectionResetError),
        ("ssl handshake failed: timeout", TimeoutError),
        ("ping timeout", SocketTimeout),
    ],
)
def test_a_word_that_tells_what_was_tried_is_of_the_kind_of_its_end(word: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        check((None, word))
    assert isinstance(caught.value, SocketError)
    assert caught.value.reason == str(caught.value) == word
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (type(twin), twin.reason) == (type(caught.value), word)


@pytest.mark.parametrize(
    "word", ["bad HTTP response status line: HTTP/1.1 504 x: timeout", "origin not allowed: closed"]
)
def test_what_a_word_quotes_of_the_peer_is_of_no_kind(word: str) -> None:
    with pytest.raises(SocketError) as caught:
        check((None, word))
    assert type(caught.value) is SocketError


def test_the_answer_that_an_error_word_brings_is_the_exception_s() -> None:
    answer: Any = object()
    with pytest.raises(SocketTimeout) as caught:
        check((None, Failure("timeout", response=answer), None))
    assert caught.value.response is answer
    assert SocketTimeout().response is None


def test_check_gives_a_false_that_is_a_value() -> None:
    assert check((False, None)) is False
