"""From a target to a connection: through which proxy, under which TLS, out of which pool (RFC 9110 section 9.3.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import h11
from h11._headers import Headers

from lasa import _hub
from lasa._stream import (
    HANDSHAKE_FAILED,
    Connection,
    Opening,
    PoolTerms,
    TlsStream,
    asked_of,
    begin_tls,
    of_a_connect,
    pools,
)
from lasa.errors import ProxyError, SocketError, SocketTimeout, retold
from lasa.http._client.options import ANY_PORT
from lasa.http._client.policy import Policy, Tls
from lasa.http._client.proxies import Proxy, choose_proxy
from lasa.http._wire.conduit import Conduit
from lasa.http._wire.exchange import Exchange
from lasa.http._wire.fields import field
from lasa.http._wire.target import Target

__all__ = ["RequestDeadline", "Route", "may_take", "open_route", "prepare_route", "route_to"]

ROUTES_MAX: Final = 1024


class RequestDeadline(_hub.Deadline):
    """When a request has to be over, and how far it has come.

    Attributes:
        stage: "pool", "connect", "proxy", "tls", "send", "read" or "body": what it is waiting for.
    """

    __slots__ = ("stage",)

    stage: str


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests to one origin go.

    Attributes:
        host, port: what to connect to; port is None for "unix:/path".
        proxy: through which, None for none.
        tunnel: "host:port" that the proxy is asked for, None where requests go straight, or to the proxy itself.
        tls: of the server; None for http.
        server_name: to send and to verify.
        pool_name: connections of one name are alike in everything that matters.
        is_absolute: whether the request line names the whole URL, for a proxy that forwards.
    """

    host: str
    port: int | None
    proxy: Proxy | None
    tunnel: str | None
    tls: Tls | None
    server_name: str
    pool_name: str
    is_absolute: bool


def route_to(target: Target, policy: Policy) -> Route:
    """Return the way to ``target``.

    Raises:
        ValueError, TypeError: a proxy that is none.
    """
    key = target.origin
    route: Route | None = policy.routes.get(key)
    if route is None:
        if len(policy.routes) >= ROUTES_MAX:
            policy.routes.clear()
        route = policy.routes[key] = _find_route(target, policy)
    return route


def _find_route(target: Target, policy: Policy) -> Route:
    try:
        proxy = choose_proxy(target, policy.proxy, policy.environment)
    except ValueError as error:
        if policy.proxy is not None:
            raise
        raise SocketError(str(error)) from None  # the environment is not the caller's to mend
    tls = policy.identity if target.scheme == "https" else None
    tunnel = None
    host: str = target.host
    port: int | None = target.port
    if target.unix_path is not None:
        host, port = f"unix:{target.unix_path}", None
    elif proxy is not None:
        host, port = proxy.host, proxy.port
        if tls is not None or policy.tunnels:
            name = target.host.partition("%")[0]
            name = f"[{name}]" if ":" in name else name
            tunnel = f"{name}:{target.port}"
    else:
        pinned = policy.addresses.get((target.host, target.port)) or policy.addresses.get((target.host, ANY_PORT))
        if pinned is not None:
            host, port = (pinned, None) if pinned.startswith("unix:") else (pinned, target.port)
    server_name = target.host
    if tls is not None and tls.server_name is not None:
        server_name = tls.server_name
    trust = tls if proxy is None or proxy.scheme == "http" else policy.identity  # of the proxy, too
    parts = (host, port, proxy, tunnel, tls, trust, server_name if tls else None, policy.pool_size, policy.backlog)
    # The proxy's password and the context's identity belong to the name, too; repr() of a Proxy leaves it out.
    secret = None if proxy is None else proxy.authorization
    is_absolute = proxy is not None and tunnel is None
    return Route(host, port, proxy, tunnel, tls, server_name, f"lasa.http {parts!r} {secret!r}", is_absolute)


