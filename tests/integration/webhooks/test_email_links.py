"""Links in emails, which have no row: they open what their token says, and all that leads nowhere looks alike."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from pydantic import SecretStr

from core.db import Connection
from core.keyring import Keyring, digest
from core.member_link_lifetime import LINK_LIFETIME
from core.runtime import Runtime
from messaging.outbox.archive import archive_chunk, ready_year
from muster import erasure
from muster.operator import operator
from tests.support.clocks import FixedClock
from tests.support.electorate import add_person
from tests.support.inbound_rows import PHONE, Campaign, Recipient, look, make_campaign, press, serve
from tests.support.member_states import Client
from webhooks.members.page_views import PageViews
from webhooks.members.recipient import LinkPage, find_recipient

MAILBOX = "ann@member.test"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
PAGES = ("", "/u", "/p")
LATE = LINK_LIFETIME.days + 12
"""Days after which links of the campaign have expired."""


def token_of(recipient: Recipient) -> str:
    return recipient.confirm.removeprefix("/")


def farewell_of(recipient: Recipient) -> str:
    return recipient.unsubscribe.removeprefix("/u/")


async def answer_of(client: Client, path: str) -> tuple[int, dict[str, str], bytes]:
    """Everything a visitor can see of an answer; each comes from a network of its own, as bad links are counted."""
    response = await client.get(path, headers={"X-Forwarded-For": f"8.8.{next(_NETWORKS)}.8"})
    headers = {name: value for name, value in response.headers.items() if name != "Date"}
    return response.status, headers, await response.read()


_NETWORKS = itertools.count(1)


async def archive(db: Connection, campaign: Campaign) -> None:
    await db.execute("update campaign set state = 'finished', finished_at = now()")
    await db.execute("update message set state = 'delivered' where state in ('queued', 'sending')")
    await db.execute("update step set state = 'finished'")
    await ready_year(db, campaign.step_id)
    assert (await archive_chunk(db, campaign.step_id, PageViews())).messages


async def erase(runtime: Runtime, who: str) -> None:
    traces = await erasure.look_for(runtime, who)
    await erasure.erase(runtime, traces, actor=operator("olga"), may_return=False)


async def test_a_link_without_a_row_opens_the_page_and_takes_an_answer(
    campaign: Campaign, client: Client, db: Connection, clock: FixedClock
) -> None:
    ann = await campaign.ask(email=MAILBOX)
    assert await db.fetchval("select count(*) from link") == 0
    page = await look(client, ann.confirm.upper().replace("0", "O") + ".")
    clock.wait(seconds=5)
    await press(client, ann.confirm, page, "voted")
    assert await campaign.status(ann) == "voted"
    assert await campaign.waiting(ann) == ("cancelled", "answered")
    views = await db.fetch("select message_id, action, answer from page_view order by page_view_id")
    assert [tuple(view) for view in views] == [
        (ann.message_id, "confirm", "voted"),
        (ann.message_id, "confirm", None),
    ], "a view and its press are of the message and the page, with no row of the link"
    assert (await client.post(ann.unsubscribe, data=ONE_CLICK)).status == 200
    assert ("email", MAILBOX, "opted_out") in await campaign.suppressed()
    assert await db.fetchval("select count(*) from link") == 0


async def test_a_token_opens_only_the_pages_of_its_action(campaign: Campaign, client: Client) -> None:
    ann = await campaign.ask(email=MAILBOX)
    for token, opens in ((token_of(ann), {"", "/p"}), (farewell_of(ann), {"/u", "/p"})):
        for page in PAGES:
            status, _, _ = await answer_of(client, f"{page}/{token}")
            assert status == (200 if page in opens else 404), (page, token)
    assert (await client.post(f"/u/{token_of(ann)}", data=ONE_CLICK)).status == 404
    assert await campaign.suppressed() == set()


async def test_a_form_of_one_message_is_of_no_use_to_another(
    campaign: Campaign, client: Client, clock: FixedClock
) -> None:
    ann, bob = await campaign.ask(email=MAILBOX), await campaign.ask(email="bob@member.test")
    page = await look(client, ann.confirm)
    clock.wait(seconds=5)
    response = await client.post(bob.confirm, data={**page.fields, "answer": "voted"})
    assert response.status == 409
    assert (await campaign.status(ann), await campaign.status(bob)) == (None, None)


@pytest.mark.parametrize("page", PAGES)
async def test_whatever_leads_nowhere_is_answered_alike(
    campaign: Campaign, client: Client, here: Runtime, db: Connection, clock: FixedClock, page: str
) -> None:
    """Forged, of a removed secret, of no message, of another page, revoked, erased, expired, or never a link at all."""
    ann, bob, cyd = [await campaign.ask(email=f"{name}@member.test") for name in ("ann", "bob", "cyd")]
    ring = here.keyring
    for number, action in enumerate(("confirm", "unsubscribe")):
        await db.execute(
            "insert into link (digest, message_id, action, revoked_at) values ($1, $2, $3, now())",
            bytes([number]) * 16, bob.message_id, action,
        )  # fmt: skip
    await erase(here, "P3")
    good = token_of(ann)
    other_page = {"": farewell_of(ann), "/u": good, "/p": "0" * 31 + "1"}[page]
    paths = {
        "forged": f"{good[:-1]}{'1' if good[-1] == '0' else '0'}",
        "made up": "z" * 32,
        "of an unknown version": "z" + good[1:],
        "of a removed secret": Keyring([SecretStr("a secret that was removed")]).email_token(ann.message_id, "confirm"),
        "of no message": ring.email_token(2**62, "unsubscribe" if page == "/u" else "confirm"),
        "of another page": other_page,
        "revoked": farewell_of(bob) if page == "/u" else token_of(bob),
        "erased": farewell_of(cyd) if page == "/u" else token_of(cyd),
        "as a text's, without its row": ring.token(ann.message_id, "unsubscribe" if page == "/u" else "confirm"),
        "too short": good[:-1],
        "no link": "0000000000000",
    }
    seen = {name: await answer_of(client, f"{page}/{token}") for name, token in paths.items()}
    clock.wait(days=LATE)
    if page != "/u":
        seen["expired"] = await answer_of(client, f"{page}/{good}")
    first = seen["no link"]
    assert first[0] == 404
    assert b"This link does not work" in first[2]
    assert {name for name, answer in seen.items() if answer != first} == set()


async def test_all_that_leads_nowhere_asks_the_database_the_same(
    campaign: Campaign, here: Runtime, db: Connection, clock: FixedClock
) -> None:
    """One statement for each link, the same for a forged one as for one that was revoked or has expired."""
    ann, bob = await campaign.ask(email=MAILBOX), await campaign.ask(email="bob@member.test")
    await db.execute("insert into link values ('\\x00', $1, 'confirm', now(), now())", bob.message_id)
    clock.wait(days=LATE)
    asked: list[str] = []
    db.add_query_logger(lambda record: asked.append(record.query))
    tokens = (token_of(ann), token_of(bob), "z" * 32, farewell_of(ann))
    for token in tokens:
        assert await find_recipient(db, here.keyring.read_link(token), "confirm", clock()) is None
    await db.fetchval("select 'the log comes a little later'")
    asked_for_links = [query for query in asked if "later" not in query]
    assert len(asked_for_links) == len(tokens)
    assert len(set(asked_for_links)) == 1


@pytest.mark.parametrize("secret", ["of the step", "another"])
async def test_a_revoked_action_stays_closed_whatever_secret_its_token_is_made_with(
    campaign: Campaign, here: Runtime, db: Connection, secret: str
) -> None:
    ann = await campaign.ask(email=MAILBOX)
    rotated = Keyring([SecretStr("another secret of this union"), *here.settings.secret_key])
    tokens = {
        "of the step": token_of(ann),
        "another": rotated.email_token(ann.message_id, "confirm"),
    }
    await db.execute(
        "insert into link (digest, message_id, action, revoked_at) values ($1, $2, 'confirm', now())",
        digest(token_of(ann)), ann.message_id,
    )  # fmt: skip
    async with serve(replace(here, keyring=rotated)) as client:
        assert (await client.get(f"/{tokens[secret]}")).status == 404
        assert (await client.get(f"/p/{tokens[secret]}")).status == 404
        assert (await client.get(ann.unsubscribe)).status == 200, "the other link of the message was not revoked"


async def test_a_rotated_secret_still_opens_and_a_removed_one_does_not(campaign: Campaign, here: Runtime) -> None:
    ann, bob = await campaign.ask(email=MAILBOX), await campaign.ask(sms=PHONE)
    new = SecretStr("the new secret of this union")
    for secrets, status in (((new, *here.settings.secret_key), 200), ((new,), 404)):
        async with serve(replace(here, keyring=Keyring(secrets))) as client:
            for path in (ann.confirm, ann.unsubscribe, f"/p{ann.confirm}"):
                assert (await client.get(path)).status == status, path
            assert (await client.get(bob.confirm)).status == 200, "texts are looked up"


async def test_unsubscribing_works_for_as_long_as_the_message_is_kept(
    campaign: Campaign, client: Client, here: Runtime, db: Connection, owner: Connection, clock: FixedClock
) -> None:
    ann, bob, text = (
        await campaign.ask(email=MAILBOX), await campaign.ask(email="bob@member.test"), await campaign.ask(sms=PHONE)
    )  # fmt: skip
    clock.wait(days=LATE)
    page = await look(client, ann.unsubscribe)
    assert page.shown == ["stop", "stop_everywhere"]
    assert not any("p/" in link for link in page.links), "the page of preferences has expired"
    assert (await client.get(f"/p/{farewell_of(ann)}")).status == 404
    assert (await client.get(ann.confirm)).status == 404
    assert (await client.get(text.unsubscribe)).status == 404
    await archive(db, campaign)
    assert (await client.get(ann.confirm)).status == 404
    assert (await client.get(f"/u/{token_of(ann)}")).status == 404, "the other link of the message"
    assert (await client.head(ann.unsubscribe)).status == 200
    page = await look(client, ann.unsubscribe)
    stopped = await press(client, ann.unsubscribe, page, "stop")
    assert stopped.buttons == ["undo_stop"]
    assert ("email", MAILBOX, "opted_out") in await campaign.suppressed()
    sure = await press(client, ann.unsubscribe, stopped, "undo_stop")
    await press(client, ann.unsubscribe, sure, "undo_stop")
    assert await campaign.suppressed() == set()
    assert (await client.post(bob.unsubscribe, data=ONE_CLICK)).status == 200
    assert ("email", "bob@member.test", "opted_out") in await campaign.suppressed()
    year = await db.fetchval("select year from message_archive limit 1")
    await owner.execute(f"drop table message_archive_{year}")
    assert (await client.get(ann.unsubscribe)).status == 404
    assert (await client.post(ann.unsubscribe, data=ONE_CLICK)).status == 404


async def test_a_revoked_unsubscribe_link_stays_revoked_in_the_archive(
    campaign: Campaign, client: Client, db: Connection
) -> None:
    ann, bob = await campaign.ask(email=MAILBOX), await campaign.ask(email="bob@member.test")
    for number, action in enumerate(("confirm", "unsubscribe")):
        await db.execute(
            "insert into link (digest, message_id, action, revoked_at) values ($1, $2, $3, now())",
            bytes([number]) * 16, ann.message_id, action,
        )  # fmt: skip
    await archive(db, campaign)
    assert (await client.get(ann.unsubscribe)).status == 404
    assert (await client.get(bob.unsubscribe)).status == 200
    assert [row["action"] for row in await db.fetch("select action from link")] == ["unsubscribe"]


async def test_an_archived_message_of_an_erased_person_opens_nothing(
    campaign: Campaign, client: Client, here: Runtime, db: Connection, clock: FixedClock
) -> None:
    ann = await campaign.ask(email=MAILBOX)
    await archive(db, campaign)
    assert (await client.get(ann.unsubscribe)).status == 200
    await erase(here, "P1")
    assert (await client.get(ann.unsubscribe)).status == 404
    assert (await client.post(ann.unsubscribe, data=ONE_CLICK)).status == 404
    assert await campaign.suppressed() == {("person", str(ann.person_id), "erased")}


async def test_whoever_shares_an_erased_persons_mailbox_may_still_unsubscribe(
    campaign: Campaign, client: Client, here: Runtime, db: Connection
) -> None:
    ann = await campaign.ask(email=MAILBOX)
    await add_person(db, "BEA", email=MAILBOX)
    await erase(here, "P1")
    for path in (ann.confirm, f"/p{ann.confirm}", f"/p/{farewell_of(ann)}"):
        assert (await client.get(path)).status == 404, path
    assert (await look(client, ann.unsubscribe)).shown == ["stop"]
    assert (await client.post(ann.unsubscribe, data=ONE_CLICK)).status == 200
    assert ("email", MAILBOX, "opted_out") in await campaign.suppressed()
    await erase(here, "BEA")
    assert (await client.get(ann.unsubscribe)).status == 404, "nobody has the address any more"


async def test_a_message_without_a_campaign_has_no_page(campaign: Campaign, client: Client, db: Connection) -> None:
    """Also of texts no email's token is ever made; but a token is not asked what kind of message it is for."""
    message_id = await db.fetchval(
        "insert into message (channel, address, sender_id, state) values ('email', $1, $2, 'sent')"
        " returning message_id",
        MAILBOX, campaign.email_id,
    )  # fmt: skip
    ring = campaign.runtime.keyring
    assert (await client.get(f"/{ring.email_token(message_id, 'confirm')}")).status == 404
    assert (await client.get(f"/u/{ring.email_token(message_id, 'unsubscribe')}")).status == 404


@pytest.mark.parametrize("page", ["confirm", "unsubscribe", "preferences"])
async def test_web_servers_of_the_version_before_find_what_they_know(
    here: Runtime, db: Connection, clock: FixedClock, page: LinkPage
) -> None:
    """They ask by the digest alone; emails that were sent before have rows, too."""
    campaign = await make_campaign(here, db, now=clock())
    ann = await campaign.ask(sms=PHONE)
    token = farewell_of(ann) if page == "unsubscribe" else token_of(ann)
    opened_by = ["confirm", "unsubscribe"] if page == "preferences" else [page]
    before = await db.fetchrow(
        "select * from link_recipient($1, $2::text[], $3, $4)", digest(token), opened_by, clock(), LINK_LIFETIME
    )
    after = await find_recipient(db, here.keyring.read_link(token), page, clock())
    assert before is not None
    assert after is not None
    names = [name for name in dict(before) if name != "subject"]
    assert [before[name] for name in names] == [getattr(after, name) for name in names]
    assert not after.only_unsubscribes
