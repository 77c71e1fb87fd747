"""Phrases in the form in which answers are compared: lower case, without accents, apostrophes and punctuation."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_JOINERS: Final = re.compile("['\u2018\u2019\u02bc`\u00b4\u00ad]")
_WORDS: Final = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """Fold a phrase: “Very good!” becomes “very good”, “Drwg iawn.” becomes “drwg iawn”."""
    apart = unicodedata.normalize("NFKD", _JOINERS.sub("", text)).casefold()
    plain = "".join(sign for sign in apart if not unicodedata.combining(sign))
    return " ".join(_WORDS.findall(plain))
