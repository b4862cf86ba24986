"""Who a side of TLS trusts and who it says it is: contexts, and what a connection was made with. Knows no sockets.

A connection that others may use again carries its identities: to whoever asks for something that they do not cover, it
is a connection to somebody else.
"""

from __future__ import annotations

import _socket
import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from lasa._values import kind_of
from lasa.errors import SocketError

__all__ = [
    "BAD_SERVER_NAME",
    "Asked",
    "Authorities",
    "Certificate",
    "Identity",
    "authorities_of",
    "certificate_key",
    "client_context",
    "client_identity",
    "context_identity",
    "has_names_like",
    "is_named",
    "may_be_set",
    "new_client_context",
    "server_context",
    "server_name_of",
    "trust_key",
    "versions_of",
]

Authorities = str | bytes | None
Certificate = tuple[str, str | None]

BAD_SERVER_NAME: Final = "bad server name"
NAME_MAX: Final = 255  # octets, as OpenSSL sends it

_NO_NAME: Final = re.compile(r"[\x00-\x20/\x7f]")
_PEM: Final = "-----BEGIN"

# By the numbers of ssl.TLSVersion, and what forbids each of them.
_VERSIONS: Final = (
    (int(ssl.TLSVersion.TLSv1), "TLSv1", int(ssl.OP_NO_TLSv1)),
    (int(ssl.TLSVersion.TLSv1_1), "TLSv1.1", int(ssl.OP_NO_TLSv1_1)),
    (int(ssl.TLSVersion.TLSv1_2), "TLSv1.2", int(ssl.OP_NO_TLSv1_2)),
    (int(ssl.TLSVersion.TLSv1_3), "TLSv1.3", int(ssl.OP_NO_TLSv1_3)),
)


# -- contexts


def client_context(
    verify: bool,
    ca: Authorities,
    certificate: Certificate | None,
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
) -> ssl.SSLContext:
    """Return a client's context, which looks for a verified name among the certificate's alternative names alone.

    Args:
        verify: check the chain and the name.
        ca: a file or folder of trusted authorities, or PEM text; None trusts certifi's list, or what
            the variables SSL_CERT_FILE and SSL_CERT_DIR name.
        certificate: ``(certificate file, key file)`` of the client.
        minimum: the lowest version of TLS that is spoken.
    Raises:
        OSError, ssl.SSLError: a file that cannot be read or understood.
    """
    trust = trust_key(ca) if verify else None
    return _client_context(verify, ca, certificate, minimum, trust, certificate_key(certificate))


def server_context(certificate: Certificate, ca: Authorities) -> ssl.SSLContext:
    """Return a server's context; with ``ca`` clients must show a certificate that it signed.

    Args:
        certificate: ``(certificate file, key file)``; the key may stand in the certificate's file.
        ca: as of client_context().
    Raises:
        OSError, ssl.SSLError: a file that cannot be read or understood.
    """
    return _server_context(certificate, ca, certificate_key(certificate), None if ca is None else trust_key(ca))


@lru_cache(maxsize=64)
def _client_context(
    verify: bool, ca: Authorities, certificate: Certificate | None, minimum: ssl.TLSVersion, *_: object
) -> ssl.SSLContext:
    # Loading files takes milliseconds, so contexts are kept; what follows the arguments tells of files that changed.
    context = new_client_context(verify, ca, certificate, minimum)
    # RFC 9525: what the common name says is no name of a host.
    context.hostname_checks_common_name = False
    return context


def new_client_context(
    verify: bool,
    ca: Authorities,
    certificate: Certificate | None,
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
) -> ssl.SSLContext:
    """Return a context that is not shared, for a caller that changes it; it has OpenSSL's rule for names.

    By that rule the common name counts where a certificate has no alternative names. Otherwise as client_context().
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = minimum
    context.options |= ssl.OP_NO_RENEGOTIATION
    if verify:
        _load_authorities(context, ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


@lru_cache(maxsize=64)
def _server_context(certificate: Certificate, ca: Authorities, *_: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(*certificate)
    if ca is not None:
        _load_authorities(context, ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _load_authorities(context: ssl.SSLContext, ca: Authorities) -> None:
    if ca is None:
        if "SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ:
            context.set_default_verify_paths()
        else:
            import certifi  # takes as long to import as ssl itself, and few programs verify against its list

            context.load_verify_locations(cafile=certifi.where())
    elif isinstance(ca, bytes) or ca.startswith(_PEM):
        context.load_verify_locations(cadata=ca if isinstance(ca, str) else ca.decode("ascii"))
    elif os.path.isdir(ca):
        context.load_verify_locations(capath=ca)
    else:
        context.load_verify_locations(cafile=ca)


# -- identities


@dataclass(frozen=True, slots=True)
class Identity:
    """What a client asks of a handshake, and, once there is a connection, what that was made with.

    Attributes:
        name: that the server is told, in lower case; None for none.
        trust: by what the server's chain is verified, equal where that is the same; None where anybody will do.
        checks_name: whether the certificate's name is verified, too.
        certificate: that the client may show, equal where it is the same; None for none.
        versions: of TLS that will do.
        version: that was agreed on; None where it is only asked for.
    """

    name: str | None
    trust: object
    checks_name: bool
    certificate: object
    versions: frozenset[str]
    version: str | None = None

    def made(self, version: str | None) -> Identity:
        """Return it as that of a connection that speaks ``version``."""
        return replace(self, version=version)

    def covers(self, asked: Identity) -> bool:
        """Whether a connection that was made with this is one that ``asked`` would have made, or a stricter one."""
        return (
            self.certificate == asked.certificate
            and (asked.trust is None or self.trust == asked.trust)
            and (self.checks_name or not asked.checks_name)
            and (asked.name is None or self.name == asked.name)
            and self.version in asked.versions
        )


Asked = Callable[[str | None], Identity]  # what is asked for, once the server's name is known


def client_identity(
    verify: bool,
    ca: Authorities,
    certificate: Certificate | None,
    minimum: ssl.TLSVersion,
    name: str | None,
) -> Identity:
    """Return what client_context() of the same arguments asks for.

    Raises:
        OSError: a file is gone.
    """
    trust = trust_key(ca) if verify else None
    versions = _versions_between(int(minimum), int(ssl.TLSVersion.MAXIMUM_SUPPORTED), 0)
    return Identity(_lower(name), trust, verify, certificate_key(certificate), versions)


def context_identity(context: ssl.SSLContext, name: str | None) -> Identity:
    """Return what a caller's own context asks for. What it has loaded cannot be seen, so it is like no other."""
    trust = None
    if context.verify_mode != ssl.CERT_NONE:
        trust = context, context.verify_mode, context.verify_flags, context.hostname_checks_common_name
    return Identity(_lower(name), trust, bool(trust and context.check_hostname), context, versions_of(context))


