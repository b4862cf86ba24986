"""Where lasa is meant to differ from version 0.10.23 of the Lua module: script -> reason.

A script in this list must differ: when it does not any more, its line here is wrong and a test fails.
"""

from __future__ import annotations

__all__ = ["DIFFERENCES"]

_NEWER_TEXT = "0.10.23 says 'bad pattern argument' for every bad argument of receive; newer versions tell them apart"
_KILLED = "0.10.23 leaves the socket of a killed light thread busy for good; in lasa it can connect again"
_NO_C_CALL = "lasa's message says more: that a call which waits stands inside a function of C, and which these are"
_CJSON = "Debian's cjson is 2.1.0; lasa follows the one of OpenResty, 2.1.0.11"

_OF_C = "a light thread of lasa's, or a timer, may run a function of C as well"
_REASON = "reason phrases are those of RFC 9110, which has 302 Found"

DIFFERENCES: dict[str, str] = {
    "coroutine/create_what_is_no_function": _OF_C,
    "pool/setkeepalive_when_the_peer_has_closed_unseen": "lasa closes a connection that the peer has closed at once",
    "redirect/default_is_302": _REASON,
    "redirect/keeps_headers": _REASON,
    "redirect/never_comes_back": _REASON,
    "redirect/to_http_1_0_behind_output": _REASON,
    "response/without_a_length_is_chunked": "what is complete before anything is sent has a Content-Length, no chunks",
    "tcp/a_fresh_socket_may_wait_for_more": "TCP_NODELAY is on from the beginning: a small message does not wait",
    "tcp/a_method_without_a_socket": "a table that is no socket is a mistake that is told, not a closed socket",
    "tcp/connect_with_bad_options": "0.10.23 ignores options that are no table, and a backlog that is no number",
    "thread/spawn_a_function_of_c": _OF_C,
    "timer/at_with_a_function_of_c": _OF_C,
    "tls/an_unknown_authority_is_refused": "lasa tells the first fault of a certificate, nginx the last",
    "var/unknown": "no variable of lasa's has to be defined before a script sets it",
    "cjson/decode_without_a_colon": _CJSON,
    "cjson/encode_number_precision_limit": _CJSON,
    "cjson/encode_numbers_that_are_none": _CJSON,
    "cjson/version": _CJSON,
    "codec/resty_aes_failures": "Debian's lua-resty-string is 0.11; newer ones say why, and fill up a short IV",
    "coroutine/a_wrap_that_has_ended": "0.10.23 returns false and the message; plain Lua raises it, and so does lasa",
    "coroutine/isyieldable_is_not_there": "LuaJIT has coroutine.isyieldable; 0.10.23 hides it, lasa does not",
    "coroutine/pcall_around_a_failing_wrap": "in 0.10.23 an error in a wrapped coroutine goes past pcall, and ends all",
    "coroutine/wait_across_a_sort": _NO_C_CALL,
    "coroutine/wait_across_gsub": _NO_C_CALL,
    "ngx/run_worker_thread_without_a_pool": "a pool of OS threads has to be declared in nginx; lasa has one of its own",
    "semaphore/a_wait_that_waited_and_timed_out_is_false": "a failed wait returns nil, whether it had to wait or not",
    "tcp/connect_after_its_connecting_thread_was_killed": _KILLED,
    "tcp/connect_after_its_reader_was_killed": _KILLED,
    "tcp/connect_to_a_bare_ipv6_address": "lasa takes an IPv6 address without brackets too",
    "tcp/receive_with_a_bad_size": _NEWER_TEXT,
    "tcp/receiveuntil_at_the_end_in_the_pattern": (
        "0.10.23 loses bytes that may begin the pattern when the stream ends; lasa hands them over in the partial data"
    ),
    "tcp/settimeout_out_of_range": "a negative timeout is the default in lasa, as in its seed; 0.10.23 raises",
    "udp/bind_needs_an_address": "bind of UDP sockets is newer than 0.10.23",
}
