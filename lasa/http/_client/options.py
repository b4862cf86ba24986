"""The options of the client and of one request. Nothing here knows the environment, sockets or the clock."""

import os
import ssl
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import IO, TYPE_CHECKING, Annotated, Any, Final, Literal, TypedDict

from lasa._options import LEAST_S, Checker, Opt
from lasa._stream import authorities_of
from lasa._values import integer
from lasa.http._client.proxies import Proxy, choose_proxy
from lasa.http._client.retries import Retries, retries_of
from lasa.http._wire.auth import Auth, authorization_of
from lasa.http._wire.fields import HeaderSource, prepare
from lasa.http._wire.target import Query, parse_target, split_host_port

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

__all__ = ["ANY_PORT", "CLIENT", "ClientOptions", "CommonOptions", "ContentOptions", "RequestOptions", "RouteOptions"]
__all__ += ["REQUEST", "TlsOptions", "WaitOptions", "WholeRequest"]
__all__ += ["path_reader", "server_name_of"]  # a WebSocket's options read likewise

ANY_PORT: Final = 0
REDIRECTS: Final = 10  # of follow_redirects=True

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_authorities: Final = partial(authorities_of, what='bad "ssl_ca" option')
_ANY_TARGETS: Final = (parse_target("http://localhost"), parse_target("https://localhost"))


def _redirects(value: Any) -> int | None:
    return REDIRECTS * value if isinstance(value, bool) else integer(value)


def _proxy(value: Any) -> Any:
    for target in _ANY_TARGETS:
        choose_proxy(target, value, {})  # what is wrong with it is told now and not at a request
    return value


def _cookies(value: Any) -> Any:
    from lasa.http._client.cookies import jar_of  # http.cookiejar takes longer to import than all of lasa

    return jar_of(value)


def _addresses(value: Any) -> dict[tuple[str, int], str]:
    if not isinstance(value, Mapping):
        raise TypeError('bad "addresses" option: a mapping of names to addresses expected')
    return {_pinned(str(name)): _bare(str(address)) for name, address in value.items()}


def _pinned(name: str) -> tuple[str, int]:
    try:
        return split_host_port(f"[{name}]" if name.count(":") > 1 and name[0] != "[" else name, ANY_PORT)
    except ValueError:
        raise ValueError(f'bad "addresses" option: no name of a host: {name!r}') from None


def _bare(address: str) -> str:
    return address[1:-1] if address[:1] == "[" and address[-1:] == "]" else address


def path_reader(name: str, *, key: str = "") -> Callable[[Any], str]:
    """Return what reads an option that is a path, and raises a TypeError if it is none.

    Args:
        key: the option that has the key of a certificate, for who gives both as a pair.
    """

    def read(value: Any) -> str:
        if not isinstance(value, str | os.PathLike):
            hint = f", its key is {key}" if key and isinstance(value, tuple | list) else ""
            raise TypeError(f'bad "{name}" option: path expected, got {type(value).__name__}{hint}')
        return os.fspath(value)

    return read


def server_name_of(value: Any) -> str:
    """Return a name for TLS, as the handshake takes it. Raises: TypeError, ValueError: it is none."""
    if not isinstance(value, str):
        raise TypeError(f'bad "ssl_server_name" option: str expected, got {type(value).__name__}')
    try:
        host, _ = split_host_port(f"[{_bare(value)}]" if ":" in value else value, 443)
    except ValueError:
        raise ValueError(f'bad "ssl_server_name" option value: {value!r}') from None
    return host


def _version(value: Any) -> ssl.TLSVersion | None:
    return value if isinstance(value, ssl.TLSVersion) else _VERSIONS.get(value) if isinstance(value, str) else None


def _context(value: Any) -> ssl.SSLContext:
    if not isinstance(value, ssl.SSLContext):
        raise TypeError('bad "ssl_context" option: ssl.SSLContext expected')
    return value


class TlsOptions(TypedDict, total=False):
    """Who is trusted, and who the client says it is."""

    ssl_verify: Annotated[bool, Opt(means="verify", elsewhere=("verify",), hint="; the trusted authorities are ssl_ca")]
    """Whether the server must have a certificate for its name, of an authority that is trusted."""
    ssl_ca: Annotated[str | bytes | os.PathLike[str] | None, Opt(read=_authorities, means="ca", unset="certifi's")]
    """Other authorities: a file, or its PEM text as bytes."""
    ssl_cert: Annotated[
        str | os.PathLike[str] | None, Opt(read=path_reader("ssl_cert", key="ssl_key"), elsewhere=("cert",))
    ]
    """A file with the client's certificate."""
    ssl_key: Annotated[str | os.PathLike[str] | None, Opt(read=path_reader("ssl_key"))]
    """The file with its key, where that is another one. Two options, no pair."""
    ssl_server_name: Annotated[str | None, Opt(read=server_name_of, means="server_name", unset="the host")]
    """The name to send (SNI) and to verify."""
    ssl_minimum_version: Annotated[
        Literal["1.2", "1.3"] | ssl.TLSVersion, Opt(kind=_version, means="minimum", unset='"1.2"')
    ]
    """The oldest version of TLS to speak: `"1.2"`, `"1.3"` or an ssl.TLSVersion."""
    ssl_context: Annotated[ssl.SSLContext | None, Opt(read=_context, means="own_context", elsewhere=("ssl", "sslopt"))]
    """An ssl.SSLContext of your own, in place of all of these but the name."""


