"""Any requests, cut anywhere, pipelined: the same answers as one request per connection."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lasa.http.server import Request
from tests.helpers import settle
from tests.http.tools import Answer, answers, connect, serving, talk

PATHS = st.sampled_from(["/read", "/pieces", "/stream", "/ignore", "/boom", "/file"])
EXTRA = st.sampled_from([[], ["X-A: 1", "X-A: 2"], ["Upgrade: any", "Connection: upgrade"], ["Expect: 100-continue"]])


@st.composite
def requests(draw: Any) -> tuple[str, bytes]:
    """The method and the bytes of one valid request."""
    method = draw(st.sampled_from(["GET", "HEAD", "POST"]))
    lines = [f"{method} {draw(PATHS)} HTTP/1.1", "Host: h", *draw(EXTRA)]
    body = b""
    kind = draw(st.sampled_from(["none", "sized", "chunked"]))
    pieces = draw(st.lists(st.binary(min_size=1, max_size=30), max_size=4))
    if kind == "sized":
        body = b"".join(pieces)
        lines.append(f"Content-Length: {len(body)}")
    elif kind == "chunked":
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n"
        body += draw(st.sampled_from([b"", b"X-T: 1\r\n"])) + b"\r\n"
        lines.append("Transfer-Encoding: chunked")
    lead = draw(st.sampled_from(["", "", "\r\n"]))
    return method, (lead + "\r\n".join(lines) + "\r\n\r\n").encode() + body


def handler(request: Request) -> Any:
    if request.path == "/stream":
        with request.respond(200, {"content-type": "text/plain"}) as response:
            for piece in request.body:
                response.send(piece)
            response.end({"x-count": "1"} if request.method != "HEAD" else None)
        return None
    if request.path == "/ignore":
        return "ignored"
    if request.path == "/boom":
        raise ValueError("boom")
    if request.path == "/file":
        return 200, {}, iter([request.read(), b"!"])
    body = request.read() if request.path == "/read" else b"".join(request.body)
    said = [request.method, request.target, list(request.headers.items()), body.hex(), list(request.trailers.items())]
    return 200, {"content-type": "application/json"}, json.dumps(said)


def shown(found: list[Answer]) -> list[Any]:
    return [
        (
            answer.status,
            answer.body,
            answer.trailers,
            answer.is_whole,
            {name: value for name, value in answer.headers.items() if name not in ("date", "connection")},
        )
        for answer in found
    ]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(requests(), min_size=1, max_size=5), st.lists(st.integers(1, 60), max_size=12))
def test_any_requests_cut_anywhere_and_pipelined_get_the_answers_they_get_alone(
    asked: list[tuple[str, bytes]], steps: list[int]
) -> None:
    end = b"GET /ignore HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    with serving(handler) as server:
        alone = [answers(talk(server, data + end), method, "GET")[0] for method, data in asked]
        stream = b"".join(data for _, data in asked) + end
        with connect(server) as sock:
            for step in steps:
                piece, stream = stream[:step], stream[step:]
                if piece and sock.send(piece)[0] is None:
                    break
                settle()
            sock.send(stream)
            received, err, partial = sock.receive("*a")
            assert received is not None, (err, partial)
    together = answers(received, *(method for method, _ in asked), "GET")
    # A client that waited for "100 Continue" and was refused its body has to connect again: the rest is not read.
    count = len(together) if any(b"Expect" in data for _, data in asked) else len(asked) + 1
    assert shown(together[: len(asked)]) == shown(alone)[: min(count, len(asked))]
    assert len(together) == count
