"""Rows for what comes in: a ballot, people, messages sent to them, and their links."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html.parser import HTMLParser

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from core.db import Connection
from core.keyring import LinkAction, digest
from core.runtime import Runtime
from messaging.content.templates import Template
from muster.app import make_app
from tests.support.electorate import add_ballot, add_person, add_unit
from tests.support.rows import row_of

PHONE = "+447400123456"
NUMBER = "+447700900001"
MENU = {"1": "voted", "2": "not_voted", "3": "no_ballot_paper"}
BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/604.1"

LINK_ACTIONS: tuple[LinkAction, LinkAction] = ("confirm", "unsubscribe")

HEADLESS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36"
)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"
)
IMESSAGE = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 "
    "Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"
)
COUNTED = (
    "claim",
    "claim_status",
    "message",
    "message_event",
    "suppression",
    "suppression_event",
    "reply",
    "inbound_log",
    "goal_met",
)


NUDGE = Template(
    name="nudge",
    purpose="service",
    sms=(
        "Hi {{ first_name }}, have you posted your ballot paper? Reply 1 posted, 2 not yet, 3 none came."
        " Reply STOP to unsubscribe"
    ),
    subject="Have you posted your ballot paper?",
    email=(
        "Hello {{ first_name }},\n\nVoting papers for the pay ballot went out to members' homes. The vote closes on"
        " Monday.\n\nHave you posted yours?\n\n[Tell us here]({{ confirm_link }})\n\nThe page lets you say I have"
        " voted, not yet or no ballot paper has come. Once you have told us, we will not ask"
        " again.\n\nThank you,  \nThe Union"
    ),
    why="You get this email because The Union is asking its members about the pay ballot.",
)
"""Texts of its steps, by channel."""


@dataclass(frozen=True)
class Recipient:
    """A member and a message to them."""

    person_id: int
    message_id: int
    confirm: str
    unsubscribe: str

    @property
    def preferences(self) -> str:
        return f"/p{self.confirm}"


@dataclass
class Campaign:
    """A campaign with one step by both channels."""

    runtime: Runtime
    db: Connection
    ballot_id: int
    campaign_id: int
    step_id: int
    later_id: int
    sms_id: int
    email_id: int
    unit_id: int
    sent_at: datetime
    people: int = field(default=0)

    async def ask(
        self,
        *,
        sms: str | None = None,
        email: str | None = None,
        first_name: str = "Ann",
        language: str = "en",
        person_id: int | None = None,
        sent: bool = True,
    ) -> Recipient:
        """Send somebody a message; a message of a later step stays queued for them."""
        self.people += 1
        if person_id is None:
            person_id = await add_person(
                self.db, f"P{self.people}", unit=self.unit_id, sms=sms or (), email=email or (), first_name=first_name
            )
            await self.db.execute("update person set language = $2 where person_id = $1", person_id, language)
            await self.db.execute(
                "insert into elector (ballot_id, person_id, unit_id) values ($1, $2, $3)",
                self.ballot_id, person_id, self.unit_id,
            )  # fmt: skip
        channel, address, sender = ("sms", sms, self.sms_id) if sms else ("email", email, self.email_id)
        message_id = await self.db.fetchval(
            "insert into message (step_id, campaign_id, person_id, channel, address, sender_id, state, sent_at,"
            " wire_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $8) returning message_id",
            self.step_id, self.campaign_id, person_id, channel, address, sender, "sent" if sent else "sending",
            self.sent_at if sent else None,
        )  # fmt: skip
        await self.db.execute(
            "insert into message (step_id, campaign_id, person_id, channel, address, sender_id)"
            " values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
            self.later_id, self.campaign_id, person_id, channel, address, sender,
        )  # fmt: skip
        confirm, unsubscribe = await add_links(self.runtime, self.db, message_id, channel)
        return Recipient(person_id, message_id, f"/{confirm}", f"/u/{unsubscribe}")

    async def status(self, recipient: Recipient) -> str | None:
        kind: str | None = await self.db.fetchval(
            "select kind from claim_status where ballot_id = $1 and person_id = $2", self.ballot_id, recipient.person_id
        )
        return kind

    async def waiting(self, recipient: Recipient) -> tuple[str, str | None]:
        """State and reason of the message that was queued for them."""
        row = await row_of(
            self.db,
            "select state::text, reason from message where step_id = $1 and person_id = $2",
            self.later_id,
            recipient.person_id,
        )
        return row["state"], row["reason"]

    async def suppressed(self) -> set[tuple[str, str, str]]:
        rows = await self.db.fetch("select channel, address, reason from suppression")
        return {(row["channel"], row["address"], row["reason"]) for row in rows}


async def add_links(runtime: Runtime, db: Connection, message_id: int, channel: str) -> tuple[str, str]:
    """The tokens of a message's links, as sending makes them: those of texts have rows."""
    ring, (first, second) = runtime.keyring, LINK_ACTIONS
    if channel == "email":
        return ring.email_token(message_id, first), ring.email_token(message_id, second)
    tokens = ring.token(message_id, first), ring.token(message_id, second)
    for action, token in zip(LINK_ACTIONS, tokens, strict=True):
        await db.execute(
            "insert into link (digest, message_id, action) values ($1, $2, $3) on conflict do nothing",
            digest(token), message_id, action,
        )  # fmt: skip
    return tokens


