"""`muster campaign`: make, launch, watch, pause and end a campaign."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click
from pydantic import SecretStr
from rich.console import Console
from rich.live import Live
from rich.text import Text

from campaigns import campaigns
from campaigns.advice import unset_settings
from campaigns.campaigns import Campaign, CampaignStatus, create_campaign, get_campaign
from campaigns.launch import LaunchResult, launch, launch_step_now
from campaigns.launch_plan import LaunchPlan
from campaigns.preview import advice_of_steps, plan_launch
from campaigns.spec import load_campaign_file
from core.access import Actor
from core.db import Connection
from core.runtime import Runtime
from core.settings import Settings
from messaging.channels import has_sms
from messaging.settings import load_settings
from muster.cli.campaign_tables import plan_table, status_table
from muster.cli.noun import Noun
from muster.cli.numbers import STEP
from muster.cli.options import actor_option, json_option, reason_option, yes_option
from muster.cli.output import print_json
from muster.cli.session import open_session, run
from muster.cli.yes import ask_for_yes
from muster.run import SANDBOX_SMS_FROM

StateChange = Callable[[Connection, str, Actor, str], Awaitable[Campaign]]

_OVER: Final = frozenset({"cancelled", "finished"})


@click.group(cls=Noun)
def command() -> None:
    """Make, launch, pause, watch and cancel a campaign."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--replace",
    "in_place",
    is_flag=True,
    help="Put it in the place of a draft of that name, of which nothing was sent.",
)
@actor_option
@json_option
def create(file: Path, actor: Actor, *, in_place: bool, as_json: bool) -> None:
    """Make the campaign that FILE describes; nothing is sent before it is launched.

    FILE is TOML with a [campaign] table; docs/campaigns.md explains every key. If it also holds what that is about, as
    a [question] or [ballot] that does not exist yet, that is made first. Templates, senders, units, attributes, dates
    are all checked here.
    """
    campaign, advice = run(_create(file, actor, in_place=in_place))
    if as_json:
        print_json({**_brief(campaign), "warnings": advice}, indent=True)
    else:
        for sentence in advice:
            click.secho(f"Warning: {sentence}", fg="yellow")
        click.echo(
            f"The campaign {campaign.name} is made, about {campaign.subject.label}. See its plan, and launch it, with:"
        )
        click.echo(f"  muster campaign launch {campaign.name}")


@command.command("launch")
@click.argument("name")
@click.option("--step", type=STEP, help="Launch this step of a running campaign now, before its time.")
@yes_option
@actor_option
@json_option
def launch_(name: str, step: int | None, actor: Actor, *, yes: bool, as_json: bool) -> None:
    """Show who gets which message and the cost, ask, and launch.

    Steps without a time start at once; the others when their time comes, by the worker. A launch that was interrupted
    is taken up where it stopped.
    """
    launched = run(_launch(name, step, actor, ask=not yes, quiet=as_json))
    if as_json:
        print_json({"campaign": name, "launched": launched}, indent=True)
        return
    for report in launched:
        queued = ", ".join(f"{n:,} by {channel}" for channel, n in sorted(report.by_channel.items())) or "nobody"
        left_out = sum(report.not_sent.values())
        click.echo(f"Step {report.position} is launched: {queued}{f'; nothing for {left_out:,}' if left_out else ''}.")
    if not launched:
        click.echo("No step is due yet; the worker launches each when its time comes.")
    click.echo(f"Watch it with: muster campaign status {name} --watch")


@command.command()
@click.argument("name")
@click.option(
    "--watch", is_flag=True, help="Go on showing it until it is over, or Ctrl-C. With --json one object a line."
)
@json_option
def status(name: str, *, watch: bool, as_json: bool) -> None:
    """Show the progress of each step, and the answers so far."""
    run(_status(name, watch=watch, as_json=as_json))


