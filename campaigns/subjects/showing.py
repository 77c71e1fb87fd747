"""Showing a subject: the page that a link opens, and its answers so far.

The methods here fit a subject about which nothing is asked; other kinds override them.
"""

# ruff: noqa: ARG002  # what one kind need not know, another does

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from campaigns.subjects.answer import SubjectStatus
from campaigns.subjects.facts import SubjectFacts
from campaigns.subjects.page import MemberPage, PageReader
from core.db import Connection


class Showing(SubjectFacts):
    """Showing side of a subject."""

    __slots__ = ()

    further_requests: ClassVar[Sequence[str]] = ("stop",)
    """Further requests that its page offers."""

    @property
    def own_languages(self) -> frozenset[str]:
        """Return the languages of its own words, where people read more of them than its title; none otherwise."""
        return frozenset()

    def title_in(self, language: str) -> str:
        """Return its title in a language, or in English."""
        return self.title

    def words(self, language: str) -> Mapping[str, str]:
        """Return the words that are its own on its pages, by their keys; other words are in the words file."""
        return {}

    @abstractmethod
    def page(self, reader: PageReader, now: datetime, *, note: str | None = None) -> MemberPage:
        """Return the page a link opens, also after an answer.

        Args:
            reader: who opens it.
            now: the time.
            note: the key of what has just been done.
        """

    @abstractmethod
    def answered_page(self, reader: PageReader, now: datetime, press: str) -> MemberPage:
        """Return the page after an answer or a request.

        Args:
            reader: who answered, with their present status.
            now: the time.
            press: what they pressed.
        """

    def times(self) -> Mapping[str, datetime | None]:
        """Return the times that the words of its pages may name: `{closes}`."""
        return {"opens": self.opens_at, "closes": self.closes_at}

    async def status(self, db: Connection, now: datetime, campaign_id: int) -> SubjectStatus:
        """Return its answers so far; a question counts only answers to the given campaign."""
        return SubjectStatus()
