"""Content of members' pages: the question, what the member has answered, and what they can still answer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from webhooks.members.pages import Button, MemberView, Wish
from webhooks.members.recipient import Recipient

ANSWERS: Final = ("voted", "not_yet", "no_ballot_paper")
"""Answers about a ballot while it is open; the first is shown as the main one."""
OTHERS: Final = ("call_me", "stop")
"""Requests that can be made at any time."""
PRESSES: Final = (*ANSWERS, *OTHERS)
UNDOS: Final = ("undo", "undo_stop")
"""Buttons that take an answer back, or let messages come again."""

_SAID: Final = {
    "not_voted": "said_not_voted",
    "will_vote": "said_will_vote",
    "no_ballot_paper": "said_no_ballot_paper",
    "replacement_requested": "said_no_ballot_paper",
}


def stopped(recipient: Recipient) -> str | None:
    """Return the key of a note on what is stopped: everything, or only this message's channel; None for nothing."""
    if not recipient.stopped:
        return None
    if recipient.stopped_everywhere:
        return "are_stopped"
    return f"{recipient.channel}_alone_stopped" if recipient.reached_otherwise else f"{recipient.channel}_are_stopped"


def question(recipient: Recipient, now: datetime, *, note: str | None = None) -> MemberView:
    """Return the page a link opens, whatever has been answered before."""
    match recipient.phase(now):
        case "before":
            return _short(recipient, "before", ["opens", "why"], ("call_me", "stop"), note)
        case "closed":
            return _short(recipient, "closed", ["closed_when", "why_closed"], ("stop",), note)
    if recipient.standing == "voted":
        return _voted(recipient, note)
    return MemberView(
        heading="question",
        lines=["why", "closes", *_posting(recipient, now)],
        note=note or _SAID.get(recipient.standing or "") or stopped(recipient),
        buttons=_buttons(()),
        others=_others(recipient),
        undo="undo" if recipient.said_here else _resume(recipient),
        greet=True,
        secret=True,
        decoy=True,
    )


def answered(recipient: Recipient, now: datetime, press: str) -> MemberView:
    """Return the page after an answer: it confirms the answer, offers to undo it, and leaves open what may change."""
    if press == "stop":
        return MemberView(heading="thanks_voted_nobody", note="said_stop", undo="undo_stop")
    if press == "voted":
        return _voted(recipient, None)
    lines = _posting(recipient, now) if press == "not_yet" else []
    if press == "no_ballot_paper" and recipient.replacement_by is not None and now < recipient.replacement_by:
        lines.append("replacement")
    still_open = recipient.phase(now) == "open" and recipient.standing != "voted"
    return MemberView(
        heading="thanks_voted_nobody",
        note={"not_yet": "said_not_voted", "no_ballot_paper": "said_no_ballot_paper", "call_me": "said_call_me"}[press],
        lines=[*lines, "changed"] if still_open else lines,
        buttons=_buttons((press,)) if still_open else (),
        others=_others(recipient, press),
        undo="undo",
        secret=True,
        decoy=still_open,
    )


def second_question(press: str | None, recipient: Recipient, now: datetime) -> MemberView:
    """Return a plain question that has to be read: it repeats what was pressed, and offers sentences to choose from.

    The first is always that nothing was pressed, so that a machine that presses the first button says so itself. A wish
    (a call, an end to messages) or an undo is what the question is about, and everything else stands below it.
    Answers about the ballot are shuffled, but never first the one that was pressed: no vote is to be counted that
    a machine has pressed twice in one place.
    """
    nothing = ("nothing", "second_nothing", "")
    if press in UNDOS:
        return MemberView(heading="second", pressed=press, lines=["sure_why"], buttons=[nothing, (press, press, "")])
    is_open = recipient.phase(now) == "open"
    if press in OTHERS:
        rest = [*(_shuffled(ANSWERS, press) if is_open else ()), *(other for other in OTHERS if other != press)]
        return MemberView(
            heading="second",
            pressed=press,
            lines=["sure_why"],
            buttons=[nothing, (press, f"second_{press}", "")],
            others=[(other, f"second_{other}") for other in rest],
        )
    choices = _shuffled(ANSWERS if is_open else OTHERS, press)
    return MemberView(
        heading="second",
        pressed=press,
        lines=["second_why"],
        buttons=[nothing, *((choice, f"second_{choice}", "") for choice in choices)],
        others=[(other, f"second_{other}") for other in _shuffled(OTHERS, press)] if is_open else [],
    )


def _shuffled(choices: Sequence[str], press: str | None) -> list[str]:
    """Return the choices in random order, but not first the one that was pressed."""
    shuffled = random.SystemRandom().sample(choices, len(choices))
    if shuffled[0] == press:
        shuffled.append(shuffled.pop(0))
    return shuffled


def _voted(recipient: Recipient, note: str | None) -> MemberView:
    return MemberView(
        heading="thanks_voted" if recipient.first_name else "thanks_voted_nobody",
        note=note or ("said_voted" if recipient.said_here else "said_voted_elsewhere"),
        others=_others(recipient),
        undo="undo" if recipient.said_here else _resume(recipient),
        secret=True,
        decoy=True,
    )


def _short(
    recipient: Recipient, heading: str, lines: Sequence[str], others: Sequence[str], note: str | None
) -> MemberView:
    said = "said_voted" if recipient.standing == "voted" else None
    return MemberView(
        heading=heading,
        lines=lines,
        note=note or said or stopped(recipient),
        others=[other for other in _others(recipient) if other[0] in others],
        undo=_resume(recipient),
        decoy=True,
    )


def _posting(recipient: Recipient, now: datetime) -> list[str]:
    """Return the line on the last safe time to post, while that has not passed."""
    return ["posting"] if recipient.last_posting_at is not None and now < recipient.last_posting_at else []


def _buttons(without: Sequence[str]) -> list[Button]:
    return [(one, one, "main" if one == "voted" else "") for one in ANSWERS if one not in without]


def _others(recipient: Recipient, pressed: str = "") -> list[Wish]:
    gone = {pressed} | ({"stop"} if recipient.stopped else set())
    return [(other, other) for other in OTHERS if other not in gone]


def _resume(recipient: Recipient) -> str | None:
    return "undo_stop" if recipient.stopped_by_link else None
