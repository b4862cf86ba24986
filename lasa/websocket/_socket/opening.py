"""How a client opens a WebSocket: through which proxy, under which TLS, out of which pool, and the handshake.

The way to the server is HTTP's own; so are the options for it. A pool's name has in it all that the server was told,
since a connection that is reused skips the handshake: the URI, what was asked for, and who TLS trusts.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

import h11
from h11._headers import Headers

from lasa._options import LEAST_S, Checker, Opt
from lasa._stream import Connection, Opening, PoolOptions, PoolTerms, of_a_connect, place_text
from lasa.errors import ConnectTimeout, SocketError, retold
from lasa.http._client.options import RouteOptions, path_reader, server_name_of
from lasa.http._client.policy import Policy
from lasa.http._client.response import Response
from lasa.http._client.route import RequestDeadline, Route, may_take, prepare_route, route_to
from lasa.http._client.stream import ResponseBody
from lasa.http._wire.auth import Auth
from lasa.http._wire.conduit import Conduit
from lasa.http._wire.errors import BadStatusLine
from lasa.http._wire.exchange import Exchange
from lasa.http._wire.fields import lines_of
from lasa.http._wire.target import Target
from lasa.websocket._socket.options import HEADERS, MessageOptions, Options
from lasa.websocket._socket.session import Session
from lasa.websocket._wire import extension
from lasa.websocket._wire.errors import HandshakeError
from lasa.websocket._wire.handshake import BAD_STATUS_LINE, Protocols, check_answer, protocols_of, request_headers
from lasa.websocket._wire.handshake import Headers as HeaderOption
from lasa.websocket._wire.uri import WebSocketUri, parse_uri

__all__ = ["CONNECT", "ConnectOptions", "OpeningHandshake"]

OPEN_TIMEOUT_S: Final = 30.0
EARLY_S: Final = 0.001  # an alarm may be, by its own clock
REFUSAL_MAX: Final = 1_048_576  # bytes of the body of an answer that refuses

_HANDSHAKE: Final = ("protocols", "origin", "headers", "host", "key", "auth")


def _name_for_tls(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("SSL server_name must be a string")
    return server_name_of(value)


class ConnectOptions(MessageOptions, RouteOptions, PoolOptions, total=False):
    """What a client's connect() takes, beside the URI."""

    protocols: Annotated[Protocols, Opt(unset="none", elsewhere=("subprotocols",))]
    """Subprotocols to offer, a list or "a, b", the best first."""
    headers: Annotated[HeaderOption, Opt(unset="none", elsewhere=HEADERS)]
    """More headers: a dict, or a list of pairs or of "Name: value". The handshake's own are refused; \
`"User-Agent": None` leaves that out. They go before `auth`, `host` and `origin`."""
    origin: Annotated[str | None, Opt(unset="none")]
    """The Origin header, for servers that only talk to pages."""
    auth: Annotated[Auth, Opt(unset="the URI's")]
    """`(user, password)` for Basic, a str for Bearer. It goes before user and password in the URI."""
    host: Annotated[str | None, Opt(unset="the URI's host, with its port unless it is 80 for ws, 443 for wss")]
    """The Host header; also the name for TLS, unless `server_name` is given."""
    key: Annotated[str | None, Opt(unset="random")]
    """The Sec-WebSocket-Key header, 16 bytes in base64: for tests."""
    open_timeout_s: Annotated[
        float | None, Opt("s", default=OPEN_TIMEOUT_S, least=LEAST_S, means="timeout", elsewhere=("timeout",))
    ]
    """Name look-up, connect, proxy, TLS and handshake together; None: no limit."""
    server_name: Annotated[str | None, Opt(read=_name_for_tls, unset="the host")]
    """Another name of `ssl_server_name`."""
    client_cert: Annotated[
        str | os.PathLike[str] | None,
        Opt(read=path_reader("client_cert", key="client_priv_key"), means="ssl_cert"),
    ]
    """Another name of `ssl_cert`; it needs its key."""
    client_priv_key: Annotated[str | os.PathLike[str] | None, Opt(read=path_reader("client_priv_key"), means="ssl_key")]
    """Another name of `ssl_key`."""


CONNECT: Final = Checker(ConnectOptions)

# What an error's word begins with, and what was being done, by the stage of a RequestDeadline.
_STAGES: Final = {
    "connect": ("failed to connect", "connect"),
    "proxy": ("failed to connect", "proxy"),
    "tls": ("ssl handshake failed", "handshake"),
    "send": ("failed to send the handshake request", "upgrade"),
    "read": ("failed to receive response header", "upgrade"),
}


class OpeningHandshake:
    """One connect(): its options, checked, and the way to the server.

    Attributes:
        response: the server's answer to the handshake, once it has come; None for a reused connection.
    """

    def __init__(self, uri: Any, options: Options, given: Mapping[str, Any]) -> None:
        self._options = options
        self.response: Response | None = None
        own = CONNECT.check(given)
        if "client_cert" in given and own["ssl_cert"] is not None and own.get("ssl_key") is None:
            raise ValueError("client_priv_key must be provided with client_cert")
        handshake = {name: value for name in _HANDSHAKE if (value := own.pop(name, None)) is not None}
        self._pool = PoolTerms(*[own.pop(name, None) for name in PoolTerms.__slots__])
        self._uri: WebSocketUri = parse_uri(uri)
        if self._uri.is_secure and own.get("server_name") is None and isinstance(handshake.get("host"), str):
            own["server_name"] = server_name_of(_without_port(handshake["host"]))
        policy = Policy(max_body=REFUSAL_MAX, tunnels=True).changed({"timeout": OPEN_TIMEOUT_S, **own})
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
            "failed to receive response header: E". UpgradeRefused: "bad HTTP response status line: L". HandshakeError:
            other words of an answer that does not agree, or is none.
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
        except SocketError as error:
            raise self._told(error, deadline, send_s if deadline.stage == "send" else connect_s) from error.__cause__

    def _told(self, error: SocketError, deadline: RequestDeadline, wait_s: float) -> SocketError:
        # Returns the error of this connect; wait_s is the limit of a single wait.
        tried, operation = _STAGES[deadline.stage]
        if isinstance(error, BadStatusLine) and deadline.stage == "read":  # and no proxy's
            error = HandshakeError(f"{BAD_STATUS_LINE}: {error.line}")
        error = of_a_connect(error)
        if isinstance(error, ConnectTimeout) and error.errno is None:
            error.timeout_s = wait_s if deadline.left_s > EARLY_S else self._policy.timeout
        if not isinstance(error, HandshakeError) and not error.reason.startswith(tried):
            error = retold(error, f"{tried}: {error.reason}")
        return error.during(operation, place_text(self._route.host, self._route.port))

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
            except HandshakeError as error:
                if body.socket is not None:
                    body.socket.abort()
                error.response = response
                raise
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
                raise HandshakeError('bad "sec-websocket-extensions" response header: unknown extension')
            return None
        return extension.agree(self._options.compression, said)


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
