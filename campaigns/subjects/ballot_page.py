"""Page about a ballot: the question, what the member has answered, and what they can still answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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
from core.answer_phase import AnswerPhase

ANSWERS: Final = ("voted", "not_yet", "no_ballot_paper")
"""Answers while it is open; the first is shown as the main one."""

_NOTES: Final = {
    "not_voted": "said_not_voted",
    "will_vote": "said_will_vote",
    "no_ballot_paper": "said_no_ballot_paper",
    "replacement_requested": "said_no_ballot_paper",
}


def question(reader: PageReader, phase: AnswerPhase, *, can_post: bool, note: str | None = None) -> MemberPage:
    """Return the page a link opens, also after an answer.

    Args:
        reader: who opens it.
        phase: of the ballot.
        can_post: whether the last safe time to post has still to come.
        note: what has just been done.
    """
    match phase:
        case "before":
            return _outside(reader, "before", ["opens", "why"], ("call_me", "stop"), note)
        case "closed":
            return _outside(reader, "closed", ["closed_when", "why_closed"], ("stop",), note)
    if reader.status == "voted":
        return _voted(reader, note)
    return MemberPage(
        heading="question",
        lines=["why", "closes", *_posting(can_post=can_post)],
        note=note or _NOTES.get(reader.status or "") or stopped_note(reader),
        buttons=_buttons(()),
        others=requests(reader, OTHERS),
        undo="undo" if reader.said_here else resume_button(reader),
        greet=True,
        small_print="secret",
        has_decoys=True,
    )


def answered(reader: PageReader, phase: AnswerPhase, press: str, *, can_post: bool, can_replace: bool) -> MemberPage:
    """Return the page after an answer: it confirms the answer, offers to undo it, and leaves open what may change.

    Args:
        reader: who answered, with their present status.
        phase: of the ballot.
        press: what they pressed.
        can_post: whether the last safe time to post has still to come.
        can_replace: whether another ballot paper can still be asked for.
    """
    if press == "stop":
        return after_stop()
    if press == "voted":
        return _voted(reader, None)
    lines = _posting(can_post=can_post) if press == "not_yet" else []
    if press == "no_ballot_paper" and can_replace:
        lines.append("replacement")
    still_open = phase == "open" and reader.status != "voted"
    return MemberPage(
        heading="thanks_nobody",
        note={"not_yet": "said_not_voted", "no_ballot_paper": "said_no_ballot_paper", "call_me": "said_call_me"}[press],
        lines=[*lines, "changed"] if still_open else lines,
        buttons=_buttons((press,)) if still_open else (),
        others=requests(reader, OTHERS, press),
        undo="undo",
        small_print="secret",
        has_decoys=still_open,
    )


def _voted(reader: PageReader, note: str | None) -> MemberPage:
    return MemberPage(
        heading="thanks" if reader.first_name else "thanks_nobody",
        note=note or ("said_voted" if reader.said_here else "said_voted_elsewhere"),
        others=requests(reader, OTHERS),
        undo="undo" if reader.said_here else resume_button(reader),
        small_print="secret",
        has_decoys=True,
    )


def _outside(
    reader: PageReader, heading: str, lines: Sequence[str], offered: Sequence[str], note: str | None
) -> MemberPage:
    answered = "said_voted" if reader.status == "voted" else None
    return page_outside(reader, heading, lines, offered, note=note, answered=answered)


def _posting(*, can_post: bool) -> list[str]:
    """Return the line on the last safe time to post, while that has not passed."""
    return ["posting"] if can_post else []


def _buttons(without: Sequence[str]) -> list[AnswerButton]:
    return [
        AnswerButton(answer, answer, "main" if answer == "voted" else "") for answer in ANSWERS if answer not in without
    ]
