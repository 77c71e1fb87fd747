"""Members' pages: small, warm and plain. They work without scripts, on old phones, and ask nobody else for anything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import jinja2
from aiohttp import web
from markupsafe import Markup

from messaging.runtime import Runtime
from messaging.settings import ROOT, Settings
from webhooks.asked import Asked
from webhooks.wording import DEFAULT, languages, local_time, wording

FOLDER: Final = ROOT / "templates" / "pages"

Button = tuple[str, str, str]
"""Its value, the key of its words, and the class it is shown as."""


@dataclass(frozen=True, slots=True)
class View:
    """What one page says, as keys of the wording.

    Attributes:
        heading: the headline.
        lines: what stands below it.
        note: what has just been done, or is known.
        buttons: the answers, in order.
        others: more that can be asked for, shown smaller.
        undo: the key of the button that takes back what was said.
        greet: whether it greets the member by name.
        secret: whether it says that nobody asks how they voted.
        decoy: whether it sets out what only machines touch.
    """

    heading: str
    lines: Sequence[str] = ()
    note: str | None = None
    buttons: Sequence[Button] = ()
    others: Sequence[str] = ()
    undo: str | None = None
    greet: bool = False
    secret: bool = False
    decoy: bool = False


def respond(
    runtime: Runtime, asked: Asked, view: View, *, nonce: str, status: int = 200, honeypot: str | None = None
) -> web.Response:
    """Show a member a page.

    Args:
        runtime: for the settings.
        asked: the member, for their language and the ballot's facts.
        view: what it says.
        nonce: what the page's form carries.
        status: HTTP status.
        honeypot: where the link leads that people cannot see.
    """
    words = wording(asked.language)
    values = _facts(runtime.settings, asked, words)

    def say(key: str, **more: str) -> Markup:
        return Markup(words[key]).format(**(values | more))  # noqa: S704  # words are ours; what is filled in is escaped

    return _render(
        runtime.settings,
        words,
        status,
        say=say,
        organisation=values["organisation"],
        name=asked.first_name,
        heading=say(view.heading),
        note=say(view.note) if view.note else None,
        lines=[say(line) for line in view.lines],
        buttons=[(value, say(key), kind) for value, key, kind in view.buttons],
        others=[(key, say(key)) for key in view.others],
        undo=view.undo,
        nonce=nonce,
        greet=view.greet,
        secret=view.secret,
        decoy=view.decoy,
        honeypot=honeypot,
    )


def respond_to_nobody(settings: Settings, about: str, *, status: int, wait: int | None = None) -> web.Response:
    """A page for somebody we do not know, the same for everybody: a link that leads nowhere, or that has to wait.

    Args:
        settings: whose pages they are.
        about: the key of its heading; `{about}_why` is the line below.
        status: HTTP status.
        wait: seconds after which trying again makes sense.
    """
    words = wording("en")

    def say(key: str, **values: str) -> Markup:
        return Markup(words[key]).format(**values)  # noqa: S704  # as above

    response = _render(
        settings, words, status, say=say, organisation=settings.organisation, name="", heading=say(about), note=None,
        lines=[say(f"{about}_why")], buttons=[], others=[], undo=None, nonce="", greet=False, secret=False,
        decoy=False, honeypot=None,
    )  # fmt: skip
    if wait is not None:
        response.headers["Retry-After"] = str(wait)
    return response


def _facts(settings: Settings, asked: Asked, words: Mapping[str, Any]) -> dict[str, str]:
    times = {
        "opens": asked.opens_at,
        "closes": asked.closes_at,
        "last_posting": asked.last_posting_at,
        "replacement_by": asked.replacement_by,
    }
    told = {name: local_time(at, asked.time_zone, words) for name, at in times.items() if at is not None}
    return told | {
        "organisation": asked.organisation or settings.organisation,
        "title": asked.title,
        "name": asked.first_name,
        "address": asked.address,
    }


def _render(settings: Settings, words: Mapping[str, Any], status: int, **context: Any) -> web.Response:
    language = next((name for name in languages() if words is wording(name)), DEFAULT)
    text = (
        _environment()
        .get_template("member/page.html")
        .render(language=language, style=_style(), contact=settings.contact, **context)
    )
    return web.Response(text=text, status=status, content_type="text/html", headers=_headers())


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
    """Nothing from elsewhere, no script at all, no trace left elsewhere; the one style sheet is known by its digest."""
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
