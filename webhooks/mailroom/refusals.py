"""Refusals in a report's text: what a mail system says of a recipient's mailbox, right beside it.

A report's text says much besides: why mail fails in general, what to do, whom to ask. Only a sentence that stands with
the mailbox it is about tells what became of that one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

from messaging.channels.diagnostics import UNKNOWN, Weight, judge_bounce

_PARAGRAPHS: Final = re.compile(r"\n[ \t]*\n")
_QUOTED: Final = re.compile(r"[ \t]*(?:>(?!>>)|(?:subject|from|to|cc|sent|date)[ \t]*:)", re.IGNORECASE)
"""A line of somebody else's words: quoted, or out of the mail that came back."""
_MAILBOX: Final = re.compile(r"[\w.+=!#$%&*/?^`{|}~-]{1,64}@[\w.-]{1,253}\w")
_REPLY: Final = re.compile(r"(?<![\w.:-])[45]\d\d[ :-]")
_DOUBTED: Final = re.compile(
    r"\bmay\b(?! \d)|\b(?:might|could be|possibly|perhaps|probably|maybe|either|whether|unless)\b"
    r"|\bor (?:is|it|that|has|was|they)\b|\?(?=\s|$)",
    re.IGNORECASE,
)
"""How a sentence guesses at a reason, or names several."""


def says_dead(text: str, ours: Collection[str]) -> bool:
    """Whether a report's text says for certain, of every mailbox it refuses, that there is none.

    Args:
        text: what the report says, without the mail that came back.
        ours: mailboxes of ours, in lower case. A sentence with one of them, or with its domain, may speak of us.
    """
    telling = [words for words in _by_mailbox(text, ours).values() if _tells(words)]
    domains = {one.rpartition("@")[2] for one in ours} - {""}
    return bool(telling) and all(_is_dead(words, domains) for words in telling)


def _by_mailbox(text: str, ours: Collection[str]) -> Mapping[str, str]:
    """What is said beside each mailbox that is not ours: in its paragraph, and below where that says nothing."""
    paragraphs = [_own_lines(one) for one in _PARAGRAPHS.split(text)]
    said: defaultdict[str, str] = defaultdict(str)
    last = ""
    for paragraph in paragraphs:
        about, lead = "", ""
        for line in paragraph.split("\n"):
            found = _MAILBOX.search(line)
            about = found[0].lower() if found else about
            if about:
                said[about] += f"{lead}{line}\n"
                lead = ""
            else:
                lead += f"{line}\n"
        if not about and last and not _tells(said[last]):
            said[last] += lead
        last = about
    return {mailbox: words for mailbox, words in said.items() if mailbox not in ours}


def _own_lines(paragraph: str) -> str:
    return "\n".join(line for line in paragraph.split("\n") if not _QUOTED.match(line))


def _tells(words: str) -> bool:
    """Whether words beside a mailbox refuse it, in usual words or by a server's reply."""
    return judge_bounce("", words) != UNKNOWN or _REPLY.search(words) is not None


def _is_dead(words: str, domains: Collection[str]) -> bool:
    elsewhere = _MAILBOX.sub("", words).lower()
    certain = _DOUBTED.search(elsewhere) is None and not any(domain in elsewhere for domain in domains)
    return certain and judge_bounce("", words).weight is Weight.HARD
