"""Query parameters and payloads of the turnout feed; the OpenAPI document is generated from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ballots import feed
from core.http.web import problem

LARGEST = 2**63 - 1
Place = Annotated[int, Field(ge=0, le=LARGEST)]
Q = TypeVar("Q", bound=BaseModel)


class ChangesQuery(BaseModel):
    """Query parameters of the feed."""

    after: Place = Field(0, description="The `cursor` of the last answer; 0 from the beginning.")
    limit: int = Field(1000, ge=1, le=1000, description="The most changes in one answer.")
    wait: float = Field(
        0, ge=0, le=60, allow_inf_nan=False, description="Seconds to wait for a change where there is none yet."
    )


class SnapshotQuery(BaseModel):
    """Query parameters of a snapshot."""

    format: Literal["csv", "parquet"] = Field("csv", description="As what.")


class Change(BaseModel):
    """One claim, in the order they were committed."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    seq: int = Field(description="Its place in the feed.")
    claim_id: int
    person_id: int = Field(description="The member, by Muster's own number.")
    member_id: str = Field(description="The member, by the organisation's number.")
    unit_id: int | None = Field(description="The unit the member counts in; null outside the electorate.")
    kind: str = Field(description="What was said: voted, will_vote, not_voted …; `retracted` takes another claim back.")
    source: str = Field(description="By what way it came.")
    confidence: float = Field(description="How sure it is, above 0 and up to 1.")
    at: AwareDatetime = Field(description="When it was said.")
    message_id: int | None = Field(description="The message it answers.")
    retracts: int | None = Field(description="The claim it takes back.")
    standing: str | None = Field(description="Where the member stands as of now; null: nothing holds any more.")

    @classmethod
    def of(cls, change: feed.TurnoutChange) -> Self:
        """Convert a change to its public form, which leaves out who recorded it."""
        return cls(
            seq=change.seq, claim_id=change.claim_id, person_id=change.person_id, member_id=change.member_id,
            unit_id=change.unit_id, kind=change.kind, source=change.source, confidence=round(change.confidence, 4),
            at=change.at, message_id=change.message_id, retracts=change.retracts, standing=change.status,
        )  # fmt: skip


class Changes(BaseModel):
    """Changes after a position in the feed."""

    ballot: str
    changes: list[Change]
    cursor: int = Field(description="Ask with this as `after` next.")
    more: bool = Field(description="Whether there is more at once.")


class ApiError(BaseModel):
    """Error response (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = Field(description="For the person who runs the program that asked.")
    remedy: str | None = Field(None, description="What to do about it.")
    problems: list[dict[str, Any]] | None = Field(None, description="What is wrong with each parameter.")


def read_query(request: web.Request, model: type[Q]) -> Q | web.Response:
    """Read the query parameters of a request; where they are wrong, return the response that says so."""
    try:
        return model.model_validate(dict(request.query))
    except ValidationError as error:
        problems = [{"parameter": str(one["loc"][0]), "problem": one["msg"]} for one in error.errors()]
        return problem(400, "A parameter cannot be right.", problems=problems)
