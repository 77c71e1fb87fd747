"""Shares of answers add up to a hundred, whatever the counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.questions.counts import shares


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((4, 4, 3, 2, 2), ("27%", "27%", "20%", "13%", "13%")),
        ((1, 1, 1), ("34%", "33%", "33%")),
        ((2, 0, 1), ("67%", "0%", "33%")),
        ((0, 0), ("", "")),
    ],
)
def test_what_is_rounded_away_goes_to_those_that_lost_most(counts: tuple[int, ...], said: tuple[str, ...]) -> None:
    assert shares(counts) == said


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=10).filter(any))
def test_they_add_up_and_are_near_the_exact_ones(counts: list[int]) -> None:
    said = [int(share.removesuffix("%")) for share in shares(counts)]
    assert sum(said) == 100
    assert all(abs(share - 100 * n / sum(counts)) < 1 for share, n in zip(said, counts, strict=True))