class RouteOptions(TlsOptions, total=False):
    """The way to a server."""

    proxy: Annotated[
        str | Proxy | Mapping[str, Any] | Literal[False] | None,
        Opt(read=_proxy, unset="the environment's", elsewhere=("proxies",)),
    ]
    """A URL, a mapping by scheme, or False for none."""


class WaitOptions(TypedDict, total=False):
    """How long things may take, in seconds."""

    timeout: Annotated[float | None, Opt("s", least=LEAST_S, hint=", for single waits there are connect= and read=")]
    """The whole request, from the name look-up to the last byte of the body, redirects and retries included; None: \
only single waits are bounded."""
    connect: Annotated[float, Opt("s", least=LEAST_S)]
    """The wait for a connection, the name look-up included."""
    tls: Annotated[float, Opt("s", least=LEAST_S)]
    """The wait for the TLS handshake."""
    send: Annotated[float, Opt("s", least=LEAST_S)]
    """A wait while the server takes nothing."""
    pool: Annotated[float, Opt("s", least=LEAST_S)]
    """The wait for a place among the connections."""


class CommonOptions(WaitOptions, RouteOptions, total=False):
    """What a client, a request and a subscription to events take."""

    headers: Annotated[HeaderSource, Opt(read=prepare, unset="none")]
    """Sent with each request. A list repeats a field, None leaves an automatic one out."""
    pool_size: Annotated[int, Opt(least=1)]
    """Connections to one server, by one kind of TLS and proxy, in use and idle."""
    backlog: Annotated[int, Opt(least=0)]
    """Requests that may wait for one of them."""
    keepalive: Annotated[float, Opt("s", least=0)]
    """How long an idle connection is kept; 0 closes it behind its response."""
    follow_redirects: Annotated[
        bool | int, Opt(kind=_redirects, least=0, elsewhere=("allow_redirects", "max_redirects"))
    ]
    """How many redirects are followed; True follows ten."""
    allow_downgrade: Annotated[bool, Opt()]
    """Whether a redirect may lead from https to http."""
    retries: Annotated[bool | int | Retries | Mapping[str, Any] | None, Opt(read=retries_of)]
    """How many more tries there may be, True for two; or `lasa.http.Retries(…)`."""
    cookies: Annotated["Mapping[str, str | int] | CookieJar | None", Opt(read=_cookies)]
    """`{}` begins an empty jar, a mapping one with these cookies for the first host; or an http.cookiejar.CookieJar."""
    auth: Annotated[Auth, Opt(read=authorization_of, means="authorization")]
    """`(user, password)` for Basic, a str for Bearer."""
    addresses: Annotated[Mapping[str, str], Opt(read=_addresses, unset="none")]
    """Where to connect to for a name: `{"name": "127.0.0.1"}`, also `unix:/path`."""
    decode: Annotated[bool, Opt()]
    """False asks for "identity", and leaves what is compressed as it is. A request with `Range` asks likewise."""
    expect: Annotated[bool, Opt()]
    """Whether "Expect: 100-continue" goes with a stream, which waits for the server's word then."""
    max_body: Annotated[int | None, Opt("bytes", least=0, unset="256 MiB, streams none")]
    """Bytes of a body, on the wire and decompressed."""
    max_ratio: Annotated[int | None, Opt(least=1)]
    """Where a body has a limit: beyond 16 MiB it is decompressed to so many times what has come, and no further, \
since a few kilobytes can stand for all of `max_body`; None for any ratio."""
    max_head: Annotated[int, Opt("bytes", least=1)]
    """Bytes of an answer's head."""
    max_headers: Annotated[int, Opt(least=1)]
    """Fields in an answer's head."""


class ClientOptions(CommonOptions, total=False):
    """What lasa.http.client.new() takes, for all requests of a client."""

    read: Annotated[float, Opt("s", least=LEAST_S)]
    """A wait while the server sends nothing."""


class ContentOptions(CommonOptions, total=False):
    """What is sent."""

    query: Annotated[Query, Opt(elsewhere=("params",))]
    """Parameters to add to the URL: a mapping, pairs, or text."""
    body: Annotated[
        str | bytes | bytearray | memoryview | os.PathLike[str] | IO[Any] | Iterable[Any] | Callable[[], Any] | None,
        Opt(elsewhere=("content",)),
    ]
    """What is sent: bytes, text, a file or its path, an iterable of pieces, or a function that returns the next one."""
    json: Annotated[Any, Opt()]
    """A value that is sent as JSON."""
    form: Annotated[Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None, Opt(elsewhere=("data",))]
    """The fields of a form; a list as value repeats its name."""


class RequestOptions(ClientOptions, ContentOptions, total=False):
    """What one request takes, beside its URL: whatever the client does, for this request alone, and what is sent."""

    files: Annotated[Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None, Opt()]
    """Files of a multipart form: a path, an open file, or `(filename, content, content_type, headers)`."""
    stream: Annotated[bool, Opt(default=False)]
    """Whether the body is left to be read from the response, as it arrives."""
    progress: Annotated[Callable[[int, int | None], object] | None, Opt()]
    """A function that is called with the bytes so far, and the total or None, for each piece of the answer."""


class WholeRequest(RequestOptions, total=False):
    """What request() takes, as keywords or as a mapping."""

    url: Annotated[str, Opt()]
    """Where to: "http://…", "https://…" or "http://unix:/path.sock:/uri"."""
    method: Annotated[str | None, Opt(unset="GET, with a body POST")]
    """The method."""


CLIENT: Final = Checker(ClientOptions)
REQUEST: Final = Checker(ClientOptions, known=WholeRequest)  # its hints tell what is sent, too
