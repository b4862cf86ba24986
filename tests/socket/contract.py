"""What every stream cosocket promises, whatever carries it; test_contract.py runs it over each kind of pair."""

from __future__ import annotations

from functools import partial
from typing import Any

import gevent
import pytest

import lasa
from lasa import thread
from tests.helpers import no_switch, settle
from tests.socket.tools import FLOOD, SHORT_MS, Pair, result_of, shrink_buffers, spawn_blocked

EOF = object()


def say(pair: Pair, *parts: Any) -> None:
    """Let the far end send; EOF ends its direction."""
    for part in parts:
        outcome = pair.far.shutdown("send") if part is EOF else pair.far.send(part)
        assert outcome[0], outcome


class Reads:
    def test_a_line_loses_its_lf_and_every_cr(self, pair: Pair) -> None:
        say(pair, b"foo\r\rbar\rbaz\r\n\n\r\n")
        assert pair.near.receive() == (b"foobarbaz", None, None)
        assert pair.near.receive("*l") == (b"", None, None)
        assert pair.near.receive(b"*l") == (b"", None, None)

    def test_a_line_comes_once_its_second_half_arrives(self, pair: Pair) -> None:
        reader = spawn_blocked(pair.near.receive)
        say(pair, b"HEL")
        settle()
        assert thread.status(reader) == "running"
        say(pair, b"LO\r\n")
        assert result_of(reader) == (b"HELLO", None, None)

    @pytest.mark.parametrize("size", [4, "4", " 0x4 ", 4.9, b"4", "4e0"])
    def test_a_size_is_a_number_or_looks_like_one(self, pair: Pair, size: Any) -> None:
        say(pair, b"hello")
        assert pair.near.receive(size) == (b"hell", None, None)
        assert pair.near.receive(1) == (b"o", None, None)

    @pytest.mark.parametrize("size", [0, "0", 0.9, -0.0])
    def test_a_size_of_nothing_is_read_at_once_from_a_silent_peer(self, pair: Pair, size: Any) -> None:
        with no_switch():
            assert pair.near.receive(size) == (b"", None, None)

    def test_everything_comes_at_the_end_which_is_a_success_and_is_remembered(self, pair: Pair) -> None:
        say(pair, b"one\r\n", b"two", EOF)
        assert pair.near.receive("*a") == (b"one\r\ntwo", None, None)
        assert pair.near.receive("*a") == (b"", None, None)
        assert pair.near.receive(1) == (None, "closed", b"")
        assert pair.near.send(b"x") == (1, None)
        assert pair.near.receive("*a") == (None, "closed", None)

    def test_anything_is_at_least_one_byte_and_at_most_the_limit(self, pair: Pair) -> None:
        say(pair, b"hello world", EOF)
        assert pair.near.receiveany(7) == (b"hello w", None, None)
        assert pair.near.receiveany(7) == (b"orld", None, None)
        assert pair.near.receiveany(7) == (None, "closed", b"")
        assert pair.near.receiveany(7) == (None, "closed", None)

    def test_what_comes_while_nobody_reads_is_kept_past_the_peers_end(self, pair: Pair) -> None:
        say(pair, b"a\nbcd", EOF)
        settle()
        assert pair.near.receive() == (b"a", None, None)
        assert pair.near.receive(2) == (b"bc", None, None)
        assert pair.near.receive(2) == (None, "closed", b"d")

    def test_an_end_in_the_middle_hands_over_what_came_once(self, pair: Pair) -> None:
        say(pair, b"foo\r", EOF)
        assert pair.near.receive() == (None, "closed", b"foo")
        assert pair.near.receive() == (None, "closed", None)
        assert pair.near.close() == (1, None)
        assert pair.near.close() == (None, "closed")

    def test_all_that_are_left_to_read_are_the_lines(self, pair: Pair) -> None:
        say(pair, b"a\r\nb\n\nc", EOF)
        assert list(pair.near) == [b"a", b"b", b"", b"c"]

    def test_a_large_stream_arrives_unchanged(self, pair: Pair) -> None:
        data = FLOOD * 4
        sender = thread.spawn(pair.far.send, data)
        assert pair.near.receive(len(data)) == (data, None, None)
        assert result_of(sender) == (len(data), None)

    def test_small_sizes_out_of_a_large_stream_are_in_order(self, pair: Pair) -> None:
        data = FLOOD[: 1 << 18]
        sender = thread.spawn(pair.far.send, data)
        chunks = []
        for _ in range(len(data) // 4096):
            chunk, err, _ = pair.near.receive(4096)
            assert chunk is not None, err
            chunks.append(chunk)
        assert b"".join(chunks) == data
        assert result_of(sender) == (len(data), None)


class Readers:
    def test_a_reader_ends_at_the_pattern_and_may_be_called_again(self, pair: Pair) -> None:
        say(pair, b"abcabcabd\n", EOF)
        reader = pair.near.receiveuntil("abcabd")
        assert reader() == (b"abc", None, None)
        assert reader() == (None, "closed", b"\n")

    def test_adjacent_patterns_have_nothing_between_them(self, pair: Pair) -> None:
        say(pair, b"a----b--")
        reader = pair.near.receiveuntil(b"--")
        assert [reader()[0] for _ in range(3)] == [b"a", b"", b"b"]

    def test_an_inclusive_reader_keeps_the_pattern(self, pair: Pair) -> None:
        say(pair, b"hello world _END_ blah _END_")
        reader = pair.near.receiveuntil("_END_", {"inclusive": True})
        assert reader() == (b"hello world _END_", None, None)
        assert reader(100) == (b" blah _END_", None, None)
        assert reader() == (None, None, None)

    def test_chunks_end_with_a_marker(self, pair: Pair) -> None:
        say(pair, b"hello, world ----abc\n", EOF)
        reader = pair.near.receiveuntil("--abc")
        assert [reader(4)[0] for _ in range(4)] == [b"hell", b"o, w", b"orld", b" --"]
        assert reader(4) == (None, None, None)
        assert reader(4) == (None, "closed", b"\n")

    def test_chunks_and_other_reads_take_turns(self, pair: Pair) -> None:
        say(pair, b"hello, world ----abc\n", EOF)
        reader = pair.near.receiveuntil("--abc")
        for chunk, byte in ((b"hell", b"o"), (b", wo", b"r"), (b"ld -", b"-"), (b"", b"\n")):
            assert reader(4) == (chunk, None, None)
            assert pair.near.receive(1) == (byte, None, None)
        assert reader(4) == (None, None, None)
        assert pair.near.receive(1) == (None, "closed", b"")

    def test_an_empty_chunk_may_come_before_the_marker(self, pair: Pair) -> None:
        say(pair, b"abcdEND")
        reader = pair.near.receiveuntil("END")
        assert [reader(4) for _ in range(3)] == [(b"abcd", None, None), (b"", None, None), (None, None, None)]

    def test_the_marker_comes_without_reading_and_to_a_call_without_size_too(self, pair: Pair) -> None:
        say(pair, b"abEND")
        reader = pair.near.receiveuntil("END")
        assert reader(4) == (b"ab", None, None)
        with no_switch():
            assert reader() == (None, None, None)
        say(pair, b"cEND")
        assert reader() == (b"c", None, None)

    def test_a_timeout_withholds_what_may_be_the_pattern(self, pair: Pair) -> None:
        say(pair, b"foo--a")
        pair.near.settimeout(SHORT_MS)
        reader = pair.near.receiveuntil("--abc")
        assert reader() == (None, "timeout", b"foo")
        say(pair, b"bc!")
        assert reader() == (b"", None, None)
        assert pair.near.receive(1) == (b"!", None, None)

    def test_another_read_gets_what_a_reader_withheld(self, pair: Pair) -> None:
        say(pair, b"foo--a")
        pair.near.settimeout(SHORT_MS)
        reader = pair.near.receiveuntil("--abc")
        assert reader() == (None, "timeout", b"foo")
        assert pair.near.peek()
        assert pair.near.setkeepalive() == (None, "unread data in buffer")
        assert pair.near.receive(2) == (b"--", None, None)
        say(pair, b"bc--abc")
        assert reader() == (b"abc", None, None)

    def test_the_end_hands_over_what_was_withheld(self, pair: Pair) -> None:
        say(pair, b"foo--a", EOF)
        assert pair.near.receiveuntil("--abc")() == (None, "closed", b"foo--a")

    def test_two_readers_share_one_stream(self, pair: Pair) -> None:
        say(pair, b"head: 1\r\nhead: 2\r\n\r\nbody--", EOF)
        line, body = pair.near.receiveuntil("\r\n"), pair.near.receiveuntil("--")
        assert [line()[0] for _ in range(3)] == [b"head: 1", b"head: 2", b""]
        assert body() == (b"body", None, None)
        assert line() == (None, "closed", b"")


class Peeks:
    def test_peek_sees_bytes_and_takes_none(self, pair: Pair) -> None:
        assert not pair.near.peek()
        say(pair, b"ab")
        with no_switch():
            assert pair.near.peek()
            assert pair.near.peek()
        assert pair.near.receive(1) == (b"a", None, None)
        assert pair.near.peek()
        assert pair.near.receive(1) == (b"b", None, None)
        assert not pair.near.peek()

    def test_the_end_alone_is_nothing_to_peek_at(self, pair: Pair) -> None:
        say(pair, EOF)
        assert not pair.near.peek()
        assert pair.near.receive() == (None, "closed", b"")
        assert not pair.near.peek()
        pair.near.close()
        assert not pair.near.peek()

    def test_peek_beside_a_waiting_reader_takes_nothing_from_it(self, pair: Pair) -> None:
        reader = spawn_blocked(pair.near.receive, 2)
        say(pair, b"ab")
        assert pair.near.peek()
        assert result_of(reader) == (b"ab", None, None)


class Timeouts:
    def test_a_read_timeout_hands_over_what_came_and_harms_nothing(self, pair: Pair) -> None:
        pair.near.settimeout(SHORT_MS)
        say(pair, b"2\r\nhi\r\n")
        assert pair.near.receive(100) == (None, "timeout", b"2\r\nhi\r\n")
        assert pair.near.receiveany(1) == (None, "timeout", b"")
        assert pair.near.receive("*a") == (None, "timeout", b"")
        say(pair, b"5\r\nworld\r\n")
        assert pair.near.receive() == (b"5", None, None)
        assert pair.near.receive() == (b"world", None, None)

    def test_a_peer_that_drips_trips_no_timeout(self, pair: Pair) -> None:
        pair.near.settimeout(100)

        def drip() -> None:
            for byte in (b"h", b"e", b"l", b"l", b"o"):
                lasa.sleep(0.04)
                say(pair, byte)

        dripping = thread.spawn(drip)
        assert pair.near.receive(5) == (b"hello", None, None)
        result_of(dripping)

    def test_a_new_timeout_counts_from_the_next_wait_of_a_read_in_flight(self, pair: Pair) -> None:
        reader = spawn_blocked(pair.near.receive, 2)
        pair.near.settimeout(SHORT_MS)
        settle()
        say(pair, b"a")
        assert result_of(reader) == (None, "timeout", b"a")

    def test_each_kind_of_wait_has_its_own_timeout(self, pair: Pair) -> None:
        pair.near.settimeouts(60_000, 60_000, SHORT_MS)
        assert pair.near.receive() == (None, "timeout", b"")
        pair.near.settimeouts(60_000, SHORT_MS, 60_000)
        shrink_buffers(pair)
        assert pair.near.send(FLOOD) == (None, "timeout")

    def test_a_send_timeout_ends_sending_and_nothing_else(self, pair: Pair) -> None:
        shrink_buffers(pair)
        pair.near.settimeout(SHORT_MS)
        assert pair.near.send(FLOOD) == (None, "timeout")
        assert pair.near.send(b"x") == (None, "closed")
        assert pair.near.send(b"") == (None, "closed")
        say(pair, b"still there\n")
        assert pair.near.receive() == (b"still there", None, None)
        assert pair.near.setkeepalive() == (None, "closed")
        assert pair.near.close() == (1, None)

    def test_a_peer_that_reads_slowly_trips_no_send_timeout(self, pair: Pair) -> None:
        shrink_buffers(pair)
        pair.near.settimeout(400)
        data = FLOOD[: 1 << 18]
        sender = spawn_blocked(pair.near.send, data)
        for _ in range(4):
            lasa.sleep(0.12)
            chunk, err, _ = pair.far.receive(1 << 16)
            assert chunk is not None, err
        assert result_of(sender) == (len(data), None)


class Writes:
    def test_a_list_of_pieces_is_sent_as_one(self, pair: Pair) -> None:
        assert pair.near.send([b"GET", " ", ["/foo", [" HTTP/", 1, ".", 0]]]) == (17, None)
        assert pair.far.receive(17) == (b"GET /foo HTTP/1.0", None, None)

    def test_nothing_to_send_is_a_success(self, pair: Pair) -> None:
        with no_switch():
            assert pair.near.send(b"") == pair.near.send([]) == pair.near.send(["", []]) == (0, None)

    def test_wrong_data_raises_and_harms_nothing(self, pair: Pair) -> None:
        wrong: list[Any] = [[b"a", None], [True], {}, {"a": 1}, [b"a", {}], object()]
        for data in wrong:
            with pytest.raises(TypeError):
                pair.near.send(data)
        assert pair.near.send(b"ok\n") == (3, None)
        assert pair.far.receive() == (b"ok", None, None)

    def test_what_is_sent_is_the_value_at_the_time_of_the_call(self, pair: Pair) -> None:
        shrink_buffers(pair)
        data = bytearray(FLOOD)
        sender = spawn_blocked(pair.near.send, data)
        data[:] = bytes(len(data))
        assert pair.far.receive(len(FLOOD)) == (FLOOD, None, None)
        assert result_of(sender) == (len(FLOOD), None)

    def test_a_half_closed_peer_still_gets_data(self, pair: Pair) -> None:
        say(pair, EOF)
        assert pair.near.receiveany(1024) == (None, "closed", b"")
        assert pair.near.send(b"x") == (1, None)
        assert pair.far.receive(1) == (b"x", None, None)
        assert pair.near.close() == (1, None)

    def test_both_ends_flood_each_other(self, pair: Pair) -> None:
        shrink_buffers(pair)
        senders = [thread.spawn(sock.send, FLOOD) for sock in pair]
        readers = [thread.spawn(sock.receive, len(FLOOD)) for sock in pair]
        for reader in readers:
            assert result_of(reader) == (FLOOD, None, None)
        for sender in senders:
            assert result_of(sender) == (len(FLOOD), None)

    def test_sending_to_a_peer_that_closed_closes_the_write_half_only(self, pair: Pair) -> None:
        say(pair, b"bye\n")
        assert pair.far.close() == (1, None)
        for _ in range(100):
            sent, err = pair.near.send(FLOOD[:65536])
            if sent is None:
                break
        assert err in ("broken pipe", "connection reset by peer")
        assert pair.near.send(b"x") == (None, "closed")
        assert pair.near.close() == (1, None)


class Turns:
    """One reader and one writer at a time; the others get a word and disturb nobody."""

    def test_beside_a_reader_only_writing_is_free(self, pair: Pair) -> None:
        near = pair.near
        reader = spawn_blocked(near.receive)
        busy = "socket busy reading"
        until = near.receiveuntil("x")
        with no_switch():
            assert near.receive(1) == near.receiveany(1) == until() == (None, busy, None)
            assert near.receive("*nonsense") == (None, busy, None)
            assert near.close() == near.setkeepalive() == near.connect("127.0.0.1", 1) == (None, busy)
            assert near.sslhandshake() == near.accept() == (None, busy)
            assert near.getreusedtimes() == (0, None)
            assert near.send(b"flush_all") == (9, None)
            near.settimeout(1000)
            assert not near.peek()
        say(pair, b"line\n")
        assert result_of(reader) == (b"line", None, None)
        assert pair.far.receive(9) == (b"flush_all", None, None)

    def test_beside_a_writer_only_reading_is_free(self, pair: Pair) -> None:
        shrink_buffers(pair)
        near = pair.near
        writer = spawn_blocked(near.send, FLOOD)
        say(pair, b"hello")
        busy = "socket busy writing"
        assert near.receive(5) == (b"hello", None, None)
        with no_switch():
            assert near.send(b"x") == near.send({}) == (None, busy)
            assert near.close() == near.setkeepalive() == near.connect("127.0.0.1", 1) == (None, busy)
            assert near.sslhandshake() == (None, busy)
            assert near.getreusedtimes() == (0, None)
        assert pair.far.receive(len(FLOOD)) == (FLOOD, None, None)
        assert result_of(writer) == (len(FLOOD), None)


class Kills:
    def test_killing_a_reader_closes_the_socket_for_everyone(self, pair: Pair) -> None:
        reader = spawn_blocked(pair.near.receive)
        assert thread.kill(reader) == (1, None)
        assert pair.near.receive() == (None, "closed", None)
        assert pair.near.send(b"x") == (None, "closed")
        assert pair.near.close() == (None, "closed")
        assert pair.far.receive() == (None, "closed", b"")

    def test_killing_a_writer_closes_the_socket_for_the_reader_too(self, pair: Pair) -> None:
        shrink_buffers(pair)
        say(pair, b"par")
        reader = spawn_blocked(pair.near.receive, 10)
        writer = spawn_blocked(pair.near.send, FLOOD)
        assert thread.kill(writer) == (1, None)
        assert pair.near.connect("127.0.0.1", 1) == (None, "socket busy reading")  # it has not heard of it yet
        assert result_of(reader) == (None, "closed", b"par")
        assert not pair.near.peek()
        assert pair.near.close() == (None, "closed")

    def test_a_foreign_timeout_in_a_read_loses_no_byte(self, pair: Pair) -> None:
        say(pair, b"ab")
        near = pair.near
        reads = (partial(near.receive, 9), partial(near.receive, "*a"), near.receive, near.receiveuntil("--"))
        for read in reads:
            with pytest.raises(gevent.Timeout), gevent.Timeout(SHORT_MS / 1000):
                read()
        say(pair, b"c\n")
        assert pair.near.receive() == (b"abc", None, None)
        assert pair.near.send(b"x") == (1, None)

    def test_a_foreign_timeout_in_a_send_closes_the_write_half(self, pair: Pair) -> None:
        shrink_buffers(pair)
        with pytest.raises(gevent.Timeout), gevent.Timeout(SHORT_MS / 1000):
            pair.near.send(FLOOD)
        assert pair.near.send(b"x") == (None, "closed")
        say(pair, b"hello")
        assert pair.near.receive(5) == (b"hello", None, None)
        assert pair.near.close() == (1, None)
