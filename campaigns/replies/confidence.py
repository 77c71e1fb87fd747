"""Confidence: how sure an answer is, by the way in which it came.

| confidence | how the answer came |
| --- | --- |
| 0.95 | a button on the member's page, pressed once by what looks like a person |
| 0.95 | the digit that a text offered |
| 0.90 | a reply that a member of staff read |
| 0.85 | a reply in words that a rule read |
| 0.80 | a button, after a second question |
| 0.50 | a button, after a second question, pressed very fast or by a client that calls itself a machine |
"""

from __future__ import annotations

from typing import Final

from campaigns.replies.classification import Classification

PRESSED_ONCE: Final = 0.95
"""Confidence in a button pressed once by what looks like a person."""
BY_DIGIT: Final = 0.95
"""Confidence in the digit that a text offered."""
READ_BY_STAFF: Final = 0.9
"""Confidence in what a member of staff read in a reply."""
READ_BY_RULE: Final = 0.85
"""Confidence in what a rule read in the words of a reply."""
PRESSED_TWICE: Final = 0.8
"""Confidence in a button pressed after a second question."""
PRESSED_IN_HASTE: Final = 0.5
"""Confidence in such a button if it was pressed very fast, or by a client that calls itself a machine."""


def confidence_of(read: Classification) -> float:
    """Return the confidence in an answer that was read in a reply."""
    return BY_DIGIT if read.rule.startswith("digit") else READ_BY_RULE
