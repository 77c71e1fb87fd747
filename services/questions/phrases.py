"""Phrases in the form in which answers are compared: lower case, without accents, apostrophes and punctuation."""

from __future__ import annotations

import re
from typing import Final

from core.folding import fold

_JOINERS: Final = re.compile("['\u2018\u2019\u02bc`\u00b4\u00ad\u034f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Apostrophes, and characters that nobody sees."""
_WORDS: Final = re.compile(r"[^\W_]+")


def fold_phrase(text: str) -> str:
    """Fold a phrase: “Very good!” becomes “very good”, “Drwg iawn.” becomes “drwg iawn”."""
    return " ".join(_WORDS.findall(fold(_JOINERS.sub("", text))))
