"""A clock that ticks by server-sent events; examples/sse_reader.py reads them, and any browser.

    lasa run examples/sse_clock.py 127.0.0.1:8080 [SECONDS]

Ticks are numbered, and a client that comes back is counted on. The first line that it prints tells the URL; Ctrl-C
ends it.
"""

import json
import sys

import lasa
from lasa.http.events import encode
from lasa.http.server import Request

HEADERS = {"content-type": "text/event-stream", "cache-control": "no-store"}
RETRY_MS = 1_000


def tick(request: Request, interval_s: float) -> None:
    """Tick until the client goes away: sending fails then, and the server closes the connection."""
    last = request.headers.get("last-event-id", "")
    number = int(last) if last.isdecimal() else 0
    with request.respond(200, HEADERS) as response:
        response.send(encode(None, retry_ms=RETRY_MS))
        while True:
            number += 1
            response.send(encode(json.dumps({"time": lasa.now()}), event="tick", id=str(number)))
            lasa.sleep(interval_s)


def main(address: str, seconds: str = "1") -> None:
    server, err = lasa.http.server.new(address)
    if server is None:
        sys.exit(f"cannot bind to {address}: {err}")
    print(f"listening on {server.url}", flush=True)
    server.run(lambda request: tick(request, float(seconds)))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
