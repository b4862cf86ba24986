"""What nginx has as directives: settings of a runtime, from arguments, the environment and lasa.toml.

An argument goes before the command line's ``--set name=value``, that before the environment's ``LASA_NAME``, and that
before the file's ``name = value``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from lasa.lua._levels import NUMBER_OF
from lasa.socket._options import did_you_mean

__all__ = ["FILE", "BadSetting", "Settings", "load_settings"]

FILE: Final = "lasa.toml"
PREFIX: Final = "LASA_"

_SIZE: Final = re.compile(r"([0-9]+)([kKmM]?)")
_FACTORS: Final = {"": 1, "k": 1024, "m": 1024 * 1024}


class BadSetting(ValueError):
    """A setting that is unknown, or whose value it cannot have."""


def _at_least(least: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool):
            raise ValueError
        number = int(value)
        if number < least or number >= 2**31:
            raise ValueError
        return number

    return read


def _size(value: Any) -> int:
    match = _SIZE.fullmatch(str(value))
    if match is None or not int(match[1]):
        raise ValueError
    return int(match[1]) * _FACTORS[match[2].lower()]


def _switch(value: Any) -> bool:
    found = {"on": True, "off": False, "true": True, "false": False, "1": True, "0": False}.get(str(value).lower())
    if found is None:
        raise ValueError
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _sizes(value: Any) -> dict[str, int]:
    return {_text(name): _size(size) for name, size in value.items()}


def _level(value: Any) -> str:
    if value not in NUMBER_OF:
        raise ValueError
    return str(value)


_READERS: Final[dict[str, tuple[Callable[[Any], Any], str]]] = {
    "ms": (_at_least(1), "milliseconds, at least 1"),
    "ms_or_0": (_at_least(0), "milliseconds"),
    "count": (_at_least(1), "a number, at least 1"),
    "depth": (_at_least(0), "a number"),
    "size": (_size, "bytes, as in 4096, 4k or 1m"),
    "switch": (_switch, "on or off"),
    "text": (_text, "a text"),
    "level": (_level, f"one of {', '.join(NUMBER_OF)}"),
    "sizes": (_sizes, "names with sizes, as in 4096, 4k or 1m"),
}


def _setting(kind: str, default: Any) -> Any:
    if isinstance(default, dict):
        return field(default_factory=dict, metadata={"kind": kind})
    return field(default=default, metadata={"kind": kind})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings by name; nginx has them as ``lua_NAME``.

    Attributes:
        socket_connect_timeout, socket_send_timeout, socket_read_timeout: milliseconds, 60,000 for ``ngx`` as in
            OpenResty, and unless set 30,000 for ``lasa`` as in the seed.
        socket_keepalive_timeout: milliseconds that a connection stays in a pool, 0 for ever.
        socket_pool_size: connections that a pool holds.
        socket_buffer_size: bytes of a read.
        socket_log_errors: whether failures of sockets are logged.
        ssl_trusted_certificate, ssl_crl: files; ssl_verify_depth, ssl_protocols ("TLSv1.2 TLSv1.3"), ssl_ciphers,
            ssl_conf_command ("name value"), ssl_certificate and ssl_certificate_key (the client's own): as nginx.
        max_pending_timers, max_running_timers: how many there may be.
        resolver, resolver_timeout: name servers' addresses, and milliseconds.
        init, init_worker: Lua files that `lasa serve` runs before the first request: once, and in each process.
        check_client_abort: whether a handler is ended when its client has gone.
        log_level: what is logged at least, by nginx's names: "debug", "info", "notice" …; `print` says "notice". By
            default a program's is "notice", and that of `lasa serve` is for --log-level to say.
        shared_dict: ngx.shared's names and sizes in bytes.
        max_hold_ms: how long Lua may run without a wait before it is interrupted; 0 for no limit.
        warn_hold_ms: how long before a warning names the line; 0 for no warning.
    """

    socket_connect_timeout: int | None = _setting("ms", None)
    socket_send_timeout: int | None = _setting("ms", None)
    socket_read_timeout: int | None = _setting("ms", None)
    socket_keepalive_timeout: int = _setting("ms_or_0", 60_000)
    socket_pool_size: int = _setting("count", 30)
    socket_buffer_size: int = _setting("size", 8192)
    socket_log_errors: bool = _setting("switch", True)
    ssl_trusted_certificate: str | None = _setting("text", None)
    ssl_verify_depth: int | None = _setting("depth", None)
    ssl_crl: str | None = _setting("text", None)
    ssl_protocols: str | None = _setting("text", None)
    ssl_ciphers: str | None = _setting("text", None)
    ssl_conf_command: str | None = _setting("text", None)
    ssl_certificate: str | None = _setting("text", None)
    ssl_certificate_key: str | None = _setting("text", None)
    max_pending_timers: int = _setting("count", 1024)
    max_running_timers: int = _setting("count", 256)
    resolver: str | None = _setting("text", None)
    resolver_timeout: int = _setting("ms", 30_000)
    shared_dict: Mapping[str, int] = _setting("sizes", {})
    init: str | None = _setting("text", None)
    init_worker: str | None = _setting("text", None)
    check_client_abort: bool = _setting("switch", False)
    log_level: str | None = _setting("level", None)
    max_hold_ms: int = _setting("ms_or_0", 0)
    warn_hold_ms: int = _setting("ms_or_0", 1000)

    @property
    def timeouts_s(self) -> dict[str, float]:
        """For ngx.socket: as TcpSocket.limit_waits() takes them."""
        return self._timeouts_s(60_000)

    @property
    def safe_timeouts_s(self) -> dict[str, float]:
        """For lasa.socket."""
        return self._timeouts_s(30_000)

    def _timeouts_s(self, default_ms: int) -> dict[str, float]:
        return {
            "connect_s": (self.socket_connect_timeout or default_ms) / 1000,
            "send_s": (self.socket_send_timeout or default_ms) / 1000,
            "read_s": (self.socket_read_timeout or default_ms) / 1000,
        }

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Check the values and return the settings.

        Raises:
            BadSetting: an unknown name, or a value that it cannot have.
        """
        return cls(**_checked(values, where))


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    kinds = {each.name: each.metadata["kind"] for each in fields(Settings)}
    checked = {}
    for name, value in values.items():
        if name not in kinds:
            raise BadSetting(f"{where}unknown setting {name!r}{did_you_mean(name, kinds)}")
        reader, expected = _READERS[kinds[name]]
        try:
            checked[name] = reader(value)
        except (ValueError, TypeError, AttributeError):
            raise BadSetting(f"{where}{name}: {expected} expected, got {value!r}") from None
    return checked


def load_settings(
    arguments: Mapping[str, Any], chosen: Mapping[str, str] | None = None, *, folder: str | None = None
) -> Settings:
    """Return the settings from arguments, the command line's choices, the environment and lasa.toml, in this order.

    Args:
        arguments: by name.
        chosen: from --set; "shared_dict.NAME" declares one dictionary.
        folder: where lasa.toml is looked for; None for the current one.
    Raises:
        BadSetting: and says where it stands.
    """
    values = _from_file(os.path.join(folder or os.curdir, FILE))
    values |= _checked(_from_environment(), "environment: ")
    for name, value in (chosen or {}).items():
        group, dot, key = name.partition(".")
        if dot and group == "shared_dict":
            values[group] = {**values.get(group, {}), **_checked({group: {key: value}}, "--set: ")[group]}
        else:
            values |= _checked({name: value}, "--set: ")
    return Settings(**(values | _checked(arguments, "")))


def _from_file(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadSetting(f"{path}: {error}") from None
    import tomllib  # most programs have no such file

    try:
        values = tomllib.loads(text.decode())
    except ValueError as error:  # its own, and bytes that are no UTF-8
        raise BadSetting(f"{path}: {error}") from None
    return _checked(values, f"{path}: ")


def _from_environment() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in fields(Settings):
        value = os.environ.get(PREFIX + each.name.upper())
        if value:
            found[each.name] = _dictionaries(value) if each.name == "shared_dict" else value
    return found


def _dictionaries(text: str) -> dict[str, str]:
    # LASA_SHARED_DICT="dogs=1m cats=64k"
    return {name: size for name, _, size in (item.partition("=") for item in text.split())}
