"""Fields of a question in templates, such as `{{ question.asks }}`."""

from __future__ import annotations

from typing import Final

from messaging.content.vocabulary import SubjectVariable

_FIELDS: Final = ("title", "asks", "closes")

QUESTION: Final = SubjectVariable("question", "a question", frozenset(_FIELDS), example="asks")
"""The variable `question` of templates."""


def example_fields() -> dict[str, str]:
    """Return example values of a question's fields, for a preview without a question."""
    return {field: f"[{field}]" for field in _FIELDS}
