"""What belongs to one open connection, also while it is idle in a pool: its stream and the state of both directions."""

from __future__ import annotations

from typing import Final

from lasa import _process
from lasa._hub import CALL_COST
from lasa._stream import Connection, Inlet
from lasa.errors import SocketClosed, SocketError
from lasa.websocket._socket.outlet import Outlet
from lasa.websocket._wire.extension import Agreement
from lasa.websocket._wire.frames import CLOSE, FIN, LENGTH_MAX, FrameReader, frame_head
from lasa.websocket._wire.masks import mask, new_key
from lasa.websocket._wire.protocol import Protocol

__all__ = ["Session"]

AHEAD_READ: Final = 4096  # bytes; of pings they may be 700


class Session:
    """One connection.

    Attributes:
        connection, inlet, outlet, protocol: below us, what we read, what we send, what we receive.
        deflater: what compresses, None where nothing is compressed.
        threshold: bytes of a message from which on it is compressed.
        is_client: whether we opened it.
        masks: whether what we send is masked.
        subprotocol, agreement: what was agreed on; None where nothing was.
        cost: of what was received last, in bytes, for Link.breathe().
        is_backed_up: whether a message has come that nobody receives, so that nothing behind it is read.
        is_ending: whether nothing more is received, since a light thread of its own lets the connection end.
    """

    __slots__ = (
        "agreement",
        "connection",
        "cost",
        "deflater",
        "inlet",
        "is_backed_up",
        "is_client",
        "is_ending",
        "masks",
        "outlet",
        "protocol",
        "stream",
        "subprotocol",
        "threshold",
    )

    def __init__(
        self,
        connection: Connection,
        unread: bytes,
        *,
        is_client: bool,
        subprotocol: str | None,
        agreement: Agreement | None,
        send_s: float,
    ) -> None:
        self.connection = connection
        self.stream = connection.stream
        self.inlet = Inlet(connection.stream)
        self.outlet = Outlet(connection, send_s)
        self.is_client = self.masks = is_client
        self.subprotocol = subprotocol
        self.agreement = agreement
        self.is_backed_up = self.is_ending = False
        self.cost = CALL_COST
        self.deflater = None if agreement is None else agreement.deflater(is_client=is_client)
        self.threshold = 0 if agreement is None else agreement.threshold
        inflater = None if agreement is None else agreement.inflater(is_client=is_client)
        reader = FrameReader(client=is_client, max_frame=LENGTH_MAX, deflates=inflater is not None)
        self.protocol = Protocol(reader, inflater)
        if unread:
            self.protocol.receive_bytes(unread)

    @property
    def is_open(self) -> bool:
        """Whether the connection is."""
        return self.connection.link.is_open

    def read(self, wait_s: float) -> None:
        """Take in what has come.

        Raises:
            SocketClosed: also at the end of the stream. SocketTimeout, SocketError.
        Switches: when nothing has come yet.
        """
        self.is_backed_up = False
        if not self.connection.link.is_open:
            raise SocketClosed
        chunk = self.inlet.read(wait_s)
        if not chunk:
            raise SocketClosed
        self.protocol.receive_bytes(chunk)

    def read_now(self) -> bool:
        """Take in what has come, and say whether anything has.

        Raises:
            SocketClosed: also at the end of the stream. SocketError.
        Switches: never.
        """
        chunk = self.stream.recv_now(AHEAD_READ)
        if chunk is None:
            return False
        if not chunk:
            raise SocketClosed
        self.protocol.receive_bytes(chunk)
        return True

    def has_input(self) -> bool:
        """Whether something has come that was not read, be it the end. Never switches."""
        try:
            return self.connection.link.has_input()
        except SocketError:
            return True

    def framed(self, first: int, payload: bytes) -> tuple[bytes, bytes]:
        """Return head and payload of a frame of ours, masked if we mask."""
        if self.masks:
            key = new_key()
            return frame_head(first, len(payload), 0x80) + key, mask(payload, key) if payload else b""
        return frame_head(first, len(payload), 0), payload

    def frame(self, first: int, payload: bytes) -> bytes:
        """Return a whole frame of ours."""
        head, payload = self.framed(first, payload)
        return head + payload

    def send(self, head: bytes, payload: bytes = b"") -> None:
        """Send a frame of a message; see Outlet.send()."""
        try:
            self.outlet.send(head, payload)
        except BaseException:
            if self.deflater is not None:
                self.deflater.forget()  # the peer has not got it, so nothing can refer to it
            raise

    def post(self, opcode: int, payload: bytes) -> bool:
        """Send a control frame, without waiting; see Outlet.post()."""
        return self.outlet.post(self.frame(FIN | opcode, payload), closes=opcode == CLOSE)

    def leave_behind(self) -> None:
        """Close the connection, in a child: its frames are the parent's. Never switches."""
        self.connection.end()


_process.inherited(Session, Session.leave_behind)
