"""A UDP time server, and its client: one datagram asks, one answers.

    lasa run examples/udp_time_server.py 127.0.0.1:7002
    lasa run examples/udp_time_server.py --ask 127.0.0.1:7002

The first line that the server prints tells the address; Ctrl-C ends it.
"""

import sys
from datetime import UTC, datetime

import lasa

QUESTION = b"What time is it, please?"  # longer than any answer: nobody can use us to multiply traffic
PATIENCE_MS = 500
ATTEMPTS = 3


def serve(address: str) -> None:
    host, _, port = address.rpartition(":")
    with lasa.socket.udp() as sock:
        ok, err = sock.setsockname(host, port)
        if not ok:
            sys.exit(f"cannot bind to {address}: {err}")
        print(f"listening on {host}:{sock.getsockname()[1]}", flush=True)
        while True:
            data, err, sender = sock.receivefrom()
            if data == QUESTION and sender is not None:
                sock.sendto(f"{lasa.now():.6f}", *sender)  # may be lost, as any datagram: the client asks again
            elif data is None and err != "timeout":
                sys.exit(f"cannot receive: {err}")


def ask(address: str) -> None:
    host, _, port = address.rpartition(":")
    with lasa.socket.udp() as sock:
        sock.settimeout(PATIENCE_MS)
        ok, err = sock.setpeername(host, port)
        for _ in range(ATTEMPTS if ok else 0):
            asked_us = lasa.monotonictime()
            sock.send(QUESTION)
            answer, err = sock.receive()
            if answer is not None:
                when = datetime.fromtimestamp(float(answer), UTC)
                print(f"{when:%Y-%m-%d %H:%M:%S} UTC, answered in {(lasa.monotonictime() - asked_us) / 1000:.2f} ms")
                return
        sys.exit(f"no answer from {address}: {err}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--ask", address]:
            ask(address)
        case [address]:
            serve(address)
        case _:
            sys.exit(__doc__)
