"""A client for examples/echo_server.py: sends lines, one after another, and prints their echoes.

    lasa run examples/echo_client.py 127.0.0.1:7000 "hello, world" "one more line"

An echo server that does not answer in time, or goes away, is named as what it is.
"""

import sys

import lasa

TIMEOUT_MS = 5_000


def main(address: str, lines: list[str]) -> None:
    host, _, port = address.rpartition(":")
    with lasa.socket.tcp() as sock:
        sock.settimeout(TIMEOUT_MS)  # from here on for each wait: to connect, to send, to receive
        ok, err = sock.connect(host, port)
        if not ok:
            sys.exit(f"cannot connect to {address}: {err}")
        for line in lines:
            _, err = sock.send([line, "\n"])
            if err:
                sys.exit(f"cannot send {line!r}: {err}")
            echo, err, partial = sock.receive("*l")
            if echo is None:
                sys.exit(f"no echo of {line!r}: {err}, after {partial!r}")
            print(echo.decode())


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:] or ["hello, world"])
