from __future__ import annotations

import base64
from typing import Any

import pytest

from lasa.http._wire.auth import authorization_of
from lasa.http._wire.target import parse_target


@pytest.mark.parametrize(
    ("auth", "value"),
    [
        (None, None),
        (("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),  # RFC 7617, section 2
        (("test", "123£"), "Basic dGVzdDoxMjPCow=="),  # RFC 7617, section 2.1
        (("", ""), "Basic Og=="),
        (("u", "a:b"), "Basic dTphOmI="),
        (("u", "\udcff"), "Basic dTr/"),
        ("mF_9.B5f-4.1JqM", "Bearer mF_9.B5f-4.1JqM"),  # RFC 6750, section 2.1
        ("a+/~==", "Bearer a+/~=="),
    ],
)
def test_a_password_is_basic_and_a_token_is_bearer(auth: Any, value: str | None) -> None:
    assert authorization_of(auth) == value


@pytest.mark.parametrize(
    "auth",
    [
        ("a:b", "secret"),
        ("a\nb", "secret"),
        ("a", "secret\x00"),
        ("a", "secret\x7f"),
        ("a", "secret\ud800"),
        "",
        "=",
        "secret secret",
        "secret\r\nx: y",
        "secret\n",
        "secret=a",
        "sécret",
        "secret,",
    ],
)
def test_what_cannot_be_sent_is_refused_and_not_repeated(auth: Any) -> None:
    with pytest.raises(ValueError, match="bad auth") as caught:
        authorization_of(auth)
    assert "cret" not in str(caught.value)
    assert not isinstance(caught.value, UnicodeError)


@pytest.mark.parametrize("auth", [b"token", 1, ("u",), ("u", "p", "q"), ("u", None), (b"u", b"p"), ["u", "p"], {}])
def test_other_types_are_refused(auth: Any) -> None:
    with pytest.raises(TypeError, match="bad auth"):
        authorization_of(auth)


def test_userinfo_of_a_url_gives_back_its_bytes() -> None:
    value = authorization_of(parse_target("http://%FFu:p%C3%BC%FE@h/").userinfo)
    assert value == "Basic " + base64.b64encode(b"\xffu:p\xc3\xbc\xfe").decode()
