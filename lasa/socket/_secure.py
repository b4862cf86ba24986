"""TLS on a cosocket: the handshakes of both sides (seed: tcpsock:sslhandshake)."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from functools import partial
from typing import Any

from lasa._stream import (
    DEFAULT_LIMITS,
    NEVER_CONNECTED,
    Asked,
    Certificate,
    Duplex,
    Limits,
    authorities_of,
    checked_files,
    client_context,
    client_identity,
    context_identity,
    server_context,
)
from lasa._values import kind_of
from lasa.errors import SocketError, Word, failed
from lasa.socket._reading import Receiving
from lasa.socket._writing import Sending

__all__ = ["Secure"]


class Secure(Receiving, Sending, Duplex):
    """Handshakes that answer in tuples."""

    __slots__ = ("_certificate",)

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._certificate: tuple[str, str | None] | None = None

    @property
    def client_certificate(self) -> Certificate | None:
        """The files that setclientcert() was given."""
        return self._certificate

    def setclientcert(self, certificate: str | None, key: str | None) -> tuple[bool | None, Word | None]:
        """Show a certificate in later handshakes, from the files of it and of its key; None and None show none.

        Returns:
            ``(True, None)``; or ``(None, "client certificate must be supplied with corresponding private key")``.
        Raises:
            ValueError: "bad client certificate", files that cannot be read or do not belong together.
        Switches: never. Source: OpenResty, "tcpsock:setclientcert".
        """
        if (certificate is None) != (key is None):
            return failed(SocketError("client certificate must be supplied with corresponding private key"))
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
    ) -> tuple[Any, Word | None]:
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
            context = checked_files(lambda: client_context(verifies, trusted, files))
            asked = partial(client_identity, verifies, trusted, files, context.minimum_version)
        else:
            asked = partial(context_identity, context)
        try:
            return self.shake_hands(context, asked, server_name, reused_session, nested=nested), None
        except SocketError as error:
            return failed(error)

    def tlshandshake(self, options: Mapping[str, Any] | None = None, **keywords: Any) -> tuple[Any, Word | None]:
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
    ) -> tuple[bool | None, Word | None]:
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
            context = checked_files(lambda: server_context(files, trusted))
        if not self._was_connected:
            raise RuntimeError(NEVER_CONNECTED)
        try:
            self._shake_hands_as_server(context)
        except SocketError as error:
            return failed(error)
        return True, None
