"""`muster template`: list, check and preview message templates."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
import orjson

from campaigns.ballots import get_ballot
from campaigns.people.people import Person, find_person
from campaigns.variables import known_variables, person_variables
from messaging.content.render import Branding, RenderedEmail, RenderedSms, Renderer
from messaging.content.segments import beyond_gsm7
from messaging.content.templates import BALLOT_FIELDS, Template, list_templates, load_template
from messaging.errors import MusterError, NotFound
from messaging.settings import Settings, load_settings
from muster.cli.session import open_session, run

_TOKEN: Final = "0123456789abc"  # noqa: S105  # a link's token in a preview, as long as a real one


_ENCODINGS: Final = {"gsm7": "GSM-7", "ucs2": "UCS-2"}


@click.group()
def command() -> None:
    """List, check and preview the message templates.

    A template is a folder `messages/NAME/` with `sms.txt`, `email.md` or both, in the folder MUSTER_TEMPLATES or among
    those Muster brings. How to write one: docs/templates.md.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_all(as_json: bool) -> None:
    """List the templates there are, with their channels and purpose."""
    roots = load_settings().template_roots
    rows = [_row(roots, name) for name in list_templates(roots)]
    if as_json:
        click.echo(orjson.dumps(rows))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        told = row["error"] or f"{' and '.join(row['channels']):14} {row['purpose']}"
        click.echo(f"{row['name']:{width}}  {told}")


def _row(roots: tuple[Path, ...], name: str) -> dict[str, Any]:
    try:
        template = load_template(roots, name)
    except MusterError as error:
        return {"name": name, "purpose": None, "channels": [], "error": error.message}
    return {"name": name, "purpose": template.purpose, "channels": list(template.channels), "error": None}


@command.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(name: str, as_json: bool) -> None:
    """Check one template: its variables, its syntax, its menu, and whether it can be answered.

    Exits with 1 and names file and line where something is wrong. Warnings do not make it fail.
    """
    template, settings = run(_check(name))
    warnings = template.warnings(sms_from=settings.sms_from)
    if as_json:
        click.echo(
            orjson.dumps(
                {
                    "name": name,
                    "purpose": template.purpose,
                    "channels": list(template.channels),
                    "variables": sorted(template.variables),
                    "menu": dict(template.menu),
                    "warnings": list(warnings),
                }
            )
        )
        return
    click.echo(f"{name}: {' and '.join(template.channels)}, {template.purpose}")
    click.echo(f"Variables: {', '.join(sorted(template.variables)) or 'none'}")
    for digit, meaning in template.menu.items():
        click.echo(f"Reply {digit}: {meaning}")
    _tell(warnings)
    click.echo("Nothing is wrong with it.")


async def _check(name: str) -> tuple[Template, Settings]:
    load_template(load_settings().template_roots, name)  # what is wrong with the files needs no server to be said
    async with open_session() as runtime, runtime.pool.acquire() as db:
        template = load_template(runtime.settings.template_roots, name)
        template.check(await known_variables(db), sms_from=runtime.settings.sms_from)
        return template, runtime.settings


@dataclass(frozen=True, slots=True)
class Preview:
    """What one person would get."""

    template: Template
    person: Person
    sms: RenderedSms | None
    email: RenderedEmail | None
    email_from: str
    warnings: tuple[str, ...]

    def address(self, channel: str) -> str | None:
        """Where it would go: the first address that may be used."""
        return next(
            (one.address for one in self.person.addresses if one.channel == channel and one.suppressed is None), None
        )

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "template": self.template.name,
            "purpose": self.template.purpose,
            "person": self.person.external_id,
            "sms": self.sms
            and {
                "to": self.address("sms"),
                "text": self.sms.text,
                "encoding": self.sms.segments.encoding,
                "segments": self.sms.segments.segments,
                "units": self.sms.segments.units,
                "replaced": [asdict(one) | {"name": one.name} for one in self.sms.replaced],
                "menu": dict(self.template.menu),
            },
            "email": self.email
            and {
                "from": self.email_from,
                "to": self.address("email"),
                "subject": self.email.subject,
                "text": self.email.text,
                "html": self.email.html,
            },
            "warnings": list(self.warnings),
        }


