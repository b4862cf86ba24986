"""ngx.ocsp: what asks about a certificate and what reads the answer; the words are those that nginx has answered."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from lasa.lua import LuaError, Runtime, Settings

URL = "http://127.0.0.1:8888/ocsp?foo=1"
BEGAN = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
ENDS = datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC)
NOW = datetime.datetime.now(datetime.UTC)
UNAUTHORIZED = b"\x30\x03\x0a\x01\x06"

Key = ec.EllipticCurvePrivateKey


def certificate(name: str, key: Key, issuer: str, signer: Key, url: str | None = None) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    builder = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer))
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(BEGAN).not_valid_after(ENDS)
    builder = builder.add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
    if url:
        place = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url))
        builder = builder.add_extension(x509.AuthorityInformationAccess([place]), critical=False)
    return builder.sign(signer, hashes.SHA256())


CA_KEY, LEAF_KEY, OTHER_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
CA = certificate("ca", CA_KEY, "ca", CA_KEY)
OTHER = certificate("other", OTHER_KEY, "other", OTHER_KEY)
LEAF = certificate("leaf", LEAF_KEY, "ca", CA_KEY, URL)
PLAIN = certificate("plain", LEAF_KEY, "ca", CA_KEY)


def der(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(Encoding.DER) for each in certificates)


CHAIN = der(LEAF, CA)


def answer(
    status: ocsp.OCSPCertStatus,
    about: x509.Certificate = LEAF,
    until: Any = ENDS,
    signers: Sequence[x509.Certificate] = (CA,),
) -> bytes:
    revoked = (NOW, x509.ReasonFlags.unspecified) if status is ocsp.OCSPCertStatus.REVOKED else (None, None)
    builder = ocsp.OCSPResponseBuilder().add_response(
        about, CA, hashes.SHA1(), status, NOW - datetime.timedelta(days=2), until, *revoked
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, CA)
    if signers:
        builder = builder.certificates(signers)
    return builder.sign(CA_KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def forged(answered: bytes) -> bytes:
    signature = ocsp.load_der_ocsp_response(answered).signature
    return answered.replace(signature, signature[:-1] + bytes([signature[-1] ^ 1]))


GOOD = answer(ocsp.OCSPCertStatus.GOOD)


class Ask:
    """Calls of ngx.ocsp, in one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._call = runtime.load("local name = ... return require('ngx.ocsp')[name](select(2, ...))")

    def __call__(self, name: str, *arguments: Any) -> Any:
        return self._call(name, *arguments)


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    with Runtime(settings=Settings()) as runtime:
        yield Ask(runtime)


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        (CHAIN, URL.encode()),
        (der(PLAIN, CA), None),
        (der(CA, LEAF), None),
        (der(LEAF), (None, b"no issuer certificate in chain")),
        (der(LEAF, OTHER), (None, b"issuer certificate not next to leaf")),
        (der(LEAF) + b"junk", (None, b"d2i_X509_bio() failed")),
        (b"", (None, b"d2i_X509_bio() failed")),
    ],
)
def test_a_certificate_says_where_to_ask(ask: Ask, chain: bytes, expected: Any) -> None:
    assert ask("get_ocsp_responder_from_der_chain", chain) == expected


def test_a_place_that_is_too_long_is_cut_and_a_request_is_refused(ask: Ask) -> None:
    assert ask("get_ocsp_responder_from_der_chain", CHAIN, 5) == (b"http:", b"truncated")
    whole = ask("create_ocsp_request", CHAIN)
    assert ask("create_ocsp_request", CHAIN, 5) == (None, b"output buffer too small: %d > 5" % len(whole))


def test_a_request_asks_about_the_leaf(ask: Ask) -> None:
    request = ocsp.load_der_ocsp_request(ask("create_ocsp_request", CHAIN))
    assert request.serial_number == LEAF.serial_number
    assert ask("create_ocsp_request", b"x") == (None, b"d2i_X509_bio() failed")
    assert ask("create_ocsp_request", der(LEAF)) == (None, b"no issuer certificate in chain")


@pytest.mark.parametrize(
    ("answered", "chain", "expected"),
    [
        (GOOD, CHAIN, True),
        (answer(ocsp.OCSPCertStatus.GOOD, until=None), CHAIN, True),
        (answer(ocsp.OCSPCertStatus.REVOKED), CHAIN, 'certificate status "revoked" in the OCSP response'),
        (answer(ocsp.OCSPCertStatus.UNKNOWN), CHAIN, 'certificate status "unknown" in the OCSP response'),
        (answer(ocsp.OCSPCertStatus.GOOD, PLAIN), CHAIN, "certificate status not found in the OCSP response"),
        (
            answer(ocsp.OCSPCertStatus.GOOD, until=NOW - datetime.timedelta(days=1)),
            CHAIN,
            "OCSP_check_validity() failed",
        ),
        (answer(ocsp.OCSPCertStatus.GOOD, signers=()), CHAIN, True),
        (answer(ocsp.OCSPCertStatus.GOOD, signers=()), der(LEAF, OTHER), "OCSP_basic_verify() failed"),
        (forged(GOOD), CHAIN, "OCSP_basic_verify() failed"),
        (GOOD, der(LEAF), "no issuer certificate in chain"),
        (GOOD, b"x", "d2i_X509_bio() failed"),
        (UNAUTHORIZED, CHAIN, "OCSP response not successful (6: unauthorized)"),
        (b"x", CHAIN, "d2i_OCSP_RESPONSE() failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_answer_is_read(ask: Ask, answered: bytes, chain: bytes, expected: Any) -> None:
    found = ask("validate_ocsp_response", answered, chain)
    assert found == (expected if expected is True else (None, expected.encode()))


def test_an_error_is_cut_where_it_is_asked_for(ask: Ask) -> None:
    assert ask("validate_ocsp_response", b"x", CHAIN, 5) == (None, b"d2i_O")


def test_what_is_no_text_raises(ask: Ask) -> None:
    with pytest.raises(LuaError, match=r"bad argument #1 to 'create_ocsp_request' \(string expected, got nil\)"):
        ask("create_ocsp_request", None)
