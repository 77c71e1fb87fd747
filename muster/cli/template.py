"""`muster template`: list, check and preview message templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from ballots.ballots import get_ballot
from ballots.past_dates import constants_at, past_dates
from ballots.template_fields import BALLOT, example_fields
from campaigns.languages import people_by_language
from campaigns.replies.classification import READINGS
from campaigns.variables import SUBJECTS, known_variables, person_variables
from core.errors import MusterError, NotFound
from core.plurals import plural
from core.settings import Settings
from messaging.content.languages import named, spoken
from messaging.content.render import Branding, RenderedEmail, RenderedSms, Renderer
from messaging.content.segments import beyond_gsm7
from messaging.content.templates import Channel, Template, list_templates, load_template
from messaging.settings import load_settings
from muster.cli.check import ENCODINGS
from muster.cli.noun import Noun
from muster.cli.options import json_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run
from people.people import Person, find_person

_TOKEN: Final = "0123456789abc"  # noqa: S105  # a link's token in a preview, as long as a real one


@click.group(cls=Noun)
def command() -> None:
    """List, check and preview the message templates.

    A template is a folder `messages/NAME/` with `sms.txt`, `email.md` or both, in the folder MUSTER_TEMPLATES or among
    those Muster brings; `sms.cy.txt` and `email.cy.md` say the same in Welsh. How to write one: docs/templates.md.
    """


@command.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """List the templates there are, with their channels and purpose."""
    roots = load_settings().template_roots
    rows = [_row(roots, name) for name in list_templates(roots)]
    if as_json:
        print_json(rows)
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


_language = click.option("--language", metavar="CODE", help="Only this language of the template, such as cy.")


@command.command()
@click.argument("name")
@_language
@json_option
def check(name: str, language: str | None, as_json: bool) -> None:
    """Check one template: its variables, its syntax, its menu, whether it can be answered, and in which languages.

    Exits with 1 and names file and line where something is wrong. Warnings do not make it fail.
    """
    template, settings, people = run(_check(name))
    wanted = None if language is None else _in_language(template, language)
    warnings = (
        *template.warnings(subjects=SUBJECTS, sms_from=settings.sms_from, meanings=READINGS, language=wanted),
        *(_without_their_language(template, people) if wanted is None else ()),
    )
    if as_json:
        print_json(
            {
                "name": name,
                "purpose": template.purpose,
                "channels": list(template.channels),
                "languages": {one: list(_channels(template, one)) for one in template.languages},
                "variables": sorted(template.variables),
                "menu": dict(template.version("sms", wanted or template.language).menu)
                if template.sms is not None
                else {},
                "warnings": list(warnings),
            }
        )
        return
    click.echo(f"{name}: {' and '.join(template.channels)}, {template.purpose}")
    if len(template.languages) > 1:
        told = (f"{named(one)}: {' and '.join(_channels(template, one))}" for one in template.languages)
        click.echo(f"Languages: {'; '.join(told)}")
    click.echo(f"Variables: {', '.join(sorted(template.variables)) or 'none'}")
    for said_in, one in template.versions("sms").items():
        if wanted in {None, said_in} and (one.menu != template.menu or one is template or wanted):
            for digit, meaning in one.menu.items():
                click.echo(f"Reply {digit}: {meaning}{'' if one is template else f' (in {named(said_in)})'}")
    _show(warnings)
    click.echo("It can be used; see the warnings." if warnings else "Nothing is wrong with it.")


def _channels(template: Template, language: str) -> Iterator[Channel]:
    """List the channels a template has in a language."""
    return (channel for channel in template.channels if language in template.versions(channel))


def _in_language(template: Template, language: str) -> str:
    """Return the template's language that a recipient who prefers this one gets.

    Raises:
        NotFound: it has none.
    """
    found = spoken(language, template.languages)
    if found is None:
        known = " and ".join(map(named, template.languages))
        raise NotFound(
            f"The template {template.name} is not in {named(language)}; it is in {known}.",
            remedy=f"Put {' and '.join(_file(channel, language) for channel in template.channels)} beside its files.",
        )
    return found


def _file(channel: Channel, language: str) -> str:
    return f"sms.{language}.txt" if channel == "sms" else f"email.{language}.md"


def _without_their_language(template: Template, people: Mapping[str, int]) -> Iterator[str]:
    """List the languages members have and the template lacks."""
    for language, n in people.items():
        if spoken(language, template.languages) is None:
            members = "one member has" if n == 1 else f"{n:,} members have"
            yield (
                f"{members[0].upper()}{members[1:]} the language {named(language)}, which the template is not in: "
                f"they get it in {named(template.language)}."
            )


async def _check(name: str) -> tuple[Template, Settings, Mapping[str, int]]:
    load_template(load_settings().template_roots, name)  # errors in the files are reported without a server
    async with open_session() as runtime, runtime.pool.acquire() as db:
        template = load_template(runtime.settings.template_roots, name)
        template.check(await known_variables(db), subjects=SUBJECTS, sms_from=runtime.settings.sms_from)
        return template, runtime.settings, await people_by_language(db)


@dataclass(frozen=True, slots=True)
class PreviewChoice:
    """Preview of one person's messages in one language."""

    language: str
    sms: RenderedSms | None
    email: RenderedEmail | None
    menu: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Preview:
    """Preview of one person's messages: in their own language first, then in the template's others."""

    template: Template
    person: Person
    said: Sequence[PreviewChoice]
    email_from: str
    warnings: tuple[str, ...]

    def address(self, channel: str) -> str | None:
        """Return the address it would go to: the first one that may be used."""
        return next(
            (one.address for one in self.person.addresses if one.channel == channel and one.suppressed is None), None
        )

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        own, *others = self.said
        return {
            "template": self.template.name,
            "purpose": self.template.purpose,
            "person": self.person.external_id,
            **self._json(own),
            "other_languages": [self._json(one) for one in others],
            "warnings": list(self.warnings),
        }

    def _json(self, said: PreviewChoice) -> dict[str, Any]:
        return {
            "language": said.language,
            "sms": said.sms
            and {
                "to": self.address("sms"),
                "text": said.sms.text,
                "encoding": said.sms.segments.encoding,
                "segments": said.sms.segments.segments,
                "units": said.sms.segments.units,
                "replaced": [
                    {"found": one.original, "put": one.put, "times": one.times, "name": one.name}
                    for one in said.sms.replaced
                ],
                "menu": dict(said.menu),
            },
            "email": said.email
            and {
                "from": self.email_from,
                "to": self.address("email"),
                "subject": said.email.subject,
                "text": said.email.text,
                "html": said.email.html,
            },
        }


