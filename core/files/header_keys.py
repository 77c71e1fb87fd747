"""Keys by which headers of columns are compared, however they are written."""

from __future__ import annotations

import re
from typing import Final

from core.folding import fold

_WORDS: Final = re.compile(r"[^\W_]+")


def header_key(label: str) -> str:
    """Fold a header, or a word in a cell: without case, spaces, accents and punctuation."""
    return "".join(_WORDS.findall(fold(label)))
