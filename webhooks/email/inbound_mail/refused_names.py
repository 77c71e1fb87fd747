"""Names in a server's refusal: whether it is our recipient who is refused, or somebody else by name.

A refusal names its mailbox in any phrase: `No such user bob here`, `Account for bob does not exist`, `bob: unknown`.
So `refused_names.toml` does not list phrases, but the words of which refusals are made. Any other word in a sentence
that refuses may be a name, and only the recipient's own name is certain.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from messaging.reports.refusal_words import MAX_SEARCHED_LENGTH, RefusalSubject, subjects

_SENTENCES: Final = re.compile(r"\n|(?<!\.)[.!?;]\s+|\s--+\s")
_CODED: Final = re.compile(
    r"(?<![\w.:/-])(?:[45]\d\d(?:[ :-]|$)|#?[45]\.\d{1,3}\.\d{1,3})(?:[ -]*#?[45]\.\d{1,3}\.\d{1,3})?"
)
_REMOVED: Final = re.compile(
    r"<?\bhttps?://\S*|\S+@\S*|\[[\da-fA-F.:]+\]|\brcpt to\b[: ]*"
    r"|\b\w+\s?=\s?(?=\S*\.)\S+|\b(?:[\w-]{1,63}\.){2,8}[a-z][\w-]{1,62}\b"
    r"|\b[\w-]{1,63}\.(?:[a-z]{2}|com|org|net|gov|edu|info|local|lan|intranet|corp|example|test|invalid)\b",
    re.IGNORECASE,
)
"""Mailboxes, hosts and links, which other functions judge."""
_LABELLED: Final = re.compile(
    r"^[ \t*-]*(?:[^\W\d_]{2,12} )?<?([^\W_][\w+-]{0,63})>?[ \t]*:[ \t]*[45]\d\d\b", re.MULTILINE
)
"""A name at the beginning of a line, directly before a server's reply …"""
_DOTTED: Final = re.compile(
    r"\b(?:user|recipient|mailbox|account|address|alias|addressee|person|local[- ]part)s?[ \t]*[:=]?[ \t]*"
    r"[\"'<(\u2018]{0,2}([^\W_][\w+-]*\.[\w.+-]{0,63}\w)",
    re.IGNORECASE,
)
"""… or a name with a dot, behind a word for a mailbox; anywhere else, such a name is a host's."""
_WORD: Final = re.compile(r"[^\W_](?:[\w+.'\u2019-]*[^\W_])?")
_JOINED: Final = re.compile(r"['\u2019_.+-]+")
_TERM: Final = re.compile(r"[a-z][A-Z]|[A-Z]{2}.*[\d_]|\d.*[A-Z]{2}|_")
"""A term such as `UserSearch`, or a code such as `OFR_416`."""
_HOST: Final = re.compile(r"(?:mx|mail|smtp|relay|host|server|gateway|gw|mta|in|inbound|edge)(?:-?\w+)*", re.IGNORECASE)
"""The label of a host, which stands where a name may stand, too."""
_MAX_NAME_LENGTH: Final = 8
"""Characters above which a word with digits is more likely an id than a name."""
_REFUSED: Final = frozenset({RefusalSubject.DEAD, RefusalSubject.DISABLED, RefusalSubject.UNAVAILABLE})


def names_another(text: str, recipient: str) -> bool:
    """Tell whether a text refuses somebody else by name alone: `bob: 550 5.1.1 User unknown`.

    Args:
        text: of a report or of a server.
        recipient: the mailbox the message went to, in lower case; "" if it is unknown: then nobody is another.
    """
    local, _, domain = recipient.partition("@")
    if not local:
        return False
    own = {local, *filter(None, re.split(r"[\W_]+", recipient)), domain}
    return any(name.lower() not in own for name in _names_in(text[:MAX_SEARCHED_LENGTH]))


@cache
def no_names() -> frozenset[str]:
    """Return the words of refusals, in lower case, which are nobody's name."""
    read = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return frozenset(word for words in read.values() for word in words.split())


def _names_in(text: str) -> Iterator[str]:
    """Yield possible names, which are no known words, in the sentences of a text that refuse somebody."""
    yield from (match[1] for match in _LABELLED.finditer(text) if not _is_no_name(match[1]))
    sentences = _SENTENCES.split(text)
    refusing = [sentence for sentence in sentences if subjects(sentence) & _REFUSED]
    # without known words of refusal, the code alone is what refuses; a sentence in an unknown language is full of names
    for sentence in refusing or [sentence for sentence in sentences if _CODED.search(sentence)]:
        reason = sentence[max((code.end() for code in _CODED.finditer(sentence)), default=0) :].strip() or sentence
        words = [word[0] for word in _WORD.finditer(_REMOVED.sub(" ", reason))]
        names = [word for word in words if not _is_no_name(word)]
        yield from (match[1] for match in _DOTTED.finditer(reason))
        yield from names if refusing or 2 * len(names) <= len(words) else ()


def _is_no_name(word: str) -> bool:
    """Tell whether a word is nobody's name: an ordinary one, a number, a host's label, a term such as `UserSearch`."""
    known = no_names()
    if word.lower() in known or all(part.lower() in known or part.isdigit() for part in _JOINED.split(word)):
        return True
    if len(word) == 1 or _HOST.fullmatch(word) is not None or _TERM.search(word) is not None:
        return True
    return len(word) > _MAX_NAME_LENGTH and any(map(str.isdigit, word))
