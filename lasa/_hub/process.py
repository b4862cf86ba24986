"""What a process does with gevent once: patch the standard library, and go on after a fork.

Only the light thread that forks goes on in the child, as only the OS thread that forks does. The others are left behind
where they wait: they do not run, not even their finally clauses, which would speak to the parent's peers.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import gevent
import gevent.hub
from gevent import monkey, reinit
from gevent._hub_local import get_hub_if_exists
from gevent.hub import Waiter

from lasa import _process
from lasa._hub.clock import Alarm
from lasa._hub.core import getcurrent, greenlet, leave_behind
from lasa._hub.doorbell import Doorbell
from lasa._hub.gate import Chorus, Gate
from lasa._hub.worker import CoroutineGreenlet, Worker

__all__ = ["claim_main_thread", "notice_signals", "overhear_signals", "patch_all"]

read = monkey.get_original("os", "read")


def patch_all() -> None:
    """Let the standard library's blocking calls wait in the hub; before the program that makes them is imported."""
    if not monkey.is_module_patched("socket"):
        monkey.patch_all()


def claim_main_thread() -> None:
    """Have the threading module take the calling greenlet, the main one, for the main thread again.

    Where the standard library is patched in another greenlet, gevent takes that one for it, and the interpreter would
    wait for it at its end.
    """
    if monkey.is_module_patched("threading"):
        main_thread: Any = threading.main_thread()
        main_thread._ident = threading.get_ident()


def overhear_signals(numbers: Collection[int], heard: Callable[[int], bool]) -> Callable[[], None]:
    """Have ``heard(number)`` called before any handler that a program sets from now on, by Python's means or gevent's.

    Where it returns True, that handler is not called. The handlers of now stay as they are, also where they are set
    again; so is Python's own of SIGINT, which would raise where the hub waits.

    Returns:
        What ends it for handlers that are set later.
    """
    pythons: Any = signal
    gevents: Any = gevent.hub.signal
    set_handler, begin = pythons.signal, gevents.__init__
    ours = {number: signal.getsignal(number) for number in numbers}

    def overheard(number: int, handler: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> None:
            if not heard(number):
                handler(*arguments, **keywords)

        if number not in ours or handler is ours[number] or not callable(handler):
            return handler
        if handler is signal.default_int_handler:
            return ours[number]
        call.of_program = handler  # type: ignore[attr-defined]
        return call

    def set_overheard(number: int, handler: Any) -> Any:
        previous = set_handler(number, overheard(number, handler))
        return getattr(previous, "of_program", previous)

    def begin_overheard(self: Any, number: int, handler: Any, *arguments: Any, **keywords: Any) -> None:
        begin(self, number, overheard(number, handler), *arguments, **keywords)

    def end() -> None:
        gevents.__init__ = begin
        if pythons.signal is set_overheard:
            pythons.signal = set_handler

    pythons.signal = set_overheard
    gevents.__init__ = begin_overheard
    return end


def notice_signals() -> Callable[[], None]:
    """Have the hub wake up for each signal, so that its handler runs then.

    Python runs handlers between two instructions of the main OS thread. A signal that comes just before the hub polls,
    or in another OS thread, would wait for the next event.

    Returns:
        What ends it.
    """
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    owner = os.getpid()
    watcher: Any = gevent.get_hub().loop.io(reading, 1, ref=False)

    def wake() -> None:
        if os.getpid() == owner:
            try:
                read(reading, 4096)
            except BlockingIOError:
                pass  # it was read with the one before
        else:  # a child has the pipe of its parent
            watcher.stop()
            signal.set_wakeup_fd(-1)

    def end() -> None:
        signal.set_wakeup_fd(previous)
        watcher.stop()
        watcher.close()
        os.close(reading)
        os.close(writing)

    watcher.start(wake)
    previous = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return end


# -- in a child

_survivors: list[greenlet] = []  # the greenlet that has forked, and those that have resumed it


def _renew_hub() -> None:
    """Make the hub of the OS thread that has forked fit for the child; nothing happens if there is none."""
    gevent_hub: Any = get_hub_if_exists()
    _survivors.clear()
    each: greenlet | None = getcurrent()
    while each is not None and each is not gevent_hub:
        _survivors.append(each)
        each = each.parent
    if gevent_hub is None:
        return
    reinit()
    hub = getattr(gevent_hub, "lasa_scheduler", None)
    if hub is None:
        return
    for queue in (hub.gave_way, hub.ready):
        leave_behind(list(queue))
        queue.clear()
    loop = gevent_hub.loop
    for watcher in (loop.timer(0), loop.timer(1), loop.io(0, 1)):  # to know their types
        _inherited(type(watcher), _stop_watcher)
        watcher.close()


def _inherited(kind: type, forget: Callable[[Any], object]) -> None:
    """As _process.inherited(), for what has a watcher."""

    def forget_one(each: Any) -> None:
        with suppress(ValueError):  # its hub has ended, and gevent says that the loop was destroyed
            forget(each)

    _process.inherited(kind, forget_one)


def _stop_watcher(watcher: Any) -> None:
    callback = watcher.callback
    target = getattr(callback, "__self__", None)
    is_ours = True  # a wait of lasa's has its watcher switch straight in
    if isinstance(target, Waiter):
        target, is_ours = target.greenlet, False
    if not issubclass(type(target), greenlet) or target in _survivors:
        return
    if type(target) is Worker or (is_ours and target):  # else it is a gevent greenlet that has not started
        leave_behind(target)
        watcher.stop()


def _leave_worker(worker: Worker) -> None:
    job = worker.lasa_job
    if job is None or worker in _survivors:
        return
    leave_behind(worker)
    worker.lasa_job = None
    gevent_hub = get_hub_if_exists()
    if gevent_hub is not None and gevent_hub is worker.hub.gevent_hub:
        job.leave_behind()


def _leave_coroutine(each: CoroutineGreenlet) -> None:
    if each.parent is not each.home:  # it waits in a call; one that has yielded may be resumed by anybody
        leave_behind(each)


_process.at_fork("the run queue and gevent's OS threads", _renew_hub)
_process.inherited(Worker, _leave_worker)
_process.inherited(CoroutineGreenlet, _leave_coroutine)
_inherited(Gate, Gate.forget)
_inherited(Chorus, Chorus.forget)
_inherited(Alarm, Alarm.clear)
_inherited(Doorbell, Doorbell.forget)
