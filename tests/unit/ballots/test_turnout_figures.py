"""Turnout figures are rounded once, and never up to what has not been reached."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballots.figures import at_least, estimate, format_number, needed, over_report, percent, threshold
from ballots.score import Score, ScoreTerms, assess


def score_of(electorate: int, voted: int, share: float = 0.5, over: float = 0.13) -> Score:
    return assess({"electorate": electorate, "voted": voted}, 0, ScoreTerms(share, over, 5, 7))


@given(st.integers(0, 120_000), st.integers(1, 120_000))
def test_a_share_below_a_whole_per_cent_is_never_shown_as_reaching_it(part: int, whole: int) -> None:
    shown = percent(part / whole)
    for goal in (40, 50):
        if 100 * part < goal * whole:
            assert float(shown.rstrip("%")) < goal
        else:
            assert float(shown.rstrip("%")) >= goal


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.4, "0.4"),
        (5.0, "5"),
        (9.04, "9"),
        (10.4, "10"),
        (12.6, "13"),
        (1234567, "1,234,567"),
        (-3, "-3"),
    ],
)
def test_numbers_are_grouped_by_thousands(value: float, shown: str) -> None:
    assert format_number(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (3261 / 12_000, "27.2%"),
        (1 / 6, "16.7%"),
        (0.4996, "49.9%"),
        (0.9999, "99.9%"),
        (1.0, "100.0%"),
        (0.5, "50.0%"),
        (0.0004, "0.0%"),
        (0.29, "29.0%"),
    ],
)
def test_shares_are_rounded_to_whole_per_cents(share: float, shown: str) -> None:
    assert percent(share) == shown


def test_a_share_is_not_rounded_up_to_a_threshold_that_is_no_whole_per_cent() -> None:
    assert percent(0.3328) == "33.3%"
    assert percent(0.3328, mark=0.333) == "33.2%"
    assert percent(0.333, mark=0.333) == "33.3%"
    assert percent(0.49996, 2) == "49.99%"
    assert threshold(0.333) == "33.3%"
    assert threshold(0.5) == "50%"
    assert over_report(score_of(10, 1, over=0.125)) == "12.5%"


@pytest.mark.parametrize(
    ("electorate", "voted", "estimated", "lacking"),
    [
        (1, 0, "0", "1"),
        (1, 1, "0.9", "reached"),
        (2, 1, "0.9", "1"),
        (3, 2, "1.7", "1"),
        (3, 3, "2.6", "reached"),
        (12, 8, "7", "reached"),
        (14, 8, "6.9", "1"),  # 6.96, of 7
        (28, 14, "12", "3"),
        (12_000, 2, "1.7", "6,895"),
        (12_000, 6_896, "5,999", "1"),
        (12_000, 6_897, "6,000", "reached"),
        (0, 0, "0", ""),
    ],
)
def test_branches_of_every_size(electorate: int, voted: int, estimated: str, lacking: str) -> None:
    score = score_of(electorate, voted)
    assert (estimate(score), needed(score)) == (estimated, lacking)


def test_a_threshold_the_estimate_cannot_reach_asks_for_nobody_who_is_not_there() -> None:
    assert needed(score_of(10, 8, share=0.9)) == "2"
    assert needed(score_of(10, 10, share=0.9)) == "all have confirmed"
    assert not score_of(10, 10, share=0.9).reached


def test_a_need_is_rounded_up() -> None:
    assert [at_least(needed) for needed in (0.2, 2.0, 2.0000000001, 2.1, 2896.6)] == ["1", "2", "2", "3", "2,897"]


@given(st.integers(1, 3000), st.floats(0, 1), st.floats(0.01, 1), st.floats(0, 0.49))
def test_shown_figures_are_never_impossible(electorate: int, part: float, share: float, over: float) -> None:
    score = score_of(electorate, int(electorate * part), share, over)
    assert 0 <= score.needed <= electorate - score.confirmed
    assert not (score.reached and score.needed)
    if not score.reached:
        assert float(estimate(score).replace(",", "")) < score.target or score.confirmed == electorate
    if score.passed:
        assert score.reached
