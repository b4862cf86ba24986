"""Server-sent events: a subscription that outlives its connections, and what a server sends (beyond the seed).

A subscription is read like a file (WHATWG HTML, section "Server-sent events"). That connections end is part of it: the
next one says which event was the last, so that the server can go on behind it.

    with lasa.http.events.subscribe("https://example.com/events") as source:
        for event in source:
            print(event.event, event.data)
"""

import logging
import random
import re
from collections import deque
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Annotated, Any, Final, Self, TypedDict, Unpack

from lasa import _hub, thread
from lasa._backoff import backoff_s
from lasa._options import NUMBERS_ALONE, Checker, Opt
from lasa.errors import SocketClosed, SocketError, copy_of
from lasa.http import client as http_client
from lasa.http._client.options import ContentOptions
from lasa.http._client.policy import Policy
from lasa.http._client.response import Response
from lasa.http._client.retries import Retries, plan_retry
from lasa.http._client.sse import MAX_EVENT_BYTES, Event, EventParser
from lasa.http._wire.grammar import CONTROL
from lasa.http._wire.target import mask_userinfo

__all__ = ["Event", "EventSource", "SubscribeOptions", "encode", "plan_wait", "subscribe"]

logger = logging.getLogger("lasa.http.events")

REDIRECTS: Final = 10
JITTER: Final = 0.5
LEAST_WAIT_S: Final = 0.1  # a server may ask for none, and end each stream at once
STEADY_S: Final = 60.0
SLICE_BYTES: Final = 8192  # of what has come, which may be a thousand events
NO_LIMIT: Final = 2**53 - 1

_CONTENT_TYPE: Final = "text/event-stream"
_AUTOMATIC: Final = {"Accept": _CONTENT_TYPE, "Cache-Control": "no-store"}
_FORBIDDEN: Final = re.compile(CONTROL)
_FORBIDDEN_IN_FIELD: Final = re.compile(r"[\0\r\n]")
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_AGAIN: Final = Retries(attempts=2)


def _event_id(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"bad last_event_id: str expected, got {type(value).__name__}")
    if _FORBIDDEN.search(value):
        raise ValueError(f"bad last_event_id: {value!r}")
    value.encode()  # a lone surrogate
    return value


def _client(value: object) -> http_client.Client | None:
    return value if isinstance(value, http_client.Client) else None


class _OwnOptions(TypedDict, total=False):
    client: Annotated[http_client.Client | None, Opt(kind=_client, types=True, unset="one that follows redirects")]
    """Whose connections and options are used."""
    last_event_id: Annotated[str, Opt(default="", read=_event_id)]
    """Where to begin: the first request asks for what follows that event."""
    retry_s: Annotated[float, Opt("s", default=3.0, least=0, types=True)]
    """The wait before it connects again, until the server names one; it doubles with failures in a row, each wait is \
up to half as long again by chance, and none is below 0.1 s, whatever the server names."""
    max_retry_s: Annotated[float, Opt("s", default=60.0, least=0, types=True)]
    """Where doubling ends."""
    heartbeat_s: Annotated[float, Opt("s", default=120.0, least=0.001, types=True, elsewhere=("read",))]
    """A stream without a byte for so long counts as lost."""
    max_event_bytes: Annotated[int, Opt("bytes", default=MAX_EVENT_BYTES, least=1, types=True)]
    """Bytes of one event's lines."""
    attempts: Annotated[int | None, Opt(least=1, types=True, unset="None, for ever")]
    """Failures in a row before it raises. A connection that gave no event is one, unless comments kept it open for a \
minute."""


class SubscribeOptions(_OwnOptions, ContentOptions, total=False):
    """What subscribe() takes, beside the URL: also options of a request, but for those of how its answer is read."""

    method: Annotated[str | None, Opt(unset="GET, with a body POST")]
    """The method of each request."""


_OWN: Final = Checker(_OwnOptions, kinds=NUMBERS_ALONE)
_ALL: Final = Checker(SubscribeOptions)