@command.command()
@click.argument("name")
@click.option("--person", required=True, metavar="ID", help="The member's number, as in the member file.")
@click.option("--ballot", metavar="NAME", help="Take title and dates from this ballot; without it, from an example.")
@click.option(
    "--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the HTML part to a file."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def preview(name: str, person: str, ballot: str | None, html_file: Path | None, as_json: bool) -> None:
    """Show exactly what one person would get: the text with its cost, and the email. Nothing is sent."""
    shown = run(_preview(name, person, ballot))
    if html_file is not None:
        if shown.email is None:
            raise NotFound(f"The template {name} has no email.md, so there is no HTML to write.")
        _write(html_file, shown.email.html)
    if as_json:
        click.echo(orjson.dumps(shown.to_json()))
        return
    _show_sms(shown)
    _show_email(shown)
    _tell(shown.warnings)
    if html_file is not None:
        click.echo(f"The HTML part is in {html_file}.")


def _write(path: Path, html: str) -> None:
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(path), hint=error.strerror) from error


async def _preview(name: str, external_id: str, ballot_name: str | None) -> Preview:
    load_template(load_settings().template_roots, name)
    async with open_session() as runtime, runtime.pool.acquire() as db:
        settings = runtime.settings
        template = load_template(settings.template_roots, name)
        template.check(await known_variables(db), sms_from=settings.sms_from)
        person = await find_person(db, external_id)
        constants = (await get_ballot(db, ballot_name)).constants(settings) if ballot_name else _example(settings)
        renderer = Renderer(template, constants, Branding.of(settings))
        variables = await person_variables(db, person.person_id) | {
            "confirm_link": f"{settings.public_url}/{_TOKEN}",
            "unsubscribe_link": f"{settings.public_url}/u/{_TOKEN}",
            "preferences_link": f"{settings.public_url}/p/{_TOKEN}",
        }
        return Preview(
            template,
            person,
            sms=renderer.sms(variables) if template.sms is not None else None,
            email=renderer.email(variables) if template.email is not None else None,
            email_from=settings.email_from,
            warnings=template.warnings(sms_from=settings.sms_from),
        )


def _example(settings: Settings) -> dict[str, Any]:
    """Constants where no ballot was named; it shows that they are an example."""
    return {
        "organisation": settings.organisation,
        "contact": settings.contact,
        "ballot": {field: f"[{field.replace('_', ' ')}]" for field in BALLOT_FIELDS},
    }


def _show_sms(shown: Preview) -> None:
    if shown.sms is None:
        return
    cost = shown.sms.segments
    segments = f"{cost.segments} segment{'s' if cost.segments > 1 else ''}"
    dear = beyond_gsm7(shown.sms.text)
    because = f" because of {' '.join(dear)}" if dear else ""
    click.secho(f"SMS to {shown.address('sms') or 'nobody: there is no number that may be used'}", bold=True)
    click.echo(f"{segments}: {cost.units} characters of {_ENCODINGS[cost.encoding]}{because}\n")
    click.echo(f"{shown.sms.text}\n")
    for one in shown.sms.replaced:
        put = f"“{one.put}”" if one.put else "nothing"
        click.echo(f"Replaced: {one.name} by {put}, {one.times} time{'s' if one.times > 1 else ''}")


def _show_email(shown: Preview) -> None:
    if shown.email is None:
        return
    click.secho(f"Email to {shown.address('email') or 'nobody: there is no address that may be used'}", bold=True)
    click.echo(f"From: {shown.email_from}\nSubject: {shown.email.subject}\n\n{shown.email.text}")


def _tell(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        click.secho(f"Warning: {warning}", fg="yellow")
