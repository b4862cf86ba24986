"""A redis client in forty lines: pipelining, every kind of reply, connections kept for the next call.

    lasa run examples/redis_client.py 127.0.0.1:6379

It sets and deletes keys that begin with "lasa:example:".
"""

import sys
from typing import TypeAlias

import lasa
from lasa.socket import TcpSocket

TIMEOUT_MS = 2_000
IDLE_MS = 10_000

Command: TypeAlias = tuple[str | bytes | int, ...]
Reply: TypeAlias = "bytes | int | list[Reply] | RedisError | None"


class RedisError(Exception):
    """An error reply. It answers one command only, so it is returned in that command's place."""


def call(host: str, port: str, *commands: Command) -> list[Reply]:
    """Send all commands at once, and return their replies: one round trip, however many they are."""
    with lasa.socket.tcp() as sock:
        sock.settimeout(TIMEOUT_MS)
        lasa.check(sock.connect(host, port))
        lasa.check(sock.send([encode(command) for command in commands]))
        replies = [read_reply(sock) for _ in commands]
        sock.setkeepalive(IDLE_MS)  # the next call finds it; after an error we do not get here, and it is closed
    return replies


def encode(command: Command) -> list[object]:
    """Return a command as a nested list: send() takes it as it is, numbers included."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
    return ["*", len(words), "\r\n", [["$", len(word), "\r\n", word, "\r\n"] for word in words]]


def read_reply(sock: TcpSocket) -> Reply:
    line: bytes = lasa.check(sock.receive())
    kind, rest = line[:1], line[1:]
    match kind:
        case b"+":
            return rest
        case b"-":
            return RedisError(rest.decode())
        case b":":
            return int(rest)
        case b"$" if int(rest) >= 0:
            data: bytes = lasa.check(sock.receive(int(rest)))
            lasa.check(sock.receive(2))  # the CR LF behind it
            return data
        case b"*" if int(rest) >= 0:
            return [read_reply(sock) for _ in range(int(rest))]
        case b"$" | b"*":
            return None
    raise ValueError(f"this is not redis: {line!r}")


def main(address: str) -> None:
    host, _, port = address.rpartition(":")
    greeting, visits, fruit = "lasa:example:greeting", "lasa:example:visits", "lasa:example:fruit"
    commands: list[Command] = [
        ("PING",),
        ("SET", greeting, b"two lines,\r\nsent as they are"),
        ("GET", greeting),
        ("INCRBY", visits, 41),
        ("INCR", visits),
        ("RPUSH", fruit, "apple", "banana", "cherry"),
        ("LRANGE", fruit, 0, -1),
        ("INCR", fruit),
        ("DEL", greeting, visits, fruit),
        ("GET", greeting),
    ]
    try:
        for command, reply in zip(commands, call(host, port, *commands), strict=True):
            print(command[0], "->", repr(reply))
        with lasa.check(lasa.socket.connect(host, port)) as sock:
            print("the connection was used again:", lasa.check(sock.getreusedtimes()) == 1)
    except (lasa.Error, ValueError) as error:
        sys.exit(f"redis at {address}: {error}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:6379")
