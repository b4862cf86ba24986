# mypy: disable-error-code="func-returns-value"
# Lambdas here are often several calls in a row, some of which return nothing.
"""With a virtual clock an hour takes no time: everything that waits for a time goes by it, in order and exactly."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import gevent
import gevent.event
import gevent.queue
import pytest
from gevent import monkey
from hypothesis import given
from hypothesis import strategies as st

import lasa
from lasa import _hub, http, semaphore, socket, thread, timer
from lasa._hub import Deadline, clock
from lasa._hub.core import scheduler
from lasa._hub.virtual import VirtualClock, virtual_clock
from tests._hub.test_core import in_os_thread
from tests.helpers import cosocket_pair, nothing_left_open, original_socket_class, raw_listener
from tests.http.client_tools import asleep, close_idle, peer
from tests.http.tools import connect, serving
from tests.socket.tools import listening, result_of, silent_listener, tcp_pair
from tests.websocket import tools as websockets

HOUR_S = 3600.0
BUSY_AT_MOST_S = 1.0  # of the processor's time, for an hour

os_sleep: Any = monkey.get_original("time", "sleep")


@pytest.fixture
def virtual() -> Iterator[VirtualClock]:
    """A clock for peers that are all in this hub."""
    with nothing_left_open(), virtual_clock(grace_s=0) as made:
        busy_s = time.process_time()
        yield made
        assert time.process_time() - busy_s < BUSY_AT_MOST_S


def took_s(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """How long a call took by the hub's clock, and what it returned."""
    began_s = clock.monotonic_s()
    returned = function(*arguments)
    return clock.monotonic_s() - began_s, returned


# What lasa waits for


def test_an_hour_of_all_kinds_of_waits_takes_no_time(virtual: VirtualClock) -> None:
    began_s = virtual.monotonic_s
    seen: list[tuple[float, str]] = []

    def note(what: str) -> None:
        seen.append((virtual.monotonic_s - began_s, what))

    def sleeper() -> None:
        for _ in range(4):
            lasa.sleep(900)
            note("slept")

    def reader() -> None:
        with cosocket_pair() as (sock, _):
            sock.settimeout(1_000_000)
            assert sock.receive() == (None, "timeout", b"")
            note("read")

    def waiter() -> None:
        waited, _ = semaphore.new()
        assert waited.wait(1500) == (None, "timeout")
        note("semaphore")

    def tick(premature: bool) -> None:
        note("tick")

    timer.at(2000, lambda premature: note("at"))
    every, _ = timer.every(1, tick)
    assert every is not None
    ends = [thread.spawn(each) for each in (sleeper, reader, waiter)]
    for each in ends:
        thread.wait(each)
    timer.kill(every)
    ticks = [at_s for at_s, what in seen if what == "tick"]
    assert ticks == [float(number) for number in range(1, 3600)]  # who sleeps 3600 s was there before the last tick
    assert [(at_s, what) for at_s, what in seen if what != "tick"] == [
        (900, "slept"),
        (1000, "read"),
        (1500, "semaphore"),
        (1800, "slept"),
        (2000, "at"),
        (2700, "slept"),
        (3600, "slept"),
    ]
    assert [at_s for at_s, _ in seen] == sorted(at_s for at_s, _ in seen)


def test_sleepers_wake_in_the_order_of_their_times_and_of_their_coming() -> None:
    @given(st.lists(st.integers(min_value=1, max_value=80), min_size=1, max_size=20))
    def check(eighths: list[int]) -> None:
        began_s = clock.monotonic_s()
        seen: list[tuple[float, int]] = []

        def sleeper(number: int, delay_s: float) -> None:
            lasa.sleep(delay_s)
            seen.append((clock.monotonic_s() - began_s, number))

        sleepers = [thread.spawn(sleeper, number, each / 8) for number, each in enumerate(eighths)]
        for each in sleepers:
            thread.wait(each)
        assert seen == sorted((each / 8, number) for number, each in enumerate(eighths))

    with virtual_clock(grace_s=0):
        check()


