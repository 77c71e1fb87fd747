"""Mailboxes that a refusal names: the recipient's, ours, an address the recipient forwards to, a help desk's."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from messaging.reports.bounce_classification import UNKNOWN, Weight, judge_bounce
from webhooks.email.inbound_mail.addresses import purpose_of
from webhooks.email.inbound_mail.refused_names import no_names

MAILBOX: Final = re.compile(r"[\w.+=!#$%&*/?^`{|}~-][\w.+=!#$%&*/?^`{|}~'-]{0,63}@[\w.-]{1,253}\w")
_CODED: Final = re.compile(
    r"(?<![\d.])5\.[0-7]\.\d{1,3}\W{1,4}(?:\w{1,20}:? ){0,3}(?<!from )(?<!by )(?<!sender )<?"
    rf"({MAILBOX.pattern})"
)
_LEADS: Final = re.compile(
    r"\b(?:expanded|generated|forwarded|redirected|aliased)[ \t]+from\b|\([ \t]?from\b"
    rf"|\([^()@\n]{{0,30}}\b(?:par|von|vom|aus|por|da|de|van|uit|od|z|gan|от|из)[ \t]+<?{MAILBOX.pattern}>?\)",
    re.IGNORECASE,
)
_ARROW: Final = re.compile(
    rf"({MAILBOX.pattern})[>)\]\"']{{0,2}}[ \t]{{0,8}}(?:<?[=-]{{1,3}}>|<[=-]{{1,3}}(?=[ \t])|\u2192|\u21d2|\u00bb)"
    rf"\s{{0,8}}[<(\[\"']{{0,2}}({MAILBOX.pattern}|[^\W\d_][\w.+-]{{0,63}})"
)
"""A mailbox, an arrow, and the mailbox or the name to which it points."""
_ROLES: Final = re.compile(
    r"(?:(?:e-?)?mail|it|net|sys|tech|user|web|post|host|list|service)?[-_.]?"
    r"(?:post-?master|abuse|(?:help|service|support)[-_.]?desk|help|(?:it[-_.]?|tech[-_.]?|customer[-_.]?)?support"
    r"|admin(?:s|istrator|istration|istrators)?|administrateur|hostmaster|web-?master|noc|security|contact|info"
    r"|service|it|unblock|delist(?:ing)?|feedback|postmeister|soporte|ayuda|aide|assistance|hilfe|pomoc|cymorth)"
    r"(?:[-_.+][\w-]{1,20}|\d{1,3})?@",
    re.IGNORECASE,
)
"""Mailboxes of those who run a mail system, and of help desks."""
_HELPS: Final = re.compile(
    r"\b(?:contact|please|help|assistance|questions?|queries|problems?|ask|write|report|inform|notify|reach|call|see|visit"
    r"|support|mistake|mistaken|believe|information|details|administrators?|e-?mail us|mail us|send mail|get in touch"
    r"|wenden|kontakt\w*|fragen|contact\w*|veuillez|póngase|preguntas|domande|pytania|neem|vragen|cysyllt\w+)\b"
    r"(?:[^.!\n@]|\n(?![ \t]*\n)){0,80}$",
    re.IGNORECASE,
)
"""Words before a mailbox that is offered for help …"""
_JOINED: Final = re.compile(
    r"^[>)\]\"'\s]{0,3}(?:[/,;|&]|or|and|oder|und|ou|et|o|y|e|neu|a)(?: to| at| an| via)?\s{0,3}[<(\[\"'\s]{0,3}"
    r"(?:mailto:)?$",
    re.IGNORECASE,
)
"""… and between two of them."""
_MAX_OFFER_LENGTH: Final = 120
"""Characters of the words that offer a mailbox, before it."""
_SENTENCE: Final = re.compile(r"^|[.!?;:]\s+|\n[ \t]*\n")
_LINK: Final = re.compile(r"[<(\[]?mailto:[\"'<]?$", re.IGNORECASE)
_REFUSED: Final = re.compile(
    r"[>)\]\"']{0,2}[ \t]{0,3}(?::|\.\.\.|[=-]{1,3}>|(?:is|was|does|could|has|fail\w*|reject\w*|unknown)\b)"
)
_CLAUSES: Final = re.compile(r"[;,()\[\]\n]|[.!?]\s")
_AS_SENDER: Final = re.compile(r"\b(?:by|from|sender)[: \t]{1,3}<?[\w.+=-]{1,64}[@=]", re.IGNORECASE)
"""A mailbox that is named as the sender's: it is not certainly the refused one."""


def mailboxes_in(text: str) -> list[str]:
    """Return the mailboxes that a text names, in its order, in lower case, each once."""
    return list(dict.fromkeys(match[0].lower() for match in MAILBOX.finditer(text)))


def is_same_mailbox(mailbox: str, other: str) -> bool:
    """Tell whether two mailboxes are one, as far as their names show: a server may name itself within its domain.

    Args:
        mailbox: a mailbox in lower case, or a local part alone.
        other: likewise.
    """
    (name, _, host), (other_name, _, other_host) = mailbox.partition("@"), other.partition("@")
    if name != other_name or not name:
        return False
    within = host.endswith(f".{other_host}") or other_host.endswith(f".{host}")
    return host == other_host or not host or not other_host or within


def refused_by_code(text: str) -> str:
    """Return the mailbox that stands behind a code, in lower case, as in `550 5.1.1 <amy@example.org>`; "" for none."""
    coded = _CODED.search(text)
    return "" if coded is None else coded[1].lower()


