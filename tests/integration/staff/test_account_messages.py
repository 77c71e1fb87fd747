"""Messages about accounts: they are of their own kind, and reach staff who want nothing else from us."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage

from pydantic import SecretStr

from core.clock import system_clock
from core.runtime import Runtime, open_runtime
from core.settings import Settings
from messaging.suppression import suppress
from sandbox import Sandbox, SandboxConfig, open_sandbox
from staff.account_messages import queue_invitation, queue_reset_notice
from tests.support.outbox_rows import deliver, with_sandbox

LINK = "https://muster.union.test/console/first-sign-in/LYZl8q-Wv3kTn_0RgZbE7xPdJ5mCfHs2uQaYi9oK1Mw"
KEYS = (SecretStr("a quiet river of nine green otters at dawn"),)


async def test_invitations_and_news_of_accounts_reach_a_mailbox_that_opted_out(settings: Settings) -> None:
    async with (
        open_sandbox(SandboxConfig()) as sandbox,
        open_runtime(with_sandbox(settings, sandbox, secret_key=KEYS), pool_size=5) as runtime,
    ):
        mails = await sent(runtime, sandbox)
    check(mails)


async def sent(runtime: Runtime, sandbox: Sandbox) -> list[EmailMessage]:
    now, settings = system_clock(), runtime.settings
    async with runtime.pool.acquire() as db:
        await suppress(db, channel="email", address="ada@union.test", reason="opted_out", source="staff")
        await queue_invitation(
            db, settings, address="ada@union.test", name="Ada <b>Price</b>", grant="rep of North", link=LINK, days=1,
            until=now + timedelta(days=1), by="olga", now=now,
        )  # fmt: skip
        await queue_reset_notice(
            db, settings, channel="email", sender=settings.email_from, address="ada@union.test", name="Ada", by="olga",
            now=now,
        )  # fmt: skip
        assert {row["kind"] for row in await db.fetch("select kind from transactional")} == {"account"}
    await deliver(runtime)
    return [mail.parse() for mail in sandbox.mailbox.newest()]


def check(mails: list[EmailMessage]) -> None:
    assert sorted(mail["Subject"] for mail in mails) == [
        "Your invitation to The Union on Muster", "Your second factors at The Union on Muster were reset",
    ]  # fmt: skip
    assert {mail["Auto-Submitted"] for mail in mails} == {"auto-generated"}
    [invitation] = [mail for mail in mails if "invitation" in mail["Subject"]]
    plain, styled = invitation.get_body(("plain",)), invitation.get_body(("html",))
    assert plain is not None
    assert styled is not None
    assert f"\n\n{LINK}\n\nThe link works once, for one day: until " in plain.get_content().replace("\r\n", "\n")
    for text in (plain.get_content(), styled.get_content()):
        assert "An administrator (olga) invites you to The Union on Muster, as rep of North." in text
        assert "ask The Union before you open the link: 0800 000 000" in text
    assert "Ada &lt;b&gt;Price" in styled.get_content()
