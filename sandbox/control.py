"""Pages and JSON API of the sandbox: list every mail and text, open one, answer as a member."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web
from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from sandbox.mailbox import Mail
from sandbox.record import Act
from sandbox.replies import OF_A_BALLOT
from sandbox.twilio.messages import Message
from sandbox.twilio.optouts import keyword
from sandbox.twilio.refusals import Refusal

if TYPE_CHECKING:
    # the sandbox serves these pages, so it imports this module
    from sandbox.sandbox import Sandbox

SANDBOX: Final[web.AppKey[Sandbox]] = web.AppKey("sandbox")

MAX_SHOWN_ROWS: Final = 50
"""Rows on a page."""
MAX_SHOWN: Final = 10_000
"""Rows that a program can ask for at once."""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-src 'self'; base-uri 'none'"
_MAIL_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups allow-popups-to-escape-sandbox"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    # our own forms need their Origin: `no-referrer` would make it "null"
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_URL: Final = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")


def control_routes() -> list[web.RouteDef]:
    """List the routes of the pages and the JSON API."""
    return [
        web.get("/", _overview),
        web.get("/mails/{number:[0-9]+}", _mail),
        web.get("/mails/{number:[0-9]+}/html", _mail_html),
        web.get(r"/phones/{phone:\+[0-9]+}", _phone),
        web.post(r"/phones/{phone:\+[0-9]+}", _reply_by_form),
        web.get("/sandbox/mails", _mails_json),
        web.get("/sandbox/mails/{number:[0-9]+}", _mail_json),
        web.get("/sandbox/messages", _messages_json),
        web.get("/sandbox/record", _record_json),
        web.get("/sandbox/summary", _summary_json),
        web.get("/sandbox/state", _state_json),
        web.post("/sandbox/reply", _reply_by_json),
    ]


_PHONE: Final = re.compile(r"[+\d][\d\s().\u00a0/-]*")
"""Telephone number, or a part of one, in any notation."""


def _linked(text: str) -> Markup:
    """Turn the URLs in a text into links."""
    parts, end = [], 0
    for url in _URL.finditer(text):
        link = escape(url[0])
        parts += [
            escape(text[end : url.start()]),
            Markup('<a href="{0}" target="_blank" rel="noreferrer">{0}</a>').format(link),
        ]
        end = url.end()
    return Markup("").join([*parts, escape(text[end:])])


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%H:%M:%S")


def _moment(at: float) -> str:
    there = datetime.fromtimestamp(at, UTC).astimezone()
    return f"{there:%A} {there.day} {there:%B}, {there:%H:%M:%S}"


@cache
def _pages() -> Environment:
    pages = Environment(loader=PackageLoader("sandbox", "pages"), autoescape=True, trim_blocks=True)
    pages.filters.update(linked=_linked, clock=_clock, moment=_moment)
    return pages


def _page(request: web.Request, name: str, **values: object) -> web.Response:
    return web.Response(text=_html(request, name, **values), content_type="text/html", headers=_HEADERS)


def _html(request: web.Request, name: str, **values: object) -> str:
    return _pages().get_template(name).render(started=request.app[SANDBOX].started, **values)


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


async def _overview(request: web.Request) -> web.Response:
    sandbox = request.app[SANDBOX]
    who = request.query.get("who", "").strip()
    now = time.time()
    return _page(
        request,
        "overview.html",
        who=who,
        mails=[(mail, _subject(mail)) for mail in _mails(sandbox, who, MAX_SHOWN_ROWS)],
        messages=[(message, message.stage(now)) for message in _messages(sandbox, who, MAX_SHOWN_ROWS)],
        mail_counts=sandbox.mailbox.counts(),
        message_counts=sandbox.twilio.messages.counts(now),
        people=sandbox.record.summary(),
        environment=sandbox.environment,
    )


def _mails(sandbox: Sandbox, who: str, limit: int) -> Iterable[Mail]:
    """List the newest mails to addresses that contain `who`."""
    wanted = who.lower()
    return islice(
        (
            mail
            for mail in sandbox.mailbox.newest()
            if any(wanted in recipient.lower() for recipient in mail.recipients)
        ),
        limit,
    )


def _messages(sandbox: Sandbox, who: str, limit: int) -> Iterable[Message]:
    """List the newest texts from or to numbers that contain `who`, in any notation."""
    wanted = _as_numbers_are(who)
    return islice(
        (message for message in sandbox.twilio.messages.newest() if wanted in message.to or wanted in message.sender),
        limit,
    )


def _as_numbers_are(who: str) -> str:
    """Convert `07400 123404` and `+44 (0)7400 123404` to international digits; leave anything else as it is."""
    if _PHONE.fullmatch(who) is None:
        return who
    digits = re.sub(r"\D", "", who.replace("(0)", ""))
    return digits.lstrip("0") or who


def _subject(mail: Mail) -> str:
    return str(mail.parse().get("Subject", "")) if mail.raw is not None else "(no longer kept)"


def _find_mail(request: web.Request) -> Mail:
    """Find the mail whose number is in the URL.

    Raises:
        web.HTTPNotFound: there is no such mail; the message gives likely reasons.
    """
    mail = request.app[SANDBOX].mailbox.get(int(request.match_info["number"]))
    if mail is None:
        raise web.HTTPNotFound(text=_html(request, "missing.html"), content_type="text/html", headers=_HEADERS)
    return mail


def _part(mail: Mail, kind: str) -> str:
    """Return the text of a mail's `plain` or `html` part; empty if it has none."""
    body = mail.parse().get_body(preferencelist=(kind,))
    return str(body.get_content()) if body is not None else ""