def open_route(
    route: Route, policy: Policy, deadline: RequestDeadline, *, must_be_new: bool = False
) -> tuple[Conduit, bool]:
    """Return a connection for a request, and whether it has served one before.

    Args:
        must_be_new: idle ones are closed instead, since one of them has just turned out to be dead.
    Raises:
        SocketTimeout, SocketError: the word of connect(); "ssl handshake failed: E"; "proxy refused: CODE".
    Switches: whenever it has to wait.
    """
    pool = pools().find(route.pool_name)
    if pool is not None:
        while (connection := pool.take_idle()) is not None:
            if not must_be_new and may_take(connection, policy):
                connection.reused += 1
                return _again(connection, policy), True
            connection.give_back()
    terms = PoolTerms(route.pool_name, policy.pool_size, policy.backlog)
    while True:
        deadline.stage = "connect" if pool is None or pool.counted < pool.size else "pool"
        queue_s = deadline.left_of(policy.pool)
        connection = Opening(route.host, route.port, terms, policy.connect, queue_s, deadline.at_s).run()
        if not connection.reused:
            break
        if not must_be_new and may_take(connection, policy):  # it came back while we waited for a place
            return _again(connection, policy), True
        connection.give_back()
    try:
        prepare_route(connection, route, policy, deadline)
        return Conduit(connection, Exchange(h11.CLIENT, policy.limits), policy.send, policy.read), False
    except SocketTimeout as error:
        connection.end()
        raise of_a_connect(error) from error.__cause__
    except BaseException:
        connection.end()
        raise


def may_take(connection: Connection, policy: Policy) -> bool:
    """Whether a connection of a pool is still what the pool's name says.

    A name tells one identity from another, but not a certificate from the one that has replaced it in the same file,
    nor a context of the caller's from itself before the caller changed it. What is outdated is of use to nobody.
    """
    identities = connection.stream.identities
    return not identities or all(policy.identity.made(identity) for identity in identities)


def _again(connection: Connection, policy: Policy) -> Conduit:
    conduit: Conduit = connection.companion
    conduit.send_s = policy.send
    conduit.read_s = policy.read
    conduit.exchange.set_limits(policy.limits)
    return conduit


def prepare_route(connection: Connection, route: Route, policy: Policy, deadline: RequestDeadline) -> None:
    """Do what stands between a new connection and its first request: the proxy's TLS, the tunnel, the server's TLS.

    Raises:
        As open_route(); SocketError: "unread data in buffer", the proxy says more than it was asked for.
    Switches: whenever it has to wait.
    """
    proxy = route.proxy
    deadline.stage = "proxy"
    unread = b""
    if proxy is not None and proxy.scheme == "https":
        _shake_hands(connection, policy.identity, proxy.host, deadline.left_of(policy.tls))
    if route.tunnel is not None:
        assert proxy is not None
        unread = _ask_for_tunnel(connection, route.tunnel, proxy, policy, deadline)
    if route.tls is not None:
        deadline.stage = "tls"
        _shake_hands(connection, route.tls, route.server_name, deadline.left_of(policy.tls), unread)
    elif unread:
        raise SocketError("unread data in buffer")


def _shake_hands(connection: Connection, tls: Tls, server_name: str, wait_s: float, unread: bytes = b"") -> None:
    context = tls.context()
    try:
        name, asked = asked_of(connection, context, tls.asked, server_name.partition("%")[0].removesuffix("."))
        stream = TlsStream(connection.stream, context, server_side=False, server_name=name)
        begin_tls(connection, stream, _hub.Deadline(wait_s), wait_s, asked, unread=unread)
    except SocketTimeout:
        raise
    except SocketError as error:
        why = error.reason.removeprefix(f"{HANDSHAKE_FAILED}: ")
        raise retold(error, f"ssl {HANDSHAKE_FAILED}: {why}") from error


def _ask_for_tunnel(
    connection: Connection, authority: str, proxy: Proxy, policy: Policy, deadline: RequestDeadline
) -> bytes:
    exchange = Exchange(h11.CLIENT, policy.limits)
    items = [field("Host", authority)]
    if proxy.authorization is not None:
        items.append(field("Proxy-Authorization", proxy.authorization))
    request = h11.Request(method=b"CONNECT", target=authority.encode(), headers=Headers(items))
    conduit = Conduit(connection, exchange, policy.send, policy.read)
    alarm = deadline.alarm(conduit.expire)
    try:
        conduit.send(exchange.send(request) + exchange.send(h11.EndOfMessage()))
        event = conduit.next_answer()
        if not 200 <= event.status_code < 300:
            raise ProxyError(f"proxy refused: {event.status_code}")
    finally:
        if alarm is not None:
            alarm.clear()
    return exchange.unread
