"""Messages to one person without a campaign: sent before all others, once, and kept from nobody but the suppressed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from core.alerts import open_alerts
from core.db import Connection
from core.errors import InputError, SettingsError
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from core.sign_in_links import MASK
from messaging.channels.channel import OutboundMessage, Retry, SendResult, Trace
from messaging.outbox.concealment import Contents
from messaging.outbox.dispatcher import Dispatcher
from messaging.outbox.history import find_history, list_messages, message_status
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.outbox.senders import use_sender
from messaging.outbox.transactional import MessageKind, NewMessage, confirm_opt_out, send_to
from messaging.reasons import Reason
from messaging.states import ChannelName, State
from messaging.suppression import lift, suppress
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.outbox_rows import (
    MAIL_FROM,
    SMS_FROM,
    add_messages,
    add_step,
    deliver,
    events,
    message,
    open_dispatcher,
    put_in_flight,
    reconcile_steadily,
    stop_hearts,
    with_sandbox,
)
from tests.support.waiting import until

ANN = "+447700900123"
LINK = "http://muster.test/console/sign-in/TOKEN-THAT-OPENS"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


@pytest.fixture
async def runtime(settings: Settings, sandbox: Sandbox) -> AsyncIterator[Runtime]:
    async with open_runtime(with_sandbox(settings, sandbox), pool_size=8) as opened:
        await opened.redis.flushdb()
        yield opened


async def new(
    db: Connection,
    text: str,
    *,
    kind: MessageKind = MessageKind.STAFF_REPLY,
    channel: ChannelName = "sms",
    address: str = "",
    **more: Any,
) -> NewMessage:
    sender_id = await use_sender(db, channel, SMS_FROM if channel == "sms" else MAIL_FROM, name="The Union")
    contents = more.pop("contents", Contents(text, "About your vote" if channel == "email" else ""))
    place = address or (ANN if channel == "sms" else "ann@x.test")
    return NewMessage(kind, channel, place, sender_id, contents, "olga", **more)


async def ask(db: Connection, text: str, *, keys: Any = (), **more: Any) -> int:
    return await send_to(db, await new(db, text, **more), at=datetime.now(UTC), keys=keys)


def texts(sandbox: Sandbox) -> list[str]:
    """Texts on the wire, oldest first."""
    return [text.body for text in sandbox.twilio.messages if text.direction == "outbound-api"]


async def test_two_messages_to_one_person_are_two(runtime: Runtime, sandbox: Sandbox) -> None:
    async with runtime.pool.acquire() as db:
        first = await ask(db, "Your code is 1111.", person_id=7)
        second = await ask(db, "Your code is 2222.", person_id=7)
    assert first != second
    assert (await deliver(runtime)).accepted == 2
    assert sorted(texts(sandbox)) == ["Your code is 1111.", "Your code is 2222."]
    async with runtime.pool.acquire() as db:
        row = await message(db, first)
        assert (row["state"], row["segments"], row["person_id"], row["step_id"]) == ("accepted", 1, 7, None)
        assert [state for state, _, _ in await events(db, first)] == ["queued", "sending", "accepted"]
        receipt = Receipt(first, row["provider_id"], State.DELIVERED, "twilio", "delivered", datetime.now(UTC))
        (applied,) = await apply_receipts(db, [receipt])
        assert applied.moved
        told = await message_status(db, first)
        assert (told.state, told.kind, told.says, told.campaign_id) == (
            "delivered", "staff_reply", "Your code is 1111.", None,
        )  # fmt: skip
        assert [listed.kind for listed in await list_messages(db)] == ["staff_reply", "staff_reply"]
        assert [event.state for event in await find_history(db, first)] == [
            "queued",
            "sending",
            "accepted",
            "delivered",
        ]


async def test_a_reference_is_one_message_however_often_and_at_once_it_is_asked_for(runtime: Runtime) -> None:
    async def once(n: int) -> int:
        async with runtime.pool.acquire() as db, db.transaction():
            return await ask(db, f"Try {n}", reference="booking 12")

    asked = await asyncio.gather(*(once(n) for n in range(5)))
    assert len(set(asked)) == 1
    async with runtime.pool.acquire() as db:
        assert await db.fetchval("select count(*) from message") == 1
        assert await db.fetchval("select count(*) from message_event") == 1
        assert await ask(db, "Another", reference="booking 13") not in asked
        assert await ask(db, "Of another kind", kind=MessageKind.TEST, reference="booking 12") not in asked


async def test_a_mail_is_no_newsletter_and_joins_its_thread(settings: Settings, sandbox: Sandbox) -> None:
    configured = with_sandbox(settings, sandbox, reply_domain="replies.union.test")
    async with open_runtime(configured, pool_size=5) as runtime:
        async with runtime.pool.acquire() as db:
            only = await ask(
                db, "Dear Ann,\n\n1 < 2 & £3.", channel="email",
                in_reply_to="<third@x.test>", thread=("<first@x.test>", "<second@x.test>"),
            )  # fmt: skip
        await deliver(runtime)
        (mail,) = sandbox.mailbox
        parsed = mail.parse()
        assert (parsed["From"], parsed["To"], parsed["Subject"]) == (
            f"The Union <{MAIL_FROM}>", "ann@x.test", "About your vote",
        )  # fmt: skip
        assert parsed["In-Reply-To"] == "<third@x.test>"
        assert parsed["References"].split() == ["<first@x.test>", "<second@x.test>", "<third@x.test>"]
        assert not {"List-Unsubscribe", "List-ID", "Feedback-ID", "Auto-Submitted"} & set(parsed.keys())
        assert runtime.keyring.verify_id(parsed["Reply-To"].partition("+")[2].partition("@")[0], "reply") == only
        for part in ("plain", "html"):
            body = parsed.get_body((part,))
            assert body is not None
            assert "Dear Ann" in body.get_content()
            assert ("1 < 2 & £3." if part == "plain" else "1 &lt; 2 &amp; &#163;3.") in body.get_content()


async def test_whoever_is_suppressed_gets_nothing_at_whatever_moment(runtime: Runtime, sandbox: Sandbox) -> None:
    async with runtime.pool.acquire() as db:
        before = await ask(db, "They had opted out before.", address="+447700900001")
        await suppress(db, channel="sms", address="+447700900001", reason="opted_out", source="staff")
        person = await ask(db, "They left.", address="+447700900002", person_id=9)
        await suppress(db, channel="person", address="9", reason="left", source="staff")
        after = await ask(db, "They have opted out since.", address="+447700900001")
        late = await ask(db, "Too late.", send_before=datetime.now(UTC) - timedelta(seconds=1))
        marketing = await ask(db, "Buy!", purpose="marketing", person_id=10)
        assert [(await message(db, message_id))["reason"] for message_id in (before, person)] == ["opted_out", "left"]
    delivered = await deliver(runtime)
    assert (delivered.accepted, delivered.withdrawn) == (0, 3)
    assert texts(sandbox) == []
    async with runtime.pool.acquire() as db:
        assert [(await message(db, message_id))["state"] for message_id in (after, late, marketing)] == [
            "suppressed", "expired", "suppressed",
        ]  # fmt: skip


async def test_an_opt_out_is_confirmed_once_and_only_as_long_as_nothing_else_stops_it(
    runtime: Runtime, sandbox: Sandbox
) -> None:
    now = datetime.now(UTC)
    async with runtime.pool.acquire() as db:
        words = await new(db, "You will get no more texts.", kind=MessageKind.OPT_OUT_CONFIRMED)
        assert await confirm_opt_out(db, words, at=now) is None, "nobody opted out"
        await suppress(db, channel="sms", address=ANN, reason="opted_out", source="sms_reply")
        first = await confirm_opt_out(db, words, at=now)
        assert await confirm_opt_out(db, words, at=now) == first
        with pytest.raises(ValueError, match="once"):
            await send_to(db, words, at=now)
        other = await ask(db, "Anything else")
    assert (await deliver(runtime)).accepted == 1
    assert texts(sandbox) == ["You will get no more texts."]
    async with runtime.pool.acquire() as db:
        assert (await message(db, other))["state"] == "suppressed"
        await lift(db, channel="sms", address=ANN, reason="opted_in", source="sms_reply")
        await suppress(db, channel="sms", address=ANN, reason="opted_out", source="sms_reply")
        again = await confirm_opt_out(db, words, at=now)
        assert again != first, "another opt-out"
        await lift(db, channel="sms", address=ANN, reason="opted_in", source="sms_reply")
        await suppress(db, channel="sms", address=ANN, reason="wrong_number", source="staff")
        assert again is not None
    await deliver(runtime)
    assert len(texts(sandbox)) == 1, "the number is somebody else's"


async def test_what_opens_something_is_nowhere_in_clear_and_gone_once_accepted(
    runtime: Runtime, sandbox: Sandbox
) -> None:
    keys = runtime.settings.secret_key
    contents = Contents(f"Sign in: {LINK}", "Sign in", f'<a href="{LINK}">Sign in</a>', (LINK,))
    async with runtime.pool.acquire() as db:
        await suppress(db, channel="email", address="ann@x.test", reason="opted_out", source="link")
        with pytest.raises(SettingsError):
            await ask(db, "", kind=MessageKind.SIGN_IN, channel="email", contents=contents)
        with pytest.raises(InputError):
            await ask(db, "", kind=MessageKind.SIGN_IN, keys=keys, contents=Contents("No link", secrets=(LINK,)))
        only = await ask(db, "", kind=MessageKind.SIGN_IN, channel="email", contents=contents, keys=keys)
        assert "TOKEN" not in await everything(db)
        assert await db.fetchval("select concealed is not null from transactional")
        assert MASK in ((await message_status(db, only)).says or "")
    await deliver(runtime)
    (mail,) = sandbox.mailbox
    parsed = mail.parse()
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["Reply-To"] is None
    for part in ("plain", "html"):
        body = parsed.get_body((part,))
        assert body is not None
        assert LINK in body.get_content()
    async with runtime.pool.acquire() as db:
        assert (await message(db, only))["state"] == "accepted"
        assert await db.fetchval("select concealed is null and has_secrets from transactional")
        receipt = Receipt(only, None, State.BOUNCED, "bounce", "5.1.1", datetime.now(UTC))
        (applied,) = await apply_receipts(db, [receipt])
        assert applied.state is State.BOUNCED


class Quoting:
    """A provider that puts every message off, and says why in words with its link."""

    name: Final = "email"
    provider = "quoting"
    connections = 1

    def __init__(self, quoted: str) -> None:
        self.quoted = quoted

    async def send(self, outbound: OutboundMessage) -> SendResult:
        return Retry(Reason.BUSY, "421", f"421 4.7.0 Too much mail with {self.quoted}"[:90], slow=True, after=30.0)

    async def trace(self, outbound: OutboundMessage, since: object) -> list[Trace] | None:
        return None

    async def close(self) -> None:
        return None


@pytest.mark.parametrize(
    "quoted",
    ["the URL {link}", "{token}", "hxxp://{token}", "URL {upper}", "{head}\r\n {tail}", "the long URL <{link}>"],
)
async def test_a_provider_that_quotes_a_link_shows_it_to_nobody(runtime: Runtime, db: Connection, quoted: str) -> None:
    token = "LYZl8q-Wv3kTn_0RgZbE7xPdJ5mCfHs2uQaYi9oK1Mw"
    link = f"http://muster.test/console/sign-in/{token}"
    said = quoted.format(link=link, token=token, upper=token.upper(), head=token[:20], tail=token[20:])
    contents = Contents(f"Sign in: {link}", "Sign in", secrets=(link,))
    only = await ask(
        db, "", kind=MessageKind.SIGN_IN, channel="email", contents=contents, keys=runtime.settings.secret_key
    )
    dispatcher = Dispatcher(runtime, {"email": Quoting(said)})
    going = asyncio.create_task(dispatcher.run(until_idle=False))

    async def alerted() -> bool:
        return bool(await open_alerts(db))

    await until(alerted)
    dispatcher.stop()
    await going
    (alert,) = await open_alerts(db)
    assert MASK in alert.title
    told = [event.words for event in await find_history(db, only)]
    assert any(MASK in words for words in told)
    kept = f"{alert.title} {told} {await everything(db)}".lower()
    assert not [token[at : at + 16] for at in range(28) if token[at : at + 16].lower() in kept]


async def test_what_a_message_opens_is_wiped_however_it_ends(runtime: Runtime) -> None:
    contents, keys = Contents("Your code is 493817.", secrets=("493817",)), runtime.settings.secret_key
    async with runtime.pool.acquire() as db:
        over = datetime.now(UTC) - timedelta(seconds=1)
        late = await ask(db, "", contents=contents, keys=keys, send_before=over)
        stopped = await ask(db, "", contents=contents, keys=keys, address="+447700900555")
        waits = await ask(db, "", contents=contents, keys=keys)
        await suppress(db, channel="sms", address="+447700900555", reason="opted_out", source="staff")
    await reconcile_steadily(runtime)
    async with runtime.pool.acquire() as db:
        rows = await db.fetch(
            "select message_id, state::text, concealed is null from message join transactional using (message_id)"
            " order by message_id"
        )
    assert [tuple(row) for row in rows] == [
        (late, "expired", True), (stopped, "suppressed", True), (waits, "queued", False),
    ]  # fmt: skip


async def everything(db: Connection) -> str:
    """All that the database holds, as text."""
    tables = await db.fetch("select tablename from pg_tables where schemaname = 'public'")
    rows = [await db.fetch(f'select t::text as row from "{table[0]}" t') for table in tables]
    return "\n".join(row["row"] for found in rows for row in found)


async def test_a_retry_still_has_what_it_opens(runtime: Runtime, sandbox: Sandbox) -> None:
    contents = Contents("Your code is 493817.", secrets=("493817",))
    async with runtime.pool.acquire() as db:
        only = await ask(db, "", kind=MessageKind.SIGN_IN, contents=contents, keys=runtime.settings.secret_key)
        # a worker that had put it on the wire is gone; Twilio has no trace of it
        gone = await db.fetchval("insert into dispatcher (name, until) values ('w0', now()) returning dispatcher_id")
        await put_in_flight(db, only, wire_at=datetime.now(UTC))
        await db.execute("update in_flight set dispatcher_id = $1, provider = 'twilio'", gone)
        await stop_hearts(db)
    async with open_dispatcher(runtime) as dispatcher:
        reconciled = await reconcile_steadily(runtime, dispatcher.channels, settle=0)
        assert (reconciled.ambiguous, reconciled.again) == (1, 1)
        await dispatcher.run(until_idle=True)
    assert texts(sandbox) == ["Your code is 493817."]
    async with runtime.pool.acquire() as db:
        assert await db.fetchval("select concealed is null from transactional")


async def test_due_ones_go_before_everything_that_is_queued(runtime: Runtime, sandbox: Sandbox) -> None:
    total = 4000
    async with runtime.pool.acquire() as db:
        step = await add_step(db, secret=runtime.keyring.current, priority=32_000)
        await add_messages(db, step, "email", [f"m{n}@x.test" for n in range(total)])
    async with open_dispatcher(runtime) as dispatcher:
        running = asyncio.create_task(dispatcher.run(until_idle=False))
        places = []
        for n in range(10):

            async def under_way(least: int = 100 * (n + 1)) -> bool:
                return len(sandbox.mailbox) >= least

            await until(under_way)
            async with runtime.pool.acquire() as db:
                await ask(db, "Your code is 1111.", channel="email", address=f"code{n}@x.test")
            places.append(len(sandbox.mailbox))

            async def there(address: str = f"code{n}@x.test") -> bool:
                return any(address in mail.recipients for mail in sandbox.mailbox)

            await until(there)

        async def all_sent() -> bool:
            return len(sandbox.mailbox) == total + 10

        await until(all_sent, seconds=120)
        dispatcher.stop()
        await running
    order = [mail.recipients[0] for mail in sandbox.mailbox]
    assert len(order) == total + 10
    behind = [order.index(f"code{n}@x.test") - place for n, place in enumerate(places)]
    assert max(behind) < 1000, "it waited for what a worker had claimed of the step"
