"""Option `--about`: what the campaigns that use a template are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import click

from campaigns.subjects.kinds import KINDS, find_subject
from campaigns.subjects.subject import Subject
from core.db import Connection

_NAMED: Final = [kind.kind for kind in KINDS.values() if kind.is_named_in_files]


@dataclass(frozen=True, slots=True)
class SubjectChoice:
    """Kind of subject, and the subject's name if one was given.

    Attributes:
        kind: its class.
        name: of the subject; None for any of the kind.
    """

    kind: type[Subject]
    name: str | None

    async def find(self, db: Connection) -> Subject | None:
        """Look the subject up; None if only a kind was said.

        Raises:
            NotFound: there is none of that name.
        """
        return None if self.name is None else await find_subject(db, self.kind.kind, self.name)


class _SubjectChoiceType(click.ParamType[SubjectChoice]):
    name = "about"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> SubjectChoice:
        if isinstance(value, SubjectChoice):
            return value
        kind, _, name = str(value).partition(":")
        if kind not in KINDS:
            named = " or ".join(f"{known}:NAME" for known in _NAMED)
            self.fail(f"{value!r} is not among {', '.join(KINDS)}, and neither {named}.", param, ctx)
        return SubjectChoice(KINDS[kind], name or None)


about_option = click.option(
    "--about", type=_SubjectChoiceType(), metavar="KIND[:NAME]",
    help=f"What it is for: {', '.join(KINDS)}, or one of them by its name, such as"
    f" {' or '.join(f'{kind}:NAME' for kind in _NAMED)}, with its words, dates and answers. Without it: any.",
)  # fmt: skip
