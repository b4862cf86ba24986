"""How a client opens a WebSocket: through which proxy, under which TLS, out of which pool, and the handshake.

The way to the server is HTTP's own; so are the options for it. A pool's name has in it all that the server was told,
since a connection that is reused skips the handshake: the URI, what was asked for, and who TLS trusts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import h11
from h11._headers import Headers

from lasa._stream.connection import Connection
from lasa._stream.opening import Opening
from lasa._values import number
from lasa.errors import SocketError, retold
from lasa.http._client.policy import Policy
from lasa.http._client.response import Response
from lasa.http._client.route import RequestDeadline, Route, may_take, prepare_route, route_to
from lasa.http._client.stream import ResponseBody
from lasa.http._wire.conduit import Conduit
from lasa.http._wire.errors import BadStatusLine
from lasa.http._wire.exchange import Exchange
from lasa.http._wire.fields import lines_of
from lasa.http._wire.target import Target
from lasa.socket._options import pool_terms
from lasa.websocket._socket.options import Options, unknown_option
from lasa.websocket._socket.session import Session
from lasa.websocket._wire import extension
from lasa.websocket._wire.handshake import BAD_STATUS_LINE, check_answer, protocols_of, request_headers
from lasa.websocket._wire.uri import WebSocketUri, parse_uri

__all__ = ["OpeningHandshake"]

OPEN_TIMEOUT_S: Final = 30.0
REFUSAL_MAX: Final = 1_048_576  # bytes of the body of an answer that refuses

_HANDSHAKE: Final = frozenset(("protocols", "origin", "headers", "host", "key", "auth"))
_POOL: Final = frozenset(("pool", "pool_size", "backlog"))
_OF_HTTP: Final = frozenset(
    ("ssl_verify", "ssl_ca", "ssl_cert", "ssl_key", "ssl_server_name", "ssl_minimum_version", "ssl_context", "proxy")
)
_OTHER_NAMES: Final = {"server_name": "ssl_server_name", "client_cert": "ssl_cert", "client_priv_key": "ssl_key"}
_ALL: Final = _HANDSHAKE | _POOL | _OF_HTTP | frozenset(_OTHER_NAMES) | {"open_timeout_s"}

_STAGES: Final = {
    "tls": "ssl handshake failed",
    "send": "failed to send the handshake request",
    "read": "failed to receive response header",
}


class OpeningHandshake:
    """One connect(): its options, checked, and the way to the server.

    Attributes:
        response: the server's answer to the handshake, once it has come; None for a reused connection.
    """

    def __init__(self, uri: Any, options: Options, given: Mapping[str, Any]) -> None:
        self._options = options
        self.response: Response | None = None
        own = dict(given)
        for name in own:
            if name not in _ALL:
                raise unknown_option(name, _ALL)
        timeout_s = own.pop("open_timeout_s", OPEN_TIMEOUT_S)
        if timeout_s is not None and not 1e-9 <= (number(timeout_s) or 0) < 2**53:
            raise ValueError(f'bad "open_timeout_s" option value: {timeout_s!r}')
        of_http = {_OTHER_NAMES.get(name, name): own[name] for name in own if name in _OF_HTTP or name in _OTHER_NAMES}
        if own.get("server_name") is not None and not isinstance(own["server_name"], str):
            raise TypeError("SSL server_name must be a string")
        if of_http.get("ssl_cert") is not None and of_http.get("ssl_key") is None and "client_cert" in own:
            raise ValueError("client_priv_key must be provided with client_cert")
        handshake = {name: own[name] for name in _HANDSHAKE if own.get(name) is not None}
        self._uri: WebSocketUri = parse_uri(uri)
        if self._uri.is_secure and of_http.get("ssl_server_name") is None and isinstance(own.get("host"), str):
            of_http["ssl_server_name"] = _without_port(own["host"])
        policy = Policy(max_body=REFUSAL_MAX, tunnels=True).with_options({"timeout": timeout_s, **of_http})
        self._pool = pool_terms(
            {name: own[name] for name in _POOL if name in own}, pool=None, pool_size=None, backlog=None
        )
        self._policy = policy
        self._route: Route = route_to(_target_of(self._uri), policy)
        self._offers = None if options.compression is None else extension.offer(options.compression)
        pairs, self._key = request_headers(self._uri, extensions=self._offers, **handshake)
        self._items = [(name, name.lower(), value) for name, value in pairs]
        self._protocols = protocols_of(handshake.get("protocols"))

    @property
    def pool_name(self) -> str:
        """The name of the pool: connections of one name can stand for each other."""
        told = [item for item in self._items if item[1] != b"sec-websocket-key"]
        which = self._pool.pool if self._pool.pool is not None else f"{self._uri.path} {told!r}"
        return f"lasa.websocket {self._route.pool_name} {self._options.compression} {which}"  # which it goes on with

    def run(self, send_s: float, connect_s: float) -> Session:
        """Open the connection, or take one out of the pool.

        Args:
            send_s: how long a single wait to send may last.
            connect_s: likewise any other wait, also one for the answer.
        Raises:
            SocketError: "failed to connect: E", "ssl handshake failed: E", "failed to send the handshake request: E",
            "failed to receive response header: E", "bad HTTP response status line: L" and other words of an answer
            that does not agree.
        Switches: whenever it has to wait.
        """
        self._policy = replace(self._policy, send=send_s, tls=connect_s, read=connect_s)
        deadline = RequestDeadline(self._policy.timeout)
        try:
            connection = self._connect(deadline, connect_s)
            if connection.reused:
                session: Session = connection.companion
                return session
            try:
                prepare_route(connection, self._route, self._policy, deadline)
                return self._shake_hands(connection, deadline, send_s)
            except BaseException:
                connection.end()
                raise
        except _Refused:
            raise
        except BadStatusLine as error:
            if deadline.stage != "read":  # a proxy's
                raise retold(error, f"failed to connect: {error.reason}") from error
            raise SocketError(f"{BAD_STATUS_LINE}: {error.line}") from error
        except SocketError as error:
            stage = _STAGES.get(deadline.stage, "failed to connect")
            if error.reason.startswith(stage):
                raise
            raise retold(error, f"{stage}: {error.reason}") from error

    def _connect(self, deadline: RequestDeadline, connect_s: float) -> Connection:
        # Returns one that was idle in the pool, with its session, or a new one.
        route = self._route
        terms = replace(self._pool, pool=self.pool_name)
        while True:
            deadline.stage = "connect"
            left_s = deadline.left_of(connect_s)
            connection = Opening(route.host, route.port, terms, left_s, left_s, deadline.at_s).run()
            if not connection.reused or (connection.companion.is_open and may_take(connection, self._policy)):
                return connection
            connection.give_back()

    def _shake_hands(self, connection: Connection, deadline: RequestDeadline, send_s: float) -> Session:
        event = h11.Request(
            method=b"GET",
            target=self._uri.path.encode(),
            headers=Headers(self._items),
            http_version=b"1.1",
            _parsed=True,
        )
        exchange = Exchange(h11.CLIENT, self._policy.limits)
        conduit = Conduit(connection, exchange, send_s, self._policy.read)
        alarm = deadline.alarm(conduit.expire)
        try:
            deadline.stage = "send"
            exchange.note_sent(event)
            exchange.send(h11.EndOfMessage())
            conduit.send(b"GET %s HTTP/1.1\r\n%s\r\n" % (event.target, lines_of(self._items)))
            deadline.stage = "read"
            head = conduit.next_answer()
            body = ResponseBody(conduit, self._policy, head, alarm, None, "GET", is_stream=False)
            self.response = response = Response(
                head, f"{self._uri.scheme}://{self._uri.authority}{self._uri.path}", "GET", body
            )
            line = f"HTTP/{response.http_version} {response.code} {response.status}".rstrip()
            if body.socket is None:
                _read_refusal(response)
            try:
                protocol = check_answer(response.code, line, response.headers, self._key, self._protocols)
                agreement = self._agree(response)
            except SocketError as error:
                if body.socket is not None:
                    body.socket.abort()
                raise _Refused(error.reason) from None
            assert body.socket is not None
            unread = body.socket.take_unread()
            return Session(
                body.socket.give_away(),
                unread,
                is_client=True,
                subprotocol=protocol,
                agreement=agreement,
                send_s=send_s,
            )
        except BaseException:
            conduit.close()
            raise
        finally:
            if alarm is not None:
                alarm.clear()

    def _agree(self, response: Response) -> extension.Agreement | None:
        said = response.headers.getall("Sec-WebSocket-Extensions", [])
        if self._options.compression is None:
            if said:
                raise SocketError('bad "sec-websocket-extensions" response header: unknown extension')
            return None
        return extension.agree(self._options.compression, said)


class _Refused(SocketError):
    """The server has answered, and does not agree."""


def _read_refusal(response: Response) -> None:
    try:
        response.read()
    except SocketError as error:  # the head tells enough
        response.body = error.partial or b""


def _target_of(uri: WebSocketUri) -> Target:
    scheme = "https" if uri.is_secure else "http"
    url = f"{scheme}://{uri.authority}{uri.path}"
    return Target(scheme, uri.host, uri.port, uri.authority, uri.path, None, url, uri.unix_path)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (
        name.strip("[]") if colon and port.isdigit() and (":" not in name or name.endswith("]")) else host.strip("[]")
    )
