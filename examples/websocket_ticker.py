"""A ticker over WebSockets, and a reader that comes back whenever it loses the connection.

    lasa run examples/websocket_ticker.py --serve 127.0.0.1:8080 [SECONDS]
    lasa run examples/websocket_ticker.py ws://127.0.0.1:8080/ [COUNT]

One light thread ticks, and each tick goes to all readers at once. Stop the server and start it again: the reader is
back after a moment. The first line that the server prints tells the URL; Ctrl-C ends both.
"""

import itertools
import json
import sys

import lasa
from lasa.websocket import WebSocket, broadcast
from lasa.websocket.client import reconnecting

readers: set[WebSocket] = set()


def attend(wb: WebSocket) -> None:
    """Serve one reader. Nothing that it says counts, but the wait for it is over when it goes."""
    readers.add(wb)
    try:
        while wb.receive()[1] is None:
            pass
    finally:
        readers.discard(wb)


def tick(interval_s: float) -> None:
    for number in itertools.count(1):
        broadcast(readers, json.dumps({"tick": number, "time": lasa.now()}))
        lasa.sleep(interval_s)


def serve(address: str, seconds: str = "1") -> None:
    server, err = lasa.websocket.server.new(address)
    if server is None:
        sys.exit(f"cannot bind to {address}: {err}")
    print(f"listening on {server.url}", flush=True)
    lasa.thread.spawn(tick, float(seconds))
    server.run(attend)


def read(uri: str, count: str = "0") -> None:
    """Print one line for each tick, COUNT of them or without end."""
    left = int(count)
    try:
        for wb in reconnecting(uri, min_delay_s=0.1, max_delay_s=10, max_attempts=10):
            print("connected", flush=True)
            for message in wb:
                print("tick", json.loads(message)["tick"], flush=True)
                left -= 1
                if not left:
                    wb.close()
                    return
            print("lost:", wb.closing, flush=True)
    except lasa.Error as error:  # it was refused, or ten attempts in a row have failed
        sys.exit(f"cannot read {uri}: {error}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve", address, *seconds] if len(seconds) < 2:
            serve(address, *seconds)
        case [uri, *count] if len(count) < 2 and not uri.startswith("-"):
            read(uri, *count)
        case _:
            sys.exit(__doc__)