async def _mail(request: web.Request) -> web.Response:
    mail = _find_mail(request)
    return _page(
        request,
        "mail.html",
        mail=mail,
        subject=_subject(mail),
        headers=mail.parse(),
        text=_part(mail, "plain"),
        has_html=bool(_part(mail, "html")),
    )


async def _mail_html(request: web.Request) -> web.Response:
    """Serve the HTML part, confined: no script runs, and nothing from outside is loaded."""
    html = _part(_find_mail(request), "html").replace("<head>", '<head><base target="_blank">', 1)
    return web.Response(text=html, content_type="text/html", headers={"Content-Security-Policy": _MAIL_POLICY})


async def _phone(request: web.Request) -> web.Response:
    phone = request.match_info["phone"]
    sandbox, now = request.app[SANDBOX], time.time()
    conversation = sandbox.twilio.messages.about(phone)
    answerable = _latest_to(sandbox, phone) is not None
    return _page(
        request,
        "phone.html",
        phone=phone,
        conversation=[(message, message.stage(now)) for message in conversation],
        answerable=answerable,
        suggestions=[texts[0] for texts in OF_A_BALLOT.phrases.values()],
    )


def _latest_to(sandbox: Sandbox, phone: str) -> Message | None:
    """Find the newest text to a phone that can be answered."""
    for message in sandbox.twilio.messages.to(phone):
        if message.direction != "inbound" and message.sender.lstrip("+").isdecimal():
            return message
    return None


async def _reply(sandbox: Sandbox, phone: str, text: str) -> bool:
    """Answer a text as a member, by hand; it is recorded like any other answer.

    Raises:
        web.HTTPConflict: there is no text to answer.
    """
    message = _latest_to(sandbox, phone)
    if message is None:
        raise web.HTTPConflict(text="That phone has no text it could answer.")
    try:
        taken = await sandbox.twilio.receive(phone, message, text)
    except Refusal as refusal:
        raise web.HTTPConflict(text=refusal.message) from refusal
    word = keyword(text)
    sandbox.record.note(
        Act(
            phone,
            "sms",
            message.sid,
            "",
            "opted_out" if word == "STOP" else "replied",
            "sms_reply",
            answer={"STOP": "stop", "START": "opt_in"}.get(word or "", "by_hand"),
            text=text,
            succeeded=taken,
        )
    )
    return taken


async def _reply_by_form(request: web.Request) -> web.Response:
    phone = request.match_info["phone"]
    # the button STOP comes after the text field in the form, and takes precedence
    text = str((await request.post()).getall("text", [""])[-1]).strip()
    if text:
        await _reply(request.app[SANDBOX], phone, text)
    raise web.HTTPSeeOther(f"/phones/{phone}")


async def _reply_by_json(request: web.Request) -> web.Response:
    if request.content_type != "application/json":  # a page of another site cannot send that without a CORS preflight
        raise web.HTTPUnsupportedMediaType(text="Send JSON.")
    try:
        payload = orjson.loads(await request.read())
        phone, text = str(payload["phone"]), str(payload["text"])
    except (ValueError, KeyError, TypeError) as error:
        raise web.HTTPBadRequest(text='Send {"phone": "+44…", "text": "…"}.') from error
    return _json({"taken": await _reply(request.app[SANDBOX], phone, text)}, 201)


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", "100")
    return min(int(text), MAX_SHOWN) if text.isdecimal() else 100


async def _mails_json(request: web.Request) -> web.Response:
    mails = _mails(request.app[SANDBOX], request.query.get("to", ""), _limit(request))
    return _json([{**mail.to_json(), "subject": _subject(mail)} for mail in mails])


async def _mail_json(request: web.Request) -> web.Response:
    mail = _find_mail(request)
    headers = [[name, str(value)] for name, value in mail.parse().items()]
    return _json({**mail.to_json(), "headers": headers, "text": _part(mail, "plain"), "html": _part(mail, "html")})


async def _messages_json(request: web.Request) -> web.Response:
    sandbox, now = request.app[SANDBOX], time.time()
    who = re.sub(r"^ ", "+", request.query.get("who", ""))  # a + that was not percent-encoded
    messages = _messages(sandbox, who, _limit(request))
    return _json([message.to_json(sandbox.config.twilio.account_sid, now) for message in messages])


async def _record_json(request: web.Request) -> web.Response:
    record = request.app[SANDBOX].record
    return _json(
        {
            "summary": record.summary(),
            "final_answers": [asdict(answer) for answer in record.final_answers()],
            "acts": [asdict(act) for act in record.acts],
            "hits": [asdict(hit) for hit in record.hits],
        }
    )


async def _summary_json(request: web.Request) -> web.Response:
    return _json(request.app[SANDBOX].summary(time.time()))


async def _state_json(request: web.Request) -> web.Response:
    pending = request.app[SANDBOX].pending
    return _json({"idle": not any(pending.values()), "pending": pending})
