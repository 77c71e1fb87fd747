"""Event types: what each event is called, when it happens, and what its payload holds.

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
    """What became of one message to one member."""

    message_id: int = Field(description="The message, the same in every event about it.")
    campaign: str | None = Field(description="The campaign's name.")
    step: int = Field(description="Which step of the campaign, from 1.")
    person_id: int = Field(description="The member, by Muster's own number.")
    member_id: str | None = Field(description="The member, by the organisation's number.")
    channel: Literal["sms", "email"] | None
    state: str = Field(description="The state it moved to; docs/delivery.md lists them.")
    reason: str | None = Field(description="Why: a word of Muster's, or the provider's code.")
    address: str | None = Field(None, description="The phone number or mailbox; only with `addresses`.")


class ClaimData(Payload):
    """What somebody said about one member and one ballot."""

    ballot: str = Field(description="The ballot's name.")
    change: int = Field(description="Its place in the ballot's turnout feed (docs/turnout.md).")
    claim_id: int
    person_id: int
    member_id: str = Field(description="The member, by the organisation's number.")
    kind: str = Field(description="What was said: the last word of the event's type.")
    source: str = Field(description="By what way: link, sms_reply, email_reply, rep, phone_bank, import, scrutineer.")
    confidence: float = Field(description="How sure it is, above 0 and up to 1.")
    message_id: int | None = Field(description="The message it answers.")
    retracts: int | None = Field(description="The claim it takes back.")
    standing: str | None = Field(description="Where the member stood when the event was noticed; null: nothing holds.")


class SuppressionData(Payload):
    """An address, or a member, that is not written to any more, or is again."""

    channel: Literal["sms", "email", "person"] = Field(description="`person`: every channel.")
    purpose: Literal["all", "marketing"]
    reason: str = Field(
        description="opted_out, hard_bounced, complained, wrong_number …; opted_in where it was lifted."
    )
    source: str = Field(description="Who said so: link, sms_reply, twilio, smtp, staff …")
    message_id: int | None = Field(description="The message it came in answer to.")
    person_ids: list[int] = Field(description="Everybody who has that address.")
    member_ids: list[str] = Field(description="The same by the organisation's numbers.")
    address: str | None = Field(None, description="The phone number or mailbox; only with `addresses`.")


class ReplyData(Payload):
    """Somebody wrote back, or pressed a button that a person has to see."""

    reply_id: int
    channel: Literal["sms", "email", "link"]
    person_id: int | None = Field(description="Who it is from, where that is certain.")
    member_id: str | None
    message_id: int | None = Field(description="The message it answers.")
    reading: str = Field(description="What it was read as: voted, not_voted, opt_out, call_me, unclear …")
    why_open: str | None = Field(description="Why a person has to look at it; null where nobody has to.")
    address: str | None = Field(None, description="Who it is from; only with `addresses`.")
    text: str | None = Field(None, description="What it says; only with `texts`.")


class CampaignData(Payload):
    """A campaign went from one state of its life to another."""

    campaign: str = Field(description="The campaign's name.")
    ballot: str | None = Field(description="The ballot it asks about.")
    by: str = Field(description="Who did it; `muster` where it came about by itself.")
    why: str | None = Field(description="What they said about it.")


class BallotData(Payload):
    """How a ballot stands; docs/turnout.md says how the figures are made."""

    ballot: str = Field(description="The ballot's name.")
    electorate: int
    confirmed: int = Field(description="Members who say that they have voted. Not turnout.")
    estimate: int = Field(description="Votes we can count on.")
    low: int
    high: int
    threshold: float = Field(description="The share of the electorate that must vote.")
    target: int = Field(description="The same in votes.")
    needed: int = Field(description="Further confirmations until the target is reached.")
    passed: bool = Field(description="Even the low end reaches the target, in every constituency that must pass.")


class AlertData(Payload):
    """Something staff should know."""

    alert_id: int
    key: str = Field(description="What it is about; the same for the same trouble.")
    severity: Literal["notice", "warning", "error"]
    title: str
    remedy: str


class TestData(Payload):
    """Nothing happened: somebody tried whether events arrive."""

    subscription: str


_CLAIMS: Final = {
    ClaimKind.VOTED: "A member has voted, somebody says.",
    ClaimKind.WILL_VOTE: "A member will vote.",
    ClaimKind.NOT_VOTED: "A member has not voted yet.",
    ClaimKind.NO_BALLOT_PAPER: "A member has got no ballot paper.",
    ClaimKind.REPLACEMENT_REQUESTED: "A member has asked for another ballot paper.",
    ClaimKind.REFUSED: "A member will not say, or will not vote.",
}

EVENTS: Final[Mapping[str, tuple[type[Payload], str]]] = {
    "message.accepted": (MessageData, "A provider or mail relay took a message."),
    "message.sent": (MessageData, "The provider passed it on to the network."),
    "message.delivered": (MessageData, "It arrived, the network says."),
    "message.read": (MessageData, "It was read, the network says."),
    "message.failed": (MessageData, "It was refused or did not arrive. It may be tried again."),
    "message.bounced": (MessageData, "An email came back."),
    "message.complained": (MessageData, "The member reported it as unwanted."),
    "message.withdrawn": (MessageData, "It was taken back before it left: answered, opted out, cancelled, too late."),
    **{f"claim.{kind}": (ClaimData, words) for kind, words in _CLAIMS.items()},
    f"claim.{RETRACTED}": (ClaimData, "A claim was taken back; what stood before it stands again."),
    "opt_out.added": (SuppressionData, "Somebody asked not to be written to."),
    "opt_out.lifted": (SuppressionData, "They may be written to again."),
    "suppression.added": (SuppressionData, "An address is not written to any more for another reason."),
    "suppression.lifted": (SuppressionData, "It is again."),
    "reply.received": (ReplyData, "Somebody wrote back; what it says was read by a rule."),
    "campaign.started": (CampaignData, "A campaign was launched."),
    "campaign.paused": (CampaignData, "Nothing more leaves for now."),
    "campaign.resumed": (CampaignData, "It goes on."),
    "campaign.cancelled": (CampaignData, "It was ended for good; what was queued is withdrawn."),
    "campaign.finished": (CampaignData, "Every step of it is done."),
    "ballot.opened": (BallotData, "A ballot's opening time has come."),
    "ballot.closed": (BallotData, "Its closing time has come."),
    "ballot.threshold_reached": (BallotData, "The estimate reaches the threshold."),
    "ballot.passed": (BallotData, "Even the low end of the estimate does, wherever it has to."),
    "ballot.threshold_lost": (BallotData, "Claims were taken back, and the estimate is below the threshold again."),
    "alert.raised": (AlertData, "Something needs staff."),
    "alert.resolved": (AlertData, "It does not any more."),
    "webhook.test": (TestData, "Somebody tried whether events arrive. Sent on request only."),
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
    found: dict[str, None] = {}
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
        found.update(dict.fromkeys(names))
    return list(found)


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
    said = EVENTS[kind][0].model_validate(data).model_dump(mode="json", exclude_unset=True)
    return orjson.dumps({"type": kind, "id": event_id, "cursor": cursor, "timestamp": at, "data": said})


def schemas() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of all events, by type."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What Muster tells by webhook",
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
            "id": {"type": "string", "description": "The same as the header webhook-id."},
            "cursor": {"type": ["integer", "null"], "description": "Its place in the stream; null for a test."},
            "timestamp": {"type": "string", "format": "date-time", "description": "When it happened, UTC."},
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
