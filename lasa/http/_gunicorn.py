"""gunicorn's settings in the terms of lasa's server, and lasa's requests in the terms of gunicorn's hooks and logs.

A setting that gunicorn's manual gives a meaning is honoured, or the arbiter tells before it forks that it is not.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

from lasa.http._server.access_log import Served
from lasa.http._server.refusal import BadRequest
from lasa.http._server.request import Request
from lasa.http.wsgi import Environ, add_field, mounted

__all__ = ["Adapter", "answer_for_hooks", "check_settings", "environ_for_logs", "limits_of", "request_for_hooks"]

MOST_FIELDS: Final = 32_768  # gunicorn's own bounds: what is beyond means as much
MOST_OF_A_LINE: Final = 8190
MOST_OF_A_HEAD: Final = 16 * 1024 * 1024  # bytes, where the manual says "unlimited"
LINE_END: Final = 2

# Settings without effect, when they are in effect elsewhere, and why not here.
_WITHOUT_EFFECT: Final[tuple[tuple[str, Callable[[Any], bool], str], ...]] = (
    ("permit_obsolete_folding", bool, "folded header lines are refused"),
    ("strip_header_spaces", bool, "a blank before the colon of a header is refused"),
    ("permit_unconventional_http_version", bool, "HTTP/1.0 and HTTP/1.1 are served, and no other version"),
    ("casefold_http_method", bool, "methods are handed on as they come"),
    ("http_protocols", lambda value: "h2" in value, "HTTP/2 is not offered"),
    ("http2_cleartext", lambda value: value not in (None, False, "off"), "HTTP/2 is not offered"),
    ("http_parser", lambda value: value == "fast", "lasa has a parser of its own"),
    ("tmp_upload_dir", bool, "the server stores no bodies"),
    ("suppress_ragged_eofs", lambda value: value is False, "TLS that ends without a word has ended"),
    ("threads", lambda value: value > 1, "each connection has a light thread"),
)


def check_settings(cfg: Any, log: Any, worker: str) -> None:
    """Refuse what could not be served at all, and warn of what has no effect.

    Args:
        cfg: gunicorn's configuration; older versions have fewer settings.
        log: gunicorn's.
        worker: the worker's name, for people.
    Raises:
        RuntimeError: with the setting and what to do.
    """
    if getattr(cfg, "proxy_protocol", "off") not in (False, None, "off"):
        raise RuntimeError(f"{worker} does not speak the PROXY protocol: drop proxy_protocol")
    protocol = getattr(cfg, "protocol", "http")
    if protocol != "http":
        raise RuntimeError(f"{worker} speaks HTTP and no {protocol}: drop protocol")
    if getattr(cfg, "worker_connections", 1) < 1:
        raise RuntimeError(f"{worker} needs worker_connections of at least 1")
    for name, is_in_effect, why in _WITHOUT_EFFECT:
        value = getattr(cfg, name, None)
        if value is not None and is_in_effect(value):
            log.warning("%s has no effect on %s: %s", name, worker, why)
    if hasattr(cfg, "limit_request_line") and limits_of(cfg)["max_head"] == MOST_OF_A_HEAD:
        log.warning("%s takes request heads of up to %d bytes, and no larger ones", worker, MOST_OF_A_HEAD)


def limits_of(cfg: Any) -> dict[str, Any]:
    """Return the limits for lasa.http.server.new(); 0 is unlimited, and keepalive 0 closes behind each answer."""
    fields, field, line = cfg.limit_request_fields, cfg.limit_request_field_size, cfg.limit_request_line
    if not 0 < fields <= MOST_FIELDS:
        fields = MOST_FIELDS
    limits = {
        "max_connections": cfg.worker_connections,
        "max_headers": fields,
        "max_request_line": min(line, MOST_OF_A_LINE) + LINE_END if line > 0 else MOST_OF_A_HEAD,
        "max_head": MOST_OF_A_HEAD,
    }
    if field > 0:
        limits["max_field"] = field  # gunicorn too counts the line end of a field, but not that of the first line
        limits["max_head"] = min(limits["max_request_line"] + fields * field + LINE_END, MOST_OF_A_HEAD)
    if cfg.keepalive > 0:
        limits["idle_timeout_s"] = cfg.keepalive
    else:
        limits["max_requests"] = 1
    return limits


class Adapter:
    """Puts what a trusted proxy says into an environ; the argument ``adapt`` of ``lasa.http.wsgi.handler_of``.

    Who is trusted, and with what, is said by forwarded_allow_ips, secure_scheme_headers, forwarder_headers and
    header_map.
    """

    def __init__(self, cfg: Any) -> None:
        allowed = cfg.forwarded_allow_ips
        self._trusts_all = "*" in allowed
        self._networks = [ipaddress.ip_network(one, strict=False) for one in allowed if one != "*"]
        self._schemes = {name.upper(): value for name, value in cfg.secure_scheme_headers.items()}
        self._forwarded = frozenset(name.upper() for name in cfg.forwarder_headers)
        self._map = cfg.header_map
        self._has_siblings = cfg.workers > 1

    def __call__(self, request: Request, environ: Environ) -> None:
        """Change the environ.

        Raises:
            BadRequest: headers that contradict each other, or that header_map refuses; the server answers 400.
        """
        environ["wsgi.multiprocess"] = self._has_siblings
        is_trusted = self._trusts(request)
        script_name: str | None = None
        schemes: set[str] = set()
        for name, value in request.headers.items():
            name = name.upper()
            if "_" in name:
                if self._admits(name, is_trusted):
                    add_field(environ, "HTTP_" + name.replace("-", "_"), value)
                    if name == "SCRIPT_NAME" and is_trusted:
                        script_name = value
            elif is_trusted and name in self._schemes:
                schemes.add("https" if value == self._schemes[name] else "http")
        if len(schemes) > 1:
            raise BadRequest("contradictory scheme headers")
        if schemes:
            environ["wsgi.url_scheme"] = schemes.pop()
        if script_name is not None:
            environ.update(mounted(request, script_name.rstrip("/")))

    def _admits(self, name: str, is_trusted: bool) -> bool:
        if is_trusted and (name in self._forwarded or "*" in self._forwarded):
            return True
        if self._map == "refuse":
            raise BadRequest("underscore in a header name")
        return bool(self._map == "dangerous")

    def _trusts(self, request: Request) -> bool:
        host, port = request.peer
        if port is None or self._trusts_all:
            return True
        address = ipaddress.ip_address(host.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address  # an IPv6 socket shows clients of IPv4 so
        return any(address in network for network in self._networks)


# -- what hooks and logs get


def request_for_hooks(request: Request) -> Any:
    """Return what gunicorn's pre_request and post_request know of a request."""
    path, _, query = request.target.partition("?")
    host, port = request.peer
    address = "" if port is None else (host, port)
    return SimpleNamespace(
        method=request.method,
        uri=request.target,
        path=path,
        query=query,
        fragment="",
        version=tuple(int(part) for part in request.http_version.split(".")),
        headers=[(name.upper(), value) for name, value in request.headers.items()],
        trailers=[],
        scheme=request.scheme,
        peer_addr=address,
        remote_addr=address,
    )


def answer_for_hooks(served: Served) -> Any:
    """Return what gunicorn's post_request and its access log know of an answer."""
    response = served.response
    reason = "" if response is None else response.reason.decode("latin-1")
    return SimpleNamespace(
        status=f"{served.status} {reason}",
        status_code=served.status,
        headers=[]
        if response is None
        else [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers],
        sent=served.sent_bytes,
    )


def environ_for_logs(served: Served) -> Environ:
    """Return what gunicorn's access log asks of an environ, also where no application had one."""
    path, _, query = served.target.partition("?")
    environ = {
        "REQUEST_METHOD": served.method,
        "RAW_URI": served.target,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": f"HTTP/{served.http_version}",
        "REMOTE_ADDR": served.peer,
    }
    if served.request is not None:
        for name, value in served.request.headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ
