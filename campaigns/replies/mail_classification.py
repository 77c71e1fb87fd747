"""The reading of a mail: the person's own words, and how much a machine may have had to do with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from campaigns.replies.classification import REPEATED, Classification, OwnMail

SUBJECT: Final = "subject"
"""The rule of a mail whose subject is one that machines write: it says nothing by itself."""
LIST: Final = "list"
"""The rule of a mail that came through a list or from a mailbox that nobody reads: a machine may have written it."""
Doubt = Literal["subject", "list"]


def read_mail(mail: OwnMail, doubt: Doubt | None = None, kept: str = "") -> Classification:
    """Read a person's own words in a mail.

    Args:
        mail: theirs.
        doubt: why a machine may have written them. None writes STOP, but machines and lists write how to leave them:
            from there a wish has to stand alone. Anything else says nothing by itself, nor does a machine's subject.
        kept: what is kept of the mail: more than their own words where none are known to be theirs.
    """
    read = _said(mail, doubt)
    if doubt is not None and not (read.reading == "opt_out" and read.alone):
        read = Classification("unclear", doubt, read.version)
    if read.reading == "unclear" and not mail.words.strip() and kept.strip() != mail.text.strip():
        read = replace(read, rule=REPEATED)
    return read


def asks_for_no_more(mail: OwnMail, doubt: Doubt | None = None) -> bool:
    """Whether anything in the words of a mail is a wish to get no more, whoever wrote them.

    Args:
        mail: a person's own words, or a machine's.
        doubt: why a machine may have written them.
    """
    return _said(mail, doubt).reading == "opt_out"


def _said(mail: OwnMail, doubt: Doubt | None) -> Classification:
    return OwnMail(mail.words).read() if doubt == SUBJECT else mail.read()
