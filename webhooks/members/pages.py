"""Members' pages: small and plain. They work without scripts and on old phones, and load nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import jinja2
from aiohttp import web
from markupsafe import Markup, escape

from campaigns.subjects.page import MemberPage
from core.http.web import RUNTIME
from core.keyring import find_token
from core.settings import TEMPLATES, Settings
from messaging.content.translations import day_and_time, day_words, languages, wording
from webhooks.members.page_languages import accepted, language, local_time
from webhooks.members.paths import way_back
from webhooks.members.recipient import Recipient

FOLDER: Final = TEMPLATES / "pages"

Say = Callable[..., Markup]
"""Returns a line of the page's words by its key, filled in with the given and the known values."""

_ABOUT: Final = {200: "tested", 404: "missing", 429: "waiting", 500: "broken", 503: "unavailable"}
"""Words for an error page by HTTP status; any other status is a bad request."""
_WAITS: Final = {429: 60, 503: 30}
"""Seconds to wait before trying again, by HTTP status."""


def respond(
    request: web.Request,
    recipient: Recipient,
    page: MemberPage,
    *,
    nonce: str,
    status: int = 200,
    honeypot: str | None = None,
) -> web.Response:
    """Show a member a page, in their language or the one they have switched to.

    Args:
        request: the request.
        recipient: the member, for their language and the subject's facts.
        page: the content.
        nonce: the nonce of the page's form.
        status: HTTP status.
        honeypot: where the hidden link leads; None for none.
    """
    say = speak(request, recipient)
    pressed = [say("pressed", button=say(page.pressed))] if page.pressed else []
    return show(
        request, recipient, say, "member/page.html", status,
        name=recipient.first_name,
        heading=say(page.heading),
        note=say(page.note) if page.note else None,
        details=_details(recipient, _spoken(request, recipient), say),
        lines=[*pressed, *(say(line) for line in page.lines)],
        choose=say(page.choose) if page.choose else None,
        buttons=[(button.value, say(button.words), button.style) for button in page.buttons],
        comment=say(page.comment) if page.comment else None,
        others=[(value, say(key)) for value, key in page.others],
        undos=[undo for undo in (page.undo_beside, page.undo) if undo],
        nonce=nonce,
        greet=page.greet,
        small_print=say(page.small_print) if page.small_print else None,
        decoy=page.has_decoys,
        honeypot=honeypot,
        preferences=None if recipient.erased or recipient.only_unsubscribes else _preferences(request),
    )  # fmt: skip


def speak(request: web.Request, recipient: Recipient) -> Say:
    """Return a function that gives lines in the member's language, filled in with their details."""
    spoken = _spoken(request, recipient)
    words, own = wording(spoken, recipient.subject.kind), recipient.subject.words(spoken)
    values = _facts(request.app[RUNTIME].settings, recipient, words, spoken)

    def say(key: str, **more: str) -> Markup:
        if key in own:  # written by staff, in a file
            return escape(own[key])
        return Markup(words[key]).format(**(values | more))  # noqa: S704  # our own words; values are escaped

    return say


def show(
    request: web.Request, recipient: Recipient, say: Say, template: str, status: int = 200, **context: Any
) -> web.Response:
    """Render a member's own page.

    Args:
        request: the request.
        recipient: the member.
        say: gives its lines, as `speak` returns it.
        template: under `templates/pages`.
        status: HTTP status.
        context: further values for the template.
    """
    settings = request.app[RUNTIME].settings
    return _render(
        settings, template, _spoken(request, recipient), status, say=say,
        organisation=recipient.subject.organisation or settings.organisation, **context,
    )  # fmt: skip


def _spoken(request: web.Request, recipient: Recipient) -> str:
    # the reader of a page of somebody who was erased shares their address, and speaks their browser's language
    own = None if recipient.erased else recipient.language
    return language(request.query.get("lang"), own, *accepted(request.headers.get("Accept-Language", "")))


