"""Event types: the name of each, when it happens, and the fields of its payload.

Payloads hold as little as possible: ids and fixed words. Phone numbers, mailboxes and members' texts are fields
of their own, filled only for a subscription that includes them where MUSTER_WEBHOOK_INCLUDE allows it.

The JSON Schemas in docs/events.json are generated from here (`python -m tools.events_page`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from ballots.claims import RETRACTED, ClaimKind
from core.errors import InputError


class Payload(BaseModel):
    """Payload of an event. Fields are only ever added."""

    model_config = ConfigDict(extra="forbid")


class MessageData(Payload):
    """A change of state of one message to one member."""

    message_id: int = Field(description="The message's id.")
    campaign: str | None = Field(description="The campaign's name.")
    step: int = Field(description="The number of the campaign's step, from 1.")
    person_id: int = Field(description="The member's id in Muster.")
    member_id: str | None = Field(description="The person's number or reference in the member file.")
    channel: Literal["sms", "email"] | None
    state: str = Field(description="The new state; docs/delivery.md lists them.")
    reason: str | None = Field(description="The reason: one of Muster's, or the provider's code.")
    address: str | None = Field(None, description="The phone number or mailbox; only with `addresses`.")


class ClaimData(Payload):
    """A claim about one member's vote in one ballot, recorded or retracted."""

    ballot: str = Field(description="The ballot's name.")
    change: int = Field(description="The number of the change in the ballot's turnout feed (docs/turnout.md).")
    claim_id: int
    person_id: int
    member_id: str = Field(description="The person's number or reference in the member file.")
    kind: str = Field(description="The kind of claim: the last word of the event's type.")
    source: str = Field(description="The source: link, sms_reply, email_reply, rep, phone_bank, import, scrutineer.")
    confidence: float = Field(description="The confidence in it, above 0 and up to 1.")
    message_id: int | None = Field(description="The message it answers.")
    retracts: int | None = Field(description="The claim it retracts.")
    status: str | None = Field(
        description="The member's status when the event was recorded; null if no claim is valid."
    )


class ResponseData(Payload):
    """An answer to a question was given, commented on, taken back or moved to another date."""

    question: str = Field(description="The question's name.")
    response_id: int
    person_id: int = Field(description="The person's id in Muster.")
    member_id: str = Field(description="Their number in the member file.")
    answer: str | None = Field(description="The name of the answer; null for a comment alone, or another date.")
    low: bool = Field(description="Whether the question's file calls that answer low.")
    source: str = Field(description="The source: link, sms_reply, email_reply, staff, date_change.")
    campaign: str | None = Field(description="The name of the campaign whose message it answers.")
    message_id: int | None = Field(description="The message it answers.")
    retracts: int | None = Field(description="The response it takes back.")
    present: str | None = Field(
        description="The person's answer when the event was recorded; null if they have none any more."
    )
    text: str | None = Field(None, description="The words beside the answer; only with `texts`.")


class SuppressionData(Payload):
    """An address or a member that was suppressed, or whose suppression was lifted."""

    channel: Literal["sms", "email", "person"] = Field(description="`person`: every channel.")
    purpose: Literal["all", "marketing"]
    reason: str = Field(description="opted_out, hard_bounced, complained, wrong_number …; opted_in if it was lifted.")
    source: str = Field(description="The source: link, sms_reply, twilio, smtp, staff …")
    message_id: int | None = Field(description="The message that led to it.")
    person_ids: list[int] = Field(description="The ids in Muster of all members with that address.")
    member_ids: list[str] = Field(description="Their numbers or references in the member file.")
    address: str | None = Field(None, description="The phone number or mailbox; only with `addresses`.")


class ReplyData(Payload):
    """A reply to a message, or a pressed button that staff have to act on."""

    reply_id: int
    channel: Literal["sms", "email", "link"]
    person_id: int | None = Field(description="The author's id in Muster, if the author is known for certain.")
    member_id: str | None = Field(description="The author's number or reference in the member file.")
    message_id: int | None = Field(description="The message it answers.")
    reading: str = Field(description="Its classification: voted, not_voted, opt_out, call_me, unclear …")
    why_open: str | None = Field(description="Why staff have to act on it; null if nobody has to.")
    address: str | None = Field(None, description="The phone number or mailbox it came from; only with `addresses`.")
    text: str | None = Field(None, description="The text; only with `texts`.")