async def make_campaign(
    runtime: Runtime,
    db: Connection,
    *,
    now: datetime,
    opens: timedelta = timedelta(days=-10),
    closes: timedelta = timedelta(days=10),
    posting: timedelta | None = None,
    title: str = "Pay 2026",
    menu: Mapping[str, str] = MENU,
) -> Campaign:
    ballot_id = await add_ballot(db, opens=now + opens, closes=now + closes)
    await db.execute(
        "update ballot set title = $2, last_posting_at = $3, replacement_by = $3 where ballot_id = $1",
        ballot_id, title, posting and now + posting,
    )  # fmt: skip
    goal_id = await db.fetchval("select goal_id from ballot where ballot_id = $1", ballot_id)
    campaign_id = await db.fetchval(
        "insert into campaign (name, title, subject_kind, subject_id, state, audience, spec, created_by)"
        " values ('pay', 'Pay', 'ballot', $1, 'running', '{}', '{}', 'test') returning campaign_id", ballot_id
    )  # fmt: skip
    senders = [
        await db.fetchval("insert into sender (channel, address) values ($1, $2) returning sender_id", channel, address)
        for channel, address in (("sms", NUMBER), ("email", "ballot@union.test"))
    ]
    step_ids: list[int] = []
    for position in (1, 2):
        step_id = await db.fetchval(
            "insert into step (campaign_id, position, template, content, purpose, channels, sms_sender_id,"
            " email_sender_id, goal_id, state, secret)"
            " values ($1, $2, 'nudge', $3, 'service', '{sms,email}', $4, $5, $6, 'running', $7) returning step_id",
            campaign_id, position, NUDGE.to_json() | {"menu": dict(menu)}, *senders, goal_id, runtime.keyring.current,
        )  # fmt: skip
        step_ids.append(step_id)
    unit_id = await add_unit(db, "Leeds")
    (step_id, later_id), (sms_id, email_id) = step_ids, senders
    return Campaign(
        runtime, db, ballot_id, campaign_id, step_id, later_id, sms_id, email_id, unit_id, now - timedelta(hours=1)
    )


@asynccontextmanager
async def serve(runtime: Runtime) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """A real server with the whole web application, and a client."""
    async with TestClient(TestServer(make_app(runtime)), headers={"Accept-Language": "en-GB,en;q=0.8"}) as client:
        yield client


class Forms(HTMLParser):
    """The buttons and hidden fields of a page, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.buttons: list[str] = []
        self.fields: dict[str, str] = {}
        self.links: list[str] = []
        self.choices: dict[str, str] = {}
        self.offered: dict[str, list[str]] = {}
        self.shown: list[str] = []
        self.words = ""
        self.language = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "html":
            self.language = said.get("lang") or ""
        if tag == "button":
            self.buttons.append(said.get("value") or "")
            if "hidden" not in said:
                self.shown.append(said.get("value") or "")
        elif tag == "input" and said.get("type") == "radio":
            name, value = said.get("name") or "", said.get("value") or ""
            self.offered.setdefault(name, []).append(value)
            if "checked" in said:
                self.choices[name] = self.fields[name] = value
        elif tag == "input":
            self.fields[said.get("name") or ""] = said.get("value") or ""
        elif tag == "a":
            self.links.append(said.get("href") or "")

    def handle_data(self, data: str) -> None:
        self.words += data


async def read(response: ClientResponse) -> Forms:
    return Forms(await response.text())


async def look(client: TestClient[web.Request, web.Application], path: str, agent: str = BROWSER) -> Forms:
    response = await client.get(path, headers={"User-Agent": agent})
    assert response.status == 200, response.status
    return await read(response)


async def press(
    client: TestClient[web.Request, web.Application], path: str, page: Forms, answer: str, agent: str = BROWSER
) -> Forms:
    response = await client.post(path, data={**page.fields, "answer": answer}, headers={"User-Agent": agent})
    assert response.status == 200, response.status
    return await read(response)


async def everything(db: Connection) -> dict[str, list[str]]:
    """Every row a person would care about."""
    return {
        table: [str(row[0]) for row in await db.fetch(f"select {table}::text from {table} order by 1")]
        for table in COUNTED
    }
