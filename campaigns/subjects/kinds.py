"""Kinds of subjects, and the search for a subject by its kind and name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import orjson

from campaigns.subjects.ballot import BallotSubject
from campaigns.subjects.notice import NoticeSubject
from campaigns.subjects.question import QuestionSubject
from campaigns.subjects.subject import Subject
from core.db import Connection, load_queries
from core.errors import NotFound

SQL: Final = load_queries(__file__)

KINDS: Final[Mapping[str, type[Subject]]] = MappingProxyType(
    {subject_class.kind: subject_class for subject_class in (BallotSubject, QuestionSubject, NoticeSubject)}
)
"""The class of each kind, by its name in files."""
MEANINGS: Final = frozenset[str]().union(*(subject_class.common_meanings for subject_class in KINDS.values()))
"""Answers that all subjects of a kind have in common, of every kind."""


def subject_of(facts: Mapping[str, Any]) -> Subject:
    """Make a subject from its row in the view `subject`, as JSON.

    A subject that was made from the same row before is returned again: many presses are about one.
    """
    return _made(orjson.dumps(facts))


@lru_cache(maxsize=100)
def _made(facts: bytes) -> Subject:
    row = orjson.loads(facts)
    return KINDS[row["subject_kind"]].of(row)


async def find_subject(db: Connection, kind: str, name: str) -> Subject:
    """Look up a subject by its kind and name.

    Raises:
        NotFound: there is none; the error names the subjects there are.
    """
    facts = await db.fetchval(SQL["find_subject"], kind, await KINDS[kind].find(db, name))
    if facts is None:
        raise NotFound(f"There is no {kind} {name}.")
    return subject_of(facts)
