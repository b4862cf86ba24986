"""An echo server: every byte comes back as it came.

    lasa run examples/echo_server.py 127.0.0.1:7000

The first line that it prints tells the address, so port 0 (the system chooses) is useful too.
Ctrl-C ends it. Talk to it with examples/echo_client.py.
"""

import sys

import lasa
from lasa.socket import TcpSocket

IDLE_MS = 60_000


def echo(client: TcpSocket) -> None:
    """Serve one client, in a light thread of its own: as if there were no other."""
    with client:
        client.settimeout(IDLE_MS)
        err: str | None = None
        while err is None:
            data, err, _ = client.receiveany(65536)
            if data is not None:
                _, err = client.send(data)  # waits for a slow reader, and so slows a fast writer down
        if err != "closed":
            print("lost a client:", err, file=sys.stderr)


def accept_clients(server: TcpSocket) -> str | None:
    """Accept for ever; return why it is over."""
    while True:
        client, err = server.accept()
        if client is not None:
            lasa.thread.spawn(echo, client)
        elif err != "timeout":  # nobody came for a while: that is no failure
            return err


def main(address: str) -> None:
    host, _, port = address.rpartition(":")
    with lasa.socket.tcp() as server:
        ok, err = server.bind(host, port)
        if not ok:
            sys.exit(f"cannot bind to {address}: {err}")
        acceptor = lasa.thread.spawn(accept_clients, server)  # runs at once: from here on it listens
        print(f"listening on {host}:{server.getsockname()[1]}", flush=True)
        _, err = lasa.thread.wait(acceptor)
        sys.exit(f"cannot accept: {err}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
