"""Beside asyncio: async functions are refused, and no call that waits stops a loop that runs in its light thread."""

from __future__ import annotations

import asyncio
import functools
import logging
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import lasa
from lasa import coroutine, http, semaphore, socket, thread, timer, websocket
from lasa._functions import is_async, name_of
from lasa.http.wsgi import handler_of
from tests.helpers import settle
from tests.http.tools import connect, read_answer
from tests.http.tools import serving as serving_http
from tests.websocket.tools import serving

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")  # that a coroutine was never awaited


async def fetch(*_: Any) -> str:
    return "fetched"


async def produce(*_: Any) -> Any:
    yield "produced"


class Job:
    async def __call__(self, *_: Any) -> str:
        return "called"

    async def method(self, *_: Any) -> str:
        return "a method"

    @staticmethod
    async def static(*_: Any) -> str:
        return "static"


ASYNC: dict[str, Any] = {
    "function": fetch,
    "generator": produce,
    "partial": functools.partial(functools.partial(fetch, 1), 2),
    "method": Job().method,
    "static method": Job.static,
    "object": Job(),
    "partial of an object": functools.partial(Job(), 1),
    "lambda": eval("lambda *_: fetch()", {"fetch": fetch}),
}
HIDDEN = {"lambda"}  # that cannot be told before it is called

CALLS: dict[str, Callable[[Any], Any]] = {
    "spawn": thread.spawn,
    "spawn with arguments": lambda function: thread.spawn(function, 1, 2),
    "to_thread": lasa.to_thread,
    "at": lambda function: timer.at(0, function),
    "every": lambda function: timer.every(1, function),
    "create": coroutine.create,
    "wrap": coroutine.wrap,
    "detach": lambda function: lasa.detach(content=function),
}
SEE_THE_RESULT = {"spawn", "spawn with arguments", "to_thread"}


@pytest.mark.parametrize(
    ("call", "kind"), [(call, kind) for call in CALLS for kind in ASYNC if kind not in HIDDEN or call in SEE_THE_RESULT]
)
def test_an_async_function_is_refused_and_told_how_it_runs(call: str, kind: str, caplog: Any) -> None:
    with pytest.raises(TypeError) as caught:
        CALLS[call](ASYNC[kind])
    text = str(caught.value)
    assert text.startswith("lasa.")
    assert "takes a plain function" in text
    assert text.endswith("lasa.to_thread(asyncio.run, coroutine)")
    settle()
    assert caplog.records == []


@pytest.mark.parametrize("call", CALLS)
def test_a_coroutine_in_the_place_of_a_function_is_refused_and_can_still_be_run(call: str) -> None:
    made = fetch()
    with pytest.raises(TypeError, match=r"lasa\.to_thread\(asyncio\.run, coroutine\)|string expected, got coroutine"):
        CALLS[call](made)
    assert lasa.to_thread(asyncio.run, made) == "fetched"


def test_what_the_text_proposes_works() -> None:
    assert lasa.to_thread(asyncio.run, fetch()) == "fetched"


@pytest.mark.parametrize("function", [len, dict, Job, types.SimpleNamespace, functools.partial(len, ""), lasa.sleep])
def test_what_is_not_async_is_taken(function: Any) -> None:
    assert not is_async(function)


def test_functions_are_called_by_their_names_in_the_log() -> None:
    assert name_of(functools.partial(fetch, 1)) == "fetch"
    assert name_of(Job().method) == "Job.method"
    assert name_of(Job()) == "Job"
    assert name_of(len) == "len"


def test_a_coroutine_that_is_returned_after_a_wait_is_what_wait_and_the_log_tell(caplog: Any) -> None:
    def late() -> Coroutine[Any, Any, str]:
        coroutine.yield_()
        return fetch()

    ok, error = thread.wait(thread.spawn(late))
    assert (ok, type(error)) == (False, TypeError)
    assert "late, which returned <coroutine object fetch" in str(error)
    [record] = caplog.records
    assert record.getMessage().startswith("light thread ")


def test_a_timer_whose_callback_returns_a_coroutine_logs_it(caplog: Any) -> None:
    timer.at(0, lambda _premature: fetch())
    lasa.sleep(0.002)
    assert "which returned <coroutine object fetch" in caplog.text


