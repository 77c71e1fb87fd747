"""Find the subjects of a mail server's refusal by its words.

There is no standard wording. `refusal_words.toml` lists the usual ones of the large mail systems, in English and in the
languages in which some of them answer. Names of hosts and mailboxes are left out before the words are searched: a
server called `antispam` says nothing about spam.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

MAX_SEARCHED_LENGTH: Final = 2000
"""Characters that are searched."""


class RefusalSubject(StrEnum):
    """Subject of a refusal."""

    SENDER = "sender"  # our address or domain
    POLICY = "policy"  # our reputation or authentication, their lists and rules
    RATE = "rate"  # how much we send
    BUSY_MAILBOX = "busy_mailbox"  # how much everybody sends to this mailbox
    CONTENT = "content"  # the mail itself
    FULL = "full"  # their mailbox
    DEAD = "dead"  # there is no such mailbox
    NO_DOMAIN = "no_domain"  # there is no such domain, or it takes no mail
    DISABLED = "disabled"  # the mailbox is there, and closed
    UNAVAILABLE = "unavailable"  # the recipient is refused without a reason
    TEMPORARY = "temporary"
    FORWARDED = "forwarded"  # an address that their mailbox forwards to: another mailbox, a member of a list


@dataclass(frozen=True, slots=True)
class _Lexicon:
    """Compiled patterns: the words of each subject, and the names of block lists."""

    patterns: Mapping[RefusalSubject, re.Pattern[str]]
    lists: re.Pattern[str]


_NAMED: Final = re.compile(r"\{([a-z]+)\}")
_URL: Final = re.compile(r"<?\bhttps?://\S*")
_MAILBOX: Final = re.compile(r"<?[^\s<>,;:\"'()\[\]]+@[^\s<>,;:\"'()\[\]]*[^\s<>,;:\"'()\[\].]>?")
_HOST: Final = re.compile(r"\b(?:[a-z0-9_-]{1,63}\.){1,8}[a-z][a-z0-9-]{1,62}\b(?:\[[0-9a-f.:]+\])?")
_CODES: Final = re.compile(
    r"(?<![\w.])[245]\d\d(?:[ -](?:#?[245]\.\d{1,3}\.\d{1,3}\b)?)|(?<![\w.])#?[245]\.\d{1,3}\.\d{1,3}\b"
)
_RESOLVERS: Final = re.compile(r"\bresolver\.(?:fwd|grp)\.\S*")
"""Microsoft's names for refusals of a forwarding address and of a group's members."""
_HEDGED: Final = re.compile(
    r"\b(?:may|might|could|possibly|perhaps|probably|whether|if|or)(?: \w+){0,2} not exist\b|\bif the \w+ exists"
)
_WRAPPED: Final = re.compile(
    r"\b(?:unknown address|other address status|other mail system|other network)(?: error| problem)?(?= \d)"
)
"""Text that an IronPort puts before another server's reply."""
_MARKS: Final = str.maketrans({"\u2019": "'", "\u2018": "'", "_": " ", '"': None, "*": None})
_SPACES: Final = re.compile(r"\s+")


def subjects(words: str) -> frozenset[RefusalSubject]:
    """Return the subjects of a refusal; none if its words are not known.

    Args:
        words: of a server, or of a bounce report without a standard form.
    """
    lexicon = _load()
    plain = _plain(words[:MAX_SEARCHED_LENGTH], lexicon.lists)
    return frozenset(subject for subject, pattern in lexicon.patterns.items() if pattern.search(plain))


@cache
def _load() -> _Lexicon:
    read = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    words: Mapping[str, str] = read["words"]

    def whole(pattern: str) -> str:
        filled = _NAMED.sub(lambda match: words[match[1]], pattern)
        return whole(filled) if filled != pattern else pattern

    patterns = {
        RefusalSubject(name): re.compile("|".join(map(whole, phrases))) for name, phrases in read["subjects"].items()
    }
    return _Lexicon(patterns, re.compile(words["lists"]))


def _plain(words: str, lists: re.Pattern[str]) -> str:
    """Return the words in lower case, without codes, and without names of hosts and mailboxes."""
    plain = _URL.sub(lambda match: " rbl " if lists.search(match[0]) else " ", words.lower())
    plain = _RESOLVERS.sub(" forwarded ", plain.translate(_MARKS))
    plain = _MAILBOX.sub("<>", plain)
    plain = _HOST.sub(lambda match: " rbl " if lists.search(match[0]) else "<host>", plain)
    plain = _WRAPPED.sub("", plain)
    plain = _HEDGED.sub(" ", _CODES.sub(" ", plain))
    return _SPACES.sub(" ", plain)
