"""The TLS contexts that the settings of a runtime ask for."""

from __future__ import annotations

import ssl
from typing import Any, Final

from lasa._stream import Certificate, Identity, certificate_key, new_client_context, versions_of
from lasa.lua._pem import PemFiles
from lasa.lua.settings import BadSetting, Settings

__all__ = ["Contexts", "chain_is_too_long"]

CONTEXTS_MAX: Final = 64

# As nginx has them, in any case; None are those that no OpenSSL of today speaks.
_VERSIONS: Final = {
    "sslv2": None,
    "sslv3": None,
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}


class Contexts:
    """The contexts of one runtime, made when they are first needed.

    Attributes:
        pem_files: for certificates that Lua has as texts.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.pem_files = PemFiles()
        self._made: dict[tuple[object, ...], ssl.SSLContext] = {}

    @property
    def certificate(self) -> Certificate | None:
        """The client's certificate of the settings."""
        settings = self._settings
        return (settings.ssl_certificate, settings.ssl_certificate_key) if settings.ssl_certificate else None

    def context(self, verifies: bool, checks_name: bool, certificate: Certificate | None) -> ssl.SSLContext:
        """Return a client's context, with OpenSSL's rule for names as nginx has it: see new_client_context().

        Args:
            verifies: check the chain.
            checks_name: check the name too; OpenResty does so only if it is given one.
            certificate: of the client.
        Raises:
            OSError, ssl.SSLError, BadSetting: a file or a value that is of no use.
        """
        key = verifies, checks_name, certificate_key(certificate)
        if key not in self._made:
            if len(self._made) >= CONTEXTS_MAX:  # of as many certificates
                self._made.clear()
            made = new_client_context(verifies, self._settings.ssl_trusted_certificate, certificate)
            if verifies and not checks_name:
                made.check_hostname = False
            _apply(made, self._settings)
            self._made[key] = made
        return self._made[key]

    def asked(self, verifies: bool, checks_name: bool, certificate: Certificate | None, name: str | None) -> Identity:
        """Return what the context() of the same arguments asks for.

        Raises:
            As context().
        """
        versions = versions_of(self.context(verifies, checks_name, certificate))
        trust = self if verifies else None  # the authorities are those of the settings
        return Identity(name, trust, verifies and checks_name, certificate_key(certificate), versions)


def chain_is_too_long(tls: ssl.SSLObject, depth: int) -> bool:
    """Whether more than ``depth`` certificates stand between the verified peer's own and the trusted one.

    ssl.SSLContext has no limit that could be set; the chain is counted when it has been verified.
    """
    found: Any = tls
    if not hasattr(found, "get_verified_chain"):  # Python 3.13 has it here, older ones one object further inside
        found = found._sslobj
    return len(found.get_verified_chain() or ()) - 2 > depth  # a session that is resumed has no chain


def _apply(context: ssl.SSLContext, settings: Settings) -> None:
    if settings.ssl_protocols:
        versions = [found for name in settings.ssl_protocols.split() if (found := _version_of(name)) is not None]
        if versions:
            context.minimum_version, context.maximum_version = min(versions), max(versions)
        else:  # none is left: every handshake fails
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
    if settings.ssl_ciphers:
        context.set_ciphers(settings.ssl_ciphers)
    if settings.ssl_crl and context.verify_mode is ssl.CERT_REQUIRED:
        context.load_verify_locations(settings.ssl_crl)
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    if settings.ssl_conf_command:
        name, _, value = settings.ssl_conf_command.partition(" ")
        if name == "CipherString":
            context.set_ciphers(value)
        elif name == "MinProtocol" and (version := _version_of(value)) is not None:
            context.minimum_version = version
        elif name == "MaxProtocol" and (version := _version_of(value)) is not None:
            context.maximum_version = version
        else:
            raise BadSetting(f"ssl_conf_command: Python's TLS cannot set {settings.ssl_conf_command!r}")


def _version_of(name: str) -> ssl.TLSVersion | None:
    found = name.lower()
    if found not in _VERSIONS:
        raise BadSetting(f"ssl_protocols: {name!r} is none of SSLv2, SSLv3, TLSv1, TLSv1.1, TLSv1.2, TLSv1.3")
    return _VERSIONS[found]
