"""Numbers, nouns and verbs agree."""

import pytest

from core.plurals import plural, verb


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 branches have"), (1, "1 branch has"), (2, "2 branches have"), (2000, "2,000 branches have")],
)
def test_nouns_and_verbs_agree(count: int, said: str) -> None:
    assert f"{plural(count, 'branch', 'branches')} {verb(count, 'has', 'have')}" == said