def test_a_peer_that_is_silent_is_waited_for_exactly_as_long_as_asked(virtual: VirtualClock) -> None:
    with tcp_pair() as pair:
        for timeout_ms in (125, 250, 60_000, 60_000, 3_600_000):
            pair.near.settimeout(timeout_ms)
            assert took_s(pair.near.receive, 5) == (timeout_ms / 1000, (None, "timeout", b""))
        pair.near.settimeout(1)
        assert took_s(pair.near.receive)[0] == pytest.approx(0.001)
    with listening() as listener:
        listener.settimeout(HOUR_S * 1000)
        assert took_s(listener.accept) == (HOUR_S, (None, "timeout"))
    with silent_listener() as address:
        sock = socket.tcp()
        sock.settimeout(90_000)
        assert took_s(sock.connect, *address) == (90.0, (None, "timeout"))


def test_what_comes_in_time_is_read_at_its_time(virtual: VirtualClock) -> None:
    with tcp_pair() as pair:

        def writer() -> None:
            for number in range(60):
                lasa.sleep(50)
                pair.far.send(f"{number}\n")

        thread.spawn(writer)
        pair.near.settimeout(60_000)
        for number in range(60):
            assert took_s(pair.near.receive) == (50.0, (b"%d" % number, None, None))
        assert took_s(pair.near.receive)[0] == 60.0


def test_an_idle_connection_is_kept_as_long_as_asked_and_no_longer(virtual: VirtualClock) -> None:
    with raw_listener() as listener:
        address = listener.getsockname()
        sock = socket.tcp()
        assert sock.connect(*address)[0]
        far = listener.accept()[0]
        assert sock.setkeepalive(600_000) == (1, None)
        lasa.sleep(599)
        assert sock.connect(*address)[0]
        assert sock.getreusedtimes() == (1, None)
        assert sock.setkeepalive(600_000) == (1, None)
        lasa.sleep(599.999)
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            far.recv(1)
        lasa.sleep(0.002)
        assert far.recv(1) == b""
        assert sock.connect(*address)[0]
        assert sock.getreusedtimes() == (0, None)
        sock.close()
        listener.accept()[0].close()
        far.close()


def test_a_place_in_a_pool_is_waited_for_by_the_clock(virtual: VirtualClock) -> None:
    with raw_listener() as listener:
        first, second = socket.tcp(), socket.tcp()
        assert first.connect(*listener.getsockname(), pool_size=1, backlog=1)[0]
        second.settimeout(120_000)
        assert took_s(second.connect, *listener.getsockname()) == (120.0, (None, "timeout"))
        first.close()


def test_semaphores_and_light_threads_are_waited_for_by_the_clock(virtual: VirtualClock) -> None:
    permits, _ = semaphore.new()
    timer.at(600, lambda premature: permits.post())
    assert took_s(permits.wait, HOUR_S) == (600.0, (True, None))
    assert took_s(permits.wait, HOUR_S) == (HOUR_S, (None, "timeout"))
    assert took_s(thread.wait, thread.spawn(lasa.sleep, 1800)) == (1800.0, (True, True))
    channel = lasa.channel(1)
    assert took_s(channel.receive, 45) == (45.0, (None, "timeout"))


def test_timers_do_not_drift(virtual: VirtualClock) -> None:
    began_s = virtual.monotonic_s
    seen: list[float] = []

    def slow(premature: bool) -> None:
        seen.append(virtual.monotonic_s - began_s)
        lasa.sleep(45)

    every, _ = timer.every(30, slow)
    assert every is not None
    lasa.sleep(HOUR_S + 1)
    timer.kill(every)
    lasa.sleep(60)  # until the last one is over
    assert seen == [30.0 * number for number in range(1, 121)]


def test_a_request_without_an_answer_takes_as_long_as_it_may(virtual: VirtualClock) -> None:
    with peer(asleep) as made:
        client, _ = http.client.new(timeout=30, proxy=False)
        with client:
            spent_s, (ok, failure, _) = took_s(client.get, made.url)
            assert (spent_s, ok, str(failure)) == (30.0, None, "timeout")
    close_idle()


def test_a_cookie_lives_as_long_as_its_server_says(virtual: VirtualClock) -> None:
    def handler(request: Any) -> Any:
        return 200, {"set-cookie": "seen=yes; max-age=60"}, request.headers.get("cookie", "none")

    with serving(handler) as server, http.client.new(proxy=False, cookies={})[0] as client:
        said = []
        for pause_s in (0, 59, 61):
            lasa.sleep(pause_s)
            ok, response, _ = client.get(server.url)
            assert ok, response
            said.append(response.body)
            assert parsedate_to_datetime(response.headers["date"]).timestamp() == int(lasa.now())
        assert said == [b"none", b"seen=yes", b"none"]
    close_idle()


