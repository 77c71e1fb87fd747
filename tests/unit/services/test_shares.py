"""Shares of answers: each rounded by itself, so that equal counts look equal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.questions.counts import shares


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((4, 4, 3, 2, 2), ("27%", "27%", "20%", "13%", "13%")),
        ((1, 1, 1), ("33%", "33%", "33%")),
        ((4, 2, 1, 1), ("50%", "25%", "13%", "13%")),
        ((2, 0, 1), ("67%", "0%", "33%")),
        ((0, 0), ("", "")),
    ],
)
def test_each_is_rounded_a_half_up(counts: tuple[int, ...], said: tuple[str, ...]) -> None:
    assert shares(counts) == said


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=10).filter(any))
def test_equal_counts_have_equal_shares_near_the_exact_ones(counts: list[int]) -> None:
    doubled = shares([*counts, *counts])
    assert doubled[: len(counts)] == doubled[len(counts) :]
    said = [int(share.removesuffix("%")) for share in shares(counts)]
    assert all(abs(share - 100 * n / sum(counts)) <= 0.5 for share, n in zip(said, counts, strict=True))
