"""Page of a message's link: its content as keys of the words file, and the parts that every subject shares."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

OTHERS: Final = ("call_me", "stop")
"""Requests that can be made beside an answer, at any time."""
UNDOS: Final = ("undo", "undo_stop", "undo_comment", "undo_call")
"""Buttons that take back an answer with all its words, an opt-out, the words alone, or the wish for a call."""

PageRequest = tuple[str, str]
"""Value of a smaller button, and the key of its words."""


@dataclass(frozen=True, slots=True)
class AnswerButton:
    """Button of a page.

    Attributes:
        value: the value that a press of it sends.
        words: the key of its words.
        style: the CSS class it is shown with; "" for none.
    """

    value: str
    words: str
    style: str = ""


class PageReader(Protocol):
    """Reader of a page: the recipient of the message whose link opened it."""

    @property
    def first_name(self) -> str:
        """Return their first name; may be empty."""

    @property
    def channel(self) -> str:
        """Return the channel by which the message was sent."""

    @property
    def status(self) -> str | None:
        """Return the answer they are known to have given; None for none."""

    @property
    def said_here(self) -> bool:
        """Tell whether they answered by this very link."""

    @property
    def stopped(self) -> bool:
        """Tell whether they, or somebody who shares the address, have opted out."""

    @property
    def stopped_by_link(self) -> bool:
        """Tell whether they opted out on one of their pages, if that can be taken back."""

    @property
    def stopped_everywhere(self) -> bool:
        """Tell whether they opted out for all of their addresses, not only for this one."""

    @property
    def due_by(self) -> datetime | None:
        """Return when an answer is of no use any more for them; None if that is when the subject closes."""

    @property
    def reached_otherwise(self) -> bool:
        """Tell whether messages may go to them by another channel than this one's."""


@dataclass(frozen=True, slots=True)
class MemberPage:
    """Content of one page, as keys of the words file.

    Attributes:
        heading: the headline.
        lines: the text below it.
        note: what has just been done, or is known.
        buttons: the answers, in order.
        choose: the key of a line above them.
        comment: the key of the words over a box for a comment; None for no box.
        others: further requests, shown smaller.
        pressed: the key of the button that was pressed, if the page repeats it.
        undo: the key of the button that takes the answer back.
        undo_beside: the key of the button that takes back only what was just pressed beside the answer.
        greet: whether it greets the reader by name.
        small_print: the key of a line at its end.
        has_decoys: whether it contains the hidden link and button, which only machines use.
    """

    heading: str
    lines: Sequence[str] = ()
    note: str | None = None
    buttons: Sequence[AnswerButton] = ()
    choose: str | None = None
    comment: str | None = None
    others: Sequence[PageRequest] = ()
    pressed: str | None = None
    undo: str | None = None
    undo_beside: str | None = None
    greet: bool = False
    small_print: str | None = None
    has_decoys: bool = False


def stopped_note(reader: PageReader) -> str | None:
    """Return the key of a note on what is stopped: everything, or only this message's channel; None for nothing."""
    if not reader.stopped:
        return None
    if reader.stopped_everywhere:
        return "are_stopped"
    return f"{reader.channel}_alone_stopped" if reader.reached_otherwise else f"{reader.channel}_are_stopped"


def after_stop() -> MemberPage:
    """Return the page after the press of "stop"."""
    return MemberPage(heading="thanks_nobody", note="said_stop", undo="undo_stop")


def page_outside(
    reader: PageReader,
    heading: str,
    lines: Sequence[str],
    offered: Sequence[str],
    *,
    note: str | None,
    answered: str | None,
) -> MemberPage:
    """Return the page while answers do not count: before the subject opens, and after it has closed.

    Args:
        reader: who reads it.
        heading: the headline.
        lines: when it opens, or that it is over.
        offered: the further requests that are possible, of `OTHERS`.
        note: the key of what has just been done; None for nothing.
        answered: the key of the words about the answer that they have given; None for none.
    """
    return MemberPage(
        heading=heading,
        lines=lines,
        note=note or answered or stopped_note(reader),
        others=requests(reader, offered),
        undo=resume_button(reader),
        has_decoys=True,
    )


def requests(reader: PageReader, offered: Sequence[str], pressed: str = "") -> list[PageRequest]:
    """Return the further requests that a page offers: not the one just made, and no stop if everything is stopped.

    Args:
        reader: who reads it.
        offered: requests that are possible, of `OTHERS`.
        pressed: the one just made.
    """
    hidden = {pressed} | ({"stop"} if reader.stopped else set())
    return [(other, other) for other in offered if other not in hidden]


def resume_button(reader: PageReader) -> str | None:
    """Return the button that lets messages come again; None if nothing was stopped on a page."""
    return "undo_stop" if reader.stopped_by_link else None


def second_question(press: str | None, answers: Sequence[str], others: Sequence[str]) -> MemberPage:
    """Return a plain question that has to be read: it repeats the pressed button, and offers sentences to choose from.

    The first sentence is always that nothing was pressed, so that a machine that presses the first button chooses it.
    If the press was a wish (a call, an end to messages) or an undo, it comes next, above everything else. Answers about
    the subject are shuffled, but the pressed one never comes first, so that no answer counts that a machine has pressed
    twice in one place.

    Args:
        press: what was pressed; None for something that no page offers.
        answers: the answers about the subject that count now.
        others: the further requests that its pages offer.
    """
    nothing = AnswerButton("nothing", "second_nothing")
    if press is not None and press in UNDOS:
        return MemberPage(
            heading="second", pressed=press, lines=["sure_why"], buttons=[nothing, AnswerButton(press, press)]
        )
    if press is not None and press in others:
        rest = [*(_shuffled(answers, press)), *(other for other in others if other != press)]
        return MemberPage(
            heading="second",
            pressed=press,
            lines=["sure_why"],
            buttons=[nothing, AnswerButton(press, f"second_{press}")],
            others=[(other, f"second_{other}") for other in rest],
        )
    choices = _shuffled(answers or others, press)
    return MemberPage(
        heading="second",
        pressed=press,
        lines=["second_why"],
        buttons=[nothing, *(AnswerButton(choice, f"second_{choice}") for choice in choices)],
        others=[(other, f"second_{other}") for other in _shuffled(others, press)] if answers else [],
    )


def _shuffled(choices: Sequence[str], press: str | None) -> list[str]:
    """Return the choices in random order, but not first the one that was pressed."""
    shuffled = random.SystemRandom().sample(choices, len(choices))
    if shuffled and shuffled[0] == press:
        shuffled.append(shuffled.pop(0))
    return shuffled
