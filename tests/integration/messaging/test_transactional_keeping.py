"""Messages to one person when a worker is killed, when they grow old, and when their person is erased."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from campaigns.retention import archive_due, delete_year_at_once, summarise_year
from core.db import Connection
from core.member_link_lifetime import ARCHIVE_DELAY
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from messaging.outbox.concealment import Contents
from messaging.outbox.history import find_history, list_messages, message_status
from messaging.outbox.receipts import Receipt, apply_receipts
from messaging.outbox.senders import use_sender
from messaging.outbox.transactional import MessageKind, NewMessage, send_to
from messaging.states import State
from muster import erasure
from muster.metrics import MESSAGES_BY_STATE
from muster.operator import operator
from sandbox import Sandbox, SandboxConfig, open_sandbox
from tests.support.electorate import add_person
from tests.support.known_person import MAILBOX, NUMBER, fill
from tests.support.outbox_rows import (
    MAIL_FROM,
    SMS_FROM,
    add_messages,
    add_step,
    message,
    open_dispatcher,
    reconcile_steadily,
    states,
    stop_hearts,
    with_sandbox,
)
from tests.support.traces import found_in
from tests.support.waiting import until
from webhooks.members.page_views import PageViews

OLD = datetime(2026, 3, 1, tzinfo=UTC)
NOW = OLD + timedelta(days=200)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(SandboxConfig()) as opened:
        yield opened


async def ask(
    db: Connection, address: str, *, text: str = "An answer", kind: MessageKind = MessageKind.STAFF_REPLY,
    person_id: int | None = None, at: datetime | None = None, reference: str | None = None,
) -> int:  # fmt: skip
    channel = "email" if "@" in address else "sms"
    sender_id = await use_sender(db, channel, MAIL_FROM if channel == "email" else SMS_FROM)
    contents = Contents(text, "An answer" if channel == "email" else "")
    asked = NewMessage(
        kind, "email" if channel == "email" else "sms", address, sender_id, contents, "olga", person_id,
        reference=reference,
    )  # fmt: skip
    return await send_to(db, asked, at=at or datetime.now(UTC))


async def test_a_killed_worker_loses_and_doubles_none_of_them(settings: Settings, sandbox: Sandbox) -> None:
    bulk, singles, connections = 600, 400, 4
    async with open_runtime(with_sandbox(settings, sandbox), pool_size=8) as runtime:
        await runtime.redis.flushdb()
        async with runtime.pool.acquire() as db, db.transaction():
            step = await add_step(db, secret=runtime.keyring.current)
            await add_messages(db, step, "email", [f"m{n}@x.test" for n in range(bulk)])
            for n in range(singles):
                await ask(db, f"s{n}@x.test", text=f"An answer, {n}")
        worker = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).parents[2] / "support" / "outbox_worker.py"),
            settings.database_url or "", settings.redis_url or "", sandbox.smtp_url, str(connections),
            cwd=Path(__file__).parents[3],
        )  # fmt: skip

        async def well_under_way() -> bool:
            return len(sandbox.mailbox) > 60

        await until(well_under_way)
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
        assert len(sandbox.mailbox) < singles, "it was killed among them: they go first"
        async with runtime.pool.acquire() as db:
            await stop_hearts(db)
        async with open_dispatcher(runtime) as dispatcher:
            reconciled = await reconcile_steadily(runtime, dispatcher.channels, settle=0)
            assert reconciled.ambiguous <= 2 * connections
            await dispatcher.run()
        received = Counter(recipient for mail in sandbox.mailbox for recipient in mail.recipients)
        assert set(received) == {f"m{n}@x.test" for n in range(bulk)} | {f"s{n}@x.test" for n in range(singles)}
        doubled = [address for address, times in received.items() if times > 1]
        assert len(doubled) <= reconciled.ambiguous
        for address in doubled:  # a second copy is known by its Message-ID
            assert len({mail.message_id for mail in sandbox.mailbox.to(address)}) == 1
        async with runtime.pool.acquire() as db:
            assert await states(db, step) == {"accepted": bulk}
            assert await db.fetchval("select count(*) from message where step_id is null and state = 'accepted'") == 400


async def test_a_message_that_cannot_be_composed_ends_alone_and_its_worker_goes_on(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with open_runtime(with_sandbox(settings, sandbox), pool_size=8) as runtime:
        await runtime.redis.flushdb()
        async with runtime.pool.acquire() as db:
            poisoned = [await ask(db, f"p{n}@x.test") for n in range(4)]
            broken: tuple[object, ...] = ({"text": 5, "subject": "", "html": ""}, ["no contents"], {}, None)
            for message_id, content in zip(poisoned, broken, strict=True):
                await db.execute("update transactional set content = $2 where message_id = $1", message_id, content)
            await ask(db, "o1@x.test", text="An answer")

        async def over() -> bool:
            async with runtime.pool.acquire() as db:
                return not await db.fetchval("select count(*) from message where state in ('queued', 'sending')")

        async with open_dispatcher(runtime) as worker:
            going = asyncio.create_task(worker.run(until_idle=False))
            await until(over)
            async with runtime.pool.acquire() as db:
                ended = [(await message(db, message_id))["state"] for message_id in poisoned]
                assert ended == ["failed", "failed", "failed", "suppressed"]
                assert (await message(db, poisoned[0]))["reason"] == "cannot_render"
                assert (await message(db, poisoned[3]))["reason"] == "erased"
                await ask(db, "o2@x.test", text="The same worker goes on")
            await until(over)
            assert not going.done()
            worker.stop()
            await going
        assert {recipient for mail in sandbox.mailbox for recipient in mail.recipients} == {"o1@x.test", "o2@x.test"}


async def test_an_erasure_reads_what_staff_answered_others(runtime: Runtime, db: Connection) -> None:
    person, _ = await fill(db)
    told = await ask(db, "+447700900999", text=f"We will ring Zed on 07700 900471, or write to {MAILBOX}.")
    theirs = await ask(db, "+447700900888", text="Dear turquoise,", person_id=person)
    await erasure.erase(runtime, await erasure.look_for(runtime, NUMBER), actor=operator("olga"))
    assert (await message_status(db, told)).says == "We will ring Zed on erased, or write to erased."
    assert (await message_status(db, theirs)).says is None


async def test_old_ones_are_archived_without_their_words_and_forgotten_with_their_year(db: Connection) -> None:
    old = await ask(db, "+447700900001", text="turquoise", at=OLD, reference="x")
    test = await ask(db, "+447700900001", kind=MessageKind.TEST, at=OLD)
    waits = await ask(db, "+447700900002", text="it waits", at=OLD)
    young = await ask(db, "+447700900003", text="it is young")
    for message_id in (old, test, young):
        await db.execute("update message set state = 'delivered', sent_at = $2 where message_id = $1", message_id, OLD)
    shown = await db.fetch(MESSAGES_BY_STATE)
    assert {row["state"]: row["n"] for row in shown} == {"delivered": 2, "queued": 1}, "tests count nowhere"
    assert await archive_due(db, NOW - ARCHIVE_DELAY, PageViews(), now=NOW)
    assert not await archive_due(db, NOW - ARCHIVE_DELAY, PageViews(), now=NOW)
    assert [row["message_id"] for row in await db.fetch("select message_id from message order by 1")] == [waits, young]
    told = await message_status(db, old)
    assert (told.state, told.kind, told.says, told.address) == ("delivered", "staff_reply", None, "+447700900001")
    assert [event.state for event in await find_history(db, old)] == ["queued"]
    assert [listed.message_id for listed in await list_messages(db)] == [old, test, waits, young]
    assert await found_in(db, ("turquoise",)) == set()
    assert {row["state"]: row["n"] for row in await db.fetch(MESSAGES_BY_STATE)} == {"delivered": 2, "queued": 1}
    late = Receipt(old, None, State.READ, "twilio", "read", datetime.now(UTC))
    (applied,) = await apply_receipts(db, [late])
    assert (applied.moved, applied.state) == (False, State.DELIVERED)
    held = await summarise_year(db, OLD.year)
    assert (held.campaigns, held.not_archived) == ({"transactional messages": 2}, 2)
    await delete_year_at_once(db, held, actor=operator("olga"))
    assert await db.fetchval("select array_agg(message_id order by message_id) from transactional") == [waits, young]


async def test_an_erasure_takes_them_too_also_those_to_the_bare_address(runtime: Runtime, db: Connection) -> None:
    await ask(db, MAILBOX, text="Dear turquoise,", at=OLD)  # before anybody was known to have it
    archived = await ask(db, MAILBOX, text="Dear turquoise,", at=OLD)
    await db.execute("update message set state = 'delivered' where message_id = $1", archived)
    await archive_due(db, NOW - ARCHIVE_DELAY, PageViews(), now=NOW)
    person, _ = await fill(db)
    theirs = await ask(db, "+447700900888", text="Dear Zebedee,", person_id=person, reference=NUMBER)
    stranger = await ask(db, "+447700900999", text="Dear stranger,")
    assert "transactional" in await found_in(db)
    done = await erasure.erase(runtime, await erasure.look_for(runtime, NUMBER), actor=operator("olga"))
    assert await found_in(db) == set()
    assert (done["messages"], done["archived_messages"], done["withdrawn"]) == (4, 2, 3)
    assert (await message(db, theirs))["reason"] == "erased"
    assert (await message_status(db, stranger)).says == "Dear stranger,"


async def test_whoever_is_known_by_an_address_alone_is_erased_with_their_messages(
    runtime: Runtime, db: Connection
) -> None:
    stranger = "+447700900777"
    await ask(db, stranger, text="turquoise")
    await add_person(db, "N1", sms="+447700900778")
    await erasure.erase(runtime, await erasure.look_for(runtime, stranger), actor=operator("olga"))
    assert await found_in(db, ("7700900777", "turquoise")) == set()
