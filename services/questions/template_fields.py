"""Fields of a question in templates, such as `{{ question.asks }}`."""

from __future__ import annotations

from typing import Final

from messaging.content.languages import DEFAULT
from messaging.content.vocabulary import SubjectVariable
from services.questions.questions import Question

_FIELDS: Final = ("title", "asks", "closes")

QUESTION: Final = SubjectVariable("question", "a question", frozenset(_FIELDS), example="asks")
"""The variable `question` of templates."""


def fields_of(question: Question, language: str = DEFAULT) -> dict[str, str]:
    """Return the fields of a question in a language, with dates as people read them."""
    words = question.said_in(language)
    return {"title": words.title, "asks": words.asks, "closes": question.local(question.closes_at, language)}


def example_fields() -> dict[str, str]:
    """Return example values of a question's fields, for a preview without a question."""
    return {field: f"[{field}]" for field in _FIELDS}