@command.command()
@click.argument("name")
@click.option("--person", required=True, metavar="ID", help="The member's number, as in the member file.")
@click.option("--ballot", metavar="NAME", help="Take title and dates from this ballot; without it, from an example.")
@_language
@click.option(
    "--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the HTML part to a file."
)
@json_option
def preview(
    name: str, person: str, ballot: str | None, language: str | None, html_file: Path | None, as_json: bool
) -> None:
    """Show exactly what one person would get: the text with its cost, and the email. Nothing is sent.

    What they get is in their own language where the template has it; the template's other languages follow.
    """
    shown = run(_preview(name, person, ballot, language))
    if html_file is not None:
        if shown.said[0].email is None:
            raise NotFound(f"The template {name} has no email.md, so there is no HTML to write.")
        _write(html_file, shown.said[0].email.html)
    if as_json:
        print_json(shown.to_json())
        return
    for said in shown.said:
        if said is not shown.said[0]:
            click.secho(f"\nThe same in {named(said.language)}", bold=True)
        _show_sms(shown, said)
        _show_email(shown, said)
    _show(shown.warnings)
    if html_file is not None:
        click.echo(f"The HTML part is in {html_file}.")


def _write(path: Path, html: str) -> None:
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(path), hint=error.strerror) from error


async def _preview(name: str, external_id: str, ballot_name: str | None, language: str | None) -> Preview:
    load_template(load_settings().template_roots, name)
    async with open_session() as runtime, runtime.pool.acquire() as db:
        settings = runtime.settings
        template = load_template(settings.template_roots, name)
        template.check(await known_variables(db), subjects=SUBJECTS, sms_from=settings.sms_from)
        person = await find_person(db, external_id)
        ballot = await get_ballot(db, ballot_name) if ballot_name else None
        constants = ballot.constants(settings, template.languages) if ballot else _example(settings)
        past: tuple[str, ...] = ()
        if ballot:
            constants = constants_at(constants, ballot.dates, now := runtime.clock())
            past = tuple(past_dates(template, constants, ballot.dates, now, template.channels))
        renderer = Renderer(template, constants, Branding.of(settings))
        variables = await person_variables(db, person.person_id) | {
            "confirm_link": f"{settings.public_url}/{_TOKEN}",
            "unsubscribe_link": f"{settings.public_url}/u/{_TOKEN}",
            "preferences_link": f"{settings.public_url}/p/{_TOKEN}",
        }
        if language is not None:
            shown: tuple[str, ...] = (_in_language(template, language),)
        else:
            own = spoken(variables["language"], template.languages) or template.language
            shown = (own, *(one for one in template.languages if one != own))
        return Preview(
            template,
            person,
            said=[_said(renderer, one, variables) for one in shown],
            email_from=settings.email_from,
            warnings=(
                *template.warnings(
                    subjects=SUBJECTS,
                    sms_from=settings.sms_from,
                    meanings=READINGS,
                    language=shown[0] if language is not None else None,
                ),
                *past,
            ),
        )


def _said(renderer: Renderer, language: str, variables: Mapping[str, str]) -> PreviewChoice:
    template, theirs = renderer.template, {**variables, "language": language}
    sms = renderer.sms(theirs) if template.sms is not None else None
    return PreviewChoice(
        language,
        sms,
        renderer.email(theirs) if template.email is not None else None,
        template.version("sms", language).menu if sms is not None else {},
    )


def _example(settings: Settings) -> dict[str, Any]:
    """Return example values of the constants, for a preview without a ballot."""
    return {
        "organisation": settings.organisation,
        "contact": settings.contact,
        BALLOT.name: example_fields(),
    }


def _show_sms(shown: Preview, said: PreviewChoice) -> None:
    if said.sms is None:
        return
    cost = said.sms.segments
    segments = plural(cost.segments, "segment")
    dear = beyond_gsm7(said.sms.text)
    because = f" because of {' '.join(dear)}" if dear else ""
    click.secho(f"SMS to {shown.address('sms') or 'nobody: there is no number that may be used'}", bold=True)
    click.echo(f"{segments}: {cost.units} characters of {ENCODINGS[cost.encoding]}{because}\n")
    click.echo(f"{said.sms.text}\n")
    for one in said.sms.replaced:
        put = f"“{one.put}”" if one.put else "nothing"
        click.echo(f"Replaced: {one.name} by {put}, {plural(one.times, 'time')}")


def _show_email(shown: Preview, said: PreviewChoice) -> None:
    if said.email is None:
        return
    click.secho(f"Email to {shown.address('email') or 'nobody: there is no address that may be used'}", bold=True)
    click.echo(f"From: {shown.email_from}\nSubject: {said.email.subject}\n\n{said.email.text}")


def _show(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        click.secho(f"Warning: {warning}", fg="yellow")
