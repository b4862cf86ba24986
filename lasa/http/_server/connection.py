"""One connection of the server: how it begins and ends, and what a slow or wrong client gets (RFC 9112 section 9).

A connection is made in three steps, each on the one before: `Incoming` reads a request's body, `Outgoing` sends its
answer, `ServerConnection` takes one request after another.
"""

from __future__ import annotations

import logging
import ssl
from functools import lru_cache
from typing import Any, Final

import h11

from lasa import _hub, thread
from lasa._stream import HANDSHAKE_FAILED, Connection, Link, address_text
from lasa.errors import SocketError, SocketTimeout
from lasa.http._server.access_log import Served, access_logger
from lasa.http._server.answer import answer_of, plain_answer
from lasa.http._server.outgoing import Outgoing
from lasa.http._server.refusal import Abort, BadRequest
from lasa.http._server.request import Request
from lasa.http._server.service import Service
from lasa.http._wire.errors import ProtocolError

__all__ = ["ServerConnection"]

logger = logging.getLogger("lasa.http.server")

CLIENT_GONE: Final = 499  # in the access log, as nginx has it: nobody was there to be answered

_TLS_RECORD: Final = b"\x16"  # the first byte of a handshake
_NO_TLS: Final = frozenset({"http request", "wrong version number"})  # OpenSSL's words for a client that begins without


def _local_name(link: Link) -> tuple[str, int | None]:
    try:
        return address_text(link.sock.getsockname(), link.sock.family)
    except OSError:  # the client is gone already
        return "", None


@lru_cache(maxsize=64)
def _shared(name: tuple[str, int | None]) -> tuple[str, int | None]:
    return name  # the first one of its kind: thousands of connections come to one address


