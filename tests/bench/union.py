"""A union of any size, made in SQL, and campaigns that ask it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from ballots.spec import BallotSpec
from campaigns.campaigns import create_campaign
from campaigns.launch import LaunchResult, launch
from campaigns.spec import CampaignSpec
from core.db import connect, load_queries
from core.db.logins import address_as
from core.runtime import Runtime
from muster.embedded.roles import SUPERUSER
from muster.operator import operator

SQL: Final = load_queries(__file__)


async def add_people(url: str, first: int, last: int) -> None:
    """Members `first` to `last`; the first call makes the branches they are in.

    Args:
        url: the database.
        first: number of the first one, from 1.
        last: of the last one.
    """
    db = await connect(address_as(url, SUPERUSER))
    try:
        if first == 1:
            for name in ("branches", "lineages", "attributes"):
                await db.execute(SQL[name])
        for name in ("people", "phones"):
            await db.execute(SQL[name], first, last)
        await db.execute(SQL["statistics"])
    finally:
        await db.close()


async def make_campaign(runtime: Runtime, name: str, channel: str) -> int:
    """Make a campaign with the template `ballot-reminder`; its ballot is made with the first one."""
    today = datetime.now(UTC).date()
    dates = {"opens": -10, "replacement_by": 10, "last_posting": 15, "closes": 20}
    days = {key: today + timedelta(days=n) for key, n in dates.items()}
    ballot = BallotSpec.model_validate({"name": "pay", "title": "Pay 2026", **days})
    step = {"template": "ballot-reminder", "channels": [channel]}
    campaign = {"name": name, "title": name, "about": {"ballot": "pay"}, "quiet_hours": "none", "steps": [step]}
    spec = CampaignSpec.model_validate(campaign)
    return (await create_campaign(runtime, spec, operator("bench"), own=ballot)).campaign_id


async def launch_campaign(runtime: Runtime, campaign_id: int) -> tuple[int, LaunchResult]:
    """Launch one; returns its step's id, and what the launch came to."""
    (launched,) = await launch(runtime, campaign_id, operator("bench"))
    return launched.step_id, launched
