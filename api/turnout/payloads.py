"""Query parameters and payloads of the turnout feed; the OpenAPI document is generated from them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeVar

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ballots import feed
from core.http.web import problem

MAX_FEED_POSITION: Final = 2**63 - 1
"""Highest number of a change: the largest `bigint` of PostgreSQL."""
FeedPosition = Annotated[int, Field(ge=0, le=MAX_FEED_POSITION)]
Q = TypeVar("Q", bound=BaseModel)


class ChangesQuery(BaseModel):
    """Query parameters of the feed."""

    after: FeedPosition = Field(0, description="The `cursor` of the previous answer; 0 for the beginning.")
    limit: int = Field(1000, ge=1, le=1000, description="The most changes in one answer.")
    wait: float = Field(
        0, ge=0, le=60, allow_inf_nan=False, description="Seconds to wait for a change if there is none yet."
    )


class SnapshotQuery(BaseModel):
    """Query parameters of a snapshot."""

    format: Literal["csv", "parquet"] = Field("csv", description="The format of the file.")


class Change(BaseModel):
    """Claim, in the order of commits."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    seq: int = Field(description="The number of the change in the ballot's turnout feed.")
    claim_id: int
    person_id: int = Field(description="The member's id in Muster.")
    member_id: str = Field(description="The member's membership number.")
    unit_id: int | None = Field(description="The id of the unit the member is counted in; null outside the electorate.")
    kind: str = Field(
        description="The kind of claim: voted, will_vote, not_voted …; `retracted` retracts another claim."
    )
    source: str = Field(description="The source: link, sms_reply, email_reply, rep, phone_bank, import, scrutineer.")
    confidence: float = Field(description="The confidence in it, above 0 and up to 1.")
    at: AwareDatetime = Field(description="When the claim was made.")
    message_id: int | None = Field(description="The message it answers.")
    retracts: int | None = Field(description="The claim it retracts.")
    status: str | None = Field(description="The member's present status; null if no claim is valid.")

    @classmethod
    def of(cls, change: feed.TurnoutChange) -> Self:
        """Convert a change to its public form, which leaves out who recorded it."""
        return cls(
            seq=change.seq, claim_id=change.claim_id, person_id=change.person_id, member_id=change.member_id,
            unit_id=change.unit_id, kind=change.kind, source=change.source, confidence=round(change.confidence, 4),
            at=change.at, message_id=change.message_id, retracts=change.retracts, status=change.status,
        )  # fmt: skip


class Changes(BaseModel):
    """Changes after a position in the feed."""

    ballot: str
    changes: list[Change]
    cursor: int = Field(description="Send this as `after` in the next request.")
    more: bool = Field(description="Whether further changes can be fetched at once.")


class ApiError(BaseModel):
    """Error response (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = Field(description="More about the error, for the program's operator.")
    remedy: str | None = Field(None, description="How to mend it.")
    problems: list[dict[str, Any]] | None = Field(None, description="The problem with each wrong parameter.")


def read_query(request: web.Request, model: type[Q]) -> Q | web.Response:
    """Read the query parameters of a request; if they are wrong, return the response that says so."""
    try:
        return model.model_validate(dict(request.query))
    except ValidationError as error:
        problems = [{"parameter": str(detail["loc"][0]), "problem": detail["msg"]} for detail in error.errors()]
        return problem(400, "A parameter cannot be right.", problems=problems)
