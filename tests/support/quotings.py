"""Replies beside what they answer: our messages, the ways programs quote them, and the places a member writes in."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from campaigns.replies.classification import classify_reply
from messaging.content.render import Branding, RenderedEmail, Renderer
from messaging.content.sent import render_again
from messaging.content.template_files import load_template
from messaging.content.templates import Template
from messaging.content.vocabulary import LINKS
from tests.support.reply_cases import Case, cases
from webhooks.email.inbound_mail.markup import read_html
from webhooks.email.inbound_mail.own_words import own_words

TEMPLATES = Path(__file__).parents[2] / "templates"
GIVEN: Mapping[str, Any] = {
    "first_name": "Amy",
    "organisation": "The Union",
    "ballot": {
        "title": "National pay ballot 2026",
        "closes": "Monday 7 December, 12:00",
        "last_posting": "Friday 4 December",
        "replacement_by": "Friday 27 November, 17:00",
    },
    "contact": "ballot@union.example.org",
}
CONSTANTS = json.dumps({name: text for name, text in GIVEN.items() if name != "first_name"})
MENU = {"1": "voted", "2": "not_voted", "3": "no_ballot_paper"}
WROTE = "On Mon, 23 Nov 2026 at 10:00, The Union <ballot@union.example.org> wrote:"
OUTLOOK = (
    "________________________________\nFrom: The Union <ballot@union.example.org>\nSent: 23 November 2026 10:00\n"
    "To: amy@member.example.org\nSubject: Amy, have you posted your ballot paper?\n"
)
POINTER = "See my answer below"
PRESSED = (
    "Have you voted yet?\nDear Amy,\n\nThe ballot on pay is open until Friday, and every vote counts this time.\n\n"
    "Tell us with one press:\n\nI have voted: https://link.invalid/\nNot yet: https://link.invalid/\n"
    "I have no ballot paper: https://link.invalid/\n\nIn solidarity,\nYour Union"
)
"""An email with buttons, as text."""
OWN = [
    "Not yet voted", "not yet posted", "Not yet done", "not yet sent", "Not yet returned", "2 not yet posted it",
    "I've not yet voted", "We never voted", "have you voted", "Posted it this morning", "I have no ballot paper",
    "No ballot paper", "My ballot paper never came", "Opt out", "please opt out", "none came yet", "2 not yet", "1",
    "3", "No ballot paper has come to me", "I have voted", "Stop these emails please", "Yes", "No", "posted",
    "Not posted it yet", "Have you posted yours? I have", "I will not vote", "I have not voted yet",
    "Thank you, not yet", "3 none came",
]  # fmt: skip
"""Answers in words that our messages have too."""


@dataclass(frozen=True)
class Message:
    """A message of ours.

    Attributes:
        text: as it went out.
        forms: as it is known again when it is answered.
        html: of an email, as it went out.
    """

    text: str
    forms: tuple[str, ...]
    html: str = ""


@cache
def text_message(name: str) -> Message:
    """The text of a default template."""
    template = _said(name)
    return Message(
        _renderer(template).sms(_given()).text,
        render_again(json.dumps(template.to_json()), CONSTANTS, "sms", {"first_name": "Amy"}),
    )


@cache
def email(name: str) -> Message:
    """The email of a default template."""
    template = _said(name)
    mail: RenderedEmail = _renderer(template).email(_given())
    forms = render_again(json.dumps(template.to_json()), CONSTANTS, "email", {"first_name": "Amy"})
    return Message(mail.text.replace("\r", ""), forms, mail.html)


def _said(name: str) -> Template:
    return load_template((TEMPLATES,), name)


def _renderer(template: Template) -> Renderer:
    return Renderer(template, json.loads(CONSTANTS), Branding("The Union", GIVEN["contact"]))


def _given() -> dict[str, Any]:
    return dict(GIVEN) | {link: f"https://vote.example.org/{link[:3]}{'x' * 10}" for link in LINKS}


TEXT_NAMES = ("ballot-reminder", "ballot-last-days")
_TEXT_QUOTINGS = {
    "full": lambda text: text,
    "wrapped": lambda text: textwrap.fill(text, 40),
    "marked": lambda text: "> " + text.replace("\n", "\n> "),
    "smart": lambda text: f"“{text}”",
    "smart cut": lambda text: f"“{text[: text.index(', 2')]}…”",
    "sent": lambda text: f"You sent: {text}",
    "sent cut": lambda text: f"You sent: {text[: text.index(', 2')]}...",
    "cut": lambda text: text[: text.index(", 2")],
    "first": lambda text: text[: text.index(" Reply")],
    "last": lambda text: text[text.index("Or tap") :],
    "straight": lambda text: f'"{text}"',
}
_TEXT_PLACES = {
    "above": "{own}\n{quote}",
    "above, apart": "{own}\n\n{quote}",
    "below": "{quote}\n{own}",
    "below, apart": "{quote}\n\n{own}",
    "beside": "{quote} {own}",
}


def text_replies(own: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """One answer in all places beside all quotings of our texts: what it is, it, and the message it answers."""
    for name, (kind, quoting), (place, form) in product(TEXT_NAMES, _TEXT_QUOTINGS.items(), _TEXT_PLACES.items()):
        if place == "beside" and kind in {
            "cut",
            "marked",
        }:  # no one can tell where ours ends; what is marked is all a line
            continue
        sent = text_message(name)
        yield f"{name}, {kind}, {place}", form.format(own=own, quote=quoting(sent.text)), sent.forms


EMAIL_NAMES = ("ballot-reminder", "ballot-last-days")
FIRST = 7
LAST = 12


def _marked(lines: list[str]) -> str:
    return "\n".join(f"> {line}".rstrip() for line in lines)


def email_replies(own: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The same of our emails."""
    for name in EMAIL_NAMES:
        sent = email(name)
        lines = sent.text.strip().split("\n")
        shown = read_html(sent.html).text.split("\n")
        half = len(lines) // 2
        bodies = {
            "marked": (f"{WROTE}\n\n", _marked(lines)),
            "marked, first": (f"{WROTE}\n\n", _marked(lines[:FIRST])),
            "marked, last": ("", _marked(lines[-LAST:])),
            "marked, wrapped": (f"{WROTE}\n\n", _marked(textwrap.fill(sent.text, 60).split("\n"))),
            "first": ("", "\n".join(lines[:FIRST])),
            "last": ("", "\n".join(lines[-LAST:])),
            "full": ("", "\n".join(lines)),
            "shown": ("", "\n".join(shown)),
            "one line": ("", " ".join(" ".join(shown).split())),
        }
        for kind, (before, body) in bodies.items():
            yield f"{name}, {kind}, above", f"{own}\n\n{before}{body}", sent.forms
            yield f"{name}, {kind}, below", f"{before}{body}\n\n{own}", sent.forms
            yield f"{name}, {kind}, straight below", f"{before}{body}\n{own}", sent.forms
        yield f"{name}, outlook, above", f"{own}\n\n{OUTLOOK}\n{sent.text}", sent.forms
        yield f"{name}, outlook, below", f"{OUTLOOK}\n{sent.text}\n\n{own}", sent.forms
        yield f"{name}, outlook shown, above", f"{own}\n\n{OUTLOOK}\n" + "\n".join(shown), sent.forms
        inside = [*lines[:FIRST], "", own, "", *lines[FIRST:]]
        yield f"{name}, outlook, inside", f"{POINTER}\n\n{OUTLOOK}\n" + "\n".join(inside), sent.forms
        yield f"{name}, unmarked, between", "\n".join(inside), sent.forms
        marked = f"{WROTE}\n\n{_marked(lines[:half])}\n\n{own}\n\n{_marked(lines[half:])}"
        yield f"{name}, marked, between", marked, sent.forms


