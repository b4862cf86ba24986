"""Give back what an OS thread's hub holds, when that OS thread is about to end.

Greenlets that wait in an OS thread that has ended are never freed, nor is whatever they hold.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gevent._hub_local import get_hub_if_exists, set_hub
from gevent.exceptions import HubDestroyed, LoopExit
from greenlet import GreenletExit

from lasa._hub import core
from lasa._hub.core import Scheduler, getcurrent, greenlet, scheduler
from lasa._hub.os_thread import os_thread_id
from lasa._hub.worker import Worker, kill_greenlet

__all__ = ["end_hub"]


def end_hub() -> None:
    """End the calling OS thread's hub with everything in it; nothing happens if there is none.

    Light threads, user coroutines and greenlets of gevent's that still wait there are killed once. Idle connections are
    closed, and timers dropped. Then workers, nursery, dispatcher, doorbell and kills end, and gevent gives back its
    loop and its pool of threads.

    To be called in the main greenlet of an OS thread other than the main one. A later wait makes a new hub.
    Switches: into those that it kills.
    """
    if get_hub_if_exists() is None:
        return
    hub = scheduler()
    gevent_hub: Any = hub.gevent_hub
    for victim in _waiting_in(hub):
        hub.forget(victim)
        kill_greenlet(victim)
    for victim in _waiting_in(hub):
        if type(victim) is Worker and victim.lasa_job is None:  # it was about to end
            hub.forget(victim)
            kill_greenlet(victim)
    for extra in hub.extras.values():
        extra.close()
    if hub.nursery:
        kill_greenlet(hub.nursery)
    if gevent_hub._threadpool is not None:
        gevent_hub._threadpool.kill()  # waits for look-ups of names that still run
        del gevent_hub.threadpool
    hub.gave_way.clear()
    hub.ready.clear()
    _end_dispatcher(hub)
    for each in (hub.doorbell, hub.kills):
        if each is not None:
            each.close()
    hub.extras.clear()
    hub.close()
    del gevent_hub.lasa_scheduler, gevent_hub.handle_error
    if gevent_hub:
        # Takes it out of its loop, to where it says that nothing is left to do; destroy() then ends its greenlet.
        with suppress(LoopExit):
            gevent_hub.throw(HubDestroyed(True))
    gevent_hub.destroy(destroy_loop=True)


def _waiting_in(hub: Scheduler) -> list[greenlet]:
    """Return all greenlets of a hub that have started and not ended, parked workers last."""
    # Not isinstance(), which asks a weak proxy for what it stands for, and that may be gone.
    ours = {hub.gevent_hub, hub.nursery, hub.dispatcher, getcurrent()}
    found = [
        each
        for each in gc.get_objects()
        if issubclass(type(each), greenlet) and each and each not in ours and _descends_from(each, hub.gevent_hub)
    ]
    return sorted(found, key=lambda each: each in hub.parked)


def _descends_from(each: greenlet, ancestor: greenlet) -> bool:
    parent = each.parent
    while parent is not None and parent is not ancestor:
        parent = parent.parent
    return parent is not None


def _end_dispatcher(hub: Scheduler) -> None:
    # Its own way out, by a signal handler's exception, leaves a new one, which is never started.
    if hub.dispatcher:
        hub.loop.run_callback(getcurrent().switch)
        hub.dispatcher.throw(GreenletExit)


class _Keeper:
    """Ends the hub of an OS thread that does not end it itself: Python drops what an OS thread owns when that ends."""

    def __init__(self, gevent_hub: Any) -> None:
        self._gevent_hub = gevent_hub
        self._home = os_thread_id()

    def __del__(self, _is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        gevent_hub = self._gevent_hub
        if _is_finalizing() or os_thread_id() != self._home:  # at the end of the process, or in a child of it
            return
        if getattr(gevent_hub, "lasa_scheduler", None) is None or gevent_hub.loop is None:  # it has ended
            return
        if get_hub_if_exists() is None:
            set_hub(gevent_hub)
        if get_hub_if_exists() is gevent_hub:
            end_hub()


core.keep_hub = _Keeper
