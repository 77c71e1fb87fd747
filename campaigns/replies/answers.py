"""Processing of answers: turns an answer of any kind, from any channel, into a claim, an opt-out or a reply row.

Everything here happens in the caller's transaction: the claim, the withdrawal of messages still queued for the person,
the opt-out and the reply are committed together, or none of them.

How sure a claim is:

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

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal

import asyncpg

from ballots.claims import ClaimSource, record_claim, retract_claim
from campaigns.preferences import resume_address
from campaigns.replies.answered_messages import find_answered
from campaigns.replies.classification import BESIDE, Classification
from campaigns.replies.open_reasons import FOR_A_PERSON, too_soon_or_late, why_open
from campaigns.replies.text_classification import classify_text
from core.db import Connection, load_queries
from core.errors import NotFound
from messaging import suppression
from messaging.erased_address import is_erased
from messaging.states import Reason

SQL: Final = load_queries(__file__)

PRESSED: Final = 0.95
PRESSED_TWICE: Final = 0.8
PRESSED_IN_HASTE: Final = 0.5
BY_DIGIT: Final = 0.95
READ_BY_RULE: Final = 0.85
READ_BY_STAFF: Final = 0.9

CLAIMS: Final = frozenset({"voted", "not_voted", "will_vote", "no_ballot_paper"})
"""Readings that are claims, under the same name."""
_DATED_LATE: Final = (*suppression.BY_TEXT, "email_reply", "staff")
"""Sources of opt-outs dated by when we processed them; the time they were sent is in the replies."""

Press = Literal["voted", "not_yet", "no_ballot_paper", "call_me", "stop"]
"""Buttons of the member's page."""
MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "voted": "voted",
        "not_yet": "not_voted",
        "no_ballot_paper": "no_ballot_paper",
        "call_me": "call_me",
        "stop": "opt_out",
    }
)
"""Reading of each button."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """Inbound reply, by text or email.

    Attributes:
        inbound_id: its row in the inbound log.
        channel: `sms` or `email`.
        address: the address it came from, normalised.
        senders: the addresses it was sent to: our number, and the messaging service if there is one.
        text: its text, as stored.
        received_at: when it came; aware.
        opt_out_type: the keyword that the provider recognised and acted on: `STOP`, `START`, `HELP`, or None.
        media: number of attached pictures and the like; they are not fetched.
        message_id: the message it answers, where it proves that; else it is found by the addresses.
        proven: whether it may change anything by itself. Anybody can write an email in another's name: an unproven one
            is read by staff, whatever it says.
        read: its classification, if it was classified when it came, as emails always are.
    """

    inbound_id: int
    channel: Literal["sms", "email"]
    address: str
    senders: tuple[str, ...]
    text: str
    received_at: datetime
    opt_out_type: str | None = None
    media: int = 0
    message_id: int | None = None
    proven: bool = True
    read: Classification | None = None


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """Result of processing an answer.

    Attributes:
        reading: its reading.
        claim_id: the claim it became, if it did.
        reply_id: its row among the replies, if it has one.
        why_open: why staff have to look at it; None where nobody has to.
    """

    reading: str
    claim_id: int | None = None
    reply_id: int | None = None
    why_open: str | None = None


async def answer_link(
    db: Connection, *, message_id: int, press: Press, confidence: float, inbound_id: int, at: datetime
) -> AnswerResult:
    """Process a button pressed on the page of a message's link.

    Args:
        db: in the caller's transaction.
        message_id: the message of the link.
        press: the button.
        confidence: see this module's table.
        inbound_id: the row of the press in the inbound log.
        at: the time.

    Raises:
        NotFound: no such message.
    """
    message = await _answered_message(db, message_id)
    reading = MEANINGS[press]
    if reading == "opt_out":
        await opt_out(db, message_id=message_id, everywhere=True, source="link")
        return AnswerResult(reading)
    claim_id = None
    if reading in CLAIMS:
        claim_id = await _claim(db, message, reading, ClaimSource.LINK, confidence, at)
    if reading not in FOR_A_PERSON:
        return AnswerResult(reading, claim_id)
    reply_id = await db.fetchval(
        SQL["add_reply"], inbound_id, "link", message["address"], message["sender"] or "", message["person_id"],
        message_id, "", reading, "button", "1", claim_id, reading, at,
    )  # fmt: skip
    return AnswerResult(reading, claim_id, reply_id, reading)


async def undo_link(db: Connection, *, message_id: int, at: datetime) -> bool:
    """Undo the last answer by a message's link: the status before it holds again.

    Returns:
        Whether there was anything to undo.
    """
    message = await _answered_message(db, message_id)
    claim = await db.fetchrow(SQL["link_claim"], message["ballot_id"], message["person_id"], message_id)
    press = await db.fetchrow(SQL["link_press"], message_id)
    if press is not None and claim is not None and press["claim_id"] != claim["claim_id"]:
        # two answers: only the later one is undone
        claim, press = (claim, None) if claim["at"] > press["received_at"] else (None, press)
    if press is not None:
        await db.execute(SQL["close_press"], press["reply_id"], at)
    if claim is not None:
        await retract_claim(db, claim["claim_id"], recorder="member", source=ClaimSource.LINK)
    return claim is not None or press is not None


async def opt_out(db: Connection, *, message_id: int, everywhere: bool, source: str) -> None:
    """Stop messages to the address a message went to, also for others who share it.

    Args:
        db: in the caller's transaction.
        message_id: the message.
        everywhere: also stop messages to this person by every channel.
        source: `link`, `unsubscribe` …

    Raises:
        NotFound: no such message; or its person was erased, and the address with them.
    """
    message = await _answered_message(db, message_id)
    if await suppression.find_place(db, message["channel"], message["address"], message_id) is None:
        raise NotFound(f"Nobody knows any more where message {message_id} went.")
    everywhere = everywhere and not is_erased(message_id, message["address"])  # sharers: the address alone
    for channel, address in _where(message, everywhere=everywhere):
        await suppression.suppress(
            db, channel=channel, address=address, reason=Reason.OPTED_OUT, source=source, message_id=message_id
        )


async def opt_in(db: Connection, *, message_id: int, source: str) -> None:
    """Undo an opt-out that this person made by a link. Addresses that are blocked for another reason stay so.

    Where the message's address is no longer theirs, a stranger may be pressing: then only that address is resumed.

    Raises:
        NotFound: no such message.
    """
    message = await _answered_message(db, message_id)
    theirs = await db.fetchval(SQL["still_theirs"], message["person_id"], message["channel"], message["address"])
    for channel, address in _where(message, everywhere=theirs):
        if await db.fetchval(SQL["stopped_by_link"], channel, address, message["person_id"]):
            await lift_opt_out(db, channel, address, source)


async def answer_reply(db: Connection, inbound: Inbound) -> AnswerResult:
    """Process a reply. Doing it again changes nothing.

    Args:
        db: in the caller's transaction.
        inbound: the reply.
    """
    before = await db.fetchrow(SQL["replied"], inbound.inbound_id)
    message = await _answered(db, inbound) if inbound.proven else None
    # an answer to a message that has been deleted proves nothing any more
    proven = inbound.proven and (message is not None or inbound.message_id is None)
    read = await _read(db, inbound, message)
    if before is not None:
        return AnswerResult(read.reading, before["claim_id"], before["reply_id"], before["why_open"])
    person_id, nobody = await _sender_of(db, inbound, message)
    if proven:
        await _obey(db, inbound, read, message)
    said = read.also if read.reading == "opt_out" else read.reading
    claim_id, why = None, None
    if said in CLAIMS and message is not None and nobody is None:
        why = too_soon_or_late(message, inbound.received_at)
        if why is None:
            sure = BY_DIGIT if read.rule.startswith("digit") else READ_BY_RULE
            claim_id = await _claim(db, message, said, _source(inbound.channel), sure, inbound.received_at)
    if why is None:
        why = why_open(read, nobody, inbound.channel) if proven or read.reading == "reaction" else nobody
    reply_id = await db.fetchval(
        SQL["add_reply"], inbound.inbound_id, inbound.channel, inbound.address, inbound.senders[0], person_id,
        message["message_id"] if message else None, inbound.text, read.reading, read.rule, read.version, claim_id,
        why, inbound.received_at,
    )  # fmt: skip
    return AnswerResult(read.reading, claim_id, reply_id, why)


async def claim_reply(
    db: Connection, *, message_id: int, person_id: int, kind: str, channel: str, actor: str, at: datetime
) -> int:
    """Record the claim that a member of staff read in a reply.

    Returns:
        The claim's id.

    Raises:
        NotFound: no such message or person.
    """
    message = await _answered_message(db, message_id)
    return await record_claim(
        db, ballot_id=message["ballot_id"], person_id=person_id, kind=kind,
        source=ClaimSource.LINK if channel == "link" else _source(channel),
        recorder=actor, confidence=READ_BY_STAFF, message_id=message_id, at=at,
    )  # fmt: skip


async def lift_opt_out(db: Connection, channel: suppression.Medium, address: str, source: str) -> None:
    """Resume messages to an address that had opted out; one blocked for another reason stays so."""
    if await _opted_out(db, channel, address):
        lifted = await suppression.lift(db, channel=channel, address=address, reason="opted_in", source=source)
        actor = "staff" if source == "staff" else "member"
        for event_id in lifted:  # the ledger has the address, so the audit need not
            await db.execute(SQL["record_audit"], actor, f"suppression_event {event_id}", {"source": source})


async def _answered_message(db: Connection, message_id: int) -> asyncpg.Record:
    row = await db.fetchrow(SQL["message"], message_id) or await db.fetchrow(SQL["archived_message"], message_id)
    if row is None:
        raise NotFound(f"There is no message {message_id}.")
    return row


async def _claim(
    db: Connection, message: asyncpg.Record, kind: str, source: ClaimSource, confidence: float, at: datetime
) -> int:
    return await record_claim(
        db, ballot_id=message["ballot_id"], person_id=message["person_id"], kind=kind, source=source,
        recorder="member", confidence=confidence, message_id=message["message_id"], at=at,
    )  # fmt: skip


def _source(channel: str) -> ClaimSource:
    return ClaimSource.SMS_REPLY if channel == "sms" else ClaimSource.EMAIL_REPLY


def _where(message: asyncpg.Record, *, everywhere: bool) -> list[tuple[suppression.Medium, str]]:
    places: list[tuple[suppression.Medium, str]] = [(message["channel"], message["address"])]
    return [*places, ("person", str(message["person_id"]))] if everywhere else places


async def _answered(db: Connection, inbound: Inbound) -> asyncpg.Record | None:
    return await find_answered(
        db, channel=inbound.channel, address=inbound.address, senders=inbound.senders, at=inbound.received_at,
        message_id=inbound.message_id,
    )  # fmt: skip


async def _read(db: Connection, inbound: Inbound, message: asyncpg.Record | None) -> Classification:
    """Classify a reply; a keyword that the provider has already acted on comes first."""
    read = inbound.read or classify_text(inbound.text, message)
    match inbound.opt_out_type:
        case "STOP" if read.reading != "opt_out":
            return Classification("opt_out", "provider", read.version, read.reading if read.reading in BESIDE else None)
        case "HELP":
            return Classification("help", "provider", read.version)
        # Twilio takes "yes" for START too, but from somebody who never opted out it is only a "yes"
        case "START" if await _opted_out(db, inbound.channel, inbound.address):
            return Classification("opt_in", "provider", read.version)
    if read.reading == "unclear" and inbound.media and not inbound.text.strip():
        return Classification("unclear", "media", read.version)
    return read


async def _sender_of(db: Connection, inbound: Inbound, message: asyncpg.Record | None) -> tuple[int | None, str | None]:
    """Return the author, and why they are not certain enough for a claim; None where they are."""
    holders = [row["person_id"] for row in await db.fetch(SQL["holders"], inbound.channel, inbound.address)]
    if message is None:
        return (
            (holders[0], "no_message")
            if len(holders) == 1
            else (None, "shared_address" if holders else "unknown_sender")
        )
    if holders == [message["person_id"]]:
        return message["person_id"], None
    return None, "shared_address" if holders else "unknown_sender"


async def _obey(db: Connection, inbound: Inbound, read: Classification, message: asyncpg.Record | None) -> None:
    """Stop or resume messages to the address, also where it is shared or unknown.

    Where the reply proves which message it answers, the address is that message's, whatever the reply's sender.
    """
    known = message is not None and inbound.message_id is not None
    address = message["address"] if message is not None and known else inbound.address
    if read.reading == "opt_in":
        if address == inbound.address:
            await _resume(db, inbound)
    elif read.reading in {"opt_out", "wrong_number"}:
        await suppression.suppress(
            db, channel=inbound.channel, address=address, source=f"{inbound.channel}_reply",
            reason=Reason.OPTED_OUT if read.reading == "opt_out" else Reason.WRONG_NUMBER,
            message_id=message["message_id"] if message else None,
        )  # fmt: skip


async def _resume(db: Connection, inbound: Inbound) -> None:
    """Resume messages to the address, unless they were stopped after this was sent: it may have arrived late."""
    channel, address, at = inbound.channel, inbound.address, inbound.received_at
    if await db.fetchval(SQL["replied_stop_since"], channel, address, at):
        return
    if await db.fetchval(SQL["stopped_since"], channel, address, at, _DATED_LATE):
        return
    await lift_opt_out(db, channel, address, f"{channel}_reply")
    holders = await db.fetch(SQL["holders"], channel, address)
    if len(holders) != 1:
        return
    person_id = holders[0]["person_id"]
    if not await db.fetchval(SQL["stopped_since"], "person", str(person_id), at, _DATED_LATE):
        # where everything was stopped on their page: only this address resumes
        await resume_address(db, person_id, channel, address, source=f"{channel}_reply")


async def _opted_out(db: Connection, channel: suppression.Medium, address: str) -> bool:
    standing = await suppression.active_suppressions(db, channel=channel, address=address)
    return any(one.reason == Reason.OPTED_OUT for one in standing)
