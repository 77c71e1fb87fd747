"""Classification of a mail by the person's own words, and by whether a machine may have written them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from campaigns.replies.classification import REPEATED, Classification, OwnMail
from campaigns.replies.classification.named_answers import read_named_mail
from campaigns.replies.classification.rules import load_rules
from campaigns.subjects.answering import Answering

SUBJECT: Final = "subject"
"""Rule of a mail with a subject that machines write: the subject is not read by itself."""
LIST: Final = "list"
"""Rule of a mail from a mailing list or a no-reply mailbox: a machine may have written it."""
REACTION_PART: Final = "reaction_part"
"""Rule of a mail that says by a part of its own, not in words, that it is a reaction."""
Doubt = Literal["subject", "list"]

_KEPT: Final = frozenset({SUBJECT, LIST, REACTION_PART, REPEATED})
"""Rules of mails that a machine may have written: the answered message does not change their reading."""


def read_mail(mail: OwnMail, doubt: Doubt | None = None) -> Classification:
    """Read a person's own words in a mail.

    Args:
        mail: the person's own words and subject.
        doubt: why a machine may have written it; None if it did not. No machine writes a plain STOP, but machines and
            lists add how to unsubscribe. So in their mail an opt-out has to stand alone; all else is unclear, and a
            machine's subject is not read.
    """
    read = _classify(mail, doubt)
    if doubt is not None and not (read.reading == "opt_out" and read.alone):
        read = Classification("unclear", doubt, read.version)
    return read


def read_about(read: Classification, text: str, subject: Answering) -> Classification:
    """Return the classification of a mail by the subject of the message that it answers.

    Args:
        read: its classification when it came; the message was not known then.
        text: the person's own words, as stored.
        subject: what the message asked about.
    """
    if subject.reads_answers and read.rule not in _KEPT:
        return read_named_mail(OwnMail.of(text), lambda own: subject.reads(own, {}))
    return read


def reaction() -> Classification:
    """Return the classification of a mail whose program says that it is only a reaction, whatever its words."""
    return Classification("reaction", REACTION_PART, load_rules().version, alone=True)


def with_more_kept(read: Classification) -> Classification:
    """Return a classification for a reply that is stored with more than the person's own words."""
    return replace(read, rule=REPEATED) if read.reading == "unclear" else read


def asks_for_no_more(mail: OwnMail, doubt: Doubt | None = None) -> bool:
    """Tell whether anything in a mail is an opt-out, no matter who wrote it.

    Args:
        mail: a person's own words, or a machine's.
        doubt: why a machine may have written them; None if it did not.
    """
    return _classify(mail, doubt).reading == "opt_out"


def _classify(mail: OwnMail, doubt: Doubt | None) -> Classification:
    return OwnMail(mail.words).read() if doubt == SUBJECT else mail.read()
