"""The stronger of two claims about a member counts."""

from __future__ import annotations

import pytest

from ballots.claims import ClaimKind, ClaimSource, strength

KINDS = list(ClaimKind)
OTHERS = [source for source in ClaimSource if source is not ClaimSource.SCRUTINEER]
STRONGEST_FIRST = [
    {ClaimSource.LINK, ClaimSource.SMS_REPLY, ClaimSource.EMAIL_REPLY},
    {ClaimSource.REP, ClaimSource.PHONE_BANK},
    {ClaimSource.IMPORT},
]


def test_the_members_own_word_is_worth_more_than_anybody_elses() -> None:
    worth = [{strength(ClaimKind.VOTED, source) for source in sources} for sources in STRONGEST_FIRST]
    assert [len(each) for each in worth] == [1, 1, 1], (
        "those beside each other are worth the same, and the latest holds"
    )
    ranks = [each.pop() for each in worth]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == len(ranks)
    assert set.union(*STRONGEST_FIRST) == set(OTHERS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_official_list_is_above_everything(kind: ClaimKind) -> None:
    official = strength(kind, ClaimSource.SCRUTINEER)
    assert official > max(strength(said, source) for said in KINDS for source in OTHERS)


@pytest.mark.parametrize("source", OTHERS)
def test_a_vote_is_never_undone_by_other_words(source: ClaimSource) -> None:
    others = {strength(kind, other) for kind in KINDS if kind is not ClaimKind.VOTED for other in OTHERS}
    assert others == {0}
    assert strength(ClaimKind.VOTED, source) > 0
