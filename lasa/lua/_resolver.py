"""Look names up at the name servers of the setting ``resolver``, as nginx does, in place of the system's.

dnspython makes and reads the messages; they go over lasa's own sockets. It takes its time to import, and so do its
modules for the records of an answer, which it loads when it first meets one: all of that comes here, before anybody
waits for a look-up within a timeout.
"""

from __future__ import annotations

import socket as stdlib_socket
from typing import Any, Final

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from lasa import _hub
from lasa._address import ip_family
from lasa._stream import ANY_POOL, Datagram, Opening, Stream
from lasa.errors import NameNotFound, SocketError, SocketTimeout, StreamEnded
from lasa.lua.settings import BadSetting

__all__ = ["Resolver"]

PORT: Final = 53
FIRST_TRY_S: Final = 2.0  # before the next server is asked
PAUSE_S: Final = 0.1  # before all are asked again, and more each time: one that refuses may be about to start
LONGEST_PAUSE_S: Final = 1.0
LARGEST_REPLY: Final = 8192
SERVER_FAILURE: Final = 2
TIMED_OUT: Final = 110  # beside DNS's codes
MOST_NAMES: Final = 1024  # that are remembered

# nginx's words for DNS's codes.
_REASONS: Final = {
    1: "Format error",
    2: "Server failure",
    3: "Host not found",
    4: "Unimplemented",
    5: "Operation refused",
    TIMED_OUT: "Operation timed out",
}

# What an answer, or a refusal, may have in it besides addresses.
_load: Any = dns.rdata.get_rdata_class  # has no types
for kind_name in ("A", "AAAA", "CNAME", "SOA", "NS", "DNAME", "OPT", "RRSIG"):
    _load(dns.rdataclass.IN, dns.rdatatype.from_text(kind_name))

Addresses = list[tuple[int, str]]
Found = tuple[int, list[str], float]  # DNS's code or TIMED_OUT, the addresses, for how many seconds they are valid


