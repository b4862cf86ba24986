"""What nginx has as directives: settings of a runtime, from arguments, the environment and lasa.toml.

An argument goes before the command line's ``--set name=value``, that before the environment's ``LASA_NAME``, and that
before the file's ``name = value``.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Final, Self

from lasa._options import Checker, Opt, declared
from lasa.lua._levels import NUMBER_OF

__all__ = ["FILE", "BadSetting", "Settings", "load_settings"]

FILE: Final = "lasa.toml"
PREFIX: Final = "LASA_"

_SIZE: Final = re.compile(r"([0-9]{1,15})([kKmM]?)")
_FACTORS: Final = {"": 1, "k": 1024, "m": 1024 * 1024}


class BadSetting(ValueError):
    """A setting that is unknown, or whose value it cannot have."""


def _whole(value: Any) -> int | None:
    try:
        found = None if isinstance(value, bool) else int(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return None if found is None or found >= 2**31 else found


def _size(value: Any) -> int | None:
    match = _SIZE.fullmatch(str(value))
    return (match and int(match[1]) * _FACTORS[match[2].lower()]) or None


def _switch(value: Any) -> bool | None:
    return {"on": True, "off": False, "true": True, "false": False, "1": True, "0": False}.get(str(value).lower())


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _sizes(value: Any) -> dict[str, int] | None:
    if not isinstance(value, Mapping):
        return None
    sizes = {name: _size(size) for name, size in value.items() if _text(name)}
    return None if len(sizes) < len(value) or None in sizes.values() else sizes  # type: ignore[return-value]


def _level(value: Any) -> str | None:
    return value if isinstance(value, str) and value in NUMBER_OF else None


_MS: Final = Opt("ms", least=1, hint="milliseconds, at least 1")
_MS_OR_0: Final = Opt("ms", least=0, hint="milliseconds")
_COUNT: Final = Opt(least=1, hint="a number, at least 1")
_SWITCH: Final = Opt(hint="on or off")
_TEXT: Final = Opt(hint="a text")
_LEVEL: Final = Opt(kind=_level, hint=f"one of {', '.join(NUMBER_OF)}")
_SIZES: Final = Opt(kind=_sizes, hint="names with sizes, as in 4096, 4k or 1m")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings by name; nginx has them as ``lua_NAME``."""

    socket_connect_timeout: Annotated[int | None, _MS] = None
    """Of a connect; unless set 60,000 for `ngx.socket`, as in OpenResty, 30,000 for `lasa.socket`, as in the seed."""
    socket_send_timeout: Annotated[int | None, _MS] = None
    """Of each wait to send; likewise."""
    socket_read_timeout: Annotated[int | None, _MS] = None
    """Of each wait to read; likewise."""
    socket_keepalive_timeout: Annotated[int, _MS_OR_0] = 60_000
    """How long a connection stays in a pool; 0 for ever."""
    socket_pool_size: Annotated[int, _COUNT] = 30
    """Connections that a pool holds."""
    socket_buffer_size: Annotated[int, Opt("bytes", kind=_size, hint="bytes, as in 4096, 4k or 1m")] = 8192
    """Bytes of a read."""
    socket_log_errors: Annotated[bool, _SWITCH] = True
    """Whether failures of sockets are logged."""
    ssl_trusted_certificate: Annotated[str | None, _TEXT] = None
    """A file with the authorities; certifi's list otherwise."""
    ssl_verify_depth: Annotated[int | None, Opt(least=0, hint="a number")] = None
    """How long a chain may be."""
    ssl_crl: Annotated[str | None, _TEXT] = None
    """A file with revoked certificates."""
    ssl_protocols: Annotated[str | None, _TEXT] = None
    """As in `TLSv1.2 TLSv1.3`."""
    ssl_ciphers: Annotated[str | None, _TEXT] = None
    """OpenSSL's list."""
    ssl_conf_command: Annotated[str | None, _TEXT] = None
    """`NAME VALUE`: CipherString, MinProtocol or MaxProtocol."""
    ssl_certificate: Annotated[str | None, _TEXT] = None
    """A file: the client's own certificate."""
    ssl_certificate_key: Annotated[str | None, _TEXT] = None
    """A file: its key."""
    max_pending_timers: Annotated[int, _COUNT] = 1024
    """Timers that wait."""
    max_running_timers: Annotated[int, _COUNT] = 256
    """Timers that run."""
    resolver: Annotated[str | None, _TEXT] = None
    """Addresses of name servers, in place of the system's way."""
    resolver_timeout: Annotated[int, _MS] = 30_000
    """For a look-up by them."""
    shared_dict: Annotated[Mapping[str, int], _SIZES] = field(default_factory=dict)
    """Dictionaries: `--set shared_dict.NAME=1m`, `LASA_SHARED_DICT="dogs=1m cats=64k"`, a table in the file."""
    init: Annotated[str | None, _TEXT] = None
    """A file that `lasa serve` runs once before the first request."""
    init_worker: Annotated[str | None, _TEXT] = None
    """A file that it runs likewise in each process."""
    check_client_abort: Annotated[bool, _SWITCH] = False
    """Whether a handler is ended when its client has gone, as `lua_check_client_abort`."""
    log_level: Annotated[str | None, _LEVEL] = None
    """What is logged at least: debug, info, notice, warn, error, crit, alert; `print` says notice, \
which is a program's default, too; `lasa serve` has --log-level."""
    max_hold_ms: Annotated[int, _MS_OR_0] = 0
    """How long Lua may run without a wait before it is interrupted; 0 for no limit."""
    warn_hold_ms: Annotated[int, _MS_OR_0] = 1000
    """How long Lua may run without a wait before a warning names the line; 0 for no warning, and signals \
end it all the same."""

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


class _Checker(Checker):
    """Texts and files have words where options have values."""

    def wrong(self, name: str, value: object, *, is_kind: bool) -> BadSetting:
        return BadSetting(f"{name}: {declared(Settings)[name][1].hint} expected, got {value!r}")

    def unknown(self, name: object) -> BadSetting:
        return BadSetting(f"unknown setting {name!r}{self.hint(str(name))}")


_CHECKER: Final = _Checker(Settings, kinds={int: _whole, bool: _switch, str: _text})


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    try:
        return _CHECKER.check(values)
    except BadSetting as error:
        raise BadSetting(f"{where}{error}") from None


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
