"""News by HTTP, to any number of readers by WebSocket: what somebody posts goes to all who are connected.

    lasa run examples/websocket_broadcast.py 127.0.0.1:8080
    curl -d 'it rains' http://127.0.0.1:8080/

Nobody waits for a slow reader, neither who posts nor the other readers. One that is a megabyte behind misses the news,
and is sent away with code 1013: it may come back when it is faster. The first line that it prints tells the URL; Ctrl-C
ends it.
"""

import sys
from typing import Any

import lasa
from lasa.http.server import Request
from lasa.websocket import WebSocket, broadcast

TRY_AGAIN_LATER = 1013

readers: set[WebSocket] = set()


def handler(request: Request) -> Any:
    """Answer one request, in a light thread of its connection."""
    if request.is_websocket:
        return attend(request)
    if request.method == "POST":
        sent, skipped = broadcast(readers, request.read(max_bytes=65_536).decode("utf-8", "replace"))
        for wb in skipped:
            wb.go_away(TRY_AGAIN_LATER)
        return {"sent": sent, "skipped": len(skipped)}
    return 426, {"upgrade": "websocket", "connection": "upgrade"}, "news come by WebSocket, or POST some\n"


def attend(request: Request) -> None:
    wb, _ = request.websocket()
    if wb is None:
        return  # the client has been told
    readers.add(wb)
    try:
        while wb.receive()[1] is None:  # nothing that a reader says counts: the loop is over when it goes
            pass
    finally:
        readers.discard(wb)


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
