"""The options of both levels, messages and frames, checked before anything is opened; both sides have the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Self, TypedDict

from lasa import semaphore
from lasa._options import LEAST_S, Checker, Opt
from lasa._stream import DEFAULT_TIMEOUT_MS
from lasa._values import number, timeout_ms
from lasa.websocket._socket.framing import FrameSizes
from lasa.websocket._wire.extension import Deflate
from lasa.websocket._wire.frames import LENGTH_MAX

__all__ = ["HEADERS", "ClientFrameOptions", "FrameOptions", "MessageOptions", "Options", "checked_s", "frames_of"]

MAX_MESSAGE: Final = 1_048_576
HEADERS: Final = ("additional_headers", "extra_headers", "user_agent_header")


class MessageOptions(TypedDict, total=False):
    """How messages are sent and received; times are seconds."""

    compression: Annotated[bool | Mapping[str, Any] | Deflate | None, Opt(read=Deflate.of, unset="True")]
    """permessage-deflate; False: none; or settings, as `lasa.websocket.Deflate(…)`."""
    max_message: Annotated[int | None, Opt("bytes", least=1, below=LENGTH_MAX, elsewhere=("max_size", "max_msg_size"))]
    """Bytes of a message that is received whole, inflated; more closes with 1009. None: no limit."""
    max_frame: Annotated[int | None, Opt("bytes", least=1, below=LENGTH_MAX)]
    """Bytes of one frame, as it is on the wire; None: no limit."""
    ping_interval_s: Annotated[float | None, Opt("s", least=LEAST_S, below=LENGTH_MAX, elsewhere=("heartbeat",))]
    """Between pings; None: no pings."""
    ping_timeout_s: Annotated[float | None, Opt("s", least=LEAST_S, below=LENGTH_MAX)]
    """How long nothing at all may come after a ping; None: for ever."""
    close_timeout_s: Annotated[float, Opt("s", least=LEAST_S, below=LENGTH_MAX)]
    """For the peer's part of a close."""


_MESSAGES: Final = Checker(MessageOptions)


@dataclass(frozen=True, slots=True)
class Options:
    """What one side asks of messages, as MessageOptions has it; ``compression`` is None for none."""

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
        others = {"compression": compresses, **given}
        return cls(**_MESSAGES.take(others)), others


class FrameOptions(TypedDict, total=False):
    """How frames are sent and received."""

    timeout: Annotated[
        float | None,
        Opt("ms", default=DEFAULT_TIMEOUT_MS, read=partial(timeout_ms, default=DEFAULT_TIMEOUT_MS)),
    ]
    """Milliseconds of a single wait; also `wb.set_timeout(ms)`."""
    max_payload_len: Annotated[int | None, Opt("bytes", default=FrameSizes().max_recv)]
    """Bytes of a frame's payload, both ways."""
    max_recv_len: Annotated[
        int | None, Opt("bytes", unset="`max_payload_len`", least=1, below=LENGTH_MAX, means="max_recv")
    ]
    """Bytes of a payload that comes."""
    max_send_len: Annotated[
        int | None, Opt("bytes", unset="`max_payload_len`", least=1, below=LENGTH_MAX, means="max_send")
    ]
    """Bytes of a payload that is sent."""


class ClientFrameOptions(FrameOptions, total=False):
    """How a client sends and receives frames."""

    send_unmasked: Annotated[bool | None, Opt(default=False, types=True, means="reverses_masking")]
    """Whether frames are sent without masks; a server that keeps to the rules refuses such frames."""


def frames_of(checker: Checker, given: dict[str, Any]) -> tuple[FrameSizes, float]:
    """Take the options of frames, which ``checker`` knows, out of ``given``.

    Returns:
        the sizes, and the timeout in seconds.
    Raises:
        ValueError: no size, no time. TypeError: no boolean.
    """
    both = given.pop("max_payload_len", None)
    for name in ("max_recv_len", "max_send_len"):
        if given.get(name) is None:
            given[name] = both
    checked = {name: value for name, value in checker.take(given).items() if value is not None}
    timeout_s = checked.pop("timeout", DEFAULT_TIMEOUT_MS) / 1000
    return FrameSizes(**checked), timeout_s


def checked_s(name: str, value: Any) -> float:
    """Return a number of seconds.

    Raises:
        ValueError: no number, or below 0.
    """
    checked = number(value)
    if checked is None or not checked >= 0:
        raise ValueError(f"bad {name}: {value!r}")
    return min(float(checked), semaphore.FOREVER_S)
