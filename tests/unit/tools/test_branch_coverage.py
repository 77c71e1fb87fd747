"""The report of `make coverage` sums a package's branches up, and fails below its share."""

from __future__ import annotations

from tools.branch_coverage import Branches, read_branches, report


def test_a_package_below_the_bar_names_the_missing_branches() -> None:
    modules = [
        Branches("ballots/claims.py", 9, 10), Branches("ballots/score.py", 2, 10), Branches("core/clock.py", 0, 4),
    ]  # fmt: skip

    lines, enough = report(modules, {"ballots": 60.0})

    assert not enough
    assert [line.split() for line in lines[1:]] == [
        ["ballots", "20", "9", "55.0", "%"],
        ["too", "few:", "60", "%", "are", "asked", "for;", "most", "are", "missing", "in"],
        ["ballots/score.py", "10", "8", "20.0", "%"],
        ["ballots/claims.py", "10", "1", "90.0", "%"],
        ["core", "4", "4", "0.0", "%"],
    ]


def test_a_package_passes_at_its_share_and_is_never_left_out() -> None:
    modules = [Branches("ballots/claims.py", 9, 10), Branches("ballots/dates.py", 0, 0)]

    assert report(modules, {"ballots": 90.0})[1]
    lines, enough = report(modules, {"ballots": 90.0, "campaigns": 90.0})
    assert not enough
    assert "campaigns was not measured" in lines


def test_branches_are_read_from_coverages_own_report() -> None:
    summary = {"covered_lines": 3, "num_statements": 4, "covered_branches": 1, "num_branches": 2}
    assert read_branches({"ballots/claims.py": {"summary": summary}}) == [Branches("ballots/claims.py", 1, 2)]
