"""Whether a request that failed is sent again, and when. No clock, no chance: both are arguments.

What may heal by itself is tried again: a server that is gone or busy, a network that loses things. What would fail the
same way is not: a bad certificate, a bad URL, an answer that is no HTTP. A request that the server may have acted upon
is repeated only if doing it twice does what doing it once does (RFC 9110, section 9.2.2).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lasa._backoff import backoff_s
from lasa.http._client.dates import unix_time_of
from lasa.http._wire.grammar import TOKEN

__all__ = ["IDEMPOTENT", "Retries", "plan_retry", "retries_of"]

IDEMPOTENT: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT", "TRACE"})
_STATUSES: Final = frozenset({429, 502, 503, 504})

_MAY_HEAL: Final = frozenset(
    {
        "broken pipe",
        "closed",
        "connection refused",
        "connection reset by peer",
        "connection timed out",
        "network is unreachable",
        "no route to host",
        "timeout",
    }
)
_RESOLVER_MAY_HEAL: Final = (
    " could not be resolved (2: Server failure)",
    " could not be resolved (110: Operation timed out)",
)
_HANDSHAKE: Final = "ssl handshake failed: "
_METHOD: Final = re.compile(TOKEN)
_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?", re.ASCII)  # no server should send a fraction, some do
_RETRY_AFTER_LENGTH_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, when and for what a request is sent again.

    Attributes:
        attempts: all tries together, the first one too.
        backoff_s: the wait before the second try; it doubles for each further one.
        max_backoff_s: the longest wait of our own choice.
        jitter: which part of the wait is left to chance, 0 to 1, so that clients that failed together come back apart.
        statuses: the answers that count as failures.
        methods: what may be sent twice even if it may have arrived, in upper case.
        max_retry_after_s: the longest wait that a server may ask for; if it asks for more, its answer is the result.
    Raises:
        ValueError, TypeError: when built with anything out of range.
    """

    attempts: int = 3
    backoff_s: float = 0.1
    max_backoff_s: float = 10.0
    jitter: float = 0.5
    statuses: frozenset[int] = _STATUSES
    methods: frozenset[str] = IDEMPOTENT
    max_retry_after_s: float = 60.0

    def __post_init__(self) -> None:
        if not isinstance(self.attempts, int) or isinstance(self.attempts, bool):
            raise TypeError(f"bad attempts: int expected, got {type(self.attempts).__name__}")
        if self.attempts < 1:
            raise ValueError(f"bad attempts: {self.attempts}")
        for name in ("backoff_s", "max_backoff_s", "jitter", "max_retry_after_s"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise TypeError(f"bad {name}: number expected, got {type(value).__name__}")
            if not (math.isfinite(value) and value >= 0) or (name == "jitter" and value > 1):
                raise ValueError(f"bad {name}: {value}")
        for name, item_type in (("statuses", int), ("methods", str)):
            items = getattr(self, name)
            if isinstance(items, str | bytes) or not isinstance(items, Iterable):
                raise TypeError(f"bad {name}: collection expected, got {type(items).__name__}")
            items = frozenset(items)
            if not all(isinstance(item, item_type) for item in items):
                raise TypeError(f"bad {name}: {item_type.__name__} expected in it")
            object.__setattr__(self, name, items)  # any collection is taken, a frozen one is kept
        for status in self.statuses:
            if not 100 <= status <= 599:
                raise ValueError(f"bad statuses: {status}")
        for method in self.methods:
            if not _METHOD.fullmatch(method):
                raise ValueError(f"bad methods: {method!r}")


def retries_of(value: bool | int | Retries | Mapping[str, Any] | None) -> Retries | None:
    """Return the policy that a ``retries=`` argument asks for.

    Args:
        value: None, False and 0 ask for none. True asks for the defaults; a number for so many tries *after* the first
            one, as in urllib3 and httpx; a mapping for what it names of Retries' attributes.
    Raises:
        ValueError, TypeError: as Retries, and for an unknown name.
    """
    if value is None or isinstance(value, Retries):
        return value
    if isinstance(value, bool):
        return Retries() if value else None
    if isinstance(value, int):
        if value < 0:
            raise ValueError(f"bad retries: {value}")
        return Retries(attempts=value + 1) if value else None
    if not isinstance(value, Mapping):
        raise TypeError(f"bad retries: number, Retries or mapping expected, got {type(value).__name__}")
    unknown = [name for name in value if name not in Retries.__slots__]
    if unknown:
        raise ValueError(f"bad retries: unknown {unknown[0]!r}")
    return Retries(**value)


def plan_retry(
    policy: Retries | None,
    tries_done: int,
    method: str,
    *,
    reason: str | None = None,
    status: int | None = None,
    retry_after: str | None = None,
    now_s: float,
    random: float,
    may_resend: bool = True,
) -> float | None:
    """Return after how many seconds to try again, or None for "do not".

    Args:
        tries_done: how often the request was tried, at least 1.
        reason: the error word, where no answer came.
        status: the answer's status, where one came.
        retry_after: the answer's Retry-After: seconds or a date; anything else in it counts as nothing.
        now_s: seconds of Unix time, for the date.
        random: 0 to 1.
        may_resend: whether the body can be had once more.
    """
    if policy is None or tries_done >= policy.attempts or not may_resend:
        return None
    asked_s: float | None = None
    if reason is not None:
        was_sent = not (reason == "connection refused" or reason.endswith(_RESOLVER_MAY_HEAL))
        if was_sent and (method not in policy.methods or reason.removeprefix(_HANDSHAKE) not in _MAY_HEAL):
            return None
    elif status not in policy.statuses or method not in policy.methods:
        return None
    elif retry_after is not None:
        asked_s = _retry_after_s(retry_after, now_s)
        if asked_s is not None and asked_s > policy.max_retry_after_s:
            return None
    delay_s = backoff_s(tries_done - 1, policy.backoff_s, policy.max_backoff_s, -policy.jitter, random)
    return delay_s if asked_s is None else max(delay_s, asked_s)  # earlier than asked would be in vain


def _retry_after_s(text: str, now_s: float) -> float | None:
    text = text.strip()
    if len(text) > _RETRY_AFTER_LENGTH_MAX:
        return None
    if _SECONDS.fullmatch(text):
        return float(text)
    at_s = unix_time_of(text, now_s)
    return None if at_s is None else max(0.0, at_s - now_s)