class Resolver:
    """The look-ups of one runtime, and what they found for as long as that is valid."""

    def __init__(self, servers: str, timeout_s: float) -> None:
        """Read a list of addresses, each with a port or without one, and ``ipv4=off`` or ``ipv6=off`` among them.

        nginx's other options, such as ``valid=``, may be there and mean nothing.

        Raises:
            BadSetting: none is there, one is no address, or both families are off.
        """
        self._timeout_s = timeout_s
        self._servers: list[tuple[str, int]] = []
        self._families = [stdlib_socket.AF_INET, stdlib_socket.AF_INET6]
        self._known: dict[str, tuple[float, Addresses]] = {}
        self._questions = _hub.Errands(self._ask)
        for word in servers.split():
            if word == "ipv6=off":
                self._families = [each for each in self._families if each != stdlib_socket.AF_INET6]
            elif word == "ipv4=off":
                self._families = [each for each in self._families if each != stdlib_socket.AF_INET]
            elif "=" not in word:
                self._servers.append(_server_of(word))
        if not self._servers or not self._families:
            raise BadSetting(f"resolver: addresses of name servers expected, got {servers!r}")

    def addresses_of(self, host: str, timeout_s: float) -> Addresses:
        """Return the ``(family, ip)`` of a literal or a name.

        Raises:
            SocketError: "NAME could not be resolved (…)".
        Switches: for names that are not known.
        """
        family = ip_family(host)
        if family is not None:
            return [(family, host)]
        name = host.lower().removesuffix(".")
        valid_until_s, addresses = self._known.get(name, (0.0, []))
        if _hub.clock.monotonic_s() < valid_until_s:
            return addresses
        deadline = _hub.Deadline(min(timeout_s, self._timeout_s))
        found: Addresses = []
        lifetime_s = 3600.0
        reason = 3
        for each in self._families:
            code, answers, seconds = self._shared(f"{int(each)} {host}", deadline)
            found += [(int(each), answer) for answer in answers]
            lifetime_s = min(lifetime_s, seconds) if answers else lifetime_s
            if code:
                reason = code
                if code == 3:  # no such name, whatever the family
                    break
        if not found:
            raise NameNotFound(f"{host} could not be resolved ({reason}: {_REASONS.get(reason, 'Unknown error')})")
        if len(self._known) >= MOST_NAMES:
            self._known.clear()
        self._known[name] = _hub.clock.monotonic_s() + lifetime_s, found
        return found

    def _shared(self, question: str, deadline: _hub.Deadline) -> Found:
        # Ask, or wait for a question that is under way, which may be over before our time is.
        while left_s := deadline.left_s:
            try:
                found = self._questions.ask(question, left_s)
            except SocketTimeout:
                break
            if found is None:
                return SERVER_FAILURE, [], 0.0
            if found[0] != TIMED_OUT:
                return found
        return TIMED_OUT, [], 0.0

    def _ask(self, question: str) -> Found:
        family, _, host = question.partition(" ")
        deadline = _hub.Deadline(self._timeout_s)
        kind = dns.rdatatype.A if int(family) == stdlib_socket.AF_INET else dns.rdatatype.AAAA
        try:
            query = dns.message.make_query(host, kind)
        except dns.exception.DNSException:  # no name at all: a label too long
            return 3, [], 0.0
        code = TIMED_OUT
        try_s, pause_s = FIRST_TRY_S, PAUSE_S
        while True:
            for server in self._servers:
                if not (left_s := deadline.left_s):
                    return code, [], 0.0
                reply = _over_udp(server, query, min(left_s, try_s))
                if reply is not None and reply.flags & dns.flags.TC:
                    reply = _over_tcp(server, query, deadline.left_s)
                if reply is None:
                    continue
                code = int(reply.rcode())
                if code:
                    if code == dns.rcode.NXDOMAIN:
                        return code, [], 0.0
                    continue
                try:
                    answer = reply.resolve_chaining().answer
                except dns.exception.DNSException:  # names that stand for each other in a circle
                    code = int(dns.rcode.SERVFAIL)
                    continue
                return (
                    0,
                    [] if answer is None else [item.address for item in answer],
                    float(answer.ttl if answer else 0),
                )
            if code != TIMED_OUT:
                return code, [], 0.0  # all have refused
            try_s = self._timeout_s
            _hub.sleep(min(pause_s, deadline.left_s))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _server_of(word: str) -> tuple[str, int]:
    host, colon, port = word.rpartition(":")
    if ip_family(word.strip("[]")) is not None:
        host, port = word, str(PORT)
    elif not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadSetting(f"resolver: {word!r} is no address")
    host = host.strip("[]")
    if ip_family(host) is None:
        raise BadSetting(f"resolver: {word!r} is no address")
    return host, int(port)


def _over_udp(server: tuple[str, int], query: Any, timeout_s: float) -> Any:
    sock = Datagram()
    sock.limit_waits(timeout_s)
    try:
        sock.set_peer(*server)
        sock.transmit(query.to_wire())
        deadline = _hub.Deadline(timeout_s)
        while deadline.left_s:
            reply = _reply_to(query, sock.take(LARGEST_REPLY)[0])
            if reply is not None:
                return reply
    except SocketError:
        return None
    finally:
        sock.drop()
    return None  # only what was not asked for has come


def _over_tcp(server: tuple[str, int], query: Any, timeout_s: float) -> Any:
    wire = query.to_wire()
    try:
        connection = Opening(*server, ANY_POOL, timeout_s).run()
        try:
            connection.stream.send(len(wire).to_bytes(2, "big") + wire, timeout_s)
            size = int.from_bytes(_exactly(2, connection.stream, timeout_s), "big")
            return _reply_to(query, _exactly(size, connection.stream, timeout_s))
        finally:
            connection.end()
    except SocketError:
        return None


def _exactly(size: int, stream: Stream, timeout_s: float) -> bytes:
    data = b""
    while len(data) < size:
        piece = stream.recv(size - len(data), timeout_s, False)
        if not piece:
            raise StreamEnded
        data += piece
    return data


def _reply_to(query: Any, data: bytes) -> Any:
    try:
        reply = dns.message.from_wire(data, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return None
    return reply if query.is_response(reply) else None
