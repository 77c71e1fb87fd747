"""The standard that reply reading is held to: 95% of a fair set, no false vote, no missed single word of opting out."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.replies.classification import classify_reply
from campaigns.replies.classification.rules import Rule, load_rules
from messaging.network_words import STOP_WORDS
from tests.support.reply_cases import Case, cases

DOCS = Path(__file__).parents[3] / "docs" / "replies.md"
STANDARD = list(cases("replies_standard.tsv"))
PARTS = ["rules", "held", "probe"]


def read(case: Case) -> str:
    return classify_reply(case.text, case.menu).reading


def share(part: str) -> tuple[int, int]:
    mine = [case for case in STANDARD if case.part == part]
    return sum(read(case) == case.reading for case in mine), len(mine)


@pytest.mark.parametrize("part", PARTS)
def test_nineteen_of_twenty_are_read_as_they_were_meant(part: str) -> None:
    right, of = share(part)
    assert of >= 250
    assert right / of >= 0.95, f"{right} of {of}"


def test_no_other_reply_is_read_as_a_vote() -> None:
    assert [case.text for case in STANDARD if read(case) == "voted" != case.reading] == []


def test_every_word_of_opting_out_is_obeyed() -> None:
    single = [case for case in STANDARD if case.text.strip(" .!\"'").lower() in STOP_WORDS]
    assert len(single) >= 8
    assert [case.text for case in single if read(case) != "opt_out"] == []


def test_nobody_is_opted_out_who_did_not_ask_for_it() -> None:
    assert [case.text for case in STANDARD if read(case) == "opt_out" != case.reading] == []


def test_the_figures_in_the_docs_are_those_of_these_rules() -> None:
    documented = DOCS.read_text(encoding="utf-8")
    for part in PARTS:
        right, of = share(part)
        assert f"| `{part}` | {of} | {right} | {100 * right / of:.1f}% |" in documented


@pytest.mark.parametrize("rule", load_rules().rules, ids=lambda rule: rule.name)
def test_every_rule_reads_its_own_examples(rule: Rule) -> None:
    assert rule.examples
    for text in rule.examples:
        result = classify_reply(text)
        assert (result.rule, result.reading, result.language) == (rule.name, rule.reading, rule.language), text
