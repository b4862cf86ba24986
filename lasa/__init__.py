"""Light threads and cosockets: straight-line network code. The picture is in docs/architecture.md."""

from lasa import coroutine, semaphore, socket, thread, timer
from lasa._hub import monotonictime, now, sleep, update_time
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
from lasa.errors import Error, SocketClosed, SocketError, SocketTimeout, check
from lasa.log import LogLevel, log

__all__ = [
    "Error",
    "LogLevel",
    "SocketClosed",
    "SocketError",
    "SocketTimeout",
    "check",
    "coroutine",
    "decode_base64",
    "decode_base64mime",
    "decode_base64url",
    "encode_base64",
    "encode_base64url",
    "escape_uri",
    "hmac_sha1",
    "log",
    "md5",
    "md5_bin",
    "monotonictime",
    "now",
    "semaphore",
    "sha1",
    "sha1_bin",
    "sleep",
    "socket",
    "thread",
    "timer",
    "unescape_uri",
    "update_time",
    "uuid",
]