def test_a_server_ends_idle_and_slow_clients_at_their_time(virtual: VirtualClock) -> None:
    with serving(lambda request: "yes", head_timeout_s=20, idle_timeout_s=75) as server:
        with connect(server) as sock:
            sock.settimeout(HOUR_S * 1000)
            sock.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert sock.receiveuntil("yes")()[0]
            assert took_s(sock.receive)[0] == 75.0
        with connect(server) as sock:
            sock.settimeout(HOUR_S * 1000)
            sock.send("GET / HT")
            spent_s, (line, _, _) = took_s(sock.receive)
            assert (spent_s, line) == (20.0, b"HTTP/1.1 408 Request Timeout")


def test_a_websocket_lives_by_its_pings(virtual: VirtualClock) -> None:
    with websockets.serving(lambda wb: wb.receive(), ping_interval_s=None) as server:
        wb = lasa.check(lasa.websocket.client.connect(server.url, proxy=False, ping_interval_s=20, ping_timeout_s=10))
        assert took_s(wb.receive, HOUR_S) == (HOUR_S, (None, "timeout"))
        assert wb.latency_s == 0.0
        wb.close()


def test_names_are_told_by_the_same_clock(virtual: VirtualClock) -> None:
    before = lasa.now(), lasa.monotonictime()
    assert before[0] == pytest.approx(time.time(), abs=60)
    lasa.sleep(HOUR_S)
    assert lasa.now() - before[0] == pytest.approx(HOUR_S, abs=1e-6)
    assert lasa.monotonictime() - before[1] == pytest.approx(HOUR_S * 1e6, abs=1)


# What gevent waits for


def test_gevents_own_waits_go_by_it(virtual: VirtualClock) -> None:
    assert took_s(gevent.sleep, HOUR_S)[0] == HOUR_S
    assert took_s(gevent.event.Event().wait, 120)[0] == 120.0
    assert took_s(gevent.wait, [gevent.spawn(gevent.sleep, 60)], 30)[0] == 30.0
    began_s = clock.monotonic_s()
    with pytest.raises(gevent.queue.Empty):
        gevent.queue.Queue().get(timeout=7)
    with pytest.raises(gevent.Timeout), gevent.Timeout(90):
        lasa.sleep(HOUR_S)
    with pytest.raises(gevent.Timeout), gevent.Timeout(11):
        thread.wait(thread.spawn(lasa.sleep, 12))
    assert clock.monotonic_s() - began_s == 7 + 90 + 11
    later: Any = gevent.spawn_later(5, clock.monotonic_s)
    assert later.get() - began_s == 7 + 90 + 11 + 5
    gevent.sleep(60)


def test_a_timer_that_another_of_the_same_moment_stops_does_not_fire(virtual: VirtualClock) -> None:
    seen: list[str] = []
    loop = scheduler().loop
    first, second, third = (loop.timer(5, priority=-1) for _ in range(3))
    first.start(lambda: (seen.append("first"), second.stop()))
    second.start(seen.append, "second")
    third.start(seen.append, "third")
    above = loop.timer(5, priority=1)
    above.start(seen.append, "above")
    lasa.sleep(5)
    assert seen == ["above", "first", "third"]
    assert not any(each.active or each.pending for each in (first, second, third, above))


def test_one_that_repeats_does_so_until_it_is_stopped(virtual: VirtualClock) -> None:
    seen: list[float] = []
    began_s = clock.monotonic_s()
    with scheduler().loop.timer(5, 2) as repeating:
        repeating.start(lambda: seen.append(clock.monotonic_s() - began_s))
        lasa.sleep(9.5)
        repeating.again(lambda: seen.append(-1.0))
        assert repeating.active
        lasa.sleep(2)
    assert seen == [5.0, 7.0, 9.0, -1.0]
    assert not repeating.active


