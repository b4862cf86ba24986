"""Looking names up: whoever asks for one name at the same time shares one question."""

from __future__ import annotations

import _socket
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from lasa import _hub, thread
from lasa._hub import ResolveError, resolve
from tests._hub.test_core import in_os_thread
from tests.helpers import no_switch, settle

FOUND: Any = [(_socket.AF_INET, 1, 6, "", ("127.0.0.1", 0))]
ADDRESSES = [(_socket.AF_INET, "127.0.0.1")]
WAIT_S = 10.0


class Resolver:
    """Stands in for gevent's: it counts, and answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ended: list[str] = []
        self.may_answer = Event()
        self.answer: Any = FOUND

    def getaddrinfo(self, name: str, *_: Any) -> Any:
        self.asked.append(name)
        try:
            self.may_answer.wait()
        finally:
            self.ended.append(name)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    made = Resolver()
    monkeypatch.setattr(_hub.scheduler().gevent_hub, "resolver", made)
    yield made
    settle()
    assert made.asked == made.ended
    assert _hub.scheduler().extras["lookups"]._under_way == {}


def asking(count: int, name: str = "a.name", timeout_s: float = WAIT_S) -> list[thread.Thread]:
    found = [thread.spawn(resolve, name, timeout_s) for _ in range(count)]
    settle()
    return found


def results(threads: list[thread.Thread]) -> list[Any]:
    return [thread.wait(each) for each in threads]


def test_several_who_ask_for_one_name_share_one_look_up(resolver: Resolver) -> None:
    threads = asking(3) + asking(2, "b.name")
    assert resolver.asked == ["a.name", "b.name"]
    resolver.may_answer.set()
    assert results(threads) == [(True, ADDRESSES)] * 5


def test_what_was_found_is_not_kept_and_belongs_to_each_alone(resolver: Resolver) -> None:
    resolver.may_answer.set()
    first, second = asking(2)
    _, found = thread.wait(first)
    found.clear()
    assert thread.wait(second) == (True, ADDRESSES)
    assert resolve("a.name", WAIT_S) == ADDRESSES
    assert resolver.asked == ["a.name", "a.name"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(_socket.gaierror(_socket.EAI_NONAME, "x"), "3: Host not found"), (OSError(5, "x"), "2: Server failure")],
)
def test_a_failure_is_an_exception_of_each_and_not_kept(resolver: Resolver, answer: Exception, reason: str) -> None:
    resolver.answer = answer
    threads = asking(3)
    resolver.may_answer.set()
    errors = [error for _, error in results(threads)]
    assert [str(error) for error in errors] == [reason] * 3
    assert len(set(map(id, errors))) == 3
    resolver.answer = FOUND
    assert resolve("a.name", WAIT_S) == ADDRESSES


def test_what_else_a_resolver_raises_reaches_all(resolver: Resolver) -> None:
    resolver.answer = LookupError("of somebody's own")
    threads = asking(2)
    resolver.may_answer.set()
    assert [type(error) for _, error in results(threads)] == [LookupError] * 2


ENDS: dict[str, Callable[[Any], Any]] = {
    "kill": thread.kill,
    "gevent.kill": lambda first: gevent.kill(first.greenlet),
    "gevent.Timeout": lambda first: gevent.kill(first.greenlet, gevent.Timeout()),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_end_of_who_asked_first_does_not_end_the_look_up_of_others(resolver: Resolver, end: str) -> None:
    first, *others = asking(3)
    ENDS[end](first)
    settle()
    assert resolver.ended == []
    resolver.may_answer.set()
    assert results(others) == [(True, ADDRESSES)] * 2
    assert resolver.asked == ["a.name"]


def test_each_has_his_own_timeout(resolver: Resolver) -> None:
    [first] = asking(1, timeout_s=0.01)
    [second] = asking(1)
    ok, error = thread.wait(first)
    assert (ok, str(error)) == (False, "110: Operation timed out")
    assert resolver.ended == []
    resolver.may_answer.set()
    assert thread.wait(second) == (True, ADDRESSES)
    assert resolver.asked == ["a.name"]


def test_when_nobody_waits_any_more_the_look_up_ends_and_the_next_one_begins_anew(resolver: Resolver) -> None:
    for child in asking(2):
        thread.kill(child)
    settle()
    assert resolver.ended == ["a.name"]
    threads = asking(1)
    resolver.may_answer.set()
    assert results(threads) == [(True, ADDRESSES)]


def test_a_look_up_that_somebody_kills_is_a_failure_of_the_server(resolver: Resolver) -> None:
    threads = asking(2)
    [errand] = _hub.scheduler().extras["lookups"]._under_way.values()
    gevent.kill(errand.greenlet)
    assert [str(error) for _, error in results(threads)] == ["2: Server failure"] * 2


def test_what_was_forgotten_in_a_fork_is_asked_anew_and_ends_by_itself(resolver: Resolver) -> None:
    old = asking(1)
    _hub.scheduler().extras["lookups"].forget_all()
    new = asking(1)
    assert resolver.asked == ["a.name", "a.name"]
    resolver.may_answer.set()
    assert results(old + new) == [(True, ADDRESSES)] * 2


def test_each_os_thread_asks_for_itself(resolver: Resolver) -> None:
    threads = asking(1, "localhost")
    found: list[Any] = []
    in_os_thread(lambda: found.extend(resolve("localhost", WAIT_S)))
    assert ADDRESSES[0] in found
    assert resolver.ended == []
    resolver.may_answer.set()
    assert results(threads) == [(True, ADDRESSES)]


def test_a_text_that_is_no_name_is_told_without_a_look_up(resolver: Resolver) -> None:
    with pytest.raises(ResolveError, match="3: Host not found"), no_switch():
        resolve("x" * 64, WAIT_S)
    resolver.may_answer.set()
    assert resolve("a.name", WAIT_S) == ADDRESSES
