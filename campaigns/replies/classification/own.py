"""Extraction of a member's own words from a reply, without what it repeats of our message.

The answered message is usually known, and its words are removed (`quotation`). If it is not known, or only a piece of
it is repeated, our words are recognised by phrases that organisations write and members do not: "Reply STOP to …",
several digits offered, or a passage in quotation marks with either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from campaigns.replies.classification.quotation import find_quotation
from campaigns.replies.classification.reactions import CLOSING, OPENING

MAX_LENGTH: Final = 4000
"""Most characters that are read."""
MIN_QUOTED_WORDS: Final = 4
"""Fewest words of a passage in quotation marks that is taken for somebody else's."""

ONE_PIECE: Final = 8
"""Fewest words of a paragraph that is taken for a whole message of ours."""

_ANSWER: Final = r"(?:stop|end|quit|cancel|unsubscribe|optout|start|help|info|yes|no|[0-9])"
_DONE: Final = r"(?:opt(?:ing)?[ -]?out|unsubscribe|unsub|stop|end|cancel|quit|leave|be removed|receive no more)"
_INSTRUCTION: Final = re.compile(
    rf"(?<!i )(?<!\bive )(?<!have )\b(?:reply|text|txt|send|respond|answer|ateb(?:wch)?|tecstiwch|anfonwch)"
    rf"(?: with| back| the word| gyda)?\W{{1,4}}{_ANSWER}\b\W{{1,3}}"
    rf"(?:to|if|for|when|i|os|er mwyn|am)\b"
    rf"|\bto {_DONE}\b[^.\n]{{0,40}}\b(?:reply|text|txt|send)\W{{1,4}}{_ANSWER}\b"
    rf"|(?<=\S)\s+stop\W{{1,2}}(?:to|2|i) {_DONE}\b"
    rf"|\b(?:reply|text|press|atebwch)\b(?:[^.\n\d]{{0,30}}[0-9]\b[^.\n\d]{{1,40}}){{2,9}}",
    re.IGNORECASE,
)
"""Instructions how to answer, as only organisations write them."""
_AND_WHY: Final = re.compile(
    rf"(?:{_INSTRUCTION.pattern})"
    rf"(?:(?<=\bto)(?:\s{{1,3}}{_DONE}\s(?:from|of|these|receiving|getting|our|all|future|further)\b[^.!?\n]{{0,80}}"
    rf"|[ \t]{{1,3}}{_DONE}\b))?",
    re.IGNORECASE,
)
"""Instructions with their purpose: "Reply STOP to unsubscribe", and that of what."""
_SENTENCE: Final = re.compile(r"[^.!?\n]+[.!?]*")
_PASSAGE: Final = re.compile(
    "\u201c[^\u201d]{1,1500}(?:\u201d|$)|\u201e[^\u201c\u201d]{1,1500}(?:[\u201c\u201d]|$)|\u00ab[^\u00bb]{1,1500}(?:\u00bb|$)"
    '|\u00bb[^\u00ab]{1,1500}\u00ab|\u300c[^\u300d]{1,1500}\u300d|"[^"]{1,1500}"'
)
_ALL_QUOTED: Final = re.compile(rf"[{OPENING}].{{1,1500}}[{CLOSING}]", re.DOTALL)
_INTRODUCED: Final = re.compile(
    r"\b(?:(?:you|u)(?:'ve)? (?:sent|said|wrote|texted|asked)|(?:your|this|the) (?:text|message|msg|last)"
    r"(?: said| says| was)?|re|reply to)"
    r"(?: me| this)?\s{0,3}:?\s{0,3}$",
    re.IGNORECASE,
)
_OWN_SPEECH: Final = re.compile(
    r"\bi(?:'ve|\u2019ve| have)? (?:already |just )?(?:said|told|asked|texted|replied|wrote|sent|put)\b", re.IGNORECASE
)
_WORD: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class OwnText:
    """Own words of a member.

    Attributes:
        text: the words; "" if all of them are ours.
        repeats: whether any words of ours were removed.
        doubtful: whether the rest may still be ours, or the removed words theirs.
    """

    text: str
    repeats: bool = False
    doubtful: bool = False


def own_text(text: str, sent: Sequence[str] = ()) -> OwnText:
    """Remove our words from a text.

    Args:
        text: as received.
        sent: the message it answers, in each of its forms; none if it is not known.
    """
    whole = text[:MAX_LENGTH]
    left = "\n".join(line for line in whole.split("\n") if not line.lstrip().startswith(">"))
    quotation = find_quotation(left, sent)
    if quotation.spans:
        before, after = quotation.around(left)
        left = "\n".join(part for part in (_unannounced(before), after) if part)
    left = _without_passages(left)
    own = _without_instructions(left) if _INSTRUCTION.search(left) else OwnText(left.strip(), repeats=left != whole)
    return replace(own, doubtful=own.doubtful or bool(quotation.doubts))


def _unannounced(text: str) -> str:
    """Remove words at the end that only announce a quotation, such as "You sent:"."""
    return _INTRODUCED.sub("", text.rstrip(" \t\n" + OPENING)).rstrip()


def _without_passages(text: str) -> str:
    """Remove passages in quotation marks that are somebody else's; members who quote themselves keep theirs."""
    whole = _ALL_QUOTED.search(text)
    if whole is not None and _INSTRUCTION.search(whole[0]):
        return f"{_unannounced(text[: whole.start()])}\n{text[whole.end() :].strip()}".strip()
    outside = _PASSAGE.sub(" ", text)
    if _OWN_SPEECH.search(outside):
        return text
    beside = _WORD.search(outside) is not None
    kept, at = "", 0
    for passage in _PASSAGE.finditer(text):
        words = len(_WORD.findall(passage[0]))
        if words >= MIN_QUOTED_WORDS and (beside or "?" in passage[0] or _INSTRUCTION.search(passage[0])):
            kept += _unannounced(text[at : passage.start()]) + " "
            at = passage.end()
    return (kept + text[at:]).strip() if at else text


def _without_instructions(text: str) -> OwnText:
    """Remove the paragraphs that say how to answer; if every paragraph does, remove only the sentences that do.

    An instruction that begins in one paragraph and goes on in the next may be anybody's: all of it stays, as doubtful.
    """
    paragraphs = [part for part in re.split(r"\n[ \t]*\n", text) if part.strip()]
    ours = [part for part in paragraphs if _INSTRUCTION.search(part)]
    if not ours:
        return OwnText(text.strip(), repeats=True, doubtful=True)
    if len(ours) < len(paragraphs):
        left = "\n\n".join(part.strip() for part in paragraphs if part not in ours)
        return OwnText(left, repeats=True, doubtful=max(len(_WORD.findall(part)) for part in ours) < ONE_PIECE)
    left = _SENTENCE.sub(
        lambda sentence: "" if _INSTRUCTION.search(sentence[0]) else sentence[0], _AND_WHY.sub(" ", text)
    )
    return OwnText(left.strip(), repeats=True, doubtful=True)
