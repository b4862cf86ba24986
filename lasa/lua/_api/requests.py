"""What a content handler in Lua asks of its request, and hands over for its client.

Lua knows a request by the number of what runs for it. Nothing here imports lasa.http: programs have no requests.
"""

from __future__ import annotations

import os
import socket as stdlib_socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from lasa import _hub

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives", "normalized"]


class _Arrivals:
    """The requests of a runtime. Most scripts ask so little that what stands for their request is made when they do.

    Attributes:
        request: the one whose first step runs.
        make: makes what stands for it, of the runtime, its number and itself; serving.py sets it.
        made: what was made.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime  # a weak proxy, as natives have it: Lua holds what holds this
        self.request: Any = None
        self.make: Callable[..., Any] | None = None
        self.made: Any = None

    def of(self, number: int) -> Any:
        """Return what a request's light threads run for."""
        context = self._runtime.contexts.get(number)
        if context is None and self.make is not None:
            context = self.made = self.make(self._runtime.itself, number, self.request)
        return context


def natives(runtime: Runtime) -> dict[str, Any]:
    """Return what the chunks of requests and responses need; the first argument is a request's number.

    Those that may switch, which Lua calls by way of the driver: send, send_last, send_whole, take_over and read_body.
    And "arrivals" is for serving.py, not for Lua.
    """
    arrivals = _Arrivals(runtime)
    of = arrivals.of
    return {**_of_head(of), **_of_connection(of), **_of_process(), **_of_answer(of), "arrivals": arrivals}


def _of_head(of: Callable[[int], Any]) -> dict[str, Callable[..., Any]]:
    def method(number: int) -> bytes:
        return of(number).request.method.encode()  # type: ignore[no-any-return]

    def target(number: int) -> bytes:
        return of(number).request.target.encode()  # type: ignore[no-any-return]

    def request_uri(number: int) -> bytes:
        request = of(number).request
        text: str = request.target
        if "://" in text and not text.startswith("/"):
            text = request.raw_path + text[len(text.partition("?")[0]) :]
        return text.encode()

    def uri(number: int) -> bytes:
        return normalized(of(number).request.raw_path.encode())

    def args(number: int) -> bytes | None:
        query = of(number).request.target.partition("?")[2]
        return query.encode() if query else None

    def http_version(number: int) -> float:
        return float(of(number).request.http_version)

    def protocol(number: int) -> bytes:
        return b"HTTP/" + of(number).request.http_version.encode()  # type: ignore[no-any-return]

    def headers(number: int) -> bytes:
        items = of(number).request._event.headers._full_items
        return b"".join([b"%s\n%s\n" % (name, value) for name, _, value in items])

    def raw_header(number: int, without_line: bool) -> bytes:
        return of(number).raw_head(without_line)  # type: ignore[no-any-return]

    def host(number: int) -> bytes:
        text: str = of(number).request.host.lower()
        if text.startswith("["):
            return text.partition("]")[0].encode() + b"]"
        return text.partition(":")[0].encode()

    return {
        "method": method,
        "target": target,
        "request_uri": request_uri,
        "uri": uri,
        "args": args,
        "http_version": http_version,
        "protocol": protocol,
        "headers": headers,
        "raw_header": raw_header,
        "host": host,
    }


def _of_connection(of: Callable[[int], Any]) -> dict[str, Callable[..., Any]]:
    def scheme(number: int) -> bytes:
        return of(number).request.scheme.encode()  # type: ignore[no-any-return]

    def remote_addr(number: int) -> bytes:
        return of(number).request.peer[0].encode()  # type: ignore[no-any-return]

    def binary_remote_addr(number: int) -> bytes:
        host: str = of(number).request.peer[0]
        for family in (stdlib_socket.AF_INET, stdlib_socket.AF_INET6):
            try:
                return stdlib_socket.inet_pton(family, host)
            except OSError:
                continue
        return host.encode()

    def remote_port(number: int) -> bytes:
        return _text(of(number).request.peer[1])

    def server_addr(number: int) -> bytes:
        return of(number).request.local[0].encode()  # type: ignore[no-any-return]

    def server_port(number: int) -> bytes:
        return _text(of(number).request.local[1])

    def start_time(number: int) -> float:
        return int((_hub.clock.system_s() - float(of(number).age_s)) * 1000) / 1000  # never later than ngx.now()

    def request_time(number: int) -> bytes:
        return b"%.3f" % of(number).age_s

    def request_length(number: int) -> bytes:
        return b"%d" % of(number).received

    def request_id(number: int) -> bytes:
        return of(number).random_id  # type: ignore[no-any-return]

    def connection(number: int) -> bytes:
        return b"%d" % of(number).connection_number

    def connection_requests(number: int) -> bytes:
        return b"%d" % of(number).request_number

    def body_bytes_sent(number: int) -> bytes:
        return b"%d" % of(number).sent

    def keeps_alive(number: int) -> bool:
        return of(number).keeps_alive  # type: ignore[no-any-return]

    return {
        "scheme": scheme,
        "remote_addr": remote_addr,
        "binary_remote_addr": binary_remote_addr,
        "remote_port": remote_port,
        "server_addr": server_addr,
        "server_port": server_port,
        "start_time": start_time,
        "request_time": request_time,
        "request_length": request_length,
        "request_id": request_id,
        "connection": connection,
        "connection_requests": connection_requests,
        "bytes_sent": body_bytes_sent,
        "body_bytes_sent": body_bytes_sent,
        "keeps_alive": keeps_alive,
    }


def _of_process() -> dict[str, Callable[..., Any]]:
    folder = os.fsencode(os.getcwd())
    return {
        "document_root": lambda: folder,
        "realpath_root": lambda: os.path.realpath(folder),
        "hostname": lambda: stdlib_socket.gethostname().encode(),
        "pid": lambda: b"%d" % os.getpid(),
    }


def _of_answer(of: Callable[[int], Any]) -> dict[str, Callable[..., Any]]:
    def by(name: str) -> Callable[..., Any]:
        def call(number: int, *arguments: Any) -> Any:
            return getattr(of(number), name)(*arguments)

        return call

    names = ("send", "send_last", "send_whole", "take_over", "read_body", "body_socket", "has_body")
    return {name: by(name) for name in (*names, "watch_client", "remove_later", "put_in_file")}


def _text(port: int | None) -> bytes:
    return b"" if port is None else b"%d" % port


def normalized(path: bytes) -> bytes:
    """Return a path as nginx's $uri has it: decoded, without empty, "." and ".." segments."""
    if not path.startswith(b"/"):
        return path
    if b"%" in path:
        path = unquote_to_bytes(path)
    if b"//" not in path and b"/." not in path:
        return path
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    is_folder = kept and segments[-1] in (b"", b".", b"..")
    return b"/" + b"/".join(kept) + (b"/" if is_folder else b"")
