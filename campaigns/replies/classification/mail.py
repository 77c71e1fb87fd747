"""Mail as a member wrote it: their own words, and a subject of their own, if they chose one.

The words are read first. The subject counts if the words say nothing, or if it is a plain opt-out, which must not be
missed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from campaigns.replies.classification.classify import Classification, classify_reply
from campaigns.replies.classification.compound import BESIDE, CLAIMS

LABEL: Final = "Subject: "
"""Prefix of a subject that is stored and shown with the words."""


@dataclass(frozen=True, slots=True)
class OwnMail:
    """Own words and subject of a member's mail.

    Attributes:
        words: their words in the body; "" if none are known to be theirs.
        subject: the part of the subject that is theirs.
    """

    words: str
    subject: str = ""

    @classmethod
    def of(cls, text: str) -> OwnMail:
        """Split a mail as stored into subject and words."""
        first, gap, words = text.partition("\n\n")
        if not gap or not first.startswith(LABEL) or "\n" in first:
            return cls(text)
        return cls(words, first.removeprefix(LABEL))

    @property
    def text(self) -> str:
        """Return both as they are stored and shown."""
        if not self.words or not self.subject:
            return self.words or self.subject
        return f"{LABEL}{self.subject}\n\n{self.words}"

    def read(self) -> Classification:
        """Classify the mail."""
        words_reading = classify_reply(self.words)
        if not self.subject:
            return words_reading
        above = classify_reply(self.subject)
        if words_reading.reading == "opt_out":
            votes = words_reading.also is None and above.reading in CLAIMS and "?" not in self.subject
            return replace(words_reading, also=above.reading, alone=False) if votes else words_reading
        return self._read_with_subject(words_reading, above)

    def _read_with_subject(self, below: Classification, above: Classification) -> Classification:
        if above.reading == "opt_out" and below.reading != "unclear":
            return replace(above, also=below.reading if below.reading in BESIDE else above.also, alone=False)
        if below.reading != "unclear" or above.reading == "unclear":
            return below
        if above.reading in CLAIMS and "?" in self.subject:  # a question of theirs, or our own subject repeated
            return below
        together = classify_reply(f"{self.subject}\n{self.words}")
        alone = above.alone and together.reading == above.reading and together.alone
        # beside unreadable words, a subject counts only for readings that staff see or can undo
        return replace(above, alone=alone) if alone or above.reading not in CLAIMS else below
