"""A tour of lasa in a second: light threads and cosockets, on real loopback sockets.

    lasa run examples/tour.py

Read it from top to bottom, as it runs. Nothing here blocks: whoever waits lets the others run.
It needs no other server, and ends by itself.
"""

import lasa
from lasa.socket import TcpSocket


def main() -> None:
    light_threads()

    server = lasa.socket.tcp()
    lasa.check(server.bind("127.0.0.1", 0))  # port 0: the system chooses one
    acceptor = lasa.thread.spawn(accept_clients, server)
    host, port = server.getsockname()

    line_protocol(host, port)
    timeouts(host, port)
    errors()
    semaphore(host, port)
    keepalive(host, port)
    timers()

    lasa.thread.kill(acceptor)  # ends the accept() that it waits in, and so closes the server
    _, err = server.accept()
    print("The end: the server is", err)


# The server: one light thread accepts, and each client has one of its own.


def accept_clients(server: TcpSocket) -> None:
    while True:
        client, err = server.accept()
        if client is not None:
            lasa.thread.spawn(serve, client)
        elif err != "timeout":  # nobody came for a while: that is no failure
            print("cannot accept:", err)
            return


def serve(client: TcpSocket) -> None:
    with client:  # closed at the end, whatever happens
        for line in client:
            if line == b"hurry":
                client.send("one moment ... ")
                lasa.sleep(0.3)
            client.send([line.upper(), "!\n"])  # nested lists of text and numbers are sent as they are


# The stations of the tour.


def light_threads() -> None:
    print("1. Light threads start at once and wait side by side")

    def brew(drink: str, seconds: float) -> str:
        print(f"   the {drink} begins")
        lasa.sleep(seconds)
        return f"the {drink} is ready"

    coffee = lasa.thread.spawn(brew, "coffee", 0.2)
    tea = lasa.thread.spawn(brew, "tea", 0.1)
    print("   nobody has to watch them")
    print("  ", lasa.check(lasa.thread.wait(coffee, tea)))  # whichever is first
    print("  ", lasa.check(lasa.thread.wait(coffee)))


def line_protocol(host: str, port: int) -> None:
    print("2. A line protocol in straight lines")
    sock, err = lasa.socket.connect(host, port)
    if sock is None:
        print("   cannot connect:", err)
        return
    with sock:
        for word in "hello", "world":
            sock.send([word, "\n"])
            line, err, _ = sock.receive("*l")  # the third is what came before an error
            print(f"   {word} ->", line or err)


def timeouts(host: str, port: int) -> None:
    print("3. Every wait has a limit, and a read that timed out loses nothing")
    with lasa.check(lasa.socket.connect(host, port)) as sock:
        sock.send("hurry\n")
        sock.settimeout(100)  # milliseconds
        print("  ", sock.receive("*l"))
        sock.settimeout(2000)
        print("  ", sock.receive("*l"))


def errors() -> None:
    print("4. An error is a word, or an exception: as you like it")
    with lasa.socket.tcp() as nobody:
        lasa.check(nobody.bind("127.0.0.1", 0))  # bound, but it never listens
        host, port = nobody.getsockname()
        print("   the word:", lasa.socket.connect(host, port))
        try:
            lasa.check(lasa.socket.connect(host, port))
        except OSError as error:
            print("   the exception:", repr(error))


def semaphore(host: str, port: int) -> None:
    print("5. A semaphore lets two of five clients in at a time")
    seats, _ = lasa.semaphore.new(2)
    inside = most = 0

    def client(number: int) -> bytes:
        nonlocal inside, most
        lasa.check(seats.wait(5))  # seconds
        try:
            inside += 1  # needs no lock: others run only where this light thread waits
            most = max(most, inside)
            with lasa.check(lasa.socket.connect(host, port)) as sock:
                lasa.check(sock.send(["client ", number, "\n"]))
                answer: bytes = lasa.check(sock.receive("*l"))
                return answer
        finally:
            inside -= 1
            seats.post()

    clients = [lasa.thread.spawn(client, number) for number in range(1, 6)]
    for thread in clients:
        print("  ", lasa.check(lasa.thread.wait(thread)).decode())
    print("   never more than", most, "at a time")


def keepalive(host: str, port: int) -> None:
    print("6. A pool keeps connections for the next one who connects")
    for _ in range(3):
        with lasa.check(lasa.socket.connect(host, port)) as sock:
            reused = lasa.check(sock.getreusedtimes())
            lasa.check(sock.send("again\n"))
            answer = lasa.check(sock.receive("*l"))
            print(f"   {answer.decode()} This connection was reused {reused} times")
            sock.setkeepalive(100)  # into the pool; closed if nobody wants it for 100 ms


def timers() -> None:
    print("7. Timers run in light threads of their own")
    rung, _ = lasa.semaphore.new()

    def tick(premature: bool) -> None:
        if not premature:  # True: the program ends before its time
            print("   tick")

    def ring(premature: bool, sound: str) -> None:
        print("  ", sound)
        lasa.timer.kill(ticker)
        rung.post()

    ticker = lasa.check(lasa.timer.every(0.05, tick))  # seconds
    lasa.check(lasa.timer.at(0.18, ring, "ding"))
    lasa.check(rung.wait(5))


if __name__ == "__main__":
    main()
