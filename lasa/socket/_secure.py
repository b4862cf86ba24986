"""TLS on a cosocket: the handshakes of both sides (seed: tcpsock:sslhandshake)."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from lasa._hub import Deadline
from lasa._stream.connection import Connection
from lasa._stream.identity import (
    Asked,
    Identity,
    authorities_of,
    client_context,
    client_identity,
    context_identity,
    server_context,
    server_name_of,
)
from lasa._stream.limits import DEFAULT_LIMITS, Limits
from lasa._stream.tls import TlsStream, was_cut
from lasa._values import kind_of
from lasa.errors import SocketError
from lasa.socket._writing import Writing

__all__ = ["NEVER_CONNECTED", "Secure"]

ValueT = TypeVar("ValueT")

NEVER_CONNECTED: Final = "socket is never created nor connected"


class Secure(Writing):
    """The halves of a connection that may be put under TLS."""

    __slots__ = ("_certificate", "_connection", "_was_connected")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._connection: Connection | None = None
        self._was_connected = False
        self._certificate: tuple[str, str | None] | None = None

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What knows the peer's certificate, the cipher and the version; None on a plain connection."""
        stream = self._stream
        return stream.object if isinstance(stream, TlsStream) else None

    @property
    def was_cut(self) -> bool:
        """Whether the peer's data ended without TLS's goodbye, so that somebody else may have ended it."""
        return self._stream is not None and was_cut(self._stream)

    @property
    def client_certificate(self) -> tuple[str, str | None] | None:
        """The files that setclientcert() was given."""
        return self._certificate

    def setclientcert(self, certificate: str | None, key: str | None) -> tuple[bool | None, str | None]:
        """Show a certificate in later handshakes, from the files of it and of its key; None and None show none.

        Returns:
            ``(True, None)``; or ``(None, "client certificate must be supplied with corresponding private key")``.
        Raises:
            ValueError: "bad client certificate", files that cannot be read or do not belong together.
        Switches: never. Source: OpenResty, "tcpsock:setclientcert".
        """
        if (certificate is None) != (key is None):
            return None, "client certificate must be supplied with corresponding private key"
        if certificate is None:
            self._certificate = None
            return True, None
        try:
            client_context(False, None, (certificate, key))
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(f"bad client certificate: {error}") from error
        self._certificate = (certificate, key)
        return True, None

    def sslhandshake(
        self,
        reused_session: Any = None,
        server_name: str | None = None,
        ssl_verify: bool | None = True,
        send_status_req: bool = False,
        *,
        ca: str | bytes | os.PathLike[str] | None = None,
        context: ssl.SSLContext | None = None,
        nested: bool = False,
    ) -> tuple[Any, str | None]:
        """Begin TLS as the client, within the connect timeout; at once if the connection has TLS already.

        A connection out of the pool has to cover what is asked for now: verified if it is to be, by the same
        authorities and for the same name, with the same certificate of ours, in a version that will do. Else it goes
        back into the pool, and a new one to the same peer takes its place: getreusedtimes() is 0 then.

        The peer is verified: its chain against ``ca``, else what SSL_CERT_FILE and SSL_CERT_DIR name, else certifi's
        authorities; its name against ``server_name``, else the host given to connect(), which is sent as SNI then.

        Args:
            reused_session: what an earlier handshake returned, to resume it; False for a plain True as the result.
            server_name: the name to send (SNI) and to verify.
            ssl_verify: False accepts any certificate, and SNI is sent then only with a ``server_name``; None is True.
            send_status_req: accepted; Python's TLS offers no OCSP stapling.
            ca: a file or folder of trusted authorities, or PEM text.
            context: an ssl.SSLContext of your own, in place of all settings but ``server_name``.
            nested: begin TLS inside the TLS that is there, as behind a proxy that is itself spoken to over TLS.
        Returns:
            ``(session, None)``, or ``(True, None)`` if ``reused_session`` is False; or ``(None, err)``: "timeout",
            "handshake failed: E", E being OpenSSL's word or the connection's, such as "wrong version number" or
            "closed"; "certificate host mismatch", "CODE: text" as "18: self-signed certificate", and the connection is
            closed; "bad server name", a busy word, "closed", and nothing has happened; a word of connect(), where a
            new connection was needed.
        Raises:
            RuntimeError: never connected. TypeError: "bad session", "bad server_name". ValueError: "bad certificate
            or authorities", a file that cannot be read or understood.
        Switches: whenever it has to wait. Source: seed, "tcpsock:sslhandshake".
        """
        if reused_session not in (None, True, False) and not isinstance(reused_session, ssl.SSLSession):
            raise TypeError(
                f"bad session: what sslhandshake() returned, or a bool expected, got {kind_of(reused_session)}"
            )
        if server_name is not None and not isinstance(server_name, str):
            raise TypeError(f"bad server_name: str expected, got {kind_of(server_name)}")
        if not self._was_connected:
            raise RuntimeError(NEVER_CONNECTED)
        asked: Asked
        if context is None:
            verifies, files, trusted = (
                ssl_verify is None or bool(ssl_verify),
                self.client_certificate,
                authorities_of(ca),
            )
            context = _checked(lambda: client_context(verifies, trusted, files))
            asked = partial(client_identity, verifies, trusted, files, context.minimum_version)
        else:
            asked = partial(context_identity, context)
        try:
            return self.shake_hands(context, asked, server_name, reused_session, nested=nested), None
        except SocketError as error:
            return None, error.reason

    def shake_hands(
        self,
        context: ssl.SSLContext,
        asked: Asked,
        server_name: str | None = None,
        reused_session: Any = False,
        *,
        nested: bool = False,
        takes_common_name: bool = False,
    ) -> Any:
        """Begin TLS as the client, as sslhandshake() does, whose session it returns.

        Args:
            asked: what is asked for, which a connection out of the pool has to cover.
            takes_common_name: whether that counts where a certificate has no other name, if it does in the context.
        Raises:
            SocketError: its words. RuntimeError: never connected. ValueError: files that are gone.
        Switches: as sslhandshake().
        """
        if not self._was_connected:
            raise RuntimeError(NEVER_CONNECTED)
        connection = self._ready_for_tls()
        if server_name is not None:
            name: str | None = server_name_of(server_name)
        else:
            name = server_name_of(connection.bare_host) if context.check_hostname else None
        identity = _checked(lambda: asked(name))
        session = reused_session if isinstance(reused_session, ssl.SSLSession) else None
        deadline = Deadline(self._connect_s)
        has_it = self.tls is not None and not nested
        if has_it and connection.reused and not connection.covers(identity):
            connection = self._connect_anew(deadline)
            has_it = False
        if not has_it:
            self._begin_tls(connection, context, deadline, identity, name, session, takes_common_name=takes_common_name)
            session = None
        if reused_session is False:
            return True
        assert self.tls is not None
        return session or self.tls.session

    def _connect_anew(self, deadline: Deadline) -> Connection:
        """Take a new connection to the same peer in place of the one that is there."""
        raise NotImplementedError

    def tlshandshake(self, options: Mapping[str, Any] | None = None, **keywords: Any) -> tuple[Any, str | None]:
        """As sslhandshake(), with its arguments as a mapping or as keywords.

        Switches: as sslhandshake(). Source: beyond the seed.
        """
        return self.sslhandshake(**{**(options or {}), **keywords})

    def sslaccept(
        self,
        certificate: str | None = None,
        key: str | None = None,
        *,
        ca: str | bytes | os.PathLike[str] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> tuple[bool | None, str | None]:
        """Begin TLS as the server, on a socket that accept() returned, within the connect timeout.

        Args:
            certificate, key: PEM files; the key may stand in the certificate's file.
            ca: if given, clients must show a certificate signed by it (a file or folder, or PEM text).
            context: an ssl.SSLContext of your own instead.
        Returns:
            ``(True, None)``; or ``(None, err)`` as sslhandshake().
        Raises:
            RuntimeError: never connected. TypeError: neither certificate nor context. ValueError: "bad certificate
            or authorities", files that cannot be read or do not belong together.
        Switches: whenever it has to wait. Source: beyond the seed, the server side of sslhandshake().
        """
        if context is None:
            if certificate is None:
                raise TypeError("sslaccept needs a certificate or a context")
            files, trusted = (certificate, key), authorities_of(ca)
            context = _checked(lambda: server_context(files, trusted))
        if not self._was_connected:
            raise RuntimeError(NEVER_CONNECTED)
        try:
            connection = self._ready_for_tls()
            if self.tls is None:
                self._begin_tls(connection, context, Deadline(self._connect_s))
        except SocketError as error:
            return None, error.reason
        return True, None

    def _ready_for_tls(self) -> Connection:
        self._refuse_if_busy()
        if self._connection is None or not (self._read_open and self._write_open):
            raise SocketError("closed")
        return self._connection

    def _begin_tls(
        self,
        connection: Connection,
        context: ssl.SSLContext,
        deadline: Deadline,
        asked: Identity | None = None,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
        *,
        takes_common_name: bool = False,
    ) -> None:
        # As the client where something is asked for, else as the server.
        stream = TlsStream(
            connection.stream,
            context,
            server_side=asked is None,
            server_name=server_name,
            session=session,
            takes_common_name=takes_common_name,
        )
        self._is_connecting = True
        self._readable = None
        self._write_open = False
        try:
            # What was read ahead belongs to TLS; nothing that came in plain text may be taken for decrypted data.
            stream.feed(self._buffer.take_all())
            stream.handshake(deadline.left_s)
        except BaseException:
            self._release()
            raise
        finally:
            self._is_connecting = False
        connection.secure(stream, asked)
        self._open(stream)


def _checked(make: Callable[[], ValueT]) -> ValueT:
    try:
        return make()
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"bad certificate or authorities: {error}") from error
