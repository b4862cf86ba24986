"""TLS over any stream, in memory: ``ssl.SSLObject`` does the cryptography, the stream below does the waiting.

Because it stands on a stream and not on a descriptor, TLS works inside TLS, after STARTTLS, and before and
after gevent.monkey.patch_all() alike.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, Final

from lasa._hub import Deadline
from lasa._stream.identity import Identity, has_names_like, is_named
from lasa._stream.link import Stream
from lasa.errors import (
    CertificateError,
    SocketBroken,
    SocketClosed,
    SocketError,
    SocketReset,
    SocketTimeout,
    TlsError,
    TlsHandshakeError,
    retold,
)

__all__ = ["HANDSHAKE_FAILED", "HOST_MISMATCH", "TlsStream", "was_cut"]

HANDSHAKE_FAILED: Final = "handshake failed"
HOST_MISMATCH: Final = "certificate host mismatch"
RECORD: Final = 16384
WRITE_AT_MOST: Final = 262144  # plain bytes turned into records at a time, so that a large send stays bounded

# OpenSSL's codes for a certificate that is good, but for another host name or address.
_MISMATCH_CODES: Final = (62, 64)

# The records that a client sends, and the message in which it shows a certificate in TLS 1.2.
_NEW_CIPHER: Final = 20
_HANDSHAKE: Final = 22
_ENCRYPTED: Final = 23
_CERTIFICATE: Final = 11
_WITHOUT_CERTIFICATE: Final = 160  # bytes that a client without one encrypts in a handshake of TLS 1.3, at the most


class TlsStream:
    """A TLS connection over ``inner``; itself a stream.

    Attributes:
        ended_cleanly: whether the peer said goodbye (close_notify) at the end of its data; False also before the end.
        hub: as Link.hub.
        identities, certificates: as Link's.
        showed_certificate: whether the handshake has shown the peer a certificate of ours, as a client.
        is_untouched: for who sets it to True, whether nothing has been sent since, nor a read begun.
    """

    __slots__ = (
        "_decrypted",
        "_has_ended",
        "_incoming",
        "_inner",
        "_is_pulling",
        "_is_sending",
        "_object",
        "_outgoing",
        "_takes_common_name",
        "_unsent",
        "certificates",
        "ended_cleanly",
        "hub",
        "identities",
        "is_untouched",
        "showed_certificate",
    )

    def __init__(
        self,
        inner: Stream,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
        takes_common_name: bool = False,
    ) -> None:
        self._inner = inner
        self.hub = inner.hub
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        make: Callable[..., ssl.SSLObject] = context.wrap_bio
        wrapped = (self._incoming, self._outgoing, server_side, server_name)
        try:
            self._object = make(*wrapped, session=session)
        except ValueError:
            if session is None:
                raise
            self._object = make(*wrapped)  # a session of another context: a full handshake does as well
        self._decrypted = b""  # read ahead by has_input()
        self._unsent = b""  # records that a flush without waiting left behind
        self._is_sending = False
        self._is_pulling = False
        self._has_ended = False
        self._takes_common_name = takes_common_name  # as the name of a server whose certificate has no other
        self.ended_cleanly = False
        self.is_untouched = False
        self.showed_certificate = False
        self.identities: tuple[Identity, ...] = ()
        self.certificates: tuple[object, ...] = ()

    @property
    def object(self) -> ssl.SSLObject:
        """What knows the peer's certificate, the cipher, the protocol version and the session."""
        return self._object

    def feed(self, records: bytes) -> None:
        """Take in what was read from the stream below before TLS began."""
        if records:
            self._incoming.write(records)

    def handshake(self, timeout_s: float) -> None:
        """Shake hands, all within ``timeout_s``.

        Raises:
            SocketTimeout; SocketError: "handshake failed: E", E being OpenSSL's word or the connection's; "certificate
            host mismatch", "CODE: text".
        Switches: whenever it has to wait.
        """
        deadline = Deadline(timeout_s)
        sent = bytearray()
        try:
            while True:
                try:
                    self._object.do_handshake()
                except ssl.SSLWantReadError:
                    sent += self._flush_handshake(deadline)
                    self._pull(deadline.left_s, False)
                    if self._has_ended:
                        raise SocketClosed from None
                    continue
                break
            sent += self._flush_handshake(deadline)
        except ssl.SSLCertVerificationError as error:
            self._say_why()
            raise _bad_certificate(error) from error
        except ssl.SSLZeroReturnError as error:  # a goodbye before the hello
            raise SocketClosed(f"{HANDSHAKE_FAILED}: closed") from error
        except ssl.SSLError as error:
            self._say_why()
            raise TlsHandshakeError(f"{HANDSHAKE_FAILED}: {_reason(error)}") from error
        except SocketTimeout:
            raise
        except SocketError as error:
            raise retold(error, f"{HANDSHAKE_FAILED}: {error.reason}") from error
        if not self._object.server_side:
            # Where a server may ask for a certificate later, it may have done so.
            self.showed_certificate = _shows_certificate(sent) or self._object.context.post_handshake_auth
            self._verify_name()

    def _verify_name(self) -> None:
        # What OpenSSL leaves: with a session that is taken up again no certificate comes, whose name it would look at;
        # and a context may let the common name count.
        tls, takes_common_name = self._object, self._takes_common_name
        context, name = tls.context, tls.server_hostname
        if not context.check_hostname or name is None:
            return
        if tls.session_reused:
            is_right = is_named(tls.getpeercert() or {}, name, by_common_name=takes_common_name)
        else:
            may_count = context.hostname_checks_common_name and not takes_common_name
            is_right = not may_count or has_names_like(tls.getpeercert() or {}, name)
        if not is_right:
            raise CertificateError(HOST_MISMATCH)

    def recv(self, size: int, timeout_s: float, try_first: bool) -> bytes:
        """As Link.recv; the timeout is for each wait without progress on the wire."""
        self.is_untouched = False
        while True:
            data = self._read(size)
            if data is not None:
                return data
            if self._outgoing.pending and not self._is_sending:
                self._flush_now()  # an answer to the peer, such as a new key
            self._pull(timeout_s, try_first)
            try_first = True

    def recv_now(self, size: int) -> bytes | None:
        """As Link.recv_now."""
        while True:
            data = self._read(size)
            if data is not None:
                return data
            records = self._inner.recv_now(RECORD)
            if records is None:
                return None
            self._take_in(records)

    def send(self, data: bytes | memoryview, timeout_s: float) -> None:
        """As Link.send."""
        self.is_untouched = False
        view = memoryview(data)
        try:
            for start in range(0, len(view), WRITE_AT_MOST):
                part = view[start : start + WRITE_AT_MOST]
                while part:
                    part = part[self._object.write(part) :]
                self._flush(timeout_s)
        except ssl.SSLZeroReturnError as error:
            raise SocketClosed from error
        except ssl.SSLError as error:
            raise TlsError(_reason(error)) from error
        except (SocketClosed, SocketReset, SocketBroken):
            self._raise_alert()
            raise

    def _raise_alert(self) -> None:
        # A peer that does not take what we say may have told why before it went, as one that misses a certificate.
        try:
            self.has_input()
        except SocketError as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise

    def send_now(self, data: bytes) -> int:
        """Take all of ``data`` and hand on what goes at once; has_unsent tells whether that was all."""
        self.is_untouched = False
        try:
            self._object.write(data)
        except ssl.SSLError as error:
            raise TlsError(_reason(error)) from error
        self._flush_now()
        return len(data)

    @property
    def has_unsent(self) -> bool:
        """As Link.has_unsent."""
        return bool(self._unsent)

    @property
    def holds_input(self) -> bool:
        """As Link.holds_input."""
        return bool(self._decrypted or self._incoming.pending or self._object.pending())

    @property
    def is_inherited(self) -> bool:
        """As Link.is_inherited."""
        return self._inner.is_inherited

    def flush(self, timeout_s: float) -> None:
        """As Link.flush. Switches: when the stream below takes nothing."""
        self._flush(timeout_s)

    def has_input(self) -> bool:
        """As Link.has_input; a session ticket or a key update is no input."""
        if self._is_pulling:
            return self._inner.has_input()  # what comes is the waiting reader's, and wakes it only if it stays there
        if not self._decrypted:
            data = self.recv_now(RECORD)
            if data is None:
                return False
            if not data:
                raise SocketClosed
            self._decrypted = data
        return True

    def shutdown(self, how: int) -> None:
        """As Link.shutdown: TCP's own, without a TLS goodbye."""
        self._inner.shutdown(how)

    def say_goodbye(self) -> None:
        """Tell the peer, if it goes at once, that no data follow, and that they were not cut off. Never switches.

        Not in a child of the process that has opened the connection: the parent's data may follow.
        """
        if self.is_inherited:
            return
        try:
            self._object.unwrap()
        except ssl.SSLError:
            pass  # what the peer says to it is not waited for
        try:
            self._flush_now()
        except SocketError:
            self._unsent = b""

    def close(self) -> None:
        """As Link.close: without a TLS goodbye."""
        # Session tickets that nobody has read would make the system reset the connection, and the peer would lose
        # our last bytes. Those of an inherited connection are the parent's.
        if not self.is_inherited:
            try:
                self._inner.recv_now(RECORD)
            except SocketError:
                pass
        self._inner.close()

    def _read(self, size: int) -> bytes | None:
        # Returns None when the records that have come hold no byte for us.
        if self._decrypted:
            data, self._decrypted = self._decrypted[:size], self._decrypted[size:]
            return data
        try:
            data = self._object.read(size)
        except ssl.SSLWantReadError:
            # Cut off without a goodbye, as many servers and lasa itself do. OpenSSL is not told, since it would
            # take that for a failure and send nothing any more.
            return b"" if self._has_ended else None
        except ssl.SSLZeroReturnError:
            data = b""
        except ssl.SSLError as error:
            raise TlsError(_reason(error)) from error
        if not data:
            self.ended_cleanly = True
        return data

    def _pull(self, timeout_s: float, try_first: bool) -> None:
        if timeout_s <= 0:
            raise SocketTimeout
        self._is_pulling = True
        try:
            records = self._inner.recv(4 * RECORD, timeout_s, try_first)
        finally:
            self._is_pulling = False
        self._take_in(records)

    def _take_in(self, records: bytes) -> None:
        if records:
            self._incoming.write(records)
        else:
            self._has_ended = True

    def _flush(self, timeout_s: float) -> None:
        # One light thread sends at a time, and records leave in the order in which they were made.
        self._is_sending = True
        while self._unsent or self._outgoing.pending:
            records, self._unsent = self._unsent + self._outgoing.read(), b""
            self._inner.send(records, timeout_s)
        self._is_sending = False  # not after a failure: nothing may follow a record that was cut off

    def _flush_handshake(self, deadline: Deadline) -> bytes:
        # Returns what has been sent.
        records = self._outgoing.read()
        self._unsent += records
        self._flush(deadline.left_s)
        return records

    def _flush_now(self) -> None:
        records = self._unsent + self._outgoing.read()
        self._unsent = records[self._inner.send_now(records) :]

    def _say_why(self) -> None:
        # The alert is a courtesy to a peer that may be gone already.
        try:
            self._flush_now()
        except SocketError:
            self._unsent = b""


