"""`muster audit`: who did what, and whether the record is complete."""

from __future__ import annotations

from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import click
import orjson

from core.audit import AuditAction
from core.db import Connection
from core.errors import Conflict, InputError, NotFound
from core.plurals import plural
from core.spec_errors import names_instead, near_miss
from muster.cli.audit_rows import AuditNames, find_names, lines_of, subjects_of, to_json
from muster.cli.moments import MOMENT, TypedDate
from muster.cli.noun import Noun
from muster.cli.numbers import ROW
from muster.cli.options import json_option, limit_option
from muster.cli.output import json_text, print_json
from muster.cli.session import open_session, run

if TYPE_CHECKING:
    import asyncpg

    from core.audit import Head, Verification

_ACTIONS: Final = tuple(AuditAction)
_GROUPS: Final = tuple(dict.fromkeys(action.partition(".")[0] for action in _ACTIONS))


@click.group(cls=Noun)
def command() -> None:
    """Read who did what, check that nothing of it was changed, and take its head to keep elsewhere (docs/audit.md)."""


@command.command("list")
@click.option("--by", "actor", metavar="NAME", help="Only what this person, key or member of staff did.")
@click.option(
    "--action", metavar="ACTION", help="Only this action, such as campaign.launched; or all of a kind: campaign."
)
@click.option(
    "--on", "subject", metavar="SUBJECT", help="Only what was done to this: “campaign pay-2026”, or an email."
)
@click.option("--since", type=MOMENT, metavar="TIME", help="Only from this time on.")
@click.option("--until", type=MOMENT, metavar="TIME", help="Only before this time.")
@click.option("--before", type=ROW, metavar="NUMBER", help="The next page: rows before this number.")
@limit_option(100)
@json_option
def list_(
    actor: str | None, action: str | None, subject: str | None, since: TypedDate | None, until: TypedDate | None,
    before: int | None, limit: int, *, as_json: bool,
) -> None:  # fmt: skip
    """List what was done, the newest first."""
    from core.audit import list_audit

    if action is not None and action not in _ACTIONS and action not in _GROUPS:
        guess = near_miss(action, [*_GROUPS, *_ACTIONS])
        hint = f"{names_instead(action, [*_GROUPS, *_ACTIONS])} " if guess else ""
        raise InputError(f"There is no action “{action}”.", remedy=f"{hint}See all of them: muster audit actions")

    async def work() -> tuple[list[asyncpg.Record], AuditNames, ZoneInfo]:
        async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
            zone = ZoneInfo(runtime.settings.time_zone)
            rows: list[asyncpg.Record] = []
            for each in await subjects_of(db, subject) if subject is not None else [None]:
                rows += await list_audit(
                    db, actor=actor, action=action, subject=each, since=since.start(zone) if since else None,
                    until=until.start(zone) if until else None, before=before, limit=limit,
                )  # fmt: skip
            if not rows and actor is not None and not await list_audit(db, actor=actor, limit=1):
                raise NotFound(
                    f"The audit has nothing by “{actor}”.",
                    remedy="Write the name as the list shows it: staff by their email address.",
                )
            if not rows and subject is not None and "@" not in subject:
                await _require_subject(db, subject)
            rows = sorted(rows, key=itemgetter("audit_id"), reverse=True)[:limit]
            return rows, await find_names(db, rows), zone

    rows, names, zone = run(work())
    if as_json:
        print_json([to_json(row, names) for row in rows])
        return
    if not rows:
        click.echo("Nothing was done that fits.")
        return
    for row in rows:
        click.echo("\n".join(lines_of(row, names, zone)))
    if len(rows) == limit:
        click.echo(f"Older ones: --before {rows[-1]['audit_id']}")


async def _require_subject(db: Connection, subject: str) -> None:
    """Refuse a subject on which the audit has nothing at all: it is misspelt, or was never changed.

    Raises:
        NotFound: there is nothing on it.
    """
    from core.audit import list_audit

    if not await list_audit(db, subject=subject, limit=1):
        raise NotFound(
            f"The audit has nothing on “{subject}”.",
            remedy="Write it as the list shows it, such as “campaign pay-2026” or “staff 4”; or the email address of an"
            " account.",
        )


@command.command()
@json_option
def actions(*, as_json: bool) -> None:
    """List the actions that the audit records."""
    if as_json:
        print_json(_ACTIONS)
    else:
        click.echo("\n".join(_ACTIONS))


@command.command()
@click.option(
    "--head", "kept", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A head that was taken earlier and kept elsewhere: the record must still contain it.",
)  # fmt: skip
@json_option
def verify(kept: Path | None, *, as_json: bool) -> None:
    """Check that no row was changed, added or taken away since it was sealed."""
    from core.audit import verify as verify_audit

    head = None if kept is None else _read_head(kept)

    async def work() -> Verification:
        async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
            return await verify_audit(db, kept=head)

    verification = run(work())
    if as_json:
        print_json(verification)
    else:
        click.echo(
            f"{plural(verification.seals, 'seal')} over {plural(verification.rows, 'row')} checked; "
            f"{plural(verification.unsealed, 'row')} not sealed yet; "
            f"{plural(verification.erased, 'row')} with particulars erased."
        )
    if verification.problems:
        raise Conflict(
            " ".join(verification.problems),
            remedy="Keep a copy of the database as it is, and find out who could write to it.",
        )
    if not as_json:
        click.echo(
            "Everything fits. A gap in the numbers is a change that was undone; a row taken out breaks its seal."
        )
        if head is None:
            click.echo(
                "Not compared with a head kept elsewhere (--head), which alone shows that no newest row is missing."
            )


@command.command("head")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this new file.")
def head_(out: Path | None) -> None:
    """Print the newest seal, to keep where nobody who can change the database can change it: print it, or mail it."""
    from core.audit import head

    async def work() -> Head | None:
        async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
            return await head(db)

    newest = run(work())
    if newest is None:
        raise Conflict("Nothing is sealed yet.", remedy="A worker does that each minute: is one running?")
    text = json_text(newest.to_json())
    if out is None:
        click.echo(text)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text + "\n")
    except FileExistsError as error:
        raise Conflict(f"{out} exists.", remedy="Name a new file, so that no head that was kept is lost.") from error
    click.echo(f"Written to {out}. Later: muster audit verify --head {out}")


def _read_head(path: Path) -> dict[str, Any]:
    try:
        head = orjson.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path} holds no head.", remedy="It is written by: muster audit head --out FILE") from error
    if not isinstance(head, dict) or {"seal", "digest"} - head.keys():
        raise InputError(f"{path} holds no head.", remedy="It is written by: muster audit head --out FILE")
    return head
