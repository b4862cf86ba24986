"""Shared dictionaries: what ngx.shared holds lives in the process, and every runtime and OS thread sees the same.

The host declares them before it makes a runtime, as nginx does with ``lua_shared_dict``. A dictionary has a size in
bytes; when it is full, whatever was not used for longest makes room. Lua has checked all arguments: keys are bytes,
values bytes, floats or booleans, times whole milliseconds.
"""

from __future__ import annotations

import struct
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from lasa import _hub
from lasa.lua._slab import PAGE, Slab

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["Dictionary", "declare", "natives"]

Scalar: TypeAlias = bytes | float | bool
Stored: TypeAlias = tuple[bool, bytes | None, bool]

SIZE_MIN: Final = 8192

# What nginx needs besides the key and the value: for an entry, for one of a list, and for an item of the list.
_ENTRY_HEAD: Final = 68
_LIST_TAIL: Final = 16
_ITEM_HEAD: Final = 21
_OWN_RECORD: Final = 80
_LOG_CONTEXT: Final = 27

_EVICTIONS_MAX: Final = 30  # what does not fit after so many is not stored


class _Entry:
    __slots__ = ("expires_ms", "flags", "size", "value")

    def __init__(self, value: Scalar | deque[Scalar], size: int, expires_ms: int, flags: int) -> None:
        self.value = value
        self.size = size  # of the key and the value, with nginx's own
        self.expires_ms = expires_ms  # on the hub's clock; 0 means never
        self.flags = flags


def _now_ms() -> int:
    return int(_hub.clock.monotonic_s() * 1000)


def _size_of(value: Scalar) -> int:
    if isinstance(value, bytes):
        return len(value)
    return 1 if isinstance(value, bool) else 8


