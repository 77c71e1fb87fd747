"""Notice as a subject: news for people that asks for no answer.

It goes to everybody the audience finds, has no goal, and takes no digits. A reply waits for a member of staff, unless
it is an opt-out.
"""

# ruff: noqa: ARG002, ARG003  # what one kind need not know, another does

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from campaigns.subjects.page import MemberPage, PageReader, after_stop, requests, resume_button, stopped_note
from campaigns.subjects.subject import Subject
from core.access import Actor
from core.db import Connection, load_queries
from core.errors import NotFound
from core.setting_types import Zone
from core.settings import Settings
from core.spec_file import Moment, SpecTable, Text, at_zone, read_document, read_table

SQL: Final = load_queries(__file__)


class NoticeSpec(SpecTable):
    """Contents of a `[notice]` table, all of which may be left out."""

    title: Text | None = None
    organisation: str | None = None
    time_zone: Zone | None = None
    closes: Moment | None = None


@dataclass(frozen=True, slots=True)
class NoticeSubject(Subject):
    """Notice that a campaign sends; each belongs to one campaign."""

    kind: ClassVar = "notice"
    is_named_in_files: ClassVar = False
    table: ClassVar = NoticeSpec

    @property
    def label(self) -> str:
        """Return how sentences for staff name it."""
        return "a notice"

    @classmethod
    def load(cls, path: Path) -> SpecTable:
        """Read the `[notice]` of a file."""
        table = read_document(path, {cls.kind: NoticeSpec.model_fields}).get(cls.kind)
        return read_table(NoticeSpec, table, path, cls.kind)

    @classmethod
    async def find(cls, db: Connection, name: str) -> int:
        """Find the notice of a campaign; return its id."""
        notice_id: int | None = await db.fetchval(SQL["find_notice"], name)
        if notice_id is None:
            raise NotFound(f"There is no notice of a campaign {name}.")
        return notice_id

    @classmethod
    async def ensure(
        cls,
        db: Connection,
        own: SpecTable | None,
        settings: Settings,
        *,
        name: str,
        title: str,
        actor: Actor,
        now: datetime,
    ) -> None:
        """Make the notice of a campaign; keys that its file leaves out come from the campaign, or the settings."""
        spec = own if isinstance(own, NoticeSpec) else NoticeSpec()
        zone = spec.time_zone or settings.time_zone
        closes_at = at_zone(spec.closes, ZoneInfo(zone), end=True) if spec.closes else None
        await db.execute(SQL["create_notice"], name, spec.title or title, spec.organisation or "", zone, closes_at)

    @classmethod
    async def delete_unused(cls, db: Connection, subject_id: int) -> None:
        """Remove the notice of a draft."""
        await db.execute(SQL["delete_notice"], subject_id)

    def page(self, reader: PageReader, now: datetime, *, note: str | None = None) -> MemberPage:
        """Return the page that says what the message was about, and that no answer is needed."""
        return MemberPage(
            heading="notice",
            lines=["need_not_answer"],
            note=note or stopped_note(reader),
            others=requests(reader, self.further_requests),
            undo=resume_button(reader),
            greet=True,
            has_decoys=True,
        )

    def answered_page(self, reader: PageReader, now: datetime, press: str) -> MemberPage:
        """Return the page after a request: only an end to messages can be asked for."""
        return after_stop() if press in self.further_requests else self.page(reader, now)