@command.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the campaigns, the newest first."""
    campaigns = run(_list())
    if as_json:
        print_json([_brief(campaign) for campaign in campaigns], indent=True)
        return
    for campaign in campaigns:
        click.echo(f"{campaign.name:<24} {campaign.state:<10} {campaign.title}")
    if not campaigns:
        click.echo("There is no campaign yet. Make one with: muster campaign create FILE")


@command.command()
@click.argument("name")
@reason_option
@actor_option
def pause(name: str, reason: str, actor: Actor) -> None:
    """Pause sending; queued messages wait."""
    run(_change(campaigns.pause, name, actor, reason))
    click.echo(f"{name} is paused. Go on with: muster campaign resume {name}")


@command.command()
@click.argument("name")
@reason_option
@actor_option
def resume(name: str, reason: str, actor: Actor) -> None:
    """Resume sending where it was paused."""
    run(_change(campaigns.resume, name, actor, reason))
    click.echo(f"{name} goes on.")


@command.command()
@click.argument("name")
@yes_option
@reason_option
@actor_option
def cancel(name: str, reason: str, actor: Actor, *, yes: bool) -> None:
    """Cancel a campaign for good: queued messages are withdrawn, and later steps never start."""
    ask_for_yes(f"Cancel {name} for good?", f"Cancelling {name}", yes=yes)
    run(_change(campaigns.cancel, name, actor, reason))
    click.echo(f"{name} is cancelled.")


async def _create(file: Path, actor: Actor, *, in_place: bool) -> tuple[Campaign, list[str]]:
    """Make the campaign, and list what in its file is probably a mistake."""
    spec, own = load_campaign_file(file)
    async with open_session(pool_size=3) as runtime:
        here = replace(runtime, settings=_with_sandbox(runtime.settings))
        campaign = await create_campaign(here, spec, actor, own=own, in_place=in_place)
        async with runtime.pool.acquire() as db:
            advice = _advice(runtime.settings, campaign)
            steps = await advice_of_steps(db, campaign.campaign_id, runtime.clock())
            return campaign, [*advice, *(f"Step {position}: {step}" for position, step in steps)]


def _advice(settings: Settings, campaign: Campaign) -> list[str]:
    """List settings whose absence people would notice; none if messages go to the sandbox."""
    if _with_sandbox(settings) is not settings:
        return []
    return list(unset_settings(settings, campaign.spec, organisation=campaign.subject.organisation))


def _with_sandbox(settings: Settings) -> Settings:
    """Send messages to the sandbox that `muster run` starts beside the worker, where nothing at all is configured."""
    if load_settings().database_url is not None or has_sms(settings) or settings.has_email:
        return settings
    return settings.model_copy(
        update={
            "sms_from": settings.sms_from or SANDBOX_SMS_FROM,
            "twilio_account_sid": "sandbox",
            "twilio_auth_token": (SecretStr("sandbox"),),
            "smtp_url": SecretStr("smtp://sandbox"),
        }
    )


async def _launch(name: str, step: int | None, actor: Actor, *, ask: bool, quiet: bool) -> list[LaunchResult]:
    async with open_session(pool_size=3) as runtime:
        async with runtime.pool.acquire() as db:
            campaign = await get_campaign(db, name)
            again = campaign.launched_at is not None and step is None  # refused, or continued where it stopped
            if not quiet and not again:
                plan_shown = await plan_launch(
                    db,
                    campaign.campaign_id,
                    public_url=runtime.settings.public_url,
                    now=runtime.clock(),
                    caps=runtime.settings.frequency_cap,
                    at_once=step,
                )
                _show_plan(campaign, plan_shown, step, _advice(runtime.settings, campaign))
        if not again:
            ask_for_yes("Launch?", f"Launching {name}", yes=not ask, quiet=quiet)
        if step is not None:
            return [await launch_step_now(runtime, campaign.campaign_id, step, actor=actor)]
        return await launch(runtime, campaign.campaign_id, actor)


def _show_plan(campaign: Campaign, plan: LaunchPlan, step: int | None, advice: Sequence[str]) -> None:
    console = Console()
    console.print(Text.assemble((campaign.name, "bold"), f"  {campaign.title} · {campaign.subject.label}"))
    for planned_step in plan.steps:
        if step is None or planned_step.position == step:
            console.print(plan_table(planned_step, now=step is not None))
    for sentence in advice:
        console.print(Text(f"Warning: {sentence}", style="yellow"))


async def _status(name: str, *, watch: bool, as_json: bool) -> None:
    async with open_session(pool_size=2) as runtime:
        now = await _look(runtime, name)
        if as_json:
            print_json(_status_json(now), indent=not watch)
        elif not watch:
            Console().print(status_table(now))
        if watch:
            await _watch(runtime, now, as_json=as_json)


async def _watch(runtime: Runtime, now: CampaignStatus, *, as_json: bool) -> None:
    with Live(status_table(now), console=Console(quiet=as_json), refresh_per_second=4) as live:
        while now.campaign.state not in _OVER:
            await asyncio.sleep(1)
            now = await _look(runtime, now.campaign.name)
            live.update(status_table(now))
            if as_json:
                print_json(_status_json(now))


async def _look(runtime: Runtime, name: str) -> CampaignStatus:
    async with runtime.pool.acquire() as db:
        return await campaigns.find_status(db, name, runtime.clock())


async def _list() -> list[Campaign]:
    async with open_session(pool_size=2) as runtime, runtime.pool.acquire() as db:
        return [await get_campaign(db, name) for name in await campaigns.campaign_names(db)]


async def _change(change: StateChange, name: str, actor: Actor, reason: str) -> None:
    async with open_session(pool_size=2) as runtime:
        async with runtime.pool.acquire() as db:
            await change(db, name, actor, reason)
        await runtime.wake("deliver")


def _brief(campaign: Campaign) -> dict[str, Any]:
    return {
        "name": campaign.name,
        "title": campaign.title,
        "about": {campaign.subject.kind: campaign.subject.name},
        "state": campaign.state,
        "paused_reason": campaign.paused_reason,
        "created_at": campaign.created_at,
        "launched_at": campaign.launched_at,
        "finished_at": campaign.finished_at,
    }


def _status_json(now: CampaignStatus) -> dict[str, Any]:
    further = {"opted_out": now.opted_out, "answers_until": now.answers_until}
    return {"campaign": _brief(now.campaign), "steps": now.steps, **further, **now.outcome.figures}
