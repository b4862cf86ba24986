"""The options of the level of messages, checked before anything is opened; both sides have the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from lasa import semaphore
from lasa._values import number
from lasa.socket._options import did_you_mean
from lasa.websocket._wire.extension import Deflate
from lasa.websocket._wire.frames import LENGTH_MAX

__all__ = ["Options", "checked_s", "unknown_option"]

MAX_MESSAGE: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class Options:
    """What one side asks for.

    Attributes:
        compression: permessage-deflate's settings, None for no compression.
        max_message: bytes of a message that is put together, inflated; more closes with 1009. None: no limit.
        max_frame: bytes of a frame's payload, as it is on the wire; None: no limit.
        ping_interval_s: between pings; None: no pings.
        ping_timeout_s: how long nothing at all may come after a ping; None: for ever.
        close_timeout_s: for the peer's part of a close.
    """

    compression: Deflate | None = None
    max_message: int | None = MAX_MESSAGE
    max_frame: int | None = None
    ping_interval_s: float | None = 20.0
    ping_timeout_s: float | None = 20.0
    close_timeout_s: float = 10.0

    @classmethod
    def parse(cls, given: Mapping[str, Any], *, compresses: bool) -> tuple[Self, dict[str, Any]]:
        """Check the options among ``given``, and return them with what is none of them.

        Args:
            compresses: whether messages are compressed unless ``compression`` says no.
        Raises:
            TypeError, ValueError: ``bad "NAME" option value: V``.
        """
        own: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for name, value in given.items():
            if name == "compression":
                continue
            if name not in _NAMES:
                others[name] = value
            elif value is None and name != "close_timeout_s":
                own[name] = None
            else:
                checked = number(value)
                least = 1e-6 if name.endswith("_s") else 1
                if checked is None or not least <= checked < LENGTH_MAX:
                    raise ValueError(f'bad "{name}" option value: {value!r}')
                own[name] = float(checked) if name.endswith("_s") else int(checked)
        own["compression"] = Deflate.of(given.get("compression", compresses))
        return cls(**own), others


_NAMES: Final = frozenset(one.name for one in fields(Options))

# What other libraries call it: the first one that the call has.
_ELSEWHERE: Final[dict[str, tuple[str, ...]]] = {
    "additional_headers": ("headers",),
    "close_timeout": ("close_timeout_s",),
    "compress": ("compression",),
    "extra_headers": ("headers",),
    "header": ("headers",),
    "heartbeat": ("ping_interval_s",),
    "max_msg_size": ("max_message",),
    "max_queue": (),
    "max_size": ("max_message",),
    "open_timeout": ("open_timeout_s", "head_timeout_s"),
    "open_timeout_s": ("open_timeout_s", "head_timeout_s"),
    "ping_interval": ("ping_interval_s",),
    "ping_timeout": ("ping_timeout_s",),
    "sslopt": ("ssl_context", "ssl"),
    "ssl": ("ssl_context", "ssl"),
    "subprotocols": ("protocols",),
    "timeout": ("open_timeout_s",),
    "user_agent_header": ("headers",),
}


def checked_s(name: str, value: Any) -> float:
    """Return a number of seconds.

    Raises:
        ValueError: no number, or below 0.
    """
    checked = number(value)
    if checked is None or not checked >= 0:
        raise ValueError(f"bad {name}: {value!r}")
    return min(float(checked), semaphore.FOREVER_S)


def unknown_option(name: str, known: frozenset[str]) -> ValueError:
    """Return the error for an option that nobody knows, with a hint at what it may be called here.

    Args:
        known: all options of the call, but for those of messages.
    """
    every = known | _NAMES | {"compression"}
    near = _ELSEWHERE.get(name)
    if near is None:
        return ValueError(f'unknown option "{name}"{did_you_mean(name, every)}')
    hint = next((f', did you mean "{one}"?' for one in near if one in every), "")
    return ValueError(f'unknown option "{name}"{hint}')
