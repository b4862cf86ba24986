"""Light threads and cosockets: straight-line network code. The picture is in docs/architecture.md."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lasa import coroutine, semaphore, socket, thread, timer
from lasa._channel import Channel, channel
from lasa._detached import Detached, detach
from lasa._hub import monotonictime, now, sleep, update_time
from lasa._to_thread import set_thread_limit, to_thread
from lasa.codec import (
    decode_base64,
    decode_base64mime,
    decode_base64url,
    encode_base64,
    encode_base64url,
    escape_uri,
    hmac_sha1,
    md5,
    md5_bin,
    sha1,
    sha1_bin,
    unescape_uri,
    uuid,
)
from lasa.errors import (
    BadAddress,
    CertificateError,
    ConnectError,
    ConnectTimeout,
    Error,
    LimitExceeded,
    NameNotFound,
    PoolFull,
    ProxyError,
    SocketBroken,
    SocketBusy,
    SocketClosed,
    SocketDenied,
    SocketError,
    SocketNotFound,
    SocketRefused,
    SocketReset,
    SocketTimeout,
    StreamEnded,
    SystemTimeout,
    TlsError,
    TlsHandshakeError,
    Word,
    check,
)
from lasa.log import LogLevel, log

if TYPE_CHECKING:
    from lasa import http, websocket

__all__ = [
    "BadAddress",
    "CertificateError",
    "Channel",
    "ConnectError",
    "ConnectTimeout",
    "Detached",
    "Error",
    "LimitExceeded",
    "LogLevel",
    "NameNotFound",
    "PoolFull",
    "ProxyError",
    "SocketBroken",
    "SocketBusy",
    "SocketClosed",
    "SocketDenied",
    "SocketError",
    "SocketNotFound",
    "SocketRefused",
    "SocketReset",
    "SocketTimeout",
    "StreamEnded",
    "SystemTimeout",
    "TlsError",
    "TlsHandshakeError",
    "Word",
    "channel",
    "check",
    "coroutine",
    "decode_base64",
    "decode_base64mime",
    "decode_base64url",
    "detach",
    "encode_base64",
    "encode_base64url",
    "escape_uri",
    "hmac_sha1",
    "http",
    "log",
    "md5",
    "md5_bin",
    "monotonictime",
    "now",
    "semaphore",
    "set_thread_limit",
    "sha1",
    "sha1_bin",
    "sleep",
    "socket",
    "thread",
    "timer",
    "to_thread",
    "unescape_uri",
    "update_time",
    "uuid",
    "websocket",
]

_LAZY = ("http", "websocket")  # imported when they are first used: they take as long as all the rest


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f"lasa.{name}")
    raise AttributeError(f"module 'lasa' has no attribute {name!r}")