def helpers_in(text: str, recipient: str) -> set[str]:
    """Return the mailboxes that a text only offers for help: a postmaster's, a help desk's, or a mailbox in a link.

    Args:
        text: of a report or of a server.
        recipient: the mailbox the message went to, in lower case; it is none of them.
    """
    places = {mailbox.start() for _, mailbox in _offers(text)}
    others = {match[0].lower() for match in MAILBOX.finditer(text) if match.start() not in places}
    return {mailbox for mailbox in mailboxes_in(text) if mailbox not in others} - {recipient}


def without_help(text: str, recipient: str) -> str:
    """Return a text without the words that offer a mailbox for help: "If this is a mistake, write to help@…".

    Args:
        text: of a report or of a server.
        recipient: the mailbox the message went to, in lower case.
    """
    helpers, left, end = helpers_in(text, recipient), list[str](), 0
    for start, mailbox in _offers(text):
        if mailbox[0].lower() in helpers:
            left.append(text[end : max(start, end)])
            end = mailbox.end()
    return "".join([*left, text[end:]])


def _offers(text: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Find the places where a text offers a mailbox for help: the start of the offer, and the mailbox.

    A mailbox that is refused there is not offered.
    """
    last: re.Match[str] | None = None
    for match in MAILBOX.finditer(text):
        at = max(0, match.start() - _MAX_OFFER_LENGTH)
        before = text[at : match.start()]
        linked = _LINK.search(before)
        offer = _HELPS.search(before[: linked.start()] if linked else before)
        joined = last is not None and _JOINED.match(text[last.end() : match.start()]) is not None
        helps = (offer or joined) and (linked or _ROLES.match(match[0]))
        if helps and not _REFUSED.match(text[match.end() : match.end() + 20]):
            last = match
            yield match.start() if offer is None else at + _beginning(before, offer.start()), match


def _beginning(before: str, offer: int) -> int:
    """Return where the sentence begins in which words offer help, unless it says something else first."""
    sentence = max(match.end() for match in _SENTENCE.finditer(before, 0, offer))
    words = before[sentence:offer]
    return offer if any(map(str.isdigit, words)) or "@" in words or judge_bounce("", words) != UNKNOWN else sentence


def leads_elsewhere(text: str, recipient: str, ours: Collection[str] = ()) -> bool:
    """Tell whether the form of a text shows that mail for one mailbox was forwarded to another.

    Args:
        text: of a report or of a server.
        recipient: the mailbox the message went to, in lower case; "" if it is unknown.
        ours: mailboxes of ours, in lower case: an arrow from one of them is only the way of our mail.
    """
    named = [mailbox for mailbox in mailboxes_in(text) if mailbox not in ours]
    others = [mailbox for mailbox in named if not is_same_mailbox(mailbox, recipient)] if recipient else named[1:]
    if others and _LEADS.search(text):
        return True
    for source, target in ((match[1].lower(), match[2].lower()) for match in _ARROW.finditer(text)):
        known = target in no_names() or target in ours or source in ours
        if not known and not is_same_mailbox(source, target) and not (recipient and target == recipient != source):
            return True
    return False


def names_our_domain(words: str, recipient: str, ours: Collection[str]) -> bool:
    """Tell whether a server's refusal names a domain of ours by itself: it may be the one that does not exist.

    Args:
        words: the server's reply.
        recipient: the mailbox the message went to, in lower case; "" if it is unknown.
        ours: mailboxes of ours, in lower case.
    """
    domains = {mailbox.rpartition("@")[2] for mailbox in ours} - {recipient.rpartition("@")[2], ""}
    alone = MAILBOX.sub(" ", words).lower()
    return any(re.search(rf"(?<![\w.-]){re.escape(domain)}(?![\w-]|\.\w)", alone) for domain in domains)


def blames_ours(words: str, recipient: str, ours: Collection[str]) -> bool:
    """Tell whether a server's refusal is about a mailbox of ours: the sender's, not the recipient's.

    Args:
        words: the server's reply.
        recipient: the mailbox the message went to, in lower case; "" if it is unknown: then any that is not ours.
        ours: mailboxes of ours, in lower case.
    """
    if refused_by_code(words) in ours:
        return True
    clauses = [clause for clause in _CLAUSES.split(words) if names_only_ours(clause, recipient, ours)]
    if any(judge_bounce("", clause).weight is Weight.HARD for clause in clauses):
        return True
    return names_only_ours(words, recipient, ours) and _AS_SENDER.search(words) is None


def names_only_ours(words: str, recipient: str, ours: Collection[str]) -> bool:
    """Tell whether a server's refusal names a mailbox of ours, in whichever form, and not the recipient's.

    Args:
        words: the server's reply.
        recipient: the mailbox the message went to, in lower case; "" if it is unknown: then any that is not ours.
        ours: mailboxes of ours, in lower case.
    """
    named = mailboxes_in(words)
    if any(mailbox not in ours and (not recipient or is_same_mailbox(mailbox, recipient)) for mailbox in named):
        return False
    lowered = words.lower()
    return any(form in lowered for mailbox in ours for form in _forms(mailbox))


def _forms(mailbox: str) -> list[str]:
    """Return the forms in which servers name a mailbox; the local part is enough if it was made for a message."""
    local = mailbox.partition("@")[0]
    return [mailbox, mailbox.replace("@", "="), *([local] if purpose_of(mailbox) and "+" in local else [])]
