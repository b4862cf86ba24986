"""A reverse proxy: bodies are handed on while they arrive, both ways, so that none is ever held in memory.

    lasa run examples/reverse_proxy.py 127.0.0.1:8081 http://127.0.0.1:8080

The first line that it prints tells the URL; Ctrl-C ends it. A slow reader on either side slows the writer on the other
side down. An upstream that is not there is a 502, one that does not answer a 504.
"""

import sys
from typing import Any

from multidict import CIMultiDictProxy

import lasa
from lasa.http.client import Client
from lasa.http.server import Request

# These are about one connection, not about the message (RFC 9110, section 7.6.1); Expect has been answered by us.
OF_ONE_HOP = {"connection", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
OF_ONE_HOP |= {"proxy-authenticate", "proxy-authorization", "proxy-connection"}


def end_to_end(headers: CIMultiDictProxy[str]) -> dict[str, Any]:
    """Return the fields to hand on, each with all its values."""
    named = {name.strip().lower() for value in headers.getall("connection", []) for name in value.split(",")}
    return {name.lower(): headers.getall(name) for name in headers if name.lower() not in OF_ONE_HOP | named}


def forward(request: Request, client: Client, upstream: str) -> Any:
    """Ask the upstream what we are asked, and hand its answer on."""
    if not request.raw_path.startswith("/"):  # CONNECT, and "*": there is nothing to hand on
        return 501, "not for a reverse proxy\n"
    headers = end_to_end(request.headers)
    headers["x-forwarded-for"] = ", ".join([*headers.get("x-forwarded-for", []), request.peer[0]])
    headers["x-forwarded-host"] = request.host
    headers["x-forwarded-proto"] = request.scheme
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    ok, answer, _ = client.request(
        url=f"{upstream}{request.raw_path}",
        query=request.query_string,
        method=request.method,
        headers=headers,
        body=request.body if has_body else None,
        stream=True,
        decode=False,  # what is compressed stays so
    )
    if not ok:
        print(f"{request.method} {request.target}: {answer}", file=sys.stderr)
        return (504 if answer == "timeout" else 502), "the server behind gives no answer\n"
    with answer, request.respond(answer.code, end_to_end(answer.headers)) as response:
        for piece in answer.pieces():
            response.send(piece)
    return None


def main(address: str, upstream: str) -> None:
    client, _ = lasa.http.client.new(proxy=False, connect=5)
    server, err = lasa.http.server.new(address)
    if server is None:
        sys.exit(f"cannot bind to {address}: {err}")
    print(f"listening on {server.url}", flush=True)
    server.run(lambda request: forward(request, client, upstream.rstrip("/")))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
