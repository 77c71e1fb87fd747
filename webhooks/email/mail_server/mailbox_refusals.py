"""Refusals in a report's text: what a mail system says directly beside a recipient's mailbox.

A report's text also says why mail fails in general, what to do, whom to ask, what became of others. Only the words
beside a mailbox are about that mailbox.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from messaging.reports.diagnostics import UNKNOWN, Weight, judge_bounce

_PARAGRAPHS: Final = re.compile(r"\n[ \t]*\n")
_QUOTED: Final = re.compile(r"[ \t]*(?:>(?!>>)|(?:subject|from|to|cc|sent|date)[ \t]*:)", re.IGNORECASE)
"""A line that is not the report's own: quoted, or out of the mail that bounced."""
_MAILBOX: Final = re.compile(r"[\w.+=!#$%&*/?^`{|}~-]{1,64}@[\w.-]{1,253}\w")
_REPLY: Final = re.compile(r"(?<![\w.:-])[45]\d\d[ :-]")
_LABELLED: Final = re.compile(r"\s*(?:(?:the )?(?:error|reason)\b|because\b|diagnos|<<<)", re.IGNORECASE)
"""The beginning of a paragraph below a mailbox that gives the reason."""
_DOUBTED: Final = re.compile(
    r"\bmay\b(?! \d)|\b(?:might|could be|possibly|perhaps|probably|maybe|either|whether|unless|if)\b"
    r"|\bor (?:is|it|that|has|was|they)\b|\?(?=\s|$)"
    r"|peut-[êe]tre|vielleicht|m[öo]glicherweise|eventuell|\bforse\b|\bpotrebbe\b|\bquiz[áa]s?\b|\btal vez\b|\btalvez\b"
    r"|by[ćc] mo[żz]e|misschien|wellicht|возможно"
    r"|verif|call-?(?:back|out)|\bauth(?:entication)?\b|\blog ?in\b|\blook-?up\b|\bis down\b"
    r"|\byour (?:address|server|domain)\b",
    re.IGNORECASE,
)
"""Words of a sentence that guesses at a reason, names several, or is about the sender's own problem."""


def says_no_such_mailbox(text: str, recipient: str, ours: Collection[str] = ()) -> bool:
    """Tell whether a report's text says for certain that the recipient's mailbox does not exist.

    Args:
        text: what the report says, without the mail that came back.
        recipient: the mailbox it is about, in lower case; "" where it is unknown: then every one that it refuses.
        ours: mailboxes of ours, in lower case. A sentence that names their domains may be about us.
    """
    said = {mailbox: words for mailbox, words in _by_mailbox(text).items() if mailbox not in ours}
    refusing = [said.get(recipient, "")] if recipient else [words for words in said.values() if _refuses(words)]
    domains = {one.rpartition("@")[2] for one in ours} - {""}
    return bool(refusing) and all(_says_gone(words, domains) for words in refusing)


def refuses_another(text: str, recipient: str, ours: Collection[str] = ()) -> bool:
    """Tell whether a report's text refuses another mailbox, and not the recipient's, which it names too.

    A text that names only another is about the mailbox to which the recipient's leads, as in a structured report.

    Args:
        text: what the report says, without the mail that came back.
        recipient: mailbox the message went to, in lower case; "" where it is unknown.
        ours: mailboxes of ours, in lower case.
    """
    said = _by_mailbox(text)
    others = said.keys() - {*ours, recipient}
    if recipient not in said or not any(_refuses(said[mailbox]) for mailbox in others):
        return False
    return judge_bounce("", said[recipient]).weight is not Weight.HARD


def _by_mailbox(text: str) -> Mapping[str, str]:
    """Collect the words beside each mailbox: in its paragraph, and in the next one where that gives no reason.

    A line that names several counts for each of them, marked as uncertain by a question mark.
    """
    said: defaultdict[str, str] = defaultdict(str)
    last = ""
    for paragraph in (_own_lines(one) for one in _PARAGRAPHS.split(text)):
        about, lead = "", ""
        for line in paragraph.split("\n"):
            named = dict.fromkeys(_mailboxes(line))
            if named:
                about = next(iter(named))
            doubt = " ?" if len(named) > 1 else ""
            for mailbox in named or filter(None, (about,)):
                said[mailbox] += f"{lead}{line}{doubt}\n"
            lead = "" if about else f"{lead}{line}\n"
        if last and not about and not _refuses(said[last]) and (_REPLY.search(lead) or _LABELLED.match(lead)):
            said[last] += lead
        last = about
    return said


def _mailboxes(line: str) -> Iterator[str]:
    return (found[0].lower() for found in _MAILBOX.finditer(line))


def _own_lines(paragraph: str) -> str:
    return "\n".join(line for line in paragraph.split("\n") if not _QUOTED.match(line))


def _refuses(words: str) -> bool:
    """Tell whether words beside a mailbox refuse it, in known words or by a server's reply code."""
    return judge_bounce("", words) != UNKNOWN or _REPLY.search(words) is not None


def _says_gone(words: str, domains: Collection[str]) -> bool:
    elsewhere = _MAILBOX.sub("", words).lower()
    certain = _DOUBTED.search(elsewhere) is None and not any(domain in elsewhere for domain in domains)
    return certain and judge_bounce("", words).weight is Weight.HARD
