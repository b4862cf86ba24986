"""permessage-deflate as the test peer does it: which answers are right, and messages within what was agreed on.

It is a reading of RFC 7692 of its own, so that a mistake of lasa's is not made twice.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Final

__all__ = ["Agreement", "Codec", "acceptable", "agreement_of", "answer_to", "fits", "parse"]

_NAME: Final = "permessage-deflate"
_FLAGS: Final = ("server_no_context_takeover", "client_no_context_takeover")
_WINDOWS: Final = ("server_max_window_bits", "client_max_window_bits")
_BITS: Final = {str(bits) for bits in range(8, 16)}
_TAIL: Final = b"\0\0\xff\xff"

# What is inflated at once under a small window: zlib finds references that go too far only beyond its last output.
_SLICE: Final = 256

Parameters = list[tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was agreed on for one direction."""

    window_bits: int
    keeps_context: bool


def parse(field: str) -> list[tuple[str, Parameters]]:
    """Return extensions with their parameters, a quoted value without its quotes."""
    found = []
    for extension in field.split(","):
        name, *rest = (part.strip() for part in extension.split(";"))
        parameters: Parameters = []
        for part in rest:
            key, equals, value = (piece.strip() for piece in part.partition("="))
            quoted = re.fullmatch(r'"(.+)"', value)
            parameters.append((key, (quoted[1] if quoted else value) if equals else None))
        found.append((name, parameters))
    return found


def _valid(name: str, parameters: Parameters, *, offered: bool) -> bool:
    keys = [key for key, _ in parameters]
    if name != _NAME or len(set(keys)) < len(keys):
        return False
    for key, value in parameters:
        bare = offered and key == "client_max_window_bits" and value is None
        if not (bare or (key in _FLAGS and value is None) or (key in _WINDOWS and value in _BITS)):
            return False
    return True


def acceptable(offers: list[tuple[str, Parameters]]) -> list[Parameters]:
    """Return the parameters of the offers that a server may accept: the first that is right.

    A server need not be able to write a window of 8 bits: it may go on to the next offer.
    """
    found = []
    for parameters in _right(offers):
        found.append(parameters)
        if ("server_max_window_bits", "8") not in parameters:
            break
    return found


def _right(offers: list[tuple[str, Parameters]]) -> list[Parameters]:
    return [parameters for name, parameters in offers if _valid(name, parameters, offered=True)]


def fits(offer: Parameters, answer: list[tuple[str, Parameters]]) -> bool:
    """Whether the answer is one that a server may give to the offer (RFC 7692 section 7.1)."""
    if len(answer) != 1 or not _valid(*answer[0], offered=False):
        return False
    asked, given = dict(offer), dict(answer[0][1])
    if "server_no_context_takeover" in asked and "server_no_context_takeover" not in given:
        return False
    if "server_max_window_bits" in asked and _bits(given, _WINDOWS[0], 16) > _bits(asked, _WINDOWS[0]):
        return False
    if "client_max_window_bits" in given:
        return "client_max_window_bits" in asked and _bits(given, _WINDOWS[1]) <= _bits(asked, _WINDOWS[1])
    return True


def answer_to(offers: list[tuple[str, Parameters]], answer: str) -> tuple[Parameters, str] | None:
    """Return one of a client's offers, and how to answer it; None: none can be answered so.

    Where the answer as it is fits no offer, it also has what an offer demands of a server.
    """
    right = _right(offers)
    candidates = [*[(offer, answer) for offer in right], *[(offer, _completed(answer, offer)) for offer in right]]
    return next(((offer, text) for offer, text in candidates if fits(offer, parse(text))), None)


def _completed(answer: str, offer: Parameters) -> str:
    given = {key for _, parameters in parse(answer) for key, _ in parameters}
    for key, value in offer:
        if key.startswith("server_") and key not in given:
            answer += f"; {key}={value}" if value else f"; {key}"
    return answer


def _bits(parameters: dict[str, str | None], key: str, default: int = 15) -> int:
    return int(parameters.get(key) or default)


def agreement_of(side: str, offer: Parameters, answer: Parameters) -> Agreement:
    """Return what holds for the frames of a side, "client" or "server"."""
    asked, given = dict(offer), dict(answer)
    bits = _bits(given, f"{side}_max_window_bits")
    # A client says with its offer alone that it will keep to a window, and may say that it will keep no context.
    if side == "client":
        bits = min(bits, _bits(asked, "client_max_window_bits"))
    return Agreement(bits, f"{side}_no_context_takeover" not in given)


class Codec:
    """Compresses what the peer sends, and inflates what comes back, both exactly as agreed on."""

    def __init__(self, ours: Agreement, theirs: Agreement) -> None:
        self._ours = ours
        self._theirs = theirs
        self._deflater = self._new_deflater()
        self._inflater = zlib.decompressobj(-theirs.window_bits)

    def _new_deflater(self) -> zlib._Compress:
        # zlib writes no window of 8 bits: without any references none goes too far.
        strategy = zlib.Z_HUFFMAN_ONLY if self._ours.window_bits == 8 else zlib.Z_DEFAULT_STRATEGY
        bits = max(9, self._ours.window_bits)
        return zlib.compressobj(wbits=-bits, strategy=strategy)

    def deflate(self, payload: bytes) -> bytes:
        """Compress a message."""
        if not self._ours.keeps_context:
            self._deflater = self._new_deflater()
        return (self._deflater.compress(payload) + self._deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def inflate(self, payload: bytes) -> bytes:
        """Inflate a message; a reference to what the peer need not remember is an error.

        Raises:
            zlib.error: not as agreed on.
        """
        if not self._theirs.keeps_context:
            self._inflater = zlib.decompressobj(-self._theirs.window_bits)
        payload += _TAIL
        if self._theirs.window_bits == 15:
            return self._inflater.decompress(payload)
        pieces = []
        for start in range(0, len(payload), _SLICE):
            rest = payload[start : start + _SLICE]
            while piece := self._inflater.decompress(rest, _SLICE):
                pieces.append(piece)
                rest = self._inflater.unconsumed_tail
        return b"".join(pieces)
