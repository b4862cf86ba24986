"""What a Deadline says, and when its alarm comes."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa import _hub
from lasa._hub import Deadline, clock
from lasa.errors import SocketTimeout

TIMES = st.floats(min_value=0.0, max_value=1e7, allow_nan=False)


class Stopped:
    """A clock that stands still, in place of the hub's."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Stopped:
    made = Stopped()
    monkeypatch.setattr(clock, "monotonic_s", made)
    return made


@pytest.mark.parametrize(
    ("timeout_s", "passed_s", "left_s", "left_of_5"),
    [
        (30.0, 0.0, 30.0, 5.0),
        (30.0, 25.0, 5.0, 5.0),
        (30.0, 28.0, 2.0, 2.0),
        (30.0, 30.0, 0.0, None),
        (30.0, 31.0, 0.0, None),
        (0.0, 0.0, 0.0, None),
        (-1.0, 0.0, 0.0, None),
        (None, 1e9, inf, 5.0),
        (inf, 1e9, inf, 5.0),
    ],
)
def test_what_is_left(
    stopped: Stopped, timeout_s: float | None, passed_s: float, left_s: float, left_of_5: float | None
) -> None:
    deadline = Deadline(timeout_s)
    stopped.now_s += passed_s
    assert deadline.left_s == left_s
    if left_of_5 is not None:
        assert deadline.left_of(5.0) == left_of_5
    else:
        with pytest.raises(SocketTimeout):
            deadline.left_of(5.0)


@given(timeout_s=TIMES | st.just(inf) | st.none(), passed_s=TIMES, wait_s=TIMES | st.just(inf))
def test_a_wait_is_never_longer_than_what_is_left(timeout_s: float | None, passed_s: float, wait_s: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stopped = Stopped()
        patch.setattr(clock, "monotonic_s", stopped)
        deadline = Deadline(timeout_s)
        stopped.now_s = passed_s
        assert deadline.left_s >= 0
        assert (deadline.left_s == 0) is (passed_s >= deadline.at_s)
        if passed_s >= deadline.at_s:
            with pytest.raises(SocketTimeout):
                deadline.left_of(wait_s)
        else:
            assert deadline.left_of(wait_s) == min(wait_s, deadline.left_s)
            assert deadline.left_of(inf) == deadline.left_s


def test_its_alarm_comes_when_it_is_over() -> None:
    deadline = Deadline(0.005)
    left_s: list[float] = []
    alarm = deadline.alarm(lambda: left_s.append(deadline.left_s))
    assert alarm is not None
    _hub.sleep_s(0.02)
    assert left_s == [0.0]
    assert not alarm.is_set


def test_one_that_is_over_has_its_alarm_at_once_and_one_without_end_has_none() -> None:
    seen: list[str] = []
    Deadline(-1.0).alarm(lambda: seen.append("over"))
    assert Deadline(None).alarm(lambda: seen.append("never")) is None
    _hub.sleep_s(0.0)
    _hub.sleep_s(0.0)
    assert seen == ["over"]
