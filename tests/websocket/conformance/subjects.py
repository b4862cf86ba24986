"""lasa's echo server and echo client, as programs of their own: what the cases are run against.

    python -m tests.websocket.conformance.subjects server
    python -m tests.websocket.conformance.subjects client

The server prints its URL and runs until it is ended. The client prints "ready"; then it reads a URI a line, echoes
there until the connection is closed, and prints "done".
"""

from __future__ import annotations

import sys

import lasa
from lasa import websocket
from lasa.websocket import WebSocket
from tests.websocket.conformance.cases_limits import MAX_MESSAGE

__all__: list[str] = []


def echo(wb: WebSocket) -> None:
    """Send back what comes, until the connection is closed."""
    try:
        for message in wb:
            wb.send(message)
    except lasa.Error:
        return  # the peer broke a rule, which is what most cases are about


def serve() -> None:
    """Be the server."""
    server = lasa.check(websocket.server.new("127.0.0.1:0", max_message=MAX_MESSAGE))
    print(server.url, flush=True)
    server.run(echo)


def visit(uri: str) -> None:
    """Be the client once."""
    wb, _ = websocket.client.connect(uri, max_message=MAX_MESSAGE)
    if wb is not None:
        echo(wb)


def main(role: str) -> None:
    """Run a role."""
    if role == "server":
        serve()
    print("ready", flush=True)
    for line in sys.stdin:
        visit(line.strip())
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
