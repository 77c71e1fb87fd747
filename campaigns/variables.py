"""Template variables about a person.

One definition serves the preview, the validation of a campaign and the launch: the view `template_variables` (one jsonb
object of texts per person). A launch copies from it in SQL; nothing here is computed twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from campaigns.subjects.kinds import KINDS
from core.db import Connection, load_queries
from core.errors import NotFound
from core.keyring import example_token
from messaging.content.vocabulary import LETTER, PERSONAL, STANDARD_VARIABLES, WELL_KNOWN, SubjectVariable

SQL: Final = load_queries(__file__)

SUBJECTS: Final[Collection[SubjectVariable]] = tuple(subject.variable for subject in KINDS.values() if subject.variable)
"""Variables of everything a campaign can be about."""
RESERVED: Final = STANDARD_VARIABLES | {subject.name for subject in SUBJECTS}
"""Names that mean something in every template: no attribute may have one of them."""


async def person_variables(db: Connection, person_id: int) -> dict[str, str]:
    """Return the variables of one person: every personal name in `known_variables`, "" if there is no value.

    Raises:
        NotFound: there is no such person.
    """
    variables: dict[str, str] | None = await db.fetchval(SQL["read_variables"], person_id)
    if variables is None:
        raise NotFound(f"There is no person {person_id}.")
    return with_well_known(variables)


def with_well_known(variables: Mapping[str, str]) -> dict[str, str]:
    """Return a person's variables with the well-known attributes, "" if no member file has brought them."""
    return {**dict.fromkeys(WELL_KNOWN, ""), **variables}


async def example_variables(
    db: Connection, people: Sequence[int], public_url: str, letters: Mapping[int, str] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """Return the variables of some people, with links as long as those of texts.

    Args:
        db: a connection.
        people: their ids.
        public_url: the beginning of members' links.
        letters: the letter behind the digits of those whose text has one.
    """
    token = example_token()
    links = {
        "confirm_link": f"{public_url}/{token}",
        "unsubscribe_link": f"{public_url}/u/{token}",
        "preferences_link": f"{public_url}/p/{token}",
    }
    return [
        with_well_known(row["variables"]) | links | {LETTER: letters.get(row["person_id"], "")}
        for row in await db.fetch(SQL["list_variables"], people)
    ]


async def personal_variables(db: Connection) -> frozenset[str]:
    """List the names of variables about a person: the personal ones and every attribute."""
    return PERSONAL | WELL_KNOWN | {row["name"] for row in await db.fetch(SQL["list_attributes"])}


async def known_variables(db: Connection) -> frozenset[str]:
    """List every name a template may use: the standard ones and every imported attribute."""
    return RESERVED | await personal_variables(db)
