"""Subjects of mails, without the repetition of ours: people write before, after or instead of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from campaigns.replies.classification import classify_reply
from webhooks.email.inbound_mail.quoted_text import without_re, words_of_subject

_MARKED: Final = (
    r"(?:(?:possible|probable|suspected|likely) )?(?:spam|junk|bulk|ext|extern|external|caution|warning)(?: e-?mail)?"
)
_TAG: Final = re.compile(
    rf"\s*(?:\[[^\[\]]{{1,60}}\]|\{{[^{{}}]{{1,60}}\}}|[*<({{#]{{1,5}}\s?{_MARKED}\??\s?[*>)}}#]{{1,5}}|(?<!\w){_MARKED}\s?:)\s*",
    re.IGNORECASE,
)
"""Tags that lists and servers put into a subject."""
_WAS: Final = re.compile(r"\s*[(\[]\s*(?:was|previously|war|oedd)\s*:.*", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]+")
_EDGES: Final = " \t-\u2013\u2014:;,.|/\u2026()"


def own_subject(subject: str, sent: Sequence[str]) -> str:
    """Return a subject's own words; "" if it only repeats the subject of the answered message.

    Args:
        subject: the subject of a mail.
        sent: the message it answers, in each of its forms, its subject first; none if it is not known.
    """
    bare = _bare(subject)
    if not sent:  # the words after Re: may be ours, unless they ask to opt out, as no subject of ours does
        read = classify_reply(bare)
        return bare if read.reading == "opt_out" and (read.alone or read.also) else words_of_subject(subject)
    own = _words(bare)
    ours = _words(_bare(sent[0].partition("\n")[0]))
    if not own or _place(own, ours) is not None:  # a subject may be cut short
        return ""
    at = _place(ours, own) if ours else None
    if at is None:
        return bare
    words = list(_WORD.finditer(bare))
    before, after = bare[: words[at].start()], bare[words[at + len(ours) - 1].end() :]
    return " ".join(part for part in (before.strip(_EDGES), after.lstrip("?!").strip(_EDGES)) if part)


def _bare(subject: str) -> str:
    """Return a subject without `Re:`, tags and its earlier form."""
    subject = _WAS.sub("", subject)
    while (bare := without_re(_TAG.sub(" ", subject).strip())) != subject:
        subject = bare
    return subject.strip()


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _place(words: Sequence[str], among: Sequence[str]) -> int | None:
    """Return where words stand in a row among others; None if they do not."""
    length = len(words)
    return next((at for at in range(len(among) - length + 1) if among[at : at + length] == list(words)), None)
