"""Page about a question: its words and answers, the answer that was given, a box for a comment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from campaigns.subjects.page import (
    OTHERS,
    AnswerButton,
    MemberPage,
    PageReader,
    after_stop,
    page_outside,
    requests,
    resume_button,
    stopped_note,
)
from messaging.content.languages import DEFAULT
from services.questions.questions import Question

COMMENT: Final = "comment"
"""Value of the button that sends a comment, and name of its box."""
_BUTTON: Final = "answer_"
"""Beginning of the value of each answer's button."""


def page(reader: PageReader, question: Question, now: datetime, *, note: str | None = None) -> MemberPage:
    """Return the page a link opens, also after an answer.

    Args:
        reader: who opens it.
        question: what is asked.
        now: the time.
        note: the key of what has just been done.
    """
    match question.phase(now):
        case "before":
            return _outside(reader, "before", ["opens", "why"], OTHERS, note)
        case "closed":
            return _outside(reader, "closed", ["closed_when", "why_closed"], ("stop",), note)
    if reader.status is not None:
        again = f"undone_to_{button(reader.status)}" if note == "undone" else note
        return _answered(reader, question, reader.status, again)
    return MemberPage(
        heading="asks",
        lines=["why", *_deadline(reader, question, now)],
        note=note or stopped_note(reader),
        buttons=_buttons(question),
        others=requests(reader, OTHERS),
        undo=resume_button(reader),
        greet=True,
        has_decoys=True,
    )


def answered(reader: PageReader, question: Question, now: datetime, press: str) -> MemberPage:
    """Return the page after an answer, a comment or a request.

    Args:
        reader: who answered, with their present answer.
        question: what was asked.
        now: the time.
        press: what they pressed.
    """
    if press == "stop":
        return after_stop()
    if press == "call_me":
        return replace(page(reader, question, now, note="said_call_me"), undo_beside="undo_call")
    if press == COMMENT:
        return replace(page(reader, question, now, note="said_comment"), undo_beside="undo_comment")
    return _answered(reader, question, press.removeprefix(_BUTTON), None)


def button(answer: str) -> str:
    """Return the value of an answer's button, which is also the key of its words."""
    return f"{_BUTTON}{answer}"


def words(question: Question, known: Mapping[str, Any], language: str) -> dict[str, str]:
    """Return the words that are the question's own, by their keys, in a language.

    Args:
        question: the question.
        known: Muster's words about questions in that language.
        language: the language.
    """
    own = question.said_in(language)
    words = {"asks": own.asks, "comment": own.comment or str(known["comment"])}
    for answer in question.options:
        label = answer.said_in(language)
        words |= {
            button(answer.name): label,
            f"second_{button(answer.name)}": label,
            f"said_{button(answer.name)}": str(known["said_low" if answer.low else "said_answer"]).format(answer=label),
            f"undone_to_{button(answer.name)}": str(known["undone_to"]).format(answer=label),
        }
    return words


def _deadline(reader: PageReader, question: Question, now: datetime) -> list[str]:
    """Return the line that says when to answer: by the close, or before an appointment that comes first."""
    if reader.due_by is None or reader.due_by >= question.closes_at:
        return ["closes"]
    return ["before_then"] if now < reader.due_by else []


def _answered(reader: PageReader, question: Question, answer: str, note: str | None) -> MemberPage:
    return MemberPage(
        heading="thanks" if reader.first_name else "thanks_nobody",
        note=note or f"said_{button(answer)}",
        comment=COMMENT if question.words[DEFAULT].comment is not None else None,
        choose="change_answer",
        buttons=_buttons(question, without=(answer,)),
        others=requests(reader, OTHERS),
        undo="undo",
        has_decoys=True,
    )


def _outside(
    reader: PageReader, heading: str, lines: Sequence[str], offered: Sequence[str], note: str | None
) -> MemberPage:
    answered = f"said_{button(reader.status)}" if reader.status is not None else None
    return page_outside(reader, heading, lines, offered, note=note, answered=answered)


def _buttons(question: Question, without: Sequence[str] = ()) -> list[AnswerButton]:
    return [
        AnswerButton(button(option.name), button(option.name))
        for option in question.options
        if option.name not in without
    ]
