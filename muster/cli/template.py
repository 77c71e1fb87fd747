"""`muster template`: list, check, preview and test message templates."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from campaigns.languages import people_by_language
from campaigns.replies.classification import GENERAL
from campaigns.subjects.kinds import KINDS, MEANINGS
from campaigns.subjects.subject import Subject
from campaigns.validation import check_template
from campaigns.variables import SUBJECTS, known_variables, person_variables
from core.access import Actor
from core.audit import AuditAction, record
from core.db import Connection
from core.errors import MusterError, NotFound
from core.keyring import example_token
from core.settings import Settings
from messaging.content.languages import closest_language, language_name
from messaging.content.render import Branding, Renderer
from messaging.content.template_files import list_templates, load_template
from messaging.content.templates import Template
from messaging.settings import load_settings
from messaging.states import ChannelName
from muster.cli.about import SubjectChoice, about_option
from muster.cli.noun import Noun
from muster.cli.options import actor_option, json_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run
from muster.cli.template_preview import Preview, PreviewChoice, send_test, show_email, show_sms
from people.people import find_person


@click.group(cls=Noun)
def command() -> None:
    """List, check, preview and test the message templates.

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
        state = row["error"] or f"{' and '.join(row['channels']):14} {row['purpose']}"
        click.echo(f"{row['name']:{width}}  {state}")


def _row(roots: tuple[Path, ...], name: str) -> dict[str, Any]:
    try:
        template = load_template(roots, name)
    except MusterError as error:
        return {"name": name, "purpose": None, "channels": [], "error": error.message}
    return {"name": name, "purpose": template.purpose, "channels": list(template.channels), "error": None}


_MEANINGS: Final = GENERAL | MEANINGS

_language = click.option("--language", metavar="CODE", help="Only this language of the template, such as cy.")


