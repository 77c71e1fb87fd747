"""Rendering of the templates in `templates/pages/console/`, escaped, with the filters they use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import jinja2
from aiohttp import web
from markupsafe import Markup

from ballots import figures
from campaigns.replies.open_reasons import WHY_OPEN
from console import words
from console.assets import asset_url
from core.access import Actor
from core.http.web import RUNTIME
from core.plurals import plural, verb
from core.settings import TEMPLATES
from core.times_in_words import pause_in_words
from messaging.reasons import sentence
from messaging.states import STATE_NAMES
from staff.browsers import network_in_words
from staff.sessions import Staff

STAFF: Final = web.RequestKey("staff", Staff)
"""Person signed in: `request[STAFF]`, in every handler behind `console.guard.for_staff`."""

ACTOR: Final = web.RequestKey("actor", Actor)
"""The person signed in as the audit and row-level security know them, with their grants: `request[ACTOR]`."""

_WORTH_COMPRESSING: Final = 2_000


@cache
def environment() -> jinja2.Environment:
    """Make the template environment; a template is compiled when it is first used."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES / "pages" / "console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        asset=asset_url,
        groups=words.GROUPS,
        sentence=sentence,
        states=STATE_NAMES,
        why_open=WHY_OPEN,
        campaign_states=words.CAMPAIGN_STATES,
        channels=words.CHANNELS,
        in_words=words.code_in_words,
        plural=plural,
        verb=verb,
        ago=words.ago,
        network=network_in_words,
    )
    made.filters.update(
        number=figures.format_number,
        at_least=figures.at_least,
        percent=figures.percent,
        threshold=figures.threshold,
        estimate=figures.estimate,
        needed=figures.needed,
        over_report=figures.over_report,
        duration=words.duration,
        pause=pause_in_words,
    )
    return made


def render(template: str, *, zone: ZoneInfo, **context: Any) -> Markup:
    """Render one template.

    Args:
        template: its name, without `.html`.
        zone: the time zone in which times are shown.
        context: its variables; a missing one is an error.
    """
    return Markup(environment().get_template(f"{template}.html").render(when=_clock_face(zone), **context))  # noqa: S704


def render_page(request: web.Request, template: str, *, status: int = 200, **context: Any) -> web.Response:
    """Render a whole page as a response that no cache keeps."""
    runtime = request.app[RUNTIME]
    body = render(
        template,
        zone=ZoneInfo(runtime.settings.time_zone),
        organisation=runtime.settings.organisation_name,
        staff=request.get(STAFF),
        path=request.path,
        **context,
    )
    response = web.Response(text=body, content_type="text/html", status=status)
    response.headers["Cache-Control"] = "no-store"
    if len(body) > _WORTH_COMPRESSING:
        response.enable_compression()
    return response


def to(path: str) -> web.Response:
    """Send the browser on to another page, after a form (303)."""
    return web.Response(status=303, headers={"Location": path, "Cache-Control": "no-store"})


def _clock_face(zone: ZoneInfo) -> Callable[..., Markup]:
    """Make a function that renders a time as local time in a `<time>` element."""

    def when(moment: datetime, shape: str = "full") -> Markup:
        local = moment.astimezone(zone)
        text = {
            "full": f"{local:%a} {local.day} {local:%B}, {local:%H:%M}",
            "day": f"{local:%a} {local.day} {local:%b}",
            "date": f"{local:%a} {local.day} {local:%B %Y}",
            "time": f"{local:%H:%M}",
            "second": f"{local:%H:%M:%S}",
        }[shape]
        return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(timespec="seconds"), text)

    return when
