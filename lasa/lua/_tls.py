"""The TLS contexts that the settings of a runtime ask for."""

from __future__ import annotations

import ssl
from typing import Final

from lasa.lua.settings import BadSetting, Settings
from lasa.socket._tls import new_client_context

__all__ = ["Contexts"]

_VERSIONS: Final = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


class Contexts:
    """The contexts of one runtime, made when they are first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[tuple[object, ...], ssl.SSLContext] = {}

    def context(self, verifies: bool, checks_name: bool, certificate: tuple[str, str | None] | None) -> ssl.SSLContext:
        """Return a client's context.

        Args:
            verifies: check the chain.
            checks_name: check the name too; OpenResty does so only if it is given one.
            certificate: of the client, in place of the settings'.
        Raises:
            OSError, ssl.SSLError, BadSetting: a file or a value that is of no use.
        """
        settings = self._settings
        if certificate is None and settings.ssl_certificate:
            certificate = settings.ssl_certificate, settings.ssl_certificate_key
        key = verifies, checks_name, certificate
        if key not in self._made:
            made = new_client_context(verifies, settings.ssl_trusted_certificate, certificate)
            if verifies and not checks_name:
                made.check_hostname = False
            _apply(made, settings)
            self._made[key] = made
        return self._made[key]


def _apply(context: ssl.SSLContext, settings: Settings) -> None:
    if settings.ssl_protocols:
        versions = [_version_of(name) for name in settings.ssl_protocols.split()]
        context.minimum_version, context.maximum_version = min(versions), max(versions)
    if settings.ssl_ciphers:
        context.set_ciphers(settings.ssl_ciphers)
    if settings.ssl_crl and context.verify_mode is ssl.CERT_REQUIRED:
        context.load_verify_locations(settings.ssl_crl)
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    if settings.ssl_conf_command:
        name, _, value = settings.ssl_conf_command.partition(" ")
        if name == "CipherString":
            context.set_ciphers(value)
        elif name == "MinProtocol":
            context.minimum_version = _version_of(value)
        elif name == "MaxProtocol":
            context.maximum_version = _version_of(value)
        else:
            raise BadSetting(f"ssl_conf_command: Python's TLS cannot set {name!r}")


def _version_of(name: str) -> ssl.TLSVersion:
    if name not in _VERSIONS:
        raise BadSetting(f"ssl_protocols: {name!r} is none of {', '.join(_VERSIONS)}")
    return _VERSIONS[name]
