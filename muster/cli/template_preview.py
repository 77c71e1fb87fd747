"""Preview of a template: what one person would get, in words and as a test message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

import click

from core.access import Actor
from core.errors import Conflict, NotFound
from core.plurals import plural
from core.typed_address import read_address
from messaging.content.render import RenderedEmail, RenderedSms
from messaging.content.segments import beyond_gsm7
from messaging.content.templates import Template
from messaging.outbox.concealment import Contents
from messaging.outbox.senders import use_sender
from messaging.outbox.transactional import MessageKind, NewMessage, queue_test
from messaging.reasons import sentence
from messaging.suppression import full_stop
from muster.cli.check import ENCODINGS
from muster.cli.session import open_session
from muster.run import SANDBOX_SMS_FROM
from people.people import Person


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
    choices: Sequence[PreviewChoice]
    email_from: str
    warnings: tuple[str, ...]

    def address(self, channel: str) -> str | None:
        """Return the address it would go to: the first one that may be used."""
        return next(
            (
                contact.address
                for contact in self.person.addresses
                if contact.channel == channel and contact.suppressed is None
            ),
            None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the preview as JSON values."""
        own, *others = self.choices
        return {
            "template": self.template.name,
            "purpose": self.template.purpose,
            "person": self.person.external_id,
            **self._json(own),
            "other_languages": [self._json(choice) for choice in others],
            "warnings": list(self.warnings),
        }

    def _json(self, choice: PreviewChoice) -> dict[str, Any]:
        return {
            "language": choice.language,
            "sms": choice.sms
            and {
                "to": self.address("sms"),
                "text": choice.sms.text,
                "encoding": choice.sms.segments.encoding,
                "segments": choice.sms.segments.segments,
                "units": choice.sms.segments.units,
                "replaced": [
                    {
                        "found": replacement.original,
                        "put": replacement.put,
                        "times": replacement.times,
                        "name": replacement.name,
                    }
                    for replacement in choice.sms.replaced
                ],
                "menu": dict(choice.menu),
            },
            "email": choice.email
            and {
                "from": self.email_from,
                "to": self.address("email"),
                "subject": choice.email.subject,
                "text": choice.email.text,
                "html": choice.email.html,
            },
        }


def show_sms(shown: Preview, choice: PreviewChoice) -> None:
    """Print the text in one language, with what it costs."""
    if choice.sms is None:
        return
    cost = choice.sms.segments
    segments = plural(cost.segments, "segment")
    non_gsm_characters = beyond_gsm7(choice.sms.text)
    because = f" because of {' '.join(non_gsm_characters)}" if non_gsm_characters else ""
    click.secho(f"SMS to {shown.address('sms') or 'nobody: there is no number that may be used'}", bold=True)
    click.echo(f"{segments}: {cost.units} characters of {ENCODINGS[cost.encoding]}{because}\n")
    click.echo(f"{choice.sms.text}\n")
    for replacement in choice.sms.replaced:
        put = f"“{replacement.put}”" if replacement.put else "nothing"
        click.echo(f"Replaced: {replacement.name} by {put}, {plural(replacement.times, 'time')}")


def show_email(shown: Preview, choice: PreviewChoice) -> None:
    """Print the email in one language."""
    if choice.email is None:
        return
    click.secho(f"Email to {shown.address('email') or 'nobody: there is no address that may be used'}", bold=True)
    click.echo(f"From: {shown.email_from}\nSubject: {choice.email.subject}\n\n{choice.email.text}")


async def send_test(shown: Preview, address: str, actor: Actor) -> int:
    """Send a preview to an address, as a test.

    Args:
        shown: the preview; what it says first is sent.
        address: a mailbox or a mobile number, as typed.
        actor: who asks for it, for the audit.

    Returns:
        The id of the message.

    Raises:
        NotFound: the template has no form for that kind of address.
        Conflict: messages to that address are stopped.
    """
    async with open_session() as runtime:
        settings = runtime.settings
        channel, place = read_address(address, settings.sms_region)
        rendered = shown.choices[0].email if channel == "email" else shown.choices[0].sms
        if rendered is None:
            form = "email.md" if channel == "email" else "sms.txt"
            raise NotFound(f"The template {shown.template.name} has no {form}.")
        display, mailbox = parseaddr(settings.email_from)
        sender = (mailbox, display) if channel == "email" else (settings.sms_from or SANDBOX_SMS_FROM, "")
        contents = (
            Contents(rendered.text, rendered.subject, rendered.html)
            if isinstance(rendered, RenderedEmail)
            else Contents(rendered.text)
        )
        async with runtime.pool.acquire() as db, db.transaction():
            if (stop := await full_stop(db, channel=channel, address=place)) is not None:
                raise Conflict(
                    f"Nothing is sent to {place}, not even a test. {sentence(stop.reason)}",
                    remedy="Send it to another mailbox or mobile. If that one is yours and should get messages again, "
                    "opt in from it, such as with the word START.",
                )
            sender_id = await use_sender(db, channel, sender[0], name=sender[1])
            message = NewMessage(MessageKind.TEST, channel, place, sender_id, contents, actor.name)
            message_id = await queue_test(db, message, shown.template.name, actor=actor, at=runtime.clock())
        await runtime.wake("deliver")
        return message_id
