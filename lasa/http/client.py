"""The HTTP client (seed: lasa.http.client.new, hc:request, hc:close)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Unpack
from weakref import WeakSet

from lasa import _hub
from lasa._functions import check_function
from lasa._options import joined
from lasa.errors import (
    OPERATION_OF_STAGE,
    SocketBroken,
    SocketClosed,
    SocketError,
    SocketReset,
    SocketTimeout,
    Word,
    copy_of,
    failed,
    word_of,
)
from lasa.http._client.holdings import Holdings
from lasa.http._client.message import Message, expects_continue, message_of, request_event
from lasa.http._client.options import CLIENT, ClientOptions, RequestOptions, WholeRequest
from lasa.http._client.policy import Policy
from lasa.http._client.redirects import plan_redirect
from lasa.http._client.response import Piece, Response
from lasa.http._client.retries import IDEMPOTENT, plan_retry
from lasa.http._client.route import RequestDeadline, open_route, route_to
from lasa.http._client.transfer import SourceFailed, Transfer
from lasa.http._wire.errors import RedirectError, TooManyRedirects, shown
from lasa.http._wire.pieces import Pieces
from lasa.http._wire.target import Target, mask_userinfo, parse_target

__all__ = ["Client", "ClientOptions", "Failure", "Piece", "RequestOptions", "Response", "WholeRequest", "new"]

DRAINED_BODY: Final = 65_536  # of an answer that nobody wants; reading more costs more than a new connection
DRAIN_S: Final = 1.0  # likewise
# Which option bounds a wait.
_WAIT_OF_STAGE: Final = {
    "pool": "pool",
    "connect": "connect",
    "proxy": "tls",
    "tls": "tls",
    "send": "send",
    "read": "read",
    "body": "read",
}
REDIRECTS_TOO_MANY: Final = "too many redirects"

Outcome = tuple[bool | None, Any, Callable[[], Piece | None] | None]


Failure = Word  # a request's error word is one like any other


class Client:
    """An HTTP client; ``lasa.http.client.new()`` makes it. Light threads may share it."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._is_closed = False
        self._streams: WeakSet[Response] = WeakSet()
        self._holdings = Holdings()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        """Whether close() was called."""
        return self._is_closed

    def request(self, req: Mapping[str, Any] | str | None = None, **keywords: Unpack[WholeRequest]) -> Outcome:
        """Send a request and return its answer.

        Args:
            req: a mapping with the keys of the keywords; it goes before them. Or the URL alone.
            url: "http://…", "https://…" or "http://unix:/path.sock:/uri".
            method: by default GET, POST with a body.
            headers: replace the automatic ones; a list as value repeats the header, None leaves an automatic one out.
            query: parameters to add to the URL.
            body: bytes, str, a file, an iterable of pieces, or a function that returns the next piece; without a
                known length it is sent in chunks. Or ``json=``, ``form=``, ``files=`` (multipart).
            stream: True leaves the body to be read from the response, or by the reader, as it arrives.
            progress: called with the bytes so far and the total (None if unknown) for each piece of the answer.
            timeout: seconds for all of it, to the last byte of the body; else each wait has 30 s.
            others: whatever new() takes, for this request. All of it is in docs/http.md, too.
        Returns:
            ``(True, response, reader)``, reader None unless the body comes in chunks or ``stream`` is set; or
            ``(None, err, None)``: "timeout", "closed" and other words of sockets, "bad uri: URL", "ssl handshake
            failed: E", "proxy refused: CODE", "too many redirects", "head too large", "response body too large",
            "inflated body too large", "truncated gzip body" and such. err is a Failure: it has what did come as
            ``.partial``, and what was waited for as ``.stage``.
        Raises:
            ValueError, TypeError: a bad argument; nothing has been sent then. What the body's iterator raises: the
            connection is closed then.
        Switches: whenever it has to wait. Source: seed, "hc:request".
        """
        options: Any = keywords if req is None else joined({"url": req} if isinstance(req, str) else req, keywords)
        try:
            response = self.fetch(options)
        except SocketError as error:
            return None, word_of(error), None
        return True, response, response.reader() if response.body is None else None

    def fetch(self, options: Any) -> Response:
        """As request(), with its keywords as a dict, which is used up; the whole body has come unless it is streamed.

        Raises:
            SocketError, with ``url`` and what else is known. Otherwise as request().
        Switches: as request(). Source: beyond the seed.
        """
        take = options.pop
        url = take("url", None)
        stream, progress = bool(take("stream", False)), take("progress", None)
        method, headers, query = take("method", None), take("headers", None), take("query", None)
        body, json, form, files = take("body", None), take("json", None), take("form", None), take("files", None)
        policy = self._policy if not options else self._policy.with_options(options)
        if url is None:
            raise ValueError("url is missing")
        if progress is not None:
            check_function(progress, "progress")
        response: Response | None = None
        attempt: _Attempt | None = None
        try:
            if self._is_closed:
                raise SocketClosed
            target = parse_target(url, query)
            message = message_of(policy, method, headers, body, json, form, files)
            attempt = _Attempt(policy, self._holdings, message, target, progress, is_stream=stream)
            response = attempt.run()
            if stream or response._stream.is_chunked:
                self._streams.add(response)
            else:
                response.read()
        except SourceFailed as failed:
            raise failed.cause from None
        except SocketError as error:
            error.url, error.response = mask_userinfo(url) if isinstance(url, str) else url, response
            if attempt is not None:
                attempt.tell(error)
            raise
        return response

    def get(self, url: str, **keywords: Unpack[RequestOptions]) -> Outcome:
        """As request(), with the method GET. Switches: as request()."""
        return self.request(url=url, method="GET", **keywords)

    def head(self, url: str, **keywords: Unpack[RequestOptions]) -> Outcome:
        """As request(), with the method HEAD. Switches: as request()."""
        return self.request(url=url, method="HEAD", **keywords)

    def post(self, url: str, **keywords: Unpack[RequestOptions]) -> Outcome:
        """As request(), with the method POST. Switches: as request()."""
        return self.request(url=url, method="POST", **keywords)

    def put(self, url: str, **keywords: Unpack[RequestOptions]) -> Outcome:
        """As request(), with the method PUT. Switches: as request()."""
        return self.request(url=url, method="PUT", **keywords)

    def patch(self, url: str, **keywords: Unpack[RequestOptions]) -> Outcome:
        """As request(), with the method PATCH. Switches: as request()."""
        return self.request(url=url, method="PATCH", **keywords)

    def delete(self, url: str, **keywords: Unpack[RequestOptions]) -> Outcome:
        """As request(), with the method DELETE. Switches: as request()."""
        return self.request(url=url, method="DELETE", **keywords)

    def close(self) -> tuple[int | None, str | None]:
        """Close the client: answers that are still being streamed are cut off, and its idle connections are closed.

        A connection belongs to all clients that have used it; the last of them to close closes it. One whose request
        is under way in another light thread is closed after that.

        Returns:
            ``(1, None)``; or ``(None, "closed")`` if it was closed before.
        Switches: never. Source: seed, "hc:close".
        """
        if self._is_closed:
            return failed(SocketClosed())
        self._is_closed = True
        for response in list(self._streams):
            response.close()
        self._holdings.close()
        return 1, None


