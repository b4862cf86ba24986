"""One HTTP connection: a cosocket, and the Exchange that understands what comes over it."""

from __future__ import annotations

from typing import Any, Final

import h11

from lasa.errors import SocketClosed, SocketTimeout, check
from lasa.http._errors import BadMessage
from lasa.http._exchange import Exchange
from lasa.socket import TcpSocket

__all__ = ["Channel"]

READ_SIZE: Final = 262_144


class Channel:
    """What both sides do with a connection.

    Attributes:
        sock: the cosocket.
        exchange: the state of the connection.
        has_received: whether a byte has come.
        has_expired: whether expire() was called.
        early: an answer's head that came while the request was still being sent.
    """

    __slots__ = ("early", "exchange", "has_expired", "has_received", "sock")

    def __init__(self, sock: TcpSocket, exchange: Exchange) -> None:
        self.sock = sock
        self.exchange = exchange
        self.has_expired = False
        self.has_received = False
        self.early: Any = None

    def next_event(self) -> Any:
        """Return h11's next event, which is never NEED_DATA; PAUSED if h11 reads no further.

        Raises:
            BadMessage; SocketClosed: the peer closed within a message; SocketTimeout, SocketError.
        Switches: when nothing has come yet.
        """
        exchange = self.exchange
        try:
            while (event := exchange.next_event()) is h11.NEED_DATA:
                self.read_more()
        except BadMessage as error:
            if exchange.has_ended:
                raise SocketClosed from error
            raise
        return event

    def read_more(self) -> None:
        """Read what has come, or that the peer has closed.

        Raises:
            SocketTimeout, SocketError.
        Switches: when nothing has come yet.
        """
        data, err, _ = self.sock.receiveany(READ_SIZE)
        if data:
            self.has_received = True
            self.exchange.receive_data(data)
        elif self.has_expired:
            raise SocketTimeout
        elif err == "closed":
            self.exchange.receive_data(b"")
        else:
            check((None, err))

    def send(self, data: bytes | list[bytes]) -> None:
        """Send bytes that the exchange has made.

        Raises:
            SocketTimeout, SocketClosed, SocketError.
        Switches: when the kernel's buffer is full.
        """
        sent, err = self.sock.send(data)
        if sent is None:
            if self.has_expired:
                raise SocketTimeout
            check((None, err))

    def expire(self) -> None:
        """End the connection for everyone since its time is over. Never switches."""
        self.has_expired = True
        self.sock.abort()
