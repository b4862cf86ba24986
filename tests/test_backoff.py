"""The wait before another attempt: it doubles up to a maximum, and chance has its part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa._backoff import backoff_s

SECONDS = st.floats(0, 1e300)
PARTS = st.floats(0, 1)


@pytest.mark.parametrize(
    ("spread", "chance", "expected"),
    [
        (0.0, 0.7, [0.5, 0.5, 1, 2, 4, 5, 5]),
        (0.5, 0.0, [0.5, 0.5, 1, 2, 4, 5, 5]),
        (0.5, 1.0, [0.75, 0.75, 1.5, 3, 6, 7.5, 7.5]),
        (-0.5, 1.0, [0.25, 0.25, 0.5, 1, 2, 2.5, 2.5]),
        (-1.0, 1.0, [0] * 7),
    ],
)
def test_it_doubles_up_to_its_maximum_and_chance_adds_or_takes_a_part(
    spread: float, chance: float, expected: list[float]
) -> None:
    assert [backoff_s(doublings, 0.5, 5, spread, chance) for doublings in range(-1, 6)] == expected


@given(st.integers(-(10**9), 10**9), SECONDS, SECONDS, st.floats(-1, 1), PARTS)
def test_it_is_within_its_bounds_however_many_attempts_have_failed(
    doublings: int, first_s: float, longest_s: float, spread: float, chance: float
) -> None:
    whole_s = backoff_s(doublings, first_s, longest_s, 0, chance)
    assert min(first_s, longest_s) <= whole_s <= longest_s
    found_s = backoff_s(doublings, first_s, longest_s, spread, chance)
    least_s, most_s = sorted((whole_s, whole_s * (1 + spread)))
    assert least_s <= found_s <= most_s
    assert backoff_s(doublings + 1, first_s, longest_s, 0, chance) >= whole_s