def was_cut(stream: Stream) -> bool:
    """Whether the peer's data ended without TLS's goodbye, so that somebody else may have ended it."""
    return isinstance(stream, TlsStream) and not stream.ended_cleanly


def _shows_certificate(sent: bytes | bytearray) -> bool:
    # Python does not tell, and a context does not tell what it has loaded. In TLS 1.2 the message can be read; in 1.3
    # it is encrypted, but without a certificate and its signature there is hardly anything to encrypt.
    position = encrypted = 0
    has_new_cipher = False
    while position + 9 <= len(sent):
        kind, size = sent[position], int.from_bytes(sent[position + 3 : position + 5], "big")
        if kind == _NEW_CIPHER:
            has_new_cipher = True
        elif kind == _ENCRYPTED:
            encrypted += size
        elif kind == _HANDSHAKE and not has_new_cipher and sent[position + 5] == _CERTIFICATE:
            return int.from_bytes(sent[position + 6 : position + 9], "big") > 3  # an empty list takes three bytes
        position += 5 + size
    return encrypted > _WITHOUT_CERTIFICATE


def _bad_certificate(error: ssl.SSLCertVerificationError) -> CertificateError:
    code, message = error.verify_code, error.verify_message
    failure = CertificateError(HOST_MISMATCH if code in _MISMATCH_CODES else f"{code}: {message}")
    failure.verify_code, failure.verify_message = code, message
    return failure


def _reason(error: ssl.SSLError) -> str:
    word: Any = error.reason
    return word.lower().replace("_", " ") if isinstance(word, str) else "ssl error"
