"""A multipart/form-data reader that streams: two receiveuntil readers take turns on one socket.

    lasa run examples/multipart_reader.py

One reader ends at the end of a line, the other at the boundary. The body comes from a peer in this process, over
a real connection, in pieces that cut lines and boundaries anywhere. A part of any size takes the memory of a chunk.
"""

import hashlib
from collections.abc import Callable, Iterator

import lasa
from lasa.socket import TcpSocket

CHUNK = 16_384
LONGEST_LINE = 8_192
MOST_HEADERS = 32

Reader = Callable[..., tuple[bytes | None, str | None, bytes | None]]
Headers = dict[str, str]


def read_parts(sock: TcpSocket, boundary: str) -> Iterator[tuple[Headers, Iterator[bytes]]]:
    """Yield each part's headers, and its content in chunks; what the caller leaves of it is skipped.

    Raises:
        lasa.Error: the connection failed, or ended in the middle. ValueError: this is not multipart.
    """
    read_line = sock.receiveuntil("\r\n", max_pattern=LONGEST_LINE)
    read_content = sock.receiveuntil(f"\r\n--{boundary}")
    if lasa.check(read_line()) != f"--{boundary}".encode():
        raise ValueError("the body does not begin with the boundary")
    while True:
        headers = read_headers(read_line)
        content = chunks(read_content)
        yield headers, content
        for _ in content:
            pass
        ending = lasa.check(sock.receive(2))  # readers and other reads may be mixed
        if ending == b"--":
            return
        if ending != b"\r\n":
            raise ValueError(f"{ending!r} after a boundary")


def read_headers(read_line: Reader) -> Headers:
    headers: Headers = {}
    while line := lasa.check(read_line()):
        name, colon, value = line.decode().partition(":")
        if not colon or len(headers) == MOST_HEADERS:
            raise ValueError("bad headers")
        headers[name.lower()] = value.strip()
    return headers


def chunks(read_section: Reader) -> Iterator[bytes]:
    """Yield a section in chunks; behind the last one the reader returns None, once."""
    while (chunk := lasa.check(read_section(CHUNK))) is not None:
        yield chunk


# The peer, and what it sends.

BOUNDARY = "lasa-7d3f"
PHOTO = b"\r\n--lasa-7d3\r\n" + bytes(range(256)) * 1000  # begins with what is almost a boundary


def form(*parts: tuple[str, bytes]) -> bytes:
    """Return a form as a browser would encode it."""
    body = b""
    for headers, content in parts:
        body += f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def send_uploads(server: TcpSocket, bodies: list[bytes]) -> None:
    """Send one body per connection, in pieces of an awkward size."""
    for body in bodies:
        with lasa.check(server.accept()) as client:
            for start in range(0, len(body), 997):
                lasa.check(client.send(body[start : start + 997]))


def show_upload(host: str, port: int) -> None:
    with lasa.check(lasa.socket.connect(host, port)) as sock:
        for headers, content in read_parts(sock, BOUNDARY):
            print("  ", headers["content-disposition"])
            size, count, digest = 0, 0, hashlib.sha1()
            for chunk in content:
                size, count = size + len(chunk), count + 1
                digest.update(chunk)
            print(f"   {size} bytes in {count} chunks, sha1 {digest.hexdigest()}")


def main() -> None:
    body = form(
        ('Content-Disposition: form-data; name="title"', b"Sunrise"),
        ('Content-Disposition: form-data; name="photo"; filename="sunrise.raw"\r\nContent-Type: image/x-raw', PHOTO),
    )
    with lasa.socket.tcp() as server:
        lasa.check(server.bind("127.0.0.1", 0))
        peer = lasa.thread.spawn(send_uploads, server, [body, body[:100_000]])
        host, port = server.getsockname()

        print("an upload")
        show_upload(host, port)
        print("an upload that breaks off")
        try:
            show_upload(host, port)
        except lasa.Error as error:
            print(f"   {error.reason}, with {len(error.partial or b'')} bytes of an unfinished chunk")

        lasa.check(lasa.thread.wait(peer))


if __name__ == "__main__":
    main()