class CampaignData(Payload):
    """A change of state of a campaign."""

    campaign: str = Field(description="The campaign's name.")
    subject_kind: str = Field(description="The kind of what it asks about: ballot, question or notice.")
    subject: str = Field(description="The name of what it asks about.")
    by: str = Field(description="The person who did it; `muster` if nobody did.")
    why: str | None = Field(description="The reason they gave.")


class BallotData(Payload):
    """The figures of a ballot; docs/turnout.md explains how they are estimated."""

    ballot: str = Field(description="The ballot's name.")
    electorate: int
    confirmed: int = Field(description="Members who say that they have voted. This is not turnout.")
    estimate: int = Field(description="The estimated number of votes.")
    low: int = Field(description="The low end of the estimate.")
    high: int = Field(description="The high end of the estimate.")
    threshold: float = Field(description="The share of the electorate that must vote.")
    target: int = Field(description="Votes that would reach the threshold.")
    needed: int = Field(description="Further confirmations until the target is reached.")
    passed: bool = Field(
        description="Whether even the low end reaches the target, in every constituency that must pass."
    )


class AlertData(Payload):
    """An alert for staff."""

    alert_id: int
    key: str = Field(description="The subject of the alert; the same for the same problem.")
    severity: Literal["notice", "warning", "error"]
    title: str
    remedy: str


class TestData(Payload):
    """A test event, sent on request: nothing has happened."""

    subscription: str


_CLAIMS: Final = {
    ClaimKind.VOTED: "A member is said to have voted.",
    ClaimKind.WILL_VOTE: "A member is said to intend to vote.",
    ClaimKind.NOT_VOTED: "A member is said not to have voted yet.",
    ClaimKind.NO_BALLOT_PAPER: "A member is said to have no ballot paper.",
    ClaimKind.REPLACEMENT_REQUESTED: "A member is said to have asked for another ballot paper.",
    ClaimKind.REFUSED: "A member is said not to want to vote, or to say.",
}

EVENTS: Final[Mapping[str, tuple[type[Payload], str]]] = {
    "message.accepted": (MessageData, "A provider or mail relay accepted the message."),
    "message.sent": (MessageData, "The provider passed the message on to the network."),
    "message.delivered": (MessageData, "The network reports that the message was delivered."),
    "message.read": (MessageData, "The network reports that the message was read."),
    "message.failed": (MessageData, "The message was refused or not delivered. It may be tried again."),
    "message.bounced": (MessageData, "The email bounced."),
    "message.complained": (MessageData, "The member reported the message as unwanted."),
    "message.withdrawn": (
        MessageData,
        "The message was withdrawn before it was sent: answered, opted out, cancelled, too late.",
    ),
    **{f"claim.{kind}": (ClaimData, words) for kind, words in _CLAIMS.items()},
    f"claim.{RETRACTED}": (ClaimData, "A claim was retracted; the one before it is valid again."),
    "answer.received": (ResponseData, "A person answered a question, changed their answer or left a comment."),
    "answer.retracted": (ResponseData, "An answer or a comment was taken back; the answer before it is valid again."),
    "answer.date_changed": (
        ResponseData,
        "The date that a person's answer is about has changed, of an appointment say: `present` is what counts now.",
    ),
    "opt_out.added": (SuppressionData, "A member opted out."),
    "opt_out.lifted": (SuppressionData, "An opt-out was lifted."),
    "suppression.added": (SuppressionData, "An address or member was suppressed for another reason than an opt-out."),
    "suppression.lifted": (SuppressionData, "Such a suppression was lifted."),
    "reply.received": (
        ReplyData,
        "A reply arrived and was classified by a rule, or a button was pressed that staff have to act on.",
    ),
    "campaign.started": (CampaignData, "A campaign was launched."),
    "campaign.paused": (CampaignData, "A campaign was paused: it sends nothing for now."),
    "campaign.resumed": (CampaignData, "A paused campaign was resumed."),
    "campaign.cancelled": (CampaignData, "A campaign was cancelled for good; its queued messages were withdrawn."),
    "campaign.finished": (CampaignData, "All steps of a campaign are finished."),
    "ballot.opened": (BallotData, "A ballot opened."),
    "ballot.closed": (BallotData, "A ballot closed."),
    "ballot.threshold_reached": (BallotData, "The estimate reached the threshold."),
    "ballot.passed": (
        BallotData,
        "Even the low end of the estimate reached the threshold, in every constituency that must pass.",
    ),
    "ballot.threshold_lost": (
        BallotData,
        "The estimate fell below the threshold again, because claims were retracted.",
    ),
    "alert.raised": (AlertData, "An alert was raised: something needs staff."),
    "alert.resolved": (AlertData, "An alert was resolved."),
    "webhook.test": (TestData, "A test, sent on request only."),
}
"""All event types, each with its payload's model and when it happens."""