class _Attempt:
    """One call of request(): its hops and its tries."""

    __slots__ = ("_history", "_holdings", "_is_stream", "_message", "_policy", "_progress", "_target", "deadline")

    def __init__(
        self, policy: Policy, holdings: Holdings, message: Message, target: Target, progress: Any, *, is_stream: bool
    ) -> None:
        self._policy = policy
        self._holdings = holdings
        self._message = message
        self._target = target
        self._progress = progress
        self._is_stream = is_stream
        self.deadline = RequestDeadline(policy.timeout)
        self.deadline.stage = "connect"
        self._history: list[Response] = []

    def tell(self, error: SocketError) -> None:
        """Note on an error what the request was doing, and how it was asked."""
        policy, target, stage = self._policy, self._target, self.deadline.stage
        operation = OPERATION_OF_STAGE[stage]
        if operation != "connect" or error.operation is None:  # else the dialling knows better
            error.operation = operation
        error.stage, error.method = stage, self._message.method
        if error.peer is None:
            error.peer = target.authority if target.unix_path is None else f"unix:{target.unix_path}"
        if isinstance(error, SocketTimeout):
            error.timeout_s = getattr(policy, _WAIT_OF_STAGE[stage]) if self.deadline.left_s else policy.timeout

    def run(self) -> Response:
        """Return the answer that is none to follow or to try again for."""
        policy = self._policy
        while True:
            response = self._try() if policy.retries is None else self._try_again()
            if policy.cookies is not None:
                from lasa.http._client.cookies import take_cookies

                take_cookies(policy.cookies, self._target, response.headers.getall("set-cookie", []))
            if not policy.follow_redirects or not 300 <= response.code < 400 or not self._follow(response):
                response.history = tuple(self._history)
                return response

    def _follow(self, response: Response) -> bool:
        policy = self._policy
        locations = response.headers.getall("location", [])
        try:
            redirect = plan_redirect(
                response.code,
                self._message.method,
                self._target,
                locations[0] if locations else None,
                allow_downgrade=policy.allow_downgrade,
            )
            if redirect is None:
                return False
            if redirect.keeps_body and not self._message.may_resend:
                return False  # the body is gone; the caller gets the redirect itself
            if len(self._history) >= policy.follow_redirects:
                raise TooManyRedirects(REDIRECTS_TOO_MANY)
            if len(set(locations)) > 1:
                raise RedirectError(f"bad redirect: {shown(mask_userinfo(' '.join(locations)))}")
        except SocketError:
            response.close()
            raise
        _read_away(response)
        self._history.append(response)
        self._message = self._message.redirected(redirect)
        self._target = redirect.target
        return True

    def _try_again(self) -> Response:
        policy = self._policy
        tries = 0
        while True:
            tries += 1
            response: Response | None = None
            failure: SocketError | None = None
            try:
                response = self._try()
                if policy.retries is None or response.code not in policy.retries.statuses:
                    return response
            except SocketError as error:
                failure = copy_of(error)  # one with its traceback would hold this frame, which holds it
            delay_s = plan_retry(
                policy.retries,
                tries,
                self._message.method,
                reason=None if failure is None else failure.reason,
                status=None if response is None else response.code,
                retry_after=None if response is None else response.headers.get("retry-after"),
                now_s=_hub.clock.system_s(),
                random=random.random(),
                may_resend=self._message.may_resend,
            )
            if delay_s is not None and self.deadline.left_s < delay_s:
                delay_s = None  # there will be no time for another try
            if delay_s is None:
                if response is None:
                    assert failure is not None
                    raise copy_of(failure)
                return response
            if response is not None:
                _read_away(response)
            _hub.sleep_s(delay_s)

    def _try(self) -> Response:
        response = self._send()
        if response.code == 417 and self._message.may_resend and expects_continue(self._message, self._policy):
            _read_away(response)
            self._message = replace(self._message, may_expect=False)  # RFC 9110, section 10.1.1
            response = self._send()
        return response

    def _send(self) -> Response:
        policy, message, target = self._policy, self._message, self._target
        route = route_to(target, policy)
        cookie = None
        if policy.cookies is not None:
            from lasa.http._client.cookies import cookie_header

            cookie = cookie_header(policy.cookies, target)
        request, head = request_event(message, target, route, policy, cookie)
        conduit, is_reused = open_route(route, policy, self.deadline)
        self._holdings.add(conduit)
        transfer = Transfer(conduit, policy, self.deadline)
        try:
            return transfer.run(request, head, message, target.url, self._progress, is_stream=self._is_stream)
        except (SocketClosed, SocketReset, SocketBroken):
            # The server closed the idle connection while our request was on its way.
            if not is_reused or transfer.has_answered or message.method not in IDEMPOTENT or not message.may_resend:
                raise
        conduit, _ = open_route(route, policy, self.deadline, must_be_new=True)
        self._holdings.add(conduit)
        transfer = Transfer(conduit, policy, self.deadline)
        return transfer.run(request, head, message, target.url, self._progress, is_stream=self._is_stream)


