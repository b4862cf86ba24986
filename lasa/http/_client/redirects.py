"""What to ask for after a redirect, and what must not go along (RFC 9110, section 15.4).

A redirect is an order from one server to talk to another, so credentials stay behind whenever scheme, host or port
change, and no encrypted request becomes a plain one unless the caller says so. Headers that only the caller knows to be
secret, such as an API key in one of its own, go along: that is theirs to decide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from lasa.http._wire.errors import RedirectError, shown
from lasa.http._wire.target import BadUri, Target, join_target, mask_userinfo

__all__ = ["Redirect", "plan_redirect"]

_STATUSES: Final = frozenset({301, 302, 303, 307, 308})

_OF_THE_BODY: Final = frozenset(
    {
        "content-digest",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-location",
        "content-md5",
        "content-range",
        "content-type",
        "digest",
        "expect",
        "last-modified",
        "repr-digest",
        "trailer",
        "transfer-encoding",
    }
)
_OF_THE_ORIGIN: Final = frozenset({"authorization", "cookie", "cookie2", "host", "origin", "proxy-authorization"})
_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Redirect:
    """The request to send next.

    Attributes:
        keeps_body: whether the body is sent again.
        drops: names, in lower case, of the caller's headers that are not sent again.
    """

    method: str
    target: Target
    keeps_body: bool
    drops: frozenset[str]


def plan_redirect(
    code: int, method: str, target: Target, location: str | None, *, allow_downgrade: bool = False
) -> Redirect | None:
    """Return the request that a response asks for instead, or None where it is no redirect to follow.

    303 makes it a GET, or leaves it a HEAD; 301 and 302 make a POST a GET, as every client does; all else is repeated
    as it was. A user and password in the Location are not used: nobody else says as whom we come.

    Args:
        target: what was asked for.
        location: the response's Location as Latin-1; None or "" where there is none.
        allow_downgrade: whether http may follow https.
    Raises:
        RedirectError: "bad redirect: LOCATION", "redirect from https to http refused".
    """
    if code not in _STATUSES or not location:
        return None
    try:
        new = join_target(target, location)
    except BadUri:
        raise RedirectError(f"bad redirect: {shown(mask_userinfo(location))}") from None
    if target.scheme == "https" and new.scheme == "http" and not allow_downgrade:
        raise RedirectError("redirect from https to http refused")
    is_same_origin = new.origin == target.origin
    userinfo = target.userinfo if is_same_origin else None
    if new.userinfo != userinfo:
        new = replace(new, userinfo=userinfo)
    drops = _NONE if is_same_origin else _OF_THE_ORIGIN  # the same origin has the same authority, so Host may stay
    keeps_body = code != 303 and not (method == "POST" and code in (301, 302))
    if not keeps_body:
        method = "HEAD" if method == "HEAD" else "GET"
        drops |= _OF_THE_BODY
    return Redirect(method, new, keeps_body, drops)
