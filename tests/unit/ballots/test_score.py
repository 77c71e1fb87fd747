"""The formulas of a score."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballots.score import ScoreTerms, assess, votes_needed

TERMS = ScoreTerms(threshold=0.5, over_report=0.13, days_left=5, window=7)


def test_without_claims_the_estimate_knows_nothing() -> None:
    assessed = assess({"electorate": 1000}, 0, TERMS)
    assert (assessed.estimate, assessed.low, assessed.high) == (0, 0, 870)
    assert assessed.needed == 575


def test_the_silent_are_assumed_to_vote_like_those_who_spoke_at_the_high_end_only() -> None:
    assessed = assess({"electorate": 1000, "voted": 100, "not_voted": 100}, 70, TERMS)
    assert (assessed.estimate, assessed.low, assessed.high) == (87, 74, 448)
    assert assessed.rate_per_day == 10


def test_a_threshold_is_reached_exactly() -> None:
    assert assess({"electorate": 3}, 0, TERMS).target == 2
    assert assess({"electorate": 10, "voted": 5}, 0, ScoreTerms(0.5, 0, 1, 1)).reached
    assert assess({"electorate": 10}, 0, ScoreTerms(0.3, 0.13, 1, 1)).target == 3, (
        "not 4, for all that 0.3 is not exact"
    )


@pytest.mark.parametrize(
    ("threshold", "electorate", "votes"),
    [(0.5, 12_001, 6_001), (0.5, 12_000, 6_000), (0.4, 10, 4), (1 / 3, 3, 1), (0.5, 0, 0)],
)
def test_a_threshold_is_whole_votes(threshold: float, electorate: int, votes: int) -> None:
    assert votes_needed(threshold, electorate) == votes


def test_a_score_tells_what_it_is_made_of() -> None:
    counts = {"electorate": 100, "reachable": 90, "reachable_sms": 60, "reachable_email": 70, "contacted": 80}
    assessed = assess(counts | {"voted": 75}, 0, TERMS)
    assert {name: getattr(assessed, name) for name in counts} == counts
    assert (assessed.threshold, assessed.over_report, assessed.days_left) == (0.5, 0.13, 5)
    assert assessed.passed is True
    assert assess(counts | {"voted": 60}, 0, TERMS).passed is False, "reached by the estimate, not by the low end"


def test_a_ballot_has_passed_when_the_low_end_is_at_the_target_and_somebody_may_vote() -> None:
    exact = ScoreTerms(threshold=0.5, over_report=0, days_left=5, window=7)
    assert assess({"electorate": 10, "voted": 5}, 0, exact).passed
    assert assess({"electorate": 1, "voted": 1}, 0, exact).passed
    assert not assess({"electorate": 0}, 0, exact).passed


def test_a_projection_may_go_beyond_the_target() -> None:
    assessed = assess({"electorate": 100, "voted": 50}, 35, TERMS)  # 43.5 votes of 50, and 4.35 a day for five days
    assert (assessed.reached, assessed.projection) == (False, 65)


def test_no_figure_is_rounded_up_to_a_target_that_is_not_reached_nor_down_from_one_that_is() -> None:
    assessed = assess({"electorate": 14, "voted": 8}, 0, TERMS)  # 6.96 votes of 7
    assert (assessed.estimate, assessed.projection) == (6, 6)
    alone = assess({"electorate": 1, "voted": 1}, 0, TERMS)  # 0.87 of 1, and nobody is left to ask
    assert (alone.estimate, alone.projection) == (1, 1)


def test_nothing_can_be_done_a_day_when_no_days_are_left() -> None:
    assessed = assess({"electorate": 10, "voted": 1}, 0, ScoreTerms(0.5, 0.13, 0, 7))
    assert assessed.needed > 0
    assert assessed.needed_per_day is None
    assert assessed.projection == assessed.estimate


@given(
    electorate=st.integers(0, 10**6),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    threshold=st.floats(0.01, 1),
    over_report=st.floats(0, 0.49),
)
def test_the_band_holds_the_estimate_and_needed_reaches_the_target(
    electorate: int, shares: tuple[float, float], threshold: float, over_report: float
) -> None:
    voted = int(electorate * shares[0])
    not_voted = int((electorate - voted) * shares[1])
    terms = ScoreTerms(threshold, over_report, 3, 7)

    assessed = assess({"electorate": electorate, "voted": voted, "not_voted": not_voted}, 0, terms)

    assert 0 <= assessed.low <= assessed.estimate <= assessed.high <= electorate
    reached = assess({"electorate": electorate, "voted": voted + assessed.needed}, 0, terms)
    assert reached.needed == 0
    if assessed.passed:
        assert assessed.needed == 0


def test_the_example_in_the_docs_is_computed_right() -> None:
    page = " ".join((Path(__file__).parents[3] / "docs" / "turnout.md").read_text(encoding="utf-8").split())
    counts = {"electorate": 120_000, "voted": 40_000, "not_voted": 8_000}
    assessed = assess(counts, 10_500, ScoreTerms(threshold=0.5, over_report=0.13, days_left=10, window=7))
    assert assessed.needed_per_day is not None
    for words in (
        f"the estimate is {assessed.estimate:,} ({assessed.estimate / 120_000:.1%})",
        f"between {assessed.low:,} and {assessed.high:,}",
        f"{assessed.target:,} are the threshold, so {assessed.needed:,} more",
        f"{assessed.needed_per_day:,.0f} a day, against {assessed.rate_per_day:,.0f} a day lately",
        f"{assessed.projection:,} ({assessed.projection / 120_000:.1%}) in the end",
    ):
        assert words in page
