"""A chat for browsers: the page and its WebSocket on one port, text and pictures, compressed.

    lasa run examples/chat.py 127.0.0.1:8080

The first line that it prints tells the URL: open it twice. The page is examples/chat.html. `lasa serve
examples.chat:handler` serves the same; there Ctrl-C says goodbye to everybody first, and the pages come back by
themselves when the server does.
"""

import itertools
import sys
from collections import deque
from pathlib import Path
from typing import Any

import lasa
from lasa.http.server import Request
from lasa.websocket import WebSocket, broadcast

PAGE = Path(__file__).with_name("chat.html").read_bytes()
MAX_MESSAGE = 8 * 1024 * 1024  # bytes; the sender of a larger one is told, with code 1009

members: dict[WebSocket, str] = {}
numbers = itertools.count(1)
history: deque[str] = deque(maxlen=20)  # text only


def handler(request: Request) -> Any:
    """Answer one request, in a light thread of its connection."""
    match request.path:
        case "/":
            return 200, {"content-type": "text/html; charset=utf-8"}, PAGE
        case "/chat":
            # Any page may open a WebSocket to any server, with its user's cookies: so look at who it is.
            wb, err = request.websocket(origins="same", max_message=MAX_MESSAGE)
            if wb is None:
                return print(f"refused: {err}", flush=True)  # the client has been told
            return chat(wb)
        case _:
            return 404, "nothing is here\n"


def chat(wb: WebSocket) -> None:
    """Serve one member until it leaves."""
    name = f"guest {next(numbers)}"
    wb.send("\n".join(["Welcome!", *history]))
    members[wb] = name
    say(f"{name} has come")
    err = None
    try:
        while err is None:
            message, err = wb.receive()
            if isinstance(message, str):
                say(f"{name}: {message}")
            elif message is not None:
                say(f"{name} shows:")
                broadcast(members, message)
    finally:
        del members[wb]
        say(f"{name} has left")
        print(name, wb.closing, flush=True)


def say(text: str) -> None:
    """Tell everybody. Nobody waits for a slow member: who is too far behind misses a message."""
    history.append(text)
    broadcast(members, text)


def main(address: str) -> None:
    server, err = lasa.http.server.new(address, access_log=False)
    if server is None:
        sys.exit(f"cannot bind to {address}: {err}")
    print(f"listening on {server.url}", flush=True)
    server.run(handler)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