def test_a_callback_that_fails_keeps_no_other_from_its_turn(
    virtual: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []
    failing, going = scheduler().loop.timer(5), scheduler().loop.timer(5)
    failing.start(lambda: 1 / 0)
    going.start(seen.append, "went")
    lasa.sleep(6)
    assert seen == ["went"]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_timer_that_keeps_nothing_alive_is_not_waited_for() -> None:
    def check() -> None:
        with virtual_clock():
            alarm = _hub.Alarm(lambda: None)
            alarm.set_after(10)
            gevent.wait()
            with pytest.raises(_hub.LoopExit):
                _hub.pause()
            assert alarm.is_set
            alarm.clear()
        _hub.end_hub()

    in_os_thread(check)  # in this hub, others may be alive


@pytest.mark.parametrize("delay_s", [1e8, 1e12, float("inf")])
def test_no_time_is_gone_to_for_the_sake_of_those_who_wait_for_ever(virtual: VirtualClock, delay_s: float) -> None:
    sleeping = gevent.spawn(_hub.sleep_s, delay_s)
    with tcp_pair() as pair:  # the other side speaks when nothing else can happen
        began_s = clock.monotonic_s()
        answer = thread.spawn(lambda: (os_sleep(0.02), pair.far.send("x\n")))
        thread.wait(answer)
        assert pair.near.receive()[0] == b"x"
        assert clock.monotonic_s() == began_s
    sleeping.kill()


# What comes from outside


def echo(listener: Any, pause_s: float) -> None:
    """Answer one client, in an OS thread, each time after a pause of real time."""
    sock, _ = listener.accept()
    with sock:
        while data := sock.recv(1000):
            os_sleep(pause_s)
            sock.sendall(data)


def test_peers_have_real_time_to_answer() -> None:
    with virtual_clock(grace_s=5.0), raw_listener() as listener:
        _hub.start_os_thread(lambda: echo(listener, 0.001), "echo")
        sock = socket.tcp()
        assert sock.connect(*listener.getsockname())[0]
        every, _ = timer.every(1, lambda premature: None)
        assert every is not None
        began_s = clock.monotonic_s()
        for _ in range(20):
            sock.send("x\n")
            assert sock.receive()[0] == b"x"
        assert clock.monotonic_s() == began_s
        timer.kill(every)
        sock.close()


def test_another_os_thread_has_real_time_to_ring() -> None:
    with virtual_clock(grace_s=5.0):
        began_s = clock.monotonic_s()
        channel = lasa.channel(1)
        _hub.start_os_thread(lambda: (os_sleep(0.02), channel.send("here")), "sender")
        assert channel.receive(HOUR_S) == ("here", None)
        assert lasa.to_thread(lambda: (os_sleep(0.02), "there")[1]) == "there"
        assert clock.monotonic_s() == began_s


def test_time_stands_still_while_a_name_is_looked_up() -> None:
    with virtual_clock(grace_s=0):
        began_s = clock.monotonic_s()
        pool = scheduler().gevent_hub.threadpool
        with gevent.Timeout(1):
            pool.apply(os_sleep, (0.05,))
        assert clock.monotonic_s() == began_s
        assert took_s(lasa.sleep, 5)[0] == 5.0


def test_each_os_thread_has_a_clock_of_its_own() -> None:
    def elsewhere() -> tuple[float, float]:
        real_s = time.monotonic()
        seen = clock.monotonic_s() - real_s
        with virtual_clock():
            lasa.sleep(HOUR_S)
            return seen, clock.monotonic_s() - real_s

    with virtual_clock():
        lasa.sleep(10 * HOUR_S)
        ahead_s = clock.monotonic_s() - time.monotonic()
        theirs = lasa.to_thread(elsewhere)
        assert theirs[0] < 5
        assert HOUR_S <= theirs[1] < HOUR_S + 5
        assert clock.monotonic_s() - time.monotonic() <= ahead_s


# Its beginning and end


def test_there_is_one_for_a_hub_and_the_machines_clock_comes_back() -> None:
    real = scheduler().loop
    with virtual_clock():
        second = virtual_clock()
        with pytest.raises(RuntimeError, match="the clock of this hub is replaced already"):
            second.__enter__()
    assert (clock.monotonic_s, clock.system_s) == (time.monotonic, time.time)
    assert scheduler().loop is scheduler().gevent_hub.loop is real
    with pytest.raises(KeyError), virtual_clock():
        raise KeyError
    assert scheduler().loop is scheduler().gevent_hub.loop is real


def test_who_still_waits_at_the_end_goes_on_for_what_was_left() -> None:
    with tcp_pair() as pair:
        with virtual_clock(grace_s=0):
            alarm_at: list[float] = []
            alarm = Deadline(HOUR_S + 0.03).alarm(lambda: alarm_at.append(time.monotonic()))
            assert alarm is not None
            pair.near.settimeout((HOUR_S + 0.02) * 1000)
            reading = thread.spawn(pair.near.receive)
            sleeping = thread.spawn(lasa.sleep, HOUR_S + 0.01)
            lasa.sleep(HOUR_S)
            real_s = time.monotonic()
        assert thread.wait(sleeping) == (True, True)
        assert time.monotonic() - real_s >= 0.009
        assert result_of(reading) == (None, "timeout", b"")
        assert time.monotonic() - real_s >= 0.019
        lasa.sleep(0.03)
        assert alarm_at
        assert alarm_at[0] - real_s >= 0.029
        pair.near.settimeout(20)
        assert pair.near.receive() == (None, "timeout", b"")
        pair.far.send("x\n")
        assert pair.near.receive()[0] == b"x"


def test_a_clock_whose_beginning_or_end_fails_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(VirtualClock, "begin", fail)
        with pytest.raises(KeyboardInterrupt):
            virtual_clock().__enter__()
    assert clock.monotonic_s is time.monotonic

    def end_inside() -> None:
        replaced = virtual_clock(grace_s=0)
        replaced.__enter__()
        lasa.sleep(5)
        _hub.end_hub()
        with pytest.raises(ValueError, match="destroyed"):
            replaced.__exit__(None, None, None)
        assert clock.monotonic_s is time.monotonic

    in_os_thread(end_inside)


def test_a_timer_may_begin_and_cease_to_keep_the_hub_alive_while_it_is_set() -> None:
    with virtual_clock(grace_s=0) as made:
        watcher = scheduler().loop.timer(5)
        watcher.start(lambda: None)
        assert made._lively == 1
        watcher.ref = False
        assert (watcher.ref, made._lively) == (False, 0)
        watcher.ref = True
        assert (watcher.ref, made._lively) == (True, 1)
        watcher.ref = False
        watcher.stop()
        assert (made._lively, made._active) == (0, 0)
        after = scheduler().loop.timer(5)
        after.start(lambda: None)
    after.ref = False
    assert not after._watcher.ref
    after.close()


def test_a_timer_that_is_started_after_the_end_is_the_machines() -> None:
    with virtual_clock(grace_s=0):
        left = gevent.Timeout(0.01)
    real_s = time.monotonic()
    with pytest.raises(gevent.Timeout), left:
        lasa.sleep(5)
    assert 0.009 <= time.monotonic() - real_s < 4


def test_waits_that_end_early_leave_nothing_behind(virtual: VirtualClock) -> None:
    with tcp_pair() as pair:
        for _ in range(1000):
            pair.far.send("x\n")
            assert pair.near.receive()[0] == b"x"
        assert len(virtual._heap) < 200


def test_a_connection_from_before_goes_by_it_at_its_next_wait() -> None:
    with tcp_pair() as pair:
        pair.near.settimeout(30)
        assert pair.near.receive() == (None, "timeout", b"")
        pair.near.settimeout(30)
        with virtual_clock(grace_s=0):
            assert took_s(pair.near.receive)[0] == pytest.approx(0.03)
            assert clock.monotonic_s() == pytest.approx(round(clock.monotonic_s()) + 0.03)


def test_a_child_of_the_process_does_not_go_on_where_its_parent_waits() -> None:
    with virtual_clock(grace_s=0):
        seen: list[str] = []
        waiting = [thread.spawn(lambda: (lasa.sleep(5), seen.append("slept"))) for _ in range(2)]
        lasa.sleep(1)
        pid = os.fork()
        if not pid:
            lasa.sleep(100)
            os._exit(len(seen))
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        lasa.sleep(10)
        assert seen == ["slept"] * len(waiting)


def test_a_raw_peer_of_another_kind_is_heard_too() -> None:
    with virtual_clock(grace_s=5.0), raw_listener() as listener:
        _hub.start_os_thread(lambda: echo(listener, 0.01), "echo")
        sock = original_socket_class()()
        sock.connect(listener.getsockname())
        sock.setblocking(False)
        gate = _hub.Gate(scheduler(), sock.fileno(), _hub.READ)
        sock.sendall(b"x")
        assert took_s(gate.wait, 30.0)[0] == 0.0
        assert sock.recv(10) == b"x"
        gate.close()
        sock.close()
