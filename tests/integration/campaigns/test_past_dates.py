"""A date that is past when a message goes: our templates leave it out, and everybody else's are warned of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ballots.ballots import create_ballot
from campaigns.advice import unset_settings
from campaigns.campaigns import create_campaign
from campaigns.launch import launch
from campaigns.preview import advice_of_steps, plan_launch
from core.runtime import Runtime
from core.settings import Settings
from muster.operator import operator
from tests.support.electorate import NOW, add_person, at_noon, ballot_spec, campaign_spec, connected
from tests.support.sent_texts import said

PAST = {"last_posting": NOW - timedelta(hours=2), "replacement_by": NOW - timedelta(days=2)}
COMING = {"last_posting": NOW + timedelta(days=2), "replacement_by": NOW + timedelta(days=1)}


def one_step(template: str, **step: object) -> list[dict[str, object]]:
    return [{"template": template, "channels": ["email", "sms"], **step}]


async def launched(muster: Runtime, template: str, dates: Mapping[str, object]) -> dict[str, str]:
    async with connected(muster) as db:
        for external_id, language, address in (
            ("1", "en", {"email": "a@x.test"}), ("2", "cy", {"email": "b@x.test"}),
            ("3", "en", {"sms": "+447700900003"}),
            ("4", "cy", {"sms": "+447700900004"}),
        ):  # fmt: skip
            person = await add_person(db, external_id, **address)  # type: ignore[arg-type]
            await db.execute("update person set language = $2 where person_id = $1", person, language)
        await create_ballot(
            db,
            ballot_spec(opens=NOW - timedelta(days=9), closes=NOW + timedelta(days=8), **dates),
            actor=operator("staff"),
        )
    campaign = await create_campaign(muster, campaign_spec(steps=one_step(template)), operator("staff"))
    async with connected(muster) as db:
        [step] = (await plan_launch(db, campaign.campaign_id, public_url="http://m.test", now=NOW)).steps
        assert not [warning for warning in step.warnings if "past" in warning]
        planned = {example.text for example in step.examples}
    await launch(muster, campaign.campaign_id, operator("staff"))
    words = await said(muster)
    assert any(text.startswith(words["3"][:40]) for text in planned), "the plan shows what is sent"
    return words


@pytest.mark.parametrize(("template", "coming", "past"), [
    ("ballot-reminder", ("No ballot paper?", "Not posted it yet?", "Dim papur pleidleisio?"), ()),
    ("ballot-last-days", ("The last safe day to post it is", "paper by Tuesday", "erbyn"),
     ("The last safe day to post it has passed", "post your ballot paper at once", "postiwch eich papur ar unwaith")),
])  # fmt: skip
@pytest.mark.parametrize("are_past", [False, True])
async def test_our_templates_name_no_day_that_is_past(
    runtime: Runtime, template: str, coming: tuple[str, ...], past: tuple[str, ...], are_past: bool
) -> None:
    words = "\n".join((await launched(at_noon(runtime), template, PAST if are_past else COMING)).values())
    assert [text for text in coming if text in words] == ([] if are_past else list(coming))
    assert [text for text in past if text in words] == (list(past) if are_past else [])


async def test_a_template_that_names_a_past_day_is_warned_of(runtime: Runtime, tmp_path: Path) -> None:
    folder = tmp_path / "messages" / "own"
    folder.mkdir(parents=True)
    (folder / "sms.txt").write_text(
        "---\npurpose: service\n---\nVote{% if first_name %}, {{ first_name }}, and ask for a paper until"
        " {{ ballot.replacement_by }}{% endif %}: {{ confirm_link }} STOP to opt out\n"
    )
    settings = at_noon(runtime).settings.model_copy(update={"templates": tmp_path})
    muster = replace(at_noon(runtime), settings=settings)
    async with connected(muster) as db:
        await add_person(db, "1", sms="+447700900001")
        await create_ballot(db, ballot_spec(replacement_by=NOW + timedelta(days=1)), actor=operator("staff"))
    steps = [*one_step("own", channels=["sms"]), *one_step("own", channels=["sms"], when={"after": "2 days"})]
    campaign = await create_campaign(muster, campaign_spec(steps=steps), operator("staff"))
    async with connected(muster) as db:
        [(position, said_of)] = await advice_of_steps(db, campaign.campaign_id, NOW)
    assert position == 2, "the first goes in time"
    assert "(ballot.replacement_by), which is past when the step starts: leave it out with" in said_of


async def test_a_template_of_another_subject_is_warned_of(runtime: Runtime, tmp_path: Path) -> None:
    muster = at_noon(runtime)
    muster = replace(muster, settings=muster.settings.model_copy(update={"templates": tmp_path}))
    folder = tmp_path / "messages" / "bin-days"
    folder.mkdir(parents=True)
    (folder / "sms.txt").write_text(
        "---\npurpose: service\n---\nBins go out on Monday. STOP to opt out\n", encoding="utf-8"
    )
    async with connected(muster) as db:
        await add_person(db, "1", sms="+447700900001")
        await create_ballot(db, ballot_spec(), actor=operator("staff"))
    steps = [*one_step("bin-days", channels=["sms"]), *one_step("ballot-reminder", channels=["sms"])]
    campaign = await create_campaign(muster, campaign_spec(steps=steps), operator("staff"))
    async with connected(muster) as db:
        advice = await advice_of_steps(db, campaign.campaign_id, NOW)
    strange = "The template bin-days says nothing of a ballot or a vote. Is it the one you mean?"
    assert [position for position, words in advice if words == strange] == [1]


def kept(**changes: object) -> dict[str, Any]:
    return campaign_spec(**changes).model_dump(mode="json", by_alias=True, exclude_none=True)


def test_settings_that_members_would_miss_are_named() -> None:
    spec = kept(steps=one_step("ballot-reminder"))
    first = [words.split()[0] for words in unset_settings(Settings(_env_file=None), spec, organisation="")]
    assert first == ["MUSTER_ORGANISATION", "MUSTER_EMAIL_FROM", "MUSTER_CONTACT"]
    known = Settings(organisation="The Union", email_from="The Union <a@x.test>", contact="020 7946 0000")
    assert not list(unset_settings(known, spec, organisation=""))
    texts = kept(steps=one_step("ballot-reminder", channels=["sms"]))
    assert len(list(unset_settings(Settings(_env_file=None), texts, organisation="Sprocket Makers"))) == 2
