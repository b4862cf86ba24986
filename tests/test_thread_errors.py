# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
"""Light threads that end with an exception: what is logged, what wait() returns, who else notices."""

import logging

import gevent
import pytest

import lasa
from lasa.coroutine import yield_
from lasa.thread import spawn, status, wait
from tests.helpers import settle


@pytest.mark.parametrize(
    "error", [ValueError("boom"), gevent.Timeout(1), BaseException("odd"), ExceptionGroup("g", [OSError()])]
)
def test_an_uncaught_exception_is_logged_and_ends_only_its_thread(
    caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def failing() -> None:
        yield_()
        raise error

    sibling = spawn(lambda: yield_() or yield_() or "fine")
    assert wait(spawn(failing)) == (False, error)
    assert wait(sibling) == (True, "fine")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("lasa.thread", logging.ERROR)
    assert record.getMessage() == f"light thread {failing.__qualname__} failed: {error!r}"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_a_greenlet_exit_is_an_end_like_a_kill_and_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    def leaving() -> None:
        raise gevent.GreenletExit

    ok, error = wait(spawn(leaving))
    assert (ok, type(error)) == (False, gevent.GreenletExit)
    assert caplog.records == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_reaches_the_main_program(caplog: pytest.LogCaptureFixture, kind: type[BaseException]) -> None:
    def leaving() -> None:
        yield_()
        raise kind(3)

    child = spawn(leaving)
    with pytest.raises(kind) as caught:
        lasa.sleep(10)
    assert caught.value.args == (3,)
    ok, error = wait(child)
    assert (ok, error) == (False, caught.value)
    assert caplog.records == []


def test_an_interrupt_in_a_thread_of_a_thread_still_wakes_its_waiting_parent() -> None:
    def leaving() -> None:
        yield_()
        raise SystemExit(3)

    parent = spawn(lambda: wait(spawn(leaving)))
    with pytest.raises(SystemExit):
        lasa.sleep(10)
    ok, inner_ok, error = wait(parent)
    assert (ok, inner_ok, type(error)) == (True, False, SystemExit)


def test_a_log_handler_that_is_interrupted_does_not_lose_the_waiting_parent() -> None:
    class Slow(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            return lasa.sleep(10)

    def failing() -> None:
        raise ValueError

    logger, slow, children = logging.getLogger("lasa.thread"), Slow(), []
    logger.addHandler(slow)
    try:
        parent = spawn(lambda: (children.append(spawn(failing)), wait(children[0])))
        settle()
        assert status(children[0]) == "running"
        target = children[0].greenlet
        assert isinstance(target, gevent.Greenlet)
        target.kill()
        ok, _, result = wait(parent)
        assert (ok, type(result[1])) == (True, ValueError)
    finally:
        logger.removeHandler(slow)