def all_cases() -> list[Case]:
    """Every labelled reply, and those in words that are ours too."""
    given = [case for name in ("replies.tsv", "replies_hard.tsv", "replies_standard.tsv") for case in cases(name)]
    return [*(Case(own, None, "") for own in OWN), *given]


@dataclass(frozen=True)
class Told:
    """How one answer is read in one place.

    Attributes:
        what: the place.
        text: all of it.
        alone: what the answer says by itself.
        read: what it is read as.
    """

    what: str
    text: str
    alone: str
    read: str

    @property
    def wrong(self) -> bool:
        """Tell whether something is done that the answer alone would not do."""
        return self.read != self.alone and self.read in {"voted", "opt_out"}


def told(case: Case, step: int = 1, first: int = 0, *, only: str | None = None) -> Iterator[Told]:
    """Read an answer in all places, or in each so many of them, beginning with one, or in a single one by its name."""
    menu = case.menu or MENU
    email_alone = classify_reply(own_words(case.text, {"amy"})).reading
    places = [(True, *place) for place in text_replies(case.text)]
    places += [(False, *place) for place in email_replies(case.text)]
    for is_text, place, text, sent in places[first % step :: step]:
        what = f"{'text' if is_text else 'email'}: {place}"
        if only not in {None, what}:
            continue
        if is_text:
            alone = classify_reply(case.text, menu, sent).reading
            yield Told(what, text, alone, classify_reply(text, menu, sent).reading)
        else:
            pointed = text.startswith(POINTER)
            alone = classify_reply(own_words(f"{POINTER}\n\n{case.text}", {"amy"})).reading if pointed else email_alone
            yield Told(what, text, alone, classify_reply(own_words(text, {"amy"}, sent)).reading)
