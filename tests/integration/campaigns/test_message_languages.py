"""A campaign in two languages: each member's text and email, the plan's counts, retries, and answers by digit."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from itertools import product
from pathlib import Path

import pytest
from rich.console import Console

from ballots.ballots import create_ballot
from campaigns.campaigns import create_campaign
from campaigns.launch import launch
from campaigns.preview import advice_of_steps, plan_launch
from campaigns.replies.answers import Inbound, answer_reply
from campaigns.spec import CampaignSpec
from core.db import Connection
from core.runtime import Runtime
from messaging.content.templates import Template
from muster.cli.campaign_tables import plan_table
from muster.operator import operator
from tests.support.electorate import NOW, add_person, at_noon, ballot_spec, campaign_spec, connected
from tests.support.questions import VISIT, add_question
from tests.support.sent_texts import said

STEPS = [
    {"template": "ballot-reminder", "channels": ["email", "sms"]},
    {"template": "ballot-reminder", "channels": ["sms"], "when": {"after": "3 days"}},
]


@pytest.fixture
def muster(runtime: Runtime) -> Runtime:
    return at_noon(runtime)


async def people(db: Connection) -> None:
    for external_id, language, address in (
        ("1", "en", {"sms": "+447700900001"}), ("2", "cy", {"sms": "+447700900002"}),
        ("3", "cy-gb", {"email": "c@x.test"}), ("4", "pl", {"sms": "+447700900004"}),
        ("5", "en", {"email": "e@x.test"}),
    ):  # fmt: skip
        person = await add_person(db, external_id, **address)  # type: ignore[arg-type]
        await db.execute("update person set language = $2 where person_id = $1", person, language)


async def test_each_member_gets_their_language_and_a_retry_the_same_bytes(muster: Runtime) -> None:
    async with connected(muster) as db:
        await people(db)
        await create_ballot(db, ballot_spec(), actor=operator("staff"))
    campaign = await create_campaign(muster, campaign_spec(steps=STEPS), operator("staff"))
    await launch(muster, campaign.campaign_id, operator("staff"))

    first = await said(muster)
    assert first["1"].startswith("Hi Ann, ")
    assert first["2"].startswith("Helo Ann, ")
    assert "dydd Llun 7 Rhagfyr am 12:00" in first["3"]
    assert "Dad-danysgrifio: " in first["3"]
    assert first["4"].startswith("Hi Ann, "), "Polish is not there: English"
    assert "Monday 7 December, 12:00" in first["5"]

    async with connected(muster) as db:  # what changes afterwards changes no message that was approved
        await db.execute("update person set language = 'en'")
    assert await said(muster) == first


async def test_the_plan_counts_by_language_and_names_those_that_are_missing(muster: Runtime) -> None:
    async with connected(muster) as db:
        await people(db)
        await create_ballot(db, ballot_spec(), actor=operator("staff"))
    campaign = await create_campaign(
        muster, campaign_spec(steps=STEPS, price={"sms_segment": 0.1, "email": 0.01}), operator("staff")
    )
    async with connected(muster) as db:
        first, _ = (await plan_launch(db, campaign.campaign_id, public_url="http://m.test", now=NOW)).steps

    assert {language.language: dict(language.messages) for language in first.languages} == {
        "en": {"sms": 1, "email": 1}, "cy": {"sms": 1}, "cy-gb": {"email": 1}, "pl": {"sms": 1},
    }  # fmt: skip
    assert {language.language: dict(language.missing) for language in first.languages if language.missing} == {
        "pl": {"sms": "en"}
    }
    assert first.segments == sum(language.segments for language in first.languages) == 3
    assert first.cost == pytest.approx(0.32)
    screen = StringIO()
    Console(width=200, file=screen).print(plan_table(first))
    words = screen.getvalue()
    assert re.search(r"1 +have the language Welsh \(cy\): 1 by text, 1 segment", words)
    assert "have the language Polish (pl): 1 by text, 1 segment; the text is not in Polish (pl)" in words
    assert "they get it in English (en); their page is in English (en)" in words


async def test_the_plan_shows_what_most_people_get_and_what_each_other_gets(muster: Runtime) -> None:
    async with connected(muster) as db:
        await people(db)
        await db.execute("update person set external_id = '0' || external_id where language = 'en'")
        await create_ballot(db, ballot_spec(), actor=operator("staff"))
    campaign = await create_campaign(muster, campaign_spec(steps=STEPS), operator("staff"))
    async with connected(muster) as db:
        first, second = (await plan_launch(db, campaign.campaign_id, public_url="http://m.test", now=NOW)).steps
    kinds = [(example.channel, example.language, example.messages) for example in first.examples]
    assert kinds[0] == ("sms", "en", 2)
    assert set(kinds[1:]) == {("email", "en", 1), ("sms", "cy", 1), ("email", "cy", 1)}
    assert [example.text[:4] for example in second.examples] == ["Hi A", "Helo"]
    screen = StringIO()
    Console(width=200, file=screen).print(plan_table(first))
    words = screen.getvalue()
    assert "The text in English (en), as 2 of 5 get it:" in words
    assert "The email in Welsh (cy), as 1 of 5 get it:" in words
    assert re.search("… [0-9]+ more lines", words), "what is cut off is said"


async def test_a_single_language_is_not_mentioned_in_the_plan(muster: Runtime) -> None:
    async with connected(muster) as db:
        await add_person(db, "1", sms="+447700900001")
        await create_ballot(db, ballot_spec(), actor=operator("staff"))
    campaign = await create_campaign(muster, campaign_spec(), operator("staff"))
    async with connected(muster) as db:
        first, _ = (await plan_launch(db, campaign.campaign_id, public_url="http://m.test", now=NOW)).steps
    screen = StringIO()
    Console(width=200, file=screen).print(plan_table(first))
    words = screen.getvalue()
    assert "language" not in words
    assert "get it:" not in words, "there is only one message to show"


async def test_a_sample_looks_at_each_language(muster: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.preview.SAMPLE_SIZE", 20)
    async with connected(muster) as db:
        for n in range(60):
            person = await add_person(db, f"{n}", sms=f"+4477009001{n:02}", first_name="Ŵil" if n % 20 == 0 else "Ann")
            if n % 20 == 0:
                await db.execute("update person set language = 'cy' where person_id = $1", person)
        await create_ballot(db, ballot_spec(), actor=operator("staff"))
    campaign = await create_campaign(muster, campaign_spec(), operator("staff"))
    async with connected(muster) as db:
        _, texts = (await plan_launch(db, campaign.campaign_id, public_url="http://m.test", now=NOW)).steps
    english, welsh = texts.languages
    assert (english.language, english.rendered, english.segments) == ("en", 19, 57)
    assert (welsh.language, welsh.rendered, welsh.ucs2, welsh.segments) == ("cy", 2, 2, 9)
    assert not texts.exact


async def test_a_digit_means_what_the_text_in_ones_own_language_offered(muster: Runtime, tmp_path: Path) -> None:
    folder = tmp_path / "messages" / "nudge"
    folder.mkdir(parents=True)
    head = "---\npurpose: service\nmenu: {%s}\n---\n%s 1 or 2 {{ confirm_link }} STOP"
    (folder / "sms.txt").write_text(head % ("1: voted, 2: not_voted", "Voted?"))
    (folder / "sms.cy.txt").write_text(head % ("1: not_voted, 2: voted", "Pleidleisio?"))
    muster = replace(muster, settings=muster.settings.model_copy(update={"templates": tmp_path}))
    async with connected(muster) as db:
        await people(db)
        await create_ballot(db, ballot_spec(), actor=operator("staff"))
    steps = [{"template": "nudge", "channels": ["sms"]}]
    campaign = await create_campaign(muster, campaign_spec(steps=steps), operator("staff"))
    await launch(muster, campaign.campaign_id, operator("staff"))
    async with connected(muster) as db:
        await db.execute(
            "update message set state = 'delivered', sent_at = $1, wire_at = $1 where channel = 'sms'", NOW
        )
        read = {}
        for n, person in ((1, "+447700900001"), (2, "+447700900002"), (3, "+447700900004")):
            inbound = Inbound(n, "sms", person, ("+447700900000",), "1", NOW + timedelta(minutes=5))
            read[person] = (await answer_reply(db, inbound)).reading
    assert read == {"+447700900001": "voted", "+447700900002": "not_voted", "+447700900004": "voted"}


async def test_digits_mean_what_the_text_that_is_sent_says(db: Connection) -> None:
    """The text is chosen in Python, and what its digits mean by the database: for every language alike."""
    owns, others = ("en", "cy", "cy-gb", "cy-gb-north"), ((), ("cy",), ("cy-gb",), ("cy", "cy-gb"), ("en", "cy"))
    for own, more, only_email in product(owns, others, ("", "cy", "cy-gb")):

        def one(language: str, own: str = own, only_email: str = only_email) -> Template:
            sms = None if language == only_email and language != own else "Reply 1"
            return Template(
                name="ballot", purpose="service", sms=sms, email="Hello", menu={"1": language}, language=language
            )

        template = replace(one(own), translations={other: one(other) for other in more if other != own})
        for wanted in ("en", "cy", "cy-gb", "cy-GB", "cy_gb", "cy-gb-north", "cy-gb-south", "pl", ""):
            menu = await db.fetchval("select menu_of($1, $2)", template.to_json(), {"language": wanted})
            assert menu == {"1": template.version("sms", wanted).language}, (own, more, only_email, wanted)


async def test_who_reads_a_question_in_another_language_than_its_page_is_counted_in_warnings(muster: Runtime) -> None:
    steps = [{"template": "feedback-request", "channels": ["sms", "email"]}]
    warned = {}
    async with connected(muster) as db:
        await people(db)
        for name, translations in (("plain", {}), ("welsh", VISIT["translations"])):
            await add_question(db, name=name, translations=translations)
            given = {"name": name, "title": "Visit", "about": {"question": name}, "steps": steps}
            campaign = await create_campaign(muster, CampaignSpec.model_validate(given), operator("staff"))
            plan = await plan_launch(db, campaign.campaign_id, public_url="http://m.test", now=NOW)
            made = [sentence for _, sentence in await advice_of_steps(db, campaign.campaign_id, NOW)]
            both = (plan.steps[0].warnings, made)
            warned[name] = [[sentence for sentence in told if "language" in sentence] for told in both]
    expected = (
        "2 people have the language Welsh (cy), which the question plain is not in: they read its title, its"
        " question and its answers in English. Put these under [question.translations.cy] in its file before it is"
        " asked."
    )
    assert warned == {"plain": [[expected], [expected]], "welsh": [[], []]}
