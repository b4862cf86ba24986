"""A slow reader of streams, byte by byte as section 2.7 of the semantics tells it; the measure for the fast one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class SlowStream:
    """A whole stream and how far it has been read; ``pending`` bytes before ``at`` are matched, not yet emitted."""

    data: bytes
    at: int = 0

    def line(self) -> bytes | None:
        end = self.data.find(b"\n", self.at)
        if end < 0:
            return None
        line = self.data[self.at : end].replace(b"\r", b"")
        self.at = end + 1
        return line

    def size(self, size: int) -> bytes | None:
        if self.at + size > len(self.data):
            return None
        self.at += size
        return self.data[self.at - size : self.at]

    @property
    def rest(self) -> bytes:
        return self.data[self.at :]


class SlowReader:
    """The reader of receiveuntil(), by rules 1 to 4; it is a fresh one after any other read."""

    def __init__(self, pattern: bytes, *, inclusive: bool) -> None:
        self.pattern = pattern
        self.inclusive = inclusive
        self.gathered = b""  # what the last call emitted, also if it did not complete
        self.met_boundary = False

    def read(self, stream: SlowStream, size: int = 0) -> bytes | None:
        """Return the next chunk, or None when the stream ends first; ``stream.at`` is then left before the pending."""
        pattern, data = self.pattern, stream.data
        self.met_boundary = False
        self.gathered = b""
        at, matched, rest = stream.at, 0, size
        while at < len(data):
            byte = data[at : at + 1]
            if byte == pattern[matched : matched + 1]:  # rule 1
                at += 1
                matched += 1
                if matched == len(pattern):
                    stream.at = at
                    self.met_boundary = True
                    return self.gathered + (pattern if self.inclusive else b"")
                continue
            if matched == 0:  # rule 2
                at += 1
                emitted = byte
            else:
                alive = self._longest_alive(matched, byte)
                if alive:  # rule 3
                    at += 1
                    emitted, matched = pattern[: matched + 1 - alive], alive
                else:  # rule 4
                    emitted, matched = pattern[:matched], 0
            self.gathered += emitted
            if size and rest <= len(emitted):
                stream.at = at - matched
                return self.gathered
            rest -= len(emitted)
        stream.at = at - matched
        return None

    def _longest_alive(self, matched: int, byte: bytes) -> int:
        seen = self.pattern[:matched] + byte
        for length in range(matched, 0, -1):
            if seen.endswith(self.pattern[:length]):
                return length
        return 0