def test_a_detached_function_that_returns_a_coroutine_has_failed(caplog: Any) -> None:
    with caplog.at_level(logging.CRITICAL):
        ok, error = lasa.detach(content=lambda: fetch()).join(10)
    assert (ok, type(error)) == (False, TypeError)


def run_and_close(made: tuple[Any, Any], handler: Any) -> None:
    try:
        lasa.check(made).run(handler)
    finally:
        made[0].stop(0)


TAKERS: dict[str, Callable[[Any], Any]] = {
    "http handler": lambda function: run_and_close(http.server.new("127.0.0.1:0"), function),
    "websocket handler": lambda function: run_and_close(websocket.server.new("127.0.0.1:0"), function),
    "access_log": lambda function: http.server.new("127.0.0.1:0", access_log=function),
    "wsgi": handler_of,
    "origins": lambda function: websocket.server.new("127.0.0.1:0", origins=function),
    "protocols": lambda function: websocket.server.new("127.0.0.1:0", protocols=function),
    "should_retry": lambda function: websocket.client.reconnecting("ws://127.0.0.1:1/", should_retry=function),
    "renew": lambda function: websocket.client.reconnecting("ws://127.0.0.1:1/", renew=function),
    "progress": lambda function: http.client.new()[0].get("http://127.0.0.1:1/", progress=function),
    "body": lambda function: http.client.new()[0].post("http://127.0.0.1:1/", body=function),
}


@pytest.mark.parametrize("kind", sorted(ASYNC.keys() - HIDDEN))
@pytest.mark.parametrize("taker", TAKERS)
def test_no_call_takes_an_async_function(taker: str, kind: str) -> None:
    with pytest.raises(TypeError, match=r"async|plain function"):
        TAKERS[taker](ASYNC[kind])


def test_an_http_handler_that_returns_a_coroutine_answers_500_and_tells_the_log(caplog: Any) -> None:
    with serving_http(lambda request: fetch()) as server, connect(server) as sock:
        sock.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        answer, _ = read_answer(sock)
    assert answer.status == 500
    assert "bad body: what an async function returned" in caplog.text


def test_a_websocket_handler_that_returns_a_coroutine_closes_with_1011_and_tells_the_log(caplog: Any) -> None:
    with serving(lambda wb: fetch()) as server:
        wb = lasa.check(websocket.client.connect(server.url, proxy=False))
        assert wb.receive() == (None, "closed")
        assert wb.closing == (1011, "", "peer")
    assert "which returned <coroutine object fetch" in caplog.text


def test_a_rule_about_origins_that_returns_a_coroutine_lets_nobody_in(caplog: Any) -> None:
    with serving(lambda wb: None, origins=lambda origin: fetch()) as server:
        _, err = websocket.client.connect(server.url, proxy=False)
        assert err == "bad HTTP response status line: HTTP/1.1 500 Internal Server Error"


# In a light thread that runs asyncio's loop


def waits() -> dict[str, Callable[[], Any]]:
    sema, _ = semaphore.new(0)
    found = lasa.channel(1)
    udp = socket.udp()
    udp.setsockname("127.0.0.1", 0)
    listener = socket.tcp()
    listener.bind("127.0.0.1", 0)
    listener.listen()
    address = listener.getsockname()
    sock = lasa.check(socket.connect(*address))
    far = lasa.check(listener.accept())
    child = thread.spawn(sema.wait, 10)
    client = lasa.check(http.client.new())
    url = f"127.0.0.1:{address[1]}/"
    program = lasa.detach(content=lasa.sleep, args=(10,))

    def end() -> None:
        thread.kill(child)
        assert sema.count() == 0
        program.stop()
        for each in (udp, listener, sock, far):
            each.close()

    return {
        "sleep": lambda: lasa.sleep(10),
        "sleep(0)": lambda: lasa.sleep(0),
        "yield_": coroutine.yield_,
        "semaphore": lambda: sema.wait(10),
        "wait": lambda: thread.wait(child),
        "channel": found.receive,
        "to_thread": lambda: lasa.to_thread(pytest.fail, "it was called"),
        "join": program.join,
        "receive": sock.receive,
        "receiveany": lambda: sock.receiveany(1),
        "accept": listener.accept,
        "handshake": lambda: far.sslhandshake(None, "localhost"),
        "udp": udp.receive,
        "a name": lambda: socket.connect("localhost", address[1]),
        "http": lambda: client.get(f"http://{url}", proxy=False),
        "websocket": lambda: websocket.client.connect(f"ws://{url}", proxy=False),
        "in a coroutine": coroutine.wrap(lambda: lasa.sleep(10)),
        "end": end,
    }


