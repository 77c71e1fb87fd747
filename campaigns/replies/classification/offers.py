"""Offers of a message to press: "I have voted", "Not yet". Nobody says all of them at once."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from campaigns.replies.classification.alignment import Run, Words
from campaigns.replies.classification.rules import load_rules

MOST: Final = 60
"""Lines that are read."""
_OTHERWISE: Final = frozenset({"not_voted", "no_ballot_paper", "will_vote"})


def contradicts_itself(run: Run, message: Words) -> bool:
    """Whether whole lines of a message in a row say that somebody has voted, and that they have not.

    Args:
        run: words of it that came back.
        message: all of it.
    """
    if not (message.ends_sentence(run.place) and message.ends_sentence(run.over)):
        return False
    ends = [run.place, *(place for place in range(run.place + 1, run.over) if "\n" in message.gap(place)), run.over]
    rules, said = load_rules(), set[str]()
    for first, end in list(pairwise(ends))[:MOST]:
        text = message.text[message.words[first].start : message.words[end - 1].end]
        _, rule = rules.read(rules.plain(text))
        said.add(rule.reading if rule is not None else "")
    return "voted" in said and bool(said & _OTHERWISE)
