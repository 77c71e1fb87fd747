"""Clauses and words of a reply, as it was typed, for all modules that read an answer."""

from __future__ import annotations

import re
from typing import Final

CLAUSE_SIGNS: Final = ".,;:!?()\r\n\u2013\u2014\u2026/|"
"""Characters that end a clause wherever they stand, for use in a class of a pattern.

A hyphen may also join two words ("well-run"), and quotation marks and "=" are part of some clauses,
so each reader decides about these.
"""
CLAUSE_END: Final = re.compile(f"[{CLAUSE_SIGNS}]")
WORD: Final = re.compile(r"[^\W_]+(?:['\u2018\u2019\u02bc`\u00b4][^\W_]+)*")
"""Word, with any sign that a phone writes for an apostrophe: "didn't", "didn`t"."""
