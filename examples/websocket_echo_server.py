"""A WebSocket echo server: every message comes back as it came, text as text and binary as binary, compressed.

    lasa run examples/websocket_echo_server.py 9001 [--max-message BYTES]

In place of the port of this machine there may be an address, "[::1]:9001" or "unix:/run/echo.sock" too. The first line
that it prints tells the URL, so port 0 (the system chooses) is useful as well; Ctrl-C ends it. Talk to it with
examples/websocket_echo_client.py, with any browser, or with a conformance suite: it sends nothing that it was not sent.
"""

import argparse
import sys

import lasa
from lasa.websocket import WebSocket

MAX_MESSAGE = 64 * 1024 * 1024


def echo(wb: WebSocket) -> None:
    """Serve one client, in a light thread of its own, until it is gone: why does not matter to an echo."""
    err = None
    while err is None:
        message, err = wb.receive()
        if message is not None:
            _, err = wb.send(message)  # waits for a slow reader, and so slows a fast writer down


def main(address: str, max_message: int) -> None:
    # No pings of ours among the echoes: who does not answer is noticed by nobody here but the system.
    server, err = lasa.websocket.server.new(address, max_message=max_message, ping_interval_s=None)
    if server is None:
        sys.exit(f"cannot bind to {address}: {err}")
    print(f"listening on {server.url}", flush=True)
    server.run(echo)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", metavar="PORT", help="or HOST:PORT")
    parser.add_argument("--max-message", type=int, default=MAX_MESSAGE, metavar="BYTES", help="once it is inflated")
    given = parser.parse_args()
    main(f"127.0.0.1:{given.address}" if given.address.isdecimal() else given.address, given.max_message)