class EventSource:
    """A subscription; ``lasa.http.events.subscribe()`` makes it. Iterate over it for the events.

    Iterating raises ``lasa.Error`` where coming back would be in vain: "subscription refused: CODE", "not an event
    stream: TYPE", "event too large", "bad event id", a certificate that is not trusted, and whatever else ``retries=``
    of the client would not try again; or where ``attempts`` in a row have failed. Iterating once more connects once
    more, and asks for what follows the last event. A gevent.Timeout that interrupts it neither ends nor skips anything:
    the next step goes on.

    Attributes:
        last_event_id: of the last event that was returned: what to keep for another subscription, in another process.
    """

    def __init__(
        self,
        url: str,
        client: http_client.Client,
        *,
        owns_client: bool,
        own: Mapping[str, Any],
        options: dict[str, Any],
    ) -> None:
        self._url = url
        self._client = client
        self._owns_client = owns_client
        self._retry_s: float = own["retry_s"]
        self._max_retry_s: float = own["max_retry_s"]
        self._max_event_bytes: int = own["max_event_bytes"]
        self._attempts: int | None = own["attempts"]
        self.last_event_id: str = own["last_event_id"]
        self._headers = _headers(options.pop("headers", None))
        # An event stream has no end to wait for and no size; and trying again is what we do ourselves.
        self._options = {
            "timeout": None,
            "max_body": NO_LIMIT,
            "max_ratio": None,
            "retries": None,
            **options,
            "read": own["heartbeat_s"],
        }
        self._parser = EventParser(self.last_event_id, self._max_event_bytes)
        self._events: deque[Event] = deque()
        self._response: Response | None = None
        self._pieces: Iterator[bytes] | None = None
        self._slices: Iterator[bytes] = iter(())  # of a piece
        self._opener: thread.Thread | None = None
        self._error: Exception | None = None  # the opener's
        self._failures = 0
        self._opened_at_s = self._due_at_s = 0.0
        self._is_fruitful = False  # this connection
        self._wake = _hub.Event()
        self._is_busy = False
        self._has_ended = False

    def __repr__(self) -> str:
        return (
            f"<lasa event source, {'ended' if self._has_ended else 'connected' if self._pieces else 'not connected'}>"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        """Return the next event; the iteration ends after close(), or when the server has answered 204.

        Raises:
            SocketError: see the class. ValueError, TypeError: an option of the request is wrong. RuntimeError: another
            light thread is waiting for the next event.
        Switches: when no event is there yet.
        """
        if self._is_busy:
            raise RuntimeError("another light thread reads these events")
        self._is_busy = True
        try:
            _hub.breathe()
            while not self._has_ended:
                if self._events:
                    event = self._events.popleft()
                    self.last_event_id = event.id
                    return event
                self.last_event_id = self._parser.last_event_id  # an id may come without an event
                if self._pieces is None:
                    self._connect()
                else:
                    self._read(self._pieces)
        finally:
            self._is_busy = False
        raise StopIteration

    def close(self) -> None:
        """End the subscription; a light thread that waits for its next event leaves its loop. Switches: never."""
        self._has_ended = True
        self._events.clear()
        self._disconnect()
        if self._owns_client:
            self._client.close()
        if self._opener is not None:
            _hub.call_soon(self._stop_opening)  # nobody may be waiting for it just now
        self._wake.set()

    def _connect(self) -> None:
        delay_s = self._due_at_s - _hub.clock.monotonic_s()
        if delay_s > 0 and self._opener is None:
            self._wake = _hub.Event()
            self._wake.wait(delay_s)
            if self._has_ended:
                return
        try:
            response = self._open()
            if self._has_ended or response is None:
                return
            if response.code == 204:
                self.close()
                return
            _check(response)
        except SocketError as error:
            self._disconnect()
            self._note_failure(error, may_heal=_may_heal(error.reason))
            return
        self._is_fruitful = False
        self._opened_at_s = _hub.clock.monotonic_s()
        self._parser = EventParser(self._parser.last_event_id, self._max_event_bytes)
        self._pieces = response.pieces()

    def _note_failure(self, error: SocketError, *, may_heal: bool) -> None:
        self._failures += 1
        is_last = self._failures == self._attempts or not may_heal or self._client.is_closed
        self._plan(None if is_last else error)  # also for a caller that goes on: not even that one comes back at once
        if is_last:
            self._failures = 0
            raise copy_of(error)

    def _open(self) -> Response | None:
        # In a light thread of its own, which is the only one that close() can stop wherever it waits. A gevent.Timeout
        # in here leaves it to whoever iterates next, or who polls would never get beyond a slow handshake.
        if self._opener is None:
            self._wake = _hub.Event()
            self._error = None
            self._opener = thread.spawn(self._request, self._wake)
        try:
            self._wake.wait(_hub.FOREVER_S)
        except _hub.GreenletExit:
            self._stop_opening()
            raise
        if self._has_ended:
            self._stop_opening()
            return None
        self._opener = None
        if isinstance(self._error, SocketError):
            raise copy_of(self._error)
        if self._error is not None:
            raise self._error
        return self._response

    def _stop_opening(self) -> None:
        opener, self._opener = self._opener, None
        if opener is not None and not opener.is_over:
            thread.throw(opener)
        self._disconnect()

    def _request(self, wake: _hub.Event) -> None:
        headers = dict(self._headers)
        last_event_id = self._parser.last_event_id
        try:
            if last_event_id:
                if _FORBIDDEN.search(last_event_id):
                    raise SocketError("bad event id")  # the server's own, which cannot be given back
                headers["Last-Event-ID"] = last_event_id.encode()
            wanted = {**self._options, "url": self._url, "stream": True, "headers": headers}
            self._response = self._client.fetch(wanted)
        except Exception as error:
            self._error = copy_of(error) if isinstance(error, SocketError) else error
        finally:
            wake.set()

    def _read(self, pieces: Iterator[bytes]) -> None:
        error: SocketError = SocketClosed()
        piece = next(self._slices, b"")
        if not piece:
            try:
                piece = next(pieces, b"")
            except SocketError as broken:
                error = broken  # or silent: as good as ended
            self._slices = iter([piece[start : start + SLICE_BYTES] for start in range(0, len(piece), SLICE_BYTES)])
            piece = next(self._slices, b"")
        try:
            self._events.extend(self._parser.feed(piece))
        except SocketError:
            self._disconnect()
            self._plan(None)
            raise
        if self._events or (piece and _hub.clock.monotonic_s() - self._opened_at_s > STEADY_S):
            self._is_fruitful = True
            self._failures = 0
        if not piece:
            self._disconnect()
            if self._is_fruitful:
                self._plan(error)
            else:
                self._note_failure(error, may_heal=True)

    def _disconnect(self) -> None:
        self._pieces = None
        self._slices = iter(())
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def _plan(self, lost_by: SocketError | None) -> None:
        asked_ms = self._parser.retry_ms
        base_s = self._retry_s if asked_ms is None else asked_ms / 1000
        self._retry_s = base_s  # the server's word holds for all connections to come
        delay_s = plan_wait(self._failures, base_s, self._max_retry_s, random.random())
        self._due_at_s = _hub.clock.monotonic_s() + delay_s
        if lost_by is not None:
            url = mask_userinfo(str(self._url).partition("?")[0])  # queries have secrets too
            logger.info("lost %s: %s; connecting again in %.1f s", url, lost_by.reason, delay_s)


def subscribe(url: str, **options: Unpack[SubscribeOptions]) -> EventSource:
    """Return a subscription to a URL's events; iterating over it connects, and again whenever the connection is lost.

    Args:
        client: by default one of its own, which follows redirects.
        last_event_id: the first request asks for what follows that event.
        retry_s: the wait before it connects again, until the server names another time; after failures in a row it
            doubles, up to ``max_retry_s``. Each wait is up to half as long again by chance, so that a server's
            clients do not come back all at once; none is shorter than 0.1 s, whatever the server asks for. Each loss
            and its wait are logged, "lasa.http.events", INFO.
        heartbeat_s: a stream without a byte for so long counts as lost; servers keep one alive by comments.
        max_event_bytes: the lines of one event together.
        attempts: how many connections in a row may fail before iterating raises; None: as many as it takes. One that
            opened but gave no event is a failure too, unless comments kept it open for a minute.
        options: what request() takes for one request, such as method, headers, auth, json or connect, but for read,
            stream, files and progress. ``timeout`` is None unless given here: else it would end each connection.
    Raises:
        ValueError, TypeError: a bad argument; those of the request come with the first iteration.
    Switches: never; iterating does. Source: beyond the seed, in the manner of EventSource.
    """
    given: dict[str, Any] = dict(options)
    _ALL.refuse_unknown(given)
    own = {**_OWN.defaults, **_OWN.take(given)}
    if not isinstance(given.get("body", b""), bytes | str):
        raise TypeError("bad body: bytes or str expected, since each new connection sends it again")
    client = own["client"]
    return EventSource(
        url,
        http_client.Client(Policy(follow_redirects=REDIRECTS)) if client is None else client,
        owns_client=client is None,
        own=own,
        options=given,
    )


def encode(
    data: str | bytes | None, event: str | None = None, id: str | None = None, retry_ms: int | None = None
) -> bytes:
    r"""Return the bytes of one event, for a response of type "text/event-stream".

    A comment, to keep a quiet stream alive, needs no help: ``b":\n\n"``.

    Args:
        data: text of any number of lines, bytes as UTF-8; None for no event at all, where only an id or a time is sent.
        event: its type; without, readers take it for "message".
        id: what a client sends as Last-Event-ID when it comes back; "" makes it forget the last one.
        retry_ms: how long a client shall wait before it comes back.
    Raises:
        ValueError: CR, LF or NUL in event or id; a negative time. TypeError: another type.
    """
    lines: list[bytes] = []
    if event is not None:
        lines.append(b"event: " + _field("event", event))
    if id is not None:
        lines.append(b"id: " + _field("id", id))
    if retry_ms is not None:
        if isinstance(retry_ms, bool) or not isinstance(retry_ms, int):
            raise TypeError(f"bad retry_ms: int expected, got {type(retry_ms).__name__}")
        if retry_ms < 0:
            raise ValueError(f"bad retry_ms: {retry_ms}")
        lines.append(b"retry: %d" % retry_ms)
    if data is not None:
        if not isinstance(data, str | bytes):
            raise TypeError(f"bad data: string expected, got {type(data).__name__}")
        raw = data.encode() if isinstance(data, str) else data
        lines.extend(b"data: " + line for line in _LINE_END.split(raw))
    return b"\n".join(lines) + b"\n\n"


def plan_wait(failures: int, base_s: float, max_s: float, chance: float) -> float:
    """Return how long to wait before connecting again.

    Args:
        failures: attempts in a row that failed; 0 where a stream that gave events has ended.
        base_s: the time that the server asked for, or ours.
        max_s: where doubling ends; a longer time that the server asked for holds, a shorter one than LEAST_WAIT_S not.
        chance: 0 to 1.
    """
    base_s = max(base_s, LEAST_WAIT_S)
    return backoff_s(failures - 1, base_s, max(base_s, max_s), JITTER, chance)


def _field(name: str, value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"bad {name}: string expected, got {type(value).__name__}")
    if _FORBIDDEN_IN_FIELD.search(value):
        raise ValueError(f"bad {name}: {value!r}")
    return value.encode()


def _headers(given: Mapping[str, Any] | None) -> dict[str, Any]:
    own = {} if given is None else dict(given)
    names = {name.lower() for name in own}
    if "last-event-id" in names:
        raise ValueError("Last-Event-ID is given as last_event_id")
    return {**{name: value for name, value in _AUTOMATIC.items() if name.lower() not in names}, **own}


def _check(response: Response) -> None:
    if response.code != 200:
        raise SocketError(f"subscription refused: {response.code}")
    kind = response.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != _CONTENT_TYPE:
        raise SocketError(f"not an event stream: {kind or 'no content type'}")


def _may_heal(reason: str) -> bool:
    # The same rule as for retries=; to subscribe twice does what to subscribe once does.
    return plan_retry(_AGAIN, 1, "GET", reason=reason, now_s=0.0, random=0.0) is not None