def _read_away(response: Response) -> None:
    # Read what hardly anybody wants, for the sake of the connection, as long as that is cheap.
    stream = response._stream
    pieces = Pieces()
    deadline = _hub.Deadline(DRAIN_S)
    try:
        stream.limit_reads(DRAIN_S)
        while piece := stream.next_piece():
            pieces.add(piece)
            if pieces.size > DRAINED_BODY or not deadline.left_s:
                response.close()
                return
    except SocketError:
        return
    response.body = pieces.joined()


def new(options: Mapping[str, Any] | None = None, **keywords: Unpack[ClientOptions]) -> tuple[Client, None]:
    """Return ``(client, None)``.

    Args:
        options: a mapping with the keys of the keywords; it goes before them.
        headers: sent with each request.
        timeout: seconds for a whole request; connect, tls, send, read, pool: for single waits (30).
        ssl_verify, ssl_ca, ssl_cert, ssl_key, ssl_server_name, ssl_minimum_version, ssl_context: TLS; verified by
            default.
        pool_size, backlog, keepalive: connections to one server (100), requests that may wait for one, seconds that an
            idle one is kept (60).
        follow_redirects, allow_downgrade: how many redirects to follow (0), whether from https to http.
        cookies: a jar or a mapping; auth: ``(user, password)`` or a token.
        retries: how many more tries there may be, True for two, or lasa.http.Retries.
        proxy: a URL, a mapping by scheme, or False; by default the environment's.
        addresses: ``{"name": "127.0.0.1"}``, where to connect to for a name, also ``unix:/path``.
        decode: False leaves compressed bodies as they are; expect: True sends "Expect: 100-continue" with streams.
        max_body, max_ratio, max_head, max_headers: limits on answers.
    Raises:
        ValueError, TypeError: ``unknown option "NAME"``, ``bad "NAME" option value: V``.
    Switches: never. Source: seed, "lasa.http.client.new".
    """
    chosen = joined(options, keywords)
    if chosen.get("headers", ()) is None:
        del chosen["headers"]
    return Client(Policy().changed(CLIENT.check(chosen))), None
