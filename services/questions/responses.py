"""Ledger of responses to a question, and each person's present answer by it.

Nothing in the ledger is ever changed: a change of mind is another response, an undo is a response that *retracts* one.
The latest answer that stands is a person's present answer, and a person counts once. A person with a present answer has
met the question's goal: messages that are queued for it are withdrawn in the same transaction. An answer stands until
it is retracted. An answer about a date of its person, such as an appointment, stands only for that date: if the date
changes (`change_dates`), the person has not answered yet, and if the date changes back, the answer stands again.

The words of a response are kept beside the ledger (`response_comment`), so that they can be deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from core.control_characters import without_controls
from core.db import Connection, atomic, load_queries
from core.errors import Conflict, NotFound
from messaging.goals import meet_goal, reopen_goal
from messaging.reasons import Reason

SQL: Final = load_queries(__file__)

MAX_COMMENT_LENGTH: Final = 4000
"""Most characters of a comment that are kept."""


class ResponseSource(StrEnum):
    """Source of a response: how it reached us."""

    LINK = "link"
    SMS_REPLY = "sms_reply"
    EMAIL_REPLY = "email_reply"
    STAFF = "staff"
    DATE_CHANGE = "date_change"


@dataclass(frozen=True, slots=True)
class PresentAnswer:
    """Present answer of a person.

    Attributes:
        response_id: the response that decides it.
        answer: its name.
        message_id: the message it answers.
        at: when it was given; aware.
        repeated_ids: the responses right before it that gave the same answer, oldest first.
        comment_ids: comments left beside it since that stand, oldest first.
    """

    response_id: int
    answer: str
    message_id: int | None
    at: datetime
    repeated_ids: tuple[int, ...]
    comment_ids: tuple[int, ...]


async def record_response(
    db: Connection,
    *,
    question_id: int,
    person_id: int,
    answer: str | None,
    source: str,
    recorder: str,
    comment: str = "",
    message_id: int | None = None,
    campaign_id: int | None = None,
    at: datetime | None = None,
) -> int:
    """Record a response and update the person's present answer.

    All of it happens in the caller's transaction. It waits for another response of the same person, never for anybody
    else's.

    Args:
        db: a connection; a transaction is opened if there is none.
        question_id: the question.
        person_id: the person.
        answer: the name of the answer; None for a comment alone.
        source: a `ResponseSource`.
        recorder: who recorded it: `member`, or a member of staff.
        comment: the person's words beside the answer; "" for none.
        message_id: the message it answers.
        campaign_id: the campaign of that message, under which it is counted.
        at: when it was said; now if not given.

    Returns:
        The response's id, for `retract_response`.

    Raises:
        NotFound: no such question, person or answer.
        ValueError: neither an answer nor a comment, or not a valid source; a mistake in the program.
    """
    source, words = ResponseSource(source), without_controls(comment).strip()[:MAX_COMMENT_LENGTH]
    if answer is None and not words:
        raise ValueError("a response has an answer, a comment, or both")
    async with atomic(db):
        goal_id = await _lock(db, question_id, person_id, answer)
        response_id: int = await db.fetchval(
            SQL["add_response"], question_id, person_id, answer, source, recorder, at, message_id, campaign_id, None
        )
        if words:
            await db.execute(SQL["add_comment"], response_id, words)
        await _update_status(db, question_id, person_id, goal_id, source)
        return response_id


async def retract_response(db: Connection, response_id: int, *, recorder: str, source: str) -> int:
    """Retract a response: the answer before it counts again, and its comment is deleted.

    Retracting twice is harmless: the second call returns the retraction of the first.

    Args:
        db: a connection; a transaction is opened if there is none.
        response_id: the response to retract.
        recorder: who retracts it.
        source: a `ResponseSource`.

    Returns:
        The id of the response that retracts it.

    Raises:
        NotFound: no such response.
        Conflict: that response is itself a retraction.
    """
    response = await db.fetchrow(SQL["find_response"], response_id)
    if response is None:
        raise NotFound(f"There is no response {response_id}.")
    if response["retracts"] is not None:
        raise Conflict(
            f"Response {response_id} retracts another one and cannot be retracted itself.",
            remedy="Record the former answer again instead.",
        )
    question_id, person_id = response["question_id"], response["person_id"]
    async with atomic(db):
        goal_id = await _lock(db, question_id, person_id, None)
        again = await db.fetchrow(SQL["find_response"], response_id)  # it may have been retracted meanwhile
        if again is not None and again["retracted_by"] is not None:
            return int(again["retracted_by"])
        retraction: int = await db.fetchval(
            SQL["add_response"], question_id, person_id, None, ResponseSource(source), recorder, None,
            response["message_id"], response["campaign_id"], response_id,
        )  # fmt: skip
        await db.execute(SQL["delete_comment"], response_id)
        await _update_status(db, question_id, person_id, goal_id, source)
        return retraction


async def change_dates(
    db: Connection, question_id: int, campaign_id: int, dates: Mapping[int, datetime], *, at: datetime
) -> int:
    """Record that the dates of some people's answers have changed, and update their present answers.

    People without a date any more keep their answer, because a past appointment may be missing from the file.

    Args:
        db: in the caller's transaction, which has locked none of their messages yet.
        question_id: the question.
        campaign_id: the campaign whose messages name the dates.
        dates: each person's present date.
        at: the time.

    Returns:
        How many people have another one.
    """
    given = (question_id, campaign_id, list(dates), list(dates.values()))
    if not (people := [row["person_id"] for row in await db.fetch(SQL["list_changed_dates"], *given)]):
        return 0
    await db.execute(SQL["lock_many"], question_id, people)
    goal_id = await db.fetchval(SQL["find_goal"], question_id)
    changed = await db.fetch(SQL["list_changed_dates"], question_id, campaign_id, people, [dates[p] for p in people])
    for person_id, date_at in changed:
        await db.execute(SQL["add_date_change"], question_id, person_id, campaign_id, date_at, at)
        await _update_status(db, question_id, person_id, goal_id, ResponseSource.DATE_CHANGE)
    return len(changed)


async def present_answer(db: Connection, question_id: int, person_id: int) -> PresentAnswer | None:
    """Return a person's present answer to a question; None while they have none."""
    row = await db.fetchrow(SQL["find_present_answer"], question_id, person_id)
    if row is None:
        return None
    return PresentAnswer(**{**row, **{ids: tuple(row[ids]) for ids in ("repeated_ids", "comment_ids")}})


async def _lock(db: Connection, question_id: int, person_id: int, answer: str | None) -> int:
    """Lock the person's responses until the transaction ends; return the question's goal."""
    row = await db.fetchrow(SQL["lock_response_status"], question_id, person_id, answer)
    if row is None:
        raise NotFound(f"There is no question {question_id}.")
    if not row["known"]:
        raise NotFound(f"There is no person {person_id}.")
    if not row["offered"]:
        raise NotFound(
            f"The question has no answer {answer}.", remedy="See its answers with: muster question show NAME"
        )
    return int(row["goal_id"])


async def _update_status(db: Connection, question_id: int, person_id: int, goal_id: int, source: str) -> None:
    change = await db.fetchrow(SQL["update_status"], question_id, person_id)
    assert change is not None
    if change["now"] is not None and change["before"] is None:
        back = source == ResponseSource.DATE_CHANGE
        await meet_goal(
            db, goal_id, person_id, reason=Reason.DATE_MOVED_BACK if back else Reason.ANSWERED, source=source
        )
    elif change["before"] is not None and change["now"] is None:
        await reopen_goal(db, goal_id, person_id)
