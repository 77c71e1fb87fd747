"""Button labels of a message, such as "I have voted", "Not yet": no member says several of them at once."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from campaigns.replies.classification.alignment import Run, Words
from campaigns.replies.classification.rules import load_rules

MAX_LINES: Final = 60
"""Most lines that are read."""
MIN_LIST_WORDS: Final = 7
"""Fewest words in a row that are a list of ours, "I have voted, not yet or no ballot paper has come"."""
_OTHERWISE: Final = frozenset({"not_voted", "no_ballot_paper", "will_vote"})


def contradicts_itself(run: Run, message: Words) -> bool:
    """Tell whether consecutive lines of a message, or a list in a sentence, say both that somebody has voted and not.

    Args:
        run: the words of the message that the reply repeats: whole lines, or at least `MIN_LIST_WORDS` words in a row.
        message: the whole message.
    """
    if message.ends_sentence(run.place) and message.ends_sentence(run.over):
        breaks = "\n"
    elif run.length >= MIN_LIST_WORDS:
        breaks = "\n,;"
    else:
        return False
    ends = [
        run.place,
        *(place for place in range(run.place + 1, run.over) if set(breaks) & set(message.gap(place))),
        run.over,
    ]
    rules, readings = load_rules(), set[str]()
    for first, end in list(pairwise(ends))[:MAX_LINES]:
        text = message.text[message.words[first].start : message.words[end - 1].end]
        _, rule = rules.read(rules.plain(text))
        readings.add(rule.reading if rule is not None else "")
    return "voted" in readings and bool(readings & _OTHERWISE)