GROUPS: Final = tuple(dict.fromkeys(f"{name.partition('.')[0]}.*" for name in EVENTS if name != "webhook.test"))
"""Groups that a subscription may name instead of single types; `*` is all of them."""

PRIVATE: Final[Mapping[str, str]] = {"address": "addresses", "text": "texts"}
"""Fields that are filled only for subscriptions that include the word beside them."""


def expand(patterns: Iterable[str]) -> list[str]:
    """Return the types that some types and groups stand for.

    Raises:
        InputError: one of them is unknown.
    """
    types: dict[str, None] = {}
    for pattern in patterns:
        prefix = pattern.removesuffix("*")
        wide = pattern == "*" or pattern in GROUPS
        names = [name for name in EVENTS if (name.startswith(prefix) if wide else name == pattern)]
        names = [name for name in names if name != "webhook.test"]
        if not names:
            raise InputError(
                f"There is no event {pattern!r}.",
                remedy="See: muster webhooks events. A group is written as in claim.*, all of them as '*'.",
            )
        types.update(dict.fromkeys(names))
    return list(types)


def webhook_id(seq: int) -> str:
    """Return an event's id on the wire: the same in every try, to every subscription."""
    return f"evt_{seq}"


def write(kind: str, *, event_id: str, cursor: int | None, at: datetime, data: Mapping[str, Any]) -> bytes:
    """Serialise an event as it is sent.

    Args:
        kind: its type.
        event_id: its `webhook-id`.
        cursor: its number in the event log; None for a test.
        at: when it happened; aware.
        data: its payload, as its model requires it.

    Raises:
        ValidationError: the payload does not fit the model; a mistake in the program.
    """
    payload = EVENTS[kind][0].model_validate(data).model_dump(mode="json", exclude_unset=True)
    return orjson.dumps({"type": kind, "id": event_id, "cursor": cursor, "timestamp": at, "data": payload})


def schemas() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of all events, by type."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events that Muster sends by webhook",
        "oneOf": [_schema(kind) for kind in EVENTS],
        "$defs": {model.__name__: _plain(model) for model in dict.fromkeys(model for model, _ in EVENTS.values())},
    }


def _schema(kind: str) -> dict[str, Any]:
    model, words = EVENTS[kind]
    return {
        "title": kind,
        "description": words,
        "type": "object",
        "required": ["type", "id", "cursor", "timestamp", "data"],
        "properties": {
            "type": {"const": kind},
            "id": {"type": "string", "description": "The same as in the header webhook-id."},
            "cursor": {"type": ["integer", "null"], "description": "The position in the event log; null for a test."},
            "timestamp": {"type": "string", "format": "date-time", "description": "The time of the event, UTC."},
            "data": {"$ref": f"#/$defs/{model.__name__}"},
        },
    }


def _plain(model: type[Payload]) -> dict[str, Any]:
    """Return a model's schema without titles that only repeat the names of fields, open to future fields."""
    schema = model.model_json_schema()
    schema.pop("additionalProperties")
    for field in schema["properties"].values():
        field.pop("title")
    return schema
