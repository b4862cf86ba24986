"""A TCP proxy: both directions at once, half-closed connections, no buffer that can grow.

    lasa run examples/tcp_proxy.py 127.0.0.1:7001 127.0.0.1:7000

Two light threads serve each connection, one per direction. When one side has said all it has to say, the other
side is told so, and may still answer. The first line that it prints tells the address; Ctrl-C ends it.
"""

import sys

import lasa
from lasa.socket import TcpSocket

CONNECT_MS = 5_000
STALLED_MS = 60_000  # how long a side may take no byte of what is sent to it


def pump(source: TcpSocket, sink: TcpSocket) -> bool:
    """Copy until the source ends, and hand its end on; False if the connection broke instead."""
    while True:
        data, err, _ = source.receiveany(65536)
        if data is not None:
            sent, _ = sink.send(data)  # waits while the sink is slow; meanwhile nothing is read from the source
            if sent is None:
                return False
        elif err != "timeout":  # silence is no failure
            sink.shutdown("send")
            return err == "closed"


def relay(client: TcpSocket, upstream_address: str) -> None:
    """Serve one connection."""
    host, _, port = upstream_address.rpartition(":")
    with client, lasa.socket.tcp() as upstream:
        for sock in client, upstream:
            sock.settimeouts(CONNECT_MS, STALLED_MS, STALLED_MS)
        ok, err = upstream.connect(host, port)
        if not ok:
            print(f"cannot connect to {upstream_address}: {err}", file=sys.stderr)
            return
        for sock in client, upstream:
            sock.setoption("keepalive", True)  # a silent peer is fine, one that is gone is found out
        forth = lasa.thread.spawn(pump, client, upstream)
        back = lasa.thread.spawn(pump, upstream, client)
        ok, is_complete = lasa.thread.wait(forth, back)  # whichever is first
        for direction in forth, back:
            if ok and is_complete:
                lasa.thread.wait(direction)
            else:
                lasa.thread.kill(direction)


def accept_clients(server: TcpSocket, upstream_address: str) -> str | None:
    """Accept for ever; return why it is over."""
    while True:
        client, err = server.accept()
        if client is not None:
            lasa.thread.spawn(relay, client, upstream_address)
        elif err != "timeout":  # nobody came for a while
            return err


def main(address: str, upstream_address: str) -> None:
    host, _, port = address.rpartition(":")
    with lasa.socket.tcp() as server:
        ok, err = server.bind(host, port)
        if not ok:
            sys.exit(f"cannot bind to {address}: {err}")
        acceptor = lasa.thread.spawn(accept_clients, server, upstream_address)  # from here on it listens
        print(f"listening on {host}:{server.getsockname()[1]}", flush=True)
        _, err = lasa.thread.wait(acceptor)
        sys.exit(f"cannot accept: {err}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
