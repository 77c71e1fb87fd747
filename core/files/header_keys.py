"""Keys by which headers of columns are compared, however they are written."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_WORDS: Final = re.compile(r"[^\W_]+")


def header_key(label: str) -> str:
    """Fold a header, or a word in a cell: without case, spaces, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", label)
    return "".join(_WORDS.findall("".join(char for char in plain if not unicodedata.combining(char)))).casefold()