def test_a_call_that_would_wait_in_a_loops_own_light_thread_raises_and_changes_nothing() -> None:
    async def main() -> None:
        ticks: list[int] = []
        ticking = asyncio.create_task(tick(ticks))
        for name, call in calls.items():
            with pytest.raises(RuntimeError, match="stop the asyncio loop that runs in this very light thread"):
                pytest.fail(f"{name} returned {call()!r}")
            await asyncio.sleep(0)
        ticking.cancel()
        assert len(ticks) > len(calls) / 2

    calls = waits()
    end = calls.pop("end")
    asyncio.run(main())
    end()
    settle()


async def tick(ticks: list[int]) -> None:
    while True:
        ticks.append(1)
        await asyncio.sleep(0)


def test_in_a_callback_of_the_loop_it_raises_too_and_what_need_not_wait_works() -> None:
    seen: list[Any] = []

    def callback() -> None:
        sema, _ = semaphore.new(1)
        seen.append(sema.wait(10))
        seen.append(thread.wait(thread.spawn(lambda: "at once")))
        with pytest.raises(RuntimeError):
            sema.wait(10)
        seen.append(sema.count())
        for _ in range(5_000):  # no loop over spawn steps aside here
            thread.spawn(int)

    async def main() -> None:
        asyncio.get_running_loop().call_soon(callback)
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert seen == [(True, None), (True, "at once"), 0]


def test_after_the_loop_and_in_an_os_thread_of_its_own_calls_wait_as_ever() -> None:
    async def main() -> Any:
        with pytest.raises(RuntimeError):
            lasa.sleep(0.001)
        return await asyncio.to_thread(lasa.sleep, 0.001)

    assert asyncio.run(main()) is True
    assert lasa.sleep(0.001)
    assert lasa.to_thread(asyncio.run, fetch()) == "fetched"


def test_a_loop_that_runs_in_one_light_thread_leaves_all_others_alone() -> None:
    # After patch_all() the loop itself waits by way of the hub, and asyncio thinks that it runs wherever one looks.
    script = """
        from gevent import monkey; monkey.patch_all()
        import asyncio, lasa
        from lasa import socket, thread
        refused = []
        async def main():
            for _ in range(10):
                await asyncio.sleep(0.01)
                try:
                    lasa.sleep(0.01)
                except RuntimeError:
                    refused.append(asyncio.get_running_loop())
        def other():
            for _ in range(10):
                lasa.sleep(0.005)
            return asyncio._get_running_loop()
        runner = thread.spawn(asyncio.run, main())
        ok, loop = thread.wait(thread.spawn(other))
        assert ok and loop is not None, loop
        sock = socket.tcp()
        sock.settimeout(5)
        sock.bind("127.0.0.1", 0)
        assert sock.accept() == (None, "timeout")
        sock.close()
        assert thread.wait(runner) == (True, None)
        assert len(refused) == 10 and refused[0] is loop
        print("fine")
    """
    code = textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("fine\n", "")


class NoFunction:
    """A method that is no function of Python's."""

    def __get__(self, loop: Any, _: type) -> Any:
        return functools.partial(asyncio.SelectorEventLoop.run_forever, loop)


class Foreign(asyncio.SelectorEventLoop):
    """A loop that looks as one that is written in C."""

    run_forever = NoFunction()


def test_a_loop_without_frames_is_known_by_its_coroutines() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="stop the asyncio loop"):
            lasa.sleep(0.001)

    loop = Foreign()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    assert lasa.sleep(0)
