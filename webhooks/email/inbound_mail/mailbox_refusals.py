"""Refusals in a report's text: what a mail system says directly beside a recipient's mailbox.

A report's text also explains why mail fails in general, gives advice and contacts, and reports on other recipients.
Only the words beside a mailbox are about that mailbox.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

from messaging.reports.bounce_classification import UNKNOWN, Weight, judge_bounce
from messaging.reports.refusal_words import RefusalSubject, subjects
from webhooks.email.inbound_mail.delivery_words import says_arrived
from webhooks.email.inbound_mail.named_mailboxes import (
    MAILBOX,
    is_same_mailbox,
    leads_elsewhere,
    mailboxes_in,
    without_help,
)
from webhooks.email.inbound_mail.refused_names import names_another

_PARAGRAPHS: Final = re.compile(r"\n[ \t]*\n")
_QUOTED: Final = re.compile(r"[ \t]*(?:>(?!>>)|(?:subject|from|to|cc|sent|date)[ \t]*:)", re.IGNORECASE)
"""A line that is not the report's own: quoted, or out of the mail that bounced."""
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
_EXPLAINED: Final = re.compile(
    r"\bmay\b(?! \d)|\b(?:might|would|could be|possibly|perhaps|probably|maybe|either|whether|unless|if|when|means?)\b"
    r"|\b(?:examples?|codes|previous(?:ly)?|earlier|somebody|someone)\b|\?(?=\s|$)"
    r"|peut-[êe]tre|\bsi\b|vielleicht|m[öo]glicherweise|\b(?:wenn|falls)\b|\bforse\b|\bquiz[áa]s?\b|\btal ?vez\b"
    r"|by[ćc] mo[żz]e|misschien|wellicht|возможно",
    re.IGNORECASE,
)
"""Words of a sentence that guesses, explains what a code stands for, or tells of another time."""
_NAME: Final = re.compile(r"\w[@.]\w")
"""Part of the name of a mailbox or a host."""
_SENTENCES: Final = re.compile(r"(?<=[.!?;])\s+|\n[ \t]*(?=\n|[A-Z<(]|[45]\d\d[ -])")
_SHARED: Final = " ?"
"""Mark at the end of a line that names several mailboxes."""


def says_no_such_mailbox(text: str, recipient: str, ours: Collection[str] = ()) -> bool:
    """Tell whether a report's text says for certain that the recipient's mailbox does not exist.

    Args:
        text: of the report, without the mail that came back.
        recipient: the mailbox it is about, in lower case; "" if it is unknown: then every one that it refuses.
        ours: mailboxes of ours, in lower case. A sentence that names their domains may be about us.
    """
    words_of = {mailbox: words for mailbox, words in _by_mailbox(text, recipient).items() if mailbox not in ours}
    if _may_have_arrived(text, recipient, ours):
        return False
    refusing = [words_of.get(recipient, "")] if recipient else [words for words in words_of.values() if _refuses(words)]
    domains = {mailbox.rpartition("@")[2] for mailbox in ours} - {""}
    return bool(refusing) and all(_says_gone(words, domains) for words in refusing)


def code_is_recipients(text: str, recipient: str, ours: Collection[str] = ()) -> bool:
    """Tell whether a hard code in a report's text is about the recipient's mailbox for certain.

    It is not if the text refuses another mailbox, or names a mailbox to which the recipient's mail is forwarded: a copy
    may have arrived. Nor is it if the text says that something arrived, or has the code only in a guess or an
    explanation.

    Args:
        text: of the report, without the mail that came back.
        recipient: mailbox the message went to, in lower case; "" if it is unknown: then every one that it refuses.
        ours: mailboxes of ours, in lower case.
    """
    words_of = _by_mailbox(text, recipient)
    others = [mailbox for mailbox in words_of if not is_same_mailbox(mailbox, recipient)]
    refused = [mailbox for mailbox in others if _refuses(words_of[mailbox])]
    if _may_have_arrived(text, recipient, ours):
        return False
    wanted = [mailbox for mailbox in words_of if mailbox not in others] if recipient else [*{*refused} - {*ours}]
    if refused and not (wanted and all(_is_refused_alone(words_of[mailbox]) for mailbox in wanted)):
        return False
    coded = [sentence for sentence in _SENTENCES.split(text) if judge_bounce("", sentence).code]
    return not coded or any(_EXPLAINED.search(_without_names(sentence)) is None for sentence in coded)


def says_forwarded(text: str, recipient: str, ours: Collection[str] = ()) -> bool:
    """Tell whether a report's text says that the recipient's mail was forwarded to the mailbox that was refused.

    Args:
        text: of the report, without the mail that came back.
        recipient: the mailbox the message went to, in lower case; "" if it is unknown.
        ours: mailboxes of ours, in lower case.
    """
    about = [sentence for sentence in _SENTENCES.split(text) if recipient and recipient in sentence.lower()]
    return leads_elsewhere(text, recipient, ours) or any(
        RefusalSubject.FORWARDED in subjects(sentence) for sentence in about
    )


def _may_have_arrived(text: str, recipient: str, ours: Collection[str]) -> bool:
    """Tell whether a report says that the mail arrived, or may be about a mailbox to which it was passed on."""
    return (
        leads_elsewhere(text, recipient, ours)
        or names_another(without_help(text, recipient), recipient)
        or says_arrived(text)
    )


def _by_mailbox(text: str, recipient: str) -> Mapping[str, str]:
    """Collect the words beside each mailbox: in its paragraph, and in the next one if the first gives no reason.

    A line that names several mailboxes counts for each, marked as uncertain by a question mark. Mailboxes that are only
    offered for help are left out.
    """
    words_of: defaultdict[str, str] = defaultdict(str)
    last = ""
    for paragraph in (_own_lines(piece) for piece in _PARAGRAPHS.split(without_help(text, recipient))):
        about, lead = "", ""
        for line in paragraph.split("\n"):
            named = mailboxes_in(line)
            if named:
                about = named[0]
            doubt = _SHARED if len(named) > 1 else ""
            for mailbox in named or filter(None, (about,)):
                words_of[mailbox] += f"{lead}{line}{doubt}\n"
            lead = "" if about else f"{lead}{line}\n"
        if last and not about and not _refuses(words_of[last]) and (_REPLY.search(lead) or _LABELLED.match(lead)):
            words_of[last] += lead
        last = about
    return words_of


def _own_lines(paragraph: str) -> str:
    return "\n".join(line for line in paragraph.split("\n") if not _QUOTED.match(line))


def _refuses(words: str) -> bool:
    """Tell whether words beside a mailbox refuse it, in known words or by a server's reply code."""
    return judge_bounce("", words) != UNKNOWN or _REPLY.search(words) is not None


def _without_names(sentence: str) -> str:
    """Remove names of mailboxes and hosts: a host called `if.example` says nothing."""
    return " ".join(word for word in sentence.split() if _NAME.search(word) is None)


def _is_refused_alone(words: str) -> bool:
    """Tell whether words beside a mailbox refuse it as dead, and name no other on the same line."""
    return _SHARED not in words and judge_bounce("", words).weight is Weight.HARD


def _says_gone(words: str, domains: Collection[str]) -> bool:
    elsewhere = MAILBOX.sub("", words).lower()
    certain = _DOUBTED.search(elsewhere) is None and not any(domain in elsewhere for domain in domains)
    return certain and judge_bounce("", words).weight is Weight.HARD
