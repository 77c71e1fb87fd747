"""Ballot files: the `[ballot]` table that describes a ballot. docs/campaigns.md explains every key."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import Field, StrictBool, field_validator, model_validator

from core.errors import SpecError
from core.setting_types import Zone
from core.spec_file import Moment, Name, OneOrMore, SpecTable, Text, at_zone, read_document, read_table


class BallotSpec(SpecTable):
    """Contents of a `[ballot]` table."""

    name: Name
    title: Text
    organisation: str | None = None
    time_zone: Zone | None = None
    opens: Moment
    closes: Moment
    last_posting: Moment | None = None
    replacement_by: Moment | None = None
    threshold: float = Field(0.5, gt=0)
    units: OneOrMore | tuple[()] = ()
    attribute: dict[str, StrictBool | OneOrMore] | None = Field(None, min_length=1)
    disaggregated: bool = False
    constituency: Text = "branch"
    over_report: float = Field(0.13, ge=0, lt=0.5)

    @field_validator("threshold")
    @classmethod
    def _share(cls, value: float) -> float:
        if value > 1:
            raise ValueError(f"is a share: write {value / 100:g} for {value:g}%")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        zone = ZoneInfo(self.time_zone or "UTC")
        opens, closes = at_zone(self.opens, zone), at_zone(self.closes, zone, end=True)
        if closes <= opens:
            raise ValueError("closes: the ballot closes before it opens")
        for key in ("last_posting", "replacement_by"):
            value: date | None = getattr(self, key)
            if value is not None and not opens <= at_zone(value, zone, end=True) <= closes:
                raise ValueError(f"{key}: must lie between the opening and the close of the ballot")
        return self


def load_ballot_spec(path: Path) -> BallotSpec:
    """Read the `[ballot]` of a file.

    Raises:
        SpecError: the file cannot be read, has no such table, or something in it is wrong; each problem names its key.
    """
    table = read_document(path, {"ballot": BallotSpec.model_fields}).get("ballot")
    if table is None:
        raise SpecError(f"{path} has no [ballot].", remedy="docs/campaigns.md shows a complete file.")
    return read_table(BallotSpec, table, path, "ballot")