class Dictionary:
    """One of ngx.shared; no call switches.

    Results are those that Lua gets: a value, or a tuple of several, ``(None, err)`` for a failure.
    """

    __slots__ = ("_entries", "_mutex", "_slab", "size")

    def __init__(self, name: str, size: int) -> None:
        self.size = size
        self._mutex = _hub.OsLock()  # held for a few instructions, and no wait for it switches
        self._slab = Slab(size)
        self._slab.take(_OWN_RECORD)
        self._slab.take(_LOG_CONTEXT + len(name.encode()))
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()  # the one unused for longest first

    # ---- one value of a key ----

    def get(self, key: bytes) -> Any:
        """Return the value, or the value and its flags if it has any."""
        with self._mutex:
            self._drop_expired()
            entry = self._used(key)
            if entry is None:
                return None
            if type(entry.value) is deque:
                return None, b"value is a list"
            return (entry.value, entry.flags) if entry.flags else entry.value

    def get_stale(self, key: bytes) -> Any:
        """Return the value, its flags if it has any, and whether it has expired."""
        with self._mutex:
            entry = self._entries.get(key)
            if entry is None:
                return None
            is_stale = self._is_expired(entry)
            if not is_stale:
                self._entries.move_to_end(key)
            if type(entry.value) is deque:
                return None, b"value is a list"
            return entry.value, entry.flags or None, is_stale

    def set(self, key: bytes, value: Scalar, ttl_ms: int, flags: int) -> Stored:
        """Store a value; return whether it is, why not, and whether others were evicted that had not expired."""
        with self._mutex:
            self._drop_expired()
            return self._store(key, value, ttl_ms, flags)

    def safe_set(self, key: bytes, value: Scalar, ttl_ms: int, flags: int) -> Stored:
        """As set(), but evict nothing that has not expired."""
        with self._mutex:
            self._drop_expired()
            return self._store(key, value, ttl_ms, flags, evicts=False)

    def add(self, key: bytes, value: Scalar, ttl_ms: int, flags: int) -> Stored:
        """As set(), for a key that is not there."""
        with self._mutex:
            self._drop_expired()
            if self._used(key) is not None:
                return False, b"exists", False
            return self._store(key, value, ttl_ms, flags)

    def safe_add(self, key: bytes, value: Scalar, ttl_ms: int, flags: int) -> Stored:
        """As safe_set(), for a key that is not there."""
        with self._mutex:
            self._drop_expired()
            if self._used(key) is not None:
                return False, b"exists", False
            return self._store(key, value, ttl_ms, flags, evicts=False)

    def replace(self, key: bytes, value: Scalar, ttl_ms: int, flags: int) -> Stored:
        """As set(), for a key that is there."""
        with self._mutex:
            self._drop_expired()
            if self._used(key) is None:
                return False, b"not found", False
            return self._store(key, value, ttl_ms, flags)

    def delete(self, key: bytes) -> Stored:
        """Remove a key, whether it is there or not."""
        with self._mutex:
            self._drop_expired()
            if key in self._entries:
                self._remove(key)
            return True, None, False

    def incr(self, key: bytes, step: float, init: float | None, ttl_ms: int) -> Any:
        """Add to a number, or to ``init`` where there is none; with it also return whether others were evicted."""
        with self._mutex:
            self._drop_expired()
            entry = self._used(key)
            if entry is not None:
                if type(entry.value) is not float:
                    return None, b"not a number"
                entry.value += step
                return entry.value if init is None else (entry.value, None, False)
            if init is None:
                return None, b"not found"
            is_stored, err, forcible = self._store(key, init + step, ttl_ms, 0)
            return (init + step, None, forcible) if is_stored else (None, err)

    def ttl(self, key: bytes) -> Any:
        """Return the seconds until a key expires, negative after that, 0 for never."""
        with self._mutex:
            entry = self._entries.get(key)
            if entry is None:
                return None, b"not found"
            return (entry.expires_ms - _now_ms()) / 1000 if entry.expires_ms else 0.0

    def expire(self, key: bytes, ttl_ms: int) -> Any:
        """Set when a key expires; 0 means never."""
        with self._mutex:
            entry = self._entries.get(key)
            if entry is None:
                return None, b"not found"
            entry.expires_ms = _now_ms() + ttl_ms if ttl_ms > 0 else 0
            return True

    # ---- lists ----

    def lpush(self, key: bytes, value: Scalar) -> Any:
        """Put a value before the first of a list; return its length."""
        return self._push(key, value, is_left=True)

    def rpush(self, key: bytes, value: Scalar) -> Any:
        """Put a value behind the last of a list; return its length."""
        return self._push(key, value, is_left=False)

    def lpop(self, key: bytes) -> Any:
        """Take the first value of a list; the list goes with its last one."""
        return self._pop(key, is_left=True)

    def rpop(self, key: bytes) -> Any:
        """Take the last value of a list."""
        return self._pop(key, is_left=False)

    def llen(self, key: bytes) -> Any:
        """Return the length of a list, 0 if there is none."""
        with self._mutex:
            self._drop_expired()
            entry = self._used(key)
            if entry is None:
                return 0
            return len(entry.value) if type(entry.value) is deque else (None, b"value not a list")

    # ---- all keys ----

    def flush_all(self) -> tuple[()]:
        """Let everything expire."""
        with self._mutex:
            for entry in self._entries.values():
                entry.expires_ms = 1
            self._evict()
            return ()

    def flush_expired(self, limit: int) -> int:
        """Remove what has expired, ``limit`` keys at most if it is positive; return how many."""
        with self._mutex:
            expired = list(self._selected(limit, is_expired=True))
            for key in expired:
                self._remove(key)
            return len(expired)

    def get_keys(self, limit: int) -> bytes:
        """Return the keys, ``limit`` at most if it is positive, each after two bytes of its length.

        They are too many for results of a Lua call.
        """
        with self._mutex:
            keys = list(self._selected(limit, is_expired=False))
        return b"".join([struct.pack(">H", len(key)) + key for key in keys])

    def capacity(self) -> int:
        """Return the size that was declared."""
        return self.size

    def free_space(self) -> int:
        """Return the bytes of the pages that nothing uses; there may be room on the others."""
        return self._slab.free_pages * PAGE

    # ---- behind the lock ----

    def _is_expired(self, entry: _Entry) -> bool:
        return 0 < entry.expires_ms <= _now_ms()

    def _used(self, key: bytes) -> _Entry | None:
        """Return the entry of a key that has not expired; it is the one used last then."""
        entry = self._entries.get(key)
        if entry is None or self._is_expired(entry):
            return None
        self._entries.move_to_end(key)
        return entry

    def _selected(self, limit: int, *, is_expired: bool) -> Iterator[bytes]:
        found = 0
        for key, entry in self._entries.items():
            if self._is_expired(entry) is is_expired:
                yield key
                found += 1
                if found == limit:
                    return

    def _drop_expired(self) -> None:
        """Remove one or two of those unused for longest, if they have expired: every call clears up a little."""
        for _ in range(2):
            oldest = next(iter(self._entries), None)
            if oldest is None or not self._is_expired(self._entries[oldest]):
                return
            self._remove(oldest)

    def _evict(self) -> bool:
        """Remove the entry unused for longest; False means there is none."""
        if not self._entries:
            return False
        self._remove(next(iter(self._entries)))
        self._drop_expired()
        return True

    def _remove(self, key: bytes) -> None:
        entry = self._entries.pop(key)
        self._slab.give(entry.size)
        if type(entry.value) is deque:
            self._clear(entry.value)

    def _clear(self, items: deque[Scalar]) -> None:
        for item in items:
            self._slab.give(_ITEM_HEAD + _size_of(item))
        items.clear()

    def _store(self, key: bytes, value: Scalar, ttl_ms: int, flags: int, *, evicts: bool = True) -> Stored:
        if type(value) is int:
            value = float(value)  # a Lua number without a fraction comes as an int
        size = _ENTRY_HEAD + len(key) + _size_of(value)
        expires_ms = _now_ms() + ttl_ms if ttl_ms > 0 else 0
        forcible = False
        entry = self._entries.get(key)
        if entry is not None and entry.size == size and type(entry.value) is not deque:
            entry.value, entry.flags, entry.expires_ms = value, flags, expires_ms
            self._entries.move_to_end(key)
            return True, None, False
        if entry is not None:
            self._remove(key)  # first, as it may be the room that is needed
        evictions = 0
        while not self._slab.take(size):
            if not evicts or evictions == _EVICTIONS_MAX or not self._evict():
                return False, b"no memory", forcible
            evictions += 1
            forcible = True
        self._entries[key] = _Entry(value, size, expires_ms, flags)
        return True, None, forcible

    def _push(self, key: bytes, value: Scalar, *, is_left: bool) -> Any:
        if type(value) is int:
            value = float(value)
        with self._mutex:
            self._drop_expired()
            entry = self._entries.get(key)
            if entry is not None and self._is_expired(entry):
                if type(entry.value) is deque:
                    self._clear(entry.value)
                    entry.expires_ms = 0
                else:
                    self._remove(key)
                    entry = None
            if entry is None:
                size = -(-(_ENTRY_HEAD + len(key) + _LIST_TAIL) // 8) * 8
                if not self._slab.take(size):
                    return False, b"no memory"
                entry = self._entries[key] = _Entry(deque(), size, 0, 0)
            items = entry.value
            if type(items) is not deque:
                self._entries.move_to_end(key)
                return None, b"value not a list"
            self._entries.move_to_end(key)
            if not self._slab.take(_ITEM_HEAD + _size_of(value)):
                if not items:
                    self._remove(key)
                return None, b"no memory"
            if is_left:
                items.appendleft(value)
            else:
                items.append(value)
            return len(items)

    def _pop(self, key: bytes, *, is_left: bool) -> Any:
        with self._mutex:
            self._drop_expired()
            entry = self._used(key)
            if entry is None:
                return None
            items = entry.value
            if type(items) is not deque:
                return None, b"value not a list"
            value = items.popleft() if is_left else items.pop()
            self._slab.give(_ITEM_HEAD + _size_of(value))
            if not items:
                self._remove(key)
            return value


_declared: dict[str, Dictionary] = {}


def declare(name: str, size: int) -> None:
    """Make the shared dictionary ``name`` of ``size`` bytes, for the runtimes that are made from now on.

    What was declared before with the same size stays, with all that it holds.

    Raises:
        ValueError: the size is below 8192 bytes, or another one than before.
    Switches: never. Source: OpenResty, "lua_shared_dict".
    """
    if size < SIZE_MIN:
        raise ValueError(f'invalid size of the shared dictionary "{name}": {size}, at least {SIZE_MIN} expected')
    found = _declared.setdefault(name, Dictionary(name, size))
    if found.size != size:
        raise ValueError(f'the shared dictionary "{name}" is already declared with {found.size} bytes')


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return names and open, and the methods of what open returns as functions of it."""
    calls: dict[str, Callable[..., Any]] = {
        "names": lambda: tuple([name.encode() for name in _declared]),
        "open": lambda name: _declared[name.decode()],
    }
    methods = (
        "get get_stale set safe_set add safe_add replace delete incr ttl expire lpush rpush lpop rpop llen flush_all "
        "flush_expired get_keys capacity free_space"
    )
    for method in methods.split():
        calls[method] = getattr(Dictionary, method)
    return calls
