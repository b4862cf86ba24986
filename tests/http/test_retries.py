from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa.http._client.retries import Retries, plan_retry, retries_of

NOW_S = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT
PLAIN = Retries(jitter=0.0)


def plan(tries_done: int = 1, method: str = "GET", policy: Retries | None = PLAIN, **rest: Any) -> float | None:
    return plan_retry(policy, tries_done, method, **{"now_s": NOW_S, "random": 0.0, **rest})


@pytest.mark.parametrize(
    ("value", "policy"),
    [
        (None, None),
        (False, None),
        (0, None),
        (True, Retries()),
        (1, Retries(attempts=2)),
        (4, Retries(attempts=5)),
        (PLAIN, PLAIN),
        ({}, Retries()),
        ({"attempts": 2, "statuses": [500]}, Retries(attempts=2, statuses=frozenset({500}))),
        ({"methods": ("GET", "POST")}, Retries(methods=frozenset({"GET", "POST"}))),
    ],
)
def test_many_things_say_what_to_retry(value: Any, policy: Retries | None) -> None:
    assert retries_of(value) == policy


@pytest.mark.parametrize("value", ["3", 1.5, [3], object()])
def test_other_types_say_nothing(value: Any) -> None:
    with pytest.raises(TypeError, match="bad retries"):
        retries_of(value)


@pytest.mark.parametrize("value", [-1, {"tries": 3}])
def test_wrong_values_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="bad retries"):
        retries_of(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attempts", 0),
        ("attempts", -1),
        ("backoff_s", -0.1),
        ("backoff_s", float("nan")),
        ("max_backoff_s", float("inf")),
        ("jitter", 1.1),
        ("jitter", -0.1),
        ("max_retry_after_s", -1),
        ("statuses", {99}),
        ("statuses", {600}),
        ("methods", {""}),
        ("methods", {"GET "}),
    ],
)
def test_a_policy_out_of_range_cannot_be_built(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"bad {name}"):
        Retries(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attempts", 1.5),
        ("attempts", True),
        ("attempts", "3"),
        ("backoff_s", "1"),
        ("jitter", True),
        ("statuses", 503),
        ("statuses", {"503"}),
        ("methods", "GET"),
        ("methods", {1}),
    ],
)
def test_a_policy_of_wrong_types_cannot_be_built(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"bad {name}"):
        Retries(**{name: value})


@pytest.mark.parametrize(
    ("reason", "idempotent", "other"),
    [
        ("timeout", True, False),
        ("closed", True, False),
        ("connection refused", True, True),
        ("connection reset by peer", True, False),
        ("connection timed out", True, False),
        ("broken pipe", True, False),
        ("no route to host", True, False),
        ("network is unreachable", True, False),
        ("h could not be resolved (2: Server failure)", True, True),
        ("h could not be resolved (110: Operation timed out)", True, True),
        ("h could not be resolved (3: Host not found)", False, False),
        ("ssl handshake failed: timeout", True, False),
        ("ssl handshake failed: closed", True, False),
        ("ssl handshake failed: handshake failed", False, False),
        ("ssl handshake failed: 18: self-signed certificate", False, False),
        ("handshake failed", False, False),
        ("certificate host mismatch", False, False),
        ("18: self-signed certificate", False, False),
        ("bad uri: x", False, False),
        ("too many waiting connect operations", False, False),
        ("error", False, False),
        ("", False, False),
    ],
)
def test_failures_that_may_heal_are_tried_again(reason: str, idempotent: bool, other: bool) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"):
        assert (plan(method=method, reason=reason) is not None) is idempotent
    for method in ("POST", "PATCH", "CONNECT", "get"):
        assert (plan(method=method, reason=reason) is not None) is other


@pytest.mark.parametrize("status", [200, 302, 404, 429, 500, 502, 503, 504])
def test_statuses_that_may_heal_are_tried_again(status: int) -> None:
    assert (plan(status=status) is not None) is (status in {429, 502, 503, 504})
    assert plan(status=status, method="POST") is None


def test_the_policy_decides_on_methods_and_statuses() -> None:
    policy = Retries(methods=frozenset({"POST"}), statuses=frozenset({500}))
    assert plan(policy=policy, method="POST", reason="timeout") is not None
    assert plan(policy=policy, method="POST", status=500) is not None
    assert plan(policy=policy, method="POST", status=503) is None
    assert plan(policy=policy, method="GET", reason="timeout") is None


def test_nothing_is_tried_again_without_a_policy_a_failure_a_body_or_a_try_left() -> None:
    assert plan(policy=None, reason="timeout") is None
    assert plan() is None
    assert plan(reason="connection refused", may_resend=False) is None
    assert plan(2, reason="timeout") is not None
    assert plan(3, reason="timeout") is None
    assert plan(policy=Retries(attempts=1), reason="timeout") is None


@pytest.mark.parametrize(
    ("tries_done", "random", "delay_s"),
    [(1, 0.0, 0.1), (2, 0.0, 0.2), (3, 0.0, 0.4), (1, 1.0, 0.05), (2, 0.5, 0.15), (8, 0.0, 10.0), (9999, 0.0, 10.0)],
)
def test_the_wait_doubles_up_to_a_limit_and_partly_by_chance(tries_done: int, random: float, delay_s: float) -> None:
    policy = Retries(attempts=10**6)
    assert plan(tries_done, policy=policy, reason="closed", random=random) == pytest.approx(delay_s)


@pytest.mark.parametrize(
    ("retry_after", "delay_s"),
    [
        (None, 0.1),
        ("0", 0.1),
        ("5", 5.0),
        (" 5 ", 5.0),
        ("1.5", 1.5),
        ("60", 60.0),
        ("61", None),
        ("9" * 60, None),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10.0),
        ("Sun Nov  6 08:49:47 1994", 10.0),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0.1),
        ("Sun, 06 Nov 1994 09:49:37 GMT", None),
        ("Sun, 06 Nov 9994 09:49:37 GMT", None),
        ("", 0.1),
        ("-5", 0.1),
        ("+5", 0.1),
        ("\u0665", 0.1),
        ("soon", 0.1),
        (",", 0.1),
        ("9" * 5000, 0.1),
    ],
)
def test_a_server_may_ask_for_a_longer_wait_within_limits(retry_after: str | None, delay_s: float | None) -> None:
    assert plan(status=503, retry_after=retry_after) == (None if delay_s is None else pytest.approx(delay_s))


def test_a_wait_that_the_server_asks_for_is_not_cut_by_chance() -> None:
    assert plan(policy=Retries(), status=429, retry_after="5", random=1.0) == 5.0


@given(st.text(), st.floats(0, 4e9))
def test_any_retry_after_gives_a_wait_within_limits_or_none(retry_after: str, now_s: float) -> None:
    delay_s = plan_retry(PLAIN, 1, "GET", status=503, retry_after=retry_after, now_s=now_s, random=0.5)
    assert delay_s is None or 0 <= delay_s <= 60


@given(st.integers(1, 10**9), st.floats(0, 1e300), st.floats(0, 1e300), st.floats(0, 1), st.floats(0, 1))
def test_the_wait_is_never_longer_than_its_limit(
    tries_done: int, backoff_s: float, max_backoff_s: float, jitter: float, random: float
) -> None:
    policy = Retries(10**10, backoff_s, max_backoff_s, jitter)
    delay_s = plan(tries_done, policy=policy, reason="closed", random=random)
    assert delay_s is not None
    assert 0 <= delay_s <= max_backoff_s