def versions_of(context: ssl.SSLContext) -> frozenset[str]:
    """Return the versions of TLS that a context speaks."""
    return _versions_between(int(context.minimum_version), int(context.maximum_version), int(context.options))


def certificate_key(certificate: Certificate | None) -> object:
    """Return what stands for a client's certificate: its files, as they are now.

    Raises:
        OSError: a file is gone.
    """
    return None if certificate is None else (certificate, *[_stamp(file) for file in certificate if file is not None])


def may_be_set(key: object) -> bool:
    """Whether a socket can still set what ``key`` stands for: no context's own, and no files that have changed."""
    if not isinstance(key, tuple):
        return False
    try:
        return certificate_key(key[0]) == key
    except OSError:
        return False


def authorities_of(ca: Any, what: str = "bad ca") -> Authorities:
    """Return authorities as a caller names them, a path as text.

    Raises:
        TypeError: "{what}: path or PEM text expected, got T".
    """
    if isinstance(ca, os.PathLike):
        ca = os.fspath(ca)
    if not isinstance(ca, str | bytes | None):
        raise TypeError(f"{what}: path or PEM text expected, got {kind_of(ca)}")
    return ca


def trust_key(ca: Authorities) -> tuple[object, ...]:
    """Return what stands for authorities: their files, as they are now; None is as of client_context().

    Raises:
        OSError: a file is gone.
    """
    if ca is None:
        sources = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
        if sources == (None, None):
            return sources
        return *sources, *[_stamp(source) for source in sources if source is not None and os.path.exists(source)]
    return (ca,) if isinstance(ca, bytes) or ca.startswith(_PEM) else (ca, _stamp(ca))


def _stamp(path: str) -> tuple[int, int, int]:
    # A renewed file counts as another one.
    found = os.stat(path)
    return found.st_mtime_ns, found.st_ino, found.st_size


@lru_cache(maxsize=64)
def _versions_between(lowest: int, highest: int, options: int) -> frozenset[str]:
    top = float("inf") if highest == ssl.TLSVersion.MAXIMUM_SUPPORTED else highest
    return frozenset(name for number, name, no in _VERSIONS if lowest <= number <= top and not options & no)


# -- names


def server_name_of(text: str) -> str:
    """Return the name of a server as it is sent and verified, an IP literal likewise, without a last dot.

    Raises:
        SocketError: "bad server name", such as "", "a..b", a label of more than 63 bytes, or one with a blank in it.
    """
    name = text.removesuffix(".")
    try:
        size = len(name.encode("idna"))
    except UnicodeError:
        size = 0
    if not 0 < size <= NAME_MAX or name.startswith(".") or _NO_NAME.search(name):
        raise SocketError(BAD_SERVER_NAME)
    return name


def is_named(certificate: Any, name: str, *, by_common_name: bool) -> bool:
    """Whether a certificate, as ssl describes it, is one of ``name``; for a session that is taken up again.

    Args:
        by_common_name: whether the common name counts where there are no alternative names.
    """
    kinds = certificate.get("subjectAltName", ())
    address = _address_of(name)
    if address is not None:
        return any(kind == "IP Address" and _address_of(value) == address for kind, value in kinds)
    names = [value for kind, value in kinds if kind == "DNS"]
    if not names and by_common_name:
        names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    wanted = name.encode("idna").decode("ascii").lower()
    _, _, parent = wanted.partition(".")
    return any(found in (wanted, f"*.{parent}" if parent else wanted) for found in (value.lower() for value in names))


def has_names_like(certificate: Any, name: str) -> bool:
    """Whether a certificate has an alternative name at all that is an address, or none, as ``name`` is."""
    wanted = "DNS" if _address_of(name) is None else "IP Address"
    return any(kind == wanted for kind, _ in certificate.get("subjectAltName", ()))


def _address_of(text: str) -> bytes | None:
    try:
        return _socket.inet_pton(_socket.AF_INET6 if ":" in text else _socket.AF_INET, text.strip())
    except (OSError, ValueError):
        return None


def _lower(name: str | None) -> str | None:
    return None if name is None else name.lower()