class ServerConnection(Outgoing):
    """A client, from its first request to its last answer.

    Attributes:
        is_idle: whether it waits for a request, so that nothing is lost if it ends.
        is_tls: whether it is under TLS.
        job: the light thread that serves it.
        peer: ``(ip, port)``, or ``("unix:", None)``; also once the connection is over.
        local: the address that the client came to, ``(ip, port)`` or ``("unix:/path", None)``; likewise.
    """

    __slots__ = ("_access_log", "_is_killed", "_started_s", "is_idle", "is_tls", "job", "local", "peer")

    def __init__(self, service: Service, connection: Connection) -> None:
        link = connection.link
        self.peer = address_text(link.peer, link.sock.family)
        self.local = _shared(_local_name(link))
        super().__init__(service, connection)
        self._access_log = access_logger(service.access_log)
        self._started_s = 0.0
        self._is_killed = False
        self.is_idle = True
        self.is_tls = False
        self.job: Any = None

    @property
    def description(self) -> str:
        """Who is served what, for people: "127.0.0.1:50122 GET /slow"."""
        host, port = self.peer
        who = host if port is None else f"{host}:{port}"
        return who if self.request is None else f"{who} {self.request.method} {self.request.target}"

    def has_input(self) -> bool:
        """Whether something has come that nobody has read yet. Never switches."""
        return self._conduit.has_input

    def cut(self) -> None:
        """End the connection, whatever it does. Never switches."""
        if self._has_head and not self._answered:
            self._cut()
        elif not self._has_let_go:
            self._conduit.close()

    def kill(self) -> None:
        """End the connection, and its light thread wherever that waits; once, so that it can clean up.

        Switches: into the light thread, until it has ended or waits again.
        """
        self.cut()
        job = self.job
        if not self._is_killed and job is not None and job is not _hub.current_job():
            self._is_killed = True
            thread.throw(job)

    def serve(self) -> None:
        """Answer requests until either side has had enough; the body of the connection's light thread."""
        self.job = _hub.current_job()
        try:
            if self._service.tls is not None and not self._accept_tls(self._service.tls):
                return
            while self._serve_one():
                pass
            if not self._switched:
                self._conduit.say_goodbye()
        except SocketError as error:
            logger.debug("%s: %s", self.description, error.reason)  # the client is gone, or was cut off
        finally:
            if self.successor is not None:
                self.successor.abort()
            elif self._upgraded is not None:
                self._upgraded.abort()
            if not self._has_let_go:
                self._conduit.close()
            self.job = None
            if self.request is not None:
                self.request.close_files()  # its light thread was killed
            self._service.leave(self)

    def _accept_tls(self, context: ssl.SSLContext) -> bool:
        try:
            self._conduit.accept_tls(context, self._limits.tls_timeout_s)
        except SocketError as error:
            why = error.reason.removeprefix(f"{HANDSHAKE_FAILED}: ")
            if why in _NO_TLS:
                self._refuse(BadRequest("this port speaks https"))
            else:
                logger.info("%s: TLS handshake failed: %s", self.description, why)
            return False
        self.is_tls = True
        return True

    def _serve_one(self) -> bool:
        try:
            event = self._exchange.next_event() if self._exchange.has_unread else h11.NEED_DATA
            if event is h11.NEED_DATA:
                event = self._wait_for_request()
        except ProtocolError as error:
            self._refuse(error)
            return False
        if type(event) is not h11.Request:
            return False  # the client has closed
        self.is_idle = False
        self._started_s = _hub.clock.monotonic_s()
        self._begin()
        request = self.request = Request(self, event)
        try:
            self._check(event)
            try:
                returned = self._service.handler(request)
            except Abort as abort:
                if self._has_head or self._switched:
                    raise
                returned = abort.returned
            if not self._has_head and not self._switched:
                self._answer(answer_of(returned))
            else:
                self._complete(returned)
        except Exception as error:
            self._fail(error, request)
        except _hub.GreenletExit:
            raise
        except BaseException as error:  # gevent.Timeout is no Exception, and sys.exit() ends no server
            self._fail(error, request)
            if isinstance(error, KeyboardInterrupt):
                raise
        if self._access_log is not None:
            self._log(request)
        self.request = None
        request.close_files()
        if self._switched:
            return False
        if not self._closes and (self._body_read or self._drain()):
            self._count += 1
            exchange = self._exchange
            exchange.start_next_cycle()
            if exchange.has_unread:
                _hub.scheduler().breathe()  # a client that pipelines without end must not keep others waiting
            return True
        self._linger()
        return False

    def _wait_for_request(self) -> Any:
        # A request that comes in one piece costs one read and no clock.
        limits = self._limits
        exchange = self._exchange
        event = h11.NEED_DATA
        try:
            if not exchange.has_unread:
                if self._service.is_stopping and not self.is_idle:
                    return None
                self.is_idle = True
                event = self._read_event(limits.idle_timeout_s if self._count > 1 else limits.head_timeout_s)
                if event is not h11.NEED_DATA:
                    return event
            self.is_idle = False
            deadline = _hub.Deadline(limits.head_timeout_s)
            while event is h11.NEED_DATA and (left_s := deadline.left_s):
                event = self._read_event(left_s)
            if event is not h11.NEED_DATA:
                return event
        except ProtocolError:
            if exchange.has_ended:
                return None
            raise
        except SocketTimeout:
            if self.is_idle:
                return None
        except SocketError:
            return None
        raise ProtocolError("request head too slow", 408)

    def _read_event(self, wait_s: float) -> Any:
        self._conduit.read_s = wait_s
        self._conduit.read_more()
        return self._exchange.next_event()

    def _linger(self) -> None:
        # Else the client may lose our last answer.
        conduit = self._conduit
        if self._exchange.has_ended or (self._body_read and not conduit.has_input):
            return
        conduit.finish()
        if self._is_reading:  # by a light thread of the handler, which ends with the connection
            return
        conduit.read_away()

    def _complete(self, returned: Any) -> None:
        # The handler has returned, and has answered by itself.
        # "return wb.close()" is no answer.
        if returned is not None and (self.successor is None or not isinstance(returned, tuple)):
            way = "upgrade()" if self._switched else "respond()"
            logger.error("%s: the handler returned an answer beside %s", self.description, way)
        if self._switched:
            if self.successor is not None:
                self.successor.end(has_failed=False)
            return
        if self._is_sending and not self._is_broken:
            self._is_broken = True
            logger.error("%s: the handler returned while a light thread of its own was sending", self.description)
        if self._is_broken:
            self._cut()
        elif not self._answered:
            self._end(None)

    # -- what goes wrong

    def _fail(self, error: BaseException, request: Request) -> None:
        is_of_client = error is self._read_error or error is self._send_error
        if self.successor is not None and not is_of_client:
            is_of_client = self.successor.is_end(error)
        why = ""
        if isinstance(error, BadRequest) or (is_of_client and isinstance(error, ProtocolError)):
            status, why = error.status, error.reason
        elif not is_of_client:
            status = 500
            logger.error("handler failed: %s %r", request.method, request.target, exc_info=error)
        elif isinstance(error, SocketTimeout) and error is self._read_error:
            status, why = 408, "request body too slow"
        else:
            status = 0  # nobody is there any more
            logger.debug("%s: %s", self.description, error)
        if why:
            logger.info("%s: %s", self.description, why)
        is_broken = self._is_broken or self._is_sending or self._send_error is not None
        if self._answered and not is_of_client and not is_broken:
            return  # the answer is whole
        if self.successor is not None:
            self.successor.end(has_failed=True)
            return
        if self._has_head or self._switched or not status:
            self._cut()
            return
        try:
            self._answer(plain_answer(status, why))
        except (SocketError, h11.LocalProtocolError, RuntimeError):  # or a light thread of the handler is sending
            self._cut()

    def _refuse(self, error: ProtocolError) -> None:
        # What came is no request: say so, and interpret nothing that follows.
        why = error.reason
        if self._exchange.unread[:1] == _TLS_RECORD:
            why = "TLS on a port that speaks http"
        logger.info("%s: %s", self.description, why)
        self.is_idle = False
        self._begin()
        self._read_error = error
        self._started_s = _hub.clock.monotonic_s()
        try:
            self._answer(plain_answer(error.status, why))
        except (SocketError, h11.LocalProtocolError):
            return
        if self._access_log is not None:
            self._log(None)
        self._linger()

    def _log(self, request: Request | None) -> None:
        assert self._access_log is not None
        duration_s = _hub.clock.monotonic_s() - self._started_s
        headers: Any = {} if request is None else request.headers
        served = Served(
            peer=self.peer[0],
            time_s=_hub.clock.system_s() - duration_s,
            method="" if request is None else request.method,
            target="" if request is None else request.target,
            http_version="" if request is None else request.http_version,
            status=self._status or CLIENT_GONE,
            sent_bytes=self._sent,
            referer=headers.get("referer"),
            user_agent=headers.get("user-agent"),
            duration_s=duration_s,
            request=request,
            response=self._response,
        )
        try:
            self._access_log(served)
        except Exception:
            logger.exception("access log failed: %s", self.description)
