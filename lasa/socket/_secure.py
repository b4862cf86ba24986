"""TLS on a cosocket: the handshakes of both sides (seed: tcpsock:sslhandshake)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

from lasa._values import type_name
from lasa.errors import SocketError
from lasa.socket._connection import Connection
from lasa.socket._limits import DEFAULT_LIMITS, Limits
from lasa.socket._tls import HANDSHAKE_FAILED, TlsStream, client_context, server_context, was_cut
from lasa.socket._writing import Writing

__all__ = ["NEVER_CONNECTED", "Secure"]

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
        ssl_verify: bool = True,
        send_status_req: bool = False,
        *,
        ca: str | bytes | None = None,
        context: ssl.SSLContext | None = None,
        nested: bool = False,
    ) -> tuple[Any, str | None]:
        """Begin TLS as the client, within the connect timeout; at once if the connection has TLS already.

        The peer is verified: its chain against ``ca``, else what SSL_CERT_FILE and SSL_CERT_DIR name, else certifi's
        authorities; its name against ``server_name``, else the host given to connect(), which is sent as SNI then.

        Args:
            reused_session: what an earlier handshake returned, to resume it; False for a plain True as the result.
            server_name: the name to send (SNI) and to verify.
            ssl_verify: False accepts any certificate; SNI is then sent only if ``server_name`` is given.
            send_status_req: accepted; Python's TLS offers no OCSP stapling.
            ca: a file or folder of trusted authorities, or PEM text.
            context: an ssl.SSLContext of your own, in place of all settings but ``server_name``.
            nested: begin TLS inside the TLS that is there, as behind a proxy that is itself spoken to over TLS.
        Returns:
            ``(session, None)``, or ``(True, None)`` if ``reused_session`` is False; or ``(None, err)``: "timeout",
            "handshake failed", "certificate host mismatch", "CODE: text" as "18: self-signed certificate", a busy
            word, "closed". After an error of the handshake the connection is closed.
        Raises:
            RuntimeError: never connected. TypeError: "bad session", "bad server_name". ValueError: "bad certificate
            or authorities", a file that cannot be read or understood.
        Switches: whenever it has to wait. Source: seed, "tcpsock:sslhandshake".
        """
        if reused_session not in (None, True, False) and not isinstance(reused_session, ssl.SSLSession):
            raise TypeError(f"bad session: got {type_name(reused_session)}")
        if server_name is not None and not isinstance(server_name, str):
            raise TypeError(f"bad server_name: string expected, got {type_name(server_name)}")
        if not self._was_connected:
            raise RuntimeError(NEVER_CONNECTED)
        if context is None:
            context = _context_of(lambda: client_context(bool(ssl_verify), ca, self._certificate))
        session = reused_session if isinstance(reused_session, ssl.SSLSession) else None
        try:
            connection = self._ready_for_tls()
            if nested or self.tls is None:
                name = server_name
                if name is None and context.check_hostname:
                    name = connection.host.strip("[]").removesuffix(".")
                self._shake_hands(connection, context, server_name=name, session=session)
                session = None
        except SocketError as error:
            return None, error.reason
        if reused_session is False:
            return True, None
        assert self.tls is not None
        return session or self.tls.session, None

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
        ca: str | bytes | None = None,
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
            files = certificate, key
            context = _context_of(lambda: server_context(files, ca))
        if not self._was_connected:
            raise RuntimeError(NEVER_CONNECTED)
        try:
            connection = self._ready_for_tls()
            if self.tls is None:
                self._shake_hands(connection, context, server_side=True)
        except SocketError as error:
            return None, error.reason
        return True, None

    def _ready_for_tls(self) -> Connection:
        self._refuse_if_busy()
        if self._connection is None or not (self._read_open and self._write_open):
            raise SocketError("closed")
        return self._connection

    def _shake_hands(
        self,
        connection: Connection,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        stream = TlsStream(
            connection.stream, context, server_side=server_side, server_name=server_name, session=session
        )
        self._is_connecting = True
        self._readable = None
        self._write_open = False
        try:
            # What was read ahead belongs to TLS; nothing that came in plain text may be taken for decrypted data.
            stream.feed(self._buffer.take_all())
            stream.handshake(self._connect_s)
        except ssl.SSLError as error:
            self._release()
            raise SocketError(HANDSHAKE_FAILED) from error
        except BaseException:
            self._release()
            raise
        finally:
            self._is_connecting = False
        connection.stream = stream
        self._open(stream)


def _context_of(make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    try:
        return make()
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"bad certificate or authorities: {error}") from error
