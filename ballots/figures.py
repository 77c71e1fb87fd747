"""Turnout figures as people read them: one rounding for the console, the command line and the demonstration.

A figure is rounded to the nearest, but never up to a threshold that it has not reached: 49.96% is not 50.0%, and an
estimate of 5,999.6 votes is not the 6,000 that are needed. In such a case it is rounded down.
"""

from __future__ import annotations

import math

from ballots.score import Score


def format_number(value: float) -> str:
    """Format a number: `12,345`; a value under ten that is not whole keeps one digit: `0.4`."""
    if abs(value) < 10 and (shown := round(value, 1)) != int(shown):
        return f"{shown:.1f}"
    return f"{round(value):,}"


def at_least(value: float) -> str:
    """Format a needed number, rounded up: `12` for 11.2, because 11 is not enough."""
    return format_number(math.ceil(round(value, 6)))


def percent(share: float, digits: int = 1, *, mark: float = 1.0) -> str:
    """Format a share: `41.6%`, never rounded up to a whole per cent, or to `mark`, that it has not reached.

    Args:
        share: 0 to 1.
        digits: after the point.
        mark: the share it is compared with, such as a threshold.
    """
    exact = share * 100
    shown = round(exact, digits)
    if any(exact + 1e-9 < goal <= shown + 1e-9 for goal in (math.floor(exact + 1e-9) + 1, mark * 100)):
        shown = math.floor(exact * 10**digits + 1e-9) / 10**digits
    return f"{shown:.{digits}f}%"


def threshold(share: float) -> str:
    """Format a ballot's threshold with as many digits as it has: `50%`, `33.3%`."""
    return f"{round(share * 100, 4):g}%"


def estimate(score: Score) -> str:
    """Format the estimated votes; under ten with one digit, because 2 confirmations are 1.7 votes."""
    exact = score.estimated
    if exact >= 10:
        return format_number(score.estimate)
    shown = round(exact, 1)
    return format_number(math.floor(exact * 10) / 10 if shown >= score.target and not score.reached else shown)


def over_report(score: Score) -> str:
    """Format the correction for over-reporting: `13%`."""
    return f"{round(score.over_report * 100, 4):g}%"


def needed(score: Score) -> str:
    """Format the further confirmations needed, or say that none are: `1,204`, `reached`, `all have confirmed`."""
    if score.reached:
        return "reached"
    if score.needed:
        return format_number(score.needed)
    return "all have confirmed" if score.electorate else ""
