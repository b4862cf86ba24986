"""A WebSocket echo client: it sends messages and prints their echoes, or is itself the echo.

    lasa run examples/websocket_echo_client.py ws://127.0.0.1:9001/ "hello, world" "one more message"
    lasa run examples/websocket_echo_client.py ws://127.0.0.1:9001/
    lasa run examples/websocket_echo_client.py --cases ws://127.0.0.1:9001/

Without messages it sends back whatever the server sends, until the server closes. With --cases the server is a fuzzing
server in the manner of the Autobahn test suite, and is asked for one case after another: each is a connection on which
anything may happen, and none ends the run.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import lasa
from lasa.websocket import WebSocket
from lasa.websocket.client import connect

AGENT = "lasa"
MAX_MESSAGE = 64 * 1024 * 1024
PATIENCE_S = 120.0  # for a server that is silent


def talk(wb: WebSocket, messages: list[str]) -> Iterator[str]:
    """Send one message after another, and yield what comes back."""
    for message in messages:
        lasa.check(wb.send(message))
        yield str(lasa.check(wb.receive(PATIENCE_S)))


def echo(wb: WebSocket) -> str:
    """Send back what comes until the connection ends, and return how it did."""
    err = None
    while err is None:
        message, err = wb.receive(PATIENCE_S)
        if message is not None:
            _, err = wb.send(message)
    closing = wb.closing
    return err if closing is None else f"closed by {closing.by}: {closing.code} {closing.reason}".rstrip()


def run_case(uri: str, options: dict[str, Any]) -> str:
    """Be the echo on a connection of its own, and return how it ended."""
    wb, err = connect(uri, **options)
    if wb is None:
        return str(err)
    with wb:
        return echo(wb)


def run_cases(uri: str, max_message: int) -> None:
    """Ask a fuzzing server for all its cases."""
    options: dict[str, Any] = {"max_message": max_message, "ping_interval_s": None}  # a ping of ours is in no case
    with lasa.check(connect(f"{uri}/getCaseCount", **options)) as wb:
        count = int(str(lasa.check(wb.receive(PATIENCE_S))))
    for case in range(1, count + 1):
        print(f"{case} of {count}:", run_case(f"{uri}/runCase?case={case}&agent={AGENT}", options), flush=True)
    with lasa.check(connect(f"{uri}/updateReports?agent={AGENT}", **options)) as wb:
        wb.receive(PATIENCE_S)  # nothing comes but the close


def main(uri: str, messages: list[str], *, cases: bool, max_message: int) -> None:
    try:
        if cases:
            run_cases(uri.rstrip("/"), max_message)
            return
        with lasa.check(connect(uri, max_message=max_message)) as wb:
            for answer in talk(wb, messages) if messages else [echo(wb)]:
                print(answer, flush=True)
    except (lasa.Error, ValueError) as error:
        sys.exit(f"{uri}: {error}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("uri", metavar="URI")
    parser.add_argument("messages", metavar="MESSAGE", nargs="*")
    parser.add_argument("--cases", action="store_true", help="the server is a fuzzing server")
    parser.add_argument("--max-message", type=int, default=MAX_MESSAGE, metavar="BYTES", help="once it is inflated")
    main(**vars(parser.parse_args()))