def _details(recipient: Recipient, spoken: str, say: Say) -> list[tuple[Markup, str]]:
    """Return the time and place of the message's appointment, each with its label."""
    when = recipient.appointment_at or ""
    if (written := recipient.appointment) is not None:
        local = written.at.astimezone(recipient.zone)
        when = day_and_time(local, recipient.zone, spoken) if written.timed else day_words(local, spoken)
    given = (("when", when), ("where", recipient.place or ""))
    return [(say(key), value) for key, value in given if value]


def _preferences(request: web.Request) -> str:
    """Return the URL of the preferences page of the same link."""
    language = f"?lang={chosen}" if (chosen := request.query.get("lang", "")) in languages() else ""
    return f"{way_back(request)}p/{find_token(request.match_info['token'])}{language}"


def respond_to_unknown_link(request: web.Request, status: int) -> web.Response:
    """Render a page that is the same for everybody, such as for an unknown link or too many requests.

    Args:
        request: the request; its URL or else its browser determines the language.
        status: HTTP status, which determines what the page says.
    """
    settings, about = request.app[RUNTIME].settings, _ABOUT.get(status, "refused")
    spoken = language(request.query.get("lang"), *accepted(request.headers.get("Accept-Language", "")))
    words = wording(spoken)

    def say(key: str, **values: str) -> Markup:
        return Markup(words[key]).format(**values)  # noqa: S704  # as above

    response = _render(
        settings, "member/page.html", spoken, status, say=say, organisation=settings.organisation_name, name="",
        heading=say(about), note=None, details=[],
        lines=[say(f"{about}_why")], choose=None, buttons=[], comment=None, others=[],
        undos=[], nonce="", greet=False, small_print=None,
        decoy=False, honeypot=None, preferences=None,
    )  # fmt: skip
    if status in _WAITS:
        response.headers["Retry-After"] = str(_WAITS[status])
    return response


def respond_at_front(request: web.Request) -> web.Response:
    """Show the front page for visitors without a link: the organisation, and the ways in for members and for staff."""
    settings = request.app[RUNTIME].settings
    spoken = language(request.query.get("lang"), *accepted(request.headers.get("Accept-Language", "")))
    words = wording(spoken)
    return _render(
        settings, "member/front.html", spoken, 200, organisation=settings.organisation_name,
        say=lambda key, **values: Markup(words[key]).format(**values),  # noqa: S704  # as above
    )  # fmt: skip


def _facts(settings: Settings, recipient: Recipient, words: Mapping[str, Any], spoken: str) -> dict[str, str]:
    subject = recipient.subject
    times = subject.times()
    times_in_words = {name: local_time(at, subject.time_zone, words) for name, at in times.items() if at is not None}
    return times_in_words | {
        "organisation": subject.organisation or settings.organisation,
        "title": subject.title_in(spoken),
        "name": recipient.first_name,
        "address": recipient.address,
    }


def _render(settings: Settings, template: str, spoken: str, status: int, **context: Any) -> web.Response:
    text = (
        _environment()
        .get_template(template)
        .render(
            language=spoken, others_spoken=_others_spoken(spoken), style=_style(), contact=settings.contact, **context
        )
    )
    response = web.Response(text=text, status=status, content_type="text/html", headers=_headers())
    response.headers["Content-Language"] = spoken
    return response


@cache
def _others_spoken(spoken: str) -> list[tuple[str, str]]:
    """Return the other languages the page can be read in, each with its own name for itself."""
    return [(language, wording(language)["language_name"]) for language in languages() if language != spoken]


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> Markup:
    return Markup((FOLDER / "member" / "member.css").read_text(encoding="utf-8").strip())  # noqa: S704  # our own file


@cache
def _headers() -> Mapping[str, str]:
    """Return the security headers: nothing from elsewhere, no scripts, no referrer; the style sheet by its digest."""
    style = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{style}'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow, noarchive",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-store",
    }