@command.command()
@click.argument("name")
@about_option
@_language
@json_option
def check(name: str, about: SubjectChoice | None, language: str | None, as_json: bool) -> None:
    """Check one template: its variables, its syntax, its menu, whether it can be answered, and in which languages.

    Exits with 1 and names file and line where something is wrong. Warnings do not make it fail.
    """
    template, settings, people, subject = run(_check(name, about))
    wanted = None if language is None else _in_language(template, language)
    warnings = (
        *template.warnings(
            subjects=SUBJECTS,
            sms_from=settings.sms_from,
            meanings=_understood(about, subject),
            language=wanted,
        ),
        *_warnings_of(template, about, subject),
        *(_without_their_language(template, people) if wanted is None else ()),
    )
    if as_json:
        print_json(
            {
                "name": name,
                "purpose": template.purpose,
                "channels": list(template.channels),
                "languages": {language: list(_channels(template, language)) for language in template.languages},
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
        lines = (
            f"{language_name(language)}: {' and '.join(_channels(template, language))}"
            for language in template.languages
        )
        click.echo(f"Languages: {'; '.join(lines)}")
    click.echo(f"Variables: {', '.join(sorted(template.variables)) or 'none'}")
    for said_in, version in template.versions("sms").items():
        if wanted in {None, said_in} and (version.menu != template.menu or version is template or wanted):
            for digit, meaning in version.menu.items():
                click.echo(
                    f"Reply {digit}: {meaning}{'' if version is template else f' (in {language_name(said_in)})'}"
                )
    _show(warnings)
    click.echo("It can be used; see the warnings." if warnings else "Nothing is wrong with it.")


def _understood(about: SubjectChoice | None, subject: Subject | None) -> Collection[str] | None:
    """Return the meanings that a menu may have; None if that depends on what a campaign asks."""
    if subject is not None:
        return GENERAL | subject.meanings
    return GENERAL | about.kind.common_meanings if about is not None and not about.kind.reads_answers else None


def _warnings_of(template: Template, about: SubjectChoice | None, subject: Subject | None) -> Iterator[str]:
    """List the warnings of its subject; if none is named, warn of a menu that only a question may understand."""
    if subject is not None:
        yield from subject.warnings(template)
        return
    unknown = [f"{digit} ({meaning})" for digit, meaning in template.menu.items() if meaning not in _MEANINGS]
    if unknown and (about is None or about.kind.reads_answers):
        yield (
            f"Whether anything understands the answer {', '.join(unknown)} depends on what a campaign asks: say which"
            " with --about question:NAME."
        )


def _channels(template: Template, language: str) -> Iterator[ChannelName]:
    """List the channels a template has in a language."""
    return (channel for channel in template.channels if language in template.versions(channel))


def _in_language(template: Template, language: str) -> str:
    """Return the template's language that a recipient who prefers this one gets.

    Raises:
        NotFound: it has none.
    """
    chosen = closest_language(language, template.languages)
    if chosen is None:
        known = " and ".join(map(language_name, template.languages))
        raise NotFound(
            f"The template {template.name} is not in {language_name(language)}; it is in {known}.",
            remedy=f"Put {' and '.join(_file(channel, language) for channel in template.channels)} beside its files.",
        )
    return chosen


def _file(channel: ChannelName, language: str) -> str:
    return f"sms.{language}.txt" if channel == "sms" else f"email.{language}.md"


def _without_their_language(template: Template, people: Mapping[str, int]) -> Iterator[str]:
    """List the languages people have and the template lacks."""
    for language, n in people.items():
        if closest_language(language, template.languages) is None:
            speakers = "one person has" if n == 1 else f"{n:,} people have"
            yield (
                f"{speakers[0].upper()}{speakers[1:]} the language {language_name(language)}, which the template is"
                f" not in: they get it in {language_name(template.language)}."
            )


async def _check(
    name: str, about: SubjectChoice | None
) -> tuple[Template, Settings, Mapping[str, int], Subject | None]:
    load_template(load_settings().template_roots, name)  # errors in the files are reported without a server
    async with open_session() as runtime, runtime.pool.acquire() as db:
        template, subject = await _checked(db, runtime.settings, name, about)
        return template, runtime.settings, await people_by_language(db), subject


async def _checked(
    db: Connection, settings: Settings, name: str, about: SubjectChoice | None
) -> tuple[Template, Subject | None]:
    """Load a template and check it for the subjects of its campaigns."""
    template, known = load_template(settings.template_roots, name), await known_variables(db)
    subject = await about.find(db) if about is not None else None
    kind = about.kind if about is not None else _only_kind(template)
    if kind is None:
        template.check(known, subjects=SUBJECTS, sms_from=settings.sms_from)
    else:
        check_template(template, kind, known, settings.sms_from, subject)
    return template, subject


def _only_kind(template: Template) -> type[Subject] | None:
    """Return the only kind of subject that a template can be used for, by its variables; None for any."""
    named = [kind for kind in KINDS.values() if kind.variable and kind.variable.name in template.variables]
    return named[0] if len(named) == 1 else None


@command.command()
@click.argument("name")
@click.option("--person", required=True, metavar="ID", help="Whose message it is: the person's number, as in the file.")
@about_option
@_language
@click.option(
    "--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the HTML part to a file."
)
@actor_option
@json_option
def preview(
    name: str,
    person: str,
    about: SubjectChoice | None,
    language: str | None,
    html_file: Path | None,
    actor: Actor,
    as_json: bool,
) -> None:
    """Show exactly what one person would get: the text with its cost, and the email. Nothing is sent.

    What they get is in their own language if the template has it; the template's other languages follow.
    """
    shown = run(_preview(name, person, about, language, actor))
    if html_file is not None:
        if shown.choices[0].email is None:
            raise NotFound(f"The template {name} has no email.md, so there is no HTML to write.")
        _write(html_file, shown.choices[0].email.html)
    if as_json:
        print_json(shown.to_json())
        return
    for choice in shown.choices:
        if choice is not shown.choices[0]:
            click.secho(f"\nThe same in {language_name(choice.language)}", bold=True)
        show_sms(shown, choice)
        show_email(shown, choice)
    _show(shown.warnings)
    if html_file is not None:
        click.echo(f"The HTML part is in {html_file}.")


@command.command()
@click.argument("name")
@click.option("--person", required=True, metavar="ID", help="Whose message it is: the person's number, as in the file.")
@click.option("--to", "address", required=True, metavar="ADDRESS", help="Where it goes: your own mailbox or mobile.")
@about_option
@_language
@actor_option
def test(name: str, person: str, address: str, about: SubjectChoice | None, language: str | None, actor: Actor) -> None:
    """Send what one person would get to ADDRESS, as a test: it counts nowhere, and its links only say that."""
    shown = run(_preview(name, person, about, language, actor))
    message_id = run(send_test(shown, address, actor))
    click.echo(f"The test goes out as message {message_id}. See: muster messages why '#{message_id}'")


def _write(path: Path, html: str) -> None:
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(path), hint=error.strerror) from error


async def _preview(
    name: str, external_id: str, about: SubjectChoice | None, language: str | None, actor: Actor
) -> Preview:
    load_template(load_settings().template_roots, name)
    async with open_session() as runtime, runtime.pool.acquire() as db:
        settings = runtime.settings
        template, subject = await _checked(db, settings, name, about)
        person = await find_person(db, external_id)
        await record(db, actor, AuditAction.PERSON_SEEN, f"person {person.person_id}", {"template": name})
        constants = subject.constants(settings, template.languages) if subject else _example(settings)
        past: tuple[str, ...] = ()
        if subject:
            constants = subject.constants_at(constants, now := runtime.clock())
            past = tuple(subject.past_dates(template, constants, now, template.channels))
        renderer = Renderer(template, constants, Branding.of(settings))
        variables = await person_variables(db, person.person_id) | {
            "confirm_link": f"{settings.public_url}/{example_token()}",
            "unsubscribe_link": f"{settings.public_url}/u/{example_token()}",
            "preferences_link": f"{settings.public_url}/p/{example_token()}",
        }
        if language is not None:
            shown: tuple[str, ...] = (_in_language(template, language),)
        else:
            own = closest_language(variables["language"], template.languages) or template.language
            shown = (own, *(language for language in template.languages if language != own))
        return Preview(
            template,
            person,
            choices=[_choice(renderer, choice, variables) for choice in shown],
            email_from=settings.email_from,
            warnings=(
                *template.warnings(
                    subjects=SUBJECTS,
                    sms_from=settings.sms_from,
                    meanings=_understood(about, subject),
                    language=shown[0] if language is not None else None,
                ),
                *_warnings_of(template, about, subject),
                *past,
            ),
        )


def _choice(renderer: Renderer, language: str, variables: Mapping[str, str]) -> PreviewChoice:
    template, theirs = renderer.template, {**variables, "language": language}
    sms = renderer.sms(theirs) if template.sms is not None else None
    return PreviewChoice(
        language,
        sms,
        renderer.email(theirs) if template.email is not None else None,
        template.version("sms", language).menu if sms is not None else {},
    )


def _example(settings: Settings) -> dict[str, Any]:
    """Return example values of the constants, for a preview without a subject."""
    return {
        "organisation": settings.organisation,
        "contact": settings.contact,
        **{kind.variable.name: kind.example() for kind in KINDS.values() if kind.variable},
    }


def _show(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        click.secho(f"Warning: {warning}", fg="yellow")
