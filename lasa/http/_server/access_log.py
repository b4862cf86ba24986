"""One line per served request, through logging, to the logger ``lasa.http.access``.

What a peer sends must not be able to end the line, leave its quotes or drive a terminal, so everything but printable
ASCII is escaped. Neither form depends on the locale or the time zone of the process.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lasa._functions import check_function

if TYPE_CHECKING:
    import h11

__all__ = ["AccessLog", "Served", "access_logger", "combined_line", "json_line"]

_LOGGER: Final = logging.getLogger("lasa.http.access")

# Not strftime's %b, which speaks the locale's language.
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_UNSAFE_IN_QUOTES: Final = re.compile(r"[^ !#-\[\]-~]")
_UNSAFE_IN_A_WORD: Final = re.compile(r"[^!#-\[\]-~]")

_to_json: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Served:
    """One request that was answered.

    Attributes:
        peer: who asked, as the server knows it.
        time_s: when the request came, in seconds of Unix time.
        method: "" where nothing came that could be read as a request.
        target: as it was sent.
        http_version: such as "1.1".
        status: of the answer.
        sent_bytes: of the answer's body.
        referer: the header; None where there was none.
        user_agent: the same.
        duration_s: from the request's first byte to the answer's last.
        request, response: what else is known of both, for a log of another form; None where there was none.
    """

    peer: str
    time_s: float
    method: str
    target: str
    http_version: str
    status: int
    sent_bytes: int
    referer: str | None
    user_agent: str | None
    duration_s: float
    request: Any = None
    response: h11.Response | None = None


AccessLog = Callable[[Served], None]


def combined_line(served: Served) -> str:
    r"""Return the line in Apache's combined format, with the time in UTC and without its end.

    Quotes, backslashes and all that is not printable ASCII are written as nginx does: ``\xHH`` for each byte.
    """
    request = f"{_quotable(served.method)} {_quotable(served.target)} HTTP/{_quotable(served.http_version)}"
    return (
        f"{_UNSAFE_IN_A_WORD.sub(_escaped, served.peer) or '-'} - - [{_time_text(int(served.time_s))}] "
        f'"{request if served.method else "-"}" {served.status} {served.sent_bytes or "-"} '
        f'"{_quotable(served.referer or "-")}" "{_quotable(served.user_agent or "-")}"'
    )


def json_line(served: Served) -> str:
    """Return the line as a JSON object, without its end.

    Its members are those of Served but for request and response, ``time`` being in ISO 8601.
    """
    whole_s, milliseconds = divmod(int(served.time_s * 1000), 1000)
    year, month, day, hour, minute, second, *_ = time.gmtime(whole_s)
    line = _to_json(
        {
            "time": f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z",
            "peer": served.peer,
            "method": served.method,
            "target": served.target,
            "http_version": served.http_version,
            "status": served.status,
            "sent_bytes": served.sent_bytes,
            "referer": served.referer,
            "user_agent": served.user_agent,
            "duration_s": round(served.duration_s, 6),
        }
    )
    return line.replace("\x7f", r"\u007f")  # the one control character that JSON lets through


def access_logger(form: str | bool | AccessLog | None) -> AccessLog | None:
    """Return what to call with each served request, or None: then there is no need to gather what it takes.

    Ask anew for every connection: it costs one look-up, and logging may be set up while a server runs.

    Args:
        form: "combined" (True means the same) or "json" for a line at level INFO; a function to be called instead;
            None or False for nothing.
    Returns:
        None also where the logger is not enabled for INFO.
    Raises:
        ValueError: "bad access log form": another word.
        TypeError: neither of those.
    """
    if form is None or form is False:
        return None
    if callable(form):
        check_function(form, "access_log")
        return form
    if form is True:
        form = "combined"
    if not isinstance(form, str):
        raise TypeError(f"bad access log form: {form!r}")
    if form not in _WRITERS:
        raise ValueError(f"bad access log form: {form!r}")
    return _WRITERS[form] if _LOGGER.isEnabledFor(logging.INFO) else None


def _write_combined(served: Served) -> None:
    if _LOGGER.isEnabledFor(logging.INFO):
        _LOGGER.info(combined_line(served))  # without further arguments logging does not %-format


def _write_json(served: Served) -> None:
    if _LOGGER.isEnabledFor(logging.INFO):
        _LOGGER.info(json_line(served))


_WRITERS: Final[dict[str, AccessLog]] = {"combined": _write_combined, "json": _write_json}


def _quotable(text: str) -> str:
    return _UNSAFE_IN_QUOTES.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFF:
        return f"\\x{code:02X}"  # a header's bytes are read as Latin-1
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02X}"  # or by surrogateescape
    return "".join(f"\\x{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


_last_time: tuple[int, str] = (-1, "")  # one object, so that OS threads never see half of it


def _time_text(whole_s: int) -> str:
    global _last_time
    last_s, text = _last_time
    if whole_s != last_s:
        year, month, day, hour, minute, second, *_ = time.gmtime(whole_s)
        text = f"{day:02}/{_MONTHS[month - 1]}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000"
        _last_time = (whole_s, text)
    return text
